//! Several processes: who is alive, what changed, and what is delivered about no agent; webhooks.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let (changes, outbox) = match manager.get_database_backend() {
            DbBackend::Postgres => (POSTGRES_CHANGES, POSTGRES_UP),
            _ => (SQLITE_CHANGES, SQLITE_UP),
        };
        crate::run(manager, &[UP, changes, outbox].join(crate::BETWEEN)).await
    }

    /// Deliveries of webhooks and those about no agent are lost: there was no place for them before.
    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let outbox = match manager.get_database_backend() {
            DbBackend::Postgres => POSTGRES_DOWN,
            _ => SQLITE_DOWN,
        };
        crate::run(manager, &[LOST, outbox, DOWN].join(crate::BETWEEN)).await
    }
}

const UP: &str = "\
CREATE TABLE processes (
    id {uuid} NOT NULL PRIMARY KEY,
    started_at {instant} NOT NULL,
    heartbeat_at {instant} NOT NULL,
    beats bigint NOT NULL
)
--
CREATE TABLE presences (
    process_id {uuid} NOT NULL REFERENCES processes (id) ON DELETE CASCADE,
    agent_id {uuid} NOT NULL REFERENCES agents (id),
    PRIMARY KEY (process_id, agent_id)
)
--
CREATE INDEX presences_by_agent ON presences (agent_id)
--
CREATE TABLE webhooks (
    id {uuid} NOT NULL PRIMARY KEY,
    url text NOT NULL,
    description text,
    events {json} NOT NULL,
    secret {bytes} NOT NULL,
    former_secret {bytes},
    former_secret_until {instant},
    enabled {bool} NOT NULL,
    disabled_reason text,
    failing_since {instant},
    created_at {instant} NOT NULL
)
--
CREATE TABLE webhook_attempts (
    id {uuid} NOT NULL PRIMARY KEY,
    delivery_id {uuid} NOT NULL,
    attempted_at {instant} NOT NULL,
    duration_ms integer NOT NULL,
    status integer,
    problem text,
    response text
)
--
CREATE INDEX webhook_attempts_by_delivery ON webhook_attempts (delivery_id, attempted_at)
--
CREATE INDEX webhook_attempts_by_age ON webhook_attempts (attempted_at)
--
ALTER TABLE calendar_syncs ADD COLUMN lease_process {uuid}
--
ALTER TABLE calendar_connections ADD COLUMN refresh_lease_process {uuid}";

/// `transaction_id` tells a reader which changes it can't have seen yet: those of transactions that were
/// under way when it read last.
const POSTGRES_CHANGES: &str = "\
CREATE TABLE changes (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    transaction_id xid8 NOT NULL DEFAULT pg_current_xact_id(),
    process_id uuid NOT NULL,
    change jsonb NOT NULL,
    created_at timestamptz NOT NULL
)
--
CREATE INDEX changes_by_transaction ON changes (transaction_id)
--
CREATE INDEX changes_by_age ON changes (created_at)";

/// With one writer at a time, changes are committed in the order of their numbers.
const SQLITE_CHANGES: &str = "\
CREATE TABLE changes (
    id integer NOT NULL PRIMARY KEY AUTOINCREMENT,
    process_id blob NOT NULL,
    change text NOT NULL,
    created_at text NOT NULL
)
--
CREATE INDEX changes_by_age ON changes (created_at)";

const POSTGRES_UP: &str = "\
ALTER TABLE outbox ALTER COLUMN agent_id DROP NOT NULL
--
ALTER TABLE outbox ADD COLUMN live_chat_id uuid REFERENCES live_chat_requests (id)
--
ALTER TABLE outbox ADD COLUMN webhook_id uuid REFERENCES webhooks (id) ON DELETE CASCADE
--
ALTER TABLE outbox ADD COLUMN lease_process uuid
--
CREATE INDEX outbox_by_webhook ON outbox (webhook_id, id) WHERE webhook_id IS NOT NULL
--
CREATE INDEX outbox_leased ON outbox (lease_process) WHERE lease_process IS NOT NULL";

const LOST: &str = "DELETE FROM outbox WHERE agent_id IS NULL OR webhook_id IS NOT NULL";

const POSTGRES_DOWN: &str = "\
DROP INDEX outbox_leased
--
DROP INDEX outbox_by_webhook
--
ALTER TABLE outbox DROP COLUMN lease_process
--
ALTER TABLE outbox DROP COLUMN webhook_id
--
ALTER TABLE outbox DROP COLUMN live_chat_id
--
ALTER TABLE outbox ALTER COLUMN agent_id SET NOT NULL";

const DOWN: &str = "\
DROP TABLE changes
--
ALTER TABLE calendar_connections DROP COLUMN refresh_lease_process
--
ALTER TABLE calendar_syncs DROP COLUMN lease_process
--
DROP TABLE webhook_attempts
--
DROP TABLE webhooks
--
DROP TABLE presences
--
DROP TABLE processes";

/// SQLite can't change a column, so the table is made anew.
const SQLITE_UP: &str = "\
CREATE TABLE outbox_new (
    id blob NOT NULL PRIMARY KEY,
    kind text NOT NULL,
    booking_id blob REFERENCES bookings (id),
    agent_id blob REFERENCES agents (id),
    live_chat_id blob REFERENCES live_chat_requests (id),
    webhook_id blob REFERENCES webhooks (id) ON DELETE CASCADE,
    version integer NOT NULL,
    payload text NOT NULL,
    dedup_key text NOT NULL UNIQUE,
    state text NOT NULL,
    run_at text NOT NULL,
    lease_id blob,
    lease_until text,
    lease_process blob,
    attempts integer NOT NULL,
    give_up_at text NOT NULL,
    last_error text,
    created_at text NOT NULL,
    done_at text
)
--
INSERT INTO outbox_new (id, kind, booking_id, agent_id, version, payload, dedup_key, state, run_at,
    lease_id, lease_until, attempts, give_up_at, last_error, created_at, done_at)
    SELECT id, kind, booking_id, agent_id, version, payload, dedup_key, state, run_at, lease_id,
    lease_until, attempts, give_up_at, last_error, created_at, done_at FROM outbox
--
DROP TABLE outbox
--
ALTER TABLE outbox_new RENAME TO outbox
--
CREATE INDEX outbox_due ON outbox (run_at) WHERE state = 'PENDING'
--
CREATE INDEX outbox_stream ON outbox (booking_id, kind, version)
--
CREATE INDEX outbox_failed ON outbox (id) WHERE state = 'FAILED'
--
CREATE INDEX outbox_done ON outbox (done_at) WHERE done_at IS NOT NULL
--
CREATE INDEX outbox_by_webhook ON outbox (webhook_id, id) WHERE webhook_id IS NOT NULL
--
CREATE INDEX outbox_leased ON outbox (lease_process) WHERE lease_process IS NOT NULL";

const SQLITE_DOWN: &str = "\
CREATE TABLE outbox_new (
    id blob NOT NULL PRIMARY KEY,
    kind text NOT NULL,
    booking_id blob REFERENCES bookings (id),
    agent_id blob NOT NULL REFERENCES agents (id),
    version integer NOT NULL,
    payload text NOT NULL,
    dedup_key text NOT NULL UNIQUE,
    state text NOT NULL,
    run_at text NOT NULL,
    lease_id blob,
    lease_until text,
    attempts integer NOT NULL,
    give_up_at text NOT NULL,
    last_error text,
    created_at text NOT NULL,
    done_at text
)
--
INSERT INTO outbox_new SELECT id, kind, booking_id, agent_id, version, payload, dedup_key, state,
    run_at, lease_id, lease_until, attempts, give_up_at, last_error, created_at, done_at FROM outbox
--
DROP TABLE outbox
--
ALTER TABLE outbox_new RENAME TO outbox
--
CREATE INDEX outbox_due ON outbox (run_at) WHERE state = 'PENDING'
--
CREATE INDEX outbox_stream ON outbox (booking_id, kind, version)
--
CREATE INDEX outbox_failed ON outbox (id) WHERE state = 'FAILED'
--
CREATE INDEX outbox_done ON outbox (done_at) WHERE done_at IS NOT NULL";

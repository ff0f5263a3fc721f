//! Agents, their calendars, bookings and the outbox.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(manager, TABLES).await?;
        match manager.get_database_backend() {
            DbBackend::Postgres => crate::run(manager, POSTGRES_GUARD).await,
            _ => crate::run(manager, SQLITE_GUARD).await,
        }
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in TABLE_NAMES.iter().rev() {
            crate::run(manager, &format!("DROP TABLE {table}")).await?;
        }
        Ok(())
    }
}

/// In the order in which they are made: a table stands after those it refers to.
const TABLE_NAMES: [&str; 14] = [
    "secret_keys",
    "agents",
    "calendar_connections",
    "calendar_feeds",
    "date_overrides",
    "busy_intervals",
    "builtin_events",
    "queues",
    "bookings",
    "idempotency_keys",
    "outbox",
    "mail_quotas",
    "api_keys",
    "agent_tokens",
];

const TABLES: &str = "\
CREATE TABLE secret_keys (
    id integer NOT NULL PRIMARY KEY CHECK (id = 1),
    key_hash {bytes} NOT NULL
)
--
CREATE TABLE agents (
    id {uuid} NOT NULL PRIMARY KEY,
    name text NOT NULL,
    name_key text NOT NULL,
    email text NOT NULL,
    email_key text NOT NULL UNIQUE,
    locale text NOT NULL,
    active {bool} NOT NULL,
    profile text NOT NULL,
    revision bigint NOT NULL,
    created_at {instant} NOT NULL,
    joined_at {instant} NOT NULL,
    last_turn bigint NOT NULL,
    meeting_time_zone text NOT NULL,
    meeting_blocks {json} NOT NULL,
    duration_minutes integer NOT NULL,
    buffer_minutes integer NOT NULL,
    slot_interval_minutes integer,
    minimum_notice_minutes integer NOT NULL,
    horizon_days integer NOT NULL,
    chat_time_zone text NOT NULL,
    chat_blocks {json} NOT NULL,
    chat_override_status text,
    chat_override_set_at {instant},
    chat_override_expires_at {instant},
    invite_subject text,
    invite_body text,
    include_conference_link {bool} NOT NULL
)
--
CREATE TABLE calendar_connections (
    id {uuid} NOT NULL PRIMARY KEY,
    agent_id {uuid} NOT NULL UNIQUE REFERENCES agents (id),
    provider text NOT NULL,
    account text NOT NULL,
    calendar_name text,
    calendar_ref text NOT NULL,
    status text NOT NULL,
    problem text,
    granted_scopes {json} NOT NULL,
    credentials {bytes} NOT NULL,
    connected_at {instant} NOT NULL,
    last_synced_at {instant}
)
--
CREATE TABLE calendar_feeds (
    agent_id {uuid} NOT NULL PRIMARY KEY REFERENCES agents (id),
    token_hash {bytes} NOT NULL UNIQUE,
    created_at {instant} NOT NULL
)
--
CREATE TABLE date_overrides (
    id {uuid} NOT NULL PRIMARY KEY,
    agent_id {uuid} NOT NULL REFERENCES agents (id),
    date date NOT NULL,
    blocks {json} NOT NULL,
    note text,
    UNIQUE (agent_id, date)
)
--
CREATE TABLE busy_intervals (
    id {uuid} NOT NULL PRIMARY KEY,
    agent_id {uuid} NOT NULL REFERENCES agents (id),
    uid text NOT NULL,
    starts_at {instant} NOT NULL,
    ends_at {instant} NOT NULL,
    CHECK (starts_at < ends_at)
)
--
CREATE INDEX busy_intervals_by_agent ON busy_intervals (agent_id, ends_at, starts_at)
--
CREATE TABLE builtin_events (
    agent_id {uuid} NOT NULL REFERENCES agents (id),
    uid text NOT NULL,
    kind text NOT NULL,
    sequence integer NOT NULL,
    starts_at {instant} NOT NULL,
    ends_at {instant} NOT NULL,
    title text NOT NULL,
    details {json} NOT NULL,
    revision bigint NOT NULL,
    deleted {bool} NOT NULL,
    PRIMARY KEY (agent_id, uid),
    CHECK (starts_at < ends_at)
)
--
CREATE INDEX builtin_events_by_end ON builtin_events (agent_id, ends_at, starts_at)
--
CREATE INDEX builtin_events_by_uid ON builtin_events (uid)
--
CREATE TABLE queues (
    id text NOT NULL PRIMARY KEY,
    turn bigint NOT NULL
)
--
INSERT INTO queues (id, turn) VALUES ('all', 0)
--
CREATE TABLE bookings (
    id {uuid} NOT NULL PRIMARY KEY,
    agent_id {uuid} NOT NULL REFERENCES agents (id),
    status text NOT NULL,
    starts_at {instant} NOT NULL,
    ends_at {instant} NOT NULL,
    guard_ends_at {instant} NOT NULL,
    time_zone text NOT NULL,
    locale text NOT NULL,
    person {json} NOT NULL,
    company {json},
    search_text text NOT NULL,
    notes text,
    wants_conference {bool} NOT NULL,
    conference_kind text,
    conference_url text,
    uid text NOT NULL UNIQUE,
    sequence integer NOT NULL,
    event_status text NOT NULL,
    event_ref text,
    event_url text,
    event_problem text,
    mail_status text NOT NULL,
    mail_delivered_at {instant},
    mail_problem text,
    manage_hash {bytes} NOT NULL,
    created_at {instant} NOT NULL,
    cancelled_at {instant},
    cancellation_reason text,
    CHECK (starts_at < ends_at AND ends_at <= guard_ends_at)
)
--
CREATE INDEX bookings_by_start ON bookings (starts_at, id)
--
CREATE INDEX bookings_by_agent ON bookings (agent_id, starts_at, id)
--
CREATE INDEX bookings_live ON bookings (agent_id, starts_at) WHERE status = 'CONFIRMED'
--
CREATE TABLE idempotency_keys (
    key_hash {bytes} NOT NULL PRIMARY KEY,
    input_hash {bytes} NOT NULL,
    booking_id {uuid} NOT NULL REFERENCES bookings (id) DEFERRABLE INITIALLY DEFERRED,
    expires_at {instant} NOT NULL
)
--
CREATE INDEX idempotency_keys_by_expiry ON idempotency_keys (expires_at)
--
CREATE TABLE outbox (
    id {uuid} NOT NULL PRIMARY KEY,
    kind text NOT NULL,
    booking_id {uuid} NOT NULL REFERENCES bookings (id),
    agent_id {uuid} NOT NULL REFERENCES agents (id),
    version integer NOT NULL,
    payload {json} NOT NULL,
    dedup_key text NOT NULL UNIQUE,
    state text NOT NULL,
    run_at {instant} NOT NULL,
    lease_id {uuid},
    lease_until {instant},
    attempts integer NOT NULL,
    give_up_at {instant} NOT NULL,
    last_error text,
    created_at {instant} NOT NULL,
    done_at {instant}
)
--
CREATE INDEX outbox_due ON outbox (run_at) WHERE state = 'PENDING'
--
CREATE INDEX outbox_stream ON outbox (booking_id, kind, version)
--
CREATE INDEX outbox_failed ON outbox (id) WHERE state = 'FAILED'
--
CREATE INDEX outbox_done ON outbox (done_at) WHERE done_at IS NOT NULL
--
CREATE TABLE mail_quotas (
    recipient_hash {bytes} NOT NULL,
    hour_starts_at {instant} NOT NULL,
    mails integer NOT NULL,
    PRIMARY KEY (recipient_hash, hour_starts_at)
)
--
CREATE TABLE api_keys (
    id {uuid} NOT NULL PRIMARY KEY,
    name text NOT NULL,
    profile text NOT NULL,
    key_hash {bytes} NOT NULL UNIQUE,
    created_at {instant} NOT NULL,
    revoked_at {instant}
)
--
CREATE TABLE agent_tokens (
    token_hash {bytes} NOT NULL PRIMARY KEY,
    agent_id {uuid} NOT NULL REFERENCES agents (id),
    expires_at {instant} NOT NULL
)
--
CREATE INDEX agent_tokens_by_expiry ON agent_tokens (expires_at)";

/// No two confirmed bookings of one agent may share an instant, the buffer behind each included.
const POSTGRES_GUARD: &str = "\
CREATE EXTENSION IF NOT EXISTS btree_gist
--
ALTER TABLE bookings ADD CONSTRAINT bookings_never_overlap
    EXCLUDE USING gist (agent_id WITH =, tstzrange(starts_at, guard_ends_at, '[)') WITH &&)
    WHERE (status = 'CONFIRMED')";

/// The same for SQLite. Since live bookings never overlap, only the last one that starts before
/// the new one's guard ends can meet it, so a look at one row of an index is enough.
const SQLITE_GUARD: &str = "\
CREATE TRIGGER bookings_never_overlap_insert BEFORE INSERT ON bookings
WHEN NEW.status = 'CONFIRMED' AND (
    SELECT guard_ends_at FROM bookings
    WHERE agent_id = NEW.agent_id AND status = 'CONFIRMED' AND starts_at < NEW.guard_ends_at
    ORDER BY starts_at DESC LIMIT 1
) > NEW.starts_at
BEGIN SELECT RAISE(ABORT, 'bookings_never_overlap'); END
--
CREATE TRIGGER bookings_never_overlap_update
BEFORE UPDATE OF agent_id, status, starts_at, guard_ends_at ON bookings
WHEN NEW.status = 'CONFIRMED' AND (
    SELECT guard_ends_at FROM bookings
    WHERE agent_id = NEW.agent_id AND status = 'CONFIRMED' AND starts_at < NEW.guard_ends_at
        AND id <> NEW.id
    ORDER BY starts_at DESC LIMIT 1
) > NEW.starts_at
BEGIN SELECT RAISE(ABORT, 'bookings_never_overlap'); END";

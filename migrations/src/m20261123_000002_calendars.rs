//! Calendars elsewhere: their authorizations and tokens, their sync, and deliveries that are not about
//! a booking.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let outbox = match manager.get_database_backend() {
            DbBackend::Postgres => POSTGRES_UP.to_owned(),
            _ => sqlite_outbox(""),
        };
        // In one transaction: a crash in between must leave nothing that can't be run again.
        crate::run(manager, &[UP, &outbox].join(crate::BETWEEN)).await
    }

    /// Deliveries that are not about a booking are lost: there was no place for them before.
    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let lost = "DELETE FROM outbox WHERE booking_id IS NULL";
        let outbox = match manager.get_database_backend() {
            DbBackend::Postgres => POSTGRES_DOWN.to_owned(),
            _ => sqlite_outbox("NOT NULL"),
        };
        crate::run(manager, &[lost, &outbox, DOWN].join(crate::BETWEEN)).await
    }
}

const UP: &str = "\
ALTER TABLE calendar_connections ADD COLUMN time_zone text
--
ALTER TABLE calendar_connections ADD COLUMN language text
--
ALTER TABLE calendar_connections ADD COLUMN calendars {json} NOT NULL DEFAULT '[]'
--
ALTER TABLE calendar_connections ADD COLUMN also_busy {json} NOT NULL DEFAULT '[]'
--
ALTER TABLE calendar_connections ADD COLUMN selected_at {instant}
--
ALTER TABLE calendar_connections ADD COLUMN token_expires_at {instant}
--
ALTER TABLE calendar_connections ADD COLUMN refresh_lease_id {uuid}
--
ALTER TABLE calendar_connections ADD COLUMN refresh_lease_until {instant}
--
CREATE TABLE calendar_authorizations (
    id {uuid} NOT NULL PRIMARY KEY,
    agent_id {uuid} NOT NULL REFERENCES agents (id),
    provider text NOT NULL,
    start_hash {bytes} NOT NULL UNIQUE,
    state_hash {bytes} UNIQUE,
    browser_hash {bytes},
    verifier {bytes},
    account text,
    return_url text,
    expires_at {instant} NOT NULL
)
--
CREATE INDEX calendar_authorizations_by_expiry ON calendar_authorizations (expires_at)
--
CREATE TABLE calendar_syncs (
    id {uuid} NOT NULL PRIMARY KEY,
    connection_id {uuid} NOT NULL REFERENCES calendar_connections (id) ON DELETE CASCADE,
    agent_id {uuid} NOT NULL REFERENCES agents (id),
    calendar_ref text NOT NULL,
    cursor text,
    window_start {instant},
    window_end {instant},
    last_synced_at {instant},
    failures integer NOT NULL DEFAULT 0,
    problem text,
    due_at {instant} NOT NULL,
    asked integer NOT NULL DEFAULT 0,
    lease_id {uuid},
    lease_until {instant},
    watch_channel {uuid},
    next_channel {uuid},
    watch_ref text,
    watch_expires_at {instant},
    watch_due_at {instant},
    UNIQUE (connection_id, calendar_ref)
)
--
CREATE INDEX calendar_syncs_due ON calendar_syncs (due_at)
--
CREATE INDEX calendar_syncs_by_agent ON calendar_syncs (agent_id)
--
CREATE INDEX calendar_syncs_by_channel ON calendar_syncs (watch_channel)
--
CREATE INDEX calendar_syncs_by_next_channel ON calendar_syncs (next_channel)
--
ALTER TABLE busy_intervals ADD COLUMN sync_id {uuid}
--
ALTER TABLE busy_intervals ADD COLUMN event_ref text
--
ALTER TABLE busy_intervals ADD COLUMN series_ref text
--
ALTER TABLE busy_intervals ADD COLUMN title text
--
CREATE INDEX busy_intervals_by_event ON busy_intervals (sync_id, event_ref)
--
CREATE INDEX busy_intervals_by_series ON busy_intervals (sync_id, series_ref)
--
ALTER TABLE bookings ADD COLUMN event_calendar text
--
ALTER TABLE bookings ADD COLUMN drift {json}
--
CREATE INDEX bookings_by_event ON bookings (agent_id, event_ref)";

const DOWN: &str = "\
DROP INDEX bookings_by_event
--
ALTER TABLE bookings DROP COLUMN drift
--
ALTER TABLE bookings DROP COLUMN event_calendar
--
DELETE FROM busy_intervals WHERE sync_id IS NOT NULL
--
DROP INDEX busy_intervals_by_series
--
DROP INDEX busy_intervals_by_event
--
ALTER TABLE busy_intervals DROP COLUMN title
--
ALTER TABLE busy_intervals DROP COLUMN series_ref
--
ALTER TABLE busy_intervals DROP COLUMN event_ref
--
ALTER TABLE busy_intervals DROP COLUMN sync_id
--
DROP TABLE calendar_syncs
--
DROP TABLE calendar_authorizations
--
ALTER TABLE calendar_connections DROP COLUMN refresh_lease_until
--
ALTER TABLE calendar_connections DROP COLUMN refresh_lease_id
--
ALTER TABLE calendar_connections DROP COLUMN token_expires_at
--
ALTER TABLE calendar_connections DROP COLUMN selected_at
--
ALTER TABLE calendar_connections DROP COLUMN also_busy
--
ALTER TABLE calendar_connections DROP COLUMN calendars
--
ALTER TABLE calendar_connections DROP COLUMN language
--
ALTER TABLE calendar_connections DROP COLUMN time_zone";

const POSTGRES_UP: &str = "ALTER TABLE outbox ALTER COLUMN booking_id DROP NOT NULL";

const POSTGRES_DOWN: &str = "ALTER TABLE outbox ALTER COLUMN booking_id SET NOT NULL";

/// SQLite can't change a column, so the table is made anew: `booking_id` as said, all else as before.
fn sqlite_outbox(booking_id: &str) -> String {
    SQLITE_OUTBOX.replace("{booking_id}", booking_id)
}

const SQLITE_OUTBOX: &str = "\
CREATE TABLE outbox_new (
    id {uuid} NOT NULL PRIMARY KEY,
    kind text NOT NULL,
    booking_id {uuid} {booking_id} REFERENCES bookings (id),
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

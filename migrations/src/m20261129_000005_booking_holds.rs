//! Bookings that wait for a confirmation by e-mail, and times that are held for them.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let guard = guard(manager, "status <> 'CANCELLED'");
        crate::run(manager, &[UP, &keys(""), &guard].join(crate::BETWEEN)).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let guard = guard(manager, "status = 'CONFIRMED'");
        let keys = keys(" REFERENCES bookings (id) DEFERRABLE INITIALLY DEFERRED");
        crate::run(manager, &[LOST, &guard, &keys, DOWN].join(crate::BETWEEN)).await
    }
}

/// A held time is a row of `bookings` with the status HELD and the ID of its confirmation, so that the guard
/// against overlapping bookings covers it.
const UP: &str = "\
CREATE TABLE booking_confirmations (
    id {uuid} NOT NULL PRIMARY KEY,
    mailbox_hash {bytes} NOT NULL,
    network_hash {bytes},
    request {json} NOT NULL,
    held {bool} NOT NULL,
    created_at {instant} NOT NULL,
    expires_at {instant} NOT NULL
)
--
CREATE INDEX booking_confirmations_by_expiry ON booking_confirmations (expires_at)
--
CREATE INDEX booking_confirmations_by_network ON booking_confirmations (network_hash, expires_at)
--
ALTER TABLE bookings ADD COLUMN held_until {instant}
--
CREATE INDEX bookings_held ON bookings (agent_id) WHERE status = 'HELD'
--
CREATE INDEX bookings_held_by_mailbox ON bookings (mailbox_hash) WHERE status = 'HELD'";

/// What the former schema has no place for.
const LOST: &str = "\
DELETE FROM bookings WHERE status = 'HELD'
--
DELETE FROM outbox WHERE kind = 'CONFIRM_BOOKING_MAIL'
--
DELETE FROM idempotency_keys WHERE booking_id NOT IN (SELECT id FROM bookings)";

const DOWN: &str = "\
DROP INDEX bookings_held_by_mailbox
--
DROP INDEX bookings_held
--
ALTER TABLE bookings DROP COLUMN held_until
--
DROP TABLE booking_confirmations";

/// Keys that name bookings, or confirmations as well: those have no booking yet.
fn keys(booking: &str) -> String {
    format!(
        "\
CREATE TABLE idempotency_keys_new (
    key_hash {{bytes}} NOT NULL PRIMARY KEY,
    input_hash {{bytes}} NOT NULL,
    booking_id {{uuid}} NOT NULL{booking},
    expires_at {{instant}} NOT NULL
)
--
INSERT INTO idempotency_keys_new SELECT key_hash, input_hash, booking_id, expires_at
    FROM idempotency_keys
--
DROP TABLE idempotency_keys
--
ALTER TABLE idempotency_keys_new RENAME TO idempotency_keys
--
CREATE INDEX idempotency_keys_by_expiry ON idempotency_keys (expires_at)"
    )
}

/// The guard against overlapping bookings, over those that are `live`.
fn guard(manager: &SchemaManager<'_>, live: &str) -> String {
    match manager.get_database_backend() {
        DbBackend::Postgres => format!(
            "\
ALTER TABLE bookings DROP CONSTRAINT bookings_never_overlap
--
ALTER TABLE bookings ADD CONSTRAINT bookings_never_overlap
    EXCLUDE USING gist (agent_id WITH =, tstzrange(starts_at, guard_ends_at, '[)') WITH &&)
    WHERE ({live})
--
DROP INDEX bookings_live
--
CREATE INDEX bookings_live ON bookings (agent_id, starts_at) WHERE {live}"
        ),
        _ => format!(
            "\
DROP TRIGGER bookings_never_overlap_insert
--
DROP TRIGGER bookings_never_overlap_update
--
DROP INDEX bookings_live
--
CREATE INDEX bookings_live ON bookings (agent_id, starts_at) WHERE {live}
--
CREATE TRIGGER bookings_never_overlap_insert BEFORE INSERT ON bookings
WHEN NEW.{live} AND (
    SELECT guard_ends_at FROM bookings
    WHERE agent_id = NEW.agent_id AND {live} AND starts_at < NEW.guard_ends_at
    ORDER BY starts_at DESC LIMIT 1
) > NEW.starts_at
BEGIN SELECT RAISE(ABORT, 'bookings_never_overlap'); END
--
CREATE TRIGGER bookings_never_overlap_update
BEFORE UPDATE OF agent_id, status, starts_at, guard_ends_at ON bookings
WHEN NEW.{live} AND (
    SELECT guard_ends_at FROM bookings
    WHERE agent_id = NEW.agent_id AND {live} AND starts_at < NEW.guard_ends_at
        AND id <> NEW.id
    ORDER BY starts_at DESC LIMIT 1
) > NEW.starts_at
BEGIN SELECT RAISE(ABORT, 'bookings_never_overlap'); END"
        ),
    }
}

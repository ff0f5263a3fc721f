//! How many bookings callers without a key have made, and which mailbox each is for.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(manager, UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(manager, DOWN).await
    }
}

/// Bookings made before have no `mailbox_hash`, and count for no mailbox.
const UP: &str = "\
CREATE TABLE booking_quotas (
    subject_hash {bytes} NOT NULL,
    period_starts_at {instant} NOT NULL,
    bookings integer NOT NULL,
    PRIMARY KEY (subject_hash, period_starts_at)
)
--
CREATE INDEX booking_quotas_by_period ON booking_quotas (period_starts_at)
--
ALTER TABLE bookings ADD COLUMN mailbox_hash {bytes}
--
CREATE INDEX bookings_by_mailbox ON bookings (mailbox_hash, ends_at) WHERE mailbox_hash IS NOT NULL";

const DOWN: &str = "\
DROP INDEX bookings_by_mailbox
--
ALTER TABLE bookings DROP COLUMN mailbox_hash
--
DROP TABLE booking_quotas";

//! Visitors who are blocked, and what the open live chats of visitors are counted by.

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

const UP: &str = "\
CREATE TABLE blocked_visitors (
    id {uuid} NOT NULL PRIMARY KEY,
    pattern text NOT NULL UNIQUE,
    note text,
    blocked_by {uuid} REFERENCES agents (id),
    blocked_at {instant} NOT NULL
)
--
ALTER TABLE live_chat_requests ADD COLUMN place_hash {bytes}
--
ALTER TABLE live_chat_requests ADD COLUMN network_hash {bytes}
--
CREATE INDEX live_chat_requests_by_place ON live_chat_requests (place_hash) WHERE place_hash IS NOT NULL
--
CREATE INDEX live_chat_requests_by_network ON live_chat_requests (network_hash) WHERE network_hash IS NOT NULL";

const DOWN: &str = "\
DROP INDEX live_chat_requests_by_network
--
DROP INDEX live_chat_requests_by_place
--
ALTER TABLE live_chat_requests DROP COLUMN network_hash
--
ALTER TABLE live_chat_requests DROP COLUMN place_hash
--
DROP TABLE blocked_visitors";

//! Who asked for an authorization. Tokens and feeds of agents that were deactivated end for good.

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
ALTER TABLE calendar_authorizations ADD COLUMN by_profile text
--
DELETE FROM agent_tokens WHERE agent_id IN (SELECT id FROM agents WHERE active = false)
--
DELETE FROM calendar_feeds WHERE agent_id IN (SELECT id FROM agents WHERE active = false)";

const DOWN: &str = "ALTER TABLE calendar_authorizations DROP COLUMN by_profile";

//! Whose pushes failed and are tried again, kept as an index: they yield to those of others.

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
CREATE INDEX outbox_pushes_tried ON outbox (agent_id)
    WHERE kind = 'WEB_PUSH' AND state = 'PENDING' AND attempts > 0";

const DOWN: &str = "DROP INDEX outbox_pushes_tried";

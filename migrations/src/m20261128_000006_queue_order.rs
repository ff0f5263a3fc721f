//! The order of a queue, kept as an index: who is next is read from it, however many wait.

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

const UP: &str = "CREATE INDEX queue_turns_in_order ON queue_turns (queue_id, finish, last_turn)";

const DOWN: &str = "DROP INDEX queue_turns_in_order";

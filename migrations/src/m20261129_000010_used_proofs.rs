//! Proofs that were used, so that each is good for one request.

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
CREATE TABLE used_proofs (
    proof_hash {bytes} NOT NULL PRIMARY KEY,
    expires_at {instant} NOT NULL
)
--
CREATE INDEX used_proofs_by_expiry ON used_proofs (expires_at)";

const DOWN: &str = "DROP TABLE used_proofs";

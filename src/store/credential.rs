//! API keys and agents' tokens, kept as keyed hashes.

use sea_orm::{ConnectionTrait, DbErr};

use super::statement;

/// The hash of the secret key that this database is used with: `hash`, if none was noted before.
///
/// # Errors
/// The database's own.
pub async fn note_secret_key<C: ConnectionTrait>(db: &C, hash: Vec<u8>) -> Result<Vec<u8>, DbErr> {
    // Read first: every start but the first has nothing to write.
    let backend = db.get_database_backend();
    let read = statement(backend, "SELECT key_hash FROM secret_keys", []);
    if let Some(row) = db.query_one_raw(read.clone()).await? {
        return row.try_get_by_index(0);
    }
    let sql = "INSERT INTO secret_keys (id, key_hash) VALUES (1, ?) ON CONFLICT (id) DO NOTHING";
    super::run_raw(db, sql, [hash.into()]).await?;
    let row = db.query_one_raw(read).await?;
    row.ok_or_else(|| DbErr::RecordNotFound("secret_keys".to_owned()))?.try_get_by_index(0)
}

/// Keys of programs.
pub mod api_key {
    use chrono::{DateTime, Utc};
    use sea_orm::entity::prelude::*;
    use uuid::Uuid;

    /// A row of `api_keys`.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "api_keys")]
    pub struct Model {
        /// UUID version 7.
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        /// Who it was made for.
        pub name: String,
        /// The name of a profile of permissions.
        pub profile: String,
        /// The keyed hash of the key.
        pub key_hash: Vec<u8>,
        /// When it was made.
        pub created_at: DateTime<Utc>,
        /// When it was taken back.
        pub revoked_at: Option<DateTime<Utc>>,
    }

    /// None: joins are written where they are needed.
    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Short-lived tokens of agents' browsers.
pub mod agent_token {
    use chrono::{DateTime, Utc};
    use sea_orm::entity::prelude::*;
    use uuid::Uuid;

    /// A row of `agent_tokens`.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "agent_tokens")]
    pub struct Model {
        /// The keyed hash of the token.
        #[sea_orm(primary_key, auto_increment = false)]
        pub token_hash: Vec<u8>,
        /// Who carries it.
        pub agent_id: Uuid,
        /// When it stops working.
        pub expires_at: DateTime<Utc>,
    }

    /// None: joins are written where they are needed.
    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

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
    use sea_orm::ConnectionTrait;
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

    /// The keys with these hashes that were not revoked.
    ///
    /// # Errors
    /// The database's own.
    pub async fn in_force<C: ConnectionTrait>(
        db: &C,
        hashes: Vec<Vec<u8>>,
    ) -> Result<Vec<Model>, DbErr> {
        Entity::find()
            .filter(Column::KeyHash.is_in(hashes))
            .filter(Column::RevokedAt.is_null())
            .all(db)
            .await
    }
}

/// Short-lived tokens of agents' browsers.
pub mod agent_token {
    use chrono::{DateTime, Utc};
    use sea_orm::entity::prelude::*;
    use sea_orm::{ConnectionTrait, QueryResult};
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

    /// A token, and what its agent is now.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct InForce {
        /// See [`Model::token_hash`].
        pub token_hash: Vec<u8>,
        /// See [`Model::agent_id`].
        pub agent_id: Uuid,
        /// See [`Model::expires_at`].
        pub expires_at: DateTime<Utc>,
        /// The name of the agent's profile.
        pub profile: String,
    }

    /// The tokens with these hashes whose agents are active, expired ones among them.
    ///
    /// # Errors
    /// The database's own.
    pub async fn in_force<C: ConnectionTrait>(
        db: &C,
        hashes: Vec<Vec<u8>>,
    ) -> Result<Vec<InForce>, DbErr> {
        let places = vec!["?"; hashes.len()].join(", ");
        let sql = format!(
            "SELECT t.token_hash, t.agent_id, t.expires_at, a.profile FROM agent_tokens t \
            JOIN agents a ON a.id = t.agent_id WHERE a.active = true AND t.token_hash IN ({places})"
        );
        let hashes = hashes.into_iter().map(Into::into);
        let query = super::statement(db.get_database_backend(), &sql, hashes);
        let rows = db.query_all_raw(query).await?;
        let in_force = |row: &QueryResult| -> Result<InForce, DbErr> {
            Ok(InForce {
                token_hash: row.try_get_by_index(0)?,
                agent_id: row.try_get_by_index(1)?,
                expires_at: row.try_get_by_index(2)?,
                profile: row.try_get_by_index(3)?,
            })
        };
        rows.iter().map(in_force).collect()
    }

    /// Ends all tokens of an agent.
    ///
    /// # Errors
    /// The database's own.
    pub async fn end_all<C: ConnectionTrait>(db: &C, agent: Uuid) -> Result<(), DbErr> {
        Entity::delete_many().filter(Column::AgentId.eq(agent)).exec(db).await.map(|_| ())
    }
}

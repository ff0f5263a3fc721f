//! Authorizations under way: an agent was sent, or is to be sent, to a provider's consent page.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;
use sea_orm::{ConnectionTrait, FromQueryResult};
use uuid::Uuid;

use super::{run_raw, statement};

/// A row of `calendar_authorizations`. Secrets are kept as keyed hashes, but for the verifier.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "calendar_authorizations")]
pub struct Model {
    /// UUID version 7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// Whose calendar it will be.
    pub agent_id: Uuid,
    /// The provider's key.
    pub provider: String,
    /// Of the token in the address that begins it.
    pub start_hash: Vec<u8>,
    /// Of `state` (RFC 6749, section 4.1.1); none until it has begun.
    pub state_hash: Option<Vec<u8>>,
    /// Of the cookie of the browser in which it began.
    pub browser_hash: Option<Vec<u8>>,
    /// The code verifier (RFC 7636, section 4.1), sealed for this row.
    pub verifier: Option<Vec<u8>>,
    /// The account that it must be, where a mail asked for it: that of the calendar to mend.
    pub account: Option<String>,
    /// Where the browser goes afterwards.
    pub return_url: Option<String>,
    /// When it stops working.
    pub expires_at: DateTime<Utc>,
    /// The profile of whoever asked for it: it connects no calendar of an agent who may do more by then. None
    /// where a mail to the agent did.
    pub by_profile: Option<String>,
}

/// None: joins are written where they are needed.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// What an authorization gets when a browser begins it.
#[derive(Clone, Debug)]
pub struct Begun {
    /// See [`Model::state_hash`].
    pub state_hash: Vec<u8>,
    /// See [`Model::browser_hash`].
    pub browser_hash: Vec<u8>,
    /// See [`Model::verifier`].
    pub verifier: Vec<u8>,
    /// See [`Model::expires_at`].
    pub expires_at: DateTime<Utc>,
}

/// The authorization that a start token's hash names and that did not begin yet.
///
/// # Errors
/// The database's own.
pub async fn to_begin<C: ConnectionTrait>(
    db: &C,
    start_hash: Vec<u8>,
    now: DateTime<Utc>,
) -> Result<Option<Model>, DbErr> {
    Entity::find()
        .filter(Column::StartHash.eq(start_hash))
        .filter(Column::StateHash.is_null())
        .filter(Column::ExpiresAt.gt(now))
        .one(db)
        .await
}

/// Begins an authorization. False where it began already.
///
/// # Errors
/// The database's own.
pub async fn begin<C: ConnectionTrait>(db: &C, id: Uuid, begun: Begun) -> Result<bool, DbErr> {
    let sql = "UPDATE calendar_authorizations SET state_hash = ?, browser_hash = ?, \
        verifier = ?, expires_at = ? WHERE id = ? AND state_hash IS NULL";
    let values = [
        begun.state_hash.into(),
        begun.browser_hash.into(),
        begun.verifier.into(),
        begun.expires_at.into(),
        id.into(),
    ];
    Ok(run_raw(db, sql, values).await? == 1)
}

/// Ends all authorizations of an agent that did not come back yet.
///
/// # Errors
/// The database's own.
pub async fn end_all<C: ConnectionTrait>(db: &C, agent: Uuid) -> Result<(), DbErr> {
    Entity::delete_many().filter(Column::AgentId.eq(agent)).exec(db).await.map(|_| ())
}

/// The same, but for those that a mail to the agent asked for.
///
/// # Errors
/// The database's own.
pub async fn end_asked<C: ConnectionTrait>(db: &C, agent: Uuid) -> Result<(), DbErr> {
    let asked = Entity::delete_many()
        .filter(Column::AgentId.eq(agent))
        .filter(Column::ByProfile.is_not_null());
    asked.exec(db).await.map(|_| ())
}

/// Takes out the authorization that a state's hash names: whoever gets it is the only one.
///
/// # Errors
/// The database's own.
pub async fn take<C: ConnectionTrait>(db: &C, state_hash: Vec<u8>) -> Result<Option<Model>, DbErr> {
    let sql = "DELETE FROM calendar_authorizations WHERE state_hash = ? RETURNING *";
    let query = statement(db.get_database_backend(), sql, [state_hash.into()]);
    let row = db.query_one_raw(query).await?;
    row.map(|row| Model::from_query_result(&row, "")).transpose()
}

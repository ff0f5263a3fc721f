//! Keys that the server makes for itself, sealed.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::OnConflict;
use uuid::Uuid;

/// The name of the key that push services know the server by.
pub const VAPID: &str = "vapid";

/// A row of `server_keys`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "server_keys")]
pub struct Model {
    /// What it is for.
    #[sea_orm(primary_key, auto_increment = false)]
    pub name: String,
    /// What it is sealed for.
    pub id: Uuid,
    /// The key.
    pub sealed: Vec<u8>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// None: joins are written where they are needed.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// The key of this name: the one that is there, else the one that `make` makes. Of processes that start
/// together, one has its own kept.
///
/// # Errors
/// The database's own.
pub async fn kept_or_made<C: ConnectionTrait>(
    db: &C,
    name: &str,
    make: impl FnOnce() -> Model + Send,
) -> Result<Model, DbErr> {
    let kept = Entity::find_by_id(name);
    if let Some(key) = kept.clone().one(db).await? {
        return Ok(key);
    }
    let made = ActiveModel::from(make()).reset_all();
    let on_conflict = OnConflict::column(Column::Name).do_nothing().to_owned();
    Entity::insert(made).on_conflict(on_conflict).exec_without_returning(db).await?;
    let key = kept.one(db).await?;
    key.ok_or_else(|| DbErr::RecordNotFound(format!("server_keys {name}")))
}

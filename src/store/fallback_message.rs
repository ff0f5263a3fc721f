//! What visitors are told when nobody can take their meeting or live chat.

use sea_orm::entity::prelude::*;
use sea_orm::sea_query::OnConflict;
use sea_orm::{IntoActiveModel, QueryOrder};

/// A row of `fallback_messages`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "fallback_messages")]
pub struct Model {
    /// `MEETING` or `LIVE_CHAT`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub kind: String,
    /// BCP 47; empty: for every language that has none of its own.
    #[sea_orm(primary_key, auto_increment = false)]
    pub locale: String,
    /// The words.
    pub message: String,
    /// For live chats: whether times for a meeting are shown with it.
    pub offers_meeting: bool,
}

/// None: joins are written where they are needed.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// All of them, each kind's in order of locale.
///
/// # Errors
/// The database's own.
pub async fn all<C: ConnectionTrait>(db: &C) -> Result<Vec<Model>, DbErr> {
    Entity::find().order_by_desc(Column::Kind).order_by_asc(Column::Locale).all(db).await
}

/// Those of one kind in these locales.
///
/// # Errors
/// The database's own.
pub async fn of_locales<C: ConnectionTrait>(
    db: &C,
    kind: &str,
    locales: &[&str],
) -> Result<Vec<Model>, DbErr> {
    Entity::find()
        .filter(Column::Kind.eq(kind))
        .filter(Column::Locale.is_in(locales.iter().copied()))
        .all(db)
        .await
}

/// Keeps a message instead of what stood there before.
///
/// # Errors
/// The database's own.
pub async fn put<C: ConnectionTrait>(db: &C, message: &Model) -> Result<(), DbErr> {
    let replace = OnConflict::columns([Column::Kind, Column::Locale])
        .update_columns([Column::Message, Column::OffersMeeting])
        .to_owned();
    let row = message.clone().into_active_model().reset_all();
    Entity::insert(row).on_conflict(replace).exec_without_returning(db).await?;
    Ok(())
}

/// Takes a message out. False where there was none.
///
/// # Errors
/// The database's own.
pub async fn delete<C: ConnectionTrait>(db: &C, kind: &str, locale: &str) -> Result<bool, DbErr> {
    let key = (kind.to_owned(), locale.to_owned());
    Ok(Entity::delete_by_id(key).exec(db).await?.rows_affected == 1)
}

//! Bookings that wait for their visitor to confirm them by e-mail.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::Expr;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::booking::{Company, Person};
use super::{JsonOf, run_raw};

/// A row of `booking_confirmations`. Its ID is that of the booking which comes of it.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "booking_confirmations")]
pub struct Model {
    /// UUID version 7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// The keyed hash of the visitor's mailbox.
    pub mailbox_hash: Vec<u8>,
    /// The keyed hash of the network that it was asked for from, where that is known.
    pub network_hash: Option<Vec<u8>>,
    /// What was asked for, checked.
    pub request: JsonOf<Requested>,
    /// Whether the time was held.
    pub held: bool,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// Until when it can be confirmed.
    pub expires_at: DateTime<Utc>,
}

/// None: joins are written where they are needed.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// What a visitor asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requested {
    /// The slot's start.
    pub starts_at: DateTime<Utc>,
    /// The slot's end, where it was said.
    pub ends_at: Option<DateTime<Utc>>,
    /// The visitor's zone, IANA name.
    pub time_zone: String,
    /// The visitor's language, BCP 47.
    pub locale: String,
    /// The visitor.
    pub person: Person,
    /// The visitor's company.
    pub company: Option<Company>,
    /// The visitor's words.
    pub notes: Option<String>,
    /// The agent who was asked for.
    pub agent: Option<Uuid>,
    /// The team that was asked for.
    pub team: Option<Uuid>,
}

/// Those of one network that are neither confirmed nor over.
pub fn waiting(network_hash: &[u8], now: DateTime<Utc>) -> Select<Entity> {
    let not_booked = "NOT EXISTS (SELECT 1 FROM bookings \
        WHERE bookings.id = booking_confirmations.id AND bookings.status <> 'HELD')";
    Entity::find()
        .filter(Column::NetworkHash.eq(network_hash))
        .filter(Column::ExpiresAt.gt(now))
        .filter(Expr::cust(not_booked))
}

/// Locks a confirmation until the transaction ends: of those who press its button at once, one books.
///
/// # Errors
/// The database's own.
pub async fn lock<C: ConnectionTrait>(db: &C, id: Uuid) -> Result<(), DbErr> {
    let sql = "UPDATE booking_confirmations SET held = held WHERE id = ?";
    run_raw(db, sql, [id.into()]).await.map(|_| ())
}

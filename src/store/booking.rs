//! Bookings: the meetings themselves.

use calendar_provider::TimeRange;
use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Order, SelectStatement, WindowStatement};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{JsonOf, run_raw};

/// `status` of a booking that stands.
pub const CONFIRMED: &str = "CONFIRMED";
/// `status` of a booking that was called off.
pub const CANCELLED: &str = "CANCELLED";

/// `status` of a time that is held until its visitor confirms the booking: nobody sees it as a booking, and it
/// is over at [`Model::held_until`].
pub const HELD: &str = "HELD";

/// A row of `bookings`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "bookings")]
pub struct Model {
    /// UUID version 7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// Who is met.
    pub agent_id: Uuid,
    /// [`CONFIRMED`], [`CANCELLED`] or [`HELD`].
    pub status: String,
    /// The meeting's start.
    pub starts_at: DateTime<Utc>,
    /// The meeting's end.
    pub ends_at: DateTime<Utc>,
    /// The end of the buffer behind it: the database refuses another booking that stands before this.
    pub guard_ends_at: DateTime<Utc>,
    /// The visitor's, IANA name.
    pub time_zone: String,
    /// The visitor's, BCP 47.
    pub locale: String,
    /// The visitor.
    pub person: JsonOf<Person>,
    /// The visitor's company.
    pub company: Option<JsonOf<Company>>,
    /// What a search looks at: names, e-mail and company, lower-cased.
    pub search_text: String,
    /// The visitor's words.
    pub notes: Option<String>,
    /// Whether the calendar is asked for a conference link.
    pub wants_conference: bool,
    /// `GOOGLE_MEET` or `MICROSOFT_TEAMS` once there is a link.
    pub conference_kind: Option<String>,
    /// Where to join.
    pub conference_url: Option<String>,
    /// The iCalendar UID: the same for the life of the booking.
    pub uid: String,
    /// iCalendar's SEQUENCE: grows with every change.
    pub sequence: i32,
    /// How the entry in the agent's calendar stands: a delivery status.
    pub event_status: String,
    /// The entry, as the provider names it.
    pub event_ref: Option<String>,
    /// Where the agent can see the entry.
    pub event_url: Option<String>,
    /// The last failure.
    pub event_problem: Option<String>,
    /// The calendar that holds the entry, as [`super::calendar::Model::place`] names it.
    pub event_calendar: Option<String>,
    /// How the entry in the calendar differs from the booking, where it does.
    pub drift: Option<JsonOf<Drift>>,
    /// How the newest mail to the visitor stands: a delivery status.
    pub mail_status: String,
    /// When it was delivered.
    pub mail_delivered_at: Option<DateTime<Utc>>,
    /// The last failure.
    pub mail_problem: Option<String>,
    /// The keyed hash of the manage token.
    pub manage_hash: Vec<u8>,
    /// How its agent was found: a [`crate::service::routing::Record`]; none for one made before that was kept.
    pub routing: Option<JsonOf<serde_json::Value>>,
    /// When it was booked.
    pub created_at: DateTime<Utc>,
    /// When it was called off.
    pub cancelled_at: Option<DateTime<Utc>>,
    /// Why, in the words of whoever did.
    pub cancellation_reason: Option<String>,
    /// For a time that is held, until when.
    pub held_until: Option<DateTime<Utc>>,
    /// The keyed hash of the visitor's mailbox, where a caller without a key booked.
    pub mailbox_hash: Option<Vec<u8>>,
}

/// None: joins are written where they are needed.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// What the agent did to a booking's entry with another program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drift {
    /// Where it stands now; none: it is gone.
    pub range: Option<TimeRange>,
    /// When it was noticed.
    pub noticed_at: DateTime<Utc>,
}

/// The visitor, as given at booking.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// Where the mail goes.
    pub email: String,
    /// Given name.
    pub first_name: Option<String>,
    /// Family name.
    pub last_name: Option<String>,
    /// As typed.
    pub phone: Option<String>,
    /// As typed.
    pub job_title: Option<String>,
    /// Anything else, in the order given.
    pub attributes: Vec<Attribute>,
}

impl Person {
    /// Both names, or the e-mail address where there is neither.
    pub fn display_name(&self) -> String {
        let names: Vec<&str> =
            [&self.first_name, &self.last_name].into_iter().flatten().map(String::as_str).collect();
        if names.is_empty() { self.email.clone() } else { names.join(" ") }
    }
}

/// The visitor's company, as given at booking.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Company {
    /// As typed.
    pub name: Option<String>,
    /// As typed.
    pub domain: Option<String>,
    /// As typed.
    pub industry: Option<String>,
    /// As typed.
    pub country: Option<String>,
    /// Anything else, in the order given.
    pub attributes: Vec<Attribute>,
}

/// A named value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attribute {
    /// Its name, unique among its siblings.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// The IDs of the first `limit + 1` bookings of each agent that meet `condition`, in order of start
/// from either end.
pub fn first_of_each(
    agents: &[Uuid],
    condition: sea_orm::Condition,
    from_end: bool,
    limit: u64,
) -> SelectStatement {
    let order = if from_end { Order::Desc } else { Order::Asc };
    let place = Alias::new("place");
    let mut window = WindowStatement::partition_by(Column::AgentId);
    window.order_by(Column::StartsAt, order.clone()).order_by(Column::Id, order);
    let numbered = SelectStatement::new()
        .column(Column::Id)
        .expr_window_as(Expr::cust("ROW_NUMBER()"), window, place.clone())
        .from(Entity)
        .and_where(Column::AgentId.is_in(agents.iter().copied()))
        .cond_where(condition)
        .to_owned();
    let most = i64::try_from(limit.saturating_add(1)).unwrap_or(i64::MAX);
    SelectStatement::new()
        .column(Column::Id)
        .from_subquery(numbered, Alias::new("numbered"))
        .and_where(Expr::col(place).lte(most))
        .to_owned()
}

/// Gives the agent's meetings ahead of `now` the guard that a new buffer asks for: as long as the
/// buffer, but never past the next meeting, which was booked under the old one.
///
/// # Errors
/// The database's own.
pub async fn set_guards<C: ConnectionTrait>(
    db: &C,
    agent: Uuid,
    buffer: chrono::TimeDelta,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    use sea_orm::{QueryOrder, QuerySelect};
    // Guards reach past the end by at most 240 minutes, so what ended a day ago is past caring.
    let rows: Vec<(Uuid, DateTime<Utc>, DateTime<Utc>)> = Entity::find()
        .select_only()
        .columns([Column::Id, Column::StartsAt, Column::EndsAt])
        .filter(Column::AgentId.eq(agent))
        .filter(Column::Status.ne(CANCELLED))
        .filter(Column::EndsAt.gt(now - chrono::TimeDelta::days(1)))
        .order_by_asc(Column::StartsAt)
        .into_tuple()
        .all(db)
        .await?;
    for (index, (id, _, end)) in rows.iter().enumerate() {
        let wanted = *end + buffer;
        let guard = rows.get(index + 1).map_or(wanted, |(_, next, _)| Ord::min(wanted, *next));
        let sql = "UPDATE bookings SET guard_ends_at = ? WHERE id = ?";
        run_raw(db, sql, [guard.into(), (*id).into()]).await?;
    }
    Ok(())
}

/// Forgets times of this agent whose hold is over: they block nothing any more, and the guard of the database
/// would not know.
///
/// # Errors
/// The database's own.
pub async fn drop_expired_holds<C: ConnectionTrait>(
    db: &C,
    agent: Uuid,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    let sql = "DELETE FROM bookings WHERE agent_id = ? AND status = 'HELD' AND held_until <= ?";
    run_raw(db, sql, [agent.into(), now.into()]).await.map(|_| ())
}

/// Holds this time no longer; a booking with this ID stays.
///
/// # Errors
/// The database's own.
pub async fn drop_hold<C: ConnectionTrait>(db: &C, id: Uuid) -> Result<(), DbErr> {
    let sql = "DELETE FROM bookings WHERE id = ? AND status = 'HELD'";
    run_raw(db, sql, [id.into()]).await.map(|_| ())
}

/// How many times are held with this agent, and how many for this mailbox with any.
///
/// # Errors
/// The database's own.
pub async fn holds<C: ConnectionTrait>(
    db: &C,
    agent: Uuid,
    mailbox_hash: &[u8],
    now: DateTime<Utc>,
) -> Result<(u64, u64), DbErr> {
    use sea_orm::PaginatorTrait;
    let held = Entity::find().filter(Column::Status.eq(HELD)).filter(Column::HeldUntil.gt(now));
    let with_agent = held.clone().filter(Column::AgentId.eq(agent)).count(db).await?;
    let for_mailbox = held.filter(Column::MailboxHash.eq(mailbox_hash)).count(db).await?;
    Ok((with_agent, for_mailbox))
}

/// When each meeting ahead ends that a caller without a key booked for this mailbox, the first one first; at most
/// so many.
///
/// # Errors
/// The database's own.
pub async fn open_of_mailbox<C: ConnectionTrait>(
    db: &C,
    mailbox_hash: &[u8],
    now: DateTime<Utc>,
    most: u64,
) -> Result<Vec<DateTime<Utc>>, DbErr> {
    use sea_orm::{QueryOrder, QuerySelect};
    Entity::find()
        .select_only()
        .column(Column::EndsAt)
        .filter(Column::MailboxHash.eq(mailbox_hash))
        .filter(Column::Status.eq(CONFIRMED))
        .filter(Column::EndsAt.gt(now))
        .order_by_asc(Column::EndsAt)
        .limit(most)
        .into_tuple()
        .all(db)
        .await
}

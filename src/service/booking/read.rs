//! Finding bookings, and who may see which.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
};
use subtle::ConstantTimeEq;
use uuid::Uuid;

use crate::app::App;
use crate::ids;
use crate::secrets::booking_of_manage_token;
use crate::service::access::{Caller, Permission};
use crate::service::shared_reads::by_id;
use crate::service::{Error, Result};
use crate::store::booking::{Column, Entity, HELD, Model};
use crate::store::page::{self, Page, PageRequest};
use crate::store::{self};

/// How long after a meeting its manage token still works.
const MANAGE_TOKEN_KEPT: TimeDelta = TimeDelta::days(30);

/// How a caller names a booking.
#[derive(Clone, Debug)]
pub enum Reference {
    /// By its ID, as one who may see it.
    Id(Uuid),
    /// By the token that opens it.
    ManageToken(String),
}

/// Which bookings are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Filter {
    /// Of this agent.
    pub agent: Option<Uuid>,
    /// Of this status.
    pub status: Option<&'static str>,
    /// That start at or after.
    pub starts_from: Option<DateTime<Utc>>,
    /// That start before.
    pub starts_before: Option<DateTime<Utc>>,
    /// Whose visitor's name, e-mail or company has this in it.
    pub search: Option<String>,
}

impl Filter {
    fn condition(&self) -> Condition {
        let search = self.search.as_deref();
        Condition::all()
            .add(Column::Status.ne(HELD))
            .add_option(self.agent.map(|agent| Column::AgentId.eq(agent)))
            .add_option(self.status.map(|status| Column::Status.eq(status)))
            .add_option(self.starts_from.map(|from| Column::StartsAt.gte(from)))
            .add_option(self.starts_before.map(|before| Column::StartsAt.lt(before)))
            .add_option(search.map(|s| Expr::col(Column::SearchText).like(store::like(s))))
    }
}

/// The booking with this ID, whoever asks. A time that is only held is none.
///
/// # Errors
/// None but the database's.
pub async fn find(app: &App, id: Uuid) -> Result<Option<Model>> {
    Ok(Entity::find_by_id(id).filter(Column::Status.ne(HELD)).one(&app.db).await?)
}

/// Bookings with these IDs, by a read that others share; there may be others among them.
///
/// # Errors
/// None but the database's.
pub(crate) async fn some(app: &App, ids: Vec<Uuid>) -> Result<Arc<Vec<Model>>> {
    let found = by_id::<Entity>(&app.by_id.bookings, &app.db, Column::Id, ids).await?;
    // A time that is only held is nobody's booking yet.
    match found.iter().any(|booking| booking.status == HELD) {
        true => Ok(Arc::new(found.iter().filter(|found| found.status != HELD).cloned().collect())),
        false => Ok(found),
    }
}

/// The booking with this ID, by a read that others share.
///
/// # Errors
/// None but the database's.
pub(crate) async fn shared(app: &App, id: Uuid) -> Result<Option<Model>> {
    let found = some(app, vec![id]).await?;
    Ok(found.iter().find(|booking| booking.id == id).cloned())
}

/// The booking that a manage token opens, until 30 days after the meeting.
///
/// # Errors
/// None but the database's.
pub async fn managed(app: &App, token: &str) -> Result<Option<Model>> {
    let Some(id) = booking_of_manage_token(token) else { return Ok(None) };
    let Some(booking) = find(app, id).await? else { return Ok(None) };
    let opens = bool::from(app.secrets.hash(token).ct_eq(&booking.manage_hash));
    let still = app.now() < booking.ends_at + MANAGE_TOKEN_KEPT;
    Ok((opens && still).then_some(booking))
}

/// The booking that a caller names, if the caller may see and change it.
///
/// # Errors
/// `UNAUTHENTICATED` for an ID from a caller without a key; `NOT_FOUND`, also for a booking that is
/// not for the caller to see.
pub async fn by_reference(app: &App, caller: &Caller, reference: &Reference) -> Result<Model> {
    match reference {
        Reference::ManageToken(token) => managed(app, token).await?.ok_or_else(|| {
            Error::NotFound("the manage token opens no booking; it may have expired".to_owned())
        }),
        Reference::Id(id) => {
            caller.require_known()?;
            let unknown =
                || Error::NotFound(format!("there is no booking {}", ids::BOOKING.format(*id)));
            let booking = find(app, *id).await?.ok_or_else(unknown)?;
            if may_see(caller, booking.agent_id) { Ok(booking) } else { Err(unknown()) }
        }
    }
}

/// Whether the caller may see an agent's bookings: the agent itself, and who manages all meetings.
pub fn may_see(caller: &Caller, agent: Uuid) -> bool {
    caller.is_agent(agent) || caller.may(Permission::ManageAllMeetings)
}

/// The one agent whose bookings the caller may see; none where it may see all.
///
/// # Errors
/// `UNAUTHENTICATED`; `FORBIDDEN` for a key without MANAGE_ALL_MEETINGS.
pub fn agent_of(caller: &Caller) -> Result<Option<Uuid>> {
    caller.require_known()?;
    if caller.may(Permission::ManageAllMeetings) {
        return Ok(None);
    }
    match caller.agent_id() {
        Some(agent) => Ok(Some(agent)),
        None => caller.require(Permission::ManageAllMeetings).map(|()| None),
    }
}

const ORDER: [Column; 2] = [Column::StartsAt, Column::Id];

/// A page of bookings, in order of start.
///
/// # Errors
/// None but the database's.
pub async fn list(
    app: &App,
    filter: &Filter,
    request: &PageRequest<(DateTime<Utc>, Uuid)>,
) -> Result<Page<Model>> {
    let select = Entity::find().filter(filter.condition());
    Ok(page::read(&app.db, select, &ORDER, request).await?)
}

/// How many bookings there are to page through.
///
/// # Errors
/// None but the database's.
pub async fn count(app: &App, filter: &Filter) -> Result<u64> {
    Ok(Entity::find().filter(filter.condition()).count(&app.db).await?)
}

/// How many of the bookings that `filter` lets through each of several agents has, in one statement;
/// agents without any are left out.
///
/// # Errors
/// None but the database's.
pub async fn counts(app: &App, agents: &[Uuid], filter: &Filter) -> Result<Vec<(Uuid, u64)>> {
    let rows: Vec<(Uuid, i64)> = Entity::find()
        .select_only()
        .column(Column::AgentId)
        .column_as(Column::Id.count(), "count")
        .filter(filter.condition())
        .filter(Column::AgentId.is_in(agents.iter().copied()))
        .group_by(Column::AgentId)
        .into_tuple()
        .all(&app.db)
        .await?;
    let count = |(agent, count)| (agent, u64::try_from(count).unwrap_or(0));
    Ok(rows.into_iter().map(count).collect())
}

/// The same page for each of several agents, in one statement.
///
/// # Errors
/// None but the database's.
pub async fn list_of_agents(
    app: &App,
    agents: &[Uuid],
    filter: &Filter,
    request: &PageRequest<(DateTime<Utc>, Uuid)>,
) -> Result<std::collections::HashMap<Uuid, Page<Model>>> {
    let condition = filter.condition().add(page::within::<Entity, _>(&ORDER, request));
    let ids = store::booking::first_of_each(agents, condition, request.from_end, request.limit);
    let mut select = Entity::find().filter(Column::Id.in_subquery(ids));
    let order = if request.from_end { sea_orm::Order::Desc } else { sea_orm::Order::Asc };
    for column in ORDER {
        select = select.order_by(column, order.clone());
    }
    let mut rows: std::collections::HashMap<Uuid, Vec<Model>> =
        agents.iter().map(|agent| (*agent, Vec::new())).collect();
    for booking in select.all(&app.db).await? {
        rows.entry(booking.agent_id).or_default().push(booking);
    }
    Ok(rows.into_iter().map(|(agent, rows)| (agent, Page::from_rows(rows, request))).collect())
}

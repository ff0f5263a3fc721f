//! Agents and what they set.

use std::sync::Arc;

use chrono_tz::Tz;
use sea_orm::{
    ActiveModelTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, QueryFilter, Set,
};
use uuid::Uuid;

use super::access::{self, AgentEditor, Caller, Permission, Profile};
use super::changes::{self, Change};
use super::shared_reads::by_id;
use super::{Error, Result, credential, text};
use crate::app::App;
use crate::scheduling::WeeklyBlocks;
use crate::store::page::{Page, PageRequest};
use crate::store::{self, JsonOf, agent, booking, is_unique_violation};

/// An agent to make.
#[derive(Clone, Debug)]
pub struct NewAgent {
    /// What visitors read.
    pub name: String,
    /// Where mail to the agent goes; unique among agents.
    pub email: String,
    /// BCP 47; the server's default where none is given.
    pub locale: Option<String>,
    /// What the agent may do.
    pub profile: Profile,
}

/// What to change about an agent; what is none stays.
#[derive(Clone, Debug, Default)]
#[expect(missing_docs, reason = "as in `NewAgent`")]
pub struct AgentUpdate {
    pub name: Option<String>,
    pub email: Option<String>,
    pub locale: Option<String>,
    pub active: Option<bool>,
    pub profile: Option<Profile>,
    pub weight: Option<i64>,
}

/// What to change about when an agent takes meetings; what is none stays. Numbers are checked here.
#[derive(Clone, Debug, Default)]
#[expect(missing_docs, reason = "said in the schema, where the bounds stand")]
pub struct MeetingAvailabilityUpdate {
    pub zone: Option<Tz>,
    pub blocks: Option<WeeklyBlocks>,
    pub duration_minutes: Option<i64>,
    pub buffer_minutes: Option<i64>,
    pub slot_interval_minutes: Option<i64>,
    pub minimum_notice_minutes: Option<i64>,
    pub horizon_days: Option<i64>,
}

/// There is no such agent.
pub(crate) fn unknown(id: Uuid) -> Error {
    Error::NotFound(format!("there is no agent {}", crate::ids::AGENT.format(id)))
}

/// The agent with this ID.
///
/// # Errors
/// `NOT_FOUND`.
pub async fn get(app: &App, id: Uuid) -> Result<agent::Model> {
    find(&app.db, id).await
}

/// Agents with these IDs, by a read that others share; there may be others among them.
///
/// # Errors
/// None but the database's.
pub(crate) async fn some(app: &App, ids: Vec<Uuid>) -> Result<Arc<Vec<agent::Model>>> {
    by_id::<agent::Entity>(&app.by_id.agents, &app.db, agent::Column::Id, ids).await
}

/// The agent with this ID, by a read that others share.
///
/// # Errors
/// `NOT_FOUND`.
pub(crate) async fn shared(app: &App, id: Uuid) -> Result<agent::Model> {
    let found = some(app, vec![id]).await?;
    found.iter().find(|agent| agent.id == id).cloned().ok_or_else(|| unknown(id))
}

async fn find<C: ConnectionTrait>(db: &C, id: Uuid) -> Result<agent::Model> {
    agent::Entity::find_by_id(id).one(db).await?.ok_or_else(|| unknown(id))
}

/// Which agents a caller looks for.
#[derive(Clone, Debug, Default)]
pub struct Search {
    text: Option<String>,
    by_email: bool,
}

impl Search {
    /// Those whose name has `text` in it, or whose e-mail has it where the caller may see that.
    ///
    /// # Errors
    /// `BAD_USER_INPUT`.
    pub fn new(caller: &Caller, text: Option<&str>) -> Result<Self> {
        let text = text::optional("search", text, text::LINE_CHARS)?;
        Ok(Self { text, by_email: caller.may(Permission::ManageAgents) })
    }

    fn select(&self) -> sea_orm::Select<agent::Entity> {
        use sea_orm::sea_query::{Expr, ExprTrait};
        let Some(text) = &self.text else { return agent::Entity::find() };
        let like = |column| Expr::col(column).like(store::like(text));
        let by_email = self.by_email.then(|| like(agent::Column::EmailKey));
        let either = sea_orm::Condition::any().add(like(agent::Column::NameKey));
        agent::Entity::find().filter(either.add_option(by_email))
    }
}

/// A page of agents, in the order in which they were made.
///
/// # Errors
/// None but the database's.
pub async fn list(
    app: &App,
    search: &Search,
    page: &PageRequest<Uuid>,
) -> Result<Page<agent::Model>> {
    Ok(store::page::read(&app.db, search.select(), &[agent::Column::Id], page).await?)
}

/// How many agents there are to page through.
///
/// # Errors
/// None but the database's.
pub async fn count(app: &App, search: &Search) -> Result<u64> {
    use sea_orm::PaginatorTrait;
    Ok(search.select().count(&app.db).await?)
}

/// Makes an agent, active, with no blocks and no calendar: not in the queue yet.
///
/// # Errors
/// `BAD_USER_INPUT`; `CONFLICT` where another agent has the e-mail; `FORBIDDEN` for a profile that
/// allows more than the caller's.
pub async fn create(app: &App, caller: &Caller, new: NewAgent) -> Result<agent::Model> {
    access::require_grant(caller.profile(), new.profile)?;
    let name = name(&new.name)?;
    let email = text::email("input.email", &new.email)?;
    let locale = match &new.locale {
        Some(locale) => text::locale("input.locale", locale)?,
        None => app.config.default_locale.clone(),
    };
    let now = app.now();
    let record = agent::ActiveModel {
        id: Set(app.uuid()),
        name_key: Set(name.to_lowercase()),
        name: Set(name),
        email_key: Set(email.to_lowercase()),
        email: Set(email),
        locale: Set(locale),
        active: Set(true),
        profile: Set(new.profile.as_str().to_owned()),
        revision: Set(0),
        created_at: Set(now),
        joined_at: Set(now),
        weight: Set(1),
        meeting_time_zone: Set("UTC".to_owned()),
        meeting_blocks: Set(JsonOf(WeeklyBlocks::default())),
        duration_minutes: Set(30),
        buffer_minutes: Set(0),
        slot_interval_minutes: Set(None),
        minimum_notice_minutes: Set(60),
        horizon_days: Set(60),
        chat_time_zone: Set("UTC".to_owned()),
        chat_blocks: Set(JsonOf(WeeklyBlocks::default())),
        chat_override_status: Set(None),
        chat_override_set_at: Set(None),
        chat_override_expires_at: Set(None),
        chat_limit: Set(10),
        chat_status: Set("UNAVAILABLE".to_owned()),
        chat_status_until: Set(None),
        notify_failed_actions: Set(false),
        invite_subject: Set(None),
        invite_body: Set(None),
        include_conference_link: Set(true),
    };
    let transaction = store::begin(&app.db).await?;
    let made = agent::Entity::insert(record).exec_with_returning(&transaction).await;
    let made = made.map_err(email_taken)?;
    let news = changes::write(app, &transaction, [Change::Agent(made.id)]).await?;
    transaction.commit().await?;
    news.tell(app);
    Ok(made)
}

fn name(given: &str) -> Result<String> {
    let name = text::required("input.name", given, text::NAME_CHARS)?;
    text::no_link("input.name", Some(&name))?;
    Ok(name)
}

fn email_taken(error: sea_orm::DbErr) -> Error {
    if is_unique_violation(&error) {
        return Error::taken("input.email", "another agent has this e-mail address");
    }
    error.into()
}

/// Changes an agent. Deactivating takes it out of every queue, ends its tokens and its feed, and keeps its
/// history; another profile ends its tokens too.
///
/// # Errors
/// As [`create`], and `NOT_FOUND`.
pub async fn update(app: &App, editor: AgentEditor, update: AgentUpdate) -> Result<agent::Model> {
    if let Some(profile) = update.profile {
        editor.require_grant(profile)?;
    }
    let new_name = update.name.as_deref().map(name).transpose()?;
    let email = update.email.as_deref().map(|e| text::email("input.email", e)).transpose()?;
    let locale = update.locale.as_deref().map(|l| text::locale("input.locale", l)).transpose()?;
    let weight = update.weight.map(|weight| text::number("input.weight", weight, 1..=10));
    let weight = weight.transpose()?;
    let now = app.now();
    change(app, editor, |agent, record| {
        if let Some(name) = new_name {
            record.name_key = Set(name.to_lowercase());
            record.name = Set(name);
        }
        if let Some(email) = email {
            record.email_key = Set(email.to_lowercase());
            record.email = Set(email);
        }
        if let Some(locale) = locale {
            record.locale = Set(locale);
        }
        if let Some(profile) = update.profile {
            record.profile = Set(profile.as_str().to_owned());
        }
        if let Some(weight) = weight {
            record.weight = Set(weight);
        }
        if let Some(active) = update.active {
            record.active = Set(active);
            if active && !agent.active {
                record.joined_at = Set(now);
            }
        }
        Ok(())
    })
    .await
}

/// Changes when an agent takes meetings.
///
/// # Errors
/// `BAD_USER_INPUT` for a number out of its bounds; `NOT_FOUND`.
pub async fn set_meeting_availability(
    app: &App,
    editor: AgentEditor,
    update: MeetingAvailabilityUpdate,
) -> Result<agent::Model> {
    let number = |field: &str, value: Option<i64>, allowed| {
        value.map(|value| text::number(&format!("input.{field}"), value, allowed)).transpose()
    };
    let duration = number("durationMinutes", update.duration_minutes, 5..=480)?;
    let buffer = number("bufferMinutes", update.buffer_minutes, 0..=240)?;
    let interval = number("slotIntervalMinutes", update.slot_interval_minutes, 5..=480)?;
    let notice = number("minimumNoticeMinutes", update.minimum_notice_minutes, 0..=43_200)?;
    let horizon = number("horizonDays", update.horizon_days, 1..=730)?;
    let now = app.now();
    let changed = locked(app, editor, async |transaction, agent, record| {
        if let Some(zone) = update.zone.filter(|zone| zone.name() != agent.meeting_time_zone) {
            record.meeting_time_zone = Set(zone.name().to_owned());
            // Events that name no zone, those of whole days most of all, stand in this one.
            store::sync::read_anew(transaction, agent.id, now).await?;
        }
        if let Some(blocks) = update.blocks {
            if agent.meeting_blocks.0.is_empty() && !blocks.is_empty() {
                record.joined_at = Set(now);
            }
            record.meeting_blocks = Set(JsonOf(blocks));
        }
        if let Some(minutes) = duration {
            record.duration_minutes = Set(minutes);
        }
        if let Some(minutes) = interval {
            record.slot_interval_minutes = Set(Some(minutes));
        }
        if let Some(minutes) = notice {
            record.minimum_notice_minutes = Set(minutes);
        }
        if let Some(days) = horizon {
            record.horizon_days = Set(days);
            // What is known of a calendar elsewhere may not reach as far.
            store::sync::ask_all(transaction, agent.id, now).await?;
        }
        if let Some(minutes) = buffer.filter(|minutes| *minutes != agent.buffer_minutes) {
            record.buffer_minutes = Set(minutes);
            let buffer = chrono::TimeDelta::minutes(minutes.into());
            booking::set_guards(transaction, agent.id, buffer, now).await?;
        }
        Ok(())
    });
    let changed = changed.await?;
    app.wake_sync.notify_one();
    Ok(changed)
}

/// Changes an agent's record under its lock, and tells whoever listens.
pub(crate) async fn change(
    app: &App,
    editor: AgentEditor,
    edit: impl FnOnce(&agent::Model, &mut agent::ActiveModel) -> Result<()>,
) -> Result<agent::Model> {
    locked(app, editor, async |_, agent, record| edit(agent, record)).await
}

/// The same, with more to write in the same transaction.
pub(crate) async fn locked<F>(app: &App, editor: AgentEditor, edit: F) -> Result<agent::Model>
where
    F: AsyncFnOnce(&DatabaseTransaction, &agent::Model, &mut agent::ActiveModel) -> Result<()>,
{
    let id = editor.agent();
    let transaction = store::begin(&app.db).await?;
    agent::lock(&transaction, id).await?.ok_or_else(|| unknown(id))?;
    let before = find(&transaction, id).await?;
    editor.require_over(&before)?;
    let mut record = agent::ActiveModel { id: Set(id), ..Default::default() };
    edit(&transaction, &before, &mut record).await?;
    let after = if record.is_changed() {
        record.update(&transaction).await.map_err(email_taken)?
    } else {
        before.clone()
    };
    let ended = credential::end_all_of(&transaction, &before, &after).await?;
    let changes = std::iter::once(Change::Agent(id)).chain(ended);
    let news = changes::write(app, &transaction, changes).await?;
    transaction.commit().await?;
    news.tell(app);
    Ok(after)
}

/// Whether the agent is in the queue for meetings: active, with a healthy calendar and a block.
pub fn in_meeting_queue(
    app: &App,
    agent: &agent::Model,
    calendar: Option<&store::calendar::Model>,
) -> bool {
    let healthy = calendar.is_some_and(|calendar| super::calendar::is_healthy(app, calendar));
    agent.active && healthy && !agent.meeting_blocks.0.is_empty()
}

//! Calendars: their providers, connections, busy times and feeds.

use std::collections::BTreeMap;

use async_graphql::{Context, Enum, ID, InputObject, Object, SimpleObject};
use calendar_provider as api;
use secrecy::SecretString;

use super::access::{app, authorise, authorise_edit, read_id};
use super::agent::{Agent, read_range};
use super::error::Result;
use super::scalars::{DateTime, Locale, TimeZone, Url};
use crate::ids;
use crate::service::{Error, busy_time, calendar as service};
use crate::store::calendar::Model;

/// How an agent connects a calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "api::ConnectMethod")]
pub enum CalendarConnectMethod {
    /// Through startCalendarAuthorization and the provider's own pages.
    #[graphql(name = "OAUTH2")]
    OAuth2,
    /// By credentials given to connectCalendar.
    Credentials,
    /// By the address of a feed given to connectCalendar.
    FeedUrl,
    /// By connectCalendar alone.
    None,
}

/// Kinds of conference link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "api::ConferenceKind")]
pub enum ConferenceKind {
    /// Google Meet.
    GoogleMeet,
    /// Microsoft Teams.
    MicrosoftTeams,
}

/// What an agent grants.
#[derive(Clone, Debug, SimpleObject)]
pub struct CalendarPermission {
    /// In the provider's words.
    scope: String,
    /// In plain words.
    description: String,
}

/// What connectCalendar must be given.
#[derive(Clone, Debug, SimpleObject)]
pub struct CredentialField {
    /// For CredentialInput.name.
    name: String,
    /// For a form.
    label: String,
    /// Whether a form should hide it.
    secret: bool,
}

/// A kind of calendar that an agent can connect, from a registered provider.
#[derive(Clone, Debug)]
pub struct CalendarProvider(api::About);

/// A kind of calendar that an agent can connect, from a registered provider.
#[Object]
impl CalendarProvider {
    /// Stable key, e.g. google, microsoft, caldav, ics, builtin.
    async fn id(&self) -> ID {
        ID(self.0.id.clone())
    }

    /// What people call it.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// How an agent connects it.
    async fn connect_with(&self) -> CalendarConnectMethod {
        self.0.connect_with.into()
    }

    /// What the agent grants by connecting, in the provider's own scopes and in plain words.
    async fn permissions(&self) -> Vec<CalendarPermission> {
        let show = |p: &api::Permission| CalendarPermission {
            scope: p.scope.clone(),
            description: p.description.clone(),
        };
        self.0.permissions.iter().map(show).collect()
    }

    /// The conference link it can add, or null.
    async fn conference(&self) -> Option<ConferenceKind> {
        self.0.conference.map(Into::into)
    }

    /// For CREDENTIALS and FEED_URL: what connectCalendar must be given.
    async fn credential_fields(&self) -> Vec<CredentialField> {
        let show = |field: &api::CredentialField| CredentialField {
            name: field.name.clone(),
            label: field.label.clone(),
            secret: field.secret,
        };
        self.0.credential_fields.iter().map(show).collect()
    }

    /// True once this server holds what the provider needs, e.g. an OAuth client.
    async fn configured(&self) -> bool {
        self.0.configured
    }
}

/// How a calendar stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum CalendarConnectionStatus {
    /// It can be read.
    Connected,
    /// The agent must connect it again.
    ReauthenticationRequired,
    /// It could not be read for too long.
    Unreachable,
}

/// An agent's calendar.
#[derive(Clone, Debug)]
pub struct CalendarConnection(pub(crate) Model);

/// An agent's calendar.
#[Object]
impl CalendarConnection {
    /// Names it everywhere.
    pub(crate) async fn id(&self) -> ID {
        ids::CALENDAR.format(self.0.id).into()
    }

    /// Whose calendar it is.
    async fn provider(&self, ctx: &Context<'_>) -> Result<CalendarProvider> {
        match app(ctx).providers.get(&self.0.provider) {
            Some(provider) => Ok(CalendarProvider(provider.about().clone())),
            None => {
                // The server was started without the provider that this calendar came from.
                let id = &self.0.provider;
                let mut about = api::About::new(id, id, api::ConnectMethod::None);
                about.configured = false;
                Ok(CalendarProvider(about))
            }
        }
    }

    /// The account as the provider names it, usually an e-mail address.
    async fn account(&self) -> &str {
        &self.0.account
    }

    /// The calendar as the provider names it.
    async fn calendar_name(&self) -> Option<&str> {
        self.0.calendar_name.as_deref()
    }

    /// UNREACHABLE also where it was not known to be right for too long.
    async fn status(&self, ctx: &Context<'_>) -> Result<CalendarConnectionStatus> {
        use CalendarConnectionStatus as Status;
        match service::shown_status(app(ctx), &self.0) {
            service::CONNECTED => Ok(Status::Connected),
            service::UNREACHABLE => Ok(Status::Unreachable),
            service::REAUTHENTICATION_REQUIRED => Ok(Status::ReauthenticationRequired),
            other => Err(Error::internal(anyhow::anyhow!("calendar status {other}")).into()),
        }
    }

    /// The account's calendars, as they were when last listed: when it was connected, or when the agent
    /// last picked from them. The one that is connected alone where the provider does not list them.
    async fn calendars(&self, ctx: &Context<'_>) -> Vec<Calendar> {
        service::calendars(app(ctx), &self.0).into_iter().map(Calendar).collect()
    }

    /// The account's own time zone; null where the provider does not tell it.
    async fn time_zone(&self) -> Option<TimeZone> {
        self.0.time_zone.clone().map(TimeZone)
    }

    /// The account's language; null where the provider does not tell it.
    async fn language(&self) -> Option<Locale> {
        self.0.language.clone().map(Locale)
    }

    /// The provider's scopes that the agent granted.
    async fn granted_scopes(&self) -> &[String] {
        &self.0.granted_scopes.0
    }

    /// When it was connected.
    async fn connected_at(&self) -> DateTime {
        self.0.connected_at.into()
    }

    /// When its busy time was last known to be right.
    async fn last_synced_at(&self) -> Option<DateTime> {
        self.0.last_synced_at.map(Into::into)
    }

    /// Why the status is not CONNECTED, in words for the agent; never a secret.
    async fn problem(&self, ctx: &Context<'_>) -> Option<String> {
        let healthy = service::shown_status(app(ctx), &self.0) == service::CONNECTED;
        let known = app(ctx).providers.contains_key(&self.0.provider);
        let why = if known {
            "the calendar was not read for too long"
        } else {
            "this server does not have the calendar's provider"
        };
        self.0.problem.clone().or_else(|| (!healthy).then(|| why.to_owned()))
    }
}

/// One calendar of a connected account.
#[derive(Clone, Debug)]
pub struct Calendar(service::Counted);

/// One calendar of a connected account.
#[Object]
impl Calendar {
    /// The provider's reference to it, for selectCalendar.
    async fn calendar_ref(&self) -> &str {
        &self.0.listed.calendar_ref
    }

    /// What the agent calls it.
    async fn name(&self) -> &str {
        &self.0.listed.name
    }

    /// Whether it is the account's main one.
    async fn primary(&self) -> bool {
        self.0.listed.primary
    }

    /// Whether bookings could be written to it.
    async fn writable(&self) -> bool {
        self.0.listed.writable
    }

    /// Whether bookings are written to it.
    async fn written_to(&self) -> bool {
        self.0.written_to
    }

    /// Whether what stands in it blocks the agent.
    async fn busy(&self) -> bool {
        self.0.busy
    }
}

/// A time that an agent keeps free of meetings, in the built-in calendar.
#[derive(Clone, Debug)]
pub struct BusyTime(pub(crate) busy_time::BusyTime);

/// A time that an agent keeps free of meetings, in the built-in calendar.
#[Object]
impl BusyTime {
    /// Names it everywhere.
    pub(crate) async fn id(&self) -> ID {
        ids::BUSY_TIME.format(self.0.id).into()
    }

    /// Its start.
    async fn starts_at(&self) -> DateTime {
        self.0.range.start().into()
    }

    /// Its end.
    async fn ends_at(&self) -> DateTime {
        self.0.range.end().into()
    }

    /// What for.
    async fn title(&self) -> Option<&str> {
        self.0.title.as_deref()
    }
}

/// The secret address of a calendar, for calendar programs.
#[derive(Clone, Debug, SimpleObject)]
pub struct CalendarFeed {
    /// Whoever knows it can read the calendar; shown once.
    url: Url,
}

/// An authorization that was begun.
#[derive(Clone, Debug, SimpleObject)]
pub struct CalendarAuthorization {
    /// Send the agent's browser here; single use, valid for 10 minutes.
    authorization_url: Url,
}

/// A credential.
#[derive(Clone, Debug, InputObject)]
pub struct CredentialInput {
    /// As in CalendarProvider.credentialFields.
    name: String,
    /// Kept encrypted, never shown.
    value: String,
}

/// A calendar to connect.
#[derive(Clone, Debug, InputObject)]
pub struct ConnectCalendarInput {
    agent_id: ID,
    /// As in calendarProviders.
    provider_id: ID,
    /// What the provider's credentialFields ask for.
    credentials: Option<Vec<CredentialInput>>,
}

/// A calendar to connect through the provider's own pages.
#[derive(Clone, Debug, InputObject)]
pub struct StartCalendarAuthorizationInput {
    agent_id: ID,
    /// As in calendarProviders.
    provider_id: ID,
    /// Where the browser goes afterwards; must be on the server's allow-list.
    return_url: Option<Url>,
}

/// Which calendars of the connected account count.
#[derive(Clone, Debug, InputObject)]
pub struct SelectCalendarInput {
    agent_id: ID,
    /// Bookings are written to it, and what stands in it blocks the agent. As in Calendar.calendarRef.
    calendar_ref: String,
    /// Others whose entries block the agent as well, at most 20.
    #[graphql(default)]
    busy_calendar_refs: Vec<String>,
}

/// A busy time to keep.
#[derive(Clone, Debug, InputObject)]
pub struct CreateBusyTimeInput {
    agent_id: ID,
    starts_at: DateTime,
    /// After startsAt, by at most 366 days.
    ends_at: DateTime,
    /// At most 200 characters.
    title: Option<String>,
}

/// Queries about calendars.
#[derive(Clone, Copy, Debug, Default)]
pub struct CalendarQuery;

#[Object]
impl CalendarQuery {
    /// The calendars that agents can connect. For known callers.
    async fn calendar_providers(&self, ctx: &Context<'_>) -> Result<Vec<CalendarProvider>> {
        authorise(ctx)?;
        let providers = service::providers(app(ctx));
        Ok(providers.map(|provider| CalendarProvider(provider.about().clone())).collect())
    }
}

/// Mutations about calendars.
#[derive(Clone, Copy, Debug, Default)]
pub struct CalendarMutation;

#[Object]
impl CalendarMutation {
    /// For OAUTH2 providers. Connecting again replaces the agent's calendar; this is also how to
    /// reauthenticate. Needs CONNECT_CALENDAR for oneself, else MANAGE_AGENTS.
    async fn start_calendar_authorization(
        &self,
        ctx: &Context<'_>,
        input: StartCalendarAuthorizationInput,
    ) -> Result<CalendarAuthorization> {
        let editor = authorise_edit(ctx, &input.agent_id, "input.agentId")?;
        let return_url = input.return_url.map(|url| url.0);
        let url = service::start_authorization(app(ctx), editor, &input.provider_id, return_url);
        Ok(CalendarAuthorization { authorization_url: Url(url.await?.to_string()) })
    }

    /// For every other provider. The credentials are tried before they are kept. Needs
    /// CONNECT_CALENDAR for oneself, else MANAGE_AGENTS.
    async fn connect_calendar(
        &self,
        ctx: &Context<'_>,
        input: ConnectCalendarInput,
    ) -> Result<Agent> {
        let editor = authorise_edit(ctx, &input.agent_id, "input.agentId")?;
        let credentials: BTreeMap<String, SecretString> = input
            .credentials
            .into_iter()
            .flatten()
            .map(|credential| (credential.name, credential.value.into()))
            .collect();
        Ok(Agent(service::connect(app(ctx), editor, &input.provider_id, credentials).await?))
    }

    /// Changes which calendars of the connected account count, checked against a fresh list of them.
    /// The agent is out of the queue until those that did not count before have been read; entries of
    /// bookings stay where they are. Needs CONNECT_CALENDAR for oneself, else MANAGE_AGENTS.
    async fn select_calendar(
        &self,
        ctx: &Context<'_>,
        input: SelectCalendarInput,
    ) -> Result<Agent> {
        let editor = authorise_edit(ctx, &input.agent_id, "input.agentId")?;
        let selection = service::Selection {
            calendar_ref: input.calendar_ref,
            busy_calendar_refs: input.busy_calendar_refs,
        };
        Ok(Agent(service::select(app(ctx), editor, selection).await?))
    }

    /// Takes the agent out of the queue until a calendar is connected again. Needs CONNECT_CALENDAR
    /// for oneself, else MANAGE_AGENTS.
    async fn disconnect_calendar(&self, ctx: &Context<'_>, agent_id: ID) -> Result<Agent> {
        let editor = authorise_edit(ctx, &agent_id, "agentId")?;
        Ok(Agent(service::disconnect(app(ctx), editor).await?))
    }

    /// Makes the secret address under which calendar programs read the agent's built-in calendar; a
    /// former one stops working. Needs CONNECT_CALENDAR for oneself, else MANAGE_AGENTS.
    async fn create_calendar_feed(&self, ctx: &Context<'_>, agent_id: ID) -> Result<CalendarFeed> {
        let editor = authorise_edit(ctx, &agent_id, "agentId")?;
        let url = service::create_feed(app(ctx), editor).await?;
        Ok(CalendarFeed { url: Url(url.to_string()) })
    }

    /// Makes the feed's address stop working; false where there was none. Needs CONNECT_CALENDAR for
    /// oneself, else MANAGE_AGENTS.
    async fn revoke_calendar_feed(&self, ctx: &Context<'_>, agent_id: ID) -> Result<bool> {
        let editor = authorise_edit(ctx, &agent_id, "agentId")?;
        Ok(service::revoke_feed(app(ctx), editor).await?)
    }

    /// Keeps a time free of meetings, for agents with the built-in calendar. Meetings that are booked
    /// stay. Needs MANAGE_CALENDAR_AVAILABILITY for oneself, else MANAGE_AGENTS.
    async fn create_busy_time(
        &self,
        ctx: &Context<'_>,
        input: CreateBusyTimeInput,
    ) -> Result<BusyTime> {
        let editor = authorise_edit(ctx, &input.agent_id, "input.agentId")?;
        let range = read_range(&input.starts_at, &input.ends_at)?;
        let title = input.title.as_deref();
        Ok(BusyTime(busy_time::create(app(ctx), editor, range, title).await?))
    }

    /// Opens a time again that createBusyTime kept. Needs MANAGE_CALENDAR_AVAILABILITY for oneself,
    /// else MANAGE_AGENTS.
    async fn delete_busy_time(
        &self,
        ctx: &Context<'_>,
        agent_id: ID,
        busy_time_id: ID,
    ) -> Result<Agent> {
        let editor = authorise_edit(ctx, &agent_id, "agentId")?;
        let id = read_id(ids::BUSY_TIME, &busy_time_id, "busyTimeId")?;
        busy_time::delete(app(ctx), editor, id).await?;
        Ok(Agent(crate::service::agent::get(app(ctx), editor.agent()).await?))
    }
}

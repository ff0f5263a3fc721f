//! Connecting an account, and its calendars.

use calendar_provider::{
    CalendarInfo, ConnectRequest, ConnectedAccount, Connection, ErrorClass, ProviderError,
};
use chrono::{DateTime, TimeDelta};
use serde::Deserialize;
use serde_json::Value;

use crate::{
    calendar_ref::CalendarRef,
    free_busy::schedule_body,
    graph::{Call, Graph, Session},
    zones::zone,
};

/// <https://learn.microsoft.com/graph/api/resources/user>
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct User {
    mail: Option<String>,
    user_principal_name: Option<String>,
}

/// <https://learn.microsoft.com/graph/api/resources/mailboxsettings>
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct MailboxSettings {
    time_zone: Option<String>,
    language: Option<Language>,
}

#[derive(Deserialize)]
struct Language {
    locale: Option<String>,
}

/// <https://learn.microsoft.com/graph/api/resources/calendar>
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Calendar {
    id: String,
    name: Option<String>,
    can_edit: Option<bool>,
    is_default_calendar: Option<bool>,
    owner: Option<Owner>,
    #[serde(default)]
    allowed_online_meeting_providers: Vec<String>,
}

#[derive(Deserialize)]
struct Owner {
    address: Option<String>,
}

impl Calendar {
    /// What is read of it, for `$select`.
    pub(crate) const SELECT: &str =
        "id,name,canEdit,isDefaultCalendar,owner,allowedOnlineMeetingProviders";

    /// Whether events in it can have a Teams meeting.
    pub(crate) fn has_teams(&self) -> bool {
        self.allowed_online_meeting_providers.iter().any(|it| it == "teamsForBusiness")
    }
}

/// Connects the account's default calendar.
pub(crate) async fn connect(
    graph: &Graph,
    request: &ConnectRequest,
) -> Result<ConnectedAccount, ProviderError> {
    let token = request.access_token.as_ref().ok_or_else(ProviderError::unauthorized)?;
    let session = graph.session_of(&request.owner, token);
    let select = [("$select", "id,displayName,mail,userPrincipalName")];
    let user: User = session.read(Call::get(session.url(&["me"], &select)?, "the account")).await?;
    let calendar = read(&session, &["me", "calendar"]).await?;
    let calendar_ref = default_ref(&session, &calendar).await?;
    let settings = mailbox_settings(&session).await?;
    let account = user.mail.or(user.user_principal_name).filter(|it| !it.is_empty());
    let account = account.ok_or_else(|| ProviderError::transient("the account has no name"))?;
    let mut connected = ConnectedAccount::new(account, calendar_ref.to_string());
    connected.calendar_name = calendar.name;
    connected.time_zone = settings.time_zone.as_deref().and_then(zone);
    connected.language = settings.language.and_then(|it| it.locale).filter(|it| !it.is_empty());
    Ok(connected)
}

/// The account's calendars: its own, those shared with it and those it follows, on all pages.
pub(crate) async fn calendars(
    graph: &Graph,
    connection: &Connection,
) -> Result<Vec<CalendarInfo>, ProviderError> {
    let session = graph.session(connection);
    let query = [("$select", Calendar::SELECT), ("$top", "100")];
    let call = Call::get(session.url(&["me", "calendars"], &query)?, "the mailbox");
    let mut infos = Vec::new();
    for calendar in session.read_all::<Calendar>(call).await? {
        let primary = calendar.is_default_calendar == Some(true);
        let calendar_ref = if primary {
            default_ref(&session, &calendar).await?
        } else {
            CalendarRef::Id(calendar.id)
        };
        let name = calendar.name.unwrap_or_default();
        let mut info = CalendarInfo::new(calendar_ref.to_string(), name);
        info.primary = primary;
        info.writable = calendar.can_edit == Some(true);
        infos.push(info);
    }
    Ok(infos)
}

/// The calendar at `path`.
pub(crate) async fn read(session: &Session<'_>, path: &[&str]) -> Result<Calendar, ProviderError> {
    let url = session.url(path, &[("$select", Calendar::SELECT)])?;
    session.read(Call::get(url, "the calendar")).await
}

/// How the default calendar is named: by the address under which its free/busy is published, or by
/// its ID where none is, as with personal accounts.
///
/// Nothing in a profile says for sure whether an account is personal, so it is tried.
async fn default_ref(
    session: &Session<'_>,
    calendar: &Calendar,
) -> Result<CalendarRef, ProviderError> {
    let by_id = CalendarRef::Id(calendar.id.clone());
    let Some(address) = calendar.owner.as_ref().and_then(|it| it.address.clone()) else {
        return Ok(by_id);
    };
    let epoch = DateTime::UNIX_EPOCH + TimeDelta::days(365 * 50);
    let body = schedule_body(&address, epoch, epoch + TimeDelta::hours(1));
    let url = session.url(&["me", "calendar", "getSchedule"], &[])?;
    let call = Call::ask(url, body, "the mailbox");
    match session.read::<Value>(call).await {
        Ok(answer) if answer["value"][0]["error"].is_null() => Ok(CalendarRef::Default { address }),
        Ok(_) => Ok(by_id),
        Err(error) if is_refusal(&error) => Ok(by_id),
        Err(error) => Err(error),
    }
}

/// The zone and language of the mailbox; neither where the agent did not grant to read them.
async fn mailbox_settings(session: &Session<'_>) -> Result<MailboxSettings, ProviderError> {
    let query = [("$select", "timeZone,language")];
    let url = session.url(&["me", "mailboxSettings"], &query)?;
    match session.read(Call::get(url, "the mailbox")).await {
        Err(error) if error.class() == ErrorClass::Unauthorized => Ok(MailboxSettings::default()),
        result => result,
    }
}

/// Whether it was refused for good, by a service that works. That the token is good was seen before.
fn is_refusal(error: &ProviderError) -> bool {
    matches!(error.class(), ErrorClass::Permanent | ErrorClass::NotFound | ErrorClass::Unauthorized)
}

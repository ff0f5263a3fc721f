//! Whose account it is, and its calendars.

use calendar_provider::{
    CalendarInfo, ConnectRequest, ConnectedAccount, Connection, ProviderError,
};
use secrecy::SecretString;
use serde::Deserialize;

use crate::Google;
use crate::call::MOST_PAGES;
use crate::failure::Failure;

/// What the calendar list tells at most on one page.
const PAGE: &str = "250";

/// OpenID Connect Core 1.0, section 5.1.
#[derive(Deserialize)]
struct UserInfo {
    email: Option<String>,
    locale: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CalendarList {
    #[serde(default)]
    items: Vec<Entry>,
    next_page_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    id: String,
    summary: Option<String>,
    summary_override: Option<String>,
    time_zone: Option<String>,
    #[serde(default)]
    primary: bool,
    access_role: Option<String>,
    #[serde(default)]
    deleted: bool,
}

impl Entry {
    /// With the scope that is asked for, events can be written to calendars that the agent owns.
    fn is_writable(&self) -> bool {
        self.access_role.as_deref() == Some("owner")
    }

    fn name(&self) -> &str {
        let names = [&self.summary_override, &self.summary];
        let mut given = names.into_iter().flatten().map(|it| it.trim());
        given.find(|it| !it.is_empty()).unwrap_or(&self.id)
    }
}

impl Google {
    pub(crate) async fn connect_account(
        &self,
        request: ConnectRequest,
    ) -> Result<ConnectedAccount, ProviderError> {
        let token = request.access_token.ok_or_else(ProviderError::unauthorized)?;
        let user: UserInfo = self.get(&token, &self.settings.userinfo_url).await?;
        let mut entries = self.entries(&token).await?;
        // A primary calendar can be hidden, and is listed all the same; none is a broken account.
        let main = entries.iter().position(|it| it.primary);
        let main = main.or_else(|| entries.iter().position(Entry::is_writable));
        let main = main.ok_or_else(|| ProviderError::not_found("a calendar of one's own"))?;
        let main = entries.swap_remove(main);
        let mut account = ConnectedAccount::new(user.email.as_ref().unwrap_or(&main.id), &main.id);
        account.calendar_name = Some(main.name().to_owned());
        account.time_zone = main.time_zone.and_then(|it| it.parse().ok());
        account.language = user.locale;
        Ok(account)
    }

    pub(crate) async fn list_calendars(
        &self,
        token: &SecretString,
    ) -> Result<Vec<CalendarInfo>, ProviderError> {
        let entries = self.entries(token).await?;
        Ok(entries
            .into_iter()
            .map(|entry| {
                let mut info = CalendarInfo::new(&entry.id, entry.name());
                info.primary = entry.primary;
                info.writable = entry.is_writable();
                info
            })
            .collect())
    }

    /// What it means that events of the connection's calendar can't be read. With the scope that is
    /// asked for nobody reads those of a calendar that others own, and the authorization is as good
    /// as ever: when that calendar is busy can still be asked for.
    pub(crate) async fn unreadable(
        &self,
        connection: &Connection,
        failure: Failure,
    ) -> ProviderError {
        if !failure.is_forbidden() {
            return failure.into();
        }
        let entries = match self.entries(&connection.credentials).await {
            Ok(entries) => entries,
            // Whose it is can't be told now: that is no word against the authorization.
            Err(error) => return error,
        };
        match entries.iter().find(|entry| entry.id == connection.calendar_ref) {
            Some(entry) if !entry.is_writable() => {
                ProviderError::unsupported("reading the events of a calendar that others own")
            }
            _ => failure.into(),
        }
    }

    async fn entries(&self, token: &SecretString) -> Result<Vec<Entry>, ProviderError> {
        let (mut entries, mut page_token) = (Vec::new(), None::<String>);
        for _ in 0..MOST_PAGES {
            let mut query = vec![("maxResults", PAGE), ("showHidden", "true")];
            query.extend(page_token.as_deref().map(|it| ("pageToken", it)));
            let url = self.address(&["users", "me", "calendarList"], &query)?;
            let page: CalendarList = self.get(token, &url).await?;
            entries.extend(page.items.into_iter().filter(|it| !it.deleted));
            match page.next_page_token {
                Some(next) => page_token = Some(next),
                None => return Ok(entries),
            }
        }
        Err(ProviderError::transient("the list of calendars has no end"))
    }
}

//! Acme's calendar for Frontdesk. Acme is made up; its API is a REST calendar like many:
//!
//! | call | what it does |
//! |---|---|
//! | `GET v1/me` | whose key it is, and which calendar is theirs |
//! | `GET v1/calendars/{id}/entries?from=&to=` | the entries that overlap the span |
//! | `GET`, `PUT`, `DELETE v1/calendars/{id}/entries/{key}` | one entry, by a key that we choose |
//!
//! The key is the event's UID, so that a retry makes no second entry. Changes can't be followed:
//! Frontdesk polls, since the capabilities say so.

use std::error::Error;

use async_trait::async_trait;
use calendar_http::http::{Method, StatusCode};
use calendar_http::{HttpClient, Network, Response, Settings, json_request, read_json};
use calendar_provider::{
    About, BusyInterval, CalendarProvider, ConnectMethod, ConnectRequest, ConnectedAccount,
    Connection, CredentialField, ErrorClass, EventDraft, EventHandle, EventReceipt, EventSnapshot,
    ProviderError, TimeRange,
};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use url::Url;

/// The provider.
pub struct Acme {
    about: About,
    http: HttpClient,
    base: Url,
}

/// Whom a key belongs to.
#[derive(Deserialize)]
struct Me {
    email: String,
    calendar: String,
}

/// An entry as Acme has it. Its times are `start` and `end`.
#[derive(Deserialize, Serialize)]
struct Entry {
    key: String,
    #[serde(flatten)]
    range: TimeRange,
    subject: String,
    busy: bool,
}

#[derive(Deserialize)]
struct Entries {
    entries: Vec<Entry>,
}

/// What Acme says with a 404: `entry` or `calendar`.
#[derive(Deserialize)]
struct Missing {
    missing: String,
}

impl Acme {
    /// The provider at an address of Acme's API, which ends with a slash.
    pub fn new(url: &str) -> Result<Self, Box<dyn Error>> {
        let mut about = About::new("acme", "Acme Calendar", ConnectMethod::Credentials);
        about.credential_fields = vec![CredentialField::secret("key", "API key")];
        about.capabilities.changes = false;
        // The operator gives the address, and may have Acme in the house.
        let http = HttpClient::new(Settings { network: Network::Any, ..Settings::default() })?;
        Ok(Self { about, http, base: url.parse()? })
    }

    /// The address of a calendar's entries, or of one of them. References and UIDs hold anything,
    /// so they are pushed as segments and not pasted.
    fn entries(&self, calendar: &str, key: Option<&str>) -> Result<Url, ProviderError> {
        let mut url = self.base.clone();
        let parts = ["v1", "calendars", calendar, "entries"].into_iter().chain(key);
        url.path_segments_mut()
            .map_err(|()| ProviderError::permanent("the address is not valid"))?
            .pop_if_empty()
            .extend(parts);
        Ok(url)
    }

    /// One call, and what its failures mean. 429 and 5xx have become errors before.
    async fn call(
        &self,
        method: Method,
        url: &Url,
        key: &SecretString,
        body: Option<&Entry>,
    ) -> Result<Response, ProviderError> {
        let response = self.http.send(json_request(method, url, key, body)?).await?;
        match response.status() {
            status if status.is_success() => Ok(response),
            StatusCode::UNAUTHORIZED => Err(ProviderError::unauthorized()),
            StatusCode::NOT_FOUND => match read_json::<Missing>(&response)?.missing.as_str() {
                "entry" => Err(ProviderError::not_found("the event")),
                _ => Err(ProviderError::not_found("the calendar")),
            },
            StatusCode::CONFLICT => Err(ProviderError::conflict()),
            _ => Err(ProviderError::permanent("Acme does not take the request")),
        }
    }
}

#[async_trait]
impl CalendarProvider for Acme {
    fn about(&self) -> &About {
        &self.about
    }

    async fn connect(&self, request: ConnectRequest) -> Result<ConnectedAccount, ProviderError> {
        let key = request.credentials.get("key").cloned().unwrap_or_default();
        let url = self.base.join("v1/me").map_err(|_| ProviderError::permanent("no address"))?;
        let me = match self.call(Method::GET, &url, &key, None).await {
            Ok(response) => read_json::<Me>(&response)?,
            Err(error) if error.class() == ErrorClass::Unauthorized => {
                return Err(ProviderError::invalid_credentials("key", "is not right"));
            }
            Err(error) => return Err(error),
        };
        let mut account = ConnectedAccount::new(me.email, me.calendar);
        account.credentials = key;
        Ok(account)
    }

    async fn free_busy(
        &self,
        connection: &Connection,
        window: TimeRange,
    ) -> Result<Vec<BusyInterval>, ProviderError> {
        let mut busy = Vec::new();
        for calendar in [&connection.calendar_ref].into_iter().chain(&connection.also_busy) {
            let mut url = self.entries(calendar, None)?;
            url.query_pairs_mut()
                .append_pair("from", &window.start().to_rfc3339())
                .append_pair("to", &window.end().to_rfc3339());
            let response = self.call(Method::GET, &url, &connection.credentials, None).await?;
            let read: Entries = read_json(&response)?;
            for entry in read.entries.into_iter().filter(|entry| entry.busy) {
                let mut interval = BusyInterval::new(entry.range);
                interval.uid = Some(entry.key);
                busy.push(interval);
            }
        }
        Ok(busy)
    }

    async fn put_event(
        &self,
        connection: &Connection,
        event: &EventDraft,
    ) -> Result<EventReceipt, ProviderError> {
        let url = self.entries(&connection.calendar_ref, Some(&event.uid))?;
        let (key, range, subject) = (event.uid.clone(), event.range, event.title.clone());
        let entry = Entry { key, range, subject, busy: true };
        self.call(Method::PUT, &url, &connection.credentials, Some(&entry)).await?;
        Ok(EventReceipt::new(&event.uid))
    }

    async fn delete_event(
        &self,
        connection: &Connection,
        event: &EventHandle,
    ) -> Result<(), ProviderError> {
        let url = self.entries(&connection.calendar_ref, Some(&event.uid))?;
        match self.call(Method::DELETE, &url, &connection.credentials, None).await {
            Ok(_) | Err(ProviderError::NotFound { what: "the event", .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn get_event(
        &self,
        connection: &Connection,
        event: &EventHandle,
    ) -> Result<Option<EventSnapshot>, ProviderError> {
        let url = self.entries(&connection.calendar_ref, Some(&event.uid))?;
        let entry: Entry = match self.call(Method::GET, &url, &connection.credentials, None).await {
            Ok(response) => read_json(&response)?,
            Err(ProviderError::NotFound { what: "the event", .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut snapshot = EventSnapshot::new(&entry.key, entry.range);
        snapshot.uid = Some(entry.key);
        snapshot.title = Some(entry.subject);
        snapshot.busy = entry.busy;
        Ok(Some(snapshot))
    }
}

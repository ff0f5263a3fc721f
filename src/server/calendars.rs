//! The calendars that agents can connect. This is the one place that names them.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use calendar_http::{HttpClient, Network};
use calendar_provider::CalendarProvider;
use calendar_provider_builtin::Builtin;
use calendar_provider_caldav::CalDav;
use calendar_provider_google::Google;
use calendar_provider_ics::Ics;
use calendar_provider_microsoft::Microsoft;
use calendar_provider_remote::Remote;
use sea_orm::DatabaseConnection;

use crate::clock::Clock;
use crate::config::{Config, ConfigError, problem};
use crate::store::builtin_calendar::BuiltinCalendar;

/// What requests to calendars elsewhere call themselves.
const USER_AGENT: &str = concat!("Frontdesk/", env!("CARGO_PKG_VERSION"));

/// The client for addresses that the operator gave, `change`d where that is wanted. Providers that ask
/// what agents give narrow it.
///
/// # Errors
/// Where this system's certificates can't be read.
pub fn http_client(
    config: &Config,
    change: impl FnOnce(&mut calendar_http::Settings),
) -> anyhow::Result<HttpClient> {
    // A little before the server itself stops waiting, so that circuits hear of it.
    let deadline = Duration::from_secs(config.limits.provider_timeout_seconds.into());
    let mut settings = calendar_http::Settings {
        user_agent: USER_AGENT.to_owned(),
        deadline: deadline * 9 / 10,
        network: Network::Any,
        ..calendar_http::Settings::default()
    };
    change(&mut settings);
    HttpClient::new(settings).context("calendars elsewhere can't be asked")
}

/// Frontdesk's own providers, the remote ones that the settings name, and `extra`.
///
/// # Errors
/// Settings that a provider can't use; two providers of one identifier.
pub(super) async fn providers(
    config: &Config,
    db: &DatabaseConnection,
    http: &HttpClient,
    clock: &Arc<dyn Clock>,
    extra: Vec<Arc<dyn CalendarProvider>>,
) -> anyhow::Result<Vec<Arc<dyn CalendarProvider>>> {
    let told = &config.calendars;
    let mut caldav: calendar_provider_caldav::Settings = told.of("caldav")?;
    caldav.allow_private_addresses |= config.allow_private_addresses;
    let mut ics: calendar_provider_ics::Settings = told.of("ics")?;
    ics.allow_private_addresses |= config.allow_private_addresses;
    let mut all: Vec<Arc<dyn CalendarProvider>> = vec![
        Arc::new(Builtin::new(Arc::new(BuiltinCalendar::new(db.clone())))),
        Arc::new(Google::new(told.of("google")?, http.clone())),
        Arc::new(Microsoft::new(told.of("microsoft")?, http.clone())),
        Arc::new(CalDav::new(caldav, http.clone())),
        Arc::new(Ics::new(ics, http.clone())),
    ];
    all.extend(extra);
    let ids: Vec<String> = all.iter().map(|provider| provider.about().id.clone()).collect();
    require_distinct(&ids)?;
    // Whatever else is told is told to a provider at a URL, under the identifier that it is told by.
    for id in told.providers().filter(|id| !ids.iter().any(|known| known == id)) {
        all.push(remote(config, id, http, clock).await?);
    }
    Ok(all)
}

async fn remote(
    config: &Config,
    id: &str,
    http: &HttpClient,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<Arc<dyn CalendarProvider>> {
    let key = format!("calendars.{id}");
    let mut settings = read_remote(config, id)?;
    settings.id = id.to_owned();
    let clock = Arc::clone(clock);
    let remote = Remote::discover(settings, http.clone(), Arc::new(move || clock.now())).await;
    let remote = remote.map_err(|error| problem(&key, "not as it must be", error))?;
    if !remote.about().configured {
        tracing::warn!(
            provider = id,
            "a calendar provider does not answer, or not as it should; it is asked again until it does"
        );
    }
    Ok(remote)
}

/// What a section that none of Frontdesk's own providers has is told: a provider at a URL, or a name that
/// was misspelt.
fn read_remote(
    config: &Config,
    id: &str,
) -> Result<calendar_provider_remote::Settings, ConfigError> {
    if !config.calendars.has(id, "url") {
        let allowed = format!(
            "must be one of {}, or the name of a provider at a URL with url and secret",
            OWN.join(", ")
        );
        return Err(problem(&format!("calendars.{id}"), "no provider's", allowed));
    }
    let told = config.calendars.of::<Option<calendar_provider_remote::Settings>>(id)?;
    told.ok_or_else(|| problem(&format!("calendars.{id}"), "empty", "must have url and secret"))
}

/// The sections of Frontdesk's own providers.
const OWN: [&str; 4] = ["google", "microsoft", "caldav", "ics"];

/// Checks what the settings tell the calendar providers.
///
/// # Errors
/// The first setting that can't be used.
pub fn check_settings(config: &Config) -> Result<(), ConfigError> {
    let told = &config.calendars;
    told.of::<calendar_provider_google::Settings>("google")?;
    told.of::<calendar_provider_microsoft::Settings>("microsoft")?;
    told.of::<calendar_provider_caldav::Settings>("caldav")?;
    told.of::<calendar_provider_ics::Settings>("ics")?;
    for id in told.providers().filter(|id| !OWN.contains(id)) {
        read_remote(config, id)?;
    }
    Ok(())
}

/// Connections are kept under a provider's identifier: with two of one, they would go to either.
fn require_distinct(ids: &[String]) -> anyhow::Result<()> {
    for (position, id) in ids.iter().enumerate() {
        if ids[..position].contains(id) {
            anyhow::bail!("two calendar providers have the identifier {id:?}");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{check_settings, require_distinct};
    use crate::config::Config;

    fn refused(settings: &str) -> Option<String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), settings).unwrap();
        let config = Config::load(Some(file.path())).unwrap();
        check_settings(&config).err().map(|error| error.to_string())
    }

    #[test]
    fn what_providers_are_told_is_checked() {
        assert_eq!(refused("[calendars.google]\nclient_id = 'a'\nclient_secret = 'b'"), None);
        assert_eq!(refused("[calendars.acme]\nurl = 'https://a.example'\nsecret = 's'"), None);
        let misspelt = refused("[calendars.google]\nclient_idd = 's3cret'").unwrap();
        assert!(misspelt.contains("client_idd") && !misspelt.contains("s3cret"), "{misspelt}");
        let nobody = refused("[calendars.gogle]\nclient_id = 'a'").unwrap();
        assert!(nobody.contains("calendars.gogle") && nobody.contains("google"), "{nobody}");
    }

    #[test]
    fn two_providers_of_one_identifier_are_refused() {
        let ids = |ids: [&str; 2]| ids.map(str::to_owned);
        assert!(require_distinct(&ids(["builtin", "acme"])).is_ok());
        let refused = require_distinct(&ids(["acme", "acme"])).unwrap_err();
        assert!(refused.to_string().contains("\"acme\""), "{refused}");
    }
}

//! The conformance kit against a URL, as `frontdesk provider test` runs it.
//!
//! A program at a URL can't be asked for a fresh calendar before each check. So one calendar is
//! connected, which must hold nothing in 2031, the year of all the kit's times; what a check wrote
//! is deleted before the next. What an integrator adds for tests alone (`/test/…` in
//! docs/providers/remote.yaml) is used where it is there.

mod recorder;
mod subject;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;

use calendar_http::HttpClient;
use calendar_provider::conformance::{Report, run};
use calendar_provider::{
    CalendarProvider, ConnectMethod, ConnectRequest, Connection, ProviderError, TimeRange,
};
use secrecy::{ExposeSecret, SecretString};

use crate::{Clock, Remote, Settings, SettingsError};
use recorder::Recorder;
use subject::AtUrl;

/// Whose calendar the kit connects.
const OWNER: &str = "conformance";
/// The credential that stands for an access token, where agents connect with OAuth 2.
const ACCESS_TOKEN: &str = "access_token";

/// What is tested.
#[derive(Debug)]
#[non_exhaustive]
pub struct Target {
    /// Where the provider is, and the secret that it knows.
    pub settings: Settings,
    /// What an agent would type in to connect an empty calendar, by field; for OAuth 2 one value
    /// named `access_token`.
    pub credentials: BTreeMap<String, SecretString>,
}

impl Target {
    /// A provider that needs no credentials.
    pub const fn new(settings: Settings) -> Self {
        Self { settings, credentials: BTreeMap::new() }
    }
}

/// Why nothing could be tested.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Untested {
    /// The address or the secret has another form.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The provider does not say what it is.
    #[error("GET about: {0}")]
    About(#[source] ProviderError),
    /// The credentials do not connect.
    #[error("POST connect: {0}")]
    Connect(#[source] ProviderError),
    /// The calendar can't be read.
    #[error("POST free-busy: {0}")]
    FreeBusy(#[source] ProviderError),
    /// Somebody uses the calendar.
    #[error(
        "the calendar is busy in 2031, the year that the checks write to; connect an empty one"
    )]
    NotEmpty,
}

/// Runs the kit against a provider. `http` is best one that makes each attempt once: the kit
/// provokes failures.
///
/// # Errors
/// Where there is nothing to test; a check that fails is in the report.
pub async fn test(target: Target, http: HttpClient, clock: Clock) -> Result<Report, Untested> {
    let remote = Remote::new(target.settings, http, clock)?;
    remote.refresh().await.map_err(Untested::About)?;
    let recorder = Arc::new(Recorder::new(remote));
    let request = request(&recorder, target.credentials);
    let connected = recorder.connect(request.clone()).await.map_err(Untested::Connect)?;
    let mut connection = connected.into_connection(OWNER);
    if let Some(token) = &request.access_token {
        connection.credentials = token.clone();
    }
    let busy = recorder.free_busy(&connection, year()).await.map_err(Untested::FreeBusy)?;
    if !busy.is_empty() {
        return Err(Untested::NotEmpty);
    }
    let at_url = AtUrl { recorder: recorder.clone(), request, connection };
    let report = run(&at_url).await;
    recorder.clean_up().await;
    Ok(report)
}

/// [`test()`] for a command line: what to print, and 0 where it conforms, 1 where a check failed, 2
/// where nothing could be tested.
pub async fn run_test(target: Target, http: HttpClient, clock: Clock) -> (String, ExitCode) {
    match test(target, http, clock).await {
        Ok(report) => {
            let code = if report.conforms() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
            (text(&report), code)
        }
        Err(error) => (format!("nothing could be tested: {error}\n"), ExitCode::from(2)),
    }
}

/// One line for each check that failed, with what it found and where to look; one for each reason
/// to skip checks; and how many passed.
pub fn text(report: &Report) -> String {
    let mut text = String::new();
    for failure in &report.failed {
        let (check, reason) = (failure.check.replace('_', " "), failure.reason.replace('\n', " "));
        text.push_str(&format!("FAILED  {check}: {reason} [see {}]\n", failure.see));
    }
    let mut skipped: BTreeMap<&str, usize> = BTreeMap::new();
    for skip in &report.skipped {
        *skipped.entry(skip.reason).or_default() += 1;
    }
    for (reason, checks) in skipped {
        text.push_str(&format!("skipped {checks} checks: {reason}\n"));
    }
    let (passed, failed) = (report.passed.len(), report.failed.len());
    text.push_str(&format!("{passed} passed, {failed} failed, {} skipped\n", report.skipped.len()));
    text
}

fn request(provider: &Recorder, mut credentials: BTreeMap<String, SecretString>) -> ConnectRequest {
    let about = provider.about();
    let mut request = ConnectRequest::new(OWNER);
    if about.connect_with == ConnectMethod::OAuth2 {
        request.access_token = credentials.remove(ACCESS_TOKEN);
        request.granted_scopes = about.permissions.iter().map(|it| it.scope.clone()).collect();
    }
    request.credentials = credentials;
    request
}

/// The same request with nothing in it right; none where nothing is asked for.
fn wrong(request: &ConnectRequest) -> Option<ConnectRequest> {
    let spoil = |secret: &SecretString| format!("{}-wrong", secret.expose_secret()).into();
    let mut wrong = request.clone();
    wrong.credentials.values_mut().for_each(|value| *value = spoil(value));
    wrong.access_token = request.access_token.as_ref().map(spoil);
    let asked = !wrong.credentials.is_empty() || wrong.access_token.is_some();
    asked.then_some(wrong)
}

/// A connection in which nothing is right.
fn unknown(connection: &Connection) -> Connection {
    let credentials = format!("{}-unknown", connection.credentials.expose_secret());
    let calendar_ref = format!("{}-unknown", connection.calendar_ref);
    Connection::new("nobody", calendar_ref, credentials.into())
}

fn year() -> TimeRange {
    let at = |text: &str| text.parse().expect("it is an instant");
    TimeRange::new(at("2031-01-01T00:00:00Z"), at("2032-01-01T00:00:00Z")).expect("it is a year")
}

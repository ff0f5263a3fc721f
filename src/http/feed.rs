//! Agents' built-in calendars, for calendar programs that subscribe to them.

use std::hash::{BuildHasher, RandomState};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use axum::http::{StatusCode, request};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use calendar_provider::TimeRange;
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use super::client;
use super::rate::{RateLimit, Strikes};
use crate::app::App;
use crate::mail::{self, AgentFacts, FeedEvent};
use crate::service::{Error, Result, calendar};
use crate::store::busy::builtin;

/// A feed is read so often: at once, and then every this many seconds. Programs that subscribe read it
/// every few minutes, and one person may have several.
const BURST: NonZeroU32 = NonZeroU32::new(20).expect("20 is not zero");
const EVERY: Duration = Duration::from_secs(10);
/// After so many requests the feeds that may be read at full speed again are forgotten.
const REQUESTS_BETWEEN_SWEEPS: u32 = 4096;

/// What the handler shares.
struct Door {
    app: Arc<App>,
    strikes: Option<Strikes>,
    trusted_proxies: usize,
    feeds: Feeds,
}

/// How often each feed was read lately.
struct Feeds {
    /// By a hash of the token: a token is a secret that need not be kept.
    limiter: DefaultKeyedRateLimiter<u64>,
    hasher: RandomState,
    requests: AtomicU32,
}

/// `GET /feeds/{token}.ics`, to be merged into the router. The token is the only key there is, so
/// one that opens nothing is answered like any other address that does not exist, and counts against the
/// address that it comes from. One feed is read every 10 s in the long run.
pub fn feeds(app: Arc<App>, limit: Option<RateLimit>, trusted_proxies: usize) -> Router {
    let strikes = limit.map(Strikes::new);
    let door = Door { app, strikes, trusted_proxies, feeds: Feeds::new() };
    Router::new().route("/feeds/{file}", get(feed)).with_state(Arc::new(door))
}

async fn feed(
    State(door): State<Arc<Door>>,
    Path(file): Path<String>,
    request: request::Parts,
) -> Response {
    let client = client::client(&request, door.trusted_proxies);
    if let Some(wait) = door.strikes.as_ref().and_then(|strikes| strikes.wait(client)) {
        return too_often(wait);
    }
    let strike = || {
        if let Some(strikes) = &door.strikes {
            strikes.count(client);
        }
        empty(StatusCode::NOT_FOUND)
    };
    let Some(token) = file.strip_suffix(".ics") else { return strike() };
    if let Err(wait) = door.feeds.take(token) {
        return too_often(wait);
    }
    match read(&door.app, token).await {
        Ok(text) => {
            let kind = (CONTENT_TYPE, "text/calendar; charset=utf-8");
            ([kind, (CACHE_CONTROL, "no-store")], text).into_response()
        }
        Err(Error::NotFound(_)) => strike(),
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, "a calendar feed can't be read");
            empty(StatusCode::INTERNAL_SERVER_ERROR)
        }
    }
}

impl Feeds {
    fn new() -> Self {
        let quota = Quota::with_period(EVERY).unwrap_or(Quota::per_minute(BURST));
        let limiter = RateLimiter::keyed(quota.allow_burst(BURST));
        Self { limiter, hasher: RandomState::new(), requests: AtomicU32::new(0) }
    }

    /// # Errors
    /// The time to wait, where this feed was read too often.
    fn take(&self, token: &str) -> std::result::Result<(), Duration> {
        let requests = self.requests.fetch_add(1, Ordering::Relaxed);
        if requests % REQUESTS_BETWEEN_SWEEPS == REQUESTS_BETWEEN_SWEEPS - 1 {
            self.limiter.retain_recent();
        }
        let checked = self.limiter.check_key(&self.hasher.hash_one(token));
        checked.map_err(|until| until.wait_time_from(DefaultClock::default().now()))
    }
}

fn too_often(wait: Duration) -> Response {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    let headers = [
        (RETRY_AFTER, HeaderValue::from(seconds.max(1))),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (StatusCode::TOO_MANY_REQUESTS, headers).into_response()
}

async fn read(app: &App, token: &str) -> Result<String> {
    let (agent, events) = calendar::read_feed(app, token).await?;
    let owner = AgentFacts { name: agent.name.clone(), email: agent.email.clone() }.mailbox();
    let events: Vec<_> =
        events.into_iter().map(|event| entry(app, event)).collect::<Result<_>>()?;
    Ok(mail::feed(&mail::unlinked(&agent.name), &owner, &events))
}

fn entry(app: &App, event: builtin::Model) -> Result<FeedEvent> {
    let detail = |name: &str| event.details.0.get(name)?.as_str().map(str::to_owned);
    Ok(FeedEvent {
        description: detail("description"),
        location: detail("location"),
        uid: event.uid,
        sequence: u32::try_from(event.sequence).map_err(Error::internal)?,
        // In an object with a METHOD, when the object was made (RFC 5545, section 3.8.7.2).
        stamp: app.now(),
        range: TimeRange::new(event.starts_at, event.ends_at).map_err(Error::internal)?,
        summary: match event.title.as_str() {
            "" => "Busy".to_owned(),
            // An entry that an earlier release wrote may hold anything.
            title => mail::unlinked(title),
        },
    })
}

fn empty(status: StatusCode) -> Response {
    (status, [(CACHE_CONTROL, "no-store")]).into_response()
}

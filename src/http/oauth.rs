//! Where agents' browsers pass through when they connect a calendar over OAuth.
//!
//! A browser comes with a link that works once, is given a cookie and sent on to the provider, and
//! comes back with the provider's answer. What it holds then are secrets, hence the headers: these
//! addresses must not reach other sites or caches. The cookie is a session for nothing but this; it
//! must come with a navigation from the provider's site, so it is `SameSite=Lax`.

mod words;

use std::num::NonZeroU32;
use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::extract::{Path, RawQuery, State};
use axum::http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, COOKIE, HeaderName, HeaderValue,
    LOCATION, REFERRER_POLICY, RETRY_AFTER, SET_COOKIE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, StatusCode, request};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use handlebars::{Handlebars, html_escape};
use serde::Serialize;
use url::Url;
use uuid::Uuid;

use super::client::{self, Client};
use super::rate::{Limiter, RateLimit};
use crate::app::App;
use crate::mail::Language;
use crate::service::calendar::{self, Callback, Problem, SentOn, Told};

/// Nothing from anywhere else, nothing inline, no script at all, and no frame around it.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'none'";
/// Longest value of a parameter that is looked at; codes are of a few hundred characters.
const MOST_CHARS: usize = 4096;
/// What a return address is told in its query, whatever stood there before.
const OUTCOME: &str = "calendar";

const NAME: &str = "connected";

static PAGE: LazyLock<Handlebars<'static>> = LazyLock::new(|| {
    let mut registry = Handlebars::new();
    registry.set_strict_mode(true);
    registry.register_escape_fn(html_escape);
    registry
        .register_template_string(NAME, include_str!("../../assets/pages/connected.hbs"))
        .unwrap_or_else(|error| panic!("the page is part of this program: {error}"));
    registry
});

/// What the handlers share.
struct Door {
    app: Arc<App>,
    limiter: Option<Limiter>,
    trusted_proxies: usize,
}

/// `GET /oauth/start/{token}`, `GET /oauth/mend/{token}` and `GET /oauth/callback`, to be merged into
/// the router. An address may ask for them as often as without a key.
pub fn oauth(app: Arc<App>, limit: Option<RateLimit>, trusted_proxies: usize) -> Router {
    let door = Door { app, limiter: limit.map(Limiter::new), trusted_proxies };
    // Programs that look at links before people do ask for HEAD, and must use up nothing.
    let only_get = async || (StatusCode::METHOD_NOT_ALLOWED, [(ALLOW, "GET")]);
    Router::new()
        .route("/oauth/start/{token}", get(start).head(only_get))
        .route("/oauth/mend/{token}", get(mend).head(only_get))
        .route("/oauth/callback", get(callback).head(only_get))
        .with_state(Arc::new(door))
}

async fn start(
    State(door): State<Arc<Door>>,
    Path(token): Path<String>,
    request: request::Parts,
) -> Response {
    if let Some(refusal) = door.refusal(&request) {
        return refusal;
    }
    send_on(&door.app, &request.headers, calendar::begin(&door.app, &token).await)
}

async fn mend(
    State(door): State<Arc<Door>>,
    Path(token): Path<String>,
    request: request::Parts,
) -> Response {
    if let Some(refusal) = door.refusal(&request) {
        return refusal;
    }
    send_on(&door.app, &request.headers, calendar::mend(&door.app, &token).await)
}

async fn callback(
    State(door): State<Arc<Door>>,
    RawQuery(query): RawQuery,
    request: request::Parts,
) -> Response {
    if let Some(refusal) = door.refusal(&request) {
        return refusal;
    }
    let app = &door.app;
    let cookie = |authorization| brought(app, &request.headers, authorization);
    let told = calendar::finish(app, read(query.as_deref().unwrap_or_default()), cookie).await;
    let mut response = match (&told.outcome, &told.return_url) {
        (Ok(_), Some(url)) => redirect(&with_outcome(url, "connected")),
        _ => page(app, &told, &request.headers),
    };
    if let Some(authorization) = told.authorization {
        set_cookie(&mut response, &cookie_line(app, authorization, "", 0));
    }
    response
}

impl Door {
    /// What an address is answered that asks too often.
    fn refusal(&self, request: &request::Parts) -> Option<Response> {
        let client: Client = client::client(request, self.trusted_proxies);
        let wait = self.limiter.as_ref()?.take(client, NonZeroU32::MIN).err()?;
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        let headers = [(RETRY_AFTER, HeaderValue::from(seconds))];
        let mut response =
            (StatusCode::TOO_MANY_REQUESTS, headers, "too many requests").into_response();
        guard(&mut response);
        Some(response)
    }
}

/// To the consent page, with the cookie; or to nowhere, with what is wrong.
fn send_on(app: &App, headers: &HeaderMap, sent_on: Result<SentOn, Problem>) -> Response {
    match sent_on {
        Ok(sent_on) => {
            let mut response = redirect(&sent_on.to);
            let seconds = sent_on.valid.num_seconds();
            let line = cookie_line(app, sent_on.authorization, &sent_on.browser, seconds);
            set_cookie(&mut response, &line);
            response
        }
        Err(problem) => {
            let told = Told {
                locale: app.config.default_locale.clone(),
                provider: None,
                return_url: None,
                outcome: Err(problem),
                authorization: None,
            };
            page(app, &told, headers)
        }
    }
}

/// The parameters that count. One that is there twice is there not at all (RFC 6749, section 3.1).
fn read(query: &str) -> Callback {
    let pairs: Vec<_> = url::form_urlencoded::parse(query.as_bytes()).collect();
    let one = |name: &str| {
        let mut values = pairs.iter().filter(|(key, _)| key == name).map(|(_, value)| value);
        let value = values.next().filter(|value| !value.is_empty() && value.len() <= MOST_CHARS);
        value.filter(|_| values.next().is_none()).map(|value| value.to_string())
    };
    Callback {
        state: one("state").unwrap_or_default(),
        code: one("code").map(Into::into),
        error: one("error"),
        iss: one("iss"),
    }
}

/// The cookie of one authorization. Over https it has the prefix that keeps other hosts and plain
/// http from setting it (RFC 6265bis, section 4.1.3.2).
fn cookie_name(app: &App, authorization: Uuid) -> String {
    let prefix = if is_https(app) { "__Host-" } else { "" };
    format!("{prefix}frontdesk-calendar-{}", authorization.simple())
}

fn cookie_line(app: &App, authorization: Uuid, value: &str, seconds: i64) -> String {
    let name = cookie_name(app, authorization);
    let secure = if is_https(app) { "; Secure" } else { "" };
    format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}")
}

fn is_https(app: &App) -> bool {
    app.config.public_url.scheme() == "https"
}

/// What the browser brought of it.
fn brought(app: &App, headers: &HeaderMap, authorization: Uuid) -> Option<String> {
    let name = cookie_name(app, authorization);
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.split_once('='));
    pairs.find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim().to_owned())
}

fn set_cookie(response: &mut Response, line: &str) {
    if let Ok(value) = HeaderValue::from_str(line) {
        response.headers_mut().append(SET_COOKIE, value);
    }
}

/// 303: whatever the browser asked with, it goes on with GET (RFC 9110, section 15.4.4).
fn redirect(to: &Url) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    if let Ok(value) = HeaderValue::from_str(to.as_str()) {
        response.headers_mut().insert(LOCATION, value);
    }
    guard(&mut response);
    response
}

fn with_outcome(url: &Url, outcome: &str) -> Url {
    let others: Vec<(String, String)> = url
        .query_pairs()
        .filter(|(key, _)| key != OUTCOME)
        .map(|(k, v)| (k.into(), v.into()))
        .collect();
    let mut url = url.clone();
    url.query_pairs_mut().clear().extend_pairs(others).append_pair(OUTCOME, outcome);
    url
}

#[derive(Serialize)]
struct Page<'a> {
    language: &'static str,
    title: &'static str,
    style: String,
    paragraphs: &'a [String],
    items: &'a [String],
    back: Option<String>,
    back_label: &'static str,
}

/// The page in the agent's language; in the browser's where the agent is not known.
fn page(app: &App, told: &Told, headers: &HeaderMap) -> Response {
    let language = match told.authorization {
        Some(_) => Language::of_tag(&told.locale),
        None => browsers_language(headers).unwrap_or_else(|| Language::of_tag(&told.locale)),
    };
    let words = words::words(told, language);
    let outcome = if told.outcome.is_ok() { "connected" } else { "failed" };
    let mut style = app.config.public_url.clone();
    crate::service::push_path(&mut style, &["manage", "style.css"]);
    let page = Page {
        language: language.tag(),
        title: words.title,
        style: style.path().to_owned(),
        paragraphs: &words.paragraphs,
        items: &words.items,
        back: told.return_url.as_ref().map(|url| with_outcome(url, outcome).into()),
        back_label: words.back,
    };
    let html = PAGE
        .render(NAME, &page)
        .unwrap_or_else(|error| panic!("every name in the page is a field: {error}"));
    let mut response =
        (status(told), [(CONTENT_TYPE, "text/html; charset=utf-8")], html).into_response();
    guard(&mut response);
    response
}

fn status(told: &Told) -> StatusCode {
    match &told.outcome {
        Ok(_) | Err(Problem::NotNeeded) => StatusCode::OK,
        Err(Problem::Unreachable) => StatusCode::BAD_GATEWAY,
        Err(Problem::Fault(error)) => {
            let error = error as &dyn std::error::Error;
            tracing::error!(error, "a calendar could not be connected for a fault of ours");
            StatusCode::INTERNAL_SERVER_ERROR
        }
        Err(_) => StatusCode::BAD_REQUEST,
    }
}

/// The first language that the browser asks for (RFC 9110, section 12.5.4).
fn browsers_language(headers: &HeaderMap) -> Option<Language> {
    let asked = headers.get("accept-language")?.to_str().ok()?;
    let first = asked.split([',', ';']).next()?.trim();
    (!first.is_empty() && first != "*").then(|| Language::of_tag(first))
}

fn guard(response: &mut Response) {
    let headers = response.headers_mut();
    for (name, value) in [
        (CACHE_CONTROL, "no-store"),
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (HeaderName::from_static("x-robots-tag"), "noindex, nofollow, noarchive"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

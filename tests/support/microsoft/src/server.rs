//! The server: what every request passes, batches, and faults.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use axum::{
    Router,
    body::{Body, Bytes, HttpBody},
    extract::{Request, State},
    http::HeaderMap,
    response::{IntoResponse, Response},
};
use calendar_http::{HttpClient, Network};
use chrono::{DateTime, TimeDelta, Utc};
use fake_oauth::{Access, Clock, OAuth};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::{sync::Notify, task::yield_now};

use crate::{
    ask::{Answer, Ask, Outcome, Prefer},
    dispatch,
    fault::{self, Fault},
    notify, subscriptions,
    world::World,
};

/// What the server and its owner share.
pub(crate) struct Shared {
    pub(crate) world: Mutex<World>,
    pub(crate) oauth: OAuth,
    pub(crate) clock: Clock,
    /// Made when it is first needed, since most tests have no notifications.
    http: OnceLock<HttpClient>,
    /// Where Graph is, with its version and without a slash.
    pub(crate) base: String,
    /// How many notifications are queued or on their way, and who waits for none to be.
    pub(crate) sending: Mutex<usize>,
    pub(crate) sent: Notify,
}

impl Shared {
    pub(crate) fn new(oauth: OAuth, base: String) -> Self {
        Self {
            world: Mutex::default(),
            clock: oauth.clock().clone(),
            oauth,
            http: OnceLock::new(),
            base,
            sending: Mutex::default(),
            sent: Notify::new(),
        }
    }

    fn http(&self) -> &HttpClient {
        let settings = || calendar_http::Settings {
            network: Network::Any,
            attempts: 1,
            circuit_failures: u32::MAX,
            ..calendar_http::Settings::default()
        };
        let make = || HttpClient::new(settings()).expect("the settings are valid");
        self.http.get_or_init(make)
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends what is queued, each by itself.
    pub(crate) fn flush(self: &Arc<Self>) {
        let outgoing = std::mem::take(&mut self.lock().outgoing);
        for one in outgoing {
            *self.sending.lock().unwrap_or_else(PoisonError::into_inner) += 1;
            let shared = Arc::clone(self);
            tokio::spawn(async move {
                notify::send(shared.http(), &one).await;
                *shared.sending.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
                shared.sent.notify_waiters();
            });
        }
    }
}

/// Graph below `/v1.0`.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    Router::new().fallback(answer).with_state(shared)
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let uri = parts.uri.path_and_query().map_or("/", |it| it.as_str()).to_owned();
    let Ok(body) = axum::body::to_bytes(body, 4 << 20).await else {
        return shown(&shared, Answer::error(413, "RequestTooLarge", "The body is too large."));
    };
    let method = parts.method.as_str().to_owned();
    let fault = fault::take(&mut shared.lock().rules, &method, &uri);
    if let Some(fault) = &fault
        && let Some(response) = strike(&shared, fault).await
    {
        return response;
    }
    let outcome = carry_out(&shared, &method, &uri, &parts.headers, body).await;
    shared.flush();
    if fault == Some(Fault::AnswerLost) {
        return broken(b"");
    }
    shown(&shared, outcome.unwrap_or_else(|refused| refused))
}

async fn carry_out(
    shared: &Arc<Shared>,
    method: &str,
    uri: &str,
    headers: &HeaderMap,
    body: Bytes,
) -> Outcome {
    let Some(below) = uri.strip_prefix("/v1.0") else {
        return Err(Answer::error(404, "UnknownVersion", "There is v1.0 only."));
    };
    let header = |name: &str| headers.get(name).and_then(|it| it.to_str().ok());
    let mut ask = Ask::new(method, below, &shared.base)?;
    let prefer = header("prefer").unwrap_or_default();
    ask.if_match = header("if-match").map(Into::into);
    ask.content_type = header("content-type").map(Into::into);
    ask.body = body.into();
    shared.lock().requests.push(ask.recorded(below, prefer));
    let access = shared.oauth.bearer(headers).map_err(|_| {
        Answer::error(401, "InvalidAuthenticationToken", "Access token is empty or not valid.")
    })?;
    if ask.segments() == ["$batch"] {
        return batch(shared, &access, &ask).await;
    }
    ask.prefer = Prefer::parse(prefer)?;
    one(shared, &access, &ask).await
}

/// One request, within the limits of its mailbox.
async fn one(shared: &Arc<Shared>, access: &Access, ask: &Ask) -> Outcome {
    let _at_once = AtOnce::enter(shared, &access.account)?;
    // Others get a chance to be under way at the same time.
    for _ in 0..3 {
        yield_now().await;
    }
    let now = shared.clock.now();
    if ask.method == "POST" && ask.segments() == ["subscriptions"] {
        return subscribe(shared, access, ask, now).await;
    }
    dispatch::carry_out(&mut shared.lock(), access, ask, now)
}

/// Makes a subscription, once the addresses have answered.
async fn subscribe(
    shared: &Arc<Shared>,
    access: &Access,
    ask: &Ask,
    now: DateTime<Utc>,
) -> Outcome {
    let address = access.account.to_ascii_lowercase();
    let (asked, calendar) = {
        let world = shared.lock();
        world.mailboxes.get(&address).ok_or_else(Answer::not_found)?;
        subscriptions::check(&world, &address, ask, now)?
    };
    let token = "Validation: Testing client application reachability for subscription Request-Id: a+b/c=&<d>";
    let urls = [Some(&asked.notification_url), asked.lifecycle_notification_url.as_ref()];
    for url in urls.into_iter().flatten() {
        notify::validate(shared.http(), url, token).await?;
    }
    Ok(subscriptions::keep(&mut shared.lock(), &address, asked, calendar))
}

/// Counts a request to a mailbox as under way until it is dropped.
struct AtOnce {
    shared: Arc<Shared>,
    address: String,
}

impl AtOnce {
    /// # Errors
    /// 429 where 4 are under way already, or the quota is spent
    /// (<https://learn.microsoft.com/graph/throttling-limits>).
    fn enter(shared: &Arc<Shared>, account: &str) -> Result<Self, Answer> {
        let address = account.to_ascii_lowercase();
        let (now, mut world) = (shared.clock.now(), shared.lock());
        let quota = world.quota;
        let throttled = |message, wait: TimeDelta| {
            let refused = Answer::error(429, "ApplicationThrottled", message);
            Answer { retry_after: u32::try_from(wait.num_seconds()).ok(), ..refused }
        };
        let Some(mailbox) = world.mailboxes.get_mut(&address) else {
            return Err(Answer::not_found());
        };
        if mailbox.spent.0 + TimeDelta::minutes(10) <= now {
            mailbox.spent = (now, 0);
        }
        if quota.is_some_and(|quota| quota <= mailbox.spent.1) {
            let wait = mailbox.spent.0 + TimeDelta::minutes(10) - now;
            return Err(throttled("Application is over its request limit.", wait));
        }
        mailbox.spent.1 += 1;
        if 4 <= mailbox.at_once {
            let wait = TimeDelta::seconds(1);
            return Err(throttled("Application is over its MailboxConcurrency limit.", wait));
        }
        mailbox.at_once += 1;
        let at_once = mailbox.at_once;
        world.most_at_once = world.most_at_once.max(at_once);
        Ok(Self { shared: Arc::clone(shared), address })
    }
}

impl Drop for AtOnce {
    fn drop(&mut self) {
        if let Some(mailbox) = self.shared.lock().mailboxes.get_mut(&self.address) {
            mailbox.at_once -= 1;
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Batch {
    requests: Vec<Part>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Part {
    id: String,
    method: String,
    url: String,
    #[serde(default)]
    headers: Map<String, Value>,
    body: Option<Value>,
}

/// <https://learn.microsoft.com/graph/json-batching>
async fn batch(shared: &Arc<Shared>, access: &Access, ask: &Ask) -> Outcome {
    let batch: Batch = ask.json()?;
    let mut ids: Vec<_> = batch.requests.iter().map(|it| it.id.to_lowercase()).collect();
    ids.sort_unstable();
    ids.dedup();
    if 20 < batch.requests.len() || ids.len() != batch.requests.len() {
        return Err(Answer::bad("At most 20 requests, each with an ID of its own."));
    }
    let mut responses = Vec::new();
    for part in batch.requests {
        let fault = fault::take(&mut shared.lock().rules, &part.method, &part.url);
        let answer = match fault {
            Some(Fault::Status(status, code)) => Answer::error(status, code, "As a test wants."),
            Some(Fault::Throttled(seconds)) => Answer {
                retry_after: Some(seconds),
                ..Answer::error(429, "ApplicationThrottled", "As a test wants.")
            },
            _ => within(shared, access, ask, &part).await.unwrap_or_else(|refused| refused),
        };
        let mut headers = json!({ "Content-Type": "application/json" });
        if let Some(seconds) = answer.retry_after {
            headers["Retry-After"] = seconds.to_string().into();
        }
        responses.push(json!({
            "id": part.id, "status": answer.status, "headers": headers, "body": answer.body,
        }));
    }
    // "Individual responses might appear in a different order than the requests."
    responses.reverse();
    Ok(Answer::ok(json!({ "responses": responses })))
}

async fn within(shared: &Arc<Shared>, access: &Access, whole: &Ask, part: &Part) -> Outcome {
    let mut ask = Ask::new(&part.method, &part.url, &whole.base)?;
    let header = |name: &str| {
        let found = part.headers.iter().find(|(it, _)| it.eq_ignore_ascii_case(name));
        found.and_then(|(_, value)| value.as_str())
    };
    ask.prefer = Prefer::parse(header("prefer").unwrap_or_default())?;
    ask.content_type = header("content-type").map(Into::into);
    if let Some(body) = &part.body {
        ask.body = body.to_string().into_bytes();
    }
    one(shared, access, &ask).await
}

fn shown(shared: &Shared, answer: Answer) -> Response {
    let mut response = Response::builder()
        .status(answer.status)
        .header("date", shared.clock.now().to_rfc2822().replace("+0000", "GMT"))
        .header("request-id", "00000000-0000-0000-0000-000000000000");
    if let Some(seconds) = answer.retry_after {
        response = response.header("retry-after", seconds);
    }
    let body = match answer.body {
        Some(body) => {
            response = response.header("content-type", "application/json; charset=utf-8");
            Body::from(body.to_string())
        }
        None => Body::empty(),
    };
    response.body(body).unwrap_or_default()
}

/// What a request meets instead of an answer; none where it is carried out first.
async fn strike(shared: &Shared, fault: &Fault) -> Option<Response> {
    let error = |status, code| shown(shared, Answer::error(status, code, "As a test wants."));
    Some(match fault {
        Fault::Down => broken(b""),
        Fault::Status(status, code) => error(*status, code),
        Fault::Throttled(seconds) => {
            let refused = Answer::error(429, "ApplicationThrottled", "As a test wants.");
            shown(shared, Answer { retry_after: Some(*seconds), ..refused })
        }
        Fault::CutOff => fake_oauth::cut_off(b"{\"value\": [{\"id\": \"AAkA"),
        Fault::Html => {
            let page = "<!doctype html><title>Sign in to the network</title>";
            ([("content-type", "text/html")], page).into_response()
        }
        Fault::Huge => json_of(Body::new(Whitespace(200))),
        Fault::NotUtf8 => json_of(Bytes::from_static(b"{\"value\": \"\xff\xfe\"}").into()),
        Fault::Json(text) => json_of(Body::from(*text)),
        Fault::Hang => std::future::pending().await,
        Fault::AnswerLost => return None,
    })
}

fn json_of(body: Body) -> Response {
    ([("content-type", "application/json")], body).into_response()
}

/// An answer that never begins: its body fails before a byte of it is sent.
fn broken(start: &'static [u8]) -> Response {
    fake_oauth::cut_off(start)
}

/// So many MiB of white space, made as they are read.
struct Whitespace(usize);

impl HttpBody for Whitespace {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        static MIB: [u8; 1 << 20] = [b' '; 1 << 20];
        let left = self.0.checked_sub(1);
        self.0 = left.unwrap_or_default();
        std::task::Poll::Ready(left.map(|_| Ok(http_body::Frame::data(Bytes::from_static(&MIB)))))
    }
}

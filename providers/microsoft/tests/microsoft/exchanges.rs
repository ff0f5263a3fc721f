//! One recorded exchange for each documented example of Microsoft's guides that applies: the
//! requests must be these and the answers are read as they stand there. `exchanges/*.json` hold
//! them, with names and IDs of our own.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, Method, Uri},
    response::Response,
};
use calendar_http::{HttpClient, Network};
use calendar_provider::{
    CalendarProvider, Change, Connection, EventDraft, Participant, Push, Pushed, TimeRange, Watch,
    WatchRequest,
};
use calendar_provider_microsoft::{Microsoft, Settings};
use chrono_tz::Tz;
use fake_oauth::Server;
use serde::Deserialize;
use serde_json::Value;

use crate::outlook::at;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Exchange {
    request: Asked,
    answer: Answered,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    method: String,
    /// Path and query, decoded.
    path: String,
    /// What stands in the `Prefer` header.
    #[serde(default)]
    prefer: Vec<String>,
    if_match: Option<String>,
    #[serde(default)]
    body: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answered {
    status: u16,
    #[serde(default)]
    headers: Vec<(String, String)>,
    body: Option<Value>,
}

/// A server that answers a recording, and the provider that it is played to.
struct Playing {
    provider: Microsoft,
    connection: Connection,
    tape: Arc<Mutex<Tape>>,
    _server: Server,
}

struct Tape {
    rest: VecDeque<Exchange>,
    wrong: Vec<String>,
}

impl Playing {
    async fn start(recording: &str, calendar_ref: &str) -> Self {
        let (listener, base) = Server::bind().await;
        let base = format!("{base}v1.0");
        let rest = serde_json::from_str(&recording.replace("{graph}", &base)).unwrap();
        let tape = Arc::new(Mutex::new(Tape { rest, wrong: Vec::new() }));
        let router = Router::new().fallback(play).with_state(Arc::clone(&tape));
        let server = Server::start(listener, router);
        let http = calendar_http::Settings {
            network: Network::Any,
            attempts: 1,
            ..calendar_http::Settings::default()
        };
        let settings = Settings { graph_url: base.parse().unwrap(), ..Settings::default() };
        let provider = Microsoft::new(settings, HttpClient::new(http).unwrap());
        let connection = Connection::new("agent-1", calendar_ref, "a-token".into());
        Self { provider, connection, tape, _server: server }
    }

    /// Fails unless all requests came, and no others.
    #[track_caller]
    fn ended(&self) {
        let tape = self.tape.lock().unwrap();
        assert!(tape.wrong.is_empty(), "{}", tape.wrong.join("\n"));
        assert!(tape.rest.is_empty(), "{} requests did not come", tape.rest.len());
    }
}

async fn play(
    State(tape): State<Arc<Mutex<Tape>>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut tape = tape.lock().unwrap();
    let raw = uri.path_and_query().unwrap().as_str().trim_start_matches("/v1.0").to_owned();
    let path = percent_encoding::percent_decode_str(&raw).decode_utf8().unwrap().into_owned();
    let Some(exchange) = tape.rest.pop_front() else {
        tape.wrong.push(format!("{method} {path} is one request too many"));
        return Response::builder().status(500).body(Body::empty()).unwrap();
    };
    let Exchange { request, answer } = exchange;
    let header = |name: &str| headers.get(name).map(|it| it.to_str().unwrap().to_owned());
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let prefer = header("prefer").unwrap_or_default();
    let mut expect = |same: bool, what: String| {
        if !same {
            tape.wrong.push(what);
        }
    };
    expect(method.as_str() == request.method, format!("{method} for {}", request.method));
    expect(path == request.path, format!("{path}\n  for {}", request.path));
    expect(body == request.body, format!("{body}\n  for {}", request.body));
    expect(header("if-match") == request.if_match, format!("if-match for {path}"));
    expect(header("authorization").as_deref() == Some("Bearer a-token"), "the token".into());
    for one in &request.prefer {
        expect(prefer.contains(one), format!("{prefer} for {one}"));
    }
    let mut response = Response::builder().status(answer.status);
    for (name, value) in &answer.headers {
        response = response.header(name, value);
    }
    let Some(body) = answer.body else { return response.body(Body::empty()).unwrap() };
    response.header("content-type", "application/json").body(body.to_string().into()).unwrap()
}

fn range(start: &str, end: &str) -> TimeRange {
    TimeRange::new(at(start), at(end)).unwrap()
}

/// <https://learn.microsoft.com/graph/delta-query-events>: three pages, and the next round.
#[tokio::test]
async fn incremental_changes_in_a_calendar_view() {
    let recording = include_str!("../exchanges/delta_query_events.json");
    let playing = Playing::start(recording, "default:sam@contoso.example").await;
    let (provider, connection) = (&playing.provider, &playing.connection);
    let december = range("2016-12-01T00:00:00Z", "2016-12-30T00:00:00Z");
    let first = provider.changes(connection, None, december).await.unwrap();
    let told: Vec<_> = first.events.iter().map(Change::event_ref).collect();
    assert_eq!(
        told,
        ["AAMkADNVxRAAA=", "AAMkADVxSAAA=", "AAMkADVxTAAA=", "AAMkADVxUAAA=", "AAMkADj1HuAAA="]
    );
    let Change::Present(food) = &first.events[2] else { panic!("it is there") };
    assert_eq!(food.range, range("2016-12-10T19:30:00Z", "2016-12-10T21:30:00Z"));
    assert_eq!(food.title.as_deref(), Some("Get food"));
    let next = provider.changes(connection, Some(&first.next), december).await.unwrap();
    let [Change::Gone { event_ref }, Change::Present(changed)] = &next.events[..] else {
        panic!("{:?}", next.events)
    };
    assert_eq!(changed.range, range("2016-12-09T21:30:00Z", "2016-12-09T23:00:00Z"));
    assert_eq!(event_ref, "AAMkADVxSAAA=");
    playing.ended();
}

/// <https://learn.microsoft.com/graph/api/calendar-getschedule>
#[tokio::test]
async fn the_schedule_of_a_mailbox() {
    let recording = include_str!("../exchanges/get_schedule.json");
    let playing = Playing::start(recording, "default:adele@contoso.example").await;
    let window = range("2019-03-15T09:00:00Z", "2019-03-15T18:00:00Z");
    let busy = playing.provider.free_busy(&playing.connection, window).await.unwrap();
    let told: Vec<_> = busy.iter().map(|it| (it.title.as_deref(), it.range)).collect();
    assert_eq!(
        told,
        [
            (Some("Lunch with the team"), range("2019-03-15T12:00:00Z", "2019-03-15T14:00:00Z")),
            (None, range("2019-03-15T08:30:00Z", "2019-03-15T09:30:00Z")),
            (None, range("2019-03-15T16:00:00Z", "2019-03-15T17:00:00Z")),
        ]
    );
    playing.ended();
}

/// <https://learn.microsoft.com/graph/json-batching>
#[tokio::test]
async fn several_requests_in_one() {
    let recording = include_str!("../exchanges/json_batching.json");
    let mut playing = Playing::start(recording, "default:adele@contoso.example").await;
    playing.connection.also_busy = vec!["AAMkFamily=".into()];
    let window = range("2019-03-15T09:00:00Z", "2019-03-15T10:00:00Z");
    let busy = playing.provider.free_busy(&playing.connection, window).await.unwrap();
    let told: Vec<_> = busy.iter().map(|it| it.title.as_deref().unwrap()).collect();
    assert_eq!(told, ["Dentist", "Review"]);
    playing.ended();
}

/// <https://learn.microsoft.com/graph/outlook-calendar-online-meetings> and `transactionId` of
/// <https://learn.microsoft.com/graph/api/calendar-post-events>.
#[tokio::test]
async fn an_event_with_an_online_meeting_and_a_transaction() {
    let recording = include_str!("../exchanges/create_online_meeting.json");
    let playing = Playing::start(recording, "AAMkCustomers=").await;
    let when = range("2019-11-20T13:00:00Z", "2019-11-20T14:00:00Z");
    let agent = Participant::new(Some("Alex".into()), "alex@contoso.example");
    let mut draft = EventDraft::new("booking-1", when, Tz::UTC, "Prep for a customer", agent);
    draft.description = Some("Does this time work?".into());
    draft.location = Some("Conference room".into());
    draft.conference_wanted = true;
    let receipt = playing.provider.put_event(&playing.connection, &draft).await.unwrap();
    assert_eq!(receipt.event_ref, "AAMkADAAABIGYDZAAA=");
    assert_eq!(receipt.version.as_deref(), Some("W/\"NEXywgsVrkeNsFsyVyRrtAAASBUEsA==\""));
    let link = receipt.conference_url.unwrap();
    assert!(link.as_str().starts_with("https://teams.microsoft.com/l/meetup-join/"), "{link}");
    assert_eq!(receipt.url.unwrap().host_str(), Some("outlook.office365.com"));
    playing.ended();
}

/// <https://learn.microsoft.com/graph/change-notifications-delivery-webhooks>: creating, renewing
/// and deleting a subscription.
#[tokio::test]
async fn the_life_of_a_subscription() {
    let recording = include_str!("../exchanges/subscriptions.json");
    let playing = Playing::start(recording, "default:adele@contoso.example").await;
    let (provider, connection) = (&playing.provider, &playing.connection);
    let url: url::Url = "https://desk.example/push/1".parse().unwrap();
    let until = at("2016-03-20T11:00:00Z");
    let mut request = WatchRequest::new("1", url, "SecretClientState".into(), until);
    let watch = provider.watch(connection, &request, None).await.unwrap();
    let id = "7f105c7d-2dc5-4530-97cd-4e7ae6534c07";
    assert_eq!(watch, Watch::new(id, until));
    request.until = at("2016-03-22T11:00:00Z");
    let renewed = provider.watch(connection, &request, Some(&watch)).await.unwrap();
    assert_eq!(renewed, Watch::new(id, request.until));
    provider.unwatch(connection, &renewed).await.unwrap();
    playing.ended();
}

/// <https://learn.microsoft.com/graph/change-notifications-delivery-webhooks> and
/// <https://learn.microsoft.com/graph/change-notifications-lifecycle-events>: what comes in.
#[tokio::test]
async fn notifications_as_they_are_documented() {
    let playing = Playing::start("[]", "default:adele@contoso.example").await;
    let told: Vec<Value> =
        serde_json::from_str(include_str!("../exchanges/notifications.json")).unwrap();
    let expected = [Pushed::Changed, Pushed::Renew, Pushed::Ended, Pushed::Changed];
    assert_eq!(told.len(), expected.len());
    for (body, expected) in told.iter().zip(expected) {
        let mut push = Push::new("1", "secretClientValue".into());
        push.body = body.to_string().into_bytes();
        assert_eq!(playing.provider.read_push(&push).unwrap(), expected, "{body}");
        push.secret = "another".into();
        assert!(playing.provider.read_push(&push).is_err(), "{body}");
    }
}

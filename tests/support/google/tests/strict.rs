//! What the fake takes and what it refuses, over HTTP.

use calendar_http::http::{Method, StatusCode, header::IF_MATCH};
use calendar_http::{Bytes, HttpClient, Network, Settings, http::Request, json_request};
use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use fake_google::{Clock, FakeGoogle, SCOPES};
use serde_json::{Value, json};

const ADA: &str = "ada@example.com";
const EVENTS: &str = "calendars/primary/events";

struct World {
    fake: FakeGoogle,
    http: HttpClient,
    token: String,
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().expect("an instant")
}

impl World {
    async fn new() -> Self {
        let now = at("2031-05-01T00:00:00Z");
        let fake = FakeGoogle::start(Clock::new(now), "https://desk.example/cb").await;
        fake.add_account(ADA, "Ada", Tz::Europe__London);
        let token = fake.oauth().issue(ADA, &SCOPES).access_token;
        let settings = Settings { network: Network::Any, ..Settings::default() };
        Self { fake, http: HttpClient::new(settings).expect("valid settings"), token }
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let url = self.fake.api_url().join(path).expect("a path");
        let token = self.token.clone().into();
        let request = json_request(method, &url, &token, body.as_ref()).expect("a request");
        self.send(request).await
    }

    async fn send(&self, request: Request<Bytes>) -> (u16, Value) {
        let response = self.http.send(request).await.expect("an answer");
        let body = serde_json::from_slice(response.body()).unwrap_or_default();
        (response.status().as_u16(), body)
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        self.call(Method::GET, path, None).await
    }

    async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        self.call(Method::POST, path, Some(body)).await
    }

    async fn expect(&self, path: &str, status: u16, reason: &str) {
        let (got, body) = self.get(path).await;
        assert_eq!((got, reason_of(&body)), (status, reason), "{path}: {body}");
    }
}

fn reason_of(body: &Value) -> &str {
    body["error"]["errors"][0]["reason"].as_str().unwrap_or_default()
}

/// An event of an hour on 2031-05-05 with these fields too.
fn event(fields: &Value) -> Value {
    let mut event = json!({
        "start": { "dateTime": "2031-05-05T09:00:00Z" },
        "end": { "dateTime": "2031-05-05T10:00:00Z" },
    });
    for (name, value) in fields.as_object().into_iter().flatten() {
        event[name] = value.clone();
    }
    event
}

#[tokio::test]
async fn fields_and_parameters_that_are_not_known_are_refused() {
    let world = World::new().await;
    for fields in [
        json!({ "sumary": "x" }),
        json!({ "summary": 5 }),
        json!({ "status": "done" }),
        json!({ "start": { "dateTime": "tomorrow" } }),
        json!({ "start": { "dateTime": "2031-05-05T09:00:00" } }),
        json!({ "start": { "date": "2031-05-05" } }),
        json!({ "start": { "dateTime": "2031-05-05T11:00:00Z" } }),
        json!({ "end": null }),
        json!({ "attendees": [{ "email": "nobody" }] }),
        json!({ "attendees": [{ "mail": "x@example.com" }] }),
        json!({ "id": "abc" }),
        json!({ "id": "UPPERCASE" }),
        json!({ "id": "wxyz0" }),
        json!({ "id": "abcde", "iCalUID": "x" }),
        json!({ "extendedProperties": { "private": { "n": "x".repeat(1025) } } }),
        json!({ "conferenceData": { "createRequest": { "requestId": "x" } } }),
    ] {
        let (status, body) = world.post(EVENTS, event(&fields)).await;
        assert_eq!(status, 400, "{fields}: {body}");
    }
    for query in [
        "timeMinimum=2031-05-05T00:00:00Z",
        "singleEvents=yes",
        "maxResults=0",
        "timeMin=today",
        "singleEvents=true&singleEvents=true",
        "singleEvents=true&pageToken=guessed",
        "singleEvents=true&syncToken=guessed",
        "singleEvents=true&fields=items(",
        "singleEvents=true&timeMin=2031-05-05T00:00:00Z&timeMax=2031-05-05T00:00:00Z",
        "singleEvents=false",
    ] {
        assert_eq!(world.get(&format!("{EVENTS}?{query}")).await.0, 400, "{query}");
    }
    assert_eq!(world.get("calendars/primary/nothing").await.0, 404);
    assert_eq!(world.fake.standing_events(ADA), 0);
}

#[tokio::test]
async fn an_id_stays_taken_and_a_deleted_event_can_be_brought_back() {
    let world = World::new().await;
    let made = event(&json!({ "id": "abcde12345", "summary": "One" }));
    let one = format!("{EVENTS}/abcde12345");
    assert_eq!(world.post(EVENTS, made.clone()).await.0, 200);
    let (status, body) = world.post(EVENTS, made.clone()).await;
    assert_eq!((status, reason_of(&body)), (409, "duplicate"));
    assert_eq!(world.call(Method::DELETE, &one, None).await.0, 204);
    let (status, body) = world.call(Method::DELETE, &one, None).await;
    assert_eq!((status, reason_of(&body)), (410, "deleted"));
    let (status, body) = world.get(&one).await;
    assert_eq!((status, &body["status"]), (200, &json!("cancelled")));
    assert_eq!(world.post(EVENTS, made).await.0, 409, "the ID stays taken");
    let title = json!({ "summary": "Two" });
    assert_eq!(world.call(Method::PATCH, &one, Some(title)).await.0, 400, "it is deleted");
    let back = json!({ "status": "confirmed", "summary": null, "location": "Here" });
    let (status, body) = world.call(Method::PATCH, &one, Some(back)).await;
    assert_eq!((status, &body["location"]), (200, &json!("Here")));
    assert!(body.get("summary").is_none() && body["start"].is_object(), "{body}");
    let (_, body) = world.call(Method::PUT, &one, Some(event(&json!({})))).await;
    assert!(body.get("location").is_none(), "PUT replaces all: {body}");
}

#[tokio::test]
async fn a_stale_etag_is_refused() {
    let world = World::new().await;
    let (_, made) = world.post(EVENTS, event(&json!({ "id": "abcde" }))).await;
    let url = world.fake.api_url().join(&format!("{EVENTS}/abcde")).expect("a path");
    let patch = |etag: &Value, title: &str| {
        let token = world.token.clone().into();
        let body = json!({ "summary": title });
        let mut request =
            json_request(Method::PATCH, &url, &token, Some(&body)).expect("a request");
        let etag = etag.as_str().expect("an ETag").parse().expect("a header");
        request.headers_mut().insert(IF_MATCH, etag);
        world.send(request)
    };
    let (status, changed) = patch(&made["etag"], "One").await;
    assert_eq!(status, 200);
    assert_eq!(patch(&made["etag"], "Two").await.0, 412);
    assert_eq!(patch(&changed["etag"], "Two").await.0, 200);
}

#[tokio::test]
async fn scopes_and_roles_are_kept() {
    let mut world = World::new().await;
    world.fake.add_calendar(ADA, "shared@group", "Shared", "writer");
    world.fake.add_calendar(ADA, "read@group", "Read", "reader");
    let (status, _) = world.post("calendars/shared@group/events", event(&json!({}))).await;
    assert_eq!(status, 200);
    let (status, body) = world.post("calendars/read@group/events", event(&json!({}))).await;
    assert_eq!((status, reason_of(&body)), (403, "requiredAccessLevel"));
    let owned = "https://www.googleapis.com/auth/calendar.events.owned";
    world.token = world.fake.oauth().issue(ADA, &[owned]).access_token;
    assert_eq!(world.post(EVENTS, event(&json!({}))).await.0, 200);
    let (status, body) = world.post("calendars/shared@group/events", event(&json!({}))).await;
    assert_eq!((status, reason_of(&body)), (403, "insufficientPermissions"));
    world.expect("users/me/calendarList", 403, "insufficientPermissions").await;
    world.expect("calendars/nobody@example.com/events?singleEvents=true", 404, "notFound").await;
    world.fake.revoke(ADA);
    world.expect("users/me/calendarList", 401, "authError").await;
}

#[tokio::test]
async fn sync_tokens_tell_changes_once_and_grow_old() {
    let world = World::new().await;
    let list = |more: &str| format!("{EVENTS}?singleEvents=true{more}");
    world.post(EVENTS, event(&json!({ "id": "abcde" }))).await;
    let (_, first) = world.get(&list("")).await;
    assert_eq!(first["items"].as_array().map(Vec::len), Some(1));
    let since = format!("&syncToken={}", first["nextSyncToken"].as_str().expect("a token"));
    let (_, none) = world.get(&list(&since)).await;
    assert_eq!(none["items"], json!([]));
    world.call(Method::DELETE, &format!("{EVENTS}/abcde"), None).await;
    let (_, one) = world.get(&list(&since)).await;
    assert_eq!(one["items"][0]["status"], "cancelled");
    let bounded = list(&format!("{since}&timeMin=2031-05-05T00:00:00Z"));
    world.expect(&bounded, 400, "invalid").await;
    world.expect(&list(&format!("{since}&maxAttendees=1")), 400, "invalid").await;
    world.fake.expire_sync_tokens(ADA);
    world.expect(&list(&since), 410, "fullSyncRequired").await;
}

#[tokio::test]
async fn a_page_token_is_for_the_same_parameters_only() {
    let world = World::new().await;
    world.fake.add_meetings(ADA, 3, at("2031-05-05T00:00:00Z"), TimeDelta::hours(1));
    let list = format!("{EVENTS}?singleEvents=true&maxResults=2");
    let (_, first) = world.get(&list).await;
    assert!(first.get("nextSyncToken").is_none());
    let token = first["nextPageToken"].as_str().expect("a token");
    let (_, second) = world.get(&format!("{list}&pageToken={token}")).await;
    assert_eq!(second["items"].as_array().map(Vec::len), Some(1));
    assert!(second.get("nextSyncToken").is_some());
    let other = format!("{EVENTS}?singleEvents=true&maxResults=1&pageToken={token}");
    world.expect(&other, 400, "invalid").await;
}

#[tokio::test]
async fn a_meeting_needs_version_1_and_mails_go_out_when_asked_for() {
    let world = World::new().await;
    let wanted = |id: &str| {
        event(&json!({
            "id": id,
            "attendees": [{ "email": "vic@example.com" }],
            "conferenceData": { "createRequest": {
                "requestId": id, "conferenceSolutionKey": { "type": "hangoutsMeet" },
            }},
        }))
    };
    let (_, without) = world.post(EVENTS, wanted("abcde")).await;
    assert!(without.get("conferenceData").is_none());
    assert!(world.fake.invitations().is_empty());
    let path = format!("{EVENTS}?conferenceDataVersion=1&sendUpdates=all");
    let (_, with) = world.post(&path, wanted("bcdef")).await;
    assert!(with["hangoutLink"].as_str().expect("a link").starts_with("https://meet.google.com/"));
    assert_eq!(world.fake.invitations(), ["vic@example.com"]);
}

#[tokio::test]
async fn the_free_busy_query_has_limits() {
    let world = World::new().await;
    let query = |end: &str, items: usize| {
        let items: Vec<_> = (0..items).map(|_| json!({ "id": "primary" })).collect();
        json!({ "timeMin": "2031-05-05T00:00:00Z", "timeMax": end, "items": items })
    };
    assert_eq!(world.post("freeBusy", query("2031-05-06T00:00:00Z", 1)).await.0, 200);
    let (status, body) = world.post("freeBusy", query("2032-05-06T00:00:00Z", 1)).await;
    assert_eq!((status, reason_of(&body)), (400, "timeRangeTooLong"));
    assert_eq!(world.post("freeBusy", query("2031-05-05T00:00:00Z", 1)).await.0, 400);
    let (_, body) = world.post("freeBusy", query("2031-05-06T00:00:00Z", 51)).await;
    let told = &body["calendars"]["primary"]["errors"][0]["reason"];
    assert_eq!(told, "tooManyCalendarsRequested");
}

#[tokio::test]
async fn messages_are_sent_to_an_address_without_tls_where_that_is_allowed() {
    let world = World::new().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = format!("http://{}/p?x=1", listener.local_addr().expect("it is bound"));
    let channel = json!({ "id": "one", "type": "web_hook", "address": address, "token": "s" });
    let watch = format!("{EVENTS}/watch");
    assert_eq!(world.post(&watch, channel.clone()).await.0, 401);
    world.fake.allow_http_callbacks();
    let receiving = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut text = [0; 1024];
        let length = tokio::io::AsyncReadExt::read(&mut stream, &mut text).await.expect("text");
        String::from_utf8_lossy(&text[..length]).into_owned()
    });
    let (status, made) = world.post(&watch, channel).await;
    assert_eq!(status, 200);
    world.fake.pushes_delivered().await;
    let text = receiving.await.expect("it was called");
    assert!(text.starts_with("POST /p?x=1 HTTP/1.1\r\n"), "{text}");
    for line in
        ["x-goog-resource-state: sync", "x-goog-channel-token: s", "x-goog-message-number: 1"]
    {
        assert!(text.contains(line), "{text}");
    }
    let stop = json!({ "id": "one", "resourceId": made["resourceId"] });
    assert_eq!(world.post("channels/stop", stop.clone()).await.0, 204);
    assert_eq!(world.post("channels/stop", stop).await.0, 404);
}

#[tokio::test]
async fn the_whole_flow_brings_a_token_that_works() {
    let mut world = World::new().await;
    world.fake.oauth().sign_in(ADA);
    let page = url::Url::parse_with_params(
        world.fake.authorization_url().as_str(),
        [
            ("response_type", "code"),
            ("client_id", fake_google::CLIENT_ID),
            ("redirect_uri", "https://desk.example/cb"),
            ("state", "a"),
            (
                "scope",
                "openid email https://www.googleapis.com/auth/calendar.calendarlist.readonly",
            ),
            ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
            ("code_challenge_method", "S256"),
            ("access_type", "offline"),
            // There was a consent before: the token that the test began with.
            ("prompt", "consent"),
        ],
    )
    .expect("a URL");
    let fake_oauth::Visit::Redirect(back) = world.fake.oauth().visit(&page) else {
        panic!("refused")
    };
    let code = back.query_pairs().find(|(name, _)| name == "code").expect("a code").1.into_owned();
    let form = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("grant_type", "authorization_code")
        .append_pair("code", &code)
        .append_pair("redirect_uri", "https://desk.example/cb")
        .append_pair("code_verifier", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
        .append_pair("client_id", fake_google::CLIENT_ID)
        .append_pair("client_secret", fake_google::CLIENT_SECRET)
        .finish();
    let request = Request::post(world.fake.token_url().as_str())
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form.into());
    let (status, tokens) = world.send(request.expect("a request")).await;
    assert_eq!(StatusCode::OK, status);
    assert!(tokens["refresh_token"].is_string());
    assert!(tokens["scope"].as_str().expect("scopes").contains("auth/userinfo.email"));
    world.token = tokens["access_token"].as_str().expect("a token").to_owned();
    let (_, list) = world.get("users/me/calendarList").await;
    assert_eq!(list["items"][0]["id"], ADA);
    let token = world.token.clone().into();
    let request = json_request::<()>(Method::GET, &world.fake.userinfo_url(), &token, None);
    let (_, claims) = world.send(request.expect("a request")).await;
    assert_eq!((&claims["email"], claims.get("name")), (&json!(ADA), None));
}

#[tokio::test]
async fn a_token_endpoint_can_break_off_or_be_slow() {
    let world = World::new().await;
    let once = Settings { network: Network::Any, attempts: 1, ..Settings::default() };
    let http = HttpClient::new(once).expect("valid settings");
    let ask = || {
        let request = Request::post(world.fake.token_url().as_str())
            .header("content-type", "application/x-www-form-urlencoded")
            .body("grant_type=refresh_token".into());
        http.send(request.expect("a request"))
    };
    let oauth = world.fake.oauth();
    oauth.inflict_next(1, fake_oauth::Fault::CutOff);
    assert!(ask().await.is_err());
    oauth.inflict(fake_oauth::Fault::Slow(std::time::Duration::from_millis(20)));
    let (one, two) = tokio::join!(ask(), ask());
    assert_eq!(
        (one.expect("late").status(), two.expect("late").status()),
        (StatusCode::UNAUTHORIZED, StatusCode::UNAUTHORIZED)
    );
    assert_eq!(oauth.counts().token_requests_at_once, 2);
}

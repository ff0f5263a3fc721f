//! Requests that are given up, at any moment: by their client, their deadline or a shutdown. Nothing of them
//! stays behind: no connection to the database, no transaction, no listener, nothing that holds the server.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::Request;
use frontdesk::app::App;
use frontdesk::http::{HttpConfig, Shutdown};
use frontdesk::store;
use futures_util::future::{BoxFuture, try_join_all};
use futures_util::{FutureExt, SinkExt, StreamExt};
use sea_orm::DbBackend;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tower::ServiceExt;

use crate::on_both;
use crate::support::oauth_calendar::{Browser, OAuthCalendar, OUTLOOK};
use crate::support::{BOOK, Database, Test, router};

/// Long enough for a busy machine; nothing waits for it to pass but what is broken.
const PATIENCE: Duration = Duration::from_secs(20);
/// How many requests are given up.
const DROPS: usize = 1000;
/// How many are under way at a time: more than there are connections, so that many wait for one.
const AT_ONCE: usize = 48;
/// How many of them come back from the consent page.
const CALLBACKS: usize = 40;

const CALLBACK: &str = "/oauth/callback";
const AGENTS: &str = "{ agents(first: 3) { totalCount nodes { id calendar { status } teams { id }
    dateOverrides { date } bookings(first: 2) { totalCount nodes { id agent { id teams { id } } } } } } }";
const BOOK_AND_LOAD: &str = "mutation($input: BookMeetingInput!) { bookMeeting(input: $input) {
    ... on MeetingBooked { booking { id agent { id name } } } } }";
const CHAT: &str = "mutation($input: RequestLiveChatInput!) { requestLiveChat(input: $input) {
    ... on LiveChatOffered { request { id agent { id name } } } } }";
const SLOTS: &str = "query($input: SlotsInput!) { slots(input: $input) { days { date } } }";
const OVERRIDE: &str = "mutation($input: SetLiveChatOverrideInput!) {
    setLiveChatOverride(input: $input) { id calendar { status } } }";
const RESCHEDULE: &str =
    "mutation($input: RescheduleBookingInput!) { rescheduleBooking(input: $input) {
    ... on MeetingBooked { booking { id agent { id calendar { status } } } } } }";
const NEWS: [&str; 3] = [
    "subscription { bookingChanged { id agent { id calendar { status } } } }",
    "subscription { agentChanged { id calendar { status } } }",
    "subscription { incomingLiveChats { __typename } }",
];

/// Random numbers that are the same in each run (SplitMix64).
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }

    fn of<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[usize::try_from(self.below(items.len() as u64)).unwrap()]
    }

    /// Mostly small: each power of two is as likely as any other.
    fn polls(&mut self, most_bits: u64) -> u64 {
        let bits = self.below(most_bits) + 1;
        self.below(1 << bits) + 1
    }
}

/// A server with all that requests of every kind need.
struct Crowd {
    test: Test,
    agents: Vec<String>,
    token: String,
    bookings: Vec<String>,
    /// Paths and cookies of browsers that come back from the consent page.
    callbacks: Vec<(String, String)>,
    _calendar: Arc<OAuthCalendar>,
}

impl Crowd {
    async fn start(database: Database) -> Self {
        let calendar = OAuthCalendar::new(|settings| settings).await;
        let provider = Arc::clone(&calendar);
        let test = Test::start_with(database, |setup| setup.providers.push(provider)).await;
        let (mut agents, mut bookings) = (Vec::new(), Vec::new());
        for name in ["Grace", "Alan", "Edsger"] {
            let agent = test.bookable_agent(name).await;
            let (id, _) = test.booked(&agent, "2027-01-04T09:00:00Z", "ada@visitors.example").await;
            bookings.push(id);
            let input = json!({ "agentId": agent, "status": "AVAILABLE" });
            test.admin(OVERRIDE, json!({ "input": input })).await.data("/setLiveChatOverride/id");
            agents.push(agent);
        }
        let token = test.token(&agents[0], 720).await;
        let connecting = test.agent("Barbara").await;
        let mut callbacks = Vec::new();
        for _ in 0..CALLBACKS {
            let query = "mutation($input: StartCalendarAuthorizationInput!) {
                startCalendarAuthorization(input: $input) { authorizationUrl } }";
            let input = json!({ "agentId": connecting, "providerId": OUTLOOK });
            let answer = test.admin(query, json!({ "input": input })).await;
            let start = answer.data("/startCalendarAuthorization/authorizationUrl");
            let mut browser = Browser::default();
            let start = start.as_str().unwrap().parse().unwrap();
            let back = browser.consent(&test, &calendar.oauth, &start).await;
            let path = format!("{CALLBACK}?{}", back.query().unwrap());
            callbacks.push((path, browser.cookie()));
        }
        Self { test, agents, token, bookings, callbacks, _calendar: calendar }
    }

    /// A request of some kind, and whether it is for a stream.
    fn request(&mut self, random: &mut Random) -> (Request<Body>, bool) {
        let agent = random.of(&self.agents).clone();
        let admin = self.test.admin.clone();
        let day = 4 + random.below(25);
        let starts_at = format!("2027-01-{day:02}T{:02}:30:00Z", 9 + random.below(7));
        let email = format!("ada-{}@visitors.example", random.below(1 << 40));
        let person = json!({ "email": email, "firstName": "Ada", "lastName": "Lovelace" });
        let book = json!({ "input": { "startsAt": starts_at, "timeZone": "UTC", "person": person,
            "route": if random.below(2) == 0 { json!({ "agentId": agent }) } else { Value::Null } } });
        let stream = |request| with_header(request, "accept", "text/event-stream");
        match random.below(12) {
            0 | 1 => (graphql(&admin, AGENTS, json!({})), false),
            2 | 3 => (graphql("", BOOK_AND_LOAD, book), false),
            4 => (graphql(&admin, BOOK_AND_LOAD, book), false),
            5 => {
                let booking = json!({ "id": random.of(&self.bookings) });
                let input = json!({ "booking": booking, "startsAt": starts_at });
                (graphql(&admin, RESCHEDULE, json!({ "input": input })), false)
            }
            6 => (graphql("", CHAT, json!({ "input": { "person": person } })), false),
            7 => {
                let status = *random.of(&["AVAILABLE", "UNAVAILABLE"]);
                let input = json!({ "agentId": agent, "status": status });
                (graphql(&admin, OVERRIDE, json!({ "input": input })), false)
            }
            8 => {
                let input = json!({ "from": "2027-01-04", "to": "2027-01-08", "timeZone": "UTC" });
                (graphql("", SLOTS, json!({ "input": input })), false)
            }
            9 => {
                let news = random.of(&NEWS);
                (stream(graphql(&self.token, news, json!({}))), true)
            }
            10 => (import(&admin, random.below(2) == 0, random.below(50)), false),
            _ => {
                let (path, cookie) = self.callbacks.pop().unwrap_or_default();
                let path = if path.is_empty() { format!("{CALLBACK}?state=x") } else { path };
                let request = Request::get(path).header("cookie", cookie);
                (request.body(Body::empty()).unwrap(), false)
            }
        }
    }
}

fn graphql(bearer: &str, query: &str, variables: Value) -> Request<Body> {
    let body = json!({ "query": query, "variables": variables }).to_string();
    let mut request = Request::post("/graphql").header("content-type", "application/json");
    if !bearer.is_empty() {
        request = request.header("authorization", format!("Bearer {bearer}"));
    }
    request.body(body.into()).unwrap()
}

fn import(bearer: &str, is_dry: bool, number: u64) -> Request<Body> {
    let csv =
        format!("name,domains,owner\nAcme {number},acme-{number}.example,grace@agents.example\n");
    let request = Request::post(format!("/imports/accounts?dryRun={is_dry}"));
    request.header("authorization", format!("Bearer {bearer}")).body(csv.into()).unwrap()
}

fn with_header(mut request: Request<Body>, name: &'static str, value: &str) -> Request<Body> {
    request.headers_mut().insert(name, value.parse().unwrap());
    request
}

/// A request from its beginning to the end of its answer's body.
async fn whole(router: Router, mut request: Request<Body>) {
    request.extensions_mut().insert(ConnectInfo(SocketAddr::from(([127, 0, 0, 1], 9))));
    let mut body = router.oneshot(request).await.unwrap().into_body().into_data_stream();
    while body.next().await.is_some() {}
}

/// Polls a future so often at most, and then drops it. Whether it was not at its end. One that is `hurried` is
/// polled without being woken.
async fn polled(
    future: impl Future<Output = ()> + Send + 'static,
    polls: u64,
    hurried: bool,
) -> bool {
    let mut future: BoxFuture<'static, ()> = future.boxed();
    let mut left = polls;
    poll_fn(|context| {
        if future.as_mut().poll(context).is_ready() {
            return Poll::Ready(false);
        }
        left -= 1;
        if left == 0 {
            return Poll::Ready(true);
        }
        if hurried {
            context.waker().wake_by_ref();
        }
        Poll::Pending
    })
    .await
}

/// Acquires every connection of the pool at once: none is lost, and none is inside a transaction.
async fn check_pool(app: &App) {
    if app.db.get_database_backend() == DbBackend::Postgres {
        let pool = app.db.get_postgres_connection_pool();
        let all = 0..pool.options().get_max_connections();
        let acquired = tokio::time::timeout(PATIENCE, try_join_all(all.map(|_| pool.acquire())));
        let mut connections = acquired.await.expect("the whole pool in time").unwrap();
        let sql = "SELECT COUNT(*) FROM pg_stat_activity
            WHERE datname = current_database() AND state LIKE 'idle in transaction%'";
        let open = sqlx::query_scalar::<_, i64>(sql).fetch_one(&mut *connections[0]).await.unwrap();
        assert_eq!(open, 0, "connections that are inside a transaction");
    } else {
        let pool = app.db.get_sqlite_connection_pool();
        let all = 0..pool.options().get_max_connections();
        let acquired = tokio::time::timeout(PATIENCE, try_join_all(all.map(|_| pool.acquire())));
        for mut connection in acquired.await.expect("the whole pool in time").unwrap() {
            // Refused inside a transaction, and where another holds the writer's place.
            sqlx::query("BEGIN IMMEDIATE").execute(&mut *connection).await.unwrap();
            sqlx::query("ROLLBACK").execute(&mut *connection).await.unwrap();
        }
    }
}

/// Waits until something holds; it takes no more than what is under way has to end.
async fn until(what: &str, holds: impl Fn() -> bool) {
    let wait = async {
        while !holds() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("{what} in time"));
}

on_both! {
    async fn a_thousand_dropped_requests_leave_nothing_behind(crowd: Crowd) {
        let mut crowd = crowd;
        let holders = Arc::strong_count(&crowd.test.app);
        let config = HttpConfig { points: None, rate_limit: None, ..HttpConfig::default() };
        let router = router(&crowd.test.app, config, Shutdown::default());
        let (mut random, mut under_way, mut dropped) = (Random(12), JoinSet::new(), 0);
        while dropped < DROPS {
            while under_way.len() < AT_ONCE {
                let (request, streams) = crowd.request(&mut random);
                let polls = random.polls(if streams { 12 } else { 6 });
                let hurried = streams || random.below(8) == 0;
                under_way.spawn(polled(whole(router.clone(), request), polls, hurried));
            }
            dropped += usize::from(under_way.join_next().await.unwrap().unwrap());
        }
        // The rest is cut off wherever it is.
        under_way.shutdown().await;
        drop(router);

        check_pool(&crowd.test.app).await;
        let app = &crowd.test.app;
        until("no listener", || app.changes.listeners() == 0).await;
        until("nothing that holds the server", || Arc::strong_count(app) <= holders).await;
        // And everything works.
        let agent = crowd.test.bookable_agent("Radia").await;
        crowd.test.booked(&agent, "2027-01-11T10:00:00Z", "last@visitors.example").await;
        crowd.test.admin(AGENTS, json!({})).await.data("/agents/nodes/0/id");
        let csv = "name,domains,owner\nLast,last.example,grace@agents.example\n";
        let request = crowd.test.request(reqwest::Method::POST, "/imports/accounts");
        let sent = request.bearer_auth(&crowd.test.admin).body(csv).send();
        assert_eq!(tokio::time::timeout(PATIENCE, sent).await.unwrap().unwrap().status(), 200);
        let person = json!({ "email": "last@visitors.example", "firstName": "L", "lastName": "L" });
        let input = json!({ "input": { "person": person } });
        crowd.test.visitor(CHAT, input).await.data("/requestLiveChat");
    }

    async fn a_transaction_that_is_dropped_while_it_begins_is_not_left_open(test: Test) {
        for polls in (1..=12).cycle().take(120) {
            let app = Arc::clone(&test.app);
            let begin = async move { drop(store::begin(&app.db).await.unwrap()) };
            polled(begin, polls, false).await;
        }
        check_pool(&test.app).await;
    }

    async fn clients_that_hang_up_leave_nothing_behind(test: Test) {
        let agent = test.bookable_agent("Grace").await;
        let holders = Arc::strong_count(&test.app);
        let mut random = Random(34);
        for round in 0..4 {
            let mut clients = JoinSet::new();
            for number in 0..24 {
                let starts_at = format!("2027-01-{:02}T{:02}:00:00Z", 5 + round, 9 + number % 8);
                let email = format!("ada-{round}-{number}@visitors.example");
                let person = json!({ "email": email, "firstName": "Ada", "lastName": "Lovelace" });
                let input = json!({ "startsAt": starts_at, "timeZone": "UTC", "person": person });
                let body = json!({ "query": BOOK_AND_LOAD, "variables": { "input": input } });
                let statements = Arc::clone(&test.statements);
                clients.spawn(hang_up(test.address, body.to_string(), move || {
                    statements.load(Ordering::SeqCst)
                }, random.below(40)));
            }
            for _ in 0..6 {
                let news = *random.of(&NEWS[..2]);
                clients.spawn(close_socket(test.address, test.admin.clone(), news));
            }
            clients.join_all().await;
        }
        let app = &test.app;
        until("no listener", || app.changes.listeners() == 0).await;
        until("nothing that holds the server", || Arc::strong_count(app) <= holders).await;
        check_pool(app).await;
        let input = json!({ "startsAt": "2027-01-12T10:00:00Z", "timeZone": "UTC",
            "route": { "agentId": agent },
            "person": { "email": "last@visitors.example", "firstName": "L", "lastName": "L" } });
        let booked = test.send(&test.admin, BOOK, json!({ "input": input })).await;
        assert_eq!(booked.data("/bookMeeting/__typename"), "MeetingBooked");
    }
}

/// Sends a request and closes the connection once the database has seen so many more statements.
async fn hang_up(
    address: SocketAddr,
    body: String,
    statements: impl Fn() -> u64 + Send,
    more: u64,
) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let before = statements();
    let head = format!(
        "POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body.as_bytes()).await.unwrap();
    // Others' statements count too; where all have ended before, it hangs up after its answer.
    for _ in 0..2000 {
        if before + more <= statements() {
            return;
        }
        tokio::task::yield_now().await;
    }
}

/// Subscribes over a WebSocket and drops the connection without a word.
async fn close_socket(address: SocketAddr, bearer: String, query: &'static str) {
    let mut request = format!("ws://{address}/graphql").into_client_request().unwrap();
    let headers = request.headers_mut();
    headers.insert("sec-websocket-protocol", "graphql-transport-ws".parse().unwrap());
    headers.insert("authorization", format!("Bearer {bearer}").parse().unwrap());
    let (mut socket, _) = tokio_tungstenite::connect_async(request).await.unwrap();
    let subscribe = json!({ "type": "subscribe", "id": "1", "payload": { "query": query } });
    for message in [json!({ "type": "connection_init" }), subscribe] {
        socket.send(message.to_string().into()).await.unwrap();
    }
    // The acknowledgement: the subscription is being begun.
    socket.next().await.unwrap().unwrap();
}

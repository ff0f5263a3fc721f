//! Real servers on one PostgreSQL, by the clock on the wall.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use frontdesk::clock::{Clock, SystemClock};
use frontdesk::store::outbox;
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

use super::{AGENTS, BOOKINGS};
use crate::subscriptions::Events;
use crate::support::process::{Place, Process};
use crate::support::smtp::SmtpServer;
use crate::support::{BOOK, Database};

/// How long it may take until another process goes on with what a dead one was at.
const HANDED_ON_WITHIN: Duration = Duration::from_secs(15);
/// How long what nothing hinders may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(10);

async fn place(smtp: &SmtpServer) -> Place {
    let mut place = Place::new(Database::Postgres).await;
    place.set("MAIL_URL", &smtp.url());
    place.set("ALLOW_PRIVATE_ADDRESSES", "true");
    place
}

/// An agent who can be booked around the clock.
async fn agent(server: &Process, key: &str, name: &str) -> String {
    let days = ["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY"];
    let whole = |day: &str| json!({ "dayOfWeek": day, "start": "00:00", "end": "24:00" });
    let blocks: Vec<Value> = days.map(whole).into();
    let query = "mutation($input: CreateAgentInput!) { createAgent(input: $input) { id } }";
    let input = json!({ "name": name, "email": format!("{name}@agents.example") });
    let made = server.send(key, query, json!({ "input": input })).await;
    let id = made.data("/createAgent/id").as_str().unwrap().to_owned();
    let query = "mutation($availability: SetMeetingAvailabilityInput!) {
        setMeetingAvailability(input: $availability) { id } }";
    let availability = json!({
        "agentId": id, "timeZone": "UTC", "blocks": blocks, "minimumNoticeMinutes": 0,
    });
    server.send(key, query, json!({ "availability": availability })).await.data("");
    id
}

async fn connect(server: &Process, key: &str, agent: &str, provider: &str, credentials: Value) {
    let query = "mutation($input: ConnectCalendarInput!) {
        connectCalendar(input: $input) { id calendar { id } } }";
    let input = json!({ "agentId": agent, "providerId": provider, "credentials": credentials });
    server.send(key, query, json!({ "input": input })).await.data("/connectCalendar/calendar/id");
}

async fn book(server: &Process, agent: &str) -> String {
    let tomorrow = SystemClock.now() + TimeDelta::days(1);
    let start = tomorrow.format("%FT12:00:00Z").to_string();
    let input = json!({ "startsAt": start, "timeZone": "UTC", "route": { "agentId": agent },
        "person": { "email": "ada@visitors.example", "lastName": "Lovelace" } });
    let answer = server.send("", BOOK, json!({ "input": input })).await;
    answer.data("/bookMeeting/booking/id").as_str().unwrap().to_owned()
}

async fn until(what: &str, within: Duration, is_so: impl AsyncFn() -> bool) {
    let since = Instant::now();
    while !is_so().await {
        assert!(since.elapsed() < within, "not {what} in {within:?}");
        tokio::time::sleep(PAUSE).await;
    }
}

/// A feed at a URL, which answers until it is told to hang.
struct Feed {
    url: String,
    state: Arc<FeedState>,
    serving: AbortHandle,
}

#[derive(Default)]
struct FeedState {
    hangs: AtomicBool,
    answered: AtomicUsize,
    hanging: AtomicUsize,
}

impl Feed {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/grace.ics", listener.local_addr().unwrap());
        let state = Arc::new(FeedState::default());
        let shared = Arc::clone(&state);
        let serve = async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let state = Arc::clone(&shared);
                tokio::spawn(async move {
                    let mut request = [0; 4096];
                    let _ = stream.read(&mut request).await;
                    if state.hangs.load(Ordering::SeqCst) {
                        state.hanging.fetch_add(1, Ordering::SeqCst);
                        // Until whoever asked is gone.
                        let _ = stream.read(&mut request).await;
                        return;
                    }
                    state.answered.fetch_add(1, Ordering::SeqCst);
                    let feed = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nEND:VCALENDAR\r\n";
                    let head =
                        "HTTP/1.1 200 OK\r\ncontent-type: text/calendar\r\nconnection: close";
                    let answer = format!("{head}\r\ncontent-length: {}\r\n\r\n{feed}", feed.len());
                    let _ = stream.write_all(answer.as_bytes()).await;
                });
            }
        };
        let serving = tokio::spawn(serve).abort_handle();
        Self { url, state, serving }
    }

    fn hang(&self, does: bool) {
        self.state.hangs.store(does, Ordering::SeqCst);
    }

    fn hanging(&self) -> usize {
        self.state.hanging.load(Ordering::SeqCst)
    }

    fn answered(&self) -> usize {
        self.state.answered.load(Ordering::SeqCst)
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn undelivered(place: &Place) -> u64 {
    let db = place.database().await;
    let undone = outbox::Entity::find()
        .filter(outbox::Column::State.ne(outbox::DONE))
        // A reminder is not due before the meeting is near.
        .filter(outbox::Column::Kind.ne(outbox::Kind::ReminderMail.as_str()));
    let count = undone.count(&db).await.unwrap();
    db.close().await.unwrap();
    count
}

/// Every mail that was to be sent was taken once.
#[track_caller]
fn check_mails(smtp: &SmtpServer) {
    let mut taken: Vec<String> = smtp.taken().into_iter().flat_map(|mail| mail.to).collect();
    taken.sort();
    assert_eq!(taken, ["ada@visitors.example", "grace@agents.example"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_process_was_at_goes_on_in_another() {
    let (smtp, feed) = (SmtpServer::start(), Feed::start().await);
    let mut place = place(&smtp).await;
    place.set("SYNC__POLL_SECONDS", "5");
    let doomed = place.serve("doomed", &[]).await;
    let key = place.admin_key();
    let grace = agent(&doomed, &key, "grace").await;
    connect(&doomed, &key, &grace, "builtin", json!([])).await;
    let alan = agent(&doomed, &key, "alan").await;
    connect(&doomed, &key, &alan, "ics", json!([{ "name": "url", "value": feed.url }])).await;
    feed.hang(true);
    smtp.mode("hang");
    book(&doomed, &grace).await;
    until("delivering", PATIENCE, async || 2 <= smtp.faults()).await;
    until("reading", PATIENCE, async || 1 <= feed.hanging()).await;
    let heir = place.serve("heir", &[]).await;
    smtp.mode("ok");
    feed.hang(false);
    let answered = feed.answered();
    doomed.kill();
    let since = Instant::now();
    until("delivered", HANDED_ON_WITHIN, async || undelivered(&place).await == 0).await;
    let left = HANDED_ON_WITHIN.saturating_sub(since.elapsed());
    until("read", left, async || answered < feed.answered()).await;
    println!("handed on after {:?}", since.elapsed());
    check_mails(&smtp);
    heir.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_hears_of_the_other_and_whoever_stops_hands_over_at_once() {
    let smtp = SmtpServer::start();
    let place = place(&smtp).await;
    let mut first = place.serve("first", &[]).await;
    let second = place.serve("second", &[]).await;
    let key = place.admin_key();
    let grace = agent(&first, &key, "grace").await;
    connect(&first, &key, &grace, "builtin", json!([])).await;
    let mut agents = Events::open_at(second.address(), &key, AGENTS).await;
    let mut bookings = Events::open_at(second.address(), &key, BOOKINGS).await;
    let query =
        "mutation($id: ID!) { updateAgent(input: { agentId: $id, name: \"Grace\" }) { id } }";
    let tell = async || {
        loop {
            first.send(&key, query, json!({ "id": grace })).await.data("/updateAgent/id");
            tokio::time::sleep(PAUSE).await;
        }
    };
    // Until the subscription is there, nobody listens.
    tokio::select! {
        event = agents.next() => assert_eq!(event["data"]["agentChanged"]["id"], grace.as_str()),
        () = tell() => {}
    }
    smtp.mode("hang");
    let id = book(&first, &grace).await;
    assert_eq!(bookings.next().await["data"]["bookingChanged"]["id"], id.as_str());
    until("delivering", PATIENCE, async || 2 <= smtp.faults()).await;
    smtp.mode("ok");
    // What the second is at is finished by itself; the first is cut off after ten seconds.
    first.terminate();
    assert!(first.ended().await.success(), "{}", first.log());
    until("delivered", HANDED_ON_WITHIN / 3, async || undelivered(&place).await == 0).await;
    check_mails(&smtp);
    second.stop().await;
}

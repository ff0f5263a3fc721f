//! A server that is killed over and over, at random moments and under load: nothing that a client was
//! told is lost, and nothing that a visitor sees happens twice.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use frontdesk::ids::BOOKING;
use frontdesk::mail;
use frontdesk::store::busy::builtin;
use frontdesk::store::{booking, outbox};
use sea_orm::{ColumnTrait, DatabaseConnection, EntityTrait, PaginatorTrait, QueryFilter};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::support::process::{Place, Process};
use crate::support::smtp::{SmtpServer, Taken};
use crate::support::{Answer, BOOK, Database};

/// How often the server is killed.
const KILLS: usize = 50;
/// Longest life of a server once it is ready, in milliseconds.
const LONGEST_LIFE: u64 = 600;
/// Clients at work at once.
const CLIENTS: u64 = 4;
/// Requests that the clients may begin in one life of the server, so that what waits for the worker
/// stays within what it can deliver.
const REQUESTS_A_LIFE: usize = 10;
/// How long all of them may take to be delivered in the end.
const DRAIN_WITHIN: Duration = Duration::from_secs(30);
/// How long a client goes on trying one request. On a busy machine a server may be killed many times before
/// it has answered one.
const CLIENT_PATIENCE: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_repeated_on_sqlite() {
    survive(Database::Sqlite, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_repeated_on_postgres() {
    survive(Database::Postgres, 2).await;
}

async fn survive(database: Database, seed: u64) {
    let smtp = SmtpServer::start();
    let place = place(database, &smtp).await;
    let mut server = place.serve("server", &[]).await;
    let world = Arc::new(World::new(&server, agents(&place, &server).await));
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        clients.spawn(Client::new(Arc::clone(&world), number, seed).run());
    }
    let mut random = Random(seed);
    let mut deaths = Vec::with_capacity(KILLS);
    for _ in 0..KILLS {
        world.turns.add_permits(REQUESTS_A_LIFE);
        // The moment of the kill is what is left to chance.
        tokio::time::sleep(Duration::from_millis(random.below(LONGEST_LIFE))).await;
        server.kill();
        deaths.push(smtp.count_once_idle());
        server = place.serve("server", &[]).await;
        world.moved_to(&server);
    }
    world.turns.close();
    let mut told = Vec::new();
    while let Some(client) = clients.join_next().await {
        told.extend(client.unwrap());
    }
    let db = place.database().await;
    drain(&db, &server).await;
    server.stop().await;
    let facts = Facts { bookings: booking::Entity::find().all(&db).await.unwrap(), told };
    let sent = smtp.taken();
    facts.show_what_happened(&world, &sent);
    facts.check_promises();
    facts.check_overlaps();
    facts.check_calendar(&builtin::Entity::find().all(&db).await.unwrap());
    facts.check_mails(&sent, &deaths);
}

async fn place(database: Database, smtp: &SmtpServer) -> Place {
    let mut place = Place::new(database).await;
    place.set("MAIL_URL", &smtp.url());
    place.set("DELIVERY__LEASE_SECONDS", "3");
    place.set("DELIVERY__POLL_MILLISECONDS", "20");
    place.set("LIMITS__VISITORS__POINTS_PER_SECOND", "1000000000");
    place.set("LIMITS__VISITORS__BURST", "1000000000");
    place.set("LIMITS__MAILS_PER_HOUR", "1000");
    place
}

/// Three agents who can be booked around the clock, with 10 minutes between meetings.
async fn agents(place: &Place, server: &Process) -> Vec<String> {
    let key = place.admin_key();
    let days = ["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY"];
    let whole = |day: &str| json!({ "dayOfWeek": day, "start": "00:00", "end": "24:00" });
    let blocks: Vec<Value> = days.map(whole).into();
    let mut agents = Vec::new();
    for name in ["Ana", "Ben", "Cleo"] {
        let query = "mutation($input: CreateAgentInput!) { createAgent(input: $input) { id } }";
        let input = json!({ "name": name, "email": format!("{name}@agents.example") });
        let made = server.send(&key, query, json!({ "input": input })).await;
        let id = made.data("/createAgent/id").as_str().unwrap().to_owned();
        let query = "mutation($availability: SetMeetingAvailabilityInput!, $calendar: ConnectCalendarInput!) {
            setMeetingAvailability(input: $availability) { id }
            connectCalendar(input: $calendar) { inMeetingQueue } }";
        let availability = json!({
            "agentId": id, "timeZone": "UTC", "blocks": blocks, "minimumNoticeMinutes": 0,
            "durationMinutes": 30, "bufferMinutes": 10, "horizonDays": 60,
        });
        let calendar = json!({ "agentId": id, "providerId": "builtin" });
        let input = json!({ "availability": availability, "calendar": calendar });
        let set = server.send(&key, query, input).await;
        assert_eq!(set.data("/connectCalendar/inMeetingQueue"), true);
        agents.push(id);
    }
    agents
}

/// Waits until everything is delivered.
async fn drain(db: &DatabaseConnection, server: &Process) {
    let since = Instant::now();
    // Reminders are sent shortly before the meetings, which are not today.
    let undone = || {
        outbox::Entity::find()
            .filter(outbox::Column::State.ne(outbox::DONE))
            .filter(outbox::Column::Kind.ne("REMINDER_MAIL"))
    };
    loop {
        let left = undone().count(db).await.unwrap();
        if left == 0 {
            return;
        }
        if DRAIN_WITHIN < since.elapsed() {
            let rows = undone().all(db).await.unwrap();
            panic!("{left} left, the first {:#?}: {}", rows.first(), server.log());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// What the clients share.
struct World {
    port: AtomicU16,
    agents: Vec<String>,
    /// The first time that can be booked.
    first: DateTime<Utc>,
    turns: Semaphore,
    cut_off: AtomicU64,
}

impl World {
    fn new(server: &Process, agents: Vec<String>) -> Self {
        let tomorrow = frontdesk::clock::Clock::now(&frontdesk::clock::SystemClock)
            .date_naive()
            .succ_opt()
            .unwrap();
        let first = tomorrow.and_hms_opt(0, 0, 0).unwrap().and_utc();
        let port = AtomicU16::new(server.address().port());
        Self { port, agents, first, turns: Semaphore::new(0), cut_off: AtomicU64::new(0) }
    }

    fn moved_to(&self, server: &Process) {
        self.port.store(server.address().port(), Ordering::SeqCst);
    }
}

/// What a client was told of a booking last.
#[derive(Clone, Debug)]
struct Told {
    id: String,
    token: String,
    starts_at: String,
    cancelled: bool,
}

/// A visitor that books, moves and cancels, and asks again where the answer did not come.
struct Client {
    world: Arc<World>,
    http: reqwest::Client,
    number: u64,
    asked: u64,
    random: Random,
    told: Vec<Told>,
}

impl Client {
    fn new(world: Arc<World>, number: u64, seed: u64) -> Self {
        let random = Random(seed << 32 | (number + 1) << 16);
        Self { world, http: crate::support::client(), number, asked: 0, random, told: Vec::new() }
    }

    async fn run(mut self) -> Vec<Told> {
        while let Ok(turn) = Arc::clone(&self.world).turns.acquire().await {
            turn.forget();
            let live: Vec<usize> =
                (0..self.told.len()).filter(|&at| !self.told[at].cancelled).collect();
            let chosen = (!live.is_empty()).then(|| live[self.random.index(live.len())]);
            match (self.random.below(10), chosen) {
                (0..=2, Some(at)) => self.reschedule(at).await,
                (3..=4, Some(at)) => self.cancel(at).await,
                _ => self.book().await,
            }
        }
        self.told
    }

    async fn book(&mut self) {
        self.asked += 1;
        let name = format!("client-{}-{}", self.number, self.asked);
        let agent = self.random.index(self.world.agents.len() + 1);
        let route = self.world.agents.get(agent).map(|id| json!({ "agentId": id }));
        let input = json!({
            "startsAt": self.a_time(), "timeZone": "Europe/Paris", "route": route,
            "person": { "email": format!("{name}@visitors.example") }, "idempotencyKey": format!("{name:->16}"),
        });
        let answer = self.ask(BOOK, json!({ "input": input })).await;
        if answer.data("/bookMeeting/__typename") != "MeetingBooked" {
            return;
        }
        let told = told(&answer.data("/bookMeeting"));
        if self.random.below(4) == 0 {
            let again = self.ask(BOOK, json!({ "input": input })).await;
            assert_eq!(again.data("/bookMeeting/booking/id"), told.id, "a key's second booking");
        }
        self.told.push(told);
    }

    async fn reschedule(&mut self, at: usize) {
        let query = "mutation($input: RescheduleBookingInput!) { rescheduleBooking(input: $input) {
            __typename ... on MeetingBooked { manageToken booking { id startsAt } } } }";
        let reference = json!({ "manageToken": self.told[at].token });
        let input = json!({ "booking": reference, "startsAt": self.a_time() });
        let answer = self.ask(query, json!({ "input": input })).await;
        if answer.data("/rescheduleBooking/__typename") == "MeetingBooked" {
            self.told[at] = told(&answer.data("/rescheduleBooking"));
        }
    }

    async fn cancel(&mut self, at: usize) {
        let query =
            "mutation($input: CancelBookingInput!) { cancelBooking(input: $input) { status } }";
        let input = json!({ "booking": { "manageToken": self.told[at].token } });
        let answer = self.ask(query, json!({ "input": input })).await;
        assert_eq!(answer.data("/cancelBooking/status"), "CANCELLED");
        self.told[at].cancelled = true;
    }

    /// One of some 1000 times, on the grid.
    fn a_time(&mut self) -> String {
        let slots = i64::try_from(self.random.below(1000)).unwrap();
        let start = self.world.first + TimeDelta::minutes(30 * slots);
        start.format("%Y-%m-%dT%H:%M:%SZ").to_string()
    }

    /// Asks until there is an answer.
    async fn ask(&self, query: &str, variables: Value) -> Answer {
        let body = json!({ "query": query, "variables": variables });
        let since = Instant::now();
        loop {
            let port = self.world.port.load(Ordering::SeqCst);
            let url = format!("http://127.0.0.1:{port}/graphql");
            match self.try_once(url, &body).await {
                Ok(answer) => return answer,
                Err(error) if CLIENT_PATIENCE < since.elapsed() => panic!("no answer: {error}"),
                Err(error) => {
                    let is_cut_off = !error.is_connect();
                    self.world.cut_off.fetch_add(is_cut_off.into(), Ordering::SeqCst);
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
        }
    }

    async fn try_once(&self, url: String, body: &Value) -> reqwest::Result<Answer> {
        let response = self.http.post(url).json(body).send().await?;
        let status = response.status().as_u16();
        Ok(Answer { status, body: response.json().await? })
    }
}

fn told(answer: &Value) -> Told {
    let text = |pointer: &str| answer.pointer(pointer).unwrap().as_str().unwrap().to_owned();
    Told {
        id: text("/booking/id"),
        token: text("/manageToken"),
        starts_at: text("/booking/startsAt"),
        cancelled: false,
    }
}

/// What is in the database, and what clients were told.
struct Facts {
    bookings: Vec<booking::Model>,
    told: Vec<Told>,
}

impl Facts {
    /// A run in which little happened proves little.
    fn show_what_happened(&self, world: &World, sent: &[Taken]) {
        let cut_off = world.cut_off.load(Ordering::SeqCst);
        let moved = self.bookings.iter().filter(|booking| 0 < booking.sequence).count();
        let repeated = sent.len() - by_id(sent).len();
        println!(
            "{KILLS} kills: {} bookings, {moved} of them changed, {cut_off} requests cut off, {} mails, \
             {repeated} of them again",
            self.bookings.len(),
            sent.len()
        );
        assert!(
            20 <= self.bookings.len() && 5 <= moved && 0 < cut_off,
            "the server was hardly at work"
        );
    }

    /// Every booking is as its client was told last, and there is no other.
    fn check_promises(&self) {
        let there: HashMap<String, &booking::Model> =
            self.bookings.iter().map(|booking| (BOOKING.format(booking.id), booking)).collect();
        for told in &self.told {
            let booking = there.get(&told.id).unwrap_or_else(|| panic!("{told:?} is lost"));
            let status = if told.cancelled { booking::CANCELLED } else { booking::CONFIRMED };
            assert_eq!(booking.status, status, "{told:?}");
            assert_eq!(
                booking.starts_at,
                told.starts_at.parse::<DateTime<Utc>>().unwrap(),
                "{told:?}"
            );
        }
        assert_eq!(self.told.len(), there.len(), "there are bookings that nobody was told of");
    }

    fn confirmed(&self) -> impl Iterator<Item = &booking::Model> {
        self.bookings.iter().filter(|booking| booking.status == booking::CONFIRMED)
    }

    fn check_overlaps(&self) {
        for one in self.confirmed() {
            for other in self.confirmed().filter(|other| other.agent_id == one.agent_id) {
                let apart = one.id == other.id
                    || one.guard_ends_at <= other.starts_at
                    || other.guard_ends_at <= one.starts_at;
                assert!(apart, "{one:?} and {other:?}");
            }
        }
    }

    /// The calendar holds an entry for each confirmed booking, and no other.
    fn check_calendar(&self, events: &[builtin::Model]) {
        let expected: BTreeMap<_, _> = self
            .confirmed()
            .map(|booking| (&booking.uid, (booking.agent_id, booking.starts_at, booking.ends_at)))
            .collect();
        let present: Vec<_> = events.iter().filter(|event| !event.deleted).collect();
        let found: BTreeMap<_, _> = present
            .iter()
            .map(|event| (&event.uid, (event.agent_id, event.starts_at, event.ends_at)))
            .collect();
        assert_eq!(present.len(), found.len(), "a booking has several entries");
        assert_eq!(found, expected);
    }

    /// One mail for each version to the visitor and one to the agent. One that came twice did so
    /// across a death of the server, and is the same to the byte.
    fn check_mails(&self, sent: &[Taken], deaths: &[usize]) {
        let ids = |booking: &booking::Model| -> Vec<String> {
            let versions = 0..=u32::try_from(booking.sequence).unwrap();
            let id = |version, purpose| {
                mail::message_id(booking.id, version, purpose, "meet.example.com")
            };
            versions.flat_map(|version| [id(version, "visitor"), id(version, "agent")]).collect()
        };
        let mut expected: Vec<String> = self.bookings.iter().flat_map(ids).collect();
        expected.sort();
        let by_id = by_id(sent);
        let found: Vec<String> = by_id.keys().map(|id| (*id).to_owned()).collect();
        assert_eq!(found, expected);
        for (id, places) in by_id {
            for pair in places.windows(2) {
                let is_across_a_death =
                    deaths.iter().any(|death| pair[0] < *death && *death <= pair[1]);
                assert!(is_across_a_death, "{id} at {pair:?} with deaths at {deaths:?}");
                assert_eq!(sent[pair[0]].raw, sent[pair[1]].raw);
                assert_eq!(sent[pair[0]].to, sent[pair[1]].to);
            }
        }
    }
}

/// At which places each Message-ID was taken.
fn by_id(sent: &[Taken]) -> BTreeMap<&str, Vec<usize>> {
    let mut places: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (at, mail) in sent.iter().enumerate() {
        places.entry(&mail.message_id).or_default().push(at);
    }
    places
}

/// SplitMix64: small, and the same for the same seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, most: u64) -> u64 {
        self.next() % most
    }

    fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(u64::try_from(length).unwrap())).unwrap()
    }
}

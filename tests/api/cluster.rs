//! Several processes on one database: what each hears of the others, and what becomes of one that dies.

mod processes;

use std::time::Duration;

use chrono::TimeDelta;
use frontdesk::app::App;
use frontdesk::cluster::bus::Reader;
use frontdesk::cluster::{self, Lookout, presence};
use frontdesk::ids::AGENT;
use frontdesk::service::changes::{self, Change, Topic};
use frontdesk::store::{self, Lease, calendar, outbox, process, run_raw, sync};
use sea_orm::{ConnectionTrait, EntityTrait, Statement};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::on_both;
use crate::subscriptions::Events;
use crate::support::calendar::REMOTE;
use crate::support::office::Office;
use crate::support::{BOOK, Database, Test};

const BOOKINGS: &str = "subscription { bookingChanged { id status } }";
const AGENTS: &str = "subscription { agentChanged { id name } }";
/// Looks after which a process that gave no sign of life is dead: one that sees it, and four.
const LOOKS: usize = 5;
const NOBODY: [Uuid; 0] = [];
/// For all that there is.
const ROOM: outbox::Room = outbox::Room { all: 10, webhooks: 10, web_pushes: 10 };

/// Two processes on one database.
struct Pair {
    here: Test,
    there: Test,
}

impl Pair {
    async fn start(database: Database) -> Self {
        let here = Test::start(database).await;
        let there = here.beside().await;
        Self { here, there }
    }
}

async fn rename(test: &Test, agent: &str, name: &str) {
    let query = "mutation($id: ID!, $name: String!) {
        updateAgent(input: { agentId: $id, name: $name }) { id } }";
    let answer = test.admin(query, json!({ "id": agent, "name": name })).await;
    answer.data("/updateAgent/id");
}

async fn reader(app: &App) -> Reader {
    let mut reader = Reader::default();
    reader.read(app).await.unwrap();
    reader
}

/// A process that takes part as servers do, until this is dropped.
struct Membership(CancellationToken);

impl Membership {
    async fn of(test: &Test) -> Self {
        let member = cluster::join(test.app.clone()).await.unwrap();
        let ended = CancellationToken::new();
        tokio::spawn(member.run(ended.clone()));
        Self(ended)
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

#[track_caller]
fn check(event: &Value, field: &str, expected: &str) {
    assert_eq!(
        event["data"].as_object().unwrap().values().next().unwrap()[field],
        expected,
        "{event:#}"
    );
}

on_both! {
    async fn what_one_changes_another_hears(pair: Pair) {
        let Pair { here, there } = &pair;
        let agent = here.bookable_agent("Grace").await;
        let mut reader = reader(&there.app).await;
        let mut bookings = Events::open(there, &there.admin, BOOKINGS, json!({})).await;
        let mut agents = Events::open(there, &there.admin, AGENTS, json!({})).await;
        let (id, _) = here.booked(&agent, "2027-01-05T09:00:00Z", "ada@visitors.example").await;
        rename(here, &agent, "New").await;
        reader.read(&there.app).await.unwrap();
        check(&bookings.next().await, "id", &id);
        check(&agents.next().await, "name", "New");
    }
}

on_both! {
    async fn each_change_is_told_once(pair: Pair) {
        let Pair { here, there } = &pair;
        let (agent, last) = (here.agent("Grace").await, here.agent("Last").await);
        let mut again = reader(&there.app).await;
        let _members = (Membership::of(here).await, Membership::of(there).await);
        let mut heard_there = Events::open(there, &there.admin, AGENTS, json!({})).await;
        let mut heard_here = Events::open(here, &here.admin, AGENTS, json!({})).await;
        for turn in 0..30 {
            rename(here, &agent, &format!("Grace {turn}")).await;
        }
        rename(here, &last, "Last").await;
        for events in [&mut heard_there, &mut heard_here] {
            for _ in 0..30 {
                check(&events.next().await, "id", &agent);
            }
            check(&events.next().await, "id", &last);
        }
        // Read once more, all of it.
        again.read(&there.app).await.unwrap();
        rename(here, &last, "Over").await;
        check(&heard_there.next().await, "name", "Over");
    }
}

on_both! {
    async fn what_is_rolled_back_is_told_to_nobody(pair: Pair) {
        let Pair { here, there } = &pair;
        let agent = here.agent("Grace").await;
        let id = AGENT.parse(&agent).unwrap();
        let mut reader = reader(&there.app).await;
        let mut heard = there.app.changes.listen(Topic::Agents(None));
        let transaction = store::begin(&here.app.db).await.unwrap();
        let news = changes::write(&here.app, &transaction, [Change::Agent(id)]).await.unwrap();
        transaction.rollback().await.unwrap();
        drop(news);
        let other = here.agent("Alan").await;
        reader.read(&there.app).await.unwrap();
        assert_eq!(heard.told(), Some(Change::Agent(AGENT.parse(&other).unwrap())));
        assert_eq!(heard.told(), None);
    }
}

/// Numbers are given when a change is written, not when it is committed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_ends_after_later_ones_is_heard_once() {
    let Pair { here, there } = Pair::start(Database::Postgres).await;
    let mut reader = reader(&there.app).await;
    let mut heard = there.app.changes.listen(Topic::Agents(None));
    let [slow, quick] = [here.app.uuid(), here.app.uuid()];
    let long = store::begin(&here.app.db).await.unwrap();
    let _slow = changes::write(&here.app, &long, [Change::Agent(slow)]).await.unwrap();
    for _ in 0..2 {
        let short = store::begin(&here.app.db).await.unwrap();
        let _quick = changes::write(&here.app, &short, [Change::Agent(quick)]).await.unwrap();
        short.commit().await.unwrap();
        reader.read(&there.app).await.unwrap();
        assert_eq!(heard.told(), Some(Change::Agent(quick)));
        assert_eq!(heard.told(), None);
    }
    long.commit().await.unwrap();
    for expected in [Some(Change::Agent(slow)), None] {
        reader.read(&there.app).await.unwrap();
        assert_eq!(heard.told(), expected);
    }
}

/// Neither process says anything: the one that changes takes no part.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_said_is_late_and_not_lost() {
    let Pair { here, there } = Pair::start(Database::Postgres).await;
    let agent = here.agent("Grace").await;
    let _member = Membership::of(&there).await;
    let mut events = Events::open(&there, &there.admin, AGENTS, json!({})).await;
    for name in ["One", "Two", "Three"] {
        rename(&here, &agent, name).await;
        check(&events.next().await, "id", &agent);
    }
}

/// How many connections listen to changes; those of other databases of the cluster are not counted.
async fn listening(test: &Test, what: &str) -> i64 {
    let sql = format!(
        "SELECT COUNT({what}) FROM pg_stat_activity WHERE datname = current_database() \
         AND (query LIKE 'LISTEN %' OR query = 'SELECT 1') AND application_name = 'frontdesk cluster'"
    );
    let query = Statement::from_string(test.app.db.get_database_backend(), sql);
    test.app.db.query_one_raw(query).await.unwrap().unwrap().try_get_by_index(0).unwrap()
}

/// Told though it was taken back, so that there is nothing to be read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_said_is_heard_without_being_read() {
    let Pair { here, there } = Pair::start(Database::Postgres).await;
    let _members = (Membership::of(&here).await, Membership::of(&there).await);
    while listening(&here, "*").await != 2 {
        tokio::task::yield_now().await;
    }
    let mut heard = there.app.changes.listen(Topic::Agents(None));
    let said = Change::Agent(here.app.uuid());
    let transaction = store::begin(&here.app.db).await.unwrap();
    let news = changes::write(&here.app, &transaction, [said]).await.unwrap();
    transaction.rollback().await.unwrap();
    news.tell(&here.app);
    let told = tokio::time::timeout(Duration::from_secs(10), heard.next()).await;
    assert_eq!(told, Ok(Some(said)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_breaks_loses_nothing_and_is_made_anew() {
    let Pair { here, there } = Pair::start(Database::Postgres).await;
    let agent = here.agent("Grace").await;
    let _members = (Membership::of(&here).await, Membership::of(&there).await);
    while listening(&here, "*").await != 2 {
        tokio::task::yield_now().await;
    }
    let mut events = Events::open(&there, &there.admin, AGENTS, json!({})).await;
    for turn in 0..3 {
        assert!(0 < listening(&here, "pg_terminate_backend(pid)").await);
        rename(&here, &agent, &format!("Grace {turn}")).await;
        check(&events.next().await, "id", &agent);
        while listening(&here, "*").await != 2 {
            tokio::task::yield_now().await;
        }
    }
}

on_both! {
    async fn who_could_not_read_for_too_long_is_told_that_changes_were_missed(test: Test) {
        let mut reader = reader(&test.app).await;
        let mut heard = test.app.changes.listen(Topic::Agents(None));
        test.clock.advance(TimeDelta::minutes(10));
        reader.read(&test.app).await.unwrap();
        let told = tokio::time::timeout(Duration::from_secs(10), heard.next()).await;
        assert_eq!(told, Ok(None));
        let agent = AGENT.parse(&test.agent("Grace").await).unwrap();
        assert_eq!(heard.next().await, Some(Change::Agent(agent)));
    }
}

on_both! {
    async fn who_has_too_much_to_read_is_told_that_changes_were_missed(test: Test) {
        let (other, last) = (test.app.uuid(), test.app.uuid());
        let mut reader = reader(&test.app).await;
        let mut heard = test.app.changes.listen(Topic::Agents(Some(last)));
        // The last one lies behind what is read at once.
        let transaction = store::begin(&test.app.db).await.unwrap();
        for _ in 0..5 {
            let many = vec![Change::Agent(other); 4001];
            drop(changes::write(&test.app, &transaction, many).await.unwrap());
        }
        drop(changes::write(&test.app, &transaction, [Change::Agent(last)]).await.unwrap());
        transaction.commit().await.unwrap();
        reader.read(&test.app).await.unwrap();
        let told = tokio::time::timeout(Duration::from_secs(10), heard.next()).await;
        assert_eq!(told, Ok(None));
        // Reading goes on behind all that.
        let transaction = store::begin(&test.app.db).await.unwrap();
        drop(changes::write(&test.app, &transaction, [Change::Agent(last)]).await.unwrap());
        transaction.commit().await.unwrap();
        reader.read(&test.app).await.unwrap();
        assert_eq!((heard.told(), heard.told()), (Some(Change::Agent(last)), None));
    }
}

async fn is_present(test: &Test, agent: &str) -> bool {
    process::is_present(&test.app.db, AGENT.parse(agent).unwrap()).await.unwrap()
}

async fn look(test: &Test, lookout: &mut Lookout, times: usize) -> Vec<Uuid> {
    let mut dead = Vec::new();
    for _ in 0..times {
        dead.extend(lookout.look(&test.app).await.unwrap());
    }
    dead
}

on_both! {
    async fn an_agent_is_in_the_app_through_any_process(pair: Pair) {
        let Pair { here, there } = &pair;
        let agent = here.agent("Grace").await;
        let token = here.token(&agent, 60).await;
        assert!(!is_present(here, &agent).await);
        let one = Events::open(there, &token, AGENTS, json!({})).await;
        let two = Events::open(here, &token, AGENTS, json!({})).await;
        for test in [here, there] {
            presence::settle(&test.app).await.unwrap();
        }
        assert!(is_present(here, &agent).await);
        for (events, test, is_left) in [(two, here, true), (one, there, false)] {
            drop(events);
            while test.app.presence.is_here(AGENT.parse(&agent).unwrap()) {
                tokio::task::yield_now().await;
            }
            presence::settle(&test.app).await.unwrap();
            assert_eq!(is_present(here, &agent).await, is_left);
        }
    }
}

on_both! {
    async fn who_was_taken_for_dead_is_noted_again_with_everybody_in_the_app(pair: Pair) {
        let Pair { here, there } = &pair;
        let (grace, alan) = (here.agent("Grace").await, here.agent("Alan").await);
        let _grace = there.app.presence.enter(AGENT.parse(&grace).unwrap());
        presence::settle(&there.app).await.unwrap();
        assert!(is_present(here, &grace).await);
        let mut lookout = Lookout::default();
        assert_eq!(look(here, &mut lookout, LOOKS).await, [there.app.process]);
        assert!(!is_present(here, &grace).await);
        // It lives, and notices when it next writes something down.
        let _alan = there.app.presence.enter(AGENT.parse(&alan).unwrap());
        presence::settle(&there.app).await.unwrap();
        presence::settle(&there.app).await.unwrap();
        assert!(is_present(here, &alan).await);
        assert!(is_present(here, &grace).await);
    }
}

on_both! {
    async fn whoever_gives_a_sign_of_life_is_not_taken_for_dead(pair: Pair) {
        let Pair { here, there } = &pair;
        let beat = async || process::beat(&there.app.db, there.app.process, there.app.now()).await;
        beat().await.unwrap();
        let mut lookout = Lookout::default();
        for _ in 0..3 {
            assert_eq!(look(here, &mut lookout, LOOKS - 1).await, NOBODY);
            beat().await.unwrap();
        }
        // The clock has stood all the while, and what it says is not asked.
        here.clock.advance(TimeDelta::hours(1));
        assert_eq!(look(here, &mut lookout, LOOKS - 1).await, NOBODY);
        assert_eq!(look(here, &mut lookout, 1).await, [there.app.process]);
        assert_eq!(look(here, &mut lookout, LOOKS).await, NOBODY);
    }
}

on_both! {
    async fn a_sign_of_life_at_the_last_moment_counts(pair: Pair) {
        let Pair { here, there } = &pair;
        let db = &here.app.db;
        let beat = async || process::beat(db, there.app.process, there.app.now()).await.unwrap();
        let others = async || process::others(db, here.app.process).await.unwrap();
        beat().await;
        let seen = others().await.remove(0);
        beat().await;
        // As one that looked before that would, or before it was noted at all.
        for seen in [seen, process::Seen { beats: None, ..seen }] {
            assert!(!process::forget_unless_alive(db, seen).await.unwrap(), "{seen:?}");
        }
        let now = others().await.remove(0);
        assert_eq!((now.id, now.beats), (there.app.process, Some(1)));
        assert!(process::forget_unless_alive(db, now).await.unwrap());
        assert_eq!(others().await, []);
    }
}

fn lease(test: &Test) -> Lease {
    let now = test.app.now();
    let until = now + TimeDelta::seconds(60);
    Lease { id: test.app.uuid(), process: test.app.process, now, until }
}

/// One that was noted, and one that died before it was.
async fn deliveries_go_on(pair: Pair, is_noted: bool) {
    let Pair { here, there } = &pair;
    let agent = here.bookable_agent("Grace").await;
    here.booked(&agent, "2027-01-05T09:00:00Z", "ada@visitors.example").await;
    if is_noted {
        process::beat(&there.app.db, there.app.process, there.app.now()).await.unwrap();
    }
    let claimed = outbox::claim(&there.app.db, lease(there), ROOM).await.unwrap();
    assert_eq!(claimed.len(), 3);
    let mut lookout = Lookout::default();
    assert_eq!(look(here, &mut lookout, LOOKS - 1).await, NOBODY);
    assert_eq!(here.deliver().await, 0);
    assert_eq!(look(here, &mut lookout, 1).await, [there.app.process]);
    assert_eq!(here.deliver().await, 3);
    // What it comes to after all is told to be somebody else's.
    let (id, lease) = (claimed[0].id, claimed[0].lease_id.unwrap());
    assert!(!outbox::finish(&there.app.db, id, lease, there.app.now()).await.unwrap());
}

on_both! {
    async fn what_a_dead_process_was_delivering_is_delivered(pair: Pair) {
        deliveries_go_on(pair, true).await;
    }

    async fn what_a_process_was_delivering_that_died_unnoted_is_delivered(pair: Pair) {
        deliveries_go_on(pair, false).await;
    }

    async fn what_a_dead_process_was_reading_is_read(office: Office) {
        let test = &office.test;
        let there = test.beside().await;
        test.clock.advance(TimeDelta::minutes(5));
        let claimed = sync::claim(&there.app.db, REMOTE, lease(&there), 10).await.unwrap();
        assert_eq!(claimed.len(), 1);
        let sql = "UPDATE calendar_connections SET refresh_lease_id = ?, refresh_lease_until = ?, \
            refresh_lease_process = ?";
        let Lease { id, process, until, .. } = lease(&there);
        run_raw(&test.app.db, sql, [id.into(), until.into(), process.into()]).await.unwrap();
        assert_eq!(test.sync().await, 0);
        let mut lookout = Lookout::default();
        assert_eq!(look(test, &mut lookout, LOOKS).await, [there.app.process]);
        assert_eq!(test.sync().await, 1);
        let connections = calendar::Entity::find().all(&test.app.db).await.unwrap();
        assert!(connections.iter().all(|it| it.refresh_lease_until.is_none()), "{connections:#?}");
    }
}

on_both! {
    async fn two_processes_assign_from_one_queue_in_turn(pair: Pair) {
        let Pair { here, there } = &pair;
        for name in ["Grace", "Alan", "Ada", "Edsger"] {
            here.bookable_agent(name).await;
        }
        let book = async |test: &Test, turn: u32| {
            let input = json!({ "startsAt": "2027-01-05T09:00:00Z", "timeZone": "UTC",
                "person": { "email": format!("{turn}@visitors.example"), "lastName": "L" } });
            let answer = test.visitor(BOOK, json!({ "input": input })).await;
            answer.data("/bookMeeting/booking/agent/id").as_str().unwrap().to_owned()
        };
        let taken = tokio::join!(book(here, 0), book(there, 1), book(here, 2), book(there, 3));
        let mut agents = vec![taken.0, taken.1, taken.2, taken.3];
        agents.sort();
        agents.dedup();
        assert_eq!(agents.len(), 4, "{agents:?}");
    }
}

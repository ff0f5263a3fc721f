//! Turns: fair however many come at once, counted for each queue by itself, and never an overlap.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::{DateTime, TimeDelta, Timelike, Utc};
use frontdesk::app::App;
use frontdesk::ids;
use frontdesk::scheduling::{InLine, STRIDE, Turn, queue_order};
use frontdesk::service::access::Caller;
use frontdesk::service::booking::{BookMeeting, Booked, book};
use frontdesk::service::changes::Change;
use frontdesk::service::routing::Route;
use frontdesk::store::booking::{self, Company, Person};
use sea_orm::EntityTrait;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::on_both;
use crate::routing::{rule, team};
use crate::support::Test;

const DAYS: [&str; 7] =
    ["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY"];

/// An agent who can be met from one hour to another, every day.
async fn hire(test: &Test, name: &str, hours: std::ops::Range<usize>) -> Uuid {
    let agent = test.bookable_agent(name).await;
    let block = |day: &&str| {
        json!({ "dayOfWeek": day,
        "start": format!("{:02}:00", hours.start), "end": format!("{:02}:00", hours.end) })
    };
    let blocks: Vec<Value> = DAYS.iter().map(block).collect();
    let set = json!({ "blocks": blocks, "horizonDays": 365, "durationMinutes": 30 });
    test.set_availability(&agent, set).await.data("/setMeetingAvailability/id");
    ids::AGENT.parse(&agent).unwrap()
}

fn id(agent: Uuid) -> String {
    ids::AGENT.format(agent)
}

/// The start of the nth half hour of the day after tomorrow and on.
fn start(nth: usize) -> DateTime<Utc> {
    let first: DateTime<Utc> = "2027-01-06T00:00:00Z".parse().unwrap();
    first + TimeDelta::minutes(30 * i64::try_from(nth).unwrap())
}

/// Asks for a meeting as somebody whose mails are not counted. Who takes it, if anybody.
async fn meet(app: &App, route: Route, starts_at: DateTime<Utc>, country: &str) -> Option<Uuid> {
    let person = Person { email: "v@visitors.example".to_owned(), ..Person::default() };
    let company = Company { country: Some(country.to_owned()), ..Company::default() };
    let request = BookMeeting {
        starts_at,
        ends_at: None,
        zone: chrono_tz::UTC,
        locale: None,
        person,
        company: Some(company),
        notes: None,
        route,
        idempotency_key: None,
        proof: None,
    };
    let caller =
        Caller::Agent { id: Uuid::nil(), profile: frontdesk::service::access::Profile::Admin };
    match book(app, &caller, request).await.unwrap() {
        Booked::Made { booking, .. } => Some(booking.agent_id),
        Booked::Unavailable { .. } => None,
        other @ (Booked::ProofRequired(_) | Booked::EmailConfirmationRequired { .. }) => {
            panic!("{starts_at}: {other:?}")
        }
    }
}

/// As many clients as said ask for meetings at `starts` of which each comes once, one after the other. How
/// many each agent took.
async fn shares(test: &Test, clients: usize, starts: Vec<DateTime<Utc>>) -> HashMap<Uuid, usize> {
    let next = Arc::new(AtomicUsize::new(0));
    let starts = Arc::new(starts);
    let client = || {
        let (app, next, starts) = (Arc::clone(&test.app), Arc::clone(&next), Arc::clone(&starts));
        tokio::spawn(async move {
            let mut met = Vec::new();
            while let Some(start) = starts.get(next.fetch_add(1, Ordering::SeqCst)) {
                met.push(meet(&app, Route::Queue, *start, "").await.expect("somebody is free"));
            }
            met
        })
    };
    let clients: Vec<_> = (0..clients).map(|_| client()).collect();
    let mut shares = HashMap::new();
    for met in futures_util::future::join_all(clients).await {
        for agent in met.unwrap() {
            *shares.entry(agent).or_insert(0) += 1;
        }
    }
    shares
}

/// Two confirmed bookings of one agent that are closer than they may be.
const OVERLAPS: &str = "SELECT CAST(COUNT(*) AS text) FROM bookings a JOIN bookings b \
    ON a.agent_id = b.agent_id AND a.id < b.id \
    AND a.starts_at < b.ends_at AND b.starts_at < a.ends_at";

on_both! {
    async fn many_clients_share_the_meetings_evenly(test: Test) {
        for n in 0..10 {
            hire(&test, &format!("A{n}"), 0..24).await;
        }
        let shares = shares(&test, 32, (0..500).map(start).collect()).await;
        let (least, most) = (shares.values().min().unwrap(), shares.values().max().unwrap());
        assert_eq!((shares.len(), shares.values().sum::<usize>()), (10, 500));
        assert!(most - least <= 1, "{shares:?}");
    }
}

/// The queue as it is meant, replayed without a database.
#[derive(Default)]
struct Model {
    turns: HashMap<Uuid, Turn>,
    virtual_time: i64,
    turn: i64,
}

impl Model {
    fn take(&mut self, free: impl Iterator<Item = Uuid>) -> Uuid {
        let turn = |agent: &Uuid| self.turns.get(agent).copied().unwrap_or_default();
        let place =
            |agent| InLine { key: agent, turn: turn(&agent), joined_at: DateTime::UNIX_EPOCH };
        let mut line: Vec<_> = free.map(place).collect();
        queue_order(&mut line);
        let next = line[0];
        let begins = next.turn.finish.max(self.virtual_time);
        (self.turn, self.virtual_time) = (self.turn + 1, begins);
        self.turns.insert(next.key, Turn { last: self.turn, finish: begins + STRIDE });
        next.key
    }
}

/// The starts of all bookings in the order in which they were assigned: what is written down of a booking is
/// numbered under its queue's lock.
async fn in_order_of_assignment(test: &Test) -> Vec<DateTime<Utc>> {
    let bookings = booking::Entity::find().all(&test.app.db).await.unwrap();
    let starts: HashMap<Uuid, DateTime<Utc>> =
        bookings.into_iter().map(|booking| (booking.id, booking.starts_at)).collect();
    let changes = test.texts("SELECT CAST(change AS text) FROM changes ORDER BY id").await;
    let booked = |change: &String| match serde_json::from_str(change).unwrap() {
        Change::Booking { id, .. } => Some(starts[&id]),
        _ => None,
    };
    changes.iter().filter_map(booked).collect()
}

on_both! {
    async fn shares_with_different_hours_are_those_of_the_replay(test: Test) {
        let hours = [0..24, 0..12, 6..18, 12..24, 9..10];
        let mut agents = Vec::new();
        for (n, hours) in hours.into_iter().enumerate() {
            agents.push((hire(&test, &format!("A{n}"), hours.clone()).await, hours));
        }
        let starts: Vec<DateTime<Utc>> = (0..300).map(|n| start(n * 7 % 960)).collect();
        let shares = shares(&test, 8, starts).await;
        let mut model = Model::default();
        let mut ideal = HashMap::new();
        for start in in_order_of_assignment(&test).await {
            let hour = usize::try_from(start.hour()).unwrap();
            let free = agents.iter().filter(|(_, hours)| hours.contains(&hour));
            *ideal.entry(model.take(free.map(|(agent, _)| *agent))).or_insert(0) += 1;
        }
        for (agent, _) in agents {
            let (share, ideal) = (shares.get(&agent).unwrap_or(&0), ideal.get(&agent).unwrap_or(&0));
            assert!(usize::abs_diff(*share, *ideal) <= 2, "{share} of {ideal}: {shares:?}");
        }
    }
}

on_both! {
    async fn weights_share_in_proportion(test: Test) {
        let query = "mutation($id: ID!, $weight: Int!) {
            updateAgent(input: { agentId: $id, weight: $weight }) { weight } }";
        let mut agents = Vec::new();
        for weight in 1..=3_usize {
            let agent = hire(&test, &format!("A{weight}"), 0..24).await;
            let set = test.admin(query, json!({ "id": id(agent), "weight": weight })).await;
            assert_eq!(set.data("/updateAgent/weight"), weight);
            agents.push(agent);
        }
        for wrong in [0, 11, -1] {
            let refused = test.admin(query, json!({ "id": id(agents[0]), "weight": wrong })).await;
            assert_eq!((refused.code(), refused.field()), ("BAD_USER_INPUT", "input.weight"));
        }
        let shares = shares(&test, 4, (0..60).map(start).collect()).await;
        for (weight, agent) in agents.iter().enumerate() {
            assert!(shares[agent].abs_diff(10 * (weight + 1)) <= 1, "{shares:?}");
        }
    }
}

on_both! {
    async fn who_is_new_starts_level(test: Test) {
        for n in 0..3 {
            hire(&test, &format!("A{n}"), 0..24).await;
        }
        shares(&test, 4, (0..30).map(start).collect()).await;
        let new = hire(&test, "New", 0..24).await;
        let shares = shares(&test, 1, (30..42).map(start).collect()).await;
        assert_eq!(shares.len(), 4);
        assert!(shares.values().all(|share| *share == 3), "{shares:?} with {new}");
    }
}

on_both! {
    async fn who_is_busy_keeps_the_turn(test: Test) {
        let (a, b) = (hire(&test, "A", 0..24).await, hire(&test, "B", 0..24).await);
        // A is busy at the first start, by somebody who asked for A.
        meet(&test.app, Route::Agent(a), start(0), "").await.unwrap();
        let mut met = Vec::new();
        for nth in [0, 1, 2, 3] {
            met.push(meet(&test.app, Route::Queue, start(nth), "").await.unwrap());
        }
        assert_eq!(met, [b, a, b, a]);
    }
}

on_both! {
    async fn each_queue_counts_its_own_turns(test: Test) {
        let (a, b) = (hire(&test, "A", 0..24).await, hire(&test, "B", 0..24).await);
        let members = [id(a), id(b)];
        let members = [members[0].as_str(), members[1].as_str()];
        let one = ids::TEAM.parse(&team(&test, "One", &members).await).unwrap();
        let two = ids::TEAM.parse(&team(&test, "Two", &members).await).unwrap();
        rule(&test, "France", 1, json!({ "agentIds": members })).await;
        let mut nth = 0;
        for (route, country) in [
            (Route::Queue, ""),
            (Route::Team(one), ""),
            (Route::Team(two), ""),
            (Route::Queue, "France"),
        ] {
            for agent in [a, b, a] {
                nth += 1;
                assert_eq!(meet(&test.app, route, start(nth), country).await, Some(agent));
            }
        }
    }
}

on_both! {
    async fn turns_go_with_the_team_and_the_rule(test: Test) {
        let agents = [hire(&test, "A", 0..24).await, hire(&test, "B", 0..24).await].map(id);
        let members = [agents[0].as_str(), agents[1].as_str()];
        let team = team(&test, "One", &members).await;
        let rule = rule(&test, "France", 1, json!({ "agentIds": members })).await;
        let of_team = Route::Team(ids::TEAM.parse(&team).unwrap());
        for (nth, (route, country)) in
            [(of_team, ""), (Route::Queue, "France"), (Route::Queue, "")].into_iter().enumerate()
        {
            meet(&test.app, route, start(nth), country).await.unwrap();
        }
        assert_eq!((test.count("queues").await, test.count("queue_turns").await), (3, 3));
        let query = "mutation($team: ID!, $rule: ID!) {
            deleteTeam(teamId: $team) deleteRoutingRule(ruleId: $rule) }";
        test.admin(query, json!({ "team": team, "rule": rule })).await.data("/deleteTeam");
        assert_eq!(test.texts("SELECT id FROM queues").await, ["all"]);
        assert_eq!(test.texts("SELECT queue_id FROM queue_turns").await, ["all"]);
    }
}

on_both! {
    async fn overlapping_queues_never_block_each_other_for_good(test: Test) {
        let mut agents = Vec::new();
        for n in 0..6 {
            agents.push(hire(&test, &format!("A{n}"), 0..24).await);
        }
        let names: Vec<String> = agents.iter().map(|agent| id(*agent)).collect();
        let named = |order: [usize; 4]| order.map(|n| names[n].as_str());
        let mut routes = vec![(Route::Queue, ""), (Route::Queue, "France"), (Route::Queue, "Spain")];
        for (n, order) in [[0, 1, 2, 3], [3, 2, 1, 0], [5, 4, 3, 2]].into_iter().enumerate() {
            let team = team(&test, &format!("T{n}"), &named(order)).await;
            routes.push((Route::Team(ids::TEAM.parse(&team).unwrap()), ""));
        }
        routes.push((Route::Agent(agents[3]), ""));
        rule(&test, "France", 1, json!({ "agentIds": named([2, 3, 4, 5]) })).await;
        rule(&test, "France", 2, json!({ "agentIds": named([1, 0, 3, 2]) })).await;
        rule(&test, "Spain", 3, json!({ "agentIds": named([5, 0, 4, 1]) })).await;
        // Twice as many clients as there is room for, so that tiers and queues are exhausted.
        let clients = (0..64).map(|client: usize| {
            let (app, (route, country)) = (Arc::clone(&test.app), routes[client % routes.len()]);
            tokio::spawn(async move { meet(&app, route, start(client % 5), country).await })
        });
        let met = futures_util::future::join_all(clients.collect::<Vec<_>>());
        let met = tokio::time::timeout(std::time::Duration::from_secs(120), met).await.unwrap();
        let met = met.into_iter().filter_map(Result::unwrap).count();
        assert!((20..=30).contains(&met), "{met}");
        assert_eq!(test.count("bookings").await, met);
        assert_eq!(test.texts(OVERLAPS).await, ["0"]);
    }
}

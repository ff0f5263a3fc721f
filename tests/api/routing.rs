//! Whom a visitor gets: the owner of the account, whom a rule names, the next of all; and why.

use frontdesk::ids;
use frontdesk::store::account;
use sea_orm::{EntityTrait, Set};
use serde_json::{Value, json};

use crate::on_both;
use crate::support::office::Office;
use crate::support::{Answer, Test};

/// Makes a team and returns its ID.
pub(crate) async fn team(test: &Test, name: &str, members: &[&str]) -> String {
    let query = "mutation($input: CreateTeamInput!) { createTeam(input: $input) { id } }";
    let input = json!({ "input": { "name": name, "memberIds": members } });
    test.admin(query, input).await.data("/createTeam/id").as_str().unwrap().to_owned()
}

/// Makes a rule for visitors whose company is in `country`, with what `target` says.
pub(crate) async fn rule(test: &Test, country: &str, priority: i64, mut target: Value) -> String {
    let query =
        "mutation($input: CreateRoutingRuleInput!) { createRoutingRule(input: $input) { id } }";
    target["name"] = format!("{country} {priority}").into();
    target["priority"] = priority.into();
    target["condition"] = json!({ "test": {
        "field": "COMPANY_COUNTRY", "operator": "IS", "values": [country] } });
    let made = test.admin(query, json!({ "input": target })).await;
    made.data("/createRoutingRule/id").as_str().unwrap().to_owned()
}

/// Makes an account with one domain.
async fn account(test: &Test, domain: &str, owner: &str) {
    let id = test.app.uuid();
    let record = account::ActiveModel {
        id: Set(id),
        name: Set(domain.to_owned()),
        name_key: Set(domain.to_owned()),
        owner_id: Set(ids::AGENT.parse(owner).unwrap()),
        created_at: Set(test.app.now()),
    };
    account::Entity::insert(record).exec_without_returning(&test.app.db).await.unwrap();
    let record =
        account::domain::ActiveModel { domain: Set(domain.to_owned()), account_id: Set(id) };
    account::domain::Entity::insert(record).exec_without_returning(&test.app.db).await.unwrap();
}

async fn deactivate(test: &Test, agent: &str) {
    let query = "mutation($id: ID!) { updateAgent(input: { agentId: $id, active: false }) { id } }";
    test.admin(query, json!({ "id": agent })).await.data("");
}

/// Books as a visitor with this e-mail address, whose company is in `country`.
async fn book(test: &Test, email: &str, country: &str, start: &str) -> Answer {
    let query = "mutation($input: BookMeetingInput!) { bookMeeting(input: $input) { __typename
        ... on MeetingBooked { booking { agent { name } routing { account { name }
            rules { name priority matched } chosen { name } startsAt
            tiers { kind name candidateCount candidates { agent { name } outcome reason } } } } }
        ... on SlotUnavailable { alternatives { startsAt } } } }";
    let input = json!({
        "startsAt": start, "timeZone": "UTC",
        "person": { "email": email }, "company": { "country": country },
    });
    test.admin(query, json!({ "input": input })).await
}

async fn booked(test: &Test, email: &str, country: &str, start: &str) -> String {
    let answer = book(test, email, country, start).await;
    answer.data("/bookMeeting/booking/agent/name").as_str().unwrap().to_owned()
}

async fn explain(test: &Test, email: &str, country: &str, more: Value) -> Value {
    let query = "query($person: PersonInput!, $company: CompanyInput, $route: RouteInput,
        $startsAt: DateTime) {
        explainRouting(person: $person, company: $company, route: $route, startsAt: $startsAt) {
            account { name } rules { name priority matched } chosen { name } startsAt
            tiers { kind id name candidateCount
                candidates { agent { name } outcome reason earliestStart } } } }";
    let mut variables = json!({ "person": { "email": email }, "company": { "country": country } });
    for (name, value) in more.as_object().unwrap() {
        variables[name] = value.clone();
    }
    test.admin(query, variables).await.data("/explainRouting")
}

/// Kind of each tier, and of each candidate its name, outcome and reason.
fn shown(explanation: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
    let mut lines = Vec::new();
    for tier in explanation["tiers"].as_array().unwrap() {
        let mut line = text(&tier["kind"]);
        for candidate in tier["candidates"].as_array().unwrap() {
            let name = text(&candidate["agent"]["name"]);
            let what = match candidate["reason"].as_str() {
                Some(reason) => reason.to_owned(),
                None => text(&candidate["outcome"]),
            };
            line.push_str(&format!(" {name}:{what}"));
        }
        lines.push(line);
    }
    lines
}

on_both! {
    async fn owner_then_rules_by_priority_then_all(test: Test) {
        let owner = test.bookable_agent("Owner").await;
        let (late, early) = (test.bookable_agent("Late").await, test.bookable_agent("Early").await);
        account(&test, "acme.example", &owner).await;
        rule(&test, "France", 20, json!({ "agentIds": [late] })).await;
        rule(&test, "France", 10, json!({ "agentIds": [early] })).await;
        rule(&test, "Spain", 1, json!({ "agentIds": [late] })).await;
        let start = "2027-01-05T10:00:00Z";
        let visitor = "v@mail.acme.example";
        for name in ["Owner", "Early", "Late"] {
            let would = explain(&test, visitor, "France", json!({ "startsAt": start })).await;
            assert_eq!(would["chosen"]["name"], name);
            assert_eq!(booked(&test, visitor, "France", start).await, name);
        }
        let full = book(&test, visitor, "France", start).await;
        assert_eq!(full.data("/bookMeeting/__typename"), "SlotUnavailable");
        let made = book(&test, visitor, "France", "2027-01-05T11:00:00Z").await;
        let routing = made.data("/bookMeeting/booking/routing");
        assert_eq!(routing["account"]["name"], "acme.example");
        assert_eq!(routing["startsAt"], "2027-01-05T11:00:00Z");
        assert_eq!(routing["rules"], json!([
            { "name": "Spain 1", "priority": 1, "matched": false },
            { "name": "France 10", "priority": 10, "matched": true },
            { "name": "France 20", "priority": 20, "matched": true },
        ]));
        assert_eq!(shown(&routing), [
            "OWNER Owner:CHOSEN", "RULE Early:NOT_REACHED", "RULE Late:NOT_REACHED", "ALL",
        ]);
        let other = "w@other.example";
        let would = explain(&test, other, "Spain", json!({ "startsAt": start })).await;
        assert_eq!(shown(&would), ["RULE Late:BUSY", "ALL Owner:BUSY Early:BUSY"]);
        assert_eq!(would["chosen"], Value::Null);
    }
}

on_both! {
    async fn who_cannot_is_passed_over_with_the_reason(test: Test) {
        let off = test.bookable_agent("Off").await;
        let unconnected = test.agent("Unconnected").await;
        let ill = test.bookable_agent("Ill").await;
        let short = test.bookable_agent("Short").await;
        let good = test.bookable_agent("Good").await;
        deactivate(&test, &off).await;
        let sql = format!(
            "UPDATE calendar_connections SET status = 'REAUTHENTICATION_REQUIRED' WHERE id IN \
             (SELECT c.id FROM calendar_connections c JOIN agents a ON a.id = c.agent_id \
             WHERE a.name = '{}')", "Ill");
        sea_orm::ConnectionTrait::execute_unprepared(&test.app.db, &sql).await.unwrap();
        let hours = json!({ "blocks": [{ "dayOfWeek": "MONDAY", "start": "09:00", "end": "10:00" }] });
        test.set_availability(&short, hours).await.data("/setMeetingAvailability/id");
        account(&test, "acme.example", &ill).await;
        rule(&test, "France", 1, json!({ "agentIds": [unconnected, short] })).await;
        let named = team(&test, "Team", &[&off]).await;
        rule(&test, "France", 2, json!({ "teamId": named })).await;
        let empty = team(&test, "Empty", &[]).await;
        rule(&test, "France", 3, json!({ "teamId": empty })).await;
        let at = json!({ "startsAt": "2027-01-05T10:00:00Z" });
        let would = explain(&test, "v@acme.example", "France", at).await;
        let lines = shown(&would);
        assert_eq!(lines[0], "OWNER Ill:CALENDAR_NEEDS_REAUTHENTICATION");
        assert_eq!(lines[1], "RULE Unconnected:NO_CALENDAR Short:OUT_OF_HOURS");
        assert_eq!(lines[2..], ["RULE Off:INACTIVE", "RULE", "ALL Good:CHOSEN"]);
        let made = book(&test, "v@acme.example", "France", "2027-01-05T10:00:00Z").await;
        assert_eq!(shown(&made.data("/bookMeeting/booking/routing")), lines);
        let why = async |start: &str| {
            let route = json!({ "startsAt": start, "route": { "agentId": good } });
            shown(&explain(&test, "v@other.example", "", route).await)
        };
        assert_eq!(why("2027-01-05T10:00:00Z").await, ["AGENT Good:BUSY"]);
        assert_eq!(why("2027-01-05T10:10:00Z").await, ["AGENT Good:NO_SLOT_THEN"]);
        assert_eq!(why("2027-01-05T20:00:00Z").await, ["AGENT Good:OUT_OF_HOURS"]);
        assert_eq!(why("2027-09-06T10:00:00Z").await, ["AGENT Good:HORIZON"]);
        let notice = json!({ "minimumNoticeMinutes": 600 });
        test.set_availability(&good, notice).await.data("/setMeetingAvailability/id");
        assert_eq!(why("2027-01-04T10:00:00Z").await, ["AGENT Good:NOTICE"]);
    }
}

on_both! {
    async fn without_a_start_it_is_about_the_earliest_slot(test: Test) {
        let (late, early) = (test.bookable_agent("Late").await, test.bookable_agent("Early").await);
        let hours = json!({ "blocks": [{ "dayOfWeek": "FRIDAY", "start": "09:00", "end": "10:00" }] });
        test.set_availability(&late, hours).await.data("/setMeetingAvailability/id");
        account(&test, "acme.example", &late).await;
        let would = explain(&test, "v@acme.example", "", json!({})).await;
        assert_eq!(would["startsAt"], "2027-01-04T09:00:00Z");
        assert_eq!(shown(&would), ["OWNER Late:OUT_OF_HOURS", "ALL Early:CHOSEN"]);
        let earliest = |tier: usize| would["tiers"][tier]["candidates"][0]["earliestStart"].clone();
        assert_eq!(earliest(0), "2027-01-08T09:00:00Z");
        assert_eq!(earliest(1), "2027-01-04T09:00:00Z");
        let start = would["startsAt"].as_str().unwrap();
        assert_eq!(booked(&test, "v@acme.example", "", start).await, "Early");
        let friday = "2027-01-08T09:00:00Z";
        assert_eq!(booked(&test, "v@acme.example", "", friday).await, "Late");
        deactivate(&test, &late).await;
        deactivate(&test, &early).await;
        let nobody = explain(&test, "v@acme.example", "", json!({})).await;
        assert_eq!((&nobody["startsAt"], &nobody["chosen"]), (&Value::Null, &Value::Null));
        assert_eq!(shown(&nobody), ["OWNER Late:INACTIVE", "ALL"]);
    }
}

on_both! {
    async fn explaining_changes_nothing(test: Test) {
        test.bookable_agent("A").await;
        test.bookable_agent("B").await;
        let at = json!({ "startsAt": "2027-01-05T10:00:00Z" });
        let first = explain(&test, "v@acme.example", "", at.clone()).await;
        let sql = "SELECT CAST(SUM(revision) AS text) FROM agents";
        let before = test.texts(sql).await;
        assert_eq!(explain(&test, "v@acme.example", "", at).await, first);
        assert_eq!((test.texts(sql).await, test.count("queue_turns").await), (before, 0));
    }
}

on_both! {
    async fn the_company_that_is_given_leads_to_its_account(test: Test) {
        let owner = test.bookable_agent("Owner").await;
        account(&test, "acme.example", &owner).await;
        for (email, domain, expected) in [
            ("v@gmail.com", "Shop.Acme.example", json!("acme.example")),
            ("v@acme.example", "other.example", Value::Null),
        ] {
            let company = json!({ "company": { "domain": domain } });
            let would = explain(&test, email, "", company).await;
            assert_eq!(would["account"]["name"], expected, "{email} {domain}");
        }
    }
}

on_both! {
    async fn who_may_see_how_a_booking_was_routed(test: Test) {
        let agent = test.bookable_agent("Grace").await;
        let (id, token) = test.booked(&agent, "2027-01-05T09:00:00Z", "ada@visitors.example").await;
        let managed = "query($t: String!) { managedBooking(manageToken: $t) { routing { startsAt } } }";
        let seen = test.visitor(managed, json!({ "t": token })).await;
        assert_eq!(seen.data("/managedBooking/routing"), Value::Null);
        let own = test.token(&agent, 60).await;
        let query = "query($id: ID!) { booking(id: $id) { routing { chosen { name } } } }";
        let seen = test.send(&own, query, json!({ "id": id })).await;
        assert_eq!(seen.data("/booking/routing/chosen/name"), "Grace");
    }
}

on_both! {
    /// Calendars elsewhere are asked in the order of the tiers, and no more of them than it takes.
    async fn calendars_are_asked_tier_by_tier(office: Office) {
        let test = &office.test;
        let named = office.hire("Named").await;
        office.hire("Other").await;
        account(test, "acme.example", &office.agent).await;
        rule(test, "France", 1, json!({ "agentIds": [named] })).await;
        let asked = office.calendar.calls("free_busy");
        let start = "2027-01-05T10:00:00Z";
        assert_eq!(booked(test, "v@acme.example", "France", start).await, "Grace");
        assert_eq!(office.calendar.calls("free_busy"), asked + 1);
        // The owner's calendar holds what was not told.
        let start = "2027-01-05T12:00:00Z";
        office.calendar.put(&office.agent, "untold", start, 30);
        let made = book(test, "v@acme.example", "France", start).await;
        assert_eq!(made.data("/bookMeeting/booking/agent/name"), "Named");
        assert_eq!(
            shown(&made.data("/bookMeeting/booking/routing")),
            ["OWNER Grace:BUSY", "RULE Named:CHOSEN", "ALL Other:NOT_REACHED"]
        );
    }
}

/// Numbers that look random, the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((self.0 >> 33) % u64::try_from(most).unwrap()).unwrap()
    }
}

const DAY: &str = "2027-01-05";

async fn offered(test: &Test, visitor: &Value) -> Vec<String> {
    let query =
        "query($input: SlotsInput!) { slots(input: $input) { days { slots { startsAt } } } }";
    let mut input = json!({ "from": DAY, "to": DAY, "timeZone": "UTC" });
    for (name, value) in visitor.as_object().unwrap() {
        input[name] = value.clone();
    }
    let answer = test.visitor(query, json!({ "input": input })).await;
    let slots = answer.data("/slots/days/0/slots");
    let start = |slot: &Value| slot["startsAt"].as_str().unwrap().to_owned();
    slots.as_array().unwrap().iter().map(start).collect()
}

on_both! {
    /// What is offered to a visitor is booked, with an agent of the first tier that has one free then.
    async fn what_is_offered_is_booked_with_the_first_tier(test: Test) {
        for seed in 0..4 {
            one_world(&test, seed).await;
        }
    }
}

/// Tears down what the world before left, and makes another.
async fn one_world(test: &Test, seed: u64) {
    let mut dice = Dice(seed);
    let mut agents = Vec::new();
    for n in 0..5 {
        let agent = test.bookable_agent(&format!("A{seed}x{n}")).await;
        let (from, hours) = (8 + dice.below(8), 1 + dice.below(4));
        let block = json!({ "dayOfWeek": "TUESDAY",
            "start": format!("{from:02}:00"), "end": format!("{:02}:00", from + hours) });
        let set = json!({ "blocks": [block], "durationMinutes": 30 + 30 * dice.below(2) });
        test.set_availability(&agent, set).await.data("/setMeetingAvailability/id");
        agents.push(agent);
    }
    let domain = format!("w{seed}.example");
    let owner = agents[dice.below(5)].clone();
    account(test, &domain, &owner).await;
    let country = format!("Country {seed}");
    let mut by_priority = Vec::new();
    for priority in [1, 2] {
        let chosen = [agents[dice.below(5)].as_str(), agents[dice.below(5)].as_str()];
        let mut named = chosen.to_vec();
        named.dedup();
        let target = if dice.below(2) == 0 {
            json!({ "agentIds": named })
        } else {
            json!({ "teamId": team(test, &format!("T{seed}x{priority}"), &named).await })
        };
        rule(test, &country, priority, target).await;
        by_priority.push(named.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>());
    }
    for round in 0..8 {
        let (of_account, of_country) = (dice.below(2) == 0, dice.below(2) == 0);
        let host = if of_account { domain.as_str() } else { "nowhere.example" };
        // Another each time: one address is sent so many mails an hour.
        let email = format!("v{seed}x{round}@{host}");
        let country = if of_country { country.as_str() } else { "Elsewhere" };
        let visitor = json!({ "person": { "email": email }, "company": { "country": country } });
        let starts = offered(test, &visitor).await;
        if starts.is_empty() {
            break;
        }
        let start = &starts[dice.below(starts.len())];
        let mut tiers = Vec::new();
        if of_account {
            tiers.push(vec![owner.clone()]);
        }
        if of_country {
            tiers.extend(by_priority.clone());
        }
        tiers.push(agents.clone());
        let mut free = Vec::new();
        for agent in &agents {
            if test.starts(json!({ "agentId": agent }), DAY).await.contains(start) {
                free.push(agent.clone());
            }
        }
        let first = tiers.iter().find(|tier| tier.iter().any(|agent| free.contains(agent)));
        let would = explain(test, &email, country, json!({ "startsAt": start })).await;
        let mut input = visitor.clone();
        input["startsAt"] = start.as_str().into();
        input["timeZone"] = "UTC".into();
        let booked = test.book_input(input).await;
        let met = booked.data("/bookMeeting/booking/agent/id");
        assert_eq!(booked.data("/bookMeeting/booking/agent/name"), would["chosen"]["name"]);
        let met = met.as_str().unwrap().to_owned();
        // Agents of the worlds before may be free too, behind everybody named here.
        match first {
            Some(tier) => assert!(
                (tier.contains(&met) && free.contains(&met)) || tier.len() == agents.len(),
                "{seed}: {met} of {tier:?}"
            ),
            None => assert!(!agents.contains(&met)),
        }
    }
}

on_both! {
    async fn a_record_keeps_what_says_most(test: Test) {
        let mut agents = Vec::new();
        for number in 0..55 {
            agents.push(test.agent(&format!("Unconnected{number}")).await);
        }
        agents.push(test.bookable_agent("Good").await);
        for priority in 1..=105 {
            rule(&test, "Spain", priority, json!({ "agentIds": [agents[0]] })).await;
        }
        let members: Vec<&str> = agents.iter().map(String::as_str).collect();
        let all = team(&test, "All", &members).await;
        rule(&test, "France", 1000, json!({ "teamId": all })).await;
        let made = book(&test, "v@acme.example", "France", "2027-01-05T10:00:00Z").await;
        let routing = made.data("/bookMeeting/booking/routing");
        let rules = routing["rules"].as_array().unwrap();
        assert_eq!(rules.len(), 100);
        assert_eq!(rules[98]["name"], "Spain 99");
        assert_eq!(rules[99], json!({ "name": "France 1000", "priority": 1000, "matched": true }));
        let tier = &routing["tiers"][0];
        assert_eq!(tier["candidateCount"], 56);
        let candidates = tier["candidates"].as_array().unwrap();
        assert_eq!(candidates.len(), 50);
        assert_eq!(routing["chosen"]["name"], "Good");
        assert_eq!(candidates[49]["agent"]["name"], "Good");
        assert_eq!(candidates[49]["outcome"], "CHOSEN");
        assert!(candidates[..49].iter().all(|candidate| candidate["reason"] == "NO_CALENDAR"));
    }
}

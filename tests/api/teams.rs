//! Teams: kept in order, refused where they make no sense, and asked for by visitors.

use serde_json::{Value, json};

use crate::on_both;
use crate::support::{Answer, Test};

const FIELDS: &str = "id name createdAt members { id name }";

async fn create(test: &Test, name: &str, members: Value) -> Answer {
    let query = format!(
        "mutation($input: CreateTeamInput!) {{ createTeam(input: $input) {{ {FIELDS} }} }}"
    );
    test.admin(&query, json!({ "input": { "name": name, "memberIds": members } })).await
}

async fn update(test: &Test, input: Value) -> Answer {
    let query = format!(
        "mutation($input: UpdateTeamInput!) {{ updateTeam(input: $input) {{ {FIELDS} }} }}"
    );
    test.admin(&query, json!({ "input": input })).await
}

async fn delete(test: &Test, team: &str) -> Answer {
    test.admin("mutation($id: ID!) { deleteTeam(teamId: $id) }", json!({ "id": team })).await
}

async fn teams(test: &Test) -> Value {
    let query = format!("{{ teams {{ totalCount nodes {{ {FIELDS} }} }} }}");
    test.admin(&query, json!({})).await.data("/teams")
}

fn names(team: &Value) -> Vec<&str> {
    let members = team["members"].as_array().unwrap().iter();
    members.map(|member| member["name"].as_str().unwrap()).collect()
}

on_both! {
    async fn a_team_is_kept_as_it_was_given(test: Test) {
        let (grace, alan, ada) =
            (test.agent("Grace").await, test.agent("Alan").await, test.agent("Ada").await);
        let made = create(&test, " Sales ", json!([alan, grace])).await.data("/createTeam");
        assert_eq!(made["name"], "Sales");
        assert_eq!(made["createdAt"], "2027-01-04T08:00:00Z");
        assert_eq!(names(&made), ["Alan", "Grace"], "in the order given");
        let id = made["id"].as_str().unwrap();
        let by_id = "query($id: ID!) { team(id: $id) { name } node(id: $id) { ... on Team { name } } }";
        let found = test.admin(by_id, json!({ "id": id })).await;
        assert_eq!(found.data(""), json!({ "team": { "name": "Sales" }, "node": { "name": "Sales" } }));
        let renamed = update(&test, json!({ "teamId": id, "name": "sales" })).await.data("/updateTeam");
        assert_eq!((renamed["name"].as_str(), names(&renamed)), (Some("sales"), vec!["Alan", "Grace"]));
        let moved = json!({ "teamId": id, "memberIds": [ada, alan] });
        let moved = update(&test, moved).await.data("/updateTeam");
        assert_eq!((moved["name"].as_str(), names(&moved)), (Some("sales"), vec!["Ada", "Alan"]));
        create(&test, "Others", json!([ada])).await.data("/createTeam");
        let of_agent = "query($id: ID!) { agent(id: $id) { teams { name } } }";
        let of = async |agent: &str| test.admin(of_agent, json!({ "id": agent })).await.data("/agent/teams");
        assert_eq!(of(&ada).await, json!([{ "name": "sales" }, { "name": "Others" }]));
        assert_eq!(of(&grace).await, json!([]));
        assert_eq!(teams(&test).await["totalCount"], 2);
        assert_eq!(delete(&test, id).await.data("/deleteTeam"), id);
        assert_eq!(teams(&test).await["totalCount"], 1);
        assert_eq!(delete(&test, id).await.code(), "NOT_FOUND");
        let emptied = test.admin(by_id, json!({ "id": id })).await.data("");
        assert_eq!(emptied, json!({ "team": null, "node": null }));
    }
}

#[track_caller]
fn refused(answer: &Answer, code: &str, words: &str) {
    assert_eq!(answer.code(), code);
    let message = answer.body["errors"][0]["message"].as_str().unwrap();
    assert!(message.contains(words), "{message}");
}

on_both! {
    async fn what_makes_no_sense_changes_nothing(test: Test) {
        let (grace, alan) = (test.agent("Grace").await, test.agent("Alan").await);
        let made = create(&test, "Sales", json!([grace])).await.data("/createTeam");
        let id = made["id"].as_str().unwrap();
        let other = create(&test, "Support", json!([])).await.data("/createTeam/id");
        let before = teams(&test).await;
        let nobody = "agt_00000000000000000000000000000000";
        refused(&create(&test, "sALES", json!([])).await, "CONFLICT", "name");
        refused(&create(&test, " ", json!([])).await, "BAD_USER_INPUT", "input.name");
        refused(&create(&test, &"x".repeat(101), json!([])).await, "BAD_USER_INPUT", "100");
        let twice = create(&test, "Twice", json!([grace, alan, grace])).await;
        refused(&twice, "BAD_USER_INPUT", "input.memberIds.2");
        assert_eq!(twice.field(), "input.memberIds.2");
        let unknown = create(&test, "Unknown", json!([grace, nobody])).await;
        refused(&unknown, "NOT_FOUND", "input.memberIds.1");
        refused(&create(&test, "Other", json!([id])).await, "NOT_FOUND", "input.memberIds.0");
        let many: Vec<String> = (0..501).map(|n| format!("agt_{n:032x}")).collect();
        let many = create(&test, "Many", json!(many)).await;
        refused(&many, "BAD_USER_INPUT", "500");
        assert_eq!(many.field(), "input.memberIds");
        for (input, code, words) in [
            (json!({ "teamId": other, "name": "SALES" }), "CONFLICT", "name"),
            (json!({ "teamId": id, "name": "" }), "BAD_USER_INPUT", "input.name"),
            (json!({ "teamId": id, "memberIds": [nobody] }), "NOT_FOUND", "input.memberIds.0"),
            (json!({ "teamId": id, "name": "X", "memberIds": [alan, alan] }), "BAD_USER_INPUT", "1"),
            (json!({ "teamId": grace, "name": "X" }), "NOT_FOUND", "input.teamId"),
        ] {
            refused(&update(&test, input).await, code, words);
        }
        assert_eq!(teams(&test).await, before);
    }
}

on_both! {
    async fn a_team_that_a_rule_names_stays(test: Test) {
        let grace = test.agent("Grace").await;
        let team = create(&test, "Sales", json!([grace])).await.data("/createTeam/id");
        let team = team.as_str().unwrap();
        let condition = json!({ "test": {
            "field": "COMPANY_COUNTRY", "operator": "IS", "values": ["France"] } });
        let input = json!({ "name": "France", "teamId": team, "condition": condition });
        let query = "mutation($input: CreateRoutingRuleInput!) { createRoutingRule(input: $input) { id } }";
        let rule = test.admin(query, json!({ "input": input })).await.data("/createRoutingRule/id");
        refused(&delete(&test, team).await, "CONFLICT", "France");
        let query = "mutation($id: ID!) { deleteRoutingRule(ruleId: $id) }";
        test.admin(query, json!({ "id": rule })).await.data("");
        assert_eq!(delete(&test, team).await.data("/deleteTeam"), team);
    }
}

on_both! {
    async fn a_visitor_asks_for_a_team(test: Test) {
        let (grace, alan) = (test.bookable_agent("Grace").await, test.bookable_agent("Alan").await);
        test.bookable_agent("Outside").await;
        let off = test.bookable_agent("Off").await;
        let update = "mutation($id: ID!) { updateAgent(input: { agentId: $id, active: false }) { id } }";
        test.admin(update, json!({ "id": off })).await.data("");
        let team = create(&test, "Sales", json!([off, grace, alan])).await.data("/createTeam/id");
        let route = json!({ "teamId": team });
        let starts = test.starts(route.clone(), "2027-01-05").await;
        assert_eq!(starts.len(), 16);
        let mut met = Vec::new();
        for start in &starts[..4] {
            let booked = test.book(route.clone(), start, "a@visitors.example").await;
            met.push(booked.data("/bookMeeting/booking/agent/name"));
        }
        assert_eq!(met, ["Grace", "Alan", "Grace", "Alan"]);
        for _ in 0..2 {
            let booked = test.book(route.clone(), &starts[4], "b@visitors.example").await;
            assert_eq!(booked.data("/bookMeeting/__typename"), "MeetingBooked");
        }
        let full = test.book(route.clone(), &starts[4], "c@visitors.example").await;
        assert_eq!(full.data("/bookMeeting/__typename"), "SlotUnavailable");
        assert!(!test.starts(route, "2027-01-05").await.contains(&starts[4]));
        let empty = create(&test, "Empty", json!([off])).await.data("/createTeam/id");
        assert!(test.starts(json!({ "teamId": empty }), "2027-01-05").await.is_empty());
        let gone = json!({ "teamId": "tea_00000000000000000000000000000000" });
        let unknown = test.book(gone, &starts[5], "c@visitors.example").await;
        assert_eq!(unknown.code(), "NOT_FOUND");
    }
}

on_both! {
    async fn the_team_counts_among_what_an_idempotency_key_came_with(test: Test) {
        let grace = test.bookable_agent("Grace").await;
        let one = create(&test, "One", json!([grace])).await.data("/createTeam/id");
        let two = create(&test, "Two", json!([grace])).await.data("/createTeam/id");
        let input = |route: Value| json!({
            "startsAt": "2027-01-05T10:00:00Z", "timeZone": "UTC", "route": route,
            "person": { "email": "a@visitors.example" }, "idempotencyKey": "the same each time",
        });
        let first = test.book_input(input(json!({ "teamId": one }))).await;
        let again = test.book_input(input(json!({ "teamId": one }))).await;
        assert_eq!(first.data("/bookMeeting/booking/id"), again.data("/bookMeeting/booking/id"));
        for other in [json!({ "teamId": two }), json!({ "agentId": grace }), Value::Null] {
            assert_eq!(test.book_input(input(other)).await.code(), "CONFLICT");
        }
    }
}

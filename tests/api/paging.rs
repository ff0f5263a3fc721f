//! Connections: pages in both directions, stable while rows are added, counted only when asked, and
//! read with as many statements whatever their size.

use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use crate::on_both;
use crate::support::Test;

/// The nodes' IDs of a page, with its page info.
async fn page(test: &Test, connection: &str, arguments: &str) -> (Vec<String>, Value) {
    let query = format!(
        "{{ {connection}({arguments}) {{
        edges {{ cursor node {{ id }} }} nodes {{ id }}
        pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }} }} }}"
    );
    let page = test.admin(&query, json!({})).await.data(&format!("/{connection}"));
    let id = |node: &Value| node["id"].as_str().unwrap().to_owned();
    let nodes: Vec<String> = page["nodes"].as_array().unwrap().iter().map(id).collect();
    let edges = page["edges"].as_array().unwrap();
    assert_eq!(nodes, edges.iter().map(|edge| id(&edge["node"])).collect::<Vec<_>>());
    let cursor = |edge: Option<&Value>| edge.map_or(Value::Null, |edge| edge["cursor"].clone());
    assert_eq!(page["pageInfo"]["startCursor"], cursor(edges.first()));
    assert_eq!(page["pageInfo"]["endCursor"], cursor(edges.last()));
    (nodes, page["pageInfo"].clone())
}

/// All of a list, in pages of two from its start, with `between` done after each page.
async fn forward(test: &Test, connection: &str, between: impl AsyncFn(usize)) -> Vec<String> {
    let (mut all, mut after) = (Vec::new(), String::new());
    for number in 0.. {
        let (nodes, info) = page(test, connection, &format!("first: 2{after}")).await;
        assert_eq!(info["hasPreviousPage"], number != 0);
        all.extend(nodes);
        if info["hasNextPage"] == false {
            break;
        }
        between(number).await;
        after = format!(", after: {}", info["endCursor"]);
    }
    all
}

/// The same from its end.
async fn backward(test: &Test, connection: &str, between: impl AsyncFn(usize)) -> Vec<String> {
    let (mut all, mut before) = (Vec::new(), String::new());
    for number in 0.. {
        let (nodes, info) = page(test, connection, &format!("last: 2{before}")).await;
        assert_eq!(info["hasNextPage"], number != 0);
        all.splice(0..0, nodes);
        if info["hasPreviousPage"] == false {
            break;
        }
        between(number).await;
        before = format!(", before: {}", info["startCursor"]);
    }
    all
}

/// Five bookings of one agent, in order of start, an hour apart.
async fn five(test: &Test) -> (String, Vec<String>) {
    let agent = test.bookable_agent("Grace").await;
    let mut ids = Vec::new();
    for hour in [13, 9, 12, 10, 11] {
        let start = format!("2027-01-05T{hour:02}:00:00Z");
        ids.push((hour, test.booked(&agent, &start, "ada@visitors.example").await.0));
    }
    ids.sort();
    (agent, ids.into_iter().map(|(_, id)| id).collect())
}

on_both! {
    async fn bookings_come_in_order_from_either_end(test: Test) {
        let (_, ids) = five(&test).await;
        let nothing = async |_| {};
        assert_eq!(forward(&test, "bookings", nothing).await, ids);
        assert_eq!(backward(&test, "bookings", nothing).await, ids);
        let (none, info) = page(&test, "bookings", "first: 0").await;
        assert_eq!((none.len(), &info["hasNextPage"]), (0, &json!(true)));
        let (all, info) = page(&test, "bookings", "first: 5").await;
        assert_eq!((all, &info["hasNextPage"]), (ids.clone(), &json!(false)));
        // Between two cursors.
        let (_, first) = page(&test, "bookings", "first: 1").await;
        let (_, last) = page(&test, "bookings", "last: 1").await;
        let arguments = format!("after: {}, before: {}", first["endCursor"], last["startCursor"]);
        assert_eq!(page(&test, "bookings", &arguments).await.0, ids[1..4]);
    }
}

on_both! {
    async fn bookings_that_start_together_are_all_seen(test: Test) {
        let mut ids = Vec::new();
        for number in 0..5 {
            let agent = test.bookable_agent(&format!("Agent{number}")).await;
            let start = "2027-01-05T09:00:00Z";
            ids.push(test.booked(&agent, start, "ada@visitors.example").await.0);
        }
        ids.sort();
        let nothing = async |_| {};
        assert_eq!(forward(&test, "bookings", nothing).await, ids);
        assert_eq!(backward(&test, "bookings", nothing).await, ids);
    }
}

on_both! {
    async fn rows_that_are_added_move_none_of_the_others(test: Test) {
        let (agent, ids) = five(&test).await;
        // One before, one after and one inside the part that is read, after each page.
        let add = async |number: usize| {
            for start in ["09:30", "15:00", "12:30"] {
                let day = if start == "12:30" { 5 } else { 6 + number };
                let start = match (start, number) {
                    ("12:30", 0) => "2027-01-05T12:30:00Z".to_owned(),
                    ("12:30", _) => "2027-01-05T09:30:00Z".to_owned(),
                    (time, _) => format!("2027-01-{day:02}T{time}:00Z"),
                };
                let answer = test.book(json!({ "agentId": agent }), &start, "eve@visitors.example").await;
                answer.data("/bookMeeting/__typename");
            }
        };
        let seen = forward(&test, "bookings", add).await;
        check_seen(&seen, &ids);
        let before = test.admin("{ bookings(first: 100) { nodes { id } } }", json!({})).await;
        let before = before.data("/bookings/nodes");
        let ids: Vec<String> =
            before.as_array().unwrap().iter().map(|n| n["id"].as_str().unwrap().to_owned()).collect();
        let add = async |number: usize| {
            let start = format!("2027-01-{:02}T11:00:00Z", 5 + 7 * (1 + number % 3));
            test.book(json!({ "agentId": agent }), &start, "eve2@visitors.example").await;
        };
        check_seen(&backward(&test, "bookings", add).await, &ids);
    }
}

/// Each old row once, in order.
#[track_caller]
fn check_seen(seen: &[String], old: &[String]) {
    let of_old: Vec<&String> = seen.iter().filter(|id| old.contains(id)).collect();
    assert_eq!(of_old, old.iter().collect::<Vec<_>>());
    let mut distinct = seen.to_vec();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), seen.len());
}

on_both! {
    async fn agents_come_in_the_order_in_which_they_were_made(test: Test) {
        let mut ids = Vec::new();
        for name in ["Zoe", "Alan", "Mary", "Grace", "Ada"] {
            ids.push(test.agent(name).await);
        }
        let add = async |number: usize| {
            test.agent(&format!("New{number}")).await;
        };
        check_seen(&backward(&test, "agents", add).await, &ids);
        let nothing = async |_| {};
        let seen = forward(&test, "agents", nothing).await;
        assert_eq!(seen[..5], ids);
    }
}

on_both! {
    async fn only_what_is_asked_for_is_counted(test: Test) {
        let (agent, _) = five(&test).await;
        let query = |count: &str| format!("query($a: ID!) {{
            bookings(first: 2) {{ nodes {{ id }} {count} }}
            agents(first: 2) {{ nodes {{ id }} {count} }}
            agent(id: $a) {{ bookings(first: 2, filter: {{ status: CONFIRMED }}) {{ nodes {{ id }} {count} }} }} }}");
        let ids = json!({ "a": agent });
        let (without, _) = counted(&test, &query(""), &ids).await;
        let (with, data) = counted(&test, &query("totalCount"), &ids).await;
        assert_eq!(with, without + 3);
        assert_eq!(data["bookings"]["totalCount"], 5);
        assert_eq!(data["agents"]["totalCount"], 1);
        assert_eq!(data["agent"]["bookings"]["totalCount"], 5);
    }
}

/// How many statements an operation takes, and its data.
async fn counted(test: &Test, query: &str, variables: &Value) -> (u64, Value) {
    let before = test.statements.load(Ordering::SeqCst);
    let data = test.admin(query, variables.clone()).await.data("");
    (test.statements.load(Ordering::SeqCst) - before, data)
}

/// Pages of all that a list leads to.
const WIDE: [&str; 4] = [
    "query($n: Int) { bookings(first: $n) { nodes { id agent { id name inMeetingQueue
        calendar { id status problem provider { name } }
        dateOverrides(from: \"2027-01-01\") { date } } } } }",
    "query($n: Int) { bookings(first: $n) { nodes { agent { busyTimes { startsAt } } } } }",
    "query($n: Int) { agents(first: $n) { nodes { id inMeetingQueue calendar { status }
        liveChat { status } dateOverrides { date } bookings(first: 2) { nodes { id } } } } }",
    "query($n: Int) { agents(last: $n) { nodes { bookings(last: 1, filter: { status: CONFIRMED }) {
        nodes { person { email } agent { name } } } } } }",
];

on_both! {
    async fn statements_do_not_grow_with_the_page(test: Test) {
        for number in 0..50 {
            let agent = test.bookable_agent(&format!("Agent{number}")).await;
            test.booked(&agent, "2027-01-05T09:00:00Z", &format!("v{number}@visitors.example")).await;
            let query = "mutation($a: ID!) {
                setDateOverride(input: { agentId: $a, date: \"2027-01-06\", blocks: [] }) { id }
                createBusyTime(input: { agentId: $a, startsAt: \"2027-01-07T09:00:00Z\",
                    endsAt: \"2027-01-07T10:00:00Z\" }) { id } }";
            test.admin(query, json!({ "a": agent })).await.data("");
        }
        for query in WIDE {
            let (few, _) = counted(&test, query, &json!({ "n": 5 })).await;
            let (many, data) = counted(&test, query, &json!({ "n": 50 })).await;
            let (_, connection) = data.as_object().unwrap().iter().next().unwrap();
            assert_eq!(connection["nodes"].as_array().unwrap().len(), 50);
            // The key of the caller, the page, and one for each kind of row that it leads to.
            assert_eq!((few, many <= 7), (many, true), "{query}: {many}");
        }
    }
}

/// The starting hours of the bookings that a filter finds.
async fn found(test: &Test, filter: Value) -> String {
    let query = "query($filter: BookingFilter) {
        bookings(filter: $filter) { totalCount nodes { startsAt } } }";
    let found = test.admin(query, json!({ "filter": filter })).await.data("/bookings");
    let nodes = found["nodes"].as_array().unwrap();
    assert_eq!(found["totalCount"], nodes.len());
    let hour = |node: &Value| node["startsAt"].as_str().unwrap()[11..13].to_owned();
    nodes.iter().map(hour).collect::<Vec<_>>().join(" ")
}

on_both! {
    async fn bookings_are_filtered(test: Test) {
        let (agent, ids) = five(&test).await;
        let other = test.bookable_agent("Alan").await;
        test.booked(&other, "2027-01-05T16:00:00Z", "eve@visitors.example").await;
        let cancel = "mutation($id: ID!) { cancelBooking(input: { booking: { id: $id } }) { id } }";
        test.admin(cancel, json!({ "id": ids[2] })).await.data("");
        for (filter, expected) in [
            (json!({}), "09 10 11 12 13 16"),
            (json!({ "agentId": agent }), "09 10 11 12 13"),
            (json!({ "agentId": other }), "16"),
            (json!({ "status": "CANCELLED" }), "11"),
            (json!({ "status": "CONFIRMED", "agentId": agent }), "09 10 12 13"),
            (json!({ "startsFrom": "2027-01-05T10:00:00Z" }), "10 11 12 13 16"),
            (json!({ "startsFrom": "2027-01-05T10:00:00.001Z" }), "11 12 13 16"),
            (json!({ "startsBefore": "2027-01-05T10:00:00Z" }), "09"),
            (json!({ "startsFrom": "2027-01-05T11:00:00+01:00", "startsBefore": "2027-01-05T12:00:00Z" }), "10 11"),
            (json!({ "search": "eve@" }), "16"),
            (json!({ "search": "   " }), "09 10 11 12 13 16"),
            (json!({ "search": null }), "09 10 11 12 13 16"),
        ] {
            assert_eq!(found(&test, filter.clone()).await, expected, "{filter}");
        }
        let nested = "query($a: ID!, $f: BookingFilter) { agent(id: $a) { bookings(filter: $f, last: 2) {
            totalCount nodes { startsAt } pageInfo { hasPreviousPage } } } }";
        let variables = json!({ "a": agent, "f": { "status": "CONFIRMED" } });
        let nested = test.admin(nested, variables).await.data("/agent/bookings");
        assert_eq!(nested, json!({
            "totalCount": 4, "pageInfo": { "hasPreviousPage": true },
            "nodes": [{ "startsAt": "2027-01-05T12:00:00Z" }, { "startsAt": "2027-01-05T13:00:00Z" }],
        }));
    }
}

on_both! {
    async fn a_search_takes_its_words_as_they_are(test: Test) {
        let agent = test.bookable_agent("Grace").await;
        let people = [
            (9, "ada@visitors.example", "Ada", "50% off"),
            (10, "under_score@visitors.example", "Élodie", "O'Neil"),
            (11, "underXscore@visitors.example", "back\\slash", "Straße"),
        ];
        for (hour, email, first, last) in people {
            let input = json!({
                "startsAt": format!("2027-01-05T{hour:02}:00:00Z"), "timeZone": "UTC",
                "route": { "agentId": agent }, "company": { "name": format!("Company {hour}") },
                "person": { "email": email, "firstName": first, "lastName": last },
            });
            test.book_input(input).await.data("/bookMeeting/booking/id");
        }
        for (search, expected) in [
            ("%", "09"),
            ("_", "10"),
            ("under_s", "10"),
            ("UNDERXSCORE", "11"),
            ("ÉLODIE o'neil", "10"),
            ("back\\", "11"),
            ("company 1", "10 11"),
            ("'; DROP TABLE bookings; --", ""),
            ("visitors.example", "09 10 11"),
        ] {
            assert_eq!(found(&test, json!({ "search": search })).await, expected, "{search}");
        }
    }
}

on_both! {
    async fn agents_are_searched_by_name_and_address(test: Test) {
        for (number, name) in ["Grace", "Élodie", "50%", "Al_an"].into_iter().enumerate() {
            let query = "mutation($input: CreateAgentInput!) { createAgent(input: $input) { id } }";
            let email = format!("a{number}@agents.example");
            test.admin(query, json!({ "input": { "name": name, "email": email } })).await.data("");
        }
        for (search, expected) in [
            ("gRACE", "Grace"),
            ("ÉLO", "Élodie"),
            ("%", "50%"),
            ("_", "Al_an"),
            ("A1@agents", "Élodie"),
            ("", "Grace Élodie 50% Al_an"),
        ] {
            let query = "query($s: String) { agents(search: $s) { totalCount nodes { name } } }";
            let agents = test.admin(query, json!({ "s": search })).await.data("/agents");
            let nodes = agents["nodes"].as_array().unwrap();
            let names: Vec<&str> = nodes.iter().map(|node| node["name"].as_str().unwrap()).collect();
            assert_eq!(names.join(" "), expected, "{search}");
            assert_eq!(agents["totalCount"], nodes.len());
        }
    }
}

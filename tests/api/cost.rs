//! What requests cost, who pays, and what they are told of it.

use frontdesk::work::Allowances;
use reqwest::Method;
use serde_json::{Value, json};

use crate::on_both;
use crate::support::{Database, Test};

/// A server whose visitors have so many points, and gain next to none.
async fn with_points(burst: u64) -> Test {
    let mut allowances = Allowances::default();
    allowances.visitors.points_per_second = 1;
    allowances.visitors.burst = burst;
    Test::start_with(Database::Sqlite, |setup| setup.http.points = Some(allowances)).await
}

const DAYS: &str = "days { date slots { startsAt endsAt } }";

/// `slots` over 63 days, so many times.
fn slots(aliases: usize) -> String {
    let input = "input: { from: \"2027-01-04\", to: \"2027-03-07\", timeZone: \"UTC\" }";
    let fields = (0..aliases).map(|alias| format!("a{alias}: slots({input}) {{ {DAYS} }}"));
    format!("{{ {} }}", fields.collect::<Vec<_>>().join(" "))
}

/// An answer to a visitor, with its headers: status, cost, what is left, and the seconds to wait.
struct Told {
    status: u16,
    body: Value,
    cost: Option<u64>,
    left: Option<u64>,
    wait: Option<u64>,
}

async fn ask(test: &Test, body: Value) -> Told {
    let answer = test.request(Method::POST, "/graphql").json(&body).send().await.unwrap();
    let header = |name: &str| answer.headers().get(name)?.to_str().ok().map(str::to_owned);
    let left = header("ratelimit").map(|text| {
        let rest = text.strip_prefix("\"visitors\";r=").unwrap();
        rest.split(';').next().unwrap().parse().unwrap()
    });
    assert_eq!(left.is_some(), header("ratelimit-policy").is_some());
    Told {
        status: answer.status().as_u16(),
        cost: header("x-request-cost").map(|text| text.parse().unwrap()),
        wait: header("retry-after").map(|text| text.parse().unwrap()),
        left,
        body: answer.json().await.unwrap(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_slots_is_charged_for_its_agents_and_days() {
    let test = with_points(1_000_000).await;
    for name in ["Ada", "Grace", "Joan", "Mary"] {
        test.bookable_agent(name).await;
    }
    let mut costs = Vec::new();
    let mut left = 1_000_000;
    for aliases in [1, 2, 3] {
        let told = ask(&test, json!({ "query": slots(aliases) })).await;
        assert_eq!(told.body.get("errors"), None, "{:#}", told.body);
        let cost = told.cost.unwrap();
        assert_eq!(told.left, Some(left - cost));
        left -= cost;
        costs.push(cost);
    }
    let each = costs[1] - costs[0];
    assert_eq!(costs[2] - costs[1], each, "{costs:?}");
    // Four agents, 63 days; the rest are fields and what is listed.
    assert!((4 * 63..2_000).contains(&each), "{each}");
    let fewer = json!({ "query": slots(1).replace("2027-03-07", "2027-01-04") });
    let fewer = ask(&test, fewer).await.cost.unwrap();
    assert!(fewer + 4 * 62 <= costs[0], "{fewer} of {}", costs[0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn aliases_past_what_is_left_are_refused_with_the_time_to_wait() {
    let test = with_points(15_000).await;
    for name in ["Ada", "Grace", "Joan", "Mary"] {
        test.bookable_agent(name).await;
    }
    let told = ask(&test, json!({ "query": slots(20) })).await;
    assert_eq!(told.body.get("errors"), None);
    let told = ask(&test, json!({ "query": slots(20) })).await;
    let errors = told.body["errors"].as_array().unwrap();
    assert!((1..20).contains(&errors.len()), "{} refused", errors.len());
    for error in errors {
        assert_eq!(error["extensions"]["code"], "RATE_LIMITED", "{error:#}");
        let wait = error["extensions"]["retryAfterSeconds"].as_u64().unwrap();
        assert!(wait <= told.wait.unwrap(), "{wait}");
    }
    // Fifty cost more than is left by their document alone: nothing is executed.
    let told = ask(&test, json!({ "query": slots(50) })).await;
    assert_eq!(told.status, 429);
    assert_eq!(told.body["errors"][0]["extensions"]["code"], "RATE_LIMITED");
    assert_eq!(told.body["errors"][0]["extensions"]["retryAfterSeconds"], told.wait.unwrap());
    assert!(told.left.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_operation_of_a_batch_pays() {
    let test = with_points(100_000).await;
    test.bookable_agent("Ada").await;
    let one = ask(&test, json!({ "query": slots(1) })).await.cost.unwrap();
    let operation = json!({ "query": slots(1) });
    let told = ask(&test, json!([operation, operation, operation])).await;
    assert_eq!(told.cost, Some(3 * one));
    assert_eq!(told.left, Some(100_000 - 4 * one));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn taken_times_are_paid_for_with_their_alternatives() {
    let test = with_points(100_000).await;
    test.bookable_agent("Ada").await;
    let input = json!({
        "startsAt": "2027-01-05T03:00:00Z", "timeZone": "UTC",
        "person": { "email": "ada@visitors.example", "firstName": "Ada", "lastName": "Lovelace" },
    });
    let query = "mutation($input: BookMeetingInput!) { bookMeeting(input: $input) {
        ... on SlotUnavailable { alternatives { startsAt } } } }";
    let told = ask(&test, json!({ "query": query, "variables": { "input": input } })).await;
    assert!(!told.body["data"]["bookMeeting"]["alternatives"].as_array().unwrap().is_empty());
    // An operation, a mutation, 28 days of an agent.
    assert!(1_228 < told.cost.unwrap(), "{:?}", told.cost);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn introspection_has_its_price_and_leaves_room_for_more() {
    let test = with_points(400_000).await;
    let query = include_str!("../../src/http/limits/introspection.graphql");
    let told = ask(&test, json!({ "query": query })).await;
    assert_eq!(told.body.get("errors"), None);
    let cost = told.cost.unwrap();
    assert!((10_000..100_000).contains(&cost), "{cost}");
    let tall = "types { name fields { name args { name type { name
        ofType { name ofType { name ofType { name } } } } } } }";
    let aliases: Vec<String> = (0..50).map(|alias| format!("a{alias}: {tall}")).collect();
    let told =
        ask(&test, json!({ "query": format!("{{ __schema {{ {} }} }}", aliases.join(" ")) })).await;
    assert_eq!(told.body["errors"][0]["extensions"]["code"], "RATE_LIMITED", "{:?}", told.cost);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_invalid_once_is_not_cheap_for_ever() {
    let test = with_points(1_000_000).await;
    let filtered = "query($f: BookingFilter) { bookings(first: 100, filter: $f) { nodes { id } } }";
    let sound = json!({ "query": filtered, "variables": { "f": {} } });
    let price = ask(&test, sound).await.cost.unwrap();
    // The same to a reader, another document to the server.
    let again = filtered.replace("nodes", " nodes");
    ask(&test, json!({ "query": again, "variables": { "f": "x" } })).await;
    let told = ask(&test, json!({ "query": again, "variables": { "f": {} } })).await;
    assert_eq!(told.cost, Some(price));
    // Of several operations the costliest counts, whichever is asked for.
    let two = format!(
        "query Cheap {{ viewer {{ kind }} }} {}",
        filtered.replacen("query", "query Dear", 1)
    );
    let operation = json!({ "query": two, "operationName": "Dear", "variables": { "f": {} } });
    assert!(price <= ask(&test, operation).await.cost.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn introspection_in_circles_is_refused() {
    let test = with_points(400_000).await;
    for (pairs, code) in [(1, ""), (2, "LIMIT_EXCEEDED"), (7, "LIMIT_EXCEEDED")] {
        let mut types = "name".to_owned();
        for _ in 0..pairs {
            types = format!("possibleTypes {{ interfaces {{ {types} }} }}");
        }
        let query = format!("{{ __type(name: \"Node\") {{ {types} }} }}");
        let told = ask(&test, json!({ "query": query })).await;
        let found = told.body["errors"][0]["extensions"]["code"].as_str().unwrap_or_default();
        assert_eq!(found, code, "{pairs} pairs: {:?}", told.cost);
    }
    let fields = "fields { type { fields { type { fields { name } } } } }";
    let query = format!(
        "{{ a: __type(name: \"Query\") {{ {fields} }} b: __type(name: \"Node\") {{ {fields} }} }}"
    );
    let told = ask(&test, json!({ "query": query })).await;
    assert_eq!(told.body["errors"][0]["extensions"]["code"], "LIMIT_EXCEEDED");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invalid_documents_are_not_free() {
    let test = with_points(100_000).await;
    let fields: Vec<String> = (0..500).map(|number| format!("unknown{number}")).collect();
    let query = format!("{{ viewer {{ {} }} }}", fields.join(" "));
    let told = ask(&test, json!({ "query": query })).await;
    assert_eq!(told.body["errors"][0]["extensions"]["code"], "BAD_USER_INPUT");
    assert!(5_000 < told.cost.unwrap(), "{:?}", told.cost);
}

on_both! {
    async fn much_is_answered_as_little_is(test: Test) {
        for name in ["Ada", "Grace", "Joan", "Mary"] {
            test.bookable_agent(name).await;
        }
        let one = test.visitor(&slots(1), json!({})).await.data("/a0");
        // All but the first few are done on other threads.
        let answer = test.visitor(&slots(50), json!({})).await;
        for alias in 0..50 {
            assert!(answer.data(&format!("/a{alias}")) == one, "alias {alias} differs");
        }
    }
}

on_both! {
    async fn slots_are_written_as_they_are_selected(test: Test) {
        test.bookable_agent("Ada").await;
        let day = async |selection: &str| {
            let query = format!(
                "query Named {{
                    slots(input: {{ from: \"2027-01-05\", to: \"2027-01-05\", timeZone: \"UTC\" }}) {{
                        {selection}
                        __typename @skip(if: true) timeZone @include(if: false) }} }}
                fragment Day on SlotDay {{ date slots {{ ...Start }} }}
                fragment Start on Slot {{ startsAt }}
                fragment Unused on Slot {{ ...Start endsAt ...on Slot {{ startsAt }} }}
                query Other {{ viewer {{ kind }} slots(input: {{ from: \"2027-01-05\", to: \"2027-01-05\",
                    timeZone: \"UTC\" }}) {{ days {{ ...Day slots {{ ...Unused }} }} }} }}"
            );
            let body = json!({ "query": query, "operationName": "Named" });
            let answer = test.request(Method::POST, "/graphql").json(&body).send().await.unwrap();
            let body: Value = answer.json().await.unwrap();
            assert_eq!(body.get("errors"), None, "{body:#}");
            body["data"]["slots"]["days"][0].clone()
        };
        let plain = day("days { date slots { startsAt endsAt } }").await;
        assert!(plain["slots"][0]["startsAt"].is_string(), "{plain:#}");
        for selection in [
            "days { ...Day slots { endsAt } }",
            "days { ... on SlotDay { date } ... { slots { startsAt } } slots { endsAt startsAt } }",
            "days { date } days { slots { ...Start ... @include(if: true) { endsAt } } }",
            "days { slots { endsAt } } ... { days { ...Day } }",
            "days { date date slots { startsAt endsAt @include(if: true) __typename @skip(if: true) } }",
        ] {
            assert_eq!(day(selection).await, plain, "{selection}");
        }
        let named = day("days { on: date __typename at: slots { a: startsAt b: startsAt __typename } }").await;
        assert_eq!((&named["on"], &named["__typename"]), (&plain["date"], &json!("SlotDay")));
        let start = &plain["slots"][0]["startsAt"];
        assert_eq!(named["at"][0], json!({ "a": start, "b": start, "__typename": "Slot" }));
    }
}

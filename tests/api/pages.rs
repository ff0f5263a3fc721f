//! The page behind manage links and the example of a booking page: what they are served with, and
//! that every operation in their scripts does on a real server what they use it for.

use std::collections::BTreeMap;

use reqwest::{Method, header::HeaderMap};
use serde_json::{Value, json};

use crate::on_both;
use crate::support::{Database, Test};

const PAGE: &str = include_str!("../../assets/pages/manage.html");
const SCRIPT: &str = include_str!("../../assets/pages/manage.js");
const CONFIRM_PAGE: &str = include_str!("../../assets/pages/confirm.html");
const CONFIRM_SCRIPT: &str = include_str!("../../assets/pages/confirm.js");
const EXAMPLE: &str = include_str!("../../examples/booking-page/booking.js");

async fn get(test: &Test, path: &str) -> (u16, HeaderMap, String) {
    let response = test.request(Method::GET, path).send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    (status, headers, response.text().await.unwrap())
}

/// The values of an attribute in HTML, or of imports in a script.
fn quoted_after<'a>(text: &'a str, before: &str) -> Vec<&'a str> {
    text.split(before).skip(1).map(|rest| rest.split('"').next().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_manage_page_keeps_its_address_to_itself() {
    let test = Test::start(Database::Sqlite).await;
    let (status, headers, text) = get(&test, "/manage?token=fdm_secret").await;
    assert_eq!((status, text.as_str()), (200, PAGE));
    for (name, expected) in [
        ("content-type", "text/html; charset=utf-8"),
        ("cache-control", "no-store"),
        ("referrer-policy", "no-referrer"),
        ("x-content-type-options", "nosniff"),
        ("x-robots-tag", "noindex, nofollow, noarchive"),
    ] {
        assert_eq!(headers[name], expected, "{name}");
    }
    let policy = headers["content-security-policy"].to_str().unwrap();
    let directives: BTreeMap<&str, &str> =
        policy.split("; ").filter_map(|directive| directive.split_once(' ')).collect();
    assert_eq!(directives["default-src"], "'none'");
    assert_eq!(directives["frame-ancestors"], "'none'");
    for source in ["script-src", "style-src", "connect-src"] {
        assert_eq!(directives[source], "'self'", "{source}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_that_the_manage_page_loads_is_served_beside_it() {
    let test = Test::start(Database::Sqlite).await;
    // The policy lets nothing inline run.
    assert!(!PAGE.contains("<style") && !PAGE.contains(" style=") && !PAGE.contains(" onclick="));
    let mut wanted: Vec<String> = [quoted_after(PAGE, "src=\""), quoted_after(PAGE, "href=\"")]
        .concat()
        .into_iter()
        .filter(|link| *link != "data:,")
        .map(|link| format!("/{link}"))
        .collect();
    assert_eq!(wanted.len(), 2, "{wanted:?}");
    let mut seen = Vec::new();
    while let Some(path) = wanted.pop() {
        if seen.contains(&path) {
            continue;
        }
        let (status, headers, text) = get(&test, &path).await;
        assert_eq!(status, 200, "{path}");
        let is_script = path.ends_with(".js");
        let kind = if is_script { "text/javascript" } else { "text/css" };
        assert_eq!(headers["content-type"], format!("{kind}; charset=utf-8"), "{path}");
        assert_eq!(headers["cache-control"], "no-cache", "{path}");
        assert!(!text.contains("http://") && !text.contains("https://"), "{path} goes elsewhere");
        wanted.extend(quoted_after(&text, " from \"./").iter().map(|n| format!("/manage/{n}")));
        seen.push(path);
    }
    assert_eq!(seen.len(), 5, "{seen:?}");
}

#[test]
fn the_example_has_the_same_files_as_the_manage_page() {
    for name in ["api.js", "picker.js", "style.css"] {
        let read = |folder: &str| {
            let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join(name);
            std::fs::read_to_string(path).unwrap()
        };
        let same = read("assets/pages") == read("examples/booking-page");
        assert!(same, "cp assets/pages/{name} examples/booking-page/");
    }
}

#[test]
fn each_language_of_the_manage_page_says_the_same_things() {
    let words = include_str!("../../assets/pages/words.js");
    let keys = |language: &str| -> Vec<&str> {
        let start = words.find(&format!("const {language} = {{")).unwrap();
        let block = words[start..].split("\n};").next().unwrap();
        let key = |line: &'static str| {
            let (key, _) = line.trim_start().split_once(':')?;
            key.chars().all(char::is_alphanumeric).then_some(key)
        };
        block.lines().filter_map(key).collect()
    };
    assert_eq!(keys("en"), keys("fr"));
    // The words of the page on which a booking is confirmed go over these.
    let block = words.split("const CONFIRM = {").nth(1).unwrap().split("\n};").next().unwrap();
    let (english, french) = block.split_once("\n  fr: {").unwrap();
    let of = |block: &'static str| -> Vec<&str> {
        let key =
            |line: &'static str| line.strip_prefix("    ")?.split_once(':').map(|(key, _)| key);
        let is_name = |key: &&str| key.chars().all(char::is_alphanumeric);
        block.lines().filter_map(key).filter(is_name).collect()
    };
    assert_eq!(of(english), of(french));
    for word in quoted_after(CONFIRM_PAGE, "data-word=\"") {
        assert!(of(english).contains(&word), "{word}");
    }
    let in_page = quoted_after(PAGE, "data-word=\"");
    assert!(10 < in_page.len());
    for word in in_page {
        assert!(keys("en").contains(&word), "{word}");
    }
}

/// The operations of a script, by name.
fn operations(script: &'static str) -> BTreeMap<&'static str, &'static str> {
    let documents = script.split("gql`").skip(1).map(|rest| rest.split('`').next().unwrap());
    let name = |document: &'static str| {
        let signature = document.trim_start().split_once(' ').unwrap().1;
        signature.split('(').next().unwrap()
    };
    documents.map(|document| (name(document), document)).collect()
}

fn slots_input(agent: Option<&str>) -> Value {
    let route = agent.map(|id| json!({ "agentId": id }));
    json!({ "input": {
        "from": "2027-01-04", "to": "2027-01-17", "timeZone": "Europe/Paris", "route": route,
    } })
}

on_both! {
    async fn the_example_books_what_it_shows(test: Test) {
        test.bookable_agent("Grace").await;
        let operations = operations(EXAMPLE);
        assert!(operations.keys().eq(&["BookMeeting", "FreeSlots"]), "{:?}", operations.keys());
        let shown = test.visitor(operations["FreeSlots"], slots_input(None)).await;
        assert_eq!(shown.data("/slots/days").as_array().unwrap().len(), 14);
        let slot = shown.data("/slots/days/1/slots/0");
        let mut input = json!({
            "startsAt": slot["startsAt"], "endsAt": slot["endsAt"], "timeZone": "Europe/Paris",
            "locale": "fr-FR", "notes": "The engine", "idempotencyKey": "0123456789abcdef",
            "person": { "email": "ada@visitors.example", "firstName": "Ada", "lastName": "Lovelace" },
        });
        let book = operations["BookMeeting"];
        let booked = test.visitor(book, json!({ "input": input })).await;
        assert_eq!(booked.data("/bookMeeting/__typename"), "MeetingBooked");
        assert_eq!(booked.data("/bookMeeting/booking/agent/name"), "Grace");
        // What the page sends again after an answer was lost.
        let again = test.visitor(book, json!({ "input": input })).await;
        assert_eq!(again.body, booked.body);
        assert_eq!(test.count("bookings").await, 1);
        input["idempotencyKey"] = "another-0123456789".into();
        let taken = test.visitor(book, json!({ "input": input })).await;
        assert_eq!(taken.data("/bookMeeting/__typename"), "SlotUnavailable");
        assert!(taken.data("/bookMeeting/alternatives/0/startsAt").is_string());
    }
}

on_both! {
    async fn the_manage_page_shows_moves_and_calls_off(test: Test) {
        let agent = test.bookable_agent("Grace").await;
        let operations = operations(SCRIPT);
        let names = ["CancelBooking", "FreeSlots", "ManagedBooking", "MoveBooking"];
        assert!(operations.keys().eq(&names), "{:?}", operations.keys());
        let route = json!({ "agentId": agent });
        let booked = test.book(route.clone(), "2027-01-05T10:00:00Z", "a@visitors.example").await;
        test.book(route, "2027-01-05T12:00:00Z", "b@visitors.example").await;
        let token = booked.data("/bookMeeting/manageToken");
        let see = async || test.visitor(operations["ManagedBooking"], json!({ "token": token })).await;
        let seen = see().await;
        assert_eq!(seen.data("/managedBooking/agent"), json!({ "id": agent, "name": "Grace" }));
        assert_eq!(seen.data("/managedBooking/conference"), Value::Null);

        let free = test.visitor(operations["FreeSlots"], slots_input(Some(&agent))).await;
        let start = free.data("/slots/days/2/slots/3/startsAt");
        let booking = json!({ "manageToken": token });
        let move_to = async |start: &Value| {
            let input = json!({ "booking": booking, "startsAt": start });
            test.visitor(operations["MoveBooking"], json!({ "input": input })).await
        };
        let taken = move_to(&"2027-01-05T12:00:00Z".into()).await;
        assert_eq!(taken.data("/rescheduleBooking/__typename"), "SlotUnavailable");
        assert!(taken.data("/rescheduleBooking/alternatives/0/startsAt").is_string());
        let moved = move_to(&start).await;
        assert_eq!(moved.data("/rescheduleBooking/booking/startsAt"), start);
        assert_eq!(see().await.data("/managedBooking/startsAt"), start);

        let input = json!({ "booking": booking, "reason": "No time" });
        let cancelled =
            test.visitor(operations["CancelBooking"], json!({ "input": input })).await;
        assert_eq!(cancelled.data("/cancelBooking/status"), "CANCELLED");
        let seen = see().await;
        assert_eq!(seen.data("/managedBooking/cancellationReason"), "No time");
        assert!(seen.data("/managedBooking/cancelledAt").is_string());
    }
}

on_both! {
    async fn the_link_of_a_confirmation_opens_the_manage_page(test: Test) {
        let agent = test.bookable_agent("Grace").await;
        let route = json!({ "agentId": agent });
        test.book(route, "2027-01-05T10:00:00Z", "ada@visitors.example").await.data("/bookMeeting");
        test.deliver().await;
        let mails = test.mails.mails();
        let mail = mails.iter().find(|sent| sent.mail.to.email == "ada@visitors.example").unwrap();
        let link = mail.mail.text.split_whitespace().find(|word| word.contains("/manage?token="));
        let link = url::Url::parse(link.unwrap()).unwrap();
        assert_eq!(link.origin().ascii_serialization(), "https://meet.example.com");
        let (status, _, text) = get(&test, &link[url::Position::BeforePath..]).await;
        assert_eq!((status, text.as_str()), (200, PAGE));
        let token = link.query_pairs().find(|(name, _)| name == "token").unwrap().1.into_owned();
        let query = operations(SCRIPT)["ManagedBooking"];
        let seen = test.visitor(query, json!({ "token": token })).await;
        assert_eq!(seen.data("/managedBooking/startsAt"), "2027-01-05T10:00:00Z");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_confirm_page_is_served_like_the_manage_page() {
    let test = Test::start(Database::Sqlite).await;
    let (_, manage, _) = get(&test, "/manage").await;
    let (status, headers, text) = get(&test, "/confirm?token=fdc_secret").await;
    assert_eq!((status, text.as_str()), (200, CONFIRM_PAGE));
    for name in [
        "cache-control",
        "referrer-policy",
        "content-security-policy",
        "x-robots-tag",
        "content-type",
    ] {
        assert_eq!(headers[name], manage[name], "{name}");
    }
    for link in
        [quoted_after(CONFIRM_PAGE, "src=\""), quoted_after(CONFIRM_PAGE, "href=\"")].concat()
    {
        if link != "data:," {
            assert_eq!(get(&test, &format!("/{link}")).await.0, 200, "{link}");
        }
    }
    // The token of a link that does not work is the server's to judge.
    let query = operations(CONFIRM_SCRIPT)["ConfirmBooking"];
    let unknown = test.visitor(query, json!({ "input": { "token": "fdc_secret" } })).await;
    assert_eq!(unknown.code(), "NOT_FOUND");
}

//! Bad input gets a clear error, with the field at fault, and changes nothing.

use reqwest::Method;
use serde_json::{Value, json};

use crate::on_both;
use crate::support::{Answer, BOOK, Test};

/// What the cases are about, and all that there is before them.
struct World {
    agent: String,
    booking: String,
    token: String,
}

impl World {
    async fn new(test: &Test) -> Self {
        let agent = test.bookable_agent("Grace").await;
        let (booking, token) =
            test.booked(&agent, "2027-01-05T09:00:00Z", "ada@visitors.example").await;
        test.deliver().await;
        Self { agent, booking, token }
    }
}

/// All that callers can see.
async fn dump(test: &Test) -> Value {
    let query = "{
        agents(first: 20) { totalCount nodes { id name email locale active profile inMeetingQueue
            calendar { id account status connectedAt }
            meetingAvailability { timeZone durationMinutes bufferMinutes slotIntervalMinutes
                minimumNoticeMinutes horizonDays blocks { dayOfWeek start end } }
            liveChat { timeZone status blocks { dayOfWeek start end } override { status setAt } }
            dateOverrides { date note blocks { start end } } busyTimes { id title }
            invite { subject body includeConferenceLink isDefault } } }
        bookings(first: 50) { totalCount nodes { id status startsAt endsAt timeZone locale notes
            person { email firstName } calendarEvent { status } confirmation { status } } }
        failedDeliveries { totalCount } }";
    test.admin(query, json!({})).await.data("")
}

/// Checks that an answer is this error, at this field.
#[track_caller]
fn check(answer: &Answer, status: u16, code: &str, field: &str, case: &str) {
    let errors = answer.body["errors"].as_array().map_or(0, Vec::len);
    assert_eq!(errors, 1, "{case}: {:#}", answer.body);
    let found = (answer.status, answer.code(), answer.field());
    assert_eq!(found, (status, code, field), "{case}: {:#}", answer.body);
    let message = answer.body["errors"][0]["message"].as_str().unwrap();
    assert!(message.len() < 500, "{case}: {message}");
}

/// A mutation of one argument `input`, as the administrator.
async fn mutate(test: &Test, name: &str, input: &Value) -> Answer {
    let kind = format!("{}{}Input", name[..1].to_uppercase(), &name[1..]);
    let selection = match name {
        "bookMeeting" | "rescheduleBooking" => "__typename",
        _ => "id",
    };
    let query = format!("mutation($input: {kind}!) {{ {name}(input: $input) {{ {selection} }} }}");
    test.admin(&query, json!({ "input": input })).await
}

/// Each case: what is put where into a sound input, and the field that the error names. Fields are
/// those of the input, without "input."; an empty one says that the path itself is named.
type Cases = Vec<(&'static str, Value, &'static str)>;

async fn check_cases(test: &Test, mutation: &str, sound: Value, cases: Cases) {
    let before = dump(test).await;
    for (path, value, field) in cases {
        let mut input = sound.clone();
        put(&mut input, path, value.clone());
        let answer = mutate(test, mutation, &input).await;
        let field = if field.is_empty() { path.replace('/', ".") } else { field.to_owned() };
        let shown: String = value.to_string().chars().take(60).collect();
        let case = format!("{mutation} with {path} = {shown}");
        check(&answer, 200, "BAD_USER_INPUT", &format!("input.{field}"), &case);
    }
    assert_eq!(dump(test).await, before, "{mutation}");
    assert_eq!(test.deliver().await, 0);
}

fn put(input: &mut Value, path: &str, value: Value) {
    let mut place = input;
    for part in path.split('/') {
        place = match part.parse::<usize>() {
            Ok(index) => &mut place[index],
            Err(_) => &mut place[part],
        };
    }
    *place = value;
}

fn block(start: &str, end: &str) -> Value {
    json!({ "dayOfWeek": "MONDAY", "start": start, "end": end })
}

/// Thirteen blocks of an hour.
fn thirteen() -> Vec<Value> {
    (0..13).map(|hour| block(&format!("{hour:02}:00"), &format!("{:02}:00", hour + 1))).collect()
}

on_both! {
    async fn availability(test: Test) {
        let world = World::new(&test).await;
        let two = json!([block("09:00", "10:00"), block("11:00", "12:00")]);
        let sound = json!({ "agentId": world.agent, "blocks": two });
        let mut cases: Cases = vec![
            ("timeZone", json!("Europe/Pariss"), ""),
            ("timeZone", json!(""), ""),
            ("timeZone", json!("+01:00"), ""),
            ("timeZone", json!("Europe/Paris\u{0}"), ""),
            ("timeZone", json!("x".repeat(10_000)), ""),
            ("blocks/1/start", json!("25:00"), ""),
            ("blocks/1/start", json!("24:00"), "blocks.1.end"),
            ("blocks/1/end", json!("25:00"), ""),
            ("blocks/1/end", json!("24:01"), ""),
            ("blocks/1/end", json!("12:60"), ""),
            ("blocks/1/end", json!("9:00"), ""),
            ("blocks/1/end", json!("11:00"), ""),
            ("blocks/1/end", json!("10:30"), ""),
            ("blocks/1/end", json!(""), ""),
            ("blocks/1/end", json!("12:00:00"), ""),
            ("blocks/1/start", json!("09:30"), "blocks.1"),
            ("blocks/0/end", json!("11:01"), "blocks.1"),
            ("blocks", json!(thirteen()), "blocks.12"),
            ("blocks", json!(vec![block("09:00", "10:00"); 85]), ""),
        ];
        for number in [json!(-1), json!(-2_147_483_649_i64), json!(2_147_483_648_i64), json!(i64::MAX), json!(i64::MIN)] {
            for field in ["durationMinutes", "bufferMinutes", "slotIntervalMinutes", "minimumNoticeMinutes", "horizonDays"] {
                cases.push((field, number.clone(), ""));
            }
        }
        check_cases(&test, "setMeetingAvailability", sound.clone(), cases).await;
        let cases = vec![
            ("timeZone", json!("Mars/Olympus"), ""),
            ("blocks/0/end", json!("08:00"), ""),
            ("blocks/0/end", json!("11:30"), "blocks.1"),
            ("blocks", json!(thirteen()), "blocks.12"),
        ];
        check_cases(&test, "setLiveChatAvailability", sound, cases).await;
        let sound = json!({ "agentId": world.agent, "date": "2027-02-01", "blocks": [{ "start": "09:00", "end": "10:00" }] });
        let cases = vec![
            ("date", json!("2027-02-30"), ""),
            ("date", json!("2027-2-1"), ""),
            ("date", json!("02/01/2027"), ""),
            ("date", json!("99999-01-01"), ""),
            ("date", json!("-0001-01-01"), ""),
            ("blocks/0/start", json!("10:00"), "blocks.0.end"),
            ("note", json!("x".repeat(1_001)), ""),
            ("note", json!("a\u{0}b"), ""),
        ];
        check_cases(&test, "setDateOverride", sound, cases).await;
        let sound = json!({ "agentId": world.agent, "startsAt": "2027-02-01T09:00:00Z", "endsAt": "2027-02-01T10:00:00Z" });
        let cases = vec![
            ("endsAt", json!("2027-02-01T09:00:00Z"), ""),
            ("endsAt", json!("2027-02-01T08:00:00Z"), ""),
            ("endsAt", json!("2028-02-03T09:00:01Z"), ""),
            ("startsAt", json!("2027-02-01 09:00"), ""),
            ("startsAt", json!("2027-02-01T09:00:00"), ""),
            ("startsAt", json!("0001-01-01T00:00:00Z"), ""),
            ("endsAt", json!("9999-12-31T00:00:00Z"), ""),
            ("title", json!("x".repeat(201)), ""),
            ("title", json!("a\r\nb"), ""),
        ];
        check_cases(&test, "createBusyTime", sound, cases).await;
    }
}

/// Texts that no name may be.
fn bad_names() -> Vec<Value> {
    vec![
        json!("x".repeat(10_000)),
        json!("x".repeat(101)),
        json!("Ada\r\nBcc: eve@example.com"),
        json!("Ada\nLovelace"),
        json!("Ada\u{7}"),
        json!("Ada\u{0}"),
        json!("Ada\u{202E}ecalevoL"),
        json!("\u{200F}Ada"),
        json!("Ada \u{2066}L\u{2069}"),
        json!("Ada https://spam.example/win"),
        json!("visit www.spam.example"),
        json!("win at spam.example/now"),
    ]
}

fn bad_emails() -> Vec<Value> {
    let long = format!("{}@visitors.example", "x".repeat(65));
    let longer = format!("a@{}.example", "x.".repeat(150));
    [
        "",
        "ada",
        "ada@",
        "@visitors.example",
        "a b@visitors.example",
        "ada@visitors..example",
        "ada@visitors.example\r\nBcc: eve@example.com",
        "ada@visitors.example\u{0}",
        "<ada@visitors.example>",
        "ada@[127.0.0.1]",
        "\"a b\"@visitors.example",
        "ada@visitors.example, eve@example.com",
        &long,
        &longer,
    ]
    .iter()
    .map(|text| json!(text))
    .collect()
}

on_both! {
    async fn agents(test: Test) {
        let world = World::new(&test).await;
        let mut cases: Cases = vec![("name", json!(""), ""), ("name", json!("  "), "")];
        cases.extend(bad_names().into_iter().map(|name| ("name", name, "")));
        cases.extend(bad_emails().into_iter().map(|email| ("email", email, "")));
        for locale in ["", "english please", "en_US.UTF-8", "e\u{0}"] {
            cases.push(("locale", json!(locale), ""));
        }
        let sound = json!({ "name": "New", "email": "new@agents.example" });
        check_cases(&test, "createAgent", sound, cases.clone()).await;
        check_cases(&test, "updateAgent", json!({ "agentId": world.agent }), cases).await;
    }
}

on_both! {
    async fn bookings(test: Test) {
        let world = World::new(&test).await;
        let sound = json!({
            "startsAt": "2027-01-05T10:00:00Z", "timeZone": "UTC", "route": { "agentId": world.agent },
            "person": { "email": "eve@visitors.example", "attributes": [{ "name": "size", "value": "9" }] },
            "company": {},
        });
        let mut cases: Cases = vec![
            ("startsAt", json!("tomorrow"), ""),
            ("startsAt", json!("2027-01-05T10:00:00"), ""),
            ("startsAt", json!("2027-13-05T10:00:00Z"), ""),
            ("startsAt", json!("-9999-01-05T10:00:00Z"), ""),
            ("startsAt", json!("+20270-01-05T10:00:00Z"), ""),
            ("endsAt", json!("2027-01-05T10:00:00Z"), ""),
            ("endsAt", json!("2027-01-05T09:00:00Z"), ""),
            ("timeZone", json!("Europe/Atlantis"), ""),
            ("locale", json!("!"), ""),
            ("notes", json!("x".repeat(5_001)), ""),
            ("notes", json!("a\u{0}"), ""),
            ("idempotencyKey", json!(""), ""),
            ("idempotencyKey", json!("x".repeat(201)), ""),
            ("idempotencyKey", json!("a\u{0}"), ""),
            ("company/name", json!("x".repeat(201)), ""),
            ("company/name", json!("Buy at http://spam.example"), ""),
            ("company/name", json!("a\r\nb"), ""),
            ("company/industry", json!("www.spam.example"), ""),
            ("company/domain", json!("https://spam.example/"), ""),
            ("company/domain", json!("not a host"), ""),
            ("company/domain", json!("localhost"), ""),
            ("person/attributes/0/name", json!(""), ""),
            ("person/attributes/0/name", json!("x".repeat(65)), ""),
            ("person/attributes/0/value", json!("x".repeat(501)), ""),
            ("person/attributes/0/value", json!("see https://spam.example"), ""),
            ("person/attributes", json!(vec![json!({ "name": "a", "value": "b" }); 51]), ""),
            ("person/attributes", json!(vec![json!({ "name": "a", "value": "b" }); 2]), "person.attributes.1.name"),
            ("company/attributes", json!([{ "name": "a", "value": "b\u{0}" }]), "company.attributes.0.value"),
        ];
        for field in ["person/firstName", "person/lastName", "person/jobTitle", "person/phone"] {
            cases.extend(bad_names().into_iter().map(|name| (field, name, "")));
        }
        cases.extend(bad_emails().into_iter().map(|email| ("person/email", email, "")));
        check_cases(&test, "bookMeeting", sound, cases).await;
        let by_token = json!({ "manageToken": world.token });
        let sound = json!({ "booking": by_token, "startsAt": "2027-01-05T11:00:00Z" });
        let cases = vec![
            ("startsAt", json!("soon"), ""),
            ("reason", json!("x".repeat(1_001)), ""),
            ("reason", json!("a\u{0}"), ""),
        ];
        check_cases(&test, "rescheduleBooking", sound, cases).await;
        let cases = vec![("reason", json!("a\u{202E}"), "")];
        check_cases(&test, "cancelBooking", json!({ "booking": by_token }), cases).await;
    }
}

on_both! {
    async fn templates(test: Test) {
        let world = World::new(&test).await;
        let before = dump(&test).await;
        for (subject, body, field, line, column) in [
            ("Hello {{person.nickname}}", "", "subject", 1, 9),
            ("Hello", "One\n\nTwo {{agent.salary}}", "body", 3, 7),
            ("Hello", "One\n{{#if person.firstName}}Two", "body", 2, 1),
            ("Hello {{person.firstName", "", "subject", 1, 7),
            ("Hello", "{{> partial}}", "body", 1, 1),
            ("Hello", "a\nb {{{person.firstName}}}", "body", 2, 3),
        ] {
            let mut input = json!({ "agentId": world.agent, "subject": subject });
            if !body.is_empty() {
                input["body"] = body.into();
            }
            let answer = mutate(&test, "setInviteTemplate", &input).await;
            let case = format!("{subject} / {body}");
            check(&answer, 200, "BAD_USER_INPUT", &format!("input.{field}"), &case);
            let extensions = &answer.body["errors"][0]["extensions"];
            assert_eq!((&extensions["line"], &extensions["column"]), (&json!(line), &json!(column)), "{case}: {extensions}");
            input["body"] = body.into();
            let query = "query($input: PreviewInviteInput!) { previewInvite(input: $input) { text } }";
            let answer = test.admin(query, json!({ "input": input })).await;
            check(&answer, 200, "BAD_USER_INPUT", &format!("input.{field}"), &case);
        }
        assert_eq!(dump(&test).await, before);
        let cases = vec![
            ("subject", json!(""), ""),
            ("subject", json!("x".repeat(301)), ""),
            ("subject", json!("a\r\nBcc: eve@example.com"), ""),
            ("body", json!("x".repeat(20_001)), ""),
            ("body", json!("a\u{0}"), ""),
        ];
        check_cases(&test, "setInviteTemplate", json!({ "agentId": world.agent }), cases).await;
    }
}

on_both! {
    async fn windows_of_slots(test: Test) {
        let world = World::new(&test).await;
        let query = "query($input: SlotsInput!) { slots(input: $input) { days { date } } }";
        for (from, to, zone, field) in [
            ("2027-01-04", "2027-03-08", "UTC", "to"),
            ("2027-01-05", "2027-01-04", "UTC", "to"),
            ("2027-01-05", "2027-02-30", "UTC", "to"),
            ("January", "2027-01-05", "UTC", "from"),
            ("99999-01-01", "99999-01-02", "UTC", "from"),
            ("2027-01-04", "2027-01-05", "Nowhere", "timeZone"),
            ("2027-01-04", "2027-01-05", "Europe/Paris\u{0}", "timeZone"),
        ] {
            let input = json!({ "from": from, "to": to, "timeZone": zone, "route": { "agentId": world.agent } });
            let answer = test.visitor(query, json!({ "input": input })).await;
            check(&answer, 200, "BAD_USER_INPUT", &format!("input.{field}"), &format!("{from} {to} {zone}"));
        }
        let input = json!({ "from": "2027-01-04", "to": "2027-03-07", "timeZone": "UTC" });
        let days = test.visitor(query, json!({ "input": input })).await.data("/slots/days");
        assert_eq!(days.as_array().unwrap().len(), 63);
    }
}

on_both! {
    async fn ids_that_name_nothing(test: Test) {
        let World { agent, booking, token } = World::new(&test).await;
        let before = dump(&test).await;
        let unknown = format!("agt_{}", "0".repeat(32));
        for id in [unknown.as_str(), &booking, "", "agt_", "nonsense", "agt_\u{0}", &agent.to_uppercase(), "'; --"] {
            let ids = json!({ "id": id });
            for change in [
                "updateAgent(input: { agentId: $id, name: \"New\" }) { id }",
                "setMeetingAvailability(input: { agentId: $id }) { id }",
                "setLiveChatOverride(input: { agentId: $id, status: AVAILABLE }) { id }",
                "clearLiveChatOverride(agentId: $id) { id }",
                "connectCalendar(input: { agentId: $id, providerId: \"builtin\" }) { id }",
                "disconnectCalendar(agentId: $id) { id }",
                "createCalendarFeed(agentId: $id) { url }",
                "revokeCalendarFeed(agentId: $id)",
                "removeDateOverride(agentId: $id, date: \"2027-01-01\") { id }",
                "issueAgentToken(agentId: $id, ttlMinutes: 5) { token }",
                "retryDelivery(deliveryId: $id) { id }",
                "cancelBooking(input: { booking: { id: $id } }) { id }",
            ] {
                if change.starts_with("cancelBooking") && id == booking {
                    continue;
                }
                let answer = test.admin(&format!("mutation($id: ID!) {{ {change} }}"), ids.clone()).await;
                check(&answer, 200, "NOT_FOUND", "", &format!("{change} of {id}"));
            }
            for query in ["agent(id: $id) { id }", "booking(id: $id) { id }", "node(id: $id) { id }"] {
                if id == booking && !query.starts_with("agent") {
                    continue;
                }
                let answer = test.admin(&format!("query($id: ID!) {{ found: {query} }}"), ids.clone()).await;
                assert_eq!(answer.data("/found"), Value::Null, "{query} of {id}");
            }
            let book = json!({
                "startsAt": "2027-01-05T10:00:00Z", "timeZone": "UTC",
                "person": { "email": "eve@visitors.example" },
            });
            for route in ["agentId", "teamId"] {
                let mut input = book.clone();
                input["route"] = json!({ route: id });
                let answer = test.visitor(BOOK, json!({ "input": input })).await;
                check(&answer, 200, "NOT_FOUND", "", &format!("bookMeeting with {route} {id}"));
            }
        }
        for wrong in ["", "fdm", "nonsense", &format!("{token}0"), "fdm_\u{0}"] {
            let query = "mutation($t: String!) { cancelBooking(input: { booking: { manageToken: $t } }) { id } }";
            let answer = test.visitor(query, json!({ "t": wrong })).await;
            check(&answer, 200, "NOT_FOUND", "", wrong);
            let query = "query($t: String!) { managedBooking(manageToken: $t) { id } }";
            assert_eq!(test.visitor(query, json!({ "t": wrong })).await.data("/managedBooking"), Value::Null);
        }
        for provider in ["", "gogle", "BUILTIN", "a\u{0}"] {
            let input = json!({ "agentId": agent, "providerId": provider });
            let answer = mutate(&test, "connectCalendar", &input).await;
            check(&answer, 200, "NOT_FOUND", "", provider);
        }
        let input = json!({ "agentId": agent, "providerId": "builtin", "credentials": [{ "name": "a", "value": "b" }] });
        let answer = mutate(&test, "connectCalendar", &input).await;
        check(&answer, 200, "BAD_USER_INPUT", "input.credentials", "a credential too many");
        assert_eq!(dump(&test).await, before);
    }
}

on_both! {
    async fn pages(test: Test) {
        World::new(&test).await;
        let cursor = "query { bookings(first: 1) { pageInfo { endCursor } } }";
        let booking = test.admin(cursor, json!({})).await.data("/bookings/pageInfo/endCursor");
        for (connection, arguments, field) in [
            ("bookings", "first: 101".to_owned(), "first"),
            ("bookings", "last: 101".to_owned(), "last"),
            ("bookings", "first: -1".to_owned(), "first"),
            ("bookings", "first: 2147483648".to_owned(), "first"),
            ("bookings", "first: 9223372036854775807".to_owned(), "first"),
            ("bookings", "first: 1, last: 1".to_owned(), "last"),
            ("bookings", "after: \"\"".to_owned(), "after"),
            ("bookings", "after: \"nonsense\"".to_owned(), "after"),
            ("bookings", "before: \"!!!\"".to_owned(), "before"),
            // A cursor of our form, of a year before any.
            ("bookings", "after: \"__8AAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"".to_owned(), "after"),
            ("bookings", "after: \"____AAAAAAAAAAAAAAAAAAAAAAAAAAAA\"".to_owned(), "after"),
            ("agents", format!("after: {booking}"), "after"),
            ("agents", "first: 1, last: 1".to_owned(), "last"),
            ("failedDeliveries", "first: 1000".to_owned(), "first"),
            ("failedDeliveries", "before: \"x\"".to_owned(), "before"),
            ("agents", format!("search: \"{}\"", "x".repeat(60_000)), "search"),
            ("agents", "search: \"a\\u0000\"".to_owned(), "search"),
            ("bookings", format!("filter: {{ search: \"{}\" }}", "x".repeat(60_000)), "filter.search"),
            ("bookings", "filter: { search: \"a\\u0000\" }".to_owned(), "filter.search"),
            ("bookings", "filter: { startsFrom: \"yesterday\" }".to_owned(), "filter.startsFrom"),
            ("bookings", "filter: { startsBefore: \"\" }".to_owned(), "filter.startsBefore"),
        ] {
            let query = format!("{{ {connection}({arguments}) {{ nodes {{ id }} }} }}");
            let answer = test.admin(&query, json!({})).await;
            let case: String = query.chars().take(90).collect();
            check(&answer, 200, "BAD_USER_INPUT", field, &case);
        }
        for ttl in [0, -1, 721, i64::MAX] {
            let query = format!("mutation {{ issueAgentToken(agentId: \"agt_{}\", ttlMinutes: {ttl}) {{ token }} }}", "0".repeat(32));
            check(&test.admin(&query, json!({})).await, 200, "BAD_USER_INPUT", "ttlMinutes", &query);
        }
    }
}

on_both! {
    async fn values_of_another_type(test: Test) {
        let world = World::new(&test).await;
        let before = dump(&test).await;
        let sound = json!({ "agentId": world.agent });
        for (path, value) in [
            ("durationMinutes", json!(9_223_372_036_854_775_808_u64)),
            ("durationMinutes", json!(1e300)),
            ("durationMinutes", json!(30.5)),
            ("durationMinutes", json!("30")),
            ("timeZone", json!(1)),
            ("blocks", json!([{ "dayOfWeek": "FUNDAY", "start": "09:00", "end": "10:00" }])),
            ("blocks", json!([{ "dayOfWeek": "MONDAY", "start": "09:00" }])),
            ("color", json!("red")),
            ("agentId", Value::Null),
        ] {
            let mut input = sound.clone();
            put(&mut input, path, value.clone());
            let answer = mutate(&test, "setMeetingAvailability", &input).await;
            let case = format!("{path} = {value}");
            assert_eq!((answer.status, answer.code()), (200, "BAD_USER_INPUT"), "{case}: {:#}", answer.body);
            assert!(answer.field().starts_with("input"), "{case}: {:#}", answer.body);
        }
        let both = json!({ "id": world.booking, "manageToken": world.token });
        for reference in [both, json!({}), json!({ "id": null })] {
            let answer = mutate(&test, "cancelBooking", &json!({ "booking": reference })).await;
            assert_eq!((answer.status, answer.code()), (200, "BAD_USER_INPUT"), "{reference}: {:#}", answer.body);
        }
        assert_eq!(dump(&test).await, before);
    }
}

on_both! {
    async fn requests_that_are_no_graphql(test: Test) {
        let world = World::new(&test).await;
        let before = dump(&test).await;
        let post = async |kind: &str, body: String| {
            let request = test.request(Method::POST, "/graphql").bearer_auth(&test.admin);
            let response = request.header("content-type", kind).body(body).send().await.unwrap();
            let status = response.status().as_u16();
            Answer { status, body: response.json().await.unwrap() }
        };
        let cancel = format!("mutation {{ cancelBooking(input: {{ booking: {{ id: \"{}\" }} }}) {{ id }} }}", world.booking);
        let sound = json!({ "query": cancel }).to_string();
        for (kind, body, status) in [
            ("application/json", "{", 400),
            ("application/json", "", 400),
            ("application/json", "null", 400),
            ("application/json", "{}", 400),
            ("application/json", "{\"query\": 1}", 400),
            ("application/json", "{\"query\": \"{ viewer { kind } }\", \"variables\": [1]}", 400),
            ("application/json", "[]", 400),
            ("text/plain", &sound, 415),
            ("application/x-www-form-urlencoded", &sound, 415),
            ("multipart/form-data; boundary=x", &sound, 415),
            ("application/json; charset=utf-16", &sound, 415),
        ] {
            check(&post(kind, body.to_owned()).await, status, "BAD_USER_INPUT", "", &format!("{kind}: {body}"));
        }
        let json_of = |query: &str| json!({ "query": query }).to_string();
        for query in [
            "", "{", "{ nothing }", "{ viewer }", "{ viewer { kind } } extra",
            "query A { viewer { kind } } query B { viewer { kind } }",
            "query A { viewer { kind } } query A { viewer { kind } }",
            "{ viewer { kind } } mutation { createAgent(input: { name: \"x\", email: \"x@y.example\" }) { id } }",
            "query($a: Int) { viewer { kind } }", "query { viewer(a: 1) { kind } }", "{ ...missing }",
        ] {
            let answer = post("application/json", json_of(query)).await;
            assert_eq!((answer.status, answer.code()), (200, "BAD_USER_INPUT"), "{query}: {:#}", answer.body);
            assert_eq!(answer.body.get("data"), None, "{query}");
        }
        let deep = format!("{{ agents {{ nodes {{ {} id {} }} }} }}",
            "bookings { nodes { agent { ".repeat(6), "} } } ".repeat(6));
        check(&post("application/json", json_of(&deep)).await, 200, "LIMIT_EXCEEDED", "", "too deep");
        // A mutation by GET is what another site's link could do.
        let mut url = url::Url::parse("http://x/graphql").unwrap();
        url.query_pairs_mut().append_pair("query", &cancel);
        let path = format!("/graphql?{}", url.query().unwrap());
        let response = test.request(Method::GET, &path).bearer_auth(&test.admin).send().await.unwrap();
        assert_eq!(response.status(), 405);
        assert_eq!(response.headers()["allow"], "POST");
        for method in [Method::PUT, Method::DELETE, Method::PATCH] {
            let response = test.request(method, "/graphql").send().await.unwrap();
            assert_eq!(response.status(), 405);
        }
        assert_eq!(dump(&test).await, before);
    }
}

on_both! {
    async fn a_key_that_comes_back_with_another_input(test: Test) {
        let world = World::new(&test).await;
        let mut input = json!({
            "startsAt": "2027-01-05T10:00:00Z", "timeZone": "UTC", "route": { "agentId": world.agent },
            "person": { "email": "eve@visitors.example" }, "idempotencyKey": "k0123456789abcdef",
        });
        let first = test.book_input(input.clone()).await.data("/bookMeeting");
        test.deliver().await;
        let before = dump(&test).await;
        assert_eq!(test.book_input(input.clone()).await.data("/bookMeeting/booking/id"), first["booking"]["id"]);
        for (field, value) in [("startsAt", json!("2027-01-05T11:00:00Z")), ("notes", json!("new")), ("locale", json!("fr"))] {
            let kept = std::mem::replace(&mut input[field], value);
            check(&test.book_input(input.clone()).await, 200, "CONFLICT", "", field);
            if kept.is_null() { input.as_object_mut().unwrap().remove(field); } else { input[field] = kept; }
        }
        assert_eq!(dump(&test).await, before);
    }
}

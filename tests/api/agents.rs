//! Agents and what they set.

use serde_json::{Value, json};

use crate::on_both;
use crate::support::{Answer, Test};

const SALES: frontdesk::service::access::Profile = frontdesk::service::access::Profile::SalesAdmin;

async fn create(test: &Test, bearer: &str, input: Value) -> Answer {
    let query = "mutation($input: CreateAgentInput!) { createAgent(input: $input) {
        id name email locale active profile inMeetingQueue calendar { id } bookings { totalCount }
        dateOverrides { date } liveChat { timeZone status blocks { start } override { setAt } }
        meetingAvailability { timeZone blocks { start } durationMinutes bufferMinutes
            slotIntervalMinutes minimumNoticeMinutes horizonDays }
        invite { subject body includeConferenceLink isDefault } } }";
    test.send(bearer, query, json!({ "input": input })).await
}

async fn update(test: &Test, bearer: &str, agent: &str, mut input: Value) -> Answer {
    input["agentId"] = agent.into();
    let query = "mutation($input: UpdateAgentInput!) { updateAgent(input: $input) {
        id name email locale active profile inMeetingQueue } }";
    test.send(bearer, query, json!({ "input": input })).await
}

on_both! {
    async fn a_new_agent_has_the_defaults(test: Test) {
        let input = json!({ "name": " Grace Hopper ", "email": "Grace@Agents.example" });
        let agent = create(&test, &test.admin, input).await.data("/createAgent");
        let expected = json!({
            "id": agent["id"], "name": "Grace Hopper", "email": "Grace@Agents.example",
            "locale": "en", "active": true, "profile": "LIVE_AGENT", "inMeetingQueue": false,
            "calendar": null, "bookings": { "totalCount": 0 }, "dateOverrides": [],
            "liveChat": { "timeZone": "UTC", "status": "UNAVAILABLE", "blocks": [], "override": null },
            "meetingAvailability": {
                "timeZone": "UTC", "blocks": [], "durationMinutes": 30, "bufferMinutes": 0,
                "slotIntervalMinutes": 30, "minimumNoticeMinutes": 60, "horizonDays": 60,
            },
            "invite": agent["invite"],
        });
        assert_eq!(agent, expected);
        assert_eq!(agent["invite"]["isDefault"], true);
        assert_ne!(agent["invite"]["body"], "");
    }
}

on_both! {
    async fn an_update_changes_what_is_given(test: Test) {
        let agent = test.agent("Grace").await;
        let changed = update(&test, &test.admin, &agent, json!({ "name": "New", "locale": "fr-ca" })).await;
        assert_eq!(changed.data("/updateAgent"), json!({
            "id": agent, "name": "New", "email": "grace@agents.example", "locale": "fr-CA",
            "active": true, "profile": "LIVE_AGENT", "inMeetingQueue": false,
        }));
        let input = json!({ "email": "new@agents.example", "profile": "CALENDAR_AGENT" });
        let changed = update(&test, &test.admin, &agent, input).await.data("/updateAgent");
        assert_eq!(changed["email"], "new@agents.example");
        assert_eq!((&changed["name"], &changed["profile"]), (&json!("New"), &json!("CALENDAR_AGENT")));
        let same = update(&test, &test.admin, &agent, json!({})).await.data("/updateAgent");
        assert_eq!(same, changed);
    }
}

on_both! {
    async fn an_address_belongs_to_one_agent(test: Test) {
        let grace = test.agent("Grace").await;
        let alan = test.agent("Alan").await;
        let input = json!({ "name": "Other", "email": "GRACE@agents.example" });
        assert_eq!(create(&test, &test.admin, input).await.code(), "CONFLICT");
        let taken = update(&test, &test.admin, &alan, json!({ "email": "grace@Agents.example" })).await;
        assert_eq!(taken.code(), "CONFLICT");
        // Its own, written otherwise, is no other's.
        let own = update(&test, &test.admin, &grace, json!({ "email": "GRACE@agents.example" })).await;
        assert_eq!(own.data("/updateAgent/email"), "GRACE@agents.example");
        let agents = test.admin("{ agents { nodes { email } } }", json!({})).await;
        assert_eq!(agents.data("/agents/nodes").as_array().unwrap().len(), 2);
    }
}

on_both! {
    async fn nobody_hands_out_more_than_they_have(test: Test) {
        let key = test.key(SALES).await;
        let input = |profile: &str| {
            json!({ "name": "New", "email": format!("{profile}@agents.example"), "profile": profile })
        };
        for profile in ["ADMIN", "MARKETING_ADMIN"] {
            assert_eq!(create(&test, &key, input(profile)).await.code(), "FORBIDDEN", "{profile}");
        }
        for profile in ["SALES_ADMIN", "MARKETING_USER", "LIVE_AGENT", "CALENDAR_AGENT"] {
            let made = create(&test, &key, input(profile)).await;
            assert_eq!(made.data("/createAgent/profile"), profile);
        }
        let agent = test.agent("Grace").await;
        let raised = update(&test, &key, &agent, json!({ "profile": "ADMIN" })).await;
        assert_eq!(raised.code(), "FORBIDDEN");
        // Nor takes the token of somebody who has more.
        update(&test, &test.admin, &agent, json!({ "profile": "ADMIN" })).await.data("/updateAgent");
        let query = "mutation($id: ID!) { issueAgentToken(agentId: $id, ttlMinutes: 5) { token } }";
        let refused = test.send(&key, query, json!({ "id": agent })).await;
        assert_eq!(refused.code(), "FORBIDDEN");
        // An agent who is an administrator still can't issue tokens: a key is needed.
        let token = test.token(&agent, 5).await;
        let refused = test.send(&token, query, json!({ "id": agent })).await;
        assert_eq!(refused.code(), "FORBIDDEN");
    }
}

on_both! {
    async fn a_deactivated_agent_is_out_of_everything(test: Test) {
        let agent = test.bookable_agent("Grace").await;
        let (booking, _) = test.booked(&agent, "2027-01-05T09:00:00Z", "ada@visitors.example").await;
        let token = test.token(&agent, 60).await;
        let route = json!({ "agentId": agent });
        assert_eq!(test.starts(route.clone(), "2027-01-06").await.len(), 16);
        let changed = update(&test, &test.admin, &agent, json!({ "active": false })).await;
        let changed = changed.data("/updateAgent");
        assert_eq!((&changed["active"], &changed["inMeetingQueue"]), (&json!(false), &json!(false)));
        for route in [route.clone(), Value::Null] {
            assert_eq!(test.starts(route.clone(), "2027-01-06").await, Vec::<String>::new());
            let refused = test.book(route, "2027-01-06T09:00:00Z", "eve@visitors.example").await;
            assert_eq!(refused.data("/bookMeeting/__typename"), "SlotUnavailable");
        }
        let refused = test.send(&token, "{ viewer { kind } }", json!({})).await;
        assert_eq!((refused.status, refused.code()), (401, "UNAUTHENTICATED"));
        let query = "mutation($id: ID!) { issueAgentToken(agentId: $id, ttlMinutes: 5) { token } }";
        let refused = test.admin(query, json!({ "id": agent })).await;
        assert_eq!((refused.code(), refused.field()), ("BAD_USER_INPUT", "agentId"));
        // History is kept.
        let query = "query($id: ID!) { booking(id: $id) { status agent { name active } } }";
        let kept = test.admin(query, json!({ "id": booking })).await.data("/booking");
        assert_eq!(kept, json!({ "status": "CONFIRMED", "agent": { "name": "Grace", "active": false } }));
        update(&test, &test.admin, &agent, json!({ "active": true })).await.data("/updateAgent");
        assert_eq!(test.starts(route, "2027-01-06").await.len(), 16);
    }
}

on_both! {
    async fn blocks_are_put_in_order_and_replace_the_former(test: Test) {
        let agent = test.agent("Grace").await;
        let block = |day: &str, start: &str, end: &str| json!({ "dayOfWeek": day, "start": start, "end": end });
        let given = json!([
            block("SUNDAY", "00:00", "24:00"), block("MONDAY", "14:00", "17:30"),
            block("MONDAY", "09:00", "14:00"), block("TUESDAY", "09:05", "09:10"),
        ]);
        let answer = test.set_availability(&agent, json!({ "blocks": given, "timeZone": "Europe/Paris" })).await;
        let availability = answer.data("/setMeetingAvailability/meetingAvailability");
        assert_eq!(availability["timeZone"], "Europe/Paris");
        assert_eq!(availability["blocks"], json!([given[2], given[1], given[3], given[0]]));
        let answer = test.set_availability(&agent, json!({ "bufferMinutes": 10 })).await;
        let kept = answer.data("/setMeetingAvailability/meetingAvailability");
        assert_eq!(kept["blocks"], availability["blocks"]);
        assert_eq!((&kept["timeZone"], &kept["bufferMinutes"]), (&json!("Europe/Paris"), &json!(10)));
        let answer = test.set_availability(&agent, json!({ "blocks": [given[0]] })).await;
        let blocks = answer.data("/setMeetingAvailability/meetingAvailability/blocks");
        assert_eq!(blocks, json!([given[0]]));
        // Twelve a day, each touching the next.
        let twelve: Vec<Value> = (0..12)
            .map(|hour| block("FRIDAY", &format!("{:02}:00", 2 * hour), &format!("{:02}:00", 2 * hour + 2)))
            .collect();
        let answer = test.set_availability(&agent, json!({ "blocks": twelve })).await;
        let blocks = answer.data("/setMeetingAvailability/meetingAvailability/blocks");
        assert_eq!(blocks, json!(twelve));
    }
}

on_both! {
    async fn the_interval_follows_the_duration_until_it_is_set(test: Test) {
        let agent = test.bookable_agent("Grace").await;
        let set = async |input: Value| {
            let answer = test.set_availability(&agent, input).await;
            let a = answer.data("/setMeetingAvailability/meetingAvailability");
            (a["durationMinutes"].as_i64().unwrap(), a["slotIntervalMinutes"].as_i64().unwrap())
        };
        assert_eq!(set(json!({ "durationMinutes": 60 })).await, (60, 60));
        assert_eq!(test.starts(json!({ "agentId": agent }), "2027-01-05").await.len(), 8);
        assert_eq!(set(json!({ "slotIntervalMinutes": 15 })).await, (60, 15));
        assert_eq!(test.starts(json!({ "agentId": agent }), "2027-01-05").await.len(), 29);
        assert_eq!(set(json!({ "durationMinutes": 30 })).await, (30, 15));
    }
}

on_both! {
    async fn numbers_are_taken_up_to_their_bounds(test: Test) {
        let agent = test.agent("Grace").await;
        for (field, least, most) in [
            ("durationMinutes", 5, 480),
            ("bufferMinutes", 0, 240),
            ("slotIntervalMinutes", 5, 480),
            ("minimumNoticeMinutes", 0, 43_200),
            ("horizonDays", 1, 730),
        ] {
            for good in [least, most] {
                let answer = test.set_availability(&agent, json!({ field: good })).await;
                let pointer = format!("/setMeetingAvailability/meetingAvailability/{field}");
                assert_eq!(answer.data(&pointer), good);
            }
            for bad in [least - 1, most + 1] {
                let answer = test.set_availability(&agent, json!({ field: bad })).await;
                let expected = ("BAD_USER_INPUT", format!("input.{field}"));
                assert_eq!((answer.code(), answer.field().to_owned()), expected);
            }
        }
    }
}

const OVERRIDES: &str = "dateOverrides { id date note blocks { start end } }";

on_both! {
    async fn date_overrides_replace_the_day(test: Test) {
        let agent = test.bookable_agent("Grace").await;
        let set = async |date: &str, blocks: Value, note: Value| {
            let query = format!("mutation($input: SetDateOverrideInput!) {{
                setDateOverride(input: $input) {{ {OVERRIDES} }} }}");
            let input = json!({ "agentId": agent, "date": date, "blocks": blocks, "note": note });
            test.admin(&query, json!({ "input": input })).await.data("/setDateOverride/dateOverrides")
        };
        let route = json!({ "agentId": agent });
        let morning = json!([{ "start": "10:00", "end": "12:00" }]);
        set("2027-01-06", json!([]), json!("Holiday")).await;
        let all = set("2027-01-05", morning.clone(), Value::Null).await;
        assert_eq!(all, json!([
            { "id": all[0]["id"], "date": "2027-01-05", "note": null, "blocks": morning },
            { "id": all[1]["id"], "date": "2027-01-06", "note": "Holiday", "blocks": [] },
        ]));
        assert_eq!(test.starts(route.clone(), "2027-01-05").await.len(), 4);
        assert_eq!(test.starts(route.clone(), "2027-01-06").await.len(), 0);
        assert_eq!(test.starts(route.clone(), "2027-01-07").await.len(), 16);
        // Set again: the same override, with other blocks.
        let again = set("2027-01-06", morning.clone(), Value::Null).await;
        assert_eq!(again[1], json!({ "id": all[1]["id"], "date": "2027-01-06", "note": null, "blocks": morning }));
        // A Saturday, which has no weekly blocks.
        set("2027-01-09", morning.clone(), Value::Null).await;
        assert_eq!(test.starts(route.clone(), "2027-01-09").await.len(), 4);
        let dates = async |arguments: &str| {
            let query = format!("query($id: ID!) {{ agent(id: $id) {{ dateOverrides{arguments} {{ date }} }} }}");
            let found = test.admin(&query, json!({ "id": agent })).await.data("/agent/dateOverrides");
            let days = found.as_array().unwrap().iter();
            days.map(|day| day["date"].as_str().unwrap()[8..].to_owned()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(dates("").await, "05 06 09");
        assert_eq!(dates("(from: \"2027-01-06\")").await, "06 09");
        assert_eq!(dates("(to: \"2027-01-06\")").await, "05 06");
        assert_eq!(dates("(from: \"2027-01-06\", to: \"2027-01-06\")").await, "06");
        assert_eq!(dates("(from: \"2027-01-07\", to: \"2027-01-06\")").await, "");
        let remove = "mutation($id: ID!) {
            removeDateOverride(agentId: $id, date: \"2027-01-06\") { dateOverrides { date } } }";
        let left = test.admin(remove, json!({ "id": agent })).await;
        assert_eq!(left.data("/removeDateOverride/dateOverrides").as_array().unwrap().len(), 2);
        assert_eq!(test.starts(route, "2027-01-06").await.len(), 16);
        assert_eq!(test.admin(remove, json!({ "id": agent })).await.code(), "NOT_FOUND");
    }
}

on_both! {
    async fn a_node_is_found_by_its_id(test: Test) {
        use sea_orm::ConnectionTrait;
        let agent = test.bookable_agent("Grace").await;
        let (booking, _) = test.booked(&agent, "2027-01-05T09:00:00Z", "ada@visitors.example").await;
        let query = "mutation($a: ID!) {
            setDateOverride(input: { agentId: $a, date: \"2027-02-01\", blocks: [] }) {
                calendar { id } dateOverrides { id } }
            createBusyTime(input: { agentId: $a, startsAt: \"2027-01-07T09:00:00Z\",
                endsAt: \"2027-01-07T10:00:00Z\" }) { id } }";
        let made = test.admin(query, json!({ "a": agent })).await.data("");
        let query = "mutation($a: ID!, $keys: PushKeysInput!) {
            createTeam(input: { name: \"Sales\", memberIds: [$a] }) { id }
            createAccount(input: { name: \"Acme\", domains: [\"acme.example\"], ownerId: $a }) { id }
            createRoutingRule(input: { name: \"All\", agentIds: [$a], condition: {
                test: { field: PERSON_EMAIL, operator: CONTAINS, values: [\"@\"] } } }) { id }
            createWebhook(input: { url: \"https://hooks.example/\", events: [BOOKING_CREATED] }) {
                webhook { id } }
            registerPushSubscription(input: {
                agentId: $a, endpoint: \"https://push.example/1\", keys: $keys }) { id }
            setLiveChatOverride(input: { agentId: $a, status: AVAILABLE }) { id }
            blockVisitors(input: { domains: [\"spam.example\"] }) { blocked { id } }
            requestLiveChat(input: {}) { ... on LiveChatOffered { request { id offers { id } } } } }";
        let keys = json!({
            "p256dh": "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
            "auth": "BTBZMqHH6r4Tts7J_aSIgg",
        });
        let more = test.admin(query, json!({ "a": agent, "keys": keys })).await.data("");
        let sql = "UPDATE outbox SET state = 'FAILED'";
        test.app.db.execute_unprepared(sql).await.unwrap();
        let failed = test.admin("{ failedDeliveries { nodes { id } } }", json!({})).await;
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let nodes = [
            ("Agent", agent.clone()),
            ("Booking", booking),
            ("CalendarConnection", text(&made["setDateOverride"]["calendar"]["id"])),
            ("DateOverride", text(&made["setDateOverride"]["dateOverrides"][0]["id"])),
            ("BusyTime", text(&made["createBusyTime"]["id"])),
            ("Delivery", text(&failed.data("/failedDeliveries/nodes/0/id"))),
            ("Team", text(&more["createTeam"]["id"])),
            ("Account", text(&more["createAccount"]["id"])),
            ("RoutingRule", text(&more["createRoutingRule"]["id"])),
            ("Webhook", text(&more["createWebhook"]["webhook"]["id"])),
            ("PushRegistration", text(&more["registerPushSubscription"]["id"])),
            ("LiveChatRequest", text(&more["requestLiveChat"]["request"]["id"])),
            ("BlockedVisitor", text(&more["blockVisitors"]["blocked"][0]["id"])),
            ("LiveChatOffer", text(&more["requestLiveChat"]["request"]["offers"][0]["id"])),
        ];
        let of_administrators = ["Delivery", "Team", "Account", "RoutingRule", "Webhook", "BlockedVisitor"];
        let kinds = test.admin("{ __type(name: \"Node\") { possibleTypes { name } } }", json!({})).await;
        assert_eq!(kinds.data("/__type/possibleTypes").as_array().unwrap().len(), nodes.len());
        let own = test.token(&agent, 60).await;
        let other = test.token(&test.agent("Alan").await, 60).await;
        let query = "query($id: ID!) { node(id: $id) { __typename id } }";
        for (kind, id) in nodes {
            let found = test.admin(query, json!({ "id": id })).await.data("/node");
            assert_eq!(found, json!({ "__typename": kind, "id": id }));
            let own = test.send(&own, query, json!({ "id": id })).await.data("/node");
            assert_eq!(own.is_null(), of_administrators.contains(&kind), "{kind} for the agent itself");
            let other = test.send(&other, query, json!({ "id": id })).await.data("/node");
            assert_eq!(other.is_null(), kind != "Agent", "{kind} for another agent");
            // The same row's number under another kind names nothing.
            let number = id.split_once('_').unwrap().1;
            for wrong in [format!("key_{number}"), id.to_uppercase(), format!("{id} "), String::new()] {
                let found = test.admin(query, json!({ "id": wrong })).await.data("/node");
                assert_eq!(found, Value::Null, "{wrong}");
            }
        }
    }
}

on_both! {
    async fn a_calendar_puts_the_agent_into_the_queue_and_takes_it_out(test: Test) {
        let agent = test.agent("Grace").await;
        let queue = async || {
            let query = "query($id: ID!) { agent(id: $id) { inMeetingQueue } }";
            test.admin(query, json!({ "id": agent })).await.data("/agent/inMeetingQueue") == true
        };
        test.connect(&agent, "builtin").await.data("");
        assert!(!queue().await, "no block yet");
        let block = json!([{ "dayOfWeek": "MONDAY", "start": "09:00", "end": "10:00" }]);
        test.set_availability(&agent, json!({ "blocks": block })).await.data("");
        assert!(queue().await);
        let disconnect = "mutation($id: ID!) { disconnectCalendar(agentId: $id) { calendar { id } } }";
        let gone = test.admin(disconnect, json!({ "id": agent })).await;
        assert_eq!(gone.data("/disconnectCalendar/calendar"), Value::Null);
        assert!(!queue().await);
        assert_eq!(test.admin(disconnect, json!({ "id": agent })).await.code(), "NOT_FOUND");
        test.connect(&agent, "builtin").await.data("");
        test.set_availability(&agent, json!({ "blocks": [] })).await.data("");
        assert!(!queue().await);
    }
}

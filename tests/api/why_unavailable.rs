//! Why a slot is missing: what stands in its way, to those who may know, and nothing where it is free.

use chrono::{DateTime, TimeDelta, Utc};
use frontdesk::service::access::Profile;
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};

use crate::on_both;
use crate::support::{Answer, Test};

const QUERY: &str = "query($agent: ID!, $at: DateTime!) {
    whyUnavailable(agentId: $agent, at: $at) { available slot { startsAt endsAt } reasons {
        kind message block { date start end } dateOverride { date note } earliest latest neighbours
        conflict { startsAt endsAt source title booking { id } } } } }";

async fn ask(test: &Test, bearer: &str, agent: &str, at: &str) -> Answer {
    test.send(bearer, QUERY, json!({ "agent": agent, "at": at })).await
}

async fn why(test: &Test, agent: &str, at: &str) -> Value {
    ask(test, &test.admin, agent, at).await.data("/whyUnavailable")
}

/// The one reason there is.
#[track_caller]
fn only(why: &Value, kind: &str) -> Value {
    let reasons = why["reasons"].as_array().unwrap();
    let kinds: Vec<&Value> = reasons.iter().map(|reason| &reason["kind"]).collect();
    assert_eq!(kinds, [kind], "{why:#}");
    assert_eq!(why["available"], false);
    assert_eq!(why["slot"], Value::Null);
    reasons[0].clone()
}

fn says(reason: &Value, words: &str) {
    let message = reason["message"].as_str().unwrap();
    assert!(message.contains(words), "{message}");
}

/// An agent in Paris with a buffer, notice and a horizon: 9:00 to 17:00 on weekdays, half an hour each.
async fn agent(test: &Test) -> String {
    let agent = test.bookable_agent("Grace").await;
    let input = json!({ "timeZone": "Europe/Paris", "bufferMinutes": 15, "horizonDays": 30,
        "minimumNoticeMinutes": 120 });
    test.set_availability(&agent, input).await.data("");
    agent
}

async fn busy(test: &Test, agent: &str, from: &str, to: &str, title: &str) {
    let query = "mutation($input: CreateBusyTimeInput!) { createBusyTime(input: $input) { id } }";
    let input = json!({ "agentId": agent, "startsAt": from, "endsAt": to, "title": title });
    test.admin(query, json!({ "input": input })).await.data("");
}

on_both! {
    async fn each_reason_is_told(test: Test) {
        let agent = agent(&test).await;
        let free = why(&test, &agent, "2027-01-05T09:00:00Z").await;
        let slot = json!({ "startsAt": "2027-01-05T09:00:00Z", "endsAt": "2027-01-05T09:30:00Z" });
        assert_eq!(free, json!({ "available": true, "slot": slot, "reasons": [] }));

        only(&why(&test, &agent, "2027-01-04T07:30:00Z").await, "PAST");
        let notice = only(&why(&test, &agent, "2027-01-04T09:30:00Z").await, "NOTICE");
        assert_eq!(notice["earliest"], "2027-01-04T10:00:00Z");
        says(&notice, "2 hours of notice");
        says(&notice, "Monday 4 January 2027, 11:00 (Europe/Paris)");
        let horizon = only(&why(&test, &agent, "2027-02-08T09:00:00Z").await, "HORIZON");
        assert_eq!(horizon["latest"], "2027-02-03T08:00:00Z");
        let evening = only(&why(&test, &agent, "2027-01-05T17:00:00Z").await, "OUT_OF_HOURS");
        let block = json!({ "date": "2027-01-05", "start": "09:00", "end": "17:00" });
        assert_eq!(evening["block"], block);
        says(&evening, "Tuesday 5 January 2027, 09:00 – 17:00 (Europe/Paris)");
        let off_grid = only(&why(&test, &agent, "2027-01-05T09:10:00Z").await, "OFF_GRID");
        let starts = json!(["2027-01-05T09:00:00Z", "2027-01-05T09:30:00Z"]);
        assert_eq!(off_grid["neighbours"], starts);

        let set = "mutation($id: ID!) { setDateOverride(input: { agentId: $id, date: \"2027-01-06\",
            blocks: [{ start: \"10:00\", end: \"11:00\" }], note: \"Dentist\" }) { id } }";
        test.admin(set, json!({ "id": agent })).await.data("");
        let overridden = only(&why(&test, &agent, "2027-01-06T13:00:00Z").await, "DATE_OVERRIDE");
        assert_eq!(overridden["dateOverride"], json!({ "date": "2027-01-06", "note": "Dentist" }));
        assert_eq!(overridden["block"]["end"], "11:00");

        busy(&test, &agent, "2027-01-07T10:00:00Z", "2027-01-07T11:00:00Z", "Lunch").await;
        let busy = only(&why(&test, &agent, "2027-01-07T10:30:00Z").await, "BUSY");
        assert_eq!(busy["conflict"], json!({ "startsAt": "2027-01-07T10:00:00Z",
            "endsAt": "2027-01-07T11:00:00Z", "source": "CALENDAR", "title": "Lunch", "booking": null }));
        says(&busy, "“Lunch”");
        let buffer = only(&why(&test, &agent, "2027-01-07T11:00:00Z").await, "BUFFER");
        assert_eq!(buffer["conflict"]["title"], "Lunch");
        says(&buffer, "15 minutes");
        let (booking, _) = test.booked(&agent, "2027-01-08T09:00:00Z", "ada@visitors.example").await;
        let met = only(&why(&test, &agent, "2027-01-08T09:00:00Z").await, "BUSY");
        assert_eq!(met["conflict"]["source"], "BOOKING");
        assert_eq!(met["conflict"]["booking"]["id"], booking);
        let near = only(&why(&test, &agent, "2027-01-08T09:30:00Z").await, "BUFFER");
        assert_eq!(near["conflict"]["booking"]["id"], booking);
    }
}

on_both! {
    async fn what_ails_the_agent_or_its_calendar_comes_first(test: Test) {
        let agent = agent(&test).await;
        let at = "2027-01-05T09:00:00Z";
        let bare = test.agent("Bare").await;
        let kinds = async |agent: &str, at: &str| -> Vec<String> {
            let why = why(&test, agent, at).await;
            assert_eq!(why["available"], false);
            let reasons = why["reasons"].as_array().unwrap().iter();
            reasons.map(|reason| reason["kind"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(kinds(&bare, at).await, ["NO_CALENDAR", "NO_BLOCKS"]);
        for (status, kind) in [
            ("REAUTHENTICATION_REQUIRED", "CALENDAR_NEEDS_REAUTHENTICATION"),
            ("UNREACHABLE", "CALENDAR_UNREACHABLE"),
        ] {
            let sql = format!("UPDATE calendar_connections SET status = '{status}'");
            test.app.db.execute_unprepared(&sql).await.unwrap();
            assert_eq!(kinds(&agent, at).await, [kind]);
        }
        let sql = "UPDATE calendar_connections SET status = 'CONNECTED'";
        test.app.db.execute_unprepared(sql).await.unwrap();
        assert_eq!(why(&test, &agent, at).await["available"], true);
        let query = "mutation($id: ID!) { updateAgent(input: { agentId: $id, active: false }) { id } }";
        test.admin(query, json!({ "id": agent })).await.data("");
        assert_eq!(kinds(&agent, at).await, ["INACTIVE"]);
        assert_eq!(kinds(&agent, "2027-02-20T03:10:00Z").await, ["INACTIVE", "HORIZON", "OUT_OF_HOURS"]);
    }
}

on_both! {
    async fn titles_notes_and_bookings_are_for_those_who_may_see_them(test: Test) {
        let agent = agent(&test).await;
        busy(&test, &agent, "2027-01-07T10:00:00Z", "2027-01-07T11:00:00Z", "Interview").await;
        test.booked(&agent, "2027-01-08T09:00:00Z", "ada@visitors.example").await;
        let set = "mutation($id: ID!) { setDateOverride(input: { agentId: $id, date: \"2027-01-06\",
            blocks: [], note: \"Dentist\" }) { id } }";
        test.admin(set, json!({ "id": agent })).await.data("");
        let own = test.token(&agent, 60).await;
        let marketing = test.key(Profile::MarketingUser).await;
        let sales = test.key(Profile::SalesAdmin).await;
        for (bearer, sees_private, sees_booking) in
            [(&own, true, true), (&marketing, false, false), (&sales, true, true)]
        {
            let met = ask(&test, bearer, &agent, "2027-01-07T10:00:00Z").await;
            let met = only(&met.data("/whyUnavailable"), "BUSY");
            assert_eq!(met["conflict"]["title"] == "Interview", sees_private);
            assert_eq!(met["message"].as_str().unwrap().contains("Interview"), sees_private);
            let off = ask(&test, bearer, &agent, "2027-01-06T10:00:00Z").await;
            let off = only(&off.data("/whyUnavailable"), "DATE_OVERRIDE");
            assert_eq!(off["dateOverride"]["note"] == "Dentist", sees_private);
            let booked = ask(&test, bearer, &agent, "2027-01-08T09:00:00Z").await;
            let booked = only(&booked.data("/whyUnavailable"), "BUSY");
            assert_eq!(booked["conflict"]["booking"].is_object(), sees_booking);
            assert_eq!(booked["conflict"]["source"], "BOOKING");
        }
        let other = test.token(&test.agent("Alan").await, 60).await;
        let at = "2027-01-08T09:00:00Z";
        assert_eq!(ask(&test, &other, &agent, at).await.code(), "FORBIDDEN");
        assert_eq!(ask(&test, "", &agent, at).await.code(), "UNAUTHENTICATED");
    }
}

on_both! {
    async fn what_can_t_be_read_is_refused(test: Test) {
        let agent = agent(&test).await;
        for at in ["", "tomorrow", "2027-01-05", "2027-01-05T09:00:00", "99999-01-01T00:00:00Z"] {
            let answer = ask(&test, &test.admin, &agent, at).await;
            assert_eq!((answer.code(), answer.field()), ("BAD_USER_INPUT", "at"), "{at}");
        }
        for id in ["", "agt_1", "agt_00000000000000000000000000000000"] {
            let answer = ask(&test, &test.admin, id, "2027-01-05T09:00:00Z").await;
            assert_eq!(answer.code(), "NOT_FOUND", "{id}");
        }
        // Far away on either side, and to the nanosecond.
        for at in ["1970-01-01T00:00:00Z", "9998-12-31T23:59:59Z", "2027-01-05T09:00:00.000000001Z"] {
            assert_eq!(why(&test, &agent, at).await["available"], false, "{at}");
        }
    }
}

on_both! {
    async fn it_says_what_slots_say(test: Test) {
        let agent = agent(&test).await;
        busy(&test, &agent, "2027-01-07T10:00:00Z", "2027-01-07T10:20:00Z", "Call").await;
        test.booked(&agent, "2027-01-07T13:00:00Z", "ada@visitors.example").await;
        let offered = test.starts(json!({ "agentId": agent }), "2027-01-07").await;
        assert!(!offered.is_empty());
        let mut at: DateTime<Utc> = "2027-01-07T07:00:00Z".parse().unwrap();
        let mut found = Vec::new();
        while at < "2027-01-07T17:00:00Z".parse::<DateTime<Utc>>().unwrap() {
            let text = at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
            let why = why(&test, &agent, &text).await;
            let none = why["reasons"].as_array().unwrap().is_empty();
            assert_eq!(why["available"], none, "{why:#}");
            if none {
                found.push(text);
            }
            at += TimeDelta::minutes(15);
        }
        assert_eq!(found, offered);
    }
}

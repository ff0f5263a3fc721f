//! Live-chat availability: the weekly blocks, and the toggle that ends by itself.

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::on_both;
use crate::support::Test;

const FIELDS: &str = "id liveChat { timeZone status scheduledStatus blocks { dayOfWeek start end }
    override { status setAt expiresAt } }";

async fn change(test: &Test, agent: &str, change: &str) -> Value {
    let query = format!("mutation($id: ID!) {{ change: {change} {{ {FIELDS} }} }}");
    test.admin(&query, json!({ "id": agent })).await.data("/change/liveChat")
}

async fn now(test: &Test, agent: &str) -> Value {
    let query = format!("query($id: ID!) {{ agent(id: $id) {{ {FIELDS} }} }}");
    test.admin(&query, json!({ "id": agent })).await.data("/agent/liveChat")
}

/// Blocks from 9 to 12 and 14 to 17 on Monday and Tuesday.
async fn set_blocks(test: &Test, agent: &str, zone: &str) -> Value {
    let block = |day: &str, start: &str, end: &str| {
        format!("{{ dayOfWeek: {day}, start: \"{start}\", end: \"{end}\" }}")
    };
    let blocks = [
        block("MONDAY", "09:00", "12:00"),
        block("MONDAY", "14:00", "17:00"),
        block("TUESDAY", "09:00", "12:00"),
        block("TUESDAY", "14:00", "17:00"),
    ];
    let blocks = blocks.join(", ");
    let input = format!("agentId: $id, timeZone: \"{zone}\", blocks: [{blocks}]");
    change(test, agent, &format!("setLiveChatAvailability(input: {{ {input} }})")).await
}

async fn toggle(test: &Test, agent: &str, status: &str) -> Value {
    let set = format!("setLiveChatOverride(input: {{ agentId: $id, status: {status} }})");
    change(test, agent, &set).await
}

/// What holds, what the schedule says, and when the toggle ends; "-" for no toggle.
fn state(chat: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or("never").to_owned();
    let ends = match &chat["override"] {
        Value::Null => "-".to_owned(),
        kept => text(&kept["expiresAt"]),
    };
    format!("{} {} {ends}", text(&chat["status"]), text(&chat["scheduledStatus"]))
}

/// Sets the toggle at an instant, and looks when it ends, just before and at that end.
async fn check_toggle(test: &Test, agent: &str, at: &str, status: &str, ends: &str) {
    test.clock.set(at);
    let chat = toggle(test, agent, status).await;
    assert_eq!(chat["override"]["setAt"], at);
    assert_eq!(chat["override"]["expiresAt"], ends, "{status} set at {at}");
    assert_eq!(chat["status"], status);
    test.clock.set(ends);
    test.clock.advance(TimeDelta::milliseconds(-1));
    assert_eq!(now(test, agent).await["status"], status, "before {ends}");
    test.clock.advance(TimeDelta::milliseconds(1));
    let after = now(test, agent).await;
    assert_eq!(after["override"], Value::Null, "at {ends}");
    assert_eq!(after["status"], after["scheduledStatus"]);
}

on_both! {
    async fn the_weekly_blocks_hold_by_themselves(test: Test) {
        let agent = test.agent("Grace").await;
        let chat = now(&test, &agent).await;
        assert_eq!((state(&chat).as_str(), &chat["timeZone"]), ("UNAVAILABLE UNAVAILABLE -", &json!("UTC")));
        set_blocks(&test, &agent, "Europe/Paris").await;
        for (at, expected) in [
            ("2027-01-04T07:59:59.999Z", "UNAVAILABLE"),
            ("2027-01-04T08:00:00Z", "AVAILABLE"),
            ("2027-01-04T10:59:59.999Z", "AVAILABLE"),
            ("2027-01-04T11:00:00Z", "UNAVAILABLE"),
            ("2027-01-06T08:00:00Z", "UNAVAILABLE"),
            // After the clocks went forward on 28 March.
            ("2027-03-29T07:00:00Z", "AVAILABLE"),
        ] {
            test.clock.set(at);
            assert_eq!(now(&test, &agent).await["status"], expected, "{at}");
        }
    }
}

on_both! {
    async fn the_toggle_ends_at_the_next_block_or_midnight(test: Test) {
        let agent = test.agent("Grace").await;
        set_blocks(&test, &agent, "UTC").await;
        // Monday, 4 January.
        for (at, status, ends) in [
            ("2027-01-04T08:00:00Z", "AVAILABLE", "2027-01-04T09:00:00Z"),
            ("2027-01-04T08:00:00Z", "UNAVAILABLE", "2027-01-04T09:00:00Z"),
            // Set at a block's very start: that block does not end it.
            ("2027-01-04T09:00:00Z", "UNAVAILABLE", "2027-01-04T14:00:00Z"),
            ("2027-01-04T10:00:00Z", "AVAILABLE", "2027-01-04T14:00:00Z"),
            ("2027-01-04T15:00:00Z", "AVAILABLE", "2027-01-05T00:00:00Z"),
            ("2027-01-04T15:00:00Z", "UNAVAILABLE", "2027-01-05T09:00:00Z"),
            // Tuesday evening: no block until the next Monday.
            ("2027-01-05T18:00:00Z", "AVAILABLE", "2027-01-06T00:00:00Z"),
            ("2027-01-05T18:00:00Z", "UNAVAILABLE", "2027-01-11T09:00:00Z"),
            ("2027-01-06T00:00:00Z", "AVAILABLE", "2027-01-07T00:00:00Z"),
        ] {
            check_toggle(&test, &agent, at, status, ends).await;
        }
    }
}

on_both! {
    async fn midnight_is_that_of_the_agents_zone(test: Test) {
        let agent = test.agent("Grace").await;
        for (zone, at, status, ends) in [
            ("America/New_York", "2027-01-06T03:00:00Z", "AVAILABLE", "2027-01-06T05:00:00Z"),
            ("Asia/Kolkata", "2027-01-07T03:00:00Z", "AVAILABLE", "2027-01-07T18:30:00Z"),
            ("Pacific/Auckland", "2027-01-07T12:00:00Z", "AVAILABLE", "2027-01-08T11:00:00Z"),
            // The night on which Paris goes forward, and the night on which it goes back.
            ("Europe/Paris", "2027-03-27T23:30:00Z", "AVAILABLE", "2027-03-28T22:00:00Z"),
            ("Europe/Paris", "2027-03-28T20:00:00Z", "UNAVAILABLE", "2027-03-29T07:00:00Z"),
            ("Europe/Paris", "2027-10-30T22:30:00Z", "AVAILABLE", "2027-10-31T23:00:00Z"),
            ("Europe/Paris", "2027-10-31T21:00:00Z", "UNAVAILABLE", "2027-11-01T08:00:00Z"),
            // Santiago's 5 September 2027 has no midnight: it begins at 01:00.
            ("America/Santiago", "2027-09-04T20:00:00Z", "AVAILABLE", "2027-09-05T04:00:00Z"),
        ] {
            set_blocks(&test, &agent, zone).await;
            check_toggle(&test, &agent, at, status, ends).await;
        }
    }
}

on_both! {
    async fn without_blocks_only_available_ends(test: Test) {
        let agent = test.agent("Grace").await;
        let chat = toggle(&test, &agent, "UNAVAILABLE").await;
        assert_eq!(state(&chat), "UNAVAILABLE UNAVAILABLE never");
        test.clock.advance(TimeDelta::days(400));
        assert_eq!(state(&now(&test, &agent).await), "UNAVAILABLE UNAVAILABLE never");
        let chat = toggle(&test, &agent, "AVAILABLE").await;
        assert_eq!(state(&chat), "AVAILABLE UNAVAILABLE 2028-02-09T00:00:00Z");
    }
}

on_both! {
    async fn the_toggle_is_changed_and_cleared(test: Test) {
        let agent = test.agent("Grace").await;
        set_blocks(&test, &agent, "UTC").await;
        test.clock.set("2027-01-04T10:00:00Z");
        let chat = toggle(&test, &agent, "UNAVAILABLE").await;
        assert_eq!(state(&chat), "UNAVAILABLE AVAILABLE 2027-01-04T14:00:00Z");
        test.clock.set("2027-01-04T10:30:00Z");
        let chat = toggle(&test, &agent, "AVAILABLE").await;
        assert_eq!(state(&chat), "AVAILABLE AVAILABLE 2027-01-04T14:00:00Z");
        assert_eq!(chat["override"]["setAt"], "2027-01-04T10:30:00Z");
        let chat = change(&test, &agent, "clearLiveChatOverride(agentId: $id)").await;
        assert_eq!(state(&chat), "AVAILABLE AVAILABLE -");
        // Once more does no harm.
        let chat = change(&test, &agent, "clearLiveChatOverride(agentId: $id)").await;
        assert_eq!(state(&chat), "AVAILABLE AVAILABLE -");
    }
}

on_both! {
    async fn new_blocks_move_the_end_of_a_toggle_in_force(test: Test) {
        let agent = test.agent("Grace").await;
        set_blocks(&test, &agent, "UTC").await;
        test.clock.set("2027-01-04T10:00:00Z");
        toggle(&test, &agent, "UNAVAILABLE").await;
        test.clock.set("2027-01-04T11:00:00Z");
        let one = |start: &str| format!("setLiveChatAvailability(input: {{ agentId: $id, blocks: [
            {{ dayOfWeek: MONDAY, start: \"{start}\", end: \"18:00\" }}] }})");
        // A block that began since the toggle was set has not ended it.
        let chat = change(&test, &agent, &one("10:30")).await;
        assert_eq!(state(&chat), "UNAVAILABLE AVAILABLE 2027-01-11T10:30:00Z");
        let chat = change(&test, &agent, &one("13:00")).await;
        assert_eq!(state(&chat), "UNAVAILABLE UNAVAILABLE 2027-01-04T13:00:00Z");
        let none = "setLiveChatAvailability(input: { agentId: $id, blocks: [] })";
        assert_eq!(state(&change(&test, &agent, none).await), "UNAVAILABLE UNAVAILABLE never");
        // The zone alone moves it too, and one that has ended does not come back.
        toggle(&test, &agent, "AVAILABLE").await;
        let zone = "setLiveChatAvailability(input: { agentId: $id, timeZone: \"Asia/Tokyo\" })";
        let chat = change(&test, &agent, zone).await;
        assert_eq!(state(&chat), "AVAILABLE UNAVAILABLE 2027-01-04T15:00:00Z");
        test.clock.set("2027-01-04T15:00:00Z");
        let zone = "setLiveChatAvailability(input: { agentId: $id, timeZone: \"UTC\" })";
        assert_eq!(state(&change(&test, &agent, zone).await), "UNAVAILABLE UNAVAILABLE -");
    }
}

on_both! {
    async fn blocks_that_touch_are_kept_and_each_start_counts(test: Test) {
        let agent = test.agent("Grace").await;
        let touching = "setLiveChatAvailability(input: { agentId: $id, blocks: [
            { dayOfWeek: MONDAY, start: \"12:00\", end: \"24:00\" }
            { dayOfWeek: MONDAY, start: \"09:00\", end: \"12:00\" }] })";
        let chat = change(&test, &agent, touching).await;
        assert_eq!(chat["blocks"], json!([
            { "dayOfWeek": "MONDAY", "start": "09:00", "end": "12:00" },
            { "dayOfWeek": "MONDAY", "start": "12:00", "end": "24:00" },
        ]));
        check_toggle(&test, &agent, "2027-01-04T10:00:00Z", "UNAVAILABLE", "2027-01-04T12:00:00Z").await;
    }
}

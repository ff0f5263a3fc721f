//! What a provider is told when a connection ends here.

use chrono::TimeDelta;
use fake_oauth::Fault;
use serde_json::{Value, json};

use super::Office;
use crate::on_both;

on_both! {
    async fn another_account_takes_the_place_of_the_former(office: Office) {
        office.connected().await;
        office.watch().await;
        office.calendar.oauth.sign_in("new@example.com");
        office.connected().await;
        assert_eq!(office.seen().await["calendar"]["account"], "new@example.com");
        assert_eq!(office.test.count("calendar_connections").await, 1);
        assert_eq!(office.calendar.oauth.standing_grants("owner@example.com"), 1, "not before");
        office.test.deliver().await;
        assert_eq!(office.calendar.unwatched(), ["primary/w1"], "with its own credentials");
        assert_eq!(office.calendar.oauth.standing_grants("owner@example.com"), 0);
        assert_eq!(office.calendar.oauth.standing_grants("new@example.com"), 1);
        assert_eq!(office.ask().await, Ok(3));
    }

    async fn the_same_account_again_is_not_revoked(office: Office) {
        office.connected().await;
        office.connected().await;
        office.test.deliver().await;
        assert_eq!(office.calendar.oauth.counts().revocations, 0, "Google would end both");
        assert_eq!(office.ask().await, Ok(3));
        office.disconnect().await;
        office.test.deliver().await;
        assert_eq!(office.calendar.oauth.counts().revocations, 1);
    }

    async fn disconnecting_revokes_and_stops_push_and_keeps_bookings(office: Office) {
        office.connected().await;
        let booking = office.book().await;
        office.test.deliver().await;
        office.watch().await;
        // The access token has ended by then.
        office.advance(TimeDelta::hours(2));
        office.disconnect().await;
        assert_eq!(office.seen().await, json!({ "inMeetingQueue": false, "calendar": null }));
        office.calendar.oauth.inflict_next(1, Fault::Status(500));
        office.test.deliver().await;
        assert_eq!(office.calendar.oauth.counts().revocations, 0, "tried again later");
        office.advance(TimeDelta::minutes(1));
        office.test.deliver().await;
        assert_eq!(office.calendar.unwatched(), ["primary/w1"]);
        assert_eq!(office.calendar.oauth.standing_grants("owner@example.com"), 0);
        assert_eq!(office.event_status(&booking).await, "DELIVERED");
        assert_eq!(office.calendar.events().len(), 1, "the entry stays");
        let kept = "SELECT CAST(payload AS text) FROM outbox WHERE kind = 'CALENDAR_FAREWELL'";
        let kept: Value = serde_json::from_str(&office.test.texts(kept).await[0]).unwrap();
        assert_eq!(kept["credentials"], "", "what was sealed is gone");
    }

    async fn an_end_at_which_the_provider_falls_over_keeps_nothing_sealed(office: Office) {
        office.connected().await;
        office.watch().await;
        office.disconnect().await;
        office.watch_ends().await;
        office.calendar.fall_over();
        office.advance(TimeDelta::days(2));
        office.test.deliver().await;
        assert_eq!(office.test.texts("SELECT state FROM outbox").await, ["FAILED"]);
        let kept = office.test.texts("SELECT CAST(payload AS text) FROM outbox").await;
        let kept: Value = serde_json::from_str(&kept[0]).unwrap();
        assert_eq!(kept["credentials"], "");
    }

    async fn an_end_that_nobody_hears_is_given_up_quietly(office: Office) {
        office.connected().await;
        office.watch().await;
        office.calendar.break_down(true);
        office.disconnect().await;
        office.test.deliver().await;
        office.advance(TimeDelta::days(2));
        office.calendar.oauth.inflict(Fault::Status(503));
        office.watch_ends().await;
        office.test.deliver().await;
        let failed = office.test.admin("{ failedDeliveries { nodes { id } } }", json!({})).await;
        assert_eq!(failed.data("/failedDeliveries/nodes"), json!([]));
        assert_eq!(office.test.texts("SELECT state FROM outbox").await, ["DONE"]);
    }
}

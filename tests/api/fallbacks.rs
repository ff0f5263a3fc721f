//! What visitors are told when there is nothing to book: the organisation's words in their language.

use frontdesk::service::fallback::{Fallback, Kind, message};
use serde_json::{Value, json};

use crate::on_both;
use crate::support::{Answer, Test};

async fn set(test: &Test, input: Value) -> Answer {
    let query = "mutation($input: SetFallbackMessageInput!) {
        setFallbackMessage(input: $input) { kind locale message offersMeeting } }";
    test.admin(query, json!({ "input": input })).await
}

async fn remove(test: &Test, kind: &str, locale: Value) -> Answer {
    let query = "mutation($kind: FallbackKind!, $locale: Locale) {
        removeFallbackMessage(kind: $kind, locale: $locale) }";
    test.admin(query, json!({ "kind": kind, "locale": locale })).await
}

async fn all(test: &Test) -> Value {
    let query = "{ fallbackMessages { kind locale message offersMeeting } }";
    test.admin(query, json!({})).await.data("/fallbackMessages")
}

/// What a visitor with this locale reads where there is nothing to book.
async fn told(test: &Test, locale: Value) -> Value {
    let query = "query($input: SlotsInput!) { slots(input: $input) { fallback { message } } }";
    let input = json!({ "from": "2027-01-05", "to": "2027-01-06", "timeZone": "UTC",
        "locale": locale });
    test.visitor(query, json!({ "input": input })).await.data("/slots/fallback/message")
}

const ENGLISH: &str = "No times are free in this period. Please try other dates.";

on_both! {
    async fn the_nearest_message_is_told(test: Test) {
        assert_eq!(told(&test, Value::Null).await, ENGLISH);
        assert_eq!(told(&test, json!("de")).await, ENGLISH, "what we do not write");
        assert!(told(&test, json!("fr-CA")).await.as_str().unwrap().starts_with("Aucun"));

        set(&test, json!({ "kind": "MEETING", "message": "Call us" })).await.data("");
        set(&test, json!({ "kind": "MEETING", "locale": "fr", "message": "Appelez" })).await.data("");
        set(&test, json!({ "kind": "MEETING", "locale": "FR-ca", "message": "Sonnez" })).await.data("");
        set(&test, json!({ "kind": "LIVE_CHAT", "locale": "de", "message": "Später" })).await.data("");
        for (locale, expected) in [
            (Value::Null, "Call us"),
            (json!("de"), "Call us"),
            (json!("fr"), "Appelez"),
            (json!("fr-BE"), "Appelez"),
            (json!("fr-Latn-BE"), "Appelez"),
            (json!("fr-CA"), "Sonnez"),
            (json!("fr_ca"), "Sonnez"),
            (json!("frr"), "Call us"),
        ] {
            assert_eq!(told(&test, locale.clone()).await, expected, "{locale}");
        }
        assert_eq!(remove(&test, "MEETING", json!("fr-CA")).await.data("/removeFallbackMessage"), true);
        assert_eq!(told(&test, json!("fr-CA")).await, "Appelez");
        assert_eq!(remove(&test, "MEETING", Value::Null).await.data("/removeFallbackMessage"), true);
        assert_eq!(remove(&test, "MEETING", Value::Null).await.data("/removeFallbackMessage"), false);
        assert_eq!(told(&test, json!("en")).await, ENGLISH);

        // With something to book there is nothing to tell.
        test.bookable_agent("Grace").await;
        let query = "query($input: SlotsInput!) { slots(input: $input) { fallback { message } } }";
        let input = json!({ "from": "2027-01-05", "to": "2027-01-06", "timeZone": "UTC" });
        let free = test.visitor(query, json!({ "input": input })).await;
        assert_eq!(free.data("/slots/fallback"), Value::Null);
    }
}

on_both! {
    async fn live_chats_have_their_own(test: Test) {
        let told = async |locale: &str| -> Fallback {
            message(&test.app, Kind::LiveChat, Some(locale)).await.unwrap()
        };
        let system = told("en").await;
        assert!(system.message.starts_with("Nobody") && !system.offers_meeting);
        assert!(told("fr").await.message.starts_with("Personne"));
        let input = json!({ "kind": "LIVE_CHAT", "message": "Let's meet\ninstead", "offersMeeting": true });
        let made = set(&test, input.clone()).await.data("/setFallbackMessage");
        let kept = json!({ "kind": "LIVE_CHAT", "locale": null, "message": "Let's meet\ninstead",
            "offersMeeting": true });
        assert_eq!(made, kept);
        assert_eq!(told("it").await, Fallback {
            message: "Let's meet\ninstead".to_owned(),
            offers_meeting: true,
        });
        set(&test, json!({ "kind": "MEETING", "locale": "fr", "message": "Appelez" })).await.data("");
        let mut replaced = input;
        replaced["offersMeeting"] = false.into();
        set(&test, replaced).await.data("");
        let all = all(&test).await;
        assert_eq!(all[0]["kind"], "MEETING");
        assert_eq!(all[1]["offersMeeting"], false);
        assert_eq!(all.as_array().map(Vec::len), Some(2));
    }
}

on_both! {
    async fn what_makes_no_sense_is_refused(test: Test) {
        set(&test, json!({ "kind": "MEETING", "message": "Call us" })).await.data("");
        let before = all(&test).await;
        for (change, field) in [
            (json!({ "message": "" }), "input.message"),
            (json!({ "message": " \n " }), "input.message"),
            (json!({ "message": "x".repeat(1001) }), "input.message"),
            (json!({ "message": "See https://evil.example/" }), "input.message"),
            (json!({ "message": "a\u{202e}b" }), "input.message"),
            (json!({ "locale": "not a language" }), "input.locale"),
            (json!({ "locale": "" }), "input.locale"),
            (json!({ "offersMeeting": true }), "input.offersMeeting"),
        ] {
            let mut input = json!({ "kind": "MEETING", "message": "New" });
            for (key, value) in change.as_object().unwrap() {
                input[key] = value.clone();
            }
            let answer = set(&test, input).await;
            assert_eq!((answer.code(), answer.field()), ("BAD_USER_INPUT", field), "{change}");
        }
        let answer = remove(&test, "MEETING", json!("not a language")).await;
        assert_eq!((answer.code(), answer.field()), ("BAD_USER_INPUT", "locale"));
        assert_eq!(all(&test).await, before);
        let query = "query($input: SlotsInput!) { slots(input: $input) { fallback { message } } }";
        let input = json!({ "from": "2027-01-05", "to": "2027-01-06", "timeZone": "UTC",
            "locale": "not a language" });
        let answer = test.visitor(query, json!({ "input": input })).await;
        assert_eq!((answer.code(), answer.field()), ("BAD_USER_INPUT", "input.locale"));
    }
}

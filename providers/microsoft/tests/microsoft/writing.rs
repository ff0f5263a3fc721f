//! Writing events: what is sent, what a lost answer leaves, and Teams.

use calendar_provider::{CalendarProvider, ErrorClass, EventHandle};
use fake_microsoft::{Fault, OutlookEvent};
use serde_json::Value;

use crate::outlook::{ADA, Kind, Outlook, day, draft, hour};

#[tokio::test]
async fn visitors_are_told_of_in_the_text_and_never_invited() {
    let outlook = Outlook::work().await;
    let receipt = outlook.put(&draft("1", hour(9))).await;
    assert_eq!(outlook.fake.invitations(ADA), 0);
    assert!(outlook.fake.html_of(ADA, &receipt.event_ref).contains("vic@visitor.example"));
    let sent = outlook.sent("POST", "/events");
    assert!(sent.get("attendees").is_none());
    assert_eq!(sent["start"]["timeZone"], "UTC");
}

#[tokio::test]
async fn every_request_prefers_immutable_ids_and_utc() {
    let outlook = Outlook::work().await;
    let mut event = draft("1", hour(9));
    event.conference_wanted = true;
    outlook.put(&event).await;
    outlook.provider.changes(&outlook.connection, None, day()).await.unwrap();
    outlook.provider.calendars(&outlook.connection).await.unwrap();
    for request in outlook.fake.requests() {
        let prefer = &request.prefer;
        let both = ["IdType=\"ImmutableId\"", "outlook.timezone=\"UTC\""];
        assert!(both.iter().all(|it| prefer.contains(it)), "{} {prefer}", request.uri);
    }
}

#[tokio::test]
async fn a_lost_answer_to_a_creation_makes_no_second_event() {
    let outlook = Outlook::work().await;
    outlook.fake.inflict_next("POST", "/events", Fault::AnswerLost);
    let event = draft("1", hour(9));
    let lost = outlook.provider.put_event(&outlook.connection, &event).await.unwrap_err();
    assert_eq!(lost.class(), ErrorClass::Transient);
    outlook.put(&event).await;
    assert_eq!(outlook.fake.find_by_property(ADA, "1").len(), 1);
}

/// Even where the mailbox does not find the event yet: the transaction ID is the same.
#[tokio::test]
async fn a_creation_that_can_not_be_found_yet_is_not_repeated() {
    let outlook = Outlook::work().await;
    let event = draft("1", hour(9));
    let first = outlook.put(&event).await;
    outlook.fake.inflict_next("GET", "$filter", Fault::Json(r#"{ "value": [] }"#));
    let mut moved = event.clone();
    moved.range = hour(11);
    let second = outlook.put(&moved).await;
    assert_eq!(first.event_ref, second.event_ref);
    assert_eq!(outlook.fake.find_by_property(ADA, "1").len(), 1);
    let stands = outlook.get("1").await.unwrap();
    assert_eq!(stands.range, moved.range);
}

#[tokio::test]
async fn an_event_is_made_again_though_its_transaction_id_was_used() {
    let outlook = Outlook::work().await;
    outlook.fake.keep_transactions();
    let event = draft("1", hour(9));
    let first = outlook.put(&event).await;
    outlook.fake.delete_event(ADA, &first.event_ref);
    let second = outlook.put(&event).await;
    assert_ne!(first.event_ref, second.event_ref);
    assert_eq!(outlook.fake.find_by_property(ADA, "1").len(), 1);
}

#[tokio::test]
async fn what_stands_as_drafted_is_not_written_again() {
    let outlook = Outlook::work().await;
    let mut event = draft("1", hour(9));
    event.conference_wanted = true;
    let first = outlook.put(&event).await;
    outlook.fake.forget_requests();
    let second = outlook.put(&event).await;
    assert_eq!(first, second);
    assert_eq!(outlook.fake.requests().len(), 1, "one look, and nothing else");
}

#[tokio::test]
async fn what_the_agent_changed_is_changed_back() {
    let outlook = Outlook::work().await;
    let event = draft("1", hour(9));
    let receipt = outlook.put(&event).await;
    outlook.fake.show_as(ADA, &receipt.event_ref, "free");
    assert!(!outlook.get("1").await.unwrap().busy);
    outlook.put(&event).await;
    assert!(outlook.get("1").await.unwrap().busy);
    let change = outlook.fake.requests().into_iter().rfind(|it| it.method == "PATCH").unwrap();
    assert!(change.if_match.is_some(), "a change made after a look says which look");
}

#[tokio::test]
async fn uids_that_differ_in_case_are_two_events() {
    let outlook = Outlook::work().await;
    outlook.put(&draft("booking-a", hour(9))).await;
    outlook.put(&draft("BOOKING-A", hour(11))).await;
    assert_eq!(outlook.get("booking-a").await.unwrap().range, hour(9));
    assert_eq!(outlook.get("BOOKING-A").await.unwrap().range, hour(11));
    outlook.put(&draft("o'clock", hour(13))).await;
    assert_eq!(outlook.get("o'clock").await.unwrap().range, hour(13));
}

#[tokio::test]
async fn an_event_follows_to_another_calendar_that_was_picked() {
    let outlook = Outlook::work().await;
    let mut event = draft("1", hour(9));
    let first = outlook.put(&event).await;
    let mut picked = outlook.connection.clone();
    picked.calendar_ref.clone_from(&outlook.other);
    event.event_ref = Some(first.event_ref.clone());
    let second = outlook.provider.put_event(&picked, &event).await.unwrap();
    assert_eq!(outlook.fake.find_by_property(ADA, "1"), [second.event_ref]);
    assert!(outlook.get("1").await.is_none());
}

#[tokio::test]
async fn an_event_that_the_agent_moved_elsewhere_can_be_deleted() {
    let outlook = Outlook::work().await;
    let receipt = outlook.put(&draft("1", hour(9))).await;
    outlook.fake.move_to_calendar(ADA, &receipt.event_ref, &outlook.other);
    assert!(outlook.get("1").await.is_none());
    let handle = EventHandle::new("1", Some(receipt.event_ref));
    outlook.provider.delete_event(&outlook.connection, &handle).await.unwrap();
    assert!(outlook.fake.find_by_property(ADA, "1").is_empty());
}

#[tokio::test]
async fn a_teams_link_may_come_later() {
    let outlook = Outlook::work().await;
    outlook.fake.hold_teams();
    let mut event = draft("1", hour(9));
    event.conference_wanted = true;
    let receipt = outlook.put(&event).await;
    assert!(receipt.conference_pending && receipt.conference_url.is_none());
    // Writing it meanwhile leaves what is being made.
    event.description = Some("About other prices".into());
    assert!(outlook.put(&event).await.conference_pending);
    outlook.fake.finish_teams();
    let receipt = outlook.put(&event).await;
    assert!(!receipt.conference_pending);
    assert!(receipt.conference_url.unwrap().as_str().starts_with("https://teams.microsoft.com/"));
}

#[tokio::test]
async fn a_new_text_keeps_the_teams_meeting() {
    let outlook = Outlook::work().await;
    let mut event = draft("1", hour(9));
    event.conference_wanted = true;
    let first = outlook.put(&event).await;
    event.description = Some("About <other> prices".into());
    let second = outlook.put(&event).await;
    assert_eq!(first.conference_url, second.conference_url);
    let html = outlook.fake.html_of(ADA, &second.event_ref);
    assert!(html.contains("About &lt;other&gt; prices"), "{html}");
    assert!(!html.contains("About prices"), "{html}");
    assert!(html.contains("me-email-headline"), "{html}");
}

/// The fake does as documented: this is what the provider must not do.
#[tokio::test]
async fn a_body_that_is_written_over_loses_the_meeting() {
    let outlook = Outlook::work().await;
    let mut event = draft("1", hour(9));
    event.conference_wanted = true;
    let receipt = outlook.put(&event).await;
    let url = format!("{}/me/events/{}", outlook.fake.graph_url(), receipt.event_ref);
    let body = serde_json::json!({ "body": { "contentType": "text", "content": "Gone" } });
    let token = outlook.fake.token_of(ADA).into();
    let method = calendar_http::http::Method::PATCH;
    let request =
        calendar_http::json_request(method, &url.parse().unwrap(), &token, Some(&body)).unwrap();
    let settings = calendar_http::Settings {
        network: calendar_http::Network::Any,
        ..calendar_http::Settings::default()
    };
    let http = calendar_http::HttpClient::new(settings).unwrap();
    let answer = http.send(request).await.unwrap();
    let changed: Value = calendar_http::read_json(&answer).unwrap();
    assert_eq!(changed["isOnlineMeeting"], false);
}

#[tokio::test]
async fn a_calendar_without_teams_takes_the_event_without_a_link() {
    let outlook = Outlook::start(Kind::Personal).await;
    let mut event = draft("1", hour(9));
    event.conference_wanted = true;
    let receipt = outlook.put(&event).await;
    assert!(receipt.conference_url.is_none() && !receipt.conference_pending);
}

#[tokio::test]
async fn a_calendar_that_is_shared_for_reading_takes_nothing() {
    let outlook = Outlook::work().await;
    let shared = outlook.fake.add_calendar(ADA, "Shared", false);
    let mut connection = outlook.connection.clone();
    connection.calendar_ref = shared;
    let refused = outlook.provider.put_event(&connection, &draft("1", hour(9))).await.unwrap_err();
    assert_eq!(refused.class(), ErrorClass::Permanent);
}

#[tokio::test]
async fn the_agents_own_copy_is_left_alone() {
    let outlook = Outlook::work().await;
    let receipt = outlook.put(&draft("1", hour(9))).await;
    let copy = OutlookEvent::new("Demo with Vic", hour(9).start(), hour(9).end());
    let copy = outlook.fake.add_event(ADA, &outlook.calendar, &copy);
    let handle = EventHandle::new("1", Some(receipt.event_ref));
    outlook.provider.delete_event(&outlook.connection, &handle).await.unwrap();
    let busy = outlook.provider.free_busy(&outlook.connection, day()).await.unwrap();
    assert_eq!(busy.len(), 1, "{copy} still stands");
}

//! What stands at Google after writing.

use calendar_provider::{CalendarProvider, ErrorClass, Participant};
use fake_google::{Fault, Meetings};

use crate::world::{ADA, World, day, draft, expect_error, handle, hours};

#[tokio::test]
async fn visitors_stand_in_the_event_and_google_mails_nobody() {
    let World { fake, google, connection } = World::new().await;
    let mut event = draft("one@desk.example", hours(9, 10));
    event.attendees = vec![Participant::new(Some("Vic".into()), "vic@visitor.example")];
    event.location = Some("Room 4".into());
    let receipt = google.put_event(&connection, &event).await.unwrap();
    let stands = fake.event(ADA, &receipt.event_ref).unwrap();
    assert_eq!(stands["attendees"][0]["email"], "vic@visitor.example");
    assert_eq!(stands["location"], "Room 4");
    event.location = None;
    google.put_event(&connection, &event).await.unwrap();
    assert!(fake.event(ADA, &receipt.event_ref).unwrap().get("location").is_none());
    google.delete_event(&connection, &handle(&event.uid)).await.unwrap();
    assert_eq!(fake.invitations(), Vec::<String>::new());
}

#[tokio::test]
async fn a_write_whose_answer_was_lost_makes_no_second_event() {
    let World { fake, google, connection } = World::new().await;
    let event = draft("one@desk.example", hours(9, 10));
    fake.inflict_next(1, Fault::AnswerLost);
    expect_error(google.put_event(&connection, &event).await, ErrorClass::Transient);
    assert_eq!(fake.standing_events(ADA), 1);
    google.put_event(&connection, &event).await.unwrap();
    assert_eq!(fake.standing_events(ADA), 1);
}

#[tokio::test]
async fn an_event_that_google_has_forgotten_is_made_anew() {
    let World { fake, google, connection } = World::new().await;
    let mut event = draft("one@desk.example", hours(9, 10));
    let receipt = google.put_event(&connection, &event).await.unwrap();
    event.event_ref = Some(receipt.event_ref.clone());
    fake.purge_event(ADA, &receipt.event_ref);
    google.put_event(&connection, &event).await.unwrap();
    assert_eq!(fake.standing_events(ADA), 1);
}

#[tokio::test]
async fn an_event_that_was_written_is_changed_by_one_request() {
    let World { fake, google, connection } = World::new().await;
    let mut event = draft("one@desk.example", hours(9, 10));
    event.event_ref = Some(google.put_event(&connection, &event).await.unwrap().event_ref);
    let before = fake.requests().len();
    event.range = hours(11, 12);
    google.put_event(&connection, &event).await.unwrap();
    let made: Vec<_> = fake.requests()[before..].iter().map(|it| it.method).collect();
    assert_eq!(made, ["calendar.events.patch"]);
}

#[tokio::test]
async fn an_event_made_a_whole_day_by_hand_reads_so_and_is_set_right() {
    let World { fake, google, connection } = World::new().await;
    let event = draft("one@desk.example", hours(9, 10));
    let id = google.put_event(&connection, &event).await.unwrap().event_ref;
    let days = serde_json::json!({
        "start": { "date": "2031-05-05" }, "end": { "date": "2031-05-06" },
    });
    fake.change_event(ADA, &id, days);
    let stands = google.get_event(&connection, &handle(&event.uid)).await.unwrap().unwrap();
    // London is an hour ahead of UTC in May.
    assert_eq!(stands.range, hours(-1, 23));
    google.put_event(&connection, &event).await.unwrap();
    let stands = google.get_event(&connection, &handle(&event.uid)).await.unwrap().unwrap();
    assert_eq!(stands.range, hours(9, 10));
}

#[tokio::test]
async fn a_copy_made_by_hand_is_not_taken_for_ours() {
    let World { fake, google, connection } = World::new().await;
    let event = draft("one@desk.example", hours(9, 10));
    let id = google.put_event(&connection, &event).await.unwrap().event_ref;
    let mut copy = fake.event(ADA, &id).unwrap();
    for own in ["id", "iCalUID"] {
        copy.as_object_mut().unwrap().remove(own);
    }
    let copy = fake.add_event(ADA, copy);
    let changes = google.changes(&connection, None, day()).await.unwrap();
    for change in changes.events {
        let calendar_provider::Change::Present(snapshot) = change else { panic!("{change:?}") };
        let ours = snapshot.uid.as_deref() == Some("one@desk.example");
        assert_eq!(ours, snapshot.event_ref != copy, "{snapshot:?}");
    }
}

#[tokio::test]
async fn a_meeting_can_be_pending_or_fail_or_not_be_allowed() {
    let mut event = draft("one@desk.example", hours(9, 10));
    event.conference_wanted = true;

    let World { fake, google, connection } = World::new().await;
    fake.set_meetings(Meetings::Later);
    let first = google.put_event(&connection, &event).await.unwrap();
    assert!(first.conference_pending && first.conference_url.is_none());
    let second = google.put_event(&connection, &event).await.unwrap();
    assert!(!second.conference_pending && second.conference_url.is_some());

    for meetings in [Meetings::Fail, Meetings::NotAllowed] {
        let World { fake, google, connection } = World::new().await;
        fake.set_meetings(meetings);
        let receipt = google.put_event(&connection, &event).await.unwrap();
        assert!(!receipt.conference_pending && receipt.conference_url.is_none(), "{meetings:?}");
        assert_eq!(fake.standing_events(ADA), 1, "the meeting stands all the same");
    }
}

#[tokio::test]
async fn a_calendar_of_somebody_else_is_not_writable() {
    let World { fake, google, mut connection } = World::new().await;
    for (id, role) in [("w@group", "writer"), ("r@group", "reader"), ("o@group", "owner")] {
        fake.add_calendar(ADA, id, id, role);
    }
    fake.set_page_limit(1);
    fake.hide_calendar(ADA, ADA);
    let listed = google.calendars(&connection).await.unwrap();
    let told: Vec<_> =
        listed.iter().map(|it| (it.calendar_ref.as_str(), it.primary, it.writable)).collect();
    let expected = [
        (ADA, true, true),
        ("w@group", false, false),
        ("r@group", false, false),
        ("o@group", false, true),
    ];
    assert_eq!(told, expected);
    connection.calendar_ref = "r@group".into();
    let written = google.put_event(&connection, &draft("one@desk.example", hours(9, 10))).await;
    assert!(written.is_err());
}

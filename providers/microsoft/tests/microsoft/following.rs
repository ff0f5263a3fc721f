//! Reading and following: what Graph tells in a way of its own.

use calendar_provider::{CalendarProvider, Change, ErrorClass, ProviderError, TimeRange};
use chrono::TimeDelta;
use fake_microsoft::{Fault, Occurrence, OutlookEvent};

use crate::outlook::{ADA, Kind, Outlook, day, draft, hour};

fn event(hour: TimeRange) -> OutlookEvent {
    OutlookEvent::new("Outside", hour.start(), hour.end())
}

/// 09:00 to 10:00 on this day and the next two.
fn three_days() -> Vec<Occurrence> {
    let one = |number: u32| {
        let shift = TimeDelta::days(number.into());
        let (start, end) = (hour(9).start() + shift, hour(9).end() + shift);
        Occurrence { number, start, end, dates: None, moved: false }
    };
    (0..3).map(one).collect()
}

fn week() -> TimeRange {
    TimeRange::lasting(day().start(), TimeDelta::days(7)).unwrap()
}

#[tokio::test]
async fn what_an_event_is_shown_as_decides_in_every_way_of_reading() {
    for (shown_as, response, cancelled, busy) in [
        ("free", "organizer", false, false),
        ("workingElsewhere", "organizer", false, false),
        ("tentative", "organizer", false, true),
        ("busy", "organizer", false, true),
        ("oof", "organizer", false, true),
        ("unknown", "organizer", false, true),
        ("tentative", "notResponded", false, true),
        ("busy", "accepted", false, true),
        ("busy", "declined", false, false),
        ("busy", "accepted", true, false),
    ] {
        for kind in [Kind::Default, Kind::Second] {
            let outlook = Outlook::start(kind).await;
            let mut event = event(hour(9));
            event.show_as = shown_as.into();
            event.response = response.into();
            event.cancelled = cancelled;
            outlook.fake.add_event(ADA, &outlook.calendar, &event);
            let told = outlook.provider.free_busy(&outlook.connection, day()).await.unwrap();
            assert_eq!(!told.is_empty(), busy, "{shown_as} {response} {cancelled} {kind:?}");
            let changes = outlook.provider.changes(&outlook.connection, None, day()).await.unwrap();
            let Change::Present(snapshot) = &changes.events[0] else { panic!("it is there") };
            assert_eq!(snapshot.busy, busy, "{shown_as} {response} {cancelled} in a delta");
        }
    }
}

#[tokio::test]
async fn free_busy_is_one_round_trip_whatever_calendars_count() {
    let outlook = Outlook::work().await;
    outlook.fake.add_event(ADA, &outlook.calendar, &event(hour(9)));
    outlook.fake.add_event(ADA, &outlook.other, &event(hour(11)));
    let mut connection = outlook.connection.clone();
    for number in 0..6 {
        let id = outlook.fake.add_calendar(ADA, &format!("Calendar {number}"), true);
        connection.also_busy.push(id);
    }
    connection.also_busy.push(outlook.other.clone());
    let busy = outlook.provider.free_busy(&connection, day()).await.unwrap();
    let mut ranges: Vec<_> = busy.iter().map(|it| it.range).collect();
    ranges.sort_unstable();
    assert_eq!(ranges, [hour(9), hour(11)]);
    assert_eq!(outlook.fake.requests().len(), 1);
}

#[tokio::test]
async fn one_part_of_a_batch_that_fails_fails_it_all() {
    let outlook = Outlook::work().await;
    let mut connection = outlook.connection.clone();
    connection.also_busy = vec![outlook.other.clone()];
    for (fault, class) in [
        (Fault::Throttled(9), ErrorClass::RateLimited),
        (Fault::Status(503, "ServiceUnavailable"), ErrorClass::Transient),
        (Fault::Status(404, "ErrorItemNotFound"), ErrorClass::NotFound),
        (Fault::Status(401, "InvalidAuthenticationToken"), ErrorClass::Unauthorized),
    ] {
        outlook.fake.inflict_next("GET", &outlook.other[..12], fault);
        let error = outlook.provider.free_busy(&connection, day()).await.unwrap_err();
        assert_eq!(error.class(), class);
    }
    assert!(outlook.provider.free_busy(&connection, day()).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_batch_is_read_to_its_last_page() {
    let outlook = Outlook::start(Kind::Second).await;
    outlook.fake.set_page_size(2);
    for number in 0..7 {
        outlook.fake.add_event(ADA, &outlook.calendar, &event(hour(number)));
    }
    let mut connection = outlook.connection.clone();
    connection.also_busy = vec![outlook.other.clone()];
    assert_eq!(outlook.provider.free_busy(&connection, day()).await.unwrap().len(), 7);
}

#[tokio::test]
async fn free_busy_that_can_not_be_worked_out_is_no_free_time() {
    let outlook = Outlook::work().await;
    for (code, class) in [
        ("ErrorMailRecipientNotFound", ErrorClass::NotFound),
        ("ErrorFreeBusyGenerationFailed", ErrorClass::Transient),
    ] {
        outlook.fake.set_schedule_error(Some(code));
        let error = outlook.provider.free_busy(&outlook.connection, day()).await.unwrap_err();
        assert_eq!(error.class(), class);
    }
}

#[tokio::test]
async fn never_more_than_four_requests_are_under_way() {
    let outlook = Outlook::start(Kind::Second).await;
    let mut reads = tokio::task::JoinSet::new();
    for _ in 0..32 {
        let (provider, connection) = (outlook.provider.clone(), outlook.connection.clone());
        reads.spawn(async move { provider.free_busy(&connection, day()).await });
    }
    for read in reads.join_all().await {
        read.unwrap();
    }
    let most = outlook.fake.most_at_once();
    assert!((1..=4).contains(&most), "{most} at once");
}

#[tokio::test]
async fn a_spent_quota_is_a_rate_limit_until_its_window_ends() {
    let outlook = Outlook::work().await;
    outlook.fake.clock().advance(TimeDelta::minutes(10));
    outlook.fake.set_quota(Some(2));
    for _ in 0..2 {
        outlook.provider.free_busy(&outlook.connection, day()).await.unwrap();
    }
    let error = outlook.provider.free_busy(&outlook.connection, day()).await.unwrap_err();
    let ProviderError::RateLimited { retry_after, .. } = error else { panic!("{error:?}") };
    assert_eq!(retry_after, Some(TimeDelta::minutes(10)));
    outlook.fake.clock().advance(TimeDelta::minutes(10));
    assert!(outlook.provider.free_busy(&outlook.connection, day()).await.is_ok());
}

#[tokio::test]
async fn all_pages_of_a_round_are_read() {
    let outlook = Outlook::work().await;
    outlook.fake.set_page_size(3);
    for number in 0..10 {
        outlook.fake.add_event(ADA, &outlook.calendar, &event(hour(number)));
    }
    let changes = outlook.provider.changes(&outlook.connection, None, day()).await.unwrap();
    assert_eq!(changes.events.len(), 10);
    outlook.fake.add_event(ADA, &outlook.calendar, &event(hour(12)));
    let since = Some(&changes.next);
    let later = outlook.provider.changes(&outlook.connection, since, day()).await.unwrap();
    assert_eq!(later.events.len(), 1);
}

#[tokio::test]
async fn an_occurrence_that_changed_alone_is_told_alone() {
    let outlook = Outlook::work().await;
    let mut made = event(hour(9));
    made.show_as = "oof".into();
    let id = outlook.fake.add_series(ADA, &outlook.calendar, &made, &three_days());
    let first = outlook.provider.changes(&outlook.connection, None, week()).await.unwrap();
    let [Change::Series { series_ref, occurrences }] = &first.events[..] else {
        panic!("{:?}", first.events)
    };
    assert_eq!((series_ref, occurrences.len()), (&id, 3));
    // Of an occurrence the delta tells only when it is: the rest is its series'.
    assert!(occurrences.iter().all(|it| it.busy && it.title.as_deref() == Some("Outside")));

    outlook.fake.move_occurrence(ADA, &id, 1, hour(15).start(), hour(15).end());
    let moved =
        outlook.provider.changes(&outlook.connection, Some(&first.next), week()).await.unwrap();
    let [Change::Present(snapshot)] = &moved.events[..] else { panic!("{:?}", moved.events) };
    assert_eq!(snapshot.range, hour(15));
    assert_eq!(snapshot.series_ref.as_deref(), Some(&*id));

    outlook.fake.delete_occurrence(ADA, &id, 1);
    let gone =
        outlook.provider.changes(&outlook.connection, Some(&moved.next), week()).await.unwrap();
    assert_eq!(gone.events, [Change::Gone { event_ref: snapshot.event_ref.clone() }]);
}

#[tokio::test]
async fn a_series_that_goes_while_it_is_told_is_gone() {
    let outlook = Outlook::work().await;
    let first = outlook.provider.changes(&outlook.connection, None, week()).await.unwrap();
    let id = outlook.fake.add_series(ADA, &outlook.calendar, &event(hour(9)), &three_days());
    outlook.fake.inflict_next("GET", "instances", Fault::Status(404, "ErrorItemNotFound"));
    let told =
        outlook.provider.changes(&outlook.connection, Some(&first.next), week()).await.unwrap();
    assert_eq!(told.events, [Change::Gone { event_ref: id }]);
}

#[tokio::test]
async fn an_event_without_length_blocks_nothing() {
    let outlook = Outlook::work().await;
    let id = outlook.fake.add_event(ADA, &outlook.calendar, &event(hour(9)));
    let first = outlook.provider.changes(&outlook.connection, None, day()).await.unwrap();
    outlook.fake.move_event(ADA, &id, hour(9).start(), hour(9).start());
    let told =
        outlook.provider.changes(&outlook.connection, Some(&first.next), day()).await.unwrap();
    assert_eq!(told.events, [Change::Gone { event_ref: id }]);
}

#[tokio::test]
async fn an_id_stays_when_its_event_moves_to_another_calendar_and_back() {
    let outlook = Outlook::work().await;
    let receipt = outlook.put(&draft("1", hour(9))).await;
    outlook.fake.move_to_calendar(ADA, &receipt.event_ref, &outlook.other);
    outlook.fake.move_to_calendar(ADA, &receipt.event_ref, &outlook.calendar);
    assert_eq!(outlook.get("1").await.unwrap().event_ref, receipt.event_ref);
}

#[tokio::test]
async fn whole_days_of_a_zone_that_only_the_mailbox_knows_block_wherever_they_could_be() {
    let outlook = Outlook::start(Kind::Second).await;
    let mut made = event(day());
    made.dates = Some(("2031-05-05".parse().unwrap(), "2031-05-06".parse().unwrap()));
    made.zone = "tzone://Microsoft/Custom".into();
    outlook.fake.add_event(ADA, &outlook.calendar, &made);
    let busy = outlook.provider.free_busy(&outlook.connection, day()).await.unwrap();
    assert_eq!(busy[0].range.length(), TimeDelta::hours(24 + 14 + 12));
}

//! What every agent can do whose calendar is connected in the vendor's own pages.

use chrono::TimeDelta;
use fake_oauth::Consent;
use serde_json::{Value, json};
use url::Url;

use super::oauth::{Connected, Entry, OTHER, OWNER, SETTINGS, Vendor, Which};
use super::{AT_10, AT_11, AT_14, instant};

pub(super) async fn what_the_agent_unticks_is_named<V: Vendor>(office: Connected<V>) {
    let Connected { desk, vendor, .. } = &office;
    desk.disconnect().await;
    vendor.oauth().remove_access(OWNER);
    let (scope, words) = V::NEEDED;
    vendor.oauth().set_consent(Consent::Untick(vec![scope.to_owned()]));
    let shown = office.connect().await;
    assert_eq!(shown.location, None);
    assert!(shown.text.contains(words), "{}", shown.text);
    assert_eq!(desk.standing().await, (false, "NONE".into()));
    vendor.oauth().set_consent(Consent::Untick(vec![V::OPTIONAL.to_owned()]));
    assert_eq!(office.connect().await.status, 200);
    desk.test.sync().await;
    assert_eq!(desk.standing().await, (true, "CONNECTED".into()));
}

pub(super) async fn an_outside_event_blocks_as_soon_as_it_is_told<V: Vendor>(office: Connected<V>) {
    let Connected { desk, vendor, .. } = &office;
    assert_eq!(office.read_what_is_told().await, 0);
    vendor.add_event(Which::Main, instant(AT_10));
    assert!(desk.offers(AT_10).await);
    assert_eq!(desk.try_to_book(AT_10).await["__typename"], "SlotUnavailable");
    assert_eq!(office.read_what_is_told().await, 1, "no time has passed");
    assert!(!desk.offers(AT_10).await && desk.offers(AT_11).await);
}

pub(super) async fn an_event_that_is_not_told_blocks_after_the_next_look<V: Vendor>(
    mut office: Connected<V>,
) {
    office.read_what_is_told().await;
    office.way = None;
    office.vendor.add_event(Which::Main, instant(AT_10));
    assert_eq!(office.read_what_is_told().await, 0);
    office.advance(TimeDelta::minutes(15));
    assert_eq!(office.desk.test.sync().await, 1);
    assert!(!office.desk.offers(AT_10).await);
}

pub(super) async fn a_booking_stands_there_with_its_link<V: Vendor>(office: Connected<V>) {
    let Connected { desk, vendor, .. } = &office;
    let id = office.delivered(AT_10).await;
    let entries = office.entries().await;
    let [entry] = entries.as_slice() else { panic!("{entries:?}") };
    assert_eq!(entry.start, instant(AT_10));
    let link = entry.link.clone().expect("a link");
    assert!(link.starts_with(V::LINK), "{link}");
    let booking = desk.booking(&id).await;
    assert_eq!(booking["conference"], json!({ "kind": V::CONFERENCE, "joinUrl": link }));
    assert_eq!(booking["calendarEvent"]["status"], "DELIVERED");
    assert_eq!(booking["calendarEvent"]["drift"], Value::Null);
    let mails = desk.mails_to_visitor();
    let [mail] = mails.as_slice() else { panic!("{mails:?}") };
    assert!(mail.matches(&link).count() >= 2, "in words and in the invitation: {mail}");

    desk.reschedule(&id, AT_14).await;
    let moved = Entry { start: instant(AT_14), ..entry.clone() };
    assert_eq!(office.entries().await, [moved]);
    assert_eq!(office.drift(&id).await, Value::Null);
    assert!(desk.offers(AT_10).await && !desk.offers(AT_14).await);
    let mails = desk.mails_to_visitor();
    assert!(mails.len() == 1 && mails[0].contains(&link), "{mails:?}");

    desk.cancel(&id).await;
    assert_eq!(office.entries().await, []);
    assert_eq!(office.drift(&id).await, Value::Null);
    assert!(desk.offers(AT_14).await);
    assert_eq!(vendor.invitations(), 0, "the visitor is told once");
}

pub(super) async fn a_mail_waits_for_a_link_that_is_pending<V: Vendor>(office: Connected<V>) {
    let Connected { desk, vendor, .. } = &office;
    vendor.hold_links();
    let id = office.delivered(AT_10).await;
    assert_eq!(desk.mails_to_visitor(), Vec::<String>::new());
    assert_eq!(desk.booking(&id).await["conference"], Value::Null);
    vendor.make_links();
    office.advance(TimeDelta::seconds(60));
    desk.test.deliver().await;
    let booking = desk.booking(&id).await;
    let link = booking["conference"]["joinUrl"].as_str().expect("a link").to_owned();
    let mails = desk.mails_to_visitor();
    assert!(mails.len() == 1 && mails[0].contains(&link), "{link}: {mails:?}");
    let entries = office.entries().await;
    assert_eq!(entries.iter().map(|it| it.link.as_deref()).collect::<Vec<_>>(), [Some(&*link)]);
}

pub(super) async fn a_lost_answer_makes_no_second_entry<V: Vendor>(office: Connected<V>) {
    let Connected { desk, vendor, .. } = &office;
    let id = desk.book(AT_10).await;
    vendor.lose_next_answer();
    desk.test.deliver().await;
    assert_eq!(desk.booking(&id).await["calendarEvent"]["status"], "PENDING");
    assert_eq!(office.entries().await.len(), 1, "it was carried out");
    office.advance(TimeDelta::seconds(60));
    desk.test.deliver().await;
    let entries = office.entries().await;
    let [Entry { link: Some(link), .. }] = entries.as_slice() else { panic!("{entries:?}") };
    assert_eq!(desk.booking(&id).await["conference"]["joinUrl"], *link);
    let mails = desk.mails_to_visitor();
    assert!(mails.len() == 1 && mails[0].contains(link), "{mails:?}");
}

pub(super) async fn it_is_still_told_after_two_weeks<V: Vendor>(office: Connected<V>) {
    let Connected { desk, vendor, .. } = &office;
    for _ in 0..14 * 4 {
        office.advance(TimeDelta::hours(6));
        office.read_what_is_told().await;
    }
    assert_eq!(desk.standing().await, (true, "CONNECTED".into()));
    assert_eq!((vendor.channels(), desk.mails_to_agent().len()), (1, 0));
    assert!(vendor.oauth().counts().refreshes > 0);
    let later = "2027-01-19T10:00:00Z";
    assert!(desk.offers(later).await);
    vendor.add_event(Which::Main, instant(later));
    assert_eq!(office.read_what_is_told().await, 1);
    assert!(!desk.offers(later).await);
}

pub(super) async fn another_account_takes_its_place<V: Vendor>(office: Connected<V>) {
    let Connected { desk, vendor, .. } = &office;
    let id = office.delivered(AT_10).await;
    vendor.add_event(Which::Main, instant(AT_11));
    office.read_what_is_told().await;
    vendor.oauth().sign_in(OTHER);
    assert_eq!(office.connect().await.status, 200);
    desk.test.deliver().await;
    office.read_what_is_told().await;
    assert_eq!(desk.standing().await, (true, "CONNECTED".into()));
    assert_eq!(desk.calendar().await["account"], OTHER);
    assert_eq!(vendor.channels(), 1, "the former one has ended");
    assert_eq!(vendor.oauth().counts().revocations, usize::from(V::REVOKES));
    assert!(!desk.offers(AT_10).await, "the meeting stands");
    assert!(desk.offers(AT_11).await, "nobody reads the former calendar");
    assert_eq!(desk.booking(&id).await["calendarEvent"]["drift"], Value::Null);
    assert_eq!(office.entries().await.len(), 2);
}

pub(super) async fn what_is_moved_by_hand_is_undone_or_accepted<V: Vendor>(office: Connected<V>) {
    let Connected { desk, vendor, .. } = &office;
    let id = office.delivered(AT_10).await;
    desk.test.mails.drain();
    let entry = office.entries().await.remove(0);
    vendor.move_event(&entry.id, instant(AT_14));
    let moved = json!({ "kind": "MOVED", "startsAt": AT_14 });
    assert_eq!(office.drift(&id).await, moved);
    assert_eq!(desk.booking(&id).await["startsAt"], AT_10);
    office.resolve("undoCalendarEventDrift", &id).await;
    assert_eq!(office.entries().await, std::slice::from_ref(&entry));
    assert_eq!(office.drift(&id).await, Value::Null);
    assert_eq!(desk.mails_to_visitor(), Vec::<String>::new());

    vendor.move_event(&entry.id, instant(AT_14));
    assert_eq!(office.drift(&id).await, moved);
    office.resolve("acceptCalendarEventDrift", &id).await;
    assert_eq!(desk.booking(&id).await["startsAt"], AT_14);
    assert_eq!(desk.mails_to_visitor().len(), 1);
    assert_eq!(office.entries().await[0].start, instant(AT_14));
    assert_eq!(office.drift(&id).await, Value::Null);

    vendor.delete_event(&entry.id);
    assert_eq!(office.drift(&id).await["kind"], "DELETED");
    office.resolve("undoCalendarEventDrift", &id).await;
    let entries = office.entries().await;
    assert!(entries.len() == 1 && entries[0].start == instant(AT_14), "{entries:?}");
    assert_eq!(office.drift(&id).await, Value::Null);

    vendor.delete_event(&entries[0].id);
    assert_eq!(office.drift(&id).await["kind"], "DELETED");
    office.resolve("acceptCalendarEventDrift", &id).await;
    assert_eq!(desk.booking(&id).await["status"], "CANCELLED");
    assert_eq!(desk.booking(&id).await["calendarEvent"]["status"], "DELIVERED");
    assert_eq!(office.entries().await, []);
}

pub(super) async fn the_agent_picks_among_the_accounts_calendars<V: Vendor>(
    office: Connected<V>,
    main: &str,
) {
    let Connected { desk, vendor, .. } = &office;
    assert_eq!(office.select("Holidays", &[]).await.code(), "BAD_USER_INPUT");
    office.select("Team", &[main]).await.data("/selectCalendar/id");
    assert!(!desk.standing().await.0, "what was not read is not known");
    office.read_what_is_told().await;
    assert_eq!(desk.standing().await, (true, "CONNECTED".into()));
    assert_eq!(vendor.channels(), 2);
    vendor.add_event(Which::Main, instant(AT_10));
    vendor.add_event(Which::Team, instant(AT_11));
    office.read_what_is_told().await;
    assert!(!desk.offers(AT_10).await && !desk.offers(AT_11).await);
    assert_eq!(desk.try_to_book(AT_10).await["__typename"], "SlotUnavailable");
    office.delivered(AT_14).await;
    let starts: Vec<_> = vendor.entries(Which::Team).await.iter().map(|it| it.start).collect();
    assert_eq!(starts, [instant(AT_11), instant(AT_14)]);
    assert_eq!(office.entries().await.len(), 1);

    // And back, by itself alone.
    office.select(main, &[]).await.data("/selectCalendar/id");
    desk.test.deliver().await;
    office.read_what_is_told().await;
    assert_eq!(vendor.channels(), 1);
    assert!(!desk.offers(AT_10).await && desk.offers(AT_11).await);
}

pub(super) async fn who_revokes_is_out_until_it_is_mended<V: Vendor>(office: Connected<V>) {
    let Connected { desk, vendor, .. } = &office;
    let before = office.delivered(AT_10).await;
    let undelivered = desk.book(AT_11).await;
    desk.test.mails.drain();
    vendor.oauth().remove_access(OWNER);
    office.advance(TimeDelta::minutes(16));
    desk.test.sync().await;
    assert_eq!(desk.standing().await, (false, "REAUTHENTICATION_REQUIRED".into()));
    assert_eq!(desk.try_to_book(AT_14).await["__typename"], "SlotUnavailable");
    desk.test.deliver().await;
    desk.test.deliver().await;
    let link = |text: &String| {
        let link = text.split_whitespace().find(|word| word.contains("/oauth/mend/"))?;
        link.parse::<Url>().ok()
    };
    let links: Vec<_> = desk.mails_to_agent().iter().filter_map(link).collect();
    let [link] = links.as_slice() else { panic!("{links:?}") };
    assert_eq!(desk.booking(&undelivered).await["calendarEvent"]["status"], "PENDING");

    let shown = office.follow(link).await;
    assert_eq!(shown.location.unwrap().as_str(), format!("{SETTINGS}?calendar=connected"));
    desk.test.deliver().await;
    office.read_what_is_told().await;
    assert_eq!(desk.standing().await, (true, "CONNECTED".into()));
    assert_eq!(desk.booking(&undelivered).await["calendarEvent"]["status"], "DELIVERED");
    let starts: Vec<_> = office.entries().await.iter().map(|it| it.start).collect();
    assert_eq!(starts, [instant(AT_10), instant(AT_11)]);
    for id in [&before, &undelivered] {
        assert_eq!(office.drift(id).await, Value::Null);
    }
    // It is told of changes again.
    vendor.add_event(Which::Main, instant(AT_14));
    assert_eq!(office.read_what_is_told().await, 1);
    assert!(!desk.offers(AT_14).await);
}

pub(super) async fn disconnecting_ends_channels_and_tokens<V: Vendor>(office: Connected<V>) {
    let Connected { desk, vendor, .. } = &office;
    let id = office.delivered(AT_10).await;
    assert_eq!(vendor.channels(), 1);
    desk.disconnect().await;
    assert_eq!(desk.standing().await, (false, "NONE".into()));
    assert_eq!(vendor.channels(), 0);
    assert_eq!(vendor.oauth().counts().revocations, usize::from(V::REVOKES));
    assert_eq!(desk.booking(&id).await["status"], "CONFIRMED");
    assert_eq!(office.entries().await.len(), 1, "the entry stays");
}

/// The tests of a vendor: the name of its connected office, and of the calendar that is connected first.
macro_rules! journeys {
    ($office:ident, $main:expr) => {
        $crate::on_both! {
            async fn what_the_agent_unticks_is_named(office: $office) {
                journeys::what_the_agent_unticks_is_named(office).await;
            }

            async fn an_outside_event_blocks_as_soon_as_it_is_told(office: $office) {
                journeys::an_outside_event_blocks_as_soon_as_it_is_told(office).await;
            }

            async fn an_event_that_is_not_told_blocks_after_the_next_look(office: $office) {
                journeys::an_event_that_is_not_told_blocks_after_the_next_look(office).await;
            }

            async fn a_booking_stands_there_with_its_link(office: $office) {
                journeys::a_booking_stands_there_with_its_link(office).await;
            }

            async fn a_mail_waits_for_a_link_that_is_pending(office: $office) {
                journeys::a_mail_waits_for_a_link_that_is_pending(office).await;
            }

            async fn a_lost_answer_makes_no_second_entry(office: $office) {
                journeys::a_lost_answer_makes_no_second_entry(office).await;
            }

            async fn it_is_still_told_after_two_weeks(office: $office) {
                journeys::it_is_still_told_after_two_weeks(office).await;
            }

            async fn another_account_takes_its_place(office: $office) {
                journeys::another_account_takes_its_place(office).await;
            }

            async fn what_is_moved_by_hand_is_undone_or_accepted(office: $office) {
                journeys::what_is_moved_by_hand_is_undone_or_accepted(office).await;
            }

            async fn the_agent_picks_among_the_accounts_calendars(office: $office) {
                journeys::the_agent_picks_among_the_accounts_calendars(office, $main).await;
            }

            async fn who_revokes_is_out_until_it_is_mended(office: $office) {
                journeys::who_revokes_is_out_until_it_is_mended(office).await;
            }

            async fn disconnecting_ends_channels_and_tokens(office: $office) {
                journeys::disconnecting_ends_channels_and_tokens(office).await;
            }
        }
    };
}
pub(super) use journeys;

//! Calendars elsewhere: what stands in them blocks slots, and what is booked stands in them.

use calendar_provider::EventSnapshot;
use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::on_both;
use crate::support::calendar::REMOTE;
use crate::support::office::{Office, VISITOR};

const AT_10: &str = "2027-01-05T10:00:00Z";
const AT_11: &str = "2027-01-05T11:00:00Z";
const LINK: &str = "https://meet.google.example/abc";

impl Office {
    /// How many times are known from calendars elsewhere.
    async fn known(&self) -> usize {
        self.test.count("busy_intervals WHERE sync_id IS NOT NULL").await
    }
}

on_both! {
    async fn an_entry_made_elsewhere_blocks_its_time(office: Office) {
        office.calendar.put(&office.agent, "lunch", AT_10, 30);
        assert!(office.offers(AT_10).await, "it is not known yet");
        assert_eq!(office.poll().await, 1);
        assert!(!office.offers(AT_10).await);
        assert!(office.offers(AT_11).await);

        office.calendar.put(&office.agent, "lunch", AT_11, 30);
        office.poll().await;
        assert!(office.offers(AT_10).await);
        assert!(!office.offers(AT_11).await);

        office.calendar.remove(&office.agent, "lunch");
        office.poll().await;
        assert!(office.offers(AT_11).await);
        assert_eq!(office.known().await, 0);
    }

    async fn an_entry_that_blocks_nobody_is_left_out(office: Office) {
        office.calendar.put(&office.agent, "walk", AT_10, 30);
        office.calendar.put(&office.agent, "long ago", "2026-12-05T10:00:00Z", 30);
        office.calendar.put(&office.agent, "far ahead", "2029-12-05T10:00:00Z", 30);
        office.poll().await;
        assert_eq!(office.known().await, 1);
        let start = AT_10.parse().unwrap();
        let range = calendar_provider::TimeRange::lasting(start, TimeDelta::minutes(30)).unwrap();
        let mut walk = EventSnapshot::new("walk", range);
        walk.busy = false;
        office.calendar.put_event_of(&office.agent, walk);
        office.poll().await;
        assert!(office.offers(AT_10).await);
        assert_eq!(office.known().await, 0);
    }

    async fn a_repeating_event_is_exactly_its_occurrences(office: Office) {
        let each_day = |hour: u32| -> Vec<String> {
            (5..9).map(|day| format!("2027-01-{day:02}T{hour:02}:00:00Z")).collect()
        };
        office.calendar.put_series(&office.agent, "standup", &each_day(10), 30);
        office.poll().await;
        assert!(!office.offers(AT_10).await && !office.offers("2027-01-08T10:00:00Z").await);
        assert_eq!(office.known().await, 4);
        office.calendar.put_series(&office.agent, "standup", &each_day(11)[..2], 30);
        office.poll().await;
        assert!(office.offers(AT_10).await && office.offers("2027-01-08T11:00:00Z").await);
        assert!(!office.offers(AT_11).await && !office.offers("2027-01-06T11:00:00Z").await);
        office.calendar.remove(&office.agent, "standup");
        office.poll().await;
        assert_eq!(office.known().await, 0);
    }

    async fn what_was_missed_under_an_expired_cursor_is_made_up(office: Office) {
        office.calendar.put(&office.agent, "lunch", AT_10, 30);
        office.poll().await;
        office.calendar.remove(&office.agent, "lunch");
        office.calendar.put(&office.agent, "dinner", AT_11, 30);
        office.calendar.expire_cursors();
        office.poll().await;
        assert!(office.offers(AT_10).await);
        assert!(!office.offers(AT_11).await);
        let looks = office.calendar.calls("changes");
        office.poll().await;
        assert_eq!(office.calendar.calls("changes"), looks + 1, "it goes on from the new cursor");
    }

    async fn only_what_is_busy_raises_the_revision(office: Office) {
        office.calendar.put(&office.agent, "lunch", AT_10, 30);
        let before = office.revision().await;
        office.poll().await;
        let after = office.revision().await;
        assert_eq!(after, before + 1);
        let synced = office.last_synced_at().await;
        office.poll().await;
        let start = AT_10.parse().unwrap();
        let range = calendar_provider::TimeRange::lasting(start, TimeDelta::minutes(30)).unwrap();
        let mut lunch = EventSnapshot::new("lunch", range);
        lunch.title = Some("Lunch".to_owned());
        office.calendar.put_event_of(&office.agent, lunch);
        office.poll().await;
        assert_eq!(office.revision().await, after);
        assert_eq!(office.test.texts("SELECT title FROM busy_intervals").await, ["Lunch"]);
        assert_ne!(office.last_synced_at().await, synced);
    }

    async fn our_own_entries_are_not_busy_time(office: Office) {
        let id = office.book(AT_10).await;
        office.poll().await;
        assert_eq!(office.calendar.events().len(), 1);
        assert_eq!(office.known().await, 0);
        assert!(!office.offers(AT_10).await);
        office.calendar.expire_cursors();
        office.poll().await;
        assert_eq!(office.known().await, 0);
        let query = "mutation($input: CancelBookingInput!) { cancelBooking(input: $input) { id } }";
        let input = json!({ "booking": { "id": id } });
        office.test.admin(query, json!({ "input": input })).await.data("/cancelBooking/id");
        // Its entry still stands there.
        assert!(office.offers(AT_10).await);
        assert_eq!(office.try_to_book(AT_10).await["__typename"], "MeetingBooked");
    }

    async fn a_new_calendar_is_in_the_queue_after_its_first_look(office: Office) {
        let agent = office.test.bookable_agent("Hedy").await;
        let connected = office.test.connect(&agent, REMOTE).await;
        assert_eq!(connected.data("/connectCalendar/calendar/status"), "CONNECTED");
        assert_eq!(connected.data("/connectCalendar/inMeetingQueue"), false);
        assert_eq!(office.test.sync().await, 1);
        assert_eq!(office.standing_of(&agent).await, (true, "CONNECTED".to_owned(), Value::Null));
    }

    async fn what_lies_past_what_was_read_is_not_offered(office: Office) {
        let far = "2027-06-01T10:00:00Z";
        office.test.set_availability(&office.agent, json!({ "horizonDays": 300 })).await
            .data("/setMeetingAvailability/id");
        assert!(!office.offers(far).await);
        assert_eq!(office.test.sync().await, 1, "the wider horizon asks for a look");
        assert!(office.offers(far).await);
    }

    async fn a_window_that_runs_out_is_begun_anew(office: Office) {
        // Read anew after 15 or 16 days, as the ID of what is read has it: past the first window, within the second.
        office.calendar.put(&office.agent, "lunch", "2027-04-03T10:00:00Z", 30);
        office.poll().await;
        assert_eq!(office.known().await, 0, "it lies past the window");
        for _ in 0..30 {
            office.sync_after(TimeDelta::days(1)).await;
        }
        assert_eq!(office.known().await, 1);
        assert!(office.offers("2027-03-30T10:00:00Z").await);
    }

    async fn two_processes_look_once(office: Office) {
        office.test.clock.advance(TimeDelta::seconds(60));
        let held = office.calendar.hold_next_look();
        let (first, second) = tokio::join!(office.test.sync(), async {
            held.begun().await;
            let looks = office.test.sync().await;
            held.go_on();
            looks
        });
        assert_eq!((first, second), (1, 0));
    }

    async fn a_look_that_outlasts_its_lease_writes_nothing(office: Office) {
        office.calendar.put(&office.agent, "lunch", AT_10, 30);
        office.test.clock.advance(TimeDelta::seconds(60));
        let held = office.calendar.hold_next_look();
        tokio::join!(office.test.sync(), async {
            held.begun().await;
            // Another process takes it over, and sees that the entry is gone.
            office.calendar.remove(&office.agent, "lunch");
            assert_eq!(office.sync_after(TimeDelta::seconds(121)).await, 1);
            held.go_on();
        });
        assert_eq!(office.known().await, 0);
        assert!(office.offers(AT_10).await);
    }

    async fn a_booking_takes_one_round_trip(office: Office) {
        let before = office.calendar.all_calls();
        assert_eq!(office.try_to_book(AT_10).await["__typename"], "MeetingBooked");
        assert_eq!(office.calendar.all_calls(), before + 1);
        assert_eq!(office.calendar.calls("free_busy"), 1);
    }

    async fn times_without_names_are_ours_only_as_far_as_booked(office: Office) {
        office.calendar.tell_no_uids();
        office.book(AT_10).await;
        // The entry until 10:30 and another from there on are told as one.
        office.calendar.add_busy("2027-01-05T10:30:00Z", 15);
        let taken = office.try_to_book("2027-01-05T10:30:00Z").await;
        assert_eq!(taken["__typename"], "SlotUnavailable");
        let buffer = json!({ "bufferMinutes": 15, "slotIntervalMinutes": 15 });
        office.test.set_availability(&office.agent, buffer).await.data("/setMeetingAvailability/id");
        // The entry of our own reaches into the buffer before neither.
        assert_eq!(office.try_to_book(AT_11).await["__typename"], "MeetingBooked");
        assert_eq!(office.try_to_book("2027-01-05T09:15:00Z").await["__typename"], "MeetingBooked");
    }
}

/// The same with a calendar that is read as a whole each time.
struct Feed(Office);

impl Feed {
    async fn start(database: crate::support::Database) -> Self {
        let about = |about: &mut calendar_provider::About| {
            about.capabilities.changes = false;
            about.capabilities.writes = false;
            about.conference = None;
        };
        Self(Office::start_with(database, about, |_| {}).await)
    }
}

on_both! {
    async fn a_calendar_without_cursors_is_read_as_a_whole(feed: Feed) {
        let Feed(office) = feed;
        office.calendar.put(&office.agent, "lunch", AT_10, 30);
        office.poll().await;
        assert!(!office.offers(AT_10).await);
        let revision = office.revision().await;
        office.poll().await;
        assert_eq!(office.revision().await, revision);
        office.calendar.remove(&office.agent, "lunch");
        office.poll().await;
        assert!(office.offers(AT_10).await);
        assert_eq!(office.calendar.calls("changes"), 0);
    }

    async fn bookings_on_a_read_only_calendar_are_kept_here(feed: Feed) {
        let Feed(office) = feed;
        let id = office.book(AT_10).await;
        assert_eq!(office.booking(&id).await["calendarEvent"]["status"], "DELIVERED");
        assert_eq!(office.calendar.written(), 0);
        assert_eq!(office.test.count("builtin_events WHERE deleted = false").await, 1);
        let query = "mutation($input: CancelBookingInput!) { cancelBooking(input: $input) { id } }";
        let input = json!({ "booking": { "id": id } });
        office.test.admin(query, json!({ "input": input })).await.data("/cancelBooking/id");
        office.test.deliver().await;
        assert_eq!(office.test.count("builtin_events WHERE deleted = false").await, 0);
    }

    async fn a_link_that_is_still_being_made_is_waited_for(office: Office) {
        office.calendar.make_links_slowly(true);
        let id = office.book(AT_10).await;
        let booking = office.booking(&id).await;
        assert_eq!(booking["calendarEvent"]["status"], "DELIVERED", "the entry stands");
        assert_eq!(booking["calendarEvent"]["problem"], Value::Null);
        assert_eq!(booking["confirmation"]["status"], "PENDING");
        office.calendar.make_links_slowly(false);
        office.test.clock.advance(TimeDelta::seconds(2));
        office.test.deliver().await;
        assert_eq!(office.booking(&id).await["conference"]["joinUrl"], LINK);
        let mails = office.test.mails.drain();
        let to_visitor: Vec<_> = mails.iter().filter(|m| m.mail.to.email == VISITOR).collect();
        assert_eq!(to_visitor.len(), 1);
        assert!(to_visitor[0].mail.text.contains(LINK));
    }

    async fn a_link_that_is_never_made_is_not_waited_for_for_ever(office: Office) {
        office.calendar.make_links_slowly(true);
        let id = office.book(AT_10).await;
        for _ in 0..8 {
            office.test.clock.advance(TimeDelta::seconds(15));
            office.test.deliver().await;
        }
        let writes = office.calendar.written();
        assert!((3..=10).contains(&writes), "{writes} writes");
        let booking = office.booking(&id).await;
        assert_eq!(booking["confirmation"]["status"], "DELIVERED");
        assert_eq!(booking["conference"], Value::Null);
        office.test.clock.advance(TimeDelta::hours(1));
        office.test.deliver().await;
        assert_eq!(office.calendar.written(), writes, "it is not asked for again");
    }

    async fn the_next_in_line_is_asked_where_the_first_is_busy(office: Office) {
        office.test.clock.advance(TimeDelta::seconds(1));
        let second = office.hire("Hedy").await;
        office.calendar.put(&office.agent, "lunch", AT_10, 30);
        let booked = office.test.book(Value::Null, AT_10, VISITOR).await;
        assert_eq!(booked.data("/bookMeeting/booking/agent/id"), second.as_str());
        assert_eq!(office.calendar.calls("free_busy"), 2);
    }

    async fn a_disconnected_calendar_is_not_read(office: Office) {
        office.calendar.put(&office.agent, "lunch", AT_10, 30);
        office.poll().await;
        let query = "mutation($id: ID!) { disconnectCalendar(agentId: $id) { id } }";
        office.test.admin(query, json!({ "id": office.agent })).await.data("/disconnectCalendar/id");
        assert_eq!(office.poll().await, 0);
        assert_eq!((office.known().await, office.test.count("calendar_syncs").await), (0, 0));
        office.test.connect(&office.agent, "builtin").await.data("/connectCalendar/calendar/status");
        assert_eq!(office.poll().await, 0, "the built-in calendar is not read");
        assert!(office.offers(AT_10).await);
    }
}

/// An office whose agent picks among the calendars of its account.
struct Choice(Office);

impl Choice {
    async fn start(database: crate::support::Database) -> Self {
        let about = |about: &mut calendar_provider::About| about.capabilities.calendars = true;
        Self(Office::start_with(database, about, |_| {}).await)
    }

    /// Has bookings written to one calendar, and others read besides.
    async fn select(&self, chosen: &str, others: &[&str]) {
        let query =
            "mutation($input: SelectCalendarInput!) { selectCalendar(input: $input) { id } }";
        let input = json!({
            "agentId": self.0.agent, "calendarRef": chosen, "busyCalendarRefs": others,
        });
        let selected = self.0.test.admin(query, json!({ "input": input })).await;
        selected.data("/selectCalendar/id");
        self.0.test.sync().await;
    }

    async fn cancel(&self, id: &str) {
        let query = "mutation($input: CancelBookingInput!) { cancelBooking(input: $input) { id } }";
        let input = json!({ "booking": { "id": id } });
        self.0.test.admin(query, json!({ "input": input })).await.data("/cancelBooking/id");
        self.0.test.deliver().await;
    }
}

on_both! {
    async fn a_moved_booking_leaves_no_entry_in_a_former_calendar(choice: Choice) {
        let office = &choice.0;
        let id = office.book(AT_10).await;
        choice.select("team", &["primary"]).await;
        let own = json!({ "id": id });
        let moved = office.test.reschedule_as(&office.test.admin, own, AT_11).await;
        assert_eq!(moved.data("/rescheduleBooking/__typename"), "MeetingBooked");
        office.test.deliver().await;
        let stands: Vec<_> = office.calendar.stands().iter().map(|s| s.start()).collect();
        assert_eq!(stands, [AT_11.parse::<chrono::DateTime<chrono::Utc>>().unwrap()]);
        office.poll().await;
        assert!(office.offers(AT_10).await);
        choice.cancel(&id).await;
        assert_eq!(office.calendar.stands(), []);
    }

    async fn a_cancelled_booking_leaves_no_entry_in_a_former_calendar(choice: Choice) {
        let id = choice.0.book(AT_10).await;
        choice.select("team", &[]).await;
        choice.cancel(&id).await;
        assert_eq!(choice.0.calendar.stands(), []);
        assert_eq!(choice.0.booking(&id).await["calendarEvent"]["status"], "DELIVERED");
    }

    async fn an_entry_that_is_moved_in_a_former_calendar_is_busy_time(choice: Choice) {
        let office = &choice.0;
        let id = office.book(AT_10).await;
        choice.select("team", &["primary"]).await;
        assert_eq!(office.known().await, 0, "it stands as booked");
        office.calendar.move_meeting(AT_11);
        office.poll().await;
        assert_eq!(office.booking(&id).await["calendarEvent"]["drift"], Value::Null);
        assert!(!office.offers(AT_11).await && !office.offers(AT_10).await);
        office.calendar.move_meeting(AT_10);
        office.poll().await;
        assert!(office.offers(AT_11).await);
    }

    async fn an_entry_that_is_seen_before_it_is_noted_is_ours_in_the_end(office: Office) {
        office.calendar.tell_no_uids();
        assert_eq!(office.try_to_book(AT_10).await["__typename"], "MeetingBooked");
        let held = office.calendar.hold_next_answer();
        let revision = tokio::join!(office.test.deliver(), async {
            held.begun().await;
            office.poll().await;
            assert_eq!(office.known().await, 1);
            let revision = office.revision().await;
            held.go_on();
            revision
        }).1;
        assert_eq!(office.known().await, 0);
        assert_eq!(office.revision().await, revision + 1);
    }
}

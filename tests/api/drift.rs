//! Entries of bookings that were moved or deleted in the calendar by hand.

use chrono::TimeDelta;
use frontdesk::service::changes::{Change, Topic};
use serde_json::{Value, json};

use crate::on_both;
use crate::support::Answer;
use crate::support::calendar::Fault;
use crate::support::office::{Office, VISITOR};

const AT_10: &str = "2027-01-05T10:00:00Z";
const AT_14: &str = "2027-01-05T14:00:00Z";

impl Office {
    /// Books a meeting whose entry was seen to stand where it should.
    async fn settled(&self, start: &str) -> String {
        let id = self.book(start).await;
        self.poll().await;
        assert_eq!(self.drift(&id).await, Value::Null);
        self.test.mails.drain();
        id
    }

    async fn drift(&self, id: &str) -> Value {
        self.booking(id).await["calendarEvent"]["drift"].clone()
    }

    async fn resolve(&self, bearer: &str, mutation: &str, id: &str) -> Answer {
        let query = format!(
            "mutation($id: ID!) {{ {mutation}(bookingId: $id) {{ id status startsAt endsAt
                calendarEvent {{ status drift {{ kind }} }} }} }}"
        );
        self.test.send(bearer, &query, json!({ "id": id })).await
    }

    async fn accept(&self, id: &str) -> Answer {
        self.resolve(&self.test.admin, "acceptCalendarEventDrift", id).await
    }

    async fn undo(&self, id: &str) -> Answer {
        self.resolve(&self.test.admin, "undoCalendarEventDrift", id).await
    }

    /// Delivers, and returns the texts of the mails to the visitor.
    async fn mails_to_visitor(&self) -> Vec<String> {
        self.test.deliver().await;
        let mails = self.test.mails.drain().into_iter();
        let to_visitor = mails.filter(|sent| sent.mail.to.email == VISITOR);
        to_visitor.map(|sent| sent.mail.calendar.unwrap().1).collect()
    }
}

on_both! {
    async fn a_moved_entry_is_shown_and_moves_nothing(office: Office) {
        let id = office.settled(AT_10).await;
        let mut news = office.test.app.changes.listen(Topic::Bookings(None));
        office.calendar.move_meeting(AT_14);
        office.poll().await;
        let booking = office.booking(&id).await;
        assert_eq!(booking["startsAt"], AT_10);
        assert_eq!(booking["calendarEvent"]["status"], "DELIVERED");
        let drift = json!({
            "kind": "MOVED", "startsAt": AT_14, "endsAt": "2027-01-05T14:30:00Z",
            "noticedAt": "2027-01-04T08:02:00Z",
        });
        assert_eq!(booking["calendarEvent"]["drift"], drift);
        assert!(matches!(news.told(), Some(Change::Booking { .. })));
        assert_eq!(office.calendar.calls("get_event"), 1);
        assert!(!office.offers(AT_10).await, "the meeting stands");
        assert!(!office.offers(AT_14).await, "and so does its entry");
        assert_eq!(office.mails_to_visitor().await, Vec::<String>::new());
        office.poll().await;
        assert_eq!(office.calendar.calls("get_event"), 1, "it is shown already");
    }

    async fn what_a_direct_look_does_not_show_is_not_believed(office: Office) {
        let id = office.settled(AT_10).await;
        office.calendar.mistell_meeting(None);
        office.poll().await;
        office.calendar.mistell_meeting(Some(AT_14));
        office.poll().await;
        assert_eq!(office.calendar.calls("get_event"), 2);
        assert_eq!(office.drift(&id).await, Value::Null);
        assert!(office.offers(AT_14).await);
    }

    async fn an_entry_that_cannot_be_looked_at_is_in_the_way_where_it_was_seen(office: Office) {
        let id = office.settled(AT_10).await;
        office.calendar.fail_direct_looks(Fault::Refusing);
        office.calendar.move_meeting(AT_14);
        office.poll().await;
        assert_eq!(office.drift(&id).await, Value::Null);
        assert!(!office.offers(AT_14).await && !office.offers(AT_10).await);
        office.calendar.fail_direct_looks(None);
        office.calendar.move_meeting("2027-01-05T15:00:00Z");
        office.poll().await;
        assert_eq!(office.drift(&id).await["startsAt"], "2027-01-05T15:00:00Z");
        assert!(office.offers(AT_14).await);
    }

    async fn an_entry_that_is_moved_back_is_as_booked(office: Office) {
        let id = office.settled(AT_10).await;
        office.calendar.move_meeting(AT_14);
        office.poll().await;
        office.calendar.move_meeting("2027-01-05T15:00:00Z");
        office.poll().await;
        assert_eq!(office.drift(&id).await["startsAt"], "2027-01-05T15:00:00Z");
        assert!(office.offers(AT_14).await);
        office.calendar.move_meeting(AT_10);
        office.poll().await;
        assert_eq!(office.drift(&id).await, Value::Null);
        assert!(office.offers("2027-01-05T15:00:00Z").await);
    }

    async fn a_deleted_entry_is_shown_and_cancels_nothing(office: Office) {
        let id = office.settled(AT_10).await;
        office.calendar.delete_meeting();
        office.poll().await;
        let booking = office.booking(&id).await;
        assert_eq!(booking["status"], "CONFIRMED");
        assert_eq!(booking["calendarEvent"]["drift"]["kind"], "DELETED");
        assert_eq!(booking["calendarEvent"]["drift"]["startsAt"], Value::Null);
        assert!(!office.offers(AT_10).await);
        assert_eq!(office.mails_to_visitor().await, Vec::<String>::new());
    }

    async fn an_entry_that_is_missing_where_all_is_read_is_noticed(office: Office) {
        let id = office.settled(AT_10).await;
        office.calendar.expire_cursors();
        office.poll().await;
        assert_eq!(office.calendar.calls("get_event"), 0, "it stands");
        office.calendar.delete_meeting();
        office.calendar.expire_cursors();
        office.poll().await;
        assert_eq!(office.drift(&id).await["kind"], "DELETED");
    }

    async fn accepting_a_move_moves_the_booking(office: Office) {
        let id = office.settled(AT_10).await;
        // Outside the agent's blocks: it may meet whenever it likes.
        office.calendar.move_meeting("2027-01-05T20:00:00Z");
        office.poll().await;
        let accepted = office.accept(&id).await;
        assert_eq!(accepted.data("/acceptCalendarEventDrift/startsAt"), "2027-01-05T20:00:00Z");
        assert_eq!(accepted.data("/acceptCalendarEventDrift/calendarEvent/drift"), Value::Null);
        let mails = office.mails_to_visitor().await;
        assert_eq!(mails.len(), 1);
        assert!(mails[0].contains("SEQUENCE:1"), "{}", mails[0]);
        assert!(office.offers(AT_10).await);
        assert_eq!(office.calendar.stands()[0].start().to_rfc3339(), "2027-01-05T20:00:00+00:00");
        office.poll().await;
        assert_eq!(office.drift(&id).await, Value::Null);
        assert_eq!(office.accept(&id).await.code(), "CONFLICT");
    }

    async fn a_move_onto_another_meeting_is_not_accepted(office: Office) {
        let id = office.settled(AT_10).await;
        office.book(AT_14).await;
        office.calendar.move_meeting("2027-01-05T14:15:00Z");
        office.poll().await;
        assert_eq!(office.drift(&id).await["startsAt"], "2027-01-05T14:15:00Z");
        assert_eq!(office.accept(&id).await.code(), "CONFLICT");
        assert_eq!(office.booking(&id).await["startsAt"], AT_10);
        assert_eq!(office.drift(&id).await["kind"], "MOVED");
    }

    async fn a_move_beside_another_meeting_takes_its_buffer(office: Office) {
        let buffer = json!({ "bufferMinutes": 15, "slotIntervalMinutes": 15 });
        office.test.set_availability(&office.agent, buffer).await.data("/setMeetingAvailability/id");
        let id = office.settled(AT_10).await;
        office.book(AT_14).await;
        office.calendar.move_meeting("2027-01-05T14:30:00Z");
        office.poll().await;
        let accepted = office.accept(&id).await;
        assert_eq!(accepted.data("/acceptCalendarEventDrift/startsAt"), "2027-01-05T14:30:00Z");
        let guards = "SELECT CAST(COUNT(*) AS text) FROM bookings a JOIN bookings b ON a.id <> b.id
            WHERE a.guard_ends_at = b.starts_at AND a.ends_at = b.starts_at";
        assert_eq!(office.test.texts(guards).await, ["1"]);
    }

    async fn an_entry_that_is_not_where_it_was_booked_is_in_the_way(office: Office) {
        let id = office.settled(AT_10).await;
        office.calendar.move_meeting(AT_14);
        // It was not noticed yet, but the calendar is asked.
        assert!(office.offers(AT_14).await);
        assert_eq!(office.try_to_book(AT_14).await["__typename"], "SlotUnavailable");
        let own = json!({ "id": id });
        let moved = office.test.reschedule_as(&office.test.admin, own, AT_14).await;
        assert_eq!(moved.data("/rescheduleBooking/__typename"), "MeetingBooked");
    }

    async fn accepting_a_deletion_cancels_the_booking(office: Office) {
        let id = office.settled(AT_10).await;
        office.calendar.delete_meeting();
        office.poll().await;
        let accepted = office.accept(&id).await;
        assert_eq!(accepted.data("/acceptCalendarEventDrift/status"), "CANCELLED");
        let mails = office.mails_to_visitor().await;
        assert_eq!(mails.len(), 1);
        assert!(mails[0].contains("METHOD:CANCEL"), "{}", mails[0]);
        assert!(office.offers(AT_10).await);
        let booking = office.booking(&id).await;
        assert_eq!(booking["calendarEvent"]["status"], "DELIVERED");
        assert_eq!(booking["calendarEvent"]["drift"], Value::Null);
    }

    async fn undoing_puts_the_entry_back(office: Office) {
        let id = office.settled(AT_10).await;
        office.calendar.move_meeting(AT_14);
        office.poll().await;
        let undone = office.undo(&id).await;
        assert_eq!(undone.data("/undoCalendarEventDrift/calendarEvent/status"), "PENDING");
        assert_eq!(undone.data("/undoCalendarEventDrift/startsAt"), AT_10);
        assert_eq!(office.mails_to_visitor().await, Vec::<String>::new());
        assert_eq!(office.calendar.stands()[0].start().to_rfc3339(), "2027-01-05T10:00:00+00:00");
        assert_eq!(office.drift(&id).await, Value::Null);
        assert!(office.offers(AT_14).await);

        office.calendar.delete_meeting();
        office.poll().await;
        assert_eq!(office.drift(&id).await["kind"], "DELETED");
        office.undo(&id).await.data("/undoCalendarEventDrift/id");
        office.test.deliver().await;
        assert_eq!(office.calendar.events().len(), 1);
        assert_eq!(office.drift(&id).await, Value::Null);
        assert_eq!(office.undo(&id).await.code(), "CONFLICT");
    }

    async fn a_booking_that_is_moved_takes_its_entry_along(office: Office) {
        let id = office.settled(AT_10).await;
        office.calendar.move_meeting(AT_14);
        office.poll().await;
        let moved = office.test
            .reschedule_as(&office.test.admin, json!({ "id": id }), "2027-01-05T14:30:00Z")
            .await;
        assert_eq!(moved.data("/rescheduleBooking/__typename"), "MeetingBooked");
        assert_eq!(office.drift(&id).await, Value::Null);
        office.test.deliver().await;
        office.poll().await;
        assert_eq!(office.drift(&id).await, Value::Null);
        assert_eq!(office.calendar.stands()[0].start().to_rfc3339(), "2027-01-05T14:30:00+00:00");
        assert!(office.offers(AT_14).await);
    }

    async fn an_entry_in_a_former_calendar_does_not_matter(office: Office) {
        let id = office.settled(AT_10).await;
        office.test.connect(&office.agent, "builtin").await.data("/connectCalendar/id");
        office.calendar.delete_meeting();
        office.sync_after(TimeDelta::days(1)).await;
        assert_eq!(office.drift(&id).await, Value::Null);
    }

    async fn only_who_sees_the_booking_resolves_it(office: Office) {
        let id = office.settled(AT_10).await;
        office.calendar.move_meeting(AT_14);
        office.poll().await;
        let other = office.test.agent("Hedy").await;
        let others = office.test.token(&other, 60).await;
        for mutation in ["acceptCalendarEventDrift", "undoCalendarEventDrift"] {
            assert_eq!(office.resolve("", mutation, &id).await.code(), "UNAUTHENTICATED");
            assert_eq!(office.resolve(&others, mutation, &id).await.code(), "NOT_FOUND");
        }
        let own = office.test.token(&office.agent, 60).await;
        let accepted = office.resolve(&own, "acceptCalendarEventDrift", &id).await;
        assert_eq!(accepted.data("/acceptCalendarEventDrift/startsAt"), AT_14);
    }

    async fn a_visitor_does_not_see_it(office: Office) {
        let booked = office.try_to_book(AT_10).await;
        office.test.deliver().await;
        office.poll().await;
        office.calendar.move_meeting(AT_14);
        office.poll().await;
        let query = "query($token: String!) { managedBooking(manageToken: $token) {
            calendarEvent { status drift { kind } } } }";
        let seen = office.test.visitor(query, json!({ "token": booked["manageToken"] })).await;
        assert_eq!(seen.data("/managedBooking/calendarEvent/drift"), Value::Null);
        assert_eq!(seen.data("/managedBooking/calendarEvent/status"), "DELIVERED");
    }
}

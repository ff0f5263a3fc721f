//! Booking, moving and calling off.

use serde_json::json;

use crate::on_both;

on_both! {
    async fn a_slot_that_is_offered_can_be_booked_once(test: Test) {
        let agent = test.bookable_agent("Grace").await;
        let route = json!({ "agentId": agent });
        let starts = test.starts(route.clone(), "2027-01-05").await;
        assert_eq!(starts.len(), 16);
        let booked = test.book(route.clone(), &starts[2], "ada@visitors.example").await;
        assert_eq!(booked.data("/bookMeeting/__typename"), "MeetingBooked");
        assert_eq!(test.starts(route.clone(), "2027-01-05").await.len(), 15);
        let again = test.book(route.clone(), &starts[2], "eve@visitors.example").await;
        assert_eq!(again.data("/bookMeeting/__typename"), "SlotUnavailable");
        assert_eq!(again.data("/bookMeeting/alternatives").as_array().unwrap().len(), 5);
        assert_eq!(test.deliver().await, 3);
        assert_eq!(test.mails.mails().len(), 2);
    }
}

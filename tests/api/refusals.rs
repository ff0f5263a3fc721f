//! What a visitor is offered instead, where a calendar says otherwise than was known.

use serde_json::{Value, json};

use crate::on_both;
use crate::support::calendar::Fault;
use crate::support::office::Office;

const AT_10: &str = "2027-01-05T10:00:00Z";

/// The starts of the alternatives to a time that is refused.
async fn alternatives(office: &Office, start: &str) -> Vec<String> {
    let refused = office.try_to_book(start).await;
    assert_eq!(refused["__typename"], "SlotUnavailable", "{refused}");
    let all = refused["alternatives"].as_array().unwrap();
    all.iter().map(|slot| slot["startsAt"].as_str().unwrap().to_owned()).collect()
}

on_both! {
    async fn what_the_calendar_just_said_rules_alternatives_out(office: Office) {
        office.calendar.put(&office.agent, "away", "2027-01-05T09:30:00Z", 150);
        assert!(office.offers(AT_10).await, "it is not read yet");
        let told = alternatives(&office, AT_10).await;
        let free = ["2027-01-05T09:00:00Z", "2027-01-05T12:00:00Z", "2027-01-05T12:30:00Z"];
        assert_eq!(told[..3], free);
        assert!(office.try_to_book(&told[1]).await["booking"].is_object(), "an alternative is free");
        // The next look comes at once and not with the next poll.
        assert_eq!(office.test.sync().await, 1);
        assert!(!office.offers(AT_10).await);
    }

    async fn a_calendar_that_can_not_be_read_has_no_alternatives(office: Office) {
        office.calendar.fail_reads(Fault::Down);
        assert_eq!(alternatives(&office, AT_10).await, Vec::<String>::new());
        let second = office.test.bookable_agent("Hedy").await;
        let booked = office.test.book(Value::Null, AT_10, "eve@visitors.example").await;
        assert_eq!(booked.data("/bookMeeting/booking/agent/id"), json!(second));
    }
}

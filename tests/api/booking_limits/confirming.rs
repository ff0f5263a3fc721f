//! Bookings that their visitor confirms by e-mail.

use super::*;

const CONFIRM: &str = "mutation($input: ConfirmBookingInput!) { confirmBooking(input: $input) {
    __typename
    ... on MeetingBooked { manageToken booking { id startsAt status agent { id } } }
    ... on SlotUnavailable { message alternatives { startsAt } } } }";

/// Past the limit of one address from the first booking on.
pub(super) struct Strict {
    test: Limited,
    agent: String,
}

impl Strict {
    async fn start(database: Database) -> Self {
        let none = |setup: &mut Setup| setup.config.bookings.per_hour_and_address = 0;
        let test = Limited::start_with(database, none).await;
        let agent = test.0.bookable_agent("Grace").await;
        Self { test, agent }
    }

    async fn ask(&self, nth: usize, email: &str) -> Value {
        self.test.ask("192.0.2.1", meeting(&self.agent, nth, email)).await.data("/bookMeeting")
    }

    /// The token of the newest mail's link to this address.
    async fn token(&self, email: &str) -> String {
        self.test.0.deliver().await;
        let mails = self.test.0.mails.mails();
        let mail = mails.iter().rev().find(|sent| sent.mail.to.email == email).unwrap();
        assert_eq!(mail.mail.to.name, None, "the name may be a stranger's words");
        assert!(!mail.mail.text.contains("Ada"), "{}", mail.mail.text);
        let link = mail.mail.text.split_whitespace().find(|word| word.contains("/confirm?token="));
        let link = url::Url::parse(link.unwrap()).unwrap();
        link.query_pairs().find(|(name, _)| name == "token").unwrap().1.into_owned()
    }

    async fn confirm(&self, token: &str) -> Answer {
        self.test.send("198.51.100.9", CONFIRM, json!({ "input": { "token": token } })).await
    }

    async fn offered(&self) -> Vec<String> {
        self.test.0.starts(json!({ "agentId": self.agent }), "2027-01-05").await
    }

    async fn seen(&self) -> Value {
        let query = "{ bookings { totalCount nodes { id } } }";
        self.test.0.admin(query, json!({})).await.data("/bookings/totalCount")
    }
}

on_both! {
    async fn a_held_time_is_nobody_elses_and_is_booked_by_the_button(world: Strict) {
        let asked = world.ask(0, "ada@visitors.example").await;
        assert_eq!(asked, json!({ "__typename": "EmailConfirmationRequired", "held": true,
            "expiresAt": "2027-01-04T08:15:00Z" }));
        assert!(!world.offered().await.contains(&start(0)));
        let other = json!({ "input": meeting(&world.agent, 0, "eve@visitors.example") });
        assert_eq!(kind(&world.test.0.admin(ASK, other).await), "SlotUnavailable");
        // It is no booking yet, to anybody.
        assert_eq!(world.seen().await, 0);
        let token = world.token("ada@visitors.example").await;
        assert_eq!(world.test.0.mails.mails().len(), 1);
        assert_eq!(world.test.0.count("builtin_events").await, 0);
        // Looking at the page books nothing.
        let path = format!("/confirm?token={token}");
        let page = world.test.0.request(reqwest::Method::GET, &path).send().await.unwrap();
        assert_eq!(page.status(), 200);
        assert_eq!(world.seen().await, 0);

        let made = world.confirm(&token).await;
        assert_eq!(made.data("/confirmBooking/booking/startsAt"), start(0));
        assert_eq!(made.data("/confirmBooking/booking/status"), "CONFIRMED");
        let again = world.confirm(&token).await;
        assert_eq!(again.data("/confirmBooking"), made.data("/confirmBooking"));
        assert_eq!(world.seen().await, 1);
        world.test.0.deliver().await;
        // To the visitor and to the agent.
        assert_eq!(world.test.0.mails.mails().len(), 3);
        assert_eq!(world.test.0.count("builtin_events").await, 1);
        let manage = made.data("/confirmBooking/manageToken");
        let seen = world.test.0.managed(manage.as_str().unwrap()).await;
        assert_eq!(seen.data("/managedBooking/status"), "CONFIRMED");
        // Long after, it is still the same booking.
        world.test.0.clock.advance(TimeDelta::hours(3));
        assert_eq!(world.confirm(&token).await.data("/confirmBooking"), made.data("/confirmBooking"));
    }
}

on_both! {
    async fn presses_at_once_book_once(world: Strict) {
        let press = async |email: &str| {
            let token = world.token(email).await;
            let presses = (0..8).map(|_| world.confirm(&token));
            let answers = futures_util::future::join_all(presses).await;
            let different: BTreeSet<String> =
                answers.iter().map(|a| a.data("/confirmBooking").to_string()).collect();
            assert_eq!(different.len(), 1, "{different:?}");
            assert!(different.iter().all(|answer| answer.contains("MeetingBooked")));
        };
        assert_eq!(world.ask(0, "ada@visitors.example").await["held"], true);
        press("ada@visitors.example").await;
        assert_eq!(world.seen().await, 1);
        // And of a time that is not held.
        world.ask(1, "bob@visitors.example").await;
        world.ask(2, "cid@visitors.example").await;
        assert_eq!(world.ask(3, "dan@visitors.example").await["held"], false);
        press("dan@visitors.example").await;
        assert_eq!(world.seen().await, 2);
    }
}

on_both! {
    async fn a_hold_ends_by_itself(world: Strict) {
        world.ask(0, "ada@visitors.example").await;
        let token = world.token("ada@visitors.example").await;
        world.test.0.clock.advance(TimeDelta::minutes(15) - TimeDelta::seconds(1));
        assert!(!world.offered().await.contains(&start(0)));
        world.test.0.clock.advance(TimeDelta::seconds(1));
        assert_eq!(world.confirm(&token).await.code(), "NOT_FOUND");
        assert_eq!(world.confirm("fdc_nonsense").await.code(), "NOT_FOUND");
        // Nobody kept house.
        assert!(world.offered().await.contains(&start(0)));
        let other = json!({ "input": meeting(&world.agent, 0, "eve@visitors.example") });
        let made = world.test.0.admin(ASK, other).await;
        assert_eq!(kind(&made), "MeetingBooked");
        // Nor does a hold that is over keep a meeting from being moved.
        world.ask(4, "bob@visitors.example").await;
        let booking = json!({ "manageToken": made.data("/bookMeeting/manageToken") });
        let moved = world.test.0.reschedule(booking.clone(), &start(4)).await;
        assert_eq!(moved.data("/rescheduleBooking/__typename"), "SlotUnavailable");
        world.test.0.clock.advance(TimeDelta::minutes(15));
        let moved = world.test.0.reschedule(booking, &start(4)).await;
        assert_eq!(moved.data("/rescheduleBooking/__typename"), "MeetingBooked");
    }
}

on_both! {
    async fn a_time_whose_hold_ended_before_the_button_was_pressed_is_booked_anew(world: Strict) {
        assert_eq!(world.ask(0, "ada@visitors.example").await["held"], true);
        let token = world.token("ada@visitors.example").await;
        // As at the last moment: the hold is over once the agent is locked.
        let end = "UPDATE bookings SET held_until = created_at WHERE status = 'HELD' RETURNING uid";
        assert_eq!(world.test.0.texts(end).await.len(), 1);
        let made = world.confirm(&token).await;
        assert_eq!(made.data("/confirmBooking/booking/startsAt"), start(0));
        assert_eq!((world.seen().await, booked(&world.test.0).await), (json!(1), 1));
    }
}

on_both! {
    async fn few_times_are_held_and_the_others_are_booked_while_free(world: Strict) {
        assert_eq!(world.ask(0, "ada@visitors.example").await["held"], true);
        // One for each mailbox, two with each agent.
        assert_eq!(world.ask(1, "ADA+x@visitors.example").await["held"], false);
        assert_eq!(world.ask(2, "bob@visitors.example").await["held"], true);
        assert_eq!(world.ask(3, "cid@visitors.example").await["held"], false);
        assert_eq!(world.ask(4, "dan@visitors.example").await["held"], false);
        assert_eq!(world.offered().await.len(), 14);
        let cid = world.token("cid@visitors.example").await;
        let made = world.confirm(&cid).await;
        assert_eq!(made.data("/confirmBooking/booking/startsAt"), start(3));
        let dan = world.token("dan@visitors.example").await;
        let other = json!({ "input": meeting(&world.agent, 4, "eve@visitors.example") });
        assert_eq!(kind(&world.test.0.admin(ASK, other).await), "MeetingBooked");
        let late = world.confirm(&dan).await;
        assert_eq!(late.data("/confirmBooking/__typename"), "SlotUnavailable");
        assert_eq!(late.data("/confirmBooking/alternatives").as_array().unwrap().len(), 5);
    }
}

on_both! {
    async fn a_retry_is_answered_as_the_first_request_was(world: Strict) {
        let mut input = meeting(&world.agent, 0, "ada@visitors.example");
        input["idempotencyKey"] = "0123456789abcdef".into();
        let first = world.test.ask("192.0.2.1", input.clone()).await.data("/bookMeeting");
        assert_eq!(first["held"], true);
        let again = world.test.ask("192.0.2.1", input.clone()).await;
        assert_eq!(again.data("/bookMeeting"), first);
        let token = world.token("ada@visitors.example").await;
        assert_eq!(world.test.0.mails.mails().len(), 1);
        world.confirm(&token).await.data("/confirmBooking/booking");
        // Whoever asked is not told the manage token of whoever confirmed.
        let after = world.test.ask("192.0.2.1", input).await;
        assert_eq!(after.data("/bookMeeting"), first);
    }
}

on_both! {
    async fn strangers_send_a_mailbox_ten_mails_an_hour(world: Strict) {
        for nth in 0..10 {
            world.ask(nth, "third@victims.example").await;
        }
        let input = meeting(&world.agent, 11, "Third+x@victims.example");
        assert_eq!(world.test.ask("198.51.100.1", input).await.code(), "RATE_LIMITED");
        world.test.0.deliver().await;
        assert_eq!(world.test.0.mails.mails().len(), 10);
        // The one who has the mailbox can confirm all the same.
        let token = world.token("third@victims.example").await;
        world.confirm(&token).await.data("/confirmBooking/booking");
    }
}

on_both! {
    async fn whoever_is_blocked_meanwhile_confirms_nothing(world: Strict) {
        assert_eq!(world.ask(0, "eve@spam.example").await["held"], true);
        let token = world.token("eve@spam.example").await;
        let block = "mutation { blockVisitors(input: { domains: [\"spam.example\"] }) { blocked { domain } } }";
        world.test.0.admin(block, json!({})).await.data("/blockVisitors/blocked/0");
        let refused = world.confirm(&token).await.data("/confirmBooking");
        assert_eq!(refused["__typename"], "SlotUnavailable");
        assert_eq!(refused["alternatives"], json!([]));
        assert_eq!(world.seen().await, 0);
        // No mail is sent either.
        world.test.0.deliver().await;
        let before = world.test.0.mails.mails().len();
        assert_eq!(world.ask(1, "bob@spam.example").await["__typename"], "SlotUnavailable");
        world.test.0.deliver().await;
        assert_eq!(world.test.0.mails.mails().len(), before);
    }
}

on_both! {
    async fn ten_bookings_of_one_address_wait_for_their_confirmation(world: Strict) {
        let ask = async |from: &str, nth: usize| {
            world.test.ask(from, meeting(&world.agent, nth, &visitor(nth))).await
        };
        for nth in 0..10 {
            assert_eq!(kind(&ask("192.0.2.1", nth).await), "EmailConfirmationRequired");
            world.test.0.clock.advance(TimeDelta::seconds(6));
        }
        let refused = ask("192.0.2.1", 10).await;
        assert_eq!(refused.code(), "RATE_LIMITED");
        // Until the first of them is over.
        assert_eq!(refused.body["errors"][0]["extensions"]["retryAfterSeconds"], 14 * 60);
        assert_eq!(world.test.0.count("booking_confirmations").await, 10);
        world.test.0.deliver().await;
        assert_eq!(world.test.0.mails.mails().len(), 10);
        // Others are not concerned.
        assert_eq!(kind(&ask("192.0.2.2", 11).await), "EmailConfirmationRequired");
        // One that is confirmed, or over, makes room for another.
        let token = world.token(&visitor(9)).await;
        world.confirm(&token).await.data("/confirmBooking/booking");
        assert_eq!(kind(&ask("192.0.2.1", 12).await), "EmailConfirmationRequired");
        assert_eq!(ask("192.0.2.1", 13).await.code(), "RATE_LIMITED");
        world.test.0.clock.advance(TimeDelta::minutes(14));
        assert_eq!(kind(&ask("192.0.2.1", 13).await), "EmailConfirmationRequired");
        assert_eq!(ask("192.0.2.1", 14).await.code(), "RATE_LIMITED");
    }
}

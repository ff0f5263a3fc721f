//! The mails as their receivers get them, down to the bytes.

use frontdesk::mail::{self, SentMail};
use mail_parser::{Message, MessageParser, MimeHeaders, PartType};
use serde_json::{Value, json};

use crate::on_both;
use crate::support::Test;
use crate::support::icalendar::{self, property};

const VISITOR: &str = "ada@visitors.example";
const AGENT: &str = "grace@agents.example";
const TUESDAY_AT_10: &str = "2027-01-05T10:00:00Z";

/// A mail, and its parts as a mail program reads them.
struct Received<'a> {
    message: Message<'a>,
    text: String,
    html: String,
    /// The invitation, with the method that its part names.
    invitation: Option<(String, String)>,
    attachment: Option<String>,
}

impl<'a> Received<'a> {
    fn read(sent: &'a SentMail) -> Self {
        let message = MessageParser::default().parse(&sent.raw).unwrap();
        let (mut text, mut html) = (String::new(), String::new());
        let (mut invitation, mut attachment) = (None, None);
        for part in &message.parts {
            let kind = part.content_type().map(|kind| {
                (
                    format!("{}/{}", kind.ctype(), kind.subtype().unwrap_or("")),
                    kind.attribute("method"),
                )
            });
            match (&part.body, kind) {
                (PartType::Html(body), _) => html = body.clone().into_owned(),
                (PartType::Text(body), Some((kind, Some(method)))) if kind == "text/calendar" => {
                    invitation = Some((method.to_owned(), body.clone().into_owned()));
                }
                (PartType::Text(body), _) => text = body.clone().into_owned(),
                (PartType::Binary(body), _) => {
                    assert_eq!(part.attachment_name(), Some("invite.ics"));
                    attachment = Some(String::from_utf8(body.to_vec()).unwrap());
                }
                _ => {}
            }
        }
        Self { message, text, html, invitation, attachment }
    }

    /// The one address in a header.
    #[track_caller]
    fn address<'b>(&'b self, header: &'static str) -> (Option<&'b str>, &'b str) {
        let addresses = self.message.header(header).unwrap().as_address().unwrap();
        let all: Vec<_> = addresses.iter().collect();
        assert_eq!(all.len(), 1, "{header}: {all:?}");
        (all[0].name(), all[0].address().unwrap())
    }

    /// The invitation, which must be the same as the attachment and sound.
    #[track_caller]
    fn invitation(&self, method: &str) -> &str {
        let (named, text) = self.invitation.as_ref().unwrap();
        assert_eq!(named, method);
        assert_eq!(self.attachment.as_ref(), Some(text));
        assert_eq!(property(text, "METHOD"), method);
        icalendar::check(text);
        text
    }
}

impl Test {
    async fn book_one(&self, agent: &str, more: Value) -> Value {
        let mut input = json!({
            "startsAt": TUESDAY_AT_10, "timeZone": "Europe/Paris", "route": { "agentId": agent },
            "person": { "email": VISITOR, "firstName": "Ada", "lastName": "Lovelace" },
        });
        for (key, value) in more.as_object().unwrap() {
            input[key] = value.clone();
        }
        let booked = self.book_input(input).await.data("/bookMeeting");
        assert_eq!(booked["__typename"], "MeetingBooked");
        booked
    }

    /// Delivers, and returns what `receiver` got.
    async fn mails_to(&self, receiver: &str) -> Vec<SentMail> {
        self.deliver().await;
        let mut mails = self.mails.drain();
        mails.retain(|sent| sent.mail.to.email == receiver);
        mails
    }

    async fn the_mail_to(&self, receiver: &str) -> SentMail {
        let mut mails = self.mails_to(receiver).await;
        assert_eq!(mails.len(), 1);
        mails.remove(0)
    }

    async fn set_template(&self, agent: &str, subject: &str, body: &str) {
        let query =
            "mutation($input: SetInviteTemplateInput!) { setInviteTemplate(input: $input) { id } }";
        let input = json!({ "agentId": agent, "subject": subject, "body": body });
        self.admin(query, json!({ "input": input })).await.data("/setInviteTemplate/id");
    }
}

/// The token in the manage link of a mail.
#[track_caller]
fn manage_token(text: &str) -> &str {
    let (_, rest) = text.split_once("https://meet.example.com/manage?token=").unwrap();
    rest.split_whitespace().next().unwrap()
}

on_both! {
    async fn a_confirmation_has_its_headers_and_parts(test: Test) {
        let agent = test.bookable_agent("Grace").await;
        let booked = test.book_one(&agent, json!({})).await;
        let sent = test.the_mail_to(VISITOR).await;
        let received = Received::read(&sent);
        let from = received.address("From");
        assert_eq!(from, (Some("Frontdesk"), "frontdesk@meet.example.com"));
        assert_eq!(received.address("To"), (Some("Ada Lovelace"), VISITOR));
        assert_eq!(received.address("Reply-To"), (Some("Grace"), AGENT));
        let message = &received.message;
        let id = booked["booking"]["id"].as_str().unwrap().trim_start_matches("bkg_");
        let expected = format!("{id}.0.visitor@meet.example.com");
        assert_eq!(message.message_id(), Some(expected.as_str()));
        let auto_submitted = message.header("Auto-Submitted").unwrap().as_text();
        assert_eq!(auto_submitted, Some("auto-generated"));
        assert_eq!(message.date().unwrap().to_rfc3339(), "2027-01-04T08:00:00Z");
        assert_eq!(message.subject(), Some("Your meeting with Grace"));
        let invitation = received.invitation("REQUEST");
        assert_eq!(property(invitation, "ORGANIZER"), format!("mailto:{AGENT}"));
        assert_eq!(property(invitation, "ATTENDEE"), format!("mailto:{VISITOR}"));
        assert_eq!(property(invitation, "DTSTART"), "20270105T110000");
        assert_eq!(property(invitation, "DTEND"), "20270105T113000");
        assert!(invitation.contains("DTSTART;TZID=Europe/Paris:"), "{invitation}");
    }

    async fn a_confirmation_speaks_the_visitors_language_and_zone(test: Test) {
        let agent = test.bookable_agent("Grace").await;
        test.book_one(&agent, json!({})).await;
        let sent = test.the_mail_to(VISITOR).await;
        let english = Received::read(&sent).text;
        insta::assert_snapshot!("confirmation_en", without_token(&english));
        let more = json!({ "startsAt": "2027-01-05T11:00:00Z", "locale": "fr", "timeZone": "Asia/Tokyo" });
        test.book_one(&agent, more).await;
        let sent = test.the_mail_to(VISITOR).await;
        let received = Received::read(&sent);
        insta::assert_snapshot!("confirmation_fr", without_token(&received.text));
        assert!(received.html.contains("<html lang=\"fr\">"), "{}", received.html);
        assert!(received.invitation("REQUEST").contains("DTSTART;TZID=Asia/Tokyo:20270105T200000"));
    }

    async fn one_uid_and_a_growing_sequence_from_booking_to_cancellation(test: Test) {
        let agent = test.bookable_agent("Grace").await;
        let booked = test.book_one(&agent, json!({})).await;
        let sent = test.the_mail_to(VISITOR).await;
        let first = Received::read(&sent);
        let uid = property(first.invitation("REQUEST"), "UID");
        assert_eq!(property(first.invitation("REQUEST"), "SEQUENCE"), "0");

        let query = "mutation($input: RescheduleBookingInput!) { rescheduleBooking(input: $input) {
            __typename } }";
        let reference = json!({ "manageToken": booked["manageToken"] });
        let input = json!({ "booking": reference, "startsAt": "2027-01-06T14:00:00Z", "reason": "A train" });
        test.visitor(query, json!({ "input": input })).await.data("/rescheduleBooking");
        let sent = test.the_mail_to(VISITOR).await;
        let moved = Received::read(&sent);
        let invitation = moved.invitation("REQUEST");
        assert_eq!(property(invitation, "UID"), uid);
        assert_eq!(property(invitation, "SEQUENCE"), "1");
        assert_eq!(property(invitation, "DTSTART"), "20270106T150000");
        assert!(moved.message.message_id().unwrap().contains(".1.visitor@"));

        let query = "mutation($input: CancelBookingInput!) { cancelBooking(input: $input) { id } }";
        let input = json!({ "booking": reference, "reason": "No time" });
        test.visitor(query, json!({ "input": input })).await.data("/cancelBooking/id");
        let mails = { test.deliver().await; test.mails.drain() };
        let to = |email: &str| mails.iter().find(|sent| sent.mail.to.email == email).unwrap();
        let cancelled = Received::read(to(VISITOR));
        let cancellation = cancelled.invitation("CANCEL");
        assert_eq!(property(cancellation, "UID"), uid);
        assert_eq!(property(cancellation, "SEQUENCE"), "2");
        assert_eq!(property(cancellation, "STATUS"), "CANCELLED");
        assert!(cancelled.message.message_id().unwrap().contains(".2.visitor@"));
        assert!(Received::read(to(AGENT)).text.contains("No time"));
    }

    async fn the_agent_is_told_of_the_visitor(test: Test) {
        let agent = test.bookable_agent("Grace").await;
        let more = json!({
            "company": { "name": "Analytical Engines", "country": "UK" }, "notes": "About punched cards.",
        });
        test.book_one(&agent, more).await;
        let sent = test.the_mail_to(AGENT).await;
        let received = Received::read(&sent);
        assert_eq!(received.address("Reply-To"), (Some("Ada Lovelace"), VISITOR));
        assert!(received.message.message_id().unwrap().contains(".0.agent@"));
        for fact in ["Ada Lovelace", VISITOR, "Analytical Engines", "About punched cards.", "10:00"] {
            assert!(received.text.contains(fact), "{fact}: {}", received.text);
        }
        assert!(received.invitation.is_none() && received.attachment.is_none());
    }

    async fn the_agents_own_words_and_tokens_are_sent(test: Test) {
        let agent = test.bookable_agent("Grace").await;
        test.set_template(
            &agent,
            "{{company.name}} meets {{agent.name}}",
            "Dear {{default person.jobTitle \"guest\"}} **{{person.firstName}} {{person.lastName}}**,\n\n\
             {{meeting.duration}}, {{person.attributes.plan}}.",
        )
        .await;
        let person = json!({
            "email": VISITOR, "firstName": "Ada", "lastName": "Lovelace",
            "attributes": [{ "name": "plan", "value": "Gold" }],
        });
        test.book_one(&agent, json!({ "person": person, "company": { "name": "Engines" } })).await;
        let sent = test.the_mail_to(VISITOR).await;
        let received = Received::read(&sent);
        assert_eq!(received.message.subject(), Some("Engines meets Grace"));
        assert!(received.text.contains("Dear guest Ada Lovelace,"), "{}", received.text);
        assert!(received.html.contains("Dear guest <strong>Ada Lovelace</strong>,"), "{}", received.html);
        assert!(received.text.contains("30 minutes, Gold."), "{}", received.text);
    }

    async fn what_a_visitor_types_stays_text(test: Test) {
        let agent = test.bookable_agent("Grace").await;
        test.set_template(&agent, "{{person.firstName}}", "Hi {{person.firstName}} {{person.lastName}}").await;
        let person = json!({
            "email": VISITOR,
            "firstName": "<b onclick='x()'>Ada</b>",
            "lastName": "{{#if x}}y{{/if}} **bold** ;ATTENDEE:x,y",
        });
        let company = json!({ "name": "\"Acme\" <b>, \\; {{agent}}" });
        let more = json!({ "person": person, "company": company, "notes": "one\r\n.\r\nBEGIN:VALARM\nBcc: x" });
        test.book_one(&agent, more).await;
        test.deliver().await;
        let mails = test.mails.drain();
        assert_eq!(mails.len(), 2);
        for sent in &mails {
            let received = Received::read(sent);
            received.address("To");
            for header in ["Bcc", "Cc"] {
                assert!(received.message.header(header).is_none(), "{header}");
            }
            assert!(!received.html.contains("<b onclick"), "{}", received.html);
            assert!(!received.html.contains("<strong>bold"), "{}", received.html);
            assert!(!received.html.contains("href=\"x\""), "{}", received.html);
            assert!(received.text.contains("{{#if x}}y{{/if}}"), "{}", received.text);
        }
        let sent = mails.iter().find(|sent| sent.mail.to.email == VISITOR).unwrap();
        let received = Received::read(sent);
        assert_eq!(received.message.subject(), Some("<b onclick='x()'>Ada</b>"));
        let invitation = received.invitation("REQUEST");
        let lines = invitation.replace("\r\n ", "");
        assert_eq!(lines.matches("\r\nATTENDEE").count(), 1, "{invitation}");
        assert_eq!(lines.matches("\r\nBEGIN:VALARM").count(), 0, "{invitation}");
    }

    async fn what_a_visitor_types_becomes_no_link(test: Test) {
        let agent = test.bookable_agent("Grace").await;
        let body = "Hi {{person.firstName}} {{person.lastName}} of {{company.name}}";
        test.set_template(&agent, "{{person.firstName}}", body).await;
        let (encoded, number) = ("=?utf-8?b?ZXZpbC5jb20=?=", "http://3221226219");
        let person = json!({ "email": VISITOR, "firstName": encoded, "lastName": number });
        let notes = "See https://evil.example/x\nmailto:eve@evil.example";
        let more = json!({ "person": person, "company": { "name": "пример.рф" }, "notes": notes });
        test.book_one(&agent, more).await;
        test.deliver().await;
        let mails = test.mails.drain();
        assert_eq!(mails.len(), 2);
        for sent in &mails {
            let received = Received::read(sent);
            let subject = received.message.subject().unwrap();
            assert!(subject.contains(encoded), "a reader decodes the visitor's words: {subject}");
            for shown in [subject, &received.text, &received.html] {
                for word in [number, "пример.рф", "https://evil", "mailto:eve", "evil.example"] {
                    assert!(!shown.contains(word), "{word}: {shown}");
                }
            }
            let readable = received.text.replace('\u{200b}', "");
            assert!(readable.contains(number) && readable.contains("пример.рф"), "{readable}");
        }
    }

    async fn header_breaks_are_refused_before_they_reach_a_mail(test: Test) {
        let agent = test.bookable_agent("Grace").await;
        for name in ["Ada\r\nBcc: eve@evil.example", "Ada\nX: y", "see https://evil.example"] {
            let answer = test.book_input(json!({
                "startsAt": TUESDAY_AT_10, "timeZone": "UTC", "route": { "agentId": agent },
                "person": { "email": VISITOR, "firstName": name },
            }));
            let answer = answer.await;
            assert_eq!(answer.code(), "BAD_USER_INPUT", "{name:?}");
            assert_eq!(answer.field(), "input.person.firstName", "{name:?}");
        }
        assert_eq!(test.deliver().await, 0);
    }

    async fn the_link_in_the_mail_opens_the_booking(test: Test) {
        let agent = test.bookable_agent("Grace").await;
        let booked = test.book_one(&agent, json!({})).await;
        let sent = test.the_mail_to(VISITOR).await;
        let received = Received::read(&sent);
        let token = manage_token(&received.text);
        assert_eq!(booked["manageToken"], token);
        assert!(received.html.replace("&#x3D;", "=").contains(&format!("manage?token={token}\"")), "{}", received.html);
        let query = "query($token: String!) { managedBooking(manageToken: $token) { id status } }";
        let opened = test.visitor(query, json!({ "token": token })).await;
        assert_eq!(opened.data("/managedBooking/id"), booked["booking"]["id"]);
        // The agent's mail does not hold what lets a visitor act.
        test.book_one(&agent, json!({ "startsAt": "2027-01-05T15:00:00Z" })).await;
        let to_agent = test.the_mail_to(AGENT).await;
        assert!(!Received::read(&to_agent).text.contains("manage?token="));
    }

    async fn a_mail_that_is_sent_again_is_the_same_to_the_byte(test: Test) {
        let agent = test.bookable_agent("Grace").await;
        test.book_one(&agent, json!({ "notes": "Zoë" })).await;
        test.deliver().await;
        for sent in test.mails.drain() {
            assert_eq!(mail::build(&sent.mail).unwrap().formatted(), sent.raw);
            let other = mail::OutgoingMail { text: format!("{}.", sent.mail.text), ..sent.mail.clone() };
            let boundary = |raw: &[u8]| {
                let text = String::from_utf8(raw.to_vec()).unwrap();
                text.split("boundary=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
            };
            let other = boundary(&mail::build(&other).unwrap().formatted());
            assert_ne!(other, boundary(&sent.raw));
        }
    }
}

/// The text with the manage link's token left out: it is random to a reader.
fn without_token(text: &str) -> String {
    text.replace(manage_token(text), "TOKEN").replace("\r\n", "\n")
}

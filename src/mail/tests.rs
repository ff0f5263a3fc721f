//! The mails as they go out.

use calendar_provider::TimeRange;
use chrono::{DateTime, TimeDelta, Utc};
use mail_parser::{Address, Message, MessageParser, MimeHeaders};
use proptest::prelude::*;
use url::Url;
use uuid::Uuid;

use super::*;

fn agent() -> AgentFacts {
    AgentFacts { name: "Sam Martin".into(), email: "sam@frontdesk.example".into() }
}

fn context(locale: &str) -> InviteContext {
    let mut context = example_context(agent(), locale);
    context.meeting.notes = Some("See https://evil.example/notes\nand <b>this</b>".into());
    context
}

fn default_source(locale: &str) -> TemplateSource<'static> {
    let (subject, body) = default_template(locale);
    TemplateSource { subject, body }
}

fn shown(mail: &Rendered) -> String {
    format!("Subject: {}\n\n{}\n{}\n{}", mail.subject, mail.text, "-".repeat(72), mail.html)
}

/// The text without what keeps programs from making links of it.
fn readable(text: &str) -> String {
    text.replace(values::JOINER, "")
}

#[track_caller]
fn render(body: &str, context: &InviteContext) -> Rendered {
    let source = TemplateSource { subject: "{{person.firstName}} & {{agent.name}}", body };
    check_template(source).unwrap();
    render_invite(source, context, MailKind::Confirmation).unwrap()
}

#[test]
fn confirmations() {
    for locale in ["en-US", "fr"] {
        let source = default_source(locale);
        let mail = render_invite(source, &context(locale), MailKind::Confirmation).unwrap();
        insta::assert_snapshot!(format!("confirmation_{locale}"), shown(&mail));
        assert!(!mail.text.contains("evil") && !mail.html.contains("evil"), "notes stay out");
    }
}

#[test]
fn changes() {
    for (name, kind) in [
        ("rescheduled", MailKind::Rescheduled),
        ("update", MailKind::Update),
        ("reminder", MailKind::Reminder),
        ("cancelled", MailKind::Cancelled),
    ] {
        for locale in ["en", "fr-CA"] {
            let mail = render_invite(default_source(locale), &context(locale), kind).unwrap();
            let shown = format!("Subject: {}\n\n{}", mail.subject, mail.text);
            insta::assert_snapshot!(format!("{name}_{locale}"), shown);
        }
    }
}

#[test]
fn notices_to_the_agent() {
    let from: DateTime<Utc> = "2027-01-03T09:00:00Z".parse().unwrap();
    let from = TimeRange::lasting(from, TimeDelta::minutes(30)).unwrap();
    for locale in ["en", "fr"] {
        let context = context(locale);
        let booked = agent_notice(AgentNotice::Booked, &context);
        insta::assert_snapshot!(format!("notice_booked_{locale}"), shown(&booked));
        let notice = AgentNotice::Rescheduled { from, reason: Some("A clash") };
        insta::assert_snapshot!(
            format!("notice_moved_{locale}"),
            agent_notice(notice, &context).text
        );
        let notice = AgentNotice::Cancelled { reason: None };
        let cancelled = agent_notice(notice, &context).text;
        insta::assert_snapshot!(format!("notice_cancelled_{locale}"), cancelled);
        for (name, what) in [("calendar", Delivery::CalendarEntry), ("mail", Delivery::VisitorMail)]
        {
            let mail = failure_notice(what, "550 no such mailbox", &context);
            let shown = format!("Subject: {}\n\n{}", mail.subject, mail.text);
            insta::assert_snapshot!(format!("failure_{name}_{locale}"), shown);
        }
    }
}

#[test]
fn a_calendar_to_connect_again() {
    for locale in ["en", "fr"] {
        let mail = reauthentication_notice(&Reauthentication {
            locale,
            provider: "Google Calendar",
            account: "sam@frontdesk.example",
            problem: Some("the calendar no longer accepts the agent's authorization"),
            link: Some(Url::parse("https://meet.example.com/oauth/mend/fdr_token").unwrap()),
        });
        let shown = format!("Subject: {}\n\n{}", mail.subject, mail.text);
        insta::assert_snapshot!(format!("reauthentication_{locale}"), shown);
        assert!(mail.html.contains("href=\"https://meet.example.com/oauth/mend/fdr_token\""));
    }
}

#[test]
fn a_live_chat_that_nobody_took() {
    for locale in ["en", "fr"] {
        for (name, was_taken) in [("untaken", false), ("silent", true)] {
            let mail = missed_chat_notice(&MissedChat {
                locale,
                zone: chrono_tz::Europe::Paris,
                was_taken,
                requested_at: "2027-01-04T09:00:00Z".parse().unwrap(),
                name: Some("Ada <b>Lovelace</b>".to_owned()),
                email: Some("ada@visitors.example"),
                phone: None,
                company: Some("evil.example"),
                message: Some("Do you ship to Malta?\nSoon?"),
                conversation: Some(Url::parse("https://chat.example/c/1").unwrap()),
            });
            let shown = format!("Subject: {}\n\n{}", mail.subject, mail.text);
            insta::assert_snapshot!(format!("missed_chat_{name}_{locale}"), shown);
            assert!(mail.html.contains("href=\"https://chat.example/c/1\""));
            assert!(!mail.html.contains("<b>Lovelace"), "{}", mail.html);
        }
        let mail = more_missed_chats_notice(locale, 20);
        let shown = format!("Subject: {}\n\n{}", mail.subject, mail.text);
        insta::assert_snapshot!(format!("missed_chat_more_{locale}"), shown);
    }
}

#[test]
fn the_examples_of_tokens_are_what_they_render() {
    for token in tokens() {
        let mail = render(token.token, &context("en"));
        let text = readable(&mail.text);
        assert!(text.contains(token.example), "{}: {text}", token.token);
    }
}

#[test]
fn what_is_not_known_is_empty() {
    let mut context = context("en");
    context.person = PersonFacts { email: "ana@acme.example".into(), ..PersonFacts::default() };
    context.company = None;
    context.meeting.conference_url = None;
    let every: String = tokens().iter().map(|token| token.token).collect();
    render(&every, &context);
    let mail = render(
        "Hi {{default person.firstName \"there\"}}{{person.attributes.plan}}! [Join]({{meeting.conferenceUrl}})\
         {{#if company.name}}\n\nYour company\n\n{{else}}\n\nNo company\n\n{{/if}}",
        &context,
    );
    assert!(mail.text.contains("Hi there! Join\n\nNo company\n"), "{}", mail.text);
    assert!(mail.html.contains("Hi there! <a>Join</a>"), "{}", mail.html);
    assert_eq!(mail.subject, "& Sam Martin");
    let source = TemplateSource { subject: "{{person.firstName}}", body: "" };
    let mail = render_invite(source, &context, MailKind::Confirmation).unwrap();
    assert_eq!(mail.subject, "Your meeting with Sam Martin");
}

#[test]
fn markdown_becomes_html_and_text() {
    let mail = render(
        "# A title\n\nOne\ntwo **bold** `code` [site](https://a.example)\n\n- a\n- b\n  1. c\n\n> quoted\n\n\
         <div>raw <script>alert(1)</script><b onclick=\"x\">b</b> &amp; {{agent.name}}</div>\n\n\
         {{meeting.manageUrl}} &#123;{{agent.name}}&#125;",
        &context("en"),
    );
    insta::assert_snapshot!("markdown", shown(&mail));
}

#[test]
fn dates_follow_the_locale_and_zone() {
    let date = |locale: &str| {
        let body = "{{meeting.date}} | {{meeting.startTime}} | {{meeting.duration}}";
        let text = render(body, &context(locale)).text;
        text.lines().find(|line| line.contains(" | ")).unwrap().to_owned()
    };
    assert_eq!(date("en-US"), "Monday, January 4, 2027 | 10:00 AM | 30 minutes");
    assert_eq!(date("en-GB"), "Monday 4 January 2027 | 10:00 | 30 minutes");
    assert_eq!(date("fr-CA"), "lundi 4 janvier 2027 | 10:00 | 30 minutes");
    assert_eq!(date("fr-XX"), date("fr"));
    assert_eq!(date("de"), "Montag, 4. Januar 2027 | 10:00 | 30 minutes");
    assert_eq!(date("es-MX"), "lunes, 4 de enero de 2027 | 10:00 | 30 minutes");
    assert_eq!(date("zh-Hans-CN"), "2027年1月4日 星期一 | 10:00 | 30 minutes");
    assert_eq!(date("xx"), date("en"));
    assert_eq!(date(""), date("en"));
}

#[test]
fn links_are_seen_through_their_disguises() {
    for text in [
        "https://evil.example",
        "evil.example/x",
        "Buy at www.evil.com now",
        "evil.com",
        "a@evil.com",
        "evil。com",
        "ｅｖｉｌ．ｃｏｍ",
        "evil\u{200b}.com",
        "ev\u{ad}il.com/x",
    ] {
        assert!(contains_link(text), "{text:?}");
    }
    for text in ["Ana", "Dr. Silva", "O’Neil-Smith Jr.", "Acme, Inc.", "Müller & Co. KG", "Étoile"]
    {
        assert!(!contains_link(text), "{text:?}");
    }
}

#[test]
fn the_same_version_has_the_same_message_id() {
    let booking = Uuid::from_u128(7);
    let id = message_id(booking, 3, "visitor", "frontdesk.example");
    assert_eq!(id, "<00000000000000000000000000000007.3.visitor@frontdesk.example>");
    assert_ne!(id, message_id(booking, 4, "visitor", "frontdesk.example"));
    assert_ne!(id, message_id(booking, 3, "agent", "frontdesk.example"));
    let nasty = message_id(booking, 3, "a>\r\nBcc: x", "b>\r\n.example");
    assert_eq!(nasty, "<00000000000000000000000000000007.3.aBccx@b.example>");
}

/// A whole mail about a booking, as a job makes it.
fn outgoing(context: &InviteContext) -> OutgoingMail {
    let source = TemplateSource {
        subject: "Hello {{person.firstName}} {{person.lastName}} of {{company.name}}",
        body: "{{person.firstName}} {{person.lastName}} {{person.phone}} {{person.jobTitle}} \
               {{company.name}} {{company.domain}} {{person.attributes.plan}} {{agent.name}}\n\n\
               [Manage]({{meeting.manageUrl}})",
    };
    let Rendered { subject, text, html } =
        render_invite(source, context, MailKind::Confirmation).unwrap();
    let stamp: DateTime<Utc> = "2026-12-01T08:00:00Z".parse().unwrap();
    let (organizer, visitor) = (context.agent.mailbox(), context.person.mailbox());
    let part = CalendarPart {
        uid: "7@frontdesk.example".into(),
        sequence: 0,
        method: CalendarMethod::Request,
        range: context.meeting.range,
        zone: context.meeting.zone,
        stamp,
        summary: meeting_summary(context),
        description: Some(meeting_description(context)),
        location: None,
        conference_url: context.meeting.conference_url.clone(),
        organizer: organizer.clone(),
        attendee: visitor.clone(),
    };
    OutgoingMail {
        from: Mailbox {
            name: Some("Frontdesk".into()),
            email: "no-reply@frontdesk.example".into(),
        },
        to: visitor,
        reply_to: Some(organizer),
        subject,
        text,
        html: Some(html),
        calendar: Some((CalendarMethod::Request, calendar(&part))),
        message_id: message_id(Uuid::from_u128(7), 0, "visitor", "frontdesk.example"),
        date: stamp,
        auto_submitted: true,
    }
}

fn addresses(address: Option<&Address<'_>>) -> Vec<String> {
    let all = address.map(|address| address.clone().into_list()).unwrap_or_default();
    all.iter().filter_map(|one| one.address().map(str::to_owned)).collect()
}

fn parse(raw: &[u8]) -> Message<'_> {
    MessageParser::default().parse(raw).unwrap()
}

#[test]
fn a_mail_has_its_parts_and_headers() {
    let raw = build(&outgoing(&context("en"))).unwrap().formatted();
    let mail = parse(&raw);
    assert_eq!(
        mail.message_id(),
        Some("00000000000000000000000000000007.0.visitor@frontdesk.example")
    );
    assert_eq!(addresses(mail.from()), ["no-reply@frontdesk.example"]);
    assert_eq!(addresses(mail.to()), ["ana.silva@acme.example"]);
    assert_eq!(addresses(mail.reply_to()), ["sam@frontdesk.example"]);
    assert_eq!(mail.header("Auto-Submitted").and_then(|h| h.as_text()), Some("auto-generated"));
    assert_eq!(mail.subject(), Some("Hello Ana Silva of Acme"));
    assert_eq!(mail.date().map(|date| date.to_rfc3339()).as_deref(), Some("2026-12-01T08:00:00Z"));
    let part = |subtype: &str| {
        mail.parts.iter().find(|part| {
            part.content_type().is_some_and(|kind| kind.c_subtype.as_deref() == Some(subtype))
        })
    };
    for subtype in ["mixed", "alternative", "plain", "html"] {
        assert!(part(subtype).is_some(), "no {subtype}");
    }
    let invitation = part("calendar").unwrap();
    assert_eq!(invitation.content_type().unwrap().attribute("method"), Some("REQUEST"));
    let attachment = part("ics").unwrap();
    assert_eq!(attachment.attachment_name(), Some("invite.ics"));
    assert_eq!(attachment.contents(), invitation.contents());
    assert!(attachment.contents().starts_with(b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\n"));
}

#[test]
fn an_address_that_is_none_is_refused() {
    let mut mail = outgoing(&context("en"));
    mail.to.email = "ana@acme.example\r\nBcc: eve@evil.example".into();
    assert!(matches!(build(&mail), Err(MailError::Address { field: "to", .. })));
}

/// Names a visitor may try: markup, templates, headers, links, directions, whatever.
fn nasty() -> impl Strategy<Value = String> {
    let bits = prop::sample::select(vec![
        "{{person.email}}",
        "{{{x}}}",
        "\\{{",
        "}}",
        "<a href=\"https://evil.example\">",
        "</p>",
        "<script>",
        "\r\nBcc: eve@evil.example",
        "\n\n",
        "evil.example/x",
        "https://evil.example",
        "=?utf-8?q?=0D=0ABcc:_x?=",
        "\u{202e}",
        "\u{0}",
        "&lt;",
        "\"",
        "'",
        ",",
        ";",
        ":",
        "é漢",
        "\\n",
        "[a](https://evil.example)",
        "**",
        "\u{e000}",
        "fd0q0z",
        "Ana",
        " ",
        "<!--",
        "]]>",
        "ATTENDEE:mailto:x@y",
        "BEGIN:VEVENT",
        "eve@evil.example",
        "<",
        ">",
        "\t",
        "javascript:x",
    ]);
    prop_oneof![prop::collection::vec(bits, 0..6).prop_map(|bits| bits.concat()), any::<String>()]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// A value adds no header, attendee, markup, link or template.
    #[test]
    fn values_are_text(
        first in nasty(), last in nasty(), phone in nasty(), job in nasty(), plan in nasty(),
        company in nasty(), domain in nasty(),
    ) {
        let plain = context("en");
        let mut nasty = plain.clone();
        nasty.person.first_name = Some(first);
        nasty.person.last_name = Some(last);
        nasty.person.phone = Some(phone);
        nasty.person.job_title = Some(job);
        nasty.person.attributes.insert("plan".into(), plan);
        nasty.company = Some(CompanyFacts {
            name: Some(company), domain: Some(domain), ..CompanyFacts::default()
        });
        let (plain, mail) = (outgoing(&plain), outgoing(&nasty));
        let (plain_raw, raw) = (build(&plain).unwrap().formatted(), build(&mail).unwrap().formatted());
        let (plain_mail, parsed) = (parse(&plain_raw), parse(&raw));
        let headers = |mail: &Message<'_>| -> Vec<String> {
            mail.headers().iter().map(|header| header.name().to_owned()).collect()
        };
        prop_assert_eq!(headers(&plain_mail), headers(&parsed));
        prop_assert_eq!(addresses(parsed.to()), addresses(plain_mail.to()));
        prop_assert_eq!(parsed.parts.len(), plain_mail.parts.len());
        prop_assert!(parsed.cc().is_none() && parsed.bcc().is_none());

        // Markup: the same elements in the same order, and so the same links.
        let elements = |html: &str| -> Vec<String> {
            html.match_indices('<').map(|(at, _)| {
                html[at..].chars().take_while(|c| !c.is_whitespace() && *c != '>').collect()
            }).collect()
        };
        let (html, plain_html) = (mail.html.clone().unwrap(), plain.html.clone().unwrap());
        prop_assert_eq!(elements(&html), elements(&plain_html));

        // Text: each sign of theirs is cut off from what follows, and so no link is left but our own.
        let mut finder = linkify::LinkFinder::new();
        finder.url_must_have_scheme(false);
        let links = |text: &str| -> Vec<String> {
            let cut = |text: String, sign: char| text.replace(&format!("{sign}{}", values::JOINER), " ");
            let text = ".:/@\\".chars().fold(text.to_owned(), cut);
            finder.links(&text).map(|link| link.as_str().to_owned()).collect()
        };
        let ours: Vec<String> = links(&plain.text);
        for link in links(&mail.text) {
            prop_assert!(ours.contains(&link), "{} in {}", link, mail.text);
        }
        prop_assert!(links(&mail.subject).is_empty(), "{}", mail.subject);
        prop_assert!(!mail.subject.contains(|c: char| c.is_control()));
        let turned = mail.text.contains('\u{202e}') || html.contains('\u{202e}');
        prop_assert!(!turned);

        let ics = mail.calendar.unwrap().1.replace("\r\n ", "");
        prop_assert_eq!(ics.matches("\r\nATTENDEE").count(), 1);
        prop_assert_eq!(ics.matches("\r\nBEGIN:VEVENT").count(), 1);
    }
}

#[test]
fn a_value_is_no_template() {
    let mut context = context("en");
    context.person.first_name = Some("{{agent.name}} {{{x}}} \\{{".into());
    let mail = render("Hi {{person.firstName}}", &context);
    let shown = "{{agent.name}} {{{x}}} \\{{";
    for part in [&mail.text, &mail.html, &mail.subject] {
        assert!(readable(part).contains(shown), "{part}");
        assert!(!part.contains("Hi Sam Martin"), "{part}");
    }
}

#[test]
fn a_conference_that_is_no_web_page_is_left_out() {
    let mut context = context("en");
    context.meeting.conference_url = Url::parse("javascript:alert(1)").ok();
    let mail = render("[Join]({{meeting.conferenceUrl}})", &context);
    assert!(!mail.html.contains("javascript") && !mail.text.contains("javascript"));
}

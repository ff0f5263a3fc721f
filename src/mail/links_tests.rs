//! Other people's words become no link, whatever they are: as linkify-it, linkifyjs and Autolinker see
//! what we write.

use std::path::{Path, PathBuf};
use std::process::Command;

use calendar_provider::TimeRange;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use url::Url;

use super::values::{JOINER, address};
use super::*;

/// What a stranger may write where a name belongs.
const WORDS: [&str; 76] = [
    "http://3221226219",
    "http://0x7f000001/x",
    "пример.рф",
    "例え.中国",
    "http://[2001:db8::1]",
    "http://[::ffff:192.0.2.1]:8080/",
    "mailto:x@y",
    "mailto:eve@evil.com",
    "evil.com",
    "www.evil.com",
    "WWW.EVIL.COM",
    "https://evil.com/a?b=c#d",
    "HTTPS://EVIL",
    "//evil.com",
    "eve@evil.com",
    "eve+x@evil.co.uk",
    "пример@почта.рф",
    "x@[192.0.2.1]",
    "\"x\"@evil.com",
    "192.0.2.1",
    "192.0.2.1:80/x",
    "http://localhost",
    "localhost",
    "LOCALHOST:8080/x",
    "ftp://x",
    "file:///etc/passwd",
    "foo://bar",
    "evil.com:443",
    "http:evil.com",
    "tel:+1555123",
    "+1 555 123 4567",
    "+15551234567",
    "555-123-4567",
    "(555) 123-4567",
    "555.123.4567",
    "+49 30 1234567",
    "+4 9 1 2 3 4 5 6 7",
    "@eve",
    "evil.com/x/y/z",
    "evil。com",
    "ｅｖｉｌ．ｃｏｍ",
    "evil｡com",
    "evil﹒com",
    "evil․com",
    "http：／／evil．com",
    "xn--e1afmkfd.xn--p1ai",
    "https://user:pw@evil.com",
    "https://例え.中国/x",
    "www.пример.рф",
    "javascript:alert(1)",
    "data:text/html,x",
    "evil.com.",
    "(evil.com)",
    "<https://evil.com>",
    "[a](https://evil.com)",
    "a <https://evil.com/x> b",
    "http://x..y",
    "http://x_y",
    "t.me/x",
    "bit.ly/x",
    "evil\u{200b}.com",
    "ev\u{ad}il.com",
    "evil\u{2060}.\u{2060}com",
    "https:\\\\evil.com",
    "=?utf-8?b?ZXZpbC5jb20=?=",
    "=?utf-8?q?=E2=80=AEmoc.live?=",
    "\u{202e}moc.live",
    "\u{2066}evil.com\u{2069}",
    "Evil.",
    ".com",
    ".",
    "://",
    "Booking.com B.V.",
    "Node.js developer",
    "Dr. Ada O'Neil-Smith",
    "550 5.1.1 <https://evil.example/help> no such user",
];

/// Addresses that could be more than addresses.
const ADDRESSES: [&str; 9] = [
    "ana.silva@acme.example",
    "ana.silva@acme.com",
    "a-b_c+d@x-y.co.uk",
    "evil.com@host.example",
    "www.evil.com@host.example",
    "localhost@host.example",
    "555-123-4567@host.example",
    "a@localhost.example",
    "eve@evil.com.example",
];

const BODY: &str = "Hi {{person.firstName}} {{person.lastName}}.\n\n\
    {{person.firstName}}.{{person.lastName}} https://{{company.domain}} {{person.firstName}}@acme.com \
    www.{{company.name}} {{person.firstName}}{{person.lastName}} {{person.firstName}}.com/x \
    {{default person.phone \"none\"}} {{person.jobTitle}} {{person.attributes.plan}} {{person.email}} \
    {{company.industry}} {{company.country}}\n\n\
    See https://author.example.com/plain or [this](https://author.example.com/link). {{agent.name}}";

const AUTHORS: [&str; 2] = ["https://author.example.com/plain", "https://author.example.com/link"];

fn nasty(word: &str, email: &str) -> InviteContext {
    let agent = AgentFacts { name: word.into(), email: "sam@frontdesk.com".into() };
    let mut context = example_context(agent, "en");
    let given = || Some(word.to_owned());
    let attributes = Attributes::from([("plan".into(), word.into()), (word.into(), word.into())]);
    context.person = PersonFacts {
        email: email.into(),
        first_name: given(),
        last_name: given(),
        phone: given(),
        job_title: given(),
        attributes: attributes.clone(),
    };
    context.company = Some(CompanyFacts {
        name: given(),
        domain: given(),
        industry: given(),
        country: given(),
        attributes,
    });
    context.meeting.notes = Some(format!("{word}\n{word} and {word}"));
    context.meeting.conference_url = Url::parse("https://meet.example.com/abc").ok();
    context.meeting.manage_url = Url::parse("https://desk.example.com/manage").ok();
    context
}

/// Each mail and calendar entry that says a word.
fn mails(word: &str, email: &str) -> Vec<Value> {
    let context = nasty(word, email);
    let plain = address(email);
    let ours = ["https://meet.example.com/abc", "https://desk.example.com/manage"];
    let mut allowed = vec![ours[0], ours[1], "sam@frontdesk.com"];
    if plain == email {
        allowed.push(email);
    }
    let listed = |what: &str, rendered: Rendered, ics: Option<String>, wanted: &[&str]| {
        let allowed: Vec<&str> = allowed.iter().chain(wanted).copied().collect();
        let Rendered { subject, text, html } = rendered;
        let what = format!("{what} of {word:?}, {email}");
        json!({ "what": what, "subject": subject, "text": text, "html": html, "ics": ics,
            "allowed": allowed, "wanted": wanted })
    };
    let source = TemplateSource {
        subject: "{{person.firstName}}.{{person.lastName}} {{company.domain}} {{person.email}}",
        body: BODY,
    };
    let kind = MailKind::Confirmation;
    let invite = render_invite(source, &context, kind).unwrap();
    let wanted: Vec<&str> = AUTHORS.iter().chain(&ours).copied().collect();
    let mut confirmation = listed("confirmation", invite, Some(invitation(&context)), &wanted);
    // The author's own words behind a value, which are cut off from it.
    confirmation["allowed"].as_array_mut().unwrap().push("acme.com".into());
    let mut all = vec![confirmation];
    let from: DateTime<Utc> = "2027-01-03T09:00:00Z".parse().unwrap();
    let from = TimeRange::lasting(from, TimeDelta::minutes(30)).unwrap();
    for (what, notice) in [
        ("booked", AgentNotice::Booked),
        ("moved", AgentNotice::Rescheduled { from, reason: Some(word) }),
        ("cancelled", AgentNotice::Cancelled { reason: Some(word) }),
    ] {
        all.push(listed(what, agent_notice(notice, &context), None, &[]));
    }
    let failed = failure_notice(Delivery::VisitorMail, word, &context);
    all.push(listed("failure", failed, None, &[]));
    all.push(listed("feed", entry(&context), Some(published(&context)), &[]));
    let link = Url::parse(ours[1]).ok();
    let broken = Reauthentication {
        locale: "en",
        provider: word,
        account: email,
        problem: Some(word),
        link: link.clone(),
    };
    all.push(listed("reauthentication", reauthentication_notice(&broken), None, &[ours[1]]));
    let missed = missed_chat_notice(&MissedChat {
        locale: "en",
        zone: chrono_tz::UTC,
        was_taken: false,
        requested_at: "2027-01-04T09:00:00Z".parse().unwrap(),
        name: Some(word.to_owned()),
        email: Some(email),
        phone: Some(word),
        company: Some(word),
        message: Some(word),
        conversation: link,
    });
    all.push(listed("missed chat", missed, None, &[ours[1]]));
    all
}

fn invitation(context: &InviteContext) -> String {
    calendar(&CalendarPart {
        uid: "7@frontdesk.example".into(),
        sequence: 0,
        method: CalendarMethod::Request,
        range: context.meeting.range,
        zone: context.meeting.zone,
        stamp: DateTime::UNIX_EPOCH,
        summary: meeting_summary(context),
        description: Some(meeting_description(context)),
        location: context.meeting.conference_url.as_ref().map(ToString::to_string),
        conference_url: context.meeting.conference_url.clone(),
        organizer: context.agent.mailbox(),
        attendee: context.person.mailbox(),
    })
}

/// The title and text of the entry in the agent's calendar.
fn entry(context: &InviteContext) -> Rendered {
    let text = agent_notice(AgentNotice::Booked, context).text;
    Rendered { subject: agent_summary(context), text, html: String::new() }
}

fn published(context: &InviteContext) -> String {
    let event = FeedEvent {
        uid: "7@frontdesk.example".into(),
        sequence: 0,
        stamp: DateTime::UNIX_EPOCH,
        range: context.meeting.range,
        summary: agent_summary(context),
        description: Some(entry(context).text),
        location: None,
    };
    feed(&unlinked(&context.agent.name), &context.agent.mailbox(), &[event])
}

/// Where the counterparts are; none, and a word of it, where they are missing and not asked for.
fn counterparts() -> Option<PathBuf> {
    let directory = std::env::var_os("FRONTDESK_TEST_NODE_DIR").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/counterparts/node"),
        PathBuf::from,
    );
    if directory.join("node_modules/linkify-it").is_dir() {
        return Some(directory);
    }
    let required = std::env::var_os("FRONTDESK_TEST_COUNTERPARTS").is_some();
    assert!(!required, "{} has no linkify-it", directory.display());
    eprintln!("NOT RUN: {} has no linkify-it", directory.display());
    None
}

#[test]
fn no_program_makes_a_link_of_what_other_people_write() {
    let mut all: Vec<Value> =
        WORDS.iter().flat_map(|word| mails(word, "ana.silva@acme.example")).collect();
    all.extend(ADDRESSES.iter().flat_map(|email| mails("Ana", email)));
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("mails.json");
    std::fs::write(&file, serde_json::to_vec(&all).unwrap()).unwrap();
    let Some(counterparts) = counterparts() else { return };
    let script = counterparts.join("links.mjs");
    let output = Command::new("node").arg(script).arg(&file).output().unwrap();
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}{err}");
}

#[test]
fn ordinary_words_read_as_they_were_written() {
    for word in [
        "Ana",
        "Dr. Silva",
        "and/or",
        "</b>",
        "C#",
        "O’Neil-Smith Jr.",
        "Acme, Inc.",
        "Müller & Co. KG",
        "3",
        "2027",
    ] {
        assert_eq!(unlinked(word), word);
    }
    for word in
        ["J.R.R. Tolkien", "3.14", "10:30", "Booking.com B.V.", "+1 555 123 4567", "eve@acme.com"]
    {
        let shown = unlinked(word);
        assert_ne!(shown, word);
        assert_eq!(shown.replace(JOINER, ""), word, "only invisible characters are added");
        assert_eq!(unlinked(&shown), shown, "once is enough");
    }
}

#[test]
fn an_address_is_plain_where_it_is_nothing_else() {
    for email in
        ["ana.silva@acme.example", "j.de.vries@x.nl", "a-b_c+d@x-y.co.uk", "1@meet.example.com"]
    {
        assert_eq!(address(email), email);
    }
    for email in [
        "evil.com@host.example",
        "eve@evil.com.example",
        "a@localhost.example",
        "x@y",
        "a@b@c.com",
        "http://x@y.com",
        "eve@evil.com/x",
        "é@acme.com",
    ] {
        assert!(address(email).contains(JOINER), "{email}");
    }
}

#[test]
fn nothing_invisible_turns_a_line_or_hides_in_it() {
    for hidden in [
        '\u{202e}',
        '\u{202d}',
        '\u{2066}',
        '\u{2067}',
        '\u{200e}',
        '\u{200f}',
        '\u{61c}',
        '\u{ad}',
        '\u{34f}',
        '\u{2060}',
        '\u{feff}',
        '\u{e0041}',
        '\u{3164}',
        '\u{115f}',
        '\u{180e}',
        '\u{206a}',
    ] {
        let context = nasty(&format!("A{hidden}n{hidden}a"), "ana@acme.example");
        let notice = agent_notice(AgentNotice::Booked, &context);
        let entry = agent_summary(&context);
        for text in [&notice.subject, &notice.text, &notice.html, &entry, &invitation(&context)] {
            assert!(!text.contains(hidden), "U+{:04X} in {text}", u32::from(hidden));
            assert!(text.contains("Ana"), "{text}");
        }
    }
}

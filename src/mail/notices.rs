//! Mails to the agent: each booking, and each delivery that failed for good.

use calendar_provider::TimeRange;
use handlebars::html_escape;
use url::Url;

use super::context::{Attributes, CompanyFacts, InviteContext};
use super::layout::{Button, Fact, Layout};
use super::locale::Reader;
use super::render::{Rendered, web_url};
use super::values::{address, unlinked, unlinked_lines};

/// What happened to a booking, for its agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AgentNotice<'a> {
    /// A visitor booked.
    Booked,
    /// It was moved.
    Rescheduled {
        /// When it was.
        from: TimeRange,
        /// Why, if said.
        reason: Option<&'a str>,
    },
    /// It was called off.
    Cancelled {
        /// Why, if said.
        reason: Option<&'a str>,
    },
}

/// A delivery that was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// The entry in the agent's own calendar.
    CalendarEntry,
    /// The mail to the visitor.
    VisitorMail,
}

/// Tells the agent of a booking, with the visitor's details. `context.locale` and
/// `context.meeting.zone` are the agent's.
pub fn agent_notice(notice: AgentNotice<'_>, context: &InviteContext) -> Rendered {
    let reader = Reader::of(&context.locale);
    let words = reader.language.words();
    let mut facts = meeting_facts(context, reader);
    let reason = match notice {
        AgentNotice::Booked => None,
        AgentNotice::Rescheduled { from, reason } => {
            let before = reader.span(from, context.meeting.zone);
            facts.insert(1, Fact::new(words.before, before));
            reason
        }
        AgentNotice::Cancelled { reason } => reason,
    };
    if let Some(reason) = reason {
        add(&mut facts, words.reason, &unlinked_lines(reason));
    }
    facts.extend(visitor_facts(context, reader));
    let heading = match notice {
        AgentNotice::Booked => words.notice_booked,
        AgentNotice::Rescheduled { .. } => words.notice_moved,
        AgentNotice::Cancelled { .. } => words.notice_cancelled,
    };
    let buttons = match notice {
        AgentNotice::Cancelled { .. } => Vec::new(),
        _ => join_button(context, reader),
    };
    let subject = subject(heading, context, reader);
    let layout = Layout { language: reader.language, heading: heading.to_owned(), facts, buttons };
    layout.render(subject, "", "")
}

/// Tells the agent that a delivery failed for good. `problem` is the last failure in words.
/// `context.locale` and `context.meeting.zone` are the agent's.
pub fn failure_notice(what: Delivery, problem: &str, context: &InviteContext) -> Rendered {
    let reader = Reader::of(&context.locale);
    let words = reader.language.words();
    let (heading, advice) = match what {
        Delivery::CalendarEntry => (words.failed_calendar, words.failed_calendar_advice),
        Delivery::VisitorMail => (words.failed_mail, words.failed_mail_advice),
    };
    let mut facts = meeting_facts(context, reader);
    add(&mut facts, words.problem, &unlinked(problem));
    facts.extend(visitor_facts(context, reader));
    let subject = subject(heading, context, reader);
    let buttons = Vec::new();
    let layout = Layout { language: reader.language, heading: heading.to_owned(), facts, buttons };
    layout.render(subject, advice, &format!("<p>{}</p>", html_escape(advice)))
}

/// A calendar that its agent has to connect again.
#[derive(Clone, Debug)]
pub struct Reauthentication<'a> {
    /// The agent's language, BCP 47.
    pub locale: &'a str,
    /// What people call the provider.
    pub provider: &'a str,
    /// The account as the provider names it.
    pub account: &'a str,
    /// What the provider said, in words.
    pub problem: Option<&'a str>,
    /// Where the agent mends it.
    pub link: Option<Url>,
}

/// Tells the agent that a calendar has to be connected again, and where.
pub fn reauthentication_notice(notice: &Reauthentication<'_>) -> Rendered {
    let language = Reader::of(notice.locale).language;
    let words = language.words();
    let mut facts = vec![
        Fact::new(words.calendar, unlinked(notice.provider)),
        Fact::new(words.account, address(notice.account)),
    ];
    add(&mut facts, words.problem, &notice.problem.map(unlinked).unwrap_or_default());
    let button = web_url(notice.link.as_ref())
        .map(|url| Button { label: words.connect_again, url: url.to_string() });
    let heading = words.reauthenticate.to_owned();
    let layout = Layout { language, heading, facts, buttons: button.into_iter().collect() };
    let subject = format!("{}{}{}", words.reauthenticate, words.colon, unlinked(notice.provider));
    let advice = words.reauthenticate_advice;
    layout.render(subject, advice, &format!("<p>{}</p>", html_escape(advice)))
}

/// What happened, who, and when.
fn subject(heading: &str, context: &InviteContext, reader: Reader) -> String {
    let start = context.meeting.range.start();
    let zone = context.meeting.zone;
    let date = reader.date(start, zone);
    format!(
        "{heading}{}{}, {date}, {}",
        reader.language.words().colon,
        visitor_name(context),
        reader.time(start, zone)
    )
}

/// The visitor's name, or the address without one.
fn visitor_name(context: &InviteContext) -> String {
    let name = context.person.full_name().map(|name| unlinked(&name));
    name.filter(|name| !name.is_empty()).unwrap_or_else(|| unlinked(&context.person.email))
}

fn meeting_facts(context: &InviteContext, reader: Reader) -> Vec<Fact> {
    let words = reader.language.words();
    let meeting = &context.meeting;
    vec![
        Fact::new(words.when, reader.span(meeting.range, meeting.zone)),
        Fact::new(words.time_zone, meeting.zone.name()),
        Fact::new(words.duration, reader.duration(meeting.range.length())),
    ]
}

/// The visitor's details: those there are.
fn visitor_facts(context: &InviteContext, reader: Reader) -> Vec<Fact> {
    let words = reader.language.words();
    let person = &context.person;
    let mut facts = Vec::new();
    let mut optional = |label: &'static str, value: Option<&str>| {
        add(&mut facts, label, &value.map(unlinked).unwrap_or_default());
    };
    optional(words.name, person.full_name().as_deref());
    optional(words.phone, person.phone.as_deref());
    optional(words.job_title, person.job_title.as_deref());
    let company = context.company.clone().unwrap_or_default();
    let CompanyFacts { name, domain, industry, country, attributes } = company;
    optional(words.company, name.as_deref());
    optional(words.domain, domain.as_deref());
    optional(words.industry, industry.as_deref());
    optional(words.country, country.as_deref());
    let email = facts.iter().take_while(|fact| fact.label() == words.name).count();
    facts.insert(email, Fact::new(words.email, address(&person.email)));
    let mut other = other_lines(&person.attributes);
    other.extend(other_lines(&attributes));
    add(&mut facts, words.other, &other.join("\n"));
    let notes = context.meeting.notes.as_deref().map(unlinked_lines).unwrap_or_default();
    add(&mut facts, words.notes, &notes);
    facts
}

/// Attributes, one a line.
fn other_lines(attributes: &Attributes) -> Vec<String> {
    let line =
        |(name, value): (&String, &String)| format!("{}: {}", unlinked(name), unlinked(value));
    attributes.iter().map(line).collect()
}

fn add(facts: &mut Vec<Fact>, label: &'static str, value: &str) {
    if !value.is_empty() {
        facts.push(Fact::new(label, value));
    }
}

fn join_button(context: &InviteContext, reader: Reader) -> Vec<Button> {
    let label = reader.language.words().join;
    let url = web_url(context.meeting.conference_url.as_ref());
    url.map(|url| Button { label, url: url.to_string() }).into_iter().collect()
}

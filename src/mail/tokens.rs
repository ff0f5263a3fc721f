//! The tokens that a template may use.

use calendar_provider::TimeRange;
use chrono::{TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use url::Url;

use super::context::{
    AgentFacts, Attributes, CompanyFacts, InviteContext, MeetingFacts, PersonFacts,
};

/// What a token speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenGroup {
    /// The visitor.
    Person,
    /// The visitor's company.
    Company,
    /// The agent.
    Agent,
    /// The meeting.
    Meeting,
}

/// A token, for a token picker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// As typed in a template, braces included.
    pub token: &'static str,
    /// What it is, in English.
    pub label: &'static str,
    /// What it speaks of.
    pub group: TokenGroup,
    /// What it may become.
    pub example: &'static str,
}

const fn token(
    group: TokenGroup,
    token: &'static str,
    label: &'static str,
    example: &'static str,
) -> Token {
    Token { token, label, group, example }
}

/// Tokens whose value is a URL: the only ones that may be the target of a link.
pub(super) const URL_TOKENS: [&str; 2] = ["meeting.conferenceUrl", "meeting.manageUrl"];

/// What attribute tokens start with; a name follows, e.g. `person.attributes.plan` or
/// `person.attributes.[company size]`.
pub(super) const ATTRIBUTE_PREFIXES: [&str; 2] = ["person.attributes", "company.attributes"];

static TOKENS: [Token; 21] = {
    use TokenGroup::{Agent, Company, Meeting, Person};
    [
        token(Person, "{{person.firstName}}", "First name", "Ana"),
        token(Person, "{{person.lastName}}", "Last name", "Silva"),
        token(Person, "{{person.email}}", "E-mail address", "ana.silva@acme.example"),
        token(Person, "{{person.phone}}", "Telephone", "+33 1 23 45 67 89"),
        token(Person, "{{person.jobTitle}}", "Job title", "Head of Operations"),
        token(Person, "{{person.attributes.plan}}", "Attribute of the person, by name", "Premium"),
        token(Company, "{{company.name}}", "Company", "Acme"),
        token(Company, "{{company.domain}}", "Domain", "acme.example"),
        token(Company, "{{company.industry}}", "Industry", "Logistics"),
        token(Company, "{{company.country}}", "Country", "France"),
        token(Company, "{{company.attributes.size}}", "Attribute of the company, by name", "250"),
        token(Agent, "{{agent.name}}", "Agent's name", "Sam Martin"),
        token(Agent, "{{agent.email}}", "Agent's e-mail address", "sam@frontdesk.example"),
        token(
            Meeting,
            "{{meeting.date}}",
            "Date, in the visitor's language and zone",
            "Monday 4 January 2027",
        ),
        token(Meeting, "{{meeting.startTime}}", "Start, in the visitor's zone", "10:00"),
        token(Meeting, "{{meeting.endTime}}", "End, in the visitor's zone", "10:30"),
        token(Meeting, "{{meeting.timeZone}}", "The visitor's time zone", "Europe/Paris"),
        token(Meeting, "{{meeting.duration}}", "Duration", "30 minutes"),
        token(
            Meeting,
            "{{meeting.conferenceUrl}}",
            "Link to join the meeting",
            "https://meet.example/abc-defg-hij",
        ),
        token(
            Meeting,
            "{{meeting.manageUrl}}",
            "Link to move or cancel the meeting",
            "https://frontdesk.example/manage/example",
        ),
        token(
            Person,
            "{{default person.firstName \"there\"}}",
            "First name, or a word of your own",
            "Ana",
        ),
    ]
};

/// Every token, in the order a picker shows them; attributes by an example of their name.
pub fn tokens() -> &'static [Token] {
    &TOKENS
}

/// Facts that render as the tokens' examples, for a preview without a visitor: a meeting with
/// `agent`, on Monday 4 January 2027 at ten in Paris, in the language of `locale`.
pub fn example_context(agent: AgentFacts, locale: &str) -> InviteContext {
    let attributes = |name: &str, value: &str| Attributes::from([(name.into(), value.into())]);
    let zone = Tz::Europe__Paris;
    InviteContext {
        person: PersonFacts {
            email: "ana.silva@acme.example".into(),
            first_name: Some("Ana".into()),
            last_name: Some("Silva".into()),
            phone: Some("+33 1 23 45 67 89".into()),
            job_title: Some("Head of Operations".into()),
            attributes: attributes("plan", "Premium"),
        },
        company: Some(CompanyFacts {
            name: Some("Acme".into()),
            domain: Some("acme.example".into()),
            industry: Some("Logistics".into()),
            country: Some("France".into()),
            attributes: attributes("size", "250"),
        }),
        agent,
        meeting: MeetingFacts {
            range: example_range(),
            zone,
            conference_url: Url::parse("https://meet.example/abc-defg-hij").ok(),
            manage_url: Url::parse("https://frontdesk.example/manage/example").ok(),
            notes: None,
        },
        locale: locale.to_owned(),
    }
}

/// 10:00 to 10:30 in Paris on 4 January 2027.
fn example_range() -> TimeRange {
    let start = Utc.timestamp_opt(1_799_053_200, 0).single().unwrap_or_default();
    TimeRange::lasting(start, TimeDelta::minutes(30))
        .unwrap_or_else(|empty| unreachable!("{empty}"))
}

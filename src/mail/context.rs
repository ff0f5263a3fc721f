//! What a mail is about: the facts that tokens stand for.

use std::collections::BTreeMap;

use calendar_provider::TimeRange;
use chrono_tz::Tz;
use url::Url;

use super::message::Mailbox;
use super::values::unlinked;

/// Attributes by name, as the visitor's page gave them.
pub type Attributes = BTreeMap<String, String>;

/// Everything that a mail about one booking may say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InviteContext {
    /// The visitor.
    pub person: PersonFacts,
    /// The visitor's company, where known.
    pub company: Option<CompanyFacts>,
    /// Who meets the visitor.
    pub agent: AgentFacts,
    /// The meeting itself.
    pub meeting: MeetingFacts,
    /// The reader's language, a BCP 47 tag such as `fr-CA`. One that is not known reads as English.
    pub locale: String,
}

/// The visitor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PersonFacts {
    /// Where the mail goes.
    pub email: String,
    /// Given name.
    pub first_name: Option<String>,
    /// Family name.
    pub last_name: Option<String>,
    /// Telephone number, as typed.
    pub phone: Option<String>,
    /// Job title.
    pub job_title: Option<String>,
    /// Whatever else is known.
    pub attributes: Attributes,
}

impl PersonFacts {
    /// Both names, or the one there is, or nothing.
    pub fn full_name(&self) -> Option<String> {
        let names = [self.first_name.as_deref(), self.last_name.as_deref()];
        let names: Vec<&str> =
            names.into_iter().flatten().map(str::trim).filter(|name| !name.is_empty()).collect();
        (!names.is_empty()).then(|| names.join(" "))
    }

    /// The visitor as the receiver of a mail or the attendee of an event; nothing in the name
    /// becomes a link.
    pub fn mailbox(&self) -> Mailbox {
        let name = self.full_name().map(|name| unlinked(&name)).filter(|name| !name.is_empty());
        Mailbox { name, email: self.email.clone() }
    }
}

/// The visitor's company.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CompanyFacts {
    /// Its name.
    pub name: Option<String>,
    /// Its domain, e.g. `acme.example`.
    pub domain: Option<String>,
    /// Its line of business.
    pub industry: Option<String>,
    /// Its country.
    pub country: Option<String>,
    /// Whatever else is known.
    pub attributes: Attributes,
}

/// The agent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AgentFacts {
    /// The agent's name.
    pub name: String,
    /// Where answers go.
    pub email: String,
}

impl AgentFacts {
    /// The agent as the receiver of a mail or of answers, or the organizer of an event.
    pub fn mailbox(&self) -> Mailbox {
        let name = Some(unlinked(&self.name)).filter(|name| !name.is_empty());
        Mailbox { name, email: self.email.clone() }
    }
}

/// The meeting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MeetingFacts {
    /// When it is.
    pub range: TimeRange,
    /// The zone its times are told in: the reader's.
    pub zone: Tz,
    /// Where to join, `http` or `https`; another scheme is left out.
    pub conference_url: Option<Url>,
    /// Where the visitor moves or cancels it, `http` or `https`; another scheme is left out.
    pub manage_url: Option<Url>,
    /// What the visitor wrote. Shown to the agent only, never mailed to the visitor.
    pub notes: Option<String>,
}

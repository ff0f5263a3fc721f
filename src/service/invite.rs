//! The confirmation that an agent's visitors receive: its template, and what is put in.

use std::borrow::Cow;

use calendar_provider::TimeRange;
use chrono::TimeDelta;
use sea_orm::Set;
use url::Url;
use uuid::Uuid;

use super::access::AgentEditor;
use super::{Error, Result, agent, schedule, text, visitor};
use crate::app::App;
use crate::mail::{
    self, AgentFacts, CompanyFacts, InviteContext, MailKind, MeetingFacts, PersonFacts, Rendered,
    TemplatePart, TemplateSource,
};
use crate::store;
use crate::store::booking::{Company, Person};

/// Longest subject of a template, in characters.
const SUBJECT_CHARS: usize = 300;
/// Longest body of a template, in characters.
const BODY_CHARS: usize = 20_000;

/// What to change about a template; what is none stays.
#[derive(Clone, Debug, Default)]
pub struct TemplateUpdate {
    /// A template of one line.
    pub subject: Option<String>,
    /// A template in CommonMark.
    pub body: Option<String>,
    /// Whether bookings ask for a conference link.
    pub include_conference_link: Option<bool>,
}

/// The agent's own template, or the default one in `locale`.
pub fn template<'a>(agent: &'a store::agent::Model, locale: &str) -> (Cow<'a, str>, Cow<'a, str>) {
    let (subject, body) = mail::default_template(locale);
    let own = |own: &'a Option<String>| own.as_deref().map(Cow::Borrowed);
    (
        own(&agent.invite_subject).unwrap_or_else(|| subject.into()),
        own(&agent.invite_body).unwrap_or_else(|| body.into()),
    )
}

/// Changes the agent's template.
///
/// # Errors
/// `BAD_USER_INPUT` with line and column for an unknown token or a broken template; `NOT_FOUND`.
pub async fn set_template(
    app: &App,
    editor: AgentEditor,
    update: TemplateUpdate,
) -> Result<store::agent::Model> {
    let subject = update.subject.as_deref();
    let subject = subject.map(|s| text::required("input.subject", s, SUBJECT_CHARS)).transpose()?;
    let body = match &update.body {
        None => None,
        Some(body) => Some(
            text::optional_lines("input.body", Some(body), BODY_CHARS)?
                .ok_or_else(|| Error::bad_input("input.body", "input.body must not be empty"))?,
        ),
    };
    // What is left out was checked when it was saved, so one that is known to be good stands for it.
    let (good_subject, good_body) = mail::default_template(&app.config.default_locale);
    check(TemplateSource {
        subject: subject.as_deref().unwrap_or(good_subject),
        body: body.as_deref().unwrap_or(good_body),
    })?;
    agent::change(app, editor, |_, record| {
        if let Some(subject) = subject {
            record.invite_subject = Set(Some(subject));
        }
        if let Some(body) = body {
            record.invite_body = Set(Some(body));
        }
        if let Some(include) = update.include_conference_link {
            record.include_conference_link = Set(include);
        }
        Ok(())
    })
    .await
}

fn check(source: TemplateSource<'_>) -> Result<()> {
    mail::check_template(source).map_err(|problem| {
        let field = match problem.part {
            TemplatePart::Subject => "input.subject",
            TemplatePart::Body => "input.body",
        };
        let (line, column) = (problem.line, problem.column);
        Error::BadInput {
            field: field.to_owned(),
            message: format!("{field}, line {line}, column {column}: {}", problem.message),
            position: Some((line, column)),
        }
    })
}

/// Renders a template as it would be sent: for the given visitor, or for the tokens' examples.
///
/// # Errors
/// As [`set_template`], and for a visitor as at booking.
pub async fn preview(
    app: &App,
    agent_id: Uuid,
    source: TemplateSource<'_>,
    person: Option<Person>,
    company: Option<Company>,
) -> Result<Rendered> {
    let agent = agent::get(app, agent_id).await?;
    text::required("input.subject", source.subject, SUBJECT_CHARS)?;
    text::optional_lines("input.body", Some(source.body), BODY_CHARS)?;
    check(source)?;
    let person = person.map(|p| visitor::person("input.person", p)).transpose()?;
    let company = company.map(|c| visitor::company("input.company", c)).transpose()?;
    let mut context = mail::example_context(agent_facts(&agent), &agent.locale);
    let start = app.now() + TimeDelta::days(1);
    let length = TimeDelta::minutes(agent.duration_minutes.into());
    context.meeting.range = TimeRange::lasting(start, length).map_err(Error::internal)?;
    context.meeting.zone = schedule::zone(&agent.meeting_time_zone)?;
    if let Some(person) = person {
        context.person = person_facts(&person);
        // A visitor without a company has none in the mail either.
        context.company = company.as_ref().map(company_facts);
    } else if let Some(company) = company {
        context.company = Some(company_facts(&company));
    }
    mail::render_invite(source, &context, MailKind::Confirmation).map_err(Error::internal)
}

/// What a booking puts into a mail, the meeting at `range`.
///
/// # Errors
/// None but a broken record's.
pub fn context(
    app: &App,
    agent: &store::agent::Model,
    booking: &store::booking::Model,
    range: TimeRange,
) -> Result<InviteContext> {
    let conference_url = booking.conference_url.as_deref();
    Ok(InviteContext {
        person: person_facts(&booking.person.0),
        company: booking.company.as_ref().map(|company| company_facts(&company.0)),
        agent: agent_facts(agent),
        meeting: MeetingFacts {
            range,
            zone: schedule::zone(&booking.time_zone)?,
            conference_url: conference_url.map(Url::parse).transpose().map_err(Error::internal)?,
            manage_url: Some(manage_url(app, booking.id)),
            notes: booking.notes.clone(),
        },
        locale: booking.locale.clone(),
    })
}

/// Where a visitor sees, moves and cancels a booking.
pub fn manage_url(app: &App, booking: Uuid) -> Url {
    let mut url = app.config.manage_url.clone();
    url.query_pairs_mut().append_pair("token", &app.secrets.manage_token(booking));
    url
}

fn agent_facts(agent: &store::agent::Model) -> AgentFacts {
    AgentFacts { name: agent.name.clone(), email: agent.email.clone() }
}

fn person_facts(person: &Person) -> PersonFacts {
    PersonFacts {
        email: person.email.clone(),
        first_name: person.first_name.clone(),
        last_name: person.last_name.clone(),
        phone: person.phone.clone(),
        job_title: person.job_title.clone(),
        attributes: attributes(&person.attributes),
    }
}

fn company_facts(company: &Company) -> CompanyFacts {
    CompanyFacts {
        name: company.name.clone(),
        domain: company.domain.clone(),
        industry: company.industry.clone(),
        country: company.country.clone(),
        attributes: attributes(&company.attributes),
    }
}

fn attributes(attributes: &[store::booking::Attribute]) -> mail::Attributes {
    attributes.iter().map(|a| (a.name.clone(), a.value.clone())).collect()
}

//! From a template and facts to the words of a mail to the visitor.

use std::collections::BTreeMap;

use handlebars::{
    Context, Handlebars, Helper, HelperDef, JsonRender, RenderContext, RenderErrorReason,
    ScopedJson, Template, html_escape, no_escape,
};
use serde_json::{Map, Value, json};
use url::Url;

use super::context::{Attributes, InviteContext};
use super::defaults::default_template;
use super::layout::{Button, Fact, Layout};
use super::locale::Reader;
use super::template::{Compiled, TemplateProblem, TemplateSource, compile, sanitise, unprotect};
use super::values::{address, one_line, unlinked, unlinked_token};

/// What a mail to the visitor is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailKind {
    /// A new booking.
    Confirmation,
    /// The same booking at another time.
    Rescheduled,
    /// The same booking and time, something else is new: the conference link.
    Update,
    /// The meeting is coming up. The agent's body, which was read already, is left out.
    Reminder,
    /// The booking is off. The agent's body, which speaks of a meeting to come, is left out.
    Cancelled,
}

/// The words of a mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// One line.
    pub subject: String,
    /// Plain text, lines ended by `\n`.
    pub text: String,
    /// A whole HTML document without remote resources.
    pub html: String,
}

/// Why a template did not render.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// It would not be saved today.
    #[error("template has a problem in its {:?}", .0.part)]
    Template(#[from] TemplateProblem),
    /// It failed against these facts.
    #[error("template failed to render")]
    Render(#[source] Box<handlebars::RenderError>),
}

impl From<handlebars::RenderError> for RenderError {
    fn from(error: handlebars::RenderError) -> Self {
        Self::Render(Box::new(error))
    }
}

/// The longest subject, in characters: what mail programs show, and then some.
const MAX_SUBJECT: usize = 250;

/// Renders the mail to the visitor: the agent's words inside our layout, in the language of
/// `context.locale` and the zone of `context.meeting.zone`. The visitor's notes stay out of it.
///
/// # Errors
/// [`RenderError`] where the template is broken; one that [`super::check_template`] accepted is not.
pub fn render_invite(
    source: TemplateSource<'_>,
    context: &InviteContext,
    kind: MailKind,
) -> Result<Rendered, RenderError> {
    let compiled = compile(source)?;
    let reader = Reader::of(&context.locale);
    let data = data(context, reader, &compiled);
    let mut subject_data = data.clone();
    // In a subject nobody answers to an address, so it need not stay a link.
    for (who, email) in [("person", &context.person.email), ("agent", &context.agent.email)] {
        subject_data[who]["email"] = unlinked_token(email).into();
    }
    let mut subject = subject(&compiled.subject, &subject_data)?;
    if subject.is_empty() {
        // Nothing but tokens without a value: a mail without a subject looks like spam.
        let (source, body) = default_template(&context.locale);
        let default = compile(TemplateSource { subject: source, body })?;
        subject = self::subject(&default.subject, &subject_data)?;
    }
    let words = reader.language.words();
    let change = match kind {
        MailKind::Confirmation => None,
        MailKind::Rescheduled => Some(words.moved),
        MailKind::Update => Some(words.updated),
        MailKind::Reminder => Some(words.reminder),
        MailKind::Cancelled => Some(words.cancelled),
    };
    if let Some(change) = change {
        subject = format!("{change}{}{subject}", words.colon);
    }
    let ours = |words: &str| (words.to_owned(), format!("<p>{}</p>", html_escape(words)));
    let (text, html) = match kind {
        MailKind::Cancelled => ours(words.no_longer),
        MailKind::Reminder => ours(words.coming_up),
        _ => (
            tidy(&unprotect(&registry(no_escape).apply(&compiled.text, &data)?)),
            sanitise(&unprotect(&registry(html_escape).apply(&compiled.html, &data)?)),
        ),
    };
    Ok(layout(context, reader, kind).render(subject, &text, &html))
}

fn subject(template: &Template, data: &Value) -> Result<String, RenderError> {
    let subject = one_line(&unprotect(&registry(no_escape).apply(template, data)?));
    Ok(subject.chars().take(MAX_SUBJECT).collect())
}

fn layout(context: &InviteContext, reader: Reader, kind: MailKind) -> Layout {
    let words = reader.language.words();
    let meeting = &context.meeting;
    let facts = vec![
        Fact::new(words.when, reader.span(meeting.range, meeting.zone)),
        Fact::new(words.time_zone, meeting.zone.name()),
        Fact::new(words.duration, reader.duration(meeting.range.length())),
        Fact::new(words.with, unlinked(&context.agent.name)),
    ];
    let targets = if kind == MailKind::Cancelled {
        [None, None]
    } else {
        [
            web_url(meeting.conference_url.as_ref()).map(|url| (words.join, url)),
            web_url(meeting.manage_url.as_ref()).map(|url| (words.manage, url)),
        ]
    };
    let buttons = targets
        .into_iter()
        .flatten()
        .map(|(label, url)| Button { label, url: url.to_string() })
        .collect();
    let heading = reader.language.heading(kind).to_owned();
    Layout { language: reader.language, heading, facts, buttons }
}

/// A registry that can do what a template may, and no more.
struct Registry(Handlebars<'static>);

fn registry(escape: fn(&str) -> String) -> Registry {
    let mut registry = Handlebars::new();
    for helper in
        ["each", "with", "lookup", "raw", "log", "eq", "ne", "gt", "gte", "lt", "lte", "len"]
    {
        registry.unregister_helper(helper);
    }
    registry.register_helper("default", Box::new(DefaultHelper));
    registry.register_escape_fn(escape);
    registry.set_strict_mode(true);
    Registry(registry)
}

impl Registry {
    fn apply(mut self, template: &Template, data: &Value) -> Result<String, RenderError> {
        self.0.register_template("mail", template.clone());
        Ok(self.0.render("mail", data)?)
    }
}

/// `{{default a b}}`: the first, or the second where the first is empty.
struct DefaultHelper;

impl HelperDef for DefaultHelper {
    fn call_inner<'reg: 'rc, 'rc>(
        &self,
        helper: &Helper<'rc>,
        _registry: &'reg Handlebars<'reg>,
        _context: &'rc Context,
        _render: &mut RenderContext<'reg, 'rc>,
    ) -> Result<ScopedJson<'rc>, handlebars::RenderError> {
        let parameter = |at: usize| {
            let value = helper.param(at).filter(|value| !value.is_value_missing());
            let value = value.ok_or(RenderErrorReason::ParamNotFoundForIndex("default", at))?;
            Ok::<_, handlebars::RenderError>(value.value().render())
        };
        let (first, second) = (parameter(0)?, parameter(1)?);
        let chosen = if first.trim().is_empty() { second } else { first };
        Ok(ScopedJson::Derived(Value::String(chosen)))
    }
}

/// What tokens stand for. Every known token is there, empty where there is nothing to say, so that
/// strict mode only meets what no template can have been saved with.
fn data(context: &InviteContext, reader: Reader, compiled: &Compiled) -> Value {
    let person = &context.person;
    let company = context.company.clone().unwrap_or_default();
    let meeting = &context.meeting;
    let (range, zone) = (meeting.range, meeting.zone);
    let url = |url: Option<&Url>| web_url(url).map(Url::to_string).unwrap_or_default();
    let attributes = |group: &str, given: &Attributes| {
        let named = compiled.attributes.iter().filter(|(of, _)| of == group);
        let named: BTreeMap<&str, String> = named
            .map(|(_, name)| (name.as_str(), optional(given.get(name).map(String::as_str))))
            .collect();
        named
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.into()))
            .collect::<Map<_, _>>()
    };
    json!({
        "person": {
            "email": address(&person.email),
            "firstName": optional(person.first_name.as_deref()),
            "lastName": optional(person.last_name.as_deref()),
            "phone": optional(person.phone.as_deref()),
            "jobTitle": optional(person.job_title.as_deref()),
            "attributes": attributes("person", &person.attributes),
        },
        "company": {
            "name": optional(company.name.as_deref()),
            "domain": optional(company.domain.as_deref()),
            "industry": optional(company.industry.as_deref()),
            "country": optional(company.country.as_deref()),
            "attributes": attributes("company", &company.attributes),
        },
        "agent": {
            "name": unlinked_token(&context.agent.name),
            "email": address(&context.agent.email),
        },
        "meeting": {
            "date": reader.date(range.start(), zone),
            "startTime": reader.time(range.start(), zone),
            "endTime": reader.time(range.end(), zone),
            "timeZone": zone.name(),
            "duration": reader.duration(range.length()),
            "conferenceUrl": url(meeting.conference_url.as_ref()),
            "manageUrl": url(meeting.manage_url.as_ref()),
        },
    })
}

fn optional(value: Option<&str>) -> String {
    value.map(unlinked_token).unwrap_or_default()
}

/// At most one empty line in a row, no space at a line's end, none around the whole.
fn tidy(text: &str) -> String {
    let mut lines: Vec<&str> = Vec::new();
    for line in text.lines().map(str::trim_end) {
        if !(line.is_empty() && lines.last().is_none_or(|last| last.is_empty())) {
            lines.push(line);
        }
    }
    lines.join("\n").trim_end().to_owned()
}

/// The URL if a browser opens it as a page.
pub(super) fn web_url(url: Option<&Url>) -> Option<&Url> {
    url.filter(|url| matches!(url.scheme(), "http" | "https"))
}

//! Mails about live chats that nobody took, for agents who asked to be told.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use handlebars::html_escape;
use url::Url;

use super::layout::{Button, Fact, Layout};
use super::locale::Reader;
use super::render::{Rendered, web_url};
use super::values::{address, unlinked, unlinked_lines};
use super::wording::Language;

/// A live chat that nobody took, or that was taken and came to nothing.
#[derive(Clone, Debug)]
pub struct MissedChat<'a> {
    /// The reader's language, BCP 47.
    pub locale: &'a str,
    /// The reader's zone.
    pub zone: Tz,
    /// Whether an agent had accepted it.
    pub was_taken: bool,
    /// When it was asked for.
    pub requested_at: DateTime<Utc>,
    /// The visitor's name, where it said one, as is the rest.
    pub name: Option<String>,
    /// Where to write to the visitor.
    pub email: Option<&'a str>,
    /// The visitor's telephone number.
    pub phone: Option<&'a str>,
    /// The visitor's company.
    pub company: Option<&'a str>,
    /// The visitor's first words.
    pub message: Option<&'a str>,
    /// Where the conversation is.
    pub conversation: Option<Url>,
}

/// Tells an agent of a live chat that nobody took.
pub fn missed_chat_notice(missed: &MissedChat<'_>) -> Rendered {
    let reader = Reader::of(missed.locale);
    let language = reader.language;
    let words = language.words();
    let heading = match missed.was_taken {
        false => language.either("Nobody took a live chat", "Personne n’a pris un chat"),
        true => {
            language.either("A live chat was left unanswered", "Un chat est resté sans réponse")
        }
    };
    let advice = match missed.was_taken {
        false => language.either(
            "A visitor asked for a chat, and nobody was free to accept it in time.",
            "Un visiteur a demandé un chat et personne n’a pu l’accepter à temps.",
        ),
        true => language.either(
            "An agent accepted this chat, and nothing happened in it afterwards.",
            "Un agent a accepté ce chat et rien ne s’y est passé ensuite.",
        ),
    };
    let (date, time) = (
        reader.date(missed.requested_at, missed.zone),
        reader.time(missed.requested_at, missed.zone),
    );
    let mut facts = vec![
        Fact::new(words.when, format!("{date}, {time}")),
        Fact::new(words.time_zone, missed.zone.name()),
    ];
    facts.extend(visitor(missed, reader));
    let name = language.either("Open the conversation", "Ouvrir la conversation");
    let button = web_url(missed.conversation.as_ref())
        .map(|url| Button { label: name, url: url.to_string() });
    let subject = format!("{heading}{}{date}, {time}", words.colon);
    let heading = heading.to_owned();
    let layout = Layout { language, heading, facts, buttons: button.into_iter().collect() };
    layout.render(subject, advice, &format!("<p>{}</p>", html_escape(advice)))
}

/// The visitor's details: those there are.
fn visitor(missed: &MissedChat<'_>, reader: Reader) -> Vec<Fact> {
    let words = reader.language.words();
    let mut facts = Vec::new();
    let mut add = |label: &'static str, value: String| {
        if !value.is_empty() {
            facts.push(Fact::new(label, value));
        }
    };
    add(words.name, missed.name.as_deref().map(unlinked).unwrap_or_default());
    add(words.email, missed.email.map(address).unwrap_or_default());
    add(words.phone, missed.phone.map(unlinked).unwrap_or_default());
    add(words.company, missed.company.map(unlinked).unwrap_or_default());
    add(words.notes, missed.message.map(unlinked_lines).unwrap_or_default());
    facts
}

/// Tells an agent that there were more than `told` such chats in the hour, of which no more is said.
pub fn more_missed_chats_notice(locale: &str, told: u64) -> Rendered {
    let language = Language::of_tag(locale);
    let heading = language.either("More live chats were missed", "D’autres chats ont été manqués");
    let advice = match language {
        Language::English => format!(
            "We have told you of {told} live chats in this hour, and there were more. You will hear \
             of others from the next full hour on."
        ),
        Language::French => format!(
            "Nous vous avons signalé {told} chats pendant cette heure et il y en a eu d’autres. Vous \
             serez de nouveau prévenu à partir de la prochaine heure pleine."
        ),
    };
    let (facts, buttons) = (Vec::new(), Vec::new());
    let layout = Layout { language, heading: heading.to_owned(), facts, buttons };
    layout.render(heading.to_owned(), &advice, &format!("<p>{}</p>", html_escape(&advice)))
}

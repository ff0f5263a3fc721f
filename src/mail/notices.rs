//! Mails to the agent.

use calendar_provider::TimeRange;

use super::context::InviteContext;
use super::render::Rendered;

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
    let _ = (notice, context);
    Rendered { subject: String::new(), text: String::new(), html: String::new() }
}

/// Tells the agent that a delivery failed for good. `problem` is the last failure in words.
/// `context.locale` and `context.meeting.zone` are the agent's.
pub fn failure_notice(what: Delivery, problem: &str, context: &InviteContext) -> Rendered {
    let _ = (what, problem, context);
    Rendered { subject: String::new(), text: String::new(), html: String::new() }
}

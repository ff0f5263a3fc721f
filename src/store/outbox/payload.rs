//! What a row has to say, as kept in JSON.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Kind;
use crate::store::webhook::EventType;

/// What a row has to say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Payload {
    /// Of a booking.
    Booking(BookingNews),
    /// Of a calendar that no longer accepts its agent's authorization.
    Reauthentication(Reauthentication),
    /// Of a connection that was ended here.
    Farewell(Farewell),
    /// Of an event, for a webhook.
    Webhook(WebhookMessage),
    /// Of a meeting that is coming up.
    Reminder(Reminder),
    /// Of a live chat that is offered.
    LiveChatPush(LiveChatPush),
    /// Of a live chat that nobody took.
    MissedChat(MissedChat),
    /// Of a booking that its visitor is to confirm.
    ConfirmBooking(ConfirmBooking),
}

/// Which booking is to be confirmed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfirmBooking {
    /// The confirmation.
    pub confirm_booking: Uuid,
}

/// Which offer is told in which browser.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveChatPush {
    /// The offer.
    pub push_offer: Uuid,
    /// The browser's registration.
    pub registration: Uuid,
}

/// Which live chat nobody took.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissedChat {
    /// The request.
    pub missed_chat: Uuid,
}

/// Which calendar must be connected again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reauthentication {
    /// The connection.
    pub reauthenticate: Uuid,
}

/// What is needed to end a connection at its provider, after it was ended here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Farewell {
    /// The provider's key.
    pub farewell: String,
    /// The connection that was ended, or some of whose channels were.
    pub connection: Uuid,
    /// As the provider names the account.
    pub account: String,
    /// The credentials, sealed for the connection and in base64; empty once it is done.
    pub credentials: String,
    /// When the access token among them stops working.
    pub token_expires_at: Option<DateTime<Utc>>,
    /// Whether the provider is to forget the tokens.
    pub revoke: bool,
    /// The channels on which the provider tells of changes.
    pub channels: Vec<Channel>,
}

/// A channel to end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Channel {
    /// The provider's reference to the calendar.
    pub calendar_ref: String,
    /// What the provider needs to end it.
    pub watch_ref: String,
    /// When it ends by itself.
    pub expires_at: DateTime<Utc>,
}

/// What a webhook is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookMessage {
    /// The event's own ID: the same for every webhook and every try, so that receivers can tell what
    /// they have had before.
    pub message_id: String,
    /// What happened.
    pub event: EventType,
    /// The body, exactly as it is signed and sent.
    pub body: String,
}

/// Of which meeting a reminder reminds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reminder {
    /// How long before the start it is due.
    pub minutes_before: u32,
    /// The start: a meeting that has moved since has reminders of its own.
    pub meeting_starts_at: DateTime<Utc>,
}

impl Reminder {
    /// When it is due.
    pub fn due_at(&self) -> DateTime<Utc> {
        self.meeting_starts_at - TimeDelta::minutes(self.minutes_before.into())
    }
}

/// What happened to the booking, as of the version that a row delivers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BookingNews {
    /// What the delivery tells of.
    pub change: Change,
    /// The meeting's start after it.
    pub starts_at: DateTime<Utc>,
    /// The meeting's end after it.
    pub ends_at: DateTime<Utc>,
    /// For a move or a cancellation, why; for word of a failure, what failed.
    pub reason: Option<String>,
    /// For a move, the start before it.
    pub moved_from: Option<DateTime<Utc>>,
    /// For word of a failure, which delivery was given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<Kind>,
}

/// What happened to a booking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Change {
    /// It was made.
    Booked,
    /// It was moved.
    Rescheduled,
    /// Its conference link came after the confirmation was sent.
    ConferenceAdded,
    /// It was called off.
    Cancelled,
}

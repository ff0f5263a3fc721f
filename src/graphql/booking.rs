//! Bookings.

use async_graphql::{Context, Enum, ID, InputObject, Object, OneofObject, SimpleObject, Union};

use super::access::{app, authorise, caller, read_id};
use super::agent::Agent;
use super::calendar::ConferenceKind;
use super::drift::CalendarEventDrift;
use super::error::Result;
use super::loaders::{AgentById, BookingById, CountOf, load};
use super::page::{Cursor, PageArgs, connection};
use super::routing::RoutingExplanation;
use super::scalars::{DateTime, Locale, TimeZone, Url};
use super::slots::{RouteInput, Slot, read_route};
use super::visitor::{Company, CompanyInput, Person, PersonInput};
use crate::ids;
use crate::service::booking::{self as service, Booked};
use crate::service::{Error, calendar, text};
use crate::store::booking::{CANCELLED, CONFIRMED, Model};
use crate::store::outbox;

/// Whether a booking stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum BookingStatus {
    /// It does.
    Confirmed,
    /// It was called off.
    Cancelled,
}

impl BookingStatus {
    const fn name(self) -> &'static str {
        match self {
            Self::Confirmed => CONFIRMED,
            Self::Cancelled => CANCELLED,
        }
    }
}

/// How a delivery stands. FAILED: given up after the retries; operators see it and can retry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum DeliveryStatus {
    /// On its way.
    Pending,
    /// There.
    Delivered,
    /// Given up after the retries; operators see it and can retry.
    Failed,
}

impl DeliveryStatus {
    fn read(text: &str) -> Result<Self> {
        match text {
            outbox::PENDING => Ok(Self::Pending),
            outbox::DELIVERED => Ok(Self::Delivered),
            outbox::FAILED => Ok(Self::Failed),
            other => Err(Error::internal(anyhow::anyhow!("delivery status {other}")).into()),
        }
    }
}

/// Where to join a meeting.
#[derive(Clone, Debug, SimpleObject)]
pub struct Conference {
    /// Whose conference it is.
    kind: ConferenceKind,
    /// Opens it.
    join_url: Url,
}

/// The entry in the agent's own calendar.
#[derive(Clone, Debug, SimpleObject)]
pub struct CalendarEvent {
    /// How it stands.
    status: DeliveryStatus,
    /// Where the agent can see it.
    url: Option<Url>,
    /// The last failure, in words; null when none.
    problem: Option<String>,
    /// How it differs from the booking, where it was changed in the calendar by hand. For those who may
    /// see where it is.
    drift: Option<CalendarEventDrift>,
}

/// The newest confirmation, update or cancellation sent to the visitor.
#[derive(Clone, Debug, SimpleObject)]
pub struct EmailDelivery {
    /// How it stands.
    status: DeliveryStatus,
    /// When the mail server took it.
    delivered_at: Option<DateTime>,
    /// The last failure, in words; null when none.
    problem: Option<String>,
}

/// A meeting of a visitor with an agent.
#[derive(Clone, Debug)]
pub struct Booking(pub(crate) Model);

/// A meeting of a visitor with an agent.
#[Object]
impl Booking {
    /// Names it everywhere.
    pub(crate) async fn id(&self) -> ID {
        ids::BOOKING.format(self.0.id).into()
    }

    /// Whether it stands.
    async fn status(&self) -> Result<BookingStatus> {
        match self.0.status.as_str() {
            CONFIRMED => Ok(BookingStatus::Confirmed),
            CANCELLED => Ok(BookingStatus::Cancelled),
            other => Err(Error::internal(anyhow::anyhow!("booking status {other}")).into()),
        }
    }

    /// Who is met.
    async fn agent(&self, ctx: &Context<'_>) -> Result<Agent> {
        let agent = load(ctx, AgentById(self.0.agent_id)).await?;
        let gone = || Error::internal(anyhow::anyhow!("agent {} is gone", self.0.agent_id));
        Ok(Agent(agent.ok_or_else(gone)?))
    }

    /// The meeting's start.
    async fn starts_at(&self) -> DateTime {
        self.0.starts_at.into()
    }

    /// The meeting's end.
    async fn ends_at(&self) -> DateTime {
        self.0.ends_at.into()
    }

    /// The visitor's.
    async fn time_zone(&self) -> TimeZone {
        TimeZone(self.0.time_zone.clone())
    }

    /// The visitor's.
    async fn locale(&self) -> Locale {
        Locale(self.0.locale.clone())
    }

    /// The visitor.
    async fn person(&self) -> Person {
        (&self.0.person.0).into()
    }

    /// The visitor's company.
    async fn company(&self) -> Option<Company> {
        self.0.company.as_ref().map(|company| (&company.0).into())
    }

    /// The visitor's words.
    async fn notes(&self) -> Option<&str> {
        self.0.notes.as_deref()
    }

    /// Null until the calendar has made one, or where none was asked for.
    async fn conference(&self) -> Option<Conference> {
        let kind = match self.0.conference_kind.as_deref()? {
            calendar::GOOGLE_MEET => ConferenceKind::GoogleMeet,
            calendar::MICROSOFT_TEAMS => ConferenceKind::MicrosoftTeams,
            _ => return None,
        };
        Some(Conference { kind, join_url: Url(self.0.conference_url.clone()?) })
    }

    /// The entry in the agent's own calendar.
    async fn calendar_event(&self, ctx: &Context<'_>) -> Result<CalendarEvent> {
        // A visitor hears whether it is there, not where the agent's calendar is or what ails it.
        let sees_all = service::may_see(caller(ctx), self.0.agent_id);
        let shown = |text: &Option<String>| text.clone().filter(|_| sees_all);
        Ok(CalendarEvent {
            status: DeliveryStatus::read(&self.0.event_status)?,
            url: shown(&self.0.event_url).map(Url),
            problem: shown(&self.0.event_problem),
            drift: self.0.drift.as_ref().filter(|_| sees_all).map(|drift| (&drift.0).into()),
        })
    }

    /// The newest confirmation, update or cancellation sent to the visitor.
    async fn confirmation(&self, ctx: &Context<'_>) -> Result<EmailDelivery> {
        let sees_all = service::may_see(caller(ctx), self.0.agent_id);
        Ok(EmailDelivery {
            status: DeliveryStatus::read(&self.0.mail_status)?,
            delivered_at: self.0.mail_delivered_at.map(Into::into),
            problem: self.0.mail_problem.clone().filter(|_| sees_all),
        })
    }

    /// How its agent was found. Null for a booking made before that was kept, and for callers who have
    /// neither VIEW_ROUTING nor, as its agent, VIEW_MY_ROUTING.
    async fn routing(&self, ctx: &Context<'_>) -> Result<Option<RoutingExplanation>> {
        let caller = caller(ctx);
        let Some(kept) = &self.0.routing else { return Ok(None) };
        let is_own = caller.is_agent(self.0.agent_id);
        RoutingExplanation::kept(caller, is_own, &kept.0, Some(self.0.starts_at))
    }

    /// When it was booked.
    async fn created_at(&self) -> DateTime {
        self.0.created_at.into()
    }

    /// When it was called off.
    async fn cancelled_at(&self) -> Option<DateTime> {
        self.0.cancelled_at.map(Into::into)
    }

    /// Why, in the words of whoever did.
    async fn cancellation_reason(&self) -> Option<&str> {
        self.0.cancellation_reason.as_deref()
    }
}

connection!(
    /// A page of bookings, in order of start.
    BookingConnection, BookingEdge, Booking(Model),
    cursor: |booking| (booking.starts_at, booking.id).encode(),
    count(ctx, filter: service::Filter): match filter.agent {
        // Perhaps one of many on a page of agents.
        Some(agent) => {
            let filter = service::Filter { agent: None, ..filter.clone() };
            Ok(load(ctx, CountOf { agent, filter }).await?.unwrap_or(0))
        }
        None => Ok(service::count(app(ctx), filter).await?),
    }
);

/// Which bookings to look for.
#[derive(Clone, Debug, InputObject)]
pub struct BookingFilter {
    agent_id: Option<ID>,
    status: Option<BookingStatus>,
    /// Starts at or after.
    starts_from: Option<DateTime>,
    /// Starts before.
    starts_before: Option<DateTime>,
    /// Matches the visitor's name, e-mail or company.
    search: Option<String>,
}

impl BookingFilter {
    pub(crate) fn read(self) -> Result<service::Filter, Error> {
        let instant = |field: &str, value: Option<DateTime>| {
            value.map(|value| value.read(&format!("filter.{field}"))).transpose()
        };
        let agent = self.agent_id.map(|id| read_id(ids::AGENT, &id, "filter.agentId"));
        Ok(service::Filter {
            agent: agent.transpose()?,
            status: self.status.map(BookingStatus::name),
            starts_from: instant("startsFrom", self.starts_from)?,
            starts_before: instant("startsBefore", self.starts_before)?,
            search: text::optional("filter.search", self.search.as_deref(), text::LINE_CHARS)?,
        })
    }
}

/// A meeting to book.
#[derive(Clone, Debug, InputObject)]
pub struct BookMeetingInput {
    /// The start of a slot.
    starts_at: DateTime,
    /// Needed only where slots of different lengths start together.
    ends_at: Option<DateTime>,
    /// The visitor's.
    time_zone: TimeZone,
    /// The visitor's; the server's default where left out.
    locale: Option<Locale>,
    person: PersonInput,
    company: Option<CompanyInput>,
    /// At most 5000 characters, for the agent.
    notes: Option<String>,
    /// Left out: account owners, then custom rules, then the round-robin queue.
    route: Option<RouteInput>,
    /// Makes a request that is sent again answer what the first one was answered, and do nothing twice. The same
    /// key with another input is a CONFLICT. With an API key 1 to 200 characters, kept apart by key or agent;
    /// without one 16 to 200, kept apart by the visitor's mailbox. Use a random UUID, since whoever repeats key
    /// and input is given the same answer. Kept for at least 24 hours.
    idempotency_key: Option<String>,
    /// The answer to the challenge of ProofRequired. It is looked at only past a limit.
    proof: Option<String>,
}

/// What came of a request for a time.
#[derive(Union)]
#[expect(clippy::large_enum_variant, reason = "one a request, never kept in a list")]
pub enum BookMeetingResult {
    /// It is booked.
    Booked(MeetingBooked),
    /// It is not free.
    Unavailable(SlotUnavailable),
    /// The caller must send a proof with the request.
    ProofRequired(ProofRequired),
    /// The visitor must press the button that a mail leads to.
    EmailConfirmationRequired(EmailConfirmationRequired),
}

/// Too many meetings were booked without an API key: the caller must solve a challenge, and send the same request
/// again with the answer as BookMeetingInput.proof. An answer works once.
#[derive(Clone, Debug, SimpleObject)]
pub struct ProofRequired {
    /// The verifier in use: turnstile, hcaptcha or altcha.
    provider: String,
    /// What its widget needs; null where it needs nothing.
    site_key: Option<String>,
    /// A challenge from this server; null where the widget fetches its own.
    challenge: Option<String>,
}

/// Too many meetings were booked without an API key. A mail was sent to the visitor; the time is booked once the
/// button on the page behind its link is pressed, if it is held or still free.
#[derive(Clone, Debug, SimpleObject)]
pub struct EmailConfirmationRequired {
    /// Whether the time is kept for this visitor until expiresAt.
    held: bool,
    /// Until when the button works: 15 minutes after the request.
    expires_at: DateTime,
}

/// What came of confirming a booking.
#[derive(Union)]
#[expect(clippy::large_enum_variant, reason = "one a request, never kept in a list")]
pub enum ConfirmBookingResult {
    /// It is booked.
    Booked(MeetingBooked),
    /// It was not held, and is not free any more.
    Unavailable(SlotUnavailable),
}

/// A booking to confirm.
#[derive(Clone, Debug, InputObject)]
pub struct ConfirmBookingInput {
    /// The token of the link in the mail.
    token: String,
}

/// The time is booked.
#[derive(Clone, Debug, SimpleObject)]
pub struct MeetingBooked {
    /// The booking.
    booking: Booking,
    /// Lets its holder see, move and cancel this booking, and nothing else; until 30 days after the
    /// meeting.
    manage_token: String,
}

/// The time is not free.
#[derive(Clone, Debug, SimpleObject)]
pub struct SlotUnavailable {
    /// What to tell the visitor.
    message: String,
    /// The nearest slots that are still free, in order of start; at most 5.
    alternatives: Vec<Slot>,
}

impl From<Booked> for BookMeetingResult {
    fn from(booked: Booked) -> Self {
        match booked {
            Booked::Made { booking, manage_token } => {
                Self::Booked(MeetingBooked { booking: Booking(*booking), manage_token })
            }
            Booked::Unavailable { message, alternatives } => {
                let alternatives = alternatives.into_iter().map(Into::into).collect();
                Self::Unavailable(SlotUnavailable { message, alternatives })
            }
            Booked::ProofRequired(demand) => Self::ProofRequired(ProofRequired {
                provider: demand.provider.to_owned(),
                site_key: demand.site_key,
                challenge: demand.challenge,
            }),
            Booked::EmailConfirmationRequired { held, expires_at } => {
                let expires_at = expires_at.into();
                Self::EmailConfirmationRequired(EmailConfirmationRequired { held, expires_at })
            }
        }
    }
}

impl TryFrom<Booked> for ConfirmBookingResult {
    type Error = Error;

    fn try_from(booked: Booked) -> Result<Self, Error> {
        match BookMeetingResult::from(booked) {
            BookMeetingResult::Booked(booked) => Ok(Self::Booked(booked)),
            BookMeetingResult::Unavailable(unavailable) => Ok(Self::Unavailable(unavailable)),
            BookMeetingResult::ProofRequired(_)
            | BookMeetingResult::EmailConfirmationRequired(_) => {
                Err(Error::internal(anyhow::anyhow!("a confirmation demands another")))
            }
        }
    }
}

/// How a caller names a booking.
#[derive(Clone, Debug, OneofObject)]
pub enum BookingReference {
    /// For callers who may see it.
    Id(ID),
    /// For the visitor.
    ManageToken(String),
}

impl BookingReference {
    fn read(self) -> Result<service::Reference, Error> {
        match self {
            Self::Id(id) => {
                Ok(service::Reference::Id(read_id(ids::BOOKING, &id, "input.booking.id")?))
            }
            Self::ManageToken(token) => Ok(service::Reference::ManageToken(token)),
        }
    }
}

/// A booking to move.
#[derive(Clone, Debug, InputObject)]
pub struct RescheduleBookingInput {
    booking: BookingReference,
    /// The start of a slot of the same agent.
    starts_at: DateTime,
    /// For the mail; at most 1000 characters.
    reason: Option<String>,
}

/// A booking to call off.
#[derive(Clone, Debug, InputObject)]
pub struct CancelBookingInput {
    booking: BookingReference,
    /// For the mail; at most 1000 characters.
    reason: Option<String>,
}

/// Queries about bookings.
#[derive(Clone, Copy, Debug, Default)]
pub struct BookingQuery;

#[Object]
impl BookingQuery {
    /// The booking with this ID, or null. An agent sees its own; MANAGE_ALL_MEETINGS sees all.
    async fn booking(&self, ctx: &Context<'_>, id: ID) -> Result<Option<Booking>> {
        authorise(ctx)?;
        let Some(id) = ids::BOOKING.parse(&id) else { return Ok(None) };
        let booking = load(ctx, BookingById(id)).await?;
        Ok(booking.filter(|b| service::may_see(caller(ctx), b.agent_id)).map(Booking))
    }

    /// A visitor's own booking. Null for a token that opens nothing, or no longer: it works until 30
    /// days after the meeting. Open to visitors.
    async fn managed_booking(
        &self,
        ctx: &Context<'_>,
        manage_token: String,
    ) -> Result<Option<Booking>> {
        authorise(ctx)?;
        Ok(service::managed(app(ctx), &manage_token).await?.map(Booking))
    }

    /// Bookings, in order of start. An agent sees its own; MANAGE_ALL_MEETINGS sees all.
    #[graphql(complexity = "super::page::cost(first, last, child_complexity)")]
    async fn bookings(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "At most 100; 20 where neither first nor last is given.")] first: Option<
            i64,
        >,
        after: Option<String>,
        last: Option<i64>,
        before: Option<String>,
        filter: Option<BookingFilter>,
    ) -> Result<BookingConnection> {
        authorise(ctx)?;
        let page = PageArgs { first, after, last, before }.read()?;
        let mut filter = filter.map(BookingFilter::read).transpose()?.unwrap_or_default();
        if let Some(own) = service::agent_of(caller(ctx))? {
            if filter.agent.is_some_and(|asked| asked != own) {
                let message = "filter.agentId names another agent".to_owned();
                return Err(Error::Forbidden(message).into());
            }
            filter.agent = Some(own);
        }
        let page = service::list(app(ctx), &filter, &page).await?;
        Ok(BookingConnection::new(page, filter))
    }
}

/// Mutations about bookings.
#[derive(Clone, Copy, Debug, Default)]
pub struct BookingMutation;

#[Object]
impl BookingMutation {
    /// Books a slot, or says which others are free. Open to visitors: past the limits for callers without an API
    /// key it demands a proof, or a confirmation by e-mail. RATE_LIMITED where a mailbox has as many meetings
    /// ahead as it may, and where too many bookings of an IP address wait for a confirmation by e-mail.
    /// A visitor who is blocked gets SlotUnavailable with the fallback message and no alternatives.
    async fn book_meeting(
        &self,
        ctx: &Context<'_>,
        input: BookMeetingInput,
    ) -> Result<BookMeetingResult> {
        authorise(ctx)?;
        let request = service::BookMeeting {
            starts_at: input.starts_at.read_exact("input.startsAt")?,
            ends_at: input.ends_at.map(|end| end.read_exact("input.endsAt")).transpose()?,
            zone: input.time_zone.read("input.timeZone")?,
            locale: input.locale.map(|locale| locale.0),
            person: input.person.into(),
            company: input.company.map(Into::into),
            notes: input.notes,
            route: read_route(input.route.as_ref(), "input.route")?,
            idempotency_key: input.idempotency_key,
            proof: input.proof,
        };
        Ok(service::book(app(ctx), caller(ctx), request).await?.into())
    }

    /// Books what EmailConfirmationRequired was answered for: the time that is held, or else that time if it is
    /// still free. Sent again, it answers with the same booking. NOT_FOUND for a token that is wrong, or older
    /// than 15 minutes without a booking. Open to visitors.
    async fn confirm_booking(
        &self,
        ctx: &Context<'_>,
        input: ConfirmBookingInput,
    ) -> Result<ConfirmBookingResult> {
        authorise(ctx)?;
        Ok(service::confirm(app(ctx), caller(ctx), &input.token).await?.try_into()?)
    }

    /// Moves a booking to another free slot of its agent; where that is not free, the old time
    /// stays. Open to visitors with the manage token; by ID, to the agent and MANAGE_ALL_MEETINGS.
    async fn reschedule_booking(
        &self,
        ctx: &Context<'_>,
        input: RescheduleBookingInput,
    ) -> Result<BookMeetingResult> {
        authorise(ctx)?;
        let request = service::Reschedule {
            booking: input.booking.read()?,
            starts_at: input.starts_at.read_exact("input.startsAt")?,
            reason: input.reason,
        };
        Ok(service::reschedule(app(ctx), caller(ctx), request).await?.into())
    }

    /// Calls a booking off; its time is free at once. Open to visitors with the manage token; by ID,
    /// to the agent and MANAGE_ALL_MEETINGS.
    async fn cancel_booking(
        &self,
        ctx: &Context<'_>,
        input: CancelBookingInput,
    ) -> Result<Booking> {
        authorise(ctx)?;
        let request = service::Cancel { booking: input.booking.read()?, reason: input.reason };
        Ok(Booking(service::cancel(app(ctx), caller(ctx), request).await?))
    }
}

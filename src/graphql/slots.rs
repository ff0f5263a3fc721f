//! Slots for visitors.
//!
//! A list of 400 slots would cost async-graphql a future for each field of each; the days are
//! therefore one output type that writes its value straight from what was selected. A selection that
//! is more than plain fields (fragments, directives, one name twice) takes the usual way.

use std::borrow::Cow;

use async_graphql::parser::types::{Field, Selection, SelectionSet};
use async_graphql::registry::Registry;
use async_graphql::{Context, ID, Object};
use async_graphql::{
    ContextSelectionSet, InputObject, Name, OneofObject, OutputType, Positioned, ServerResult,
    SimpleObject, Value,
};
use calendar_provider::TimeRange;
use chrono::{DateTime as Instant, NaiveDate, Utc};
use chrono_tz::Tz;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::access::{app, authorise, read_id};
use super::error::Result;
use super::scalars::{Date, DateTime, InstantText, Locale, TimeZone};
use super::visitor::{CompanyInput, PersonInput};
use crate::http::Prewritten;
use crate::ids;
use crate::service::slots::{self as service, Days, Route};
use crate::service::{Error, fallback, text, visitor};

/// A time a visitor can book now.
#[derive(Clone, Debug, SimpleObject)]
pub struct Slot {
    /// Its start.
    starts_at: DateTime,
    /// Its end.
    ends_at: DateTime,
}

impl From<TimeRange> for Slot {
    fn from(range: TimeRange) -> Self {
        Self { starts_at: range.start().into(), ends_at: range.end().into() }
    }
}

/// A day, with what can be booked on it.
#[derive(Clone, Debug, SimpleObject)]
pub struct SlotDay {
    /// The day in SlotCalendar.timeZone.
    date: Date,
    /// In order of start.
    slots: Vec<Slot>,
}

/// What to tell the visitor when there is nothing to book.
#[derive(Clone, Debug, SimpleObject)]
pub struct MeetingFallback {
    /// The words.
    message: String,
}

/// What can be booked, by day.
#[derive(Debug, SimpleObject)]
pub struct SlotCalendar {
    /// The visitor's, as asked.
    time_zone: TimeZone,
    /// One entry for each day asked for, days without slots included.
    days: SlotDays,
    /// What to tell the visitor when there is nothing to book; null when there is.
    fallback: Option<MeetingFallback>,
}

/// Whom to meet.
#[derive(Clone, Debug, OneofObject)]
pub enum RouteInput {
    /// This agent.
    AgentId(ID),
    /// Whoever of this team is next.
    TeamId(ID),
}

/// Which slots to look for.
#[derive(Clone, Debug, InputObject)]
pub struct SlotsInput {
    /// First day, in timeZone.
    from: Date,
    /// Last day, inclusive; at most 62 days after from.
    to: Date,
    /// The visitor's time zone: decides which day a slot falls on.
    time_zone: TimeZone,
    /// Left out: account owners, then custom rules, then the round-robin queue.
    route: Option<RouteInput>,
    /// The visitor's language, for words where there is nothing to book; the server's default where left
    /// out.
    locale: Option<Locale>,
    /// Attributes that rules can look at.
    person: Option<PersonInput>,
    company: Option<CompanyInput>,
}

/// Reads a route, which stands at `field`.
///
/// # Errors
/// `NOT_FOUND` for an ID that names nothing.
pub(crate) fn read_route(route: Option<&RouteInput>, field: &str) -> Result<Route, Error> {
    match route {
        None => Ok(Route::Queue),
        Some(RouteInput::AgentId(id)) => {
            Ok(Route::Agent(read_id(ids::AGENT, id, &format!("{field}.agentId"))?))
        }
        Some(RouteInput::TeamId(id)) => {
            Ok(Route::Team(read_id(ids::TEAM, id, &format!("{field}.teamId"))?))
        }
    }
}

/// Queries about slots.
#[derive(Clone, Copy, Debug, Default)]
pub struct SlotQuery;

#[Object]
impl SlotQuery {
    /// What can be booked now: nothing, and the fallback message, for a visitor who is blocked. Open to visitors.
    async fn slots(&self, ctx: &Context<'_>, input: SlotsInput) -> Result<SlotCalendar> {
        authorise(ctx)?;
        let route = read_route(input.route.as_ref(), "input.route")?;
        let days = Days {
            from: input.from.read("input.from")?,
            to: input.to.read("input.to")?,
            zone: input.time_zone.read("input.timeZone")?,
        };
        let person = input.person.map(|p| visitor::person("input.person", p.into()));
        let person = person.transpose()?;
        input.company.map(|c| visitor::company("input.company", c.into())).transpose()?;
        let locale = input.locale.map(|tag| text::locale("input.locale", &tag.0)).transpose()?;
        let app = app(ctx);
        let slots = service::slots_for(app, route, days, person.as_ref()).await?;
        let fallback = match slots.is_empty() {
            true => Some(fallback::message(app, fallback::Kind::Meeting, locale.as_deref()).await?),
            false => None,
        };
        let fallback = fallback.map(|fallback| MeetingFallback { message: fallback.message });
        let days = SlotDays::new(days, &slots);
        Ok(SlotCalendar { time_zone: input.time_zone, days, fallback })
    }
}

/// The days of a [`SlotCalendar`].
#[derive(Debug)]
pub struct SlotDays(Vec<Day>);

#[derive(Debug)]
struct Day {
    date: NaiveDate,
    slots: Vec<TimeRange>,
}

impl SlotDays {
    /// Puts each slot into its day. `slots` are in order of start.
    fn new(days: Days, slots: &[TimeRange]) -> Self {
        let mut found: Vec<Day> = days
            .from
            .iter_days()
            .take_while(|date| *date <= days.to)
            .map(|date| Day { date, slots: Vec::new() })
            .collect();
        let mut zone = DayOf::new(days.zone);
        for slot in slots {
            let date = zone.date(slot.start());
            let index = usize::try_from((date - days.from).num_days());
            if let Some(day) = index.ok().and_then(|index| found.get_mut(index)) {
                day.slots.push(*slot);
            }
        }
        Self(found)
    }

    /// The usual form.
    fn plain(&self) -> Vec<SlotDay> {
        let day = |day: &Day| SlotDay {
            date: day.date.into(),
            slots: day.slots.iter().copied().map(Into::into).collect(),
        };
        self.0.iter().map(day).collect()
    }
}

/// Tells the date of instants that come in order, looking the zone up once a day.
struct DayOf {
    zone: Tz,
    date: NaiveDate,
    until: Instant<Utc>,
}

impl DayOf {
    const fn new(zone: Tz) -> Self {
        Self { zone, date: NaiveDate::MIN, until: Instant::<Utc>::MIN_UTC }
    }

    fn date(&mut self, instant: Instant<Utc>) -> NaiveDate {
        if self.until <= instant {
            self.date = instant.with_timezone(&self.zone).date_naive();
            let day = crate::scheduling::day_window(self.date, self.date, self.zone);
            // Without a window for the day, the zone is asked each time.
            self.until = day.map_or(Instant::<Utc>::MIN_UTC, TimeRange::end);
        }
        self.date
    }
}

type Plain = Vec<SlotDay>;

impl OutputType for SlotDays {
    fn type_name() -> Cow<'static, str> {
        <Plain as OutputType>::type_name()
    }

    fn qualified_type_name() -> String {
        <Plain as OutputType>::qualified_type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        <Plain as OutputType>::create_type_info(registry)
    }

    async fn resolve(
        &self,
        ctx: &ContextSelectionSet<'_>,
        field: &Positioned<Field>,
    ) -> ServerResult<Value> {
        let Some(prewritten) = ctx.data_opt::<Prewritten>() else {
            return self.plain().resolve(ctx, field).await;
        };
        match DaySelection::read(&ctx.item.node) {
            Some(selection) => prewritten.put(&Written { days: &self.0, selection }),
            None => {
                let slots: usize = self.0.iter().map(|day| day.slots.len()).sum();
                prewritten.reserve((self.0.len() + slots) * PLAIN_BYTES)?;
                self.plain().resolve(ctx, field).await
            }
        }
    }
}

/// What a day or a slot that takes the usual way takes up in an answer, roughly.
const PLAIN_BYTES: usize = 32;

/// What is asked of each day: names of the answer, and what goes under each.
struct DaySelection(Vec<(Name, DayPart)>);

enum DayPart {
    TypeName,
    Date,
    Slots(SlotSelection),
}

struct SlotSelection(Vec<(Name, SlotPart)>);

#[derive(Clone, Copy)]
enum SlotPart {
    TypeName,
    StartsAt,
    EndsAt,
}

/// The plain fields of a selection, or nothing where there is more to it.
fn plain_fields(set: &SelectionSet) -> Option<Vec<(Name, &Field)>> {
    let mut fields: Vec<(Name, &Field)> = Vec::with_capacity(set.items.len());
    for selection in &set.items {
        let Selection::Field(field) = &selection.node else { return None };
        let key = field.node.response_key().node.clone();
        if !field.node.directives.is_empty() || fields.iter().any(|(other, _)| *other == key) {
            return None;
        }
        fields.push((key, &field.node));
    }
    Some(fields)
}

impl DaySelection {
    fn read(set: &SelectionSet) -> Option<Self> {
        let part = |(key, field): (Name, &Field)| {
            let part = match field.name.node.as_str() {
                "__typename" => DayPart::TypeName,
                "date" => DayPart::Date,
                "slots" => DayPart::Slots(SlotSelection::read(&field.selection_set.node)?),
                _ => return None,
            };
            Some((key, part))
        };
        plain_fields(set)?.into_iter().map(part).collect::<Option<_>>().map(Self)
    }
}

impl SlotSelection {
    fn read(set: &SelectionSet) -> Option<Self> {
        let part = |(key, field): (Name, &Field)| {
            let part = match field.name.node.as_str() {
                "__typename" => SlotPart::TypeName,
                "startsAt" => SlotPart::StartsAt,
                "endsAt" => SlotPart::EndsAt,
                _ => return None,
            };
            Some((key, part))
        };
        plain_fields(set)?.into_iter().map(part).collect::<Option<_>>().map(Self)
    }
}

/// The days, as they are written.
struct Written<'a> {
    days: &'a [Day],
    selection: DaySelection,
}

impl Serialize for Written<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let selection = &self.selection;
        serializer.collect_seq(self.days.iter().map(|day| WrittenDay { day, selection }))
    }
}

struct WrittenDay<'a> {
    day: &'a Day,
    selection: &'a DaySelection,
}

impl Serialize for WrittenDay<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.selection.0.len()))?;
        for (key, part) in &self.selection.0 {
            match part {
                DayPart::TypeName => map.serialize_entry(key, "SlotDay")?,
                DayPart::Date => map.serialize_entry(key, &self.day.date)?,
                DayPart::Slots(selection) => {
                    let slots = &self.day.slots;
                    map.serialize_entry(key, &WrittenSlots { slots, selection })?;
                }
            }
        }
        map.end()
    }
}

struct WrittenSlots<'a> {
    slots: &'a [TimeRange],
    selection: &'a SlotSelection,
}

impl Serialize for WrittenSlots<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let selection = self.selection;
        serializer.collect_seq(self.slots.iter().map(|slot| WrittenSlot { slot: *slot, selection }))
    }
}

struct WrittenSlot<'a> {
    slot: TimeRange,
    selection: &'a SlotSelection,
}

impl Serialize for WrittenSlot<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.selection.0.len()))?;
        for (key, part) in &self.selection.0 {
            match part {
                SlotPart::TypeName => map.serialize_entry(key, "Slot")?,
                SlotPart::StartsAt => {
                    map.serialize_entry(key, &InstantText::of(self.slot.start()))?
                }
                SlotPart::EndsAt => map.serialize_entry(key, &InstantText::of(self.slot.end()))?,
            }
        }
        map.end()
    }
}

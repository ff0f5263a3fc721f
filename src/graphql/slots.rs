//! Slots for visitors.
//!
//! A list of 400 slots would cost async-graphql a future for each field of each; the days are
//! therefore one output type that writes its value straight from what was selected.

use std::borrow::Cow;
use std::sync::Arc;

use async_graphql::parser::types::Field;
use async_graphql::registry::Registry;
use async_graphql::{Context, ID, Object};
use async_graphql::{
    ContextSelectionSet, InputObject, OneofObject, OutputType, Positioned, SelectionField,
    ServerError, ServerResult, SimpleObject, Value,
};
use calendar_provider::TimeRange;
use chrono::{DateTime as Instant, NaiveDate, Utc};
use chrono_tz::Tz;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::value::to_raw_value;

use super::access::{app, authorise, read_id};
use super::error::{ApiError, Result};
use super::scalars::{Date, DateTime, InstantText, Locale, TimeZone};
use super::visitor::{CompanyInput, PersonInput};
use crate::http::{Part, Prewritten};
use crate::ids;
use crate::service::slots::{self as service, Days, Route};
use crate::service::{Error, fallback, text, visitor};
use crate::work::{Refused, Work};

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
        let days = SlotDays::new(days, &slots, &ctx.field());
        Ok(SlotCalendar { time_zone: input.time_zone, days, fallback })
    }
}

/// The days of a [`SlotCalendar`].
#[derive(Debug)]
pub struct SlotDays {
    days: Arc<[Day]>,
    /// By the name in the answer: one that is selected twice is answered with all that is selected of it.
    selections: Vec<(String, Arc<DaySelection>)>,
}

#[derive(Debug)]
struct Day {
    date: NaiveDate,
    slots: Vec<TimeRange>,
}

impl SlotDays {
    /// Puts each slot into its day. `slots` are in order of start; `calendar` is the field that they are for.
    fn new(days: Days, slots: &[TimeRange], calendar: &SelectionField<'_>) -> Self {
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
        Self { days: found.into(), selections: selections(calendar) }
    }

    /// What is selected under the name that a field has in the answer.
    fn selection(&self, field: &Field) -> Option<Arc<DaySelection>> {
        let key = &field.response_key().node;
        let found = self.selections.iter().find(|(name, _)| name == key.as_str());
        found.map(|(_, selection)| Arc::clone(selection))
    }

    /// The usual form.
    fn plain(&self) -> Vec<SlotDay> {
        let day = |day: &Day| SlotDay {
            date: day.date.into(),
            slots: day.slots.iter().copied().map(Into::into).collect(),
        };
        self.days.iter().map(day).collect()
    }

    /// What writing them costs, in points: each field of each slot costs some nanoseconds.
    fn cost(&self, selection: &DaySelection) -> u64 {
        let slots: usize = self.days.iter().map(|day| day.slots.len()).sum();
        u64::try_from(slots * selection.slot_fields() / FIELDS_A_POINT).unwrap_or(u64::MAX)
    }
}

/// Writes the days as they were selected: few at once, many one after the other, yielding to others now and then.
async fn write(
    days: Arc<[Day]>,
    selection: Arc<DaySelection>,
    cost: u64,
    most: usize,
) -> serde_json::Result<Part> {
    let selection = &*selection;
    if cost <= WRITTEN_AT_ONCE {
        return to_raw_value(&WrittenDays { days: &days, selection }).map(Part::Whole);
    }
    let mut written = Vec::with_capacity(days.len());
    let (mut bytes, mut since) = (0, 0);
    for day in days.iter() {
        let day = to_raw_value(&WrittenDay { day, selection })?;
        bytes += day.get().len();
        since += day.get().len();
        written.push(day);
        if most < bytes {
            // Too large already, as whoever takes it finds.
            break;
        }
        if WRITTEN_BETWEEN_YIELDS <= since {
            since = 0;
            tokio::task::yield_now().await;
        }
    }
    Ok(Part::Items(written))
}

/// Points of writing that hold up nobody.
const WRITTEN_AT_ONCE: u64 = 200;
/// Fields of slots that are written for a point.
const FIELDS_A_POINT: usize = 20;
/// Bytes that are written before others have a turn.
const WRITTEN_BETWEEN_YIELDS: usize = 256 * 1024;

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
        let prewritten = ctx.data_opt::<Prewritten>().zip(self.selection(&field.node));
        let Some((prewritten, selection)) = prewritten else {
            return self.plain().resolve(ctx, field).await;
        };
        let work = Work::current();
        let cost = self.cost(&selection);
        let refused = |refused: Refused| {
            let error = async_graphql::Error::from(ApiError::from(Error::from(refused)));
            ctx.set_error_path(error.into_server_error(field.pos))
        };
        work.charge_after(cost);
        let written = work
            .part(cost, write(Arc::clone(&self.days), selection, cost, prewritten.most()))
            .await
            .map_err(refused)?;
        let written = written.map_err(|error| ServerError::new(error.to_string(), None))?;
        prewritten.put(written).map_err(|error| ctx.set_error_path(error))
    }
}

/// What is asked of each day: names of the answer, and what goes under each.
#[derive(Debug, Default)]
struct DaySelection(Vec<(String, DayPart)>);

#[derive(Debug)]
enum DayPart {
    TypeName,
    Date,
    Slots(SlotSelection),
}

#[derive(Debug, Default)]
struct SlotSelection(Vec<(String, SlotPart)>);

#[derive(Clone, Copy, Debug)]
enum SlotPart {
    TypeName,
    StartsAt,
    EndsAt,
}

fn key(field: SelectionField<'_>) -> &str {
    field.alias().unwrap_or(field.name())
}

/// What is selected of the days of a calendar, by the name in the answer.
fn selections(calendar: &SelectionField<'_>) -> Vec<(String, Arc<DaySelection>)> {
    let mut found: Vec<(String, DaySelection)> = Vec::new();
    for field in calendar.selection_set().filter(|field| field.name() == "days") {
        match found.iter_mut().find(|(name, _)| name == key(field)) {
            Some((_, selection)) => selection.add(field),
            None => {
                let mut selection = DaySelection::default();
                selection.add(field);
                found.push((key(field).to_owned(), selection));
            }
        }
    }
    found.into_iter().map(|(name, selection)| (name, Arc::new(selection))).collect()
}

impl DaySelection {
    /// Adds what is selected of `days`, through fragments, without what is skipped. What stands there twice
    /// under one name is the same field, by validation, and is written once, with all that is selected of it.
    fn add(&mut self, days: SelectionField<'_>) {
        for field in days.selection_set() {
            let known = self.0.iter_mut().find(|(name, _)| name == key(field));
            match (field.name(), known) {
                ("slots", Some((_, DayPart::Slots(selection)))) => selection.add(field),
                ("slots", None) => {
                    let mut selection = SlotSelection::default();
                    selection.add(field);
                    self.0.push((key(field).to_owned(), DayPart::Slots(selection)));
                }
                ("date", None) => self.0.push((key(field).to_owned(), DayPart::Date)),
                ("__typename", None) => self.0.push((key(field).to_owned(), DayPart::TypeName)),
                _ => {}
            }
        }
    }

    /// How many fields are written of each slot.
    fn slot_fields(&self) -> usize {
        let fields = |(_, part): &(String, DayPart)| match part {
            DayPart::Slots(selection) => selection.0.len(),
            DayPart::TypeName | DayPart::Date => 0,
        };
        self.0.iter().map(fields).sum()
    }
}

impl SlotSelection {
    fn add(&mut self, slots: SelectionField<'_>) {
        for field in slots.selection_set() {
            let part = match field.name() {
                "__typename" => SlotPart::TypeName,
                "startsAt" => SlotPart::StartsAt,
                "endsAt" => SlotPart::EndsAt,
                _ => continue,
            };
            if self.0.iter().all(|(name, _)| name != key(field)) {
                self.0.push((key(field).to_owned(), part));
            }
        }
    }
}

struct WrittenDays<'a> {
    days: &'a [Day],
    selection: &'a DaySelection,
}

impl Serialize for WrittenDays<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let selection = self.selection;
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

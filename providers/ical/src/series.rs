//! All events of one UID: a recurrence set with what was changed in it (RFC 5545, sections
//! 3.8.4.4 and 3.8.5).

use std::collections::HashMap;
use std::rc::Rc;

use calendar_provider::TimeRange;
use chrono::{DateTime, Datelike, NaiveDate};

use crate::event::{End, Event, Instance, Moment};
use crate::expand::{MAX_OCCURRENCES, MAX_TOTAL};
use crate::length::Length;
use crate::read::FLOATING;
use crate::rule::{Budget, Rule, Span, occurrences};
use crate::value::Written;
use crate::zone::Zone;
use crate::{Expansion, Occurrence, ReadError};

const DAY: i64 = 86_400;

/// The most places of one rule, and those of one event's rules together, that are kept while it is
/// expanded.
const MOST_OF_RULE: usize = 200_000;
const MOST_PLACES: usize = 400_000;

/// What an override costs each event that it may belong to: finding what it names.
const OVERRIDE_STEPS: usize = 8;

/// How much sooner than in UTC a time may be on a clock somewhere: the zone furthest east.
const EASTERNMOST: i64 = 14 * 3600;

/// How much later: the zone furthest west.
const WESTERNMOST: i64 = 12 * 3600;

/// What names an occurrence of a series: an instant, or a date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Key {
    Instant(i64),
    Day(i64),
}

/// One occurrence before anything was changed in it.
#[derive(Clone, Copy)]
struct Place {
    /// On the clock of the event's zone.
    local: i64,
    instant: i64,
    length: Length,
}

pub(crate) struct Series<'e> {
    masters: Vec<&'e Event>,
    overrides: Vec<(&'e Event, Instance)>,
    zones: &'e [Rc<Zone>],
    window: std::ops::Range<i64>,
    /// Whether nobody knows in which zone floating times are: they are read in UTC, and what
    /// lasts as long as they do is widened.
    unplaced: bool,
}

impl<'e> Series<'e> {
    pub(crate) fn new(
        masters: Vec<&'e Event>,
        overrides: Vec<&'e Event>,
        zones: &'e [Rc<Zone>],
        expansion: &Expansion<'_>,
    ) -> Self {
        let overrides = overrides.into_iter();
        let overrides = overrides.filter_map(|event| Some((event, event.instance?))).collect();
        let window = expansion.window.start().timestamp()..ceiling(expansion.window.end());
        let unplaced = expansion.floating_zone.is_none();
        let mut series = Self { masters, overrides, zones, window, unplaced };
        series.keep_newest_overrides();
        series
    }

    /// Puts all that overlaps the window into `found`.
    pub(crate) fn expand(
        &self,
        budget: &Budget,
        found: &mut Vec<Occurrence>,
    ) -> Result<(), ReadError> {
        let most = MAX_TOTAL.min(found.len() + MAX_OCCURRENCES);
        let mut found = Found { list: found, most, budget };
        let alone = self.overrides.is_empty() && self.masters.len() == 1;
        for master in &self.masters {
            let recurs = !(master.rules.is_empty() && master.dates.is_empty());
            budget.spend(OVERRIDE_STEPS * self.overrides.len())?;
            self.expand_master(master, !alone || recurs, budget, &mut found)?;
        }
        for (event, instance) in &self.overrides {
            let place = self.own_place(event);
            self.push(event, place, Some(self.name(event, instance)), &mut found)?;
        }
        Ok(())
    }

    fn expand_master(
        &self,
        master: &'e Event,
        named: bool,
        budget: &Budget,
        found: &mut Found<'_>,
    ) -> Result<(), ReadError> {
        let is_date = is_date(master);
        let replaced = self.overrides.iter().map(|(_, instance)| instance.of);
        let replaced = replaced.filter(|moment| self.names_one_of(*moment, master));
        let replaced: Vec<Key> = replaced.map(|moment| self.key(moment, is_date)).collect();
        let replaced = Keys::new(replaced);
        let shifts = self.shifts(master);
        let places = self.places(master, &shifts, budget)?;
        for place in places {
            if replaced.has(place) {
                continue;
            }
            let begun = shifts.partition_point(|shift| shift.from <= place.local);
            let shift = begun.checked_sub(1).map(|last| &shifts[last]);
            let (event, moved) = match shift {
                Some(shift) => (shift.event, self.shifted(place, shift)),
                None => (master, place),
            };
            // An override may name the time to which an occurrence was shifted.
            if shift.is_some() && replaced.has(moved) {
                continue;
            }
            let name = named.then(|| name_of(master, place));
            self.push(event, moved, name, found)?;
        }
        Ok(())
    }

    fn push(
        &self,
        event: &Event,
        place: Place,
        recurrence_id: Option<String>,
        found: &mut Found<'_>,
    ) -> Result<(), ReadError> {
        let (start, end) = place.length.ends(place.local, place.instant, self.zone_of(event));
        let lasts = start < end;
        let (start, end) = match lasts && self.unplaced && event.floats() {
            true => (start - EASTERNMOST, end + WESTERNMOST),
            false => (start, end),
        };
        if self.window.end <= start || end <= self.window.start {
            return Ok(());
        }
        let instant = |seconds| DateTime::from_timestamp(seconds, 0);
        let (Some(start), Some(end)) = (instant(start), instant(end)) else { return Ok(()) };
        let Ok(range) = TimeRange::new(start, end) else { return Ok(()) };
        if found.most <= found.list.len() {
            return Err(ReadError::TooManyOccurrences);
        }
        found.budget.keep(event.uid.len() + event.title.as_ref().map_or(0, String::len))?;
        found.list.push(Occurrence {
            uid: event.uid.clone(),
            recurrence_id,
            range,
            busy: event.busy,
            title: event.title.clone(),
            sequence: event.sequence,
        });
        Ok(())
    }

    /// Every occurrence of an event that may overlap the window, by instant, each once, without
    /// those that EXDATE takes away.
    fn places(
        &self,
        event: &Event,
        shifts: &[Shift<'_>],
        budget: &Budget,
    ) -> Result<Vec<Place>, ReadError> {
        let own = self.own_place(event);
        if event.rules.is_empty() && event.dates.is_empty() && event.exceptions.is_empty() {
            return Ok(vec![own]);
        }
        let zone = self.zone_of(event);
        let furthest = shifts.iter().map(|shift| shift.by.abs() + 2 * DAY).max().unwrap_or(0);
        let longest = shifts.iter().map(|shift| shift.length.at_most()).max().unwrap_or(0);
        let longest = longest.max(own.length.at_most());
        // What lasts all of its day begins before the time that names it.
        let (early, late) = if self.unplaced { (WESTERNMOST, EASTERNMOST) } else { (0, 0) };
        let (from, to) = zone.local_span(
            self.window.start - early - longest - furthest,
            self.window.end + late + furthest + DAY,
        );
        let span = Span { from, to };
        let mut places = Vec::new();
        for rule in &event.rules {
            let until = Until::of(rule, event, self.unplaced);
            let span = Span { to: span.to.min(until.local_bound()), ..span };
            for local in occurrences(rule, own.local, span, MOST_OF_RULE, budget)? {
                let instant = zone.instant(local);
                if local == own.local || until.allows(local, instant) {
                    places.push(Place { local, instant, length: own.length });
                }
            }
            if MOST_PLACES < places.len() {
                return Err(ReadError::TooManyOccurrences);
            }
        }
        if event.rules.is_empty() {
            places.push(own);
        }
        for (moment, end) in &event.dates {
            places.push(self.listed_place(event, own, *moment, *end));
        }
        self.leave_out_exceptions(event, span, &mut places);
        places.sort_by_key(|place| (place.instant, std::cmp::Reverse(place.length.at_most())));
        places.dedup_by_key(|place| place.instant);
        Ok(places)
    }

    fn leave_out_exceptions(&self, event: &Event, span: Span, places: &mut Vec<Place>) {
        // Only those that can matter: finding the instant of one of long ago takes a while.
        let listed = !event.dates.is_empty();
        let near = span.from - 2 * DAY..span.to + 2 * DAY;
        let exceptions = event.exceptions.iter();
        let exceptions =
            exceptions.filter(|moment| listed || near.contains(&moment.written.seconds()));
        let exceptions = exceptions.filter(|moment| self.names_one_of(**moment, event));
        let keys = Keys::new(exceptions.map(|moment| self.key(*moment, is_date(event))).collect());
        if !keys.0.is_empty() {
            places.retain(|place| !keys.has(*place));
        }
    }

    /// An RDATE; one that is only a date, in an event that has a time, is at that time.
    fn listed_place(&self, event: &Event, own: Place, moment: Moment, end: Option<End>) -> Place {
        let zone = self.zone_of(event);
        let local = match (is_date(event), moment.written) {
            (false, Written::Date(date)) => {
                i64::from(date.to_epoch_days()) * DAY + own.local.rem_euclid(DAY)
            }
            (true, _) => self.day(moment) * DAY,
            (false, _) if moment.zone == event.start.zone => moment.written.seconds(),
            (false, _) => zone.local(self.instant(moment)),
        };
        let length = end.map_or(own.length, |end| Length::of(moment, end, self.zones));
        Place { local, instant: zone.instant(local), length }
    }

    /// Where an event itself stands.
    fn own_place(&self, event: &Event) -> Place {
        Place {
            local: event.start.written.seconds(),
            instant: self.instant(event.start),
            length: Length::of(event.start, event.end, self.zones),
        }
    }

    /// Of overrides of one occurrence the one with the highest SEQUENCE stands, then the one with
    /// the latest DTSTAMP, then the last.
    fn keep_newest_overrides(&mut self) {
        if self.overrides.len() < 2 {
            return;
        }
        let dates = self.masters.first().is_some_and(|master| is_date(master));
        let mut newest: HashMap<Key, (u32, i64, usize)> = HashMap::new();
        for (at, (event, instance)) in self.overrides.iter().enumerate() {
            let rank = (event.sequence, event.stamp, at);
            let best = newest.entry(self.key(instance.of, dates)).or_insert(rank);
            *best = rank.max(*best);
        }
        let mut kept: Vec<usize> = newest.into_values().map(|(_, _, at)| at).collect();
        kept.sort_unstable();
        self.overrides = kept.into_iter().map(|at| self.overrides[at]).collect();
    }

    /// What names an occurrence in a series of whole days, or of times. A date names the
    /// occurrence on that day, in either.
    fn key(&self, moment: Moment, in_dates: bool) -> Key {
        if in_dates || matches!(moment.written, Written::Date(_)) {
            Key::Day(self.day(moment))
        } else {
            Key::Instant(self.instant(moment))
        }
    }

    /// Whether it can be known which occurrence of an event a moment names: not where one of the
    /// two floats and nobody knows in which zone. Then it takes nothing away.
    fn names_one_of(&self, moment: Moment, event: &Event) -> bool {
        let both_float = (moment.zone == FLOATING) == (event.start.zone == FLOATING);
        !self.unplaced || both_float || matches!(moment.written, Written::Date(_))
    }

    /// The date that is meant; of a time in UTC, the date in the zone of whole days.
    fn day(&self, moment: Moment) -> i64 {
        match moment.written {
            Written::Utc(_) => self.zones[FLOATING].local(moment.written.seconds()).div_euclid(DAY),
            written => written.day(),
        }
    }

    fn instant(&self, moment: Moment) -> i64 {
        self.zones[moment.zone].instant(moment.written.seconds())
    }

    fn zone_of(&self, event: &Event) -> &Zone {
        &self.zones[event.start.zone]
    }

    /// The name of an override's occurrence.
    fn name(&self, event: &Event, instance: &Instance) -> String {
        let master = self.masters.first().copied().unwrap_or(event);
        let local = match self.key(instance.of, is_date(master)) {
            Key::Day(day) if is_date(master) || self.masters.is_empty() => {
                return text_of_day(day);
            }
            // The time of day is the series' own.
            Key::Day(day) => day * DAY + master.start.written.seconds().rem_euclid(DAY),
            Key::Instant(instant) => self.zone_of(master).local(instant),
        };
        let instant = self.zone_of(master).instant(local);
        name_of(master, Place { local, instant, length: Length::Zero })
    }

    /// The overrides that hold for all that comes after them, by what they begin with.
    fn shifts(&self, master: &Event) -> Vec<Shift<'e>> {
        let zone = self.zone_of(master);
        let future = self.overrides.iter().filter(|(_, instance)| instance.and_future);
        let mut shifts: Vec<_> = future
            .map(|(event, instance)| {
                let from = match self.key(instance.of, is_date(master)) {
                    Key::Day(day) if is_date(master) => day * DAY,
                    Key::Day(day) => day * DAY + master.start.written.seconds().rem_euclid(DAY),
                    Key::Instant(instant) => zone.local(instant),
                };
                let by = event.start.written.seconds() - from;
                let length = Length::of(event.start, event.end, self.zones);
                Shift { event, from, by, length }
            })
            .collect();
        shifts.sort_by_key(|shift| shift.from);
        shifts
    }

    fn shifted(&self, place: Place, shift: &Shift<'_>) -> Place {
        let local = place.local + shift.by;
        let instant = self.zone_of(shift.event).instant(local);
        Place { local, instant, length: shift.length }
    }
}

/// What has been found so far, and how many there may be at most.
struct Found<'f> {
    list: &'f mut Vec<Occurrence>,
    most: usize,
    budget: &'f Budget,
}

/// An override with `RANGE=THISANDFUTURE`.
struct Shift<'e> {
    event: &'e Event,
    /// The first occurrence, on the series' clock.
    from: i64,
    /// By how much it was moved, from the series' clock to its own.
    by: i64,
    length: Length,
}

/// Sorted.
struct Keys(Vec<Key>);

impl Keys {
    fn new(mut keys: Vec<Key>) -> Self {
        keys.sort_unstable();
        Self(keys)
    }

    fn has(&self, place: Place) -> bool {
        if self.0.is_empty() {
            return false;
        }
        let has = |key: Key| self.0.binary_search(&key).is_ok();
        has(Key::Instant(place.instant)) || has(Key::Day(place.local.div_euclid(DAY)))
    }
}

/// UNTIL, of a rule that belongs to an event.
struct Until {
    written: Option<Written>,
    in_dates: bool,
    /// How much sooner than it seems an occurrence may be.
    doubt: i64,
}

impl Until {
    fn of(rule: &Rule, event: &Event, unplaced: bool) -> Self {
        let doubtful = unplaced && event.start.zone == FLOATING;
        let doubt = if doubtful { EASTERNMOST } else { 0 };
        Self { written: rule.until, in_dates: is_date(event), doubt }
    }

    /// Past this time on the clock there is nothing; a rough bound.
    fn local_bound(&self) -> i64 {
        self.written.map_or(i64::MAX, |until| until.seconds() + 2 * DAY)
    }

    /// A date is meant with all of its day. For whole days, a time means its date, in whichever
    /// zone lets more pass: what is unknown is busy.
    fn allows(&self, local: i64, instant: i64) -> bool {
        match self.written {
            None => true,
            Some(until) if self.in_dates && local.div_euclid(DAY) <= until.day() => true,
            Some(Written::Date(date)) => local.div_euclid(DAY) <= i64::from(date.to_epoch_days()),
            Some(until @ Written::Local(_)) => local <= until.seconds(),
            Some(until @ Written::Utc(_)) => instant - self.doubt <= until.seconds(),
        }
    }
}

fn is_date(event: &Event) -> bool {
    matches!(event.start.written, Written::Date(_))
}

/// The name of an occurrence, in the form that its series' DTSTART has.
fn name_of(master: &Event, place: Place) -> String {
    if is_date(master) {
        return text_of_day(place.local.div_euclid(DAY));
    }
    let (seconds, mark) =
        if master.start.zone == FLOATING { (place.local, "") } else { (place.instant, "Z") };
    let mut text = text_of_day(seconds.div_euclid(DAY));
    let second = seconds.rem_euclid(DAY);
    text.push('T');
    for part in [second / 3600, second / 60 % 60, second % 60] {
        push_two_digits(&mut text, part);
    }
    text.push_str(mark);
    text
}

/// `20260105`. By hand, since a formatter would take a third of a whole expansion's time.
fn text_of_day(day: i64) -> String {
    let date = i32::try_from(day).ok().and_then(NaiveDate::from_epoch_days).unwrap_or_default();
    let mut text = String::with_capacity("20260105T080000Z".len());
    let year = i64::from(date.year()).clamp(0, 9999);
    for part in [year / 100, year % 100, i64::from(date.month()), i64::from(date.day())] {
        push_two_digits(&mut text, part);
    }
    text
}

fn push_two_digits(text: &mut String, number: i64) {
    for digit in [number / 10 % 10, number % 10] {
        text.push(char::from(b'0' + u8::try_from(digit).unwrap_or(0)));
    }
}

/// The first whole second that is not before the instant.
fn ceiling(instant: DateTime<chrono::Utc>) -> i64 {
    instant.timestamp() + i64::from(instant.timestamp_subsec_nanos() != 0)
}

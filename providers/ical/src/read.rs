//! From text to events: components and the zones they name (RFC 5545, sections 3.4 and 3.6).

use std::collections::HashMap;
use std::rc::Rc;

use chrono_tz::Tz;

use crate::event::{Draft, Event};
use crate::lines::{Line, Lines};
use crate::rule::{Budget, Rule};
use crate::value::{Written, utc_offset};
use crate::zone::{self, Observance, Zone};
use crate::{Expansion, ReadError};

/// Deeper than any calendar nests: VCALENDAR, VEVENT, VALARM.
const DEEPEST: usize = 8;

/// The number of the zone of floating times and of dates.
pub(crate) const FLOATING: usize = 0;

/// What finding one zone by its name costs of the budget, besides the name's length.
const ZONE_STEPS: usize = 2_000;

/// The number of UTC.
const UTC: usize = 1;

/// A text that has been read.
pub(crate) struct Document {
    pub(crate) events: Vec<Event>,
    pub(crate) zones: Vec<Rc<Zone>>,
}

/// The zones that one VCALENDAR names, each with its number.
pub(crate) struct ZoneNames {
    next: usize,
    named: HashMap<String, usize>,
    /// The last one: most lines name the same.
    last: Option<(String, usize)>,
}

impl ZoneNames {
    fn new() -> Self {
        Self { next: UTC + 1, named: HashMap::new(), last: None }
    }

    /// The number of the zone that a time with this `TZID` is in. A date is in none: it floats.
    pub(crate) fn number(&mut self, written: Written, tzid: Option<&str>) -> usize {
        let tzid = match written {
            Written::Utc(_) => return UTC,
            Written::Date(_) => None,
            Written::Local(_) => tzid.filter(|tzid| !tzid.is_empty()),
        };
        let Some(tzid) = tzid else { return FLOATING };
        match &self.last {
            Some((name, number)) if name == tzid => return *number,
            _ => {}
        }
        let number = self.named.get(tzid).copied().unwrap_or_else(|| {
            self.next += 1;
            self.named.insert(tzid.to_owned(), self.next - 1);
            self.next - 1
        });
        self.last = Some((tzid.to_owned(), number));
        number
    }
}

/// What a component is, as far as it matters here.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Calendar,
    Event,
    Zone,
    Observance,
    Other,
}

/// A VTIMEZONE.
#[derive(Default)]
struct ZoneDraft {
    tzid: String,
    /// `X-LIC-LOCATION`: the IANA zone that it was made from.
    location: Option<Tz>,
    parts: Vec<Observance>,
    has: [bool; 3],
}

struct Reader<'a> {
    expansion: &'a Expansion<'a>,
    budget: &'a Budget,
    window: std::ops::Range<i64>,
    open: Vec<(String, Kind)>,
    /// Whether a calendar has been closed.
    any: bool,
    event: Draft,
    zone: ZoneDraft,
    names: ZoneNames,
    defined: Vec<ZoneDraft>,
    iana: HashMap<Tz, Rc<Zone>>,
    document: Document,
}

/// Reads a text.
///
/// # Errors
/// See [`ReadError`].
pub(crate) fn read(
    text: &[u8],
    expansion: &Expansion<'_>,
    budget: &Budget,
) -> Result<Document, ReadError> {
    let window = expansion.window.start().timestamp()..expansion.window.end().timestamp() + 1;
    let floating_zone = expansion.floating_zone.unwrap_or(Tz::UTC);
    let floating = Rc::new(Zone::iana(floating_zone, window.clone()));
    let zones = vec![Rc::clone(&floating), Rc::new(Zone::utc())];
    let mut reader = Reader {
        expansion,
        budget,
        window,
        open: Vec::new(),
        any: false,
        event: Draft::default(),
        zone: ZoneDraft::default(),
        names: ZoneNames::new(),
        defined: Vec::new(),
        iana: HashMap::from([(floating_zone, floating)]),
        document: Document { events: Vec::new(), zones },
    };
    for line in Lines::new(text) {
        reader.line(&line?)?;
    }
    match (reader.open.is_empty(), reader.any) {
        (true, true) => Ok(reader.document),
        (true, false) => Err(ReadError::NotCalendar),
        (false, _) => Err(ReadError::CutOff),
    }
}

impl Reader<'_> {
    fn line(&mut self, line: &Line<'_>) -> Result<(), ReadError> {
        let name = line.name();
        if name.eq_ignore_ascii_case("BEGIN") {
            let value = line.property().map_or("", |property| property.value);
            return self.begin(value);
        }
        let Some((_, kind)) = self.open.last() else {
            return Err(if self.any { ReadError::Nesting } else { ReadError::NotCalendar });
        };
        if name.eq_ignore_ascii_case("END") {
            let value = line.property().map_or("", |property| property.value);
            return self.end(value);
        }
        match kind {
            Kind::Event => self.event_line(line),
            Kind::Zone => {
                self.zone_line(line);
                Ok(())
            }
            Kind::Observance => self.observance_line(line),
            Kind::Calendar | Kind::Other => Ok(()),
        }
    }

    fn begin(&mut self, name: &str) -> Result<(), ReadError> {
        let parent = self.open.last().map(|(_, kind)| *kind);
        let name = name.to_ascii_uppercase();
        let kind = match (parent, name.as_str()) {
            (None, "VCALENDAR") => Kind::Calendar,
            (None, _) if !self.any => return Err(ReadError::NotCalendar),
            (Some(Kind::Calendar), "VEVENT") => Kind::Event,
            (Some(Kind::Calendar), "VTIMEZONE") => Kind::Zone,
            (Some(Kind::Zone), "STANDARD" | "DAYLIGHT") => Kind::Observance,
            // An event where none belongs would otherwise be overlooked.
            (None, _) | (_, "VEVENT" | "VCALENDAR") => return Err(ReadError::Nesting),
            _ => Kind::Other,
        };
        match kind {
            Kind::Event => self.event = Draft::default(),
            Kind::Zone => self.zone = ZoneDraft::default(),
            Kind::Observance => {
                self.zone.parts.push(Observance::default());
                self.zone.has = [false; 3];
            }
            Kind::Calendar | Kind::Other => {}
        }
        self.open.push((name, kind));
        if self.open.len() <= DEEPEST { Ok(()) } else { Err(ReadError::Nesting) }
    }

    fn end(&mut self, name: &str) -> Result<(), ReadError> {
        let Some((open, kind)) = self.open.pop() else { return Err(ReadError::Nesting) };
        if !open.eq_ignore_ascii_case(name) {
            return Err(ReadError::Nesting);
        }
        match kind {
            Kind::Event => {
                let event = std::mem::take(&mut self.event).finish()?;
                self.document.events.push(event);
            }
            Kind::Observance if self.zone.has != [true; 3] => {
                return Err(ReadError::invalid("VTIMEZONE"));
            }
            Kind::Zone => self.defined.push(std::mem::take(&mut self.zone)),
            Kind::Calendar => self.resolve_zones()?,
            Kind::Observance | Kind::Other => {}
        }
        Ok(())
    }

    fn event_line(&mut self, line: &Line<'_>) -> Result<(), ReadError> {
        const TIMES: [&str; 9] = [
            "DTSTART",
            "DTEND",
            "DURATION",
            "DTSTAMP",
            "RRULE",
            "RDATE",
            "EXDATE",
            "RECURRENCE-ID",
            "SEQUENCE",
        ];
        const TEXTS: [&str; 6] =
            ["UID", "SUMMARY", "STATUS", "TRANSP", "X-MICROSOFT-CDO-BUSYSTATUS", "ATTENDEE"];
        let given = line.name();
        let among = |names: &[&'static str]| {
            names.iter().copied().find(|name| name.eq_ignore_ascii_case(given))
        };
        if let Some(name) = among(&TIMES) {
            let property = line.colonless_property().ok_or(ReadError::invalid(name))?;
            return self.event.time(name, property, &mut self.names);
        }
        if let Some(name) = among(&TEXTS)
            && let Some(property) = line.property()
        {
            self.event.text(name, property, self.expansion.me);
        }
        Ok(())
    }

    fn zone_line(&mut self, line: &Line<'_>) {
        let Some(property) = line.property() else { return };
        if line.name().eq_ignore_ascii_case("TZID") {
            property.value.clone_into(&mut self.zone.tzid);
        } else if line.name().eq_ignore_ascii_case("X-LIC-LOCATION") {
            self.zone.location = property.value.parse().ok();
        }
    }

    fn observance_line(&mut self, line: &Line<'_>) -> Result<(), ReadError> {
        const INVALID: ReadError = ReadError::invalid("VTIMEZONE");
        let (Some(part), Some(property)) = (self.zone.parts.last_mut(), line.colonless_property())
        else {
            return Ok(());
        };
        let seconds = |value: &str| Written::parse(value).map(Written::seconds).ok_or(INVALID);
        let offset = |value: &str| utc_offset(value).map(i64::from).ok_or(INVALID);
        match line.name().to_ascii_uppercase().as_str() {
            "DTSTART" => (part.start, self.zone.has[0]) = (seconds(property.value)?, true),
            "TZOFFSETFROM" => {
                (part.offset_before, self.zone.has[1]) = (offset(property.value)?, true)
            }
            "TZOFFSETTO" => (part.offset, self.zone.has[2]) = (offset(property.value)?, true),
            "RRULE" => part.rules.push(Rule::parse(property.value)?),
            "RDATE" => {
                for value in property.value.split(',') {
                    let (start, _) = value.split_once('/').unwrap_or((value, ""));
                    part.dates.push(seconds(start.trim())?);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Gives each zone that the calendar named its place, once the whole calendar is read: a
    /// VTIMEZONE may come after the events.
    fn resolve_zones(&mut self) -> Result<(), ReadError> {
        self.any = true;
        let next = self.names.next;
        let names = std::mem::replace(&mut self.names, ZoneNames { next, ..ZoneNames::new() });
        let defined = std::mem::take(&mut self.defined);
        let first = self.document.zones.len();
        let mut by_number: Vec<_> = names.named.into_iter().collect();
        by_number.sort_unstable_by_key(|(_, number)| *number);
        debug_assert!(by_number.first().is_none_or(|(_, number)| *number == first));
        // Of several definitions of one name the first one stands.
        let defined: HashMap<&str, &ZoneDraft> =
            defined.iter().rev().map(|zone| (zone.tzid.as_str(), zone)).collect();
        for (name, _) in by_number {
            let zone = self.resolve(&name, defined.get(name.as_str()).copied())?;
            self.document.zones.push(zone);
        }
        Ok(())
    }

    fn resolve(
        &mut self,
        name: &str,
        definition: Option<&ZoneDraft>,
    ) -> Result<Rc<Zone>, ReadError> {
        self.budget.spend(ZONE_STEPS + name.len())?;
        let by_name =
            zone::known(name).filter(|_| definition.is_none() || !zone::is_own_word(name));
        let known = by_name.or_else(|| definition?.location);
        if let Some(tz) = known {
            let window = self.window.clone();
            let zone = self.iana.entry(tz).or_insert_with(|| Rc::new(Zone::iana(tz, window)));
            return Ok(Rc::clone(zone));
        }
        let definition = definition.ok_or(ReadError::UnknownZone)?;
        let zone = zone::custom(&definition.parts, self.window.clone(), self.budget)?;
        Ok(Rc::new(zone))
    }
}

//! One VEVENT as it is read (RFC 5545, section 3.6.1).

use crate::ReadError;
use crate::lines::Property;
use crate::read::{FLOATING, ZoneNames};
use crate::rule::Rule;
use crate::status::Status;
use crate::value::{Duration, Written, title, uid};

/// The longest parameters of a time, in bytes: a TZID is a name or a path.
const LONGEST_PARAMETERS: usize = 2_000;

/// A time and the number of its zone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) written: Written,
    /// Into [`Document::zones`](crate::read::Document::zones).
    pub(crate) zone: usize,
}

/// How an event says when it ends.
#[derive(Clone, Copy, Debug)]
pub(crate) enum End {
    /// Not at all.
    None,
    /// DTEND.
    At(Moment),
    /// DURATION.
    After(Duration),
    /// In a way that is not understood: it lasts all of its day.
    Unknown,
}

/// An event, or one occurrence of one where it has an `instance`.
#[derive(Debug)]
pub(crate) struct Event {
    /// Empty where it has none.
    pub(crate) uid: String,
    pub(crate) sequence: u32,
    /// DTSTAMP in seconds.
    pub(crate) stamp: i64,
    pub(crate) start: Moment,
    pub(crate) end: End,
    pub(crate) rules: Vec<Rule>,
    pub(crate) dates: Vec<(Moment, Option<End>)>,
    pub(crate) exceptions: Vec<Moment>,
    pub(crate) instance: Option<Instance>,
    pub(crate) busy: bool,
    pub(crate) title: Option<String>,
}

impl Event {
    /// Whether some time that says when it is names no zone.
    pub(crate) fn floats(&self) -> bool {
        let ends = |end: &End| matches!(end, End::At(end) if end.zone == FLOATING);
        self.start.zone == FLOATING
            || ends(&self.end)
            || self
                .dates
                .iter()
                .any(|(start, end)| start.zone == FLOATING || end.as_ref().is_some_and(ends))
    }
}

/// RECURRENCE-ID.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Instance {
    pub(crate) of: Moment,
    pub(crate) and_future: bool,
}

/// What has been read of an event so far.
#[derive(Default)]
pub(crate) struct Draft {
    uid: String,
    sequence: u32,
    stamp: i64,
    start: Option<Moment>,
    end: Option<End>,
    rules: Vec<Rule>,
    dates: Vec<(Moment, Option<End>)>,
    exceptions: Vec<Moment>,
    instance: Option<Instance>,
    status: Status,
    title: Option<String>,
}

impl Draft {
    /// Takes a property whose value holds no colon.
    pub(crate) fn time(
        &mut self,
        name: &str,
        property: Property<'_>,
        zones: &mut ZoneNames,
    ) -> Result<(), ReadError> {
        match name {
            "DTSTART" => self.start = Some(moment(property, "DTSTART", zones)?),
            "DTEND" => self.end = Some(End::At(moment(property, "DTEND", zones)?)),
            "DURATION" => {
                let duration = Duration::parse(property.value);
                self.end = Some(End::After(duration.ok_or(ReadError::invalid("DURATION"))?));
            }
            "DTSTAMP" => self.stamp = Written::parse(property.value).map_or(0, Written::seconds),
            "RRULE" => self.rules.push(Rule::parse(property.value)?),
            "RDATE" => {
                for value in property.value.split(',') {
                    self.dates.push(date_or_period(property.with_value(value), zones)?);
                }
            }
            "EXDATE" => {
                // What can't be read takes nothing away.
                let values = property.value.split(',');
                let dates = values
                    .filter_map(|value| moment(property.with_value(value), "EXDATE", zones).ok());
                self.exceptions.extend(dates);
            }
            "RECURRENCE-ID" => {
                let of = moment(property, "RECURRENCE-ID", zones)?;
                let range = property.parameter("RANGE");
                let and_future = range.is_some_and(|r| r.eq_ignore_ascii_case("THISANDFUTURE"));
                if range.is_some() && !and_future {
                    return Err(ReadError::Unsupported { what: "RANGE=THISANDPRIOR" });
                }
                self.instance = Some(Instance { of, and_future });
            }
            "SEQUENCE" => self.sequence = property.value.parse().unwrap_or(0),
            _ => {}
        }
        Ok(())
    }

    /// Takes a property whose value may hold a colon.
    pub(crate) fn text(&mut self, name: &str, property: Property<'_>, me: &[String]) {
        match name {
            "UID" => self.uid = uid(property.value),
            "SUMMARY" => self.title = Some(title(property.value)),
            "STATUS" => self.status.status(property.value),
            "TRANSP" => self.status.transparency(property.value),
            "X-MICROSOFT-CDO-BUSYSTATUS" => self.status.outlook(property.value),
            "ATTENDEE" => self.status.attendee(property, me),
            _ => {}
        }
    }

    /// The event, once all of it is read.
    ///
    /// # Errors
    /// Where it does not say when it is.
    pub(crate) fn finish(self) -> Result<Event, ReadError> {
        let (start, end) = match (self.start, self.instance) {
            (Some(start), _) => (start, self.end.unwrap_or(End::None)),
            (None, Some(instance)) => (instance.of, self.end.unwrap_or(End::Unknown)),
            (None, None) => return Err(ReadError::invalid("DTSTART")),
        };
        let is_date = matches!(start.written, Written::Date(_));
        if is_date && !self.rules.iter().all(Rule::serves_dates) {
            return Err(ReadError::invalid("RRULE"));
        }
        if self.instance.is_some() && !(self.rules.is_empty() && self.dates.is_empty()) {
            return Err(ReadError::Unsupported { what: "a recurring RECURRENCE-ID" });
        }
        let rules = self.rules.into_iter();
        Ok(Event {
            uid: self.uid,
            sequence: self.sequence,
            stamp: self.stamp,
            start,
            end,
            rules: rules.map(|rule| if is_date { rule.for_dates() } else { rule }).collect(),
            dates: self.dates,
            exceptions: self.exceptions,
            instance: self.instance,
            busy: self.status.is_busy(),
            title: self.title,
        })
    }
}

fn moment(
    property: Property<'_>,
    name: &'static str,
    zones: &mut ZoneNames,
) -> Result<Moment, ReadError> {
    let written = Written::parse(property.value).ok_or(ReadError::invalid(name))?;
    // They are read once more for each value of the line.
    if LONGEST_PARAMETERS < property.parameters.len() {
        return Err(ReadError::invalid(name));
    }
    Ok(Moment { written, zone: zones.number(written, property.parameter("TZID")) })
}

/// A date, or a period with its end (section 3.3.9).
fn date_or_period(
    property: Property<'_>,
    zones: &mut ZoneNames,
) -> Result<(Moment, Option<End>), ReadError> {
    let Some((start, end)) = property.value.split_once('/') else {
        return Ok((moment(property, "RDATE", zones)?, None));
    };
    let start = moment(property.with_value(start), "RDATE", zones)?;
    let end = match Duration::parse(end) {
        Some(duration) => End::After(duration),
        None => End::At(moment(property.with_value(end), "RDATE", zones)?),
    };
    Ok((start, Some(end)))
}

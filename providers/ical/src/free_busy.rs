//! Answers to a free-busy query: VFREEBUSY (RFC 5545, section 3.6.4; RFC 4791, section 7.10).

use calendar_provider::TimeRange;
use chrono::{DateTime, Utc};

use crate::ReadError;
use crate::lines::{Line, Lines};
use crate::value::{Duration, Written};

const INVALID: ReadError = ReadError::invalid("FREEBUSY");

/// The busy times of every VFREEBUSY in the text, in the order in which they stand.
///
/// `FBTYPE=FREE` is left out (Radicale lists cancelled events so); `BUSY`, `BUSY-UNAVAILABLE`,
/// `BUSY-TENTATIVE`, none and any other count (section 3.2.9: what is unknown is `BUSY`). Older
/// servers that write one VFREEBUSY for each event, with its times as DTSTART and DTEND and its
/// FBTYPE as a property, are understood too.
///
/// # Errors
/// As [`expand`](crate::expand); also where there is no VFREEBUSY, which says nothing about who
/// is free.
///
/// ```
/// let text = "BEGIN:VCALENDAR\r\nBEGIN:VFREEBUSY\r\n\
///     FREEBUSY;FBTYPE=BUSY:20310106T090000Z/PT1H,20310106T120000Z/20310106T123000Z\r\n\
///     FREEBUSY;FBTYPE=FREE:20310106T100000Z/PT1H\r\nEND:VFREEBUSY\r\nEND:VCALENDAR\r\n";
/// assert_eq!(calendar_ical::parse_free_busy(text)?.len(), 2);
/// # Ok::<(), calendar_ical::ReadError>(())
/// ```
pub fn parse_free_busy(text: impl AsRef<[u8]>) -> Result<Vec<TimeRange>, ReadError> {
    let mut reader = Reader::default();
    for line in Lines::new(text.as_ref()) {
        reader.line(&line?)?;
    }
    if !reader.open.is_empty() {
        return Err(ReadError::CutOff);
    }
    if reader.any { Ok(reader.busy) } else { Err(ReadError::NotCalendar) }
}

#[derive(Default)]
struct Reader {
    open: Vec<String>,
    /// Whether a VFREEBUSY has been read.
    any: bool,
    own: OwnTimes,
    busy: Vec<TimeRange>,
}

/// What a VFREEBUSY says of itself.
#[derive(Default)]
struct OwnTimes {
    busy: bool,
    start: Option<DateTime<Utc>>,
    end: Option<DateTime<Utc>>,
}

impl Reader {
    fn line(&mut self, line: &Line<'_>) -> Result<(), ReadError> {
        let name = line.name().to_ascii_uppercase();
        let value = || line.property().map_or_else(String::new, |p| p.value.to_ascii_uppercase());
        match (name.as_str(), self.open.len()) {
            ("BEGIN", 0) if value() != "VCALENDAR" => return Err(ReadError::NotCalendar),
            ("BEGIN", 8..) => return Err(ReadError::Nesting),
            ("BEGIN", _) => {
                self.open.push(value());
                self.own = OwnTimes::default();
            }
            (_, 0) => return Err(ReadError::NotCalendar),
            ("END", _) => {
                let open = self.open.pop();
                if open != Some(value()) {
                    return Err(ReadError::Nesting);
                }
                if open.as_deref() == Some("VFREEBUSY") {
                    self.any = true;
                    self.end_of_answer()?;
                }
            }
            (name, _) if self.open.last().is_some_and(|open| open == "VFREEBUSY") => {
                self.answer_line(name, line)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn answer_line(&mut self, name: &str, line: &Line<'_>) -> Result<(), ReadError> {
        let Some(property) = line.colonless_property() else { return Ok(()) };
        match name {
            "FREEBUSY" if !property.parameter_is("FBTYPE", "FREE") => {
                for period in property.value.split(',') {
                    self.busy.extend(period_of(period.trim())?);
                }
            }
            "FBTYPE" => self.own.busy = !property.value.eq_ignore_ascii_case("FREE"),
            "DTSTART" => self.own.start = instant(property.value),
            "DTEND" => self.own.end = instant(property.value),
            _ => {}
        }
        Ok(())
    }

    fn end_of_answer(&mut self) -> Result<(), ReadError> {
        let own = std::mem::take(&mut self.own);
        if own.busy {
            let (Some(start), Some(end)) = (own.start, own.end) else { return Err(INVALID) };
            self.busy.push(TimeRange::new(start, end).map_err(|_| INVALID)?);
        }
        Ok(())
    }
}

/// A PERIOD, which must be in UTC (section 3.8.2.6); none where it lasts no time.
fn period_of(period: &str) -> Result<Option<TimeRange>, ReadError> {
    let (start, end) = period.split_once('/').ok_or(INVALID)?;
    let start = instant(start).ok_or(INVALID)?;
    let end = match Duration::parse(end) {
        // In UTC every day has 24 hours.
        Some(duration) => {
            let seconds = duration.days * 86_400 + duration.seconds;
            DateTime::from_timestamp(start.timestamp() + seconds, 0)
        }
        None => instant(end),
    };
    let end = end.ok_or(INVALID)?;
    if start == end {
        return Ok(None);
    }
    TimeRange::new(start, end).map(Some).map_err(|_| INVALID)
}

fn instant(value: &str) -> Option<DateTime<Utc>> {
    match Written::parse(value)? {
        Written::Utc(time) => Some(time.and_utc()),
        _ => None,
    }
}

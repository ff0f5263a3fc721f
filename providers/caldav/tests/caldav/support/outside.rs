//! What the kit wants in a calendar, as another program writes it.

use calendar_provider::conformance::{OutsideDays, OutsideEvent, OutsideSeries};
use chrono::{DateTime, NaiveDateTime, Utc};
use chrono_tz::Tz;

/// A single event.
pub(crate) fn single(event: &OutsideEvent) -> String {
    let time = |it: DateTime<Utc>| it.format("%Y%m%dT%H%M%SZ").to_string();
    let when =
        format!("DTSTART:{}\r\nDTEND:{}", time(event.range.start()), time(event.range.end()));
    vevent(&event.uid, &event.title, event.busy, &when)
}

/// Whole days, which begin and end in the calendar's own zone.
pub(crate) fn whole_days(days: &OutsideDays) -> String {
    let first = days.first.format("%Y%m%d");
    let when = format!("DTSTART;VALUE=DATE:{first}\r\nDURATION:P{}D", days.days);
    vevent(&days.uid, &days.title, days.busy, &when)
}

/// Whole days from midnight to midnight in a zone that is named.
pub(crate) fn midnights(days: &OutsideDays) -> String {
    let end = days.first + chrono::Days::new(days.days.into());
    let time = |name: &str, day: chrono::NaiveDate| {
        format!("{name};TZID={}:{}T000000", days.zone, day.format("%Y%m%d"))
    };
    let when = format!("{}\r\n{}", time("DTSTART", days.first), time("DTEND", end));
    vevent(&days.uid, &days.title, days.busy, &when)
}

/// A recurring event, with one more for each occurrence that was moved.
pub(crate) fn recurring(series: &OutsideSeries) -> String {
    let time = |name: &str, it: NaiveDateTime| match (series.whole_days, series.zone) {
        (true, _) => format!("{name};VALUE=DATE:{}", it.format("%Y%m%d")),
        (false, Tz::UTC) => format!("{name}:{}Z", it.format("%Y%m%dT%H%M%S")),
        (false, zone) => format!("{name};TZID={zone}:{}", it.format("%Y%m%dT%H%M%S")),
    };
    let duration = match series.whole_days {
        true => format!("DURATION:P{}D", series.duration.num_days()),
        false => format!("DURATION:PT{}S", series.duration.num_seconds()),
    };
    let event = |when: &str| vevent(&series.uid, &series.title, series.busy, when);
    let exdates: String =
        series.exdates.iter().map(|it| format!("\r\n{}", time("EXDATE", *it))).collect();
    let start = time("DTSTART", series.start);
    let mut text = event(&format!("{start}\r\n{duration}\r\nRRULE:{}{exdates}", series.rule));
    for moved in &series.moved {
        let (original, start) =
            (time("RECURRENCE-ID", moved.original), time("DTSTART", moved.start));
        text.push_str(&event(&format!("{original}\r\n{start}\r\n{duration}")));
    }
    text
}

fn vevent(uid: &str, title: &str, busy: bool, when: &str) -> String {
    let transparency = if busy { "OPAQUE" } else { "TRANSPARENT" };
    format!(
        "BEGIN:VEVENT\r\nUID:{uid}\r\nDTSTAMP:20310101T000000Z\r\n{when}\r\nSUMMARY:{title}\r\n\
         TRANSP:{transparency}\r\nEND:VEVENT\r\n"
    )
}

//! When a series stands, by walking through the days: as much of RFC 5545 as the kit's rules use.

use calendar_provider::TimeRange;
use calendar_provider::conformance::{OutsideDays, OutsideSeries};
use chrono::{
    DateTime, Datelike, Days, NaiveDate, NaiveDateTime, TimeDelta, TimeZone, Utc, Weekday,
};
use chrono_tz::Tz;

use super::Flaw;

/// Longer than the kit looks ahead in a series without an end.
const LONGEST_DAYS: usize = 5 * 366;

pub(crate) fn occurrences(series: &OutsideSeries, flaw: Flaw) -> Vec<TimeRange> {
    let mut found = Vec::new();
    for start in starts(series, flaw) {
        let moved = series.moved.iter().find(|moved| moved.original == start);
        let keeps = |kept: Flaw| flaw == kept;
        if series.exdates.contains(&start) && !keeps(Flaw::ExdatesIgnored) {
            continue;
        }
        if moved.is_none() || keeps(Flaw::MovedIgnored) || keeps(Flaw::MovedStaysToo) {
            found.push(placed(series, start, flaw));
        }
        if let Some(moved) = moved.filter(|_| !keeps(Flaw::MovedIgnored)) {
            found.push(placed(series, moved.start, flaw));
        }
    }
    if flaw == Flaw::SeriesIsItsFirst {
        found.truncate(1);
    }
    found
}

pub(crate) fn whole_days(days: &OutsideDays, flaw: Flaw) -> TimeRange {
    let zone = if flaw == Flaw::WholeDaysInUtc { Tz::UTC } else { days.zone };
    let midnight = |date: NaiveDate| instant(date.and_time(chrono::NaiveTime::MIN), zone);
    let start = midnight(days.first);
    if flaw == Flaw::WholeDaysOf24Hours {
        let length = TimeDelta::days(days.days.into());
        return TimeRange::lasting(start, length).expect("a day is not empty");
    }
    let end = midnight(days.first + Days::new(days.days.into()));
    TimeRange::new(start, end).expect("a day is not empty")
}

/// The local starts that the rule makes, exceptions included.
fn starts(series: &OutsideSeries, flaw: Flaw) -> Vec<NaiveDateTime> {
    let part = |name: &str| {
        let mut parts = series.rule.split(';').filter_map(|part| part.split_once('='));
        parts.find(|(key, _)| *key == name).map(|(_, value)| value)
    };
    let count = part("COUNT").map_or(usize::MAX, |count| count.parse().expect("a number"));
    let until = part("UNTIL").map(|until| {
        NaiveDateTime::parse_from_str(until, "%Y%m%dT%H%M%SZ").expect("a time").and_utc()
    });
    let goes_on = |start: &NaiveDateTime| {
        let start = instant(*start, series.zone);
        until.is_none_or(
            |until| if flaw == Flaw::UntilExcluded { start < until } else { start <= until },
        )
    };
    let byday = part("BYDAY").filter(|_| flaw != Flaw::BydayIgnored);
    let days = if flaw == Flaw::SeriesEndsInAYear { 366 } else { LONGEST_DAYS };
    let (first, time) = (series.start.date(), series.start.time());
    let matching = first.iter_days().take(days).filter(|day| {
        match (part("FREQ").expect("a rule has one"), byday) {
            ("DAILY", None) => true,
            ("WEEKLY", None) => day.weekday() == first.weekday(),
            ("WEEKLY", Some(names)) => names.split(',').any(|name| weekday(name) == day.weekday()),
            ("MONTHLY", None) => day.day() == first.day(),
            ("MONTHLY", Some(last)) => {
                let name = last.strip_prefix("-1").expect("the kit asks for the last");
                day.weekday() == weekday(name) && (*day + Days::new(7)).month() != day.month()
            }
            (other, _) => panic!("the kit has no {other}"),
        }
    });
    matching.map(|day| day.and_time(time)).take(count).take_while(goes_on).collect()
}

fn weekday(name: &str) -> Weekday {
    match name {
        "MO" => Weekday::Mon,
        "WE" => Weekday::Wed,
        "FR" => Weekday::Fri,
        other => panic!("the kit has no {other}"),
    }
}

fn placed(series: &OutsideSeries, start: NaiveDateTime, flaw: Flaw) -> TimeRange {
    let begins = match flaw {
        Flaw::SeriesInUtc => start.and_utc(),
        Flaw::SeriesKeepsFirstOffset => instant(series.start, series.zone) + (start - series.start),
        _ => instant(start, series.zone),
    };
    if series.whole_days && flaw != Flaw::WholeDaysOf24Hours {
        let end = instant(start + TimeDelta::days(1), series.zone);
        return TimeRange::new(begins, end.max(begins + TimeDelta::hours(1))).expect("a day");
    }
    TimeRange::lasting(begins, series.duration).expect("the kit's series are not empty")
}

fn instant(local: NaiveDateTime, zone: Tz) -> DateTime<Utc> {
    zone.from_local_datetime(&local).single().expect("the kit avoids gaps and folds").to_utc()
}

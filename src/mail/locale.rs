//! Dates, times and durations as people of a locale write them.

use calendar_provider::TimeRange;
use chrono::{DateTime, Locale, TimeDelta, Utc};
use chrono_tz::Tz;

use super::wording::Language;

/// A reader's locale: the language of our own words, and how dates are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reader {
    pub(super) language: Language,
    dates: Locale,
    twelve_hours: bool,
}

impl Reader {
    /// From a BCP 47 tag. Dates fall back from the region to the language's largest region, then
    /// to British English; our words from the language to English.
    pub(super) fn of(tag: &str) -> Self {
        let tag = Tag::parse(tag);
        let dates = tag.dates().unwrap_or(Locale::en_GB);
        Self { language: Language::of(&tag.language), dates, twelve_hours: dates == Locale::en_US }
    }

    /// A long date, e.g. `lundi 4 janvier 2027`.
    pub(super) fn date(self, instant: DateTime<Utc>, zone: Tz) -> String {
        let format = match self.dates {
            Locale::en_US => "%A, %B %-d, %Y",
            other => long_date(language(other)),
        };
        instant.with_timezone(&zone).format_localized(format, self.dates).to_string()
    }

    /// A time of day, e.g. `14:30` or `2:30 PM`.
    pub(super) fn time(self, instant: DateTime<Utc>, zone: Tz) -> String {
        let format = if self.twelve_hours { "%-I:%M %p" } else { "%H:%M" };
        instant.with_timezone(&zone).format(format).to_string()
    }

    /// Start and end, with the end's date where it is another one.
    pub(super) fn span(self, range: TimeRange, zone: Tz) -> String {
        let (start, end) = (range.start(), range.end());
        let dates = (self.date(start, zone), self.date(end, zone));
        let times = (self.time(start, zone), self.time(end, zone));
        if dates.0 == dates.1 {
            format!("{}, {} – {}", dates.0, times.0, times.1)
        } else {
            format!("{}, {} – {}, {}", dates.0, times.0, dates.1, times.1)
        }
    }

    /// A duration in words; whole minutes.
    pub(super) fn duration(self, length: TimeDelta) -> String {
        self.language.duration(length.num_hours(), length.num_minutes() % 60)
    }
}

/// The parts of a BCP 47 tag that matter here (RFC 5646, section 2.1).
struct Tag {
    language: String,
    region: Option<String>,
}

impl Tag {
    fn parse(tag: &str) -> Self {
        let mut parts = tag.split(['-', '_']);
        let language = parts.next().unwrap_or_default().to_ascii_lowercase();
        let is_region =
            |part: &&str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_alphabetic());
        let region = parts.take_while(|part| part.len() != 1).find(is_region);
        Self { language, region: region.map(str::to_ascii_uppercase) }
    }

    fn dates(&self) -> Option<Locale> {
        let posix = |region: &str| Locale::try_from(&*format!("{}_{region}", self.language)).ok();
        self.region
            .as_deref()
            .and_then(posix)
            .or_else(|| posix(likely_region(&self.language)?))
            .or_else(|| posix(&self.language.to_ascii_uppercase()))
    }
}

/// Where most speakers of a language live, when it is not the country of the same letters
/// (Unicode CLDR, likely subtags).
fn likely_region(language: &str) -> Option<&'static str> {
    Some(match language {
        "en" => "GB",
        "ar" => "EG",
        "ca" => "ES",
        "cs" => "CZ",
        "da" => "DK",
        "el" => "GR",
        "et" => "EE",
        "fa" => "IR",
        "he" => "IL",
        "hi" => "IN",
        "ja" => "JP",
        "ko" => "KR",
        "nb" | "nn" => "NO",
        "pt" => "BR",
        "sl" => "SI",
        "sr" => "RS",
        "sv" => "SE",
        "uk" => "UA",
        "vi" => "VN",
        "zh" => "CN",
        _ => return None,
    })
}

fn language(locale: Locale) -> String {
    let name = format!("{locale:?}");
    name.split('_').next().unwrap_or_default().to_owned()
}

/// The long date of a language, for chrono's `format_localized`.
fn long_date(language: String) -> &'static str {
    match &*language {
        "de" | "da" | "nb" | "nn" | "cs" | "fi" => "%A, %-d. %B %Y",
        "es" | "pt" | "ca" | "gl" => "%A, %-d de %B de %Y",
        "ja" | "zh" => "%Y年%-m月%-d日 %A",
        "ko" => "%Y년 %-m월 %-d일 %A",
        _ => "%A %-d %B %Y",
    }
}

//! Zones by name.

use chrono_tz::Tz;

/// The IANA zone that a `TZID` means, where it means one.
///
/// Besides the plain name that is a path which ends in one (`/freeassociation.sourceforge.net/
/// Europe/Paris`), and Windows's name (`W. Europe Standard Time`) by CLDR's table.
pub(crate) fn known(tzid: &str) -> Option<Tz> {
    let tzid = tzid.trim();
    if tzid.eq_ignore_ascii_case("tzone://Microsoft/Utc") {
        return Some(Tz::UTC);
    }
    if let Some(zone) = tzid.parse().ok().or_else(|| windows(tzid)) {
        return Some(zone);
    }
    let slashes = tzid.bytes().enumerate().filter(|(_, b)| *b == b'/').map(|(at, _)| at);
    // A suffix without a slash of its own could be any word.
    slashes
        .take(16)
        .map(|at| &tzid[at + 1..])
        .filter(|tail| tail.contains('/'))
        .find_map(|tail| tail.parse().ok())
}

/// Whether a `TZID` is a word of few letters, such as `EST` or `CET`: of old, everybody defines
/// these as they like, so that the text's own definition comes first.
pub(crate) fn is_own_word(tzid: &str) -> bool {
    !tzid.contains('/') && windows(tzid).is_none()
}

fn windows(name: &str) -> Option<Tz> {
    localzone::win_zone_to_iana(name.trim(), None)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use chrono_tz::Tz;

    use super::{is_own_word, known};

    #[test]
    fn names_of_many_kinds_are_known() {
        for (name, zone) in [
            ("Europe/Paris", Tz::Europe__Paris),
            ("/freeassociation.sourceforge.net/Tzfile/Europe/Paris", Tz::Europe__Paris),
            ("/freeassociation.sourceforge.net/Europe/Paris", Tz::Europe__Paris),
            ("/mozilla.org/20050126_1/America/Argentina/Ushuaia", Tz::America__Argentina__Ushuaia),
            ("W. Europe Standard Time", Tz::Europe__Berlin),
            ("Pacific Standard Time", Tz::America__Los_Angeles),
            ("UTC", Tz::UTC),
            ("Etc/UTC", Tz::Etc__UTC),
            ("tzone://Microsoft/Utc", Tz::UTC),
        ] {
            assert_eq!(known(name), Some(zone), "{name}");
        }
        for name in ["", "/", "Customized Time Zone", "/example.org/EST", "Mars/Olympus"] {
            assert_eq!(known(name), None, "{name}");
        }
    }

    #[test]
    fn words_are_whatever_the_text_says() {
        assert!(is_own_word("EST") && is_own_word("My Zone"));
        assert!(!is_own_word("Europe/Paris") && !is_own_word("W. Europe Standard Time"));
    }
}

//! Time zones as Microsoft names them.

use chrono_tz::Tz;

/// The zone of a name from Windows' registry or IANA's database. None for the zones that a mailbox
/// defines by itself (`tzone://Microsoft/Custom`, `Customized Time Zone`) and for unknown names.
///
/// CLDR's table (windowsZones.xml, territory 001) says which zone a Windows name stands for. It
/// comes from the crate `localzone`, as for iCalendar's zones.
pub(crate) fn zone(name: &str) -> Option<Tz> {
    localzone::win_zone_to_iana(name, None).unwrap_or(name).parse().ok()
}

#[cfg(test)]
mod tests {
    use chrono_tz::Tz;

    use super::zone;

    #[test]
    fn names_of_windows_and_of_iana_are_known() {
        for (name, expected) in [
            ("W. Europe Standard Time", Tz::Europe__Berlin),
            ("Pacific Standard Time", Tz::America__Los_Angeles),
            ("India Standard Time", Tz::Asia__Calcutta),
            ("Lord Howe Standard Time", Tz::Australia__Lord_Howe),
            ("UTC", Tz::Etc__UTC),
            ("Europe/Paris", Tz::Europe__Paris),
        ] {
            let told = zone(name).unwrap_or_else(|| panic!("{name} is not known"));
            assert!(told == expected || told.name().ends_with("UTC"), "{name} is {told}");
        }
    }

    #[test]
    fn zones_that_a_mailbox_defines_are_unknown() {
        for name in ["tzone://Microsoft/Custom", "Customized Time Zone", "", "nowhere"] {
            assert_eq!(zone(name), None, "{name}");
        }
    }
}

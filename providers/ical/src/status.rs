//! Whether an event blocks the agent: the table in `busy.md` decides.

use crate::lines::Property;

/// What has been read of an event that bears on it.
#[derive(Default)]
pub(crate) struct Status {
    cancelled: bool,
    transparent: bool,
    /// What Outlook says, where it does.
    outlook_busy: Option<bool>,
    declined: bool,
    attending: bool,
}

impl Status {
    pub(crate) fn status(&mut self, value: &str) {
        self.cancelled = value.eq_ignore_ascii_case("CANCELLED");
    }

    pub(crate) fn transparency(&mut self, value: &str) {
        self.transparent = value.eq_ignore_ascii_case("TRANSPARENT");
    }

    pub(crate) fn outlook(&mut self, value: &str) {
        let value = value.to_ascii_uppercase();
        self.outlook_busy = match value.as_str() {
            "FREE" | "WORKINGELSEWHERE" => Some(false),
            "BUSY" | "OOF" | "TENTATIVE" => Some(true),
            _ => None,
        };
    }

    /// An ATTENDEE; `me` are the agent's addresses. Some servers write an address of their own
    /// as the value, and the e-mail address as `EMAIL`.
    pub(crate) fn attendee(&mut self, attendee: Property<'_>, me: &[String]) {
        let value = attendee.value;
        let address = match value.split_at_checked(7) {
            Some((scheme, address)) if scheme.eq_ignore_ascii_case("mailto:") => address,
            _ => value,
        };
        let named = [Some(address), attendee.parameter("EMAIL")];
        let is_me = |name: &str| me.iter().any(|own| own.eq_ignore_ascii_case(name.trim()));
        if named.into_iter().flatten().any(is_me) {
            if attendee.parameter_is("PARTSTAT", "DECLINED") {
                self.declined = true;
            } else {
                self.attending = true;
            }
        }
    }

    pub(crate) fn is_busy(&self) -> bool {
        if self.cancelled || (self.declined && !self.attending) {
            return false;
        }
        self.outlook_busy.unwrap_or(!self.transparent)
    }
}

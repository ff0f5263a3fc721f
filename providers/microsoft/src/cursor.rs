//! Cursors: a delta link, sealed so that foreign or spoilt text is known without asking.

use std::fmt::Write;

use calendar_provider::Cursor;
use sha2::{Digest, Sha256};

/// Told apart from what another version may write.
const VERSION: &str = "1";

/// The cursor that goes on from `link` in the calendar.
pub(crate) fn seal(calendar_ref: &str, link: &str) -> Cursor {
    Cursor::new(format!("{VERSION}:{}:{link}", check(calendar_ref, link)))
}

/// The link in `cursor`; none where it was never given out for this calendar.
pub(crate) fn open<'a>(calendar_ref: &str, cursor: &'a Cursor) -> Option<&'a str> {
    let (version, rest) = cursor.as_str().split_once(':')?;
    let (told, link) = rest.split_once(':')?;
    (version == VERSION && told == check(calendar_ref, link)).then_some(link)
}

/// Finds accidents and mix-ups, no forgery: the link is checked before it is followed.
fn check(calendar_ref: &str, link: &str) -> String {
    let digest = Sha256::new().chain_update(calendar_ref).chain_update([0]).chain_update(link);
    let mut hex = String::new();
    for byte in &digest.finalize()[..8] {
        write!(hex, "{byte:02x}").expect("a String takes everything");
    }
    hex
}

#[cfg(test)]
mod tests {
    use calendar_provider::Cursor;

    use super::{open, seal};

    #[test]
    fn only_its_own_cursors_open() {
        let link = "https://graph.example/v1.0/me/calendarView/delta?$deltatoken=a:b";
        let cursor = seal("default:ada@contoso.example", link);
        assert_eq!(open("default:ada@contoso.example", &cursor), Some(link));
        assert_eq!(open("AAMk=", &cursor), None);
        for foreign in ["", "1", "1::", link, &format!("{}x", cursor.as_str())] {
            assert_eq!(open("AAMk=", &Cursor::new(foreign)), None, "{foreign}");
        }
    }
}

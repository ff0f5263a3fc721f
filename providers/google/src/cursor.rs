//! The cursor: a sync token, and a mark that it is ours and of this calendar.

use calendar_provider::{Cursor, ProviderError};
use sha2::{Digest, Sha256};

/// The cursor's form. Raised where what the sync token means changes, e.g. with other parameters
/// of the list, which must stay the same for the life of a token.
const FORM: &str = "1";

pub(crate) fn write(calendar: &str, sync_token: &str) -> Cursor {
    Cursor::new(format!("{FORM}.{}.{sync_token}", mark(calendar, sync_token)))
}

/// The sync token.
///
/// # Errors
/// `CursorExpired` for what [`write`] never wrote for this calendar: Google answers a malformed
/// token like any other malformed parameter, which would look like a fault of ours.
pub(crate) fn read<'a>(calendar: &str, cursor: &'a Cursor) -> Result<&'a str, ProviderError> {
    let mut parts = cursor.as_str().splitn(3, '.');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(FORM), Some(told), Some(sync_token)) if told == mark(calendar, sync_token) => {
            Ok(sync_token)
        }
        _ => Err(ProviderError::cursor_expired()),
    }
}

/// Not a secret: it finds accidents.
fn mark(calendar: &str, sync_token: &str) -> String {
    let digest = Sha256::new_with_prefix(calendar).chain_update([0]).chain_update(sync_token);
    digest.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use calendar_provider::Cursor;

    use super::{read, write};

    #[test]
    fn only_its_own_cursors_of_the_calendar_are_read() {
        let cursor = write("ada@example.com", "CPDAlvWDx70CEPDAlvWDx70CGAU=");
        assert_eq!(read("ada@example.com", &cursor).unwrap(), "CPDAlvWDx70CEPDAlvWDx70CGAU=");
        assert!(read("bob@example.com", &cursor).is_err());
        let text = cursor.as_str();
        for foreign in
            [format!("{text}x"), text.replacen('1', "2", 1), text[..20].to_owned(), "..".into()]
        {
            assert!(read("ada@example.com", &Cursor::new(foreign)).is_err());
        }
    }
}

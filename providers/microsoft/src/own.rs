//! How the server's own events are known again.
//!
//! `iCalUId` can't be chosen, so that the UID stands in an extended property, which a collection
//! can be filtered by (<https://learn.microsoft.com/graph/api/singlevaluelegacyextendedproperty-get>).
//! A `transactionId` keeps a repeated creation from making a second event
//! (<https://learn.microsoft.com/graph/api/resources/event>), but nothing can be found by it.

use std::fmt::Write;

use calendar_provider::EventDraft;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::body;

/// The property that holds the UID.
pub(crate) const UID: &str = "String {9a0c3b6e-5d2f-4c1b-8e47-2f6d1b7a9c30} Name FrontdeskUid";

/// The property that holds the [fingerprint](body::fingerprint) of the text.
pub(crate) const TEXT: &str = "String {9a0c3b6e-5d2f-4c1b-8e47-2f6d1b7a9c30} Name FrontdeskText";

/// The longest subject that Exchange keeps, in UTF-16 units.
const LONGEST_TITLE: usize = 255;

/// The properties of the event.
pub(crate) fn properties(draft: &EventDraft, text: &str) -> Value {
    json!([
        { "id": UID, "value": draft.uid },
        { "id": TEXT, "value": body::fingerprint(text) },
    ])
}

/// The `$filter` that finds the events with this UID.
pub(crate) fn filter(uid: &str) -> String {
    // OData 4.01 URL conventions, section 5.1.1.14.1: a quote is doubled.
    let uid = uid.replace('\'', "''");
    format!("singleValueExtendedProperties/Any(ep: ep/id eq '{UID}' and ep/value eq '{uid}')")
}

/// The `$expand` that tells an event's properties.
pub(crate) fn expand() -> String {
    format!("singleValueExtendedProperties($filter=id eq '{UID}' or id eq '{TEXT}')")
}

/// What marks this creation: the same when it is repeated, another one after the event was deleted
/// as far as that is known, and with each attempt that the ID before was in the way of.
pub(crate) fn transaction_id(draft: &EventDraft, attempt: u32) -> String {
    let digest = Sha256::new()
        .chain_update(&draft.uid)
        .chain_update([0])
        .chain_update(draft.event_ref.as_deref().unwrap_or_default())
        .chain_update([0])
        .chain_update(attempt.to_be_bytes())
        .finalize();
    // In the form of the GUIDs that the documentation shows.
    let mut id = String::new();
    for (at, byte) in digest[..16].iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            id.push('-');
        }
        write!(id, "{byte:02x}").expect("a String takes everything");
    }
    id
}

/// The title, cut to what Exchange keeps.
pub(crate) fn title(draft: &EventDraft) -> String {
    let mut units = 0;
    let fits = |character: &char| {
        units += character.len_utf16();
        units <= LONGEST_TITLE
    };
    draft.title.chars().take_while(fits).collect()
}

#[cfg(test)]
mod tests {
    use calendar_provider::{EventDraft, Participant, TimeRange};
    use chrono_tz::Tz;

    use super::{filter, title, transaction_id};

    fn draft(uid: &str) -> EventDraft {
        let start = "2031-05-05T09:00:00Z".parse().unwrap();
        let range = TimeRange::lasting(start, chrono::TimeDelta::hours(1)).unwrap();
        EventDraft::new(uid, range, Tz::UTC, "Demo", Participant::new(None, "ada@contoso.example"))
    }

    #[test]
    fn a_repeated_creation_has_the_same_id() {
        let id = transaction_id(&draft("a"), 0);
        assert_eq!(id, transaction_id(&draft("a"), 0));
        assert_eq!(id.split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
        let mut deleted = draft("a");
        deleted.event_ref = Some("AAkA".into());
        for other in [
            transaction_id(&draft("b"), 0),
            transaction_id(&draft("a"), 1),
            transaction_id(&deleted, 0),
        ] {
            assert_ne!(id, other);
        }
    }

    #[test]
    fn a_uid_stays_within_its_quotes() {
        assert!(filter("o'clock' or true").ends_with("ep/value eq 'o''clock'' or true')"));
    }

    #[test]
    fn titles_are_cut_between_characters() {
        let mut draft = draft("a");
        for (text, length) in [("é", 255), ("🗓", 127)] {
            draft.title = text.repeat(1000);
            assert_eq!(title(&draft).chars().count(), length, "{text}");
        }
    }
}

//! What a cursor holds, and how it is written.

use calendar_provider::{Cursor, EventSnapshot, ProviderError};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::feed::Validators;

/// A feed as it was last read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Place {
    pub(crate) validators: Validators,
    /// SHA-256 over what stood in the window, in hexadecimal. Not over the text: many servers write
    /// the time of the request into it.
    pub(crate) digest: String,
}

impl Place {
    pub(crate) fn new(validators: Validators, occurrences: &[EventSnapshot]) -> Self {
        let mut hash = Sha256::new();
        for event in occurrences {
            let EventSnapshot { event_ref, uid, range, busy, title, .. } = event;
            // Each text with its length, so that no two lists of events run together alike.
            for text in [Some(event_ref), uid.as_ref(), title.as_ref()] {
                let text = text.map_or("", String::as_str);
                hash.update((text.len() as u64).to_be_bytes());
                hash.update(text);
            }
            for end in [range.start(), range.end()] {
                hash.update(end.timestamp().to_be_bytes());
            }
            hash.update([u8::from(*busy)]);
        }
        let digest = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Self { validators, digest }
    }

    /// What a cursor says.
    ///
    /// # Errors
    /// Expired where it was not given out.
    pub(crate) fn read(cursor: &Cursor) -> Result<Self, ProviderError> {
        serde_json::from_str(cursor.as_str()).map_err(|_| ProviderError::cursor_expired())
    }

    pub(crate) fn into_cursor(self) -> Result<Cursor, ProviderError> {
        let text = serde_json::to_string(&self).map_err(|cause| {
            ProviderError::permanent("the cursor can't be written").with_source(cause)
        })?;
        Ok(Cursor::new(text))
    }
}

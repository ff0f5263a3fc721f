//! What a cursor holds, and how it is written.

use std::collections::BTreeSet;

use calendar_provider::{Cursor, ProviderError};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use url::Url;

/// Of how many recurring events it is kept that they are told as series.
const MAX_SERIES: usize = 2_000;

/// A place in a calendar's history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Place {
    /// Which calendar it is of, as a short digest of its address.
    calendar: String,
    /// Where the server's history stands.
    pub(crate) mark: Mark,
    /// Which events were told as series, each as a short digest of its address: one that is told
    /// as a single event from now on must be told as gone first, and the other way round. None
    /// where they are too many: then all are.
    series: Option<BTreeSet<String>>,
}

/// How a server tells where its history stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mark {
    /// By a token with which it tells what changed since (RFC 6578).
    Sync(String),
    /// By a tag that differs after every change.
    Ctag(String),
    /// Not at all.
    None,
}

impl Place {
    pub(crate) fn new(calendar: &Url, mark: Mark) -> Self {
        Self { calendar: digest(calendar), mark, series: Some(BTreeSet::new()) }
    }

    /// What a cursor says.
    ///
    /// # Errors
    /// Expired where it was not given out, or for another calendar.
    pub(crate) fn read(cursor: &Cursor, calendar: &Url) -> Result<Self, ProviderError> {
        let place: Self =
            serde_json::from_str(cursor.as_str()).map_err(|_| ProviderError::cursor_expired())?;
        if place.calendar == digest(calendar) {
            Ok(place)
        } else {
            Err(ProviderError::cursor_expired())
        }
    }

    pub(crate) fn into_cursor(self) -> Result<Cursor, ProviderError> {
        let text = serde_json::to_string(&self).map_err(|cause| {
            ProviderError::permanent("the cursor can't be written").with_source(cause)
        })?;
        Ok(Cursor::new(text))
    }

    /// Notes that an event is told as a series, or as none; answers whether it may have been told
    /// otherwise before.
    pub(crate) fn note(&mut self, event: &Url, is_series: bool) -> bool {
        let Some(series) = &mut self.series else { return true };
        let event = digest(event);
        let changed = if is_series { series.insert(event) } else { series.remove(&event) };
        if MAX_SERIES < series.len() {
            self.series = None;
        }
        changed
    }
}

/// The first 32 bits of the address's SHA-256. That two are alike costs no more than one needless
/// change told.
fn digest(url: &Url) -> String {
    let hash = Sha256::digest(url.as_str());
    hash[..4].iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use calendar_provider::{Cursor, ErrorClass};
    use url::Url;

    use super::{MAX_SERIES, Mark, Place};

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    #[test]
    fn a_cursor_reads_back_for_its_own_calendar_only() {
        let (work, home) = (url("https://a.example/work/"), url("https://a.example/home/"));
        let mut place = Place::new(&work, Mark::Sync("token".into()));
        place.note(&url("https://a.example/work/1.ics"), true);
        let cursor = place.clone().into_cursor().unwrap();
        assert_eq!(Place::read(&cursor, &work).unwrap(), place);
        for (cursor, calendar) in [
            (cursor.clone(), &home),
            (Cursor::new(""), &work),
            (Cursor::new(format!("{}x", cursor.as_str())), &work),
        ] {
            let error = Place::read(&cursor, calendar).unwrap_err();
            assert_eq!(error.class(), ErrorClass::CursorExpired);
        }
    }

    #[test]
    fn an_event_that_begins_or_ends_recurring_is_noted_once() {
        let event = url("https://a.example/work/1.ics");
        let mut place = Place::new(&url("https://a.example/work/"), Mark::None);
        assert!(!place.note(&event, false));
        assert!(place.note(&event, true));
        assert!(!place.note(&event, true));
        assert!(place.note(&event, false));
        for number in 0..=MAX_SERIES {
            place.note(&url(&format!("https://a.example/work/{number}.ics")), true);
        }
        assert!(place.note(&event, false), "what is not kept may have been either");
    }
}

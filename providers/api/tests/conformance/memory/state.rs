//! What all connections of one provider share.

use std::collections::{BTreeMap, BTreeSet};

use calendar_provider::conformance::Fault;
use calendar_provider::{Push, WatchRequest};

use super::entry::Entry;

/// One calendar: its owner and its reference.
pub(crate) type Place = (String, String);

#[derive(Default)]
pub(crate) struct State {
    /// By calendar and reference of the event; none where the event was removed.
    pub(crate) entries: BTreeMap<(Place, String), (usize, Option<Entry>)>,
    pub(crate) revision: usize,
    pub(crate) writing: BTreeSet<String>,
    pub(crate) fault: Option<Fault>,
    /// Channels by their reference.
    pub(crate) watches: BTreeMap<String, (Place, WatchRequest)>,
    pub(crate) pushes: Vec<Push>,
}

impl State {
    pub(crate) fn keep(&mut self, place: &Place, event_ref: String, entry: Option<Entry>) {
        self.revision += 1;
        self.entries.insert((place.clone(), event_ref), (self.revision, entry));
        for (watched, request) in self.watches.values() {
            if watched == place {
                let mut push = Push::new(&request.channel, request.secret.clone());
                let secret = secrecy::ExposeSecret::expose_secret(&request.secret);
                push.headers.insert("x-secret".into(), secret.into());
                push.body = b"changed".to_vec();
                self.pushes.push(push);
            }
        }
    }

    pub(crate) fn of<'a>(
        &'a self,
        place: &'a Place,
    ) -> impl Iterator<Item = (&'a str, usize, &'a Entry)> {
        self.entries.iter().filter_map(move |((of, event_ref), (revision, entry))| {
            (of == place).then_some(())?;
            Some((event_ref.as_str(), *revision, entry.as_ref()?))
        })
    }

    /// The reference of the event with this UID, if there is one.
    pub(crate) fn by_uid(&self, place: &Place, uid: &str) -> Option<String> {
        let known = self.of(place).find(|(_, _, entry)| entry.uid == uid);
        known.map(|(event_ref, ..)| event_ref.into())
    }
}

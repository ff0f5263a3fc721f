//! What a calendar in memory holds.

use calendar_provider::{EventSnapshot, TimeRange};
use url::Url;

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) uid: String,
    pub(crate) when: When,
    pub(crate) title: String,
    pub(crate) busy: bool,
    pub(crate) conference: Conference,
}

/// One time, or each occurrence's, in order of the rule.
#[derive(Clone, Debug)]
pub(crate) enum When {
    Once(TimeRange),
    Series(Vec<TimeRange>),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Conference {
    #[default]
    None,
    Pending,
    Made(Url),
}

impl Entry {
    pub(crate) fn single(uid: &str, range: TimeRange, title: &str) -> Self {
        Self {
            uid: uid.into(),
            when: When::Once(range),
            title: title.into(),
            busy: true,
            conference: Conference::None,
        }
    }

    pub(crate) fn series(uid: &str, occurrences: Vec<TimeRange>, title: &str) -> Self {
        let mut entry = Self::single(uid, occurrences[0], title);
        entry.when = When::Series(occurrences);
        entry
    }

    pub(crate) fn ranges(&self) -> &[TimeRange] {
        match &self.when {
            When::Once(range) => std::slice::from_ref(range),
            When::Series(occurrences) => occurrences,
        }
    }

    /// Each time that it takes, as the calendar tells it.
    pub(crate) fn snapshots(&self, event_ref: &str, revision: usize) -> Vec<EventSnapshot> {
        let tell = |(number, range): (usize, &TimeRange)| {
            let mut snapshot = EventSnapshot::new(event_ref, *range);
            if matches!(self.when, When::Series(_)) {
                snapshot.event_ref = format!("{event_ref}/{number}");
                snapshot.series_ref = Some(event_ref.into());
            }
            snapshot.uid = Some(self.uid.clone());
            snapshot.busy = self.busy;
            snapshot.title = Some(self.title.clone());
            snapshot.version = Some(revision.to_string());
            snapshot
        };
        self.ranges().iter().enumerate().map(tell).collect()
    }
}

//! Following changes with delta queries on a calendar view
//! (<https://learn.microsoft.com/graph/delta-query-events>).

use std::collections::{BTreeMap, btree_map::Entry};

use calendar_provider::{Change, Changes, Connection, Cursor, ProviderError, TimeRange};
use url::Url;

use crate::{
    calendar_ref::CalendarRef,
    cursor,
    event::{Event, Kind, SELECT},
    graph::{Call, Graph, MAX_PAGES, PREFER, Page, Session},
    times,
};

/// How many events a page holds. A page comes with all bodies, since a delta can't select.
const PAGE_SIZE: u32 = 100;

/// What changed after `since`, or all that overlaps `window`.
pub(crate) async fn changes(
    graph: &Graph,
    connection: &Connection,
    since: Option<&Cursor>,
    window: TimeRange,
) -> Result<Changes, ProviderError> {
    let session = graph.session(connection);
    let url = match since {
        None => first(&session, &CalendarRef::parse(&connection.calendar_ref), window)?,
        Some(since) => {
            let link = cursor::open(&connection.calendar_ref, since);
            let link = link.ok_or_else(ProviderError::cursor_expired)?;
            session.link(link).map_err(|_| ProviderError::cursor_expired())?
        }
    };
    let (events, delta_link) = round(&session, url).await?;
    // Checked now rather than with the next round.
    session.link(&delta_link)?;
    let told = Told::sort(events);
    let events = told.into_changes(&session, since.is_some(), window).await?;
    Ok(Changes::new(events, cursor::seal(&connection.calendar_ref, &delta_link)))
}

fn first(
    session: &Session<'_>,
    calendar: &CalendarRef,
    window: TimeRange,
) -> Result<Url, ProviderError> {
    let path = match calendar {
        CalendarRef::Default { .. } => vec!["me", "calendarView", "delta"],
        CalendarRef::Id(_) => calendar.path_to(&["calendarView", "delta"]),
    };
    let (start, end) = (times::to_query(window.start()), times::to_query(window.end()));
    session.url(&path, &[("startDateTime", &start), ("endDateTime", &end)])
}

/// One round: all pages from `url` to the delta link.
async fn round(session: &Session<'_>, mut url: Url) -> Result<(Vec<Event>, String), ProviderError> {
    let mut events = Vec::new();
    for _ in 0..MAX_PAGES {
        let mut call = Call::get(url, "the calendar");
        call.prefer = format!("{PREFER}, odata.maxpagesize={PAGE_SIZE}");
        let page: Page<Event> = session.read(call).await?;
        events.extend(page.value);
        url = match (page.next_link, page.delta_link) {
            (Some(next), _) => session.link(&next)?,
            (None, Some(delta)) => return Ok((events, delta)),
            (None, None) => return Err(ProviderError::transient("the answer has no delta link")),
        };
    }
    Err(ProviderError::permanent("its pages do not end"))
}

/// What a round told, by what it means.
#[derive(Default)]
struct Told {
    /// Single events, and occurrences whose series was not told; in order.
    alone: Vec<Event>,
    /// Recurring events, with the occurrences told.
    series: BTreeMap<String, (Event, Vec<Event>)>,
}

impl Told {
    fn sort(events: Vec<Event>) -> Self {
        let mut told = Self::default();
        let mut occurrences = Vec::new();
        // An event may be told on several pages: the last is how it stands.
        let last: BTreeMap<_, _> =
            events.iter().enumerate().map(|(at, event)| (event.id.clone(), at)).collect();
        let standing = events.into_iter().enumerate().filter(|(at, it)| last[&it.id] == *at);
        for (_, event) in standing {
            if event.removed.is_some() {
                told.alone.push(event);
            } else if event.kind == Some(Kind::SeriesMaster) {
                told.series.insert(event.id.clone(), (event, Vec::new()));
            } else {
                occurrences.push(event);
            }
        }
        // A series may be told after its occurrences.
        for event in occurrences {
            match event.series_master_id.clone().map(|id| told.series.entry(id)) {
                Some(Entry::Occupied(mut series)) => series.get_mut().1.push(event),
                _ => told.alone.push(event),
            }
        }
        told
    }

    async fn into_changes(
        self,
        session: &Session<'_>,
        incremental: bool,
        window: TimeRange,
    ) -> Result<Vec<Change>, ProviderError> {
        let mut changes = Vec::new();
        let mut masters = BTreeMap::new();
        for event in self.alone {
            changes.push(alone(session, event, &mut masters).await?);
        }
        for (series_ref, (master, occurrences)) in self.series {
            // The first round tells all of them; a later one those that changed, and the change
            // can be to how often it recurs.
            let told = if incremental {
                instances(session, &series_ref, window).await?
            } else {
                Some(occurrences)
            };
            changes.push(match told {
                Some(occurrences) => series(series_ref, &master, occurrences)?,
                None => Change::Gone { event_ref: series_ref },
            });
        }
        Ok(changes)
    }
}

/// The change to an event that came without its series.
async fn alone(
    session: &Session<'_>,
    mut event: Event,
    masters: &mut BTreeMap<String, Option<Event>>,
) -> Result<Change, ProviderError> {
    if event.removed.is_some() {
        return Ok(Change::Gone { event_ref: event.id });
    }
    if let (Some(id), None) = (event.series_master_id.clone(), &event.show_as) {
        let master = match masters.entry(id) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => {
                let master = master(session, unknown.key()).await?;
                unknown.insert(master)
            }
        };
        match master {
            Some(master) => event.inherit(master),
            None => return Ok(Change::Gone { event_ref: event.id }),
        }
    }
    Ok(match event.snapshot(None)? {
        Some(snapshot) => Change::Present(snapshot),
        // Without length it blocks nothing, and nothing of what it was before.
        None => Change::Gone { event_ref: event.id },
    })
}

fn series(
    series_ref: String,
    master: &Event,
    occurrences: Vec<Event>,
) -> Result<Change, ProviderError> {
    let mut snapshots = Vec::with_capacity(occurrences.len());
    for mut occurrence in occurrences {
        occurrence.inherit(master);
        occurrence.series_master_id = Some(series_ref.clone());
        snapshots.extend(occurrence.snapshot(None)?);
    }
    Ok(Change::Series { series_ref, occurrences: snapshots })
}

/// A recurring event itself; none where it is gone.
async fn master(session: &Session<'_>, id: &str) -> Result<Option<Event>, ProviderError> {
    let url = session.url(&["me", "events", id], &[("$select", SELECT)])?;
    unless_gone(session.read(Call::get(url, "the event")).await)
}

/// The occurrences of a recurring event that overlap `window`; none where it is gone.
async fn instances(
    session: &Session<'_>,
    id: &str,
    window: TimeRange,
) -> Result<Option<Vec<Event>>, ProviderError> {
    let (start, end) = (times::to_query(window.start()), times::to_query(window.end()));
    let query =
        [("startDateTime", &*start), ("endDateTime", &*end), ("$select", SELECT), ("$top", "500")];
    let url = session.url(&["me", "events", id, "instances"], &query)?;
    unless_gone(session.read_all(Call::get(url, "the event")).await)
}

/// None where it was not found; that the mailbox was not found stays an error.
fn unless_gone<T>(result: Result<T, ProviderError>) -> Result<Option<T>, ProviderError> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(ProviderError::NotFound { what: "the event", .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

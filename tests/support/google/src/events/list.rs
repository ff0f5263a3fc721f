//! `events.list`: windows, pages and sync tokens (guide "Synchronize resources efficiently").

use std::borrow::Cow;
use std::ops::Bound;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::write::is_cancelled;
use super::{calendar, readable, shown};
use crate::answer::{Answer, ApiError};
use crate::gate::Call;
use crate::server::Shared;
use crate::state::{Calendar, Stored};
use crate::time::{Span, overlap, span_of};

/// What a sync token holds. Its window is the one of the first list.
#[derive(Clone, Serialize, Deserialize)]
struct SyncToken {
    calendar: String,
    generation: u64,
    after: u64,
    window: Option<(DateTime<Utc>, DateTime<Utc>)>,
    /// The parameters that must stay the same.
    same: Vec<(String, String)>,
}

#[derive(Serialize, Deserialize)]
struct PageToken {
    sync: SyncToken,
    /// The last ID of the page before.
    last: String,
    /// What the next sync token begins after.
    next: u64,
    query: Vec<(String, String)>,
}

pub(crate) fn list(shared: &Shared, call: &Call, calendar_id: &str) -> Answer {
    let mut state = shared.lock();
    let id = readable(&state, call, calendar_id)?;
    if call.param("singleEvents") != Some("true") {
        return Err(ApiError::invalid("This fake lists with singleEvents=true only."));
    }
    let limit = state.page_limit.unwrap_or(usize::MAX);
    let calendar = calendar(&mut state, &id)?;
    let page: Option<PageToken> = match call.param("pageToken") {
        None => None,
        Some(text) => {
            let page: PageToken = read(text, "Invalid page token value.")?;
            if page.query != without_page(call) {
                return Err(ApiError::invalid("The page token is for other parameters."));
            }
            Some(page)
        }
    };
    let (sync, last, next) = match page {
        Some(page) => (page.sync, page.last, page.next),
        None => (begin(call, calendar, &id)?, String::new(), calendar.revision),
    };
    if sync.generation != calendar.generation || sync.calendar != id {
        return Err(ApiError::full_sync_required());
    }
    let size = call.param("maxResults").and_then(|it| it.parse().ok()).unwrap_or(250);
    let size = size.min(2500).min(limit);
    // One more than the page holds, to see whether there is another.
    let mut items = matching(call, calendar, &sync, &last, size + 1);
    let more = size < items.len();
    items.truncate(size);
    let last = items.last().map(|(id, _)| id.to_string()).unwrap_or_default();
    let shown: Vec<_> =
        items.iter().map(|(_, stored)| Value::Object(shown(stored, call))).collect();
    let mut answer = json!({
        "kind": "calendar#events",
        "summary": calendar.summary,
        "timeZone": calendar.zone.name(),
        "items": shown,
    });
    if more {
        let token = PageToken { sync, last, next, query: without_page(call) };
        answer["nextPageToken"] = json!(write(&token));
    } else {
        answer["nextSyncToken"] = json!(write(&SyncToken { after: next, ..sync }));
    }
    Ok(Some(answer))
}

/// Where the list begins: with a sync token, or with all there is.
fn begin(call: &Call, calendar: &Calendar, id: &str) -> Result<SyncToken, ApiError> {
    let instant = |name| call.param(name).and_then(|it| it.parse::<DateTime<Utc>>().ok());
    let bounds = (instant("timeMin"), instant("timeMax"));
    if let Some(text) = call.param("syncToken") {
        if bounds != (None, None) || call.param("showDeleted") == Some("false") {
            let message = "Sync token cannot be used with other query restrictions.";
            return Err(ApiError::invalid(message));
        }
        let sync: SyncToken = read(text, "Invalid sync token value.")?;
        return match sync.same == same(call) {
            true => Ok(sync),
            false => Err(ApiError::invalid("The parameters differ from the first list's.")),
        };
    }
    let window = match bounds {
        (Some(from), Some(to)) if to <= from => return Err(ApiError::empty_range()),
        (None, None) => None,
        (from, to) => {
            Some((from.unwrap_or(DateTime::<Utc>::MIN_UTC), to.unwrap_or(DateTime::<Utc>::MAX_UTC)))
        }
    };
    let generation = calendar.generation;
    Ok(SyncToken { calendar: id.to_owned(), generation, after: 0, window, same: same(call) })
}

/// The first events of this list after the ID `last`. A first list leaves the deleted out; a later
/// one tells all that changed, in or out of the window, deleted or not.
fn matching<'a>(
    call: &Call,
    calendar: &'a Calendar,
    sync: &SyncToken,
    last: &str,
    count: usize,
) -> Vec<(Cow<'a, str>, Cow<'a, Stored>)> {
    let first = call.param("syncToken").is_none();
    let deleted = !first || call.param("showDeleted") == Some("true");
    let inside = |stored: &Stored, window: Span| {
        span_of(&stored.resource, calendar.zone).is_some_and(|span| overlap(span, window))
    };
    let wanted = |stored: &Stored| {
        sync.after < stored.revision
            && (deleted || !is_cancelled(stored))
            && (!first || sync.window.is_none_or(|window| inside(stored, window)))
    };
    let events = calendar.events.range::<str, _>((Bound::Excluded(last), Bound::Unbounded));
    let events = events.filter(|(_, stored)| wanted(stored)).take(count);
    let events = events.map(|(id, stored)| (Cow::from(id.as_str()), Cow::Borrowed(stored)));
    let instances = calendar.instances(sync.window);
    let instances = instances.filter(|(id, stored)| **id > *last && wanted(stored));
    let instances = instances.map(|(id, stored)| (Cow::Owned(id), Cow::Owned(stored)));
    let mut all: Vec<_> = events.chain(instances).collect();
    all.sort_unstable_by(|one, other| one.0.cmp(&other.0));
    all.truncate(count);
    all
}

fn same(call: &Call) -> Vec<(String, String)> {
    let differs = ["pageToken", "syncToken", "timeMin", "timeMax", "maxResults", "fields"];
    let mut same = call.query.clone();
    same.retain(|(name, _)| !differs.contains(&name.as_str()));
    same.sort_unstable();
    same
}

fn without_page(call: &Call) -> Vec<(String, String)> {
    let mut query = call.query.clone();
    query.retain(|(name, _)| name != "pageToken");
    query.sort_unstable();
    query
}

fn write<T: Serialize>(token: &T) -> String {
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(token).unwrap_or_default())
}

fn read<T: DeserializeOwned>(text: &str, message: &str) -> Result<T, ApiError> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok();
    bytes.and_then(|it| serde_json::from_slice(&it).ok()).ok_or_else(|| ApiError::invalid(message))
}

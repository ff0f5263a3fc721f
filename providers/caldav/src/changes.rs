//! Following a calendar's changes (RFC 6578).

use std::collections::{BTreeMap, HashMap};

use calendar_ical::Occurrence;
use calendar_provider::{Change, Changes, Cursor, ProviderError, TimeRange};
use url::Url;

use crate::account::Account;
use crate::cursor::{Mark, Place};
use crate::dav::{Dav, Depth, escape};
use crate::event_text::{Read, describe, occurrences};
use crate::multistatus::{DAV, Multistatus, has_precondition};
use crate::query::{self, Tally, report_body};
use crate::{busy, href};

/// A server that gives out pages without end is stopped here.
const MAX_PAGES: usize = 1_000;

/// More changed events than this are not read one by one: most may lie outside the window, which
/// beginning again reads alone. As after an import, or where a server touches all it has.
const MAX_TOUCHED: usize = 2_000;

/// More entries than this are not kept, with those that are gone.
const MAX_LISTED: usize = 100_000;

const STATE_PROPS: &str = "<D:sync-token/><CS:getctag/><D:supported-report-set/><D:resourcetype/>";

/// What changed in a calendar after `since`, or all that is in `window`.
pub(crate) async fn changes(
    dav: &Dav,
    account: &Account,
    calendar: &Url,
    since: Option<&Cursor>,
    window: TimeRange,
) -> Result<Changes, ProviderError> {
    let tally = Tally::default();
    let look = Look { dav, account, calendar, window, tally };
    let changes = match since {
        None => look.begin().await,
        Some(cursor) => look.go_on(Place::read(cursor, calendar)?).await,
    };
    match changes {
        Ok(changes) => Ok(changes),
        Err(error) => Err(busy::unreadable(dav, calendar, window, error).await),
    }
}

struct Look<'a> {
    dav: &'a Dav,
    account: &'a Account,
    calendar: &'a Url,
    window: TimeRange,
    tally: Tally,
}

impl Look<'_> {
    /// Everything in the window. The mark is read first, so that what changes meanwhile is told
    /// again rather than never.
    async fn begin(&self) -> Result<Changes, ProviderError> {
        let mut place = Place::new(self.calendar, self.mark().await?);
        let objects = query::within(self.dav, self.calendar, self.window, &self.tally).await?;
        let mut told = Vec::new();
        for read in occurrences(objects, self.account, self.window).await? {
            if !read.found.is_empty() {
                place.note(&read.url, is_series(&read.found));
                told.push(tell(read));
            }
        }
        Ok(Changes::new(told, place.into_cursor()?))
    }

    async fn mark(&self) -> Result<Mark, ProviderError> {
        let state = self.dav.propfind_one(self.calendar, STATE_PROPS).await?.props;
        let offered =
            state.reports.is_empty() || state.reports.iter().any(|it| it == "sync-collection");
        Ok(match (state.sync_token, state.ctag) {
            (Some(token), _) if offered => Mark::Sync(token),
            (_, Some(tag)) => Mark::Ctag(tag),
            (_, None) => Mark::None,
        })
    }

    async fn go_on(&self, mut place: Place) -> Result<Changes, ProviderError> {
        let token = match &place.mark {
            Mark::Sync(token) => token.clone(),
            // Whether anything changed is all that such a server tells.
            known @ Mark::Ctag(_) if self.mark().await? == *known => {
                return Ok(Changes::new(Vec::new(), place.into_cursor()?));
            }
            Mark::Ctag(_) | Mark::None => return Err(ProviderError::cursor_expired()),
        };
        let (touched, next) = self.touched(token).await?;
        let present: Vec<_> =
            touched.iter().filter(|(_, present)| **present).map(|(url, _)| url.clone()).collect();
        if MAX_TOUCHED < present.len() {
            return Err(ProviderError::cursor_expired());
        }
        let objects = query::multiget(self.dav, self.calendar, &present, &self.tally).await?;
        let objects = occurrences(objects, self.account, self.window).await?;
        let mut objects: BTreeMap<_, _> =
            objects.into_iter().map(|it| (it.url.clone(), it)).collect();
        let mut told = Vec::new();
        for url in touched.into_keys() {
            tell_change(&url, objects.remove(&url), &mut place, &mut told);
        }
        place.mark = Mark::Sync(next);
        Ok(Changes::new(told, place.into_cursor()?))
    }

    /// The objects that changed since `token`, and whether each is still there; and the next token.
    async fn touched(
        &self,
        mut token: String,
    ) -> Result<(BTreeMap<Url, bool>, String), ProviderError> {
        let mut touched = BTreeMap::new();
        for _ in 0..MAX_PAGES {
            let page = self.page(&token).await?;
            for member in page.members {
                let is_object = !href::is_same(&member.href, self.calendar)
                    && !member.href.path().ends_with('/');
                if is_object {
                    let present = !member.is_gone();
                    touched.insert(member.href, present);
                }
            }
            if MAX_LISTED < touched.len() {
                break;
            }
            let Some(next) = page.sync_token else {
                return Err(ProviderError::transient("the answer lacks a sync token"));
            };
            if !page.truncated {
                return Ok((touched, next));
            }
            if next == token {
                break;
            }
            token = next;
        }
        // Beginning again reads the calendar by time instead.
        Err(ProviderError::cursor_expired())
    }

    async fn page(&self, token: &str) -> Result<Multistatus, ProviderError> {
        let content = format!(
            "<D:sync-token>{}</D:sync-token><D:sync-level>1</D:sync-level><D:prop><D:getetag/></D:prop>",
            escape(token)
        );
        let body = report_body("D:sync-collection", &content);
        let answer = self.dav.report(self.calendar, Depth::Zero, body).await?;
        // RFC 6578, section 3.2, names the precondition; servers differ in the status, and some
        // leave the precondition out.
        let invalid = has_precondition(&answer.body, DAV, "valid-sync-token")
            || matches!(answer.status.as_u16(), 400 | 403 | 409 | 410 | 412 | 507);
        if invalid {
            return Err(ProviderError::cursor_expired());
        }
        answer.multistatus("the calendar")
    }
}

/// An object that is not there any more has no `read`.
fn tell_change(url: &Url, read: Option<Read>, place: &mut Place, told: &mut Vec<Change>) {
    let gone = Change::Gone { event_ref: href::reference(url) };
    // One without occurrences left the window, or is a task.
    let Some(read) = read.filter(|it| !it.found.is_empty()) else {
        place.note(url, false);
        told.push(gone);
        return;
    };
    if place.note(url, is_series(&read.found)) {
        told.push(gone);
    }
    told.push(tell(read));
}

fn is_series(found: &[Occurrence]) -> bool {
    found.len() != 1 || found[0].recurrence_id.is_some()
}

/// An object as a change.
fn tell(read: Read) -> Change {
    let Read { url, etag, found } = read;
    let url = href::reference(&url);
    let series = is_series(&found);
    let mut names: HashMap<String, u32> = HashMap::new();
    let mut told = found.into_iter().map(|occurrence| {
        if !series {
            return describe(url.clone(), occurrence, etag.clone());
        }
        let name = occurrence.recurrence_id.clone().unwrap_or_default();
        let times = names.entry(name.clone()).or_default();
        *times += 1;
        // Two events of one UID may both claim an occurrence; each is told.
        let nth = if *times == 1 { String::new() } else { format!("#{times}") };
        let event_ref = format!("{url}#{name}{nth}");
        let mut snapshot = describe(event_ref, occurrence, etag.clone());
        snapshot.series_ref = Some(url.clone());
        snapshot
    });
    match (series, told.next()) {
        (false, Some(single)) => Change::Present(single),
        (_, first) => Change::Series {
            series_ref: url.clone(),
            occurrences: first.into_iter().chain(told).collect(),
        },
    }
}

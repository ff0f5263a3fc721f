//! Writing, reading and removing the server's own events (RFC 4791, section 5.3).

use calendar_http::http::StatusCode;
use calendar_ical::write_event;
use calendar_provider::{EventDraft, EventHandle, EventReceipt, EventSnapshot, ProviderError};
use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use url::Url;

use crate::account::Account;
use crate::calendars;
use crate::dav::{Answer, Condition, Dav};
use crate::event_text::{has_uid, snapshot};
use crate::href;
use crate::multistatus::utf8;
use crate::query::{Object, by_uid};

/// How often an event is read again that somebody else changes at the same time.
const ROUNDS: usize = 2;

/// The longest UID that an address is made of as it is.
const LONGEST_PLAIN_UID: usize = 120;

/// One calendar of an account, to write to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Events<'a> {
    pub(crate) dav: &'a Dav,
    pub(crate) account: &'a Account,
    pub(crate) calendar: &'a Url,
}

/// How an attempt at one address ended.
enum Outcome<T> {
    Done(T),
    /// The event is not there.
    Elsewhere,
}

impl Events<'_> {
    /// Creates the event, or changes it where it is: where it was written, else where its UID is
    /// found.
    pub(crate) async fn put(&self, draft: &EventDraft) -> Result<EventReceipt, ProviderError> {
        let text = write_event(draft, stamp(draft.sequence));
        let known = draft.event_ref.as_deref().and_then(|it| self.account.event(it));
        if let Some(known) = known {
            if let Outcome::Done(receipt) = self.replace(&known, &draft.uid, &text).await? {
                return Ok(receipt);
            }
            if let Some(receipt) = self.replace_found(draft, &text).await? {
                return Ok(receipt);
            }
        }
        self.create(draft, &text).await
    }

    async fn create(&self, draft: &EventDraft, text: &str) -> Result<EventReceipt, ProviderError> {
        let own = self.own_address(&draft.uid);
        let answer = self.dav.put(&own, Condition::New, text.to_owned()).await?;
        if answer.is_success() {
            return self.receipt(&own, answer).await;
        }
        // 412: something is there already, most likely from a call whose answer was lost. 409 and
        // 403 are what servers answer where the UID stands at another address (no-uid-conflict).
        if answer.status == StatusCode::PRECONDITION_FAILED
            && let Outcome::Done(receipt) = self.replace(&own, &draft.uid, text).await?
        {
            return Ok(receipt);
        }
        if matches!(answer.status.as_u16(), 403 | 409 | 412)
            && let Some(receipt) = self.replace_found(draft, text).await?
        {
            return Ok(receipt);
        }
        Err(refused_write(&answer))
    }

    async fn replace_found(
        &self,
        draft: &EventDraft,
        text: &str,
    ) -> Result<Option<EventReceipt>, ProviderError> {
        let Some((url, _)) = self.find(&draft.uid).await? else { return Ok(None) };
        match self.replace(&url, &draft.uid, text).await? {
            Outcome::Done(receipt) => Ok(Some(receipt)),
            // It was there a moment ago.
            Outcome::Elsewhere => Err(ProviderError::conflict()),
        }
    }

    /// Changes the event at `url`, unless another stands there.
    async fn replace(
        &self,
        url: &Url,
        uid: &str,
        text: &str,
    ) -> Result<Outcome<EventReceipt>, ProviderError> {
        for _ in 0..ROUNDS {
            let Some(stands) = self.read(url, uid).await? else { return Ok(Outcome::Elsewhere) };
            let condition = Condition::Unchanged(stands.etag.as_deref());
            let answer = self.dav.put(url, condition, text.to_owned()).await?;
            match answer.status {
                _ if answer.is_success() => {
                    return Ok(Outcome::Done(self.receipt(url, answer).await?));
                }
                _ if answer.is_missing() => return Ok(Outcome::Elsewhere),
                StatusCode::PRECONDITION_FAILED => {}
                _ => return Err(refused_write(&answer)),
            }
        }
        Err(ProviderError::conflict())
    }

    /// Removes the event, wherever it is.
    pub(crate) async fn delete(&self, event: &EventHandle) -> Result<(), ProviderError> {
        if let Outcome::Done(()) = self.remove(&self.address(event), &event.uid).await? {
            return Ok(());
        }
        if let Some((url, _)) = self.find(&event.uid).await? {
            // Where it is gone from there as well, someone else was quicker.
            self.remove(&url, &event.uid).await?;
        }
        Ok(())
    }

    async fn remove(&self, url: &Url, uid: &str) -> Result<Outcome<()>, ProviderError> {
        for _ in 0..ROUNDS {
            let Some(stands) = self.read(url, uid).await? else { return Ok(Outcome::Elsewhere) };
            let answer = self.dav.delete(url, Condition::Unchanged(stands.etag.as_deref())).await?;
            match answer.status {
                _ if answer.is_success() || answer.is_missing() => return Ok(Outcome::Done(())),
                StatusCode::PRECONDITION_FAILED => {}
                _ => return Err(refused_write(&answer)),
            }
        }
        Err(ProviderError::conflict())
    }

    /// A direct look at the event, wherever it is.
    pub(crate) async fn get(
        &self,
        event: &EventHandle,
    ) -> Result<Option<EventSnapshot>, ProviderError> {
        let address = self.address(event);
        let found = match self.read(&address, &event.uid).await? {
            Some(object) => Some((address, object)),
            None => self.find(&event.uid).await?,
        };
        match found {
            Some((url, object)) => snapshot(url, object, self.account).await.map(Some),
            None => Ok(None),
        }
    }

    /// What stands at an address, where it has this UID.
    async fn read(&self, url: &Url, uid: &str) -> Result<Option<Object>, ProviderError> {
        let answer = self.dav.get(url).await?;
        if answer.is_missing() {
            return Ok(None);
        }
        if answer.status != StatusCode::OK {
            return Err(answer.refused("the event"));
        }
        let data = utf8(&answer.body)?;
        if !data.trim_start_matches('\u{feff}').starts_with("BEGIN:VCALENDAR") {
            return Err(ProviderError::transient("the answer is not an event"));
        }
        if !has_uid(data, uid) {
            return Ok(None);
        }
        Ok(Some(Object { etag: answer.etag, data: data.to_owned() }))
    }

    /// Looks for a UID in the calendar, then in the account's other calendars: an agent may have
    /// moved the event there.
    async fn find(&self, uid: &str) -> Result<Option<(Url, Object)>, ProviderError> {
        if let Some(found) = by_uid(self.dav, self.calendar, uid).await? {
            return Ok(Some(found));
        }
        for other in calendars::list_all(self.dav, self.account).await? {
            if other.writable
                && !href::is_same(&other.url, self.calendar)
                && let Some(found) = by_uid(self.dav, &other.url, uid).await?
            {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    fn address(&self, event: &EventHandle) -> Url {
        let known = event.event_ref.as_deref().and_then(|it| self.account.event(it));
        known.unwrap_or_else(|| self.own_address(&event.uid))
    }

    /// Where the event is written at first. It follows from the UID alone, so that a call whose
    /// answer was lost meets its own event when it is made again.
    fn own_address(&self, uid: &str) -> Url {
        let is_plain =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'@' | b'.');
        let plain =
            uid.bytes().all(is_plain) && uid.len() <= LONGEST_PLAIN_UID && !uid.starts_with('.');
        let name = if plain && !uid.is_empty() {
            uid.to_owned()
        } else {
            Sha256::digest(uid).iter().map(|byte| format!("{byte:02x}")).collect()
        };
        href::member(self.calendar, &format!("{name}.ics"))
    }

    /// A server that stores another text than it was given tells no ETag with it (RFC 4791,
    /// section 5.3.4); then it is asked.
    async fn receipt(&self, url: &Url, answer: Answer) -> Result<EventReceipt, ProviderError> {
        let mut receipt = EventReceipt::new(href::reference(url));
        receipt.version = match answer.etag {
            Some(etag) => Some(etag),
            None => self.dav.propfind_one(url, "<D:getetag/>").await?.props.etag,
        };
        Ok(receipt)
    }
}

/// What stands as DTSTAMP. There is no METHOD, so it says when the event was last changed (RFC 5545,
/// section 3.8.7.2); programs order revisions by SEQUENCE first. It follows from that, so that the
/// same draft always makes the same text.
fn stamp(sequence: u32) -> DateTime<Utc> {
    const FIRST: i64 = 1_577_836_800; // 2020-01-01T00:00:00Z
    DateTime::from_timestamp(FIRST + i64::from(sequence), 0).unwrap_or_default()
}

fn refused_write(answer: &Answer) -> ProviderError {
    match answer.status {
        StatusCode::FORBIDDEN => {
            ProviderError::permanent("events can't be written to this calendar")
        }
        StatusCode::CONFLICT => ProviderError::not_found("the calendar"),
        StatusCode::PRECONDITION_FAILED => ProviderError::conflict(),
        _ => answer.refused("the calendar"),
    }
}

//! Fetching a feed and reading it.

use std::collections::HashMap;

use calendar_http::http::header::{
    ACCEPT, CONTENT_TYPE, ETAG, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED,
};
use calendar_http::http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode};
use calendar_http::{Bytes, HttpClient, Response, final_url};
use calendar_ical::{Expansion, Occurrence, expand};
use calendar_provider::{EventSnapshot, ProviderError, TimeRange};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::CALENDAR_REF;

/// The largest feed that is read, unpacked: 10 MiB, some 20,000 events.
pub const BODY_LIMIT: usize = 10 * 1024 * 1024;

/// The longest text, in bytes, that is read in between other work: a few milliseconds.
const SHORT: usize = 256 * 1024;

/// The longest name of a calendar that is told, in characters.
const LONGEST_NAME: usize = 200;

const TYPES: HeaderValue = HeaderValue::from_static("text/calendar, */*;q=0.1");

/// By what a server knows whether a feed has changed (RFC 9110, section 8.8).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Validators {
    etag: Option<String>,
    last_modified: Option<String>,
}

/// What fetching brought.
pub(crate) enum Fetched {
    /// A feed, and what to say of it next time.
    New(Feed, Validators),
    /// It is as it was when the validators were given.
    Unchanged,
}

/// A feed's text. It need not be UTF-8 until it is read.
pub(crate) struct Feed(Bytes);

impl Feed {
    /// Asks for the feed, or whether it has changed.
    ///
    /// # Errors
    /// Not found where it was taken back (404, 410); unauthorized where it needs a login;
    /// transient where what comes is no calendar, as while a server is being mended; and what
    /// [`HttpClient::send`] says.
    pub(crate) async fn fetch(
        http: &HttpClient,
        url: &Url,
        since: Option<&Validators>,
    ) -> Result<Fetched, ProviderError> {
        let mut request = Request::new(Bytes::new());
        *request.uri_mut() = url.as_str().parse().map_err(|_| {
            // The parser's own error is no secret, but it says no more either.
            ProviderError::permanent("the address is not valid")
        })?;
        request.headers_mut().insert(ACCEPT, TYPES);
        if let Some(since) = since {
            since.ask(request.headers_mut());
        }
        let response = http.send(request).await?;
        match response.status() {
            StatusCode::OK => {
                let validators = Validators::of(response.headers());
                Ok(Fetched::New(Self::of(response, url)?, validators))
            }
            StatusCode::NOT_MODIFIED => Ok(Fetched::Unchanged),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(ProviderError::unauthorized()),
            StatusCode::NOT_FOUND | StatusCode::GONE => Err(ProviderError::not_found("the feed")),
            status if status.is_success() => {
                Err(ProviderError::transient("the answer holds no feed"))
            }
            _ => Err(ProviderError::permanent("it does not take the request")),
        }
    }

    /// The type that a server gives says little: text/calendar, application/octet-stream and
    /// text/plain are all met, so the text's own beginning decides.
    fn of(response: Response, asked: &Url) -> Result<Self, ProviderError> {
        let html = response.headers().get(CONTENT_TYPE).is_some_and(is_html);
        let moved = final_url(&response).is_some_and(|it| it != asked);
        let body = response.into_body();
        let text = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&body).trim_ascii_start();
        let begins = text.get(..15).is_some_and(|it| it.eq_ignore_ascii_case(b"BEGIN:VCALENDAR"));
        match begins {
            true => Ok(Self(body)),
            // Where a login is needed, browsers are sent to a page for it.
            false if moved && (html || text.starts_with(b"<")) => {
                Err(ProviderError::unauthorized())
            }
            false if html || text.starts_with(b"<") => {
                Err(ProviderError::transient("the address leads to a web page, not to a calendar"))
            }
            false => Err(ProviderError::transient("the answer is not a calendar")),
        }
    }

    /// Every occurrence that overlaps `window`, with those that block nobody. `floating_zone` is
    /// that of times that name none, where the feed has no zone of its own.
    ///
    /// # Errors
    /// Permanent where an event can't be understood; transient where the text is cut off.
    pub(crate) async fn occurrences(
        &self,
        window: TimeRange,
        floating_zone: Option<Tz>,
    ) -> Result<Vec<Occurrence>, ProviderError> {
        let expansion = Expansion::new(window, self.zone().or(floating_zone));
        let found = if self.0.len() <= SHORT {
            expand(&self.0, &expansion)
        } else {
            // So long that other calls would have to wait for it.
            let text = self.0.clone();
            let work = tokio::task::spawn_blocking(move || expand(&text, &expansion));
            work.await.map_err(|cause| {
                ProviderError::transient("reading the feed was broken off").with_source(cause)
            })?
        };
        found.map_err(|cause| match cause {
            calendar_ical::ReadError::CutOff => {
                ProviderError::transient("the feed is cut off").with_source(cause)
            }
            _ => ProviderError::permanent("the feed holds what can't be understood")
                .with_source(cause),
        })
    }

    /// The same as the server keeps them.
    pub(crate) async fn snapshots(
        &self,
        window: TimeRange,
        floating_zone: Option<Tz>,
    ) -> Result<Vec<EventSnapshot>, ProviderError> {
        // Feeds repeat UIDs and leave them out; a number tells such events apart.
        let mut names: HashMap<String, u32> = HashMap::new();
        let told = self.occurrences(window, floating_zone).await?.into_iter().map(|it| {
            let mut event_ref = it.uid.clone();
            if let Some(id) = &it.recurrence_id {
                event_ref = format!("{event_ref}#{id}");
            }
            let times = names.entry(event_ref.clone()).or_default();
            *times += 1;
            if *times != 1 || event_ref.is_empty() {
                event_ref = format!("{event_ref}#{times}");
            }
            let mut snapshot = EventSnapshot::new(event_ref, it.range);
            snapshot.series_ref = Some(CALENDAR_REF.to_owned());
            snapshot.uid = Some(it.uid).filter(|it| !it.is_empty());
            snapshot.busy = it.busy;
            snapshot.title = it.title;
            snapshot
        });
        Ok(told.collect())
    }

    /// What the calendar is called (`X-WR-CALNAME`, or `NAME` by RFC 7986, section 5.1).
    pub(crate) fn name(&self) -> Option<String> {
        let name = self.property("X-WR-CALNAME").or_else(|| self.property("NAME"))?;
        let name = name.replace("\\n", " ").replace("\\N", " ").replace('\\', "");
        let shown = name.chars().filter(|it| !it.is_control());
        let name: String = shown.take(LONGEST_NAME).collect();
        (!name.is_empty()).then_some(name)
    }

    /// The zone of times that name none (`X-WR-TIMEZONE`), where it is an IANA zone.
    pub(crate) fn zone(&self) -> Option<Tz> {
        self.property("X-WR-TIMEZONE")?.parse().ok()
    }

    /// A property of the calendar itself: those stand before its components.
    fn property(&self, name: &str) -> Option<&str> {
        let lines = self.0.split(|byte| matches!(byte, b'\r' | b'\n'));
        let lines = lines.map_while(|it| std::str::from_utf8(it).ok());
        let own = lines.skip_while(|it| !is_begin(it)).skip(1).take_while(|it| !is_begin(it));
        own.filter_map(|it| it.split_once(':')).find_map(|(head, value)| {
            let found = head.split(';').next().is_some_and(|it| it.eq_ignore_ascii_case(name));
            found.then(|| value.trim())
        })
    }
}

impl Validators {
    fn of(headers: &HeaderMap) -> Self {
        let text = |name| headers.get(name)?.to_str().ok().map(str::to_owned);
        Self { etag: text(ETAG), last_modified: text(LAST_MODIFIED) }
    }

    /// Asks for the feed only where it has changed (RFC 9110, section 13.1). Where there is an ETag,
    /// a server leaves the date aside.
    fn ask(&self, headers: &mut HeaderMap) {
        let mut set = |name: HeaderName, value: &Option<String>| {
            if let Some(value) = value.as_ref().and_then(|it| HeaderValue::from_str(it).ok()) {
                headers.insert(name, value);
            }
        };
        set(IF_NONE_MATCH, &self.etag);
        set(IF_MODIFIED_SINCE, &self.last_modified);
    }
}

fn is_begin(line: &&str) -> bool {
    line.get(..6).is_some_and(|it| it.eq_ignore_ascii_case("BEGIN:"))
}

fn is_html(content_type: &HeaderValue) -> bool {
    let text = content_type.to_str().unwrap_or_default().to_ascii_lowercase();
    text.starts_with("text/html") || text.starts_with("application/xhtml")
}

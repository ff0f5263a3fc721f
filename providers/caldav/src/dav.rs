//! Requests to a WebDAV server, and what its refusals mean.

use calendar_http::http::header::{
    AUTHORIZATION, CONTENT_TYPE, ETAG, HeaderName, IF_MATCH, IF_NONE_MATCH, WWW_AUTHENTICATE,
};
use calendar_http::http::{HeaderValue, Method, Request, StatusCode};
use calendar_http::{Bytes, HttpClient, Response, final_url};
use calendar_provider::ProviderError;
use url::Url;

use crate::account::Login;
use crate::href;
use crate::multistatus::{CALDAV, DAV, Member, Multistatus, has_precondition};

/// The most that one answer may hold: a few thousand events, or the names of 50,000.
const BODY_LIMIT: usize = 32 * 1024 * 1024;

const DEPTH: HeaderName = HeaderName::from_static("depth");
const XML: HeaderValue = HeaderValue::from_static("application/xml; charset=utf-8");
const CALENDAR: HeaderValue = HeaderValue::from_static("text/calendar; charset=utf-8");

/// A WebDAV server, and who asks it.
#[derive(Clone, Debug)]
pub(crate) struct Dav {
    http: HttpClient,
    authorization: HeaderValue,
}

/// On what condition something is written (RFC 9110, section 13.1).
#[derive(Clone, Copy, Debug)]
pub(crate) enum Condition<'a> {
    /// Nothing is there yet.
    New,
    /// What is there is what was read, by its ETag; where the server told none, something is.
    Unchanged(Option<&'a str>),
}

/// How far a request reaches (RFC 4918, section 10.2).
#[derive(Clone, Copy, Debug)]
pub(crate) enum Depth {
    /// The resource itself.
    Zero,
    /// Its members as well.
    One,
}

/// An answer, and where it came from. Not to be printed: the body is nobody else's business.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) url: Url,
    pub(crate) etag: Option<String>,
    pub(crate) body: Bytes,
    /// Whether a way of signing in is offered that is known here, where one is asked for.
    knows_scheme: bool,
}

impl Dav {
    pub(crate) fn new(http: &HttpClient, login: &Login) -> Result<Self, ProviderError> {
        Ok(Self { http: http.with_body_limit(BODY_LIMIT), authorization: login.header()? })
    }

    /// The properties of a resource, and of its members where `depth` says so. `props` is the
    /// content of `DAV:prop`, with the prefixes of [`prop_body`].
    ///
    /// # Errors
    /// Not found where nothing is at `url`, and what [`Answer::refused`] says.
    pub(crate) async fn propfind(
        &self,
        url: &Url,
        depth: Depth,
        props: &str,
    ) -> Result<Vec<Member>, ProviderError> {
        let answer = self.try_propfind(url, depth, props).await?.on_same_server(url)?;
        let answer = answer.multistatus("the calendar")?;
        if answer.truncated {
            return Err(ProviderError::permanent("it does not list all of its calendars"));
        }
        Ok(answer.members)
    }

    /// The properties of one resource.
    pub(crate) async fn propfind_one(
        &self,
        url: &Url,
        props: &str,
    ) -> Result<Member, ProviderError> {
        let answer = self.try_propfind(url, Depth::Zero, props).await?.on_same_server(url)?;
        let only = answer.multistatus("the calendar")?.into_only();
        only.ok_or_else(|| ProviderError::not_found("the calendar"))
    }

    /// The same, with any answer, from wherever it came after redirects.
    pub(crate) async fn try_propfind(
        &self,
        url: &Url,
        depth: Depth,
        props: &str,
    ) -> Result<Answer, ProviderError> {
        let propfind = method(b"PROPFIND")?;
        let depth = HeaderValue::from_static(match depth {
            Depth::Zero => "0",
            Depth::One => "1",
        });
        self.send(propfind, url, &[(DEPTH, depth), (CONTENT_TYPE, XML)], prop_body(props)).await
    }

    /// A report (RFC 3253, section 3.6) on the collection at `url`.
    pub(crate) async fn report(
        &self,
        url: &Url,
        depth: Depth,
        body: String,
    ) -> Result<Answer, ProviderError> {
        let depth = HeaderValue::from_static(match depth {
            Depth::Zero => "0",
            Depth::One => "1",
        });
        let headers = [(DEPTH, depth), (CONTENT_TYPE, XML)];
        self.send(method(b"REPORT")?, url, &headers, body).await?.on_same_server(url)
    }

    pub(crate) async fn get(&self, url: &Url) -> Result<Answer, ProviderError> {
        self.send(Method::GET, url, &[], String::new()).await?.on_same_server(url)
    }

    pub(crate) async fn put(
        &self,
        url: &Url,
        condition: Condition<'_>,
        body: String,
    ) -> Result<Answer, ProviderError> {
        let headers = [condition.header()?, (CONTENT_TYPE, CALENDAR)];
        self.send(Method::PUT, url, &headers, body).await?.on_same_server(url)
    }

    pub(crate) async fn delete(
        &self,
        url: &Url,
        condition: Condition<'_>,
    ) -> Result<Answer, ProviderError> {
        let headers = [condition.header()?];
        self.send(Method::DELETE, url, &headers, String::new()).await?.on_same_server(url)
    }

    async fn send(
        &self,
        method: Method,
        url: &Url,
        headers: &[(HeaderName, HeaderValue)],
        body: String,
    ) -> Result<Answer, ProviderError> {
        let mut request = Request::new(Bytes::from(body));
        *request.method_mut() = method;
        *request.uri_mut() = url.as_str().parse().map_err(|cause| {
            ProviderError::permanent("the address is not valid").with_source(Box::new(cause))
        })?;
        request.headers_mut().extend(headers.iter().cloned());
        request.headers_mut().insert(AUTHORIZATION, self.authorization.clone());
        Ok(Answer::of(self.http.send(request).await?, url))
    }
}

impl Condition<'_> {
    fn header(self) -> Result<(HeaderName, HeaderValue), ProviderError> {
        match self {
            Self::New => Ok((IF_NONE_MATCH, HeaderValue::from_static("*"))),
            Self::Unchanged(None) => Ok((IF_MATCH, HeaderValue::from_static("*"))),
            Self::Unchanged(Some(etag)) => match HeaderValue::from_str(etag) {
                Ok(etag) => Ok((IF_MATCH, etag)),
                Err(_) => Err(ProviderError::transient("the server's ETag is not valid")),
            },
        }
    }
}

impl Answer {
    fn of(response: Response, asked: &Url) -> Self {
        let url = final_url(&response).unwrap_or(asked).clone();
        let headers = response.headers();
        let etag = headers.get(ETAG).and_then(|it| it.to_str().ok()).map(str::to_owned);
        let knows_scheme = headers.get_all(WWW_AUTHENTICATE).iter().any(offers_known_scheme)
            || !headers.contains_key(WWW_AUTHENTICATE);
        Self { status: response.status(), url, etag, knows_scheme, body: response.into_body() }
    }

    pub(crate) fn is_success(&self) -> bool {
        self.status.is_success()
    }

    /// Whether nothing is there.
    pub(crate) fn is_missing(&self) -> bool {
        matches!(self.status, StatusCode::NOT_FOUND | StatusCode::GONE)
    }

    /// Refuses what another server answered after a redirect: it was asked without the password, and
    /// its references mean nothing here. Where an account was moved to another host of its domain,
    /// connecting again finds it.
    fn on_same_server(self, asked: &Url) -> Result<Self, ProviderError> {
        if self.url.origin() == asked.origin() {
            Ok(self)
        } else if href::is_trusted(asked, &self.url) {
            Err(ProviderError::unauthorized())
        } else {
            Err(ProviderError::transient("it redirects to another server"))
        }
    }

    /// The multistatus that it holds.
    ///
    /// # Errors
    /// What [`refused`](Self::refused) says, and what [`Multistatus::read`] does.
    pub(crate) fn multistatus(&self, what: &'static str) -> Result<Multistatus, ProviderError> {
        match self.status {
            StatusCode::MULTI_STATUS => {
                Multistatus::read(&self.body, &href::canonical(self.url.clone()))
            }
            StatusCode::INSUFFICIENT_STORAGE => Ok(Multistatus::cut_short()),
            // RFC 4791, section 7.8, where one answer would hold too much.
            StatusCode::FORBIDDEN if self.has_too_many_matches() => Ok(Multistatus::cut_short()),
            _ => Err(self.refused(what)),
        }
    }

    fn has_too_many_matches(&self) -> bool {
        [DAV, CALDAV].iter().any(|namespace| {
            has_precondition(&self.body, namespace, "number-of-matches-within-limits")
        })
    }

    /// What an answer means that is not what was hoped for; `what` is what was asked for.
    pub(crate) fn refused(&self, what: &'static str) -> ProviderError {
        match self.status.as_u16() {
            // An account that is closed or no longer shared answers 403; only the agent mends that.
            401 | 403 => ProviderError::unauthorized(),
            404 | 410 => ProviderError::not_found(what),
            412 => ProviderError::conflict(),
            423 => ProviderError::transient("it is locked by another program"),
            507 => ProviderError::permanent("the account's storage is full"),
            200..300 => ProviderError::transient("the answer is not what CalDAV says"),
            405 | 501 => ProviderError::permanent("it is no CalDAV server"),
            _ => ProviderError::permanent("it does not take the request"),
        }
        .with_source(Status(self.status))
    }

    /// Whether the server asks to sign in, but in no way that is known here.
    pub(crate) fn wants_other_scheme(&self) -> bool {
        self.status == StatusCode::UNAUTHORIZED && !self.knows_scheme
    }
}

/// What a server answered, for logs.
#[derive(Debug, thiserror::Error)]
#[error("the server answered {0}")]
struct Status(StatusCode);

fn offers_known_scheme(challenge: &HeaderValue) -> bool {
    // One header may hold several challenges, separated by commas (RFC 9110, section 11.6.1).
    let text = challenge.to_str().unwrap_or_default();
    let schemes = text.split(',').filter_map(|it| it.split_whitespace().next());
    schemes
        .into_iter()
        .any(|it| it.eq_ignore_ascii_case("basic") || it.eq_ignore_ascii_case("bearer"))
}

fn method(name: &[u8]) -> Result<Method, ProviderError> {
    Method::from_bytes(name)
        .map_err(|cause| ProviderError::permanent("the method is not valid").with_source(cause))
}

/// The body of a PROPFIND. The prefixes are `D` for WebDAV, `C` for CalDAV, `CS` for Apple's.
fn prop_body(props: &str) -> String {
    format!(
        r#"<?xml version="1.0" encoding="utf-8"?><D:propfind {NAMESPACES}><D:prop>{props}</D:prop></D:propfind>"#
    )
}

/// Declares the prefixes that all requests use.
pub(crate) const NAMESPACES: &str = r#"xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav" xmlns:CS="http://calendarserver.org/ns/""#;

/// `text` as it stands in XML, in an element or an attribute.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            _ => escaped.push(character),
        }
    }
    escaped
}

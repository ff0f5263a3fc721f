//! Microsoft Graph's conventions: addresses, headers, pages.

use calendar_http::{
    Bytes, HttpClient, Response,
    http::{HeaderName, HeaderValue, Method, Request},
    json_request, read_json,
};
use calendar_provider::{Connection, ProviderError};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::SecretString;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use url::Url;

use crate::{failure, lanes::Lanes};

/// What each request prefers (RFC 7240): IDs that survive a move to another folder, times in UTC,
/// bodies as plain text.
pub(crate) const PREFER: &str =
    r#"IdType="ImmutableId", outlook.timezone="UTC", outlook.body-content-type="text""#;

/// The same with bodies as HTML.
pub(crate) const PREFER_HTML: &str =
    r#"IdType="ImmutableId", outlook.timezone="UTC", outlook.body-content-type="html""#;

/// The most pages that are followed. 50,000 events are 500 pages; more is a loop of links.
pub(crate) const MAX_PAGES: usize = 2_000;

/// All but what RFC 3986, section 2.3, calls unreserved.
const VALUE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Graph, for any account.
pub(crate) struct Graph {
    http: HttpClient,
    base: Url,
    lanes: Lanes,
}

/// Graph, for one account.
#[derive(Clone, Copy)]
pub(crate) struct Session<'a> {
    graph: &'a Graph,
    owner: &'a str,
    token: &'a SecretString,
}

/// One request.
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) prefer: String,
    /// The version that is to be changed (RFC 9110, section 13.1.1).
    pub(crate) if_match: Option<String>,
    pub(crate) body: Option<Value>,
    /// Whether it changes nothing, whatever its method.
    pub(crate) reads: bool,
    /// What a 404 says was not found.
    pub(crate) about: &'static str,
}

impl Call {
    pub(crate) fn new(method: Method, url: Url, about: &'static str) -> Self {
        let reads = method == Method::GET;
        Self { method, url, prefer: PREFER.into(), if_match: None, body: None, reads, about }
    }

    pub(crate) fn get(url: Url, about: &'static str) -> Self {
        Self::new(Method::GET, url, about)
    }

    /// A question that is asked with POST.
    pub(crate) fn ask(url: Url, body: Value, about: &'static str) -> Self {
        Self { reads: true, ..Self::new(Method::POST, url, about).with_body(body) }
    }

    pub(crate) fn with_body(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }
}

/// A page of a collection (OData 4.01 JSON, section 4.5).
#[derive(Debug, Deserialize)]
pub(crate) struct Page<T> {
    pub(crate) value: Vec<T>,
    #[serde(rename = "@odata.nextLink")]
    pub(crate) next_link: Option<String>,
    #[serde(rename = "@odata.deltaLink")]
    pub(crate) delta_link: Option<String>,
}

impl Graph {
    pub(crate) fn new(http: HttpClient, base: Url) -> Self {
        Self { http, base, lanes: Lanes::new() }
    }

    /// Graph for the account of `connection`.
    pub(crate) fn session<'a>(&'a self, connection: &'a Connection) -> Session<'a> {
        self.session_of(&connection.owner, &connection.credentials)
    }

    pub(crate) fn session_of<'a>(&'a self, owner: &'a str, token: &'a SecretString) -> Session<'a> {
        Session { graph: self, owner, token }
    }
}

impl Session<'_> {
    /// The address of `path` below Graph's base, with a query.
    pub(crate) fn url(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Url, ProviderError> {
        let mut url = self.graph.base.clone();
        url.path_segments_mut()
            .map_err(|()| ProviderError::permanent("the address of Graph is no base"))?
            .pop_if_empty()
            .extend(path);
        if !query.is_empty() {
            url.set_query(Some(&query_text(query)));
        }
        Ok(url)
    }

    /// The address that Graph gave as `link`.
    ///
    /// # Errors
    /// Permanent where it is not below Graph's base: the token goes nowhere else.
    pub(crate) fn link(&self, link: &str) -> Result<Url, ProviderError> {
        let foreign = || ProviderError::permanent("it links to another address than its own");
        let url = Url::parse(link).map_err(|_| foreign())?;
        let base = &self.graph.base;
        let below = url
            .path()
            .strip_prefix(base.path().trim_end_matches('/'))
            .is_some_and(|rest| rest.starts_with('/'));
        let plain = url.username().is_empty() && url.password().is_none();
        if url.origin() == base.origin() && below && plain { Ok(url) } else { Err(foreign()) }
    }

    /// Sends `call`, and reads what it answers.
    pub(crate) async fn read<T: DeserializeOwned>(&self, call: Call) -> Result<T, ProviderError> {
        read_json(&self.send(call).await?)
    }

    /// Sends `call`; the answer is a success.
    pub(crate) async fn send(&self, call: Call) -> Result<Response, ProviderError> {
        self.send_many(call, 1).await
    }

    /// Sends `call`, which makes Graph work on `requests` requests at once.
    pub(crate) async fn send_many(
        &self,
        call: Call,
        requests: usize,
    ) -> Result<Response, ProviderError> {
        let (about, reads) = (call.about, call.reads);
        let request = self.request(call)?;
        let lane = self.graph.lanes.enter(self.owner, requests).await;
        let response = self.graph.http.send(request).await?;
        drop(lane);
        if response.status().is_success() {
            Ok(response)
        } else {
            Err(failure::of_response(&response, reads, about))
        }
    }

    /// All pages of the collection that `call` reads, in order.
    pub(crate) async fn read_all<T: DeserializeOwned>(
        &self,
        call: Call,
    ) -> Result<Vec<T>, ProviderError> {
        let about = call.about;
        let mut page: Page<T> = self.read(call).await?;
        let mut all = std::mem::take(&mut page.value);
        self.read_rest(page.next_link, about, &mut all).await?;
        Ok(all)
    }

    /// The pages from `next_link` on, added to `all`.
    pub(crate) async fn read_rest<T: DeserializeOwned>(
        &self,
        mut next_link: Option<String>,
        about: &'static str,
        all: &mut Vec<T>,
    ) -> Result<(), ProviderError> {
        for _ in 0..MAX_PAGES {
            let Some(link) = next_link else { return Ok(()) };
            let page: Page<T> = self.read(Call::get(self.link(&link)?, about)).await?;
            all.extend(page.value);
            next_link = page.next_link;
        }
        Err(ProviderError::permanent("its pages do not end"))
    }

    fn request(&self, call: Call) -> Result<Request<Bytes>, ProviderError> {
        let mut request = json_request(call.method, &call.url, self.token, call.body.as_ref())?;
        let mut insert = |name: &'static str, value: &str| {
            let value = HeaderValue::from_str(value)
                .map_err(|_| ProviderError::permanent("a value can't stand in a header"))?;
            request.headers_mut().insert(HeaderName::from_static(name), value);
            Ok::<(), ProviderError>(())
        };
        insert("prefer", &call.prefer)?;
        if let Some(version) = &call.if_match {
            insert("if-match", version)?;
        }
        Ok(request)
    }
}

/// A query whose names stand as they are (`$select`) and whose spaces are `%20`: OData's grammar
/// knows no `+` for a space.
pub(crate) fn query_text(query: &[(&str, &str)]) -> String {
    let pairs: Vec<_> = query
        .iter()
        .map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, VALUE)))
        .collect();
    pairs.join("&")
}

#[cfg(test)]
mod tests {
    use calendar_http::{HttpClient, Settings};

    use super::Graph;

    #[test]
    fn links_are_followed_nowhere_else() {
        let http = HttpClient::new(Settings::default()).unwrap();
        let graph = Graph::new(http, "https://graph.example/v1.0".parse().unwrap());
        let token = "token".into();
        let session = graph.session_of("ada", &token);
        let ours = "https://graph.example/v1.0/me/calendarView/delta?$skiptoken=a%2Bb";
        assert_eq!(session.link(ours).unwrap().as_str(), ours);
        for foreign in [
            "https://graph.example.evil/v1.0/me",
            "http://graph.example/v1.0/me",
            "https://graph.example:444/v1.0/me",
            "https://graph.example@evil.example/v1.0/me",
            "https://user@graph.example/v1.0/me",
            "https://graph.example/v1.0evil/me",
            "https://graph.example/v1.0/../beta/me",
            "https://graph.example/v1.0",
            "/v1.0/me",
            "",
        ] {
            assert!(session.link(foreign).is_err(), "{foreign}");
        }
    }

    #[test]
    fn values_are_escaped_in_paths_and_queries() {
        let http = HttpClient::new(Settings::default()).unwrap();
        let graph = Graph::new(http, "https://graph.example/v1.0/".parse().unwrap());
        let token = "token".into();
        let session = graph.session_of("ada", &token);
        let url = session.url(&["me", "calendars", "A/B?=="], &[("$filter", "a eq 'b+c' & d")]);
        assert_eq!(
            url.unwrap().as_str(),
            "https://graph.example/v1.0/me/calendars/A%2FB%3F==?$filter=a%20eq%20%27b%2Bc%27%20%26%20d"
        );
    }
}

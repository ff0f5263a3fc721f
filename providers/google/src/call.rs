//! One call of the API.

use calendar_http::{Bytes, Response, http, http::Method, json_request, read_json};
use calendar_provider::ProviderError;
use secrecy::SecretString;
use serde::{Serialize, de::DeserializeOwned};
use url::Url;

use crate::Google;
use crate::failure::{Failure, Refusal};

/// No list has so many pages: the largest calendar in view has 50.
pub(crate) const MOST_PAGES: usize = 1_000;

/// A query parameter.
pub(crate) type Param<'a> = (&'a str, &'a str);

impl Google {
    /// The address below the API's, each segment encoded.
    pub(crate) fn address(&self, segments: &[&str], query: &[Param<'_>]) -> Result<Url, Failure> {
        let mut url = self.settings.api_url.clone();
        match url.path_segments_mut() {
            Ok(mut path) => path.pop_if_empty().extend(segments),
            Err(()) => return Err(ProviderError::permanent("its address is no base").into()),
        };
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(url)
    }

    /// Asks for something.
    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        token: &SecretString,
        url: &Url,
    ) -> Result<T, Failure> {
        let request = json_request::<()>(Method::GET, url, token, None)?;
        Ok(read_json(&self.accepted(request).await?)?)
    }

    /// Sends `body`, and reads what comes back.
    pub(crate) async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        token: &SecretString,
        url: &Url,
        body: &impl Serialize,
    ) -> Result<T, Failure> {
        let request = json_request(method, url, token, Some(body))?;
        Ok(read_json(&self.accepted(request).await?)?)
    }

    /// Sends a request whose answer says nothing.
    pub(crate) async fn tell(&self, request: http::Request<Bytes>) -> Result<(), Failure> {
        self.accepted(request).await.map(drop)
    }

    async fn accepted(&self, request: http::Request<Bytes>) -> Result<Response, Failure> {
        let response = self.http.send(request).await?;
        if response.status().is_success() {
            return Ok(response);
        }
        Err(Failure::Refused(Refusal::read(&response)))
    }
}

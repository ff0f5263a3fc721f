//! One signed request, and what the answer means.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use calendar_http::http::{HeaderValue, Method, Request, StatusCode, header};
use calendar_http::{Bytes, HttpClient, Response, read_json};
use calendar_provider::ProviderError;
use serde::Serialize;
use serde::de::DeserializeOwned;
use url::Url;

use crate::Clock;
use crate::signature::{ID, SIGNATURE, Secret, TIMESTAMP};
use crate::wire::Problem;

/// The way to one remote provider.
pub(crate) struct Line {
    pub(crate) base: Url,
    pub(crate) secret: Secret,
    pub(crate) http: HttpClient,
    pub(crate) clock: Clock,
}

impl Line {
    /// Reads what is at `path`.
    pub(crate) async fn get<A: DeserializeOwned>(&self, path: &str) -> Result<A, ProviderError> {
        let response = self.send(Method::GET, path, Vec::new(), &[]).await?;
        read_json(&response)
    }

    /// Posts `body` to `path`, and reads the answer. `fields` are those that an error may name.
    pub(crate) async fn post<B: Serialize, A: DeserializeOwned>(
        &self,
        path: &str,
        body: &B,
        fields: &[&str],
    ) -> Result<A, ProviderError> {
        let response = self.send(Method::POST, path, written(body)?, fields).await?;
        read_json(&response)
    }

    /// Posts `body` to `path` where success is all that the answer says.
    pub(crate) async fn tell<B: Serialize>(
        &self,
        path: &str,
        body: &B,
    ) -> Result<(), ProviderError> {
        let response = self.send(Method::POST, path, written(body)?, &[]).await?;
        // A page that some proxy answers for every address is no success.
        if response.status() != StatusCode::NO_CONTENT {
            return Err(ProviderError::transient("the answer is not as documented"));
        }
        Ok(())
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
        fields: &[&str],
    ) -> Result<Response, ProviderError> {
        let response = self.http.send(self.signed(method, path, body)?).await?;
        if response.status().is_success() {
            return Ok(response);
        }
        // Without a class it says nothing about the agent: a proxy's, or a wrong address.
        match read_json::<Problem>(&response) {
            Ok(problem) => Err(problem.into_error(fields)),
            Err(_) if response.status() == StatusCode::UNAUTHORIZED => {
                Err(ProviderError::permanent("the remote provider refuses our signature"))
            }
            Err(_) => Err(ProviderError::permanent("the remote provider refused without a class")),
        }
    }

    fn signed(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> Result<Request<Bytes>, ProviderError> {
        let invalid = |_| ProviderError::permanent("the address is not valid");
        let url = self.base.join(path).map_err(invalid)?;
        let (id, now) = (message_id()?, (self.clock)());
        let mut signature = HeaderValue::try_from(self.secret.sign(&id, now, &body))
            .map_err(|_| ProviderError::permanent("the request can't be signed"))?;
        signature.set_sensitive(true);
        Request::builder()
            .method(method)
            .uri(url.as_str())
            .header(header::ACCEPT, "application/json, application/problem+json")
            .header(header::CONTENT_TYPE, "application/json")
            .header(ID, id)
            .header(TIMESTAMP, now.timestamp().to_string())
            .header(SIGNATURE, signature)
            .body(body.into())
            .map_err(|_| ProviderError::permanent("the address is not valid"))
    }
}

/// An identifier that no other message has.
pub(crate) fn message_id() -> Result<String, ProviderError> {
    let mut random = [0; 18];
    getrandom::fill(&mut random)
        .map_err(|_| ProviderError::transient("the system has no random numbers"))?;
    Ok(format!("msg_{}", BASE64_URL_SAFE_NO_PAD.encode(random)))
}

fn written<B: Serialize>(body: &B) -> Result<Vec<u8>, ProviderError> {
    // Its error could quote the value.
    serde_json::to_vec(body)
        .map_err(|_| ProviderError::permanent("the request can't be written as JSON"))
}

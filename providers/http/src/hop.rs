//! One request on the way to its answer.

use bytes::Bytes;
use calendar_provider::ProviderError;
use http::{
    HeaderMap, HeaderValue, Method,
    header::{CONTENT_LENGTH, HOST},
    request::Parts,
};
use url::Url;

/// What is sent to one place; a redirect makes another one of it.
pub(crate) struct Hop {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Hop {
    /// The first place that `request` goes to.
    pub(crate) fn first(request: http::Request<Bytes>) -> Result<Self, ProviderError> {
        let (Parts { method, uri, mut headers, .. }, body) = request.into_parts();
        let url = Url::parse(&uri.to_string()).map_err(|cause| {
            ProviderError::permanent("the address is not valid").with_source(cause)
        })?;
        // Both follow from the rest of the request; a wrong one could smuggle another request.
        headers.remove(HOST);
        headers.remove(CONTENT_LENGTH);
        if body.is_empty() && matches!(method, Method::POST | Method::PUT | Method::PATCH) {
            // Without it some servers answer 411 (RFC 9110, section 8.6).
            headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        Ok(Self { method, url, headers, body })
    }
}

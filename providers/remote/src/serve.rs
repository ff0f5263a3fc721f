//! The other side of the contract: answers for any provider, as a remote one would.
//!
//! Tests run the conformance kit through both sides. It knows nothing of any web framework: give
//! it a request with its body, and send what it answers.

use std::collections::BTreeMap;
use std::sync::Arc;

use calendar_http::Bytes;
use calendar_http::http::{Request, Response, StatusCode, header};
use calendar_provider::{CalendarProvider, Connection, ProviderError, Pushed};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::call::message_id;
use crate::signature::{ID, SIGNATURE, Secret, TIMESTAMP};
use crate::{Clock, wire};

/// A provider, to be asked over HTTP.
pub struct Served {
    provider: Arc<dyn CalendarProvider>,
    secret: Secret,
    clock: Clock,
}

/// A call on a channel's address.
#[derive(Clone, Debug)]
pub struct SignedPush {
    /// The headers, with the signature.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: Vec<u8>,
}

/// What a call came to: a status and, unless it is 204, a body.
type Answer = Result<(StatusCode, Vec<u8>), ProviderError>;

impl Served {
    /// Answers for `provider` those requests that are signed with `secret`.
    pub fn new(provider: Arc<dyn CalendarProvider>, secret: Secret, clock: Clock) -> Self {
        Self { provider, secret, clock }
    }

    /// The answer to one request, whose path's last parts name the call.
    pub async fn answer(&self, request: Request<Bytes>) -> Response<Bytes> {
        if !self.is_signed(&request) {
            return response(StatusCode::UNAUTHORIZED, "text/plain", b"not signed".to_vec());
        }
        match self.call(request.uri().path(), request.body()).await {
            Ok((status, body)) => response(status, "application/json", body),
            Err(error) => refusal(&error),
        }
    }

    /// What a push on a channel is over the wire. None where nothing is to be told.
    ///
    /// # Errors
    /// Where the system has no random numbers.
    pub fn push(
        &self,
        pushed: &Pushed,
        channel_secret: &SecretString,
    ) -> Result<Option<SignedPush>, ProviderError> {
        let kind = match pushed {
            Pushed::Changed => wire::PushKind::Changed,
            Pushed::Renew => wire::PushKind::Renew,
            Pushed::Ended => wire::PushKind::Ended,
            _ => return Ok(None),
        };
        let body = written(&wire::Push { kind })?;
        let (id, now) = (message_id()?, (self.clock)());
        let signature = Secret::of_channel(channel_secret).sign(&id, now, &body);
        let headers = [
            (ID, id),
            (TIMESTAMP, now.timestamp().to_string()),
            (SIGNATURE, signature),
            ("content-type", "application/json".to_owned()),
        ];
        let headers = headers.map(|(name, value)| (name.to_owned(), value));
        Ok(Some(SignedPush { headers: BTreeMap::from(headers), body }))
    }

    fn is_signed(&self, request: &Request<Bytes>) -> bool {
        let header = |name: &str| {
            request.headers().get(name).and_then(|it| it.to_str().ok()).unwrap_or_default()
        };
        let (id, time, signature) = (header(ID), header(TIMESTAMP), header(SIGNATURE));
        self.secret.verify(id, time, signature, request.body(), (self.clock)()).is_ok()
    }

    async fn call(&self, path: &str, body: &[u8]) -> Answer {
        let provider = &*self.provider;
        let path = path.trim_matches('/');
        let ends = |with: &str| path == with || path.ends_with(&format!("/{with}"));
        if ends("about") {
            return ok(&wire::About::from_api(provider.about(), provider.oauth2()));
        }
        if ends("connect") {
            let request = read::<wire::ConnectRequest>(body)?.into();
            return ok(&wire::Account::from(provider.connect(request).await?));
        }
        if ends("calendars") {
            let connection = read::<wire::Connected>(body)?.connection.into();
            let calendars = provider.calendars(&connection).await?;
            let calendars = calendars.into_iter().map(Into::into).collect();
            return ok(&wire::Calendars { calendars });
        }
        if ends("free-busy") {
            let wire::FreeBusyRequest { connection, window } = read(body)?;
            return ok(&wire::Busy::from(provider.free_busy(&connection.into(), window).await?));
        }
        if ends("changes") {
            let wire::ChangesRequest { connection, since, window } = read(body)?;
            let changes = provider.changes(&connection.into(), since.as_ref(), window).await?;
            return ok(&wire::Changes::from(changes));
        }
        if ends("watch") || ends("unwatch") {
            return self.channel(ends("watch"), body).await;
        }
        self.event(path.rsplit('/').next().unwrap_or_default(), body).await
    }

    async fn event(&self, name: &str, body: &[u8]) -> Answer {
        let provider = &*self.provider;
        match name {
            "put" => {
                let wire::PutRequest { connection, event } = read(body)?;
                let receipt = provider.put_event(&connection.into(), &event.into()).await?;
                ok(&wire::Receipt::from(receipt))
            }
            "delete" => {
                let wire::EventRequest { connection, event } = read(body)?;
                provider.delete_event(&connection.into(), &event.into()).await?;
                Ok((StatusCode::NO_CONTENT, Vec::new()))
            }
            "get" => {
                let wire::EventRequest { connection, event } = read(body)?;
                let event = provider.get_event(&connection.into(), &event.into()).await?;
                ok(&wire::FoundEvent { event: event.map(Into::into) })
            }
            _ => Err(ProviderError::permanent("there is no such call")),
        }
    }

    async fn channel(&self, begin: bool, body: &[u8]) -> Answer {
        if !begin {
            let wire::Unwatch { connection, watch } = read(body)?;
            self.provider.unwatch(&connection.into(), &watch.into()).await?;
            return Ok((StatusCode::NO_CONTENT, Vec::new()));
        }
        let wire::WatchRequest { connection, channel, before } = read(body)?;
        let connection: Connection = connection.into();
        let secret = Secret::parse(&channel.secret.into())
            .map_err(|_| ProviderError::permanent("the channel's secret can't be read"))?;
        let request = calendar_provider::WatchRequest::new(
            channel.id,
            channel.callback_url,
            secret.channel_text(),
            channel.until,
        );
        let before = before.map(Into::into);
        let watch = self.provider.watch(&connection, &request, before.as_ref()).await?;
        ok(&wire::Watch::from(&watch))
    }
}

fn ok(answer: &impl Serialize) -> Answer {
    Ok((StatusCode::OK, written(answer)?))
}

fn written(value: &impl Serialize) -> Result<Vec<u8>, ProviderError> {
    serde_json::to_vec(value).map_err(|_| ProviderError::permanent("it can't be written as JSON"))
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, ProviderError> {
    serde_json::from_slice(body)
        .map_err(|_| ProviderError::permanent("the request is not as documented"))
}

fn refusal(error: &ProviderError) -> Response<Bytes> {
    let problem = wire::Problem::from_error(error);
    let status = StatusCode::from_u16(problem.status()).unwrap_or(StatusCode::BAD_REQUEST);
    let body = written(&problem).unwrap_or_default();
    let mut response = response(status, "application/problem+json", body);
    if let Some(seconds) = problem.retry_after_seconds {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

fn response(status: StatusCode, content_type: &'static str, body: Vec<u8>) -> Response<Bytes> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let content_type = header::HeaderValue::from_static(content_type);
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    response
}

impl Secret {
    /// The text that [`Secret::of_channel`] was given.
    fn channel_text(&self) -> SecretString {
        String::from_utf8_lossy(self.key().expose_secret()).into_owned().into()
    }
}

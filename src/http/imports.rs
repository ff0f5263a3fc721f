//! Where files come in that are longer than a GraphQL request may be.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, StatusCode, request};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use futures_util::StreamExt;

use super::client::{self, Client};
use super::connection::Intake;
use super::errors::BAD_USER_INPUT;
use super::identity::bearer;
use super::rate::Strikes;
use super::request::Media;
use super::respond::Refusal;
use super::{HttpConfig, InvalidOrigin, cors};
use crate::app::App;
use crate::graphql::error::ApiError;
use crate::service::access::{self, Permission};
use crate::service::account::import::{self, MOST_BYTES, Upload};
use crate::service::{self, Error};

/// How long a file may take to arrive.
const READ_WITHIN: Duration = Duration::from_mins(5);

/// What the handler shares.
struct Door {
    app: Arc<App>,
    strikes: Option<Strikes>,
    trusted_proxies: usize,
}

/// `POST /imports/accounts?dryRun=true|false`, to be merged into the router: the file is the body, the
/// answer what `importAccounts` answers, in JSON. 200 for what was applied or a dry run, 422 where
/// problems kept it from being applied. Calls without a key that works are limited by address.
///
/// # Errors
/// When an origin of the configuration is not one.
pub fn imports(app: Arc<App>, config: &HttpConfig) -> Result<Router, InvalidOrigin> {
    let strikes = config.rate_limit.map(Strikes::new);
    let door = Door { app, strikes, trusted_proxies: config.trusted_proxies };
    let router =
        Router::new().route("/imports/accounts", post(accounts)).with_state(Arc::new(door));
    Ok(match cors(&config.cors_origins)? {
        Some(cors) => router.layer(cors),
        None => router,
    })
}

async fn accounts(
    State(door): State<Arc<Door>>,
    RawQuery(query): RawQuery,
    request: request::Parts,
    body: Body,
) -> Response {
    let client = client::client(&request, door.trusted_proxies);
    let taken = take(&door, client, query.as_deref(), &request, body).await;
    taken.unwrap_or_else(|refusal| refusal.into_response(Media::Json))
}

async fn take(
    door: &Door,
    client: Client,
    query: Option<&str>,
    request: &request::Parts,
    body: Body,
) -> Result<Response, Refusal> {
    let headers = &request.headers;
    // Nothing of the body is read for somebody who may not send it.
    door.let_in(client, headers).await?;
    if let Some(intake) = request.extensions.get::<Intake>() {
        intake.allow_upload(READ_WITHIN);
    }
    let dry_run = dry_run(query)?;
    let bytes = read(headers, body).await?;
    let report = import::import(&door.app, bytes, dry_run).await.map_err(refused)?;
    let blocked = !dry_run && !report.applied;
    let status = if blocked { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let headers = [
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    Ok((status, headers, axum::Json(report)).into_response())
}

impl Door {
    async fn let_in(&self, client: Client, headers: &HeaderMap) -> Result<(), Refusal> {
        if let Some(wait) = self.strikes.as_ref().and_then(|strikes| strikes.wait(client)) {
            return Err(Refusal::rate_limited(wait));
        }
        let known = access::identify(&self.app, bearer(headers), client.network()).await;
        let allowed = known.and_then(|known| known.caller.require(Permission::ManageRouting));
        if let (Err(Error::Unauthenticated(_)), Some(strikes)) = (&allowed, &self.strikes) {
            strikes.count(client);
        }
        allowed.map_err(refused)
    }
}

/// Whether the query asks for a dry run. Any other parameter is refused: one that is misspelt must not
/// change accounts.
fn dry_run(query: Option<&str>) -> Result<bool, Refusal> {
    let refuse = |message: String| Refusal::new(StatusCode::BAD_REQUEST, BAD_USER_INPUT, message);
    let mut found = None;
    for (name, value) in url::form_urlencoded::parse(query.unwrap_or("").as_bytes()) {
        if name != "dryRun" || found.is_some() {
            return Err(refuse("the query can have dryRun alone, once".to_owned()));
        }
        found = Some(match &*value {
            "true" => true,
            "false" => false,
            _ => return Err(refuse("dryRun must be true or false".to_owned())),
        });
    }
    Ok(found.unwrap_or(false))
}

/// The body, as far as it is within the limits. One that says that it is too long is not read at all.
async fn read(headers: &HeaderMap, body: Body) -> Result<Vec<u8>, Refusal> {
    let refuse = |message: &str| {
        Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, BAD_USER_INPUT, message.to_owned())
    };
    if headers.contains_key(CONTENT_ENCODING) {
        return Err(refuse("the file must not be compressed"));
    }
    if is_form(headers) {
        return Err(refuse(
            "the file must be the body itself, not a part of a form: send it with Content-Type \
             text/csv (curl --data-binary @accounts.csv, not -F)",
        ));
    }
    let said = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if said.is_some_and(|length: usize| MOST_BYTES < length) {
        return Err(refused(import::too_many_bytes()));
    }
    let arrived = tokio::time::timeout(READ_WITHIN, gather(body)).await;
    arrived.unwrap_or_else(|_| {
        let message = format!("the file must arrive within {} s", READ_WITHIN.as_secs());
        Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, BAD_USER_INPUT, message))
    })
}

/// Whether the body has parts, whose boundaries would be read as lines of the file. A form without
/// parts is let be: curl calls every body one.
fn is_form(headers: &HeaderMap) -> bool {
    let said = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    said.trim_start().to_ascii_lowercase().starts_with("multipart/")
}

async fn gather(body: Body) -> Result<Vec<u8>, Refusal> {
    let mut pieces = body.into_data_stream();
    let mut upload = Upload::default();
    while let Some(piece) = pieces.next().await {
        // Where it breaks off, there is nobody to read the answer.
        let broken =
            |_| Refusal::new(StatusCode::BAD_REQUEST, BAD_USER_INPUT, "the file broke off");
        upload.push(&piece.map_err(broken)?).map_err(refused)?;
    }
    Ok(upload.finish())
}

fn refused(error: service::Error) -> Refusal {
    let status = match &error {
        Error::Unauthenticated(_) => StatusCode::UNAUTHORIZED,
        Error::Forbidden(_) => StatusCode::FORBIDDEN,
        Error::NotFound(_) => StatusCode::NOT_FOUND,
        Error::BadInput { .. } => StatusCode::BAD_REQUEST,
        Error::Conflict(_) | Error::Taken { .. } => StatusCode::CONFLICT,
        Error::RateLimited { .. } => StatusCode::TOO_MANY_REQUESTS,
        Error::LimitExceeded(_) => StatusCode::PAYLOAD_TOO_LARGE,
        Error::Upstream(_) | Error::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    Refusal::of(status, ApiError::from(error).into())
}

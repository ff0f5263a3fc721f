//! The HTTP side: one GraphQL endpoint over every transport, GraphiQL, health and metrics.
//!
//! | path | what |
//! |---|---|
//! | `POST /graphql` | JSON, single or in a batch; `text/event-stream` for any operation |
//! | `GET /graphql` | queries; subscriptions as `text/event-stream`; a WebSocket; GraphiQL for browsers |
//! | `GET /healthz`, `GET /readyz` | the process; what it depends on |
//! | `GET /feeds/{token}.ics` | an agent's built-in calendar, for calendar programs ([`feeds`]) |
//! | `GET /oauth/start/{token}`, `/oauth/mend/{token}`, `/oauth/callback` | where agents' browsers pass through to connect a calendar ([`oauth`]) |
//! | `POST /calendar-pushes/{channel}` | where calendars' providers call when something changed ([`pushes`]) |
//! | `POST /imports/accounts` | accounts from a CSV file of up to 64 MiB ([`imports`]) |
//! | `GET /manage` | where visitors see, move and call off a booking ([`pages`]) |
//! | `GET /metrics` | Prometheus, on the same listener: keep it from the outside in the proxy |
//!
//! `graphql` tells transports apart; each ends in `endpoint`, where an operation is counted
//! against [`Limits`], identified and executed. The schema is a parameter, so this module knows
//! nothing of what is served.
//!
//! **Other origins.** A page of another site can read answers only if its origin is in
//! [`HttpConfig::cors_origins`]; its WebSockets need the same. Authentication is by bearer token
//! and never by cookie, so a page has nothing of the user's to abuse; the checks are a second door.

mod client;
mod connection;
mod cost;
mod documents;
mod endpoint;
mod errors;
mod event_stream;
mod feed;
mod graphiql;
mod graphql;
mod health;
mod identity;
mod imports;
mod limits;
mod measure;
mod oauth;
mod own_task;
mod pages;
mod prewritten;
mod pushes;
mod rate;
mod request;
mod respond;
mod serve;
mod socket;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use async_graphql::Executor;
use axum::{
    Router,
    http::{
        HeaderValue, Method,
        header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER},
    },
    routing::{any, get},
};
use metrics_exporter_prometheus::PrometheusHandle;
use thiserror::Error;
use tower_http::cors::{AllowOrigin, CorsLayer};

use documents::Documents;
use endpoint::Endpoint;
use measure::Measure;

pub use client::Client;
pub use connection::ConnectionLimits;
pub use cost::{Cost, Price, Pricing};
pub use feed::feeds;
pub use health::Readiness;
pub use identity::{Credentials, CredentialsEnd, Identify, Identity};
pub use imports::imports;
pub use limits::Limits;
pub use measure::install_metrics;
pub use oauth::oauth;
pub use pages::pages;
pub use prewritten::{Part, Prewritten};
pub use pushes::pushes;
pub use rate::RateLimit;
pub use serve::{Shutdown, serve};

use crate::work::{Allowances, Heavy, Ledger};

/// The settings of the HTTP side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpConfig {
    /// The bounds of one request.
    pub limits: Limits,
    /// How many points callers have for what they ask of GraphQL; `None` is without limit.
    pub points: Option<Allowances>,
    /// How often an address may open pages of a calendar's connection, and how often it may show a wrong token
    /// elsewhere than to GraphQL; `None` is without limit.
    pub rate_limit: Option<RateLimit>,
    /// How many connections there may be, and what each may hold.
    pub connections: ConnectionLimits,
    /// How many reverse proxies of ours stand in front, each appending to X-Forwarded-For. With 0
    /// that header is not read.
    pub trusted_proxies: usize,
    /// Origins whose pages may call, for example `https://www.example.com`; `*` is any.
    pub cors_origins: Vec<String>,
    /// Whether browsers get GraphiQL.
    pub graphiql: bool,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            points: Some(Allowances::default()),
            rate_limit: Some(RateLimit::default()),
            connections: ConnectionLimits::default(),
            trusted_proxies: 0,
            cors_origins: Vec::new(),
            graphiql: true,
        }
    }
}

/// What [`router`] serves.
pub struct Http<E, I> {
    /// The schema; any `async_graphql::Schema` is an executor.
    pub schema: E,
    /// Who is calling.
    pub identify: I,
    /// What documents cost; `None`: nothing but what the schema charges itself.
    pub price: Option<Price>,
    /// Where heavy work is done.
    pub heavy: Heavy,
    /// What `GET /readyz` checks.
    pub readiness: Readiness,
    /// What `GET /metrics` prints, from [`install_metrics`]; `None` leaves it out.
    pub metrics: Option<PrometheusHandle>,
    /// The settings.
    pub config: HttpConfig,
    /// Ends streams and sockets; the same one that [`serve`] gets.
    pub shutdown: Shutdown,
}

/// An entry of [`HttpConfig::cors_origins`] that is no origin.
#[derive(Debug, Error)]
#[error(
    "the origin {0:?} is not allowed: give a scheme, a host and a port if it is not the usual one, or *"
)]
pub struct InvalidOrigin(String);

/// Everything under one listener.
///
/// # Errors
/// When an origin of the configuration is not one.
pub fn router<E: Executor, I: Identify>(http: Http<E, I>) -> Result<Router, InvalidOrigin> {
    let Http { schema, identify, price, heavy, readiness, metrics, config, shutdown } = http;
    let cors = cors(&config.cors_origins)?;
    let endpoint = Arc::new(Endpoint {
        documents: Documents::new(&config.limits, &schema),
        schema,
        identify,
        limits: config.limits,
        ledger: config.points.map(|points| Arc::new(Ledger::new(points))),
        heavy,
        price,
        trusted_proxies: config.trusted_proxies,
        origins: config.cors_origins,
        graphiql: config.graphiql,
        measure: Measure::new(),
        shutdown,
    });
    let mut graphql =
        Router::new().route("/graphql", any(graphql::handle::<E, I>)).with_state(endpoint);
    if let Some(cors) = cors {
        graphql = graphql.layer(cors);
    }
    let mut router = graphql
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(move || health::readyz(Arc::clone(&readiness))));
    if config.graphiql {
        router = router
            .route("/graphiql/graphiql.js", get(graphiql::script))
            .route("/graphiql/graphiql.css", get(graphiql::style));
    }
    if let Some(handle) = metrics {
        router = router.route("/metrics", get(move || health::metrics(handle.clone())));
    }
    Ok(router)
}

/// No layer at all without origins: the browser then keeps other sites out, and a layer costs each
/// request.
fn cors(origins: &[String]) -> Result<Option<CorsLayer>, InvalidOrigin> {
    if origins.is_empty() {
        return Ok(None);
    }
    let allowed = if origins.iter().any(|origin| origin == "*") {
        AllowOrigin::any()
    } else {
        let values: Result<Vec<HeaderValue>, _> =
            origins.iter().map(|origin| self::origin(origin)).collect();
        AllowOrigin::list(values?)
    };
    let layer = CorsLayer::new()
        .allow_origin(allowed)
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([ACCEPT, AUTHORIZATION, CONTENT_TYPE])
        .expose_headers([
            RETRY_AFTER,
            cost::REQUEST_COST,
            cost::RATE_LIMIT,
            cost::RATE_LIMIT_POLICY,
        ])
        .max_age(Duration::from_secs(3600));
    Ok(Some(layer))
}

/// Browsers send an origin without path or trailing slash (RFC 6454, section 6.1), so one written
/// otherwise would never match.
fn origin(text: &str) -> Result<HeaderValue, InvalidOrigin> {
    let invalid = || InvalidOrigin(text.to_owned());
    let url = url::Url::parse(text).map_err(|_| invalid())?;
    if url.origin().ascii_serialization() != text {
        return Err(invalid());
    }
    HeaderValue::from_str(text).map_err(|_| invalid())
}

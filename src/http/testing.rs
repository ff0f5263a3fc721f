//! A small schema and callers, for the tests of this module.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use async_graphql::{
    Context, Data, Error, ErrorExtensions, InputObject, Object, Schema, Subscription,
};
use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Request, StatusCode, header},
};
use futures_util::{Stream, StreamExt, stream};
use metrics_exporter_prometheus::PrometheusHandle;
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};
use tower::ServiceExt;
use uuid::Uuid;

use super::{
    Credentials, CredentialsEnd, Http, HttpConfig, Identify, Identity, Shutdown, router, serve,
};
use crate::work::{Allowance, Allowances, Heavy, OPERATION, Payer};

pub(crate) struct Query;

pub(crate) struct Who(pub(crate) Option<String>);

#[derive(InputObject)]
struct Block {
    start: i32,
    end: i32,
}

#[derive(InputObject)]
struct Blocks {
    blocks: Vec<Block>,
}

#[Object]
impl Query {
    async fn hello(&self) -> &str {
        "world"
    }
    async fn nested(&self) -> Self {
        Self
    }
    async fn who(&self, ctx: &Context<'_>) -> Option<String> {
        ctx.data_unchecked::<Who>().0.clone()
    }
    async fn sum(&self, input: Blocks) -> i32 {
        input.blocks.iter().map(|block| block.end - block.start).sum()
    }
    async fn text(&self, length: usize) -> String {
        "x".repeat(length)
    }
    async fn forbidden(&self) -> Result<bool, Error> {
        Err(Error::new("not yours").extend_with(|_, values| values.set("code", "FORBIDDEN")))
    }
    async fn leak(&self) -> Result<bool, Error> {
        Err(Error::new("UNIQUE constraint failed: secret.table"))
    }
    async fn burst(&self) -> bool {
        explode()
    }
    async fn hang(&self) -> bool {
        std::future::pending().await
    }
    #[graphql(complexity = 1_000_000)]
    async fn costly(&self) -> bool {
        true
    }
}

fn explode() -> bool {
    panic!("secret {}", "panic text")
}

pub(crate) struct Mutation;

#[Object]
impl Mutation {
    async fn add(&self, number: i32) -> i32 {
        number + 1
    }
}

pub(crate) struct Ticks;

#[Subscription]
impl Ticks {
    async fn count(&self, to: i32) -> impl Stream<Item = i32> {
        stream::iter(1..=to)
    }
    async fn forever(&self) -> impl Stream<Item = i32> {
        stream::iter([1]).chain(stream::pending())
    }
    async fn failing(&self) -> impl Stream<Item = i32> {
        stream::iter([1, 2])
            .map(|number| if number == 2 { panic!("secret panic text") } else { number })
    }
}

/// Knows "good" and "short"; "down" stands for a database that does not answer.
pub(crate) struct Keys;

impl Identify for Keys {
    async fn identify(&self, credentials: Credentials<'_>) -> Result<Identity, Error> {
        let refuse = |code: &str| {
            Err(Error::new("not identified").extend_with(|_, values| values.set("code", code)))
        };
        match credentials.bearer {
            None | Some("good" | "short") => {
                let mut data = Data::default();
                data.insert(Who(credentials.bearer.map(str::to_owned)));
                let valid_for = (credentials.bearer == Some("short")).then_some(Duration::ZERO);
                let payer = match credentials.bearer {
                    Some(_) => Payer::Key(Uuid::nil()),
                    None => Payer::Visitor(credentials.client.network()),
                };
                let end = CredentialsEnd { valid_for, revoked: None };
                Ok(Identity { payer, data, end })
            }
            Some("down") => refuse("UPSTREAM_UNAVAILABLE"),
            Some("bug") => Err(Error::new("secret cause")),
            Some(_) => refuse("UNAUTHENTICATED"),
        }
    }
}

/// No rate limit unless a test asks for one.
pub(crate) fn config() -> HttpConfig {
    HttpConfig { points: None, rate_limit: None, ..HttpConfig::default() }
}

/// Points for so many operations of visitors, of which one is gained in a second.
pub(crate) fn points(operations: u64) -> Option<Allowances> {
    let allowance = |operations: u64| Allowance {
        points_per_second: OPERATION,
        burst: operations * OPERATION,
        points_per_operation: operations * OPERATION,
    };
    let (visitors, agents) = (allowance(operations), allowance(1_000));
    Some(Allowances { visitors, agents, api_keys: agents })
}

pub(crate) fn app(config: HttpConfig) -> Router {
    app_until(config, Shutdown::default())
}

pub(crate) fn app_until(config: HttpConfig, shutdown: Shutdown) -> Router {
    build(config, shutdown, None)
}

pub(crate) fn app_with_metrics(handle: PrometheusHandle) -> Router {
    build(config(), Shutdown::default(), Some(handle))
}

fn build(config: HttpConfig, shutdown: Shutdown, metrics: Option<PrometheusHandle>) -> Router {
    let schema = Schema::build(Query, Mutation, Ticks).limit_complexity(10_000).finish();
    let readiness: super::Readiness = Arc::new(|| Box::pin(async { Vec::new() }));
    let (price, heavy) = (None, Heavy::default());
    let identify = Keys;
    router(Http { schema, identify, price, heavy, readiness, metrics, config, shutdown }).unwrap()
}

/// A server on a port of its own.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) shutdown: Shutdown,
    pub(crate) task: JoinHandle<std::io::Result<()>>,
}

pub(crate) async fn start(config: HttpConfig) -> Server {
    let shutdown = Shutdown::default();
    let limits = config.connections.clone();
    let router = app_until(config, shutdown.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(serve(listener, router, limits, shutdown.clone()));
    Server { address, shutdown, task }
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// `extensions.code` of the first error.
    #[track_caller]
    pub(crate) fn code(&self) -> String {
        let json = self.json();
        let code = json["errors"][0]["extensions"]["code"].as_str();
        code.unwrap_or_else(|| panic!("no code in {json}")).to_owned()
    }

    pub(crate) fn header(&self, name: header::HeaderName) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

pub(crate) async fn send(app: &Router, request: Request<Body>) -> Answer {
    let response = app.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, usize::MAX).await.unwrap();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    Answer { status: parts.status, headers: parts.headers, text }
}

/// A POST of JSON; headers are given as pairs.
pub(crate) fn post(body: impl Into<String>, headers: &[(&str, &str)]) -> Request<Body> {
    let mut request = Request::post("/graphql").header("content-type", "application/json");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::from(body.into())).unwrap()
}

pub(crate) fn get(uri: &str, headers: &[(&str, &str)]) -> Request<Body> {
    let mut request = Request::get(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::empty()).unwrap()
}

/// Posts one query with the default settings.
pub(crate) async fn ask(query: &str) -> Answer {
    ask_with(query, json!({}), config()).await
}

pub(crate) async fn ask_with(query: &str, variables: Value, config: HttpConfig) -> Answer {
    let body = json!({ "query": query, "variables": variables });
    send(&app(config), post(body.to_string(), &[])).await
}

//! A remote provider over HTTP: any provider behind the crate's own other side, and the ways in
//! which what lies between can fail.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Response, StatusCode};
use calendar_http::{Bytes, HttpClient, Network};
use calendar_provider::CalendarProvider;
use calendar_provider_remote::serve::Served;
use calendar_provider_remote::{Clock, Remote, Secret, Settings};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::hooks;
use crate::memory::Memory;

pub(crate) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// What stands between the two sides.
#[derive(Clone, Debug, Default)]
pub(crate) enum Between {
    #[default]
    Nothing,
    /// Every answer is this, whatever was asked.
    Always { status: u16, content_type: &'static str, body: Bytes },
    /// Every answer says to be longer than it is.
    CutOff,
}

/// One request and its answer.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    pub(crate) path: String,
    pub(crate) sent: Bytes,
    pub(crate) status: u16,
    pub(crate) answered: Bytes,
}

pub(crate) struct Server {
    pub(crate) served: Served,
    pub(crate) between: Mutex<Between>,
    pub(crate) exchanges: Mutex<Vec<Exchange>>,
    /// What the calls under `/test` disturb, where they are there.
    hooks: Option<Memory>,
    url: String,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Server {
    /// Serves until the last test drops it.
    pub(crate) async fn start(provider: Arc<dyn CalendarProvider>) -> Arc<Self> {
        Self::start_with(provider, None).await
    }

    /// The same with the calls that are for tests alone.
    pub(crate) async fn start_with(
        provider: Arc<dyn CalendarProvider>,
        hooks: Option<Memory>,
    ) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/base", listener.local_addr().unwrap());
        let server = Arc::new(Self {
            served: Served::new(provider, Secret::parse(&SECRET.into()).unwrap(), clock()),
            between: Mutex::default(),
            exchanges: Mutex::default(),
            hooks,
            url,
            task: Mutex::default(),
        });
        let router = Router::new().fallback(answer).with_state(Arc::downgrade(&server));
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        *server.task.lock().unwrap() = Some(task);
        server
    }

    pub(crate) fn settings(&self) -> Settings {
        Settings::new(self.url.parse().unwrap(), SECRET.into())
    }

    /// The provider at this server, which has said what it is.
    pub(crate) async fn remote(&self) -> Arc<Remote> {
        let remote = Remote::new(self.settings(), http(), clock()).unwrap();
        remote.refresh().await.unwrap();
        Arc::new(remote)
    }

    pub(crate) fn put_between(&self, between: Between) {
        *self.between.lock().unwrap() = between;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(task) = self.task.lock().unwrap().take() {
            task.abort();
        }
    }
}

async fn answer(State(server): State<std::sync::Weak<Server>>, request: Request) -> Response<Body> {
    let Some(server) = server.upgrade() else {
        // Its test has ended, and with it whoever waits for the answer.
        return Response::default();
    };
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap_or_default();
    let between = server.between.lock().unwrap().clone();
    match between {
        Between::Nothing => {}
        Between::Always { status, content_type, body } => {
            let response = Response::builder().status(status).header("content-type", content_type);
            return response.body(body.into()).unwrap();
        }
        Between::CutOff => {
            let response = Response::builder()
                .header("content-type", "application/json")
                .header("content-length", 1000);
            return response.body(Body::from(r#"{"busy":["#)).unwrap();
        }
    }
    let path = parts.uri.path().trim_start_matches("/base").to_owned();
    let response = match (&server.hooks, path.strip_prefix("/test/")) {
        (Some(memory), Some(hook)) => hooks::answer(memory, hook, &body).await,
        _ => server.served.answer(Request::from_parts(parts, body.clone())).await,
    };
    server.exchanges.lock().unwrap().push(Exchange {
        path,
        sent: body,
        status: response.status().as_u16(),
        answered: response.body().clone(),
    });
    let (mut parts, body) = response.into_parts();
    if parts.status == StatusCode::NO_CONTENT {
        parts.headers.remove("content-type");
    }
    Response::from_parts(parts, body.into())
}

/// It stands still: 2031-05-05, 08:00 UTC.
pub(crate) fn clock() -> Clock {
    Arc::new(|| "2031-05-05T08:00:00Z".parse().unwrap())
}

/// Each attempt once, and no circuit: tests provoke failures.
pub(crate) fn http() -> HttpClient {
    let settings = calendar_http::Settings {
        network: Network::Any,
        attempts: 1,
        circuit_failures: u32::MAX,
        deadline: Duration::from_secs(20),
        ..calendar_http::Settings::default()
    };
    HttpClient::new(settings).unwrap()
}

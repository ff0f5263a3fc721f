//! Health and metrics, for whatever runs the server.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    http::{
        StatusCode,
        header::{CACHE_CONTROL, CONTENT_TYPE},
    },
    response::{IntoResponse, Response},
};
use futures_util::future::BoxFuture;
use metrics_exporter_prometheus::PrometheusHandle;
use serde_json::json;

/// A check that takes longer has failed.
const READY_WITHIN: Duration = Duration::from_secs(2);

/// Checks what the server depends on and returns the names of what failed, for example
/// `["database"]`. Names only: the answer is open to everyone.
pub type Readiness = Arc<dyn Fn() -> BoxFuture<'static, Vec<&'static str>> + Send + Sync>;

/// `GET /healthz`: the process runs and its executor turns.
pub(crate) async fn healthz() -> Response {
    status(StatusCode::OK, json!({ "status": "ok" }))
}

/// `GET /readyz`: the server can do its work, or 503 with what it lacks.
pub(crate) async fn readyz(readiness: Readiness) -> Response {
    let failed = tokio::time::timeout(READY_WITHIN, readiness()).await;
    let failed = failed.unwrap_or_else(|_| vec!["timeout"]);
    if failed.is_empty() {
        return status(StatusCode::OK, json!({ "status": "ok" }));
    }
    status(StatusCode::SERVICE_UNAVAILABLE, json!({ "status": "unavailable", "failed": failed }))
}

/// `GET /metrics`, in Prometheus's text format.
pub(crate) async fn metrics(handle: PrometheusHandle) -> Response {
    let headers =
        [(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8"), (CACHE_CONTROL, "no-store")];
    (headers, handle.render()).into_response()
}

fn status(status: StatusCode, body: serde_json::Value) -> Response {
    (status, [(CACHE_CONTROL, "no-store")], Json(body)).into_response()
}

//! What the endpoint counts, for Prometheus. Labels have a handful of values each; nothing that a
//! caller writes becomes one.

use std::time::Duration;

use async_graphql::parser::types::OperationType;
use metrics::{
    Counter, Gauge, Histogram, counter, describe_counter, describe_gauge, describe_histogram,
    gauge, histogram,
};
use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};

/// Upper bounds, in seconds, of the duration histogram's buckets.
const BUCKETS: [f64; 12] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

/// Time between two rounds of upkeep.
const UPKEEP: Duration = Duration::from_secs(5);

/// Makes this process's metrics readable as `GET /metrics`. Call it once, inside a Tokio runtime and
/// before [`router`]: metrics made earlier are lost.
///
/// [`router`]: super::router
///
/// # Errors
/// When a recorder is already installed.
pub fn install_metrics() -> Result<PrometheusHandle, BuildError> {
    let handle = PrometheusBuilder::new().set_buckets(&BUCKETS)?.install_recorder()?;
    let upkeep = handle.clone();
    tokio::spawn(async move {
        // Samples pile up until they are folded into their buckets, scraped or not.
        let mut timer = tokio::time::interval(UPKEEP);
        loop {
            timer.tick().await;
            upkeep.run_upkeep();
        }
    });
    Ok(handle)
}

/// Handles to the counters, looked up once.
#[derive(Clone)]
pub(crate) struct Measure {
    queries: Kind,
    mutations: Kind,
    events: Outcomes,
    pub(crate) refusals: Counter,
    pub(crate) rate_limited: Counter,
    pub(crate) panics: Counter,
    pub(crate) timeouts: Counter,
    pub(crate) sockets: Gauge,
    pub(crate) streams: Gauge,
}

#[derive(Clone)]
struct Kind {
    answers: Outcomes,
    seconds: Histogram,
}

#[derive(Clone)]
struct Outcomes {
    ok: Counter,
    failed: Counter,
}

impl Measure {
    pub(crate) fn new() -> Self {
        describe_counter!(
            "frontdesk_graphql_operations_total",
            "Operations answered, by kind and outcome."
        );
        describe_counter!(
            "frontdesk_graphql_events_total",
            "Events sent to subscriptions, by outcome."
        );
        describe_histogram!(
            "frontdesk_graphql_operation_seconds",
            "Time from decoded request to answer."
        );
        describe_counter!(
            "frontdesk_graphql_refusals_total",
            "Requests refused before execution, by reason."
        );
        describe_counter!(
            "frontdesk_graphql_aborts_total",
            "Executions that came to nothing, by reason."
        );
        describe_counter!(
            "frontdesk_connections_refused_total",
            "Connections closed at once since too many were open."
        );
        describe_counter!(
            "frontdesk_connections_ended_total",
            "Connections ended by the server, since their reader took nothing or nothing was asked."
        );
        describe_gauge!("frontdesk_graphql_open", "Open sockets and event streams.");
        let refusals = |reason| counter!("frontdesk_graphql_refusals_total", "reason" => reason);
        let aborts = |reason| counter!("frontdesk_graphql_aborts_total", "reason" => reason);
        let open = |transport| gauge!("frontdesk_graphql_open", "transport" => transport);
        Self {
            queries: Kind::new("query"),
            mutations: Kind::new("mutation"),
            events: Outcomes::new("frontdesk_graphql_events_total", "subscription"),
            refusals: refusals("request"),
            rate_limited: refusals("rate"),
            panics: aborts("panic"),
            timeouts: aborts("timeout"),
            sockets: open("websocket"),
            streams: open("event_stream"),
        }
    }

    /// Counts one answered query or mutation.
    pub(crate) fn answered(&self, kind: OperationType, ok: bool, took: Duration) {
        let kind = if kind == OperationType::Mutation { &self.mutations } else { &self.queries };
        kind.answers.add(ok);
        kind.seconds.record(took);
    }

    /// Counts one event of a subscription.
    pub(crate) fn event(&self, ok: bool) {
        self.events.add(ok);
    }
}

impl Kind {
    fn new(kind: &'static str) -> Self {
        Self {
            answers: Outcomes::new("frontdesk_graphql_operations_total", kind),
            seconds: histogram!("frontdesk_graphql_operation_seconds", "kind" => kind),
        }
    }
}

impl Outcomes {
    fn new(name: &'static str, kind: &'static str) -> Self {
        let total = |outcome| counter!(name, "kind" => kind, "outcome" => outcome);
        Self { ok: total("ok"), failed: total("error") }
    }

    fn add(&self, ok: bool) {
        if ok { &self.ok } else { &self.failed }.increment(1);
    }
}

/// Counts something as open for as long as it is held.
pub(crate) struct Open(Gauge);

impl Open {
    pub(crate) fn new(gauge: &Gauge) -> Self {
        gauge.increment(1.0);
        Self(gauge.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

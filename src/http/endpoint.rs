//! Running one operation, whatever transport it came by: identify, count, execute, time out.

use std::{any::Any, num::NonZeroU32, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use async_graphql::{
    Executor, Request, ServerError,
    parser::types::{ExecutableDocument, OperationType},
};
use axum::http::StatusCode;
use futures_util::{FutureExt, Stream, StreamExt, future::BoxFuture, stream};
use tokio::time::Instant;

use super::{
    Shutdown,
    client::Client,
    connection::{NoRoom, Room},
    documents::{Documents, operation_type},
    errors::{self, LIMIT_EXCEEDED, UNAUTHENTICATED, coded},
    identity::{Credentials, Identify, Identity},
    limits::Limits,
    measure::Measure,
    prewritten::{Parts, Prewritten},
    rate::Limiter,
    request::Params,
    respond::{Refusal, Reply, no_room},
};

/// What all transports share.
pub(crate) struct Endpoint<E, I> {
    pub(crate) schema: E,
    pub(crate) identify: I,
    pub(crate) limits: Limits,
    pub(crate) documents: Documents,
    pub(crate) limiter: Option<Limiter>,
    pub(crate) trusted_proxies: usize,
    pub(crate) origins: Vec<String>,
    pub(crate) graphiql: bool,
    pub(crate) measure: Measure,
    pub(crate) shutdown: Shutdown,
}

/// An operation within the limits, ready to run.
pub(crate) struct Operation {
    request: Request,
    pub(crate) kind: OperationType,
}

impl<E: Executor, I: Identify> Endpoint<E, I> {
    /// When a request that starts now is given up.
    pub(crate) fn deadline(&self) -> Instant {
        Instant::now() + Duration::from_secs(self.limits.timeout_seconds)
    }

    /// Finds out who is calling. Callers without a key are held to the rate limit, and so are
    /// those whose key is refused, lest keys be guessed at full speed.
    ///
    /// # Errors
    /// 429 above the rate, 401 for a token that is not known.
    pub(crate) async fn identify(&self, credentials: Credentials<'_>) -> Result<Identity, Refusal> {
        if credentials.bearer.is_none() {
            self.limit_rate(credentials.client, NonZeroU32::MIN)?;
        }
        let identified = self.identify.identify(credentials).await;
        if identified.is_err() && credentials.bearer.is_some() {
            self.limit_rate(credentials.client, NonZeroU32::MIN)?;
        }
        identified.map_err(Refusal::identity)
    }

    /// # Errors
    /// 429 above the rate.
    pub(crate) fn limit_rate(&self, client: Client, operations: NonZeroU32) -> Result<(), Refusal> {
        let Some(limiter) = &self.limiter else { return Ok(()) };
        limiter.take(client, operations).map_err(|wait| {
            self.measure.rate_limited.increment(1);
            Refusal::rate_limited(wait)
        })
    }

    /// Parses and counts the document and selects the operation.
    ///
    /// # Errors
    /// The reply to send instead, a request error.
    pub(crate) fn prepare(&self, params: Params) -> Result<Operation, Box<Reply>> {
        self.try_prepare(params).map_err(|error| {
            self.measure.refusals.increment(1);
            Box::new(Reply::failed(StatusCode::BAD_REQUEST, error))
        })
    }

    fn try_prepare(&self, params: Params) -> Result<Operation, ServerError> {
        let document = self.documents.get(&params.query)?;
        let name = params.operation_name();
        let kind = operation_type(&document, name)?;
        let name = name.map(str::to_owned);
        let mut request = Request::new(params.query).variables(params.variables);
        request.operation_name = name;
        request.set_parsed_query(ExecutableDocument::clone(&document));
        Ok(Operation { request, kind })
    }

    /// Runs a query or a mutation to its end, or to the deadline. A future that is given up is
    /// dropped, so an open transaction in it rolls back; a live chat whose transaction others share is made.
    pub(crate) async fn execute(
        &self,
        operation: Operation,
        identity: Identity,
        deadline: Instant,
        room: &Room,
    ) -> Reply {
        // Held while it runs, so that no more runs than can be answered.
        let Ok(_admitted) = room.admit(deadline).await else {
            return Reply::failed(StatusCode::SERVICE_UNAVAILABLE, no_room(NoRoom::Full));
        };
        let Operation { mut request, kind } = operation;
        let started = Instant::now();
        let prewritten = Prewritten::new(room.clone());
        request.data = identity.data;
        request.data.insert(prewritten.clone());
        let execution = AssertUnwindSafe(self.schema.execute(request)).catch_unwind();
        let reply = match tokio::time::timeout_at(deadline, execution).await {
            Ok(Ok(response)) => Reply::executed(response, prewritten.take()),
            Ok(Err(panic)) => self.panicked(&*panic),
            Err(_) => self.timed_out(),
        };
        self.measure.answered(kind, reply.response.errors.is_empty(), started.elapsed());
        reply
    }

    /// Runs an operation of any kind as a stream of replies: a subscription until its source ends
    /// or the credentials end, anything else for one reply.
    pub(crate) fn stream(
        self: &Arc<Self>,
        operation: Operation,
        identity: Identity,
        deadline: Instant,
        room: Room,
    ) -> impl Stream<Item = Reply> + Send + use<E, I> {
        let endpoint = Arc::clone(self);
        if operation.kind != OperationType::Subscription {
            let reply = async move { endpoint.execute(operation, identity, deadline, &room).await };
            return reply.into_stream().left_stream();
        }
        let ended = identity.end.wait();
        let mut request = operation.request;
        request.data = identity.data;
        let events = AssertUnwindSafe(self.schema.execute_stream(request, None)).catch_unwind();
        let replies = events.map(move |event| {
            let reply = match event {
                Ok(response) => Reply::executed(response, Parts::default()),
                Err(panic) => endpoint.panicked(&*panic),
            };
            endpoint.measure.event(reply.response.errors.is_empty());
            reply
        });
        until_end(replies, ended).right_stream()
    }

    fn panicked(&self, panic: &(dyn Any + Send)) -> Reply {
        let text = panic.downcast_ref::<&str>().copied();
        let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        tracing::error!(panic = text.unwrap_or("not a text"), "a resolver panicked");
        self.measure.panics.increment(1);
        Reply::failed(StatusCode::INTERNAL_SERVER_ERROR, errors::internal())
    }

    fn timed_out(&self) -> Reply {
        self.measure.timeouts.increment(1);
        Reply::failed(StatusCode::GATEWAY_TIMEOUT, timeout_error(&self.limits))
    }
}

/// Ends a stream when its caller's credentials do, with an error that says so.
fn until_end(
    replies: impl Stream<Item = Reply> + Send + 'static,
    ended: BoxFuture<'static, &'static str>,
) -> impl Stream<Item = Reply> + Send {
    stream::unfold(Some((replies.boxed(), ended)), |state| async move {
        let (mut replies, mut ended) = state?;
        tokio::select! {
            biased;
            why = &mut ended => {
                let error = coded(ServerError::new(why, None), UNAUTHENTICATED);
                Some((Reply::failed(StatusCode::UNAUTHORIZED, error), None))
            }
            reply = replies.next() => reply.map(|reply| (reply, Some((replies, ended)))),
        }
    })
}

/// What a request that took too long is told.
pub(crate) fn timeout_error(limits: &Limits) -> ServerError {
    let message = format!("the request took longer than {} s", limits.timeout_seconds);
    coded(ServerError::new(message, None), LIMIT_EXCEEDED)
}

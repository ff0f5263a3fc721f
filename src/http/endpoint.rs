//! Running one operation, whatever transport it came by: identify, count, execute, time out.

use std::{any::Any, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use async_graphql::{Executor, Request, ServerError, parser::types::OperationType};
use axum::http::StatusCode;
use futures_util::{FutureExt, Stream, StreamExt, future::BoxFuture, stream};
use tokio::time::Instant;

use super::{
    Shutdown,
    connection::Room,
    cost::{self, Cost, Price},
    documents::{Documents, operation_type},
    errors::{self, LIMIT_EXCEEDED, UNAUTHENTICATED, coded},
    identity::{Credentials, Identify, Identity},
    limits::Limits,
    measure::Measure,
    prewritten::{Parts, Prewritten},
    request::Params,
    respond::{Refusal, Reply},
};
use crate::work::{Heavy, INLINE, Ledger, OPERATION, Payer, Work};

/// What all transports share.
pub(crate) struct Endpoint<E, I> {
    pub(crate) schema: E,
    pub(crate) identify: I,
    pub(crate) limits: Limits,
    pub(crate) documents: Documents,
    pub(crate) ledger: Option<Arc<Ledger>>,
    pub(crate) heavy: Heavy,
    pub(crate) price: Option<Price>,
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
    cost: Cost,
}

impl<E: Executor, I: Identify> Endpoint<E, I> {
    /// When a request that starts now is given up.
    pub(crate) fn deadline(&self) -> Instant {
        Instant::now() + Duration::from_secs(self.limits.timeout_seconds)
    }

    /// Finds out who is calling, and charges for one operation. Those whose key is refused pay as visitors, lest
    /// keys be guessed at full speed.
    ///
    /// # Errors
    /// 429 for a caller that has used up its points, 401 for a token that is not known.
    pub(crate) async fn identify(&self, credentials: Credentials<'_>) -> Result<Identity, Refusal> {
        let visitor = Payer::Visitor(credentials.client.network());
        if credentials.bearer.is_none() {
            self.charge(visitor, OPERATION)?;
        }
        let identified = self.identify.identify(credentials).await;
        if credentials.bearer.is_some() {
            let payer = identified.as_ref().map_or(visitor, |identity| identity.payer);
            self.charge(payer, OPERATION)?;
        }
        identified.map_err(Refusal::identity)
    }

    /// # Errors
    /// 429 where the account does not hold so many points.
    pub(crate) fn charge(&self, payer: Payer, points: u64) -> Result<(), Refusal> {
        let Some(ledger) = &self.ledger else { return Ok(()) };
        let now = std::time::Instant::now();
        ledger.take(payer, points, 0, now).map_err(|refused| {
            self.measure.rate_limited.increment(1);
            Refusal::work(refused, cost::headers(0, ledger.standing(payer, now).as_ref()))
        })
    }

    /// Charges for what the document of an operation says.
    fn admit(&self, operation: &Operation, payer: Payer) -> Result<Work, Refusal> {
        let work = Work::new(payer, self.ledger.clone(), self.heavy.clone());
        work.note(OPERATION);
        work.charge(operation.cost.points).map_err(|refused| {
            self.measure.rate_limited.increment(1);
            Refusal::work(refused, cost::headers(work.spent(), work.standing().as_ref()))
        })?;
        Ok(work)
    }

    /// Whether an operation is done on the heavy threads: one that weighs much, and any of a caller who has
    /// asked for much lately. Mutations stay, since others may wait for the locks that they hold.
    fn is_heavy(&self, operation: &Operation, payer: Payer) -> bool {
        let is_busy = || {
            let ledger = self.ledger.as_ref();
            ledger.is_some_and(|ledger| ledger.is_busy(payer, std::time::Instant::now()))
        };
        operation.kind == OperationType::Query && (INLINE < operation.cost.weight || is_busy())
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
        let parsed = self.documents.get(&params.query)?;
        let document = &parsed.document;
        let name = params.operation_name();
        let kind = operation_type(document, name)?;
        let mut cost = Cost::default();
        if let Some(pricing) = &self.price {
            cost = parsed.cost(&**pricing, &params.variables);
            let expected = pricing.expected(document, &params.variables);
            cost.weight = cost.weight.saturating_add(expected);
        }
        let name = name.map(str::to_owned);
        let mut request = Request::new(params.query).variables(params.variables);
        request.operation_name = name;
        request.set_parsed_query(document.clone());
        Ok(Operation { request, kind, cost })
    }

    /// Runs a query or a mutation to its end, or to the deadline. A future that is given up is
    /// dropped, so an open transaction in it rolls back; a live chat whose transaction others share is made.
    ///
    /// # Errors
    /// 429 where the caller's account does not hold what the document costs, or too much waits already; 503
    /// where there is no memory for an answer until the deadline.
    pub(crate) async fn execute(
        &self,
        operation: Operation,
        identity: Identity,
        deadline: Instant,
        room: &Room,
    ) -> Result<(Reply, Work), Refusal> {
        let work = self.admit(&operation, identity.payer)?;
        let is_heavy = self.is_heavy(&operation, identity.payer);
        let Operation { mut request, kind, .. } = operation;
        let started = Instant::now();
        let prewritten = Prewritten::new(room.clone());
        request.data = identity.data;
        request.data.insert(prewritten.clone());
        // Held while it runs, so that no more runs than can be answered. Waited for here and not on a heavy
        // thread, of which a reader that takes nothing would have all.
        let _admitted = room.admit(deadline).await.map_err(Refusal::no_room)?;
        let schema = self.schema.clone();
        let execution =
            async move { AssertUnwindSafe(schema.execute(request)).catch_unwind().await };
        let execution = async {
            if is_heavy {
                work.whole(execution).await
            } else {
                Ok(work.clone().scope(execution).await)
            }
        };
        let reply = match tokio::time::timeout_at(deadline, execution).await {
            Ok(Ok(Ok(response))) => Reply::executed(response, prewritten.take()),
            Ok(Ok(Err(panic))) => self.panicked(&*panic),
            Ok(Err(refused)) => {
                self.measure.rate_limited.increment(1);
                let limits = cost::headers(work.spent(), work.standing().as_ref());
                return Err(Refusal::work(refused, limits));
            }
            Err(_) => self.timed_out(),
        };
        self.measure.answered(kind, reply.response.errors.is_empty(), started.elapsed());
        Ok((reply, work))
    }

    /// Runs an operation of any kind as a stream of replies: a subscription until its source ends
    /// or the credentials end, anything else for one reply. Each says what it cost.
    pub(crate) fn stream(
        self: &Arc<Self>,
        operation: Operation,
        identity: Identity,
        deadline: Instant,
        room: Room,
    ) -> impl Stream<Item = Reply> + Send + use<E, I> {
        let endpoint = Arc::clone(self);
        if operation.kind != OperationType::Subscription {
            let reply = async move {
                match endpoint.execute(operation, identity, deadline, &room).await {
                    Ok((mut reply, work)) => {
                        cost::report_in_extensions(&mut reply.response, work.spent(), &work);
                        reply
                    }
                    Err(refusal) => Reply::failed(refusal.status, *refusal.error),
                }
            };
            return reply.into_stream().left_stream();
        }
        let work = match self.admit(&operation, identity.payer) {
            Ok(work) => work,
            Err(refusal) => {
                let reply = Reply::failed(refusal.status, *refusal.error);
                return stream::iter([reply]).left_stream().right_stream();
            }
        };
        let ended = identity.end.wait();
        let each = operation.cost.weight;
        let mut request = operation.request;
        request.data = identity.data;
        let events = AssertUnwindSafe(self.schema.execute_stream(request, None)).catch_unwind();
        let events = work.clone().scope_stream(events);
        let (mut is_first, mut reported) = (true, 0);
        let replies = events.map(move |event| {
            let mut reply = match event {
                Ok(response) => Reply::executed(response, Parts::default()),
                Err(panic) => endpoint.panicked(&*panic),
            };
            // The first event was paid for with the document.
            if !std::mem::take(&mut is_first) {
                work.charge_after(each);
            }
            let spent = work.spent();
            let cost = spent.saturating_sub(std::mem::replace(&mut reported, spent));
            cost::report_in_extensions(&mut reply.response, cost, &work);
            endpoint.measure.event(reply.response.errors.is_empty());
            reply
        });
        until_end(replies, ended).right_stream().right_stream()
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

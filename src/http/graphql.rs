//! `/graphql`: which transport a request means, and the ones that answer once.

use std::sync::Arc;

use async_graphql::{Executor, parser::types::OperationType};
use axum::{
    body::Body,
    extract::State,
    http::{Method, Request, Response, StatusCode, request::Parts},
};
use tokio::time::Instant;
use tracing::Instrument;

use super::{
    client::{self, Client},
    connection::Room,
    cost,
    endpoint::{Endpoint, timeout_error},
    errors::BAD_USER_INPUT,
    event_stream, graphiql,
    identity::{Credentials, Identify, bearer},
    request::{Accepts, Media, Operations, Params, read_body, require_json},
    respond::{self, Refusal, Reply},
    socket,
};
use crate::work::{OPERATION, Payer};

/// Answers every request to `/graphql`.
pub(crate) async fn handle<E: Executor, I: Identify>(
    State(endpoint): State<Arc<Endpoint<E, I>>>,
    request: Request<Body>,
) -> Response<Body> {
    // The query string of a GET is the document itself: it stays out of the span.
    let span =
        tracing::info_span!("graphql", method = %request.method(), status = tracing::field::Empty);
    let response = answer(&endpoint, request).instrument(span.clone()).await;
    span.record("status", response.status().as_u16());
    tracing::debug!(parent: &span, "answered");
    response
}

async fn answer<E: Executor, I: Identify>(
    endpoint: &Arc<Endpoint<E, I>>,
    request: Request<Body>,
) -> Response<Body> {
    let (mut parts, body) = request.into_parts();
    if socket::is_upgrade(&parts) {
        return match socket::upgrade(endpoint, &mut parts).await {
            Ok(response) => response,
            Err(refusal) => refused(endpoint, refusal, Media::Json),
        };
    }
    let accepts = match Accepts::read(&parts.headers) {
        Ok(accepts) => accepts,
        Err(refusal) => return refused(endpoint, refusal, Media::Json),
    };
    let reads = matches!(parts.method, Method::GET | Method::HEAD);
    if endpoint.graphiql && reads && accepts.preferred == Media::Html {
        return graphiql::page();
    }
    let call = Call {
        endpoint,
        client: client::client(&parts, endpoint.trusted_proxies),
        accepts,
        deadline: endpoint.deadline(),
        room: Room::of(&parts.extensions, endpoint.limits.answer_bytes),
        parts,
    };
    match tokio::time::timeout_at(call.deadline, call.answer(body)).await {
        Ok(Ok(response)) => response,
        Ok(Err(refusal)) => refused(endpoint, refusal, accepts.json),
        // Only reading the body and identifying the caller end here; execution has its own reply.
        Err(_) => {
            endpoint.measure.timeouts.increment(1);
            let reply = Reply::failed(StatusCode::REQUEST_TIMEOUT, timeout_error(&endpoint.limits));
            respond::single(reply, Media::GraphqlResponse, &call.room)
        }
    }
}

fn refused<E, I>(endpoint: &Endpoint<E, I>, refusal: Refusal, media: Media) -> Response<Body> {
    if refusal.status != StatusCode::TOO_MANY_REQUESTS {
        endpoint.measure.refusals.increment(1);
    }
    refusal.into_response(media)
}

/// One HTTP request that is no WebSocket.
struct Call<'a, E, I> {
    endpoint: &'a Arc<Endpoint<E, I>>,
    parts: Parts,
    client: Client,
    accepts: Accepts,
    deadline: Instant,
    /// For its answer.
    room: Room,
}

impl<E: Executor, I: Identify> Call<'_, E, I> {
    fn credentials(&self) -> Credentials<'_> {
        Credentials { bearer: bearer(&self.parts.headers), client: self.client }
    }

    async fn answer(&self, body: Body) -> Result<Response<Body>, Refusal> {
        match self.parts.method {
            Method::POST => self.post(body).await,
            Method::GET | Method::HEAD => self.get().await,
            _ => Err(Refusal::method("GET, POST", "GraphQL is served by GET and POST")),
        }
    }

    async fn get(&self) -> Result<Response<Body>, Refusal> {
        let query = self.parts.uri.query().unwrap_or_default();
        if query.len() > self.endpoint.limits.body_bytes {
            let message = format!(
                "the query string is larger than {} bytes",
                self.endpoint.limits.body_bytes
            );
            return Err(Refusal::new(
                StatusCode::URI_TOO_LONG,
                super::errors::LIMIT_EXCEEDED,
                message,
            ));
        }
        self.single(Params::from_query_string(query)?).await
    }

    async fn post(&self, body: Body) -> Result<Response<Body>, Refusal> {
        require_json(&self.parts.headers)?;
        let limits = &self.endpoint.limits;
        let body = read_body(&self.parts.headers, body, limits).await?;
        match Operations::decode(&body, limits)? {
            Operations::Single(params) => self.single(params).await,
            Operations::Batch(batch) => self.batch(batch).await,
        }
    }

    async fn single(&self, params: Params) -> Result<Response<Body>, Refusal> {
        let identity = self.endpoint.identify(self.credentials()).await?;
        let operation = match self.endpoint.prepare(params) {
            Ok(operation) => operation,
            Err(reply) if self.accepts.preferred == Media::EventStream => {
                return Ok(event_stream::once(&reply, &self.room));
            }
            Err(reply) => return Ok(respond::single(*reply, self.accepts.json, &self.room)),
        };
        if operation.kind == OperationType::Mutation && self.parts.method != Method::POST {
            return Err(Refusal::method("POST", "mutations are sent by POST"));
        }
        let subscription = operation.kind == OperationType::Subscription;
        if self.accepts.preferred == Media::EventStream || (subscription && self.accepts.streams) {
            let room = self.room.clone();
            let replies = self.endpoint.stream(operation, identity, self.deadline, room.clone());
            return Ok(event_stream::respond(self.endpoint, replies, room));
        }
        if subscription {
            return Err(needs_stream());
        }
        let room = &self.room;
        let (mut reply, work) =
            self.endpoint.execute(operation, identity, self.deadline, room).await?;
        cost::report_in_headers(&mut reply.response, &work);
        Ok(respond::single(reply, self.accepts.json, room))
    }

    /// Runs the operations one after the other, as a mutation may prepare for the next operation.
    async fn batch(&self, batch: Vec<Params>) -> Result<Response<Body>, Refusal> {
        let mut first = Some(self.endpoint.identify(self.credentials()).await?);
        let payer = first.as_ref().map_or(Payer::Visitor(None), |identity| identity.payer);
        let operations = u64::try_from(batch.len()).unwrap_or(u64::MAX);
        self.endpoint.charge(payer, (operations - 1).saturating_mul(OPERATION))?;
        let mut spent = operations.saturating_mul(OPERATION);
        let mut standing = None;
        let mut answers = respond::Batch::new(&self.room);
        for params in batch {
            if let Some(full) = answers.full() {
                answers.add(&full);
                continue;
            }
            let operation = match self.endpoint.prepare(params) {
                Ok(operation) => operation,
                Err(reply) => {
                    answers.add(&reply);
                    continue;
                }
            };
            if operation.kind == OperationType::Subscription {
                let refusal = needs_stream();
                answers.add(&Reply::failed(refusal.status, *refusal.error));
                continue;
            }
            // What an identity holds lives for one operation, so each gets its own.
            let identity = match first.take() {
                Some(identity) => identity,
                None => {
                    let identified = self.endpoint.identify.identify(self.credentials()).await;
                    identified.map_err(Refusal::identity)?
                }
            };
            let room = &self.room;
            match self.endpoint.execute(operation, identity, self.deadline, room).await {
                Ok((reply, work)) => {
                    answers.add(&reply);
                    spent += work.spent() - OPERATION;
                    standing = work.standing();
                }
                Err(refusal) => answers.add(&Reply::failed(refusal.status, *refusal.error)),
            }
        }
        let mut response = answers.finish(self.accepts.json);
        response.headers_mut().extend(cost::headers(spent, standing.as_ref()));
        Ok(response)
    }
}

fn needs_stream() -> Refusal {
    let message =
        "a subscription needs a WebSocket (graphql-transport-ws) or Accept: text/event-stream";
    Refusal::new(StatusCode::NOT_ACCEPTABLE, BAD_USER_INPUT, message)
}

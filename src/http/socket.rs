//! GraphQL over WebSocket: the graphql-transport-ws protocol, whose reference is graphql-ws.
//!
//! async-graphql's own `http::WebSocket` closes with 1002, 1011 and 3008 where the protocol says
//! 4400, 4401 and 4408, takes a second subscriber of one ID, and bounds nothing, hence this loop. One task serves one socket; its
//! operations are tasks whose replies it sends, and all end with it.

mod handshake;
mod protocol;

use std::{collections::HashMap, sync::Arc, time::Duration};

use async_graphql::{Executor, ServerError};
use axum::{
    extract::ws::{CloseFrame, Message, WebSocket},
    http::StatusCode,
};
use futures_util::{
    FutureExt, StreamExt,
    future::BoxFuture,
    stream::{self, BoxStream, SelectAll},
};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use self::protocol::{ClientMessage, End, ServerMessage};
use super::{
    client::Client,
    connection::{Hello, NoRoom, Room, Written},
    endpoint::{Endpoint, timeout_error},
    errors::{LIMIT_EXCEEDED, coded},
    identity::{Credentials, CredentialsEnd, Identify, Identity, bearer_of},
    own_task::in_own_task,
    request::Params,
    respond::{Reply, encode, no_room},
};

pub(crate) use self::handshake::{is_upgrade, upgrade};

/// How long the client may take to answer a close frame.
const CLOSE_WITHIN: Duration = Duration::from_secs(1);

/// What an operation's stream yields, with the operation's ID.
type Event = (String, Step);

enum Step {
    /// The message that holds a reply. It is written in the operation's task, so that what waits there is
    /// counted.
    Next(Result<Written, NoRoom>),
    Failed(Vec<ServerError>),
    Done,
}

impl Step {
    fn reply(id: &str, reply: Reply, room: &Room) -> Self {
        if reply.is_request_error() {
            return Self::Failed(reply.response.errors);
        }
        Self::Next(encode(&ServerMessage::Next { id, payload: &reply }, room))
    }
}

struct Session<E, I> {
    endpoint: Arc<Endpoint<E, I>>,
    socket: WebSocket,
    client: Client,
    /// For each answer.
    room: Room,
    hello: Hello,
    /// From the handshake's header, then from `connection_init`, which wins.
    token: Option<String>,
    acknowledged: bool,
    /// What ends each running operation. A stream that was ended yields nothing more, so its ID can
    /// be used again at once.
    operations: HashMap<String, CancellationToken>,
    events: SelectAll<BoxStream<'static, Event>>,
    /// Whether anything came since the last sign of life was sent.
    heard: bool,
    /// Returns once the credentials of `connection_init` no longer work.
    ended: BoxFuture<'static, &'static str>,
}

impl<E: Executor, I: Identify> Session<E, I> {
    fn new(
        endpoint: Arc<Endpoint<E, I>>,
        socket: WebSocket,
        client: Client,
        token: Option<String>,
        (room, hello): (Room, Hello),
    ) -> Self {
        Self {
            endpoint,
            socket,
            client,
            room,
            hello,
            token,
            acknowledged: false,
            operations: HashMap::new(),
            events: SelectAll::new(),
            heard: true,
            ended: Box::pin(std::future::pending()),
        }
    }

    async fn run(mut self) {
        let end = match self.serve().await {
            Err(end) => end,
            Ok(never) => match never {},
        };
        let End::Close { code, reason } = end else { return };
        self.events.clear();
        let frame = CloseFrame { code, reason: reason.into() };
        let close = async {
            // Reading to the end lets the client see the code rather than a reset connection.
            if self.socket.send(Message::Close(Some(frame))).await.is_ok() {
                while let Some(Ok(_)) = self.socket.recv().await {}
            }
        };
        let _ = timeout(CLOSE_WITHIN, close).await;
    }

    async fn serve(&mut self) -> Result<std::convert::Infallible, End> {
        if self.socket.protocol().is_none() {
            return Err(End::subprotocol());
        }
        let limits = &self.endpoint.limits;
        let stopped = self.endpoint.shutdown.token.clone().cancelled_owned();
        let init_timeout = sleep(Duration::from_secs(limits.socket_init_seconds));
        let mut beat = interval(Duration::from_secs(limits.keepalive_seconds.max(1)));
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        beat.tick().await;
        tokio::pin!(stopped, init_timeout);
        loop {
            tokio::select! {
                () = &mut stopped => return Err(End::shutdown()),
                _ = &mut self.ended => return Err(End::unauthorized()),
                () = &mut init_timeout, if !self.acknowledged => return Err(End::init_timeout()),
                message = self.socket.recv() => self.receive(message).await?,
                Some(event) = self.events.next() => self.emit(event).await?,
                _ = beat.tick() => self.beat().await?,
            }
        }
    }

    async fn beat(&mut self) -> Result<(), End> {
        if !self.heard {
            // A server that was busy may not have read yet what the client has said.
            let message = self.socket.recv().now_or_never().ok_or(End::Gone)?;
            self.receive(message).await?;
        }
        self.heard = false;
        self.send(Message::Ping(Default::default())).await
    }

    async fn receive(&mut self, message: Option<Result<Message, axum::Error>>) -> Result<(), End> {
        self.heard = true;
        let text = match message {
            Some(Ok(Message::Text(text))) => {
                self.hello.took_message();
                text
            }
            Some(Ok(Message::Ping(payload) | Message::Pong(payload))) => {
                self.hello.took_control(payload.len());
                return Ok(());
            }
            Some(Ok(Message::Binary(_))) => return Err(End::invalid("messages are text")),
            Some(Err(_)) => return Err(End::invalid("a message was too large or broken")),
            Some(Ok(Message::Close(_))) => {
                // The answering close frame is queued, and leaves with the next read.
                let _ = timeout(CLOSE_WITHIN, self.socket.recv()).await;
                return Err(End::Gone);
            }
            None => return Err(End::Gone),
        };
        match ClientMessage::parse(text.as_str())? {
            ClientMessage::ConnectionInit { payload } => {
                let authorization =
                    payload.as_ref().and_then(|payload| payload.get("authorization"));
                let authorization =
                    authorization.and_then(serde_json::Value::as_str).map(str::to_owned);
                self.init(authorization).await
            }
            ClientMessage::Ping { payload } => self.echo(&ServerMessage::Pong { payload }).await,
            ClientMessage::Pong {} => Ok(()),
            ClientMessage::Subscribe { id, payload } => self.subscribe(id, payload).await,
            ClientMessage::Complete { id } => {
                self.stop(&id);
                Ok(())
            }
        }
    }

    async fn init(&mut self, authorization: Option<String>) -> Result<(), End> {
        if self.acknowledged {
            return Err(End::too_many_inits());
        }
        if let Some(value) = authorization {
            // A token without its scheme would pass for no token, and the caller for a visitor.
            self.token = Some(bearer_of(&value).ok_or_else(End::unauthorized)?.to_owned());
        }
        let credentials = Credentials { bearer: self.token.as_deref(), client: self.client };
        let identified = timeout_at(self.endpoint.deadline(), self.endpoint.identify(credentials));
        match identified.await {
            Ok(Ok(identity)) => self.ended = identity.end.wait(),
            Ok(Err(refusal)) if refusal.status == StatusCode::UNAUTHORIZED => {
                return Err(End::unauthorized());
            }
            Ok(Err(_)) | Err(_) => return Err(End::try_again_later()),
        }
        self.acknowledged = true;
        self.hello.said();
        self.say(&ServerMessage::ConnectionAck).await
    }

    async fn subscribe(&mut self, id: String, params: Params) -> Result<(), End> {
        if !self.acknowledged {
            return Err(End::unauthorized());
        }
        if self.operations.contains_key(&id) {
            return Err(End::duplicate(&id));
        }
        let allowed = self.endpoint.limits.socket_operations;
        if self.operations.len() >= allowed {
            let message =
                format!("the socket has {allowed} operations, no more are allowed at a time");
            let error = coded(ServerError::new(message, None), LIMIT_EXCEEDED);
            return self.say(&ServerMessage::Error { id: &id, payload: &[error] }).await;
        }
        let stop = CancellationToken::new();
        // The socket polls nothing while it sends, which takes as long as its reader likes.
        let steps =
            in_own_task(self.steps(id.clone(), params)).take_until(stop.clone().cancelled_owned());
        let name = id.clone();
        self.events.push(steps.map(move |step| (name.clone(), step)).boxed());
        self.operations.insert(id, stop);
        Ok(())
    }

    /// All of an operation, from who calls to its last reply.
    fn steps(&self, id: String, params: Params) -> BoxStream<'static, Step> {
        let (endpoint, client, token) =
            (Arc::clone(&self.endpoint), self.client, self.token.clone());
        let room = self.room.clone();
        let begin = async move {
            let deadline = endpoint.deadline();
            let credentials = Credentials { bearer: token.as_deref(), client };
            let refused = |error| stream::iter([Step::Failed(vec![error])]).boxed();
            let identity = match timeout_at(deadline, endpoint.identify(credentials)).await {
                // The socket itself watches over the credentials of all its operations.
                Ok(Ok(identity)) => Identity { end: CredentialsEnd::default(), ..identity },
                Ok(Err(refusal)) => return refused(*refusal.error),
                Err(_) => return refused(timeout_error(&endpoint.limits)),
            };
            match endpoint.prepare(params) {
                Ok(operation) => endpoint
                    .stream(operation, identity, deadline, room.clone())
                    .map(move |reply| Step::reply(&id, reply, &room))
                    .boxed(),
                Err(reply) => stream::iter([Step::reply(&id, *reply, &room)]).boxed(),
            }
        };
        begin.flatten_stream().chain(stream::iter([Step::Done])).boxed()
    }

    async fn emit(&mut self, (id, step): Event) -> Result<(), End> {
        match step {
            Step::Next(Ok(written)) => self.write(written).await,
            Step::Next(Err(why)) => self.fail(&id, &[no_room(why)]).await,
            Step::Failed(errors) => self.fail(&id, &errors).await,
            Step::Done => {
                self.operations.remove(&id);
                self.say(&ServerMessage::Complete { id: &id }).await
            }
        }
    }

    fn stop(&mut self, id: &str) {
        if let Some(stop) = self.operations.remove(id) {
            stop.cancel();
        }
    }

    async fn fail(&mut self, id: &str, errors: &[ServerError]) -> Result<(), End> {
        self.stop(id);
        self.say(&ServerMessage::Error { id, payload: errors }).await
    }

    /// Says what the client said itself.
    async fn echo(&mut self, message: &ServerMessage<'_>) -> Result<(), End> {
        let written = encode(message, &self.room).map_err(|_| End::try_again_later())?;
        self.write(written).await
    }

    /// Says something that is short by nature.
    async fn say(&mut self, message: &ServerMessage<'_>) -> Result<(), End> {
        let written = encode(message, &Room::for_short()).map_err(|_| End::try_again_later())?;
        self.write(written).await
    }

    async fn write(&mut self, written: Written) -> Result<(), End> {
        // Held until the message is flushed, which it is before the next one.
        let (bytes, _charge) = written.into_whole();
        let text = String::from_utf8(bytes).map_err(|_| End::Gone)?;
        self.send(Message::Text(text.into())).await
    }

    /// Sends a message to its last byte. A client that takes none for too long is dropped by the socket
    /// below ([`Watched`](super::connection::Watched)).
    async fn send(&mut self, message: Message) -> Result<(), End> {
        tokio::select! {
            sent = self.socket.send(message) => sent.map_err(|_| End::Gone),
            // A client that reads slowly does not keep its socket for longer.
            _ = &mut self.ended => Err(End::unauthorized()),
        }
    }
}

#[cfg(test)]
mod tests;

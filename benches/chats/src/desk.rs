//! A server, and what is asked of it.

use std::sync::Arc;

use anyhow::Context;
use futures_util::{SinkExt, StreamExt, TryStreamExt, stream};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

/// Requests that are under way at once while agents are made and subscriptions opened.
const AT_ONCE: usize = 16;
/// Around the clock.
const DAYS: [&str; 7] =
    ["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY"];

/// A server, as the holder of a key sees it.
#[derive(Clone)]
pub(crate) struct Desk {
    url: Arc<str>,
    key: Arc<str>,
    client: reqwest::Client,
}

/// A subscription that stands.
pub(crate) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

impl Desk {
    /// `url` is the endpoint's, over HTTP.
    pub(crate) fn new(url: &str, key: &str) -> anyhow::Result<Self> {
        // An error says that it is chosen already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().tcp_nodelay(true).build()?;
        Ok(Self { url: url.into(), key: key.into(), client })
    }

    /// The data of an operation.
    pub(crate) async fn ask(&self, query: &str, variables: Value) -> anyhow::Result<Value> {
        let body = json!({ "query": query, "variables": variables });
        let sent = self.client.post(&*self.url).bearer_auth(&self.key).json(&body).send().await?;
        let mut answer: Value = sent.json().await?;
        anyhow::ensure!(answer.get("errors").is_none(), "{answer}");
        Ok(answer["data"].take())
    }

    /// Makes agents who are available for chats around the clock, and returns a token of each.
    pub(crate) async fn agents(&self, count: usize) -> anyhow::Result<Vec<String>> {
        let agents = (0..count).map(|number| self.agent(number));
        stream::iter(agents).buffered(AT_ONCE).try_collect().await
    }

    async fn agent(&self, number: usize) -> anyhow::Result<String> {
        let query = "mutation($input: CreateAgentInput!) { createAgent(input: $input) { id } }";
        let email = format!("agent{number}@agents.example");
        let input = json!({ "name": format!("Agent {number}"), "email": email });
        let made = self.ask(query, json!({ "input": input })).await?;
        let id = &made["createAgent"]["id"];
        let whole = |day| json!({ "dayOfWeek": day, "start": "00:00", "end": "24:00" });
        let blocks: Vec<Value> = DAYS.into_iter().map(whole).collect();
        let query = "mutation($input: SetLiveChatAvailabilityInput!) {
            setLiveChatAvailability(input: $input) { id } }";
        let input = json!({ "agentId": id, "timeZone": "UTC", "blocks": blocks });
        self.ask(query, json!({ "input": input })).await?;
        let query =
            "mutation($id: ID!) { issueAgentToken(agentId: $id, ttlMinutes: 60) { token } }";
        let issued = self.ask(query, json!({ "id": id })).await?;
        Ok(issued["issueAgentToken"]["token"].as_str().context("a token")?.to_owned())
    }

    /// Opens a subscription with each of `tokens`, by graphql-transport-ws.
    pub(crate) async fn subscribe_all(
        &self,
        tokens: impl IntoIterator<Item = String>,
        query: &str,
    ) -> anyhow::Result<Vec<Socket>> {
        let sockets = tokens.into_iter().map(|token| self.subscribe(token, query));
        stream::iter(sockets).buffered(AT_ONCE).try_collect().await
    }

    async fn subscribe(&self, token: String, query: &str) -> anyhow::Result<Socket> {
        let mut request = self.url.replacen("http", "ws", 1).into_client_request()?;
        request.headers_mut().insert("sec-websocket-protocol", "graphql-transport-ws".parse()?);
        // As little as will do: the load shares the machine.
        let config = WebSocketConfig::default().read_buffer_size(4096);
        let (mut socket, _) = connect_async_with_config(request, Some(config), true).await?;
        let init = json!({ "type": "connection_init",
            "payload": { "authorization": format!("Bearer {token}") } });
        socket.send(Message::text(init.to_string())).await?;
        let answer = socket.next().await.context("an acknowledgement")??;
        anyhow::ensure!(answer.to_text()?.contains("connection_ack"), "{answer}");
        let subscribe = json!({ "type": "subscribe", "id": "1", "payload": { "query": query } });
        socket.send(Message::text(subscribe.to_string())).await?;
        Ok(socket)
    }
}

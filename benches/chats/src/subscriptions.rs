//! What subscriptions cost that stand.

use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio_tungstenite::tungstenite::Message;

use crate::desk::{Desk, Socket};

const INCOMING: &str =
    "subscription { incomingLiveChats { kind offer { id request { id conversationId } } } }";

/// Opens subscriptions, `count` of all `agents` together, and holds them.
pub(crate) async fn run(desk: Desk, agents: usize, count: usize) -> anyhow::Result<()> {
    let tokens = desk.agents(agents).await?;
    let tokens = tokens.iter().cycle().take(count).cloned();
    for socket in desk.subscribe_all(tokens, INCOMING).await? {
        tokio::spawn(hold(socket));
    }
    println!("{}", json!({ "subscriptions": count }));
    tokio::io::stdin().read_to_end(&mut Vec::new()).await?;
    Ok(())
}

async fn hold(mut socket: Socket) {
    while let Some(Ok(message)) = socket.next().await {
        let is_ping = message.to_text().is_ok_and(|text| text.contains("\"type\":\"ping\""));
        let pong = json!({ "type": "pong" }).to_string();
        if is_ping && socket.send(Message::text(pong)).await.is_err() {
            return;
        }
    }
}

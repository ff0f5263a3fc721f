//! How long an offer takes to reach its agent.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_tungstenite::tungstenite::Message;

use crate::desk::{Desk, Socket};

const INCOMING: &str =
    "subscription { incomingLiveChats { kind offer { id request { id conversationId } } } }";
const REQUEST: &str = "mutation($input: RequestLiveChatInput!) { requestLiveChat(input: $input) {
    __typename ... on LiveChatOffered { request { id } } } }";
/// How long to wait before anything is asked for: subscriptions are taken in meanwhile.
const SETTLE: Duration = Duration::from_secs(3);
/// How long the last offers may take.
const DRAIN: Duration = Duration::from_secs(10);

type Times = Arc<Mutex<HashMap<String, Instant>>>;

fn note(times: &Times, conversation: String) {
    let mut times = times.lock().unwrap_or_else(PoisonError::into_inner);
    times.entry(conversation).or_insert_with(Instant::now);
}

/// Asks for chats at a steady rate, whatever becomes of those before.
pub(crate) async fn run(desk: Desk, agents: usize, rate: u32, seconds: u32) -> anyhow::Result<()> {
    let tokens = desk.agents(agents).await?;
    let sockets = desk.subscribe_all(tokens, INCOMING).await?;
    let (heard, sent) = (Times::default(), Times::default());
    for socket in sockets {
        tokio::spawn(listen(socket, Arc::clone(&heard)));
    }
    sleep(SETTLE).await;
    let (began, (fallen, mut fell)) = (Instant::now(), mpsc::unbounded_channel::<String>());
    let mut asking = Vec::new();
    for turn in 0..rate * seconds {
        sleep_until(began + Duration::from_secs(1) * turn / rate).await;
        let (desk, sent, fallen) = (desk.clone(), Arc::clone(&sent), fallen.clone());
        asking.push(tokio::spawn(async move {
            let conversation = format!("conversation-{turn}");
            let input = json!({ "conversationId": conversation, "message": "Hello",
                "person": { "email": format!("visitor{turn}@visitors.example"), "lastName": "L" } });
            note(&sent, conversation);
            let began = Instant::now();
            match desk.ask(REQUEST, json!({ "input": input })).await {
                Ok(answer) if answer["requestLiveChat"]["__typename"] == "LiveChatOffered" => {}
                Ok(answer) => drop(fallen.send(answer.to_string())),
                Err(error) => drop(fallen.send(error.to_string())),
            }
            began.elapsed()
        }));
    }
    let mut answered = Vec::new();
    for asked in asking {
        answered.push(asked.await?);
    }
    let lasted = began.elapsed();
    drop(fallen);
    let mut failures = Vec::new();
    while let Some(failure) = fell.recv().await {
        failures.push(failure);
    }
    let deadline = Instant::now() + DRAIN;
    while count(&heard) + failures.len() < answered.len() && Instant::now() < deadline {
        sleep(Duration::from_millis(50)).await;
    }
    let sent = sent.lock().unwrap_or_else(PoisonError::into_inner);
    let heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
    let late: Vec<Duration> = sent
        .iter()
        .filter_map(|(id, sent)| Some(heard.get(id)?.saturating_duration_since(*sent)))
        .collect();
    let told = json!({
        "asked": answered.len(), "lasted_s": lasted.as_secs_f64(), "heard": late.len(),
        "failed": failures.len(), "failure": failures.first(),
        "event_ms": quantiles(late), "answer_ms": quantiles(answered),
    });
    println!("{told}");
    Ok(())
}

fn count(times: &Times) -> usize {
    times.lock().unwrap_or_else(PoisonError::into_inner).len()
}

fn quantiles(mut times: Vec<Duration>) -> Value {
    times.sort_unstable();
    let at = |quantile: f64| {
        let place = (times.len() as f64 * quantile).ceil() as usize;
        times.get(place.max(1) - 1).map(|time| time.as_secs_f64() * 1000.0)
    };
    json!({ "median": at(0.5), "p99": at(0.99), "p999": at(0.999), "most": at(1.0) })
}

async fn listen(mut socket: Socket, heard: Times) {
    while let Some(Ok(message)) = socket.next().await {
        let Ok(text) = message.to_text() else { continue };
        let Ok(event) = serde_json::from_str::<Value>(text) else { continue };
        if event["type"] == "ping" {
            let pong = json!({ "type": "pong" }).to_string();
            if socket.send(Message::text(pong)).await.is_err() {
                return;
            }
        }
        let news = &event["payload"]["data"]["incomingLiveChats"];
        if news["kind"] == "OFFERED"
            && let Some(id) = news["offer"]["request"]["conversationId"].as_str()
        {
            note(&heard, id.to_owned());
        }
    }
}

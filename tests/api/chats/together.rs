//! Requests that are offered together: as fair as one by one.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use frontdesk::app::App;
use frontdesk::ids;
use frontdesk::service::access::{Caller, Profile};
use frontdesk::service::live_chat::{self, NewRequest};
use frontdesk::service::routing::Route;
use frontdesk::store::live_chat::request::{OFFERED, UNANSWERED};
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{Chatter, REQUEST, another};
use crate::on_both;
use crate::support::Test;

const NEW: NewRequest = NewRequest {
    person: None,
    company: None,
    route: Route::Queue,
    locale: None,
    zone: None,
    message: None,
    conversation_id: None,
    conversation_url: None,
};

async fn chatters(test: &Test, count: usize) -> Vec<Chatter> {
    let names: Vec<String> = (0..count).map(|place| format!("Agent{place}")).collect();
    join_all(names.iter().map(|name| test.chatter(name))).await
}

/// So many requests at once, every second of another process; the states that come of them.
async fn ask_at_once(processes: [&Arc<App>; 2], count: usize) -> Vec<String> {
    let asked = (0..count).map(|place| {
        let app = processes[place % processes.len()];
        live_chat::request(app, &Caller::Visitor { network: None }, NEW.clone())
    });
    join_all(asked).await.into_iter().map(|request| request.unwrap().state).collect()
}

/// How many open offers each agent has, by name; who has none is left out.
async fn loads(test: &Test) -> HashMap<String, usize> {
    let names = test
        .texts(
            "SELECT a.name FROM live_chat_offers o JOIN agents a ON a.id = o.agent_id \
             WHERE o.state = 'OPEN'",
        )
        .await;
    let mut loads = HashMap::new();
    for name in names {
        *loads.entry(name).or_insert(0) += 1;
    }
    loads
}

on_both! {
    async fn many_at_once_go_round(test: Test) {
        chatters(&test, 20).await;
        let second = another(&test);
        // More than share a transaction, and more than are read at once.
        let states = ask_at_once([&test.app, &second], 160).await;
        assert_eq!(states, [OFFERED; 160]);
        let loads = loads(&test).await;
        assert_eq!((loads.len(), loads.values().all(|load| *load == 8)), (20, true), "{loads:?}");
        assert_eq!(test.texts("SELECT CAST(turn AS text) FROM queues WHERE id = 'chat/all'").await, ["160"]);
        // Each request is kept, told and explained as one that came alone.
        let chosen = test.texts("SELECT CAST(routing AS text) FROM live_chat_requests").await;
        let chosen: Vec<Value> = chosen.iter().map(|record| serde_json::from_str(record).unwrap()).collect();
        let offered = test.texts("SELECT CAST(COUNT(*) AS text) FROM live_chat_offers o \
            JOIN live_chat_requests r ON r.id = o.request_id AND r.due_at = o.expires_at AND r.revision = 1").await;
        assert_eq!(offered, ["160"]);
        for record in &chosen {
            let candidates = record["tiers"][0]["candidates"].as_array().unwrap();
            let taken: Vec<&Value> =
                candidates.iter().filter(|candidate| candidate["outcome"] == "CHOSEN").collect();
            assert_eq!((taken.len(), &taken[0]["agent"]), (1, &record["chosen"]), "{record}");
        }
    }

    async fn who_gives_up_while_waiting_is_not_offered(test: Test) {
        chatters(&test, 2).await;
        ask_at_once([&test.app, &test.app], 1).await;
        // The queue is held up: one waits for it and is being offered already, another waits for that one.
        let held = frontdesk::store::begin(&test.app.db).await.unwrap();
        frontdesk::store::queue::lock(&held, "chat/all").await.unwrap();
        let patience = std::time::Duration::from_millis(500);
        for _ in 0..2 {
            let asked = live_chat::request(&test.app, &Caller::Visitor { network: None }, NEW);
            assert!(tokio::time::timeout(patience, asked).await.is_err(), "it waits");
        }
        held.rollback().await.unwrap();
        // The line goes on with whoever comes next.
        ask_at_once([&test.app, &test.app], 1).await;
        assert_eq!(test.texts("SELECT state FROM live_chat_requests").await, [OFFERED; 3]);
    }

    async fn few_transactions_serve_many_requests(test: Test) {
        chatters(&test, 10).await;
        let before = test.statements.load(Ordering::Relaxed);
        ask_at_once([&test.app, &test.app], 60).await;
        let together = test.statements.load(Ordering::Relaxed) - before;
        // One that comes alone takes some fifteen.
        assert!(together < 60 * 8, "{together} statements");
        assert_eq!(loads(&test).await.values().sum::<usize>(), 60);
    }

    async fn those_at_their_limit_are_passed_over_however_many(test: Test) {
        let agents = chatters(&test, 40).await;
        for agent in &agents[..30] {
            test.set_limit(agent, 1).await.data("");
        }
        let second = another(&test);
        assert_eq!(ask_at_once([&test.app, &second], 40).await, [OFFERED; 40]);
        assert_eq!(loads(&test).await.values().copied().max(), Some(1));
        assert_eq!(ask_at_once([&test.app, &second], 20).await, [OFFERED; 20]);
        let loads = loads(&test).await;
        let with = |load: usize| loads.values().filter(|found| **found == load).count();
        assert_eq!((with(1), with(3)), (30, 10), "{loads:?}");
        // Who comes when nobody has room is told so, and so is the next.
        for agent in &agents[30..] {
            test.set_limit(agent, 3).await.data("");
        }
        let states = ask_at_once([&test.app, &second], 5).await;
        assert_eq!(states, [UNANSWERED; 5]);
    }

    async fn room_for_some_is_given_to_some(test: Test) {
        let agents = chatters(&test, 3).await;
        for agent in &agents {
            test.set_limit(agent, 2).await.data("");
        }
        let second = another(&test);
        let states = ask_at_once([&test.app, &second], 30).await;
        let count = |state: &str| states.iter().filter(|found| *found == state).count();
        assert_eq!((count(OFFERED), count(UNANSWERED)), (6, 24));
        assert!(loads(&test).await.values().all(|load| *load == 2));
    }

    async fn weights_hold_however_many_come_at_once(test: Test) {
        let agents = chatters(&test, 2).await;
        for agent in &agents {
            test.set_limit(agent, 100).await.data("");
        }
        let query = "mutation($id: ID!) { updateAgent(input: { agentId: $id, weight: 3 }) { weight } }";
        test.admin(query, json!({ "id": agents[1].id })).await.data("/updateAgent/weight");
        let second = another(&test);
        ask_at_once([&test.app, &second], 80).await;
        let loads = loads(&test).await;
        let share = |name: &str| loads.get(name).copied().unwrap_or_default();
        assert!(share("Agent0").abs_diff(20) <= 1 && share("Agent1").abs_diff(60) <= 1, "{loads:?}");
    }

    async fn one_conversation_is_one_request_however_many_ask(test: Test) {
        chatters(&test, 2).await;
        let key = test.key(Profile::MarketingAdmin).await;
        let asked = (0..24).map(|place| {
            let input = json!({ "input": { "conversationId": format!("c-{}", place % 3) } });
            let (test, key) = (&test, &key);
            async move { test.send(key, REQUEST, input).await.data("/requestLiveChat/request/id") }
        });
        let mut made: Vec<String> = join_all(asked).await.iter().map(Value::to_string).collect();
        made.sort();
        made.dedup();
        assert_eq!(made.len(), 3);
        assert_eq!(test.texts("SELECT state FROM live_chat_offers").await, ["OPEN"; 3]);
    }

    async fn who_is_asked_and_declines_at_once_is_asked_once(test: Test) {
        let agents = chatters(&test, 4).await;
        let second = another(&test);
        ask_at_once([&test.app, &second], 12).await;
        // All that is open is declined at once, in both processes, until nobody is left to ask.
        for round in 1..=4 {
            let open = test.texts("SELECT CAST(COUNT(*) AS text) FROM live_chat_offers WHERE state = 'OPEN'").await;
            assert_eq!(open, ["12"], "round {round}");
            let open = open_offers(&test, &agents).await;
            let declined = open.into_iter().enumerate().map(|(place, (agent, offer))| {
                let app = if place % 2 == 0 { &test.app } else { &second };
                async move {
                    let caller = Caller::Agent { id: agent, profile: Profile::LiveAgent };
                    live_chat::offer::decline(app, &caller, offer).await.unwrap()
                }
            });
            assert_eq!(join_all(declined).await.len(), 12);
        }
        assert_eq!(test.texts("SELECT state FROM live_chat_requests").await, [UNANSWERED; 12]);
        let asked = test.texts("SELECT CAST(COUNT(*) AS text) FROM live_chat_offers GROUP BY request_id, agent_id").await;
        assert_eq!(asked, ["1"; 48]);
    }

    async fn all_that_runs_out_at_once_is_passed_on_once(test: Test) {
        chatters(&test, 4).await;
        let second = another(&test);
        ask_at_once([&test.app, &second], 12).await;
        for _ in 1..=4 {
            test.clock.advance(chrono::TimeDelta::seconds(100));
            let (one, two) = tokio::join!(
                frontdesk::jobs::run_chats_due(&test.app),
                frontdesk::jobs::run_chats_due(&second),
            );
            one.unwrap();
            two.unwrap();
        }
        assert_eq!(test.texts("SELECT state FROM live_chat_requests").await, [UNANSWERED; 12]);
        let asked = test.texts("SELECT CAST(COUNT(*) AS text) FROM live_chat_offers GROUP BY request_id, agent_id").await;
        assert_eq!(asked, ["1"; 48]);
        assert_eq!(test.texts("SELECT state FROM live_chat_offers").await, ["EXPIRED"; 48]);
    }
}

/// Every open offer, with whose it is.
async fn open_offers(test: &Test, agents: &[Chatter]) -> Vec<(uuid::Uuid, uuid::Uuid)> {
    use frontdesk::store::live_chat::offer;
    use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
    let mine: Vec<_> = agents.iter().map(|agent| ids::AGENT.parse(&agent.id).unwrap()).collect();
    let open = offer::Entity::find()
        .filter(offer::Column::AgentId.is_in(mine))
        .filter(offer::Column::State.eq(offer::OPEN))
        .all(&test.app.db)
        .await
        .unwrap();
    open.into_iter().map(|offer| (offer.agent_id, offer.id)).collect()
}

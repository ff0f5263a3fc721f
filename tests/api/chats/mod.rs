//! Live chats: asked for, offered, taken, and what the clock does with them.

mod clock;
mod explain;
mod fallback;
mod incoming;
mod missed;
mod offers;
mod places;
mod races;
mod requests;
mod rights;
mod together;
mod told;

use std::sync::Arc;

use frontdesk::app::{App, Parts};
use frontdesk::ids::RandomIds;
use frontdesk::jobs;
use frontdesk::mail::Mailer;
use frontdesk::secrets::Secrets;
use serde_json::{Value, json};

use crate::support::{Answer, Test, http_settings};

const REQUEST: &str = "mutation($input: RequestLiveChatInput!) { requestLiveChat(input: $input) {
    __typename
    ... on LiveChatOffered { request { id status agent { id } } }
    ... on LiveChatFallback { message request { id status endedAt } meeting { timeZone slots { startsAt endsAt } } }
} }";
const FIELDS: &str =
    "id status agent { id } conversationId createdAt acceptedAt lastActiveAt endedAt
    endReason fallback { message }";
const OFFERS: &str = "offers { id status agent { id } offeredAt expiresAt endedAt }";

/// An agent who takes live chats now, and its browser's token.
struct Chatter {
    id: String,
    token: String,
}

impl Test {
    /// An agent whose toggle says AVAILABLE, until midnight.
    async fn chatter(&self, name: &str) -> Chatter {
        let id = self.agent(name).await;
        let chatter = Chatter { token: self.token(&id, 720).await, id };
        self.toggle(&chatter, "AVAILABLE").await;
        chatter
    }

    async fn toggle(&self, chatter: &Chatter, status: &str) {
        let query = format!(
            "mutation($id: ID!) {{ setLiveChatOverride(input: {{ agentId: $id, status: {status} }}) {{ id }} }}"
        );
        self.admin(&query, json!({ "id": chatter.id })).await.data("/setLiveChatOverride/id");
    }

    async fn set_limit(&self, chatter: &Chatter, limit: i64) -> Answer {
        let query = "mutation($id: ID!, $limit: Int!) {
            setLiveChatAvailability(input: { agentId: $id, limit: $limit }) { liveChat { limit active } } }";
        self.admin(query, json!({ "id": chatter.id, "limit": limit })).await
    }

    /// Asks for a chat as a visitor, and returns what comes of it.
    async fn ask(&self, input: Value) -> Value {
        self.visitor(REQUEST, json!({ "input": input })).await.data("/requestLiveChat")
    }

    /// The same for a request that is offered: its ID.
    async fn offered(&self, input: Value) -> String {
        let made = self.ask(input).await;
        assert_eq!(made["__typename"], "LiveChatOffered", "{made:#}");
        made["request"]["id"].as_str().unwrap().to_owned()
    }

    /// A request as the administrator sees it.
    async fn chat(&self, id: &str) -> Value {
        let query =
            format!("query($id: ID!) {{ liveChatRequest(id: $id) {{ {FIELDS} {OFFERS} }} }}");
        self.admin(&query, json!({ "id": id })).await.data("/liveChatRequest")
    }

    /// Its offers, as `status agent`, with agents by the names of `who`.
    async fn offers(&self, id: &str, who: &[(&Chatter, &str)]) -> Vec<String> {
        let offers = self.chat(id).await["offers"].clone();
        let line = |offer: &Value| {
            let agent = offer["agent"]["id"].as_str().unwrap();
            let name = who.iter().find(|(chatter, _)| chatter.id == agent).map_or("?", |(_, n)| n);
            format!("{} {name}", offer["status"].as_str().unwrap())
        };
        offers.as_array().unwrap().iter().map(line).collect()
    }

    /// The offer that is open of a request.
    async fn open_offer(&self, id: &str) -> String {
        let offers = self.chat(id).await["offers"].clone();
        let open = offers.as_array().unwrap().iter().find(|offer| offer["status"] == "OPEN");
        open.expect("an open offer")["id"].as_str().unwrap().to_owned()
    }

    async fn accept(&self, bearer: &str, offer: &str) -> Answer {
        self.send(bearer, ACCEPT, json!({ "offer": offer })).await
    }

    /// Accepts what is open of a request.
    async fn take(&self, chatter: &Chatter, request: &str) -> Value {
        let offer = self.open_offer(request).await;
        self.accept(&chatter.token, &offer).await.data("/acceptLiveChat")
    }

    async fn decline(&self, chatter: &Chatter, request: &str) -> Value {
        let offer = self.open_offer(request).await;
        let query =
            "mutation($offer: ID!) { declineLiveChat(offerId: $offer) { id status endedAt } }";
        let answer = self.send(&chatter.token, query, json!({ "offer": offer })).await;
        answer.data("/declineLiveChat")
    }

    /// `cancel`, `touch` or `end` by whoever has `bearer`.
    async fn change_chat(&self, bearer: &str, what: &str, id: &str) -> Answer {
        let query =
            format!("mutation($id: ID!) {{ {what}LiveChat(requestId: $id) {{ {FIELDS} }} }}");
        self.send(bearer, &query, json!({ "id": id })).await
    }

    /// Does what is due of live chats, and says how much that was.
    async fn run_chats(&self) -> usize {
        jobs::run_chats_due(&self.app).await.unwrap()
    }

    async fn status(&self, id: &str) -> String {
        self.chat(id).await["status"].as_str().unwrap().to_owned()
    }
}

const ACCEPT: &str = "mutation($offer: ID!) { acceptLiveChat(offerId: $offer) { __typename
    ... on LiveChatAccepted { request { id status agent { id } } }
    ... on LiveChatMissed { message offer { id status } } } }";

/// Another process on the same database, with the same time.
fn another(test: &Test) -> Arc<App> {
    Arc::new(App::new(Parts {
        db: test.app.db.clone(),
        clock: Arc::clone(&test.app.clock),
        ids: Arc::new(RandomIds),
        secrets: Secrets::new(&[7; 32]),
        providers: test.app.providers.values().map(Arc::clone).collect(),
        http: calendar_http::HttpClient::new(http_settings()).unwrap(),
        mailer: Mailer::memory().0,
        config: test.app.config.clone(),
    }))
}

//! Who may call what: every root field as every kind of caller, against a committed table, and what
//! is kept from whom inside what they may see.

mod editing;
mod ending;
mod profiles;

use std::collections::{BTreeSet, VecDeque};

use chrono::TimeDelta;
use frontdesk::graphql::access::RULES;
use frontdesk::ids;
use frontdesk::service::access::Profile;
use frontdesk::service::credential;
use frontdesk::service::routing::Record;
use frontdesk::store::JsonOf;
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};

use crate::on_both;
use crate::subscriptions::Events;
use crate::support::{Answer, Test};

/// `UPDATE=1 cargo test --test api the_table` writes it anew.
const TABLE: &str = include_str!("access.table");

const LEGEND: &str = "\
# Who may call each field of Query, Mutation and Subscription, and what comes of it.
# UPDATE=1 cargo test --test api the_table writes this file; tests/api/access.rs calls each one.
#
# Callers: a visitor; API keys by profile; an agent's own token, by the agent's profile, for that
# agent; a LIVE_AGENT's token for another agent; a token that expired; a key that was revoked; a
# booking's manage token in place of a key.
#
# Outcomes: OK, done; NULL, answered with nothing; FORBID, FORBIDDEN; UNAUTH, UNAUTHENTICATED;
# ABSENT, NOT_FOUND; INPUT, let in, but the built-in calendar has no such thing.
#
";

/// An operation for each field. `$agent` is the agent that the caller is or means.
#[rustfmt::skip]
const OPERATIONS: &[(&str, &str)] = &[
    ("viewer", "{ viewer { kind } }"),
    ("node", "query($agent: ID!) { node(id: $agent) { id } }"),
    ("agent", "query($agent: ID!) { agent(id: $agent) { id } }"),
    ("agents", "{ agents { nodes { id } } }"),
    ("booking", "query($booking: ID!) { booking(id: $booking) { id } }"),
    ("managedBooking", "query($token: String!) { managedBooking(manageToken: $token) { id } }"),
    ("bookings", "{ bookings { nodes { id } } }"),
    ("slots", "{ slots(input: { from: \"2027-01-05\", to: \"2027-01-06\", timeZone: \"UTC\" }) { days { date } } }"),
    ("calendarProviders", "{ calendarProviders { id } }"),
    ("templateTokens", "{ templateTokens { token } }"),
    ("previewInvite", "query($agent: ID!) { previewInvite(input: { agentId: $agent, subject: \"a\", body: \"b\" }) { text } }"),
    ("failedDeliveries", "{ failedDeliveries { nodes { id } } }"),
    ("pushPublicKey", "{ pushPublicKey }"),
    ("registerPushSubscription", "mutation($agent: ID!, $endpoint: Url!) { registerPushSubscription(input: { agentId: $agent, endpoint: $endpoint, keys: { p256dh: \"BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4\", auth: \"BTBZMqHH6r4Tts7J_aSIgg\" } }) { id } }"),
    ("removePushRegistration", "mutation($agent: ID!, $endpoint: Url!) { removePushRegistration(agentId: $agent, endpoint: $endpoint) { id } }"),
    ("routingRule", "query($rule: ID!) { routingRule(id: $rule) { id } }"),
    ("routingRules", "{ routingRules { id } }"),
    ("fallbackMessages", "{ fallbackMessages { message } }"),
    ("setFallbackMessage", "mutation { setFallbackMessage(input: { kind: MEETING, message: \"Nobody\" }) { kind } }"),
    ("removeFallbackMessage", "mutation { removeFallbackMessage(kind: MEETING) }"),
    ("whyUnavailable", "query($agent: ID!) { whyUnavailable(agentId: $agent, at: \"2027-01-05T03:00:00Z\") { available } }"),
    ("createRoutingRule", "mutation($agent: ID!) { createRoutingRule(input: { name: \"Large\", agentIds: [$agent], condition: { test: { field: COMPANY_NAME, operator: IS_EMPTY } } }) { id } }"),
    ("updateRoutingRule", "mutation($rule: ID!) { updateRoutingRule(input: { ruleId: $rule, name: \"Small\" }) { id } }"),
    ("deleteRoutingRule", "mutation($rule: ID!) { deleteRoutingRule(ruleId: $rule) }"),
    ("reorderRoutingRules", "mutation($rules: [ID!]!) { reorderRoutingRules(ruleIds: $rules) { id } }"),
    ("webhooks", "{ webhooks { id } }"),
    ("webhook", "query($webhook: ID!) { webhook(id: $webhook) { id } }"),
    ("account", "query($account: ID!) { account(id: $account) { id } }"),
    ("accounts", "{ accounts { nodes { id } } }"),
    ("blockedVisitors", "{ blockedVisitors { nodes { id } } }"),
    ("blockVisitors", "mutation { blockVisitors(input: { domains: [\"spam.example\"] }) { blocked { id } } }"),
    ("unblockVisitors", "mutation { unblockVisitors(input: { domains: [\"spam.example\"] }) { unblocked { id } } }"),
    ("createAccount", "mutation($agent: ID!, $name: String!) { createAccount(input: { name: $name, domains: [], ownerId: $agent }) { id } }"),
    ("updateAccount", "mutation($account: ID!, $name: String!) { updateAccount(input: { accountId: $account, name: $name }) { id } }"),
    ("deleteAccount", "mutation($account: ID!) { deleteAccount(accountId: $account) }"),
    ("importAccounts", "mutation { importAccounts(input: { csv: \"name,domains,owner\" }) { applied } }"),
    ("issueAgentToken", "mutation($agent: ID!) { issueAgentToken(agentId: $agent, ttlMinutes: 1) { token } }"),
    ("revokeAgentTokens", "mutation($agent: ID!) { revokeAgentTokens(input: { agentId: $agent }) { agent { id } } }"),
    ("createAgent", "mutation($email: EmailAddress!) { createAgent(input: { name: \"New\", email: $email, profile: CALENDAR_AGENT }) { id } }"),
    ("updateAgent", "mutation($agent: ID!) { updateAgent(input: { agentId: $agent, name: \"New\" }) { id } }"),
    ("setMeetingAvailability", "mutation($agent: ID!) { setMeetingAvailability(input: { agentId: $agent, horizonDays: 60 }) { id } }"),
    ("setDateOverride", "mutation($agent: ID!) { setDateOverride(input: { agentId: $agent, date: \"2028-01-01\", blocks: [] }) { id } }"),
    ("removeDateOverride", "mutation($agent: ID!) { removeDateOverride(agentId: $agent, date: \"2028-01-01\") { id } }"),
    ("setLiveChatAvailability", "mutation($agent: ID!) { setLiveChatAvailability(input: { agentId: $agent, timeZone: \"UTC\" }) { id } }"),
    ("setLiveChatOverride", "mutation($agent: ID!) { setLiveChatOverride(input: { agentId: $agent, status: AVAILABLE }) { id } }"),
    ("clearLiveChatOverride", "mutation($agent: ID!) { clearLiveChatOverride(agentId: $agent) { id } }"),
    ("setInviteTemplate", "mutation($agent: ID!) { setInviteTemplate(input: { agentId: $agent, subject: \"a\" }) { id } }"),
    ("startCalendarAuthorization", "mutation($agent: ID!) { startCalendarAuthorization(input: { agentId: $agent, providerId: \"builtin\" }) { authorizationUrl } }"),
    ("connectCalendar", "mutation($agent: ID!) { connectCalendar(input: { agentId: $agent, providerId: \"builtin\" }) { id } }"),
    ("disconnectCalendar", "mutation($agent: ID!) { disconnectCalendar(agentId: $agent) { id } }"),
    ("selectCalendar", "mutation($agent: ID!) { selectCalendar(input: { agentId: $agent, calendarRef: \"primary\" }) { id } }"),
    ("createCalendarFeed", "mutation($agent: ID!) { createCalendarFeed(agentId: $agent) { url } }"),
    ("revokeCalendarFeed", "mutation($agent: ID!) { revokeCalendarFeed(agentId: $agent) }"),
    ("createBusyTime", "mutation($agent: ID!) { createBusyTime(input: { agentId: $agent, startsAt: \"2028-01-01T00:00:00Z\", endsAt: \"2028-01-02T00:00:00Z\" }) { id } }"),
    ("deleteBusyTime", "mutation($agent: ID!, $busy: ID!) { deleteBusyTime(agentId: $agent, busyTimeId: $busy) { id } }"),
    ("bookMeeting", "mutation($agent: ID!, $start: DateTime!, $email: EmailAddress!) { bookMeeting(input: { startsAt: $start, timeZone: \"UTC\", route: { agentId: $agent }, person: { email: $email } }) { ... on MeetingBooked { booking { id } } ... on SlotUnavailable { message } } }"),
    ("rescheduleBooking", "mutation($booking: ID!, $start: DateTime!) { rescheduleBooking(input: { booking: { id: $booking }, startsAt: $start }) { ... on MeetingBooked { booking { id } } ... on SlotUnavailable { message } } }"),
    ("confirmBooking", "mutation { confirmBooking(input: { token: \"fdc_none\" }) { ... on MeetingBooked { manageToken } } }"),
    ("cancelBooking", "mutation($booking: ID!) { cancelBooking(input: { booking: { id: $booking } }) { id } }"),
    ("acceptCalendarEventDrift", "mutation($booking: ID!) { acceptCalendarEventDrift(bookingId: $booking) { id } }"),
    ("undoCalendarEventDrift", "mutation($booking: ID!) { undoCalendarEventDrift(bookingId: $booking) { id } }"),
    ("retryDelivery", "mutation($delivery: ID!) { retryDelivery(deliveryId: $delivery) { id } }"),
    ("createWebhook", "mutation { createWebhook(input: { url: \"https://hooks.example/\", events: [BOOKING_CREATED] }) { webhook { id } } }"),
    ("updateWebhook", "mutation($webhook: ID!) { updateWebhook(input: { webhookId: $webhook, enabled: true }) { id } }"),
    ("deleteWebhook", "mutation($webhook: ID!) { deleteWebhook(webhookId: $webhook) }"),
    ("rotateWebhookSecret", "mutation($webhook: ID!) { rotateWebhookSecret(webhookId: $webhook) { webhook { id } } }"),
    ("resendWebhookDelivery", "mutation($delivery: ID!) { resendWebhookDelivery(deliveryId: $delivery) { id } }"),
    ("liveChatRequest", "query($chat: ID!) { liveChatRequest(id: $chat) { id } }"),
    ("liveChats", "{ liveChats { nodes { id } } }"),
    ("requestLiveChat", "mutation { requestLiveChat(input: {}) { __typename } }"),
    ("cancelLiveChat", "mutation($chat: ID!) { cancelLiveChat(requestId: $chat) { id } }"),
    ("touchLiveChat", "mutation($chat: ID!) { touchLiveChat(requestId: $chat) { id } }"),
    ("endLiveChat", "mutation($chat: ID!) { endLiveChat(requestId: $chat) { id } }"),
    ("acceptLiveChat", "mutation($offer: ID!) { acceptLiveChat(offerId: $offer) { __typename ... on LiveChatMissed { message } } }"),
    ("declineLiveChat", "mutation($offer: ID!) { declineLiveChat(offerId: $offer) { id } }"),
    ("setFailedActionNotifications", "mutation($agent: ID!) { setFailedActionNotifications(agentId: $agent, enabled: false) { failedActionNotifications } }"),
    ("incomingLiveChats", "subscription($agent: ID!) { incomingLiveChats(agentId: $agent) { kind } }"),
    ("liveChatRequestChanged", "subscription($chat: ID!) { liveChatRequestChanged(id: $chat) { id } }"),
    ("team", "query($team: ID!) { team(id: $team) { id } }"),
    ("teams", "{ teams { nodes { id } } }"),
    ("explainRouting", "query($email: EmailAddress!) { explainRouting(person: { email: $email }) { chosen { id } } }"),
    ("createTeam", "mutation($email: String!, $agent: ID!) { createTeam(input: { name: $email, memberIds: [$agent] }) { id } }"),
    ("updateTeam", "mutation($team: ID!, $agent: ID!) { updateTeam(input: { teamId: $team, memberIds: [$agent] }) { id } }"),
    ("deleteTeam", "mutation($team: ID!) { deleteTeam(teamId: $team) }"),
    ("bookingChanged", "subscription($agent: ID!) { bookingChanged(agentId: $agent) { id } }"),
    ("agentChanged", "subscription($agent: ID!) { agentChanged(agentId: $agent) { id } }"),
];

/// Somebody who calls, and the agent that the call is about.
struct Caller {
    name: String,
    bearer: String,
    agent: String,
}

on_both! {
    async fn the_table_is_what_happens(test: Test) {
        let mut callers = callers(&test).await;
        let mut table = String::from(LEGEND);
        for part in 0..3 {
            let parts = callers.iter().map(|c| c.name.split([' ', '_']).nth(part).unwrap_or(""));
            table.push_str(&row("#", parts));
        }
        let mut world = World::new();
        for (root, field) in root_fields(&test).await {
            let operation = OPERATIONS.iter().find(|(name, _)| *name == field);
            let (_, operation) = operation.unwrap_or_else(|| panic!("{field} has no operation here"));
            let mut outcomes: Vec<String> = Vec::new();
            let mut unused: Option<(&str, Value)> = None;
            for caller in &callers {
                let variables = match unused.take() {
                    Some((agent, variables)) if agent == caller.agent => variables,
                    _ => world.prepare(&test, &field, caller).await,
                };
                let body = if root == "Subscription" {
                    world.hear(&test, &field, operation, caller, variables.clone()).await
                } else {
                    test.send(&caller.bearer, operation, variables.clone()).await.body
                };
                outcomes.push(named(&body, &field));
                // What a caller was refused is there for the next one, or the refusal was a lie.
                let is_refused = outcomes.last().is_some_and(|outcome| outcome != "OK");
                if root == "Query" || (root == "Mutation" && is_refused) {
                    unused = Some((&caller.agent, variables));
                }
            }
            table.push_str(&row(&format!("{root}.{field}"), outcomes.iter().map(String::as_str)));
            if field == "revokeAgentTokens" {
                for caller in callers.iter_mut().filter(|caller| caller.name.starts_with("own")) {
                    caller.bearer = test.token(&caller.agent, 720).await;
                }
            }
        }
        if std::env::var_os("UPDATE").is_some() {
            let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/api/access.table");
            std::fs::write(path, &table).unwrap();
        } else {
            for (found, expected) in table.lines().zip(TABLE.lines()) {
                assert_eq!(found, expected);
            }
            assert_eq!(table.lines().count(), TABLE.lines().count());
        }
    }
}

on_both! {
    async fn every_root_field_has_a_rule_and_a_line(test: Test) {
        let mut fields = BTreeSet::new();
        for (root, field) in root_fields(&test).await {
            let line = format!("{root}.{field} ");
            assert!(TABLE.lines().any(|row| row.starts_with(&line)), "{line} is not in the table");
            fields.insert(field);
        }
        let ruled: BTreeSet<String> = RULES.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(ruled.len(), RULES.len(), "a field has two rules");
        assert_eq!(fields, ruled);
    }
}

/// The fields of the three root types, as the server itself tells.
async fn root_fields(test: &Test) -> Vec<(String, String)> {
    let query = "{ __schema { queryType { name fields { name } }
        mutationType { name fields { name } } subscriptionType { name fields { name } } } }";
    let answer = test.visitor(query, json!({})).await;
    let mut found = Vec::new();
    for root in ["queryType", "mutationType", "subscriptionType"] {
        let root = answer.data(&format!("/__schema/{root}"));
        for field in root["fields"].as_array().unwrap() {
            let text = |value: &Value| value["name"].as_str().unwrap().to_owned();
            found.push((text(&root), text(field)));
        }
    }
    found
}

async fn callers(test: &Test) -> Vec<Caller> {
    let subject = test.bookable_agent("Subject").await;
    let (_, manage) = test.booked(&subject, "2027-01-04T09:00:00Z", "ada@visitors.example").await;
    let caller = |name: &str, bearer: String, agent: &str| Caller {
        name: name.to_owned(),
        bearer,
        agent: agent.to_owned(),
    };
    let mut callers = vec![caller("visitor", String::new(), &subject)];
    for profile in Profile::ALL {
        let key = test.key(profile).await;
        callers.push(caller(&format!("key {}", profile.as_str()), key, &subject));
    }
    for profile in [Profile::LiveAgent, Profile::CalendarAgent, Profile::MarketingUser] {
        let agent = test.bookable_agent(&format!("Own{}", profile.as_str())).await;
        let query = "mutation($id: ID!, $profile: Profile!) {
            updateAgent(input: { agentId: $id, profile: $profile }) { id } }";
        let given = json!({ "id": agent, "profile": profile.as_str() });
        test.admin(query, given).await.data("/updateAgent/id");
        let token = test.token(&agent, 720).await;
        callers.push(caller(&format!("own {}", profile.as_str()), token, &agent));
    }
    let other = test.agent("Other").await;
    callers.push(caller("other agent", test.token(&other, 720).await, &subject));
    let expired = test.token(&subject, 1).await;
    test.clock.advance(TimeDelta::minutes(1));
    callers.push(caller("expired", expired, &subject));
    let revoked = credential::create_api_key(&test.app, "revoked", Profile::Admin).await.unwrap();
    credential::revoke_api_key(&test.app, revoked.record.id).await.unwrap();
    callers.push(caller("revoked", revoked.key, &subject));
    callers.push(caller("manage token", manage, &subject));
    callers
}

/// A line of the table.
fn row<'a>(field: &str, cells: impl Iterator<Item = &'a str>) -> String {
    let mut line = format!("{field:<44}");
    for cell in cells {
        line.push_str(&format!("{cell:<10}"));
    }
    format!("{}\n", line.trim_end())
}

/// What operations are about, made anew where one used it up.
struct World {
    starts: VecDeque<String>,
    counter: u32,
    /// Kept open, since a stream that goes would hide that another came.
    streams: Vec<Events>,
}

impl World {
    fn new() -> Self {
        Self { starts: VecDeque::new(), counter: 0, streams: Vec::new() }
    }

    /// Makes what `field` needs to do something, so that OK means that it was done.
    async fn prepare(&mut self, test: &Test, field: &str, caller: &Caller) -> Value {
        self.counter += 1;
        let agent = caller.agent.as_str();
        let email = format!("v{}@visitors.example", self.counter);
        let mut variables = json!({ "agent": agent, "email": email });
        match field {
            "booking" | "managedBooking" | "cancelBooking" => {
                self.booking(test, agent, &mut variables).await;
            }
            "acceptCalendarEventDrift" | "undoCalendarEventDrift" => {
                self.booking(test, agent, &mut variables).await;
                let drift = r#"{"range":null,"noticed_at":"2027-01-04T08:00:00Z"}"#;
                let sql = format!("UPDATE bookings SET drift = '{drift}'");
                test.app.db.execute_unprepared(&sql).await.unwrap();
            }
            "rescheduleBooking" => {
                self.booking(test, agent, &mut variables).await;
                variables["start"] = self.start(test, agent).await.into();
            }
            "createAccount" => variables["name"] = format!("New {}", self.counter).into(),
            "account" | "updateAccount" | "deleteAccount" => {
                variables["name"] = format!("Account {}", self.counter).into();
                let made = test.admin(operation("createAccount"), variables.clone()).await;
                variables["account"] = made.data("/createAccount/id");
                variables["name"] = format!("New {}", self.counter).into();
            }
            "bookMeeting" | "bookingChanged" => {
                variables["start"] = self.start(test, agent).await.into()
            }
            "retryDelivery" => {
                self.booking(test, agent, &mut variables).await;
                let sql = "UPDATE outbox SET state = 'FAILED' WHERE state = 'PENDING'";
                test.app.db.execute_unprepared(sql).await.unwrap();
                let query = "{ failedDeliveries(last: 1) { nodes { id } } }";
                let failed = test.admin(query, json!({})).await;
                variables["delivery"] = failed.data("/failedDeliveries/nodes/0/id");
            }
            "webhook" | "updateWebhook" | "deleteWebhook" | "rotateWebhookSecret" => {
                variables["webhook"] = self.webhook(test, "LIVE_CHAT_TIMED_OUT").await;
            }
            "createWebhook" => {
                // At most 50 may be there.
                test.app.db.execute_unprepared("DELETE FROM webhooks").await.unwrap();
            }
            "resendWebhookDelivery" => {
                let webhook = self.webhook(test, "BOOKING_CREATED").await;
                self.booking(test, agent, &mut variables).await;
                let query = "query($id: ID!) { webhook(id: $id) {
                    deliveries(last: 1) { nodes { id } } } }";
                let kept = test.admin(query, json!({ "id": webhook })).await;
                variables["delivery"] = kept.data("/webhook/deliveries/nodes/0/id");
            }
            "team" | "updateTeam" | "deleteTeam" => {
                let named = json!({ "agent": agent, "email": format!("Team {}", self.counter) });
                let made = test.admin(operation("createTeam"), named).await;
                variables["team"] = made.data("/createTeam/id");
            }
            "liveChatRequest"
            | "liveChatRequestChanged"
            | "incomingLiveChats"
            | "cancelLiveChat"
            | "touchLiveChat"
            | "endLiveChat"
            | "acceptLiveChat"
            | "declineLiveChat" => {
                self.chat(test, agent, field, &mut variables).await;
            }
            "deleteBusyTime" => {
                let made = test.admin(operation("createBusyTime"), variables.clone()).await;
                variables["busy"] = made.data("/createBusyTime/id");
            }
            "registerPushSubscription" => {
                variables["endpoint"] = "https://push.example/browser".into();
            }
            "removePushRegistration" => {
                variables["endpoint"] = "https://push.example/browser".into();
                let register = operation("registerPushSubscription");
                test.admin(register, variables.clone()).await.data("");
            }
            "routingRule" | "updateRoutingRule" | "deleteRoutingRule" => {
                let made = test.admin(operation("createRoutingRule"), variables.clone()).await;
                variables["rule"] = made.data("/createRoutingRule/id");
            }
            "reorderRoutingRules" => {
                let rules = test.admin(operation("routingRules"), json!({})).await;
                let rules = rules.data("/routingRules");
                let ids = rules.as_array().unwrap().iter().map(|rule| rule["id"].clone());
                variables["rules"] = ids.collect();
            }
            "removeDateOverride" => {
                test.admin(operation("setDateOverride"), variables.clone()).await.data("");
            }
            "disconnectCalendar" | "selectCalendar" | "createCalendarFeed" => {
                test.connect(agent, "builtin").await.data("");
            }
            "createBusyTime" => {
                test.connect(agent, "builtin").await.data("");
            }
            _ => {}
        }
        variables
    }

    /// What a subscription tells first, once something happened that is to be told.
    async fn hear(
        &mut self,
        test: &Test,
        field: &str,
        operation: &str,
        caller: &Caller,
        variables: Value,
    ) -> Value {
        let mut events = Events::open(test, &caller.bearer, operation, variables.clone()).await;
        let change = match field {
            "agentChanged" => "updateAgent",
            // Both begin with how things stand.
            "incomingLiveChats" | "liveChatRequestChanged" => "touchLiveChat",
            _ => "bookMeeting",
        };
        test.admin(self::operation(change), variables).await.data("");
        let first = events.next().await;
        self.streams.push(events);
        first
    }

    /// A chat that the agent is asked to take, or for its end has, with all that names it.
    async fn chat(&self, test: &Test, agent: &str, field: &str, variables: &mut Value) {
        use frontdesk::store::live_chat::{offer, request};
        use sea_orm::{ActiveModelTrait, EntityTrait, IntoActiveModel, Set};
        let now = test.app.now();
        let agent_id = ids::AGENT.parse(agent).unwrap();
        let is_taken = field == "endLiveChat";
        let request = request::Model {
            id: test.app.uuid(),
            state: if is_taken { request::ACCEPTED } else { request::OFFERED }.to_owned(),
            requester: "visitor".to_owned(),
            conversation_id: None,
            conversation_url: None,
            person: None,
            company: None,
            locale: "en".to_owned(),
            time_zone: None,
            message: None,
            route: JsonOf(request::Route::default()),
            routing: JsonOf(json!(Record::default())),
            agent_id: is_taken.then_some(agent_id),
            created_at: now,
            accepted_at: is_taken.then_some(now),
            touched_at: None,
            ended_at: None,
            end_reason: None,
            due_at: None,
            revision: 0,
            place_hash: None,
            network_hash: None,
        };
        let offer = offer::ActiveModel {
            id: Set(test.app.uuid()),
            request_id: Set(request.id),
            agent_id: Set(agent_id),
            state: Set(if is_taken { offer::ACCEPTED } else { offer::OPEN }.to_owned()),
            offered_at: Set(now),
            expires_at: Set(now + TimeDelta::seconds(100)),
            ended_at: Set(is_taken.then_some(now)),
            pushed_at: Set(None),
        };
        variables["chat"] = ids::LIVE_CHAT_REQUEST.format(request.id).into();
        let row = request.into_active_model().reset_all();
        request::Entity::insert(row).exec_without_returning(&test.app.db).await.unwrap();
        let offer = offer.insert(&test.app.db).await.unwrap();
        variables["offer"] = ids::LIVE_CHAT_OFFER.format(offer.id).into();
    }

    /// A booking by somebody else, with all that names it.
    async fn booking(&mut self, test: &Test, agent: &str, variables: &mut Value) {
        variables["start"] = self.start(test, agent).await.into();
        let query = "mutation($agent: ID!, $start: DateTime!, $email: EmailAddress!) {
            bookMeeting(input: { startsAt: $start, timeZone: \"UTC\", route: { agentId: $agent },
                person: { email: $email } }) {
            ... on MeetingBooked { manageToken booking { id } } } }";
        let made = test.admin(query, variables.clone()).await;
        variables["booking"] = made.data("/bookMeeting/booking/id");
        variables["token"] = made.data("/bookMeeting/manageToken");
    }

    /// The only webhook, told of one event.
    async fn webhook(&self, test: &Test, event: &str) -> Value {
        test.app.db.execute_unprepared("DELETE FROM webhooks").await.unwrap();
        let query = "mutation($events: [WebhookEvent!]!) { createWebhook(input: {
            url: \"https://hooks.example/\", events: $events }) { webhook { id } } }";
        let made = test.admin(query, json!({ "events": [event] })).await;
        made.data("/createWebhook/webhook/id")
    }

    /// A start that nobody was given before, so it is free with every agent.
    async fn start(&mut self, test: &Test, agent: &str) -> String {
        if self.starts.is_empty() {
            test.connect(agent, "builtin").await.data("");
            let query = "query($agent: ID!) { slots(input: { from: \"2027-01-05\",
                to: \"2027-03-04\", timeZone: \"UTC\", route: { agentId: $agent } }) {
                days { slots { startsAt } } } }";
            let answer = test.admin(query, json!({ "agent": agent })).await;
            for day in answer.data("/slots/days").as_array().unwrap() {
                let slots = day["slots"].as_array().unwrap().iter();
                self.starts.extend(slots.map(|slot| slot["startsAt"].as_str().unwrap().to_owned()));
            }
        }
        self.starts.pop_front().expect("a free start")
    }
}

fn operation(field: &str) -> &'static str {
    OPERATIONS.iter().find(|(name, _)| *name == field).unwrap().1
}

fn named(body: &Value, field: &str) -> String {
    let Some(error) = body["errors"].get(0) else {
        let data = &body["data"][field];
        assert_eq!(data.get("message"), None, "the slot was to be free: {body:#}");
        return if data.is_null() { "NULL" } else { "OK" }.to_owned();
    };
    match error["extensions"]["code"].as_str() {
        Some("FORBIDDEN") => "FORBID".to_owned(),
        Some("UNAUTHENTICATED") => "UNAUTH".to_owned(),
        Some("NOT_FOUND") => "ABSENT".to_owned(),
        Some("BAD_USER_INPUT")
            if ["input.providerId", "input.agentId"]
                .contains(&error["extensions"]["field"].as_str().unwrap_or("")) =>
        {
            "INPUT".to_owned()
        }
        _ => panic!("{field}: {body:#}"),
    }
}

/// What a caller gets for a field inside something it may see.
async fn check_inside(test: &Test, bearer: &str, query: &str, ids: &Value, expected: &str) {
    let answer = test.send(bearer, query, ids.clone()).await;
    let found = match answer.body.get("errors") {
        None => "OK",
        Some(_) => answer.code(),
    };
    assert_eq!(found, expected, "{query}: {:#}", answer.body);
}

/// Of an agent, what is not for everybody.
const PRIVATE: [&str; 8] = [
    "pushRegistrations { id }",
    "email",
    "profile",
    "calendar { account }",
    "dateOverrides { date }",
    "busyTimes { title }",
    "invite { body }",
    "bookings { nodes { id } }",
];

/// Of an agent, what any known caller may see.
const KNOWN: [&str; 5] = [
    "weight",
    "active",
    "inMeetingQueue",
    "meetingAvailability { timeZone }",
    "liveChat { status }",
];

on_both! {
    async fn a_visitor_sees_of_the_agent_who_it_is(test: Test) {
        let agent = test.bookable_agent("Grace").await;
        let (_, token) = test.booked(&agent, "2027-01-05T09:00:00Z", "ada@visitors.example").await;
        let ids = json!({ "token": token });
        let query = |field: &str| {
            format!("query($token: String!) {{ managedBooking(manageToken: $token) {{ agent {{ {field} }} }} }}")
        };
        for field in ["id", "name", "locale"] {
            check_inside(&test, "", &query(field), &ids, "OK").await;
        }
        for field in PRIVATE.iter().chain(&KNOWN) {
            check_inside(&test, "", &query(field), &ids, "UNAUTHENTICATED").await;
        }
    }
}

on_both! {
    async fn an_agent_sees_of_others_what_colleagues_see(test: Test) {
        let grace = test.bookable_agent("Grace").await;
        let token = test.token(&test.agent("Alan").await, 60).await;
        let own = test.token(&grace, 60).await;
        let ids = json!({ "id": grace });
        for field in PRIVATE {
            let query = format!("query($id: ID!) {{ agent(id: $id) {{ {field} }} }}");
            check_inside(&test, &token, &query, &ids, "FORBIDDEN").await;
            check_inside(&test, &own, &query, &ids, "OK").await;
            check_inside(&test, &test.admin, &query, &ids, "OK").await;
        }
        for field in KNOWN.iter().chain(&["name"]) {
            let query = format!("query($id: ID!) {{ agent(id: $id) {{ {field} }} }}");
            check_inside(&test, &token, &query, &ids, "OK").await;
        }
    }
}

on_both! {
    async fn what_ails_a_calendar_is_for_its_agent(test: Test) {
        let agent = test.bookable_agent("Grace").await;
        let (id, token) = test.booked(&agent, "2027-01-05T09:00:00Z", "ada@visitors.example").await;
        let sql = "UPDATE bookings SET event_problem = 'words', event_url = 'https://e.example/',
            mail_problem = 'words'";
        test.app.db.execute_unprepared(sql).await.unwrap();
        let fields = "calendarEvent { status url problem } confirmation { status problem }";
        let query = format!("query($t: String!) {{ managedBooking(manageToken: $t) {{ {fields} }} }}");
        let seen = test.visitor(&query, json!({ "t": token })).await.data("/managedBooking");
        let hidden = json!({
            "calendarEvent": { "status": "PENDING", "url": null, "problem": null },
            "confirmation": { "status": "PENDING", "problem": null },
        });
        assert_eq!(seen, hidden);
        let query = format!("query($id: ID!) {{ booking(id: $id) {{ {fields} }} }}");
        let own = test.token(&agent, 60).await;
        let seen = test.send(&own, &query, json!({ "id": id })).await.data("/booking");
        assert_eq!(seen["calendarEvent"]["problem"], "words");
        assert_eq!(seen["confirmation"]["problem"], "words");
    }
}

const MANAGED: &str = "query($token: String!) { managedBooking(manageToken: $token) { id } }";

async fn managed(test: &Test, token: &str) -> Value {
    test.visitor(MANAGED, json!({ "token": token })).await.data("/managedBooking")
}

on_both! {
    async fn a_manage_token_opens_one_booking(test: Test) {
        let agent = test.bookable_agent("Grace").await;
        let (one, token) = test.booked(&agent, "2027-01-05T09:00:00Z", "ada@visitors.example").await;
        let (two, other) = test.booked(&agent, "2027-01-05T10:00:00Z", "eve@visitors.example").await;
        assert_eq!(managed(&test, &token).await["id"], one);
        assert_eq!(managed(&test, &other).await["id"], two);
        // The right booking's ID with another's secret, in both orders, and one letter changed.
        let half = token.len() / 2;
        let crossed = format!("{}{}", &token[..half], &other[half..]);
        for wrong in [crossed, format!("{token}A"), token[..token.len() - 1].to_owned(), one.clone()] {
            assert_eq!(managed(&test, &wrong).await, Value::Null, "{wrong}");
            for field in ["cancelBooking(input: { booking: { manageToken: $t } }) { id }",
                "rescheduleBooking(input: { booking: { manageToken: $t },
                    startsAt: \"2027-01-05T11:00:00Z\" }) { __typename }"]
            {
                let query = format!("mutation($t: String!) {{ {field} }}");
                let answer = test.visitor(&query, json!({ "t": wrong })).await;
                assert_eq!(answer.code(), "NOT_FOUND");
            }
        }
        let all = test.send(&token, "{ bookings { nodes { id } } }", json!({})).await;
        assert_eq!((all.status, all.code()), (401, "UNAUTHENTICATED"));
    }
}

on_both! {
    async fn a_manage_token_ends_30_days_after_the_meeting(test: Test) {
        let agent = test.bookable_agent("Grace").await;
        let (_, token) = test.booked(&agent, "2027-01-05T09:00:00Z", "ada@visitors.example").await;
        test.clock.set("2027-02-04T09:29:59Z");
        assert_ne!(managed(&test, &token).await, Value::Null);
        test.clock.set("2027-02-04T09:30:00Z");
        assert_eq!(managed(&test, &token).await, Value::Null);
    }
}

on_both! {
    async fn a_token_ends_at_its_time_and_a_key_when_revoked(test: Test) {
        let agent = test.agent("Grace").await;
        let token = test.token(&agent, 1).await;
        let kind = async |bearer: &str| -> Answer {
            test.send(bearer, "{ viewer { kind profile agent { id } } }", json!({})).await
        };
        test.clock.advance(TimeDelta::milliseconds(59_999));
        let seen = kind(&token).await.data("/viewer");
        assert_eq!(seen, json!({ "kind": "AGENT", "profile": "LIVE_AGENT", "agent": { "id": agent } }));
        test.clock.advance(TimeDelta::milliseconds(1));
        assert_eq!(kind(&token).await.code(), "UNAUTHENTICATED");
        let key = credential::create_api_key(&test.app, "short", Profile::Admin).await.unwrap();
        assert_eq!(kind(&key.key).await.data("/viewer/kind"), "API_KEY");
        credential::revoke_api_key(&test.app, key.record.id).await.unwrap();
        let refused = kind(&key.key).await;
        assert_eq!((refused.status, refused.code()), (401, "UNAUTHENTICATED"));
    }
}

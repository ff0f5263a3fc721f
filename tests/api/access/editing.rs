//! Nobody changes an agent who may do more, becomes it, or makes one.

use frontdesk::ids;
use frontdesk::service::access::{AgentEditor, Caller as Known, Profile};
use frontdesk::service::agent::AgentUpdate;
use frontdesk::service::{Error, agent, calendar, credential};
use serde_json::{Value, json};

use super::{Caller, World, operation};
use crate::on_both;
use crate::support::{Answer, Test};

const UPDATE: &str = "mutation($input: UpdateAgentInput!) { updateAgent(input: $input) { id } }";
const CREATE: &str = "mutation($input: CreateAgentInput!) { createAgent(input: $input) { id } }";
const ISSUE: &str = "mutation($id: ID!) { issueAgentToken(agentId: $id, ttlMinutes: 1) { token } }";

/// Who may manage agents of which profiles.
const MANAGED: [(Profile, &[Profile]); 2] = [
    (Profile::Admin, &Profile::ALL),
    (
        Profile::SalesAdmin,
        &[Profile::SalesAdmin, Profile::MarketingUser, Profile::LiveAgent, Profile::CalendarAgent],
    ),
];

fn manages(by: Profile, agent: Profile) -> bool {
    MANAGED.iter().any(|(manager, agents)| *manager == by && agents.contains(&agent))
}

async fn update(test: &Test, bearer: &str, agent: &str, mut input: Value) -> Answer {
    input["agentId"] = agent.into();
    test.send(bearer, UPDATE, json!({ "input": input })).await
}

/// An agent with a profile.
async fn agent_of(test: &Test, name: &str, profile: Profile) -> String {
    let agent = test.agent(name).await;
    let given = json!({ "profile": profile.as_str() });
    update(test, &test.admin, &agent, given).await.data("/updateAgent/id");
    agent
}

#[track_caller]
fn check(answer: &Answer, allowed: bool, what: &str) {
    match allowed {
        true => drop(answer.data("")),
        false => assert_eq!(answer.code(), "FORBIDDEN", "{what}: {:#}", answer.body),
    }
}

/// The mutations whose arguments, or whose input's fields, name an agent.
async fn mutations_about_an_agent(test: &Test) -> Vec<String> {
    let query = "{ __schema { types { name inputFields { name } }
        mutationType { fields { name args { name type { name ofType { name } } } } } } }";
    let schema = test.visitor(query, json!({})).await.data("/__schema");
    let names = |list: &Value| -> Vec<String> {
        let list = list.as_array().map_or(&[][..], Vec::as_slice);
        list.iter().map(|it| it["name"].as_str().unwrap_or_default().to_owned()).collect()
    };
    let types = schema["types"].as_array().unwrap();
    let has_agent = |input: &str| {
        let found = types.iter().find(|kind| kind["name"] == input);
        found.is_some_and(|kind| names(&kind["inputFields"]).contains(&"agentId".to_owned()))
    };
    let fields = schema["mutationType"]["fields"].as_array().unwrap();
    let is_about = |field: &&Value| {
        field["args"].as_array().unwrap().iter().any(|argument| {
            let kind = &argument["type"];
            let kind = kind["name"].as_str().or_else(|| kind["ofType"]["name"].as_str());
            argument["name"] == "agentId" || has_agent(kind.unwrap_or_default())
        })
    };
    let about = fields.iter().filter(is_about);
    about.map(|field| field["name"].as_str().unwrap().to_owned()).collect()
}

on_both! {
    async fn every_mutation_about_an_agent_asks_what_the_agent_may_do(test: Test) {
        let about = mutations_about_an_agent(&test).await;
        assert!(20 <= about.len(), "{about:?}");
        let key = test.key(Profile::SalesAdmin).await;
        let sales = agent_of(&test, "Sales", Profile::SalesAdmin).await;
        let token = test.token(&sales, 720).await;
        let subject = test.bookable_agent("Subject").await;
        let mut world = World::new();
        for field in about {
            for bearer in [&key, &token] {
                let caller = Caller { name: String::new(), bearer: bearer.clone(), agent: subject.clone() };
                let given = json!({ "profile": "LIVE_AGENT", "active": true });
                update(&test, &test.admin, &subject, given).await.data("");
                let variables = world.prepare(&test, &field, &caller).await;
                for profile in ["ADMIN", "MARKETING_ADMIN"] {
                    let given = json!({ "profile": profile });
                    update(&test, &test.admin, &subject, given).await.data("");
                    let answer = test.send(bearer, operation(&field), variables.clone()).await;
                    assert_eq!(answer.code(), "FORBIDDEN", "{field}: {:#}", answer.body);
                }
                let given = json!({ "profile": "LIVE_AGENT" });
                update(&test, &test.admin, &subject, given).await.data("");
                let answer = test.send(bearer, operation(&field), variables).await;
                // Tokens are for keys to issue, and the built-in calendar has no consent page.
                match (&*field, bearer == &token) {
                    ("issueAgentToken", true) => assert_eq!(answer.code(), "FORBIDDEN"),
                    ("startCalendarAuthorization" | "selectCalendar", _) => {
                        assert_eq!(answer.code(), "BAD_USER_INPUT");
                    }
                    _ => drop(answer.data("")),
                }
            }
        }
    }

    async fn every_pair_of_profiles_is_held_apart(test: Test) {
        let targets: Vec<(Profile, String)> = {
            let mut made = Vec::new();
            for profile in Profile::ALL {
                made.push((profile, agent_of(&test, &format!("Of{}", profile.as_str()), profile).await));
            }
            made
        };
        let plain = test.agent("Plain").await;
        let mut counter = 0;
        for by in Profile::ALL {
            let key = test.key(by).await;
            let own = agent_of(&test, &format!("By{}", by.as_str()), by).await;
            let token = test.token(&own, 720).await;
            for (theirs, target) in &targets {
                let allowed = manages(by, *theirs);
                let what = format!("{} over {}", by.as_str(), theirs.as_str());
                check(&test.send(&key, ISSUE, json!({ "id": target })).await, allowed, &what);
                for bearer in [&key, &token] {
                    counter += 1;
                    let email = format!("of{counter}@agents.example");
                    for change in [
                        json!({ "name": "New" }),
                        json!({ "email": email }),
                        json!({ "active": false }),
                        json!({ "active": true }),
                        json!({ "profile": theirs.as_str() }),
                    ] {
                        check(&update(&test, bearer, target, change).await, allowed, &what);
                    }
                    let given = json!({ "profile": theirs.as_str() });
                    check(&update(&test, bearer, &plain, given).await, allowed, &what);
                    let back = json!({ "profile": "CALENDAR_AGENT" });
                    update(&test, &test.admin, &plain, back).await.data("");
                    let new = json!({ "name": "New", "email": format!("new{counter}@agents.example"),
                        "profile": theirs.as_str() });
                    check(&test.send(bearer, CREATE, json!({ "input": new })).await, allowed, &what);
                }
            }
        }
    }

    async fn an_agent_changes_itself_and_raises_nothing(test: Test) {
        let sales = agent_of(&test, "Sales", Profile::SalesAdmin).await;
        let token = test.token(&sales, 720).await;
        let answer = update(&test, &token, &sales, json!({ "name": "New", "weight": 2 })).await;
        answer.data("/updateAgent/id");
        let answer = update(&test, &token, &sales, json!({ "profile": "ADMIN" })).await;
        assert_eq!(answer.code(), "FORBIDDEN");
        let admin = agent_of(&test, "Admin", Profile::Admin).await;
        let token = test.token(&admin, 720).await;
        let own = json!({ "agent": admin });
        test.send(&token, operation("setMeetingAvailability"), own).await.data("");
    }

    /// The agent is given another profile between the look at the caller and the change.
    async fn the_profile_that_counts_is_the_one_at_the_change(test: Test) {
        let subject = test.bookable_agent("Subject").await;
        let id = ids::AGENT.parse(&subject).unwrap();
        let caller = Known::Key { id, name: "key".to_owned(), profile: Profile::SalesAdmin };
        let editor = AgentEditor::new(&caller, id).unwrap();
        let app = &test.app;
        agent::update(app, editor, AgentUpdate::default()).await.unwrap();
        update(&test, &test.admin, &subject, json!({ "profile": "ADMIN" })).await.data("");
        let changed = agent::update(app, editor, AgentUpdate::default()).await.map(drop);
        let fed = calendar::create_feed(app, editor).await.map(drop);
        let issued = credential::issue_agent_token(app, editor, 1).await.map(drop);
        let revoked = credential::revoke_agent_tokens(app, editor).await.map(drop);
        for done in [changed, fed, issued, revoked] {
            assert!(matches!(done, Err(Error::Forbidden(_))), "{done:?}");
        }
    }
}

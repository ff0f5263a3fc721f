//! What the shipped profiles allow, and what the narrow permissions show.

use frontdesk::service::access::Profile;
use serde_json::{Value, json};

use super::operation;
use crate::on_both;
use crate::support::Test;

const AVAILABILITY: [&str; 3] =
    ["MANAGE_LIVE_CHAT_AVAILABILITY", "CONNECT_CALENDAR", "MANAGE_CALENDAR_AVAILABILITY"];

/// What each profile allows, in the schema's order.
fn expected(profile: Profile) -> Vec<&'static str> {
    let some = match profile {
        Profile::Admin => vec![
            "MANAGE_AGENTS",
            "VIEW_MY_CONVERSATIONS",
            "VIEW_ALL_CONVERSATIONS",
            "MANAGE_ALL_MEETINGS",
            "VIEW_MY_ROUTING",
            "VIEW_ROUTING",
            "VIEW_ACCOUNTS",
            "MANAGE_ROUTING",
            "MANAGE_PRIVACY_AND_SECURITY",
            "MANAGE_INTEGRATIONS",
            "VIEW_MY_REPORTS",
            "VIEW_REPORTS",
            "EXPORT_REPORTS",
        ],
        Profile::SalesAdmin => vec![
            "MANAGE_AGENTS",
            "VIEW_MY_CONVERSATIONS",
            "VIEW_ALL_CONVERSATIONS",
            "MANAGE_ALL_MEETINGS",
            "VIEW_MY_ROUTING",
            "VIEW_ROUTING",
            "VIEW_ACCOUNTS",
            "MANAGE_ROUTING",
            "VIEW_MY_REPORTS",
            "VIEW_REPORTS",
            "EXPORT_REPORTS",
        ],
        Profile::MarketingAdmin => {
            return vec![
                "VIEW_MY_ROUTING",
                "VIEW_ROUTING",
                "MANAGE_PRIVACY_AND_SECURITY",
                "MANAGE_INTEGRATIONS",
                "VIEW_MY_REPORTS",
                "VIEW_REPORTS",
                "EXPORT_REPORTS",
            ];
        }
        Profile::MarketingUser => {
            return vec!["VIEW_MY_ROUTING", "VIEW_ROUTING", "VIEW_MY_REPORTS", "VIEW_REPORTS"];
        }
        Profile::LiveAgent => vec!["VIEW_MY_CONVERSATIONS", "VIEW_MY_ROUTING", "VIEW_MY_REPORTS"],
        Profile::CalendarAgent => {
            let own = [AVAILABILITY[1], AVAILABILITY[2], "VIEW_MY_ROUTING", "VIEW_MY_REPORTS"];
            return own.to_vec();
        }
    };
    AVAILABILITY.into_iter().chain(some).collect()
}

/// Whoever has the first has the second.
const INCLUDES: [(&str, &str); 11] = [
    ("MANAGE_AGENTS", "MANAGE_LIVE_CHAT_AVAILABILITY"),
    ("MANAGE_AGENTS", "CONNECT_CALENDAR"),
    ("MANAGE_AGENTS", "MANAGE_CALENDAR_AVAILABILITY"),
    ("VIEW_ALL_CONVERSATIONS", "VIEW_MY_CONVERSATIONS"),
    ("VIEW_ROUTING", "VIEW_MY_ROUTING"),
    ("MANAGE_ROUTING", "VIEW_ROUTING"),
    ("MANAGE_ROUTING", "VIEW_MY_ROUTING"),
    ("MANAGE_ROUTING", "VIEW_ACCOUNTS"),
    ("VIEW_REPORTS", "VIEW_MY_REPORTS"),
    ("EXPORT_REPORTS", "VIEW_REPORTS"),
    ("EXPORT_REPORTS", "VIEW_MY_REPORTS"),
];

async fn permissions(test: &Test, bearer: &str) -> Vec<String> {
    let answer = test.send(bearer, "{ viewer { permissions } }", json!({})).await;
    let found = answer.data("/viewer/permissions");
    found.as_array().unwrap().iter().map(|it| it.as_str().unwrap().to_owned()).collect()
}

on_both! {
    async fn each_profile_allows_what_its_name_promises(test: Test) {
        for profile in Profile::ALL {
            let found = permissions(&test, &test.key(profile).await).await;
            assert_eq!(found, expected(profile), "{}", profile.as_str());
            let has = |name: &str| found.iter().any(|it| it == name);
            for (wide, narrow) in INCLUDES {
                assert!(!has(wide) || has(narrow), "{}: {wide} without {narrow}", profile.as_str());
            }
        }
    }

    async fn an_agent_sees_how_its_meeting_was_routed_without_accounts_and_rules(test: Test) {
        let grace = test.bookable_agent("Grace").await;
        let account = "mutation($id: ID!) { createAccount(input: { name: \"Visitors\",
            domains: [\"visitors.example\"], ownerId: $id }) { id } }";
        test.admin(account, json!({ "id": grace })).await.data("");
        test.admin(operation("createRoutingRule"), json!({ "agent": grace })).await.data("");
        let input = json!({ "startsAt": "2027-01-05T09:00:00Z", "timeZone": "UTC",
            "person": { "email": "ada@visitors.example" } });
        let booked = test.book_input(input).await;
        let booking = booked.data("/bookMeeting/booking/id");
        let query = "query($id: ID!) { booking(id: $id) { routing { account { name } rules { name }
            chosen { id } tiers { kind id name candidates { outcome } } } } }";
        let seen = async |bearer: &str| -> Value {
            let answer = test.send(bearer, query, json!({ "id": booking })).await;
            answer.data("/booking/routing")
        };
        let all = seen(&test.admin).await;
        assert_eq!(all["account"]["name"], "Visitors");
        assert_eq!(all["rules"].as_array().unwrap().len(), 1);
        assert_eq!(all["tiers"][0]["name"], "Visitors");
        let own = seen(&test.token(&grace, 60).await).await;
        assert_eq!((&own["account"], &own["rules"]), (&Value::Null, &json!([])), "{own:#}");
        assert_eq!(own["chosen"]["id"], grace);
        let tiers = own["tiers"].as_array().unwrap();
        assert_eq!(tiers.len(), all["tiers"].as_array().unwrap().len());
        assert_eq!(tiers[0]["kind"], "OWNER");
        assert_eq!(tiers[0]["candidates"], all["tiers"][0]["candidates"]);
        for tier in tiers.iter().filter(|tier| ["OWNER", "RULE"].map(Value::from).contains(&tier["kind"])) {
            assert_eq!((&tier["id"], &tier["name"]), (&Value::Null, &Value::Null), "{tier}");
        }
    }

    async fn rules_and_accounts_are_seen_apart(test: Test) {
        let grace = test.bookable_agent("Grace").await;
        let account = "mutation($id: ID!) { createAccount(input: { name: \"Visitors\",
            domains: [\"visitors.example\"], ownerId: $id }) { id } }";
        let made = test.admin(account, json!({ "id": grace })).await.data("/createAccount/id");
        test.admin(operation("createRoutingRule"), json!({ "agent": grace })).await.data("");
        let key = test.key(Profile::MarketingUser).await;
        let explain = "{ explainRouting(person: { email: \"ada@visitors.example\" }) {
            account { name } rules { name } tiers { kind name } } }";
        let seen = test.send(&key, explain, json!({})).await.data("/explainRouting");
        assert_eq!(seen["account"], Value::Null);
        assert_eq!(seen["rules"][0]["name"], "Large");
        assert_eq!(seen["tiers"][0], json!({ "kind": "OWNER", "name": null }));
        let seen = test.admin(explain, json!({})).await.data("/explainRouting");
        assert_eq!(seen["account"]["name"], "Visitors");
        let node = "query($id: ID!) { node(id: $id) { id } }";
        let answer = test.send(&key, node, json!({ "id": made })).await;
        assert_eq!(answer.data("/node"), Value::Null);
        let answer = test.send(&key, operation("accounts"), json!({})).await;
        assert_eq!(answer.code(), "FORBIDDEN");
    }
}

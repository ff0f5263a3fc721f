//! Many at once, in one process and in two.

use frontdesk::ids;
use frontdesk::service::access::{Caller, Profile};
use frontdesk::service::live_chat::{self, NewRequest, offer::Accepted};
use frontdesk::service::routing::Route;
use futures_util::future::join_all;
use serde_json::json;

use super::another;
use crate::on_both;
use crate::support::Test;

fn new(route: Route) -> NewRequest {
    NewRequest {
        person: None,
        company: None,
        route,
        locale: None,
        zone: None,
        message: None,
        conversation_id: None,
        conversation_url: None,
    }
}

on_both! {
    async fn of_an_accept_and_a_cancel_at_once_one_wins(test: Test) {
        let grace = test.chatter("Grace").await;
        let agent = ids::AGENT.parse(&grace.id).unwrap();
        let caller = Caller::Agent { id: agent, profile: Profile::LiveAgent };
        let second = another(&test);
        for _ in 0..10 {
            let id = test.offered(json!({})).await;
            let offer = ids::LIVE_CHAT_OFFER.parse(&test.open_offer(&id).await).unwrap();
            let request = ids::LIVE_CHAT_REQUEST.parse(&id).unwrap();
            let (accepted, twice, cancelled) = tokio::join!(
                live_chat::offer::accept(&test.app, &caller, offer),
                live_chat::offer::accept(&second, &caller, offer),
                live_chat::cancel(&second, request),
            );
            let is_taken = |accepted: &Accepted| matches!(accepted, Accepted::Taken(_));
            let (first, twice) = (accepted.unwrap(), twice.unwrap());
            assert_eq!(is_taken(&first), is_taken(&twice), "{first:?} {twice:?}");
            let expected = if is_taken(&first) { "ACCEPTED" } else { "CANCELLED" };
            assert_eq!(cancelled.unwrap().state, expected);
            if is_taken(&first) {
                test.change_chat(&grace.token, "end", &id).await.data("");
            }
        }
    }

    async fn a_thousand_ask_at_once_with_one_agent_free(test: Test) {
        let grace = test.chatter("Grace").await;
        for name in ["Ada", "Bob"] {
            let idle = test.chatter(name).await;
            test.toggle(&idle, "UNAVAILABLE").await;
        }
        let second = another(&test);
        let asked = (0..1000).map(|place| {
            let app = if place % 2 == 0 { &test.app } else { &second };
            live_chat::request(app, &Caller::Visitor { network: None }, new(Route::Queue))
        });
        let states: Vec<String> =
            join_all(asked).await.into_iter().map(|request| request.unwrap().state).collect();
        let count = |state: &str| states.iter().filter(|found| *found == state).count();
        assert_eq!((count("OFFERED"), count("UNANSWERED")), (10, 990));
        let offers = test.texts("SELECT state FROM live_chat_offers").await;
        assert_eq!(offers, ["OPEN"; 10]);
        let _ = grace;
    }

    async fn an_agent_of_many_teams_is_asked_up_to_the_limit(test: Test) {
        let grace = test.chatter("Grace").await;
        test.set_limit(&grace, 1).await.data("");
        let mut routes = vec![Route::Queue, Route::Agent(ids::AGENT.parse(&grace.id).unwrap())];
        for place in 0..6 {
            let query = "mutation($name: String!, $ids: [ID!]!) {
                createTeam(input: { name: $name, memberIds: $ids }) { id } }";
            let input = json!({ "name": format!("Team {place}"), "ids": [grace.id] });
            let team = test.admin(query, input).await.data("/createTeam/id");
            routes.push(Route::Team(ids::TEAM.parse(team.as_str().unwrap()).unwrap()));
        }
        // Each from a queue of its own, whose lock keeps none of the others out.
        for _ in 0..5 {
            let asked = routes.iter().map(|route| {
                let (app, route) = (std::sync::Arc::clone(&test.app), *route);
                tokio::spawn(async move {
                    live_chat::request(&app, &Caller::Visitor { network: None }, new(route)).await.unwrap()
                })
            });
            let made = join_all(asked.collect::<Vec<_>>()).await;
            let offered: Vec<_> = made
                .into_iter()
                .map(Result::unwrap)
                .filter(|request| request.state == "OFFERED")
                .collect();
            assert_eq!(offered.len(), 1);
            live_chat::cancel(&test.app, offered[0].id).await.unwrap();
        }
    }

    async fn mixed_routes_never_wait_in_a_circle(test: Test) {
        let mut agents = Vec::new();
        for place in 0..4 {
            let chatter = test.chatter(&format!("Agent{place}")).await;
            test.set_limit(&chatter, 3).await.data("");
            agents.push(chatter);
        }
        let mut routes = vec![Route::Queue];
        for pair in [[0, 1], [1, 2], [3, 0]] {
            let members = pair.map(|place| agents[place].id.clone());
            let query = "mutation($name: String!, $ids: [ID!]!) {
                createTeam(input: { name: $name, memberIds: $ids }) { id } }";
            let name = format!("{pair:?}");
            let made = test.admin(query, json!({ "name": name, "ids": members })).await;
            let team = made.data("/createTeam/id").as_str().unwrap().to_owned();
            routes.push(Route::Team(ids::TEAM.parse(&team).unwrap()));
        }
        routes.extend(agents.iter().map(|agent| Route::Agent(ids::AGENT.parse(&agent.id).unwrap())));
        let second = another(&test);
        let asked = (0..200).map(|place| {
            let app = if place % 2 == 0 { &test.app } else { &second };
            live_chat::request(app, &Caller::Visitor { network: None }, new(routes[place % routes.len()]))
        });
        let made: Vec<_> = join_all(asked).await.into_iter().map(|made| made.unwrap().state).collect();
        assert_eq!(made.iter().filter(|state| *state == "OFFERED").count(), 12);
        let open = test.texts("SELECT state FROM live_chat_offers WHERE state = 'OPEN'").await;
        assert_eq!(open.len(), 12);
        let loads = test.texts("SELECT CAST(COUNT(*) AS text) FROM live_chat_offers GROUP BY agent_id").await;
        assert_eq!(loads, ["3"; 4]);
    }
}

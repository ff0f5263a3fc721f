//! What callers must not learn by a way around.

use frontdesk::mail::SendErrorKind;
use frontdesk::service::access::Profile;
use frontdesk::service::credential;
use serde_json::{Value, json};

use crate::on_both;
use crate::subscriptions::Events;
use crate::support::Test;

on_both! {
    async fn failed_deliveries_show_bookings_only_to_who_may_see_them(test: Test) {
        let agent = test.bookable_agent("Grace").await;
        test.booked(&agent, "2027-01-05T09:00:00Z", "ada@visitors.example").await;
        test.mails.fail_next(SendErrorKind::Permanent);
        test.deliver().await;
        let query = "{ failedDeliveries { nodes { kind problem booking { person { email } } } } }";
        let seen = test.admin(query, Value::Null).await;
        let email = seen.data("/failedDeliveries/nodes/0/booking/person/email");
        assert_eq!(email, "ada@visitors.example");
        let marketing = test.key(Profile::MarketingAdmin).await;
        let seen = test.send(&marketing, query, Value::Null).await;
        assert_eq!(seen.data("/failedDeliveries/nodes/0/booking"), Value::Null);
    }
}

on_both! {
    async fn an_agent_cannot_find_colleagues_by_their_address(test: Test) {
        let agent = test.agent("Grace").await;
        test.agent("Barbara").await;
        let token = test.token(&agent, 60).await;
        let query = "query($search: String) { agents(search: $search) { totalCount nodes { name } } }";
        for (caller, search, found) in [
            (&test.admin, "barbara@agents", 1),
            (&token, "barbara@agents", 0),
            (&token, "barb", 1),
        ] {
            let answer = test.send(caller, query, json!({ "search": search })).await;
            assert_eq!(answer.data("/agents/totalCount"), found, "{search}");
            assert_eq!(answer.data("/agents/nodes").as_array().unwrap().len(), found, "{search}");
        }
    }
}

on_both! {
    async fn a_stream_ends_when_its_key_is_revoked(test: Test) {
        let agent = test.bookable_agent("Grace").await;
        let key = credential::create_api_key(&test.app, "wall board", Profile::Admin).await.unwrap();
        let query = "subscription { bookingChanged { id } }";
        let mut events = Events::open(&test, &key.key, query, Value::Null).await;
        test.booked(&agent, "2027-01-05T09:00:00Z", "ada@visitors.example").await;
        assert!(events.next().await["data"]["bookingChanged"]["id"].is_string());
        credential::revoke_api_key(&test.app, key.record.id).await.unwrap();
        test.booked(&agent, "2027-01-05T10:00:00Z", "eve@visitors.example").await;
        let last = events.next().await;
        assert_eq!(last["errors"][0]["extensions"]["code"], "UNAUTHENTICATED", "{last:#}");
    }
}

on_both! {
    async fn a_feed_ends_with_its_calendar_and_its_agent(test: Test) {
        let agent = test.bookable_agent("Grace").await;
        let query = "mutation($id: ID!) { createCalendarFeed(agentId: $id) { url } }";
        let url = test.admin(query, json!({ "id": agent })).await.data("/createCalendarFeed/url");
        let path = url.as_str().unwrap().strip_prefix("https://meet.example.com").unwrap().to_owned();
        let status = async || {
            test.request(reqwest::Method::GET, &path).send().await.unwrap().status().as_u16()
        };
        assert_eq!(status().await, 200);
        let disconnect = "mutation($id: ID!) { disconnectCalendar(agentId: $id) { id } }";
        test.admin(disconnect, json!({ "id": agent })).await.data("/disconnectCalendar/id");
        assert_eq!(status().await, 404);
        test.connect(&agent, "builtin").await.data("/connectCalendar/id");
        assert_eq!(status().await, 200);
        let update = "mutation($input: UpdateAgentInput!) { updateAgent(input: $input) { id } }";
        let off = json!({ "input": { "agentId": agent, "active": false } });
        test.admin(update, off).await.data("/updateAgent/id");
        assert_eq!(status().await, 404);
    }
}

on_both! {
    async fn the_queue_is_for_agents_with_a_weekly_block(test: Test) {
        let agent = test.bookable_agent("Grace").await;
        test.set_availability(&agent, json!({ "blocks": [] })).await;
        let query = "mutation($input: SetDateOverrideInput!) {
            setDateOverride(input: $input) { inMeetingQueue } }";
        let input = json!({ "agentId": agent, "date": "2027-01-05",
            "blocks": [{ "start": "09:00", "end": "10:00" }] });
        let set = test.admin(query, json!({ "input": input })).await;
        assert_eq!(set.data("/setDateOverride/inMeetingQueue"), false);
        assert!(test.starts(Value::Null, "2027-01-05").await.is_empty());
        assert_eq!(test.starts(json!({ "agentId": agent }), "2027-01-05").await.len(), 2);
    }
}

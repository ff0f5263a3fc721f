//! What agents do with offers, and where a request goes next.

use chrono::TimeDelta;
use frontdesk::ids;
use frontdesk::store::live_chat::offer;
use serde_json::json;

use crate::on_both;
use crate::support::Test;

on_both! {
    async fn who_declines_passes_it_on_at_once(test: Test) {
        let (ada, bob) = (test.chatter("Ada").await, test.chatter("Bob").await);
        let who = [(&ada, "Ada"), (&bob, "Bob")];
        let id = test.offered(json!({})).await;
        assert_eq!(test.decline(&ada, &id).await["status"], "DECLINED");
        assert_eq!(test.offers(&id, &who).await, ["DECLINED Ada", "OPEN Bob"]);
        assert_eq!(test.decline(&bob, &id).await["status"], "DECLINED");
        // Nobody is asked twice.
        assert_eq!(test.status(&id).await, "UNANSWERED");
        assert_eq!(test.offers(&id, &who).await, ["DECLINED Ada", "DECLINED Bob"]);
    }

    async fn who_does_not_answer_in_time_is_passed_over(test: Test) {
        let (ada, bob) = (test.chatter("Ada").await, test.chatter("Bob").await);
        let who = [(&ada, "Ada"), (&bob, "Bob")];
        let id = test.offered(json!({})).await;
        test.clock.advance(TimeDelta::milliseconds(99_999));
        assert_eq!(test.run_chats().await, 0);
        test.clock.advance(TimeDelta::milliseconds(1));
        assert_eq!(test.run_chats().await, 1);
        assert_eq!(test.offers(&id, &who).await, ["EXPIRED Ada", "OPEN Bob"]);
        test.clock.advance(TimeDelta::seconds(100));
        test.run_chats().await;
        assert_eq!(test.status(&id).await, "UNANSWERED");
    }

    async fn a_team_that_is_exhausted_leaves_any_agent(test: Test) {
        let (ada, bob) = (test.chatter("Ada").await, test.chatter("Bob").await);
        let who = [(&ada, "Ada"), (&bob, "Bob")];
        let query = "mutation($id: ID!) { createTeam(input: { name: \"Sales\", memberIds: [$id] }) { id } }";
        let team = test.admin(query, json!({ "id": bob.id })).await.data("/createTeam/id");
        let id = test.offered(json!({ "route": { "teamId": team } })).await;
        assert_eq!(test.offers(&id, &who).await, ["OPEN Bob"]);
        test.decline(&bob, &id).await;
        assert_eq!(test.offers(&id, &who).await, ["DECLINED Bob", "OPEN Ada"]);
        test.take(&ada, &id).await;
        assert_eq!(test.status(&id).await, "ACCEPTED");
    }

    async fn a_team_that_is_taken_away_leaves_any_agent(test: Test) {
        let (ada, bob) = (test.chatter("Ada").await, test.chatter("Bob").await);
        let query = "mutation($id: ID!) { createTeam(input: { name: \"Sales\", memberIds: [$id] }) { id } }";
        let team = test.admin(query, json!({ "id": bob.id })).await.data("/createTeam/id");
        let id = test.offered(json!({ "route": { "teamId": team } })).await;
        test.admin("mutation($id: ID!) { deleteTeam(teamId: $id) }", json!({ "id": team })).await.data("/deleteTeam");
        test.decline(&bob, &id).await;
        assert_eq!(test.offers(&id, &[(&ada, "Ada"), (&bob, "Bob")]).await, ["DECLINED Bob", "OPEN Ada"]);
    }

    async fn who_went_and_is_back_is_asked_again(test: Test) {
        let (ada, bob) = (test.chatter("Ada").await, test.chatter("Bob").await);
        let who = [(&ada, "Ada"), (&bob, "Bob")];
        let id = test.offered(json!({})).await;
        test.toggle(&ada, "UNAVAILABLE").await;
        test.run_chats().await;
        assert_eq!(test.offers(&id, &who).await, ["WITHDRAWN Ada", "OPEN Bob"]);
        test.toggle(&ada, "AVAILABLE").await;
        test.decline(&bob, &id).await;
        assert_eq!(test.offers(&id, &who).await, ["WITHDRAWN Ada", "DECLINED Bob", "OPEN Ada"]);
    }

    async fn an_accept_that_comes_too_late_is_told_so(test: Test) {
        let (ada, bob) = (test.chatter("Ada").await, test.chatter("Bob").await);
        let id = test.offered(json!({})).await;
        let offer = test.open_offer(&id).await;
        // The timer has not run, and still the clock decides.
        test.clock.advance(TimeDelta::seconds(100));
        let late = test.accept(&ada.token, &offer).await.data("/acceptLiveChat");
        assert_eq!(late["__typename"], "LiveChatMissed");
        assert_eq!((&late["offer"]["status"], &late["message"]),
            (&json!("EXPIRED"), &json!("The time to accept this chat is over.")));
        assert_eq!(test.run_chats().await, 1);
        assert_eq!(test.offers(&id, &[(&ada, "Ada"), (&bob, "Bob")]).await, ["EXPIRED Ada", "OPEN Bob"]);
        let again = test.accept(&ada.token, &offer).await.data("/acceptLiveChat");
        assert_eq!(again, late);
    }

    async fn a_decline_that_comes_too_late_is_no_answer(test: Test) {
        let (ada, bob) = (test.chatter("Ada").await, test.chatter("Bob").await);
        let id = test.offered(json!({})).await;
        test.clock.advance(TimeDelta::seconds(100));
        assert_eq!(test.decline(&ada, &id).await["status"], "EXPIRED");
        assert_eq!(test.offers(&id, &[(&ada, "Ada"), (&bob, "Bob")]).await, ["EXPIRED Ada", "OPEN Bob"]);
        assert_eq!(test.run_chats().await, 0);
    }

    async fn who_accepts_twice_has_it(test: Test) {
        let ada = test.chatter("Ada").await;
        let id = test.offered(json!({})).await;
        let offer = test.open_offer(&id).await;
        for _ in 0..2 {
            let taken = test.accept(&ada.token, &offer).await.data("/acceptLiveChat");
            assert_eq!((&taken["__typename"], &taken["request"]["id"]), (&json!("LiveChatAccepted"), &json!(id)));
        }
        // Declining what was accepted changes nothing.
        let query = "mutation($offer: ID!) { declineLiveChat(offerId: $offer) { status } }";
        let declined = test.send(&ada.token, query, json!({ "offer": offer })).await;
        assert_eq!(declined.data("/declineLiveChat/status"), "ACCEPTED");
        let (db, now) = (&test.app.db, test.app.now());
        let id_of_offer = ids::LIVE_CHAT_OFFER.parse(&offer).unwrap();
        assert!(!offer::end(db, id_of_offer, offer::WITHDRAWN, now).await.unwrap());
        assert_eq!(test.offers(&id, &[(&ada, "Ada")]).await, ["ACCEPTED Ada"]);
        assert_eq!(test.status(&id).await, "ACCEPTED");
    }

    async fn an_offer_is_its_agents_alone(test: Test) {
        let (ada, bob) = (test.chatter("Ada").await, test.chatter("Bob").await);
        let id = test.offered(json!({ "route": { "agentId": ada.id } })).await;
        let offer = test.open_offer(&id).await;
        assert_eq!(test.accept("", &offer).await.code(), "UNAUTHENTICATED");
        assert_eq!(test.accept(&bob.token, &offer).await.code(), "NOT_FOUND");
        assert_eq!(test.accept(&test.admin, &offer).await.code(), "FORBIDDEN");
        assert_eq!(test.status(&id).await, "OFFERED");
    }

    async fn who_becomes_unavailable_keeps_chats_and_loses_offers(test: Test) {
        let (ada, bob) = (test.chatter("Ada").await, test.chatter("Bob").await);
        let who = [(&ada, "Ada"), (&bob, "Bob")];
        let ask = async || test.offered(json!({ "route": { "agentId": ada.id } })).await;
        let (kept, lost) = (ask().await, test.offered(json!({})).await);
        test.take(&ada, &kept).await;
        assert_eq!(test.offers(&lost, &who).await, ["OPEN Ada"]);
        test.toggle(&ada, "UNAVAILABLE").await;
        assert_eq!(test.run_chats().await, 1);
        assert_eq!(test.status(&kept).await, "ACCEPTED");
        assert_eq!(test.offers(&lost, &who).await, ["WITHDRAWN Ada", "OPEN Bob"]);
        // The same for who is deactivated, and for who may no longer.
        let update = "mutation($input: UpdateAgentInput!) { updateAgent(input: $input) { id } }";
        test.admin(update, json!({ "input": { "agentId": bob.id, "active": false } })).await.data("");
        assert_eq!(test.run_chats().await, 1);
        assert_eq!(test.status(&lost).await, "UNANSWERED");
        test.toggle(&ada, "AVAILABLE").await;
        let third = ask().await;
        test.admin(update, json!({ "input": { "agentId": ada.id, "profile": "CALENDAR_AGENT" } })).await.data("");
        test.run_chats().await;
        assert_eq!(test.offers(&third, &who).await, ["WITHDRAWN Ada"]);
    }
}

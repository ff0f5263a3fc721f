//! Mails about chats that nobody took.

use chrono::TimeDelta;
use serde_json::json;

use crate::on_both;
use crate::support::Test;

async fn subscribe(test: &Test, agent: &str) {
    let query = "mutation($id: ID!) { setFailedActionNotifications(agentId: $id, enabled: true) {
        failedActionNotifications } }";
    let answer = test.admin(query, json!({ "id": agent })).await;
    assert_eq!(answer.data("/setFailedActionNotifications/failedActionNotifications"), true);
}

fn subjects(test: &Test) -> Vec<String> {
    test.mails.drain().into_iter().map(|sent| sent.mail.subject).collect()
}

on_both! {
    async fn who_asked_is_told_once_of_a_chat_that_nobody_took(test: Test) {
        let grace = test.chatter("Grace").await;
        let watcher = test.agent("Watcher").await;
        subscribe(&test, &watcher).await;
        let id = test.offered(json!({ "person": { "email": "ada@visitors.example", "firstName": "Ada" }, "message": "Hello" })).await;
        test.deliver().await;
        assert!(subjects(&test).is_empty());
        test.decline(&grace, &id).await;
        test.deliver().await;
        assert_eq!(subjects(&test), ["Nobody took a live chat: Monday 4 January 2027, 08:00"]);
        test.run_chats().await;
        assert_eq!(test.deliver().await, 0);
    }

    async fn a_chat_that_came_to_nothing_is_told(test: Test) {
        let grace = test.chatter("Grace").await;
        subscribe(&test, &grace.id).await;
        let [silent, lively] = [test.offered(json!({})).await, test.offered(json!({})).await];
        for id in [&silent, &lively] {
            test.take(&grace, id).await;
        }
        test.clock.advance(TimeDelta::minutes(1));
        test.change_chat("", "touch", &lively).await.data("");
        test.clock.advance(TimeDelta::minutes(11));
        test.run_chats().await;
        test.deliver().await;
        assert_eq!(subjects(&test), ["A live chat was left unanswered: Monday 4 January 2027, 08:00"]);
    }

    async fn who_did_not_ask_or_no_longer_does_is_not_told(test: Test) {
        let watcher = test.agent("Watcher").await;
        let (quiet, gone, going) =
            (test.agent("Quiet").await, test.agent("Gone").await, test.agent("Going").await);
        for agent in [&watcher, &quiet, &gone, &going] {
            subscribe(&test, agent).await;
        }
        test.agent("Other").await;
        let deactivate = "mutation($id: ID!) { updateAgent(input: { agentId: $id, active: false }) { id } }";
        test.admin(deactivate, json!({ "id": gone })).await.data("");
        test.ask(json!({})).await;
        let waiting = "outbox WHERE kind = 'MISSED_CHAT_MAIL'";
        assert_eq!(test.count(waiting).await, 3);
        // Between what happened and the mail about it.
        let query = "mutation($id: ID!) { setFailedActionNotifications(agentId: $id, enabled: false) { id } }";
        test.admin(query, json!({ "id": quiet })).await.data("");
        test.admin(deactivate, json!({ "id": going })).await.data("");
        assert_eq!(test.deliver().await, 3);
        let told: Vec<_> = test.mails.drain().into_iter().map(|sent| sent.mail.to.email).collect();
        assert_eq!(told, ["watcher@agents.example"]);
    }

    async fn a_mail_shows_what_its_reader_may_see(test: Test) {
        let update = "mutation($id: ID!, $profile: Profile!) {
            updateAgent(input: { agentId: $id, profile: $profile }) { id } }";
        let asked = test.chatter("Asked").await;
        subscribe(&test, &asked.id).await;
        for (name, profile) in [("Sees", "SALES_ADMIN"), ("Own", "LIVE_AGENT"), ("Blind", "CALENDAR_AGENT")] {
            let agent = test.agent(name).await;
            test.admin(update, json!({ "id": agent, "profile": profile })).await.data("/updateAgent");
            subscribe(&test, &agent).await;
        }
        let id = test.offered(json!({
            "message": "Is anybody there?", "company": { "name": "Analytical Engines" },
            "person": { "email": "ada@visitors.example", "firstName": "Ada", "phone": "+33 1 23 45 67 89" },
        })).await;
        test.decline(&asked, &id).await;
        test.deliver().await;
        let sent = test.mails.drain();
        assert_eq!(sent.len(), 4);
        for mail in sent.into_iter().map(|sent| sent.mail) {
            let sees = ["sees@agents.example", "asked@agents.example"].contains(&mail.to.email.as_str());
            for words in ["Is anybody there?", "Analytical Engines", "ada@visitors.example", "Ada", "33 1 23"] {
                assert_eq!(mail.text.contains(words), sees, "{words} to {}: {}", mail.to.email, mail.text);
            }
        }
    }

    async fn a_flood_ends_with_a_mail_that_says_so(test: Test) {
        let watcher = test.agent("Watcher").await;
        subscribe(&test, &watcher).await;
        for _ in 0..25 {
            test.ask(json!({})).await;
        }
        test.deliver().await;
        let subjects = subjects(&test);
        assert_eq!(subjects.len(), 21);
        assert_eq!(subjects.iter().filter(|s| *s == "More live chats were missed").count(), 1);
        test.clock.advance(TimeDelta::hours(1));
        test.ask(json!({})).await;
        test.deliver().await;
        assert_eq!(self::subjects(&test).len(), 1);
    }
}

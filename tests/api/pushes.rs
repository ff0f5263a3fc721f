//! Providers that tell of changes: their channels, their calls, and what is made of them.

use calendar_provider::About;
use chrono::TimeDelta;
use frontdesk::http::RateLimit;
use reqwest::Method;
use serde_json::json;

use crate::on_both;
use crate::support::Database;
use crate::support::calendar::{Channel, Fault};
use crate::support::office::Office;

const AT_10: &str = "2027-01-05T10:00:00Z";

/// An office whose calendar tells of changes.
struct Told(Office);

impl Told {
    async fn start(database: Database) -> Self {
        let about = |about: &mut About| about.capabilities.push = true;
        Self(Office::start_with(database, about, |_| {}).await)
    }
}

impl Office {
    /// The one channel there is.
    #[track_caller]
    fn channel(&self) -> Channel {
        let channels = self.calendar.channels();
        assert_eq!(channels.len(), 1, "{channels:?}");
        channels[0].clone()
    }

    /// Calls a channel as the provider does, and returns the status of the answer.
    async fn push(&self, channel: &Channel, body: &str) -> u16 {
        self.push_as(&channel.path, &channel.secret, body).await
    }

    async fn push_as(&self, path: &str, secret: &str, body: &str) -> u16 {
        let request = self.test.request(Method::POST, path).header("X-Secret", secret);
        request.body(body.to_owned()).send().await.unwrap().status().as_u16()
    }
}

on_both! {
    async fn a_change_that_is_told_is_seen_at_once(told: Told) {
        let Told(office) = told;
        let channel = office.channel();
        assert_eq!(channel.path, format!("/calendar-pushes/{}", channel.channel));
        assert!(channel.secret.len() <= 64 && channel.channel.len() == 36, "{channel:?}");
        office.calendar.put(&office.agent, "lunch", AT_10, 30);
        assert_eq!(office.test.sync().await, 0);
        assert_eq!(office.push(&channel, "changed").await, 202);
        assert_eq!(office.test.sync().await, 1);
        assert!(!office.offers(AT_10).await);
        assert_eq!(office.poll().await, 0, "it is not polled as often");
    }

    async fn a_forged_call_does_nothing(told: Told) {
        let Told(office) = told;
        let channel = office.channel();
        let second = office.hire("Hedy").await;
        let others = office.calendar.channels().into_iter().find(|c| c.channel != channel.channel);
        let of_another = others.unwrap().secret;
        assert_ne!(second, office.agent);
        for secret in ["", "guessed", &of_another] {
            assert_eq!(office.push_as(&channel.path, secret, "changed").await, 401, "{secret}");
        }
        assert_eq!(office.push(&channel, "nonsense").await, 400);
        assert_eq!(office.test.sync().await, 0);
        assert_eq!(office.push(&channel, "nothing").await, 202);
        assert_eq!(office.test.sync().await, 0);
    }

    async fn many_calls_cost_one_look(told: Told) {
        let Told(office) = told;
        let channel = office.channel();
        let looks = office.calendar.calls("changes");
        let calls = (0..20).map(|_| office.push(&channel, "changed"));
        let statuses = futures_util::future::join_all(calls).await;
        assert_eq!(statuses, [202; 20]);
        assert_eq!(office.test.sync().await, 1);
        assert_eq!(office.calendar.calls("changes"), looks + 1);
    }

    async fn a_call_during_a_look_makes_one_more(told: Told) {
        let Told(office) = told;
        let channel = office.channel();
        office.push(&channel, "changed").await;
        let held = office.calendar.hold_next_look();
        let (looks, ()) = tokio::join!(office.test.sync(), async {
            held.begun().await;
            // The look that is under way knows its answer already.
            office.calendar.put(&office.agent, "lunch", AT_10, 30);
            office.push(&channel, "changed").await;
            office.push(&channel, "changed").await;
            held.go_on();
        });
        assert_eq!(looks, 2);
        assert!(!office.offers(AT_10).await);
    }

    async fn nobody_listens_on_a_channel_that_ended(told: Told) {
        let Told(office) = told;
        let channel = office.channel();
        for path in ["/calendar-pushes/nonsense", "/calendar-pushes/", "/calendar-pushes/%ff"] {
            let status = office.push_as(path, &channel.secret, "changed").await;
            assert!([404, 400].contains(&status), "{path}: {status}");
        }
        let unknown = "/calendar-pushes/01941f29-7c00-7000-8000-00000000ffff";
        assert_eq!(office.push_as(unknown, &channel.secret, "changed").await, 404);
        let query = "mutation($id: ID!) { disconnectCalendar(agentId: $id) { id } }";
        office.test.admin(query, json!({ "id": office.agent })).await.data("/disconnectCalendar/id");
        assert_eq!(office.push(&channel, "changed").await, 404);
        assert_eq!(office.poll().await, 0);
    }

    async fn an_address_is_tried(told: Told) {
        let Told(office) = told;
        let path = format!("{}?handshake=a%20token%3C", office.channel().path);
        let answer = office.test.request(Method::POST, &path).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], "text/plain");
        assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
        assert_eq!(answer.text().await.unwrap(), "a token<");
        let read = office.test.request(Method::GET, &path).send().await.unwrap();
        assert_eq!(read.status(), 405);
    }

    async fn a_call_that_is_too_long_is_refused(told: Told) {
        let Told(office) = told;
        let channel = office.channel();
        assert_eq!(office.push(&channel, &" ".repeat(256 * 1024 + 1)).await, 413);
        assert_eq!(office.push(&channel, &" ".repeat(256 * 1024)).await, 400);
    }

    async fn a_lost_call_is_made_up_for_by_a_slow_poll(told: Told) {
        let Told(office) = told;
        office.calendar.put(&office.agent, "lunch", AT_10, 30);
        assert_eq!(office.sync_after(TimeDelta::seconds(600)).await, 0);
        assert_eq!(office.sync_after(TimeDelta::seconds(300)).await, 1);
        assert!(!office.offers(AT_10).await);
    }

    async fn a_channel_is_made_anew_before_it_ends(told: Told) {
        let Told(office) = told;
        let first = office.channel();
        office.sync_after(TimeDelta::days(7)).await;
        assert_eq!(office.channel().channel, first.channel);
        office.sync_after(TimeDelta::days(1)).await;
        let second = office.channel();
        assert_ne!(second.channel, first.channel);
        assert_eq!(office.push(&first, "changed").await, 404);
        assert_eq!(office.push(&second, "changed").await, 202);
        for (word, looks) in [("renew", 1), ("ended", 1)] {
            let before = office.channel();
            assert_eq!(office.push(&before, word).await, 202);
            assert_eq!(office.test.sync().await, looks, "{word}");
            assert_ne!(office.channel().channel, before.channel, "{word}");
        }
    }

    async fn a_calendar_whose_channel_fails_is_polled(told: Told) {
        let Told(office) = told;
        office.calendar.fail_watching(Fault::Down);
        let before = office.channel();
        office.push(&before, "ended").await;
        office.test.sync().await;
        assert_eq!(office.sync_after(TimeDelta::minutes(5)).await, 0, "the former channel lives");
        office.sync_after(TimeDelta::days(11)).await;
        assert_eq!(office.poll().await, 1, "it has ended by itself");
        office.calendar.fail_watching(None);
        office.sync_after(TimeDelta::minutes(10)).await;
        assert_eq!(office.poll().await, 0, "it tells again");
    }
}

on_both! {
    async fn a_channel_that_is_made_too_late_is_ended(told: Told) {
        let Told(office) = told;
        office.test.clock.advance(TimeDelta::days(8));
        let held = office.calendar.hold_next_watch();
        tokio::join!(office.test.sync(), async {
            held.begun().await;
            let query = "mutation($id: ID!) { disconnectCalendar(agentId: $id) { id } }";
            let parted = office.test.admin(query, json!({ "id": office.agent })).await;
            parted.data("/disconnectCalendar/id");
            held.go_on();
        });
        office.test.deliver().await;
        assert_eq!(office.calendar.channels().len(), 0);
    }
}

/// The same where an address may make three bad calls.
struct Strict(Office);

impl Strict {
    async fn start(database: Database) -> Self {
        let about = |about: &mut About| about.capabilities.push = true;
        let number = |number| std::num::NonZeroU32::new(number).unwrap();
        let limit = RateLimit { per_second: number(1), burst: number(3) };
        Self(Office::set_up(database, about, |setup| setup.http.rate_limit = Some(limit)).await)
    }
}

on_both! {
    async fn only_bad_calls_are_limited(strict: Strict) {
        let Strict(office) = strict;
        let channel = office.channel();
        for _ in 0..20 {
            assert_eq!(office.push(&channel, "changed").await, 202);
        }
        let unknown = "/calendar-pushes/01941f29-7c00-7000-8000-00000000ffff";
        let mut statuses = Vec::new();
        for number in 0..40 {
            let path = if number % 2 == 0 { unknown } else { &channel.path };
            statuses.push(office.push_as(path, "guessed", "changed").await);
            if statuses.last() == Some(&429) {
                break;
            }
        }
        assert_eq!(statuses[..3], [404, 401, 404]);
        assert_eq!(statuses.last(), Some(&429), "{statuses:?}");
    }
}

/// The same where the server can't be called.
struct Hidden(Office);

impl Hidden {
    async fn start(database: Database) -> Self {
        let about = |about: &mut About| about.capabilities.push = true;
        Self(Office::start_with(database, about, |config| config.push_url = None).await)
    }
}

on_both! {
    async fn a_server_that_cannot_be_called_polls(hidden: Hidden) {
        let Hidden(office) = hidden;
        assert_eq!(office.calendar.channels().len(), 0);
        assert_eq!(office.poll().await, 1);
    }
}

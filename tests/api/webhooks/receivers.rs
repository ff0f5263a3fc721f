//! Receivers that fail, hang, redirect, or are where they must not be.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use calendar_http::Resolve;
use chrono::TimeDelta;
use frontdesk::jobs;
use frontdesk::store::{Lease, outbox};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{AT_10, AT_11, Desk};
use crate::on_both;
use crate::support::Database;
use crate::support::receiver::{Receiver, Reply};

on_both! {
    async fn a_receiver_that_wants_no_more_gets_no_more(desk: Desk) {
        let hook = desk.create(&["BOOKING_CREATED"]).await;
        desk.receiver.reply(Reply::status(500));
        desk.book(AT_10).await;
        desk.test.deliver().await;
        desk.receiver.reply(Reply::status(410));
        desk.book(AT_11).await;
        desk.test.deliver().await;
        assert_eq!(desk.receiver.take().len(), 2);
        let webhook = desk.webhook(&hook.id).await;
        assert_eq!(webhook["enabled"], false);
        assert_eq!(webhook["disabledReason"], "the receiver answered 410 Gone: it wants no more");
        let kept = desk.deliveries(&hook.id).await;
        let ends: Vec<_> = kept.iter().map(|it| (&it["status"], &it["problem"])).collect();
        assert_eq!(ends, [
            (&json!("FAILED"), &json!("the webhook is disabled")),
            (&json!("FAILED"), &json!("the receiver answered 410 Gone")),
        ]);
        desk.book("2027-01-05T12:00:00Z").await;
        assert!(desk.deliver_after(TimeDelta::days(1)).await.is_empty());

        let enabled = desk.update(json!({ "enabled": true }), &hook.id).await.data("/updateWebhook");
        assert_eq!((&enabled["disabledReason"], &enabled["failingSince"]), (&Value::Null, &Value::Null));
        desk.receiver.reply(Reply::status(200));
        desk.book("2027-01-05T13:00:00Z").await;
        assert_eq!(desk.deliver_after(TimeDelta::zero()).await.len(), 1);
    }

    async fn what_was_being_sent_when_its_webhook_was_disabled_is_not_sent_again(desk: Desk) {
        let hook = desk.create(&["BOOKING_CREATED"]).await;
        desk.book(AT_10).await;
        // By a process that is never heard of again.
        let (app, now) = (&desk.test.app, desk.test.app.now());
        let until = now + TimeDelta::seconds(60);
        let lease = Lease { id: app.uuid(), process: app.uuid(), now, until };
        let room = outbox::Room { all: 10, webhooks: 10, web_pushes: 10 };
        assert_eq!(outbox::claim(&app.db, lease, room).await.unwrap().len(), 4);
        desk.update(json!({ "enabled": false }), &hook.id).await.data("/updateWebhook");
        assert_eq!(desk.deliveries(&hook.id).await[0]["status"], "PENDING");
        assert!(desk.deliver_after(TimeDelta::seconds(60)).await.is_empty());
        let kept = desk.deliveries(&hook.id).await.remove(0);
        assert_eq!((&kept["status"], &kept["problem"]), (&json!("FAILED"), &json!("the webhook is disabled")));
        assert_eq!(kept["attempts"], json!([]));
    }

    async fn a_receiver_that_asks_for_time_is_given_it(desk: Desk) {
        let hook = desk.create(&["BOOKING_CREATED"]).await;
        for status in [429, 503] {
            desk.receiver.reply(Reply::With(status, "retry-after: 3600\r\n".to_owned(), String::new()));
            desk.book(if status == 429 { AT_10 } else { AT_11 }).await;
            desk.book(if status == 429 { "2027-01-05T14:00:00Z" } else { "2027-01-05T15:00:00Z" }).await;
            assert_eq!(desk.deliver_after(TimeDelta::zero()).await.len(), 1, "the others wait too");
            desk.receiver.reply(Reply::status(200));
            assert!(desk.deliver_after(TimeDelta::seconds(3599)).await.is_empty());
            assert_eq!(desk.deliver_after(TimeDelta::seconds(1)).await.len(), 2);
        }
        assert_eq!(desk.webhook(&hook.id).await["failingSince"], Value::Null);
    }

    async fn a_redirect_is_a_failure(desk: Desk) {
        let hook = desk.create(&["BOOKING_CREATED"]).await;
        let elsewhere = Receiver::start().await;
        for status in [301, 303, 307, 308] {
            let location = format!("location: {}\r\n", elsewhere.url());
            desk.receiver.reply(Reply::With(status, location, String::new()));
            if status == 301 {
                desk.book(AT_10).await;
            }
            assert_eq!(desk.deliver_after(TimeDelta::hours(3)).await.len(), 1, "{status}");
        }
        assert!(elsewhere.take().is_empty());
        let attempts = desk.deliveries(&hook.id).await[0]["attempts"].clone();
        assert_eq!(attempts[3]["status"], 308);
        let problem = "the receiver answered 308 Permanent Redirect; redirects are not followed";
        assert_eq!(attempts[3]["problem"], problem);
    }

    async fn a_huge_answer_is_not_read(desk: Desk) {
        let hook = desk.create(&["BOOKING_CREATED"]).await;
        desk.receiver.reply(Reply::Huge);
        desk.book(AT_10).await;
        let begun = Instant::now();
        desk.test.deliver().await;
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
        let kept = desk.deliveries(&hook.id).await.remove(0);
        assert_eq!(kept["status"], "DELIVERED", "the status counts: {kept:#}");
        assert_eq!(kept["attempts"][0]["response"], "x".repeat(1024));
        // What the systems on both sides keep on the way is some megabytes.
        assert!(desk.receiver.written() < 25 * 1024 * 1024, "{}", desk.receiver.written());
    }

    async fn a_webhook_that_fails_for_days_is_disabled(desk: Desk) {
        let hook = desk.create(&["BOOKING_CREATED"]).await;
        desk.receiver.reply(Reply::status(404));
        desk.book(AT_10).await;
        desk.test.deliver().await;
        // One that works in between begins the days anew.
        desk.test.clock.advance(TimeDelta::days(4));
        desk.receiver.reply(Reply::status(200));
        desk.test.deliver().await;
        assert_eq!(desk.webhook(&hook.id).await["failingSince"], Value::Null);
        desk.receiver.reply(Reply::status(404));
        desk.book("2027-01-11T10:00:00Z").await;
        desk.test.deliver().await;
        desk.test.clock.advance(TimeDelta::days(5) - TimeDelta::seconds(1));
        desk.book("2027-01-18T10:00:00Z").await;
        desk.test.deliver().await;
        assert_eq!(desk.webhook(&hook.id).await["enabled"], true);
        desk.test.clock.advance(TimeDelta::seconds(1));
        desk.book("2027-01-18T11:00:00Z").await;
        desk.test.deliver().await;
        let webhook = desk.webhook(&hook.id).await;
        assert_eq!(webhook["enabled"], false);
        assert_eq!(webhook["disabledReason"], "every delivery failed for 5 days");
        let kept = desk.deliveries(&hook.id).await;
        assert!(kept.iter().all(|it| it["status"] != "PENDING"), "{kept:#?}");
    }
}

/// With little time for a try, so that a hang is cut off soon.
struct Hurried(Desk);

impl Hurried {
    async fn start(database: Database) -> Self {
        let desk = Desk::start_with(database, |setup| {
            setup.config.allow_private_addresses = true;
            setup.config.delivery.lease_seconds = 3;
        });
        Self(desk.await)
    }
}

on_both! {
    async fn a_hang_is_cut_off(hurried: Hurried) {
        let desk = hurried.0;
        let hook = desk.create(&["BOOKING_CREATED"]).await;
        desk.receiver.reply(Reply::Hang);
        desk.book(AT_10).await;
        let begun = Instant::now();
        desk.test.deliver().await;
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
        let kept = desk.deliveries(&hook.id).await.remove(0);
        assert_eq!((&kept["status"], &kept["problem"]), (&json!("PENDING"), &json!("no answer in time")));
        let attempt = &kept["attempts"][0];
        assert_eq!((&attempt["status"], &attempt["problem"]), (&Value::Null, &json!("no answer in time")));
        assert!(1000 < attempt["durationMilliseconds"].as_i64().unwrap(), "{attempt}");
    }

    async fn receivers_that_hang_leave_room_for_mails(desk: Desk) {
        desk.receiver.reply(Reply::Hang);
        for _ in 0..20 {
            desk.create(&["BOOKING_CREATED"]).await;
        }
        let shutdown = CancellationToken::new();
        let worker = tokio::spawn(jobs::run(Arc::clone(&desk.test.app), shutdown.clone()));
        for start in [AT_10, AT_11] {
            desk.book(start).await;
            let begun = Instant::now();
            while desk.test.mails.mails().len() < 2 {
                assert!(begun.elapsed() < Duration::from_secs(8), "mails wait for webhooks");
                tokio::task::yield_now().await;
            }
            desk.test.mails.drain();
        }
        // Half of the eight places.
        let asked = desk.receiver.take().len();
        assert!((1..=4).contains(&asked), "{asked}");
        shutdown.cancel();
        worker.abort();
    }
}

/// Finds this machine behind every name.
#[derive(Debug)]
struct Loopback;

#[async_trait::async_trait]
impl Resolve for Loopback {
    async fn resolve(&self, _host: &str) -> io::Result<Vec<IpAddr>> {
        Ok(vec![[127, 0, 0, 1].into()])
    }
}

/// One whose operator allows public addresses alone.
struct Guarded(Desk);

impl Guarded {
    async fn start(database: Database) -> Self {
        Self(Desk::start_with(database, |setup| setup.resolver = Some(Arc::new(Loopback))).await)
    }
}

on_both! {
    async fn private_addresses_are_refused(guarded: Guarded) {
        let desk = guarded.0;
        let port = desk.receiver.port();
        for url in [
            "http://hooks.example/",
            "https://127.0.0.1/",
            "https://localhost/",
            "https://2130706433/",
            "https://[::1]/",
            "https://10.1.2.3/",
            "https://169.254.169.254/latest/meta-data",
        ] {
            let refused = desk.try_to_create(url, &["BOOKING_CREATED"]).await;
            assert_eq!((refused.code(), refused.field()), ("BAD_USER_INPUT", "input.url"), "{url}");
        }
        assert_eq!(desk.test.count("webhooks").await, 0);
        let made = desk.try_to_create(&format!("https://hooks.example:{port}/"), &["BOOKING_CREATED"]).await;
        let id = made.data("/createWebhook/webhook/id");
        desk.book(AT_10).await;
        desk.test.deliver().await;
        let kept = desk.deliveries(id.as_str().unwrap()).await.remove(0);
        assert_eq!(kept["problem"], "the address is not public");
        assert!(desk.receiver.take().is_empty());
    }
}

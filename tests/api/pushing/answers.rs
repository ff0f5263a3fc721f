//! What push services answer, or do not.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use chrono::TimeDelta;
use frontdesk::jobs;
use frontdesk::store::live_chat::offer;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::Desk;
use super::service::Reply;
use crate::on_both;
use crate::support::Database;

/// A desk that waits long for push services.
struct Patient(Desk);

impl Patient {
    async fn start(database: Database) -> Self {
        Self(Desk::start_with(database, 30).await)
    }
}

/// Registers many browsers of the desk's agent and one of another's, whom it returns.
async fn many_and_one(desk: &Desk) -> String {
    for number in 2..8 {
        let input = desk.service.browser(&format!("slow-{number}"), number).input(&desk.agent);
        desk.test.register(&desk.test.admin, input).await.data("/registerPushSubscription");
    }
    let alan = desk.test.agent("Alan").await;
    let input = desk.service.browser("alans", 9).input(&alan);
    desk.test.register(&desk.test.admin, input).await.data("/registerPushSubscription");
    alan
}

on_both! {
    async fn a_browser_that_is_no_more_is_removed(desk: Desk) {
        for status in [404, 410] {
            let gone = desk.service.browser("gone", 2);
            let input = gone.input(&desk.agent);
            desk.test.register(&desk.test.admin, input).await.data("/registerPushSubscription");
            desk.service.reply(&[Reply::Status(201), Reply::Status(status)]);
            let offer = desk.offer().await;
            assert_eq!(desk.test.deliver().await, 2);
            assert_eq!(desk.service.received().len(), 2);
            let left = desk.test.registered(&desk.agent).await;
            assert_eq!(left.len(), 1, "{status}");
            desk.end(&offer, offer::DECLINED).await;
        }
        desk.offer().await;
        assert_eq!(desk.test.deliver().await, 1);
        assert_eq!(desk.service.received()[0].path, "/secret-laptop");
        assert_eq!(desk.given_up().await, [] as [Value; 0]);
    }

    async fn a_push_service_that_is_busy_is_asked_again(desk: Desk) {
        desk.service.reply(&[Reply::After(429, 30), Reply::Status(503), Reply::Status(500)]);
        desk.offer().await;
        assert_eq!(desk.test.deliver().await, 1);
        assert_eq!(desk.service.received()[0].header("ttl"), "100");
        desk.test.clock.advance(TimeDelta::seconds(29));
        assert_eq!(desk.test.deliver().await, 0, "not before it asked for");
        let mut ttls = Vec::new();
        for _ in 0..3 {
            // The longest waits after a second, a third and a fourth try: 4, 8 and 16 s.
            desk.test.clock.advance(TimeDelta::seconds(16));
            assert_eq!(desk.test.deliver().await, 1);
            ttls.push(desk.service.received()[0].header("ttl").to_owned());
        }
        assert_eq!(ttls, ["55", "39", "23"]);
        assert_eq!(desk.given_up().await, [] as [Value; 0]);
    }

    async fn a_refusal_is_final_and_leaves_the_browser(desk: Desk) {
        for status in [307, 400, 401, 403, 413] {
            desk.service.reply(&[Reply::Status(status)]);
            desk.offer().await;
            assert_eq!(desk.test.deliver().await, 1);
            desk.test.clock.advance(TimeDelta::seconds(50));
            assert_eq!(desk.test.deliver().await, 0);
            let given_up = desk.given_up().await;
            let status = StatusCode::from_u16(status).unwrap();
            let problem = format!("the push service answered {status}");
            let last = json!({ "kind": "WEB_PUSH", "problem": problem });
            assert_eq!(given_up.last(), Some(&last));
            assert!(!json!(given_up).to_string().contains("secret"));
        }
        assert_eq!(desk.test.registered(&desk.agent).await.len(), 1);
    }

    async fn a_push_service_that_hangs_is_cut_off(desk: Desk) {
        desk.service.reply(&[Reply::Silence]);
        desk.offer().await;
        assert_eq!(desk.test.deliver().await, 1);
        assert_eq!(desk.service.received().len(), 1);
        desk.test.clock.advance(TimeDelta::seconds(2));
        assert_eq!(desk.test.deliver().await, 1);
        assert_eq!(desk.service.received().len(), 1);
    }

    async fn a_push_that_is_under_way_when_its_offer_ends_has_not_failed(desk: Desk) {
        desk.service.reply(&[Reply::Silence]);
        desk.offer().await;
        let (tries, ()) = tokio::join!(desk.test.deliver(), async {
            while desk.service.received().is_empty() {
                tokio::task::yield_now().await;
            }
            desk.test.clock.advance(TimeDelta::seconds(100));
        });
        assert_eq!(tries, 1);
        assert_eq!(desk.given_up().await, [] as [Value; 0]);
        assert_eq!(desk.test.count("outbox WHERE state = 'DONE'").await, 1);
    }

    async fn agents_have_their_pushes_in_turn(patient: Patient) {
        let desk = patient.0;
        let alan = many_and_one(&desk).await;
        desk.service.reply(&[Reply::Silence; 2]);
        desk.offer().await;
        desk.offer_to(&alan, None, None).await;
        let shutdown = CancellationToken::new();
        let worker = tokio::spawn(jobs::run(Arc::clone(&desk.test.app), shutdown.clone()));
        let mut asked = Vec::new();
        while asked.len() < 2 {
            asked.extend(desk.service.received().into_iter().map(|received| received.path));
            tokio::task::yield_now().await;
        }
        assert!(asked.iter().any(|path| path == "/secret-alans"), "{asked:?}");
        shutdown.cancel();
        worker.abort();
    }

    async fn one_agents_browsers_that_hang_do_not_hold_up_anothers(patient: Patient) {
        let desk = patient.0;
        let alan = many_and_one(&desk).await;
        // The first is under way and hangs; then it is the other agent's turn, before six more of the same.
        desk.service.reply(&[Reply::Silence]);
        desk.offer().await;
        desk.offer_to(&alan, None, None).await;
        let shutdown = CancellationToken::new();
        let worker = tokio::spawn(jobs::run(Arc::clone(&desk.test.app), shutdown.clone()));
        let mut asked = Vec::new();
        while asked.len() < 8 {
            asked.extend(desk.service.received().into_iter().map(|received| received.path));
            tokio::task::yield_now().await;
        }
        let place = asked.iter().position(|path| path == "/secret-alans").unwrap();
        assert!(place < 3, "{asked:?}");
        shutdown.cancel();
        worker.abort();
    }

    async fn push_services_that_hang_leave_room_for_mails(patient: Patient) {
        let desk = patient.0;
        desk.service.reply(&[Reply::Silence; 20]);
        for _ in 0..20 {
            desk.offer().await;
        }
        let shutdown = CancellationToken::new();
        let worker = tokio::spawn(jobs::run(Arc::clone(&desk.test.app), shutdown.clone()));
        let agent = desk.test.bookable_agent("Hedy").await;
        desk.test.booked(&agent, "2027-01-05T10:00:00Z", "ada@visitors.example").await;
        let (begun, mut asked) = (Instant::now(), 0);
        while desk.test.mails.mails().len() < 2 || asked == 0 {
            assert!(begun.elapsed() < Duration::from_secs(8), "mails wait for push services");
            asked += desk.service.received().len();
            tokio::task::yield_now().await;
        }
        // A quarter of the eight places.
        assert!(asked <= 2, "{asked}");
        shutdown.cancel();
        worker.abort();
    }

    async fn a_private_address_is_refused_when_it_is_asked_too(desk: Desk) {
        desk.offer().await;
        let strict = desk.other_process(|config| config.allow_private_addresses = false);
        assert_eq!(frontdesk::jobs::run_due(&strict).await.unwrap(), 1);
        assert_eq!(desk.service.received().len(), 0);
        let problem = "the address is not public";
        assert_eq!(desk.given_up().await, [json!({ "kind": "WEB_PUSH", "problem": problem })]);
    }
}

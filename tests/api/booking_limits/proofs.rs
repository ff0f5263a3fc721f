//! Proofs, where a verifier is set.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use frontdesk::config::VerifierKind;
use frontdesk::secrets::digest;

use super::*;

/// Demands a proof of work from the first booking on.
struct Puzzled {
    test: Limited,
    agent: String,
}

impl Puzzled {
    async fn start(database: Database) -> Self {
        let test = Limited::start_with(database, |setup| {
            setup.config.bookings.per_hour_and_address = 0;
            setup.config.proof.verifier = VerifierKind::Altcha;
            setup.config.proof.difficulty = 1000;
        })
        .await;
        let agent = test.0.bookable_agent("Grace").await;
        Self { test, agent }
    }

    async fn ask(&self, nth: usize, proof: Option<&str>) -> Answer {
        let mut input = meeting(&self.agent, nth, &visitor(nth));
        input["proof"] = proof.into();
        self.test.ask("192.0.2.1", input).await
    }
}

/// Does what the widget does.
fn solve(challenge: &str) -> String {
    let mut solution: Value = serde_json::from_str(challenge).unwrap();
    let salt = solution["salt"].as_str().unwrap().to_owned();
    let hash = |number: u64| -> String {
        let bytes = digest(format!("{salt}{number}").as_bytes());
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    };
    let number = (0..=1000).find(|number| solution["challenge"] == hash(*number)).unwrap();
    solution["number"] = number.into();
    STANDARD.encode(solution.to_string())
}

on_both! {
    async fn past_a_limit_a_proof_books_once(world: Puzzled) {
        let demanded = world.ask(0, None).await.data("/bookMeeting");
        assert_eq!(demanded["__typename"], "ProofRequired");
        assert_eq!((&demanded["provider"], &demanded["siteKey"]), (&json!("altcha"), &Value::Null));
        let proof = solve(demanded["challenge"].as_str().unwrap());
        assert_eq!(kind(&world.ask(0, Some("nonsense")).await), "ProofRequired");
        assert_eq!(kind(&world.ask(0, Some(&proof)).await), "MeetingBooked");
        // Used up.
        assert_eq!(kind(&world.ask(1, Some(&proof)).await), "ProofRequired");
        assert_eq!(booked(&world.test.0).await, 1);
        assert_eq!(world.test.0.count("booking_confirmations").await, 0);
        // A proof does not get past the limit of a mailbox.
        for nth in 0..6 {
            let demanded = world.ask(2 + nth, None).await.data("/bookMeeting/challenge");
            let mut input = meeting(&world.agent, 2 + nth, "one@mailbox.example");
            input["proof"] = solve(demanded.as_str().unwrap()).into();
            let answer = world.test.ask("192.0.2.1", input).await;
            match nth {
                5 => assert_eq!(answer.code(), "RATE_LIMITED"),
                _ => assert_eq!(kind(&answer), "MeetingBooked"),
            }
        }
    }
}

on_both! {
    async fn a_verifier_that_does_not_answer_lets_nobody_in(world: Silent) {
        let Silent { test, agent } = world;
        let mut input = meeting(&agent, 0, &visitor(0));
        input["proof"] = "a token".into();
        let answer = test.ask("192.0.2.1", input).await;
        assert_eq!(kind(&answer), "EmailConfirmationRequired");
        assert_eq!(booked(&test.0).await, 0);
    }
}

/// Has a verifier that nobody answers at.
struct Silent {
    test: Limited,
    agent: String,
}

impl Silent {
    async fn start(database: Database) -> Self {
        let test = Limited::start_with(database, |setup| {
            setup.config.bookings.per_hour_and_address = 0;
            setup.config.proof.verifier = VerifierKind::Turnstile;
            setup.config.proof.site_key = Some("site".to_owned());
            setup.config.proof.secret = Some("secret".into());
            setup.config.proof.verify_url = Some("http://127.0.0.1:9/siteverify".parse().unwrap());
        })
        .await;
        let agent = test.0.bookable_agent("Grace").await;
        Self { test, agent }
    }
}

//! Proofs that visitors are no programs: what holds, what does not, and what happens when nobody can tell.

use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::TimeDelta;
use frontdesk::config::VerifierKind;
use frontdesk::service::Error;
use frontdesk::service::proof::Verdict::{self, Accepted, Refused};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::on_both;
use crate::support::verifier::{LocalVerifier, Mood};
use crate::support::{Database, Test};

const NETWORK: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7)));

async fn start(kind: VerifierKind) -> (Test, LocalVerifier) {
    start_with(kind, |_| {}).await
}

async fn start_with(
    kind: VerifierKind,
    edit: impl FnOnce(&mut frontdesk::config::Proof),
) -> (Test, LocalVerifier) {
    let verifier = LocalVerifier::start().await;
    let test = Test::start_with(Database::Sqlite, |setup| {
        verifier.set_up(setup, kind);
        edit(&mut setup.config.proof);
    })
    .await;
    (test, verifier)
}

async fn verify(test: &Test, proof: &str) -> Result<Verdict, Error> {
    test.app.verifier.as_ref().unwrap().verify(&test.app, proof, NETWORK).await
}

#[tokio::test]
async fn none_is_asked_for_unless_a_verifier_is_set() {
    let test = Test::start(Database::Sqlite).await;
    assert!(test.app.verifier.is_none());
}

#[tokio::test]
async fn turnstile_is_asked_as_it_documents() {
    let (test, local) = start(VerifierKind::Turnstile).await;
    let verifier = test.app.verifier.as_ref().unwrap();
    assert_eq!((verifier.provider(), verifier.site_key()), ("turnstile", Some("site-key")));
    assert_eq!(verifier.challenge(&test.app), None);
    assert_eq!(verify(&test, "good & right").await.unwrap(), Accepted);
    let form = json!(local.take());
    let expected = json!([{
        "secret": "verifier-secret", "response": "good & right", "remoteip": "192.0.2.7"
    }]);
    assert_eq!(form, expected);
    assert_eq!(verify(&test, "good & right").await.unwrap(), Refused, "it was used");
    assert_eq!(verify(&test, "bad").await.unwrap(), Refused);
    assert_eq!(verify(&test, "garbled").await.unwrap(), Refused, "it is no fault of ours");
    local.take();
    for proof in ["", &"good".repeat(3000), "good\0", "good\n", "goöd"] {
        assert_eq!(verify(&test, proof).await.unwrap(), Refused);
    }
    assert_eq!(local.take().len(), 0, "what can be no proof costs no request");
}

#[tokio::test]
async fn hcaptcha_is_told_the_site_key_and_no_network_for_an_address() {
    let (test, local) = start(VerifierKind::Hcaptcha).await;
    let verifier = test.app.verifier.as_ref().unwrap();
    assert_eq!((verifier.provider(), verifier.site_key()), ("hcaptcha", Some("site-key")));
    let network = Some("2001:db8:1:2::".parse().unwrap());
    let verdict = verifier.verify(&test.app, "good", network).await.unwrap();
    assert_eq!(verdict, Accepted);
    let expected =
        json!([{ "secret": "verifier-secret", "response": "good", "sitekey": "site-key" }]);
    assert_eq!(json!(local.take()), expected);
}

#[tokio::test]
async fn a_verifier_that_can_not_tell_is_an_error_and_never_a_pass() {
    for mood in [Mood::Malformed, Mood::OtherShape, Mood::Hangs, Mood::Huge, Mood::Fails] {
        let (test, local) = start(VerifierKind::Turnstile).await;
        local.be(mood);
        let error = verify(&test, "good").await.unwrap_err();
        assert_eq!(error.code(), "UPSTREAM_UNAVAILABLE", "{mood:?}");
        let message = "turnstile can't check the proof now; try again later";
        assert_eq!(error.to_string(), message, "{mood:?}");
    }
    let (test, _) =
        start_with(VerifierKind::Turnstile, |proof| proof.secret = Some("wrong".into())).await;
    let error = verify(&test, "good").await.unwrap_err();
    assert_eq!(error.code(), "UPSTREAM_UNAVAILABLE", "a wrong secret is the operator's fault");
    let nobody = |proof: &mut frontdesk::config::Proof| {
        proof.verify_url = Some("http://127.0.0.1:1/siteverify".parse().unwrap());
    };
    let (test, _) = start_with(VerifierKind::Hcaptcha, nobody).await;
    assert_eq!(verify(&test, "good").await.unwrap_err().code(), "UPSTREAM_UNAVAILABLE");
}

#[tokio::test]
async fn a_proof_for_another_site_or_action_is_refused() {
    for (hostname, action, expected) in [
        ("www.example.com", None, Accepted),
        ("WWW.EXAMPLE.COM", Some("book"), Accepted),
        ("example.com", None, Refused),
        ("www.example.com", Some("log-in"), Refused),
    ] {
        let (test, _local) = start_with(VerifierKind::Turnstile, |proof| {
            proof.hostnames = vec!["shop.example.com".to_owned(), hostname.to_owned()];
            proof.action = action.map(str::to_owned);
        })
        .await;
        assert_eq!(verify(&test, "good").await.unwrap(), expected, "{hostname} {action:?}");
    }
}

/// A server that checks proofs of work itself.
struct Puzzles(Test);

impl Puzzles {
    async fn start(database: Database) -> Self {
        let test = Test::start_with(database, |setup| {
            setup.config.proof.verifier = VerifierKind::Altcha;
            setup.config.proof.difficulty = 1000;
        });
        Self(test.await)
    }
}

fn challenge(test: &Test) -> Value {
    let challenge = test.app.verifier.as_ref().unwrap().challenge(&test.app).unwrap();
    serde_json::from_str(&challenge).unwrap()
}

/// What the widget does: looks for the number, and says it.
fn solve(challenge: &Value) -> Value {
    let (salt, wanted) = (challenge["salt"].as_str().unwrap(), &challenge["challenge"]);
    let most = challenge["maxnumber"].as_u64().unwrap();
    let hash = |number: &u64| {
        let digest = Sha256::digest(format!("{salt}{number}"));
        digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    let number = (0..=most).find(|number| hash(number) == *wanted).unwrap();
    json!({
        "algorithm": challenge["algorithm"], "challenge": wanted, "number": number,
        "salt": salt, "signature": challenge["signature"], "took": 12,
    })
}

fn encoded(solution: &Value) -> String {
    STANDARD.encode(solution.to_string())
}

on_both! {
    async fn a_solved_puzzle_is_accepted_once_by_whichever_process(puzzles: Puzzles) {
        let Puzzles(test) = puzzles;
        let verifier = test.app.verifier.as_ref().unwrap();
        assert_eq!((verifier.provider(), verifier.site_key()), ("altcha", None));
        let first = encoded(&solve(&challenge(&test)));
        let second = encoded(&solve(&challenge(&test)));
        assert_ne!(first, second);
        let beside = test.beside().await;
        assert_eq!(verify(&test, &first).await.unwrap(), Accepted);
        assert_eq!(verify(&test, &first).await.unwrap(), Refused);
        assert_eq!(verify(&beside, &first).await.unwrap(), Refused, "in another process");
        let mut again = solve(&challenge(&test));
        let (one, other) = (encoded(&again), {
            again["took"] = json!(99);
            encoded(&again)
        });
        let (one, other) = tokio::join!(verify(&test, &one), verify(&beside, &other));
        let accepted = [one.unwrap(), other.unwrap()].into_iter().filter(|it| *it == Accepted);
        assert_eq!(accepted.count(), 1, "the same solution in other words, at the same time");
        assert_eq!(verify(&beside, &second).await.unwrap(), Accepted, "of another process");
    }

    async fn a_puzzle_is_good_until_it_expires(puzzles: Puzzles) {
        let Puzzles(test) = puzzles;
        let in_time = encoded(&solve(&challenge(&test)));
        let late = encoded(&solve(&challenge(&test)));
        test.clock.advance(TimeDelta::seconds(599));
        assert_eq!(verify(&test, &in_time).await.unwrap(), Accepted);
        test.clock.advance(TimeDelta::seconds(1));
        assert_eq!(verify(&test, &late).await.unwrap(), Refused);
    }

    async fn what_was_altered_or_made_up_is_refused(puzzles: Puzzles) {
        let Puzzles(test) = puzzles;
        let good = solve(&challenge(&test));
        let other = solve(&challenge(&test));
        let altered = |name: &str, value: Value| {
            let mut solution = good.clone();
            solution[name] = value;
            encoded(&solution)
        };
        let number = good["number"].as_u64().unwrap();
        let salt = good["salt"].as_str().unwrap();
        let (random, expires) = salt.split_once("?expires=").unwrap();
        let longer = format!("{random}?expires=9{expires}");
        // The end of the salt as the beginning of the "number": the hash is the same.
        let cut = format!("?expires={expires}{number}");
        let mut spliced = good.clone();
        spliced["salt"] = json!(random);
        spliced["number"] = json!(cut);
        // One digit of the number as the end of the expiry.
        let mut moved = good.clone();
        moved["salt"] = json!(salt.trim_end_matches('&'));
        for (what, proof) in [
            ("the number", altered("number", json!(number + 1))),
            ("a negative number", altered("number", json!(-1))),
            ("a number in text", altered("number", json!(number.to_string()))),
            ("another's challenge", altered("challenge", other["challenge"].clone())),
            ("another's salt", altered("salt", other["salt"].clone())),
            ("another's signature", altered("signature", other["signature"].clone())),
            ("no signature", altered("signature", json!(""))),
            ("a longer time", altered("salt", json!(longer))),
            ("another algorithm", altered("algorithm", json!("SHA-1"))),
            ("a salt cut short", encoded(&spliced)),
            ("a salt without its end", encoded(&moved)),
            ("nothing", String::new()),
            ("no base64", "{}".to_owned()),
            ("no JSON", STANDARD.encode("proof")),
            ("too much", STANDARD.encode(" ".repeat(9000) + &good.to_string())),
        ] {
            assert_eq!(verify(&test, &proof).await.unwrap(), Refused, "{what}");
        }
        assert_eq!(verify(&test, &encoded(&good)).await.unwrap(), Accepted);
    }
}

#[tokio::test]
async fn a_challenge_is_of_the_server_whose_key_made_it() {
    let Puzzles(test) = Puzzles::start(Database::Sqlite).await;
    let mut forged = challenge(&test);
    // Whoever makes a puzzle knows its answer without any work; the signature is what they lack.
    forged["challenge"] = json!(
        Sha256::digest(format!("{}0", forged["salt"].as_str().unwrap()))
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    );
    let forged = encoded(&solve(&forged));
    assert_eq!(verify(&test, &forged).await.unwrap(), Refused);
}

/// Altcha's own library solves the puzzle and says so in its own words.
#[tokio::test]
async fn altchas_own_library_solves_the_puzzle() {
    let directory = std::env::var_os("FRONTDESK_TEST_NODE_DIR").map_or_else(
        || std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/counterparts/node"),
        std::path::PathBuf::from,
    );
    if !directory.join("node_modules/altcha-lib").is_dir() {
        let required = std::env::var_os("FRONTDESK_TEST_COUNTERPARTS").is_some();
        assert!(!required, "{} has no altcha-lib", directory.display());
        eprintln!("NOT RUN: {} has no altcha-lib", directory.display());
        return;
    }
    let Puzzles(test) = Puzzles::start(Database::Sqlite).await;
    let given = test.app.verifier.as_ref().unwrap().challenge(&test.app).unwrap();
    let solver = tokio::process::Command::new("node")
        .args([directory.join("altcha.mjs").as_os_str(), given.as_ref()])
        .kill_on_drop(true)
        .output();
    let output = solver.await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let proof = String::from_utf8(output.stdout).unwrap();
    assert_eq!(verify(&test, proof.trim_end()).await.unwrap(), Accepted);
    assert_eq!(verify(&test, proof.trim_end()).await.unwrap(), Refused);
}

//! The remote provider that is the example in Python, as an integrator would start it.

use std::process::Stdio;

use calendar_provider_remote::{Remote, Secret, Settings};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use super::{AT_10, AT_11, Desk, http, instant, python};
use crate::on_both;
use crate::support::{Database, Test};

const PROVIDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/remote-provider/provider.py");
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// The provider and a desk that has it; without, where there is no Python.
struct Office(Option<(Desk, Python)>);

/// The running provider; it ends with this value.
struct Python {
    _child: Child,
    url: String,
    owner: String,
}

impl Office {
    async fn start(database: Database) -> Self {
        let Some(python) = python::that_runs("import http.server") else { return Self(None) };
        let mut child = Command::new(python)
            .arg(PROVIDER)
            .args(["--port", "0", "--token", "letmein", "--for-tests"])
            .env("PROVIDER_SECRET", SECRET)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).await.unwrap();
        let url = line.trim().strip_prefix("listening on ").expect("it says where").to_owned();
        let mut settings = Settings::new(url.parse().unwrap(), SECRET.into());
        settings.id = "acme".into();
        let remote = Remote::discover(settings, http(), std::sync::Arc::new(now)).await.unwrap();
        let test = Test::start_with(database, |setup| setup.providers.push(remote)).await;
        let desk = Desk::open(test).await;
        let owner = frontdesk::ids::AGENT.parse(&desk.agent).unwrap().to_string();
        Self(Some((desk, Python { _child: child, url, owner })))
    }
}

/// The example refuses signatures of another day than today.
#[expect(clippy::disallowed_methods, reason = "another program tells the time by the system")]
fn now() -> DateTime<Utc> {
    Utc::now()
}

impl Python {
    /// A call of the contract, as the server signs it.
    async fn call(&self, path: &str, mut body: Value) -> Value {
        body["connection"] = json!({
            "owner": self.owner, "calendar_ref": "main", "also_busy": [], "credentials": "letmein",
        });
        let (body, at) = (body.to_string(), now());
        let signature = Secret::parse(&SECRET.into()).unwrap().sign("msg_1", at, body.as_bytes());
        let request = crate::support::client()
            .post(format!("{}/{path}", self.url))
            .header("webhook-id", "msg_1")
            .header("webhook-timestamp", at.timestamp().to_string())
            .header("webhook-signature", signature);
        let answer = request.body(body).send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.status());
        answer.json().await.unwrap_or(Value::Null)
    }

    /// Makes an event of half an hour, as the agent would.
    async fn add_event(&self, start: &str) {
        let end = instant(start) + chrono::TimeDelta::minutes(30);
        let event = json!({ "uid": "lunch", "start": start, "end": end, "title": "Lunch" });
        self.call("test/add-event", json!({ "event": event })).await;
    }

    /// The starts of what is busy.
    async fn starts(&self) -> Vec<DateTime<Utc>> {
        let window = json!({ "start": "2027-01-01T00:00:00Z", "end": "2027-02-01T00:00:00Z" });
        let told = self.call("free-busy", json!({ "window": window })).await;
        let start = |it: &Value| it["start"].as_str().unwrap().parse().unwrap();
        told["busy"].as_array().unwrap().iter().map(start).collect()
    }
}

on_both! {
    async fn it_is_connected_busy_booked_and_cancelled(office: Office) {
        let Office(Some((desk, python))) = office else { return };
        let query = "{ calendarProviders { id name connectWith credentialFields { name secret } } }";
        let seen = desk.test.admin(query, json!({})).await.data("/calendarProviders");
        let expected = json!({
            "id": "acme", "name": "Python calendar", "connectWith": "CREDENTIALS",
            "credentialFields": [{ "name": "token", "secret": true }],
        });
        assert!(seen.as_array().unwrap().contains(&expected), "{seen:#}");
        let refused = desk.connect("acme", &[("token", "wrong")]).await;
        assert_eq!((refused.code(), refused.field()), ("BAD_USER_INPUT", "input.credentials"));
        assert_eq!(desk.test.count("calendar_connections").await, 0);
        desk.connected("acme", &[("token", "letmein")]).await;

        python.add_event(AT_11).await;
        assert_eq!(desk.try_to_book(AT_11).await["__typename"], "SlotUnavailable");
        desk.poll().await;
        assert!(desk.offers(AT_10).await && !desk.offers(AT_11).await);
        let starts = async || {
            let mut starts = python.starts().await;
            starts.retain(|it| *it != instant(AT_11));
            starts
        };
        let id = desk.book(AT_10).await;
        desk.test.deliver().await;
        desk.see_it_follow(&id, starts).await;
        assert_eq!(python.starts().await, [instant(AT_11)]);
    }
}

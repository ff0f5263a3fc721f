//! The example in Python, as an integrator would start it.

use std::collections::BTreeMap;
use std::process::Stdio;

use calendar_provider_remote::conformance::{Target, test, text};
use calendar_provider_remote::{Clock, Settings};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::server::{SECRET, http};

const PROVIDER: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/remote-provider/provider.py");

/// The example on a port of its own, and its address. None where there is no Python, which is
/// refused where the counterparts must be there.
async fn start(arguments: &[&str]) -> Option<(Child, String)> {
    let python = std::env::var("FRONTDESK_TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let started = Command::new(&python)
        .arg(PROVIDER)
        .args(["--port", "0", "--token", "letmein"])
        .args(arguments)
        .env("PROVIDER_SECRET", SECRET)
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn();
    let mut child = match started {
        Ok(child) => child,
        Err(error) => {
            let required = std::env::var_os("FRONTDESK_TEST_COUNTERPARTS").is_some();
            assert!(!required, "{python} does not start: {error}");
            eprintln!("not run: {python} does not start: {error}");
            return None;
        }
    };
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).await.unwrap();
    let url = line.trim().strip_prefix("listening on ").expect("it says where it listens");
    Some((child, url.to_owned()))
}

/// The example refuses signatures of another day than today.
#[expect(clippy::disallowed_methods, reason = "another program tells the time by the system")]
fn clock() -> Clock {
    std::sync::Arc::new(chrono::Utc::now)
}

fn target(url: &str) -> Target {
    let mut target = Target::new(Settings::new(url.parse().unwrap(), SECRET.into()));
    target.credentials = BTreeMap::from([("token".to_owned(), "letmein".into())]);
    target
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_example_in_python_conforms() {
    for (arguments, checks) in [(&[][..], 66), (&["--for-tests"][..], 74)] {
        let Some((_child, url)) = start(arguments).await else { return };
        let report = test(target(&url), http(), clock()).await.unwrap();
        assert!(report.conforms(), "{}", text(&report));
        assert!(checks <= report.passed.len(), "{report}");
    }
}

#[tokio::test]
async fn the_example_in_python_believes_no_other_secret_and_no_old_request() {
    let Some((_child, url)) = start(&[]).await else { return };
    let mut other = target(&url);
    other.settings.secret = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".into();
    let error = test(other, http(), clock()).await.unwrap_err();
    assert!(error.to_string().contains("refuses our signature"), "{error}");
    let error = test(target(&url), http(), crate::server::clock()).await.unwrap_err();
    assert!(error.to_string().contains("refuses our signature"), "{error}");
}

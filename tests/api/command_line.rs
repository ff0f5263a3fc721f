//! The program as an operator runs it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use frontdesk::graphql;
use frontdesk::store::outbox;
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};
use serde_json::json;

use crate::support::Database;
use crate::support::process::Place;

/// A TOML file must be refused with one line that holds all of `words`.
#[track_caller]
fn check_file_is_refused(place: &Place, text: &str, words: &[&str]) {
    std::fs::write(place.path().join("frontdesk.toml"), text).unwrap();
    let output = place.run(&["--config", "frontdesk.toml", "check-config"]);
    check_refusal(&output, words, text);
}

#[track_caller]
fn check_refusal(output: &std::process::Output, words: &[&str], subject: &str) {
    let line = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{subject}: {line}");
    assert_eq!(line.trim_end().lines().count(), 1, "{subject}: {line}");
    assert_eq!(output.stdout, b"", "{subject}");
    for word in words {
        assert!(line.contains(word), "{subject}: no {word:?} in {line}");
    }
}

#[tokio::test]
async fn a_bad_setting_is_named_with_its_value_and_what_is_allowed() {
    let place = Place::new(Database::Sqlite).await;
    for (text, words) in [
        ("lissten = '127.0.0.1:80'", &["lissten", "unknown key", "listen"] as &[&str]),
        (
            "[limits]\nrequests_per_second = 3",
            &["limits.requests_per_second", "limits.visitors.points_per_second"],
        ),
        (
            "[limits.visitors]\nburst = 399999",
            &["limits.visitors.burst", "399999", "400000 to 1000000000"],
        ),
        ("[limits]\nmails = 3", &["limits.mails", "unknown key", "mails_per_hour"]),
        ("[delivery]\nconcurrency = 0", &["delivery.concurrency", "is 0", "3 to 1000"]),
        (
            "[delivery]\nlease_seconds = 2",
            &["FRONTDESK_DELIVERY__LEASE_SECONDS", "is 2", "3 to 3600"],
        ),
        ("[delivery]\npoll_milliseconds = 'often'", &["delivery.poll_milliseconds", "often"]),
        ("[live_chat]\nopen_per_mailbox = 0", &["live_chat.open_per_mailbox", "1 to 1000"]),
        (
            "[live_chat]\nopen_per_network_in_all = 1001",
            &["live_chat.open_per_network_in_all", "1 to 1000"],
        ),
        ("[proof]\nverifier = 'captcha'", &["proof.verifier", "captcha", "turnstile"]),
        ("[proof]\nverifier = 'turnstile'", &["FRONTDESK_PROOF__SITE_KEY", "missing"]),
        (
            "[proof]\nverifier = 'hcaptcha'\nsite_key = 'k'",
            &["FRONTDESK_PROOF__SECRET", "missing", "hcaptcha"],
        ),
        ("[proof]\ndifficulty = 10", &["proof.difficulty", "is 10", "1000 to 10000000"]),
        ("[proof]\nhostnames = ['http://x']", &["proof.hostnames", "http://x", "lower case"]),
        ("log_format = 'xml'", &["log_format", "xml", "text", "json"]),
        ("default_locale = '??'", &["default_locale", "??", "BCP 47"]),
        ("cors_origins = ['example.com']", &["cors_origins", "example.com", "https://"]),
        ("manage_url = '/manage'", &["manage_url", "/manage", "http"]),
        ("this is not TOML", &["frontdesk.toml"]),
    ] {
        check_file_is_refused(&place, text, words);
    }
}

#[tokio::test]
async fn a_bad_variable_is_named_with_its_value_and_what_is_allowed() {
    for (key, value, words) in [
        ("LISTEN", "localhost", &["FRONTDESK_LISTEN", "localhost", "127.0.0.1:8080"] as &[&str]),
        ("PUBLIC_URL", "ftp://x", &["FRONTDESK_PUBLIC_URL", "ftp://x", "http"]),
        (
            "DATABASE_URL",
            "mysql://u:hidden@x",
            &["FRONTDESK_DATABASE_URL", "sqlite://", "postgres://"],
        ),
        ("MAIL_URL", "smtp://u:hidden@x?tls=maybe", &["FRONTDESK_MAIL_URL", "required"]),
        ("MAIL_FROM", "nobody", &["FRONTDESK_MAIL_FROM", "nobody", "mailbox"]),
        ("SECRET_KEY", "hidden", &["FRONTDESK_SECRET_KEY", "32 bytes"]),
        ("LIMITS__MAILS_PER_HOUR", "0", &["FRONTDESK_LIMITS__MAILS_PER_HOUR", "is 0", "1 to"]),
        (
            "REMINDERS__MINUTES_BEFORE",
            "1440,4",
            &["FRONTDESK_REMINDERS__MINUTES_BEFORE", "is 4", "5 to"],
        ),
        ("REMINDERS__MINUTES_BEFORE", "soon", &["FRONTDESK_REMINDERS__MINUTES_BEFORE", "soon"]),
        (
            "REMINDERS__MINUTES_BEFORE",
            "5,6,7,8,9,10",
            &["FRONTDESK_REMINDERS__MINUTES_BEFORE", "at most 5"],
        ),
        ("NO_SUCH_THING", "1", &["no_such_thing", "unknown key"]),
        // Nearly what Kubernetes generates for a Service of this name.
        ("PORT", "8080", &["port", "unknown key", "listen"]),
        ("SERVICE_HOST", "frontdesk.example.com", &["service_host", "unknown key"]),
        ("PORT_8080_TCP_HOST", "10.96.0.7", &["port_8080_tcp_host", "unknown key"]),
    ] {
        let mut place = Place::new(Database::Sqlite).await;
        place.set(key, value);
        for command in [&["check-config"] as &[&str], &["serve"]] {
            let output = place.run(command);
            check_refusal(&output, words, key);
            assert!(!String::from_utf8_lossy(&output.stderr).contains("hidden"), "{key}");
        }
    }
}

#[tokio::test]
async fn what_kubernetes_generates_for_a_service_named_frontdesk_is_no_setting() {
    let mut place = Place::new(Database::Sqlite).await;
    for (name, value) in [
        ("SERVICE_HOST", "10.96.0.7"),
        ("SERVICE_PORT", "8080"),
        ("SERVICE_PORT_HTTP", "8080"),
        ("PORT", "tcp://10.96.0.7:8080"),
        ("PORT_8080_TCP", "tcp://10.96.0.7:8080"),
        ("PORT_8080_TCP_PROTO", "tcp"),
        ("PORT_8080_TCP_PORT", "8080"),
        ("PORT_8080_TCP_ADDR", "10.96.0.7"),
        ("PORT_53_UDP", "udp://10.96.0.7:53"),
        ("POSTGRES_SERVICE_HOST", "fd00::7"),
        ("POSTGRES_PORT", "tcp://[fd00::7]:5432"),
    ] {
        place.set(name, value);
    }
    place.set("DEFAULT_LOCALE", "fr");
    let shown = place.print(&["check-config"]);
    assert!(shown.contains("default_locale = \"fr\""), "{shown}");
    assert!(!shown.contains("10.96.0.7"), "{shown}");
    // In the file they are as unknown as any other.
    let text = "service_host = '10.96.0.7'\n";
    check_file_is_refused(&place, text, &["service_host", "unknown key"]);
    let mut server = place.spawn("in-kubernetes", &["serve"]);
    server.until_ready().await;
    server.stop().await;
}

#[tokio::test]
async fn a_file_goes_over_the_defaults_and_a_variable_over_the_file() {
    let mut place = Place::new(Database::Sqlite).await;
    let text = "default_locale = 'fr'\n[delivery]\nconcurrency = 3\npoll_milliseconds = 50\n";
    std::fs::write(place.path().join("frontdesk.toml"), text).unwrap();
    place.set("DELIVERY__CONCURRENCY", "5");
    place.set("REMINDERS__MINUTES_BEFORE", "30, 120");
    place.set("PROOF__SECRET", "hidden");
    let shown = place.print(&["check-config", "--config", "frontdesk.toml"]);
    for line in [
        "default_locale = \"fr\"",
        "concurrency = 5",
        "poll_milliseconds = 50",
        "mails_per_hour = 10",
        "live_chats_per_hour = 20",
        "minutes_before = [120, 30]",
        "open_per_network = 3",
        "open_per_network_in_all = 10",
        "verifier = \"off\"",
        "# secret is given and not shown",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "no {line}: {shown}");
    }
    assert!(!shown.contains("hidden"), "{shown}");
    assert!(!place.path().join("frontdesk.db").exists());
}

#[tokio::test]
async fn the_schema_is_printed() {
    let place = Place::new(Database::Sqlite).await;
    assert_eq!(place.print(&["schema"]), graphql::sdl());
}

#[tokio::test]
async fn keys_are_made_listed_and_revoked() {
    let mut place = Place::new(Database::Sqlite).await;
    place.set("DELIVERY__POLL_MILLISECONDS", "20");
    let made = place.print(&["api-key", "create", "--name", "website", "--profile", "LIVE_AGENT"]);
    let key = made.strip_suffix('\n').unwrap();
    assert!(key.starts_with("fd_") && !key.contains(char::is_whitespace), "{made:?}");
    let server = place.serve("server", &[]).await;
    let viewer = "{ viewer { profile } }";
    assert_eq!(server.send(key, viewer, json!({})).await.data("/viewer/profile"), "LIVE_AGENT");

    let listed = place.print(&["api-key", "list"]);
    assert_eq!(listed.lines().count(), 1, "{listed}");
    assert!(!listed.contains(key), "{listed}");
    for word in ["LIVE_AGENT", "in force", "website"] {
        assert!(listed.contains(word), "{listed}");
    }
    let id = listed.split_whitespace().next().unwrap();
    assert_eq!(place.print(&["api-key", "revoke", id]), "");
    assert!(place.print(&["api-key", "list"]).contains("revoked"));
    assert_eq!(server.send(key, viewer, json!({})).await.code(), "UNAUTHENTICATED");

    let unknown = "key_01900000000070008000000000000001";
    assert_eq!(place.run(&["api-key", "revoke", unknown]).status.code(), Some(1));
}

#[tokio::test]
async fn the_demo_prints_a_query_and_a_key_that_work() {
    let place = Place::new(Database::Sqlite).await;
    let server = place.serve("demo", &["--demo"]).await;
    server.until_printed("2. Book").await;
    let greeting = server.out();
    let key = greeting.split_whitespace().find(|word| word.starts_with("fd_")).unwrap();
    let agents = server.send(key, "{ agents { totalCount } }", json!({})).await;
    assert_eq!(agents.data("/agents/totalCount"), 3);
    let slots = document(&greeting, "query {");
    let found = server.send("", &slots, json!({})).await.data("/slots/days");
    let days = found.as_array().unwrap();
    assert!(days.iter().any(|day| day["slots"] != json!([])), "{found:#}");
    let booked = server.send("", &document(&greeting, "mutation {"), json!({})).await;
    assert_eq!(booked.data("/bookMeeting/__typename"), "MeetingBooked");
    server.stop().await;
    let written = std::fs::read_dir(place.path().join("mail")).unwrap().count();
    assert_eq!(written, 2, "a mail to the visitor and one to the agent");

    let again = place.serve("again", &["--demo"]).await;
    again.until_printed("as before").await;
    again.stop().await;
}

/// The document in a greeting that begins with `start`, which ends before an empty line or `   or`.
fn document(greeting: &str, start: &str) -> String {
    let (_, rest) = greeting.split_once(&format!("\n\n{start}")).unwrap();
    format!("{start}{}", rest.split_once("   or").unwrap().0)
}

#[tokio::test]
async fn the_demo_refuses_a_database_with_other_agents() {
    let place = Place::new(Database::Sqlite).await;
    let key = place.admin_key();
    let server = place.serve("server", &[]).await;
    let query =
        "mutation { createAgent(input: { name: \"Eve\", email: \"eve@real.example\" }) { id } }";
    server.send(&key, query, json!({})).await.data("/createAgent/id");
    server.stop().await;
    let output = place.run(&["serve", "--demo"]);
    let line = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{line}");
    assert!(line.contains("eve@real.example") && line.contains("leave --demo out"), "{line}");
}

#[tokio::test]
async fn sigterm_lets_a_request_under_way_finish() {
    let place = Place::new(Database::Sqlite).await;
    let mut server = place.serve("server", &[]).await;
    let body = json!({ "query": "{ viewer { kind: __typename } }" }).to_string();
    let mut line = TcpStream::connect(server.address()).unwrap();
    line.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let head = format!(
        "POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    let (first, rest) = body.split_at(10);
    line.write_all(head.as_bytes()).unwrap();
    line.write_all(first.as_bytes()).unwrap();
    // Answered after the one above has reached the server.
    server.send("", "{ viewer { __typename } }", json!({})).await.data("/viewer");
    let since = Instant::now();
    server.terminate();
    server.until_logged("stopping").await;
    server.goes_on_for(Duration::from_millis(300)).await;
    assert!(TcpStream::connect(server.address()).is_err());
    line.write_all(rest.as_bytes()).unwrap();
    let mut answer = String::new();
    line.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.contains("\"kind\""), "{answer}");
    let status = server.ended().await;
    assert!(status.success(), "{status}: {}", server.log());
    assert!(since.elapsed() < Duration::from_secs(10), "{:?}", since.elapsed());
}

#[tokio::test]
async fn sigterm_does_not_wait_for_a_caller_that_says_no_more() {
    let place = Place::new(Database::Sqlite).await;
    let server = place.serve("server", &[]).await;
    let mut line = TcpStream::connect(server.address()).unwrap();
    line.write_all(b"POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
        .unwrap();
    server.send("", "{ viewer { __typename } }", json!({})).await.data("/viewer");
    let since = Instant::now();
    server.stop().await;
    assert!(since.elapsed() < Duration::from_secs(13), "{:?}", since.elapsed());
}

#[tokio::test]
async fn a_server_and_a_worker_share_the_work_on_sqlite() {
    a_server_and_a_worker_share_the_work(Database::Sqlite).await;
}

#[tokio::test]
async fn a_server_and_a_worker_share_the_work_on_postgres() {
    a_server_and_a_worker_share_the_work(Database::Postgres).await;
}

async fn a_server_and_a_worker_share_the_work(database: Database) {
    let mut place = Place::new(database).await;
    place.set("DELIVERY__POLL_MILLISECONDS", "20");
    let early = place.run(&["worker"]);
    assert_eq!(early.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&early.stderr).contains("frontdesk migrate"));
    let demo = place.serve("demo", &["--demo", "--no-worker"]).await;
    demo.until_printed("2. Book").await;
    let mutation = document(&demo.out(), "mutation {");
    let booked = demo.send("", &mutation, json!({})).await;
    assert_eq!(booked.data("/bookMeeting/__typename"), "MeetingBooked");
    let db = place.database().await;
    let done = async || {
        let done = outbox::Entity::find().filter(outbox::Column::State.eq(outbox::DONE));
        done.count(&db).await.unwrap()
    };
    assert_eq!(done().await, 0);
    let worker = place.spawn("worker", &["worker"]);
    worker.until_logged("delivering").await;
    let since = Instant::now();
    while done().await < 3 {
        assert!(since.elapsed() < Duration::from_secs(20), "{}", worker.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let written = std::fs::read_dir(place.path().join("mail")).unwrap().count();
    assert_eq!(written, 2);
    worker.stop().await;
    demo.stop().await;
}

#[tokio::test]
async fn the_secret_key_is_made_for_its_owner_alone() {
    let place = Place::new(Database::Sqlite).await;
    place.print(&["migrate"]);
    let path = place.path().join("frontdesk.key");
    let key = std::fs::read_to_string(&path).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    place.print(&["migrate"]);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), key);
    std::fs::remove_file(&path).unwrap();
    check_refusal(&place.run(&["migrate"]), &["FRONTDESK_SECRET_KEY", "frontdesk.key"], "no key");
}

#[tokio::test]
async fn postgres_without_a_secret_key_is_refused() {
    let mut place = Place::new(Database::Postgres).await;
    place.unset("SECRET_KEY");
    let words = ["FRONTDESK_SECRET_KEY", "missing", "PostgreSQL", "32 bytes in base64"];
    check_refusal(&place.run(&["serve"]), &words, "serve");
}

#[tokio::test]
async fn another_secret_key_than_the_databases_is_refused() {
    for database in [Database::Sqlite, Database::Postgres] {
        let mut place = Place::new(database).await;
        place.set("SECRET_KEY", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
        assert!(place.run(&["migrate"]).status.success());
        assert!(place.run(&["migrate"]).status.success(), "the same key is taken again");
        place.set("SECRET_KEY", "HwECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
        let words = ["FRONTDESK_SECRET_KEY", "another", "this database was made with"];
        for command in [&["serve"][..], &["worker"], &["api-key", "list"]] {
            check_refusal(&place.run(command), &words, command[0]);
        }
    }
}

#[tokio::test]
async fn servers_that_start_at_once_on_a_new_database_all_come_up() {
    for database in [Database::Sqlite, Database::Postgres] {
        let place = Place::new(database).await;
        let mut servers: Vec<_> =
            (0..3).map(|number| place.spawn(&format!("server-{number}"), &["serve"])).collect();
        let key = {
            for server in &mut servers {
                server.until_ready().await;
            }
            place.admin_key()
        };
        for server in &servers {
            let viewer = server.send(&key, "{ viewer { profile } }", json!({})).await;
            assert_eq!(viewer.data("/viewer/profile"), "ADMIN");
        }
    }
}

#[tokio::test]
async fn a_server_whose_mail_goes_by_smtp_starts() {
    for url in ["smtp://u:p@127.0.0.1:9", "smtps://127.0.0.1:9", "smtp://127.0.0.1:9?tls=none"] {
        let mut place = Place::new(Database::Sqlite).await;
        place.set("MAIL_URL", url);
        place.serve("server", &[]).await.stop().await;
    }
}

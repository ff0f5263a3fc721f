//! Files of the server that open bookings: for its own user alone.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::json;

use crate::support::Database;
use crate::support::process::Place;

const MODES: u32 = 0o777;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & MODES
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// The document in a greeting of the demo that books.
fn booking(greeting: &str) -> String {
    let (_, rest) = greeting.split_once("\n\nmutation {").unwrap();
    format!("mutation {{{}", rest.split_once("   or").unwrap().0)
}

#[tokio::test]
async fn the_database_and_mails_are_for_the_servers_user_alone() {
    let place = Place::new(Database::Sqlite).await;
    let path = |name: &str| place.path().join(name);
    set_mode(place.path(), 0o755);
    let server = place.serve("first", &["--demo"]).await;
    server.until_printed("2. Book").await;
    let booked = server.send("", &booking(&server.out()), json!({})).await;
    assert_eq!(booked.data("/bookMeeting/__typename"), "MeetingBooked");
    for name in ["frontdesk.db", "frontdesk.db-wal", "frontdesk.db-shm", "frontdesk.key"] {
        assert_eq!(mode(&path(name)), 0o600, "{name}");
    }
    server.stop().await;
    assert_eq!((mode(place.path()), mode(&path("mail"))), (0o755, 0o700));
    let mails: Vec<_> = fs::read_dir(path("mail")).unwrap().map(|it| it.unwrap().path()).collect();
    assert_eq!(mails.len(), 2, "a mail to the visitor and one to the agent");
    for mail in &mails {
        assert_eq!(mode(mail), 0o600, "{}", mail.display());
        set_mode(mail, 0o644);
    }

    set_mode(&path("frontdesk.db"), 0o644);
    set_mode(&path("mail"), 0o755);
    fs::write(path("mail/another.txt"), "").unwrap();
    set_mode(&path("mail/another.txt"), 0o644);
    let server = place.serve("second", &[]).await;
    for name in ["frontdesk.db", "frontdesk.db-wal", "frontdesk.db-shm"] {
        assert_eq!(mode(&path(name)), 0o600, "{name}");
    }
    assert!(mails.iter().all(|mail| mode(mail) == 0o600));
    assert_eq!(
        (mode(place.path()), mode(&path("mail"))),
        (0o755, 0o755),
        "folders that were there"
    );
    assert_eq!(mode(&path("mail/another.txt")), 0o644, "a file of somebody else");
    server.stop().await;
}

#[tokio::test]
async fn a_key_that_everybody_may_read_is_refused_with_the_command_that_helps() {
    let place = Place::new(Database::Sqlite).await;
    place.print(&["migrate"]);
    let key = place.path().join("frontdesk.key");
    set_mode(&key, 0o644);
    let output = place.run(&["migrate"]);
    let line = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{line}");
    assert!(line.contains("chmod o= ") && line.contains("frontdesk.key"), "{line}");
    assert_eq!(mode(&key), 0o644, "it may be mounted, so its mode is the operator's to change");
    set_mode(&key, 0o640);
    place.print(&["migrate"]);
}

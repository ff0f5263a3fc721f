//! libical's opinion of an iCalendar text, and that of `tests/counterparts/icalendar/check.py`.

use std::io::Write;
use std::process::{Command, Stdio};

/// Fails where the text has a fault.
#[track_caller]
pub(crate) fn check(text: &str) {
    let python = std::env::var("FRONTDESK_TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let mut checker = Command::new(python)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/counterparts/icalendar/check.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    checker.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = checker.wait_with_output().unwrap();
    let faults = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{faults}{text}");
}

/// The value of a property of the calendar or of its event, unfolded; parameters left out.
#[track_caller]
pub(crate) fn property(text: &str, name: &str) -> String {
    let unfolded = text.replace("\r\n ", "");
    let (before, rest) = unfolded.split_once("BEGIN:VTIMEZONE").unwrap_or((&unfolded, ""));
    let (_, after) = rest.rsplit_once("END:VTIMEZONE").unwrap_or(("", rest));
    let unfolded = format!("{before}{after}");
    let line = unfolded
        .split("\r\n")
        .find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with([':', ';'])));
    let line = line.unwrap_or_else(|| panic!("no {name}: {text}"));
    line.split_once(':').unwrap().1.to_owned()
}

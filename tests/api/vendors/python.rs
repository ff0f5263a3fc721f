//! Counterparts that are written in Python.

use std::path::PathBuf;
use std::process::Stdio;

/// The Python that has them. None, and a word of it, where it can't run `code` and the counterparts are
/// not asked for.
pub(crate) fn that_runs(code: &str) -> Option<PathBuf> {
    let required = std::env::var_os("FRONTDESK_TEST_COUNTERPARTS").is_some();
    let python = std::env::var_os("FRONTDESK_TEST_PYTHON").map_or("python3".into(), PathBuf::from);
    let runs = std::process::Command::new(&python)
        .args(["-c", code])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|it| it.success());
    assert!(runs || !required, "{} can't run: {code}", python.display());
    if !runs {
        eprintln!("NOT RUN: {} can't run: {code}", python.display());
    }
    runs.then_some(python)
}

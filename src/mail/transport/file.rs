//! One `.eml` file a mail. The mails hold manage links, so the files are for their owner alone.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::{DateTime, TimeDelta, Utc};

use super::{SendError, SendErrorKind};
use crate::private_file;

/// How old a part file is that nobody is writing any more. A send has its deadline long before.
const ABANDONED_AFTER: TimeDelta = TimeDelta::hours(1);

/// The most files that are looked at when a process starts.
const MOST_LOOKED_AT: usize = 100_000;

/// Writes `raw` as a file named after the Message-ID, so that a resend overwrites its own first
/// copy. It is written beside and renamed, so that nobody sees half a mail.
///
/// It goes on where its caller does not, and so always removes what it can't finish.
pub(super) async fn write(
    directory: &Path,
    message_id: &str,
    raw: Vec<u8>,
) -> Result<(), SendError> {
    let (directory, name) = (directory.to_owned(), file_stem(message_id));
    let store = tokio::task::spawn_blocking(move || store(&directory, &name, &raw));
    let failed = |error: io::Error| SendError::new(SendErrorKind::Transient, error);
    store.await.map_err(io::Error::other).and_then(|stored| stored).map_err(failed)
}

/// `std`'s file has no buffer: an error of the disk is that of the very write. Tokio's has one, and
/// `sync_all` does not say what became of it.
fn store(directory: &Path, name: &str, raw: &[u8]) -> io::Result<()> {
    static WRITES: AtomicU64 = AtomicU64::new(0);
    private_file::create_folder(directory)?;
    let attempt = WRITES.fetch_add(1, Ordering::Relaxed);
    let beside = directory.join(format!(".{name}.{}-{attempt}{PART}", std::process::id()));
    let result = create(&beside)
        .and_then(|mut file| file.write_all(raw).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&beside, directory.join(format!("{name}.eml"))))
        // The name is on the disk once its folder is.
        .and_then(|()| File::open(directory)?.sync_all());
    if result.is_err() {
        // The first error is the one to tell.
        let _ = fs::remove_file(&beside);
    }
    result
}

/// The end of the names of files that are being written.
const PART: &str = ".part";

/// A process that was killed, and whose number this one has, may have left a file of that name.
fn create(path: &Path) -> io::Result<File> {
    match private_file::create(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            fs::remove_file(path)?;
            private_file::create(path)
        }
        other => other,
    }
}

/// What [`prepare`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Prepared {
    /// Files that others may still read: how many, and one of them.
    open: usize,
    example: Option<PathBuf>,
    /// Whether there were more files than are looked at.
    has_more: bool,
}

/// Removes what killed processes left half written, and takes everybody else's permissions from
/// mails that an earlier release wrote. It looks at a bounded number of files; what it can't do is
/// a warning.
pub(super) fn prepare(directory: &Path, now: DateTime<Utc>) {
    let prepared = match look_through(directory, now, MOST_LOOKED_AT) {
        Ok(prepared) => prepared,
        Err(error) if error.kind() == ErrorKind::NotFound => return,
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "the mails in {} can't be looked through", directory.display());
            return;
        }
    };
    let shown = directory.display();
    if let Some(example) = prepared.example {
        let (open, example) = (prepared.open, example.display());
        tracing::warn!(open, "other users may read mails such as {example}: run chmod go= on them");
    }
    if prepared.has_more {
        let advice = format!("find {shown} -name '*.eml' -exec chmod go= {{}} +");
        tracing::warn!("only {MOST_LOOKED_AT} files of {shown} were looked at: run {advice}");
    }
}

fn look_through(directory: &Path, now: DateTime<Utc>, most: usize) -> io::Result<Prepared> {
    let mut prepared = Prepared::default();
    for (at, entry) in fs::read_dir(directory)?.enumerate() {
        if most <= at {
            prepared.has_more = true;
            break;
        }
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let path = entry.path();
        if name.starts_with('.') && name.ends_with(PART) {
            if is_abandoned(&entry, now) {
                let _ = fs::remove_file(&path);
            }
        } else if name.ends_with(".eml") && private_file::try_to_tighten(&path).is_err() {
            prepared.open += 1;
            prepared.example.get_or_insert(path);
        }
    }
    Ok(prepared)
}

fn is_abandoned(entry: &fs::DirEntry, now: DateTime<Utc>) -> bool {
    let written = entry.metadata().and_then(|metadata| metadata.modified());
    written.is_ok_and(|written| ABANDONED_AFTER < now - DateTime::<Utc>::from(written))
}

fn file_stem(message_id: &str) -> String {
    let kept = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '@');
    let name: String = message_id.chars().filter(kept).take(200).collect();
    name.trim_start_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;
    use std::process::Command;

    use super::*;

    /// Set for the process that may not write files beyond a size.
    const IN_CHILD: &str = "FRONTDESK_TEST_MAILS_TO_A_FULL_DISK";

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// A limit on the size of files is like a full disk: a file is created, and what is written to it
    /// fails at once or after a part of it. The limit is a process's, so the test runs itself as one.
    #[test]
    fn a_mail_that_the_disk_does_not_take_is_not_sent_and_leaves_nothing() {
        if let Some(directory) = std::env::var_os(IN_CHILD) {
            let directory = PathBuf::from(directory);
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            for size in [2_000, 100_000] {
                let sent = runtime.block_on(write(&directory, "<1@a.example>", vec![b'x'; size]));
                assert_eq!(sent.unwrap_err().kind, SendErrorKind::Transient, "{size} bytes");
            }
            assert_eq!(names(&directory), ["0@a.example.eml"]);
            return;
        }
        for blocks in [0, 1] {
            let directory = tempfile::tempdir().unwrap();
            fs::write(directory.path().join("0@a.example.eml"), "as it was").unwrap();
            // Ignored, the signal of the limit becomes an error of the write.
            let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
            let output = Command::new("sh")
                .args(["-c", &script])
                .arg(std::env::current_exe().unwrap())
                .args(["--exact", "--nocapture"])
                .arg("mail::transport::file::tests::a_mail_that_the_disk_does_not_take_is_not_sent_and_leaves_nothing")
                .env(IN_CHILD, directory.path())
                .output()
                .unwrap();
            let text = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
            assert!(text.contains("1 passed"), "{text}");
        }
    }

    #[test]
    fn mails_and_the_folder_made_for_them_are_for_their_owner_alone() {
        let directory = tempfile::tempdir().unwrap();
        let folder = directory.path().join("mail");
        store(&folder, "1@a.example", b"mail").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder), 0o700);
        assert_eq!(mode(&folder.join("1@a.example.eml")), 0o600);
    }

    #[test]
    fn what_an_earlier_release_or_a_killed_process_left_is_put_right() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        for name in ["a.eml", "b.eml", "note.txt", ".1@a.example.7-0.part"] {
            fs::write(path(name), "x").unwrap();
            fs::set_permissions(path(name), Permissions::from_mode(0o644)).unwrap();
        }
        let written = fs::metadata(path(".1@a.example.7-0.part")).unwrap().modified().unwrap();
        let written = DateTime::<Utc>::from(written);
        let mode = |name: &str| fs::metadata(path(name)).unwrap().permissions().mode() & 0o777;
        let soon = look_through(directory.path(), written + TimeDelta::minutes(59), 100).unwrap();
        assert_eq!(soon, Prepared::default());
        assert_eq!((mode("a.eml"), mode("b.eml"), mode("note.txt")), (0o600, 0o600, 0o644));
        assert!(path(".1@a.example.7-0.part").exists());
        look_through(directory.path(), written + TimeDelta::minutes(61), 100).unwrap();
        assert_eq!(names(directory.path()), ["a.eml", "b.eml", "note.txt"]);
        let few = look_through(directory.path(), written, 2).unwrap();
        assert!(few.has_more);
        assert!(look_through(&path("missing"), written, 2).is_err());
    }
}

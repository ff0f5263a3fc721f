//! Files for the server's own user alone: what they hold opens bookings.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The permission bits of everybody but the owner.
const OF_OTHERS: u32 = 0o077;

/// Creates a new file with mode 0600.
///
/// # Errors
/// [`ErrorKind::AlreadyExists`] where there is one, also a link that leads nowhere.
pub fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// Creates the folder, and those above it that are missing, with mode 0700. What is there keeps its
/// mode.
///
/// # Errors
/// The file system's own.
pub fn create_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Takes everybody else's permissions from a file that exists. Links and folders stay as they are.
/// A file that can't be changed is a warning: it may belong to another user on purpose.
pub fn tighten(path: &Path) {
    if let Err(error) = try_to_tighten(path) {
        let error = &error as &dyn std::error::Error;
        tracing::warn!(error, "other users may read {0}: run chmod go= {0}", path.display());
    }
}

/// [`tighten`], for whoever has many files to speak of at once.
///
/// # Errors
/// The file system's own, but for a file that does not exist.
pub fn try_to_tighten(path: &Path) -> io::Result<()> {
    let metadata = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    let mode = metadata.permissions().mode();
    if !metadata.is_file() || mode & OF_OTHERS == 0 {
        return Ok(());
    }
    match fs::set_permissions(path, Permissions::from_mode(mode & 0o7777 & !OF_OTHERS)) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Makes sure that a SQLite database at `path` is for its owner alone, before SQLite opens it: SQLite
/// would create it with the umask's mode. Its log and shared memory take the database's mode when
/// SQLite creates them.
pub fn prepare_sqlite(path: &Path) {
    match create(path) {
        Ok(_file) => return,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        // SQLite fails at the same, and says so.
        Err(_) => return,
    }
    for suffix in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        tighten(&PathBuf::from(name));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    fn file(path: &Path, mode: u32) {
        fs::write(path, "").unwrap();
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_database_and_what_sqlite_keeps_beside_it_are_tightened() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        prepare_sqlite(&path("new.db"));
        assert_eq!(mode(&path("new.db")), 0o600);
        for (name, before) in [("a.db", 0o644), ("a.db-wal", 0o666), ("a.db-shm", 0o640)] {
            file(&path(name), before);
        }
        file(&path("a.db-other"), 0o644);
        prepare_sqlite(&path("a.db"));
        for name in ["a.db", "a.db-wal", "a.db-shm"] {
            assert_eq!(mode(&path(name)), 0o600, "{name}");
        }
        assert_eq!(mode(&path("a.db-other")), 0o644);
        file(&path("read-only.db"), 0o444);
        prepare_sqlite(&path("read-only.db"));
        assert_eq!(mode(&path("read-only.db")), 0o400, "the owner's own bits stay");
    }

    #[test]
    fn folders_that_are_there_and_what_links_lead_to_keep_their_mode() {
        let directory = tempfile::tempdir().unwrap();
        let there = directory.path().join("there");
        fs::create_dir(&there).unwrap();
        fs::set_permissions(&there, Permissions::from_mode(0o755)).unwrap();
        create_folder(&there.join("a/b")).unwrap();
        tighten(&there);
        assert_eq!(mode(&there), 0o755);
        assert_eq!((mode(&there.join("a")), mode(&there.join("a/b"))), (0o700, 0o700));
        file(&there.join("target"), 0o644);
        std::os::unix::fs::symlink(there.join("target"), there.join("link")).unwrap();
        tighten(&there.join("link"));
        assert_eq!(mode(&there.join("target")), 0o644);
        tighten(&there.join("missing"));
        assert!(create(&there.join("link")).is_err());
    }
}

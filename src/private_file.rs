//! Files for the server's own user alone: what they hold opens bookings.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

/// The permission bits of everybody but the owner.
const OF_OTHERS: u32 = 0o077;

/// How many links in a row are followed: as many as Linux follows.
const MOST_LINKS: usize = 40;

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
/// The file system's own, but for a file that does not exist; and where the file has another name,
/// since it may be another's under that one.
pub fn try_to_tighten(path: &Path) -> io::Result<()> {
    match tighten_existing(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Changes the mode by the file's handle: by its name, a link that was put there meanwhile would
/// lead to another file.
fn tighten_existing(path: &Path) -> io::Result<()> {
    // Looked at first, since a file that others can't read may not be readable here either.
    if !is_open_to_others(&fs::symlink_metadata(path)?) {
        return Ok(());
    }
    let file = open_itself(path)?;
    let metadata = file.metadata()?;
    if !is_open_to_others(&metadata) {
        return Ok(());
    }
    if metadata.nlink() != 1 {
        return Err(io::Error::other("the file has more than one name"));
    }
    let mode = metadata.permissions().mode() & 0o7777 & !OF_OTHERS;
    file.set_permissions(Permissions::from_mode(mode))
}

fn is_open_to_others(metadata: &Metadata) -> bool {
    metadata.is_file() && metadata.permissions().mode() & OF_OTHERS != 0
}

/// Opens what is at `path` itself: no link is followed, and no pipe is waited for.
fn open_itself(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    Ok(File::from(rustix::fs::open(path, flags, Mode::empty())?))
}

/// Makes sure that a SQLite database at `path` is for its owner alone, before SQLite opens it: SQLite
/// would create it with the umask's mode. Its log and shared memory take the database's mode when
/// SQLite creates them.
///
/// SQLite follows links, and keeps those two beside the file that it comes to.
pub fn prepare_sqlite(path: &Path) {
    // Where it can't be told, SQLite fails at the same, and says so.
    let Ok(path) = behind_links(path) else { return };
    match create(&path) {
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

/// The file that `path` leads to by links, whether it exists or not.
fn behind_links(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        match fs::canonicalize(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            other => return other,
        }
        // A link that leads nowhere: what it names will be created, and may be such a link itself.
        match fs::read_link(&path) {
            Ok(target) => path = path.parent().unwrap_or(Path::new("")).join(target),
            Err(_) => return Ok(path),
        }
    }
    Err(io::Error::other("too many links"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

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
    fn a_database_behind_a_link_is_tightened_with_what_is_beside_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        fs::create_dir(path("data")).unwrap();
        for name in ["data/a.db", "data/a.db-wal", "data/a.db-shm", "link.db-wal"] {
            file(&path(name), 0o644);
        }
        symlink("data/a.db", path("link.db")).unwrap();
        prepare_sqlite(&path("link.db"));
        for name in ["data/a.db", "data/a.db-wal", "data/a.db-shm"] {
            assert_eq!(mode(&path(name)), 0o600, "{name}");
        }
        assert_eq!(mode(&path("link.db-wal")), 0o644, "SQLite has none beside the link");
    }

    #[test]
    fn a_database_behind_links_that_lead_nowhere_is_created_for_its_owner() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        fs::create_dir(path("data")).unwrap();
        symlink("data/second.db", path("first.db")).unwrap();
        symlink("../new.db", path("data/second.db")).unwrap();
        prepare_sqlite(&path("first.db"));
        assert!(fs::symlink_metadata(path("new.db")).unwrap().is_file());
        assert_eq!(mode(&path("new.db")), 0o600);
        symlink(path("absolute.db"), path("third.db")).unwrap();
        prepare_sqlite(&path("third.db"));
        assert_eq!(mode(&path("absolute.db")), 0o600);
        symlink("circle.db", path("circle.db")).unwrap();
        prepare_sqlite(&path("circle.db"));
        symlink("no-folder/new.db", path("fourth.db")).unwrap();
        prepare_sqlite(&path("fourth.db"));
        assert!(!path("no-folder").exists());
    }

    #[test]
    fn a_file_with_another_name_keeps_its_mode_and_is_told_of() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        file(&path("one"), 0o644);
        fs::hard_link(path("one"), path("other")).unwrap();
        assert!(try_to_tighten(&path("other")).is_err());
        assert_eq!(mode(&path("one")), 0o644);
        fs::remove_file(path("one")).unwrap();
        try_to_tighten(&path("other")).unwrap();
        assert_eq!(mode(&path("other")), 0o600);
        symlink(path("other"), path("link")).unwrap();
        assert!(open_itself(&path("link")).is_err(), "one that was put there meanwhile");
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
        symlink(there.join("target"), there.join("link")).unwrap();
        tighten(&there.join("link"));
        assert_eq!(mode(&there.join("target")), 0o644);
        tighten(&there.join("missing"));
        assert!(create(&there.join("link")).is_err());
    }
}

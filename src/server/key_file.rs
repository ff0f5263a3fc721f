//! The secret key, given or kept beside the SQLite file.

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::Context;
use secrecy::SecretString;

use crate::config::{Config, ConfigError, problem};
use crate::ids::{IdSource, RandomIds};
use crate::private_file;
use crate::secrets::Secrets;

/// The permissions of those who are neither the file's owner nor in its group. Kubernetes and systemd
/// hand keys out by the group, so the group may read.
const OF_THE_WORLD: u32 = 0o006;

/// The key at work: the one that is given, else the one in the file, else a new one that is kept
/// there.
///
/// # Errors
/// [`ConfigError`] for a key that is none, that everybody may read, or that is gone while the
/// database it belongs to is there: a new one would open nothing in it.
pub(super) fn secrets(config: &Config) -> anyhow::Result<Secrets> {
    if let Some(key) = &config.secret_key {
        return Ok(Secrets::from_base64(key)?);
    }
    let (Some(path), Some(database)) =
        (config.secret_key_file(), config.database_url.sqlite_file())
    else {
        let allowed = "must be given with PostgreSQL: 32 bytes in base64";
        return Err(problem("secret_key", "missing", allowed).into());
    };
    // Looked at before the key: whoever makes the database makes the key first.
    let has_database = fs::metadata(&database).is_ok_and(|file| 0 < file.len());
    if let Some(text) = read(&path)? {
        return parse(&path, text);
    }
    if has_database {
        let allowed = format!(
            "must be given, or be in {}, where {} was made with another key",
            path.display(),
            database.display()
        );
        return Err(problem("secret_key", "missing", allowed).into());
    }
    let text = keep_new(&path, &RandomIds)?;
    parse(&path, text)
}

fn parse(path: &Path, text: String) -> anyhow::Result<Secrets> {
    let secrets = Secrets::from_base64(&SecretString::from(text));
    secrets.map_err(|_| not_a_key(path).into())
}

fn not_a_key(path: &Path) -> ConfigError {
    let allowed = format!("{} must hold 32 bytes in base64", path.display());
    problem("secret_key", "(not shown)", allowed)
}

fn read(path: &Path) -> anyhow::Result<Option<String>> {
    let failed = || format!("{} can't be read", path.display());
    let mut file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        other => other.with_context(failed)?,
    };
    // Asked of the open file: at its path another one may stand by now.
    let mode = file.metadata().with_context(failed)?.permissions().mode();
    if mode & OF_THE_WORLD != 0 {
        let allowed = format!(
            "{0} must not be open to every user of this machine: run chmod o= {0}",
            path.display()
        );
        return Err(problem("secret_key", "(not shown)", allowed).into());
    }
    let mut text = String::new();
    file.read_to_string(&mut text).with_context(failed)?;
    Ok(Some(text))
}

/// Makes a key and keeps it where nobody else can read it. It is written beside and then linked, so
/// the file is never seen half written, and of two that do this at once both take the first one's.
fn keep_new(path: &Path, ids: &dyn IdSource) -> anyhow::Result<String> {
    let failed = || format!("the secret key can't be kept in {}", path.display());
    let text = Secrets::encode_key(&ids.secret());
    let beside = path.with_extension(format!("key.{}.part", uuid::Uuid::from_bytes(half(ids))));
    let linked = write(&beside, &text).and_then(|()| fs::hard_link(&beside, path));
    // What went wrong with the link is the error to tell; a stray part file is of no use to anyone.
    let _ = fs::remove_file(&beside);
    match linked {
        Ok(()) => {
            tracing::info!("a new secret key is kept in {}: back it up", path.display());
            Ok(text)
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => read(path)?.with_context(failed),
        Err(error) => Err(error).with_context(failed),
    }
}

fn write(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = private_file::create(path)?;
    writeln!(file, "{text}")?;
    file.sync_all()
}

fn half(ids: &dyn IdSource) -> [u8; 16] {
    let random = ids.secret();
    std::array::from_fn(|at| random[at] ^ random[at + 16])
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::path::PathBuf;

    use super::*;
    use crate::ids::CountingIds;

    fn key_path(directory: &tempfile::TempDir) -> PathBuf {
        directory.path().join("frontdesk.key")
    }

    #[test]
    fn a_key_is_kept_for_its_owner_alone_and_leaves_nothing_beside() {
        let directory = tempfile::tempdir().unwrap();
        let path = key_path(&directory);
        let text = keep_new(&path, &RandomIds).unwrap();
        assert_eq!(read(&path).unwrap().unwrap().trim(), text.trim());
        parse(&path, text).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn all_who_start_at_once_take_the_same_key() {
        let directory = tempfile::tempdir().unwrap();
        let path = key_path(&directory);
        let keys: Vec<String> = std::thread::scope(|scope| {
            let make = || keep_new(&path, &RandomIds).unwrap().trim().to_owned();
            let threads: Vec<_> = (0..16).map(|_| scope.spawn(make)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
    }

    #[test]
    fn a_key_that_is_there_is_never_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = key_path(&directory);
        fs::write(&path, "not a key").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        assert_eq!(keep_new(&path, &CountingIds::default()).unwrap(), "not a key");
        let error = parse(&path, "not a key".to_owned()).err().unwrap();
        assert!(error.downcast_ref::<ConfigError>().is_some(), "{error:#}");
        assert!(!error.to_string().contains("not a key"), "{error:#}");
    }

    #[test]
    fn a_key_that_everybody_may_read_is_refused_and_one_of_the_group_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = key_path(&directory);
        fs::write(&path, "a key").unwrap();
        for mode in [0o644, 0o604, 0o602, 0o666] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let error = read(&path).unwrap_err();
            assert!(error.downcast_ref::<ConfigError>().is_some(), "{error:#}");
            let command = format!("chmod o= {}", path.display());
            assert!(error.to_string().contains(&command), "{error:#}");
            assert!(!error.to_string().contains("a key"), "{error:#}");
        }
        for mode in [0o600, 0o400, 0o440, 0o640] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            assert_eq!(read(&path).unwrap().as_deref(), Some("a key"));
        }
    }
}

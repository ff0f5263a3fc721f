//! The process's limit on open files, which connections are part of.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files besides connections: the database, mail, calendars that are fetched, logs.
const OTHERS: usize = 256;

/// Raises the soft limit so that `connections` may be open, and says how many may be.
pub(super) fn make_room(connections: usize) -> usize {
    let wanted = (connections + OTHERS) as u64;
    let limit = getrlimit(Resource::Nofile);
    let Some(soft) = limit.current.filter(|soft| *soft < wanted) else { return connections };
    let raised = limit.maximum.map_or(wanted, |hard| hard.min(wanted));
    let new = Rlimit { current: Some(raised), maximum: limit.maximum };
    let files = if setrlimit(Resource::Nofile, new).is_ok() { raised } else { soft };
    if wanted <= files {
        return connections;
    }
    let connections = within(connections, files);
    tracing::warn!(
        "this process may have {files} files open, so it takes {connections} connections at a time; \
         raise the hard limit to {wanted} (LimitNOFILE= in systemd, ulimit -Hn) or lower \
         connections.total (FRONTDESK_CONNECTIONS__TOTAL)"
    );
    connections
}

/// How many of `connections` fit with so many open files: at least half of the files.
fn within(connections: usize, files: u64) -> usize {
    let files = usize::try_from(files).unwrap_or(usize::MAX);
    connections.min(files.saturating_sub(OTHERS).max(files / 2)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_files_for_others() {
        assert_eq!(within(16_384, 1024), 768);
        assert_eq!(within(16_384, 256), 128);
        assert_eq!(within(100, 1024), 100);
    }

    #[test]
    fn what_fits_is_kept() {
        assert_eq!(make_room(1), 1);
    }
}

//! Radicale and Xandikos, each started by a test of its own on a free port and in a folder of its own.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use super::client::{PASSWORD, send};

/// How many users a server is started with: more than the kit has checks.
const USERS: usize = 300;

/// How long a server may take to get ready.
const PATIENCE: Duration = Duration::from_secs(60);

/// Sets a calendar's own zone (RFC 4791, section 5.2.2).
const IN_PARIS: &str = r#"<D:propertyupdate xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><D:set><D:prop><C:calendar-timezone>BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//Another program//EN
BEGIN:VTIMEZONE
TZID:Europe/Paris
BEGIN:STANDARD
DTSTART:19701025T030000
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
END:STANDARD
END:VTIMEZONE
END:VCALENDAR
</C:calendar-timezone></D:prop></D:set></D:propertyupdate>"#;

/// A counterpart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Radicale,
    Xandikos,
}

/// A running server; it ends with this value.
pub(crate) struct Server {
    pub(crate) kind: Kind,
    pub(crate) port: u16,
    child: Child,
    folder: TempDir,
}

impl Kind {
    const fn module(self) -> &'static str {
        match self {
            Self::Radicale => "radicale",
            Self::Xandikos => "xandikos",
        }
    }

    /// What it writes once it listens.
    const fn ready(self) -> &'static str {
        match self {
            Self::Radicale => "Radicale server ready",
            Self::Xandikos => "Listening on",
        }
    }

    /// Starts it. None, and a word of it, where it is not installed and the counterparts are not
    /// asked for.
    pub(crate) async fn start(self) -> Option<Server> {
        let python = self.find()?;
        for _ in 0..3 {
            let folder = tempfile::tempdir().unwrap();
            let port = free_port();
            let mut child = self.command(&python, port, folder.path()).spawn().unwrap();
            // Another program may have taken the port meanwhile: then it ends, and the next is tried.
            if is_ready(self, port, &mut child).await {
                return Some(Server { kind: self, port, child, folder });
            }
        }
        panic!("{} did not get ready", self.module());
    }

    fn find(self) -> Option<PathBuf> {
        let required = std::env::var_os("FRONTDESK_TEST_COUNTERPARTS").is_some();
        let python =
            std::env::var_os("FRONTDESK_TEST_PYTHON").map_or("python3".into(), PathBuf::from);
        let import = format!("import {}", self.module());
        let found = std::process::Command::new(&python)
            .args(["-c", &import])
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|it| it.success());
        assert!(found || !required, "{} is missing", self.module());
        if !found {
            eprintln!("NOT RUN: {} is missing (PyPI)", self.module());
        }
        found.then_some(python)
    }

    fn command(self, python: &Path, port: u16, folder: &Path) -> Command {
        let mut command = Command::new(python);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        match self {
            Self::Radicale => {
                let users: Vec<_> = (0..USERS).map(|it| format!("user{it}:{PASSWORD}\n")).collect();
                fs::write(folder.join("users"), users.concat()).unwrap();
                let config = format!(
                    "[server]\nhosts = 127.0.0.1:{port}\nmax_connections = 100\n\
                     [auth]\ntype = htpasswd\nhtpasswd_filename = {0}/users\n\
                     htpasswd_encryption = plain\ndelay = 0\n\
                     [rights]\ntype = owner_only\n\
                     [storage]\nfilesystem_folder = {0}/data\n\
                     [logging]\nlevel = info\n",
                    folder.display()
                );
                fs::write(folder.join("config"), config).unwrap();
                command.args(["-m", "radicale", "-C"]).arg(folder.join("config"));
            }
            Self::Xandikos => {
                command.args(["-m", "xandikos", "serve", "--defaults", "-l", "127.0.0.1", "-p"]);
                command.arg(port.to_string()).arg("-d").arg(folder);
            }
        }
        command
    }
}

impl Server {
    /// An address on the server, past the proxy.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// The user of this number. Xandikos has one alone.
    pub(crate) fn user(&self, number: usize) -> String {
        match self.kind {
            Kind::Radicale => format!("user{number}"),
            Kind::Xandikos => "user".to_owned(),
        }
    }

    /// Makes an empty calendar in the zone of Paris, and answers its path.
    pub(crate) async fn make_calendar(&self, number: usize, name: &str) -> String {
        let user = self.user(number);
        let path = match self.kind {
            Kind::Radicale => format!("/{user}/{name}/"),
            Kind::Xandikos => format!("/user/calendars/{name}-{number}/"),
        };
        let (status, body) = send("MKCALENDAR", &self.url(&path), &user, &[], "").await;
        assert!(status.is_success(), "{status}: {body}");
        let (status, body) = send(
            "PROPPATCH",
            &self.url(&path),
            &user,
            &[("content-type", "application/xml")],
            IN_PARIS,
        )
        .await;
        assert!(status.is_success(), "{status}: {body}");
        path
    }

    /// Removes a calendar and all that it holds.
    pub(crate) async fn remove_calendar(&self, number: usize, path: &str) {
        let (status, body) = send("DELETE", &self.url(path), &self.user(number), &[], "").await;
        // A check may have removed it.
        assert!(status.is_success() || status == 404, "{status}: {body}");
    }

    /// The folder that it keeps its data in.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Ends it for good.
    pub(crate) async fn stop(mut self) {
        self.child.kill().await.unwrap();
    }
}

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

/// Waits for the server's own word that it is ready, then until it accepts. False where it ended.
async fn is_ready(kind: Kind, port: u16, child: &mut Child) -> bool {
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
    let ready = async {
        while let Some(line) = log.next_line().await.unwrap() {
            if line.contains(kind.ready()) {
                return true;
            }
        }
        false
    };
    if !tokio::time::timeout(PATIENCE, ready).await.unwrap_or(false) {
        return false;
    }
    // Who is not read from stops writing, and then serving.
    tokio::spawn(async move { while let Ok(Some(_)) = log.next_line().await {} });
    // Xandikos says so a moment before.
    let connected = async {
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, connected).await.is_ok()
}

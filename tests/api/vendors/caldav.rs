//! CalDAV, on Radicale and Xandikos.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use calendar_provider_caldav::{CalDav, Settings};
use chrono::{DateTime, NaiveDateTime, Utc};
use reqwest::Method;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use super::{AT_10, AT_11, AT_14, Desk, http, instant, python};
use crate::on_both;
use crate::support::{Database, Test};

const USER: &str = "grace";
const PASSWORD: &str = "s3cret-pass";
/// How long a server may take to get ready.
const PATIENCE: Duration = Duration::from_secs(60);

/// A counterpart, and the calendar that is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Radicale,
    Xandikos,
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

    const fn calendar(self) -> &'static str {
        match self {
            Self::Radicale => "/grace/meetings/",
            Self::Xandikos => "/user/calendars/calendar/",
        }
    }

    fn command(self, python: &Path, port: u16, folder: &Path) -> Command {
        let mut command = Command::new(python);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        command.kill_on_drop(true);
        match self {
            Self::Radicale => {
                let config = format!(
                    "[server]\nhosts = 127.0.0.1:{port}\n\
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

/// A running server; it ends with this value.
struct Server {
    kind: Kind,
    port: u16,
    password: String,
    _child: Child,
    folder: TempDir,
}

impl Server {
    /// None where it is not installed and the counterparts are not asked for.
    async fn start(kind: Kind) -> Option<Self> {
        let python = python::that_runs(&format!("import {}", kind.module()))?;
        for _ in 0..3 {
            let folder = tempfile::tempdir().unwrap();
            let port = free_port();
            fs::write(folder.path().join("users"), format!("{USER}:{PASSWORD}\n")).unwrap();
            let mut child = kind.command(&python, port, folder.path()).spawn().unwrap();
            // Another program may have taken the port meanwhile: then it ends, and the next is tried.
            if is_ready(kind, port, &mut child).await {
                let password = PASSWORD.to_owned();
                let server = Self { kind, port, password, _child: child, folder };
                if kind == Kind::Radicale {
                    server.send("MKCALENDAR", kind.calendar(), String::new()).await;
                }
                return Some(server);
            }
        }
        panic!("{} did not get ready", kind.module());
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// A request as another calendar program would make it.
    async fn send(&self, method: &str, path: &str, body: String) -> String {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let request = crate::support::client()
            .request(method, self.url(path))
            .basic_auth(USER, Some(&self.password))
            .header("content-type", "text/calendar; charset=utf-8")
            .body(body);
        let answer = request.send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.status());
        answer.text().await.unwrap()
    }

    /// Puts an event of half an hour in the calendar.
    async fn add_event(&self, start: &str) {
        let text = format!(
            "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Another program//EN\r\nBEGIN:VEVENT\r\n\
             UID:lunch\r\nDTSTAMP:20270101T000000Z\r\nDTSTART:{start}\r\nDURATION:PT30M\r\n\
             SUMMARY:Lunch\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
        );
        self.send("PUT", &format!("{}lunch.ics", self.kind.calendar()), text).await;
    }

    /// The entries, as files of the server's own; lines are unfolded.
    fn entries(&self) -> Vec<String> {
        let texts = files(self.folder.path()).into_iter();
        let texts = texts.filter(|path| path.extension().is_some_and(|it| it == "ics"));
        let unfold = |text: String| text.replace("\r\n", "\n").replace("\n ", "");
        let texts = texts.map(|path| unfold(fs::read_to_string(path).unwrap()));
        texts.filter(|text| text.contains("BEGIN:VEVENT") && !text.contains("UID:lunch")).collect()
    }

    /// The starts of the entries.
    fn starts(&self) -> Vec<DateTime<Utc>> {
        let start = |text: &String| {
            let line = text.lines().find_map(|line| line.strip_prefix("DTSTART:")).unwrap();
            NaiveDateTime::parse_from_str(line, "%Y%m%dT%H%M%SZ").unwrap().and_utc()
        };
        self.entries().iter().map(start).collect()
    }
}

/// All files but those in hidden folders: caches and histories.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let shown = entries.filter(|entry| !entry.file_name().to_string_lossy().starts_with('.'));
    let paths = shown.map(|entry| entry.path());
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
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

/// A desk and a server; without, where the server is not installed.
struct Office(Option<(Desk, Server)>);

impl Office {
    async fn start_with(database: Database, kind: Kind, allow_private_addresses: bool) -> Self {
        let Some(server) = Server::start(kind).await else { return Self(None) };
        let test = Test::start_with(database, |setup| {
            let settings = Settings { allow_private_addresses };
            setup.providers.push(Arc::new(CalDav::new(settings, http())));
        })
        .await;
        Self(Some((Desk::open(test).await, server)))
    }
}

/// One with Radicale.
struct Radicale(Office);

impl Radicale {
    async fn start(database: Database) -> Self {
        Self(Office::start_with(database, Kind::Radicale, true).await)
    }
}

/// One with Xandikos.
struct Xandikos(Office);

impl Xandikos {
    async fn start(database: Database) -> Self {
        Self(Office::start_with(database, Kind::Xandikos, true).await)
    }
}

/// One where addresses of one's own network are refused.
struct Guarded(Office);

impl Guarded {
    async fn start(database: Database) -> Self {
        Self(Office::start_with(database, Kind::Radicale, false).await)
    }
}

fn credentials<'a>(url: &'a str, password: &'a str) -> [(&'static str, &'a str); 3] {
    [("url", url), ("username", USER), ("password", password)]
}

async fn see_it_through(office: Office) {
    let Office(Some((desk, server))) = office else { return };
    server.add_event("20270105T110000Z").await;
    desk.connected("caldav", &credentials(&server.url("/"), PASSWORD)).await;
    assert!(desk.offers(AT_10).await && !desk.offers(AT_11).await);
    server.add_event("20270105T140000Z").await;
    assert_eq!(desk.try_to_book(AT_14).await["__typename"], "SlotUnavailable");
    desk.poll().await;
    assert!(desk.offers(AT_11).await && !desk.offers(AT_14).await);
    server.add_event("20270105T160000Z").await;
    desk.poll().await;

    let id = desk.book(AT_10).await;
    desk.test.deliver().await;
    let entries = server.entries();
    let [entry] = entries.as_slice() else { panic!("{entries:?}") };
    let attendee = entry.lines().find(|line| line.starts_with("ATTENDEE")).unwrap();
    assert!(attendee.contains(";SCHEDULE-AGENT=CLIENT"), "{attendee}");
    assert!(attendee.contains(super::VISITOR), "{attendee}");
    desk.see_it_follow(&id, async || server.starts()).await;
}

on_both! {
    async fn radicale_is_read_and_written(office: Radicale) {
        see_it_through(office.0).await;
    }

    async fn xandikos_is_read_and_written(office: Xandikos) {
        see_it_through(office.0).await;
    }

    async fn who_changes_the_password_is_out_until_it_is_connected_again(office: Radicale) {
        let Radicale(Office(Some((desk, mut server)))) = office else { return };
        let url = server.url("/");
        let refused = desk.connect("caldav", &credentials(&url, "wrong")).await;
        assert_eq!((refused.code(), refused.field()), ("BAD_USER_INPUT", "input.credentials"));
        assert_eq!(desk.test.count("calendar_connections").await, 0);
        desk.connected("caldav", &credentials(&url, PASSWORD)).await;
        let id = desk.book(AT_10).await;
        server.password = "another-pass".into();
        fs::write(server.folder.path().join("users"), format!("{USER}:{}\n", server.password)).unwrap();
        desk.poll().await;
        assert_eq!(desk.standing().await, (false, "REAUTHENTICATION_REQUIRED".into()));
        desk.test.deliver().await;
        desk.test.deliver().await;
        let mails = desk.mails_to_agent();
        let to_mend: Vec<_> = mails.iter().filter(|text| text.contains("CalDAV")).collect();
        assert!(to_mend.len() == 1 && !to_mend[0].contains(PASSWORD), "{mails:?}");
        assert_eq!(desk.booking(&id).await["calendarEvent"]["status"], "PENDING");

        desk.connected("caldav", &credentials(&url, &server.password)).await;
        desk.test.deliver().await;
        assert_eq!(desk.booking(&id).await["calendarEvent"]["status"], "DELIVERED");
        assert_eq!(server.starts(), [instant(AT_10)]);
    }

    async fn an_address_of_ones_own_network_is_refused(office: Guarded) {
        let Guarded(Office(Some((desk, server)))) = office else { return };
        for url in [server.url("/"), server.url("/").replace("http:", "https:")] {
            let refused = desk.connect("caldav", &credentials(&url, PASSWORD)).await;
            assert_eq!((refused.code(), refused.field()), ("BAD_USER_INPUT", "input.credentials"));
            assert!(!refused.body.to_string().contains(PASSWORD), "{:#}", refused.body);
        }
        assert_eq!(desk.standing().await, (false, "NONE".into()));
        assert_eq!(desk.test.count("calendar_connections").await, 0);
    }
}

//! `frontdesk` as a process of its own: its own directory, database and port, and nothing of the
//! caller's configuration.

use std::collections::BTreeMap;
use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use sea_orm::DatabaseConnection;
use serde_json::{Value, json};

use super::database::{self, Database, Files};
use super::requests::Answer;

/// How long a process may take to be ready, or to end.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two looks at it.
const PAUSE: Duration = Duration::from_millis(5);

/// Where processes run: a directory, an empty database, and settings.
pub(crate) struct Place {
    settings: BTreeMap<String, String>,
    database_url: String,
    files: Files,
}

impl Place {
    /// A new one. Ports are the system's to choose; mails are written to `mail`.
    pub(crate) async fn new(database: Database) -> Self {
        let files = Files(tempfile::tempdir().unwrap());
        let database_url = database::empty_url(database, &files).await;
        let mut place = Self { settings: BTreeMap::new(), database_url, files };
        place.set("LISTEN", "127.0.0.1:0");
        place.set("PUBLIC_URL", "https://meet.example.com");
        place.set("DATABASE_URL", &place.database_url.clone());
        place.set("MAIL_FROM", "Frontdesk <frontdesk@meet.example.com>");
        for limit in
            ["PER_HOUR_AND_ADDRESS", "PER_DAY_AND_ADDRESS", "PER_DAY_AND_AGENT", "PER_HOUR"]
        {
            place.set(&format!("BOOKINGS__{limit}"), "1000000");
        }
        place.set("BOOKINGS__OPEN_PER_MAILBOX", "1000000");
        if database == Database::Postgres {
            place.set("SECRET_KEY", "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=");
        }
        place
    }

    /// Sets `FRONTDESK_{key}`.
    pub(crate) fn set(&mut self, key: &str, value: &str) {
        self.settings.insert(format!("FRONTDESK_{key}"), value.to_owned());
    }

    /// Leaves `FRONTDESK_{key}` out.
    pub(crate) fn unset(&mut self, key: &str) {
        self.settings.remove(&format!("FRONTDESK_{key}"));
    }

    /// The directory.
    pub(crate) fn path(&self) -> &Path {
        self.files.0.path()
    }

    /// The database, as the test sees it.
    pub(crate) async fn database(&self) -> DatabaseConnection {
        frontdesk::store::connect(&self.database_url, 2).await.unwrap()
    }

    /// A command, ready to run.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_frontdesk"));
        command.args(arguments).current_dir(self.path()).stdin(Stdio::null());
        for (key, _) in std::env::vars().filter(|(key, _)| key.starts_with("FRONTDESK_")) {
            command.env_remove(key);
        }
        command.envs(&self.settings);
        command
    }

    /// Runs a command to its end; one that goes on, as a server does, is killed and fails the test.
    #[track_caller]
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        let mut command = self.command(arguments);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let pid = child.id();
        let (done, output) = std::sync::mpsc::channel();
        std::thread::spawn(move || done.send(child.wait_with_output()));
        match output.recv_timeout(PATIENCE) {
            Ok(output) => output.unwrap(),
            Err(_) => {
                signal("KILL", pid);
                panic!("{arguments:?} did not end in {PATIENCE:?}");
            }
        }
    }

    /// What a command prints that must succeed.
    #[track_caller]
    pub(crate) fn print(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {} {errors}", output.status);
        String::from_utf8(output.stdout).unwrap()
    }

    /// A new key that may do everything.
    pub(crate) fn admin_key(&self) -> String {
        let key = self.print(&["api-key", "create", "--name", "tests", "--profile", "ADMIN"]);
        key.trim().to_owned()
    }

    /// Starts a process that goes on; `name` tells its files apart.
    pub(crate) fn spawn(&self, name: &str, arguments: &[&str]) -> Process {
        let log = self.path().join(format!("{name}.log"));
        let out = self.path().join(format!("{name}.out"));
        let child = self
            .command(arguments)
            .stdout(File::create(&out).unwrap())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        Process { child, log, out, address: None, client: super::client() }
    }

    /// Starts a server and waits until it is ready.
    pub(crate) async fn serve(&self, name: &str, arguments: &[&str]) -> Process {
        let mut all = vec!["serve"];
        all.extend(arguments);
        let mut process = self.spawn(name, &all);
        process.until_ready().await;
        process
    }
}

/// A process that runs; it is killed when it is dropped.
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
    out: PathBuf,
    address: Option<SocketAddr>,
    client: reqwest::Client,
}

impl Process {
    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address.expect("until_ready was not waited for")
    }

    /// What it wrote on standard error.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// What it wrote on standard output.
    pub(crate) fn out(&self) -> String {
        std::fs::read_to_string(&self.out).unwrap()
    }

    /// Waits until it listens and `/readyz` answers 200.
    pub(crate) async fn until_ready(&mut self) {
        let since = Instant::now();
        loop {
            if self.address.is_none() {
                self.address = self.announced();
            }
            if let Some(address) = self.address {
                let answer = self.client.get(format!("http://{address}/readyz")).send().await;
                if answer.is_ok_and(|answer| answer.status() == 200) {
                    return;
                }
            }
            let ended = self.child.try_wait().unwrap();
            assert_eq!(ended, None, "the server ended: {}", self.log());
            self.wait_a_little(since, "ready").await;
        }
    }

    /// Waits until its log says so.
    pub(crate) async fn until_logged(&self, text: &str) {
        let since = Instant::now();
        while !self.log().contains(text) {
            self.wait_a_little(since, text).await;
        }
    }

    /// Waits until it printed so.
    pub(crate) async fn until_printed(&self, text: &str) {
        let since = Instant::now();
        while !self.out().contains(text) {
            self.wait_a_little(since, text).await;
        }
    }

    fn announced(&self) -> Option<SocketAddr> {
        let log = self.log();
        let (_, rest) = log.split_once("listening on http://")?;
        let (address, _) = rest.split_once('\n')?;
        Some(address.trim().parse().unwrap())
    }

    async fn wait_a_little(&self, since: Instant, what: &str) {
        assert!(since.elapsed() < PATIENCE, "not {what} in {PATIENCE:?}: {}", self.log());
        tokio::time::sleep(PAUSE).await;
    }

    /// SIGKILL: it ends between two instructions.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, without waiting for its end.
    pub(crate) fn terminate(&self) {
        signal("TERM", self.child.id());
    }

    /// Waits for its end and says how it ended.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let since = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            self.wait_a_little(since, "at its end").await;
        }
    }

    /// Looks on for a while; it must not end.
    pub(crate) async fn goes_on_for(&mut self, time: Duration) {
        let since = Instant::now();
        while since.elapsed() < time {
            assert_eq!(self.child.try_wait().unwrap(), None, "it ended: {}", self.log());
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// SIGTERM, and its end, which must be a good one.
    pub(crate) async fn stop(mut self) {
        self.terminate();
        let status = self.ended().await;
        assert!(status.success(), "{status}: {}", self.log());
    }

    /// Sends an operation as whoever has `bearer`; an empty one is a visitor.
    pub(crate) async fn send(&self, bearer: &str, query: &str, variables: Value) -> Answer {
        let body = json!({ "query": query, "variables": variables });
        let mut request =
            self.client.post(format!("http://{}/graphql", self.address())).json(&body);
        if !bearer.is_empty() {
            request = request.bearer_auth(bearer);
        }
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        Answer { status, body: response.json().await.unwrap() }
    }
}

fn signal(name: &str, pid: u32) {
    let sent = Command::new("sh").args(["-c", &format!("kill -{name} {pid}")]).status().unwrap();
    assert!(sent.success());
}

impl Drop for Process {
    fn drop(&mut self) {
        // Where it ended by itself there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

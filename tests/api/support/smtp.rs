//! The mail server with faults to choose from: `tests/counterparts/smtp.py`.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

/// A message that the mail server took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) message_id: String,
    pub(crate) to: Vec<String>,
    pub(crate) subject: String,
    /// Whether its sender was told so.
    pub(crate) acknowledged: bool,
    /// The message, each character one byte.
    pub(crate) raw: String,
}

/// A mail server; it ends when it is dropped.
pub(crate) struct SmtpServer {
    child: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
    port: u16,
}

impl SmtpServer {
    /// Starts one that accepts everything.
    pub(crate) fn start() -> Self {
        let python = std::env::var("FRONTDESK_TEST_PYTHON")
            .expect("FRONTDESK_TEST_PYTHON must name a Python with aiosmtpd; ./test makes one");
        let mut child = Command::new(python)
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/counterparts/smtp.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let commands = child.stdin.take().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        let mut server = Self { child, commands, answers, port: 0 };
        server.port = u16::try_from(server.answer()["port"].as_u64().unwrap()).unwrap();
        server
    }

    /// Where mail goes in, for `FRONTDESK_MAIL_URL`.
    pub(crate) fn url(&self) -> String {
        format!("smtp://127.0.0.1:{}?tls=none", self.port)
    }

    /// What happens from now on.
    pub(crate) fn mode(&mut self, mode: &str) {
        self.ask(json!({ "mode": mode }));
    }

    /// What happens `times` times; after that, it accepts everything.
    pub(crate) fn fault(&mut self, mode: &str, times: u32) {
        self.ask(json!({ "mode": mode, "times": times }));
    }

    /// Refuses one recipient for good from now on.
    pub(crate) fn refuse(&mut self, recipient: &str) {
        self.ask(json!({ "mode": "rcpt-550", "only": recipient }));
    }

    /// How often a fault was played.
    pub(crate) fn faults(&mut self) -> u64 {
        self.ask(json!({ "faults": true }))["faults"].as_u64().unwrap()
    }

    /// Everything that was taken, in order.
    pub(crate) fn taken(&mut self) -> Vec<Taken> {
        let answer = self.ask(json!({ "list": true }));
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let taken = |message: &Value| Taken {
            message_id: text(&message["message_id"]),
            to: message["to"].as_array().unwrap().iter().map(text).collect(),
            subject: text(&message["subject"]),
            acknowledged: message["acknowledged"].as_bool().unwrap(),
            raw: text(&message["raw"]),
        };
        answer["messages"].as_array().unwrap().iter().map(taken).collect()
    }

    /// Waits until no line is open, and says how many messages were taken until then.
    pub(crate) fn count_once_idle(&mut self) -> usize {
        let answer = self.ask(json!({ "idle": true }));
        usize::try_from(answer["messages"].as_u64().unwrap()).unwrap()
    }

    fn ask(&mut self, command: Value) -> Value {
        writeln!(self.commands, "{command}").unwrap();
        self.commands.flush().unwrap();
        let answer = self.answer();
        assert_eq!(answer.get("error"), None, "{command}");
        answer
    }

    fn answer(&mut self) -> Value {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }
}

impl Drop for SmtpServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

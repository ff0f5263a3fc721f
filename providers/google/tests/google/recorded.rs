//! Exchanges as they are recorded: a server that answers what it is told to, in order.

use calendar_provider::Connection;
use calendar_provider_google::{Google, Settings};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use url::Url;

use crate::world::client;

/// A request that came in.
#[derive(Debug)]
pub(crate) struct Asked {
    /// Method and path, e.g. `GET /calendar/v3/users/me/calendarList`.
    pub(crate) line: String,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) authorization: Option<String>,
    pub(crate) body: Value,
}

impl Asked {
    pub(crate) fn param(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(it, _)| it == name).map(|(_, value)| value.as_str())
    }
}

pub(crate) struct Recording {
    pub(crate) google: Google,
    pub(crate) connection: Connection,
    serving: JoinHandle<Vec<Asked>>,
}

/// A provider whose requests are answered by these, a status and a body each.
pub(crate) async fn play(answers: Vec<(u16, Value)>) -> Recording {
    play_texts(answers.into_iter().map(|(status, body)| (status, body.to_string())).collect()).await
}

pub(crate) async fn play_texts(answers: Vec<(u16, String)>) -> Recording {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let base: Url = format!("http://{}/", listener.local_addr().expect("it is bound"))
        .parse()
        .expect("it is a URL");
    let serving = tokio::spawn(async move {
        let mut asked = Vec::new();
        for (status, body) in answers {
            let (stream, _) = listener.accept().await.expect("a connection");
            asked.push(answer(stream, status, &body).await);
        }
        asked
    });
    let settings = Settings {
        client_id: "client".into(),
        client_secret: "secret".into(),
        api_url: base.join("calendar/v3/").expect("it is a URL"),
        userinfo_url: base.join("v1/userinfo").expect("it is a URL"),
        ..Settings::default()
    };
    let connection = Connection::new("agent-1", "ada@example.com", "ya29.token".into());
    Recording { google: Google::new(settings, client()), connection, serving }
}

impl Recording {
    /// What was asked, once all answers are given.
    pub(crate) async fn asked(self) -> Vec<Asked> {
        self.serving.await.expect("each answer was asked for")
    }
}

async fn answer(mut stream: TcpStream, status: u16, body: &str) -> Asked {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(at) = bytes.windows(4).position(|it| it == b"\r\n\r\n") {
            break at + 4;
        }
        let read = stream.read_buf(&mut bytes).await.expect("it can be read");
        assert!(read > 0, "the request ends in its head");
    };
    let head = String::from_utf8(bytes[..head_end].to_vec()).expect("a head is text");
    let header = |name: &str| {
        let mut lines = head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(it, _)| it.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
    };
    let length: usize = header("content-length").map_or(0, |it| it.parse().expect("a number"));
    while bytes.len() < head_end + length {
        let read = stream.read_buf(&mut bytes).await.expect("it can be read");
        assert!(read > 0, "the request ends in its body");
    }
    let text = format!(
        "HTTP/1.1 {status} Recorded\r\ncontent-type: application/json; charset=UTF-8\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(text.as_bytes()).await.expect("it can be written");
    let mut words = head.split_whitespace();
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let url = Url::parse("http://recorded.example/").and_then(|it| it.join(target));
    let url = url.expect("the target is one");
    Asked {
        line: format!("{method} {}", url.path()),
        query: url.query_pairs().into_owned().collect(),
        authorization: header("authorization"),
        body: serde_json::from_slice(&bytes[head_end..]).unwrap_or_default(),
    }
}

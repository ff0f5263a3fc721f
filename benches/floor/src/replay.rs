//! Sends the statements of recorded bookings again and again, each time for another slot.
//!
//! The script is JSON, made by `benches/http` from PostgreSQL's own log of what the server sent:
//!
//! ```json
//! { "database": "postgres://postgres@127.0.0.1/bench",
//!   "connections": 8, "seconds": 5, "first_turn": 2,
//!   "recordings": [ { "statements": [
//!     { "sql": "BEGIN", "simple": true, "parameters": [] },
//!     { "sql": "INSERT INTO t VALUES ($1, $2, $3)", "simple": false, "parameters": [
//!       [ {"uuid": 0, "dashes": true} ],
//!       [ {"text": "x-"}, {"time": 1796119200000000, "step": 900000000} ],
//!       null ] }
//! ] } ] }
//! ```
//!
//! A parameter is null or a list of parts that are written one after another: `text` as it is;
//! `uuid` a random UUID with or without its dashes, the same for the same number within one turn;
//! `hex` that many random hexadecimal digits; `time` an instant in microseconds since 1970, moved by
//! `step` each turn; `number` an integer, likewise.
//!
//! Prints the transactions per second, as a number alone.

use std::{
    collections::HashMap,
    error::Error,
    fmt::Write,
    fs,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use bytes::BytesMut;
use chrono::DateTime;
use serde::Deserialize;
use tokio_postgres::{
    Client, NoTls, Statement,
    types::{Format, IsNull, ToSql, Type, to_sql_checked},
};

#[derive(Deserialize)]
struct Script {
    database: String,
    connections: usize,
    seconds: u64,
    /// The first turn to play: those before it are in the database, since they were recorded.
    first_turn: u64,
    /// One for each agent, played in rotation.
    recordings: Vec<Recording>,
}

#[derive(Deserialize)]
struct Recording {
    statements: Vec<Recorded>,
}

#[derive(Deserialize)]
struct Recorded {
    sql: String,
    /// Sent as text without parameters, as drivers send `BEGIN` and `COMMIT`.
    simple: bool,
    parameters: Vec<Option<Vec<Part>>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Part {
    Text { text: String },
    Uuid { uuid: u32, dashes: bool },
    Hex { hex: usize },
    Time { time: i64, step: i64 },
    Number { number: i64, step: i64 },
}

/// Plays the script at `path` and prints the transactions per second.
pub(crate) async fn run(path: &str) -> Result<()> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?;
    let script: Arc<Script> = Arc::new(serde_json::from_str(&text)?);
    let turns = Arc::new(AtomicU64::new(0));
    let mut sessions = Vec::new();
    for _ in 0..script.connections {
        sessions.push(Session::open(&script).await?);
    }
    let started = Instant::now();
    let end = started + Duration::from_secs(script.seconds);
    let tasks: Vec<_> = sessions
        .into_iter()
        .map(|session| tokio::spawn(session.play(script.clone(), turns.clone(), end)))
        .collect();
    for task in tasks {
        task.await??;
    }
    let done = turns.load(Ordering::Relaxed) as f64;
    println!("{:.1}", done / started.elapsed().as_secs_f64());
    Ok(())
}

/// One connection, with every statement of the script prepared, as the server's pool has them.
struct Session {
    client: Client,
    prepared: HashMap<String, Statement>,
}

impl Session {
    async fn open(script: &Script) -> Result<Self> {
        let (client, connection) = tokio_postgres::connect(&script.database, NoTls).await?;
        tokio::spawn(connection);
        let mut prepared = HashMap::new();
        for statement in script.recordings.iter().flat_map(|recording| &recording.statements) {
            if !statement.simple && !prepared.contains_key(&statement.sql) {
                prepared.insert(statement.sql.clone(), client.prepare(&statement.sql).await?);
            }
        }
        Ok(Self { client, prepared })
    }

    async fn play(self, script: Arc<Script>, turns: Arc<AtomicU64>, end: Instant) -> Result<()> {
        while Instant::now() < end {
            let turn = turns.fetch_add(1, Ordering::Relaxed);
            let agents = script.recordings.len() as u64;
            let recording = &script.recordings[(turn % agents) as usize];
            let mut values = Values::new(script.first_turn + turn / agents);
            for statement in &recording.statements {
                self.send(statement, &mut values)
                    .await
                    .with_context(|| format!("turn {turn}: {}", statement.sql))?;
            }
        }
        Ok(())
    }

    async fn send(&self, statement: &Recorded, values: &mut Values) -> Result<()> {
        let Some(prepared) = self.prepared.get(&statement.sql) else {
            return Ok(self.client.batch_execute(&statement.sql).await?);
        };
        let mut parameters = Vec::with_capacity(statement.parameters.len());
        for parts in &statement.parameters {
            parameters
                .push(parts.as_deref().map(|parts| values.write(parts)).transpose()?.map(AsText));
        }
        let borrowed: Vec<&(dyn ToSql + Sync)> =
            parameters.iter().map(|parameter| parameter as &(dyn ToSql + Sync)).collect();
        self.client.query(prepared, &borrowed).await?;
        Ok(())
    }
}

/// What the variable parts stand for in one turn.
struct Values {
    turn: i64,
    uuids: HashMap<u32, String>,
}

impl Values {
    fn new(turn: u64) -> Self {
        Self { turn: turn as i64, uuids: HashMap::new() }
    }

    fn write(&mut self, parts: &[Part]) -> Result<String> {
        let mut text = String::new();
        for part in parts {
            match part {
                Part::Text { text: constant } => text.push_str(constant),
                Part::Uuid { uuid, dashes } => {
                    if !self.uuids.contains_key(uuid) {
                        self.uuids.insert(*uuid, random_uuid()?);
                    }
                    let value = &self.uuids[uuid];
                    text.push_str(&if *dashes { value.clone() } else { value.replace('-', "") });
                }
                Part::Hex { hex } => text.push_str(&random_hex(*hex)?),
                Part::Time { time, step } => {
                    let instant = DateTime::from_timestamp_micros(time + step * self.turn)
                        .context("an instant out of range")?;
                    write!(text, "{}", instant.format("%Y-%m-%d %H:%M:%S%.6f+00"))?;
                }
                Part::Number { number, step } => write!(text, "{}", number + step * self.turn)?,
            }
        }
        Ok(text)
    }
}

fn random_hex(digits: usize) -> Result<String> {
    let mut bytes = vec![0; digits.div_ceil(2)];
    getrandom::fill(&mut bytes)?;
    let mut text = String::with_capacity(digits + 1);
    for byte in bytes {
        write!(text, "{byte:02x}")?;
    }
    text.truncate(digits);
    Ok(text)
}

/// Version 7, as the server's: ordered by time, so that an index grows at its end.
fn random_uuid() -> Result<String> {
    let now = std::time::UNIX_EPOCH.elapsed()?.as_millis();
    let random = random_hex(18)?;
    let time = format!("{now:012x}");
    Ok(format!(
        "{}-{}-7{}-8{}-{}",
        &time[..8],
        &time[8..],
        &random[..3],
        &random[3..6],
        &random[6..]
    ))
}

/// A parameter in PostgreSQL's text format, whatever its type: the log that it comes from is text.
#[derive(Debug)]
struct AsText(String);

impl ToSql for AsText {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.extend_from_slice(self.0.as_bytes());
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Text
    }

    to_sql_checked!();
}

//! Accounts from a CSV file: every line's problem is told, and all of it is written or nothing.
//!
//! What takes the processor long is done on threads of its own, so that others are answered
//! meanwhile, and what is written goes in statements of many rows.

mod plan;
mod rows;
mod text;

use std::collections::HashMap;
use std::sync::Arc;

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};
use serde::Serialize;
use tokio::sync::{Semaphore, SemaphorePermit};
use uuid::Uuid;

use super::super::{Error, Result};
use crate::app::App;
use crate::store;
use crate::store::account;

use plan::{Known, Owner, Plan};
use rows::Row;

/// Most bytes of a file.
pub const MOST_BYTES: usize = 64 * 1024 * 1024;
/// Most lines of a file, the header and empty ones among them.
pub const MOST_LINES: usize = 200_000;
/// Most problems that are told one by one.
pub const MOST_PROBLEMS: usize = 1000;

/// One at a time in a process: two would wait for each other in the database anyway, each with its
/// file in memory.
static ALONE: Semaphore = Semaphore::const_new(1);

/// The place of the import that is alone. Work on other threads keeps it: that goes on where the import is
/// given up, and the next must not begin beside it.
type Place = Arc<SemaphorePermit<'static>>;

/// What came of an import.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Whether the accounts were written. Never where there is a problem, nor on a dry run.
    pub applied: bool,
    /// Lines that tell of an account: neither the header nor empty.
    pub lines: usize,
    /// Accounts that were made, or would be. Lines with a problem count nowhere.
    pub created: usize,
    /// Accounts that were changed, or would be.
    pub updated: usize,
    /// Accounts that are as the file says already.
    pub unchanged: usize,
    /// What is wrong, in order of lines; at most [`MOST_PROBLEMS`].
    pub problems: Vec<Problem>,
    /// How many problems there are in all.
    pub problem_count: usize,
}

/// Something wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The line of the file, from 1, on which the record begins.
    pub line: usize,
    /// The column at fault, where it is one.
    pub field: Option<&'static str>,
    /// What is wrong, in words.
    pub message: String,
}

/// Problems, the first of them kept.
#[derive(Clone, Debug, Default)]
struct Problems {
    first: Vec<Problem>,
    count: usize,
}

impl Problems {
    fn add(&mut self, line: usize, field: Option<&'static str>, message: impl Into<String>) {
        self.count += 1;
        if self.first.len() < MOST_PROBLEMS {
            self.first.push(Problem { line, field, message: message.into() });
        }
    }

    /// Of both, those of the first lines. Each was found in order of lines.
    fn merge(&mut self, mut other: Self) {
        self.count += other.count;
        self.first.append(&mut other.first);
        self.first.sort_by_key(|problem| problem.line);
        self.first.truncate(MOST_PROBLEMS);
    }
}

/// A file that arrives in pieces, refused as soon as it is too long.
#[derive(Debug, Default)]
pub struct Upload {
    bytes: Vec<u8>,
    lines: usize,
}

impl Upload {
    /// Takes the next piece.
    ///
    /// # Errors
    /// `LIMIT_EXCEEDED`.
    pub fn push(&mut self, piece: &[u8]) -> Result<()> {
        if MOST_BYTES < self.bytes.len() + piece.len() {
            return Err(too_many_bytes());
        }
        self.bytes.extend_from_slice(piece);
        // In UTF-16 the same byte can be half of another character.
        if !text::is_utf16(&self.bytes) {
            self.lines += piece.iter().filter(|byte| **byte == b'\n').count();
        }
        if MOST_LINES < self.lines { Err(too_many_lines()) } else { Ok(()) }
    }

    /// All that was taken.
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

/// A file longer than is taken.
pub(crate) fn too_many_bytes() -> Error {
    let most = MOST_BYTES / 1024 / 1024;
    Error::LimitExceeded(format!("the file must have at most {most} MiB"))
}

fn too_many_lines() -> Error {
    Error::LimitExceeded(format!("the file must have at most {MOST_LINES} lines: split it"))
}

/// Makes or changes the accounts of a CSV file (RFC 4180) in UTF-8, or in UTF-16 with a byte order
/// mark. Its first line names the columns, among them `name`, `domains` and `owner`, in any order;
/// others are left alone. An account that exists by its name gets the line's domains in place of its
/// own, and the line's owner. With `dry_run` it tells what would be and changes nothing.
///
/// # Errors
/// `BAD_USER_INPUT` for a file that is no text, naming the line; `LIMIT_EXCEEDED` for one that is too
/// long. What is wrong with a line is no error, but told in the report.
pub async fn import(app: &App, bytes: Vec<u8>, dry_run: bool) -> Result<Report> {
    let place: Place = Arc::new(ALONE.acquire().await.map_err(Error::internal)?);
    let rows::File { rows, mut problems } = blocking(&place, move || rows::read(bytes)).await??;
    let lines = rows.len();
    if dry_run {
        // Writers are not held up.
        let transaction = store::begin_reading(&app.db).await?;
        let plan = planned(app, &place, &transaction, rows).await?;
        return Ok(report(false, lines, plan, problems));
    }
    let transaction = store::begin(&app.db).await?;
    account::lock(&transaction).await?;
    let mut plan = planned(app, &place, &transaction, rows).await?;
    problems.merge(std::mem::take(&mut plan.problems));
    let applied = problems.count == 0;
    if applied {
        write(&transaction, &plan).await?;
        transaction.commit().await?;
    } else {
        transaction.rollback().await?;
    }
    Ok(report(applied, lines, plan, problems))
}

fn report(applied: bool, lines: usize, plan: Plan, mut problems: Problems) -> Report {
    let Plan { created, updated, unchanged, .. } = plan;
    problems.merge(plan.problems);
    let Problems { first, count } = problems;
    Report { applied, lines, created, updated, unchanged, problems: first, problem_count: count }
}

/// Runs what takes long beside what answers requests.
async fn blocking<T: Send + 'static>(
    place: &Place,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T> {
    let place = Arc::clone(place);
    let work = move || {
        let done = work();
        drop(place);
        done
    };
    tokio::task::spawn_blocking(work).await.map_err(Error::internal)
}

async fn planned<C: ConnectionTrait>(
    app: &App,
    place: &Place,
    db: &C,
    rows: Vec<Row>,
) -> Result<Plan> {
    let known = known(db, &rows).await?;
    let (ids, now) = (Arc::clone(&app.ids), app.now());
    blocking(place, move || plan::plan(rows, known, now, || ids.uuid(now))).await
}

/// What the database has to do with the file.
async fn known<C: ConnectionTrait>(db: &C, rows: &[Row]) -> Result<Known> {
    let mut emails: Vec<&str> = rows.iter().map(|row| row.owner.as_str()).collect();
    emails.sort_unstable();
    emails.dedup();
    let names: Vec<&str> = rows.iter().map(|row| row.key.as_str()).collect();
    let domains: Vec<&str> = rows.iter().flat_map(|row| &row.domains).map(String::as_str).collect();
    let accounts = account::with_names(db, &names).await?;
    let holders = account::holders(db, &domains).await?;
    Ok(Known {
        owners: owners(db, &emails).await?,
        domains: account::domains_of_names(db, &names).await?,
        accounts: accounts.into_iter().map(|account| (account.name_key.clone(), account)).collect(),
        holders: holders.into_iter().map(|holder| (holder.domain.clone(), holder)).collect(),
    })
}

async fn owners<C: ConnectionTrait>(db: &C, emails: &[&str]) -> Result<HashMap<String, Owner>> {
    use store::agent;
    let mut found = HashMap::new();
    for some in emails.chunks(500) {
        let select = agent::Entity::find();
        let select = select.filter(agent::Column::EmailKey.is_in(some.iter().copied()));
        for agent in select.all(db).await? {
            found.insert(agent.email_key, Owner { id: agent.id, active: agent.active });
        }
    }
    Ok(found)
}

/// Domains that go are taken first, so that one account of the file can have them from another.
async fn write<C: ConnectionTrait>(db: &C, plan: &Plan) -> Result<()> {
    let remove: Vec<&str> = plan.remove.iter().map(String::as_str).collect();
    let add: Vec<(&str, Uuid)> = plan.add.iter().map(|(d, id)| (d.as_str(), *id)).collect();
    account::remove_domains(db, &remove).await?;
    account::put(db, &plan.put).await?;
    Ok(account::add_domains(db, &add).await?)
}

//! The lines of a file as rows, checked each by itself and against each other.

use std::collections::HashMap;

use csv::{ReaderBuilder, StringRecord};

use super::super::super::{Error, Result, text as words};
use super::super::{MOST_DOMAINS, NAME_CHARS, domain};
use super::Problems;
use super::text::{Lines, decode};

const NAME: &str = "name";
const DOMAINS: &str = "domains";
const OWNER: &str = "owner";

/// A line that tells of an account. What can't be used of it is left empty, and is a problem.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Row {
    /// Where it begins, from 1.
    pub(super) line: usize,
    /// As given.
    pub(super) name: String,
    /// Lower-cased.
    pub(super) key: String,
    /// In their one form, each once.
    pub(super) domains: Vec<String>,
    /// An e-mail address, lower-cased.
    pub(super) owner: String,
    /// Whether no problem was found with it.
    pub(super) is_sound: bool,
}

/// What a file says.
#[derive(Debug, Default)]
pub(super) struct File {
    pub(super) rows: Vec<Row>,
    pub(super) problems: Problems,
}

/// Where the columns stand.
#[derive(Clone, Copy, Debug)]
struct Columns {
    name: usize,
    domains: usize,
    owner: usize,
    count: usize,
}

/// On which line names and domains stand first.
#[derive(Default)]
struct Seen {
    names: HashMap<String, usize>,
    domains: HashMap<String, usize>,
}

/// Reads a whole file.
///
/// # Errors
/// Of [`decode`].
pub(super) fn read(bytes: Vec<u8>) -> Result<File> {
    let text = decode(bytes)?;
    let mut file = File::default();
    let mut records = Records::new(&text);
    let Some((line, header)) = records.next() else {
        file.problems.add(1, None, "the first line must name the columns name, domains and owner");
        return Ok(file);
    };
    let Some(columns) = columns(line, &header.record, &mut file.problems) else { return Ok(file) };
    let mut seen = Seen::default();
    while let Some((line, found)) = records.next() {
        let before = file.problems.count;
        let mut row = row(line, &found, columns, &mut seen, &mut file.problems);
        row.is_sound = file.problems.count == before;
        file.rows.push(row);
    }
    Ok(file)
}

/// The records of a text that have something in them.
struct Records<'a> {
    text: &'a str,
    reader: csv::Reader<&'a [u8]>,
    lines: Lines,
    /// How far lines were counted, and how many ended by then.
    counted: usize,
    ended: usize,
}

/// A record, and whether its quotes come in pairs.
struct Found {
    record: StringRecord,
    is_quoted_well: bool,
}

impl<'a> Records<'a> {
    fn new(text: &'a str) -> Self {
        let mut builder = ReaderBuilder::new();
        let reader = builder.has_headers(false).flexible(true).from_reader(text.as_bytes());
        Self { text, reader, lines: Lines::default(), counted: 0, ended: 0 }
    }

    /// The next record and the line on which it begins: the reader's own count knows LF alone, and
    /// begins with the empty lines before.
    fn next(&mut self) -> Option<(usize, Found)> {
        let mut record = StringRecord::new();
        loop {
            let begin = self.at();
            // The text is in memory and in UTF-8, and records may be of any length: nothing can fail.
            if !self.reader.read_record(&mut record).unwrap_or(false) {
                return None;
            }
            let raw = self.text.as_bytes().get(begin..self.at()).unwrap_or_default();
            let blank = raw.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
            self.count_to(begin + blank);
            if record.iter().all(|cell| cell.trim().is_empty()) {
                continue;
            }
            let quotes = raw.iter().filter(|byte| **byte == b'"').count();
            let found = Found { record, is_quoted_well: quotes.is_multiple_of(2) };
            return Some((1 + self.ended, found));
        }
    }

    fn at(&self) -> usize {
        usize::try_from(self.reader.position().byte()).unwrap_or(usize::MAX)
    }

    fn count_to(&mut self, end: usize) {
        let piece = self.text.as_bytes().get(self.counted..end).unwrap_or_default();
        self.ended += self.lines.count(piece);
        self.counted = end;
    }
}

fn columns(line: usize, header: &StringRecord, problems: &mut Problems) -> Option<Columns> {
    let names: Vec<String> = header.iter().map(|cell| cell.trim().to_lowercase()).collect();
    if let [one] = names.as_slice()
        && one.contains([';', '\t'])
    {
        problems.add(line, None, "columns must be separated by commas");
        return None;
    }
    let mut place = |name: &'static str| {
        let mut places = names.iter().enumerate().filter(|(_, other)| *other == name);
        let first = places.next();
        if first.is_none() {
            problems.add(line, Some(name), format!("there is no column {name}"));
        } else if places.next().is_some() {
            problems.add(line, Some(name), format!("there are two columns {name}"));
            return None;
        }
        first.map(|(place, _)| place)
    };
    let (name, domains, owner) = (place(NAME), place(DOMAINS), place(OWNER));
    Some(Columns { name: name?, domains: domains?, owner: owner?, count: header.len() })
}

fn row(
    line: usize,
    Found { record, is_quoted_well }: &Found,
    columns: Columns,
    seen: &mut Seen,
    problems: &mut Problems,
) -> Row {
    let mut row = Row { line, ..Row::default() };
    if !is_quoted_well {
        let message = "a quotation mark has no other: a cell with one in it must stand between \
            quotation marks, and have it twice";
        problems.add(line, None, message);
        return row;
    }
    if record.len() != columns.count {
        let (wanted, found) = (columns.count, record.len());
        problems.add(
            line,
            None,
            format!("there must be {wanted} cells as in the header, not {found}"),
        );
        return row;
    }
    let mut cell = |field, place| {
        let cell: &str = record.get(place).unwrap_or("");
        if !is_formula(cell) {
            return Some(cell);
        }
        let message = format!(
            "{field} must not begin with = + - @ or a tab: spreadsheets would run it as a formula"
        );
        problems.add(line, Some(field), message);
        None
    };
    let (name, domains, owner) =
        (cell(NAME, columns.name), cell(DOMAINS, columns.domains), cell(OWNER, columns.owner));
    if let Some(name) = name {
        row.name = told(line, NAME, words::required(NAME, name, NAME_CHARS), problems);
        row.key = row.name.to_lowercase();
        once(line, NAME, &row.name, &row.key, &mut seen.names, problems);
    }
    if let Some(cell) = domains {
        row.domains = read_domains(line, cell, &mut seen.domains, problems);
    }
    if let Some(owner) = owner {
        row.owner = told(line, OWNER, words::email(OWNER, owner), problems).to_lowercase();
    }
    row
}

/// Also where something that can't be seen stands before it, or what looks like the sign in a font.
fn is_formula(cell: &str) -> bool {
    let signs = ['=', '+', '-', '@', '＝', '＋', '－', '＠'];
    cell.starts_with(['\t', '\r']) || cell.trim_start().starts_with(signs)
}

/// What could be read, or nothing and a problem.
fn told(line: usize, field: &'static str, read: Result<String>, problems: &mut Problems) -> String {
    read.unwrap_or_else(|error| {
        let message = match error {
            Error::BadInput { message, .. } => message,
            other => other.to_string(),
        };
        problems.add(line, Some(field), message);
        String::new()
    })
}

/// Notes where something stands; a problem where it stood before. Whether it is new.
fn once(
    line: usize,
    field: &'static str,
    shown: &str,
    key: &str,
    seen: &mut HashMap<String, usize>,
    problems: &mut Problems,
) -> bool {
    if key.is_empty() {
        return false;
    }
    if let Some(before) = seen.get(key) {
        problems.add(line, Some(field), format!("{shown} stands on line {before} already"));
        return false;
    }
    seen.insert(key.to_owned(), line);
    true
}

fn read_domains(
    line: usize,
    cell: &str,
    seen: &mut HashMap<String, usize>,
    problems: &mut Problems,
) -> Vec<String> {
    let separator = |c: char| c.is_whitespace() || matches!(c, ',' | ';');
    let parts = || cell.split(separator).filter(|part| !part.is_empty());
    let count = parts().count();
    if MOST_DOMAINS < count {
        let message = format!("at most {MOST_DOMAINS} domains, not {count}");
        problems.add(line, Some(DOMAINS), message);
        return Vec::new();
    }
    let mut domains: Vec<String> = Vec::with_capacity(count);
    for part in parts() {
        match domain::company(part) {
            Ok(domain) if domains.contains(&domain) => {}
            Ok(domain) => {
                if once(line, DOMAINS, &domain, &domain, seen, problems) {
                    domains.push(domain);
                }
            }
            Err(why) => {
                let shown: String = part.chars().filter(|c| !c.is_control()).take(64).collect();
                problems.add(line, Some(DOMAINS), format!("{shown} {why}"));
            }
        }
    }
    domains
}

#[cfg(test)]
mod tests;

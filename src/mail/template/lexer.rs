//! The words inside a tag.

use super::Fault;

/// A word of a tag, and where it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Word<'a> {
    pub(super) offset: usize,
    pub(super) kind: WordKind<'a>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WordKind<'a> {
    /// A path, a helper's name or a number, as written.
    Name(&'a str),
    /// A string in quotes.
    Text,
    /// `(`
    Open,
    /// `)`
    Close,
    /// One of the signs that Handlebars knows and a template here does not need.
    Sign(char),
}

/// The words from `start`, just behind `{{`, up to `}}`, and where the tag ends.
pub(super) fn words(source: &str, start: usize) -> Result<(Vec<Word<'_>>, usize), Fault> {
    let mut words = Vec::new();
    let mut at = start;
    loop {
        let rest = &source[at..];
        let Some(first) = rest.chars().next() else {
            return Err(Fault::new(start - 2, "this tag is not closed: }} is missing"));
        };
        if rest.starts_with("}}") {
            return Ok((words, at + 2));
        }
        let (kind, length) = match first {
            c if c.is_whitespace() || c == '~' => {
                at += c.len_utf8();
                continue;
            }
            '(' => (WordKind::Open, 1),
            ')' => (WordKind::Close, 1),
            '"' | '\'' => (WordKind::Text, quoted(rest, first, at)?),
            c if is_sign(c) => (WordKind::Sign(c), 1),
            _ => {
                let length = name(rest, at)?;
                (WordKind::Name(&rest[..length]), length)
            }
        };
        words.push(Word { offset: at, kind });
        at += length;
    }
}

fn is_sign(c: char) -> bool {
    matches!(
        c,
        '#' | '/'
            | '^'
            | '>'
            | '&'
            | '*'
            | '!'
            | '='
            | '|'
            | '{'
            | '}'
            | '@'
            | ']'
            | '`'
            | '\\'
            | ';'
            | ','
            | '<'
            | '%'
            | '+'
    )
}

/// The length of a string with its quotes.
fn quoted(rest: &str, quote: char, offset: usize) -> Result<usize, Fault> {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            '\n' | '\r' => break,
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return Ok(at + 1),
            _ => {}
        }
    }
    Err(Fault::new(offset, "this text is not closed: its second quote is missing"))
}

/// The length of a name; a part in brackets may hold spaces.
fn name(rest: &str, offset: usize) -> Result<usize, Fault> {
    let mut bracket = None;
    for (at, c) in rest.char_indices() {
        match (c, bracket) {
            (']', Some(_)) => bracket = None,
            ('\n' | '\r' | '{' | '}', Some(open)) => {
                return Err(Fault::new(offset + open, "this bracket is not closed: ] is missing"));
            }
            (_, Some(_)) => {}
            ('[', None) => bracket = Some(at),
            (c, None) => {
                let ends = c.is_whitespace() || is_sign(c) || "()~\"'".contains(c);
                // A slash separates path segments in Handlebars; here it makes an unknown name.
                if ends && c != '/' {
                    return Ok(at);
                }
            }
        }
    }
    match bracket {
        Some(open) => Err(Fault::new(offset + open, "this bracket is not closed: ] is missing")),
        None => Ok(rest.len()),
    }
}

//! The Handlebars tags of a source.

use std::collections::BTreeSet;

use super::Fault;
use super::expression::Reader;
use super::lexer::{self, Word, WordKind};
use crate::mail::tokens::URL_TOKENS;

/// How deep conditions may go.
const MAX_DEPTH: usize = 8;

/// A source, split at its tags.
pub(super) struct Scanned<'a> {
    pub(super) pieces: Vec<Piece<'a>>,
    /// The attributes that tags name: `person` or `company`, and the name.
    pub(super) attributes: BTreeSet<(String, String)>,
}

/// A stretch of a source.
pub(super) struct Piece<'a> {
    /// Where it begins, in bytes.
    pub(super) offset: usize,
    pub(super) raw: &'a str,
    pub(super) kind: PieceKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PieceKind {
    /// No tag.
    Text,
    /// `{{! … }}`
    Comment,
    /// A tag that becomes a value.
    Value,
    /// A tag that becomes a URL and nothing else.
    Url,
    /// `{{#if …}}`, `{{else}}`, `{{/if}}`: becomes nothing itself.
    Block,
}

/// Splits and checks a source.
pub(super) fn scan(source: &str) -> Result<Scanned<'_>, Fault> {
    let mut scanner = Scanner { attributes: BTreeSet::new(), open: Vec::new() };
    let mut pieces = Vec::new();
    let mut at = 0;
    while let Some(found) = source[at..].find("{{") {
        let start = at + found;
        if at < start {
            pieces.push(Piece { offset: at, raw: &source[at..start], kind: PieceKind::Text });
        }
        if source[..start].ends_with('\\') {
            return Err(Fault::new(start - 1, "a backslash cannot stand before {{"));
        }
        let (kind, end) = scanner.tag(source, start)?;
        pieces.push(Piece { offset: start, raw: &source[start..end], kind });
        at = end;
    }
    if at < source.len() {
        pieces.push(Piece { offset: at, raw: &source[at..], kind: PieceKind::Text });
    }
    match scanner.open.pop() {
        Some(block) => Err(Fault::new(
            block.offset,
            format!("this {0} is not closed: {{{{/{0}}}}} is missing", block.helper),
        )),
        None => Ok(Scanned { pieces, attributes: scanner.attributes }),
    }
}

struct Scanner<'a> {
    attributes: BTreeSet<(String, String)>,
    open: Vec<Block<'a>>,
}

/// A condition that is not closed yet.
struct Block<'a> {
    helper: &'a str,
    offset: usize,
    has_else: bool,
}

impl<'a> Scanner<'a> {
    /// Reads the tag at `start`: what it is, and where it ends.
    fn tag(&mut self, source: &'a str, start: usize) -> Result<(PieceKind, usize), Fault> {
        let inside = &source[start + 2..];
        if inside.starts_with('{') {
            let message = "{{{ puts a value in as it is, which mails must not: write two braces";
            return Err(Fault::new(start, message));
        }
        if let Some(comment) = inside.strip_prefix('!') {
            let ends = [comment.starts_with("--").then_some("--}}"), Some("}}")];
            let end =
                ends.into_iter().flatten().find_map(|end| Some(comment.find(end)? + end.len()));
            let end = end.ok_or_else(|| Fault::new(start, "this comment is not closed"))?;
            return Ok((PieceKind::Comment, start + 3 + end));
        }
        let (words, end) = lexer::words(source, start + 2)?;
        let kind = self.statement(&words, start, end - 2)?;
        Ok((kind, end))
    }

    fn statement(
        &mut self,
        words: &[Word<'a>],
        start: usize,
        end: usize,
    ) -> Result<PieceKind, Fault> {
        let kinds: Vec<WordKind<'a>> = words.iter().map(|word| word.kind).collect();
        match kinds[..] {
            [WordKind::Sign('#'), WordKind::Name(helper @ ("if" | "unless")), ..] => {
                self.reader(&words[2..], end).condition()?;
                if MAX_DEPTH <= self.open.len() {
                    return Err(Fault::new(
                        start,
                        format!("more than {MAX_DEPTH} conditions deep"),
                    ));
                }
                self.open.push(Block { helper, offset: start, has_else: false });
            }
            [WordKind::Sign('/'), WordKind::Name(helper)] => self.close(helper, words[1].offset)?,
            [WordKind::Name("else") | WordKind::Sign('^')] => self.otherwise(start, true)?,
            [WordKind::Name("else"), WordKind::Name("if" | "unless"), ..] => {
                self.otherwise(start, false)?;
                self.reader(&words[2..], end).condition()?;
            }
            [WordKind::Sign('#'), WordKind::Name(helper), ..] => {
                let message = format!("unknown block {helper:?}: a template may use if and unless");
                return Err(Fault::new(words[1].offset, message));
            }
            [WordKind::Sign('>'), ..] | [WordKind::Sign('#'), WordKind::Sign('>'), ..] => {
                return Err(Fault::new(start, "a template cannot take in another one"));
            }
            [WordKind::Sign('&'), ..] => {
                let message = "{{& puts a value in as it is, which mails must not: leave out the &";
                return Err(Fault::new(start, message));
            }
            _ => {
                let path = self.reader(words, end).value()?;
                let is_url = path.is_some_and(|path| URL_TOKENS.contains(&&*path));
                return Ok(if is_url { PieceKind::Url } else { PieceKind::Value });
            }
        }
        Ok(PieceKind::Block)
    }

    fn reader<'w>(&'w mut self, words: &'w [Word<'a>], end: usize) -> Reader<'a, 'w> {
        Reader::new(words, end, &mut self.attributes)
    }

    fn otherwise(&mut self, offset: usize, last: bool) -> Result<(), Fault> {
        match self.open.last_mut() {
            None => Err(Fault::new(offset, "else stands outside of a condition")),
            Some(Block { has_else: true, .. }) => Err(Fault::new(offset, "a second else")),
            Some(block) => {
                block.has_else = last;
                Ok(())
            }
        }
    }

    fn close(&mut self, helper: &str, offset: usize) -> Result<(), Fault> {
        match self.open.pop() {
            Some(block) if block.helper == helper => Ok(()),
            Some(block) => {
                let message = format!("{helper} is closed here, but {} is open", block.helper);
                Err(Fault::new(offset, message))
            }
            None => Err(Fault::new(offset, format!("{helper} is closed here, but was not opened"))),
        }
    }
}

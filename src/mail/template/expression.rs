//! What a tag may say: known tokens, `default`, and conditions.

use std::collections::BTreeSet;

use super::Fault;
use super::lexer::{Word, WordKind};
use crate::mail::tokens::{ATTRIBUTE_PREFIXES, tokens};

/// How deep parentheses may go.
const MAX_DEPTH: usize = 4;

/// The helpers that may stand in parentheses.
const INNER_HELPERS: [&str; 4] = ["default", "and", "or", "not"];

/// Reads the words of one tag.
pub(super) struct Reader<'a, 'w> {
    words: std::slice::Iter<'w, Word<'a>>,
    /// Where the tag ends: the place of what is missing.
    end: usize,
    depth: usize,
    pub(super) attributes: &'w mut BTreeSet<(String, String)>,
}

impl<'a, 'w> Reader<'a, 'w> {
    pub(super) fn new(
        words: &'w [Word<'a>],
        end: usize,
        attributes: &'w mut BTreeSet<(String, String)>,
    ) -> Self {
        Self { words: words.iter(), end, depth: 0, attributes }
    }

    /// A tag that puts in a value. The path, where it is no more than one.
    pub(super) fn value(&mut self) -> Result<Option<String>, Fault> {
        let Some(word) = self.words.next() else {
            return Err(Fault::new(self.end, "this tag is empty"));
        };
        match word.kind {
            WordKind::Name("default") => {
                self.arguments("default", word.offset)?;
                Ok(None)
            }
            WordKind::Name(helper @ ("if" | "unless")) => Err(Fault::new(
                word.offset,
                format!("a condition begins with #, as in {{{{#{helper} person.firstName}}}}"),
            )),
            WordKind::Name(name) if self.words.as_slice().is_empty() => {
                self.path(name, word.offset).map(Some)
            }
            WordKind::Name(name) => Err(unknown_helper(name, word.offset)),
            _ => Err(unexpected(word)),
        }
    }

    /// The condition of `#if`, `#unless` or `else if`: one value, and no more.
    pub(super) fn condition(&mut self) -> Result<(), Fault> {
        self.argument()?;
        match self.words.next() {
            None => Ok(()),
            Some(word) => Err(Fault::new(word.offset, "a condition is one value")),
        }
    }

    /// The arguments of a helper, up to its end.
    fn arguments(&mut self, helper: &str, offset: usize) -> Result<(), Fault> {
        let mut count = 0;
        while let Some(word) = self.words.as_slice().first() {
            if word.kind == WordKind::Close && 0 < self.depth {
                break;
            }
            self.argument()?;
            count += 1;
        }
        let takes = if helper == "not" { 1 } else { 2 };
        if count == takes {
            Ok(())
        } else if helper == "default" {
            let message = "default takes a token and what to say without it, as in {{default person.firstName \"there\"}}";
            Err(Fault::new(offset, message))
        } else {
            Err(Fault::new(offset, format!("{helper} takes {takes} values, not {count}")))
        }
    }

    fn argument(&mut self) -> Result<(), Fault> {
        let Some(word) = self.words.next() else {
            return Err(Fault::new(self.end, "a value is missing here"));
        };
        match word.kind {
            WordKind::Text => Ok(()),
            WordKind::Name(name) if name.parse::<u32>().is_ok() => Ok(()),
            WordKind::Name(name) => self.path(name, word.offset).map(|_path| ()),
            WordKind::Open => self.inner(word.offset),
            WordKind::Close | WordKind::Sign(_) => Err(unexpected(word)),
        }
    }

    /// A helper in parentheses, behind the first.
    fn inner(&mut self, offset: usize) -> Result<(), Fault> {
        self.depth += 1;
        if MAX_DEPTH < self.depth {
            return Err(Fault::new(offset, format!("more than {MAX_DEPTH} parentheses deep")));
        }
        match self.words.next() {
            Some(&Word { offset, kind: WordKind::Name(name) }) => {
                if !INNER_HELPERS.contains(&name) {
                    return Err(unknown_helper(name, offset));
                }
                self.arguments(name, offset)?;
            }
            Some(word) => return Err(unexpected(word)),
            None => return Err(Fault::new(self.end, "a value is missing here")),
        }
        match self.words.next() {
            Some(word) if word.kind == WordKind::Close => {}
            _ => return Err(Fault::new(offset, "this parenthesis is not closed: ) is missing")),
        }
        self.depth -= 1;
        Ok(())
    }

    /// A path, which must be a token's or name an attribute.
    fn path(&mut self, raw: &str, offset: usize) -> Result<String, Fault> {
        let segments = segments(raw).ok_or_else(|| unknown_token(raw, offset))?;
        let path = segments.join(".");
        let attribute = ATTRIBUTE_PREFIXES
            .iter()
            .find(|prefix| segments.len() == 3 && segments[..2].join(".") == **prefix);
        if let Some(prefix) = attribute {
            let group = prefix.split('.').next().unwrap_or_default();
            self.attributes.insert((group.to_owned(), segments[2].to_owned()));
            return Ok(path);
        }
        let known = segments.len() == 2
            && tokens()
                .iter()
                .any(|token| token.token.trim_matches(['{', '}']).split('.').eq(segments.clone()));
        if known { Ok(path) } else { Err(unknown_token(raw, offset)) }
    }
}

/// The segments of a path, brackets taken off; nothing where it is not written as one.
fn segments(raw: &str) -> Option<Vec<&str>> {
    let mut segments = Vec::new();
    let mut rest = raw;
    loop {
        let (segment, behind) = match rest.strip_prefix('[') {
            Some(bracketed) => bracketed.split_once(']')?,
            None => rest.split_at(rest.find('.').unwrap_or(rest.len())),
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_$:".contains(c) || !c.is_ascii();
        let bracketed = rest.starts_with('[');
        // Handlebars skips a segment that says `this`.
        if segment.is_empty() || segment == "this" || (!bracketed && !segment.chars().all(plain)) {
            return None;
        }
        segments.push(segment);
        if behind.is_empty() {
            return Some(segments);
        }
        rest = behind.strip_prefix('.')?;
    }
}

fn unknown_token(raw: &str, offset: usize) -> Fault {
    Fault::new(offset, format!("unknown token {raw:?}"))
}

fn unknown_helper(name: &str, offset: usize) -> Fault {
    Fault::new(
        offset,
        format!("unknown helper {name:?}: a template may use default, if and unless"),
    )
}

fn unexpected(word: &Word<'_>) -> Fault {
    let what = match word.kind {
        WordKind::Name(name) => name.to_owned(),
        WordKind::Text => "a text".to_owned(),
        WordKind::Open => "(".to_owned(),
        WordKind::Close => ")".to_owned(),
        WordKind::Sign(sign) => sign.to_string(),
    };
    Fault::new(word.offset, format!("{what} cannot stand here"))
}

//! How much one document may ask for, counted before anything is executed.
//!
//! async-graphql walks fragments as often as they are spread, so 900 bytes in which each fragment
//! spreads the next one twice cost it seconds, whatever its own depth and complexity limits are.
//! Here each fragment is counted once and the result is reused, so that the count is linear in the
//! size of the document. The text is scanned even before it is parsed, since the parser recurses
//! as deep as brackets nest.

use std::collections::HashMap;

use async_graphql::parser::types::{ExecutableDocument, Selection, SelectionSet};
use serde::Deserialize;
use thiserror::Error;

/// The bounds of one request. Every field has a default, so a configuration names what it changes.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Bytes of a request body, of a query string and of one WebSocket message.
    pub body_bytes: usize,
    /// Bytes of an answer: of one operation's, of a batch's, of one event or message.
    pub answer_bytes: usize,
    /// Operations in one batch (a JSON array); 0 refuses batches.
    pub batch: usize,
    /// Lexical tokens of a document (GraphQL specification, section 2.1.6).
    pub tokens: usize,
    /// How deep brackets nest in the text, and selection sets once fragments are expanded. At most
    /// 32, async-graphql's own bound.
    pub nesting: usize,
    /// Fields from an operation's root down to a leaf, through fragments. The introspection query
    /// of graphql-js needs 15.
    pub depth: usize,
    /// Selections of a document, with every fragment counted as often as it is spread.
    pub selections: usize,
    /// Aliases of a document, with every fragment counted as often as it is spread.
    pub aliases: usize,
    /// Directives in a document.
    pub directives: usize,
    /// Seconds until a request is given up, from its first byte to the end of its execution.
    /// Streams are not meant: they live as long as their subscription.
    pub timeout_seconds: u64,
    /// Operations that may run at the same time on one WebSocket.
    pub socket_operations: usize,
    /// Seconds that a WebSocket may stay open without `connection_init`.
    pub socket_init_seconds: u64,
    /// Seconds between two signs of life sent on a WebSocket or an event stream.
    pub keepalive_seconds: u64,
    /// Bytes of memory, roughly, for parsed documents.
    pub document_cache_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 256 * 1024,
            answer_bytes: 8 * 1024 * 1024,
            batch: 10,
            tokens: 4_000,
            nesting: 32,
            depth: 16,
            selections: 1_000,
            aliases: 50,
            directives: 50,
            timeout_seconds: 10,
            socket_operations: 50,
            socket_init_seconds: 10,
            keepalive_seconds: 12,
            document_cache_bytes: 8 * 1024 * 1024,
        }
    }
}

/// Why a document is not executed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum Excess {
    /// A count is above its limit.
    #[error("the document has {asked} {limit}, at most {allowed} are allowed")]
    Limit { limit: &'static str, asked: u64, allowed: usize },
    /// A fragment spreads itself, directly or through others, so its count has no end.
    #[error("the fragment \"{0}\" spreads itself")]
    Cycle(String),
}

impl Excess {
    fn above(limit: &'static str, asked: u64, allowed: usize) -> Result<(), Self> {
        if asked > allowed as u64 { Err(Self::Limit { limit, asked, allowed }) } else { Ok(()) }
    }
}

/// Refuses a text with too many tokens, directives or nested brackets, before it is parsed.
pub(crate) fn check_text(text: &str, limits: &Limits) -> Result<(), Excess> {
    let mut lexer = Lexer { rest: text.as_bytes() };
    let (mut tokens, mut directives, mut nesting) = (0, 0, 0_usize);
    while let Some(token) = lexer.next() {
        tokens += 1;
        match token {
            b'@' => directives += 1,
            b'{' | b'(' | b'[' => nesting += 1,
            b'}' | b')' | b']' => nesting = nesting.saturating_sub(1),
            _ => {}
        }
        // The scan stops at the first excess, so what is named is "more than", by one.
        Excess::above("tokens", tokens, limits.tokens)?;
        Excess::above("directives", directives, limits.directives)?;
        Excess::above("levels of nesting", nesting as u64, limits.nesting)?;
    }
    Ok(())
}

/// Refuses a document that asks for too much once its fragments are expanded. All of its
/// operations count together, since validation visits all of them.
pub(crate) fn check_document(document: &ExecutableDocument, limits: &Limits) -> Result<(), Excess> {
    let mut counter = Counter { document, fragments: HashMap::new() };
    let mut total = Weight::default();
    for (_, operation) in document.operations.iter() {
        total.add(counter.selection_set(&operation.node.selection_set.node)?);
    }
    // Fragments that nobody spreads are not expanded, but a cycle among them would be walked.
    for name in document.fragments.keys() {
        counter.fragment(name)?;
    }
    Excess::above("selections", total.selections, limits.selections)?;
    Excess::above("aliases", total.aliases, limits.aliases)?;
    Excess::above("levels of depth", total.depth, limits.depth)?;
    Excess::above("levels of nesting", total.nesting, limits.nesting)
}

/// What a selection set asks for, fragments expanded.
#[derive(Clone, Copy, Default)]
struct Weight {
    selections: u64,
    aliases: u64,
    depth: u64,
    nesting: u64,
}

impl Weight {
    fn add(&mut self, other: Self) {
        self.selections = self.selections.saturating_add(other.selections);
        self.aliases = self.aliases.saturating_add(other.aliases);
        self.depth = self.depth.max(other.depth);
        self.nesting = self.nesting.max(other.nesting);
    }
}

struct Counter<'a> {
    document: &'a ExecutableDocument,
    /// `None` while the fragment is being counted: meeting it then is a cycle.
    fragments: HashMap<&'a str, Option<Weight>>,
}

impl<'a> Counter<'a> {
    fn selection_set(&mut self, set: &'a SelectionSet) -> Result<Weight, Excess> {
        let mut weight = Weight::default();
        for item in &set.items {
            weight.selections = weight.selections.saturating_add(1);
            match &item.node {
                Selection::Field(field) => {
                    weight.aliases =
                        weight.aliases.saturating_add(field.node.alias.is_some().into());
                    let mut below = self.selection_set(&field.node.selection_set.node)?;
                    below.depth += 1;
                    weight.add(below);
                }
                Selection::InlineFragment(inline) => {
                    weight.add(self.selection_set(&inline.node.selection_set.node)?);
                }
                Selection::FragmentSpread(spread) => {
                    weight.add(self.fragment(&spread.node.fragment_name.node)?);
                }
            }
        }
        weight.nesting += u64::from(!set.items.is_empty());
        Ok(weight)
    }

    fn fragment(&mut self, name: &'a str) -> Result<Weight, Excess> {
        match self.fragments.get(name) {
            Some(Some(weight)) => return Ok(*weight),
            Some(None) => return Err(Excess::Cycle(name.to_owned())),
            None => {}
        }
        // An unknown fragment weighs nothing here; validation names it.
        let Some(fragment) = self.document.fragments.get(name) else {
            return Ok(Weight::default());
        };
        self.fragments.insert(name, None);
        let weight = self.selection_set(&fragment.node.selection_set.node)?;
        self.fragments.insert(name, Some(weight));
        Ok(weight)
    }
}

/// Splits a document into tokens just well enough to count them: a token is its first byte.
struct Lexer<'a> {
    rest: &'a [u8],
}

impl Lexer<'_> {
    fn next(&mut self) -> Option<u8> {
        self.skip_ignored();
        let (&first, rest) = self.rest.split_first()?;
        self.rest = rest;
        match first {
            b'"' => self.skip_string(),
            b'.' => self.skip_while(|byte| byte == b'.'),
            b'-' | b'0'..=b'9' => self.skip_while(|byte| is_word(byte) || byte == b'.'),
            byte if is_word(byte) => self.skip_while(is_word),
            _ => {}
        }
        Some(first)
    }

    fn skip_while(&mut self, keep: impl Fn(u8) -> bool) {
        let end = self.rest.iter().position(|&byte| !keep(byte)).unwrap_or(self.rest.len());
        self.rest = &self.rest[end..];
    }

    fn skip_ignored(&mut self) {
        loop {
            self.skip_while(|byte| {
                matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b',' | 0xEF | 0xBB | 0xBF)
            });
            if self.rest.first() != Some(&b'#') {
                return;
            }
            self.skip_while(|byte| byte != b'\n' && byte != b'\r');
        }
    }

    /// The opening quote is already taken.
    fn skip_string(&mut self) {
        let (end, escaped_end): (&[u8], &[u8]) = match self.rest {
            [b'"', b'"', ..] => {
                self.rest = &self.rest[2..];
                (b"\"\"\"", b"\\\"\"\"")
            }
            _ => (b"\"", b"\\\""),
        };
        while !self.rest.is_empty() && !self.rest.starts_with(end) {
            let step = match self.rest {
                rest if rest.starts_with(escaped_end) => escaped_end.len(),
                [b'\\', b'\\', ..] if end.len() == 1 => 2,
                _ => 1,
            };
            self.rest = &self.rest[step.min(self.rest.len())..];
        }
        self.rest = &self.rest[end.len().min(self.rest.len())..];
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-' || byte == b'+'
}

#[cfg(test)]
mod tests;

//! Marks: plain words in the place of tags, while CommonMark and the sanitiser are at work.

use super::Fault;
use super::tags::{PieceKind, Scanned};
use crate::mail::values::beside_values;

/// Stand for `{`, `}` and `\` of the agent's own words while Handlebars is at work, which would
/// read them as the beginning of a tag: CommonMark makes such characters out of `&#123;` or `\\`.
/// Private-use characters, refused in sources and removed from values.
const PROTECTED: [(char, char); 3] = [('{', '\u{e000}'), ('}', '\u{e001}'), ('\\', '\u{e002}')];

/// Stands before a link's target in text: with nothing in its parentheses it goes away.
pub(super) const EMPTY_TARGET: char = '\u{e003}';

/// Whether a character has a meaning of ours.
pub(in crate::mail) fn is_reserved(c: char) -> bool {
    c == EMPTY_TARGET || PROTECTED.iter().any(|(_, reserved)| *reserved == c)
}

/// Gives the agent's own braces and backslashes back, in what Handlebars rendered, and takes away
/// targets of links that lead nowhere.
pub(in crate::mail) fn unprotect(rendered: &str) -> String {
    let original = |c: char| PROTECTED.iter().find(|(_, reserved)| *reserved == c).map(|(c, _)| *c);
    let rendered = rendered.replace(&format!("{EMPTY_TARGET} ()"), "");
    let kept = rendered.chars().filter(|c| *c != EMPTY_TARGET);
    kept.map(|c| original(c).unwrap_or(c)).collect()
}

/// A source with marks for tags.
pub(super) struct Marked<'a> {
    pub(super) text: String,
    /// Letters and digits that do not occur in the agent's own words.
    prefix: String,
    tags: Vec<Tag<'a>>,
    /// Where each piece begins, in `text` and in the source.
    starts: Vec<(usize, usize)>,
}

struct Tag<'a> {
    raw: &'a str,
    offset: usize,
    kind: PieceKind,
}

/// A part of a text with marks.
pub(super) enum Part<'t> {
    Text(&'t str),
    /// The number of a tag.
    Mark(usize),
}

impl<'a> Marked<'a> {
    pub(super) fn new(scanned: &Scanned<'a>) -> Self {
        let words: Vec<String> = scanned
            .pieces
            .iter()
            .filter(|piece| piece.kind == PieceKind::Text)
            .map(|piece| piece.raw.to_lowercase())
            .collect();
        // A source of n characters cannot hold n + 1 different words.
        let unused = |prefix: &String| !words.iter().any(|text| text.contains(&**prefix));
        let prefix = (0_u32..).map(|n| format!("fd{n}q")).find(unused).unwrap_or_default();
        let mut marked = Self { text: String::new(), prefix, tags: Vec::new(), starts: Vec::new() };
        for piece in &scanned.pieces {
            marked.starts.push((marked.text.len(), piece.offset));
            match piece.kind {
                PieceKind::Text => marked.text.push_str(piece.raw),
                PieceKind::Comment => {}
                kind => {
                    let mark = marked.mark(marked.tags.len());
                    marked.text.push_str(&mark);
                    marked.tags.push(Tag { raw: piece.raw, offset: piece.offset, kind });
                }
            }
        }
        marked
    }

    /// The mark of a tag.
    pub(super) fn mark(&self, tag: usize) -> String {
        format!("{}{tag}z", self.prefix)
    }

    /// Where a byte of the marked text stands in the source.
    pub(super) fn source_offset(&self, at: usize) -> usize {
        let next = self.starts.partition_point(|(start, _)| *start <= at);
        let (start, offset) = next.checked_sub(1).map_or((0, 0), |piece| self.starts[piece]);
        let end = self.starts.get(next).map_or(usize::MAX, |(_, offset)| *offset);
        (offset + (at - start)).min(end.saturating_sub(1)).max(offset)
    }

    /// Splits a text at its marks.
    pub(super) fn parts<'t>(&self, text: &'t str) -> Vec<Part<'t>> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find(&self.prefix) {
            let behind = &rest[at + self.prefix.len()..];
            let number =
                behind.split_once('z').and_then(|(tag, rest)| Some((tag.parse().ok()?, rest)));
            let Some((tag, after)) = number.filter(|(tag, _)| *tag < self.tags.len()) else {
                break;
            };
            if 0 < at {
                parts.push(Part::Text(&rest[..at]));
            }
            parts.push(Part::Mark(tag));
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest));
        }
        parts
    }

    /// The tag behind a mark, as written.
    pub(super) fn raw(&self, tag: usize) -> &'a str {
        self.tags[tag].raw
    }

    pub(super) fn kind(&self, tag: usize) -> PieceKind {
        self.tags[tag].kind
    }

    /// The one tag that a text is the mark of.
    pub(super) fn only_mark(&self, text: &str) -> Option<usize> {
        match self.parts(text)[..] {
            [Part::Mark(tag)] => Some(tag),
            _ => None,
        }
    }

    pub(super) fn has_marks(&self, text: &str) -> bool {
        self.parts(text).iter().any(|part| matches!(part, Part::Mark(_)))
    }

    /// Whether a text is conditions' tags and space, and nothing else.
    pub(super) fn is_blocks(&self, text: &str) -> bool {
        !text.trim().is_empty()
            && self.parts(text).iter().all(|part| match part {
                Part::Text(text) => text.trim().is_empty(),
                Part::Mark(tag) => self.kind(*tag) == PieceKind::Block,
            })
    }

    /// The tags in place of their marks, all else protected from Handlebars.
    pub(super) fn restore(&self, text: &str) -> String {
        let mut restored = String::with_capacity(text.len() * 2);
        let parts = self.parts(text);
        let is_value = |part: Option<&Part<'_>>| matches!(part, Some(Part::Mark(tag)) if self.kind(*tag) == PieceKind::Value);
        for (at, part) in parts.iter().enumerate() {
            match part {
                Part::Mark(tag) => restored.push_str(self.raw(*tag)),
                Part::Text(text) => {
                    let before = at.checked_sub(1).and_then(|at| parts.get(at));
                    let text = beside_values(text, is_value(before), is_value(parts.get(at + 1)));
                    let protected = |c: char| PROTECTED.iter().find(|(plain, _)| *plain == c);
                    restored.extend(text.chars().map(|c| protected(c).map_or(c, |(_, to)| *to)));
                }
            }
        }
        restored
    }

    /// Whether no tag got lost but those `left_out`, and conditions are still in their order. CommonMark drops what
    /// stands in a link's title, the sanitiser what stands inside an HTML tag.
    pub(super) fn check_kept(&self, text: &str, left_out: &[usize]) -> Result<(), Fault> {
        let marks: Vec<usize> = self
            .parts(text)
            .iter()
            .filter_map(|part| if let Part::Mark(tag) = part { Some(*tag) } else { None })
            .collect();
        for (number, tag) in self.tags.iter().enumerate() {
            let count = marks.iter().filter(|mark| **mark == number).count();
            if (count == 0 && !left_out.contains(&number))
                || (1 < count && tag.kind == PieceKind::Block)
            {
                let message =
                    "a token cannot stand inside an HTML tag, a comment or a link's title";
                return Err(Fault::new(tag.offset, message));
            }
        }
        let blocks = || marks.iter().filter(|mark| self.kind(**mark) == PieceKind::Block);
        match blocks().zip(blocks().skip(1)).find(|(before, after)| after < before) {
            Some((_, after)) => Err(Fault::new(
                self.tags[*after].offset,
                "a condition cannot be cut by markup here",
            )),
            None => Ok(()),
        }
    }
}

//! Values that other people gave: made harmless before they stand in a mail.

use linkify::{LinkFinder, LinkKind};

use super::template::is_reserved;

/// Whether a program that shows `text` may turn a part of it into a link: a URL with or without
/// its scheme, a domain, or an e-mail address. Letters that look full-width, dots of other scripts
/// and invisible characters do not hide one.
///
/// For what a visitor types into a name or a company: refuse it there, and nobody can book in
/// order to send a link to a third person.
pub fn contains_link(text: &str) -> bool {
    let plain: String = text.chars().filter(|c| !is_invisible(*c)).map(narrow).collect();
    finder().links(&plain).next().is_some()
}

/// One line of plain text: every line break and control character is a space, marks that turn the
/// writing direction or cannot be seen are gone, and spaces are single.
pub(super) fn single_line(text: &str) -> String {
    let spaced: String = text
        .chars()
        .filter(|c| !is_invisible(*c))
        .map(|c| if c.is_control() || is_line_separator(c) { ' ' } else { c })
        .collect();
    spaced.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Lines of plain text: as [`single_line`], but line breaks stay, as `\n`.
pub(super) fn plain_lines(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace(['\r', '\u{2028}', '\u{2029}'], "\n");
    text.split('\n').map(single_line).collect::<Vec<_>>().join("\n").trim().to_owned()
}

/// The text with the signs that make a link replaced by ones that look the same, wherever a program
/// would make a link of it. The second line of defence behind [`contains_link`]: a domain, for one,
/// is a fair value that must not become a link.
pub(super) fn unlinked(text: &str) -> String {
    let text = single_line(text);
    if !contains_link(&text) {
        return text;
    }
    let look_alike = |c: char| match narrow(c) {
        '.' => '\u{2024}', // one dot leader
        '/' => '\u{2215}', // division slash
        '@' => '\u{ff20}', // full-width commercial at
        _ => c,
    };
    text.chars().map(look_alike).collect()
}

/// Whether `text` is one e-mail address and nothing else that a program would make a link of.
pub(super) fn is_lone_address(text: &str) -> bool {
    let mut links = finder().links(text);
    let whole = links.next().is_some_and(|link| {
        *link.kind() == LinkKind::Email && link.start() == 0 && link.end() == text.len()
    });
    whole && links.next().is_none()
}

fn finder() -> LinkFinder {
    let mut finder = LinkFinder::new();
    finder.url_must_have_scheme(false);
    finder
}

/// Marks of direction, zero-width characters and tags, seen by programs and not by people; and the
/// characters that have a meaning of ours in templates.
fn is_invisible(c: char) -> bool {
    is_reserved(c)
        || matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}')
}

fn is_line_separator(c: char) -> bool {
    matches!(c, '\u{2028}' | '\u{2029}')
}

/// The ASCII character that a full-width form or another script's full stop stands for
/// (IDNA's mapping, RFC 5895, section 2).
fn narrow(c: char) -> char {
    match c {
        '\u{3002}' | '\u{ff61}' | '\u{2024}' => '.',
        '\u{2044}' | '\u{2215}' => '/',
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xff01 + 0x21).unwrap_or(c),
        _ => c,
    }
}

//! Values that other people gave: made harmless before they stand in a mail.
//!
//! Nothing here looks for links in order to take them away: mail programs differ in what they make a
//! link of. Each sign without which there is no link is cut off from what stands around it instead.

use std::borrow::Cow;

use linkify::LinkFinder;

use super::template::is_reserved;

/// Stands around signs that links are made of: nobody sees it, and no program reads over it. U+200B
/// ZERO WIDTH SPACE, which all fonts and mail programs know; some show U+2060 as a box.
pub(super) const JOINER: char = '\u{200b}';

/// How many digits a telephone number has at least, for programs that make links of them.
const PHONE_DIGITS: usize = 7;

/// Whether a program that shows `text` may turn a part of it into a link: a URL with or without
/// its scheme, a domain, or an e-mail address. Letters that look full-width, dots of other scripts
/// and invisible characters do not hide one.
///
/// For what a visitor types into a name or a company: refuse it there, and nobody can book in
/// order to send a link to a third person.
pub fn contains_link(text: &str) -> bool {
    let plain: String = text.chars().filter(|c| !is_invisible(*c)).map(narrow).collect();
    let mut finder = LinkFinder::new();
    finder.url_must_have_scheme(false);
    finder.links(&plain).next().is_some()
}

/// One line of plain text: every line break and control character is a space, marks that turn the
/// writing direction or cannot be seen are gone, and spaces are single.
pub(super) fn single_line(text: &str) -> String {
    let text: String = text.chars().filter(|c| *c != JOINER).collect();
    one_line(&text)
}

/// [`single_line`], for text in which values may be [`unlinked`] already.
pub(super) fn one_line(text: &str) -> String {
    let spaced: String = text
        .chars()
        .filter(|c| *c == JOINER || !is_invisible(*c))
        .map(|c| if c.is_control() || is_line_separator(c) { ' ' } else { c })
        .collect();
    spaced.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// One line of somebody's words of which no program makes a link, and that reads as it was written.
pub fn unlinked(text: &str) -> String {
    let text = single_line(text);
    if !text.contains(|c: char| is_sign(c) || c.is_ascii_digit() || c.eq_ignore_ascii_case(&'l')) {
        return text;
    }
    without_phones(&without_localhost(&apart(&text)))
}

/// [`unlinked`] for a token's value, which an agent's template may go on from without a space: a full
/// stop at its end may join something after all.
pub(super) fn unlinked_token(text: &str) -> String {
    let mut text = unlinked(text);
    if let Some(last) = text.pop() {
        push_apart(&mut text, last);
    }
    text
}

/// The words of an agent's template beside a value: a sign of theirs that touches it is cut off, or
/// `{{person.firstName}}.{{person.lastName}}` could become a domain. A path is left as it is, for
/// what comes before it says where the link leads.
pub(super) fn beside_values(text: &str, after: bool, before: bool) -> Cow<'_, str> {
    let behind = text.trim_start_matches(is_sign);
    let joins = match behind.chars().next() {
        None => before,
        Some(next) => !next.is_whitespace() && next != '<',
    };
    let start = if after && joins { text.len() - behind.len() } else { 0 };
    let end = match text[start..].trim_end_matches(is_sign).len() + start {
        end if !before || end == text.len() => text.len(),
        end if &text[end..] == "/" && text[..end].ends_with(char::is_alphanumeric) => text.len(),
        end => end,
    };
    if start == 0 && end == text.len() {
        return Cow::Borrowed(text);
    }
    let mut cut = String::with_capacity(text.len() + 16);
    text[..start].chars().for_each(|c| push_apart(&mut cut, c));
    cut.push_str(&text[start..end]);
    text[end..].chars().for_each(|c| push_apart(&mut cut, c));
    Cow::Owned(cut)
}

/// [`unlinked`] for several lines; line breaks stay, as `\n`.
pub(super) fn unlinked_lines(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace(['\r', '\u{2028}', '\u{2029}'], "\n");
    text.split('\n').map(unlinked).collect::<Vec<_>>().join("\n").trim().to_owned()
}

/// An e-mail address for people to answer to: as it is where a program can make nothing of it but that
/// address, else [`unlinked`].
pub(super) fn address(text: &str) -> String {
    let text = single_line(text);
    if is_plain_address(&text) { text } else { unlinked(&text) }
}

/// Cuts signs off from what stands around them. A full stop or colon at a word's end joins nothing, and
/// a slash makes no link alone.
fn apart(text: &str) -> String {
    let mut cut = String::with_capacity(text.len() + 16);
    let mut before = None;
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let next = rest.peek().copied();
        let is_alone = !before.is_some_and(is_sign)
            && match narrow(c) {
                '.' | ':' => next.is_none_or(char::is_whitespace),
                '/' => !next.is_some_and(is_sign),
                _ => false,
            };
        if is_alone {
            cut.push(c);
        } else {
            push_apart(&mut cut, c);
        }
        before = Some(c);
    }
    cut
}

/// Puts a sign behind the text, cut off from it and from what follows, and anything else as it is.
fn push_apart(text: &mut String, c: char) {
    if !is_sign(c) {
        text.push(c);
        return;
    }
    if !text.ends_with(JOINER) {
        text.push(JOINER);
    }
    text.extend([c, JOINER]);
}

/// The one word that is a host without any sign.
fn without_localhost(text: &str) -> String {
    const WORD: &str = "localhost";
    let lower = text.to_ascii_lowercase();
    let mut cut = String::with_capacity(text.len() + JOINER.len_utf8());
    let mut done = 0;
    for (at, _) in lower.match_indices(WORD) {
        let middle = at + "local".len();
        cut.push_str(&text[done..middle]);
        cut.push(JOINER);
        done = middle;
    }
    cut.push_str(&text[done..]);
    cut
}

/// Cuts the digits of telephone numbers into pairs.
fn without_phones(text: &str) -> String {
    let part_of_number =
        |c: char| c.is_ascii_digit() || c.is_whitespace() || c == JOINER || "+().-/".contains(c);
    let mut cut = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c == '+' || c.is_ascii_digit()) {
        let (before, number) = rest.split_at(start);
        let end = number.find(|c| !part_of_number(c)).unwrap_or(number.len());
        let (number, after) = number.split_at(end);
        cut.push_str(before);
        if number.chars().filter(char::is_ascii_digit).count() < PHONE_DIGITS {
            cut.push_str(number);
        } else {
            push_in_pairs(&mut cut, number);
        }
        rest = after;
    }
    cut.push_str(rest);
    cut
}

fn push_in_pairs(cut: &mut String, number: &str) {
    let mut digits = 0;
    for c in number.chars() {
        digits = if c.is_ascii_digit() { digits + 1 } else { 0 };
        if digits == 3 {
            cut.push(JOINER);
            digits = 1;
        }
        cut.push(c);
        if c == '+' {
            cut.push(JOINER);
        }
    }
}

/// Whether each program takes all of it for an e-mail address, or none of it for anything. An address
/// like `evil.com@host.unknown` is one to some, and a link to `evil.com` to others.
fn is_plain_address(text: &str) -> bool {
    let Some((user, host)) = text.split_once('@') else { return false };
    let user_chars = |c: char| c.is_ascii_alphanumeric() || "-_+".contains(c);
    let host_chars = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let is_made_of = |label: &str, allowed: fn(char) -> bool, more: &str| {
        let is_ends = |c: char| c.is_ascii_alphanumeric() || more.contains(c);
        label.starts_with(is_ends) && label.ends_with(is_ends) && label.chars().all(allowed)
    };
    let (users, hosts): (Vec<_>, Vec<_>) = (user.split('.').collect(), host.split('.').collect());
    if !users.iter().all(|label| is_made_of(label, user_chars, "_"))
        || !hosts.iter().all(|label| is_made_of(label, host_chars, ""))
        || hosts.len() < 2
    {
        return false;
    }
    let top = hosts.last().copied().unwrap_or_default();
    let digits = user.chars().filter(char::is_ascii_digit).count();
    let is_sure = top.len() == 2 && top.chars().all(|c| c.is_ascii_alphabetic())
        || ["com", "net", "org", "edu", "gov"].contains(&top.to_ascii_lowercase().as_str());
    let inner = users.iter().skip(1).chain(hosts.iter().take(hosts.len() - 1));
    is_sure
        || (digits < PHONE_DIGITS && !inner.copied().any(may_end_a_host))
            && ![user, host].iter().any(|part| part.to_ascii_lowercase().contains("localhost"))
}

/// Whether a host name may end with this: a top-level domain, known or to come.
fn may_end_a_host(label: &str) -> bool {
    let label = label.to_ascii_lowercase();
    label.len() == 2
        || label.starts_with("xn--")
        || psl::suffix(label.as_bytes()).is_some_and(|suffix| suffix.is_known())
}

/// The signs of which each link has one: those of hosts, schemes, addresses and mentions.
fn is_sign(c: char) -> bool {
    matches!(narrow(c), '.' | ':' | '/' | '@' | '\\')
}

/// Marks of direction, zero-width characters, fillers and tags, seen by programs and not by people;
/// and the characters that have a meaning of ours in templates.
fn is_invisible(c: char) -> bool {
    is_reserved(c)
        || matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}'
        | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

fn is_line_separator(c: char) -> bool {
    matches!(c, '\u{2028}' | '\u{2029}')
}

/// The ASCII character that a full-width or small form, or another script's full stop, stands for
/// (IDNA's mapping, RFC 5895, section 2).
fn narrow(c: char) -> char {
    match c {
        '\u{3002}' | '\u{ff61}' | '\u{2024}' | '\u{fe52}' => '.',
        '\u{2236}' | '\u{fe55}' => ':',
        '\u{2044}' | '\u{2215}' => '/',
        '\u{fe6b}' => '@',
        '\u{fe68}' => '\\',
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xff01 + 0x21).unwrap_or(c),
        _ => c,
    }
}

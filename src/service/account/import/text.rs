//! The bytes of a file as text, and its lines.

use super::super::super::{Error, Result};
use super::{MOST_BYTES, MOST_LINES, too_many_bytes, too_many_lines};

/// How far a file is looked into for signs of another encoding.
const LOOKED_AT: usize = 1024;

/// The text of a file, within the limits.
///
/// # Errors
/// `BAD_USER_INPUT` naming the line that can't be read; `LIMIT_EXCEEDED`.
pub(super) fn decode(mut bytes: Vec<u8>) -> Result<String> {
    if MOST_BYTES < bytes.len() {
        return Err(too_many_bytes());
    }
    let text = match bytes.as_slice() {
        [0xFF, 0xFE, 0, 0, ..] | [0, 0, 0xFE, 0xFF, ..] => {
            return Err(refused("is in UTF-32", None));
        }
        [0xFF, 0xFE, rest @ ..] => utf16(rest, u16::from_le_bytes)?,
        [0xFE, 0xFF, rest @ ..] => utf16(rest, u16::from_be_bytes)?,
        _ => {
            if bytes.iter().take(LOOKED_AT).any(|byte| *byte == 0) {
                let message = "has zero bytes, as UTF-16 without a byte order mark has";
                return Err(refused(message, None));
            }
            if bytes.starts_with(b"\xEF\xBB\xBF") {
                bytes.drain(..3);
            }
            // Before the whole of it is looked at.
            within_lines(&bytes)?;
            String::from_utf8(bytes).map_err(|error| {
                let good = error.utf8_error().valid_up_to();
                let line = 1 + ends(error.as_bytes().get(..good).unwrap_or_default());
                refused("is not in UTF-8", Some(line))
            })?
        }
    };
    within_lines(text.as_bytes())?;
    Ok(text)
}

/// Whether a file begins as one in UTF-16 does.
pub(super) fn is_utf16(bytes: &[u8]) -> bool {
    matches!(bytes, [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..])
}

fn within_lines(text: &[u8]) -> Result<()> {
    let begun = usize::from(!matches!(text.last(), None | Some(b'\n' | b'\r')));
    if MOST_LINES < ends(text) + begun { Err(too_many_lines()) } else { Ok(()) }
}

fn utf16(bytes: &[u8], unit: impl Fn([u8; 2]) -> u16) -> Result<String> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let mut text = String::with_capacity(bytes.len());
    for read in char::decode_utf16(pairs.iter().map(|pair| unit(*pair))) {
        match read {
            Ok(c) => text.push(c),
            Err(_) => return Err(refused("is not in UTF-16", Some(1 + ends(text.as_bytes())))),
        }
    }
    if rest.is_empty() {
        return Ok(text);
    }
    Err(refused("breaks off within a character", Some(1 + ends(text.as_bytes()))))
}

fn refused(what: &str, line: Option<usize>) -> Error {
    let at = line.map(|line| format!(" on line {line}")).unwrap_or_default();
    let message = format!("the file {what}{at}: save it as CSV in UTF-8");
    let position = line.and_then(|line| Some((u32::try_from(line).ok()?, 1)));
    Error::BadInput { field: "input.csv".to_owned(), message, position }
}

/// How many lines end in `text`: at CR LF, LF or CR.
fn ends(text: &[u8]) -> usize {
    Lines::default().count(text)
}

/// Counts lines piece by piece.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lines {
    after_return: bool,
}

impl Lines {
    /// How many lines end in the next piece.
    pub(super) fn count(&mut self, piece: &[u8]) -> usize {
        let mut ends = 0;
        for byte in piece {
            let is_end = *byte == b'\r' || (*byte == b'\n' && !self.after_return);
            ends += usize::from(is_end);
            self.after_return = *byte == b'\r';
        }
        ends
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16_of(text: &str, unit: impl Fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(unit).collect()
    }

    #[track_caller]
    fn check_refused(bytes: &[u8], message: &str) {
        assert_eq!(decode(bytes.to_vec()).unwrap_err().to_string(), message);
    }

    #[test]
    fn text_is_read_in_its_encoding() {
        let text = "name,é,💡\r\n";
        let marked = format!("\u{FEFF}{text}");
        for bytes in [
            text.as_bytes().to_vec(),
            marked.as_bytes().to_vec(),
            utf16_of(&marked, u16::to_le_bytes),
            utf16_of(&marked, u16::to_be_bytes),
        ] {
            assert_eq!(decode(bytes).unwrap(), text);
        }
    }

    #[test]
    fn what_is_no_text_is_told_with_its_line() {
        check_refused(
            b"a\r\nb\nc\xFF",
            "the file is not in UTF-8 on line 3: save it as CSV in UTF-8",
        );
        let unmarked = "the file has zero bytes, as UTF-16 without a byte order mark has: \
            save it as CSV in UTF-8";
        check_refused(&utf16_of("name", u16::to_le_bytes), unmarked);
        check_refused(&utf16_of("name", u16::to_be_bytes), unmarked);
        check_refused(b"\xFF\xFE\0\0n\0\0\0", "the file is in UTF-32: save it as CSV in UTF-8");
        let cut = "the file breaks off within a character on line 2: save it as CSV in UTF-8";
        check_refused(b"\xFF\xFEa\0\n\0b", cut);
        let lone = "the file is not in UTF-16 on line 2: save it as CSV in UTF-8";
        check_refused(b"\xFE\xFF\0a\0\n\xD8\x00\0b", lone);
    }

    #[test]
    fn lines_end_in_three_ways() {
        for (text, expected) in [("", 0), ("a", 0), ("a\r\nb\n\nc\rd\r\r\n", 6)] {
            assert_eq!(ends(text.as_bytes()), expected, "{text:?}");
            let mut lines = Lines::default();
            let bytewise: usize = text.bytes().map(|byte| lines.count(&[byte])).sum();
            assert_eq!(bytewise, expected, "{text:?}");
        }
    }

    #[test]
    fn the_last_line_counts_with_and_without_its_end() {
        let full = "a\n".repeat(MOST_LINES);
        assert!(decode(full.clone().into_bytes()).is_ok());
        assert!(decode(full[..full.len() - 1].to_owned().into_bytes()).is_ok());
        let over = format!("{full}a");
        assert_eq!(decode(over.into_bytes()).unwrap_err().code(), "LIMIT_EXCEEDED");
    }
}

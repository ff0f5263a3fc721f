//! The Subject header.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lettre::message::header::{HeaderName, HeaderValue};

/// What an encoded word begins with (RFC 2047, section 2).
const ENCODED_WORD: &str = "=?";

/// The most bytes of text in one encoded word: with its frame, base64 makes 72 of the 75 characters
/// that section 2 allows.
const BYTES: usize = 45;

/// The same for the first one, which stands behind the header's name: a line with encoded words has at
/// most 76 characters.
const FIRST_BYTES: usize = 39;

/// The Subject. Text that looks like an encoded word is itself encoded (RFC 2047, section 7), or a
/// reader would decode what a visitor wrote: even direction marks, which nobody may write as such.
pub(super) fn header(subject: &str) -> HeaderValue {
    let name = HeaderName::new_from_ascii_str("Subject");
    if !subject.contains(ENCODED_WORD) {
        return HeaderValue::new(name, subject.to_owned());
    }
    let words: Vec<String> = pieces(subject)
        .into_iter()
        .map(|piece| format!("=?utf-8?b?{}?=", STANDARD.encode(piece)))
        .collect();
    // Base64 and its frame are printable ASCII, and a space parts lines that are folded.
    HeaderValue::dangerous_new_pre_encoded(name, subject.to_owned(), words.join("\r\n "))
}

/// The text in pieces of whole characters (section 5).
fn pieces(mut text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    while !text.is_empty() {
        let most = if pieces.is_empty() { FIRST_BYTES } else { BYTES };
        let (piece, rest) = text.split_at(text.floor_char_boundary(most));
        pieces.push(piece);
        text = rest;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use lettre::message::header::{HeaderValue, Headers};

    use super::header;

    /// As a reader decodes the header that goes out.
    fn decoded(value: HeaderValue) -> String {
        let mut headers = Headers::new();
        headers.insert_raw(value);
        let raw = format!("{headers}\r\n");
        assert!(raw.is_ascii() && raw.lines().all(|line| line.len() <= 76), "{raw}");
        let mail = mail_parser::MessageParser::default().parse(raw.as_bytes()).unwrap();
        mail.subject().unwrap_or_default().to_owned()
    }

    #[test]
    fn what_looks_encoded_is_read_as_it_was_written() {
        for text in [
            "=?utf-8?b?ZXZpbC5jb20=?=",
            "New meeting: =?utf-8?q?=E2=80=AE?=, Monday 4 January 2027, 10:00",
            "=?=?=?",
            "=?utf-8?b?4oCu?= \u{e9}\u{6f22}\u{1f600} =?utf-8?b?4oCu?=",
            "a=?iso-8859-1?q?x?=b",
        ] {
            let long = text.repeat(4);
            assert_eq!(decoded(header(text)), text);
            assert_eq!(decoded(header(&long)), long);
        }
        assert_eq!(decoded(header("Meeting = ? \u{e9}")), "Meeting = ? \u{e9}");
    }

    #[test]
    fn an_ordinary_subject_is_not_encoded() {
        let mut headers = Headers::new();
        headers.insert_raw(header("Your meeting with Sam Martin"));
        assert_eq!(headers.to_string(), "Subject: Your meeting with Sam Martin\r\n");
    }
}

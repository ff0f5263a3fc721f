//! The text of an event, and keeping the part of it that Teams wrote.

use std::fmt::Write;

use calendar_provider::EventDraft;
use sha2::{Digest, Sha256};

/// How many underscores Teams draws above its part at least; 80 as documented
/// (<https://learn.microsoft.com/graph/outlook-calendar-online-meetings>).
const RULE: &str = "____________________";

/// What an event says: the description, then the visitors.
///
/// The visitors stand here and are no attendees, since Graph sends invitations to attendees of its
/// own (<https://learn.microsoft.com/graph/api/calendar-post-events>) with no way to leave that
/// out, and the server invites them itself.
pub(crate) fn text(draft: &EventDraft) -> String {
    let mut text = draft.description.clone().unwrap_or_default();
    if !draft.attendees.is_empty() && !text.is_empty() {
        text.push_str("\n\n");
    }
    for attendee in &draft.attendees {
        match &attendee.name {
            Some(name) => writeln!(text, "{name} <{}>", attendee.email),
            None => writeln!(text, "{}", attendee.email),
        }
        .expect("a String takes everything");
    }
    text.truncate(text.trim_end().len());
    text
}

/// Tells texts apart. Exchange keeps a body as HTML of its own, so that the text that was written
/// can't be compared with what is read.
pub(crate) fn fingerprint(text: &str) -> String {
    let mut hex = String::new();
    for byte in &Sha256::digest(text)[..16] {
        write!(hex, "{byte:02x}").expect("a String takes everything");
    }
    hex
}

/// The body `html` of an event with a Teams meeting, with `text` in place of what stands above the
/// part that Teams wrote: without that part the meeting is no longer online
/// (<https://learn.microsoft.com/graph/api/event-update>). None where that part is not found.
pub(crate) fn replace_text(html: &str, text: &str, join_url: &str) -> Option<String> {
    // Attributes may be escaped or not.
    let link = html.find(join_url).or_else(|| html.find(&escape(join_url)))?;
    let rule = html[..link].rfind(RULE)?;
    let element = html[..rule].rfind("<div")?;
    let lines: Vec<_> = text.lines().map(escape).collect();
    Some(format!("<html><body>\r\n<div>{}</div>\r\n{}", lines.join("<br>\r\n"), &html[element..]))
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use calendar_provider::{EventDraft, Participant, TimeRange};
    use chrono_tz::Tz;

    use super::{fingerprint, replace_text, text};

    fn draft() -> EventDraft {
        let start = "2031-05-05T09:00:00Z".parse().unwrap();
        let range = TimeRange::lasting(start, chrono::TimeDelta::hours(1)).unwrap();
        let agent = Participant::new(None, "ada@contoso.example");
        EventDraft::new("1", range, Tz::UTC, "Demo", agent)
    }

    #[test]
    fn visitors_stand_in_the_text() {
        let mut draft = draft();
        assert_eq!(text(&draft), "");
        draft.attendees = vec![
            Participant::new(Some("Vic".into()), "vic@visitor.example"),
            Participant::new(None, "second@visitor.example"),
        ];
        let visitors = "Vic <vic@visitor.example>\nsecond@visitor.example";
        assert_eq!(text(&draft), visitors);
        draft.description = Some("About prices".into());
        assert_eq!(text(&draft), format!("About prices\n\n{visitors}"));
    }

    #[test]
    fn texts_that_differ_have_other_fingerprints() {
        assert_eq!(fingerprint("a"), fingerprint("a"));
        assert_ne!(fingerprint("a"), fingerprint("b"));
        assert_eq!(fingerprint("").len(), 32);
    }

    #[test]
    fn what_teams_wrote_is_kept() {
        let join_url = "https://teams.example/l/19%3ameeting?a=1&b=2";
        let blob = "<div class=\"rule\"><span>________________________________</span></div>\
            <a href=\"https://teams.example/l/19%3ameeting?a=1&amp;b=2\">Join</a></body></html>";
        let html = format!("<html><body>Old <b>text</b>{blob}");
        let replaced = replace_text(&html, "New <text>\nof two lines", join_url).unwrap();
        assert!(replaced.ends_with(blob));
        assert!(replaced.contains("New &lt;text&gt;<br>\r\nof two lines"));
        assert!(!replaced.contains("Old"));
        for unknown in ["", "<body>no meeting</body>", "<div>____</div>"] {
            assert_eq!(replace_text(unknown, "New", join_url), None, "{unknown}");
        }
    }
}

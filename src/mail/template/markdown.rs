//! CommonMark to HTML that is safe to mail.

use std::collections::{HashMap, HashSet};

use ammonia::{Builder, UrlRelative};
use pulldown_cmark::{CowStr, Event, LinkType, Options, Parser, Tag, TagEnd, TextMergeWithOffset};

use super::Fault;
use super::marks::{Marked, Part};
use super::tags::PieceKind;

/// How deep lists and quotations may go.
const MAX_DEPTH: usize = 20;

/// The schemes that a link may have.
const SCHEMES: [&str; 4] = ["http", "https", "mailto", "tel"];

/// The elements that a body may have: words and their structure, nothing that loads, runs or asks.
const ELEMENTS: [&str; 36] = [
    "a",
    "b",
    "blockquote",
    "br",
    "code",
    "dd",
    "del",
    "div",
    "dl",
    "dt",
    "em",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "i",
    "li",
    "ol",
    "p",
    "pre",
    "s",
    "small",
    "span",
    "strong",
    "sub",
    "sup",
    "table",
    "tbody",
    "td",
    "th",
    "thead",
    "tr",
    "ul",
];

/// The body's events: links checked, URL tokens made links, line breaks kept.
pub(super) fn events<'t>(marked: &'t Marked<'_>) -> Result<Vec<Event<'t>>, Fault> {
    let parser = Parser::new_ext(&marked.text, Options::empty()).into_offset_iter();
    let mut reader = Reader { marked, depth: 0, links: 0, code: false };
    let mut events = Vec::new();
    for (event, range) in TextMergeWithOffset::new(parser) {
        reader.read(event, range.start, &mut events)?;
    }
    Ok(tidy(marked, events))
}

struct Reader<'t, 'a> {
    marked: &'t Marked<'a>,
    depth: usize,
    links: usize,
    code: bool,
}

impl<'t> Reader<'t, '_> {
    fn read(
        &mut self,
        event: Event<'t>,
        at: usize,
        events: &mut Vec<Event<'t>>,
    ) -> Result<(), Fault> {
        match event {
            Event::Start(Tag::Image { .. }) => {
                let message = "a mail carries no images: link to it instead";
                return Err(Fault::new(self.marked.source_offset(at), message));
            }
            Event::Start(Tag::Link { link_type, dest_url, id, .. }) => {
                self.check_target(link_type, &dest_url, at)?;
                self.links += 1;
                events.push(Event::Start(Tag::Link { link_type, dest_url, title: "".into(), id }));
            }
            Event::Text(text) if self.links == 0 && !self.code => self.link_tokens(&text, events),
            other => {
                self.follow(&other, at)?;
                events.push(other);
            }
        }
        Ok(())
    }

    fn follow(&mut self, event: &Event<'_>, at: usize) -> Result<(), Fault> {
        match event {
            Event::End(TagEnd::Link) => self.links = self.links.saturating_sub(1),
            Event::Start(Tag::CodeBlock(_)) => self.code = true,
            Event::End(TagEnd::CodeBlock) => self.code = false,
            Event::Start(Tag::List(_) | Tag::BlockQuote(_)) => self.depth += 1,
            Event::End(TagEnd::List(_) | TagEnd::BlockQuote(_)) => self.depth -= 1,
            _ => {}
        }
        if MAX_DEPTH < self.depth {
            let message = format!("lists and quotations more than {MAX_DEPTH} deep");
            return Err(Fault::new(self.marked.source_offset(at), message));
        }
        Ok(())
    }

    fn check_target(&self, kind: LinkType, target: &str, at: usize) -> Result<(), Fault> {
        let marked = self.marked;
        let message = match marked.only_mark(target) {
            Some(tag) if marked.kind(tag) == PieceKind::Url => return Ok(()),
            Some(_) => {
                "a link may lead to {{meeting.manageUrl}} or {{meeting.conferenceUrl}}; \
                        no other token is a URL"
            }
            None if marked.has_marks(target) => "a link's target is a URL or one token, not both",
            None if kind == LinkType::Email || is_absolute(target) => return Ok(()),
            None => "a link must begin with https:, http:, mailto: or tel:",
        };
        Err(Fault::new(marked.source_offset(at), message))
    }

    /// Makes links of the URL tokens in a text.
    fn link_tokens(&self, text: &str, events: &mut Vec<Event<'t>>) {
        let mut plain = String::new();
        for part in self.marked.parts(text) {
            match part {
                Part::Text(text) => plain.push_str(text),
                Part::Mark(tag) if self.marked.kind(tag) != PieceKind::Url => {
                    plain.push_str(&self.marked.mark(tag));
                }
                Part::Mark(tag) => {
                    flush(&mut plain, events);
                    let mark = CowStr::from(self.marked.mark(tag));
                    events.push(Event::Start(Tag::Link {
                        link_type: LinkType::Autolink,
                        dest_url: mark.clone(),
                        title: "".into(),
                        id: "".into(),
                    }));
                    events.extend([Event::Text(mark), Event::End(TagEnd::Link)]);
                }
            }
        }
        flush(&mut plain, events);
    }
}

fn flush(plain: &mut String, events: &mut Vec<Event<'_>>) {
    if !plain.is_empty() {
        events.push(Event::Text(std::mem::take(plain).into()));
    }
}

fn is_absolute(target: &str) -> bool {
    url::Url::parse(target).is_ok_and(|url| SCHEMES.contains(&url.scheme()))
}

/// Keeps line breaks, except beside a condition's tag on a line of its own; takes paragraphs away
/// that are nothing but such tags.
fn tidy<'t>(marked: &Marked<'_>, events: Vec<Event<'t>>) -> Vec<Event<'t>> {
    let blocks: Vec<bool> = events
        .iter()
        .map(|event| matches!(event, Event::Text(text) if marked.is_blocks(text)))
        .collect();
    let is_block = |at: Option<usize>| at.and_then(|at| blocks.get(at)).is_some_and(|is| *is);
    let mut tidied = Vec::with_capacity(events.len());
    let mut at = 0;
    while at < events.len() {
        match &events[at..] {
            [Event::Start(Tag::Paragraph), text, Event::End(TagEnd::Paragraph), ..]
                if is_block(Some(at + 1)) =>
            {
                tidied.extend([Event::SoftBreak, text.clone(), Event::SoftBreak]);
                at += 3;
                continue;
            }
            [Event::SoftBreak, ..] if is_block(at.checked_sub(1)) || is_block(Some(at + 1)) => {
                tidied.push(Event::SoftBreak);
            }
            [Event::SoftBreak, ..] => tidied.push(Event::HardBreak),
            [event, ..] => tidied.push(event.clone()),
            [] => {}
        }
        at += 1;
    }
    tidied
}

/// The HTML of events, sanitised; marks still stand for tags.
pub(super) fn html(events: &[Event<'_>]) -> String {
    let mut html = String::new();
    pulldown_cmark::html::push_html(&mut html, events.iter().cloned());
    // A mark that is a link's whole target looks like a relative URL.
    sanitiser(UrlRelative::PassThrough).clean(&html).to_string()
}

/// The same rules once more, for HTML with values in it: closes what a condition left open, and
/// removes links that lead nowhere.
pub(in crate::mail) fn sanitise(html: &str) -> String {
    sanitiser(UrlRelative::Deny).clean(html).to_string()
}

fn sanitiser(relative: UrlRelative<'static>) -> Builder<'static> {
    let mut builder = Builder::default();
    builder
        .tags(HashSet::from(ELEMENTS))
        .generic_attributes(HashSet::new())
        .tag_attributes(HashMap::from([
            ("a", HashSet::from(["href"])),
            ("ol", HashSet::from(["start"])),
        ]))
        .url_schemes(HashSet::from(SCHEMES))
        .url_relative(relative)
        .link_rel(None);
    builder
}

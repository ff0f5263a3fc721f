//! CommonMark to plain text.

use ammonia::Builder;
use pulldown_cmark::{Event, Tag, TagEnd};

use super::marks::{EMPTY_TARGET, Marked};

/// A body as text; marks still stand for tags.
pub(super) struct Plain {
    pub(super) text: String,
    /// The tags left out because the one before says the same: `[{{x}}]({{x}})` reads `{{x}}`.
    pub(super) left_out: Vec<usize>,
}

/// The text of a body's events.
pub(super) fn text(events: &[Event<'_>], marked: &Marked<'_>) -> Plain {
    let mut writer = Writer::new(marked);
    for event in events {
        writer.event(event);
    }
    Plain { text: writer.out, left_out: writer.left_out }
}

struct Writer<'m, 'a> {
    marked: &'m Marked<'a>,
    out: String,
    /// What each line begins with, by level: quotations and list items.
    indents: Vec<&'static str>,
    /// The next number of each open list, none for bullets.
    lists: Vec<Option<u64>>,
    /// The target of each open link, and where its text begins.
    links: Vec<(String, usize)>,
    /// Whether a block has just begun, and needs no break before its first words.
    fresh: bool,
    /// The HTML block that is being read.
    html: String,
    left_out: Vec<usize>,
}

impl<'m, 'a> Writer<'m, 'a> {
    fn new(marked: &'m Marked<'a>) -> Self {
        Self {
            marked,
            out: String::new(),
            indents: Vec::new(),
            lists: Vec::new(),
            links: Vec::new(),
            fresh: true,
            html: String::new(),
            left_out: Vec::new(),
        }
    }

    fn event(&mut self, event: &Event<'_>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(*tag),
            Event::Text(text) | Event::Code(text) => self.words(text),
            Event::Html(html) => self.html.push_str(html),
            Event::InlineHtml(tag) if tag.to_ascii_lowercase().starts_with("<br") => self.line(),
            Event::SoftBreak | Event::HardBreak => self.line(),
            Event::Rule => {
                self.block(2);
                self.words("----");
            }
            _ => {}
        }
    }

    fn start(&mut self, tag: &Tag<'_>) {
        match tag {
            Tag::Paragraph | Tag::Heading { .. } | Tag::CodeBlock(_) | Tag::HtmlBlock => {
                self.block(2);
            }
            Tag::BlockQuote(_) => {
                self.block(2);
                self.out.push_str("> ");
                self.indents.push("> ");
                self.fresh = true;
            }
            Tag::List(first) => {
                self.block(if self.lists.is_empty() { 2 } else { 1 });
                self.lists.push(*first);
                self.fresh = true;
            }
            Tag::Item => {
                self.block(1);
                let marker = match self.lists.last_mut() {
                    Some(Some(number)) => {
                        let marker = format!("{number}. ");
                        *number += 1;
                        marker
                    }
                    _ => "- ".to_owned(),
                };
                self.out.push_str(&marker);
                self.indents.push("  ");
                self.fresh = true;
            }
            Tag::Link { dest_url, .. } => self.links.push((dest_url.to_string(), self.out.len())),
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::BlockQuote(_) | TagEnd::Item => {
                self.indents.pop();
                self.fresh = false;
            }
            TagEnd::List(_) => {
                self.lists.pop();
            }
            TagEnd::CodeBlock => self.out.truncate(self.out.trim_end().len()),
            TagEnd::HtmlBlock => {
                let html = std::mem::take(&mut self.html);
                self.words(without_markup(&html).trim());
            }
            TagEnd::Link => self.close_link(),
            _ => {}
        }
    }

    /// A link as its text and, where that is something else, its target in parentheses.
    fn close_link(&mut self) {
        let Some((target, start)) = self.links.pop() else { return };
        let text = self.out[start..].trim();
        if text == target || target.strip_prefix("mailto:") == Some(text) {
            return;
        }
        let marks = (self.marked.only_mark(&target), self.marked.only_mark(text));
        match marks {
            (Some(tag), Some(text)) if self.marked.raw(tag) == self.marked.raw(text) => {
                self.left_out.push(tag);
            }
            (Some(_), _) => self.words(&format!("{EMPTY_TARGET} ({target})")),
            (None, _) => self.words(&format!(" ({target})")),
        }
    }

    fn words(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        self.fresh = false;
        let mut lines = text.split('\n');
        self.out.push_str(lines.next().unwrap_or_default());
        for line in lines {
            self.line();
            self.out.push_str(line);
        }
    }

    /// A new line, inside a block.
    fn line(&mut self) {
        self.out.push('\n');
        self.out.extend(self.indents.iter().copied());
    }

    /// A new block, `lines` below the last.
    fn block(&mut self, lines: usize) {
        if !self.fresh && !self.out.is_empty() {
            for _ in 0..lines {
                self.line();
            }
        }
        self.fresh = false;
    }
}

/// The words of an HTML block.
fn without_markup(html: &str) -> String {
    let mut builder = Builder::empty();
    let text = builder.strip_comments(true).clean(html).to_string();
    let entities = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&nbsp;", "\u{a0}")];
    let text = entities.iter().fold(text, |text, (entity, c)| text.replace(entity, c));
    text.replace("&amp;", "&")
}

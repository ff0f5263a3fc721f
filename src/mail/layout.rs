//! The layout around a mail's words: a heading, the words, the facts, and links as buttons.

use std::fmt::Write;
use std::sync::LazyLock;

use handlebars::{Handlebars, html_escape};
use serde::Serialize;

use super::render::Rendered;
use super::wording::Language;

/// All but the words.
pub(super) struct Layout {
    pub(super) language: Language,
    pub(super) heading: String,
    pub(super) facts: Vec<Fact>,
    pub(super) buttons: Vec<Button>,
}

/// A label and its value.
#[derive(Serialize)]
pub(super) struct Fact {
    label: &'static str,
    value: String,
}

impl Fact {
    pub(super) fn new(label: &'static str, value: impl Into<String>) -> Self {
        Self { label, value: value.into() }
    }

    pub(super) const fn label(&self) -> &'static str {
        self.label
    }
}

/// A link with a URL of ours or of the conference.
#[derive(Serialize)]
pub(super) struct Button {
    pub(super) label: &'static str,
    pub(super) url: String,
}

#[derive(Serialize)]
struct Page<'a> {
    language: &'static str,
    subject: &'a str,
    heading: &'a str,
    body: &'a str,
    facts: &'a [Fact],
    buttons: &'a [Button],
}

const NAME: &str = "layout";

static PAGE: LazyLock<Handlebars<'static>> = LazyLock::new(|| {
    let mut registry = Handlebars::new();
    registry.set_strict_mode(true);
    registry.register_escape_fn(html_escape);
    registry
        .register_template_string(NAME, include_str!("layout.html.hbs"))
        .unwrap_or_else(|error| panic!("the layout is part of this program: {error}"));
    registry
});

impl Layout {
    /// Puts the words in: `text` as it is, `html` already sanitised.
    pub(super) fn render(&self, subject: String, text: &str, html: &str) -> Rendered {
        let page = Page {
            language: self.language.tag(),
            subject: &subject,
            heading: &self.heading,
            body: html,
            facts: &self.facts,
            buttons: &self.buttons,
        };
        let html = PAGE
            .render(NAME, &page)
            .unwrap_or_else(|error| panic!("every name in the layout is a field: {error}"));
        let text = self.text(text);
        Rendered { subject, text, html }
    }

    fn text(&self, body: &str) -> String {
        let colon = self.language.words().colon;
        let rule = "=".repeat(self.heading.chars().count());
        let mut text = format!("{}\n{rule}\n\n", self.heading);
        if !body.is_empty() {
            let _ = write!(text, "{body}\n\n");
        }
        for Fact { label, value } in &self.facts {
            let own_lines = value.contains('\n');
            let separator = if own_lines { colon.replace(": ", ":\n") } else { colon.to_owned() };
            let _ = writeln!(text, "{label}{separator}{value}");
        }
        for Button { label, url } in &self.buttons {
            let _ = write!(text, "\n{label}{colon}{url}\n");
        }
        text
    }
}

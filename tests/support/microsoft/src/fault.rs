//! What goes wrong at a test's command.

/// What happens to a request instead of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The connection is closed with no answer.
    Down,
    /// An answer with this status and a code of Graph's.
    Status(u16, &'static str),
    /// 429, with this many seconds to wait.
    Throttled(u32),
    /// An answer that ends in the middle.
    CutOff,
    /// A page of HTML with status 200, as a gateway shows.
    Html,
    /// 200 MiB of JSON.
    Huge,
    /// JSON that is not UTF-8.
    NotUtf8,
    /// This text as JSON with status 200.
    Json(&'static str),
    /// No answer, and the connection stays.
    Hang,
    /// It does what it is asked, and the connection is closed before the answer.
    AnswerLost,
}

/// A fault, and which requests meet it.
pub(crate) struct Rule {
    /// None for all.
    pub(crate) method: Option<String>,
    /// What stands in the path and query; empty for all.
    pub(crate) within: String,
    /// How many requests more; none until it is mended.
    pub(crate) left: Option<usize>,
    pub(crate) fault: Fault,
}

/// Takes the fault that this request meets.
pub(crate) fn take(rules: &mut Vec<Rule>, method: &str, uri: &str) -> Option<Fault> {
    let at = rules.iter().position(|rule| {
        rule.method.as_deref().is_none_or(|it| it == method) && uri.contains(&rule.within)
    })?;
    let fault = rules[at].fault.clone();
    if let Some(left) = &mut rules[at].left {
        *left -= 1;
        if *left == 0 {
            rules.remove(at);
        }
    }
    Some(fault)
}

//! What a test can tell the server to do.

use std::time::Duration;

/// How the person in front of the consent page answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Consent {
    /// To everything.
    Grant,
    /// To nothing: `access_denied`.
    Deny,
    /// To everything but these scopes, as they are asked for or told.
    Untick(Vec<String>),
}

/// What is sent as `iss` (RFC 9207).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Iss {
    /// The issuer's own identifier.
    Own,
    /// No parameter at all.
    Absent,
    /// Another issuer, as in a mix-up attack.
    Other(String),
}

/// What is wrong with the token endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Every grant is refused with `invalid_grant`.
    InvalidGrant,
    /// It answers with this status and an HTML page.
    Status(u16),
    /// It answers 200 and an HTML page.
    Html,
    /// It takes the request and never answers.
    Hang,
    /// It answers after this long, in real time.
    Slow(Duration),
    /// It does what it is asked, and the answer is lost on the way (503).
    AnswerLost,
    /// It closes the connection in the middle of the answer.
    CutOff,
}

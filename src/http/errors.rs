//! Every error that leaves the endpoint carries `extensions.code`, and none carries internals.

use async_graphql::{PathSegment, Response, ServerError, Value};

pub(crate) const BAD_USER_INPUT: &str = "BAD_USER_INPUT";
pub(crate) const FORBIDDEN: &str = "FORBIDDEN";
pub(crate) const INTERNAL: &str = "INTERNAL";
pub(crate) const LIMIT_EXCEEDED: &str = "LIMIT_EXCEEDED";
pub(crate) const RATE_LIMITED: &str = "RATE_LIMITED";
pub(crate) const UNAVAILABLE: &str = "UNAVAILABLE";
pub(crate) const UNAUTHENTICATED: &str = "UNAUTHENTICATED";

/// All that a caller is told about a defect of ours.
const INTERNAL_MESSAGE: &str = "internal error";

/// How async-graphql's own limits word their refusal (schema.rs and validation/mod.rs of 7.2); it
/// marks them by no other means.
const LIBRARY_LIMITS: [&str; 3] =
    ["Query is too complex.", "Query is nested too deep.", "The recursion depth of the query"];

/// How async-graphql words the failure to read an argument inside a resolver (`InputValueError`).
const LIBRARY_COERCION: [&str; 3] = ["Failed to parse ", "Expected input type ", "Variable "];

/// Sets the code unless there is one.
pub(crate) fn coded(mut error: ServerError, code: &str) -> ServerError {
    let extensions = error.extensions.get_or_insert_default();
    if extensions.get("code").is_none() {
        extensions.set("code", code);
    }
    error
}

/// The error for a defect of ours. The cause belongs in the log, by the caller.
pub(crate) fn internal() -> ServerError {
    coded(ServerError::new(INTERNAL_MESSAGE, None), INTERNAL)
}

/// The code of an error, once it has one.
pub(crate) fn code_of(error: &ServerError) -> Option<&str> {
    match error.extensions.as_ref()?.get("code")? {
        Value::String(code) => Some(code),
        _ => None,
    }
}

/// Whether the request was refused before execution: such an answer has no `data` entry (GraphQL
/// specification, section 7.1.2, request errors).
pub(crate) fn is_request_error(response: &Response) -> bool {
    response.data == Value::Null && response.errors.iter().any(|error| error.path.is_empty())
}

/// Gives every error of a response its code.
pub(crate) fn finish(mut response: Response) -> Response {
    for error in &mut response.errors {
        if code_of(error).is_none() {
            classify(error);
        }
    }
    response
}

/// Errors of the schema's own resolvers have codes. What comes without one is async-graphql's: a
/// request error or a failed coercion is the caller's fault; anything else is a defect of ours.
fn classify(error: &mut ServerError) {
    let starts =
        |prefixes: &[&str]| prefixes.iter().any(|prefix| error.message.starts_with(prefix));
    let request_error = error.path.is_empty();
    let code = if request_error && starts(&LIBRARY_LIMITS) {
        LIMIT_EXCEEDED
    } else if request_error || starts(&LIBRARY_COERCION) {
        BAD_USER_INPUT
    } else {
        tracing::error!(path = %path(error), cause = %error.message, "a resolver failed without a code");
        INTERNAL_MESSAGE.clone_into(&mut error.message);
        INTERNAL
    };
    let field = named_argument(&error.message).map(str::to_owned);
    let extensions = error.extensions.get_or_insert_default();
    extensions.set("code", code);
    if let Some(field) = field.filter(|_| code == BAD_USER_INPUT) {
        extensions.set("field", field);
    }
}

/// The dotted path that async-graphql's validation quotes after "for argument", for example
/// `input.blocks.1.end`.
fn named_argument(message: &str) -> Option<&str> {
    let (_, after) = message.split_once("for argument")?;
    let (_, quoted) = after.split_once('"')?;
    let (name, _) = quoted.split_once('"')?;
    Some(name)
}

fn path(error: &ServerError) -> String {
    let segment = |segment: &PathSegment| match segment {
        PathSegment::Field(name) => name.clone(),
        PathSegment::Index(index) => index.to_string(),
    };
    error.path.iter().map(segment).collect::<Vec<_>>().join(".")
}

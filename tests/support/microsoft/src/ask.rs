//! A request as the handlers see it, checked for what every request must have.

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::world::Recorded;

/// One request, on its own or in a batch.
pub(crate) struct Ask {
    pub(crate) method: String,
    /// Decoded, below `/v1.0`.
    pub(crate) path: Vec<String>,
    pub(crate) query: BTreeMap<String, String>,
    pub(crate) prefer: Prefer,
    pub(crate) if_match: Option<String>,
    pub(crate) content_type: Option<String>,
    pub(crate) body: Vec<u8>,
    /// Where the fake itself is, to make links.
    pub(crate) base: String,
}

/// What was preferred (RFC 7240), of what Graph knows.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Prefer {
    pub(crate) immutable: bool,
    pub(crate) text: bool,
    pub(crate) page_size: Option<usize>,
}

/// What is answered.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Option<Value>,
    pub(crate) retry_after: Option<u32>,
}

pub(crate) type Outcome = Result<Answer, Answer>;

impl Answer {
    pub(crate) fn ok(body: Value) -> Self {
        Self { status: 200, body: Some(body), retry_after: None }
    }

    pub(crate) fn created(body: Value) -> Self {
        Self { status: 201, ..Self::ok(body) }
    }

    pub(crate) fn no_content() -> Self {
        Self { status: 204, body: None, retry_after: None }
    }

    /// <https://learn.microsoft.com/graph/errors>
    pub(crate) fn error(status: u16, code: &str, message: &str) -> Self {
        let inner = json!({ "request-id": "00000000-0000-0000-0000-000000000000" });
        let error = json!({ "code": code, "message": message, "innerError": inner });
        Self { status, body: Some(json!({ "error": error })), retry_after: None }
    }

    pub(crate) fn bad(message: &str) -> Self {
        Self::error(400, "ErrorInvalidRequest", message)
    }

    pub(crate) fn not_found() -> Self {
        Self::error(404, "ErrorItemNotFound", "The specified object was not found in the store.")
    }
}

impl Ask {
    /// Reads a relative or absolute path with its query.
    pub(crate) fn new(method: &str, uri: &str, base: &str) -> Result<Self, Answer> {
        let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
        let decode = |text: &str| percent_decode_str(text).decode_utf8().map(Into::into);
        let bad = |_| Answer::bad("The address is not valid UTF-8.");
        let segments = path.split('/').filter(|it| !it.is_empty());
        let path = segments.map(decode).collect::<Result<_, _>>().map_err(bad)?;
        let mut parameters = BTreeMap::new();
        for pair in query.split('&').filter(|it| !it.is_empty()) {
            if pair.contains('+') {
                return Err(Answer::bad("A space is written %20."));
            }
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name: String = decode(name).map_err(bad)?;
            if parameters.insert(name, decode(value).map_err(bad)?).is_some() {
                return Err(Answer::bad("A query option stands twice."));
            }
        }
        Ok(Self {
            method: method.into(),
            path,
            query: parameters,
            prefer: Prefer::default(),
            if_match: None,
            content_type: None,
            body: Vec::new(),
            base: base.into(),
        })
    }

    /// The path's segments.
    pub(crate) fn segments(&self) -> Vec<&str> {
        self.path.iter().map(String::as_str).collect()
    }

    /// Refuses any query option but these.
    pub(crate) fn allow(&self, options: &[&str]) -> Result<(), Answer> {
        match self.query.keys().find(|it| !options.contains(&it.as_str())) {
            Some(_) => Err(Answer::bad("A query option is not supported here.")),
            None => Ok(()),
        }
    }

    pub(crate) fn select(&self) -> Option<&str> {
        self.query.get("$select").map(String::as_str)
    }

    /// The body, which must be JSON and have no field that is not documented.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, Answer> {
        if self.content_type.as_deref() != Some("application/json") {
            return Err(Answer::error(
                415,
                "UnsupportedMediaType",
                "The content type is not application/json.",
            ));
        }
        serde_json::from_slice(&self.body)
            .map_err(|error| Answer::error(400, "RequestBodyRead", &error.to_string()))
    }

    /// For tests to look at.
    pub(crate) fn recorded(&self, uri: &str, prefer: &str) -> Recorded {
        Recorded {
            method: self.method.clone(),
            uri: uri.into(),
            prefer: prefer.into(),
            if_match: self.if_match.clone(),
            body: serde_json::from_slice(&self.body).unwrap_or_default(),
        }
    }
}

impl Prefer {
    /// # Errors
    /// 400 for a preference that is not documented, or a zone other than UTC, which is all that
    /// this fake tells times in.
    pub(crate) fn parse(header: &str) -> Result<Self, Answer> {
        let mut prefer = Self::default();
        for one in header.split(',').map(str::trim).filter(|it| !it.is_empty()) {
            let (name, value) = one.split_once('=').unwrap_or((one, ""));
            match (name, value.trim_matches('"')) {
                ("IdType", "ImmutableId") => prefer.immutable = true,
                ("outlook.timezone", "UTC") => {}
                ("outlook.body-content-type", "text") => prefer.text = true,
                ("outlook.body-content-type", "html") => prefer.text = false,
                ("odata.maxpagesize", size) => {
                    let size = size.parse().ok().filter(|it: &usize| 0 < *it);
                    let bad = || Answer::bad("A page has no such size.");
                    prefer.page_size = Some(size.ok_or_else(bad)?);
                }
                _ => return Err(Answer::bad("A preference is not known.")),
            }
        }
        Ok(prefer)
    }
}

//! Parsed documents, kept so that a client's usual queries are parsed and counted once.
//!
//! This is no async-graphql extension on purpose: a registered extension costs a boxed future for
//! every resolved field.

use std::sync::Arc;

use async_graphql::{
    ServerError,
    parser::{
        parse_query,
        types::{DocumentOperations, ExecutableDocument, OperationType},
    },
};
use moka::sync::Cache;

use super::{
    errors::{BAD_USER_INPUT, LIMIT_EXCEEDED, coded},
    limits::{Excess, Limits, check_document, check_text},
};

/// A parsed document takes about this many times its text: positions, names and maps.
const MEMORY_PER_TEXT: usize = 16;

/// The cache. Only documents within the limits get in, so a hit needs no second count.
#[derive(Clone, Debug)]
pub(crate) struct Documents {
    limits: Limits,
    parsed: Cache<String, Arc<ExecutableDocument>>,
}

impl Documents {
    pub(crate) fn new(limits: &Limits) -> Self {
        let parsed = Cache::builder()
            .weigher(|text: &String, _| {
                u32::try_from(text.len() * MEMORY_PER_TEXT).unwrap_or(u32::MAX)
            })
            .max_capacity(limits.document_cache_bytes)
            .build();
        Self { limits: limits.clone(), parsed }
    }

    /// The document of this text, counted and parsed unless it is known.
    ///
    /// # Errors
    /// LIMIT_EXCEEDED above a limit, BAD_USER_INPUT where the text is no document.
    pub(crate) fn get(&self, text: &str) -> Result<Arc<ExecutableDocument>, ServerError> {
        if let Some(document) = self.parsed.get(text) {
            return Ok(document);
        }
        check_text(text, &self.limits)?;
        let document = parse_query(text).map_err(|error| coded(error.into(), BAD_USER_INPUT))?;
        check_document(&document, &self.limits)?;
        let document = Arc::new(document);
        self.parsed.insert(text.to_owned(), Arc::clone(&document));
        Ok(document)
    }
}

impl From<Excess> for ServerError {
    fn from(excess: Excess) -> Self {
        let code = match excess {
            Excess::Limit { .. } => LIMIT_EXCEEDED,
            Excess::Cycle(_) => BAD_USER_INPUT,
        };
        coded(ServerError::new(excess.to_string(), None), code)
    }
}

/// What kind of operation a request selects (GraphQL specification, section 6.1, GetOperation).
///
/// # Errors
/// BAD_USER_INPUT when the name is unknown, or missing where there are several operations.
pub(crate) fn operation_type(
    document: &ExecutableDocument,
    name: Option<&str>,
) -> Result<OperationType, ServerError> {
    let operation = match (&document.operations, name) {
        (DocumentOperations::Single(operation), None) => Some(operation),
        (DocumentOperations::Single(_), Some(_)) => None,
        (DocumentOperations::Multiple(all), Some(name)) => all.get(name),
        (DocumentOperations::Multiple(all), None) if all.len() == 1 => all.values().next(),
        (DocumentOperations::Multiple(_), None) => {
            let message = "the document has several operations: operationName must select one";
            return Err(coded(ServerError::new(message, None), BAD_USER_INPUT));
        }
    };
    operation.map(|operation| operation.node.ty).ok_or_else(|| {
        let message = format!("the document has no operation named {:?}", name.unwrap_or_default());
        coded(ServerError::new(message, None), BAD_USER_INPUT)
    })
}

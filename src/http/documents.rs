//! Parsed documents, kept so that a client's usual queries are parsed and counted once.
//!
//! This is no async-graphql extension on purpose: a registered extension costs a boxed future for
//! every resolved field.

use std::{
    collections::HashSet,
    sync::{Arc, OnceLock},
};

use async_graphql::{
    Executor, Request, ServerError, Value, Variables,
    parser::{
        parse_query,
        types::{BaseType, DocumentOperations, ExecutableDocument, OperationType},
    },
};
use futures_util::FutureExt;
use moka::sync::Cache;

use super::{
    cost::{Cost, Pricing, bears_on_cost},
    errors::{BAD_USER_INPUT, LIMIT_EXCEEDED, coded},
    limits::{Excess, Limits, check_document, check_text},
};

/// Asks for the names of all types.
const TYPE_NAMES: &str = "{__schema{types{name}}}";

/// A parsed document takes about this many times its text: positions, names and maps.
const MEMORY_PER_TEXT: usize = 16;

/// The cache. Only documents within the limits get in, so a hit needs no second count.
#[derive(Clone, Debug)]
pub(crate) struct Documents {
    limits: Limits,
    /// Empty when the schema does not tell.
    types: Arc<HashSet<String>>,
    parsed: Cache<String, Arc<Parsed>>,
}

/// A document, with what it costs where that does not depend on variables.
#[derive(Debug)]
pub(crate) struct Parsed {
    pub(crate) document: ExecutableDocument,
    cost: OnceLock<Cost>,
}

impl Parsed {
    /// What the document costs with these variables.
    pub(crate) fn cost(&self, pricing: &dyn Pricing, variables: &Variables) -> Cost {
        let depends = bears_on_cost(variables) || self.has_default_replaced(variables);
        if let Some(cost) = self.cost.get().filter(|_| !depends) {
            return *cost;
        }
        let cost = pricing.cost(&self.document, variables);
        if cost.lasts && !depends {
            // Another request may have been first, with the same.
            let _ = self.cost.set(cost);
        }
        cost
    }

    /// Whether a variable is null that has a default, which may be a number.
    fn has_default_replaced(&self, variables: &Variables) -> bool {
        let operations = self.document.operations.iter();
        let mut defined = operations.flat_map(|(_, it)| &it.node.variable_definitions);
        defined.any(|variable| {
            let given = variables.get(&variable.node.name.node);
            variable.node.default_value.is_some() && given == Some(&Value::Null)
        })
    }
}

impl Documents {
    pub(crate) fn new(limits: &Limits, schema: &impl Executor) -> Self {
        let parsed = Cache::builder()
            .weigher(|text: &String, _| {
                u32::try_from(text.len() * MEMORY_PER_TEXT).unwrap_or(u32::MAX)
            })
            .max_capacity(limits.document_cache_bytes)
            .build();
        Self { limits: limits.clone(), types: Arc::new(type_names(schema)), parsed }
    }

    /// The document of this text, counted and parsed unless it is known.
    ///
    /// # Errors
    /// LIMIT_EXCEEDED above a limit, BAD_USER_INPUT where the text is no document.
    pub(crate) fn get(&self, text: &str) -> Result<Arc<Parsed>, ServerError> {
        if let Some(document) = self.parsed.get(text) {
            return Ok(document);
        }
        check_text(text, &self.limits)?;
        let document = parse_query(text).map_err(|error| coded(error.into(), BAD_USER_INPUT))?;
        check_document(&document, &self.limits)?;
        self.check_variable_types(&document)?;
        let document = Arc::new(Parsed { document, cost: OnceLock::new() });
        self.parsed.insert(text.to_owned(), Arc::clone(&document));
        Ok(document)
    }

    /// async-graphql 7.2 panics in validation on `$x: [Unknown] = [1]`, so unknown types are
    /// refused before it looks.
    fn check_variable_types(&self, document: &ExecutableDocument) -> Result<(), ServerError> {
        let operations = document.operations.iter();
        for variable in operations.flat_map(|(_, operation)| &operation.node.variable_definitions) {
            let mut base = &variable.node.var_type.node.base;
            while let BaseType::List(inner) = base {
                base = &inner.base;
            }
            let BaseType::Named(name) = base else { continue };
            if !self.types.is_empty() && !self.types.contains(name.as_str()) {
                let message = format!("Unknown type \"{name}\"");
                return Err(coded(ServerError::new(message, Some(variable.pos)), BAD_USER_INPUT));
            }
        }
        Ok(())
    }
}

/// Introspection waits for nothing, so it is done at the first poll.
fn type_names(schema: &impl Executor) -> HashSet<String> {
    let response = schema.execute(Request::new(TYPE_NAMES)).now_or_never();
    let data = response.and_then(|response| response.data.into_json().ok()).unwrap_or_default();
    let types = data["__schema"]["types"].as_array().into_iter().flatten();
    types.filter_map(|ty| Some(ty["name"].as_str()?.to_owned())).collect()
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

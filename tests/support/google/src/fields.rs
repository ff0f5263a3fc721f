//! Partial answers: the `fields` parameter (guide "Improve performance").

use serde_json::{Map, Value};

use crate::answer::ApiError;

/// What a selector keeps: `a,b(c,d),e/f`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Selector(Vec<(String, Option<Selector>)>);

impl Selector {
    pub(crate) fn parse(text: &str) -> Result<Self, ApiError> {
        let mut rest = text;
        match Self::parts(&mut rest) {
            Some(selector) if rest.is_empty() => Ok(selector),
            _ => Err(ApiError::invalid("Invalid field selection")),
        }
    }

    fn parts(rest: &mut &str) -> Option<Self> {
        let mut parts = Vec::new();
        loop {
            parts.push(Self::part(rest)?);
            match rest.strip_prefix(',') {
                Some(after) => *rest = after,
                None => return Some(Self(parts)),
            }
        }
    }

    fn part(rest: &mut &str) -> Option<(String, Option<Self>)> {
        let end = rest.find([',', '(', ')', '/']).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        let word = !name.is_empty() && name.bytes().all(|it| it.is_ascii_alphanumeric());
        word.then_some(())?;
        let inner = if let Some(after) = after.strip_prefix('(') {
            *rest = after;
            let inner = Self::parts(rest)?;
            *rest = rest.strip_prefix(')')?;
            Some(inner)
        } else if let Some(after) = after.strip_prefix('/') {
            *rest = after;
            Some(Self(vec![Self::part(rest)?]))
        } else {
            *rest = after;
            None
        };
        Some((name.to_owned(), inner))
    }

    pub(crate) fn keep(&self, value: Value) -> Value {
        match value {
            Value::Array(items) => items.into_iter().map(|item| self.keep(item)).collect(),
            Value::Object(mut fields) => {
                let mut kept = Map::new();
                for (name, inner) in &self.0 {
                    if let Some(value) = fields.remove(name) {
                        let value = inner.as_ref().map_or(value.clone(), |it| it.keep(value));
                        kept.insert(name.clone(), value);
                    }
                }
                Value::Object(kept)
            }
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Selector;

    #[test]
    fn only_what_is_selected_is_kept() {
        let whole = json!({
            "kind": "k", "next": "n",
            "items": [{ "id": 1, "a": { "b": 2, "c": 3 } }, { "id": 4, "d": 5 }],
        });
        for (selector, kept) in [
            ("next", json!({ "next": "n" })),
            ("items/id", json!({ "items": [{ "id": 1 }, { "id": 4 }] })),
            (
                "kind,items(id,a/c)",
                json!({ "kind": "k", "items": [{ "id": 1, "a": { "c": 3 } }, { "id": 4 }] }),
            ),
        ] {
            assert_eq!(Selector::parse(selector).unwrap().keep(whole.clone()), kept, "{selector}");
        }
    }

    #[test]
    fn a_malformed_selector_is_refused() {
        for selector in ["", ",", "a,", "a(b", "a)b", "a(b)c", "a/", "a b"] {
            assert!(Selector::parse(selector).is_err(), "{selector}");
        }
    }
}

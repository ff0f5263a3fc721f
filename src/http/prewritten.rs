//! Long lists that write their own JSON.
//!
//! A resolver may put a part of its answer here, as JSON, and return a mark in its place. The mark is
//! an enum value with a name that GraphQL does not allow, so no data of anybody's can be taken for one.

use std::sync::{Arc, Mutex, PoisonError};

use async_graphql::{Name, Value};
use serde::ser::{Error as _, SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

/// Begins the name of a mark; the number of its part follows.
const MARK: char = '\0';

/// The parts of one operation's answer that resolvers wrote themselves. In the data of every query and
/// mutation that goes through the endpoint.
#[derive(Clone, Debug, Default)]
pub struct Prewritten(Arc<Mutex<Vec<Box<RawValue>>>>);

impl Prewritten {
    /// Keeps `part`, and returns the mark that stands for it. None where it can't be written.
    pub fn put(&self, part: &impl Serialize) -> Option<Value> {
        let part = serde_json::value::to_raw_value(part).ok()?;
        let mut parts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        parts.push(part);
        Some(Value::Enum(Name::new(format!("{MARK}{}", parts.len() - 1))))
    }

    pub(crate) fn take(&self) -> Parts {
        Parts(std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// What the marks in an answer stand for.
#[derive(Debug, Default)]
pub(crate) struct Parts(Vec<Box<RawValue>>);

impl Parts {
    /// Bytes of all parts.
    pub(crate) fn size(&self) -> usize {
        self.0.iter().map(|part| part.get().len()).sum()
    }

    /// `value`, with each mark replaced by what it stands for.
    pub(crate) fn fill<'a>(&'a self, value: &'a Value) -> Filled<'a> {
        Filled { value, parts: self }
    }

    fn of(&self, name: &str) -> Option<&RawValue> {
        let number: usize = name.strip_prefix(MARK)?.parse().ok()?;
        self.0.get(number).map(AsRef::as_ref)
    }
}

/// A value with marks in it, to be written.
pub(crate) struct Filled<'a> {
    value: &'a Value,
    parts: &'a Parts,
}

impl Serialize for Filled<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.parts.0.is_empty() {
            return self.value.serialize(serializer);
        }
        match self.value {
            Value::Object(fields) => {
                let mut map = serializer.serialize_map(Some(fields.len()))?;
                for (name, value) in fields {
                    map.serialize_entry(name, &self.parts.fill(value))?;
                }
                map.end()
            }
            Value::List(items) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    list.serialize_element(&self.parts.fill(item))?;
                }
                list.end()
            }
            Value::Enum(name) if name.starts_with(MARK) => match self.parts.of(name) {
                Some(part) => part.serialize(serializer),
                None => Err(S::Error::custom("a mark stands for nothing")),
            },
            other => other.serialize(serializer),
        }
    }
}

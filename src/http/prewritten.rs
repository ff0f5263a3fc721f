//! Long lists that write their own JSON.
//!
//! A resolver may put a part of its answer here, as JSON, and return a mark in its place. The mark is
//! an enum value with a name that GraphQL does not allow, so no data of anybody's can be taken for one.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_graphql::{Name, ServerError, Value};
use serde::ser::{Error as _, SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::connection::{Charge, NoRoom, Room};
use super::respond::no_room;

/// Begins the name of a mark; the number of its part follows.
const MARK: char = '\0';

/// The parts of one operation's answer that resolvers wrote themselves. In the data of every query and
/// mutation that goes through the endpoint.
#[derive(Clone, Debug)]
pub struct Prewritten {
    kept: Arc<Mutex<Kept>>,
    room: Room,
}

#[derive(Debug, Default)]
struct Kept {
    parts: Vec<Part>,
    /// Bytes of the parts.
    bytes: usize,
    charge: Charge,
}

/// A list that is written.
#[derive(Debug)]
pub enum Part {
    /// All of it at once.
    Whole(Box<RawValue>),
    /// Each item by itself.
    Items(Vec<Box<RawValue>>),
}

impl Part {
    fn size(&self) -> usize {
        match self {
            Self::Whole(list) => list.get().len(),
            Self::Items(items) => items.iter().map(|item| item.get().len() + 1).sum(),
        }
    }
}

impl Serialize for Part {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Whole(list) => list.serialize(serializer),
            Self::Items(items) => serializer.collect_seq(items),
        }
    }
}

impl Prewritten {
    /// Parts of an answer that has this much room.
    pub(crate) fn new(room: Room) -> Self {
        Self { kept: Arc::default(), room }
    }

    /// Keeps a list that is written, and returns the mark that stands for it.
    ///
    /// # Errors
    /// LIMIT_EXCEEDED where the answer would be too large, UNAVAILABLE where there is no memory for it.
    pub fn put(&self, part: Part) -> Result<Value, ServerError> {
        let bytes = part.size();
        let mut kept = self.kept();
        if self.room.most() - kept.bytes < bytes {
            return Err(no_room(NoRoom::TooLarge(self.room.most())));
        }
        let charge = self.room.take(bytes).map_err(no_room)?;
        kept.bytes += bytes;
        kept.charge.merge(charge);
        kept.parts.push(part);
        Ok(Value::Enum(Name::new(format!("{MARK}{}", kept.parts.len() - 1))))
    }

    /// Bytes that an answer may have at most.
    pub fn most(&self) -> usize {
        self.room.most()
    }

    pub(crate) fn take(&self) -> Parts {
        Parts(std::mem::take(&mut self.kept().parts))
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // What a panic left behind are still whole parts.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the marks in an answer stand for.
#[derive(Debug, Default)]
pub(crate) struct Parts(Vec<Part>);

impl Parts {
    /// `value`, with each mark replaced by what it stands for.
    pub(crate) fn fill<'a>(&'a self, value: &'a Value) -> Filled<'a> {
        Filled { value, parts: self }
    }

    fn of(&self, name: &str) -> Option<&Part> {
        let number: usize = name.strip_prefix(MARK)?.parse().ok()?;
        self.0.get(number)
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

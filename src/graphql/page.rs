//! Relay connections: arguments, cursors and page info.

use async_graphql::SimpleObject;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::Utc;
use uuid::Uuid;

use super::scalars::is_writable;
use crate::service::{Error, Result};
use crate::store::page::PageRequest;

/// Most entries of one page.
pub const MOST: i64 = 100;
/// Entries of a page where neither `first` nor `last` is given.
const USUAL: i64 = 20;

/// What a page costs of an operation's complexity: what one entry costs, as often as the page can
/// have entries. A number out of bounds is refused later, by [`PageArgs::read`].
pub(crate) fn cost(first: Option<i64>, last: Option<i64>, each: usize) -> usize {
    let asked = last.or(first).unwrap_or(USUAL).clamp(0, MOST);
    each.saturating_mul(usize::try_from(asked).unwrap_or(0)).saturating_add(1)
}

/// The same for a list that has no pages, and is short as a rule.
pub(crate) fn cost_of_list(each: usize) -> usize {
    cost_of_up_to(USUAL, each)
}

/// The same for a list that has no pages, and never more than `most` entries.
pub(crate) fn cost_of_up_to(most: impl TryInto<usize>, each: usize) -> usize {
    each.saturating_mul(entries(most)).saturating_add(1)
}

/// The same for one whose bound is far above what it holds as a rule, and which stands in others that are so:
/// of what it may hold past a usual page, one in twenty counts. By the bounds alone, 500 rules with up to
/// 200 agents each, not even a list of rules with their agents' names could be asked for. What the lists of
/// such a list hold is read together, in one statement, so that it is not many reads that go uncounted.
pub(crate) fn cost_of_long_list(most: impl TryInto<usize>, each: usize) -> usize {
    let usual = entries(USUAL);
    cost_of_up_to(usual + entries(most).saturating_sub(usual) / 20, each)
}

fn entries(count: impl TryInto<usize>) -> usize {
    count.try_into().unwrap_or(usize::MAX)
}

/// Where a page stands in its list.
#[derive(Clone, Debug, SimpleObject)]
pub struct PageInfo {
    /// Whether more follow.
    has_next_page: bool,
    /// Whether more come before.
    has_previous_page: bool,
    /// For `before`.
    start_cursor: Option<String>,
    /// For `after`.
    end_cursor: Option<String>,
}

impl PageInfo {
    pub(crate) const fn new(
        has_next_page: bool,
        has_previous_page: bool,
        start_cursor: Option<String>,
        end_cursor: Option<String>,
    ) -> Self {
        Self { has_next_page, has_previous_page, start_cursor, end_cursor }
    }
}

/// The four arguments of a connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct PageArgs {
    pub(crate) first: Option<i64>,
    pub(crate) after: Option<String>,
    pub(crate) last: Option<i64>,
    pub(crate) before: Option<String>,
}

impl PageArgs {
    pub(crate) fn read<K: Cursor>(self) -> Result<PageRequest<K>> {
        if self.first.is_some() && self.last.is_some() {
            return Err(Error::bad_input("last", "give first or last, not both"));
        }
        let (field, asked) = match (self.first, self.last) {
            (_, Some(last)) => ("last", last),
            (first, None) => ("first", first.unwrap_or(USUAL)),
        };
        let limit = u64::try_from(asked).ok().filter(|_| asked <= MOST).ok_or_else(|| {
            Error::bad_input(field, format!("{field} must be 0 to {MOST}, not {asked}"))
        })?;
        let cursor = |field: &str, text: Option<String>| {
            text.map(|text| {
                K::decode(&text).ok_or_else(|| {
                    Error::bad_input(field, format!("{field} must be a cursor of this connection"))
                })
            })
            .transpose()
        };
        Ok(PageRequest {
            limit,
            after: cursor("after", self.after)?,
            before: cursor("before", self.before)?,
            from_end: self.last.is_some(),
        })
    }
}

/// A key as callers see it: opaque.
pub(crate) trait Cursor: Sized {
    fn encode(&self) -> String;
    fn decode(text: &str) -> Option<Self>;
}

impl Cursor for Uuid {
    fn encode(&self) -> String {
        URL_SAFE_NO_PAD.encode(self)
    }

    fn decode(text: &str) -> Option<Self> {
        Self::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
    }
}

impl Cursor for (chrono::DateTime<Utc>, Uuid) {
    fn encode(&self) -> String {
        let mut bytes = self.0.timestamp_millis().to_be_bytes().to_vec();
        bytes.extend(self.1.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    fn decode(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (millis, id) = bytes.split_at_checked(8)?;
        let millis = i64::from_be_bytes(millis.try_into().ok()?);
        let instant = chrono::DateTime::from_timestamp_millis(millis)?;
        // PostgreSQL does not know all years that chrono does.
        is_writable(instant).then_some((instant, Uuid::from_slice(id).ok()?))
    }
}

/// Makes a connection and its edge for a node: the types, and the conversion from a page.
macro_rules! connection {
    (
        $(#[$doc:meta])* $connection:ident, $edge:ident, $node:ident($model:ty),
        cursor: $cursor:expr, count($ctx:ident, $of:ident: $of_type:ty): $count:expr
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $connection {
            page: $crate::store::page::Page<$model>,
            of: $of_type,
        }

        /// A node and where it stands.
        #[derive(Clone, Debug)]
        pub struct $edge($model);

        impl $connection {
            pub(crate) const fn new(
                page: $crate::store::page::Page<$model>,
                of: $of_type,
            ) -> Self {
                Self { page, of }
            }
        }

        /// A page of a list.
        #[async_graphql::Object]
        impl $connection {
            /// The nodes with their cursors.
            async fn edges(&self) -> Vec<$edge> {
                self.page.items.iter().cloned().map($edge).collect()
            }

            /// The nodes alone.
            async fn nodes(&self) -> Vec<$node> {
                self.page.items.iter().cloned().map($node).collect()
            }

            /// Where this page stands.
            async fn page_info(&self) -> $crate::graphql::page::PageInfo {
                let cursor: fn(&$model) -> String = $cursor;
                let page = &self.page;
                $crate::graphql::page::PageInfo::new(
                    page.has_next,
                    page.has_previous,
                    page.items.first().map(cursor),
                    page.items.last().map(cursor),
                )
            }

            /// How many there are on all pages; counted only when asked for.
            async fn total_count(
                &self,
                $ctx: &async_graphql::Context<'_>,
            ) -> $crate::graphql::error::Result<i64> {
                let $of = &self.of;
                let count: $crate::graphql::error::Result<u64> = $count;
                Ok(i64::try_from(count?).unwrap_or(i64::MAX))
            }
        }

        /// A node and where it stands.
        #[async_graphql::Object]
        impl $edge {
            /// For `after` and `before`.
            async fn cursor(&self) -> String {
                let cursor: fn(&$model) -> String = $cursor;
                cursor(&self.0)
            }

            /// The node.
            async fn node(&self) -> $node {
                $node(self.0.clone())
            }
        }
    };
}
pub(crate) use connection;

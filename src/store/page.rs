//! Pages of a list, by key: stable while rows are added.

use sea_orm::sea_query::{Expr, ExprTrait, SimpleExpr};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, Order, QueryFilter, QueryOrder, QuerySelect,
    Select, Value,
};

/// Which part of a list is asked for. `K` is the key that the list is ordered by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PageRequest<K> {
    /// At most this many rows.
    pub limit: u64,
    /// Only what stands after this key.
    pub after: Option<K>,
    /// Only what stands before this key.
    pub before: Option<K>,
    /// The last rows of what is left, rather than the first.
    pub from_end: bool,
}

/// Part of a list, in the list's order.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// Whether more stand behind them.
    pub has_next: bool,
    /// Whether more stand before them.
    pub has_previous: bool,
}

impl<T> Page<T> {
    /// Makes a page of rows that were read in the request's own direction, one more than asked for
    /// where there was one.
    pub fn from_rows<K>(mut rows: Vec<T>, request: &PageRequest<K>) -> Self {
        let more = u64::try_from(rows.len()).is_ok_and(|count| request.limit < count);
        rows.truncate(usize::try_from(request.limit).unwrap_or(usize::MAX));
        if request.from_end {
            rows.reverse();
            Self { items: rows, has_next: request.before.is_some(), has_previous: more }
        } else {
            Self { items: rows, has_next: more, has_previous: request.after.is_some() }
        }
    }
}

/// Reads a page of `select`, ordered by `columns`, whose values make up the key.
///
/// # Errors
/// The database's own.
pub async fn read<E, C, K>(
    db: &C,
    select: Select<E>,
    columns: &[E::Column],
    request: &PageRequest<K>,
) -> Result<Page<E::Model>, DbErr>
where
    E: EntityTrait,
    C: ConnectionTrait,
    K: Key,
{
    let order = if request.from_end { Order::Desc } else { Order::Asc };
    let mut select = select.filter(within::<E, K>(columns, request));
    for column in columns {
        select = select.order_by(*column, order.clone());
    }
    let rows = select.limit(request.limit.saturating_add(1)).all(db).await?;
    Ok(Page::from_rows(rows, request))
}

/// The condition that a row stands after `after` and before `before`.
pub fn within<E: EntityTrait, K: Key>(
    columns: &[E::Column],
    request: &PageRequest<K>,
) -> sea_orm::Condition {
    let mut condition = sea_orm::Condition::all();
    let tuple = || Expr::tuple(columns.iter().map(|column| Expr::col(column.as_column_ref())));
    let values = |key: &K| -> SimpleExpr { Expr::tuple(key.values().into_iter().map(Expr::val)) };
    if let Some(after) = &request.after {
        condition = condition.add(tuple().gt(values(after)));
    }
    if let Some(before) = &request.before {
        condition = condition.add(tuple().lt(values(before)));
    }
    condition
}

/// A key that lists are ordered by.
pub trait Key {
    /// The values of its columns, in order.
    fn values(&self) -> Vec<Value>;
}

impl Key for uuid::Uuid {
    fn values(&self) -> Vec<Value> {
        vec![(*self).into()]
    }
}

impl Key for (chrono::DateTime<chrono::Utc>, uuid::Uuid) {
    fn values(&self) -> Vec<Value> {
        vec![self.0.into(), self.1.into()]
    }
}

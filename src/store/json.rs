//! A column that holds a value as JSON.

use sea_orm::sea_query::{ArrayType, ColumnType, Nullable, ValueType, ValueTypeErr};
use sea_orm::{ColIdx, DbErr, QueryResult, TryGetError, TryGetable, Value};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// `T`, kept as JSON: `jsonb` on PostgreSQL, text on SQLite.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JsonOf<T>(pub T);

impl<T: Serialize> From<JsonOf<T>> for Value {
    fn from(json: JsonOf<T>) -> Self {
        // A record's own types serialise without fail: no maps with keys that are not strings,
        // no writer. JSON null is refused by every column's NOT NULL or reading type.
        let value = serde_json::to_value(json.0).unwrap_or(serde_json::Value::Null);
        Self::Json(Some(Box::new(value)))
    }
}

impl<T: DeserializeOwned> TryGetable for JsonOf<T> {
    fn try_get_by<I: ColIdx>(row: &QueryResult, column: I) -> Result<Self, TryGetError> {
        let value = serde_json::Value::try_get_by(row, column)?;
        serde_json::from_value(value)
            .map(JsonOf)
            .map_err(|error| TryGetError::DbErr(DbErr::Json(error.to_string())))
    }
}

impl<T: DeserializeOwned> ValueType for JsonOf<T> {
    fn try_from(value: Value) -> Result<Self, ValueTypeErr> {
        match value {
            Value::Json(Some(json)) => {
                serde_json::from_value(*json).map(JsonOf).map_err(|_| ValueTypeErr)
            }
            _ => Err(ValueTypeErr),
        }
    }

    fn type_name() -> String {
        "JsonOf".to_owned()
    }

    fn array_type() -> ArrayType {
        ArrayType::Json
    }

    fn column_type() -> ColumnType {
        ColumnType::JsonBinary
    }
}

impl<T> Nullable for JsonOf<T> {
    fn null() -> Value {
        Value::Json(None)
    }
}

//! Dates on which an agent takes meetings at other times than every week.

use chrono::NaiveDate;
use sea_orm::sea_query::OnConflict;
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, Set};

use super::access::AgentEditor;
use super::{Error, Result, text};
use crate::app::App;
use crate::scheduling::DayBlocks;
use crate::store::date_override::{ActiveModel, Column, Entity};
use crate::store::{JsonOf, agent};

/// Most overrides that one agent keeps.
const MOST: u64 = 1000;

/// Sets what holds on a date, instead of what held there before.
///
/// # Errors
/// `BAD_USER_INPUT`; `LIMIT_EXCEEDED` past 1000 dates; `NOT_FOUND`.
pub async fn set(
    app: &App,
    editor: AgentEditor,
    date: NaiveDate,
    blocks: DayBlocks,
    note: Option<&str>,
) -> Result<agent::Model> {
    let agent_id = editor.agent();
    let note = text::optional_lines("input.note", note, 1000)?;
    let row = ActiveModel {
        id: Set(app.uuid()),
        agent_id: Set(agent_id),
        date: Set(date),
        blocks: Set(JsonOf(blocks)),
        note: Set(note),
    };
    let replace = OnConflict::columns([Column::AgentId, Column::Date])
        .update_columns([Column::Blocks, Column::Note])
        .to_owned();
    super::agent::locked(app, editor, async |transaction, _, _| {
        Entity::insert(row).on_conflict(replace).exec_without_returning(transaction).await?;
        let count = Entity::find().filter(Column::AgentId.eq(agent_id)).count(transaction).await?;
        if MOST < count {
            return Err(Error::LimitExceeded(format!("at most {MOST} dates can be overridden")));
        }
        Ok(())
    })
    .await
}

/// Lets the weekly blocks hold on a date again.
///
/// # Errors
/// `NOT_FOUND` where there is no agent, or no override on this date.
pub async fn remove(app: &App, editor: AgentEditor, date: NaiveDate) -> Result<agent::Model> {
    let agent_id = editor.agent();
    super::agent::locked(app, editor, async |transaction, _, _| {
        let deleted = Entity::delete_many()
            .filter(Column::AgentId.eq(agent_id))
            .filter(Column::Date.eq(date))
            .exec(transaction)
            .await?;
        if deleted.rows_affected == 0 {
            return Err(Error::NotFound(format!("there is no date override on {date}")));
        }
        Ok(())
    })
    .await
}

//! The built-in calendar's place in the database.

use async_trait::async_trait;
use calendar_provider::{EventDraft, TimeRange};
use calendar_provider_builtin::{
    EventStore, Revision, StoreError, StoredChange, StoredChanges, StoredEvent,
};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ColumnTrait, DatabaseConnection, DbErr, EntityTrait, QueryFilter, Set};
use uuid::Uuid;

use super::busy::builtin::{self, BOOKING, Column, Entity, Model};
use super::{JsonOf, agent, begin};

/// The events of the built-in calendar, an owner for each agent.
#[derive(Clone, Debug)]
pub struct BuiltinCalendar {
    db: DatabaseConnection,
}

impl BuiltinCalendar {
    /// Over this database.
    pub const fn new(db: DatabaseConnection) -> Self {
        Self { db }
    }

    async fn read(
        &self,
        owner: Uuid,
        after: Option<Revision>,
        window: TimeRange,
    ) -> Result<Option<StoredChanges>, DbErr> {
        let transaction = begin(&self.db).await?;
        let newest = builtin::newest_revision(&transaction, owner).await?;
        let select = match after {
            Some(after) if newest < after => return Ok(None),
            Some(after) => Entity::find()
                .filter(Column::AgentId.eq(owner))
                .filter(Column::Revision.gt(after))
                .filter(Column::Revision.lte(newest)),
            None => overlapping(owner, window).filter(Column::Revision.lte(newest)),
        };
        let rows = select.all(&transaction).await?;
        transaction.commit().await?;
        let events = rows.into_iter().map(change).collect::<Result<_, _>>()?;
        Ok(Some(StoredChanges { events, newest }))
    }

    async fn put(&self, owner: Uuid, event: &EventDraft) -> Result<Revision, DbErr> {
        let transaction = begin(&self.db).await?;
        let revision = builtin::next_revision(&transaction, owner).await?;
        let row = builtin::ActiveModel {
            agent_id: Set(owner),
            uid: Set(event.uid.clone()),
            kind: Set(BOOKING.to_owned()),
            sequence: Set(i32::try_from(event.sequence).unwrap_or(i32::MAX)),
            starts_at: Set(event.range.start()),
            ends_at: Set(event.range.end()),
            title: Set(event.title.clone()),
            details: Set(JsonOf(details(event))),
            revision: Set(revision),
            deleted: Set(false),
        };
        let replace = OnConflict::columns([Column::AgentId, Column::Uid])
            .update_columns([
                Column::Sequence,
                Column::StartsAt,
                Column::EndsAt,
                Column::Title,
                Column::Details,
                Column::Revision,
                Column::Deleted,
            ])
            .to_owned();
        Entity::insert(row).on_conflict(replace).exec_without_returning(&transaction).await?;
        transaction.commit().await?;
        Ok(revision)
    }

    async fn take_out(&self, owner: Uuid, uid: &str) -> Result<bool, DbErr> {
        let transaction = begin(&self.db).await?;
        let deleted = builtin::delete(&transaction, owner, uid, BOOKING).await?;
        transaction.commit().await?;
        Ok(deleted)
    }
}

#[async_trait]
impl EventStore for BuiltinCalendar {
    async fn owner_exists(&self, owner: &str) -> Result<bool, StoreError> {
        let Ok(owner) = owner.parse::<Uuid>() else { return Ok(false) };
        let found = agent::Entity::find_by_id(owner).one(&self.db).await;
        Ok(found.map_err(StoreError::new)?.is_some())
    }

    async fn overlapping(
        &self,
        owner: &str,
        window: TimeRange,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        let rows = overlapping(id(owner)?, window).all(&self.db).await.map_err(StoreError::new)?;
        rows.into_iter().map(stored).collect::<Result<_, _>>().map_err(StoreError::new)
    }

    async fn get(&self, owner: &str, uid: &str) -> Result<Option<StoredEvent>, StoreError> {
        let select = builtin::present(id(owner)?).filter(Column::Uid.eq(uid));
        let row = select.one(&self.db).await.map_err(StoreError::new)?;
        row.map(stored).transpose().map_err(StoreError::new)
    }

    async fn upsert(&self, owner: &str, event: &EventDraft) -> Result<Revision, StoreError> {
        self.put(id(owner)?, event).await.map_err(StoreError::new)
    }

    async fn delete(&self, owner: &str, uid: &str) -> Result<bool, StoreError> {
        self.take_out(id(owner)?, uid).await.map_err(StoreError::new)
    }

    async fn changes_since(
        &self,
        owner: &str,
        after: Option<Revision>,
        window: TimeRange,
    ) -> Result<Option<StoredChanges>, StoreError> {
        self.read(id(owner)?, after, window).await.map_err(StoreError::new)
    }
}

fn id(owner: &str) -> Result<Uuid, StoreError> {
    owner.parse().map_err(StoreError::new)
}

fn overlapping(owner: Uuid, window: TimeRange) -> sea_orm::Select<Entity> {
    builtin::present(owner)
        .filter(Column::StartsAt.lt(window.end()))
        .filter(Column::EndsAt.gt(window.start()))
}

fn details(event: &EventDraft) -> serde_json::Value {
    serde_json::json!({ "description": event.description, "location": event.location })
}

fn stored(row: Model) -> Result<StoredEvent, DbErr> {
    let range = TimeRange::new(row.starts_at, row.ends_at)
        .map_err(|error| DbErr::Type(error.to_string()))?;
    Ok(StoredEvent { uid: row.uid, range, title: row.title, revision: row.revision })
}

fn change(row: Model) -> Result<StoredChange, DbErr> {
    if row.deleted {
        Ok(StoredChange::Removed(row.uid))
    } else {
        stored(row).map(StoredChange::Present)
    }
}

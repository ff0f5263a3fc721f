//! Busy time that is known from calendars, and the built-in calendar's own entries.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;
use uuid::Uuid;

use super::JsonOf;

/// A row of `busy_intervals`: what the server knows of an agent's calendar. Our own bookings'
/// entries stand here only where they are not as booked; the bookings themselves are busy.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "busy_intervals")]
pub struct Model {
    /// UUID version 7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// Who is busy.
    pub agent_id: Uuid,
    /// The entry in the calendar; empty where the provider does not tell it.
    pub uid: String,
    /// Its start.
    pub starts_at: DateTime<Utc>,
    /// Its end.
    pub ends_at: DateTime<Utc>,
    /// Which calendar elsewhere it was read from; none for the one that is kept here.
    pub sync_id: Option<Uuid>,
    /// The provider's reference to the event.
    pub event_ref: Option<String>,
    /// The provider's reference to the recurring event that it is an occurrence of.
    pub series_ref: Option<String>,
    /// What the agent calls it.
    pub title: Option<String>,
}

/// None: joins are written where they are needed.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Forgets an entry.
///
/// # Errors
/// The database's own.
pub async fn forget<C: ConnectionTrait>(db: &C, agent: Uuid, uid: &str) -> Result<(), DbErr> {
    Entity::delete_many()
        .filter(Column::AgentId.eq(agent))
        .filter(Column::Uid.eq(uid))
        .exec(db)
        .await?;
    Ok(())
}

/// Most references that one statement looks for: each is looked for in two columns.
const REFS: usize = 400;
/// Most rows that one statement writes or deletes.
const ROWS: usize = 1000;

/// All that is known from one calendar elsewhere.
///
/// # Errors
/// The database's own.
pub async fn of_sync<C: ConnectionTrait>(db: &C, sync: Uuid) -> Result<Vec<Model>, DbErr> {
    Entity::find().filter(Column::SyncId.eq(sync)).all(db).await
}

/// What is known from one calendar elsewhere of the events, single or recurring, that have these
/// references.
///
/// # Errors
/// The database's own.
pub async fn of_events<C: ConnectionTrait>(
    db: &C,
    sync: Uuid,
    refs: &[String],
) -> Result<Vec<Model>, DbErr> {
    let mut found = Vec::new();
    for refs in refs.chunks(REFS) {
        let of_these = sea_orm::Condition::any()
            .add(Column::EventRef.is_in(refs))
            .add(Column::SeriesRef.is_in(refs));
        let select = Entity::find().filter(Column::SyncId.eq(sync)).filter(of_these);
        found.extend(select.all(db).await?);
    }
    // One that is found by its own reference and by its recurring event's.
    found.sort_unstable_by_key(|row: &Model| row.id);
    found.dedup_by_key(|row| row.id);
    Ok(found)
}

/// Deletes rows, many in a statement.
///
/// # Errors
/// The database's own.
pub async fn delete<C: ConnectionTrait>(db: &C, ids: &[Uuid]) -> Result<(), DbErr> {
    for ids in ids.chunks(ROWS) {
        let these = Column::Id.is_in(ids.iter().copied());
        Entity::delete_many().filter(these).exec(db).await?;
    }
    Ok(())
}

/// Writes rows, many in a statement.
///
/// # Errors
/// The database's own.
pub async fn insert<C: ConnectionTrait>(db: &C, rows: Vec<Model>) -> Result<(), DbErr> {
    let mut rows = rows.into_iter().map(|row| ActiveModel::from(row).reset_all()).peekable();
    while rows.peek().is_some() {
        let some: Vec<ActiveModel> = rows.by_ref().take(ROWS).collect();
        Entity::insert_many(some).exec_without_returning(db).await?;
    }
    Ok(())
}

/// The built-in calendar's entries.
pub mod builtin {
    use calendar_provider::TimeRange;
    use sea_orm::{DbBackend, QueryOrder, QuerySelect, Set};

    use super::*;

    /// `kind` of an entry that stands for a booking.
    pub const BOOKING: &str = "BOOKING";
    /// `kind` of an entry that the agent made.
    pub const BUSY_TIME: &str = "BUSY_TIME";

    /// A row of `builtin_events`.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "builtin_events")]
    pub struct Model {
        /// Whose calendar it is in.
        #[sea_orm(primary_key, auto_increment = false)]
        pub agent_id: Uuid,
        /// iCalendar's UID.
        #[sea_orm(primary_key, auto_increment = false)]
        pub uid: String,
        /// [`BOOKING`] or [`BUSY_TIME`].
        pub kind: String,
        /// iCalendar's SEQUENCE.
        pub sequence: i32,
        /// Its start.
        pub starts_at: DateTime<Utc>,
        /// Its end.
        pub ends_at: DateTime<Utc>,
        /// What it is called.
        pub title: String,
        /// The rest of the entry.
        pub details: JsonOf<serde_json::Value>,
        /// Grows with each change in this agent's calendar.
        pub revision: i64,
        /// True once taken out: kept so that a reader of changes hears of it.
        pub deleted: bool,
    }

    /// None: joins are written where they are needed.
    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}

    /// Entries that end after `since`, in order of start.
    ///
    /// # Errors
    /// The database's own.
    pub async fn since<C: ConnectionTrait>(
        db: &C,
        agent: Uuid,
        since: DateTime<Utc>,
    ) -> Result<Vec<Model>, DbErr> {
        present(agent)
            .filter(Column::EndsAt.gt(since))
            .order_by_asc(Column::StartsAt)
            .order_by_asc(Column::Uid)
            .all(db)
            .await
    }

    /// What several agents entered that ends after `since`, in order of start.
    ///
    /// # Errors
    /// The database's own.
    pub async fn busy_times_of<C: ConnectionTrait>(
        db: &C,
        agents: &[Uuid],
        since: DateTime<Utc>,
    ) -> Result<Vec<Model>, DbErr> {
        Entity::find()
            .filter(Column::AgentId.is_in(agents.iter().copied()))
            .filter(Column::Deleted.eq(false))
            .filter(Column::Kind.eq(BUSY_TIME))
            .filter(Column::EndsAt.gt(since))
            .order_by_asc(Column::StartsAt)
            .order_by_asc(Column::Uid)
            .all(db)
            .await
    }

    /// What stands in the agent's calendar.
    pub fn present(agent: Uuid) -> sea_orm::Select<Entity> {
        Entity::find().filter(Column::AgentId.eq(agent)).filter(Column::Deleted.eq(false))
    }

    /// How many busy times end after `now`.
    ///
    /// # Errors
    /// The database's own.
    pub async fn count_busy_times<C: ConnectionTrait>(
        db: &C,
        agent: Uuid,
        now: DateTime<Utc>,
    ) -> Result<u64, DbErr> {
        use sea_orm::PaginatorTrait;
        present(agent)
            .filter(Column::Kind.eq(BUSY_TIME))
            .filter(Column::EndsAt.gt(now))
            .count(db)
            .await
    }

    /// Adds an entry that the agent made.
    ///
    /// # Errors
    /// The database's own.
    pub async fn put_busy_time<C: ConnectionTrait>(
        db: &C,
        agent: Uuid,
        uid: &str,
        range: TimeRange,
        title: Option<&str>,
    ) -> Result<(), DbErr> {
        let entry = ActiveModel {
            agent_id: Set(agent),
            uid: Set(uid.to_owned()),
            kind: Set(BUSY_TIME.to_owned()),
            sequence: Set(0),
            starts_at: Set(range.start()),
            ends_at: Set(range.end()),
            title: Set(title.unwrap_or("").to_owned()),
            details: Set(JsonOf(serde_json::json!({}))),
            revision: Set(next_revision(db, agent).await?),
            deleted: Set(false),
        };
        Entity::insert(entry).exec_without_returning(db).await?;
        Ok(())
    }

    /// Takes out an entry that the agent made. False where there was none.
    ///
    /// # Errors
    /// The database's own.
    pub async fn delete_busy_time<C: ConnectionTrait>(
        db: &C,
        agent: Uuid,
        uid: &str,
    ) -> Result<bool, DbErr> {
        delete(db, agent, uid, BUSY_TIME).await
    }

    /// Takes out an entry of one kind. False where there was none.
    ///
    /// # Errors
    /// The database's own.
    pub async fn delete<C: ConnectionTrait>(
        db: &C,
        agent: Uuid,
        uid: &str,
        kind: &str,
    ) -> Result<bool, DbErr> {
        let sql = "UPDATE builtin_events SET deleted = true, revision = ? \
            WHERE agent_id = ? AND uid = ? AND kind = ? AND deleted = false";
        let revision = next_revision(db, agent).await?;
        let values = [revision.into(), agent.into(), uid.into(), kind.into()];
        Ok(super::super::run_raw(db, sql, values).await? == 1)
    }

    /// The calendar's next revision. The agent's row is locked first, so that revisions are
    /// committed in their order: a reader who has seen one never meets a smaller one later.
    ///
    /// # Errors
    /// The database's own.
    pub async fn next_revision<C: ConnectionTrait>(db: &C, agent: Uuid) -> Result<i64, DbErr> {
        if db.get_database_backend() == DbBackend::Postgres {
            let sql = "SELECT 1 FROM agents WHERE id = ? FOR NO KEY UPDATE";
            super::super::run_raw(db, sql, [agent.into()]).await?;
        }
        Ok(newest_revision(db, agent).await? + 1)
    }

    /// The revision of the calendar's last change; 0 before the first.
    ///
    /// # Errors
    /// The database's own.
    pub async fn newest_revision<C: ConnectionTrait>(db: &C, agent: Uuid) -> Result<i64, DbErr> {
        let newest: Option<Option<i64>> = Entity::find()
            .select_only()
            .column_as(Column::Revision.max(), "newest")
            .filter(Column::AgentId.eq(agent))
            .into_tuple()
            .one(db)
            .await?;
        Ok(newest.flatten().unwrap_or(0))
    }
}

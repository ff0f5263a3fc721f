//! Loaders of live chats.

use std::collections::HashMap;

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use uuid::Uuid;

use super::Loaders;
use super::batch::Loader;
use crate::graphql::error::LoadError;
use crate::service::live_chat as service;
use crate::store::live_chat::{offer, request};

/// A live-chat request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct LiveChatRequestById(pub(crate) Uuid);

/// Every offer of a live-chat request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct OffersOf(pub(crate) Uuid);

/// How many live chats an agent has now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ActiveChatsOf(pub(crate) Uuid);

impl Loader<LiveChatRequestById> for Loaders {
    type Value = request::Model;
    type Error = LoadError;

    async fn load(
        &self,
        keys: &[LiveChatRequestById],
    ) -> Result<HashMap<LiveChatRequestById, Self::Value>, LoadError> {
        let ids = keys.iter().map(|key| key.0);
        let select = request::Entity::find().filter(request::Column::Id.is_in(ids));
        let rows = select.all(&self.0.db).await?;
        Ok(rows.into_iter().map(|row| (LiveChatRequestById(row.id), row)).collect())
    }
}

impl Loader<OffersOf> for Loaders {
    type Value = Vec<offer::Model>;
    type Error = LoadError;

    async fn load(&self, keys: &[OffersOf]) -> Result<HashMap<OffersOf, Self::Value>, LoadError> {
        let ids: Vec<Uuid> = keys.iter().map(|key| key.0).collect();
        let mut found: HashMap<OffersOf, Self::Value> = HashMap::new();
        for offer in offer::of_requests(&self.0.db, &ids).await? {
            found.entry(OffersOf(offer.request_id)).or_default().push(offer);
        }
        Ok(found)
    }
}

impl Loader<ActiveChatsOf> for Loaders {
    type Value = i64;
    type Error = LoadError;

    async fn load(&self, keys: &[ActiveChatsOf]) -> Result<HashMap<ActiveChatsOf, i64>, LoadError> {
        let agents: Vec<Uuid> = keys.iter().map(|key| key.0).collect();
        let counts = service::active(&self.0, &agents).await?;
        Ok(counts.into_iter().map(|(agent, count)| (ActiveChatsOf(agent), count)).collect())
    }
}

//! What visitors are told when nobody can take their meeting or live chat.

use async_graphql::{Context, Enum, InputObject, Object, SimpleObject};

use super::access::{app, authorise};
use super::error::Result;
use super::scalars::Locale;
use crate::service::fallback as service;

/// What nobody could take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "service::Kind")]
pub enum FallbackKind {
    /// There is no time to book.
    Meeting,
    /// Nobody takes the chat.
    LiveChat,
}

/// The organisation's own words for when nobody can take a meeting or a live chat.
#[derive(Clone, Debug, SimpleObject)]
pub struct FallbackMessage {
    /// What for.
    kind: FallbackKind,
    /// Null: for every language that has none of its own.
    locale: Option<Locale>,
    /// The words.
    message: String,
    /// Whether a live chat that nobody takes is answered with times for a meeting too.
    offers_meeting: bool,
}

impl From<service::FallbackMessage> for FallbackMessage {
    fn from(kept: service::FallbackMessage) -> Self {
        Self {
            kind: kept.kind.into(),
            locale: kept.locale.map(Locale),
            message: kept.message,
            offers_meeting: kept.offers_meeting,
        }
    }
}

/// Words for when nobody can take a meeting or a live chat.
#[derive(Clone, Debug, InputObject)]
pub struct SetFallbackMessageInput {
    kind: FallbackKind,
    /// Left out: for every language that has none of its own. fr is for fr-CA too, where that has none.
    locale: Option<Locale>,
    /// 1 to 1000 characters, without links.
    message: String,
    /// For LIVE_CHAT alone: times for a meeting are shown with it.
    #[graphql(default = false)]
    offers_meeting: bool,
}

/// Queries about fallback messages.
#[derive(Clone, Copy, Debug, Default)]
pub struct FallbackQuery;

#[Object]
impl FallbackQuery {
    /// The organisation's fallback messages: for meetings, then for live chats, each in order of locale; at
    /// most 500. Where none fits a visitor, the system's words in English or French are used. Needs
    /// VIEW_ROUTING.
    #[graphql(complexity = "super::page::cost_of_up_to(service::MOST, child_complexity)")]
    async fn fallback_messages(&self, ctx: &Context<'_>) -> Result<Vec<FallbackMessage>> {
        authorise(ctx)?;
        Ok(service::list(app(ctx)).await?.into_iter().map(Into::into).collect())
    }
}

/// Mutations about fallback messages.
#[derive(Clone, Copy, Debug, Default)]
pub struct FallbackMutation;

#[Object]
impl FallbackMutation {
    /// Sets the message for a kind and a locale, instead of the one there was. Needs MANAGE_ROUTING.
    async fn set_fallback_message(
        &self,
        ctx: &Context<'_>,
        input: SetFallbackMessageInput,
    ) -> Result<FallbackMessage> {
        authorise(ctx)?;
        let new = service::FallbackMessage {
            kind: input.kind.into(),
            locale: input.locale.map(|locale| locale.0),
            message: input.message,
            offers_meeting: input.offers_meeting,
        };
        Ok(service::set(app(ctx), new).await?.into())
    }

    /// Takes out the message for just this kind and locale (left out: the one for every language). False
    /// where there was none. Needs MANAGE_ROUTING.
    async fn remove_fallback_message(
        &self,
        ctx: &Context<'_>,
        kind: FallbackKind,
        locale: Option<Locale>,
    ) -> Result<bool> {
        authorise(ctx)?;
        let locale = locale.as_ref().map(|locale| locale.0.as_str());
        Ok(service::remove(app(ctx), kind.into(), locale).await?)
    }
}

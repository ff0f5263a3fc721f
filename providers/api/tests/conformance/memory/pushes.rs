//! Channels of a calendar in memory, and what it makes of calls on them.

use calendar_provider::{Connection, ProviderError, Push, Pushed, Watch, WatchRequest};
use chrono::TimeDelta;
use secrecy::ExposeSecret;

use super::{Calendar, Flaw};

impl Calendar {
    pub(super) fn begin(
        &self,
        connection: &Connection,
        request: &WatchRequest,
        before: Option<&Watch>,
    ) -> Result<Watch, ProviderError> {
        let mut watch_ref = format!("watch-{}", request.channel);
        if before.is_some() && self.has(Flaw::CanNotProlong) {
            return Err(ProviderError::conflict());
        }
        if self.has(Flaw::OneWatchRef) {
            watch_ref = "watch".into();
        }
        let expires_at = match self.flaw {
            Flaw::WatchesTooLong => request.until + TimeDelta::days(1),
            Flaw::ProlongsNothing if before.is_some() => request.until - TimeDelta::days(9),
            _ => request.until,
        };
        let mut state = self.lock();
        if let Some(before) = before {
            state.watches.remove(&before.watch_ref);
        }
        if !self.has(Flaw::NeverPushes) {
            let watched = (super::calendar::place(connection), request.clone());
            state.watches.insert(watch_ref.clone(), watched);
        }
        Ok(Watch::new(watch_ref, expires_at))
    }

    pub(super) fn end(&self, watch: &Watch) -> Result<(), ProviderError> {
        if self.has(Flaw::PushesOn) {
            return Ok(());
        }
        let ended = self.lock().watches.remove(&watch.watch_ref);
        if ended.is_none() && self.has(Flaw::UnwatchFailsWhenEnded) {
            return Err(ProviderError::not_found("the channel"));
        }
        Ok(())
    }

    pub(super) fn read(&self, push: &Push) -> Result<Pushed, ProviderError> {
        if let Some(said) = push.query.get("validation") {
            let content_type =
                if self.has(Flaw::HandshakeInHtml) { "text/html" } else { "text/plain" };
            return Ok(Pushed::Handshake { content_type, body: said.clone() });
        }
        if self.has(Flaw::GarbagePanics) {
            String::from_utf8(push.body.clone()).expect("on purpose");
        }
        let said = push.headers.get("x-secret").map(String::as_str);
        let believed = match self.flaw {
            Flaw::PushUnchecked => true,
            Flaw::PushNeedsNoSecret => said.is_none_or(|it| it == push.secret.expose_secret()),
            Flaw::PushByPrefix => {
                said.is_some_and(|it| it.starts_with(push.secret.expose_secret()))
            }
            _ => said == Some(push.secret.expose_secret()),
        };
        if !believed {
            return Err(ProviderError::unauthorized());
        }
        if self.has(Flaw::PushOnce) && !self.lock().writing.insert(push.channel.clone()) {
            return Err(ProviderError::conflict());
        }
        Ok(if self.has(Flaw::PushMeansNothing) { Pushed::Nothing } else { Pushed::Changed })
    }
}

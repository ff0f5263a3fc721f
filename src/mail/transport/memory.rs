//! Mails kept in memory.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{OutgoingMail, SendError, SendErrorKind};

/// A mail as it was given and as it would have gone out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentMail {
    /// Its parts.
    pub mail: OutgoingMail,
    /// The RFC 5322 bytes.
    pub raw: Vec<u8>,
}

/// What a [`super::Mailer::memory`] was given, in order. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Outbox(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    mails: Vec<SentMail>,
    failures: Vec<SendErrorKind>,
}

/// The failure that a test asked for.
#[derive(Debug, thiserror::Error)]
#[error("refused as the outbox was told to")]
struct ToldToFail;

impl Outbox {
    /// All mails so far, oldest first.
    pub fn mails(&self) -> Vec<SentMail> {
        self.state().mails.clone()
    }

    /// All mails so far, oldest first; the outbox is empty afterwards.
    pub fn drain(&self) -> Vec<SentMail> {
        std::mem::take(&mut self.state().mails)
    }

    /// Makes one send fail: the next that is not already told to.
    pub fn fail_next(&self, kind: SendErrorKind) {
        self.state().failures.push(kind);
    }

    pub(super) fn take(&self, mail: &OutgoingMail, raw: Vec<u8>) -> Result<(), SendError> {
        let mut state = self.state();
        if !state.failures.is_empty() {
            return Err(SendError::new(state.failures.remove(0), ToldToFail));
        }
        state.mails.push(SentMail { mail: mail.clone(), raw });
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! News of changes, for whoever listens in this process.

use tokio::sync::broadcast;
use uuid::Uuid;

/// News kept for a listener that is behind; one further behind skips to the newest.
const KEPT: usize = 4096;

/// Something that changed, told after it was committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// A booking, of this agent.
    Booking {
        /// The booking.
        id: Uuid,
        /// Its agent.
        agent: Uuid,
    },
    /// An agent, its calendar or its live chat.
    Agent(Uuid),
}

/// Who listens to changes.
#[derive(Clone, Debug)]
pub struct Changes(broadcast::Sender<Change>);

impl Default for Changes {
    fn default() -> Self {
        Self(broadcast::channel(KEPT).0)
    }
}

impl Changes {
    /// Tells every listener.
    pub fn tell(&self, change: Change) {
        // An error says that nobody listens.
        let _ = self.0.send(change);
    }

    /// How many listen.
    pub fn listeners(&self) -> usize {
        self.0.receiver_count()
    }

    /// Hears what is told from now on.
    pub fn listen(&self) -> broadcast::Receiver<Change> {
        self.0.subscribe()
    }
}

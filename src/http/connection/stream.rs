//! The socket of a connection, watched.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

use super::{Connection, PROGRESS_BYTES};

/// How often a peer is looked at in the time that it may make no progress.
const TICKS: u32 = 10;

/// A socket that fails when its peer takes nothing for too long, or sends too much without asking.
///
/// WebSockets go on with it after the handshake, so that they are watched the same way. It holds the
/// connection's place until it is dropped.
#[derive(Debug)]
pub(crate) struct Watched {
    inner: TcpStream,
    connection: Arc<Connection>,
    /// What is known of the peer while bytes wait for it.
    waiting: Option<Waiting>,
}

/// A peer that does not take all that waits for it.
#[derive(Debug)]
struct Waiting {
    since: Instant,
    /// When it made progress last.
    progress: Instant,
    /// Bytes that it took since then.
    taken: usize,
    /// Runs until it is looked at again.
    tick: Pin<Box<Sleep>>,
}

impl Waiting {
    fn new(period: Duration) -> Self {
        let now = Instant::now();
        let tick = Box::pin(tokio::time::sleep(period));
        Self { since: now, progress: now, taken: 0, tick }
    }

    fn took(&mut self, bytes: usize) {
        self.taken = self.taken.saturating_add(bytes);
        if PROGRESS_BYTES <= self.taken {
            (self.taken, self.progress) = (0, Instant::now());
        }
    }

    /// Whether it is no longer waited for: it made no progress for `stalled`, or did not take all within
    /// `patience`.
    fn is_over(&self, stalled: Duration, patience: Option<Duration>) -> bool {
        let now = Instant::now();
        stalled <= now.duration_since(self.progress)
            || patience.is_some_and(|patience| patience <= now.duration_since(self.since))
    }
}

impl Watched {
    pub(crate) fn new(inner: TcpStream, connection: Arc<Connection>) -> Self {
        Self { inner, connection, waiting: None }
    }

    /// Notes what came of writing `offered` bytes.
    fn wrote(
        &mut self,
        offered: usize,
        outcome: Poll<io::Result<usize>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        match outcome {
            Poll::Ready(Ok(bytes)) => {
                if offered <= bytes {
                    self.waiting = None;
                } else if let Some(waiting) = &mut self.waiting {
                    waiting.took(bytes);
                }
                Poll::Ready(Ok(bytes))
            }
            Poll::Pending => {
                let stalled = self.connection.limits().stalled;
                let period = stalled / TICKS;
                let waiting = self.waiting.get_or_insert_with(|| Waiting::new(period));
                while waiting.tick.as_mut().poll(context).is_ready() {
                    if waiting.is_over(stalled, self.connection.patience()) {
                        self.connection.reset_when_dropped();
                        let message = "the reader makes no progress";
                        return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, message)));
                    }
                    waiting.tick.as_mut().reset(Instant::now() + period);
                }
                Poll::Pending
            }
            failed => failed,
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if self.connection.is_reset()
            && let Err(error) = self.inner.set_zero_linger()
        {
            tracing::debug!(%error, "a connection could not be reset");
        }
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut self.inner).poll_read(context, buffer);
        let bytes = buffer.filled().len() - before;
        if !self.connection.received(bytes) {
            let message = "too many bytes came without a request under way";
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, message)));
        }
        outcome
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.inner).poll_write(context, bytes);
        self.wrote(bytes.len(), outcome, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let offered = slices.iter().map(|slice| slice.len()).sum();
        let outcome = Pin::new(&mut self.inner).poll_write_vectored(context, slices);
        self.wrote(offered, outcome, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_peer_is_waited_for_while_it_takes_enough() {
        let second = Duration::from_secs(1);
        let mut waiting = Waiting::new(second);
        for _ in 0..40 {
            tokio::time::advance(second).await;
            waiting.took(PROGRESS_BYTES / 10);
            assert!(!waiting.is_over(30 * second, None));
        }
        assert!(waiting.is_over(30 * second, Some(10 * second)), "bytes are scarce");
        tokio::time::advance(30 * second).await;
        waiting.took(1);
        assert!(waiting.is_over(30 * second, None));
    }
}

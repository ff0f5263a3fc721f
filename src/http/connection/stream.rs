//! The socket of a connection, watched.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

use super::{Connection, PROGRESS_BYTES};

/// A socket that fails when its peer takes nothing for too long, or sends too much without asking.
///
/// WebSockets go on with it after the handshake, so that they are watched the same way. It holds the
/// connection's place until it is dropped.
#[derive(Debug)]
pub(crate) struct Watched {
    inner: TcpStream,
    connection: Arc<Connection>,
    /// Runs while the peer takes nothing.
    stalled: Option<Pin<Box<Sleep>>>,
    /// Bytes that it took since then.
    taken: usize,
}

impl Watched {
    pub(crate) fn new(inner: TcpStream, connection: Arc<Connection>) -> Self {
        Self { inner, connection, stalled: None, taken: 0 }
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
                self.taken = self.taken.saturating_add(bytes);
                if offered <= bytes || PROGRESS_BYTES <= self.taken {
                    self.stalled = None;
                }
                Poll::Ready(Ok(bytes))
            }
            Poll::Pending => {
                let limit = self.connection.limits().stalled;
                let stalled = self.stalled.get_or_insert_with(|| {
                    self.taken = 0;
                    Box::pin(tokio::time::sleep(limit))
                });
                match stalled.as_mut().poll(context) {
                    Poll::Ready(()) => {
                        self.connection.reset_when_dropped();
                        let message = "the reader makes no progress";
                        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, message)))
                    }
                    Poll::Pending => Poll::Pending,
                }
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

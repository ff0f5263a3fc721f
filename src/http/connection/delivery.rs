//! An answer on its way to the reader.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};
use tokio::time::Instant;

use super::{Charge, Connection, PROGRESS_BYTES, UnderWay};

/// How a reader takes one answer, until the last of it is written.
///
/// The body is handed out in small pieces, and a piece that is dropped was written to the socket. So a
/// reader makes progress when pieces go, whichever window holds it up.
#[derive(Debug)]
pub(super) struct Progress {
    begun: Instant,
    /// Pieces that hyper holds.
    waiting: AtomicUsize,
    /// Milliseconds from `begun` to when the first piece was handed out since hyper held none.
    since: AtomicU64,
    /// Milliseconds from `begun` to when a piece went last, or `since`.
    last: AtomicU64,
    /// What the body takes up, unless it counts that itself.
    _charge: Option<Charge>,
    _under_way: UnderWay,
}

impl Progress {
    fn new(charge: Option<Charge>, under_way: UnderWay) -> Arc<Self> {
        Arc::new(Self {
            begun: Instant::now(),
            waiting: AtomicUsize::new(0),
            since: AtomicU64::new(0),
            last: AtomicU64::new(0),
            _charge: charge,
            _under_way: under_way,
        })
    }

    /// How long the reader has taken nothing while something waits for it.
    pub(super) fn stalled_for(&self, now: Instant) -> Duration {
        self.passed(&self.last, now)
    }

    /// How long the reader has had something waiting for it.
    pub(super) fn waiting_for(&self, now: Instant) -> Duration {
        self.passed(&self.since, now)
    }

    fn passed(&self, moment: &AtomicU64, now: Instant) -> Duration {
        if self.waiting.load(Ordering::Acquire) == 0 {
            return Duration::ZERO;
        }
        let moment = Duration::from_millis(moment.load(Ordering::Acquire));
        now.duration_since(self.begun).saturating_sub(moment)
    }

    fn note(&self, moment: &AtomicU64) {
        let passed = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        moment.store(passed, Ordering::Release);
    }
}

/// Bytes that hyper holds until they are written.
struct Piece {
    bytes: Bytes,
    progress: Arc<Progress>,
}

impl Piece {
    fn hand_out(bytes: Bytes, progress: &Arc<Progress>) -> Bytes {
        // Noted first, so that nobody sees a piece with an old time.
        if progress.waiting.load(Ordering::Acquire) == 0 {
            progress.note(&progress.since);
            progress.note(&progress.last);
        }
        progress.waiting.fetch_add(1, Ordering::AcqRel);
        Bytes::from_owner(Self { bytes, progress: Arc::clone(progress) })
    }
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        self.progress.note(&self.progress.last);
        self.progress.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The body of an answer, in pieces whose progress is followed.
pub(super) struct Delivery {
    inner: Body,
    /// What `inner` gave out and this has not.
    rest: Bytes,
    progress: Arc<Progress>,
}

impl Delivery {
    /// `charge` holds the bytes of the body, unless the body does so itself.
    pub(super) fn body(
        inner: Body,
        connection: &Connection,
        under_way: UnderWay,
        charge: Option<Charge>,
    ) -> Body {
        if inner.is_end_stream() {
            // As it is: the answer to HEAD tells the length of a body that it does not have.
            return inner;
        }
        let progress = Progress::new(charge, under_way);
        connection.follow(&progress);
        Body::new(Self { inner, rest: Bytes::new(), progress })
    }
}

impl HttpBody for Delivery {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.rest.is_empty() {
            let frame = match ready!(Pin::new(&mut self.inner).poll_frame(context)) {
                Some(Ok(frame)) => frame,
                end => return Poll::Ready(end),
            };
            match frame.into_data() {
                Ok(bytes) => self.rest = bytes,
                Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
            }
        }
        let most = self.rest.len().min(PROGRESS_BYTES);
        let bytes = self.rest.split_to(most);
        Poll::Ready(Some(Ok(Frame::data(Piece::hand_out(bytes, &self.progress)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (inner, rest) = (self.inner.size_hint(), self.rest.len() as u64);
        let mut hint = SizeHint::new();
        hint.set_lower(inner.lower() + rest);
        if let Some(upper) = inner.upper() {
            hint.set_upper(upper + rest);
        }
        hint
    }
}

#[cfg(test)]
mod tests {
    use crate::http::connection::{ConnectionLimits, Ended, Table};

    use super::*;

    /// What becomes of a connection whose reader takes a piece a second, for a minute.
    async fn read_slowly(connection: &Arc<Connection>) -> Option<Ended> {
        let progress = Progress::new(None, connection.begin());
        connection.follow(&progress);
        let mut piece = Piece::hand_out(Bytes::from_static(b"x"), &progress);
        let reader = async {
            for _ in 0..60 {
                tokio::time::sleep(Duration::from_secs(1)).await;
                let next = Piece::hand_out(Bytes::from_static(b"x"), &progress);
                drop(std::mem::replace(&mut piece, next));
            }
        };
        tokio::select! {
            () = reader => None,
            ended = connection.ended() => Some(ended),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_reads_slowly_is_cut_off_only_while_bytes_are_scarce() {
        let limits =
            ConnectionLimits { bytes: 1000, all_bytes: 1000, ..ConnectionLimits::default() };
        let table = Table::new(ConnectionLimits { per_address: None, ..limits });
        let connection = Connection::enter(&table, ([192, 0, 2, 1], 1).into()).unwrap();
        assert_eq!(read_slowly(&connection).await, None);
        let others = connection.budget().try_take(751).unwrap();
        assert_eq!(read_slowly(&connection).await, Some(Ended::Stalled));
        drop(others);
        assert_eq!(read_slowly(&connection).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_nothing_is_cut_off() {
        let table = Table::new(ConnectionLimits::default());
        let connection = Connection::enter(&table, ([192, 0, 2, 1], 1).into()).unwrap();
        let progress = Progress::new(None, connection.begin());
        connection.follow(&progress);
        let piece = Piece::hand_out(Bytes::from_static(b"x"), &progress);
        let started = Instant::now();
        assert_eq!(connection.ended().await, Ended::Stalled);
        let took = started.elapsed();
        let limit = connection.limits().stalled;
        assert!(limit <= took && took <= limit + limit / 10, "{took:?}");
        drop(piece);
    }
}

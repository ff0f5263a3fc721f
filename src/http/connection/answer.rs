//! Writing an answer into memory that is counted.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::http::Extensions;
use hyper::body::{Frame, SizeHint};
use tokio::time::{Instant, timeout_at};

use super::{Budget, Charge, Connection};

/// An answer is kept in segments of this size, so that what was sent is free while the rest waits.
const SEGMENT: usize = 16 * 1024;
/// What the first segment begins with; most answers are short.
const FIRST: usize = 512;

/// How much an answer may be, and the bytes that it comes from.
#[derive(Clone, Debug)]
pub(crate) struct Room {
    budget: Budget,
    most: usize,
}

/// Why an answer is not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoRoom {
    /// It is larger than this many bytes.
    TooLarge(usize),
    /// The connection, its address or the server has no bytes left.
    Full,
}

/// Marks a response whose body counts its own bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Charged;

impl Room {
    /// The room for answers of at most `most` bytes on the connection that a request came by.
    pub(crate) fn of(request: &Extensions, most: usize) -> Self {
        let connection = request.get::<Arc<Connection>>();
        let budget = connection.map(|connection| connection.budget().clone()).unwrap_or_default();
        Self { budget, most }
    }

    /// Room for answers of ours that are short by nature.
    pub(crate) fn for_short() -> Self {
        Self { budget: Budget::default(), most: usize::MAX }
    }

    /// Bytes of the largest answer.
    pub(crate) fn most(&self) -> usize {
        self.most
    }

    /// Takes the bytes of something kept while an answer is made.
    ///
    /// # Errors
    /// [`NoRoom::Full`].
    pub(crate) fn take(&self, bytes: usize) -> Result<Charge, NoRoom> {
        self.budget.try_take(bytes).ok_or(NoRoom::Full)
    }

    /// Waits until there is room for a usual answer. The charge is held while the operation runs, so
    /// that no more run than can be answered, and dropped before the answer is written.
    ///
    /// # Errors
    /// [`NoRoom::Full`] at the deadline.
    pub(crate) async fn admit(&self, deadline: Instant) -> Result<Charge, NoRoom> {
        timeout_at(deadline, self.budget.take(SEGMENT)).await.map_err(|_| NoRoom::Full)
    }
}

/// Writes an answer as far as there is room for it.
pub(crate) struct Writer<'a> {
    room: &'a Room,
    most: usize,
    /// Whole segments, each [`SEGMENT`] bytes.
    full: Vec<Segment>,
    last: Vec<u8>,
    failed: Option<NoRoom>,
}

/// Bytes with their charge: both are gone when the last part of the segment is.
#[derive(Debug)]
struct Segment {
    bytes: Vec<u8>,
    charge: Charge,
}

impl AsRef<[u8]> for Segment {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl<'a> Writer<'a> {
    pub(crate) fn new(room: &'a Room) -> Self {
        Self {
            room,
            most: room.most,
            full: Vec::new(),
            last: Vec::with_capacity(FIRST),
            failed: None,
        }
    }

    /// Bytes written so far.
    pub(crate) fn len(&self) -> usize {
        self.full.len() * SEGMENT + self.last.len()
    }

    /// Takes back what was written after the first `len` bytes, and why no more could be.
    pub(crate) fn rewind(&mut self, len: usize) -> Option<NoRoom> {
        if len / SEGMENT < self.full.len() {
            self.full.truncate(len / SEGMENT + 1);
            self.last = self.full.pop().map(|segment| segment.bytes).unwrap_or_default();
        }
        self.last.truncate(len - self.full.len() * SEGMENT);
        self.failed.take()
    }

    /// Lets more be written than the room allows, to say that there was not enough.
    pub(crate) fn extend(&mut self, bytes: usize) {
        self.most = self.most.saturating_add(bytes);
    }

    pub(crate) fn failed(&self) -> Option<NoRoom> {
        self.failed
    }

    /// What was written.
    ///
    /// # Errors
    /// Where there was not enough room.
    pub(crate) fn finish(mut self) -> Result<Written, NoRoom> {
        if !self.last.is_empty() {
            self.seal()?;
        }
        match self.failed {
            Some(why) => Err(why),
            None => Ok(Written { segments: self.full }),
        }
    }

    fn seal(&mut self) -> Result<(), NoRoom> {
        let charge = self.room.take(self.last.len()).inspect_err(|why| self.failed = Some(*why))?;
        let bytes = std::mem::take(&mut self.last);
        self.full.push(Segment { bytes, charge });
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) -> Result<usize, NoRoom> {
        if self.most.saturating_sub(self.len()) < bytes.len() {
            return Err(NoRoom::TooLarge(self.room.most));
        }
        if self.last.len() == SEGMENT {
            self.seal()?;
            self.last.reserve_exact(SEGMENT);
        }
        let most = bytes.len().min(SEGMENT - self.last.len());
        self.last.extend_from_slice(&bytes[..most]);
        Ok(most)
    }
}

impl Write for Writer<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.put(bytes).map_err(|why| {
            self.failed = Some(why);
            io::Error::from(io::ErrorKind::OutOfMemory)
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An answer as bytes.
#[derive(Debug)]
pub(crate) struct Written {
    segments: Vec<Segment>,
}

impl Written {
    fn len(&self) -> usize {
        self.segments.iter().map(|segment| segment.bytes.len()).sum()
    }

    /// The answer in one piece, for a transport that takes no other, and its charge.
    pub(crate) fn into_whole(self) -> (Vec<u8>, Charge) {
        let length = self.len();
        let mut segments = self.segments.into_iter();
        let Some(Segment { mut bytes, mut charge }) = segments.next() else {
            return (Vec::new(), Charge::default());
        };
        bytes.reserve_exact(length - bytes.len());
        // Each segment goes as soon as it is copied.
        for segment in segments {
            bytes.extend_from_slice(&segment.bytes);
            charge.merge(segment.charge);
        }
        (bytes, charge)
    }

    pub(crate) fn into_segments(self) -> VecDeque<Bytes> {
        self.segments.into_iter().map(Bytes::from_owner).collect()
    }

    pub(crate) fn into_body(self) -> Body {
        let left = self.len() as u64;
        Body::new(Segments { segments: self.into_segments(), left })
    }
}

/// An answer as the body of a response.
struct Segments {
    segments: VecDeque<Bytes>,
    left: u64,
}

impl HttpBody for Segments {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let segment = self.segments.pop_front();
        self.left -= segment.as_ref().map_or(0, |segment| segment.len() as u64);
        Poll::Ready(segment.map(|segment| Ok(Frame::data(segment))))
    }

    fn is_end_stream(&self) -> bool {
        self.segments.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::Semaphore;

    use super::*;

    fn room(most: usize, bytes: usize) -> (Room, Arc<Semaphore>) {
        let server = Arc::new(Semaphore::new(bytes));
        (Room { budget: Budget::new(usize::MAX, None, Arc::clone(&server), 0), most }, server)
    }

    fn write(room: &Room, bytes: &[u8]) -> Result<Written, NoRoom> {
        let mut writer = Writer::new(room);
        let _ = writer.write_all(bytes);
        writer.finish()
    }

    #[test]
    fn what_was_written_comes_out_and_gives_its_bytes_back_as_it_goes() {
        let (room, server) = room(usize::MAX, 100_000);
        let text: Vec<u8> = (0..50_000_u32).map(|number| number.to_le_bytes()[0]).collect();
        let mut segments = write(&room, &text).unwrap().into_segments();
        assert_eq!(server.available_permits(), 50_000);
        assert_eq!(segments.iter().flatten().copied().collect::<Vec<_>>(), text);
        segments.pop_front();
        assert_eq!(server.available_permits(), 50_000 + SEGMENT);
        drop(segments);
        assert_eq!(server.available_permits(), 100_000);
        let (whole, charge) = write(&room, &text).unwrap().into_whole();
        assert_eq!((whole, server.available_permits()), (text, 50_000));
        drop(charge);
        assert_eq!(server.available_permits(), 100_000);
    }

    #[test]
    fn no_more_is_kept_than_there_is_room_for() {
        let (small, server) = room(40_000, 100_000);
        assert_eq!(write(&small, &[b'x'; 40_000]).unwrap().len(), 40_000);
        assert_eq!(write(&small, &[b'x'; 40_001]).unwrap_err(), NoRoom::TooLarge(40_000));
        let held = server.try_acquire_many(70_000).unwrap();
        assert_eq!(write(&small, &[b'x'; 40_000]).unwrap_err(), NoRoom::Full);
        drop(held);
        assert_eq!(server.available_permits(), 100_000, "a failed answer keeps nothing");
    }

    #[test]
    fn a_writer_goes_back_to_where_it_was() {
        let (room, server) = room(40_000, 100_000);
        for kept in [0, 10, SEGMENT, SEGMENT + 1, 2 * SEGMENT] {
            let mut writer = Writer::new(&room);
            writer.write_all(&vec![b'a'; kept]).unwrap();
            assert!(writer.write_all(&[b'b'; 40_001]).is_err());
            assert_eq!(writer.rewind(kept), Some(NoRoom::TooLarge(40_000)));
            writer.write_all(b"c").unwrap();
            let expected = [vec![b'a'; kept], vec![b'c']].concat();
            assert_eq!(writer.finish().unwrap().into_whole().0, expected, "{kept}");
        }
        assert_eq!(server.available_permits(), 100_000);
    }
}

//! The body of a request as it arrives.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep};

use super::{Budget, Charge, Connection};

/// How long a request's body may take, and the bytes that it takes up. In the extensions of each
/// request.
#[derive(Clone, Debug)]
pub(crate) struct Intake(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    deadline: Instant,
    charge: Charge,
    /// Whether the body may be larger than the connection's share.
    upload: bool,
    refused: Option<Refused>,
}

/// Why a body was not read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    Late,
    NoRoom,
}

impl Intake {
    pub(super) fn new(connection: &Connection) -> Self {
        let deadline = Instant::now() + connection.limits().body;
        let (charge, upload, refused) = (Charge::default(), false, None);
        Self(Arc::new(Mutex::new(State { deadline, charge, upload, refused })))
    }

    /// Gives a body more time and as much room as its handler lets it have. For callers who are known:
    /// strangers have neither.
    pub(crate) fn allow_upload(&self, within: Duration) {
        let mut state = self.state();
        state.deadline = Instant::now() + within;
        state.upload = true;
    }

    pub(super) fn refused(&self) -> Option<Refused> {
        self.state().refused
    }

    /// The body, held to its deadline.
    pub(super) fn body(&self, inner: Incoming, budget: &Budget) -> Body {
        if inner.is_end_stream() {
            return Body::empty();
        }
        Body::new(Arriving { inner, intake: self.clone(), budget: budget.clone(), timer: None })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // What a panic left behind is still a time and a count.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Arriving {
    inner: Incoming,
    intake: Intake,
    budget: Budget,
    /// Runs once the body had to be waited for.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Arriving {
    fn refuse(&self, why: Refused) -> axum::Error {
        self.intake.state().refused = Some(why);
        axum::Error::new(match why {
            Refused::Late => "the body did not arrive in time",
            Refused::NoRoom => "there is no room for the body",
        })
    }

    fn poll_deadline(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let deadline = self.intake.state().deadline;
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        if timer.deadline() != deadline {
            timer.as_mut().reset(deadline);
        }
        timer.as_mut().poll(context)
    }

    fn charge(&self, bytes: usize) -> bool {
        if self.intake.state().upload {
            return true;
        }
        let Some(charge) = self.budget.try_take(bytes) else { return false };
        self.intake.state().charge.merge(charge);
        true
    }
}

impl HttpBody for Arriving {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Poll::Ready(frame) = Pin::new(&mut self.inner).poll_frame(context) else {
            ready!(self.poll_deadline(context));
            return Poll::Ready(Some(Err(self.refuse(Refused::Late))));
        };
        let Some(frame) = frame else { return Poll::Ready(None) };
        let frame = frame.map_err(axum::Error::new)?;
        // One that trickles in is never waited for long, so the clock is looked at each time.
        if self.intake.state().deadline <= Instant::now() {
            return Poll::Ready(Some(Err(self.refuse(Refused::Late))));
        }
        if !self.charge(frame.data_ref().map_or(0, Bytes::len)) {
            return Poll::Ready(Some(Err(self.refuse(Refused::NoRoom))));
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

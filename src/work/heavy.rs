//! Threads for heavy work, which give way to those that serve.

use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use tokio::runtime::{Builder, Handle, Runtime};
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

use super::turns::Turns;
use super::{Payer, Refused};

/// How much less these threads are worth to the operating system's scheduler than the others.
#[cfg(target_os = "linux")]
const NICE: i32 = 5;

/// Does heavy work: as many pieces at once as there are places, callers in turn, on half as many threads as there
/// are processors. Cheap to clone. The threads are started when they are first needed.
#[derive(Clone)]
pub struct Heavy(Arc<Shared>);

struct Shared {
    turns: Arc<Turns>,
    runtime: OnceLock<Option<Runtime>>,
}

impl Heavy {
    /// With room for `places` pieces of work at once. Each may hold a connection to the database for a while.
    pub fn new(places: usize) -> Self {
        Self(Arc::new(Shared { turns: Turns::new(places), runtime: OnceLock::new() }))
    }

    /// Does a piece of work, once it is its caller's turn. It ends when what is returned is dropped, at the
    /// next point where it waits or yields.
    ///
    /// # Errors
    /// Where too much waits already.
    pub(super) async fn run<F>(&self, payer: Payer, work: F) -> Result<F::Output, Refused>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let place = self.0.turns.place(payer).await?;
        let Some(runtime) = self.0.runtime.get_or_init(start) else { return Ok(work.await) };
        // The place is free once the work is over or dropped, not before.
        let work = async move {
            let _place = place;
            work.await
        };
        let work =
            Within { serving: Handle::current(), work: Some(Box::pin(work.in_current_span())) };
        match AbortOnDropHandle::new(runtime.spawn(work)).await {
            Ok(output) => Ok(output),
            Err(error) => match error.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                // Its threads end with the process alone.
                Err(_) => Err(Refused::Crowded),
            },
        }
    }
}

impl Default for Heavy {
    fn default() -> Self {
        Self::new(2 * threads())
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // Waiting for its threads is not allowed in an asynchronous context.
        if let Some(runtime) = self.runtime.take().flatten() {
            runtime.shutdown_background();
        }
    }
}

fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, |count| count.get().div_ceil(2))
}

/// Without drivers: see [`Within`].
fn start() -> Option<Runtime> {
    let runtime = Builder::new_multi_thread()
        .worker_threads(threads())
        .thread_name("frontdesk-heavy")
        .on_thread_start(give_way)
        .build();
    runtime
        .inspect_err(|error| tracing::error!(%error, "no threads for heavy work: it is done where it is asked for"))
        .ok()
}

#[cfg(target_os = "linux")]
fn give_way() {
    // Of this thread alone: Linux takes no process, but the calling thread, for 0.
    if let Err(error) = rustix::process::setpriority_process(None, NICE) {
        tracing::debug!(%error, "heavy work goes on at the usual priority");
    }
}

#[cfg(not(target_os = "linux"))]
const fn give_way() {}

/// Work whose connections and timers belong to the runtime that serves, so that those who use them next do not
/// depend on heavy threads.
struct Within<F> {
    serving: Handle,
    /// There until it is dropped.
    work: Option<Pin<Box<F>>>,
}

impl<F: Future> Future for Within<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let serving = self.serving.clone();
        let _entered = serving.enter();
        match &mut self.work {
            Some(work) => work.as_mut().poll(context),
            None => Poll::Pending,
        }
    }
}

impl<F> Drop for Within<F> {
    fn drop(&mut self) {
        // A connection is given back by a task, which is the serving runtime's as well.
        let _entered = self.serving.enter();
        self.work = None;
    }
}

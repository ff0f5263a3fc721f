//! Streams of replies that run in tasks of their own.
//!
//! What a socket or a response sends is polled only while its reader takes it. An operation that is stopped
//! halfway by a slow reader may hold a database connection, or a place in the queue for one, for as long as
//! the reader likes. In a task of its own it always goes on to its next reply, and holds nothing but
//! that while it waits to be sent.

use futures_util::stream::{self, BoxStream};
use futures_util::{Stream, StreamExt};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

/// Ends its task when it is dropped.
struct Running(AbortHandle);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The items of a stream, which runs in a task of its own until the last or until this one is dropped. It is
/// one item ahead at most.
pub(super) fn in_own_task<T: Send + 'static>(
    mut items: BoxStream<'static, T>,
) -> impl Stream<Item = T> + Send + 'static {
    let (sender, receiver) = mpsc::channel(1);
    let task = tokio::spawn(async move {
        // An error says that nobody receives any more.
        while let Ok(place) = sender.reserve().await
            && let Some(item) = items.next().await
        {
            place.send(item);
        }
    });
    let running = Running(task.abort_handle());
    stream::unfold((receiver, running), |(mut receiver, running)| async move {
        let item = receiver.recv().await?;
        Some((item, (receiver, running)))
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use futures_util::FutureExt;
    use tokio::sync::Semaphore;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    /// A stream each of whose items needs the only connection there is, and awaits something meanwhile.
    fn items(connection: &Arc<Semaphore>) -> BoxStream<'static, u32> {
        let connection = Arc::clone(connection);
        stream::unfold(0, move |number| {
            let connection = Arc::clone(&connection);
            async move {
                let _held = connection.acquire().await.ok()?;
                tokio::task::yield_now().await;
                Some((number, number + 1))
            }
        })
        .boxed()
    }

    #[tokio::test]
    async fn a_stream_that_nobody_reads_holds_no_connection() {
        let connection = Arc::new(Semaphore::new(1));
        let mut read = Box::pin(in_own_task(items(&connection)));
        // The first item is being made, and nobody asks for it any more.
        assert_eq!(read.next().now_or_never(), None);
        for _ in 0..10 {
            tokio::task::yield_now().await;
            let held = tokio::time::timeout(PATIENCE, connection.acquire()).await;
            drop(held.unwrap().unwrap());
        }
        assert_eq!(read.next().await, Some(0));
    }

    #[tokio::test]
    async fn a_task_ends_with_its_stream() {
        let connection = Arc::new(Semaphore::new(0));
        let mut read = Box::pin(in_own_task(items(&connection)));
        tokio::select! {
            biased;
            _ = read.next() => panic!("there is no connection to be had"),
            () = tokio::task::yield_now() => {}
        }
        drop(read);
        let ended = async {
            while Arc::strong_count(&connection) > 1 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, ended).await.unwrap();
    }

    #[tokio::test]
    async fn every_item_comes_in_order() {
        let connection = Arc::new(Semaphore::new(1));
        let read: Vec<u32> = in_own_task(items(&connection).take(100).boxed()).collect().await;
        assert!(read.into_iter().eq(0..100));
    }
}

//! Where queries are computed: on threads of their own, batch by batch, no faster than the client takes them.
//!
//! Sockets, timers and signals have other threads, so a query that computes for long holds nobody else up. A query ends
//! when its [`Batches`] are dropped: with its session, its cancellation or its portal.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use futures::StreamExt;
use sql::{Error, Query, Result};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Far more threads than cores: an operator may compute for seconds without a pause, a cancelled one too, and others'
/// queries go on meanwhile.
const QUERY_THREADS: usize = 64;
/// Batches that wait for a client to take them.
const AHEAD: usize = 2;

static THREADS: LazyLock<Runtime> = LazyLock::new(|| {
    let built = Builder::new_multi_thread().worker_threads(QUERY_THREADS).thread_name("query").enable_all().build();
    built.expect("threads for queries")
});

/// The rows of a query, as they are computed.
pub(crate) struct Batches {
    ready: Option<RecordBatch>,
    running: Option<Running>,
}

struct Running {
    receiver: mpsc::Receiver<Result<RecordBatch>>,
    task: JoinHandle<()>,
    /// How much longer the query may compute; the client's own time does not count.
    left: Duration,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl From<RecordBatch> for Batches {
    fn from(batch: RecordBatch) -> Self {
        Batches { ready: Some(batch), running: None }
    }
}

impl Batches {
    /// Starts a query, which may compute for as long as `limit`.
    pub(crate) fn start(query: Query, limit: Duration) -> Self {
        let query = match query.ready() {
            Ok(batch) => return batch.into(),
            Err(query) => query,
        };
        let (sender, receiver) = mpsc::channel(AHEAD);
        let task = THREADS.spawn(async move {
            let mut stream = match query.stream().await {
                Ok(stream) => stream,
                // Nobody to tell if the receiver is gone, here and below.
                Err(error) => return drop(sender.send(Err(error)).await),
            };
            while let Some(batch) = stream.next().await {
                let failed = batch.is_err();
                if sender.send(batch).await.is_err() || failed {
                    return;
                }
            }
        });
        Batches { ready: None, running: Some(Running { receiver, task, left: limit }) }
    }

    /// The next rows; `None` after the last.
    pub(crate) async fn next(&mut self) -> Option<Result<RecordBatch>> {
        if let Some(batch) = self.ready.take() {
            return Some(Ok(batch));
        }
        let running = self.running.as_mut()?;
        let asked = Instant::now();
        let next = match tokio::time::timeout(running.left, running.receiver.recv()).await {
            Ok(Some(batch)) => {
                running.left = running.left.saturating_sub(asked.elapsed());
                return Some(batch);
            }
            Ok(None) => match (&mut running.task).await {
                Ok(()) => None,
                Err(_) => Some(Err(Error::new("XX000", "the query ended by a bug"))),
            },
            Err(_) => Some(Err(Error::new("57014", "canceling statement due to statement timeout")
                .hint("SET statement_timeout = '10min' lets statements compute for longer"))),
        };
        self.running = None;
        next
    }

    /// All rows.
    ///
    /// # Errors
    /// What goes wrong in evaluating the query.
    pub(crate) async fn all(mut self) -> Result<Vec<RecordBatch>> {
        let mut batches = Vec::new();
        while let Some(batch) = self.next().await {
            batches.push(batch?);
        }
        Ok(batches)
    }
}

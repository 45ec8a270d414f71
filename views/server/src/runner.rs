//! Where queries are computed: on threads of their own, in batches, no faster than the client takes them.
//!
//! Sockets, timers and signals have other threads, so a query that computes for long holds nobody else up. A query is asked to end
//! when its [`Batches`] are dropped: with its session, its cancellation or its portal. Its thread also writes the rows in the form
//! in which the client reads them.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use tidewater_query::run::Limits;
use tidewater_sql::{Error, Query, Result, Rows};
use tidewater_types::{Datum, Packing};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::encode::Encoder;

/// A query keeps its thread while its client is slow to take the rows, so there are more than connections; whoever finds none free
/// waits until its statement's timeout.
const QUERY_THREADS: usize = 1_024;
/// Batches that wait for a client to take them.
const AHEAD: usize = 2;
/// A batch goes to the client when it holds so many bytes: enough that handing it over costs nothing.
const BATCH: usize = 64 << 10;
/// The same in rows, which may have no columns.
const BATCH_ROWS: usize = 8_192;

static THREADS: LazyLock<Runtime> = LazyLock::new(|| {
    let built = Builder::new_current_thread().max_blocking_threads(QUERY_THREADS).thread_name("query").build();
    built.expect("a runtime that starts no thread by itself")
});

/// What a statement may use.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Allowance {
    /// How long it may compute.
    pub(crate) time: Duration,
    /// Bytes that it may keep.
    pub(crate) memory: usize,
}

/// Asks what computes to end, when it is dropped.
#[derive(Debug, Default)]
struct Stop(Arc<AtomicBool>);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Stop {
    /// Time is taken by whoever waits, for the client's own does not count.
    fn limits(&self, allowance: Allowance) -> Limits {
        Limits { cancel: self.0.clone(), deadline: None, memory: allowance.memory }
    }
}

fn timed_out() -> Error {
    Error::new(b"57014", "canceling statement due to statement timeout")
        .hint("SET statement_timeout = '10min' lets statements compute for longer")
}

fn bug() -> Error {
    Error::new(b"XX000", "the statement ended by a bug")
}

/// Computes something on a thread of its own; asks it to end when nobody waits for it any more.
///
/// # Errors
/// What the work gives, 57014 when its time is over.
pub(crate) async fn compute<T: Send + 'static>(
    allowance: Allowance,
    work: impl FnOnce(&Limits) -> Result<T> + Send + 'static,
) -> Result<T> {
    let stop = Stop::default();
    let limits = stop.limits(allowance);
    let task = THREADS.spawn_blocking(move || work(&limits));
    match tokio::time::timeout(allowance.time, task).await {
        Ok(done) => done.unwrap_or_else(|_| Err(bug())),
        Err(_) => Err(timed_out()),
    }
}

/// Rows as they are sent, one behind another.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    bytes: BytesMut,
    lengths: std::vec::IntoIter<usize>,
}

impl Batch {
    pub(crate) fn new(bytes: Vec<u8>, lengths: Vec<usize>) -> Self {
        Batch { bytes: BytesMut::from(Bytes::from(bytes)), lengths: lengths.into_iter() }
    }
}

impl Iterator for Batch {
    type Item = BytesMut;

    fn next(&mut self) -> Option<BytesMut> {
        self.lengths.next().map(|length| self.bytes.split_to(length))
    }
}

/// The rows of a query, as they are computed.
pub(crate) struct Batches {
    ready: Option<Batch>,
    running: Option<Running>,
}

struct Running {
    receiver: mpsc::Receiver<Result<Batch>>,
    task: JoinHandle<()>,
    /// How much longer the query may compute; the client's own time does not count.
    left: Duration,
    _stop: Stop,
}

impl Drop for Running {
    fn drop(&mut self) {
        // One that has not begun yet never begins.
        self.task.abort();
    }
}

impl Batches {
    /// Rows that are known.
    ///
    /// # Errors
    /// What has no form that can be sent.
    pub(crate) fn of(rows: &Rows, mut encode: Encoder) -> Result<Self> {
        let packings: Vec<Packing> = rows.columns.iter().map(|column| Packing::of(&column.ty)).collect();
        let (mut bytes, mut lengths) = (Vec::new(), Vec::with_capacity(rows.rows.len()));
        let mut values: Vec<Datum<'_>> = Vec::with_capacity(packings.len());
        for row in &rows.rows {
            let (row, before) = (row.as_ref(), bytes.len());
            values.clear();
            values.extend(packings.iter().enumerate().map(|(at, packing)| packing.get(row, at)));
            encode(&values, &mut bytes)?;
            lengths.push(bytes.len() - before);
        }
        Ok(Batches { ready: Some(Batch::new(bytes, lengths)), running: None })
    }

    /// Starts a query.
    ///
    /// # Errors
    /// What has no form that can be sent, of rows that are known without computing; other errors come with the batches.
    pub(crate) fn start(query: Query, encode: Encoder, allowance: Allowance) -> Result<Self> {
        let query = match query.ready() {
            Ok(rows) => return Batches::of(&rows, encode),
            Err(query) => query,
        };
        let stop = Stop::default();
        let limits = stop.limits(allowance);
        let (sender, receiver) = mpsc::channel(AHEAD);
        let task = THREADS.spawn_blocking(move || run(&query, encode, &limits, &sender));
        let running = Running { receiver, task, left: allowance.time, _stop: stop };
        Ok(Batches { ready: None, running: Some(running) })
    }

    /// Rows that come for as long as somebody takes them; the task that makes them ends with them.
    pub(crate) fn unending(receiver: mpsc::Receiver<Result<Batch>>, task: JoinHandle<()>) -> Self {
        Batches { ready: None, running: Some(Running { receiver, task, left: Duration::MAX, _stop: Stop::default() }) }
    }

    /// Whether the next rows have to be waited for: what was sent before should be on its way.
    pub(crate) fn is_idle(&self) -> bool {
        self.ready.is_none() && self.running.as_ref().is_some_and(|running| running.receiver.is_empty())
    }

    /// The next rows; `None` after the last.
    pub(crate) async fn next(&mut self) -> Option<Result<Batch>> {
        if let Some(batch) = self.ready.take() {
            return Some(Ok(batch));
        }
        let running = self.running.as_mut()?;
        let asked = Instant::now();
        let next = match tokio::time::timeout(running.left, running.receiver.recv()).await {
            Ok(Some(Ok(batch))) => {
                running.left = running.left.saturating_sub(asked.elapsed());
                return Some(Ok(batch));
            }
            Ok(Some(Err(error))) => Some(Err(error)),
            Ok(None) => match (&mut running.task).await {
                Ok(()) => None,
                Err(_) => Some(Err(bug())),
            },
            Err(_) => Some(Err(timed_out())),
        };
        self.running = None;
        next
    }
}

/// Runs a query to its end, or until nobody receives its rows.
fn run(query: &Query, mut encode: Encoder, limits: &Limits, sender: &mpsc::Sender<Result<Batch>>) {
    let (mut bytes, mut lengths) = (Vec::new(), Vec::new());
    let mut sink = |values: &[Datum<'_>]| {
        let before = bytes.len();
        encode(values, &mut bytes)?;
        lengths.push(bytes.len() - before);
        if bytes.len() < BATCH && lengths.len() < BATCH_ROWS {
            return Ok(ControlFlow::Continue(()));
        }
        let full = Batch::new(std::mem::take(&mut bytes), std::mem::take(&mut lengths));
        Ok(if sender.blocking_send(Ok(full)).is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    };
    let last = match query.run(limits, &mut sink) {
        Ok(()) if lengths.is_empty() => return,
        Ok(()) => Ok(Batch::new(bytes, lengths)),
        Err(error) => Err(error),
    };
    // Nobody to tell if the receiver is gone.
    let _ = sender.blocking_send(last);
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(100);

    fn runtime() -> Runtime {
        Builder::new_current_thread().enable_all().build().expect("a runtime")
    }

    /// Work that ends only when it is asked to, and says that it does.
    fn endless(ended: mpsc::Sender<Error>) -> impl FnOnce(&Limits) -> Result<()> + Send + 'static {
        move |limits| loop {
            if let Err(error) = limits.check() {
                ended.blocking_send(error.clone()).expect("somebody waits");
                return Err(error);
            }
            std::thread::yield_now();
        }
    }

    #[test]
    fn work_that_nobody_waits_for_any_more_ends() {
        runtime().block_on(async {
            let (ended, mut end) = mpsc::channel(1);
            let allowance = Allowance { time: PATIENCE, memory: 0 };
            let work = tokio::spawn(compute(allowance, endless(ended)));
            tokio::task::yield_now().await;
            work.abort();
            let told = tokio::time::timeout(PATIENCE, end.recv()).await.expect("it ends");
            assert_eq!(told.map(|error| error.sqlstate), Some(*b"57014"));
        });
    }

    #[test]
    fn work_ends_when_its_time_is_over() {
        runtime().block_on(async {
            let (ended, mut end) = mpsc::channel(1);
            let allowance = Allowance { time: Duration::from_millis(20), memory: 0 };
            let error = compute(allowance, endless(ended)).await.expect_err("a timeout");
            assert!(error.message.contains("statement timeout"), "{error}");
            assert!(
                tokio::time::timeout(PATIENCE, end.recv()).await.is_ok_and(|told| told.is_some()),
                "the thread ends, too"
            );
            let allowance = Allowance { time: PATIENCE, memory: 0 };
            let panicked = compute(allowance, |_| -> Result<()> { panic!("a bug") }).await;
            assert_eq!(panicked.expect_err("a bug").sqlstate, *b"XX000");
        });
    }
}

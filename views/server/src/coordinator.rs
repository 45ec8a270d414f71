//! The one loop that changes the database: commits from the readers, statements from sessions, in one order.
//!
//! Readers of the database take its lock for as long as it takes to make a query; statements take it for as long as they run, ticks
//! for some milliseconds at a time ([`Loop::do_all`]). Everything arrives through bounded channels, so what cannot be taken holds its sender back.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};

use parking_lot::RwLock;
use tidewater_functions::Session;
use tidewater_ingest::{Readers, SourceConfig, SourceEvent};
use tidewater_query::plan::Constant;
use tidewater_sql::parse::ast::Statement;
use tidewater_sql::{Changes, Database, Error, Outcome, Parsed, Prepared, Result, Rows};
use tidewater_types::TableSchema;
use tokio::sync::{mpsc, oneshot, watch};

use crate::config::Config;
use crate::definitions::{restore, restoring};
use crate::durable::Durable;
use crate::feeds::{Feeds, Subscription};
use crate::handle::Handle;
use crate::metrics::Metrics;
use crate::pace::Pace;
use crate::sequences::Keeping;
use crate::sink::Sinks;
use crate::source_checkpoint::{SourceCheckpoints, VersionWritten};
use crate::transaction::RestsOn;
use crate::writing::{Writing, Written};

/// Bytes that a row takes in the log beside its own.
const ROW_ROOM: usize = 32;

/// Statements that wait for the loop.
const STATEMENTS: usize = 256;
/// Batches of commits that wait for the loop.
const BATCHES: usize = 64;
/// Time given at once to views that are being built: readers and commits wait no longer than this.
const BUILD_SLICE: Duration = Duration::from_millis(2);

/// `tidewater.sources` follows its sources by no more than this; it costs a tick.
pub(crate) const PUBLISH: Duration = Duration::from_secs(1);

/// What the loop is asked to do.
pub(crate) enum Request {
    Execute {
        parsed: Arc<Parsed>,
        parameters: Vec<Constant>,
        session: Arc<Session>,
        answer: oneshot::Sender<Result<Outcome>>,
    },
    /// Makes a table with the rows of its query.
    CreateTableAs {
        parsed: Arc<Parsed>,
        rows: Rows,
        session: Arc<Session>,
        answer: oneshot::Sender<Result<String>>,
    },
    /// Does changes that were evaluated, as one.
    Apply {
        changes: Vec<Changes>,
        /// What must be as it was for them to be done.
        rests_on: Vec<RestsOn>,
        answer: oneshot::Sender<Result<()>>,
    },
    /// Follows the query of a subscription.
    Follow {
        prepared: Prepared,
        session: Arc<Session>,
        answer: oneshot::Sender<Result<Subscription>>,
    },
    CreateSource {
        parsed: Arc<Parsed>,
        search_path: Vec<String>,
        config: Box<SourceConfig>,
        schema: TableSchema,
        answer: oneshot::Sender<Result<Outcome>>,
    },
    /// Makes a source anew, with this statement.
    ReplaceSource {
        name: String,
        text: String,
        config: Box<SourceConfig>,
        schema: TableSchema,
        answer: oneshot::Sender<Result<Outcome>>,
    },
    /// Makes what is broken. For a source: what it reads and its columns, or why they cannot be told.
    Mend {
        name: String,
        source: Option<Result<Box<(SourceConfig, TableSchema)>>>,
        answer: oneshot::Sender<Result<()>>,
    },
    /// Writes what is to be kept of a sequence.
    Keep {
        oid: u32,
        keeping: Keeping,
        answer: std::sync::mpsc::SyncSender<Result<()>>,
    },
    /// Writes a checkpoint of what is there.
    Checkpoint {
        answer: oneshot::Sender<Result<()>>,
    },
    /// The catalog is back; from now on changes are written.
    Restored {
        answer: oneshot::Sender<Result<()>>,
    },
    Stop,
}

enum Event {
    Request(Request),
    /// What is written in the background has come to an end.
    Written(Written),
    Source(SourceEvent),
    /// A checkpoint of the sources has been written.
    Version(VersionWritten),
    /// One is due.
    Due,
    /// Nothing came, and views are being built.
    Build,
    /// `tidewater.sources` is behind.
    Publish,
    /// Queries may be followed that nobody follows any more.
    Sweep,
}

/// The thread of the loop.
pub struct Coordinator {
    thread: std::thread::JoinHandle<()>,
    requests: mpsc::Sender<Request>,
    ended: oneshot::Receiver<()>,
}

impl Coordinator {
    /// Starts the loop; the catalog is kept in the folder of `config`. Without `kafka` sources are made as ever and nothing
    /// reads them: their events come from whoever holds the sender.
    ///
    /// # Errors
    /// If the catalog cannot be read or no thread can be started.
    pub fn start(config: &Config, kafka: bool) -> std::io::Result<(Coordinator, Handle, mpsc::Sender<SourceEvent>)> {
        let (durable, database, checkpoints) = open(config)?;
        let restored = database.broken().is_empty();
        let database = Arc::new(RwLock::new(database));
        let (requests, receiver) = mpsc::channel(STATEMENTS);
        let (events, source_events) = mpsc::channel(BATCHES);
        let (hydrated_sender, hydrated) = watch::channel(0);
        let (ticks_sender, ticks) = watch::channel(0);
        let metrics = Arc::new(Metrics::default());
        let handle = Handle {
            database: database.clone(),
            requests: requests.clone(),
            events: events.clone(),
            hydrated,
            ticks,
            metrics: metrics.clone(),
            restored: Arc::new(watch::channel(restored).0),
            kafka,
            query_memory: config.query_memory(),
            activity: Arc::default(),
            apart: Arc::default(),
        };
        let state = Loop {
            database,
            readers: kafka.then(|| Readers::new(events.clone())),
            hydrated: hydrated_sender,
            ticks: ticks_sender,
            metrics,
            durable,
            checkpoints,
            queue: VecDeque::new(),
            writing: Writing::default(),
            pace: Pace::default(),
            restored: handle.restored.clone(),
            building: None,
            published: tokio::time::Instant::now(),
            unpublished: false,
            feeds: Feeds::default(),
            sinks: Sinks::new(kafka.then(|| handle.clone())),
            subscribe_memory: config.subscribe_memory(),
            apart: handle.apart.clone(),
        };
        let runtime = tokio::runtime::Handle::current();
        let (alive, ended) = oneshot::channel();
        let body = move || {
            // Dropped when the thread ends, by a panic too.
            let _alive = alive;
            runtime.block_on(state.run(receiver, source_events));
        };
        let thread = std::thread::Builder::new().name("coordinator".into()).spawn(body)?;
        tokio::spawn(restore(handle.clone()));
        Ok((Coordinator { thread, requests, ended }, handle, events))
    }

    /// Returns when the loop has ended, which before [`Coordinator::stop`] only a bug does.
    pub async fn ended(&mut self) {
        // An error: nothing is ever sent.
        let _ = (&mut self.ended).await;
    }

    /// Ends the loop after what it is doing, and the threads that read Kafka.
    pub async fn stop(self) {
        // The loop has ended already if nobody receives.
        let _ = self.requests.send(Request::Stop).await;
        let joined = tokio::task::spawn_blocking(move || self.thread.join()).await;
        if !matches!(joined, Ok(Ok(()))) {
            tracing::error!("the coordinator ended by a panic");
        }
    }
}

/// What the folder keeps, and a database that holds all its definitions as such: none is made yet.
fn open(config: &Config) -> std::io::Result<(Durable, Database, SourceCheckpoints)> {
    let (durable, definitions) = Durable::open(&config.data_dir)?;
    let (blocks, mut found) = durable.sources()?;
    let mut database = Database::new();
    // Moments of what is restored are told, too.
    database.set_time(chrono::Utc::now().timestamp_millis());
    database.keep_dead_letters(config.dead_letters);
    if let Some(Err(error)) = found.dead_letters.take().map(|image| database.restore_dead_letters(image)) {
        tracing::error!(reason = %error, "tidewater.dead_letters begins anew");
    }
    database.plan_with(std::mem::take(&mut found.sizes));
    let checkpoints = SourceCheckpoints::new(blocks, found, config.checkpoint_interval());
    for definition in definitions {
        database.add_broken(definition, restoring());
    }
    Ok((durable, database, checkpoints))
}

/// At this time, or never.
async fn until(at: Option<tokio::time::Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

pub(crate) fn stopping() -> Error {
    Error::new(b"57P01", "the server is shutting down")
}

/// What the loop holds.
pub(crate) struct Loop {
    pub(crate) database: Arc<RwLock<Database>>,
    pub(crate) readers: Option<Readers>,
    pub(crate) hydrated: watch::Sender<u64>,
    pub(crate) ticks: watch::Sender<u64>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) durable: Durable,
    pub(crate) checkpoints: SourceCheckpoints,
    /// Requests in their order, as far as they wait for what is being written.
    pub(crate) queue: VecDeque<Request>,
    pub(crate) writing: Writing,
    pub(crate) pace: Pace,
    pub(crate) restored: Arc<watch::Sender<bool>>,
    /// Since when views or indexes are being built.
    pub(crate) building: Option<Instant>,
    /// When `tidewater.sources` was last brought up to date.
    pub(crate) published: tokio::time::Instant,
    /// Whether it is behind.
    pub(crate) unpublished: bool,
    pub(crate) feeds: Feeds,
    pub(crate) sinks: Sinks,
    /// Bytes that are kept of the changes of each followed query.
    pub(crate) subscribe_memory: usize,
    /// How many want every commit in a tick by itself.
    pub(crate) apart: Arc<AtomicUsize>,
}

impl Loop {
    async fn run(mut self, mut requests: mpsc::Receiver<Request>, mut sources: mpsc::Receiver<SourceEvent>) {
        let mut stopping = false;
        while !(stopping && self.writing.is_idle() && !self.checkpoints.is_busy()) {
            let due = self.checkpoints.due();
            let event = tokio::select! {
                written = self.writing.next() => Event::Written(written),
                Some(request) = requests.recv(), if !stopping && self.queue.len() < STATEMENTS => Event::Request(request),
                Some(event) = sources.recv() => Event::Source(event),
                () = tokio::time::sleep_until(self.published + PUBLISH), if self.unpublished => Event::Publish,
                () = std::future::ready(()), if self.building.is_some() => Event::Build,
                () = until(self.feeds.sweep) => Event::Sweep,
                written = self.checkpoints.written() => Event::Version(written),
                () = until(due), if !stopping => Event::Due,
                else => break,
            };
            match event {
                Event::Request(request) => self.queue.push_back(request),
                Event::Written(written) => self.written(written),
                Event::Source(event) => self.source(event, &mut sources),
                Event::Publish => self.publish(),
                Event::Sweep => self.sweep_feeds(),
                Event::Version(written) => self.source_checkpoint_written(written),
                Event::Build | Event::Due => {}
            }
            self.take_source_checkpoint();
            self.compact();
            // Whatever changes durable state waits for what is being written: it may build on that.
            while let Some(request) = self.next_request() {
                stopping |= matches!(request, Request::Stop);
                self.answer(request);
                self.take_source_checkpoint();
                self.compact();
            }
            self.build();
            self.free();
        }
        drop(sources);
        if let Some(readers) = self.readers.take() {
            readers.shutdown();
        }
    }

    /// The next request, unless it has to wait.
    fn next_request(&mut self) -> Option<Request> {
        if self.writing.has_changes() { None } else { self.queue.pop_front() }
    }

    /// Does what is asked. A session that has gone does not want its answer.
    fn answer(&mut self, request: Request) {
        match request {
            // What waits behind it is told by its sender's end.
            Request::Stop => {
                self.queue.clear();
                // The next start goes on from here.
                self.want_source_checkpoint(oneshot::channel().0);
            }
            Request::Execute { parsed, parameters, session, answer } => {
                let _ = answer.send(self.execute(&parsed, &parameters, &session));
            }
            Request::CreateTableAs { parsed, rows, session, answer } => {
                let _ = answer.send(self.create_table_as(&parsed, &rows, &session));
            }
            Request::Apply { changes, rests_on, answer } => self.begin_changes((changes, rests_on), answer),
            Request::Checkpoint { answer } => self.want_source_checkpoint(answer),
            Request::Keep { oid, keeping, answer } => {
                let _ = answer.send(self.keep_sequence(oid, keeping));
            }
            Request::Follow { prepared, session, answer } => {
                let _ = answer.send(self.follow(&prepared, &session));
            }
            Request::CreateSource { parsed, search_path, config, schema, answer } => {
                let _ = answer.send(self.create_source(&parsed, search_path, *config, schema));
            }
            Request::ReplaceSource { name, text, config, schema, answer } => {
                let _ = answer.send(self.replace_source(&name, &text, *config, schema));
            }
            Request::Mend { name, source, answer } => {
                let _ = answer.send(self.mend(&name, source));
            }
            Request::Restored { answer } => {
                self.go_on_from_checkpoint();
                self.restored.send_replace(true);
                self.run_sinks();
                let _ = answer.send(self.write_catalog());
            }
        }
    }

    fn execute(&mut self, parsed: &Arc<Parsed>, parameters: &[Constant], session: &Arc<Session>) -> Result<Outcome> {
        if changes_catalog(&parsed.statement) {
            // A table that is altered is written with all of its rows.
            let rows = match &parsed.statement {
                Statement::AlterTable(alter) | Statement::CreateUniqueIndex { alter, .. } => {
                    self.database.read().room_of(&alter.name, session)
                }
                Statement::Comment(comment) => self.database.read().room_of_comment(comment, session),
                _ => 0,
            };
            self.durable.reserve(&parsed.text, rows)?;
        }
        // Here nobody may wait for what the loop does itself.
        let session = &Arc::new(Session { actions: None, ..(**session).clone() });
        let outcome = self.database.write().execute_statement(parsed, parameters, session)?;
        let outcome = match outcome {
            Outcome::Dropped(tag, tables) => {
                self.stop_reading(tables);
                self.hydrated.send_modify(|changes| *changes += 1);
                self.publish();
                Outcome::Tag(tag)
            }
            outcome => outcome,
        };
        self.building.get_or_insert_with(Instant::now);
        self.save(parsed)?;
        if changes_catalog(&parsed.statement) {
            self.run_sinks();
        }
        Ok(outcome)
    }

    /// Frees what was removed, without the lock and without keeping the loop: a large view takes a while.
    fn free(&self) {
        if self.database.read().has_gone() {
            let gone = self.database.write().take_gone();
            tokio::task::spawn_blocking(move || drop(gone));
        }
    }

    fn create_table_as(&mut self, parsed: &Parsed, rows: &Rows, session: &Arc<Session>) -> Result<String> {
        let Statement::CreateTableAs(create) = &parsed.statement else {
            return Err(Error::new(b"XX000", "not CREATE TABLE AS"));
        };
        let bytes: usize = rows.rows.iter().map(|row| row.bytes().len() + ROW_ROOM).sum();
        self.durable.reserve(&parsed.text, bytes)?;
        let tag = {
            let mut database = self.database.write();
            database.set_search_path(session.search_path.clone());
            database.set_time(chrono::Utc::now().timestamp_millis());
            database.create_table_as(create, rows, session)?
        };
        self.save(parsed)?;
        Ok(tag)
    }

    /// Gives views and indexes that are being built a slice of time.
    fn build(&mut self) {
        let Some(since) = self.building else { return };
        let begun = Instant::now();
        let mut database = self.database.write();
        while begun.elapsed() < BUILD_SLICE {
            if !database.build() {
                drop(database);
                self.building = None;
                tracing::debug!(seconds = since.elapsed().as_secs_f64(), "all views and indexes are built");
                self.hydrated.send_modify(|changes| *changes += 1);
                return;
            }
        }
    }

    /// Writes the catalog if the statement changed it.
    pub(crate) fn save(&mut self, parsed: &Parsed) -> Result<()> {
        if changes_catalog(&parsed.statement) { self.write_catalog() } else { Ok(()) }
    }

    /// All definitions are in the database at any time, those that are not restored yet too.
    pub(crate) fn write_catalog(&mut self) -> Result<()> {
        self.durable.write_definitions(&self.database.read()).map_err(|error| {
            // Its room was there, so that this is a disk that fails, not one that is full.
            let done = format!("definitions that were changed could not be written: {}", error.message);
            Error { message: done, ..error }
        })
    }
}

/// Whether a statement changes what is kept of the catalog.
fn changes_catalog(statement: &Statement) -> bool {
    use Statement as S;
    matches!(
        statement,
        S::CreateSchema { .. }
            | S::CreateSecret { .. }
            | S::CreateConnection { .. }
            | S::CreateSource(_)
            | S::CreateSink(_)
            | S::CreateTable(_)
            | S::CreateSequence(_)
            | S::Comment(_)
            | S::CreateTableAs(_)
            | S::CreateView(_)
            | S::CreateIndex { .. }
            | S::AlterTable(_)
            | S::CreateUniqueIndex { .. }
            | S::AlterRename { .. }
            | S::Drop { .. }
    )
}

//! The one loop that changes the database: commits from the readers, statements from sessions, in one order.
//!
//! Readers of the database take its lock for as long as it takes to make a query; ticks and statements take it for as long
//! as they run. Everything arrives through bounded channels, so what cannot be taken holds its sender back.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use arrow_schema::DataType;
use datafusion::common::ScalarValue;
use delta::{TableId, TableSchema};
use ingest::{Readers, SourceConfig, SourceEvent};
use parking_lot::{RwLock, RwLockReadGuard};
use sql::parse::ast::Statement;
use sql::{
    Database, Error, Insertion, Outcome, Parsed, Positions, Prepared, Progress, Result, SourceHealth, SourceState,
};
use tokio::sync::{mpsc, oneshot, watch};

use crate::catalog_file::CatalogFile;
use crate::config::Config;
use crate::definitions::{restore, restoring};
use crate::metrics::Metrics;
use crate::source_events;

/// Statements that wait for the loop.
const STATEMENTS: usize = 256;
/// Batches of commits that wait for the loop.
const BATCHES: usize = 64;
/// Changes taken into one tick when more wait: readers see the state between two ticks.
const TICK_CHANGES: usize = 50_000;
/// Changes of a source that nobody reads yet taken into one tick.
const BASE_SLICE: usize = 2_000;
/// Time given at once to views that are being built: readers and commits wait no longer than this.
const BUILD_SLICE: Duration = Duration::from_millis(2);

/// `tidewater.sources` follows its sources by no more than this; it costs a tick.
pub(crate) const PUBLISH: Duration = Duration::from_secs(1);

/// What the loop is asked to do.
pub(crate) enum Request {
    Execute {
        parsed: Arc<Parsed>,
        parameters: Vec<ScalarValue>,
        answer: oneshot::Sender<Result<Outcome>>,
    },
    Insert {
        insertions: Vec<Insertion>,
        answer: oneshot::Sender<Result<()>>,
    },
    CreateSource {
        parsed: Arc<Parsed>,
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
    /// The catalog is back; from now on changes are written.
    Restored {
        answer: oneshot::Sender<Result<()>>,
    },
    Stop,
}

enum Event {
    Request(Request),
    Source(SourceEvent),
    /// Nothing came, and views are being built.
    Build,
    /// `tidewater.sources` is behind.
    Publish,
}

/// What sessions hold to reach the database.
#[derive(Clone)]
pub struct Handle {
    database: Arc<RwLock<Database>>,
    requests: mpsc::Sender<Request>,
    events: mpsc::Sender<SourceEvent>,
    /// Changes when a source or view has all its rows, or is gone.
    pub(crate) hydrated: watch::Receiver<u64>,
    /// Changes with every tick of commits.
    pub(crate) ticks: watch::Receiver<u64>,
    metrics: Arc<Metrics>,
    restored: Arc<watch::Sender<bool>>,
    /// Whether sources are read from Kafka.
    pub(crate) kafka: bool,
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
        let (file, mut database) = open(&config.data_dir)?;
        database.keep_dead_letters(config.dead_letters);
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
        };
        let state = Loop {
            database,
            readers: kafka.then(|| Readers::new(events.clone())),
            hydrated: hydrated_sender,
            ticks: ticks_sender,
            metrics,
            file,
            restored: handle.restored.clone(),
            building: None,
            published: tokio::time::Instant::now(),
            unpublished: false,
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

/// The catalog's file, and a database that holds all its definitions as such: none is made yet.
fn open(folder: &Path) -> std::io::Result<(CatalogFile, Database)> {
    let (file, definitions) = CatalogFile::open(folder)?;
    let mut database = Database::new();
    for definition in definitions {
        database.add_broken(definition, restoring());
    }
    Ok((file, database))
}

impl Handle {
    /// The database, when no statement changes it. One may for long: meanwhile other tasks of this thread go on elsewhere.
    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Database> {
        match self.database.try_read() {
            Some(database) => database,
            None => tokio::task::block_in_place(|| self.database.read()),
        }
    }

    /// See [`Database::prepare`].
    ///
    /// # Errors
    /// What is wrong with the statement.
    pub fn prepare(&self, parsed: &Arc<Parsed>, types: &[Option<DataType>]) -> Result<Prepared> {
        self.read().prepare(parsed, types)
    }

    pub(crate) fn count_query(&self) {
        self.metrics.queries.fetch_add(1, Ordering::Relaxed);
    }

    /// Positions of all timelines at this moment, as `SET tidewater.after` takes them.
    pub fn positions(&self) -> Positions {
        self.read().positions()
    }

    /// Takes an event as if a reader of Kafka had told it: for those who feed a server from elsewhere.
    ///
    /// # Errors
    /// 57P01 if the loop has ended.
    pub async fn feed(&self, event: SourceEvent) -> Result<()> {
        self.events.send(event).await.map_err(|_| stopping())
    }

    /// The number by which events name a source.
    pub fn source(&self, name: &str) -> Option<TableId> {
        self.read().source(name)
    }

    /// Returns once the catalog is back.
    ///
    /// # Errors
    /// 57P03 after `patience`.
    pub async fn restored(&self, patience: Duration) -> Result<()> {
        if *self.restored.borrow() {
            return Ok(());
        }
        let mut restored = self.restored.subscribe();
        let back = tokio::time::timeout(patience, restored.wait_for(|restored| *restored)).await;
        if matches!(back, Ok(Ok(_))) { Ok(()) } else { Err(restoring()) }
    }

    /// Says that the catalog is back.
    pub(crate) async fn set_restored(&self) {
        let (answer, answered) = oneshot::channel();
        // The loop ends only with the server.
        if self.send(Request::Restored { answer }).await.is_ok()
            && let Ok(Err(error)) = answered.await
        {
            tracing::error!(%error, "the restored catalog could not be written");
        }
    }

    /// Whether the loop has ended.
    pub(crate) fn is_stopping(&self) -> bool {
        self.requests.is_closed()
    }

    /// Runs a statement in the loop, after those of the catalog.
    ///
    /// # Errors
    /// What is wrong with it.
    pub async fn run(&self, parsed: &Arc<Parsed>, parameters: Vec<ScalarValue>) -> Result<Outcome> {
        // The sender lives as long as this handle.
        let _ = self.restored.subscribe().wait_for(|restored| *restored).await;
        self.metrics.statements.fetch_add(1, Ordering::Relaxed);
        match &parsed.statement {
            Statement::CreateSource(source) => return self.create_source(parsed, source).await,
            Statement::AlterSource { name, change } => return self.alter_source(name, *change).await,
            _ => {}
        }
        let (answer, answered) = oneshot::channel();
        self.send(Request::Execute { parsed: parsed.clone(), parameters, answer }).await?;
        answered.await.unwrap_or_else(|_| Err(stopping()))
    }

    /// Evaluates an INSERT without doing it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub async fn insertion(&self, parsed: &Arc<Parsed>, parameters: Vec<ScalarValue>) -> Result<Insertion> {
        let (database, parsed) = (self.database.clone(), parsed.clone());
        let evaluated = tokio::task::spawn_blocking(move || database.read().insertion(&parsed, &parameters)).await;
        evaluated.unwrap_or_else(|_| Err(Error::new("XX000", "the statement ended by a bug")))
    }

    /// Does several INSERTs as one change.
    ///
    /// # Errors
    /// See [`Database::insert_all`].
    pub async fn insert_all(&self, insertions: Vec<Insertion>) -> Result<()> {
        let (answer, answered) = oneshot::channel();
        self.send(Request::Insert { insertions, answer }).await?;
        answered.await.unwrap_or_else(|_| Err(stopping()))
    }

    /// Whether there is an object of this name.
    pub fn exists(&self, name: &str) -> bool {
        self.read().exists(name)
    }

    pub(crate) async fn send(&self, request: Request) -> Result<()> {
        self.requests.send(request).await.map_err(|_| stopping())
    }

    /// Whether every object of the catalog is back, nothing is broken and everything holds its rows.
    ///
    /// # Errors
    /// A sentence for each thing that is missing.
    pub fn ready(&self) -> Result<(), Vec<String>> {
        if !*self.restored.borrow() {
            return Err(vec!["the catalog is being restored".into()]);
        }
        let database = self.read();
        let broken = database.broken().into_iter();
        let mut missing: Vec<_> =
            broken.map(|object| format!("\"{}\" is broken: {}", object.name, object.error)).collect();
        let catalog = database.catalog();
        for (name, progress) in database.hydrating(catalog.iter().map(|object| object.name.as_str())) {
            missing.push(format!("\"{name}\": {} of {} initial rows", progress.read, progress.of));
        }
        for status in database.source_statuses() {
            let SourceHealth { state, reason, .. } = &status.health;
            if *state == SourceState::Incomplete || (*state == SourceState::Waiting && status.progress.is_some()) {
                missing.push(format!("source \"{}\" is {}: {reason}", status.name, state.word()));
            }
        }
        if missing.is_empty() { Ok(()) } else { Err(missing) }
    }

    /// The number by which events name a source.
    pub fn source_id(&self, name: &str) -> Option<TableId> {
        self.read().source_table(name).map(|(table, _)| table)
    }

    /// Counters in Prometheus' text format.
    pub fn metrics(&self) -> String {
        self.metrics.text(&self.read())
    }
}

pub(crate) fn stopping() -> Error {
    Error::new("57P01", "the server is shutting down")
}

/// What the loop holds.
pub(crate) struct Loop {
    pub(crate) database: Arc<RwLock<Database>>,
    pub(crate) readers: Option<Readers>,
    pub(crate) hydrated: watch::Sender<u64>,
    ticks: watch::Sender<u64>,
    metrics: Arc<Metrics>,
    file: CatalogFile,
    pub(crate) restored: Arc<watch::Sender<bool>>,
    /// Since when views or indexes are being built.
    pub(crate) building: Option<Instant>,
    /// When `tidewater.sources` was last brought up to date.
    pub(crate) published: tokio::time::Instant,
    /// Whether it is behind.
    pub(crate) unpublished: bool,
}

impl Loop {
    async fn run(mut self, mut requests: mpsc::Receiver<Request>, mut sources: mpsc::Receiver<SourceEvent>) {
        loop {
            let event = tokio::select! {
                Some(request) = requests.recv() => Event::Request(request),
                Some(event) = sources.recv() => Event::Source(event),
                () = tokio::time::sleep_until(self.published + PUBLISH), if self.unpublished => Event::Publish,
                () = std::future::ready(()), if self.building.is_some() => Event::Build,
                else => break,
            };
            match event {
                Event::Request(Request::Stop) => break,
                Event::Request(Request::Execute { parsed, parameters, answer }) => {
                    // A session that has gone does not want its answer.
                    let _ = answer.send(self.execute(&parsed, &parameters));
                }
                Event::Request(Request::Insert { insertions, answer }) => {
                    let _ = answer.send(self.database.write().insert_all(insertions));
                }
                Event::Request(Request::CreateSource { parsed, config, schema, answer }) => {
                    let _ = answer.send(self.create_source(&parsed, *config, schema));
                }
                Event::Request(Request::ReplaceSource { name, text, config, schema, answer }) => {
                    let _ = answer.send(self.replace_source(&name, &text, *config, schema));
                }
                Event::Request(Request::Mend { name, source, answer }) => {
                    let _ = answer.send(self.mend(&name, source));
                }
                Event::Request(Request::Restored { answer }) => {
                    self.restored.send_replace(true);
                    let _ = answer.send(self.write_catalog());
                }
                Event::Source(event) => self.source(event, &mut sources),
                Event::Publish => self.publish(),
                Event::Build => {}
            }
            self.build();
        }
        drop(sources);
        if let Some(readers) = self.readers.take() {
            readers.shutdown();
        }
    }

    fn execute(&mut self, parsed: &Arc<Parsed>, parameters: &[ScalarValue]) -> Result<Outcome> {
        let outcome = self.database.write().execute_statement(parsed, parameters)?;
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
        Ok(outcome)
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
    pub(crate) fn save(&self, parsed: &Parsed) -> Result<()> {
        use Statement as S;
        let changes = matches!(
            parsed.statement,
            S::CreateSecret { .. }
                | S::CreateConnection { .. }
                | S::CreateSource(_)
                | S::CreateTable(_)
                | S::CreateView(_)
                | S::CreateIndex { .. }
                | S::Drop { .. }
        );
        if changes { self.write_catalog() } else { Ok(()) }
    }

    /// All definitions are in the database at any time, those that are not restored yet too.
    pub(crate) fn write_catalog(&self) -> Result<()> {
        let definitions = self.database.read().definitions();
        self.file.write(&definitions).map_err(|error| {
            Error::new("58030", format!("the statement was done, but the catalog could not be written: {error}"))
                .hint("make room or rights in the folder given by --data-dir, then run any CREATE again")
        })
    }

    /// Takes an event of a reader, and with commits those that wait behind them, in one tick.
    fn source(&mut self, event: SourceEvent, sources: &mut mpsc::Receiver<SourceEvent>) {
        let mut commits = Vec::new();
        let mut changes = 0;
        let mut hydrated = Vec::new();
        let mut letters = Vec::new();
        let mut next = Some(event);
        while let Some(event) = next {
            match event {
                SourceEvent::Commits(batch) => {
                    changes += batch.iter().map(|commit| commit.changes.len()).sum::<usize>();
                    commits.extend(batch);
                }
                SourceEvent::Hydrated(table) => hydrated.push(table),
                SourceEvent::Base { table, ops } => {
                    self.tick(std::mem::take(&mut commits), changes);
                    changes = 0;
                    self.base(table, ops);
                }
                SourceEvent::Progress { table, read, of } => {
                    let mut database = self.database.write();
                    if database.is_hydrating(table) {
                        database.set_hydrating(table, Progress { read, of });
                        self.unpublished = true;
                    }
                }
                SourceEvent::DeadLetter(letter) => {
                    changes += 1;
                    letters.push(letter);
                }
                SourceEvent::Health { table, health } => self.health(table, health),
                SourceEvent::ColumnLost { table, column, reason } => self.lose_column(table, column, reason),
            }
            next = if changes < TICK_CHANGES { sources.try_recv().ok() } else { None };
        }
        if !letters.is_empty() {
            self.metrics.dead_letters.fetch_add(letters.len() as u64, Ordering::Relaxed);
            let mut database = self.database.write();
            let kinds = database.dead_letter_kinds().clone();
            database.add_dead_letters(letters.iter().map(|letter| source_events::row_of(letter, &kinds)).collect());
        }
        self.tick(commits, changes);
        if !hydrated.is_empty() {
            let mut database = self.database.write();
            for table in hydrated {
                tracing::info!(source = database.source_name(table).unwrap_or_default(), "all initial rows have come");
                database.set_hydrated(table);
            }
            drop(database);
            self.hydrated.send_modify(|changes| *changes += 1);
            self.state_changed();
        }
    }

    /// Told before any commit whose rows lack the column.
    fn lose_column(&mut self, table: TableId, column: usize, reason: String) {
        let mut database = self.database.write();
        tracing::warn!(
            source = database.source_name(table).unwrap_or_default(),
            reason,
            "a column has no value any more"
        );
        database.lose_column(table, column, reason);
        self.unpublished = true;
    }

    /// Takes changes of a source that nobody reads yet, in slices: others' readers and commits wait no longer than for one.
    fn base(&self, table: TableId, ops: Vec<delta::Op>) {
        let mut changes = ops.into_iter().map(|op| delta::Change { table, op });
        loop {
            let slice: Vec<_> = changes.by_ref().take(BASE_SLICE).collect();
            if slice.is_empty() {
                return;
            }
            let count = slice.len();
            self.tick(vec![delta::Commit::local(slice)], count);
        }
    }

    fn tick(&self, commits: Vec<delta::Commit>, changes: usize) {
        if commits.is_empty() {
            return;
        }
        let begun = Instant::now();
        let newest = commits.iter().map(|commit| commit.committed_ms).max().unwrap_or(0);
        self.metrics.commits.fetch_add(commits.len() as u64, Ordering::Relaxed);
        self.metrics.changes.fetch_add(changes as u64, Ordering::Relaxed);
        self.metrics.committed_ms.fetch_max(newest.max(0) as u64, Ordering::Relaxed);
        {
            let mut database = self.database.write();
            database.set_time(chrono::Utc::now().timestamp_millis());
            database.apply(commits);
        }
        self.ticks.send_modify(|ticks| *ticks += 1);
        self.metrics.ticks.fetch_add(1, Ordering::Relaxed);
        self.metrics.tick_micros.fetch_add(begun.elapsed().as_micros() as u64, Ordering::Relaxed);
    }
}

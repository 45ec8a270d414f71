//! The one loop that changes the database: commits from the readers, statements from sessions, in one order.
//!
//! Readers of the database take its lock for as long as it takes to make a query; ticks and statements take it for as long
//! as they run. Everything arrives through bounded channels, so what cannot be taken holds its sender back.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arrow_schema::DataType;
use datafusion::common::ScalarValue;
use delta::{RowBuilder, TableSchema};
use ingest::{DeadLetter, Health, Readers, SourceConfig, SourceEvent, State};
use parking_lot::{RwLock, RwLockReadGuard};
use sql::parse::ast::{CreateSource, Statement};
use sql::{Database, Error, Insertion, Outcome, Parsed, Positions, Prepared, Progress, Result};
use tokio::sync::{mpsc, oneshot, watch};

use crate::catalog_file::CatalogFile;
use crate::sources;

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

enum Request {
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
    Stop,
}

enum Event {
    Request(Request),
    Source(SourceEvent),
    /// Nothing came, and views are being built.
    Build,
}

/// Counters of the process.
#[derive(Debug, Default)]
pub struct Metrics {
    ticks: AtomicU64,
    tick_micros: AtomicU64,
    commits: AtomicU64,
    changes: AtomicU64,
    dead_letters: AtomicU64,
    queries: AtomicU64,
    statements: AtomicU64,
    committed_ms: AtomicU64,
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
}

/// The thread of the loop.
pub struct Coordinator {
    thread: std::thread::JoinHandle<()>,
    requests: mpsc::Sender<Request>,
    ended: oneshot::Receiver<()>,
}

impl Coordinator {
    /// Starts the loop; the catalog is kept in `data_dir`.
    ///
    /// # Errors
    /// If the catalog cannot be read or no thread can be started.
    pub fn start(data_dir: PathBuf) -> std::io::Result<(Coordinator, Handle)> {
        let database = Arc::new(RwLock::new(Database::new()));
        let (requests, receiver) = mpsc::channel(STATEMENTS);
        let (events, source_events) = mpsc::channel(BATCHES);
        let (hydrated_sender, hydrated) = watch::channel(0);
        let (ticks_sender, ticks) = watch::channel(0);
        let metrics = Arc::new(Metrics::default());
        let (file, statements) = CatalogFile::open(&data_dir)?;
        let (restored, _) = watch::channel(statements.is_empty());
        let handle = Handle {
            database: database.clone(),
            requests: requests.clone(),
            events: events.clone(),
            hydrated,
            ticks,
            metrics: metrics.clone(),
            restored: Arc::new(restored),
        };
        let state = Loop {
            database,
            readers: Some(Readers::new(events)),
            hydrated: hydrated_sender,
            ticks: ticks_sender,
            metrics,
            file,
            restored: handle.restored.clone(),
            health: HashMap::new(),
            building: None,
        };
        let runtime = tokio::runtime::Handle::current();
        let (alive, ended) = oneshot::channel();
        let body = move || {
            // Dropped when the thread ends, by a panic too.
            let _alive = alive;
            runtime.block_on(state.run(receiver, source_events));
        };
        let thread = std::thread::Builder::new().name("coordinator".into()).spawn(body)?;
        tokio::spawn(restore(handle.clone(), statements));
        Ok((Coordinator { thread, requests, ended }, handle))
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

/// Pause before a statement of the catalog that failed is tried again: Kafka or the registry may still be starting.
const RESTORE_RETRY: Duration = Duration::from_secs(2);

/// Runs the catalog's statements again, in their order.
async fn restore(handle: Handle, statements: Vec<String>) {
    for text in statements {
        let parsed = match sql::parse(&text) {
            Ok(mut parsed) if parsed.len() == 1 => Arc::new(parsed.remove(0)),
            _ => {
                tracing::error!(statement = text, "the catalog holds a statement that does not parse; passed over");
                continue;
            }
        };
        while let Err(error) = handle.run_now(&parsed, Vec::new()).await {
            if !error.sqlstate.starts_with("08") {
                tracing::error!(statement = text, %error, "the catalog holds a statement that fails; passed over");
                break;
            }
            tracing::warn!(statement = text, %error, "cannot restore yet; trying again");
            tokio::time::sleep(RESTORE_RETRY).await;
        }
    }
    handle.restored.send_replace(true);
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
    pub fn source(&self, name: &str) -> Option<delta::TableId> {
        self.read().source(name)
    }

    /// Runs a statement in the loop, after those of the catalog.
    ///
    /// # Errors
    /// What is wrong with it.
    pub async fn run(&self, parsed: &Arc<Parsed>, parameters: Vec<ScalarValue>) -> Result<Outcome> {
        // The sender lives as long as this handle.
        let _ = self.restored.subscribe().wait_for(|restored| *restored).await;
        self.run_now(parsed, parameters).await
    }

    async fn run_now(&self, parsed: &Arc<Parsed>, parameters: Vec<ScalarValue>) -> Result<Outcome> {
        self.metrics.statements.fetch_add(1, Ordering::Relaxed);
        if let Statement::CreateSource(source) = &parsed.statement {
            return self.create_source(parsed, source).await;
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

    async fn send(&self, request: Request) -> Result<()> {
        self.requests.send(request).await.map_err(|_| stopping())
    }

    /// Asks Kafka and the registry first, so that the loop never waits for them.
    async fn create_source(&self, parsed: &Arc<Parsed>, source: &CreateSource) -> Result<Outcome> {
        let config = {
            let database = self.read();
            if source.if_not_exists && database.exists(&source.name) {
                return Ok(Outcome::Tag("CREATE SOURCE".into()));
            }
            database.free(&source.name)?;
            sources::resolve(source, &database)?
        };
        let asked = config.clone();
        let schema = tokio::task::spawn_blocking(move || asked.table_schema()).await;
        let schema = schema.map_err(|_| Error::new("XX000", "reading the source's schema failed"))?;
        let schema = schema.map_err(|error| from_ingest(&error))?;
        let (answer, answered) = oneshot::channel();
        self.send(Request::CreateSource { parsed: parsed.clone(), config: Box::new(config), schema, answer }).await?;
        answered.await.unwrap_or_else(|_| Err(stopping()))
    }

    /// Whether every object of the catalog is back and every source has its rows.
    ///
    /// # Errors
    /// One sentence that says what is missing.
    pub fn ready(&self) -> Result<(), String> {
        if !*self.restored.borrow() {
            return Err("the catalog is being restored".into());
        }
        let database = self.read();
        let catalog = database.catalog();
        let waits = database.hydrating(catalog.iter().map(|object| object.name.as_str()));
        match waits.first() {
            None => Ok(()),
            Some((name, progress)) => Err(format!("\"{name}\": {} of {} initial rows", progress.read, progress.of)),
        }
    }

    /// Counters in Prometheus' text format.
    pub fn metrics(&self) -> String {
        let mut text = String::new();
        let mut put = |name: &str, kind: &str, help: &str, values: &[(String, f64)]| {
            text.push_str(&format!("# HELP tidewater_{name} {help}\n# TYPE tidewater_{name} {kind}\n"));
            for (labels, value) in values {
                text.push_str(&format!("tidewater_{name}{labels} {value}\n"));
            }
        };
        let m = &self.metrics;
        let one = |value: &AtomicU64| vec![(String::new(), value.load(Ordering::Relaxed) as f64)];
        put("ticks_total", "counter", "Ticks of the engine.", &one(&m.ticks));
        let seconds = m.tick_micros.load(Ordering::Relaxed) as f64 / 1e6;
        put("tick_seconds_total", "counter", "Time spent in ticks.", &[(String::new(), seconds)]);
        put("commits_total", "counter", "Commits taken from sources.", &one(&m.commits));
        put("changes_total", "counter", "Changes taken from sources.", &one(&m.changes));
        put("dead_letters_total", "counter", "Records that could not be decoded.", &one(&m.dead_letters));
        put("queries_total", "counter", "Queries answered.", &one(&m.queries));
        put("statements_total", "counter", "Other statements run.", &one(&m.statements));
        let committed = m.committed_ms.load(Ordering::Relaxed) as f64 / 1e3;
        put(
            "last_commit_timestamp_seconds",
            "gauge",
            "When the newest commit was made upstream.",
            &[(String::new(), committed)],
        );
        let database = self.read();
        let sizes = database.sizes();
        let labels = |name: &str| format!("{{object=\"{}\"}}", name.replace('\\', "\\\\").replace('"', "\\\""));
        let rows: Vec<_> = sizes.iter().map(|(name, _, rows, _)| (labels(name), *rows as f64)).collect();
        let bytes: Vec<_> = sizes.iter().map(|(name, _, _, bytes)| (labels(name), *bytes as f64)).collect();
        put("object_rows", "gauge", "Distinct rows that an object holds.", &rows);
        put("object_bytes", "gauge", "Bytes of an object's rows and indexes.", &bytes);
        text
    }
}

fn stopping() -> Error {
    Error::new("57P01", "the server is shutting down")
}

/// Errors of Kafka and the registry are connection errors; everything else is the statement's.
fn from_ingest(error: &ingest::Error) -> Error {
    let sqlstate = match error {
        ingest::Error::Kafka { .. } | ingest::Error::RegistryUnreachable { .. } => "08001",
        ingest::Error::Schema(_) => "42704",
        ingest::Error::Decode(_) => "22000",
    };
    Error::new(sqlstate, error.to_string())
}

struct Loop {
    database: Arc<RwLock<Database>>,
    readers: Option<Readers>,
    hydrated: watch::Sender<u64>,
    ticks: watch::Sender<u64>,
    metrics: Arc<Metrics>,
    file: CatalogFile,
    restored: Arc<watch::Sender<bool>>,
    /// What sources are about, so that a change is told once.
    health: HashMap<delta::TableId, Health>,
    /// Since when views or indexes are being built.
    building: Option<Instant>,
}

impl Loop {
    async fn run(mut self, mut requests: mpsc::Receiver<Request>, mut sources: mpsc::Receiver<SourceEvent>) {
        loop {
            let event = tokio::select! {
                Some(request) = requests.recv() => Event::Request(request),
                Some(event) = sources.recv() => Event::Source(event),
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
                Event::Source(event) => self.source(event, &mut sources),
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
                for table in tables {
                    if let Some(readers) = &mut self.readers {
                        readers.remove(table);
                    }
                }
                self.hydrated.send_modify(|changes| *changes += 1);
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
    fn save(&self, parsed: &Parsed) -> Result<()> {
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
        // While the catalog is restored, the file holds more than the database.
        if !changes || !*self.restored.borrow() {
            return Ok(());
        }
        let mut objects = self.database.read().catalog();
        objects.sort_by_key(|object| object.oid);
        let statements: Vec<_> = objects.into_iter().map(|object| object.definition).collect();
        self.file.write(&statements).map_err(|error| {
            Error::new("58030", format!("the statement was done, but the catalog could not be written: {error}"))
                .hint("make room or rights in the folder given by --data-dir, then run any CREATE again")
        })
    }

    fn create_source(&mut self, parsed: &Arc<Parsed>, config: SourceConfig, schema: TableSchema) -> Result<Outcome> {
        let table = {
            let mut database = self.database.write();
            let table = database.create_source(&config.name, &schema, &parsed.text)?;
            database.set_hydrating(table, Progress::default());
            let (timeline, kind) = sources::timeline(&config);
            database.set_timeline(table, timeline, kind);
            table
        };
        let name = config.name.clone();
        let added = match &mut self.readers {
            Some(readers) => readers.add(table, config, schema).map_err(|error| from_ingest(&error)),
            None => Err(stopping()),
        };
        if let Err(error) = added {
            let drop = Parsed {
                statement: Statement::Drop {
                    kind: sql::parse::ast::ObjectKind::Source,
                    if_exists: true,
                    names: vec![name],
                    cascade: true,
                },
                text: String::new(),
            };
            self.database.write().execute_statement(&Arc::new(drop), &[])?;
            return Err(error);
        }
        self.save(parsed)?;
        Ok(Outcome::Tag("CREATE SOURCE".into()))
    }

    /// Takes an event of a reader, and with commits those that wait behind them, in one tick.
    fn source(&mut self, event: SourceEvent, sources: &mut mpsc::Receiver<SourceEvent>) {
        let mut commits = Vec::new();
        let mut changes = 0;
        let mut hydrated = Vec::new();
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
                    }
                }
                SourceEvent::DeadLetter(letter) => self.dead_letter(&letter),
                SourceEvent::Health { table, health } => self.health(table, health),
            }
            next = if changes < TICK_CHANGES { sources.try_recv().ok() } else { None };
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
        }
    }

    /// Takes changes of a source that nobody reads yet, in slices: others' readers and commits wait no longer than for one.
    fn base(&self, table: delta::TableId, ops: Vec<delta::Op>) {
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

    fn health(&mut self, table: delta::TableId, health: Health) {
        let before = self.health.insert(table, health.clone());
        let told = |health: &Health| (health.state, health.reason.clone());
        if before.as_ref().map(told) == Some(told(&health)) {
            return;
        }
        let name = self.database.read().source_name(table).map(str::to_owned).unwrap_or_default();
        match health.state {
            State::Running | State::Hydrating => tracing::info!(source = name, state = ?health.state, "reading"),
            State::Waiting => tracing::warn!(source = name, reason = health.reason, "waiting"),
            State::Stalled | State::Incomplete => {
                tracing::error!(source = name, reason = health.reason, hint = health.hint, state = ?health.state, "no progress");
            }
        }
    }

    fn dead_letter(&self, letter: &DeadLetter) {
        self.metrics.dead_letters.fetch_add(1, Ordering::Relaxed);
        let DeadLetter { source, topic, partition, offset, timestamp_ms, key, value, reason } = letter;
        tracing::warn!(source, topic, partition, offset, reason, "a record could not be decoded");
        let mut database = self.database.write();
        let mut row = RowBuilder::new(database.dead_letter_kinds().clone());
        row.set_text(0, source);
        row.set_text(1, topic);
        row.set_int(2, i64::from(*partition));
        row.set_int(3, *offset);
        row.set_int(4, timestamp_ms.saturating_mul(1_000));
        if let Some(key) = key {
            row.set_tail(5, key);
        }
        if let Some(value) = value {
            row.set_tail(6, value);
        }
        row.set_text(7, reason);
        database.add_dead_letter(row.finish());
    }
}

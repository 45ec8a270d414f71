//! What sessions and HTTP hold to reach the database: reads of a moment, statements and changes sent to the one loop that does
//! them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{RwLock, RwLockReadGuard};
use tidewater_delta::TableId;
use tidewater_functions::Session;
use tidewater_ingest::SourceEvent;
use tidewater_query::plan::Constant;
use tidewater_sql::parse::ast::Statement;
use tidewater_sql::{
    Changes, Database, Evaluated, HeldKeys, Mark, Notice, Outcome, Parsed, Positions, Prepared, Reach, Result, Rows,
    SourceHealth, SourceState, Within,
};
use tidewater_types::ColumnType;
use tokio::sync::{mpsc, oneshot, watch};

use crate::activity::Activity;
use crate::coordinator::{Request, stopping};
use crate::definitions::restoring;
use crate::encode::needs_names;
use crate::metrics::Metrics;
use crate::runner::{Allowance, compute};
use crate::sequences::Keeping;
use crate::transaction::RestsOn;
use crate::waits::Wait;

/// What sessions hold to reach the database.
#[derive(Clone)]
pub struct Handle {
    pub(crate) database: Arc<RwLock<Database>>,
    pub(crate) requests: mpsc::Sender<Request>,
    pub(crate) events: mpsc::Sender<SourceEvent>,
    /// Changes when a source or view has all its rows, or is gone.
    pub(crate) hydrated: watch::Receiver<u64>,
    /// Changes with every tick of commits.
    pub(crate) ticks: watch::Receiver<u64>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) restored: Arc<watch::Sender<bool>>,
    /// Whether sources are read from Kafka.
    pub(crate) kafka: bool,
    /// Bytes that a statement may keep.
    pub(crate) query_memory: usize,
    /// The sessions.
    pub(crate) activity: Arc<Activity>,
    /// How many want every commit in a tick by itself.
    pub(crate) apart: Arc<AtomicUsize>,
}

impl Handle {
    /// The database, when no statement changes it. One may for long: meanwhile other tasks of this thread go on elsewhere.
    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Database> {
        match self.database.try_read() {
            Some(database) => database,
            None => tokio::task::block_in_place(|| self.database.read()),
        }
    }

    /// How a query that runs on a thread of its own asks the indexes.
    pub(crate) fn reach(&self) -> Reach {
        let database = Arc::downgrade(&self.database);
        Arc::new(move |look| {
            if let Some(database) = database.upgrade() {
                look(&database.read());
            }
        })
    }

    /// See [`Database::prepare`].
    ///
    /// # Errors
    /// What is wrong with the statement.
    pub fn prepare(&self, parsed: &Arc<Parsed>, types: &[ColumnType], session: &Arc<Session>) -> Result<Prepared> {
        self.read().prepare(parsed, types, session)
    }

    /// What a statement reads, whatever the values of its parameters are.
    pub(crate) fn reads(&self, prepared: &Prepared) -> Vec<String> {
        self.read().reads(prepared)
    }

    /// The session with the catalog's names, if values of these types need them.
    pub(crate) fn naming<'a>(
        &self,
        mut types: impl Iterator<Item = &'a ColumnType>,
        session: &Arc<Session>,
    ) -> Arc<Session> {
        if types.any(needs_names) { self.read().informed(session) } else { session.clone() }
    }

    /// What a statement may use that may compute for as long as `time`.
    pub(crate) fn allowance(&self, time: Duration) -> Allowance {
        Allowance { time, memory: self.query_memory }
    }

    /// What readers of a statement's relations are told beside their rows.
    pub(crate) fn notices(&self, prepared: &Prepared) -> Vec<Notice> {
        let database = self.read();
        database.notices(database.reads(prepared).iter().map(String::as_str))
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
    pub async fn run(
        &self,
        parsed: &Arc<Parsed>,
        parameters: Vec<Constant>,
        session: &Arc<Session>,
    ) -> Result<Outcome> {
        // The sender lives as long as this handle.
        let _ = self.restored.subscribe().wait_for(|restored| *restored).await;
        self.metrics.statements.fetch_add(1, Ordering::Relaxed);
        match &parsed.statement {
            Statement::CreateSink(sink) => self.check_sink(sink, session).await?,
            Statement::CreateSource(source) => return self.create_source(parsed, source, session).await,
            Statement::Checkpoint => {
                let (answer, answered) = oneshot::channel();
                self.send(Request::Checkpoint { answer }).await?;
                let written = answered.await.unwrap_or_else(|_| Err(stopping()));
                return written.map(|()| Outcome::Tag("CHECKPOINT".into()));
            }
            Statement::RestartSequence { name, if_exists, value } => {
                return self.restart_sequence(name, *if_exists, *value, session).await;
            }
            Statement::AlterSource { name, change } => return self.alter_source(name, *change, session).await,
            _ => {}
        }
        let (answer, answered) = oneshot::channel();
        self.send(Request::Execute { parsed: parsed.clone(), parameters, session: session.clone(), answer }).await?;
        answered.await.unwrap_or_else(|_| Err(stopping()))
    }

    /// ALTER SEQUENCE … RESTART.
    async fn restart_sequence(
        &self,
        name: &str,
        if_exists: bool,
        value: Option<i64>,
        session: &Arc<Session>,
    ) -> Result<Outcome> {
        let done = || Ok(Outcome::Tag("ALTER SEQUENCE".into()));
        let found = {
            let database = self.read();
            let found = database.sequence_named(name, session);
            found.and_then(|oid| Ok((oid, database.sequence(oid)?.clone())))
        };
        let (oid, sequence) = match found {
            Err(error) if if_exists && error.sqlstate == *b"42P01" => return done(),
            found => found?,
        };
        if let Some(value) = value {
            sequence.can_restart(value)?;
        }
        self.keep(oid, Keeping::At(value.map(|value| Mark { value, called: false }))).await?;
        done()
    }

    /// Writes what is to be kept of a sequence.
    ///
    /// # Errors
    /// 53100 and 58030.
    pub(crate) async fn keep(&self, oid: u32, keeping: Keeping) -> Result<()> {
        let (answer, answered) = std::sync::mpsc::sync_channel(1);
        self.send(Request::Keep { oid, keeping, answer }).await?;
        let kept = tokio::task::spawn_blocking(move || answered.recv()).await;
        kept.map_err(|_| stopping())?.map_err(|_| stopping())?
    }

    /// Evaluates an INSERT, UPDATE or DELETE over what its transaction sees, without doing it. Gives the tables that it read, and all
    /// relations.
    ///
    /// # Errors
    /// What is wrong with it, or with the rows that it makes; 57014 after the limit.
    pub(crate) async fn evaluate(
        &self,
        within: &Within,
        prepared: &Prepared,
        parameters: &[Constant],
        session: &Arc<Session>,
        wait: &Wait,
    ) -> Result<(Evaluated, [BTreeSet<u32>; 2])> {
        self.metrics.statements.fetch_add(1, Ordering::Relaxed);
        let mut change = self.change(within, prepared, parameters, session, wait).await?;
        let read = [std::mem::take(&mut change.tables), std::mem::take(&mut change.relations)];
        let evaluated = compute(self.allowance(wait.limit), move |limits| change.evaluate(limits)).await?;
        Ok((evaluated, read))
    }

    /// Takes note of the keys of what a transaction holds back.
    ///
    /// # Errors
    /// 23505 for a second row of one key.
    pub(crate) fn check_keys(&self, keys: &mut HeldKeys, held: &[Arc<Changes>]) -> Result<()> {
        self.read().check_keys(keys, held)
    }

    /// Evaluates and does an INSERT, UPDATE or DELETE; gives its tag and what RETURNING shows. If rows that it takes out go meanwhile, it begins again.
    ///
    /// # Errors
    /// What is wrong with it; 40001 if others were faster every time, until `statement_timeout`.
    pub(crate) async fn evaluate_and_apply(
        &self,
        prepared: &Prepared,
        parameters: &[Constant],
        session: &Arc<Session>,
        wait: &Wait,
    ) -> Result<(String, Option<Rows>)> {
        let deadline = Instant::now() + wait.limit;
        loop {
            let limit = deadline.saturating_duration_since(Instant::now());
            let wait = Wait { limit, ..wait.clone() };
            let within = Within::default();
            let (Evaluated { changes, rows }, _) = self.evaluate(&within, prepared, parameters, session, &wait).await?;
            let tag = changes.tag().to_owned();
            // Whoever was faster is done by now, so that all get their turn.
            match self.apply(Changes::net(vec![changes])).await {
                Err(error) if error.sqlstate == *b"40001" && Instant::now() < deadline => {}
                done => return done.map(|()| (tag, rows)),
            }
        }
    }

    /// Evaluates and does several changes as one; begins again as [`Handle::evaluate_and_apply`].
    ///
    /// # Errors
    /// As there.
    pub(crate) async fn evaluate_and_apply_all(
        &self,
        prepared: &[Prepared],
        session: &Arc<Session>,
        wait: &Wait,
    ) -> Result<()> {
        let deadline = Instant::now() + wait.limit;
        loop {
            let mut all = Vec::with_capacity(prepared.len());
            for prepared in prepared {
                let limit = deadline.saturating_duration_since(Instant::now());
                let wait = Wait { limit, ..wait.clone() };
                all.push(self.evaluate(&Within::default(), prepared, &[], session, &wait).await?.0.changes);
            }
            // A table that is named twice is emptied once.
            all.sort_by(|a, b| a.table().cmp(b.table()));
            all.dedup_by(|a, b| a.table() == b.table());
            match self.apply(Changes::net(all)).await {
                Err(error) if error.sqlstate == *b"40001" && Instant::now() < deadline => {}
                done => return done,
            }
        }
    }

    /// Empties tables, and lets their sequences begin anew then.
    ///
    /// # Errors
    /// As [`Handle::evaluate_and_apply`].
    pub(crate) async fn truncate(
        &self,
        tables: &[Prepared],
        restart: bool,
        session: &Arc<Session>,
        wait: &Wait,
    ) -> Result<()> {
        self.evaluate_and_apply_all(tables, session, wait).await?;
        let sequences: Vec<u32> = match restart {
            true => tables.iter().flat_map(|table| self.read().sequences_of(table)).collect(),
            false => Vec::new(),
        };
        for oid in sequences {
            self.keep(oid, Keeping::At(None)).await?;
        }
        Ok(())
    }

    /// Makes a table with these rows; gives the tag.
    ///
    /// # Errors
    /// What is wrong with it; nothing is made then.
    pub(crate) async fn create_table_as(
        &self,
        parsed: &Arc<Parsed>,
        rows: Rows,
        session: &Arc<Session>,
    ) -> Result<String> {
        let (answer, answered) = oneshot::channel();
        let (parsed, session) = (parsed.clone(), session.clone());
        self.send(Request::CreateTableAs { parsed, rows, session, answer }).await?;
        answered.await.unwrap_or_else(|_| Err(stopping()))
    }

    /// Does changes as one.
    ///
    /// # Errors
    /// See [`Database::apply_changes`].
    pub async fn apply(&self, changes: Vec<Changes>) -> Result<()> {
        self.apply_if(changes, Vec::new()).await
    }

    /// Does changes as one if what they rest on is as it was.
    ///
    /// # Errors
    /// 40001 if it is not; see [`Database::apply_changes`].
    pub(crate) async fn apply_if(&self, changes: Vec<Changes>, rests_on: Vec<RestsOn>) -> Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        let (answer, answered) = oneshot::channel();
        self.send(Request::Apply { changes, rests_on, answer }).await?;
        answered.await.unwrap_or_else(|_| Err(stopping()))
    }

    /// Whether one of these relations is a materialized view of a table that these changes are of: it shows them only once they are
    /// done.
    pub(crate) fn keep_rows_of(&self, reads: &[String], held: &[Arc<Changes>]) -> bool {
        let tables: Vec<_> = held.iter().map(|changes| changes.table()).collect();
        self.read().keep_rows_of(reads.iter().map(String::as_str), &tables)
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

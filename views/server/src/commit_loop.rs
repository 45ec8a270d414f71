//! What the coordinator's loop does with the events of readers: commits become ticks.

use std::sync::atomic::Ordering;
use std::time::Instant;

use tidewater_delta::TableId;
use tidewater_ingest::SourceEvent;
use tidewater_sql::Progress;
use tokio::sync::mpsc;

use crate::coordinator::Loop;
use crate::source_events;

/// Changes taken into one tick when more wait: readers see the state between two ticks.
const TICK_CHANGES: usize = 50_000;
/// Changes of a source that nobody reads yet taken into one tick.
const BASE_SLICE: usize = 2_000;

impl Loop {
    /// Takes an event of a reader, and with commits those that wait behind them, in one tick.
    pub(crate) fn source(&mut self, event: SourceEvent, sources: &mut mpsc::Receiver<SourceEvent>) {
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
            let types = database.dead_letter_types().clone();
            database.add_dead_letters(letters.iter().map(|letter| source_events::row_of(letter, &types)).collect());
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
    fn base(&self, table: TableId, ops: Vec<tidewater_delta::Op>) {
        let mut changes = ops.into_iter().map(|op| tidewater_delta::Change { table, op });
        loop {
            let slice: Vec<_> = changes.by_ref().take(BASE_SLICE).collect();
            if slice.is_empty() {
                return;
            }
            let count = slice.len();
            self.tick(vec![tidewater_delta::Commit::local(slice)], count);
        }
    }

    fn tick(&self, commits: Vec<tidewater_delta::Commit>, changes: usize) {
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

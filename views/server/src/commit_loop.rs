//! What the coordinator's loop does with the events of readers: commits become ticks.

use std::sync::atomic::Ordering;
use std::time::Instant;

use parking_lot::RwLockWriteGuard;
use tidewater_delta::{Change, Commit, Op, TableId};
use tidewater_ingest::{DeadLetter, SourceEvent};
use tidewater_sql::{Applying, Progress};
use tokio::sync::mpsc;

use crate::coordinator::Loop;
use crate::source_events;

/// Changes taken from the readers before they are done: other events wait meanwhile.
const CHANGES: usize = 50_000;

impl Loop {
    /// Takes an event of a reader, and with commits those that wait behind them.
    pub(crate) fn source(&mut self, event: SourceEvent, sources: &mut mpsc::Receiver<SourceEvent>) {
        let mut commits = Vec::new();
        let mut changes = 0;
        let mut hydrated = Vec::new();
        let mut letters = Vec::new();
        let mut next = Some(event);
        while let Some(event) = next {
            match event {
                SourceEvent::Commits(batch) => {
                    self.checkpoints.changed = true;
                    changes += batch.iter().map(|commit| commit.changes.len()).sum::<usize>();
                    commits.extend(batch);
                }
                SourceEvent::Hydrated(table) => hydrated.push(table),
                SourceEvent::Base { table, ops } => {
                    self.tick(std::mem::take(&mut commits));
                    changes = 0;
                    self.checkpoints.changed = true;
                    self.base(table, ops);
                }
                SourceEvent::State(state) => {
                    // It is that after all before it.
                    self.tick(std::mem::take(&mut commits));
                    changes = 0;
                    self.timeline_state(*state);
                }
                SourceEvent::StatesTold { whole } => {
                    self.keep_dead_letters(&mut letters);
                    self.states_told(whole);
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
                    letters.push(*letter);
                }
                SourceEvent::Health { table, health } => self.health(table, health),
                SourceEvent::ColumnLost { table, column, reason } => self.lose_column(table, column, reason),
            }
            next = if changes < CHANGES { sources.try_recv().ok() } else { None };
        }
        self.keep_dead_letters(&mut letters);
        self.tick(commits);
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

    fn keep_dead_letters(&mut self, letters: &mut Vec<DeadLetter>) {
        if letters.is_empty() {
            return;
        }
        self.metrics.dead_letters.fetch_add(letters.len() as u64, Ordering::Relaxed);
        self.checkpoints.changed = true;
        let mut database = self.database.write();
        let types = database.dead_letter_types().clone();
        database.add_dead_letters(letters.drain(..).map(|letter| source_events::row_of(&letter, &types)).collect());
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
    fn base(&mut self, table: TableId, ops: Vec<Op>) {
        let mut changes = ops.into_iter().map(|op| Change { table, op });
        loop {
            let slice: Vec<_> = changes.by_ref().take(self.pace.slice()).collect();
            if slice.is_empty() {
                return;
            }
            self.tick(vec![Commit::local(slice)]);
        }
    }

    /// Takes commits through the views: as many of them in one tick as take a slice of time, a large one in parts. While a source is
    /// checked each has a tick of its own.
    fn tick(&mut self, commits: Vec<Commit>) {
        let apart = self.apart.load(Ordering::Relaxed) > 0;
        let (mut together, mut changes) = (Vec::new(), 0);
        for commit in commits {
            if apart || changes + commit.changes.len() > self.pace.slice() {
                self.tick_together(std::mem::take(&mut together), changes);
                changes = 0;
            }
            changes += commit.changes.len();
            together.push(commit);
        }
        self.tick_together(together, changes);
    }

    fn tick_together(&mut self, commits: Vec<Commit>, changes: usize) {
        if commits.is_empty() {
            return;
        }
        let newest = commits.iter().map(|commit| commit.committed_ms).max().unwrap_or(0);
        self.metrics.commits.fetch_add(commits.len() as u64, Ordering::Relaxed);
        self.metrics.changes.fetch_add(changes as u64, Ordering::Relaxed);
        self.metrics.committed_ms.fetch_max(newest.max(0) as u64, Ordering::Relaxed);
        let applying = self.database.read().begin(commits);
        self.do_all(applying);
    }

    /// Does changes so that readers wait for a few milliseconds at most: many in parts, between which they see the moment before.
    pub(crate) fn do_all(&mut self, mut applying: Applying) {
        let begun = Instant::now();
        let mut limit = self.pace.whole();
        loop {
            let before = applying.left();
            let mut database = self.database.write();
            let part = Instant::now();
            database.set_time(chrono::Utc::now().timestamp_millis());
            let more = database.advance(&mut applying, limit);
            // Whoever waits is next, not the next part.
            RwLockWriteGuard::unlock_fair(database);
            self.pace.learn(before - applying.left(), part.elapsed());
            if !more {
                break;
            }
            limit = self.pace.slice();
        }
        self.ticks.send_modify(|ticks| *ticks += 1);
        self.metrics.ticks.fetch_add(1, Ordering::Relaxed);
        self.metrics.tick_micros.fetch_add(begun.elapsed().as_micros() as u64, Ordering::Relaxed);
    }
}

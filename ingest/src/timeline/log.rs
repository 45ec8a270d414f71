//! The log of a table that is not shown: its changes go on in the order of the log, as far as the timeline has come.
//!
//! A table of one partition goes on at once where the timeline has passed. Of a table of several partitions everything waits
//! until all are read ([`super::follow`]).

use std::collections::VecDeque;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use smallvec::smallvec;
use tidewater_delta::{Op, Position, TableId};

use super::Timeline;
use super::place::BinlogPlace;
use super::seen::{self, Before};
use super::spec::Place;
use super::steps::{Step, StepKind};
use super::table::Table;
use crate::event::{Ops, Origin, Snapshot};

/// Something of a table's log.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Partition and offset.
    pub(crate) at: (i32, i64),
    /// The transaction that it belongs to, or whose state it shows.
    pub(crate) transaction: Arc<str>,
    pub(crate) collection: Arc<str>,
    pub(crate) origin: Origin,
    /// When Kafka got it.
    pub(crate) created_ms: i64,
    pub(crate) ops: Ops,
    pub(crate) kind: EntryKind,
}

/// What it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum EntryKind {
    /// An event of a transaction.
    Event,
    /// Rows of an incremental snapshot, or events that belong to no transaction.
    Rows,
    /// A TRUNCATE.
    Truncate,
    /// A deletion of which only the tombstone is left.
    Ghost,
    /// An event of a transaction that came before: of one that is released it is done again.
    Again,
}

impl EntryKind {
    /// Whether it belongs to no transaction.
    pub(super) fn is_step(self) -> bool {
        matches!(self, EntryKind::Rows | EntryKind::Truncate)
    }
}

impl Entry {
    /// What a tombstone does. It has no transaction of its own: its place is behind what came before it.
    pub(super) fn ghost(before: Option<&Entry>, at: (i32, i64), created_ms: i64, op: Op) -> Self {
        let nowhere = Origin {
            snapshot: Snapshot::No,
            collection: Arc::default(),
            server_id: 0,
            file: Arc::default(),
            pos: 0,
            row: 0,
            gtid: None,
            ts_ms: 0,
            transaction: None,
        };
        let origin = before.map_or(nowhere, |before| before.origin.clone());
        let transaction = before.map_or_else(Arc::default, |before| before.transaction.clone());
        Entry {
            at,
            transaction,
            collection: Arc::default(),
            origin,
            created_ms,
            ops: smallvec![op],
            kind: EntryKind::Ghost,
        }
    }

    pub(crate) fn new(
        kind: EntryKind,
        place: Place,
        transaction: Arc<str>,
        collection: Arc<str>,
        origin: &Origin,
        ops: Ops,
    ) -> Self {
        let (at, created_ms) = ((place.partition, place.offset), place.timestamp_ms);
        Entry { at, transaction, collection, origin: origin.clone(), created_ms, ops, kind }
    }
}

impl Timeline {
    /// Takes something of the log of a table that is not shown.
    pub(super) fn log(&mut self, id: TableId, entry: Entry) {
        let whole = self.whole;
        let passed = !whole || self.has_passed(&entry);
        let Some(table) = self.tables.get_mut(&id) else { return };
        let split = table.is_split();
        let waits = |table: &Table| table.partitions.get(&entry.at.0).is_none_or(|partition| !partition.log.is_empty());
        if passed && !split && !waits(table) && !table.lacks_before(&entry.transaction, entry.origin.ts_ms) {
            return self.go_on(id, entry);
        }
        if let Some(partition) = table.partitions.get_mut(&entry.at.0) {
            partition.log.push_back(entry);
        }
    }

    /// Whether the timeline has released the entry's transaction.
    pub(super) fn has_passed(&self, entry: &Entry) -> bool {
        self.released.before(&entry.transaction, entry.origin.ts_ms) == Before::Again
    }

    /// Hands an entry on.
    fn go_on(&mut self, id: TableId, entry: Entry) {
        if let Some(table) = self.tables.get_mut(&id).filter(|_| entry.kind == EntryKind::Event) {
            table.repay(&entry.transaction, entry.origin.ts_ms, &entry.collection);
        }
        self.base(id, entry.ops);
    }

    /// Entries that are part of what replaces the table: they count for their transactions and change nothing.
    pub(super) fn only_count(&mut self, id: TableId, entries: VecDeque<Entry>) {
        for entry in entries {
            if entry.kind != EntryKind::Event {
                continue;
            }
            if self.has_passed(&entry) {
                if let Some(table) = self.tables.get_mut(&id) {
                    table.repay(&entry.transaction, entry.origin.ts_ms, &entry.collection);
                }
                continue;
            }
            let pending = self.transaction_of(&entry.transaction, entry.origin.ts_ms);
            pending.part(id).add(&entry.collection, entry.at, &entry.origin, Vec::new(), false);
        }
    }

    /// Hands on what the timeline has passed. A table of several partitions waits until all are read.
    pub(super) fn drain(&mut self, id: TableId) {
        let Some(table) = self.tables.get(&id).filter(|table| !table.is_split()) else { return };
        for number in table.partitions.keys().copied().collect::<Vec<_>>() {
            while let Some(entry) = self.next_entry(id, number) {
                self.go_on(id, entry);
            }
        }
    }

    /// The next entry of a partition, if the timeline has passed it.
    fn next_entry(&mut self, id: TableId, number: i32) -> Option<Entry> {
        let table = self.tables.get(&id)?;
        let log = &table.partitions.get(&number)?.log;
        let head = log.front()?;
        let queued = self.names(&head.transaction, head.origin.ts_ms);
        // What the transaction topic does not name is older than what it names, if the log has it before that.
        let older = || {
            let read = table.is_read() && self.boundaries.next >= table.boundaries;
            read && !queued
                && (log.iter().any(|entry| entry.kind == EntryKind::Event && self.has_passed(entry))
                    || self.released.is_older_than_all(&head.transaction, head.origin.ts_ms)
                    || self.has_lost(&head.transaction, head.origin.ts_ms))
        };
        if head.kind == EntryKind::Ghost {
            // Its transaction is not behind that of what follows.
            let passed = |entry: &Entry| entry.kind == EntryKind::Event && self.has_passed(entry);
            if !log.iter().any(passed) {
                return None;
            }
            return self.tables.get_mut(&id)?.partitions.get_mut(&number)?.log.pop_front();
        }
        let past = || head.kind.is_step() && self.has_come_to(&head.transaction, &BinlogPlace::of(&head.origin));
        if self.whole && !self.has_passed(head) && !older() && !past() {
            return None;
        }
        let (transaction, ms) = (head.transaction.clone(), head.origin.ts_ms);
        if self.whole && self.tables.get_mut(&id)?.lacks_before(&transaction, ms) {
            return None;
        }
        self.tables.get_mut(&id)?.partitions.get_mut(&number)?.log.pop_front()
    }

    /// A tombstone that waits while its table is shown: it is done if a transaction was passed that lacks events of the table.
    pub(super) fn hold_ghost(&mut self, id: TableId, ops: Ops) {
        let Some(table) = self.tables.get_mut(&id) else { return };
        let short = |(name, count): &(Arc<str>, u64)| *count > 0 && table.collections.contains(name);
        if table.owed.values().any(|owed| owed.counts.iter().any(short)) {
            return self.base(id, ops);
        }
        table.ghosts.extend(ops);
    }

    /// Whether the timeline is past a transaction whose boundaries are lost.
    pub(super) fn has_lost(&self, transaction: &str, ms: i64) -> bool {
        let missing = self.boundaries.low > 0 || !self.boundaries.lost.is_empty();
        let past = |newest: &Arc<str>| seen::is_less(transaction, newest);
        missing
            && self.newest.as_ref().is_some_and(past)
            && self.released.newest_ms(transaction).is_some_and(|newest| ms <= newest)
    }

    /// Whether the timeline is past what belongs to no transaction: the transaction whose state it shows, and where it lies.
    pub(super) fn has_come_to(&self, transaction: &str, place: &BinlogPlace) -> bool {
        let alone = match self.queue.front().and_then(|front| self.pending.get(front)) {
            Some(front) => front.place.as_ref().is_some_and(|front| front.is_behind(place)),
            None => self.quiet,
        };
        // Of what other tables wait with, what the database did before it comes first.
        let waits = |table: &Table| table.steps.front().is_some_and(|step| step.place.is_before(place));
        let held =
            |table: &Table| table.shown && table.last_snapshot.as_ref().is_some_and(|moment| place.is_before(moment));
        // Without GTIDs the timeline stands at a place.
        let behind = match &self.reached {
            Some((Position::Binlog { file, offset }, ms)) => {
                place.is_before(&BinlogPlace { file: file.as_str().into(), pos: *offset, ms: *ms })
            }
            _ => false,
        };
        if behind || self.tables.values().any(held) {
            return true;
        }
        alone && !self.tables.values().any(waits)
            || self.newest.as_ref().is_some_and(|newest| seen::is_less(transaction, newest))
    }

    /// The table of one partition is shown from now on: what waits is held as of any shown table.
    pub(super) fn hold(&mut self, id: TableId) {
        let Some(table) = self.tables.get_mut(&id) else { return };
        let entries: Vec<_> =
            table.partitions.values_mut().flat_map(|partition| std::mem::take(&mut partition.log)).collect();
        for entry in entries {
            let Entry { at, transaction, collection, origin, ops, kind, .. } = entry;
            let place = BinlogPlace::of(&origin);
            if kind == EntryKind::Ghost {
                self.hold_ghost(id, ops);
                continue;
            }
            if kind == EntryKind::Event {
                let keyed = self.tables.get(&id).is_none_or(|table| table.keyed);
                let pending = self.transaction_of(&transaction, origin.ts_ms);
                pending.place.get_or_insert(place);
                let part = pending.part(id);
                // Told by its partition, which may get others.
                if !keyed {
                    part.tell(&origin, &ops, true);
                }
                part.add(&collection, at, &origin, ops, !keyed);
            } else if let Some(table) = self.tables.get_mut(&id).filter(|_| kind.is_step()) {
                let kind = if kind == EntryKind::Rows { StepKind::Rows } else { StepKind::Truncate };
                table.add_step(Step::new(kind, at, place, origin.gtid, ops.into_vec()), true);
            }
        }
    }
}

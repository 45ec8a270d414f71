//! The log of a table that is not shown: its changes go on in the order of the log, as far as the timeline has come.
//!
//! A table of one partition goes on at once where the timeline has passed. Of a table of several partitions, which are read
//! one faster than the other, streamed changes wait until all are read to where they ended, and are put in the order of the
//! binlog: only then is it known what a snapshot replaced, and no row goes before it has come.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use delta::{Op, TableId};

use super::Timeline;
use super::place::BinlogPlace;
use super::seen::{self, Before};
use super::spec::Place;
use super::table::{Step, StepKind, Table};
use crate::event::Origin;

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
    pub(crate) ops: Vec<Op>,
    pub(crate) kind: EntryKind,
}

/// What it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EntryKind {
    /// An event of a transaction.
    Event,
    /// Rows of an incremental snapshot, or events that belong to no transaction.
    Rows,
    /// A TRUNCATE.
    Truncate,
}

impl Entry {
    pub(crate) fn new(
        kind: EntryKind,
        place: Place,
        transaction: Arc<str>,
        collection: Arc<str>,
        origin: &Origin,
        ops: Vec<Op>,
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
        let Some(partition) = table.partitions.get_mut(&entry.at.0) else { return };
        if passed && !split && partition.log.is_empty() {
            return self.go_on(id, entry);
        }
        partition.log.push_back(entry);
    }

    /// Whether the timeline has released the entry's transaction.
    fn has_passed(&self, entry: &Entry) -> bool {
        self.released.before(&entry.transaction, entry.origin.ts_ms) == Before::Again
    }

    /// Hands an entry on.
    fn go_on(&mut self, id: TableId, entry: Entry) {
        if let Some(table) = self.tables.get_mut(&id) {
            table.based = true;
            if entry.kind == EntryKind::Event {
                table.repay(&entry.transaction, entry.origin.ts_ms, &entry.collection);
            }
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

    /// Hands on what the timeline has passed.
    pub(super) fn drain(&mut self, id: TableId) {
        let Some(table) = self.tables.get_mut(&id) else { return };
        if table.snapshot.is_some() && table.is_split() {
            return;
        }
        if table.is_split() {
            // Without a key the removal of a row may lie in another partition than the row, and be read first.
            if !table.is_read() || !table.keyed && !table.fence.is_behind() {
                return;
            }
            if let Some(transaction) = table.merge() {
                return self.doubt(id, &transaction, Before::Unclear);
            }
            let Some(table) = self.tables.get_mut(&id) else { return };
            if let Some(moment) = table.last_snapshot.clone() {
                let first_ms = table.snapshot_first_ms;
                let merged = std::mem::take(&mut table.merged);
                let (older, newer) = merged.into_iter().partition(|entry| {
                    entry.created_ms < first_ms || BinlogPlace::of(&entry.origin).is_before(&moment)
                });
                table.merged = newer;
                self.only_count(id, older);
            }
        }
        let keys: Vec<_> = match self.tables.get(&id) {
            Some(table) if table.is_split() => vec![None],
            Some(table) => table.partitions.keys().copied().map(Some).collect(),
            None => return,
        };
        for key in keys {
            while let Some(entry) = self.next_entry(id, key) {
                self.go_on(id, entry);
            }
        }
    }

    /// The next entry of a partition, or of all if none is named, if the timeline has passed it.
    fn next_entry(&mut self, id: TableId, key: Option<i32>) -> Option<Entry> {
        let table = self.tables.get(&id)?;
        let log = match key {
            Some(number) => &table.partitions.get(&number)?.log,
            None => &table.merged,
        };
        let head = log.front()?;
        let queued = self.pending.get(&head.transaction).is_some_and(|found| found.queued);
        // What the transaction topic does not name is older than what it names, if the log has it before that.
        let older = || {
            let read = table.is_read() && self.boundaries.next >= table.boundaries;
            read && !queued
                && (log.iter().any(|entry| entry.kind == EntryKind::Event && self.has_passed(entry))
                    || self.released.is_older_than_all(&head.transaction, head.origin.ts_ms))
        };
        let front = || self.queue.front().and_then(|front| self.pending.get(front));
        let alone = || match front() {
            Some(front) => front.place.as_ref().is_some_and(|place| place.is_behind(&BinlogPlace::of(&head.origin))),
            None => self.quiet,
        };
        let passed = || self.newest.as_ref().is_some_and(|newest| seen::is_less(&head.transaction, newest));
        let due =
            !self.whole || self.has_passed(head) || older() || head.kind != EntryKind::Event && (alone() || passed());
        if !due {
            return None;
        }
        let table = self.tables.get_mut(&id)?;
        match key {
            Some(number) => table.partitions.get_mut(&number)?.log.pop_front(),
            None => table.merged.pop_front(),
        }
    }

    /// The table is shown from now on: what waits is held as of any shown table.
    pub(super) fn hold(&mut self, id: TableId) {
        let Some(table) = self.tables.get_mut(&id) else { return };
        let several = table.is_split();
        let unordered = several && !table.keyed;
        table.merge();
        for entry in std::mem::take(&mut table.merged) {
            let Entry { at, transaction, collection, origin, ops, kind, .. } = entry;
            let place = BinlogPlace::of(&origin);
            if kind == EntryKind::Event {
                let pending = self.transaction_of(&transaction, origin.ts_ms);
                pending.place.get_or_insert(place);
                let part = pending.part(id);
                // What is known of it already was told when it was put in order.
                if unordered {
                    part.tell(&origin, &ops);
                }
                part.add(&collection, at, &origin, ops, several);
            } else if let Some(table) = self.tables.get_mut(&id) {
                let kind = if kind == EntryKind::Rows { StepKind::Rows } else { StepKind::Truncate };
                table.add_step(Step::new(kind, at, place, origin.gtid, ops), true);
            }
        }
    }
}

impl Table {
    /// Puts what waits in all partitions into one order: of the binlog, and each partition's own.
    pub(super) fn merge(&mut self) -> Option<Arc<str>> {
        let entries: Vec<_> =
            self.partitions.values().flat_map(|partition| &partition.log).chain(&self.merged).collect();
        let servers: HashSet<u64> = entries.iter().map(|entry| entry.origin.server_id).collect();
        // Places of one server compare; of two, only times do.
        let one = servers.len() <= 1;
        let mut begun: HashMap<Arc<str>, (i64, usize, Arc<str>, u64)> = HashMap::new();
        for entry in &entries {
            let Origin { ts_ms, file, pos, .. } = &entry.origin;
            let key = (if one { 0 } else { *ts_ms }, file.len(), file.clone(), *pos);
            let first = begun.entry(entry.transaction.clone()).or_insert_with(|| key.clone());
            if key < *first {
                *first = key;
            }
        }
        let key = |entry: &Entry| {
            let number = entry.origin.transaction.as_ref().map_or(0, |transaction| transaction.total_order);
            (begun.get(&entry.transaction).cloned(), number, entry.origin.pos, entry.origin.row)
        };
        let mut logs: Vec<_> = vec![std::mem::take(&mut self.merged)];
        logs.extend(self.partitions.values_mut().map(|partition| std::mem::take(&mut partition.log)));
        let next = |logs: &[VecDeque<Entry>]| {
            let heads = logs.iter().enumerate().filter_map(|(at, log)| Some((key(log.front()?), at)));
            heads.min().map(|(_, at)| at)
        };
        let (split, keyed) = (self.is_split(), self.keyed);
        let (mut known, mut doubt) = (std::mem::take(&mut self.known), None);
        while let Some(at) = next(&logs) {
            let Some(entry) = logs[at].pop_front() else { break };
            // The first log is what was put in order before.
            if at == 0 {
                self.merged.push_back(entry);
                continue;
            }
            // Without a key a record is redelivered to any partition.
            if split && !keyed && entry.kind == EntryKind::Event {
                let known = known.entry(entry.transaction.clone()).or_default();
                match known.tell(&entry.origin, &entry.ops) {
                    Before::New => {}
                    Before::Unclear => {
                        doubt.get_or_insert(entry.transaction);
                        continue;
                    }
                    _ => continue,
                }
            }
            self.merged.push_back(entry);
        }
        self.known = known;
        doubt
    }
}

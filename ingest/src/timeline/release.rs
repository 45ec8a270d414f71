//! What is whole, in order: the oldest transaction is judged again and again, and steps take their turn before it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tidewater_delta::{Change, Op, Position, TableId};

use super::holes;
use super::judge::Verdict;
use super::seen;
use super::spec::Output;
use super::table::Table;
use super::transaction::{Part, Transaction};
use super::{Owner, RECENT, Recent, Timeline, transaction_position};

/// Changes that are shown only together with later ones.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Merging {
    pub(super) changes: Vec<Change>,
    pub(super) last: Option<(Position, i64)>,
    /// Up to where tables must have been read and released: Kafka's compaction took states between.
    pub(super) until: Vec<(TableId, i32, i64)>,
    /// Tables whose snapshot must have come in.
    pub(super) snapshots: Vec<TableId>,
}

impl Merging {
    pub(super) fn snapshots(&self) -> &[TableId] {
        &self.snapshots
    }

    /// Nothing of a table is shown with the rest. Returns what was to be shown.
    pub(super) fn take(&mut self, id: TableId) -> Vec<Op> {
        self.until.retain(|(table, ..)| *table != id);
        self.snapshots.retain(|table| *table != id);
        self.changes.extract_if(.., |change| change.table == id).map(|change| change.op).collect()
    }
}

impl Timeline {
    /// What is whole by now, in order: all that has its turn unless more comes.
    pub fn release(&mut self) -> Vec<Output> {
        self.check_ends();
        self.release_alone();
        loop {
            self.blocked = self.without_boundaries();
            while self.release_step() || self.release_front() {}
            self.end_merging();
            // A table that comes in, or a snapshot of it that is over, may give others their turn.
            if !self.hydrate() {
                return std::mem::take(&mut self.out);
            }
        }
    }

    /// Changes that are commits by themselves.
    pub(super) fn release_alone(&mut self) {
        if let Some((position, ms)) = self.alone_at.take() {
            let changes = std::mem::take(&mut self.alone);
            self.commit(position, ms, changes);
        }
    }

    /// Nothing has come for some seconds, and all partitions are read to their ends.
    pub fn quiet(&mut self) {
        self.quiet = true;
    }

    /// Of a transaction whose boundaries were deleted or can't be read its events tell. It takes its place in the queue.
    fn queue_orphan(&mut self) {
        if self.boundaries.low == 0 && self.boundaries.lost.is_empty() {
            return;
        }
        let Some(front) = self.queue.front() else { return };
        let older = |(id, found): &(&Arc<str>, &Transaction)| {
            !found.queued && !found.parts.is_empty() && seen::is_less(id, front)
        };
        let least = |(a, _): &(&Arc<str>, &Transaction), (b, _): &(&Arc<str>, &Transaction)| match seen::is_less(a, b) {
            true => std::cmp::Ordering::Less,
            false => std::cmp::Ordering::Greater,
        };
        let Some((id, _)) = self.pending.iter().filter(older).min_by(least) else { return };
        let id = id.clone();
        if let Some(found) = self.pending.get_mut(&id) {
            (found.queued, found.begun_ms) = (true, i64::MAX);
            found.ms = found.parts.iter().map(|part| part.last_ms).max().unwrap_or(0);
            found.orphan = self.boundaries.lost.is_empty();
        }
        self.queue.push_front(id);
    }

    /// Judges the oldest transaction and releases it if it is whole.
    fn release_front(&mut self) -> bool {
        self.queue_orphan();
        let Some(id) = self.queue.front().cloned() else { return false };
        let Some(mut transaction) = self.pending.remove(&id) else {
            self.queue.pop_front();
            return true;
        };
        let mut told = true;
        match self.judge(&id, &mut transaction) {
            Verdict::Wait(blocked) => {
                self.pending.insert(id, transaction);
                self.blocked.get_or_insert(blocked);
                return false;
            }
            Verdict::Drop => {
                told = false;
                let live = |table: TableId| self.tables.get(&table).is_some_and(|table| table.live);
                transaction.parts.retain(|part| !live(part.table));
            }
            Verdict::Release => {}
            Verdict::Merge(more) => {
                let merging = self.merging.get_or_insert_default();
                merging.until.extend(more.until);
                merging.snapshots.extend(more.snapshots);
            }
        }
        self.queue.pop_front();
        self.let_go(&id, transaction, told);
        true
    }

    /// Hands a transaction on. `told` says that what is shown then includes it.
    fn let_go(&mut self, id: &Arc<str>, mut transaction: Transaction, told: bool) {
        let again = transaction.begins > 1 || transaction.end.is_none();
        let (committed_ms, counts) =
            transaction.end.take().map_or((transaction.ms, Vec::new()), |end| (end.committed_ms, end.counts));
        if self.is_anew(id, committed_ms) || self.released.contains(id) {
            self.released.begin_anew(id);
        }
        self.released.insert_at(id, committed_ms);
        self.newest = Some(id.clone());
        let waits = |other: &Arc<str>| self.pending.contains_key(other);
        // One that is near is found soon, and only of one that has its turn to come it is looked for.
        let turn = |other: &Arc<str>| match self.pending.get(other) {
            None => 0,
            Some(transaction) if !transaction.queued => usize::MAX,
            Some(_) => self.queue.iter().position(|queued| queued == other).map_or(usize::MAX, |at| at + 1),
        };
        for (of, table) in self.tables.iter_mut().filter(|(_, table)| table.live && table.has_holes()) {
            let missing = table.missing(&transaction, *of, &counts);
            let partitions = table.partitions.values_mut().map(|partition| &mut partition.holes).collect();
            holes::release(partitions, id, missing, waits, turn);
        }
        self.tables.values_mut().filter(|table| table.live).for_each(|table| table.halves.forgive(id));
        let recent = Recent { counts, committed_ms, number: self.count, again, repaid: false };
        self.count += 1;
        for (of, table) in self.tables.iter_mut().filter(|(_, table)| !table.live) {
            let mut owed = recent.clone();
            if let Some(part) = transaction.parts.iter().find(|part| part.table == *of) {
                owed.counts.iter_mut().for_each(|(name, count)| *count = count.saturating_sub(part.count(name)));
            }
            owed.counts.retain(|(name, count)| {
                let others = match self.owners.get(name) {
                    Some(Owner::Tables(tables)) => !tables.contains(of),
                    Some(Owner::Nobody(number)) => *number > 0 && self.ends.is_behind(*number),
                    None => false,
                };
                *count > 0 && !others
            });
            // What its snapshot holds is not owed; a connector that restarted within it may have sent more than END counts.
            let held = table.last_snapshot.as_ref().is_some_and(|moment| committed_ms <= moment.ms);
            if !held && (!owed.counts.is_empty() || again) {
                table.fence.renew();
                table.owe(id.clone(), owed);
            }
        }
        let mut shown = self.take_ghosts(&mut transaction.parts, &recent.counts);
        let mut later = Vec::new();
        for part in transaction.parts {
            let table = part.table;
            let counted = |table: &Table| {
                transaction.begins > 1 || recent.counts.is_empty() || table.expected(&recent.counts).next().is_some()
            };
            // A collection that END does not count has no events in it: these are of a later transaction of the same id.
            if self.tables.get(&table).is_some_and(|table| table.live && !counted(table)) {
                later.push(part);
                continue;
            }
            match self.tables.get_mut(&table) {
                Some(table) if !table.late.is_empty() => table.be_late(id, committed_ms, part),
                Some(found) if found.live => {
                    shown.reserve_exact(part.len());
                    shown.extend(part.into_ops(&recent.counts).map(|op| Change { table, op }));
                }
                Some(_) => self.base(table, part.into_ops(&recent.counts)),
                None => {}
            }
        }
        let mut next = self.later.remove(id);
        if !later.is_empty() {
            next.get_or_insert_default().parts.extend(later);
        }
        if let Some(next) = next {
            self.pending.insert(id.clone(), next);
        }
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back((id.clone(), recent));
        if told {
            self.show(transaction_position(id), committed_ms, shown);
        }
    }

    /// Deletions of which only tombstones are left belong to the first transaction that lacks events of their table: here are those
    /// that lie before its own events; those among them stay there, and of a transaction that lacks none they wait on.
    fn take_ghosts(&mut self, parts: &mut [Part], counts: &[(Arc<str>, u64)]) -> Vec<Change> {
        let mut before = Vec::new();
        for (id, table) in self.tables.iter_mut().filter(|(_, table)| table.live && table.compacted) {
            let part = parts.iter_mut().find(|part| part.table == *id);
            let have = |name: &str| part.as_ref().map_or(0, |part| part.count(name));
            let lacks = table.expected(counts).any(|(name, count)| have(name) < count);
            match lacks {
                true => before.extend(table.ghosts.drain(..).map(|op| Change { table: *id, op })),
                false => table.ghosts.extend(part.into_iter().flat_map(Part::take_ghosts)),
            }
        }
        before
    }

    /// A commit, or a part of one that is not whole yet.
    pub(super) fn show(&mut self, position: Position, committed_ms: i64, mut changes: Vec<Change>) {
        let hidden = |change: &mut Change| self.tables.get(&change.table).is_some_and(|table| !table.shown);
        for change in changes.extract_if(.., hidden).collect::<Vec<_>>() {
            self.base(change.table, vec![change.op]);
        }
        match &mut self.merging {
            Some(merging) => {
                // What a snapshot replaces need not be done before.
                for change in changes {
                    if change.op == Op::Truncate {
                        merging.changes.retain(|older| older.table != change.table);
                    }
                    merging.changes.push(change);
                }
                merging.last = Some((position, committed_ms));
                self.end_merging();
            }
            None => self.commit(position, committed_ms, changes),
        }
    }

    /// Shows what waited for later changes once those have come.
    fn end_merging(&mut self) {
        let Some(merging) = &self.merging else { return };
        let is_behind = |(id, number, end): &(TableId, i32, i64)| {
            let Some(partition) = self.tables.get(id).and_then(|table| table.partitions.get(number)) else {
                return true;
            };
            let held = |transaction: &Transaction| {
                let spans = transaction.part_of(*id).map_or(&[][..], |part| &part.spans);
                spans.iter().any(|(found, first, _)| found == number && first < end)
            };
            partition.next >= *end && !self.pending.values().any(held)
        };
        if !merging.snapshots.is_empty() || !merging.until.iter().all(is_behind) {
            return;
        }
        if let Some(Merging { changes, last: Some((position, ms)), .. }) = self.merging.take() {
            self.commit(position, ms, changes);
        }
    }
}

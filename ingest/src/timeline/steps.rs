//! What belongs to no transaction, in its turn: snapshots, TRUNCATE, rows of incremental snapshots.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tidewater_delta::{Op, TableId};

use super::judge::{HINT, place};
use super::place::BinlogPlace;
use super::seen;
use super::snapshot::shown;
use super::table::{Incoming, Table};
use super::transaction::Transaction;
use super::{Blocked, Timeline, changes};
use crate::source::OnError;

/// Something of a table's log that belongs to no transaction.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Step {
    /// Its first offset by partition.
    pub(crate) at: Vec<(i32, i64)>,
    pub(crate) place: BinlogPlace,
    /// The transaction whose state it shows, where the record says.
    pub(crate) gtid: Option<Arc<str>>,
    pub(crate) ops: Vec<Op>,
    pub(crate) kind: StepKind,
    /// Which reading of the topics' ends it waits for.
    pub(crate) fence: Option<u64>,
}

/// What a step is.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum StepKind {
    /// Rows of an incremental snapshot: they lie where they lie.
    Rows,
    /// A TRUNCATE, a transaction of its own without boundaries.
    Truncate,
    /// A deletion of which only the tombstone is left.
    Ghost,
    /// A snapshot that replaces the table.
    Snapshot(Box<Incoming>),
}

impl Step {
    pub(crate) fn new(
        kind: StepKind,
        at: (i32, i64),
        place: BinlogPlace,
        gtid: Option<Arc<str>>,
        ops: Vec<Op>,
    ) -> Self {
        Step { at: vec![at], place, gtid, ops, kind, fence: None }
    }

    pub(crate) fn truncates(&self) -> bool {
        matches!(self.kind, StepKind::Truncate)
    }

    pub(super) fn extend(&mut self, more: Step) {
        for (partition, offset) in more.at {
            if !self.at.iter().any(|(found, _)| *found == partition) {
                self.at.push((partition, offset));
            }
        }
        self.ops.extend(more.ops);
    }

    /// Whether the transaction comes before this step of `table`; `None` if nothing tells.
    pub(crate) fn is_after(&self, transaction: &Transaction, table: TableId) -> Option<bool> {
        // What was written whole before a snapshot's first row is part of it, wherever the binlog has it.
        if let (StepKind::Snapshot(incoming), Some(end)) = (&self.kind, &transaction.end)
            && end.timestamp_ms < incoming.first_ms
        {
            return Some(true);
        }
        let replaces = matches!(self.kind, StepKind::Snapshot(_));
        let shown = transaction.place.as_ref().map(|place| place.is_before(&self.place));
        let mut behind = false;
        for (partition, first, last) in transaction.part_of(table).map_or(&[][..], |part| &part.spans) {
            let Some((_, at)) = self.at.iter().find(|(found, _)| found == partition) else { continue };
            if last < at || first < at {
                return Some(true);
            }
            behind = true;
        }
        // A connector that pauses for a snapshot goes on behind its rows with what the snapshot holds already.
        if behind && !(replaces && shown == Some(true)) {
            return Some(false);
        }
        // What has no event of ours has no place; the database's time of its commit tells then.
        let by_time = || {
            let committed = transaction.end.as_ref()?.committed_ms;
            let (id, gtid) = (transaction.id.as_deref().unwrap_or_default(), self.gtid.as_deref().unwrap_or_default());
            match &self.kind {
                StepKind::Truncate if committed == self.place.ms && seen::is_less(id, gtid) => Some(true),
                StepKind::Truncate if committed == self.place.ms && seen::is_less(gtid, id) => Some(false),
                StepKind::Truncate if committed == self.place.ms => {
                    seen::place(id).filter(|(file, _)| **file == *self.place.file).map(|(_, pos)| pos < self.place.pos)
                }
                StepKind::Truncate | StepKind::Rows if committed != self.place.ms => Some(committed < self.place.ms),
                StepKind::Snapshot(_) if committed >= self.place.ms + 1_000 => Some(false),
                StepKind::Snapshot(_) if committed < self.place.ms => Some(true),
                _ => None,
            }
        };
        // Places in binlogs of two servers do not compare, and their files may be named alike. Times do, but a whole second may be any time in it.
        let tells =
            |committed| self.place.is_commit() || committed < self.place.ms || committed >= self.place.ms + 1_000;
        let of_two = |(id, gtid): (&Arc<str>, &Arc<str>)| !seen::are_of_one_server(id, gtid);
        let apart = transaction.place.as_ref().is_some_and(|place| place.file != self.place.file)
            || transaction.id.as_ref().zip(self.gtid.as_ref()).is_some_and(of_two);
        match apart && !replaces && transaction.end.as_ref().is_some_and(|end| tells(end.committed_ms)) {
            true => by_time().or(shown),
            false => shown.or_else(by_time),
        }
    }
}

impl Timeline {
    /// Releases a step whose turn it is.
    pub(super) fn release_step(&mut self) -> bool {
        let with_steps = self.tables.iter().filter(|(_, table)| !table.steps.is_empty());
        for id in with_steps.map(|(id, _)| *id).collect::<Vec<_>>() {
            let Some(step) = self.tables.get(&id).and_then(|table| table.steps.front()) else { continue };
            match &step.kind {
                StepKind::Snapshot(_) => {
                    let moment = step.place.clone();
                    if self.release_snapshot(&moment) {
                        return true;
                    }
                }
                _ => {
                    let due = self.is_due(id, step);
                    if due && self.show_step(id) {
                        return true;
                    }
                }
            }
        }
        false
    }

    /// Shows the first step of a table, whose turn it is.
    fn show_step(&mut self, id: TableId) -> bool {
        let Some(step) = self.tables.get_mut(&id).and_then(|table| table.steps.front_mut()) else { return false };
        // What the database did before a TRUNCATE may lie unread in other topics: another TRUNCATE, which has no boundaries.
        let truncates = self.whole && step.truncates();
        if truncates && !self.ends.behind(&mut step.fence) {
            self.ask_for_truncates();
            return false;
        }
        let Some(step) = self.tables.get_mut(&id).and_then(|table| table.steps.pop_front()) else { return false };
        if truncates && let Some(gtid) = step.gtid {
            self.newest = Some(gtid);
        }
        self.show(step.place.position(), step.place.ms, changes(id, step.ops).collect());
        true
    }

    /// All TRUNCATEs that wait ask for one reading of the ends: many that follow each other do not take as many readings.
    fn ask_for_truncates(&mut self) {
        for step in self.tables.values_mut().flat_map(|table| &mut table.steps).filter(|step| step.truncates()) {
            self.ends.behind(&mut step.fence);
        }
    }

    /// Whether it is the turn of a step of `table`: all that is before it is released.
    fn is_due(&self, id: TableId, step: &Step) -> bool {
        if !self.whole {
            return true;
        }
        if self.tables.get(&id).is_some_and(|table| !table.late.is_empty()) {
            return false;
        }
        let rows = matches!(step.kind, StepKind::Rows);
        // It shows the state of that transaction, which is behind all that it is to follow.
        if let (true, Some(gtid)) = (rows, &step.gtid) {
            if self.released.contains(gtid) {
                return true;
            }
            if self.pending.get(gtid).is_some_and(|found| found.queued) {
                return false;
            }
        }
        let before = |transaction: &Transaction| {
            (!rows || transaction.part_of(id).is_some()) && step.is_after(transaction, id) == Some(true)
        };
        if self.pending.values().any(before) {
            return false;
        }
        let front = self.queue.front().and_then(|front| self.pending.get(front));
        // Steps of other tables that the database made before it come first.
        let earlier = |(other, table): (&TableId, &Table)| {
            *other != id
                && table
                    .steps
                    .front()
                    .is_some_and(|other| other.place != step.place && other.place.is_before(&step.place))
        };
        if !rows && self.tables.iter().any(earlier) {
            return false;
        }
        rows || match front {
            Some(front) => step.is_after(front, id) == Some(false),
            // What the database did before it would have come by now.
            None => self.quiet,
        }
    }

    /// Puts a snapshot in the place of its tables, all at once.
    fn release_snapshot(&mut self, moment: &BinlogPlace) -> bool {
        let of = |step: &Step| matches!(step.kind, StepKind::Snapshot(_)) && step.place == *moment;
        let group: Vec<_> =
            self.tables.iter().filter(|(_, table)| table.steps.iter().any(of)).map(|(id, _)| *id).collect();
        let first = |id: &TableId| self.tables[id].steps.front().is_some_and(of);
        if !group.iter().all(first) || !group.iter().all(|id| self.has_ended(*id, moment)) {
            return false;
        }
        let mut fence = None;
        for id in &group {
            if let Some(incoming) = self.tables.get_mut(id).and_then(Table::incoming_mut) {
                fence = fence.max(incoming.fence);
            }
        }
        let behind = self.ends.behind(&mut fence);
        for id in &group {
            let Some(table) = self.tables.get_mut(id) else { continue };
            let stalls = table.on_error == OnError::Stall;
            let Some(incoming) = table.incoming_mut() else { continue };
            incoming.fence = fence;
            if let Some(lost) = incoming.lost.first().filter(|_| stalls).cloned() {
                let text = format!("of the snapshot of {} a row is lost: {}", shown(moment), place(table, &lost));
                self.blocked = Some(Blocked { definite: true, reason: text, hint: HINT.into() });
                return false;
            }
        }
        let due = |id: &TableId| self.tables[id].steps.front().is_some_and(|step| self.is_due(*id, step));
        if !behind || !group.iter().all(due) {
            return false;
        }
        // Tables that have gone past it to a newer snapshot are shown with that one, and so is this.
        let newer = |table: &Table| {
            table.live && table.skipped && table.incoming().is_some_and(|incoming| moment.is_older(&incoming.moment))
        };
        let past: Vec<_> = self.tables.iter().filter(|(_, table)| newer(table)).map(|(id, _)| *id).collect();
        if !past.is_empty() {
            self.merging.get_or_insert_default().snapshots.extend(past);
        }
        let mut replaced = Vec::new();
        for id in &group {
            let Some(table) = self.tables.get_mut(id) else { continue };
            let Some(Step { ops, kind: StepKind::Snapshot(incoming), .. }) = table.steps.pop_front() else { continue };
            table.end_snapshot(*incoming);
            replaced.extend(changes(*id, ops));
            if let Some(merging) = &mut self.merging {
                merging.snapshots.retain(|table| table != id);
            }
        }
        self.show(moment.position(), moment.ms, replaced);
        for id in group {
            if self.tables.get(&id).is_some_and(|table| table.incomplete.is_some()) {
                self.hide(id);
            }
        }
        true
    }

    /// Whether all rows of the snapshot `moment` were written, of all tables: what the tables then show is of one moment.
    pub(super) fn has_ended(&self, id: TableId, moment: &BinlogPlace) -> bool {
        let own = self.tables[&id].incoming().is_some_and(|incoming| incoming.markers.last);
        if !self.whole {
            return own || self.tables[&id].steps.len() > 1;
        }
        let ended = self.ended_snapshot.as_ref().is_some_and(|ended| !ended.is_older(moment));
        let behind = |found: &Transaction| found.place.as_ref().is_some_and(|place| place.is_behind(moment));
        // A connector does not stream while it takes a snapshot.
        let streamed = self.tables[&id].incoming().is_some_and(|incoming| self.boundaries.newest_ms > incoming.last_ms);
        let over = |table: &Table| {
            let last = |incoming: &Incoming| {
                let one = incoming.markers.last && (self.quiet || table.is_of_one());
                incoming.moment == *moment && (one || self.quiet && incoming.is_unmarked())
            };
            table.incoming().is_some_and(last) || table.last_snapshot.as_ref() == Some(moment)
        };
        ended || streamed || self.pending.values().any(behind) || self.tables.values().all(over)
    }

    /// Whether a snapshot that is about to come in holds all that the transaction did to `table`.
    pub(super) fn is_replaced(&self, id: TableId, transaction: &Transaction) -> bool {
        let Some(table) = self.tables.get(&id) else { return true };
        self.snapshot_of(id, transaction).is_some_and(|moment| self.has_ended(id, moment))
            || transaction.end.is_none() && transaction.begun_ms < table.snapshot_ms
    }

    /// The moment of a snapshot that waits for its turn or is coming in and holds all that the transaction did to `table`.
    pub(super) fn snapshot_of(&self, id: TableId, transaction: &Transaction) -> Option<&BinlogPlace> {
        let holds = |step: &&Step| match &step.kind {
            StepKind::Snapshot(incoming) => {
                let ended = transaction.end.as_ref().is_some_and(|end| end.timestamp_ms < incoming.last_ms);
                let begun = transaction.begun_ms < incoming.last_ms;
                step.is_after(transaction, id).unwrap_or(ended || transaction.end.is_none() && begun)
            }
            _ => false,
        };
        self.tables.get(&id)?.steps.iter().find(holds).map(|step| &step.place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timeline::transaction::End;

    #[test]
    fn what_another_server_did_earlier_comes_before_a_truncate_whatever_its_binlog_is_called() {
        let place = |file: &str, ms| BinlogPlace { file: file.into(), pos: 300, ms };
        let truncate = Step::new(StepKind::Truncate, (0, 0), place("binlog.000002", 5_000), None, vec![Op::Truncate]);
        let transaction = |file, ms| {
            let end = End { offset: 0, timestamp_ms: ms, committed_ms: ms, counts: Vec::new() };
            Transaction { place: Some(place(file, ms)), end: Some(end), ..Transaction::default() }
        };
        let after = |file, ms| truncate.is_after(&transaction(file, ms), TableId(1));
        assert_eq!(after("replica-bin.000001", 4_000), Some(true));
        assert_eq!(after("binlog.000001", 6_000), Some(false));
        assert_eq!(
            after("binlog.000001", 5_700),
            Some(true),
            "of one server, within the second that the TRUNCATE says"
        );
        assert_eq!(after("binlog.000003", 5_700), Some(false));
    }
}

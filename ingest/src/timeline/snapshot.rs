//! Snapshots: which rows belong together, and when all of them have come.
//!
//! All rows of one snapshot carry the moment that it shows: binlog file, position and the time at which it began. That tells
//! a second snapshot from the first, an interrupted one from its repetition, and rows of one snapshot in several partitions
//! from those of another. Markers (`first`, `last`, …) tell only that it is over; older versions lack most of them.

use std::sync::Arc;

use tidewater_delta::{Op, TableId};

use super::Timeline;
use super::place::BinlogPlace;
use super::spec::Place;
use super::steps::{Step, StepKind};
use super::table::{Incoming, Lost, Table};
use crate::event::{Ops, Origin, Snapshot};
use crate::source::OnError;

impl Timeline {
    /// Takes a row of a snapshot of `table`.
    pub(super) fn snapshot_row(&mut self, id: TableId, place: Place, origin: &Origin, ops: Ops) {
        let moment = BinlogPlace::of(origin);
        let Some(table) = self.tables.get_mut(&id) else { return };
        // The first row of its table is that of the topic, if that holds no other.
        let first = origin.snapshot == Snapshot::First && table.is_of_one();
        if let Some(partition) = table.partitions.get_mut(&place.partition) {
            match &partition.cut {
                Some(None) if first => partition.cut = None,
                _ => partition.came(&moment, place.timestamp_ms),
            }
        }
        if origin.snapshot == Snapshot::LastOfAll
            && self.ended_snapshot.as_ref().is_none_or(|ended| ended.is_older(&moment))
        {
            self.ended_snapshot = Some(moment.clone());
        }
        let Some(table) = self.tables.get_mut(&id) else { return };
        match &table.last_snapshot {
            // It was taken for complete too early: a first table of one row has no marker of its end.
            Some(done) if *done == moment && !table.live => return self.base(id, ops),
            Some(done) if *done == moment => return self.step(id, place, origin, ops, StepKind::Rows),
            Some(done) if moment.is_older(done) => return,
            _ => {}
        }
        match table.incoming() {
            Some(incoming) if incoming.moment == moment => {}
            // A row of a snapshot that was given up, in a partition that is read later.
            Some(incoming) if moment.is_older(&incoming.moment) => {
                if let Some(incoming) = table.incoming_mut() {
                    incoming.replaces = true;
                }
                return;
            }
            _ => self.begin_snapshot(id, place, origin),
        }
        let Some(table) = self.tables.get_mut(&id) else { return };
        if let Some(incoming) = table.incoming_mut() {
            incoming.rows += 1;
            incoming.first_ms = match incoming.rows {
                1 => place.timestamp_ms,
                _ => incoming.first_ms.min(place.timestamp_ms),
            };
            incoming.last_ms = incoming.last_ms.max(place.timestamp_ms);
            incoming.markers.add(origin.snapshot);
            if !incoming.collections.contains(&origin.collection) {
                incoming.collections.push(origin.collection.clone());
            }
        }
        if !table.live {
            return self.base(id, ops);
        }
        let of = |step: &&mut Step| matches!(step.kind, StepKind::Snapshot(_));
        if let Some(step) = table.steps.iter_mut().find(of) {
            if !step.at.iter().any(|(partition, _)| *partition == place.partition) {
                step.at.push((place.partition, place.offset));
            }
            step.ops.extend(ops);
        }
    }

    fn begin_snapshot(&mut self, id: TableId, place: Place, origin: &Origin) {
        // Other tables may have rows of it by now, and where they end was asked before.
        let others = self.tables.iter_mut().filter(|(of, other)| **of != id && !other.live);
        others.for_each(|(_, other)| other.fence.renew());
        let Some(table) = self.tables.get_mut(&id) else { return };
        table.refilled = false;
        table.halves.begin_snapshot(place.partition);
        let mut incoming = Incoming::new(origin);
        let untouched = table.last_snapshot.is_none() && table.partitions.values().all(|p| p.newest().is_none());
        match untouched {
            // What could not be decoded before its first row was one of its rows.
            true => incoming.lost = table.losses.extract_if(.., |lost| lost.transaction.is_none()).collect(),
            false => incoming.lost = table.losses.extract_if(.., |lost| lost.of_snapshot).collect(),
        }
        // What the one that is given up lacked may have been anything: this one makes good what was written before it.
        let given_up = table.incoming_mut().map(|given_up| std::mem::take(&mut given_up.lost)).unwrap_or_default();
        table.losses.extend(given_up.into_iter().map(|lost| Lost { of_snapshot: false, ..lost }));
        // Right before its first row lay its rows, and in other partitions whatever was written since it began: by the same clock.
        let decoded = table.partitions.get(&place.partition).map_or(-1, |partition| partition.decoded.0);
        let own = |lost: &mut Lost| match lost.partition == place.partition {
            true => lost.offset > decoded && lost.transaction.is_none(),
            false => lost.created_ms >= incoming.moment.ms && lost.transaction.is_none(),
        };
        let own: Vec<_> = table.losses.extract_if(.., own).collect();
        incoming.lost.extend(own);
        for partition in table.partitions.values_mut() {
            (partition.after_snapshot, partition.renewed) = (true, false);
        }
        incoming.cut = table.given_up.as_ref().is_some_and(|given_up| !given_up.is_older(&incoming.moment));
        let waits = |partition: &super::partition::Partition| !partition.log.is_empty();
        incoming.replaces = table.based || table.live || table.partitions.values().any(waits);
        let moment = incoming.moment.clone();
        if table.live {
            let before = table.steps.len();
            table.steps.retain(|step| !matches!(step.kind, StepKind::Snapshot(_)));
            table.skipped = table.steps.len() < before || table.skipped;
            let at = (place.partition, place.offset);
            let kind = StepKind::Snapshot(Box::new(incoming));
            table.add_step(Step::new(kind, at, moment, None, vec![Op::Truncate]), true);
            return;
        }
        table.snapshot = Some(incoming);
        let older = table.partitions.get_mut(&place.partition).map(|partition| std::mem::take(&mut partition.log));
        let based = std::mem::replace(&mut table.based, true);
        self.only_count(id, older.unwrap_or_default());
        if based {
            self.base(id, vec![Op::Truncate]);
        }
    }

    /// Whether all rows of the snapshot of a table that is not shown were written.
    fn is_over(&self, id: TableId, incoming: &Incoming) -> bool {
        let ended = self.ended_snapshot.as_ref().is_some_and(|ended| !ended.is_older(&incoming.moment));
        let stalls = self.tables.get(&id).is_some_and(|table| table.on_error == OnError::Stall);
        // A row that was lost may have been the last; a first table of one row has no last, and old versions mark none.
        if self.quiet && (incoming.is_unmarked() || !incoming.lost.is_empty() && !stalls) {
            return true;
        }
        let last = incoming.markers.last && (self.quiet || self.tables.get(&id).is_none_or(Table::is_of_one));
        if last || ended || incoming.streamed || self.boundaries.newest_ms > incoming.last_ms {
            return true;
        }
        // Tables come one after the other. A first table of one row is marked as the first alone, and versions that mark no
        // first row mark only the last of all: there another table's rows show that this one's are over.
        let alone = incoming.is_unmarked();
        let others = self.tables.iter().filter(|(other, _)| **other != id);
        alone
            && others.into_iter().any(|(_, other)| {
                let coming = other
                    .incoming()
                    .is_some_and(|other| other.moment == incoming.moment && other.last_ms >= incoming.last_ms);
                coming || other.last_snapshot.as_ref() == Some(&incoming.moment)
            })
    }

    /// Ends the snapshot of a table that is not shown once all its rows have come.
    pub(super) fn settle_snapshot(&mut self, id: TableId) {
        let read = self.tables.get_mut(&id).filter(|table| table.is_read());
        let Some(mut incoming) = read.and_then(|table| table.snapshot.take()) else { return };
        let over = self.is_over(id, &incoming);
        let Some(table) = self.tables.get_mut(&id) else { return };
        // Other topics may be read further than this one, and rows of it may lie in a partition that is not known yet.
        if over && !std::mem::replace(&mut incoming.fenced, true) {
            table.fence.renew();
        }
        let over = over && table.fence.is_behind();
        if !over || !incoming.lost.is_empty() && table.on_error == OnError::Stall {
            table.snapshot = Some(incoming);
            return;
        }
        table.end_snapshot(incoming);
    }
}

impl Table {
    /// The table is what the snapshot shows, whatever was missing before.
    pub(super) fn end_snapshot(&mut self, incoming: Incoming) {
        self.lost += incoming.lost.len() as u64;
        self.losses.retain(|lost| lost.created_ms >= incoming.first_ms);
        let may_lack =
            self.partitions.values().any(|partition| partition.may_lack(&incoming.moment, incoming.first_ms));
        let doubtful = self.doubtful_ms.is_some_and(|ms| incoming.moment.ms < ms);
        if !incoming.cut && !may_lack && !self.refused && !doubtful {
            (self.incomplete, self.doubtful_ms) = (None, None);
            self.partitions.values_mut().for_each(|partition| partition.cut = None);
        }
        let lacks = |name: &&Arc<str>| !incoming.collections.contains(name);
        if let Some(name) =
            self.collections.iter().find(lacks).filter(|_| incoming.replaces && self.collections.len() > 1)
        {
            let topic = &self.topic;
            let why = format!(
                "topic \"{topic}\" holds several tables, and a snapshot has no rows of {name}: take one of all of them"
            );
            self.incomplete.get_or_insert(why);
        }
        self.snapshot_of = incoming.collections;
        self.snapshot_first_ms = incoming.first_ms;
        self.snapshot_ms = incoming.last_ms;
        self.skipped = false;
        let moment = incoming.moment;
        self.halves.end_snapshot(&moment);
        self.owed.retain(|_, owed| owed.committed_ms > moment.ms);
        self.last_snapshot = Some(moment);
    }
}

/// The names of a snapshot's tables for messages.
pub(super) fn shown(moment: &BinlogPlace) -> String {
    let file: &Arc<str> = &moment.file;
    format!("{file}:{}", moment.pos)
}

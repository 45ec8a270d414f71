//! Whether the oldest transaction is whole, and what excuses what it lacks.

use std::sync::Arc;

use tidewater_delta::TableId;

use super::partition::Partition;
use super::release::Merging;
use super::seen::{self, Before};
use super::steps::{Step, StepKind};
use super::table::{Lost, Naming, Table};
use super::transaction::Transaction;
use super::{Blocked, Owner, Timeline};
use crate::source::OnError;

/// What is to become of the oldest transaction.
pub(super) enum Verdict {
    Release,
    /// It is released, and shown together with what makes it whole.
    Merge(Merging),
    /// The database took it back, or a snapshot holds what it did.
    Drop,
    Wait(Blocked),
}

pub(super) fn waits(reason: String) -> Verdict {
    Verdict::Wait(Blocked { definite: false, reason, hint: String::new() })
}

pub(super) fn stalls(reason: String) -> Verdict {
    Verdict::Wait(Blocked { definite: true, reason, hint: HINT.to_owned() })
}

/// What to do about a lost record.
pub(super) const HINT: &str = "take a new snapshot of the table with Debezium's signal execute-snapshot, type blocking; or \
                    ALTER SOURCE … SET (ON ERROR = 'dead letter') to go on without the record";

impl Timeline {
    pub(super) fn judge(&mut self, id: &Arc<str>, transaction: &mut Transaction) -> Verdict {
        if let Some(gone) = self.without_boundaries() {
            return Verdict::Wait(gone);
        }
        if transaction.end.is_none() {
            return self.unended(id, transaction);
        }
        let Some(end) = &transaction.end else { return Verdict::Drop };
        if transaction.mixed || self.is_anew(id, end.committed_ms) && !self.is_renewed(id) {
            return stalls(format!(
                "transaction {id} came again with a later time: the server's transaction ids began anew, and changes between may be missing"
            ));
        }
        let live: Vec<_> = self.tables.iter().filter(|(_, table)| table.live).map(|(id, _)| *id).collect();
        if live.is_empty() {
            return Verdict::Release;
        }
        // A table of which all records so far were lost may own any of them, and nobody could know.
        let nameless = |table: &Table| table.live && table.naming == Naming::Guessed && table.lost > 0;
        let nameless = self.tables.values().any(nameless);
        for (name, _) in end.counts.iter() {
            let owner = self.owners.entry(name.clone()).or_insert(Owner::Nobody(0));
            if let Owner::Nobody(number) = owner {
                let mut slot = Some(*number).filter(|number| *number > 0);
                let behind = self.ends.behind(&mut slot) && (!nameless || self.ends.behind(&mut transaction.fence));
                *number = slot.unwrap_or(0);
                if !behind {
                    return waits(format!(
                        "transaction {id} counts events of \"{name}\", whose topic is not known yet"
                    ));
                }
            }
        }
        // What lies between may be a TRUNCATE, which has no boundaries. It may lie in any partition, and places in the binlog do not tell
        // whether something does.
        let apart = id.starts_with("file=") && live.iter().any(|of| self.tables[of].is_split());
        let gap = apart || self.newest.as_ref().is_none_or(|newest| seen::is_gap(newest, id));
        if gap && transaction.fence.is_none() {
            // All that have ended ask for one reading: many that follow each other do not take as many readings.
            for other in self.pending.values_mut().filter(|other| other.end.is_some()) {
                self.ends.behind(&mut other.fence);
            }
        }
        if gap && !self.ends.behind(&mut transaction.fence) {
            return waits(format!("transaction {id} is not the next of its server: what lies between may still come"));
        }
        // A connector that restarted within it may have sent more than END counts.
        if transaction.begins > 1 && !self.ends.behind(&mut transaction.fence) {
            return waits(format!("transaction {id} was begun {} times", transaction.begins));
        }
        let mut merge: Option<Merging> = None;
        for table in live {
            match self.judge_table(id, transaction, table) {
                Verdict::Release | Verdict::Drop => {}
                Verdict::Merge(more) => {
                    let merge = merge.get_or_insert_default();
                    merge.until.extend(more.until);
                    merge.snapshots.extend(more.snapshots);
                }
                wait => return wait,
            }
        }
        merge.map_or(Verdict::Release, Verdict::Merge)
    }

    /// That nothing tells any more what belongs together.
    pub(super) fn without_boundaries(&self) -> Option<Blocked> {
        let gone = self.boundaries.gone.as_ref()?;
        let reason = format!("the transaction topic \"{}\" cannot be followed: {gone}", self.name);
        let hint = "DROP SOURCE and CREATE SOURCE again, for all sources of this connector, which reads their topics from the \
                    beginning; take a new snapshot with the connector if they then lack rows";
        Some(Blocked { definite: true, reason, hint: hint.into() })
    }

    /// Whether the transaction has all its events of `table`, and what excuses those that it lacks.
    fn judge_table(&mut self, id: &Arc<str>, transaction: &mut Transaction, of: TableId) -> Verdict {
        let (Some(end), Some(table)) = (&transaction.end, self.tables.get(&of)) else { return Verdict::Release };
        if table.steps.iter().any(|step| step.is_after(transaction, of) == Some(false)) {
            let topic = &table.topic;
            return waits(format!(
                "transaction {id} comes behind a snapshot or TRUNCATE in topic \"{topic}\" that is not complete"
            ));
        }
        // The snapshot that held what was between was given up for this one, which holds the transaction.
        let written_ms = end.timestamp_ms;
        let before = |step: &Step| match &step.kind {
            StepKind::Snapshot(incoming) => step.is_after(transaction, of).unwrap_or(written_ms < incoming.last_ms),
            _ => false,
        };
        if table.skipped && table.steps.iter().any(before) {
            return Verdict::Merge(Merging { snapshots: vec![of], ..Merging::default() });
        }
        let missing = table.missing(transaction, of, &end.counts);
        // A collection that END does not count has no events in it: those are of a later transaction of the same id.
        let stalls_at_loss = table.on_error == OnError::Stall;
        // A record of it that cannot be decoded may be the first that would have named it, or another table in its topic.
        let nobodys = |(name, _): &(Arc<str>, u64)| matches!(self.owners.get(name), Some(Owner::Nobody(_)));
        let unknown = end.counts.iter().any(nobodys);
        let own = |lost: &Lost| match lost.transaction {
            None => unknown && table.naming == Naming::Guessed && self.may_miss(lost, id),
            Some(_) => (unknown || table.naming == Naming::Guessed) && lost.transaction.as_ref() == Some(id),
        };
        if missing == 0
            && table.naming != Naming::Declared
            && let Some(lost) = table.losses.iter().find(|lost| own(lost))
        {
            return if stalls_at_loss { stalls(place(table, lost)) } else { self.give_up(id, of, 1) };
        }
        if missing == 0 {
            let part = transaction.part_of(of);
            let behind = |lost: &&Lost| {
                part.is_some_and(|part| {
                    part.spans.iter().any(|(p, _, last)| *p == lost.partition && *last > lost.offset)
                })
            };
            return match table.losses.iter().find(behind).filter(|_| stalls_at_loss) {
                Some(lost) => stalls(place(table, lost)),
                None => Verdict::Release,
            };
        }
        let replaced = self.is_replaced(of, transaction);
        if replaced && self.ends.behind(&mut transaction.fence) {
            return Verdict::Merge(Merging { snapshots: vec![of], ..Merging::default() });
        }
        let table = &self.tables[&of];
        let own = table.losses.iter().filter(|lost| lost.transaction.as_ref() == Some(id)).count() as u64;
        let unknown = table.losses.iter().any(|lost| self.may_miss(lost, id));
        let open = table.halves.open(id);
        let text = if open > 0 {
            table.lacks_insertions(id, open)
        } else {
            let (topic, expected) = (&table.topic, table.expected(&end.counts).map(|(_, count)| count).sum::<u64>());
            format!("transaction {id} has {} of its {expected} events of topic \"{topic}\"", expected - missing)
        };
        let taken = !replaced && table.is_taken(id, missing, open > 0, |other| self.pending.contains_key(other));
        if own < missing && !taken && !self.ends.behind(&mut transaction.fence) {
            return waits(text);
        }
        let table = &self.tables[&of];
        if let Some(lost) = table.losses.iter().find(|lost| self.may_miss(lost, id)) {
            if own < missing && !unknown {
                return waits(text);
            }
            if stalls_at_loss {
                return stalls(format!("{text}; {}", place(table, lost)));
            }
            return self.give_up(id, of, missing);
        }
        if taken && let Some(table) = self.tables.get_mut(&of) {
            let (pending, ends) = (&self.pending, &mut self.ends);
            // All are asked at once.
            let is_read = |all, partition: &mut Partition| {
                partition.holes.are_replaced(id, |other| pending.contains_key(other), ends) && all
            };
            if !table.partitions.values_mut().fold(true, is_read) {
                return waits(text);
            }
            let until = table.partitions.iter().map(|(number, partition)| (of, *number, partition.next)).collect();
            return Verdict::Merge(Merging { until, ..Merging::default() });
        }
        let table = &self.tables[&of];
        match (self.quiet || table.halves.is_lost(id), stalls_at_loss) {
            (false, _) => waits(text),
            (true, true) if open > 0 => stalls(text),
            (true, true) => stalls(format!("{text}, and the topic is read to its end")),
            (true, false) => self.give_up(id, of, missing),
        }
    }

    /// Whether the lost record may have been an event of the transaction `id`, the oldest.
    fn may_miss(&self, lost: &Lost, id: &Arc<str>) -> bool {
        match &lost.transaction {
            Some(of) => of == id,
            None => lost.after.as_ref().is_none_or(|after| after == id || self.released.contains(after)),
        }
    }

    /// Goes on without `missing` records.
    fn give_up(&mut self, id: &Arc<str>, of: TableId, missing: u64) -> Verdict {
        let mut left = missing;
        let mut losses = self.tables.get_mut(&of).map(|table| std::mem::take(&mut table.losses)).unwrap_or_default();
        losses.retain(|lost| {
            let one = left > 0 && self.may_miss(lost, id);
            left -= u64::from(one);
            !one
        });
        if let Some(table) = self.tables.get_mut(&of) {
            table.losses = losses;
            table.lost += missing;
        }
        Verdict::Release
    }

    /// The oldest transaction has begun and not ended.
    fn unended(&mut self, id: &Arc<str>, transaction: &mut Transaction) -> Verdict {
        let live = |table: &TableId| self.tables.get(table).is_some_and(|table| table.live);
        let with: Vec<_> = transaction.parts.iter().map(|part| part.table).collect();
        let text = format!("transaction {id} has begun and its END has not come");
        let replaced = with.iter().filter(|id| live(id)).all(|id| self.is_replaced(*id, transaction));
        // A connector that was made anew never comes back to what the old one left; its snapshot holds it.
        let renewed = || {
            self.tables
                .iter()
                .all(|(of, table)| table.holds_nothing_of(id) || table.refused || self.is_replaced(*of, transaction))
        };
        if self.queue.len() == 1 && !(self.quiet && replaced && (with.iter().any(live) || renewed())) {
            return waits(text);
        }
        if !self.ends.behind(&mut transaction.fence) {
            return waits(text);
        }
        let coming = |id: &TableId| live(id) && self.snapshot_of(*id, transaction).is_some();
        if !replaced && !self.quiet && with.iter().any(coming) {
            return waits(text);
        }
        if let Some(stalled) = self.give_up_lost(id, transaction) {
            return stalled;
        }
        if transaction.orphan {
            let open = |table: &Table| table.live && table.halves.open(id) > 0;
            let lacks = self.tables.iter().find(|(_, table)| open(table)).map(|(of, _)| *of);
            return lacks.map_or(Verdict::Release, |of| self.without_insertions(id, of));
        }
        let with: Vec<_> = transaction.parts.iter().map(|part| part.table).collect();
        let stalled = with.iter().filter_map(|id| self.tables.get(id)).find(|table| table.on_error == OnError::Stall);
        let why = self.boundaries.lost.first().map_or_else(
            || "another transaction has begun since, or the connector was made anew".to_owned(),
            |(offset, reason)| format!("offset {offset} of the transaction topic could not be decoded: {reason}"),
        );
        if let (Some(_), false) = (stalled.filter(|table| table.live), replaced) {
            return stalls(format!("transaction {id} has begun and never ended: {why}"));
        }
        let transaction_ms = transaction.begun_ms;
        for part in &transaction.parts {
            let Some(table) = self.tables.get_mut(&part.table) else { continue };
            // What a snapshot holds already is not lost.
            if replaced && table.live || part.is_empty() {
                continue;
            }
            match (table.live, table.on_error) {
                // What came of it is part of the log that a snapshot has to make whole.
                (false, OnError::Stall) => {
                    let (transaction, reason) = (Some(id.clone()), format!("transaction {id} never ended: {why}"));
                    let (after, of_snapshot, created_ms) = (None, false, transaction_ms);
                    table.losses.push(Lost {
                        partition: 0,
                        offset: 0,
                        transaction,
                        after,
                        of_snapshot,
                        created_ms,
                        reason,
                    });
                }
                _ => table.lost += 1,
            }
        }
        if !replaced {
            return Verdict::Release;
        }
        // What follows is shown no sooner than the snapshot that holds this one.
        let coming = |id: &TableId| self.tables.get(id).is_some_and(|table| table.live && table.incoming().is_some());
        let snapshots: Vec<_> = with.into_iter().filter(coming).collect();
        match snapshots.is_empty() {
            true => Verdict::Drop,
            false => Verdict::Merge(Merging { snapshots, ..Merging::default() }),
        }
    }

    /// Of a transaction without an END: nothing counts its events, so what may be one of them and is lost counts as lost with it.
    fn give_up_lost(&mut self, id: &Arc<str>, transaction: &Transaction) -> Option<Verdict> {
        let live = self.tables.iter().filter(|(_, table)| table.live && !table.losses.is_empty());
        for of in live.map(|(id, _)| *id).collect::<Vec<_>>() {
            let table = &self.tables[&of];
            let mut lost = table.losses.iter().filter(|lost| self.may_miss(lost, id)).peekable();
            let Some(first) = lost.peek() else { continue };
            if table.on_error != OnError::Stall {
                let missing = lost.filter(|lost| lost.transaction.is_some()).count() as u64;
                self.give_up(id, of, missing);
            } else if !self.is_replaced(of, transaction) {
                return Some(stalls(place(table, first)));
            }
        }
        None
    }

    /// Whether every table was snapshotted since the server's numbers began anew.
    fn is_renewed(&self, id: &str) -> bool {
        let Some(newest) = self.released.newest_ms(id) else { return true };
        self.tables.values().any(|table| {
            let step =
                table.steps.iter().find(|step| matches!(step.kind, StepKind::Snapshot(_))).map(|step| &step.place);
            let moment =
                step.or(table.last_snapshot.as_ref()).or(table.snapshot.as_ref().map(|incoming| &incoming.moment));
            // A snapshot's time has whole seconds.
            moment.is_some_and(|moment| moment.ms + 1_000 > newest)
        }) || self.tables.is_empty()
    }

    /// Whether the server's numbers have gone back although time has not: they began anew.
    pub(super) fn is_anew(&self, id: &str, committed_ms: i64) -> bool {
        let back = self.newest.as_ref().is_some_and(|newest| seen::is_less(id, newest));
        let later = self.released.newest_ms(id).is_some_and(|newest| committed_ms > newest);
        back && later || self.released.before(id, committed_ms) == Before::Reused
    }
}

/// Where a lost record lies and why it is lost.
pub(super) fn place(table: &Table, lost: &Lost) -> String {
    let Lost { partition, offset, reason, .. } = lost;
    format!("topic \"{}\", partition {partition}, offset {offset} could not be decoded: {reason}", table.topic)
}

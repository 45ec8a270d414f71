//! What is whole, in order: the oldest transaction is judged again and again, and steps take their turn before it.

use std::sync::Arc;

use delta::{Change, Op, Position, TableId};

use super::seen::{self, Before};
use super::snapshot::shown;
use super::spec::Output;
use super::table::{Lost, Step, StepKind, Table};
use super::transaction::Transaction;
use super::{Blocked, Owner, RECENT, Recent, Timeline, changes, transaction_position};
use crate::source::OnError;

/// What is to become of the oldest transaction.
enum Verdict {
    Release,
    /// It is released, and shown together with what makes it whole.
    Merge(Merging),
    /// The database took it back, or a snapshot holds what it did.
    Drop,
    Wait(Blocked),
}

/// Changes that are shown only together with later ones.
#[derive(Debug, Default)]
pub(super) struct Merging {
    changes: Vec<Change>,
    last: Option<(Position, i64)>,
    /// Up to where tables must have been read and released: Kafka's compaction took states between.
    until: Vec<(TableId, i32, i64)>,
    /// Tables whose snapshot must have come in.
    snapshots: Vec<TableId>,
}

impl Merging {
    pub(super) fn forget(&mut self, id: TableId) {
        self.until.retain(|(table, ..)| *table != id);
        self.snapshots.retain(|table| *table != id);
        self.changes.retain(|change| change.table != id);
    }
}

fn waits(reason: String) -> Verdict {
    Verdict::Wait(Blocked { definite: false, reason, hint: String::new() })
}

fn stalls(reason: String) -> Verdict {
    Verdict::Wait(Blocked { definite: true, reason, hint: HINT.to_owned() })
}

/// What to do about a lost record.
const HINT: &str = "take a new snapshot of the table with Debezium's signal execute-snapshot, type blocking; or \
                    ALTER SOURCE … SET (ON ERROR = 'dead letter') to go on without the record";

impl Timeline {
    /// What is whole by now, in order.
    pub fn release(&mut self) -> Vec<Output> {
        self.check_ends();
        self.blocked = None;
        self.release_alone();
        while self.release_step() || self.release_front() {}
        self.end_merging();
        self.hydrate();
        std::mem::take(&mut self.out)
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

    /// Releases a step whose turn it is.
    fn release_step(&mut self) -> bool {
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
                _ if self.is_due(id, step) => {
                    if self.show_step(id) {
                        return true;
                    }
                }
                _ => {}
            }
        }
        false
    }

    /// Shows the first step of a table, whose turn it is.
    fn show_step(&mut self, id: TableId) -> bool {
        let Some(step) = self.tables.get_mut(&id).and_then(|table| table.steps.front_mut()) else { return false };
        // What the database did before a TRUNCATE may lie unread in other topics: another TRUNCATE, which has no boundaries.
        let truncates = self.whole && matches!(step.kind, StepKind::Truncate);
        if truncates && !self.ends.behind(&mut step.fence) {
            return false;
        }
        let Some(step) = self.tables.get_mut(&id).and_then(|table| table.steps.pop_front()) else { return false };
        if truncates && let Some(gtid) = step.gtid {
            self.newest = Some(gtid);
        }
        self.show(step.place.position(), step.place.ms, changes(id, step.ops).collect());
        true
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
    fn release_snapshot(&mut self, moment: &super::BinlogPlace) -> bool {
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
    fn has_ended(&self, id: TableId, moment: &super::BinlogPlace) -> bool {
        let own = self.tables[&id].incoming().is_some_and(|incoming| incoming.markers.last);
        if !self.whole {
            return own || self.tables[&id].steps.len() > 1;
        }
        let ended = self.ended_snapshot.as_ref().is_some_and(|ended| !ended.is_older(moment));
        let behind = |found: &Transaction| found.place.as_ref().is_some_and(|place| place.is_behind(moment));
        // A connector does not stream while it takes a snapshot.
        let streamed = self.tables[&id].incoming().is_some_and(|incoming| self.boundaries.newest_ms > incoming.last_ms);
        let over = |incoming: &super::table::Incoming| {
            incoming.moment == *moment && (incoming.markers.last || self.quiet && incoming.is_unmarked())
        };
        ended
            || streamed
            || self.pending.values().any(behind)
            || self
                .tables
                .values()
                .all(|table| table.incoming().is_some_and(over) || table.last_snapshot.as_ref() == Some(moment))
    }

    /// Whether a snapshot that is about to come in holds all that the transaction did to `table`.
    fn is_replaced(&self, id: TableId, transaction: &Transaction) -> bool {
        let Some(table) = self.tables.get(&id) else { return true };
        table.steps.iter().any(|step| match &step.kind {
            StepKind::Snapshot(incoming) => {
                let ended = transaction.end.as_ref().is_some_and(|end| end.timestamp_ms < incoming.last_ms);
                let begun = transaction.begun_ms < incoming.last_ms;
                let before = step.is_after(transaction, id).unwrap_or(ended || transaction.end.is_none() && begun);
                before && self.has_ended(id, &step.place)
            }
            _ => false,
        }) || transaction.end.is_none() && transaction.begun_ms < table.snapshot_ms
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

    fn judge(&mut self, id: &Arc<str>, transaction: &mut Transaction) -> Verdict {
        if let Some(gone) = &self.boundaries.gone {
            let reason = format!("the transaction topic cannot be followed: {gone}");
            let hint = "restart tidewater, which reads all topics again; take a new snapshot if tables then lack rows";
            return Verdict::Wait(Blocked { definite: true, reason, hint: hint.into() });
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
        for (name, _) in end.counts.iter() {
            let owner = self.owners.entry(name.clone()).or_insert(Owner::Nobody(0));
            if let Owner::Nobody(number) = owner {
                let mut slot = Some(*number).filter(|number| *number > 0);
                let behind = self.ends.behind(&mut slot);
                *number = slot.unwrap_or(0);
                if !behind {
                    return waits(format!(
                        "transaction {id} counts events of \"{name}\", whose topic is not known yet"
                    ));
                }
            }
        }
        // What lies between may be a TRUNCATE, which has no boundaries.
        let gap = self.newest.as_ref().is_none_or(|newest| seen::is_gap(newest, id));
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
        if self.is_replaced(of, transaction) && self.ends.behind(&mut transaction.fence) {
            return Verdict::Merge(Merging { snapshots: vec![of], ..Merging::default() });
        }
        let table = &self.tables[&of];
        let own = table.losses.iter().filter(|lost| lost.transaction.as_ref() == Some(id)).count() as u64;
        let unknown = table.losses.iter().any(|lost| self.may_miss(lost, id));
        let text = {
            let (topic, expected) = (&table.topic, table.expected(&end.counts).map(|(_, count)| count).sum::<u64>());
            format!("transaction {id} has {} of its {expected} events of topic \"{topic}\"", expected - missing)
        };
        if own < missing && !self.ends.behind(&mut transaction.fence) {
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
        if table.compacted {
            let until = table.partitions.iter().map(|(number, partition)| (of, *number, partition.next)).collect();
            return Verdict::Merge(Merging { until, ..Merging::default() });
        }
        match (self.quiet, stalls_at_loss) {
            (false, _) => waits(text),
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
        let renewed =
            || self.tables.iter().all(|(id, table)| !table.based_or_live() || self.is_replaced(*id, transaction));
        if self.queue.len() == 1 && !(self.quiet && replaced && (with.iter().any(live) || renewed())) {
            return waits(text);
        }
        if !self.ends.behind(&mut transaction.fence) {
            return waits(text);
        }
        if transaction.orphan {
            return Verdict::Release;
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
                    let (after, of_snapshot) = (None, false);
                    table.losses.push(Lost { partition: 0, offset: 0, transaction, after, of_snapshot, reason });
                }
                _ => table.lost += 1,
            }
        }
        if replaced { Verdict::Drop } else { Verdict::Release }
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

    /// Hands a transaction on. `told` says that what is shown then includes it.
    fn let_go(&mut self, id: &Arc<str>, transaction: Transaction, told: bool) {
        let again = transaction.begins > 1 || transaction.end.is_none();
        let (committed_ms, counts) =
            transaction.end.map_or((transaction.ms, Vec::new()), |end| (end.committed_ms, end.counts));
        if self.is_anew(id, committed_ms) || self.released.contains(id) {
            self.released.begin_anew(id);
        }
        self.released.insert_at(id, committed_ms);
        self.newest = Some(id.clone());
        let recent = Recent { counts, committed_ms, number: self.count, again };
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
            // A connector that restarted within it may have sent more than END counts.
            if !owed.counts.is_empty() || again {
                table.fence.renew();
                table.owed.insert((id.clone(), committed_ms), owed);
            }
        }
        let mut shown = Vec::new();
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
                Some(found) if found.live => shown.extend(changes(table, part.into_ops(&recent.counts))),
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

    /// Whether the server's numbers have gone back although time has not: they began anew.
    fn is_anew(&self, id: &str, committed_ms: i64) -> bool {
        let back = self.newest.as_ref().is_some_and(|newest| seen::is_less(id, newest));
        let later = self.released.newest_ms(id).is_some_and(|newest| committed_ms > newest);
        back && later || self.released.before(id, committed_ms) == Before::Reused
    }

    /// A commit, or a part of one that is not whole yet.
    fn show(&mut self, position: Position, committed_ms: i64, mut changes: Vec<Change>) {
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

/// Where a lost record lies and why it is lost.
pub(super) fn place(table: &Table, lost: &Lost) -> String {
    let Lost { partition, offset, reason, .. } = lost;
    format!("topic \"{}\", partition {partition}, offset {offset} could not be decoded: {reason}", table.topic)
}

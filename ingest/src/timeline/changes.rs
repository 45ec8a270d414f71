//! What comes of tables: records are told from those that came before, and go where they wait for their turn.

use std::sync::Arc;

use tidewater_delta::{Change, Op, Position, TableId};

use super::halves::Lies;
use super::known::TOLD;
use super::log::{Entry, EntryKind};
use super::partition::{Partition, UNTOLD};
use super::place::BinlogPlace;
use super::seen::Before;
use super::spec::{Loss, Output, Place};
use super::steps::{Step, StepKind};
use super::table::{Lost, Naming};
use super::transaction::Part;
use super::{Timeline, changes, says_all, transaction_id};
use crate::event::{Event, KeyChange, Operation, Ops, Origin, Snapshot};

/// What to do about several tables in one topic.
const APART: &str =
    "give each table its own topic (without ByLogicalTableRouter) and unite the sources in a view, UNION ALL";

impl Timeline {
    /// Takes a record without an envelope.
    pub fn record(&mut self, id: TableId, place: Place, op: Op) {
        self.quiet = false;
        if self.is_read_already(id, place) {
            return;
        }
        self.read(id, place.partition, place.offset + 1);
        let Some(table) = self.tables.get(&id) else { return };
        if !table.shown {
            return self.base(id, [op]);
        }
        let (topic, offset) = (table.topic.to_string(), place.offset + 1);
        let position = Position::Offset { topic, partition: place.partition, offset };
        // A position is of one partition.
        if self.alone_at.as_ref().is_some_and(|(before, _)| !says_all(&position, before)) {
            self.release_alone();
        }
        self.alone.push(Change { table: id, op });
        self.alone_at = Some((position, place.timestamp_ms));
    }

    /// Takes a change event of `table`.
    pub fn event(&mut self, id: TableId, place: Place, event: Event) {
        self.quiet = false;
        let Some(table) = self.tables.get_mut(&id) else { return };
        // A reader that goes back reads records again; a snapshot's rows would go over what came after them.
        if !table.take(place) {
            return;
        }
        let Some(partition) = table.partitions.get_mut(&place.partition) else { return };
        partition.decoded = (partition.decoded.1, place.offset);
        // What compaction took away was replaced by what lay behind it then: up to there it is no state.
        if partition.jumped && table.compacted && !table.live {
            partition.horizon = UNTOLD;
        }
        let keyed = table.keyed;
        let collection = &event.origin.collection;
        if table.naming != Naming::Declared && !table.collections.contains(collection) {
            self.learn(id, collection);
        } else if table.naming == Naming::Guessed {
            table.naming = Naming::Told;
        }
        if keyed && self.shares_keys(id, collection) {
            return;
        }
        match event.origin.snapshot {
            Snapshot::First | Snapshot::Row | Snapshot::Last | Snapshot::LastOfAll => {
                self.snapshot_row(id, place, &event.origin, event.ops);
            }
            Snapshot::Incremental if !keyed => {
                let reason = "rows of an incremental snapshot can't be told from those that are there, for the table has no key: take a blocking one".to_owned();
                self.lose(id, place, Loss { transaction: None, snapshot: false, reason });
            }
            Snapshot::Incremental => self.step(id, place, &event.origin, event.ops, StepKind::Rows),
            Snapshot::No => self.change(id, place, event),
        }
    }

    /// A streamed change.
    fn change(&mut self, id: TableId, place: Place, event: Event) {
        let Event { operation, ops, origin, key_change } = event;
        let (origin, transaction) = (&origin, transaction_id(&origin));
        let Some(table) = self.tables.get_mut(&id) else { return };
        let (several, keyed) = (table.is_split(), table.keyed);
        if several && operation == Operation::Truncate && !table.truncate(&transaction, origin.ts_ms) {
            return;
        }
        let Some(partition) = table.partitions.get_mut(&place.partition) else { return };
        partition.came(&BinlogPlace::of(origin), place.timestamp_ms);
        // Without a key a record is redelivered to any partition: there events are told one by one, not by the partition's order.
        let admitted = match keyed || !several {
            true => partition.admit(&transaction, origin, &ops, (keyed, several)),
            false => Before::New,
        };
        match admitted {
            Before::New => {}
            // Compaction may have taken the first copy of what follows and was written again, too: all copies that are left come to
            // what the rows are at last.
            Before::Again if keyed && !several && table.holed && !table.live && operation != Operation::Truncate => {
                if !table.includes(origin, place.timestamp_ms) {
                    let collection = table.collection_of(origin);
                    self.log(id, Entry::new(EntryKind::Again, place, transaction, collection, origin, ops));
                }
                return;
            }
            Before::Again => return,
            // A snapshot that lies between makes the table whole, and this follows it.
            doubt => self.doubt(id, &transaction, origin.ts_ms, doubt),
        }
        if admitted == Before::Unclear {
            return;
        }
        let Some(table) = self.tables.get_mut(&id) else { return };
        if let Some(partition) = table.partitions.get_mut(&place.partition) {
            partition.holes.close(&transaction);
        }
        let happened = BinlogPlace::of(origin);
        let renewed = table.partitions.get(&place.partition).is_some_and(|partition| partition.renewed);
        let included = !renewed && table.includes(origin, place.timestamp_ms);
        if let Some(partition) = table.partitions.get_mut(&place.partition) {
            partition.included = included;
        }
        if !included && let Some(incoming) = &mut table.snapshot {
            incoming.streamed = true;
        }
        let refills = included && table.refills(place.timestamp_ms);
        table.refilled |= refills;
        table.refill(&happened, &ops);
        // It still counts.
        let kept = |ops: Ops| if included && !refills { Ops::new() } else { ops };
        if operation == Operation::Truncate && table.collections.len() > 1 && !included {
            return self.truncated_one(id, origin);
        }
        if operation == Operation::Truncate {
            return self.step(id, place, origin, kept(ops), StepKind::Truncate);
        }
        let jumped = |partition: &Partition| partition.jumped && table.compacted;
        let jumped = table.partitions.get(&place.partition).is_some_and(jumped);
        let lies = Lies { partition: place.partition, several, jumped };
        // What a snapshot holds is not waited for; but what is waited for may come when it is there.
        let awaited = |half| half == KeyChange::Insertion && table.halves.open(&transaction) > 0;
        let half = key_change.filter(|half| keyed && (!included || awaited(*half)));
        let named = self.whole && origin.transaction.is_some();
        table.untold = self.whole && !named;
        // Of one that was released it is redelivered: that one was whole, unless the table was late then.
        let again = named && table.live && self.released.before(&transaction, origin.ts_ms) == Before::Again;
        if again && table.late_of(&transaction, origin.ts_ms).is_none() {
            return;
        }
        let lost = table.halves.take(&transaction, origin, half, lies);
        if !named {
            if lost {
                self.hide_halves(id);
            }
            return self.step(id, place, origin, kept(ops), StepKind::Rows);
        }
        let collection = table.collection_of(origin);
        if !table.live {
            let entry = Entry::new(EntryKind::Event, place, transaction, collection, origin, kept(ops));
            return self.log(id, entry);
        }
        let part = match again {
            true => {
                let late = self.tables.get_mut(&id).and_then(|table| table.late_of(&transaction, origin.ts_ms));
                let Some(part) = late else { return };
                part
            }
            false => {
                let pending = self.transaction_of(&transaction, origin.ts_ms);
                pending.place.get_or_insert(happened);
                pending.part(id)
            }
        };
        // One partition tells events by itself, but it may get others.
        let by_one = several || !keyed && part.len() < TOLD;
        let told = match by_one && !keyed {
            true => part.tell(origin, &ops, !several),
            false => Before::New,
        };
        match told {
            Before::New => part.add(&collection, (place.partition, place.offset), origin, kept(ops), by_one),
            Before::Again => {}
            doubt => self.doubt(id, &transaction, origin.ts_ms, doubt),
        }
    }

    /// Whether rows of another table of MySQL come with the same key columns: equal keys would be one row, so nothing is answered.
    fn shares_keys(&mut self, id: TableId, collection: &Arc<str>) -> bool {
        let Some(table) = self.tables.get_mut(&id) else { return false };
        let mut others = table.collections.iter().filter(|name| !name.is_empty() && *name != collection);
        let Some(other) = others.next().filter(|_| !collection.is_empty()) else { return false };
        let (topic, why) = (&table.topic, "whose keys do not say which: equal keys would be one row");
        let text = format!("topic \"{topic}\" has rows of {other} and of {collection}, {why}; {APART}");
        table.incomplete = Some(text);
        table.refused = true;
        self.hide(id);
        true
    }

    /// One of several tables that share the topic was truncated.
    fn truncated_one(&mut self, id: TableId, origin: &Origin) {
        let Some(table) = self.tables.get_mut(&id) else { return };
        let (topic, collection) = (&table.topic, &origin.collection);
        let why = format!(
            "topic \"{topic}\" holds several tables and {collection} was truncated: nothing tells its rows from those of the others"
        );
        table.incomplete = Some(why);
        table.doubtful_ms = Some(origin.ts_ms);
        self.hide(id);
    }

    /// An event came of which nothing tells whether it is new: the table is not whole any more.
    pub(super) fn doubt(&mut self, id: TableId, transaction: &str, ms: i64, doubt: Before) {
        let Some(table) = self.tables.get_mut(&id) else { return };
        if doubt == Before::Unclear {
            table.doubtful_ms = Some(ms);
        }
        if let Some(incoming) = table.incoming_mut() {
            incoming.cut = true;
        }
        let why = match doubt {
            Before::Unclear => {
                "came from another server, or from an older connector that began it again, and nothing tells its events from their repetition"
            }
            _ => "came again with a later time: the server's numbers began anew, and changes between may be missing",
        };
        table.incomplete = Some(format!("topic \"{}\": transaction {transaction} {why}", table.topic));
        self.hide(id);
    }

    /// Takes a tombstone. If Kafka's compaction took its deletion away the row of that key goes, in `op`; else it says nothing.
    pub fn tombstone(&mut self, id: TableId, place: Place, op: Option<Op>) {
        if self.is_read_already(id, place) {
            return;
        }
        let Some(op) = op else { return };
        self.quiet = false;
        let Some(table) = self.tables.get_mut(&id).filter(|table| table.compacted && table.keyed) else { return };
        let at = (place.partition, place.offset);
        if table.partitions.get(&place.partition).is_some_and(|found| found.jumped) {
            table.halves.jump();
        }
        if let Some(partition) = table.partitions.get_mut(&place.partition).filter(|found| found.jumped && !table.live)
        {
            partition.horizon = UNTOLD;
        }
        // The snapshot that holds what came before it holds this, too.
        if table.partitions.get(&place.partition).is_some_and(|partition| partition.included) {
            return;
        }
        if table.live {
            let last = |part: &Part| part.last_of(place.partition);
            let held = self.pending.values_mut().chain(self.later.values_mut()).filter_map(|found| found.part_if(id));
            return match held.filter(|part| last(part).is_some()).max_by_key(|part| last(part)) {
                Some(part) => part.add_ghost(place.partition, op),
                None => table.ghosts.push(op),
            };
        }
        let Some(partition) = table.partitions.get_mut(&place.partition) else { return };
        partition.log.push_back(Entry::ghost(partition.log.back(), at, place.timestamp_ms, op));
    }

    /// Changes of a table that is not shown.
    pub(super) fn base(&mut self, id: TableId, ops: impl IntoIterator<Item = Op>) {
        let mut ops = ops.into_iter().peekable();
        if ops.peek().is_none() {
            return;
        }
        if let Some(table) = self.tables.get_mut(&id) {
            table.based = true;
        }
        match self.out.last_mut() {
            Some(Output::Base { table, ops: last }) if *table == id => last.extend(ops),
            _ => self.out.push(Output::Base { table: id, ops: ops.collect() }),
        }
    }

    /// Something of a table's log that belongs to no transaction.
    pub(super) fn step(&mut self, id: TableId, place: Place, origin: &Origin, ops: Ops, kind: StepKind) {
        let Some(table) = self.tables.get_mut(&id) else { return };
        if !table.live {
            let kind = if matches!(kind, StepKind::Truncate) { EntryKind::Truncate } else { EntryKind::Rows };
            let entry = Entry::new(kind, place, transaction_id(origin), origin.collection.clone(), origin, ops);
            return self.log(id, entry);
        }
        if ops.is_empty() {
            return;
        }
        if !self.whole && table.steps.is_empty() && !matches!(kind, StepKind::Snapshot(_)) {
            self.alone.extend(changes(id, ops));
            let position = origin.gtid.as_ref().map(|gtid| Position::Gtid(gtid.to_string()));
            let place = BinlogPlace::of(origin);
            self.alone_at = Some((position.unwrap_or_else(|| place.position()), place.ms));
            return;
        }
        let part = self.whole && self.pending.values().any(|transaction| transaction.part_of(id).is_some());
        let at = (place.partition, place.offset);
        table.add_step(Step::new(kind, at, BinlogPlace::of(origin), origin.gtid.clone(), ops.into_vec()), part);
    }

    /// Takes a record that could not be decoded.
    pub fn lost(&mut self, id: TableId, place: Place, loss: Loss) {
        if self.is_read_already(id, place) {
            return;
        }
        self.read(id, place.partition, place.offset + 1);
        self.quiet = false;
        self.lose(id, place, loss);
    }

    fn lose(&mut self, id: TableId, place: Place, loss: Loss) {
        let again = loss.transaction.as_ref().is_some_and(|id| self.released.contains(id));
        let Some(table) = self.tables.get_mut(&id) else { return };
        if again && table.live {
            return;
        }
        let newest = table.partitions.get(&place.partition).and_then(Partition::newest).cloned();
        let of_snapshot = loss.snapshot || loss.transaction.is_none() && newest.is_none();
        let Loss { transaction, reason, .. } = loss;
        let (partition, offset) = (place.partition, place.offset);
        let created_ms = place.timestamp_ms;
        let lost = Lost { partition, offset, transaction, after: newest, of_snapshot, created_ms, reason };
        // In the midst of a snapshot what says nothing may be one of its rows.
        let within = |incoming: &&mut super::table::Incoming| {
            of_snapshot || lost.transaction.is_none() && !incoming.markers.last && !incoming.streamed
        };
        match table.incoming_mut().filter(within) {
            Some(incoming) => incoming.lost.push(lost),
            None => table.losses.push(lost),
        }
    }

    fn is_read_already(&mut self, id: TableId, place: Place) -> bool {
        self.tables.get_mut(&id).is_some_and(|table| !table.take(place))
    }
}

//! What has come of one transaction.

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tidewater_delta::{Op, TableId};

use super::known::Known;
use super::packed::{PackedOps, Unpacked};
use super::place::BinlogPlace;
use super::seen::Before;
use crate::event::Origin;

/// What has come of one transaction.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Transaction {
    /// Its id, if it stands in the queue.
    pub(crate) id: Option<Arc<str>>,
    /// How often its BEGIN has come: more than once if the connector restarted within it.
    pub(crate) begins: u32,
    /// Whether it stands in the queue: its BEGIN, or failing that its END, has come.
    pub(crate) queued: bool,
    /// When Kafka got its BEGIN.
    pub(crate) begun_ms: i64,
    /// The time that its BEGIN says, or failing that its END.
    pub(crate) ms: i64,
    /// The time that its BEGIN says: none of its events is older.
    pub(crate) since_ms: Option<i64>,
    /// Whether events of it and of a later transaction of the same id are held as one.
    pub(crate) mixed: bool,
    /// Whether its boundaries were deleted before they were read.
    pub(crate) orphan: bool,
    /// Its END.
    pub(crate) end: Option<End>,
    /// Its events by table.
    pub(crate) parts: Vec<Part>,
    /// Where the database wrote it, if an event of it has come.
    pub(crate) place: Option<BinlogPlace>,
    /// Which reading of the topics' ends it waits for.
    pub(crate) fence: Option<u64>,
}

/// The END of a transaction.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct End {
    pub(crate) offset: i64,
    pub(crate) timestamp_ms: i64,
    pub(crate) committed_ms: i64,
    /// Number of events by collection.
    pub(crate) counts: Vec<(Arc<str>, u64)>,
}

/// A transaction's events of one table.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Part {
    pub(crate) table: TableId,
    /// Number of events by collection: one, unless several tables of MySQL share a topic.
    pub(crate) counts: Vec<(Arc<str>, u64)>,
    ops: PackedOps,
    /// Where the events lie, of a table of several partitions: those are not read in order.
    order: Vec<EventOrder>,
    /// Deletions of which only tombstones are left, and how many ops lie before each.
    ghosts: Vec<(usize, Op)>,
    /// Which events have come, where redelivered ones may lie in another partition: records without a key go to any.
    known: Option<Box<Known>>,
    /// The earliest and the latest time of its events.
    pub(crate) first_ms: i64,
    pub(crate) last_ms: i64,
    /// First and last offset by partition.
    pub(crate) spans: Vec<(i32, i64, i64)>,
    /// The server and the binlog file of its newest event, of a table of several partitions.
    file: Option<(u64, Arc<str>)>,
    /// Whether they lie in several files: a transaction has one on each server.
    elsewhere: bool,
}

/// Where an event stands in its transaction.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct EventOrder {
    partition: i32,
    number: u32,
    pos: u64,
    row: u32,
    /// Its first op.
    op: u32,
}

impl Transaction {
    /// The part of `table`, made if there is none.
    pub(crate) fn part(&mut self, table: TableId) -> &mut Part {
        let at = self.parts.iter().position(|part| part.table == table).unwrap_or_else(|| {
            self.parts.push(Part::new(table));
            self.parts.len() - 1
        });
        &mut self.parts[at]
    }

    /// The part of `table`, if an event of it has come.
    pub(crate) fn part_of(&self, table: TableId) -> Option<&Part> {
        self.parts.iter().find(|part| part.table == table)
    }

    /// The same, to be changed.
    pub(crate) fn part_if(&mut self, table: TableId) -> Option<&mut Part> {
        self.parts.iter_mut().find(|part| part.table == table)
    }

    /// Takes the part of `table` out.
    pub(crate) fn take(&mut self, table: TableId) -> Option<Part> {
        let at = self.parts.iter().position(|part| part.table == table)?;
        Some(self.parts.swap_remove(at))
    }
}

impl Part {
    pub(crate) fn new(table: TableId) -> Self {
        let (counts, ops, order, spans) = (Vec::new(), PackedOps::default(), Vec::new(), Vec::new());
        Part {
            table,
            counts,
            ops,
            order,
            ghosts: Vec::new(),
            known: None,
            first_ms: i64::MAX,
            last_ms: i64::MIN,
            spans,
            file: None,
            elsewhere: false,
        }
    }

    /// Whether an event comes for the first time, of whatever partition; `in_order` as in [`Known::tell`]. One of another transaction of
    /// this id does, too.
    pub(crate) fn tell(&mut self, origin: &Origin, ops: &[Op], in_order: bool) -> Before {
        match self.known.get_or_insert_default().tell(origin, ops, in_order) {
            Before::Reused => Before::New,
            told => told,
        }
    }

    /// Nothing of it changes the table any more; its events still count.
    pub(crate) fn forget(&mut self) {
        self.ops.clear();
        self.order.clear();
        self.ghosts.clear();
    }

    /// The last offset of its events in a partition.
    pub(crate) fn last_of(&self, partition: i32) -> Option<i64> {
        self.spans.iter().find(|(found, ..)| *found == partition).map(|(_, _, last)| *last)
    }

    /// Adds a deletion of which only the tombstone is left, behind what has come of its partition.
    pub(crate) fn add_ghost(&mut self, partition: i32, op: Op) {
        let op_of = |event: Option<&EventOrder>| event.map_or(self.ops.len(), |event| event.op as usize);
        let last = self.order.iter().rposition(|event| event.partition == partition);
        let place = match last {
            Some(last) => op_of(self.order.get(last + 1)),
            // Its events came before the table had several partitions.
            None if self.last_of(partition).is_some() => op_of(self.order.first()),
            None => 0,
        };
        self.ghosts.push((place, op));
    }

    /// Takes those out.
    pub(crate) fn take_ghosts(&mut self) -> Vec<Op> {
        self.ghosts.drain(..).map(|(_, op)| op).collect()
    }

    /// How many changes it holds.
    pub(crate) fn len(&self) -> usize {
        self.ops.len()
    }

    /// Whether nothing of it changes the table.
    pub(crate) fn is_empty(&self) -> bool {
        self.ops.len() == 0
    }

    /// Adds an event's ops. `several` says that the table has several partitions.
    pub(crate) fn add(
        &mut self,
        collection: &Arc<str>,
        (partition, offset): (i32, i64),
        origin: &Origin,
        ops: impl IntoIterator<Item = Op>,
        several: bool,
    ) {
        match self.counts.iter_mut().find(|(name, _)| Arc::ptr_eq(name, collection) || name == collection) {
            Some((_, count)) => *count += 1,
            None => self.counts.push((collection.clone(), 1)),
        }
        self.first_ms = self.first_ms.min(origin.ts_ms);
        self.last_ms = self.last_ms.max(origin.ts_ms);
        match self.spans.iter_mut().find(|(found, ..)| *found == partition) {
            Some((_, _, last)) => *last = offset,
            None => self.spans.push((partition, offset, offset)),
        }
        if several {
            let file = (origin.server_id, origin.file.clone());
            self.elsewhere |= self.file.as_ref().is_some_and(|before| *before != file);
            self.file = Some(file);
            let number = origin.transaction.as_ref().map_or(0, |transaction| transaction.total_order);
            // Fewer than 4 billion.
            let (number, op) = (number as u32, self.ops.len() as u32);
            self.order.push(EventOrder { partition, number, pos: origin.pos, row: origin.row, op });
        }
        ops.into_iter().for_each(|op| self.ops.push(op));
    }

    /// How many events of `collection` have come.
    pub(crate) fn count(&self, collection: &str) -> u64 {
        self.counts.iter().find(|(name, _)| **name == *collection).map_or(0, |(_, count)| *count)
    }

    /// The ops in their order, of which END counts so many.
    pub(crate) fn into_ops(self, expected: &[(Arc<str>, u64)]) -> Unpacked {
        let more = |(name, count): &(Arc<str>, u64)| expected.iter().any(|found| found.0 == *name && found.1 < *count);
        let (more, own) = (self.counts.iter().any(more), |name: &Arc<str>| self.count(name) > 0);
        let counted = expected.iter().filter(|(name, _)| own(name)).map(|(_, count)| count).sum();
        let renumbered = self.known.as_ref().is_some_and(|known| known.renumbered);
        let Part { ops, mut order, ghosts, elsewhere, .. } = self;
        let (length, mut ops) = (ops.len(), ops.into_iter());
        let mut anew = renumbered || more;
        if more && !renumbered {
            let all: Vec<_> = ops.collect();
            anew = !is_repeated(&order, &all, counted);
            ops = Unpacked::from(all);
        }
        // A connector that counted anew sends more than its END counts; the places are of one server then.
        let numbered = !anew && rises(&order, |event| event.number);
        let sorted = numbered && order.is_sorted_by_key(|event| event.number);
        if sorted && ghosts.is_empty() {
            return ops;
        }
        // Events that came before the table had several partitions stand first, as they came.
        let first = order.first().map_or(length, |event| event.op as usize);
        let ends: Vec<_> = order.iter().skip(1).map(|event| event.op as usize).chain([length]).collect();
        let mut events: Vec<_> = order.drain(..).zip(ends).collect();
        match numbered {
            _ if sorted => {}
            true => events.sort_by_key(|(event, _)| event.number),
            // Places of two servers do not compare, and keys keep to their partitions.
            false if elsewhere => {}
            false => events.sort_by_key(|(event, _)| (event.pos, event.row)),
        }
        let mut came: Vec<_> = ops.map(Some).collect();
        let in_order = events.into_iter().flat_map(|(event, end)| event.op as usize..end);
        let mut all = Vec::with_capacity(came.len() + ghosts.len());
        let behind = |at: usize| ghosts.iter().filter(move |(place, _)| *place == at).map(|(_, op)| op.clone());
        all.extend(behind(0));
        for at in (0..first).chain(in_order) {
            all.extend(came[at].take());
            all.extend(behind(at + 1));
        }
        Unpacked::from(all)
    }
}

/// Whether what has come more often than END counts are the same events with the same numbers: a new partition took keys over, and
/// what was written again went there. Then numbers tell the order, and places do not, which may be of two servers.
fn is_repeated(order: &[EventOrder], ops: &[Op], counted: u64) -> bool {
    let ends = order.iter().skip(1).map(|event| event.op as usize).chain([ops.len()]);
    let mut first: HashMap<u32, &[Op]> = HashMap::new();
    let same = order.iter().zip(ends).all(|(event, end)| {
        let own = &ops[event.op as usize..end];
        *first.entry(event.number).or_insert(own) == own
    });
    same && first.len() as u64 == counted
}

/// Whether a key never falls within a partition, whose events came in their order.
fn rises(order: &[EventOrder], key: impl Fn(&EventOrder) -> u32) -> bool {
    let mut last: Vec<(i32, u32)> = Vec::new();
    order.iter().all(|event| match last.iter_mut().find(|(partition, _)| *partition == event.partition) {
        Some((_, last)) => key(event) > std::mem::replace(last, key(event)),
        None => {
            last.push((event.partition, key(event)));
            true
        }
    })
}

#[cfg(test)]
mod tests {
    use tidewater_delta::{Row, RowBuilder, Width};

    use super::*;
    use crate::event::{Snapshot, TransactionRef};

    fn row(value: u64) -> Row {
        let mut builder = RowBuilder::new(vec![Width::Fixed]);
        builder.set_slot(0, value);
        builder.take()
    }

    /// A part of several partitions: of each event its partition, number, position and row.
    fn part(events: &[(i32, u64, u64, u64)]) -> Part {
        let mut part = Part::new(TableId(1));
        let collection: Arc<str> = "shop.t".into();
        for (offset, &(partition, number, pos, value)) in (0..).zip(events) {
            let id: Arc<str> = "u:1".into();
            let origin = Origin {
                snapshot: Snapshot::No,
                collection: collection.clone(),
                server_id: 1,
                file: "binlog.000001".into(),
                pos,
                row: 0,
                gtid: Some(id.clone()),
                ts_ms: 1,
                transaction: Some(TransactionRef { id, total_order: number, data_collection_order: number }),
            };
            part.add(&collection, (partition, offset), &origin, vec![Op::Upsert(row(value))], true);
        }
        part
    }

    fn values(part: Part, counted: u64) -> Vec<u64> {
        let value = |op| match op {
            Op::Upsert(row) => row.as_ref().slot(0),
            _ => u64::MAX,
        };
        part.into_ops(&[("shop.t".into(), counted)]).map(value).collect()
    }

    #[test]
    fn numbers_order_what_another_server_wrote_again_to_a_new_partition() {
        // A server whose file has the same name, and whose places lie before those of the first one.
        let events = [(0, 1, 500, 10), (0, 2, 600, 20), (1, 1, 5, 10), (1, 2, 6, 20), (1, 3, 7, 30)];
        assert_eq!(values(part(&events), 3), [10, 10, 20, 20, 30]);
    }

    #[test]
    fn places_order_what_a_connector_that_counted_anew_wrote() {
        assert_eq!(values(part(&[(0, 1, 500, 10), (0, 2, 600, 20), (1, 1, 700, 30)]), 1), [10, 20, 30]);
        assert_eq!(values(part(&[(0, 2, 500, 10), (1, 1, 600, 30)]), 1), [10, 30], "no number comes twice");
    }
}

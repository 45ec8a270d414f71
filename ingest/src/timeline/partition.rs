//! One partition of a table's topic, read in order: which of its events are new, and which come again.
//!
//! The rule: a connector writes the transactions of a partition in their order, and after a restart it goes back and writes
//! some of them once more. So a transaction other than the newest of the partition that comes again is redelivered as a
//! whole; and of the newest, an event is redelivered if it lies no further than what has come of it: by its number in the
//! transaction, and, where the server is the same, by its place in the binlog too. Numbers alone do not tell, because
//! Debezium before 3.6.1 counts from 1 again when it restarts within a transaction; places alone do not, because another
//! server has other files.

use std::collections::VecDeque;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tidewater_delta::Op;

use super::holes::Holes;
use super::known::{Known, TOLD};
use super::log::Entry;
use super::place::BinlogPlace;
use super::seen::{self, Before, Seen};
use super::spec::Bounds;
use crate::event::Origin;

/// See the module.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Partition {
    /// The end when the table was added: what lies before it belongs to the table's first rows.
    pub(crate) horizon: i64,
    /// The next offset to read.
    pub(crate) next: i64,
    /// The offset behind the newest record.
    taken: i64,
    /// Whether records before the newest are not there.
    pub(crate) jumped: bool,
    /// Of a compacted topic: where.
    pub(crate) holes: Holes,
    /// Whether the server's numbers began anew since the newest snapshot, which holds nothing of what follows.
    pub(crate) renewed: bool,
    /// The offsets of the newest two records that could be decoded.
    pub(crate) decoded: (i64, i64),
    /// Whether a snapshot that had come before holds the newest event.
    pub(crate) included: bool,
    newest: Option<Newest>,
    seen: Seen,
    /// Whether a snapshot has begun since the newest transaction: after it a server may count anew.
    pub(crate) after_snapshot: bool,
    /// Of a table that is not shown: what waits for its turn.
    #[serde(with = "super::entries")]
    pub(crate) log: VecDeque<Entry>,
    /// Whether records were deleted unread, and where the first one behind them lies and when Kafka got it.
    pub(crate) cut: Option<Option<(BinlogPlace, i64)>>,
}

/// An end that the reader has still to tell.
pub(crate) const UNTOLD: i64 = i64::MAX;

/// The newest transaction of a partition and how far it has come.
#[derive(Debug, Serialize, Deserialize)]
struct Newest {
    id: Arc<str>,
    order: u64,
    server: (u64, Arc<str>),
    place: (u64, u32, u8),
    ms: i64,
    /// Of a table without a key: its events, one by one.
    known: Option<Known>,
    /// Of a table with a key: the events' numbers and checksums.
    sums: Vec<(u64, u32)>,
}

impl Newest {
    /// What comes of another server with a number that came before: the same event, or, of a connector that counts anew,
    /// another one. Then all that follows comes behind it, so it does no harm that some of that came before.
    fn of_another_server(&self, order: u64, sum: u32, several: bool) -> Before {
        match self.sums.iter().rev().find(|(number, _)| *number == order) {
            Some((_, same)) if *same == sum => Before::Again,
            Some(_) => Before::New,
            None if order == 0 || self.sums.len() >= TOLD => Before::Again,
            // It may have come in another partition.
            None if several => Before::Unclear,
            None => Before::New,
        }
    }

    fn add_sum(&mut self, order: u64, sum: u32) {
        if self.known.is_none() && order > 0 && self.sums.len() < TOLD {
            self.sums.push((order, sum));
        }
    }
}

/// A checksum of what an event does.
fn sum(ops: &[Op]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    for op in ops {
        let (what, bytes) = match op {
            Op::Upsert(row) | Op::Insert(row) => (1, row.bytes()),
            Op::Delete(row) | Op::Remove(row) => (2, row.bytes()),
            Op::Truncate => (3, &[][..]),
        };
        hasher.update(&[what]);
        hasher.update(bytes);
    }
    hasher.finalize()
}

impl Partition {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Partition {
            horizon: if bounds.end > bounds.low { bounds.end } else { 0 },
            next: 0,
            taken: 0,
            jumped: false,
            holes: Holes::default(),
            included: false,
            decoded: (-1, -1),
            renewed: false,
            newest: None,
            seen: Seen::default(),
            after_snapshot: false,
            log: VecDeque::new(),
            cut: (bounds.low > 0).then_some(None),
        }
    }

    /// Takes note of a record; false if it was read before.
    pub(crate) fn take(&mut self, offset: i64) -> bool {
        let new = offset >= self.taken;
        self.jumped = new && offset > self.next;
        self.taken = self.taken.max(offset + 1);
        self.next = self.next.max(offset + 1);
        new
    }

    /// Takes note of the first record behind deleted ones.
    pub(crate) fn came(&mut self, place: &BinlogPlace, created_ms: i64) {
        if let Some(first @ None) = &mut self.cut {
            *first = Some((place.clone(), created_ms));
        }
    }

    /// Whether rows of the snapshot `moment`, which Kafka got from `first_ms` on, may be among the deleted ones. Behind its rows a
    /// connector may go on with what it holds.
    pub(crate) fn may_lack(&self, moment: &BinlogPlace, first_ms: i64) -> bool {
        let before = |(first, created_ms): &(BinlogPlace, i64)| {
            first != moment && first.is_before(moment) && *created_ms < first_ms
        };
        self.cut.as_ref().is_some_and(|first| !first.as_ref().is_some_and(before))
    }

    /// The newest transaction that this partition has events of.
    pub(crate) fn newest(&self) -> Option<&Arc<str>> {
        self.newest.as_ref().map(|newest| &newest.id)
    }

    /// Whether an event of the transaction `id` comes for the first time. A deletion is the first of the two events of a changed
    /// primary key; both have one place.
    pub(crate) fn admit(
        &mut self,
        id: &Arc<str>,
        origin: &Origin,
        ops: &[Op],
        (keyed, several): (bool, bool),
    ) -> Before {
        let order = origin.transaction.as_ref().map_or(0, |transaction| transaction.total_order);
        let place = (origin.pos, origin.row, u8::from(!matches!(ops, [Op::Delete(_) | Op::Remove(_)])));
        let server = (origin.server_id, origin.file.clone());
        let sum = if keyed { sum(ops) } else { 0 };
        let first = || {
            let known = first_known(origin, ops, keyed);
            let mut first = Newest { id: id.clone(), order, server, place, ms: origin.ts_ms, known, sums: Vec::new() };
            first.add_sum(order, sum);
            first
        };
        if let Some(newest) = self.newest.as_mut().filter(|newest| Arc::ptr_eq(&newest.id, id) || newest.id == *id) {
            let same_server = newest.server.0 == origin.server_id && newest.server.1 == origin.file;
            let no_further = order <= newest.order && (!same_server || place <= newest.place);
            // What is younger and lies no further is of another transaction of this id.
            if origin.ts_ms > newest.ms && (no_further || same_server && place <= newest.place) {
                let first = first();
                return self.anew(first);
            }
            let told = match &mut newest.known {
                Some(known) => known.tell(origin, ops, true),
                None if no_further && !same_server && keyed => newest.of_another_server(order, sum, several),
                None if no_further => Before::Again,
                None => Before::New,
            };
            // So is what has the place of another, and is younger than all of it.
            if told == Before::Reused || told == Before::Again && origin.ts_ms > newest.ms {
                let first = first();
                return self.anew(first);
            }
            if newest.known.as_ref().is_some_and(|known| known.len() >= TOLD) {
                newest.known = None;
            }
            if told == Before::New {
                newest.order = match order <= newest.order && !same_server {
                    true => {
                        newest.sums.clear();
                        order
                    }
                    false => newest.order.max(order),
                };
                newest.add_sum(order, sum);
                newest.place = if same_server { newest.place.max(place) } else { place };
                newest.server = (origin.server_id, origin.file.clone());
                newest.ms = newest.ms.max(origin.ts_ms);
            }
            return told;
        }
        // A partition has its transactions in their order: a smaller number of a later time is of numbers that began anew.
        let back = |newest: &Newest| seen::is_less(id, &newest.id) && origin.ts_ms > newest.ms;
        match self.seen.before(id, origin.ts_ms) {
            Before::New if self.newest.as_ref().is_some_and(back) => self.anew(first()),
            // It came in another partition before: a TRUNCATE goes to any, and a new partition takes keys over.
            Before::New if several && self.newest.as_ref().is_some_and(|newest| seen::is_less(id, &newest.id)) => {
                if matches!(ops, [Op::Truncate]) { Before::Again } else { Before::New }
            }
            Before::New => {
                self.follow(first());
                Before::New
            }
            Before::Reused => self.anew(first()),
            again => again,
        }
    }

    /// The server counts anew, which is well only after a snapshot.
    fn anew(&mut self, first: Newest) -> Before {
        let snapshotted = self.after_snapshot;
        if let Some(newest) = self.newest.take() {
            self.seen.insert_at(&newest.id, newest.ms);
        }
        self.seen.begin_anew(&first.id);
        self.follow(first);
        self.renewed = snapshotted;
        if snapshotted { Before::New } else { Before::Reused }
    }

    fn follow(&mut self, newest: Newest) {
        self.after_snapshot = false;
        if let Some(older) = self.newest.replace(newest) {
            self.seen.insert_at(&older.id, older.ms);
        }
    }
}

/// Events of a table without a key are told one by one, where they have numbers.
fn first_known(origin: &Origin, ops: &[Op], keyed: bool) -> Option<Known> {
    let numbered = origin.transaction.as_ref().is_some_and(|transaction| transaction.total_order > 0);
    (!keyed && numbered).then(|| {
        let mut known = Known::default();
        known.tell(origin, ops, true);
        known
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Snapshot, TransactionRef};

    fn origin(file: &str, pos: u64, row: u32, ts_ms: i64) -> Origin {
        let (file, collection) = (file.into(), "shop.a".into());
        Origin {
            snapshot: Snapshot::No,
            collection,
            server_id: 1,
            file,
            pos,
            row,
            gtid: None,
            ts_ms,
            transaction: None,
        }
    }

    fn admit(partition: &mut Partition, id: &str, order: u64, origin: &Origin, deletes: bool) -> Before {
        let id: Arc<str> = id.into();
        let member = TransactionRef { id: id.clone(), total_order: order, data_collection_order: order };
        let origin = Origin { transaction: Some(member), ..origin.clone() };
        let row = tidewater_delta::RowBuilder::new(vec![tidewater_delta::Width::Fixed]).take();
        let op = if deletes { Op::Delete(row) } else { Op::Upsert(row) };
        partition.admit(&id, &origin, &[op], (true, false))
    }

    fn partition() -> Partition {
        Partition::new(Bounds { partition: 0, low: 0, end: 0 })
    }

    #[test]
    fn the_create_of_a_changed_primary_key_is_new_beside_its_delete() {
        let mut partition = partition();
        let (id, at) = ("u:1", origin("b.1", 100, 0, 1));
        assert_eq!(admit(&mut partition, id, 1, &at, true), Before::New);
        assert_eq!(admit(&mut partition, id, 2, &at, false), Before::New);
        assert_eq!(admit(&mut partition, id, 1, &at, true), Before::Again);
        assert_eq!(admit(&mut partition, id, 2, &at, false), Before::Again);
        // Without numbers, too.
        let id = "u:2";
        assert_eq!(admit(&mut partition, id, 0, &at, true), Before::New);
        assert_eq!(admit(&mut partition, id, 0, &at, false), Before::New);
        assert_eq!(admit(&mut partition, id, 0, &at, true), Before::Again);
    }

    #[test]
    fn after_a_failover_to_lower_binlog_names_events_are_new_and_redelivered_ones_are_not() {
        let mut partition = partition();
        assert_eq!(admit(&mut partition, "u:1", 1, &origin("b.000009", 900, 0, 1), false), Before::New);
        assert_eq!(admit(&mut partition, "u:2", 1, &origin("b.000009", 950, 0, 2), false), Before::New);
        assert_eq!(admit(&mut partition, "u:2", 1, &origin("b.000001", 50, 0, 2), false), Before::Again);
        assert_eq!(admit(&mut partition, "u:2", 2, &origin("b.000001", 60, 0, 2), false), Before::New);
        assert_eq!(admit(&mut partition, "u:1", 1, &origin("b.000001", 10, 0, 1), false), Before::Again);
        assert_eq!(admit(&mut partition, "u:3", 1, &origin("b.000001", 70, 0, 3), false), Before::New);
    }

    #[test]
    fn two_events_of_one_order_number_are_two_events() {
        // Debezium before 3.6.1 restarts after the first event of a transaction and counts from 1 again.
        let (mut partition, id) = (partition(), "u:1");
        assert_eq!(admit(&mut partition, id, 1, &origin("b.1", 100, 0, 1), false), Before::New);
        assert_eq!(admit(&mut partition, id, 2, &origin("b.1", 100, 1, 1), false), Before::New);
        assert_eq!(admit(&mut partition, id, 1, &origin("b.1", 100, 1, 1), false), Before::Again);
        assert_eq!(admit(&mut partition, id, 2, &origin("b.1", 200, 0, 1), false), Before::New);
        assert_eq!(admit(&mut partition, id, 3, &origin("b.1", 200, 1, 1), false), Before::New);
    }

    #[test]
    fn reused_ids_are_told_by_their_time_and_taken_after_a_snapshot() {
        let mut partition = partition();
        for (number, ms) in [(1, 10), (2, 20), (3, 30)] {
            admit(&mut partition, &format!("u:{number}"), 1, &origin("b.1", number * 10, 0, ms), false);
        }
        assert_eq!(admit(&mut partition, "u:1", 1, &origin("b.1", 10, 0, 40), false), Before::Reused);
        partition.after_snapshot = true;
        assert_eq!(admit(&mut partition, "u:1", 1, &origin("b.1", 10, 0, 50), false), Before::New);
        assert_eq!(admit(&mut partition, "u:2", 1, &origin("b.1", 20, 0, 51), false), Before::New);
        assert_eq!(admit(&mut partition, "u:1", 1, &origin("b.1", 10, 0, 50), false), Before::Again);
    }
}

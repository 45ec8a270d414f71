//! Whole transactions from separate topics.
//!
//! Debezium writes each table to its own topic and the boundaries of transactions to one more, so the parts of one MySQL
//! transaction arrive in any interleaving. A [`Timeline`] is what one connector writes. It holds a transaction's events until
//! its END has come and, of every shown table, as many as END counts; it releases transactions in the order of the transaction
//! topic. It does no I/O: whoever feeds it keeps each partition's own order and nothing else.
//!
//! The rules, from which all cases follow:
//! 1. *Identity.* A partition holds transactions in their order; one that comes again behind a newer one is redelivered
//!    ([`partition`]). An id that comes again with a later time than all others of its server is not: the numbers began anew.
//! 2. *Completeness.* A table is whole if its log was read from its beginning or from a whole snapshot, without a gap, up to
//!    where it ended when the table was added; a transaction is whole if every shown table has as many events as END counts.
//!    What is not whole is not shown, and says why.
//! 3. *Order.* What belongs to no transaction (a snapshot, TRUNCATE) is a step of its table's log and takes its turn among
//!    the transactions: after all that its table's log, or the binlog, has before it.
//! 4. *Names.* A collection that END counts is the table whose records name it. A name that nobody knows is nobody's once
//!    every topic was read to where it ended after that END.
//! 5. *Losses.* A lost record belongs to one transaction (or to one snapshot), and the table's policy says what becomes of it.
//!
//! Source: Debezium's documentation of `provide.transaction.metadata` and of the `snapshot` field of `source`.

mod changes;
mod ends;
mod entries;
mod follow;
mod halves;
mod health;
mod holes;
mod hydrate;
mod judge;
mod known;
mod log;
mod names;
mod packed;
mod partition;
mod place;
mod release;
pub(crate) mod seen;
mod settled;
mod snapshot;
mod spec;
mod state;
mod steps;
mod table;
#[cfg(test)]
mod tests;
mod transaction;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use tidewater_delta::{Change, Commit, Op, Position, TableId};

use crate::event::{Boundary, Origin};
use ends::Ends;
use names::Owner;
use partition::Partition;
use place::BinlogPlace;
use seen::{Before, Seen};
pub use settled::Waiting;
pub use spec::{Bounds, Loss, Output, Place, TableSpec};
use table::Table;
use transaction::{End, Part, Transaction};

/// Released transactions whose counts are remembered: a table that is added must have their events, which may become visible
/// a little later than their END.
const RECENT: usize = 1024;

/// Why a transaction topic cannot be followed that is not the one that was.
pub const MADE_AGAIN: &str = "it was deleted and made again";

/// See the module.
#[derive(Debug, Serialize, Deserialize)]
pub struct Timeline {
    name: Arc<str>,
    /// Whether there is a transaction topic; otherwise every event is a change by itself.
    whole: bool,
    /// Whether its one topic's records have no envelope.
    log: bool,
    tables: BTreeMap<TableId, Table>,
    owners: FxHashMap<Arc<str>, Owner>,
    boundaries: Boundaries,
    /// Ids whose BEGIN or END has come, in the order of the transaction topic.
    queue: VecDeque<Arc<str>>,
    /// Transactions not yet released; those not in `queue` are known by their events only.
    pending: FxHashMap<Arc<str>, Transaction>,
    /// Transactions of an id that is pending, of a later time: the server's numbers began anew.
    later: FxHashMap<Arc<str>, Transaction>,
    released: Seen,
    /// The newest released transaction.
    newest: Option<Arc<str>>,
    /// Where the timeline stands, and when the database committed that.
    reached: Option<(Position, i64)>,
    recent: VecDeque<(Arc<str>, Recent)>,
    /// How many transactions were released.
    count: u64,
    ends: Ends,
    /// The newest snapshot of which the very last row has come, of whatever table.
    ended_snapshot: Option<BinlogPlace>,
    /// Whether nothing has come for a while and everything is read.
    quiet: bool,
    /// What holds the oldest transaction back.
    blocked: Option<Blocked>,
    /// Changes that wait because Kafka's compaction has taken the states between.
    merging: Option<release::Merging>,
    /// Of a timeline without transactions: changes that go on with the next release, and where they end.
    alone: Vec<Change>,
    alone_at: Option<(Position, i64)>,
    /// Empty when a state is taken: whoever goes on from it has had all before.
    #[serde(skip)]
    out: Vec<Output>,
}

/// The transaction topic.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Boundaries {
    found: bool,
    /// Its first offset when it was found.
    low: i64,
    /// The next offset to read.
    next: i64,
    /// The offset behind the newest record.
    taken: i64,
    /// Its end, as far as it is known.
    horizon: i64,
    /// The newest record's time in Kafka.
    newest_ms: i64,
    /// Records that could not be decoded: offset and reason.
    lost: Vec<(i64, String)>,
    /// Why it cannot be followed any more.
    gone: Option<String>,
}

/// A transaction that was released: events by collection, and when the database committed it.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Recent {
    counts: Vec<(Arc<str>, u64)>,
    committed_ms: i64,
    /// How many were released before it.
    number: u64,
    /// Whether a connector restarted within it and may have sent more than END counts.
    again: bool,
    /// Whether an event of the table that owes it went on.
    repaid: bool,
}

/// What holds the oldest transaction back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Blocked {
    /// Whether only a user can change that.
    definite: bool,
    reason: String,
    hint: String,
}

impl Timeline {
    /// The timeline `name` without tables. Without `transactions` every event is a change by itself.
    pub fn new(name: &str, transactions: bool) -> Self {
        Timeline {
            name: name.into(),
            whole: transactions,
            log: false,
            alone: Vec::new(),
            alone_at: None,
            tables: BTreeMap::new(),
            owners: FxHashMap::default(),
            boundaries: Boundaries::default(),
            queue: VecDeque::new(),
            pending: FxHashMap::default(),
            later: FxHashMap::default(),
            released: Seen::default(),
            newest: None,
            reached: None,
            recent: VecDeque::new(),
            count: 0,
            ends: Ends::default(),
            ended_snapshot: None,
            quiet: false,
            blocked: None,
            merging: None,
            out: Vec::new(),
        }
    }

    /// The timeline of one topic whose records are changes by themselves, without an envelope.
    pub fn of_log(name: &str) -> Self {
        Timeline { log: true, ..Timeline::new(name, false) }
    }

    /// A partition of the table was deleted and made again; it will be read from its beginning.
    pub fn anew(&mut self, id: TableId, bounds: Bounds) {
        let Some(table) = self.tables.get_mut(&id) else { return };
        table.partitions.insert(bounds.partition, Partition::new(bounds));
        let topic = &table.topic;
        let why = format!("topic \"{topic}\" was deleted and made again, and may lack what the old one held");
        match table.log {
            true => {
                table.remade = Some(format!(
                    "topic \"{topic}\" was deleted and made again: the rows of the old one stay beside those of the new"
                ));
            }
            false => drop(table.incomplete.get_or_insert(why)),
        }
        self.quiet = false;
        self.hide(id);
    }

    /// Deletions of the table may have been lost without a trace: it is not whole any more.
    pub fn outdated(&mut self, id: TableId, why: &str) {
        let Some(table) = self.tables.get_mut(&id) else { return };
        table.incomplete.get_or_insert_with(|| why.to_owned());
        table.partitions.values_mut().for_each(|partition| partition.cut = Some(None));
        if let Some(incoming) = table.incoming_mut() {
            incoming.cut = true;
        }
        // The rows of a log come once: nothing makes it whole.
        if table.log {
            (table.live, table.shown, table.refused) = (false, false, true);
        }
        self.quiet = false;
        self.hide(id);
    }

    /// Boundaries were deleted before they were read: nothing tells any more what belongs together.
    pub fn boundaries_gone(&mut self, why: &str) {
        self.boundaries.gone.get_or_insert_with(|| why.to_owned());
    }

    /// The next offset of the transaction topic to read.
    pub fn boundaries_next(&self) -> i64 {
        self.boundaries.next
    }

    /// Whether something waits for more to come.
    pub fn is_waiting(&self) -> bool {
        let waits = |table: &Table| !table.shown || !table.steps.is_empty();
        !self.quiet && (!self.queue.is_empty() || !self.pending.is_empty() || self.tables.values().any(waits))
    }

    /// The transaction topic was found, which holds the offsets from `low` to before `end`.
    pub fn begin_boundaries(&mut self, low: i64, end: i64) {
        self.boundaries.found = true;
        self.boundaries.low = low;
        // What is shown already has missed what was there.
        if low > 0 && self.tables.values().any(|table| table.live) {
            self.boundaries_gone(&format!("its records at offsets 0 to {} were deleted unread", low - 1));
        }
        self.boundaries.horizon = if end > low { end } else { 0 };
        let horizon = self.boundaries.horizon;
        self.tables.values_mut().filter(|table| !table.live).for_each(|table| table.boundaries = horizon);
    }

    /// Adds a table, whose topic will be read from its beginning.
    pub fn add_table(&mut self, id: TableId, spec: TableSpec) {
        let horizon = self.boundaries.horizon.max(self.boundaries.next);
        let mut table = Table::new(spec, horizon, self.log);
        if !self.whole && !self.log && !table.keyed && table.is_split() {
            let why = "a table without a key in several partitions needs the transaction topic: nothing else tells an event that comes again";
            table.incomplete = Some(format!("topic \"{}\": {why}", table.topic));
            table.refused = true;
        }
        self.recent.iter().for_each(|(id, recent)| table.owe(id.clone(), recent.clone()));
        // What was nobody's may be its.
        self.owners.retain(|_, owner| matches!(owner, Owner::Tables(_)));
        for collection in table.collections.clone() {
            self.own(&collection, id);
        }
        self.tables.insert(id, table);
    }

    /// Adds a partition that a table's topic has got. It will be read from its beginning.
    pub fn add_partition(&mut self, id: TableId, bounds: Bounds) {
        let Some(table) = self.tables.get_mut(&id) else { return };
        if bounds.low > 0 {
            table.misses(bounds.partition, 0, bounds.low);
            self.hide(id);
        }
        if let Some(table) = self.tables.get_mut(&id) {
            table.partitions.entry(bounds.partition).or_insert_with(|| Partition::new(bounds));
        }
    }

    /// Forgets a table and its events.
    pub fn remove_table(&mut self, id: TableId) {
        self.tables.remove(&id);
        self.owners.retain(|_, owner| match owner {
            Owner::Tables(tables) => {
                tables.retain(|table| *table != id);
                !tables.is_empty()
            }
            Owner::Nobody(_) => true,
        });
        for transaction in self.pending.values_mut().chain(self.later.values_mut()) {
            transaction.take(id);
        }
        if let Some(merging) = &mut self.merging {
            merging.take(id);
        }
        self.alone.retain(|change| change.table != id);
        self.out.retain_mut(|output| match output {
            Output::Base { table, .. } | Output::Hydrated(table) => *table != id,
            Output::Commit(commit) => {
                commit.changes.retain(|change| change.table != id);
                true
            }
        });
    }

    /// Takes a record of the transaction topic.
    pub fn boundary(&mut self, offset: i64, timestamp_ms: i64, boundary: Boundary) {
        if offset < self.boundaries.taken {
            return;
        }
        self.boundaries.taken = offset + 1;
        self.boundaries_read(offset + 1);
        self.quiet = false;
        self.boundaries.newest_ms = self.boundaries.newest_ms.max(timestamp_ms);
        match boundary {
            Boundary::Begin { id, ts_ms } => {
                if self.released.before(&id, ts_ms) != Before::Again {
                    let transaction = self.begin(id, ts_ms, timestamp_ms, true);
                    transaction.begins += 1;
                    transaction.since_ms.get_or_insert(ts_ms);
                }
            }
            Boundary::End { id, ts_ms, data_collections, .. } => {
                if self.released.before(&id, ts_ms) == Before::Again {
                    return;
                }
                // Without its BEGIN (it was deleted from the topic) the END gives the place in the order.
                let transaction = self.begin(id.clone(), ts_ms, timestamp_ms, false);
                let (committed_ms, counts) = (ts_ms, data_collections);
                transaction.end.get_or_insert(End { offset, timestamp_ms, committed_ms, counts });
                self.part_from_later(&id);
            }
        }
    }

    /// The transaction `id` of this time, which stands in the queue from now on.
    fn begin(&mut self, id: Arc<str>, ts_ms: i64, timestamp_ms: i64, begins: bool) -> &mut Transaction {
        // One that comes again begins when it began.
        let began = |found: &Transaction| begins && found.queued && found.ms < ts_ms;
        let anew = self.pending.get(&id).is_some_and(began);
        let later = anew || self.is_later(&id, ts_ms);
        // Events of it may have come before it, and were taken for those of the one that began before.
        if let Some(before) = self.pending.get_mut(&id).filter(|_| anew) {
            let parts: Vec<_> = before.parts.extract_if(.., |part| part.first_ms >= ts_ms).collect();
            if !parts.is_empty() {
                before.place = None;
                self.later.entry(id.clone()).or_default().parts.extend(parts);
            }
        }
        let at = self.place_in_queue(&id, ts_ms, later);
        let held = if later { &mut self.later } else { &mut self.pending };
        let transaction = held.entry(id.clone()).or_default();
        if !std::mem::replace(&mut transaction.queued, true) {
            (transaction.begun_ms, transaction.ms) = (timestamp_ms, ts_ms);
            transaction.id = Some(id.clone());
            self.queue.insert(at, id);
        }
        transaction
    }

    /// Where a transaction stands that comes for the first time: last. Where boundaries are missing one that comes again may
    /// stand for the first time behind those that follow it.
    fn place_in_queue(&self, id: &str, ts_ms: i64, later: bool) -> usize {
        if later || self.boundaries.low == 0 && self.boundaries.lost.is_empty() {
            return self.queue.len();
        }
        let younger = |other: &Arc<str>| self.pending.get(other).is_some_and(|found| found.ms >= ts_ms);
        let follows = |other: &Arc<str>| seen::is_less(id, other) && younger(other);
        self.queue.iter().position(follows).unwrap_or(self.queue.len())
    }

    /// Events that are younger than the END of their id are of a later transaction: the server's numbers began anew.
    fn part_from_later(&mut self, id: &Arc<str>) {
        let Some(transaction) = self.pending.get_mut(id) else { return };
        let Some(committed_ms) = transaction.end.as_ref().map(|end| end.committed_ms) else { return };
        transaction.mixed =
            transaction.parts.iter().any(|part| part.first_ms <= committed_ms && part.last_ms > committed_ms);
        let younger = |part: &mut Part| part.first_ms > committed_ms;
        let parts: Vec<_> = transaction.parts.extract_if(.., younger).collect();
        if !parts.is_empty() {
            transaction.place = None;
            self.later.entry(id.clone()).or_default().parts.extend(parts);
        }
    }

    /// The transaction that an event of this time belongs to.
    fn transaction_of(&mut self, id: &Arc<str>, ms: i64) -> &mut Transaction {
        match self.is_later(id, ms) {
            true => self.later.entry(id.clone()).or_default(),
            false => self.pending.entry(id.clone()).or_default(),
        }
    }

    /// Whether the transaction topic names the transaction of an event of this time.
    fn names(&self, id: &str, ms: i64) -> bool {
        self.pending.get(id).is_some_and(|found| found.queued && found.since_ms.is_none_or(|since| since <= ms))
    }

    /// Whether what comes with this time is of the later of two transactions of one id.
    fn is_later(&self, id: &Arc<str>, ms: i64) -> bool {
        let ended = |found: &Transaction| found.end.as_ref().is_some_and(|end| ms > end.committed_ms);
        self.pending.get(id).is_some_and(ended)
            || self.later.get(id).is_some_and(|later| later.queued && later.ms <= ms)
    }

    /// Takes note of a record of the transaction topic that could not be decoded.
    pub fn boundary_lost(&mut self, offset: i64, reason: String) {
        self.boundaries_read(offset + 1);
        self.quiet = false;
        self.boundaries.lost.push((offset, reason));
    }

    /// The transaction topic was read up to `next`.
    pub fn boundaries_read(&mut self, next: i64) {
        self.boundaries.next = self.boundaries.next.max(next);
    }

    /// The partition was read up to `next`.
    pub fn read(&mut self, id: TableId, partition: i32, next: i64) {
        if let Some(partition) = self.tables.get_mut(&id).and_then(|table| table.partitions.get_mut(&partition)) {
            partition.next = partition.next.max(next);
        }
    }

    /// Records were deleted before they were read: the table is not whole any more.
    pub fn gap(&mut self, id: TableId, partition: i32, from: i64, to: i64) {
        let Some(table) = self.tables.get_mut(&id) else { return };
        table.misses(partition, from, to);
        self.hide(id);
        self.read(id, partition, to);
        self.quiet = false;
    }

    /// A shown table is not shown any more, until a whole snapshot comes.
    pub(super) fn hide(&mut self, id: TableId) {
        let horizon = self.boundaries.horizon.max(self.boundaries.next);
        let Some(table) = self.tables.get_mut(&id).filter(|table| table.live && !table.log) else { return };
        // The rows that it has may have come by commits alone.
        (table.live, table.shown, table.based) = (false, false, true);
        table.late.clear();
        table.ghosts.clear();
        table.boundaries = horizon;
        // What waits for its turn is part of a state that is lost. It still counts for its transactions.
        table.given_up = table.incoming().map(|incoming| incoming.moment.clone()).or(table.given_up.take());
        table.steps.clear();
        for transaction in self.pending.values_mut().chain(self.later.values_mut()) {
            transaction.part_if(id).into_iter().for_each(Part::forget);
        }
        // Others need not wait for its snapshot, with which they would be shown.
        let merged = self.merging.as_mut().map(|merging| merging.take(id)).unwrap_or_default();
        self.base(id, merged);
    }

    /// A commit of this timeline.
    fn commit(&mut self, position: Position, committed_ms: i64, changes: Vec<Change>) {
        self.reached = Some((position.clone(), committed_ms));
        let timeline = self.name.clone();
        let commit = Commit { timeline, position, committed_ms, changes };
        match self.out.last_mut() {
            // Of commits without changes the last one of a server or partition says all.
            Some(Output::Commit(last)) if last.changes.is_empty() && says_all(&commit.position, &last.position) => {
                *last = commit;
            }
            _ => self.out.push(Output::Commit(commit)),
        }
    }
}

/// Whether who has reached `newer` has reached `older`, told after each other by one timeline: they count alike.
fn says_all(newer: &Position, older: &Position) -> bool {
    let server = |gtid: &str| gtid.trim_end_matches(|letter: char| letter.is_ascii_digit()).to_owned();
    match (newer, older) {
        (Position::Gtid(newer), Position::Gtid(older)) => server(newer) == server(older),
        (Position::Offset { partition: newer, .. }, Position::Offset { partition: older, .. }) => newer == older,
        (Position::Binlog { .. }, Position::Binlog { .. }) => true,
        _ => false,
    }
}

fn changes(table: TableId, ops: impl IntoIterator<Item = Op>) -> impl Iterator<Item = Change> {
    ops.into_iter().map(move |op| Change { table, op })
}

/// The id of the transaction that made a change: as Debezium says, or as it would say.
fn transaction_id(origin: &Origin) -> Arc<str> {
    match (&origin.transaction, &origin.gtid) {
        (Some(transaction), _) => transaction.id.clone(),
        (None, Some(gtid)) => gtid.clone(),
        (None, None) => format!("file={},pos={}", origin.file, origin.pos).into(),
    }
}

/// The position that a transaction's id names: Debezium's ids are GTIDs, or `file=…,pos=…` where there are none.
fn transaction_position(id: &str) -> Position {
    let binlog = id.strip_prefix("file=").and_then(|rest| rest.split_once(",pos="));
    match binlog.and_then(|(file, pos)| Some((file, pos.parse().ok()?))) {
        Some((file, offset)) => Position::Binlog { file: file.into(), offset },
        None => Position::Gtid(id.into()),
    }
}

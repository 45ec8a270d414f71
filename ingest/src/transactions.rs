//! Whole transactions from separate topics.
//!
//! Debezium writes each table to its own topic and the boundaries of transactions to one more, so the parts of one MySQL
//! transaction arrive in any interleaving. The [`Assembler`] holds them until the transaction's END has come and, of every
//! table that it knows, as many events as END counts; it releases transactions in the order of the transaction topic. The
//! rows of a table's initial snapshot are held until the last of them and released as one commit.
//!
//! It does no I/O: whoever feeds it keeps each topic's own order and nothing else. Assumes one partition a topic.
//!
//! Source: Debezium's documentation of `provide.transaction.metadata` and of the `snapshot` field of `source`.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use delta::{Change, Commit, Op, Position, TableId};

use crate::event::{Boundary, Event, Origin, Snapshot};
use crate::timeline::seen::Seen;

/// Before the first END of the transaction topic.
pub const NOTHING: i64 = -1;

/// A table as the assembler sees it.
#[derive(Debug)]
struct Table {
    /// `database.table`, as END names it.
    collection: Arc<str>,
    /// Rows of a snapshot that is under way, and its position.
    snapshot: Option<(Position, Vec<Op>)>,
    /// Whether a whole snapshot, or an event of after it, has come.
    complete: bool,
    /// Undecodable records that no transaction misses yet.
    lost: u64,
    /// Place of the last event that belonged to no transaction.
    last: Option<(Arc<str>, u64, u32)>,
    /// Id of the newest transaction that this table has events of.
    newest: Option<Arc<str>>,
}

/// What is known of a transaction.
#[derive(Debug, Default)]
struct Transaction {
    /// Events by their order in the transaction: redelivered ones fall on themselves.
    events: BTreeMap<u64, (TableId, Vec<Op>)>,
    /// What follows them: changes without a transaction (TRUNCATE) of a table that has events here.
    after: Vec<(TableId, Vec<Op>)>,
    /// Events of each table.
    counts: Vec<(TableId, u64)>,
    /// Whether its BEGIN (or, failing that, its END) has come.
    queued: bool,
    end: Option<End>,
}

impl Transaction {
    fn insert(&mut self, order: u64, table: TableId, ops: Vec<Op>) {
        if let Entry::Vacant(entry) = self.events.entry(order) {
            entry.insert((table, ops));
            match self.counts.iter_mut().find(|(of, _)| *of == table) {
                Some((_, count)) => *count += 1,
                None => self.counts.push((table, 1)),
            }
        }
    }
}

#[derive(Debug)]
struct End {
    offset: i64,
    committed_ms: i64,
    counts: Vec<(Arc<str>, u64)>,
}

/// What holds the oldest transaction back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Its id.
    pub transaction: Arc<str>,
    /// Whether its END has come.
    pub ended: bool,
    /// Tables whose events are missing, and how many.
    pub missing: Vec<(TableId, u64)>,
}

/// See the module.
#[derive(Debug)]
pub struct Assembler {
    tables: HashMap<TableId, Table>,
    by_collection: HashMap<Arc<str>, TableId>,
    /// Ids whose BEGIN has come, in the order of the transaction topic.
    queue: VecDeque<Arc<str>>,
    /// Transactions not yet released; those not in `queue` are known by their events only.
    pending: HashMap<Arc<str>, Transaction>,
    seen: Seen,
    released: i64,
    ready: Vec<Commit>,
}

impl Default for Assembler {
    fn default() -> Self {
        Assembler {
            tables: HashMap::new(),
            by_collection: HashMap::new(),
            queue: VecDeque::new(),
            pending: HashMap::new(),
            seen: Seen::default(),
            released: NOTHING,
            ready: Vec::new(),
        }
    }
}

fn position(origin: &Origin) -> Position {
    match &origin.gtid {
        Some(gtid) => Position::Gtid(gtid.to_string()),
        None => Position::Binlog { file: origin.file.to_string(), offset: origin.pos },
    }
}

fn changes(table: TableId, ops: Vec<Op>) -> impl Iterator<Item = Change> {
    ops.into_iter().map(move |op| Change { table, op })
}

impl Assembler {
    /// An assembler that knows no table.
    pub fn new() -> Self {
        Self::default()
    }

    /// Waits from now on for the events of `table`, which END calls `collection` (`database.table`).
    pub fn add_table(&mut self, table: TableId, collection: &str) {
        self.by_collection.insert(collection.into(), table);
        let state =
            Table { collection: collection.into(), snapshot: None, complete: false, lost: 0, last: None, newest: None };
        self.tables.insert(table, state);
    }

    /// Forgets `table` and its events.
    pub fn remove_table(&mut self, table: TableId) {
        if let Some(state) = self.tables.remove(&table) {
            self.by_collection.remove(&state.collection);
        }
        for transaction in self.pending.values_mut() {
            transaction.events.retain(|_, (of, _)| *of != table);
            transaction.after.retain(|(of, _)| *of != table);
            transaction.counts.retain(|(of, _)| *of != table);
        }
    }

    /// Offset of the last END whose transaction was released, or [`NOTHING`].
    pub fn released(&self) -> i64 {
        self.released
    }

    /// Whether the whole initial snapshot of `table` has come.
    pub fn is_complete(&self, table: TableId) -> bool {
        self.tables.get(&table).is_some_and(|state| state.complete)
    }

    /// Whether rows of a snapshot of `table` are held.
    pub fn is_snapshotting(&self, table: TableId) -> bool {
        self.tables.get(&table).is_some_and(|state| state.snapshot.is_some())
    }

    /// Says that `table` had no snapshot: its topic is empty.
    pub fn without_snapshot(&mut self, table: TableId) {
        if let Some(state) = self.tables.get_mut(&table) {
            state.complete = true;
        }
    }

    /// Takes a record of the transaction topic.
    pub fn boundary(&mut self, offset: i64, boundary: Boundary) {
        match boundary {
            Boundary::Begin { id } => self.begin(id),
            Boundary::End { id, ts_ms, data_collections, .. } => {
                if self.seen.contains(&id) {
                    return;
                }
                // Without its BEGIN (it was deleted from the topic) the END gives the place in the order.
                self.begin(id.clone());
                let transaction = self.pending.entry(id).or_default();
                transaction.end.get_or_insert(End { offset, committed_ms: ts_ms, counts: data_collections });
            }
        }
    }

    fn begin(&mut self, id: Arc<str>) {
        if self.seen.contains(&id) {
            return;
        }
        let transaction = self.pending.entry(id.clone()).or_default();
        if !std::mem::replace(&mut transaction.queued, true) {
            self.queue.push_back(id);
        }
    }

    /// Takes a change event of `table`.
    pub fn event(&mut self, table: TableId, event: Event) {
        let Event { ops, origin, .. } = event;
        let Some(state) = self.tables.get_mut(&table) else { return };
        match origin.snapshot {
            Snapshot::First | Snapshot::Row | Snapshot::Last | Snapshot::LastOfAll => {
                if origin.snapshot == Snapshot::First {
                    // A snapshot that was interrupted begins again.
                    state.snapshot = None;
                }
                let last = matches!(origin.snapshot, Snapshot::Last | Snapshot::LastOfAll);
                state.snapshot.get_or_insert_with(|| (position(&origin), Vec::new())).1.extend(ops);
                if last {
                    self.end_snapshot(table);
                }
            }
            Snapshot::Incremental => self.alone(table, ops, &origin),
            Snapshot::No => {
                self.end_snapshot(table);
                match origin.transaction {
                    Some(transaction) => self.member(table, transaction.id, transaction.total_order, ops),
                    None => {
                        if self.is_new(table, &origin) {
                            self.alone(table, ops, &origin);
                        }
                    }
                }
            }
        }
    }

    fn member(&mut self, table: TableId, id: Arc<str>, order: u64, ops: Vec<Op>) {
        if self.seen.contains(&id) {
            return;
        }
        if let Some(state) = self.tables.get_mut(&table)
            && state.newest.as_ref() != Some(&id)
        {
            state.newest = Some(id.clone());
        }
        self.pending.entry(id).or_default().insert(order, table, ops);
    }

    /// Whether an event that belongs to no transaction lies behind the last such event of its table.
    fn is_new(&mut self, table: TableId, origin: &Origin) -> bool {
        let Some(state) = self.tables.get_mut(&table) else { return false };
        let place = (origin.file.clone(), origin.pos, origin.row);
        // Binlog files are numbered; of two names the longer one or the later one is the newer.
        let key = |place: &(Arc<str>, u64, u32)| (place.0.len(), place.0.clone(), place.1, place.2);
        let new = state.last.as_ref().is_none_or(|last| key(last) < key(&place));
        if new {
            state.last = Some(place);
        }
        new
    }

    /// A change that is a commit by itself. It does not overtake its own table's held events.
    fn alone(&mut self, table: TableId, ops: Vec<Op>, origin: &Origin) {
        let newest = self.tables.get(&table).and_then(|state| state.newest.as_ref());
        if let Some(transaction) = newest.and_then(|id| self.pending.get_mut(id)) {
            transaction.after.push((table, ops));
            return;
        }
        let changes = changes(table, ops).collect();
        self.ready.push(Commit {
            timeline: "".into(),
            position: position(origin),
            committed_ms: origin.ts_ms,
            changes,
        });
    }

    fn end_snapshot(&mut self, table: TableId) {
        let Some(state) = self.tables.get_mut(&table) else { return };
        state.complete = true;
        if let Some((position, ops)) = state.snapshot.take() {
            self.ready.push(Commit {
                timeline: "".into(),
                position,
                committed_ms: 0,
                changes: changes(table, ops).collect(),
            });
        }
    }

    /// Takes note of an undecodable record of `table`: a transaction that misses an event is released without it.
    pub fn lost(&mut self, table: TableId) {
        if let Some(state) = self.tables.get_mut(&table) {
            state.lost += 1;
        }
    }

    /// What `transaction` misses.
    fn missing(&self, transaction: &Transaction) -> Vec<(TableId, u64)> {
        let Some(end) = &transaction.end else { return Vec::new() };
        let counts = end.counts.iter().filter_map(|(collection, count)| {
            let table = *self.by_collection.get(collection)?;
            let have = transaction.counts.iter().find(|(of, _)| *of == table).map_or(0, |(_, count)| *count);
            (have < *count).then(|| (table, count - have))
        });
        counts.collect()
    }

    /// What holds the oldest transaction back, if anything is held.
    pub fn waiting(&self) -> Option<Waiting> {
        let id = self.queue.front()?;
        let transaction = self.pending.get(id)?;
        Some(Waiting { transaction: id.clone(), ended: transaction.end.is_some(), missing: self.missing(transaction) })
    }

    /// The commits that are whole, up to the transaction whose END lies at offset `limit`.
    pub fn release(&mut self, limit: i64) -> Vec<Commit> {
        let mut commits = std::mem::take(&mut self.ready);
        while let Some(id) = self.queue.front() {
            let Some(transaction) = self.pending.get(id) else { break };
            let Some(end) = &transaction.end else { break };
            let missing = self.missing(transaction);
            let lost = |(table, count): &(TableId, u64)| self.tables[table].lost >= *count;
            if end.offset > limit || !missing.iter().all(lost) {
                break;
            }
            for (table, count) in missing {
                self.tables.entry(table).and_modify(|state| state.lost -= count);
            }
            let Some(id) = self.queue.pop_front() else { break };
            let Some(transaction) = self.pending.remove(&id) else { break };
            self.seen.insert(&id);
            let (offset, committed_ms) = transaction.end.map_or((limit, 0), |end| (end.offset, end.committed_ms));
            self.released = offset;
            let parts = transaction.events.into_values().chain(transaction.after);
            let changes: Vec<_> = parts.flat_map(|(table, ops)| changes(table, ops)).collect();
            if !changes.is_empty() {
                commits.push(Commit {
                    timeline: "".into(),
                    position: transaction_position(&id),
                    committed_ms,
                    changes,
                });
            }
        }
        commits
    }

    /// Takes over the tables and held events of another assembler that has released exactly as much.
    pub fn absorb(&mut self, other: Assembler) {
        debug_assert_eq!(self.released, other.released, "both stand at one transaction");
        self.by_collection.extend(other.by_collection);
        self.tables.extend(other.tables);
        self.ready.extend(other.ready);
        for (id, transaction) in other.pending {
            if self.seen.contains(&id) || transaction.events.is_empty() && transaction.after.is_empty() {
                continue;
            }
            let mine = self.pending.entry(id).or_default();
            for (order, (table, ops)) in transaction.events {
                mine.insert(order, table, ops);
            }
            mine.after.extend(transaction.after);
        }
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

#[cfg(test)]
#[path = "transactions_tests.rs"]
mod tests;

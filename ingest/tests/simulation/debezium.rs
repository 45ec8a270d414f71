//! Debezium: a connector that turns the binlog into records, dies, and goes on from an earlier place.

use std::collections::BTreeMap;
use std::sync::Arc;

use tidewater_delta::{Op, Row, RowBuilder, Width};
use tidewater_ingest::event::{Boundary, Event, KeyChange, Operation, Origin, Snapshot, TransactionRef};

use crate::kafka::{Kafka, Payload};
use crate::model::{Action, Database, RowChange, STRIDE, State, Statement, Transaction, Values, by_key};
use crate::random::Random;
use crate::story::Chunk;

/// What versions and settings of Debezium differ in.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// From 3.6.1 on: a transaction that is read again goes on counting. Before, it begins at 1.
    pub(crate) order_goes_on: bool,
    /// Older versions mark rows of a snapshot by a boolean.
    pub(crate) booleans: bool,
    pub(crate) tombstones: bool,
    /// Whether `source` names the table.
    pub(crate) names_collection: bool,
    /// `provide.transaction.metadata`.
    pub(crate) metadata: bool,
    /// Times of the binlog are whole seconds, and those of events say when their statement began.
    pub(crate) coarse: bool,
    /// `snapshot.max.threads`: tables are read at once.
    pub(crate) parallel: bool,
    /// Whether it will go over to a server whose binlogs have the same names, or its own begin anew.
    pub(crate) same_names: bool,
}

/// A connector that runs.
#[derive(Debug, Clone)]
struct Connector {
    /// The next binlog entry and the next item of it.
    at: (usize, usize),
    /// It never goes back behind its snapshot.
    floor: usize,
    /// Events of the transaction so far, as this run counts them.
    total: u64,
    by_collection: BTreeMap<String, u64>,
    /// Whether this run has written the transaction's BEGIN.
    begun: bool,
}

/// MySQL, Debezium and Kafka.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) db: Database,
    pub(crate) kafka: Kafka,
    pub(crate) random: Random,
    pub(crate) options: Options,
    connector: Option<Connector>,
    /// Which server Debezium reads, and whether its binlog files are named as the first one's.
    server: (u32, bool),
    /// Binlog entries of which all records were written.
    pub(crate) done: usize,
    /// Ids of transactions and of snapshots' positions: how many entries are included.
    pub(crate) positions: Vec<(String, usize)>,
    /// Moments at which nothing moves for some seconds, and how many entries are included then.
    pub(crate) rests: Vec<(u64, usize)>,
    /// Whether a transaction was begun that will not be ended.
    pub(crate) torn: bool,
    /// Whether the connector is about to be stopped between the two events of a changed primary key.
    forgets: bool,
    /// Topics and keys of the insertions that were never written.
    pub(crate) forgotten: Vec<(usize, i64)>,
    /// Binlog entries, changes in them and tables of those that no restart has gone back to.
    uncounted: Vec<(usize, usize, usize)>,
    /// The first binlog entry and item that was never taken.
    furthest: (usize, usize),
}

/// A row of the simulation.
pub(crate) fn row((a, b): Values) -> Row {
    let mut builder = RowBuilder::new(vec![Width::Fixed; 2]);
    builder.set_slot(0, a as u64);
    builder.set_slot(1, b as u64);
    builder.take()
}

pub(crate) fn key_row(key: i64) -> Row {
    let mut builder = RowBuilder::new(vec![Width::Fixed]);
    builder.set_slot(0, key as u64);
    builder.take()
}

fn ops(keyed: bool, before: Option<Values>, after: Option<Values>) -> Vec<Op> {
    match (keyed, before, after) {
        (true, _, Some(after)) => vec![Op::Upsert(row(after))],
        (true, Some(before), None) => vec![Op::Delete(key_row(before.0))],
        (false, before, after) => {
            let before = before.map(|before| Op::Remove(row(before)));
            before.into_iter().chain(after.map(|after| Op::Insert(row(after)))).collect()
        }
        (true, None, None) => Vec::new(),
    }
}

fn items(transaction: &Transaction) -> usize {
    if transaction.truncate.is_some() { 1 } else { transaction.changes.len() + 2 }
}

/// Events that Debezium makes of a row: an update of the key is a delete and a create.
fn events(keyed: bool, change: &RowChange) -> Vec<(Operation, Option<Values>, Option<Values>)> {
    match (change.before, change.after) {
        (Some(before), Some(after)) if keyed && before.0 != after.0 => {
            vec![(Operation::Delete, Some(before), None), (Operation::Create, None, Some(after))]
        }
        (Some(before), Some(after)) => vec![(Operation::Update, Some(before), Some(after))],
        (Some(before), None) => vec![(Operation::Delete, Some(before), None)],
        (None, after) => vec![(Operation::Create, None, after)],
    }
}

impl World {
    pub(crate) fn new(db: Database, kafka: Kafka, options: Options, seed: u64) -> Self {
        let random = Random::new(seed);
        World {
            db,
            kafka,
            random,
            options,
            connector: None,
            server: (0, true),
            done: 0,
            positions: Vec::new(),
            rests: Vec::new(),
            torn: false,
            forgets: false,
            forgotten: Vec::new(),
            uncounted: Vec::new(),
            furthest: (0, 0),
        }
    }

    pub(crate) fn commit(&mut self, statements: &[Statement]) {
        self.kafka.now_ms += self.random.below(400) as i64;
        self.db.commit(statements, self.kafka.now_ms);
    }

    pub(crate) fn truncate(&mut self, table: usize) {
        self.kafka.now_ms += self.random.below(400) as i64;
        self.db.truncate(table, self.kafka.now_ms);
    }

    /// RESET BINARY LOGS AND GTIDS: what was before cannot be read any more.
    pub(crate) fn reset(&mut self) {
        self.stream(usize::MAX);
        // Nothing tells two transactions of one id that were committed in one second.
        self.kafka.pause(if self.options.coarse { 3_000 } else { 0 });
        self.db.reset();
        if let Some(connector) = &mut self.connector {
            connector.floor = self.db.binlog.len();
        }
    }

    pub(crate) fn runs(&self) -> bool {
        self.connector.is_some()
    }

    /// File and position of an event of a binlog entry, on the server that is read.
    fn place(&self, number: usize, event: u64) -> (Arc<str>, u64) {
        let transaction = self.db.binlog.get(number);
        let (file, pos) = transaction.map_or((self.db.file, self.db.pos), |t| (t.file, t.pos));
        match self.server {
            (0, _) => (format!("binlog.{file:06}").into(), pos + event * STRIDE),
            (_, true) => ("binlog.000001".into(), 4 + number as u64 * 64 + event),
            (server, false) => (format!("replica{server}-bin.000001").into(), 4 + number as u64 * 64 + event),
        }
    }

    /// The time that an event of a binlog entry carries; 0 is the commit.
    fn event_ms(&self, number: usize, event: u64) -> i64 {
        let commit_ms = self.db.binlog[number].commit_ms;
        if !self.options.coarse {
            return commit_ms;
        }
        // Statements come one after the other, and the last one before the commit.
        let earlier = if event == 0 { 0 } else { [1_400, 700, 0][(event as usize - 1).min(2)] };
        (commit_ms - earlier) / 1_000 * 1_000
    }

    fn id(&self, number: usize) -> Arc<str> {
        match &self.db.binlog[number].gtid {
            Some(gtid) => gtid.as_str().into(),
            None => {
                let (file, pos) = self.place(number, 0);
                format!("file={file},pos={pos}").into()
            }
        }
    }

    /// What the position of its commit is.
    fn position(&self, number: usize) -> String {
        let (file, pos) = self.place(number, 0);
        self.db.binlog[number].gtid.clone().unwrap_or_else(|| format!("{file}:{pos}"))
    }

    /// Takes up to `count` entries of the binlog whole.
    pub(crate) fn stream(&mut self, count: usize) {
        let Some(connector) = &self.connector else { return };
        let to = connector.at.0.saturating_add(count).min(self.db.binlog.len());
        while self.connector.as_ref().is_some_and(|connector| connector.at.0 < to) {
            self.item();
        }
    }

    /// Takes some items, dies, and goes on some items earlier.
    pub(crate) fn crash(&mut self, into: usize, back: usize) {
        if self.connector.is_none() {
            return;
        }
        for _ in 0..into {
            self.item();
        }
        self.kafka.pause(3_000);
        self.resume(back);
    }

    /// Takes some items, is stopped between the two events of the next changed primary key, and takes it for done.
    pub(crate) fn forget(&mut self, into: usize) {
        for _ in 0..into {
            self.item();
        }
        while let Some(Connector { at: (number, item), .. }) = self.connector.clone() {
            let Some(transaction) = self.db.binlog.get(number) else { return };
            let change = item.checked_sub(1).and_then(|item| transaction.changes.get(item)).cloned();
            let changes_key = |change: &RowChange| events(self.db.tables[change.table].keyed, change).len() > 1;
            // What was written before is not forgotten.
            self.forgets = (number, item) >= self.furthest && change.as_ref().is_some_and(changes_key);
            self.item();
            if std::mem::take(&mut self.forgets) {
                self.uncounted.extend(change.map(|change| (number, item - 1, change.table)));
                self.kafka.pause(3_000);
                self.resume(0);
                return;
            }
        }
    }

    /// Takes some items and is not heard of any more.
    pub(crate) fn die(&mut self, into: usize) {
        for _ in 0..into {
            self.item();
        }
        let done = self.done;
        self.torn = self.connector.take().is_some_and(|connector| connector.begun && connector.at.0 >= done);
    }

    /// Takes all that there is, and rests.
    pub(crate) fn rest(&mut self) {
        self.stream(usize::MAX);
        let at = self.kafka.rest();
        self.rests.push((at, self.done));
    }

    /// The same, and goes on from another server.
    pub(crate) fn fail_over(&mut self, into: usize, back: usize, same_names: bool) {
        if self.db.server.is_none() || self.connector.is_none() {
            return;
        }
        for _ in 0..into {
            self.item();
        }
        self.db.fail_over();
        self.server = (self.server.0 + 1, same_names);
        self.kafka.pause(3_000);
        self.resume(back);
    }

    fn resume(&mut self, back: usize) {
        let Some(connector) = &mut self.connector else { return };
        for _ in 0..back {
            match connector.at {
                (number, 0) if number > connector.floor => {
                    connector.at = (number - 1, items(&self.db.binlog[number - 1]) - 1);
                }
                (_, 0) => {}
                (number, item) => connector.at = (number, item - 1),
            }
        }
        let (number, item) = connector.at;
        (connector.begun, connector.total) = (false, 0);
        connector.by_collection.clear();
        self.uncounted.retain(|(of, change, _)| *of == number && change + 1 < item);
        if self.options.order_goes_on && item > 1 {
            for change in &self.db.binlog[number].changes[..item - 1] {
                let table = &self.db.tables[change.table];
                let count = events(table.keyed, change).len() as u64;
                connector.total += count;
                *connector.by_collection.entry(table.collection.clone()).or_default() += count;
            }
            for (_, _, table) in &self.uncounted {
                connector.total -= 1;
                let count = connector.by_collection.get_mut(&self.db.tables[*table].collection);
                count.into_iter().for_each(|count| *count -= 1);
            }
        }
    }

    /// Takes the next item of the binlog: a BEGIN, a row, an END or a TRUNCATE.
    fn item(&mut self) {
        let Some(Connector { at: (number, item), begun, .. }) = self.connector.clone() else { return };
        let Some(transaction) = self.db.binlog.get(number).cloned() else { return };
        if let Some(table) = transaction.truncate {
            self.positions.push((self.position(number), number + 1));
            self.write_truncate(number, table);
        } else {
            if !begun {
                self.begin(number);
            }
            if item > transaction.changes.len() {
                self.end(number);
            } else if item > 0 {
                self.write_change(number, &transaction.changes[item - 1]);
            }
        }
        let last = item + 1 == items(&transaction);
        self.furthest = self.furthest.max((number, item + 1));
        let Some(connector) = &mut self.connector else { return };
        connector.at = if last { (number + 1, 0) } else { (number, item + 1) };
        if last {
            (connector.begun, connector.total) = (false, 0);
            connector.by_collection.clear();
            self.done = self.done.max(number + 1);
        }
    }

    fn write_boundary(&mut self, boundary: Boundary) {
        if !self.options.metadata {
            return;
        }
        let topic = self.kafka.transactions();
        self.kafka.write(&mut self.random, (topic, 0), Payload::Boundary(boundary), None, Vec::new());
    }

    fn begin(&mut self, number: usize) {
        let id = self.id(number);
        self.positions.push((self.position(number), number + 1));
        let first = u64::from(!self.db.binlog[number].changes.is_empty());
        let ts_ms = self.event_ms(number, first);
        self.write_boundary(Boundary::Begin { id, ts_ms });
        if let Some(connector) = &mut self.connector {
            connector.begun = true;
        }
    }

    fn end(&mut self, number: usize) {
        let Some(connector) = &self.connector else { return };
        let counts = connector.by_collection.iter().map(|(name, &count)| (Arc::from(name.as_str()), count));
        let (event_count, data_collections) = (connector.total, counts.collect());
        let (id, ts_ms) = (self.id(number), self.event_ms(number, 0));
        self.write_boundary(Boundary::End { id, event_count, ts_ms, data_collections });
    }

    fn origin(&self, table: usize, snapshot: Snapshot, (file, pos): (Arc<str>, u64), ts_ms: i64) -> Origin {
        let collection = if self.options.names_collection { self.db.tables[table].collection.as_str() } else { "" };
        let collection = collection.into();
        Origin { snapshot, collection, server_id: 0, file, pos, row: 0, gtid: None, ts_ms, transaction: None }
    }

    fn write_event(&mut self, table: usize, event: Event, touches: Vec<Values>, tombstone: bool) {
        let (topic, keyed) = (self.db.tables[table].topic, self.db.tables[table].keyed);
        let partitions = self.kafka.topics[topic].partitions.len();
        let key = touches.last().filter(|_| keyed && event.operation != Operation::Truncate).map(|row| row.0);
        let partition = match key {
            Some(key) => (key.unsigned_abs().wrapping_mul(0x9e37_79b9) >> 7) as usize % partitions,
            None => self.random.below(partitions),
        };
        self.kafka.write(&mut self.random, (topic, partition), Payload::Event(event), key, touches);
        if tombstone && self.options.tombstones {
            self.kafka.write(&mut self.random, (topic, partition), Payload::Tombstone, key, Vec::new());
        }
    }

    fn write_change(&mut self, number: usize, change: &RowChange) {
        let keyed = self.db.tables[change.table].keyed;
        let collection = self.db.tables[change.table].collection.clone();
        let events = events(keyed, change);
        let changes_key = events.len() > 1;
        for (operation, before, after) in events {
            let key_change = changes_key.then_some(match operation {
                Operation::Delete => KeyChange::Deletion,
                _ => KeyChange::Insertion,
            });
            if self.forgets && key_change == Some(KeyChange::Insertion) {
                self.forgotten.extend(after.map(|row| (self.db.tables[change.table].topic, row.0)));
                return;
            }
            let place = self.place(number, change.event);
            let mut origin = self.origin(change.table, Snapshot::No, place, self.event_ms(number, change.event));
            origin.server_id = self.server.0 as u64 + 1;
            origin.row = change.row;
            origin.gtid = self.db.binlog[number].gtid.as_deref().map(Arc::from);
            let id = self.id(number);
            let Some(connector) = &mut self.connector else { return };
            connector.total += 1;
            let count = connector.by_collection.entry(collection.clone()).or_default();
            *count += 1;
            let (total_order, data_collection_order) = (connector.total, *count);
            let member = TransactionRef { id, total_order, data_collection_order };
            origin.transaction = self.options.metadata.then_some(member);
            let event = Event { operation, ops: ops(keyed, before, after).into(), origin, key_change };
            let touches = before.into_iter().chain(after).collect();
            self.write_event(change.table, event, touches, operation == Operation::Delete);
        }
    }

    fn write_truncate(&mut self, number: usize, table: usize) {
        let place = self.place(number, 1);
        let mut origin = self.origin(table, Snapshot::No, place, self.event_ms(number, 0));
        origin.server_id = self.server.0 as u64 + 1;
        origin.gtid = self.db.binlog[number].gtid.as_deref().map(Arc::from);
        let event = Event { operation: Operation::Truncate, ops: [Op::Truncate].into(), origin, key_change: None };
        self.write_event(table, event, Vec::new(), false);
    }

    /// Writes the rows of `tables` as they are now. Returns false if `stop` rows came first: the connector died.
    fn write_snapshot(&mut self, tables: &[usize], stop: Option<usize>, last_is_empty: bool) -> bool {
        self.kafka.now_ms += 20;
        let ts_ms = self.kafka.now_ms / 1_000 * 1_000;
        let now = self.db.binlog.len();
        let place = self.place(now, 0);
        self.positions.push((format!("{}:{}", place.0, place.1), now));
        let rows = self.snapshot_rows(tables);
        let total = rows.len();
        for (written, (nth, values, first, last)) in rows.into_iter().enumerate() {
            if stop.is_some_and(|stop| written >= stop) {
                return false;
            }
            let marker = match self.options.booleans {
                true => Snapshot::Row,
                false if written + 1 == total && (nth + 1 == tables.len() || !last_is_empty) => Snapshot::LastOfAll,
                false if nth == 0 && first => Snapshot::First,
                false if last => Snapshot::Last,
                false if first => Snapshot::First,
                false => Snapshot::Row,
            };
            self.write_read(tables[nth], marker, place.clone(), ts_ms, values, None);
        }
        stop.is_none()
    }

    /// The rows of `tables` in the order in which they are read: number of the table, row, whether it is its first or last.
    fn snapshot_rows(&mut self, tables: &[usize]) -> Vec<(usize, Values, bool, bool)> {
        let rows = |state: &State| -> Vec<Values> {
            state.iter().flat_map(|(&row, &count)| std::iter::repeat_n(row, count as usize)).collect()
        };
        let mut queues: Vec<_> = tables.iter().map(|&table| rows(self.db.rows(table)).into_iter().peekable()).collect();
        let mut all = Vec::new();
        let mut begun = vec![false; tables.len()];
        loop {
            let open: Vec<usize> = (0..queues.len()).filter(|&nth| queues[nth].peek().is_some()).collect();
            let Some(&first) = open.first() else { return all };
            let nth = if self.options.parallel { *self.random.pick(&open) } else { first };
            let Some(values) = queues[nth].next() else { return all };
            let last = queues[nth].peek().is_none();
            all.push((nth, values, !std::mem::replace(&mut begun[nth], true), last));
        }
    }

    fn write_read(
        &mut self,
        table: usize,
        marker: Snapshot,
        place: (Arc<str>, u64),
        ts_ms: i64,
        values: Values,
        gtid: Option<Arc<str>>,
    ) {
        let keyed = self.db.tables[table].keyed;
        let mut origin = self.origin(table, marker, place, ts_ms);
        origin.gtid = gtid;
        let event =
            Event { operation: Operation::Read, ops: ops(keyed, None, Some(values)).into(), origin, key_change: None };
        self.write_event(table, event, vec![values], false);
    }

    /// A connector without offsets: a snapshot of all tables, then streaming. It may die after `stop` rows.
    pub(crate) fn initial(&mut self, stop: Option<usize>, last_is_empty: bool) {
        self.kafka.pause(3_000);
        self.connector = None;
        let tables: Vec<usize> = (0..self.db.tables.len()).collect();
        let now = self.db.binlog.len();
        if self.write_snapshot(&tables, stop, last_is_empty) {
            let at = (now, 0);
            let by_collection = BTreeMap::new();
            self.connector = Some(Connector { at, floor: now, total: 0, by_collection, begun: false });
            (self.done, self.torn) = (now, false);
            // On another server only times tell what follows a snapshot from what it holds.
            self.kafka.pause(if self.options.coarse { 4_000 } else { 1_500 });
        }
    }

    /// Streaming from the present on, without a snapshot.
    pub(crate) fn without_snapshot(&mut self) {
        let at = (self.db.binlog.len(), 0);
        self.connector = Some(Connector { at, floor: at.0, total: 0, by_collection: BTreeMap::new(), begun: false });
        self.done = at.0;
    }

    /// A blocking snapshot: streaming pauses, the rows are of now, streaming goes on from where it was.
    pub(crate) fn blocking(&mut self, tables: &[usize]) {
        if self.connector.as_ref().is_some_and(|connector| connector.at.1 == 0) {
            self.kafka.pause(1_000);
            self.write_snapshot(tables, None, false);
            self.kafka.pause(match (self.options.coarse, self.options.same_names) {
                (true, _) => 4_000,
                // A snapshot's time has whole seconds, and of places in two binlogs of one name only times tell.
                (false, true) => 1_500,
                (false, false) => 0,
            });
        }
    }

    /// A chunk of an incremental snapshot: two watermarks in the signal table, other transactions between them.
    pub(crate) fn chunk(&mut self, chunk: &Chunk) {
        let Chunk { table, keys, during, read_after } = chunk;
        let (table, read_after) = (*table, *read_after);
        if self.connector.is_none() {
            return;
        }
        let signals = self.db.tables.len() - 1;
        let mark = |b| vec![Statement { table: signals, action: Action::Shift, a: 0, b }];
        self.commit(&mark(1));
        let open = self.db.binlog.len();
        let mut read = None;
        for (number, statements) in during.iter().enumerate() {
            if number == read_after {
                read = Some(self.db.rows(table).clone());
            }
            self.commit(statements);
        }
        let read = read.unwrap_or_else(|| self.db.rows(table).clone());
        self.commit(&mark(2));
        let close = self.db.binlog.len() - 1;
        let Some(connector) = &self.connector else { return };
        self.stream(close - connector.at.0);
        self.item();
        self.item();
        let changes = self.db.binlog[open..close].iter().flat_map(|transaction| &transaction.changes);
        let changes = changes.filter(|change| change.table == table);
        let touched: Vec<i64> =
            changes.flat_map(|change| change.before.into_iter().chain(change.after)).map(|row| row.0).collect();
        let (place, ts_ms) = (self.place(close, 1), self.kafka.now_ms);
        let base = self.db.tables[table].base;
        let gtid: Option<Arc<str>> = self.db.binlog[close].gtid.as_deref().map(Arc::from);
        for key in keys.0 + base..=keys.1 + base {
            if let Some(values) = by_key(&read, key).filter(|_| !touched.contains(&key)) {
                self.write_read(table, Snapshot::Incremental, place.clone(), ts_ms, values, gtid.clone());
            }
        }
        self.stream(1);
    }
}

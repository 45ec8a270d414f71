//! `tidewater.dead_letters`: records that could not be decoded, the newest ones. How many there were in all is counted
//! elsewhere; here is what a user needs to see why.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use delta::{Change, Commit, Op, Row, RowBuilder};

use crate::database::Database;

/// Rows kept unless [`Database::keep_dead_letters`] says otherwise.
const ROWS: usize = 10_000;
/// Bytes of raw records kept: some records have megabytes.
const BYTES: usize = 64 << 20;

/// Columns that say which record it is: a source that is read again brings the same ones.
pub(crate) const KEY: [usize; 4] = [0, 1, 2, 3];

/// What is kept, oldest first.
#[derive(Debug)]
pub(crate) struct Held {
    rows: usize,
    bytes: usize,
    /// Key of each, and its bytes.
    order: VecDeque<(Row, usize)>,
    keys: HashSet<Row>,
}

impl Default for Held {
    fn default() -> Self {
        Held { rows: ROWS, bytes: 0, order: VecDeque::new(), keys: HashSet::new() }
    }
}

/// Columns of `tidewater.dead_letters`.
pub(crate) fn columns() -> SchemaRef {
    let text = |name| Field::new(name, DataType::Utf8, false);
    let bytes = |name| Field::new(name, DataType::Binary, true);
    let time = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    Arc::new(Schema::new(vec![
        text("source"),
        text("topic"),
        Field::new("partition", DataType::Int32, false),
        Field::new("offset", DataType::Int64, false),
        Field::new("recorded_at", time, false),
        bytes("key"),
        bytes("value"),
        text("reason"),
    ]))
}

impl Database {
    /// At most so many dead letters are kept from now on.
    pub fn keep_dead_letters(&mut self, rows: usize) {
        self.held.rows = rows;
    }

    /// Keeps records that could not be decoded, in one tick; the oldest ones go.
    pub fn add_dead_letters(&mut self, rows: Vec<Row>) {
        let kinds = self.dead_letter_kinds().clone();
        let mut key = RowBuilder::new(KEY.iter().map(|&at| kinds[at].clone()).collect::<Vec<_>>());
        let table = self.dead_letters;
        let mut changes = Vec::new();
        for row in rows {
            for (to, &from) in KEY.iter().enumerate() {
                key.set(to, row.as_ref().get(from, &kinds[from]));
            }
            let name = key.take();
            if self.held.keys.insert(name.clone()) {
                let bytes = row.as_ref().bytes().len();
                self.held.bytes += bytes;
                self.held.order.push_back((name, bytes));
            }
            changes.push(Change { table, op: Op::Upsert(row) });
        }
        while self.held.order.len() > self.held.rows || self.held.bytes > BYTES {
            let Some((name, bytes)) = self.held.order.pop_front() else { break };
            self.held.bytes -= bytes;
            self.held.keys.remove(&name);
            changes.push(Change { table, op: Op::Delete(name) });
        }
        self.apply([Commit::local(changes)]);
    }
}

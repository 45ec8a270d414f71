//! `tidewater.dead_letters`: records that could not be decoded, the newest ones. How many there were in all is counted
//! elsewhere; here is what a user needs to see why.

use std::collections::{HashSet, VecDeque};
use tidewater_delta::{Change, Commit, Op, Row, RowBuilder};
use tidewater_types::{Column, Packing, Type};

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
pub(crate) fn columns() -> Vec<Column> {
    vec![
        Column::new("source", Type::Text).not_null(),
        Column::new("topic", Type::Text).not_null(),
        Column::new("partition", Type::Int4).not_null(),
        Column::new("offset", Type::Int8).not_null(),
        Column::new("recorded_at", Type::TimestampTz).not_null(),
        Column::new("key", Type::Bytea),
        Column::new("value", Type::Bytea),
        Column::new("reason", Type::Text).not_null(),
    ]
}

impl Database {
    /// At most so many dead letters are kept from now on.
    pub fn keep_dead_letters(&mut self, rows: usize) {
        self.held.rows = rows;
    }

    /// Keeps records that could not be decoded, in one tick; the oldest ones go.
    pub fn add_dead_letters(&mut self, rows: Vec<Row>) {
        let types = self.dead_letter_types();
        let mut key = RowBuilder::new(KEY.iter().map(|&at| Packing::of(&types[at]).width()).collect::<Vec<_>>());
        let table = self.dead_letters;
        let mut changes = Vec::new();
        for row in rows {
            for (to, &from) in KEY.iter().enumerate() {
                key.copy(to, row.as_ref(), from);
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

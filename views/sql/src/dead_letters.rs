//! `tidewater.dead_letters`: records that could not be decoded, the newest ones. How many there were in all is counted
//! elsewhere; here is what a user needs to see why.

use std::collections::{HashSet, VecDeque};
use tidewater_delta::{Change, Commit, Op, Row, RowBuilder, RowRef, TableId};
use tidewater_engine::Image;
use tidewater_types::{Column, Packing, Type};

use crate::Result;
use crate::database::Database;
use crate::kept_sources::damaged;

/// Rows kept unless [`Database::keep_dead_letters`] says otherwise.
const ROWS: usize = 10_000;
/// Bytes of raw records kept: some records have megabytes.
const BYTES: usize = 64 << 20;

/// Columns that say which record it is: a source that is read again brings the same ones.
pub(crate) const KEY: [usize; 4] = [0, 1, 2, 3];
/// Column of the record's time.
const RECORDED_AT: usize = 4;

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
        let mut key = self.dead_letter_key();
        for row in &rows {
            self.held.add(&mut key, row.as_ref());
        }
        let table = self.dead_letters;
        let mut changes: Vec<_> = rows.into_iter().map(|row| Change { table, op: Op::Upsert(row) }).collect();
        changes.extend(self.held.drop_oldest(table));
        self.apply([Commit::local(changes)]);
    }

    /// What is kept, as it lies, between two ticks and while no moment is held.
    pub fn keep_dead_letter_rows(&self) -> Option<Image> {
        self.circuit.image(self.tables[self.dead_letters.0 as usize])
    }

    /// Takes back what was kept, before anything reads it.
    ///
    /// # Errors
    /// XX001 if the rows are none; there are no dead letters then.
    pub fn restore_dead_letters(&mut self, image: Image) -> Result<()> {
        let (table, node) = (self.dead_letters, self.tables[self.dead_letters.0 as usize]);
        self.circuit.restore(node, image).map_err(|no| damaged("dead letter", no))?;
        self.circuit.fill_indexes();
        let snapshot = self.circuit.snapshot(node);
        let mut rows: Vec<RowRef<'_>> = snapshot.rows().map(|(row, _)| row).collect();
        rows.sort_by_key(|row| row.slot(RECORDED_AT) as i64);
        let mut key = self.dead_letter_key();
        rows.into_iter().for_each(|row| self.held.add(&mut key, row));
        let changes = self.held.drop_oldest(table);
        self.apply([Commit::local(changes)]);
        Ok(())
    }

    fn dead_letter_key(&self) -> RowBuilder {
        let types = self.dead_letter_types();
        RowBuilder::new(KEY.iter().map(|&at| Packing::of(&types[at]).width()).collect::<Vec<_>>())
    }
}

impl Held {
    fn add(&mut self, key: &mut RowBuilder, row: RowRef<'_>) {
        for (to, &from) in KEY.iter().enumerate() {
            key.copy(to, row, from);
        }
        let name = key.take();
        if self.keys.insert(name.clone()) {
            let bytes = row.bytes().len();
            self.bytes += bytes;
            self.order.push_back((name, bytes));
        }
    }

    /// Deletes those for which there is no room.
    fn drop_oldest(&mut self, table: TableId) -> Vec<Change> {
        let mut gone = Vec::new();
        while self.order.len() > self.rows || self.bytes > BYTES {
            let Some((name, bytes)) = self.order.pop_front() else { break };
            self.bytes -= bytes;
            self.keys.remove(&name);
            gone.push(Change { table, op: Op::Delete(name) });
        }
        gone
    }
}

#[cfg(test)]
mod tests {
    use tidewater_query::run::pack_row;
    use tidewater_types::Datum;

    use super::*;

    fn letter(database: &Database, offset: i64) -> Row {
        let values = [
            Datum::from("orders"),
            Datum::from("shop.orders"),
            Datum::Int(0),
            Datum::Int(offset),
            Datum::Int(1_000 * offset),
            Datum::Null,
            Datum::Bytes(b"{"),
            Datum::from("no JSON"),
        ];
        pack_row(database.dead_letter_types(), &values)
    }

    fn offsets(database: &Database) -> Vec<u64> {
        let node = database.tables[database.dead_letters.0 as usize];
        let mut found: Vec<u64> = database.circuit.snapshot(node).rows().map(|(row, _)| row.slot(3)).collect();
        found.sort_unstable();
        found
    }

    #[test]
    fn what_was_kept_comes_back_and_the_oldest_go_first() {
        let mut database = Database::new();
        let letters: Vec<Row> = [5, 3, 9, 7].map(|offset| letter(&database, offset)).into();
        database.add_dead_letters(letters);
        let image = database.keep_dead_letter_rows().expect("nothing is held");
        let mut again = Database::new();
        again.keep_dead_letters(3);
        again.restore_dead_letters(image).expect("an image");
        assert_eq!(offsets(&again), [5, 7, 9], "there is room for three");
        // One that is read again is the same one.
        again.add_dead_letters(vec![letter(&again, 9), letter(&again, 11)]);
        assert_eq!(offsets(&again), [7, 9, 11]);
    }
}

//! The groups that a tick touches, each once, without an allocation for each.

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use tidewater_delta::{RowRef, hash_bytes};

use crate::pending::clear;

/// Rows of key columns, each once, in the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    bytes: Vec<u8>,
    /// Where each row ends.
    ends: Vec<usize>,
    table: HashTable<usize>,
}

fn row<'a>(bytes: &'a [u8], ends: &[usize], number: usize) -> &'a [u8] {
    let start = if number == 0 { 0 } else { ends[number - 1] };
    &bytes[start..ends[number]]
}

impl Groups {
    /// Puts a group in, if it is not.
    pub(crate) fn insert(&mut self, group: RowRef<'_>) {
        let (bytes, ends) = (&mut self.bytes, &mut self.ends);
        // The rows that leave and come in one place are mostly of one group and follow each other.
        if !ends.is_empty() && row(bytes, ends, ends.len() - 1) == group.bytes() {
            return;
        }
        let same = |number: &usize| row(bytes, ends, *number) == group.bytes();
        let hash = |number: &usize| hash_bytes(row(bytes, ends, *number));
        if let Entry::Vacant(place) = self.table.entry(hash_bytes(group.bytes()), same, hash) {
            place.insert(ends.len());
            bytes.extend_from_slice(group.bytes());
            ends.push(bytes.len());
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// A group by its number.
    pub(crate) fn get(&self, number: usize) -> RowRef<'_> {
        RowRef::new(row(&self.bytes, &self.ends, number))
    }

    /// All groups.
    pub(crate) fn iter(&self) -> impl Iterator<Item = RowRef<'_>> {
        (0..self.len()).map(|number| self.get(number))
    }

    /// Begins anew.
    pub(crate) fn clear(&mut self) {
        clear(&mut self.bytes);
        clear(&mut self.ends);
        // To empty a table costs as much as it has room.
        if self.table.len() < self.table.capacity() / 8 {
            self.table = HashTable::new();
        }
        self.table.clear();
    }
}

//! Which events of one transaction have come, one by one, for tables without a key: what comes twice would count twice.
//!
//! Two things tell an event: its place in the binlog, and its number in the transaction. A connector that restarts goes back
//! and writes some events again. On the same server they have the same place. On another server places differ and numbers are
//! the same, for connectors that go on counting; older ones (before 3.6.1) count from 1 again, so there one number is two
//! events, of which the later one lies further. What neither tells is `Unclear`: a number that came before with the same rows,
//! and now lies further in a file of the same name. Either it is another server whose files have the same names, or an old
//! connector and two equal rows.

use std::collections::HashMap;
use std::hash::Hasher;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use siphasher::sip::SipHasher13;
use tidewater_delta::Op;

use super::seen::Before;
use crate::event::Origin;

/// See the module.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Known {
    files: Vec<Arc<str>>,
    /// By number of the file, position, row, and whether it deletes: its number in the transaction.
    places: HashMap<(usize, u64, u32, bool), u64>,
    /// By number: where the event lies that had it first, and its rows.
    numbers: HashMap<u64, (usize, u64, u32, u64)>,
    /// The time of the youngest.
    last_ms: i64,
    /// Whether a connector counted anew: numbers do not order the events.
    pub(crate) renumbered: bool,
}

/// Of a partition, whose events come in their order, so many are told one by one; of the rest their order tells.
pub(crate) const TOLD: usize = 100_000;

impl Known {
    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether the event comes for the first time; it is known from then on. What has the place of another and is younger than all is
    /// [`Before::Reused`]: of another transaction of this id. `in_order`: a server's events come in their order.
    pub(crate) fn tell(&mut self, origin: &Origin, ops: &[Op], in_order: bool) -> Before {
        let number = origin.transaction.as_ref().map_or(0, |transaction| transaction.total_order);
        let (file, pos, row) = (self.file(&origin.file), origin.pos, origin.row);
        let place = (file, pos, row, matches!(ops, [Op::Remove(_)]));
        let younger = origin.ts_ms > self.last_ms;
        self.last_ms = self.last_ms.max(origin.ts_ms);
        if let Some(first) = self.places.get(&place) {
            self.renumbered |= *first != number;
            return if younger { Before::Reused } else { Before::Again };
        }
        let rows = rows(ops);
        let lies_before = |other: &(usize, u64, u32, u64)| other.0 == file && (pos, row) < (other.1, other.2);
        let told = match self.numbers.get(&number).filter(|_| number > 0) {
            // An older connector counts anew on another server, too.
            None if self.is_elsewhere(file, rows) => Before::Unclear,
            // It lies before what follows it, which came before: on a server whose files have the same names, or it was lost then.
            None if in_order && self.numbers.get(&(number + 1)).is_some_and(lies_before) => Before::Unclear,
            None => Before::New,
            Some((other, .., same)) if *other != file && *same == rows => Before::Again,
            Some((other, ..)) if *other != file => Before::Unclear,
            Some(first) if in_order && first.3 != rows && lies_before(first) => Before::Unclear,
            // Old connectors count anew, so other rows of the same server are another event, and other rows of one binlog event.
            Some((_, other, _, same)) if *same != rows || *other == pos => Before::New,
            Some(first) if lies_before(first) => Before::Again,
            Some(_) => Before::Unclear,
        };
        if told == Before::New {
            self.places.insert(place, number);
            let first = self.numbers.entry(number).or_insert((file, pos, row, rows));
            self.renumbered |= (first.1, first.2) != (pos, row);
        }
        told
    }

    /// Whether an event of another file has the same rows.
    fn is_elsewhere(&self, file: usize, rows: u64) -> bool {
        self.files.len() > 1 && self.numbers.values().any(|(other, .., same)| *other != file && *same == rows)
    }

    fn file(&mut self, name: &Arc<str>) -> usize {
        self.files.iter().position(|known| known == name).unwrap_or_else(|| {
            self.files.push(name.clone());
            self.files.len() - 1
        })
    }
}

/// A hash of an event's rows. It is kept over restarts, so it is SipHash 1-3 over bytes that are written out here, and not the
/// standard library's: that one's values, and what `Hash` feeds it, may change with a release of Rust.
fn rows(ops: &[Op]) -> u64 {
    let mut hasher = SipHasher13::new();
    for op in ops {
        let (what, bytes) = match op {
            Op::Insert(row) | Op::Upsert(row) => (1, row.bytes()),
            Op::Remove(row) | Op::Delete(row) => (2, row.bytes()),
            Op::Truncate => (3, &[][..]),
        };
        hasher.write(&[what]);
        hasher.write(&(bytes.len() as u64).to_le_bytes());
        hasher.write(bytes);
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use tidewater_delta::{RowBuilder, Width};

    use super::*;

    /// What a release before wrote is compared with what this one computes.
    #[test]
    fn the_hash_of_rows_never_changes() {
        let mut builder = RowBuilder::new(vec![Width::Fixed, Width::Variable]);
        builder.set_slot(0, 7);
        builder.set_tail(1, b"seven");
        let row = builder.take();
        assert_eq!(rows(&[Op::Remove(row.clone()), Op::Insert(row)]), 12_105_192_722_562_206_530);
        assert_eq!(rows(&[Op::Truncate]), 16_861_657_794_771_480_865);
    }
}

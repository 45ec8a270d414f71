//! Which events of one transaction have come, one by one, for tables without a key: what comes twice would count twice.
//!
//! Two things tell an event: its place in the binlog, and its number in the transaction. A connector that restarts goes back
//! and writes some events again. On the same server they have the same place. On another server places differ and numbers are
//! the same, for connectors that go on counting; older ones (before 3.6.1) count from 1 again, so there one number is two
//! events, of which the later one lies further. What neither tells is `Unclear`: a number that came before with the same rows,
//! and now lies further in a file of the same name. Either it is another server whose files have the same names, or an old
//! connector and two equal rows.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use tidewater_delta::Op;

use super::seen::Before;
use crate::event::Origin;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Known {
    files: Vec<Arc<str>>,
    /// By number of the file, position, row, and whether it deletes: its number in the transaction.
    places: HashMap<(usize, u64, u32, bool), u64>,
    /// By number: where the event lies that had it first, and its rows.
    numbers: HashMap<u64, (usize, u64, u32, u64)>,
    /// Whether a connector counted anew: numbers do not order the events.
    pub(crate) renumbered: bool,
}

/// Of a partition, whose events come in their order, so many are told one by one; of the rest their order tells.
pub(crate) const TOLD: usize = 100_000;

impl Known {
    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether the event comes for the first time; it is known from then on.
    pub(crate) fn tell(&mut self, origin: &Origin, ops: &[Op]) -> Before {
        let number = origin.transaction.as_ref().map_or(0, |transaction| transaction.total_order);
        let (file, pos, row) = (self.file(&origin.file), origin.pos, origin.row);
        let place = (file, pos, row, matches!(ops, [Op::Remove(_)]));
        if let Some(first) = self.places.get(&place) {
            self.renumbered |= *first != number;
            return Before::Again;
        }
        let rows = rows(ops);
        let told = match self.numbers.get(&number).filter(|_| number > 0) {
            // An older connector counts anew on another server, too.
            None if self.is_elsewhere(file, rows) => Before::Unclear,
            None => Before::New,
            Some((other, .., same)) if *other != file && *same == rows => Before::Again,
            Some((other, ..)) if *other != file => Before::Unclear,
            // Old connectors count anew, so other rows of the same server are another event, and other rows of one binlog event.
            Some((_, other, _, same)) if *same != rows || *other == pos => Before::New,
            Some((_, other, other_row, _)) if (pos, row) < (*other, *other_row) => Before::Again,
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

fn rows(ops: &[Op]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for op in ops {
        match op {
            Op::Insert(row) | Op::Upsert(row) => (1, row).hash(&mut hasher),
            Op::Remove(row) | Op::Delete(row) => (2, row).hash(&mut hasher),
            Op::Truncate => 3.hash(&mut hasher),
        }
    }
    hasher.finish()
}

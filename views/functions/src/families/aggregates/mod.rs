//! Aggregates (<https://www.postgresql.org/docs/15/functions-aggregate.html>).

mod bits;
mod collect;
mod extremes;
mod ordered;
mod ranges;
mod regression;
mod sums;
mod variance;

use tidewater_types::{Datum, SqlError};

use crate::table::Table;

pub(super) fn register(t: &mut Table) {
    t.family("Aggregates");
    sums::register(t);
    extremes::register(t);
    bits::register(t);
    variance::register(t);
    regression::register(t);
    collect::register(t);
    ranges::register(t);
    ordered::register(t);
}

/// A value, packed: what an accumulator keeps of a row.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Kept(Vec<u8>);

impl Kept {
    fn of(value: &Datum<'_>) -> Kept {
        let mut bytes = Vec::new();
        tidewater_types::encode(value, &mut bytes);
        Kept(bytes)
    }

    fn get(&self) -> Datum<'_> {
        tidewater_types::decode(&self.0)
    }

    /// The value in scratch memory.
    fn copy<'a>(&self, scratch: &'a tidewater_types::Scratch) -> Datum<'a> {
        tidewater_types::decode(scratch.alloc_slice_copy(&self.0))
    }

    fn memory(&self) -> usize {
        self.0.capacity()
    }
}

fn unexpected() -> SqlError {
    SqlError::new(b"XX000", "an aggregate's argument has a value that is not of its type")
}

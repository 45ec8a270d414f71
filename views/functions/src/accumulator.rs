//! Aggregates as accumulators: rows of arguments in, one value out.

use tidewater_types::{Datum, Numeric, Result, Scratch};

/// The state of an aggregate over one group. DISTINCT, FILTER and ORDER BY are the caller's: it brings the rows that count, in order.
pub trait Accumulator: Send {
    /// Takes the arguments of one more row. NULLs are passed over here where the aggregate does so. An ordered-set aggregate gets
    /// its direct arguments first in every row, and the rows in the order of WITHIN GROUP; those that are equal there and print differently (1.0, 1.00) had better come
    /// in the order of their packed form, so that the result does not depend on the order in which they arrived.
    ///
    /// # Errors
    /// What SQL calls an error of this row.
    fn add(&mut self, args: &[Datum<'_>]) -> Result<()>;

    /// [`Accumulator::add`] of one numeric: its digits, and how many of them stand after the point.
    ///
    /// # Errors
    /// As there.
    fn add_small(&mut self, digits: i128, scale: u16) -> Result<()> {
        self.add(&[Datum::Numeric(Numeric::Small(digits, scale))])
    }

    /// The value over the rows so far.
    ///
    /// # Errors
    /// Where the result does not fit its type.
    fn finish<'a>(&self, scratch: &'a Scratch) -> Result<Datum<'a>>;

    /// Bytes of memory that it holds beyond its own size, so that a query's memory can be limited.
    fn memory(&self) -> usize {
        0
    }
}

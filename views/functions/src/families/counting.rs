//! count (<https://www.postgresql.org/docs/15/functions-aggregate.html>).

use tidewater_types::{Datum, Result, Scratch};

use crate::accumulator::Accumulator;
use crate::table::Table;

pub(super) fn register(t: &mut Table) {
    t.family("Aggregates");
    t.aggregate(
        "null count() -> int8 -- Number of rows.\nnull count(any) -> int8 -- Number of rows where it is not NULL.",
        |_| Ok(Box::new(Count(0))),
    );
}

struct Count(i64);

impl Accumulator for Count {
    fn add(&mut self, args: &[Datum<'_>]) -> Result<()> {
        if !args.iter().any(Datum::is_null) {
            self.0 += 1;
        }
        Ok(())
    }

    fn finish<'a>(&self, _: &'a Scratch) -> Result<Datum<'a>> {
        Ok(Datum::Int(self.0))
    }
}

//! range_agg and range_intersect_agg.

use tidewater_types::{Datum, MultirangeRef, RangeOf, RangeRef, Result, Scratch, Type, range};

use super::Kept;
use crate::accumulator::Accumulator;
use crate::table::Table;

pub(super) fn register(t: &mut Table) {
    t.aggregate(
        "range_agg(anyrange) -> anymultirange -- All of them together.\nrange_agg(anymultirange) -> anymultirange",
        |env| Ok(Box::new(Union { of: of(&env.types[0].ty), parts: Vec::new() })),
    );
    t.aggregate(
        "range_intersect_agg(anyrange) -> anyrange -- What they have in common.\nrange_intersect_agg(anymultirange) -> anymultirange",
        |env| Ok(Box::new(Intersection { of: of(&env.types[0].ty), value: None })),
    );
}

fn of(ty: &Type) -> RangeOf {
    match ty {
        Type::Range(of) | Type::Multirange(of) => *of,
        _ => RangeOf::Int4,
    }
}

struct Union {
    of: RangeOf,
    parts: Vec<Kept>,
}

impl Accumulator for Union {
    fn add(&mut self, args: &[Datum<'_>]) -> Result<()> {
        if !args[0].is_null() {
            self.parts.push(Kept::of(&args[0]));
        }
        Ok(())
    }

    fn finish<'a>(&self, scratch: &'a Scratch) -> Result<Datum<'a>> {
        if self.parts.is_empty() {
            return Ok(Datum::Null);
        }
        let mut ranges: Vec<RangeRef<'_>> = Vec::new();
        for part in &self.parts {
            match part.get() {
                Datum::Range(range) => ranges.push(range),
                Datum::Multirange(all) => ranges.extend(all.iter()),
                _ => return Err(super::unexpected()),
            }
        }
        Ok(Datum::Multirange(range::multirange(self.of, &ranges, scratch)?))
    }

    fn memory(&self) -> usize {
        self.parts.iter().map(Kept::memory).sum()
    }
}

struct Intersection {
    of: RangeOf,
    value: Option<Kept>,
}

impl Accumulator for Intersection {
    fn add(&mut self, args: &[Datum<'_>]) -> Result<()> {
        if args[0].is_null() {
            return Ok(());
        }
        let scratch = Scratch::new();
        self.value = Some(match &self.value {
            None => Kept::of(&args[0]),
            Some(value) => match (value.get(), args[0]) {
                (Datum::Range(a), Datum::Range(b)) => {
                    Kept::of(&Datum::Range(range::intersect(self.of, a, b, &scratch)?))
                }
                (Datum::Multirange(a), Datum::Multirange(b)) => {
                    let both: MultirangeRef<'_> = range::multirange_intersect(self.of, a, b, &scratch)?;
                    Kept::of(&Datum::Multirange(both))
                }
                _ => return Err(super::unexpected()),
            },
        });
        Ok(())
    }

    fn finish<'a>(&self, scratch: &'a Scratch) -> Result<Datum<'a>> {
        Ok(self.value.as_ref().map_or(Datum::Null, |value| value.copy(scratch)))
    }
}

//! min, max, bool_and, bool_or.

use tidewater_types::{Datum, Result, Scratch, Type, compare};

use super::{Kept, unexpected};
use crate::accumulator::Accumulator;
use crate::call::Env;
use crate::table::Table;

macro_rules! signatures {
    ($name:literal, $doc:literal) => {
        crate::table::signatures!(
            $name,
            $doc,
            "(int2) -> int2",
            "(int4) -> int4",
            "(int8) -> int8",
            "(uint2) -> uint2",
            "(uint4) -> uint4",
            "(uint8) -> uint8",
            "(float4) -> float4",
            "(float8) -> float8",
            "(numeric) -> numeric",
            "(text) -> text",
            "(bpchar) -> bpchar",
            "(oid) -> oid",
            "(bool) -> bool",
            "(date) -> date",
            "(time) -> time",
            "(timetz) -> timetz",
            "(timestamp) -> timestamp",
            "(timestamptz) -> timestamptz",
            "(interval) -> interval",
            "(jsonb) -> jsonb",
            "(anyarray) -> anyarray"
        )
    };
}

pub(super) fn register(t: &mut Table) {
    t.aggregate(signatures!("max", "The greatest value."), |env| Ok(Box::new(Extreme::new(env, true)?)));
    t.aggregate(signatures!("min", "The least value."), |env| Ok(Box::new(Extreme::new(env, false)?)));
    t.aggregate(
        "bool_and(bool) -> bool -- Whether all are true.\nevery(bool) -> bool -- Whether all are true.",
        |_| Ok(Box::new(Truth { value: None, and: true })),
    );
    t.aggregate("bool_or(bool) -> bool -- Whether one is true.", |_| Ok(Box::new(Truth { value: None, and: false })));
}

/// Of equal values that print differently (1.0, 1.00) the one whose packed form is the least: a group's value must not depend on
/// the order in which its rows came.
struct Extreme {
    ty: Type,
    greatest: bool,
    best: Option<Kept>,
}

impl Extreme {
    fn new(env: &Env, greatest: bool) -> Result<Extreme> {
        let ty = env.types[0].ty.clone();
        crate::families::comparison::check_order(&ty)?;
        Ok(Extreme { ty, greatest, best: None })
    }
}

impl Accumulator for Extreme {
    fn add(&mut self, args: &[Datum<'_>]) -> Result<()> {
        if args[0].is_null() {
            return Ok(());
        }
        let Some(best) = &self.best else {
            self.best = Some(Kept::of(&args[0]));
            return Ok(());
        };
        let order = compare(&self.ty, &args[0], &best.get());
        let order = if self.greatest { order } else { order.reverse() };
        if order.is_gt() || order.is_eq() && Kept::of(&args[0]) < *best {
            self.best = Some(Kept::of(&args[0]));
        }
        Ok(())
    }

    fn finish<'a>(&self, scratch: &'a Scratch) -> Result<Datum<'a>> {
        Ok(self.best.as_ref().map_or(Datum::Null, |best| best.copy(scratch)))
    }

    fn memory(&self) -> usize {
        self.best.as_ref().map_or(0, Kept::memory)
    }
}

struct Truth {
    value: Option<bool>,
    and: bool,
}

impl Accumulator for Truth {
    fn add(&mut self, args: &[Datum<'_>]) -> Result<()> {
        let value = match args[0] {
            Datum::Null => return Ok(()),
            Datum::Bool(value) => value,
            _ => return Err(unexpected()),
        };
        let before = self.value.unwrap_or(value);
        self.value = Some(if self.and { before && value } else { before || value });
        Ok(())
    }

    fn finish<'a>(&self, _: &'a Scratch) -> Result<Datum<'a>> {
        Ok(self.value.map_or(Datum::Null, Datum::Bool))
    }
}

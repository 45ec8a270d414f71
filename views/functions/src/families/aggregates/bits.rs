//! bit_and, bit_or, bit_xor.

use tidewater_types::{Datum, Result, Scratch};

use super::unexpected;
use crate::accumulator::Accumulator;
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
            "(uint8) -> uint8"
        )
    };
}

pub(super) fn register(t: &mut Table) {
    t.aggregate(signatures!("bit_and", "Bits that all have."), |_| {
        Ok(Box::new(Bits { value: None, unsigned: false, of: |a, b| a & b }))
    });
    t.aggregate(signatures!("bit_or", "Bits that one has."), |_| {
        Ok(Box::new(Bits { value: None, unsigned: false, of: |a, b| a | b }))
    });
    t.aggregate(signatures!("bit_xor", "Bits that an odd number have."), |_| {
        Ok(Box::new(Bits { value: None, unsigned: false, of: |a, b| a ^ b }))
    });
}

struct Bits {
    value: Option<i64>,
    unsigned: bool,
    of: fn(i64, i64) -> i64,
}

impl Accumulator for Bits {
    fn add(&mut self, args: &[Datum<'_>]) -> Result<()> {
        let value = match args[0] {
            Datum::Null => return Ok(()),
            Datum::Int(value) => value,
            Datum::UInt(value) => {
                self.unsigned = true;
                value as i64
            }
            _ => return Err(unexpected()),
        };
        self.value = Some(self.value.map_or(value, |before| (self.of)(before, value)));
        Ok(())
    }

    fn finish<'a>(&self, _: &'a Scratch) -> Result<Datum<'a>> {
        Ok(match self.value {
            None => Datum::Null,
            Some(value) if self.unsigned => Datum::UInt(value as u64),
            Some(value) => Datum::Int(value),
        })
    }
}

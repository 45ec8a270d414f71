//! count, sum, avg.

use tidewater_types::{Datum, Interval, Numeric, NumericBuf, Result, Scratch, SqlError, Type, float};

use super::unexpected;
use super::variance::Moments;
use crate::accumulator::Accumulator;
use crate::table::Table;

pub(super) fn register(t: &mut Table) {
    t.aggregate(
        "count() -> int8 -- Number of rows.\ncount(any) -> int8 -- Number of rows where it is not NULL.",
        |_| Ok(Box::new(Count(0))),
    );
    t.aggregate("regr_count(float8, float8) -> int8 -- Number of pairs.", |_| Ok(Box::new(Count(0))));
    t.aggregate("sum(int2) -> int8 -- Sum.\nsum(int4) -> int8", |_| {
        Ok(Box::new(Whole { sum: 0, count: 0, give: Give::Int8 }))
    });
    t.aggregate("sum(int8) -> numeric\nsum(uint8) -> numeric", |_| {
        Ok(Box::new(Whole { sum: 0, count: 0, give: Give::Numeric }))
    });
    t.aggregate("sum(uint2) -> uint8\nsum(uint4) -> uint8", |_| {
        Ok(Box::new(Whole { sum: 0, count: 0, give: Give::UInt8 }))
    });
    t.aggregate(
        "
        avg(int2) -> numeric -- Mean.
        avg(int4) -> numeric
        avg(int8) -> numeric
        avg(uint2) -> numeric
        avg(uint4) -> numeric
        avg(uint8) -> numeric
        ",
        |_| Ok(Box::new(Whole { sum: 0, count: 0, give: Give::Mean })),
    );
    t.aggregate("sum(numeric) -> numeric", |_| {
        Ok(Box::new(Exact { sum: NumericBuf::Small(0, 0), count: 0, mean: false }))
    });
    t.aggregate("avg(numeric) -> numeric", |_| {
        Ok(Box::new(Exact { sum: NumericBuf::Small(0, 0), count: 0, mean: true }))
    });
    t.aggregate("sum(float4) -> float4\nsum(float8) -> float8", |env| {
        Ok(Box::new(Float { sum: 0.0, count: 0, single: env.result.ty == Type::Float4 }))
    });
    t.aggregate("avg(float4) -> float8\navg(float8) -> float8", |_| Ok(Box::new(Mean(Moments::default()))));
    t.aggregate("sum(interval) -> interval", |_| {
        Ok(Box::new(Span { sum: Interval::default(), count: 0, mean: false }))
    });
    t.aggregate("avg(interval) -> interval", |_| Ok(Box::new(Span { sum: Interval::default(), count: 0, mean: true })));
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

enum Give {
    Int8,
    UInt8,
    Numeric,
    Mean,
}

/// A sum of integers: 128 bits hold 2^63 of them.
struct Whole {
    sum: i128,
    count: i64,
    give: Give,
}

impl Accumulator for Whole {
    fn add(&mut self, args: &[Datum<'_>]) -> Result<()> {
        self.sum += match args[0] {
            Datum::Null => return Ok(()),
            Datum::Int(value) => i128::from(value),
            Datum::UInt(value) => i128::from(value),
            _ => return Err(unexpected()),
        };
        self.count += 1;
        Ok(())
    }

    fn finish<'a>(&self, scratch: &'a Scratch) -> Result<Datum<'a>> {
        if self.count == 0 {
            return Ok(Datum::Null);
        }
        Ok(match self.give {
            Give::Int8 => {
                Datum::Int(i64::try_from(self.sum).map_err(|_| SqlError::new(b"22003", "bigint out of range"))?)
            }
            Give::UInt8 => {
                Datum::UInt(u64::try_from(self.sum).map_err(|_| SqlError::new(b"22003", "uint8 out of range"))?)
            }
            Give::Numeric => Datum::Numeric(Numeric::integer(self.sum)),
            Give::Mean => {
                Datum::Numeric(Numeric::integer(self.sum).div(Numeric::integer(self.count))?.into_scratch(scratch))
            }
        })
    }
}

struct Exact {
    sum: NumericBuf,
    count: i64,
    mean: bool,
}

impl Accumulator for Exact {
    fn add(&mut self, args: &[Datum<'_>]) -> Result<()> {
        match args[0] {
            Datum::Null => return Ok(()),
            Datum::Numeric(value) => self.sum = self.sum.add(value)?,
            _ => return Err(unexpected()),
        }
        self.count += 1;
        Ok(())
    }

    fn add_small(&mut self, digits: i128, scale: u16) -> Result<()> {
        if let NumericBuf::Small(sum, of) = &mut self.sum
            && *of == scale
            && let Some(total) = sum.checked_add(digits)
        {
            *sum = total;
        } else {
            self.sum = self.sum.add(Numeric::Small(digits, scale))?;
        }
        self.count += 1;
        Ok(())
    }

    fn finish<'a>(&self, scratch: &'a Scratch) -> Result<Datum<'a>> {
        if self.count == 0 {
            return Ok(Datum::Null);
        }
        let mut bytes = Vec::new();
        let sum = self.sum.borrow(&mut bytes);
        let value = if self.mean { sum.div(Numeric::integer(self.count))? } else { sum.to_buf() };
        Ok(Datum::Numeric(value.into_scratch(scratch)))
    }
}

/// A sum of floats, in the order of the rows.
struct Float {
    sum: f64,
    count: i64,
    single: bool,
}

impl Accumulator for Float {
    fn add(&mut self, args: &[Datum<'_>]) -> Result<()> {
        let value = match args[0] {
            Datum::Null => return Ok(()),
            Datum::Float(value) => value,
            _ => return Err(unexpected()),
        };
        let sum = if self.single { f64::from(self.sum as f32 + value as f32) } else { self.sum + value };
        self.sum = float::checked(sum, self.sum.is_infinite() || value.is_infinite(), true)?;
        self.count += 1;
        Ok(())
    }

    fn finish<'a>(&self, _: &'a Scratch) -> Result<Datum<'a>> {
        Ok(if self.count == 0 { Datum::Null } else { Datum::Float(self.sum) })
    }
}

/// A mean of floats, which overflows where their variance does.
struct Mean(Moments);

impl Accumulator for Mean {
    fn add(&mut self, args: &[Datum<'_>]) -> Result<()> {
        match args[0] {
            Datum::Null => Ok(()),
            Datum::Float(value) => self.0.add(value),
            _ => Err(unexpected()),
        }
    }

    fn finish<'a>(&self, _: &'a Scratch) -> Result<Datum<'a>> {
        Ok(if self.0.count == 0.0 { Datum::Null } else { Datum::Float(self.0.sum / self.0.count) })
    }
}

struct Span {
    sum: Interval,
    count: i64,
    mean: bool,
}

impl Accumulator for Span {
    fn add(&mut self, args: &[Datum<'_>]) -> Result<()> {
        match args[0] {
            Datum::Null => return Ok(()),
            Datum::Interval(value) => self.sum = self.sum.add(value)?,
            _ => return Err(unexpected()),
        }
        self.count += 1;
        Ok(())
    }

    fn finish<'a>(&self, _: &'a Scratch) -> Result<Datum<'a>> {
        Ok(match (self.count, self.mean) {
            (0, _) => Datum::Null,
            (count, true) => Datum::Interval(self.sum.div(count as f64)?),
            _ => Datum::Interval(self.sum),
        })
    }
}

//! Ordered-set aggregates: percentile_cont, percentile_disc, mode. Rows come in the order of WITHIN GROUP, direct arguments first.

use tidewater_types::{ArrayRef, Datum, Dimension, Interval, Result, Scratch, SqlError, Type, equal};

use super::{Kept, unexpected};
use crate::accumulator::Accumulator;
use crate::table::Table;

pub(super) fn register(t: &mut Table) {
    t.aggregate("mode(; anyelement) -> anyelement -- The most frequent value; of several the first.", |env| {
        ordered(&env.types[0].ty)?;
        Ok(Box::new(Mode { ty: env.types[0].ty.clone(), best: None, best_count: 0, last: None, count: 0 }))
    });
    t.aggregate(
        "
        percentile_disc(float8; anyelement) -> anyelement -- The first value at this share of the order, or at each share of an array.
        percentile_disc(float8[]; anyelement) -> anyarray
        ",
        |env| {
            ordered(&env.types[1].ty)?;
            Ok(Box::new(Percentile { shares: None, values: Vec::new(), between: false }))
        },
    );
    t.aggregate(
        "
        percentile_cont(float8; float8) -> float8 -- The value at this share of the order, between two where it falls so.
        percentile_cont(float8; interval) -> interval
        percentile_cont(float8[]; float8) -> float8[]
        percentile_cont(float8[]; interval) -> interval[]
        ",
        |_| Ok(Box::new(Percentile { shares: None, values: Vec::new(), between: true })),
    );
}

/// Refuses types that WITHIN GROUP cannot order.
fn ordered(ty: &Type) -> Result<()> {
    crate::families::comparison::check_order(ty)
        .map_err(|_| SqlError::new(b"42883", "could not identify an ordering operator for type json"))
}

struct Mode {
    ty: Type,
    best: Option<Kept>,
    best_count: u64,
    last: Option<Kept>,
    count: u64,
}

impl Accumulator for Mode {
    fn add(&mut self, args: &[Datum<'_>]) -> Result<()> {
        if args[0].is_null() {
            return Ok(());
        }
        let same = self.last.as_ref().is_some_and(|last| equal(&self.ty, &last.get(), &args[0]));
        if same {
            self.count += 1;
        } else {
            self.last = Some(Kept::of(&args[0]));
            self.count = 1;
        }
        if self.count > self.best_count {
            self.best_count = self.count;
            self.best = self.last.clone();
        }
        Ok(())
    }

    fn finish<'a>(&self, scratch: &'a Scratch) -> Result<Datum<'a>> {
        Ok(self.best.as_ref().map_or(Datum::Null, |best| best.copy(scratch)))
    }
}

struct Percentile {
    /// The direct argument, of the first row.
    shares: Option<Kept>,
    values: Vec<Kept>,
    /// Whether values between two rows count.
    between: bool,
}

impl Accumulator for Percentile {
    fn add(&mut self, args: &[Datum<'_>]) -> Result<()> {
        if self.shares.is_none() {
            check(&args[0])?;
            self.shares = Some(Kept::of(&args[0]));
        }
        if !args[1].is_null() {
            self.values.push(Kept::of(&args[1]));
        }
        Ok(())
    }

    fn finish<'a>(&self, scratch: &'a Scratch) -> Result<Datum<'a>> {
        let Some(shares) = self.shares.as_ref().filter(|_| !self.values.is_empty()) else {
            return Ok(Datum::Null);
        };
        match shares.get() {
            Datum::Float(share) => self.at(share, scratch),
            Datum::Array(shares) => {
                let values = shares.iter().map(|share| match share {
                    Datum::Float(share) => self.at(share, scratch),
                    _ => Ok(Datum::Null),
                });
                let values = values.collect::<Result<Vec<_>>>()?;
                let dimensions: Vec<Dimension> = shares.dimensions().collect();
                Ok(Datum::Array(ArrayRef::build(scratch, &dimensions, &values)?))
            }
            _ => Ok(Datum::Null),
        }
    }

    fn memory(&self) -> usize {
        self.values.iter().map(|value| value.memory() + size_of::<Kept>()).sum()
    }
}

/// Refuses shares beyond 0 and 1.
fn check(shares: &Datum<'_>) -> Result<()> {
    match shares {
        Datum::Float(share) if !(0.0..=1.0).contains(share) => {
            let mut shown = String::new();
            tidewater_types::float::write_f64(*share, &mut shown);
            Err(SqlError::new(b"22003", format!("percentile value {shown} is not between 0 and 1")))
        }
        Datum::Array(all) => all.iter().try_for_each(|share| check(&share)),
        _ => Ok(()),
    }
}

impl Percentile {
    fn at<'a>(&self, share: f64, scratch: &'a Scratch) -> Result<Datum<'a>> {
        let count = self.values.len();
        if !self.between {
            let row = ((share * count as f64).ceil() as usize).max(1);
            return Ok(self.values[row.min(count) - 1].copy(scratch));
        }
        let place = share * (count - 1) as f64;
        let (first, second) = (place.floor() as usize, place.ceil() as usize);
        let (low, high) = (self.values[first].get(), self.values[second].get());
        if first == second {
            return Ok(self.values[first].copy(scratch));
        }
        let part = place - first as f64;
        match (low, high) {
            (Datum::Float(low), Datum::Float(high)) => Ok(Datum::Float(low + part * (high - low))),
            (Datum::Interval(low), Datum::Interval(high)) => {
                let step: Interval = high.sub(low)?.mul(part)?;
                Ok(Datum::Interval(low.add(step)?))
            }
            _ => Err(unexpected()),
        }
    }
}

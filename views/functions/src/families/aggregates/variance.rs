//! Variances and standard deviations: exact of integers and numerics, by Youngs and Cramer's method of floats.

use tidewater_types::{Datum, Numeric, NumericBuf, Result, Scratch, Type, float};

use super::unexpected;
use crate::accumulator::Accumulator;
use crate::table::Table;

macro_rules! signatures {
    ($name:literal, $doc:literal) => {
        crate::table::signatures!(
            $name,
            $doc,
            "(int2) -> numeric",
            "(int4) -> numeric",
            "(int8) -> numeric",
            "(numeric) -> numeric",
            "(float4) -> float8",
            "(float8) -> float8"
        )
    };
}

pub(super) fn register(t: &mut Table) {
    t.aggregate(signatures!("var_pop", "Variance of a population."), |env| make(&env.result.ty, false, false));
    t.aggregate(signatures!("var_samp", "Variance of a sample."), |env| make(&env.result.ty, true, false));
    t.aggregate(signatures!("variance", "Variance of a sample."), |env| make(&env.result.ty, true, false));
    t.aggregate(signatures!("stddev_pop", "Standard deviation of a population."), |env| {
        make(&env.result.ty, false, true)
    });
    t.aggregate(signatures!("stddev_samp", "Standard deviation of a sample."), |env| make(&env.result.ty, true, true));
    t.aggregate(signatures!("stddev", "Standard deviation of a sample."), |env| make(&env.result.ty, true, true));
}

fn make(result: &Type, sample: bool, root: bool) -> Result<Box<dyn Accumulator>> {
    if *result == Type::Numeric {
        let zero = || NumericBuf::Small(0, 0);
        return Ok(Box::new(Exact { count: 0, sum: zero(), squares: zero(), sample, root }));
    }
    Ok(Box::new(Float { moments: Moments::default(), sample, root }))
}

struct Exact {
    count: i64,
    sum: NumericBuf,
    squares: NumericBuf,
    sample: bool,
    root: bool,
}

/// Digits of a root before it is rounded to those that are shown.
const ROOT_DIGITS: u16 = 60;

impl Accumulator for Exact {
    fn add(&mut self, args: &[Datum<'_>]) -> Result<()> {
        let value = match args[0] {
            Datum::Null => return Ok(()),
            Datum::Int(value) => Numeric::integer(value),
            Datum::Numeric(value) => value,
            _ => return Err(unexpected()),
        };
        self.count += 1;
        self.sum = self.sum.add(value)?;
        self.squares = self.squares.add(value.mul(value)?.borrow(&mut Vec::new()))?;
        Ok(())
    }

    fn finish<'a>(&self, scratch: &'a Scratch) -> Result<Datum<'a>> {
        if self.count <= i64::from(self.sample) {
            return Ok(Datum::Null);
        }
        let (mut sum, mut squares) = (Vec::new(), Vec::new());
        let (sum, squares) = (self.sum.borrow(&mut sum), self.squares.borrow(&mut squares));
        if sum.scale().is_none() {
            return Ok(Datum::Numeric(Numeric::NaN));
        }
        let count = Numeric::integer(self.count);
        let (scaled, square) = (count.mul(squares)?, sum.mul(sum)?);
        let (mut a, mut b) = (Vec::new(), Vec::new());
        let above = scaled.borrow(&mut a).sub(square.borrow(&mut b))?;
        let (mut bytes, mut below) = (Vec::new(), Vec::new());
        let above = above.borrow(&mut bytes);
        if above.signum() <= 0 {
            return Ok(Datum::Numeric(Numeric::integer(0)));
        }
        let others = Numeric::integer(if self.sample { self.count - 1 } else { self.count });
        let variance = above.div(count.mul(others)?.borrow(&mut below))?;
        if !self.root {
            return Ok(Datum::Numeric(variance.into_scratch(scratch)));
        }
        // As many digits as the variance has, from a root with so many more that rounding twice is rounding once.
        let mut bytes = Vec::new();
        let variance = variance.borrow(&mut bytes);
        let digits = variance.scale().unwrap_or(0);
        let wide = variance.add(Numeric::Small(0, digits.saturating_add(ROOT_DIGITS)))?;
        let root = wide.borrow(&mut Vec::new()).sqrt()?.borrow(&mut Vec::new()).round(digits.into())?;
        Ok(Datum::Numeric(root.into_scratch(scratch)))
    }
}

/// Number, sum, and sum of the squares of the differences from the mean.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Moments {
    pub(super) count: f64,
    pub(super) sum: f64,
    squares: f64,
}

impl Moments {
    pub(super) fn add(&mut self, value: f64) -> Result<()> {
        let before = *self;
        self.count += 1.0;
        self.sum += value;
        if before.count == 0.0 {
            // What is not finite has no differences.
            if !value.is_finite() {
                self.squares = f64::NAN;
            }
            return Ok(());
        }
        let difference = value * self.count - self.sum;
        self.squares += difference * difference / (self.count * before.count);
        if self.sum.is_infinite() || self.squares.is_infinite() {
            if !before.sum.is_infinite() && !value.is_infinite() {
                return Err(float::overflow());
            }
            self.squares = f64::NAN;
        }
        Ok(())
    }
}

struct Float {
    moments: Moments,
    sample: bool,
    root: bool,
}

impl Accumulator for Float {
    fn add(&mut self, args: &[Datum<'_>]) -> Result<()> {
        match args[0] {
            Datum::Null => Ok(()),
            Datum::Float(value) => self.moments.add(value),
            _ => Err(unexpected()),
        }
    }

    fn finish<'a>(&self, _: &'a Scratch) -> Result<Datum<'a>> {
        let others = if self.sample { self.moments.count - 1.0 } else { self.moments.count };
        if others <= 0.0 {
            return Ok(Datum::Null);
        }
        let variance = self.moments.squares / others;
        Ok(Datum::Float(if self.root { variance.sqrt() } else { variance }))
    }
}

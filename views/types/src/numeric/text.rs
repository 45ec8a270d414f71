//! Text in and out.

use std::fmt::{self, Write};

use num_bigint::BigInt;

use super::arith::overflow;
use super::whole::ten;
use super::{MAX_SCALE, Numeric, NumericBuf};
use crate::{Result, SqlError};

/// Digits that 128 bits surely hold.
const SMALL_DIGITS: usize = 38;
/// Exponents beyond cannot give a value.
const MAX_EXPONENT: i64 = 1 << 30;

impl fmt::Display for Numeric<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Numeric::Small(mantissa, scale) if *scale <= SHORT && u64::try_from(mantissa.unsigned_abs()).is_ok() => {
                short(f, *mantissa < 0, mantissa.unsigned_abs() as u64, usize::from(*scale))
            }
            Numeric::Small(mantissa, 0) => write!(f, "{mantissa}"),
            Numeric::Small(mantissa, scale) => {
                let (negative, digits) = (*mantissa < 0, mantissa.unsigned_abs().to_string());
                point(f, negative, &digits, usize::from(*scale))
            }
            Numeric::Long(long) => {
                let mantissa = long.mantissa();
                let digits = mantissa.magnitude().to_string();
                point(f, mantissa.sign() == num_bigint::Sign::Minus, &digits, usize::from(long.scale()))
            }
            Numeric::NaN => f.write_str("NaN"),
            Numeric::Infinity => f.write_str("Infinity"),
            Numeric::NegativeInfinity => f.write_str("-Infinity"),
        }
    }
}

impl fmt::Display for NumericBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.borrow(&mut Vec::new()).fmt(f)
    }
}

/// Digits after the point of what [`short`] writes.
const SHORT: u16 = 20;

/// A number of 64 bits, written without memory of its own: nearly all are such, and views write many.
fn short(f: &mut fmt::Formatter<'_>, negative: bool, mut digits: u64, scale: usize) -> fmt::Result {
    // As many digits as either has, one before the point, the point, the sign.
    let mut buffer = [0; SHORT as usize + 3];
    let mut at = buffer.len();
    let mut put = |byte: u8| {
        at -= 1;
        buffer[at] = byte;
    };
    let mut written = 0;
    while digits != 0 || written <= scale {
        if written == scale && scale > 0 {
            put(b'.');
        }
        put(b'0' + (digits % 10) as u8);
        digits /= 10;
        written += 1;
    }
    if negative {
        put(b'-');
    }
    f.write_str(std::str::from_utf8(&buffer[at..]).map_err(|_| fmt::Error)?)
}

/// Digits with a point `scale` from the end.
fn point(f: &mut fmt::Formatter<'_>, negative: bool, digits: &str, scale: usize) -> fmt::Result {
    if negative {
        f.write_char('-')?;
    }
    if scale == 0 {
        return f.write_str(digits);
    }
    if digits.len() <= scale {
        write!(f, "0.{:0>scale$}", digits)
    } else {
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        write!(f, "{whole}.{fraction}")
    }
}

impl NumericBuf {
    /// The value that `text` shows: digits with a point and an exponent, NaN, Infinity.
    ///
    /// # Errors
    /// 22P02 if it shows none, 22003 beyond the format's limits.
    pub fn parse(text: &str) -> Result<NumericBuf> {
        let invalid = || SqlError::new(b"22P02", format!("invalid input syntax for type numeric: \"{text}\""));
        let trimmed = crate::text::trim_space(text);
        let (negative, rest) = match trimmed.as_bytes().first() {
            Some(b'-') => (true, &trimmed[1..]),
            Some(b'+') => (false, &trimmed[1..]),
            _ => (false, trimmed),
        };
        if !rest.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
            return special(trimmed, rest, negative).ok_or_else(invalid);
        }
        let number = Written::read(rest.as_bytes()).ok_or_else(invalid)?;
        number.value(negative)
    }
}

fn special(trimmed: &str, rest: &str, negative: bool) -> Option<NumericBuf> {
    if trimmed.eq_ignore_ascii_case("nan") {
        return Some(NumericBuf::NaN);
    }
    let infinite = rest.eq_ignore_ascii_case("infinity") || rest.eq_ignore_ascii_case("inf");
    infinite.then_some(if negative { NumericBuf::NegativeInfinity } else { NumericBuf::Infinity })
}

/// A number as it is written.
struct Written {
    digits: Vec<u8>,
    /// Digits after the point.
    fraction: usize,
    exponent: i64,
}

impl Written {
    fn read(text: &[u8]) -> Option<Written> {
        let mut written = Written { digits: Vec::with_capacity(text.len()), fraction: 0, exponent: 0 };
        let mut point = false;
        let mut rest = text;
        while let Some((&byte, tail)) = rest.split_first() {
            match byte {
                b'0'..=b'9' => {
                    written.digits.push(byte);
                    written.fraction += usize::from(point);
                }
                b'.' if !point => point = true,
                b'e' | b'E' => {
                    written.exponent = exponent(tail)?;
                    rest = &[];
                    break;
                }
                _ => return None,
            }
            rest = tail;
        }
        (rest.is_empty() && !written.digits.is_empty()).then_some(written)
    }

    fn value(self, negative: bool) -> Result<NumericBuf> {
        if self.exponent.abs() >= MAX_EXPONENT {
            return Err(overflow());
        }
        let scale = self.fraction as i64 - self.exponent;
        let zeros = (-scale).max(0) as usize;
        let significant = self.digits.iter().position(|d| *d != b'0').map_or(0, |first| self.digits.len() - first);
        if scale > i64::from(MAX_SCALE) || significant > 0 && significant + zeros > 140_000 + self.fraction {
            return Err(overflow());
        }
        let scale = scale.max(0) as u16;
        if significant + zeros <= SMALL_DIGITS || significant == 0 {
            let digits = self.digits[self.digits.len() - significant..].iter();
            let number = digits.fold(0_i128, |number, digit| number * 10 + i128::from(digit - b'0'));
            let number = if significant == 0 { 0 } else { number * 10_i128.pow(zeros as u32) };
            return Ok(NumericBuf::Small(if negative { -number } else { number }, scale));
        }
        let number = BigInt::parse_bytes(&self.digits, 10).unwrap_or_default() * ten(zeros);
        NumericBuf::checked(if negative { -number } else { number }, scale)
    }
}

fn exponent(text: &[u8]) -> Option<i64> {
    // C skips space here.
    let text = std::str::from_utf8(text).ok()?.trim_start();
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // Too long for 64 bits is too large in any case.
    let value = digits.parse::<i64>().unwrap_or(MAX_EXPONENT);
    Some(if text.starts_with('-') { -value } else { value })
}

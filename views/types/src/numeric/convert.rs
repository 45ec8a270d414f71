//! From and to whole numbers and floats.

use num_bigint::BigInt;

use super::{Numeric, NumericBuf};
use crate::{Result, SqlError};

/// Digits of a double, and of a real, that numeric takes over.
const DOUBLE_DIGITS: usize = 15;
const REAL_DIGITS: usize = 6;

impl NumericBuf {
    /// The 15 digits of a double precision.
    pub fn from_f64(value: f64) -> NumericBuf {
        from_float(value, DOUBLE_DIGITS)
    }

    /// The 6 digits of a real.
    pub fn from_f32(value: f32) -> NumericBuf {
        from_float(f64::from(value), REAL_DIGITS)
    }
}

fn from_float(value: f64, digits: usize) -> NumericBuf {
    if value.is_nan() {
        return NumericBuf::NaN;
    }
    if value.is_infinite() {
        return if value > 0.0 { NumericBuf::Infinity } else { NumericBuf::NegativeInfinity };
    }
    let text = format!("{value:.*e}", digits - 1);
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let mantissa = mantissa.trim_end_matches('0').trim_end_matches('.');
    // A float's exponent is far within numeric's.
    NumericBuf::parse(&format!("{mantissa}e{exponent}")).unwrap_or(NumericBuf::NaN)
}

impl Numeric<'_> {
    /// The nearest whole number, halves away from zero.
    ///
    /// # Errors
    /// 22003 if `type_name` (as PostgreSQL words it: `integer`) does not hold it, 0A000 for NaN and the infinities.
    pub fn to_integer<T: TryFrom<i128>>(self, type_name: &str) -> Result<T> {
        let unsupported = |what: &str| Err(SqlError::new(b"0A000", format!("cannot convert {what} to {type_name}")));
        match self {
            Numeric::NaN => return unsupported("NaN"),
            Numeric::Infinity | Numeric::NegativeInfinity => return unsupported("infinity"),
            _ => {}
        }
        let whole = match self.round(0)? {
            NumericBuf::Small(whole, _) => T::try_from(whole).ok(),
            _ => None,
        };
        whole.ok_or_else(|| SqlError::new(b"22003", format!("{type_name} out of range")))
    }

    /// The nearest double; infinite beyond its range.
    pub fn to_f64(self) -> f64 {
        match self {
            Numeric::NaN => f64::NAN,
            Numeric::Infinity => f64::INFINITY,
            Numeric::NegativeInfinity => f64::NEG_INFINITY,
            // A double holds whole numbers to 2^53 and powers of ten to 10^22 exactly: one rounding, the right one.
            Numeric::Small(mantissa, scale) if mantissa.unsigned_abs() < 1 << 53 && scale <= 22 => {
                mantissa as f64 / 10_f64.powi(i32::from(scale))
            }
            _ => self.to_string().parse().unwrap_or(f64::NAN),
        }
    }

    /// The whole number, if this is one.
    pub fn as_whole(self) -> Option<BigInt> {
        match (self.min_scale(), self.trunc(0)) {
            (Some(0), Ok(NumericBuf::Small(whole, _))) => Some(whole.into()),
            (Some(0), Ok(NumericBuf::Long(whole, _))) => Some(whole),
            _ => None,
        }
    }
}

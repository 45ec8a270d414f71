//! Casts among numbers and from numbers to text.

use arrow_schema::DataType;
use datafusion::logical_expr::Expr;
use delta::{Datum, Kind};
use engine::{EvalError, Scratch};

use super::arithmetic::{out_of_range, power_of_ten};
use super::{Compiler, int_range, is_text};
use crate::error::Result;

type Conversion = Box<dyn for<'a> Fn(Datum<'a>, &'a Scratch) -> Result<Datum<'a>, EvalError> + Send + Sync>;

impl Compiler<'_> {
    pub(super) fn cast(&self, inner: &Expr, to: &DataType) -> Result<Option<engine::Expr>> {
        let from = self.type_of(inner)?;
        if from == *to || (is_text(&from) && is_text(to)) {
            return Ok(Some(self.closure(inner)?));
        }
        let Some(convert) = conversion(&from, to) else { return Ok(None) };
        let inner = self.closure(inner)?;
        Ok(Some(engine::Expr::new(move |tuple, scratch| match inner.eval(tuple, scratch)? {
            Datum::Null => Ok(Datum::Null),
            value => convert(value, scratch),
        })))
    }
}

fn is_int(data_type: &DataType) -> bool {
    int_range(data_type).is_some()
}

fn conversion(from: &DataType, to: &DataType) -> Option<Conversion> {
    use DataType as T;
    Some(match (from, to) {
        (from, to) if is_int(from) && is_int(to) => {
            let (least, most) = int_range(to)?;
            Box::new(move |value, _| match value {
                Datum::Int(value) if (least..=most).contains(&value) => Ok(Datum::Int(value)),
                _ => Err(out_of_range("integer")),
            })
        }
        (from, T::Float64) if is_int(from) => Box::new(|value, _| match value {
            Datum::Int(value) => Ok(Datum::Float(value as f64)),
            _ => Ok(Datum::Null),
        }),
        (from, T::Decimal128(precision, scale)) if is_int(from) && *scale >= 0 => {
            let (factor, limit) = (power_of_ten(*scale as u32)?, power_of_ten(u32::from(*precision))?);
            Box::new(move |value, _| match value {
                Datum::Int(value) => within(i128::from(value).checked_mul(factor), limit),
                _ => Ok(Datum::Null),
            })
        }
        (T::Decimal128(_, from), T::Decimal128(precision, to)) => rescale(*from, *to, *precision)?,
        (from, to) if is_int(from) && is_text(to) => Box::new(|value, scratch| match value {
            Datum::Int(value) => {
                Ok(Datum::Text(scratch.alloc_slice_copy(itoa::Buffer::new().format(value).as_bytes())))
            }
            _ => Ok(Datum::Null),
        }),
        (T::Decimal128(_, scale), to) if is_text(to) && *scale >= 0 => {
            let scale = *scale as usize;
            Box::new(move |value, scratch| match value {
                Datum::Decimal(value) => Ok(Datum::Text(decimal_text(value, scale, scratch))),
                _ => Ok(Datum::Null),
            })
        }
        (from, to) if Kind::of(from) == Some(Kind::Bool) && is_text(to) => Box::new(|value, _| match value {
            Datum::Bool(value) => Ok(Datum::Text(if value { b"true" } else { b"false" })),
            _ => Ok(Datum::Null),
        }),
        _ => return None,
    })
}

fn within(value: Option<i128>, limit: i128) -> Result<Datum<'static>, EvalError> {
    let value = value.filter(|value| value.unsigned_abs() < limit.unsigned_abs());
    value.map(Datum::Decimal).ok_or_else(|| out_of_range("numeric"))
}

/// To another scale; digits that do not fit are rounded, halves away from zero.
fn rescale(from: i8, to: i8, precision: u8) -> Option<Conversion> {
    let limit = power_of_ten(u32::from(precision))?;
    if to >= from {
        let factor = power_of_ten((i16::from(to) - i16::from(from)) as u32)?;
        return Some(Box::new(move |value, _| match value {
            Datum::Decimal(value) => within(value.checked_mul(factor), limit),
            _ => Ok(Datum::Null),
        }));
    }
    let divisor = power_of_ten((i16::from(from) - i16::from(to)) as u32)?;
    Some(Box::new(move |value, _| match value {
        Datum::Decimal(value) => {
            let (quotient, rest) = (value / divisor, value % divisor);
            let up = rest.unsigned_abs() >= divisor.unsigned_abs() / 2;
            within(Some(if up { quotient + value.signum() } else { quotient }), limit)
        }
        _ => Ok(Datum::Null),
    }))
}

/// All digits of the scale: 0.50.
fn decimal_text(value: i128, scale: usize, scratch: &Scratch) -> &[u8] {
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(value.unsigned_abs()).as_bytes();
    let mut text = [0; 48];
    let mut at = 0;
    let mut put = |bytes: &[u8]| {
        text[at..at + bytes.len()].copy_from_slice(bytes);
        at += bytes.len();
    };
    if value < 0 {
        put(b"-");
    }
    let whole = digits.len().saturating_sub(scale);
    put(if whole == 0 { b"0" } else { &digits[..whole] });
    if scale > 0 {
        put(b".");
        (digits.len()..scale).for_each(|_| put(b"0"));
        put(&digits[whole..]);
    }
    scratch.alloc_slice_copy(&text[..at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_written_with_all_digits_of_their_scale() {
        let scratch = Scratch::new();
        let text = |value, scale| String::from_utf8(decimal_text(value, scale, &scratch).to_vec()).unwrap();
        let written = [text(50, 2), text(-5, 2), text(0, 0), text(12_345, 3), text(-7, 0), text(0, 2)];
        assert_eq!(written, ["0.50", "-0.05", "0", "12.345", "-7", "0.00"]);
        let most = 10_i128.pow(38) - 1;
        assert_eq!(text(-most, 38), format!("-0.{}", "9".repeat(38)));
        assert_eq!(text(-most, 0), format!("-{}", "9".repeat(38)));
    }

    #[test]
    fn rounding_is_half_away_from_zero() {
        let convert = rescale(3, 1, 5).unwrap();
        let scratch = Scratch::new();
        let round = |value| match convert(Datum::Decimal(value), &scratch) {
            Ok(Datum::Decimal(value)) => value,
            other => panic!("{other:?}"),
        };
        assert_eq!([1_249, 1_250, -1_249, -1_250, 0].map(round), [12, 13, -12, -13, 0]);
        assert!(convert(Datum::Decimal(99_999_500), &scratch).is_err());
    }
}

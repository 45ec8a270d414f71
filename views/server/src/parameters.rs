//! Values that clients bind to parameters, in text or binary.

use arrow::datatypes::IntervalMonthDayNano;
use arrow_schema::{DataType, TimeUnit};
use datafusion::common::ScalarValue;
use pgwire::api::Type;
use sql::{Error, Result};

/// Microseconds from 1970-01-01 to 2000-01-01.
const EPOCH_MICROS: i64 = 946_684_800_000_000;
const EPOCH_DAYS: i32 = 10_957;

/// The Arrow type of a parameter that the client declares; `None` for types that the statement itself decides.
pub fn arrow_type(pg: &Type) -> Option<DataType> {
    Some(match *pg {
        Type::BOOL => DataType::Boolean,
        Type::INT2 => DataType::Int16,
        Type::INT4 => DataType::Int32,
        Type::INT8 => DataType::Int64,
        Type::FLOAT4 => DataType::Float32,
        Type::FLOAT8 => DataType::Float64,
        Type::NUMERIC => DataType::Decimal128(38, 10),
        Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::JSON | Type::JSONB => DataType::Utf8,
        Type::BYTEA => DataType::Binary,
        Type::DATE => DataType::Date32,
        Type::TIMESTAMP => DataType::Timestamp(TimeUnit::Microsecond, None),
        Type::TIMESTAMPTZ => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        Type::INTERVAL => DataType::Interval(arrow_schema::IntervalUnit::MonthDayNano),
        _ => return None,
    })
}

fn wrong(number: usize, what: impl std::fmt::Display) -> Error {
    Error::new("22P02", format!("parameter ${}: {what}", number + 1))
}

/// The value of parameter `number` (from 0), of `data_type`.
///
/// # Errors
/// 22P02 if the bytes are not one, 22P03 if they have the wrong length.
pub fn decode(number: usize, bytes: Option<&[u8]>, binary: bool, data_type: &DataType) -> Result<ScalarValue> {
    let Some(bytes) = bytes else {
        return ScalarValue::try_from(data_type).map_err(|error| wrong(number, error.strip_backtrace()));
    };
    if binary {
        return decode_binary(number, bytes, data_type);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| Error::new("22021", "a parameter that is not UTF-8"))?;
    match data_type {
        DataType::Boolean => match text.trim().to_ascii_lowercase().as_str() {
            "t" | "true" | "on" | "yes" | "y" | "1" => Ok(ScalarValue::Boolean(Some(true))),
            "f" | "false" | "off" | "no" | "n" | "0" => Ok(ScalarValue::Boolean(Some(false))),
            _ => Err(wrong(number, format_args!("invalid input syntax for type boolean: \"{text}\""))),
        },
        DataType::Utf8 => Ok(ScalarValue::Utf8(Some(text.to_owned()))),
        DataType::Binary => decode_hex(number, text),
        DataType::Decimal128(..) => decimal(number, text),
        other => ScalarValue::try_from_string(text.to_owned(), other).map_err(|_| {
            let name = sql::type_name(other);
            wrong(number, format_args!("invalid input syntax for type {name}: \"{text}\""))
        }),
    }
}

fn decode_hex(number: usize, text: &str) -> Result<ScalarValue> {
    let Some(digits) = text.strip_prefix("\\x") else {
        return Ok(ScalarValue::Binary(Some(text.as_bytes().to_vec())));
    };
    let pair = |at: usize| digits.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    let bytes: Option<Vec<u8>> = (0..digits.len()).step_by(2).map(pair).collect();
    bytes.map(|bytes| ScalarValue::Binary(Some(bytes))).ok_or_else(|| wrong(number, "invalid hexadecimal bytea"))
}

/// A decimal with as many fraction digits as it is written with.
fn decimal(number: usize, text: &str) -> Result<ScalarValue> {
    let invalid = || wrong(number, format_args!("invalid input syntax for type numeric: \"{text}\""));
    let (whole, fraction) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
    let digits: i128 = format!("{whole}{fraction}").parse().map_err(|_| invalid())?;
    let scale = i8::try_from(fraction.len()).ok().filter(|scale| *scale <= 38).ok_or_else(invalid)?;
    Ok(ScalarValue::Decimal128(Some(digits), 38, scale))
}

fn decode_binary(number: usize, bytes: &[u8], data_type: &DataType) -> Result<ScalarValue> {
    use ScalarValue as S;
    let length = |_| Error::new("22P03", format!("incorrect binary data format in bind parameter {}", number + 1));
    macro_rules! number {
        ($type:ty) => {
            <$type>::from_be_bytes(bytes.try_into().map_err(length)?)
        };
    }
    Ok(match data_type {
        DataType::Boolean => S::Boolean(Some(number!(i8) != 0)),
        DataType::Int16 => S::Int16(Some(number!(i16))),
        DataType::Int32 => S::Int32(Some(number!(i32))),
        DataType::Int64 => S::Int64(Some(number!(i64))),
        DataType::Float32 => S::Float32(Some(number!(f32))),
        DataType::Float64 => S::Float64(Some(number!(f64))),
        DataType::Date32 => S::Date32(Some(number!(i32) + EPOCH_DAYS)),
        DataType::Timestamp(TimeUnit::Microsecond, zone) => {
            S::TimestampMicrosecond(Some(number!(i64).saturating_add(EPOCH_MICROS)), zone.clone())
        }
        DataType::Timestamp(TimeUnit::Millisecond, zone) => {
            S::TimestampMillisecond(Some(number!(i64).saturating_add(EPOCH_MICROS) / 1_000), zone.clone())
        }
        DataType::Timestamp(TimeUnit::Nanosecond, zone) => {
            let micros = number!(i64).saturating_add(EPOCH_MICROS);
            S::TimestampNanosecond(Some(micros.saturating_mul(1_000)), zone.clone())
        }
        DataType::Binary => S::Binary(Some(bytes.to_vec())),
        DataType::Utf8 => {
            let text = std::str::from_utf8(bytes).map_err(|_| Error::new("22021", "a parameter that is not UTF-8"))?;
            S::Utf8(Some(text.to_owned()))
        }
        DataType::Decimal128(..) => decode_numeric(number, bytes)?,
        DataType::Interval(_) if bytes.len() == 16 => {
            let part = |from: usize, to: usize| bytes[from..to].try_into().map_err(length);
            let micros = i64::from_be_bytes(bytes[0..8].try_into().map_err(length)?);
            let (days, months) = (i32::from_be_bytes(part(8, 12)?), i32::from_be_bytes(part(12, 16)?));
            S::IntervalMonthDayNano(Some(IntervalMonthDayNano::new(months, days, micros.saturating_mul(1_000))))
        }
        other => {
            let name = sql::type_name(other);
            return Err(Error::new("0A000", format!("binary parameters of type {name} are not supported"))
                .hint("send the parameter as text"));
        }
    })
}

/// See `put_numeric`: groups of four digits.
fn decode_numeric(number: usize, bytes: &[u8]) -> Result<ScalarValue> {
    let invalid = || Error::new("22P03", format!("incorrect binary data format in bind parameter {}", number + 1));
    let words: Vec<u16> = bytes.chunks(2).map(|two| u16::from_be_bytes([two[0], *two.get(1).unwrap_or(&0)])).collect();
    let [count, weight, sign, scale, groups @ ..] = words.as_slice() else { return Err(invalid()) };
    if groups.len() != usize::from(*count) || *sign > 0x4000 {
        return Err(invalid());
    }
    let (weight, scale) = (*weight as i16, i32::from(*scale));
    let mut value = 0_i128;
    for (place, group) in groups.iter().enumerate() {
        let exponent = (i32::from(weight) - place as i32) * 4 + scale;
        let digits = i128::from(*group);
        let part = match exponent {
            0.. => 10_i128.checked_pow(exponent as u32).and_then(|by| digits.checked_mul(by)),
            -3..0 => Some(digits / 10_i128.pow(exponent.unsigned_abs())),
            _ => Some(0),
        };
        value = part.and_then(|part| value.checked_add(part)).ok_or_else(invalid)?;
    }
    let scale = i8::try_from(scale).ok().filter(|scale| *scale <= 38).ok_or_else(invalid)?;
    Ok(ScalarValue::Decimal128(Some(if *sign == 0x4000 { -value } else { value }), 38, scale))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numeric_comes_back() {
        for (hex, expected, scale) in [
            ("000200000000000200151388", 2150, 2),
            ("0001ffff4000000201f4", -5, 2),
            ("0000000000000002", 0, 2),
            ("00010002000000000001", 100_000_000, 0),
        ] {
            let bytes: Vec<u8> =
                (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex")).collect();
            let value = decode(0, Some(&bytes), true, &DataType::Decimal128(38, 10)).expect("a number");
            assert_eq!(value, ScalarValue::Decimal128(Some(expected), 38, scale));
        }
        assert!(decode(0, Some(&[0, 1, 0]), true, &DataType::Decimal128(38, 10)).is_err());
    }

    #[test]
    fn text_takes_the_type_of_its_place() {
        assert_eq!(decode(0, Some(b"7"), false, &DataType::Int64).expect("7"), ScalarValue::Int64(Some(7)));
        let error = decode(1, Some(b"x"), false, &DataType::Int64).expect_err("not a number");
        assert_eq!((error.sqlstate.as_str(), error.message.contains("$2")), ("22P02", true));
        assert_eq!(decode(0, None, false, &DataType::Int64).expect("null"), ScalarValue::Int64(None));
    }
}

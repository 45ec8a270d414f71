//! Values that clients bind to parameters, in text or binary.

use std::sync::Arc;

use arrow::datatypes::IntervalMonthDayNano;
use arrow_schema::{DataType, Field, TimeUnit};
use datafusion::common::ScalarValue;
use pgwire::api::Type;
use sql::{Error, Result};

/// Microseconds from 1970-01-01 to 2000-01-01.
const EPOCH_MICROS: i64 = 946_684_800_000_000;
const EPOCH_DAYS: i32 = 10_957;

const ARRAYS: [(Type, Type); 13] = [
    (Type::BOOL_ARRAY, Type::BOOL),
    (Type::INT2_ARRAY, Type::INT2),
    (Type::INT4_ARRAY, Type::INT4),
    (Type::INT8_ARRAY, Type::INT8),
    (Type::FLOAT4_ARRAY, Type::FLOAT4),
    (Type::FLOAT8_ARRAY, Type::FLOAT8),
    (Type::NUMERIC_ARRAY, Type::NUMERIC),
    (Type::TEXT_ARRAY, Type::TEXT),
    (Type::VARCHAR_ARRAY, Type::TEXT),
    (Type::BPCHAR_ARRAY, Type::TEXT),
    (Type::DATE_ARRAY, Type::DATE),
    (Type::TIMESTAMP_ARRAY, Type::TIMESTAMP),
    (Type::TIMESTAMPTZ_ARRAY, Type::TIMESTAMPTZ),
];

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
        Type::OID_ARRAY => DataType::List(Arc::new(Field::new_list_field(DataType::UInt32, true))),
        _ => {
            let item = ARRAYS.iter().find(|(array, _)| array == pg).and_then(|(_, item)| arrow_type(item))?;
            DataType::List(Arc::new(Field::new_list_field(item, true)))
        }
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
        DataType::List(item) => {
            let items =
                elements(text).ok_or_else(|| wrong(number, format_args!("malformed array literal: \"{text}\"")))?;
            let item_type = item.data_type();
            let items = items.iter().map(|item| decode(number, item.as_deref().map(str::as_bytes), false, item_type));
            list(item_type, items.collect::<Result<_>>()?)
        }
        other => ScalarValue::try_from_string(text.to_owned(), other).map_err(|_| {
            let name = sql::type_name(other);
            wrong(number, format_args!("invalid input syntax for type {name}: \"{text}\""))
        }),
    }
}

/// A list whose decimals, each written with digits of its own, have one scale.
fn list(item: &DataType, mut items: Vec<ScalarValue>) -> Result<ScalarValue> {
    let mut item = item.clone();
    if let DataType::Decimal128(precision, _) = item {
        let scales = items.iter().filter_map(|item| match item {
            ScalarValue::Decimal128(Some(_), _, scale) => Some(*scale),
            _ => None,
        });
        item = DataType::Decimal128(precision, scales.max().unwrap_or(0));
        let cast = items.iter().map(|value| value.cast_to(&item)).collect::<Result<_, _>>();
        items = cast.map_err(|error| Error::new("22003", error.strip_backtrace()))?;
    }
    Ok(ScalarValue::List(ScalarValue::new_list_nullable(&items, &item)))
}

/// `{1,NULL,"a \"b\""}`: the texts of its elements. Lists in lists are not read.
fn elements(text: &str) -> Option<Vec<Option<String>>> {
    let inner = text.trim().strip_prefix('{')?.strip_suffix('}')?;
    if inner.trim().is_empty() {
        return Some(Vec::new());
    }
    let (mut found, mut letters) = (Vec::new(), inner.chars().peekable());
    loop {
        let (mut item, mut quoted) = (String::new(), false);
        while letters.next_if(|letter| letter.is_whitespace()).is_some() {}
        loop {
            match letters.next() {
                None | Some(',') => break,
                Some('{' | '}') => return None,
                Some('"') => {
                    quoted = true;
                    loop {
                        match letters.next()? {
                            '"' => break,
                            '\\' => item.push(letters.next()?),
                            letter => item.push(letter),
                        }
                    }
                }
                Some('\\') => item.push(letters.next()?),
                Some(letter) => item.push(letter),
            }
        }
        let bare = item.trim();
        found.push(match bare.eq_ignore_ascii_case("null") && !quoted {
            true => None,
            false if quoted => Some(item),
            false => Some(bare.to_owned()),
        });
        if letters.peek().is_none() && !inner.ends_with(',') {
            return Some(found);
        }
        letters.peek()?;
    }
}

/// Dimensions, whether there are NULLs, the elements' type; then each element with its length.
fn decode_list(number: usize, bytes: &[u8], item: &DataType) -> Result<ScalarValue> {
    let wrong = || Error::new("22P03", format!("incorrect binary data format in bind parameter {}", number + 1));
    let int = |at: usize| -> Result<i32> {
        let four = bytes.get(at..at + 4).and_then(|four| four.try_into().ok()).ok_or_else(wrong)?;
        Ok(i32::from_be_bytes(four))
    };
    let count = match int(0)? {
        0 => return list(item, Vec::new()),
        1 => int(12)?,
        _ => return Err(Error::new("0A000", "arrays of several dimensions are not supported")),
    };
    let (mut at, mut items) = (20, Vec::new());
    for _ in 0..count {
        let length = int(at)?;
        at += 4;
        let value = match usize::try_from(length) {
            Ok(length) => {
                let value = bytes.get(at..at + length).ok_or_else(wrong)?;
                at += length;
                Some(value)
            }
            Err(_) => None,
        };
        items.push(decode(number, value, true, item)?);
    }
    list(item, items)
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
        DataType::UInt32 => S::UInt32(Some(number!(u32))),
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
        DataType::List(item) => decode_list(number, bytes, item.data_type())?,
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

    #[test]
    fn arrays() {
        let texts = |text: &str| {
            elements(text).map(|items| items.into_iter().map(|item| item.unwrap_or("∅".into())).collect::<Vec<_>>())
        };
        assert_eq!(
            texts(r#"{a, "b,\"c",NULL,"NULL",d\,e}"#),
            Some(["a", "b,\"c", "∅", "NULL", "d,e"].map(Into::into).into())
        );
        assert_eq!(texts("{}"), Some(Vec::new()));
        for wrong in ["a", "{", "{a,}", "{\"a}", "{{1}}"] {
            assert_eq!(texts(wrong), None, "{wrong}");
        }
        let numbers = DataType::List(Arc::new(Field::new_list_field(DataType::Int64, true)));
        let bytes = [
            &[0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 20, 0, 0, 0, 2, 0, 0, 0, 1][..],
            &[0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 7, 255, 255, 255, 255],
        ]
        .concat();
        let binary = decode(0, Some(&bytes), true, &numbers).expect("a list");
        assert_eq!(binary, decode(0, Some(b"{7,null}"), false, &numbers).expect("a list"));
        assert_eq!(binary.to_string(), "[7, ]");
        assert!(decode(0, Some(&bytes[..30]), true, &numbers).is_err());
    }
}

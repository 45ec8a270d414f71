//! Values as PostgreSQL's clients read them, in text and in binary.
//!
//! Source: PostgreSQL's documentation of data type output formats and its `*send` functions (numeric: base-10000 digits;
//! times: microseconds since 2000-01-01; interval: microseconds, days, months).

use std::fmt::Write as _;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{
    Date32Type, Date64Type, Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type, Float16Type, Float32Type,
    Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, IntervalMonthDayNanoType, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};
use arrow_schema::{DataType, IntervalUnit, TimeUnit};
use bytes::{BufMut, BytesMut};
use pgwire::api::Type;

/// Days from 1970-01-01 to 2000-01-01, PostgreSQL's epoch.
const EPOCH_DAYS: i64 = 10_957;
/// The same in microseconds.
const EPOCH_MICROS: i64 = EPOCH_DAYS * DAY_MICROS;
const DAY_MICROS: i64 = 86_400_000_000;

/// PostgreSQL's type of an Arrow type.
pub fn pg_type(data_type: &DataType) -> Type {
    use DataType as T;
    match data_type {
        T::Boolean => Type::BOOL,
        T::Int8 | T::Int16 | T::UInt8 => Type::INT2,
        T::Int32 | T::UInt16 => Type::INT4,
        T::Int64 | T::UInt32 => Type::INT8,
        T::UInt64 | T::Decimal32(..) | T::Decimal64(..) | T::Decimal128(..) | T::Decimal256(..) => Type::NUMERIC,
        T::Float16 | T::Float32 => Type::FLOAT4,
        T::Float64 => Type::FLOAT8,
        T::Binary | T::LargeBinary | T::BinaryView | T::FixedSizeBinary(_) => Type::BYTEA,
        T::Date32 | T::Date64 => Type::DATE,
        T::Time32(_) | T::Time64(_) => Type::TIME,
        T::Timestamp(_, None) => Type::TIMESTAMP,
        T::Timestamp(_, Some(_)) => Type::TIMESTAMPTZ,
        T::Duration(_) | T::Interval(_) => Type::INTERVAL,
        // See what `$1::oid[]` is prepared as.
        T::List(item) if *item.data_type() == T::UInt32 => Type::OID_ARRAY,
        T::List(item) | T::LargeList(item) | T::FixedSizeList(item, _) => match pg_type(item.data_type()) {
            Type::BOOL => Type::BOOL_ARRAY,
            Type::INT2 => Type::INT2_ARRAY,
            Type::INT4 => Type::INT4_ARRAY,
            Type::INT8 => Type::INT8_ARRAY,
            Type::NUMERIC => Type::NUMERIC_ARRAY,
            Type::FLOAT4 => Type::FLOAT4_ARRAY,
            Type::FLOAT8 => Type::FLOAT8_ARRAY,
            Type::TIMESTAMP => Type::TIMESTAMP_ARRAY,
            Type::TIMESTAMPTZ => Type::TIMESTAMPTZ_ARRAY,
            Type::DATE => Type::DATE_ARRAY,
            _ => Type::TEXT_ARRAY,
        },
        T::Dictionary(_, value) => pg_type(value),
        _ => Type::TEXT,
    }
}

/// Size of a type's values in bytes, -1 where it varies.
pub fn type_size(pg: &Type) -> i16 {
    match *pg {
        Type::BOOL => 1,
        Type::INT2 => 2,
        Type::INT4 | Type::FLOAT4 | Type::DATE => 4,
        Type::INT8 | Type::FLOAT8 | Type::TIME | Type::TIMESTAMP | Type::TIMESTAMPTZ => 8,
        Type::INTERVAL => 16,
        _ => -1,
    }
}

/// The type modifier: a numeric's precision and scale.
pub fn type_modifier(data_type: &DataType) -> i32 {
    match data_type {
        DataType::Decimal128(precision, scale) | DataType::Decimal256(precision, scale) if *scale >= 0 => {
            (i32::from(*precision) << 16 | i32::from(*scale)) + 4
        }
        _ => -1,
    }
}

/// Appends one value with its length before it; NULL is the length -1.
pub fn put_field(out: &mut BytesMut, array: &ArrayRef, row: usize, binary: bool) {
    if array.is_null(row) || *array.data_type() == DataType::Null {
        out.put_i32(-1);
        return;
    }
    let at = out.len();
    out.put_i32(0);
    if binary {
        put_binary(out, array, row);
    } else {
        put_text(out, array, row);
    }
    let length = (out.len() - at - 4) as i32;
    out[at..at + 4].copy_from_slice(&length.to_be_bytes());
}

/// A value's text.
pub fn text(array: &ArrayRef, row: usize) -> Option<String> {
    if array.is_null(row) || *array.data_type() == DataType::Null {
        return None;
    }
    let mut out = BytesMut::new();
    put_text(&mut out, array, row);
    Some(String::from_utf8_lossy(&out).into_owned())
}

macro_rules! put {
    ($out:expr, $($arg:tt)*) => {
        // Writing to memory cannot fail.
        let _ = write!($out, $($arg)*);
    };
}

fn put_text(out: &mut BytesMut, array: &ArrayRef, row: usize) {
    use DataType as T;
    match array.data_type() {
        T::Boolean => out.put_u8(if array.as_boolean().value(row) { b't' } else { b'f' }),
        T::Int8 | T::Int16 | T::Int32 | T::Int64 | T::UInt8 | T::UInt16 | T::UInt32 => {
            put!(out, "{}", integer(array, row));
        }
        T::UInt64 => {
            put!(out, "{}", array.as_primitive::<UInt64Type>().value(row));
        }
        T::Float16 => put_float(out, f64::from(array.as_primitive::<Float16Type>().value(row).to_f32()), false),
        T::Float32 => put_float(out, f64::from(array.as_primitive::<Float32Type>().value(row)), false),
        T::Float64 => put_float(out, array.as_primitive::<Float64Type>().value(row), true),
        T::Decimal32(..) => out.put_slice(array.as_primitive::<Decimal32Type>().value_as_string(row).as_bytes()),
        T::Decimal64(..) => out.put_slice(array.as_primitive::<Decimal64Type>().value_as_string(row).as_bytes()),
        T::Decimal128(..) => out.put_slice(array.as_primitive::<Decimal128Type>().value_as_string(row).as_bytes()),
        T::Decimal256(..) => out.put_slice(array.as_primitive::<Decimal256Type>().value_as_string(row).as_bytes()),
        T::Utf8 | T::LargeUtf8 | T::Utf8View => out.put_slice(string(array, row).as_bytes()),
        T::Binary | T::LargeBinary | T::BinaryView | T::FixedSizeBinary(_) => {
            out.put_slice(b"\\x");
            for byte in binary(array, row) {
                put!(out, "{byte:02x}");
            }
        }
        T::Date32 | T::Date64 => {
            if put_date(out, days(array, row)) {
                out.put_slice(b" BC");
            }
        }
        T::Time32(_) | T::Time64(_) => put_clock(out, micros(array, row)),
        T::Timestamp(_, zone) => {
            let micros = micros(array, row);
            let before_christ = put_date(out, micros.div_euclid(DAY_MICROS));
            out.put_u8(b' ');
            put_clock(out, micros.rem_euclid(DAY_MICROS));
            if zone.is_some() {
                out.put_slice(b"+00");
            }
            if before_christ {
                out.put_slice(b" BC");
            }
        }
        T::Duration(_) => put_interval(out, 0, 0, micros(array, row)),
        T::Interval(IntervalUnit::MonthDayNano) => {
            let value = array.as_primitive::<IntervalMonthDayNanoType>().value(row);
            put_interval(out, value.months, value.days, value.nanoseconds / 1_000);
        }
        T::List(_) | T::LargeList(_) | T::FixedSizeList(..) => put_array_text(out, &items(array, row)),
        T::Dictionary(..) => match arrow::compute::cast(array, &DataType::Utf8) {
            Ok(plain) => put_text(out, &plain, row),
            Err(_) => out.put_slice(b"?"),
        },
        _ => {
            let shown = arrow::util::display::array_value_to_string(array, row).unwrap_or_default();
            out.put_slice(shown.as_bytes());
        }
    }
}

fn integer(array: &ArrayRef, row: usize) -> i64 {
    use DataType as T;
    match array.data_type() {
        T::Int8 => array.as_primitive::<Int8Type>().value(row).into(),
        T::Int16 => array.as_primitive::<Int16Type>().value(row).into(),
        T::Int32 => array.as_primitive::<Int32Type>().value(row).into(),
        T::UInt8 => array.as_primitive::<UInt8Type>().value(row).into(),
        T::UInt16 => array.as_primitive::<UInt16Type>().value(row).into(),
        T::UInt32 => array.as_primitive::<UInt32Type>().value(row).into(),
        _ => array.as_primitive::<Int64Type>().value(row),
    }
}

fn string(array: &ArrayRef, row: usize) -> &str {
    match array.data_type() {
        DataType::LargeUtf8 => array.as_string::<i64>().value(row),
        DataType::Utf8View => array.as_string_view().value(row),
        _ => array.as_string::<i32>().value(row),
    }
}

fn binary(array: &ArrayRef, row: usize) -> &[u8] {
    match array.data_type() {
        DataType::LargeBinary => array.as_binary::<i64>().value(row),
        DataType::BinaryView => array.as_binary_view().value(row),
        DataType::FixedSizeBinary(_) => array.as_fixed_size_binary().value(row),
        _ => array.as_binary::<i32>().value(row),
    }
}

fn items(array: &ArrayRef, row: usize) -> ArrayRef {
    match array.data_type() {
        DataType::LargeList(_) => array.as_list::<i64>().value(row),
        DataType::FixedSizeList(..) => array.as_fixed_size_list().value(row),
        _ => array.as_list::<i32>().value(row),
    }
}

fn days(array: &ArrayRef, row: usize) -> i64 {
    match array.data_type() {
        DataType::Date64 => array.as_primitive::<Date64Type>().value(row).div_euclid(86_400_000),
        _ => array.as_primitive::<Date32Type>().value(row).into(),
    }
}

/// Microseconds of a time of any unit.
fn micros(array: &ArrayRef, row: usize) -> i64 {
    use arrow::datatypes as t;
    let (value, unit) = match array.data_type() {
        DataType::Timestamp(unit, _) => {
            let value = match unit {
                TimeUnit::Second => array.as_primitive::<t::TimestampSecondType>().value(row),
                TimeUnit::Millisecond => array.as_primitive::<t::TimestampMillisecondType>().value(row),
                TimeUnit::Microsecond => array.as_primitive::<t::TimestampMicrosecondType>().value(row),
                TimeUnit::Nanosecond => array.as_primitive::<t::TimestampNanosecondType>().value(row),
            };
            (value, unit)
        }
        DataType::Duration(unit) => {
            let value = match unit {
                TimeUnit::Second => array.as_primitive::<t::DurationSecondType>().value(row),
                TimeUnit::Millisecond => array.as_primitive::<t::DurationMillisecondType>().value(row),
                TimeUnit::Microsecond => array.as_primitive::<t::DurationMicrosecondType>().value(row),
                TimeUnit::Nanosecond => array.as_primitive::<t::DurationNanosecondType>().value(row),
            };
            (value, unit)
        }
        DataType::Time32(TimeUnit::Second) => {
            (array.as_primitive::<t::Time32SecondType>().value(row).into(), &TimeUnit::Second)
        }
        DataType::Time32(_) => {
            (array.as_primitive::<t::Time32MillisecondType>().value(row).into(), &TimeUnit::Millisecond)
        }
        DataType::Time64(TimeUnit::Microsecond) => {
            (array.as_primitive::<t::Time64MicrosecondType>().value(row), &TimeUnit::Microsecond)
        }
        _ => (array.as_primitive::<t::Time64NanosecondType>().value(row), &TimeUnit::Nanosecond),
    };
    match unit {
        TimeUnit::Second => value.saturating_mul(1_000_000),
        TimeUnit::Millisecond => value.saturating_mul(1_000),
        TimeUnit::Microsecond => value,
        TimeUnit::Nanosecond => value.div_euclid(1_000),
    }
}

/// The shortest digits that come back as the same number, as PostgreSQL since version 12.
fn put_float(out: &mut BytesMut, value: f64, double: bool) {
    if value.is_nan() {
        out.put_slice(b"NaN");
        return;
    }
    if value.is_infinite() {
        out.put_slice(if value > 0.0 { b"Infinity" } else { b"-Infinity" });
        return;
    }
    let scientific = if double { format!("{value:e}") } else { format!("{:e}", value as f32) };
    let exponent: i32 = scientific.split_once('e').and_then(|(_, digits)| digits.parse().ok()).unwrap_or(0);
    // PostgreSQL changes to the scientific form where C's %g would.
    let digits = if double { 15 } else { 6 };
    if value != 0.0 && (exponent < -4 || exponent >= digits) {
        let mantissa = scientific.split_once('e').map_or("", |(mantissa, _)| mantissa);
        let sign = if exponent < 0 { '-' } else { '+' };
        put!(out, "{mantissa}e{sign}{:02}", exponent.abs());
    } else if double {
        put!(out, "{value}");
    } else {
        put!(out, "{}", value as f32);
    }
}

/// Days since 1970 as a proleptic Gregorian date; whether its year counts backwards from Christ.
fn put_date(out: &mut BytesMut, days: i64) -> bool {
    // Howard Hinnant, "chrono-compatible low-level date algorithms".
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = doy - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    let year = yoe + era * 400 + i64::from(month <= 2);
    let shown = if year > 0 { year } else { 1 - year };
    put!(out, "{shown:04}-{month:02}-{day:02}");
    year <= 0
}

/// Microseconds of a day.
fn put_clock(out: &mut BytesMut, micros: i64) {
    let seconds = micros / 1_000_000;
    put!(out, "{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60);
    put_fraction(out, micros % 1_000_000);
}

fn put_fraction(out: &mut BytesMut, micros: i64) {
    if micros != 0 {
        let digits = format!("{micros:06}");
        put!(out, ".{}", digits.trim_end_matches('0'));
    }
}

/// `1 year 2 mons -3 days +04:05:06.7`.
fn put_interval(out: &mut BytesMut, months: i32, days: i32, micros: i64) {
    let start = out.len();
    let mut negative = false;
    for (value, unit) in [(months / 12, "year"), (months % 12, "mon"), (days, "day")] {
        if value != 0 {
            if out.len() > start {
                out.put_u8(b' ');
            }
            let plus = if negative && value > 0 { "+" } else { "" };
            put!(out, "{plus}{value} {unit}{}", if value == 1 { "" } else { "s" });
            negative = value < 0;
        }
    }
    if micros != 0 || out.len() == start {
        if out.len() > start {
            out.put_u8(b' ');
        }
        let sign = if micros < 0 {
            "-"
        } else if negative {
            "+"
        } else {
            ""
        };
        let whole = micros.unsigned_abs() / 1_000_000;
        put!(out, "{sign}{:02}:{:02}:{:02}", whole / 3_600, whole / 60 % 60, whole % 60);
        put_fraction(out, (micros.unsigned_abs() % 1_000_000) as i64);
    }
}

fn put_array_text(out: &mut BytesMut, items: &ArrayRef) {
    out.put_u8(b'{');
    for row in 0..items.len() {
        if row > 0 {
            out.put_u8(b',');
        }
        let Some(item) = text(items, row) else {
            out.put_slice(b"NULL");
            continue;
        };
        let special = |c: char| c.is_whitespace() || matches!(c, '{' | '}' | ',' | '"' | '\\');
        if item.is_empty() || item.eq_ignore_ascii_case("null") || item.contains(special) {
            put!(out, "\"{}\"", item.replace('\\', "\\\\").replace('"', "\\\""));
        } else {
            out.put_slice(item.as_bytes());
        }
    }
    out.put_u8(b'}');
}

fn put_binary(out: &mut BytesMut, array: &ArrayRef, row: usize) {
    use DataType as T;
    match array.data_type() {
        T::Boolean => out.put_u8(u8::from(array.as_boolean().value(row))),
        T::Int8 | T::Int16 | T::UInt8 => out.put_i16(integer(array, row) as i16),
        T::Int32 | T::UInt16 => out.put_i32(integer(array, row) as i32),
        T::Int64 | T::UInt32 => out.put_i64(integer(array, row)),
        T::UInt64 => put_numeric(out, &array.as_primitive::<UInt64Type>().value(row).to_string()),
        T::Float16 => out.put_f32(array.as_primitive::<Float16Type>().value(row).to_f32()),
        T::Float32 => out.put_f32(array.as_primitive::<Float32Type>().value(row)),
        T::Float64 => out.put_f64(array.as_primitive::<Float64Type>().value(row)),
        T::Decimal32(..) | T::Decimal64(..) | T::Decimal128(..) | T::Decimal256(..) => {
            let mut digits = BytesMut::new();
            put_text(&mut digits, array, row);
            put_numeric(out, &String::from_utf8_lossy(&digits));
        }
        T::Binary | T::LargeBinary | T::BinaryView | T::FixedSizeBinary(_) => out.put_slice(binary(array, row)),
        T::Date32 | T::Date64 => out.put_i32((days(array, row) - EPOCH_DAYS) as i32),
        T::Time32(_) | T::Time64(_) => out.put_i64(micros(array, row)),
        T::Timestamp(..) => out.put_i64(micros(array, row) - EPOCH_MICROS),
        T::Duration(_) => {
            out.put_i64(micros(array, row));
            out.put_i64(0);
        }
        T::Interval(IntervalUnit::MonthDayNano) => {
            let value = array.as_primitive::<IntervalMonthDayNanoType>().value(row);
            out.put_i64(value.nanoseconds / 1_000);
            out.put_i32(value.days);
            out.put_i32(value.months);
        }
        T::List(_) | T::LargeList(_) | T::FixedSizeList(..) => {
            let items = items(array, row);
            let nulls = i32::from(items.null_count() > 0);
            out.put_i32(i32::from(!items.is_empty()));
            out.put_i32(nulls);
            out.put_u32(pg_type(items.data_type()).oid());
            if !items.is_empty() {
                out.put_i32(items.len() as i32);
                out.put_i32(1);
                (0..items.len()).for_each(|item| put_field(out, &items, item, true));
            }
        }
        // Text is the same in both formats.
        _ => put_text(out, array, row),
    }
}

/// A decimal's digits in groups of four around the point: count, weight of the first, sign, fraction digits, groups.
fn put_numeric(out: &mut BytesMut, text: &str) {
    let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let whole = whole.trim_start_matches('0');
    let padded = format!("{:0>width$}", whole, width = whole.len().div_ceil(4) * 4);
    let tail = format!("{:0<width$}", fraction, width = fraction.len().div_ceil(4) * 4);
    let groups = |text: &str| -> Vec<i16> {
        text.as_bytes().chunks(4).map(|four| four.iter().fold(0, |n, digit| n * 10 + i16::from(digit - b'0'))).collect()
    };
    let mut digits = groups(&padded);
    let mut weight = digits.len() as i16 - 1;
    digits.extend(groups(&tail));
    let leading = digits.iter().take_while(|digit| **digit == 0).count();
    digits.drain(..leading);
    weight -= leading as i16;
    while digits.last() == Some(&0) {
        digits.pop();
    }
    if digits.is_empty() {
        weight = 0;
    }
    out.put_i16(digits.len() as i16);
    out.put_i16(weight);
    out.put_u16(if negative && !digits.is_empty() { 0x4000 } else { 0 });
    out.put_i16(fraction.len() as i16);
    digits.into_iter().for_each(|digit| out.put_i16(digit));
}

#[cfg(test)]
#[path = "encode_tests.rs"]
mod tests;

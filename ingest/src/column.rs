//! A decoded scalar as the value of a column: the one place that knows how Debezium and Connect write MySQL's types.
//!
//! What a column means is its Arrow type. Where the writer's schema names another unit or scale than the column has (DATETIME
//! comes in milliseconds or microseconds by its precision, and ALTER TABLE may change both), values are converted; without
//! a schema they lie as the column's type says. Sources: Debezium's "data type mappings" of the
//! MySQL connector; Kafka Connect's logical types.

use std::borrow::Cow;
use std::collections::HashMap;

use arrow_schema::{DataType, Field, TimeUnit};
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Timelike};
use delta::RowBuilder;

use crate::error::{Error, Result};

/// Key of a field's metadata that tells what its Arrow type cannot.
pub const TYPE: &str = "tidewater.type";
/// Value of [`TYPE`] for text that is JSON, kept in one canonical form.
pub const JSON: &str = "json";
/// Value of [`TYPE`] for a YEAR.
pub const YEAR: &str = "year";

/// A field's metadata by Connect's name of its type.
pub(crate) fn metadata(connect_name: Option<&str>) -> HashMap<String, String> {
    let kind = match connect_name {
        Some("io.debezium.data.Json") => JSON,
        Some("io.debezium.time.Year") => YEAR,
        _ => return HashMap::new(),
    };
    HashMap::from([(TYPE.to_owned(), kind.to_owned())])
}

/// What a column takes.
#[derive(Debug, Clone, PartialEq)]
enum Target {
    Bool,
    Int {
        min: i64,
        max: i64,
    },
    Year,
    Float32,
    Float64,
    Decimal {
        precision: u8,
        scale: i8,
    },
    Text,
    Json,
    Bytes,
    Date,
    /// Ticks a second, and whether it has a zone.
    Timestamp {
        ticks: i64,
        zoned: bool,
    },
    /// Ticks a second.
    Duration {
        ticks: i64,
    },
    /// A list of floats (MySQL's VECTOR).
    Floats,
}

/// A column and what it takes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Column {
    /// Its place in the row.
    pub(crate) index: usize,
    name: String,
    target: Target,
    /// The writer's ticks a second, for times.
    from_ticks: i64,
    /// The writer's fraction digits, for decimals.
    from_scale: i8,
}

fn ticks(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    }
}

impl Column {
    /// Column `index` of a table, as a writer writes it whose type for it is `writer`; `None` where no schema tells.
    ///
    /// # Errors
    /// If records cannot hold the column's type.
    pub(crate) fn new(index: usize, field: &Field, writer: Option<&DataType>) -> Result<Self> {
        let int = |min: i64, max: i64| Target::Int { min, max };
        let marked = |kind: &str| field.metadata().get(TYPE).is_some_and(|found| found == kind);
        let target = match field.data_type() {
            DataType::Int32 if marked(YEAR) => Target::Year,
            DataType::Boolean => Target::Bool,
            DataType::Int8 => int(i8::MIN.into(), i8::MAX.into()),
            DataType::Int16 => int(i16::MIN.into(), i16::MAX.into()),
            DataType::Int32 => int(i32::MIN.into(), i32::MAX.into()),
            DataType::Int64 => int(i64::MIN, i64::MAX),
            DataType::Float32 => Target::Float32,
            DataType::Float64 => Target::Float64,
            DataType::Decimal128(precision, scale) | DataType::Decimal256(precision, scale) => {
                Target::Decimal { precision: *precision, scale: *scale }
            }
            DataType::Utf8 if marked(JSON) => Target::Json,
            DataType::Utf8 => Target::Text,
            DataType::Binary => Target::Bytes,
            DataType::Date32 => Target::Date,
            DataType::Timestamp(unit, zone) => Target::Timestamp { ticks: ticks(*unit), zoned: zone.is_some() },
            DataType::Duration(unit) => Target::Duration { ticks: ticks(*unit) },
            DataType::List(item) if *item.data_type() == DataType::Float32 => Target::Floats,
            other => {
                let name = field.name();
                return Err(Error::Schema(format!("column \"{name}\" has type {other}, which records cannot hold")));
            }
        };
        let from_ticks = match writer.unwrap_or(field.data_type()) {
            DataType::Timestamp(unit, _) | DataType::Duration(unit) => ticks(*unit),
            _ => 1,
        };
        let from_scale = match writer.unwrap_or(field.data_type()) {
            DataType::Decimal128(_, scale) | DataType::Decimal256(_, scale) => *scale,
            _ => 0,
        };
        Ok(Column { index, name: field.name().clone(), target, from_ticks, from_scale })
    }

    #[cold]
    pub(crate) fn wrong(&self, what: impl std::fmt::Display) -> Error {
        Error::decode(format!("column \"{}\": {what}", self.name))
    }

    /// Whether it takes a list.
    pub(crate) fn is_list(&self) -> bool {
        self.target == Target::Floats
    }

    /// An integer of any meaning.
    #[inline]
    pub(crate) fn set_long(&self, row: &mut RowBuilder, value: i64) -> Result<()> {
        match self.target {
            Target::Int { min, max } => {
                if value < min || value > max {
                    return Err(self.wrong(format_args!("{value} does not fit its type")));
                }
                row.set_int(self.index, value);
            }
            // The stream writes YEAR 0 as 1900, which YEAR cannot hold.
            Target::Year => row.set_int(self.index, if value == 1900 { 0 } else { value }),
            Target::Timestamp { ticks, .. } | Target::Duration { ticks } if ticks != self.from_ticks => {
                let scaled = i128::from(value) * i128::from(ticks);
                let scaled = scaled.div_euclid(i128::from(self.from_ticks));
                let scaled =
                    i64::try_from(scaled).map_err(|_| self.wrong(format_args!("the time {value} is too far")))?;
                row.set_int(self.index, scaled);
            }
            Target::Timestamp { .. } | Target::Duration { .. } | Target::Date => row.set_int(self.index, value),
            Target::Bool => row.set_slot(self.index, u64::from(value != 0)),
            // BIGINT UNSIGNED as a Connect long keeps its bits and loses its sign.
            Target::Decimal { scale: 0, .. } => row.set_decimal(self.index, i128::from(value as u64)),
            Target::Decimal { .. } => return self.set_decimal(row, i128::from(value), 0),
            Target::Float32 | Target::Float64 => row.set_float(self.index, value as f64),
            Target::Text | Target::Json => row.set_text(self.index, &value.to_string()),
            Target::Bytes | Target::Floats => return Err(self.wrong("a number where bytes belong")),
        }
        Ok(())
    }

    /// A truth value.
    pub(crate) fn set_bool(&self, row: &mut RowBuilder, value: bool) -> Result<()> {
        match self.target {
            Target::Bool | Target::Int { .. } => row.set_slot(self.index, u64::from(value)),
            Target::Text | Target::Json => row.set_text(self.index, if value { "true" } else { "false" }),
            _ => return Err(self.wrong("a truth value where another type belongs")),
        }
        Ok(())
    }

    /// A floating number.
    pub(crate) fn set_double(&self, row: &mut RowBuilder, value: f64) -> Result<()> {
        match self.target {
            Target::Float64 => row.set_float(self.index, value),
            Target::Float32 => row.set_float(self.index, f64::from(six_digits(value as f32))),
            Target::Decimal { .. } => return self.set_decimal_text(row, &value.to_string()),
            Target::Text | Target::Json => row.set_text(self.index, &value.to_string()),
            Target::Int { .. } if value.fract() == 0.0 && value.abs() < 9e15 => {
                return self.set_long(row, value as i64);
            }
            _ => return Err(self.wrong(format_args!("the number {value} where another type belongs"))),
        }
        Ok(())
    }

    /// Text of any meaning.
    pub(crate) fn set_text(&self, row: &mut RowBuilder, value: &str) -> Result<()> {
        match self.target {
            Target::Text => row.set_text(self.index, value),
            Target::Json => row.set_text(self.index, &canonical(value).map_err(|error| self.wrong(error))?),
            Target::Timestamp { ticks, zoned } => {
                let nanos = if zoned { zoned_nanos(value) } else { local_nanos(value) };
                let nanos = nanos.ok_or_else(|| self.wrong(format_args!("\"{value}\" is not a time")))?;
                row.set_int(self.index, (nanos / (1_000_000_000 / i128::from(ticks))) as i64);
            }
            Target::Date => {
                let day = value.strip_suffix('Z').unwrap_or(value);
                let date = NaiveDate::parse_from_str(day, "%Y-%m-%d");
                let date = date.map_err(|_| self.wrong(format_args!("\"{value}\" is not a date")))?;
                row.set_int(self.index, i64::from(date.to_epoch_days()));
            }
            Target::Duration { ticks } => {
                let text = value.strip_suffix('Z').unwrap_or(value);
                let time = text.parse::<NaiveTime>();
                let time = time.map_err(|_| self.wrong(format_args!("\"{value}\" is not a time of day")))?;
                let nanos = i64::from(time.num_seconds_from_midnight()) * 1_000_000_000 + i64::from(time.nanosecond());
                row.set_int(self.index, nanos / (1_000_000_000 / ticks));
            }
            Target::Decimal { .. } => return self.set_decimal_text(row, value),
            Target::Bytes => row.set_tail(self.index, value.as_bytes()),
            Target::Int { .. } | Target::Year => {
                let number =
                    value.parse().map_err(|_| self.wrong(format_args!("\"{value}\" is not a whole number")))?;
                return self.set_long(row, number);
            }
            Target::Float32 | Target::Float64 => {
                let number = value.parse().map_err(|_| self.wrong(format_args!("\"{value}\" is not a number")))?;
                return self.set_double(row, number);
            }
            Target::Bool | Target::Floats => return Err(self.wrong("text where another type belongs")),
        }
        Ok(())
    }

    /// Bytes: as they are, or the unscaled digits of a decimal, big endian, at the writer's scale.
    #[inline]
    pub(crate) fn set_bytes(&self, row: &mut RowBuilder, value: &[u8]) -> Result<()> {
        match self.target {
            Target::Bytes => {
                row.set_tail(self.index, value);
                Ok(())
            }
            Target::Decimal { .. } => match unscaled(value) {
                Some(digits) => self.set_decimal(row, digits, self.from_scale),
                None => self.set_wide(row, value, self.from_scale),
            },
            Target::Text => {
                let text = std::str::from_utf8(value).map_err(|_| self.wrong("bytes that are not UTF-8"))?;
                row.set_text(self.index, text);
                Ok(())
            }
            _ => Err(self.wrong("bytes where another type belongs")),
        }
    }

    /// An unscaled decimal at the writer's scale.
    fn set_decimal(&self, row: &mut RowBuilder, digits: i128, from: i8) -> Result<()> {
        let Target::Decimal { precision, scale } = self.target else {
            return Err(self.wrong("a decimal where another type belongs"));
        };
        let too_big = || self.wrong(format_args!("a decimal that does not fit {precision} digits"));
        let digits = if from == scale {
            digits
        } else if from < scale {
            10_i128.checked_pow((scale - from) as u32).and_then(|by| digits.checked_mul(by)).ok_or_else(too_big)?
        } else {
            let by = 10_i128.checked_pow((from - scale) as u32).ok_or_else(too_big)?;
            if digits % by != 0 {
                return Err(self.wrong(format_args!("a decimal with more than {scale} fraction digits")));
            }
            digits / by
        };
        // 38 digits fit i128; a wider column takes any.
        if precision <= 38 && digits.unsigned_abs() >= 10_u128.pow(u32::from(precision)) {
            return Err(too_big());
        }
        if precision > 38 {
            let mut wide = [if digits < 0 { 0xff } else { 0 }; 32];
            wide[..16].copy_from_slice(&digits.to_le_bytes());
            row.set_tail(self.index, &wide);
        } else {
            row.set_decimal(self.index, digits);
        }
        Ok(())
    }

    /// A decimal of more than 38 digits.
    fn set_wide(&self, row: &mut RowBuilder, big_endian: &[u8], from: i8) -> Result<()> {
        let fits = matches!(self.target, Target::Decimal { precision, scale } if precision > 38 && scale == from);
        if !fits || big_endian.len() > 32 || big_endian.is_empty() {
            return Err(self.wrong("a decimal that does not fit its type"));
        }
        let mut wide = [if big_endian[0] & 0x80 != 0 { 0xff } else { 0 }; 32];
        wide.iter_mut().zip(big_endian.iter().rev()).for_each(|(to, from)| *to = *from);
        row.set_tail(self.index, &wide);
        Ok(())
    }

    /// A decimal as text.
    pub(crate) fn set_decimal_text(&self, row: &mut RowBuilder, text: &str) -> Result<()> {
        let (digits, scale) =
            parse_decimal(text).ok_or_else(|| self.wrong(format_args!("\"{text}\" is not a decimal")))?;
        self.set_decimal(row, digits, scale)
    }

    /// Whether it takes a decimal.
    pub(crate) fn is_decimal(&self) -> bool {
        matches!(self.target, Target::Decimal { .. })
    }

    /// Whether it takes bytes.
    pub(crate) fn is_bytes(&self) -> bool {
        self.target == Target::Bytes
    }

    /// Whether it takes JSON.
    pub(crate) fn is_json(&self) -> bool {
        self.target == Target::Json
    }

    /// A list of floats.
    pub(crate) fn set_floats(&self, row: &mut RowBuilder, values: &[f64]) -> Result<()> {
        if !self.is_list() {
            return Err(self.wrong("a list where another type belongs"));
        }
        let mut list = RowBuilder::new(vec![delta::Kind::Float; values.len()]);
        values.iter().enumerate().for_each(|(i, value)| list.set_float(i, *value));
        row.set_tail(self.index, list.finish().bytes());
        Ok(())
    }
}

/// Two's complement, big endian, of up to 16 bytes.
#[inline]
pub(crate) fn unscaled(bytes: &[u8]) -> Option<i128> {
    let first = *bytes.first()?;
    if bytes.len() > 16 {
        return None;
    }
    let start = if first & 0x80 != 0 { -1_i128 } else { 0 };
    Some(bytes.iter().fold(start, |value, byte| value << 8 | i128::from(*byte)))
}

/// Digits and scale of `-12.50`; an exponent is taken too.
fn parse_decimal(text: &str) -> Option<(i128, i8)> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if fraction.starts_with(['-', '+']) {
        return None;
    }
    let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
    let scale = fraction.len() as i32 - exponent;
    if scale < 0 {
        return Some((digits.checked_mul(10_i128.checked_pow(scale.unsigned_abs())?)?, 0));
    }
    Some((digits, i8::try_from(scale).ok()?))
}

/// A float as MySQL's text protocol shows it: the snapshot knows six digits, the stream all.
fn six_digits(value: f32) -> f32 {
    if !value.is_finite() {
        return value;
    }
    format!("{value:.5e}").parse().unwrap_or(value)
}

/// Nanoseconds since 1970 of an ISO 8601 time with zone.
fn zoned_nanos(text: &str) -> Option<i128> {
    let time = DateTime::parse_from_rfc3339(text).ok()?;
    Some(i128::from(time.timestamp()) * 1_000_000_000 + i128::from(time.timestamp_subsec_nanos()))
}

/// Nanoseconds since 1970 of an ISO 8601 time whose zone, if it names one, is UTC.
fn local_nanos(text: &str) -> Option<i128> {
    let text = text.strip_suffix('Z').unwrap_or(text);
    let time: NaiveDateTime =
        text.parse().ok().or_else(|| NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f").ok())?;
    let utc = time.and_utc();
    Some(i128::from(utc.timestamp()) * 1_000_000_000 + i128::from(utc.timestamp_subsec_nanos()))
}

/// One text for equal JSON: no white space, the members of an object in their order (MySQL sorts them).
pub(crate) fn canonical(text: &str) -> Result<Cow<'_, str>, String> {
    let value: serde_json::Value = serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))?;
    let canonical = value.to_string();
    Ok(if canonical == text { Cow::Borrowed(text) } else { Cow::Owned(canonical) })
}

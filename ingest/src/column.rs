//! A decoded scalar as the value of a column: the one place that knows how Debezium and Connect write MySQL's types.
//!
//! What a column means is its Arrow type. Where the writer's schema names another unit or scale than the column has (DATETIME
//! comes in milliseconds or microseconds by its precision, and ALTER TABLE may change both), values are converted; without
//! a schema they lie as the column's type says. Whatever does not fit is an error that names the column: nothing is
//! rounded, cut or wrapped. Sources: Debezium's "data type mappings" of the MySQL connector; Kafka Connect's logical types.

mod decimals;
mod times;

use std::collections::HashMap;
use std::io::Write;

use arrow_schema::{DataType, Field, IntervalUnit, TimeUnit};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use delta::RowBuilder;

use crate::decimal::{Decimal, Misfit, decimal_text, unscaled};
use crate::error::{Error, Result};
use crate::{json_text, time_text};
use times::{is_told, told};

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

/// What is known of who wrote a value.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Writer<'a> {
    /// Its schema says that it writes this type.
    Typed(&'a DataType),
    /// Debezium, without a schema.
    Debezium,
    /// Some service, without a schema.
    Service,
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
    /// A time of day: ticks a second.
    Clock {
        ticks: i64,
    },
    Interval,
    /// A list of floats (MySQL's VECTOR).
    Floats,
}

/// What text means where a column takes decimals or bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Texts {
    /// The value in base64: the schema says that it is bytes.
    Base64,
    /// A decimal's digits; bytes in base64 or hex (binary.handling.mode): the schema says that it is text.
    Digits,
    /// Base64, which is Debezium's default, unless it cannot be.
    Base64First,
    /// Digits, which is what services write, unless they cannot be.
    DigitsFirst,
}

/// A column and what it takes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Column {
    /// Its place in the row.
    pub(crate) index: usize,
    name: String,
    target: Target,
    texts: Texts,
    /// The writer's ticks a second, for times.
    from_ticks: i64,
    /// The writer's fraction digits, for decimals.
    from_scale: i8,
    /// Whether the writer's schema says that a number is a time.
    from_time: bool,
    /// The least time that must be of the column's own unit because no coarser one holds it, and the least that must be of a
    /// finer one, where the writer does not say.
    told: Option<(i64, i64)>,
    /// The writer's fraction digits, where it writes decimals and the column takes text (ALTER of DECIMAL to VARCHAR).
    digits: Option<i8>,
    /// Whether negative whole numbers are BIGINT UNSIGNED that lost its sign.
    pub(crate) wraps: bool,
    /// Whether a time that the column's unit does not hold exactly is refused, not cut.
    exact: bool,
}

const MICROS: i64 = 1_000_000;
const NANOS: i64 = 1_000_000_000;
const DAY_SECONDS: i64 = 86_400;
/// The end of the year 9999, which no time of MySQL's reaches.
const SECONDS_MAX: i64 = 253_402_300_800;
/// What Debezium writes where it does not know a value (unavailable.value.placeholder).
const UNAVAILABLE: &str = "__debezium_unavailable_value";
/// Room for the 32 bytes of the longest decimal, as base64's decoder counts before it knows the padding.
const DECIMAL_BYTES: usize = 48;

fn ticks(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => MICROS,
        TimeUnit::Nanosecond => NANOS,
    }
}

impl Target {
    fn of(field: &Field) -> Option<Target> {
        let int = |min: i64, max: i64| Target::Int { min, max };
        let marked = |kind: &str| field.metadata().get(TYPE).is_some_and(|found| found == kind);
        Some(match field.data_type() {
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
            DataType::Time32(unit) | DataType::Time64(unit) => Target::Clock { ticks: ticks(*unit) },
            DataType::Interval(IntervalUnit::MonthDayNano) => Target::Interval,
            DataType::List(item) if *item.data_type() == DataType::Float32 => Target::Floats,
            _ => return None,
        })
    }

    /// Whether values of the writer's type can be values of the column. Texts are tried one by one.
    fn takes(&self, writer: &DataType) -> bool {
        use DataType as T;
        let number = matches!(writer, T::Int8 | T::Int16 | T::Int32 | T::Int64 | T::Float32 | T::Float64 | T::Boolean);
        match self {
            Target::Floats => matches!(writer, T::List(_)),
            Target::Bytes => matches!(writer, T::Binary | T::Utf8),
            Target::Date => matches!(writer, T::Date32 | T::Utf8),
            Target::Timestamp { .. } => matches!(writer, T::Timestamp(..) | T::Utf8),
            Target::Duration { .. } | Target::Clock { .. } | Target::Interval => {
                matches!(writer, T::Duration(_) | T::Utf8)
            }
            Target::Decimal { .. } => number || matches!(writer, T::Decimal128(..) | T::Decimal256(..) | T::Utf8),
            Target::Bool | Target::Int { .. } | Target::Year | Target::Float32 | Target::Float64 => {
                number || *writer == T::Utf8
            }
            // Times that are text are taken; times that are numbers are refused value by value.
            // Doubles as text are MySQL's own.
            Target::Text => !matches!(writer, T::List(_) | T::Decimal256(..) | T::Float32 | T::Float64),
            Target::Json => !matches!(writer, T::List(_) | T::Decimal128(..) | T::Decimal256(..)),
        }
    }
}

impl Column {
    /// Column `index` of a table, as `writer` writes it.
    ///
    /// # Errors
    /// If records cannot hold the column's type, or the writer's type is another.
    pub(crate) fn new(index: usize, field: &Field, writer: Writer<'_>) -> Result<Self> {
        let name = field.name();
        let wrong = |what: String| Error::Schema(format!("column \"{name}\" has type {}, {what}", field.data_type()));
        let target = Target::of(field).ok_or_else(|| wrong("which records cannot hold".into()))?;
        let (texts, from) = match writer {
            Writer::Typed(writer) if !target.takes(writer) => {
                return Err(wrong(format!("but the records' schema says {writer}: create the source anew")));
            }
            Writer::Typed(DataType::Utf8) => (Texts::Digits, field.data_type()),
            Writer::Typed(writer) => (Texts::Base64, writer),
            Writer::Debezium => (Texts::Base64First, field.data_type()),
            Writer::Service => (Texts::DigitsFirst, field.data_type()),
        };
        let from_ticks = match from {
            DataType::Timestamp(unit, _) | DataType::Duration(unit) => ticks(*unit),
            // Debezium's default for TIME, whatever the column's own unit.
            _ => MICROS,
        };
        let from_scale = match from {
            DataType::Decimal128(_, scale) | DataType::Decimal256(_, scale) => *scale,
            _ => 0,
        };
        let typed = matches!(writer, Writer::Typed(_));
        let from_time = typed && matches!(from, DataType::Timestamp(..) | DataType::Duration(_) | DataType::Date32);
        let told = match (target.clone(), writer) {
            (_, Writer::Typed(_)) => None,
            (Target::Timestamp { ticks, .. }, writer) => Some(told(ticks, matches!(writer, Writer::Debezium))),
            _ => None,
        };
        let service = matches!(writer, Writer::Service);
        let wraps = target == Target::Decimal { precision: 20, scale: 0 } && !service;
        let digits = match writer {
            Writer::Typed(DataType::Decimal128(_, scale)) if target == Target::Text => Some(*scale),
            _ => None,
        };
        let (name, exact) = (name.clone(), !service);
        Ok(Column { index, name, target, texts, from_ticks, from_scale, from_time, told, digits, wraps, exact })
    }

    /// The same column at another place.
    pub(crate) fn at(&self, index: usize) -> Self {
        Column { index, ..self.clone() }
    }

    #[cold]
    pub(crate) fn wrong(&self, what: impl std::fmt::Display) -> Error {
        Error::decode(format!("column \"{}\": {what}", self.name))
    }

    /// Whether it takes a list.
    pub(crate) fn is_list(&self) -> bool {
        self.target == Target::Floats
    }

    /// Whether it takes a decimal.
    pub(crate) fn is_decimal(&self) -> bool {
        matches!(self.target, Target::Decimal { .. })
    }

    /// Whether it takes bytes.
    pub(crate) fn is_bytes(&self) -> bool {
        self.target == Target::Bytes
    }

    /// Whether it takes text.
    pub(crate) fn is_text(&self) -> bool {
        self.target == Target::Text
    }

    /// Whether it takes JSON.
    pub(crate) fn is_json(&self) -> bool {
        self.target == Target::Json
    }

    /// An integer of any meaning.
    #[inline]
    pub(crate) fn set_long(&self, row: &mut RowBuilder, value: i64) -> Result<()> {
        let unfit = || self.wrong(format_args!("{value} does not fit its type"));
        match self.target {
            Target::Int { min, max } => {
                if value < min || value > max {
                    return Err(unfit());
                }
                row.set_int(self.index, value);
            }
            // The stream writes YEAR 0 as 1900, which YEAR cannot hold.
            Target::Year => match value {
                1900 => row.set_int(self.index, 0),
                0..=9_999 => row.set_int(self.index, value),
                _ => return Err(unfit()),
            },
            Target::Timestamp { .. } if self.told.is_some_and(|told| !is_told(value, told)) => {
                return Err(self.untold(value));
            }
            Target::Timestamp { ticks, .. } | Target::Duration { ticks } if ticks == self.from_ticks => {
                row.set_int(self.index, value);
            }
            Target::Timestamp { .. } | Target::Duration { .. } | Target::Clock { .. } | Target::Interval => {
                return self.set_time(row, i128::from(value), self.from_ticks);
            }
            Target::Date => row.set_int(self.index, i32::try_from(value).map_err(|_| unfit())?.into()),
            Target::Bool if value & !1 == 0 => row.set_slot(self.index, value as u64),
            Target::Bool => return Err(unfit()),
            // BIGINT UNSIGNED as a Connect long keeps its bits and loses its sign.
            Target::Decimal { .. } if self.wraps => row.set_decimal(self.index, i128::from(value as u64)),
            Target::Decimal { .. } => return self.set_decimal(row, i128::from(value), 0),
            Target::Float64 if (value as f64) as i128 == i128::from(value) => row.set_float(self.index, value as f64),
            Target::Float32 if i128::from(value) == six_digits(value as f32) as i128 => {
                row.set_float(self.index, value as f64);
            }
            Target::Float32 | Target::Float64 => return Err(unfit()),
            Target::Text | Target::Json if !self.from_time => row.set_text(self.index, &value.to_string()),
            Target::Text | Target::Json => return Err(self.wrong("a time where text belongs")),
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

    /// Bytes that should be text, of any meaning.
    #[inline]
    pub(crate) fn set_utf8(&self, row: &mut RowBuilder, value: &[u8]) -> Result<()> {
        if self.target == Target::Text && self.digits.is_none() && is_plain(value) && value.len() != UNAVAILABLE.len() {
            row.set_tail(self.index, value);
            return Ok(());
        }
        match std::str::from_utf8(value) {
            Ok(text) => self.set_text(row, text),
            Err(_) => Err(self.wrong("text that is not UTF-8")),
        }
    }

    /// Text of any meaning.
    pub(crate) fn set_text(&self, row: &mut RowBuilder, value: &str) -> Result<()> {
        match self.target {
            Target::Text if self.digits.is_some() => {
                let bytes = STANDARD.decode(value).map_err(|_| self.wrong("a decimal that is not base64"))?;
                return self.set_bytes(row, &bytes);
            }
            Target::Text => {
                self.check_text(value)?;
                row.set_text(self.index, value);
            }
            Target::Json if value == UNAVAILABLE => return Err(self.unavailable()),
            Target::Json => {
                let start = row.begin_tail();
                json_text::canonical(value, row.tail_buffer()).map_err(|error| self.wrong(error))?;
                row.end_tail(self.index, start);
            }
            Target::Timestamp { zoned, .. } => {
                let nanos = if zoned { time_text::zoned_nanos(value) } else { time_text::local_nanos(value) };
                let nanos = nanos.ok_or_else(|| self.wrong(format_args!("\"{value}\" is not a time")))?;
                return self.set_time(row, nanos, NANOS);
            }
            Target::Date => {
                let days = time_text::days(value);
                let days = days.ok_or_else(|| self.wrong(format_args!("\"{value}\" is not a date")))?;
                row.set_int(self.index, days.into());
            }
            Target::Duration { .. } | Target::Clock { .. } | Target::Interval => {
                let nanos = time_text::clock_nanos(value);
                let nanos = nanos.ok_or_else(|| self.wrong(format_args!("\"{value}\" is not a time of day")))?;
                return self.set_time(row, nanos, NANOS);
            }
            Target::Decimal { .. } => return self.set_decimal_string(row, value),
            Target::Bytes => return self.set_bytes_string(row, value),
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
            Target::Bytes if value == UNAVAILABLE.as_bytes() => Err(self.unavailable()),
            Target::Bytes => {
                row.set_tail(self.index, value);
                Ok(())
            }
            Target::Decimal { .. } => match unscaled(value) {
                Some(digits) => self.set_decimal(row, digits, self.from_scale),
                None => {
                    let decimal = Decimal::from_bytes(value, i32::from(self.from_scale));
                    self.set_wide(row, decimal.ok_or_else(|| self.misfit(Misfit::Digits))?)
                }
            },
            Target::Text if let Some(scale) = self.digits => {
                let digits = unscaled(value).ok_or_else(|| self.wrong("a decimal of more than 38 digits"))?;
                row.set_text(self.index, &decimal_text(digits, scale));
                Ok(())
            }
            Target::Text => {
                let text = std::str::from_utf8(value).map_err(|_| self.wrong("bytes that are not UTF-8"))?;
                self.check_text(text)?;
                row.set_text(self.index, text);
                Ok(())
            }
            _ => Err(self.wrong("bytes where another type belongs")),
        }
    }

    /// Bytes as text. Where digits of hex can be base64 too they are: nothing tells them apart.
    fn set_bytes_string(&self, row: &mut RowBuilder, text: &str) -> Result<()> {
        let start = row.begin_tail();
        if STANDARD.decode_vec(text, row.tail_buffer()).is_err() {
            row.tail_buffer().truncate(start);
            let found = match self.texts {
                Texts::Base64 => None,
                Texts::Digits | Texts::Base64First => URL_SAFE.decode(text).ok().or_else(|| hex(text)),
                Texts::DigitsFirst => Some(text.as_bytes().to_vec()),
            };
            let found = found.ok_or_else(|| self.wrong("text that is neither base64 nor hex"))?;
            row.tail_buffer().extend_from_slice(&found);
        }
        if row.tail_buffer()[start..] == *UNAVAILABLE.as_bytes() {
            row.tail_buffer().truncate(start);
            return Err(self.unavailable());
        }
        row.end_tail(self.index, start);
        Ok(())
    }

    /// Text that clients can be given, and that is a value.
    #[inline]
    fn check_text(&self, text: &str) -> Result<()> {
        if text.len() == UNAVAILABLE.len() && text == UNAVAILABLE {
            return Err(self.unavailable());
        }
        if text.as_bytes().contains(&0) {
            let text = "text with the character NUL, which PostgreSQL's protocol cannot carry: take it out in MySQL";
            return Err(self.wrong(text));
        }
        Ok(())
    }

    #[cold]
    fn unavailable(&self) -> Error {
        self.wrong(format_args!(
            "{UNAVAILABLE} stands for a value that Debezium does not know: row images must be whole"
        ))
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

/// Whether bytes are ASCII without NUL, which most texts are: that is told for eight at a time.
#[inline]
fn is_plain(bytes: &[u8]) -> bool {
    const HIGH: u64 = 0x8080_8080_8080_8080;
    const ONES: u64 = 0x0101_0101_0101_0101;
    let (words, rest) = bytes.as_chunks::<8>();
    let special = words.iter().fold(0, |special, word| {
        let word = u64::from_le_bytes(*word);
        special | word | word.wrapping_sub(ONES)
    });
    special & HIGH == 0 && rest.iter().all(|byte| matches!(byte, 1..=0x7f))
}

/// A float as MySQL's text protocol shows it: the snapshot knows six digits, the stream all.
fn six_digits(value: f32) -> f32 {
    // Sign, six digits, point, exponent of three characters: 13 bytes at most.
    let mut text = [0; 16];
    let mut rest = &mut text[..];
    if !value.is_finite() || write!(rest, "{value:.5e}").is_err() {
        return value;
    }
    let left = rest.len();
    let text = std::str::from_utf8(&text[..text.len() - left]);
    text.ok().and_then(|text| text.parse().ok()).unwrap_or(value)
}

/// The bytes of hexadecimal digits.
fn hex(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let pair = |pair: &[u8; 2]| Some((digit(pair[0])? << 4 | digit(pair[1])?) as u8);
    if rest.is_empty() { pairs.iter().map(pair).collect() } else { None }
}

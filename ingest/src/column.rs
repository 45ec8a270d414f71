//! A decoded scalar as the value of a column: the one place that knows how Debezium and Connect write MySQL's types.
//!
//! What a column is its PostgreSQL type says. Where the writer's schema names another unit or scale than the column has (DATETIME
//! comes in milliseconds or microseconds by its precision, and ALTER TABLE may change both), values are converted; without
//! a schema they lie as the column's type says. Whatever does not fit is an error that names the column: nothing is
//! rounded, cut or wrapped. Sources: Debezium's "data type mappings" of the MySQL connector; Kafka Connect's logical types.

mod decimals;
mod target;
mod texts;
mod times;

use std::collections::BTreeMap;
use std::io::Write;

use tidewater_delta::RowBuilder;
use tidewater_types::{ArrayRef, Column, ColumnType, Datum, Scratch, time};

use crate::error::{Error, Result};
use crate::logical::{Logical, Unit};
use target::{Digits, Target};
use times::{is_told, told};

/// Key of a column's notes that tells what its type cannot.
pub const TYPE: &str = "tidewater.type";
/// Value of [`TYPE`] for text that is JSON, kept in one canonical form.
pub const JSON: &str = "json";
/// Value of [`TYPE`] for a YEAR.
pub const YEAR: &str = "year";

/// A column's notes by Connect's name of its type.
pub(crate) fn notes(connect_name: Option<&str>) -> BTreeMap<String, String> {
    let kind = match connect_name {
        Some("io.debezium.data.Json") => JSON,
        Some("io.debezium.time.Year") => YEAR,
        _ => return BTreeMap::new(),
    };
    BTreeMap::from([(TYPE.to_owned(), kind.to_owned())])
}

/// What is known of who wrote a value.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Writer {
    /// Its schema says that it writes this type.
    Typed(Logical),
    /// Debezium, without a schema.
    Debezium,
    /// Some service, without a schema.
    Service,
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

/// A column's place in a row, and how what the writer has becomes its value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Cell {
    /// Its place in the row.
    pub(crate) index: usize,
    name: String,
    ty: ColumnType,
    target: Target,
    texts: Texts,
    /// The writer's ticks a second, for times.
    from_ticks: i64,
    /// Microseconds a tick, where every tick is a value of the column; else 0.
    tick: i64,
    /// The writer's fraction digits, for decimals; `None` where nothing tells them.
    from_scale: Option<i8>,
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
/// The end of the year 9999, which no time of MySQL's reaches.
const SECONDS_MAX: i64 = 253_402_300_800;
/// What Debezium writes where it does not know a value (unavailable.value.placeholder).
const UNAVAILABLE: &str = "__debezium_unavailable_value";
/// Room for the 32 bytes of the longest decimal, as base64's decoder counts before it knows the padding.
const DECIMAL_BYTES: usize = 48;
/// BIGINT UNSIGNED.
const UNSIGNED: Target = Target::Decimal(Digits { precision: 20, scale: 0, slot: false });

impl Cell {
    /// Column `index` of a table, as `writer` writes it.
    ///
    /// # Errors
    /// If records cannot hold the column's type, or the writer's type is another.
    pub(crate) fn new(index: usize, column: &Column, writer: Writer) -> Result<Self> {
        let (name, ty) = (&column.name, &column.ty);
        let wrong = |what: String| Error::Schema(format!("column \"{name}\" has type {ty}, {what}"));
        let target = Target::of(column).ok_or_else(|| wrong("which records cannot hold".into()))?;
        let texts = match writer {
            Writer::Typed(writer) if !target.takes(writer) => {
                return Err(wrong(format!("but the records' schema says {writer}: create the source anew")));
            }
            Writer::Typed(Logical::Text) => Texts::Digits,
            Writer::Typed(_) => Texts::Base64,
            Writer::Debezium => Texts::Base64First,
            Writer::Service => Texts::DigitsFirst,
        };
        // Where nothing else tells, DATETIME(0..3) is declared timestamp(3). Debezium's default for TIME is microseconds.
        let from_ticks = match (writer, target) {
            (Writer::Typed(Logical::Timestamp { unit, .. } | Logical::Duration(unit)), _) => unit.ticks(),
            (Writer::Debezium | Writer::Service, Target::Timestamp { step: 1_000.., .. }) => Unit::Millis.ticks(),
            _ => Unit::Micros.ticks(),
        };
        let tick = match target {
            Target::Timestamp { step, .. } | Target::Clock { step } | Target::Interval { step }
                if MICROS % from_ticks == 0 && MICROS / from_ticks % step == 0 =>
            {
                MICROS / from_ticks
            }
            _ => 0,
        };
        let from_scale = match (writer, target) {
            (Writer::Typed(Logical::Decimal { scale, .. }), _) => Some(scale),
            (Writer::Typed(Logical::Text) | Writer::Debezium | Writer::Service, Target::Decimal(of)) => Some(of.scale),
            _ => None,
        };
        let from_time =
            matches!(writer, Writer::Typed(Logical::Timestamp { .. } | Logical::Duration(_) | Logical::Date));
        let told = match (target, writer) {
            (_, Writer::Typed(_)) => None,
            (Target::Timestamp { .. }, writer) => Some(told(from_ticks, matches!(writer, Writer::Debezium))),
            _ => None,
        };
        let service = matches!(writer, Writer::Service);
        let wraps = (target == UNSIGNED || target == Target::UInt8) && !service;
        let digits = match writer {
            Writer::Typed(Logical::Decimal { scale, .. }) if target.is_text() => Some(scale),
            _ => None,
        };
        let (name, ty, exact) = (name.clone(), ty.clone(), !service);
        Ok(Cell { index, name, ty, target, texts, from_ticks, tick, from_scale, from_time, told, digits, wraps, exact })
    }

    /// The same column at another place.
    pub(crate) fn at(&self, index: usize) -> Self {
        Cell { index, ..self.clone() }
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
        matches!(self.target, Target::Decimal(_) | Target::Numeric)
    }

    /// Whether it takes bytes.
    pub(crate) fn is_bytes(&self) -> bool {
        self.target == Target::Bytes
    }

    /// Whether it takes text.
    pub(crate) fn is_text(&self) -> bool {
        self.target.is_text()
    }

    /// Whether it takes JSON.
    pub(crate) fn is_json(&self) -> bool {
        matches!(self.target, Target::Json | Target::Jsonb)
    }

    #[inline]
    fn put(&self, row: &mut RowBuilder, value: i64) {
        row.set_slot(self.index, value as u64);
    }

    /// Negative zero is stored as zero and every NaN as one NaN, so that equal keys have equal bytes.
    #[inline]
    fn put_float(&self, row: &mut RowBuilder, value: f64) {
        row.set_slot(self.index, canonical(value).to_bits());
    }

    #[cold]
    fn unfit(&self, value: i64) -> Error {
        self.wrong(format_args!("{value} does not fit its type"))
    }

    /// An integer of any meaning.
    #[inline]
    pub(crate) fn set_long(&self, row: &mut RowBuilder, value: i64) -> Result<()> {
        match self.target {
            Target::Int { min, max } if value < min || value > max => return Err(self.unfit(value)),
            Target::Int { .. } => self.put(row, value),
            Target::UInt8 if value < 0 && !self.wraps => return Err(self.unfit(value)),
            // BIGINT UNSIGNED as a Connect long keeps its bits and loses its sign.
            Target::UInt8 => self.put(row, value),
            Target::Decimal(_) if self.wraps => return self.set_decimal(row, i128::from(value as u64), 0),
            Target::Decimal(_) | Target::Numeric => return self.set_decimal(row, i128::from(value), 0),
            Target::Timestamp { .. } if self.told.is_some_and(|told| !is_told(value, told)) => {
                return Err(self.untold(value));
            }
            Target::Timestamp { .. } | Target::Clock { .. } | Target::Interval { .. } => {
                return match value.checked_mul(self.tick) {
                    Some(micros) if self.tick != 0 => self.set_micros(row, micros),
                    _ => self.set_time(row, i128::from(value), self.from_ticks),
                };
            }
            Target::Date if (time::FIRST_DAY..=time::LAST_DAY).contains(&value) => self.put(row, value),
            Target::Date => return Err(self.unfit(value)),
            Target::Bool if value & !1 == 0 => self.put(row, value),
            Target::Bool => return Err(self.unfit(value)),
            // The stream writes YEAR 0 as 1900, which YEAR cannot hold.
            Target::Year => match value {
                1900 => self.put(row, 0),
                0..=9_999 => self.put(row, value),
                _ => return Err(self.unfit(value)),
            },
            Target::Float64 if (value as f64) as i128 == i128::from(value) => self.put_float(row, value as f64),
            Target::Float32 if i128::from(value) == six_digits(value as f32) as i128 => {
                self.put_float(row, value as f64);
            }
            Target::Float32 | Target::Float64 => return Err(self.unfit(value)),
            Target::Text | Target::Limited | Target::Json | Target::Jsonb if self.from_time => {
                return Err(self.wrong("a time where text belongs"));
            }
            Target::Text | Target::Limited | Target::Json | Target::Jsonb | Target::Uuid => {
                return self.put_text(row, &value.to_string());
            }
            Target::Bytes | Target::Floats => return Err(self.wrong("a number where bytes belong")),
        }
        Ok(())
    }

    /// A truth value.
    pub(crate) fn set_bool(&self, row: &mut RowBuilder, value: bool) -> Result<()> {
        match self.target {
            Target::Bool | Target::Int { .. } | Target::UInt8 => self.put(row, value.into()),
            Target::Text | Target::Limited | Target::Json | Target::Jsonb => {
                return self.put_text(row, if value { "true" } else { "false" });
            }
            _ => return Err(self.wrong("a truth value where another type belongs")),
        }
        Ok(())
    }

    /// A floating number.
    pub(crate) fn set_double(&self, row: &mut RowBuilder, value: f64) -> Result<()> {
        match self.target {
            Target::Float64 => self.put_float(row, value),
            Target::Float32 => self.put_float(row, f64::from(six_digits(value as f32))),
            Target::Decimal(_) | Target::Numeric => return self.set_decimal_text(row, &value.to_string()),
            Target::Text | Target::Limited | Target::Json | Target::Jsonb => {
                return self.put_text(row, &value.to_string());
            }
            Target::Int { .. } if value.fract() == 0.0 && value.abs() < 9e15 => {
                return self.set_long(row, value as i64);
            }
            _ => return Err(self.wrong(format_args!("the number {value} where another type belongs"))),
        }
        Ok(())
    }

    /// A list of floats.
    pub(crate) fn set_floats(&self, row: &mut RowBuilder, values: &[f64]) -> Result<()> {
        if !self.is_list() {
            return Err(self.wrong("a list where another type belongs"));
        }
        let scratch = Scratch::new();
        let values: Vec<_> = values.iter().map(|value| Datum::Float(canonical(*value))).collect();
        let array = ArrayRef::vector(&scratch, &values).map_err(|error| self.wrong(error))?;
        row.set_tail(self.index, array.bytes());
        Ok(())
    }
}

/// The one float that stands for all that equal it.
#[inline]
fn canonical(value: f64) -> f64 {
    // Adding zero makes negative zero positive.
    if value.is_nan() { f64::NAN } else { value + 0.0 }
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

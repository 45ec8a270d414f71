//! What a column takes, by its type.

use tidewater_types::{Column, Packing, Type};

use super::{JSON, TYPE, YEAR};
use crate::logical::{DIGITS_MAX, Logical};

/// What a column takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Target {
    Bool,
    Int {
        min: i64,
        max: i64,
    },
    UInt8,
    Year,
    Float32,
    Float64,
    Decimal(Digits),
    /// numeric without digits: each value has its own scale.
    Numeric,
    Text,
    /// Text of a length: varchar(n), char(n).
    Limited,
    /// Text that is JSON, kept in one canonical form.
    Json,
    Jsonb,
    Uuid,
    Bytes,
    Date,
    Timestamp {
        /// The least time that a value may have, in microseconds: 1,000 for timestamp(3).
        step: i64,
        zoned: bool,
    },
    /// A time of day.
    Clock {
        /// As for timestamps.
        step: i64,
    },
    /// MySQL's TIME.
    Interval {
        /// As for timestamps.
        step: i64,
    },
    /// A list of floats (MySQL's VECTOR).
    Floats,
}

/// numeric(p, s).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Digits {
    pub(super) precision: u8,
    pub(super) scale: i8,
    /// Whether the whole number at this scale fills the slot.
    pub(super) slot: bool,
}

impl Target {
    /// What `column` takes; `None` where records cannot hold its type.
    pub(super) fn of(column: &Column) -> Option<Target> {
        let int = |min: i64, max: i64| Target::Int { min, max };
        let marked = |kind: &str| column.notes.get(TYPE).is_some_and(|found| found == kind);
        let step = 10_i64.pow(6 - column.ty.fraction_digits().unwrap_or(6).min(6));
        Some(match &column.ty.ty {
            Type::Int4 if marked(YEAR) => Target::Year,
            Type::Bool => Target::Bool,
            Type::Int2 => int(i16::MIN.into(), i16::MAX.into()),
            Type::Int4 => int(i32::MIN.into(), i32::MAX.into()),
            Type::Int8 => int(i64::MIN, i64::MAX),
            Type::UInt2 => int(0, u16::MAX.into()),
            Type::UInt4 => int(0, u32::MAX.into()),
            Type::UInt8 => Target::UInt8,
            Type::Float4 => Target::Float32,
            Type::Float8 => Target::Float64,
            Type::Numeric => match column.ty.numeric_modifier() {
                None => Target::Numeric,
                Some(modifier) => {
                    let precision = u8::try_from(modifier.precision).ok().filter(|digits| *digits <= DIGITS_MAX)?;
                    let scale = i8::try_from(modifier.scale).ok().filter(|digits| *digits >= 0)?;
                    let slot = matches!(Packing::of(&column.ty), Packing::Decimal(_));
                    Target::Decimal(Digits { precision, scale, slot })
                }
            },
            Type::Text if marked(JSON) => Target::Json,
            Type::Json => Target::Json,
            Type::Jsonb => Target::Jsonb,
            Type::Text => Target::Text,
            Type::Varchar | Type::Bpchar if column.ty.max_length().is_none() => Target::Text,
            Type::Varchar | Type::Bpchar => Target::Limited,
            Type::Uuid => Target::Uuid,
            Type::Bytea => Target::Bytes,
            Type::Date => Target::Date,
            Type::Timestamp => Target::Timestamp { step, zoned: false },
            Type::TimestampTz => Target::Timestamp { step, zoned: true },
            Type::Time => Target::Clock { step },
            Type::Interval if column.ty.interval_fields().is_none() => Target::Interval { step },
            Type::Array(element) if **element == Type::Float4 => Target::Floats,
            _ => return None,
        })
    }

    /// Whether values of the writer's type can be values of the column. Texts are tried one by one.
    pub(super) fn takes(self, writer: Logical) -> bool {
        use Logical as L;
        let decimal = matches!(writer, L::Decimal { .. });
        match self {
            Target::Floats => writer == L::Floats,
            Target::Bytes => matches!(writer, L::Bytes | L::Text),
            Target::Date => matches!(writer, L::Date | L::Text),
            Target::Timestamp { .. } => matches!(writer, L::Timestamp { .. } | L::Text),
            Target::Clock { .. } | Target::Interval { .. } => matches!(writer, L::Duration(_) | L::Text),
            Target::Decimal(_) | Target::Numeric => writer.is_number() || decimal || writer == L::Text,
            Target::Bool | Target::Int { .. } | Target::UInt8 | Target::Year | Target::Float32 | Target::Float64 => {
                writer.is_number() || writer == L::Text
            }
            // Times that are text are taken; times that are numbers are refused value by value.
            // Doubles as text are MySQL's own.
            Target::Text | Target::Limited => {
                !matches!(writer, L::Floats | L::Float32 | L::Float64) && !is_long(writer)
            }
            Target::Json | Target::Jsonb => writer != L::Floats && !decimal,
            Target::Uuid => writer == L::Text,
        }
    }

    /// Whether values are text of any characters.
    pub(super) fn is_text(self) -> bool {
        matches!(self, Target::Text | Target::Limited)
    }
}

/// A decimal beyond 128 bits.
fn is_long(writer: Logical) -> bool {
    matches!(writer, Logical::Decimal { precision: 39.., .. })
}

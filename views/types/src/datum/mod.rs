//! One value, borrowed from a row or from scratch memory.
//!
//! Values that hold values (arrays, records, ranges, jsonb …) are packed bytes that are walked without unpacking: an element is
//! found by its number in a table of ends, and says itself what it is.

mod array;
mod composite;
mod jsonb;
mod packed;
mod range;

pub use array::{ArrayRef, Dimension, MAX_DIMENSIONS};
pub use composite::{ListRef, MapRef, RecordRef};
pub use jsonb::{Json, JsonbRef};
pub use packed::{Bytes, Seq, decode, encode};
pub(crate) use packed::{interval, interval_bytes, timetz, timetz_bytes};
pub use range::{Bounds, MultirangeRef, RangeRef};

use crate::Numeric;

/// An interval (<https://www.postgresql.org/docs/15/datatype-datetime.html#DATATYPE-INTERVAL-INPUT>).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Interval {
    /// Months.
    pub months: i32,
    /// Days.
    pub days: i32,
    /// Microseconds.
    pub micros: i64,
}

/// A time of day with its zone's offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TimeTz {
    /// Microseconds of the local day; 24:00:00 is the greatest.
    pub micros: i64,
    /// Seconds east of UTC.
    pub offset: i32,
}

/// One value. What it means (a date, an oid, a text of three characters) is its expression's [`Type`](crate::Type).
#[derive(Debug, Clone, Copy)]
pub enum Datum<'a> {
    /// SQL's NULL.
    Null,
    /// A truth value.
    Bool(bool),
    /// Every integer of up to 64 bits, signed or not but uint8; the oid family; a date in days and a time, timestamp or
    /// timestamptz in microseconds, counted from 1970-01-01 (UTC), the extremes being infinity.
    Int(i64),
    /// uint8.
    UInt(u64),
    /// real and double precision; a real is widened, which is exact.
    Float(f64),
    /// numeric.
    Numeric(Numeric<'a>),
    /// An interval.
    Interval(Interval),
    /// A time with time zone.
    TimeTz(TimeTz),
    /// A uuid.
    Uuid([u8; 16]),
    /// text, varchar, bpchar, name, "char", json: UTF-8, checked where the value entered the process.
    Text(&'a [u8]),
    /// bytea.
    Bytes(&'a [u8]),
    /// jsonb.
    Jsonb(JsonbRef<'a>),
    /// An array; also int2vector and oidvector.
    Array(ArrayRef<'a>),
    /// Materialize's list.
    List(ListRef<'a>),
    /// Materialize's map.
    Map(MapRef<'a>),
    /// A row.
    Record(RecordRef<'a>),
    /// A range.
    Range(RangeRef<'a>),
    /// A multirange.
    Multirange(MultirangeRef<'a>),
}

impl<'a> Datum<'a> {
    /// Whether this is NULL.
    pub fn is_null(&self) -> bool {
        matches!(self, Datum::Null)
    }

    /// The truth value, if it is one.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Datum::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// The integer, date, time or timestamp, if it is one.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Datum::Int(value) => Some(*value),
            _ => None,
        }
    }

    /// The text, if it is one. Text is checked where it enters; `None` for other types.
    pub fn as_str(&self) -> Option<&'a str> {
        match self {
            Datum::Text(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }
}

impl<'a> From<&'a str> for Datum<'a> {
    fn from(text: &'a str) -> Self {
        Datum::Text(text.as_bytes())
    }
}

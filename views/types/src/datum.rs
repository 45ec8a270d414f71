//! One value, borrowed from a row or from scratch memory.

/// An interval (<https://www.postgresql.org/docs/15/datatype-datetime.html#DATATYPE-INTERVAL-INPUT>).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Interval {
    /// Months.
    pub months: i32,
    /// Days.
    pub days: i32,
    /// Microseconds.
    pub micros: i64,
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
    /// An interval.
    Interval(Interval),
    /// text, varchar, bpchar, name, "char", json: UTF-8, checked where the value entered the process.
    Text(&'a [u8]),
    /// bytea.
    Bytes(&'a [u8]),
}

impl<'a> Datum<'a> {
    /// Whether this is NULL.
    pub fn is_null(&self) -> bool {
        matches!(self, Datum::Null)
    }
}

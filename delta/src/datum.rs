//! One value, borrowed from a row or from scratch memory.

use std::cmp::Ordering;

use crate::{Kind, RowRef};

/// A calendar interval, as Arrow's `IntervalMonthDayNano`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Interval {
    /// Months.
    pub months: i32,
    /// Days.
    pub days: i32,
    /// Nanoseconds.
    pub nanos: i64,
}

impl Interval {
    /// Nanoseconds with 30-day months and 24-hour days: the order PostgreSQL gives intervals.
    fn order(self) -> i128 {
        const DAY: i128 = 86_400_000_000_000;
        (i128::from(self.months) * 30 + i128::from(self.days)) * DAY + i128::from(self.nanos)
    }
}

/// One value. What it means (a date, a timestamp with zone, a scale) is its column's Arrow type.
#[derive(Debug, Clone, Copy)]
pub enum Datum<'a> {
    /// SQL's NULL.
    Null,
    /// A truth value.
    Bool(bool),
    /// See [`Kind::Int`].
    Int(i64),
    /// See [`Kind::UInt`].
    UInt(u64),
    /// See [`Kind::Float`].
    Float(f64),
    /// An unscaled decimal of up to 38 digits, whichever way it is stored.
    Decimal(i128),
    /// An unscaled decimal of up to 76 digits, little endian.
    Decimal256([u8; 32]),
    /// A calendar interval.
    Interval(Interval),
    /// UTF-8, checked where the value entered the process.
    Text(&'a [u8]),
    /// Bytes.
    Bytes(&'a [u8]),
    /// A list or struct, as a row of its elements.
    Nested(RowRef<'a>),
}

impl<'a> Datum<'a> {
    /// Whether this is NULL.
    pub fn is_null(&self) -> bool {
        matches!(self, Datum::Null)
    }

    /// The text, if it is one. Text is checked at the border; a `None` here would mean that a decoder let bytes through.
    pub fn as_str(&self) -> Option<&'a str> {
        match self {
            Datum::Text(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }

    /// The integer, if it is a signed one.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Datum::Int(value) => Some(*value),
            _ => None,
        }
    }

    /// SQL's ORDER BY among non-null values of one column: numbers by value, NaN above all, text and bytes bytewise, lists
    /// element by element. `kind` is needed for nested values only. NULL sorts as greatest, as in PostgreSQL.
    pub fn compare(&self, other: &Datum<'_>, kind: &Kind) -> Ordering {
        use Datum as D;
        match (self, other) {
            (D::Null, D::Null) => Ordering::Equal,
            (D::Null, _) => Ordering::Greater,
            (_, D::Null) => Ordering::Less,
            (D::Bool(a), D::Bool(b)) => a.cmp(b),
            (D::Int(a), D::Int(b)) => a.cmp(b),
            (D::UInt(a), D::UInt(b)) => a.cmp(b),
            (D::Float(a), D::Float(b)) => a.total_cmp(b),
            (D::Decimal(a), D::Decimal(b)) => a.cmp(b),
            (D::Decimal256(a), D::Decimal256(b)) => compare_256(a, b),
            (D::Interval(a), D::Interval(b)) => a.order().cmp(&b.order()),
            (D::Text(a) | D::Bytes(a), D::Text(b) | D::Bytes(b)) => a.cmp(b),
            (D::Nested(a), D::Nested(b)) => compare_nested(*a, *b, kind),
            _ => unreachable!("values of one column are of one kind"),
        }
    }
}

fn compare_256(a: &[u8; 32], b: &[u8; 32]) -> Ordering {
    let (a_negative, b_negative) = (a[31] & 0x80 != 0, b[31] & 0x80 != 0);
    // Two's complement: among equal signs the unsigned order of the bytes is the order of the values.
    b_negative.cmp(&a_negative).then_with(|| a.iter().rev().cmp(b.iter().rev()))
}

fn compare_nested(a: RowRef<'_>, b: RowRef<'_>, kind: &Kind) -> Ordering {
    let element = |i: usize| match kind {
        Kind::List(element) => element.as_ref(),
        Kind::Struct(fields) => &fields[i],
        other => other,
    };
    let shared = a.columns().min(b.columns());
    (0..shared)
        .map(|i| a.get(i, element(i)).compare(&b.get(i, element(i)), element(i)))
        .find(|ordering| ordering.is_ne())
        .unwrap_or_else(|| a.columns().cmp(&b.columns()))
}

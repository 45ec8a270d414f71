//! How a value of an Arrow type lies in a packed row.

use std::sync::Arc;

use arrow_schema::{DataType, IntervalUnit};

/// The storage of one column. Fixed kinds fill the column's 8-byte slot; tail kinds put `(offset: u32, length: u32)` there.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Kind {
    /// 0 or 1.
    Bool,
    /// Every signed integer, date, time, timestamp and duration, in the unit that the Arrow type names.
    Int,
    /// Every unsigned integer.
    UInt,
    /// 64-bit float; 32-bit floats are widened, which is exact. Negative zero is stored as zero, every NaN as one NaN.
    Float,
    /// Unscaled decimal of at most 18 digits.
    Decimal64,
    /// Unscaled decimal of 19 to 38 digits: 16 bytes little endian in the tail.
    Decimal128,
    /// Unscaled decimal of 39 to 76 digits: 32 bytes little endian in the tail.
    Decimal256,
    /// Months, days, nanoseconds: 16 bytes in the tail.
    Interval,
    /// UTF-8.
    Text,
    /// Bytes.
    Bytes,
    /// A nested row that has one column an element.
    List(Arc<Kind>),
    /// A nested row that has one column a field.
    Struct(Arc<[Kind]>),
}

/// Decimals of up to this many digits fit the slot.
const DECIMAL64_DIGITS: u8 = 18;

impl Kind {
    /// The kind that stores `data_type`, or `None` where rows cannot hold it.
    pub fn of(data_type: &DataType) -> Option<Kind> {
        use DataType as T;
        Some(match data_type {
            T::Boolean => Kind::Bool,
            T::Int8 | T::Int16 | T::Int32 | T::Int64 => Kind::Int,
            T::Date32 | T::Date64 | T::Time32(_) | T::Time64(_) | T::Timestamp(..) | T::Duration(_) => Kind::Int,
            T::UInt8 | T::UInt16 | T::UInt32 | T::UInt64 => Kind::UInt,
            T::Float16 | T::Float32 | T::Float64 => Kind::Float,
            T::Decimal32(..) | T::Decimal64(..) => Kind::Decimal64,
            T::Decimal128(precision, _) if *precision <= DECIMAL64_DIGITS => Kind::Decimal64,
            T::Decimal128(..) => Kind::Decimal128,
            T::Decimal256(..) => Kind::Decimal256,
            T::Interval(IntervalUnit::MonthDayNano) => Kind::Interval,
            T::Utf8 | T::LargeUtf8 | T::Utf8View => Kind::Text,
            T::Binary | T::LargeBinary | T::BinaryView | T::FixedSizeBinary(_) => Kind::Bytes,
            T::List(field) | T::LargeList(field) => Kind::List(Arc::new(Kind::of(field.data_type())?)),
            T::Struct(fields) => {
                Kind::Struct(fields.iter().map(|f| Kind::of(f.data_type())).collect::<Option<Vec<_>>>()?.into())
            }
            // The type of a bare NULL: only ever null.
            T::Null => Kind::Bool,
            _ => return None,
        })
    }

    /// Whether values lie in the tail.
    pub fn is_tail(&self) -> bool {
        !matches!(self, Kind::Bool | Kind::Int | Kind::UInt | Kind::Float | Kind::Decimal64)
    }
}

//! PostgreSQL's names of Arrow's types.

use arrow_schema::{DataType, IntervalUnit};

/// The name as `\d` shows it.
pub fn type_name(data_type: &DataType) -> String {
    use DataType as T;
    match data_type {
        T::Boolean => "boolean".into(),
        T::Int8 | T::Int16 | T::UInt8 => "smallint".into(),
        T::Int32 | T::UInt16 => "integer".into(),
        T::Int64 | T::UInt32 => "bigint".into(),
        T::UInt64 => "numeric".into(),
        T::Float16 | T::Float32 => "real".into(),
        T::Float64 => "double precision".into(),
        T::Decimal32(precision, scale)
        | T::Decimal64(precision, scale)
        | T::Decimal128(precision, scale)
        | T::Decimal256(precision, scale) => format!("numeric({precision},{scale})"),
        T::Utf8 | T::LargeUtf8 | T::Utf8View | T::Null => "text".into(),
        T::Binary | T::LargeBinary | T::BinaryView | T::FixedSizeBinary(_) => "bytea".into(),
        T::Date32 | T::Date64 => "date".into(),
        T::Time32(_) | T::Time64(_) => "time without time zone".into(),
        T::Timestamp(_, None) => "timestamp without time zone".into(),
        T::Timestamp(_, Some(_)) => "timestamp with time zone".into(),
        T::Duration(_) | T::Interval(IntervalUnit::MonthDayNano | _) => "interval".into(),
        T::List(item) | T::LargeList(item) => format!("{}[]", type_name(item.data_type())),
        other => other.to_string().to_lowercase(),
    }
}

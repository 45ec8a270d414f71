//! Between packed rows and Arrow: the query edge, the only place where arrays are built.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanArray, LargeStringArray, PrimitiveArray, RecordBatch, RecordBatchOptions, StringArray,
    StringViewArray,
};
use arrow::datatypes::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    IntervalMonthDayNano, Time64MicrosecondType, TimestampMicrosecondType, UInt8Type, UInt16Type, UInt32Type,
    UInt64Type, i256,
};
use arrow_schema::{DataType, Field, IntervalUnit, SchemaRef, TimeUnit};
use datafusion::common::ScalarValue;
use datafusion::common::scalar::ScalarStructBuilder;
use delta::{Datum, Interval, Kind, Row, RowBuilder, RowRef};
use engine::{EvalError, Scratch};

/// A value that rows and DataFusion disagree about: an internal error, told as one.
fn mismatch(what: impl std::fmt::Debug, data_type: &DataType) -> EvalError {
    EvalError::new(b"XX000", format!("{what:?} is not a value of {data_type}"))
}

/// The value as DataFusion's scalar of `data_type`.
///
/// # Errors
/// If the value is not one of that type.
pub(crate) fn to_scalar(datum: Datum<'_>, data_type: &DataType) -> Result<ScalarValue, EvalError> {
    use DataType as T;
    use ScalarValue as S;
    Ok(match (datum, data_type) {
        (Datum::Null, _) => S::try_from(data_type).map_err(|_| mismatch("null", data_type))?,
        (Datum::Bool(v), T::Boolean) => S::Boolean(Some(v)),
        (Datum::Int(v), _) => return int_scalar(v, data_type),
        (Datum::UInt(v), T::UInt8) => S::UInt8(Some(v as u8)),
        (Datum::UInt(v), T::UInt16) => S::UInt16(Some(v as u16)),
        (Datum::UInt(v), T::UInt32) => S::UInt32(Some(v as u32)),
        (Datum::UInt(v), T::UInt64) => S::UInt64(Some(v)),
        (Datum::Float(v), T::Float32) => S::Float32(Some(v as f32)),
        (Datum::Float(v), T::Float64) => S::Float64(Some(v)),
        (Datum::Decimal(v), T::Decimal128(p, s)) => S::Decimal128(Some(v), *p, *s),
        (Datum::Decimal(v), T::Decimal64(p, s)) => S::Decimal64(Some(v as i64), *p, *s),
        (Datum::Decimal(v), T::Decimal32(p, s)) => S::Decimal32(Some(v as i32), *p, *s),
        (Datum::Decimal256(v), T::Decimal256(p, s)) => S::Decimal256(Some(i256::from_le_bytes(v)), *p, *s),
        (Datum::Interval(v), T::Interval(IntervalUnit::MonthDayNano)) => {
            S::IntervalMonthDayNano(Some(IntervalMonthDayNano::new(v.months, v.days, v.nanos)))
        }
        (Datum::Text(v), _) => {
            let text = std::str::from_utf8(v).map_err(|_| mismatch("text that is not UTF-8", data_type))?.to_owned();
            match data_type {
                T::Utf8 => S::Utf8(Some(text)),
                T::LargeUtf8 => S::LargeUtf8(Some(text)),
                T::Utf8View => S::Utf8View(Some(text)),
                _ => return Err(mismatch(datum, data_type)),
            }
        }
        (Datum::Bytes(v), T::Binary) => S::Binary(Some(v.to_vec())),
        (Datum::Bytes(v), T::LargeBinary) => S::LargeBinary(Some(v.to_vec())),
        (Datum::Bytes(v), T::BinaryView) => S::BinaryView(Some(v.to_vec())),
        (Datum::Bytes(v), T::FixedSizeBinary(size)) => S::FixedSizeBinary(*size, Some(v.to_vec())),
        (Datum::Nested(row), T::List(field)) => {
            S::List(S::new_list_nullable(&elements(row, field)?, field.data_type()))
        }
        (Datum::Nested(row), T::Struct(fields)) => {
            let mut builder = ScalarStructBuilder::new();
            for (number, field) in fields.iter().enumerate() {
                builder = builder.with_scalar(field.clone(), cell(row, number, field.data_type())?);
            }
            builder.build().map_err(|error| mismatch(error, data_type))?
        }
        _ => return Err(mismatch(datum, data_type)),
    })
}

fn elements(row: RowRef<'_>, field: &Field) -> Result<Vec<ScalarValue>, EvalError> {
    (0..row.columns()).map(|number| cell(row, number, field.data_type())).collect()
}

/// One column of a row as a scalar.
pub(crate) fn cell(row: RowRef<'_>, column: usize, data_type: &DataType) -> Result<ScalarValue, EvalError> {
    let kind = Kind::of(data_type).ok_or_else(|| mismatch("a row's column", data_type))?;
    to_scalar(row.get(column, &kind), data_type)
}

fn int_scalar(v: i64, data_type: &DataType) -> Result<ScalarValue, EvalError> {
    use DataType as T;
    use ScalarValue as S;
    Ok(match data_type {
        T::Int8 => S::Int8(Some(v as i8)),
        T::Int16 => S::Int16(Some(v as i16)),
        T::Int32 => S::Int32(Some(v as i32)),
        T::Int64 => S::Int64(Some(v)),
        T::Date32 => S::Date32(Some(v as i32)),
        T::Date64 => S::Date64(Some(v)),
        T::Time32(TimeUnit::Second) => S::Time32Second(Some(v as i32)),
        T::Time32(_) => S::Time32Millisecond(Some(v as i32)),
        T::Time64(TimeUnit::Microsecond) => S::Time64Microsecond(Some(v)),
        T::Time64(_) => S::Time64Nanosecond(Some(v)),
        T::Timestamp(TimeUnit::Second, zone) => S::TimestampSecond(Some(v), zone.clone()),
        T::Timestamp(TimeUnit::Millisecond, zone) => S::TimestampMillisecond(Some(v), zone.clone()),
        T::Timestamp(TimeUnit::Microsecond, zone) => S::TimestampMicrosecond(Some(v), zone.clone()),
        T::Timestamp(TimeUnit::Nanosecond, zone) => S::TimestampNanosecond(Some(v), zone.clone()),
        T::Duration(TimeUnit::Second) => S::DurationSecond(Some(v)),
        T::Duration(TimeUnit::Millisecond) => S::DurationMillisecond(Some(v)),
        T::Duration(TimeUnit::Microsecond) => S::DurationMicrosecond(Some(v)),
        T::Duration(TimeUnit::Nanosecond) => S::DurationNanosecond(Some(v)),
        _ => return Err(mismatch(v, data_type)),
    })
}

/// A scalar as a value in scratch memory.
///
/// # Errors
/// If rows cannot hold its type.
pub(crate) fn from_scalar<'a>(scalar: &ScalarValue, scratch: &'a Scratch) -> Result<Datum<'a>, EvalError> {
    use ScalarValue as S;
    if scalar.is_null() {
        return Ok(Datum::Null);
    }
    let int = |value: Option<i64>| Ok(value.map_or(Datum::Null, Datum::Int));
    match scalar {
        S::Boolean(Some(v)) => Ok(Datum::Bool(*v)),
        S::Int8(v) => int(v.map(i64::from)),
        S::Int16(v) => int(v.map(i64::from)),
        S::Int32(v) | S::Date32(v) | S::Time32Second(v) | S::Time32Millisecond(v) => int(v.map(i64::from)),
        S::Int64(v) | S::Date64(v) | S::Time64Microsecond(v) | S::Time64Nanosecond(v) => int(*v),
        S::TimestampSecond(v, _) | S::TimestampMillisecond(v, _) => int(*v),
        S::TimestampMicrosecond(v, _) | S::TimestampNanosecond(v, _) => int(*v),
        S::DurationSecond(v) | S::DurationMillisecond(v) => int(*v),
        S::DurationMicrosecond(v) | S::DurationNanosecond(v) => int(*v),
        S::UInt8(Some(v)) => Ok(Datum::UInt(u64::from(*v))),
        S::UInt16(Some(v)) => Ok(Datum::UInt(u64::from(*v))),
        S::UInt32(Some(v)) => Ok(Datum::UInt(u64::from(*v))),
        S::UInt64(Some(v)) => Ok(Datum::UInt(*v)),
        S::Float32(Some(v)) => Ok(Datum::Float(f64::from(*v))),
        S::Float64(Some(v)) => Ok(Datum::Float(*v)),
        S::Decimal32(Some(v), ..) => Ok(Datum::Decimal(i128::from(*v))),
        S::Decimal64(Some(v), ..) => Ok(Datum::Decimal(i128::from(*v))),
        S::Decimal128(Some(v), ..) => Ok(Datum::Decimal(*v)),
        S::Decimal256(Some(v), ..) => Ok(Datum::Decimal256(v.to_le_bytes())),
        S::IntervalMonthDayNano(Some(v)) => {
            Ok(Datum::Interval(Interval { months: v.months, days: v.days, nanos: v.nanoseconds }))
        }
        S::Utf8(Some(v)) | S::LargeUtf8(Some(v)) | S::Utf8View(Some(v)) => {
            Ok(Datum::Text(scratch.alloc_slice_copy(v.as_bytes())))
        }
        S::Binary(Some(v)) | S::LargeBinary(Some(v)) | S::BinaryView(Some(v)) | S::FixedSizeBinary(_, Some(v)) => {
            Ok(Datum::Bytes(scratch.alloc_slice_copy(v)))
        }
        S::List(list) => nested(&list.value(0), scratch),
        S::Struct(array) => {
            let kind =
                |field: &Arc<Field>| Kind::of(field.data_type()).ok_or_else(|| mismatch(field, field.data_type()));
            let kinds = array.fields().iter().map(kind).collect::<Result<Vec<_>, _>>()?;
            let columns: Vec<_> = array.columns().iter().map(|column| (column, 0)).collect();
            pack(kinds, &columns, scratch)
        }
        other => Err(mismatch(other, &other.data_type())),
    }
}

fn nested<'a>(values: &ArrayRef, scratch: &'a Scratch) -> Result<Datum<'a>, EvalError> {
    let kind = Kind::of(values.data_type()).ok_or_else(|| mismatch("an element", values.data_type()))?;
    let columns: Vec<_> = (0..values.len()).map(|number| (values, number)).collect();
    pack(vec![kind; columns.len()], &columns, scratch)
}

fn pack<'a>(kinds: Vec<Kind>, cells: &[(&ArrayRef, usize)], scratch: &'a Scratch) -> Result<Datum<'a>, EvalError> {
    let mut builder = RowBuilder::new(kinds);
    for (number, (array, row)) in cells.iter().enumerate() {
        builder.set(number, from_scalar(&element(array, *row)?, scratch)?);
    }
    Ok(Datum::Nested(RowRef::new(scratch.alloc_slice_copy(builder.finish().bytes()))))
}

fn element(array: &ArrayRef, row: usize) -> Result<ScalarValue, EvalError> {
    ScalarValue::try_from_array(array, row).map_err(|error| mismatch(error.strip_backtrace(), array.data_type()))
}

/// Packed rows of a batch.
///
/// # Errors
/// If rows cannot hold a column's type.
pub(crate) fn rows_of(batch: &RecordBatch) -> Result<Vec<Row>, EvalError> {
    let kind = |field: &Arc<Field>| Kind::of(field.data_type()).ok_or_else(|| mismatch(field, field.data_type()));
    let kinds = batch.schema().fields().iter().map(kind).collect::<Result<Vec<_>, _>>()?;
    let mut builder = RowBuilder::new(kinds);
    let mut scratch = Scratch::new();
    let mut rows = Vec::with_capacity(batch.num_rows());
    for row in 0..batch.num_rows() {
        scratch.reset();
        for (column, array) in batch.columns().iter().enumerate() {
            builder.set(column, from_scalar(&element(array, row)?, &scratch)?);
        }
        rows.push(builder.take());
    }
    Ok(rows)
}

/// A batch of the given columns of packed rows.
///
/// # Errors
/// If a value does not fit its column's type.
pub(crate) fn batch_of(
    rows: &[RowRef<'_>],
    schema: &SchemaRef,
    columns: &[usize],
    projected: SchemaRef,
) -> Result<RecordBatch, EvalError> {
    let array = |&column: &usize| column_of(rows, column, schema.field(column).data_type());
    let arrays = columns.iter().map(array).collect::<Result<Vec<_>, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
    RecordBatch::try_new_with_options(projected, arrays, &options)
        .map_err(|error| EvalError::new(b"XX000", error.to_string()))
}

/// One column of rows as an array.
fn column_of(rows: &[RowRef<'_>], column: usize, data_type: &DataType) -> Result<ArrayRef, EvalError> {
    use DataType as T;
    let kind = Kind::of(data_type).ok_or_else(|| mismatch("a row's column", data_type))?;
    let slots = rows.iter().map(|row| (!row.is_null(column)).then(|| row.slot(column)));
    macro_rules! integers {
        ($type:ty) => {{
            let values = slots.map(|slot| slot.map(|slot| slot as <$type as ArrowPrimitiveType>::Native));
            Arc::new(PrimitiveArray::<$type>::from_iter(values).with_data_type(data_type.clone()))
        }};
    }
    let texts = || {
        rows.iter().map(|row| match row.is_null(column) {
            true => Ok(None),
            false => std::str::from_utf8(row.tail(column)).map(Some),
        })
    };
    let not_text = |_| mismatch("text that is not UTF-8", data_type);
    Ok(match data_type {
        T::Boolean => Arc::new(slots.map(|slot| slot.map(|slot| slot != 0)).collect::<BooleanArray>()),
        T::Int8 => integers!(Int8Type),
        T::Int16 => integers!(Int16Type),
        T::Int32 => integers!(Int32Type),
        T::Int64 => integers!(Int64Type),
        T::UInt8 => integers!(UInt8Type),
        T::UInt16 => integers!(UInt16Type),
        T::UInt32 => integers!(UInt32Type),
        T::UInt64 => integers!(UInt64Type),
        T::Date32 => integers!(Date32Type),
        T::Time64(TimeUnit::Microsecond) => integers!(Time64MicrosecondType),
        T::Timestamp(TimeUnit::Microsecond, _) => integers!(TimestampMicrosecondType),
        T::Float64 => {
            let values = slots.map(|slot| slot.map(f64::from_bits));
            Arc::new(PrimitiveArray::<Float64Type>::from_iter(values))
        }
        T::Decimal128(..) => {
            let values = rows.iter().map(|row| match row.get(column, &kind) {
                Datum::Decimal(value) => Some(value),
                _ => None,
            });
            Arc::new(PrimitiveArray::<Decimal128Type>::from_iter(values).with_data_type(data_type.clone()))
        }
        T::Utf8 => Arc::new(texts().collect::<Result<StringArray, _>>().map_err(not_text)?),
        T::LargeUtf8 => Arc::new(texts().collect::<Result<LargeStringArray, _>>().map_err(not_text)?),
        T::Utf8View => Arc::new(texts().collect::<Result<StringViewArray, _>>().map_err(not_text)?),
        _ if rows.is_empty() => arrow::array::new_empty_array(data_type),
        _ => {
            let scalars = rows.iter().map(|row| cell(*row, column, data_type)).collect::<Result<Vec<_>, _>>()?;
            ScalarValue::iter_to_array(scalars).map_err(|error| mismatch(error.strip_backtrace(), data_type))?
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every type that has an array of its own, beside the way through scalars.
    #[test]
    fn columns_equal_those_made_from_scalars() {
        let utc = Some("UTC".into());
        let types = [
            (DataType::Boolean, Datum::Bool(true)),
            (DataType::Int8, Datum::Int(-3)),
            (DataType::Int16, Datum::Int(-300)),
            (DataType::Int32, Datum::Int(i64::from(i32::MIN))),
            (DataType::Int64, Datum::Int(i64::MIN)),
            (DataType::UInt8, Datum::UInt(200)),
            (DataType::UInt16, Datum::UInt(60_000)),
            (DataType::UInt32, Datum::UInt(u64::from(u32::MAX))),
            (DataType::UInt64, Datum::UInt(u64::MAX)),
            (DataType::Date32, Datum::Int(-1)),
            (DataType::Time64(TimeUnit::Microsecond), Datum::Int(86_399_999_999)),
            (DataType::Timestamp(TimeUnit::Microsecond, None), Datum::Int(-5)),
            (DataType::Timestamp(TimeUnit::Microsecond, utc), Datum::Int(1_704_067_200_000_000)),
            (DataType::Float64, Datum::Float(-1.5)),
            (DataType::Decimal128(10, 2), Datum::Decimal(-12_345)),
            (DataType::Decimal128(38, 4), Datum::Decimal(10_i128.pow(37))),
            (DataType::Utf8, Datum::Text("häuser".as_bytes())),
            (DataType::LargeUtf8, Datum::Text(b"")),
            (DataType::Utf8View, Datum::Text(b"a text of more than twelve bytes")),
        ];
        for (data_type, value) in types {
            let mut builder = RowBuilder::new(vec![Kind::of(&data_type).unwrap()]);
            let rows = [Datum::Null, value].map(|value| {
                builder.set(0, value);
                builder.take()
            });
            let rows: Vec<_> = rows.iter().map(Row::as_ref).collect();
            let scalars = rows.iter().map(|row| cell(*row, 0, &data_type).unwrap());
            let expected = ScalarValue::iter_to_array(scalars).unwrap();
            assert_eq!(&column_of(&rows, 0, &data_type).unwrap(), &expected, "{data_type}");
            assert_eq!(column_of(&[], 0, &data_type).unwrap().data_type(), &data_type);
        }
    }
}

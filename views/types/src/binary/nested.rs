//! Arrays, rows, ranges and multiranges on the wire.

use super::{Reader, input_binary, malformed, output_binary};
use crate::{
    ArrayRef, Bounds, ColumnType, Datum, Dimension, MAX_DIMENSIONS, MultirangeRef, RangeOf, RangeRef, Record,
    RecordRef, Result, Scratch, Settings, SqlError, Type, range,
};

const EMPTY: u8 = 1;
const LOWER_INCLUSIVE: u8 = 2;
const UPPER_INCLUSIVE: u8 = 4;
const LOWER_INFINITE: u8 = 8;
const UPPER_INFINITE: u8 = 16;

/// A value with its length before it.
fn put_value(datum: &Datum<'_>, ty: &ColumnType, settings: &Settings, out: &mut Vec<u8>) -> Result<()> {
    if datum.is_null() {
        out.extend((-1_i32).to_be_bytes());
        return Ok(());
    }
    let start = out.len();
    out.extend([0; 4]);
    output_binary(datum, ty, settings, out)?;
    let length = (out.len() - start - 4) as i32;
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
    Ok(())
}

pub(super) fn put_array(array: ArrayRef<'_>, ty: &ColumnType, settings: &Settings, out: &mut Vec<u8>) -> Result<()> {
    let element = ty.element().unwrap_or_else(|| Type::Text.into());
    out.extend((array.dimension_count() as i32).to_be_bytes());
    out.extend(i32::from(array.iter().any(|datum| datum.is_null())).to_be_bytes());
    out.extend(element.ty.oid().to_be_bytes());
    for dimension in array.dimensions() {
        out.extend(dimension.length.to_be_bytes());
        out.extend(dimension.lower.to_be_bytes());
    }
    array.iter().try_for_each(|datum| put_value(&datum, &element, settings, out))
}

pub(super) fn read_array<'a>(
    reader: &mut Reader<'_>,
    ty: &ColumnType,
    settings: &Settings,
    scratch: &'a Scratch,
) -> Result<Datum<'a>> {
    let element = ty.element().unwrap_or_else(|| Type::Text.into());
    let count = usize::try_from(reader.i32()?).ok().filter(|count| *count <= MAX_DIMENSIONS).ok_or_else(malformed)?;
    reader.i32()?;
    let oid = reader.i32()? as u32;
    if oid != element.ty.oid() {
        return Err(SqlError::new(b"42804", "wrong element type"));
    }
    let mut dimensions = Vec::with_capacity(count);
    let mut elements = 1_usize;
    for _ in 0..count {
        let dimension = Dimension { length: reader.i32()?, lower: reader.i32()? };
        let length = usize::try_from(dimension.length).map_err(|_| malformed())?;
        elements = elements.checked_mul(length).ok_or_else(malformed)?;
        dimensions.push(dimension);
    }
    let elements = if count == 0 { 0 } else { elements };
    // Each takes four bytes at least: a lie about the count costs nothing.
    if elements > reader.0.len() / 4 {
        return Err(malformed());
    }
    let mut values = Vec::with_capacity(elements);
    for _ in 0..elements {
        values.push(read_value(reader, &element, settings, scratch)?);
    }
    ArrayRef::build(scratch, &dimensions, &values).map(Datum::Array)
}

fn read_value<'a>(
    reader: &mut Reader<'_>,
    ty: &ColumnType,
    settings: &Settings,
    scratch: &'a Scratch,
) -> Result<Datum<'a>> {
    match reader.value()? {
        None => Ok(Datum::Null),
        Some(bytes) => input_binary(bytes, ty, settings, scratch),
    }
}

pub(super) fn put_record(row: RecordRef<'_>, ty: &ColumnType, settings: &Settings, out: &mut Vec<u8>) -> Result<()> {
    let Type::Record(record) = &ty.ty else { return Ok(()) };
    out.extend((row.len() as i32).to_be_bytes());
    for (datum, (_, ty)) in row.iter().zip(&record.fields) {
        out.extend(ty.ty.oid().to_be_bytes());
        put_value(&datum, ty, settings, out)?;
    }
    Ok(())
}

pub(super) fn read_record<'a>(
    reader: &mut Reader<'_>,
    record: &Record,
    settings: &Settings,
    scratch: &'a Scratch,
) -> Result<Datum<'a>> {
    if record.fields.is_empty() {
        return Err(SqlError::new(b"0A000", "input of anonymous composite types is not implemented"));
    }
    if reader.i32()? as usize != record.fields.len() {
        return Err(SqlError::new(b"42804", "wrong number of columns"));
    }
    let mut values = Vec::with_capacity(record.fields.len());
    for (_, ty) in &record.fields {
        if reader.i32()? as u32 != ty.ty.oid() {
            return Err(SqlError::new(b"42804", "wrong column type"));
        }
        values.push(read_value(reader, ty, settings, scratch)?);
    }
    RecordRef::build(scratch, &values).map(Datum::Record)
}

pub(super) fn put_range(range: RangeRef<'_>, ty: &ColumnType, settings: &Settings, out: &mut Vec<u8>) -> Result<()> {
    let (Type::Range(of) | Type::Multirange(of)) = &ty.ty else { return Ok(()) };
    let Some(bounds) = range.bounds() else {
        out.push(EMPTY);
        return Ok(());
    };
    let flag = |on: bool, bit: u8| if on { bit } else { 0 };
    out.push(
        flag(bounds.lower_inclusive, LOWER_INCLUSIVE)
            | flag(bounds.upper_inclusive, UPPER_INCLUSIVE)
            | flag(bounds.lower.is_none(), LOWER_INFINITE)
            | flag(bounds.upper.is_none(), UPPER_INFINITE),
    );
    let ty = ColumnType::from(of.bound());
    [bounds.lower, bounds.upper].iter().flatten().try_for_each(|bound| put_value(bound, &ty, settings, out))
}

pub(super) fn read_range<'a>(
    reader: &mut Reader<'_>,
    of: RangeOf,
    settings: &Settings,
    scratch: &'a Scratch,
) -> Result<Datum<'a>> {
    let flags = reader.take(1)?[0];
    if flags & EMPTY != 0 {
        return Ok(Datum::Range(RangeRef::empty()));
    }
    let ty = ColumnType::from(of.bound());
    let mut bound = |infinite: u8| {
        if flags & infinite != 0 { Ok(None) } else { read_value(reader, &ty, settings, scratch).map(Some) }
    };
    let bounds = Bounds {
        lower: bound(LOWER_INFINITE)?,
        lower_inclusive: flags & LOWER_INCLUSIVE != 0,
        upper: bound(UPPER_INFINITE)?,
        upper_inclusive: flags & UPPER_INCLUSIVE != 0,
    };
    range::make(of, bounds, scratch).map(Datum::Range)
}

pub(super) fn put_multirange(
    value: MultirangeRef<'_>,
    ty: &ColumnType,
    settings: &Settings,
    out: &mut Vec<u8>,
) -> Result<()> {
    let Type::Multirange(of) = &ty.ty else { return Ok(()) };
    let ty = ColumnType::from(Type::Range(*of));
    out.extend((value.len() as i32).to_be_bytes());
    value.iter().try_for_each(|range| put_value(&Datum::Range(range), &ty, settings, out))
}

pub(super) fn read_multirange<'a>(
    reader: &mut Reader<'_>,
    of: RangeOf,
    settings: &Settings,
    scratch: &'a Scratch,
) -> Result<Datum<'a>> {
    let count = reader.i32()?;
    let ty = ColumnType::from(Type::Range(of));
    let mut ranges = Vec::new();
    for _ in 0..count {
        if let Datum::Range(range) = read_value(reader, &ty, settings, scratch)? {
            ranges.push(range);
        }
    }
    range::multirange(of, &ranges, scratch).map(Datum::Multirange)
}

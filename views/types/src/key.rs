//! The key form: bytes that are equal exactly if values are equal, and that sort as the values do.
//!
//! Keys of several values may be written one after another: none begins another. NULL sorts last, as in PostgreSQL.

use crate::datum::Bytes;
use crate::text::trim_blanks;
use crate::{Datum, MultirangeRef, RangeOf, RangeRef, Type, json};

const VALUE: u8 = 1;
const NULL: u8 = 2;
/// After the last element of what has a number of them.
const END: u8 = 0;

/// Appends the key form of a value of type `ty`.
pub fn key(ty: &Type, datum: &Datum<'_>, out: &mut impl Bytes) {
    if datum.is_null() {
        return out.put(&[NULL]);
    }
    out.put(&[VALUE]);
    value(ty, datum, out);
}

/// Appends bytes that sort as text does and have an end.
pub(crate) fn put_text(text: &[u8], out: &mut impl Bytes) {
    let mut rest = text;
    // A zero inside is told from the end by what follows it.
    while let Some(at) = rest.iter().position(|byte| *byte == 0) {
        out.put(&rest[..at]);
        out.put(&[0, 0xff]);
        rest = &rest[at + 1..];
    }
    out.put(rest);
    out.put(&[0, 0]);
}

fn put_i64(value: i64, out: &mut impl Bytes) {
    out.put(&((value as u64) ^ 1 << 63).to_be_bytes());
}

fn put_i128(value: i128, out: &mut impl Bytes) {
    out.put(&((value as u128) ^ 1 << 127).to_be_bytes());
}

fn put_float(value: f64, out: &mut impl Bytes) {
    let value = match value {
        value if value.is_nan() => f64::NAN,
        // -0 too.
        0.0 => 0.0,
        value => value,
    };
    let bits = value.to_bits();
    let sorted = if bits >> 63 == 1 { !bits } else { bits | 1 << 63 };
    out.put(&sorted.to_be_bytes());
}

fn value(ty: &Type, datum: &Datum<'_>, out: &mut impl Bytes) {
    match datum {
        Datum::Null => {}
        Datum::Bool(value) => out.put(&[u8::from(*value)]),
        Datum::Int(value) => put_i64(*value, out),
        Datum::UInt(value) => out.put(&value.to_be_bytes()),
        Datum::Float(value) => put_float(*value, out),
        Datum::Numeric(value) => value.key(out),
        Datum::Interval(value) => put_i128(value.order(), out),
        Datum::TimeTz(value) => {
            put_i64(value.micros - i64::from(value.offset) * 1_000_000, out);
            put_i64(-i64::from(value.offset), out);
        }
        Datum::Uuid(value) => out.put(value),
        Datum::Text(text) if *ty == Type::Bpchar => put_text(trim_blanks(text), out),
        Datum::Text(text) | Datum::Bytes(text) => put_text(text, out),
        Datum::Jsonb(value) => json::key(*value, out),
        Datum::Array(array) => {
            let element = ty.element().unwrap_or(&Type::Text);
            if *ty == Type::OidVector {
                out.put(&(array.len() as u32).to_be_bytes());
            }
            array.iter().for_each(|datum| key(element, &datum, out));
            out.put(&[END]);
            out.put(&[array.dimension_count() as u8]);
            array.dimensions().for_each(|d| put_i64(d.length.into(), out));
            array.dimensions().for_each(|d| put_i64(d.lower.into(), out));
        }
        Datum::List(list) => {
            let element = ty.element().unwrap_or(&Type::Text);
            list.iter().for_each(|datum| key(element, &datum, out));
            out.put(&[END]);
        }
        Datum::Map(map) => {
            let element = ty.element().unwrap_or(&Type::Text);
            for (name, datum) in map.iter() {
                out.put(&[VALUE]);
                put_text(name, out);
                key(element, &datum, out);
            }
            out.put(&[END]);
        }
        Datum::Record(row) => {
            let fields = if let Type::Record(record) = ty { record.fields.as_slice() } else { &[] };
            for (i, datum) in row.iter().enumerate() {
                key(fields.get(i).map_or(&Type::Text, |(_, ty)| &ty.ty), &datum, out);
            }
        }
        Datum::Range(range) => range_key(bound_type(ty), *range, out),
        Datum::Multirange(value) => multirange_key(bound_type(ty), *value, out),
    }
}

fn bound_type(ty: &Type) -> Type {
    match ty {
        Type::Range(of) | Type::Multirange(of) => of.bound(),
        _ => RangeOf::Int8.bound(),
    }
}

fn range_key(bound: Type, range: RangeRef<'_>, out: &mut impl Bytes) {
    let Some(bounds) = range.bounds() else { return out.put(&[0]) };
    out.put(&[1]);
    match bounds.lower {
        None => out.put(&[0]),
        Some(datum) => {
            out.put(&[1]);
            value(&bound, &datum, out);
            out.put(&[u8::from(!bounds.lower_inclusive)]);
        }
    }
    match bounds.upper {
        None => out.put(&[1]),
        Some(datum) => {
            out.put(&[0]);
            value(&bound, &datum, out);
            out.put(&[u8::from(bounds.upper_inclusive)]);
        }
    }
}

fn multirange_key(bound: Type, multirange: MultirangeRef<'_>, out: &mut impl Bytes) {
    for range in multirange.iter() {
        out.put(&[VALUE]);
        range_key(bound.clone(), range, out);
    }
    out.put(&[END]);
}

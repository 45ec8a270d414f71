//! Stand-in until the types say it themselves.

use std::cmp::Ordering;

use tidewater_types::{Datum, Type, encode};

pub(crate) fn compare(a: &Datum<'_>, b: &Datum<'_>, ty: &Type) -> Ordering {
    match (a, b) {
        (Datum::Bool(a), Datum::Bool(b)) => a.cmp(b),
        (Datum::Int(a), Datum::Int(b)) => a.cmp(b),
        (Datum::UInt(a), Datum::UInt(b)) => a.cmp(b),
        (Datum::Float(a), Datum::Float(b)) => match (a.is_nan(), b.is_nan()) {
            (false, false) => a.partial_cmp(b).unwrap_or(Ordering::Equal),
            (a, b) => a.cmp(&b),
        },
        (Datum::Text(a), Datum::Text(b)) if *ty == Type::Bpchar => a.trim_ascii_end().cmp(b.trim_ascii_end()),
        (Datum::Text(a) | Datum::Bytes(a), Datum::Text(b) | Datum::Bytes(b)) => a.cmp(b),
        (Datum::Record(a), Datum::Record(b)) => {
            let Type::Record(record) = ty else { return Ordering::Equal };
            for (i, (_, ty)) in record.fields.iter().enumerate() {
                let (a, b) = (a.get(i), b.get(i));
                let order = match (a.is_null(), b.is_null()) {
                    (false, false) => compare(&a, &b, &ty.ty),
                    (a, b) => a.cmp(&b),
                };
                if order.is_ne() {
                    return order;
                }
            }
            Ordering::Equal
        }
        (a, b) => {
            let (mut x, mut y) = (Vec::new(), Vec::new());
            encode(a, &mut x);
            encode(b, &mut y);
            x.cmp(&y)
        }
    }
}

pub(crate) fn key(datum: &Datum<'_>, ty: &Type, out: &mut Vec<u8>) {
    match datum {
        Datum::Float(value) => {
            let value = if *value == 0.0 { 0.0 } else if value.is_nan() { f64::NAN } else { *value };
            encode(&Datum::Float(value), out);
        }
        Datum::Text(text) if *ty == Type::Bpchar => encode(&Datum::Text(text.trim_ascii_end()), out),
        other => encode(other, out),
    }
}

pub(crate) fn equal_is_identical(ty: &Type) -> bool {
    matches!(ty, Type::Bool | Type::Int2 | Type::Int4 | Type::Int8 | Type::Text)
}

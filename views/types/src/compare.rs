//! The order of values of one type: PostgreSQL's btree order, collation C. NULL is greatest and equal to itself here; operators
//! see to NULL themselves.

use std::cmp::Ordering;

use crate::text::trim_blanks;
use crate::{ArrayRef, Datum, ListRef, MapRef, RecordRef, Type, float, json, range};

/// Compares two values of type `ty`.
pub fn compare(ty: &Type, a: &Datum<'_>, b: &Datum<'_>) -> Ordering {
    use Datum as D;
    match (a, b) {
        (D::Null, D::Null) => Ordering::Equal,
        (D::Null, _) => Ordering::Greater,
        (_, D::Null) => Ordering::Less,
        (D::Bool(a), D::Bool(b)) => a.cmp(b),
        (D::Int(a), D::Int(b)) => a.cmp(b),
        (D::UInt(a), D::UInt(b)) => a.cmp(b),
        (D::Float(a), D::Float(b)) => float::compare(*a, *b),
        (D::Numeric(a), D::Numeric(b)) => a.cmp(b),
        (D::Interval(a), D::Interval(b)) => a.compare(*b),
        (D::TimeTz(a), D::TimeTz(b)) => {
            let utc = |time: &crate::TimeTz| time.micros - i64::from(time.offset) * 1_000_000;
            utc(a).cmp(&utc(b)).then(b.offset.cmp(&a.offset))
        }
        (D::Uuid(a), D::Uuid(b)) => a.cmp(b),
        (D::Text(a), D::Text(b)) if *ty == Type::Bpchar => trim_blanks(a).cmp(trim_blanks(b)),
        (D::Text(a) | D::Bytes(a), D::Text(b) | D::Bytes(b)) => a.cmp(b),
        (D::Jsonb(a), D::Jsonb(b)) => json::compare(*a, *b),
        (D::Array(a), D::Array(b)) => arrays(ty, *a, *b),
        (D::List(a), D::List(b)) => lists(ty, *a, *b),
        (D::Map(a), D::Map(b)) => maps(ty, *a, *b),
        (D::Record(a), D::Record(b)) => records(ty, *a, *b),
        (D::Range(a), D::Range(b)) => match ty {
            Type::Range(of) => range::compare_ranges(*of, *a, *b),
            _ => a.bytes().cmp(b.bytes()),
        },
        (D::Multirange(a), D::Multirange(b)) => match ty {
            Type::Multirange(of) => range::compare_multiranges(*of, *a, *b),
            _ => a.bytes().cmp(b.bytes()),
        },
        _ => {
            debug_assert!(false, "values of one type have one form: {a:?}, {b:?}");
            Ordering::Equal
        }
    }
}

/// Whether two values are equal; NULL equals itself here.
pub fn equal(ty: &Type, a: &Datum<'_>, b: &Datum<'_>) -> bool {
    compare(ty, a, b).is_eq()
}

fn first_difference<'a, 'b>(
    ty: &Type,
    a: impl Iterator<Item = Datum<'a>>,
    b: impl Iterator<Item = Datum<'b>>,
) -> Ordering {
    a.zip(b).map(|(a, b)| compare(ty, &a, &b)).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

/// Element by element; then the longer, then the one of more dimensions, then by their lengths and bounds.
fn arrays(ty: &Type, a: ArrayRef<'_>, b: ArrayRef<'_>) -> Ordering {
    let element = ty.element().unwrap_or(&Type::Text);
    // An oidvector's length comes first.
    let lengths = if *ty == Type::OidVector { a.len().cmp(&b.len()) } else { Ordering::Equal };
    lengths
        .then_with(|| first_difference(element, a.iter(), b.iter()))
        .then_with(|| a.len().cmp(&b.len()))
        .then_with(|| a.dimension_count().cmp(&b.dimension_count()))
        .then_with(|| a.dimensions().map(|d| d.length).cmp(b.dimensions().map(|d| d.length)))
        .then_with(|| a.dimensions().map(|d| d.lower).cmp(b.dimensions().map(|d| d.lower)))
}

fn lists(ty: &Type, a: ListRef<'_>, b: ListRef<'_>) -> Ordering {
    let element = ty.element().unwrap_or(&Type::Text);
    first_difference(element, a.iter(), b.iter()).then_with(|| a.len().cmp(&b.len()))
}

fn maps(ty: &Type, a: MapRef<'_>, b: MapRef<'_>) -> Ordering {
    let element = ty.element().unwrap_or(&Type::Text);
    let pairs = a.iter().zip(b.iter());
    let mut orders = pairs.map(|((k, v), (l, w))| k.cmp(l).then_with(|| compare(element, &v, &w)));
    orders.find(|order| order.is_ne()).unwrap_or_else(|| a.len().cmp(&b.len()))
}

fn records(ty: &Type, a: RecordRef<'_>, b: RecordRef<'_>) -> Ordering {
    let fields = if let Type::Record(record) = ty { record.fields.as_slice() } else { &[] };
    let orders = a.iter().zip(b.iter()).enumerate();
    orders
        .map(|(i, (a, b))| compare(fields.get(i).map_or(&Type::Text, |(_, ty)| &ty.ty), &a, &b))
        .find(|order| order.is_ne())
        .unwrap_or_else(|| a.len().cmp(&b.len()))
}

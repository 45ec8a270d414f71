//! Casts of what holds other values: element by element.

use super::{Context, cast};
use crate::{
    ArrayRef, ColumnType, Datum, Dimension, ListRef, MapRef, MultirangeRef, RecordRef, Result, SqlError, Type,
};

/// The cast, if it is of this family.
pub(super) fn convert<'a>(
    datum: &Datum<'a>,
    from: &Type,
    to: &ColumnType,
    context: &Context<'_, 'a>,
) -> Option<Result<Datum<'a>>> {
    Some(match (datum, &to.ty) {
        (Datum::Array(array), Type::Array(_) | Type::Int2Vector | Type::OidVector) => {
            let dimensions: Vec<Dimension> = array.dimensions().collect();
            elements(array.iter(), from, to, context)
                .and_then(|values| ArrayRef::build(context.scratch, &dimensions, &values))
                .map(Datum::Array)
        }
        (Datum::Array(array), Type::List(_)) if array.dimension_count() <= 1 => {
            elements(array.iter(), from, to, context)
                .and_then(|values| ListRef::build(context.scratch, &values))
                .map(Datum::List)
        }
        (Datum::List(list), Type::List(_)) => elements(list.iter(), from, to, context)
            .and_then(|values| ListRef::build(context.scratch, &values))
            .map(Datum::List),
        (Datum::Map(map), Type::Map(_)) => {
            let keys: Vec<&str> = map.iter().map(|(key, _)| std::str::from_utf8(key).unwrap_or_default()).collect();
            elements(map.iter().map(|(_, value)| value), from, to, context)
                .and_then(|values| {
                    let entries: Vec<_> = keys.into_iter().zip(values).collect();
                    MapRef::build(context.scratch, &entries)
                })
                .map(Datum::Map)
        }
        (Datum::Record(row), Type::Record(_)) => record(*row, from, to, context),
        (Datum::Range(range), Type::Multirange(_)) => {
            let ranges = if range.is_empty() { vec![] } else { vec![*range] };
            MultirangeRef::build(context.scratch, &ranges).map(Datum::Multirange)
        }
        _ => return None,
    })
}

fn elements<'a>(
    values: impl Iterator<Item = Datum<'a>>,
    from: &Type,
    to: &ColumnType,
    context: &Context<'_, 'a>,
) -> Result<Vec<Datum<'a>>> {
    let (Some(from), Some(to)) = (from.element(), to.element()) else { return Ok(values.collect()) };
    values.map(|value| cast(value, from, &to, context.explicit, context.settings, context.scratch)).collect()
}

fn record<'a>(row: RecordRef<'a>, from: &Type, to: &ColumnType, context: &Context<'_, 'a>) -> Result<Datum<'a>> {
    let (Type::Record(old), Type::Record(new)) = (from, &to.ty) else { return Ok(Datum::Record(row)) };
    // record without fields: any row is one.
    if new.fields.is_empty() {
        return Ok(Datum::Record(row));
    }
    if old.fields.len() != new.fields.len() {
        return Err(SqlError::new(b"42846", format!("cannot cast type {from} to {to}")));
    }
    let pairs = row.iter().zip(old.fields.iter().zip(&new.fields));
    let values = pairs
        .map(|(value, ((_, old), (_, new)))| {
            cast(value, &old.ty, new, context.explicit, context.settings, context.scratch)
        })
        .collect::<Result<Vec<_>>>()?;
    RecordRef::build(context.scratch, &values).map(Datum::Record)
}

//! Rows from JSON: json_to_record, json_populate_record and their kin
//! (<https://www.postgresql.org/docs/15/functions-json.html#FUNCTIONS-JSON-PROCESSING-TABLE>).

use tidewater_types::{
    ArrayRef, ColumnType, Datum, Dimension, MAX_DIMENSIONS, Record, RecordRef, Result, SqlError, Type,
};

use super::json::Value;
use crate::call::{Call, invalid};
use crate::rows::RowSource;
use crate::table::Table;

pub(super) fn register(t: &mut Table) {
    t.family("JSON");
    t.rows("stable json_to_record(json) -> setof record -- An object as a row of the columns that AS defines.", one);
    t.rows("stable jsonb_to_record(jsonb) -> setof record -- An object as a row of the columns that AS defines.", one);
    t.rows("stable null json_to_recordset(json) -> setof record -- An array of objects as rows of the columns that AS defines.", |c| many(c, 0, None));
    t.rows("stable null jsonb_to_recordset(jsonb) -> setof record -- An array of objects as rows of the columns that AS defines.", |c| {
        many(c, 0, None)
    });
    t.add("stable null json_populate_record(base anyelement, from_json json, use_json_as_text bool = false) -> anyelement -- The first, a row, with an object's values.", populate);
    t.add("stable null jsonb_populate_record(anyelement, jsonb) -> anyelement -- The first, a row, with an object's values.", populate);
    t.rows("stable null json_populate_recordset(base anyelement, from_json json, use_json_as_text bool = false) -> setof anyelement -- The first, a row, with each object's values.", |c| {
        many(c, 1, Some(0))
    });
    t.rows("stable null jsonb_populate_recordset(anyelement, jsonb) -> setof anyelement -- The first, a row, with each object's values.", |c| {
        many(c, 1, Some(0))
    });
}

fn record<'c>(c: &'c Call<'_, '_>) -> Result<&'c Record> {
    match &c.env.result.ty {
        Type::Record(record) => Ok(record),
        _ => Err(SqlError::new(b"42804", format!("first argument of {} must be a row type", c.env.name))),
    }
}

/// The values of a row that are there before.
fn base<'a>(c: &Call<'a, '_>, at: Option<usize>, columns: usize) -> Vec<Datum<'a>> {
    match at.map(|at| c.args[at]) {
        Some(Datum::Record(row)) => row.iter().collect(),
        _ => vec![Datum::Null; columns],
    }
}

fn one<'a>(c: &Call<'a, '_>) -> Result<RowSource<'a>> {
    let record = record(c)?;
    let columns = fields(c, Value::of(c, 0)?, record, base(c, None, record.fields.len()))?;
    let mut columns = Some(columns);
    Ok(RowSource::new(move |row| {
        let next = columns.take();
        let found = next.is_some();
        row.extend(next.into_iter().flatten());
        Ok(found)
    }))
}

fn many<'a>(c: &Call<'a, '_>, at: usize, from: Option<usize>) -> Result<RowSource<'a>> {
    let record = record(c)?;
    if c.null(at) {
        return Ok(RowSource::empty());
    }
    let name = c.env.name;
    let value = Value::of(c, at)?;
    let Some(elements) = value.elements() else {
        let what = if value.kind() == "object" { "an object" } else { "a scalar" };
        return Err(invalid(match value {
            Value::Binary(_) => format!("cannot call {name} on a non-array"),
            Value::Text(_) => format!("cannot call {name} on {what}"),
        }));
    };
    let mut rows = Vec::with_capacity(elements.len());
    for element in elements {
        if element.kind() != "object" {
            return Err(invalid(format!("argument of {name} must be an array of objects")));
        }
        rows.push(fields(c, element, record, base(c, from, record.fields.len()))?);
    }
    let mut rows = rows.into_iter();
    Ok(RowSource::new(move |row| {
        let next = rows.next();
        let found = next.is_some();
        row.extend(next.into_iter().flatten());
        Ok(found)
    }))
}

fn populate<'a>(c: &Call<'a, '_>) -> Result<Datum<'a>> {
    let record = record(c)?;
    if c.null(1) {
        return Ok(c.args[0]);
    }
    let values = fields(c, Value::of(c, 1)?, record, base(c, Some(0), record.fields.len()))?;
    Ok(Datum::Record(RecordRef::build(c.scratch, &values)?))
}

/// A row's values: an object's members of the columns' names, or else those before.
fn fields<'a>(c: &Call<'a, '_>, value: Value<'a>, record: &Record, before: Vec<Datum<'a>>) -> Result<Vec<Datum<'a>>> {
    let Some(members) = value.members(c)? else {
        let what = if value.kind() == "array" { "an array" } else { "a scalar" };
        return Err(invalid(format!("cannot call {} on {what}", c.env.name)));
    };
    let mut values = Vec::with_capacity(record.fields.len());
    for ((name, ty), before) in record.fields.iter().zip(before) {
        // Of several members of one name the last counts.
        match members.iter().rev().find(|(key, _)| *key == name.as_bytes()) {
            Some((_, member)) => values.push(typed(c, *member, ty)?),
            None => values.push(before),
        }
    }
    Ok(values)
}

/// A JSON value as one of a type.
fn typed<'a>(c: &Call<'a, '_>, value: Value<'a>, ty: &ColumnType) -> Result<Datum<'a>> {
    match &ty.ty {
        _ if value.kind() == "null" && !matches!(ty.ty, Type::Json | Type::Jsonb) => Ok(Datum::Null),
        Type::Json | Type::Jsonb if value.kind() == "null" => Ok(Datum::Null),
        Type::Array(_) if value.kind() == "array" => array(c, value, ty),
        Type::Array(_) if value.kind() != "string" => Err(SqlError::new(b"22P02", "expected JSON array")),
        Type::Record(record) if value.kind() != "string" => {
            let before = vec![Datum::Null; record.fields.len()];
            Ok(Datum::Record(RecordRef::build(c.scratch, &fields(c, value, record, before)?)?))
        }
        Type::Json | Type::Jsonb => {
            let from = if matches!(value, Value::Binary(_)) { Type::Jsonb } else { Type::Json };
            tidewater_types::cast(value.datum(), &from, ty, false, &c.env.session.settings, c.scratch)
        }
        _ => {
            let text = value.text(c)?;
            let text = text.as_str().unwrap_or_default();
            tidewater_types::input(text, ty, &c.env.session.settings, c.scratch)
        }
    }
}

/// A JSON array, with arrays in it as dimensions.
fn array<'a>(c: &Call<'a, '_>, value: Value<'a>, ty: &ColumnType) -> Result<Datum<'a>> {
    let element = ty.element().unwrap_or(Type::Text.into());
    let mut leaves = Vec::new();
    let mut lengths: Vec<Option<usize>> = Vec::new();
    let mut depth = None;
    flatten(value, 0, &mut depth, &mut lengths, &mut leaves)?;
    let values = leaves.into_iter().map(|leaf| typed(c, leaf, &element)).collect::<Result<Vec<_>>>()?;
    if values.is_empty() {
        return Ok(Datum::Array(ArrayRef::build(c.scratch, &[], &[])?));
    }
    let dimensions: Vec<Dimension> =
        lengths.iter().map(|length| Dimension { length: length.unwrap_or(0) as i32, lower: 1 }).collect();
    Ok(Datum::Array(ArrayRef::build(c.scratch, &dimensions, &values)?))
}

/// Gathers the elements of the innermost arrays, which must all be as deep and as long as the first.
fn flatten<'a>(
    value: Value<'a>,
    level: usize,
    depth: &mut Option<usize>,
    lengths: &mut Vec<Option<usize>>,
    leaves: &mut Vec<Value<'a>>,
) -> Result<()> {
    let malformed = || {
        SqlError::new(b"22P02", "malformed JSON array")
            .detail("Multidimensional arrays must have sub-arrays with matching dimensions.")
    };
    let Some(elements) = value.elements() else {
        return Err(malformed());
    };
    if level >= MAX_DIMENSIONS {
        let message = format!("number of JSON array dimensions exceeds the maximum allowed ({MAX_DIMENSIONS})");
        return Err(SqlError::new(b"54000", message));
    }
    if lengths.len() <= level {
        lengths.push(None);
    }
    match lengths[level] {
        Some(length) if length != elements.len() => return Err(malformed()),
        _ => lengths[level] = Some(elements.len()),
    }
    for element in elements {
        let is_array = element.kind() == "array";
        let is_leaf = *depth.get_or_insert(if is_array { usize::MAX } else { level }) == level;
        if is_array && !is_leaf {
            if *depth == Some(usize::MAX) {
                *depth = None;
            }
            flatten(element, level + 1, depth, lengths, leaves)?;
        } else if is_array == is_leaf {
            return Err(malformed());
        } else {
            leaves.push(element);
        }
    }
    Ok(())
}

//! What Materialize has beside PostgreSQL: lists, maps, and a few more (<https://materialize.com/docs/sql/functions/>).

use tidewater_types::{Datum, ListRef, MapRef, Result, equal};

use crate::call::Call;
use crate::rows::RowSource;
use crate::table::Table;

pub(super) fn register(t: &mut Table) {
    t.family("Lists and maps");
    t.add("list_length(anylist) -> int4 -- Number of elements.", |c| match c.args[0] {
        Datum::List(list) => Ok(Datum::Int(list.len() as i64)),
        _ => Ok(Datum::Null),
    });
    t.add("null list_append(anylist, anyelement) -> anylist -- With one more element at the end.", |c| push(c, 0, 1));
    t.operator("null ||(anylist, anyelement) -> anylist -- With one more element.", |c| push(c, 0, 1));
    t.add("null list_prepend(anyelement, anylist) -> anylist -- With one more element at the front.", |c| {
        push(c, 1, 0)
    });
    t.operator("null ||(anyelement, anylist) -> anylist", |c| push(c, 1, 0));
    t.add("null list_cat(anylist, anylist) -> anylist -- One after the other.", concatenate);
    t.operator("null ||(anylist, anylist) -> anylist -- One after the other.", concatenate);
    t.add("list_remove(anylist, anyelement) -> anylist -- Without such elements.", |c| {
        let element = c.ty(0).element().cloned().unwrap_or(tidewater_types::Type::Text);
        let values: Vec<Datum<'_>> =
            elements(c, 0).into_iter().filter(|value| !equal(&element, value, &c.args[1])).collect();
        Ok(Datum::List(ListRef::build(c.scratch, &values)?))
    });
    t.rows("unnest(anylist) -> setof anyelement -- Its elements.", |c| Ok(RowSource::of(elements(c, 0))));
    t.add("map_length(anymap) -> int4 -- Number of keys.", |c| match c.args[0] {
        Datum::Map(map) => Ok(Datum::Int(map.len() as i64)),
        _ => Ok(Datum::Null),
    });
    t.operator("->(anymap, text) -> anyelement -- The value of a key.", |c| match c.args[0] {
        Datum::Map(map) => Ok(map.get(c.bytes(1)?).unwrap_or(Datum::Null)),
        _ => Ok(Datum::Null),
    });
    t.operator("?(anymap, text) -> bool -- Whether it has the key.", |c| match c.args[0] {
        Datum::Map(map) => Ok(Datum::Bool(map.get(c.bytes(1)?).is_some())),
        _ => Ok(Datum::Null),
    });
    t.operator("?&(anymap, text[]) -> bool -- Whether it has all of the keys.", |c| keys(c, true));
    t.operator("?|(anymap, text[]) -> bool -- Whether it has one of the keys.", |c| keys(c, false));
    t.operator("@>(anymap, anymap) -> bool -- Whether it has every key of the other, with an equal value.", |c| {
        contains(c, 0, 1)
    });
    t.operator("<@(anymap, anymap) -> bool -- Whether the other has every key of it, with an equal value.", |c| {
        contains(c, 1, 0)
    });
    others(t);
}

fn others(t: &mut Table) {
    t.family("Materialize's own");
    t.add("try_parse_monotonic_iso8601_timestamp(text) -> timestamp -- A timestamp of ISO 8601 in UTC, with Z; NULL for any other text.", |c| {
        let text = c.text(0)?;
        let plain = text.strip_suffix('Z').filter(|rest| rest.len() >= 19 && rest.as_bytes()[10] == b'T');
        Ok(plain.and_then(|rest| tidewater_types::time::parse_timestamp(rest, &c.env.session.settings).ok()).map_or(Datum::Null, Datum::Int))
    });
    t.add("volatile mz_version() -> text -- The server's version.", |c| c.new_text(&c.env.session.version));
    t.add("mod(uint2, uint2) -> uint2\nmod(uint4, uint4) -> uint4", |c| match c.int(1)? {
        0 => Err(super::integers::division_by_zero()),
        divisor => Ok(Datum::Int(c.int(0)? % divisor)),
    });
}

fn elements<'a>(c: &Call<'a, '_>, i: usize) -> Vec<Datum<'a>> {
    match c.args[i] {
        Datum::List(list) => list.iter().collect(),
        _ => Vec::new(),
    }
}

fn push<'a>(c: &Call<'a, '_>, list: usize, value: usize) -> Result<Datum<'a>> {
    let mut values = elements(c, list);
    if list < value {
        values.push(c.args[value]);
    } else {
        values.insert(0, c.args[value]);
    }
    Ok(Datum::List(ListRef::build(c.scratch, &values)?))
}

fn concatenate<'a>(c: &Call<'a, '_>) -> Result<Datum<'a>> {
    if c.null(0) || c.null(1) {
        return Ok(if c.null(0) { c.args[1] } else { c.args[0] });
    }
    let values: Vec<Datum<'_>> = elements(c, 0).into_iter().chain(elements(c, 1)).collect();
    Ok(Datum::List(ListRef::build(c.scratch, &values)?))
}

fn map<'a>(c: &Call<'a, '_>, i: usize) -> Option<MapRef<'a>> {
    match c.args[i] {
        Datum::Map(map) => Some(map),
        _ => None,
    }
}

fn keys<'a>(c: &Call<'a, '_>, all: bool) -> Result<Datum<'a>> {
    let Some(map) = map(c, 0) else {
        return Ok(Datum::Null);
    };
    let keys = super::json::keys(c.array(1)?);
    let has = |key: &&[u8]| map.get(key).is_some();
    Ok(Datum::Bool(if all { keys.iter().all(has) } else { keys.iter().any(has) }))
}

fn contains<'a>(c: &Call<'a, '_>, whole: usize, part: usize) -> Result<Datum<'a>> {
    let value = c.ty(whole).element().cloned().unwrap_or(tidewater_types::Type::Text);
    let (Some(whole), Some(part)) = (map(c, whole), map(c, part)) else {
        return Ok(Datum::Null);
    };
    Ok(Datum::Bool(part.iter().all(|(key, of)| whole.get(key).is_some_and(|other| equal(&value, &other, &of)))))
}

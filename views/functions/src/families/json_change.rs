//! jsonb with something changed (<https://www.postgresql.org/docs/15/functions-json.html>).

use tidewater_types::{Datum, Json, JsonbRef, Result, Scratch, SqlError};

use super::json_text::{Parts, parts};
use crate::call::{Call, invalid};
use crate::table::Table;

pub(super) fn register(t: &mut Table) {
    t.family("JSON");
    t.operator("||(jsonb, jsonb) -> jsonb -- Members or elements of both.", |c| {
        Ok(Datum::Jsonb(concatenate(c.jsonb(0)?, c.jsonb(1)?, c.scratch)?))
    });
    t.operator("-(jsonb, text) -> jsonb -- Without a key, or such strings.", |c| without(c, &[c.bytes(1)?]));
    t.operator("-(jsonb, text[]) -> jsonb -- Without these keys, or such strings.", |c| {
        if c.array(1)?.dimension_count() > 1 {
            return Err(SqlError::new(b"2202E", "wrong number of array subscripts"));
        }
        without(c, &super::json::keys(c.array(1)?))
    });
    t.operator("-(jsonb, int4) -> jsonb -- Without an element.", |c| {
        let (value, i) = (c.jsonb(0)?, c.int(1)?);
        match value.get() {
            Json::Object(_) => return Err(invalid("cannot delete from object using integer index")),
            Json::Array(_) => {}
            _ => return Err(invalid("cannot delete from scalar")),
        }
        let elements: Vec<JsonbRef<'_>> = value.elements().collect();
        let Some(at) = place(i, elements.len()) else {
            return Ok(c.args[0]);
        };
        let left: Vec<JsonbRef<'_>> = elements.iter().enumerate().filter(|(i, _)| *i != at).map(|(_, e)| *e).collect();
        Ok(Datum::Jsonb(JsonbRef::array(c.scratch, &left)?))
    });
    t.operator("#-(jsonb, text[]) -> jsonb -- Without what lies at the end of a path.", |c| {
        let value = c.jsonb(0)?;
        let path = path(c, 1)?;
        if is_scalar(value) {
            return Err(invalid("cannot delete path in scalar"));
        }
        if is_empty(value) {
            return Ok(c.args[0]);
        }
        Ok(Datum::Jsonb(change(c.scratch, value, &path, 0, &Change::Delete)?))
    });
    t.add("jsonb_set(jsonb_in jsonb, path text[], replacement jsonb, create_if_missing bool = true) -> jsonb -- With another value at the end of a path.", |c| {
        let create = c.bool(3)?;
        set(c, c.jsonb(2)?, create)
    });
    t.add("jsonb_insert(jsonb_in jsonb, path text[], replacement jsonb, insert_after bool = false) -> jsonb -- With one more value at the end of a path.", |c| {
        let (value, path) = (c.jsonb(0)?, path(c, 1)?);
        if is_scalar(value) {
            return Err(invalid("cannot set path in scalar"));
        }
        Ok(Datum::Jsonb(change(c.scratch, value, &path, 0, &Change::Insert(c.jsonb(2)?, c.bool(3)?))?))
    });
    t.add(
        "null jsonb_set_lax(jsonb_in jsonb, path text[], replacement jsonb, create_if_missing bool = true, null_value_treatment text = use_json_null) -> jsonb -- jsonb_set, and what to do with a NULL.",
        set_lax,
    );
    t.add("jsonb_strip_nulls(jsonb) -> jsonb -- Without members that are null.", |c| {
        Ok(Datum::Jsonb(stripped(c.jsonb(0)?, c.scratch)?))
    });
    t.add("json_strip_nulls(json) -> json -- Without members that are null.", |c| {
        let mut out = String::new();
        strip_text(c.text(0)?, &mut out);
        c.new_text(&out)
    });
}

fn is_scalar(value: JsonbRef<'_>) -> bool {
    !matches!(value.get(), Json::Object(_) | Json::Array(_))
}

fn is_empty(value: JsonbRef<'_>) -> bool {
    match value.get() {
        Json::Object(seq) | Json::Array(seq) => seq.is_empty(),
        _ => false,
    }
}

/// The element that a number means, counted from the end if negative.
fn place(i: i64, length: usize) -> Option<usize> {
    let i = if i < 0 { i + length as i64 } else { i };
    usize::try_from(i).ok().filter(|i| *i < length)
}

fn concatenate<'a>(a: JsonbRef<'a>, b: JsonbRef<'a>, scratch: &'a Scratch) -> Result<JsonbRef<'a>> {
    if let (Json::Object(_), Json::Object(_)) = (a.get(), b.get()) {
        // Of one key's two values the later counts.
        let entries: Vec<(&[u8], JsonbRef<'_>)> =
            a.entries().filter(|(key, _)| b.field(key).is_none()).chain(b.entries()).collect();
        return JsonbRef::object(scratch, &entries);
    }
    let elements = |value: JsonbRef<'a>| -> Vec<JsonbRef<'a>> {
        if matches!(value.get(), Json::Array(_)) { value.elements().collect() } else { vec![value] }
    };
    let all: Vec<JsonbRef<'_>> = elements(a).into_iter().chain(elements(b)).collect();
    JsonbRef::array(scratch, &all)
}

fn without<'a>(c: &Call<'a, '_>, keys: &[&[u8]]) -> Result<Datum<'a>> {
    let value = c.jsonb(0)?;
    match value.get() {
        Json::Object(_) => {
            let left: Vec<(&[u8], JsonbRef<'_>)> = value.entries().filter(|(key, _)| !keys.contains(key)).collect();
            Ok(Datum::Jsonb(JsonbRef::object(c.scratch, &left)?))
        }
        Json::Array(_) => {
            let is_key = |element: &JsonbRef<'_>| matches!(element.get(), Json::String(text) if keys.contains(&text));
            let left: Vec<JsonbRef<'_>> = value.elements().filter(|element| !is_key(element)).collect();
            Ok(Datum::Jsonb(JsonbRef::array(c.scratch, &left)?))
        }
        _ => Err(invalid("cannot delete from scalar")),
    }
}

/// A path's parts; a NULL among them is an error where the walk comes to it.
fn path<'a>(c: &Call<'a, '_>, i: usize) -> Result<Vec<Option<&'a str>>> {
    let array = c.array(i)?;
    if array.dimension_count() > 1 {
        return Err(SqlError::new(b"2202E", "wrong number of array subscripts"));
    }
    Ok(array.iter().map(|part| part.as_str()).collect())
}

enum Change<'a> {
    Delete,
    /// A new value, and whether it may be where nothing was.
    Set(JsonbRef<'a>, bool),
    /// A new value, and whether it comes after the one that is there.
    Insert(JsonbRef<'a>, bool),
}

fn set<'a>(c: &Call<'a, '_>, new: JsonbRef<'a>, create: bool) -> Result<Datum<'a>> {
    let (value, path) = (c.jsonb(0)?, path(c, 1)?);
    if is_scalar(value) {
        return Err(invalid("cannot set path in scalar"));
    }
    if is_empty(value) && !create {
        return Ok(c.args[0]);
    }
    Ok(Datum::Jsonb(change(c.scratch, value, &path, 0, &Change::Set(new, create))?))
}

fn set_lax<'a>(c: &Call<'a, '_>) -> Result<Datum<'a>> {
    if c.null(0) || c.null(1) || c.null(3) {
        return Ok(Datum::Null);
    }
    if c.null(4) {
        return Err(invalid(
            "null_value_treatment must be \"delete_key\", \"return_target\", \"use_json_null\", or \"raise_exception\"",
        ));
    }
    if !c.null(2) {
        return set(c, c.jsonb(2)?, c.bool(3)?);
    }
    match c.text(4)? {
        "raise_exception" => Err(SqlError::new(b"22004", "JSON value must not be null")
            .detail("Exception was raised because null_value_treatment is \"raise_exception\".")
            .hint(
                "To avoid, either change the null_value_treatment argument or ensure that an SQL NULL is not passed.",
            )),
        "use_json_null" => set(c, JsonbRef::NULL, c.bool(3)?),
        "delete_key" => {
            let value = c.jsonb(0)?;
            if is_scalar(value) {
                return Err(invalid("cannot delete path in scalar"));
            }
            Ok(Datum::Jsonb(change(c.scratch, value, &path(c, 1)?, 0, &Change::Delete)?))
        }
        "return_target" => Ok(c.args[0]),
        _ => Err(invalid(
            "null_value_treatment must be \"delete_key\", \"return_target\", \"use_json_null\", or \"raise_exception\"",
        )),
    }
}

/// A value with a change at the end of a path, of which `at` parts are walked.
fn change<'a>(
    scratch: &'a Scratch,
    value: JsonbRef<'a>,
    path: &[Option<&str>],
    at: usize,
    change: &Change<'a>,
) -> Result<JsonbRef<'a>> {
    let Some(part) = path.get(at) else {
        return Ok(value);
    };
    let part = part.ok_or_else(|| SqlError::new(b"22004", format!("path element at position {} is null", at + 1)))?;
    match value.get() {
        Json::Object(_) => members(scratch, value, part, path, at, change),
        Json::Array(_) => {
            let index = part.trim_start().parse::<i32>().map_err(|_| {
                SqlError::new(b"22P02", format!("path element at position {} is not an integer: \"{part}\"", at + 1))
            })?;
            elements(scratch, value, index.into(), path, at, change)
        }
        _ => Ok(value),
    }
}

fn members<'a>(
    scratch: &'a Scratch,
    value: JsonbRef<'a>,
    key: &str,
    path: &[Option<&str>],
    at: usize,
    how: &Change<'a>,
) -> Result<JsonbRef<'a>> {
    let last = at + 1 == path.len();
    let mut entries: Vec<(&[u8], JsonbRef<'a>)> = Vec::new();
    for (name, member) in value.entries() {
        if name != key.as_bytes() {
            entries.push((name, member));
            continue;
        }
        match how {
            _ if !last => entries.push((name, change(scratch, member, path, at + 1, how)?)),
            Change::Delete => {}
            Change::Set(new, _) => entries.push((name, *new)),
            Change::Insert(..) => {
                return Err(invalid("cannot replace existing key")
                    .hint("Try using the function jsonb_set to replace key value."));
            }
        }
    }
    let missing = value.field(key.as_bytes()).is_none();
    match how {
        Change::Set(new, true) | Change::Insert(new, _) if last && missing => entries.push((key.as_bytes(), *new)),
        _ => {}
    }
    JsonbRef::object(scratch, &entries)
}

fn elements<'a>(
    scratch: &'a Scratch,
    value: JsonbRef<'a>,
    index: i64,
    path: &[Option<&str>],
    at: usize,
    how: &Change<'a>,
) -> Result<JsonbRef<'a>> {
    let last = at + 1 == path.len();
    let old: Vec<JsonbRef<'a>> = value.elements().collect();
    let found = place(index, old.len());
    let mut new = old.clone();
    match (found, how) {
        (Some(i), _) if !last => new[i] = change(scratch, old[i], path, at + 1, how)?,
        (Some(i), Change::Delete) => {
            new.remove(i);
        }
        (Some(i), Change::Set(value, _)) => new[i] = *value,
        (Some(i), Change::Insert(value, after)) => new.insert(if *after { i + 1 } else { i }, *value),
        // Beyond an end: at that end.
        (None, Change::Set(value, true) | Change::Insert(value, _)) if last => {
            if index < 0 {
                new.insert(0, *value);
            } else {
                new.push(*value);
            }
        }
        (None, _) => {}
    }
    JsonbRef::array(scratch, &new)
}

fn stripped<'a>(value: JsonbRef<'a>, scratch: &'a Scratch) -> Result<JsonbRef<'a>> {
    match value.get() {
        Json::Object(_) => {
            let mut entries = Vec::new();
            for (key, member) in value.entries() {
                if !matches!(member.get(), Json::Null) {
                    entries.push((key, stripped(member, scratch)?));
                }
            }
            JsonbRef::object(scratch, &entries)
        }
        Json::Array(_) => {
            let elements = value.elements().map(|element| stripped(element, scratch)).collect::<Result<Vec<_>>>()?;
            JsonbRef::array(scratch, &elements)
        }
        _ => Ok(value),
    }
}

/// A json text without null members, and without blanks.
fn strip_text(text: &str, out: &mut String) {
    match parts(text) {
        Parts::Object(members) => {
            out.push('{');
            let mut first = true;
            for (key, value) in members.into_iter().filter(|(_, value)| parts(value) != Parts::Null) {
                if !first {
                    out.push(',');
                }
                first = false;
                restring(key, out);
                out.push(':');
                strip_text(value, out);
            }
            out.push('}');
        }
        Parts::Array(elements) => {
            out.push('[');
            for (i, element) in elements.into_iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                strip_text(element, out);
            }
            out.push(']');
        }
        Parts::String(text) => restring(text, out),
        Parts::Number(text) | Parts::Bool(text) => out.push_str(text),
        Parts::Null => out.push_str("null"),
    }
}

/// A JSON string with only the escapes that it needs.
fn restring(quoted: &str, out: &mut String) {
    let scratch = Scratch::new();
    match tidewater_types::json::parse(quoted, &scratch).map(JsonbRef::get) {
        Ok(Json::String(text)) => tidewater_types::json::write_string(&String::from_utf8_lossy(text), out),
        _ => out.push_str(quoted),
    }
}

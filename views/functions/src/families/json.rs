//! json and jsonb: taking them apart (<https://www.postgresql.org/docs/15/functions-json.html>).

use tidewater_types::{ArrayRef, Datum, Json, JsonbRef, Result, Type, json};

use super::json_text::{Parts, parts};
use crate::call::{Call, invalid};
use crate::rows::RowSource;
use crate::table::Table;

pub(super) fn register(t: &mut Table) {
    t.family("JSON");
    t.operator("->(json, text) -> json -- The member of this key; the element of this number, counted from the end if negative.\n->(json, int4) -> json", |c| {
        Ok(step(Value::of(c, 0)?, &c.args[1])?.map_or(Datum::Null, Value::datum))
    });
    t.operator("->(jsonb, text) -> jsonb\n->(jsonb, int4) -> jsonb", |c| {
        Ok(step(Value::of(c, 0)?, &c.args[1])?.map_or(Datum::Null, Value::datum))
    });
    t.operator("->>(json, text) -> text -- The same as text.\n->>(json, int4) -> text\n->>(jsonb, text) -> text\n->>(jsonb, int4) -> text", |c| {
        step(Value::of(c, 0)?, &c.args[1])?.map_or(Ok(Datum::Null), |value| value.text(c))
    });
    t.operator("#>(json, text[]) -> json -- What lies at the end of a path.", |c| {
        Ok(walk(c)?.map_or(Datum::Null, Value::datum))
    });
    t.operator("#>(jsonb, text[]) -> jsonb", |c| Ok(walk(c)?.map_or(Datum::Null, Value::datum)));
    t.operator("#>>(json, text[]) -> text -- The same as text.\n#>>(jsonb, text[]) -> text", |c| {
        walk(c)?.map_or(Ok(Datum::Null), |value| value.text(c))
    });
    t.add("json_extract_path(json, variadic text[]) -> json -- What lies at the end of a path.", |c| {
        Ok(walk(c)?.map_or(Datum::Null, Value::datum))
    });
    t.add("jsonb_extract_path(jsonb, variadic text[]) -> jsonb -- What lies at the end of a path.", |c| {
        Ok(walk(c)?.map_or(Datum::Null, Value::datum))
    });
    t.add(
        "
        json_extract_path_text(json, variadic text[]) -> text -- What lies at the end of a path, as text.
        jsonb_extract_path_text(jsonb, variadic text[]) -> text -- What lies at the end of a path, as text.
        ",
        |c| walk(c)?.map_or(Ok(Datum::Null), |value| value.text(c)),
    );
    t.add("json_typeof(json) -> text -- What it is: object, array, string, number, boolean, null.\njsonb_typeof(jsonb) -> text -- What it is: object, array, string, number, boolean, null.", |c| {
        Ok(Datum::from(Value::of(c, 0)?.kind()))
    });
    t.add("json_array_length(json) -> int4 -- Number of an array's elements.\njsonb_array_length(jsonb) -> int4 -- Number of an array's elements.", |c| {
        let value = Value::of(c, 0)?;
        match (value.elements(), value.kind()) {
            (Some(elements), _) => Ok(Datum::Int(elements.len() as i64)),
            (None, "object") => Err(invalid("cannot get array length of a non-array")),
            (None, _) => Err(invalid("cannot get array length of a scalar")),
        }
    });
    sets(t);
    t.add("jsonb_pretty(jsonb) -> text -- In lines, indented.", |c| {
        let mut out = String::new();
        json::write_pretty(c.jsonb(0)?, &mut out);
        c.new_text(&out)
    });
    tests(t);
}

/// An object's keys and values.
pub(super) type Members<'a> = Vec<(&'a [u8], Value<'a>)>;

/// A value of either type.
#[derive(Clone, Copy)]
pub(super) enum Value<'a> {
    Text(&'a str),
    Binary(JsonbRef<'a>),
}

impl<'a> Value<'a> {
    pub(super) fn of(c: &Call<'a, '_>, i: usize) -> Result<Value<'a>> {
        match c.args[i] {
            Datum::Jsonb(value) => Ok(Value::Binary(value)),
            _ => Ok(Value::Text(c.text(i)?)),
        }
    }

    pub(super) fn datum(self) -> Datum<'a> {
        match self {
            Value::Text(text) => Datum::from(text),
            Value::Binary(value) => Datum::Jsonb(value),
        }
    }

    /// As text: a string without quotes, NULL for null.
    pub(super) fn text(self, c: &Call<'a, '_>) -> Result<Datum<'a>> {
        match self {
            Value::Text(text) => match parts(text) {
                Parts::Null => Ok(Datum::Null),
                Parts::String(quoted) => Ok(Datum::Text(unquoted(quoted, c)?)),
                _ => Ok(Datum::from(text)),
            },
            Value::Binary(value) => match value.get() {
                Json::Null => Ok(Datum::Null),
                Json::String(text) => Ok(Datum::Text(text)),
                _ => {
                    let mut out = String::new();
                    json::write(value, &mut out);
                    c.new_text(&out)
                }
            },
        }
    }

    pub(super) fn kind(self) -> &'static str {
        match self {
            Value::Text(text) => match parts(text) {
                Parts::Object(_) => "object",
                Parts::Array(_) => "array",
                Parts::String(_) => "string",
                Parts::Number(_) => "number",
                Parts::Bool(_) => "boolean",
                Parts::Null => "null",
            },
            Value::Binary(value) => match value.get() {
                Json::Object(_) => "object",
                Json::Array(_) => "array",
                Json::String(_) => "string",
                Json::Number(_) => "number",
                Json::Bool(_) => "boolean",
                Json::Null => "null",
            },
        }
    }

    pub(super) fn elements(self) -> Option<Vec<Value<'a>>> {
        match self {
            Value::Text(text) => match parts(text) {
                Parts::Array(elements) => Some(elements.into_iter().map(Value::Text).collect()),
                _ => None,
            },
            Value::Binary(value) => {
                matches!(value.get(), Json::Array(_)).then(|| value.elements().map(Value::Binary).collect())
            }
        }
    }

    /// An object's keys, unquoted, and values.
    pub(super) fn members(self, c: &Call<'a, '_>) -> Result<Option<Members<'a>>> {
        match self {
            Value::Text(text) => match parts(text) {
                Parts::Object(members) => {
                    let members = members.into_iter().map(|(key, value)| Ok((unquoted(key, c)?, Value::Text(value))));
                    members.collect::<Result<Vec<_>>>().map(Some)
                }
                _ => Ok(None),
            },
            Value::Binary(value) => {
                let is_object = matches!(value.get(), Json::Object(_));
                Ok(is_object.then(|| value.entries().map(|(key, value)| (key, Value::Binary(value))).collect()))
            }
        }
    }
}

/// A JSON string's text.
fn unquoted<'a>(quoted: &'a str, c: &Call<'a, '_>) -> Result<&'a [u8]> {
    if !quoted.contains('\\') {
        return Ok(&quoted.as_bytes()[1..quoted.len() - 1]);
    }
    match json::parse(quoted, c.scratch)?.get() {
        Json::String(text) => Ok(text),
        _ => Ok(&[]),
    }
}

/// The member or element that a key or number names.
fn step<'a>(value: Value<'a>, key: &Datum<'_>) -> Result<Option<Value<'a>>> {
    Ok(match (value, key) {
        // A scalar is kept as an array of one, and can be taken out of it.
        (Value::Binary(scalar), Datum::Int(0 | -1)) if is_scalar(scalar) => Some(value),
        (Value::Binary(value), Datum::Int(i)) => value.element(*i).map(Value::Binary),
        (Value::Binary(value), Datum::Text(key)) => value.field(key).map(Value::Binary),
        (Value::Text(text), Datum::Int(i)) => match parts(text) {
            Parts::Array(elements) => at(&elements, *i).map(Value::Text),
            _ => None,
        },
        (Value::Text(text), Datum::Text(key)) => match parts(text) {
            // Of several members of one key the last counts.
            Parts::Object(members) => {
                let quoted = |name: &str| -> bool {
                    if !name.contains('\\') {
                        return name.as_bytes().get(1..name.len() - 1) == Some(*key);
                    }
                    let scratch = tidewater_types::Scratch::new();
                    matches!(json::parse(name, &scratch).map(|value| value.get()), Ok(Json::String(text)) if text == *key)
                };
                members.iter().rev().find(|(name, _)| quoted(name)).map(|(_, value)| Value::Text(value))
            }
            _ => None,
        },
        _ => None,
    })
}

fn at<'a>(elements: &[&'a str], i: i64) -> Option<&'a str> {
    let i = if i < 0 { i + elements.len() as i64 } else { i };
    usize::try_from(i).ok().and_then(|i| elements.get(i).copied())
}

fn walk<'a>(c: &Call<'a, '_>) -> Result<Option<Value<'a>>> {
    let mut value = Value::of(c, 0)?;
    for part in c.array(1)?.iter() {
        let Some(part) = part.as_str() else {
            return Ok(None);
        };
        let is_array = value.kind() == "array";
        let key = match part.trim_start().parse::<i32>() {
            Ok(i) if is_array => Datum::Int(i.into()),
            _ if is_array => return Ok(None),
            _ => Datum::from(part),
        };
        match step(value, &key)? {
            Some(next) => value = next,
            None => return Ok(None),
        }
    }
    Ok(Some(value))
}

fn sets(t: &mut Table) {
    t.rows("json_array_elements(from_json json) -> setof (value json) -- An array's elements.", |c| elements(c, false));
    t.rows("jsonb_array_elements(from_json jsonb) -> setof (value jsonb) -- An array's elements.", |c| {
        elements(c, false)
    });
    t.rows("json_array_elements_text(from_json json) -> setof (value text) -- An array's elements as text.", |c| {
        elements(c, true)
    });
    t.rows("jsonb_array_elements_text(from_json jsonb) -> setof (value text) -- An array's elements as text.", |c| {
        elements(c, true)
    });
    t.rows("json_each(from_json json) -> setof (key text, value json) -- An object's members.", |c| each(c, false));
    t.rows("jsonb_each(from_json jsonb) -> setof (key text, value jsonb) -- An object's members.", |c| each(c, false));
    t.rows(
        "json_each_text(from_json json) -> setof (key text, value text) -- An object's members, values as text.",
        |c| each(c, true),
    );
    t.rows(
        "jsonb_each_text(from_json jsonb) -> setof (key text, value text) -- An object's members, values as text.",
        |c| each(c, true),
    );
    t.rows("json_object_keys(json) -> setof text -- An object's keys.\njsonb_object_keys(jsonb) -> setof text -- An object's keys.", |c| {
        let value = Value::of(c, 0)?;
        let name = c.env.name;
        let Some(members) = value.members(c)? else {
            let what = if value.kind() == "array" { "an array" } else { "a scalar" };
            return Err(invalid(format!("cannot call {name} on {what}")));
        };
        Ok(RowSource::of(members.into_iter().map(|(key, _)| Datum::Text(key))))
    });
}

fn elements<'a>(c: &Call<'a, '_>, text: bool) -> Result<RowSource<'a>> {
    let value = Value::of(c, 0)?;
    let Some(elements) = value.elements() else {
        let is_object = value.kind() == "object";
        return Err(invalid(match (value, is_object) {
            (Value::Binary(_), true) => "cannot extract elements from an object".to_owned(),
            (Value::Binary(_), false) => "cannot extract elements from a scalar".to_owned(),
            (Value::Text(_), true) => format!("cannot call {} on a non-array", c.env.name),
            (Value::Text(_), false) => format!("cannot call {} on a scalar", c.env.name),
        }));
    };
    let values = elements.into_iter().map(|value| if text { value.text(c) } else { Ok(value.datum()) });
    Ok(RowSource::of(values.collect::<Result<Vec<_>>>()?))
}

fn each<'a>(c: &Call<'a, '_>, text: bool) -> Result<RowSource<'a>> {
    let value = Value::of(c, 0)?;
    let name = c.env.name;
    let Some(members) = value.members(c)? else {
        let is_array = value.kind() == "array";
        return Err(invalid(match (value, is_array) {
            (Value::Text(_), true) => "cannot deconstruct an array as an object".to_owned(),
            (Value::Text(_), false) => "cannot deconstruct a scalar".to_owned(),
            _ => format!("cannot call {name} on a non-object"),
        }));
    };
    let rows = members.into_iter().map(|(key, value)| Ok((key, if text { value.text(c)? } else { value.datum() })));
    let mut rows = rows.collect::<Result<Vec<_>>>()?.into_iter();
    Ok(RowSource::new(move |row| {
        let next = rows.next();
        let found = next.is_some();
        if let Some((key, value)) = next {
            row.extend([Datum::Text(key), value]);
        }
        Ok(found)
    }))
}

fn tests(t: &mut Table) {
    t.operator("@>(jsonb, jsonb) -> bool -- Whether it contains the other.", |c| {
        Ok(Datum::Bool(contains(c.jsonb(0)?, c.jsonb(1)?, true)))
    });
    t.operator("<@(jsonb, jsonb) -> bool -- Whether it is in the other.", |c| {
        Ok(Datum::Bool(contains(c.jsonb(1)?, c.jsonb(0)?, true)))
    });
    t.operator("?(jsonb, text) -> bool -- Whether it has the key, or the string among its elements.", |c| {
        Ok(Datum::Bool(exists(c.jsonb(0)?, c.bytes(1)?)))
    });
    t.operator("?|(jsonb, text[]) -> bool -- Whether it has one of the keys.", |c| {
        let value = c.jsonb(0)?;
        Ok(Datum::Bool(keys(c.array(1)?).iter().any(|key| exists(value, key))))
    });
    t.operator("?&(jsonb, text[]) -> bool -- Whether it has all of the keys.", |c| {
        let value = c.jsonb(0)?;
        Ok(Datum::Bool(keys(c.array(1)?).iter().all(|key| exists(value, key))))
    });
}

/// An array's texts; NULLs are passed over.
pub(super) fn keys<'a>(array: ArrayRef<'a>) -> Vec<&'a [u8]> {
    let keys = array.iter().filter_map(|value| match value {
        Datum::Text(text) => Some(text),
        _ => None,
    });
    keys.collect()
}

fn exists(value: JsonbRef<'_>, key: &[u8]) -> bool {
    match value.get() {
        Json::Object(_) => value.field(key).is_some(),
        Json::Array(_) => value.elements().any(|element| matches!(element.get(), Json::String(text) if text == key)),
        Json::String(text) => text == key,
        _ => false,
    }
}

fn is_scalar(value: JsonbRef<'_>) -> bool {
    !matches!(value.get(), Json::Object(_) | Json::Array(_))
}

/// Whether all of `part` is in `whole`. An array contains a scalar at the top only.
fn contains(whole: JsonbRef<'_>, part: JsonbRef<'_>, top: bool) -> bool {
    match (whole.get(), part.get()) {
        (Json::Object(_), Json::Object(_)) => part.entries().all(|(key, value)| {
            whole.field(key).is_some_and(|other| {
                if is_scalar(value) { is_scalar(other) && same(other, value) } else { contains(other, value, false) }
            })
        }),
        (Json::Array(_), Json::Array(_)) => part.elements().all(|element| {
            whole.elements().any(|other| match (is_scalar(element), is_scalar(other)) {
                (true, true) => same(element, other),
                (false, false) => contains(other, element, false),
                _ => false,
            })
        }),
        (Json::Array(_), _) if top && is_scalar(part) => {
            whole.elements().any(|other| is_scalar(other) && same(other, part))
        }
        _ => is_scalar(whole) && is_scalar(part) && same(whole, part),
    }
}

fn same(a: JsonbRef<'_>, b: JsonbRef<'_>) -> bool {
    tidewater_types::equal(&Type::Jsonb, &Datum::Jsonb(a), &Datum::Jsonb(b))
}

//! Values as JSON: to_json and what builds on it (<https://www.postgresql.org/docs/15/functions-json.html>).

use tidewater_types::json::write_string;
use tidewater_types::{ArrayRef, ColumnType, Datum, Dimension, Result, Settings, SqlError, Type, output};

use crate::call::{Call, check_size, invalid};
use crate::table::Table;

pub(super) fn register(t: &mut Table) {
    t.family("JSON");
    t.add("stable to_json(anyelement) -> json -- Any value as JSON.", |c| c.new_text(&shown(c, 0)?));
    t.add("stable to_jsonb(anyelement) -> jsonb", |c| jsonb(c, &shown(c, 0)?));
    t.add(
        "stable row_to_json(record) -> json -- A row as a JSON object.\nstable row_to_json(record, bool) -> json",
        |c| {
            let pretty = c.count() > 1 && c.bool(1)?;
            let mut out = String::new();
            write_pretty(&c.args[0], &c.env.types[0], &c.env.session.settings, pretty, &mut out)?;
            c.new_text(&out)
        },
    );
    t.add("stable array_to_json(anyarray) -> json -- An array as a JSON array.\nstable array_to_json(anyarray, bool) -> json", |c| {
        let pretty = c.count() > 1 && c.bool(1)?;
        let mut out = String::new();
        write_pretty(&c.args[0], &c.env.types[0], &c.env.session.settings, pretty, &mut out)?;
        c.new_text(&out)
    });
    t.add("stable null json_build_array(variadic any) -> json -- An array of the arguments.\nstable null json_build_array() -> json", |c| {
        built_array(c)?.map_or(Ok(Datum::Null), |text| c.new_text(&text))
    });
    t.add("stable null jsonb_build_array(variadic any) -> jsonb -- An array of the arguments.\nstable null jsonb_build_array() -> jsonb", |c| {
        built_array(c)?.map_or(Ok(Datum::Null), |text| jsonb(c, &text))
    });
    t.add("stable null json_build_object(variadic any) -> json -- An object of keys and values in turns.\nstable null json_build_object() -> json", |c| {
        built_object(c, " : ", "{", "argument {} cannot be null")?.map_or(Ok(Datum::Null), |text| c.new_text(&text))
    });
    t.add("stable null jsonb_build_object(variadic any) -> jsonb -- An object of keys and values in turns.\nstable null jsonb_build_object() -> jsonb", |c| {
        built_object(c, ": ", "{", "argument {}: key must not be null")?.map_or(Ok(Datum::Null), |text| jsonb(c, &text))
    });
    t.add("json_object(text[]) -> json -- An object of keys and values in turns, or of an array of each.\njson_object(text[], text[]) -> json", |c| {
        c.new_text(&object(c, " : ")?)
    });
    t.add("jsonb_object(text[]) -> jsonb -- An object of keys and values in turns, or of an array of each.\njsonb_object(text[], text[]) -> jsonb", |c| {
        jsonb(c, &object(c, ": ")?)
    });
}

fn jsonb<'a>(c: &Call<'a, '_>, text: &str) -> Result<Datum<'a>> {
    Ok(Datum::Jsonb(tidewater_types::json::parse(text, c.scratch)?))
}

fn shown(c: &Call<'_, '_>, i: usize) -> Result<String> {
    let mut out = String::new();
    write(&c.args[i], &c.env.types[i], &c.env.session.settings, &mut out)?;
    Ok(out)
}

/// Appends a value as JSON, as to_json gives it.
///
/// # Errors
/// 54000 for what gets too long.
pub fn write(value: &Datum<'_>, ty: &ColumnType, settings: &Settings, out: &mut String) -> Result<()> {
    write_pretty(value, ty, settings, false, out)
}

/// As [`write`], with line feeds between the outermost elements if `pretty`.
fn write_pretty(value: &Datum<'_>, ty: &ColumnType, settings: &Settings, pretty: bool, out: &mut String) -> Result<()> {
    match (value, &ty.ty) {
        (Datum::Null, _) => out.push_str("null"),
        (Datum::Bool(value), _) => out.push_str(if *value { "true" } else { "false" }),
        (Datum::Array(array), of) => {
            let element = of.element().cloned().unwrap_or(Type::Text).into();
            let dimensions: Vec<Dimension> = array.dimensions().collect();
            let mut next = 0;
            nested(*array, &dimensions, &mut next, &element, settings, pretty, out)?;
        }
        (Datum::List(list), of) => {
            let element: ColumnType = of.element().cloned().unwrap_or(Type::Text).into();
            out.push('[');
            for (i, value) in list.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write(&value, &element, settings, out)?;
            }
            out.push(']');
        }
        (Datum::Map(map), of) => {
            let element: ColumnType = of.element().cloned().unwrap_or(Type::Text).into();
            out.push('{');
            for (i, (key, value)) in map.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write_string(&String::from_utf8_lossy(key), out);
                out.push(':');
                write(&value, &element, settings, out)?;
            }
            out.push('}');
        }
        (Datum::Record(row), Type::Record(record)) => {
            out.push('{');
            for (i, (value, (name, ty))) in row.iter().zip(&record.fields).enumerate() {
                if i > 0 {
                    out.push_str(if pretty { ",\n " } else { "," });
                }
                write_string(name, out);
                out.push(':');
                write(&value, ty, settings, out)?;
            }
            out.push('}');
        }
        _ => scalar(value, ty, settings, out),
    }
    check_size(out.len())
}

/// Elements of one dimension, those of the next within them.
fn nested(
    array: ArrayRef<'_>,
    dimensions: &[Dimension],
    next: &mut usize,
    element: &ColumnType,
    settings: &Settings,
    pretty: bool,
    out: &mut String,
) -> Result<()> {
    out.push('[');
    if let Some((first, rest)) = dimensions.split_first() {
        for i in 0..first.length {
            if i > 0 {
                out.push_str(if pretty { ",\n " } else { "," });
            }
            if rest.is_empty() {
                write(&array.get(*next), element, settings, out)?;
                *next += 1;
            } else {
                nested(array, rest, next, element, settings, false, out)?;
            }
        }
    }
    out.push(']');
    Ok(())
}

fn scalar(value: &Datum<'_>, ty: &ColumnType, settings: &Settings, out: &mut String) {
    let mut text = String::new();
    output(value, ty, settings, &mut text);
    match ty.ty {
        Type::Json | Type::Jsonb => out.push_str(&text),
        // A number's text is JSON's, but for NaN and the infinities.
        Type::Int2
        | Type::Int4
        | Type::Int8
        | Type::UInt2
        | Type::UInt4
        | Type::UInt8
        | Type::Float4
        | Type::Float8
        | Type::Numeric
            if !text.ends_with(['N', 'y']) =>
        {
            out.push_str(&text);
        }
        Type::Timestamp => write_string(&text.replacen(' ', "T", 1), out),
        // ISO 8601 has the zone's minutes, too.
        Type::TimestampTz => {
            let mut text = text.replacen(' ', "T", 1);
            let zone = text.rfind(['+', '-']).filter(|_| text.contains('T'));
            if let Some(at) = zone {
                let minutes = text[at..].contains(':');
                let end = text[at..].find(' ').map_or(text.len(), |end| at + end);
                if !minutes {
                    text.insert_str(end, ":00");
                }
            }
            write_string(&text, out);
        }
        _ => write_string(&text, out),
    }
}

/// Appends a value as an object's key.
pub(super) fn write_key(value: &Datum<'_>, ty: &ColumnType, settings: &Settings, out: &mut String) -> Result<()> {
    if matches!(ty.ty, Type::Array(_) | Type::Record(_) | Type::Json | Type::Jsonb | Type::List(_) | Type::Map(_)) {
        return Err(invalid("key value must be scalar, not array, composite, or json"));
    }
    let mut text = String::new();
    match value {
        Datum::Bool(value) => text.push_str(if *value { "true" } else { "false" }),
        Datum::Int(_) if matches!(ty.ty, Type::Timestamp | Type::TimestampTz | Type::Date) => {
            let mut quoted = String::new();
            scalar(value, ty, settings, &mut quoted);
            out.push_str(&quoted);
            return Ok(());
        }
        _ => output(value, ty, settings, &mut text),
    }
    write_string(&text, out);
    Ok(())
}

fn built_array(c: &Call<'_, '_>) -> Result<Option<String>> {
    let Some(values) = super::format::variadic(c, 0)? else {
        return Ok(None);
    };
    let mut out = String::from("[");
    for (i, (value, ty)) in values.iter().enumerate() {
        if i > 0 {
            out.push_str(", ");
        }
        write(value, ty, &c.env.session.settings, &mut out)?;
    }
    out.push(']');
    Ok(Some(out))
}

fn built_object(c: &Call<'_, '_>, colon: &str, open: &str, null: &str) -> Result<Option<String>> {
    let Some(values) = super::format::variadic(c, 0)? else {
        return Ok(None);
    };
    if values.len() % 2 != 0 {
        let error = invalid("argument list must have even number of elements");
        let name = c.env.name;
        return Err(error.hint(format!("The arguments of {name}() must consist of alternating keys and values.")));
    }
    let mut out = String::from(open);
    for (i, pair) in values.chunks(2).enumerate() {
        let [(key, key_type), (value, ty)] = pair else { continue };
        if i > 0 {
            out.push_str(", ");
        }
        if key.is_null() {
            return Err(invalid(null.replace("{}", &(i * 2 + 1).to_string())));
        }
        write_key(key, key_type, &c.env.session.settings, &mut out)?;
        out.push_str(colon);
        write(value, ty, &c.env.session.settings, &mut out)?;
    }
    out.push('}');
    Ok(Some(out))
}

fn object(c: &Call<'_, '_>, colon: &str) -> Result<String> {
    let subscripts = |message: &str| SqlError::new(b"2202E", message);
    let keys = c.array(0)?;
    let dimensions: Vec<i32> = keys.dimensions().map(|d| d.length).collect();
    let pairs: Vec<(Datum<'_>, Datum<'_>)> = if c.count() > 1 {
        let values = c.array(1)?;
        if dimensions.len() > 1 || values.dimension_count() > 1 {
            return Err(subscripts("wrong number of array subscripts"));
        }
        if keys.len() != values.len() {
            return Err(subscripts("mismatched array dimensions"));
        }
        keys.iter().zip(values.iter()).collect()
    } else {
        match dimensions[..] {
            [] => Vec::new(),
            [count] if count % 2 != 0 => return Err(subscripts("array must have even number of elements")),
            [_] | [_, 2] => (0..keys.len() / 2).map(|i| (keys.get(i * 2), keys.get(i * 2 + 1))).collect(),
            [_, _] => return Err(subscripts("array must have two columns")),
            _ => return Err(subscripts("wrong number of array subscripts")),
        }
    };
    let mut out = String::from("{");
    for (i, (key, value)) in pairs.iter().enumerate() {
        let Some(key) = key.as_str() else {
            return Err(SqlError::new(b"22004", "null value not allowed for object key"));
        };
        if i > 0 {
            out.push_str(", ");
        }
        write_string(key, &mut out);
        out.push_str(colon);
        match value.as_str() {
            Some(value) => write_string(value, &mut out),
            None => out.push_str("null"),
        }
    }
    out.push('}');
    Ok(out)
}

//! Materialize's lists, `{1,2}`, `{{1},{2,3}}`, and maps, `{a=>1,b=>NULL}`.

use super::array::write_item;
use super::is_space;
use crate::io::{input, output};
use crate::{ColumnType, Datum, ListRef, MapRef, Result, Scratch, Settings, SqlError, Type};

fn invalid(name: &str, literal: &str, detail: &str) -> SqlError {
    SqlError::new(b"22P02", format!("invalid input syntax for type {name}: {detail}: \"{literal}\""))
}

/// A literal in braces, cut at its outermost commas; elements keep their quotes.
fn cut<'t>(name: &str, literal: &'t str) -> Result<Vec<&'t str>> {
    let inside = literal.trim_matches(is_space);
    let inside = inside
        .strip_prefix('{')
        .and_then(|rest| rest.strip_suffix('}'))
        .ok_or_else(|| invalid(name, literal, "expected '{' … '}'"))?;
    let mut parts = Vec::new();
    let (mut depth, mut quoted, mut escaped, mut start) = (0_usize, false, false, 0);
    for (at, c) in inside.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            _ if quoted => {}
            '{' => depth += 1,
            '}' => depth = depth.checked_sub(1).ok_or_else(|| invalid(name, literal, "unexpected '}'"))?,
            ',' if depth == 0 => {
                parts.push(inside[start..at].trim_matches(is_space));
                start = at + 1;
            }
            _ => {}
        }
    }
    if depth != 0 || quoted || escaped {
        return Err(invalid(name, literal, "unexpected end of input"));
    }
    let last = inside[start..].trim_matches(is_space);
    if !parts.is_empty() || !last.is_empty() {
        parts.push(last);
    }
    if parts.iter().any(|part| part.is_empty()) {
        return Err(invalid(name, literal, "empty element"));
    }
    Ok(parts)
}

/// An element without its quotes and escapes; `None` for NULL.
fn unquote(part: &str) -> Option<String> {
    if part.eq_ignore_ascii_case("null") {
        return None;
    }
    let inside = part.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(part);
    let mut text = String::with_capacity(inside.len());
    let mut chars = inside.chars();
    while let Some(c) = chars.next() {
        text.push(if c == '\\' { chars.next().unwrap_or(c) } else { c });
    }
    Some(text)
}

fn read_item<'a>(part: &str, ty: &ColumnType, settings: &Settings, scratch: &'a Scratch) -> Result<Datum<'a>> {
    // A nested literal keeps its quotes: they are the inner one's.
    if part.starts_with('{') && matches!(ty.ty, Type::List(_) | Type::Map(_) | Type::Array(_)) {
        return input(part, ty, settings, scratch);
    }
    match unquote(part) {
        None => Ok(Datum::Null),
        Some(text) => input(&text, ty, settings, scratch),
    }
}

/// The list that `text` shows.
pub(crate) fn read_list<'a>(
    text: &str,
    element: &ColumnType,
    settings: &Settings,
    scratch: &'a Scratch,
) -> Result<ListRef<'a>> {
    let parts = cut("list", text)?;
    let values = parts.iter().map(|part| read_item(part, element, settings, scratch)).collect::<Result<Vec<_>>>()?;
    ListRef::build(scratch, &values)
}

/// The map that `text` shows.
pub(crate) fn read_map<'a>(
    text: &str,
    value: &ColumnType,
    settings: &Settings,
    scratch: &'a Scratch,
) -> Result<MapRef<'a>> {
    let mut keys = Vec::new();
    let mut values = Vec::new();
    for part in cut("map", text)? {
        let at = arrow(part).ok_or_else(|| invalid("map", text, "expected =>"))?;
        let key = unquote(part[..at].trim_matches(is_space));
        keys.push(key.ok_or_else(|| invalid("map", text, "NULL is no key"))?);
        values.push(read_item(part[at + 2..].trim_matches(is_space), value, settings, scratch)?);
    }
    let entries: Vec<(&str, Datum<'_>)> = keys.iter().map(String::as_str).zip(values).collect();
    MapRef::build(scratch, &entries)
}

/// Where the `=>` outside of quotes is.
fn arrow(part: &str) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    part.char_indices().find_map(|(at, c)| {
        let plain = !escaped && !quoted && part[at..].starts_with("=>");
        quoted ^= c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        plain.then_some(at)
    })
}

fn write_value(datum: &Datum<'_>, ty: &ColumnType, settings: &Settings, out: &mut String) {
    let mut text = String::new();
    match datum {
        Datum::Null => out.push_str("NULL"),
        Datum::List(_) | Datum::Map(_) => output(datum, ty, settings, out),
        _ => {
            output(datum, ty, settings, &mut text);
            write_item(&text, false, out);
        }
    }
}

/// Appends a list literal.
pub(crate) fn write_list(list: ListRef<'_>, element: &ColumnType, settings: &Settings, out: &mut String) {
    out.push('{');
    for (i, datum) in list.iter().enumerate() {
        out.push_str(if i == 0 { "" } else { "," });
        write_value(&datum, element, settings, out);
    }
    out.push('}');
}

/// Appends a map literal.
pub(crate) fn write_map(map: MapRef<'_>, value: &ColumnType, settings: &Settings, out: &mut String) {
    out.push('{');
    for (i, (key, datum)) in map.iter().enumerate() {
        out.push_str(if i == 0 { "" } else { "," });
        let key = String::from_utf8_lossy(key);
        // An arrow inside would end the key.
        write_item(&key, key.contains("=>"), out);
        out.push_str("=>");
        write_value(&datum, value, settings, out);
    }
    out.push('}');
}

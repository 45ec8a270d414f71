//! Row literals: `(1,"a b",)`.

use super::is_space;
use crate::io::{input, output};
use crate::{ColumnType, Datum, Record, RecordRef, Result, Scratch, Settings, SqlError};

fn malformed(literal: &str, detail: &str) -> SqlError {
    SqlError::new(b"22P02", format!("malformed record literal: \"{literal}\"")).detail(detail)
}

/// The row that `text` shows.
pub(crate) fn read_record<'a>(
    text: &str,
    record: &Record,
    settings: &Settings,
    scratch: &'a Scratch,
) -> Result<RecordRef<'a>> {
    if record.fields.is_empty() {
        return Err(SqlError::new(b"0A000", "input of anonymous composite types is not implemented"));
    }
    let trimmed = text.trim_start_matches(is_space);
    let mut rest = trimmed.strip_prefix('(').ok_or_else(|| malformed(text, "Missing left parenthesis."))?;
    let mut values = Vec::with_capacity(record.fields.len());
    for (i, (_, ty)) in record.fields.iter().enumerate() {
        if i > 0 {
            rest = rest.strip_prefix(',').ok_or_else(|| malformed(text, "Too few columns."))?;
        }
        let (item, tail) = item(text, rest)?;
        rest = tail;
        values.push(match item {
            None => Datum::Null,
            Some(item) => input(&item, ty, settings, scratch)?,
        });
    }
    let tail = rest.strip_prefix(')').ok_or_else(|| malformed(text, "Too many columns."))?;
    if !tail.trim_start_matches(is_space).is_empty() {
        return Err(malformed(text, "Junk after right parenthesis."));
    }
    RecordRef::build(scratch, &values)
}

/// A column up to a comma or parenthesis; nothing at all is NULL. Quotes may begin and end inside it.
fn item<'t>(literal: &str, rest: &'t str) -> Result<(Option<String>, &'t str)> {
    if rest.starts_with([',', ')']) {
        return Ok((None, rest));
    }
    let end = || malformed(literal, "Unexpected end of input.");
    let mut text = String::new();
    let mut quoted = false;
    let mut chars = rest.char_indices().peekable();
    loop {
        let Some((at, c)) = chars.next() else { return Err(end()) };
        match c {
            ',' | ')' if !quoted => return Ok((Some(text), &rest[at..])),
            '\\' => text.push(chars.next().ok_or_else(end)?.1),
            '"' if quoted && chars.peek().is_some_and(|(_, next)| *next == '"') => {
                chars.next();
                text.push('"');
            }
            '"' => quoted = !quoted,
            c => text.push(c),
        }
    }
}

/// Appends a row literal.
pub(crate) fn write_record(row: RecordRef<'_>, record: &Record, settings: &Settings, out: &mut String) {
    out.push('(');
    let unknown = ColumnType::from(crate::Type::Text);
    for (i, datum) in row.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        if datum.is_null() {
            continue;
        }
        let mut text = String::new();
        let ty = record.fields.get(i).map_or(&unknown, |(_, ty)| ty);
        output(&datum, ty, settings, &mut text);
        write_item(&text, out);
    }
    out.push(')');
}

/// Appends a column's text, quoted where it must be.
fn write_item(text: &str, out: &mut String) {
    let special = |c: char| matches!(c, '"' | '\\' | '(' | ')' | ',') || is_space(c);
    if !text.is_empty() && !text.contains(special) {
        return out.push_str(text);
    }
    out.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            out.push(c);
        }
        out.push(c);
    }
    out.push('"');
}

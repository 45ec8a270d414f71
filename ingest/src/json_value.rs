//! The parts of a JSON record: a row, one column's value, the small objects `source` and `transaction`.
//!
//! Errors are of two kinds. Where the text is broken nothing behind it can be read: that is the outer result. Where a value does
//! not fit its column the reader stands behind it and goes on: that is the inner one, or goes to `faults`.

use std::borrow::Cow;

use tidewater_delta::RowBuilder;

use crate::column::Cell;
use crate::debezium::{Detail, Fields, Names, Scalar};
use crate::error::Result;
use crate::faults::Faults;
use crate::json_reader::{Layout, Reader};

/// An object whose members are columns.
pub(crate) fn read_row(
    columns: &[(Box<str>, Cell)],
    layout: &mut Layout<Option<usize>>,
    row: &mut RowBuilder,
    reader: &mut Reader<'_>,
    faults: &mut Faults,
) -> Result<()> {
    reader.open(b'{', "an object that is a row")?;
    let mut at = 0;
    while let Some(column) = layout.next(reader, at, |name| columns.iter().position(|(of, _)| **of == *name))? {
        match column {
            Some(index) => {
                let column = &columns[index].1;
                faults.column(column.index, read_value(reader, column, row)?);
            }
            None => reader.skip()?,
        }
        at += 1;
    }
    Ok(())
}

/// The columns of a key from a row image; what follows the last of them is not looked at.
pub(crate) fn read_key(
    columns: &[(Box<str>, Cell)],
    layout: &mut Layout<Option<usize>>,
    row: &mut RowBuilder,
    reader: &mut Reader<'_>,
) -> Result<()> {
    reader.open(b'{', "an object that is a row")?;
    let (mut at, mut found) = (0, 0);
    while found < columns.len()
        && let Some(column) = layout.next(reader, at, |name| columns.iter().position(|(of, _)| **of == *name))?
    {
        match column {
            Some(index) => {
                read_value(reader, &columns[index].1, row)??;
                found += 1;
            }
            None => reader.skip()?,
        }
        at += 1;
    }
    Ok(())
}

/// One column's value.
#[inline]
pub(crate) fn read_value(reader: &mut Reader<'_>, column: &Cell, row: &mut RowBuilder) -> Result<Result<()>> {
    match reader.peek() {
        b'"' => Ok(column.set_text(row, &reader.string()?)),
        b'-' | b'0'..=b'9' => Ok(set_number(column, row, reader.number()?)),
        b'n' => reader.word("null").map(Ok),
        // Debezium writes JSON as text; services write it as it is.
        _ if column.is_json() => Ok(column.set_text(row, reader.value()?)),
        b't' => reader.word("true").map(|()| column.set_bool(row, true)),
        b'f' => reader.word("false").map(|()| column.set_bool(row, false)),
        b'[' => read_floats(reader, column, row),
        b'{' if column.is_bytes() => read_geometry(reader, column, row),
        b'{' => reader.skip().map(|()| Err(column.wrong("an object where a scalar belongs"))),
        _ => Err(reader.expected("a value")),
    }
}

/// A whole number that 64 bits hold, if `text` is one of up to 18 digits; longer ones are left to the library.
#[inline]
fn short_long(text: &str) -> Option<i64> {
    let (negative, digits) = match text.as_bytes() {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    if digits.len() > 18 {
        return text.parse().ok();
    }
    let mut value = 0;
    for digit in digits {
        let digit = digit.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + i64::from(digit);
    }
    Some(if negative { -value } else { value })
}

#[inline]
fn set_number(column: &Cell, row: &mut RowBuilder, text: &str) -> Result<()> {
    if column.is_json() {
        return column.set_text(row, text);
    }
    if let Some(long) = short_long(text) {
        return column.set_long(row, long);
    }
    // A double would lose digits of a decimal, and a text is what was written.
    if column.is_decimal() {
        return column.set_decimal_text(row, text);
    }
    if column.is_bytes() {
        return Err(column.wrong("a number where bytes belong"));
    }
    match text.parse() {
        Ok(double) if text.contains(['.', 'e', 'E']) && !column.is_text() => column.set_double(row, double),
        // No whole number of a column is that long.
        _ => column.set_text(row, text),
    }
}

fn read_floats(reader: &mut Reader<'_>, column: &Cell, row: &mut RowBuilder) -> Result<Result<()>> {
    if !column.is_list() {
        return reader.skip().map(|()| Err(column.wrong("a list where another type belongs")));
    }
    reader.open(b'[', "a list")?;
    let (mut values, mut wrong) = (Vec::new(), false);
    while reader.more(values.is_empty(), b']')? {
        match reader.value()?.parse() {
            Ok(value) => values.push(value),
            Err(_) => {
                wrong = true;
                values.push(0.0);
            }
        }
    }
    if wrong {
        return Ok(Err(column.wrong("a list of something else than numbers")));
    }
    Ok(column.set_floats(row, &values))
}

/// Geometry: its well-known binary.
fn read_geometry(reader: &mut Reader<'_>, column: &Cell, row: &mut RowBuilder) -> Result<Result<()>> {
    reader.open(b'{', "an object")?;
    let (mut first, mut result) = (true, Ok(()));
    while reader.more(first, b'}')? {
        first = false;
        let (name, _) = reader.name()?;
        match &*name {
            "wkb" if reader.peek() == b'"' => {
                let text: Cow<'_, str> = reader.string()?;
                result = column.set_text(row, &text);
            }
            _ => reader.skip()?,
        }
    }
    Ok(result)
}

/// `source` or `transaction`: an object of scalars, or null.
pub(crate) fn read_details(
    reader: &mut Reader<'_>,
    of: fn(&str) -> Option<Detail>,
    layout: &mut Layout<Option<Detail>>,
    fields: &mut Fields,
    names: &mut Names,
) -> Result<()> {
    if reader.peek() != b'{' {
        return reader.skip();
    }
    reader.open(b'{', "an object")?;
    let mut at = 0;
    while let Some(detail) = layout.next(reader, at, of)? {
        at += 1;
        let Some(detail) = detail else {
            reader.skip()?;
            continue;
        };
        match reader.peek() {
            b'"' => fields.detail(detail, Scalar::Text(reader.string()?.as_bytes()), names),
            b'-' | b'0'..=b'9' => {
                if let Some(long) = short_long(reader.number()?) {
                    fields.detail(detail, Scalar::Long(long), names);
                }
            }
            b't' => fields.detail(detail, Scalar::Bool(reader.word("true").map(|()| true)?), names),
            b'f' => fields.detail(detail, Scalar::Bool(reader.word("false").map(|()| false)?), names),
            _ => reader.skip()?,
        }
    }
    Ok(())
}

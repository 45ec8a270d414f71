//! What a column is in rows that were written before MySQL had it: its default, NULL, or not to be known.
//!
//! `ALTER TABLE … ADD COLUMN n INT DEFAULT 7` changes no row that Debezium would send again, yet MySQL shows 7 in all of them. The
//! writer's schema names the default; it is kept as text in the column's notes, so it outlives the process with the table's
//! definition. Source: Avro 1.11, "schema resolution"; Connect's `connect.default`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tidewater_delta::{Row, RowBuilder};
use tidewater_types::{Column, Datum, Packing, Type};

use crate::column::{Cell, Writer};
use crate::error::{Error, Result};
use crate::logical::Logical;

/// Key of a column's notes: its default as JSON. Numbers of the column's own unit, decimals as digits in a string, bytes in
/// base64; any other text says that there is one which nobody knows.
pub const DEFAULT: &str = "tidewater.default";
const UNKNOWN: &str = "unknown";

/// How a schema writes a default that is bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Form {
    /// Avro: characters that stand for bytes.
    Characters,
    /// Connect's JSON: base64.
    Base64,
}

/// Adds the default that a writer's schema names to the notes of `column`.
pub(crate) fn describe(column: &mut Column, writer: Logical, default: Option<&Value>, form: Form) {
    let Some(default) = default.filter(|default| !default.is_null()) else { return };
    let text = row_of(column, writer, default, form).and_then(|row| text(column, &row));
    // DEFAULT CURRENT_TIMESTAMP comes as the beginning of 1970: the time of the ALTER is what MySQL's rows have.
    let now = matches!(column.ty.ty, Type::Timestamp | Type::TimestampTz) && text.as_deref() == Some("0");
    let text = text.filter(|_| !now).unwrap_or_else(|| UNKNOWN.to_owned());
    column.notes.insert(DEFAULT.to_owned(), text);
}

/// A builder of rows of this column alone.
fn alone(column: &Column) -> RowBuilder {
    RowBuilder::new([Packing::of(&column.ty).width()])
}

fn row_of(column: &Column, writer: Logical, value: &Value, form: Form) -> Option<Row> {
    let cell = Cell::new(0, column, Writer::Typed(writer)).ok()?;
    let mut row = alone(column);
    let binary = matches!(writer, Logical::Bytes | Logical::Decimal { .. });
    let set = match value {
        Value::Bool(value) => cell.set_bool(&mut row, *value),
        Value::Number(number) => match number.as_i64() {
            Some(long) => cell.set_long(&mut row, long),
            None => cell.set_double(&mut row, number.as_f64()?),
        },
        Value::String(text) if binary && form == Form::Characters => {
            let bytes: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect();
            cell.set_bytes(&mut row, &bytes?)
        }
        Value::String(text) => cell.set_text(&mut row, text),
        Value::Null | Value::Array(_) | Value::Object(_) => return None,
    };
    set.ok().map(|()| row.take())
}

/// A value as [`DEFAULT`] keeps it.
fn text(column: &Column, row: &Row) -> Option<String> {
    Some(match Packing::of(&column.ty).get(row.as_ref(), 0) {
        Datum::Bool(value) => value.to_string(),
        Datum::Int(value) => value.to_string(),
        Datum::Float(value) => Value::from(value).to_string(),
        Datum::Numeric(value) => format!("\"{value}\""),
        Datum::Interval(value) if (value.months, value.days) == (0, 0) => value.micros.to_string(),
        Datum::Text(text) => Value::from(std::str::from_utf8(text).ok()?).to_string(),
        Datum::Bytes(bytes) => Value::from(STANDARD.encode(bytes)).to_string(),
        _ => return None,
    })
}

/// What `column` is in rows of a writer that did not have it: `None` is NULL.
///
/// # Errors
/// If that cannot be told.
pub(crate) fn absent(column: &Column) -> Result<Option<Row>> {
    let name = &column.name;
    let unknown = || {
        let text = "it was added to MySQL's table later, and its default there is not known: take a new snapshot";
        Error::decode(format!("column \"{name}\" is not in the record: {text}"))
    };
    match column.notes.get(DEFAULT).map(String::as_str) {
        None | Some("null") if !column.not_null => Ok(None),
        None | Some("null") => {
            let text = "it is NOT NULL and has no default in the schema; row images must be whole (binlog_row_image=FULL in MySQL)";
            Err(Error::decode(format!("column \"{name}\" is not in the record: {text}")))
        }
        Some(text) => kept(column, text).map(Some).ok_or_else(unknown),
    }
}

fn kept(column: &Column, text: &str) -> Option<Row> {
    let value: Value = serde_json::from_str(text).ok()?;
    let writer = Logical::of(&column.ty)?;
    let cell = Cell::new(0, column, Writer::Typed(writer)).ok()?;
    let mut row = alone(column);
    let set = match (&value, writer) {
        (Value::String(text), Logical::Decimal { .. }) => cell.set_decimal_text(&mut row, text),
        (Value::String(text), Logical::Bytes) => cell.set_bytes(&mut row, &STANDARD.decode(text).ok()?),
        _ => return row_of(column, writer, &value, Form::Base64),
    };
    set.ok().map(|()| row.take())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logical::Unit;

    #[test]
    fn defaults_come_back_as_they_were() {
        let millis = Logical::Timestamp { unit: Unit::Millis, zoned: false };
        let decimal = |precision, scale| Logical::decimal(precision, scale).expect("a decimal");
        let cases = [
            (Logical::Int32, Value::from(7), "7"),
            (decimal(8, 2), Value::from("\u{3}\u{e7}"), "\"9.99\""),
            (decimal(65, 30), Value::from("\u{ff}"), "\"-0.000000000000000000000000000001\""),
            (Logical::Text, Value::from("it's"), "\"it's\""),
            (Logical::Bytes, Value::from("\u{0}\u{ff}"), "\"AP8=\""),
            (Logical::Bool, Value::from(true), "true"),
            (Logical::Float64, Value::from(0.5), "0.5"),
            (millis, Value::from(1_500), "1500000"),
            (Logical::Duration(Unit::Micros), Value::from(-7), "-7"),
        ];
        for (writer, value, expected) in cases {
            let mut column = Column::new("n", writer.column_type());
            describe(&mut column, writer, Some(&value), Form::Characters);
            assert_eq!(column.notes[DEFAULT], expected, "{writer}");
            let first = row_of(&column, writer, &value, Form::Characters);
            assert_eq!(absent(&column).expect("a default"), first, "{writer}");
        }
        let mut now = Column::new("n", Type::Timestamp);
        describe(&mut now, Logical::Text, Some(&Value::from("1970-01-01T00:00:00Z")), Form::Characters);
        assert_eq!(now.notes[DEFAULT], UNKNOWN);
        assert!(absent(&now).expect_err("unknown").to_string().contains("column \"n\""));
        let column = Column::new("n", Type::Int4);
        assert_eq!(absent(&column), Ok(None));
        assert!(absent(&column.not_null()).is_err());
    }
}

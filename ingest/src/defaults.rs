//! What a column is in rows that were written before MySQL had it: its default, NULL, or not to be known.
//!
//! `ALTER TABLE … ADD COLUMN n INT DEFAULT 7` changes no row that Debezium would send again, yet MySQL shows 7 in all of them. The
//! writer's schema names the default; it is kept as text in the field's metadata, so it outlives the process with the table's
//! definition. Source: Avro 1.11, "schema resolution"; Connect's `connect.default`.

use std::collections::HashMap;

use arrow_schema::{DataType, Field, Schema};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use delta::{Datum, Row, RowBuilder, TableSchema};
use serde_json::Value;

use crate::column::{Column, Writer};
use crate::error::{Error, Result};

/// Key of a field's metadata: its default as JSON. Numbers of the column's own unit, decimals as digits in a string, bytes in
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

/// Adds the default that a writer's schema names to `metadata`, which is that of `field`.
pub(crate) fn describe(
    metadata: &mut HashMap<String, String>,
    field: &Field,
    writer: &DataType,
    default: Option<&Value>,
    form: Form,
) {
    let Some(default) = default.filter(|default| !default.is_null()) else { return };
    let text = row_of(field, writer, default, form).and_then(|row| text(field, &row));
    // DEFAULT CURRENT_TIMESTAMP comes as the beginning of 1970: the time of the ALTER is what MySQL's rows have.
    let now = matches!(field.data_type(), DataType::Timestamp(..)) && text.as_deref() == Some("0");
    let text = text.filter(|_| !now).unwrap_or_else(|| UNKNOWN.to_owned());
    metadata.insert(DEFAULT.to_owned(), text);
}

fn alone(field: &Field) -> Result<TableSchema> {
    Ok(TableSchema::new(Schema::new(vec![field.clone()]).into(), None)?)
}

fn row_of(field: &Field, writer: &DataType, value: &Value, form: Form) -> Option<Row> {
    let column = Column::new(0, field, Writer::Typed(writer)).ok()?;
    let mut row = RowBuilder::new(alone(field).ok()?.kinds);
    let binary = matches!(writer, DataType::Binary | DataType::Decimal128(..) | DataType::Decimal256(..));
    let set = match value {
        Value::Bool(value) => column.set_bool(&mut row, *value),
        Value::Number(number) => match number.as_i64() {
            Some(long) => column.set_long(&mut row, long),
            None => column.set_double(&mut row, number.as_f64()?),
        },
        Value::String(text) if binary && form == Form::Characters => {
            let bytes: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect();
            column.set_bytes(&mut row, &bytes?)
        }
        Value::String(text) => column.set_text(&mut row, text),
        Value::Null | Value::Array(_) | Value::Object(_) => return None,
    };
    set.ok().map(|()| row.take())
}

/// A value as [`DEFAULT`] keeps it.
fn text(field: &Field, row: &Row) -> Option<String> {
    let table = alone(field).ok()?;
    Some(match (row.as_ref().get(0, &table.kinds[0]), field.data_type()) {
        (Datum::Bool(value), _) => value.to_string(),
        (Datum::Int(value), _) => value.to_string(),
        (Datum::Float(value), _) => Value::from(value).to_string(),
        (Datum::Decimal(digits), DataType::Decimal128(_, scale)) => format!("\"{digits}e{}\"", -i32::from(*scale)),
        (Datum::Text(text), _) => Value::from(std::str::from_utf8(text).ok()?).to_string(),
        (Datum::Bytes(bytes), _) => Value::from(STANDARD.encode(bytes)).to_string(),
        _ => return None,
    })
}

/// What `field` is in rows of a writer that did not have it: `None` is NULL.
///
/// # Errors
/// If that cannot be told.
pub(crate) fn absent(field: &Field) -> Result<Option<Row>> {
    let name = field.name();
    let unknown = || {
        let text = "it was added to MySQL's table later, and its default there is not known: take a new snapshot";
        Error::decode(format!("column \"{name}\" is not in the record: {text}"))
    };
    match field.metadata().get(DEFAULT).map(String::as_str) {
        None | Some("null") if field.is_nullable() => Ok(None),
        None | Some("null") => {
            let text = "it is NOT NULL and has no default in the schema; row images must be whole (binlog_row_image=FULL in MySQL)";
            Err(Error::decode(format!("column \"{name}\" is not in the record: {text}")))
        }
        Some(text) => kept(field, text).map(Some).ok_or_else(unknown),
    }
}

fn kept(field: &Field, text: &str) -> Option<Row> {
    let value: Value = serde_json::from_str(text).ok()?;
    let column = Column::new(0, field, Writer::Typed(field.data_type())).ok()?;
    let mut row = RowBuilder::new(alone(field).ok()?.kinds);
    let set = match (&value, field.data_type()) {
        (Value::String(text), DataType::Decimal128(..) | DataType::Decimal256(..)) => {
            column.set_decimal_text(&mut row, text)
        }
        (Value::String(text), DataType::Binary) => column.set_bytes(&mut row, &STANDARD.decode(text).ok()?),
        _ => return row_of(field, field.data_type(), &value, Form::Base64),
    };
    set.ok().map(|()| row.take())
}

#[cfg(test)]
mod tests {
    use arrow_schema::TimeUnit;

    use super::*;

    #[test]
    fn defaults_come_back_as_they_were() {
        let micros = DataType::Timestamp(TimeUnit::Microsecond, None);
        let millis = DataType::Timestamp(TimeUnit::Millisecond, None);
        let cases = [
            (DataType::Int32, DataType::Int32, Value::from(7), "7"),
            (DataType::Decimal128(8, 2), DataType::Decimal128(8, 2), Value::from("\u{3}\u{e7}"), "\"999e-2\""),
            (DataType::Utf8, DataType::Utf8, Value::from("it's"), "\"it's\""),
            (DataType::Binary, DataType::Binary, Value::from("\u{0}\u{ff}"), "\"AP8=\""),
            (DataType::Boolean, DataType::Boolean, Value::from(true), "true"),
            (DataType::Float64, DataType::Float64, Value::from(0.5), "0.5"),
            (micros.clone(), millis, Value::from(1_500), "1500000"),
            (micros, DataType::Utf8, Value::from("1970-01-01T00:00:00Z"), UNKNOWN),
        ];
        for (of, writer, value, expected) in cases {
            let field = Field::new("n", of, true);
            let mut metadata = HashMap::new();
            describe(&mut metadata, &field, &writer, Some(&value), Form::Characters);
            assert_eq!(metadata[DEFAULT], expected, "{field}");
            let first = row_of(&field, &writer, &value, Form::Characters);
            let again = absent(&field.clone().with_metadata(metadata));
            match expected {
                UNKNOWN => assert!(again.expect_err("unknown").to_string().contains("column \"n\"")),
                _ => assert_eq!(again.expect("a default"), first, "{field}"),
            }
        }
        assert_eq!(absent(&Field::new("n", DataType::Int32, true)), Ok(None));
        assert!(absent(&Field::new("n", DataType::Int32, false)).is_err());
    }
}

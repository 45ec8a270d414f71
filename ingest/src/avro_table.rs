//! The shape of the table that Avro schemas describe: types, keys, defaults.

use std::sync::Arc;

use tidewater_types::{Column, TableSchema};

use crate::column;
use crate::defaults::{self, Form};
use crate::error::{Error, Result};
use crate::foreign;
use crate::logical::{Logical, Unit};
use crate::schema::{Node, Wire};

/// The shape of the table that a Debezium envelope describes; its key is the key schema's fields.
///
/// # Errors
/// If the schema is no envelope or names a type that rows cannot hold.
pub fn debezium_table(key: Option<&Node>, value: &Node) -> Result<TableSchema> {
    let row = value.field("after").or_else(|| value.field("before")).map(|field| field.nullable().0);
    let row =
        row.ok_or_else(|| foreign::not_an_envelope(value.fields().iter().map(|(name, _)| &**name)).into_schema())?;
    row_table(key, row)
}

/// The shape of the table whose rows are records of this schema.
///
/// # Errors
/// If the schema is no record or names a type that rows cannot hold.
pub fn plain_table(key: Option<&Node>, value: &Node) -> Result<TableSchema> {
    foreign::no_envelope(value.fields().iter().map(|(name, _)| &**name)).map_err(Error::into_schema)?;
    row_table(key, value)
}

fn row_table(key: Option<&Node>, value: &Node) -> Result<TableSchema> {
    if value.fields().is_empty() {
        return Err(Error::Schema("the value's schema is not a record".into()));
    }
    let columns = value.fields().iter().map(|(name, node)| column(name, node)).collect::<Result<Vec<_>>>()?;
    let key = key.map(|key| {
        let find = |(name, _): &(Box<str>, Node)| {
            let found = columns.iter().position(|column| *column.name == **name);
            found.ok_or_else(|| Error::Schema(format!("key column \"{name}\" is not a column of the table")))
        };
        key.fields().iter().map(find).collect::<Result<Vec<_>>>()
    });
    let key = key.transpose()?.filter(|key| !key.is_empty());
    Ok(TableSchema::new(columns, key)?)
}

/// The table with the defaults that its columns were added with, which MySQL's rows of before have: those of the first of `versions`
/// (the schemas of the values, oldest first) since which all have the column. A later one may name another default.
///
/// # Errors
/// None that the table did not have.
pub fn with_first_defaults(table: &TableSchema, versions: &[Arc<Node>]) -> Result<TableSchema> {
    let rows: Vec<&Node> = versions.iter().filter_map(|version| image(version)).collect();
    let mut columns = table.columns.to_vec();
    for column in &mut columns {
        let having = rows.iter().rev().map_while(|row| row.field(&column.name));
        let Some(first) = having.last() else { continue };
        column.notes.remove(defaults::DEFAULT);
        if let Ok(writer) = logical(first.nullable().0) {
            defaults::describe(column, writer, first.default.as_deref(), Form::Characters);
        }
    }
    Ok(TableSchema::new(columns, table.key.clone())?)
}

/// The row in an envelope.
fn image(value: &Node) -> Option<&Node> {
    value.field("after").or_else(|| value.field("before")).map(|field| field.nullable().0)
}

fn column(name: &str, node: &Node) -> Result<Column> {
    let (inner, null) = node.nullable();
    let writer = logical(inner).map_err(|what| unsupported(name, &what))?;
    let mut column = Column::new(name, writer.column_type());
    column.not_null = null.is_none();
    column.notes = column::notes(inner.connect_name.as_deref());
    defaults::describe(&mut column, writer, node.default.as_deref(), Form::Characters);
    Ok(column)
}

pub(crate) fn unsupported(name: &str, what: &str) -> Error {
    Error::Schema(format!("column \"{name}\" has Avro type {what}, which rows cannot hold"))
}

/// The type of a value: by Connect's name, else by Avro's logical type, else by its wire type.
pub(crate) fn logical(node: &Node) -> Result<Logical, String> {
    let timestamp = |unit| Logical::Timestamp { unit, zoned: false };
    if let Some(named) = node.connect_name.as_deref().and_then(Logical::named) {
        return Ok(named);
    }
    let decimal = node.logical.as_deref() == Some("decimal")
        || node.connect_name.as_deref() == Some("org.apache.kafka.connect.data.Decimal");
    if decimal {
        return Logical::decimal(node.precision.unwrap_or(38).into(), node.scale.into());
    }
    Ok(match (&node.wire, node.logical.as_deref()) {
        (Wire::Int, Some("date")) => Logical::Date,
        (Wire::Int, Some("time-millis")) => Logical::Duration(Unit::Millis),
        (Wire::Long, Some("time-micros")) => Logical::Duration(Unit::Micros),
        (Wire::Long, Some("timestamp-millis" | "local-timestamp-millis")) => timestamp(Unit::Millis),
        (Wire::Long, Some("timestamp-micros" | "local-timestamp-micros")) => timestamp(Unit::Micros),
        (Wire::Long, Some("timestamp-nanos" | "local-timestamp-nanos")) => timestamp(Unit::Nanos),
        (Wire::Boolean, _) => Logical::Bool,
        (Wire::Int, _) => match node.connect_type.as_deref() {
            Some("int8" | "int16") => Logical::Int16,
            _ => Logical::Int32,
        },
        (Wire::Long, _) => Logical::Int64,
        (Wire::Float, _) => Logical::Float32,
        (Wire::Double, _) => Logical::Float64,
        (Wire::String | Wire::Enum(_), _) => Logical::Text,
        (Wire::Bytes | Wire::Fixed(_), _) => Logical::Bytes,
        (Wire::Array(item), _) if item.wire == Wire::Float => Logical::Floats,
        // Geometry: its well-known binary.
        (Wire::Record(_), _) if node.field("wkb").is_some() => Logical::Bytes,
        (other, _) => return Err(format!("{other:?}").chars().take_while(|c| c.is_alphanumeric()).collect()),
    })
}

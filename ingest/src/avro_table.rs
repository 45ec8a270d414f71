//! The shape of the table that Avro schemas describe: types, keys, defaults.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema as ArrowSchema, TimeUnit};
use delta::TableSchema;

use crate::column;
use crate::connect_types::{column_type, connect_type};
use crate::defaults::{self, Form};
use crate::error::{Error, Result};
use crate::foreign;
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
    let fields: Vec<Field> = value.fields().iter().map(|(name, node)| field(name, node)).collect::<Result<_>>()?;
    let schema = ArrowSchema::new(fields);
    let key = key.map(|key| {
        let find = |(name, _): &(Box<str>, Node)| {
            schema
                .index_of(name)
                .map_err(|_| Error::Schema(format!("key column \"{name}\" is not a column of the table")))
        };
        key.fields().iter().map(find).collect::<Result<Vec<_>>>()
    });
    let key = key.transpose()?.filter(|key| !key.is_empty());
    Ok(TableSchema::new(Arc::new(schema), key)?)
}

/// The table with the defaults that its columns were added with, which MySQL's rows of before have: those of the first of `versions`
/// (the schemas of the values, oldest first) since which all have the column. A later one may name another default.
///
/// # Errors
/// None that the table did not have.
pub fn with_first_defaults(table: &TableSchema, versions: &[Arc<Node>]) -> Result<TableSchema> {
    let rows: Vec<&Node> = versions.iter().filter_map(|version| image(version)).collect();
    let fields = table.schema.fields().iter().map(|field| {
        let having = rows.iter().rev().map_while(|row| row.field(field.name()));
        let Some(first) = having.last() else { return field.clone() };
        let mut metadata = field.metadata().clone();
        metadata.remove(defaults::DEFAULT);
        if let Ok(writer) = data_type(first.nullable().0) {
            defaults::describe(&mut metadata, field, &writer, first.default.as_deref(), Form::Characters);
        }
        Arc::new(field.as_ref().clone().with_metadata(metadata))
    });
    Ok(TableSchema::new(Arc::new(ArrowSchema::new(fields.collect::<Vec<_>>())), table.key.clone())?)
}

/// The row in an envelope.
fn image(value: &Node) -> Option<&Node> {
    value.field("after").or_else(|| value.field("before")).map(|field| field.nullable().0)
}

fn field(name: &str, node: &Node) -> Result<Field> {
    let (inner, null) = node.nullable();
    let data_type = data_type(inner).map(column_type).map_err(|what| unsupported(name, &what))?;
    let mut metadata = column::metadata(inner.connect_name.as_deref());
    let field = Field::new(name, data_type, null.is_some()).with_metadata(metadata.clone());
    if let Ok(writer) = self::data_type(inner) {
        defaults::describe(&mut metadata, &field, &writer, node.default.as_deref(), Form::Characters);
    }
    Ok(field.with_metadata(metadata))
}

pub(crate) fn unsupported(name: &str, what: &str) -> Error {
    Error::Schema(format!("column \"{name}\" has Avro type {what}, which rows cannot hold"))
}

/// The Arrow type of a value: by Connect's name, else by Avro's logical type, else by its wire type.
pub(crate) fn data_type(node: &Node) -> Result<DataType, String> {
    use TimeUnit::{Microsecond as Micros, Millisecond as Millis, Nanosecond as Nanos};
    if let Some(named) = node.connect_name.as_deref().and_then(connect_type) {
        return Ok(named);
    }
    let decimal = node.logical.as_deref() == Some("decimal")
        || node.connect_name.as_deref() == Some("org.apache.kafka.connect.data.Decimal");
    if decimal {
        let precision = node.precision.unwrap_or(38);
        return match precision {
            1..=38 => Ok(DataType::Decimal128(precision, node.scale)),
            39..=76 => Ok(DataType::Decimal256(precision, node.scale)),
            other => Err(format!("decimal of {other} digits")),
        };
    }
    Ok(match (&node.wire, node.logical.as_deref()) {
        (Wire::Int, Some("date")) => DataType::Date32,
        (Wire::Int, Some("time-millis")) => DataType::Duration(Millis),
        (Wire::Long, Some("time-micros")) => DataType::Duration(Micros),
        (Wire::Long, Some("timestamp-millis" | "local-timestamp-millis")) => DataType::Timestamp(Millis, None),
        (Wire::Long, Some("timestamp-micros" | "local-timestamp-micros")) => DataType::Timestamp(Micros, None),
        (Wire::Long, Some("timestamp-nanos" | "local-timestamp-nanos")) => DataType::Timestamp(Nanos, None),
        (Wire::Boolean, _) => DataType::Boolean,
        (Wire::Int, _) => match node.connect_type.as_deref() {
            Some("int8" | "int16") => DataType::Int16,
            _ => DataType::Int32,
        },
        (Wire::Long, _) => DataType::Int64,
        (Wire::Float, _) => DataType::Float32,
        (Wire::Double, _) => DataType::Float64,
        (Wire::String | Wire::Enum(_), _) => DataType::Utf8,
        (Wire::Bytes | Wire::Fixed(_), _) => DataType::Binary,
        (Wire::Array(item), _) if item.wire == Wire::Float => {
            DataType::List(Arc::new(Field::new("item", DataType::Float32, true)))
        }
        // Geometry: its well-known binary.
        (Wire::Record(_), _) if node.field("wkb").is_some() => DataType::Binary,
        (other, _) => return Err(format!("{other:?}").chars().take_while(|c| c.is_alphanumeric()).collect()),
    })
}

//! The schema that Connect's JsonConverter writes beside each payload (`schemas.enable=true`).
//!
//! Source: Kafka Connect's JsonConverter; names of types as in `avro.rs`.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::Value;
use tidewater_types::{Column, TableSchema};

use crate::column;
use crate::defaults;
use crate::error::{Error, Result};
use crate::foreign;
use crate::logical::Logical;

/// A schema as Connect's JsonConverter writes it.
#[derive(Debug, Deserialize)]
pub(crate) struct Described {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    optional: bool,
    name: Option<String>,
    pub(crate) field: Option<String>,
    #[serde(default)]
    fields: Vec<Described>,
    #[serde(default)]
    parameters: HashMap<String, String>,
    default: Option<Value>,
}

impl Described {
    /// The fields of a row: of the envelope's images, or of the record itself where there is no envelope.
    pub(crate) fn row(&self) -> &[Described] {
        let images = self.fields.iter().filter(|field| matches!(field.field.as_deref(), Some("after" | "before")));
        images.map(|image| &image.fields).find(|fields| !fields.is_empty()).unwrap_or(&self.fields)
    }

    /// The field of this name.
    pub(crate) fn named<'a>(fields: &'a [Described], name: &str) -> Option<&'a Described> {
        fields.iter().find(|field| field.field.as_deref() == Some(name))
    }

    /// Whether MySQL's column is unsigned, where the connector says (`column.propagate.source.type`).
    pub(crate) fn is_unsigned(&self) -> Option<bool> {
        self.parameters.get("__debezium.source.column.type").map(|text| text.ends_with("UNSIGNED"))
    }

    /// The type that its values come in.
    pub(crate) fn logical(&self) -> Result<Logical, String> {
        if let Some(named) = self.name.as_deref().and_then(Logical::named) {
            return Ok(named);
        }
        if self.name.as_deref() == Some("org.apache.kafka.connect.data.Decimal") {
            let number = |key: &str| self.parameters.get(key).and_then(|text| text.parse::<i64>().ok());
            return Logical::decimal(number("connect.decimal.precision").unwrap_or(38), number("scale").unwrap_or(0));
        }
        Ok(match self.kind.as_str() {
            "boolean" => Logical::Bool,
            "int8" | "int16" => Logical::Int16,
            "int32" => Logical::Int32,
            "int64" => Logical::Int64,
            "float" | "float32" => Logical::Float32,
            "double" | "float64" => Logical::Float64,
            "string" => Logical::Text,
            "bytes" => Logical::Bytes,
            "array" => Logical::Floats,
            "struct" if self.fields.iter().any(|f| f.field.as_deref() == Some("wkb")) => Logical::Bytes,
            other => return Err(other.to_owned()),
        })
    }

    fn column(&self) -> Result<Column> {
        let name = self.field.clone().unwrap_or_default();
        let writer = self.logical().map_err(|what| {
            Error::Schema(format!("column \"{name}\" has Connect type {what}, which rows cannot hold"))
        })?;
        let mut column = Column::new(name, writer.column_type());
        column.not_null = !self.optional;
        column.notes = column::notes(self.name.as_deref());
        defaults::describe(&mut column, writer, self.default.as_ref(), defaults::Form::Base64);
        Ok(column)
    }
}

/// The shape of the table that a record describes beside its payload, or `None` if it carries no schema.
///
/// # Errors
/// If it is not JSON or names a type that rows cannot hold.
pub fn debezium_table(value: &[u8], key: Option<&[u8]>) -> Result<Option<TableSchema>> {
    #[derive(Deserialize)]
    struct Wrapped {
        schema: Option<Described>,
    }
    let wrapped = |bytes: &[u8]| -> Result<Option<Described>> {
        let found: Wrapped = serde_json::from_slice(bytes).map_err(|error| Error::decode(error.to_string()))?;
        Ok(found.schema)
    };
    let Some(envelope) = wrapped(value)? else { return Ok(None) };
    let row = envelope.fields.iter().find(|field| field.field.as_deref() == Some("after"));
    let names = envelope.fields.iter().filter_map(|field| field.field.as_deref());
    let row = row.ok_or_else(|| foreign::not_an_envelope(names).into_schema())?;
    let columns = row.fields.iter().map(Described::column).collect::<Result<Vec<_>>>()?;
    let key = key.map(wrapped).transpose()?.flatten();
    let key = key.map(|key| {
        let names = key.fields.iter().filter_map(|field| field.field.as_deref());
        let find = |name| {
            let found = columns.iter().position(|column| column.name == name);
            found.ok_or_else(|| Error::Schema(format!("key column \"{name}\" is unknown")))
        };
        names.map(find).collect::<Result<Vec<_>>>()
    });
    let key = key.transpose()?.filter(|key| !key.is_empty());
    Ok(Some(TableSchema::new(columns, key)?))
}

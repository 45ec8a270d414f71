//! JSON records straight into packed rows, by serde's streaming deserializer: no tree of values is built.
//!
//! Debezium's JSON comes with a schema in every record (`{"schema": …, "payload": …}`) or without; which one is seen in each
//! record. Values are typed by the table's columns. Source: Debezium's documentation of the MySQL connector; Kafka Connect's
//! JsonConverter.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use delta::{Row, RowBuilder, TableSchema};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::column::{self, Column};
use crate::debezium::{Fields, Names, Scalar, Shape};
use crate::error::{Error, Result};
use crate::event::{Boundary, Event, MetaColumn, RecordMeta};

/// Fills the columns of `INCLUDE`, which begin at `first`.
pub(crate) fn set_metadata(row: &mut RowBuilder, first: usize, include: &[MetaColumn], meta: &RecordMeta) {
    for (i, column) in include.iter().enumerate() {
        let value = match column {
            MetaColumn::Partition => i64::from(meta.partition),
            MetaColumn::Offset => meta.offset,
            MetaColumn::Timestamp => meta.timestamp_ms * 1_000,
        };
        row.set_int(first + i, value);
    }
}

/// Decodes JSON records into rows of one table.
pub struct JsonDecoder {
    shape: Shape,
    columns: Vec<(Box<str>, Column)>,
    names: Names,
    include: Vec<MetaColumn>,
    row: RowBuilder,
    table: TableSchema,
    /// The schema that the last record carried; most records carry the same.
    writer: Box<str>,
}

impl JsonDecoder {
    /// A decoder of Debezium's envelopes.
    ///
    /// # Errors
    /// If records cannot hold the type of a column.
    pub fn debezium(table: &TableSchema) -> Result<Self> {
        JsonDecoder::plain(table, &[])
    }

    /// A decoder of objects that are rows.
    ///
    /// # Errors
    /// If records cannot hold the type of a column.
    pub fn plain(table: &TableSchema, include: &[MetaColumn]) -> Result<Self> {
        let own = table.kinds.len() - include.len();
        let fields = table.schema.fields().iter().take(own).enumerate();
        let columns = fields.map(|(index, field)| Ok((field.name().as_str().into(), Column::new(index, field, None)?)));
        let columns = columns.collect::<Result<_>>()?;
        let row = RowBuilder::new(table.kinds.clone());
        let (shape, table, include) = (Shape::new(table), table.clone(), include.to_vec());
        Ok(JsonDecoder { shape, columns, names: Names::default(), include, row, table, writer: Box::default() })
    }

    /// Reads the units and scales that a record's schema names.
    fn describe(&mut self, schema: &str) -> Result<()> {
        if schema == &*self.writer || schema == "null" {
            return Ok(());
        }
        let envelope: Described = serde_json::from_str(schema).map_err(|error| Error::decode(error.to_string()))?;
        let row = envelope.fields.iter().find(|field| field.field.as_deref() == Some("after"));
        let fields = row.map_or(&envelope.fields, |row| &row.fields);
        for (name, column) in &mut self.columns {
            if let Some(field) = fields.iter().find(|field| field.field.as_deref() == Some(&**name)) {
                let own = self.table.schema.field(column.index);
                *column = Column::new(column.index, own, field.data_type().ok().as_ref())?;
            }
        }
        self.writer = schema.into();
        Ok(())
    }

    /// The change that an envelope describes.
    ///
    /// # Errors
    /// If it is not JSON, no envelope, or a value does not fit its column.
    pub fn decode(&mut self, key: Option<&[u8]>, value: &[u8]) -> Result<Event> {
        let mut fields = Fields::default();
        let found = read(value, Envelope { decoder: self, fields: &mut fields });
        self.row.reset();
        found?;
        if fields.needs_key() {
            let key = key.ok_or_else(|| Error::decode("a deletion without key and before-image"))?;
            fields.before = Some(self.row_of(key)?);
        }
        self.shape.event(fields)
    }

    /// The row that an object is.
    ///
    /// # Errors
    /// As [`JsonDecoder::decode`].
    pub fn decode_row(&mut self, value: &[u8], meta: &RecordMeta) -> Result<Row> {
        let first = self.row.kinds().len() - self.include.len();
        set_metadata(&mut self.row, first, &self.include, meta);
        self.row_of(value)
    }

    fn row_of(&mut self, value: &[u8]) -> Result<Row> {
        let found = read(value, Unwrapped { columns: &self.columns, row: &mut self.row });
        if let Err(error) = found {
            self.row.reset();
            return Err(error);
        }
        Ok(self.row.take())
    }
}

/// Text that is borrowed from the record where it holds no escapes.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

fn read<'de, S: DeserializeSeed<'de>>(bytes: &'de [u8], seed: S) -> Result<S::Value> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let wrong = |error: serde_json::Error| Error::decode(error.to_string());
    let value = seed.deserialize(&mut deserializer).map_err(wrong)?;
    deserializer.end().map_err(wrong)?;
    Ok(value)
}

/// The key's columns of a row, from a key that is an object or one value.
///
/// # Errors
/// If it is not JSON or does not fit.
pub(crate) fn key_row(table: &TableSchema, columns: &[usize], key: &[u8]) -> Result<Row> {
    let mut decoder = JsonDecoder::plain(table, &[])?;
    let scalar = !matches!(key.iter().find(|byte| !byte.is_ascii_whitespace()), Some(b'{'));
    let row = match (scalar, columns) {
        (true, [column]) => {
            let column = Column::new(*column, table.schema.field(*column), None)?;
            read(key, Value { column: &column, row: &mut decoder.row })?;
            decoder.row.take()
        }
        (true, _) => return Err(Error::decode("a key of one value for a key of several columns")),
        (false, _) => decoder.row_of(key)?,
    };
    Ok(decoder.shape.project(row.as_ref(), columns))
}

/// `{"schema":…,"payload":ENVELOPE}` or an envelope.
struct Envelope<'a> {
    decoder: &'a mut JsonDecoder,
    fields: &'a mut Fields,
}

impl<'de> DeserializeSeed<'de> for Envelope<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Envelope<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a Debezium change event")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Envelope { decoder, fields } = self;
        while let Some(name) = map.next_key::<Name<'de>>()? {
            match &*name.0 {
                "before" => fields.before = map.next_value_seed(OptionalRow { decoder, before: true })?,
                "after" => fields.after = map.next_value_seed(OptionalRow { decoder, before: false })?,
                "op" => fields.operation(&map.next_value::<Name<'de>>()?.0).map_err(A::Error::custom)?,
                "source" => map.next_value_seed(Small(|name: &str, value: Scalar<'_>| {
                    fields.source(name, value, &mut decoder.names)
                }))?,
                "transaction" => {
                    map.next_value_seed(Small(|name: &str, value: Scalar<'_>| {
                        fields.transaction(name, value, &mut decoder.names)
                    }))?;
                }
                "ts_ms" => fields.ts_ms = map.next_value::<Option<i64>>()?.unwrap_or(0),
                "schema" => {
                    let schema = map.next_value::<&'de RawValue>()?;
                    decoder.describe(schema.get()).map_err(A::Error::custom)?;
                }
                "payload" => map.next_value_seed(Envelope { decoder: &mut *decoder, fields: &mut *fields })?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

/// A row image, or null.
struct OptionalRow<'a> {
    decoder: &'a mut JsonDecoder,
    before: bool,
}

impl<'de> DeserializeSeed<'de> for OptionalRow<'_> {
    type Value = Option<Row>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<Row>, D::Error> {
        deserializer.deserialize_option(self)
    }
}

impl<'de> Visitor<'de> for OptionalRow<'_> {
    type Value = Option<Row>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a row or null")
    }

    fn visit_none<E>(self) -> Result<Option<Row>, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Option<Row>, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<Row>, D::Error> {
        let JsonDecoder { columns, row, table, .. } = self.decoder;
        // Of a row before its change only the key is needed, where there is one.
        let only = table.key.as_deref().filter(|_| self.before);
        RowSeed { columns, row, only }.deserialize(deserializer)?;
        Ok(Some(row.take()))
    }
}

/// An object whose members are columns.
struct RowSeed<'a> {
    columns: &'a [(Box<str>, Column)],
    row: &'a mut RowBuilder,
    /// The columns that are wanted, if not all are.
    only: Option<&'a [usize]>,
}

impl<'de> DeserializeSeed<'de> for RowSeed<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for RowSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object that is a row")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut next = 0;
        while let Some(name) = map.next_key::<Name<'de>>()? {
            // Members come in the table's order; a member out of order is looked for.
            let found = match self.columns.get(next) {
                Some((column, _)) if **column == *name.0 => Some(next),
                _ => self.columns.iter().position(|(column, _)| **column == *name.0),
            };
            match found {
                Some(at) if self.only.is_some_and(|only| !only.contains(&at)) => {
                    next = at + 1;
                    map.next_value::<IgnoredAny>()?;
                }
                Some(at) => {
                    next = at + 1;
                    map.next_value_seed(Value { column: &self.columns[at].1, row: self.row })?;
                }
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

/// A row that may be the payload beside a schema.
struct Unwrapped<'a> {
    columns: &'a [(Box<str>, Column)],
    row: &'a mut RowBuilder,
}

impl<'de> DeserializeSeed<'de> for Unwrapped<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Unwrapped<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object that is a row")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let own = |name: &str| self.columns.iter().find(|(column, _)| **column == *name).map(|(_, column)| column);
        let mut schema = false;
        while let Some(name) = map.next_key::<Name<'de>>()? {
            match own(&name.0) {
                Some(column) => map.next_value_seed(Value { column, row: self.row })?,
                None if schema && name.0 == "payload" => {
                    map.next_value_seed(RowSeed { columns: self.columns, row: self.row, only: None })?;
                }
                None => {
                    schema |= name.0 == "schema";
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

/// One column's value.
struct Value<'a> {
    column: &'a Column,
    row: &'a mut RowBuilder,
}

impl<'de> DeserializeSeed<'de> for Value<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.column.is_json() {
            // Debezium writes JSON as text; services write it as it is.
            let raw = <&'de RawValue>::deserialize(deserializer)?;
            return match raw.get().as_bytes().first() {
                Some(b'"') => {
                    let text: Cow<'_, str> = serde_json::from_str(raw.get()).map_err(D::Error::custom)?;
                    self.column.set_text(self.row, &text).map_err(D::Error::custom)
                }
                _ if raw.get() == "null" => Ok(()),
                _ => self.column.set_text(self.row, raw.get()).map_err(D::Error::custom),
            };
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value of a column")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<(), E> {
        self.column.set_bool(self.row, value).map_err(E::custom)
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<(), E> {
        self.column.set_long(self.row, value).map_err(E::custom)
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<(), E> {
        match i64::try_from(value) {
            Ok(value) => self.visit_i64(value),
            Err(_) => self.column.set_decimal_text(self.row, &value.to_string()).map_err(E::custom),
        }
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<(), E> {
        self.column.set_double(self.row, value).map_err(E::custom)
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<(), E> {
        let set = if self.column.is_decimal() {
            set_decimal(self.column, self.row, value)
        } else if self.column.is_bytes() {
            match STANDARD.decode(value) {
                Ok(bytes) => self.column.set_bytes(self.row, &bytes),
                Err(_) => self.column.set_bytes(self.row, value.as_bytes()),
            }
        } else {
            self.column.set_text(self.row, value)
        };
        set.map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let mut values: Vec<f64> = Vec::new();
        while let Some(value) = seq.next_element()? {
            values.push(value);
        }
        self.column.set_floats(self.row, &values).map_err(A::Error::custom)
    }

    /// Geometry: its well-known binary.
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        if !self.column.is_bytes() {
            return Err(A::Error::custom(self.column.wrong("an object where a scalar belongs")));
        }
        while let Some(name) = map.next_key::<Name<'de>>()? {
            match &*name.0 {
                "wkb" => map.next_value_seed(Value { column: self.column, row: &mut *self.row })?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

/// A decimal: `12.50` (decimal.handling.mode=string) or, as is Debezium's default, its unscaled bytes in base64. Base64 knows
/// neither point nor minus; digits alone are base64 wherever they can be.
fn set_decimal(column: &Column, row: &mut RowBuilder, text: &str) -> Result<()> {
    if text.contains('.') || text.starts_with('-') {
        return column.set_decimal_text(row, text);
    }
    match STANDARD.decode(text) {
        Ok(bytes) if !bytes.is_empty() => column.set_bytes(row, &bytes),
        _ => column.set_decimal_text(row, text),
    }
}

/// A small object of scalars, or null.
struct Small<F>(F);

impl<'de, F: FnMut(&str, Scalar<'_>) -> Result<()>> DeserializeSeed<'de> for Small<F> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, F: FnMut(&str, Scalar<'_>) -> Result<()>> Visitor<'de> for Small<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or null")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<Name<'de>>()? {
            map.next_value_seed(Member(&name.0, &mut self.0))?;
        }
        Ok(())
    }
}

/// One member of a small object.
struct Member<'a, F>(&'a str, &'a mut F);

impl<'de, F: FnMut(&str, Scalar<'_>) -> Result<()>> DeserializeSeed<'de> for Member<'_, F> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, F: FnMut(&str, Scalar<'_>) -> Result<()>> Visitor<'de> for Member<'_, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a scalar")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<(), E> {
        (self.1)(self.0, Scalar::Long(value)).map_err(E::custom)
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<(), E> {
        (self.1)(self.0, Scalar::Long(value as i64)).map_err(E::custom)
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<(), E> {
        (self.1)(self.0, Scalar::Text(value)).map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(())
    }
}

/// A record of a transaction topic.
///
/// # Errors
/// If it is none.
pub fn boundary(value: &[u8]) -> Result<Boundary> {
    #[derive(Deserialize)]
    struct Collection {
        data_collection: String,
        event_count: u64,
    }
    #[derive(Deserialize)]
    struct Block {
        payload: Option<Box<Block>>,
        status: Option<String>,
        id: Option<String>,
        event_count: Option<u64>,
        data_collections: Option<Vec<Collection>>,
        ts_ms: Option<i64>,
    }
    let block: Block = serde_json::from_slice(value).map_err(|error| Error::decode(error.to_string()))?;
    let block = match block.payload {
        Some(payload) => *payload,
        None => block,
    };
    let (Some(status), Some(id)) = (block.status, block.id) else {
        return Err(Error::decode("a transaction boundary without \"status\" or \"id\""));
    };
    let collections = block.data_collections.unwrap_or_default();
    let collections = collections.into_iter().map(|found| (found.data_collection.into(), found.event_count)).collect();
    crate::debezium::boundary(&status, &id, block.event_count.unwrap_or(0), block.ts_ms.unwrap_or(0), collections)
}

/// A schema as Connect's JsonConverter writes it.
#[derive(Debug, Deserialize)]
struct Described {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    optional: bool,
    name: Option<String>,
    field: Option<String>,
    #[serde(default)]
    fields: Vec<Described>,
    #[serde(default)]
    parameters: std::collections::HashMap<String, String>,
}

impl Described {
    fn data_type(&self) -> Result<DataType, String> {
        if let Some(named) = self.name.as_deref().and_then(crate::avro::connect_type) {
            return Ok(named);
        }
        if self.name.as_deref() == Some("org.apache.kafka.connect.data.Decimal") {
            let number = |key: &str| self.parameters.get(key).and_then(|text| text.parse::<i16>().ok());
            let scale = number("scale").unwrap_or(0) as i8;
            return match number("connect.decimal.precision").unwrap_or(38) {
                precision @ 1..=38 => Ok(DataType::Decimal128(precision as u8, scale)),
                precision @ 39..=76 => Ok(DataType::Decimal256(precision as u8, scale)),
                other => Err(format!("decimal of {other} digits")),
            };
        }
        Ok(match self.kind.as_str() {
            "boolean" => DataType::Boolean,
            "int8" | "int16" => DataType::Int16,
            "int32" => DataType::Int32,
            "int64" => DataType::Int64,
            "float" | "float32" => DataType::Float32,
            "double" | "float64" => DataType::Float64,
            "string" => DataType::Utf8,
            "bytes" => DataType::Binary,
            "array" => DataType::List(Arc::new(Field::new("item", DataType::Float32, true))),
            "struct" if self.fields.iter().any(|f| f.field.as_deref() == Some("wkb")) => DataType::Binary,
            other => return Err(other.to_owned()),
        })
    }

    fn column(&self) -> Result<Field> {
        let name = self.field.clone().unwrap_or_default();
        let data_type = self.data_type().map(crate::avro::column_type).map_err(|what| {
            Error::Schema(format!("column \"{name}\" has Connect type {what}, which rows cannot hold"))
        })?;
        Ok(Field::new(name, data_type, self.optional).with_metadata(column::metadata(self.name.as_deref())))
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
    let row = row.ok_or_else(|| Error::Schema("the record's schema has no field \"after\"".into()))?;
    let schema = Schema::new(row.fields.iter().map(Described::column).collect::<Result<Vec<_>>>()?);
    let key = key.map(wrapped).transpose()?.flatten();
    let key = key.map(|key| {
        let names = key.fields.iter().filter_map(|field| field.field.as_deref());
        let find = |name| schema.index_of(name).map_err(|_| Error::Schema(format!("key column \"{name}\" is unknown")));
        names.map(find).collect::<Result<Vec<_>>>()
    });
    let key = key.transpose()?.filter(|key| !key.is_empty());
    Ok(Some(TableSchema::new(Arc::new(schema), key)?))
}

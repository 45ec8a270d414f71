//! JSON records straight into packed rows, by serde's streaming deserializer: no tree of values is built.
//!
//! Debezium's JSON comes with a schema in every record (`{"schema": …, "payload": …}`) or without; which one is seen in each
//! record. Values are typed by the table's columns. Source: Debezium's documentation of the MySQL connector; Kafka Connect's
//! JsonConverter.

use std::borrow::Cow;
use std::fmt;

use delta::{Row, RowBuilder, TableSchema};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::column::{Column, Writer};
use crate::debezium::{Detail, Fields, Names, Scalar, Shape};
use crate::error::{Error, Result};
use crate::event::{Boundary, Event, MetaColumn, RecordMeta};
use crate::include::set_metadata;
use crate::json_schema::Described;
pub use crate::json_schema::debezium_table;

/// Columns by the names that records give them, in the table's order.
type Columns = Vec<(Box<str>, Column)>;

/// Decodes JSON records into rows of one table.
pub struct JsonDecoder {
    shape: Shape,
    table: TableSchema,
    columns: Columns,
    row: RowBuilder,
    /// A row as it was: its key where the table has one.
    before_columns: Columns,
    before_row: RowBuilder,
    names: Names,
    include: Vec<MetaColumn>,
    /// The schema that the last record carried; most records carry the same.
    writer: Box<str>,
}

impl JsonDecoder {
    /// A decoder of Debezium's envelopes.
    ///
    /// # Errors
    /// If records cannot hold the type of a column.
    pub fn debezium(table: &TableSchema) -> Result<Self> {
        JsonDecoder::new(table, &[], Writer::Debezium)
    }

    /// A decoder of objects that are rows.
    ///
    /// # Errors
    /// If records cannot hold the type of a column.
    pub fn plain(table: &TableSchema, include: &[MetaColumn]) -> Result<Self> {
        JsonDecoder::new(table, include, Writer::Service)
    }

    fn new(table: &TableSchema, include: &[MetaColumn], writer: Writer<'_>) -> Result<Self> {
        let own = table.kinds.len() - include.len();
        let fields = table.schema.fields().iter().take(own).enumerate();
        let columns =
            fields.map(|(index, field)| Ok((field.name().as_str().into(), Column::new(index, field, writer)?)));
        let shape = Shape::new(table);
        let mut decoder = JsonDecoder {
            columns: columns.collect::<Result<_>>()?,
            row: RowBuilder::new(table.kinds.clone()),
            before_columns: Vec::new(),
            before_row: RowBuilder::new(shape.before_kinds()),
            names: Names::default(),
            include: include.to_vec(),
            writer: Box::default(),
            table: table.clone(),
            shape,
        };
        decoder.derive_before();
        Ok(decoder)
    }

    fn derive_before(&mut self) {
        let moved = |(name, column): &(Box<str>, Column)| {
            Some((name.clone(), column.at(self.shape.before_place(column.index)?)))
        };
        self.before_columns = self.columns.iter().filter_map(moved).collect();
    }

    /// Reads the types, units and scales that a record's schema names.
    fn describe(&mut self, schema: &str) -> Result<()> {
        if schema == &*self.writer || schema == "null" {
            return Ok(());
        }
        let described: Described = serde_json::from_str(schema).map_err(|error| Error::decode(error.to_string()))?;
        for (name, column) in &mut self.columns {
            if let Some(field) = Described::named(described.row(), name) {
                let own = self.table.schema.field(column.index);
                let writer = field.data_type().map_err(|what| {
                    Error::Schema(format!("column \"{name}\" has Connect type {what}, which rows cannot hold"))
                })?;
                *column = Column::new(column.index, own, Writer::Typed(&writer))?;
            }
        }
        self.derive_before();
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
        self.before_row.reset();
        found?;
        if fields.needs_key() {
            let key = key.ok_or_else(|| Error::decode("a deletion without key and before-image"))?;
            fields.before = Some(self.row_of(key, true).map_err(|error| error.at("the key"))?);
        }
        self.shape.event(fields, &mut self.names)
    }

    /// The row that an object is.
    ///
    /// # Errors
    /// As [`JsonDecoder::decode`].
    pub fn decode_row(&mut self, value: &[u8], meta: &RecordMeta) -> Result<Row> {
        let first = self.row.kinds().len() - self.include.len();
        set_metadata(&mut self.row, first, &self.include, meta);
        self.row_of(value, false)
    }

    /// The row that an object is; of a row as it was, if `before`.
    fn row_of(&mut self, value: &[u8], before: bool) -> Result<Row> {
        let found = read(value, Unwrapped { decoder: self, before });
        let row = self.image(before).row.take();
        found.map(|()| row)
    }

    fn image(&mut self, before: bool) -> RowSeed<'_> {
        match before {
            true => RowSeed { columns: &self.before_columns, row: &mut self.before_row },
            false => RowSeed { columns: &self.columns, row: &mut self.row },
        }
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
        (true, [_]) => {
            let RowSeed { columns, row } = decoder.image(true);
            let (_, column) = columns.first().ok_or_else(|| Error::decode("a key for a table without one"))?;
            read(key, Value { column, row })?;
            row.take()
        }
        (true, _) => return Err(Error::decode("a key of one value for a key of several columns")),
        (false, _) => decoder.row_of(key, true)?,
    };
    decoder.shape.whole_key(row.as_ref())?;
    Ok(row)
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
                "before" => fields.before = map.next_value_seed(OptionalRow(decoder.image(true)))?,
                "after" => fields.after = map.next_value_seed(OptionalRow(decoder.image(false)))?,
                "op" => fields.operation(&map.next_value::<Name<'de>>()?.0).map_err(A::Error::custom)?,
                "source" | "transaction" => {
                    let of = if name.0 == "source" { Detail::of_source } else { Detail::of_transaction };
                    map.next_value_seed(Small { of, fields, names: &mut decoder.names })?;
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
struct OptionalRow<'a>(RowSeed<'a>);

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
        let RowSeed { columns, row } = self.0;
        RowSeed { columns, row: &mut *row }.deserialize(deserializer)?;
        Ok(Some(row.take()))
    }
}

/// An object whose members are columns.
struct RowSeed<'a> {
    columns: &'a [(Box<str>, Column)],
    row: &'a mut RowBuilder,
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
    decoder: &'a mut JsonDecoder,
    before: bool,
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
        let Unwrapped { decoder, before } = self;
        let mut schema = None;
        while let Some(name) = map.next_key::<Name<'de>>()? {
            let RowSeed { columns, row } = decoder.image(before);
            if let Some((_, column)) = columns.iter().find(|(column, _)| **column == *name.0) {
                map.next_value_seed(Value { column, row })?;
                continue;
            }
            match (&*name.0, schema) {
                ("schema", _) => schema = Some(map.next_value::<&'de RawValue>()?),
                ("payload", Some(schema)) => {
                    // A service may call its own members so; Connect's schema is an object.
                    if schema.get().starts_with('{') {
                        decoder.describe(schema.get()).map_err(A::Error::custom)?;
                    }
                    map.next_value_seed(decoder.image(before))?;
                }
                _ => {
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
        let Value { column, row } = self;
        if !column.is_json() && !column.is_decimal() {
            return deserializer.deserialize_any(Value { column, row });
        }
        let raw = <&'de RawValue>::deserialize(deserializer)?.get();
        let set = match raw.as_bytes() {
            b"null" => Ok(()),
            [b'"', ..] => column.set_text(row, &serde_json::from_str::<Name<'_>>(raw).map_err(D::Error::custom)?.0),
            // Debezium writes JSON as text; services write it as it is.
            _ if column.is_json() => column.set_text(row, raw),
            // A double would lose digits of a decimal.
            _ => match raw.parse() {
                Ok(long) => column.set_long(row, long),
                Err(_) => column.set_decimal_text(row, raw),
            },
        };
        set.map_err(D::Error::custom)
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
            Err(_) if self.column.is_bytes() => Err(E::custom(self.column.wrong("a number where bytes belong"))),
            // As a double or as text; no whole number of a column is that long.
            Err(_) => self.visit_str(&value.to_string()),
        }
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<(), E> {
        self.column.set_double(self.row, value).map_err(E::custom)
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<(), E> {
        self.column.set_text(self.row, value).map_err(E::custom)
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

/// `source` or `transaction`: an object of scalars, or null.
struct Small<'a> {
    of: fn(&str) -> Option<Detail>,
    fields: &'a mut Fields,
    names: &'a mut Names,
}

impl<'de> DeserializeSeed<'de> for Small<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Small<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or null")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Small { of, fields, names } = self;
        while let Some(name) = map.next_key::<Name<'de>>()? {
            match of(&name.0) {
                Some(detail) => map.next_value_seed(Member { detail, fields: &mut *fields, names: &mut *names })?,
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

/// One member of a small object.
struct Member<'a> {
    detail: Detail,
    fields: &'a mut Fields,
    names: &'a mut Names,
}

impl<'de> DeserializeSeed<'de> for Member<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Member<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a scalar")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.fields.detail(self.detail, Scalar::Bool(value), self.names);
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.fields.detail(self.detail, Scalar::Long(value), self.names);
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.fields.detail(self.detail, Scalar::Long(value as i64), self.names);
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        self.fields.detail(self.detail, Scalar::Text(value), self.names);
        Ok(())
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

//! Rows as records of Kafka: keys and values, JSON or Avro, in the envelope of the sink; and back, as far as a writer has to know
//! what it wrote before.
//!
//! Equal rows have equal bytes, whoever writes them and whenever, so bytes tell whether a record is that of a row.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use tidewater_delta::RowRef;
use tidewater_ingest::RegistryConfig;
use tidewater_ingest::registry::Registry;
use tidewater_sql::parse::ast::SinkEnvelope;
use tidewater_sql::{Error, Result};
use tidewater_types::json::write_string;
use tidewater_types::{Column, Packing, Settings, Type, output};

use super::avro::{Record, long, read_long};
use crate::definitions::from_ingest;

/// How bytes are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Format {
    Json,
    Avro(RegistryConfig),
}

/// See the module.
pub(crate) struct Encoder {
    envelope: SinkEnvelope,
    form: Form,
}

enum Form {
    Json { columns: Vec<(String, Column, Packing)>, key: Vec<usize> },
    Avro { key: (u32, Record), row: (u32, Record) },
}

/// Debezium's envelope around JSON.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Enveloped<'a> {
    #[serde(rename = "before")]
    _before: IgnoredAny,
    #[serde(borrow)]
    after: Option<&'a RawValue>,
}

impl Encoder {
    /// What writes rows of these columns; schemas of Avro are registered for the topic.
    ///
    /// # Errors
    /// If the registry does not answer or refuses a schema.
    pub(crate) fn new(
        format: &Format,
        envelope: SinkEnvelope,
        topic: &str,
        columns: &[Column],
        key: &[usize],
    ) -> Result<Self> {
        let ids = match format {
            Format::Json => None,
            Format::Avro(config) => {
                let registry = Registry::new(config).map_err(|error| from_ingest(&error))?;
                let (key, row) = schemas(envelope, columns, key)?;
                let register = |is_key: bool, schema: &str| registry.register(topic, is_key, schema);
                let id = |is_key, schema: String| register(is_key, &schema).map_err(|error| from_ingest(&error));
                Some((id(true, key)?, id(false, row)?))
            }
        };
        Self::with_ids(ids, envelope, columns, key)
    }

    /// The same, with the schemas' ids: none for JSON.
    pub(crate) fn with_ids(
        ids: Option<(u32, u32)>,
        envelope: SinkEnvelope,
        columns: &[Column],
        key: &[usize],
    ) -> Result<Self> {
        let form = match ids {
            None => {
                let name = |name: &str| {
                    let mut quoted = String::new();
                    write_string(name, &mut quoted);
                    quoted
                };
                let of = |column: &Column| (name(&column.name), column.clone(), Packing::of(&column.ty));
                Form::Json { columns: columns.iter().map(of).collect(), key: key.to_vec() }
            }
            Some((key_id, row_id)) => {
                let (key, row) = records(columns, key)?;
                Form::Avro { key: (key_id, key), row: (row_id, row) }
            }
        };
        Ok(Encoder { envelope, form })
    }

    /// The key of a row's record.
    ///
    /// # Errors
    /// For values that the format cannot hold.
    pub(crate) fn key(&self, row: RowRef<'_>) -> Result<Vec<u8>> {
        match &self.form {
            Form::Json { columns, key } => json_object(columns, key.iter().copied(), row),
            Form::Avro { key: (id, record), .. } => {
                let mut out = head(*id);
                record.write(row, &mut out)?;
                Ok(out)
            }
        }
    }

    /// A row's own bytes, without an envelope.
    ///
    /// # Errors
    /// As [`Encoder::key`].
    pub(crate) fn row(&self, row: RowRef<'_>) -> Result<Vec<u8>> {
        match &self.form {
            Form::Json { columns, .. } => json_object(columns, 0..columns.len(), row),
            Form::Avro { row: (_, record), .. } => {
                let mut out = Vec::new();
                record.write(row, &mut out)?;
                Ok(out)
            }
        }
    }

    /// The value of the record that says what a key's row was and is; `None` is a tombstone.
    pub(crate) fn value(&self, before: Option<&[u8]>, after: Option<&[u8]>) -> Option<Vec<u8>> {
        match (self.envelope, &self.form) {
            (SinkEnvelope::Upsert, Form::Json { .. }) => after.map(<[u8]>::to_vec),
            (SinkEnvelope::Upsert, Form::Avro { row: (id, _), .. }) => after.map(|after| [&head(*id), after].concat()),
            (SinkEnvelope::Debezium, Form::Json { .. }) => {
                let null = b"null".as_slice();
                let parts = [b"{\"before\":", before.unwrap_or(null), b",\"after\":", after.unwrap_or(null), b"}"];
                Some(parts.concat())
            }
            (SinkEnvelope::Debezium, Form::Avro { row: (id, _), .. }) => {
                let mut out = head(*id);
                for side in [before, after] {
                    long(i64::from(side.is_some()), &mut out);
                    out.extend_from_slice(side.unwrap_or_default());
                }
                Some(out)
            }
        }
    }

    /// The row's bytes that a record's value says its key has; the whole value where this encoder cannot have written it, which is
    /// no row's.
    pub(crate) fn after<'v>(&self, value: Option<&'v [u8]>) -> Option<&'v [u8]> {
        let value = value?;
        self.written(value).unwrap_or(Some(value))
    }

    fn written<'v>(&self, value: &'v [u8]) -> Option<Option<&'v [u8]>> {
        match (self.envelope, &self.form) {
            (SinkEnvelope::Upsert, Form::Json { .. }) => Some(Some(value)),
            (SinkEnvelope::Upsert, Form::Avro { row: (id, _), .. }) => value.strip_prefix(&*head(*id)).map(Some),
            (SinkEnvelope::Debezium, Form::Json { .. }) => {
                // A list would be read as the fields in their order.
                let object = value.starts_with(b"{").then_some(value)?;
                let enveloped: Enveloped<'v> = serde_json::from_slice(object).ok()?;
                Some(enveloped.after.map(|after| after.get().as_bytes()).filter(|after| *after != b"null"))
            }
            (SinkEnvelope::Debezium, Form::Avro { row: (id, record), .. }) => {
                let value = value.strip_prefix(&*head(*id))?;
                let mut at = 0;
                if read_long(value, &mut at)? == 1 {
                    at += record.length(value.get(at..)?)?;
                }
                Some((read_long(value, &mut at)? == 1).then_some(value.get(at..)?))
            }
        }
    }
}

/// The schemas of keys and values.
pub(crate) fn schemas(envelope: SinkEnvelope, columns: &[Column], key: &[usize]) -> Result<(String, String)> {
    let (key, row) = records(columns, key)?;
    let row = match envelope {
        SinkEnvelope::Upsert => row.schema().to_string(),
        SinkEnvelope::Debezium => row.envelope().to_string(),
    };
    Ok((key.schema().to_string(), row))
}

fn records(columns: &[Column], key: &[usize]) -> Result<(Record, Record)> {
    let all: Vec<usize> = (0..columns.len()).collect();
    Ok((Record::new("key", columns, key)?, Record::new("row", columns, &all)?))
}

/// What stands before Avro's bytes where a registry knows the schema.
fn head(id: u32) -> Vec<u8> {
    let mut head = vec![0];
    head.extend_from_slice(&id.to_be_bytes());
    head
}

fn json_object(
    columns: &[(String, Column, Packing)],
    places: impl Iterator<Item = usize>,
    row: RowRef<'_>,
) -> Result<Vec<u8>> {
    let settings = Settings::default();
    let (mut out, mut text) = (String::from("{"), String::new());
    for (number, place) in places.enumerate() {
        let (name, column, packing) = &columns[place];
        if number > 0 {
            out.push(',');
        }
        out.push_str(name);
        out.push(':');
        let value = packing.get(row, place);
        // Readers of JSON take numbers for floats, which lose digits.
        if column.ty.ty == Type::Numeric && !value.is_null() {
            text.clear();
            output(&value, &column.ty, &settings, &mut text);
            write_string(&text, &mut out);
        } else {
            tidewater_functions::write_json(&value, &column.ty, &settings, &mut out).map_err(|error| Error {
                message: format!("column \"{}\": {}", column.name, error.message),
                ..error
            })?;
        }
    }
    out.push('}');
    Ok(out.into_bytes())
}

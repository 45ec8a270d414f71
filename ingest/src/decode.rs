//! A record of a source's topic as changes: chooses the decoder that the format, the envelope and the writer's schema ask for.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use delta::{Op, Row, RowBuilder, TableSchema};

use crate::avro::{self, AvroDecoder};
use crate::error::{Error, Result};
use crate::event::{Boundary, Event, MetaColumn, RecordMeta};
use crate::json::{self, JsonDecoder};
use crate::registry::{Registry, RegistryConfig};
use crate::source::{Envelope, Format, SourceConfig};

/// Key and value of a record, and what Kafka says of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Record<'a> {
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) value: Option<&'a [u8]>,
    pub(crate) meta: RecordMeta,
}

/// What a record means.
#[derive(Debug)]
pub(crate) enum Decoded {
    /// A change event of Debezium's.
    Event(Event),
    /// Changes without an envelope.
    Ops(Vec<Op>),
    /// Nothing: a tombstone, which only tells Kafka to compact.
    Nothing,
}

/// Ids of the writer's schemas of a record: key and value.
type Ids = (Option<u32>, u32);

enum Rows {
    Avro {
        registry: Registry,
        decoders: HashMap<Ids, AvroDecoder>,
    },
    Json(JsonDecoder),
    /// The value as one column.
    Raw(RowBuilder),
}

/// Decodes the records of one source.
pub(crate) struct Decoder {
    table: TableSchema,
    debezium: bool,
    upsert: bool,
    include: Vec<MetaColumn>,
    text: bool,
    rows: Rows,
}

impl Decoder {
    pub(crate) fn new(config: &SourceConfig, table: &TableSchema) -> Result<Self> {
        let debezium = matches!(config.envelope, Envelope::Debezium { .. });
        let include: Vec<_> = config.include.iter().map(|(column, _)| *column).collect();
        let rows = match &config.format {
            Format::Avro(registry) => Rows::Avro { registry: Registry::new(registry)?, decoders: HashMap::new() },
            Format::Json if debezium => Rows::Json(JsonDecoder::debezium(table)?),
            Format::Json if config.declared.is_some() => Rows::Json(JsonDecoder::plain(table, &include)?),
            Format::Json | Format::Text | Format::Bytes => Rows::Raw(RowBuilder::new(table.kinds.clone())),
        };
        let text = config.format != Format::Bytes;
        let upsert = config.envelope == Envelope::Upsert;
        Ok(Decoder { table: table.clone(), debezium, upsert, include, text, rows })
    }

    /// What `record` means.
    ///
    /// # Errors
    /// [`Error::RegistryUnreachable`] where asking again may help; any other error is of this record alone.
    pub(crate) fn decode(&mut self, record: Record<'_>) -> Result<Decoded> {
        let Some(value) = record.value else {
            return if self.upsert { Ok(Decoded::Ops(vec![self.deleted(record)?])) } else { Ok(Decoded::Nothing) };
        };
        match &mut self.rows {
            Rows::Avro { registry, decoders } => {
                let (value_id, value) = avro::confluent_header(value)?;
                let key = record.key.map(avro::confluent_header).transpose()?;
                let ids = (key.map(|(id, _)| id), value_id);
                if let Entry::Vacant(entry) = decoders.entry(ids) {
                    let key_schema = ids.0.map(|id| registry.by_id(id)).transpose()?;
                    let value_schema = registry.by_id(value_id)?;
                    let decoder = match self.debezium {
                        true => AvroDecoder::debezium(&self.table, key_schema.as_deref(), &value_schema)?,
                        false => AvroDecoder::plain(&self.table, &self.include, &value_schema)?,
                    };
                    entry.insert(decoder);
                }
                let Some(decoder) = decoders.get_mut(&ids) else { return Ok(Decoded::Nothing) };
                if self.debezium {
                    return Ok(Decoded::Event(decoder.decode(key.map(|(_, body)| body), value)?));
                }
                let row = decoder.decode_row(value, &record.meta)?;
                Ok(Decoded::Ops(vec![self.put(row)]))
            }
            Rows::Json(decoder) if self.debezium => Ok(Decoded::Event(decoder.decode(record.key, value)?)),
            Rows::Json(decoder) => {
                let row = decoder.decode_row(value, &record.meta)?;
                Ok(Decoded::Ops(vec![self.put(row)]))
            }
            Rows::Raw(builder) => {
                if self.text && std::str::from_utf8(value).is_err() {
                    return Err(Error::decode("the value is not UTF-8"));
                }
                builder.set_tail(0, value);
                json::set_metadata(builder, 1, &self.include, &record.meta);
                let row = builder.take();
                Ok(Decoded::Ops(vec![self.put(row)]))
            }
        }
    }

    fn put(&self, row: Row) -> Op {
        if self.upsert { Op::Upsert(row) } else { Op::Insert(row) }
    }

    /// The deletion that a record without a value means under ENVELOPE UPSERT.
    fn deleted(&mut self, record: Record<'_>) -> Result<Op> {
        let key = record.key.ok_or_else(|| Error::decode("a record without key and value"))?;
        let columns = self.table.key.clone().unwrap_or_default();
        let row = match &mut self.rows {
            Rows::Avro { registry, .. } => {
                let (id, body) = avro::confluent_header(key)?;
                let schema = registry.by_id(id)?;
                avro::key_row(&self.table, &columns, &schema, body)?
            }
            Rows::Json(_) | Rows::Raw(_) => json::key_row(&self.table, &columns, key)?,
        };
        Ok(Op::Delete(row))
    }
}

/// Decodes the records of a transaction topic.
pub(crate) enum BoundaryDecoder {
    Avro(Box<Registry>),
    Json,
}

impl BoundaryDecoder {
    pub(crate) fn new(registry: Option<&RegistryConfig>) -> Result<Self> {
        Ok(match registry {
            Some(config) => BoundaryDecoder::Avro(Box::new(Registry::new(config)?)),
            None => BoundaryDecoder::Json,
        })
    }

    pub(crate) fn decode(&mut self, value: &[u8]) -> Result<Boundary> {
        match self {
            BoundaryDecoder::Json => json::boundary(value),
            BoundaryDecoder::Avro(registry) => {
                let (id, body) = avro::confluent_header(value)?;
                avro::boundary(&*registry.by_id(id)?, body)
            }
        }
    }
}

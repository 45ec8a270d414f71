//! Avro records straight into packed rows, driven by the writer's schema.
//!
//! Columns are matched by name: one that the writer lacks is NULL, one that the table lacks is skipped. Lengths and branches
//! come from outside, so every read is checked. Source: the Avro 1.11 specification, "binary encoding"; Confluent's wire
//! format (a zero byte, the schema's id as four bytes, the body).

use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema as ArrowSchema, TimeUnit};
use delta::{Row, RowBuilder, TableSchema};

use crate::avro_bytes::Bytes;
use crate::column::{self, Column};
use crate::debezium::{Fields, Names, Scalar, Shape};
use crate::error::{Error, Result};
use crate::event::{Boundary, Event, MetaColumn, RecordMeta};
use crate::json::set_metadata;
use crate::schema::{Node, Wire};

/// Splits Confluent's header off: the schema's id and the body.
///
/// # Errors
/// If the bytes do not begin with it.
pub fn confluent_header(bytes: &[u8]) -> Result<(u32, &[u8])> {
    match bytes {
        [0, a, b, c, d, body @ ..] => Ok((u32::from_be_bytes([*a, *b, *c, *d]), body)),
        _ => Err(Error::decode("the record does not begin with Confluent's header (a zero byte and a schema id)")),
    }
}

/// The shape of the table that a Debezium envelope describes; its key is the key schema's fields.
///
/// # Errors
/// If the schema is no envelope or names a type that rows cannot hold.
pub fn debezium_table(key: Option<&Node>, value: &Node) -> Result<TableSchema> {
    let row = value.field("after").or_else(|| value.field("before")).map(|field| field.nullable().0);
    let row = row.ok_or_else(|| {
        Error::Schema(
            "the value's schema has no field \"after\": it is no Debezium change event; use ENVELOPE NONE or UPSERT"
                .into(),
        )
    })?;
    plain_table(key, row)
}

/// The shape of the table whose rows are records of this schema.
///
/// # Errors
/// If the schema is no record or names a type that rows cannot hold.
pub fn plain_table(key: Option<&Node>, value: &Node) -> Result<TableSchema> {
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

/// The type of a table's column whose writer's type is `writer`: times are kept in microseconds whatever they come in.
pub(crate) fn column_type(writer: DataType) -> DataType {
    match writer {
        DataType::Timestamp(_, zone) => DataType::Timestamp(TimeUnit::Microsecond, zone),
        DataType::Duration(_) => DataType::Duration(TimeUnit::Microsecond),
        other => other,
    }
}

fn field(name: &str, node: &Node) -> Result<Field> {
    let (inner, null) = node.nullable();
    let data_type = data_type(inner)
        .map(column_type)
        .map_err(|what| Error::Schema(format!("column \"{name}\" has Avro type {what}, which rows cannot hold")))?;
    let field = Field::new(name, data_type, null.is_some());
    Ok(field.with_metadata(column::metadata(inner.connect_name.as_deref())))
}

/// The Arrow type of a value: by Connect's name, else by Avro's logical type, else by its wire type.
fn data_type(node: &Node) -> Result<DataType, String> {
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

/// The Arrow type that a Connect schema name stands for, where it is not the wire type's.
pub(crate) fn connect_type(name: &str) -> Option<DataType> {
    use TimeUnit::{Microsecond as Micros, Millisecond as Millis, Nanosecond as Nanos};
    Some(match name {
        "io.debezium.time.Date" | "org.apache.kafka.connect.data.Date" | "io.debezium.time.IsoDate" => DataType::Date32,
        "io.debezium.time.Timestamp" | "org.apache.kafka.connect.data.Timestamp" => DataType::Timestamp(Millis, None),
        "io.debezium.time.MicroTimestamp" | "io.debezium.time.IsoTimestamp" => DataType::Timestamp(Micros, None),
        "io.debezium.time.NanoTimestamp" => DataType::Timestamp(Nanos, None),
        "io.debezium.time.ZonedTimestamp" => DataType::Timestamp(Micros, Some("UTC".into())),
        "io.debezium.time.Time" | "org.apache.kafka.connect.data.Time" => DataType::Duration(Millis),
        "io.debezium.time.MicroTime" | "io.debezium.time.IsoTime" => DataType::Duration(Micros),
        "io.debezium.time.NanoTime" => DataType::Duration(Nanos),
        "io.debezium.time.Year" => DataType::Int32,
        "io.debezium.data.Enum" | "io.debezium.data.EnumSet" | "io.debezium.data.Json" => DataType::Utf8,
        "io.debezium.data.Bits" => DataType::Binary,
        _ => return None,
    })
}

/// What to do with one field of a record.
struct Step {
    node: Node,
    /// At which branch null lies.
    null: Option<usize>,
    /// Where it goes; `None` skips it.
    column: Option<Column>,
}

impl Step {
    fn new(node: &Node, column: Option<Column>) -> Self {
        let (inner, null) = node.nullable();
        Step { node: inner.clone(), null, column }
    }

    fn run(&self, bytes: &mut Bytes<'_>, row: &mut RowBuilder) -> Result<()> {
        if let Some(null) = self.null {
            let branch = bytes.branch(2)?;
            if branch == null {
                return Ok(());
            }
        }
        let Some(column) = &self.column else { return bytes.skip(&self.node) };
        match &self.node.wire {
            Wire::Int | Wire::Long => column.set_long(row, bytes.long()?),
            Wire::String => column.set_text(row, bytes.text()?),
            Wire::Bytes => column.set_bytes(row, bytes.bytes()?),
            Wire::Fixed(size) => column.set_bytes(row, bytes.take(*size)?),
            Wire::Boolean => column.set_bool(row, bytes.boolean()?),
            Wire::Float => column.set_double(row, f64::from(bytes.float()?)),
            Wire::Double => column.set_double(row, bytes.double()?),
            Wire::Enum(symbols) => column.set_text(row, &symbols[bytes.branch(symbols.len())?]),
            Wire::Array(_) => column.set_floats(row, &bytes.floats()?),
            Wire::Record(fields) => {
                for (name, field) in fields.iter() {
                    match &**name {
                        "wkb" => Step::new(field, Some(column.clone())).run(bytes, row)?,
                        _ => bytes.skip(field)?,
                    }
                }
                Ok(())
            }
            Wire::Null | Wire::Map(_) | Wire::Union(_) => Err(column.wrong("its Avro type is not supported")),
        }
    }
}

/// What to do with a record.
fn steps(record: &Node, schema: &ArrowSchema) -> Result<Vec<Step>> {
    let step = |(name, node): &(Box<str>, Node)| {
        let writer = data_type(node.nullable().0).ok();
        let column = schema.column_with_name(name).map(|(index, field)| Column::new(index, field, writer.as_ref()));
        Ok(Step::new(node, column.transpose()?))
    };
    record.fields().iter().map(step).collect()
}

/// What to do with one field of an envelope.
enum Part {
    Before,
    After,
    Operation,
    Source(Vec<(Box<str>, Node)>),
    Transaction(Vec<(Box<str>, Node)>),
    TimeMs,
    Skip,
}

/// Decodes the records that one pair of writer's schemas describes.
pub struct AvroDecoder {
    shape: Shape,
    row: RowBuilder,
    key: Vec<Step>,
    key_row: RowBuilder,
    steps: Vec<Step>,
    /// Of a row before its change only the key is needed, where there is one.
    before: Vec<Step>,
    names: Names,
    /// Fields of the envelope: at which branch null lies, what to do, and the type to skip.
    parts: Vec<(Option<usize>, Part, Node)>,
    include: Vec<MetaColumn>,
}

impl AvroDecoder {
    /// A decoder of Debezium's envelopes into rows of `table`.
    ///
    /// # Errors
    /// If the schema is no envelope or a column's type does not fit.
    pub fn debezium(table: &TableSchema, key: Option<&Node>, value: &Node) -> Result<Self> {
        let row = value.field("after").map(|field| field.nullable().0);
        let row = row.ok_or_else(|| Error::Schema("the value's schema has no field \"after\"".into()))?;
        let parts = value.fields().iter().map(|(name, node)| {
            let (inner, null) = node.nullable();
            let part = match &**name {
                "before" => Part::Before,
                "after" => Part::After,
                "op" => Part::Operation,
                "source" => Part::Source(inner.fields().to_vec()),
                "transaction" => Part::Transaction(inner.fields().to_vec()),
                "ts_ms" => Part::TimeMs,
                _ => Part::Skip,
            };
            (null, part, inner.clone())
        });
        let mut decoder = AvroDecoder::plain(table, &[], row)?;
        decoder.parts = parts.collect();
        decoder.before = steps(row, &table.schema)?;
        if let Some(key) = &table.key {
            for step in &mut decoder.before {
                step.column = step.column.take().filter(|column| key.contains(&column.index));
            }
        }
        decoder.key = match key {
            Some(key) => steps(key, &table.schema)?,
            None => Vec::new(),
        };
        Ok(decoder)
    }

    /// A decoder of records that are rows.
    ///
    /// # Errors
    /// If a column's type does not fit.
    pub fn plain(table: &TableSchema, include: &[MetaColumn], value: &Node) -> Result<Self> {
        let builder = || RowBuilder::new(table.kinds.clone());
        let steps = steps(value, &table.schema)?;
        let (key, before, parts, include) = (Vec::new(), Vec::new(), Vec::new(), include.to_vec());
        Ok(AvroDecoder {
            shape: Shape::new(table),
            row: builder(),
            key,
            key_row: builder(),
            steps,
            before,
            names: Names::default(),
            parts,
            include,
        })
    }

    /// The change that an envelope describes. Bodies come without Confluent's header.
    ///
    /// # Errors
    /// If the bytes are not what the writer's schema says.
    pub fn decode(&mut self, key: Option<&[u8]>, value: &[u8]) -> Result<Event> {
        let mut bytes = Bytes(value);
        let mut fields = Fields::default();
        for (null, part, node) in &self.parts {
            if let Some(null) = null
                && bytes.branch(2)? == *null
            {
                continue;
            }
            match part {
                Part::Before => fields.before = Some(read_row(&self.before, &mut bytes, &mut self.row)?),
                Part::After => fields.after = Some(read_row(&self.steps, &mut bytes, &mut self.row)?),
                Part::Operation => fields.operation(bytes.text()?)?,
                Part::Source(of) => {
                    read_fields(of, &mut bytes, |name, value| fields.source(name, value, &mut self.names))?
                }
                Part::Transaction(of) => {
                    read_fields(of, &mut bytes, |name, value| fields.transaction(name, value, &mut self.names))?
                }
                Part::TimeMs => fields.ts_ms = bytes.long()?,
                Part::Skip => bytes.skip(node)?,
            }
        }
        bytes.end()?;
        if fields.needs_key() && !self.key.is_empty() {
            let key = key.ok_or_else(|| Error::decode("a deletion without key and before-image"))?;
            fields.before = Some(read_row(&self.key, &mut Bytes(key), &mut self.key_row)?);
        }
        self.shape.event(fields)
    }

    /// The row that a record without envelope is.
    ///
    /// # Errors
    /// If the bytes are not what the writer's schema says.
    pub fn decode_row(&mut self, value: &[u8], meta: &RecordMeta) -> Result<Row> {
        let mut bytes = Bytes(value);
        let first = self.row.kinds().len() - self.include.len();
        for step in &self.steps {
            if let Err(error) = step.run(&mut bytes, &mut self.row) {
                self.row.reset();
                return Err(error);
            }
        }
        bytes.end()?;
        set_metadata(&mut self.row, first, &self.include, meta);
        Ok(self.row.take())
    }
}

fn read_row(steps: &[Step], bytes: &mut Bytes<'_>, row: &mut RowBuilder) -> Result<Row> {
    for step in steps {
        if let Err(error) = step.run(bytes, row) {
            row.reset();
            return Err(error);
        }
    }
    Ok(row.take())
}

fn read_fields(
    fields: &[(Box<str>, Node)],
    bytes: &mut Bytes<'_>,
    mut take: impl FnMut(&str, Scalar<'_>) -> Result<()>,
) -> Result<()> {
    for (name, node) in fields {
        let (inner, null) = node.nullable();
        if let Some(null) = null
            && bytes.branch(2)? == null
        {
            continue;
        }
        match inner.wire {
            Wire::String => take(name, Scalar::Text(bytes.text()?))?,
            Wire::Int | Wire::Long => take(name, Scalar::Long(bytes.long()?))?,
            _ => bytes.skip(inner)?,
        }
    }
    Ok(())
}

/// The row of a table's key columns that a record's key holds.
///
/// # Errors
/// If the bytes are not what the schema says.
pub(crate) fn key_row(table: &TableSchema, columns: &[usize], schema: &Node, body: &[u8]) -> Result<Row> {
    let mut row = RowBuilder::new(table.kinds.clone());
    let mut bytes = Bytes(body);
    if schema.fields().is_empty() {
        let [column] = columns else { return Err(Error::decode("a key of one value for a key of several columns")) };
        Step::new(schema, Some(Column::new(*column, table.schema.field(*column), data_type(schema).ok().as_ref())?))
            .run(&mut bytes, &mut row)?;
    } else {
        for step in steps(schema, &table.schema)? {
            step.run(&mut bytes, &mut row)?;
        }
    }
    Ok(Shape::new(table).project(row.finish(), columns))
}

/// A record of a transaction topic.
///
/// # Errors
/// If it is none.
pub fn boundary(schema: &Node, body: &[u8]) -> Result<Boundary> {
    let mut bytes = Bytes(body);
    let (mut status, mut id, mut count, mut ts_ms) = (String::new(), String::new(), 0, 0);
    let mut collections = Vec::new();
    for (name, node) in schema.fields() {
        let (inner, null) = node.nullable();
        if let Some(null) = null
            && bytes.branch(2)? == null
        {
            continue;
        }
        match (&**name, &inner.wire) {
            ("status", Wire::String) => status = bytes.text()?.to_owned(),
            ("id", Wire::String) => id = bytes.text()?.to_owned(),
            ("event_count", Wire::Long | Wire::Int) => count = bytes.long()?,
            ("ts_ms", Wire::Long) => ts_ms = bytes.long()?,
            ("data_collections", Wire::Array(item)) => bytes.blocks(|bytes| {
                let (item, null) = item.nullable();
                if let Some(null) = null
                    && bytes.branch(2)? == null
                {
                    return Ok(());
                }
                let (mut name, mut count) = (Arc::from(""), 0);
                read_fields(item.fields(), bytes, |field, value| {
                    match (field, value) {
                        ("data_collection", Scalar::Text(text)) => name = text.into(),
                        ("event_count", Scalar::Long(number)) => count = number as u64,
                        _ => {}
                    }
                    Ok(())
                })?;
                collections.push((name, count));
                Ok(())
            })?,
            _ => bytes.skip(inner)?,
        }
    }
    crate::debezium::boundary(&status, &id, count as u64, ts_ms, collections)
}

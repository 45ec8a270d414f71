//! Avro records straight into packed rows, driven by the writer's schema.
//!
//! Columns are matched by name: one that the writer lacks is NULL, one that the table lacks is skipped. Lengths and branches
//! come from outside, so every read is checked. Source: the Avro 1.11 specification, "binary encoding"; Confluent's wire
//! format (a zero byte, the schema's id as four bytes, the body).

use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema as ArrowSchema, TimeUnit};
use delta::{Row, RowBuilder, TableSchema};

use crate::avro_bytes::Bytes;
use crate::column::{self, Column, Writer};
use crate::connect_types::{column_type, connect_type};
use crate::debezium::{Detail, Fields, Names, Scalar, Shape};
use crate::error::{Error, Result};
use crate::event::{Boundary, Event, MetaColumn, RecordMeta};
use crate::include::set_metadata;
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

fn field(name: &str, node: &Node) -> Result<Field> {
    let (inner, null) = node.nullable();
    let data_type = data_type(inner).map(column_type).map_err(|what| unsupported(name, &what))?;
    let field = Field::new(name, data_type, null.is_some());
    Ok(field.with_metadata(column::metadata(inner.connect_name.as_deref())))
}

fn unsupported(name: &str, what: &str) -> Error {
    Error::Schema(format!("column \"{name}\" has Avro type {what}, which rows cannot hold"))
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

/// What to do with one field of a record.
struct Step {
    name: Box<str>,
    node: Node,
    /// At which branch null lies.
    null: Option<usize>,
    /// Where it goes; `None` skips it.
    column: Option<Column>,
}

impl Step {
    fn new(name: &str, node: &Node, column: Option<Column>) -> Self {
        let (inner, null) = node.nullable();
        Step { name: name.into(), node: inner.clone(), null, column }
    }

    /// The same for another row, in which the column lies at `place`.
    fn moved(&self, place: impl Fn(usize) -> Option<usize>) -> Self {
        let column = self.column.as_ref().and_then(|column| Some(column.at(place(column.index)?)));
        Step { name: self.name.clone(), node: self.node.clone(), null: self.null, column }
    }

    #[inline]
    fn run(&self, bytes: &mut Bytes<'_>, row: &mut RowBuilder) -> Result<()> {
        self.read(bytes, row).map_err(|error| error.at(format_args!("column \"{}\"", self.name)))
    }

    fn read(&self, bytes: &mut Bytes<'_>, row: &mut RowBuilder) -> Result<()> {
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
                        "wkb" => Step::new(name, field, Some(column.clone())).read(bytes, row)?,
                        _ => bytes.skip(field)?,
                    }
                }
                Ok(())
            }
            Wire::Null | Wire::Map(_) | Wire::Union(_) => Err(column.wrong("its Avro type is not supported")),
        }
    }
}

/// What to do with a record whose fields are among the first `own` columns of a table.
fn steps(record: &Node, schema: &ArrowSchema, own: usize) -> Result<Vec<Step>> {
    let step = |(name, node): &(Box<str>, Node)| {
        let found = schema.column_with_name(name).filter(|(index, _)| *index < own);
        let Some((index, field)) = found else { return Ok(Step::new(name, node, None)) };
        Ok(Step::new(name, node, Some(column(index, field, node)?)))
    };
    record.fields().iter().map(step).collect()
}

/// Column `index` of a table, as the writer writes it.
fn column(index: usize, field: &Field, node: &Node) -> Result<Column> {
    let writer = data_type(node.nullable().0).map_err(|what| unsupported(field.name(), &what))?;
    Column::new(index, field, Writer::Typed(&writer))
}

/// What to do with one field of an envelope.
enum Part {
    Before,
    After,
    Operation,
    /// `source` or `transaction`.
    Details(Vec<DetailField>),
    TimeMs,
    Skip,
}

impl Part {
    /// `row` is the type of row images.
    fn new(name: &str, node: &Node, row: &Node) -> Result<Self> {
        Ok(match (name, &node.wire) {
            ("before" | "after", _) if node.wire != row.wire => {
                return Err(Error::Schema(format!(
                    "the value's schema describes the row otherwise in field \"{name}\""
                )));
            }
            ("before", _) => Part::Before,
            ("after", _) => Part::After,
            ("op", Wire::String) => Part::Operation,
            ("op", _) => return Err(Error::Schema("the value's schema has a field \"op\" that is no text".into())),
            ("source", Wire::Record(fields)) => Part::details(fields, Detail::of_source),
            ("transaction", Wire::Record(fields)) => Part::details(fields, Detail::of_transaction),
            ("ts_ms", Wire::Long) => Part::TimeMs,
            _ => Part::Skip,
        })
    }

    fn details(fields: &[(Box<str>, Node)], of: fn(&str) -> Option<Detail>) -> Self {
        let field = |(name, node): &(Box<str>, Node)| {
            let (inner, null) = node.nullable();
            let scalar = matches!(inner.wire, Wire::String | Wire::Int | Wire::Long | Wire::Boolean);
            DetailField { detail: of(name).filter(|_| scalar), null, node: inner.clone() }
        };
        Part::Details(fields.iter().map(field).collect())
    }
}

/// A field of `source` or `transaction`.
struct DetailField {
    /// `None` skips it.
    detail: Option<Detail>,
    /// At which branch null lies.
    null: Option<usize>,
    node: Node,
}

/// A field of an envelope.
struct EnvelopeField {
    name: Box<str>,
    /// At which branch null lies.
    null: Option<usize>,
    part: Part,
    /// The type, to skip it.
    node: Node,
}

/// Decodes the records that one pair of writer's schemas describes.
pub struct AvroDecoder {
    shape: Shape,
    row: RowBuilder,
    steps: Vec<Step>,
    /// A row as it was: its key where the table has one.
    before_row: RowBuilder,
    before_steps: Vec<Step>,
    /// The same from a record's key.
    key_steps: Vec<Step>,
    envelope: Vec<EnvelopeField>,
    names: Names,
    include: Vec<MetaColumn>,
}

impl AvroDecoder {
    /// A decoder of Debezium's envelopes into rows of `table`.
    ///
    /// # Errors
    /// If the schema is no envelope, a column's type does not fit, or the key's columns are not there.
    pub fn debezium(table: &TableSchema, key: Option<&Node>, value: &Node) -> Result<Self> {
        let row = value.field("after").map(|field| field.nullable().0);
        let row = row.ok_or_else(|| Error::Schema("the value's schema has no field \"after\"".into()))?;
        let field = |(name, node): &(Box<str>, Node)| {
            let (inner, null) = node.nullable();
            Ok(EnvelopeField { name: name.clone(), null, part: Part::new(name, inner, row)?, node: inner.clone() })
        };
        let mut decoder = AvroDecoder::plain(table, &[], row)?;
        decoder.envelope = value.fields().iter().map(field).collect::<Result<_>>()?;
        let shape = &decoder.shape;
        if let Some(lost) = shape.key_names().iter().find(|name| row.field(name).is_none()) {
            return Err(Error::Schema(format!("key column \"{lost}\" is not in the value's schema any more")));
        }
        let moved = |steps: &[Step]| steps.iter().map(|step| step.moved(|column| shape.before_place(column))).collect();
        let key_steps = key.map(|key| steps(key, &table.schema, table.kinds.len())).transpose()?;
        let (before_steps, key_steps) = (moved(&decoder.steps), moved(&key_steps.unwrap_or_default()));
        (decoder.before_steps, decoder.key_steps) = (before_steps, key_steps);
        Ok(decoder)
    }

    /// A decoder of records that are rows.
    ///
    /// # Errors
    /// If a column's type does not fit.
    pub fn plain(table: &TableSchema, include: &[MetaColumn], value: &Node) -> Result<Self> {
        let shape = Shape::new(table);
        Ok(AvroDecoder {
            row: RowBuilder::new(table.kinds.clone()),
            steps: steps(value, &table.schema, table.kinds.len() - include.len())?,
            before_row: RowBuilder::new(shape.before_kinds()),
            before_steps: Vec::new(),
            key_steps: Vec::new(),
            envelope: Vec::new(),
            names: Names::default(),
            include: include.to_vec(),
            shape,
        })
    }

    /// The change that an envelope describes. Bodies come without Confluent's header.
    ///
    /// # Errors
    /// If the bytes are not what the writer's schema says.
    pub fn decode(&mut self, key: Option<&[u8]>, value: &[u8]) -> Result<Event> {
        let mut bytes = Bytes(value);
        let mut fields = Fields::default();
        let read = self.read_envelope(&mut bytes, &mut fields).and_then(|()| bytes.end());
        read.map_err(|error| error.at(format_args!("at byte {} of {}", value.len() - bytes.0.len(), value.len())))?;
        if fields.needs_key() && !self.key_steps.is_empty() {
            let key = key.ok_or_else(|| Error::decode("a deletion without key and before-image"))?;
            let mut bytes = Bytes(key);
            let row = read_row(&self.key_steps, &mut bytes, &mut self.before_row);
            fields.before = Some(row.and_then(|row| bytes.end().map(|()| row)).map_err(|error| error.at("the key"))?);
        }
        self.shape.event(fields, &mut self.names)
    }

    fn read_envelope(&mut self, bytes: &mut Bytes<'_>, fields: &mut Fields) -> Result<()> {
        let mut images = Images {
            before: (&self.before_steps, &mut self.before_row),
            after: (&self.steps, &mut self.row),
            names: &mut self.names,
        };
        for field in &self.envelope {
            let read = images.read_field(field, bytes, fields);
            read.map_err(|error| error.at(format_args!("field \"{}\"", field.name)))?;
        }
        Ok(())
    }

    /// The row that a record without envelope is.
    ///
    /// # Errors
    /// If the bytes are not what the writer's schema says.
    pub fn decode_row(&mut self, value: &[u8], meta: &RecordMeta) -> Result<Row> {
        let mut bytes = Bytes(value);
        let first = self.row.kinds().len() - self.include.len();
        set_metadata(&mut self.row, first, &self.include, meta);
        let row = read_row(&self.steps, &mut bytes, &mut self.row)?;
        bytes.end()?;
        Ok(row)
    }
}

/// How to read an envelope's row images, and the names that come again.
struct Images<'a> {
    before: (&'a [Step], &'a mut RowBuilder),
    after: (&'a [Step], &'a mut RowBuilder),
    names: &'a mut Names,
}

impl Images<'_> {
    fn read_field(&mut self, field: &EnvelopeField, bytes: &mut Bytes<'_>, fields: &mut Fields) -> Result<()> {
        if let Some(null) = field.null
            && bytes.branch(2)? == null
        {
            return Ok(());
        }
        match &field.part {
            Part::Before => fields.before = Some(read_row(self.before.0, bytes, self.before.1)?),
            Part::After => fields.after = Some(read_row(self.after.0, bytes, self.after.1)?),
            Part::Operation => fields.operation(bytes.text()?)?,
            Part::Details(of) => of.iter().try_for_each(|field| self.read_detail(field, bytes, fields))?,
            Part::TimeMs => fields.ts_ms = bytes.long()?,
            Part::Skip => bytes.skip(&field.node)?,
        }
        Ok(())
    }
}

impl Images<'_> {
    fn read_detail(&mut self, field: &DetailField, bytes: &mut Bytes<'_>, fields: &mut Fields) -> Result<()> {
        if let Some(null) = field.null
            && bytes.branch(2)? == null
        {
            return Ok(());
        }
        let Some(detail) = field.detail else { return bytes.skip(&field.node) };
        let value = match field.node.wire {
            Wire::String => Scalar::Text(bytes.text()?),
            Wire::Boolean => Scalar::Bool(bytes.boolean()?),
            _ => Scalar::Long(bytes.long()?),
        };
        fields.detail(detail, value, self.names);
        Ok(())
    }
}

/// A row; `row` is empty afterwards, whatever came.
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
    let shape = Shape::new(table);
    let steps = match (schema.fields(), columns) {
        ([], [index]) => {
            let field = table.schema.field(*index);
            vec![Step::new(field.name(), schema, Some(column(*index, field, schema)?))]
        }
        ([], _) => return Err(Error::decode("a key of one value for a key of several columns")),
        _ => steps(schema, &table.schema, table.kinds.len())?,
    };
    let steps: Vec<_> = steps.iter().map(|step| step.moved(|column| shape.before_place(column))).collect();
    let mut bytes = Bytes(body);
    let row = read_row(&steps, &mut bytes, &mut RowBuilder::new(shape.before_kinds()))?;
    bytes.end()?;
    shape.whole_key(row.as_ref())?;
    Ok(row)
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

//! Avro records straight into packed rows, driven by the writer's schema.
//!
//! Columns are matched by name: one that the writer lacks has its default (`history.rs`), one that the table lacks is skipped.
//! Lengths and branches come from outside, so every read is checked. A value that does not fit its column fails its record, which
//! is read on all the same for what identifies it. Source: the Avro 1.11 specification, "binary encoding"; Confluent's wire
//! format (a zero byte, the schema's id as four bytes, the body).

use std::sync::Arc;

use tidewater_delta::{Row, RowBuilder};
use tidewater_types::{Column, TableSchema};

use crate::avro_bytes::Bytes;
pub use crate::avro_table::{debezium_table, plain_table, with_first_defaults};
use crate::avro_table::{logical, unsupported};
use crate::column::{Cell, Writer};
use crate::debezium::{Detail, Fields, Names, Scalar, Shape};
use crate::error::{Error, Result, Undecodable};
use crate::event::{Boundary, Event, MetaColumn, RecordMeta};
use crate::faults::{Faults, LostColumn, Tolerance};
use crate::foreign;
use crate::history::{Fill, History, fill};
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

/// What to do with one field of a record.
struct Step {
    name: Box<str>,
    node: Node,
    /// At which branch null lies.
    null: Option<usize>,
    /// Where it goes; `None` skips it.
    column: Option<Cell>,
}

impl Step {
    fn new(name: &str, node: &Node, column: Option<Cell>) -> Self {
        let (inner, null) = node.nullable();
        Step { name: name.into(), node: inner.clone(), null, column }
    }

    /// The same for another row, in which the column lies at `place`.
    fn moved(&self, place: impl Fn(usize) -> Option<usize>) -> Self {
        let column = self.column.as_ref().and_then(|column| Some(column.at(place(column.index)?)));
        Step { name: self.name.clone(), node: self.node.clone(), null: self.null, column }
    }

    /// Passes over the field.
    #[inline]
    fn skip(&self, bytes: &mut Bytes<'_>) -> Result<()> {
        match self.null {
            Some(null) if bytes.branch(2)? == null => Ok(()),
            _ => bytes.skip(&self.node),
        }
    }

    /// The outer error is of bytes that cannot be read on; what does not fit the column goes to `faults`.
    #[inline]
    fn run(&self, bytes: &mut Bytes<'_>, row: &mut RowBuilder, faults: &mut Faults) -> Result<()> {
        match self.read(bytes, row) {
            Ok(Ok(())) => Ok(()),
            Ok(found) => {
                faults.column(self.column.as_ref().map_or(usize::MAX, |column| column.index), found);
                Ok(())
            }
            Err(error) => Err(error.at(format_args!("column \"{}\"", self.name))),
        }
    }

    #[inline]
    fn read(&self, bytes: &mut Bytes<'_>, row: &mut RowBuilder) -> Result<Result<()>> {
        if let Some(null) = self.null {
            let branch = bytes.branch(2)?;
            if branch == null {
                return Ok(Ok(()));
            }
        }
        let Some(column) = &self.column else { return bytes.skip(&self.node).map(Ok) };
        Ok(match &self.node.wire {
            Wire::Int | Wire::Long => column.set_long(row, bytes.long()?),
            Wire::String => column.set_utf8(row, bytes.bytes()?),
            Wire::Bytes => column.set_bytes(row, bytes.bytes()?),
            Wire::Fixed(size) => column.set_bytes(row, bytes.take(*size)?),
            Wire::Boolean => column.set_bool(row, bytes.boolean()?),
            Wire::Float => column.set_double(row, f64::from(bytes.float()?)),
            Wire::Double => column.set_double(row, bytes.double()?),
            Wire::Enum(symbols) => column.set_text(row, &symbols[bytes.branch(symbols.len())?]),
            Wire::Array(_) => column.set_floats(row, &bytes.floats()?),
            Wire::Record(fields) => {
                let mut result = Ok(());
                for (name, field) in fields.iter() {
                    match &**name {
                        "wkb" => result = Step::new(name, field, Some(column.clone())).read(bytes, row)?,
                        _ => bytes.skip(field)?,
                    }
                }
                result
            }
            Wire::Null | Wire::Map(_) | Wire::Union(_) => {
                bytes.skip(&self.node)?;
                Err(column.wrong("its Avro type is not supported"))
            }
        })
    }
}

/// Steps for a record, and the columns that cannot be made by them.
type Steps = (Vec<Step>, Vec<LostColumn>);

/// What to do with a record whose fields are among `columns`, the first of a table. `debezium` or a service wrote it.
fn steps(record: &Node, columns: &[Column], debezium: bool) -> Steps {
    let mut lost = Vec::new();
    let step = |(name, node): &(Box<str>, Node)| {
        let found = columns.iter().enumerate().find(|(_, column)| *column.name == **name);
        let cell = found.and_then(|(index, column)| match cell(index, column, node, debezium) {
            Ok(cell) => Some(cell),
            Err(error) => {
                lost.push((index, error));
                None
            }
        });
        Step::new(name, node, cell)
    };
    (record.fields().iter().map(step).collect(), lost)
}

/// Column `index` of a table, as the writer writes it.
fn cell(index: usize, column: &Column, node: &Node, debezium: bool) -> Result<Cell> {
    let node = node.nullable().0;
    let writer = logical(node).map_err(|what| unsupported(&column.name, &what))?;
    let mut cell = Cell::new(index, column, Writer::Typed(writer))?;
    cell.wraps &= debezium && node.unsigned != Some(false);
    Ok(cell)
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
    /// Why rows of this writer cannot be of the table, if so.
    refused: Option<Error>,
    /// Columns that this writer's rows have no value for.
    lacking: Vec<LostColumn>,
    /// What rows lack of the table.
    fill: Fill,
    /// The writer's columns.
    columns: Vec<Box<str>>,
    tolerance: Tolerance,
    /// Columns of the last row that have no value.
    lost: Vec<LostColumn>,
}

impl AvroDecoder {
    /// A decoder of Debezium's envelopes into rows of `table`. Where the writer's rows cannot be rows of the table, every record
    /// that has one is refused, with what it says of itself.
    ///
    /// # Errors
    /// If the schema is no envelope.
    pub fn debezium(table: &TableSchema, key: Option<&Node>, value: &Node) -> Result<Self> {
        let row = value.field("after").map(|field| field.nullable().0);
        let names = value.fields().iter().map(|(name, _)| &**name);
        let row = row.ok_or_else(|| foreign::not_an_envelope(names))?;
        let field = |(name, node): &(Box<str>, Node)| {
            let (inner, null) = node.nullable();
            Ok(EnvelopeField { name: name.clone(), null, part: Part::new(name, inner, row)?, node: inner.clone() })
        };
        let mut decoder = AvroDecoder::new(table, &[], row, true);
        decoder.envelope = value.fields().iter().map(field).collect::<Result<_>>()?;
        let shape = &decoder.shape;
        let lost = shape.key_names().iter().find(|name| row.field(name).is_none());
        let lost =
            lost.map(|lost| Error::Schema(format!("key column \"{lost}\" is not in the value's schema any more")));
        let foreign = key.filter(|_| shape.has_key()).map_or(&[][..], Node::fields);
        let foreign = foreign.iter().find(|(name, _)| !shape.is_of_key(name));
        let foreign = foreign.map(|(name, _)| shape.foreign_key_column(name).into_schema());
        let moved = |steps: &[Step]| {
            let steps = steps.iter().map(|step| step.moved(|column| shape.before_place(column)));
            let mut steps: Vec<_> = steps.collect();
            if shape.has_key() {
                // What follows the key's last column is passed over.
                steps.truncate(steps.iter().rposition(|step| step.column.is_some()).map_or(0, |last| last + 1));
            }
            steps
        };
        let before_steps = moved(&decoder.steps);
        let key_steps = key.map(|key| steps(key, &table.columns, true).0).unwrap_or_default();
        let key_steps = key_steps.iter().map(|step| step.moved(|column| shape.before_place(column))).collect();
        (decoder.before_steps, decoder.key_steps) = (before_steps, key_steps);
        decoder.refused = lost.or(foreign);
        Ok(decoder)
    }

    /// A decoder of records that are rows.
    ///
    /// # Errors
    /// If a column's type does not fit.
    pub fn plain(table: &TableSchema, include: &[MetaColumn], value: &Node) -> Result<Self> {
        let decoder = AvroDecoder::new(table, include, value, false);
        let Some((_, error)) = decoder.lacking.first() else { return Ok(decoder) };
        // A table may have columns of these names; then they are meant.
        let names = value.fields().iter().map(|(name, _)| &**name);
        foreign::no_envelope(names.filter(|name| table.index_of(name).is_none()))?;
        Err(error.clone())
    }

    fn new(table: &TableSchema, include: &[MetaColumn], value: &Node, debezium: bool) -> Self {
        let shape = Shape::new(table);
        let own = table.columns.len() - include.len();
        let (steps, mut lacking) = steps(value, &table.columns[..own], debezium);
        let columns: Vec<_> = value.fields().iter().map(|(name, _)| name.clone()).collect();
        // As far as this writer alone can tell.
        let judged = History::new(table, own).enter(columns.iter().map(|name| &**name));
        lacking.extend(judged.lost.iter().cloned());
        AvroDecoder {
            row: RowBuilder::new(table.widths.clone()),
            steps,
            before_row: RowBuilder::new(shape.before_widths()),
            before_steps: Vec::new(),
            key_steps: Vec::new(),
            envelope: Vec::new(),
            names: Names::default(),
            include: include.to_vec(),
            refused: None,
            lacking,
            fill: judged.fill,
            columns,
            tolerance: Tolerance::default(),
            lost: Vec::new(),
            shape,
        }
    }

    /// Judges the writer by those before it.
    pub(crate) fn follow(&mut self, history: &mut History) {
        let judged = history.enter(self.columns.iter().map(|name| &**name));
        self.fill = judged.fill;
        self.lacking.extend(judged.lost.iter().cloned());
    }

    /// Columns that may be lost without the record.
    pub(crate) fn tolerate(&mut self, tolerance: &Tolerance) {
        self.tolerance = tolerance.clone();
    }

    /// The columns of the last record's row that have no value, and why.
    pub(crate) fn take_lost(&mut self) -> Vec<LostColumn> {
        std::mem::take(&mut self.lost)
    }

    /// The change that an envelope describes. Bodies come without Confluent's header.
    ///
    /// # Errors
    /// If the bytes are not what the writer's schema says.
    pub fn decode(&mut self, key: Option<&[u8]>, value: &[u8]) -> Result<Event, Undecodable> {
        let mut bytes = Bytes(value);
        let mut images = Images { faults: Faults::new(&self.tolerance), before: None };
        let mut fields = Fields::default();
        let mut read = self.read_envelope(&mut bytes, &mut fields, &mut images);
        if read.is_ok() {
            read = bytes.end();
        }
        let place = format_args!("at byte {} of {}", value.len() - bytes.0.len(), value.len());
        let read = read.map_err(|error| error.at(place));
        let result = match images.faults.take().or(read.err()) {
            Some(error) => Err(error),
            None => self.complete(key, images.before, &mut fields),
        };
        self.lost = images.faults.into_lost();
        match result {
            Ok(()) => self.shape.event(fields, &mut self.names),
            Err(error) => Err(fields.undecodable(error, &mut self.names)),
        }
    }

    /// Takes the key from the row as it was or from the record's key, if need be.
    fn complete(&mut self, key: Option<&[u8]>, before: Option<&[u8]>, fields: &mut Fields) -> Result<()> {
        if let Some(before) = before
            && fields.wants_before()
        {
            read_steps(&self.before_steps, &mut Bytes(before), &mut self.before_row)?;
            let taken = fields.take_before(&self.shape, &mut self.before_row);
            self.before_row.reset();
            taken?;
        }
        if fields.needs_key() && !self.key_steps.is_empty() {
            let key = key.ok_or_else(|| Error::decode("a deletion without key and before-image"))?;
            let mut bytes = Bytes(key);
            let read = read_steps(&self.key_steps, &mut bytes, &mut self.before_row).and_then(|()| bytes.end());
            let row = self.before_row.take();
            fields.before = Some(read.map(|()| row).map_err(|error| error.at("the key"))?);
        }
        Ok(())
    }

    fn read_envelope<'a>(&mut self, bytes: &mut Bytes<'a>, fields: &mut Fields, images: &mut Images<'a>) -> Result<()> {
        let AvroDecoder { envelope, row, before_row, steps, before_steps, names, shape, refused, .. } = self;
        for field in envelope.iter() {
            if let Some(null) = field.null
                && bytes.branch(2)? == null
            {
                continue;
            }
            let read = match &field.part {
                Part::Before if shape.has_key() => {
                    images.before = Some(bytes.0);
                    steps.iter().try_for_each(|step| step.skip(bytes))
                }
                Part::Before | Part::After if refused.is_some() => {
                    images.faults.record(refused.clone().map_or(Ok(()), Err));
                    bytes.skip(&field.node)
                }
                Part::Before => {
                    read_image(before_steps, bytes, before_row, (&self.fill, &self.lacking), &mut images.faults)
                        .map(|row| fields.before = row)
                }
                Part::After => read_image(steps, bytes, row, (&self.fill, &self.lacking), &mut images.faults)
                    .map(|row| fields.after = row),
                Part::Operation => match bytes.text() {
                    Ok(text) => {
                        images.faults.record(fields.operation(text));
                        Ok(())
                    }
                    Err(error) => Err(error),
                },
                Part::Details(of) => of.iter().try_for_each(|field| field.read(bytes, fields, names)),
                Part::TimeMs => bytes.long().map(|value| fields.ts_ms = value),
                Part::Skip => bytes.skip(&field.node),
            };
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
        let first = self.row.widths().len() - self.include.len();
        set_metadata(&mut self.row, first, &self.include, meta);
        let read = read_steps(&self.steps, &mut bytes, &mut self.row);
        fill(&self.fill, &mut self.row, Some);
        let row = self.row.take();
        read?;
        bytes.end()?;
        Ok(row)
    }
}

/// What a record gave beside its fields.
struct Images<'a> {
    /// Why it is no event, or not all of one, although its bytes are whole.
    faults: Faults,
    /// Where its image `before` begins, if only the key is needed of that.
    before: Option<&'a [u8]>,
}

impl DetailField {
    #[inline]
    fn read(&self, bytes: &mut Bytes<'_>, fields: &mut Fields, names: &mut Names) -> Result<()> {
        if let Some(null) = self.null
            && bytes.branch(2)? == null
        {
            return Ok(());
        }
        let Some(detail) = self.detail else { return bytes.skip(&self.node) };
        let value = match self.node.wire {
            Wire::String => Scalar::Text(bytes.bytes()?),
            Wire::Boolean => Scalar::Bool(bytes.boolean()?),
            _ => Scalar::Long(bytes.long()?),
        };
        fields.detail(detail, value, names);
        Ok(())
    }
}

/// A row image of all columns; `None` if a value did not fit. `row` is empty afterwards, whatever came.
fn read_image(
    steps: &[Step],
    bytes: &mut Bytes<'_>,
    row: &mut RowBuilder,
    (values, lacking): (&Fill, &[LostColumn]),
    faults: &mut Faults,
) -> Result<Option<Row>> {
    for step in steps {
        if let Err(error) = step.run(bytes, row, faults) {
            row.reset();
            return Err(error);
        }
    }
    if !values.is_empty() {
        fill(values, row, Some);
    }
    faults.all(lacking);
    if faults.is_fatal() {
        row.reset();
        return Ok(None);
    }
    faults.strike(row);
    Ok(Some(row.take()))
}

/// The columns of a row; whatever is wrong is an error.
fn read_steps(steps: &[Step], bytes: &mut Bytes<'_>, row: &mut RowBuilder) -> Result<()> {
    let mut faults = Faults::default();
    let read = steps.iter().try_for_each(|step| step.run(bytes, row, &mut faults));
    let result = faults.take().map_or(Ok(()), Err).and(read);
    if result.is_err() {
        row.reset();
    }
    result
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
            Wire::String => take(name, Scalar::Text(bytes.bytes()?))?,
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
            let column = &table.columns[*index];
            vec![Step::new(&column.name, schema, Some(cell(*index, column, schema, false)?))]
        }
        ([], _) => return Err(Error::decode("a key of one value for a key of several columns")),
        _ => match steps(schema, &table.columns, false) {
            (steps, lost) if lost.is_empty() => steps,
            (_, mut lost) => return Err(lost.swap_remove(0).1),
        },
    };
    let steps: Vec<_> = steps.iter().map(|step| step.moved(|column| shape.before_place(column))).collect();
    let mut bytes = Bytes(body);
    let mut row = RowBuilder::new(shape.before_widths());
    read_steps(&steps, &mut bytes, &mut row)?;
    let row = row.take();
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
                        ("data_collection", Scalar::Text(text)) => name = String::from_utf8_lossy(text).into(),
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

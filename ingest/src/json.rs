//! JSON records straight into packed rows: no tree of values is built.
//!
//! Debezium's JSON comes with a schema in every record (`{"schema": …, "payload": …}`) or without; which one is seen in each
//! record. Values are typed by the table's columns. A value that does not fit its column fails its record, which is read on all
//! the same for what identifies it. Source: Debezium's documentation of the MySQL connector; Kafka Connect's JsonConverter.

use serde::Deserialize;
use tidewater_delta::{Row, RowBuilder};
use tidewater_types::TableSchema;

use crate::column::{Cell, Writer};
use crate::debezium::{Detail, Fields, Names, Shape};
use crate::error::{Error, Result, Undecodable};
use crate::event::{Boundary, Event, MetaColumn, RecordMeta};
use crate::faults::{Faults, LostColumn, Tolerance};
use crate::foreign;
use crate::history::{History, Judged, fill};
use crate::include::set_metadata;
use crate::json_reader::{Layout, Reader};
use crate::json_schema::Described;
pub use crate::json_schema::debezium_table;
use crate::json_value::{read_details, read_key, read_row, read_value};
use crate::learned::Lesson;

/// Columns by the names that records give them, in the table's order.
type Columns = Vec<(Box<str>, Cell)>;

/// A member of an envelope, or of what is around it.
#[derive(Debug, Clone, Copy)]
enum Part {
    Before,
    After,
    Operation,
    Source,
    Transaction,
    TimeMs,
    Schema,
    Payload,
    Skip,
}

impl Part {
    fn of(name: &str) -> Self {
        match name {
            "before" => Part::Before,
            "after" => Part::After,
            "op" => Part::Operation,
            "source" => Part::Source,
            "transaction" => Part::Transaction,
            "ts_ms" => Part::TimeMs,
            "schema" => Part::Schema,
            "payload" => Part::Payload,
            _ => Part::Skip,
        }
    }
}

/// A member of a row without an envelope, or of what is around it.
#[derive(Debug, Clone, Copy)]
enum Member {
    Column(usize),
    Schema,
    Payload,
    Skip,
}

/// Orders of members, as the last record had them.
#[derive(Debug, Default)]
struct Layouts {
    /// The record, and the payload in it.
    record: Layout<Part>,
    payload: Layout<Part>,
    source: Layout<Option<Detail>>,
    transaction: Layout<Option<Detail>>,
    row: Layout<Option<usize>>,
    /// A row as it was, of which only the key is read.
    before: Layout<Option<usize>>,
    key: Layout<bool>,
    /// A record without an envelope.
    plain: Layout<Member>,
}

/// What a record gave beside its fields.
struct Found<'a> {
    /// Why it is no event, or not all of one, although its text is whole.
    faults: Faults,
    /// Where its image `before` begins, if only the key is needed of that.
    before: Option<Reader<'a>>,
}

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
    debezium: bool,
    layouts: Layouts,
    /// The schema that the last record carried, and the last key; most carry the same.
    writer: Box<str>,
    key_writer: Box<str>,
    /// Columns that the schema of the last record names, if it carried one.
    described: Option<Vec<Box<str>>>,
    history: History,
    /// What rows as the last one lack.
    judged: Judged,
    /// Columns whose types the schema of the last record names and that cannot be of the table's.
    retyped: Vec<LostColumn>,
    tolerance: Tolerance,
    /// Columns of the last row that have no value.
    lost: Vec<LostColumn>,
    /// Another schema that records carry, of which nobody was told yet.
    taught: Option<Box<str>>,
}

impl JsonDecoder {
    /// A decoder of Debezium's envelopes.
    ///
    /// # Errors
    /// If records cannot hold the type of a column.
    pub fn debezium(table: &TableSchema) -> Result<Self> {
        JsonDecoder::new(table, &[], true)
    }

    /// A decoder of objects that are rows.
    ///
    /// # Errors
    /// If records cannot hold the type of a column.
    pub fn plain(table: &TableSchema, include: &[MetaColumn]) -> Result<Self> {
        JsonDecoder::new(table, include, false)
    }

    fn new(table: &TableSchema, include: &[MetaColumn], debezium: bool) -> Result<Self> {
        let own = table.columns.len() - include.len();
        let writer = if debezium { Writer::Debezium } else { Writer::Service };
        let columns = table.columns.iter().take(own).enumerate();
        let columns = columns.map(|(at, column)| Ok((column.name.as_str().into(), Cell::new(at, column, writer)?)));
        let shape = Shape::new(table);
        let mut decoder = JsonDecoder {
            columns: columns.collect::<Result<_>>()?,
            row: RowBuilder::new(table.widths.clone()),
            before_columns: Vec::new(),
            before_row: RowBuilder::new(shape.before_widths()),
            names: Names::default(),
            include: include.to_vec(),
            debezium,
            layouts: Layouts::default(),
            writer: Box::default(),
            key_writer: Box::default(),
            described: None,
            history: History::new(table, own),
            judged: Judged::whole(),
            retyped: Vec::new(),
            tolerance: Tolerance::default(),
            lost: Vec::new(),
            taught: None,
            table: table.clone(),
            shape,
        };
        decoder.derive_before();
        Ok(decoder)
    }

    /// Columns that may be lost without the record.
    pub(crate) fn tolerate(&mut self, tolerance: &Tolerance) {
        self.tolerance = tolerance.clone();
    }

    /// The columns of the last record's row that have no value, and why.
    pub(crate) fn take_lost(&mut self) -> Vec<LostColumn> {
        std::mem::take(&mut self.lost)
    }

    /// What the last records of `partition` have taught.
    pub(crate) fn take_lessons(&mut self, partition: i32) -> impl Iterator<Item = Lesson> {
        let schema = self.taught.take().map(|schema| Lesson::Schema(partition, schema));
        let shapes = self.history.take_news().into_iter().map(move |names| Lesson::Shape(partition, names));
        schema.into_iter().chain(shapes)
    }

    /// Knows from the beginning what records have taught before.
    pub(crate) fn know(&mut self, history: Option<&History>, schema: Option<&str>) {
        if let Some(history) = history {
            self.history = history.clone();
        }
        // One that cannot be read was an error of its records, and will be again.
        if let Some(Ok(names)) = schema.map(|schema| self.describe(schema)) {
            self.described = Some(names);
        }
    }

    fn derive_before(&mut self) {
        let moved =
            |(name, column): &(Box<str>, Cell)| Some((name.clone(), column.at(self.shape.before_place(column.index)?)));
        self.before_columns = self.columns.iter().filter_map(moved).collect();
    }

    /// Reads the types, units and scales that a record's schema names; gives the names.
    #[cold]
    fn describe(&mut self, schema: &str) -> Result<Vec<Box<str>>> {
        let described: Described = serde_json::from_str(schema).map_err(|error| Error::decode(error.to_string()))?;
        self.retyped.clear();
        for (name, column) in &mut self.columns {
            let Some(field) = Described::named(described.row(), name) else { continue };
            let own = &self.table.columns[column.index];
            let writer = field.logical().map_err(|what| {
                Error::Schema(format!("column \"{name}\" has Connect type {what}, which rows cannot hold"))
            });
            match writer.and_then(|writer| Cell::new(column.index, own, Writer::Typed(writer))) {
                Ok(typed) => {
                    *column = typed;
                    column.wraps &= self.debezium && field.is_unsigned() != Some(false);
                }
                Err(error) => self.retyped.push((column.index, error)),
            }
        }
        self.derive_before();
        let names = described.row().iter().filter_map(|field| field.field.as_deref());
        self.writer = schema.into();
        Ok(names.map(Into::into).collect())
    }

    /// The change that an envelope describes.
    ///
    /// # Errors
    /// If it is not JSON, no envelope, or a value does not fit its column.
    pub fn decode(&mut self, key: Option<&[u8]>, value: &[u8]) -> Result<Event, Undecodable> {
        let Ok(text) = std::str::from_utf8(value) else {
            // What can be read of it all the same tells which transaction it is of.
            return self.event(key, &String::from_utf8_lossy(value), Some(Error::decode("the record is not UTF-8")));
        };
        self.event(key, text, None)
    }

    fn event(&mut self, key: Option<&[u8]>, text: &str, failed: Option<Error>) -> Result<Event, Undecodable> {
        let (mut fields, mut found) = (Fields::default(), Found { faults: Faults::new(&self.tolerance), before: None });
        found.faults.record(failed.map_or(Ok(()), Err));
        let mut reader = Reader::new(text);
        let mut read = self.read_envelope(&mut reader, false, &mut fields, &mut found);
        if read.is_ok() {
            read = reader.end();
        }
        found.faults.fatal(&self.retyped);
        if let Some(error) = found.faults.take().or(read.err()) {
            self.row.reset();
            self.before_row.reset();
            return Err(fields.undecodable(error, &mut self.names));
        }
        self.lost = found.faults.into_lost();
        let whole = self.complete(key, found.before, &mut fields);
        self.before_row.reset();
        match whole {
            Ok(()) => self.shape.event(fields, &mut self.names),
            Err(error) => Err(fields.undecodable(error, &mut self.names)),
        }
    }

    /// Looks at the key, and takes it from where the row as it was has it, if need be.
    fn complete(&mut self, key: Option<&[u8]>, before: Option<Reader<'_>>, fields: &mut Fields) -> Result<()> {
        if fields.is_no_envelope() {
            let inner = self.layouts.record.meanings().any(|part| matches!(part, Part::Payload));
            let members = if inner { &self.layouts.payload } else { &self.layouts.record };
            let names: Vec<_> = members.names().collect();
            return Err(foreign::not_an_envelope(names.iter().map(String::as_str)));
        }
        if let Some(key) = key {
            self.check_key(key).map_err(|error| error.at("the key"))?;
        }
        if let Some(mut reader) = before
            && fields.wants_before()
        {
            read_key(&self.before_columns, &mut self.layouts.before, &mut self.before_row, &mut reader)?;
            fields.take_before(&self.shape, &mut self.before_row)?;
        }
        if fields.needs_key() {
            let key = key.ok_or_else(|| Error::decode("a deletion without key and before-image"))?;
            fields.before = Some(self.row_of(key, true).map_err(|error| error.at("the key"))?);
        }
        Ok(())
    }

    /// An envelope, or the object of schema and payload around it.
    fn read_envelope<'a>(
        &mut self,
        reader: &mut Reader<'a>,
        inner: bool,
        fields: &mut Fields,
        found: &mut Found<'a>,
    ) -> Result<()> {
        if inner && reader.peek() == b'n' {
            return reader.word("null");
        }
        reader.open(b'{', "a Debezium change event")?;
        let mut at = 0;
        loop {
            let layout = if inner { &mut self.layouts.payload } else { &mut self.layouts.record };
            let Some(part) = layout.next(reader, at, Part::of)? else { return Ok(()) };
            at += 1;
            match part {
                Part::Before if reader.peek() == b'{' && self.shape.has_key() => {
                    found.before = Some(reader.clone());
                    reader.skip()?;
                }
                Part::Before => fields.before = self.read_image(reader, found)?,
                Part::After => fields.after = self.read_image(reader, found)?,
                Part::Operation if reader.peek() == b'"' => found.faults.record(fields.operation(&reader.string()?)),
                Part::Source => {
                    read_details(reader, Detail::of_source, &mut self.layouts.source, fields, &mut self.names)?;
                }
                Part::Transaction => {
                    let layout = &mut self.layouts.transaction;
                    read_details(reader, Detail::of_transaction, layout, fields, &mut self.names)?;
                }
                Part::TimeMs if reader.peek() != b'n' => fields.ts_ms = reader.number()?.parse().unwrap_or(0),
                Part::Schema if !inner => self.read_schema(reader, at > 1, found)?,
                Part::Payload if !inner => self.read_envelope(reader, true, fields, found)?,
                Part::Operation | Part::TimeMs | Part::Schema | Part::Payload | Part::Skip => reader.skip()?,
            }
        }
    }

    /// The schema beside a payload; `late` if something came before it.
    #[inline]
    fn read_schema(&mut self, reader: &mut Reader<'_>, late: bool, found: &mut Found<'_>) -> Result<()> {
        reader.peek();
        if !self.writer.is_empty() && reader.eat(self.writer.as_bytes()) {
            return Ok(());
        }
        let schema = reader.value()?;
        if schema == "null" {
            return Ok(());
        }
        if late {
            found.faults.record(Err(Error::decode("the record's schema comes behind its payload")));
        }
        // Its rows are judged anew.
        self.layouts.row = Layout::default();
        match self.describe(schema) {
            Ok(names) => {
                self.described = Some(names);
                self.taught = Some(schema.into());
            }
            Err(error) => found.faults.record(Err(error)),
        }
        Ok(())
    }

    /// A row image of all columns, or null.
    fn read_image(&mut self, reader: &mut Reader<'_>, found: &mut Found<'_>) -> Result<Option<Row>> {
        if reader.peek() == b'n' {
            return reader.word("null").map(|()| None);
        }
        self.layouts.row.changed = false;
        read_row(&self.columns, &mut self.layouts.row, &mut self.row, reader, &mut found.faults)?;
        if self.layouts.row.changed {
            self.judged = self.judge();
        }
        if !self.judged.fill.is_empty() {
            fill(&self.judged.fill, &mut self.row, Some);
        }
        found.faults.all(&self.judged.lost);
        found.faults.all(&self.retyped);
        if found.faults.is_fatal() {
            self.row.reset();
            return Ok(None);
        }
        found.faults.strike(&mut self.row);
        Ok(Some(self.row.take()))
    }

    /// What rows as the one just read lack.
    #[cold]
    fn judge(&mut self) -> Judged {
        let names: Vec<_> = self.layouts.row.names().collect();
        let Some(described) = &self.described else {
            return self.history.enter(names.iter().map(String::as_str));
        };
        let mut judged = self.history.enter(described.iter().map(|name| &**name));
        let partial = self.columns.iter().filter(|(column, _)| {
            described.iter().any(|name| name == column) && names.iter().all(|found| **found != **column)
        });
        let partial = partial.map(|(name, column)| {
            let text = format!(
                "column \"{name}\" is in the record's schema and not in its row, so the row is partial and its value unknown: set \
                 binlog_row_image=FULL in MySQL and take no transform that drops fields"
            );
            (column.index, Error::decode(text))
        });
        judged.lost = judged.lost.iter().cloned().chain(partial).collect();
        judged
    }

    /// Whether the record's key is of the table's key.
    #[inline]
    fn check_key(&mut self, key: &[u8]) -> Result<()> {
        let text = std::str::from_utf8(key).map_err(|_| Error::decode("it is not UTF-8"))?;
        let mut reader = Reader::new(text);
        if reader.eat(b"{\"schema\":") {
            if self.key_writer.is_empty() || !reader.eat(self.key_writer.as_bytes()) {
                self.key_writer = reader.value()?.into();
            }
            if !reader.eat(b",\"payload\":") {
                return Ok(());
            }
        }
        if !self.shape.has_key() || reader.peek() != b'{' {
            return Ok(());
        }
        reader.open(b'{', "an object")?;
        let (layout, mut at) = (&mut self.layouts.key, 0);
        while let Some(known) = layout.next(&mut reader, at, |name| self.shape.is_of_key(name))? {
            if !known {
                let name = layout.names().nth(at).unwrap_or_default();
                return Err(self.shape.foreign_key_column(&name));
            }
            reader.skip()?;
            at += 1;
        }
        Ok(())
    }

    /// The row that an object is.
    ///
    /// # Errors
    /// As [`JsonDecoder::decode`].
    pub fn decode_row(&mut self, value: &[u8], meta: &RecordMeta) -> Result<Row> {
        let first = self.row.widths().len() - self.include.len();
        set_metadata(&mut self.row, first, &self.include, meta);
        self.row_of(value, false)
    }

    /// The row that an object is; of a row as it was, if `before`.
    fn row_of(&mut self, value: &[u8], before: bool) -> Result<Row> {
        let found = std::str::from_utf8(value).map_err(|_| Error::decode("the record is not UTF-8"));
        let found = found.and_then(|text| self.read_unwrapped(&mut Reader::new(text), before));
        let row = if before { &mut self.before_row } else { &mut self.row };
        let row = row.take();
        found.map(|()| row)
    }

    /// A row that may be the payload beside a schema.
    fn read_unwrapped(&mut self, reader: &mut Reader<'_>, before: bool) -> Result<()> {
        let mut layout = if before { Layout::default() } else { std::mem::take(&mut self.layouts.plain) };
        layout.changed = false;
        let (mut at, mut schema, mut faults) = (0, None, Faults::default());
        reader.open(b'{', "an object that is a row")?;
        loop {
            let columns = if before { &self.before_columns } else { &self.columns };
            let member = |name: &str| match columns.iter().position(|(column, _)| **column == *name) {
                Some(index) => Member::Column(index),
                None if name == "schema" => Member::Schema,
                None if name == "payload" => Member::Payload,
                None => Member::Skip,
            };
            let Some(member) = layout.next(reader, at, member)? else { break };
            at += 1;
            match (member, schema) {
                (Member::Column(index), _) => {
                    let row = if before { &mut self.before_row } else { &mut self.row };
                    let column = &columns[index].1;
                    faults.column(column.index, read_value(reader, column, row)?);
                }
                (Member::Schema, _) => schema = Some(reader.value()?),
                (Member::Payload, Some(schema)) => {
                    // A service may call its own members so; Connect's schema is an object.
                    if schema.starts_with('{') && schema != &*self.writer {
                        self.describe(schema)?;
                        self.taught = Some(schema.into()).filter(|_| !before);
                    }
                    if before {
                        let (columns, row) = (&self.before_columns, &mut self.before_row);
                        read_row(columns, &mut Layout::default(), row, reader, &mut faults)?;
                        continue;
                    }
                    self.layouts.row.changed = false;
                    read_row(&self.columns, &mut self.layouts.row, &mut self.row, reader, &mut faults)?;
                    if self.layouts.row.changed {
                        let refused = self.refuse_envelope(self.layouts.row.names());
                        if refused.is_err() {
                            // The next record of this order is looked at, too.
                            self.layouts.row = Layout::default();
                        }
                        refused?;
                    }
                }
                (Member::Payload | Member::Skip, _) => reader.skip()?,
            }
        }
        reader.end()?;
        faults.all(&self.retyped);
        faults.take().map_or(Ok(()), Err)?;
        if before {
            return Ok(());
        }
        if layout.changed {
            self.refuse_envelope(layout.names())?;
        }
        self.layouts.plain = layout;
        Ok(())
    }

    /// A table may have columns of these names; then they are meant.
    #[cold]
    fn refuse_envelope(&self, names: impl Iterator<Item = String>) -> Result<()> {
        let names: Vec<_> = names.filter(|name| self.columns.iter().all(|(column, _)| **column != **name)).collect();
        foreign::no_envelope(names.iter().map(String::as_str))
    }
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
            let (_, column) =
                decoder.before_columns.first().ok_or_else(|| Error::decode("a key for a table without one"))?;
            let text = std::str::from_utf8(key).map_err(|_| Error::decode("the key is not UTF-8"))?;
            let mut reader = Reader::new(text);
            read_value(&mut reader, column, &mut decoder.before_row)??;
            reader.end()?;
            decoder.before_row.take()
        }
        (true, _) => return Err(Error::decode("a key of one value for a key of several columns")),
        (false, _) => decoder.row_of(key, true)?,
    };
    decoder.shape.whole_key(row.as_ref())?;
    Ok(row)
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

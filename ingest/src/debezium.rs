//! Debezium's envelope, whichever format it comes in: fields in, a change event out.
//!
//! Source: Debezium's documentation of the MySQL connector, "data change events" and "transaction metadata".

use std::sync::Arc;

use smallvec::smallvec;
use tidewater_delta::{KeyColumn, Op, Row, RowBuilder, RowRef, Width, same_key};
use tidewater_types::TableSchema;

use crate::error::{Error, Result, Undecodable};
use crate::event::{Boundary, Event, Operation, Ops, Origin, Snapshot, TransactionRef};

/// A scalar of a small record (`source`, `transaction`).
pub(crate) enum Scalar<'a> {
    /// Text, or what should be.
    Text(&'a [u8]),
    Long(i64),
    Bool(bool),
}

/// A field of `source` or `transaction` that events need; all others are skipped unread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Detail {
    Snapshot,
    Database,
    Table,
    File,
    ServerId,
    Gtid,
    Pos,
    Row,
    SourceMs,
    Id,
    TotalOrder,
    CollectionOrder,
}

impl Detail {
    pub(crate) fn of_source(name: &str) -> Option<Self> {
        Some(match name {
            "snapshot" => Detail::Snapshot,
            "db" => Detail::Database,
            "table" => Detail::Table,
            "file" => Detail::File,
            "server_id" => Detail::ServerId,
            "gtid" => Detail::Gtid,
            "pos" => Detail::Pos,
            "row" => Detail::Row,
            "ts_ms" => Detail::SourceMs,
            _ => return None,
        })
    }

    pub(crate) fn of_transaction(name: &str) -> Option<Self> {
        Some(match name {
            "id" => Detail::Id,
            "total_order" => Detail::TotalOrder,
            "data_collection_order" => Detail::CollectionOrder,
            _ => return None,
        })
    }
}

/// Names that come again in record after record: the binlog's file, the transaction's id, which is its GTID, too, and the
/// table's.
#[derive(Debug, Default)]
pub(crate) struct Names {
    file: Option<Arc<str>>,
    id: Option<Arc<str>>,
    database: String,
    table: String,
    /// `database.table`, once both have come.
    collection: Option<Arc<str>>,
    /// Events that share the names of the file and the table.
    uses: u32,
}

/// So many events share a name: who takes the events lets go of it while others are still made of it, and a counter that two
/// processors change at once costs both more than a copy now and then.
const USES: u32 = 512;

impl Names {
    /// `database.table` of the record that has just been read.
    fn collection(&mut self) -> Arc<str> {
        self.uses += 1;
        if self.uses > USES {
            (self.uses, self.file, self.collection) = (0, None, None);
        }
        let Names { database, table, collection, .. } = self;
        collection.get_or_insert_with(|| format!("{database}.{table}").into()).clone()
    }
}

/// Keeps `text` as one part of the collection's name, which is made anew if the part is another.
fn part(kept: &mut String, collection: &mut Option<Arc<str>>, text: &[u8]) {
    if kept.as_bytes() != text {
        *kept = String::from_utf8_lossy(text).into_owned();
        *collection = None;
    }
}

/// The name kept, if it is this one; else this one, which is kept from now on.
#[inline]
fn shared(kept: &mut Option<Arc<str>>, text: &[u8]) -> Arc<str> {
    match kept {
        Some(name) if name.as_bytes() == text => name.clone(),
        _ => kept.insert(String::from_utf8_lossy(text).into()).clone(),
    }
}

/// An envelope's fields as they were read.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    pub(crate) before: Option<Row>,
    pub(crate) after: Option<Row>,
    pub(crate) ts_ms: i64,
    operation: Option<Operation>,
    snapshot: Option<Snapshot>,
    /// Whether `source` names the database, and the table.
    database: bool,
    table: bool,
    file: Option<Arc<str>>,
    server_id: u64,
    pos: u64,
    row: u32,
    gtid: Option<Arc<str>>,
    source_ms: i64,
    id: Option<Arc<str>>,
    total_order: u64,
    data_collection_order: u64,
}

impl Fields {
    pub(crate) fn operation(&mut self, text: &str) -> Result<()> {
        self.operation = Some(match text {
            "c" => Operation::Create,
            "u" => Operation::Update,
            "d" => Operation::Delete,
            "r" => Operation::Read,
            "t" => Operation::Truncate,
            other => return Err(Error::decode(format!("unknown operation \"{other}\""))),
        });
        Ok(())
    }

    #[inline]
    pub(crate) fn detail(&mut self, detail: Detail, value: Scalar<'_>, names: &mut Names) {
        match (detail, value) {
            (Detail::Snapshot, Scalar::Text(text)) => {
                self.snapshot = Some(match text {
                    b"false" => Snapshot::No,
                    b"first" | b"first_in_data_collection" => Snapshot::First,
                    b"last_in_data_collection" => Snapshot::Last,
                    b"last" => Snapshot::LastOfAll,
                    b"incremental" => Snapshot::Incremental,
                    _ => Snapshot::Row,
                });
            }
            // Older versions write truth values.
            (Detail::Snapshot, Scalar::Bool(row)) => {
                self.snapshot = Some(if row { Snapshot::Row } else { Snapshot::No });
            }
            (Detail::Database, Scalar::Text(text)) => {
                part(&mut names.database, &mut names.collection, text);
                self.database = true;
            }
            (Detail::Table, Scalar::Text(text)) => {
                part(&mut names.table, &mut names.collection, text);
                self.table = true;
            }
            (Detail::File, Scalar::Text(text)) => self.file = Some(shared(&mut names.file, text)),
            (Detail::Gtid, Scalar::Text(text)) => self.gtid = Some(shared(&mut names.id, text)),
            (Detail::Pos, Scalar::Long(value)) => self.pos = value as u64,
            (Detail::ServerId, Scalar::Long(value)) => self.server_id = value as u64,
            (Detail::Row, Scalar::Long(value)) => self.row = value as u32,
            (Detail::SourceMs, Scalar::Long(value)) => self.source_ms = value,
            (Detail::Id, Scalar::Text(text)) => self.id = Some(shared(&mut names.id, text)),
            (Detail::TotalOrder, Scalar::Long(value)) => self.total_order = value as u64,
            (Detail::CollectionOrder, Scalar::Long(value)) => self.data_collection_order = value as u64,
            // Of another type than Debezium writes.
            _ => {}
        }
    }

    /// Whether it says nothing of what an envelope says.
    pub(crate) fn is_no_envelope(&self) -> bool {
        self.operation.is_none()
    }

    /// Whether the row as it was matters, where only its key does.
    pub(crate) fn wants_before(&self) -> bool {
        matches!(self.operation, Some(Operation::Delete | Operation::Update))
    }

    /// Takes the key of the row as it was; an update that keeps the key has no use for it.
    ///
    /// # Errors
    /// If a column of the key is missing.
    pub(crate) fn take_before(&mut self, shape: &Shape, before: &mut RowBuilder) -> Result<()> {
        let row = before.finish();
        shape.whole_key(row)?;
        let kept = |after: &Row| shape.same_key(row, after.as_ref());
        if !self.after.as_ref().is_some_and(kept) {
            self.before = Some(row.into());
        }
        Ok(())
    }

    fn origin(self, operation: Operation, names: &mut Names) -> Origin {
        let (total_order, data_collection_order) = (self.total_order, self.data_collection_order);
        let read = if operation == Operation::Read { Snapshot::Row } else { Snapshot::No };
        Origin {
            snapshot: self.snapshot.unwrap_or(read),
            collection: if self.database && self.table { names.collection() } else { Arc::default() },
            server_id: self.server_id,
            file: self.file.unwrap_or_default(),
            pos: self.pos,
            row: self.row,
            gtid: self.gtid,
            ts_ms: if self.source_ms == 0 { self.ts_ms } else { self.source_ms },
            transaction: self.id.map(|id| TransactionRef { id, total_order, data_collection_order }),
        }
    }

    /// What could be read of a record that is no event because of `error`.
    #[cold]
    pub(crate) fn undecodable(self, error: Error, names: &mut Names) -> Undecodable {
        let read = (self.operation == Some(Operation::Read)).then_some(Snapshot::Row);
        Undecodable {
            error,
            transaction: self.id,
            snapshot: self.snapshot.or(read),
            collection: (self.database && self.table).then(|| names.collection()),
        }
    }

    /// Whether only the record's key can tell which row goes.
    pub(crate) fn needs_key(&self) -> bool {
        self.operation == Some(Operation::Delete) && self.before.is_none()
    }
}

/// What identifies a row of a table.
#[derive(Debug, Clone)]
struct Key {
    /// Columns of the table, in key order, and their names.
    columns: Vec<KeyColumn>,
    names: Vec<String>,
    /// The same columns in a row that holds the key alone.
    alone: Vec<KeyColumn>,
}

/// What ByLogicalTableRouter adds to keys, to tell the tables of one topic apart.
const ROUTED: &str = "__dbz__physicalTableIdentifier";

/// A table's shape as changes need it.
///
/// Of a row as it was, a table with a key needs the key alone; a table without one needs all. So the image `before` is
/// decoded into rows of [`Shape::before_widths`].
#[derive(Debug, Clone)]
pub(crate) struct Shape {
    before_widths: Arc<[Width]>,
    key: Option<Key>,
    /// Columns that are never NULL, and their names.
    required: Vec<(usize, String)>,
}

impl Shape {
    pub(crate) fn new(table: &TableSchema) -> Self {
        let columns = table.columns.iter().enumerate().filter(|(_, column)| column.not_null);
        let required: Vec<_> = columns.map(|(at, column)| (at, column.name.clone())).collect();
        let Some(key) = &table.key else { return Shape { before_widths: table.widths.clone(), key: None, required } };
        let before_widths: Arc<[Width]> = key.iter().map(|&column| table.widths[column]).collect();
        let key = Key {
            columns: key.iter().map(|&column| KeyColumn::new(column, &table.widths)).collect(),
            names: key.iter().map(|&column| table.columns[column].name.clone()).collect(),
            alone: (0..key.len()).map(|place| KeyColumn::new(place, &before_widths)).collect(),
        };
        Shape { before_widths, key: Some(key), required }
    }

    /// Widths of a row as it was.
    pub(crate) fn before_widths(&self) -> Arc<[Width]> {
        self.before_widths.clone()
    }

    /// Where column `column` of the table lies in a row as it was.
    pub(crate) fn before_place(&self, column: usize) -> Option<usize> {
        match &self.key {
            Some(key) => key.columns.iter().position(|part| part.column == column),
            None => Some(column),
        }
    }

    /// Whether rows have a key.
    #[inline]
    pub(crate) fn has_key(&self) -> bool {
        self.key.is_some()
    }

    /// Whether the key has a column of this name.
    pub(crate) fn is_of_key(&self, name: &str) -> bool {
        self.key_names().iter().any(|column| column == name)
    }

    /// Records have a key of which `column` is, and the table's key has it not: rows that differ in it would merge.
    #[cold]
    pub(crate) fn foreign_key_column(&self, column: &str) -> Error {
        let own = self.key_names().join(", ");
        if column == ROUTED {
            return Error::decode(format!(
                "the record's key has \"{column}\", so ByLogicalTableRouter sends several tables to this topic, whose rows the table's \
                 primary key ({own}) does not tell apart: give each table its own topic and unite the sources in a view, UNION ALL"
            ));
        }
        Error::decode(format!(
            "the record's key has \"{column}\", the table's primary key ({own}) has not, so rows may merge: MySQL's key was changed, \
             or message.key.columns sets another; create the source anew, with PRIMARY KEY ({own}, {column}) if it declares columns"
        ))
    }

    /// Whether a row that holds the key alone has the key of a row of the table.
    pub(crate) fn same_key(&self, alone: RowRef<'_>, row: RowRef<'_>) -> bool {
        self.key.as_ref().is_some_and(|key| same_key(alone, &key.alone, row, &key.columns))
    }

    /// Names of the key's columns.
    pub(crate) fn key_names(&self) -> &[String] {
        self.key.as_ref().map_or(&[], |key| &key.names)
    }

    /// Whether a row that holds the key alone holds all of it.
    ///
    /// # Errors
    /// If not: such a row would be taken for another.
    pub(crate) fn whole_key(&self, row: RowRef<'_>) -> Result<()> {
        self.key.as_ref().map_or(Ok(()), |key| key.whole(row, &key.alone))
    }

    /// The same for a row of the table.
    ///
    /// # Errors
    /// As [`Shape::whole_key`].
    pub(crate) fn whole_row(&self, row: RowRef<'_>) -> Result<()> {
        self.key.as_ref().map_or(Ok(()), |key| key.whole(row, &key.columns))
    }

    /// A column of the row that is NULL and never is: Debezium writes NULL for what a partial row image lacks.
    fn lacking(&self, row: RowRef<'_>) -> Option<Error> {
        let (_, name) = self.required.iter().find(|(column, _)| row.is_null(*column))?;
        Some(Error::decode(format!(
            "column \"{name}\" is NOT NULL and the record has no value for it: set binlog_row_image=FULL in MySQL, for the row \
             image is partial; or, if MySQL's column takes NULL now, ALTER SOURCE … REFRESH"
        )))
    }

    /// The event that an envelope's fields describe.
    pub(crate) fn event(&self, mut fields: Fields, names: &mut Names) -> Result<Event, Undecodable> {
        let Some(operation) = fields.operation else {
            return Err(fields.undecodable(Error::decode("an envelope without \"op\""), names));
        };
        let (before, after) = (fields.before.take(), fields.after.take());
        let lacks = after.as_ref().and_then(|after| self.lacking(after.as_ref()));
        let ops = match &self.key {
            Some(key) => key.ops(operation, before, after),
            None => keyless(operation, before, after),
        };
        let ops = ops.and_then(|ops| lacks.map_or(Ok(ops), Err));
        match ops {
            Ok(ops) => Ok(Event { operation, ops, origin: fields.origin(operation, names), key_change: None }),
            Err(error) => Err(fields.undecodable(error, names)),
        }
    }
}

impl Key {
    /// MySQL's keys hold no NULL, so a NULL here is a column that the record lacks.
    fn whole(&self, row: RowRef<'_>, columns: &[KeyColumn]) -> Result<()> {
        match columns.iter().position(|part| row.is_null(part.column)) {
            Some(place) => Err(Error::decode(format!(
                "column \"{}\" is of the key, and the record lacks it; Debezium needs binlog_row_image=FULL in MySQL",
                self.names[place]
            ))),
            None => Ok(()),
        }
    }

    /// `before` holds the key alone.
    fn ops(&self, operation: Operation, before: Option<Row>, after: Option<Row>) -> Result<Ops> {
        if let Some(before) = &before {
            self.whole(before.as_ref(), &self.alone)?;
        }
        if let Some(after) = &after {
            self.whole(after.as_ref(), &self.columns)?;
        }
        Ok(match (operation, before, after) {
            (Operation::Truncate, ..) => smallvec![Op::Truncate],
            (Operation::Delete, Some(before), _) => smallvec![Op::Delete(before)],
            (Operation::Update, Some(before), Some(after))
                if !same_key(before.as_ref(), &self.alone, after.as_ref(), &self.columns) =>
            {
                smallvec![Op::Delete(before), Op::Upsert(after)]
            }
            (Operation::Create | Operation::Update | Operation::Read, _, Some(after)) => smallvec![Op::Upsert(after)],
            (operation, ..) => return Err(missing_image(operation)),
        })
    }
}

fn keyless(operation: Operation, before: Option<Row>, after: Option<Row>) -> Result<Ops> {
    Ok(match (operation, before, after) {
        (Operation::Truncate, ..) => smallvec![Op::Truncate],
        (Operation::Delete, Some(before), _) => smallvec![Op::Remove(before)],
        (Operation::Update, Some(before), Some(after)) => smallvec![Op::Remove(before), Op::Insert(after)],
        (Operation::Create | Operation::Read, _, Some(after)) => smallvec![Op::Insert(after)],
        (operation, ..) => return Err(missing_image(operation)),
    })
}

fn missing_image(operation: Operation) -> Error {
    let operation = format!("{operation:?}").to_lowercase();
    Error::decode(format!(
        "a {operation} event without the row image that it needs: set binlog_row_image=FULL in MySQL"
    ))
}

/// A record of the transaction topic from its fields.
pub(crate) fn boundary(
    status: &str,
    id: &str,
    event_count: u64,
    ts_ms: i64,
    data_collections: Vec<(Arc<str>, u64)>,
) -> Result<Boundary> {
    match status {
        "BEGIN" => Ok(Boundary::Begin { id: id.into(), ts_ms }),
        "END" => Ok(Boundary::End { id: id.into(), event_count, ts_ms, data_collections }),
        other => Err(Error::decode(format!("a transaction boundary of unknown status \"{other}\""))),
    }
}

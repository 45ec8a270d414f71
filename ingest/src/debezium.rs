//! Debezium's envelope, whichever format it comes in: fields in, a change event out.
//!
//! Source: Debezium's documentation of the MySQL connector, "data change events" and "transaction metadata".

use std::sync::Arc;

use delta::{KeyColumn, Kind, Op, Row, RowRef, TableSchema, same_key};

use crate::error::{Error, Result};
use crate::event::{Boundary, Event, Operation, Origin, Snapshot, TransactionRef};

/// A scalar of a small record (`source`, `transaction`).
pub(crate) enum Scalar<'a> {
    Text(&'a str),
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
}

impl Names {
    /// `database.table` of the record that has just been read.
    fn collection(&mut self) -> Arc<str> {
        let Names { database, table, collection, .. } = self;
        collection.get_or_insert_with(|| format!("{database}.{table}").into()).clone()
    }
}

/// Keeps `text` as one part of the collection's name, which is made anew if the part is another.
fn part(kept: &mut String, collection: &mut Option<Arc<str>>, text: &str) {
    if kept != text {
        text.clone_into(kept);
        *collection = None;
    }
}

/// The name kept, if it is this one; else this one, which is kept from now on.
fn shared(kept: &mut Option<Arc<str>>, text: &str) -> Arc<str> {
    match kept {
        Some(name) if **name == *text => name.clone(),
        _ => kept.insert(text.into()).clone(),
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

    pub(crate) fn detail(&mut self, detail: Detail, value: Scalar<'_>, names: &mut Names) {
        match (detail, value) {
            (Detail::Snapshot, Scalar::Text(text)) => {
                self.snapshot = Some(match text {
                    "false" => Snapshot::No,
                    "first" | "first_in_data_collection" => Snapshot::First,
                    "last_in_data_collection" => Snapshot::Last,
                    "last" => Snapshot::LastOfAll,
                    "incremental" => Snapshot::Incremental,
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
            (Detail::Row, Scalar::Long(value)) => self.row = value as u32,
            (Detail::SourceMs, Scalar::Long(value)) => self.source_ms = value,
            (Detail::Id, Scalar::Text(text)) => self.id = Some(shared(&mut names.id, text)),
            (Detail::TotalOrder, Scalar::Long(value)) => self.total_order = value as u64,
            (Detail::CollectionOrder, Scalar::Long(value)) => self.data_collection_order = value as u64,
            // Of another type than Debezium writes.
            _ => {}
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

/// A table's shape as changes need it.
///
/// Of a row as it was, a table with a key needs the key alone; a table without one needs all. So the image `before` is
/// decoded into rows of [`Shape::before_kinds`].
#[derive(Debug, Clone)]
pub(crate) struct Shape {
    before_kinds: Arc<[Kind]>,
    key: Option<Key>,
}

impl Shape {
    pub(crate) fn new(table: &TableSchema) -> Self {
        let Some(key) = &table.key else { return Shape { before_kinds: table.kinds.clone(), key: None } };
        let before_kinds: Arc<[Kind]> = key.iter().map(|&column| table.kinds[column].clone()).collect();
        let key = Key {
            columns: key.iter().map(|&column| KeyColumn::new(column, &table.kinds)).collect(),
            names: key.iter().map(|&column| table.schema.field(column).name().clone()).collect(),
            alone: (0..key.len()).map(|place| KeyColumn::new(place, &before_kinds)).collect(),
        };
        Shape { before_kinds, key: Some(key) }
    }

    /// Kinds of a row as it was.
    pub(crate) fn before_kinds(&self) -> Arc<[Kind]> {
        self.before_kinds.clone()
    }

    /// Where column `column` of the table lies in a row as it was.
    pub(crate) fn before_place(&self, column: usize) -> Option<usize> {
        match &self.key {
            Some(key) => key.columns.iter().position(|part| part.column == column),
            None => Some(column),
        }
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

    /// The event that an envelope's fields describe.
    pub(crate) fn event(&self, fields: Fields, names: &mut Names) -> Result<Event> {
        let operation = fields.operation.ok_or_else(|| Error::decode("an envelope without \"op\""))?;
        let ops = match &self.key {
            Some(key) => key.ops(operation, fields.before, fields.after)?,
            None => keyless(operation, fields.before, fields.after)?,
        };
        let (total_order, data_collection_order) = (fields.total_order, fields.data_collection_order);
        let transaction = fields.id.map(|id| TransactionRef { id, total_order, data_collection_order });
        let read = if operation == Operation::Read { Snapshot::Row } else { Snapshot::No };
        let origin = Origin {
            snapshot: fields.snapshot.unwrap_or(read),
            collection: if fields.database && fields.table { names.collection() } else { Arc::default() },
            file: fields.file.unwrap_or_default(),
            pos: fields.pos,
            row: fields.row,
            gtid: fields.gtid,
            ts_ms: if fields.source_ms == 0 { fields.ts_ms } else { fields.source_ms },
            transaction,
        };
        Ok(Event { operation, ops, origin })
    }
}

impl Key {
    /// MySQL's keys hold no NULL, so a NULL here is a column that the record lacks.
    fn whole(&self, row: RowRef<'_>, columns: &[KeyColumn]) -> Result<()> {
        match columns.iter().position(|part| row.is_null(part.column)) {
            Some(place) => {
                Err(Error::decode(format!("column \"{}\" is of the key, and the record lacks it", self.names[place])))
            }
            None => Ok(()),
        }
    }

    /// `before` holds the key alone.
    fn ops(&self, operation: Operation, before: Option<Row>, after: Option<Row>) -> Result<Vec<Op>> {
        if let Some(before) = &before {
            self.whole(before.as_ref(), &self.alone)?;
        }
        if let Some(after) = &after {
            self.whole(after.as_ref(), &self.columns)?;
        }
        Ok(match (operation, before, after) {
            (Operation::Truncate, ..) => vec![Op::Truncate],
            (Operation::Delete, Some(before), _) => vec![Op::Delete(before)],
            (Operation::Update, Some(before), Some(after))
                if !same_key(before.as_ref(), &self.alone, after.as_ref(), &self.columns) =>
            {
                vec![Op::Delete(before), Op::Upsert(after)]
            }
            (Operation::Create | Operation::Update | Operation::Read, _, Some(after)) => vec![Op::Upsert(after)],
            (operation, ..) => return Err(missing_image(operation)),
        })
    }
}

fn keyless(operation: Operation, before: Option<Row>, after: Option<Row>) -> Result<Vec<Op>> {
    Ok(match (operation, before, after) {
        (Operation::Truncate, ..) => vec![Op::Truncate],
        (Operation::Delete, Some(before), _) => vec![Op::Remove(before)],
        (Operation::Update, Some(before), Some(after)) => vec![Op::Remove(before), Op::Insert(after)],
        (Operation::Create | Operation::Read, _, Some(after)) => vec![Op::Insert(after)],
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
        "BEGIN" => Ok(Boundary::Begin { id: id.into() }),
        "END" => Ok(Boundary::End { id: id.into(), event_count, ts_ms, data_collections }),
        other => Err(Error::decode(format!("a transaction boundary of unknown status \"{other}\""))),
    }
}

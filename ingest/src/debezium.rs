//! Debezium's envelope, whichever format it comes in: fields in, a change event out.
//!
//! Source: Debezium's documentation of the MySQL connector, "data change events" and "transaction metadata".

use std::sync::Arc;

use delta::{KeyColumn, Kind, Op, Row, RowBuilder, RowRef, TableSchema, same_key};

use crate::error::{Error, Result};
use crate::event::{Boundary, Event, Operation, Origin, Snapshot, TransactionRef};

/// A scalar of a small record (`source`, `transaction`).
pub(crate) enum Scalar<'a> {
    Text(&'a str),
    Long(i64),
}

/// Names that come again in record after record: the binlog's file, the transaction's id, which is its GTID, too.
#[derive(Debug, Default)]
pub(crate) struct Names {
    file: Option<Arc<str>>,
    id: Option<Arc<str>>,
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

    pub(crate) fn source(&mut self, name: &str, value: Scalar<'_>, names: &mut Names) -> Result<()> {
        match (name, value) {
            ("snapshot", Scalar::Text(text)) => {
                self.snapshot = Some(match text {
                    "false" => Snapshot::No,
                    "first" | "first_in_data_collection" => Snapshot::First,
                    "last" | "last_in_data_collection" => Snapshot::Last,
                    "incremental" => Snapshot::Incremental,
                    _ => Snapshot::Row,
                });
            }
            ("file", Scalar::Text(text)) => self.file = Some(shared(&mut names.file, text)),
            ("gtid", Scalar::Text(text)) => self.gtid = Some(shared(&mut names.id, text)),
            ("pos", Scalar::Long(value)) => self.pos = value as u64,
            ("row", Scalar::Long(value)) => self.row = value as u32,
            ("ts_ms", Scalar::Long(value)) => self.source_ms = value,
            _ => {}
        }
        Ok(())
    }

    pub(crate) fn transaction(&mut self, name: &str, value: Scalar<'_>, names: &mut Names) -> Result<()> {
        match (name, value) {
            ("id", Scalar::Text(text)) => self.id = Some(shared(&mut names.id, text)),
            ("total_order", Scalar::Long(value)) => self.total_order = value as u64,
            ("data_collection_order", Scalar::Long(value)) => self.data_collection_order = value as u64,
            _ => {}
        }
        Ok(())
    }

    /// Whether only the record's key can tell which row goes.
    pub(crate) fn needs_key(&self) -> bool {
        self.operation == Some(Operation::Delete) && self.before.is_none()
    }
}

/// A table's shape as changes need it.
#[derive(Debug, Clone)]
pub(crate) struct Shape {
    kinds: Arc<[Kind]>,
    key: Option<(Vec<usize>, Vec<KeyColumn>)>,
}

impl Shape {
    pub(crate) fn new(table: &TableSchema) -> Self {
        let key = table.key.clone().map(|key| {
            let columns = key.iter().map(|&column| KeyColumn::new(column, &table.kinds)).collect();
            (key, columns)
        });
        Shape { kinds: table.kinds.clone(), key }
    }

    /// These columns of `row`, as a row.
    pub(crate) fn project(&self, row: RowRef<'_>, columns: &[usize]) -> Row {
        let kinds: Vec<_> = columns.iter().map(|&column| self.kinds[column].clone()).collect();
        let mut builder = RowBuilder::new(kinds);
        for (to, &from) in columns.iter().enumerate() {
            builder.set(to, row.get(from, &self.kinds[from]));
        }
        builder.take()
    }

    /// The event that an envelope's fields describe.
    pub(crate) fn event(&self, fields: Fields) -> Result<Event> {
        let operation = fields.operation.ok_or_else(|| Error::decode("an envelope without \"op\""))?;
        let ops = match &self.key {
            Some((key, columns)) => self.keyed(operation, fields.before, fields.after, key, columns)?,
            None => keyless(operation, fields.before, fields.after)?,
        };
        let (total_order, data_collection_order) = (fields.total_order, fields.data_collection_order);
        let transaction = fields.id.map(|id| TransactionRef { id, total_order, data_collection_order });
        let read = if operation == Operation::Read { Snapshot::Row } else { Snapshot::No };
        let origin = Origin {
            snapshot: fields.snapshot.unwrap_or(read),
            file: fields.file.unwrap_or_else(|| Arc::from("")),
            pos: fields.pos,
            row: fields.row,
            gtid: fields.gtid,
            ts_ms: if fields.source_ms == 0 { fields.ts_ms } else { fields.source_ms },
            transaction,
        };
        Ok(Event { operation, ops, origin })
    }

    fn keyed(
        &self,
        operation: Operation,
        before: Option<Row>,
        after: Option<Row>,
        key: &[usize],
        columns: &[KeyColumn],
    ) -> Result<Vec<Op>> {
        Ok(match (operation, before, after) {
            (Operation::Truncate, ..) => vec![Op::Truncate],
            (Operation::Delete, Some(before), _) => vec![Op::Delete(self.project(before.as_ref(), key))],
            (Operation::Update, Some(before), Some(after))
                if !same_key(before.as_ref(), columns, after.as_ref(), columns) =>
            {
                vec![Op::Delete(self.project(before.as_ref(), key)), Op::Upsert(after)]
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

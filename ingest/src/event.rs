//! What decoders make of records: change events of tables and boundaries of transactions.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;
use tidewater_delta::Op;

/// Debezium's operation, field `op` of its envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// `c`.
    Create,
    /// `u`.
    Update,
    /// `d`.
    Delete,
    /// `r`: a row of a snapshot.
    Read,
    /// `t`.
    Truncate,
}

/// A record's place in a snapshot, field `source.snapshot`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Snapshot {
    /// Streamed from the binlog.
    No,
    /// The first row of its table (`first`, `first_in_data_collection`).
    First,
    /// Any other row (`true`; older versions write a truth value).
    Row,
    /// The last row of its table (`last_in_data_collection`).
    Last,
    /// The last row of the whole snapshot (`last`), and so of its table, too.
    LastOfAll,
    /// A row of an incremental snapshot, which runs beside streaming.
    Incremental,
}

/// A record's place in its transaction, field `transaction`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionRef {
    /// Debezium's id of the transaction.
    pub id: Arc<str>,
    /// Number of the event among all of the transaction, from 1.
    pub total_order: u64,
    /// Number of the event among its table's, from 1.
    pub data_collection_order: u64,
}

/// Where a record came from, field `source`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Its place in a snapshot.
    pub snapshot: Snapshot,
    /// The table: `database.table`. Empty where the record does not say.
    pub collection: Arc<str>,
    /// MySQL's id of the server; 0 where the record does not say, as in snapshots.
    pub server_id: u64,
    /// Binlog file.
    pub file: Arc<str>,
    /// Offset in the binlog file.
    pub pos: u64,
    /// Row within the binlog event.
    pub row: u32,
    /// GTID of the transaction, where the server has GTIDs.
    pub gtid: Option<Arc<str>>,
    /// When the database made the change, in milliseconds since 1970.
    pub ts_ms: i64,
    /// Its place in its transaction.
    pub transaction: Option<TransactionRef>,
}

/// Which half of a changed primary key an event is. Debezium says it in a header of the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyChange {
    /// The deletion of the old key, header `__debezium.newkey`.
    Deletion,
    /// The insertion of the new one, header `__debezium.oldkey`.
    Insertion,
}

/// What an event does: nearly always one change.
pub type Ops = SmallVec<[Op; 1]>;

/// A change event: what happened, to what rows, whence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Debezium's operation.
    pub operation: Operation,
    /// What it does to the table.
    pub ops: Ops,
    /// Where it came from.
    pub origin: Origin,
    /// Whether it is half of a changed primary key.
    pub key_change: Option<KeyChange>,
}

/// A record of the transaction topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Boundary {
    /// A transaction begins.
    Begin {
        /// Debezium's id of the transaction.
        id: Arc<str>,
        /// When it was made, in milliseconds since 1970.
        ts_ms: i64,
    },
    /// A transaction has ended.
    End {
        /// Debezium's id of the transaction.
        id: Arc<str>,
        /// Number of its events.
        event_count: u64,
        /// When the database committed, in milliseconds since 1970.
        ts_ms: i64,
        /// Events of each table, named `database.table`.
        data_collections: Vec<(Arc<str>, u64)>,
    },
}

/// What Kafka says of a record, for the columns of `INCLUDE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordMeta {
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// Its time, in milliseconds since 1970.
    pub timestamp_ms: i64,
}

/// A column of `INCLUDE`, appended after a table's own columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetaColumn {
    /// integer.
    Partition,
    /// bigint.
    Offset,
    /// timestamp with time zone.
    Timestamp,
}

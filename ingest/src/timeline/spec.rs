//! What the timeline is told of tables and records, and what it tells.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tidewater_delta::{Commit, Op, TableId};

use crate::source::OnError;

/// Where a record lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// When its producer made it, in milliseconds since 1970.
    pub timestamp_ms: i64,
}

/// What a partition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bounds {
    /// The partition.
    pub partition: i32,
    /// The first offset that is still there.
    pub low: i64,
    /// The offset behind the last.
    pub end: i64,
}

/// A table of the timeline.
#[derive(Debug, Clone)]
pub struct TableSpec {
    /// Its topic.
    pub topic: Arc<str>,
    /// Whether it changes by key.
    pub keyed: bool,
    /// What becomes of a transaction that misses a record of it.
    pub on_error: OnError,
    /// What the transaction topic calls it, if that was declared; else its records tell.
    pub collection: Option<Arc<str>>,
    /// Whether Kafka drops records that a later one of the same key replaces.
    pub compacted: bool,
    /// Its partitions.
    pub partitions: Vec<Bounds>,
}

/// A record that could not be decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// The transaction that it belongs to, if that could be read.
    pub transaction: Option<Arc<str>>,
    /// Whether it is known to be a row of a snapshot.
    pub snapshot: bool,
    /// Why it could not be decoded.
    pub reason: String,
}

/// What the timeline hands on, in order.
#[derive(Debug, PartialEq, Eq)]
pub enum Output {
    /// Changes of a table that is not shown yet.
    Base {
        /// The table.
        table: TableId,
        /// Its changes, in the order of its log.
        ops: Vec<Op>,
    },
    /// Changes of shown tables that belong together; none where only the position moves.
    Commit(Commit),
    /// The table now holds what it held at the timeline's position, and is shown from now on.
    Hydrated(TableId),
}

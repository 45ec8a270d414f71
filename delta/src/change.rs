//! What decoders hand to the engine: changes of tables, in whole commits.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Position, Row};

/// The timeline of statements in this process.
pub const LOCAL: &str = "local";

/// Names a base table (a source or a `CREATE TABLE`) inside one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TableId(pub u32);

/// A change of one table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The table.
    pub table: TableId,
    /// What happens to it.
    pub op: Op,
}

/// What happens to a table. Tables with a key change by key, so that a replayed suffix converges; tables without one change
/// by whole rows with multiplicities.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Op {
    /// Keyed table: the row that has this key is now this one.
    Upsert(Row),
    /// Keyed table: no row has this key any more. The row holds the key's columns only, in key order.
    Delete(Row),
    /// Keyless table: one more such row.
    Insert(Row),
    /// Keyless table: one fewer such row.
    Remove(Row),
    /// No rows any more.
    Truncate,
}

/// Changes that become visible together, and the position that they reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// What the position is a place in: the name of the connector's transaction topic, of a topic without transactions, or
    /// [`LOCAL`].
    pub timeline: Arc<str>,
    /// Where the source stands after this commit.
    pub position: Position,
    /// When the upstream database committed, in milliseconds since 1970, or 0 where unknown.
    pub committed_ms: i64,
    /// The changes, in the order in which they happened.
    pub changes: Vec<Change>,
}

impl Commit {
    /// A change made in this process, by a statement.
    pub fn local(changes: Vec<Change>) -> Self {
        Commit { timeline: LOCAL.into(), position: Position::Local(0), committed_ms: 0, changes }
    }
}

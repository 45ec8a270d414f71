//! The incremental engine: keeps joins, groupings and unions of tables fresh, change by change.
//!
//! Pure: no I/O, no clock, no threads, no async, no randomness; it knows neither SQL nor Kafka. A [`Circuit`] holds the nodes;
//! each node's rows are stored once, in an arrangement with indexes of row ids, that all its readers share.

mod aggregate;
mod arena;
mod arrangement;
mod build;
mod circuit;
mod expr;
mod index;
mod join;
mod nodes;
mod reduce;
mod walk;

pub use aggregate::{Aggregate, Function};
pub use arena::{RowsFrom, Snapshot};
pub use circuit::{Circuit, IndexId};
pub use expr::{EvalError, Expr, Scratch, Tuple};
pub use index::OrderColumn;
pub use join::{ColumnAt, Filter, JoinError, JoinInput, JoinSpec, Output};
pub use nodes::NodeId;
pub use reduce::ReduceSpec;

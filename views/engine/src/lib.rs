//! The incremental engine: keeps joins, groupings and unions of tables fresh, change by change.
//!
//! Pure: no I/O, no clock, no threads, no async, no randomness; it knows neither SQL nor Kafka. A [`Circuit`] holds the nodes;
//! each node's rows are stored once, in an arrangement with indexes of row ids, that all its readers share.
//!
//! Rows are found, joined and grouped by their packed bytes. Where equal values of a type have several packed forms
//! (`ColumnType::key_is_packed`), whoever builds a circuit gives it a column of key forms to go by.

mod aggregate;
mod arena;
mod arrangement;
mod build;
mod circuit;
mod classes;
mod groups;
mod held;
mod image;
mod index;
mod join;
mod matches;
mod materialise;
mod nodes;
mod paged;
mod pending;
mod reduce;
mod shape;
mod table;
mod walk;
mod warm;
mod watch;

pub use aggregate::{Aggregate, Fold, Folding, Function};
pub use arena::{RowsFrom, Snapshot};
pub use circuit::{Changes, Circuit, IndexId};
pub use held::Gone;
pub use image::{Image, LAYOUT, NoImage};
pub use index::OrderColumn;
pub use join::{ColumnAt, Equality, Filter, JoinInput, JoinSpec, Output, Role};
pub use nodes::NodeId;
pub use reduce::ReduceSpec;
pub use watch::{Trail, Watched};

//! SQL on the incremental engine: planning by DataFusion, lowering to the circuit, queries over snapshots.

mod arrow_rows;
mod compile;
mod database;
mod error;
mod lower;
mod snapshot_table;
mod statement;
mod types;

pub use database::{Database, Query};
pub use error::{Error, Result};
pub use statement::Outcome;

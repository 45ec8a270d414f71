//! SQL on the incremental engine: statements, planning by DataFusion, lowering to the circuit, queries over snapshots.

mod arrow_rows;
mod catalog;
mod checked;
mod compile;
mod database;
mod error;
mod lookup;
mod lower;
mod output_names;
mod parameters;
pub mod parse;
mod pg_catalog;
mod placeholders;
mod query;
mod rounding;
mod show;
mod snapshot_table;
mod statement;
mod table_changes;
mod timelines;
mod type_names;
mod types;

pub use catalog::CatalogObject;
pub use database::{Database, Progress};
pub use error::{Error, Result};
pub use parse::ast::{Parsed, Statement};
pub use parse::parse;
pub use query::{Prepared, Query};
pub use statement::Outcome;
pub use table_changes::Insertion;
pub use timelines::{After, Behind, Positions, TimelineKind};
pub use type_names::type_name;
pub use types::declared_schema;

//! SQL on the incremental engine: statements, planning by DataFusion, lowering to the circuit, queries over snapshots.

mod arrow_rows;
mod broken;
mod catalog;
mod checked;
mod compile;
mod database;
mod dead_letters;
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
mod source_status;
mod statement;
mod table_changes;
mod type_names;
mod types;

pub use broken::{BrokenObject, Definition, Replaced};
pub use catalog::CatalogObject;
pub use database::{Database, Progress};
pub use error::{Error, Result};
pub use parse::ast::{Parsed, Statement};
pub use parse::parse;
pub use query::{Prepared, Query};
pub use source_status::{Consistency, Notice, SourceHealth, SourceState, SourceStatus};
pub use statement::Outcome;
pub use table_changes::Insertion;
pub use type_names::type_name;
pub use types::declared_schema;

//! SQL on the incremental engine: statements, the objects that they make, queries over snapshots, changes of tables.
//!
//! A statement's way: text, `parse` (ours), `tidewater-query` binds and rewrites it, and then it runs once over snapshots or is
//! lowered to the circuit by `tidewater-lower`.

mod alter;
mod applying;
mod broken;
mod catalog;
mod change;
mod check;
mod comment;
mod constraint;
mod database;
mod dead_letters;
mod follow;
mod kept_sources;
mod lookup;
mod lost_columns;
mod names;
pub mod parse;
mod query;
mod relations;
mod sequence;
mod show;
mod sink;
mod sizes;
mod source_status;
mod statement;
mod system;
mod table;
mod temp;
mod timelines;
mod within;

pub use applying::Applying;
pub use broken::{BrokenObject, Definition, Replaced};
pub use catalog::CatalogObject;
pub use change::{Ahead, Change, Changes, Checked, Evaluated, HeldKeys, KeptRows};
pub use check::source_columns;
pub use comment::Comments;
pub use database::{Database, Progress};
pub use follow::{Changed, FollowId, FollowedRows, Follower};
pub use kept_sources::{KeptSource, KeptTimeline};
pub use parse::ast::{Parsed, Statement};
pub use parse::parse;
pub use query::{Prepared, Query, Rows};
pub use relations::Reach;
pub use sequence::{Mark, Sequence};
pub use sink::{SharedStatus, Sink, SinkState, SinkStatus};
pub use sizes::Sizes;
pub use source_status::{Consistency, Notice, SourceHealth, SourceState, SourceStatus};
pub use statement::Outcome;
pub use table::declared_columns;
pub use tidewater_catalog::On;
pub use tidewater_engine::{Gone, Image, LAYOUT};
pub use tidewater_types::{Result, SqlError as Error};
pub use timelines::{After, Behind, Positions, TimelineKind};
pub use within::{TransactionMoment, Within};

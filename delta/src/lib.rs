//! The shared language of Tidewater: packed rows, their types, deltas, commits, positions.
//!
//! Bytes enter as Kafka records and leave as protocol messages; between the two everything is a [`Row`] in one packed
//! layout. This crate does no I/O, reads no clock, starts no thread. Its types are Arrow's ([`arrow_schema`]); there is no
//! second type system, only [`Kind`], which says how a value of an Arrow type lies in a row.

mod change;
mod datum;
mod error;
mod kind;
mod position;
mod reached;
mod row;
mod table;

pub use change::{Change, Commit, LOCAL, Op, TableId};
pub use datum::{Datum, Interval};
pub use error::{Error, Result};
pub use kind::Kind;
pub use position::Position;
pub use reached::Reached;
pub use row::{KeyColumn, Row, RowBuilder, RowRef, hash_bytes, hash_key, same_key};
pub use table::TableSchema;

/// A row's signed multiplicity.
pub type Weight = i64;

//! The shared language of Tidewater: packed rows, deltas, commits, positions.
//!
//! Bytes enter as Kafka records and leave as protocol messages; between the two everything is a [`Row`] in one packed
//! layout. This crate does no I/O, reads no clock, starts no thread, and knows no types: what a column's bytes mean is said by
//! `tidewater-types`, here is only where they lie ([`Width`]).

mod change;
mod error;
mod position;
mod reached;
mod row;
mod width;

pub use change::{Change, Commit, LOCAL, Op, TableId};
pub use error::{Error, Result};
pub use position::Position;
pub use reached::Reached;
pub use row::{KeyColumn, Row, RowBuilder, RowRef, hash_bytes, hash_key, same_key};
pub use width::Width;

/// A row's signed multiplicity.
pub type Weight = i64;

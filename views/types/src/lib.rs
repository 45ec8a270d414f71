//! Values with PostgreSQL's meaning: its types, their text and binary forms, comparison, hashing, casts and arithmetic, and how
//! they are packed into rows. Pure: no I/O, no clock. The judge of everything here is PostgreSQL 15 itself.
//!
//! A value has three forms. [`Datum`] is the one that expressions work on; text and binary are what clients see; packed is what
//! rows store. Equal is not identical: numeric 1.0 equals 1.00, one month equals 30 days, and yet they print differently. Rows are
//! retracted by identity (their packed bytes) and joined, grouped and ordered by equality (their key form).

mod binary;
pub mod boolean;
pub mod bytea;
mod cast;
mod compare;
mod datum;
mod error;
mod expr;
pub mod float;
pub mod integer;
mod io;
pub mod json;
mod key;
mod layout;
mod nested;
mod numeric;
pub mod range;
mod settings;
mod table;
pub mod text;
pub mod time;
mod ty;
pub mod uuid;

pub use binary::{input_binary, output_binary};
pub use cast::cast;
pub use compare::{compare, equal};
pub use datum::{
    ArrayRef, Bounds, Bytes, Datum, Dimension, Interval, Json, JsonbRef, ListRef, MAX_DIMENSIONS, MapRef,
    MultirangeRef, RangeRef, RecordRef, Seq, TimeTz, decode, encode,
};
pub use error::{Named, Result, SqlError};
pub use expr::{Expr, Tuple};
pub use io::{apply_modifier, input, output};
pub use key::key;
pub use layout::Packing;
pub use numeric::{LongNumeric, Numeric, NumericBuf, NumericSum};
pub use settings::{DateOrder, Names, Settings};
pub use table::{Column, TableSchema};
pub use ty::{ColumnType, NumericModifier, RangeOf, Record, Type};

/// Memory for the values that an expression makes; freed by its owner, row by row or batch by batch.
pub type Scratch = bumpalo::Bump;

/// The greatest size of one value in bytes, as in PostgreSQL. Whoever makes a value checks it before allocating.
pub const MAX_VALUE: usize = 0x3fff_ffff;

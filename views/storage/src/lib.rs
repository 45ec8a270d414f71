//! What outlives the process, as bytes: a log of what was done, and checkpoints of what had come of it.
//!
//! ```text
//! manifest        the newest checkpoint and the one before it
//! checkpoint-7    all definitions, rows and notes of one moment
//! log-7           what was done after that moment; log-8 goes on where log-7 ends
//! ```
//!
//! Beside them lies large state that comes from elsewhere, in blocks ([`mod@blocks`]): what it comes from tells what happened since.
//!
//! Everything is framed ([`mod@frame`]): a frame is there as a whole or not at all. A frame of a log is what one sync made durable. An
//! append returns when its frame is on the disk, and an append that fails leaves nothing. So what was acknowledged is there after
//! any crash, and what is there was written whole.
//!
//! This crate knows neither SQL nor rows: what is defined, and the rows, are bytes of its caller. It reaches files through
//! [`Files`] only, so that a test's files can lose what was not synced, tear pages and fail.

pub mod blocks;
mod checkpoint;
mod error;
mod files;
mod frame;
mod log;
mod manifest;
mod names;
mod open;
mod record;
mod state;

pub use checkpoint::{Checkpoints, Writer};
pub use error::{Error, Result};
pub use files::{Files, Folder, Reading, Writing};
pub use log::Log;
pub use open::{Opened, open, read};
pub use record::Batch;
pub use state::{State, Table};

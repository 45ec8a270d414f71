//! The order_summary benchmark without its engines: one workload, what is asked of an engine, one answer.
//!
//! The workload knows no engine and the engines know no generator; they meet in [`event::Event`] and [`engine::Engine`].
//! An engine is only worth timing while it is right, so every run is compared with a recomputation. It knows nothing of
//! Tidewater, so that an engine of another workspace is sent the very same stream and measured by the same code.

pub mod error;
pub mod event;
pub mod workload;

pub mod engine;
pub mod recompute;

pub mod agree;
pub mod measure;
pub mod run;

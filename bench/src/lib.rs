//! The order_summary benchmark: one workload, several engines, one answer.
//!
//! The workload knows no engine and the engines know no generator; they meet in [`event::Event`] and [`engine::Engine`].
//! An engine is only worth timing while it is right, so every run is compared with a recomputation.

pub mod error;
pub mod event;
pub mod workload;

pub mod differential;
pub mod engine;
pub mod recompute;
pub mod tidewater;
pub mod typed;

pub mod measure;
pub mod run;

//! What can go wrong with a run.

use std::io;

/// Why a run gave no numbers.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The engine's name is not in the table.
    #[error("engine {name:?} does not exist; there are: {known}, all")]
    Engine {
        /// As it was given.
        name: String,
        /// The names that exist.
        known: String,
    },
    /// The scale is outside its limits.
    #[error("scale {0} is not above 0 and at most {max}", max = crate::workload::SCALE_MAX)]
    Scale(f64),
    /// The engine's answer is not the recomputation's.
    #[error("engine {engine} is wrong: {what}")]
    Wrong {
        /// Its name.
        engine: String,
        /// The first difference.
        what: String,
    },
    /// The kernel's count cannot be read.
    #[error("/proc/self/status cannot be read; memory is measured on Linux only")]
    Memory(#[source] io::Error),
    /// A line is missing there.
    #[error("/proc/self/status has no number for {0}")]
    MemoryField(&'static str),
    /// A child process could not be started.
    #[error("the process of engine {engine} cannot be started")]
    Start {
        /// Its name.
        engine: String,
        /// Why.
        source: io::Error,
    },
    /// It ended with a failure; its own error is above this one.
    #[error("the process of engine {engine} failed: {status}")]
    Child {
        /// Its name.
        engine: String,
        /// How it ended.
        status: std::process::ExitStatus,
    },
    /// The engine has a program of its own, which is not there.
    #[error("engine {engine} cannot be run: {what}")]
    Guest {
        /// Its name.
        engine: String,
        /// What is missing, and what to do.
        what: String,
    },
    /// A process made for an engine cannot be told what to run, or was told something else.
    #[error("the configuration of a run cannot be told to its process")]
    Config(#[source] serde_json::Error),
    /// It did not print a report.
    #[error("the process of engine {engine} printed no report")]
    Report {
        /// Its name.
        engine: String,
        /// Why.
        source: serde_json::Error,
    },
}

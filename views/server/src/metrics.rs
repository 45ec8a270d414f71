//! What the process counts, as Prometheus reads it (<https://prometheus.io/docs/instrumenting/exposition_formats/>).

use std::sync::atomic::{AtomicU64, Ordering};

use tidewater_sql::Database;

use crate::{sink, source_events};

/// Counters of the process.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    pub(crate) ticks: AtomicU64,
    pub(crate) tick_micros: AtomicU64,
    pub(crate) commits: AtomicU64,
    pub(crate) changes: AtomicU64,
    pub(crate) dead_letters: AtomicU64,
    pub(crate) queries: AtomicU64,
    pub(crate) statements: AtomicU64,
    pub(crate) committed_ms: AtomicU64,
    pub(crate) log_syncs: AtomicU64,
    pub(crate) log_bytes: AtomicU64,
    pub(crate) checkpoint_bytes: AtomicU64,
    pub(crate) source_checkpoints: AtomicU64,
    pub(crate) source_checkpoint_ms: AtomicU64,
    pub(crate) source_checkpoint_bytes: AtomicU64,
    pub(crate) source_checkpoint_written: AtomicU64,
}

impl Metrics {
    /// All of them, and what the database tells of its objects and sources, in Prometheus' text format.
    pub(crate) fn text(&self, database: &Database) -> String {
        let mut text = String::new();
        let mut put = |name: &str, kind: &str, help: &str, values: &[(String, f64)]| {
            text.push_str(&format!("# HELP tidewater_{name} {help}\n# TYPE tidewater_{name} {kind}\n"));
            for (labels, value) in values {
                text.push_str(&format!("tidewater_{name}{labels} {value}\n"));
            }
        };
        let one = |value: &AtomicU64| vec![(String::new(), value.load(Ordering::Relaxed) as f64)];
        put("ticks_total", "counter", "Ticks of the engine.", &one(&self.ticks));
        let seconds = self.tick_micros.load(Ordering::Relaxed) as f64 / 1e6;
        put("tick_seconds_total", "counter", "Time spent in ticks.", &[(String::new(), seconds)]);
        put("commits_total", "counter", "Commits taken from sources.", &one(&self.commits));
        put("changes_total", "counter", "Changes taken from sources.", &one(&self.changes));
        put("dead_letters_total", "counter", "Records that could not be decoded.", &one(&self.dead_letters));
        put("queries_total", "counter", "Queries answered.", &one(&self.queries));
        put("statements_total", "counter", "Other statements run.", &one(&self.statements));
        let committed = self.committed_ms.load(Ordering::Relaxed) as f64 / 1e3;
        put(
            "last_commit_timestamp_seconds",
            "gauge",
            "When the newest commit was made upstream.",
            &[(String::new(), committed)],
        );
        put("log_syncs_total", "counter", "Batches of changes that were made durable.", &one(&self.log_syncs));
        put("log_bytes", "gauge", "Bytes of the log since its newest checkpoint.", &one(&self.log_bytes));
        put(
            "checkpoint_bytes",
            "gauge",
            "Bytes of the newest checkpoint of this process.",
            &one(&self.checkpoint_bytes),
        );
        put("source_checkpoints_total", "counter", "Checkpoints of sources.", &one(&self.source_checkpoints));
        let taken = self.source_checkpoint_ms.load(Ordering::Relaxed) as f64 / 1e3;
        let help = "When the newest checkpoint of sources was written; 0 if none was by this process.";
        put("source_checkpoint_timestamp_seconds", "gauge", help, &[(String::new(), taken)]);
        let help = "Bytes of rows in the newest checkpoint of sources.";
        put("source_checkpoint_bytes", "gauge", help, &one(&self.source_checkpoint_bytes));
        let help = "Bytes that checkpoints of sources have written: what had changed.";
        put("source_checkpoint_written_bytes_total", "counter", help, &one(&self.source_checkpoint_written));
        let sizes = database.sizes();
        let escaped = |name: &str| name.replace('\\', "\\\\").replace('"', "\\\"");
        let labels = |name: &str| format!("{{object=\"{}\"}}", escaped(name));
        let rows: Vec<_> = sizes.iter().map(|(name, _, rows, _)| (labels(name), *rows as f64)).collect();
        let bytes: Vec<_> = sizes.iter().map(|(name, _, _, bytes)| (labels(name), *bytes as f64)).collect();
        put("object_rows", "gauge", "Distinct rows that an object holds.", &rows);
        put("object_bytes", "gauge", "Bytes of an object's rows and indexes.", &bytes);
        for (name, kind, help, values) in sink::metrics(database, escaped) {
            put(name, kind, help, &values);
        }
        for (name, kind, help, values) in source_events::metrics(database, escaped) {
            put(name, kind, help, &values);
        }
        text
    }
}

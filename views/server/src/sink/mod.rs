//! Sinks: views that are written to Kafka, every commit whole and once.
//!
//! A sink is one more follower of a feed (`feeds.rs`) on a thread of its own, so that nobody waits for it. All that it must
//! remember is in Kafka: [`progress`] in the same transaction as the records, and the records themselves, which [`fold`] puts together
//! again. So after any end ([`writer`]) the topic is compared with the view at one moment and gets the difference, in one transaction.

mod avro;
mod encode;
mod fold;
mod progress;
mod records;
mod spec;
#[cfg(test)]
mod tests;
mod writer;

use std::collections::HashMap;

use tidewater_functions::Session;
use tidewater_sql::parse::ast::CreateSink;
use tidewater_sql::{Database, Error, Result, SinkState};
use tokio::sync::watch;

use crate::coordinator::Loop;
use crate::definitions::from_ingest;
use crate::handle::Handle;

/// The writers that run, by the numbers of their sinks.
pub(crate) struct Sinks {
    /// `None` where nothing is read or written.
    handle: Option<Handle>,
    /// Who writes, for those who come later.
    writer: String,
    /// A writer ends when its sender is gone.
    running: HashMap<u32, watch::Sender<()>>,
}

impl Sinks {
    pub(crate) fn new(handle: Option<Handle>) -> Self {
        let mut random = [0; 8];
        // Without random numbers the time tells servers apart.
        if getrandom::fill(&mut random).is_err() {
            random = chrono::Utc::now().timestamp_micros().to_be_bytes();
        }
        Sinks { handle, writer: format!("{:016x}", u64::from_be_bytes(random)), running: HashMap::new() }
    }
}

impl Loop {
    /// Starts the writers of sinks that are new and ends those of sinks that are gone.
    pub(crate) fn run_sinks(&mut self) {
        let Some(handle) = &self.sinks.handle else { return };
        let sinks = self.database.read().sinks();
        self.sinks.running.retain(|oid, _| sinks.iter().any(|sink| sink.oid == *oid));
        for sink in sinks {
            if self.sinks.running.contains_key(&sink.oid) {
                continue;
            }
            let (oid, name) = (sink.oid, sink.name.clone());
            let (end, ended) = watch::channel(());
            match writer::start(handle.clone(), sink, self.sinks.writer.clone(), ended) {
                Ok(()) => drop(self.sinks.running.insert(oid, end)),
                Err(error) => tracing::error!(sink = name, %error, "no thread for the sink"),
            }
        }
    }
}

impl Handle {
    /// Looks at what a sink needs before it is made.
    ///
    /// # Errors
    /// What is wrong with the statement; 08001 if Kafka does not answer; 55000 for a topic that holds records already.
    pub(crate) async fn check_sink(&self, sink: &CreateSink, session: &Session) -> Result<()> {
        let spec = {
            let database = self.read();
            let key = database.new_key(&sink.name, session)?;
            if sink.if_not_exists && database.exists(&key) {
                return Ok(());
            }
            database.free(&key)?;
            database.check_sink(sink, session)?;
            spec::resolve(sink, &database, session)?
        };
        if !self.kafka || spec.reuse {
            return Ok(());
        }
        let topic = spec.topic.name.clone();
        let holds = tokio::task::spawn_blocking(move || spec.cluster.holds_records(&spec.topic.name)).await;
        match holds.map_err(|_| Error::new(b"XX000", "looking at the topic failed"))? {
            Ok(false) => Ok(()),
            Ok(true) => Err(foreign_records(&sink.name, &topic)),
            Err(error) => Err(from_ingest(&error)),
        }
    }
}

/// A sink makes its topic what its view is: others' records would go.
fn foreign_records(sink: &str, topic: &str) -> Error {
    let message = format!("sink \"{sink}\": topic \"{topic}\" holds records that the sink has not written");
    let hint = "WITH (REUSE TOPIC = true) says that they are an earlier sink's: keys that the view does not have get tombstones";
    Error::new(b"55000", message).hint(hint)
}

/// A metric: its labels and value.
type Values = Vec<(String, f64)>;

/// Sinks for Prometheus.
pub(crate) fn metrics(
    database: &Database,
    escaped: impl Fn(&str) -> String,
) -> [(&'static str, &'static str, &'static str, Values); 4] {
    let (mut states, mut lags, mut records, mut transactions) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for sink in database.sinks() {
        let name = escaped(&sink.name);
        let status = sink.status.lock().clone();
        for state in SinkState::ALL {
            let labels = format!("{{sink=\"{name}\",state=\"{}\"}}", state.word());
            states.push((labels, f64::from(u8::from(state == status.state))));
        }
        let labels = format!("{{sink=\"{name}\"}}");
        lags.push((labels.clone(), status.lag_ms as f64 / 1e3));
        records.push((labels.clone(), status.records as f64));
        transactions.push((labels, status.transactions as f64));
    }
    [
        ("sink_state", "gauge", "1 at the state that a sink is in.", states),
        ("sink_lag_seconds", "gauge", "For how long the oldest change waits that is not in the topic.", lags),
        ("sink_records_total", "counter", "Records written by this process.", records),
        ("sink_transactions_total", "counter", "Transactions of Kafka committed by this process.", transactions),
    ]
}

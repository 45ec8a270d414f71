//! How far a sink is, as it says in Kafka: written in the same transaction as the records, so that both are there or neither.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tidewater_ingest::produce::Result;

use super::spec::Spec;

/// Positions, by timeline.
pub(crate) type Reached = BTreeMap<String, String>;

/// What is written under the topic's name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Progress {
    /// The sink's name.
    pub(crate) sink: String,
    /// Who wrote it: another number for every server that was started.
    pub(crate) writer: String,
    /// The moment that the topic shows, by the writer's clock.
    pub(crate) moment: u64,
    /// What each timeline had reached.
    pub(crate) positions: Reached,
    /// Partitions of the topic: a key lies in another one where there are more.
    pub(crate) partitions: i32,
    /// Records in this transaction.
    pub(crate) records: u64,
}

impl Progress {
    /// The newest, committed or not; `None` if nobody has written the topic. Other sinks' transactions are not waited for, and what was
    /// taken back is no later than what its writer would write next: to start no earlier than that is right as well.
    ///
    /// # Errors
    /// If Kafka does not answer.
    pub(crate) fn read(spec: &Spec) -> Result<Option<Progress>> {
        let mut found = None;
        let name = spec.topic.name.as_bytes();
        spec.cluster.read_uncommitted(&spec.progress.name, &mut |key, value| {
            if key == Some(name) {
                found = value.and_then(|value| serde_json::from_slice(value).ok());
            }
            true
        })?;
        Ok(found)
    }
}

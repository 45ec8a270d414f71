//! What of a timeline and of its feeds is kept over restarts.
//!
//! The timeline's state stands at offsets: those up to which this group, and not its feeds that run ahead, has taken records.
//! With each partition the newest record is remembered, so that a topic that was deleted and made again is told from one that
//! goes on; and with each table what its decoder had learned from the records up to there.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::{Deserialize, Serialize};
use tidewater_delta::TableId;
use tidewater_types::TableSchema;
use tokio::sync::mpsc;

use super::New;
use super::mark::Mark;
use crate::error::{Error, Result};
use crate::learned::Learned;
use crate::saved;
use crate::source::{Envelope, OnError, SourceConfig, SourceEvent};
use crate::timeline::{Bounds, Timeline};

/// A source that goes on from the state of its timeline.
#[derive(Debug, Clone)]
pub struct ResumedSource {
    /// The number that the state knows it by.
    pub old: TableId,
    /// Its number from now on.
    pub id: TableId,
    /// The source, as it was when the state was taken.
    pub config: SourceConfig,
    /// The shape of its rows, as it was then.
    pub schema: TableSchema,
}

/// See the module.
#[derive(Serialize, Deserialize)]
pub(crate) struct GroupState<T> {
    /// The cluster's own id.
    pub(crate) cluster: String,
    /// When it was taken, in milliseconds since 1970.
    pub(crate) taken_ms: i64,
    pub(crate) transaction_topic: Option<String>,
    pub(crate) timeline: T,
    /// Of the transaction topic, if it was found.
    pub(crate) boundaries: Option<Stand>,
    pub(crate) tables: BTreeMap<TableId, KeptTable>,
}

/// Up to where a topic's records were taken.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Stand {
    /// The next offset of each partition.
    pub(crate) next: BTreeMap<i32, i64>,
    /// The newest record of each.
    pub(crate) newest: BTreeMap<i32, Mark>,
}

/// A table that the timeline knows.
#[derive(Serialize, Deserialize)]
pub(crate) struct KeptTable {
    is: Identity,
    pub(crate) stand: Stand,
    /// Records that there were when it was added, by partition.
    pub(crate) bounds: BTreeMap<i32, Bounds>,
    /// What its decoder had learned.
    pub(crate) learned: Learned,
}

/// What of a source must be as it was: its rows and its timeline were made with it.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Identity {
    topic: String,
    on_error: OnError,
    envelope: String,
    columns: Vec<(String, String)>,
    key: Option<Vec<usize>>,
}

impl Identity {
    fn of(config: &SourceConfig, schema: &TableSchema) -> Self {
        let envelope = match &config.envelope {
            Envelope::Debezium { collection, .. } => format!("debezium {}", collection.as_deref().unwrap_or_default()),
            Envelope::Upsert => "upsert".to_owned(),
            Envelope::None => "none".to_owned(),
        };
        let columns = schema.columns.iter().map(|column| (column.name.clone(), format!("{:?}", column.ty)));
        Identity {
            topic: config.topic.clone(),
            on_error: config.on_error,
            envelope,
            columns: columns.collect(),
            key: schema.key.clone(),
        }
    }
}

impl KeptTable {
    pub(crate) fn new(
        config: &SourceConfig,
        schema: &TableSchema,
        stand: Stand,
        bounds: BTreeMap<i32, Bounds>,
        learned: Learned,
    ) -> Self {
        KeptTable { is: Identity::of(config, schema), stand, bounds, learned }
    }
}

/// A group that goes on.
pub(crate) struct Resume {
    pub(crate) state: GroupState<Timeline>,
    /// Those that the state knows, and their schemas.
    pub(crate) sources: BTreeMap<TableId, Box<New>>,
}

impl Resume {
    /// The state that `bytes` hold, with the sources that go on from it under their new numbers.
    ///
    /// # Errors
    /// If the bytes are of another version or damaged, or a source is not the one of the state.
    pub(crate) fn new(bytes: &[u8], sources: Vec<ResumedSource>) -> Result<Self> {
        let mut state: GroupState<Timeline> = saved::load(bytes)?;
        let mut numbers = BTreeMap::new();
        let mut tables = BTreeMap::new();
        let mut new = BTreeMap::new();
        for ResumedSource { old, id, config, schema } in sources {
            let kept = state.tables.remove(&old);
            let topic = match &config.envelope {
                Envelope::Debezium { transaction_topic, .. } => transaction_topic.as_ref(),
                _ => None,
            };
            let same = |kept: &KeptTable| kept.is == Identity::of(&config, &schema);
            let kept =
                kept.filter(|kept| same(kept) && topic == state.transaction_topic.as_ref()).ok_or_else(|| {
                    let (name, topic) = (&config.name, &config.topic);
                    Error::decode(format!(
                        "source \"{name}\" (topic \"{topic}\") is not as it was when the state was taken"
                    ))
                })?;
            numbers.insert(old, id);
            tables.insert(id, kept);
            new.insert(id, Box::new(New { id, config, schema }));
        }
        if tables.len() < numbers.len() {
            return Err(Error::decode("two sources go on as one"));
        }
        state.tables = tables;
        state.timeline.renumber(&numbers);
        Ok(Resume { state, sources: new })
    }
}

/// All groups were asked for their state; when the last one lets go of this, the receiver is told.
pub(crate) struct Telling {
    out: mpsc::Sender<SourceEvent>,
    asked: AtomicUsize,
    answered: AtomicUsize,
}

impl Telling {
    pub(crate) fn new(out: mpsc::Sender<SourceEvent>) -> Arc<Self> {
        Arc::new(Telling { out, asked: AtomicUsize::new(0), answered: AtomicUsize::new(0) })
    }

    pub(crate) fn ask(&self) {
        self.asked.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn answer(&self) {
        self.answered.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Telling {
    fn drop(&mut self) {
        let whole = self.asked.load(Ordering::Relaxed) == self.answered.load(Ordering::Relaxed);
        // The receiver is gone when the process ends.
        let _ = self.out.blocking_send(SourceEvent::StatesTold { whole });
    }
}

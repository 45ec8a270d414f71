//! The threads that read Kafka: one a topic, which decodes, and one a timeline, which puts transactions together.
//!
//! Which sources are of one timeline is told by the cluster's own id and the transaction topic, not by how brokers are
//! written: two ways to write one address must not tear transactions apart. So a thread of its own asks for that first.

mod feed;
mod group;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use tidewater_delta::TableId;
use tidewater_types::TableSchema;
use tokio::sync::mpsc;

use crate::error::Result;
use crate::kafka::Cluster;
use crate::registry::RegistryConfig;
use crate::source::{Envelope, Format, Health, SourceConfig, SourceEvent};
use group::Group;

/// Pause before a cluster that did not answer is asked again who it is.
const RETRY: Duration = Duration::from_millis(500);

/// A source to read.
pub(crate) struct New {
    pub(crate) id: TableId,
    pub(crate) config: SourceConfig,
    pub(crate) schema: TableSchema,
}

pub(crate) enum Command {
    Add(Box<New>),
    Remove(TableId),
}

/// What makes tables share a timeline.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    cluster: String,
    transaction_topic: String,
    registry: Option<RegistryConfig>,
}

/// All threads that read Kafka. They end when this is dropped.
pub struct Readers {
    commands: Sender<Command>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Readers {
    /// No topics yet; what they hold goes to `out`, which holds the threads back when it is full.
    ///
    /// # Panics
    /// If the system gives no thread.
    pub fn new(out: mpsc::Sender<SourceEvent>) -> Self {
        let (commands, inbox) = channel();
        let stop = Arc::new(AtomicBool::new(false));
        let router =
            Router { out, stop: stop.clone(), groups: Vec::new(), clusters: HashMap::new(), unknown: BTreeMap::new() };
        let builder = std::thread::Builder::new().name("readers".into());
        let thread = builder.spawn(move || router.run(&inbox)).expect("the system gives a thread");
        Readers { commands, stop, thread }
    }

    /// Starts to read a source as `id`.
    ///
    /// # Errors
    /// If the threads have ended. What is wrong with Kafka or the registry is told as the source's health.
    pub fn add(&mut self, id: TableId, config: SourceConfig, schema: TableSchema) -> Result<()> {
        let brokers = config.cluster.brokers.clone();
        let sent = self.commands.send(Command::Add(Box::new(New { id, config, schema })));
        sent.map_err(|_| crate::Error::Kafka { brokers, reason: "the threads that read it have ended".into() })
    }

    /// Stops reading a source.
    pub fn remove(&mut self, id: TableId) {
        // Nothing reads any more if nobody receives.
        let _ = self.commands.send(Command::Remove(id));
    }

    /// Tells all threads to end and waits for them. Nobody may be needed to take their events any more: the receiver must
    /// have been dropped or be drained meanwhile.
    pub fn shutdown(self) {
        self.stop.store(true, Ordering::Relaxed);
        if self.thread.join().is_err() {
            tracing::error!("a thread that read Kafka panicked");
        }
    }
}

/// A timeline's thread.
struct Running {
    key: Option<Key>,
    tables: HashSet<TableId>,
    commands: Sender<Command>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

/// Knows which thread reads what.
struct Router {
    out: mpsc::Sender<SourceEvent>,
    stop: Arc<AtomicBool>,
    groups: Vec<Running>,
    /// Ids of clusters that have answered.
    clusters: HashMap<Cluster, String>,
    /// Sources whose cluster has not.
    unknown: BTreeMap<TableId, Box<New>>,
}

impl Router {
    fn run(mut self, inbox: &Receiver<Command>) {
        while !self.stop.load(Ordering::Relaxed) {
            match inbox.recv_timeout(RETRY) {
                Ok(Command::Add(new)) => self.add(new),
                Ok(Command::Remove(id)) => self.remove(id),
                Err(RecvTimeoutError::Timeout) => {
                    for new in std::mem::take(&mut self.unknown).into_values() {
                        self.add(new);
                    }
                }
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.groups.iter().for_each(|group| group.stop.store(true, Ordering::Relaxed));
        for group in self.groups {
            if group.thread.join().is_err() {
                tracing::error!("a thread that read Kafka panicked");
            }
        }
    }

    fn add(&mut self, new: Box<New>) {
        let Envelope::Debezium { transaction_topic: Some(topic), .. } = &new.config.envelope else {
            return self.start(None, new);
        };
        let cluster = &new.config.cluster;
        let known = match self.clusters.get(cluster) {
            Some(known) => Ok(known.clone()),
            None => cluster.id(),
        };
        match known {
            Ok(id) => {
                self.clusters.insert(cluster.clone(), id.clone());
                let registry = match &new.config.format {
                    Format::Avro(registry) => Some(registry.clone()),
                    _ => None,
                };
                let key = Key { cluster: id, transaction_topic: topic.clone(), registry };
                self.start(Some(key), new);
            }
            Err(error) => {
                let health = Health::waiting(error.to_string());
                // The receiver is gone when the process ends.
                let _ = self.out.blocking_send(SourceEvent::Health { table: new.id, health });
                self.unknown.insert(new.id, new);
            }
        }
    }

    fn start(&mut self, key: Option<Key>, new: Box<New>) {
        let id = new.id;
        if let Some(group) = self.groups.iter_mut().find(|group| key.is_some() && group.key == key) {
            group.tables.insert(id);
            // A thread that has ended was told to.
            let _ = group.commands.send(Command::Add(new));
            return;
        }
        let (commands, inbox) = channel();
        let stop = Arc::new(AtomicBool::new(false));
        let (stopping, out) = (stop.clone(), self.out.clone());
        let name = format!("timeline {}", new.config.topic);
        let body = move || Group::run(new, inbox, stopping, out);
        match std::thread::Builder::new().name(name).spawn(body) {
            Ok(thread) => self.groups.push(Running { key, tables: HashSet::from([id]), commands, stop, thread }),
            Err(error) => {
                let health = Health::waiting(format!("the system gives no thread: {error}"));
                let _ = self.out.blocking_send(SourceEvent::Health { table: id, health });
            }
        }
    }

    fn remove(&mut self, id: TableId) {
        self.unknown.remove(&id);
        let Some(at) = self.groups.iter().position(|group| group.tables.contains(&id)) else { return };
        let group = &mut self.groups[at];
        group.tables.remove(&id);
        let _ = group.commands.send(Command::Remove(id));
        if group.tables.is_empty() {
            group.stop.store(true, Ordering::Relaxed);
            self.groups.swap_remove(at);
        }
    }
}

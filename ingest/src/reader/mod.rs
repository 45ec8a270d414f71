//! The threads that read Kafka: one a topic, which decodes, and one a timeline, which puts transactions together.
//!
//! Which sources are of one timeline is told by the cluster's own id and the transaction topic, not by how brokers are
//! written: two ways to write one address must not tear transactions apart. So a thread of its own asks for that first.

mod feed;
mod group;
mod look;
mod mark;
mod verify;

mod catching_up;
mod state;

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
pub use state::ResumedSource;
use state::{Resume, Telling};

/// Pause before a cluster that did not answer is asked again who it is.
const RETRY: Duration = Duration::from_millis(500);

/// A source to read.
#[derive(Debug)]
pub(crate) struct New {
    pub(crate) id: TableId,
    pub(crate) config: SourceConfig,
    pub(crate) schema: TableSchema,
}

impl New {
    /// How many of its columns are the writer's.
    pub(crate) fn own(&self) -> usize {
        self.schema.columns.len() - self.config.include.len()
    }
}

pub(crate) enum Command {
    Add(Box<New>),
    Remove(TableId),
    Resume(Box<Resume>),
    /// All states are to be told.
    AskStates,
    /// The state of a timeline is to be told.
    TellState(Arc<Telling>),
}

/// What a group begins with.
pub(crate) enum Begin {
    /// A source, and the cluster's id if it is known.
    New(Option<String>, Box<New>),
    /// The state of a timeline.
    Again(Box<Resume>),
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

    /// Goes on with a timeline whose state was told before ([`SourceEvent::State`]), as if nothing had happened: with the same
    /// records its tables get the changes that they would have got. To be called before sources of the same connector are
    /// added. Of the tables that the state knows those that are not given are forgotten.
    ///
    /// All tables are hydrating at first, with the rows of the state; commits come meanwhile. Those that were shown are hydrated
    /// when the timeline has come to where it stood, or could have stood, when the process ended: nobody is taken back in time.
    /// What Kafka does not hold any more is told as health: records deleted beyond the state's offsets, a topic that was deleted
    /// and made again, another cluster at the same address.
    ///
    /// # Errors
    /// If the bytes are damaged or of another version, or a source is not as it was when the state was taken. Nothing is read
    /// then: the sources are to be added, without any rows.
    pub fn resume(&mut self, state: &[u8], sources: Vec<ResumedSource>) -> Result<()> {
        let resume = Resume::new(state, sources)?;
        let Some(first) = resume.sources.values().next() else { return Ok(()) };
        let brokers = first.config.cluster.brokers.clone();
        let sent = self.commands.send(Command::Resume(Box::new(resume)));
        sent.map_err(|_| crate::Error::Kafka { brokers, reason: "the threads that read it have ended".into() })
    }

    /// Asks every timeline for its state. Each hands on what is whole and then tells its state as [`SourceEvent::State`], in order
    /// with its other events; then comes one [`SourceEvent::StatesTold`]. A timeline that knows no table yet, because its topics or
    /// its cluster were not found, tells none: no rows of it have come. A timeline that waits for a broker answers late. To be
    /// asked again only after `StatesTold`, which does not come if the threads have ended.
    pub fn checkpoint(&self) {
        // Nothing reads any more if nobody receives.
        let _ = self.commands.send(Command::AskStates);
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
                Ok(Command::Resume(resume)) => self.resume(resume),
                Ok(Command::AskStates) => self.ask_states(),
                // It is the groups that are told so.
                Ok(Command::TellState(_)) => {}
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
            return self.start(None, HashSet::from([new.id]), Begin::New(None, new));
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
                let key = Key { cluster: id.clone(), transaction_topic: topic.clone(), registry };
                if let Some(group) = self.groups.iter_mut().find(|group| group.key.as_ref() == Some(&key)) {
                    group.tables.insert(new.id);
                    // A thread that has ended was told to.
                    let _ = group.commands.send(Command::Add(new));
                    return;
                }
                let tables = HashSet::from([new.id]);
                self.start(Some(key), tables, Begin::New(Some(id), new));
            }
            Err(error) => {
                let health = Health::waiting(error.to_string());
                // The receiver is gone when the process ends.
                let _ = self.out.blocking_send(SourceEvent::Health { table: new.id, health });
                self.unknown.insert(new.id, new);
            }
        }
    }

    /// Goes on with a timeline. Whether its cluster is still the same one the group asks: it may not answer yet.
    fn resume(&mut self, resume: Box<Resume>) {
        let tables = resume.sources.keys().copied().collect();
        let Some(first) = resume.sources.values().next() else { return };
        let registry = match &first.config.format {
            Format::Avro(registry) => Some(registry.clone()),
            _ => None,
        };
        let cluster = resume.state.cluster.clone();
        let key = resume.state.transaction_topic.clone();
        let key = key.map(|transaction_topic| Key { cluster, transaction_topic, registry });
        self.start(key, tables, Begin::Again(resume));
    }

    fn ask_states(&self) {
        let telling = Telling::new(self.out.clone());
        for group in &self.groups {
            telling.ask();
            // One that does not answer is counted.
            let _ = group.commands.send(Command::TellState(telling.clone()));
        }
    }

    fn start(&mut self, key: Option<Key>, tables: HashSet<TableId>, begin: Begin) {
        let (commands, inbox) = channel();
        let stop = Arc::new(AtomicBool::new(false));
        let (stopping, out) = (stop.clone(), self.out.clone());
        let name = match &begin {
            Begin::New(_, new) => format!("timeline {}", new.config.topic),
            Begin::Again(resume) => format!("timeline {}", resume.state.timeline.name()),
        };
        let body = move || Group::run(begin, inbox, stopping, out);
        match std::thread::Builder::new().name(name).spawn(body) {
            Ok(thread) => self.groups.push(Running { key, tables, commands, stop, thread }),
            Err(error) => {
                let health = Health::waiting(format!("the system gives no thread: {error}"));
                for table in tables {
                    let _ = self.out.blocking_send(SourceEvent::Health { table, health: health.clone() });
                }
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

#[cfg(test)]
mod tests;

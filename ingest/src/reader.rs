//! The threads that read Kafka: one for all tables of one connector, one for each topic without transactions.
//!
//! A table joins its connector's thread in its own lane, which reads the table and the transaction topic from their
//! beginning. When that lane stands at the same transaction as the rest and holds the table's whole snapshot, the table's
//! rows are handed over as one commit, in the same batch as the rest's latest commits, and the lane is merged. So every
//! table of a connector always shows the same moment.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use delta::{Change, Commit, Position, TableId, TableSchema};
use rdkafka::consumer::BaseConsumer;
use rdkafka::message::Message;
use tokio::sync::mpsc;

use crate::error::Result;
use crate::kafka::Cluster;
use crate::lane::{Lane, Table, is_passing};
use crate::registry::RegistryConfig;
use crate::source::{Envelope, Format, Health, SourceConfig, SourceEvent};

/// Wait for a first record where nothing else is to be done; also the delay of a command.
const IDLE: Duration = Duration::from_millis(20);
/// Wait for a first record where another lane has work.
const BUSY: Duration = Duration::from_millis(1);
/// How often a transaction topic that does not exist yet is looked for, and progress is told.
const LOOK: Duration = Duration::from_millis(300);
/// Records taken into one batch of a topic without transactions.
const BATCH: usize = 10_000;

/// What makes tables share a thread.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Connector {
    cluster: Cluster,
    transaction_topic: Option<String>,
    registry: Option<RegistryConfig>,
}

/// A source to read. Its decoder is made on the thread that reads: the registry's client must not be made on an async one.
struct New {
    id: TableId,
    config: SourceConfig,
    schema: TableSchema,
}

impl New {
    fn table(self, out: &mpsc::Sender<SourceEvent>) -> Option<Table> {
        let id = self.id;
        match Table::new(id, self.config, &self.schema) {
            Ok(table) => Some(table),
            Err(error) => {
                status(out, id, Some(error.to_string()));
                None
            }
        }
    }
}

enum Command {
    Add(Box<New>),
    Remove(TableId),
}

/// A thread and what it reads.
struct Reader {
    connector: Option<Connector>,
    topics: HashMap<TableId, String>,
    commands: Sender<Command>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

/// All threads that read Kafka. They end when this is dropped.
pub struct Readers {
    out: mpsc::Sender<SourceEvent>,
    readers: Vec<Reader>,
}

impl Readers {
    /// No threads yet; what they read goes to `out`, which holds them back when it is full.
    pub fn new(out: mpsc::Sender<SourceEvent>) -> Self {
        Readers { out, readers: Vec::new() }
    }

    /// Starts to read a source as `id`.
    ///
    /// # Errors
    /// If no thread can be started. What is wrong with Kafka or the registry is told as status.
    pub fn add(&mut self, id: TableId, config: SourceConfig, schema: TableSchema) -> Result<()> {
        let table = Box::new(New { id, config: config.clone(), schema });
        let connector = match &config.envelope {
            Envelope::Debezium { transaction_topic, .. } => {
                let registry = match &config.format {
                    Format::Avro(registry) => Some(registry.clone()),
                    _ => None,
                };
                let transaction_topic = transaction_topic.clone();
                Some(Connector { cluster: config.cluster.clone(), transaction_topic, registry })
            }
            Envelope::Upsert | Envelope::None => None,
        };
        // One consumer cannot read one topic at two places: a second source of a topic gets a thread of its own.
        let shares = |reader: &&mut Reader| {
            connector.is_some() && reader.connector == connector && !reader.topics.values().any(|t| *t == config.topic)
        };
        if let Some(reader) = self.readers.iter_mut().find(shares) {
            reader.topics.insert(id, config.topic);
            // A thread that has ended was told to.
            let _ = reader.commands.send(Command::Add(table));
            return Ok(());
        }
        let (commands, receiver) = channel();
        let stop = Arc::new(AtomicBool::new(false));
        let out = self.out.clone();
        let name = format!("kafka {}", config.name);
        let builder = std::thread::Builder::new().name(name);
        let (stopping, shared) = (stop.clone(), connector.clone());
        let body = move || match shared {
            Some(connector) => Group::run(connector, table, receiver, stopping, out),
            None => {
                if let Some(table) = table.table(&out) {
                    stream(table, &receiver, &stopping, &out);
                }
            }
        };
        let thread = builder.spawn(body).map_err(|error| crate::Error::Kafka {
            brokers: config.cluster.brokers.clone(),
            reason: format!("no thread for the source \"{}\": {error}", config.name),
        })?;
        let topics = HashMap::from([(id, config.topic)]);
        self.readers.push(Reader { connector, topics, commands, stop, thread });
        Ok(())
    }

    /// Stops reading a source.
    pub fn remove(&mut self, id: TableId) {
        let Some(at) = self.readers.iter().position(|reader| reader.topics.contains_key(&id)) else { return };
        let reader = &mut self.readers[at];
        reader.topics.remove(&id);
        let _ = reader.commands.send(Command::Remove(id));
        if reader.topics.is_empty() {
            reader.stop.store(true, Ordering::Relaxed);
            self.readers.swap_remove(at);
        }
    }

    /// Tells all threads to end and waits for them. Nobody may be needed to take their events any more: the receiver must
    /// have been dropped or be drained meanwhile.
    pub fn shutdown(self) {
        for reader in &self.readers {
            reader.stop.store(true, Ordering::Relaxed);
        }
        for reader in self.readers {
            if reader.thread.join().is_err() {
                tracing::error!("a thread that read Kafka panicked");
            }
        }
    }
}

/// A table on its way into the group.
struct Joiner {
    id: TableId,
    lane: Lane,
    /// The end of each partition when it began.
    ends: Vec<i64>,
    records: u64,
    rows: Vec<Change>,
    position: Option<Position>,
    committed_ms: i64,
}

/// All tables of one connector.
struct Group {
    connector: Connector,
    main: Lane,
    joiners: Vec<Joiner>,
    /// Tables whose lane could not be made yet, because no broker answered.
    waiting: Vec<Table>,
    out: mpsc::Sender<SourceEvent>,
    stop: Arc<AtomicBool>,
    looked: Instant,
    rounds: u64,
}

impl Group {
    fn run(
        connector: Connector,
        first: Box<New>,
        commands: Receiver<Command>,
        stop: Arc<AtomicBool>,
        out: mpsc::Sender<SourceEvent>,
    ) {
        let id = first.id;
        let Connector { cluster, transaction_topic, registry } = &connector;
        let main = match Lane::new(cluster, transaction_topic.as_deref(), registry.as_ref(), &stop) {
            Ok(main) => main,
            Err(error) => return status(&out, id, Some(error.to_string())),
        };
        let looked = Instant::now() - LOOK;
        let mut group =
            Group { connector, main, joiners: Vec::new(), waiting: Vec::new(), out, stop, looked, rounds: 0 };
        group.waiting.extend(first.table(&group.out));
        while !group.stop.load(Ordering::Relaxed) {
            loop {
                match commands.try_recv() {
                    Ok(Command::Add(table)) => group.waiting.extend(table.table(&group.out)),
                    Ok(Command::Remove(id)) => group.remove(id),
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => return,
                }
            }
            if let Err(error) = group.round() {
                let ids: Vec<_> = group.main.tables.values().map(|table| table.id).collect();
                let ids = ids.into_iter().chain(group.joiners.iter().map(|joiner| joiner.id)).collect::<Vec<_>>();
                ids.into_iter().for_each(|id| status(&group.out, id, Some(error.to_string())));
                std::thread::sleep(LOOK);
            }
        }
    }

    fn remove(&mut self, id: TableId) {
        self.waiting.retain(|table| table.id != id);
        self.joiners.retain(|joiner| joiner.id != id);
        self.main.remove(id);
    }

    /// Takes what has arrived and hands on what is whole.
    fn round(&mut self) -> Result<()> {
        if self.looked.elapsed() >= LOOK {
            self.looked = Instant::now();
            self.look()?;
        }
        let mut events = Vec::new();
        let mut busy = false;
        for joiner in &mut self.joiners {
            busy |= joiner.lane.pull(Duration::ZERO, &mut events)? > 0;
        }
        let wait = if busy {
            Duration::ZERO
        } else if self.joiners.is_empty() {
            IDLE
        } else {
            BUSY
        };
        // A lane that lacks only the latest transactions meets the rest while that stands still: every other round.
        self.rounds += 1;
        let meets = |joiner: &Joiner| joiner.lane.assembler.is_complete(joiner.id);
        if self.rounds.is_multiple_of(2) || !self.joiners.iter().any(meets) {
            self.main.pull(wait, &mut events)?;
        }
        let mut commits = self.main.assembler.release(i64::MAX);
        let hydrated = self.merge(&mut commits)?;
        if !commits.is_empty() {
            events.push(SourceEvent::Commits(commits));
        }
        events.extend(hydrated.into_iter().map(SourceEvent::Hydrated));
        for event in events {
            if self.out.blocking_send(event).is_err() {
                self.stop.store(true, Ordering::Relaxed);
            }
        }
        Ok(())
    }

    /// Merges the lanes that have caught up; their rows are added to `commits`.
    fn merge(&mut self, commits: &mut Vec<Commit>) -> Result<Vec<TableId>> {
        let mut hydrated = Vec::new();
        let mut number = 0;
        while number < self.joiners.len() {
            let joiner = &mut self.joiners[number];
            for commit in joiner.lane.assembler.release(self.main.assembler.released()) {
                joiner.position = Some(commit.position);
                joiner.committed_ms = commit.committed_ms;
                joiner.rows.extend(commit.changes);
            }
            if !joiner.has_caught_up(&self.main) {
                number += 1;
                continue;
            }
            let joiner = self.joiners.swap_remove(number);
            let position = joiner.position.unwrap_or(Position::Local(0));
            commits.push(Commit {
                timeline: "".into(),
                position,
                committed_ms: joiner.committed_ms,
                changes: joiner.rows,
            });
            self.main.absorb(joiner.lane)?;
            hydrated.push(joiner.id);
        }
        Ok(hydrated)
    }

    /// What need not be done at every round: topics that may exist by now, lanes for new tables, progress.
    fn look(&mut self) -> Result<()> {
        self.main.find_transactions()?;
        for table in std::mem::take(&mut self.waiting) {
            let id = table.id;
            match self.joiner(table) {
                Ok(joiner) => {
                    status(&self.out, id, None);
                    self.joiners.push(joiner);
                }
                Err((error, table)) => {
                    status(&self.out, id, Some(error.to_string()));
                    self.waiting.extend(table.map(|table| *table));
                }
            }
        }
        for joiner in &mut self.joiners {
            joiner.lane.find_transactions()?;
            let read = joiner.lane.tables.values().map(|table| table.read).sum();
            let _ = self.out.blocking_send(SourceEvent::Progress { table: joiner.id, read, of: joiner.records });
        }
        Ok(())
    }

    /// A lane for a table; the table comes back where it may work later.
    fn joiner(&self, table: Table) -> Result<Joiner, (crate::Error, Option<Box<Table>>)> {
        let Connector { cluster, transaction_topic, registry } = &self.connector;
        let lane = Lane::new(cluster, transaction_topic.as_deref(), registry.as_ref(), &self.stop);
        let mut lane = match lane {
            Ok(lane) => lane,
            Err(error) => return Err((error, None)),
        };
        let (records, ends) = match cluster.ends(&lane.consumer, &table.config.topic) {
            Ok(found) => found,
            Err(error) => return Err((error, Some(Box::new(table)))),
        };
        let id = table.id;
        let collection = match &table.config.envelope {
            Envelope::Debezium { collection: Some(collection), .. } => collection.clone(),
            Envelope::Debezium { collection: None, .. } => derived_collection(&table.config.topic),
            Envelope::Upsert | Envelope::None => table.config.topic.clone(),
        };
        // Together, so that one fetch takes both.
        lane.find_transactions().map_err(|error| (error, None))?;
        lane.add(table, &collection).map_err(|error| (error, None))?;
        if records == 0 {
            lane.assembler.without_snapshot(id);
        }
        Ok(Joiner { id, lane, ends, records, rows: Vec::new(), position: None, committed_ms: 0 })
    }
}

impl Joiner {
    fn has_caught_up(&self, main: &Lane) -> bool {
        let assembler = &self.lane.assembler;
        let read = |table: &Table| {
            table.next.len() >= self.ends.len() && self.ends.iter().zip(&table.next).all(|(end, next)| next >= end)
        };
        assembler.is_complete(self.id)
            && !assembler.is_snapshotting(self.id)
            && self.lane.tables.values().all(read)
            && assembler.released() == main.assembler.released()
    }
}

fn status(out: &mpsc::Sender<SourceEvent>, table: TableId, problem: Option<String>) {
    // Nobody listens any more only when the process ends.
    let health = problem.map_or_else(Health::running, Health::waiting);
    let _ = out.blocking_send(SourceEvent::Health { table, health });
}

/// Reads one topic without transactions: what has arrived is one commit.
fn stream(mut table: Table, commands: &Receiver<Command>, stop: &AtomicBool, out: &mpsc::Sender<SourceEvent>) {
    let cluster = table.config.cluster.clone();
    let consumer = match cluster.consumer() {
        Ok(consumer) => consumer,
        Err(error) => return status(out, table.id, Some(error.to_string())),
    };
    let Some((records, ends)) = begin(&cluster, &consumer, &mut table, stop, out) else { return };
    let mut hydrated = false;
    let mut looked = Instant::now();
    while !stop.load(Ordering::Relaxed) && !matches!(commands.try_recv(), Err(TryRecvError::Disconnected)) {
        let mut events = Vec::new();
        if let Some(commit) = batch(&consumer, &mut table, stop, &mut events) {
            events.push(SourceEvent::Commits(vec![commit]));
        }
        if !hydrated && ends.iter().zip(&table.next).all(|(end, next)| next >= end) {
            hydrated = true;
            events.push(SourceEvent::Hydrated(table.id));
        } else if !hydrated && looked.elapsed() >= LOOK {
            looked = Instant::now();
            events.push(SourceEvent::Progress { table: table.id, read: table.read, of: records });
        }
        if events.into_iter().any(|event| out.blocking_send(event).is_err()) {
            return;
        }
    }
}

/// Assigns the topic's partitions once it exists: how many records it holds, and its ends.
fn begin(
    cluster: &Cluster,
    consumer: &BaseConsumer,
    table: &mut Table,
    stop: &AtomicBool,
    out: &mpsc::Sender<SourceEvent>,
) -> Option<(u64, Vec<i64>)> {
    let mut hydrated = false;
    while !stop.load(Ordering::Relaxed) {
        let problem = match cluster.ends(consumer, &table.config.topic) {
            Ok((records, ends)) if !ends.is_empty() => {
                table.next = vec![0; ends.len()];
                match cluster.assign(consumer, &table.config.topic, &table.next) {
                    Ok(()) => {
                        status(out, table.id, None);
                        return Some((records, ends));
                    }
                    Err(error) => error.to_string(),
                }
            }
            Ok(_) => {
                // A topic that nobody has written to yet holds no rows.
                if !std::mem::replace(&mut hydrated, true) {
                    let _ = out.blocking_send(SourceEvent::Hydrated(table.id));
                }
                format!("topic \"{}\" does not exist yet", table.config.topic)
            }
            Err(error) => error.to_string(),
        };
        status(out, table.id, Some(problem));
        std::thread::sleep(LOOK);
    }
    None
}

/// What has arrived, as one commit.
fn batch(
    consumer: &BaseConsumer,
    table: &mut Table,
    stop: &AtomicBool,
    events: &mut Vec<SourceEvent>,
) -> Option<Commit> {
    let mut changes = Vec::new();
    let mut last = None;
    let mut wait = IDLE;
    for _ in 0..BATCH {
        match consumer.poll(wait) {
            None => break,
            Some(Ok(message)) => {
                let id = table.id;
                changes.extend(table.ops(&message, stop, events).into_iter().map(|op| Change { table: id, op }));
                last = Some((message.partition(), message.offset() + 1, message.timestamp().to_millis().unwrap_or(0)));
            }
            Some(Err(error)) if is_passing(&error) => {}
            Some(Err(error)) => {
                events.push(SourceEvent::Health { table: table.id, health: Health::waiting(error.to_string()) });
                std::thread::sleep(LOOK);
                break;
            }
        }
        wait = Duration::ZERO;
    }
    let (partition, offset, committed_ms) = last?;
    let position = Position::Offset { topic: table.config.topic.clone(), partition, offset };
    Some(Commit { timeline: "".into(), position, committed_ms, changes })
}

/// Debezium names topics PREFIX.DATABASE.TABLE.
fn derived_collection(topic: &str) -> String {
    let mut parts = topic.rsplitn(3, '.');
    let table = parts.next().unwrap_or_default();
    format!("{}.{table}", parts.next().unwrap_or_default())
}

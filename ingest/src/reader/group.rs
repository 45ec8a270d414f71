//! A timeline and the feeds of its topics: batches in, whole commits out; and what has to be looked after now and then: topics
//! and partitions that appear, ends that the timeline wants to know, readers that stand still, what users are told.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::time::{Duration, Instant};

use rdkafka::consumer::BaseConsumer;
use tidewater_delta::TableId;
use tokio::sync::mpsc;

use super::feed::{Batch, Content, Feed, From, Item, Order};
use super::{Command, New};
use crate::error::Result;
use crate::kafka::Cluster;
use crate::registry::RegistryConfig;
use crate::source::{Envelope, Format, Health, SourceConfig, SourceEvent, State};
use crate::timeline::{Bounds, Output, TableSpec, Timeline};

/// Batches that wait for the timeline.
const BATCHES: usize = 32;
/// Batches taken before what is whole is handed on: bounds a tick, not a transaction.
const ROUND: usize = 40;
/// Wait for a first batch.
const IDLE: Duration = Duration::from_millis(50);
/// How often the topics' ends are asked for, if the timeline wants to know.
const ASK: Duration = Duration::from_millis(20);
/// How often topics are looked for, and progress and health are told.
const LOOK: Duration = Duration::from_millis(300);
/// How often partitions, lag and readers that stand still are looked for.
const INSPECT: Duration = Duration::from_secs(5);
/// After so long without a record nothing more comes of what was under way.
const QUIET: Duration = Duration::from_millis(1_000);
/// A reader that has records to read and hands none on for so long stands still.
const STUCK: Duration = Duration::from_secs(30);

/// A source of the group.
struct Source {
    config: SourceConfig,
    /// Taken when its feed starts.
    new: Option<Box<New>>,
    feed: Option<u32>,
    /// Records that there were when it was added, by partition.
    bounds: BTreeMap<i32, Bounds>,
    trouble: Option<String>,
    told: Option<Health>,
    lag: Option<u64>,
    hydrated: bool,
}

/// A topic that is read.
struct Reading {
    feed: Feed,
    /// The table; none for the transaction topic.
    table: Option<TableId>,
    topic: String,
    next: BTreeMap<i32, i64>,
    /// When it last handed something on.
    moved: Instant,
}

/// See the module.
pub(crate) struct Group {
    cluster: Cluster,
    transaction_topic: Option<String>,
    registry: Option<RegistryConfig>,
    timeline: Timeline,
    /// Asks for topics and ends; reads nothing.
    asker: Option<BaseConsumer>,
    sources: BTreeMap<TableId, Source>,
    readings: HashMap<u32, Reading>,
    boundaries: Option<u32>,
    /// Where the transaction topic ended when it was found.
    boundaries_end: i64,
    /// What is wrong with the group as a whole.
    trouble: Option<String>,
    feeds: u32,
    batches: SyncSender<Batch>,
    out: mpsc::Sender<SourceEvent>,
    looked: Instant,
    asked: Instant,
    inspected: Instant,
    moved: Instant,
}

impl Group {
    /// Runs until it is stopped or its commands end.
    pub(crate) fn run(
        first: Box<New>,
        commands: Receiver<Command>,
        stop: Arc<AtomicBool>,
        out: mpsc::Sender<SourceEvent>,
    ) {
        let (batches, inbox) = sync_channel(BATCHES);
        let config = &first.config;
        let (timeline, transaction_topic) = match &config.envelope {
            Envelope::Debezium { transaction_topic: Some(topic), .. } => {
                (Timeline::new(topic, true), Some(topic.clone()))
            }
            Envelope::Debezium { transaction_topic: None, .. } => (Timeline::new(&config.topic, false), None),
            Envelope::Upsert | Envelope::None => (Timeline::of_log(&config.topic), None),
        };
        let registry = match &config.format {
            Format::Avro(registry) => Some(registry.clone()),
            _ => None,
        };
        let now = Instant::now();
        let mut group = Group {
            cluster: config.cluster.clone(),
            transaction_topic,
            registry,
            timeline,
            asker: None,
            sources: BTreeMap::new(),
            readings: HashMap::new(),
            boundaries: None,
            boundaries_end: 0,
            trouble: None,
            feeds: 0,
            batches,
            out,
            looked: now - LOOK,
            asked: now,
            inspected: now,
            moved: now,
        };
        group.add(first);
        while !stop.load(Ordering::Relaxed) {
            match commands.try_recv() {
                Ok(Command::Add(new)) => group.add(new),
                Ok(Command::Remove(id)) => group.remove(id),
                Err(TryRecvError::Empty) => {
                    if group.round(&inbox).is_none() {
                        return;
                    }
                }
                Err(TryRecvError::Disconnected) => return,
            }
        }
    }

    fn add(&mut self, new: Box<New>) {
        let source = Source {
            config: new.config.clone(),
            feed: None,
            bounds: BTreeMap::new(),
            trouble: None,
            told: None,
            lag: None,
            hydrated: false,
            new: Some(new),
        };
        let id = source.new.as_ref().map_or(TableId(0), |new| new.id);
        self.sources.insert(id, source);
        self.looked = Instant::now() - LOOK;
    }

    fn remove(&mut self, id: TableId) {
        self.sources.remove(&id);
        self.readings.retain(|_, reading| reading.table != Some(id));
        self.timeline.remove_table(id);
    }

    /// Takes what has come and hands on what is whole; none if nobody takes it.
    fn round(&mut self, inbox: &Receiver<Batch>) -> Option<()> {
        match inbox.recv_timeout(IDLE) {
            Ok(batch) => {
                self.take(batch)?;
                for batch in inbox.try_iter().take(ROUND).collect::<Vec<_>>() {
                    self.take(batch)?;
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return None,
        }
        self.hand_on()?;
        if self.timeline.wants_ends() && self.asked.elapsed() >= ASK {
            self.asked = Instant::now();
            // What goes wrong is told when topics are looked for.
            if let Some(asker) = self.asker.take() {
                if let Ok(ends) = self.ends(&asker) {
                    self.timeline.ends(&ends);
                }
                self.asker = Some(asker);
                self.hand_on()?;
            }
        }
        if self.looked.elapsed() >= LOOK {
            self.looked = Instant::now();
            let trouble = self.look().err().map(|error| error.to_string());
            self.trouble = trouble;
            self.hand_on()?;
            self.tell()?;
        }
        Some(())
    }

    /// Feeds the timeline.
    fn take(&mut self, batch: Batch) -> Option<()> {
        let Some(reading) = self.readings.get_mut(&batch.feed) else { return Some(()) };
        let table = reading.table;
        reading.moved = Instant::now();
        self.moved = reading.moved;
        for item in batch.items {
            let Some(reading) = self.readings.get_mut(&batch.feed) else { return Some(()) };
            match (item, table) {
                (Item::Event(place, event), Some(id)) => {
                    reading.next.insert(place.partition, place.offset + 1);
                    self.timeline.event(id, place, event);
                }
                (Item::Tombstone(place, op), Some(id)) => {
                    reading.next.insert(place.partition, place.offset + 1);
                    self.timeline.tombstone(id, place, op);
                }
                (Item::Ops(place, ops), Some(id)) => {
                    reading.next.insert(place.partition, place.offset + 1);
                    self.timeline.record(id, place, ops);
                }
                (Item::Boundary(place, boundary), _) => {
                    reading.next.insert(0, place.offset + 1);
                    self.timeline.boundary(place.offset, place.timestamp_ms, boundary);
                }
                (Item::Read(partition, next), table) => {
                    reading.next.insert(partition, next);
                    match table {
                        Some(id) => self.timeline.read(id, partition, next),
                        None => self.timeline.boundaries_read(next),
                    }
                }
                (Item::Lost(place, loss, letter), table) => {
                    reading.next.insert(place.partition, place.offset + 1);
                    match table {
                        Some(id) => self.timeline.lost(id, place, loss),
                        None => self.timeline.boundary_lost(place.offset, loss.reason),
                    }
                    self.send(SourceEvent::DeadLetter(letter))?;
                }
                (Item::Gap(partition, from, to), Some(id)) => {
                    reading.next.insert(partition, to);
                    self.timeline.gap(id, partition, from, to);
                }
                (Item::Anew(bounds), Some(id)) => {
                    reading.next.insert(bounds.partition, bounds.low);
                    self.timeline.anew(id, bounds);
                }
                (Item::Gap(_, from, to), None) => {
                    let to = to - 1;
                    self.timeline
                        .boundaries_gone(&format!("its records at offsets {from} to {to} were deleted unread"));
                }
                (Item::Anew(_), None) => self.timeline.boundaries_gone("it was deleted and made again"),
                (Item::Trouble(problem), Some(id)) => {
                    if let Some(source) = self.sources.get_mut(&id) {
                        source.trouble = problem;
                    }
                }
                (Item::Trouble(problem), None) => self.trouble = problem,
                // Before any commit that has such a row.
                (Item::ColumnLost(column, reason), Some(table)) => {
                    self.send(SourceEvent::ColumnLost { table, column, reason })?;
                }
                (Item::Event(..) | Item::Ops(..) | Item::Tombstone(..) | Item::ColumnLost(..), None) => {}
            }
        }
        Some(())
    }

    fn send(&self, event: SourceEvent) -> Option<()> {
        self.out.blocking_send(event).ok()
    }

    fn hand_on(&mut self) -> Option<()> {
        let mut commits = Vec::new();
        for output in self.timeline.release() {
            let event = match output {
                Output::Commit(commit) => {
                    commits.push(commit);
                    continue;
                }
                Output::Base { table, ops } => SourceEvent::Base { table, ops },
                Output::Hydrated(id) => {
                    if let Some(source) = self.sources.get_mut(&id) {
                        source.hydrated = true;
                    }
                    SourceEvent::Hydrated(id)
                }
            };
            if !commits.is_empty() {
                self.send(SourceEvent::Commits(std::mem::take(&mut commits)))?;
            }
            self.send(event)?;
        }
        match commits.is_empty() {
            true => Some(()),
            false => self.send(SourceEvent::Commits(commits)),
        }
    }

    /// What need not be done at every round.
    fn look(&mut self) -> Result<()> {
        let asker = match self.asker.take() {
            Some(asker) => asker,
            None => self.cluster.consumer()?,
        };
        let looked = self.look_with(&asker);
        self.asker = Some(asker);
        looked
    }

    fn look_with(&mut self, asker: &BaseConsumer) -> Result<()> {
        self.find_boundaries(asker)?;
        if self.boundaries.is_none() || self.timeline.boundaries_next() >= self.boundaries_end {
            let waiting = self.sources.iter().filter(|(_, source)| source.feed.is_none());
            for id in waiting.map(|(id, _)| *id).collect::<Vec<_>>() {
                self.find_table(asker, id)?;
            }
        }
        if self.moved.elapsed() >= QUIET && self.timeline.is_waiting() && self.is_read(asker)? {
            self.timeline.quiet();
        }
        if self.inspected.elapsed() >= INSPECT {
            self.inspected = Instant::now();
            self.inspect(asker)?;
        }
        Ok(())
    }

    /// Starts on the transaction topic once it exists; Debezium makes it with the first transaction.
    fn find_boundaries(&mut self, asker: &BaseConsumer) -> Result<()> {
        let Some(topic) = self.transaction_topic.clone().filter(|_| self.boundaries.is_none()) else { return Ok(()) };
        let bounds = self.cluster.bounds(asker, &topic)?;
        match &bounds[..] {
            [] => Ok(()),
            [Bounds { low, end, .. }] => {
                let (low, end) = (*low, *end);
                self.timeline.begin_boundaries(low, end);
                self.boundaries_end = if end > low { end } else { 0 };
                let content = Content::Boundaries(self.registry.clone());
                self.boundaries = Some(self.read(topic, None, content, &bounds)?);
                Ok(())
            }
            many => Err(crate::Error::Schema(format!(
                "the transaction topic \"{topic}\" has {} partitions and so no order: it must have 1",
                many.len()
            ))),
        }
    }

    /// Starts on a table's topic once it exists.
    fn find_table(&mut self, asker: &BaseConsumer, id: TableId) -> Result<()> {
        let Some(source) = self.sources.get_mut(&id) else { return Ok(()) };
        let topic = source.config.topic.clone();
        let bounds = self.cluster.bounds(asker, &topic)?;
        let log = !matches!(source.config.envelope, Envelope::Debezium { .. });
        if bounds.is_empty() {
            let why = match log {
                true => format!("topic \"{topic}\" does not exist yet"),
                false => format!(
                    "topic \"{topic}\" does not exist yet: check its name and that the connector runs; it makes the topic with the table's first row"
                ),
            };
            source.trouble = Some(why);
            // A topic that nobody has written to yet holds no rows; of a table of MySQL it may be the name that is wrong.
            if log && !std::mem::replace(&mut source.hydrated, true) {
                // The receiver is gone only when the process ends.
                let _ = self.out.blocking_send(SourceEvent::Hydrated(id));
            }
            return Ok(());
        }
        let compacted = self.cluster.is_compacted(&topic);
        let Some(new) = self.sources.get_mut(&id).and_then(|source| source.new.take()) else { return Ok(()) };
        let declared = match &new.config.envelope {
            Envelope::Debezium { collection: Some(declared), .. } => Some(declared.as_str().into()),
            _ => None,
        };
        let spec = TableSpec {
            topic: topic.as_str().into(),
            keyed: new.schema.key.is_some(),
            on_error: new.config.on_error,
            collection: declared,
            compacted,
            partitions: bounds.clone(),
        };
        let content = Content::Table(Box::new((new.config, new.schema)));
        let feed = self.read(topic, Some(id), content, &bounds)?;
        self.timeline.add_table(id, spec);
        if let Some(source) = self.sources.get_mut(&id) {
            source.feed = Some(feed);
            source.trouble = None;
            source.bounds = bounds.iter().map(|bounds| (bounds.partition, *bounds)).collect();
        }
        Ok(())
    }

    /// Starts a feed from the beginning of a topic.
    fn read(&mut self, topic: String, table: Option<TableId>, content: Content, bounds: &[Bounds]) -> Result<u32> {
        self.feeds += 1;
        let failed = |error: std::io::Error| crate::Error::Kafka {
            brokers: self.cluster.brokers.clone(),
            reason: format!("no thread for topic \"{topic}\": {error}"),
        };
        let feed = Feed::start(self.feeds, self.cluster.clone(), topic.clone(), content, self.batches.clone());
        let feed = feed.map_err(failed)?;
        let from = bounds.iter().map(|bounds| From { partition: bounds.partition, next: bounds.low, end: bounds.end });
        // A thread that has ended says so by its silence, which is looked for.
        let _ = feed.orders.send(Order::Assign(from.collect()));
        let next = bounds.iter().map(|bounds| (bounds.partition, bounds.low)).collect();
        self.readings.insert(self.feeds, Reading { feed, table, topic, next, moved: Instant::now() });
        Ok(self.feeds)
    }

    /// The present ends of all partitions of all tables.
    fn ends(&self, asker: &BaseConsumer) -> Result<Vec<(TableId, i32, i64)>> {
        let mut ends = Vec::new();
        for reading in self.readings.values() {
            let Some(id) = reading.table else { continue };
            for (&partition, &next) in &reading.next {
                let (_, end) = self.cluster.watermarks(asker, &reading.topic, partition)?;
                reading.nudge(partition, next, end);
                ends.push((id, partition, end));
            }
        }
        Ok(ends)
    }

    /// Whether everything that is there is read.
    fn is_read(&self, asker: &BaseConsumer) -> Result<bool> {
        for reading in self.readings.values() {
            for (&partition, &next) in &reading.next {
                let (_, end) = self.cluster.watermarks(asker, &reading.topic, partition)?;
                if next < end {
                    reading.nudge(partition, next, end);
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Looks for new partitions, for lag, and for feeds that stand still.
    fn inspect(&mut self, asker: &BaseConsumer) -> Result<()> {
        for reading in self.readings.values_mut() {
            let found = self.cluster.bounds(asker, &reading.topic)?;
            let source = reading.table.and_then(|id| self.sources.get_mut(&id));
            if found.is_empty() {
                if let Some(source) = source {
                    source.trouble = Some(format!("topic \"{}\" does not exist any more", reading.topic));
                }
                continue;
            }
            let mut lag = 0;
            for bounds in &found {
                let known = reading.next.get(&bounds.partition).copied();
                if let (None, Some(id)) = (known, reading.table) {
                    self.timeline.add_partition(id, *bounds);
                    reading.next.insert(bounds.partition, bounds.low);
                    let from = From { partition: bounds.partition, next: bounds.low, end: bounds.end };
                    let _ = reading.feed.orders.send(Order::Assign(vec![from]));
                }
                lag += (bounds.end - known.unwrap_or(bounds.low)).max(0) as u64;
            }
            if let Some(source) = source {
                source.lag = Some(lag);
            }
            if lag > 0 && reading.moved.elapsed() >= STUCK {
                let from = found.iter().map(|bounds| From {
                    partition: bounds.partition,
                    next: reading.next.get(&bounds.partition).copied().unwrap_or(bounds.low),
                    end: bounds.end,
                });
                let _ = reading.feed.orders.send(Order::Restart(from.collect()));
                reading.moved = Instant::now();
            }
        }
        Ok(())
    }

    /// Tells progress and what has changed in the sources' health.
    fn tell(&mut self) -> Option<()> {
        let mut events = Vec::new();
        for (&id, source) in &mut self.sources {
            let mut health = match source.feed {
                Some(_) => self.timeline.health(id),
                None => Health { state: State::Hydrating, ..Health::running() },
            };
            let trouble = source
                .trouble
                .as_ref()
                .or(self.trouble.as_ref())
                .filter(|_| health.reason.is_empty() || source.feed.is_none());
            if let Some(trouble) = trouble {
                health.reason.clone_from(trouble);
                health.state = if source.hydrated && source.feed.is_some() { State::Stalled } else { State::Waiting };
            }
            health.lag = source.lag;
            if let Some(reading) = source.feed.and_then(|feed| self.readings.get(&feed)).filter(|_| !source.hydrated) {
                let held = source.bounds.values().map(|bounds| (bounds.end - bounds.low).max(0) as u64).sum();
                let read = reading.next.iter().map(|(partition, next)| {
                    let low = source.bounds.get(partition).map_or(0, |bounds| bounds.low);
                    (next - low).max(0) as u64
                });
                events.push(SourceEvent::Progress { table: id, read: read.sum::<u64>().min(held), of: held });
            }
            if source.told.as_ref() != Some(&health) {
                source.told = Some(health.clone());
                events.push(SourceEvent::Health { table: id, health });
            }
        }
        events.into_iter().try_for_each(|event| self.send(event))
    }
}

impl Reading {
    /// Makes the feed say that it stands at the end, where only records that it does not see lie before it.
    fn nudge(&self, partition: i32, next: i64, end: i64) {
        if next < end && self.moved.elapsed() >= LOOK {
            let _ = self.feed.orders.send(Order::Seek(From { partition, next, end }));
        }
    }
}

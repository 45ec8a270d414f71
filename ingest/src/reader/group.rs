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

use super::catching_up::{CatchingUp, Joining};
use super::feed::{Batch, Feed, Item};
use super::state::Stand;
use super::{Begin, Command, New};
use crate::kafka::Cluster;
use crate::learned::Learned;
use crate::registry::RegistryConfig;
use crate::source::{Envelope, Format, Health, SourceConfig, SourceEvent, State};
use crate::timeline::{Bounds, MADE_AGAIN, Output, Timeline};

/// Batches that wait for the timeline.
const BATCHES: usize = 32;
/// Batches taken before what is whole is handed on: bounds a tick, not a transaction.
const ROUND: usize = 40;
/// Wait for a first batch.
const IDLE: Duration = Duration::from_millis(50);
/// How often the topics' ends are asked for, if the timeline wants to know.
const ASK: Duration = Duration::from_millis(20);
/// How often topics are looked for, and progress and health are told.
pub(super) const LOOK: Duration = Duration::from_millis(300);

/// A source of the group.
pub(super) struct Source {
    pub(super) new: Box<New>,
    /// What reads its topic, once that was found.
    pub(super) feed: Option<u32>,
    /// Records that there were when it was added, by partition.
    pub(super) bounds: BTreeMap<i32, Bounds>,
    pub(super) trouble: Option<String>,
    told: Option<Health>,
    pub(super) lag: Option<u64>,
    pub(super) hydrated: bool,
    /// What its decoder had learned from the records that were taken.
    pub(super) learned: Learned,
}

impl Source {
    pub(super) fn new(new: Box<New>) -> Self {
        Source {
            new,
            feed: None,
            bounds: BTreeMap::new(),
            trouble: None,
            told: None,
            lag: None,
            hydrated: false,
            learned: Learned::default(),
        }
    }
}

/// A topic that is read.
pub(super) struct Reading {
    /// None before a topic whose state was kept is found.
    pub(super) feed: Option<Feed>,
    /// Whether such a topic does not exist: nothing comes of it.
    pub(super) gone: bool,
    /// The table; none for the transaction topic.
    pub(super) table: Option<TableId>,
    pub(super) topic: String,
    pub(super) stand: Stand,
    /// When it last handed something on.
    pub(super) moved: Instant,
}

/// See the module.
pub(crate) struct Group {
    pub(super) cluster: Cluster,
    /// The cluster's own id, once it is known; nothing is read before.
    pub(super) cluster_id: Option<String>,
    /// Whether the cluster was asked whether it is that one.
    pub(super) is_asked: bool,
    pub(super) transaction_topic: Option<String>,
    pub(super) registry: Option<RegistryConfig>,
    pub(super) timeline: Timeline,
    /// Asks for topics and ends; reads nothing.
    pub(super) asker: Option<BaseConsumer>,
    pub(super) sources: BTreeMap<TableId, Source>,
    pub(super) readings: HashMap<u32, Reading>,
    pub(super) boundaries: Option<u32>,
    /// Where the transaction topic ended when it was found.
    pub(super) boundaries_end: i64,
    /// After a restart: up to where is to be read before anything is shown.
    pub(super) catching_up: Option<CatchingUp>,
    /// Tables that come in after the others have caught up.
    pub(super) joining: Joining,
    /// Why nothing is read any more, and what to do.
    pub(super) refused: Option<(String, String)>,
    /// What is wrong with the group as a whole.
    trouble: Option<String>,
    pub(super) feeds: u32,
    pub(super) batches: SyncSender<Batch>,
    pub(super) out: mpsc::Sender<SourceEvent>,
    pub(super) looked: Instant,
    asked: Instant,
    pub(super) inspected: Instant,
    pub(super) moved: Instant,
}

impl Group {
    /// Runs until it is stopped or its commands end.
    pub(crate) fn run(
        begin: Begin,
        commands: Receiver<Command>,
        stop: Arc<AtomicBool>,
        out: mpsc::Sender<SourceEvent>,
    ) {
        let (batches, inbox) = sync_channel(BATCHES);
        let mut group = match begin {
            Begin::New(cluster_id, first) => {
                let mut group = Group::new(&first.config, cluster_id, batches, out);
                group.add(first);
                group
            }
            Begin::Again(resume) => {
                match Group::resume(*resume, batches, out).filter(|group| group.tell_lost_columns().is_some()) {
                    Some(group) => group,
                    None => return,
                }
            }
        };
        while !stop.load(Ordering::Relaxed) {
            let done = match commands.try_recv() {
                Ok(Command::Add(new)) => {
                    group.add(new);
                    Some(())
                }
                Ok(Command::Remove(id)) => {
                    group.remove(id);
                    Some(())
                }
                Ok(Command::TellState(telling)) => group.tell_state(&telling),
                // It is the router that is told so.
                Ok(Command::Resume(_) | Command::AskStates) => Some(()),
                Err(TryRecvError::Empty) => group.round(&inbox),
                Err(TryRecvError::Disconnected) => None,
            };
            if done.is_none() {
                return;
            }
        }
    }

    pub(super) fn new(
        config: &SourceConfig,
        cluster_id: Option<String>,
        batches: SyncSender<Batch>,
        out: mpsc::Sender<SourceEvent>,
    ) -> Self {
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
        Group {
            cluster: config.cluster.clone(),
            is_asked: cluster_id.is_some(),
            cluster_id,
            transaction_topic,
            registry,
            timeline,
            asker: None,
            sources: BTreeMap::new(),
            readings: HashMap::new(),
            boundaries: None,
            boundaries_end: 0,
            catching_up: None,
            joining: Joining::default(),
            refused: None,
            trouble: None,
            feeds: 0,
            batches,
            out,
            looked: now - LOOK,
            asked: now,
            inspected: now,
            moved: now,
        }
    }

    fn add(&mut self, new: Box<New>) {
        self.sources.insert(new.id, Source::new(new));
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
            self.catch_up()?;
            return self.tell();
        }
        self.catch_up()
    }

    /// Feeds the timeline.
    fn take(&mut self, batch: Batch) -> Option<()> {
        let Some(reading) = self.readings.get_mut(&batch.feed) else { return Some(()) };
        let table = reading.table;
        // Who only tells of trouble stands still.
        if batch.items.iter().any(|item| !matches!(item, Item::Trouble(_))) {
            reading.moved = Instant::now();
            self.moved = reading.moved;
        }
        for item in batch.items {
            let Some(reading) = self.readings.get_mut(&batch.feed) else { return Some(()) };
            match (item, table) {
                (Item::Event(place, event), Some(id)) => {
                    reading.stand.next.insert(place.partition, place.offset + 1);
                    self.timeline.event(id, place, event);
                }
                (Item::Tombstone(place, op), Some(id)) => {
                    reading.stand.next.insert(place.partition, place.offset + 1);
                    self.timeline.tombstone(id, place, op);
                }
                (Item::Op(place, op), Some(id)) => {
                    reading.stand.next.insert(place.partition, place.offset + 1);
                    self.timeline.record(id, place, op);
                }
                (Item::Boundary(place, boundary), _) => {
                    reading.stand.next.insert(0, place.offset + 1);
                    self.timeline.boundary(place.offset, place.timestamp_ms, boundary);
                }
                (Item::Read(partition, next), table) => {
                    reading.stand.next.insert(partition, next);
                    match table {
                        Some(id) => self.timeline.read(id, partition, next),
                        None => self.timeline.boundaries_read(next),
                    }
                }
                (Item::Lost(place, loss, letter), table) => {
                    reading.stand.next.insert(place.partition, place.offset + 1);
                    match table {
                        Some(id) => self.timeline.lost(id, place, loss),
                        None => self.timeline.boundary_lost(place.offset, loss.reason),
                    }
                    self.send(SourceEvent::DeadLetter(letter))?;
                }
                (Item::Gap(partition, from, to), Some(id)) => {
                    reading.stand.next.insert(partition, to);
                    self.timeline.gap(id, partition, from, to);
                }
                (Item::Newest(partition, mark), _) => drop(reading.stand.newest.insert(partition, mark)),
                (Item::Verified(partition), _) => {
                    if let Some(catching_up) = &mut self.catching_up {
                        catching_up.verified(batch.feed, partition);
                    }
                }
                (Item::Anew(bounds), table) => self.begin_anew(batch.feed, table, bounds),
                (Item::Gap(_, from, to), None) => {
                    reading.stand.next.insert(0, to);
                    let to = to - 1;
                    self.timeline
                        .boundaries_gone(&format!("its records at offsets {from} to {to} were deleted unread"));
                }
                (Item::Trouble(problem), Some(id)) => {
                    if let Some(source) = self.sources.get_mut(&id) {
                        source.trouble = problem;
                    }
                }
                (Item::Trouble(problem), None) => self.trouble = problem,
                // Before any commit that has such a row.
                (Item::ColumnLost(column, reason), Some(table)) => {
                    if let Some(source) = self.sources.get_mut(&table) {
                        source.learned.lost.insert(column, reason.clone());
                    }
                    self.send(SourceEvent::ColumnLost { table, column, reason })?;
                }
                (Item::Learned(lesson), Some(table)) => {
                    if let Some(Source { new, learned, .. }) = self.sources.get_mut(&table) {
                        learned.learn(lesson, &new.schema, new.own());
                    }
                }
                (Item::Event(..) | Item::Op(..) | Item::Tombstone(..), None) => {}
                (Item::ColumnLost(..) | Item::Learned(..), None) => {}
            }
        }
        Some(())
    }

    /// A partition was deleted and made again.
    pub(super) fn begin_anew(&mut self, feed: u32, table: Option<TableId>, bounds: Bounds) {
        if let Some(reading) = self.readings.get_mut(&feed) {
            reading.stand.next.insert(bounds.partition, bounds.low);
            reading.stand.newest.remove(&bounds.partition);
        }
        if let Some(catching_up) = &mut self.catching_up {
            catching_up.verified(feed, bounds.partition);
        }
        match table {
            Some(id) => self.timeline.anew(id, bounds),
            None => self.timeline.boundaries_gone(MADE_AGAIN),
        }
    }

    pub(super) fn send(&self, event: SourceEvent) -> Option<()> {
        self.out.blocking_send(event).ok()
    }

    pub(super) fn hand_on(&mut self) -> Option<()> {
        let mut commits = Vec::new();
        for output in self.timeline.release() {
            let event = match output {
                Output::Commit(commit) => {
                    commits.push(commit);
                    continue;
                }
                Output::Base { table, ops } => SourceEvent::Base { table, ops },
                Output::Hydrated(id) if self.is_held(id) => continue,
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

    /// Tells progress and what has changed in the sources' health.
    fn tell(&mut self) -> Option<()> {
        let mut events = Vec::new();
        for (&id, source) in &self.sources {
            let health = self.health(id, source);
            if let Some(reading) = source.feed.and_then(|feed| self.readings.get(&feed)).filter(|_| !source.hydrated) {
                let held = source.bounds.values().map(|bounds| (bounds.end - bounds.low).max(0) as u64).sum();
                let read = reading.stand.next.iter().map(|(partition, next)| {
                    let low = source.bounds.get(partition).map_or(0, |bounds| bounds.low);
                    (next - low).max(0) as u64
                });
                events.push(SourceEvent::Progress { table: id, read: read.sum::<u64>().min(held), of: held });
            }
            if source.told.as_ref() != Some(&health) {
                events.push(SourceEvent::Health { table: id, health });
            }
        }
        for event in events {
            if let SourceEvent::Health { table, health } = &event
                && let Some(source) = self.sources.get_mut(table)
            {
                source.told = Some(health.clone());
            }
            self.send(event)?;
        }
        Some(())
    }

    /// What a source is about, as its user is to see it.
    fn health(&self, id: TableId, source: &Source) -> Health {
        if let Some((reason, hint)) = &self.refused {
            let (reason, hint) = (reason.clone(), hint.clone());
            return Health { state: State::Stalled, reason, hint, lag: source.lag, ..self.timeline.health(id) };
        }
        let mut health = match source.feed {
            Some(_) => self.timeline.health(id),
            None => Health { state: State::Hydrating, ..Health::running() },
        };
        let behind = !source.hydrated && self.timeline.is_shown(id);
        // What stands still for good may never come to where it stood: it says why.
        if behind && health.state != State::Stalled {
            let reason = "the rows are those of the checkpoint; what has come since is being read".to_owned();
            health = Health { state: State::Hydrating, reason, hint: String::new(), ..health };
        }
        let trouble = source
            .trouble
            .as_ref()
            .or(self.trouble.as_ref())
            .filter(|_| health.reason.is_empty() || behind || source.feed.is_none());
        if let Some(trouble) = trouble {
            health.reason.clone_from(trouble);
            health.state = if source.hydrated && source.feed.is_some() { State::Stalled } else { State::Waiting };
        }
        health.lag = source.lag;
        health
    }
}

//! One thread and one consumer a topic: it reads all partitions, decodes, and hands batches on.
//!
//! A consumer of its own tells, where several topics on one would not, which partition has been read to its end: librdkafka
//! names no topic there. What the end is was asked for before the partition was assigned or sought, so that the message that
//! it is reached can only be about that end or a later one.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, TryRecvError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::topic_partition_list::Offset;
use tidewater_delta::Op;
use tidewater_types::TableSchema;

use super::mark::Mark;
use crate::decode::{BoundaryDecoder, Decoded, Decoder, Record};
use crate::error::{Error, Undecodable};
use crate::event::{Boundary, Event, KeyChange, Operation, RecordMeta, Snapshot};
use crate::kafka::{Cluster, TIMEOUT};
use crate::learned::{Learned, Lesson};
use crate::registry::RegistryConfig;
use crate::source::{DeadLetter, SourceConfig};
use crate::timeline::{Bounds, Loss, Place};

/// Records of one batch: enough to spread the cost of handing it on, few enough to keep every queue small.
const BATCH: usize = 512;
/// Wait for a first record; also the delay of an order.
const IDLE: Duration = Duration::from_millis(20);
/// Pauses before a registry that did not answer is asked again: the first and the longest.
const RETRY: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

/// So long a new consumer may need until it can be told where to read.
const STARTS: Duration = Duration::from_secs(5);

/// What a topic's records are.
pub(crate) enum Content {
    /// Changes of a table.
    Table(Box<TableContent>),
    /// Boundaries of transactions.
    Boundaries(Option<RegistryConfig>),
}

/// A table, and what is known of it before its first record is read.
pub(crate) struct TableContent {
    pub(crate) config: SourceConfig,
    pub(crate) schema: TableSchema,
    pub(crate) learned: Learned,
    /// By partition, the key of the deletion that is the newest record with a value.
    pub(crate) deleted: HashMap<i32, Box<[u8]>>,
}

impl TableContent {
    /// A table of which nothing was read.
    pub(crate) fn new(config: SourceConfig, schema: TableSchema) -> Self {
        TableContent { config, schema, learned: Learned::default(), deleted: HashMap::new() }
    }
}

/// Where to read on: a partition, its next offset, and the end that was found there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct From {
    pub(crate) partition: i32,
    pub(crate) next: i64,
    pub(crate) end: i64,
}

/// What a feed is told to do.
pub(crate) enum Order {
    /// Read these partitions, too.
    Assign(Vec<From>),
    /// Read on here, so that the end is told.
    Seek(From),
    /// Begin with a new consumer: the old one does not move.
    Restart(Vec<From>),
}

/// What a feed hands on.
pub(crate) enum Item {
    /// Something that the next record taught the decoder.
    Learned(Lesson),
    /// A column, by its place in the table, that has no value from here on, and why.
    ColumnLost(usize, String),
    Event(Place, Event),
    Op(Place, Op),
    /// A tombstone, and what it does if Kafka's compaction took its deletion away.
    Tombstone(Place, Option<Op>),
    Boundary(Place, Boundary),
    Lost(Place, Loss, Box<DeadLetter>),
    /// Read up to here.
    Read(i32, i64),
    /// The newest record of a partition that was handed on.
    Newest(i32, Mark),
    /// A partition is the one that was read before the restart, as far as can be told.
    Verified(i32),
    /// Records were deleted before they were read: partition, from, to.
    Gap(i32, i64, i64),
    /// The topic was deleted and made again.
    Anew(Bounds),
    /// What stands in the way, or nothing more.
    Trouble(Option<String>),
}

/// What has come, and of which feed.
pub(crate) struct Batch {
    pub(crate) feed: u32,
    pub(crate) items: Vec<Item>,
}

/// A thread that reads a topic.
pub(crate) struct Feed {
    pub(crate) orders: Sender<Order>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Feed {
    /// Starts the thread; it reads nothing before it is told to. Of the partitions in `known` the newest record is looked at again
    /// first.
    pub(crate) fn start(
        number: u32,
        cluster: Cluster,
        topic: String,
        content: Content,
        known: BTreeMap<i32, Mark>,
        out: SyncSender<Batch>,
    ) -> std::io::Result<Self> {
        let (orders, inbox) = channel();
        let stop = Arc::new(AtomicBool::new(false));
        let stopping = stop.clone();
        let name = format!("read {topic}");
        let body = move || {
            let next = BTreeMap::new();
            let source = match &content {
                Content::Table(table) => table.config.name.clone(),
                Content::Boundaries(_) => "transactions".to_owned(),
            };
            let worker = Worker {
                number,
                cluster,
                topic,
                source,
                next,
                out,
                stop: stopping,
                items: Vec::new(),
                troubled: false,
                begun: Instant::now(),
                known,
                anew: BTreeSet::new(),
            };
            worker.run(&content, &inbox);
        };
        let thread = std::thread::Builder::new().name(name).spawn(body)?;
        Ok(Feed { orders, stop, thread: Some(thread) })
    }
}

impl Drop for Feed {
    /// Tells the thread to end. It does so by itself: whoever drops this may be what it waits for.
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        drop(self.thread.take());
    }
}

enum Rows {
    Table(Box<Decoder>),
    Boundaries(Box<BoundaryDecoder>),
}

impl Rows {
    /// The key of the deletion that is the newest record of the partition with a value.
    fn deleted(&self, partition: i32) -> Option<Box<[u8]>> {
        match self {
            Rows::Table(decoder) => decoder.deleted(partition).map(Into::into),
            Rows::Boundaries(_) => None,
        }
    }
}

pub(super) struct Worker {
    number: u32,
    pub(super) cluster: Cluster,
    pub(super) topic: String,
    /// Its name for dead letters.
    source: String,
    /// Next offset of each partition, and the end that was found.
    pub(super) next: BTreeMap<i32, (i64, i64)>,
    out: SyncSender<Batch>,
    stop: Arc<AtomicBool>,
    pub(super) items: Vec<Item>,
    troubled: bool,
    /// When the consumer was made.
    begun: Instant,
    /// Of partitions that are read on after a restart: the newest record that was taken before.
    pub(super) known: BTreeMap<i32, Mark>,
    /// Partitions that turned out to have been made again and are not read from their beginning yet.
    pub(super) anew: BTreeSet<i32>,
}

impl Worker {
    fn run(mut self, content: &Content, inbox: &Receiver<Order>) {
        let Some(mut rows) = self.patiently(|| decoder(content)) else { return };
        let cluster = self.cluster.clone();
        let Some(mut consumer) = self.patiently(|| cluster.consumer()) else { return };
        while !self.stop.load(Ordering::Relaxed) {
            match inbox.try_recv() {
                Ok(order) => {
                    if !self.obey(order, &mut consumer) {
                        return;
                    }
                    continue;
                }
                Err(TryRecvError::Empty) => {}
                Err(TryRecvError::Disconnected) => return,
            }
            let mut wait = IDLE;
            let mut newest: BTreeMap<i32, BorrowedMessage<'_>> = BTreeMap::new();
            while self.items.len() < BATCH {
                let Some(polled) = consumer.poll(wait) else { break };
                wait = Duration::ZERO;
                match polled {
                    Ok(message) => {
                        if !self.is_passed_over(&message) {
                            self.take(&mut rows, &message);
                            newest.insert(message.partition(), message);
                        }
                    }
                    Err(KafkaError::PartitionEOF(partition)) => {
                        self.has_no_record(partition);
                        if let Some((_, end)) = self.next.get(&partition) {
                            self.items.push(Item::Read(partition, *end));
                        }
                    }
                    Err(error) => {
                        if self.recover(&error, &consumer) {
                            break;
                        }
                    }
                }
            }
            for (partition, message) in newest {
                let mut mark = Mark::of(&message);
                mark.deleted = rows.deleted(partition);
                self.items.push(Item::Newest(partition, mark));
            }
            self.begin_anew(&consumer);
            if !self.send() {
                return;
            }
        }
    }

    /// Hands on what has come; false if nobody takes it any more.
    fn send(&mut self) -> bool {
        if self.items.is_empty() {
            return true;
        }
        let next = Vec::with_capacity(self.items.len());
        let items = std::mem::replace(&mut self.items, next);
        self.out.send(Batch { feed: self.number, items }).is_ok()
    }

    fn obey(&mut self, order: Order, consumer: &mut BaseConsumer) -> bool {
        let done = match order {
            Order::Assign(from) => self.assign(consumer, &from),
            Order::Seek(from) => {
                // What was handed on already may still wait for the timeline; it may lie beyond the end that was found before.
                let next = self.next.get(&from.partition).map_or(from.next, |(next, _)| from.next.max(*next));
                self.next.insert(from.partition, (next, from.end.max(next)));
                let seek = Offset::Offset(self.from(from.partition, next));
                match consumer.seek(&self.topic, from.partition, seek, TIMEOUT) {
                    // librdkafka has given the partition up, as it does where a topic is gone for a while.
                    Err(error)
                        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::State)
                            && self.begun.elapsed() >= STARTS =>
                    {
                        let all = self.next.iter().map(|(&partition, &(next, end))| From { partition, next, end });
                        let all: Vec<_> = all.collect();
                        self.begin_again(consumer, &all)
                    }
                    sought => sought.map_err(|error| self.cluster.error(&error)),
                }
            }
            Order::Restart(from) => {
                tracing::warn!(topic = self.topic, "the reader stood still; it begins again where it was");
                self.begin_again(consumer, &from)
            }
        };
        self.trouble(done.err().map(|error| error.to_string()));
        self.send()
    }

    /// Goes on with a new consumer.
    fn begin_again(&mut self, consumer: &mut BaseConsumer, from: &[From]) -> Result<(), Error> {
        self.begun = Instant::now();
        *consumer = self.cluster.consumer()?;
        self.assign(consumer, from)
    }

    fn assign(&mut self, consumer: &BaseConsumer, from: &[From]) -> Result<(), Error> {
        for from in from {
            self.next.insert(from.partition, (from.next, from.end));
        }
        let list: Vec<_> = from.iter().map(|from| (from.partition, self.from(from.partition, from.next))).collect();
        self.cluster.assign(consumer, &self.topic, &list)
    }

    /// Tells what stands in the way, once.
    fn trouble(&mut self, problem: Option<String>) {
        if problem.is_some() || self.troubled {
            self.troubled = problem.is_some();
            self.items.push(Item::Trouble(problem));
        }
    }

    /// Goes on after an error of Kafka; whether the batch ends with it.
    fn recover(&mut self, error: &KafkaError, consumer: &BaseConsumer) -> bool {
        let Some(code) = error.rdkafka_error_code() else { return false };
        match code {
            RDKafkaErrorCode::PartitionEOF => false,
            RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange => {
                if let Err(error) = self.find_gaps(consumer) {
                    self.trouble(Some(error.to_string()));
                }
                true
            }
            _ => {
                // A broker that is away is told of by every connection, again and again.
                if !self.troubled {
                    tracing::warn!(topic = self.topic, %error, "Kafka; trying on");
                }
                self.trouble(Some(self.cluster.error(error).to_string()));
                true
            }
        }
    }

    /// The next offset of a partition is not there any more: records were deleted, or the topic was made anew.
    fn find_gaps(&mut self, consumer: &BaseConsumer) -> Result<(), Error> {
        let mut from = Vec::new();
        for (&partition, &(next, _)) in &self.next {
            let (low, end) = self.cluster.watermarks(consumer, &self.topic, partition)?;
            let known = self.known.remove(&partition).is_some();
            if known {
                self.items.push(Item::Verified(partition));
            }
            if next > end {
                self.items.push(Item::Anew(Bounds { partition, low, end }));
            } else if next < low {
                self.items.push(Item::Gap(partition, next, low));
            } else {
                // The record that was to be looked at is gone.
                from.extend(known.then_some(From { partition, next, end }));
                continue;
            }
            from.push(From { partition, next: low, end });
        }
        for from in from {
            self.next.insert(from.partition, (from.next, from.end));
            let seek = consumer.seek(&self.topic, from.partition, Offset::Offset(from.next), TIMEOUT);
            seek.map_err(|error| self.cluster.error(&error))?;
        }
        Ok(())
    }

    fn take(&mut self, rows: &mut Rows, message: &BorrowedMessage<'_>) {
        let place = Place {
            partition: message.partition(),
            offset: message.offset(),
            timestamp_ms: message.timestamp().to_millis().unwrap_or(0),
        };
        if self.troubled {
            self.trouble(None);
        }
        let end = self.next.get(&place.partition).map_or(0, |(_, end)| *end);
        self.next.insert(place.partition, (place.offset + 1, end.max(place.offset + 1)));
        let item = match rows {
            Rows::Table(decoder) => {
                let meta =
                    RecordMeta { partition: place.partition, offset: place.offset, timestamp_ms: place.timestamp_ms };
                let record = Record { key: message.key(), value: message.payload(), meta };
                let decoded = self.registry_patiently(|| decoder.decode(record));
                self.items.extend(decoder.take_lessons().into_iter().map(Item::Learned));
                let lost = decoder.lost_columns().into_iter();
                self.items.extend(lost.map(|(column, error)| Item::ColumnLost(column, error.to_string())));
                match decoded {
                    Ok(Decoded::Event(event)) => {
                        let key_change = key_change(message, event.operation);
                        Item::Event(place, Event { key_change, ..event })
                    }
                    Ok(Decoded::Op(op)) => Item::Op(place, op),
                    Ok(Decoded::Tombstone(op)) => Item::Tombstone(place, Some(op)),
                    Ok(Decoded::Nothing) => Item::Tombstone(place, None),
                    Err(error) => self.lost(place, message, error),
                }
            }
            Rows::Boundaries(decoder) => match message.payload() {
                None => Item::Read(place.partition, place.offset + 1),
                Some(value) => match self.registry_patiently(|| decoder.decode(value).map_err(Undecodable::from)) {
                    Ok(boundary) => Item::Boundary(place, boundary),
                    Err(error) => self.lost(place, message, error),
                },
            },
        };
        self.items.push(item);
    }

    fn lost(&self, place: Place, message: &BorrowedMessage<'_>, found: Undecodable) -> Item {
        let reason = found.error.to_string();
        let letter = DeadLetter {
            source: self.source.clone(),
            topic: self.topic.clone(),
            partition: place.partition,
            offset: place.offset,
            timestamp_ms: place.timestamp_ms,
            key: message.key().map(Into::into),
            value: message.payload().map(Into::into),
            reason: reason.clone(),
        };
        let snapshot = found.snapshot.is_some_and(|snapshot| !matches!(snapshot, Snapshot::No | Snapshot::Incremental));
        Item::Lost(place, Loss { transaction: found.transaction, snapshot, reason }, Box::new(letter))
    }

    /// Decodes again as long as only the registry stands in the way, and tells so.
    fn registry_patiently<T>(&mut self, mut decode: impl FnMut() -> Result<T, Undecodable>) -> Result<T, Undecodable> {
        let mut pause = RETRY.0;
        loop {
            match decode() {
                Err(found)
                    if matches!(found.error, Error::RegistryUnreachable { .. })
                        && !self.stop.load(Ordering::Relaxed) =>
                {
                    tracing::warn!(topic = self.topic, error = %found.error, "asking again");
                    self.trouble(Some(found.error.to_string()));
                    if !self.send() {
                        return Err(found);
                    }
                    rest(pause, &self.stop);
                    pause = (pause * 2).min(RETRY.1);
                }
                other => return other,
            }
        }
    }

    /// Tries until it works or the feed is to end.
    fn patiently<T>(&mut self, mut make: impl FnMut() -> Result<T, Error>) -> Option<T> {
        let mut pause = RETRY.0;
        while !self.stop.load(Ordering::Relaxed) {
            match make() {
                Ok(made) => return Some(made),
                Err(error) => self.trouble(Some(error.to_string())),
            }
            if !self.send() {
                return None;
            }
            rest(pause, &self.stop);
            pause = (pause * 2).min(RETRY.1);
        }
        None
    }
}

/// Which half of a changed primary key a record's headers say that it is.
fn key_change(message: &impl Message<Headers: Headers>, operation: Operation) -> Option<KeyChange> {
    let (key, change) = match operation {
        Operation::Delete => ("__debezium.newkey", KeyChange::Deletion),
        Operation::Create => ("__debezium.oldkey", KeyChange::Insertion),
        _ => return None,
    };
    message.headers()?.iter().any(|header| header.key == key).then_some(change)
}

fn decoder(content: &Content) -> Result<Rows, Error> {
    Ok(match content {
        Content::Table(table) => {
            let mut decoder = Decoder::new(&table.config, &table.schema)?;
            decoder.know(&table.learned, table.deleted.clone())?;
            Rows::Table(Box::new(decoder))
        }
        Content::Boundaries(registry) => Rows::Boundaries(Box::new(BoundaryDecoder::new(registry.as_ref())?)),
    })
}

/// Sleeps, but not past the end of the thread's life.
fn rest(pause: Duration, stop: &AtomicBool) {
    let until = Instant::now() + pause;
    while Instant::now() < until && !stop.load(Ordering::Relaxed) {
        std::thread::sleep(IDLE.min(pause));
    }
}

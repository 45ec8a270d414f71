//! Kafka, as sinks use it: topics that are made, records that are written in transactions, and topics that are read from their
//! beginning to what is committed now.
//!
//! A writer is told by its transactional id. Whoever opens one ends what an earlier writer of the same id left open, and that one can
//! commit nothing any more, so what is read after opening is all that there will be but for the new writer's own.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic as Made, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::BaseConsumer;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use rdkafka::{ClientConfig, ClientContext};

use crate::error::Error;
use crate::kafka::{Cluster, TIMEOUT};
use crate::timeline::Bounds;

/// A transaction that is open longer is ended by the broker. Readers of what is committed wait as long for one whose writer died and
/// does not come back; the first rows of a large view have to be written in this time.
const TRANSACTION: Duration = Duration::from_secs(300);
/// Bytes that wait for the broker.
const QUEUE_KIB: &str = "32768";
/// How often whoever waits for the broker says so.
const PATIENCE: Duration = Duration::from_secs(2);
/// A topic that was made is soon to be seen.
const VISIBLE: Duration = Duration::from_secs(10);
/// Transactions of others that are open in a topic are waited for as long as this.
const OTHERS: Duration = Duration::from_secs(30);
/// The marks of a transaction that has ended are there by then.
const MARKS: Duration = Duration::from_secs(5);
/// A broker that sends nothing for so long is down.
const SILENCE: Duration = Duration::from_secs(30);

/// Why nothing can be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Nobody wants it any more.
    #[error("it was given up")]
    GivenUp,
    /// Anything else; opening again may help.
    #[error(transparent)]
    Kafka(#[from] Error),
}

/// This module's result.
pub type Result<T, E = Fault> = std::result::Result<T, E>;

/// A topic that is to be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTopic {
    /// Its name.
    pub name: String,
    /// Partitions; `None` for as many as the broker likes.
    pub partitions: Option<i32>,
    /// Copies; `None` for as many as the broker likes.
    pub replication: Option<i32>,
    /// Settings (`cleanup.policy`, …).
    pub settings: Vec<(String, String)>,
}

/// What librdkafka says of its own.
#[derive(Default)]
struct Context {
    /// The last trouble, until something is delivered.
    trouble: Mutex<Option<String>>,
}

impl Context {
    fn tell(&self, trouble: Option<String>) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }
}

impl ClientContext for Context {
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "a writer of Kafka");
        self.tell(Some(reason.to_owned()));
    }
}

impl ProducerContext for Context {
    type DeliveryOpaque = ();

    fn delivery(&self, delivered: &DeliveryResult<'_>, (): ()) {
        // A record that failed makes the commit fail.
        self.tell(delivered.as_ref().err().map(|(error, _)| error.to_string()));
    }
}

/// Writes transactions. Whoever waits for the broker is asked every few seconds whether to go on, with what is wrong.
pub struct Writer {
    producer: BaseProducer<Context>,
    cluster: Cluster,
    /// Whether a transaction is open.
    open: Cell<bool>,
}

/// Asked while the broker is waited for; false to give up.
pub type GoOn<'a> = &'a mut dyn FnMut(&str) -> bool;

/// Takes a record's key and value; false to give up.
pub type Each<'a> = &'a mut dyn FnMut(Option<&[u8]>, Option<&[u8]>) -> bool;

impl Cluster {
    /// Opens the writer of an id; every earlier one can commit nothing any more.
    ///
    /// # Errors
    /// If a property is wrong, or no broker answers.
    pub fn writer(&self, transactional_id: &str, properties: &[(String, String)], go_on: GoOn<'_>) -> Result<Writer> {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.brokers)
            .set("client.id", "tidewater")
            .set("transactional.id", transactional_id)
            .set("transaction.timeout.ms", TRANSACTION.as_millis().to_string())
            .set("queue.buffering.max.kbytes", QUEUE_KIB)
            .set("allow.auto.create.topics", "false")
            // As Java's clients find the partition of a key.
            .set("partitioner", "murmur2_random")
            // The commit sends what waits.
            .set("linger.ms", "5");
        for (name, value) in self.properties.iter().chain(properties) {
            config.set(name, value);
        }
        let producer: BaseProducer<Context> =
            config.create_with_context(Context::default()).map_err(|error| self.error(&error))?;
        let writer = Writer { producer, cluster: self.clone(), open: Cell::new(false) };
        writer.retried(go_on, |writer| writer.producer.init_transactions(PATIENCE))?;
        Ok(writer)
    }

    /// Makes a topic unless it is there, and waits until it is to be seen. Gives the number of its partitions.
    ///
    /// # Errors
    /// If no broker answers, or the broker refuses.
    pub fn make_topic(&self, topic: &NewTopic) -> Result<i32, Error> {
        let consumer = self.consumer()?;
        let there = self.partitions(&consumer, &topic.name)?;
        if there > 0 {
            return Ok(there);
        }
        let replication = TopicReplication::Fixed(topic.replication.unwrap_or(-1));
        let mut made = Made::new(&topic.name, topic.partitions.unwrap_or(-1), replication);
        for (name, value) in &topic.settings {
            made = made.set(name, value);
        }
        let options = AdminOptions::new().request_timeout(Some(TIMEOUT));
        let done = futures::executor::block_on(self.admin()?.create_topics([&made], &options));
        for outcome in done.map_err(|error| self.error(&error))? {
            match outcome {
                Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((name, code)) => return Err(self.refused(format!("topic \"{name}\" cannot be made: {code}"))),
            }
        }
        let until = Instant::now() + VISIBLE;
        loop {
            let there = self.partitions(&consumer, &topic.name)?;
            if there > 0 {
                return Ok(there);
            }
            if Instant::now() > until {
                return Err(self.refused(format!("topic \"{}\" was made and is not there", topic.name)));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Whether a topic is there and holds records that are committed.
    ///
    /// # Errors
    /// As [`Cluster::read_committed`].
    pub fn holds_records(&self, topic: &str) -> Result<bool, Error> {
        match self.read_committed(topic, &mut |_, _| false) {
            Ok(count) => Ok(count > 0),
            Err(Fault::GivenUp) => Ok(true),
            Err(Fault::Kafka(error)) => Err(error),
        }
    }

    /// Hands every record that is committed now to `each`, of each partition in order: key and value. Gives how many there were.
    ///
    /// # Errors
    /// If no broker answers, transactions of others stay open, or `each` gives up.
    pub fn read_committed(&self, topic: &str, each: Each<'_>) -> Result<u64> {
        let consumer = self.consumer()?;
        let written = self.bounds(&self.hasty().consumer()?, topic)?;
        let until = Instant::now() + OTHERS;
        loop {
            let committed = self.bounds(&consumer, topic)?;
            if open_partitions(&written, &committed).is_empty() {
                return self.read(&consumer, topic, &committed, each);
            }
            if Instant::now() > until {
                let reason = format!("transactions of others are open in topic \"{topic}\"");
                return Err(self.refused(reason).into());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// As [`Cluster::read_committed`], but with what was written in transactions that are open or were taken back.
    ///
    /// # Errors
    /// If no broker answers, or `each` gives up.
    pub fn read_uncommitted(&self, topic: &str, each: Each<'_>) -> Result<u64> {
        let hasty = self.hasty();
        let consumer = hasty.consumer()?;
        self.read(&consumer, topic, &hasty.bounds(&consumer, topic)?, each)
    }

    /// One that does not wait for the ends of transactions.
    fn hasty(&self) -> Cluster {
        let mut hasty = self.clone();
        hasty.properties.push(("isolation.level".into(), "read_uncommitted".into()));
        hasty
    }

    fn read(&self, consumer: &BaseConsumer, topic: &str, bounds: &[Bounds], each: Each<'_>) -> Result<u64> {
        let filled = || bounds.iter().filter(|bounds| bounds.low < bounds.end);
        let mut left: HashMap<i32, i64> = filled().map(|bounds| (bounds.partition, bounds.end)).collect();
        let from: Vec<_> = filled().map(|bounds| (bounds.partition, bounds.low)).collect();
        if from.is_empty() {
            return Ok(0);
        }
        self.assign(consumer, topic, &from)?;
        let (mut count, mut heard) = (0, Instant::now());
        while !left.is_empty() {
            match consumer.poll(PATIENCE) {
                Some(Ok(message)) => {
                    heard = Instant::now();
                    let (partition, offset) = (message.partition(), message.offset());
                    let Some(end) = left.get(&partition).copied().filter(|end| offset < *end) else { continue };
                    count += 1;
                    if !each(message.key(), message.payload()) {
                        return Err(Fault::GivenUp);
                    }
                    if offset + 1 >= end {
                        left.remove(&partition);
                    }
                }
                // The last offsets may be marks of transactions, which no reader is given.
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    left.remove(&partition);
                }
                Some(Err(error)) => return Err(self.error(&error).into()),
                None if heard.elapsed() > SILENCE => {
                    return Err(self.refused(format!("no records of topic \"{topic}\" come")).into());
                }
                None => {}
            }
        }
        Ok(count)
    }

    fn admin(&self) -> Result<AdminClient<DefaultClientContext>, Error> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.brokers);
        for (name, value) in &self.properties {
            config.set(name, value);
        }
        config.create().map_err(|error| self.error(&error))
    }

    fn refused(&self, reason: String) -> Error {
        Error::Kafka { brokers: self.brokers.clone(), reason }
    }
}

impl Writer {
    /// Begins a transaction.
    ///
    /// # Errors
    /// If nothing can be written, as when a later writer has the id.
    pub fn begin(&self) -> Result<()> {
        self.producer.begin_transaction().map_err(|error| self.cluster.error(&error))?;
        self.open.set(true);
        Ok(())
    }

    /// Adds a record to the transaction.
    ///
    /// # Errors
    /// As [`Writer::commit`].
    pub fn send(&self, topic: &str, key: &[u8], value: Option<&[u8]>, go_on: GoOn<'_>) -> Result<()> {
        let mut asked = Instant::now();
        loop {
            let mut record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(topic).key(key);
            if let Some(value) = value {
                record = record.payload(value);
            }
            match self.producer.send(record) {
                Ok(()) => {
                    self.producer.poll(Duration::ZERO);
                    return Ok(());
                }
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => {
                    self.producer.poll(Duration::from_millis(100));
                    if asked.elapsed() > PATIENCE {
                        asked = Instant::now();
                        self.ask(go_on)?;
                    }
                }
                Err((error, _)) => return Err(self.cluster.error(&error).into()),
            }
        }
    }

    /// Commits the transaction: readers of what is committed get all of it or nothing. After an error nobody knows which; what the
    /// topic holds tells, once the id was opened again.
    ///
    /// # Errors
    /// As [`Writer::begin`]; [`Fault::GivenUp`].
    pub fn commit(&self, go_on: GoOn<'_>) -> Result<()> {
        self.retried(go_on, |writer| writer.producer.commit_transaction(PATIENCE))?;
        self.open.set(false);
        Ok(())
    }

    /// Ends what is open in a topic that nobody else writes. Opening the id has ended all that earlier writers left; but Kafka 4 may lose
    /// the marks that say so to readers, where a partition has no leader at the moment (KAFKA-20734), and those would wait for ever. A
    /// mark of a later transaction of the same writer ends the earlier one in the same way, so one is begun there and taken back.
    ///
    /// # Errors
    /// As [`Writer::begin`].
    pub fn end_left_open(&self, topic: &str) -> Result<()> {
        let (committed, hasty) = (self.cluster.consumer()?, self.cluster.hasty());
        let written = hasty.bounds(&hasty.consumer()?, topic)?;
        let until = Instant::now() + MARKS;
        let open = loop {
            let open = open_partitions(&written, &self.cluster.bounds(&committed, topic)?);
            if open.is_empty() {
                return Ok(());
            }
            if Instant::now() > until {
                break open;
            }
            std::thread::sleep(Duration::from_millis(50));
        };
        tracing::warn!(topic, partitions = ?open, "Kafka has not ended a transaction that an earlier writer left; it is taken back");
        self.begin()?;
        for partition in open {
            let record = BaseRecord::<[u8], [u8]>::to(topic).partition(partition).key(b"");
            self.producer.send(record).map_err(|(error, _)| self.cluster.error(&error))?;
        }
        // Only what was sent is marked.
        self.producer.flush(TIMEOUT).map_err(|error| self.cluster.error(&error))?;
        self.producer.abort_transaction(TIMEOUT).map_err(|error| self.cluster.error(&error))?;
        self.open.set(false);
        Ok(())
    }

    /// Does something that may be asked for again, for as long as whoever waits wants it.
    fn retried(
        &self,
        go_on: GoOn<'_>,
        mut once: impl FnMut(&Self) -> std::result::Result<(), KafkaError>,
    ) -> Result<()> {
        let begun = Instant::now();
        loop {
            match once(self) {
                Ok(()) => return Ok(()),
                Err(error) if begun.elapsed() < TRANSACTION && may_pass(&error) => self.ask(go_on)?,
                Err(error) => return Err(self.cluster.error(&error).into()),
            }
        }
    }

    fn ask(&self, go_on: GoOn<'_>) -> Result<()> {
        let trouble = self.producer.context().trouble.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let reason = trouble.unwrap_or_else(|| "the broker has not answered yet".into());
        if go_on(&self.cluster.refused(reason).to_string()) { Ok(()) } else { Err(Fault::GivenUp) }
    }
}

impl Drop for Writer {
    /// Readers wait for a transaction that is left open.
    fn drop(&mut self) {
        if self.open.get()
            && let Err(error) = self.producer.abort_transaction(PATIENCE)
        {
            tracing::debug!(%error, "a transaction of a sink stays open until its next writer");
        }
    }
}

/// Partitions that have records behind what is committed.
fn open_partitions(written: &[Bounds], committed: &[Bounds]) -> Vec<i32> {
    let is_whole = |of: &Bounds| committed.iter().any(|found| found.partition == of.partition && found.end >= of.end);
    written.iter().filter(|bounds| !is_whole(bounds)).map(|bounds| bounds.partition).collect()
}

/// Whether the same call may succeed later.
fn may_pass(error: &KafkaError) -> bool {
    match error {
        KafkaError::Transaction(error) => error.is_retriable() && !error.is_fatal() && !error.txn_requires_abort(),
        KafkaError::Flush(code) => *code == RDKafkaErrorCode::OperationTimedOut,
        _ => false,
    }
}

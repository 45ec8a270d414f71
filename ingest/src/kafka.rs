//! Kafka, as readers use it: partitions assigned from their beginning, no consumer group, no commits of offsets.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::{ClientConfig, TopicPartitionList as Partitions};

use crate::error::{Error, Result};

/// A broker that does not answer in this time is down.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A record's key, if it has one, and its value.
pub type KeyValue = (Option<Vec<u8>>, Vec<u8>);

/// A Kafka cluster.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Cluster {
    /// `host:port` of the bootstrap brokers, comma separated.
    pub brokers: String,
    /// librdkafka's properties beside it (`security.protocol`, `sasl.username`, …).
    pub properties: Vec<(String, String)>,
}

impl Cluster {
    /// A consumer without any partition.
    ///
    /// # Errors
    /// If a property is unknown or wrong.
    pub fn consumer(&self) -> Result<BaseConsumer> {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.brokers)
            .set("client.id", "tidewater")
            // librdkafka wants one, although nothing is committed and no group is joined.
            .set("group.id", "tidewater")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "earliest")
            .set("isolation.level", "read_committed")
            .set("allow.auto.create.topics", "false")
            // After a full local queue the fetcher pauses this long; the default of a second would be a second of staleness.
            .set("fetch.queue.backoff.ms", "10")
            // A partition added while a fetch waits for others is not read before that fetch has returned.
            .set("fetch.wait.max.ms", "100")
            .set("queued.max.messages.kbytes", "32768");
        for (name, value) in &self.properties {
            config.set(name, value);
        }
        config.create().map_err(|error| self.error(&error))
    }

    /// An error of Kafka that names these brokers.
    pub fn error(&self, error: &KafkaError) -> Error {
        Error::Kafka { brokers: self.brokers.clone(), reason: error.to_string() }
    }

    /// Number of partitions of `topic`; 0 if there is no such topic.
    ///
    /// # Errors
    /// If no broker answers.
    pub fn partitions(&self, consumer: &BaseConsumer, topic: &str) -> Result<i32> {
        let metadata = consumer.fetch_metadata(Some(topic), TIMEOUT).map_err(|error| self.error(&error))?;
        let found = metadata.topics().iter().find(|found| found.name() == topic && found.error().is_none());
        Ok(found.map_or(0, |found| found.partitions().len() as i32))
    }

    /// Records that `topic` holds and the offset behind the last of each partition.
    ///
    /// # Errors
    /// If no broker answers.
    pub fn ends(&self, consumer: &BaseConsumer, topic: &str) -> Result<(u64, Vec<i64>)> {
        let (mut records, mut ends) = (0, Vec::new());
        for partition in 0..self.partitions(consumer, topic)? {
            let (low, high) =
                consumer.fetch_watermarks(topic, partition, TIMEOUT).map_err(|error| self.error(&error))?;
            records += (high - low).max(0) as u64;
            // Nothing to wait for in a partition that holds nothing.
            ends.push(if high > low { high } else { 0 });
        }
        Ok((records, ends))
    }

    /// Adds partitions of `topic` to what `consumer` reads, each from the offset given.
    ///
    /// # Errors
    /// If the consumer refuses.
    pub fn assign(&self, consumer: &BaseConsumer, topic: &str, from: &[i64]) -> Result<()> {
        let mut list = Partitions::new();
        for (partition, &offset) in from.iter().enumerate() {
            let offset = if offset == 0 { Offset::Beginning } else { Offset::Offset(offset) };
            list.add_partition_offset(topic, partition as i32, offset).map_err(|error| self.error(&error))?;
        }
        consumer.incremental_assign(&list).map_err(|error| self.error(&error))
    }

    /// Takes `topic` away from what `consumer` reads.
    pub fn unassign(&self, consumer: &BaseConsumer, topic: &str, partitions: usize) {
        let mut list = TopicPartitionList::new();
        for partition in 0..partitions {
            list.add_partition(topic, partition as i32);
        }
        // It was assigned, or there is nothing to take away.
        if let Err(error) = consumer.incremental_unassign(&list) {
            tracing::debug!(topic, %error, "unassign");
        }
    }

    /// Key and value of the first record of `topic` that has a value, if one comes within `wait`.
    ///
    /// # Errors
    /// If no broker answers.
    pub fn first_record(&self, topic: &str, wait: Duration) -> Result<Option<KeyValue>> {
        let consumer = self.consumer()?;
        let partitions = self.partitions(&consumer, topic)?;
        self.assign(&consumer, topic, &vec![0; partitions as usize])?;
        let until = Instant::now() + wait;
        while let Some(left) = until.checked_duration_since(Instant::now()) {
            match consumer.poll(left) {
                Some(Ok(message)) => {
                    if let Some(value) = message.payload() {
                        return Ok(Some((message.key().map(Into::into), value.into())));
                    }
                }
                Some(Err(error)) => return Err(self.error(&error)),
                None => break,
            }
        }
        Ok(None)
    }
}

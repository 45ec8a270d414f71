//! Kafka, as readers use it: partitions assigned from their beginning, no consumer group, no commits of offsets.

use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::topic_partition_list::Offset;
use rdkafka::{ClientConfig, TopicPartitionList as Partitions};

use crate::error::{Error, Result};
use crate::timeline::Bounds;

/// A broker that does not answer in this time is down.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(10);

/// How long Kafka keeps a tombstone where nothing else is set.
const TOMBSTONES_LAST_MS: i64 = 24 * 3_600_000;

/// Metadata of no topic is small; asking for all of a large cluster's is not.
const NO_TOPIC: &str = "__tidewater_asks_for_no_topic";

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
            // Records that were deleted unread are a gap, which a reset would hide.
            .set("auto.offset.reset", "error")
            .set("enable.partition.eof", "true")
            .set("isolation.level", "read_committed")
            .set("allow.auto.create.topics", "false")
            // After a full local queue the fetcher pauses this long; the default of a second would be a second of staleness.
            .set("fetch.queue.backoff.ms", "10")
            // A partition added while a fetch waits for others is not read before that fetch has returned.
            .set("fetch.wait.max.ms", "100")
            .set("queued.max.messages.kbytes", "16384");
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

    /// The cluster's own id, which does not depend on how its brokers are written.
    ///
    /// # Errors
    /// If no broker answers.
    pub(crate) fn id(&self) -> Result<String> {
        let consumer = self.consumer()?;
        // The id comes with the first metadata.
        consumer.fetch_metadata(Some(NO_TOPIC), TIMEOUT).map_err(|error| self.error(&error))?;
        let id = consumer.client().fetch_cluster_id(TIMEOUT);
        id.ok_or_else(|| Error::Kafka {
            brokers: self.brokers.clone(),
            reason: "the cluster does not tell its id".into(),
        })
    }

    /// Of a topic whose records Kafka drops where a later one of the same key replaces them: how long a tombstone stays at
    /// least. A topic whose settings may not be read is taken for one that keeps all.
    pub(crate) fn tombstones_last_ms(&self, topic: &str) -> Option<i64> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.brokers);
        for (name, value) in &self.properties {
            config.set(name, value);
        }
        let admin: rdkafka::error::KafkaResult<AdminClient<DefaultClientContext>> = config.create();
        let of = [ResourceSpecifier::Topic(topic)];
        let options = AdminOptions::new().request_timeout(Some(TIMEOUT));
        let found = admin.map(|admin| futures::executor::block_on(admin.describe_configs(&of, &options)));
        let settings = match found {
            Ok(Ok(mut found)) => found.pop().and_then(std::result::Result::ok),
            _ => None,
        };
        let policy = settings.as_ref().and_then(|settings| settings.get("cleanup.policy"));
        if policy.is_none() {
            tracing::warn!(topic, "the topic's settings cannot be read; it is taken for one that is not compacted");
        }
        policy.and_then(|policy| policy.value.as_deref()).filter(|policy| policy.contains("compact"))?;
        let last = settings.as_ref().and_then(|settings| settings.get("delete.retention.ms"));
        Some(last.and_then(|last| last.value.as_deref()?.parse().ok()).unwrap_or(TOMBSTONES_LAST_MS))
    }

    /// The first offset of a partition that is there, and the offset behind its last.
    ///
    /// # Errors
    /// If no broker answers.
    pub(crate) fn watermarks(&self, consumer: &BaseConsumer, topic: &str, partition: i32) -> Result<(i64, i64)> {
        consumer.fetch_watermarks(topic, partition, TIMEOUT).map_err(|error| self.error(&error))
    }

    /// What every partition of `topic` holds; none if there is no such topic.
    ///
    /// # Errors
    /// If no broker answers.
    pub(crate) fn bounds(&self, consumer: &BaseConsumer, topic: &str) -> Result<Vec<Bounds>> {
        let partitions = 0..self.partitions(consumer, topic)?;
        let of = |partition| {
            let (low, end) = self.watermarks(consumer, topic, partition)?;
            Ok(Bounds { partition, low, end })
        };
        partitions.map(of).collect()
    }

    /// Adds partitions of `topic` to what `consumer` reads, each from the offset given.
    ///
    /// # Errors
    /// If the consumer refuses.
    pub(crate) fn assign(&self, consumer: &BaseConsumer, topic: &str, from: &[(i32, i64)]) -> Result<()> {
        let mut list = Partitions::new();
        for &(partition, offset) in from {
            list.add_partition_offset(topic, partition, Offset::Offset(offset)).map_err(|error| self.error(&error))?;
        }
        consumer.incremental_assign(&list).map_err(|error| self.error(&error))
    }

    /// Key and value of the first record of `topic` that has a value, if one comes within `wait`.
    ///
    /// # Errors
    /// If no broker answers.
    pub fn first_record(&self, topic: &str, wait: Duration) -> Result<Option<KeyValue>> {
        let consumer = self.consumer()?;
        let from: Vec<_> = self.bounds(&consumer, topic)?.iter().map(|found| (found.partition, found.low)).collect();
        self.assign(&consumer, topic, &from)?;
        let until = Instant::now() + wait;
        while let Some(left) = until.checked_duration_since(Instant::now()) {
            match consumer.poll(left) {
                Some(Ok(message)) => {
                    if let Some(value) = message.payload() {
                        return Ok(Some((message.key().map(Into::into), value.into())));
                    }
                }
                Some(Err(KafkaError::PartitionEOF(_))) => {}
                Some(Err(error)) => return Err(self.error(&error)),
                None => break,
            }
        }
        Ok(None)
    }
}

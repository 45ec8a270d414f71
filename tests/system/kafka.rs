//! What scenarios do to Kafka's topics behind Tidewater's back.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::metadata::MetadataTopic;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::Result;
use crate::sql::wait_until;

const TIMEOUT: Duration = Duration::from_secs(20);

fn admin(brokers: &str) -> Result<AdminClient<DefaultClientContext>> {
    Ok(ClientConfig::new().set("bootstrap.servers", brokers).create()?)
}

/// Makes a topic with settings of its own.
pub(crate) async fn create_topic(brokers: &str, name: &str, partitions: i32, settings: &[(&str, &str)]) -> Result<()> {
    let mut topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
    for (setting, value) in settings {
        topic = topic.set(setting, value);
    }
    let made = admin(brokers)?.create_topics([&topic], &AdminOptions::new()).await?;
    made.into_iter().try_for_each(|topic| topic.map(drop).map_err(|(topic, error)| format!("{topic}: {error}").into()))
}

/// Deletes a topic; returns when the broker shows it no more.
pub(crate) async fn delete_topic(brokers: &str, name: &str) -> Result<()> {
    let gone = admin(brokers)?.delete_topics(&[name], &AdminOptions::new()).await?;
    gone.into_iter().try_for_each(|topic| topic.map(drop).map_err(|(topic, error)| format!("{topic}: {error}")))?;
    let consumer: BaseConsumer = ClientConfig::new().set("bootstrap.servers", brokers).create()?;
    wait_until(async || {
        let all = consumer.fetch_metadata(None, TIMEOUT)?;
        Ok(all.topics().iter().all(|topic| topic.name() != name))
    })
    .await
}

/// Gives a topic more partitions.
pub(crate) async fn add_partitions(brokers: &str, name: &str, partitions: usize) -> Result<()> {
    let done = admin(brokers)?.create_partitions([&NewPartitions::new(name, partitions)], &AdminOptions::new()).await?;
    done.into_iter().try_for_each(|topic| topic.map(drop).map_err(|(topic, error)| format!("{topic}: {error}").into()))
}

/// First offset and end of a partition.
pub(crate) fn watermarks(brokers: &str, topic: &str, partition: i32) -> Result<(i64, i64)> {
    let consumer: BaseConsumer = ClientConfig::new().set("bootstrap.servers", brokers).create()?;
    Ok(consumer.fetch_watermarks(topic, partition, TIMEOUT)?)
}

/// Deletes the records of partition 0 before `offset`, as retention would.
pub(crate) async fn delete_records(brokers: &str, topic: &str, offset: i64) -> Result<()> {
    let mut before = TopicPartitionList::new();
    before.add_partition_offset(topic, 0, Offset::Offset(offset))?;
    admin(brokers)?.delete_records(&before, &AdminOptions::new()).await?;
    match watermarks(brokers, topic, 0)?.0 {
        low if low == offset => Ok(()),
        low => Err(format!("{topic} begins at {low}, not at {offset}").into()),
    }
}

/// Sends records to partition 0, in order: key and value.
pub(crate) fn produce(brokers: &str, topic: &str, records: &[(Option<&str>, &[u8])]) -> Result<()> {
    let producer: BaseProducer = ClientConfig::new().set("bootstrap.servers", brokers).create()?;
    for (key, value) in records {
        let mut record: BaseRecord<'_, str, [u8]> = BaseRecord::to(topic).partition(0).payload(value);
        record.key = *key;
        producer.send(record).map_err(|(error, _)| error)?;
    }
    Ok(producer.flush(TIMEOUT)?)
}

/// How many records a reader of partition 0 gets.
pub(crate) fn count(brokers: &str, topic: &str) -> Result<i64> {
    let config = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "count")
        .set("enable.partition.eof", "true")
        .set("enable.auto.commit", "false")
        .clone();
    let consumer: BaseConsumer = config.create()?;
    let mut from = TopicPartitionList::new();
    from.add_partition_offset(topic, 0, Offset::Beginning)?;
    consumer.assign(&from)?;
    let mut records = 0;
    loop {
        match consumer.poll(TIMEOUT) {
            Some(Ok(_)) => records += 1,
            Some(Err(rdkafka::error::KafkaError::PartitionEOF(_))) => return Ok(records),
            Some(Err(error)) => return Err(error.into()),
            None => return Err(format!("{topic}: no end").into()),
        }
    }
}

/// A record that is committed.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) key: Vec<u8>,
    pub(crate) value: Option<Vec<u8>>,
}

/// All records of a topic that are committed, of each partition in order.
pub(crate) fn committed(brokers: &str, topic: &str) -> Result<Vec<Record>> {
    let config = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "committed")
        .set("isolation.level", "read_committed")
        .set("enable.partition.eof", "true")
        .set("enable.auto.commit", "false")
        .clone();
    let consumer: BaseConsumer = config.create()?;
    let metadata = consumer.fetch_metadata(Some(topic), TIMEOUT)?;
    let mut left = metadata.topics().first().map_or(0, |topic| topic.partitions().len());
    let mut from = TopicPartitionList::new();
    for partition in 0..left {
        from.add_partition_offset(topic, partition as i32, Offset::Beginning)?;
    }
    consumer.assign(&from)?;
    let mut records = Vec::new();
    while left > 0 {
        match consumer.poll(TIMEOUT) {
            Some(Ok(message)) => records.push(Record {
                partition: message.partition(),
                offset: message.offset(),
                key: message.key().unwrap_or_default().to_vec(),
                value: message.payload().map(<[u8]>::to_vec),
            }),
            Some(Err(rdkafka::error::KafkaError::PartitionEOF(_))) => left -= 1,
            Some(Err(error)) => return Err(error.into()),
            None => return Err(format!("{topic}: no end").into()),
        }
    }
    Ok(records)
}

/// Writes all that all topics hold to a file, one record a line.
pub(crate) fn write_all(brokers: &str, file: &Path) -> Result<()> {
    let consumer: BaseConsumer = ClientConfig::new().set("bootstrap.servers", brokers).create()?;
    let metadata = consumer.fetch_metadata(None, TIMEOUT)?;
    let mut file = BufWriter::new(File::create(file)?);
    for topic in metadata.topics().iter().map(MetadataTopic::name).filter(|name| !name.starts_with("__")) {
        for Record { partition, offset, key, value } in committed(brokers, topic)? {
            let value = value.as_deref().map(String::from_utf8_lossy);
            writeln!(file, "{topic} {partition} {offset} {:?} {value:?}", String::from_utf8_lossy(&key))?;
        }
    }
    Ok(file.flush()?)
}

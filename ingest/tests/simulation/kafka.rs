//! Kafka: topics of partitions of records, each with the moment at which it can be read and the moment at which it is gone.
//!
//! Time is a number that grows with every record written. A record is visible a little after it was written; within a
//! partition the order is kept, across partitions it is not.

use tidewater_ingest::event::{Boundary, Event};

use crate::model::Values;
use crate::random::Random;

/// What a record is.
#[derive(Debug, Clone)]
pub(crate) enum Payload {
    Event(Event),
    Boundary(Boundary),
    Tombstone,
    /// A transaction marker of Kafka's: it takes an offset and is never delivered.
    Control,
}

/// A record.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) offset: i64,
    pub(crate) timestamp_ms: i64,
    pub(crate) payload: Payload,
    pub(crate) key: Option<i64>,
    /// Rows that it is about.
    pub(crate) touches: Vec<Values>,
    /// Whether it cannot be decoded.
    pub(crate) lost: bool,
    pub(crate) written: u64,
    visible: u64,
    /// When compaction took it, and whether it was a deletion: those stay for a day, for readers that are on their way.
    gone: Option<(u64, bool)>,
}

/// A partition.
#[derive(Debug, Default)]
pub(crate) struct Partition {
    pub(crate) records: Vec<Record>,
    pub(crate) created: u64,
    /// Retention: from this moment on the first offset that is there.
    low: Vec<(u64, i64)>,
}

/// A topic.
#[derive(Debug, Default)]
pub(crate) struct Topic {
    pub(crate) partitions: Vec<Partition>,
}

/// The cluster. The last topic is the one of transactions.
#[derive(Debug)]
pub(crate) struct Kafka {
    pub(crate) topics: Vec<Topic>,
    pub(crate) now: u64,
    pub(crate) now_ms: i64,
    /// How much later than another partition's a record may become visible.
    pub(crate) skew: u64,
}

/// More than any skew.
const PAUSE: u64 = 100;

impl Kafka {
    pub(crate) fn new(partitions: &[usize], skew: u64) -> Self {
        let topic = |&count: &usize| Topic { partitions: (0..count).map(|_| Partition::default()).collect() };
        Kafka { topics: partitions.iter().map(topic).collect(), now: 1, now_ms: 1_700_000_000_000, skew }
    }

    pub(crate) fn transactions(&self) -> usize {
        self.topics.len() - 1
    }

    pub(crate) fn write(
        &mut self,
        random: &mut Random,
        (topic, partition): (usize, usize),
        payload: Payload,
        key: Option<i64>,
        touches: Vec<Values>,
    ) {
        self.now += 1;
        self.now_ms += random.below(4) as i64;
        let delay = if self.skew == 0 { 0 } else { random.below(self.skew as usize) as u64 };
        let (now, timestamp_ms) = (self.now, self.now_ms);
        let records = &mut self.topics[topic].partitions[partition].records;
        let offset = records.len() as i64;
        let visible = records.last().map_or(0, |last| last.visible).max(now + delay);
        records.push(Record {
            offset,
            timestamp_ms,
            payload,
            key,
            touches,
            lost: false,
            written: now,
            visible,
            gone: None,
        });
    }

    /// Seconds pass; all that was written can be read.
    pub(crate) fn pause(&mut self, ms: i64) {
        self.now += PAUSE;
        self.now_ms += ms;
    }

    /// The same, and so long that the reader may see that nothing comes. Returns the moment.
    pub(crate) fn rest(&mut self) -> u64 {
        self.pause(10_000);
        self.now += 1;
        self.now - 1
    }

    pub(crate) fn add_partition(&mut self, topic: usize) {
        self.now += 1;
        self.topics[topic].partitions.push(Partition { created: self.now, ..Partition::default() });
    }

    /// Retention takes all but the last `keep` records of a partition.
    pub(crate) fn retain(&mut self, topic: usize, partition: usize, keep: usize) {
        self.now += 1;
        let now = self.now;
        let partition = &mut self.topics[topic].partitions[partition];
        let low = partition.records.len().saturating_sub(keep) as i64;
        if low > partition.low.last().map_or(0, |(_, low)| *low) {
            partition.low.push((now, low));
        }
    }

    /// Compaction takes, of the records but the last `keep`, those whose key has a later one, and maybe tombstones. What is not
    /// visible yet it does not look at.
    pub(crate) fn compact(&mut self, random: &mut Random, topic: usize, partition: usize, keep: usize) {
        self.now += 1;
        let now = self.now;
        let tombstones = random.chance(50);
        let visible = self.topics[topic].partitions[partition].end(now) as usize;
        let records = &mut self.topics[topic].partitions[partition].records;
        let horizon = records.len().saturating_sub(keep).min(visible);
        for at in 0..horizon {
            let key = records[at].key;
            let newer = key.is_some() && records[at + 1..horizon].iter().any(|later| later.key == key);
            // Tombstones stay for a day, for readers that are on their way; the deletions before them do not.
            let deletion = matches!(records[at].payload, Payload::Tombstone);
            if newer || (tombstones && key.is_some() && matches!(records[at].payload, Payload::Tombstone)) {
                records[at].gone.get_or_insert((now, deletion));
            }
        }
    }
}

impl Partition {
    /// First offset that is there.
    pub(crate) fn low(&self, now: u64) -> i64 {
        self.low.iter().rev().find(|(since, _)| *since <= now).map_or(0, |(_, low)| *low)
    }

    /// Offset behind the last record that is visible.
    pub(crate) fn end(&self, now: u64) -> i64 {
        self.records.partition_point(|record| record.visible <= now) as i64
    }

    /// The first record at `offset` or behind it that can be read by who began at `since`.
    pub(crate) fn next(&self, offset: i64, now: u64, since: u64) -> Option<&Record> {
        let end = self.end(now) as usize;
        let from = (offset.max(self.low(now)) as usize).min(end);
        let there = |record: &&Record| {
            record.gone.is_none_or(|(gone, deletion)| gone > if deletion { since } else { now })
                && !matches!(record.payload, Payload::Control)
        };
        self.records[from..end].iter().find(there)
    }
}

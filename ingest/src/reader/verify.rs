//! Whether a partition that is read on after a restart is the one that was read before: its newest record is looked at once more.

use std::collections::BTreeSet;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::topic_partition_list::Offset;

use super::feed::{Item, Worker};
use super::mark::Verdict;
use crate::error::Error;
use crate::kafka::TIMEOUT;
use crate::timeline::Bounds;

impl Worker {
    /// Where reading begins for `next` to be the first offset that is taken.
    pub(super) fn from(&self, partition: i32, next: i64) -> i64 {
        self.known.get(&partition).map_or(next, |mark| mark.offset.min(next))
    }

    /// Whether a record is not to be taken: it was before, or is of a partition that will be read from its beginning.
    pub(super) fn is_passed_over(&mut self, message: &BorrowedMessage<'_>) -> bool {
        let partition = message.partition();
        if self.anew.contains(&partition) {
            return true;
        }
        let Some(mark) = self.known.remove(&partition) else { return false };
        let next = self.next.get(&partition).map_or(0, |(next, _)| *next);
        match mark.judge(message, next) {
            Verdict::Same => self.items.push(Item::Verified(partition)),
            Verdict::Behind => {
                self.items.push(Item::Verified(partition));
                return false;
            }
            Verdict::Another => drop(self.anew.insert(partition)),
        }
        true
    }

    /// A partition was read to its end: the record that was to be looked at is not there, which compaction does.
    pub(super) fn has_no_record(&mut self, partition: i32) {
        if self.known.remove(&partition).is_some() {
            self.items.push(Item::Verified(partition));
        }
    }

    /// Reads partitions that were made again from their beginning, as soon as that is known.
    pub(super) fn begin_anew(&mut self, consumer: &BaseConsumer) {
        let mut left = BTreeSet::new();
        for partition in std::mem::take(&mut self.anew) {
            match self.first_of(consumer, partition) {
                Ok(bounds) => {
                    self.next.insert(partition, (bounds.low, bounds.end));
                    self.items.push(Item::Anew(bounds));
                }
                Err(error) => {
                    tracing::warn!(topic = self.topic, %error, "Kafka; trying on");
                    left.insert(partition);
                }
            }
        }
        self.anew = left;
    }

    fn first_of(&self, consumer: &BaseConsumer, partition: i32) -> Result<Bounds, Error> {
        let (low, end) = self.cluster.watermarks(consumer, &self.topic, partition)?;
        let seek = consumer.seek(&self.topic, partition, Offset::Offset(low), TIMEOUT);
        seek.map_err(|error| self.cluster.error(&error))?;
        Ok(Bounds { partition, low, end })
    }
}

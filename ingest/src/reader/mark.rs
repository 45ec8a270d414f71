//! The newest record of a partition, so that it is known again: a topic that was deleted and made again has another one there.

use rdkafka::message::Message;
use serde::{Deserialize, Serialize};

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mark {
    pub(crate) offset: i64,
    /// Its time in Kafka.
    timestamp_ms: i64,
    /// Bytes of its key and its value; -1 where it has none.
    lengths: (i64, i64),
    /// A checksum of both.
    sum: u32,
    /// The key of the deletion that is the newest record with a value: its tombstone follows and says nothing more.
    pub(crate) deleted: Option<Box<[u8]>>,
}

impl Mark {
    /// The mark of a record.
    pub(crate) fn of(message: &impl Message) -> Self {
        let timestamp_ms = message.timestamp().to_millis().unwrap_or(0);
        Mark::new(message.offset(), timestamp_ms, message.key(), message.payload())
    }

    fn new(offset: i64, timestamp_ms: i64, key: Option<&[u8]>, value: Option<&[u8]>) -> Self {
        let length = |bytes: Option<&[u8]>| bytes.map_or(-1, |bytes| bytes.len() as i64);
        let mut sum = crc32fast::Hasher::new();
        sum.update(key.unwrap_or_default());
        sum.update(value.unwrap_or_default());
        Mark { offset, timestamp_ms, lengths: (length(key), length(value)), sum: sum.finalize(), deleted: None }
    }

    /// Whether a record is the one of this mark.
    pub(crate) fn is(&self, message: &impl Message) -> bool {
        *self == Mark { deleted: self.deleted.clone(), ..Mark::of(message) }
    }
}

/// What a record says of whether a partition is the one that was read before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is the record of the mark: all before it was taken.
    Same,
    /// The record of the mark is not there any more, and this one is new.
    Behind,
    /// There is another record where that one was, or between it and the next offset, where there was none.
    Another,
}

impl Mark {
    /// What the first record from the mark on says. `next` is the next offset to take.
    pub(crate) fn judge(&self, message: &impl Message, next: i64) -> Verdict {
        match message.offset() {
            offset if offset >= next => Verdict::Behind,
            offset if offset == self.offset && self.is(message) => Verdict::Same,
            _ => Verdict::Another,
        }
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::Timestamp;
    use rdkafka::message::OwnedMessage;

    use super::*;

    fn record(offset: i64, ms: i64, key: Option<&str>, value: Option<&str>) -> OwnedMessage {
        let bytes = |text: &str| text.as_bytes().to_vec();
        OwnedMessage::new(value.map(bytes), key.map(bytes), "t".into(), Timestamp::CreateTime(ms), 0, offset, None)
    }

    #[test]
    fn a_record_is_known_again_and_no_other_is() {
        let mark = Mark { deleted: Some(Box::from(*b"k")), ..Mark::of(&record(7, 5, Some("k"), None)) };
        assert_eq!(mark.judge(&record(7, 5, Some("k"), None), 8), Verdict::Same);
        for another in [
            record(7, 6, Some("k"), None),
            record(7, 5, Some("k"), Some("")),
            record(7, 5, None, None),
            record(7, 5, None, Some("k")),
            record(7, 5, Some("l"), None),
        ] {
            assert_eq!(mark.judge(&another, 8), Verdict::Another);
        }
        assert_eq!(mark.judge(&record(8, 5, Some("k"), None), 8), Verdict::Behind, "compaction took it");
        assert_eq!(mark.judge(&record(8, 5, Some("k"), None), 10), Verdict::Another, "nothing lay there");
    }
}

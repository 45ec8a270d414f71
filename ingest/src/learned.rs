//! What a decoder has learned from the records of a topic, as of some offset.
//!
//! Feeds run ahead of the timeline whose state is kept, so a decoder tells what it learns together with the records that taught
//! it, and who takes those learns the same. After a restart the next decoder knows what the records before it had taught:
//! which columns rows had, which are gone, and what types a JSON schema named last.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tidewater_types::TableSchema;

use crate::history::{History, Names};

/// Something that records taught a decoder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Lesson {
    /// Rows of a partition have these columns.
    Shape(i32, Names),
    /// Records of a partition carry this schema.
    Schema(i32, Box<str>),
    /// What came before does not matter any more: the table comes anew.
    Forgotten,
}

/// See the module.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Learned {
    /// By partition.
    pub(crate) histories: BTreeMap<i32, History>,
    /// By partition.
    pub(crate) schemas: BTreeMap<i32, Box<str>>,
    /// Columns that have no value any more, and why.
    pub(crate) lost: BTreeMap<usize, String>,
}

impl Learned {
    /// Learns what a decoder of `table` has learned; the first `own` columns are the writer's.
    pub(crate) fn learn(&mut self, lesson: Lesson, table: &TableSchema, own: usize) {
        match lesson {
            Lesson::Shape(partition, names) => {
                let history = self.histories.entry(partition).or_insert_with(|| History::new(table, own));
                history.enter(names.iter().map(|name| &**name));
                history.take_news();
            }
            Lesson::Schema(partition, schema) => drop(self.schemas.insert(partition, schema)),
            Lesson::Forgotten => {
                self.histories.clear();
                self.schemas.clear();
            }
        }
    }

    /// What was kept, of `table`.
    pub(crate) fn of(mut self, table: &TableSchema, own: usize) -> Self {
        let histories = std::mem::take(&mut self.histories).into_iter();
        self.histories = histories.map(|(partition, history)| (partition, history.of(table, own))).collect();
        self
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use tidewater_types::{Column, Type};

    use super::*;
    use crate::decode::{Decoded, Decoder, Record};
    use crate::event::{Event, RecordMeta};
    use crate::saved;
    use crate::source::{Envelope, Format, OnError, SourceConfig};
    use crate::{Cluster, Undecodable};

    fn config() -> SourceConfig {
        let columns = ["id", "a", "b"].map(|name| Column::new(name, Type::Int8)).to_vec();
        SourceConfig {
            name: "s".into(),
            cluster: Cluster { brokers: "localhost:9092".into(), properties: Vec::new() },
            topic: "s".into(),
            format: Format::Json,
            envelope: Envelope::Debezium { transaction_topic: None, collection: None },
            declared: Some((columns, Some(vec![0]))),
            include: Vec::new(),
            on_error: OnError::Stall,
        }
    }

    /// What a record comes to, and the columns that it is the first to lack.
    type Outcome = (Result<Option<Event>, Undecodable>, Vec<usize>);

    fn decode(decoder: &mut Decoder, (partition, value): &(i32, Option<String>)) -> Outcome {
        let meta = RecordMeta { partition: *partition, offset: 0, timestamp_ms: 0 };
        let value = value.as_ref().map(String::as_bytes);
        let decoded = decoder.decode(Record { key: Some(br#"{"id":1}"#), value, meta });
        let lost = decoder.lost_columns().into_iter().map(|(column, _)| column).collect();
        let decoded = decoded.map(|decoded| match decoded {
            Decoded::Event(event) => Some(event),
            Decoded::Nothing => None,
            other => panic!("{other:?}"),
        });
        (decoded, lost)
    }

    fn envelope(row: &str, op: &str, snapshot: &str) -> String {
        let (before, after) = if op == "d" { (row, "null") } else { ("null", row) };
        format!(
            r#"{{"before":{before},"after":{after},"source":{{"snapshot":"{snapshot}","db":"shop","table":"t"}},"op":"{op}"}}"#
        )
    }

    /// The same with a schema, which names the type of `a` otherwise than the table.
    fn described(columns: &[&str], row: &str) -> String {
        let fields = columns.iter().map(|name| format!(r#"{{"field":"{name}","type":"int64","optional":true}}"#));
        let fields = fields.collect::<Vec<_>>().join(",");
        let payload = envelope(row, "c", "false");
        format!(
            r#"{{"schema":{{"type":"struct","fields":[{{"field":"after","type":"struct","fields":[{fields}]}}]}},"payload":{payload}}}"#
        )
    }

    /// Columns that come, go and are renamed, deletions and their tombstones, two partitions, a snapshot that begins anew.
    fn records() -> Vec<(i32, Option<String>)> {
        let row = |row: &str| Some(envelope(row, "c", "false"));
        vec![
            (0, row(r#"{"id":1}"#)),
            (0, row(r#"{"id":1,"a":1}"#)),
            (0, row(r#"{"id":1}"#)),
            (1, row(r#"{"id":1,"a":1,"old":2}"#)),
            (1, row(r#"{"id":1,"a":1,"b":2}"#)),
            (0, Some(envelope(r#"{"id":1,"a":1}"#, "d", "false"))),
            (0, None),
            (0, row(r#"{"id":1,"b":5}"#)),
            (0, row(r#"{"id":1,"a":1,"b":5}"#)),
            (1, Some(described(&["id", "b"], r#"{"id":1,"b":5}"#))),
            (1, row(r#"{"id":1,"b":6}"#)),
            (0, Some(envelope(r#"{"id":1,"b":5}"#, "r", "first"))),
            (0, row(r#"{"id":1,"b":5}"#)),
            (1, row(r#"{"id":1,"a":1}"#)),
            (0, row(r#"{"id":1,"a":3,"b":5}"#)),
        ]
    }

    #[test]
    fn columns_that_came_and_went_are_judged_alike_after_a_restart() {
        let config = config();
        let table = config.table_schema().expect("a table");
        let records = records();
        let mut decoder = Decoder::new(&config, &table).expect("a decoder");
        let expected: Vec<Outcome> = records.iter().map(|record| decode(&mut decoder, record)).collect();
        assert!(expected.iter().any(|(_, lost)| !lost.is_empty()), "columns are lost");
        assert!(expected.iter().all(|(decoded, _)| decoded.is_ok()));
        for cut in 0..records.len() {
            let mut first = Decoder::new(&config, &table).expect("a decoder");
            let (mut learned, mut deleted) = (Learned::default(), HashMap::new());
            for record in &records[..cut] {
                let (_, lost) = decode(&mut first, record);
                first.take_lessons().into_iter().for_each(|lesson| learned.learn(lesson, &table, 3));
                learned.lost.extend(lost.into_iter().map(|column| (column, "why".to_owned())));
                match first.deleted(record.0) {
                    Some(key) => deleted.insert(record.0, key.into()),
                    None => deleted.remove(&record.0),
                };
            }
            let kept: Learned = saved::load(&saved::save(&learned).expect("bytes")).expect("the same");
            let mut second = Decoder::new(&config, &table).expect("a decoder");
            second.know(&kept.of(&table, 3), deleted).expect("the same table");
            let found: Vec<Outcome> = records[cut..].iter().map(|record| decode(&mut second, record)).collect();
            assert_eq!(found, expected[cut..], "after {cut} records");
        }
    }
}

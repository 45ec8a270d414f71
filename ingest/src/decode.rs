//! A record of a source's topic as changes: chooses the decoder that the format, the envelope and the writer's schema ask for.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};

use rustc_hash::FxHashMap;
use tidewater_delta::{Op, Row, RowBuilder};
use tidewater_types::TableSchema;

use crate::avro::{self, AvroDecoder};
use crate::debezium::Shape;
use crate::error::{Error, Result, Undecodable};
use crate::event::{Boundary, Event, MetaColumn, Operation, RecordMeta, Snapshot};
use crate::faults::{LostColumn, Tolerance, all_but_key};
use crate::history::History;
use crate::include::set_metadata;
use crate::json::{self, JsonDecoder};
use crate::learned::{Learned, Lesson};
use crate::registry::{Registry, RegistryConfig};
use crate::source::{Envelope, Format, OnError, SourceConfig};

/// Key and value of a record, and what Kafka says of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Record<'a> {
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) value: Option<&'a [u8]>,
    pub(crate) meta: RecordMeta,
}

/// What a record means.
#[derive(Debug)]
pub(crate) enum Decoded {
    /// A change event of Debezium's.
    Event(Event),
    /// A change without an envelope.
    Op(Op),
    /// Nothing: a tombstone behind its deletion, which only tells Kafka to compact.
    Nothing,
    /// A tombstone without its deletion, which Kafka's compaction may have taken away.
    Tombstone(Op),
}

/// A record's partition and the ids of its writer's schemas, of key and value. Shapes of rows have an order in each partition,
/// not among them.
type Ids = (i32, Option<u32>, u32);

/// A decoder, and the bodies of the key and the value that it is for.
type ForBodies<'d, 'r> = (&'d mut AvroDecoder, Option<&'r [u8]>, &'r [u8]);

enum Rows {
    Avro {
        registry: Box<Registry>,
        decoders: FxHashMap<Ids, AvroDecoder>,
        histories: FxHashMap<i32, History>,
    },
    /// One for each partition.
    Json(FxHashMap<i32, JsonDecoder>),
    /// The value as one column.
    Raw(RowBuilder),
}

/// Decodes the records of one source.
pub(crate) struct Decoder {
    table: TableSchema,
    shape: Shape,
    debezium: bool,
    upsert: bool,
    include: Vec<MetaColumn>,
    text: bool,
    rows: Rows,
    /// Columns that may be lost without the record.
    tolerance: Tolerance,
    /// Columns that were found to have no value any more.
    lost: BTreeSet<usize>,
    /// Those that nobody was told of yet, and why.
    news: Vec<LostColumn>,
    /// By partition, the key of the newest deletion: its tombstone follows.
    deleted: FxHashMap<i32, Box<[u8]>>,
    /// What was learned, and nobody was told of yet.
    lessons: Vec<Lesson>,
}

impl Decoder {
    pub(crate) fn new(config: &SourceConfig, table: &TableSchema) -> Result<Self> {
        let debezium = matches!(config.envelope, Envelope::Debezium { .. });
        let include: Vec<_> = config.include.iter().map(|(column, _)| *column).collect();
        let rows = match &config.format {
            Format::Avro(registry) => Rows::Avro {
                registry: Registry::new(registry)?.into(),
                decoders: FxHashMap::default(),
                histories: FxHashMap::default(),
            },
            Format::Json if debezium => Rows::Json(FxHashMap::from_iter([(0, JsonDecoder::debezium(table)?)])),
            Format::Json if config.declared.is_some() => {
                Rows::Json(FxHashMap::from_iter([(0, JsonDecoder::plain(table, &include)?)]))
            }
            Format::Json | Format::Text | Format::Bytes => Rows::Raw(RowBuilder::new(table.widths.clone())),
        };
        let text = config.format != Format::Bytes;
        let upsert = config.envelope == Envelope::Upsert;
        let tolerance = match config.on_error {
            OnError::Stall if debezium => all_but_key(table),
            _ => Tolerance::default(),
        };
        let mut decoder = Decoder {
            table: table.clone(),
            shape: Shape::new(table),
            debezium,
            upsert,
            include,
            text,
            rows,
            tolerance,
            lost: BTreeSet::new(),
            news: Vec::new(),
            deleted: FxHashMap::default(),
            lessons: Vec::new(),
        };
        if let Rows::Json(decoders) = &mut decoder.rows {
            decoders.values_mut().for_each(|json| json.tolerate(&decoder.tolerance));
        }
        Ok(decoder)
    }

    /// Knows from the beginning what records have taught before, and by partition the key of the newest deletion.
    ///
    /// # Errors
    /// If records cannot hold the type of a column.
    pub(crate) fn know(&mut self, learned: &Learned, deleted: HashMap<i32, Box<[u8]>>) -> Result<()> {
        self.deleted = deleted.into_iter().collect();
        self.lost = learned.lost.keys().copied().collect();
        match &mut self.rows {
            Rows::Avro { histories, .. } => *histories = learned.histories.clone().into_iter().collect(),
            Rows::Json(decoders) => {
                for &partition in learned.histories.keys().chain(learned.schemas.keys()) {
                    let decoder = match decoders.entry(partition) {
                        Entry::Occupied(entry) => entry.into_mut(),
                        Entry::Vacant(entry) => entry.insert(JsonDecoder::debezium(&self.table)?),
                    };
                    decoder.tolerate(&self.tolerance);
                    let schema = learned.schemas.get(&partition).map(|schema| &**schema);
                    decoder.know(learned.histories.get(&partition), schema);
                }
            }
            Rows::Raw(_) => {}
        }
        Ok(())
    }

    /// What records have taught since this was last asked.
    pub(crate) fn take_lessons(&mut self) -> Vec<Lesson> {
        std::mem::take(&mut self.lessons)
    }

    /// The key of the newest deletion, if it is the newest record of the partition that has a value.
    pub(crate) fn deleted(&self, partition: i32) -> Option<&[u8]> {
        self.deleted.get(&partition).map(|key| &**key)
    }

    /// What `record` means.
    ///
    /// # Errors
    /// [`Error::RegistryUnreachable`] where asking again may help; any other error is of this record alone.
    pub(crate) fn decode(&mut self, record: Record<'_>) -> Result<Decoded, Undecodable> {
        if !self.debezium {
            return Ok(self.decode_op(record)?);
        }
        let Some(value) = record.value else { return Ok(self.tombstone(record)?) };
        let partition = record.meta.partition;
        self.deleted.remove(&partition);
        let (mut event, mut lost) = self.decode_event(partition, record.key, value);
        let wanting = match &event {
            Ok(event) => (!lost.is_empty()).then_some(event.origin.snapshot),
            Err(found) => found.snapshot,
        };
        if wanting == Some(Snapshot::First) {
            // What follows is the whole table anew: columns that came or went before do not matter.
            self.forget();
            (event, lost) = self.decode_event(partition, record.key, value);
        }
        let event = event?;
        for (column, error) in lost {
            if self.lost.insert(column) {
                self.news.push((column, error));
            }
        }
        if record.key.is_none() && self.shape.has_key() && event.operation != Operation::Truncate {
            return Err(Undecodable {
                error: Error::decode(format!(
                    "the record has no key, so MySQL's table has none and rows of one ({}) would merge: declare the columns \
                     without PRIMARY KEY, or create the source anew",
                    self.shape.key_names().join(", ")
                )),
                transaction: event.origin.transaction.map(|transaction| transaction.id),
                snapshot: Some(event.origin.snapshot),
                collection: Some(event.origin.collection),
            });
        }
        if let (Operation::Delete, Some(key)) = (event.operation, record.key) {
            self.deleted.insert(partition, key.into());
        }
        Ok(Decoded::Event(event))
    }

    /// Columns that have had no value since some record, and why; each is told once, before the record's event.
    pub(crate) fn lost_columns(&mut self) -> Vec<LostColumn> {
        std::mem::take(&mut self.news)
    }

    /// A tombstone says nothing more than the deletion before it. Alone it is a deletion, if its key can be read.
    fn tombstone(&mut self, record: Record<'_>) -> Result<Decoded> {
        let follows = self.deleted.get(&record.meta.partition).is_some_and(|key| record.key == Some(&**key));
        if follows || !self.shape.has_key() {
            return Ok(Decoded::Nothing);
        }
        match self.deletion(record) {
            Ok(op) => Ok(Decoded::Tombstone(op)),
            Err(error @ Error::RegistryUnreachable { .. }) => Err(error),
            Err(_) => Ok(Decoded::Nothing),
        }
    }

    /// The event, and the columns of its row that have no value.
    fn decode_event(
        &mut self,
        partition: i32,
        key: Option<&[u8]>,
        value: &[u8],
    ) -> (Result<Event, Undecodable>, Vec<LostColumn>) {
        match &mut self.rows {
            Rows::Avro { .. } => match self.avro_decoder(partition, key, value) {
                Ok((decoder, key, value)) => (decoder.decode(key, value), decoder.take_lost()),
                Err(error) => (Err(error.into()), Vec::new()),
            },
            Rows::Json(decoders) => {
                let decoder = match decoders.entry(partition) {
                    Entry::Occupied(entry) => entry.into_mut(),
                    Entry::Vacant(entry) => match JsonDecoder::debezium(&self.table) {
                        Ok(mut decoder) => {
                            decoder.tolerate(&self.tolerance);
                            entry.insert(decoder)
                        }
                        Err(error) => return (Err(error.into()), Vec::new()),
                    },
                };
                let decoded = (decoder.decode(key, value), decoder.take_lost());
                self.lessons.extend(decoder.take_lessons(partition));
                decoded
            }
            Rows::Raw(_) => (Err(Error::decode("ENVELOPE DEBEZIUM needs FORMAT AVRO or JSON").into()), Vec::new()),
        }
    }

    /// The decoder of a record's schemas, and the bodies of its key and value.
    fn avro_decoder<'r>(
        &mut self,
        partition: i32,
        key: Option<&'r [u8]>,
        value: &'r [u8],
    ) -> Result<ForBodies<'_, 'r>> {
        let Rows::Avro { registry, decoders, histories } = &mut self.rows else {
            return Err(Error::decode("the source is not of FORMAT AVRO"));
        };
        let (value_id, value) = avro::confluent_header(value)?;
        let key = key.map(avro::confluent_header).transpose()?;
        let ids = (partition, key.map(|(id, _)| id), value_id);
        let decoder = match decoders.entry(ids) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                let key_schema = ids.1.map(|id| registry.by_id(id)).transpose()?;
                let value_schema = registry.by_id(value_id)?;
                let mut decoder = AvroDecoder::debezium(&self.table, key_schema.as_deref(), &value_schema)?;
                let own = self.table.columns.len() - self.include.len();
                let history = histories.entry(partition).or_insert_with(|| History::new(&self.table, own));
                decoder.follow(history);
                self.lessons.extend(history.take_news().into_iter().map(|names| Lesson::Shape(partition, names)));
                decoder.tolerate(&self.tolerance);
                entry.insert(decoder)
            }
        };
        Ok((decoder, key.map(|(_, body)| body), value))
    }

    /// Forgets which columns earlier records had.
    fn forget(&mut self) {
        self.lessons.push(Lesson::Forgotten);
        match &mut self.rows {
            Rows::Avro { decoders, histories, .. } => {
                decoders.clear();
                histories.clear();
            }
            Rows::Json(decoders) => decoders.clear(),
            Rows::Raw(_) => {}
        }
    }

    /// A change without an envelope.
    fn decode_op(&mut self, record: Record<'_>) -> Result<Decoded> {
        let Some(value) = record.value else {
            return if self.upsert { Ok(Decoded::Op(self.deletion(record)?)) } else { Ok(Decoded::Nothing) };
        };
        let row = match &mut self.rows {
            Rows::Avro { registry, decoders, .. } => {
                let (id, body) = avro::confluent_header(value)?;
                let decoder = match decoders.entry((0, None, id)) {
                    Entry::Occupied(entry) => entry.into_mut(),
                    Entry::Vacant(entry) => {
                        entry.insert(AvroDecoder::plain(&self.table, &self.include, &*registry.by_id(id)?)?)
                    }
                };
                decoder.decode_row(body, &record.meta)?
            }
            Rows::Json(decoders) => {
                let decoder = match decoders.entry(0) {
                    Entry::Occupied(entry) => entry.into_mut(),
                    Entry::Vacant(entry) => entry.insert(JsonDecoder::plain(&self.table, &self.include)?),
                };
                let row = decoder.decode_row(value, &record.meta);
                self.lessons.extend(decoder.take_lessons(0));
                row?
            }
            Rows::Raw(builder) => {
                if self.text {
                    let text = std::str::from_utf8(value).map_err(|_| Error::decode("the value is not UTF-8"))?;
                    if text.contains('\0') {
                        let text = "the value has the character NUL, which PostgreSQL's protocol cannot carry: use FORMAT BYTES";
                        return Err(Error::decode(text));
                    }
                }
                builder.set_tail(0, value);
                set_metadata(builder, 1, &self.include, &record.meta);
                builder.take()
            }
        };
        Ok(Decoded::Op(self.put(row)?))
    }

    fn put(&self, row: Row) -> Result<Op> {
        if !self.upsert {
            return Ok(Op::Insert(row));
        }
        self.shape.whole_row(row.as_ref())?;
        Ok(Op::Upsert(row))
    }

    /// The deletion that a record without a value means.
    fn deletion(&mut self, record: Record<'_>) -> Result<Op> {
        let key = record.key.ok_or_else(|| Error::decode("a record without key and value"))?;
        let columns = self.table.key.clone().unwrap_or_default();
        let row = match &mut self.rows {
            Rows::Avro { registry, .. } => {
                let (id, body) = avro::confluent_header(key)?;
                let schema = registry.by_id(id)?;
                avro::key_row(&self.table, &columns, &schema, body)?
            }
            Rows::Json(_) | Rows::Raw(_) => json::key_row(&self.table, &columns, key)?,
        };
        Ok(Op::Delete(row))
    }
}

/// Decodes the records of a transaction topic.
pub(crate) enum BoundaryDecoder {
    Avro(Box<Registry>),
    Json,
}

impl BoundaryDecoder {
    pub(crate) fn new(registry: Option<&RegistryConfig>) -> Result<Self> {
        Ok(match registry {
            Some(config) => BoundaryDecoder::Avro(Box::new(Registry::new(config)?)),
            None => BoundaryDecoder::Json,
        })
    }

    pub(crate) fn decode(&mut self, value: &[u8]) -> Result<Boundary> {
        match self {
            BoundaryDecoder::Json => json::boundary(value),
            BoundaryDecoder::Avro(registry) => {
                let (id, body) = avro::confluent_header(value)?;
                avro::boundary(&*registry.by_id(id)?, body)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tidewater_types::{Column, Type};

    use super::*;
    use crate::kafka::Cluster;

    fn config(envelope: Envelope, columns: &[&str], key: usize) -> SourceConfig {
        let columns: Vec<_> = columns.iter().map(|name| Column::new(*name, Type::Int8)).collect();
        SourceConfig {
            name: "s".into(),
            cluster: Cluster { brokers: "localhost:9092".into(), properties: Vec::new() },
            topic: "s".into(),
            format: Format::Json,
            envelope,
            declared: Some((columns, Some(vec![key]))),
            include: Vec::new(),
            on_error: OnError::DeadLetter,
        }
    }

    fn debezium(columns: &[&str], key: usize) -> Decoder {
        let config = config(Envelope::Debezium { transaction_topic: None, collection: None }, columns, key);
        let table = config.table_schema().expect("a table");
        Decoder::new(&config, &table).expect("a decoder")
    }

    const META: RecordMeta = RecordMeta { partition: 0, offset: 0, timestamp_ms: 0 };

    fn change(decoder: &mut Decoder, key: Option<&str>, after: &str, snapshot: &str) -> Result<Decoded, Undecodable> {
        let value = format!(
            r#"{{"before":null,"after":{after},"source":{{"snapshot":"{snapshot}","db":"shop","table":"t"}},"op":"c"}}"#
        );
        decoder.decode(Record { key: key.map(str::as_bytes), value: Some(value.as_bytes()), meta: META })
    }

    /// Issue 7, finding 11: a renamed column's rows are not NULL; a new snapshot has them all.
    #[test]
    fn finding_11_a_renaming_is_refused_until_a_snapshot_begins() {
        let mut decoder = debezium(&["id", "b"], 0);
        let mut decode = |after, snapshot| change(&mut decoder, Some(r#"{"id":1}"#), after, snapshot);
        assert!(decode(r#"{"id":1,"a":5}"#, "false").is_ok(), "nothing tells yet that b comes");
        for _ in 0..2 {
            let found = decode(r#"{"id":1,"b":5}"#, "false").expect_err("a renaming");
            assert!(found.to_string().contains("\"b\" came when \"a\" went"), "{found}");
            assert_eq!((found.snapshot, found.collection.as_deref()), (Some(Snapshot::No), Some("shop.t")));
        }
        for snapshot in ["first", "true", "last", "false"] {
            decode(r#"{"id":1,"b":5}"#, snapshot).expect(snapshot);
        }
        decode(r#"{"id":1,"a":5}"#, "false").expect_err("b is gone");
    }

    /// Issue 7, finding 11: where only states of the database are shown, a column that is gone costs its readers, not its source.
    #[test]
    fn finding_11_a_column_is_lost_and_the_rest_goes_on() {
        let envelope = Envelope::Debezium { transaction_topic: None, collection: None };
        let config = SourceConfig { on_error: OnError::Stall, ..config(envelope, &["id", "a", "b"], 0) };
        let table = config.table_schema().expect("a table");
        let mut decoder = Decoder::new(&config, &table).expect("a decoder");
        let mut decode = |after, snapshot| {
            let decoded = change(&mut decoder, Some(r#"{"id":1}"#), after, snapshot);
            let lost: Vec<_> = decoder.lost_columns().into_iter().map(|(column, _)| column).collect();
            match decoded {
                Ok(Decoded::Event(event)) => match &event.ops[..] {
                    [Op::Upsert(row)] => Ok(((0..3).map(|i| !row.as_ref().is_null(i)).collect::<Vec<_>>(), lost)),
                    other => panic!("{other:?}"),
                },
                other => Err(other.map(|_| ()).expect_err("no event").to_string()),
            }
        };
        assert_eq!(decode(r#"{"id":1,"a":5,"b":6}"#, "first"), Ok((vec![true, true, true], vec![])));
        assert_eq!(decode(r#"{"id":1,"b":6}"#, "false"), Ok((vec![true, false, true], vec![1])), "a is gone");
        assert_eq!(decode(r#"{"id":1,"b":7}"#, "false"), Ok((vec![true, false, true], vec![])), "told once");
        assert_eq!(decode(r#"{"id":1,"b":"text"}"#, "false"), Ok((vec![true, false, false], vec![2])), "b is retyped");
        assert!(decode(r#"{"id":"text","b":7}"#, "false").expect_err("the key").contains("column \"id\""));
        assert_eq!(
            decode(r#"{"id":1,"b":7}"#, "first"),
            Ok((vec![true, false, true], vec![])),
            "a new snapshot lacks it, too"
        );
    }

    /// Partitions are not read in step: one may show a column that came later before another shows rows of before.
    #[test]
    fn finding_6_each_partition_has_its_own_history() {
        let mut decoder = debezium(&["id", "n"], 0);
        let mut decode = |partition, after: &str| {
            let value = format!(r#"{{"before":null,"after":{after},"source":{{"snapshot":"false"}},"op":"c"}}"#);
            let meta = RecordMeta { partition, ..META };
            decoder.decode(Record { key: Some(br#"{"id":1}"#), value: Some(value.as_bytes()), meta }).map(drop)
        };
        assert_eq!(decode(0, r#"{"id":1,"n":2}"#), Ok(()));
        assert_eq!(decode(1, r#"{"id":1}"#), Ok(()), "before n came");
        assert_eq!(decode(1, r#"{"id":1,"n":2}"#), Ok(()));
        assert!(decode(0, r#"{"id":1}"#).is_err(), "n is gone");
    }

    /// Issue 7, finding 12: MySQL's table has no key, so rows of one key are several.
    #[test]
    fn finding_12_a_record_without_a_key_does_not_merge() {
        let mut decoder = debezium(&["id", "b"], 0);
        let found = change(&mut decoder, None, r#"{"id":1,"b":5}"#, "false").expect_err("no key");
        assert!(found.to_string().contains("(id)"), "{found}");
        assert_eq!(found.collection.as_deref(), Some("shop.t"));
        let truncate = br#"{"source":{"snapshot":"false"},"op":"t"}"#;
        let decoded = decoder.decode(Record { key: None, value: Some(truncate), meta: META });
        assert!(matches!(decoded, Ok(Decoded::Event(_))), "TRUNCATE has none anyway");
    }

    #[test]
    fn a_tombstone_is_a_deletion_only_where_its_deletion_is_gone() {
        let mut decoder = debezium(&["id", "b"], 0);
        let (one, two) = (r#"{"id":1}"#, r#"{"id":2}"#);
        let deletion = r#"{"before":{"id":1,"b":5},"after":null,"source":{"snapshot":"false"},"op":"d"}"#;
        let mut decode = |key: Option<&str>, value: Option<&str>| {
            let record = Record { key: key.map(str::as_bytes), value: value.map(str::as_bytes), meta: META };
            decoder.decode(record).expect("a meaning")
        };
        let deleted = |found: Decoded| match found {
            Decoded::Tombstone(Op::Delete(row)) => Some(row.as_ref().slot(0)),
            Decoded::Nothing => None,
            other => panic!("{other:?}"),
        };
        assert_eq!(deleted(decode(Some(one), None)), Some(1), "nothing came before it");
        assert!(matches!(decode(Some(one), Some(deletion)), Decoded::Event(_)));
        assert_eq!(deleted(decode(Some(one), None)), None, "its deletion came");
        assert_eq!(deleted(decode(Some(two), None)), Some(2), "another row's");
        let creation = r#"{"before":null,"after":{"id":1,"b":5},"source":{"snapshot":"false"},"op":"c"}"#;
        assert!(matches!(decode(Some(one), Some(creation)), Decoded::Event(_)));
        assert_eq!(deleted(decode(Some(one), None)), Some(1), "its second deletion did not come");
        assert_eq!(deleted(decode(None, None)), None);
        assert_eq!(deleted(decode(Some("x"), None)), None, "a key that nobody can read");
    }

    #[test]
    fn upserts_are_by_the_key_and_need_all_of_it() {
        let config = config(Envelope::Upsert, &["note", "id"], 1);
        let table = config.table_schema().expect("a table");
        let mut decoder = Decoder::new(&config, &table).expect("a decoder");
        let mut decode = |key: &'static str, value: Option<&'static str>| {
            let record = Record { key: Some(key.as_bytes()), value: value.map(str::as_bytes), meta: META };
            decoder.decode(record).map_err(|error| error.to_string())
        };
        let put = decode("1", Some(r#"{"id":1,"note":2}"#));
        assert!(matches!(put, Ok(Decoded::Op(Op::Upsert(_)))));
        let lost = decode("1", Some(r#"{"note":2}"#)).expect_err("no key");
        assert!(lost.contains("column \"id\""), "{lost}");
        for key in ["7", r#"{"id":7}"#, r#"{"schema":{"type":"struct","fields":[]},"payload":{"id":7}}"#] {
            let Ok(Decoded::Op(Op::Delete(row))) = decode(key, None) else { panic!("{key}") };
            assert_eq!((row.as_ref().columns(), row.as_ref().slot(0)), (1, 7), "{key}");
        }
        for key in ["null", "{}", "[1]", "{\"id\":null}", "x"] {
            decode(key, None).expect_err(key);
        }
    }
}

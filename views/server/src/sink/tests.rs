//! Records and what they are put together to: the topic folded is the view, after any cut, and each format says what the row is.

use std::collections::BTreeMap;

use proptest::prelude::*;
use tidewater_delta::{Row, Weight};
use tidewater_query::run::pack_row;
use tidewater_sql::Changed;
use tidewater_sql::parse::ast::SinkEnvelope;
use tidewater_types::{Column, ColumnType, Datum, Settings, Type, input};

use super::encode::{Encoder, schemas};
use super::fold::Folded;
use super::records::{Counts, Difference, Record, of_changes};

/// Registered ids of the schemas of keys and rows.
const IDS: (u32, u32) = (7, 1_000_000);

fn columns() -> Vec<Column> {
    vec![Column::new("id", Type::Int8).not_null(), Column::new("v \"1\"", Type::Text)]
}

fn row(id: i64, v: Option<u8>) -> Row {
    let types: Vec<ColumnType> = columns().into_iter().map(|column| column.ty).collect();
    let text = v.map(|v| format!("v{v}é"));
    pack_row(&types, &[Datum::Int(id), text.as_deref().map_or(Datum::Null, Datum::from)])
}

fn encoder(avro: bool, envelope: SinkEnvelope) -> Encoder {
    Encoder::with_ids(avro.then_some(IDS), envelope, &columns(), &[0]).expect("an encoder")
}

/// A topic of Kafka: what is committed, key and value.
#[derive(Default)]
struct Topic(Vec<Record>);

impl Topic {
    fn folded(&self, encoder: &Encoder) -> Folded {
        let mut folded = Folded::default();
        self.0.iter().for_each(|(key, value)| folded.take(key, encoder.after(value.as_deref())));
        folded
    }

    /// The rows' bytes by key, as a reader puts them together.
    fn rows(&self, encoder: &Encoder) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let mut rows = BTreeMap::new();
        for (key, value) in &self.0 {
            match encoder.after(value.as_deref()) {
                Some(row) => drop(rows.insert(key.clone(), row.to_vec())),
                None => drop(rows.remove(key)),
            }
        }
        rows
    }
}

type View = BTreeMap<i64, Option<u8>>;

/// What the view's rows are as a topic.
fn expected(view: &View, encoder: &Encoder) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let bytes = |(id, v): (&i64, &Option<u8>)| {
        let row = row(*id, *v);
        (encoder.key(row.as_ref()).expect("a key"), encoder.row(row.as_ref()).expect("a row"))
    };
    view.iter().map(bytes).collect()
}

/// Begins again: compares the topic with the view.
fn recover(topic: &mut Topic, view: &View, encoder: &Encoder) -> usize {
    let folded = topic.folded(encoder);
    let rows: Vec<Row> = view.iter().map(|(id, v)| row(*id, *v)).collect();
    let all = || rows.iter().map(|row| (row.as_ref(), 1));
    let difference = Difference::new(encoder, &folded, all()).expect("a difference");
    let there = topic.rows(encoder).into_iter().collect();
    let mut counts = Counts::new(true);
    let of_row = |(row, weight)| difference.of_row(row, weight, &mut counts, &there).expect("a record");
    let mut records: Vec<Record> = all().filter_map(of_row).collect();
    records.extend(difference.of_gone(&there));
    let count = records.len();
    topic.0.extend(records);
    count
}

/// The changes of a commit: a key and what its row is from now on, if it has any.
type Commit = Vec<(i64, Option<Option<u8>>)>;

fn apply(view: &mut View, commit: &Commit) -> Changed {
    let mut rows: Vec<(Row, Weight)> = Vec::new();
    let last: BTreeMap<i64, Option<Option<u8>>> = commit.iter().copied().collect();
    for (id, v) in last {
        let before = match v {
            Some(v) => view.insert(id, v),
            None => view.remove(&id),
        };
        if before != v {
            rows.extend(before.map(|before| (row(id, before), -1)));
            rows.extend(v.map(|v| (row(id, v), 1)));
        }
    }
    Changed { moment: 1, rows, positions: Default::default() }
}

/// Every record begins with what its key has, and changes it.
fn is_chain(topic: &Topic, encoder: &Encoder) {
    let mut rows: BTreeMap<&[u8], Vec<u8>> = BTreeMap::new();
    for (key, value) in &topic.0 {
        let after = encoder.after(value.as_deref());
        let before = rows.get(key.as_slice()).map(Vec::as_slice);
        assert_ne!(before, after, "a record that changes nothing");
        assert_eq!(*value, encoder.value(before, after), "a record begins with what is there");
        match after {
            Some(after) => drop(rows.insert(key, after.to_vec())),
            None => drop(rows.remove(key.as_slice())),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Commits reach the topic in any groups; now and then the writer dies and misses some, which are in the view when it begins
    /// again. After every transaction the topic folded is the view, and no record says what is there already.
    #[test]
    fn the_topic_folded_is_the_view(
        commits in prop::collection::vec(
            (prop::collection::vec((0_i64..6, prop::option::of(prop::option::of(0_u8..3))), 0..5), 0_u8..4),
            0..30,
        ),
        avro: bool,
        debezium: bool,
    ) {
        let encoder = encoder(avro, if debezium { SinkEnvelope::Debezium } else { SinkEnvelope::Upsert });
        let (mut topic, mut view, mut counts) = (Topic::default(), View::new(), Counts::new(false));
        let mut missed = false;
        for (commit, fate) in &commits {
            let changed = apply(&mut view, commit);
            // Counted whether it is written or not, as a writer that begins again counts the rows that are there.
            let records = of_changes(&encoder, &mut counts, &changed).expect("records");
            match fate {
                // The transaction was not committed, or the server was down.
                0 => missed = true,
                _ if missed => {
                    recover(&mut topic, &view, &encoder);
                    missed = false;
                }
                _ => topic.0.extend(records),
            }
            if !missed {
                prop_assert_eq!(topic.rows(&encoder), expected(&view, &encoder));
            }
        }
        recover(&mut topic, &view, &encoder);
        prop_assert_eq!(topic.rows(&encoder), expected(&view, &encoder));
        prop_assert_eq!(recover(&mut topic, &view, &encoder), 0, "nothing is written twice");
        is_chain(&topic, &encoder);
    }
}

#[test]
fn a_second_row_of_a_key_is_told_where_the_key_is_only_promised() {
    let encoder = encoder(false, SinkEnvelope::Upsert);
    let mut counts = Counts::new(false);
    let mut change = |rows: Vec<(Row, Weight)>| {
        of_changes(&encoder, &mut counts, &Changed { moment: 1, rows, positions: Default::default() })
    };
    change(vec![(row(1, Some(1)), 1)]).expect("one row");
    change(vec![(row(1, Some(1)), -1), (row(1, Some(2)), 1)]).expect("another in its place");
    let error = change(vec![(row(1, Some(3)), 1)]).expect_err("two rows");
    assert_eq!((&error.sqlstate, error.message.contains("{\"id\":1}")), (b"23505", true), "{error}");
}

#[test]
fn what_another_writer_has_written_is_no_row() {
    for debezium in [SinkEnvelope::Upsert, SinkEnvelope::Debezium] {
        let avro = encoder(true, debezium);
        let foreign = [b"no Avro".as_slice(), &[0, 0, 0, 0, 9, 2, 2]];
        foreign.into_iter().for_each(|value| assert_eq!(avro.after(Some(value)), Some(value)));
        let cut = avro.value(None, Some(&avro.row(row(1, Some(2)).as_ref()).expect("a row"))).expect("a value");
        let cut = &cut[..6];
        assert!(avro.after(Some(cut)).is_none_or(|row| row.len() < 3 || row == cut));
    }
    let json = encoder(false, SinkEnvelope::Debezium);
    assert_eq!(json.after(Some(b"{\"before\":1,\"after\":null}")), None);
    for foreign in [b"[1,2]".as_slice(), b"{\"id\":1}", b"{\"before\":1,\"after\":2,\"op\":\"u\"}"] {
        assert_eq!(json.after(Some(foreign)), Some(foreign));
    }
    assert_eq!(json.after(None), None);
}

/// A value of each type, its JSON, its Avro.
const VALUES: &[(&str, &str, &str, &str)] = &[
    ("boolean", "t", "true", "Boolean(true)"),
    ("smallint", "-3", "-3", "Int(-3)"),
    ("integer", "70000", "70000", "Int(70000)"),
    ("bigint", "-9223372036854775808", "-9223372036854775808", "Long(-9223372036854775808)"),
    ("uint8", "18446744073709551615", "18446744073709551615", "String(\"18446744073709551615\")"),
    ("real", "1.5", "1.5", "Float(1.5)"),
    ("double precision", "-0.1", "-0.1", "Double(-0.1)"),
    ("double precision", "NaN", "\"NaN\"", "Double(NaN)"),
    ("numeric", "1.10", "\"1.10\"", "String(\"1.10\")"),
    ("numeric(10,2)", "-1234.50", "\"-1234.50\"", "-123450"),
    ("numeric(38,0)", "1", "\"1\"", "1"),
    ("numeric(10,2)", "1.28", "\"1.28\"", "128"),
    ("text", "a\"é\n", "\"a\\\"é\\n\"", "String(\"a\\\"é\\n\")"),
    ("varchar(5)", "abc", "\"abc\"", "String(\"abc\")"),
    ("character(3)", "a", "\"a  \"", "String(\"a  \")"),
    ("bytea", "\\x00ff", "\"\\\\x00ff\"", "Bytes([0, 255])"),
    ("date", "2024-02-29", "\"2024-02-29\"", "Date(19782)"),
    ("time", "01:02:03.5", "\"01:02:03.5\"", "TimeMicros(3723500000)"),
    ("timestamp", "2024-02-29 01:02:03.5", "\"2024-02-29T01:02:03.5\"", "LocalTimestampMicros(1709168523500000)"),
    ("timestamptz", "2024-02-29 01:02:03+00", "\"2024-02-29T01:02:03+00:00\"", "TimestampMicros(1709168523000000)"),
    ("interval", "1 mon 2 days", "\"1 mon 2 days\"", "String(\"1 mon 2 days\")"),
    (
        "uuid",
        "3e11fa47-71ca-11e1-9e33-c80aa9429562",
        "\"3e11fa47-71ca-11e1-9e33-c80aa9429562\"",
        "Uuid(3e11fa47-71ca-11e1-9e33-c80aa9429562)",
    ),
    (
        "jsonb",
        "{\"b\":1,\"a\":[1.50,null]}",
        "{\"a\": [1.50, null], \"b\": 1}",
        "String(\"{\\\"a\\\": [1.50, null], \\\"b\\\": 1}\")",
    ),
    ("integer[]", "{1,NULL,3}", "[1,null,3]", "String(\"{1,NULL,3}\")"),
    ("int4range", "[1,5)", "\"[1,5)\"", "String(\"[1,5)\")"),
];

fn declared(ty: &str) -> ColumnType {
    let text = format!("CREATE TABLE t (v {ty})");
    match tidewater_sql::parse(&text).expect("a statement").remove(0).statement {
        tidewater_sql::Statement::CreateTable(table) => {
            tidewater_sql::declared_columns(&table.columns).expect("a column").remove(0).ty
        }
        other => panic!("{other:?}"),
    }
}

fn with_value(ty: &str, text: &str, nullable: bool, avro: bool) -> (Encoder, Row, Vec<Column>) {
    let ty = declared(ty);
    let mut column = Column::new("v", ty.clone());
    column.not_null = !nullable;
    let columns = vec![Column::new("id", Type::Int8).not_null(), column];
    let encoder = Encoder::with_ids(avro.then_some(IDS), SinkEnvelope::Upsert, &columns, &[0]).expect("an encoder");
    let scratch = tidewater_types::Scratch::new();
    let value = input(text, &ty, &Settings::default(), &scratch).expect("a value");
    let types: Vec<ColumnType> = columns.iter().map(|column| column.ty.clone()).collect();
    let row = pack_row(&types, &[Datum::Int(1), value]);
    (encoder, row, columns)
}

#[test]
fn every_type_as_json() {
    for (ty, text, json, _) in VALUES {
        let (encoder, row, _) = with_value(ty, text, true, false);
        let bytes = encoder.row(row.as_ref()).expect("a row");
        assert_eq!(String::from_utf8_lossy(&bytes), format!("{{\"id\":1,\"v\":{json}}}"), "{ty}");
        serde_json::from_slice::<serde_json::Value>(&bytes).unwrap_or_else(|error| panic!("{ty}: {error}"));
        assert_eq!(encoder.key(row.as_ref()).expect("a key"), b"{\"id\":1}");
    }
}

fn read_avro(schema: &apache_avro::Schema, bytes: &mut &[u8]) -> apache_avro::types::Value {
    let reader = apache_avro::reader::datum::GenericDatumReader::builder(schema).build().expect("a reader");
    reader.read_value(bytes).unwrap_or_else(|error| panic!("{schema:?}: {error}"))
}

/// Avro's own implementation reads what is written, by the schema that is registered.
#[test]
fn every_type_as_avro() {
    use apache_avro::types::Value;
    for (ty, text, _, avro) in VALUES {
        for nullable in [true, false] {
            let (encoder, row, columns) = with_value(ty, text, nullable, true);
            let (key, schema) = schemas(SinkEnvelope::Upsert, &columns, &[0]).expect("schemas");
            let value = encoder.value(None, Some(&encoder.row(row.as_ref()).expect("a row"))).expect("a value");
            assert_eq!(value[..5], [0, 0, 15, 66, 64], "{ty}: the schema's id");
            let schema = apache_avro::Schema::parse_str(&schema).unwrap_or_else(|error| panic!("{ty}: {error}"));
            let mut rest = &value[5..];
            let read = read_avro(&schema, &mut rest);
            assert!(rest.is_empty(), "{ty}: bytes are left");
            let Value::Record(fields) = read else { panic!("{read:?}") };
            let found = match &fields[1].1 {
                Value::Union(1, value) if nullable => (**value).clone(),
                value => value.clone(),
            };
            let found = match &found {
                Value::Decimal(decimal) => {
                    let unscaled: Vec<u8> = decimal.try_into().expect("bytes");
                    let negative = unscaled.first().is_some_and(|byte| *byte >= 0x80);
                    let start = if negative { -1 } else { 0 };
                    unscaled.iter().fold(start, |number: i128, byte| (number << 8) | i128::from(*byte)).to_string()
                }
                found => format!("{found:?}"),
            };
            assert_eq!(&found, avro, "{ty}, nullable: {nullable}");
            let key = apache_avro::Schema::parse_str(&key).expect("a schema");
            let bytes = encoder.key(row.as_ref()).expect("a key");
            let read = read_avro(&key, &mut &bytes[5..]);
            assert_eq!(read, Value::Record(vec![("id".into(), Value::Long(1))]));
        }
    }
}

#[test]
fn debezium_as_avro() {
    use apache_avro::types::Value;
    let encoder = encoder(true, SinkEnvelope::Debezium);
    let (_, schema) = schemas(SinkEnvelope::Debezium, &columns(), &[0]).expect("schemas");
    let schema = apache_avro::Schema::parse_str(&schema).expect("a schema");
    let bytes = |v| encoder.row(row(1, v).as_ref()).expect("a row");
    let (old, new) = (bytes(None), bytes(Some(4)));
    for (before, after) in [(None, Some(&new)), (Some(&old), Some(&new)), (Some(&new), None)] {
        let value = encoder.value(before.map(|b| &b[..]), after.map(|a| &a[..])).expect("a value");
        assert_eq!(encoder.after(Some(&value)), after.map(|after| &after[..]));
        let mut rest = &value[5..];
        let read = read_avro(&schema, &mut rest);
        assert!(rest.is_empty());
        let Value::Record(sides) = read else { panic!("{read:?}") };
        let there = sides.iter().map(|(_, side)| matches!(side, Value::Union(1, _))).collect::<Vec<_>>();
        assert_eq!(there, [before.is_some(), after.is_some()]);
    }
}

#[test]
fn what_avro_cannot_hold_is_an_error_that_names_the_column() {
    for (ty, text) in [("date", "infinity"), ("timestamptz", "-infinity"), ("numeric(5,2)", "NaN")] {
        let (encoder, row, _) = with_value(ty, text, true, true);
        let error = encoder.row(row.as_ref()).expect_err(ty);
        assert_eq!((&error.sqlstate, error.message.contains("column \"v\"")), (b"22003", true), "{error}");
    }
    let clash = [Column::new("a b", Type::Int8).not_null(), Column::new("a_b", Type::Int8)];
    let error = Encoder::with_ids(Some(IDS), SinkEnvelope::Upsert, &clash, &[0]).err().expect("two equal names");
    assert_eq!(&error.sqlstate, b"42701");
}

//! Recorded Debezium records: every variant decodes to the same rows, and to what apache-avro and serde_json read.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use apache_avro::types::Value as AvroValue;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use serde::Deserialize;
use tidewater_delta::{Op, RowRef};
use tidewater_ingest::avro::{self, AvroDecoder};
use tidewater_ingest::defaults;
use tidewater_ingest::event::{Boundary, Event, Snapshot};
use tidewater_ingest::json::{self, JsonDecoder};
use tidewater_ingest::schema::Node;
use tidewater_types::{Column, ColumnType, Datum, Numeric, TableSchema, Type};

const TABLES: [&str; 9] =
    ["addresses", "audit_log", "coupons", "odd-name", "order_items", "orders", "stock", "types", "users"];

#[derive(Deserialize)]
struct Line {
    offset: i64,
    key: Option<String>,
    value: Option<String>,
}

struct Record {
    offset: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
}

fn path(case: &str, file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata").join(case).join(file)
}

fn read(case: &str, file: &str) -> String {
    std::fs::read_to_string(path(case, file)).unwrap_or_else(|error| panic!("{case}/{file}: {error}"))
}

fn records(case: &str, topic: &str) -> Vec<Record> {
    let bytes = |text: Option<String>| text.map(|text| STANDARD.decode(text).expect("base64"));
    let parse = |line: &str| {
        let line: Line = serde_json::from_str(line).expect("a line of JSON");
        Record { offset: line.offset, key: bytes(line.key), value: bytes(line.value) }
    };
    read(case, &format!("mysql.{topic}.jsonl")).lines().map(parse).collect()
}

struct Registry {
    texts: HashMap<String, String>,
}

impl Registry {
    fn of(case: &str) -> Self {
        Registry { texts: serde_json::from_str(&read(case, "schemas.json")).expect("schemas") }
    }

    fn node(&self, id: u32) -> Node {
        Node::parse(&self.texts[&id.to_string()]).expect("a schema")
    }
}

fn avro_table(case: &str, table: &str) -> TableSchema {
    let registry = Registry::of(case);
    let records = records(case, &format!("shop.{table}"));
    let last = records.iter().rev().find(|record| record.value.is_some()).expect("a record");
    let id = |bytes: &Vec<u8>| avro::confluent_header(bytes).expect("a header").0;
    let key = last.key.as_ref().map(|key| registry.node(id(key)));
    let value = registry.node(last.value.as_ref().map(id).expect("a value"));
    avro::debezium_table(key.as_ref(), &value).expect("a table")
}

fn avro_events(case: &str, table: &str, schema: &TableSchema) -> Vec<Event> {
    let registry = Registry::of(case);
    let mut decoders: HashMap<_, AvroDecoder> = HashMap::new();
    let mut events = Vec::new();
    for record in records(case, &format!("shop.{table}")) {
        let Some(value) = &record.value else { continue };
        let (id, body) = avro::confluent_header(value).expect("a header");
        let key = record.key.as_deref().map(|key| avro::confluent_header(key).expect("a header"));
        let decoder = decoders.entry((key.map(|key| key.0), id)).or_insert_with(|| {
            let key = key.map(|(id, _)| registry.node(id));
            AvroDecoder::debezium(schema, key.as_ref(), &registry.node(id)).expect("a decoder")
        });
        let event = decoder.decode(key.map(|key| key.1), body);
        events.push(event.unwrap_or_else(|error| panic!("{case}/{table}@{}: {error}", record.offset)));
    }
    events
}

fn json_events(case: &str, table: &str, schema: &TableSchema) -> Vec<Event> {
    let mut decoder = JsonDecoder::debezium(schema).expect("a decoder");
    let mut events = Vec::new();
    for record in records(case, &format!("shop.{table}")) {
        let Some(value) = &record.value else { continue };
        let event = decoder.decode(record.key.as_deref(), value);
        events.push(event.unwrap_or_else(|error| panic!("{case}/{table}@{}: {error}", record.offset)));
    }
    events
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A decimal as digits without trailing zeros.
fn decimal(digits: i128, scale: u16) -> String {
    let (mut digits, mut scale) = (digits, scale);
    while scale > 0 && digits % 10 == 0 {
        digits /= 10;
        scale -= 1;
    }
    format!("{digits}e-{scale}")
}

/// A value in one form whatever the units and widths of its type.
fn show(datum: Datum<'_>) -> String {
    match datum {
        Datum::Null => "NULL".into(),
        Datum::Bool(value) => value.to_string(),
        Datum::Int(value) => value.to_string(),
        Datum::Float(value) => format!("{value:.5e}"),
        Datum::Numeric(Numeric::Small(digits, scale)) => decimal(digits, scale),
        Datum::Interval(value) => value.micros.to_string(),
        Datum::Text(value) => String::from_utf8(value.to_vec()).expect("UTF-8"),
        Datum::Bytes(value) => hex(value),
        Datum::Array(items) => items.iter().map(show).collect::<Vec<_>>().join(","),
        other => panic!("{other:?}"),
    }
}

fn shown(row: RowRef<'_>, table: &TableSchema, columns: &[usize]) -> Vec<(String, String)> {
    let column = |(place, &column): (usize, &usize)| {
        (table.columns[column].name.clone(), show(table.packings[column].get(row, place)))
    };
    columns.iter().enumerate().map(column).collect()
}

/// An event as text: its operation, and what it does to which rows.
fn describe(event: &Event, table: &TableSchema) -> Vec<(&'static str, Vec<(String, String)>)> {
    let all: Vec<_> = (0..table.columns.len()).collect();
    let key = table.key.clone().unwrap_or_default();
    let op = |op: &Op| match op {
        Op::Upsert(row) => ("upsert", shown(row.as_ref(), table, &all)),
        Op::Insert(row) => ("insert", shown(row.as_ref(), table, &all)),
        Op::Remove(row) => ("remove", shown(row.as_ref(), table, &all)),
        Op::Delete(row) => ("delete", shown(row.as_ref(), table, &key)),
        Op::Truncate => ("truncate", Vec::new()),
    };
    event.ops.iter().map(op).collect()
}

/// What a variant cannot tell, and so is not compared.
fn blind(case: &str, column: &str) -> bool {
    // The clock of each recording.
    if ["updated_at", "c_defts"].contains(&column) {
        return true;
    }
    match case {
        // Without a schema hex digits look like base64.
        "json-variant-strings" => {
            let bytes = ["c_bit8", "c_bit64", "c_binary", "c_varbinary", "c_blob"];
            // ISO times of day know neither sign nor more than a day.
            bytes.contains(&column) || column.starts_with("c_time")
        }
        // Without a schema nothing tells that a later DDL changed the scale of orders.total.
        "json" => column == "total",
        // Doubles do not hold 20 digits; Connect's times know milliseconds, and times of day less than a day.
        "json-variant-connect" => {
            // binary.handling.mode=base64 makes text of bytes.
            let inexact = ["c_dec", "c_dec0", "c_dt6", "c_ts6", "c_bigu", "c_binary", "c_varbinary", "c_blob"];
            inexact.contains(&column) || column.starts_with("c_time")
        }
        _ => false,
    }
}

fn comparable(case: &str, event: &Event, table: &TableSchema) -> Vec<(&'static str, Vec<(String, String)>)> {
    let mut described = describe(event, table);
    for (_, columns) in &mut described {
        columns.retain(|(column, _)| !blind(case, column));
    }
    described
}

#[test]
fn every_variant_decodes_to_the_same_rows() {
    for name in TABLES {
        let table = avro_table("avro", name);
        let expected = avro_events("avro", name, &table);
        assert!(!expected.is_empty());
        for case in ["avro-variant-precise", "json", "json-schemas", "json-variant-strings", "json-variant-connect"] {
            // Only the Avro cases change the names that Avro forbids.
            if name == "odd-name" && case.starts_with("json") {
                continue;
            }
            let (own, events) = match case {
                "avro-variant-precise" => {
                    let own = avro_table(case, name);
                    let events = avro_events(case, name, &own);
                    (own, events)
                }
                "json-schemas" | "json-variant-connect" => {
                    let last = records(case, &format!("shop.{name}")).into_iter().rev().find(|r| r.value.is_some());
                    let last = last.expect("a record");
                    let value = last.value.expect("a value");
                    let own = json::debezium_table(&value, last.key.as_deref()).expect("JSON").expect("a schema");
                    let events = json_events(case, name, &own);
                    (own, events)
                }
                _ => {
                    let own = declared(case, name);
                    let events = json_events(case, name, &own);
                    (own, events)
                }
            };
            assert_eq!(own.key, table.key, "{case}/{name}");
            assert_eq!(events.len(), expected.len(), "{case}/{name}");
            for (number, (event, expected)) in events.iter().zip(&expected).enumerate() {
                let mut wanted = comparable(case, expected, &table);
                let mut found = comparable(case, event, &own);
                unsigned(&mut wanted);
                unsigned(&mut found);
                if case == "json-variant-connect" {
                    doubles(&mut wanted);
                    doubles(&mut found);
                }
                assert_eq!(found.len(), wanted.len());
                for (found, wanted) in found.iter().zip(&wanted) {
                    let different = found.1.iter().zip(&wanted.1).find(|(found, wanted)| found != wanted);
                    assert_eq!(different, None, "{case}/{name} event {number}");
                    assert_eq!(found, wanted, "{case}/{name} event {number}");
                }
                assert_eq!((event.operation, event.origin.snapshot), (expected.operation, expected.origin.snapshot));
                assert_eq!(&*event.origin.collection, format!("shop.{name}"), "{case}/{name} event {number}");
                assert_eq!(event.origin.collection, expected.origin.collection);
                let order =
                    |event: &Event| event.origin.transaction.as_ref().map(|t| (t.total_order, t.data_collection_order));
                assert_eq!(order(event), order(expected), "{case}/{name} event {number}");
            }
        }
    }
}

/// Decimals as doubles, which decimal.handling.mode=double makes of them.
fn doubles(events: &mut [(&'static str, Vec<(String, String)>)]) {
    for (_, value) in events.iter_mut().flat_map(|(_, columns)| columns) {
        if let Some((digits, scale)) = value.split_once("e-")
            && let (Ok(digits), Ok(scale)) = (digits.parse::<f64>(), scale.parse::<i32>())
            && !digits.to_string().contains('.')
        {
            *value = format!("{:.5e}", digits / 10_f64.powi(scale));
        }
    }
}

/// BIGINT UNSIGNED as a long has lost its sign bit's meaning; the precise mode keeps it.
fn unsigned(events: &mut [(&'static str, Vec<(String, String)>)]) {
    for (_, columns) in events {
        for (name, value) in columns {
            if name == "c_bigu" && value != "NULL" {
                let digits = value.strip_suffix("e-0").unwrap_or(value);
                *value = digits.parse::<i64>().map_or(digits.to_owned(), |number| (number as u64).to_string());
            }
        }
    }
}

#[test]
fn a_declared_unsigned_bigint_stays_positive() {
    let unsigned = |table: TableSchema| {
        let mut columns = table.columns.to_vec();
        for column in columns.iter_mut().filter(|column| column.name == "c_bigu") {
            *column = Column::new("c_bigu", ty("numeric(20,0)"));
        }
        TableSchema::new(columns, Some(vec![0])).expect("a table")
    };
    let largest = |events: Vec<Event>, table: &TableSchema| {
        let values = events.iter().flat_map(|event| describe(event, table)).flat_map(|(_, columns)| columns);
        values.filter(|(name, _)| name == "c_bigu").any(|(_, value)| value == "18446744073709551615e-0")
    };
    let table = unsigned(avro_table("avro", "types"));
    assert!(largest(avro_events("avro", "types", &table), &table));
    let table = unsigned(declared("json", "types"));
    assert!(largest(json_events("json", "types", &table), &table));
}

#[test]
fn mariadb_decodes_too() {
    for name in TABLES {
        let events = json_events("mariadb-json", name, &declared("json", name));
        assert!(!events.is_empty(), "{name}");
    }
}

/// Rows 1 to 5 of `types` were in the snapshot; rows 6 to 10 hold the same values and were streamed.
#[test]
fn snapshot_and_stream_agree() {
    for case in ["avro", "avro-variant-precise"] {
        let table = avro_table(case, "types");
        let mut rows: BTreeMap<i64, Vec<(String, String)>> = BTreeMap::new();
        for event in avro_events(case, "types", &table) {
            let streamed = event.origin.snapshot == Snapshot::No;
            for (op, columns) in describe(&event, &table) {
                let id: i64 = columns[0].1.parse().expect("an id");
                if op == "upsert" && (streamed == (id > 5)) && id <= 10 {
                    rows.entry(id).or_insert(columns);
                }
            }
        }
        assert_eq!(rows.len(), 10, "{case}");
        for id in 1..=5 {
            for (snapshot, stream) in rows[&id].iter().zip(&rows[&(id + 5)]).skip(1) {
                // Debezium's snapshot turns YEAR 0 into 2000, which is a year of its own: nothing can tell them apart.
                if snapshot.0 == "c_year" && stream.1 == "0" {
                    continue;
                }
                // CURRENT_TIMESTAMP by default: two moments.
                if snapshot.0 != "c_defts" {
                    assert_eq!(snapshot, stream, "{case} rows {id} and {}", id + 5);
                }
            }
        }
    }
}

/// What apache-avro read, in the form of [`show`].
fn oracle(value: &AvroValue, of: &Type, writer: &serde_json::Value) -> String {
    use AvroValue as A;
    let millis = writer["connect.name"] == "io.debezium.time.Timestamp";
    let number = |value: i64| if millis { (value * 1_000).to_string() } else { value.to_string() };
    match value {
        A::Union(_, value) => oracle(value, of, writer),
        A::Null => "NULL".into(),
        A::Boolean(value) => value.to_string(),
        A::Int(value) => number(i64::from(*value)),
        A::Long(value) => number(*value),
        A::Float(value) => format!("{value:.5e}"),
        A::Double(value) => format!("{value:.5e}"),
        A::String(text) if matches!(of, Type::Timestamp | Type::TimestampTz) => {
            chrono::DateTime::parse_from_rfc3339(text).expect("a time").timestamp_micros().to_string()
        }
        A::String(text) => text.clone(),
        A::Bytes(bytes) => hex(bytes),
        A::Decimal(value) => {
            let bytes: Vec<u8> = value.try_into().expect("bytes");
            let start = if bytes.first().is_some_and(|byte| byte & 0x80 != 0) { -1_i128 } else { 0 };
            decimal(
                bytes.iter().fold(start, |value, byte| value << 8 | i128::from(*byte)),
                writer["scale"].as_u64().unwrap_or(0) as u16,
            )
        }
        A::Array(items) => items.iter().map(|item| oracle(item, &Type::Float4, writer)).collect::<Vec<_>>().join(","),
        A::Record(fields) => {
            let wkb = fields.iter().find(|(name, _)| name == "wkb").expect("geometry");
            oracle(&wkb.1, of, writer)
        }
        other => panic!("{other:?}"),
    }
}

/// The type of a column in a writer's schema, without null.
fn writer_type(text: &str, column: &str) -> serde_json::Value {
    let json: serde_json::Value = serde_json::from_str(text).expect("JSON");
    let fields =
        json.pointer("/fields/0/type/1/fields").and_then(|fields| fields.as_array()).expect("the row's fields");
    let field = fields.iter().find(|field| field["name"] == column).expect("the column");
    let types = field["type"].as_array().cloned().unwrap_or_else(|| vec![field["type"].clone()]);
    types.into_iter().find(|found| found != "null").expect("a type")
}

fn ty(name: &str) -> ColumnType {
    ColumnType::parse(name).expect("a type")
}

/// A table as a user declares it for JSON without schemas: DATETIME(0..3) in milliseconds.
fn declared(case: &str, name: &str) -> TableSchema {
    let table = avro_table("avro", name);
    let record = records("avro", &format!("shop.{name}")).into_iter().rev().find_map(|record| record.value);
    let (id, _) = avro::confluent_header(&record.expect("a value")).map(|(id, _)| (id, ())).expect("a header");
    let text = Registry::of("avro").texts[&id.to_string()].clone();
    let mut columns = table.columns.to_vec();
    for column in &mut columns {
        if case == "json-variant-strings" && column.name == "c_bigu" {
            column.ty = ty("numeric(20,0)");
        } else if writer_type(&text, &column.name)["connect.name"] == "io.debezium.time.Timestamp" {
            column.ty = ty("timestamp(3)");
        }
    }
    TableSchema::new(columns, table.key).expect("a table")
}

#[test]
fn avro_rows_are_what_apache_avro_reads() {
    for case in ["avro", "avro-variant-precise"] {
        let texts = Registry::of(case).texts;
        for name in TABLES {
            let table = avro_table(case, name);
            let events = avro_events(case, name, &table);
            let records = records(case, &format!("shop.{name}"));
            for (record, event) in records.iter().filter(|record| record.value.is_some()).zip(&events) {
                let (id, mut body) = avro::confluent_header(record.value.as_ref().expect("a value")).expect("a header");
                let schema = apache_avro::Schema::parse_str(&texts[&id.to_string()]).expect("a schema");
                let reader =
                    apache_avro::reader::datum::GenericDatumReader::builder(&schema).build().expect("a reader");
                let value = reader.read_value(&mut body).expect("a value");
                let AvroValue::Record(fields) = value else { panic!("a record") };
                let after = fields.iter().find(|(name, _)| name == "after").map(|(_, value)| value).expect("after");
                let AvroValue::Union(_, after) = after else { panic!("a union") };
                let AvroValue::Record(after) = after.as_ref() else { continue };
                let described = describe(event, &table);
                let (_, columns) = described.last().expect("an operation");
                for (place, (column, found)) in columns.iter().enumerate() {
                    let Some((_, value)) = after.iter().find(|(name, _)| name == column) else {
                        // The column was added later: MySQL shows its default in the rows of before.
                        let default = table.columns[place].notes.get(defaults::DEFAULT);
                        let expected = default.map_or("NULL", String::as_str);
                        assert_eq!(found, expected, "{case}/{name}: {column} is not in the writer's schema");
                        continue;
                    };
                    // The writer's own scale: a later DDL may have changed the table's.
                    let writer = writer_type(&texts[&id.to_string()], column);
                    let mut expected = oracle(value, &table.columns[place].ty.ty, &writer);
                    if column == "c_year" && expected == "1900" {
                        expected = "0".into();
                    }
                    if column == "c_json" && expected != "NULL" {
                        let json = |text| serde_json::from_str::<serde_json::Value>(text).expect("JSON");
                        assert_eq!(json(found), json(&expected), "{case}/{name}@{}: {column}", record.offset);
                        expected.clone_from(found);
                    }
                    assert_eq!(*found, expected, "{case}/{name}@{}: {column}", record.offset);
                }
            }
        }
    }
}

#[test]
fn json_scalars_are_what_serde_json_reads() {
    for name in TABLES {
        let table = declared("json", name);
        let events = json_events("json", name, &table);
        let records = records("json", &format!("shop.{name}"));
        let mut compared = 0;
        for (record, event) in records.iter().filter(|record| record.value.is_some()).zip(&events) {
            let value: serde_json::Value =
                serde_json::from_slice(record.value.as_ref().expect("a value")).expect("JSON");
            let Some(after) = value["after"].as_object() else { continue };
            let described = describe(event, &table);
            let (_, columns) = described.last().expect("an operation");
            for (place, (column, found)) in columns.iter().enumerate() {
                let of = &table.columns[place].ty.ty;
                let plain =
                    matches!(of, Type::Int2 | Type::Int4 | Type::Int8) || *of == Type::Text && column != "c_json";
                if !plain || column == "c_year" {
                    continue;
                }
                let expected = match after.get(column) {
                    None => table.columns[place].notes.get(defaults::DEFAULT).map_or("NULL".to_owned(), Clone::clone),
                    Some(serde_json::Value::Null) => "NULL".to_owned(),
                    Some(serde_json::Value::String(text)) => text.clone(),
                    Some(other) => other.to_string(),
                };
                assert_eq!(*found, expected, "{name}@{}: {column}", record.offset);
                compared += 1;
            }
        }
        assert!(compared > 0, "{name}");
    }
}

#[test]
fn boundaries_are_the_same_in_both_formats() {
    let json: Vec<Boundary> = records("json", "transaction")
        .iter()
        .map(|record| json::boundary(record.value.as_ref().expect("a value")).expect("a boundary"))
        .collect();
    let registry = Registry::of("avro");
    let avro = records("avro", "transaction").into_iter().map(|record| {
        let value = record.value.expect("a value");
        let (id, body) = avro::confluent_header(&value).expect("a header");
        avro::boundary(&registry.node(id), body).expect("a boundary")
    });
    let sizes = |boundary: &Boundary| match boundary {
        Boundary::Begin { .. } => None,
        Boundary::End { event_count, data_collections, .. } => {
            assert_eq!(*event_count, data_collections.iter().map(|found| found.1).sum::<u64>());
            Some(data_collections.clone())
        }
    };
    let avro: Vec<_> = avro.map(|boundary| sizes(&boundary)).collect();
    assert!(json.len() > 20);
    assert_eq!(json.iter().map(sizes).collect::<Vec<_>>(), avro);
    let schemas = records("json-schemas", "transaction");
    json::boundary(schemas[0].value.as_ref().expect("a value")).expect("a boundary beside its schema");
}

/// A record with one byte changed, or cut, or with one part of it twice or gone.
fn broken(mut value: Vec<u8>, at: prop::sample::Index, to: prop::sample::Index, byte: u8, how: u8) -> Vec<u8> {
    let (at, to) = (at.index(value.len()), to.index(value.len()));
    let part = at.min(to)..at.max(to);
    match how {
        CUT => value.truncate(at),
        1 => value[at] = byte,
        2 => drop(value.drain(part)),
        _ => {
            let twice = value[part.clone()].to_vec();
            value.splice(part.start..part.start, twice);
        }
    }
    value
}

const CUT: u8 = 0;

type Decode<'a> = dyn FnMut(&[u8]) -> Result<Event, tidewater_ingest::Undecodable> + 'a;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    /// Bytes from outside: an error, or rows that can be read, but never a panic; and the next record is what it always is.
    #[test]
    fn broken_records_are_errors(
        table in 0..TABLES.len(),
        pick in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        to in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        how in 0..4_u8,
    ) {
        let name = TABLES[table];
        for case in ["avro", "json", "json-schemas"] {
            let shape = if case == "json" { declared(case, name) } else { avro_table("avro", name) };
            let records: Vec<_> =
                records(case, &format!("shop.{name}")).into_iter().filter(|r| r.value.is_some()).collect();
            let record = &records[pick.index(records.len())];
            let value = record.value.clone().expect("a value");
            let (mut avro, mut json);
            let (body, decode): (_, &mut Decode<'_>) = if case == "avro" {
                let (id, body) = avro::confluent_header(&value).expect("a header");
                avro = AvroDecoder::debezium(&shape, None, &Registry::of(case).node(id)).expect("a decoder");
                (body, &mut |bytes| avro.decode(None, bytes))
            } else {
                json = JsonDecoder::debezium(&shape).expect("a decoder");
                (&value[..], &mut |bytes| json.decode(record.key.as_deref(), bytes))
            };
            let expected = decode(body);
            let result = decode(&broken(body.to_vec(), at, to, byte, how));
            prop_assert!(how != CUT || result.is_err(), "a cut record is no record");
            if let Ok(event) = &result {
                describe(event, &shape);
            }
            // A schema beside the payload may have been broken into another that fits.
            if case != "json-schemas" || result.is_err() {
                prop_assert_eq!(decode(body), expected);
            }
        }
    }
}

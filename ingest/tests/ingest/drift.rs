//! Schemas that change under a table: what a record of another shape is in it, and what is refused.

use std::sync::Arc;

use tidewater_delta::{Op, Row};
use tidewater_ingest::avro::{self, AvroDecoder};
use tidewater_ingest::defaults::DEFAULT;
use tidewater_ingest::event::RecordMeta;
use tidewater_ingest::json::JsonDecoder;
use tidewater_ingest::schema::Node;
use tidewater_types::{Column, ColumnType, Datum, Settings, TableSchema, output};

const META: RecordMeta = RecordMeta { partition: 0, offset: 0, timestamp_ms: 0 };

/// The value of column `i`, as PostgreSQL prints it.
fn shown(row: &Row, table: &TableSchema, i: usize) -> String {
    let mut text = String::new();
    match table.packings[i].get(row.as_ref(), i) {
        Datum::Null => text.push_str("NULL"),
        value => output(&value, &table.columns[i].ty, &Settings::default(), &mut text),
    }
    text
}

fn one_column(name: &str, of: &str) -> TableSchema {
    TableSchema::new([Column::new(name, ColumnType::parse(of).expect("a type"))], None).expect("a table")
}

fn record(fields: &str) -> Node {
    Node::parse(&format!(r#"{{"type":"record","name":"Value","fields":[{fields}]}}"#)).expect("a schema")
}

fn envelope(fields: &str) -> Node {
    let row = format!(r#"{{"type":"record","name":"Value","fields":[{fields}]}}"#);
    record(&format!(r#"{{"name":"after","type":["null",{row}]}},{{"name":"op","type":"string"}}"#))
}

/// What column 1 of the table that `latest` describes is in a record of `earlier`, whose row has this body.
fn second(latest: &str, earlier: &str, body: &[u8]) -> Result<String, String> {
    let table = avro::debezium_table(None, &envelope(latest)).expect("a table");
    let mut decoder = AvroDecoder::debezium(&table, None, &envelope(earlier)).expect("a decoder");
    let record = [&[2], body, &[2, b'c']].concat();
    let event = decoder.decode(None, &record).map_err(|found| found.to_string())?;
    let [Op::Insert(row)] = &event.ops[..] else { panic!("an insertion") };
    Ok(shown(row, &table, 1))
}

const ID: &str = r#"{"name":"id","type":"long"}"#;
const DECIMAL_2: &str = r#"{"type":"bytes","logicalType":"decimal","precision":10,"scale":2}"#;
const DECIMAL_4: &str = r#"{"type":"bytes","logicalType":"decimal","precision":12,"scale":4}"#;

fn with(column: &str) -> String {
    format!("{ID},{column}")
}

fn of(kind: &str) -> String {
    with(&format!(r#"{{"name":"n","type":{kind}}}"#))
}

/// Issue 7, finding 11: `ADD n INT DEFAULT 7` is 7 in the rows of before.
#[test]
fn finding_11_an_added_column_has_its_default() {
    let nullable = with(r#"{"name":"n","type":[{"type":"int","connect.default":7},"null"],"default":7}"#);
    assert_eq!(second(&nullable, ID, &[2]), Ok("7".into()));
    let not_null = with(r#"{"name":"n","type":{"type":"int","connect.default":5},"default":5}"#);
    assert_eq!(second(&not_null, ID, &[2]), Ok("5".into()));
    let only_connects = with(r#"{"name":"n","type":{"type":"string","connect.default":"x"}}"#);
    assert_eq!(second(&only_connects, ID, &[2]), Ok("x".into()));
    let none = with(r#"{"name":"n","type":["null","int"],"default":null}"#);
    assert_eq!(second(&none, ID, &[2]), Ok("NULL".into()));
    let unknown = second(&of("\"int\""), ID, &[2]).expect_err("no value is known");
    assert!(unknown.contains("column \"n\"") && unknown.contains("NOT NULL"), "{unknown}");
    let now = with(
        r#"{"name":"n","type":{"type":"string","connect.name":"io.debezium.time.ZonedTimestamp","connect.default":"1970-01-01T00:00:00Z"}}"#,
    );
    let unknown = second(&now, ID, &[2]).expect_err("CURRENT_TIMESTAMP, but when");
    assert!(unknown.contains("column \"n\"") && unknown.contains("snapshot"), "{unknown}");
}

#[test]
fn finding_11_json_with_schemas_knows_defaults_too() {
    let record = |fields: &str, row: &str| {
        let row_schema = format!(r#"{{"type":"struct","field":"after","fields":[{fields}]}}"#);
        format!(r#"{{"schema":{{"type":"struct","fields":[{row_schema}]}},"payload":{{"after":{row},"op":"c"}}}}"#)
    };
    let id = r#"{"type":"int64","field":"id"}"#;
    let latest =
        record(&format!(r#"{id},{{"type":"int32","optional":true,"default":7,"field":"n"}}"#), r#"{"id":1,"n":null}"#);
    let table = tidewater_ingest::json::debezium_table(latest.as_bytes(), None).expect("JSON").expect("a table");
    let mut decoder = JsonDecoder::debezium(&table).expect("a decoder");
    let mut n = |record: &str| {
        let event = decoder.decode(None, record.as_bytes()).expect("an event");
        let [Op::Insert(row)] = &event.ops[..] else { panic!("an insertion") };
        shown(row, &table, 1)
    };
    assert_eq!(n(&record(id, r#"{"id":1}"#)), "7", "a row of before");
    assert_eq!(n(&latest), "NULL", "a row of after");
    assert_eq!(n(&record(id, r#"{"id":1}"#)), "7");
}

/// A later `ALTER … SET DEFAULT 9` does not change the rows of before.
#[test]
fn finding_11_the_default_is_that_of_the_addition() {
    let versions = [ID, &of(r#"{"type":"int","connect.default":7}"#), &of(r#"{"type":"int","connect.default":9}"#)];
    let versions = versions.map(|fields| Arc::new(envelope(fields)));
    let latest = avro::debezium_table(None, &versions[2]).expect("a table");
    let default = |table: &TableSchema| table.columns[1].notes.get(DEFAULT).cloned();
    assert_eq!(default(&latest).as_deref(), Some("9"));
    let table = avro::with_first_defaults(&latest, &versions).expect("a table");
    assert_eq!(default(&table).as_deref(), Some("7"));
    let table = avro::with_first_defaults(&latest, &[]).expect("a table");
    assert_eq!(default(&table).as_deref(), Some("9"), "where the registry tells no versions");
}

/// Issue 7, finding 11: a value that the column cannot hold exactly is an error, never another value.
#[test]
fn finding_11_retyped_columns_are_exact_or_refused() {
    let refused = |latest: &str, earlier: &str, body: &[u8]| {
        let error = second(&of(latest), &of(earlier), body).expect_err(earlier);
        assert!(error.contains("column \"n\""), "{error}");
    };
    // 3.3456 in a column of two fraction digits; 3.3400 fits.
    refused(DECIMAL_2, DECIMAL_4, &[2, 6, 0, 0x82, 0xb0]);
    assert_eq!(second(&of(DECIMAL_2), &of(DECIMAL_4), &[2, 6, 0, 0x82, 0x78]), Ok("3.34".into()));
    assert_eq!(second(&of(DECIMAL_4), &of(DECIMAL_2), &[2, 4, 1, 0x4e]), Ok("3.3400".into()));
    // 5e9 in an INT; an INT in a BIGINT.
    refused("\"int\"", "\"long\"", &[2, 0x80, 0xc8, 0xaf, 0xa0, 0x25]);
    assert_eq!(second(&of("\"long\""), &of("\"int\""), &[2, 10]), Ok("5".into()));
    // DECIMAL to VARCHAR: MySQL makes the digits text.
    assert_eq!(second(&of("\"string\""), &of(DECIMAL_2), &[2, 4, 1, 0x4e]), Ok("3.34".into()));
    assert_eq!(second(&of(DECIMAL_2), &of("\"string\""), &[2, 8, b'3', b'.', b'3', b'4']), Ok("3.34".into()));
    refused(DECIMAL_2, "\"string\"", &[2, 6, b'n', b'/', b'a']);
    // BIGINT to DOUBLE and FLOAT, TINYINT to a truth value.
    refused("\"double\"", "\"long\"", &[2, 0x82, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x20]);
    assert_eq!(second(&of("\"double\""), &of("\"long\""), &[2, 10]), Ok("5".into()));
    refused("\"float\"", "\"long\"", &[2, 0x82, 0x80, 0x80, 0x10]);
    refused("\"boolean\"", "\"int\"", &[2, 4]);
    // A time that milliseconds do not hold.
    let micros = r#"{"type":"long","connect.name":"io.debezium.time.MicroTimestamp"}"#;
    let table = one_column("n", "timestamp(3)");
    let mut decoder = AvroDecoder::debezium(&table, None, &envelope(&of(micros))).expect("a decoder");
    assert!(decoder.decode(None, &[2, 2, 0xf2, 0xc0, 1, 2, b'c']).is_err());
    decoder.decode(None, &[2, 2, 0xa0, 0x9c, 1, 2, b'c']).expect("a whole millisecond");
}

fn service(of: &str, json: &str) -> Result<String, String> {
    let table = one_column("v", of);
    let mut decoder = JsonDecoder::plain(&table, &[]).expect("a decoder");
    let row = decoder.decode_row(format!("{{\"v\":{json}}}").as_bytes(), &META).map_err(|error| error.to_string())?;
    Ok(shown(&row, &table, 0))
}

fn debezium(of: &str, json: &str) -> Result<String, String> {
    let table = one_column("v", of);
    let mut decoder = JsonDecoder::debezium(&table).expect("a decoder");
    let record = format!("{{\"after\":{{\"v\":{json}}},\"op\":\"c\"}}");
    let event = decoder.decode(None, record.as_bytes()).map_err(|error| error.to_string())?;
    let [Op::Insert(row)] = &event.ops[..] else { panic!("an insertion") };
    Ok(shown(row, &table, 0))
}

/// Issue 7, finding 12: the milliseconds of a DATETIME(3) are not microseconds of January 1970.
#[test]
fn finding_12_a_time_of_untold_unit_is_refused() {
    let (millis, micros) = ("timestamp(3)", "timestamp");
    let error = debezium(micros, "1775088001000").expect_err("milliseconds");
    assert!(error.contains("column \"v\"") && error.contains("timestamp(3)"), "{error}");
    assert_eq!(debezium(micros, "1775088001000000"), Ok("2026-04-02 00:00:01".into()));
    assert_eq!(debezium(millis, "1775088001000"), Ok("2026-04-02 00:00:01".into()));
    assert_eq!(debezium(millis, "-30610224000000"), Ok("1000-01-01 00:00:00".into()));
    debezium(millis, "1775088001000000").expect_err("microseconds");
    debezium(micros, "-1775088001000").expect_err("before 1970, too");
    assert_eq!(debezium(micros, "0"), Ok("1970-01-01 00:00:00".into()), "no unit makes this another year");
    assert_eq!(debezium(micros, "-1"), Ok("1969-12-31 23:59:59.999999".into()));
    service(millis, "1775088001").expect_err("a service's seconds");
    assert_eq!(service(millis, "1775088001000"), Ok("2026-04-02 00:00:01".into()));
    assert_eq!(service(micros, "\"2026-04-02T00:00:01Z\""), Ok("2026-04-02 00:00:01".into()));
}

/// Issue 7, findings 11 and 12: a service's negative number is no BIGINT UNSIGNED.
#[test]
fn finding_11_a_services_negative_number_stays_negative() {
    let unsigned = "numeric(20,0)";
    assert_eq!(service(unsigned, "-5"), Ok("-5".into()));
    assert_eq!(debezium(unsigned, "-1"), Ok("18446744073709551615".into()), "Debezium's, which cannot be told");
    let table = one_column("n", unsigned);
    let long = |parameters: &str| {
        let column = format!(r#"{{"name":"n","type":{{"type":"long"{parameters}}}}}"#);
        let mut decoder = AvroDecoder::debezium(&table, None, &envelope(&column)).expect("a decoder");
        let event = decoder.decode(None, &[2, 1, 2, b'c']).expect("an event");
        let [Op::Insert(row)] = &event.ops[..] else { panic!("an insertion") };
        shown(row, &table, 0)
    };
    assert_eq!(
        long(r#","connect.parameters":{"__debezium.source.column.type":"BIGINT UNSIGNED"}"#),
        "18446744073709551615"
    );
    assert_eq!(long(r#","connect.parameters":{"__debezium.source.column.type":"BIGINT"}"#), "-1");
    let mut plain = AvroDecoder::plain(&table, &[], &record(r#"{"name":"n","type":"long"}"#)).expect("a decoder");
    let row = plain.decode_row(&[1], &META).expect("a row");
    assert_eq!(shown(&row, &table, 0), "-1");
}

/// Issue 7, finding 12: PostgreSQL's protocol cannot carry NUL.
#[test]
fn finding_12_text_with_nul_is_refused() {
    for error in [
        service("text", "\"a\\u0000b\"").expect_err("NUL"),
        debezium("text", "\"a\\u0000b\"").expect_err("NUL"),
        second(&of("\"string\""), &of("\"string\""), &[2, 6, b'a', 0, b'b']).expect_err("NUL"),
        second(&of("\"string\""), &of("\"string\""), b"\x02\x141234567\x0089").expect_err("NUL"),
        second(&of("\"string\""), &of("\"string\""), b"\x02\x16\xc3\xa91234567\x008").expect_err("NUL"),
    ] {
        assert!(error.contains("NUL") && error.contains("column"), "{error}");
    }
    assert_eq!(debezium("bytea", "\"YQBi\""), Ok("\\x610062".into()), "bytes take it");
}

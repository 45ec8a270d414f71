//! Single values and small records, written by hand: what fits a column, what is refused, and what a record leaves behind.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tidewater_delta::{Op, Row};
use tidewater_ingest::avro::AvroDecoder;
use tidewater_ingest::column;
use tidewater_ingest::event::{Event, MetaColumn, RecordMeta};
use tidewater_ingest::json::JsonDecoder;
use tidewater_ingest::schema::Node;
use tidewater_types::{Column, ColumnType, Datum, Settings, TableSchema, output};

const META: RecordMeta = RecordMeta { partition: 3, offset: 7, timestamp_ms: i64::MAX };

fn column(name: &str, of: &str) -> Column {
    Column::new(name, ColumnType::parse(of).expect("a type"))
}

fn table(columns: &[(&str, &str)], key: Option<Vec<usize>>) -> TableSchema {
    let columns: Vec<_> = columns.iter().map(|(name, of)| column(name, of)).collect();
    TableSchema::new(columns, key).expect("a table")
}

/// The values of a row, as PostgreSQL prints them.
fn values(row: &Row, table: &TableSchema) -> Vec<String> {
    let show = |(i, column): (usize, &Column)| match table.packings[i].get(row.as_ref(), i) {
        Datum::Null => "NULL".to_owned(),
        value => {
            let mut text = String::new();
            output(&value, &column.ty, &Settings::default(), &mut text);
            text
        }
    };
    table.columns.iter().enumerate().map(show).collect()
}

/// What a service's object makes of one column.
fn service(of: &str, json: &str) -> Result<String, String> {
    let table = table(&[("v", of)], None);
    let mut decoder = JsonDecoder::plain(&table, &[]).map_err(|error| error.to_string())?;
    let row = decoder.decode_row(format!("{{\"v\":{json}}}").as_bytes(), &META).map_err(|error| error.to_string())?;
    Ok(values(&row, &table).remove(0))
}

/// The rows of what a Debezium envelope makes of a key-less table of one column.
fn debezium(of: &str, json: &str) -> Result<String, String> {
    let table = table(&[("v", of)], None);
    let mut decoder = JsonDecoder::debezium(&table).map_err(|error| error.to_string())?;
    let value = format!("{{\"before\":null,\"after\":{{\"v\":{json}}},\"op\":\"c\"}}");
    let event = decoder.decode(None, value.as_bytes()).map_err(|error| error.to_string())?;
    let [Op::Insert(row)] = &event.ops[..] else { panic!("an insertion") };
    Ok(values(row, &table).remove(0))
}

fn ok(text: &str) -> Result<String, String> {
    Ok(text.to_owned())
}

fn refused(found: &Result<String, String>) -> bool {
    found.as_ref().is_err_and(|error| error.contains("column \"v\""))
}

#[test]
fn decimals_are_exact_or_refused() {
    let (small, long, wide) = ("numeric(10,2)", "numeric(38,0)", "numeric(65,30)");
    assert_eq!(service(small, "\"1234\""), ok("1234.00"), "services write digits");
    assert_eq!(service(small, "0.1"), ok("0.10"));
    assert_eq!(service(long, "12345678901234567890123"), ok("12345678901234567890123"));
    assert_eq!(service(long, "-5"), ok("-5"));
    assert!(refused(&service(small, "12.505")));
    assert!(refused(&service(small, "123456789")));
    assert!(refused(&service(small, "\"1e-2147483648\"")));
    assert!(refused(&service(small, "true")));
    assert_eq!(debezium(small, "\"1234\""), ok("-26588.24"), "Debezium writes base64");
    assert_eq!(debezium("numeric(20,0)", "-1"), ok("18446744073709551615"), "BIGINT UNSIGNED");
    assert_eq!(debezium("numeric(20,0)", "\"18446744073709551615\""), ok("18446744073709551615"));

    let nines = "9".repeat(65);
    let largest = format!("{}.{}", &nines[..35], &nines[35..]);
    assert_eq!(service(wide, &format!("\"{largest}\"")), ok(&largest));
    assert_eq!(service(wide, "1"), ok(&format!("1.{}", "0".repeat(30))), "a whole number");
    // 10^65 - 1.
    let mut big_endian = vec![0_u8; 28];
    for digit in nines.bytes() {
        let mut carry = u16::from(digit - b'0');
        for byte in big_endian.iter_mut().rev() {
            carry += u16::from(*byte) * 10;
            *byte = carry as u8;
            carry >>= 8;
        }
    }
    assert_eq!(debezium(wide, &format!("\"{}\"", STANDARD.encode(big_endian))), ok(&largest));
    assert!(refused(&service(wide, &format!("\"{}\"", "9".repeat(36)))));
    for of in ["numeric(77,0)", "numeric(3,-2)"] {
        assert!(refused(&service(of, "1")), "{of}");
    }
}

/// numeric without digits keeps what is written; where nothing tells the scale, it is refused.
#[test]
fn a_numeric_without_digits_needs_a_scale() {
    assert_eq!(service("numeric", "\"1.50\""), ok("1.50"));
    assert_eq!(service("numeric", "12.50"), ok("12.50"));
    assert_eq!(service("numeric", "7"), ok("7"));
    assert_eq!(debezium("numeric", "\"-1.50\""), ok("-1.50"));
    for untold in ["\"1234\"", "\"AfQ=\""] {
        let error = debezium("numeric", untold).expect_err("base64 or digits");
        assert!(error.contains("column \"v\"") && error.contains("numeric(precision, scale)"), "{error}");
    }
    let table = table(&[("v", "numeric")], None);
    let writer = record(r#"{"name":"v","type":{"type":"bytes","logicalType":"decimal","precision":10,"scale":2}}"#);
    let mut decoder = AvroDecoder::plain(&table, &[], &writer).expect("a decoder");
    let row = decoder.decode_row(&[4, 0, 0x96], &META).expect("a row");
    assert_eq!(values(&row, &table), ["1.50"]);
}

#[test]
fn declared_times_take_what_mysql_has() {
    assert_eq!(debezium("time", "45296789012"), ok("12:34:56.789012"));
    assert_eq!(debezium("time", "\"12:34:56.789012\""), ok("12:34:56.789012"));
    assert!(refused(&debezium("time", "-1")), "a time of day is not negative");
    assert!(refused(&debezium("time", "86400000000")), "nor a day long");
    assert!(refused(&debezium("time(3)", "\"12:34:56.789012\"")), "nothing is rounded");
    assert_eq!(debezium("interval", "\"-838:59:59\""), ok("-838:59:59"));
    assert_eq!(debezium("interval", "-3020399000000"), ok("-838:59:59"));
    assert_eq!(service("timestamp", "\"9999-12-31T23:59:59\""), ok("9999-12-31 23:59:59"));
    assert_eq!(
        service("timestamp", "\"1969-12-31T23:59:59.9999995\""),
        ok("1969-12-31 23:59:59.999999"),
        "never later than it was"
    );
    assert_eq!(service("timestamptz", "\"2026-04-02T02:00:01+02:00\""), ok("2026-04-02 00:00:01+00"));
    assert!(refused(&service("date", "3000000000")));
    assert_eq!(service("date", "-1"), ok("1969-12-31"));
    // What 64 bits hold and PostgreSQL has no time for; the greatest would be infinity.
    let writer = record(r#"{"name":"v","type":{"type":"long","logicalType":"timestamp-micros"}}"#);
    let table = table(&[("v", "timestamp")], None);
    let mut decoder = AvroDecoder::plain(&table, &[], &writer).expect("a decoder");
    let greatest = [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
    let error = decoder.decode_row(&greatest, &META).expect_err("no time").to_string();
    assert!(error.contains("column \"v\""), "{error}");
}

#[test]
fn bytes_come_in_base64_or_hex() {
    assert_eq!(debezium("bytea", "\"AP8QAA==\""), ok("\\x00ff1000"));
    assert_eq!(debezium("bytea", "\"-_-_\""), ok("\\xfbffbf"), "base64-url-safe");
    assert_eq!(debezium("bytea", "\"00ff10\""), ok("\\x00ff10"), "hex where base64 cannot be");
    assert!(refused(&debezium("bytea", "\"no\"")));
    assert!(refused(&debezium("bytea", "18446744073709551615")));
    assert_eq!(service("bytea", "\"no\""), ok("\\x6e6f"), "a service's text");
}

#[test]
fn declared_lengths_and_ranges_hold() {
    assert_eq!(service("varchar(3)", "\"äöü\""), ok("äöü"));
    assert!(refused(&service("varchar(3)", "\"abcd\"")));
    assert_eq!(service("char(3)", "\"a\""), ok("a  "));
    assert_eq!(debezium("varchar(3)", "123"), ok("123"));
    assert!(refused(&service("smallint", "32768")));
    assert_eq!(service("uint2", "65535"), ok("65535"));
    assert!(refused(&service("uint4", "-1")));
    assert_eq!(debezium("uint8", "-1"), ok("18446744073709551615"), "BIGINT UNSIGNED");
    assert_eq!(debezium("uint8", "18446744073709551615"), ok("18446744073709551615"));
    assert!(refused(&service("uint8", "-1")));
    let uuid = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11";
    assert_eq!(service("uuid", &format!("\"{}\"", uuid.to_uppercase())), ok(uuid));
    assert!(refused(&service("uuid", "\"a0eebc99\"")));
    for of in ["oid", "int4range", "text[]", "interval year"] {
        assert!(refused(&service(of, "\"\"")), "{of}");
    }
}

/// Equal keys have equal bytes.
#[test]
fn negative_zero_is_zero() {
    for of in ["real", "double precision"] {
        assert_eq!(debezium(of, "-0.0"), ok("0"), "{of}");
    }
    assert_eq!(debezium("real[]", "[-0.0,1.5]"), ok("{0,1.5}"));
}

#[test]
fn declared_json_has_one_text() {
    let mut marked = column("v", "text");
    marked.notes.insert(column::TYPE.to_owned(), column::JSON.to_owned());
    for of in [marked, column("v", "json")] {
        let table = TableSchema::new([of], None).expect("a table");
        let mut decoder = JsonDecoder::plain(&table, &[]).expect("a decoder");
        let mut text =
            |json: &str| values(&decoder.decode_row(json.as_bytes(), &META).expect("a row"), &table).remove(0);
        let expected = r#"{"a":12345678901234567890123,"bb":[1.5]}"#;
        assert_eq!(text(r#"{"v": {"bb": [1.50], "a": 12345678901234567890123}}"#), expected);
        assert_eq!(
            text(r#"{"v": "{\"a\": 12345678901234567890123, \"bb\": [15e-1]}"}"#),
            expected,
            "as Debezium writes it"
        );
        assert_eq!(text(r#"{"v": null}"#), "NULL");
        assert!(decoder.decode_row(br#"{"v": "{"}"#, &META).is_err());
        assert_eq!(values(&decoder.decode_row(b"{}", &META).expect("a row"), &table), ["NULL"]);
    }
    assert_eq!(service("jsonb", r#"{"bb": [1.50], "a": null}"#), ok(r#"{"a": null, "bb": [1.50]}"#));
    assert!(refused(&service("jsonb", r#""{""#)));
}

/// An Avro record type of these fields.
fn record(fields: &str) -> Node {
    Node::parse(&format!(r#"{{"type":"record","name":"Value","namespace":"t","fields":[{fields}]}}"#))
        .expect("a schema")
}

#[test]
fn a_broken_record_leaves_nothing_in_the_next_row() {
    let table = table(&[("a", "bigint"), ("b", "text"), ("offset", "bigint")], None);
    let writer = record(
        r#"{"name":"a","type":["null","long"]},{"name":"b","type":["null","string"]},{"name":"offset","type":"string"}"#,
    );
    let mut decoder = AvroDecoder::plain(&table, &[MetaColumn::Offset], &writer).expect("a decoder");
    let whole = [2, 10, 2, 2, b'x', 2, b'y'];
    let row = decoder.decode_row(&whole, &META).expect("a row");
    assert_eq!(values(&row, &table), ["5", "x", "7"], "the record's own \"offset\" is not Kafka's");
    for broken in [&[2, 10, 2, 2, b'x', 2, b'y', 0][..], &[2, 10, 2, 2, b'x'], &[2, 10, 2, 2, 0xff, 2, b'y'], &[]] {
        decoder.decode_row(broken, &META).expect_err("a broken record");
        let row = decoder.decode_row(&[0, 0, 2, b'y'], &META).expect("a row");
        assert_eq!(values(&row, &table), ["NULL", "NULL", "7"], "{broken:?}");
    }
    let error = decoder.decode_row(&[2, 10, 2, 2, 0xff, 2, b'y'], &META).expect_err("no UTF-8").to_string();
    assert_eq!(error, "column \"b\": text that is not UTF-8");

    let mut decoder = JsonDecoder::plain(&table, &[MetaColumn::Offset]).expect("a decoder");
    for broken in [r#"{"a":5,"b":"x"} 1"#, r#"{"a":5,"b":1"#, r#"{"a":5,"b":{}}"#] {
        decoder.decode_row(broken.as_bytes(), &META).expect_err("a broken record");
        assert_eq!(values(&decoder.decode_row(b"{}", &META).expect("a row"), &table), ["NULL", "NULL", "7"]);
    }
}

#[test]
fn a_kafka_time_of_any_size_is_taken() {
    let table = table(&[("a", "bigint"), ("at", "timestamptz")], None);
    let mut decoder = JsonDecoder::plain(&table, &[MetaColumn::Timestamp]).expect("a decoder");
    let row = decoder.decode_row(b"{\"a\":1}", &META).expect("a row");
    assert_eq!(values(&row, &table), ["1", "294246-12-31 23:59:59.999999+00"]);
}

#[test]
fn a_changed_type_is_an_error_that_names_the_column() {
    let table = table(&[("id", "bigint"), ("at", "timestamp")], None);
    let writer = record(r#"{"name":"id","type":"long"},{"name":"at","type":"long"}"#);
    let error = AvroDecoder::plain(&table, &[], &writer).err().expect("an error").to_string();
    assert!(error.contains("column \"at\"") && error.contains("bigint"), "{error}");
    let writer = record(r#"{"name":"id","type":{"type":"array","items":"string"}}"#);
    let error = AvroDecoder::plain(&table, &[], &writer).err().expect("an error").to_string();
    assert!(error.contains("column \"id\""), "{error}");

    let mut decoder = JsonDecoder::plain(&table, &[]).expect("a decoder");
    let wrapped = |of: &str, at: &str| {
        format!(
            r#"{{"schema":{{"type":"struct","fields":[{{"type":"int64","field":"id"}},{{{of},"field":"at"}}]}},"payload":{{"id":1,"at":{at}}}}}"#
        )
    };
    let millis = wrapped(r#""type":"int64","name":"io.debezium.time.Timestamp""#, "1500");
    assert_eq!(
        values(&decoder.decode_row(millis.as_bytes(), &META).expect("a row"), &table),
        ["1", "1970-01-01 00:00:01.5"]
    );
    let error = decoder.decode_row(wrapped(r#""type":"int64""#, "1500").as_bytes(), &META).expect_err("a changed type");
    assert!(error.to_string().contains("column \"at\""), "{error}");
}

fn orders(key: Option<Vec<usize>>) -> TableSchema {
    table(&[("note", "text"), ("id", "bigint")], key)
}

fn change(decoder: &mut JsonDecoder, text: &str) -> Result<Event, String> {
    decoder.decode(None, text.as_bytes()).map_err(|error| error.to_string())
}

#[test]
fn an_update_of_the_key_removes_the_old_row() {
    let update = r#"{"before":{"note":"old","id":1},"after":{"note":"new","id":2},"op":"u"}"#;
    let keyed = orders(Some(vec![1]));
    let alone = table(&[("id", "bigint")], None);
    let mut decoder = JsonDecoder::debezium(&keyed).expect("a decoder");
    let event = change(&mut decoder, update).expect("an event");
    let [Op::Delete(old), Op::Upsert(new)] = &event.ops[..] else { panic!("{:?}", event.ops) };
    assert_eq!((values(old, &alone), values(new, &keyed)), (vec!["1".into()], vec!["new".into(), "2".into()]));
    let event = change(&mut decoder, &update.replace(":2", ":1")).expect("an event");
    assert!(matches!(&event.ops[..], [Op::Upsert(_)]), "{:?}", event.ops);

    let keyless = orders(None);
    let mut decoder = JsonDecoder::debezium(&keyless).expect("a decoder");
    let event = change(&mut decoder, update).expect("an event");
    let [Op::Remove(old), Op::Insert(new)] = &event.ops[..] else { panic!("{:?}", event.ops) };
    assert_eq!((values(old, &keyless)[0].as_str(), values(new, &keyless)[0].as_str()), ("old", "new"));
}

#[test]
fn a_record_without_its_key_column_is_no_row() {
    let keyed = orders(Some(vec![1]));
    let mut decoder = JsonDecoder::debezium(&keyed).expect("a decoder");
    for broken in [
        r#"{"after":{"note":"x"},"op":"c"}"#,
        r#"{"after":{"note":"x","id":null},"op":"r"}"#,
        r#"{"before":{"note":"x"},"op":"d"}"#,
    ] {
        let error = change(&mut decoder, broken).expect_err(broken);
        assert!(error.contains("column \"id\""), "{error}");
    }
    let error = decoder.decode(Some(b"{\"other\":1}"), br#"{"before":null,"after":null,"op":"d"}"#);
    let error = error.expect_err("a key of another table").to_string();
    assert!(error.contains("\"other\"") && error.contains("(id)"), "{error}");
    let envelope = |fields: &str| {
        let row = format!(r#"{{"type":"record","name":"Value","fields":[{fields}]}}"#);
        record(&format!(r#"{{"name":"after","type":["null",{row}]}},{{"name":"op","type":"string"}}"#))
    };
    let mut decoder =
        AvroDecoder::debezium(&keyed, None, &envelope(r#"{"name":"note","type":"string"}"#)).expect("a decoder");
    let error = decoder.decode(None, &[2, 2, b'x', 2, b'c']).expect_err("a row without its key").to_string();
    assert!(error.contains("\"id\""), "{error}");
    let writer = envelope(r#"{"name":"note","type":"string"},{"name":"id","type":"long"}"#);
    let mut decoder = AvroDecoder::debezium(&keyed, None, &writer).expect("a decoder");
    let event = decoder.decode(None, &[2, 2, b'x', 4, 2, b'c']).expect("an event");
    assert!(matches!(&event.ops[..], [Op::Upsert(_)]));
    let error = decoder.decode(None, &[2, 2, b'x']).expect_err("a cut record").to_string();
    assert_eq!(error, "column \"id\": the record ends in the middle of a value");
    let error = decoder.decode(None, &[2, 2, b'x', 4, 9, b'c']).expect_err("a bad length").to_string();
    assert!(error.contains("field \"op\""), "{error}");
}

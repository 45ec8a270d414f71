//! Single values and small records, written by hand: what fits a column, what is refused, and what a record leaves behind.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_schema::{DataType, Field, IntervalUnit, Schema, TimeUnit};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use delta::{Datum, Op, Row, TableSchema};
use ingest::avro::AvroDecoder;
use ingest::column;
use ingest::event::{Event, MetaColumn, RecordMeta};
use ingest::json::JsonDecoder;
use ingest::schema::Node;

const META: RecordMeta = RecordMeta { partition: 3, offset: 7, timestamp_ms: i64::MAX };

fn table(columns: &[(&str, DataType)], key: Option<Vec<usize>>) -> TableSchema {
    let fields: Vec<_> = columns.iter().map(|(name, of)| Field::new(*name, of.clone(), true)).collect();
    TableSchema::new(Arc::new(Schema::new(fields)), key).expect("a table")
}

/// The values of a row, as [`Datum`] shows them.
fn values(row: &Row, table: &TableSchema) -> Vec<String> {
    let show = |(i, kind)| match row.as_ref().get(i, kind) {
        Datum::Text(text) => format!("{:?}", String::from_utf8(text.to_vec()).expect("UTF-8")),
        other => format!("{other:?}"),
    };
    table.kinds.iter().enumerate().map(show).collect()
}

/// What a service's object makes of one column.
fn service(of: DataType, json: &str) -> Result<String, String> {
    let table = table(&[("v", of)], None);
    let mut decoder = JsonDecoder::plain(&table, &[]).map_err(|error| error.to_string())?;
    let row = decoder.decode_row(format!("{{\"v\":{json}}}").as_bytes(), &META).map_err(|error| error.to_string())?;
    Ok(values(&row, &table).remove(0))
}

/// The rows of what a Debezium envelope makes of a key-less table of one column.
fn debezium(of: DataType, json: &str) -> Result<String, String> {
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
    let (small, long, wide) = (DataType::Decimal128(10, 2), DataType::Decimal128(38, 0), DataType::Decimal256(65, 30));
    assert_eq!(service(small.clone(), "\"1234\""), ok("Decimal(123400)"), "services write digits");
    assert_eq!(service(small.clone(), "0.1"), ok("Decimal(10)"));
    assert_eq!(service(long.clone(), "12345678901234567890123"), ok("Decimal(12345678901234567890123)"));
    assert_eq!(service(long.clone(), "-5"), ok("Decimal(-5)"));
    assert!(refused(&service(small.clone(), "12.505")));
    assert!(refused(&service(small.clone(), "123456789")));
    assert!(refused(&service(small.clone(), "\"1e-2147483648\"")));
    assert!(refused(&service(small.clone(), "true")));
    assert_eq!(debezium(small, "\"1234\""), ok("Decimal(-2658824)"), "Debezium writes base64");
    assert_eq!(debezium(DataType::Decimal128(20, 0), "-1"), ok("Decimal(18446744073709551615)"), "BIGINT UNSIGNED");
    assert_eq!(debezium(DataType::Decimal128(20, 0), "\"18446744073709551615\""), ok("Decimal(18446744073709551615)"));

    let one = |text: &str| service(wide.clone(), text).expect("a decimal");
    let unscaled = |digits: &str| {
        let mut bytes = [0_u8; 32];
        for digit in digits.bytes() {
            let mut carry = u16::from(digit - b'0');
            for byte in &mut bytes {
                carry += u16::from(*byte) * 10;
                *byte = carry as u8;
                carry >>= 8;
            }
        }
        bytes
    };
    let nines = "9".repeat(65);
    let largest = format!("Decimal256({:?})", unscaled(&nines));
    assert_eq!(one(&format!("\"{}.{}\"", &nines[..35], &nines[35..])), largest);
    assert_eq!(one("1"), format!("Decimal256({:?})", unscaled(&format!("1{}", "0".repeat(30)))), "a whole number");
    let mut big_endian = unscaled(&nines);
    big_endian.reverse();
    assert_eq!(debezium(wide.clone(), &format!("\"{}\"", STANDARD.encode(big_endian))), ok(&largest));
    assert!(refused(&service(wide, &format!("\"{}\"", "9".repeat(36)))));
}

#[test]
fn declared_times_take_what_mysql_has() {
    let (nanos, micros) = (DataType::Time64(TimeUnit::Nanosecond), DataType::Duration(TimeUnit::Microsecond));
    let interval = DataType::Interval(IntervalUnit::MonthDayNano);
    assert_eq!(debezium(nanos.clone(), "45296789012"), ok("Int(45296789012000)"));
    assert_eq!(debezium(nanos.clone(), "\"12:34:56.789012\""), ok("Int(45296789012000)"));
    assert!(refused(&debezium(nanos.clone(), "-1")), "a time of day is not negative");
    assert!(refused(&debezium(nanos, "86400000000")), "nor a day long");
    assert_eq!(debezium(micros, "\"-838:59:59\""), ok("Int(-3020399000000)"));
    let expected = "Interval(Interval { months: 0, days: 0, nanos: -3020399000000000 })";
    assert_eq!(debezium(interval, "-3020399000000"), ok(expected));
    let far = DataType::Timestamp(TimeUnit::Nanosecond, None);
    assert!(refused(&service(far, "\"9999-12-31T23:59:59\"")), "beyond 64 bits of nanoseconds");
    let micros = DataType::Timestamp(TimeUnit::Microsecond, None);
    assert_eq!(service(micros, "\"1969-12-31T23:59:59.9999995\""), ok("Int(-1)"), "never later than it was");
    assert!(refused(&service(DataType::Date32, "3000000000")));
}

#[test]
fn bytes_come_in_base64_or_hex() {
    assert_eq!(debezium(DataType::Binary, "\"AP8QAA==\""), ok("Bytes([0, 255, 16, 0])"));
    assert_eq!(debezium(DataType::Binary, "\"-_-_\""), ok("Bytes([251, 255, 191])"), "base64-url-safe");
    assert_eq!(debezium(DataType::Binary, "\"00ff10\""), ok("Bytes([0, 255, 16])"), "hex where base64 cannot be");
    assert!(refused(&debezium(DataType::Binary, "\"no\"")));
    assert!(refused(&debezium(DataType::Binary, "18446744073709551615")));
    assert_eq!(service(DataType::Binary, "\"no\""), ok("Bytes([110, 111])"), "a service's text");
}

#[test]
fn declared_json_has_one_text() {
    let field = Field::new("v", DataType::Utf8, true);
    let field = field.with_metadata(HashMap::from([(column::TYPE.to_owned(), column::JSON.to_owned())]));
    let table = TableSchema::new(Arc::new(Schema::new(vec![field])), None).expect("a table");
    let mut decoder = JsonDecoder::plain(&table, &[]).expect("a decoder");
    let mut text = |json: &str| values(&decoder.decode_row(json.as_bytes(), &META).expect("a row"), &table).remove(0);
    let expected = r#""{\"a\":12345678901234567890123,\"bb\":[1.5]}""#;
    assert_eq!(text(r#"{"v": {"bb": [1.50], "a": 12345678901234567890123}}"#), expected);
    assert_eq!(
        text(r#"{"v": "{\"a\": 12345678901234567890123, \"bb\": [15e-1]}"}"#),
        expected,
        "as Debezium writes it"
    );
    assert_eq!(text(r#"{"v": null}"#), "Null");
    assert!(decoder.decode_row(br#"{"v": "{"}"#, &META).is_err());
    assert_eq!(values(&decoder.decode_row(b"{}", &META).expect("a row"), &table), ["Null"]);
}

/// An Avro record type of these fields.
fn record(fields: &str) -> Node {
    Node::parse(&format!(r#"{{"type":"record","name":"Value","namespace":"t","fields":[{fields}]}}"#))
        .expect("a schema")
}

#[test]
fn a_broken_record_leaves_nothing_in_the_next_row() {
    let table = table(&[("a", DataType::Int64), ("b", DataType::Utf8), ("offset", DataType::Int64)], None);
    let writer = record(
        r#"{"name":"a","type":["null","long"]},{"name":"b","type":["null","string"]},{"name":"offset","type":"string"}"#,
    );
    let mut decoder = AvroDecoder::plain(&table, &[MetaColumn::Offset], &writer).expect("a decoder");
    let whole = [2, 10, 2, 2, b'x', 2, b'y'];
    let row = decoder.decode_row(&whole, &META).expect("a row");
    assert_eq!(values(&row, &table), ["Int(5)", "\"x\"", "Int(7)"], "the record's own \"offset\" is not Kafka's");
    for broken in [&[2, 10, 2, 2, b'x', 2, b'y', 0][..], &[2, 10, 2, 2, b'x'], &[2, 10, 2, 2, 0xff, 2, b'y'], &[]] {
        decoder.decode_row(broken, &META).expect_err("a broken record");
        let row = decoder.decode_row(&[0, 0, 2, b'y'], &META).expect("a row");
        assert_eq!(values(&row, &table), ["Null", "Null", "Int(7)"], "{broken:?}");
    }
    let error = decoder.decode_row(&[2, 10, 2, 2, 0xff, 2, b'y'], &META).expect_err("no UTF-8").to_string();
    assert_eq!(error, "column \"b\": text that is not UTF-8");

    let mut decoder = JsonDecoder::plain(&table, &[MetaColumn::Offset]).expect("a decoder");
    for broken in [r#"{"a":5,"b":"x"} 1"#, r#"{"a":5,"b":1"#, r#"{"a":5,"b":{}}"#] {
        decoder.decode_row(broken.as_bytes(), &META).expect_err("a broken record");
        assert_eq!(values(&decoder.decode_row(b"{}", &META).expect("a row"), &table), ["Null", "Null", "Int(7)"]);
    }
}

#[test]
fn a_kafka_time_of_any_size_is_taken() {
    let time = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let table = table(&[("a", DataType::Int64), ("at", time)], None);
    let mut decoder = JsonDecoder::plain(&table, &[MetaColumn::Timestamp]).expect("a decoder");
    let row = decoder.decode_row(b"{\"a\":1}", &META).expect("a row");
    assert_eq!(values(&row, &table), ["Int(1)".to_owned(), format!("Int({})", i64::MAX)]);
}

#[test]
fn a_changed_type_is_an_error_that_names_the_column() {
    let time = DataType::Timestamp(TimeUnit::Microsecond, None);
    let table = table(&[("id", DataType::Int64), ("at", time)], None);
    let writer = record(r#"{"name":"id","type":"long"},{"name":"at","type":"long"}"#);
    let error = AvroDecoder::plain(&table, &[], &writer).err().expect("an error").to_string();
    assert!(error.contains("column \"at\"") && error.contains("Int64"), "{error}");
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
        ["Int(1)", "Int(1500000)"]
    );
    let error = decoder.decode_row(wrapped(r#""type":"int64""#, "1500").as_bytes(), &META).expect_err("a changed type");
    assert!(error.to_string().contains("column \"at\""), "{error}");
}

fn orders(key: Option<Vec<usize>>) -> TableSchema {
    table(&[("note", DataType::Utf8), ("id", DataType::Int64)], key)
}

fn change(decoder: &mut JsonDecoder, text: &str) -> Result<Event, String> {
    decoder.decode(None, text.as_bytes()).map_err(|error| error.to_string())
}

#[test]
fn an_update_of_the_key_removes_the_old_row() {
    let update = r#"{"before":{"note":"old","id":1},"after":{"note":"new","id":2},"op":"u"}"#;
    let keyed = orders(Some(vec![1]));
    let alone = table(&[("id", DataType::Int64)], None);
    let mut decoder = JsonDecoder::debezium(&keyed).expect("a decoder");
    let event = change(&mut decoder, update).expect("an event");
    let [Op::Delete(old), Op::Upsert(new)] = &event.ops[..] else { panic!("{:?}", event.ops) };
    assert_eq!(
        (values(old, &alone), values(new, &keyed)),
        (vec!["Int(1)".into()], vec!["\"new\"".into(), "Int(2)".into()])
    );
    let event = change(&mut decoder, &update.replace(":2", ":1")).expect("an event");
    assert!(matches!(&event.ops[..], [Op::Upsert(_)]), "{:?}", event.ops);

    let keyless = orders(None);
    let mut decoder = JsonDecoder::debezium(&keyless).expect("a decoder");
    let event = change(&mut decoder, update).expect("an event");
    let [Op::Remove(old), Op::Insert(new)] = &event.ops[..] else { panic!("{:?}", event.ops) };
    assert_eq!((values(old, &keyless)[0].as_str(), values(new, &keyless)[0].as_str()), ("\"old\"", "\"new\""));
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

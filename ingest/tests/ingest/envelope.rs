//! Debezium's envelopes, written by hand: what an event says of where it came from, and what is refused.

use tidewater_ingest::avro::AvroDecoder;
use tidewater_ingest::event::{Event, Snapshot};
use tidewater_ingest::json::JsonDecoder;
use tidewater_ingest::schema::Node;
use tidewater_types::{Column, TableSchema, Type};

fn table() -> TableSchema {
    let columns = [Column::new("id", Type::Int8).not_null(), Column::new("note", Type::Text)];
    TableSchema::new(columns, Some(vec![0])).expect("a table")
}

/// An Avro text or bytes.
fn text(text: &str) -> Vec<u8> {
    [&[text.len() as u8 * 2], text.as_bytes()].concat()
}

/// An Avro envelope of [`table`] whose `source` has the field `snapshot` of this type, and names the table.
fn avro(snapshot: &str) -> AvroDecoder {
    let row = r#"{"type":"record","name":"Value","fields":[{"name":"id","type":"long"},{"name":"note","type":["null","string"]}]}"#;
    let source = format!(
        r#"{{"type":"record","name":"Source","fields":[{{"name":"snapshot","type":{snapshot}}},
            {{"name":"db","type":"string"}},{{"name":"table","type":["null","string"]}}]}}"#
    );
    let fields = format!(
        r#"{{"name":"before","type":["null",{row}]}},{{"name":"after","type":["null","Value"]}},
           {{"name":"source","type":{source}}},{{"name":"op","type":"string"}}"#
    );
    let node = Node::parse(&format!(r#"{{"type":"record","name":"Envelope","fields":[{fields}]}}"#));
    AvroDecoder::debezium(&table(), None, &node.expect("a schema")).expect("a decoder")
}

fn avro_record(snapshot: &[u8], database: &str, table: &str) -> Vec<u8> {
    let after = [&[0, 2, 2, 2][..], &text("x")].concat();
    [after, snapshot.to_vec(), text(database), vec![2], text(table), text("c")].concat()
}

fn json(source: &str) -> Event {
    let value = format!(r#"{{"before":null,"after":{{"id":1,"note":"x"}},"source":{{{source}}},"op":"r"}}"#);
    JsonDecoder::debezium(&table()).expect("a decoder").decode(None, value.as_bytes()).expect("an event")
}

/// Issue 7, finding 3: the collection's name is the record's, whatever its topic is called.
#[test]
fn finding_3_the_record_names_its_collection() {
    let mut decoder = avro("\"string\"");
    for (database, table) in [("shop", "orders"), ("shop", "users"), ("other", "users"), ("other", "users")] {
        let event = decoder.decode(None, &avro_record(&text("false"), database, table)).expect("an event");
        assert_eq!(&*event.origin.collection, format!("{database}.{table}"));
        let event = json(&format!(r#""snapshot":"true","db":"{database}","table":"{table}""#));
        assert_eq!(&*event.origin.collection, format!("{database}.{table}"));
    }
    assert_eq!(&*json(r#""db":"shop""#).origin.collection, "", "a record that does not say");
    assert_eq!(&*json(r#""db":"shop","table":null"#).origin.collection, "");
}

/// Issue 7, finding 5: older versions write truth values, and the last row of all is not only the last of its table.
#[test]
fn finding_5_every_snapshot_marker_is_known() {
    let markers = [
        ("false", Snapshot::No),
        ("first", Snapshot::First),
        ("first_in_data_collection", Snapshot::First),
        ("true", Snapshot::Row),
        ("last_in_data_collection", Snapshot::Last),
        ("last", Snapshot::LastOfAll),
        ("incremental", Snapshot::Incremental),
    ];
    let mut decoder = avro("\"string\"");
    for (marker, expected) in markers {
        assert_eq!(json(&format!(r#""snapshot":"{marker}""#)).origin.snapshot, expected, "{marker}");
        let event = decoder.decode(None, &avro_record(&text(marker), "shop", "orders")).expect("an event");
        assert_eq!(event.origin.snapshot, expected, "{marker}");
    }
    let mut older = avro(r#"["null","boolean"]"#);
    for (value, expected) in [(true, Snapshot::Row), (false, Snapshot::No)] {
        assert_eq!(json(&format!(r#""snapshot":{value}"#)).origin.snapshot, expected);
        let record = avro_record(&[2, u8::from(value)], "shop", "orders");
        assert_eq!(older.decode(None, &record).expect("an event").origin.snapshot, expected);
    }
    assert_eq!(
        json(r#""snapshot":null"#).origin.snapshot,
        Snapshot::Row,
        "a record without a marker: by its operation"
    );
}

fn refused(record: &str) -> String {
    JsonDecoder::debezium(&table()).expect("a decoder").decode(None, record.as_bytes()).expect_err(record).to_string()
}

/// Issue 7, finding 4: a loss belongs to one transaction, so a record that cannot be decoded says which it is of.
#[test]
fn finding_4_an_undecodable_record_tells_its_transaction() {
    let mut decoder = JsonDecoder::debezium(&table()).expect("a decoder");
    let tail = r#""source":{"snapshot":"false","db":"shop","table":"orders"},"transaction":{"id":"g:7","total_order":1,"data_collection_order":1},"op":"c","ts_ms":1}"#;
    for after in [
        r#"{"id":"no number","note":"x"}"#,
        r#"{"id":1,"note":{"nested":[1,"}"]}}"#,
        r#"{"id":99999999999999999999,"note":"x"}"#,
        r#"{"id":null,"note":"x"}"#,
        r#"{"id":[1],"note":true}"#,
        "null",
    ] {
        let found = decoder.decode(None, format!(r#"{{"before":null,"after":{after},{tail}"#).as_bytes());
        let found = found.expect_err(after);
        assert_eq!(found.transaction.as_deref(), Some("g:7"), "{after}: {found}");
        assert_eq!((found.snapshot, found.collection.as_deref()), (Some(Snapshot::No), Some("shop.orders")));
    }
    let mut broken = br#"{"before":null,"after":{"id":1,"note":"?"},"#.to_vec();
    broken[39] = 0xff;
    broken.extend_from_slice(tail.as_bytes());
    let found = decoder.decode(None, &broken).expect_err("no UTF-8");
    assert_eq!(found.transaction.as_deref(), Some("g:7"), "{found}");
    let whole = format!(r#"{{"before":null,"after":{{"id":1,"note":"x"}},{tail}"#);
    decoder.decode(None, whole.as_bytes()).expect("the next record is what it is");
    let cut = decoder.decode(None, &whole.as_bytes()[..whole.len() - 1]).expect_err("a cut record");
    assert_eq!(cut.transaction.as_deref(), Some("g:7"), "what was read before the cut");

    let mut decoder = avro("\"string\"");
    let mut record = avro_record(&text("last"), "shop", "orders");
    // The note is no UTF-8; the fields behind it are whole.
    record[5] = 0xff;
    let found = decoder.decode(None, &record).expect_err("no UTF-8");
    assert_eq!((found.snapshot, found.collection.as_deref()), (Some(Snapshot::LastOfAll), Some("shop.orders")));
    assert!(found.to_string().contains("column \"note\""), "{found}");
}

/// The same where it is the schema that does not fit the table.
#[test]
fn finding_4_a_foreign_schema_does_not_hide_the_transaction() {
    let row = r#"{"type":"record","name":"Value","fields":[{"name":"id","type":{"type":"array","items":"string"}}]}"#;
    let transaction = r#"{"type":"record","name":"T","fields":[{"name":"id","type":"string"}]}"#;
    let fields = format!(
        r#"{{"name":"after","type":["null",{row}]}},{{"name":"op","type":"string"}},{{"name":"transaction","type":{transaction}}}"#
    );
    let node = Node::parse(&format!(r#"{{"type":"record","name":"Envelope","fields":[{fields}]}}"#)).expect("a schema");
    let mut decoder = AvroDecoder::debezium(&table(), None, &node).expect("a decoder");
    let record = [&[2, 2][..], &text("x"), &[0], &text("c"), &text("g:7")].concat();
    let found = decoder.decode(None, &record).expect_err("a list is no number");
    assert_eq!(found.transaction.as_deref(), Some("g:7"), "{found}");
    assert!(found.to_string().contains("column \"id\""), "{found}");
    let record = [&[0][..], &text("t"), &text("g:7")].concat();
    decoder.decode(None, &record).expect("TRUNCATE has no row");
}

/// Issue 7, finding 12: a record of another kind is named, with what to write instead.
#[test]
fn finding_12_records_of_other_kinds_are_named() {
    let kinds = [
        (
            r#"{"source":{"db":"shop"},"ts_ms":1,"databaseName":"shop","ddl":"ALTER TABLE t","tableChanges":[]}"#,
            "schema change",
        ),
        (r#"{"ts_ms":1}"#, "heartbeat"),
        (r#"{"status":"END","id":"g:7","event_count":1,"data_collections":[],"ts_ms":1}"#, "transaction's boundary"),
        (r#"{"id":1,"note":"x"}"#, "ENVELOPE UPSERT"),
        (
            r#"{"schema":{"type":"struct","fields":[]},"payload":{"id":1,"note":"x","__deleted":"false"}}"#,
            "ENVELOPE UPSERT",
        ),
    ];
    for (record, expected) in kinds {
        let error = refused(record);
        assert!(error.contains(expected), "{record}: {error}");
    }
    let flat =
        Node::parse(r#"{"type":"record","name":"Value","fields":[{"name":"id","type":"long"}]}"#).expect("a schema");
    let error = AvroDecoder::debezium(&table(), None, &flat).err().expect("no envelope").to_string();
    assert!(error.contains("ExtractNewRecordState"), "{error}");
    let error = tidewater_ingest::avro::debezium_table(None, &flat).expect_err("at CREATE, too").to_string();
    assert!(error.contains("ExtractNewRecordState"), "{error}");

    let envelope = r#"{"before":null,"after":{"id":1},"source":{},"op":"c"}"#;
    let mut plain = JsonDecoder::plain(&table(), &[]).expect("a decoder");
    let meta = tidewater_ingest::event::RecordMeta { partition: 0, offset: 0, timestamp_ms: 0 };
    for record in [envelope.to_owned(), format!(r#"{{"schema":{{"type":"struct","fields":[]}},"payload":{envelope}}}"#)]
    {
        for _ in 0..2 {
            let error = plain.decode_row(record.as_bytes(), &meta).expect_err("an envelope").to_string();
            assert!(error.contains("use ENVELOPE DEBEZIUM"), "{error}");
        }
    }
    plain.decode_row(br#"{"id":1,"op":"a service's own"}"#, &meta).expect("a row");
}

/// Issue 7, finding 12: what row images lack is not NULL.
#[test]
fn finding_12_partial_rows_are_refused() {
    let error = refused(r#"{"before":{"id":1},"after":{"note":"new"},"op":"u"}"#);
    assert!(error.contains("column \"id\"") && error.contains("binlog_row_image=FULL"), "{error}");
    let error = refused(r#"{"after":{"id":1,"note":"__debezium_unavailable_value"},"op":"u"}"#);
    assert!(error.contains("column \"note\""), "{error}");

    let mut decoder = JsonDecoder::debezium(&table()).expect("a decoder");
    let mut decode = |record: &str| decoder.decode(None, record.as_bytes()).map_err(|found| found.to_string());
    decode(r#"{"after":{"id":1,"note":"x"},"op":"c"}"#).expect("a whole row");
    for _ in 0..2 {
        let error = decode(r#"{"before":{"id":1,"note":"x"},"after":{"id":1},"op":"u"}"#).expect_err("a partial row");
        assert!(error.contains("column \"note\"") && error.contains("earlier records"), "{error}");
    }
    decode(r#"{"after":{"note":"x","id":2},"op":"c"}"#).expect("in another order");

    let schema = r#"{"type":"struct","fields":[{"type":"struct","field":"after","fields":[{"type":"int64","field":"id"},{"type":"string","optional":true,"field":"note"}]}]}"#;
    let error = refused(&format!(r#"{{"schema":{schema},"payload":{{"after":{{"id":1}},"op":"u"}}}}"#));
    assert!(error.contains("column \"note\"") && error.contains("partial"), "{error}");
}

/// Issue 7, finding 12: under binlog_row_image=MINIMAL Debezium writes NULL for columns that the image lacks.
#[test]
fn finding_12_partial_images_filled_with_null_are_refused_where_they_can_be_told() {
    let column = |name| Column::new(name, Type::Int8);
    let columns = [column("id").not_null(), column("price").not_null(), column("note")];
    let table = TableSchema::new(columns, Some(vec![0])).expect("a table");
    let mut decoder = JsonDecoder::debezium(&table).expect("a decoder");
    let mut decode = |before: &str, after: &str, op: &str| {
        let value = format!(r#"{{"before":{before},"after":{after},"source":{{"snapshot":"false"}},"op":"{op}"}}"#);
        decoder.decode(None, value.as_bytes()).map(drop).map_err(|error| error.to_string())
    };
    let only_key = r#"{"id":1,"price":null,"note":null}"#;
    let insert = decode("null", only_key, "c").expect_err("price is NOT NULL");
    assert!(insert.contains("\"price\" is NOT NULL") && insert.contains("binlog_row_image=FULL"), "{insert}");
    let update = decode(only_key, r#"{"id":null,"price":7,"note":null}"#, "u").expect_err("the key is missing");
    assert!(update.contains("\"id\" is of the key") && update.contains("binlog_row_image=FULL"), "{update}");
    let moved = decode(only_key, r#"{"id":2,"price":null,"note":null}"#, "u").expect_err("a changed key alone");
    assert!(moved.contains("\"price\""), "{moved}");
    assert_eq!(decode(only_key, "null", "d"), Ok(()), "a deletion needs the key alone");
    assert_eq!(
        decode("null", r#"{"id":1,"price":5,"note":null}"#, "c"),
        Ok(()),
        "nothing tells NULL from what is left out"
    );
}

/// Issue 7, finding 12: rows of another key than the table's do not merge.
#[test]
fn finding_12_a_key_of_other_columns_is_refused() {
    let record = br#"{"after":{"id":1,"note":"x"},"op":"c"}"#;
    let mut decoder = JsonDecoder::debezium(&table()).expect("a decoder");
    let schema = r#"{"type":"struct","fields":[]}"#;
    for key in [r#"{"note":"x"}"#.to_owned(), format!(r#"{{"schema":{schema},"payload":{{"id":1,"note":"x"}}}}"#)] {
        let error = decoder.decode(Some(key.as_bytes()), record).expect_err(&key).to_string();
        assert!(error.contains("\"note\"") && error.contains("PRIMARY KEY (id, note)"), "{error}");
    }
    for key in [r#"{"id":1}"#.to_owned(), format!(r#"{{"schema":{schema},"payload":{{"id":1}}}}"#), "1".to_owned()] {
        decoder.decode(Some(key.as_bytes()), record).expect(&key);
    }
    let row =
        r#"{"type":"record","name":"Value","fields":[{"name":"id","type":"long"},{"name":"note","type":"string"}]}"#;
    let fields = format!(r#"{{"name":"after","type":["null",{row}]}},{{"name":"op","type":"string"}}"#);
    let value =
        Node::parse(&format!(r#"{{"type":"record","name":"Envelope","fields":[{fields}]}}"#)).expect("a schema");
    let record = [&[2, 2][..], &text("x"), &text("c")].concat();
    let with_key = |column: &str, of: &str, body: &[u8]| {
        let key = format!(r#"{{"type":"record","name":"Key","fields":[{{"name":"{column}","type":"{of}"}}]}}"#);
        let key = Node::parse(&key).expect("a schema");
        let mut decoder = AvroDecoder::debezium(&table(), Some(&key), &value).expect("a decoder");
        decoder.decode(Some(body), &record).map_err(|found| found.to_string())
    };
    with_key("id", "long", &[2]).expect("the table's key");
    let error = with_key("note", "string", &text("x")).expect_err("another key");
    assert!(error.contains("\"note\""), "{error}");
}

/// A key that carries its schema does not change how rows are read.
#[test]
fn a_key_with_a_schema_is_only_a_key() {
    let columns = [Column::new("note", Type::Text), Column::new("id", Type::Int8).not_null()];
    let table = TableSchema::new(columns, Some(vec![1])).expect("a table");
    let mut decoder = JsonDecoder::debezium(&table).expect("a decoder");
    let key = br#"{"schema":{"type":"struct","fields":[{"type":"int64","field":"id"}]},"payload":{"id":1}}"#;
    let created = br#"{"before":null,"after":{"id":1,"note":"x"},"op":"c"}"#;
    let expected = decoder.decode(Some(key), created).expect("an event");
    let deleted =
        decoder.decode(Some(key), br#"{"before":null,"after":null,"op":"d"}"#).expect("a deletion by its key");
    let [tidewater_delta::Op::Delete(row)] = &deleted.ops[..] else { panic!("a deletion") };
    assert_eq!(row.as_ref().slot(0), 1);
    assert_eq!(decoder.decode(Some(key), created), Ok(expected));
}

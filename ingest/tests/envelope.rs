//! Debezium's envelopes, written by hand: what an event says of where it came from, and what is refused.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema};
use delta::TableSchema;
use ingest::avro::AvroDecoder;
use ingest::event::{Event, Snapshot};
use ingest::json::JsonDecoder;
use ingest::schema::Node;

fn table() -> TableSchema {
    let fields = vec![Field::new("id", DataType::Int64, false), Field::new("note", DataType::Utf8, true)];
    TableSchema::new(Arc::new(Schema::new(fields)), Some(vec![0])).expect("a table")
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

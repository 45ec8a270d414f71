//! Sinks in the catalog: both grammars, keys, what depends on what. Nothing is written: there is no Kafka here.

use tidewater_sql::parse::ast::{Broker, CreateSink, Format, OptionValue, SinkEnvelope};
use tidewater_sql::{Database, Definition, Error, Statement, parse};

use crate::{answer, try_answer};

fn sink(text: &str) -> CreateSink {
    match parse(text).map(|mut all| all.remove(0).statement) {
        Ok(Statement::CreateSink(sink)) => *sink,
        other => panic!("{text}: {other:?}"),
    }
}

fn database() -> Database {
    let mut database = Database::new();
    database
        .execute(
            "CREATE CONNECTION k TO KAFKA (BROKER 'localhost:1');
             CREATE TABLE t (id bigint PRIMARY KEY, b bigint NOT NULL UNIQUE, c text UNIQUE, d text);
             CREATE MATERIALIZED VIEW v AS SELECT id, d FROM t;
             CREATE MATERIALIZED VIEW groups AS SELECT d, count(*) AS n FROM t GROUP BY d;
             CREATE MATERIALIZED VIEW pairs AS SELECT d FROM t;
             CREATE VIEW plain AS SELECT id FROM t",
        )
        .expect("objects");
    database
}

fn refused(database: &mut Database, text: &str, sqlstate: &str, part: &str) {
    let Err(Error { sqlstate: found, message, .. }) = database.execute(text) else { panic!("{text} is done") };
    assert_eq!(String::from_utf8_lossy(&found), sqlstate, "{text}: {message}");
    assert!(message.contains(part), "{text}: {message}");
}

#[test]
fn both_grammars() {
    let today = sink(
        "CREATE SINK IF NOT EXISTS s IN CLUSTER c FROM v INTO KAFKA CONNECTION k (TOPIC 'out', TOPIC PARTITION COUNT 3, \
         TOPIC REPLICATION FACTOR = 1, TOPIC CONFIG MAP['retention.ms' => '1000', 'segment.ms' => 5]) KEY (id) NOT ENFORCED \
         FORMAT JSON ENVELOPE UPSERT WITH (SNAPSHOT = true)",
    );
    assert_eq!(today.broker, Broker::Connection("k".into()));
    assert_eq!((today.topic.as_str(), today.from.as_str(), today.if_not_exists), ("out", "v", true));
    assert_eq!((today.key.as_deref(), today.not_enforced), (Some(&["id".to_owned()][..]), true));
    assert_eq!((&today.format, today.envelope), (&Format::Json, SinkEnvelope::Upsert));
    let text = |text: &str| OptionValue::Text(text.into());
    assert_eq!(
        today.options,
        [
            ("topic partition count".into(), text("3")),
            ("topic replication factor".into(), text("1")),
            ("topic config".into(), OptionValue::List(vec!["retention.ms=1000".into(), "segment.ms=5".into()])),
            ("snapshot".into(), text("true")),
        ]
    );
    let of_2021 = sink(
        "CREATE SINK s FROM v INTO KAFKA BROKER 'a:1, b:2' TOPIC 'out' KEY (id, d) WITH (reuse_topic=true, partition_count=2) \
         FORMAT AVRO USING CONFLUENT SCHEMA REGISTRY 'http://r' ENVELOPE DEBEZIUM WITHOUT SNAPSHOT",
    );
    assert_eq!(of_2021.broker, Broker::Inline(vec!["a:1".into(), "b:2".into()]));
    assert!(matches!(of_2021.format, Format::Avro(_)) && of_2021.envelope == SinkEnvelope::Debezium);
    let options: Vec<_> = of_2021.options.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(options, ["reuse_topic", "partition_count", "snapshot"]);
    let split = sink(
        "CREATE SINK s FROM v INTO KAFKA CONNECTION k (TOPIC 'o') KEY FORMAT JSON VALUE FORMAT JSON ENVELOPE UPSERT",
    );
    assert_eq!((split.key, split.key_format), (None, Some(Format::Json)));
}

#[test]
fn what_is_not_done_is_refused_by_name() {
    let start = "CREATE SINK s FROM v INTO KAFKA CONNECTION k (TOPIC 'o')";
    for (rest, sqlstate, part) in [
        ("KEY (id) FORMAT JSON", "42601", "ENVELOPE"),
        ("KEY (id) HEADERS h FORMAT JSON ENVELOPE UPSERT", "0A000", "HEADERS"),
        ("KEY (id) FORMAT PROTOBUF ENVELOPE UPSERT", "0A000", "FORMAT PROTOBUF"),
        ("KEY (nope) FORMAT JSON ENVELOPE UPSERT", "42703", "nope"),
        ("KEY (id, id) FORMAT JSON ENVELOPE UPSERT", "42701", "twice"),
        ("KEY (d) FORMAT JSON ENVELOPE UPSERT", "42P10", "(d) is not known to identify"),
    ] {
        refused(&mut database(), &format!("{start} {rest}"), sqlstate, part);
    }
    let kafka = "INTO KAFKA CONNECTION k (TOPIC 'o')";
    for (from, sqlstate, part) in [
        ("nothing", "42P01", "nothing"),
        ("plain", "42809", "cannot be made from the view \"plain\""),
        ("pairs", "42P10", "has no key"),
    ] {
        let text = format!("CREATE SINK s FROM {from} {kafka} FORMAT JSON ENVELOPE UPSERT");
        refused(&mut database(), &text, sqlstate, part);
    }
}

#[test]
fn keys_are_those_of_the_relation() {
    for (from, key, places, unique) in [
        ("t", "", vec![0], true),
        ("t", "KEY (b)", vec![1], true),
        ("t", "KEY (d, id)", vec![3, 0], true),
        ("t", "KEY (c) NOT ENFORCED", vec![2], false),
        ("v", "", vec![0], true),
        ("groups", "KEY (d)", vec![0], true),
        ("pairs", "KEY (d) NOT ENFORCED", vec![0], false),
    ] {
        let mut database = database();
        let text = format!(
            "CREATE SINK s FROM {from} INTO KAFKA CONNECTION k (TOPIC 'o') {key} FORMAT JSON ENVELOPE DEBEZIUM"
        );
        database.execute(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let sink = database.sinks().remove(0);
        assert_eq!((sink.key, sink.unique), (places, unique), "{text}");
    }
    // One of two NULLs is not the other, so a column that may be NULL is no key by its being UNIQUE.
    refused(
        &mut database(),
        "CREATE SINK s FROM t INTO KAFKA CONNECTION k (TOPIC 'o') KEY (c) FORMAT JSON ENVELOPE UPSERT",
        "42P10",
        "(c)",
    );
}

#[test]
fn a_sink_is_an_object_of_the_catalog() {
    let mut database = database();
    let text = "CREATE SINK s FROM v INTO KAFKA CONNECTION k (TOPIC 'out') KEY (id) FORMAT JSON ENVELOPE UPSERT";
    database.execute(text).expect("a sink");
    refused(&mut database, text, "42P07", "\"s\" already exists");
    database.execute(&text.replace("SINK s", "SINK IF NOT EXISTS s")).expect("it is there");
    let shown = answer(&mut database, "SHOW SINKS");
    assert_eq!(shown, ["s|kafka|default|out|upsert|starting||NULL||0|0|0"]);
    assert_eq!(answer(&mut database, "SHOW CREATE SINK s"), [format!("materialize.public.s|{text}")]);
    let sinks = answer(&mut database, "SELECT name, type, envelope_type, value_format FROM mz_sinks");
    assert_eq!(sinks, ["s|kafka|upsert|json"]);
    assert_eq!(answer(&mut database, "SELECT name FROM mz_objects WHERE type = 'sink'"), ["s"]);
    assert!(try_answer(&mut database, "SELECT * FROM s").is_err_and(|error| error.sqlstate == *b"42P01"));
    for dropped in ["MATERIALIZED VIEW v", "CONNECTION k", "TABLE t"] {
        refused(&mut database, &format!("DROP {dropped}"), "2BP01", "still depended upon by");
    }
    refused(&mut database, "DROP VIEW s", "42809", "not a view");

    // A restart makes all of it again; what cannot be made keeps its name.
    let definitions: Vec<Definition> = database.definitions();
    let mut again = Database::new();
    let names: Vec<_> =
        definitions.into_iter().map(|kept| again.add_broken(kept, Error::new(b"57P03", "starting"))).collect();
    assert_eq!(answer(&mut again, "SHOW SINKS"), ["s|kafka|default|NULL|NULL|broken|starting|NULL||0|0|0"]);
    names.iter().for_each(|name| again.mend_by_statement(name).expect("made"));
    let (before, after) = (database.sinks().remove(0), again.sinks().remove(0));
    assert_eq!((before.oid, &before.statement, before.key), (after.oid, &after.statement, after.key));
    assert_eq!(answer(&mut again, "SHOW SINKS"), shown);

    database.execute("DROP VIEW v CASCADE").expect("it goes with its sink");
    assert!(database.sinks().is_empty() && answer(&mut database, "SHOW SINKS").is_empty());
}

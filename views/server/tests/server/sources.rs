//! What users see of sources: states, notices, errors, dead letters. Events come from the tests instead of from Kafka.

use std::time::Duration;

use futures::StreamExt;
use serde_json::{Value, json};
use tidewater::Running;
use tidewater_delta::{Change, Commit, Op, TableId};
use tidewater_ingest::{DeadLetter, Health, SourceEvent, State};
use tidewater_query::run::pack_row;
use tidewater_types::{Datum, Type};
use tokio::sync::mpsc;
use tokio_postgres::error::DbError;
use tokio_postgres::{AsyncMessage, Client};

use crate::http::{Answer, request};
use crate::{RUNTIME, config, connect, within};

type Events = mpsc::Sender<SourceEvent>;

pub(crate) const JSON: &str =
    "(id bigint, name text, PRIMARY KEY (id) NOT ENFORCED) FROM KAFKA BROKER 'nowhere:1' TOPIC";

async fn fed() -> (Running, Events) {
    tidewater::start_without_kafka(&config()).await.expect("a server")
}

/// A client and the notices that it is sent.
pub(crate) async fn hearing(running: &Running) -> (Client, mpsc::UnboundedReceiver<DbError>) {
    let config = format!("host=127.0.0.1 port={} user=anybody dbname=materialize", running.pg_address.port());
    let (client, mut connection) = tokio_postgres::connect(&config, tokio_postgres::NoTls).await.expect("a connection");
    let (sender, heard) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut messages = futures::stream::poll_fn(move |context| connection.poll_message(context));
        while let Some(Ok(message)) = messages.next().await {
            if let AsyncMessage::Notice(notice) = message {
                let _ = sender.send(notice);
            }
        }
    });
    (client, heard)
}

pub(crate) fn texts(heard: &mut mpsc::UnboundedReceiver<DbError>) -> Vec<String> {
    let mut texts = Vec::new();
    while let Ok(notice) = heard.try_recv() {
        texts.push(format!("{}: {}", notice.severity(), notice.message()));
    }
    texts
}

async fn say(events: &Events, table: TableId, state: State, reason: &str, lost: u64) {
    let hint = if reason.is_empty() { "" } else { "the remedy" };
    let health = Health { state, reason: reason.into(), hint: hint.into(), lost, lag: Some(3) };
    events.send(SourceEvent::Health { table, health }).await.expect("the loop runs");
}

/// The first row of a query once it is `expected` in its first column.
async fn until(client: &Client, query: &str, expected: &str) {
    let mut again = tokio::time::interval(Duration::from_millis(20));
    let last = std::cell::RefCell::new(String::new());
    let comes = tokio::time::timeout(Duration::from_secs(30), async {
        loop {
            again.tick().await;
            let rows = client.query(query, &[]).await.expect("an answer");
            *last.borrow_mut() = rows.first().map(|row| row.get::<_, String>(0)).unwrap_or_default();
            if *last.borrow() == expected {
                return;
            }
        }
    });
    assert!(comes.await.is_ok(), "{query}: {} is not {expected}", last.borrow());
}

fn row(table: TableId, id: i64, name: &str) -> SourceEvent {
    let row = pack_row(&[Type::Int8.into(), Type::Text.into()], &[Datum::Int(id), Datum::from(name)]);
    SourceEvent::Commits(vec![Commit::local(vec![Change { table, op: Op::Upsert(row) }])])
}

#[test]
fn readers_of_an_incomplete_source_are_told_at_once_through_views_too() {
    RUNTIME.block_on(async {
        let (running, events) = fed().await;
        let client = connect(&running).await;
        client
            .batch_execute(&format!(
                "CREATE SOURCE orders {JSON} 'mysql.shop.orders' FORMAT JSON ENVELOPE DEBEZIUM;
                 CREATE MATERIALIZED VIEW names AS SELECT name, count(*) AS n FROM orders GROUP BY name;
                 CREATE VIEW plain AS SELECT * FROM names"
            ))
            .await
            .expect("objects");
        let orders = running.handle.source_id("orders").expect("a source");
        // A reader that waits already is told, too.
        let (waits, said) = tokio::join!(within(client.query("SELECT * FROM plain", &[])), async {
            say(&events, orders, State::Incomplete, "topic \"x\" begins at offset 7", 0).await;
        });
        let () = said;
        let error = waits.expect_err("no answer");
        let told = error.as_db_error().expect("the server's");
        assert_eq!(told.code().code(), "55000", "{told:?}");
        assert!(told.message().contains("\"orders\"") && told.message().contains("begins at offset 7"), "{told:?}");
        assert_eq!(told.hint(), Some("the remedy"));
        for query in ["SELECT * FROM orders WHERE id = 1", "SELECT * FROM names", "COPY plain TO STDOUT"] {
            let error = within(client.batch_execute(query)).await.expect_err("no answer");
            assert_eq!(error.code().map(|code| code.code()), Some("55000"), "{query}");
        }
        let Answer { status, body: ready, .. } = request(running.http_address, "GET /ready", "").await;
        assert!(status == 503 && ready.contains("begins at offset 7"), "{status} {ready}");
        let shown = client.query_one("SHOW SOURCES", &[]).await.expect("a source");
        assert_eq!(shown.get::<_, &str>("status"), "incomplete");
        let shown = client.query_one("SHOW MATERIALIZED VIEWS", &[]).await.expect("a view");
        assert_eq!(shown.get::<_, &str>("status"), "incomplete: source \"orders\"");
        running.stop().await;
    });
}

/// MySQL dropped a column: its readers are told, and the catalog, before a row comes that lacks it.
#[test]
fn readers_of_a_lost_column_are_refused_and_the_others_go_on() {
    RUNTIME.block_on(async {
        let (running, events) = fed().await;
        let client = connect(&running).await;
        client
            .batch_execute(&format!(
                "CREATE SOURCE orders {JSON} 'mysql.shop.orders' FORMAT JSON ENVELOPE DEBEZIUM;
                 CREATE MATERIALIZED VIEW ids AS SELECT id FROM orders;
                 CREATE MATERIALIZED VIEW names AS SELECT name FROM orders"
            ))
            .await
            .expect("objects");
        let orders = running.handle.source_id("orders").expect("a source");
        events.send(SourceEvent::Hydrated(orders)).await.expect("the loop runs");
        let reason = "column \"name\" is not in the record".to_owned();
        events.send(SourceEvent::ColumnLost { table: orders, column: 1, reason }).await.expect("the loop runs");
        events.send(row(orders, 7, "")).await.expect("the loop runs");
        until(&client, "SELECT id::text FROM ids", "7").await;
        for query in ["SELECT * FROM names", "SELECT * FROM orders", "SELECT name FROM orders WHERE id = 7"] {
            let error = within(client.batch_execute(query)).await.expect_err("no answer");
            let told = error.as_db_error().expect("the server's");
            assert_eq!(told.code().code(), "55000", "{query}: {told:?}");
            assert!(told.message().contains("\"name\" of source \"orders\""), "{query}: {told:?}");
        }
        assert_eq!(within(client.query("SELECT id FROM orders WHERE id = 7", &[])).await.expect("an answer").len(), 1);
        let shown = client.query_one("SHOW SOURCES", &[]).await.expect("a source");
        assert!(shown.get::<_, &str>("reason").contains("column \"name\""), "{shown:?}");
        running.stop().await;
    });
}

#[test]
fn a_timeout_names_what_was_waited_for_and_why() {
    RUNTIME.block_on(async {
        let (running, events) = fed().await;
        let client = connect(&running).await;
        client
            .batch_execute(&format!("CREATE SOURCE users {JSON} 't' FORMAT JSON ENVELOPE UPSERT"))
            .await
            .expect("a source");
        let users = running.handle.source_id("users").expect("a source");
        say(&events, users, State::Waiting, "topic \"t\" does not exist yet", 0).await;
        until(&client, "SELECT status FROM tidewater.sources", "waiting").await;
        client.batch_execute("SET statement_timeout = '100ms'").await.expect("SET");
        let error = client.query("SELECT * FROM users", &[]).await.expect_err("a timeout");
        let told = error.as_db_error().expect("the server's");
        assert_eq!(told.code().code(), "57014");
        assert!(told.message().contains("\"users\" (0 of 0, waiting: topic \"t\" does not exist yet)"), "{told:?}");
        assert!(
            told.hint().is_some_and(|hint| hint.contains("the remedy") && hint.contains("SHOW SOURCES")),
            "{told:?}"
        );
        running.stop().await;
    });
}

#[test]
fn a_source_that_stands_still_serves_its_last_whole_state_and_says_so() {
    RUNTIME.block_on(async {
        let (running, events) = fed().await;
        let (client, mut heard) = hearing(&running).await;
        client
            .batch_execute(&format!(
                "CREATE SOURCE users {JSON} 'm.s.users' FORMAT JSON ENVELOPE DEBEZIUM ON ERROR DEAD LETTER;
                 CREATE MATERIALIZED VIEW v AS SELECT name FROM users"
            ))
            .await
            .expect("objects");
        let users = running.handle.source_id("users").expect("a source");
        events.send(row(users, 1, "ann")).await.expect("the loop runs");
        events.send(SourceEvent::Hydrated(users)).await.expect("the loop runs");
        until(&client, "SELECT name FROM v", "ann").await;
        assert_eq!(texts(&mut heard), Vec::<String>::new());
        say(&events, users, State::Stalled, "transaction 7 misses an event", 2).await;
        until(&client, "SELECT status FROM tidewater.sources", "stalled").await;
        // Every kind of query: a lookup, a prepared one, a plan.
        for query in ["SELECT name FROM users WHERE id = 1", "SELECT name FROM v"] {
            assert_eq!(client.query_one(query, &[]).await.expect("a row").get::<_, &str>(0), "ann");
            let [stalled, lost] = &texts(&mut heard)[..] else { panic!("{query}: two notices") };
            assert!(stalled.starts_with("WARNING") && stalled.contains("transaction 7 misses an event"), "{stalled}");
            assert!(lost.starts_with("NOTICE") && lost.contains("lost 2 records"), "{lost}");
        }
        client.batch_execute("SET client_min_messages = 'error'; SELECT name FROM v").await.expect("rows");
        assert_eq!(texts(&mut heard), Vec::<String>::new());
        let Answer { body: text, .. } =
            request(running.http_address, "POST /api/sql", &json!({"query": "SELECT name FROM v"}).to_string()).await;
        let result = serde_json::from_str::<Value>(&text).expect("JSON")["results"][0].clone();
        assert_eq!(
            (&result["rows"][0][0], &result["notices"][0]["severity"]),
            (&json!("ann"), &json!("warning")),
            "{result}"
        );
        assert_eq!(result["notices"][0]["hint"], "the remedy");
        let metrics = running.handle.metrics();
        for line in [
            "tidewater_source_state{source=\"users\",state=\"stalled\"} 1",
            "tidewater_source_state{source=\"users\",state=\"running\"} 0",
            "tidewater_source_lag_records{source=\"users\"} 3",
            "tidewater_source_lost_total{source=\"users\"} 2",
        ] {
            assert!(metrics.lines().any(|found| found == line), "{line} in {metrics}");
        }
        assert_eq!(running.handle.ready(), Ok(()), "what stands still serves");
        running.stop().await;
    });
}

#[test]
fn tables_without_transactions_are_announced_once_a_session() {
    RUNTIME.block_on(async {
        let (running, events) = fed().await;
        let (client, mut heard) = hearing(&running).await;
        for name in ["a", "b"] {
            let options = "WITH (TRANSACTION TOPIC = 'none')";
            client
                .batch_execute(&format!(
                    "CREATE SOURCE {name} {JSON} 'm.s.{name}' FORMAT JSON ENVELOPE DEBEZIUM {options}"
                ))
                .await
                .expect("a source");
            let table = running.handle.source_id(name).expect("a source");
            events.send(SourceEvent::Hydrated(table)).await.expect("the loop runs");
        }
        client.batch_execute("CREATE VIEW ab AS SELECT a.id FROM a JOIN b ON a.id = b.id").await.expect("a view");
        client.batch_execute("SELECT * FROM a").await.expect("rows");
        assert_eq!(texts(&mut heard), Vec::<String>::new(), "one table alone is in order");
        client.batch_execute("SELECT * FROM ab; SELECT * FROM ab").await.expect("rows");
        let [told] = &texts(&mut heard)[..] else { panic!("it is told once") };
        assert!(told.contains("each table in order, best effort across tables"), "{told}");
        let rows = client.query("SELECT consistency FROM tidewater.sources ORDER BY name", &[]).await.expect("rows");
        assert_eq!(rows.iter().map(|row| row.get::<_, &str>(0)).collect::<Vec<_>>(), ["table", "table"]);
        running.stop().await;
    });
}

#[test]
fn sources_are_listed_with_what_they_are_about() {
    RUNTIME.block_on(async {
        let (running, events) = fed().await;
        let client = connect(&running).await;
        client
            .batch_execute(&format!("CREATE SOURCE users {JSON} 'm.s.users' FORMAT JSON ENVELOPE DEBEZIUM"))
            .await
            .expect("a source");
        let shown = client.query("SHOW SOURCES", &[]).await.expect("a source");
        let columns: Vec<_> = shown[0].columns().iter().map(|column| column.name()).collect();
        let expected = ["name", "type", "status", "since", "reason", "hint", "lost", "lag", "on_error", "consistency"];
        assert_eq!(columns, expected);
        let table = client.query("SELECT * FROM tidewater.sources", &[]).await.expect("a row");
        assert_eq!(table[0].columns().iter().map(|column| column.name()).collect::<Vec<_>>(), expected);
        assert_eq!((table[0].get::<_, &str>("status"), table[0].get::<_, &str>("on_error")), ("hydrating", "stall"));
        let users = running.handle.source_id("users").expect("a source");
        events.send(SourceEvent::Progress { table: users, read: 5, of: 10 }).await.expect("the loop runs");
        until(&client, "SELECT reason FROM tidewater.sources", "5 of 10 records read").await;
        let since =
            client.query_one("SHOW SOURCES", &[]).await.expect("a row").get::<_, std::time::SystemTime>("since");
        assert!(since.elapsed().is_ok_and(|elapsed| elapsed < Duration::from_secs(100)), "{since:?}");
        events.send(SourceEvent::Hydrated(users)).await.expect("the loop runs");
        until(&client, "SELECT status FROM tidewater.sources", "running").await;
        client.batch_execute("DROP SOURCE users").await.expect("it goes");
        assert!(client.query("SELECT * FROM tidewater.sources", &[]).await.expect("rows").is_empty());
        running.stop().await;
    });
}

#[test]
fn dead_letters_are_bounded_and_told_once_each() {
    RUNTIME.block_on(async {
        let config = tidewater::config::Config { dead_letters: 3, ..config() };
        let (running, events) = tidewater::start_without_kafka(&config).await.expect("a server");
        let client = connect(&running).await;
        // A source that is read again brings the same records.
        for offset in [1, 2, 3, 4, 5, 5, 4, 6] {
            let letter = DeadLetter {
                source: "s".into(),
                topic: "t".into(),
                partition: 0,
                offset,
                timestamp_ms: 0,
                key: None,
                value: Some(b"x".to_vec()),
                reason: "it is bad".into(),
            };
            events.send(SourceEvent::DeadLetter(Box::new(letter))).await.expect("the loop runs");
        }
        until(
            &client,
            "SELECT coalesce(string_agg(\"offset\"::text, ',' ORDER BY \"offset\"), '') FROM tidewater.dead_letters",
            "4,5,6",
        )
        .await;
        assert!(running.handle.metrics().contains("tidewater_dead_letters_total 8\n"));
        running.stop().await;
    });
}

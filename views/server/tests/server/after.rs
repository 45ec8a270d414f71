//! Reading one's own writes: queries that wait for a position, over PostgreSQL's protocol and HTTP. Commits are fed in-process.

use std::sync::Arc;

use serde_json::{Value, json};
use tidewater::Running;
use tidewater_delta::{Change, Commit, Op};
use tidewater_ingest::SourceEvent;
use tidewater_query::run::pack_row;
use tidewater_types::{Datum, Type};
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use crate::http::request;
use crate::{RUNTIME, connect, queries_begun, server, until_begun, within};

const UUID: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";

/// A server with a table of MySQL and a topic, whose brokers no one answers for, and a view that joins them.
async fn fed() -> (Running, Client) {
    let running = server().await;
    let client = connect(&running).await;
    let of = |name: &str, topic: &str, envelope: &str| {
        format!(
            "CREATE SOURCE {name} (id bigint, n bigint, PRIMARY KEY (id) NOT ENFORCED) FROM KAFKA BROKER '127.0.0.1:1'
             TOPIC '{topic}' FORMAT JSON ENVELOPE {envelope}"
        )
    };
    for statement in [of("orders", "mysql.shop.orders", "DEBEZIUM"), of("updates", "order_updates", "UPSERT")] {
        client.batch_execute(&statement).await.expect("a source");
    }
    let view = "CREATE MATERIALIZED VIEW v AS SELECT o.id, o.n, u.n AS status FROM orders o LEFT JOIN updates u ON u.id = o.id;
                CREATE INDEX ON v (id); CREATE TABLE t (a int)";
    client.batch_execute(view).await.expect("a view");
    for name in ["orders", "updates"] {
        let table = running.handle.source(name).expect("a source");
        running.handle.feed(SourceEvent::Hydrated(table)).await.expect("it runs");
    }
    (running, client)
}

/// Feeds a commit that sets row 1 of a source, or nothing.
async fn feed(running: &Running, timeline: &str, position: &str, row: Option<(&str, i64)>) {
    let change = |(name, n)| {
        let row = pack_row(&[Type::Int8.into(), Type::Int8.into()], &[Datum::Int(1), Datum::Int(n)]);
        Change { table: running.handle.source(name).expect("a source"), op: Op::Upsert(row) }
    };
    let commit = Commit {
        timeline: timeline.into(),
        position: position.parse().expect("a position"),
        committed_ms: 1_700_000_000_000,
        changes: row.map(change).into_iter().collect(),
    };
    running.handle.feed(SourceEvent::Commits(vec![commit])).await.expect("it runs");
}

async fn order(running: &Running, number: u64, n: i64) {
    feed(running, "mysql.transaction", &format!("{UUID}:{number}"), Some(("orders", n))).await;
}

async fn after(client: &Client, position: &str) {
    client.batch_execute(&format!("SET tidewater.after = '{position}'")).await.expect("SET");
}

#[test]
fn a_query_waits_until_what_it_reads_includes_the_position() {
    RUNTIME.block_on(async {
        let (running, client) = fed().await;
        order(&running, 1, 10).await;
        after(&client, &format!("{UUID}:1")).await;
        assert_eq!(
            within(client.query_one("SELECT n FROM v WHERE id = 1", &[])).await.expect("a row").get::<_, i64>(0),
            10
        );
        after(&client, &format!("{UUID}:3")).await;
        // By the index, by a plan, by COPY: none answers before the third transaction.
        let lookup = client.prepare("SELECT n FROM v WHERE id = $1").await.expect("a lookup");
        let before = queries_begun(&running);
        let read = async {
            let found: i64 = within(client.query_one(&lookup, &[&1_i64])).await.expect("a row").get(0);
            found
        };
        let write = async {
            until_begun(&running, before).await;
            order(&running, 2, 20).await;
            // The third changes nothing that is read here.
            feed(&running, "mysql.transaction", &format!("{UUID}:3"), None).await;
        };
        assert_eq!(tokio::join!(read, write).0, 20);
        assert_eq!(client.query_one("SELECT sum(n)::bigint FROM v", &[]).await.expect("a row").get::<_, i64>(0), 20);
        // A list waits for all of its parts.
        after(&client, &format!("{UUID}:3,order_updates/0@8")).await;
        let before = queries_begun(&running);
        let read =
            async { within(client.query_one("SELECT status FROM v", &[])).await.expect("a row").get::<_, i64>(0) };
        let write = async {
            until_begun(&running, before).await;
            feed(&running, "order_updates", "order_updates/0@8", Some(("updates", 5))).await;
        };
        assert_eq!(tokio::join!(read, write).0, 5);
        running.stop().await;
    });
}

#[test]
fn a_position_that_does_not_come_is_a_timeout_that_tells_how_far_it_is() {
    RUNTIME.block_on(async {
        let (running, client) = fed().await;
        order(&running, 7, 10).await;
        client.batch_execute("SET statement_timeout = '300ms'").await.expect("SET");
        after(&client, &format!("{UUID}:7")).await;
        client.batch_execute("SELECT n FROM v").await.expect("it is there");
        after(&client, &format!("{UUID}:8")).await;
        let error = within(client.batch_execute("SELECT n FROM v")).await.expect_err("it is not there");
        let error = error.as_db_error().expect("the server's");
        assert_eq!(error.code(), &SqlState::QUERY_CANCELED);
        for part in [
            &format!("asked for {UUID}:8"),
            "\"mysql.transaction\"",
            &format!("reached {UUID}:7"),
            "2023-11-14T22:13:20.000Z",
            "lag was",
        ] {
            assert!(error.message().contains(part), "{part} in: {}", error.message());
        }
        let unknown = "aaaaaaaa-71ca-11e1-9e33-c80aa9429562:1";
        after(&client, unknown).await;
        let error = within(client.batch_execute("SELECT n FROM v")).await.expect_err("it is not there");
        let message = error.as_db_error().expect("the server's").message().to_owned();
        assert!(message.contains(unknown) && message.contains("no transaction of that server"), "{message}");
        // It is not waited for where it could never come, nor where nothing could bring it.
        let code = async |text: &str| client.batch_execute(text).await.expect_err("an error").code().cloned();
        assert_eq!(code("SELECT n FROM updates").await, Some(SqlState::INVALID_PARAMETER_VALUE));
        client
            .batch_execute("SELECT * FROM t; SELECT 1; SELECT * FROM pg_class; SELECT * FROM tidewater.timelines")
            .await
            .expect("rows");
        for wrong in ["42", "uuid:42", "x.y"] {
            assert_eq!(
                code(&format!("SET tidewater.after = '{wrong}'")).await,
                Some(SqlState::INVALID_PARAMETER_VALUE)
            );
        }
        client.batch_execute("RESET tidewater.after; SELECT n FROM v").await.expect("it waits no more");
        after(&client, unknown).await;
        after(&client, "").await;
        client.batch_execute("SELECT n FROM v").await.expect("it waits no more");
        client
            .batch_execute(&format!("BEGIN; SET LOCAL tidewater.after = '{unknown}'; COMMIT; SELECT n FROM v"))
            .await
            .expect("nor here");
        running.stop().await;
    });
}

#[test]
fn show_tells_positions_that_set_takes() {
    RUNTIME.block_on(async {
        let (running, client) = fed().await;
        order(&running, 5, 1).await;
        feed(&running, "order_updates", "order_updates/0@4", None).await;
        after(&client, &format!("{UUID}:5,order_updates/0@4")).await;
        within(client.batch_execute("SELECT n FROM v")).await.expect("both have come");
        let shown: String = client.query_one("SHOW tidewater.position", &[]).await.expect("a row").get(0);
        assert_eq!(shown, format!("{UUID}:5,order_updates/0@4"));
        after(&client, &shown).await;
        client.batch_execute("SELECT n FROM v").await.expect("it is there");
        let error = client.batch_execute("SET tidewater.position = 'x'").await.expect_err("it tells");
        assert_eq!(error.code(), Some(&SqlState::CANT_CHANGE_RUNTIME_PARAM));
        let rows = client
            .query("SELECT timeline, commits, lag_ms > 0 FROM tidewater.timelines ORDER BY 1", &[])
            .await
            .expect("rows");
        let rows: Vec<(String, i64, bool)> = rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
        assert_eq!(rows, [("mysql.transaction".into(), 1, true), ("order_updates".into(), 1, true)]);
        running.stop().await;
    });
}

#[test]
fn a_waiting_query_can_be_cancelled() {
    RUNTIME.block_on(async {
        let (running, client) = fed().await;
        after(&client, &format!("{UUID}:9")).await;
        let (cancel, before) = (client.cancel_token(), queries_begun(&running));
        let (ended, ()) = tokio::join!(within(client.batch_execute("SELECT n FROM v")), async {
            until_begun(&running, before).await;
            cancel.cancel_query(tokio_postgres::NoTls).await.expect("a cancel");
        });
        assert_eq!(ended.expect_err("cancelled").code(), Some(&SqlState::QUERY_CANCELED));
        running.stop().await;
    });
}

#[test]
fn over_http_answers_tell_their_position_and_wait_for_one() {
    RUNTIME.block_on(async {
        let (running, _client) = fed().await;
        let ask = async |path: &str, query: &str| {
            let body = json!({ "query": query }).to_string();
            let answer = within(request(running.http_address, &format!("POST /api/sql{path}"), &body)).await;
            let header =
                answer.head.lines().find_map(|line| line.strip_prefix("tidewater-position: ")).map(str::to_owned);
            let results = serde_json::from_str::<Value>(&answer.body).expect("JSON")["results"].clone();
            (answer.status, header.unwrap_or_default(), results)
        };
        order(&running, 1, 10).await;
        let (status, position, results) = ask(&format!("?after={UUID}:1"), "SELECT n FROM v").await;
        assert_eq!((status, position, &results[0]["rows"]), (200, format!("{UUID}:1"), &json!([[10]])));
        // What one answer told, the next may ask for.
        feed(&running, "order_updates", "order_updates/0@3", Some(("updates", 2))).await;
        let (_, position, _) = ask("?after=order_updates/0@3", "SELECT 1; SELECT n FROM v").await;
        assert_eq!(position, format!("{UUID}:1,order_updates/0@3"));
        assert_eq!(ask(&format!("?after={position}"), "SELECT status FROM v").await.2[0]["rows"], json!([[2]]));
        // It waits, and gets the new row.
        let before = queries_begun(&running);
        let path = format!("?after={UUID}:2");
        let write = async {
            until_begun(&running, before).await;
            order(&running, 2, 20).await;
        };
        let ((status, position, results), ()) = tokio::join!(ask(&path, "SELECT n FROM orders"), write);
        assert_eq!((status, position, &results[0]["rows"]), (200, format!("{UUID}:2"), &json!([[20]])));
        let (status, position, results) =
            ask(&format!("?after={UUID}:3&timeout=100ms"), "SELECT 1; SELECT n FROM v").await;
        assert_eq!((status, results[1]["error"]["code"].as_str()), (504, Some("57014")), "{results}");
        assert!(
            position.starts_with(&format!("{UUID}:2")) && results[1]["error"]["reached"] == json!(position),
            "{results}"
        );
        assert_eq!(results[0]["rows"], json!([[1]]), "what needs no position is answered");
        assert_eq!(ask("?after=x", "SELECT 1").await.0, 400);
        assert_eq!(ask("?timeout=x", "SELECT 1").await.0, 400);
        assert_eq!(ask("", "SELECT 1").await.1, "", "what shows nothing of a source has no position");
        running.stop().await;
    });
}

/// Clients that write and read at once: each sees its own write, whoever wrote since.
#[test]
fn every_read_after_a_write_shows_it() {
    RUNTIME.block_on(async {
        let (running, _client) = fed().await;
        let (running, newest) = (Arc::new(running), Arc::new(tokio::sync::Mutex::new(0_u64)));
        let clients = futures::future::join_all((0..4).map(|_| connect(&running))).await;
        let write_and_read = |client: Client| {
            let (running, newest) = (running.clone(), newest.clone());
            async move {
                let lookup = client.prepare("SELECT n FROM v WHERE id = $1").await.expect("a lookup");
                for _ in 0..100 {
                    let number = {
                        let mut newest = newest.lock().await;
                        *newest += 1;
                        order(&running, *newest, *newest as i64).await;
                        *newest
                    };
                    let position = format!("{UUID}:{number}");
                    let ((), row) = futures::join!(after(&client, &position), client.query_one(&lookup, &[&1_i64]));
                    let seen: i64 = row.expect("a row").get(0);
                    assert!(seen as u64 >= number, "{seen} after {number}");
                }
            }
        };
        let tasks: Vec<_> = clients.into_iter().map(|client| tokio::spawn(write_and_read(client))).collect();
        for task in tasks {
            within(task).await.expect("every read shows its write");
        }
        Arc::into_inner(running).expect("the tasks have ended").stop().await;
    });
}

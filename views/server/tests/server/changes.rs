//! INSERT, UPDATE and DELETE that compute for long, or need much: nobody else waits for them, and they can be ended.

use serde_json::{Value, json};
use tidewater::Running;
use tidewater::config::Config;
use tokio_postgres::error::SqlState;

use crate::http::request;
use crate::limits::big;
use crate::{RUNTIME, config, connect, counted, server, until_counted, within};

/// It computes far longer than any test waits.
const LONG: &str = "INSERT INTO t SELECT a.id FROM big a, big b WHERE a.id + b.id = -1";

const STATEMENTS: &str = "tidewater_statements_total ";

/// A server that has begun [`LONG`].
async fn busy(running: &Running) -> tokio_postgres::Client {
    let client = big(running, 30_000).await;
    client.batch_execute("CREATE TABLE t (id bigint)").await.expect("a table");
    client
}

#[test]
fn a_change_that_computes_for_long_holds_nobody_up_and_is_cancelled() {
    RUNTIME.block_on(async {
        let running = server().await;
        let client = busy(&running).await;
        let (cancel, other, before) = (client.cancel_token(), connect(&running).await, counted(&running, STATEMENTS));
        let (ended, ()) = tokio::join!(within(client.batch_execute(LONG)), async {
            until_counted(&running, STATEMENTS, before).await;
            other
                .batch_execute("SELECT id FROM big WHERE id = 7; INSERT INTO t VALUES (1)")
                .await
                .expect("others go on");
            assert_eq!(request(running.http_address, "GET /ready", "").await.status, 200);
            assert_eq!(request(running.http_address, "GET /metrics", "").await.status, 200);
            cancel.cancel_query(tokio_postgres::NoTls).await.expect("a cancel");
        });
        assert_eq!(ended.expect_err("cancelled").code(), Some(&SqlState::QUERY_CANCELED));
        let count: i64 = client.query_one("SELECT count(*) FROM t", &[]).await.expect("a row").get(0);
        assert_eq!(count, 1, "the session goes on, and nothing of the change is there");
        running.stop().await;
    });
}

#[test]
fn a_change_ends_at_its_timeout() {
    RUNTIME.block_on(async {
        let running = server().await;
        let client = busy(&running).await;
        client.batch_execute("SET statement_timeout = '500ms'").await.expect("SET");
        for text in [LONG, "DELETE FROM big WHERE id IN (SELECT a.id + b.id FROM big a, big b WHERE a.id + b.id = -1)"]
        {
            let ended = within(client.batch_execute(text)).await.expect_err("a timeout");
            assert_eq!(ended.code(), Some(&SqlState::QUERY_CANCELED), "{text}");
        }
        running.stop().await;
    });
}

#[test]
fn statements_that_need_too_much_memory_are_refused() {
    RUNTIME.block_on(async {
        let running = tidewater::start(&Config { query_memory_mib: 1, ..config() }).await.expect("a server");
        let client = connect(&running).await;
        client.batch_execute("CREATE TABLE t (a bigint, s text)").await.expect("a table");
        for text in [
            "SELECT count(*) FROM (SELECT DISTINCT i FROM generate_series(1, 200000) AS g(i)) AS s",
            "SELECT i FROM generate_series(1, 200000) AS g(i) ORDER BY -i",
            "INSERT INTO t SELECT i, 'some text' FROM generate_series(1, 200000) AS g(i)",
        ] {
            let error = within(client.batch_execute(text)).await.expect_err(text);
            assert_eq!(error.code(), Some(&SqlState::OUT_OF_MEMORY), "{text}");
        }
        let body = json!({"query": "SELECT repeat('x', 1000) FROM generate_series(1, 2000); SELECT 1"}).to_string();
        let answer = request(running.http_address, "POST /api/sql", &body).await;
        let results = serde_json::from_str::<Value>(&answer.body).expect("JSON")["results"].clone();
        assert_eq!(results[0]["error"]["code"], "53200", "what is not streamed is held in memory");
        // What needs little is answered, however many rows it has.
        let rows = client.query("SELECT i FROM generate_series(1, 200000) AS g(i)", &[]).await.expect("rows");
        assert_eq!(rows.len(), 200_000);
        running.stop().await;
    });
}

#[test]
fn http_sends_rows_as_they_are_computed() {
    RUNTIME.block_on(async {
        let running = server().await;
        let ask = async |query: &str| {
            let body = json!({ "query": query }).to_string();
            let answer = within(request(running.http_address, "POST /api/sql", &body)).await;
            serde_json::from_str::<Value>(&answer.body).expect("JSON")["results"].clone()
        };
        let rows = "FROM generate_series(1, 50000) AS g(i)";
        let results = ask(&format!("SELECT 7; SELECT i, 'é' {rows}")).await;
        assert_eq!((&results[0]["rows"], &results[1]["rows"][49_999]), (&json!([[7]]), &json!([50_000, "é"])));
        assert_eq!(
            (&results[1]["tag"], &results[1]["desc"]["columns"][0]["name"]),
            (&json!("SELECT 50000"), &json!("i"))
        );
        // The last row fails: what came before it was sent already.
        let results = ask(&format!("SELECT 1 / (50000 - i) {rows}")).await;
        assert_eq!(results[0]["error"]["code"], "22012");
        assert!(results[0]["rows"].as_array().is_some_and(|rows| !rows.is_empty()) && results[0]["tag"].is_null());
        // The first one fails: there is nothing but the error.
        let results = ask(&format!("SELECT 1 / (1 - i) {rows}")).await;
        assert_eq!((&results[0]["error"]["code"], &results[0]["rows"]), (&json!("22012"), &Value::Null));
        let results = ask("SELECT 1 AS one WHERE false").await;
        assert_eq!((&results[0]["rows"], &results[0]["tag"]), (&json!([]), &json!("SELECT 0")));
        running.stop().await;
    });
}

#[test]
fn a_large_change_is_seen_as_a_whole_by_those_who_read_meanwhile() {
    const READ: &str = "SELECT (SELECT count(*) FROM t), (SELECT sum(c)::bigint FROM v), (SELECT count(*) FROM w)";
    RUNTIME.block_on(async {
        let running = server().await;
        let (client, other) = (connect(&running).await, connect(&running).await);
        client
            .batch_execute(
                "CREATE TABLE t (id int PRIMARY KEY, g int);
                 CREATE MATERIALIZED VIEW v AS SELECT g, count(*) AS c FROM t GROUP BY g;
                 CREATE MATERIALIZED VIEW w AS SELECT a.id, b.g FROM t a JOIN t b ON b.id = a.g;
                 INSERT INTO t VALUES (0, 0)",
            )
            .await
            .expect("a table with views");
        for (change, rows) in [
            ("INSERT INTO t SELECT i, i % 7 FROM generate_series(1, 19999) AS i", [1, 20_000]),
            ("UPDATE t SET g = id", [20_000, 20_000]),
            ("DELETE FROM t WHERE id >= 3", [20_000, 3]),
        ] {
            let changing = within(client.batch_execute(change));
            tokio::pin!(changing);
            loop {
                // It goes on while others read.
                let done = tokio::select! {
                    done = &mut changing => { done.expect("it is done"); true }
                    seen = other.query_one(READ, &[]) => {
                        let row = seen.expect("an answer");
                        let seen: i64 = row.get(0);
                        assert!(rows.contains(&seen), "{seen} rows: {change}");
                        assert_eq!((row.get::<_, i64>(1), row.get::<_, i64>(2)), (seen, seen));
                        false
                    }
                };
                if done {
                    break;
                }
            }
            let row = other.query_one(READ, &[]).await.expect("an answer");
            assert_eq!([0, 1, 2].map(|column| row.get::<_, i64>(column)), [rows[1]; 3]);
        }
    });
}

#[test]
fn returning_answers_rows_by_the_extended_protocol() {
    RUNTIME.block_on(async {
        let running = server().await;
        let client = connect(&running).await;
        client.batch_execute("CREATE TABLE t (id bigint PRIMARY KEY, n numeric DEFAULT 1.5)").await.expect("a table");
        let insert = client.prepare("INSERT INTO t (id) VALUES ($1), ($2) RETURNING id + 1 AS next, n").await;
        let insert = insert.expect("a statement");
        let columns: Vec<_> = insert.columns().iter().map(|column| (column.name(), column.type_().name())).collect();
        assert_eq!(columns, [("next", "int8"), ("n", "numeric")]);
        let rows = client.query(&insert, &[&1_i64, &2_i64]).await.expect("rows");
        assert_eq!(rows.iter().map(|row| row.get::<_, i64>(0)).collect::<Vec<_>>(), [2, 3]);
        let again = client.query(&insert, &[&3_i64, &2_i64]).await.expect_err("2 is there");
        assert_eq!(again.code(), Some(&SqlState::UNIQUE_VIOLATION));
        let count = client.execute("DELETE FROM t WHERE id < $1 RETURNING id", &[&9_i64]).await.expect("rows");
        assert_eq!(count, 2, "the tag says how many");
        // Over HTTP, too.
        let body = json!({ "query": "INSERT INTO t VALUES (7, 7) RETURNING id" }).to_string();
        let answer = request(running.http_address, "POST /api/sql", &body).await;
        let answer: Value = serde_json::from_str(&answer.body).expect("JSON");
        assert_eq!(answer["results"][0]["rows"], json!([[7]]), "{answer}");
        running.stop().await;
    });
}

#[test]
fn upserts_of_one_key_by_many_clients_lose_none() {
    const CLIENTS: usize = 4;
    const EACH: usize = 25;
    RUNTIME.block_on(async {
        let running = server().await;
        let client = connect(&running).await;
        client.batch_execute("CREATE TABLE t (id int PRIMARY KEY, n int)").await.expect("a table");
        let mut clients = tokio::task::JoinSet::new();
        for _ in 0..CLIENTS {
            let client = connect(&running).await;
            clients.spawn(async move {
                let upsert = "INSERT INTO t VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET n = t.n + excluded.n";
                let mut done = 0;
                while done < EACH {
                    match client.batch_execute(upsert).await {
                        Ok(()) => done += 1,
                        // Others were faster every time.
                        Err(error) => assert_eq!(error.code(), Some(&SqlState::T_R_SERIALIZATION_FAILURE)),
                    }
                }
            });
        }
        while let Some(ended) = clients.join_next().await {
            ended.expect("no panic");
        }
        let n: i32 = client.query_one("SELECT n FROM t", &[]).await.expect("one row").get(0);
        assert_eq!(n as usize, CLIENTS * EACH);
        running.stop().await;
    });
}

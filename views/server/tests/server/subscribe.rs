//! Views that are followed, over PostgreSQL's protocol and by Server-Sent Events.

use std::collections::BTreeMap;
use std::pin::Pin;

use futures::{Stream, StreamExt, TryStreamExt};
use serde_json::{Value, json};
use tidewater::Running;
use tidewater::config::Config;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio_postgres::{Client, SimpleQueryMessage};

use crate::{RUNTIME, config, connect, server, started, within};

type Lines = Pin<Box<dyn Stream<Item = Result<Vec<String>, tokio_postgres::Error>> + Send>>;

/// The lines of `COPY (SUBSCRIBE …) TO STDOUT`, each as its fields.
async fn subscribe(client: &Client, what: &str) -> Lines {
    let copied = client.copy_out(&format!("COPY (SUBSCRIBE {what}) TO STDOUT")).await.expect("a subscription");
    let fields = |bytes: bytes::Bytes| {
        let line = String::from_utf8(bytes.to_vec()).expect("UTF-8");
        line.trim_end_matches('\n').split('\t').map(str::to_owned).collect()
    };
    Box::pin(copied.map_ok(fields))
}

/// The next `count` lines, without their moments.
async fn take(lines: &mut Lines, count: usize) -> Vec<String> {
    let mut taken = Vec::new();
    for _ in 0..count {
        let line = within(lines.next()).await.expect("another line").expect("no error");
        taken.push(line[1..].join(" "));
    }
    taken
}

async fn failure(lines: &mut Lines) -> String {
    loop {
        match within(lines.next()).await.expect("it fails") {
            Ok(_) => {}
            Err(error) => {
                let error = error.as_db_error().expect("an error of the server");
                return format!("{} {}", error.code().code(), error.message());
            }
        }
    }
}

async fn execute(client: &Client, text: &str) {
    client.batch_execute(text).await.unwrap_or_else(|error| panic!("{text}: {error:?}"));
}

#[test]
fn rows_come_then_what_changes_in_them() {
    RUNTIME.block_on(async {
        let running = server().await;
        let (client, other) = (connect(&running).await, connect(&running).await);
        execute(&client, "CREATE TABLE t (id int PRIMARY KEY, name text, n numeric)").await;
        execute(
            &client,
            "CREATE MATERIALIZED VIEW names AS SELECT name, count(*) AS c, sum(n) AS s FROM t GROUP BY name",
        )
        .await;
        execute(&client, "INSERT INTO t VALUES (1, 'a', 1.50), (2, 'a', 2), (3, 'b', NULL)").await;
        let mut lines = subscribe(&other, "names WITHIN TIMESTAMP ORDER BY name DESC, c").await;
        assert_eq!(take(&mut lines, 2).await, ["1 b 1 \\N", "1 a 2 3.50"]);
        execute(&client, "BEGIN; UPDATE t SET name = 'b' WHERE id = 1; DELETE FROM t WHERE id = 2; COMMIT").await;
        assert_eq!(take(&mut lines, 3).await, ["-1 b 1 \\N", "1 b 2 1.50", "-1 a 2 3.50"]);
        execute(&client, "DROP VIEW names").await;
        assert!(failure(&mut lines).await.starts_with("55000 subscription ended: \"names\" was dropped"));
        running.stop().await;
    });
}

#[test]
fn any_query_that_can_be_kept_is_followed() {
    RUNTIME.block_on(async {
        let running = server().await;
        let (client, other) = (connect(&running).await, connect(&running).await);
        execute(&client, "CREATE TABLE a (id int PRIMARY KEY, x text); CREATE TABLE b (id int, y int)").await;
        execute(&client, "INSERT INTO a VALUES (1, 'one')").await;
        let query = "(SELECT a.x, b.y FROM a LEFT JOIN b ON a.id = b.id) WITH (SNAPSHOT = false)";
        let mut lines = subscribe(&other, query).await;
        // It has begun once an answer to something after it has come; nothing of the snapshot does.
        execute(&client, "INSERT INTO b VALUES (1, 7), (1, 7)").await;
        assert_eq!(take(&mut lines, 2).await.into_iter().collect::<std::collections::BTreeSet<_>>(), {
            ["-1 one \\N".to_owned(), "2 one 7".to_owned()].into()
        });
        let refused =
            client.simple_query("SUBSCRIBE (SELECT row_number() OVER () FROM a)").await.expect_err("no window");
        assert_eq!(refused.code().map(|code| code.code()), Some("0A000"));
        let unknown = client.simple_query("SUBSCRIBE nothing").await.expect_err("no such view");
        assert_eq!(unknown.code().map(|code| code.code()), Some("42P01"));
        running.stop().await;
    });
}

#[test]
fn envelopes() {
    RUNTIME.block_on(async {
        let running = server().await;
        let client = connect(&running).await;
        execute(&client, "CREATE TABLE t (k int, v text); INSERT INTO t VALUES (1, 'x'), (2, 'y')").await;
        let (one, two) = (connect(&running).await, connect(&running).await);
        let mut upsert = subscribe(&one, "t ENVELOPE UPSERT (KEY (k))").await;
        let mut debezium = subscribe(&two, "t ENVELOPE DEBEZIUM (KEY (k)) WITH (SNAPSHOT = false)").await;
        assert_eq!(take(&mut upsert, 2).await, ["upsert 1 x", "upsert 2 y"]);
        execute(&client, "UPDATE t SET v = 'z' WHERE k = 1; DELETE FROM t WHERE k = 2").await;
        assert_eq!(take(&mut upsert, 2).await, ["upsert 1 z", "delete 2 \\N"]);
        assert_eq!(take(&mut debezium, 2).await, ["upsert 1 x z", "delete 2 y \\N"]);
        execute(&client, "INSERT INTO t VALUES (3, 'new')").await;
        assert_eq!(take(&mut debezium, 1).await, ["insert 3 \\N new"]);
        execute(&client, "INSERT INTO t VALUES (4, 'p'), (4, 'q')").await;
        assert_eq!(take(&mut upsert, 2).await, ["upsert 3 new", "key_violation 4 \\N"]);
        // A key is violated by a row that comes later, too, and is mended when one of its rows goes.
        execute(&client, "INSERT INTO t VALUES (1, 'second')").await;
        assert_eq!(take(&mut upsert, 1).await, ["key_violation 1 \\N"]);
        execute(&client, "DELETE FROM t WHERE v = 'z'").await;
        assert_eq!(take(&mut upsert, 1).await, ["upsert 1 second"]);
        let _ = take(&mut debezium, 1).await;
        assert_eq!(take(&mut debezium, 2).await, ["key_violation 1 z \\N", "upsert 1 \\N second"]);
        running.stop().await;
    });
}

/// Every moment that a subscriber is shown is a state of the tables: no transfer is ever seen half, and at the end nothing lacks.
#[test]
fn no_commit_is_seen_half() {
    const ACCOUNTS: i64 = 8;
    RUNTIME.block_on(async {
        let running = server().await;
        let (client, other) = (connect(&running).await, connect(&running).await);
        execute(&client, "CREATE TABLE account (id int PRIMARY KEY, balance int)").await;
        execute(&client, &format!("INSERT INTO account SELECT i, 100 FROM generate_series(1, {ACCOUNTS}) AS g(i)")).await;
        let mut lines = subscribe(&other, "account WITH (PROGRESS)").await;
        let transfers = tokio::spawn(async move {
            for i in 0..200 {
                let (from, to) = (i * 7 % ACCOUNTS + 1, i * 3 % ACCOUNTS + 1);
                execute(&client, &format!("BEGIN; UPDATE account SET balance = balance - {i} WHERE id = {from}; UPDATE account SET balance = balance + {i} WHERE id = {to}; COMMIT")).await;
            }
            execute(&client, "INSERT INTO account VALUES (1000, 0)").await;
            client.query("SELECT id, balance FROM account", &[]).await.expect("rows")
        });
        let (mut state, mut moments, mut last) = (BTreeMap::<(i64, i64), i64>::new(), 0, 0_u64);
        loop {
            let line = within(lines.next()).await.expect("another line").expect("no error");
            let moment: u64 = line[0].parse().expect("a moment");
            assert!(moment >= last, "moments go on");
            last = moment;
            if line[1] == "t" {
                let sum: i64 = state.iter().map(|((_, balance), count)| balance * count).sum();
                assert_eq!(sum, 100 * ACCOUNTS, "at {moment}: {state:?}");
                assert!(state.values().all(|count| *count == 1), "at {moment}: {state:?}");
                moments += 1;
                if state.keys().any(|(id, _)| *id == 1000) {
                    break;
                }
                continue;
            }
            let number = |at: usize| line[at].parse::<i64>().expect("a number");
            let count = state.entry((number(3), number(4))).or_default();
            *count += number(2);
            if *count == 0 {
                state.remove(&(number(3), number(4)));
            }
        }
        let rows = transfers.await.expect("no panic");
        let shown: BTreeMap<(i64, i64), i64> =
            rows.iter().map(|row| ((row.get::<_, i32>(0).into(), row.get::<_, i32>(1).into()), 1)).collect();
        assert_eq!(state, shown);
        assert!(moments > 10, "it was watched while it changed: {moments}");
        running.stop().await;
    });
}

/// The events of a subscription over HTTP: their kind, id and data.
struct Events(BufReader<TcpStream>);

impl Events {
    async fn open(running: &Running, path: &str, last: Option<&str>) -> (u16, Events) {
        let mut socket = TcpStream::connect(running.http_address).await.expect("a connection");
        let last = last.map(|id| format!("Last-Event-ID: {id}\r\n")).unwrap_or_default();
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{last}\r\n");
        socket.write_all(request.as_bytes()).await.expect("sent");
        let mut reader = BufReader::new(socket);
        let mut status = String::new();
        reader.read_line(&mut status).await.expect("a line");
        let status = status.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        (status, Events(reader))
    }

    /// The next event that is more than a comment.
    async fn next(&mut self) -> (String, Option<String>, Value) {
        let (mut kind, mut id, mut data) = (String::new(), None, None);
        loop {
            let mut line = String::new();
            let read = within(self.0.read_line(&mut line)).await.expect("a line");
            assert!(read > 0, "the server ended the subscription");
            match line.trim_end().split_once(": ") {
                Some(("event", value)) => value.clone_into(&mut kind),
                Some(("id", value)) => id = Some(value.to_owned()),
                Some(("data", value)) => data = serde_json::from_str(value).ok(),
                _ if line.trim().is_empty() && !kind.is_empty() => {
                    return (kind, id, data.expect("JSON"));
                }
                _ => {}
            }
        }
    }
}

#[test]
fn events_are_whole_and_go_on_where_they_were_broken_off() {
    RUNTIME.block_on(async {
        let running = tidewater::start(&Config { subscribe_memory_mib: 0, ..config() }).await.expect("a server");
        let client = connect(&running).await;
        execute(&client, "CREATE TABLE t (id int PRIMARY KEY, name text); INSERT INTO t VALUES (1, 'a')").await;
        let (status, mut events) = Events::open(&running, "/api/subscribe?view=t", None).await;
        assert_eq!(status, 200);
        let (kind, id, data) = events.next().await;
        assert_eq!((kind.as_str(), &data["rows"]), ("snapshot", &json!([{"diff": 1, "row": {"id": 1, "name": "a"}}])));
        let begun = id.expect("the snapshot's last event has an id");
        execute(&client, "UPDATE t SET name = 'b'").await;
        let (kind, id, data) = events.next().await;
        assert_eq!(kind, "change");
        let mut diffs: Vec<i64> =
            data["rows"].as_array().expect("rows").iter().filter_map(|row| row["diff"].as_i64()).collect();
        diffs.sort_unstable();
        assert_eq!(diffs, [-1, 1]);
        assert_eq!(Some(data["moment"].to_string()), id);
        // It breaks off; meanwhile something changes.
        drop(events);
        execute(&client, "INSERT INTO t VALUES (2, 'c')").await;
        let (status, mut events) = Events::open(&running, "/api/subscribe?view=t", id.as_deref()).await;
        assert_eq!(status, 200);
        let (kind, _, data) = events.next().await;
        assert_eq!((kind.as_str(), &data["rows"]), ("change", &json!([{"diff": 1, "row": {"id": 2, "name": "c"}}])));
        // Only the newest change is kept where no memory is: the first id is too old.
        let (status, mut refused) = Events::open(&running, "/api/subscribe?view=t", Some(&begun)).await;
        assert_eq!(status, 410);
        let mut text = String::new();
        let mut buffer = [0; 4096];
        while !text.contains("is not kept any more") {
            let read = within(refused.0.read(&mut buffer)).await.expect("bytes");
            assert!(read > 0, "{text}");
            text.push_str(&String::from_utf8_lossy(&buffer[..read]));
        }
        let (status, _) = Events::open(&running, "/api/subscribe?view=none", None).await;
        assert_eq!(status, 400);
        execute(&client, "DROP TABLE t").await;
        let (kind, _, data) = events.next().await;
        assert_eq!((kind.as_str(), &data["error"]["code"]), ("error", &json!("55000")));
        running.stop().await;
    });
}

/// `AS OF` goes on from a moment that was shown, `UP TO` ends before one.
#[test]
fn moments() {
    RUNTIME.block_on(async {
        let running = server().await;
        let (client, other) = (connect(&running).await, connect(&running).await);
        execute(&client, "CREATE TABLE t (id int); INSERT INTO t VALUES (1)").await;
        let mut lines = subscribe(&other, "t").await;
        let first = within(lines.next()).await.expect("a line").expect("no error");
        execute(&client, "INSERT INTO t VALUES (2)").await;
        let second = within(lines.next()).await.expect("a line").expect("no error");
        execute(&client, "INSERT INTO t VALUES (3)").await;
        let third = within(lines.next()).await.expect("a line").expect("no error");
        let query =
            format!("COPY (SUBSCRIBE t WITH (SNAPSHOT = false) AS OF {} UP TO {}) TO STDOUT", first[0], third[0]);
        let again = client.copy_out(&query).await.expect("a subscription");
        let bytes: Vec<bytes::Bytes> = within(again.try_collect()).await.expect("it ends by itself");
        assert_eq!(bytes, [format!("{}\n", second.join("\t"))]);
        // The simple protocol sends rows as they come, and ends with a tag.
        let messages = client
            .simple_query(&format!("SUBSCRIBE t WITH (SNAPSHOT = false) AS OF {} UP TO {}", second[0], third[0]))
            .await;
        assert_eq!(messages.expect("it ends").len(), 2, "a description and a tag: nothing changed between");
        let early =
            client.simple_query("SUBSCRIBE t WITH (SNAPSHOT = false) AS OF 1").await.expect_err("it is not kept");
        assert_eq!(early.code().map(|code| code.code()), Some("55000"));
        running.stop().await;
    });
}

/// A moment is a time, at a server that was just started too.
#[test]
fn the_first_moment_is_the_time() {
    RUNTIME.block_on(async {
        let before = chrono::Utc::now().timestamp_millis();
        let (running, client) = started(&config()).await;
        execute(&client, "CREATE VIEW v AS SELECT 1 AS a").await;
        let line = within(subscribe(&client, "v").await.next()).await.expect("a line").expect("no error");
        assert!(line[0].parse::<i64>().expect("a number") >= before, "{line:?}");
        running.stop().await;
    });
}

/// Rows of a statement without their moments.
async fn fetched(client: &Client, statement: &str) -> Vec<String> {
    let messages =
        within(client.simple_query(statement)).await.unwrap_or_else(|error| panic!("{statement}: {error:?}"));
    let row = |message: SimpleQueryMessage| match message {
        SimpleQueryMessage::Row(row) => {
            Some((1..row.len()).map(|at| row.get(at).unwrap_or("NULL")).collect::<Vec<_>>().join(" "))
        }
        _ => None,
    };
    messages.into_iter().filter_map(row).collect()
}

async fn code(client: &Client, statement: &str) -> String {
    let error = within(client.simple_query(statement)).await.expect_err(statement);
    error.code().expect("an error of the server").code().to_owned()
}

#[test]
fn a_cursor_gives_what_comes() {
    RUNTIME.block_on(async {
        let running = server().await;
        let (client, other) = (connect(&running).await, connect(&running).await);
        execute(&client, "CREATE TABLE t (id int PRIMARY KEY, n numeric); INSERT INTO t VALUES (1, 1.50), (2, NULL)")
            .await;
        assert_eq!(code(&client, "DECLARE c CURSOR FOR SUBSCRIBE t").await, "25P01");
        execute(&client, "BEGIN; DECLARE c CURSOR FOR SUBSCRIBE TO (SELECT id, n FROM t)").await;
        let mut there = fetched(&client, "FETCH ALL c").await;
        there.sort();
        assert_eq!(there, ["1 1 1.50", "1 2 NULL"]);
        assert_eq!(fetched(&client, "FETCH 5 FROM c WITH (TIMEOUT = '1ms')").await, [""; 0]);
        execute(&other, "INSERT INTO t VALUES (3, 3), (4, 4)").await;
        // One row of the commit, and the rest of it.
        let mut both = fetched(&client, "FETCH c").await;
        both.extend(fetched(&client, "FETCH FORWARD ALL IN c").await);
        both.sort();
        assert_eq!(both, ["1 3 3", "1 4 4"]);
        // It waits for what comes.
        let (rows, ()) = tokio::join!(fetched(&client, "FETCH ALL c"), execute(&other, "DELETE FROM t WHERE id = 3"));
        assert_eq!(rows, ["-1 3 3"]);
        // Drivers ask for the columns, and for values in binary.
        execute(&other, "INSERT INTO t VALUES (9, 9)").await;
        let rows = within(client.query("FETCH ALL c", &[])).await.expect("rows");
        assert_eq!(rows.iter().map(|row| (row.get(1), row.get(2))).collect::<Vec<(i64, i32)>>(), [(1, 9)]);
        execute(&other, "INSERT INTO t VALUES (5, 5)").await;
        execute(&client, "MOVE 1 c; SAVEPOINT s").await;
        for (statement, expected) in [
            ("FETCH PRIOR FROM c", "55000"),
            ("FETCH ABSOLUTE 1 FROM c", "55000"),
            ("FETCH c WITH (TIMEOUT 'soon')", "22023"),
            ("FETCH c WITH (TIMEOUT)", "42601"),
        ] {
            assert_eq!(code(&client, statement).await, expected, "{statement}");
            execute(&client, "ROLLBACK TO s").await;
        }
        // One that is cancelled while it waits loses nothing.
        let cancel = client.cancel_token();
        let active = "SELECT 1, count(*) FROM pg_stat_activity WHERE query = 'FETCH c' AND state = 'active'";
        let (told, ()) = tokio::join!(code(&client, "FETCH c"), async {
            while fetched(&other, active).await != ["1"] {}
            cancel.cancel_query(tokio_postgres::NoTls).await.expect("a cancel");
        });
        assert_eq!(told, "57014");
        execute(&other, "UPDATE t SET n = NULL WHERE id = 5").await;
        execute(&client, "ROLLBACK TO s").await;
        let mut rows = fetched(&client, "FETCH ALL c").await;
        rows.sort();
        assert_eq!(rows, ["-1 5 5", "1 5 NULL"]);
        execute(&client, "COMMIT").await;
        assert_eq!(code(&client, "FETCH c").await, "34000");
        // What ends gives no more rows.
        execute(&client, "DECLARE e CURSOR WITH HOLD FOR SUBSCRIBE t UP TO 1").await;
        assert_eq!(fetched(&client, "FETCH ALL e").await, [""; 0]);
        execute(&client, "CLOSE e").await;
    });
}

//! What was acknowledged is there after a restart, however the process ended; what has no room fails as a whole.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tidewater::config::Config;
use tokio_postgres::{Client, NoTls};

use crate::{RUNTIME, config, config_in, connect, started, within};

async fn code(client: &Client, statement: &str) -> String {
    let error = within(client.batch_execute(statement)).await.expect_err(statement);
    error.code().unwrap_or_else(|| panic!("{statement}: {error}")).code().to_owned()
}

async fn list(client: &Client, query: &str) -> Vec<i64> {
    let rows = within(client.query(query, &[])).await.unwrap_or_else(|error| panic!("{query}: {error}"));
    rows.iter().map(|row| row.get(0)).collect()
}

/// A server in a process of its own.
struct Process {
    child: Child,
    port: u16,
}

impl Process {
    /// Starts one that keeps its data in a folder; its files have at most so many blocks of 1 KiB.
    fn start(folder: &Path, blocks: Option<u32>) -> Process {
        let limit = blocks.map_or(String::new(), |blocks| format!("ulimit -f {blocks}; trap '' XFSZ; "));
        let mut child = Command::new("bash")
            .args(["-c", &format!("{limit}exec \"$0\" serve --pg-port 0 --http-port 0 --data-dir \"$1\"")])
            .arg(env!("CARGO_BIN_EXE_tidewater"))
            .arg(folder)
            .env("TIDEWATER_LOG", "info")
            .stderr(Stdio::piped())
            .spawn()
            .expect("a process");
        let mut lines = BufReader::new(child.stderr.take().expect("its log")).lines();
        let port = lines.by_ref().map_while(Result::ok).find_map(|line| {
            let (_, rest) = line.split_once("postgresql=127.0.0.1:")?;
            rest.split_whitespace().next()?.parse().ok()
        });
        // Its log is read on, else it would wait for us.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        Process { child, port: port.expect("it serves") }
    }

    async fn connect(&self) -> Client {
        let config = format!("host=127.0.0.1 port={} user=anybody dbname=materialize", self.port);
        let (client, connection) = tokio_postgres::connect(&config, NoTls).await.expect("a connection");
        tokio::spawn(connection);
        client
    }
}

impl Drop for Process {
    /// `kill -9`.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn rows_come_back_after_a_restart_in_views_too() {
    RUNTIME.block_on(async {
        let config = config();
        let (running, client) = started(&config).await;
        client
            .batch_execute(
                "CREATE TABLE keyed (a bigint PRIMARY KEY, b text UNIQUE, c numeric DEFAULT 7, CHECK (c > 0));
                 CREATE TABLE bag (a bigint);
                 CREATE MATERIALIZED VIEW sums AS SELECT sum(c)::bigint AS n FROM keyed;
                 CREATE MATERIALIZED VIEW counts AS SELECT a, count(*) AS n FROM bag GROUP BY a;
                 CREATE INDEX ON counts (a);
                 INSERT INTO keyed VALUES (1, 'one', 7), (2, 'two', 1.10); INSERT INTO keyed VALUES (3, NULL);
                 INSERT INTO bag VALUES (5), (5), (5), (6);
                 UPDATE keyed SET b = 'deux' WHERE a = 2; DELETE FROM keyed WHERE a = 1;
                 DELETE FROM bag WHERE a = 6; INSERT INTO bag SELECT 7;
                 CREATE TABLE gone (a bigint); INSERT INTO gone VALUES (1); DROP TABLE gone; CREATE TABLE gone (a bigint);
                 CREATE TABLE emptied (a bigint); INSERT INTO emptied VALUES (1); TRUNCATE emptied;
                 INSERT INTO keyed VALUES (3, 'x') ON CONFLICT (a) DO UPDATE SET b = NULL",
            )
            .await
            .expect("objects and rows");
        client
            .batch_execute(
                "CREATE TABLE made AS SELECT a, b FROM keyed; INSERT INTO made VALUES (9, 'nine'); DELETE FROM made WHERE a = 3",
            )
            .await
            .expect("objects and rows");
        let oid = "SELECT oid::bigint FROM pg_class WHERE relname = 'keyed'";
        let before = list(&client, oid).await;
        running.stop().await;
        for round in 0..2 {
            let (running, client) = started(&config).await;
            assert_eq!(list(&client, "SELECT a FROM keyed ORDER BY a").await, [2, 3]);
            assert_eq!(list(&client, "SELECT n FROM sums").await, [8 + round]);
            assert_eq!(list(&client, "SELECT n FROM counts ORDER BY a").await, [3, 1]);
            assert_eq!(list(&client, "SELECT n FROM counts WHERE a = 5").await, [3]);
            assert_eq!(list(&client, "SELECT a FROM gone").await, [0; 0], "rows of another table of that name");
            assert_eq!(list(&client, "SELECT a FROM emptied").await, [0; 0]);
            assert_eq!(list(&client, "SELECT a FROM made ORDER BY a").await, [2, 9], "rows of CREATE TABLE AS");
            assert_eq!(list(&client, oid).await, before, "numbers of objects stay");
            let text = client.query_one("SELECT c::text FROM keyed WHERE b = 'deux'", &[]).await.expect("a row");
            assert_eq!(text.get::<_, &str>(0), ["1.10", "2.10"][round as usize]);
            assert_eq!(code(&client, "INSERT INTO keyed VALUES (3, 'x')").await, "23505");
            assert_eq!(code(&client, "INSERT INTO keyed VALUES (4, 'deux')").await, "23505");
            client.batch_execute("INSERT INTO keyed VALUES (1, 'one'); DELETE FROM keyed WHERE b = 'one'").await.expect("free");
            client.batch_execute("UPDATE keyed SET c = c + 1 WHERE a = 2").await.expect("a row");
            running.stop().await;
        }
    });
}

/// Definitions of a folder that an older version has left are taken over once.
#[test]
fn a_catalog_of_before_the_log_is_taken_over_once() {
    RUNTIME.block_on(async {
        let config = config();
        std::fs::create_dir_all(&config.data_dir).expect("a folder");
        let old =
            r#"{"version": 2, "definitions": [{"statement": "CREATE TABLE t (a bigint)", "search_path": ["public"]}]}"#;
        std::fs::write(config.data_dir.join("catalog.json"), old).expect("a file");
        let begin = async || {
            let (running, client) = started(&config).await;
            (running, client)
        };
        let (running, client) = begin().await;
        client.batch_execute("INSERT INTO t VALUES (1)").await.expect("a row");
        running.stop().await;
        let (running, client) = begin().await;
        assert_eq!(list(&client, "SELECT a FROM t").await, [1]);
        client.batch_execute("DROP TABLE t").await.expect("it goes");
        running.stop().await;
        let (running, client) = begin().await;
        assert_eq!(code(&client, "SELECT a FROM t").await, "42P01");
        running.stop().await;
        let damaged = crate::config();
        std::fs::create_dir_all(&damaged.data_dir).expect("a folder");
        for (text, what) in
            [(&old[..30], "damaged"), (r#"["CREATE"]"#, "version 1"), (r#"{"version": 3}"#, "version 3")]
        {
            std::fs::write(damaged.data_dir.join("catalog.json"), text).expect("a file");
            let error = tidewater::start(&damaged).await.err().expect("a refusal").to_string();
            assert!(error.contains(what) && error.contains("catalog.json"), "{error}");
        }
    });
}

/// Many clients write; the process is killed in the midst. Each statement is there as a whole or not at all, and those that were
/// acknowledged are there.
#[test]
fn what_was_acknowledged_survives_kill_9() {
    const CLIENTS: i64 = 8;
    RUNTIME.block_on(async {
        let folder = config().data_dir;
        let mut next = vec![0_i64; CLIENTS as usize];
        for round in 0..4 {
            let process = Process::start(&folder, None);
            let client = process.connect().await;
            if round == 0 {
                let text = "CREATE TABLE t (client bigint, n bigint, part bigint, PRIMARY KEY (client, n, part));
                            CREATE MATERIALIZED VIEW v AS SELECT client, count(*) AS n FROM t GROUP BY client";
                client.batch_execute(text).await.expect("objects");
            }
            for (at, next) in next.iter_mut().enumerate() {
                let found = list(&client, &format!("SELECT count(*) FROM t WHERE client = {at}")).await[0];
                assert!(
                    found == 3 * *next || found == 3 * (*next + 1),
                    "client {at}: {found} rows of {next} statements"
                );
                *next = found / 3;
                let highest =
                    list(&client, &format!("SELECT coalesce(max(n) + 1, 0) FROM t WHERE client = {at}")).await;
                assert_eq!(highest, [*next]);
                let view =
                    list(&client, &format!("SELECT coalesce(sum(n), 0)::bigint FROM v WHERE client = {at}")).await;
                assert_eq!(view, [found]);
            }
            let (counted, mut counts) = tokio::sync::mpsc::unbounded_channel();
            let mut tasks = Vec::new();
            for (at, from) in next.clone().into_iter().enumerate() {
                let (client, counted) = (process.connect().await, counted.clone());
                tasks.push(tokio::spawn(async move {
                    let mut n = from;
                    loop {
                        let text = format!("INSERT INTO t VALUES ({at}, {n}, 0), ({at}, {n}, 1), ({at}, {n}, 2)");
                        if client.batch_execute(&text).await.is_err() {
                            return n;
                        }
                        n += 1;
                        let _ = counted.send(());
                    }
                }));
            }
            for _ in 0..(100 + 37 * round) {
                within(counts.recv()).await.expect("writers write");
            }
            drop(process);
            for (task, next) in tasks.into_iter().zip(&mut next) {
                *next = within(task).await.expect("it counts");
            }
        }
        let process = Process::start(&folder, None);
        let client = process.connect().await;
        let found = list(&client, "SELECT count(*) FROM t").await[0];
        let acknowledged: i64 = next.iter().sum::<i64>() * 3;
        assert!((acknowledged..=acknowledged + 3 * CLIENTS).contains(&found) && found % 3 == 0, "{found}");
        drop(process);
        let _ = std::fs::remove_dir_all(&folder);
    });
}

/// A log that may not grow: statements fail with 53100, nothing of them is there, reads go on, and what came before is kept.
#[test]
fn a_full_disk_fails_statements_and_reads_go_on() {
    RUNTIME.block_on(async {
        let folder = config().data_dir;
        let process = Process::start(&folder, Some(200));
        let client = process.connect().await;
        client
            .batch_execute(
                "CREATE TABLE t (a bigint, b text); CREATE MATERIALIZED VIEW v AS SELECT count(*) AS n FROM t",
            )
            .await
            .expect("objects");
        let insert = "INSERT INTO t SELECT 1, repeat('x', 1000) FROM generate_series(1, 30)";
        let mut whole = 0;
        let error = loop {
            match within(client.batch_execute(insert)).await {
                Ok(()) => whole += 1,
                Err(error) => break error,
            }
        };
        assert_eq!(error.code().map(|code| code.code()), Some("53100"), "{error}");
        assert!(whole > 0, "some had room");
        for _ in 0..2 {
            assert_eq!(list(&client, "SELECT n FROM v").await, [whole * 30]);
            assert_eq!(code(&client, "CREATE TABLE u (a bigint)").await, "53100");
            assert_eq!(code(&client, "SELECT * FROM u").await, "42P01");
            assert_eq!(code(&client, insert).await, "53100");
        }
        // There is room for little things.
        client.batch_execute("INSERT INTO t VALUES (2, 'small')").await.expect("a row");
        drop(process);
        let process = Process::start(&folder, None);
        let client = process.connect().await;
        assert_eq!(list(&client, "SELECT n FROM v").await, [whole * 30 + 1]);
        client.batch_execute("CREATE TABLE u (a bigint)").await.expect("there is room again");
        drop(process);
        let _ = std::fs::remove_dir_all(&folder);
    });
}

/// A byte that changed in the midst of the log keeps the server from starting, with the file and the place.
#[test]
fn a_damaged_log_is_named_and_never_skipped() {
    RUNTIME.block_on(async {
        let config = config();
        let (running, client) = started(&config).await;
        client.batch_execute("CREATE TABLE t (a bigint); INSERT INTO t VALUES (1)").await.expect("a row");
        client.batch_execute("INSERT INTO t VALUES (2)").await.expect("a row");
        running.stop().await;
        let damage = |at: usize| {
            let log: PathBuf = config.data_dir.join("log-1");
            let mut bytes = std::fs::read(&log).expect("a log");
            bytes[at] ^= 0x20;
            std::fs::write(&log, bytes).expect("a log");
        };
        damage(70);
        let error = tidewater::start(&config).await.err().expect("a refusal").to_string();
        assert!(error.contains("\"log-1\" is damaged at byte"), "{error}");
        damage(70);
        let again: Config = config_in(config.data_dir.clone());
        let running = tidewater::start(&again).await.expect("a server");
        assert_eq!(list(&connect(&running).await, "SELECT a FROM t ORDER BY a").await, [1, 2]);
        running.stop().await;
    });
}

/// The files of the folder that have a number.
fn numbered(folder: &Path) -> Vec<String> {
    let names = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("a file").file_name());
    let mut names: Vec<String> = names.map(|name| name.to_string_lossy().into_owned()).collect();
    names.retain(|name| name.contains('-') && !name.contains('.'));
    names.sort();
    names
}

#[test]
fn checkpoints_shorten_the_log_while_rows_come_and_a_damaged_one_is_not_needed() {
    RUNTIME.block_on(async {
        let config = config();
        let (running, client) = started(&config).await;
        client
            .batch_execute(
                "CREATE TABLE t (a bigint PRIMARY KEY, b text); CREATE MATERIALIZED VIEW v AS SELECT count(*) AS n FROM t;
                 INSERT INTO t SELECT n, repeat('x', 500) FROM generate_series(1, 2000) AS s (n)",
            )
            .await
            .expect("rows");
        for round in 0..3 {
            let other = connect(&running).await;
            let insert = format!("INSERT INTO t VALUES ({})", 10_000 + round);
            let (checkpoint, inserted) =
                tokio::join!(within(client.batch_execute("CHECKPOINT")), within(other.batch_execute(&insert)));
            checkpoint.expect("a checkpoint");
            inserted.expect("a row");
            client.batch_execute("DELETE FROM t WHERE a < 10000 AND a % 2 = 0").await.expect("rows go");
        }
        let kept = ["checkpoint-3", "checkpoint-4", "log-3", "log-4"];
        assert_eq!(numbered(&config.data_dir), kept, "the newest checkpoint and the one before it, with their logs");
        running.stop().await;
        for damaged in [false, true] {
            if damaged {
                let newest = config.data_dir.join("checkpoint-4");
                let mut bytes = std::fs::read(&newest).expect("a checkpoint");
                bytes[5_000] ^= 1;
                std::fs::write(&newest, bytes).expect("a checkpoint");
            }
            let (running, client) = started(&config).await;
            assert_eq!(list(&client, "SELECT n FROM v").await, [1_003]);
            assert_eq!(list(&client, "SELECT max(a) FROM t WHERE a < 10000").await, [1_999]);
            assert_eq!(code(&client, "INSERT INTO t VALUES (1999)").await, "23505");
            running.stop().await;
        }
    });
}

/// Changes that take the same row out: all but one are evaluated again, whichever batch they come in.
#[test]
fn statements_of_one_batch_see_those_before_them() {
    RUNTIME.block_on(async {
        let config = config();
        let (running, client) = started(&config).await;
        client
            .batch_execute("CREATE TABLE n (a bigint PRIMARY KEY, b bigint); INSERT INTO n VALUES (1, 0)")
            .await
            .expect("a row");
        let clients = futures::future::join_all((0..8).map(|_| connect(&running))).await;
        let write = async |(at, client): (usize, &Client)| {
            for round in 0..10 {
                client.batch_execute("UPDATE n SET b = b + 1 WHERE a = 1").await.expect("one more");
                // Of all clients one gets each key.
                let key = format!("INSERT INTO n VALUES ({}, {at})", 100 + round);
                let inserted = client.batch_execute(&key).await;
                let taken = inserted.as_ref().err().and_then(|error| error.code()).map(|code| code.code());
                assert!(matches!(taken, None | Some("23505")), "{inserted:?}");
            }
        };
        futures::future::join_all(clients.iter().enumerate().map(write)).await;
        assert_eq!(list(&client, "SELECT b FROM n WHERE a = 1").await, [80]);
        assert_eq!(list(&client, "SELECT count(*) FROM n").await, [11]);
        let before = list(&client, "SELECT b FROM n ORDER BY a").await;
        running.stop().await;
        let running = tidewater::start(&config).await.expect("a server");
        assert_eq!(list(&connect(&running).await, "SELECT b FROM n ORDER BY a").await, before);
        running.stop().await;
    });
}

#[test]
fn a_killed_server_gives_no_number_away_twice() {
    RUNTIME.block_on(async {
        let folder = config().data_dir;
        let mut seen = std::collections::BTreeSet::new();
        for round in 0..4 {
            let process = Process::start(&folder, None);
            let client = process.connect().await;
            if round == 0 {
                let tables = "CREATE SEQUENCE s; CREATE TABLE t (id bigint GENERATED ALWAYS AS IDENTITY, a int)";
                within(client.batch_execute(tables)).await.expect("tables");
            }
            // As many as some blocks have, and a part of one.
            for number in list(&client, "SELECT nextval('s') FROM generate_series(1, 40)").await {
                assert!(seen.insert(number), "{number} in round {round}");
            }
            within(client.batch_execute("INSERT INTO t (a) SELECT g FROM generate_series(1, 50) g"))
                .await
                .expect("rows");
            drop(process);
        }
        let process = Process::start(&folder, None);
        let client = process.connect().await;
        assert_eq!(list(&client, "SELECT count(*) - count(DISTINCT id) FROM t").await, [0]);
        assert_eq!(list(&client, "SELECT count(*) FROM t").await, [200]);
        drop(process);
        let _ = std::fs::remove_dir_all(&folder);
    });
}

//! All reads of a transaction see one moment, and what it changes rests on it: others' commits in between neither show nor get lost.

use std::collections::BTreeMap;

use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use crate::transactions::{code, shown};
use crate::{RUNTIME, connect, server, started, within};

const SUM: &str = "SELECT sum(v) FROM t";

#[test]
fn every_read_of_a_block_sees_one_moment() {
    RUNTIME.block_on(async {
        let running = server().await;
        let (reader, writer) = (connect(&running).await, connect(&running).await);
        writer
            .batch_execute(
                "CREATE TABLE t (k int PRIMARY KEY, v int); INSERT INTO t SELECT g, 100 FROM generate_series(0, 9) g;
                 CREATE TABLE other (n int); CREATE VIEW plain AS SELECT v FROM t;
                 CREATE MATERIALIZED VIEW total AS SELECT sum(v) AS s FROM t; CREATE INDEX by_v ON t (v)",
            )
            .await
            .expect("tables");
        let transfer = |a: i32| {
            format!("BEGIN; UPDATE t SET v = v - 7 WHERE k = {a}; UPDATE t SET v = v + 7 WHERE k = 9 - {a}; COMMIT")
        };
        for round in 0..5 {
            // The first read is of another table: the moment is of all.
            reader.batch_execute("BEGIN; SELECT n FROM other").await.expect("a read");
            let before = shown(&writer, "SELECT v FROM t ORDER BY k").await;
            writer.batch_execute(&transfer(round)).await.expect("a transfer");
            writer.batch_execute("UPDATE t SET v = v WHERE k = 5; INSERT INTO other VALUES (1)").await.expect("a row");
            assert_eq!(shown(&reader, "SELECT v FROM t ORDER BY k").await, before);
            assert_eq!(shown(&reader, SUM).await, ["1000"]);
            writer.batch_execute(&transfer(round)).await.expect("a transfer");
            assert_eq!(shown(&reader, "SELECT s FROM total").await, ["1000"]);
            let one = shown(&reader, &format!("SELECT v FROM t WHERE k = {round}")).await;
            assert_eq!(one[0], before[round as usize], "by the key");
            let same: Vec<_> = before.iter().filter(|v| **v == before[round as usize]).cloned().collect();
            let indexed = format!("SELECT v FROM t WHERE v = {}", before[round as usize]);
            assert_eq!(shown(&reader, &indexed).await, same, "by an index");
            assert_eq!(shown(&reader, "SELECT sum(v) FROM plain").await, ["1000"]);
            reader.batch_execute("DECLARE c CURSOR FOR SELECT v FROM t ORDER BY k").await.expect("a cursor");
            assert_eq!(shown(&reader, "FETCH ALL FROM c").await, before);
            reader.batch_execute("COMMIT").await.expect("COMMIT");
            assert_eq!(shown(&reader, SUM).await, ["1000"]);
            assert_ne!(shown(&reader, "SELECT v FROM t ORDER BY k").await, before, "the next transaction sees more");
        }
        running.stop().await;
    });
}

#[test]
fn what_others_make_meanwhile_is_told() {
    RUNTIME.block_on(async {
        let running = server().await;
        let (client, other) = (connect(&running).await, connect(&running).await);
        client.batch_execute("CREATE TABLE t (a int); CREATE TABLE gone (a int)").await.expect("tables");
        client.batch_execute("BEGIN; SELECT * FROM t").await.expect("a read");
        other.batch_execute("CREATE TABLE later (a int); DROP TABLE gone").await.expect("tables");
        client.batch_execute("SAVEPOINT s").await.expect("a savepoint");
        assert_eq!(code(&client, "SELECT * FROM later").await, Some(SqlState::T_R_SERIALIZATION_FAILURE));
        client.batch_execute("ROLLBACK TO s").await.expect("back");
        assert_eq!(code(&client, "SELECT * FROM gone").await, Some(SqlState::UNDEFINED_TABLE));
        client.batch_execute("ROLLBACK TO s").await.expect("back");
        other.batch_execute("DROP TABLE t; CREATE TABLE t (a int)").await.expect("made anew");
        assert_eq!(code(&client, "SELECT * FROM t").await, Some(SqlState::T_R_SERIALIZATION_FAILURE));
        // Its own tables it sees, as they are when it makes them.
        client.batch_execute("ROLLBACK; BEGIN; SELECT * FROM t; CREATE TABLE own (a int)").await.expect("a table");
        other.batch_execute("INSERT INTO own VALUES (1)").await.expect("a row");
        assert_eq!(shown(&client, "INSERT INTO own VALUES (2); SELECT a FROM own").await, ["2"]);
        client.batch_execute("COMMIT").await.expect("COMMIT");
        assert_eq!(shown(&client, "SELECT a FROM own ORDER BY a").await, ["1", "2"]);
        // The statements of a text see what those before them made.
        let text = "SELECT * FROM t; CREATE MATERIALIZED VIEW v AS SELECT a FROM own; SELECT a FROM v ORDER BY a";
        assert_eq!(shown(&client, text).await, ["1", "2"]);
        running.stop().await;
    });
}

/// What each pair of transactions would undo of the other one's ground.
#[test]
fn neither_updates_are_lost_nor_does_skew_come_in() {
    RUNTIME.block_on(async {
        let running = server().await;
        let (one, two) = (connect(&running).await, connect(&running).await);
        for (make, first, second, passes) in [
            // A lost update.
            ("(1, 0)", "UPDATE t SET v = v + 1 WHERE k = 1", "UPDATE t SET v = v + 1 WHERE k = 1", false),
            // Each turns what the other one is about.
            ("(1, 0), (2, 1)", "UPDATE t SET v = 1 WHERE v = 0", "UPDATE t SET v = 0 WHERE v = 1", false),
            // Each rests on the sum.
            (
                "(1, 50), (2, 50)",
                "UPDATE t SET v = v - 80 WHERE k = 1 AND (SELECT sum(v) FROM t) >= 80",
                "UPDATE t SET v = v - 80 WHERE k = 2 AND (SELECT sum(v) FROM t) >= 80",
                false,
            ),
            ("(1, 1)", "INSERT INTO t SELECT 2, sum(v) FROM t", "INSERT INTO t SELECT 3, sum(v) FROM t", false),
            (
                "(1, 1)",
                "INSERT INTO t VALUES (5, 1) ON CONFLICT (k) DO UPDATE SET v = t.v + 1",
                "INSERT INTO t VALUES (5, 1) ON CONFLICT (k) DO UPDATE SET v = t.v + 1",
                false,
            ),
            ("(1, 1)", "DELETE FROM t WHERE v < 10", "INSERT INTO t VALUES (2, 2)", false),
            // These have nothing to do with each other.
            ("(1, 0), (2, 0)", "UPDATE t SET v = 1 WHERE k = 1", "UPDATE t SET v = 1 WHERE k = 2", true),
            ("(1, 0)", "INSERT INTO t VALUES (3, 3)", "UPDATE t SET v = 9", true),
            ("(1, 0)", "INSERT INTO t SELECT 3, min(k) FROM t", "INSERT INTO t VALUES (4, 4)", true),
        ] {
            one.batch_execute(&format!(
                "DROP TABLE IF EXISTS t; CREATE TABLE t (k int PRIMARY KEY, v int); INSERT INTO t VALUES {make}"
            ))
            .await
            .expect("rows");
            one.batch_execute(&format!("BEGIN; {first}")).await.expect("a change");
            two.batch_execute(&format!("BEGIN; {second}; COMMIT")).await.expect("the first to commit");
            let ended = one.batch_execute("COMMIT").await;
            let found = ended.as_ref().err().and_then(|error| error.code());
            assert_eq!(found, (!passes).then_some(&SqlState::T_R_SERIALIZATION_FAILURE), "{first} | {second}");
        }
        // What SELECT read counts only where it is asked for.
        for (level, passes) in [("REPEATABLE READ", true), ("SERIALIZABLE", false)] {
            one.batch_execute("DELETE FROM t; INSERT INTO t VALUES (1, 1), (2, 1)").await.expect("rows");
            one.batch_execute(&format!(
                "BEGIN ISOLATION LEVEL {level}; SELECT sum(v) FROM t; UPDATE t SET v = 0 WHERE k = 1"
            ))
            .await
            .expect("a change");
            two.batch_execute("UPDATE t SET v = 0 WHERE k = 2").await.expect("a change");
            let ended = one.batch_execute("COMMIT").await;
            assert_eq!(ended.is_ok(), passes, "{level}");
        }
        running.stop().await;
    });
}

/// After a restart objects are the same ones, though made anew.
#[test]
fn transactions_go_on_after_a_restart() {
    RUNTIME.block_on(async {
        let config = crate::config();
        let (running, client) = started(&config).await;
        client
            .batch_execute("CREATE TABLE gone (a int); CREATE TABLE t (k int PRIMARY KEY, v int)")
            .await
            .expect("a table");
        client.batch_execute("DROP TABLE gone; INSERT INTO t VALUES (1, 1)").await.expect("a row");
        running.stop().await;
        let running = tidewater::start(&config).await.expect("it starts again");
        let (client, other) = (connect(&running).await, connect(&running).await);
        client.batch_execute("BEGIN; UPDATE t SET v = v + 1; UPDATE t SET v = v + 1; COMMIT").await.expect("changes");
        client.batch_execute("BEGIN; UPDATE t SET v = v + 1").await.expect("a change");
        other.batch_execute("UPDATE t SET v = v + 1").await.expect("a change");
        assert_eq!(code(&client, "COMMIT").await, Some(SqlState::T_R_SERIALIZATION_FAILURE));
        assert_eq!(shown(&client, "SELECT v FROM t").await, ["4"]);
        running.stop().await;
        let _ = std::fs::remove_dir_all(&config.data_dir);
    });
}

/// A client that is silent in a transaction for too long.
#[test]
fn a_silent_transaction_ends() {
    RUNTIME.block_on(async {
        let running = server().await;
        let client = connect(&running).await;
        client.batch_execute("CREATE TABLE t (a int)").await.expect("a table");
        client.batch_execute("SET idle_in_transaction_session_timeout = 50").await.expect("SET");
        client.batch_execute("BEGIN; INSERT INTO t VALUES (1)").await.expect("a row");
        within(async {
            while !client.is_closed() {
                tokio::task::yield_now().await
            }
        })
        .await;
        let other = connect(&running).await;
        assert_eq!(shown(&other, "SELECT count(*) FROM t").await, ["0"]);
        running.stop().await;
    });
}

type Table = BTreeMap<i64, i64>;

/// What a statement does to a table: rows that go and come, by key.
type Effect = Vec<(i64, i64, i64)>;

#[derive(Clone, Copy, Debug)]
enum Change {
    Move(i64, i64),
    /// Only while the sum is large enough.
    Spend(i64, i64, i64),
    /// Turns all of one value into another.
    Turn(i64, i64),
}

impl Change {
    fn text(self) -> String {
        match self {
            Change::Move(k, by) => format!("UPDATE t SET v = v + {by} WHERE k = {k}"),
            Change::Spend(k, by, least) => {
                format!("UPDATE t SET v = v - {by} WHERE k = {k} AND (SELECT sum(v) FROM t) > {least}")
            }
            Change::Turn(from, to) => format!("UPDATE t SET v = {to} WHERE v = {from}"),
        }
    }

    fn effect(self, table: &Table) -> Effect {
        let sum: i64 = table.values().sum();
        let turned = table.iter().filter_map(|(k, v)| {
            let new = match self {
                Change::Move(key, by) if key == *k => v + by,
                Change::Spend(key, by, least) if key == *k && sum > least => v - by,
                Change::Turn(from, to) if from == *v => to,
                _ => return None,
            };
            Some((*k, *v, new))
        });
        turned.collect()
    }
}

fn done(table: &mut Table, effect: &Effect) {
    table.extend(effect.iter().map(|(k, _, new)| (*k, *new)));
}

/// A session as the model has it.
#[derive(Default)]
struct Model {
    sees: Option<Table>,
    did: Vec<(Change, Effect)>,
}

/// Sessions in a random order, against a model: a table is seen as it was at the first statement, and a COMMIT is done exactly
/// if all that its statements did they would do now.
#[test]
fn random_transactions_are_as_their_model() {
    RUNTIME.block_on(async {
        let running = server().await;
        let sessions = futures::future::join_all((0..3).map(|_| connect(&running))).await;
        for seed in 1..=12_u64 {
            println!("seed {seed}");
            random(&sessions, seed).await;
        }
        running.stop().await;
    });
}

async fn random(sessions: &[Client], seed: u64) {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut next = |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    };
    sessions[0]
        .batch_execute("DROP TABLE IF EXISTS t; CREATE TABLE t (k int PRIMARY KEY, v int)")
        .await
        .expect("a table");
    sessions[0].batch_execute("INSERT INTO t SELECT g, g FROM generate_series(0, 4) g").await.expect("rows");
    let mut table: Table = (0..5).map(|k| (k, k)).collect();
    let mut models: Vec<Model> = sessions.iter().map(|_| Model::default()).collect();
    let mut open = vec![false; sessions.len()];
    for _ in 0..60 {
        let at = next(sessions.len() as u64) as usize;
        let (client, model) = (&sessions[at], &mut models[at]);
        if !open[at] {
            client.batch_execute("BEGIN").await.expect("BEGIN");
            open[at] = true;
        }
        match next(8) {
            0..=2 => {
                let sees = model.sees.get_or_insert_with(|| table.clone());
                let expected: Vec<_> = sees.iter().map(|(k, v)| format!("{k}:{v}")).collect();
                assert_eq!(shown(client, "SELECT k || ':' || v FROM t ORDER BY k").await, expected);
            }
            3..=5 => {
                let (k, a, b) = (next(5) as i64, next(4) as i64, next(12) as i64);
                let change = [Change::Move(k, a), Change::Spend(k, a, b), Change::Turn(a, k)][next(3) as usize];
                let sees = model.sees.get_or_insert_with(|| table.clone());
                let effect = change.effect(sees);
                let count = client.execute(&change.text(), &[]).await.expect("a change");
                assert_eq!(count, effect.len() as u64, "{change:?}");
                done(sees, &effect);
                model.did.push((change, effect));
            }
            6 => {
                let mut now = table.clone();
                let same = model.did.iter().all(|(change, effect)| {
                    let same = change.effect(&now) == *effect;
                    done(&mut now, effect);
                    same
                });
                let ended = client.batch_execute("COMMIT").await;
                assert_eq!(ended.is_ok(), same, "{:?}", model.did);
                if same {
                    table = now;
                }
                *model = Model::default();
                open[at] = false;
            }
            _ => {
                client.batch_execute("ROLLBACK").await.expect("ROLLBACK");
                *model = Model::default();
                open[at] = false;
            }
        }
    }
    futures::future::join_all(sessions.iter().map(|client| client.batch_execute("ROLLBACK"))).await;
}

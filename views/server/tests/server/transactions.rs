//! Transaction blocks: what COMMIT does, what ROLLBACK takes back, savepoints, and what is refused inside.

use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, SimpleQueryMessage};

use crate::sources::{hearing, texts};
use crate::{RUNTIME, connect, server};

/// The first column of the rows of the last statement.
pub(crate) async fn shown(client: &Client, text: &str) -> Vec<String> {
    let mut rows = Vec::new();
    for message in client.simple_query(text).await.expect("an answer") {
        match message {
            SimpleQueryMessage::Row(row) => rows.push(row.get(0).unwrap_or("NULL").to_owned()),
            SimpleQueryMessage::RowDescription(_) => rows.clear(),
            _ => {}
        }
    }
    rows
}

pub(crate) async fn code(client: &Client, text: &str) -> Option<SqlState> {
    client.batch_execute(text).await.expect_err("an error").code().cloned()
}

#[test]
fn inserts_of_a_block_come_with_its_commit_or_not_at_all() {
    RUNTIME.block_on(async {
        let running = server().await;
        let (client, other) = (connect(&running).await, connect(&running).await);
        client.batch_execute("CREATE TABLE t (a int); CREATE MATERIALIZED VIEW v AS SELECT a FROM t").await.expect("t");
        client.batch_execute("BEGIN; INSERT INTO t VALUES (1)").await.expect("a row");
        client.execute("INSERT INTO t VALUES ($1)", &[&2_i32]).await.expect("a row");
        assert_eq!(shown(&other, "SELECT a FROM v").await, [""; 0], "nobody sees it yet");
        client.batch_execute("COMMIT").await.expect("COMMIT");
        assert_eq!(shown(&other, "SELECT a FROM v ORDER BY a").await, ["1", "2"]);
        client.batch_execute("BEGIN; INSERT INTO t VALUES (3); ROLLBACK").await.expect("ROLLBACK");
        assert_eq!(
            code(&client, "BEGIN; INSERT INTO t VALUES (4); SELECT * FROM nowhere").await,
            Some(SqlState::UNDEFINED_TABLE)
        );
        assert_eq!(
            shown(&client, "COMMIT; SELECT a FROM t ORDER BY a").await,
            ["1", "2"],
            "a failed block is rolled back"
        );
        // What the block itself would have to see in a view is refused.
        assert_eq!(
            code(&client, "BEGIN; INSERT INTO t VALUES (5); SELECT a FROM v").await.expect("a code").code(),
            "25001"
        );
        client.batch_execute("ROLLBACK; BEGIN; INSERT INTO t VALUES (6)").await.expect("a row");
        other.batch_execute("DROP TABLE t CASCADE").await.expect("DROP");
        assert_eq!(code(&client, "COMMIT").await, Some(SqlState::T_R_SERIALIZATION_FAILURE));
        assert_eq!(shown(&client, "SELECT 1").await, ["1"], "the block is over");
        running.stop().await;
    });
}

#[test]
fn savepoints() {
    RUNTIME.block_on(async {
        let running = server().await;
        let client = connect(&running).await;
        client.batch_execute("CREATE TABLE t (a int)").await.expect("a table");
        client
            .batch_execute("BEGIN; INSERT INTO t VALUES (1); SAVEPOINT a; INSERT INTO t VALUES (2); SAVEPOINT b")
            .await
            .expect("savepoints");
        assert_eq!(code(&client, "SELECT * FROM nowhere").await, Some(SqlState::UNDEFINED_TABLE));
        assert_eq!(code(&client, "SELECT 1").await, Some(SqlState::IN_FAILED_SQL_TRANSACTION));
        assert_eq!(shown(&client, "ROLLBACK TO SAVEPOINT a; SELECT 7").await, ["7"], "the block goes on");
        assert_eq!(code(&client, "RELEASE b").await.expect("a code").code(), "3B001", "b went with what came after a");
        client.batch_execute("ROLLBACK TO a; INSERT INTO t VALUES (3); RELEASE a; COMMIT").await.expect("COMMIT");
        assert_eq!(shown(&client, "SELECT a FROM t ORDER BY a").await, ["1", "3"]);
        for outside in ["SAVEPOINT a", "RELEASE a", "ROLLBACK TO a"] {
            assert_eq!(code(&client, outside).await, Some(SqlState::NO_ACTIVE_SQL_TRANSACTION), "{outside}");
        }
        running.stop().await;
    });
}

#[test]
fn variables_follow_the_block() {
    RUNTIME.block_on(async {
        let running = server().await;
        let client = connect(&running).await;
        let name = async || shown(&client, "SHOW application_name").await;
        client.batch_execute("SET application_name = 'one'").await.expect("SET");
        client.batch_execute("BEGIN; SET application_name = 'two'; ROLLBACK").await.expect("ROLLBACK");
        assert_eq!(name().await, ["one"]);
        client.batch_execute("BEGIN; SET LOCAL application_name = 'three'; COMMIT").await.expect("COMMIT");
        assert_eq!(name().await, ["one"]);
        client.batch_execute("BEGIN; SET application_name = 'four'; COMMIT").await.expect("COMMIT");
        assert_eq!(name().await, ["four"]);
        running.stop().await;
    });
}

/// What a block changed is there for itself, in whatever order, and for nobody else.
#[test]
fn a_block_reads_what_it_changed() {
    RUNTIME.block_on(async {
        let running = server().await;
        let (client, other) = (connect(&running).await, connect(&running).await);
        client
            .batch_execute(
                "CREATE TABLE t (a int PRIMARY KEY, n int); CREATE VIEW doubled AS SELECT a, 2 * n AS n FROM t;
                 CREATE TABLE aside (a int); CREATE MATERIALIZED VIEW far AS SELECT a FROM aside;
                 INSERT INTO t VALUES (1, 10), (2, 20), (3, 30)",
            )
            .await
            .expect("rows");
        let all = "SELECT a || ':' || n FROM t ORDER BY a";
        client
            .batch_execute("BEGIN; INSERT INTO t VALUES (4, 40); UPDATE t SET n = n + 1 WHERE a > 2")
            .await
            .expect("rows");
        assert_eq!(shown(&client, all).await, ["1:10", "2:20", "3:31", "4:41"]);
        let deleted = client.execute("DELETE FROM t WHERE n IN (10, 41)", &[]).await.expect("rows");
        assert_eq!(deleted, 2);
        client.batch_execute("INSERT INTO t VALUES (1, 11)").await.expect("its key is free");
        assert_eq!(shown(&client, all).await, ["1:11", "2:20", "3:31"]);
        assert_eq!(shown(&client, "SELECT n FROM doubled ORDER BY n").await, ["22", "40", "62"]);
        assert_eq!(shown(&client, "SELECT n FROM t WHERE a = 1").await, ["11"], "by the key too");
        assert_eq!(shown(&client, "SELECT a FROM far").await, [""; 0], "a view of something else");
        assert_eq!(shown(&other, all).await, ["1:10", "2:20", "3:30"]);
        client.batch_execute("SAVEPOINT s; DELETE FROM t; ROLLBACK TO s; COMMIT").await.expect("COMMIT");
        for one in [&client, &other] {
            assert_eq!(shown(one, all).await, ["1:11", "2:20", "3:31"]);
        }
        // Of two that change one row, the second fails, and nothing of it is done.
        client
            .batch_execute("BEGIN; INSERT INTO t VALUES (9, 9); UPDATE t SET n = n + 1 WHERE a = 2")
            .await
            .expect("a row");
        other.batch_execute("UPDATE t SET n = n + 5 WHERE a = 2").await.expect("a row");
        assert_eq!(code(&client, "COMMIT").await, Some(SqlState::T_R_SERIALIZATION_FAILURE));
        assert_eq!(shown(&client, all).await, ["1:11", "2:25", "3:31"]);
        running.stop().await;
    });
}

/// Statements that change one row at once: all of them count.
#[test]
fn changes_by_themselves_are_tried_again_when_others_were_faster() {
    RUNTIME.block_on(async {
        let running = server().await;
        let client = connect(&running).await;
        client.batch_execute("CREATE TABLE t (a int, n int); INSERT INTO t VALUES (1, 0)").await.expect("a row");
        let clients = futures::future::join_all((0..4).map(|_| connect(&running))).await;
        let count = async |client: &Client| {
            for _ in 0..25 {
                client.batch_execute("UPDATE t SET n = n + 1 WHERE a = 1").await.expect("one more");
            }
        };
        futures::future::join_all(clients.iter().map(count)).await;
        assert_eq!(shown(&client, "SELECT n FROM t").await, ["100"]);
        running.stop().await;
    });
}

/// The texts and what they leave behind, as PostgreSQL has it.
#[test]
fn a_text_of_several_statements_is_one_transaction() {
    RUNTIME.block_on(async {
        let running = server().await;
        let client = connect(&running).await;
        client.batch_execute("CREATE TABLE t (a int)").await.expect("a table");
        for (text, expected, left) in [
            ("INSERT INTO t VALUES (1); SELECT 1 / (a - 1) FROM t; INSERT INTO t VALUES (2)", Some("22012"), ""),
            ("INSERT INTO t VALUES (3); COMMIT; INSERT INTO t VALUES (4); SELECT 1 / 0", Some("22012"), "3"),
            ("INSERT INTO t VALUES (5); ROLLBACK; INSERT INTO t VALUES (6)", None, "3,6"),
            ("INSERT INTO t VALUES (7); BEGIN; INSERT INTO t VALUES (8)", None, "3,6,7,8"),
            ("ROLLBACK; SELECT 1", None, "3,6"),
            (
                "BEGIN; INSERT INTO t VALUES (9); COMMIT; DELETE FROM t WHERE a = 6; SELECT 1 / 0",
                Some("22012"),
                "3,6,9",
            ),
            ("DELETE FROM t; INSERT INTO t VALUES (1), (2); UPDATE t SET a = a + 10", None, "11,12"),
            ("SAVEPOINT s; SELECT 1", Some("25P01"), "11,12"),
            ("SET application_name = 'gone'; SELECT 1 / 0", Some("22012"), "11,12"),
        ] {
            let answer = client.batch_execute(text).await;
            let found = answer.as_ref().err().and_then(|error| error.code()).map(SqlState::code);
            assert_eq!(found, expected, "{text}");
            assert_eq!(shown(&client, "SELECT a FROM t ORDER BY a").await.join(","), left, "{text}");
        }
        assert_eq!(shown(&client, "SHOW application_name").await, [""]);
        // One now for all of it.
        assert_eq!(shown(&client, "BEGIN; SELECT now() = transaction_timestamp()").await, ["t"]);
        let first = shown(&client, "SELECT now()").await;
        assert_eq!(shown(&client, "SELECT now()").await, first);
        assert_ne!(shown(&client, "COMMIT; SELECT now()").await, first);
        // The end of a failed block and what follows it, in one text.
        assert!(client.batch_execute("BEGIN; SELECT * FROM nowhere").await.is_err());
        assert_eq!(shown(&client, "ROLLBACK; SELECT 5").await, ["5"]);
        running.stop().await;
    });
}

/// What cannot be undone is told with the error that would undo it.
#[test]
fn what_took_effect_in_a_failed_text_is_told() {
    RUNTIME.block_on(async {
        let running = server().await;
        let (client, mut heard) = hearing(&running).await;
        let text = "CREATE TABLE t (a int); CREATE MATERIALIZED VIEW v AS SELECT a FROM t; INSERT INTO t VALUES (1);
                    SELECT a FROM v; INSERT INTO t VALUES (2); SELECT 1 / 0";
        assert_eq!(code(&client, text).await, Some(SqlState::DIVISION_BY_ZERO));
        let told = texts(&mut heard);
        assert!(
            matches!(&told[..], [one] if one.ends_with("CREATE TABLE, CREATE MATERIALIZED VIEW, INSERT 0 1")),
            "{told:?}"
        );
        assert_eq!(shown(&client, "SELECT a FROM v").await, ["1"]);
        client.batch_execute("INSERT INTO t VALUES (3); DROP TABLE t CASCADE").await.expect("all of it");
        assert_eq!(texts(&mut heard), [""; 0], "nothing is told of what succeeds");
        running.stop().await;
    });
}

/// What is read is done or refused: modes that hold, and words that are none.
#[test]
fn modes_of_transactions_hold_or_are_refused() {
    RUNTIME.block_on(async {
        let running = server().await;
        let client = connect(&running).await;
        client.batch_execute("CREATE TABLE t (a int)").await.expect("a table");
        for (statements, expected) in [
            ("BEGIN banana split", "42601"),
            ("BEGIN READ ONLY,", "42601"),
            ("START banana", "42601"),
            ("COMMIT banana", "42601"),
            ("SET TRANSACTION banana", "42601"),
            ("COMMIT AND CHAIN", "0A000"),
            ("BEGIN; SELECT * FROM t; SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", "25001"),
            ("ROLLBACK; SET transaction_isolation = 'chaos'", "22023"),
            ("BEGIN READ ONLY; INSERT INTO t VALUES (1)", "25006"),
            ("ROLLBACK; BEGIN; SET TRANSACTION READ ONLY; DELETE FROM t", "25006"),
            ("ROLLBACK; BEGIN READ ONLY; BEGIN; DROP TABLE t", "25006"),
        ] {
            assert_eq!(code(&client, statements).await.expect("a code").code(), expected, "{statements}");
        }
        // It is for transactions to come, of which the text itself is none.
        let characteristics = "ROLLBACK; SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY; CREATE TABLE u (a int)";
        client.batch_execute(characteristics).await.expect("a table");
        assert_eq!(code(&client, "CREATE TABLE w (a int)").await.expect("a code").code(), "25006");
        assert_eq!(code(&client, "BEGIN; DROP TABLE u").await.expect("a code").code(), "25006");
        client
            .batch_execute("ROLLBACK; SELECT * FROM t; SHOW TABLES; BEGIN; SELECT * FROM t; COMMIT")
            .await
            .expect("reads");
        client.batch_execute("BEGIN READ WRITE; INSERT INTO t VALUES (1); COMMIT").await.expect("it says otherwise");
        client.batch_execute("SET default_transaction_read_only = off").await.expect("off");
        client.batch_execute("INSERT INTO t VALUES (2)").await.expect("a row");
        assert_eq!(client.query("SELECT * FROM t", &[]).await.expect("rows").len(), 2);
        running.stop().await;
    });
}

//! Transaction blocks: what COMMIT does, what ROLLBACK takes back, savepoints, and what is refused inside.

use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, SimpleQueryMessage};

use crate::{RUNTIME, connect, server};

/// The first column of the rows of the last statement.
async fn shown(client: &Client, text: &str) -> Vec<String> {
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

async fn code(client: &Client, text: &str) -> Option<SqlState> {
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
        // What the block itself would have to see is refused.
        assert_eq!(
            code(&client, "BEGIN; INSERT INTO t VALUES (5); SELECT a FROM v").await.expect("a code").code(),
            "25001"
        );
        assert_eq!(code(&client, "ROLLBACK; BEGIN; DELETE FROM t").await.expect("a code").code(), "25001");
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

#[test]
fn a_text_of_several_statements_stops_at_the_first_error() {
    RUNTIME.block_on(async {
        let running = server().await;
        let client = connect(&running).await;
        client.batch_execute("CREATE TABLE t (a int)").await.expect("a table");
        let text = "INSERT INTO t VALUES (1); SELECT 1 / (a - 1) FROM t; INSERT INTO t VALUES (2)";
        assert_eq!(code(&client, text).await, Some(SqlState::DIVISION_BY_ZERO));
        assert_eq!(shown(&client, "SELECT a FROM t").await, ["1"]);
        // The end of a failed block and what follows it, in one text.
        assert!(client.batch_execute("BEGIN; SELECT * FROM nowhere").await.is_err());
        assert_eq!(shown(&client, "ROLLBACK; SELECT 5").await, ["5"]);
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
            ("BEGIN READ ONLY; INSERT INTO t VALUES (1)", "25006"),
            ("ROLLBACK; BEGIN; SET TRANSACTION READ ONLY; DELETE FROM t", "25006"),
            ("ROLLBACK; SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY; CREATE TABLE u (a int)", "25006"),
            ("BEGIN; DROP TABLE t", "25006"),
        ] {
            assert_eq!(code(&client, statements).await.expect("a code").code(), expected, "{statements}");
        }
        client
            .batch_execute("ROLLBACK; SELECT * FROM t; SHOW TABLES; BEGIN; SELECT * FROM t; COMMIT")
            .await
            .expect("reads");
        client.batch_execute("BEGIN READ WRITE; INSERT INTO t VALUES (1); COMMIT").await.expect("it says otherwise");
        client.batch_execute("SET default_transaction_read_only = off; INSERT INTO t VALUES (2)").await.expect("off");
        assert_eq!(client.query("SELECT * FROM t", &[]).await.expect("rows").len(), 2);
        running.stop().await;
    });
}

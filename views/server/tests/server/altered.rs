//! What ALTER changes is there after a restart, in one order with the rows; and transactions that it overtakes are told.

use tokio_postgres::error::SqlState;

use crate::transactions::{code, shown};
use crate::{RUNTIME, config, connect, server, started};

#[test]
fn altered_tables_and_names_come_back() {
    RUNTIME.block_on(async {
        let config = config();
        let (running, client) = started(&config).await;
        for statement in [
            "CREATE TABLE t (a int PRIMARY KEY, b text)",
            "INSERT INTO t VALUES (1, 'x'), (2, 'y')",
            "CREATE INDEX by_b ON t (b)",
            "ALTER TABLE t ADD COLUMN c int DEFAULT 7, ADD CHECK (a < 10)",
            "INSERT INTO t VALUES (3, 'z', 8)",
            "ALTER TABLE t ALTER COLUMN a TYPE bigint USING a * 2",
            // The same text as before, other rows.
            "ALTER TABLE t ALTER COLUMN a TYPE bigint USING a / 2",
            "ALTER TABLE t ALTER COLUMN a TYPE bigint USING a + 1",
            "DELETE FROM t WHERE a = 2",
            "ALTER TABLE t RENAME COLUMN b TO \"B\"",
            "ALTER TABLE t RENAME TO renamed",
            "CREATE VIEW v AS SELECT a FROM renamed",
            "CREATE MATERIALIZED VIEW m AS SELECT count(*) AS n FROM renamed",
            "ALTER VIEW v RENAME TO w",
            "ALTER MATERIALIZED VIEW m RENAME TO n",
            "ALTER TABLE renamed ALTER c SET DEFAULT 9",
            "INSERT INTO renamed VALUES (8, 'late')",
        ] {
            client.batch_execute(statement).await.expect(statement);
        }
        let rows = "SELECT concat_ws(':', a, \"B\", c) FROM renamed ORDER BY a";
        let expected = ["3:y:7", "4:z:8", "8:late:9"];
        assert_eq!(shown(&client, rows).await, expected);
        running.stop().await;
        let running = tidewater::start(&config).await.expect("it starts again");
        let client = connect(&running).await;
        assert_eq!(shown(&client, rows).await, expected);
        assert_eq!(shown(&client, "SELECT n FROM n").await, ["3"]);
        assert_eq!(shown(&client, "SELECT count(*) FROM w").await, ["3"]);
        assert_eq!(shown(&client, "SELECT a FROM renamed WHERE \"B\" = 'z'").await, ["4"]);
        assert_eq!(code(&client, "INSERT INTO renamed VALUES (10, 'q')").await, Some(SqlState::CHECK_VIOLATION));
        assert_eq!(code(&client, "INSERT INTO renamed VALUES (8, 'q')").await, Some(SqlState::UNIQUE_VIOLATION));
        running.stop().await;
        let _ = std::fs::remove_dir_all(&config.data_dir);
    });
}

#[test]
fn alter_is_refused_where_something_depends_and_overtakes_transactions_by_name() {
    RUNTIME.block_on(async {
        let running = server().await;
        let (client, other) = (connect(&running).await, connect(&running).await);
        client
            .batch_execute("CREATE TABLE t (a int, b int); CREATE MATERIALIZED VIEW v AS SELECT a FROM t")
            .await
            .expect("a view");
        for statement in ["ALTER TABLE t DROP COLUMN b", "ALTER TABLE t RENAME TO u", "ALTER TABLE t RENAME a TO c"] {
            assert_eq!(code(&client, statement).await, Some(SqlState::DEPENDENT_OBJECTS_STILL_EXIST), "{statement}");
        }
        // A row that the new constraint would refuse was evaluated before it.
        client.batch_execute("BEGIN; INSERT INTO t VALUES (-1, 0)").await.expect("a row");
        other.batch_execute("ALTER TABLE t ADD CHECK (a > 0)").await.expect("a constraint");
        assert_eq!(code(&client, "COMMIT").await, Some(SqlState::T_R_SERIALIZATION_FAILURE));
        client.batch_execute("INSERT INTO t VALUES (1, 0)").await.expect("a row");
        assert_eq!(shown(&client, "SELECT a FROM v").await, ["1"]);
        assert_eq!(
            code(&client, "BEGIN; INSERT INTO t VALUES (2, 0); ALTER TABLE t ADD UNIQUE (a)")
                .await
                .expect("a code")
                .code(),
            "25001"
        );
        client.batch_execute("ROLLBACK; DROP MATERIALIZED VIEW v; ALTER TABLE t DROP COLUMN b").await.expect("it goes");
        assert_eq!(shown(&client, "SELECT t::text FROM t").await, ["(1)"]);
        running.stop().await;
    });
}

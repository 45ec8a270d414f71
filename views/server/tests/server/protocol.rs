//! The protocol as a driver speaks it: types in binary, prepared statements, pipelines, errors, COPY, cancel.

use std::time::SystemTime;

use futures::TryStreamExt;
use tokio_postgres::SimpleQueryMessage;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};

use crate::{RUNTIME, connect, queries_begun, server, started, until_begun};

#[test]
fn values_come_back_in_binary() {
    RUNTIME.block_on(async {
        let running = server().await;
        let client = connect(&running).await;
        client
            .batch_execute(
                "CREATE TABLE t (b boolean, i2 smallint, i4 int, i8 bigint, f4 real, f8 double precision, s text, y bytea, z timestamptz);
                 INSERT INTO t VALUES (true, -2, 4, 8, 1.5, 2.25, 'é', 'ab', '2024-09-02T17:21:02.5Z'), (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)",
            )
            .await
            .expect("a table");
        let rows = client.query("SELECT * FROM t ORDER BY i8", &[]).await.expect("rows");
        let row = &rows[0];
        assert!(row.get::<_, bool>(0));
        assert_eq!((row.get::<_, i16>(1), row.get::<_, i32>(2), row.get::<_, i64>(3)), (-2, 4, 8));
        assert_eq!((row.get::<_, f32>(4), row.get::<_, f64>(5), row.get::<_, &str>(6)), (1.5, 2.25, "é"));
        assert_eq!(row.get::<_, &[u8]>(7), b"ab");
        let time = row.get::<_, SystemTime>(8).duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
        assert_eq!(time.as_millis(), 1_725_297_662_500);
        assert_eq!(rows[1].get::<_, Option<i64>>(3), None);
        running.stop().await;
    });
}

#[test]
fn prepared_statements_take_parameters() {
    RUNTIME.block_on(async {
        let running = server().await;
        let client = connect(&running).await;
        client.batch_execute("CREATE TABLE t (id bigint, s text, at timestamptz)").await.expect("a table");
        let insert = client
            .prepare_typed("INSERT INTO t VALUES ($1, $2, $3)", &[Type::INT8, Type::TEXT, Type::TIMESTAMPTZ])
            .await;
        let insert = insert.expect("it prepares");
        let now = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
        for id in 0..20_i64 {
            client.execute(&insert, &[&id, &format!("it's {id}"), &now]).await.expect("a row");
        }
        let select = client
            .prepare("SELECT s FROM t WHERE id > $1 AND s <> $3 ORDER BY id LIMIT $2")
            .await
            .expect("it prepares");
        assert_eq!(select.params(), [Type::INT8, Type::INT8, Type::TEXT]);
        // A pipeline: all are sent before the first is answered.
        let queries = (0..10_i64).map(|id| {
            let (client, select) = (&client, &select);
            async move { client.query(select, &[&id, &2_i64, &"it's 5"]).await.map(|rows| rows[0].get::<_, String>(0)) }
        });
        let answers: Vec<_> = futures::future::try_join_all(queries).await.expect("answers");
        assert_eq!((answers[0].as_str(), answers[4].as_str()), ("it's 1", "it's 6"));
        assert_eq!(
            client.query("SELECT at FROM t WHERE id = 3", &[]).await.expect("a row")[0].get::<_, SystemTime>(0),
            now
        );
        running.stop().await;
    });
}

#[test]
fn errors_have_their_code_and_hint_and_the_session_goes_on() {
    RUNTIME.block_on(async {
        let running = server().await;
        let client = connect(&running).await;
        let code = |result: Result<_, tokio_postgres::Error>| {
            result.map(|_: Vec<_>| ()).expect_err("an error").code().cloned()
        };
        assert_eq!(code(client.query("SELECT * FROM nowhere", &[]).await), Some(SqlState::UNDEFINED_TABLE));
        assert_eq!(code(client.query("SELEC", &[]).await), Some(SqlState::SYNTAX_ERROR));
        client.batch_execute("CREATE TABLE t (a int); CREATE VIEW v AS SELECT a FROM t").await.expect("objects");
        assert_eq!(code(client.query("SELECT missing FROM t", &[]).await), Some(SqlState::UNDEFINED_COLUMN));
        let error = client.batch_execute("DROP TABLE t").await.expect_err("v depends on it");
        let error = error.as_db_error().expect("of the server");
        assert_eq!((error.code().code(), error.hint().is_some_and(|hint| hint.contains("CASCADE"))), ("2BP01", true));
        // In a transaction an error aborts what follows, until it ends.
        assert!(client.batch_execute("BEGIN; SELECT * FROM nowhere").await.is_err());
        assert_eq!(code(client.query("SELECT 1", &[]).await), Some(SqlState::IN_FAILED_SQL_TRANSACTION));
        client.batch_execute("ROLLBACK").await.expect("an end");
        assert_eq!(client.query("SELECT 1", &[]).await.expect("a row").len(), 1);
        running.stop().await;
    });
}

#[test]
fn sessions_have_variables() {
    RUNTIME.block_on(async {
        let running = server().await;
        let client = connect(&running).await;
        client.batch_execute("SET application_name = 'me'; SET work_mem TO 1; SET TIME ZONE 'UTC'").await.expect("SET");
        let unknown = client.batch_execute("SET unheard_of TO 1").await.expect_err("nobody knows it");
        assert_eq!(unknown.code(), Some(&SqlState::UNDEFINED_OBJECT));
        let shown = client.query_one("SHOW application_name", &[]).await.expect("a row").get::<_, String>(0);
        assert_eq!(shown, "me");
        let level = client.query_one("SHOW TRANSACTION ISOLATION LEVEL", &[]).await.expect("a row");
        assert_eq!(level.get::<_, String>(0), "repeatable read");
        assert!(client.batch_execute("SET TIME ZONE 'Europe/Atlantis'").await.is_err());
        assert!(client.batch_execute(";").await.is_ok());
        running.stop().await;
    });
}

#[test]
fn copy_writes_text_and_csv() {
    RUNTIME.block_on(async {
        let running = server().await;
        let client = connect(&running).await;
        client
            .batch_execute("CREATE TABLE t (a int, b text); INSERT INTO t VALUES (1, 'x\"y'), (2, NULL)")
            .await
            .expect("rows");
        let read = async |statement: &str| {
            let stream = client.copy_out(statement).await.expect("COPY");
            let pieces: Vec<_> = stream.try_collect().await.expect("pieces");
            String::from_utf8(pieces.concat()).expect("UTF-8")
        };
        assert_eq!(read("COPY (SELECT * FROM t ORDER BY a) TO STDOUT").await, "1\tx\"y\n2\t\\N\n");
        assert_eq!(
            read("COPY (SELECT * FROM t ORDER BY a) TO STDOUT WITH (FORMAT csv, HEADER)").await,
            "a,b\n1,\"x\"\"y\"\n2,\n"
        );
        running.stop().await;
    });
}

#[test]
fn a_running_query_is_cancelled() {
    RUNTIME.block_on(async {
        let running = server().await;
        let client = connect(&running).await;
        client.batch_execute("CREATE TABLE t (a bigint)").await.expect("a table");
        let values: Vec<_> = (0..400).map(|n| format!("({n})")).collect();
        client.batch_execute(&format!("INSERT INTO t VALUES {}", values.join(","))).await.expect("rows");
        let cancel = client.cancel_token();
        let before = queries_begun(&running);
        // Millions of rows: it takes longer than it is left to run.
        let long = client.query("SELECT count(*) FROM t a, t b, t c WHERE a.a + b.a + c.a = -1", &[]);
        let stop = async {
            until_begun(&running, before).await;
            cancel.cancel_query(tokio_postgres::NoTls).await
        };
        let (long, stopped) = futures::future::join(long, stop).await;
        stopped.expect("the request was taken");
        assert_eq!(long.expect_err("cancelled").code(), Some(&SqlState::QUERY_CANCELED));
        assert_eq!(client.query("SELECT 1", &[]).await.expect("the session goes on").len(), 1);
        running.stop().await;
    });
}

#[test]
fn the_catalog_outlives_the_process() {
    RUNTIME.block_on(async {
        let config = crate::config();
        let (running, client) = started(&config).await;
        client
            .batch_execute("CREATE TABLE t (a int); CREATE MATERIALIZED VIEW v AS SELECT a FROM t; CREATE INDEX i ON v (a); CREATE TABLE gone (a int); DROP TABLE gone")
            .await
            .expect("objects");
        running.stop().await;
        let (running, client) = started(&config).await;
        client.batch_execute("INSERT INTO t VALUES (7)").await.expect("the table is there");
        assert_eq!(client.query_one("SELECT a FROM v", &[]).await.expect("a row").get::<_, i32>(0), 7);
        let names: Vec<String> = client.query("SHOW OBJECTS", &[]).await.expect("names").iter().map(|row| row.get(0)).collect();
        assert_eq!(names, ["i", "t", "v"]);
        running.stop().await;
    });
}

#[test]
fn parameters_without_a_declared_type_take_that_of_their_place() {
    RUNTIME.block_on(async {
        let running = server().await;
        let client = connect(&running).await;
        client.batch_execute("CREATE TABLE t (id bigint, n numeric(10,2), s text, at timestamptz)").await.expect("t");
        let insert = client.prepare("INSERT INTO t (s, id) VALUES ($1, $2), ($3, $4)").await.expect("it prepares");
        assert_eq!(insert.params(), [Type::TEXT, Type::INT8, Type::TEXT, Type::INT8]);
        assert!(insert.columns().is_empty());
        client.execute(&insert, &[&"a", &1_i64, &"b", &2_i64]).await.expect("rows");
        let update = client.prepare("UPDATE t SET s = $1, at = $2 WHERE id = $3").await.expect("it prepares");
        assert_eq!(update.params(), [Type::TEXT, Type::TIMESTAMPTZ, Type::INT8]);
        let changed = client.execute(&update, &[&"c", &SystemTime::UNIX_EPOCH, &1_i64]).await.expect("a row");
        assert_eq!(changed, 1);
        let delete = client.prepare("DELETE FROM t WHERE id = $1 AND n IS NULL").await.expect("it prepares");
        assert_eq!(delete.params(), [Type::INT8]);
        assert_eq!(client.execute(&delete, &[&2_i64]).await.expect("a row"), 1);
        let shown = client.prepare("SHOW application_name").await.expect("it prepares");
        assert_eq!(shown.columns()[0].name(), "application_name");
        let none = client.prepare("CREATE VIEW v AS SELECT id FROM t").await.expect("it prepares");
        assert!(none.columns().is_empty() && none.params().is_empty());
        running.stop().await;
    });
}

#[test]
fn what_a_statement_says_and_the_server_does_not_do_is_refused_by_name() {
    RUNTIME.block_on(async {
        let running = server().await;
        let client = connect(&running).await;
        client.batch_execute("CREATE TABLE t (a int NOT NULL, b int)").await.expect("a table");
        for (text, name) in [
            ("CREATE MATERIALIZED VIEW v WITH (ASSERT NOT NULL a) AS SELECT a FROM t", "ASSERT NOT NULL"),
            ("CREATE MATERIALIZED VIEW v WITH (REFRESH EVERY '1 day') AS SELECT a FROM t", "REFRESH"),
            ("CREATE MATERIALIZED VIEW v WITH (RETAIN HISTORY FOR '1hr') AS SELECT a FROM t", "RETAIN HISTORY"),
            ("CREATE TABLE v (a int REFERENCES t)", "REFERENCES"),
            ("CREATE TABLE v (a int GENERATED ALWAYS AS (1) STORED)", "generated"),
            ("CREATE UNIQUE INDEX ON t ((a + b))", "unique index on the expression"),
            ("CREATE INDEX ON t (a) WHERE a > 1", "an index with WHERE"),
            ("WITH w AS (DELETE FROM t RETURNING a) SELECT a FROM w", "DELETE in WITH"),
            ("COPY t TO STDOUT (FORMAT binary)", "binary"),
        ] {
            let error = client.batch_execute(text).await.expect_err(text);
            let error = error.as_db_error().expect("of the server");
            assert!(
                error.code() == &SqlState::FEATURE_NOT_SUPPORTED && error.message().contains(name),
                "{text}: {error}"
            );
        }
        let error = client.batch_execute("INSERT INTO t (b) VALUES (1)").await.expect_err("a is NOT NULL");
        assert_eq!(error.code(), Some(&SqlState::NOT_NULL_VIOLATION));
        assert_eq!(client.query("SELECT * FROM t", &[]).await.expect("rows").len(), 0);
        running.stop().await;
    });
}

#[test]
fn prepared_statements_are_forgotten() {
    RUNTIME.block_on(async {
        let running = server().await;
        let client = connect(&running).await;
        for forget in ["DEALLOCATE ALL", "DISCARD ALL"] {
            let statement = client.prepare("SELECT 1").await.expect("it prepares");
            client.batch_execute(forget).await.expect(forget);
            let error = client.query(&statement, &[]).await.expect_err("it is gone");
            assert_eq!(error.code(), Some(&SqlState::INVALID_SQL_STATEMENT_NAME), "{forget}");
        }
        // What pools send to a connection that comes back.
        client.batch_execute("CLOSE ALL; UNLISTEN *; RESET ALL").await.expect("a clean session");
        running.stop().await;
    });
}

#[test]
fn lists_are_parameters() {
    RUNTIME.block_on(async {
        let running = server().await;
        let client = connect(&running).await;
        client
            .batch_execute("CREATE TABLE t (id bigint, s text, n numeric(10,2)); INSERT INTO t VALUES (1, 'a', 1.5), (2, 'b', 2), (3, 'c', NULL)")
            .await
            .expect("rows");
        let ids = async |text: &str, parameter: &(dyn ToSql + Sync)| {
            let rows = client.query(text, &[parameter]).await.expect(text);
            rows.iter().map(|row| row.get::<_, i64>(0)).collect::<Vec<_>>()
        };
        let statement = client.prepare("SELECT id FROM t WHERE id = ANY($1) ORDER BY id").await.expect("it prepares");
        assert_eq!(statement.params(), [Type::INT8_ARRAY]);
        assert_eq!(ids("SELECT id FROM t WHERE id = ANY($1) ORDER BY id", &vec![3_i64, 1, 9]).await, [1, 3]);
        assert_eq!(ids("SELECT id FROM t WHERE s = ANY($1::text[]) ORDER BY id", &vec!["b", "a"]).await, [1, 2]);
        assert_eq!(ids("SELECT id FROM t WHERE id = ANY($1) ORDER BY id", &Vec::<i64>::new()).await, [0_i64; 0]);
        let gone = client.execute("DELETE FROM t WHERE id = ANY($1)", &[&vec![1_i64, 2]]).await.expect("rows");
        assert_eq!((gone, ids("SELECT id FROM t WHERE id > $1", &0_i64).await), (2, vec![3]));
        running.stop().await;
    });
}

#[test]
fn columns_are_called_as_in_postgresql() {
    RUNTIME.block_on(async {
        let running = server().await;
        let client = connect(&running).await;
        client
            .batch_execute(
                "CREATE TABLE t (id bigint, s text);
                 CREATE VIEW v AS SELECT s, count(*), max(id) AS top FROM t GROUP BY s;
                 CREATE MATERIALIZED VIEW m AS SELECT lower(s), id FROM t;
                 INSERT INTO t VALUES (1, 'A')",
            )
            .await
            .expect("objects");
        for (text, names) in [
            (
                "SELECT 1, 1, 'x', count(*), count(id), sum(id) AS \"Sum\" FROM t",
                "?column? ?column? ?column? count count Sum",
            ),
            ("SELECT id, id, t.s, lower(s), id::text, 'a'::text, (id) FROM t", "id id s lower id text id"),
            ("SELECT *, CASE WHEN id = 1 THEN 2 END, coalesce(s, 'x') FROM t", "id s case coalesce"),
            ("SELECT count(*) FROM t UNION ALL SELECT 1", "count"),
            ("SELECT current_user, session_user, current_database()", "current_user session_user current_database"),
            ("SELECT count, top FROM v", "count top"),
            ("SELECT * FROM m", "lower id"),
            (
                "SELECT extract(year FROM now()), date '2024-01-02', true, NULL, id + $1 FROM t",
                "extract date ?column? ?column? ?column?",
            ),
        ] {
            let statement = client.prepare(text).await.expect(text);
            let found: Vec<_> = statement.columns().iter().map(|column| column.name()).collect();
            assert_eq!(found.join(" "), names, "{text}");
            if statement.params().is_empty() {
                assert_eq!(client.query(&statement, &[]).await.expect(text)[0].columns()[0].name(), found[0]);
                for message in client.simple_query(text).await.expect(text) {
                    if let SimpleQueryMessage::RowDescription(columns) = message {
                        assert_eq!(columns.iter().map(|column| column.name()).collect::<Vec<_>>(), found, "{text}");
                    }
                }
            }
        }
        let row = client.query_one("SELECT 1, 2, 1", &[]).await.expect("a row");
        assert_eq!([0, 1, 2].map(|at| row.get::<_, i32>(at)), [1, 2, 1]);
        running.stop().await;
    });
}

//! Temporary objects are their session's own; sessions see and end each other.

use tokio_postgres::{Client, Config, NoTls};

use crate::transactions::{self, shown};
use crate::{RUNTIME, config, connect, server, started, until_begun, within};

async fn code(client: &Client, statement: &str) -> String {
    let code = within(transactions::code(client, statement)).await;
    code.unwrap_or_else(|| panic!("{statement} is done")).code().to_owned()
}

/// Waits until a query gives this.
async fn until_shown(client: &Client, query: &str, expected: &str) {
    let mut again = tokio::time::interval(std::time::Duration::from_millis(5));
    within(async {
        while shown(client, query).await != [expected] {
            again.tick().await;
        }
    })
    .await;
}

#[test]
fn temporary_tables_are_their_session_s_own_and_go_with_it() {
    RUNTIME.block_on(async {
        let config = config();
        let running = tidewater::start(&config).await.expect("a server");
        let (one, other) = (connect(&running).await, connect(&running).await);
        one.batch_execute("CREATE TABLE t (a int); INSERT INTO t VALUES (1)").await.expect("a table");
        one.batch_execute("CREATE TEMP TABLE t (a int); INSERT INTO t VALUES (2), (3)").await.expect("its own");
        other.batch_execute("CREATE TEMP TABLE t (a text); INSERT INTO t VALUES ('other')").await.expect("its own");
        assert_eq!(shown(&one, "SELECT a FROM t ORDER BY 1").await, ["2", "3"]);
        assert_eq!(shown(&other, "SELECT a FROM t").await, ["other"]);
        assert_eq!(shown(&other, "SELECT a FROM public.t").await, ["1"]);
        let schema = shown(&one, "SELECT pg_my_temp_schema()::regnamespace").await.remove(0);
        assert_eq!(code(&other, &format!("SELECT a FROM {schema}.t")).await, "0A000");
        assert_eq!(code(&other, &format!("DROP TABLE {schema}.t")).await, "0A000");
        assert_eq!(code(&other, &format!("CREATE TABLE {schema}.u (a int)")).await, "0A000");
        assert_eq!(shown(&connect(&running).await, "SELECT a FROM t").await, ["1"]);
        // A block, a savepoint and a prepared statement see the own one.
        let statement = one.prepare("SELECT count(*) FROM t WHERE a > $1").await.expect("it prepares");
        assert_eq!(one.query_one(&statement, &[&2]).await.expect("a row").get::<_, i64>(0), 1);
        one.batch_execute("BEGIN; INSERT INTO t VALUES (4)").await.expect("a block");
        assert_eq!(shown(&one, "SELECT count(*) FROM t").await, ["3"]);
        one.batch_execute("ROLLBACK").await.expect("it is taken back");
        let count = format!(
            "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace AND nspname = '{schema}'"
        );
        assert_eq!(shown(&other, &count).await, ["1"]);
        drop(one);
        until_shown(&other, &count, "0").await;
        assert_eq!(
            shown(&other, &format!("SELECT count(*) FROM pg_namespace WHERE nspname = '{schema}'")).await,
            ["0"]
        );
        // Nothing of it is written.
        running.stop().await;
        let kept = tidewater::statements(&config.data_dir).expect("the folder");
        assert_eq!(kept, ["CREATE TABLE t (a int)"]);
        let running = tidewater::start(&config).await.expect("a server");
        assert_eq!(shown(&connect(&running).await, "SELECT a FROM t").await, ["1"]);
        running.stop().await;
        let _ = std::fs::remove_dir_all(&config.data_dir);
    });
}

#[test]
fn comments_and_identity_columns_come_back_after_a_restart() {
    RUNTIME.block_on(async {
        let config = config();
        let (running, client) = started(&config).await;
        client
            .batch_execute(
                "CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY, a text, CONSTRAINT c CHECK (a <> ''));
                 INSERT INTO t (a) VALUES ('x');
                 CREATE VIEW v AS SELECT a FROM t;
                 COMMENT ON TABLE t IS 'a table'; COMMENT ON COLUMN t.a IS 'a column'; COMMENT ON CONSTRAINT c ON t IS 'a check';
                 COMMENT ON VIEW v IS 'a view'; CREATE SCHEMA s; COMMENT ON SCHEMA s IS 'a schema'",
            )
            .await
            .expect("comments");
        running.stop().await;
        let (running, client) = started(&config).await;
        let comments = "SELECT string_agg(description, ', ' ORDER BY description) FROM pg_description";
        assert_eq!(shown(&client, comments).await, ["a check, a column, a schema, a table, a view"]);
        assert_eq!(code(&client, "INSERT INTO t VALUES (5, 'y')").await, "428C9");
        assert_eq!(shown(&client, "SELECT a FROM t").await, ["x"]);
        client.batch_execute("INSERT INTO t (a) VALUES ('y')").await.expect("a row");
        assert_eq!(shown(&client, "SELECT count(DISTINCT id) FROM t").await, ["2"]);
        running.stop().await;
        let _ = std::fs::remove_dir_all(&config.data_dir);
    });
}

#[test]
fn sessions_see_cancel_and_end_each_other() {
    RUNTIME.block_on(async {
        let running = server().await;
        let client = connect(&running).await;
        let mut config = Config::new();
        config.host("127.0.0.1").port(running.pg_address.port()).user("somebody").dbname("materialize");
        config.application_name("the other");
        let (other, connection) = config.connect(NoTls).await.expect("a connection");
        let ended = tokio::spawn(connection);
        let pid = shown(&other, "SELECT pg_backend_pid()").await.remove(0);
        let of_other = |what: &str| format!("SELECT {what} FROM pg_stat_activity WHERE pid = {pid}");
        assert_eq!(
            shown(&client, &of_other("usename || ' ' || application_name || ' ' || client_addr")).await,
            ["somebody the other 127.0.0.1"]
        );
        until_shown(&client, &of_other("state || ': ' || query"), "idle: SELECT pg_backend_pid()").await;
        assert_eq!(shown(&client, "SELECT numbackends FROM pg_stat_database").await, ["2"]);
        other.batch_execute("BEGIN").await.expect("a block");
        until_shown(&client, &of_other("state"), "idle in transaction").await;
        other.batch_execute("ROLLBACK").await.expect("its end");
        // What runs is cancelled, and the session goes on.
        let before = crate::queries_begun(&running);
        let long = "SELECT count(*) FROM generate_series(1, 100000) a, generate_series(1, 1000000) b";
        let (cancelled, _) = tokio::join!(code(&other, long), async {
            until_begun(&running, before).await;
            until_shown(&client, &of_other("state"), "active").await;
            assert_eq!(shown(&client, &format!("SELECT pg_cancel_backend({pid})")).await, ["t"]);
        });
        assert_eq!(cancelled, "57014");
        assert_eq!(shown(&other, "SELECT 1").await, ["1"]);
        // The session ends, and is gone.
        assert_eq!(shown(&client, &format!("SELECT pg_terminate_backend({pid})")).await, ["t"]);
        let end = within(ended).await.expect("its task").expect_err("it is ended");
        assert_eq!(end.code().map(|code| code.code()), Some("57P01"), "{end}");
        until_shown(&client, "SELECT numbackends FROM pg_stat_database", "1").await;
        running.stop().await;
    });
}

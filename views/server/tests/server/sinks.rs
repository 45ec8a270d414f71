//! Sinks as statements see them, with no Kafka: kept over a restart, shown, counted, dropped, refused.

use tokio_postgres::{Client, SimpleQueryMessage};

use crate::{RUNTIME, config_in, connect, within};

async fn code(client: &Client, statement: &str) -> String {
    let error = within(client.batch_execute(statement)).await.expect_err(statement);
    error.code().unwrap_or_else(|| panic!("{statement}: {error}")).code().to_owned()
}

/// The first column of each row.
async fn first(client: &Client, query: &str) -> Vec<String> {
    let rows = within(client.simple_query(query)).await.unwrap_or_else(|error| panic!("{query}: {error}"));
    let first = |message| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    };
    rows.into_iter().filter_map(first).collect()
}

const SINK: &str = "CREATE SINK s FROM v INTO KAFKA CONNECTION k (TOPIC 'out') FORMAT JSON ENVELOPE UPSERT";

#[test]
fn a_sink_outlives_the_server() {
    RUNTIME.block_on(async {
        let config = crate::config();
        let (running, _events) = tidewater::start_without_kafka(&config).await.expect("a server");
        let client = connect(&running).await;
        let objects = "CREATE SECRET p AS 'x'; CREATE CONNECTION k TO KAFKA (BROKER 'localhost:1', SASL PASSWORD = SECRET p); \
                       CREATE TABLE t (id bigint PRIMARY KEY, n numeric(9,2)); \
                       CREATE MATERIALIZED VIEW v AS SELECT id, n FROM t";
        within(client.batch_execute(objects)).await.expect("objects");
        within(client.batch_execute(SINK)).await.expect("a sink");
        for (statement, expected) in [
            (SINK, "42P07"),
            ("DROP MATERIALIZED VIEW v", "2BP01"),
            ("DROP CONNECTION k", "2BP01"),
            ("CREATE SINK z FROM v INTO KAFKA CONNECTION p (TOPIC 'o') FORMAT JSON ENVELOPE UPSERT", "42704"),
            ("CREATE SINK z FROM v INTO KAFKA CONNECTION k (TOPIC 'o') FORMAT TEXT ENVELOPE UPSERT", "0A000"),
            ("CREATE SINK z FROM v INTO KAFKA CONNECTION k (TOPIC 'o', COLOUR 'red') FORMAT JSON ENVELOPE UPSERT", "0A000"),
            ("CREATE SINK z FROM v INTO KAFKA CONNECTION k (TOPIC 'o') FORMAT JSON ENVELOPE UPSERT WITH (SNAPSHOT = false)", "0A000"),
            (
                "CREATE SINK z FROM v INTO KAFKA CONNECTION k (TOPIC 'o', TOPIC PARTITION COUNT 0) FORMAT JSON ENVELOPE UPSERT",
                "22023",
            ),
            ("CREATE SINK z FROM v INTO KAFKA CONNECTION k (TOPIC 'o') KEY FORMAT TEXT VALUE FORMAT JSON ENVELOPE UPSERT", "0A000"),
        ] {
            assert_eq!(code(&client, statement).await, expected, "{statement}");
        }
        assert!(running.handle.metrics().contains("tidewater_sink_state{sink=\"s\",state=\"starting\"} 1"));
        running.stop().await;

        let (running, _events) = tidewater::start_without_kafka(&config_in(config.data_dir)).await.expect("a server");
        let client = connect(&running).await;
        assert_eq!(first(&client, "SHOW SINKS").await, ["s"]);
        assert_eq!(first(&client, "SELECT create_sql FROM mz_sinks").await, [SINK]);
        within(client.batch_execute("DROP SINK s; DROP CONNECTION k")).await.expect("they go");
        assert!(first(&client, "SHOW SINKS").await.is_empty());
        running.stop().await;
    });
}

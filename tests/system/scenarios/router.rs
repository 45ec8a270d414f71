//! Topics that are not named after their tables: what the records and the transaction topic call them counts.

use crate::Result;
use crate::stage::{Pair, Stage};

pub(super) async fn run(stage: &Stage) -> Result<()> {
    stage
        .sql(
            "CREATE TABLE a (id BIGINT PRIMARY KEY, v BIGINT NOT NULL); CREATE TABLE b LIKE a; \
             INSERT INTO a VALUES (1, 100), (2, 100); INSERT INTO b VALUES (1, 100), (2, 100)",
        )
        .await?;
    let settings = [
        ("transforms", "route"),
        ("transforms.route.type", "org.apache.kafka.connect.transforms.RegexRouter"),
        ("transforms.route.regex", r"router\.router\.(.*)"),
        ("transforms.route.replacement", "rows-of-$1"),
    ];
    stage.connector("shop", "router", &settings).await?;
    let option = ", TRANSACTION TOPIC 'router.transaction'";
    stage.avro("a", "rows-of-a", option).await?;
    stage.avro("b", "rows-of-b", option).await?;
    stage
        .source(
            "CREATE SOURCE transactions FROM KAFKA CONNECTION kafka (TOPIC 'router.transaction') FORMAT BYTES ENVELOPE NONE",
        )
        .await?;
    for table in ["a", "b"] {
        stage
            .source(&format!(
                "CREATE SOURCE {table}_named FROM KAFKA CONNECTION kafka (TOPIC 'rows-of-{table}') \
                 FORMAT AVRO USING CONFLUENT SCHEMA REGISTRY CONNECTION registry \
                 ENVELOPE DEBEZIUM (TRANSACTION METADATA (SOURCE transactions, COLLECTION 'router.{table}'))"
            ))
            .await?;
    }
    let columns = "id, v";
    let pairs = [("a", "a"), ("b", "b"), ("a_named", "a"), ("b_named", "b")].map(|(source, table)| Pair {
        source,
        table,
        columns,
    });
    stage.judge(&pairs).await?;
    let client = stage.client().await?;
    for n in 0..40 {
        let amount = n % 7;
        stage
            .sql(&format!(
                "BEGIN; UPDATE a SET v = v - {amount}; UPDATE b SET v = v + {amount}; UPDATE a SET v = v - 1; UPDATE b SET v = v + 1; COMMIT"
            ))
            .await?;
        for (a, b) in [("a", "b"), ("a_named", "b_named")] {
            let query = format!("SELECT (SELECT sum(v) FROM {a}) + (SELECT sum(v) FROM {b})");
            let found = crate::sql::rows(&client, &query).await?;
            if found[0][0].as_deref() != Some("400") {
                return Err(format!("{query} gave {found:?}: half of a transaction").into());
            }
        }
    }
    stage.judge(&pairs).await?;
    stage.judge_after_restart(&pairs).await
}

/// Two tables whose rows Debezium's router sends to one topic, without the table's name in the key: refused, with the reason.
pub(super) async fn shards(stage: &Stage) -> Result<()> {
    stage
        .sql(
            "CREATE TABLE shard_1 (id BIGINT PRIMARY KEY, v BIGINT NOT NULL); CREATE TABLE shard_2 LIKE shard_1; \
             CREATE VIEW both_shards AS SELECT * FROM shard_1 UNION ALL SELECT * FROM shard_2; \
             INSERT INTO shard_1 VALUES (1, 10), (2, 10); INSERT INTO shard_2 VALUES (1, 20), (3, 20)",
        )
        .await?;
    let settings = [
        ("transforms", "route"),
        ("transforms.route.type", "io.debezium.transforms.ByLogicalTableRouter"),
        ("transforms.route.topic.regex", r"(.*)shard_(.*)"),
        ("transforms.route.topic.replacement", "$1all"),
        // Else the key has a column more than the table: rows of one key in both tables are one key in the topic.
        ("transforms.route.key.enforce.uniqueness", "false"),
        ("table.include.list", r"shards.shard_.*"),
    ];
    stage.connector("shop", "shards", &settings).await?;
    let pair = Pair { source: "all_shards", table: "both_shards", columns: "id, v" };
    stage.avro("all_shards", "shards.shards.all", ", TRANSACTION TOPIC 'shards.transaction'").await?;
    stage.truth_or_refusal(pair, "shards.shards.all").await?;
    stage
        .sql(
            "BEGIN; UPDATE shard_1 SET v = 11 WHERE id = 1; UPDATE shard_2 SET v = 21 WHERE id = 1; \
             DELETE FROM shard_1 WHERE id = 2; COMMIT",
        )
        .await?;
    stage.truth_or_refusal(pair, "shards.shards.all").await
}

//! Tables whose topics have several partitions: no order holds between them but that of the transactions.

use crate::stage::{Pair, Stage};
use crate::{Result, kafka};

const ROWS: &str =
    "(WITH RECURSIVE s AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM s WHERE n < 900) SELECT n FROM s) s";

pub(super) async fn run(stage: &Stage) -> Result<()> {
    let brokers = stage.servers.kafka();
    for table in ["keyed", "keyless"] {
        kafka::create_topic(&brokers, &format!("partitions.partitions.{table}"), 3, &[]).await?;
    }
    stage
        .sql(&format!(
            "CREATE TABLE keyed (id BIGINT PRIMARY KEY, v BIGINT NOT NULL); CREATE TABLE keyless (a BIGINT, b BIGINT); \
             CREATE TABLE single LIKE keyed; INSERT INTO keyed SELECT n, 0 FROM {ROWS}; \
             INSERT INTO keyless SELECT n % 7, n % 3 FROM {ROWS}; INSERT INTO single SELECT * FROM keyed"
        ))
        .await?;
    stage.connector("shop", "partitions", &[]).await?;
    let tables = [("keyed", "id, v"), ("keyless", "a, b"), ("single", "id, v")];
    for (table, _) in tables {
        stage.avro(table, &format!("partitions.partitions.{table}"), "").await?;
    }
    stage.avro("keyed_none", "partitions.partitions.keyed", ", TRANSACTION TOPIC 'none'").await?;
    let pairs = tables.map(|(table, columns)| Pair { source: table, table, columns });
    let loose = Pair { source: "keyed_none", ..pairs[0] };
    let pairs = [pairs[0], pairs[1], pairs[2], loose];
    stage.judge(&pairs).await?;
    stage.sql(CHANGES).await?;
    stage.judge(&pairs).await?;
    kafka::add_partitions(&brokers, "partitions.partitions.keyed", 5).await?;
    // Producers find the new ones when they next ask for metadata: some of these rows go to the old ones only.
    for _ in 0..3 {
        stage.sql(&format!("INSERT INTO keyed SELECT max(id) + n, 1 FROM keyed, {ROWS} GROUP BY n")).await?;
        stage.sql(CHANGES).await?;
        stage.judge(&pairs).await?;
    }
    stage.judge_after_restart(&pairs).await
}

const CHANGES: &str = "BEGIN; UPDATE keyed SET v = v + 1; UPDATE single SET v = v + 1; INSERT INTO keyless VALUES (8, 8), (8, 8); COMMIT; \
    UPDATE keyed SET id = -id WHERE id % 10 = 3; DELETE FROM keyed WHERE id % 10 = 4; \
    UPDATE keyless SET b = b + 1 WHERE a = 2; DELETE FROM keyless WHERE a = 3 LIMIT 5; \
    BEGIN; UPDATE keyed SET v = 5 WHERE id = 1; UPDATE keyed SET v = 6 WHERE id = 1; UPDATE keyed SET id = 100001 WHERE id = 2; \
    UPDATE keyed SET id = 2 WHERE id = 100001; COMMIT";

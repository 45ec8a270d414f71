//! Topics whose beginning is gone: a part of a table is never shown as the table.

use crate::stage::{Pair, Stage};
use crate::{Result, kafka};

const COLUMNS: &str = "id, v";

pub(super) async fn run(stage: &Stage) -> Result<()> {
    let brokers = stage.servers.kafka();
    stage
        .sql(
            "CREATE TABLE a (id BIGINT PRIMARY KEY, v BIGINT NOT NULL); CREATE TABLE b LIKE a; CREATE TABLE c LIKE a; \
             CREATE TABLE signals (id VARCHAR(42) PRIMARY KEY, type VARCHAR(32) NOT NULL, data VARCHAR(2048)); \
             INSERT INTO a SELECT n, n FROM (WITH RECURSIVE s AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM s WHERE n < 150) SELECT n FROM s) s; \
             INSERT INTO b SELECT * FROM a; INSERT INTO c SELECT * FROM a",
        )
        .await?;
    stage.connector("shop", "retention", &[("signal.data.collection", "retention.signals")]).await?;
    stage.sql("UPDATE a SET v = v + 1 WHERE id <= 20; UPDATE b SET v = v + 1 WHERE id <= 20").await?;
    // All is in Kafka when the sibling shows it.
    stage.avro("b_first", "retention.retention.b", "").await?;
    stage.judge(&[Pair { source: "b_first", table: "b", columns: COLUMNS }]).await?;
    kafka::delete_records(&brokers, "retention.retention.a", 40).await?;
    let (_, end) = kafka::watermarks(&brokers, "retention.retention.c", 0)?;
    kafka::delete_records(&brokers, "retention.retention.c", end).await?;

    stage.avro("a", "retention.retention.a", "").await?;
    stage.avro("a_none", "retention.retention.a", ", TRANSACTION TOPIC 'none'").await?;
    stage.avro("b", "retention.retention.b", "").await?;
    stage.avro("c", "retention.retention.c", "").await?;
    let (a, b) =
        (Pair { source: "a", table: "a", columns: COLUMNS }, Pair { source: "b", table: "b", columns: COLUMNS });
    let (a_none, c) = (Pair { source: "a_none", ..a }, Pair { source: "c", table: "c", columns: COLUMNS });
    stage.refusal(a, "retention.retention.a").await?;
    stage.refusal(a_none, "retention.retention.a").await?;
    stage.refusal(c, "retention.retention.c").await?;
    stage.sql("BEGIN; UPDATE a SET v = v + 1 WHERE id = 150; UPDATE b SET v = v + 1 WHERE id = 150; COMMIT").await?;
    stage.judge(&[b]).await?;
    stage.refusal(a, "retention.retention.a").await?;

    let tables = r#"{"data-collections": ["retention.a", "retention.c"], "type": "BLOCKING"}"#;
    stage.sql(&format!("INSERT INTO signals VALUES ('heal', 'execute-snapshot', '{tables}')")).await?;
    stage.judge(&[a, a_none, b, c]).await?;
    stage.sql("BEGIN; UPDATE a SET v = v + 1; UPDATE b SET v = v + 1; DELETE FROM c WHERE id > 50; COMMIT").await?;
    stage.judge(&[a, a_none, b, c]).await?;
    stage.judge_after_restart(&[a, a_none, b, c]).await
}

//! A table that Debezium never read whole at its start: a signal makes it read the rows in chunks, between the changes.

use crate::Result;
use crate::stage::{PULSE, Pair, Stage};

pub(super) async fn run(stage: &Stage) -> Result<()> {
    stage
        .sql(
            "CREATE TABLE t (id BIGINT PRIMARY KEY, v BIGINT NOT NULL); CREATE TABLE u LIKE t; \
             CREATE TABLE signals (id VARCHAR(42) PRIMARY KEY, type VARCHAR(32) NOT NULL, data VARCHAR(2048)); \
             INSERT INTO t SELECT n, n FROM (WITH RECURSIVE s AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM s WHERE n < 500) SELECT n FROM s) s; \
             INSERT INTO u SELECT * FROM t",
        )
        .await?;
    stage.sql(PULSE).await?;
    let settings = [
        ("snapshot.mode", "no_data"),
        ("signal.data.collection", "incremental.signals"),
        ("incremental.snapshot.chunk.size", "20"),
    ];
    stage.connector("shop", "incremental", &settings).await?;
    stage.streaming("incremental").await?;
    let tables = r#"{"data-collections": ["incremental.t", "incremental.u"], "type": "INCREMENTAL"}"#;
    stage.sql(&format!("INSERT INTO signals VALUES ('first', 'execute-snapshot', '{tables}')")).await?;
    for n in 0..25 {
        let sql = format!(
            "BEGIN; UPDATE t SET v = v + 1 WHERE id % 25 = {n}; UPDATE u SET v = v + 1 WHERE id % 25 = {n}; COMMIT; \
             DELETE FROM t WHERE id = {n} * 17; UPDATE t SET id = id + 10000 WHERE id = {n} * 19 + 3; INSERT INTO t VALUES (1000 + {n}, {n})"
        );
        stage.sql(&sql).await?;
    }
    for table in ["t", "u"] {
        stage.avro(table, &format!("incremental.incremental.{table}"), "").await?;
    }
    stage.avro("t_none", "incremental.incremental.t", ", TRANSACTION TOPIC 'none'").await?;
    let pairs =
        [("t", "t"), ("u", "u"), ("t_none", "t")].map(|(source, table)| Pair { source, table, columns: "id, v" });
    stage.judge(&pairs).await?;
    stage.sql("BEGIN; UPDATE t SET v = v + 1; UPDATE u SET v = v - 1; COMMIT").await?;
    stage.judge(&pairs).await?;
    stage.judge_after_restart(&pairs).await
}

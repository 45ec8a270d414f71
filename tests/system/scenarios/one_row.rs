//! Small tables: the first of a snapshot has one row, which Debezium marks `first` only; one is empty. Compressed with zstd.

use crate::Result;
use crate::stage::{Pair, Stage};

pub(super) async fn run(stage: &Stage) -> Result<()> {
    stage
        .sql(
            "CREATE TABLE a (id BIGINT PRIMARY KEY, v BIGINT NOT NULL); CREATE TABLE b LIKE a; CREATE TABLE c LIKE a; \
             INSERT INTO a VALUES (1, 1); INSERT INTO c VALUES (1, 1)",
        )
        .await?;
    stage.connector("shop", "one_row", &[("producer.override.compression.type", "zstd")]).await?;
    let only = [("table.include.list", "one_row.a"), ("producer.override.compression.type", "zstd")];
    stage.connector("shop-json", "one_rowj", &only).await?;
    let columns = "id bigint, v bigint, PRIMARY KEY (id) NOT ENFORCED";
    stage.avro("a", "one_row.one_row.a", "").await?;
    stage.avro("c", "one_row.one_row.c", "").await?;
    stage.json("a_only", columns, "one_rowj.one_row.a", "").await?;
    let pairs =
        [("a", "a"), ("c", "c"), ("a_only", "a")].map(|(source, table)| Pair { source, table, columns: "id, v" });
    stage.judge(&pairs).await?;
    // Far more than a compressor leaves alone.
    stage.sql("BEGIN; INSERT INTO b VALUES (1, 1); UPDATE a SET v = 2; UPDATE c SET v = 2; COMMIT").await?;
    stage
        .sql("INSERT INTO a SELECT n, n FROM (WITH RECURSIVE s AS (SELECT 2 AS n UNION ALL SELECT n + 1 FROM s WHERE n < 900) SELECT n FROM s) s")
        .await?;
    stage.avro("b", "one_row.one_row.b", "").await?;
    stage.judge(&pairs).await?;
    let b = Pair { source: "b", table: "b", columns: "id, v" };
    stage.judge(&[b]).await?;
    stage.judge_after_restart(&[pairs[0], pairs[1], pairs[2], b]).await
}

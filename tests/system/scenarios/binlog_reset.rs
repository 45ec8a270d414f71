//! RESET BINARY LOGS AND GTIDS: MySQL counts its transactions from 1 again. Ids that were used before are new transactions.

use crate::stage::{Pair, Stage};
use crate::{Result, connect};

pub(super) async fn run(stage: &Stage) -> Result<()> {
    stage
        .sql(
            "CREATE TABLE a (id BIGINT PRIMARY KEY, v BIGINT NOT NULL); CREATE TABLE b LIKE a; \
             INSERT INTO a VALUES (1, 0), (2, 0); INSERT INTO b VALUES (1, 0), (2, 0)",
        )
        .await?;
    // So that the ids of what follows are small ones, which come again. One is used up at once: Debezium's binlog client fails on
    // a server that has executed none.
    stage.sql("RESET BINARY LOGS AND GTIDS; INSERT INTO a VALUES (4, 0); DELETE FROM a WHERE id = 4").await?;
    stage.connector("shop", "binlog", &[]).await?;
    for table in ["a", "b"] {
        stage.avro(table, &format!("binlog.binlog.{table}"), "").await?;
    }
    stage.avro("a_none", "binlog.binlog.a", ", TRANSACTION TOPIC 'none'").await?;
    let pairs =
        [("a", "a"), ("b", "b"), ("a_none", "a")].map(|(source, table)| Pair { source, table, columns: "id, v" });
    for _ in 0..10 {
        stage.sql("BEGIN; UPDATE a SET v = v + 1; UPDATE b SET v = v + 1; COMMIT").await?;
    }
    stage.judge(&pairs).await?;
    // Its place in the binlog is gone: an operator begins again.
    connect::forget(&stage.servers, "binlog").await?;
    stage.sql("RESET BINARY LOGS AND GTIDS; DELETE FROM a WHERE id = 2; INSERT INTO a VALUES (3, 0)").await?;
    stage.connector("shop", "binlog", &[]).await?;
    for _ in 0..10 {
        stage.sql("BEGIN; UPDATE a SET v = v + 1; UPDATE b SET v = v + 1; COMMIT").await?;
    }
    for pair in pairs {
        stage.truth_or_said(pair, "binlog.").await?;
    }
    stage.restart().await?;
    for pair in pairs {
        stage.truth_or_said(pair, "binlog.").await?;
    }
    Ok(())
}

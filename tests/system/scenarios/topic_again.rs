//! A table's topic is deleted and made again under a source: the truth or an error, never what the old topic held.

use crate::sql::wait_until;
use crate::stage::{Pair, Stage};
use crate::{Result, connect, kafka};

pub(super) async fn run(stage: &Stage) -> Result<()> {
    let brokers = stage.servers.kafka();
    stage
        .sql(
            "CREATE TABLE t (id BIGINT PRIMARY KEY, v BIGINT NOT NULL); CREATE TABLE u LIKE t; \
             INSERT INTO t VALUES (1, 1), (2, 2), (3, 3); INSERT INTO u SELECT * FROM t",
        )
        .await?;
    stage.connector("shop", "anew", &[]).await?;
    for table in ["t", "u"] {
        stage.avro(table, &format!("anew.anew.{table}"), "").await?;
    }
    let pairs = ["t", "u"].map(|table| Pair { source: table, table, columns: "id, v" });
    stage.judge(&pairs).await?;
    // The new topics are shorter than the old ones for as long as it takes to look: one that is longer is not told from the old one.
    stage.sql(&"UPDATE t SET v = v + 1; UPDATE u SET v = v + 1;".repeat(40)).await?;
    stage.judge(&pairs).await?;
    // Everything of this connector goes, as one does who begins again.
    connect::forget(&stage.servers, "anew").await?;
    for topic in ["anew.anew.t", "anew.anew.u", "anew.transaction"] {
        kafka::delete_topic(&brokers, topic).await?;
    }
    stage.sql("DELETE FROM t WHERE id = 1; INSERT INTO t VALUES (4, 4)").await?;
    stage.connector("shop", "anew", &[]).await?;
    // The first ones may be part of the new snapshot, and then there is no transaction topic yet.
    wait_until(async || {
        stage.sql("BEGIN; UPDATE t SET v = v + 1; UPDATE u SET v = v + 1; COMMIT").await?;
        Ok(kafka::watermarks(&brokers, "anew.transaction", 0).is_ok_and(|(_, end)| end > 0))
    })
    .await?;
    for pair in pairs {
        stage.truth_or_said(pair, "anew.").await?;
    }
    // Who starts again reads what is there, once it is written down that the old topics are gone.
    stage.client().await?.batch_execute("CHECKPOINT").await?;
    stage.restart().await?;
    stage.judge(&pairs).await
}

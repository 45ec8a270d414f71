//! Primary keys that change: Debezium sends a delete and a create of one position in the binlog.

use crate::Result;
use crate::stage::{PULSE, Pair, Stage};

const COLUMNS: &str = "id bigint, name text, PRIMARY KEY (id) NOT ENFORCED";

pub(super) async fn run(stage: &Stage) -> Result<()> {
    stage
        .sql(
            "CREATE TABLE t (id BIGINT PRIMARY KEY, name VARCHAR(20), UNIQUE KEY (name)); \
             INSERT INTO t VALUES (10, 'ten'), (20, 'twenty'), (30, 'thirty'), (1, 'one'), (2, 'two')",
        )
        .await?;
    stage.sql(PULSE).await?;
    stage.connector("shop", "pks", &[]).await?;
    stage.connector("shop-json", "pksj", &[]).await?;
    // JSON sources need no schema, so they can be made before their topic is there: another scenario's matter.
    stage.streaming("pksj").await?;
    let none = ", TRANSACTION TOPIC 'none'";
    stage.avro("a", "pks.pks.t", "").await?;
    stage.avro("a_none", "pks.pks.t", none).await?;
    stage.json("j", COLUMNS, "pksj.pks.t", "").await?;
    stage.json("j_none", COLUMNS, "pksj.pks.t", none).await?;
    let pairs = ["a", "a_none", "j", "j_none"].map(|source| Pair { source, table: "t", columns: "id, name" });
    stage.judge(&pairs).await?;
    for change in [
        "UPDATE t SET id = 29 WHERE id = 20",
        "REPLACE INTO t VALUES (10, 'new ten')",
        // Takes the row of another key away, too.
        "REPLACE INTO t VALUES (31, 'thirty')",
        "BEGIN; UPDATE t SET id = -1 WHERE id = 1; UPDATE t SET id = 1 WHERE id = 2; UPDATE t SET id = 2 WHERE id = -1; COMMIT",
        "UPDATE t SET id = id + 1 ORDER BY id DESC",
        "BEGIN; DELETE FROM t WHERE id = 30; INSERT INTO t VALUES (30, 'again'); DELETE FROM t WHERE id = 30; COMMIT",
    ] {
        stage.sql(change).await?;
        stage.judge(&pairs).await.map_err(|error| format!("{change}: {error}"))?;
    }
    stage.judge_after_restart(&pairs).await
}

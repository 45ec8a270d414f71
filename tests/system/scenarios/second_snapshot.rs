//! A connector is deleted with all that it knew and made anew under the same topics, while rows changed and went unseen.

use crate::stage::{Pair, Stage};
use crate::{Result, connect};

pub(super) async fn run(stage: &Stage) -> Result<()> {
    stage
        .sql(
            "CREATE TABLE keyed (id BIGINT PRIMARY KEY, v BIGINT NOT NULL); CREATE TABLE keyless (a BIGINT, b BIGINT); \
             CREATE TABLE emptied LIKE keyed; \
             INSERT INTO keyed VALUES (1, 1), (2, 2), (3, 3), (4, 4); INSERT INTO keyless VALUES (1, 1), (1, 1), (2, 2); \
             INSERT INTO emptied VALUES (1, 1)",
        )
        .await?;
    stage.connector("shop", "again", &[]).await?;
    let tables = [("keyed", "id, v"), ("keyless", "a, b"), ("emptied", "id, v")];
    for (table, _) in tables {
        stage.avro(table, &format!("again.again.{table}"), "").await?;
    }
    stage.avro("keyed_none", "again.again.keyed", ", TRANSACTION TOPIC 'none'").await?;
    stage.avro("keyless_none", "again.again.keyless", ", TRANSACTION TOPIC 'none'").await?;
    let pairs = tables.map(|(table, columns)| Pair { source: table, table, columns });
    let loose = [Pair { source: "keyed_none", ..pairs[0] }, Pair { source: "keyless_none", ..pairs[1] }];
    let with_rows = [pairs[0], pairs[1], loose[0], loose[1]];
    stage.judge(&with_rows).await?;
    stage.judge(&pairs[2..]).await?;
    stage.sql("BEGIN; UPDATE keyed SET v = v + 10; INSERT INTO keyless VALUES (3, 3); COMMIT").await?;
    stage.judge(&with_rows).await?;

    connect::forget(&stage.servers, "again").await?;
    stage
        .sql(
            "DELETE FROM keyed WHERE id = 2; UPDATE keyed SET v = 99 WHERE id = 3; UPDATE keyed SET id = 40 WHERE id = 4; \
             DELETE FROM keyless WHERE a = 1 LIMIT 1; UPDATE keyless SET b = 7 WHERE a = 2; INSERT INTO keyed VALUES (5, 5)",
        )
        .await?;
    stage.connector("shop", "again", &[]).await?;
    stage.judge(&with_rows).await?;
    stage.sql("BEGIN; UPDATE keyed SET v = v + 10; DELETE FROM keyless WHERE a = 3; COMMIT; INSERT INTO emptied VALUES (2, 2)").await?;
    stage.judge(&with_rows).await?;
    stage.judge_after_restart(&with_rows).await?;
    stage.judge(&pairs).await
}

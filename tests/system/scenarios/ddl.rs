//! ALTER TABLE between two rows. Columns that stay are right all the time; one that is gone or means something else is refused
//! by name, and a view over the others goes on.

use std::time::Duration;

use crate::Result;
use crate::sql::{rows, wait_for};
use crate::stage::{PULSE, Pair, Stage};

pub(super) async fn avro(stage: &Stage) -> Result<()> {
    begin(stage).await?;
    stage.connector("shop", stage.name, &[]).await?;
    stage.avro("t", &topic(stage), "").await?;
    change(stage).await?;
    // The registry knows the new columns: they come when asked for, with their defaults in rows from before.
    stage.source("ALTER SOURCE t REFRESH").await?;
    stage.judge(&[Pair { source: "t", table: "t", columns: "id, v, wide, added, required" }]).await?;
    stage.judge_after_restart(&[Pair { source: "t", table: "t", columns: "id, v, wide, added, required" }]).await
}

pub(super) async fn json(stage: &Stage) -> Result<()> {
    begin(stage).await?;
    stage.sql(PULSE).await?;
    stage.connector("shop-json", stage.name, &[]).await?;
    stage.streaming(stage.name).await?;
    let columns = "id bigint, v bigint, wide bigint, gone text, renamed text, amount numeric(10,2), PRIMARY KEY (id) NOT ENFORCED";
    stage.json("t", columns, &topic(stage), "").await?;
    change(stage).await?;
    stage.judge_after_restart(&[Pair { source: "t", table: "t", columns: "id, v, wide" }]).await
}

fn topic(stage: &Stage) -> String {
    format!("{0}.{0}.t", stage.name)
}

async fn begin(stage: &Stage) -> Result<()> {
    stage
        .sql(
            "CREATE TABLE t (id BIGINT PRIMARY KEY, v BIGINT NOT NULL, wide INT, gone VARCHAR(10), renamed VARCHAR(10), \
               amount DECIMAL(10, 2)); \
             INSERT INTO t VALUES (1, 1, 1, 'g', 'r', 1.25), (2, 2, 2, 'g', 'r', 2.50), (3, 3, 3, 'g', 'r', 3.75)",
        )
        .await
}

async fn change(stage: &Stage) -> Result<()> {
    let client = stage.client().await?;
    client.batch_execute("CREATE MATERIALIZED VIEW stays AS SELECT id, v FROM t").await?;
    client.batch_execute("CREATE MATERIALIZED VIEW reads_renamed AS SELECT id, renamed FROM t").await?;
    let all = Pair { source: "t", table: "t", columns: "id, v, wide, gone, renamed, amount" };
    stage.judge(&[all]).await?;
    let stays = [Pair { source: "stays", table: "t", columns: "id, v" }, Pair { columns: "id, v", ..all }];
    for (ddl, rows) in [
        (
            "ALTER TABLE t ADD added INT DEFAULT 7",
            "INSERT INTO t (id, v, wide, gone, renamed, amount) VALUES (4, 4, 4, 'g', 'r', 4.5)",
        ),
        ("ALTER TABLE t ADD required INT NOT NULL DEFAULT 5", "UPDATE t SET v = 20 WHERE id = 2"),
    ] {
        stage.sql(ddl).await?;
        stage.sql(rows).await?;
        stage.judge(&[all]).await.map_err(|error| format!("{ddl}: {error}"))?;
    }
    stage.sql("ALTER TABLE t MODIFY wide BIGINT; UPDATE t SET wide = 5000000000 WHERE id = 1").await?;
    stage.sql("ALTER TABLE t RENAME COLUMN renamed TO other; UPDATE t SET v = 21, other = 'R' WHERE id = 2").await?;
    stage.sql("ALTER TABLE t DROP gone; INSERT INTO t (id, v, wide, other) VALUES (5, 5, 5, 's')").await?;
    stage.sql("DELETE FROM t WHERE id = 3").await?;
    stage.judge(&stays).await?;
    never_wrong(
        stage,
        "SELECT id, wide FROM t ORDER BY id",
        "SELECT CAST(id AS CHAR), CAST(wide AS CHAR) FROM t ORDER BY id",
    )
    .await?;
    refused(stage, "SELECT id, gone FROM t", "gone").await?;
    refused(stage, "SELECT id, renamed FROM t", "renamed").await?;
    refused(stage, "SELECT * FROM reads_renamed", "renamed").await
}

/// A column that is there no more is no NULL.
async fn refused(stage: &Stage, query: &str, column: &str) -> Result<()> {
    let client = stage.client().await?;
    match rows(&client, query).await {
        Err(error) if error.to_string().rsplit(query).next().is_some_and(|said| said.contains(column)) => Ok(()),
        Err(error) => Err(format!("the error does not name {column}: {error}").into()),
        Ok(found) => Err(format!("{query} gave {found:?}, though MySQL has no column {column}").into()),
    }
}

/// An error is right, and so is MySQL's answer.
async fn never_wrong(stage: &Stage, query: &str, truth: &str) -> Result<()> {
    let client = stage.client().await?;
    let truth = truth.replace("FROM t", &format!("FROM {}.t", stage.name));
    let expected = crate::servers::mysql_rows(&stage.mysql, &truth).await?;
    let mut last = None;
    wait_for(Duration::from_secs(10), async || {
        last = rows(&client, query).await.ok();
        Ok(last.as_ref().is_none_or(|found| *found == expected))
    })
    .await
    .map_err(|error| format!("{query}: {error}: {last:?}, MySQL has {expected:?}").into())
}

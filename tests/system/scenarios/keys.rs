//! Primary keys that change: Debezium sends a delete and a create of one position in the binlog.

use crate::Result;
use crate::sql::equal;
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

/// Debezium loses the insertion of a changed primary key if it is stopped right behind the deletion. Here Connect drops it.
pub(super) async fn halves(stage: &Stage) -> Result<()> {
    stage
        .sql(
            "CREATE TABLE t (id BIGINT PRIMARY KEY, name VARCHAR(20)); CREATE TABLE s LIKE t; \
             CREATE TABLE signals (id VARCHAR(42) PRIMARY KEY, type VARCHAR(32) NOT NULL, data VARCHAR(2048)); \
             INSERT INTO t VALUES (10, 'ten'), (20, 'twenty'); INSERT INTO s SELECT * FROM t",
        )
        .await?;
    let settings = [
        ("signal.data.collection", "halves.signals"),
        ("transforms", "lose"),
        ("transforms.lose.type", "org.apache.kafka.connect.transforms.Filter"),
        ("transforms.lose.predicate", "insertion"),
        ("predicates", "insertion"),
        ("predicates.insertion.type", "org.apache.kafka.connect.transforms.predicates.HasHeaderKey"),
        ("predicates.insertion.name", "__debezium.oldkey"),
    ];
    stage.sql(PULSE).await?;
    stage.connector("shop", "halves", &settings).await?;
    stage.streaming("halves").await?;
    stage.avro("t", "halves.halves.t", "").await?;
    stage.avro("s", "halves.halves.s", "").await?;
    stage.avro("t_none", "halves.halves.t", ", TRANSACTION TOPIC 'none'").await?;
    let pair = |source, table| Pair { source, table, columns: "id, name" };
    let pairs = [pair("t", "t"), pair("s", "s"), pair("t_none", "t")];
    stage.judge(&pairs).await?;
    let before = stage.truth(pairs[0]).await?;

    stage.sql("UPDATE t SET id = 29 WHERE id = 20; UPDATE t SET name = 'new ten' WHERE id = 10").await?;
    let lost = "changed primary keys";
    for source in ["t", "t_none"] {
        stage.status_names(source, lost).await?;
    }
    stage.refusal(pairs[2], lost).await?;
    let client = stage.client().await?;
    equal("t stands before the transaction", &stage.shown(&client, pairs[0]).await?, &before)?;
    // Read again from its beginning it has no state to show.
    stage.avro("t_again", "halves.halves.t", "").await?;
    stage.refusal(pair("t_again", "t"), lost).await?;

    let tables = r#"{"data-collections": ["halves.t"], "type": "BLOCKING"}"#;
    stage.sql(&format!("INSERT INTO signals VALUES ('heal', 'execute-snapshot', '{tables}')")).await?;
    stage.judge(&pairs).await?;
    stage.judge(&[pair("t_again", "t")]).await?;
    stage.sql("BEGIN; UPDATE t SET name = 'x' WHERE id = 29; UPDATE s SET name = 'y'; COMMIT").await?;
    stage.judge(&pairs).await?;
    stage.judge_after_restart(&pairs).await
}

//! A transaction topic that nobody writes: sources show no transaction until it is there, and say what they wait for.

use crate::stage::{Pair, Stage};
use crate::{Result, kafka};

pub(super) async fn run(stage: &Stage) -> Result<()> {
    stage.sql("CREATE TABLE t (id BIGINT PRIMARY KEY, v BIGINT NOT NULL); INSERT INTO t VALUES (1, 1), (2, 2)").await?;
    stage.connector("shop", "misnamed", &[]).await?;
    stage.avro("t", "misnamed.misnamed.t", ", TRANSACTION TOPIC 'misnamed.transactions'").await?;
    stage.sql("BEGIN; UPDATE t SET v = 3 WHERE id = 1; UPDATE t SET v = 4 WHERE id = 2; COMMIT").await?;
    stage.status_names("t", "misnamed.transactions").await?;
    let pair = Pair { source: "t", table: "t", columns: "id, v" };
    // What the snapshot held may be shown by then: it was a state of the database.
    stage.truth_or_said(pair, "misnamed.transactions").await?;
    // The remedy that its documentation names.
    let client = stage.client().await?;
    client.batch_execute("DROP SOURCE t").await?;
    stage.avro("t", "misnamed.misnamed.t", "").await?;
    stage.judge(&[pair]).await
}

/// Its order is the order of the transactions, and several partitions have none.
pub(super) async fn in_partitions(stage: &Stage) -> Result<()> {
    kafka::create_topic(&stage.servers.kafka(), "crowd.transaction", 3, &[]).await?;
    stage.sql("CREATE TABLE t (id BIGINT PRIMARY KEY, v BIGINT NOT NULL); INSERT INTO t VALUES (1, 1), (2, 2)").await?;
    stage.connector("shop", "crowd", &[]).await?;
    stage.avro("t", "crowd.crowd.t", "").await?;
    let pair = Pair { source: "t", table: "t", columns: "id, v" };
    for n in 0..5 {
        stage
            .sql(&format!("BEGIN; UPDATE t SET v = {n} WHERE id = 1; UPDATE t SET v = {n} WHERE id = 2; COMMIT"))
            .await?;
    }
    stage.truth_or_refusal(pair, "crowd.transaction").await?;
    stage.truth_or_said(pair, "crowd.transaction").await
}

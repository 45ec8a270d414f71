//! A source that is made before Debezium has written its topic: it says so, and begins when the topic comes.

use crate::Result;
use crate::stage::{Pair, Stage};

pub(super) async fn run(stage: &Stage) -> Result<()> {
    let columns = "id bigint, v bigint, PRIMARY KEY (id) NOT ENFORCED";
    stage.sql("CREATE TABLE t (id BIGINT PRIMARY KEY, v BIGINT NOT NULL); INSERT INTO t VALUES (1, 1), (2, 2)").await?;
    stage.json("t", columns, "early.early.t", "").await?;
    stage.json("typo", columns, "early.early.tt", "").await?;
    stage.status_names("t", "early.early.t").await?;
    stage.status_names("typo", "early.early.tt").await?;
    let pair = Pair { source: "t", table: "t", columns: "id, v" };
    stage.refusal(pair, "early.early.t").await?;
    stage.connector("shop-json", "early", &[]).await?;
    stage.judge(&[pair]).await?;
    stage.sql("UPDATE t SET v = 3").await?;
    stage.judge(&[pair]).await?;
    stage.refusal(Pair { source: "typo", ..pair }, "early.early.tt").await?;
    stage.restart().await?;
    stage.judge(&[pair]).await?;
    stage.refusal(Pair { source: "typo", ..pair }, "early.early.tt").await
}

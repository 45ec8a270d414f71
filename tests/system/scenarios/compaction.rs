//! A topic that Kafka compacts: records of which a later one of their key exists are gone.

use crate::sql::wait_until;
use crate::stage::{Pair, Stage};
use crate::{Result, kafka};

const TOPIC: &str = "compaction.compaction.t";

pub(super) async fn run(stage: &Stage) -> Result<()> {
    let brokers = stage.servers.kafka();
    let settings = [
        ("cleanup.policy", "compact"),
        ("segment.ms", "200"),
        ("min.cleanable.dirty.ratio", "0.001"),
        ("max.compaction.lag.ms", "300"),
        ("delete.retention.ms", "100"),
    ];
    kafka::create_topic(&brokers, TOPIC, 1, &settings).await?;
    stage
        .sql(
            "CREATE TABLE t (id BIGINT PRIMARY KEY, v BIGINT NOT NULL); CREATE TABLE other LIKE t; \
             INSERT INTO t VALUES (1, 0), (2, 0), (3, 0), (4, 0); INSERT INTO other VALUES (1, 0)",
        )
        .await?;
    stage.connector("shop", "compaction", &[]).await?;
    stage.avro("t_from_the_start", TOPIC, "").await?;
    let early = Pair { source: "t_from_the_start", table: "t", columns: "id, v" };
    stage.judge(&[early]).await?;
    // Until a reader gets fewer records than offsets tell: two of them cannot be in the segment that is written to.
    wait_until(async || {
        stage.sql("BEGIN; UPDATE t SET v = v + 1 WHERE id < 4; UPDATE other SET v = v + 1; COMMIT").await?;
        let (low, end) = kafka::watermarks(&brokers, TOPIC, 0)?;
        Ok(kafka::count(&brokers, TOPIC)? + 6 < end - low)
    })
    .await
    .map_err(|error| format!("nothing was compacted: {error}"))?;
    stage.sql("DELETE FROM t WHERE id = 3; UPDATE other SET v = v + 1").await?;

    stage.avro("t", TOPIC, "").await?;
    stage.avro("t_none", TOPIC, ", TRANSACTION TOPIC 'none'").await?;
    stage.avro("other", "compaction.compaction.other", "").await?;
    let (t, none) = (Pair { source: "t", ..early }, Pair { source: "t_none", ..early });
    let other = Pair { source: "other", table: "other", columns: "id, v" };
    stage.judge(&[early, other]).await?;
    stage.truth_or_refusal(t, TOPIC).await?;
    stage.truth_or_refusal(none, TOPIC).await?;
    stage.sql("BEGIN; UPDATE t SET v = v + 100; UPDATE other SET v = v + 100; COMMIT").await?;
    stage.judge(&[early, other]).await?;
    stage.truth_or_refusal(t, TOPIC).await?;
    stage.truth_or_refusal(none, TOPIC).await?;
    stage.restart().await?;
    for pair in [early, t, none] {
        stage.truth_or_refusal(pair, TOPIC).await?;
    }
    stage.judge(&[other]).await
}

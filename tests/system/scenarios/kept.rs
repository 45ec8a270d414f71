//! A restart goes on from the checkpoint: what Kafka has deleted since is not missed, what it deleted unread is told, and so is a topic
//! that is another one now.

use crate::stage::{Pair, Stage};
use crate::{Result, kafka};

const TOPICS: [&str; 4] = ["kept.kept.a", "kept.kept.loose", "kept.kept.log", "kept.transaction"];
const VIEW: &str = "CREATE MATERIALIZED VIEW sums AS SELECT a.v % 3 AS kind, count(*) AS n, sum(log.v) AS s \
                    FROM a JOIN log ON log.id = a.id GROUP BY a.v % 3";
const TRUTH: &str = "SELECT CAST(kind AS CHAR), CAST(count(*) AS CHAR), CAST(sum(v) AS CHAR) \
                     FROM (SELECT a.v % 3 AS kind, log.v FROM kept.a JOIN kept.log ON log.id = a.id) pairs GROUP BY kind";

/// A transaction over all tables.
const CHANGE: &str = "BEGIN; UPDATE a SET v = v + 1 WHERE id % 2 = 0; INSERT INTO log SELECT id, v FROM a WHERE id < 5; \
                      DELETE FROM log WHERE v = 7 LIMIT 3; UPDATE loose SET v = v * 2 WHERE id < 9; COMMIT";

pub(super) async fn run(stage: &Stage) -> Result<()> {
    let brokers = stage.servers.kafka();
    stage
        .sql(
            "CREATE TABLE a (id BIGINT PRIMARY KEY, v BIGINT NOT NULL); CREATE TABLE loose LIKE a; CREATE TABLE log (id BIGINT, v BIGINT); \
             INSERT INTO a SELECT n, n FROM (WITH RECURSIVE s AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM s WHERE n < 150) SELECT n FROM s) s; \
             INSERT INTO loose SELECT * FROM a; INSERT INTO log SELECT * FROM a",
        )
        .await?;
    stage.connector("shop", "kept", &[]).await?;
    stage.avro("a", "kept.kept.a", "").await?;
    stage.avro("log", "kept.kept.log", "").await?;
    stage.avro("loose", "kept.kept.loose", ", TRANSACTION TOPIC 'none'").await?;
    stage.client().await?.batch_execute(VIEW).await?;
    let pairs = ["a", "log", "loose"].map(|table| Pair { source: table, table, columns: "id, v" });
    stage.sql(CHANGE).await?;
    stage.judge(&pairs).await?;
    // Transactions of other databases go on in the transaction topic: only what lies before this change was certainly read.
    let ends = TOPICS.map(|topic| kafka::watermarks(&brokers, topic, 0).map(|(_, end)| (topic, end)));
    stage.sql(CHANGE).await?;
    stage.judge(&pairs).await?;

    // Nothing that lies before it is in Kafka any more.
    stage.client().await?.batch_execute("CHECKPOINT").await?;
    for end in ends {
        let (topic, end) = end?;
        kafka::delete_records(&brokers, topic, end).await?;
    }
    change_in_kafka(stage).await?;
    stage.judge_after_restart(&pairs).await?;
    stage.judge_query(TRUTH, "SELECT kind, n, s FROM sums").await?;
    // The change that is shown lies in a checkpoint; the one behind it is read by the restart.
    for _ in 0..3 {
        stage.sql(CHANGE).await?;
        stage.judge(&pairs).await?;
        change_in_kafka(stage).await?;
        stage.judge_after_restart(&pairs).await?;
        stage.judge_query(TRUTH, "SELECT kind, n, s FROM sums").await?;
    }
    // It fails where a view differs.
    stage.client().await?.query("CHECK VIEWS", &[]).await?;

    // What was deleted before it was read is missed, and only where.
    stage.client().await?.batch_execute("CHECKPOINT").await?;
    stage.stop().await?;
    let (_, before) = kafka::watermarks(&brokers, "kept.kept.loose", 0)?;
    stage.sql("UPDATE loose SET v = v + 1 WHERE id = 1; UPDATE loose SET v = v + 1 WHERE id = 2").await?;
    stage.written("kept.kept.loose", before + 2).await?;
    kafka::delete_records(&brokers, "kept.kept.loose", before + 2).await?;
    stage.start().await?;
    stage.refusal(pairs[2], "kept.kept.loose").await?;
    stage.judge(&pairs[..2]).await?;

    // A topic that was made again in the meantime has as many records, and others.
    stage.client().await?.batch_execute("CHECKPOINT").await?;
    stage.stop().await?;
    let (_, end) = kafka::watermarks(&brokers, "kept.kept.a", 0)?;
    kafka::delete_topic(&brokers, "kept.kept.a").await?;
    kafka::create_topic(&brokers, "kept.kept.a", 1, &[]).await?;
    let others = vec![(Some("other"), b"{}".as_slice()); usize::try_from(end + 10)?];
    kafka::produce(&brokers, "kept.kept.a", &others)?;
    stage.start().await?;
    stage.refusal(pairs[0], "kept.kept.a").await
}

/// Makes the change when the one before is shown, and returns when Kafka has it: a reader that begins then shows nothing older.
async fn change_in_kafka(stage: &Stage) -> Result<()> {
    let brokers = stage.servers.kafka();
    // Its boundaries, and the rows of the table that has none.
    let written = [("kept.transaction", 2), ("kept.kept.loose", 8)];
    let ends = written.map(|(topic, count)| kafka::watermarks(&brokers, topic, 0).map(|(_, end)| (topic, end + count)));
    stage.sql(CHANGE).await?;
    for end in ends {
        let (topic, end) = end?;
        stage.written(topic, end).await?;
    }
    Ok(())
}

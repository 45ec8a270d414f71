//! Connect with exactly-once support writes in Kafka's transactions: every topic ends in a control record that no reader gets.

use std::sync::Arc;

use crate::Result;
use crate::servers::Servers;
use crate::stage::{Pair, Stage};

pub(super) async fn run(stage: &Stage) -> Result<()> {
    let servers = &stage.servers;
    worker(servers, "exactly.once.source.support=enabled").await?;
    let done = under_transactions(stage).await;
    worker(servers, "").await?;
    done
}

/// Starts Connect again with a further setting.
async fn worker(servers: &Arc<Servers>, extra: &'static str) -> Result<()> {
    let servers = servers.clone();
    tokio::task::spawn_blocking(move || {
        servers.set("CONNECT_EXTRA", extra);
        servers.kill(&["connect"])?;
        servers.up(&["connect"])
    })
    .await?
}

async fn under_transactions(stage: &Stage) -> Result<()> {
    stage
        .sql(
            "CREATE TABLE a (id BIGINT PRIMARY KEY, v BIGINT NOT NULL); CREATE TABLE b LIKE a; \
             INSERT INTO a VALUES (1, 1), (2, 2); INSERT INTO b VALUES (1, 1)",
        )
        .await?;
    stage.connector("shop", "once", &[("exactly.once.support", "required")]).await?;
    for table in ["a", "b"] {
        stage.avro(table, &format!("once.once.{table}"), "").await?;
    }
    stage.avro("a_none", "once.once.a", ", TRANSACTION TOPIC 'none'").await?;
    let pairs =
        [("a", "a"), ("b", "b"), ("a_none", "a")].map(|(source, table)| Pair { source, table, columns: "id, v" });
    stage.judge(&pairs).await?;
    for n in 0..5 {
        stage.sql(&format!("BEGIN; UPDATE a SET v = v + {n}; INSERT INTO b VALUES ({n} + 10, 0); COMMIT")).await?;
    }
    stage.judge(&pairs).await?;
    stage.judge_after_restart(&pairs).await
}

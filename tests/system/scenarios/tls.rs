//! The broker's listener with TLS and a password.

use crate::Result;
use crate::sql::describe;
use crate::stage::{Pair, Stage};

pub(super) async fn run(stage: &Stage) -> Result<()> {
    stage.sql("CREATE TABLE t (id BIGINT PRIMARY KEY, v BIGINT NOT NULL); INSERT INTO t VALUES (1, 1), (2, 2)").await?;
    stage.connector("shop-json", "tls", &[]).await?;
    let authority = std::fs::read_to_string(stage.servers.folder().join("conf/kafka.crt"))?;
    let port = stage.servers.port("KAFKA_SSL_PORT");
    let client = stage.client().await?;
    for statement in [
        "CREATE SECRET password AS 'secret'".to_owned(),
        format!(
            "CREATE CONNECTION safe TO KAFKA (BROKER '127.0.0.1:{port}', SECURITY PROTOCOL 'SASL_SSL', SASL MECHANISMS 'PLAIN', \
             SASL USERNAME 'tidewater', SASL PASSWORD SECRET password, SSL CERTIFICATE AUTHORITY '{authority}')"
        ),
    ] {
        client.batch_execute(&statement).await.map_err(|error| format!("{statement}: {}", describe(&error)))?;
    }
    stage
        .source(
            "CREATE SOURCE t (id bigint, v bigint, PRIMARY KEY (id) NOT ENFORCED) \
             FROM KAFKA CONNECTION safe (TOPIC 'tls.tls.t') FORMAT JSON ENVELOPE DEBEZIUM",
        )
        .await?;
    let pair = Pair { source: "t", table: "t", columns: "id, v" };
    stage.judge(&[pair]).await?;
    stage.sql("UPDATE t SET v = v + 1").await?;
    stage.judge(&[pair]).await?;
    stage.judge_after_restart(&[pair]).await
}

//! The broker's listener with TLS and a password, and the registry's with TLS.

use crate::Result;
use crate::sql::describe;
use crate::stage::{Pair, Stage};

pub(super) async fn run(stage: &Stage) -> Result<()> {
    stage.sql("CREATE TABLE t (id BIGINT PRIMARY KEY, v BIGINT NOT NULL); INSERT INTO t VALUES (1, 1), (2, 2)").await?;
    stage.connector("shop", "tls", &[]).await?;
    let authority = std::fs::read_to_string(stage.servers.folder().join("conf/tls.crt"))?;
    let (broker, registry) = (stage.servers.port("KAFKA_SSL_PORT"), stage.servers.port("REGISTRY_SSL_PORT"));
    let registry = format!("https://127.0.0.1:{registry}/apis/ccompat/v7");
    let client = stage.client().await?;
    for statement in [
        "CREATE SECRET password AS 'secret'".to_owned(),
        format!(
            "CREATE CONNECTION safe TO KAFKA (BROKER '127.0.0.1:{broker}', SECURITY PROTOCOL 'SASL_SSL', SASL MECHANISMS 'PLAIN', \
             SASL USERNAME 'tidewater', SASL PASSWORD SECRET password, SSL CERTIFICATE AUTHORITY '{authority}')"
        ),
        format!("CREATE CONNECTION stranger TO CONFLUENT SCHEMA REGISTRY (URL '{registry}')"),
        format!(
            "CREATE CONNECTION schemas TO CONFLUENT SCHEMA REGISTRY (URL '{registry}', SSL CERTIFICATE AUTHORITY '{authority}')"
        ),
    ] {
        client.batch_execute(&statement).await.map_err(|error| format!("{statement}: {}", describe(&error)))?;
    }
    let source = |registry: &str| {
        format!(
            "CREATE SOURCE t FROM KAFKA CONNECTION safe (TOPIC 'tls.tls.t') \
             FORMAT AVRO USING CONFLUENT SCHEMA REGISTRY CONNECTION {registry} ENVELOPE DEBEZIUM"
        )
    };
    let error = client.batch_execute(&source("stranger")).await.expect_err("its certificate is not known");
    let error = describe(&error);
    if !(error.contains("certificate") && error.contains(&registry)) {
        return Err(format!("an unknown certificate gives: {error}").into());
    }
    stage.source(&source("schemas")).await?;
    let pair = Pair { source: "t", table: "t", columns: "id, v" };
    stage.judge(&[pair]).await?;
    stage.sql("UPDATE t SET v = v + 1").await?;
    stage.judge(&[pair]).await?;
    stage.judge_after_restart(&[pair]).await
}

//! Kafka Connect: connectors made, removed and mended as an operator does, over its REST interface.

use serde_json::{Map, Value, json};

use crate::servers::Servers;
use crate::sql::wait_until;
use crate::{Result, http};

/// One connector, and what its template is filled with.
pub(crate) struct Connector<'a> {
    /// `shop` (Avro) or `shop-json`, files of `connectors/`.
    pub(crate) template: &'a str,
    /// Also the prefix of its topics.
    pub(crate) name: &'a str,
    /// Of MySQL.
    pub(crate) database: &'a str,
    /// Settings beyond the template.
    pub(crate) settings: &'a [(&'a str, &'a str)],
}

/// Makes the connector, or gives it other settings, and returns when its task runs.
pub(crate) async fn register(servers: &Servers, connector: &Connector<'_>) -> Result<()> {
    let Connector { template, name, database, settings } = connector;
    let mut text = std::fs::read_to_string(servers.root().join(format!("connectors/{template}.json")))?;
    for (variable, value) in [
        ("DATABASE", (*database).to_owned()),
        ("TOPIC_PREFIX", (*name).to_owned()),
        ("SERVER_ID", servers.server_id().to_string()),
        ("MYSQL_HOST", "127.0.0.1".to_owned()),
        ("MYSQL_PORT_SEEN", servers.port("MYSQL_PORT").to_string()),
        ("KAFKA_SEEN", servers.kafka()),
        ("REGISTRY_SEEN", servers.registry_root()),
    ] {
        text = text.replace(&format!("${{{variable}}}"), &value);
    }
    let mut config: Map<String, Value> = serde_json::from_str(&text)?;
    for (setting, value) in *settings {
        config.insert((*setting).to_owned(), json!(value));
    }
    ask(servers, "PUT", &format!("/connectors/{name}/config"), &json!(config).to_string()).await?;
    wait_until(async || {
        let status = ask(servers, "GET", &format!("/connectors/{name}/status"), "").await?;
        if status.contains("\"FAILED\"") {
            return Err(format!("connector {name} failed: {status}").into());
        }
        Ok(status.matches("\"RUNNING\"").count() >= 2)
    })
    .await
    .map_err(|error| format!("connector {name} does not run: {error}").into())
}

/// Removes a connector and what it knows of its place in the binlog, as if it had never been.
pub(crate) async fn forget(servers: &Servers, name: &str) -> Result<()> {
    let path = format!("/connectors/{name}");
    ask(servers, "PUT", &format!("{path}/stop"), "").await?;
    wait_until(async || Ok(ask(servers, "GET", &format!("{path}/status"), "").await?.contains("\"STOPPED\""))).await?;
    ask(servers, "DELETE", &format!("{path}/offsets"), "").await?;
    ask(servers, "DELETE", &path, "").await?;
    crate::kafka::delete_topic(&servers.kafka(), &format!("schema-history.{name}")).await
}

/// Removes a connector.
pub(crate) async fn delete(servers: &Servers, name: &str) -> Result<()> {
    ask(servers, "DELETE", &format!("/connectors/{name}"), "").await.map(drop)
}

/// Of all connectors.
pub(crate) async fn names(servers: &Servers) -> Result<Vec<String>> {
    Ok(serde_json::from_str(&ask(servers, "GET", "/connectors", "").await?)?)
}

/// Starts again what failed, as an operator's watchdog does. Connect may not answer now.
pub(crate) async fn mend(servers: &Servers, names: &[&str]) {
    for name in names {
        let Ok(status) = ask(servers, "GET", &format!("/connectors/{name}/status"), "").await else { return };
        if status.contains("\"FAILED\"") {
            eprintln!("  connector {name} failed and is started again");
            let path = format!("/connectors/{name}/restart?includeTasks=true&onlyFailed=true");
            let _ = ask(servers, "POST", &path, "").await;
        }
    }
}

/// Connect answers 404 and 409 while it is busy with an earlier request.
async fn ask(servers: &Servers, method: &str, path: &str, body: &str) -> Result<String> {
    let mut answer = (0, String::new());
    wait_until(async || {
        answer = http::request(servers.port("CONNECT_PORT"), method, path, body).await?;
        Ok(answer.0 < 300 || !matches!(answer.0, 404 | 409 | 500))
    })
    .await
    .map_err(|error| format!("{method} {path}: {error}: {answer:?}"))?;
    match answer.0 < 300 {
        true => Ok(answer.1),
        false => Err(format!("{method} {path}: {answer:?}").into()),
    }
}

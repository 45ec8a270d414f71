//! What a scenario stands on: a database of its own in MySQL, a Tidewater of its own, and the servers that all share.

use std::sync::Arc;
use std::time::Duration;

use sqlx::AssertSqlSafe;
use sqlx::mysql::{MySqlPool, MySqlPoolOptions};
use tokio::sync::Mutex;
use tokio_postgres::Client;

use crate::Result;
use crate::connect::{self, Connector};
use crate::kafka;
use crate::servers::{Servers, mysql_rows};
use crate::sql::{Rows, describe, equal, rows, wait_for, wait_until};
use crate::tidewater::Tidewater;

/// How long a table may take to show what MySQL holds, on a machine that does much else.
const CATCH_UP: Duration = Duration::from_secs(180);

/// Of [`Stage::streaming`].
pub(crate) const PULSE: &str = "CREATE TABLE pulse (id BIGINT PRIMARY KEY AUTO_INCREMENT)";

/// See the module.
pub(crate) struct Stage {
    pub(crate) servers: Arc<Servers>,
    /// Of the scenario, its database, and the prefix of its connectors.
    pub(crate) name: &'static str,
    pub(crate) mysql: MySqlPool,
    tidewater: Mutex<Tidewater>,
}

/// A source and the table that it must show.
#[derive(Clone, Copy)]
pub(crate) struct Pair<'a> {
    pub(crate) source: &'a str,
    pub(crate) table: &'a str,
    /// By comma; text forms are the same in both databases.
    pub(crate) columns: &'a str,
}

impl Stage {
    pub(crate) async fn open(servers: &Arc<Servers>, name: &'static str) -> Result<Self> {
        let mysql = MySqlPoolOptions::new().max_connections(2).connect(&servers.mysql_admin_url()).await?;
        sqlx::raw_sql(AssertSqlSafe(format!("CREATE DATABASE {name} CHARACTER SET utf8mb4"))).execute(&mysql).await?;
        let tidewater = Mutex::new(Tidewater::start(servers.folder(), name).await?);
        let stage = Stage { servers: servers.clone(), name, mysql, tidewater };
        let client = stage.client().await?;
        let (kafka, registry) = (servers.kafka(), servers.registry());
        client.batch_execute(&format!("CREATE CONNECTION kafka TO KAFKA (BROKER '{kafka}')")).await?;
        client
            .batch_execute(&format!("CREATE CONNECTION registry TO CONFLUENT SCHEMA REGISTRY (URL '{registry}')"))
            .await?;
        Ok(stage)
    }

    /// Statements in the scenario's database, in one session.
    pub(crate) async fn sql(&self, statements: &str) -> Result<()> {
        let mut session = self.mysql.acquire().await?;
        let text = format!("USE {}; {statements}", self.name);
        sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut *session).await.map_err(|e| format!("{statements}: {e}"))?;
        Ok(())
    }

    pub(crate) async fn connector(&self, template: &str, name: &str, settings: &[(&str, &str)]) -> Result<()> {
        connect::register(&self.servers, &Connector { template, name, database: self.name, settings }).await
    }

    /// Takes the scenario's connectors away: each keeps threads and memory of Connect.
    pub(crate) async fn close(&self) {
        let names = connect::names(&self.servers).await.unwrap_or_default();
        for name in names.iter().filter(|name| [self.name.to_owned(), format!("{}j", self.name)].contains(name)) {
            if let Err(error) = connect::delete(&self.servers, name).await {
                eprintln!("connector {name} stays: {error}");
            }
        }
    }

    pub(crate) async fn client(&self) -> Result<Client> {
        self.tidewater.lock().await.client().await
    }

    /// SIGKILL, and up again: all that is not written down is gone.
    pub(crate) async fn restart(&self) -> Result<()> {
        let mut tidewater = self.tidewater.lock().await;
        tidewater.kill()?;
        tidewater.up()
    }

    /// SIGKILL.
    pub(crate) async fn stop(&self) -> Result<()> {
        self.tidewater.lock().await.kill()
    }

    /// Up again.
    pub(crate) async fn start(&self) -> Result<()> {
        self.tidewater.lock().await.up()
    }

    /// Returns when partition 0 of a topic has come to an offset.
    pub(crate) async fn written(&self, topic: &str, end: i64) -> Result<()> {
        let brokers = self.servers.kafka();
        wait_until(async || Ok(kafka::watermarks(&brokers, topic, 0)?.1 >= end)).await
    }

    /// A query here gives what another gives in MySQL.
    pub(crate) async fn judge_query(&self, truth: &str, query: &str) -> Result<()> {
        let mut expected = mysql_rows(&self.mysql, truth).await?;
        let mut found = rows(&self.client().await?, query).await?;
        expected.sort();
        found.sort();
        equal(query, &found, &expected)
    }

    /// Returns when the connector reads the binlog: what happens from now on is no part of its snapshot. The scenario has made
    /// the table [`PULSE`] before the connector.
    pub(crate) async fn streaming(&self, connector: &str) -> Result<()> {
        let (brokers, topic) = (self.servers.kafka(), format!("{connector}.{}.pulse", self.name));
        wait_until(async || {
            self.sql("INSERT INTO pulse () VALUES ()").await?;
            Ok(kafka::watermarks(&brokers, &topic, 0).is_ok_and(|(_, end)| end > 0))
        })
        .await
        .map_err(|error| format!("{topic}: {error}").into())
    }

    /// Makes a source. Its topic, and so its schema, comes with Debezium's first row: tried again until then.
    pub(crate) async fn source(&self, statement: &str) -> Result<()> {
        let client = self.client().await?;
        let mut told = String::new();
        wait_for(CATCH_UP, async || {
            let created = client.batch_execute(statement).await;
            told = created.as_ref().err().map(describe).unwrap_or_default();
            Ok(created.is_ok())
        })
        .await
        .map_err(|error| format!("{statement}: {error}: {told}").into())
    }

    /// An Avro source over a topic of a connector made from the template `shop`.
    pub(crate) async fn avro(&self, source: &str, topic: &str, options: &str) -> Result<()> {
        self.source(&format!(
            "CREATE SOURCE {source} FROM KAFKA CONNECTION kafka (TOPIC '{topic}'{options}) \
             FORMAT AVRO USING CONFLUENT SCHEMA REGISTRY CONNECTION registry ENVELOPE DEBEZIUM"
        ))
        .await
    }

    /// A JSON source over a topic of a connector made from the template `shop-json`.
    pub(crate) async fn json(&self, source: &str, columns: &str, topic: &str, options: &str) -> Result<()> {
        self.source(&format!(
            "CREATE SOURCE {source} ({columns}) FROM KAFKA CONNECTION kafka (TOPIC '{topic}'{options}) \
             FORMAT JSON ENVELOPE DEBEZIUM"
        ))
        .await
    }

    /// What the table of a pair holds in MySQL.
    pub(crate) async fn truth(&self, pair: Pair<'_>) -> Result<Rows> {
        let columns: Vec<String> = pair.columns.split(',').map(|c| format!("CAST({} AS CHAR)", c.trim())).collect();
        let (columns, database, table) = (columns.join(", "), self.name, pair.table);
        let mut found = mysql_rows(&self.mysql, &format!("SELECT {columns} FROM {database}.{table}")).await?;
        found.sort();
        Ok(found)
    }

    /// What its source shows.
    pub(crate) async fn shown(&self, client: &Client, pair: Pair<'_>) -> Result<Rows> {
        let mut found = rows(client, &format!("SELECT {} FROM {}", pair.columns, pair.source)).await?;
        found.sort();
        Ok(found)
    }

    /// Every pair shows what MySQL holds: soon, and then once more.
    pub(crate) async fn judge(&self, pairs: &[Pair<'_>]) -> Result<()> {
        let client = self.client().await?;
        client.batch_execute("SET statement_timeout = '10s'").await?;
        let mut told = String::new();
        for pair in pairs {
            let expected = self.truth(*pair).await?;
            wait_for(CATCH_UP, async || {
                let verdict = match self.shown(&client, *pair).await {
                    Ok(found) => equal(pair.source, &found, &expected),
                    Err(error) => Err(error),
                };
                told = verdict.as_ref().err().map(ToString::to_string).unwrap_or_default();
                Ok(verdict.is_ok())
            })
            .await
            .map_err(|error| format!("{}: {error}: {told}", pair.source))
            .map_err(|error| format!("{error}; {}", self.log_tail()))?;
        }
        for pair in pairs {
            equal(pair.source, &self.shown(&client, *pair).await?, &self.truth(*pair).await?)?;
        }
        Ok(())
    }

    /// After a restart the first answer that comes is the truth: nothing may be shown from the time before.
    pub(crate) async fn judge_after_restart(&self, pairs: &[Pair<'_>]) -> Result<()> {
        self.restart().await?;
        let client = self.client().await?;
        for pair in pairs {
            let expected = self.truth(*pair).await?;
            let (mut first, mut told) = (None, String::new());
            wait_for(CATCH_UP, async || {
                match self.shown(&client, *pair).await {
                    Ok(found) => first = Some(found),
                    Err(error) => told = error.to_string(),
                }
                Ok(first.is_some())
            })
            .await
            .map_err(|error| format!("{} after a restart: {error}: {told}", pair.source))?;
            let what = format!("{}, first answer after a restart", pair.source);
            equal(&what, &first.unwrap_or_default(), &expected)?;
        }
        Ok(())
    }

    /// What a reader of the source is told instead of an answer; an answer that is not the truth is a failure.
    pub(crate) async fn refusal(&self, pair: Pair<'_>, names: &str) -> Result<()> {
        let client = self.client().await?;
        client.batch_execute("SET statement_timeout = '5s'").await?;
        let mut told = String::new();
        wait_for(CATCH_UP, async || {
            match self.shown(&client, pair).await {
                Ok(found) => equal(&format!("{} should refuse", pair.source), &found, &self.truth(pair).await?)?,
                Err(error) => told = error.to_string(),
            }
            Ok(told.contains(names))
        })
        .await
        .map_err(|error| format!("{}: no error that names {names}: {error}; last: {told}", pair.source).into())
    }

    /// Readers get the truth or an error that names something, never anything else, from now until one of both stays.
    pub(crate) async fn truth_or_refusal(&self, pair: Pair<'_>, names: &str) -> Result<()> {
        let client = self.client().await?;
        client.batch_execute("SET statement_timeout = '5s'").await?;
        let mut told = String::new();
        wait_for(CATCH_UP, async || match self.shown(&client, pair).await {
            Ok(found) => {
                told = equal(pair.source, &found, &self.truth(pair).await?)
                    .err()
                    .map(|e| e.to_string())
                    .unwrap_or_default();
                Ok(told.is_empty())
            }
            Err(error) => {
                told = error.to_string();
                Ok(told.contains(names))
            }
        })
        .await
        .map_err(|error| {
            format!("{}: neither the truth nor an error that names {names}: {error}: {told}", pair.source).into()
        })
    }

    /// The source comes to show the truth, or SHOW SOURCES says why it does not and names something.
    pub(crate) async fn truth_or_said(&self, pair: Pair<'_>, names: &str) -> Result<()> {
        let client = self.client().await?;
        client.batch_execute("SET statement_timeout = '5s'").await?;
        let (mut found, mut status) = (String::new(), String::new());
        wait_for(CATCH_UP, async || {
            let answer = self.shown(&client, pair).await;
            let truth = self.truth(pair).await?;
            status = self.status(pair.source).await?;
            found = format!("{answer:?}");
            Ok(answer.is_ok_and(|answer| answer == truth) || status.contains(names))
        })
        .await
        .map_err(|error| format!("{}: {error}: it shows {found} and SHOW SOURCES says {status}", pair.source).into())
    }

    /// The lines of SHOW SOURCES that are about a source, as one text.
    pub(crate) async fn status(&self, source: &str) -> Result<String> {
        let found = rows(&self.client().await?, "SHOW SOURCES").await?;
        let of_source = found.into_iter().filter(|row| row.first().is_some_and(|name| name.as_deref() == Some(source)));
        Ok(of_source.flatten().flatten().collect::<Vec<_>>().join(" | "))
    }

    /// The status of a source names something, soon.
    pub(crate) async fn status_names(&self, source: &str, names: &str) -> Result<()> {
        let mut told = String::new();
        wait_for(CATCH_UP, async || {
            told = self.status(source).await?;
            Ok(told.contains(names))
        })
        .await
        .map_err(|error| format!("SHOW SOURCES on {source} does not name {names}: {error}: {told}").into())
    }

    fn log_tail(&self) -> String {
        let log = self.servers.folder().join("logs").join(format!("tidewater-{}.log", self.name));
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().filter(|line| line.contains("WARN") || line.contains("ERROR")).collect();
        format!("{}: {}", log.display(), lines[lines.len().saturating_sub(3)..].join("\n"))
    }
}

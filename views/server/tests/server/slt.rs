//! `tests/slt/*.slt`, in process and through the socket; those named `pg_*` on PostgreSQL, too.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use sqllogictest::{AsyncDB, DBOutput, DefaultColumnType, Runner};
use tidewater_judge::Connection;
use tidewater_query::run::Limits;
use tidewater_sql::{Database, Outcome};
use tidewater_types::{Column, Datum, Settings, output as write_text};
use tokio_postgres::{Client, SimpleQueryMessage};

use crate::{RUNTIME, connect, server};

fn files() -> Vec<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/slt");
    let entries = std::fs::read_dir(&folder).expect("the folder of tests");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    assert!(!files.is_empty());
    files
}

/// What the file writes for a value.
fn shown(value: Option<String>) -> String {
    match value {
        None => "NULL".into(),
        Some(value) if value.is_empty() => "(empty)".into(),
        Some(value) => value,
    }
}

fn output(rows: Vec<Vec<String>>) -> DBOutput<DefaultColumnType> {
    let width = rows.first().map_or(0, Vec::len);
    DBOutput::Rows { types: vec![DefaultColumnType::Text; width], rows }
}

/// What the file is told of a refusal: SQLSTATE and message.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Refused(String);

impl From<tidewater_sql::Error> for Refused {
    fn from(error: tidewater_sql::Error) -> Self {
        Refused(format!("{} {}", error.code(), error.message))
    }
}

struct InProcess(Database);

#[async_trait]
impl AsyncDB for InProcess {
    type Error = Refused;
    type ColumnType = DefaultColumnType;

    async fn run(&mut self, statement: &str) -> Result<DBOutput<DefaultColumnType>, Refused> {
        let Some(Outcome::Rows(query)) = self.0.execute(statement)?.pop() else {
            return Ok(DBOutput::StatementComplete(0));
        };
        let (columns, mut rows) = (query.columns.clone(), Vec::new());
        query.run(&Limits::default(), &mut |values| {
            let text = |(value, column): (&Datum<'_>, &Column)| {
                let mut text = String::new();
                write_text(value, &column.ty, &Settings::default(), &mut text);
                shown(Some(text).filter(|_| !value.is_null()))
            };
            rows.push(values.iter().zip(columns.iter()).map(text).collect());
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(output(rows))
    }

    async fn shutdown(&mut self) {}
}

struct Socket(Arc<Client>);

impl From<tokio_postgres::Error> for Refused {
    fn from(error: tokio_postgres::Error) -> Self {
        let told = error.as_db_error().map(|told| format!("{} {}", told.code().code(), told.message()));
        Refused(told.unwrap_or_else(|| error.to_string()))
    }
}

#[async_trait]
impl AsyncDB for Socket {
    type Error = Refused;
    type ColumnType = DefaultColumnType;

    async fn run(&mut self, statement: &str) -> Result<DBOutput<DefaultColumnType>, Refused> {
        let (mut rows, mut answered) = (Vec::new(), false);
        for message in self.0.simple_query(statement).await? {
            match message {
                SimpleQueryMessage::Row(row) => {
                    let value = |column| shown(row.get(column).map(str::to_owned));
                    rows.push((0..row.len()).map(value).collect());
                }
                SimpleQueryMessage::RowDescription(_) => answered = true,
                _ => {}
            }
        }
        Ok(if answered { output(rows) } else { DBOutput::StatementComplete(0) })
    }

    async fn shutdown(&mut self) {}
}

struct Judge(Connection);

#[async_trait]
impl AsyncDB for Judge {
    type Error = Refused;
    type ColumnType = DefaultColumnType;

    async fn run(&mut self, statement: &str) -> Result<DBOutput<DefaultColumnType>, Refused> {
        let answer = self.0.ask(statement);
        let answer = answer.map_err(|refusal| Refused(format!("{} {}", refusal.sqlstate, refusal.message)))?;
        if answer.columns.is_empty() {
            return Ok(DBOutput::StatementComplete(0));
        }
        Ok(output(answer.rows.into_iter().map(|row| row.into_iter().map(shown).collect()).collect()))
    }

    async fn shutdown(&mut self) {}
}

#[test]
fn on_postgresql() {
    let is_shared =
        |file: &PathBuf| file.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with("pg_"));
    let shared: Vec<PathBuf> = files().into_iter().filter(is_shared).collect();
    assert!(!shared.is_empty());
    for file in shared {
        RUNTIME.block_on(async {
            // A schema of its own for each file.
            let clean = "DROP SCHEMA IF EXISTS public CASCADE; CREATE SCHEMA public";
            tidewater_judge::server().connect().ask(clean).expect("an empty schema");
            let mut runner = Runner::new(|| async { Ok(Judge(tidewater_judge::server().connect())) });
            runner.run_file_async(&file).await.unwrap_or_else(|error| panic!("{}", error.display(false)));
        });
    }
}

#[test]
fn in_process() {
    let _guard = RUNTIME.enter();
    for file in files() {
        RUNTIME.block_on(async {
            let mut runner = Runner::new(|| async { Ok(InProcess(Database::new())) });
            runner.run_file_async(&file).await.unwrap_or_else(|error| panic!("{}", error.display(false)));
        });
    }
}

#[test]
fn through_the_socket() {
    RUNTIME.block_on(async {
        for file in files() {
            let running = server().await;
            let client = Arc::new(connect(&running).await);
            let mut runner = Runner::new(|| {
                let client = client.clone();
                async move { Ok(Socket(client)) }
            });
            runner.run_file_async(&file).await.unwrap_or_else(|error| panic!("{}", error.display(false)));
            running.stop().await;
        }
    });
}

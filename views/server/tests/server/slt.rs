//! `tests/slt/*.slt`, in process and through the socket; those named `pg_*` against PostgreSQL, too, which says what is right.
//! Those of sessions (`*session*`) need a socket.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
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

fn name(file: &Path) -> String {
    file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

struct InProcess(Database);

#[async_trait]
impl AsyncDB for InProcess {
    type Error = Told;
    type ColumnType = DefaultColumnType;

    async fn run(&mut self, statement: &str) -> Result<DBOutput<DefaultColumnType>, Told> {
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

/// PostgreSQL.
struct Judge(Connection);

#[async_trait]
impl AsyncDB for Judge {
    type Error = Told;
    type ColumnType = DefaultColumnType;

    async fn run(&mut self, statement: &str) -> Result<DBOutput<DefaultColumnType>, Told> {
        let answer = self.0.ask(statement).map_err(|told| Told(format!("{} {}", told.sqlstate, told.message)))?;
        if answer.columns.is_empty() {
            return Ok(DBOutput::StatementComplete(0));
        }
        Ok(output(answer.rows.into_iter().map(|row| row.into_iter().map(shown).collect()).collect()))
    }

    async fn shutdown(&mut self) {}
}

struct Socket(Arc<Client>);

/// An error with its SQLSTATE: a driver's error alone says only that there was one.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Told(String);

impl From<tidewater_sql::Error> for Told {
    fn from(error: tidewater_sql::Error) -> Self {
        Told(format!("{} {}", String::from_utf8_lossy(&error.sqlstate), error.message))
    }
}

impl From<tokio_postgres::Error> for Told {
    fn from(error: tokio_postgres::Error) -> Self {
        let told = error.as_db_error().map(|told| format!("{} {}", told.code().code(), told.message()));
        Told(told.unwrap_or_else(|| error.to_string()))
    }
}

#[async_trait]
impl AsyncDB for Socket {
    type Error = Told;
    type ColumnType = DefaultColumnType;

    async fn run(&mut self, statement: &str) -> Result<DBOutput<DefaultColumnType>, Told> {
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

#[test]
fn in_process() {
    let _guard = RUNTIME.enter();
    for file in files().into_iter().filter(|file| !name(file).contains("session")) {
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

#[test]
fn postgresql_agrees() {
    let judged: Vec<_> = files().into_iter().filter(|file| name(file).starts_with("pg_")).collect();
    assert!(!judged.is_empty());
    for file in judged {
        let mut connection = tidewater_judge::server().connect();
        let empty = "SET client_min_messages = error; DROP SCHEMA IF EXISTS public CASCADE; CREATE SCHEMA public";
        connection.ask(empty).expect("nothing of the file before");
        let mut connection = Some(connection);
        RUNTIME.block_on(async {
            let mut runner = Runner::new(|| {
                let connection = connection.take().expect("one connection");
                async move { Ok(Judge(connection)) }
            });
            runner.run_file_async(&file).await.unwrap_or_else(|error| panic!("{}", error.display(false)));
        });
    }
}

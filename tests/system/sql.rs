//! Asking Tidewater as its users do, and waiting for what must come.

use std::time::Duration;

use tokio_postgres::{Client, SimpleQueryMessage};

use crate::Result;

/// Nothing here takes so long unless it hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// Rows as text.
pub(crate) type Rows = Vec<Vec<Option<String>>>;

pub(crate) async fn connect(port: u16) -> Result<Client> {
    let config = format!("host=127.0.0.1 port={port} user=materialize dbname=materialize");
    let (client, connection) = tokio_postgres::connect(&config, tokio_postgres::NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// An error as a user reads it: code, message, detail, hint.
pub(crate) fn describe(error: &tokio_postgres::Error) -> String {
    let Some(told) = error.as_db_error() else { return error.to_string() };
    let mut text = format!("{} {}", told.code().code(), told.message());
    for more in [told.detail(), told.hint()].into_iter().flatten() {
        text += "; ";
        text += more;
    }
    text
}

/// Rows of a query as text.
pub(crate) async fn rows(client: &Client, query: &str) -> Result<Rows> {
    let messages = client.simple_query(query).await.map_err(|error| format!("{query}: {}", describe(&error)))?;
    let row = |message| match message {
        SimpleQueryMessage::Row(row) => Some((0..row.len()).map(|column| row.get(column).map(str::to_owned)).collect()),
        _ => None,
    };
    Ok(messages.into_iter().filter_map(row).collect())
}

/// Asks again and again until it is so.
pub(crate) async fn wait_until(done: impl AsyncFnMut() -> Result<bool>) -> Result<()> {
    wait_for(PATIENCE, done).await
}

/// Asks again and again until it is so or the time is over.
pub(crate) async fn wait_for(patience: Duration, mut done: impl AsyncFnMut() -> Result<bool>) -> Result<()> {
    let mut again = tokio::time::interval(Duration::from_millis(50));
    again.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let asked = tokio::time::timeout(patience, async {
        while !done().await? {
            again.tick().await;
        }
        Ok(())
    });
    asked.await.unwrap_or_else(|_| Err("it did not come to pass in time".into()))
}

/// Fails with the first difference.
pub(crate) fn same(what: &str, found: &[Vec<Option<String>>], expected: &[Vec<Option<String>>]) -> Result<()> {
    if expected.is_empty() {
        return Err(format!("{what}: MySQL holds nothing to compare with").into());
    }
    equal(what, found, expected)
}

/// As [`same`], where nothing is an answer too.
pub(crate) fn equal(what: &str, found: &[Vec<Option<String>>], expected: &[Vec<Option<String>>]) -> Result<()> {
    let (shown, held) = (found.len(), expected.len());
    if let Some((found, expected)) = found.iter().zip(expected).find(|(found, expected)| found != expected) {
        return Err(format!("{what}: found {found:?}, MySQL has {expected:?} ({shown} rows, MySQL {held})").into());
    }
    match shown == held {
        true => Ok(()),
        false => Err(format!("{what}: {shown} rows, MySQL has {held}").into()),
    }
}

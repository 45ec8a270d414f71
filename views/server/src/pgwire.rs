//! PostgreSQL's protocol: simple and extended queries, text and binary, COPY TO STDOUT, cancel.
//!
//! Source: PostgreSQL's documentation, "Frontend/Backend Protocol". Every statement sees one moment; what a transaction
//! block holds back until its COMMIT is described in [`crate::session`].

mod answer;
mod connection;
mod copy;
mod extended;
mod handler;
mod named;
mod simple;
mod socket;
mod statement;
mod temp;

use std::sync::Arc;
use std::time::Duration;

use pgwire::api::ConnectionManager;
use pgwire::error::{ErrorInfo, PgWireError};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::handle::Handle;
use handler::Handler;

/// Pause after a connection could not be accepted, as without descriptors: others must end first.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// Answers connections until `stopping` says so; then each ends after the statement that it runs.
/// No more than `most` clients are served; others are told (53300).
pub async fn serve(listener: TcpListener, handle: Handle, most: usize, mut stopping: watch::Receiver<bool>) {
    let room = Arc::new(Semaphore::new(most));
    let connections = Arc::new(ConnectionManager::new());
    let handler = Arc::new(Handler::new(handle, connections));
    let mut clients = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = clients.join_next() => continue,
            _ = stopping.wait_for(|stop| *stop) => break,
        };
        match accepted {
            Ok((socket, peer)) => {
                // Telling a client that there is no room needs some, too.
                if clients.len() >= most.saturating_mul(2) {
                    continue;
                }
                let (handler, stopping) = (handler.clone(), stopping.clone());
                let place = room.clone().try_acquire_owned().ok();
                clients.spawn(async move {
                    if let Err(error) = connection::serve(socket, handler, place, stopping).await {
                        tracing::debug!(%peer, %error, "connection ended");
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_RETRY).await;
            }
        }
    }
    drop(listener);
    while clients.join_next().await.is_some() {}
}

/// An error as the protocol sends it.
pub(crate) fn wire_error(error: &tidewater_sql::Error) -> PgWireError {
    PgWireError::UserError(Box::new(error_info("ERROR", error)))
}

/// An error that ends the connection.
fn fatal(error: &tidewater_sql::Error) -> PgWireError {
    PgWireError::UserError(Box::new(error_info("FATAL", error)))
}

fn error_info(severity: &str, error: &tidewater_sql::Error) -> ErrorInfo {
    let mut info = ErrorInfo::new(severity.into(), sqlstate(error), error.message.clone());
    info.detail.clone_from(&error.detail);
    info.hint.clone_from(&error.hint);
    info.position = error.position.map(|position| position.to_string());
    if let Some(named) = &error.named {
        let said = |name: &String| Some(name.clone()).filter(|name| !name.is_empty());
        info.schema = said(&named.schema);
        info.table = said(&named.table);
        info.column = said(&named.column);
        info.constraint = said(&named.constraint);
    }
    info
}

fn sqlstate(error: &tidewater_sql::Error) -> String {
    String::from_utf8_lossy(&error.sqlstate).into_owned()
}

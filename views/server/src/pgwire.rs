//! PostgreSQL's protocol: simple and extended queries, text and binary, COPY TO STDOUT, cancel.
//!
//! Source: PostgreSQL's documentation, "Frontend/Backend Protocol". Statements of a session see one moment each; BEGIN and
//! COMMIT are accepted and tracked, so that drivers work, but they hold no state.

mod handler;
mod rows;

use std::sync::Arc;

use pgwire::api::{ConnectionManager, PgWireServerHandlers};
use pgwire::error::{ErrorInfo, PgWireError};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::coordinator::Handle;
use handler::Handler;

/// Answers connections until `stopping` says so; those that are open then end by themselves or with the process.
pub async fn serve(listener: TcpListener, handle: Handle, mut stopping: watch::Receiver<bool>) {
    let connections = Arc::new(ConnectionManager::new());
    let handlers = Arc::new(Handlers { handler: Arc::new(Handler::new(handle, connections)) });
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopping.wait_for(|stop| *stop) => return,
        };
        match accepted {
            Ok((socket, peer)) => {
                let handlers = handlers.clone();
                tokio::spawn(async move {
                    if let Err(error) = pgwire::tokio::process_socket(socket, None, handlers).await {
                        tracing::debug!(%peer, %error, "connection ended");
                    }
                });
            }
            Err(error) => tracing::warn!(%error, "cannot accept a connection"),
        }
    }
}

struct Handlers {
    handler: Arc<Handler>,
}

impl PgWireServerHandlers for Handlers {
    fn simple_query_handler(&self) -> Arc<impl pgwire::api::query::SimpleQueryHandler> {
        self.handler.clone()
    }

    fn extended_query_handler(&self) -> Arc<impl pgwire::api::query::ExtendedQueryHandler> {
        self.handler.clone()
    }

    fn startup_handler(&self) -> Arc<impl pgwire::api::auth::StartupHandler> {
        self.handler.clone()
    }

    fn cancel_handler(&self) -> Arc<impl pgwire::api::cancel::CancelHandler> {
        self.handler.clone()
    }
}

/// An error as the protocol sends it.
pub(crate) fn wire_error(error: &sql::Error) -> PgWireError {
    PgWireError::UserError(Box::new(error_info(error)))
}

fn error_info(error: &sql::Error) -> ErrorInfo {
    let mut info = ErrorInfo::new("ERROR".into(), error.sqlstate.clone(), error.message.clone());
    info.hint.clone_from(&error.hint);
    info.position = error.position.map(|position| position.to_string());
    info
}

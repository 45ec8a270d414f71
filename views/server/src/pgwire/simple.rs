//! Statements as text, of which one message may hold several: they are one transaction unless they say otherwise.

use std::fmt::Debug;

use async_trait::async_trait;
use futures::{Sink, SinkExt};
use pgwire::api::portal::Format;
use pgwire::api::query::{SimpleQueryHandler, send_ready_for_query};
use pgwire::api::results::Response;
use pgwire::api::store::PortalStore;
use pgwire::api::{ClientInfo, ClientPortalStore, PgWireConnectionState};
use pgwire::error::{PgWireError, PgWireResult};
use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::response::{EmptyQueryResponse, TransactionStatus};
use pgwire::messages::simplequery::Query;

use super::answer::{Answer, begin_copy, complete, send};
use super::handler::{Handler, cancel_of, cancellable, end_statement, session};
use super::wire_error;

#[async_trait]
impl SimpleQueryHandler for Handler {
    /// Every statement is answered before the next one runs, which an error keeps from running.
    async fn on_query<C>(&self, client: &mut C, query: Query) -> PgWireResult<()>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        if !matches!(client.state(), PgWireConnectionState::ReadyForQuery) {
            return Err(PgWireError::NotReadyForQuery);
        }
        client.set_state(PgWireConnectionState::QueryInProgress);
        let cancel = cancel_of(client).await;
        let done = cancellable(cancel, SimpleQueryHandler::do_query(self, client, &query.query)).await;
        let session = session(client);
        end_statement(client, &session, done.is_ok()).await?;
        if let Err(error) = done {
            if session.lock().is_implicit() {
                self.roll_back(client, &session, true).await?;
            }
            return Err(error);
        }
        if matches!(client.state(), PgWireConnectionState::CopyInProgress(_)) {
            return Ok(());
        }
        client.set_state(PgWireConnectionState::ReadyForQuery);
        let status = client.transaction_status();
        send_ready_for_query(client, status).await
    }

    /// Runs and answers the statements; none of the answers is left to send.
    async fn do_query<C>(&self, client: &mut C, text: &str) -> PgWireResult<Vec<Response>>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let statements = tidewater_sql::parse(text).map_err(|error| wire_error(&error))?;
        if statements.is_empty() {
            client.feed(PgWireBackendMessage::EmptyQueryResponse(EmptyQueryResponse::new())).await?;
        }
        let (session, count) = (session(client), statements.len());
        for (number, parsed) in statements.into_iter().enumerate() {
            if count > 1 && client.transaction_status() == TransactionStatus::Idle {
                session.lock().open_implicit();
            }
            let seen = session.lock().statement();
            let prepared = self.understood(client, parsed, &[], &seen).await?;
            let answer = self.run(client, &prepared, Vec::new(), &seen, &Format::UnifiedText).await?;
            if let (Answer::CopyIn(columns), 1) = (&answer, count) {
                begin_copy(client, *columns, false).await?;
                return Ok(Vec::new());
            }
            let tag = send(client, answer).await?;
            // What the text holds back may still fail: the last statement is complete only then.
            if number + 1 == count && session.lock().is_implicit() {
                self.commit(client, &session).await?;
            }
            complete(client, tag).await?;
        }
        Ok(Vec::new())
    }
}

//! The two ways in which the protocol runs statements: as text, and prepared.

use std::fmt::Debug;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow_schema::DataType;
use async_trait::async_trait;
use datafusion::common::ScalarValue;
use futures::{Sink, SinkExt, StreamExt};
use pgwire::api::portal::{Format, Portal, PortalExecutionState};
use pgwire::api::query::{ExtendedQueryHandler, SimpleQueryHandler, send_ready_for_query};
use pgwire::api::results::{FieldInfo, QueryResponse, Response, Tag};
use pgwire::api::stmt::{QueryParser, StoredStatement};
use pgwire::api::store::{Entry, PortalStore};
use pgwire::api::{ClientInfo, ClientPortalStore, DEFAULT_NAME, PgWireConnectionState, Type};
use pgwire::error::{PgWireError, PgWireResult};
use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::copy::{CopyData, CopyDone, CopyOutResponse};
use pgwire::messages::data::{NoData, ParameterDescription};
use pgwire::messages::extendedquery::{
    Bind, BindComplete, Close, CloseComplete, Describe, Execute, Parse, ParseComplete, PortalSuspended, Sync as PgSync,
    TARGET_TYPE_BYTE_STATEMENT,
};
use pgwire::messages::response::{EmptyQueryResponse, TransactionStatus};
use pgwire::messages::simplequery::Query;
use sql::parse::ast::Statement;
use sql::{Error, Parsed, Prepared};

use super::handler::{Answer, Extended, Handler, aborted, cancel_of, cancellable, session};
use super::rows::Lines;
use super::{rows, wire_error};
use crate::coordinator::Handle;
use crate::encode::pg_type;
use crate::parameters;
use crate::runner::Batches;
use crate::session::Session;

async fn complete<C>(client: &mut C, tag: Tag) -> PgWireResult<()>
where
    C: Sink<PgWireBackendMessage> + Unpin,
    PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
{
    client.feed(PgWireBackendMessage::CommandComplete(tag.into())).await?;
    Ok(())
}

/// `SELECT 3`, `SHOW`.
fn row_tag(tag: &str, rows: usize) -> Tag {
    if tag == "SELECT" { Tag::new(tag).with_rows(rows) } else { Tag::new(tag) }
}

/// Sends what COPY writes.
async fn send_copy<C>(
    client: &mut C,
    header: Option<CopyData>,
    mut batches: Batches,
    lines: Lines<'_>,
) -> PgWireResult<usize>
where
    C: Sink<PgWireBackendMessage> + Unpin,
    PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
{
    if let Some(header) = header {
        client.feed(PgWireBackendMessage::CopyData(header)).await?;
    }
    let mut count = 0;
    while let Some(batch) = batches.next().await {
        let batch: RecordBatch = batch.map_err(|error| wire_error(&error))?;
        count += batch.num_rows();
        for row in 0..batch.num_rows() {
            client.feed(PgWireBackendMessage::CopyData(CopyData::new(lines.row(&batch, row)))).await?;
        }
    }
    client.feed(PgWireBackendMessage::CopyDone(CopyDone::new())).await?;
    Ok(count)
}

/// Sends an answer, rows with their description.
async fn send<C>(client: &mut C, answer: Answer) -> PgWireResult<()>
where
    C: ClientInfo + Sink<PgWireBackendMessage> + Unpin,
    PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
{
    match answer {
        // `INSERT 0 3` is sent as it is.
        Answer::Tag(tag) => complete(client, Tag::new(&tag)).await,
        Answer::Transaction(tag, status) => {
            client.set_transaction_status(status);
            complete(client, Tag::new(tag)).await
        }
        Answer::Rows(schema, mut batches, tag) => {
            let fields = rows::fields(&schema, &Format::UnifiedText);
            let binary = rows::binary(&fields);
            client.feed(PgWireBackendMessage::RowDescription(rows::description(&fields))).await?;
            let mut count = 0;
            while let Some(batch) = batches.next().await {
                let batch = batch.map_err(|error| wire_error(&error))?;
                count += batch.num_rows();
                for row in 0..batch.num_rows() {
                    client.feed(PgWireBackendMessage::DataRow(rows::data_row(&batch, row, &binary))).await?;
                }
            }
            complete(client, row_tag(tag, count)).await
        }
        Answer::Copy(schema, batches, format) => {
            let columns = schema.fields().len();
            let begin = CopyOutResponse::new(0, columns as i16, vec![0; columns]);
            client.feed(PgWireBackendMessage::CopyOutResponse(begin)).await?;
            let lines = Lines(&format);
            let header = format.header.then(|| CopyData::new(lines.header(&schema)));
            let count = send_copy(client, header, batches, lines).await?;
            complete(client, Tag::new("COPY").with_rows(count)).await
        }
    }
}

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
        cancellable(cancel, async {
            SimpleQueryHandler::do_query(self, client, &query.query).await?;
            client.set_state(PgWireConnectionState::ReadyForQuery);
            let status = client.transaction_status();
            send_ready_for_query(client, status).await
        })
        .await
    }

    /// Runs and answers the statements; none of the answers is left to send.
    async fn do_query<C>(&self, client: &mut C, text: &str) -> PgWireResult<Vec<Response>>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let statements = sql::parse(text).map_err(|error| wire_error(&error))?;
        if statements.is_empty() {
            client.feed(PgWireBackendMessage::EmptyQueryResponse(EmptyQueryResponse::new())).await?;
        }
        for parsed in statements {
            let prepared = understood(&self.handle, client, parsed, &[]).await?;
            let answer = self.run(client, &prepared, Vec::new()).await?;
            send(client, answer).await?;
        }
        Ok(Vec::new())
    }
}

/// Understands a statement, unless the transaction has failed: then only its end is of interest.
async fn understood<C: ClientInfo + Sync>(
    handle: &Handle,
    client: &C,
    parsed: Parsed,
    types: &[Option<DataType>],
) -> PgWireResult<Prepared> {
    let ends = matches!(parsed.statement, Statement::Commit | Statement::Rollback | Statement::RollbackTo { .. });
    if client.transaction_status() == TransactionStatus::Error && !ends {
        return Err(wire_error(&aborted()));
    }
    if needs_catalog(&parsed.statement) {
        let patience = session(client).lock().statement_timeout();
        handle.restored(patience).await.map_err(|error| wire_error(&error))?;
    }
    handle.prepare(&Arc::new(parsed), types).map_err(|error| wire_error(&error))
}

/// Whether a statement is about more than the session.
fn needs_catalog(statement: &Statement) -> bool {
    use Statement as S;
    let session = matches!(
        statement,
        S::Begin { .. }
            | S::Commit
            | S::Rollback
            | S::Savepoint { .. }
            | S::Release { .. }
            | S::RollbackTo { .. }
            | S::Set { .. }
            | S::Reset { .. }
            | S::ShowVariable { .. }
            | S::DiscardAll
            | S::Deallocate { .. }
            | S::Nothing { .. }
    );
    !session
}

/// Understands statements of the extended protocol.
pub(super) struct Parser {
    handle: Handle,
}

#[async_trait]
impl QueryParser for Parser {
    type Statement = Extended;

    async fn parse_sql<C>(&self, client: &C, text: &str, types: &[Option<Type>]) -> PgWireResult<Option<Extended>>
    where
        C: ClientInfo + Unpin + Send + Sync,
    {
        let mut statements = sql::parse(text).map_err(|error| wire_error(&error))?;
        if statements.len() > 1 {
            let message = "cannot insert multiple commands into a prepared statement";
            return Err(wire_error(&Error::new("42601", message)));
        }
        let Some(parsed) = statements.pop() else { return Ok(None) };
        let types: Vec<_> = types.iter().map(|pg| pg.as_ref().and_then(parameters::arrow_type)).collect();
        let prepared = understood(&self.handle, client, parsed, &types).await?;
        Ok(Some(Extended(Arc::new(prepared))))
    }

    fn get_parameter_types(&self, statement: &Extended) -> PgWireResult<Vec<Type>> {
        Ok(statement.0.parameters.iter().map(pg_type).collect())
    }

    fn get_result_schema(&self, statement: &Extended, format: Option<&Format>) -> PgWireResult<Vec<FieldInfo>> {
        Ok(result_fields(&statement.0, format.unwrap_or(&Format::UnifiedText)).unwrap_or_default())
    }
}

/// Columns of a statement's answer; none for a tag and for COPY.
fn result_fields(prepared: &Prepared, format: &Format) -> Option<Vec<FieldInfo>> {
    match (&prepared.parsed.statement, &prepared.columns) {
        (Statement::ShowVariable { name }, _) => Some(rows::fields(&Session::columns(name), format)),
        (Statement::CopyOut { .. }, _) | (_, None) => None,
        (_, Some(columns)) => Some(rows::fields(columns, format)),
    }
}

/// The types of a statement's parameters; one that the client declared is told back as it said it.
fn parameter_types(statement: &StoredStatement<Extended>) -> Vec<u32> {
    let of = |(number, data_type)| {
        let declared = statement.parameter_types.get(number).cloned().flatten().filter(|pg| *pg != Type::UNKNOWN);
        declared.unwrap_or_else(|| pg_type(data_type)).oid()
    };
    statement.statement.0.parameters.iter().enumerate().map(of).collect()
}

/// The values that a client bound.
fn values(portal: &Portal<Extended>) -> PgWireResult<Vec<ScalarValue>> {
    let value = |(number, data_type): (usize, &DataType)| {
        let bytes = portal.parameters.get(number).and_then(|bytes| bytes.as_deref());
        let binary = match &portal.parameter_format {
            Format::Individual(formats) => formats.get(number).copied() == Some(1),
            format => format.is_binary(number),
        };
        parameters::decode(number, bytes, binary, data_type).map_err(|error| wire_error(&error))
    };
    portal.statement.statement.0.parameters.iter().enumerate().map(value).collect()
}

/// A name as its client knows it: empty where none was given.
fn shown(name: &str) -> &str {
    if name == DEFAULT_NAME { "" } else { name }
}

fn no_statement(name: &str) -> PgWireError {
    let name = shown(name);
    wire_error(&Error::new("26000", format!("prepared statement \"{name}\" does not exist")))
}

fn no_portal(name: &str) -> PgWireError {
    let name = shown(name);
    wire_error(&Error::new("34000", format!("portal \"{name}\" does not exist")))
}

/// Sends up to `limit` rows of a portal, all where it is 0; whether that were the last.
async fn fetch<C>(client: &mut C, response: &mut QueryResponse, limit: usize) -> PgWireResult<bool>
where
    C: Sink<PgWireBackendMessage> + Unpin,
    PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
{
    let mut count = 0;
    while limit == 0 || count < limit {
        let Some(row) = response.data_rows().next().await else {
            let tag = row_tag(response.command_tag(), count);
            complete(client, tag).await?;
            return Ok(true);
        };
        client.feed(PgWireBackendMessage::DataRow(row?)).await?;
        count += 1;
    }
    client.feed(PgWireBackendMessage::PortalSuspended(PortalSuspended::new())).await?;
    Ok(false)
}

impl Handler {
    /// Runs a portal, or goes on with it.
    async fn execute<C>(&self, client: &mut C, message: &Execute) -> PgWireResult<()>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Extended>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let name = message.name.as_deref().unwrap_or(DEFAULT_NAME);
        let limit = usize::try_from(message.max_rows).unwrap_or(0);
        let portal = match client.portal_store().get_portal(name) {
            Some(Entry::Value(portal)) => portal,
            Some(Entry::Empty) => {
                client.feed(PgWireBackendMessage::EmptyQueryResponse(EmptyQueryResponse::new())).await?;
                return Ok(());
            }
            None => return Err(no_portal(name)),
        };
        let state = portal.state();
        let mut state = state.lock().await;
        if let PortalExecutionState::Initial = &*state {
            let response = ExtendedQueryHandler::do_query(self, client, &portal, limit).await?;
            *state = match response {
                Response::Query(response) => PortalExecutionState::Suspended(response),
                _ => PortalExecutionState::Finished,
            };
            if let PortalExecutionState::Finished = &*state {
                return Ok(());
            }
        }
        match &mut *state {
            PortalExecutionState::Suspended(response) => {
                if fetch(client, response, limit).await? {
                    *state = PortalExecutionState::Finished;
                }
                Ok(())
            }
            _ if result_fields(&portal.statement.statement.0, &Format::UnifiedText).is_some() => {
                complete(client, row_tag("SELECT", 0)).await
            }
            _ => Err(wire_error(&Error::new("55000", format!("portal \"{}\" cannot be run anymore", shown(name))))),
        }
    }
}

/// None of these flushes: the answer to a pipeline goes out at its Sync or Flush, or when it fills the buffer.
#[async_trait]
impl ExtendedQueryHandler for Handler {
    type Statement = Extended;
    type QueryParser = Parser;

    fn query_parser(&self) -> Arc<Parser> {
        Arc::new(Parser { handle: self.handle.clone() })
    }

    async fn on_parse<C>(&self, client: &mut C, message: Parse) -> PgWireResult<()>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Extended>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let name = message.name.as_deref().unwrap_or(DEFAULT_NAME);
        if name != DEFAULT_NAME {
            if client.portal_store().get_statement(name).is_some() {
                let text = format!("prepared statement \"{name}\" already exists");
                return Err(wire_error(&Error::new("42P05", text)));
            }
            session(client).lock().statements.insert(name.to_owned());
        }
        match StoredStatement::parse(client, &message, self.query_parser()).await? {
            Some(statement) => client.portal_store().put_statement(Arc::new(statement)),
            None => client.portal_store().put_empty_statement(name),
        }
        client.feed(PgWireBackendMessage::ParseComplete(ParseComplete::new())).await?;
        Ok(())
    }

    async fn on_bind<C>(&self, client: &mut C, message: Bind) -> PgWireResult<()>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Extended>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let name = message.statement_name.as_deref().unwrap_or(DEFAULT_NAME);
        let statement = client.portal_store().get_statement(name).ok_or_else(|| no_statement(name))?;
        let wanted = statement.value().map_or(0, |statement| statement.statement.0.parameters.len());
        let given = message.parameters.len();
        if given != wanted {
            let text = format!(
                "bind message supplies {given} parameters, but prepared statement \"{}\" requires {wanted}",
                shown(name)
            );
            return Err(wire_error(&Error::new("08P01", text)));
        }
        match statement {
            Entry::Value(statement) => {
                client.portal_store().put_portal(Arc::new(Portal::try_new(&message, statement)?));
            }
            Entry::Empty => {
                client.portal_store().put_empty_portal(message.portal_name.as_deref().unwrap_or(DEFAULT_NAME));
            }
        }
        client.feed(PgWireBackendMessage::BindComplete(BindComplete::new())).await?;
        Ok(())
    }

    async fn on_describe<C>(&self, client: &mut C, message: Describe) -> PgWireResult<()>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Extended>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let name = message.name.as_deref().unwrap_or(DEFAULT_NAME);
        let fields = if message.target_type == TARGET_TYPE_BYTE_STATEMENT {
            let statement = client.portal_store().get_statement(name).ok_or_else(|| no_statement(name))?;
            let statement = statement.value();
            let types = statement.map(|statement| parameter_types(statement)).unwrap_or_default();
            let types = PgWireBackendMessage::ParameterDescription(ParameterDescription::new(types));
            let fields = statement.and_then(|statement| result_fields(&statement.statement.0, &Format::UnifiedText));
            client.feed(types).await?;
            fields
        } else {
            let portal = client.portal_store().get_portal(name).ok_or_else(|| no_portal(name))?;
            portal.value().and_then(|portal| result_fields(&portal.statement.statement.0, &portal.result_column_format))
        };
        let described = match fields {
            Some(fields) => PgWireBackendMessage::RowDescription(rows::description(&fields)),
            None => PgWireBackendMessage::NoData(NoData::new()),
        };
        client.feed(described).await?;
        Ok(())
    }

    async fn on_execute<C>(&self, client: &mut C, message: Execute) -> PgWireResult<()>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Extended>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        if !matches!(client.state(), PgWireConnectionState::ReadyForQuery) {
            return Err(PgWireError::NotReadyForQuery);
        }
        client.set_state(PgWireConnectionState::QueryInProgress);
        let cancel = cancel_of(client).await;
        cancellable(cancel, self.execute(client, &message)).await?;
        client.set_state(PgWireConnectionState::ReadyForQuery);
        Ok(())
    }

    /// Outside a block, portals end with the Sync.
    async fn on_sync<C>(&self, client: &mut C, _: PgSync) -> PgWireResult<()>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Extended>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let status = client.transaction_status();
        if status != TransactionStatus::Transaction {
            client.portal_store().clear_portals();
        }
        send_ready_for_query(client, status).await
    }

    async fn on_close<C>(&self, client: &mut C, message: Close) -> PgWireResult<()>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Extended>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let name = message.name.as_deref().unwrap_or(DEFAULT_NAME);
        if message.target_type == TARGET_TYPE_BYTE_STATEMENT {
            session(client).lock().statements.remove(name);
            client.portal_store().rm_statement(name);
        } else {
            client.portal_store().rm_portal(name);
        }
        client.feed(PgWireBackendMessage::CloseComplete(CloseComplete::new())).await?;
        Ok(())
    }

    /// Runs a portal; rows are left to fetch, everything else is answered.
    async fn do_query<C>(&self, client: &mut C, portal: &Portal<Extended>, _limit: usize) -> PgWireResult<Response>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Extended>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        match self.run(client, &portal.statement.statement.0, values(portal)?).await? {
            Answer::Rows(schema, batches, tag) => {
                let fields = rows::fields(&schema, &portal.result_column_format);
                Ok(Response::Query(rows::response(fields, batches, tag)))
            }
            answer => {
                send(client, answer).await?;
                Ok(Response::EmptyQuery)
            }
        }
    }
}

//! Prepared statements: parsed, bound, described, run and fetched step by step.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use futures::{FutureExt, Sink, SinkExt, StreamExt};
use pgwire::api::portal::{Format, Portal, PortalExecutionState};
use pgwire::api::query::{ExtendedQueryHandler, send_ready_for_query};
use pgwire::api::results::{FieldInfo, QueryResponse, Response};
use pgwire::api::stmt::{QueryParser, StoredStatement};
use pgwire::api::store::{Entry, PortalStore};
use pgwire::api::{ClientInfo, ClientPortalStore, DEFAULT_NAME, PgWireConnectionState, Type};
use pgwire::error::{PgWireError, PgWireResult};
use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::data::{NoData, ParameterDescription};
use pgwire::messages::extendedquery::{
    Bind, BindComplete, Close, CloseComplete, Describe, Execute, Parse, ParseComplete, PortalSuspended, Sync as PgSync,
    TARGET_TYPE_BYTE_STATEMENT,
};
use pgwire::messages::response::{EmptyQueryResponse, TransactionStatus};
use tidewater_query::plan::Constant;
use tidewater_sql::parse::ast::Statement;
use tidewater_sql::{Error, Prepared};
use tidewater_types::{Column, ColumnType};

use super::answer::{Answer, begin_copy, binary, complete, response, row_tag, send};
use super::handler::{Extended, Handler, cancel_of, cancellable, end_statement, session};
use super::statement::Seen;
use super::wire_error;
use crate::encode::{description, oid};
use crate::parameters;
use crate::session::Session;

/// The crate asks for a parser; statements are understood in `on_parse`, by the numbers of their types.
pub(super) struct Parser(Handler);

#[async_trait]
impl QueryParser for Parser {
    type Statement = Extended;

    async fn parse_sql<C>(&self, client: &C, text: &str, types: &[Option<Type>]) -> PgWireResult<Option<Extended>>
    where
        C: ClientInfo + Unpin + Send + Sync,
    {
        let oids: Vec<u32> = types.iter().map(|pg| pg.as_ref().map_or(0, Type::oid)).collect();
        self.0.parse(client, text, &oids).await
    }

    fn get_parameter_types(&self, statement: &Extended) -> PgWireResult<Vec<Type>> {
        Ok(statement.0.parameters.iter().map(wire_type).collect())
    }

    fn get_result_schema(&self, statement: &Extended, format: Option<&Format>) -> PgWireResult<Vec<FieldInfo>> {
        let columns = result_columns(&statement.0).unwrap_or_default();
        let format = format.unwrap_or(&Format::UnifiedText);
        let field = |(number, column): (usize, &Column)| {
            FieldInfo::new(column.name.clone(), None, None, wire_type(&column.ty), format.format_for(number))
        };
        Ok(columns.iter().enumerate().map(field).collect())
    }
}

fn wire_type(ty: &ColumnType) -> Type {
    Type::from_oid(oid(ty)).unwrap_or(Type::TEXT)
}

/// Columns of a statement's answer; none for a tag and for COPY.
fn result_columns(prepared: &Prepared) -> Option<Arc<[Column]>> {
    match (&prepared.parsed.statement, &prepared.columns) {
        (Statement::ShowVariable { name }, _) => Some(Session::columns(name)),
        (Statement::CopyOut { .. } | Statement::Subscribe { copy: Some(_), .. }, _) | (_, None) => None,
        (_, Some(columns)) => Some(columns.clone()),
    }
}

/// The types of a statement's parameters.
fn parameter_types(statement: &StoredStatement<Extended>) -> Vec<u32> {
    statement.statement.0.parameters.iter().map(oid).collect()
}

/// The values that a client bound.
fn values(portal: &Portal<Extended>, seen: &Seen) -> PgWireResult<Vec<Constant>> {
    let value = |(number, ty): (usize, &ColumnType)| {
        let bytes = portal.parameters.get(number).and_then(|bytes| bytes.as_deref());
        let binary = match &portal.parameter_format {
            Format::Individual(formats) => formats.get(number).copied() == Some(1),
            format => format.is_binary(number),
        };
        parameters::decode(number, bytes, binary, ty, &seen.settings).map_err(|error| wire_error(&error))
    };
    portal.statement.statement.0.parameters.iter().enumerate().map(value).collect()
}

/// A name as its client knows it: empty where none was given.
fn shown(name: &str) -> &str {
    if name == DEFAULT_NAME { "" } else { name }
}

fn no_statement(name: &str) -> PgWireError {
    let name = shown(name);
    wire_error(&Error::new(b"26000", format!("prepared statement \"{name}\" does not exist")))
}

fn no_portal(name: &str) -> PgWireError {
    let name = shown(name);
    wire_error(&Error::new(b"34000", format!("portal \"{name}\" does not exist")))
}

/// Sends up to `limit` rows of a portal, all where it is 0; whether that were the last.
async fn fetch<C>(client: &mut C, response: &mut QueryResponse, limit: usize) -> PgWireResult<bool>
where
    C: Sink<PgWireBackendMessage> + Unpin,
    PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
{
    let mut count = 0;
    while limit == 0 || count < limit {
        // What was written goes to the client before the next row has to be waited for.
        let next = match response.data_rows().next().now_or_never() {
            Some(row) => row,
            None => {
                client.flush().await?;
                response.data_rows().next().await
            }
        };
        let Some(row) = next else {
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
    /// Understands a statement whose parameters have these types, 0 where the client says none; `None` for no statement.
    async fn parse<C>(&self, client: &C, text: &str, oids: &[u32]) -> PgWireResult<Option<Extended>>
    where
        C: ClientInfo + Unpin + Send + Sync,
    {
        let mut statements = tidewater_sql::parse(text).map_err(|error| wire_error(&error))?;
        if statements.len() > 1 {
            let message = "cannot insert multiple commands into a prepared statement";
            return Err(wire_error(&Error::new(b"42601", message)));
        }
        let Some(parsed) = statements.pop() else { return Ok(None) };
        let types = parameters::declared(oids).map_err(|error| wire_error(&error))?;
        let seen = session(client).lock().statement();
        let prepared = self.understood(client, parsed, &types, &seen).await?;
        Ok(Some(Extended(Arc::new(prepared))))
    }

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
            _ if result_columns(&portal.statement.statement.0).is_some() => {
                complete(client, row_tag("SELECT", 0)).await
            }
            _ => Err(wire_error(&Error::new(b"55000", format!("portal \"{}\" cannot be run anymore", shown(name))))),
        }
    }
}

/// None of these flushes: the answer to a pipeline goes out at its Sync or Flush, or when it fills the buffer.
#[async_trait]
impl ExtendedQueryHandler for Handler {
    type Statement = Extended;
    type QueryParser = Parser;

    fn query_parser(&self) -> Arc<Parser> {
        Arc::new(Parser(self.clone()))
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
                return Err(wire_error(&Error::new(b"42P05", text)));
            }
            session(client).lock().statements.insert(name.to_owned());
        }
        match self.parse(client, &message.query, &message.type_oids).await? {
            Some(statement) => {
                let statement = StoredStatement::new(name.to_owned(), statement, Vec::new());
                client.portal_store().put_statement(Arc::new(statement));
            }
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
            return Err(wire_error(&Error::new(b"08P01", text)));
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
        let (columns, format) = if message.target_type == TARGET_TYPE_BYTE_STATEMENT {
            let statement = client.portal_store().get_statement(name).ok_or_else(|| no_statement(name))?;
            let statement = statement.value();
            let types = statement.map(|statement| parameter_types(statement)).unwrap_or_default();
            let types = PgWireBackendMessage::ParameterDescription(ParameterDescription::new(types));
            client.feed(types).await?;
            (statement.and_then(|statement| result_columns(&statement.statement.0)), Format::UnifiedText)
        } else {
            let cursor = || session(client).lock().cursors.columns(name);
            match client.portal_store().get_portal(name) {
                Some(portal) => match portal.value() {
                    Some(portal) => {
                        (result_columns(&portal.statement.statement.0), portal.result_column_format.clone())
                    }
                    None => (None, Format::UnifiedText),
                },
                // A cursor is a portal, too; drivers ask for its columns.
                None => (Some(cursor().ok_or_else(|| no_portal(name))?), Format::UnifiedText),
            }
        };
        let described = match columns {
            Some(columns) => {
                PgWireBackendMessage::RowDescription(description(&columns, &binary(columns.len(), &format)))
            }
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
        let done = cancellable(cancel, self.execute(client, &message)).await;
        let session = session(client);
        end_statement(client, &session, done.is_ok()).await?;
        done?;
        if matches!(client.state(), PgWireConnectionState::CopyInProgress(_)) {
            return Ok(());
        }
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
        let seen = session(client).lock().statement();
        let prepared = &portal.statement.statement.0;
        let values = values(portal, &self.handle.naming(prepared.parameters.iter(), &seen))?;
        match self.run(client, prepared, values, &seen, &portal.result_column_format).await? {
            Answer::CopyIn(columns) => {
                begin_copy(client, columns, true).await?;
                Ok(Response::EmptyQuery)
            }
            Answer::Rows { columns, batches, tag, .. } => Ok(Response::Query(response(columns.len(), batches, &tag))),
            answer => {
                let tag = send(client, answer).await?;
                complete(client, tag).await?;
                Ok(Response::EmptyQuery)
            }
        }
    }
}

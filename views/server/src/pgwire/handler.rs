//! What the server does for each message of a client.

use std::fmt::Debug;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow_schema::SchemaRef;
use async_trait::async_trait;
use futures::{Sink, SinkExt};
use pgwire::api::auth::{
    ServerParameterProvider, StartupHandler, finish_authentication, protocol_negotiation,
    save_startup_parameters_to_metadata,
};
use pgwire::api::cancel::CancelHandler;
use pgwire::api::portal::{Format, Portal};
use pgwire::api::query::{ExtendedQueryHandler, SimpleQueryHandler};
use pgwire::api::results::{DescribePortalResponse, DescribeStatementResponse, FieldInfo, Response, Tag};
use pgwire::api::stmt::{QueryParser, StoredStatement};
use pgwire::api::store::{Entry, PortalStore};
use pgwire::api::{
    ClientInfo, ClientPortalStore, ConnectionHandle, ConnectionManager, DEFAULT_NAME, PidSecretKeyGenerator,
    RandomPidSecretKeyGenerator, Type,
};
use pgwire::error::{ErrorInfo, PgWireError, PgWireResult};
use pgwire::messages::cancel::CancelRequest;
use pgwire::messages::extendedquery::{Bind, BindComplete, Parse, ParseComplete};
use pgwire::messages::response::{NoticeResponse, TransactionStatus};
use pgwire::messages::startup::ParameterStatus;
use pgwire::messages::{PgWireBackendMessage, PgWireFrontendMessage};
use sql::parse::ast::Statement;
use sql::{Error, Outcome, Parsed, Prepared, Query};

use super::{rows, wire_error};
use crate::coordinator::Handle;
use crate::encode::pg_type;
use crate::parameters;
use crate::session::{REPORTED, SERVER_VERSION, Session};

/// See the module.
pub(super) struct Handler {
    handle: Handle,
    connections: Arc<ConnectionManager>,
    keys: RandomPidSecretKeyGenerator,
}

impl Handler {
    pub(super) fn new(handle: Handle, connections: Arc<ConnectionManager>) -> Self {
        Handler { handle, connections, keys: RandomPidSecretKeyGenerator::default() }
    }
}

type Shared = parking_lot::Mutex<Session>;

fn session<C: ClientInfo>(client: &C) -> Arc<Shared> {
    client.session_extensions().get_or_insert_with::<Shared>(|| Shared::new(Session::new(client.metadata())))
}

/// The parameters that a client is told at its start.
struct Parameters;

impl ServerParameterProvider for Parameters {
    fn server_parameters<C: ClientInfo>(&self, client: &C) -> Option<std::collections::HashMap<String, String>> {
        let session = session(client);
        let session = session.lock();
        let value = |name: &str| session.get(name).unwrap_or_default().to_owned();
        let mut all: std::collections::HashMap<_, _> =
            REPORTED.iter().map(|(name, reported)| ((*reported).to_owned(), value(name))).collect();
        all.insert("server_version".into(), SERVER_VERSION.into());
        Some(all)
    }
}

#[async_trait]
impl StartupHandler for Handler {
    async fn on_startup<C>(&self, client: &mut C, message: PgWireFrontendMessage) -> PgWireResult<()>
    where
        C: ClientInfo + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let PgWireFrontendMessage::Startup(startup) = &message else { return Ok(()) };
        protocol_negotiation(client, startup).await?;
        save_startup_parameters_to_metadata(client, startup);
        let (pid, secret) = self.keys.generate(client);
        client.set_pid_and_secret_key(pid, secret.clone());
        let (handle, guard) = self.connections.register(pid, secret);
        client.session_extensions().insert::<Arc<ConnectionHandle>>(handle);
        client.session_extensions().insert(guard);
        finish_authentication(client, &Parameters).await
    }
}

#[async_trait]
impl CancelHandler for Handler {
    async fn on_cancel_request(&self, request: CancelRequest) {
        self.connections.cancel(request.pid, &request.secret_key).await;
    }
}

/// What a statement answers, before it is encoded.
enum Answer {
    Tag(String),
    Begin,
    End(&'static str),
    Rows(SchemaRef, Vec<RecordBatch>, Option<&'static str>),
    Copy { schema: SchemaRef, batches: Vec<RecordBatch>, csv: bool, header: bool },
}

impl Handler {
    /// Runs a statement for a session.
    async fn run<C>(
        &self,
        client: &mut C,
        prepared: &Prepared,
        values: Vec<datafusion::common::ScalarValue>,
    ) -> PgWireResult<Answer>
    where
        C: ClientInfo + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let statement = &prepared.parsed.statement;
        let ends = matches!(statement, Statement::Commit | Statement::Rollback);
        if client.transaction_status() == TransactionStatus::Error && !ends {
            let message = "current transaction is aborted, commands ignored until end of transaction block";
            return Err(wire_error(&Error::new("25P02", message)));
        }
        let session = session(client);
        match statement {
            Statement::Begin => Ok(Answer::Begin),
            Statement::Commit if client.transaction_status() == TransactionStatus::Error => Ok(Answer::End("ROLLBACK")),
            Statement::Commit => Ok(Answer::End("COMMIT")),
            Statement::Rollback => Ok(Answer::End("ROLLBACK")),
            Statement::Set { name, value } => self.set(client, &session, name, value.as_deref()).await,
            Statement::Reset { name } if name == "all" => {
                session.lock().reset();
                Ok(Answer::Tag("RESET".into()))
            }
            Statement::Reset { name } => {
                self.set(client, &session, name, None).await?;
                Ok(Answer::Tag("RESET".into()))
            }
            Statement::ShowVariable { name } => {
                let shown = session.lock().show(name).map_err(|error| wire_error(&error))?;
                Ok(Answer::Rows(shown.schema(), vec![shown], Some("SHOW")))
            }
            Statement::DiscardAll => {
                session.lock().reset();
                Ok(Answer::Tag("DISCARD ALL".into()))
            }
            Statement::Query(_) | Statement::CopyOut { .. } => {
                let patience = session.lock().statement_timeout();
                let query = self.handle.query(prepared, &values, patience).await.map_err(|error| wire_error(&error))?;
                let schema = query.schema.clone();
                let batches = match query.ready() {
                    Ok(batch) => vec![batch],
                    Err(query) => run_apart(query).await.map_err(|error| wire_error(&error))?,
                };
                Ok(match statement {
                    Statement::CopyOut { csv, header, .. } => {
                        Answer::Copy { schema, batches, csv: *csv, header: *header }
                    }
                    _ => Answer::Rows(schema, batches, None),
                })
            }
            _ => match self.handle.run(&prepared.parsed, values).await.map_err(|error| wire_error(&error))? {
                Outcome::Tag(tag) | Outcome::Dropped(tag, _) => Ok(Answer::Tag(tag)),
                Outcome::Rows(query) => {
                    let schema = query.schema.clone();
                    let batches = query.run().await.map_err(|error| wire_error(&error))?;
                    let tag = if matches!(statement, Statement::Explain(_)) { "EXPLAIN" } else { "SHOW" };
                    Ok(Answer::Rows(schema, batches, Some(tag)))
                }
            },
        }
    }

    async fn set<C>(&self, client: &mut C, session: &Shared, name: &str, value: Option<&str>) -> PgWireResult<Answer>
    where
        C: ClientInfo + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let known = session.lock().set(name, value).map_err(|error| wire_error(&error))?;
        if !known {
            let text = format!("variable \"{name}\" is not known; it changes nothing");
            let notice = ErrorInfo::new("NOTICE".into(), "00000".into(), text);
            client.feed(PgWireBackendMessage::NoticeResponse(NoticeResponse::from(notice))).await?;
        }
        if let Some((_, reported)) = REPORTED.iter().find(|(known, _)| *known == name) {
            let value = session.lock().get(name).unwrap_or_default().to_owned();
            let status = ParameterStatus::new((*reported).to_owned(), value);
            client.feed(PgWireBackendMessage::ParameterStatus(status)).await?;
        }
        Ok(Answer::Tag("SET".into()))
    }

    /// Drops what DEALLOCATE and DISCARD name.
    fn forget<C>(client: &C, statement: &Statement)
    where
        C: ClientPortalStore,
        C::PortalStore: PortalStore,
    {
        if let Statement::Deallocate { name: Some(name) } = statement {
            client.portal_store().rm_statement(name);
        }
    }
}

/// Runs a query in a task of its own, which ends when it is cancelled; a session can so be told at once.
async fn run_apart(query: Query) -> sql::Result<Vec<RecordBatch>> {
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(query.run());
    match tasks.join_next().await {
        Some(Ok(result)) => result,
        _ => Err(Error::new("XX000", "the query ended by a bug")),
    }
}

fn tagged(tag: &str) -> Tag {
    // `INSERT 0 3` is sent as it is.
    Tag::new(tag)
}

fn response(answer: Answer, format: &Format) -> Response {
    match answer {
        Answer::Tag(tag) => Response::Execution(tagged(&tag)),
        Answer::Begin => Response::TransactionStart(Tag::new("BEGIN")),
        Answer::End(tag) => Response::TransactionEnd(Tag::new(tag)),
        Answer::Rows(schema, batches, tag) => {
            let mut response = rows::response(rows::fields(&schema, format), batches);
            if let Some(tag) = tag {
                response.set_command_tag(tag);
            }
            Response::Query(response)
        }
        Answer::Copy { schema, batches, csv, header } => Response::CopyOut(rows::copy(&schema, batches, csv, header)),
    }
}

#[async_trait]
impl SimpleQueryHandler for Handler {
    async fn do_query<C>(&self, client: &mut C, text: &str) -> PgWireResult<Vec<Response>>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let statements = sql::parse(text).map_err(|error| wire_error(&error))?;
        if statements.is_empty() {
            return Ok(vec![Response::EmptyQuery]);
        }
        let mut responses = Vec::new();
        for parsed in statements {
            let parsed = Arc::new(parsed);
            Self::forget(client, &parsed.statement);
            let answer = match self.handle.prepare(&parsed, &[]) {
                Ok(prepared) => self.run(client, &prepared, Vec::new()).await,
                Err(error) => Err(wire_error(&error)),
            };
            match answer {
                Ok(answer) => responses.push(response(answer, &Format::UnifiedText)),
                // What came before has been done and is answered; what comes after is not done.
                Err(PgWireError::UserError(info)) => {
                    responses.push(Response::Error(info));
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(responses)
    }
}

/// A statement of the extended protocol.
#[derive(Clone)]
pub(super) struct Extended(Arc<Prepared>);

/// Understands statements of the extended protocol.
pub(super) struct Parser {
    handle: Handle,
}

#[async_trait]
impl QueryParser for Parser {
    type Statement = Extended;

    async fn parse_sql<C>(&self, _client: &C, text: &str, types: &[Option<Type>]) -> PgWireResult<Option<Extended>>
    where
        C: ClientInfo + Unpin + Send + Sync,
    {
        let mut statements = sql::parse(text).map_err(|error| wire_error(&error))?;
        if statements.len() > 1 {
            let message = "cannot insert multiple commands into a prepared statement";
            return Err(wire_error(&Error::new("42601", message)));
        }
        let Some(parsed) = statements.pop() else { return Ok(None) };
        let parsed: Arc<Parsed> = Arc::new(parsed);
        let types: Vec<_> = types.iter().map(|pg| pg.as_ref().and_then(parameters::arrow_type)).collect();
        let prepared = self.handle.prepare(&parsed, &types).map_err(|error| wire_error(&error))?;
        Ok(Some(Extended(Arc::new(prepared))))
    }

    fn get_parameter_types(&self, statement: &Extended) -> PgWireResult<Vec<Type>> {
        Ok(statement.0.parameters.iter().map(pg_type).collect())
    }

    fn get_result_schema(&self, statement: &Extended, format: Option<&Format>) -> PgWireResult<Vec<FieldInfo>> {
        Ok(result_fields(&statement.0, format.unwrap_or(&Format::UnifiedText)))
    }
}

/// Columns of a statement's answer; none for a tag and for COPY.
fn result_fields(prepared: &Prepared, format: &Format) -> Vec<FieldInfo> {
    if let Statement::ShowVariable { name } = &prepared.parsed.statement {
        let shown = Session::default().show(name);
        return shown.map(|shown| rows::fields(&shown.schema(), format)).unwrap_or_default();
    }
    match (&prepared.parsed.statement, &prepared.columns) {
        (Statement::CopyOut { .. }, _) | (_, None) => Vec::new(),
        (_, Some(columns)) => rows::fields(columns, format),
    }
}

#[async_trait]
impl ExtendedQueryHandler for Handler {
    type Statement = Extended;
    type QueryParser = Parser;

    fn query_parser(&self) -> Arc<Parser> {
        Arc::new(Parser { handle: self.handle.clone() })
    }

    /// As the trait's own, without a flush: the answer to a pipeline goes out at its Sync.
    async fn on_parse<C>(&self, client: &mut C, message: Parse) -> PgWireResult<()>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Extended>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let name = message.name.clone().unwrap_or_else(|| DEFAULT_NAME.to_owned());
        match StoredStatement::parse(client, &message, self.query_parser()).await? {
            Some(statement) => client.portal_store().put_statement(Arc::new(statement)),
            None => client.portal_store().put_empty_statement(&name),
        }
        client.feed(PgWireBackendMessage::ParseComplete(ParseComplete::new())).await?;
        Ok(())
    }

    /// As the trait's own, without a flush.
    async fn on_bind<C>(&self, client: &mut C, message: Bind) -> PgWireResult<()>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Extended>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let statement_name = message.statement_name.as_deref().unwrap_or(DEFAULT_NAME);
        match client.portal_store().get_statement(statement_name) {
            Some(Entry::Value(statement)) => {
                let (given, wanted) = (message.parameters.len(), statement.statement.0.parameters.len());
                if given != wanted {
                    let name = message.statement_name.as_deref().unwrap_or_default();
                    let text = format!(
                        "bind message supplies {given} parameters, but prepared statement \"{name}\" requires {wanted}"
                    );
                    return Err(wire_error(&Error::new("08P01", text)));
                }
                client.portal_store().put_portal(Arc::new(Portal::try_new(&message, statement)?));
            }
            Some(Entry::Empty) => {
                client.portal_store().put_empty_portal(message.portal_name.as_deref().unwrap_or(DEFAULT_NAME));
            }
            None => return Err(PgWireError::StatementNotFound(statement_name.to_owned())),
        }
        client.feed(PgWireBackendMessage::BindComplete(BindComplete::new())).await?;
        Ok(())
    }

    async fn do_describe_statement<C>(
        &self,
        _client: &mut C,
        target: &StoredStatement<Extended>,
    ) -> PgWireResult<DescribeStatementResponse>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Extended>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let prepared = &target.statement.0;
        let parameters = prepared.parameters.iter().enumerate().map(|(number, data_type)| {
            // A type that the client declared is told back as it said it.
            let declared = target.parameter_types.get(number).cloned().flatten().filter(|pg| *pg != Type::UNKNOWN);
            declared.unwrap_or_else(|| pg_type(data_type))
        });
        Ok(DescribeStatementResponse::new(parameters.collect(), result_fields(prepared, &Format::UnifiedText)))
    }

    async fn do_describe_portal<C>(
        &self,
        _client: &mut C,
        target: &Portal<Extended>,
    ) -> PgWireResult<DescribePortalResponse>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Extended>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let prepared = &target.statement.statement.0;
        Ok(DescribePortalResponse::new(result_fields(prepared, &target.result_column_format)))
    }

    async fn do_query<C>(&self, client: &mut C, portal: &Portal<Extended>, _max_rows: usize) -> PgWireResult<Response>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Extended>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let prepared = &portal.statement.statement.0;
        let mut values = Vec::with_capacity(prepared.parameters.len());
        for (number, data_type) in prepared.parameters.iter().enumerate() {
            let bytes = portal.parameters.get(number).and_then(|bytes| bytes.as_deref());
            let binary = match &portal.parameter_format {
                Format::Individual(formats) => formats.get(number).copied() == Some(1),
                format => format.is_binary(number),
            };
            values.push(parameters::decode(number, bytes, binary, data_type).map_err(|error| wire_error(&error))?);
        }
        Self::forget(client, &prepared.parsed.statement);
        let answer = self.run(client, prepared, values).await?;
        Ok(response(answer, &portal.result_column_format))
    }
}

//! What the server does for a statement of a client: sessions begin, statements run, transactions end.

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::Arc;

use arrow_schema::SchemaRef;
use async_trait::async_trait;
use datafusion::common::ScalarValue;
use futures::channel::oneshot::Receiver;
use futures::future::{Either, select};
use futures::{Sink, SinkExt};
use pgwire::api::auth::{
    ServerParameterProvider, StartupHandler, finish_authentication, protocol_negotiation,
    save_startup_parameters_to_metadata,
};
use pgwire::api::cancel::CancelHandler;
use pgwire::api::store::PortalStore;
use pgwire::api::{
    ClientInfo, ClientPortalStore, ConnectionHandle, ConnectionManager, PidSecretKeyGenerator,
    RandomPidSecretKeyGenerator,
};
use pgwire::error::{ErrorInfo, PgWireError, PgWireResult};
use pgwire::messages::cancel::CancelRequest;
use pgwire::messages::response::{NoticeResponse, TransactionStatus};
use pgwire::messages::startup::ParameterStatus;
use pgwire::messages::{PgWireBackendMessage, PgWireFrontendMessage};
use sql::parse::ast::{CopyFormat, Statement};
use sql::{Error, Notice, Outcome, Prepared};

use super::{fatal, wire_error};
use crate::coordinator::Handle;
use crate::runner::Batches;
use crate::session::{REPORTED, Session};

/// See the module.
pub(super) struct Handler {
    pub(super) handle: Handle,
    connections: Arc<ConnectionManager>,
    keys: RandomPidSecretKeyGenerator,
}

/// A statement of the extended protocol.
#[derive(Clone)]
pub(super) struct Extended(pub(super) Arc<Prepared>);

/// What a statement answers, before it is encoded.
pub(super) enum Answer {
    Tag(String),
    /// A tag, after which the transaction has this status.
    Transaction(&'static str, TransactionStatus),
    Rows(SchemaRef, Batches, &'static str),
    Copy(SchemaRef, Batches, CopyFormat),
}

type Shared = parking_lot::Mutex<Session>;

/// The session of a client, once it has introduced itself.
pub(super) fn session<C: ClientInfo>(client: &C) -> Arc<Shared> {
    client.session_extensions().get_or_insert_with::<Shared>(Shared::default)
}

/// The parameters that a client is told at its start.
struct Parameters;

impl ServerParameterProvider for Parameters {
    fn server_parameters<C: ClientInfo>(&self, client: &C) -> Option<HashMap<String, String>> {
        let reported = session(client).lock().reported();
        Some(reported.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
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
        let session = Session::new(client.metadata()).map_err(|error| fatal(&error))?;
        client.session_extensions().insert(Shared::new(session));
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

/// What a request to cancel the client's statement completes.
pub(super) async fn cancel_of<C: ClientInfo + Sync>(client: &C) -> Option<Receiver<()>> {
    let handle = client.session_extensions().get::<Arc<ConnectionHandle>>()?;
    Some(handle.start_query().await)
}

/// Does something for a client until it is done or cancelled.
pub(super) async fn cancellable<T>(
    cancel: Option<Receiver<()>>,
    work: impl Future<Output = PgWireResult<T>>,
) -> PgWireResult<T> {
    let Some(cancel) = cancel else { return work.await };
    match select(std::pin::pin!(work), cancel).await {
        Either::Left((done, _)) => done,
        Either::Right(_) => Err(PgWireError::QueryCanceled),
    }
}

/// What every statement of a failed transaction is told but those that end it.
pub(super) fn aborted() -> Error {
    Error::new("25P02", "current transaction is aborted, commands ignored until end of transaction block")
}

/// Tells a client something beside the answer.
async fn notice<C>(client: &mut C, severity: &str, sqlstate: &str, text: String) -> PgWireResult<()>
where
    C: Sink<PgWireBackendMessage> + Unpin,
    PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
{
    let notice = ErrorInfo::new(severity.into(), sqlstate.into(), text);
    client.feed(PgWireBackendMessage::NoticeResponse(NoticeResponse::from(notice))).await?;
    Ok(())
}

/// Tells a client what belongs to the answer of its statement.
async fn tell<C>(client: &mut C, session: &Shared, notices: Vec<Notice>) -> PgWireResult<()>
where
    C: Sink<PgWireBackendMessage> + Unpin,
    PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
{
    if notices.is_empty() {
        return Ok(());
    }
    let news = session.lock().news(notices);
    for Notice { severity, sqlstate, message, hint, .. } in news {
        let mut info = ErrorInfo::new(severity.into(), sqlstate.into(), message);
        info.hint = Some(hint).filter(|hint| !hint.is_empty());
        client.feed(PgWireBackendMessage::NoticeResponse(NoticeResponse::from(info))).await?;
    }
    Ok(())
}

/// Whether a statement that is not a query changes anything.
fn changes(statement: &Statement) -> bool {
    !matches!(
        statement,
        Statement::ShowObjects { .. }
            | Statement::ShowColumns { .. }
            | Statement::ShowCreate { .. }
            | Statement::Explain(_)
    )
}

impl Handler {
    pub(super) fn new(handle: Handle, connections: Arc<ConnectionManager>) -> Self {
        Handler { handle, connections, keys: RandomPidSecretKeyGenerator::default() }
    }

    /// Runs a statement for a session.
    pub(super) async fn run<C>(
        &self,
        client: &mut C,
        prepared: &Prepared,
        values: Vec<ScalarValue>,
    ) -> PgWireResult<Answer>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let statement = &prepared.parsed.statement;
        let ends = matches!(statement, Statement::Commit | Statement::Rollback | Statement::RollbackTo { .. });
        if client.transaction_status() == TransactionStatus::Error && !ends {
            return Err(wire_error(&aborted()));
        }
        let session = session(client);
        match statement {
            Statement::Begin { .. }
            | Statement::Commit
            | Statement::Rollback
            | Statement::Savepoint { .. }
            | Statement::Release { .. }
            | Statement::RollbackTo { .. } => self.transaction(client, &session, statement).await,
            Statement::Set { name, value, local } => {
                set(client, &session, name, value.as_deref(), *local).await?;
                Ok(Answer::Tag("SET".into()))
            }
            Statement::Reset { name } if name != "all" => {
                set(client, &session, name, None, false).await?;
                Ok(Answer::Tag("RESET".into()))
            }
            Statement::Reset { .. } | Statement::DiscardAll => {
                let discard = matches!(statement, Statement::DiscardAll);
                if discard {
                    forget(client, &session, None);
                }
                changed(client, &session, Session::reset).await?;
                Ok(Answer::Tag(if discard { "DISCARD ALL" } else { "RESET" }.into()))
            }
            Statement::Deallocate { name } => {
                forget(client, &session, name.as_deref());
                Ok(Answer::Tag(if name.is_some() { "DEALLOCATE" } else { "DEALLOCATE ALL" }.into()))
            }
            Statement::Nothing { tag } => Ok(Answer::Tag((*tag).into())),
            Statement::ShowVariable { name } => {
                let shown =
                    session.lock().show(name, || self.handle.positions()).map_err(|error| wire_error(&error))?;
                Ok(Answer::Rows(shown.schema(), shown.into(), "SHOW"))
            }
            Statement::Query(_) | Statement::CopyOut { .. } => self.read(client, &session, prepared, &values).await,
            _ => self.change(client, &session, prepared, values).await,
        }
    }

    async fn read<C>(
        &self,
        client: &mut C,
        session: &Shared,
        prepared: &Prepared,
        values: &[ScalarValue],
    ) -> PgWireResult<Answer>
    where
        C: Sink<PgWireBackendMessage> + Unpin,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let (wait, holds) = {
            let session = session.lock();
            (session.wait(), session.holds())
        };
        let query = self.handle.query(prepared, values, &wait).await.map_err(|error| wire_error(&error))?;
        if holds && query.reads.iter().any(|name| self.handle.exists(name)) {
            let message = "rows inserted in this transaction can be read after its COMMIT only";
            let error = Error::new("25001", message).hint("COMMIT first, or let statements commit by themselves");
            return Err(wire_error(&error));
        }
        tell(client, session, query.notices.clone()).await?;
        let schema = query.schema.clone();
        let batches = Batches::start(query, wait.limit);
        Ok(match &prepared.parsed.statement {
            Statement::CopyOut { format, .. } => Answer::Copy(schema, batches, format.clone()),
            _ => Answer::Rows(schema, batches, "SELECT"),
        })
    }

    /// Statements of the database: they change it or tell of it.
    async fn change<C>(
        &self,
        client: &mut C,
        session: &Shared,
        prepared: &Prepared,
        values: Vec<ScalarValue>,
    ) -> PgWireResult<Answer>
    where
        C: ClientInfo + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let statement = &prepared.parsed.statement;
        let block = client.transaction_status() == TransactionStatus::Transaction;
        if changes(statement) && session.lock().is_read_only() {
            let message = format!("cannot execute {} in a read-only transaction", prepared.parsed.command());
            return Err(wire_error(&Error::new("25006", message)));
        }
        match statement {
            Statement::Insert(_) if block => {
                let insertion = self.handle.insertion(&prepared.parsed, values).await;
                let insertion = insertion.map_err(|error| wire_error(&error))?;
                let tag = insertion.tag();
                session.lock().hold(insertion);
                return Ok(Answer::Tag(tag));
            }
            Statement::Update(_) | Statement::Delete(_) if block => {
                let name = if matches!(statement, Statement::Update(_)) { "UPDATE" } else { "DELETE" };
                let error = Error::new("25001", format!("{name} cannot run inside a transaction block"))
                    .hint("let it commit by itself: outside BEGIN … COMMIT, with the driver's autocommit");
                return Err(wire_error(&error));
            }
            _ => {}
        }
        let outcome = self.handle.run(&prepared.parsed, values).await.map_err(|error| wire_error(&error))?;
        Ok(match outcome {
            Outcome::Tag(tag) | Outcome::Dropped(tag, _) => {
                if block {
                    let text = format!("{tag} took effect at once; ROLLBACK does not undo it");
                    notice(client, "NOTICE", "00000", text).await?;
                }
                Answer::Tag(tag)
            }
            Outcome::Told(tag, notices) => {
                tell(client, session, notices).await?;
                Answer::Tag(tag)
            }
            Outcome::Rows(query) => {
                let tag = if matches!(statement, Statement::Explain(_)) { "EXPLAIN" } else { "SHOW" };
                let limit = session.lock().statement_timeout();
                Answer::Rows(query.schema.clone(), Batches::start(*query, limit), tag)
            }
        })
    }

    async fn transaction<C>(&self, client: &mut C, session: &Shared, statement: &Statement) -> PgWireResult<Answer>
    where
        C: ClientInfo + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        use TransactionStatus::{Idle, Transaction};
        let failed = client.transaction_status() == TransactionStatus::Error;
        let told = |error: Error| wire_error(&error);
        match statement {
            Statement::Begin { read_only } => {
                if !session.lock().begin(*read_only) {
                    let text = "there is already a transaction in progress".to_owned();
                    notice(client, "WARNING", "25001", text).await?;
                }
                Ok(Answer::Transaction("BEGIN", Transaction))
            }
            Statement::Commit if !failed => {
                let outside = client.transaction_status() == Idle;
                let mut insertions = Vec::new();
                changed(client, session, |session| insertions = session.commit()).await?;
                if outside {
                    let text = "there is no transaction in progress".to_owned();
                    notice(client, "WARNING", "25P01", text).await?;
                } else if !insertions.is_empty() {
                    // The block is over, whatever comes of its rows.
                    client.set_transaction_status(Idle);
                    self.handle.insert_all(insertions).await.map_err(told)?;
                }
                Ok(Answer::Transaction("COMMIT", Idle))
            }
            Statement::Commit | Statement::Rollback => {
                let mut inside = false;
                changed(client, session, |session| inside = session.rollback()).await?;
                if !inside {
                    let text = "there is no transaction in progress".to_owned();
                    notice(client, "WARNING", "25P01", text).await?;
                }
                Ok(Answer::Transaction("ROLLBACK", Idle))
            }
            Statement::Savepoint { name } => {
                session.lock().savepoint(name).map_err(told)?;
                Ok(Answer::Transaction("SAVEPOINT", Transaction))
            }
            Statement::Release { name } => {
                session.lock().release(name).map_err(told)?;
                Ok(Answer::Transaction("RELEASE", Transaction))
            }
            Statement::RollbackTo { name } => {
                let mut done = Ok(());
                changed(client, session, |session| done = session.rollback_to(name)).await?;
                done.map_err(told)?;
                Ok(Answer::Transaction("ROLLBACK", Transaction))
            }
            _ => Err(told(Error::new("XX000", "not a statement of transactions"))),
        }
    }
}

/// Changes a session, and tells the client which of the variables that it is told of are others now.
async fn changed<C>(client: &mut C, session: &Shared, change: impl FnOnce(&mut Session)) -> PgWireResult<()>
where
    C: Sink<PgWireBackendMessage> + Unpin,
    PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
{
    let (before, after) = {
        let mut session = session.lock();
        let before = session.reported();
        change(&mut session);
        (before, session.reported())
    };
    for ((name, value), _) in after.into_iter().zip(before).filter(|(after, before)| after != before) {
        let status = ParameterStatus::new(name.to_owned(), value);
        client.feed(PgWireBackendMessage::ParameterStatus(status)).await?;
    }
    Ok(())
}

async fn set<C>(client: &mut C, session: &Shared, name: &str, value: Option<&str>, local: bool) -> PgWireResult<()>
where
    C: Sink<PgWireBackendMessage> + Unpin,
    PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
{
    let set = |session: &mut Session| match local {
        true => session.set_local(name, value),
        false => session.set(name, value),
    };
    let known = if REPORTED.iter().any(|(reported, _)| *reported == name) {
        let mut known = Ok(true);
        changed(client, session, |session| known = set(session)).await?;
        known
    } else {
        set(&mut session.lock())
    };
    if !known.map_err(|error| wire_error(&error))? {
        let text = format!("variable \"{name}\" is not known; it changes nothing");
        notice(client, "NOTICE", "00000", text).await?;
    }
    Ok(())
}

/// Drops a prepared statement, or all.
fn forget<C>(client: &C, session: &Shared, name: Option<&str>)
where
    C: ClientPortalStore,
    C::PortalStore: PortalStore,
{
    let mut session = session.lock();
    match name {
        Some(name) => {
            client.portal_store().rm_statement(name);
            session.statements.remove(name);
        }
        None => session.statements.drain().for_each(|name| client.portal_store().rm_statement(&name)),
    }
}

//! A client's session: how it begins, what cancels its statements, what it is told beside their answers.

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
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
use pgwire::messages::response::NoticeResponse;
use pgwire::messages::startup::ParameterStatus;
use pgwire::messages::{PgWireBackendMessage, PgWireFrontendMessage};
use tidewater_sql::{Notice, Prepared};

use super::{fatal, wire_error};
use crate::acting::Acting;
use crate::activity::Entry;
use crate::handle::Handle;
use crate::sequences::Sequences;
use crate::session::{REPORTED, Session};

/// See the module.
#[derive(Clone)]
pub(super) struct Handler {
    pub(super) handle: Handle,
    connections: Arc<ConnectionManager>,
    keys: Arc<RandomPidSecretKeyGenerator>,
}

/// A statement of the extended protocol.
#[derive(Clone)]
pub(super) struct Extended(pub(super) Arc<Prepared>);

pub(super) type Shared = parking_lot::Mutex<Session>;

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
        let mut session = Session::new(client.metadata()).map_err(|error| fatal(&error))?;
        let activity = &self.handle.activity;
        let user = session.user();
        let listed = loop {
            let (pid, secret) = self.keys.generate(client);
            let (handle, guard) = self.connections.register(pid, secret.clone());
            // Another session may have the number.
            let Some(listed) = activity.add(pid, &user, client.socket_addr(), handle.clone()) else { continue };
            session.backend_pid = pid;
            client.set_pid_and_secret_key(pid, secret);
            client.session_extensions().insert::<Arc<ConnectionHandle>>(handle);
            client.session_extensions().insert(guard);
            break listed;
        };
        session.temp_schema = activity.temp_schema();
        session.server_started = activity.started;
        client.session_extensions().insert(Shared::new(session));
        let session = self::session(client);
        let acting = Acting::new(Sequences::new(self.handle.clone()), activity.clone(), &session);
        session.lock().acting = Some(Arc::new(acting));
        client.session_extensions().insert::<Arc<Entry>>(listed.entry.clone());
        client.session_extensions().insert(listed);
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

/// Tells a client something beside the answer.
pub(super) async fn notice<C>(client: &mut C, severity: &str, sqlstate: &str, text: String) -> PgWireResult<()>
where
    C: Sink<PgWireBackendMessage> + Unpin,
    PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
{
    let notice = ErrorInfo::new(severity.into(), sqlstate.into(), text);
    client.feed(PgWireBackendMessage::NoticeResponse(NoticeResponse::from(notice))).await?;
    Ok(())
}

/// Tells a client what belongs to the answer of its statement.
pub(super) async fn tell<C>(client: &mut C, session: &Shared, notices: Vec<Notice>) -> PgWireResult<()>
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

impl Handler {
    pub(super) fn new(handle: Handle, connections: Arc<ConnectionManager>) -> Self {
        Handler { handle, connections, keys: Arc::default() }
    }
}

/// Changes a session, and tells the client which of the variables that it is told of are others now.
pub(super) async fn changed<C>(client: &mut C, session: &Shared, change: impl FnOnce(&mut Session)) -> PgWireResult<()>
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

pub(super) async fn set<C>(
    client: &mut C,
    session: &Shared,
    name: &str,
    value: Option<&str>,
    local: bool,
) -> PgWireResult<()>
where
    C: Sink<PgWireBackendMessage> + Unpin,
    PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
{
    let set = |session: &mut Session| match local {
        true => session.set_local(name, value),
        false => session.set(name, value),
    };
    let done = if REPORTED.iter().any(|(reported, _)| *reported == name) {
        let mut done = Ok(());
        changed(client, session, |session| done = set(session)).await?;
        done
    } else {
        set(&mut session.lock())
    };
    done.map_err(|error| wire_error(&error))
}

/// Tells a client which of the variables that it is told of a function has set, and ends the statement.
pub(super) async fn end_statement<C>(client: &mut C, session: &Shared, succeeded: bool) -> PgWireResult<()>
where
    C: Sink<PgWireBackendMessage> + Unpin,
    PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
{
    let untold = {
        let mut session = session.lock();
        session.end_statement(succeeded);
        session.take_untold()
    };
    for (name, value) in untold {
        let status = ParameterStatus::new(name.to_owned(), value);
        client.feed(PgWireBackendMessage::ParameterStatus(status)).await?;
    }
    Ok(())
}

/// Drops a prepared statement, or all.
///
/// # Errors
/// 26000 if there is none of this name.
pub(super) fn forget<C>(client: &C, session: &Shared, name: Option<&str>) -> tidewater_sql::Result<()>
where
    C: ClientPortalStore,
    C::PortalStore: PortalStore,
{
    let mut session = session.lock();
    let Some(name) = name else {
        session.statements.drain().for_each(|name| client.portal_store().rm_statement(&name));
        session.prepared.clear();
        return Ok(());
    };
    client.portal_store().rm_statement(name);
    match session.statements.remove(name) | session.prepared.remove(name).is_some() {
        true => Ok(()),
        false => Err(tidewater_sql::Error::new(b"26000", format!("prepared statement \"{name}\" does not exist"))),
    }
}

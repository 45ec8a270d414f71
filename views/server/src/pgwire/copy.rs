//! COPY FROM STDIN: the client sends lines until it says that they are all, or that it gives up; then they become one change.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use futures::Sink;
use pgwire::api::ClientInfo;
use pgwire::api::copy::CopyHandler;
use pgwire::api::results::Tag;
use pgwire::error::{PgWireError, PgWireResult};
use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::copy::{CopyData, CopyDone, CopyFail};
use tidewater_sql::parse::ast::CopyFormat;
use tidewater_sql::{Changes, Error, Prepared, Result};

use super::answer::complete;
use super::handler::{Handler, Shared, cancel_of, cancellable, session};
use super::statement::{Seen, writable};
use super::wire_error;
use crate::copy_in::{Copying, Ends};
use crate::runner::compute;
use crate::transaction::HeldChange;

impl Handler {
    /// Begins a COPY; gives the number of its columns.
    pub(super) async fn begin_copy(
        &self,
        session: &Shared,
        prepared: &Prepared,
        format: &CopyFormat,
        seen: &Seen,
    ) -> Result<usize> {
        writable(session, prepared)?;
        let (wait, (within, in_transaction)) = {
            let session = session.lock();
            (session.wait(), session.within())
        };
        let change = Box::new(self.handle.change(&within, prepared, &[], seen, &wait).await?);
        let columns = change.target_columns().len();
        let settings = self.handle.read().informed(seen).settings.clone();
        let ends = if in_transaction { Ends::Held } else { Ends::AtOnce };
        let (format, limit) = (format.clone(), self.handle.query_memory);
        session.lock().copying = Some(Copying { change, format, settings, bytes: Vec::new(), limit, surplus: 0, ends });
        Ok(columns)
    }

    /// Does what came, or holds it until COMMIT; gives the tag.
    async fn end_copy(&self, session: &Shared) -> Result<String> {
        let (copying, wait) = {
            let mut session = session.lock();
            (session.copying.take(), session.wait())
        };
        let copying = copying.ok_or_else(|| Error::new(b"08P01", "there is no COPY"))?;
        let allowance = self.handle.allowance(wait.limit);
        let (evaluated, ends) = compute(allowance, move |limits| Ok((copying.evaluate(limits)?, copying.ends))).await?;
        let tag = evaluated.changes.tag().to_owned();
        match ends {
            Ends::AtOnce => {
                self.handle.apply(Changes::net(vec![evaluated.changes])).await?;
                self.end_of_transaction(session, true).await?;
            }
            Ends::Held => {
                let (mut keys, mut held) = {
                    let mut session = session.lock();
                    (session.take_keys(), session.held())
                };
                held.push(evaluated.changes.clone());
                self.handle.check_keys(&mut keys, &held)?;
                session.lock().hold(HeldChange { evaluated, again: None }, keys);
            }
        }
        Ok(tag)
    }
}

#[async_trait]
impl CopyHandler for Handler {
    async fn on_copy_data<C>(&self, client: &mut C, data: CopyData) -> PgWireResult<()>
    where
        C: ClientInfo + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        if let Some(copying) = &mut session(client).lock().copying {
            copying.take(&data.data);
        }
        Ok(())
    }

    async fn on_copy_done<C>(&self, client: &mut C, _done: CopyDone) -> PgWireResult<()>
    where
        C: ClientInfo + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let session: Arc<Shared> = session(client);
        let cancel = cancel_of(client).await;
        let done = async { self.end_copy(&session).await.map_err(|error| wire_error(&error)) };
        let tag = cancellable(cancel, done).await?;
        complete(client, Tag::new(&tag)).await
    }

    async fn on_copy_fail<C>(&self, client: &mut C, fail: CopyFail) -> PgWireError
    where
        C: ClientInfo + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        session(client).lock().copying = None;
        wire_error(&Error::new(b"57014", format!("COPY from stdin failed: {}", fail.message)))
    }
}

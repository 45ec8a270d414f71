//! Statements about what a session names: PREPARE and EXECUTE, cursors; and those that are several changes, or a change of what
//! exists with rows.

use std::sync::Arc;
use std::time::Duration;

use futures::Sink;
use pgwire::api::ClientInfo;
use pgwire::error::{PgWireError, PgWireResult};
use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::response::TransactionStatus;
use tidewater_query::plan::Constant;
use tidewater_sql::parse::ast::{CreateTableAs, Statement, Subscribe};
use tidewater_sql::{Error, Parsed, Prepared, Result, Rows};
use tidewater_types::Column;

use super::answer::Answer;
use super::handler::{Handler, Shared, notice};
use super::statement::Seen;
use super::wire_error;
use crate::cursors::{Changes, Fetched, Shows};
use crate::runner::compute;
use crate::subscribe;
use crate::variables::milliseconds;

/// How long FETCH waits.
fn waits_for(text: &str) -> Result<Duration> {
    let wrong = || {
        Error::new(b"22023", format!("invalid TIMEOUT of FETCH: \"{text}\""))
            .hint("it is a number of ms, s, min or h: '500ms', '2s'")
    };
    milliseconds(text).map(Duration::from_millis).ok_or_else(wrong)
}

impl Handler {
    /// The columns of what a statement names, where it answers rows.
    pub(super) fn named_columns(&self, session: &Shared, statement: &Statement) -> Option<Arc<[Column]>> {
        match statement {
            Statement::Execute { name, .. } => session.lock().prepared.get(name)?.columns.clone(),
            Statement::Fetch { name, moves: false, .. } => session.lock().cursors.columns(name),
            _ => None,
        }
    }

    /// PREPARE.
    pub(super) fn name_statement(&self, session: &Shared, statement: &Statement, seen: &Seen) -> Result<()> {
        let Statement::Prepare { name, types, statement } = statement else { return Ok(()) };
        let taken = |name: &str| Error::new(b"42P05", format!("prepared statement \"{name}\" already exists"));
        let is_taken = || {
            let session = session.lock();
            session.prepared.contains_key(name) || session.statements.contains(name)
        };
        if is_taken() {
            return Err(taken(name));
        }
        let prepared = self.handle.read().prepare_named(statement, types, seen)?;
        session.lock().prepared.insert(name.clone(), Arc::new(prepared));
        Ok(())
    }

    /// What EXECUTE runs, and the values of its parameters.
    pub(super) fn executed(
        &self,
        session: &Shared,
        parsed: &Parsed,
        seen: &Seen,
    ) -> Result<(Arc<Prepared>, Vec<Constant>)> {
        let Statement::Execute { name, values } = &parsed.statement else {
            return Err(Error::new(b"XX000", "not EXECUTE"));
        };
        let prepared = session.lock().prepared.get(name).cloned();
        let unknown = || Error::new(b"26000", format!("prepared statement \"{name}\" does not exist"));
        let prepared = prepared.ok_or_else(unknown)?;
        // They are computed under the lock of the database, where no number may be waited for.
        let seen = &Arc::new(tidewater_functions::Session { actions: None, ..(**seen).clone() });
        let values = self.handle.read().arguments(name, values, &prepared, &parsed.whole, seen)?;
        Ok((prepared, values))
    }

    /// All rows of a query of a session.
    async fn rows_of(&self, session: &Shared, query: &Arc<Parsed>, seen: &Seen) -> Result<Rows> {
        let prepared = self.handle.prepare(query, &[], seen)?;
        if !prepared.parameters.is_empty() {
            return Err(Error::new(b"42P02", "there is no parameter $1"));
        }
        self.settle(session, &prepared).await?;
        let wait = session.lock().wait();
        let query = self.query(session, &prepared, &[], seen).await?;
        compute(self.handle.allowance(wait.limit), move |limits| query.collect(limits)).await
    }

    /// What a subscription gives from now on.
    async fn changes_of(
        &self,
        session: &Shared,
        query: &Arc<Parsed>,
        subscribe: &Subscribe,
        seen: &Seen,
    ) -> Result<Changes> {
        let prepared = self.handle.prepare(query, &[], seen)?;
        let wait = session.lock().wait();
        let followed = self.handle.follow(&prepared, seen, &wait).await?;
        let (own, columns) = (prepared.query_columns(), prepared.columns.clone().unwrap_or_default());
        let packing = Changes::packing(&columns);
        let batches = subscribe::batches(&self.handle, subscribe, &own, columns.len(), followed, packing);
        Ok(Changes::new(columns, batches))
    }

    /// FETCH and MOVE.
    pub(super) async fn fetched(&self, session: &Shared, statement: &Statement) -> Result<Rows> {
        let Statement::Fetch { name, direction, timeout, .. } = statement else {
            return Err(Error::new(b"XX000", "not FETCH"));
        };
        let patience = timeout.as_deref().map(waits_for).transpose()?;
        let fetched = session.lock().cursors.fetch(name, *direction)?;
        match fetched {
            Fetched::Rows(rows) => Ok(rows),
            Fetched::Next(changes, count) => changes.next(count, patience).await,
        }
    }

    /// DECLARE.
    pub(super) async fn declare(&self, session: &Shared, statement: &Statement, seen: &Seen) -> Result<()> {
        let Statement::Declare { name, hold, scroll, query } = statement else { return Ok(()) };
        let savepoints = {
            let session = session.lock();
            session.cursors.free(name)?;
            if !hold && !session.in_transaction() {
                return Err(Error::new(b"25P01", "DECLARE CURSOR can only be used in transaction blocks"));
            }
            session.savepoints()
        };
        let shows = match &query.statement {
            Statement::Subscribe { subscribe, .. } => {
                Shows::Changes(Arc::new(self.changes_of(session, query, subscribe, seen).await?))
            }
            _ => Shows::Rows(Arc::new(self.rows_of(session, query, seen).await?)),
        };
        let mut session = session.lock();
        session.cursors.declare(name, shows, *hold, *scroll, savepoints);
        if !session.in_transaction() {
            session.cursors.commit();
        }
        Ok(())
    }

    /// TRUNCATE: all its tables in one change.
    pub(super) async fn truncate(
        &self,
        session: &Shared,
        tables: &[Arc<Parsed>],
        restart: bool,
        seen: &Seen,
    ) -> Result<()> {
        let tables = tables.iter().map(|table| self.handle.prepare(table, &[], seen));
        let prepared = tables.collect::<Result<Vec<_>>>()?;
        if session.lock().in_transaction() {
            let has_sequences = |table: &Prepared| !self.handle.read().sequences_of(table).is_empty();
            if restart && prepared.iter().any(has_sequences) {
                let message = "TRUNCATE … RESTART IDENTITY of a table with sequences in a transaction is not supported";
                return Err(Error::new(b"0A000", message).hint("let it commit by itself"));
            }
            for table in &prepared {
                self.change(session, table, &[], seen).await?;
            }
            return Ok(());
        }
        let wait = session.lock().wait();
        self.handle.truncate(&prepared, restart, seen, &wait).await
    }

    /// CREATE TABLE AS: the table appears with its rows.
    pub(super) async fn create_table_as<C>(
        &self,
        client: &mut C,
        session: &Shared,
        create: &CreateTableAs,
        parsed: &Arc<Parsed>,
        seen: &Seen,
    ) -> PgWireResult<Answer>
    where
        C: ClientInfo + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let told = |error: Error| wire_error(&error);
        let in_block = client.transaction_status() == TransactionStatus::Transaction;
        if in_block && !session.lock().held().is_empty() {
            // It would take effect at once, with rows that may still be rolled back.
            let message = "CREATE TABLE AS cannot run in a transaction block that has changed tables";
            return Err(told(Error::new(b"25001", message).hint("COMMIT first")));
        }
        self.take_effect(session).await.map_err(told)?;
        let rows = self.rows_of(session, &create.query, seen).await.map_err(told)?;
        let tag = self.handle.create_table_as(parsed, rows, seen).await.map_err(told)?;
        self.made(session, &parsed.statement, seen);
        self.temp_may_be(session);
        if !session.lock().in_transaction() {
            self.end_of_transaction(session, true).await.map_err(told)?;
        }
        if in_block {
            let text = "CREATE TABLE AS took effect at once; ROLLBACK does not undo it".to_owned();
            notice(client, "NOTICE", "00000", text).await?;
        } else {
            session.lock().took_effect("CREATE TABLE AS");
        }
        Ok(Answer::Tag(tag))
    }
}

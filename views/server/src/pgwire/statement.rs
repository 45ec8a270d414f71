//! What the server does for a statement of a client: it reads, it changes, it begins and ends transactions.

use std::borrow::Cow;
use std::fmt::Debug;
use std::sync::Arc;

use futures::Sink;
use pgwire::api::portal::Format;
use pgwire::api::store::PortalStore;
use pgwire::api::{ClientInfo, ClientPortalStore};
use pgwire::error::{PgWireError, PgWireResult};
use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::response::TransactionStatus;
use tidewater_query::plan::Constant;
use tidewater_sql::parse::ast::{CopyFormat, Statement, Subscribe};
use tidewater_sql::{Error, Outcome, Parsed, Prepared, Query, Rows};
use tidewater_types::{Column, ColumnType};

use super::answer::{Answer, binary};
use super::handler::{Handler, Shared, changed, forget, notice, session, set, tell};
use super::wire_error;
use crate::activity::Entry;
use crate::copy_lines::lines;
use crate::encode::{Encoder, fields};
use crate::runner::Batches;
use crate::session::Session;
use crate::subscribe;
use crate::transaction::{Again, Ended, HeldChange, RestsOn};

/// What the expressions of a statement see of its session.
pub(super) type Seen = Arc<tidewater_functions::Session>;

/// What every statement of a failed transaction is told but those that end it.
fn aborted() -> Error {
    Error::new(b"25P02", "current transaction is aborted, commands ignored until end of transaction block")
}

fn ends_transaction(statement: &Statement) -> bool {
    matches!(statement, Statement::Commit | Statement::Rollback | Statement::RollbackTo { .. })
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
            | S::Deallocate { .. }
            | S::Fetch { .. }
            | S::Close { .. }
            | S::Nothing { .. }
    );
    !session
}

impl Handler {
    /// Understands a statement, unless the transaction has failed: then only its end is of interest.
    pub(super) async fn understood<C: ClientInfo + Sync>(
        &self,
        client: &C,
        parsed: Parsed,
        types: &[ColumnType],
        seen: &Seen,
    ) -> PgWireResult<Prepared> {
        if client.transaction_status() == TransactionStatus::Error && !ends_transaction(&parsed.statement) {
            return Err(wire_error(&aborted()));
        }
        if needs_catalog(&parsed.statement) {
            let patience = session(client).lock().statement_timeout();
            self.handle.restored(patience).await.map_err(|error| wire_error(&error))?;
        }
        let mut prepared = self.handle.prepare(&Arc::new(parsed), types, seen).map_err(|error| wire_error(&error))?;
        if let Some(columns) = self.named_columns(&session(client), &prepared.parsed.statement) {
            prepared.columns = Some(columns);
        }
        Ok(prepared)
    }

    /// Runs a statement for a session; its rows are in the format that the client wants.
    pub(super) async fn run<C>(
        &self,
        client: &mut C,
        prepared: &Prepared,
        values: Vec<Constant>,
        seen: &Seen,
        format: &Format,
    ) -> PgWireResult<Answer>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let statement = &prepared.parsed.statement;
        if client.transaction_status() == TransactionStatus::Error && !ends_transaction(statement) {
            return Err(wire_error(&aborted()));
        }
        let session = session(client);
        let told = |error: Error| wire_error(&error);
        if let Some(entry) = client.session_extensions().get::<Arc<Entry>>() {
            let session = session.lock();
            let application_name = session.get("application_name").unwrap_or_default();
            entry.begins(&prepared.parsed.whole, application_name, session.began());
        }
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
                    if session.lock().in_transaction() {
                        let message = "DISCARD ALL cannot run inside a transaction block";
                        return Err(told(Error::new(b"25001", message)));
                    }
                    self.drop_temp(&session).await;
                    forget(client, &session, None).map_err(told)?;
                    session.lock().cursors.close(None).map_err(told)?;
                }
                changed(client, &session, Session::reset).await?;
                Ok(Answer::Tag(if discard { "DISCARD ALL" } else { "RESET" }.into()))
            }
            Statement::Deallocate { name } => {
                forget(client, &session, name.as_deref()).map_err(told)?;
                Ok(Answer::Tag(if name.is_some() { "DEALLOCATE" } else { "DEALLOCATE ALL" }.into()))
            }
            Statement::Nothing { tag } => Ok(Answer::Tag((*tag).into())),
            Statement::ShowVariable { name } => {
                let shown = {
                    let session = session.lock();
                    let moment = session.within().0.moment;
                    session.show(name, || moment.map_or_else(|| self.handle.positions(), |moment| moment.positions()))
                };
                shown.and_then(|rows| known(&rows, "SHOW".into(), seen, format)).map_err(|error| wire_error(&error))
            }
            Statement::CopyIn { format: lines, .. } => {
                let columns = self.begin_copy(&session, prepared, lines, seen).await.map_err(told)?;
                Ok(Answer::CopyIn(columns))
            }
            Statement::CheckView { .. } => self.read(client, &session, prepared, &values, seen, format).await,
            Statement::CheckSource(check) => {
                let wait = session.lock().wait();
                let rows = self.handle.check_source(check, seen, &wait).await.map_err(told)?;
                known(&rows, "CHECK".into(), seen, format).map_err(told)
            }
            Statement::Query(_) | Statement::CopyOut { .. } | Statement::Change(_) => {
                self.rows_or_tag(client, &session, prepared, &values, seen, format).await
            }
            Statement::Execute { .. } => {
                let (prepared, values) = self.executed(&session, &prepared.parsed, seen).map_err(told)?;
                self.rows_or_tag(client, &session, &prepared, &values, seen, format).await
            }
            Statement::Prepare { .. } => {
                self.name_statement(&session, statement, seen).map_err(told)?;
                Ok(Answer::Tag("PREPARE".into()))
            }
            Statement::Declare { .. } => {
                self.declare(&session, statement, seen).await.map_err(told)?;
                Ok(Answer::Tag("DECLARE CURSOR".into()))
            }
            Statement::Fetch { moves, .. } => {
                let rows = self.fetched(&session, statement).await.map_err(told)?;
                let tag = format!("{} {}", if *moves { "MOVE" } else { "FETCH" }, rows.rows.len());
                if *moves {
                    return Ok(Answer::Tag(tag));
                }
                let seen = self.handle.naming(rows.columns.iter().map(|column| &column.ty), seen);
                known(&rows, tag.into(), &seen, format).map_err(told)
            }
            Statement::Close { name } => {
                session.lock().cursors.close(name.as_deref()).map_err(told)?;
                Ok(Answer::Tag(if name.is_some() { "CLOSE CURSOR" } else { "CLOSE CURSOR ALL" }.into()))
            }
            Statement::Truncate { tables, restart } => {
                writable(&session, prepared).map_err(told)?;
                self.truncate(&session, tables, *restart, seen).await.map_err(told)?;
                Ok(Answer::Tag("TRUNCATE TABLE".into()))
            }
            Statement::CreateTableAs(create) => {
                writable(&session, prepared).map_err(told)?;
                self.create_table_as(client, &session, create, &prepared.parsed, seen).await
            }
            Statement::Subscribe { subscribe, copy } => {
                self.subscribe(client, &session, prepared, subscribe, copy.as_ref(), seen, format).await
            }
            Statement::DiscardTemp => {
                self.drop_temp(&session).await;
                Ok(Answer::Tag("DISCARD TEMP".into()))
            }
            _ => self.define(client, &session, prepared, values, seen, format).await,
        }
    }

    /// Rows, or the tag of a change.
    async fn rows_or_tag<C>(
        &self,
        client: &mut C,
        session: &Shared,
        prepared: &Prepared,
        values: &[Constant],
        seen: &Seen,
        format: &Format,
    ) -> PgWireResult<Answer>
    where
        C: Sink<PgWireBackendMessage> + Unpin,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        if !matches!(prepared.parsed.statement, Statement::Change(_)) {
            return self.read(client, session, prepared, values, seen, format).await;
        }
        let done = self.change(session, prepared, values, seen).await;
        if done.is_ok() && !session.lock().in_transaction() {
            self.end_of_transaction(session, true).await.map_err(|error| wire_error(&error))?;
        }
        let answer = done.and_then(|(tag, rows)| match rows {
            Some(rows) => {
                let seen = self.handle.naming(rows.columns.iter().map(|column| &column.ty), seen);
                known(&rows, tag.into(), &seen, format)
            }
            None => Ok(Answer::Tag(tag)),
        });
        answer.map_err(|error| wire_error(&error))
    }

    async fn read<C>(
        &self,
        client: &mut C,
        session: &Shared,
        prepared: &Prepared,
        values: &[Constant],
        seen: &Seen,
        format: &Format,
    ) -> PgWireResult<Answer>
    where
        C: Sink<PgWireBackendMessage> + Unpin,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let told = |error: Error| wire_error(&error);
        self.settle(session, prepared).await.map_err(told)?;
        let wait = session.lock().wait();
        let mut query = self.query(session, prepared, values, seen).await.map_err(told)?;
        tell(client, session, std::mem::take(&mut query.notices)).await?;
        let (columns, allowance) = (query.columns.clone(), self.handle.allowance(wait.limit));
        let seen = self.handle.naming(columns.iter().map(|column| &column.ty), seen);
        let (copy, tag) = match &prepared.parsed.statement {
            Statement::CopyOut { format, .. } => (Some(format), "COPY"),
            Statement::CheckView { .. } => (None, "CHECK"),
            _ => (None, "SELECT"),
        };
        shown(columns, copy, format, tag, &seen, |encoder| Batches::start(query, encoder, allowance)).map_err(told)
    }

    #[allow(clippy::too_many_arguments, reason = "what a statement needs, and two words of its own")]
    async fn subscribe<C>(
        &self,
        client: &mut C,
        session: &Shared,
        prepared: &Prepared,
        subscribe: &Subscribe,
        copy: Option<&CopyFormat>,
        seen: &Seen,
        format: &Format,
    ) -> PgWireResult<Answer>
    where
        C: Sink<PgWireBackendMessage> + Unpin,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let told = |error: Error| wire_error(&error);
        let wait = session.lock().wait();
        let followed = self.handle.follow(prepared, seen, &wait).await.map_err(told)?;
        let notices = self.handle.notices(prepared);
        tell(client, session, notices).await?;
        let (own, columns) = (prepared.query_columns(), prepared.columns.clone().unwrap_or_default());
        let seen = self.handle.naming(columns.iter().map(|column| &column.ty), seen);
        let count = columns.len();
        let start = |encoder| Ok(subscribe::batches(&self.handle, subscribe, &own, count, followed, encoder));
        shown(columns, copy, format, "SUBSCRIBE", &seen, start).map_err(told)
    }

    /// INSERT, UPDATE and DELETE: done at once, or at the end of the transaction. Gives the tag and what RETURNING shows.
    pub(super) async fn change(
        &self,
        session: &Shared,
        prepared: &Prepared,
        values: &[Constant],
        seen: &Seen,
    ) -> Result<(String, Option<Rows>), Error> {
        writable(session, prepared)?;
        self.settle(session, prepared).await?;
        let (wait, (mut within, in_transaction)) = {
            let session = session.lock();
            (session.wait(), session.within())
        };
        if !in_transaction {
            return self.handle.evaluate_and_apply(prepared, values, seen, &wait).await;
        }
        let moment = match &within.moment {
            Some(moment) => moment.clone(),
            None => {
                self.handle.rows_of(prepared, &wait).await?;
                Arc::new(self.handle.read().transaction_moment())
            }
        };
        within.moment = Some(moment.clone());
        let (evaluated, [tables, read]) = self.handle.evaluate(&within, prepared, values, seen, &wait).await?;
        let mut keys = session.lock().take_keys();
        let mut held = within.held;
        held.push(evaluated.changes.clone());
        self.handle.check_keys(&mut keys, &held)?;
        let (tag, rows) = (evaluated.changes.tag().to_owned(), evaluated.rows.clone());
        let again = (!tables.is_empty()).then(|| {
            let read = RestsOn { moment: moment.clone(), relations: tables };
            Arc::new(Again { prepared: prepared.clone(), values: values.to_vec(), seen: seen.clone(), read })
        });
        let mut session = session.lock();
        session.has_read(Some(moment), || read);
        session.hold(HeldChange { evaluated, again }, keys);
        Ok((tag, rows))
    }

    /// A query over what the session's transaction sees; the first that reads fixes that.
    pub(super) async fn query(
        &self,
        session: &Shared,
        prepared: &Prepared,
        values: &[Constant],
        seen: &Seen,
    ) -> Result<Query, Error> {
        let (wait, (within, in_transaction)) = {
            let session = session.lock();
            (session.wait(), session.within())
        };
        let (query, moment) = self.handle.query(&within, in_transaction, prepared, values, seen, &wait).await?;
        if in_transaction {
            session.lock().has_read(moment, || self.handle.read().numbers_of(&query.reads));
        }
        Ok(query)
    }

    /// Before a statement that reads a materialized view of what its transaction changed, or drops a table of it: a block refuses
    /// the first; what the statements before it in its text changed takes effect now.
    pub(super) async fn settle(&self, session: &Shared, prepared: &Prepared) -> Result<(), Error> {
        let (held, implicit) = {
            let session = session.lock();
            (session.held(), session.is_implicit())
        };
        let altering =
            |statement: &Statement| matches!(statement, Statement::AlterTable(_) | Statement::CreateUniqueIndex { .. });
        let alters = altering(&prepared.parsed.statement);
        if alters && !implicit && !held.is_empty() {
            let message = "ALTER TABLE cannot run in a transaction block that has changed tables";
            return Err(Error::new(b"25001", message).hint("COMMIT first"));
        }
        let drops = implicit && (alters || matches!(prepared.parsed.statement, Statement::Drop { .. }));
        if held.is_empty() || !(drops || self.handle.keep_rows_of(&self.handle.reads(prepared), &held)) {
            return Ok(());
        }
        if !implicit {
            let message = "a materialized view of what this transaction changed can be read after its COMMIT only";
            return Err(Error::new(b"25001", message).hint("COMMIT first, or let statements commit by themselves"));
        }
        self.take_effect(session).await
    }

    /// What the statements before this one in its text changed takes effect now.
    pub(super) async fn take_effect(&self, session: &Shared) -> Result<(), Error> {
        let (ended, wait) = {
            let mut session = session.lock();
            (session.take_held(), session.wait())
        };
        let tags: Vec<_> = ended.changes.iter().map(|held| held.evaluated.changes.tag().to_owned()).collect();
        self.handle.commit(ended, &wait).await?;
        let mut session = session.lock();
        tags.iter().for_each(|tag| session.took_effect(tag));
        Ok(())
    }

    /// Statements of the catalog: they change it or tell of it.
    async fn define<C>(
        &self,
        client: &mut C,
        session: &Shared,
        prepared: &Prepared,
        values: Vec<Constant>,
        seen: &Seen,
        format: &Format,
    ) -> PgWireResult<Answer>
    where
        C: ClientInfo + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let statement = &prepared.parsed.statement;
        let told = |error: Error| wire_error(&error);
        if changes(statement) {
            writable(session, prepared).map_err(told)?;
            self.settle(session, prepared).await.map_err(told)?;
        }
        let outcome = self.handle.run(&prepared.parsed, values, seen).await.map_err(told)?;
        if changes(statement) {
            self.made(session, statement, seen);
            self.temp_may_be(session);
        }
        if changes(statement) && !session.lock().in_transaction() {
            self.end_of_transaction(session, true).await.map_err(told)?;
        }
        Ok(match outcome {
            Outcome::Tag(tag) | Outcome::Dropped(tag, _) => {
                if client.transaction_status() == TransactionStatus::Transaction {
                    let text = format!("{tag} took effect at once; ROLLBACK does not undo it");
                    notice(client, "NOTICE", "00000", text).await?;
                } else {
                    session.lock().took_effect(&tag);
                }
                Answer::Tag(tag)
            }
            Outcome::Told(tag, notices) => {
                tell(client, session, notices).await?;
                session.lock().took_effect(&tag);
                Answer::Tag(tag)
            }
            Outcome::Rows(query) => {
                let tag = if matches!(statement, Statement::Explain(_)) { "EXPLAIN" } else { "SHOW" };
                let allowance = self.handle.allowance(session.lock().statement_timeout());
                let (columns, binary) = (query.columns.clone(), binary(query.columns.len(), format));
                let encoder = fields(&columns, binary.clone(), seen.clone());
                let batches = Batches::start(*query, encoder, allowance).map_err(told)?;
                Answer::Rows { columns, binary, batches, tag: tag.into() }
            }
        })
    }

    /// A statement has changed the catalog: what it made is seen from here on.
    pub(super) fn made(&self, session: &Shared, statement: &Statement, seen: &Seen) {
        let mut session = session.lock();
        if session.is_implicit() {
            session.forget_moment();
        } else if let Some(moment) = session.moment_mut() {
            self.handle.read().add_to_moment(moment, statement, seen);
        }
    }

    async fn transaction<C>(&self, client: &mut C, session: &Shared, statement: &Statement) -> PgWireResult<Answer>
    where
        C: ClientInfo + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        use TransactionStatus::{Idle, Transaction};
        let failed = client.transaction_status() == TransactionStatus::Error;
        let outside = client.transaction_status() == Idle;
        let told = |error: Error| wire_error(&error);
        match statement {
            Statement::Begin { read_only, isolation } => {
                if !session.lock().begin(*read_only, isolation.as_deref()) {
                    let text = "there is already a transaction in progress".to_owned();
                    notice(client, "WARNING", "25001", text).await?;
                }
                Ok(Answer::Transaction("BEGIN", Transaction))
            }
            Statement::Commit if !failed => {
                if outside {
                    no_transaction(client).await?;
                }
                // The transaction is over, whatever comes of what it changes.
                client.set_transaction_status(Idle);
                self.commit(client, session).await?;
                Ok(Answer::Transaction("COMMIT", Idle))
            }
            Statement::Commit | Statement::Rollback => {
                if outside {
                    no_transaction(client).await?;
                }
                self.roll_back(client, session, outside).await?;
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
            _ => Err(told(Error::new(b"XX000", "not a statement of transactions"))),
        }
    }

    /// Ends the transaction, if there is one, and does what it holds back.
    pub(super) async fn commit<C>(&self, client: &mut C, session: &Shared) -> PgWireResult<()>
    where
        C: Sink<PgWireBackendMessage> + Unpin,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let (mut ended, wait) = (Ended::default(), session.lock().wait());
        changed(client, session, |session| ended = session.commit()).await?;
        let done = self.handle.commit(ended, &wait).await;
        let ended = self.end_of_transaction(session, done.is_ok()).await;
        done.and(ended).map_err(|error| wire_error(&error))
    }

    /// Ends the transaction, if there is one, and forgets what it holds back. Of a text's (`implicit`) the client is told what took
    /// effect all the same.
    pub(super) async fn roll_back<C>(&self, client: &mut C, session: &Shared, implicit: bool) -> PgWireResult<()>
    where
        C: Sink<PgWireBackendMessage> + Unpin,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let mut done = Vec::new();
        changed(client, session, |session| done = session.rollback().unwrap_or_default()).await?;
        self.end_of_transaction(session, false).await.map_err(|error| wire_error(&error))?;
        if implicit && !done.is_empty() {
            let text = format!("what came before took effect and is not undone: {}", done.join(", "));
            notice(client, "WARNING", "01000", text).await?;
        }
        Ok(())
    }
}

/// Warns of a COMMIT or ROLLBACK outside a block.
async fn no_transaction<C>(client: &mut C) -> PgWireResult<()>
where
    C: Sink<PgWireBackendMessage> + Unpin,
    PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
{
    notice(client, "WARNING", "25P01", "there is no transaction in progress".to_owned()).await
}

pub(super) fn writable(session: &Shared, prepared: &Prepared) -> Result<(), Error> {
    if !session.lock().is_read_only() {
        return Ok(());
    }
    let message = format!("cannot execute {} in a read-only transaction", prepared.parsed.command());
    Err(Error::new(b"25006", message))
}

/// Rows as they are computed: as messages of their own, or as lines of COPY.
fn shown(
    columns: Arc<[Column]>,
    copy: Option<&CopyFormat>,
    format: &Format,
    tag: &'static str,
    seen: &Seen,
    start: impl FnOnce(Encoder) -> Result<Batches, Error>,
) -> Result<Answer, Error> {
    if let Some(format) = copy {
        let batches = start(lines(&columns, format.clone(), seen.clone()))?;
        return Ok(Answer::Copy { columns, batches, format: format.clone() });
    }
    let binary = binary(columns.len(), format);
    let batches = start(fields(&columns, binary.clone(), seen.clone()))?;
    Ok(Answer::Rows { columns, binary, batches, tag: tag.into() })
}

/// Rows that are known.
fn known(rows: &Rows, tag: Cow<'static, str>, seen: &Seen, format: &Format) -> Result<Answer, Error> {
    let (columns, binary) = (rows.columns.clone(), binary(rows.columns.len(), format));
    let batches = Batches::of(rows, fields(&columns, binary.clone(), seen.clone()))?;
    Ok(Answer::Rows { columns, binary, batches, tag })
}

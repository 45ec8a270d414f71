//! What a query waits for: the initial rows of what it reads, and the position that its session asked for.
//!
//! While it waits, a tick costs it a look at its timelines; the query itself is made, with its snapshots, once nothing lacks.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, SecondsFormat, Utc};
use tidewater_functions::Session;
use tidewater_query::plan::Constant;
use tidewater_sql::{
    After, Behind, Change, Database, Error, Positions, Prepared, Query, Result, TransactionMoment, Within,
};

use crate::handle::Handle;
use crate::source_events;

/// How long a query may wait, and for what.
#[derive(Debug, Clone)]
pub struct Wait {
    /// `statement_timeout`.
    pub limit: Duration,
    /// `tidewater.after`.
    pub after: Option<After>,
}

/// Why a query cannot be answered yet.
enum Lack {
    /// Initial rows of sources and views.
    Rows,
    Position(Behind),
}

/// What is made of a moment's rows.
trait OfMoment {
    /// Relations that it reads, those inside views included.
    fn reads(&self) -> &[String];
}

impl OfMoment for Query {
    fn reads(&self) -> &[String] {
        &self.reads
    }
}

impl OfMoment for Change {
    fn reads(&self) -> &[String] {
        &self.reads
    }
}

/// What is only waited for.
struct Reads(Vec<String>);

impl OfMoment for Reads {
    fn reads(&self) -> &[String] {
        &self.0
    }
}

impl Handle {
    /// Waits for the initial rows of what a statement reads, and for the position asked for.
    ///
    /// # Errors
    /// As [`Handle::query`].
    pub(crate) async fn rows_of(&self, prepared: &Prepared, wait: &Wait) -> Result<()> {
        let make = |database: &Database| Ok(Reads(database.reads(prepared)));
        self.made(prepared, wait, None, make, |_, _| ()).await.map(|_| ())
    }

    /// A query over what its transaction sees. It waits for sources and views that have not all of their initial rows, and for the
    /// position asked for. Gives the moment that it fixes if it is the first of a transaction to read.
    ///
    /// # Errors
    /// See [`Database::query`] and [`Database::behind`]; 57014 after the limit.
    pub(crate) async fn query(
        &self,
        within: &Within,
        is_transaction: bool,
        prepared: &Prepared,
        parameters: &[Constant],
        session: &Arc<Session>,
        wait: &Wait,
    ) -> Result<(Query, Option<Arc<TransactionMoment>>)> {
        self.count_query();
        let make = |database: &Database| database.query_within(within, prepared, parameters, session);
        let moment = |database: &Database, query: &Query| {
            let fixes = is_transaction && within.moment.is_none() && !query.reads.is_empty();
            fixes.then(|| Arc::new(database.transaction_moment()))
        };
        let (query, moment) = self.made(prepared, wait, within.moment.as_deref(), make, moment).await?;
        Ok((query.through(self.reach()), moment))
    }

    /// As [`Handle::query`], with the positions of the moment that the answer shows.
    ///
    /// # Errors
    /// As [`Handle::query`].
    pub(crate) async fn query_at(
        &self,
        prepared: &Prepared,
        parameters: &[Constant],
        session: &Arc<Session>,
        wait: &Wait,
    ) -> Result<(Query, Positions)> {
        self.count_query();
        let make = |database: &Database| database.query(prepared, parameters, session);
        let positions =
            |database: &Database, query: &Query| database.positions_of(query.reads.iter().map(String::as_str));
        let (query, positions) = self.made(prepared, wait, None, make, positions).await?;
        Ok((query.through(self.reach()), positions))
    }

    /// An INSERT, UPDATE or DELETE over what its transaction sees; it waits as a query does. Gives the moment of what it read.
    ///
    /// # Errors
    /// See [`Database::change`] and [`Database::behind`]; 57014 after the limit.
    pub(crate) async fn change(
        &self,
        within: &Within,
        prepared: &Prepared,
        parameters: &[Constant],
        session: &Arc<Session>,
        wait: &Wait,
    ) -> Result<Change> {
        let make = |database: &Database| database.change_within(within, prepared, parameters, session);
        let (change, ()) = self.made(prepared, wait, within.moment.as_deref(), make, |_, _| ()).await?;
        Ok(change.through(self.reach()))
    }

    /// Makes something once nothing lacks; `also` is asked under the lock under which its snapshots are taken.
    async fn made<M: OfMoment, T>(
        &self,
        prepared: &Prepared,
        wait: &Wait,
        moment: Option<&TransactionMoment>,
        make: impl Fn(&Database) -> Result<M>,
        also: impl Fn(&Database, &M) -> T,
    ) -> Result<(M, T)> {
        let deadline = Instant::now() + wait.limit;
        let (mut hydrated, mut ticks) = (self.hydrated.clone(), self.ticks.clone());
        let mut known: Option<Vec<String>> = None;
        loop {
            hydrated.borrow_and_update();
            ticks.borrow_and_update();
            let lack = {
                let database = self.read();
                let reads = known.take().unwrap_or_else(|| database.reads(prepared));
                // What can never be read is not waited for.
                database.readable(reads.iter().map(String::as_str))?;
                match lack(&database, &reads, wait, moment)? {
                    Some(lack) => {
                        known = Some(reads);
                        lack
                    }
                    None => {
                        let made = make(&database)?;
                        // It may have been understood anew, and read something else.
                        let Some(lack) = lack_of(&database, &made, &reads, wait, moment)? else {
                            let also = also(&database, &made);
                            return Ok((made, also));
                        };
                        known = Some(made.reads().to_vec());
                        lack
                    }
                }
            };
            let left = deadline.saturating_duration_since(Instant::now());
            let woken = tokio::time::timeout(left, async {
                tokio::select! {
                    changed = hydrated.changed() => changed,
                    changed = ticks.changed(), if matches!(lack, Lack::Position(_)) => changed,
                }
            });
            if !matches!(woken.await, Ok(Ok(()))) {
                let late = timed_out(&lack, Utc::now());
                return Err(late.unwrap_or_else(|| source_events::still_hydrating(&self.read(), prepared)));
            }
        }
    }
}

fn lack_of(
    database: &Database,
    made: &impl OfMoment,
    looked_at: &[String],
    wait: &Wait,
    moment: Option<&TransactionMoment>,
) -> Result<Option<Lack>> {
    if made.reads() == looked_at { Ok(None) } else { lack(database, made.reads(), wait, moment) }
}

fn lack(
    database: &Database,
    reads: &[String],
    wait: &Wait,
    moment: Option<&TransactionMoment>,
) -> Result<Option<Lack>> {
    let names = || reads.iter().map(String::as_str);
    if let Some(moment) = moment {
        // Nothing comes to a moment that is fixed.
        let behind = match &wait.after {
            Some(after) => database.behind_at(moment, names(), after)?,
            None => None,
        };
        return behind.map_or(Ok(None), |behind| Err(not_included(&behind)));
    }
    if !database.hydrating(names()).is_empty() {
        return Ok(Some(Lack::Rows));
    }
    match &wait.after {
        None => Ok(None),
        Some(after) => Ok(database.behind(names(), after)?.map(Lack::Position)),
    }
}

/// What a transaction is told whose moment lacks a position.
fn not_included(behind: &Behind) -> Error {
    let Behind { asked, timeline, .. } = behind;
    let message = format!("the moment that this transaction sees does not include {asked} of timeline \"{timeline}\"");
    Error::new(b"55000", message).hint("COMMIT or ROLLBACK, and begin again: the first read waits for the position")
}

/// What a wait for a position ends with.
fn timed_out(lack: &Lack, now: DateTime<Utc>) -> Option<Error> {
    match lack {
        Lack::Rows => None,
        Lack::Position(behind) => {
            let Behind { asked, timeline, reached, .. } = behind;
            let reached = match (reached.as_str(), behind.known) {
                ("", _) => "has no commit yet".to_owned(),
                (reached, true) => format!("has reached {reached}"),
                (reached, false) => format!("has reached {reached} and no transaction of that server"),
            };
            let message = format!(
                "statement timeout: asked for {asked}, but timeline \"{timeline}\" {reached}{}",
                age(behind, now)
            );
            let error = Error::new(b"57014", message);
            Some(
                error.hint(
                    "SELECT * FROM tidewater.timelines shows how far all are; SET statement_timeout waits longer",
                ),
            )
        }
    }
}

/// When the newest commit was made and how late it came.
fn age(behind: &Behind, now: DateTime<Utc>) -> String {
    let Some(committed) = DateTime::from_timestamp_millis(behind.committed_ms).filter(|_| behind.committed_ms > 0)
    else {
        return String::new();
    };
    let at = committed.to_rfc3339_opts(SecondsFormat::Millis, true);
    let lag = (behind.applied_ms - behind.committed_ms).max(0);
    let idle = (now.timestamp_millis() - behind.applied_ms).max(0);
    format!(", committed at {at}: its lag was {lag} ms, and nothing came for {idle} ms since")
}

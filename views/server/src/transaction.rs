//! COMMIT: what a transaction changed is put into the tables as one change, if what it rests on is still so.
//!
//! A changing statement read tables at the transaction's moment: by its WHERE, its joins and subqueries, its ON CONFLICT. Where one of them
//! has changed since, the statements are evaluated again over a new moment. If each comes to the same, the transaction might as well have
//! run now, and is tried again; if not, it is refused. So neither an update is lost nor do two transactions undo what the other one rests on.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use tidewater_functions::Session;
use tidewater_query::plan::Constant;
use tidewater_sql::{Changes, Error, Evaluated, Prepared, Result, TransactionMoment, Within};

use crate::handle::Handle;
use crate::waits::Wait;

/// How often a COMMIT is tried while others change what it rests on.
const TRIES: usize = 50;

/// What a transaction's end does.
#[derive(Debug, Default)]
pub struct Ended {
    pub(crate) changes: Vec<HeldChange>,
    /// What must be as it was at the transaction's moment.
    pub(crate) rests_on: Vec<RestsOn>,
}

/// Relations, by number, that must be as they were at a moment.
#[derive(Debug, Clone)]
pub(crate) struct RestsOn {
    pub(crate) moment: Arc<TransactionMoment>,
    pub(crate) relations: BTreeSet<u32>,
}

/// A change that waits for COMMIT.
#[derive(Debug, Clone)]
pub(crate) struct HeldChange {
    pub(crate) evaluated: Evaluated,
    /// Of one that read tables: what evaluates it again.
    pub(crate) again: Option<Arc<Again>>,
}

#[derive(Debug)]
pub(crate) struct Again {
    pub(crate) prepared: Prepared,
    pub(crate) values: Vec<Constant>,
    pub(crate) seen: Arc<Session>,
    pub(crate) read: RestsOn,
}

/// What others' changes have taken the ground from.
pub(crate) fn outdated() -> Error {
    Error::new(b"40001", "could not serialize access due to read/write dependencies among transactions")
        .detail("What a statement of the transaction read has been changed by others since the transaction's moment.")
        .hint("The transaction might succeed if retried.")
}

impl Handle {
    /// Does what a transaction changed.
    ///
    /// # Errors
    /// 40001 where others have changed what it rests on, and as [`Handle::apply`]; nothing of it is done then.
    pub(crate) async fn commit(&self, ended: Ended, wait: &Wait) -> Result<()> {
        let Ended { changes, rests_on } = ended;
        let all: Vec<Arc<Changes>> = changes.iter().map(|held| held.evaluated.changes.clone()).collect();
        if all.is_empty() {
            return Ok(());
        }
        let deadline = Instant::now() + wait.limit;
        let again: Vec<&Arc<Again>> = changes.iter().filter_map(|held| held.again.as_ref()).collect();
        let mut reads: Vec<RestsOn> = again.iter().map(|again| again.read.clone()).collect();
        for tried in 1.. {
            if !self.rest(&rests_on) {
                return Err(outdated());
            }
            let must = reads.iter().chain(&rests_on).cloned().collect();
            match self.apply_if(Changes::net(all.clone()), must).await {
                Err(error) if error.sqlstate == *b"40001" && !again.is_empty() => {
                    if tried == TRIES || Instant::now() > deadline {
                        return Err(error);
                    }
                }
                done => return done,
            }
            let moment = Arc::new(self.read().transaction_moment());
            if !self.come_to_the_same(&changes, &moment, wait).await? {
                return Err(outdated());
            }
            reads.iter_mut().for_each(|read| read.moment = moment.clone());
        }
        Err(outdated())
    }

    fn rest(&self, on: &[RestsOn]) -> bool {
        let database = self.read();
        on.iter().all(|on| database.is_unchanged(&on.moment, &on.relations, &Default::default()))
    }

    /// Whether the statements that read tables do at another moment what they did.
    async fn come_to_the_same(
        &self,
        changes: &[HeldChange],
        moment: &Arc<TransactionMoment>,
        wait: &Wait,
    ) -> Result<bool> {
        let mut held = Vec::with_capacity(changes.len());
        for change in changes {
            if let Some(again) = &change.again {
                let within = Within::new(held.clone(), Some(moment.clone()));
                let wait = Wait { after: None, ..wait.clone() };
                let now = self.evaluate(&within, &again.prepared, &again.values, &again.seen, &wait).await;
                match now {
                    Ok((now, _)) if now.is_as(&change.evaluated) => {}
                    Err(error) if [*b"57014", *b"53200", *b"57P01"].contains(&error.sqlstate) => return Err(error),
                    // An error, too, is something else.
                    _ => return Ok(false),
                }
            }
            held.push(change.evaluated.changes.clone());
        }
        Ok(true)
    }
}

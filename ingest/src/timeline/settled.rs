//! Whether a timeline that goes on after a restart has come to where it stood before.
//!
//! Who read before the restart must not be taken back in time. So nothing is shown before the topics are read to where they ended
//! at the start, and before what then waits has had its turn: a transaction may be whole, and wait only for a reading of the
//! topics' ends or for a second in which nothing comes.

use std::collections::HashSet;
use std::sync::Arc;

use tidewater_delta::TableId;

use super::place::BinlogPlace;
use super::{MADE_AGAIN, Timeline};

/// What waits at some moment.
#[derive(Debug)]
pub struct Waiting {
    pub(super) transactions: HashSet<Arc<str>>,
    pub(super) steps: Vec<(TableId, BinlogPlace)>,
}

impl Timeline {
    /// What waits now.
    pub fn waiting(&self) -> Waiting {
        let steps = self.tables.iter().flat_map(|(id, table)| table.steps.iter().map(|step| (*id, step.place.clone())));
        Waiting { transactions: self.pending.keys().cloned().collect(), steps: steps.collect() }
    }

    /// Whether what waited has had its turn, or will not have it without more records: the state is no older than any that a
    /// timeline has shown that had read no more.
    pub fn has_settled(&self, waiting: &Waiting) -> bool {
        // What was deleted of the transaction topic may have been read before: then what it names was shown. One that was made again
        // tells of other transactions, and its tables' topics were made again with it.
        if self.boundaries.gone.as_deref().is_some_and(|why| why != MADE_AGAIN) {
            return false;
        }
        // Whether events of two transactions of one id are taken for one depends on what comes first, so before they may have been told
        // apart and shown.
        if self.queue.front().and_then(|id| self.pending.get(id)).is_some_and(|transaction| transaction.mixed) {
            return false;
        }
        let blocked = self.blocked.as_ref().is_some_and(|blocked| blocked.definite);
        if (blocked || self.quiet && self.unnamed().is_none()) && self.awaits_no_ends() {
            return true;
        }
        // A snapshot that was given up for a newer one may have been shown before, and what it holds is in the newer one.
        let open = |(id, place): &(TableId, BinlogPlace)| {
            self.tables.get(id).is_some_and(|table| {
                let newer = table.incoming().is_some_and(|incoming| place.is_older(&incoming.moment));
                table.steps.iter().any(|step| step.place == *place) || table.skipped && newer
            })
        };
        let held = waiting.transactions.iter().any(|id| self.pending.contains_key(id));
        // What waited may have been released and be shown with what is still to come.
        !held && self.merging.is_none() && !waiting.steps.iter().any(open)
    }
}

//! A moment that is held: readers see it while ticks go on.
//!
//! What changes too much for readers to wait is ticked in parts. Before the first part the moment is held: snapshots are taken of all
//! that is readable. Rows of it that leave stay in the indexes, with weight zero, so that lookups go on too: an index leads to ids, and
//! the snapshot tells which of them the held moment has and what they were. After the last part the moment is let go: from one
//! step to the next readers see all that has changed. What was left behind is then swept out, in parts again.

use std::any::Any;

use rustc_hash::FxHashMap;
use tidewater_delta::{Row, Weight};

use crate::arena::Snapshot;
use crate::arrangement::{Arrangement, Held};
use crate::circuit::Circuit;
use crate::nodes::NodeId;

/// What a circuit has no use for any more; freeing it takes time, which nobody need wait for.
#[derive(Debug, Default)]
pub struct Gone(#[expect(dead_code, reason = "held to be dropped")] Vec<Box<dyn Any + Send + Sync>>);

impl Circuit {
    /// Until [`Circuit::release`] readers see this moment of the `readable` nodes, whatever is ticked; of others only the errors.
    /// Nodes are neither made nor built meanwhile.
    pub fn hold(&mut self, readable: impl IntoIterator<Item = NodeId>) {
        let mut rows: Vec<Option<Snapshot>> = vec![None; self.operators.len()];
        for node in readable {
            rows[node.0] = Some(self.snapshot(node));
        }
        for (arrangement, rows) in self.nodes.0.iter_mut().zip(rows) {
            if let Some(arrangement) = arrangement {
                let error = arrangement.error().cloned();
                arrangement.arena.is_held = rows.is_some();
                arrangement.held = Some(Box::new(Held { rows, error }));
            }
        }
    }

    /// Whether a moment is held.
    pub fn is_held(&self) -> bool {
        self.nodes.0.iter().flatten().any(|arrangement| arrangement.held.is_some())
    }

    /// Lets the moment go. [`Circuit::sweep`] is to be called until it is done before the next tick.
    pub fn release(&mut self) {
        for arrangement in self.nodes.0.iter_mut().flatten() {
            if let Some(held) = arrangement.held.take() {
                self.gone.push(held);
                arrangement.arena.is_held = false;
            }
            arrangement.sweeping = std::mem::take(&mut arrangement.leaving).into_iter();
        }
        self.look_for_errors();
        // Of all parts together.
        for (_, changes) in &mut self.followed {
            let mut sums: FxHashMap<Row, Weight> = FxHashMap::default();
            changes.drain(..).for_each(|(row, weight)| *sums.entry(row).or_default() += weight);
            changes.extend(sums.into_iter().filter(|(_, weight)| *weight != 0));
        }
    }

    /// Takes out up to `limit` rows that a held moment kept; false once none is left.
    pub fn sweep(&mut self, limit: usize) -> bool {
        let mut left = limit;
        for arrangement in self.nodes.0.iter_mut().flatten() {
            left -= arrangement.sweep(left);
        }
        left == 0
    }

    /// Whether something was removed that is still to be freed.
    pub fn has_gone(&self) -> bool {
        !self.gone.is_empty()
    }

    /// What was removed since it was last asked, to be freed wherever nobody waits.
    pub fn take_gone(&mut self) -> Gone {
        Gone(std::mem::take(&mut self.gone))
    }
}

impl Arrangement {
    /// Gives the number of rows looked at.
    fn sweep(&mut self, limit: usize) -> usize {
        if self.sweeping.len() == 0 {
            return 0;
        }
        let mut looked_at = 0;
        while looked_at < limit
            && let Some(id) = self.sweeping.next()
        {
            looked_at += 1;
            // It may have come back.
            if self.arena.weight(id) == 0 {
                self.take_out(id);
            }
        }
        if looked_at < limit {
            self.tidy();
        }
        looked_at
    }
}

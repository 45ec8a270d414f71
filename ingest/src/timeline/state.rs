//! A timeline that survives its process: all of its state as bytes, and back.
//!
//! A state can be taken at any moment at which everything whole was handed on. There is no offset to go back to and nothing is
//! read twice: whoever goes on from a state with the records that follow hands on what the first timeline would have handed on.
//! Nothing of the process is in it: no clock, no hash of the process's own.

use std::collections::BTreeMap;

use tidewater_delta::TableId;

use super::names::Owner;
use super::{Timeline, Transaction};
use crate::error::{Error, Result};
use crate::saved;

impl Timeline {
    /// Its state.
    ///
    /// # Errors
    /// If changes wait to be handed on: they would be lost.
    pub fn state(&self) -> Result<Vec<u8>> {
        self.is_handed_on()?;
        saved::save(self)
    }

    /// The timeline of a state. Tables have the numbers that `tables` gives for their old ones; those that it does not give are
    /// forgotten.
    ///
    /// # Errors
    /// If the bytes are of another version or damaged.
    pub fn restore(state: &[u8], tables: &BTreeMap<TableId, TableId>) -> Result<Timeline> {
        let mut timeline: Timeline = saved::load(state)?;
        timeline.renumber(tables);
        Ok(timeline)
    }

    /// Its name, as in its commits.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The tables that it knows.
    pub fn tables(&self) -> Vec<TableId> {
        self.tables.keys().copied().collect()
    }

    /// Whether the table is shown.
    pub fn is_shown(&self, id: TableId) -> bool {
        self.tables.get(&id).is_some_and(|table| table.shown)
    }

    /// That nothing waits to be handed on.
    pub(crate) fn is_handed_on(&self) -> Result<()> {
        match self.out.is_empty() {
            true => Ok(()),
            false => Err(Error::decode("the timeline has changes that were not handed on")),
        }
    }

    /// Gives the tables other numbers, all at once, and forgets those that have none.
    pub(crate) fn renumber(&mut self, tables: &BTreeMap<TableId, TableId>) {
        for id in self.tables() {
            if !tables.contains_key(&id) {
                self.remove_table(id);
            }
        }
        let new = |id: TableId| tables.get(&id).copied();
        let kept = |id: &mut TableId| new(*id).map(|new| *id = new).is_some();
        self.tables = std::mem::take(&mut self.tables).into_iter().filter_map(|(id, t)| Some((new(id)?, t))).collect();
        for owner in self.owners.values_mut() {
            if let Owner::Tables(tables) = owner {
                tables.retain_mut(kept);
            }
        }
        let held = self.pending.values_mut().chain(self.later.values_mut());
        held.for_each(|transaction| transaction.renumber(kept));
        for table in self.tables.values_mut() {
            table.late.retain_mut(|late| late.renumber(kept));
        }
        self.ends.renumber(kept);
        self.alone.retain_mut(|change| kept(&mut change.table));
        if let Some(merging) = &mut self.merging {
            merging.changes.retain_mut(|change| kept(&mut change.table));
            merging.until.retain_mut(|(id, ..)| kept(id));
            merging.snapshots.retain_mut(kept);
        }
    }
}

impl Transaction {
    fn renumber(&mut self, kept: impl Fn(&mut TableId) -> bool) {
        self.parts.retain_mut(|part| kept(&mut part.table));
    }
}

//! Changes as one commit: what they take out is still there, and no key is there twice.

use std::collections::HashMap;

use tidewater_delta::{Op, Row, RowBuilder, RowRef, Width};
use tidewater_engine::NodeId;
use tidewater_types::{Column, Packing};

use super::Changes;
use crate::applying::{Applying, Ops};
use crate::catalog::Body;
use crate::constraint::Constraints;
use crate::database::Database;
use crate::{Error, Result};

impl Database {
    /// Does changes as one commit: readers see all of them or none.
    ///
    /// # Errors
    /// 40001 if a table, or a row that goes, is not there any more; 23505 for a second row of one key. Nothing has changed then.
    pub fn apply_changes(&mut self, all: Vec<Changes>) -> Result<()> {
        self.check_changes(&all)?;
        let mut applying = self.begin_changes(all)?;
        self.advance(&mut applying, usize::MAX);
        Ok(())
    }

    /// Whether what changes take out is still there.
    ///
    /// # Errors
    /// 40001 if a table, or a row that goes, is not.
    pub fn check_changes(&self, all: &[Changes]) -> Result<()> {
        all.iter().try_for_each(|changes| self.still_there(changes))
    }

    /// Begins to do changes that [`Database::check_changes`] found to be possible, as one commit; [`Database::advance`] does it.
    ///
    /// # Errors
    /// 23505 for a second row of one key. Nothing has changed then.
    pub fn begin_changes(&self, all: Vec<Changes>) -> Result<Applying> {
        for (done, changes) in all.iter().enumerate() {
            if let Err(error) = self.take_keys(changes) {
                all[..done].iter().rev().for_each(|changes| self.give_keys_back(changes, changes.added.len()));
                return Err(error);
            }
        }
        let (mut ops, mut count): (Vec<Ops>, _) = (Vec::new(), 0);
        for Changes { table, removed, added, .. } in all {
            let Some(node) = self.nodes.get(&table).copied() else { continue };
            let key = self.circuit.key(node);
            let keyed = key.is_some();
            let widths = self.widths(node);
            count += removed.len() + added.len();
            // Made when their turn comes: nobody waits for all of them.
            let gone = move |row: Row| match &key {
                None => (node, Op::Remove(row)),
                Some(key) => (node, Op::Delete(key_row(&row, key, &widths))),
            };
            ops.push(Box::new(removed.into_iter().map(gone)));
            ops.push(Box::new(
                added.into_iter().map(move |row| (node, if keyed { Op::Upsert(row) } else { Op::Insert(row) })),
            ));
        }
        Ok(Applying::new(ops.into_iter().flatten(), count))
    }

    fn still_there(&self, changes: &Changes) -> Result<()> {
        let table = &changes.table;
        let Some(node) = self.objects.get(table).filter(|object| object.oid == changes.oid).and_then(|o| o.node())
        else {
            let message = format!("table \"{table}\" was dropped or made anew since its change was evaluated");
            return Err(Error::new(b"40001", message));
        };
        let mut wanted = HashMap::<&[u8], i64>::new();
        changes.removed.iter().for_each(|row| *wanted.entry(row.bytes()).or_default() += 1);
        let gone = wanted.iter().any(|(row, count)| self.circuit.weight(node, RowRef::new(row)) < *count);
        match gone {
            false => Ok(()),
            true => Err(Error::new(b"40001", "could not serialize access due to concurrent update").hint("try again")),
        }
    }

    /// Takes note of the rows of changes in the table's unique constraints; all or nothing.
    fn take_keys(&self, changes: &Changes) -> Result<()> {
        let Some((columns, constraints)) = self.constraints_of(&changes.table) else { return Ok(()) };
        if constraints.uniques.is_empty() {
            return Ok(());
        }
        for unique in &constraints.uniques {
            changes.removed.iter().for_each(|row| unique.remove(row.as_ref(), &columns));
        }
        let mut failed = None;
        'rows: for (done, row) in changes.added.iter().enumerate() {
            for (number, unique) in constraints.uniques.iter().enumerate() {
                if let Err(error) = unique.add(row.as_ref(), &columns) {
                    constraints.uniques[..number].iter().for_each(|unique| unique.remove(row.as_ref(), &columns));
                    failed = Some((done, error));
                    break 'rows;
                }
            }
        }
        match failed {
            None => Ok(()),
            Some((done, error)) => {
                self.give_keys_back(changes, done);
                Err(error)
            }
        }
    }

    /// Undoes [`Database::take_keys`] of which the first `done` rows were added.
    fn give_keys_back(&self, changes: &Changes, done: usize) {
        let Some((columns, constraints)) = self.constraints_of(&changes.table) else { return };
        for unique in &constraints.uniques {
            changes.added[..done].iter().for_each(|row| unique.remove(row.as_ref(), &columns));
            // They were there before, so that they are no second ones.
            changes.removed.iter().for_each(|row| drop(unique.add(row.as_ref(), &columns)));
        }
    }

    fn constraints_of(&self, table: &str) -> Option<(Vec<Column>, &Constraints)> {
        let object = self.objects.get(table)?;
        let columns = object.relation.as_ref()?.columns.clone();
        match &object.body {
            Body::Table { constraints, .. } => Some((columns, constraints)),
            _ => None,
        }
    }

    fn widths(&self, node: NodeId) -> Vec<Width> {
        self.circuit.types(node).iter().map(|ty| Packing::of(ty).width()).collect()
    }
}

/// The key's columns of a row.
fn key_row(row: &Row, key: &[usize], widths: &[Width]) -> Row {
    let mut builder = RowBuilder::new(key.iter().map(|&at| widths[at]).collect::<Vec<_>>());
    for (to, &from) in key.iter().enumerate() {
        builder.copy(to, row.as_ref(), from);
    }
    builder.take()
}

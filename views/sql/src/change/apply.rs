//! Changes as one commit: what they take out is still there, and no key is there twice.

use std::collections::HashMap;

use tidewater_delta::{Op, Row, RowBuilder, RowRef, Width};
use tidewater_engine::NodeId;
use tidewater_types::{Column, Packing};

use super::{Changes, conflict};
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
        for changes in &all {
            self.still_there(changes)?;
        }
        for (done, changes) in all.iter().enumerate() {
            if let Err(error) = self.take_keys(changes) {
                all[..done].iter().rev().for_each(|changes| self.give_keys_back(changes, changes.added.len()));
                return Err(error);
            }
        }
        let mut ops = Vec::new();
        for Changes { table, removed, added, .. } in all {
            let Some(node) = self.nodes.get(&table).copied() else { continue };
            let key = self.circuit.key(node);
            let widths = self.widths(node);
            let gone = |row: Row| match &key {
                None => Op::Remove(row),
                Some(key) => Op::Delete(key_row(&row, key, &widths)),
            };
            ops.extend(removed.into_iter().map(|row| (node, gone(row))));
            let keyed = key.is_some();
            ops.extend(added.into_iter().map(|row| (node, if keyed { Op::Upsert(row) } else { Op::Insert(row) })));
        }
        self.circuit.tick(ops);
        self.tell_followers();
        Ok(())
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
            true => Err(conflict()),
        }
    }

    /// Takes note of the rows of changes in the table's unique constraints; all or nothing.
    fn take_keys(&mut self, changes: &Changes) -> Result<()> {
        let Some((columns, constraints)) = self.constraints_of(&changes.table) else { return Ok(()) };
        if constraints.uniques.is_empty() {
            return Ok(());
        }
        for unique in &mut constraints.uniques {
            changes.removed.iter().for_each(|row| unique.remove(row.as_ref(), &columns));
        }
        let mut failed = None;
        'rows: for (done, row) in changes.added.iter().enumerate() {
            for (number, unique) in constraints.uniques.iter_mut().enumerate() {
                if let Err(error) = unique.add(row.as_ref(), &columns) {
                    constraints.uniques[..number].iter_mut().for_each(|unique| unique.remove(row.as_ref(), &columns));
                    failed = Some((done, changes.refusal(&constraints.uniques[number].name, error)));
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
    fn give_keys_back(&mut self, changes: &Changes, done: usize) {
        let Some((columns, constraints)) = self.constraints_of(&changes.table) else { return };
        for unique in &mut constraints.uniques {
            changes.added[..done].iter().for_each(|row| unique.remove(row.as_ref(), &columns));
            // They were there before, so that they are no second ones.
            changes.removed.iter().for_each(|row| drop(unique.add(row.as_ref(), &columns)));
        }
    }

    fn constraints_of(&mut self, table: &str) -> Option<(Vec<Column>, &mut Constraints)> {
        let object = self.objects.get_mut(table)?;
        let columns = object.relation.as_ref()?.columns.clone();
        match &mut object.body {
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

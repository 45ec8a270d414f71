//! Changes as one commit: what they take out is still there, and no key is there twice.

use std::collections::HashMap;

use tidewater_delta::{Op, Row, RowBuilder, RowRef, Weight, Width};
use tidewater_engine::NodeId;
use tidewater_types::{Column, Packing};

use super::{Changes, conflict};
use crate::applying::{Applying, Ops};
use crate::catalog::{Body, Object};
use crate::constraint::Constraints;
use crate::database::Database;
use crate::names::is_temp;
use crate::{Error, Result};

/// What changes that were checked, and are not done yet, will have done to each table's rows.
#[derive(Debug, Default)]
pub struct Ahead(HashMap<u32, HashMap<Row, Weight>>);

impl Ahead {
    fn weight(&self, table: u32, row: &[u8]) -> Weight {
        self.0.get(&table).and_then(|rows| rows.get(row)).copied().unwrap_or(0)
    }

    /// Whether a change is of this table.
    pub(crate) fn touches(&self, table: u32) -> bool {
        self.0.contains_key(&table)
    }

    fn add(&mut self, changes: &Changes) {
        let rows = self.0.entry(changes.oid).or_default();
        changes.removed.iter().for_each(|row| *rows.entry(row.clone()).or_default() -= 1);
        changes.added.iter().for_each(|row| *rows.entry(row.clone()).or_default() += 1);
    }
}

/// Changes that can be done: what they take out is there, and their keys are theirs. They are done, or given up, before anything
/// else happens to their tables, in the order in which they were checked.
#[derive(Debug)]
#[must_use]
pub struct Checked(Vec<Changes>);

impl Checked {
    /// The rows that outlive the process, with the number of their table: those that go have weight -1.
    pub fn tables(&self) -> impl Iterator<Item = (u32, impl Iterator<Item = (Weight, &Row)>)> {
        self.0.iter().filter(|changes| !is_temp(&changes.table)).map(|changes| {
            let gone = changes.removed.iter().map(|row| (-1, row));
            (changes.oid, gone.chain(changes.added.iter().map(|row| (1, row))))
        })
    }
}

impl Database {
    /// Does changes as one commit: readers see all of them or none.
    ///
    /// # Errors
    /// As [`Database::check_changes`].
    pub fn apply_changes(&mut self, all: Vec<Changes>) -> Result<()> {
        let checked = self.check_changes(all, &mut Ahead::default())?;
        self.apply_checked([checked]);
        Ok(())
    }

    /// Looks whether changes can be done behind those that are `ahead`, to which they are added then.
    ///
    /// # Errors
    /// 40001 if a table, or a row that goes, is not there any more; 23505 for a second row of one key. Nothing has changed then.
    pub fn check_changes(&self, all: Vec<Changes>, ahead: &mut Ahead) -> Result<Checked> {
        for changes in &all {
            self.still_there(changes, ahead)?;
        }
        for (done, changes) in all.iter().enumerate() {
            if let Err(error) = self.take_keys(changes) {
                all[..done].iter().rev().for_each(|changes| self.give_keys_back(changes, changes.added.len()));
                return Err(error);
            }
        }
        all.iter().for_each(|changes| ahead.add(changes));
        Ok(Checked(all))
    }

    /// Does not do what was checked.
    pub fn give_up(&self, checked: Vec<Checked>) {
        for changes in checked.iter().rev().flat_map(|checked| checked.0.iter().rev()) {
            self.give_keys_back(changes, changes.added.len());
        }
    }

    /// Does what was checked, in one tick.
    pub fn apply_checked(&mut self, checked: impl IntoIterator<Item = Checked>) {
        let mut applying = self.begin_checked(checked);
        self.advance(&mut applying, usize::MAX);
    }

    /// Begins to do what was checked, as one commit; [`Database::advance`] does it.
    pub fn begin_checked(&self, checked: impl IntoIterator<Item = Checked>) -> Applying {
        let (mut ops, mut count): (Vec<Ops>, _) = (Vec::new(), 0);
        for Changes { table, removed, added, .. } in checked.into_iter().flat_map(|checked| checked.0) {
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
        Applying::new(ops.into_iter().flatten(), count)
    }

    fn still_there(&self, changes: &Changes, ahead: &Ahead) -> Result<()> {
        let table = &changes.table;
        let is_same = |object: &&Object| {
            let made = matches!(&object.body, Body::Table { constraints, .. } if constraints.made == changes.made);
            object.oid == changes.oid && made
        };
        let Some(node) = self.objects.get(table).filter(is_same).and_then(Object::node) else {
            let message = format!("table \"{table}\" was dropped or altered since its change was evaluated");
            return Err(Error::new(b"40001", message));
        };
        let mut wanted = HashMap::<&[u8], i64>::new();
        changes.removed.iter().for_each(|row| *wanted.entry(row.bytes()).or_default() += 1);
        let there = |row: &[u8]| self.circuit.weight(node, RowRef::new(row)) + ahead.weight(changes.oid, row);
        let gone = wanted.iter().any(|(row, count)| there(row) < *count);
        match gone {
            false => Ok(()),
            true => Err(conflict()),
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

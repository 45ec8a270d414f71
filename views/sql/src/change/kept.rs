//! The rows of `CREATE TABLE` as they are kept beside the process: what is there at a moment, and how they come back.

use tidewater_delta::{Op, RowRef, Weight};
use tidewater_engine::Snapshot;

use crate::catalog::Body;
use crate::database::Database;
use crate::names::is_temp;
use crate::parse::ast::ObjectKind;
use crate::{Error, Result};

/// Rows taken into one tick when they come back.
const TICK: usize = 1 << 16;

/// The rows of one table at one moment.
#[derive(Debug)]
pub struct KeptRows {
    /// The table's number.
    pub oid: u32,
    snapshot: Snapshot,
}

impl KeptRows {
    /// The packed rows with their weights, which are positive.
    pub fn rows(&self) -> impl Iterator<Item = (&[u8], Weight)> {
        self.snapshot.rows().map(|(row, weight)| (row.bytes(), weight))
    }
}

impl Database {
    /// The rows of all tables, as they are now. Reading them needs no lock.
    pub fn kept_rows(&self) -> Vec<KeptRows> {
        let kept = self.objects.iter().filter(|(name, _)| !is_temp(name));
        let tables = kept.filter_map(|(_, object)| match &object.body {
            Body::Table { node, .. } => Some(KeptRows { oid: object.oid, snapshot: self.circuit.snapshot(*node) }),
            _ => None,
        });
        tables.collect()
    }

    /// The rows of the table of this number; `None` if it is no table.
    pub fn kept_rows_of(&self, oid: u32) -> Option<KeptRows> {
        let (_, object) = self.objects.iter().find(|(name, object)| object.oid == oid && !is_temp(name))?;
        match &object.body {
            Body::Table { node, .. } => Some(KeptRows { oid, snapshot: self.circuit.snapshot(*node) }),
            _ => None,
        }
    }

    /// The number of an object.
    pub fn oid(&self, name: &str) -> Option<u32> {
        self.objects.get(name).map(|object| object.oid)
    }

    /// Puts rows into a table that has just been made again: those that it had.
    ///
    /// # Errors
    /// If it is no table.
    pub(crate) fn load_rows(&mut self, name: &str, rows: Vec<(Box<[u8]>, Weight)>) -> Result<()> {
        let object = self.objects.get_mut(name).filter(|object| object.kind() == ObjectKind::Table);
        let Some((relation, body)) = object.and_then(|object| Some((object.relation.clone()?, &mut object.body)))
        else {
            return Err(Error::new(b"XX000", format!("rows are kept for \"{name}\", which is no table")));
        };
        let Body::Table { node, constraints } = body else {
            return Err(Error::new(b"XX000", format!("rows are kept for \"{name}\", which is no table")));
        };
        for (row, _) in &rows {
            for unique in &constraints.uniques {
                unique.add(RowRef::new(row), &relation.columns)?;
            }
        }
        let (node, mut rows) = (*node, rows.into_iter());
        let keyed = self.circuit.key(node).is_some();
        loop {
            let mut ops = Vec::new();
            for (row, weight) in rows.by_ref().take(TICK) {
                let row = tidewater_delta::Row::from(RowRef::new(&row));
                match keyed {
                    true => ops.push((node, Op::Upsert(row))),
                    false => ops.extend((0..weight).map(|_| (node, Op::Insert(row.clone())))),
                }
            }
            if ops.is_empty() {
                return Ok(());
            }
            self.circuit.tick(ops);
            self.tell_followers();
        }
    }
}

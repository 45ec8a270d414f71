//! What a checkpoint and the logs behind it come to.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::files::Reading;
use crate::frame::{self, Found};
use crate::record::{Record, RowList, each};

/// See the module.
#[derive(Debug, Default, Clone)]
pub struct State {
    /// Definitions by id.
    pub definitions: BTreeMap<u64, Vec<u8>>,
    /// Notes by key.
    pub notes: BTreeMap<String, Vec<u8>>,
    tables: BTreeMap<u64, Table>,
}

/// A checkpoint's file.
#[derive(Debug)]
pub(crate) struct Base {
    pub(crate) file: Box<dyn Reading>,
    pub(crate) name: String,
}

/// The rows of one table: those of the checkpoint, which stay in its file until they are asked for, and what changed since.
#[derive(Debug, Default, Clone)]
pub struct Table {
    base: Option<Arc<Base>>,
    /// Frames of the checkpoint that hold its rows: offset and number.
    frames: Vec<(u64, u64)>,
    changed: HashMap<Box<[u8]>, i64>,
}

impl State {
    /// The rows of a table, if it has any.
    pub fn table(&self, id: u64) -> Option<&Table> {
        self.tables.get(&id)
    }

    /// Takes the rows of a table, if it has any.
    pub fn take_table(&mut self, id: u64) -> Option<Table> {
        self.tables.remove(&id)
    }

    /// Ids of the tables that have rows.
    pub fn tables(&self) -> impl Iterator<Item = u64> {
        self.tables.keys().copied()
    }

    /// Takes a record of a log.
    pub(crate) fn apply(&mut self, record: &Record<'_>) {
        match record {
            Record::Header { .. } | Record::End => {}
            Record::Definition { id, bytes } => drop(self.definitions.insert(*id, bytes.to_vec())),
            Record::Gone { id } => {
                self.definitions.remove(id);
                self.tables.remove(id);
            }
            Record::Rows { id, rows } => self.tables.entry(*id).or_default().change(*rows),
            Record::Note { key, bytes: [] } => drop(self.notes.remove(*key)),
            Record::Note { key, bytes } => drop(self.notes.insert((*key).to_owned(), bytes.to_vec())),
        }
    }

    /// Takes a record of the checkpoint, of the frame at this offset and of this number.
    pub(crate) fn apply_base(&mut self, base: &Arc<Base>, at: (u64, u64), record: &Record<'_>) {
        let Record::Rows { id, .. } = record else { return self.apply(record) };
        let table = self.tables.entry(*id).or_default();
        table.base.get_or_insert_with(|| base.clone());
        if table.frames.last() != Some(&at) {
            table.frames.push(at);
        }
    }
}

impl Table {
    fn change(&mut self, rows: RowList<'_>) {
        for (weight, row) in rows {
            match self.changed.get_mut(row) {
                Some(before) => {
                    *before += weight;
                    if *before == 0 {
                        self.changed.remove(row);
                    }
                }
                None => drop(self.changed.insert(row.into(), weight)),
            }
        }
    }

    /// Gives each row with its weight, which is positive.
    ///
    /// # Errors
    /// If the checkpoint cannot be read any more, or rows went that were never there.
    pub fn each(&self, id: u64, mut take: impl FnMut(&[u8], i64)) -> Result<()> {
        let mut changed = self.changed.clone();
        let mut missing = false;
        if let Some(base) = &self.base {
            for &(offset, number) in &self.frames {
                let found = frame::read(&*base.file, &base.name, offset, number)?;
                let Found::Frame { payload, .. } = found else {
                    return Err(Error::damaged(&base.name, offset, "the frame has changed since it was first read"));
                };
                each(&base.name, offset, &payload, |record| {
                    let Record::Rows { id: of, rows } = record else { return Ok(()) };
                    for (weight, row) in rows.filter(|_| of == id) {
                        let weight =
                            if changed.is_empty() { weight } else { weight + changed.remove(row).unwrap_or(0) };
                        missing |= weight < 0;
                        if weight > 0 {
                            take(row, weight);
                        }
                    }
                    Ok(())
                })?;
            }
        }
        for (row, weight) in changed {
            missing |= weight < 0;
            if weight > 0 {
                take(&row, weight);
            }
        }
        match missing {
            false => Ok(()),
            true => Err(Error::damaged("log", 0, format!("rows of table {id} went that are not in the checkpoint"))),
        }
    }
}

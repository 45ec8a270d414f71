//! What is wrong with a record: all of it, or single columns of its row.
//!
//! A column that MySQL dropped, renamed or retyped has no value any more; the others have. Where a source is to show states of
//! the database only (`ON ERROR STALL`) such a column is *lost*: rows go on without it, and whoever reads it is told why. The key
//! cannot be lost, nor any column of a table without a key, whose rows are found by all of their values.

use std::sync::Arc;

use tidewater_delta::RowBuilder;
use tidewater_types::TableSchema;

use crate::error::{Error, Result};

/// A column, by its place in the table, and why it has no value.
pub(crate) type LostColumn = (usize, Error);

/// Which columns of a table may be lost; none where this is empty.
pub(crate) type Tolerance = Arc<[bool]>;

/// All columns but the key's, of a table that has one.
pub(crate) fn all_but_key(table: &TableSchema) -> Tolerance {
    let Some(key) = &table.key else { return Tolerance::from([]) };
    (0..table.columns.len()).map(|column| !key.contains(&column)).collect()
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    tolerance: Tolerance,
    record: Option<Error>,
    columns: Vec<LostColumn>,
}

impl Faults {
    /// Nothing is wrong yet.
    pub(crate) fn new(tolerance: &Tolerance) -> Self {
        Faults { tolerance: tolerance.clone(), record: None, columns: Vec::new() }
    }

    /// Keeps the first error of the record as a whole.
    #[inline]
    pub(crate) fn record(&mut self, result: Result<()>) {
        if let Err(error) = result {
            self.record.get_or_insert(error);
        }
    }

    /// Keeps a column's error, which is the record's where the column may not be lost.
    #[inline]
    pub(crate) fn column(&mut self, column: usize, result: Result<()>) {
        if let Err(error) = result {
            self.lose(column, error);
        }
    }

    #[cold]
    fn lose(&mut self, column: usize, error: Error) {
        if self.tolerance.get(column) == Some(&true) {
            self.columns.push((column, error));
        } else {
            self.record.get_or_insert(error);
        }
    }

    /// Several columns' errors.
    pub(crate) fn all(&mut self, lost: &[LostColumn]) {
        for (column, error) in lost {
            self.lose(*column, error.clone());
        }
    }

    /// Those of several columns' errors that are the record's.
    pub(crate) fn fatal(&mut self, lost: &[LostColumn]) {
        let fatal = lost.iter().find(|(column, _)| self.tolerance.get(*column) != Some(&true));
        self.record(fatal.map_or(Ok(()), |(_, error)| Err(error.clone())));
    }

    /// Whether the row is none.
    pub(crate) fn is_fatal(&self) -> bool {
        self.record.is_some()
    }

    /// Makes what is lost NULL in `row`.
    pub(crate) fn strike(&self, row: &mut RowBuilder) {
        for (column, _) in &self.columns {
            row.unset(*column);
        }
    }

    /// Why the record is none, if so.
    pub(crate) fn take(&mut self) -> Option<Error> {
        self.record.take()
    }

    /// The columns without a value, if the record is one.
    pub(crate) fn into_lost(self) -> Vec<LostColumn> {
        self.columns
    }
}

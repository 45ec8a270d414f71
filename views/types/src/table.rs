//! The shape of a table, source or view: its columns and its key.

use std::collections::BTreeMap;
use std::sync::Arc;

use tidewater_delta::Width;

use crate::{ColumnType, Packing, Result, SqlError};

/// A column of a relation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type.
    pub ty: ColumnType,
    /// Whether it is never NULL.
    pub not_null: bool,
    /// What its decoder wants to remember of it; no part of its meaning.
    pub notes: BTreeMap<String, String>,
}

impl Column {
    /// A column that may be NULL.
    pub fn new(name: impl Into<String>, ty: impl Into<ColumnType>) -> Self {
        Column { name: name.into(), ty: ty.into(), not_null: false, notes: BTreeMap::new() }
    }

    /// The same column, never NULL.
    #[must_use]
    pub fn not_null(mut self) -> Self {
        self.not_null = true;
        self
    }
}

/// Columns, how they are packed, and which of them identify a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableSchema {
    /// Columns, in order.
    pub columns: Arc<[Column]>,
    /// How the values of each lie in a row.
    pub packings: Arc<[Packing]>,
    /// What a builder of rows has to know of each.
    pub widths: Arc<[Width]>,
    /// Columns that identify a row, in key order; `None` where rows repeat (a multiset).
    pub key: Option<Vec<usize>>,
}

impl TableSchema {
    /// The shape of a table that has these columns and this key.
    ///
    /// # Errors
    /// 42703 if the key names a column out of range.
    pub fn new(columns: impl Into<Arc<[Column]>>, key: Option<Vec<usize>>) -> Result<Self> {
        let columns = columns.into();
        let packings: Arc<[Packing]> = columns.iter().map(|column| Packing::of(&column.ty)).collect();
        let widths = packings.iter().map(|packing| packing.width()).collect();
        if let Some(column) = key.iter().flatten().find(|&&column| column >= columns.len()) {
            return Err(SqlError::new(b"42703", format!("key column {column} is not a column of the table")));
        }
        Ok(TableSchema { columns, packings, widths, key })
    }

    /// The types of the columns.
    pub fn types(&self) -> Arc<[ColumnType]> {
        self.columns.iter().map(|column| column.ty.clone()).collect()
    }

    /// The number of the column called `name`.
    pub fn index_of(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }
}

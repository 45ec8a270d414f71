//! The shape of a table, source or view: its columns and its key.

use std::sync::Arc;

use arrow_schema::SchemaRef;

use crate::{Error, Kind, Result};

/// Columns, how they are packed, and which of them identify a row.
#[derive(Debug, Clone)]
pub struct TableSchema {
    /// Columns, in order.
    pub schema: SchemaRef,
    /// Kind of each column.
    pub kinds: Arc<[Kind]>,
    /// Columns that identify a row, in key order; `None` where rows repeat (a multiset).
    pub key: Option<Vec<usize>>,
}

impl TableSchema {
    /// The shape of a table that has these columns and this key.
    ///
    /// # Errors
    /// If a column's type has no packed representation or the key names a column out of range.
    pub fn new(schema: SchemaRef, key: Option<Vec<usize>>) -> Result<Self> {
        let kind = |field: &Arc<arrow_schema::Field>| {
            Kind::of(field.data_type()).ok_or_else(|| Error::UnsupportedType {
                column: field.name().clone(),
                data_type: field.data_type().to_string(),
            })
        };
        let kinds = schema.fields().iter().map(kind).collect::<Result<Vec<_>>>()?;
        if let Some(column) = key.iter().flatten().find(|&&column| column >= kinds.len()) {
            return Err(Error::UnknownKeyColumn(column.to_string()));
        }
        Ok(TableSchema { schema, kinds: kinds.into(), key })
    }
}

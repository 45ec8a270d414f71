//! Where a plan's columns are found in the tuples that an operator hands on: input number, column of that input's row.

use std::collections::HashMap;

use tidewater_types::{ColumnType, Datum, Expr, Packing, Result, SqlError};

use super::cell::Types;
use crate::plan::{Columns, Id};

/// The places of columns in tuples.
#[derive(Clone, Default)]
pub(crate) struct Layout {
    /// The types of each input's columns.
    pub(crate) inputs: Vec<Types>,
    pub(crate) places: HashMap<Id, (usize, usize)>,
}

impl Layout {
    /// One row of these columns.
    pub(crate) fn of(ids: &[Id], columns: &Columns) -> Layout {
        Layout::default().and(ids, columns)
    }

    /// One more row of these columns.
    pub(crate) fn and(mut self, ids: &[Id], columns: &Columns) -> Layout {
        let input = self.inputs.len();
        self.inputs.push(types(ids, columns));
        for (i, id) in ids.iter().enumerate() {
            self.places.insert(*id, (input, i));
        }
        self
    }

    /// Both, one after the other.
    pub(crate) fn join(mut self, other: &Layout) -> Layout {
        let shift = self.inputs.len();
        self.inputs.extend(other.inputs.iter().cloned());
        for (id, (input, column)) in &other.places {
            self.places.insert(*id, (input + shift, *column));
        }
        self
    }

    /// Only these columns can be found.
    pub(crate) fn only(mut self, ids: &[Id]) -> Layout {
        self.places.retain(|id, _| ids.contains(id));
        self
    }

    pub(crate) fn place(&self, id: Id) -> Result<(usize, usize)> {
        let missing = || SqlError::new(b"XX000", format!("column #{} is not in its input", id.0));
        self.places.get(&id).copied().ok_or_else(missing)
    }

    pub(crate) fn ty(&self, id: Id) -> Result<&ColumnType> {
        let (input, column) = self.place(id)?;
        Ok(&self.inputs[input][column])
    }

    /// The expression that reads a column.
    pub(crate) fn read(&self, id: Id) -> Result<Expr> {
        let (input, column) = self.place(id)?;
        let packing = Packing::of(&self.inputs[input][column]);
        Ok(match packing {
            Packing::Int => Expr::new(move |tuple, _| {
                let row = tuple[input];
                Ok(if row.is_null(column) { Datum::Null } else { Datum::Int(row.slot(column) as i64) })
            }),
            Packing::Text => Expr::new(move |tuple, _| {
                let row = tuple[input];
                Ok(if row.is_null(column) { Datum::Null } else { Datum::Text(row.tail(column)) })
            }),
            packing => Expr::new(move |tuple, _| {
                let row = tuple[input];
                Ok(if row.is_null(column) { Datum::Null } else { packing.get(row, column) })
            }),
        })
    }
}

pub(crate) fn types(ids: &[Id], columns: &Columns) -> Types {
    ids.iter().map(|id| columns.ty(*id).clone()).collect()
}

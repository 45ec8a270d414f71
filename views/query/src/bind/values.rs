//! VALUES: rows written out, whose columns find common types.

use sqlparser::ast::Values;
use tidewater_types::{Result, SqlError};

use super::{Binder, Bound, Clause, Level};
use crate::plan::{Id, Rel, Scalar};

impl Binder<'_> {
    pub(super) fn values(&mut self, values: &Values) -> Result<Bound> {
        self.levels.push(Level { clause: Clause::Values, ..Level::default() });
        let bound = self.value_rows(values);
        self.levels.pop();
        bound
    }

    fn value_rows(&mut self, values: &Values) -> Result<Bound> {
        let mut rows = Vec::with_capacity(values.rows.len());
        for row in &values.rows {
            rows.push(self.exprs(&row.content)?);
        }
        let width = rows.first().map_or(0, Vec::len);
        if rows.iter().any(|row: &Vec<Scalar>| row.len() != width) {
            return Err(SqlError::new(b"42601", "VALUES lists must all be of the same length"));
        }
        let mut columns = Vec::with_capacity(width);
        let mut output = Vec::with_capacity(width);
        for i in 0..width {
            let cells = rows.iter_mut().map(|row| std::mem::replace(&mut row[i], Scalar::And(Vec::new()))).collect();
            let (cells, ty) = self.unify(cells, "VALUES")?;
            for (row, cell) in rows.iter_mut().zip(cells) {
                row[i] = cell;
            }
            let name = format!("column{}", i + 1);
            let id = self.columns.add(name.clone(), ty);
            columns.push(id);
            output.push((name, id));
        }
        let rel = self.values_rel(columns, rows);
        Ok(Bound { rel, output, order: Vec::new() })
    }

    /// Rows that have subqueries are each a relation of its own.
    pub(super) fn values_rel(&mut self, columns: Vec<Id>, rows: Vec<Vec<Scalar>>) -> Rel {
        if !rows.iter().flatten().any(Scalar::has_subquery) {
            return Rel::Values { columns, rows };
        }
        let inputs = rows.into_iter().map(|row| {
            let ids: Vec<Id> = columns.iter().map(|id| self.columns.copy(*id)).collect();
            (Rel::unit().map(ids.iter().copied().zip(row).collect()), ids)
        });
        let inputs = inputs.collect();
        Rel::Union { columns, inputs }
    }
}

//! Values on their way into a table: each becomes what its column holds, by an assignment cast.

use sqlparser::ast::{self, Expr, SetExpr, Values};
use tidewater_types::{ColumnType, Result, SqlError, Type};

use super::{Binder, Bound, Clause, Level, names};
use crate::plan::{Id, Scalar};

/// A column that a query's rows are stored in.
pub(super) struct Target<'a> {
    /// Its name, for errors.
    pub(super) name: &'a str,
    /// Its type.
    pub(super) ty: ColumnType,
    /// What DEFAULT means; NULL if nothing is said.
    pub(super) default: Option<&'a Expr>,
}

impl Binder<'_> {
    /// The rows of an INSERT: they are of the targets' types. Without a list of columns there may be fewer values than columns, and
    /// the rest is what it is by default.
    pub(super) fn assigned(&mut self, query: &ast::Query, targets: &[Target<'_>], listed: bool) -> Result<Bound> {
        let plain =
            query.with.is_none() && query.order_by.is_none() && query.limit_clause.is_none() && query.fetch.is_none();
        let first = |width: usize| if listed { targets } else { &targets[..width.min(targets.len())] };
        match &*query.body {
            SetExpr::Values(values) if plain => {
                self.levels.push(Level { clause: Clause::Values, ..Level::default() });
                let width = values.rows.first().map_or(0, |row| row.content.len());
                let bound = self.assigned_rows(values, first(width));
                self.levels.pop();
                bound
            }
            _ => {
                let bound = self.query(query, false)?;
                let targets = first(bound.output.len());
                self.assigned_query(bound, targets)
            }
        }
    }

    /// VALUES: every value finds its column's type alone.
    fn assigned_rows(&mut self, values: &Values, targets: &[Target<'_>]) -> Result<Bound> {
        let width = values.rows.first().map_or(0, |row| row.content.len());
        if values.rows.iter().any(|row| row.content.len() != width) {
            return Err(SqlError::new(b"42601", "VALUES lists must all be of the same length"));
        }
        check_width(width, targets)?;
        let mut rows = Vec::with_capacity(values.rows.len());
        for row in &values.rows {
            let mut scalars = Vec::with_capacity(width);
            for (expr, target) in row.content.iter().zip(targets) {
                scalars.push(self.assigned_value(expr, target)?);
            }
            rows.push(scalars);
        }
        let columns: Vec<Id> = targets.iter().map(|target| self.columns.add(target.name, target.ty.clone())).collect();
        let output = targets.iter().zip(&columns).map(|(target, id)| (target.name.to_owned(), *id)).collect();
        let rel = self.values_rel(columns, rows);
        Ok(Bound { rel, output, order: Vec::new() })
    }

    /// A value of a column; DEFAULT is what the column is by default.
    pub(super) fn assigned_value(&mut self, expr: &Expr, target: &Target<'_>) -> Result<Scalar> {
        let expr = match expr {
            expr if is_default(expr) => match target.default {
                Some(default) => default,
                None => return Ok(Scalar::null(target.ty.clone())),
            },
            expr => expr,
        };
        let scalar = self.expr(expr)?;
        self.assign(scalar, &target.ty, target.name).map_err(|error| self.at(error, super::expr::start(expr)))
    }

    /// A query's rows as those of the targets' types.
    pub(super) fn assigned_query(&mut self, mut bound: Bound, targets: &[Target<'_>]) -> Result<Bound> {
        check_width(bound.output.len(), targets)?;
        let mut made = Vec::with_capacity(targets.len());
        for ((name, id), target) in bound.output.iter_mut().zip(targets) {
            let own = self.columns.ty(*id).ty.clone();
            let literal = if own == Type::Unknown { super::set_operation::literal_of(&bound.rel, *id) } else { None };
            let scalar = literal.unwrap_or_else(|| Scalar::column(*id, &self.columns));
            let scalar = self.assign(scalar, &target.ty, target.name)?;
            *id = self.columns.add(target.name, target.ty.clone());
            *name = target.name.to_owned();
            made.push((*id, scalar));
        }
        bound.rel = std::mem::replace(&mut bound.rel, crate::plan::Rel::unit()).map(made);
        Ok(bound)
    }
}

/// Whether it is the word DEFAULT.
pub(super) fn is_default(expr: &Expr) -> bool {
    matches!(expr, Expr::Identifier(ident) if ident.quote_style.is_none() && names::fold(ident) == "default")
}

fn check_width(width: usize, targets: &[Target<'_>]) -> Result<()> {
    match width.cmp(&targets.len()) {
        std::cmp::Ordering::Greater => Err(SqlError::new(b"42601", "INSERT has more expressions than target columns")),
        std::cmp::Ordering::Less => Err(SqlError::new(b"42601", "INSERT has more target columns than expressions")),
        std::cmp::Ordering::Equal => Ok(()),
    }
}

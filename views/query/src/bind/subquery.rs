//! Subqueries in expressions. Columns that they take from queries around them are simply columns that they don't make.

use sqlparser::ast::{Expr, Query};
use tidewater_types::{Result, SqlError};

use super::operator::is_row;
use super::{Binder, Bound, row};
use crate::plan::{Id, Scalar, SortKey, Subquery, SubqueryKind};

impl Binder<'_> {
    fn subquery(&mut self, kind: SubqueryKind, bound: Bound) -> Scalar {
        let columns = bound.output.iter().map(|(_, id)| *id).collect();
        Scalar::Subquery(Box::new(Subquery { kind, rel: bound.rel, columns }))
    }

    pub(super) fn exists(&mut self, query: &Query, negated: bool) -> Result<Scalar> {
        let bound = self.query(query, true)?;
        let scalar = self.subquery(SubqueryKind::Exists, bound);
        Ok(if negated { Scalar::Not(Box::new(scalar)) } else { scalar })
    }

    /// A subquery as a value: its only column's, in its only row.
    pub(super) fn scalar_subquery(&mut self, query: &Query) -> Result<Scalar> {
        let bound = self.query(query, true)?;
        let id = only_column(&bound)?;
        let ty = self.columns.ty(id).clone();
        Ok(self.subquery(SubqueryKind::Value(ty), bound))
    }

    /// ARRAY(SELECT …): in the subquery's order.
    pub(super) fn array_subquery(&mut self, query: &Query) -> Result<Scalar> {
        let bound = self.query(query, true)?;
        let id = only_column(&bound)?;
        let keys = bound.order.iter().map(|order| SortKey {
            scalar: self.column(order.id),
            descending: order.descending,
            nulls_first: order.nulls_first,
        });
        let aggregate = self.plain_aggregate("array_agg", self.column(id), keys.collect())?;
        let kind = SubqueryKind::Array(aggregate.call.ty.clone(), aggregate.call.function);
        let order = bound.order.clone();
        let mut scalar = self.subquery(kind, bound);
        if let Scalar::Subquery(subquery) = &mut scalar {
            // The order stays where the rewrite finds it: as the topmost node.
            if !matches!(subquery.rel, crate::plan::Rel::TopK(_)) && !order.is_empty() {
                return Err(super::unsupported("the order of this ARRAY subquery"));
            }
        }
        Ok(scalar)
    }

    pub(super) fn in_subquery(&mut self, left: &Expr, query: &Query, negated: bool) -> Result<Scalar> {
        let any = self.any_row(left, "=", query)?;
        Ok(if negated { Scalar::Not(Box::new(any)) } else { any })
    }

    pub(super) fn quantified_subquery(&mut self, left: &Expr, op: &str, query: &Query, all: bool) -> Result<Scalar> {
        if !all {
            return self.any_row(left, op, query);
        }
        // True for all means: not false for any. `<> ALL` so becomes what NOT IN is.
        if op == "<>" && !is_row(left) {
            return Ok(Scalar::Not(Box::new(self.any_row(left, "=", query)?)));
        }
        let Scalar::Subquery(mut subquery) = self.any_row(left, op, query)? else {
            return Err(super::unsupported("ALL of this subquery"));
        };
        if let SubqueryKind::Any(test) = &mut subquery.kind {
            **test = test.clone().negate();
        }
        Ok(Scalar::Not(Box::new(Scalar::Subquery(subquery))))
    }

    fn any_row(&mut self, left: &Expr, op: &str, query: &Query) -> Result<Scalar> {
        let left = match (is_row(left), left) {
            (true, left) => self.fields_of(left)?,
            (false, left) => vec![self.expr(left)?],
        };
        let bound = self.query(query, true)?;
        let right: Vec<Scalar> = bound.output.iter().map(|(_, id)| self.column(*id)).collect();
        if right.len() != left.len() {
            let much = if right.len() > left.len() { "many" } else { "few" };
            return Err(SqlError::new(b"42601", format!("subquery has too {much} columns")));
        }
        let test = self.compare_fields(left, op, right)?;
        let test = self.boolean(test, "IN")?;
        Ok(self.subquery(SubqueryKind::Any(Box::new(test)), bound))
    }

    /// `(a, b) = (SELECT …)`: the subquery's only row, as a record.
    pub(super) fn compare_row_subquery(&mut self, left: &Expr, op: &str, query: &Query) -> Result<Scalar> {
        let left = self.fields_of(left)?;
        let value = self.row_subquery(query)?;
        let right = row::fields(value);
        if right.len() != left.len() {
            let much = if right.len() > left.len() { "many" } else { "few" };
            return Err(SqlError::new(b"42601", format!("subquery has too {much} columns")));
        }
        self.compare_fields(left, op, right)
    }

    /// A subquery's only row, as a record.
    pub(super) fn row_subquery(&mut self, query: &Query) -> Result<Scalar> {
        let mut bound = self.query(query, true)?;
        let scalars = bound.output.iter().map(|(_, id)| self.column(*id)).collect();
        let record = self.row_of(scalars);
        let ty = record.ty();
        let id = self.columns.add("row", ty.clone());
        bound.rel = bound.rel.map(vec![(id, record)]);
        bound.output = vec![("row".to_owned(), id)];
        Ok(self.subquery(SubqueryKind::Value(ty), bound))
    }
}

fn only_column(bound: &Bound) -> Result<Id> {
    match &bound.output[..] {
        [(_, id)] => Ok(*id),
        _ => Err(SqlError::new(b"42601", "subquery must return only one column")),
    }
}

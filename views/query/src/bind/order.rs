//! ORDER BY, DISTINCT ON, LIMIT, OFFSET, FETCH.

use sqlparser::ast::{self, Expr, LimitClause, OrderByKind};
use tidewater_types::{Result, SqlError};

use super::target::{Target, position};
use super::{Binder, Bound, Clause, Level, names, unsupported};
use crate::plan::{Id, Order, Rel, Scalar, SortKey, TopK};

/// How many rows of a query are wanted.
#[derive(Default)]
pub(super) struct Limits {
    pub(super) limit: Option<Scalar>,
    pub(super) offset: Option<Scalar>,
    pub(super) ties: bool,
}

/// Where NULLs go where it is not said: they are greater than all values.
pub(super) fn direction(options: &ast::OrderByOptions) -> (bool, bool) {
    let descending = options.asc == Some(false);
    (descending, options.nulls_first.unwrap_or(descending))
}

impl Binder<'_> {
    /// A query's body with its ORDER BY and LIMIT.
    pub(super) fn query_body(&mut self, query: &ast::Query, resolve: bool) -> Result<Bound> {
        if let ast::SetExpr::Select(_) = &*query.body {
            return self.set_expr(&query.body, resolve, Some(query));
        }
        let bound = self.set_expr(&query.body, resolve, None)?;
        let order = match order_items(query)? {
            [] => Vec::new(),
            items => self.order_of_output(items, &bound.output)?,
        };
        self.levels.push(Level::default());
        let limits = self.limits(query, !order.is_empty());
        self.levels.pop();
        let limits = limits?;
        let rel = sorted(bound.rel, order.clone(), limits);
        let order = if order.is_empty() { bound.order } else { order };
        Ok(Bound { rel, output: bound.output, order })
    }

    /// ORDER BY of UNION and the like: by names and numbers of output columns only.
    fn order_of_output(&mut self, items: &[ast::OrderByExpr], output: &[(String, Id)]) -> Result<Vec<Order>> {
        let mut order = Vec::with_capacity(items.len());
        for item in items {
            let id = match (position(&item.expr), &item.expr) {
                (Some(Ok(at)), _) => output_at(at, output.len(), "ORDER BY").map(|at| output[at].1)?,
                (Some(Err(())), _) => return Err(SqlError::new(b"42601", "non-integer constant in ORDER BY")),
                (None, Expr::Identifier(ident)) => {
                    let name = names::fold(ident);
                    let missing = || SqlError::new(b"42703", format!("column \"{name}\" does not exist"));
                    output.iter().find(|(known, _)| *known == name).map(|(_, id)| *id).ok_or_else(missing)?
                }
                _ => {
                    let hint = "Add the expression/function to every SELECT, or move the UNION into a FROM clause.";
                    let message = "invalid UNION/INTERSECT/EXCEPT ORDER BY clause";
                    let detail = "Only result column names can be used, not expressions or functions.";
                    return Err(SqlError::new(b"0A000", message).detail(detail).hint(hint));
                }
            };
            let (descending, nulls_first) = direction(&item.options);
            order.push(Order { id, descending, nulls_first });
        }
        Ok(order)
    }

    /// A SELECT's ORDER BY: an output name or number, else an expression over the input.
    pub(super) fn order_by(&mut self, items: &[ast::OrderByExpr], targets: &[Target]) -> Result<Vec<SortKey>> {
        let mut keys = Vec::with_capacity(items.len());
        for item in items {
            if item.with_fill.is_some() {
                return Err(unsupported("WITH FILL"));
            }
            let scalar = self
                .output_or_expression(&item.expr, targets, Clause::OrderBy)
                .map_err(|error| self.at(error, super::expr::start(&item.expr)))?;
            let (descending, nulls_first) = direction(&item.options);
            keys.push(SortKey { scalar, descending, nulls_first });
        }
        Ok(keys)
    }

    pub(super) fn output_or_expression(&mut self, expr: &Expr, targets: &[Target], clause: Clause) -> Result<Scalar> {
        let word = if clause == Clause::DistinctOn { "DISTINCT ON" } else { "ORDER BY" };
        match position(expr) {
            Some(Ok(at)) => return output_at(at, targets.len(), word).map(|at| targets[at].scalar.clone()),
            Some(Err(())) => return Err(SqlError::new(b"42601", format!("non-integer constant in {word}"))),
            None => {}
        }
        if let Expr::Identifier(ident) = expr {
            let name = names::fold(ident);
            let mut found = targets.iter().filter(|target| target.name == name);
            if let Some(first) = found.next() {
                if found.any(|other| other.scalar != first.scalar) {
                    return Err(SqlError::new(b"42702", format!("{word} \"{name}\" is ambiguous")));
                }
                return Ok(first.scalar.clone());
            }
        }
        self.within(clause, |binder| {
            let scalar = binder.expr(expr)?;
            binder.known(scalar)
        })
    }

    pub(super) fn limits(&mut self, query: &ast::Query, ordered: bool) -> Result<Limits> {
        let mut limits = Limits::default();
        match &query.limit_clause {
            None => {}
            Some(LimitClause::LimitOffset { limit, offset, limit_by }) if limit_by.is_empty() => {
                limits.limit = limit.as_ref().map(|expr| self.limit(expr, Clause::Limit)).transpose()?;
                limits.offset = offset.as_ref().map(|offset| self.limit(&offset.value, Clause::Offset)).transpose()?;
            }
            Some(other) => return Err(unsupported(other)),
        }
        if let Some(fetch) = &query.fetch {
            if fetch.percent {
                return Err(unsupported("FETCH … PERCENT"));
            }
            if limits.limit.is_some() {
                return Err(SqlError::new(b"42601", "multiple LIMIT clauses not allowed"));
            }
            if fetch.with_ties && !ordered {
                return Err(SqlError::new(b"42601", "WITH TIES cannot be specified without ORDER BY clause"));
            }
            limits.ties = fetch.with_ties;
            limits.limit = Some(match &fetch.quantity {
                Some(expr) => self.limit(expr, Clause::Limit)?,
                None => super::literal::integer(1, tidewater_types::Type::Int8),
            });
        }
        Ok(limits)
    }

    fn limit(&mut self, expr: &Expr, clause: Clause) -> Result<Scalar> {
        let word = if clause == Clause::Limit { "LIMIT" } else { "OFFSET" };
        // LIMIT ALL comes as no limit or as a word.
        if let Expr::Identifier(ident) = expr
            && ident.value.eq_ignore_ascii_case("all")
        {
            return Ok(Scalar::null(tidewater_types::Type::Int8));
        }
        let scalar = self.within(clause, |binder| binder.expr(expr))?;
        let own = self.level().scope.ids();
        if scalar.free().iter().any(|id| own.contains(id)) {
            let error = SqlError::new(b"42P10", format!("argument of {word} must not contain variables"));
            return Err(self.at(error, super::expr::start(expr)));
        }
        self.bigint(scalar, word).map_err(|error| self.at(error, super::expr::start(expr)))
    }
}

/// A query's ORDER BY items.
pub(super) fn order_items(query: &ast::Query) -> Result<&[ast::OrderByExpr]> {
    match &query.order_by {
        None => Ok(&[]),
        Some(order) if order.interpolate.is_some() => Err(unsupported("INTERPOLATE")),
        Some(order) => match &order.kind {
            OrderByKind::Expressions(items) => Ok(items),
            OrderByKind::All(_) => Err(unsupported("ORDER BY ALL")),
        },
    }
}

/// The place of output column number `at`.
pub(super) fn output_at(at: i64, count: usize, clause: &str) -> Result<usize> {
    let place = usize::try_from(at - 1).ok().filter(|place| *place < count);
    place.ok_or_else(|| SqlError::new(b"42P10", format!("{clause} position {at} is not in select list")))
}

/// Rows in an order, and only some of them.
pub(super) fn sorted(rel: Rel, order: Vec<Order>, limits: Limits) -> Rel {
    let Limits { limit, offset, ties } = limits;
    if order.is_empty() && limit.is_none() && offset.is_none() {
        return rel;
    }
    Rel::TopK(Box::new(TopK { input: rel, partition: Vec::new(), order, limit, offset, ties }))
}

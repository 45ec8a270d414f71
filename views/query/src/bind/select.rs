//! SELECT: its clauses in the order in which they mean something.

use std::collections::BTreeSet;

use sqlparser::ast::{self, Distinct};
use tidewater_types::{Result, SqlError, Type};

use super::order::{Limits, order_items, sorted};
use super::output::Query;
use super::target::Target;
use super::{Binder, Bound, Clause, Level, unsupported};
use crate::plan::Scalar;

impl Binder<'_> {
    /// Binds a SELECT, with the ORDER BY and LIMIT of the query that it is the whole body of.
    pub(super) fn select(&mut self, select: &ast::Select, tail: Option<&ast::Query>, resolve: bool) -> Result<Bound> {
        refuse(select)?;
        self.levels.push(Level { windows: select.named_window.clone(), ..Level::default() });
        let bound = self.select_clauses(select, tail, resolve);
        self.levels.pop();
        bound
    }

    fn select_clauses(&mut self, select: &ast::Select, tail: Option<&ast::Query>, resolve: bool) -> Result<Bound> {
        let (mut rel, scope) = self.within(Clause::From, |binder| binder.from(&select.from))?;
        self.level().scope = scope;
        if let Some(selection) = &select.selection {
            let predicate = self.condition(selection, Clause::Where, "WHERE")?;
            rel = rel.filter(vec![predicate]);
        }
        let targets = self.within(Clause::Select, |binder| binder.targets(&select.projection))?;
        let mut query = Query { targets, ..Query::default() };
        let groups = self.group_by(&select.group_by, &query.targets)?;
        if let Some(having) = &select.having {
            query.having = Some(self.condition(having, Clause::Having, "HAVING")?);
        }
        let items = tail.map_or(Ok(&[][..]), order_items)?;
        query.order = self.order_by(items, &query.targets)?;
        if let Some(Distinct::On(exprs)) = &select.distinct {
            for expr in exprs {
                query.distinct_on.push(self.output_or_expression(expr, &query.targets, Clause::DistinctOn)?);
            }
        }
        query.distinct = matches!(select.distinct, Some(Distinct::Distinct));
        query.limits = match tail {
            Some(tail) => self.limits(tail, !query.order.is_empty())?,
            None => Limits::default(),
        };
        let is_sorted = query.distinct || !query.distinct_on.is_empty() || !query.order.is_empty();
        if resolve || is_sorted || !groups.sets.is_empty() {
            self.resolve_literals(&mut query)?;
        }
        self.check_distinct(&query)?;
        let level = self.level();
        let is_grouped = !groups.sets.is_empty()
            || !level.aggregates.is_empty()
            || query.having.is_some()
            || !level.groupings.is_empty();
        if is_grouped {
            rel = self.make_groups(rel, groups, &mut query)?;
        }
        let output = self.output(rel, query)?;
        Ok(output)
    }

    pub(super) fn condition(&mut self, expr: &ast::Expr, clause: Clause, word: &str) -> Result<Scalar> {
        self.within(clause, |binder| {
            let scalar = binder.expr(expr)?;
            binder.boolean(scalar, word).map_err(|error| binder.at(error, super::expr::start(expr)))
        })
    }

    /// Literals whose place gives them no type are text.
    fn resolve_literals(&mut self, query: &mut Query) -> Result<()> {
        for target in &mut query.targets {
            target.scalar = self.known(target.scalar.clone())?;
        }
        for key in &mut query.order {
            key.scalar = self.known(key.scalar.clone())?;
        }
        for scalar in &mut query.distinct_on {
            *scalar = self.known(scalar.clone())?;
        }
        Ok(())
    }

    fn check_distinct(&mut self, query: &Query) -> Result<()> {
        if query.distinct {
            let shown = |scalar: &Scalar| query.targets.iter().any(|target| target.scalar == *scalar);
            if !query.order.iter().all(|key| shown(&key.scalar)) {
                let message = "for SELECT DISTINCT, ORDER BY expressions must appear in select list";
                return Err(SqlError::new(b"42P10", message));
            }
            let compared = query.targets.iter().map(|target| target.scalar.ty().ty);
            if let Some(ty) = compared.into_iter().find(|ty| matches!(ty, Type::Json | Type::JsonPath)) {
                let message = format!("could not identify an equality operator for type {ty}");
                return Err(SqlError::new(b"42883", message));
            }
        }
        if !query.distinct_on.is_empty() && !query.order.is_empty() {
            // The first ORDER BY expressions are those of DISTINCT ON, in any order.
            let mut seen = BTreeSet::new();
            for key in &query.order {
                match query.distinct_on.iter().position(|on| *on == key.scalar) {
                    Some(at) => {
                        seen.insert(at);
                    }
                    None if seen.len() == unique(&query.distinct_on) => break,
                    None => {
                        let message = "SELECT DISTINCT ON expressions must match initial ORDER BY expressions";
                        return Err(SqlError::new(b"42P10", message));
                    }
                }
            }
        }
        Ok(())
    }

    /// Groups the rows, and makes of all that is computed after them scalars over groups.
    fn make_groups(
        &mut self,
        mut rel: crate::plan::Rel,
        groups: super::group::Groups,
        query: &mut Query,
    ) -> Result<crate::plan::Rel> {
        // A set-returning function that is grouped by gives its rows before.
        let keys: BTreeSet<_> = groups.exprs.iter().flat_map(Scalar::free).collect();
        let (before, after): (Vec<_>, Vec<_>) = std::mem::take(&mut self.level().sets)
            .into_iter()
            .partition(|(ids, _)| ids.iter().any(|id| keys.contains(id)));
        rel = self.flat_map(rel, before);
        let (mut rel, grouped) = self.grouped(rel, groups)?;
        for target in &mut query.targets {
            self.over_groups(&mut target.scalar, &grouped)?;
        }
        for key in &mut query.order {
            self.over_groups(&mut key.scalar, &grouped)?;
        }
        for scalar in query.distinct_on.iter_mut().chain(&mut query.having) {
            self.over_groups(scalar, &grouped)?;
        }
        let mut windows = std::mem::take(&mut self.level().window_calls);
        for (_, window) in &mut windows {
            let mut failed = Ok(());
            window.for_each_scalar_mut(&mut |scalar| {
                if failed.is_ok() {
                    failed = self.over_groups(scalar, &grouped);
                }
            });
            failed?;
        }
        self.level().window_calls = windows;
        let mut sets = after;
        for (_, call) in &mut sets {
            for arg in &mut call.args {
                self.over_groups(arg, &grouped)?;
            }
        }
        self.level().sets = sets;
        if let Some(having) = query.having.take() {
            rel = rel.filter(vec![having]);
        }
        Ok(rel)
    }

    /// ORDER BY and LIMIT at last.
    pub(super) fn finish_order(
        &mut self,
        rel: crate::plan::Rel,
        targets: &[(Target, crate::plan::Id)],
        order: Vec<crate::plan::Order>,
        limits: Limits,
    ) -> Bound {
        let output = targets.iter().map(|(target, id)| (target.name.clone(), *id)).collect();
        Bound { rel: sorted(rel, order.clone(), limits), output, order }
    }
}

fn unique(scalars: &[Scalar]) -> usize {
    scalars.iter().collect::<std::collections::HashSet<_>>().len()
}

/// Clauses of other dialects, and of PostgreSQL's that are no part of a query here.
fn refuse(select: &ast::Select) -> Result<()> {
    if select.into.is_some() {
        return Err(unsupported("SELECT INTO"));
    }
    let strange = select.top.is_some()
        || select.exclude.is_some()
        || !select.lateral_views.is_empty()
        || select.prewhere.is_some()
        || !select.connect_by.is_empty()
        || !select.cluster_by.is_empty()
        || !select.distribute_by.is_empty()
        || !select.sort_by.is_empty()
        || select.qualify.is_some()
        || select.value_table_mode.is_some()
        || select.flavor != ast::SelectFlavor::Standard;
    if strange { Err(unsupported("a clause of this SELECT")) } else { Ok(()) }
}

//! Joins: ON, USING, NATURAL, and the columns that they merge.

use std::collections::BTreeSet;

use sqlparser::ast::{Join, JoinConstraint, JoinOperator, TableWithJoins};
use tidewater_types::{Result, SqlError, Type};

use super::scope::{Hidden, Scope, ScopeColumn, ScopeTable};
use super::{Binder, Clause, names, unsupported};
use crate::plan::{Constant, Id, JoinKind, Rel, Scalar};

/// What the parser's text makes of the alias in `USING (…) AS alias`: a column more, whose name begins so.
pub(crate) const MERGED_ALIAS: &str = "alias of merged columns: ";

/// As written; RIGHT is LEFT turned.
#[derive(Clone, Copy, PartialEq)]
enum Written {
    Inner,
    Left,
    Right,
    Full,
}

impl Binder<'_> {
    pub(super) fn table_with_joins(&mut self, item: &TableWithJoins, visible: &Scope) -> Result<(Rel, Scope)> {
        let (mut rel, mut scope) = self.table_factor(&item.relation, visible)?;
        for join in &item.joins {
            (rel, scope) = self.join(rel, scope, join, visible)?;
        }
        Ok((rel, scope))
    }

    fn join(&mut self, mut left: Rel, mut scope: Scope, join: &Join, visible: &Scope) -> Result<(Rel, Scope)> {
        let cross = JoinConstraint::On(always());
        let (written, constraint) = match &join.join_operator {
            JoinOperator::Join(constraint) | JoinOperator::Inner(constraint) => (Written::Inner, constraint),
            JoinOperator::CrossJoin(JoinConstraint::None) => (Written::Inner, &cross),
            JoinOperator::Left(constraint) | JoinOperator::LeftOuter(constraint) => (Written::Left, constraint),
            JoinOperator::Right(constraint) | JoinOperator::RightOuter(constraint) => (Written::Right, constraint),
            JoinOperator::FullOuter(constraint) => (Written::Full, constraint),
            other => return Err(unsupported(format!("this kind of join ({other:?})"))),
        };
        if *constraint == JoinConstraint::None {
            return Err(SqlError::new(b"42601", "syntax error: a join needs ON, USING or NATURAL"));
        }
        // LATERAL on the right may read the left side, unless rows of the right stand alone.
        let lateral = match written {
            Written::Inner | Written::Left => visible.clone().with(scope.clone())?,
            Written::Right | Written::Full => visible.clone().with(scope.hidden(Hidden::ByJoin))?,
        };
        let (mut right, mut right_scope) = self.table_factor(&join.relation, &lateral)?;
        if matches!(written, Written::Left | Written::Full) {
            right = self.mark_present(right, &mut right_scope);
        }
        if matches!(written, Written::Right | Written::Full) {
            left = self.mark_present(left, &mut scope);
        }
        match constraint {
            JoinConstraint::On(expr) => {
                let both = scope.with(right_scope)?;
                let mut sight = both.clone();
                sight.tables.extend(visible.hidden(Hidden::Elsewhere).tables);
                let on = self.with_scope(sight, Clause::JoinOn, |binder| {
                    let scalar = binder.expr(expr)?;
                    binder.boolean(scalar, "JOIN/ON")
                })?;
                let mut on = crate::plan::conjuncts(vec![on]);
                if written == Written::Full && on.iter().any(Scalar::has_subquery) {
                    (left, right) = self.subqueries_of_sides(left, right, &mut on)?;
                }
                Ok((joined(written, left, right, on), both))
            }
            JoinConstraint::Using(columns) => {
                let mut shared = Vec::new();
                let mut alias = None;
                for column in columns {
                    let name = names::parts(column)?.pop().unwrap_or_default();
                    if let Some(name) = name.strip_prefix(MERGED_ALIAS) {
                        alias = Some(name.to_owned());
                        continue;
                    }
                    if shared.contains(&name) {
                        let message = format!("column name \"{name}\" appears more than once in USING clause");
                        return Err(SqlError::new(b"42701", message));
                    }
                    shared.push(name);
                }
                let (rel, mut scope) = self.merge(written, (left, scope), (right, right_scope), &shared)?;
                if let Some(name) = alias {
                    let columns = scope.columns[..shared.len()].to_vec();
                    let table = self.alias(columns, None, None, &name)?;
                    let merged = Scope { tables: vec![table], columns: Vec::new() };
                    scope = scope.with(merged)?;
                }
                Ok((rel, scope))
            }
            JoinConstraint::Natural => {
                let mut shared: Vec<String> = Vec::new();
                for column in &scope.columns {
                    let there = right_scope.columns.iter().any(|other| other.name == column.name);
                    if there && !shared.contains(&column.name) {
                        shared.push(column.name.clone());
                    }
                }
                self.merge(written, (left, scope), (right, right_scope), &shared)
            }
            JoinConstraint::None => Err(SqlError::new(b"42601", "syntax error: a join needs a condition")),
        }
    }

    /// Subqueries in the condition of a full join that read one side at most are columns of that side.
    fn subqueries_of_sides(&mut self, left: Rel, right: Rel, on: &mut [Scalar]) -> Result<(Rel, Rel)> {
        let of = |rel: &Rel| rel.columns().into_iter().collect::<BTreeSet<_>>();
        let (of_left, of_right) = (of(&left), of(&right));
        let (mut made_left, mut made_right, mut failed) = (Vec::new(), Vec::new(), Ok(()));
        for scalar in on {
            take_subqueries(scalar, &mut |subquery| {
                let free = subquery.free();
                let reads = |ids: &BTreeSet<Id>| free.iter().any(|id| ids.contains(id));
                let made = match (reads(&of_left), reads(&of_right)) {
                    (_, false) => &mut made_left,
                    (false, true) => &mut made_right,
                    (true, true) => {
                        failed = Err(unsupported("a subquery over both sides in the condition of a full join"));
                        return;
                    }
                };
                let id = self.columns.add("subquery", subquery.ty());
                let column = Scalar::column(id, &self.columns);
                made.push((id, std::mem::replace(subquery, column)));
            });
        }
        failed?;
        Ok((left.map(made_left), right.map(made_right)))
    }

    /// A column that tells rows that are there from those that an outer join fills with NULLs, for tables whose whole rows the
    /// statement may read: those whose names stand in it more often than where they are named.
    fn mark_present(&mut self, rel: Rel, scope: &mut Scope) -> Rel {
        let text = self.text.clone();
        let is_read =
            |table: &ScopeTable| table.present.is_none() && !table.is_value && bare_uses(&text, &table.name) > 1;
        if !scope.tables.iter().any(is_read) {
            return rel;
        }
        let id = self.columns.add("present", Type::Bool);
        for table in scope.tables.iter_mut().filter(|table| is_read(table)) {
            table.present = Some(id);
        }
        rel.map(vec![(id, Scalar::Literal(Constant::bool(true)))])
    }

    /// Joins on the columns of the same names, which become one each: the left's, of a right join the right's, of a full join
    /// whichever there is.
    fn merge(
        &mut self,
        written: Written,
        (left, left_scope): (Rel, Scope),
        (right, right_scope): (Rel, Scope),
        shared: &[String],
    ) -> Result<(Rel, Scope)> {
        let mut on = Vec::with_capacity(shared.len());
        let mut pairs = Vec::with_capacity(shared.len());
        for name in shared {
            let a = using_column(&left_scope, name, "left")?;
            let b = using_column(&right_scope, name, "right")?;
            on.push(self.operator("=", vec![self.column(a), self.column(b)])?);
            pairs.push((name.clone(), a, b));
        }
        let mut rel = joined(written, left, right, on);
        let mut merged = Vec::with_capacity(pairs.len());
        let mut made = Vec::new();
        for (name, a, b) in pairs {
            let (sides, ty) = self.unify(vec![self.column(a), self.column(b)], "JOIN/USING")?;
            let value = match written {
                Written::Inner | Written::Left => sides[0].clone(),
                Written::Right => sides[1].clone(),
                Written::Full => Scalar::Coalesce(sides),
            };
            let id = match value {
                Scalar::Column(id, _) => id,
                value => {
                    let id = self.columns.add(name.clone(), ty);
                    made.push((id, value));
                    id
                }
            };
            merged.push(ScopeColumn { name, id });
        }
        rel = rel.map(made);
        let rest = |scope: &Scope| -> Vec<ScopeColumn> {
            scope.columns.iter().filter(|column| !shared.contains(&column.name)).cloned().collect()
        };
        let (left_rest, right_rest) = (rest(&left_scope), rest(&right_scope));
        let mut scope = left_scope.with(right_scope)?;
        scope.columns = merged.into_iter().chain(left_rest).chain(right_rest).collect();
        Ok((rel, scope))
    }
}

fn take_subqueries(scalar: &mut Scalar, take: &mut dyn FnMut(&mut Scalar)) {
    if let Scalar::Subquery(_) = scalar {
        return take(scalar);
    }
    scalar.for_each_child_mut(&mut |child| take_subqueries(child, take));
}

/// How often a name stands in a text without a column behind it.
fn bare_uses(text: &str, name: &str) -> usize {
    let (text, name) = (text.to_lowercase(), name.to_lowercase());
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    let uses = text.match_indices(&name).filter(|(at, _)| {
        let after = text[at + name.len()..].trim_start_matches('"');
        let before = text[..*at].chars().next_back();
        !before.is_some_and(is_word) && (after.starts_with(".*") || !after.starts_with(|c| is_word(c) || c == '.'))
    });
    uses.count()
}

fn using_column(scope: &Scope, name: &str, side: &str) -> Result<Id> {
    match scope.column(name) {
        Ok(Some(id)) => Ok(id),
        Ok(None) => {
            let message = format!("column \"{name}\" specified in USING clause does not exist in {side} table");
            Err(SqlError::new(b"42703", message))
        }
        Err(_) => {
            let message = format!("common column name \"{name}\" appears more than once in {side} table");
            Err(SqlError::new(b"42702", message))
        }
    }
}

fn joined(written: Written, left: Rel, right: Rel, on: Vec<Scalar>) -> Rel {
    let on = crate::plan::conjuncts(on).into_iter().filter(|scalar| !is_true(scalar)).collect();
    match written {
        Written::Inner => Rel::join(JoinKind::Inner, left, right, on),
        Written::Left => Rel::join(JoinKind::Left, left, right, on),
        Written::Right => Rel::join(JoinKind::Left, right, left, on),
        Written::Full => Rel::join(JoinKind::Full, left, right, on),
    }
}

fn is_true(scalar: &Scalar) -> bool {
    matches!(scalar, Scalar::Literal(constant) if crate::constant::bool(constant) == Some(true))
}

fn always() -> sqlparser::ast::Expr {
    sqlparser::ast::Expr::value(sqlparser::ast::Value::Boolean(true))
}

//! Joins: ON, USING, NATURAL, and the columns that they merge.

use sqlparser::ast::{Join, JoinConstraint, JoinOperator, TableWithJoins};
use tidewater_types::{Result, SqlError};

use super::scope::{Hidden, Scope, ScopeColumn};
use super::{Binder, Clause, names, unsupported};
use crate::plan::{JoinKind, Rel, Scalar};

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

    fn join(&mut self, left: Rel, scope: Scope, join: &Join, visible: &Scope) -> Result<(Rel, Scope)> {
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
        let (right, right_scope) = self.table_factor(&join.relation, &lateral)?;
        match constraint {
            JoinConstraint::On(expr) => {
                let both = scope.with(right_scope)?;
                let mut sight = both.clone();
                sight.tables.extend(visible.hidden(Hidden::Elsewhere).tables);
                let on = self.with_scope(sight, Clause::JoinOn, |binder| {
                    let scalar = binder.expr(expr)?;
                    binder.boolean(scalar, "JOIN/ON")
                })?;
                Ok((joined(written, left, right, vec![on]), both))
            }
            JoinConstraint::Using(columns) => {
                let mut shared = Vec::new();
                for column in columns {
                    let name = names::parts(column)?.pop().unwrap_or_default();
                    if shared.contains(&name) {
                        let message = format!("column name \"{name}\" appears more than once in USING clause");
                        return Err(SqlError::new(b"42701", message));
                    }
                    shared.push(name);
                }
                self.merge(written, (left, scope), (right, right_scope), &shared)
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

fn using_column(scope: &Scope, name: &str, side: &str) -> Result<crate::plan::Id> {
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

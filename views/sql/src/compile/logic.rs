//! Truth values: connectives, comparisons, CASE, and what chooses among values.

use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::{BinaryExpr, Case, Expr, Operator};
use delta::{Datum, Kind};

use super::Compiler;
use crate::error::Result;

/// How a comparison is done.
type Compare = (engine::Expr, engine::Expr, Kind);

impl Compiler<'_> {
    pub(super) fn not(&self, inner: &Expr) -> Result<engine::Expr> {
        let inner = self.closure(inner)?;
        Ok(engine::Expr::new(move |tuple, scratch| {
            Ok(match inner.eval(tuple, scratch)? {
                Datum::Bool(value) => Datum::Bool(!value),
                _ => Datum::Null,
            })
        }))
    }

    /// AND and OR of three truth values; the right side is left alone where the left one decides.
    pub(super) fn connective(&self, binary: &BinaryExpr) -> Result<engine::Expr> {
        let (left, right) = (self.closure(&binary.left)?, self.closure(&binary.right)?);
        let decides = binary.op == Operator::Or;
        Ok(engine::Expr::new(move |tuple, scratch| {
            let left = left.eval(tuple, scratch)?;
            if matches!(left, Datum::Bool(value) if value == decides) {
                return Ok(left);
            }
            let right = right.eval(tuple, scratch)?;
            Ok(match (left, right) {
                (_, Datum::Bool(value)) if value == decides => Datum::Bool(decides),
                (Datum::Bool(_), Datum::Bool(value)) => Datum::Bool(value),
                _ => Datum::Null,
            })
        }))
    }

    /// Both sides, if they are of one type whose order rows know. Nested values and intervals have DataFusion's own meaning of
    /// equality.
    fn comparable(&self, left: &Expr, right: &Expr) -> Result<Option<Compare>> {
        let (left_type, right_type) = (self.type_of(left)?, self.type_of(right)?);
        let kind = Kind::of(&left_type).filter(|_| left_type == right_type);
        match kind.filter(|k| !matches!(k, Kind::List(_) | Kind::Struct(_) | Kind::Interval)) {
            Some(kind) => Ok(Some((self.closure(left)?, self.closure(right)?, kind))),
            None => Ok(None),
        }
    }

    pub(super) fn comparison(&self, left: &Expr, op: Operator, right: &Expr) -> Result<Option<engine::Expr>> {
        let Some((left, right, kind)) = self.comparable(left, right)? else { return Ok(None) };
        Ok(Some(engine::Expr::new(move |tuple, scratch| {
            let (left, right) = (left.eval(tuple, scratch)?, right.eval(tuple, scratch)?);
            if left.is_null() || right.is_null() {
                return Ok(Datum::Null);
            }
            let ordering = left.compare(&right, &kind);
            Ok(Datum::Bool(match op {
                Operator::Eq => ordering.is_eq(),
                Operator::NotEq => ordering.is_ne(),
                Operator::Lt => ordering.is_lt(),
                Operator::LtEq => ordering.is_le(),
                Operator::Gt => ordering.is_gt(),
                _ => ordering.is_ge(),
            }))
        })))
    }

    /// The value of the first branch whose condition is true; no other branch is evaluated.
    pub(super) fn case(&self, case: &Case) -> Result<Option<engine::Expr>> {
        let mut branches = Vec::new();
        for (when, then) in &case.when_then_expr {
            let when = match &case.expr {
                None => self.closure(when)?,
                Some(base) => match self.comparison(base, Operator::Eq, when)? {
                    Some(equal) => equal,
                    None => return Ok(None),
                },
            };
            branches.push((when, self.closure(then)?));
        }
        let otherwise = case.else_expr.as_deref().map(|expr| self.closure(expr)).transpose()?;
        Ok(Some(engine::Expr::new(move |tuple, scratch| {
            for (when, then) in &branches {
                if matches!(when.eval(tuple, scratch)?, Datum::Bool(true)) {
                    return then.eval(tuple, scratch);
                }
            }
            otherwise.as_ref().map_or(Ok(Datum::Null), |otherwise| otherwise.eval(tuple, scratch))
        })))
    }

    pub(super) fn coalesce(&self, args: &[Expr]) -> Result<engine::Expr> {
        let args = args.iter().map(|arg| self.closure(arg)).collect::<Result<Vec<_>>>()?;
        Ok(engine::Expr::new(move |tuple, scratch| {
            for arg in &args {
                let value = arg.eval(tuple, scratch)?;
                if !value.is_null() {
                    return Ok(value);
                }
            }
            Ok(Datum::Null)
        }))
    }

    pub(super) fn null_if(&self, a: &Expr, b: &Expr) -> Result<Option<engine::Expr>> {
        let Some((a, b, kind)) = self.comparable(a, b)? else { return Ok(None) };
        Ok(Some(engine::Expr::new(move |tuple, scratch| {
            let (a, b) = (a.eval(tuple, scratch)?, b.eval(tuple, scratch)?);
            let equal = !a.is_null() && !b.is_null() && a.compare(&b, &kind).is_eq();
            Ok(if equal { Datum::Null } else { a })
        })))
    }

    /// Unknown where nothing matches and a NULL is on either side.
    pub(super) fn in_list(&self, list: &InList) -> Result<Option<engine::Expr>> {
        let mut equals = Vec::new();
        for value in &list.list {
            match self.comparison(&list.expr, Operator::Eq, value)? {
                Some(equal) => equals.push(equal),
                None => return Ok(None),
            }
        }
        let negated = list.negated;
        Ok(Some(engine::Expr::new(move |tuple, scratch| {
            let mut unknown = false;
            for equal in &equals {
                match equal.eval(tuple, scratch)? {
                    Datum::Bool(true) => return Ok(Datum::Bool(!negated)),
                    Datum::Bool(_) => {}
                    _ => unknown = true,
                }
            }
            Ok(if unknown { Datum::Null } else { Datum::Bool(negated) })
        })))
    }
}

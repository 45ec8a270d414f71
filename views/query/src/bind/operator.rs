//! Operators, and the constructs that are made of them: IN lists, BETWEEN, ANY and ALL over arrays, IS DISTINCT FROM.

use sqlparser::ast::{BinaryOperator, Expr, UnaryOperator, Value};
use tidewater_functions::{CastContext, Param, operators};
use tidewater_types::{Result, SqlError, Type};

use super::overload::{Choice, choose_operator};
use super::{Binder, unsupported};
use crate::plan::{FunctionRef, Quantified, Scalar};

impl Binder<'_> {
    /// The operator `name` of one or two arguments.
    pub(super) fn operator(&mut self, name: &str, args: Vec<Scalar>) -> Result<Scalar> {
        let types: Vec<Type> = args.iter().map(|arg| arg.ty().ty).collect();
        let candidates: Vec<_> = operators(name).iter().filter(|op| op.params.len() == args.len()).collect();
        match choose_operator(&candidates, &types) {
            Choice::One(function) => self.call(function, args, false),
            Choice::Nothing => Err(no_operator(name, &types)),
            Choice::Several => {
                let hint = "Could not choose a best candidate operator. You might need to add explicit type casts.";
                Err(SqlError::new(b"42725", format!("operator is not unique: {}", spelled(name, &types))).hint(hint))
            }
        }
    }

    pub(super) fn unary(&mut self, op: &UnaryOperator, expr: &Expr) -> Result<Scalar> {
        let name = match op {
            UnaryOperator::Not => {
                let scalar = self.expr(expr)?;
                return Ok(Scalar::Not(Box::new(self.boolean(scalar, "NOT")?)));
            }
            UnaryOperator::Minus => {
                // PostgreSQL's parser makes a negative literal of it, so that the least integers fit.
                if let Expr::Value(value) = expr
                    && let Value::Number(text, _) = &value.value
                {
                    return self.number(&format!("-{text}"));
                }
                // It binds closer than `^`, which the parser does not know.
                if let Expr::BinaryOp {
                    left,
                    op: power @ (BinaryOperator::PGExp | BinaryOperator::BitwiseXor),
                    right,
                } = expr
                {
                    let left = Expr::UnaryOp { op: *op, expr: left.clone() };
                    return self.binary(&left, power, right);
                }
                "-"
            }
            UnaryOperator::Plus => "+",
            UnaryOperator::BitwiseNot => "~",
            UnaryOperator::PGAbs => "@",
            UnaryOperator::PGSquareRoot => "|/",
            UnaryOperator::PGCubeRoot => "||/",
            UnaryOperator::BangNot => "!",
            other => return Err(unsupported(format!("operator {other}"))),
        };
        let arg = self.expr(expr)?;
        self.operator(name, vec![arg])
    }

    pub(super) fn binary(&mut self, left: &Expr, op: &BinaryOperator, right: &Expr) -> Result<Scalar> {
        match op {
            BinaryOperator::And | BinaryOperator::Or => return self.logic(left, op, right),
            BinaryOperator::Overlaps => return self.overlaps(left, right),
            _ => {}
        }
        let name = operator_name(op)?;
        if let Expr::AnyOp { .. } | Expr::AllOp { .. } = right {
            return Err(unsupported("ANY or ALL here"));
        }
        if is_row(left) && is_row(right) {
            return self.compare_rows(left, &name, right);
        }
        if let (true, Expr::Subquery(query)) = (is_row(left), right) {
            return self.compare_row_subquery(left, &name, query);
        }
        let args = vec![self.expr(left)?, self.expr(right)?];
        self.operator(&name, args).map_err(|error| self.at_operator(error, left))
    }

    /// The error, at the operator that follows an expression.
    fn at_operator(&self, error: SqlError, left: &Expr) -> SqlError {
        let Some(end) = self.position(super::expr::span(left).end) else { return error };
        // What stands between: blanks, and parentheses that belong to the expression.
        let rest = self.text.chars().skip(end as usize - 1);
        let between = rest.take_while(|c| c.is_whitespace() || *c == ')').count();
        error.at(end + between as u32)
    }

    /// AND and OR of any length: written chains are deep to the left.
    fn logic(&mut self, left: &Expr, op: &BinaryOperator, right: &Expr) -> Result<Scalar> {
        let mut exprs = vec![right];
        let mut rest = left;
        while let Expr::BinaryOp { left, op: inner, right } = rest
            && inner == op
        {
            exprs.push(right);
            rest = left;
        }
        exprs.push(rest);
        let word = if *op == BinaryOperator::And { "AND" } else { "OR" };
        let mut parts = Vec::with_capacity(exprs.len());
        for expr in exprs.into_iter().rev() {
            let scalar = self.expr(expr)?;
            let scalar = self.boolean(scalar, word).map_err(|error| self.at(error, super::expr::start(expr)))?;
            match (scalar, op) {
                (Scalar::And(inner), BinaryOperator::And) | (Scalar::Or(inner), BinaryOperator::Or) => {
                    parts.extend(inner);
                }
                (other, _) => parts.push(other),
            }
        }
        Ok(if *op == BinaryOperator::And { Scalar::And(parts) } else { Scalar::Or(parts) })
    }

    pub(super) fn distinct_from(&mut self, left: &Expr, right: &Expr) -> Result<Scalar> {
        if is_row(left) && is_row(right) {
            return self.distinct_rows(left, right);
        }
        let (a, b) = (self.expr(left)?, self.expr(right)?);
        self.distinct(a, b).map_err(|error| self.at_operator(error, left))
    }

    /// IS DISTINCT FROM: by the operator `=`, whose arguments both become one type.
    pub(super) fn distinct(&mut self, left: Scalar, right: Scalar) -> Result<Scalar> {
        let compared = self.operator("=", vec![left, right])?;
        let Scalar::Call(call) = compared else { return Err(unsupported("IS DISTINCT FROM of these values")) };
        let [left, right] = <[Scalar; 2]>::try_from(call.args).map_err(|_| unsupported("IS DISTINCT FROM"))?;
        let (a, b) = (left.ty().ty, right.ty().ty);
        if a == b {
            return Ok(Scalar::Distinct(Box::new(left), Box::new(right)));
        }
        // An operator of two types: what is wider holds both.
        let ty = if super::coerce::can_coerce(&a, &b, CastContext::Implicit) { b } else { a };
        let left = self.coerce(left, &ty.clone().into(), CastContext::Implicit)?;
        let right = self.coerce(right, &ty.into(), CastContext::Implicit)?;
        Ok(Scalar::Distinct(Box::new(left), Box::new(right)))
    }

    pub(super) fn in_list(&mut self, expr: &Expr, list: &[Expr], negated: bool) -> Result<Scalar> {
        let mut tests = Vec::with_capacity(list.len());
        if is_row(expr) {
            for item in list {
                tests.push(self.compare_rows(expr, "=", item)?);
            }
        } else {
            let left = self.expr(expr)?;
            let mut items = self.exprs(list)?;
            // Literals become the type that all sides have in common, if there is one.
            let mut types = vec![left.ty().ty];
            types.extend(items.iter().map(|item| item.ty().ty));
            let has_record = types.iter().any(|ty| matches!(ty, Type::Record(_)));
            if let Ok(common) = super::coerce::common_type(&types, "IN")
                && items.len() > 1
                && !has_record
            {
                let fits = |scalar: &Scalar| super::coerce::can_coerce(&scalar.ty().ty, &common, CastContext::Implicit);
                if items.iter().all(fits) && fits(&left) {
                    let ty = common.into();
                    items = items
                        .into_iter()
                        .map(|item| self.coerce(item, &ty, CastContext::Implicit))
                        .collect::<Result<_>>()?;
                }
            }
            for item in items {
                let test = self.operator("=", vec![left.clone(), item])?;
                tests.push(self.boolean(test, "IN")?);
            }
        }
        let any = if tests.len() == 1 { tests.remove(0) } else { Scalar::Or(tests) };
        Ok(if negated { Scalar::Not(Box::new(any)) } else { any })
    }

    pub(super) fn between(&mut self, expr: &Expr, low: &Expr, high: &Expr, negated: bool) -> Result<Scalar> {
        let mut compare = |op: &str, bound: &Expr| -> Result<Scalar> {
            if is_row(expr) && is_row(bound) {
                return self.compare_rows(expr, op, bound);
            }
            let args = vec![self.expr(expr)?, self.expr(bound)?];
            self.operator(op, args)
        };
        if negated {
            return Ok(Scalar::Or(vec![compare("<", low)?, compare(">", high)?]));
        }
        Ok(Scalar::And(vec![compare(">=", low)?, compare("<=", high)?]))
    }

    /// `x op ANY (array or subquery)`.
    pub(super) fn quantified(&mut self, left: &Expr, op: &BinaryOperator, right: &Expr, all: bool) -> Result<Scalar> {
        let name = operator_name(op)?;
        if let Expr::Subquery(query) = right {
            return self.quantified_subquery(left, &name, query, all);
        }
        let (bound, array) = (self.expr(left)?, self.expr(right)?);
        self.over_array(&name, bound, array, all).map_err(|error| self.at_operator(error, left))
    }

    fn over_array(&mut self, name: &str, left: Scalar, array: Scalar, all: bool) -> Result<Scalar> {
        let left_type = left.ty().ty;
        let array_type = array.ty().ty;
        let element = match array_type.element() {
            Some(element) => element.clone(),
            None if array_type == Type::Unknown => Type::Unknown,
            None => return Err(SqlError::new(b"42809", "op ANY/ALL (array) requires array on right side")),
        };
        let candidates: Vec<_> = operators(name).iter().filter(|op| op.params.len() == 2).collect();
        let types = [left_type, element.clone()];
        let function = match choose_operator(&candidates, &types) {
            Choice::One(function) => function,
            _ => return Err(no_operator(name, &types)),
        };
        if function.result != Param::Of(Type::Bool) {
            return Err(SqlError::new(b"42809", "op ANY/ALL (array) requires operator to yield boolean"));
        }
        let resolved = super::call::resolve_types(function, &types, false)?;
        let element = resolved.args[1].clone();
        let array_ty = element.clone().array().into();
        let left = self.coerce(left, &resolved.args[0].clone().into(), CastContext::Implicit)?;
        let array = self.coerce(array, &array_ty, CastContext::Implicit)?;
        let function = FunctionRef(function);
        Ok(Scalar::Quantified(Box::new(Quantified { left, array, element: element.into(), function, all })))
    }

    /// `(a, b) OVERLAPS (c, d)`.
    fn overlaps(&mut self, left: &Expr, right: &Expr) -> Result<Scalar> {
        let (Expr::Tuple(left), Expr::Tuple(right)) = (left, right) else {
            return Err(SqlError::new(b"42601", "wrong number of parameters on left side of OVERLAPS expression"));
        };
        let args = self.exprs(&[left.clone(), right.clone()].concat())?;
        self.named_call("overlaps", args)
    }
}

/// A written row: what makes a comparison one of rows.
pub(super) fn is_row(expr: &Expr) -> bool {
    match expr {
        Expr::Tuple(_) => true,
        Expr::Function(function) => function.name.to_string().eq_ignore_ascii_case("row"),
        _ => false,
    }
}

fn no_operator(name: &str, types: &[Type]) -> SqlError {
    let hint = "No operator matches the given name and argument types. You might need to add explicit type casts.";
    SqlError::new(b"42883", format!("operator does not exist: {}", spelled(name, types))).hint(hint)
}

fn spelled(name: &str, types: &[Type]) -> String {
    match types {
        [one] => format!("{name} {one}"),
        [left, right] => format!("{left} {name} {right}"),
        _ => name.to_owned(),
    }
}

/// How the table calls an operator.
pub(super) fn operator_name(op: &BinaryOperator) -> Result<String> {
    Ok(match op {
        BinaryOperator::NotEq => "<>".to_owned(),
        BinaryOperator::BitwiseXor | BinaryOperator::PGBitwiseXor => "#".to_owned(),
        BinaryOperator::PGExp => "^".to_owned(),
        BinaryOperator::PGCustomBinaryOperator(parts) => match parts.last() {
            Some(last) if parts.len() == 1 || parts[0].eq_ignore_ascii_case("pg_catalog") => {
                if last == "!=" {
                    "<>".to_owned()
                } else {
                    last.clone()
                }
            }
            _ => return Err(unsupported(format!("operator {op}"))),
        },
        BinaryOperator::Xor | BinaryOperator::Match | BinaryOperator::Regexp => {
            return Err(unsupported(format!("operator {op}")));
        }
        BinaryOperator::Custom(name) if name == "!=" => "<>".to_owned(),
        other => other.to_string(),
    })
}

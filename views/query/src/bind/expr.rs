//! Expressions: what each kind of node means.

use sqlparser::ast::{self, Expr, Spanned};
use tidewater_functions::CastContext;
use tidewater_types::{Result, SqlError, Type};

use super::scope::Hidden;
use super::{Binder, names, unsupported};
use crate::plan::{Case, Id, Scalar, Test};

impl Binder<'_> {
    /// Binds an expression; errors get its position.
    pub(super) fn expr(&mut self, expr: &Expr) -> Result<Scalar> {
        let bound = self.deeper(|binder| binder.expr_node(expr));
        bound.map_err(|error| if error.position.is_some() { error } else { self.at(error, start(expr)) })
    }

    pub(super) fn exprs(&mut self, exprs: &[Expr]) -> Result<Vec<Scalar>> {
        exprs.iter().map(|expr| self.expr(expr)).collect()
    }

    fn expr_node(&mut self, expr: &Expr) -> Result<Scalar> {
        match expr {
            // A reserved word of PostgreSQL that the parser takes for a name.
            Expr::Identifier(ident)
                if ident.quote_style.is_none() && ident.value.eq_ignore_ascii_case("current_schema") =>
            {
                self.named_call("current_schema", Vec::new())
            }
            Expr::Identifier(ident) => self.identifier(&names::fold(ident)),
            Expr::CompoundIdentifier(idents) => {
                let parts: Vec<String> = idents.iter().map(names::fold).collect();
                self.qualified(&parts)
            }
            Expr::CompoundFieldAccess { root, access_chain } => self.access(root, access_chain),
            Expr::Value(value) => self.value(value),
            Expr::TypedString(typed) => self.typed_string(typed),
            Expr::Interval(interval) => self.interval(interval),
            Expr::Nested(inner) => self.expr(inner),
            Expr::Tuple(fields) => self.row(fields),
            Expr::Array(array) => self.array(&array.elem),
            Expr::IsNull(_) | Expr::IsNotNull(_) | Expr::IsTrue(_) | Expr::IsNotTrue(_) => self.test(expr),
            Expr::IsFalse(_) | Expr::IsNotFalse(_) | Expr::IsUnknown(_) | Expr::IsNotUnknown(_) => self.test(expr),
            Expr::IsDistinctFrom(left, right) => self.distinct_from(left, right),
            Expr::IsNotDistinctFrom(left, right) => Ok(self.distinct_from(left, right)?.negate()),
            Expr::UnaryOp { op, expr } => self.unary(op, expr),
            Expr::BinaryOp { left, op, right } => self.binary(left, op, right),
            Expr::AnyOp { left, compare_op, right, .. } => self.quantified(left, compare_op, right, false),
            Expr::AllOp { left, compare_op, right } => self.quantified(left, compare_op, right, true),
            Expr::InList { expr, list, negated } => self.in_list(expr, list, *negated),
            Expr::InSubquery { expr, subquery, negated } => self.in_subquery(expr, subquery, *negated),
            Expr::Between { expr, negated, low, high } => self.between(expr, low, high, *negated),
            Expr::Exists { subquery, negated } => self.exists(subquery, *negated),
            Expr::Subquery(query) => self.scalar_subquery(query),
            Expr::Case { operand, conditions, else_result, .. } => {
                self.case(operand.as_deref(), conditions, else_result.as_deref())
            }
            Expr::Cast { kind, expr, data_type, .. } => self.cast(kind, expr, data_type),
            Expr::Function(function) => self.function(function),
            other => self.special(other),
        }
    }

    /// A bare name: a column of the innermost query that has one, else a whole row.
    fn identifier(&mut self, name: &str) -> Result<Scalar> {
        for level in self.levels.iter().rev() {
            if let Some(id) = level.scope.column(name)? {
                return Ok(Scalar::column(id, &self.columns));
            }
            if let Some(id) = level.scope.system_column(name)? {
                return Ok(Scalar::column(id, &self.columns));
            }
        }
        for at in (0..self.levels.len()).rev() {
            if let Some(table) = self.levels[at].scope.find(None, name).filter(|table| table.hidden == Hidden::No) {
                let table = table.clone();
                return Ok(self.whole_row(&table));
            }
        }
        Err(SqlError::new(b"42703", format!("column \"{name}\" does not exist")))
    }

    /// `table.column`, `schema.table.column`.
    fn qualified(&mut self, parts: &[String]) -> Result<Scalar> {
        let (schema, table, column) = match parts {
            [table, column] => (None, table, column),
            [schema, table, column] => (Some(schema.as_str()), table, column),
            [_, schema, table, column] => (Some(schema.as_str()), table, column),
            _ => {
                let message = format!("improper qualified name (too many dotted names): {}", parts.join("."));
                return Err(SqlError::new(b"42601", message));
            }
        };
        for level in self.levels.iter().rev() {
            let Some(found) = level.scope.find(schema, table) else { continue };
            if found.hidden != Hidden::No {
                return Err(hidden(table, found.hidden));
            }
            let missing = || SqlError::new(b"42703", format!("column {table}.{column} does not exist"));
            let id = match found.column(column)? {
                Some(id) => id,
                None => found.system_column(column)?.ok_or_else(missing)?,
            };
            return Ok(Scalar::column(id, &self.columns));
        }
        Err(SqlError::new(b"42P01", format!("missing FROM-clause entry for table \"{table}\"")))
    }

    pub(super) fn column(&self, id: Id) -> Scalar {
        Scalar::column(id, &self.columns)
    }

    fn test(&mut self, expr: &Expr) -> Result<Scalar> {
        let (inner, test, words) = match expr {
            Expr::IsNull(inner) => (inner, Test::Null, None),
            Expr::IsNotNull(inner) => (inner, Test::NotNull, None),
            Expr::IsTrue(inner) => (inner, Test::True, Some("IS TRUE")),
            Expr::IsNotTrue(inner) => (inner, Test::NotTrue, Some("IS NOT TRUE")),
            Expr::IsFalse(inner) => (inner, Test::False, Some("IS FALSE")),
            Expr::IsNotFalse(inner) => (inner, Test::NotFalse, Some("IS NOT FALSE")),
            Expr::IsUnknown(inner) => (inner, Test::Null, Some("IS UNKNOWN")),
            Expr::IsNotUnknown(inner) => (inner, Test::NotNull, Some("IS NOT UNKNOWN")),
            other => return Err(unsupported(other)),
        };
        let scalar = self.expr(inner)?;
        let scalar = match words {
            Some(words) => self.boolean(scalar, words)?,
            None => self.known(scalar)?,
        };
        Ok(Scalar::Is(test, Box::new(scalar)))
    }

    fn case(
        &mut self,
        operand: Option<&Expr>,
        conditions: &[ast::CaseWhen],
        otherwise: Option<&Expr>,
    ) -> Result<Scalar> {
        let sets = self.level().sets.len();
        let operand = match operand {
            Some(operand) => {
                let operand = self.expr(operand)?;
                Some(self.known(operand)?)
            }
            None => None,
        };
        let mut tests = Vec::with_capacity(conditions.len());
        // PostgreSQL takes ELSE for the first alternative when it looks for the common type.
        let mut values = vec![otherwise.map_or(Ok(Scalar::null(Type::Unknown)), |expr| self.expr(expr))?];
        for when in conditions {
            let condition = self.expr(&when.condition)?;
            let condition = match &operand {
                Some(operand) => self.operator("=", vec![operand.clone(), condition])?,
                None => condition,
            };
            tests.push(self.boolean(condition, "CASE/WHEN")?);
            values.push(self.expr(&when.result)?);
        }
        self.no_sets_since(sets, "CASE")?;
        let (mut values, ty) = self.unify(values, "CASE")?;
        let otherwise = values.remove(0);
        Ok(Scalar::Case(Box::new(Case { branches: tests.into_iter().zip(values).collect(), otherwise, ty })))
    }

    /// Refuses set-returning functions where only some rows would call them.
    pub(super) fn no_sets_since(&mut self, before: usize, place: &str) -> Result<()> {
        if self.level().sets.len() == before {
            return Ok(());
        }
        let hint = "You might be able to move the set-returning function into a LATERAL FROM item.";
        Err(SqlError::new(b"0A000", format!("set-returning functions are not allowed in {place}")).hint(hint))
    }

    fn cast(&mut self, kind: &ast::CastKind, expr: &Expr, data_type: &ast::DataType) -> Result<Scalar> {
        if !matches!(kind, ast::CastKind::Cast | ast::CastKind::DoubleColon) {
            return Err(unsupported("TRY_CAST"));
        }
        let ty = self.data_type(data_type)?;
        super::types::check_value_type(&ty)?;
        let element = ty.element();
        let scalar = match (expr, &ty.ty, element) {
            // The elements of a written array become the target's, before they would have to agree.
            (Expr::Array(array), Type::Array(_), Some(element)) => self.array_of(&array.elem, Some(&element))?,
            _ => self.expr(expr)?,
        };
        self.coerce(scalar, &ty, CastContext::Explicit)
    }
}

/// A table that is there, but not for this expression.
pub(super) fn hidden(table: &str, why: Hidden) -> SqlError {
    let message = format!("invalid reference to FROM-clause entry for table \"{table}\"");
    match why {
        Hidden::ByJoin => {
            let detail = "The combining JOIN type must be INNER or LEFT for a LATERAL reference.";
            SqlError::new(b"42P10", message).detail(detail)
        }
        _ => SqlError::new(b"42P01", message).detail(format!(
            "There is an entry for table \"{table}\", but it cannot be referenced from this part of the query."
        )),
    }
}

/// Where an expression begins; of an operator, where PostgreSQL points is close enough to its left side.
pub(super) fn start(expr: &Expr) -> sqlparser::tokenizer::Location {
    span(expr).start
}

/// Where an expression stands. The parser's answer walks all of it, however deep: on a stack that is enough.
pub(super) fn span(expr: &Expr) -> sqlparser::tokenizer::Span {
    crate::stack::enough(usize::MAX, || expr.span())
}

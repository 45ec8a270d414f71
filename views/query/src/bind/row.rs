//! Rows: ROW(…), whole rows of tables, fields, and comparison field by field
//! (<https://www.postgresql.org/docs/15/functions-comparisons.html#ROW-WISE-COMPARISON>).

use std::sync::Arc;

use sqlparser::ast::{self, AccessExpr, Expr};
use tidewater_types::{ColumnType, Record, Result, SqlError, Type};

use super::scope::{Hidden, ScopeTable};
use super::{Binder, names};
use crate::plan::{Case, Scalar, Test};

impl Binder<'_> {
    /// ROW(…).
    pub(super) fn row(&mut self, fields: &[Expr]) -> Result<Scalar> {
        let mut scalars = Vec::with_capacity(fields.len());
        for field in fields {
            match field {
                Expr::QualifiedWildcard(name, _) => {
                    let table = self.table_named(name)?;
                    scalars.extend(table.columns.iter().map(|column| self.column(column.id)));
                }
                field => match super::target::record_of_all_fields(field) {
                    Some(record) => scalars.extend(self.all_fields(&record)?.1),
                    None => {
                        let scalar = self.expr(field)?;
                        scalars.push(self.known(scalar)?);
                    }
                },
            }
        }
        Ok(self.row_of(scalars))
    }

    pub(super) fn row_of(&mut self, scalars: Vec<Scalar>) -> Scalar {
        let fields = scalars.iter().enumerate().map(|(i, scalar)| (format!("f{}", i + 1), scalar.ty())).collect();
        Scalar::Row(scalars, Type::Record(Arc::new(Record { fields })).into())
    }

    /// A table's name where a value is wanted.
    pub(super) fn whole_row(&mut self, table: &ScopeTable) -> Scalar {
        if let (true, [column]) = (table.is_value, &table.columns[..]) {
            return self.column(column.id);
        }
        let scalars: Vec<Scalar> = table.columns.iter().map(|column| self.column(column.id)).collect();
        let fields = table.columns.iter().zip(&scalars).map(|(column, scalar)| (column.name.clone(), scalar.ty()));
        let ty: ColumnType = Type::Record(Arc::new(Record { fields: fields.collect() })).into();
        let row = Scalar::Row(scalars, ty.clone());
        let Some(present) = table.present else { return row };
        let is_there = Scalar::Is(Test::NotNull, Box::new(self.column(present)));
        let otherwise = Scalar::null(ty.clone());
        Scalar::Case(Box::new(Case { branches: vec![(is_there, row)], otherwise, ty }))
    }

    /// The table of a name, in this query or one around it.
    pub(super) fn table_named(&self, name: &ast::ObjectName) -> Result<ScopeTable> {
        let parts = names::parts(name)?;
        let (schema, table) = match &parts[..] {
            [table] => (None, table),
            [schema, table] | [_, schema, table] => (Some(schema.as_str()), table),
            _ => return Err(SqlError::new(b"42601", "improper qualified name")),
        };
        for level in self.levels.iter().rev() {
            match level.scope.find(schema, table) {
                Some(found) if found.hidden != Hidden::No => return Err(super::expr::hidden(table, found.hidden)),
                Some(found) => return Ok(found.clone()),
                None => {}
            }
        }
        Err(SqlError::new(b"42P01", format!("missing FROM-clause entry for table \"{table}\"")))
    }

    /// `(x).field`, `x[i]`.
    pub(super) fn access(&mut self, root: &Expr, chain: &[AccessExpr]) -> Result<Scalar> {
        // `table.column[i]` comes as a chain on the table.
        if let Expr::Identifier(first) = root {
            let dots: Vec<&ast::Ident> = chain
                .iter()
                .map_while(|access| match access {
                    AccessExpr::Dot(Expr::Identifier(ident)) => Some(ident),
                    _ => None,
                })
                .collect();
            if !dots.is_empty() {
                let mut idents = vec![first.clone()];
                idents.extend(dots.iter().map(|ident| (*ident).clone()));
                let base = self.expr(&Expr::CompoundIdentifier(idents))?;
                return self.access_all(base, &chain[dots.len()..]);
            }
        }
        let base = self.expr(root)?;
        self.access_all(base, chain)
    }

    fn access_all(&mut self, mut base: Scalar, mut chain: &[AccessExpr]) -> Result<Scalar> {
        while let Some(access) = chain.first() {
            match access {
                AccessExpr::Dot(Expr::Identifier(ident)) => {
                    base = field(base, &names::fold(ident))?;
                    chain = &chain[1..];
                }
                AccessExpr::Subscript(_) => {
                    let subscripts: Vec<&ast::Subscript> = chain
                        .iter()
                        .map_while(|access| match access {
                            AccessExpr::Subscript(subscript) => Some(subscript),
                            AccessExpr::Dot(_) => None,
                        })
                        .collect();
                    chain = &chain[subscripts.len()..];
                    base = self.subscript(base, &subscripts)?;
                }
                AccessExpr::Dot(other) => return Err(super::unsupported(format!("field access .{other}"))),
            }
        }
        Ok(base)
    }

    /// The fields of a row as it is written.
    pub(super) fn fields_of(&mut self, expr: &Expr) -> Result<Vec<Scalar>> {
        match expr {
            Expr::Tuple(fields) => self.exprs(fields),
            // Its literals find their types in the comparison.
            Expr::Function(function) if super::operator::is_row(expr) => {
                let fields = super::special::plain_arguments(function)?;
                self.exprs(&fields)
            }
            other => match self.expr(other)? {
                Scalar::Row(fields, _) => Ok(fields),
                other => Ok(fields(other)),
            },
        }
    }

    /// Two written rows, field by field.
    pub(super) fn compare_rows(&mut self, left: &Expr, op: &str, right: &Expr) -> Result<Scalar> {
        let (left, right) = (self.fields_of(left)?, self.fields_of(right)?);
        self.compare_fields(left, op, right)
    }

    /// Rows by their fields: `=` is AND, `<>` is OR, the others decide by the first fields that differ.
    pub(super) fn compare_fields(&mut self, left: Vec<Scalar>, op: &str, right: Vec<Scalar>) -> Result<Scalar> {
        if left.len() != right.len() {
            return Err(SqlError::new(b"42601", "unequal number of entries in row expressions"));
        }
        if left.is_empty() {
            return Err(SqlError::new(b"0A000", "cannot compare rows of zero length"));
        }
        let pairs: Vec<(Scalar, Scalar)> = left.into_iter().zip(right).collect();
        match op {
            "=" | "<>" => {
                let mut tests = Vec::with_capacity(pairs.len());
                for (a, b) in pairs {
                    tests.push(self.operator(op, vec![a, b])?);
                }
                Ok(match tests.len() {
                    1 => tests.remove(0),
                    _ if op == "=" => Scalar::And(tests),
                    _ => Scalar::Or(tests),
                })
            }
            "<" | "<=" | ">" | ">=" => self.row_order(pairs, op),
            other => Err(SqlError::new(
                b"0A000",
                format!("could not determine interpretation of row comparison operator {other}"),
            )),
        }
    }

    /// `a < x OR (a = x AND (b < y OR …))`, with NULL where the first fields that are not equal can't be compared.
    fn row_order(&mut self, mut pairs: Vec<(Scalar, Scalar)>, op: &str) -> Result<Scalar> {
        let Some((a, b)) = pairs.pop() else { return Err(super::unsupported("an empty row")) };
        let mut result = self.operator(op, vec![a, b])?;
        let strict = op.trim_end_matches('=');
        while let Some((a, b)) = pairs.pop() {
            let first = self.operator(strict, vec![a.clone(), b.clone()])?;
            let same = self.operator("=", vec![a, b])?;
            result = Scalar::Or(vec![first, Scalar::And(vec![same, result])]);
        }
        Ok(result)
    }

    pub(super) fn distinct_rows(&mut self, left: &Expr, right: &Expr) -> Result<Scalar> {
        let (left, right) = (self.fields_of(left)?, self.fields_of(right)?);
        if left.len() != right.len() {
            return Err(SqlError::new(b"42601", "unequal number of entries in row expressions"));
        }
        let tests: Result<Vec<Scalar>> = left.into_iter().zip(right).map(|(a, b)| self.distinct(a, b)).collect();
        Ok(Scalar::Or(tests?))
    }
}

/// The fields of a record, each as a scalar of its own.
pub(super) fn fields(record: Scalar) -> Vec<Scalar> {
    let Type::Record(ty) = record.ty().ty else { return vec![record] };
    let field = |(i, (_, ty)): (usize, &(String, _))| Scalar::Field(Box::new(record.clone()), i, Clone::clone(ty));
    ty.fields.iter().enumerate().map(field).collect()
}

/// The field of a name.
pub(super) fn field(record: Scalar, name: &str) -> Result<Scalar> {
    let ty = record.ty().ty;
    let Type::Record(fields) = &ty else {
        let message = format!("column notation .{name} applied to type {ty}, which is not a composite type");
        return Err(SqlError::new(b"42809", message));
    };
    let found = fields.fields.iter().position(|(field, _)| field == name);
    let Some(at) = found else {
        let message = format!("could not identify column \"{name}\" in record data type");
        return Err(SqlError::new(b"42703", message));
    };
    let ty = fields.fields[at].1.clone();
    Ok(match record {
        Scalar::Row(mut scalars, _) => scalars.swap_remove(at),
        record => Scalar::Field(Box::new(record), at, ty),
    })
}

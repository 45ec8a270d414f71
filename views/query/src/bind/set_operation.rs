//! UNION, INTERSECT, EXCEPT.

use sqlparser::ast::{self, SetExpr, SetOperator, SetQuantifier};
use tidewater_types::{ColumnType, Result, SqlError, Type};

use super::{Binder, Bound, unsupported};
use crate::plan::{Count, CountKind, Id, Rel, Scalar};

impl Binder<'_> {
    /// The body of a query. `tail` is the query whose ORDER BY and LIMIT a plain SELECT handles itself.
    pub(super) fn set_expr(&mut self, body: &SetExpr, resolve: bool, tail: Option<&ast::Query>) -> Result<Bound> {
        self.deeper(|binder| match body {
            SetExpr::Select(select) => binder.select(select, tail, resolve),
            SetExpr::Query(query) => binder.query(query, resolve),
            SetExpr::Values(values) => binder.values(values),
            SetExpr::SetOperation { .. } => binder.set_operation(body),
            SetExpr::Table(table) => binder.table(table),
            other => Err(unsupported(format!("{other} in a query"))),
        })
    }

    /// TABLE name.
    fn table(&mut self, table: &ast::Table) -> Result<Bound> {
        let ident = |name: &String| ast::Ident::new(name.clone());
        let parts: Vec<ast::Ident> = table.schema_name.iter().chain(&table.table_name).map(ident).collect();
        let factor = ast::TableFactor::Table {
            name: ast::ObjectName::from(parts),
            alias: None,
            args: None,
            with_hints: Vec::new(),
            version: None,
            with_ordinality: false,
            partitions: Vec::new(),
            json_path: None,
            sample: None,
            index_hints: Vec::new(),
        };
        let (rel, scope) = self.table_factor(&factor, &super::scope::Scope::default())?;
        let output = scope.columns.into_iter().map(|column| (column.name, column.id)).collect();
        Ok(Bound { rel, output, order: Vec::new() })
    }

    /// Written chains are deep to the left: they are walked, not recursed into.
    fn set_operation(&mut self, body: &SetExpr) -> Result<Bound> {
        let mut chain = Vec::new();
        let mut first = body;
        while let SetExpr::SetOperation { left, op, set_quantifier, right } = first {
            chain.push((op, set_quantifier, &**right));
            first = left;
        }
        let mut left = self.set_expr(first, false, None)?;
        for (op, quantifier, right) in chain.into_iter().rev() {
            let right = self.set_expr(right, false, None)?;
            left = self.combine(op, quantifier, left, right)?;
        }
        Ok(left)
    }

    fn combine(
        &mut self,
        op: &SetOperator,
        quantifier: &SetQuantifier,
        mut left: Bound,
        mut right: Bound,
    ) -> Result<Bound> {
        let word = match op {
            SetOperator::Union => "UNION",
            SetOperator::Intersect => "INTERSECT",
            SetOperator::Except => "EXCEPT",
            SetOperator::Minus => return Err(unsupported("MINUS")),
        };
        let all = match quantifier {
            SetQuantifier::All => true,
            SetQuantifier::Distinct | SetQuantifier::None => false,
            other => return Err(unsupported(format!("{word} {other}"))),
        };
        if left.output.len() != right.output.len() {
            let message = format!("each {word} query must have the same number of columns");
            return Err(SqlError::new(b"42601", message));
        }
        let mut types = Vec::with_capacity(left.output.len());
        for ((_, a), (_, b)) in left.output.iter().zip(&right.output) {
            let pair = [self.columns.ty(*a).clone(), self.columns.ty(*b).clone()];
            types.push(super::coerce::common_column_type(&pair, word)?);
        }
        self.convert_output(&mut left, &types)?;
        self.convert_output(&mut right, &types)?;
        let output: Vec<(String, Id)> = left
            .output
            .iter()
            .zip(types)
            .map(|((name, _), ty)| (name.clone(), self.columns.add(name.clone(), ty)))
            .collect();
        let columns: Vec<Id> = output.iter().map(|(_, id)| *id).collect();
        let ids = |bound: &Bound| bound.output.iter().map(|(_, id)| *id).collect::<Vec<Id>>();
        let (left_ids, right_ids) = (ids(&left), ids(&right));
        let rel = match op {
            SetOperator::Union => {
                let rel = union(columns, (left.rel, left_ids), (right.rel, right_ids));
                if all { rel } else { rel.distinct() }
            }
            _ => Rel::Count(Box::new(Count {
                kind: if *op == SetOperator::Except { CountKind::Except } else { CountKind::Intersect },
                all,
                columns,
                left: (left.rel, left_ids),
                right: (right.rel, right_ids),
            })),
        };
        Ok(Bound { rel, output, order: Vec::new() })
    }

    /// A query's output columns as these types.
    pub(super) fn convert_output(&mut self, bound: &mut Bound, types: &[ColumnType]) -> Result<()> {
        let mut made: Vec<(Id, Scalar)> = Vec::new();
        for ((name, id), ty) in bound.output.iter_mut().zip(types) {
            let own = self.columns.ty(*id).clone();
            if own.ty == ty.ty {
                continue;
            }
            let scalar = match own.ty {
                Type::Unknown => literal_of(&bound.rel, *id).unwrap_or_else(|| Scalar::column(*id, &self.columns)),
                _ => Scalar::column(*id, &self.columns),
            };
            let bare: ColumnType = ty.ty.clone().into();
            let scalar = self.coerce(scalar, &bare, tidewater_functions::CastContext::Implicit)?;
            let new = self.columns.add(name.clone(), bare);
            made.push((new, scalar));
            *id = new;
        }
        if !made.is_empty() {
            let rel = std::mem::replace(&mut bound.rel, Rel::unit());
            bound.rel = rel.map(made);
        }
        Ok(())
    }
}

/// The literal without a type that an output column is.
pub(super) fn literal_of(rel: &Rel, id: Id) -> Option<Scalar> {
    match rel {
        Rel::Map { input, scalars } => match scalars.iter().find(|(made, _)| *made == id) {
            Some((_, scalar)) => Some(scalar.clone()),
            None => literal_of(input, id),
        },
        Rel::Project { input, .. } | Rel::Filter { input, .. } => literal_of(input, id),
        Rel::TopK(top) => literal_of(&top.input, id),
        _ => None,
    }
}

/// UNION ALL of a chain is one node.
fn union(columns: Vec<Id>, left: (Rel, Vec<Id>), right: (Rel, Vec<Id>)) -> Rel {
    match left {
        (Rel::Union { columns: inner, mut inputs }, ids) if inner == ids => {
            inputs.push(right);
            Rel::Union { columns, inputs }
        }
        left => Rel::Union { columns, inputs: vec![left, right] },
    }
}

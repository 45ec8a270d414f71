//! Point lookups: `SELECT columns FROM object WHERE key = value` through an index, without a plan to run.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow_schema::SchemaRef;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{BinaryExpr, Expr, LogicalPlan, Operator};
use delta::{RowBuilder, RowRef};
use engine::{IndexId, NodeId, Scratch};

use crate::arrow_rows::{batch_of, from_scalar};
use crate::catalog::{Body, object_name};
use crate::database::Database;
use crate::error::Result;

/// Where a part of the key comes from.
#[derive(Debug, Clone)]
enum Part {
    Literal(ScalarValue),
    /// Number of a parameter, from 0.
    Parameter(usize),
}

/// A lookup that an index answers.
#[derive(Debug, Clone)]
pub(crate) struct Lookup {
    /// The object.
    pub(crate) name: String,
    node: NodeId,
    index: IndexId,
    /// The index's columns and the value of each.
    key: Vec<(usize, Part)>,
    /// Columns of the answer.
    output: Vec<usize>,
    schema: SchemaRef,
    answer: SchemaRef,
}

impl Database {
    /// The lookup that a plan is, if it is one and an index of exactly its columns exists.
    pub(crate) fn lookup_of(&self, plan: &LogicalPlan) -> Option<Lookup> {
        let LogicalPlan::Projection(projection) = plan else { return None };
        let LogicalPlan::Filter(filter) = projection.input.as_ref() else { return None };
        let mut scan = filter.input.as_ref();
        if let LogicalPlan::SubqueryAlias(alias) = scan {
            scan = alias.input.as_ref();
        }
        let LogicalPlan::TableScan(scan) = scan else { return None };
        let name = object_name(&scan.table_name);
        let node = *self.nodes.get(&name)?;
        let schema = self.columns.get(&name)?.clone();
        let column = |expr: &Expr| match expr {
            Expr::Column(column) => schema.index_of(&column.name).ok(),
            Expr::Alias(alias) => match alias.expr.as_ref() {
                Expr::Column(column) => schema.index_of(&column.name).ok(),
                _ => None,
            },
            _ => None,
        };
        let output = projection.expr.iter().map(column).collect::<Option<Vec<_>>>()?;
        let mut key = Vec::new();
        for part in split_conjunction(&filter.predicate) {
            let Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) = part else { return None };
            let (column, value) = match (column(left), column(right)) {
                (Some(at), None) => (at, value(right)?),
                (None, Some(at)) => (at, value(left)?),
                _ => return None,
            };
            if key.iter().any(|(at, _)| *at == column) {
                return None;
            }
            key.push((column, value));
        }
        let (columns, index) = self.index_by(&name, node, &key.iter().map(|(at, _)| *at).collect::<Vec<_>>())?;
        key.sort_by_key(|(at, _)| columns.iter().position(|column| column == at));
        let answer = plan.schema().inner().clone();
        Some(Lookup { name, node, index, key, output, schema, answer })
    }

    /// An index of the object by exactly these columns, in any order.
    fn index_by(&self, name: &str, node: NodeId, wanted: &[usize]) -> Option<(Vec<usize>, IndexId)> {
        let same = |columns: &[usize]| columns.len() == wanted.len() && columns.iter().all(|at| wanted.contains(at));
        if let Some((columns, index)) = self.key_indexes.get(&node).filter(|(columns, _)| same(columns)) {
            return Some((columns.clone(), *index));
        }
        self.objects.values().find_map(|object| match &object.body {
            Body::Index { on, index, columns } if on == name && same(columns) => Some((columns.clone(), *index)),
            _ => None,
        })
    }

    /// The rows of a lookup; `None` where a value is of another type than its column, which planning sorts
    /// out, or the index is still being filled.
    ///
    /// # Errors
    /// The error that a row of the view has instead of a value.
    pub(crate) fn look_up(&self, lookup: &Lookup, parameters: &[ScalarValue]) -> Result<Option<RecordBatch>> {
        if !self.circuit.is_filled(lookup.index) {
            return Ok(None);
        }
        if let Some(error) = self.circuit.error(lookup.node) {
            return Err(error.clone().into());
        }
        let kinds = self.circuit.kinds(lookup.node);
        let key_kinds: Vec<_> = lookup.key.iter().map(|(column, _)| kinds[*column].clone()).collect();
        let mut builder = RowBuilder::new(key_kinds.clone());
        let scratch = Scratch::new();
        for (place, (column, part)) in lookup.key.iter().enumerate() {
            let value = match part {
                Part::Literal(value) => value,
                Part::Parameter(number) => match parameters.get(*number) {
                    Some(value) => value,
                    None => return Ok(None),
                },
            };
            let data_type = lookup.schema.field(*column).data_type();
            if value.data_type() == *data_type && !value.is_null() {
                builder.set(place, from_scalar(value, &scratch)?);
                continue;
            }
            let Ok(cast) = value.cast_to(data_type) else { return Ok(None) };
            if value.is_null() || cast.cast_to(&value.data_type()).ok().as_ref() != Some(value) {
                return Ok(None);
            }
            builder.set(place, from_scalar(&cast, &scratch)?);
        }
        let found = self.circuit.lookup(lookup.index, builder.finish(), &key_kinds);
        let times = |(row, weight)| std::iter::repeat_n(row, i64::max(weight, 0) as usize);
        let rows: Vec<RowRef<'_>> = found.into_iter().flat_map(times).collect();
        Ok(Some(batch_of(&rows, &lookup.schema, &lookup.output, Arc::clone(&lookup.answer))?))
    }
}

fn value(expr: &Expr) -> Option<Part> {
    match expr {
        Expr::Literal(value, _) => Some(Part::Literal(value.clone())),
        Expr::Placeholder(placeholder) => {
            let number = placeholder.id.strip_prefix('$')?.parse::<usize>().ok()?;
            Some(Part::Parameter(number.checked_sub(1)?))
        }
        _ => None,
    }
}

//! A join without state: nodes, equalities, filters, output expressions.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema};
use datafusion::logical_expr::{Cast, Expr, ExprSchemable};
use delta::Kind;
use engine::{ColumnAt, Filter, JoinInput, JoinSpec, NodeId, Output};

use super::Lowering;
use crate::compile::{ColumnPlace, compile};
use crate::error::{Error, Result};

/// A node that a relation reads.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source {
    pub(crate) node: NodeId,
    pub(crate) outer: bool,
}

/// A filter; `on` is the outer input in whose ON clause it stands.
#[derive(Debug, Clone)]
pub(crate) struct Predicate {
    pub(crate) expr: Expr,
    pub(crate) on: Option<usize>,
}

/// See the module. Expressions read slots: columns named `#input.column`.
#[derive(Debug, Clone)]
pub(crate) struct Relation {
    pub(crate) sources: Vec<Source>,
    pub(crate) equalities: Vec<(ColumnAt, ColumnAt)>,
    pub(crate) filters: Vec<Predicate>,
    pub(crate) columns: Vec<Expr>,
}

/// The expression that reads a column of an input.
pub(crate) fn slot(at: ColumnAt) -> Expr {
    Expr::Column(Column::new_unqualified(format!("#{}.{}", at.input, at.column)))
}

fn parse_slot(name: &str) -> Option<ColumnAt> {
    let (input, column) = name.strip_prefix('#')?.split_once('.')?;
    Some(ColumnAt { input: input.parse().ok()?, column: column.parse().ok()? })
}

/// The slot that an expression is, if it is one as it stands.
pub(crate) fn place(expr: &Expr) -> Option<ColumnAt> {
    match expr {
        Expr::Column(column) => parse_slot(&column.name),
        Expr::Alias(alias) => place(&alias.expr),
        _ => None,
    }
}

/// The slots that an expression reads.
fn slots(expr: &Expr) -> Vec<ColumnAt> {
    expr.column_refs().into_iter().filter_map(|column| parse_slot(&column.name)).collect()
}

fn shift(expr: Expr, by: usize) -> Expr {
    let shifted = expr.transform(|expr| {
        Ok(match &expr {
            Expr::Column(column) => match parse_slot(&column.name) {
                Some(at) => Transformed::yes(slot(ColumnAt { input: at.input + by, column: at.column })),
                None => Transformed::no(expr),
            },
            _ => Transformed::no(expr),
        })
    });
    shifted.expect("renaming columns cannot fail").data
}

impl Relation {
    /// `expr` over `schema`, the schema of this relation's columns, as an expression over slots.
    pub(crate) fn rewrite(&self, expr: &Expr, schema: &DFSchema) -> Result<Expr> {
        let rewritten = expr.clone().transform(|expr| {
            Ok(match &expr {
                Expr::Column(column) => {
                    Transformed::yes(self.columns[schema.index_of_column(column)?].clone().unalias())
                }
                Expr::ScalarSubquery(_) | Expr::Exists(_) | Expr::InSubquery(_) => {
                    return datafusion::common::not_impl_err!("a subquery in an expression");
                }
                _ => Transformed::no(expr),
            })
        })?;
        Ok(rewritten.data)
    }

    /// Whether all columns are slots and, apart from filters, nothing else happens.
    pub(crate) fn is_plain(&self) -> bool {
        self.columns.iter().all(|column| place(column).is_some())
    }

    /// Joins another relation to this one; with `outer`, as the optional side, which is one node with plain columns.
    pub(crate) fn append(&mut self, other: Relation, outer: bool) {
        let by = self.sources.len();
        self.sources.extend(other.sources.into_iter().map(|source| Source { outer: source.outer || outer, ..source }));
        let moved = |at: ColumnAt| ColumnAt { input: at.input + by, column: at.column };
        self.equalities.extend(other.equalities.into_iter().map(|(a, b)| (moved(a), moved(b))));
        self.filters.extend(other.filters.into_iter().map(|filter| Predicate {
            expr: shift(filter.expr, by),
            // The optional side's own filters decide what matches, not what stays.
            on: if outer { Some(by) } else { filter.on.map(|input| input + by) },
        }));
        self.columns.extend(other.columns.into_iter().map(|column| shift(column, by)));
    }

    /// Whether a row of `start` has at most one row of every other input: each is found by its whole key.
    fn determines(&self, start: usize, keys: &[Option<Vec<usize>>]) -> bool {
        let mut known = vec![false; self.sources.len()];
        known[start] = true;
        loop {
            let found = |input: usize, column: usize, known: &[bool]| {
                let here = ColumnAt { input, column };
                let with =
                    |(a, b): &(ColumnAt, ColumnAt)| (*a == here && known[b.input]) || (*b == here && known[a.input]);
                self.equalities.iter().any(with)
            };
            let next = (0..known.len()).find(|&input| {
                let key = keys[input].as_ref().filter(|_| !known[input]);
                key.is_some_and(|key| key.iter().all(|&column| found(input, column, &known)))
            });
            match next {
                Some(input) => known[input] = true,
                None => return known.into_iter().all(|known| known),
            }
        }
    }

    /// The output column that is this column of an input, or an equal one of an inner input.
    fn column_at(&self, at: ColumnAt) -> Option<usize> {
        let inner = |at: &ColumnAt| !self.sources[at.input].outer;
        let equal = self.equalities.iter().filter_map(|(a, b)| match (*a == at, *b == at) {
            (true, _) => Some(*b),
            (_, true) => Some(*a),
            _ => None,
        });
        let mut places = std::iter::once(at).chain(equal.filter(inner));
        places.find_map(|at| self.columns.iter().position(|column| place(column) == Some(at)))
    }

    /// The node, if this relation is exactly the rows of one.
    fn as_node(&self, width: usize) -> Option<NodeId> {
        let [Source { node, outer: false }] = self.sources[..] else { return None };
        let identity = self.columns.len() == width
            && self.columns.iter().enumerate().all(|(i, c)| place(c) == Some(ColumnAt { input: 0, column: i }));
        (identity && self.filters.is_empty()).then_some(node)
    }
}

impl Lowering<'_> {
    /// The slots of a relation, with their types, as DataFusion's expressions see them.
    pub(crate) fn slot_schema(&self, relation: &Relation) -> Result<DFSchema> {
        let mut fields = Vec::new();
        for (input, source) in relation.sources.iter().enumerate() {
            for (column, field) in self.schemas[&source.node].fields().iter().enumerate() {
                let nullable = field.is_nullable() || source.outer;
                fields.push((
                    None,
                    Arc::new(Field::new(format!("#{input}.{column}"), field.data_type().clone(), nullable)),
                ));
            }
        }
        Ok(DFSchema::new_with_metadata(fields, Default::default())?)
    }

    /// Compiles an expression over a relation's slots.
    pub(crate) fn compile(&self, relation: &Relation, schema: &DFSchema, expr: &Expr) -> Result<engine::Expr> {
        let resolve = |column: &Column| -> Option<ColumnPlace> {
            let at = parse_slot(&column.name)?;
            let field = self.schemas[&relation.sources[at.input].node].field(at.column).clone();
            let kind = Kind::of(field.data_type())?;
            Some(ColumnPlace { input: at.input, column: at.column, kind })
        };
        compile(expr, schema, &resolve)
    }

    /// Stores a relation's rows as a node whose columns are `schema`'s; an equal one that exists is used again.
    pub(crate) fn arrange(&mut self, relation: Relation, schema: &DFSchema) -> Result<NodeId> {
        let slot_schema = self.slot_schema(&relation)?;
        let types: Vec<DataType> = schema.fields().iter().map(|field| field.data_type().clone()).collect();
        let mut columns = Vec::new();
        for (expr, wanted) in relation.columns.iter().zip(&types) {
            // The branches of a union may still differ from its type.
            let expr = expr.clone().unalias();
            let have = expr.get_type(&slot_schema)?;
            columns.push(if have == *wanted { expr } else { Expr::Cast(Cast::new(Box::new(expr), wanted.clone())) });
        }
        let relation = Relation { columns, ..relation };
        if let Some(node) = relation.as_node(self.schemas[&relation.sources[0].node].fields().len()) {
            return Ok(node);
        }
        let signature = format!("{relation:?} {types:?}");
        if let Some(node) = self.shared.get(&signature) {
            return Ok(*node);
        }
        let spec = self.join_spec(&relation, &slot_schema, &types)?;
        let node = self.circuit.add_join(spec).map_err(Error::unsupported)?;
        self.remember(node, signature, schema);
        Ok(node)
    }

    fn join_spec(&self, relation: &Relation, slot_schema: &DFSchema, types: &[DataType]) -> Result<JoinSpec> {
        let mut filters = Vec::new();
        for predicate in &relation.filters {
            let mut inputs: Vec<_> = slots(&predicate.expr).into_iter().map(|at| at.input).collect();
            inputs.sort_unstable();
            inputs.dedup();
            let expr = self.compile(relation, slot_schema, &predicate.expr)?;
            filters.push(Filter { expr, inputs, on: predicate.on });
        }
        let mut output = Vec::new();
        let mut kinds = Vec::new();
        for (expr, data_type) in relation.columns.iter().zip(types) {
            kinds.push(Kind::of(data_type).ok_or_else(|| Error::unsupported(format_args!("type {data_type}")))?);
            output.push(match place(expr) {
                Some(at) => Output::Column(at),
                None => Output::Expr(self.compile(relation, slot_schema, expr)?),
            });
        }
        let inputs = relation.sources.iter().map(|source| JoinInput { node: source.node, outer: source.outer });
        Ok(JoinSpec {
            inputs: inputs.collect(),
            equalities: relation.equalities.clone(),
            filters,
            output,
            kinds: kinds.into(),
            key: self.key_of(relation),
        })
    }

    /// Columns of a relation that identify its rows: those of one input's key, where each other input has at most one row for
    /// a row of the inputs before it.
    fn key_of(&self, relation: &Relation) -> Option<Vec<usize>> {
        let keys: Vec<_> = relation.sources.iter().map(|source| self.circuit.key(source.node)).collect();
        let starts = (0..keys.len()).filter(|&input| !relation.sources[input].outer);
        starts.filter(|&input| relation.determines(input, &keys)).find_map(|input| {
            let place_of = |&column: &usize| relation.column_at(ColumnAt { input, column });
            keys[input].as_ref()?.iter().map(place_of).collect()
        })
    }

    /// Remembers what a new node computes and the schema of its rows.
    pub(crate) fn remember(&mut self, node: NodeId, signature: String, schema: &DFSchema) {
        let fields: Vec<_> = schema.fields().iter().cloned().collect();
        self.schemas.insert(node, Arc::new(Schema::new(fields)));
        self.shared.insert(signature, node);
    }
}

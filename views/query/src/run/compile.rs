//! From relations to operators.

use tidewater_types::{ColumnType, Expr, Packing, Result, SqlError};

use super::layout::{Layout, types};
use super::node::Node;
use super::scalar::Compiler;
use super::{count, flat_map, join, lookup, recurse, reduce, sort, window};
use crate::catalog::Source;
use crate::plan::{Columns, Get, Id, Rel, Scalar};

/// What compiling needs, beside the node.
#[derive(Clone, Copy)]
pub(crate) struct Builder<'a> {
    pub(crate) columns: &'a Columns,
    pub(crate) compiler: Compiler<'a>,
    pub(crate) source: &'a dyn Source,
}

/// The operator of a relation, and where its columns are found.
pub(crate) fn compile(
    rel: &Rel,
    columns: &Columns,
    compiler: Compiler<'_>,
    source: &dyn Source,
) -> Result<(Node, Layout)> {
    Builder { columns, compiler, source }.node(rel)
}

impl Builder<'_> {
    pub(crate) fn node(self, rel: &Rel) -> Result<(Node, Layout)> {
        match rel {
            Rel::Get(get) => Ok(self.get(get)),
            Rel::Values { columns, rows } => {
                let none = Layout::default();
                let rows = rows.iter().map(|row| self.compiler.all(row, &none)).collect::<Result<_>>()?;
                let node = Node::Values { rows, types: types(columns, self.columns) };
                Ok((node, Layout::of(columns, self.columns)))
            }
            Rel::Map { input, scalars } => {
                let (input, layout) = self.node(input)?;
                let exprs = self.compiler.all(scalars.iter().map(|(_, scalar)| scalar), &layout)?;
                let ids: Vec<Id> = scalars.iter().map(|(id, _)| *id).collect();
                let types = types(&ids, self.columns);
                Ok((Node::Map { input: Box::new(input), exprs, types }, layout.and(&ids, self.columns)))
            }
            Rel::Filter { input, predicates } => self.filter(input, predicates),
            Rel::Project { input, columns } => {
                let (node, layout) = self.node(input)?;
                Ok((node, layout.only(columns)))
            }
            Rel::Join(written) => join::compile(self, written),
            Rel::Reduce { input, keys, aggregates } => reduce::compile(self, input, keys, aggregates),
            Rel::TopK(top) => sort::compile(self, top),
            Rel::Window { input, partition, order, calls } => window::compile(self, input, partition, order, calls),
            Rel::Union { columns, inputs } => {
                let packed = |(input, ids): &(Rel, Vec<Id>)| self.packed(input, ids, columns);
                let inputs = inputs.iter().map(packed).collect::<Result<_>>()?;
                Ok((Node::Union(inputs), Layout::of(columns, self.columns)))
            }
            Rel::Count(written) => count::compile(self, written),
            Rel::FlatMap { input, calls, ordinality } => flat_map::compile(self, input, calls, *ordinality),
            Rel::Let(binding) => {
                let value = Box::new(self.packed(&binding.value, &binding.columns, &binding.columns)?);
                let (body, layout) = self.node(&binding.body)?;
                Ok((Node::Let { id: binding.id, value, body: Box::new(body) }, layout))
            }
            Rel::LetRec(binding) => recurse::compile(self, binding),
            Rel::Ref { id, columns } => Ok((Node::Ref(*id), Layout::of(columns, self.columns))),
        }
    }

    /// A relation whose tuples are one row of `ids`, packed as the columns `targets` are.
    pub(crate) fn packed(self, rel: &Rel, ids: &[Id], targets: &[Id]) -> Result<Node> {
        let (node, layout) = self.node(rel)?;
        let types = types(targets, self.columns);
        // A numeric(10, 2) lies in a row another way than a numeric does.
        let alike = |(a, b): (&ColumnType, &ColumnType)| Packing::of(a) == Packing::of(b);
        let in_place = layout.inputs.len() == 1
            && layout.inputs[0].len() == ids.len()
            && ids.iter().enumerate().all(|(i, id)| layout.places.get(id) == Some(&(0, i)))
            && layout.inputs[0].iter().zip(types.iter()).all(alike);
        if in_place {
            return Ok(node);
        }
        let exprs = self.reads(ids, &layout)?;
        Ok(Node::Pack { input: Box::new(node), exprs, types })
    }

    pub(crate) fn reads(self, ids: &[Id], layout: &Layout) -> Result<Vec<Expr>> {
        ids.iter().map(|id| layout.read(*id)).collect()
    }

    /// A relation's rows have all its columns, whichever are read.
    fn get(self, get: &Get) -> (Node, Layout) {
        let all = get.relation.columns.iter().map(|column| column.ty.clone()).collect();
        let places = get.columns.iter().map(|(at, id)| (*id, (0, *at))).collect();
        (Node::Scan { relation: get.relation.clone(), lookup: None }, Layout { inputs: vec![all], places })
    }

    /// A filter; over a relation with an index on what it compares with constants, a lookup.
    fn filter(self, input: &Rel, predicates: &[Scalar]) -> Result<(Node, Layout)> {
        let (mut node, layout) = self.node(input)?;
        if let (Node::Scan { lookup: index, .. }, Rel::Get(get)) = (&mut node, input) {
            *index = lookup::of(self, get, predicates, &Layout::default())?;
        }
        let predicates = self.compiler.conditions(predicates, &layout)?;
        Ok((Node::Filter { input: Box::new(node), predicates }, layout))
    }
}

/// What unnesting leaves nowhere.
pub(crate) fn broken(what: &str) -> SqlError {
    SqlError::new(b"XX000", format!("a plan has {what}"))
}

//! UNION, INTERSECT and EXCEPT.
//!
//! INTERSECT and EXCEPT count: the rows of both sides, each with its side, are grouped by all columns, and a group occurs as often
//! as the numbers of its rows on either side say.

use std::collections::BTreeSet;

use tidewater_engine::NodeId;
use tidewater_functions::functions;
use tidewater_query::plan::{Constant, Count, CountKind, FunctionRef, Id, Rel, Scalar};
use tidewater_types::{ColumnType, Result, Type};

use crate::Lowering;
use crate::columns::Stored;
use crate::reduce::{Grouping, Shown, Sort, count, first};
use crate::refuse::broken;
use crate::relation::{Relation, slot};
use crate::shared::{Signature, Times, alone};

impl Lowering<'_> {
    /// All rows of all inputs.
    pub(crate) fn union(
        &mut self,
        columns: &[Id],
        inputs: &[(Rel, Vec<Id>)],
        wanted: &BTreeSet<Id>,
    ) -> Result<Relation> {
        let kept: Vec<usize> = (0..columns.len()).filter(|i| wanted.contains(&columns[*i])).collect();
        let shown: Vec<Id> = kept.iter().map(|i| columns[*i]).collect();
        let types: Vec<ColumnType> = shown.iter().map(|id| self.columns.ty(*id).clone()).collect();
        let mut nodes = Vec::new();
        for (input, ids) in inputs {
            let ids: Vec<Id> = kept.iter().map(|i| ids[*i]).collect();
            let relation = self.relation(input, &ids.iter().copied().collect())?;
            let stored = of_types(&relation, &ids, &types)?;
            nodes.push(self.store(relation, stored)?);
        }
        let node = match nodes[..] {
            [node] => node,
            _ => self.union_node(nodes),
        };
        Ok(Relation::of_node(node, shown.into_iter().zip(0..), self.circuit.types(node)))
    }

    /// The union of nodes; the same union is one node.
    pub(crate) fn union_node(&mut self, nodes: Vec<NodeId>) -> NodeId {
        if let Some(node) = self.shared.0.get(&Signature::Union(nodes.clone())) {
            return *node;
        }
        let node = self.circuit.add_union(nodes.clone());
        self.shared.0.insert(Signature::Union(nodes), node);
        node
    }

    pub(crate) fn count(&mut self, written: &Count) -> Result<Relation> {
        let types: Vec<ColumnType> = written.columns.iter().map(|id| self.columns.ty(*id).clone()).collect();
        let left = self.tagged(&written.left, &types, true)?;
        let right = self.tagged(&written.right, &types, false)?;
        let both = self.union_node(vec![left, right]);
        let stored = self.circuit.types(both).clone();
        let value = |column: usize| slot(alone(column), stored[column].clone());
        let is_left = value(types.len());
        let mut grouping = Grouping::default();
        let mut shown = Vec::new();
        for (column, ty) in types.iter().enumerate() {
            let column = value(column);
            if ty.key_is_packed() {
                shown.push(grouping.key(&column));
                continue;
            }
            // What is shown is a value of the left side.
            grouping.keys.push(Stored::key(&column));
            let order = vec![(Stored::own(&column), Sort::PACKED)];
            grouping.drafts.push(first(&column, order, Some(is_left.clone())));
            shown.push(Shown::Beside { key: grouping.keys.len() - 1, draft: grouping.drafts.len() - 1 });
        }
        let (width, before) = (grouping.keys.len(), grouping.drafts.len());
        let function = functions("count").iter().find(|function| function.params.is_empty());
        let function = FunctionRef(function.ok_or_else(|| broken("no count(*)"))?);
        grouping.drafts.push(count(is_left.clone(), function));
        grouping.drafts.push(count(is_left.negate(), function));
        grouping.times = Some(Times {
            intersect: written.kind == CountKind::Intersect,
            all: written.all,
            left: width + before,
            right: width + before + 1,
        });
        let mut relation = Relation::of_node(both, [], &stored);
        let various = types.iter().enumerate().filter(|(_, ty)| !ty.key_is_packed());
        relation.keys = various.zip(types.len() + 1..).map(|((value, _), key)| (alone(value), alone(key))).collect();
        let node = self.grouped(relation, grouping)?;
        let place = |shown: Shown| match shown {
            Shown::Key(key) => key,
            Shown::Beside { draft, .. } => width + draft,
        };
        let ids = written.columns.iter().copied().zip(shown.into_iter().map(place));
        Ok(Relation::of_node(node, ids, self.circuit.types(node)))
    }

    /// One side's rows, each with which side it is, and the key forms of what they are grouped by.
    fn tagged(&mut self, (rel, ids): &(Rel, Vec<Id>), types: &[ColumnType], is_left: bool) -> Result<NodeId> {
        let relation = self.relation(rel, &ids.iter().copied().collect())?;
        let mut stored = of_types(&relation, ids, types)?;
        let forms: Vec<Stored> =
            stored.iter().filter(|column| !column.ty.key_is_packed()).map(|c| Stored::key(&c.scalar)).collect();
        stored.push(Stored::value(&Scalar::Literal(Constant::bool(is_left)), Type::Bool.into()));
        stored.extend(forms);
        self.store(relation, stored)
    }
}

fn of_types(relation: &Relation, ids: &[Id], types: &[ColumnType]) -> Result<Vec<Stored>> {
    let columns = ids.iter().zip(types);
    columns.map(|(id, ty)| Ok(Stored::value(relation.column(*id)?, ty.clone()))).collect()
}

//! From a plan to nodes of the circuit: views that are kept fresh.
//!
//! A plan is folded from its leaves into a [`Relation`](relation::Relation): a join of any number of nodes with filters and output
//! expressions, which costs no state. Only where an operator needs its input stored (grouping, the right side of an outer join that
//! is more than a table, a union) does a relation become a node. Equal relations become one node, across views, too: what a node
//! computes is a value that is compared. What is not supported is refused by name, never computed wrongly.
//!
//! The engine finds, joins and groups rows by packed bytes. Where equal values of a column's type have several packed forms
//! (numeric 1.0 and 1.00), rows are stored with a further column, the value's key form, and are found by that; a group shows the
//! value of least packed form, as batch execution does.

mod aggregate;
mod columns;
mod compile;
mod equality;
mod join;
mod null_aware;
mod reduce;
mod refuse;
mod relation;
mod set;
mod shared;
mod store;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use tidewater_engine::{Circuit, NodeId};
use tidewater_functions::Session;
use tidewater_query::catalog::Relation as Table;
use tidewater_query::plan::{Columns, Get, Id, JoinKind, LetId, Rel, Scalar};
use tidewater_query::{Plan, walking};
use tidewater_types::Result;

use columns::Stored;
use refuse::unsupported;
use relation::Relation;
pub use shared::Shared;

/// Makes nodes of a plan, as [`rewrite`](tidewater_query::rewrite()) leaves it; gives the one whose columns are the plan's output,
/// in order. `node_of` says which node holds the rows of a table, source or view.
///
/// # Errors
/// 0A000 with the construct's name for what is not kept incrementally; what a constant's evaluation gives. Nodes that were made
/// before it failed are left for [`Circuit::retain`] to remove.
pub fn lower(
    plan: &Plan,
    circuit: &mut Circuit,
    shared: &mut Shared,
    node_of: &dyn Fn(&Table) -> Option<NodeId>,
    session: &Arc<Session>,
) -> Result<NodeId> {
    walking(plan, || lowered(plan, circuit, shared, node_of, session))
}

fn lowered(
    plan: &Plan,
    circuit: &mut Circuit,
    shared: &mut Shared,
    node_of: &dyn Fn(&Table) -> Option<NodeId>,
    session: &Arc<Session>,
) -> Result<NodeId> {
    refuse::check(&plan.rel)?;
    let mut lowering = Lowering { circuit, shared, node_of, session, columns: &plan.columns, lets: HashMap::new() };
    let wanted: Vec<Id> = plan.output.iter().map(|(_, id)| *id).collect();
    let relation = lowering.relation(&plan.rel, &wanted.iter().copied().collect())?;
    let stored = lowering.stored(&relation, &wanted)?;
    lowering.store(relation, stored)
}

/// The nodes that a plan is being made into, beside those that were there.
struct Lowering<'a> {
    circuit: &'a mut Circuit,
    shared: &'a mut Shared,
    node_of: &'a dyn Fn(&Table) -> Option<NodeId>,
    session: &'a Arc<Session>,
    /// All columns of the plan.
    columns: &'a Columns,
    /// What shared relations were made into, with their columns in order.
    lets: HashMap<LetId, (Relation, Vec<Id>)>,
}

/// Columns from this number on are lowering's own: the plan has none of them.
const OWN: u32 = 1 << 31;

/// An expression of more parts than this is computed once and stored, before others are made of it.
const EXPRESSION_MAX: usize = 200;

impl Lowering<'_> {
    /// What `rel` is made of; only its columns among `wanted` are read.
    fn relation(&mut self, rel: &Rel, wanted: &BTreeSet<Id>) -> Result<Relation> {
        match rel {
            Rel::Get(get) => self.get(get),
            Rel::Values { columns, rows } => self.values(columns, rows),
            Rel::Map { input, scalars } => {
                let made: Vec<_> = scalars.iter().filter(|(id, _)| wanted.contains(id)).collect();
                let relation = self.relation(input, &reading(wanted, made.iter().map(|(_, scalar)| scalar)))?;
                self.map(relation, &made)
            }
            Rel::Filter { input, predicates } => {
                let mut relation = self.relation(input, &reading(wanted, predicates))?;
                predicates.iter().try_for_each(|predicate| relation.filter(predicate))?;
                Ok(relation)
            }
            Rel::Project { input, .. } => self.relation(input, wanted),
            Rel::Join(join) => match join.kind {
                JoinKind::Inner => self.inner_join(join, wanted),
                JoinKind::Full => self.full_join(join, wanted),
                _ => self.optional_join(join, wanted),
            },
            Rel::Reduce { input, keys, aggregates } => self.reduce(input, keys, aggregates, wanted),
            Rel::TopK(top) => self.top(top, wanted),
            Rel::Union { columns, inputs } => self.union(columns, inputs, wanted),
            Rel::Count(count) => self.count(count),
            Rel::Let(binding) => {
                let value = self.relation(&binding.value, &binding.columns.iter().copied().collect())?;
                self.lets.insert(binding.id, (value, binding.columns.clone()));
                self.relation(&binding.body, wanted)
            }
            Rel::Ref { id, columns } => {
                let (value, made) = self.lets.get(id).ok_or_else(|| unsupported("WITH RECURSIVE"))?;
                Ok(value.renamed(made, columns))
            }
            Rel::LetRec(_) => Err(unsupported("WITH RECURSIVE")),
            Rel::Window { .. } => Err(unsupported("a window function")),
            Rel::FlatMap { .. } => Err(unsupported("a set-returning function")),
        }
    }

    fn get(&mut self, get: &Get) -> Result<Relation> {
        let name = &get.relation.name;
        let node = (self.node_of)(&get.relation)
            .ok_or_else(|| unsupported(format_args!("reading system relation \"{name}\"")))?;
        let ids = get.columns.iter().map(|(at, id)| (*id, *at));
        Ok(Relation::of_node(node, ids, self.circuit.types(node)))
    }

    fn map(&mut self, mut relation: Relation, scalars: &[&(Id, Scalar)]) -> Result<Relation> {
        let large = |relation: &Relation, (_, scalar): &&(Id, Scalar)| relation.size_of(scalar) > EXPRESSION_MAX;
        if scalars.iter().any(|scalar| large(&relation, scalar)) {
            let ids: Vec<Id> = relation.columns.keys().copied().collect();
            relation = self.as_node(relation, &ids)?;
        }
        let made: Vec<_> =
            scalars.iter().map(|(id, scalar)| Ok((*id, relation.over_slots(scalar)?))).collect::<Result<_>>()?;
        relation.columns.extend(made);
        Ok(relation)
    }

    /// The relation, its rows stored with these columns.
    fn as_node(&mut self, relation: Relation, ids: &[Id]) -> Result<Relation> {
        let stored = self.stored(&relation, ids)?;
        let node = self.store(relation, stored)?;
        Ok(Relation::of_node(node, ids.iter().copied().zip(0..), self.circuit.types(node)))
    }

    /// Columns to store: of the plan's types.
    fn stored(&self, relation: &Relation, ids: &[Id]) -> Result<Vec<Stored>> {
        let stored = |id: &Id| {
            let scalar = relation.column(*id)?;
            Ok(if id.0 >= OWN { Stored::own(scalar) } else { Stored::value(scalar, self.columns.ty(*id).clone()) })
        };
        ids.iter().map(stored).collect()
    }
}

/// What is read besides `wanted`.
fn reading<'s>(wanted: &BTreeSet<Id>, scalars: impl IntoIterator<Item = &'s Scalar>) -> BTreeSet<Id> {
    wanted.iter().copied().chain(scalars.into_iter().flat_map(Scalar::free)).collect()
}

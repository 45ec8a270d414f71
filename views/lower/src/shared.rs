//! What nodes compute, so that an equal one is used again instead of made twice.

use std::collections::HashMap;
use std::hash::Hash;

use tidewater_engine::{ColumnAt, Equality, JoinInput, NodeId, OrderColumn};
use tidewater_query::plan::{FunctionRef, Scalar};
use tidewater_types::ColumnType;
use xxhash_rust::xxh3::Xxh3;

use crate::columns::Stored;
use crate::relation::Predicate;

/// The nodes that lowering made, by what they compute.
#[derive(Debug, Default)]
pub struct Shared(pub(crate) HashMap<Signature, NodeId>);

impl Shared {
    /// Forgets nodes that are no more.
    pub fn forget(&mut self, gone: &[NodeId]) {
        self.0.retain(|_, node| !gone.contains(node));
    }
}

impl Shared {
    /// What nodes compute, told alike by every run of this program: of those that are made from nothing but what `base` tells.
    pub fn identities(&self, base: &HashMap<NodeId, u128>) -> HashMap<NodeId, u128> {
        let mut known = base.clone();
        let mut made: Vec<(NodeId, &Signature)> = self.0.iter().map(|(signature, node)| (*node, signature)).collect();
        // Inputs have smaller numbers.
        made.sort_unstable_by_key(|(node, _)| *node);
        for (node, signature) in made {
            if let Some(identity) = signature.identity(&known) {
                known.insert(node, identity);
            }
        }
        known.retain(|node, _| !base.contains_key(node));
        known
    }
}

/// What a node computes. Two of one signature have the same rows forever.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) enum Signature {
    Values {
        types: Vec<ColumnType>,
        rows: Vec<Vec<u8>>,
    },
    Join {
        inputs: Vec<JoinInput>,
        equalities: Vec<Equality>,
        filters: Vec<Predicate>,
        output: Vec<Stored>,
        zone: String,
    },
    Reduce {
        input: NodeId,
        key: Vec<usize>,
        calls: Vec<Call>,
        types: Vec<ColumnType>,
        times: Option<Times>,
        zone: String,
    },
    Union(Vec<NodeId>),
}

impl Signature {
    /// The same with its inputs told by what they compute, as a hash; none where that of an input is not known.
    fn identity(&self, known: &HashMap<NodeId, u128>) -> Option<u128> {
        let mut hasher = Xxh3::new();
        std::mem::discriminant(self).hash(&mut hasher);
        let inputs: Vec<NodeId> = match self {
            Signature::Values { types, rows } => {
                (types, rows).hash(&mut hasher);
                Vec::new()
            }
            Signature::Join { inputs, equalities, filters, output, zone } => {
                (equalities, filters, output, zone).hash(&mut hasher);
                inputs.iter().for_each(|input| input.role.hash(&mut hasher));
                inputs.iter().map(|input| input.node).collect()
            }
            Signature::Reduce { input, key, calls, types, times, zone } => {
                (key, calls, types, times, zone).hash(&mut hasher);
                vec![*input]
            }
            Signature::Union(inputs) => inputs.clone(),
        };
        inputs.len().hash(&mut hasher);
        for input in inputs {
            known.get(&input)?.hash(&mut hasher);
        }
        Some(hasher.digest128())
    }
}

/// One aggregate, over slots of the node that is grouped.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Call {
    /// `None`: the argument of the first row.
    pub(crate) function: Option<FunctionRef>,
    pub(crate) arguments: Vec<Scalar>,
    pub(crate) result: ColumnType,
    pub(crate) filter: Option<Scalar>,
    pub(crate) distinct: bool,
    pub(crate) order: Vec<OrderColumn>,
}

/// How often a group's row occurs, by the numbers of rows of two sides, which the group's row has in these columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Times {
    pub(crate) intersect: bool,
    pub(crate) all: bool,
    pub(crate) left: usize,
    pub(crate) right: usize,
}

/// The place of a column in the only input.
pub(crate) fn alone(column: usize) -> ColumnAt {
    ColumnAt { input: 0, column }
}

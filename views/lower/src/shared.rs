//! What nodes compute, so that an equal one is used again instead of made twice.

use std::collections::HashMap;

use tidewater_engine::{ColumnAt, Equality, JoinInput, NodeId, OrderColumn};
use tidewater_query::plan::{FunctionRef, Scalar};
use tidewater_types::ColumnType;

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

//! The nodes' names, their arrangements, and how much of its inputs each has taken in.

use crate::arena::RowId;
use crate::arrangement::Arrangement;

/// Names a node of the circuit; a node's inputs have smaller numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub(crate) usize);

/// The arrangements, by node.
#[derive(Debug, Default)]
pub(crate) struct Nodes(pub(crate) Vec<Option<Arrangement>>);

impl Nodes {
    #[inline]
    pub(crate) fn arrangement(&self, node: NodeId) -> &Arrangement {
        self.0[node.0].as_ref().expect("a node is not read after its removal, nor while it is written")
    }

    pub(crate) fn arrangement_mut(&mut self, node: NodeId) -> &mut Arrangement {
        self.0[node.0].as_mut().expect("a node is not written after its removal")
    }

    /// Runs `write` with the node's arrangement taken out, so that the others stay readable.
    pub(crate) fn write<T>(&mut self, node: NodeId, write: impl FnOnce(&Nodes, &mut Arrangement) -> T) -> T {
        let mut arrangement = self.0[node.0].take().expect("a node is written by one operator at a time");
        let result = write(self, &mut arrangement);
        self.0[node.0] = Some(arrangement);
        result
    }

    /// Puts more rows into an index that does not hold all yet; false if there is none.
    pub(crate) fn fill_index(&mut self) -> bool {
        self.0.iter_mut().flatten().any(Arrangement::fill_index)
    }
}

/// The part of its inputs that a node has taken in: all inputs before `input`, and of that one the places before `upto`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fed {
    pub(crate) input: usize,
    pub(crate) upto: RowId,
}

impl Fed {
    /// Nothing yet.
    pub(crate) const NONE: Fed = Fed { input: 0, upto: RowId(0) };
    /// Everything.
    pub(crate) const ALL: Fed = Fed { input: usize::MAX, upto: RowId(0) };

    /// Whether a row of an input is taken in.
    #[inline]
    pub(crate) fn includes(self, input: usize, id: RowId) -> bool {
        input < self.input || (input == self.input && id < self.upto)
    }
}

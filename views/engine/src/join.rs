//! What an n-way join is, and the walks that keep it fresh.
//!
//! A join keeps no state of its own besides its output. For the delta of each input there is a [`Term`]: a walk through
//! indexes of the other inputs (a *delta join*). With inputs R₁…Rₙ the output's delta is Σᵢ ΔRᵢ ⋈ (R₁…Rᵢ₋₁ new, Rᵢ₊₁… old).
//! One input alone, filtered and projected, is the join with n = 1.

use std::sync::Arc;

use delta::{KeyColumn, Kind, Row, RowBuilder};

use crate::arrangement::Version;
use crate::expr::Expr;
use crate::nodes::NodeId;

/// An input of a join.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JoinInput {
    /// The node whose rows it reads.
    pub node: NodeId,
    /// Whether the input is left-joined to the inputs before it: a tuple without a match keeps a row of NULLs.
    pub outer: bool,
}

/// A column of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ColumnAt {
    /// The input.
    pub input: usize,
    /// The column of its rows.
    pub column: usize,
}

/// A predicate of a join.
#[derive(Debug, Clone)]
pub struct Filter {
    /// Keeps a tuple where this is true.
    pub expr: Expr,
    /// The inputs that it reads.
    pub inputs: Vec<usize>,
    /// The outer input in whose ON clause it stands, or `None` for WHERE.
    pub on: Option<usize>,
}

/// A column of the join's output.
#[derive(Debug, Clone)]
pub enum Output {
    /// A column of an input as it is.
    Column(ColumnAt),
    /// A computed value.
    Expr(Expr),
}

/// A join of any number of inputs, filtered and projected.
///
/// An outer input's equalities and ON filters read only inputs before it; no inner input is equated with an outer one.
#[derive(Debug, Clone)]
pub struct JoinSpec {
    /// At least one; the first is inner.
    pub inputs: Vec<JoinInput>,
    /// Columns of one kind that must be equal and not NULL.
    pub equalities: Vec<(ColumnAt, ColumnAt)>,
    /// Further predicates.
    pub filters: Vec<Filter>,
    /// Columns of the output.
    pub output: Vec<Output>,
    /// Their kinds.
    pub kinds: Arc<[Kind]>,
    /// Output columns that identify a row, where the inputs' keys show it.
    pub key: Option<Vec<usize>>,
}

/// Why a join cannot be kept incrementally.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JoinError {
    /// No equality ties an input to the others.
    #[error("cross join: no equality connects input {0} with the others")]
    NotConnected(usize),
}

/// Binds one more input by its index.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) input: usize,
    pub(crate) node: NodeId,
    pub(crate) index: usize,
    /// For each key column of the index, the bound input and column that hold its value.
    pub(crate) parts: Vec<(usize, KeyColumn)>,
    pub(crate) version: Version,
    /// Filters that can be decided once this input is bound, by number.
    pub(crate) filters: Vec<usize>,
    /// For an outer input, the filters of its ON clause.
    pub(crate) on: Vec<usize>,
    pub(crate) outer: bool,
    /// The outer input whose delta this walk propagates.
    pub(crate) delta: bool,
}

/// The walk for one input's delta.
#[derive(Debug)]
pub(crate) struct Term {
    pub(crate) start: usize,
    pub(crate) start_filters: Vec<usize>,
    /// Where the start is an outer input: how to find the inner tuples that its delta may touch.
    pub(crate) discovery: Vec<Step>,
    pub(crate) steps: Vec<Step>,
}

/// A join, planned.
#[derive(Debug)]
pub(crate) struct Join {
    pub(crate) spec: JoinSpec,
    pub(crate) terms: Vec<Term>,
    /// The walk that computes everything from the first input.
    pub(crate) full: Term,
    /// For each input, its row of NULLs.
    pub(crate) missing: Vec<Row>,
}

/// Makes sure that a node has an index by these columns and tells its number.
pub(crate) type IndexOf<'a> = dyn FnMut(NodeId, &[usize]) -> usize + 'a;

struct Planner<'a> {
    spec: &'a JoinSpec,
    kinds: &'a [Arc<[Kind]>],
    index_of: &'a mut IndexOf<'a>,
}

impl Join {
    pub(crate) fn plan<'a>(
        spec: JoinSpec,
        input_kinds: Vec<Arc<[Kind]>>,
        index_of: &'a mut IndexOf<'a>,
    ) -> Result<Join, JoinError> {
        let mut planner = Planner { spec: &spec, kinds: &input_kinds, index_of };
        let terms = (0..spec.inputs.len()).map(|i| planner.term(i, true)).collect::<Result<Vec<_>, _>>()?;
        let full = planner.term(0, false)?;
        let missing = input_kinds.iter().map(|kinds| RowBuilder::new(kinds.clone()).take()).collect();
        Ok(Join { spec, terms, full, missing })
    }
}

impl Planner<'_> {
    /// The walk from `start`. `incremental`: occurrences of the start's own node read the version that the sum asks for.
    fn term(&mut self, start: usize, incremental: bool) -> Result<Term, JoinError> {
        let inputs = &self.spec.inputs;
        let mut bound = vec![false; inputs.len()];
        bound[start] = true;
        let mut discovery = Vec::new();
        let mut steps = Vec::new();
        let mut start_filters = Vec::new();
        if inputs[start].outer {
            discovery = self.inner_steps(start, &mut bound, true, incremental)?;
            for (input, bound) in bound.iter_mut().enumerate() {
                *bound = !inputs[input].outer;
            }
        } else {
            start_filters = self.decidable(&[], &bound);
            steps = self.inner_steps(start, &mut bound, false, incremental)?;
        }
        for outer in 0..inputs.len() {
            if !inputs[outer].outer {
                continue;
            }
            let before = bound.clone();
            let mut step = self.step(start, outer, &bound, incremental).ok_or(JoinError::NotConnected(outer))?;
            bound[outer] = true;
            step.filters = self.decidable(&before, &bound);
            step.delta = outer == start;
            steps.push(step);
        }
        Ok(Term { start, start_filters, discovery, steps })
    }

    /// Steps that bind all inner inputs. While discovering, outer inputs may be passed through and no filter is applied.
    fn inner_steps(
        &mut self,
        start: usize,
        bound: &mut [bool],
        discovering: bool,
        incremental: bool,
    ) -> Result<Vec<Step>, JoinError> {
        let inputs = self.spec.inputs.clone();
        let mut steps = Vec::new();
        while let Some(open) = (0..inputs.len()).find(|&i| !inputs[i].outer && !bound[i]) {
            let candidate = |i: &usize| !bound[*i] && (discovering || !inputs[*i].outer) && self.connected(*i, bound);
            // Inner inputs first: an outer one is passed through only where nothing else leads on.
            let next = (0..inputs.len())
                .filter(candidate)
                .min_by_key(|&i| inputs[i].outer)
                .ok_or(JoinError::NotConnected(open))?;
            let before = bound.to_vec();
            let mut step = self.step(start, next, bound, incremental).ok_or(JoinError::NotConnected(next))?;
            bound[next] = true;
            if !discovering {
                step.filters = self.decidable(&before, bound);
            }
            step.outer = false;
            steps.push(step);
        }
        Ok(steps)
    }

    fn connected(&self, input: usize, bound: &[bool]) -> bool {
        self.spec
            .equalities
            .iter()
            .any(|(a, b)| (a.input == input && bound[b.input]) || (b.input == input && bound[a.input]))
    }

    fn step(&mut self, start: usize, input: usize, bound: &[bool], incremental: bool) -> Option<Step> {
        let mut pairs: Vec<(usize, ColumnAt)> = Vec::new();
        for (a, b) in &self.spec.equalities {
            let pair = match (a.input == input, b.input == input) {
                (true, false) if bound[b.input] => (a.column, *b),
                (false, true) if bound[a.input] => (b.column, *a),
                _ => continue,
            };
            pairs.push(pair);
        }
        // Two equalities on one column stay two key columns: the index then demands both.
        pairs.sort();
        pairs.dedup();
        if pairs.is_empty() {
            return None;
        }
        let here = self.spec.inputs[input];
        let columns: Vec<_> = pairs.iter().map(|(column, _)| *column).collect();
        let index = (self.index_of)(here.node, &columns);
        let key_column = |(_, at): &(usize, ColumnAt)| (at.input, KeyColumn::new(at.column, &self.kinds[at.input]));
        let same_node = here.node == self.spec.inputs[start].node;
        let version = if incremental && same_node && input > start { Version::Old } else { Version::New };
        let on = (0..self.spec.filters.len()).filter(|&f| self.spec.filters[f].on == Some(input)).collect();
        Some(Step {
            input,
            node: here.node,
            index,
            parts: pairs.iter().map(key_column).collect(),
            version,
            filters: Vec::new(),
            on: if here.outer { on } else { Vec::new() },
            outer: here.outer,
            delta: false,
        })
    }

    /// WHERE filters that `bound` decides and `before` (empty: nothing was bound) did not.
    fn decidable(&self, before: &[bool], bound: &[bool]) -> Vec<usize> {
        let decides = |bound: &[bool], f: &Filter| f.inputs.iter().all(|&i| bound[i]);
        let filters = self.spec.filters.iter().enumerate();
        filters
            .filter(|(_, f)| f.on.is_none() && decides(bound, f) && (before.is_empty() || !decides(before, f)))
            .map(|(number, _)| number)
            .collect()
    }
}

//! What an n-way join is, and the walks that keep it fresh.
//!
//! A join keeps no state of its own besides its output. For the delta of each input there is a [`Term`]: a walk through
//! indexes of the other inputs (a *delta join*). With inputs R₁…Rₙ the output's delta is Σᵢ ΔRᵢ ⋈ (R₁…Rᵢ₋₁ new, Rᵢ₊₁… old).
//! One input alone, filtered and projected, is the join with n = 1.
//!
//! Inputs that are not inner are looked up for each tuple of the inner ones, in their order, and what is found is made into one
//! or more rows by their [`Role`]. Where no equality connects an input with those that are bound, all its rows are candidates.

use std::sync::Arc;

use tidewater_delta::{KeyColumn, Row, RowBuilder, Width};
use tidewater_types::{ColumnType, Expr};

use crate::arrangement::Version;
use crate::classes::Classes;
use crate::index::Part;
use crate::nodes::NodeId;
use crate::shape::Shape;

/// What an input is to the join.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Its rows make the tuples.
    Inner,
    /// Left-joined to the inputs before it: a tuple without a match keeps a row of NULLs.
    Outer,
    /// A tuple stays where it has a match. Its columns cannot be read.
    Semi,
    /// A tuple stays where it has none. Its columns cannot be read.
    Anti,
    /// The only column that can be read is a truth value: whether the ON filters are true of a row that the equalities find; NULL
    /// if not, but they are unknown of one.
    Mark,
    /// As `Outer`, but a second match is an error (21000).
    Single,
}

/// An input of a join.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct JoinInput {
    /// The node whose rows it reads.
    pub node: NodeId,
    /// What they are for.
    pub role: Role,
}

/// A column of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ColumnAt {
    /// The input.
    pub input: usize,
    /// The column of its rows.
    pub column: usize,
}

/// Two columns whose packed bytes must be equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Equality {
    /// One.
    pub left: ColumnAt,
    /// The other.
    pub right: ColumnAt,
    /// Whether NULL equals NULL; otherwise it equals nothing.
    pub nulls_equal: bool,
}

impl Equality {
    /// The column of `input`, and the other one, if exactly one of them is there.
    fn seen_from(&self, input: usize) -> Option<(usize, ColumnAt)> {
        match (self.left.input == input, self.right.input == input) {
            (true, false) => Some((self.left.column, self.right)),
            (false, true) => Some((self.right.column, self.left)),
            _ => None,
        }
    }
}

/// A predicate of a join.
#[derive(Debug, Clone)]
pub struct Filter {
    /// Keeps a tuple where this is true.
    pub expr: Expr,
    /// The columns that it reads.
    pub reads: Vec<ColumnAt>,
    /// The input, not an inner one, in whose ON clause it stands, or `None` for WHERE.
    pub on: Option<usize>,
}

/// A column of the join's output.
#[derive(Debug, Clone)]
pub enum Output {
    /// A column of an input as it is, packed alike.
    Column(ColumnAt),
    /// A computed value, and the columns that it reads.
    Expr(Expr, Vec<ColumnAt>),
}

/// A join of any number of inputs, filtered and projected.
///
/// The equalities and ON filters of an input that is not inner read only inner ones and such before it; no inner input is equated
/// with one that is not.
#[derive(Debug, Clone)]
pub struct JoinSpec {
    /// At least one; the first is inner.
    pub inputs: Vec<JoinInput>,
    /// Columns that are packed alike and must be equal.
    pub equalities: Vec<Equality>,
    /// Further predicates.
    pub filters: Vec<Filter>,
    /// Columns of the output.
    pub output: Vec<Output>,
    /// Their types.
    pub types: Arc<[ColumnType]>,
    /// Output columns that identify a row, where the inputs' keys show it.
    pub key: Option<Vec<usize>>,
}

/// Binds one more input by its index.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) input: usize,
    pub(crate) node: NodeId,
    pub(crate) index: usize,
    /// For each key column of the index, where among the bound inputs its value is.
    pub(crate) parts: Vec<Part>,
    pub(crate) version: Version,
    /// Filters that can be decided once this input is bound, by number.
    pub(crate) filters: Vec<usize>,
    /// The filters of its ON clause.
    pub(crate) on: Vec<usize>,
    pub(crate) role: Role,
    /// The input, not an inner one, whose delta this walk propagates.
    pub(crate) delta: bool,
}

/// The walk for one input's delta.
#[derive(Debug)]
pub(crate) struct Term {
    pub(crate) start: usize,
    pub(crate) start_filters: Vec<usize>,
    /// Columns of an inner start that decide which rows its walk finds: a row that takes the place of another and is equal in these goes
    /// the same way.
    pub(crate) routing: Vec<KeyColumn>,
    /// All columns of the start that the join reads: a row that takes the place of another and is equal in these changes nothing.
    pub(crate) reads: Vec<KeyColumn>,
    /// Where the start is not an inner input: how to find the inner tuples that its delta may touch.
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
    /// For each input, what stands for no match: a row of NULLs, of a mark the row false.
    pub(crate) missing: Vec<Row>,
    /// The rows of a mark that is true or unknown.
    pub(crate) mark_true: Row,
    pub(crate) mark_unknown: Row,
    /// Whether a step has no equality to go by.
    pub(crate) has_pairs: bool,
    /// Where the values of the output's key are, if it has one and all are columns of inputs.
    pub(crate) key_parts: Option<Vec<Part>>,
}

/// Makes sure that a node has an index by these columns and tells its number.
pub(crate) type IndexOf<'a> = dyn FnMut(NodeId, &[usize]) -> usize + 'a;

/// What a join has to know of an input's node.
pub(crate) struct Node {
    pub(crate) shape: Shape,
    /// The columns that identify a row, if any do.
    pub(crate) key: Option<Vec<usize>>,
}

struct Planner<'a> {
    spec: &'a JoinSpec,
    nodes: &'a [Node],
    /// Columns of inner inputs that are equal in every row of the output.
    implied: Classes,
    /// Those that the steps planned so far have made equal.
    enforced: Classes,
    index_of: &'a mut IndexOf<'a>,
    has_pairs: bool,
}

/// What a step looks rows up by: a column of its input, the one that it equals, and whether NULL equals NULL.
type Pair = (usize, ColumnAt, bool);

impl Join {
    pub(crate) fn plan<'a>(spec: JoinSpec, nodes: Vec<Node>, index_of: &'a mut IndexOf<'a>) -> Join {
        let mut implied = Classes::default();
        let is_inner = |at: ColumnAt| spec.inputs[at.input].role == Role::Inner;
        for Equality { left, right, nulls_equal } in spec.equalities.iter().copied() {
            if !nulls_equal && is_inner(left) && is_inner(right) {
                implied.equate(left, right);
            }
        }
        let enforced = Classes::default();
        let mut planner = Planner { spec: &spec, nodes: &nodes, implied, enforced, index_of, has_pairs: false };
        let terms = (0..spec.inputs.len()).map(|i| planner.term(i, true)).collect();
        let full = planner.term(0, false);
        let has_pairs = planner.has_pairs;
        let mut mark = RowBuilder::new(vec![Width::Fixed]);
        let mark_unknown = mark.take();
        let mut mark = |value: bool| {
            mark.set_slot(0, u64::from(value));
            mark.take()
        };
        let missing = spec.inputs.iter().zip(&nodes).map(|(input, node)| match input.role {
            Role::Mark => mark(false),
            _ => node.shape.builder().take(),
        });
        let missing = missing.collect();
        let key_part = |&column: &usize| match &spec.output[column] {
            Output::Column(at) => {
                let column = KeyColumn::new(at.column, &nodes[at.input].shape.widths);
                Some(Part { input: at.input, column, nulls_equal: true })
            }
            Output::Expr(..) => None,
        };
        let key_parts = spec.key.as_ref().and_then(|key| key.iter().map(key_part).collect());
        Join { terms, full, missing, mark_true: mark(true), mark_unknown, has_pairs, key_parts, spec }
    }
}

impl Planner<'_> {
    /// The walk from `start`. `incremental`: occurrences of the start's own node read the version that the sum asks for.
    fn term(&mut self, start: usize, incremental: bool) -> Term {
        let inputs = &self.spec.inputs;
        self.enforced = Classes::default();
        let mut bound = vec![false; inputs.len()];
        bound[start] = true;
        let mut discovery = Vec::new();
        let mut steps = Vec::new();
        let mut start_filters = Vec::new();
        if inputs[start].role != Role::Inner {
            discovery = self.inner_steps(start, &mut bound, true, incremental);
            for (input, bound) in bound.iter_mut().enumerate() {
                *bound = inputs[input].role == Role::Inner;
            }
        } else {
            start_filters = self.decidable(&[], &bound);
            steps = self.inner_steps(start, &mut bound, false, incremental);
        }
        for input in (0..inputs.len()).filter(|&input| inputs[input].role != Role::Inner) {
            let before = bound.clone();
            let mut step = self.step(start, input, &bound, incremental);
            bound[input] = true;
            step.filters = self.decidable(&before, &bound);
            step.delta = input == start;
            steps.push(step);
        }
        // Rows of another start are looked at by what they match.
        let read = |at: &ColumnAt| at.input == start && inputs[start].role == Role::Inner;
        let routing: Vec<_> = self.routing().filter(read).collect();
        let shown = self.spec.output.iter().flat_map(|output| match output {
            Output::Column(at) => std::slice::from_ref(at),
            Output::Expr(_, reads) => reads,
        });
        let shown = shown.copied().filter(read);
        let reads = self.key_columns(shown.chain(routing.iter().copied()));
        Term { start, start_filters, routing: self.key_columns(routing.into_iter()), reads, discovery, steps }
    }

    /// What equalities and filters read.
    fn routing(&self) -> impl Iterator<Item = ColumnAt> {
        let sides = self.spec.equalities.iter().flat_map(|equality| [equality.left, equality.right]);
        sides.chain(self.spec.filters.iter().flat_map(|filter| filter.reads.iter().copied()))
    }

    fn key_columns(&self, columns: impl Iterator<Item = ColumnAt>) -> Vec<KeyColumn> {
        let mut columns: Vec<_> = columns.collect();
        columns.sort_unstable();
        columns.dedup();
        columns.iter().map(|at| KeyColumn::new(at.column, &self.nodes[at.input].shape.widths)).collect()
    }

    /// Steps that bind all inner inputs. While discovering, outer inputs may be passed through and no filter is applied.
    fn inner_steps(&mut self, start: usize, bound: &mut [bool], discovering: bool, incremental: bool) -> Vec<Step> {
        let inputs = &self.spec.inputs;
        let mut steps = Vec::new();
        while let Some(open) = (0..inputs.len()).find(|&i| inputs[i].role == Role::Inner && !bound[i]) {
            let inner = |i: &usize| !bound[*i] && inputs[*i].role == Role::Inner && self.connected(*i, bound);
            // An outer input is passed through only where nothing else leads on.
            let through = |i: &usize| discovering && !bound[*i] && self.leads_on(*i, bound);
            let missing = (0..inputs.len()).find(|&i| self.may_be_missing(start, i, bound));
            let next = missing.or_else(|| (0..inputs.len()).find(inner));
            let next = next.or_else(|| (0..inputs.len()).find(through)).unwrap_or(open);
            let before = bound.to_vec();
            let mut step = self.step(start, next, bound, incremental);
            bound[next] = true;
            if !discovering {
                step.filters = self.decidable(&before, bound);
            }
            step.role = Role::Inner;
            step.on.clear();
            steps.push(step);
        }
        steps
    }

    /// Whether an equality connects an input with a bound one.
    fn connected(&self, input: usize, bound: &[bool]) -> bool {
        let mut seen = self.spec.equalities.iter().filter_map(|equality| equality.seen_from(input));
        seen.any(|(_, other)| bound[other.input])
    }

    /// Whether an input should be probed first: it has one row at most, and none yet where the walk's start is a new row and what
    /// belongs to it came in the same tick, for its node's turn is later. Most changes that come together are of this kind.
    fn may_be_missing(&self, start: usize, input: usize, bound: &[bool]) -> bool {
        let inputs = &self.spec.inputs;
        let is_later = inputs[input].role == Role::Inner && !bound[input] && inputs[input].node > inputs[start].node;
        is_later && self.has_one(input, &self.pairs(input, bound))
    }

    /// Whether these pairs lead to one row of an input at most.
    fn has_one(&self, input: usize, pairs: &[Pair]) -> bool {
        let is_given = |column: &usize| pairs.iter().any(|(own, ..)| own == column);
        !pairs.is_empty() && self.nodes[input].key.as_ref().is_some_and(|key| key.iter().all(is_given))
    }

    /// What connects an input with those that are bound: equalities, or if there is none, what follows from several.
    fn pairs(&self, input: usize, bound: &[bool]) -> Vec<Pair> {
        let seen = |equality: &Equality| Some((equality.seen_from(input)?, equality.nulls_equal));
        let all = self.spec.equalities.iter().filter_map(seen);
        let mut pairs: Vec<Pair> =
            all.filter(|((_, other), _)| bound[other.input]).map(|((own, other), nulls)| (own, other, nulls)).collect();
        if pairs.is_empty() && self.spec.inputs[input].role == Role::Inner {
            let equal = |own| self.implied.of(ColumnAt { input, column: own }).iter().find(|at| bound[at.input]);
            let columns = 0..self.nodes[input].shape.widths.len();
            pairs.extend(columns.filter_map(|own| Some((own, *equal(own)?, false))));
            // The key is enough, and has an index.
            if self.has_one(input, &pairs) {
                let key = self.nodes[input].key.as_deref().unwrap_or_default();
                pairs.retain(|(own, ..)| key.contains(own));
            }
        }
        pairs.sort();
        pairs.dedup();
        pairs
    }

    /// Whether a row of a bound input that is not inner can only match tuples for which this outer input before it has a row: its
    /// ON clause equates the two, and not NULL with NULL.
    fn leads_on(&self, input: usize, bound: &[bool]) -> bool {
        let inputs = &self.spec.inputs;
        let mut seen = self.spec.equalities.iter().filter(|equality| !equality.nulls_equal);
        matches!(inputs[input].role, Role::Outer | Role::Single)
            && seen.any(|equality| {
                let later = |at: usize| bound[at] && at > input && inputs[at].role != Role::Inner;
                equality.seen_from(input).is_some_and(|(_, other)| later(other.input))
            })
    }

    fn step(&mut self, start: usize, input: usize, bound: &[bool], incremental: bool) -> Step {
        let here = self.spec.inputs[input];
        let mut pairs = self.pairs(input, bound);
        // Two equalities on one column stay two key columns, so that the index demands both, unless the other sides are equal anyway.
        pairs.dedup_by(|(own, other, nulls), (before, same, same_nulls)| {
            own == before && !*nulls && !*same_nulls && self.enforced.are_equal(*other, *same)
        });
        // The columns of others may be those of a missing row.
        let is_inner = |input: usize| self.spec.inputs[input].role == Role::Inner;
        for &(column, other, nulls_equal) in &pairs {
            if !nulls_equal && is_inner(input) && is_inner(other.input) {
                self.enforced.equate(ColumnAt { input, column }, other);
            }
        }
        self.has_pairs |= pairs.is_empty();
        let columns: Vec<_> = pairs.iter().map(|(column, ..)| *column).collect();
        let index = (self.index_of)(here.node, &columns);
        let part = |&(_, at, nulls_equal): &Pair| Part {
            input: at.input,
            column: KeyColumn::new(at.column, &self.nodes[at.input].shape.widths),
            nulls_equal,
        };
        let same_node = here.node == self.spec.inputs[start].node;
        let version = if incremental && same_node && input > start { Version::Old } else { Version::New };
        Step {
            input,
            node: here.node,
            index,
            parts: pairs.iter().map(part).collect(),
            version,
            filters: Vec::new(),
            on: (0..self.spec.filters.len()).filter(|&f| self.spec.filters[f].on == Some(input)).collect(),
            role: here.role,
            delta: false,
        }
    }

    /// WHERE filters that `bound` decides and `before` (empty: nothing was bound) did not.
    fn decidable(&self, before: &[bool], bound: &[bool]) -> Vec<usize> {
        let decides = |bound: &[bool], f: &Filter| f.reads.iter().all(|at| bound[at.input]);
        let filters = self.spec.filters.iter().enumerate();
        filters
            .filter(|(_, f)| f.on.is_none() && decides(bound, f) && (before.is_empty() || !decides(before, f)))
            .map(|(number, _)| number)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use tidewater_types::Type;

    use super::*;

    #[test]
    fn what_belongs_to_a_new_row_is_probed_first() {
        let at = |input, column| ColumnAt { input, column };
        let equal = |left, right| Equality { left, right, nulls_equal: false };
        // Orders (id, user), users, and two groupings by order, which come later in a tick.
        let inputs = [1, 0, 3, 4].map(|node| JoinInput { node: NodeId(node), role: Role::Inner }).to_vec();
        let types: Arc<[ColumnType]> = vec![ColumnType::from(Type::Int8); 2].into();
        let equalities = vec![equal(at(0, 1), at(1, 0)), equal(at(2, 0), at(0, 0)), equal(at(0, 0), at(3, 0))];
        let (filters, output) = (Vec::new(), vec![Output::Column(at(0, 0))]);
        let spec = JoinSpec { inputs, equalities, filters, output, types: types.clone(), key: None };
        let node = || Node { shape: Shape::new(types.clone()), key: Some(vec![0]) };
        let join = Join::plan(spec, (0..4).map(|_| node()).collect(), &mut |_, _: &[usize]| 0);
        let order = |start: usize| join.terms[start].steps.iter().map(|step| step.input).collect::<Vec<_>>();
        assert_eq!([order(0), order(1), order(2), order(3)], [[2, 3, 1], [0, 2, 3], [3, 0, 1], [0, 1, 2]]);
        assert!(join.terms.iter().flat_map(|term| &term.steps).all(|step| step.parts.len() == 1), "no column twice");
    }
}

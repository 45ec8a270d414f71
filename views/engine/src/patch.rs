//! Rows of a join's output whose change one row of an input decides alone.
//!
//! Where a row takes the place of another in an input, and is equal to it in all that the join goes by, the same tuples stay; of their rows
//! only the columns that show this input change. If the row also tells the key of the one row that it is in, that row is found in the
//! output by it, and no other input is looked at: it is patched.
//!
//! Patches come after all tuples of the tick. A tuple may have been made with the row as it was or as it is, depending on which input's delta
//! came first; both have the same key, and the patch writes what is. Rows without a value are left alone: what they fail by reads
//! other inputs only. Filters would have to be decided again, so joins with filters are not patched.

use tidewater_delta::{KeyColumn, RowRef, Weight, same_key};

use crate::arena::{ROW_BYTES, RowId};
use crate::arrangement::{Arrangement, row_too_big};
use crate::index::half;
use crate::join::{ColumnAt, JoinSpec, Output, Role, Term};
use crate::materialise::Writer;
use crate::pending::Pending;
use crate::shape::Shape;
use crate::warm::{BATCH, is_worth_it};

/// How rows of one input patch the output.
#[derive(Debug)]
pub(crate) struct Patch {
    /// Columns of the input that hold the output's key.
    key: Vec<KeyColumn>,
    /// For each column of the output, the column of the input that it shows.
    columns: Vec<Option<usize>>,
}

impl Patch {
    /// How the rows of input `start` do, if they can.
    pub(crate) fn plan(spec: &JoinSpec, start: usize, shape: &Shape) -> Option<Patch> {
        let computed = |output: &Output| match output {
            Output::Expr(_, reads) => reads.iter().any(|at| at.input == start),
            Output::Column(_) => false,
        };
        if spec.inputs[start].role != Role::Inner || !spec.filters.is_empty() || spec.output.iter().any(computed) {
            return None;
        }
        let key_column = |&column: &usize| match &spec.output[column] {
            Output::Column(at) => Some(KeyColumn::new(equal_column(spec, *at, start)?, &shape.widths)),
            Output::Expr(..) => None,
        };
        let key = spec.key.as_ref()?.iter().map(key_column).collect::<Option<_>>()?;
        let shows = |output: &Output| match output {
            Output::Column(at) if at.input == start => Some(at.column),
            _ => None,
        };
        Some(Patch { key, columns: spec.output.iter().map(shows).collect() })
    }
}

/// The column of `input` that equalities of inner inputs make equal to `at`.
fn equal_column(spec: &JoinSpec, at: ColumnAt, input: usize) -> Option<usize> {
    let inner = |at: &ColumnAt| spec.inputs[at.input].role == Role::Inner;
    let mut known = vec![at];
    let mut next = 0;
    while let Some(&at) = known.get(next).filter(|at| inner(at)) {
        if at.input == input {
            return Some(at.column);
        }
        next += 1;
        for equality in &spec.equalities {
            let other = match (equality.left == at, equality.right == at) {
                (true, _) => equality.right,
                (_, true) => equality.left,
                _ => continue,
            };
            if inner(&other) && !known.contains(&other) {
                known.push(other);
            }
        }
    }
    None
}

/// Leaves of a delta what has to walk; the rest becomes patches, or nothing where the join shows no difference.
pub(crate) fn split(
    term: &Term,
    start: &Arrangement,
    delta: impl Iterator<Item = (RowId, Weight)>,
    pending: &mut Pending,
) -> Vec<(RowId, Weight)> {
    let Some(patch) = &term.patch else { return delta.collect() };
    let mut walks = Vec::new();
    let mut delta = delta.peekable();
    while let Some((id, weight)) = delta.next() {
        let row = start.arena.row(id);
        let same = |columns: &[KeyColumn], other| same_key(row, columns, start.arena.row(other), columns);
        let takes_place = |&(other, times): &(RowId, Weight)| {
            (weight, times) == (-1, 1) && same(&term.routing, other) && same(&patch.key, other)
        };
        match delta.next_if(takes_place) {
            None => walks.push((id, weight)),
            Some((other, _)) if same(&term.reads, other) => {}
            Some((other, _)) => pending.patches.push((term.start, other)),
        }
    }
    walks
}

impl Writer<'_> {
    /// Writes what changed in the rows of the output that these rows of inputs are in.
    pub(crate) fn patch(&mut self, patches: &[(usize, RowId)], output: &mut Arrangement) {
        for batch in patches.chunks(BATCH) {
            if is_worth_it(batch.len()) {
                let hash = |&(input, id): &(usize, RowId)| {
                    let patch = self.join.terms[input].patch.as_ref()?;
                    Some(half(tidewater_delta::hash_key(self.input_row(input, id), &patch.key).0))
                };
                output.warm(0, batch.iter().map(hash));
            }
            batch.iter().for_each(|&(input, id)| self.patch_one(input, id, output));
        }
    }

    fn input_row(&self, input: usize, id: RowId) -> RowRef<'_> {
        self.nodes.arrangement(self.join.spec.inputs[input].node).arena.row(id)
    }

    fn patch_one(&mut self, input: usize, id: RowId, output: &mut Arrangement) {
        let nodes = self.nodes;
        let row = nodes.arrangement(self.join.spec.inputs[input].node).arena.row(id);
        let Some(patch) = &self.join.terms[input].patch else { return };
        let found = output.find(0, row, &patch.key).find(|&id| output.arena.weight(id) > 0);
        // The row has no match in another input, or no value.
        let Some(found) = found else { return };
        let old = output.arena.row(found);
        self.builder.reset();
        for (column, shows) in patch.columns.iter().enumerate() {
            match shows {
                Some(from) => self.builder.copy(column, row, *from),
                None => self.builder.copy(column, old, column),
            }
        }
        let new = self.builder.finish();
        if new.bytes().len() >= ROW_BYTES {
            return output.fail(row_too_big(new.bytes().len()));
        }
        output.exchange(new, 1);
    }
}

//! Makes the tuples of row ids that a join's walks found into rows of its output: values are read only here (late
//! materialisation), after tuples that cancel within the tick are gone.

use std::ops::Range;

use tidewater_delta::{RowBuilder, RowRef, Weight, same_key};
use tidewater_types::{Result, Scratch, SqlError};

use crate::arena::{ROW_BYTES, RowId};
use crate::arrangement::{Arrangement, row_too_big};
use crate::index::{Part, Probe, half};
use crate::join::{Join, Output};
use crate::nodes::Nodes;
use crate::pending::{Pending, Tuples};
use crate::shape::Shape;
use crate::warm::{BATCH, Batch, is_worth_it};

/// Makes the pending tuples into rows of the join's output; none is pending then.
pub(crate) fn materialise(join: &Join, nodes: &Nodes, pending: &mut Pending, output: &mut Arrangement) {
    let width = join.spec.inputs.len();
    if pending.deltas > 1 {
        pending.overflows |= !pending.tuples.consolidate(width);
        pending.overflows |= !pending.suspects.consolidate(width);
    }
    if pending.overflows {
        pending.clear();
        return output.fail_by_weight();
    }
    let shape = output.shape.clone();
    let builder = shape.builder();
    let (rows, leaving) = (Vec::with_capacity(width), Vec::new());
    let mut writer = Writer { join, nodes, shape, rows, builder, leaving, scratch: Scratch::new() };
    // Rows leave before others come: with a key there is at most one row for it at any time.
    let tuples = &mut pending.tuples;
    let (mut number, mut warmed) = (0, 0);
    while number < tuples.len() {
        if number >= warmed {
            warmed = tuples.len().min(number + BATCH);
            writer.warm(tuples, number..warmed, output);
        }
        let (ids, weight) = tuples.get(number, width);
        number += 1;
        if weight >= 0 {
            continue;
        }
        if number < tuples.len()
            && let (next, times) = tuples.get(number, width)
            && times == -weight
            && writer.exchange(ids, next, times, output)
        {
            tuples.done(number);
            number += 1;
            continue;
        }
        writer.load(ids);
        if !writer.remove_by_key(weight, output) {
            writer.apply(weight, output);
        }
    }
    for (ids, weight) in tuples.iter(width).filter(|(_, weight)| *weight > 0) {
        writer.load(ids);
        writer.apply(weight, output);
    }
    for (ids, weight) in pending.suspects.iter(width) {
        writer.load(ids);
        match writer.first_failure(ids) {
            Some(error) => output.add_error(error, weight),
            None => writer.apply(weight, output),
        }
    }
    pending.clear();
}

/// The row that an id of an input stands for.
pub(crate) fn shown<'a>(join: &'a Join, nodes: &'a Nodes, input: usize, id: RowId) -> RowRef<'a> {
    match id {
        RowId::TRUE => join.mark_true.as_ref(),
        RowId::UNKNOWN => join.mark_unknown.as_ref(),
        id if id.is_row() => nodes.arrangement(join.spec.inputs[input].node).arena.row(id),
        _ => join.missing[input].as_ref(),
    }
}

/// Writes rows of the output.
struct Writer<'a> {
    join: &'a Join,
    nodes: &'a Nodes,
    shape: Shape,
    /// Of the tuple that is being written.
    rows: Vec<RowRef<'a>>,
    builder: RowBuilder,
    /// The key of the tuple that leaves, where it is computed.
    leaving: Vec<u8>,
    scratch: Scratch,
}

impl Writer<'_> {
    fn load(&mut self, ids: &[RowId]) {
        self.scratch.reset();
        self.rows.clear();
        for (input, &id) in ids.iter().enumerate() {
            self.rows.push(shown(self.join, self.nodes, input, id));
        }
    }

    /// See [`crate::warm`]: the rows that these tuples' rows take the places of.
    fn warm(&mut self, tuples: &Tuples, range: Range<usize>, output: &Arrangement) {
        if !is_worth_it(range.len()) {
            return;
        }
        let Some(parts) = &self.join.key_parts else { return };
        let mut hashes: Batch<Option<u32>> = Batch::new();
        for number in range {
            self.load(tuples.get(number, self.join.spec.inputs.len()).0);
            hashes.push(Probe { rows: &self.rows, parts }.hash().map(half));
        }
        output.warm(0, hashes.into_iter());
    }

    fn column(&mut self, column: usize) -> Result<()> {
        match &self.join.spec.output[column] {
            Output::Column(at) => {
                let row = self.rows[at.input];
                if !row.is_null(at.column) {
                    self.builder.copy(column, row, at.column);
                }
            }
            Output::Expr(expr, _) => {
                let value = expr.eval(&self.rows, &self.scratch)?;
                if !value.is_null() {
                    self.shape.packings[column].set(&mut self.builder, column, &value);
                }
            }
        }
        Ok(())
    }

    /// All columns of a row that an arrangement takes.
    fn columns(&mut self) -> Result<()> {
        (0..self.join.spec.output.len()).try_for_each(|column| self.column(column))?;
        let bytes = self.builder.finish().bytes().len();
        if bytes < ROW_BYTES { Ok(()) } else { Err(row_too_big(bytes)) }
    }

    /// Puts the row of one tuple into the place of another's. False, and nothing is done, where they have no key in common or one of
    /// them has no value.
    fn exchange(&mut self, leaving: &[RowId], coming: &[RowId], weight: Weight, output: &mut Arrangement) -> bool {
        let Some(key) = &output.key else { return false };
        match &self.join.key_parts {
            Some(parts) if !parts.iter().all(|part| self.same_part(part, leaving, coming)) => return false,
            Some(_) => {}
            None => {
                self.load(leaving);
                self.builder.reset();
                if key.iter().any(|part| self.column(part.column).is_err()) {
                    return false;
                }
                self.leaving.clear();
                self.leaving.extend_from_slice(self.builder.finish().bytes());
            }
        }
        self.load(coming);
        self.builder.reset();
        if self.columns().is_err() {
            return false;
        }
        let row = self.builder.finish();
        let same_key = self.join.key_parts.is_some() || same_key(RowRef::new(&self.leaving), key, row, key);
        same_key && output.exchange(row, weight)
    }

    /// Whether two tuples have the same value in a column of the output's key. Most often they share the row that it comes from.
    fn same_part(&self, part: &Part, one: &[RowId], other: &[RowId]) -> bool {
        let (one, other) = (one[part.input], other[part.input]);
        let row = |id| shown(self.join, self.nodes, part.input, id);
        let column = std::slice::from_ref(&part.column);
        one == other || same_key(row(one), column, row(other), column)
    }

    /// Takes out the row that has the tuple's key, without computing the rest of it. False where there is none (its values
    /// could not be computed), there is no key or the key itself cannot be computed.
    fn remove_by_key(&mut self, weight: Weight, output: &mut Arrangement) -> bool {
        let Some(key) = &self.join.spec.key else { return false };
        self.builder.reset();
        if key.iter().any(|&column| self.column(column).is_err()) {
            return false;
        }
        let found = output.current(self.builder.finish());
        if let Some(id) = found {
            output.add_weight(id, weight);
        }
        found.is_some()
    }

    fn apply(&mut self, weight: Weight, output: &mut Arrangement) {
        self.builder.reset();
        match self.columns() {
            Ok(()) => output.update(self.builder.finish(), weight),
            Err(error) => output.add_error(error, weight),
        }
    }

    fn first_failure(&self, ids: &[RowId]) -> Option<SqlError> {
        if ids.contains(&RowId::SEVERAL) {
            let message = "more than one row returned by a subquery used as an expression";
            return Some(SqlError::new(b"21000", message));
        }
        let applies = |on: Option<usize>| on.is_none_or(|input| ids[input].is_row());
        let filters = self.join.spec.filters.iter().filter(|filter| applies(filter.on));
        filters.map(|filter| filter.expr.eval(&self.rows, &self.scratch)).find_map(Result::err)
    }
}

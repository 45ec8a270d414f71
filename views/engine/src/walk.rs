//! Runs a join's walks and turns the tuples of row ids they find into output rows.
//!
//! Values are read through the ids only where a predicate or the output needs them (late materialisation). Tuples that
//! cancel within the tick are dropped before that.

use std::hash::Hasher;

use delta::{KeyColumn, RowBuilder, RowRef, Weight, same_key};
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use rustc_hash::{FxHashSet, FxHasher};
use tidewater_types::{Datum, Result, Scratch, SqlError};

use crate::arena::RowId;
use crate::arrangement::{Arrangement, Version};
use crate::index::{Probe, half};
use crate::join::{Join, JoinInput, Output, Role, Step, Term};
use crate::matches::{Found, Truth};
use crate::nodes::{Fed, Nodes};
use crate::shape::Shape;
use crate::warm::{BATCH, Batch, is_worth_it};

/// Tuples with weights: flat ids, `width` a tuple.
#[derive(Debug, Default)]
pub(crate) struct Tuples {
    ids: Vec<RowId>,
    weights: Vec<Weight>,
}

impl Tuples {
    fn push(&mut self, ids: &[RowId], weight: Weight) {
        self.ids.extend_from_slice(ids);
        self.weights.push(weight);
    }

    /// Adds up the weights of equal tuples; those of weight zero are dropped. The others stay in their order.
    fn consolidate(&mut self, width: usize) {
        let hash = |tuple: &[RowId]| {
            let mut hasher = FxHasher::default();
            tuple.iter().for_each(|id| hasher.write_u32(id.0));
            hasher.finish()
        };
        let mut kept = Tuples::default();
        let mut table: HashTable<usize> = HashTable::with_capacity(self.weights.len());
        for (tuple, weight) in self.iter(width) {
            let known = |number: &usize| hash(&kept.ids[number * width..(number + 1) * width]);
            let entry =
                table.entry(hash(tuple), |number| kept.ids[number * width..(number + 1) * width] == *tuple, known);
            match entry {
                Entry::Occupied(number) => kept.weights[*number.get()] += weight,
                Entry::Vacant(place) => {
                    place.insert(kept.weights.len());
                    kept.push(tuple, weight);
                }
            }
        }
        *self = Tuples::default();
        for (tuple, weight) in kept.iter(width).filter(|(_, weight)| *weight != 0) {
            self.push(tuple, weight);
        }
    }

    fn iter(&self, width: usize) -> impl Iterator<Item = (&[RowId], Weight)> {
        self.ids.chunks_exact(width).zip(self.weights.iter().copied())
    }
}

/// A join's output of the running tick, before it is made into rows.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    tuples: Tuples,
    /// Tuples for which a predicate failed; it is decided again, in one fixed order, when they are made into rows.
    suspects: Tuples,
    /// Number of deltas that went in: the tuples of one alone cannot cancel.
    deltas: usize,
}

impl Pending {
    pub(crate) fn is_empty(&self) -> bool {
        self.tuples.weights.is_empty() && self.suspects.weights.is_empty()
    }
}

struct Walk<'a> {
    join: &'a Join,
    nodes: &'a Nodes,
    /// The part of the first input that counts.
    fed: Fed,
    rows: Vec<RowRef<'a>>,
    ids: Vec<RowId>,
    /// A row of the start, weighing the opposite, that goes the same way: every tuple is found for both.
    twin: Option<(usize, RowId)>,
    scratch: Scratch,
    pending: &'a mut Pending,
}

/// Sends the delta of the term's input, as its node holds it now, through the walk. Of the join's first input only the part
/// that is `fed` counts.
pub(crate) fn run_term(join: &Join, term: &Term, nodes: &Nodes, fed: Fed, pending: &mut Pending) {
    // Rows that left in this tick still count here: an input without any is empty in both versions.
    let empty = |input: &JoinInput| input.role == Role::Inner && nodes.arrangement(input.node).rows() == 0;
    if join.spec.inputs.iter().any(empty) {
        return;
    }
    let start = nodes.arrangement(join.spec.inputs[term.start].node);
    let counts = |id: &RowId| term.start != 0 || fed.includes(0, *id);
    run(join, term, nodes, fed, pending, start, start.delta().filter(|(id, _)| counts(id)));
}

/// Sends the rows of one chunk of the first input through the walk.
pub(crate) fn run_chunk(join: &Join, nodes: &Nodes, chunk: usize, pending: &mut Pending) {
    let start = nodes.arrangement(join.spec.inputs[0].node);
    run(join, &join.full, nodes, Fed::ALL, pending, start, start.arena.chunk_ids(chunk));
}

fn run(
    join: &Join,
    term: &Term,
    nodes: &Nodes,
    fed: Fed,
    pending: &mut Pending,
    start: &Arrangement,
    delta: impl Iterator<Item = (RowId, Weight)>,
) {
    pending.deltas += 1;
    let rows: Vec<_> = join.missing.iter().map(|row| row.as_ref()).collect();
    let ids = vec![RowId::MISSING; rows.len()];
    let mut walk = Walk { join, nodes, fed, rows, ids, twin: None, scratch: Scratch::new(), pending };
    if join.spec.inputs[term.start].role != Role::Inner {
        walk.outer_delta(term, start, delta);
        return;
    }
    let all: Vec<_> = delta.collect();
    let mut warmed = 0;
    let mut delta = all.iter().copied().enumerate().peekable();
    while let Some((number, (id, weight))) = delta.next() {
        if number >= warmed {
            warmed = all.len().min(number + BATCH);
            walk.warm(term, start, &all[number..warmed]);
        }
        let row = start.arena.row(id);
        // A row that takes another's place comes right behind it.
        let twin = |&(_, (other, times)): &(usize, (RowId, Weight))| {
            times == -weight && is_same(term.routing.as_ref(), row, start.arena.row(other))
        };
        walk.twin = delta.next_if(twin).map(|(_, (other, _))| (term.start, other));
        if walk.twin.is_some_and(|(_, other)| is_same(term.reads.as_ref(), row, start.arena.row(other))) {
            continue;
        }
        walk.scratch.reset();
        walk.bind(term.start, id, row);
        if let Some(suspect) = walk.passes(&term.start_filters) {
            walk.steps(&term.steps, weight, suspect);
        }
    }
}

/// Whether two rows are equal in columns that are known.
fn is_same(columns: Option<&Vec<KeyColumn>>, a: RowRef<'_>, b: RowRef<'_>) -> bool {
    columns.is_some_and(|columns| same_key(a, columns, b, columns))
}

impl<'a> Walk<'a> {
    fn bind(&mut self, input: usize, id: RowId, row: RowRef<'a>) {
        self.ids[input] = id;
        self.rows[input] = row;
    }

    /// See [`crate::warm`]: goes the walk's way for a batch of the start's rows, step by step, by one row of each step.
    fn warm(&self, term: &Term, start: &Arrangement, batch: &[(RowId, Weight)]) {
        let (join, nodes): (&'a Join, &'a Nodes) = (self.join, self.nodes);
        if !is_worth_it(batch.len()) {
            return;
        }
        let width = join.missing.len();
        let mut rows: Vec<RowRef<'_>> = Vec::with_capacity(batch.len() * width);
        for (id, _) in batch {
            rows.extend(join.missing.iter().map(|row| row.as_ref()));
            let at = rows.len() - width + term.start;
            rows[at] = start.arena.row(*id);
        }
        for step in term.steps.iter().filter(|step| !step.parts.is_empty()) {
            let arrangement = nodes.arrangement(step.node);
            let probes = rows.chunks_exact(width).map(|rows| Probe { rows, parts: &step.parts });
            let ids = arrangement.warm(step.index, probes.map(|probe| probe.hash().map(half)));
            // A mark's row is not the input's.
            let shows = matches!(step.role, Role::Inner | Role::Outer | Role::Single);
            for (tuple, id) in rows.chunks_exact_mut(width).zip(ids).filter(|_| shows) {
                tuple[step.input] = id.map_or(tuple[step.input], |id| arrangement.arena.row(id));
            }
        }
    }

    fn unbind(&mut self, input: usize) {
        let join: &'a Join = self.join;
        self.bind(input, RowId::MISSING, join.missing[input].as_ref());
    }

    /// `None` if a filter says no, else whether one of them failed.
    fn passes(&self, filters: &[usize]) -> Option<bool> {
        let mut suspect = false;
        for &filter in filters {
            match self.join.spec.filters[filter].expr.eval(&self.rows, &self.scratch) {
                Ok(Datum::Bool(true)) => {}
                Ok(_) => return None,
                Err(_) => suspect = true,
            }
        }
        Some(suspect)
    }

    /// The rows that a step finds, each with its weights before and after the tick as this walk must see them.
    fn matches(&self, step: &Step) -> impl Iterator<Item = (RowId, RowRef<'a>, Weight, Weight)> + use<'a> {
        let nodes: &'a Nodes = self.nodes;
        let arrangement = nodes.arrangement(step.node);
        let probe = Probe { rows: &self.rows, parts: &step.parts };
        let (version, delta) = (step.version, step.delta);
        let weights = move |id: RowId| {
            let (old, new) = match delta {
                true => (arrangement.weight(id, Version::Old), arrangement.weight(id, Version::New)),
                false => (arrangement.weight(id, version), arrangement.weight(id, version)),
            };
            (id, arrangement.arena.row(id), old, new)
        };
        let fed = if step.input == 0 { self.fed } else { Fed::ALL };
        let found = arrangement.probe(step.index, probe).filter(move |id| fed.includes(0, *id)).map(weights);
        found.filter(|(_, _, old, new)| *old != 0 || *new != 0)
    }

    fn steps(&mut self, steps: &[Step], weight: Weight, suspect: bool) {
        let Some((step, rest)) = steps.split_first() else {
            self.emit(weight, suspect);
            return;
        };
        match step.role {
            Role::Inner => {}
            Role::Outer => return self.outer_step(step, rest, weight, suspect),
            _ => return self.choosing_step(step, rest, weight, suspect),
        }
        for (id, row, _, times) in self.matches(step) {
            self.bind(step.input, id, row);
            if let Some(failed) = self.passes(&step.filters) {
                self.steps(rest, weight * times, suspect | failed);
            }
        }
        self.unbind(step.input);
    }

    /// All matches of an outer input, or its missing row; for the delta's own input the difference of the two versions.
    fn outer_step(&mut self, step: &Step, rest: &[Step], weight: Weight, suspect: bool) {
        let (mut any_old, mut any_new) = (false, false);
        for (id, row, old, new) in self.matches(step) {
            self.bind(step.input, id, row);
            let Some(failed) = self.passes(&step.on) else { continue };
            any_old |= old != 0;
            any_new |= new != 0;
            let times = if step.delta { new - old } else { new };
            if times != 0
                && let Some(also) = self.passes(&step.filters)
            {
                self.steps(rest, weight * times, suspect | failed | also);
            }
        }
        self.unbind(step.input);
        let times = match (step.delta, any_old, any_new) {
            (false, _, any) => Weight::from(!any),
            (true, old, new) => Weight::from(!new) - Weight::from(!old),
        };
        if times != 0
            && let Some(failed) = self.passes(&step.filters)
        {
            self.steps(rest, weight * times, suspect | failed);
        }
    }

    /// An input of which a tuple gets one row at most, made of all its matches.
    fn choosing_step(&mut self, step: &Step, rest: &[Step], weight: Weight, suspect: bool) {
        let (mut before, mut after) = (Found::default(), Found::default());
        for (id, row, old, new) in self.matches(step) {
            self.bind(step.input, id, row);
            match self.truth(&step.on) {
                Truth::False => continue,
                Truth::Failed => {
                    // The pair has an error in place of an answer; it is read again from the tuple that has this row.
                    let times = if step.delta { new - old } else { new };
                    self.fail(rest, weight * times);
                }
                truth => {
                    before.take(id, old, truth);
                    after.take(id, new, truth);
                }
            }
            // With ON filters any row may fail, and the answer would depend on which is looked at first.
            let decided = |found: &Found| found.decides(step.role);
            if step.on.is_empty() && decided(&after) && (!step.delta || decided(&before)) {
                break;
            }
        }
        self.unbind(step.input);
        let (before, after) = (step.delta.then(|| before.choose(step.role)).flatten(), after.choose(step.role));
        if step.delta && before == after {
            return;
        }
        for (chosen, weight) in [(before, -weight), (after, weight)] {
            let Some(id) = chosen else { continue };
            self.bind_chosen(step, id);
            if id == RowId::SEVERAL {
                self.fail(rest, weight);
            } else if let Some(failed) = self.passes(&step.filters) {
                self.steps(rest, weight, suspect | failed);
            }
        }
        self.unbind(step.input);
    }

    /// A tuple that ends here, for it has an error. What comes later does not matter to it, nor does a delta of that.
    fn fail(&mut self, rest: &[Step], weight: Weight) {
        if weight != 0 && rest.iter().all(|step| !step.delta) {
            self.emit(weight, true);
        }
    }

    fn emit(&mut self, weight: Weight, suspect: bool) {
        let sink = if suspect { &mut self.pending.suspects } else { &mut self.pending.tuples };
        sink.push(&self.ids, weight);
        if let Some((start, id)) = self.twin {
            let first = std::mem::replace(&mut self.ids[start], id);
            sink.push(&self.ids, -weight);
            self.ids[start] = first;
        }
    }

    fn bind_chosen(&mut self, step: &Step, id: RowId) {
        let (join, nodes): (&'a Join, &'a Nodes) = (self.join, self.nodes);
        self.bind(step.input, id, shown(join, nodes, step.input, id));
    }

    /// The three-valued AND of filters.
    fn truth(&self, filters: &[usize]) -> Truth {
        let mut truth = Truth::True;
        for &filter in filters {
            match self.join.spec.filters[filter].expr.eval(&self.rows, &self.scratch) {
                Ok(Datum::Bool(true)) => {}
                Ok(Datum::Bool(false)) => return Truth::False,
                Ok(_) if truth == Truth::True => truth = Truth::Unknown,
                Ok(_) => {}
                Err(_) => truth = Truth::Failed,
            }
        }
        truth
    }

    /// The delta of an input that is not inner: finds the inner tuples that it may touch, each once, and takes the difference there.
    fn outer_delta(&mut self, term: &Term, start: &'a Arrangement, delta: impl Iterator<Item = (RowId, Weight)>) {
        let mut seen: FxHashSet<Vec<RowId>> = FxHashSet::default();
        for (id, _) in delta {
            self.bind(term.start, id, start.arena.row(id));
            self.discover(term, &term.discovery, 1, &mut seen);
        }
        self.unbind(term.start);
    }

    fn discover(&mut self, term: &Term, steps: &[Step], weight: Weight, seen: &mut FxHashSet<Vec<RowId>>) {
        let Some((step, rest)) = steps.split_first() else {
            self.touch(term, weight, seen);
            return;
        };
        for (id, row, _, times) in self.matches(step) {
            self.bind(step.input, id, row);
            // An outer input that the walk passes through is looked up again later and does not count here.
            let times = if self.join.spec.inputs[step.input].role == Role::Inner { times } else { 1 };
            self.discover(term, rest, weight * times, seen);
        }
        self.unbind(step.input);
    }

    fn touch(&mut self, term: &Term, weight: Weight, seen: &mut FxHashSet<Vec<RowId>>) {
        let (rows, ids) = (self.rows.clone(), self.ids.clone());
        let inputs = &self.join.spec.inputs;
        for input in (0..inputs.len()).filter(|&input| inputs[input].role != Role::Inner) {
            self.unbind(input);
        }
        if seen.insert(self.ids.clone()) {
            self.scratch.reset();
            let inner: Vec<_> = (0..self.join.spec.filters.len()).filter(|&f| self.reads_inner_only(f)).collect();
            if let Some(suspect) = self.passes(&inner) {
                self.steps(&term.steps, weight, suspect);
            }
        }
        (self.rows, self.ids) = (rows, ids);
    }

    fn reads_inner_only(&self, filter: usize) -> bool {
        let filter = &self.join.spec.filters[filter];
        filter.on.is_none() && filter.inputs.iter().all(|&input| self.join.spec.inputs[input].role == Role::Inner)
    }
}

/// Makes the pending tuples into rows of the join's output.
pub(crate) fn materialise(join: &Join, nodes: &Nodes, mut pending: Pending, output: &mut Arrangement) {
    let width = join.spec.inputs.len();
    if pending.deltas > 1 {
        pending.tuples.consolidate(width);
        pending.suspects.consolidate(width);
    }
    let shape = output.shape.clone();
    let builder = shape.builder();
    let (rows, leaving) = (Vec::with_capacity(width), Vec::new());
    let mut writer = Writer { join, nodes, shape, rows, builder, leaving, scratch: Scratch::new() };
    // Rows leave before others come: with a key there is at most one row for it at any time.
    let tuples: Vec<_> = pending.tuples.iter(width).collect();
    let (mut number, mut warmed) = (0, 0);
    let mut coming = Vec::new();
    while let Some(&(ids, weight)) = tuples.get(number) {
        if number >= warmed {
            warmed = tuples.len().min(number + BATCH);
            writer.warm(&tuples[number..warmed], output);
        }
        number += 1;
        if weight > 0 {
            coming.push((ids, weight));
            continue;
        }
        let next = tuples.get(number).filter(|(_, times)| *times == -weight);
        if next.is_some_and(|(next, _)| writer.exchange(ids, next, -weight, output)) {
            number += 1;
            continue;
        }
        writer.load(ids);
        if !writer.remove_by_key(weight, output) {
            writer.apply(weight, output);
        }
    }
    for (ids, weight) in coming {
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
}

/// The row that an id of an input stands for.
fn shown<'a>(join: &'a Join, nodes: &'a Nodes, input: usize, id: RowId) -> RowRef<'a> {
    match id {
        RowId::TRUE => join.mark_true.as_ref(),
        RowId::UNKNOWN => join.mark_unknown.as_ref(),
        id if id.is_row() => nodes.arrangement(join.spec.inputs[input].node).arena.row(id),
        _ => join.missing[input].as_ref(),
    }
}

struct Writer<'a> {
    join: &'a Join,
    nodes: &'a Nodes,
    shape: Shape,
    /// Of the tuple that is being written.
    rows: Vec<RowRef<'a>>,
    builder: RowBuilder,
    /// The key of the tuple that leaves.
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
    fn warm(&mut self, tuples: &[(&[RowId], Weight)], output: &Arrangement) {
        if !is_worth_it(tuples.len()) {
            return;
        }
        let Some(parts) = &self.join.key_parts else { return };
        let mut hashes: Batch<Option<u32>> = Batch::new();
        for (ids, _) in tuples {
            self.load(ids);
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
            Output::Expr(expr) => {
                let value = expr.eval(&self.rows, &self.scratch)?;
                if !value.is_null() {
                    self.shape.packings[column].set(&mut self.builder, column, &value);
                }
            }
        }
        Ok(())
    }

    /// Puts the row of one tuple into the place of another's. False, and nothing is done, where they have no key in common or one of
    /// them has no value.
    fn exchange(&mut self, leaving: &[RowId], coming: &[RowId], weight: Weight, output: &mut Arrangement) -> bool {
        let Some(key) = &output.key else { return false };
        self.load(leaving);
        self.builder.reset();
        if key.iter().any(|part| self.column(part.column).is_err()) {
            return false;
        }
        self.leaving.clear();
        self.leaving.extend_from_slice(self.builder.finish().bytes());
        self.load(coming);
        self.builder.reset();
        if (0..self.join.spec.output.len()).any(|column| self.column(column).is_err()) {
            return false;
        }
        let row = self.builder.finish();
        same_key(RowRef::new(&self.leaving), key, row, key) && output.exchange(row, weight)
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
        match (0..self.join.spec.output.len()).try_for_each(|column| self.column(column)) {
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

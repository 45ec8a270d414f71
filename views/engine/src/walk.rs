//! Runs a join's walks: from the rows of a delta to tuples of row ids.
//!
//! Values are read through the ids only where a predicate needs them.

use rustc_hash::FxHashMap;
use tidewater_delta::{RowRef, Weight, same_key};
use tidewater_types::{Datum, Scratch};

use crate::arena::RowId;
use crate::arrangement::{Arrangement, Version};
use crate::index::{Probe, half};
use crate::join::{Join, JoinInput, Role, Step, Term};
use crate::matches::{Found, Truth};
use crate::materialise::shown;
use crate::nodes::{Fed, Nodes};
use crate::pending::Pending;
use crate::warm::{BATCH, is_worth_it};

/// The inner tuples that a delta of another input may touch, each with its weight and the rows of the delta that lead to it.
type Touched = FxHashMap<Vec<RowId>, (Weight, Vec<RowId>)>;

struct Walk<'a> {
    join: &'a Join,
    nodes: &'a Nodes,
    /// The part of the first input that counts.
    fed: Fed,
    rows: Vec<RowRef<'a>>,
    ids: Vec<RowId>,
    /// A row of the start, weighing the opposite, that goes the same way: every tuple is found for both.
    twin: Option<(usize, RowId)>,
    /// Where the walk propagates the delta of an input that is not inner, the rows of it that may match the tuple.
    changed: Vec<RowId>,
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

/// Sends rows of the first input through the walk that computes everything.
pub(crate) fn run_rows(join: &Join, nodes: &Nodes, rows: &[(RowId, Weight)], pending: &mut Pending) {
    let start = nodes.arrangement(join.spec.inputs[0].node);
    run(join, &join.full, nodes, Fed::ALL, pending, start, rows.iter().copied());
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
    let mut walk =
        Walk { join, nodes, fed, rows, ids, twin: None, changed: Vec::new(), scratch: Scratch::new(), pending };
    if join.spec.inputs[term.start].role != Role::Inner {
        walk.outer_delta(term, start, delta);
        return;
    }
    let mut all = std::mem::take(&mut walk.pending.delta);
    all.clear();
    all.extend(delta);
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
            times == -weight && same_key(row, &term.routing, start.arena.row(other), &term.routing)
        };
        walk.twin = delta.next_if(twin).map(|(_, (other, _))| (term.start, other));
        if walk.twin.is_some_and(|(_, other)| same_key(row, &term.reads, start.arena.row(other), &term.reads)) {
            continue;
        }
        walk.scratch.reset();
        walk.bind(term.start, id, row);
        if let Some(suspect) = walk.passes(&term.start_filters) {
            walk.steps(&term.steps, weight, suspect);
        }
    }
    walk.pending.delta = all;
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
                let weight = self.pending.times(weight, times);
                self.steps(rest, weight, suspect | failed);
            }
        }
        self.unbind(step.input);
    }

    /// All matches of an outer input, or its missing row; for the delta's own input the difference of the two versions.
    fn outer_step(&mut self, step: &Step, rest: &[Step], weight: Weight, suspect: bool) {
        let times = if step.delta {
            self.changed_matches(step, rest, weight, suspect);
            Weight::from(!self.has_match(step, Version::New)) - Weight::from(!self.has_match(step, Version::Old))
        } else {
            let mut any = false;
            for (id, row, _, times) in self.matches(step) {
                self.bind(step.input, id, row);
                let weight = self.pending.times(weight, times);
                any |= self.outer_match(step, rest, weight, suspect);
            }
            Weight::from(!any)
        };
        self.unbind(step.input);
        if times != 0
            && let Some(failed) = self.passes(&step.filters)
        {
            self.steps(rest, weight * times, suspect | failed);
        }
    }

    /// Goes on with the bound row of an outer input; false if its ON clause does not let it match.
    fn outer_match(&mut self, step: &Step, rest: &[Step], weight: Weight, suspect: bool) -> bool {
        let Some(failed) = self.passes(&step.on) else { return false };
        if let Some(also) = self.passes(&step.filters) {
            self.steps(rest, weight, suspect | failed | also);
        }
        true
    }

    /// Of an outer input's matches only those whose weight changed, so that a change costs the change and not the group.
    fn changed_matches(&mut self, step: &Step, rest: &[Step], weight: Weight, suspect: bool) {
        let nodes: &'a Nodes = self.nodes;
        let arrangement = nodes.arrangement(step.node);
        let changed = std::mem::take(&mut self.changed);
        for &id in &changed {
            let row = arrangement.arena.row(id);
            let times = arrangement.weight(id, Version::New) - arrangement.weight(id, Version::Old);
            if times != 0 && arrangement.has_key(step.index, row, Probe { rows: &self.rows, parts: &step.parts }) {
                self.bind(step.input, id, row);
                let weight = self.pending.times(weight, times);
                self.outer_match(step, rest, weight, suspect);
            }
        }
        self.changed = changed;
    }

    /// Whether a version of an outer input has a match; most often the first row is one.
    fn has_match(&mut self, step: &Step, version: Version) -> bool {
        for (id, row, old, new) in self.matches(step) {
            self.bind(step.input, id, row);
            let times = if version == Version::Old { old } else { new };
            if times != 0 && self.passes(&step.on).is_some() {
                return true;
            }
        }
        false
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
                    let weight = self.pending.times(weight, times);
                    self.fail(rest, weight);
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
        let mut touched = FxHashMap::default();
        for (id, _) in delta {
            self.bind(term.start, id, start.arena.row(id));
            self.discover(term, &term.discovery, 1, &mut touched);
        }
        let (join, nodes): (&'a Join, &'a Nodes) = (self.join, self.nodes);
        let inner: Vec<_> = (0..join.spec.filters.len()).filter(|&f| self.reads_inner_only(f)).collect();
        for (ids, (weight, changed)) in touched {
            for (input, id) in ids.into_iter().enumerate() {
                self.bind(input, id, shown(join, nodes, input, id));
            }
            self.changed = changed;
            self.scratch.reset();
            if let Some(suspect) = self.passes(&inner) {
                self.steps(&term.steps, weight, suspect);
            }
        }
    }

    fn discover(&mut self, term: &Term, steps: &[Step], weight: Weight, touched: &mut Touched) {
        let Some((step, rest)) = steps.split_first() else {
            self.touch(term, weight, touched);
            return;
        };
        for (id, row, _, times) in self.matches(step) {
            self.bind(step.input, id, row);
            // An outer input that the walk passes through is looked up again later and does not count here.
            let times = if self.join.spec.inputs[step.input].role == Role::Inner { times } else { 1 };
            let weight = self.pending.times(weight, times);
            self.discover(term, rest, weight, touched);
        }
        self.unbind(step.input);
    }

    /// Takes note of the inner tuple that is bound, and of the row that led to it.
    fn touch(&mut self, term: &Term, weight: Weight, touched: &mut Touched) {
        let role = |input: usize| self.join.spec.inputs[input].role;
        let inner = |(input, id): (usize, &RowId)| if role(input) == Role::Inner { *id } else { RowId::MISSING };
        let tuple = self.ids.iter().enumerate().map(inner).collect();
        let (_, changed) = touched.entry(tuple).or_insert_with(|| (weight, Vec::new()));
        // It may lead there in several ways, one after another.
        let id = self.ids[term.start];
        if changed.last() != Some(&id) {
            changed.push(id);
        }
    }

    fn reads_inner_only(&self, filter: usize) -> bool {
        let filter = &self.join.spec.filters[filter];
        filter.on.is_none() && filter.reads.iter().all(|at| self.join.spec.inputs[at.input].role == Role::Inner)
    }
}

#[cfg(test)]
mod tests {
    use tidewater_delta::Width;
    use tidewater_types::{ColumnType, Expr, Type};

    use super::*;
    use crate::{Circuit, ColumnAt, Filter, JoinSpec, Output, join};

    /// The tuples that an update of one row of the only input sends, without and with a filter that reads column 2.
    fn sent(old: [u64; 4], new: [u64; 4], filtered: bool) -> usize {
        let types = |columns: usize| vec![ColumnType::from(Type::Int8); columns].into();
        let row = |cells: [u64; 4]| {
            let mut builder = tidewater_delta::RowBuilder::new(vec![Width::Fixed; 4]);
            cells.into_iter().enumerate().for_each(|(column, cell)| builder.set_slot(column, cell));
            builder.take()
        };
        let mut circuit = Circuit::new();
        let table = circuit.add_input(types(4), Some(&[0]));
        let read = ColumnAt { input: 0, column: 2 };
        let filter = Filter { expr: Expr::new(|_, _| Ok(Datum::Bool(true))), reads: vec![read], on: None };
        let spec = JoinSpec {
            inputs: vec![JoinInput { node: table, role: Role::Inner }],
            equalities: Vec::new(),
            filters: if filtered { vec![filter] } else { Vec::new() },
            output: [0, 1].map(|column| Output::Column(ColumnAt { input: 0, column })).to_vec(),
            types: types(2),
            key: None,
        };
        let index_of = &mut |_, _: &[usize]| 0;
        let node = join::Node { shape: circuit.nodes.arrangement(table).shape.clone(), key: Some(vec![0]) };
        let join = Join::plan(spec, vec![node], index_of);
        circuit.tick([(table, tidewater_delta::Op::Upsert(row(old)))]);
        let arrangement = circuit.nodes.arrangement_mut(table);
        arrangement.is_read = true;
        arrangement.replace(row(new).as_ref(), 1);
        let mut pending = Pending::default();
        run_term(&join, &join.terms[0], &circuit.nodes, Fed::ALL, &mut pending);
        pending.tuples.iter(1).count()
    }

    #[test]
    fn an_update_of_columns_that_the_join_does_not_read_sends_nothing() {
        assert_eq!(sent([1, 2, 3, 4], [1, 2, 3, 5], false), 0);
        assert_eq!(sent([1, 2, 3, 4], [1, 2, 3, 5], true), 0);
        assert_eq!(sent([1, 2, 3, 4], [1, 2, 9, 4], false), 0);
        assert_eq!(sent([1, 2, 3, 4], [1, 2, 9, 4], true), 2, "a filter reads it");
        assert_eq!(sent([1, 2, 3, 4], [1, 9, 3, 4], false), 2, "the output shows it");
    }
}

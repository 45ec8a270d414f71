//! A timeline that is written as bytes and read again at every step, beside one that is not: what they hand on is the same.

use std::collections::BTreeMap;

use tidewater_delta::{Op, TableId};
use tidewater_ingest::Health;
use tidewater_ingest::event::{Boundary, Event};
use tidewater_ingest::timeline::{Bounds, Loss, Output, Place, TableSpec, Timeline, Waiting};

use crate::classes::story;
use crate::shrink::outcome_of;
use crate::story::CLASSES;
use crate::subject::Subject;

/// Stories of each class.
const SEEDS: u64 = 12;

struct Reborn {
    plain: Timeline,
    reborn: Timeline,
    /// How often there was a state to take.
    times: usize,
}

impl Reborn {
    fn new(transactions: bool) -> Self {
        let timeline = || Timeline::new("mysql.transaction", transactions);
        Reborn { plain: timeline(), reborn: timeline(), times: 0 }
    }

    /// Does the same to both, and then the one is born again.
    fn both(&mut self, step: impl Fn(&mut Timeline)) {
        step(&mut self.plain);
        step(&mut self.reborn);
        self.again();
    }

    fn again(&mut self) {
        // What was not handed on yet is in no state.
        let Ok(state) = self.reborn.state() else { return };
        let same: BTreeMap<_, _> = self.reborn.tables().into_iter().map(|id| (id, id)).collect();
        self.reborn = Timeline::restore(&state, &same).expect("the state of a timeline");
        self.times += 1;
    }
}

impl Subject for Reborn {
    fn begin_boundaries(&mut self, low: i64, end: i64) {
        self.both(|timeline| timeline.begin_boundaries(low, end));
    }
    fn add_table(&mut self, id: TableId, spec: TableSpec) {
        self.both(|timeline| timeline.add_table(id, spec.clone()));
    }
    fn add_partition(&mut self, id: TableId, bounds: Bounds) {
        self.both(|timeline| timeline.add_partition(id, bounds));
    }
    fn remove_table(&mut self, id: TableId) {
        self.both(|timeline| timeline.remove_table(id));
    }
    fn boundary(&mut self, offset: i64, timestamp_ms: i64, boundary: Boundary) {
        self.both(|timeline| timeline.boundary(offset, timestamp_ms, boundary.clone()));
    }
    fn boundary_lost(&mut self, offset: i64, reason: String) {
        self.both(|timeline| timeline.boundary_lost(offset, reason.clone()));
    }
    fn boundaries_read(&mut self, next: i64) {
        self.both(|timeline| timeline.boundaries_read(next));
    }
    fn event(&mut self, id: TableId, place: Place, event: Event) {
        self.both(|timeline| timeline.event(id, place, event.clone()));
    }
    fn lost(&mut self, id: TableId, place: Place, loss: Loss) {
        self.both(|timeline| timeline.lost(id, place, loss.clone()));
    }
    fn tombstone(&mut self, id: TableId, place: Place, op: Option<Op>) {
        self.both(|timeline| timeline.tombstone(id, place, op.clone()));
    }
    fn read(&mut self, id: TableId, partition: i32, next: i64) {
        self.both(|timeline| timeline.read(id, partition, next));
    }
    fn gap(&mut self, id: TableId, partition: i32, from: i64, to: i64) {
        self.both(|timeline| timeline.gap(id, partition, from, to));
    }
    fn wants_ends(&self) -> bool {
        assert_eq!(self.plain.wants_ends(), self.reborn.wants_ends(), "what the reborn one wants to know");
        self.plain.wants_ends()
    }
    fn ends(&mut self, ends: &[(TableId, i32, i64)]) {
        self.both(|timeline| timeline.ends(ends));
    }
    fn quiet(&mut self) {
        self.both(Timeline::quiet);
    }
    fn release(&mut self) -> Vec<Output> {
        let (plain, reborn) = (self.plain.release(), self.reborn.release());
        assert_eq!(reborn, plain, "what the reborn one hands on");
        let before = self.times;
        self.again();
        assert!(self.times > before, "all was handed on, and there is no state to take");
        plain
    }
    fn health(&self, id: TableId) -> Health {
        let (plain, reborn) = (self.plain.health(id), self.reborn.health(id));
        assert_eq!(reborn.state, plain.state, "what the reborn one says of itself");
        plain
    }
    fn state(&mut self) -> Option<Vec<u8>> {
        self.plain.state().ok()
    }
    fn restore(&mut self, state: &[u8], tables: &BTreeMap<TableId, TableId>) {
        self.both(|timeline| *timeline = Timeline::restore(state, tables).expect("the state of a timeline"));
    }
    fn waiting(&self) -> Waiting {
        self.plain.waiting()
    }
    fn has_settled(&self, waiting: &Waiting) -> bool {
        self.plain.has_settled(waiting)
    }
}

#[test]
fn a_timeline_that_is_saved_and_restored_at_every_step_hands_on_the_same() {
    let make = |transactions| Box::new(Reborn::new(transactions)) as Box<dyn Subject>;
    for class in CLASSES {
        for seed in 0..SEEDS {
            let story = story(seed, class);
            if let Err(failure) = outcome_of(&story, &make) {
                panic!("seed {seed} of {class:?}: {failure}");
            }
        }
    }
}

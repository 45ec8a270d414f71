//! What is driven: a timeline, or a wrong one.

use std::collections::BTreeMap;

use tidewater_delta::{Op, TableId};
use tidewater_ingest::Health;
use tidewater_ingest::event::{Boundary, Event};
use tidewater_ingest::timeline::{Bounds, Loss, Output, Place, TableSpec, Timeline, Waiting};

/// The interface of [`Timeline`], so that a test can put something between it and its reader.
pub(crate) trait Subject {
    fn begin_boundaries(&mut self, low: i64, end: i64);
    fn add_table(&mut self, id: TableId, spec: TableSpec);
    fn add_partition(&mut self, id: TableId, bounds: Bounds);
    fn remove_table(&mut self, id: TableId);
    fn boundary(&mut self, offset: i64, timestamp_ms: i64, boundary: Boundary);
    fn boundary_lost(&mut self, offset: i64, reason: String);
    fn boundaries_read(&mut self, next: i64);
    fn event(&mut self, id: TableId, place: Place, event: Event);
    fn lost(&mut self, id: TableId, place: Place, loss: Loss);
    fn tombstone(&mut self, id: TableId, place: Place, op: Option<Op>);
    fn read(&mut self, id: TableId, partition: i32, next: i64);
    fn gap(&mut self, id: TableId, partition: i32, from: i64, to: i64);
    fn wants_ends(&self) -> bool;
    fn ends(&mut self, ends: &[(TableId, i32, i64)]);
    fn quiet(&mut self);
    fn release(&mut self) -> Vec<Output>;
    fn health(&self, id: TableId) -> Health;
    /// Its state as bytes; none where something waits to be handed on.
    fn state(&mut self) -> Option<Vec<u8>>;
    /// It is what it was, with other numbers of tables.
    fn restore(&mut self, state: &[u8], tables: &BTreeMap<TableId, TableId>);
    fn waiting(&self) -> Waiting;
    fn has_settled(&self, waiting: &Waiting) -> bool;
}

impl Subject for Timeline {
    fn begin_boundaries(&mut self, low: i64, end: i64) {
        Timeline::begin_boundaries(self, low, end);
    }
    fn add_table(&mut self, id: TableId, spec: TableSpec) {
        Timeline::add_table(self, id, spec);
    }
    fn add_partition(&mut self, id: TableId, bounds: Bounds) {
        Timeline::add_partition(self, id, bounds);
    }
    fn remove_table(&mut self, id: TableId) {
        Timeline::remove_table(self, id);
    }
    fn boundary(&mut self, offset: i64, timestamp_ms: i64, boundary: Boundary) {
        Timeline::boundary(self, offset, timestamp_ms, boundary);
    }
    fn boundary_lost(&mut self, offset: i64, reason: String) {
        Timeline::boundary_lost(self, offset, reason);
    }
    fn boundaries_read(&mut self, next: i64) {
        Timeline::boundaries_read(self, next);
    }
    fn event(&mut self, id: TableId, place: Place, event: Event) {
        Timeline::event(self, id, place, event);
    }
    fn lost(&mut self, id: TableId, place: Place, loss: Loss) {
        Timeline::lost(self, id, place, loss);
    }
    fn tombstone(&mut self, id: TableId, place: Place, op: Option<Op>) {
        Timeline::tombstone(self, id, place, op);
    }
    fn read(&mut self, id: TableId, partition: i32, next: i64) {
        Timeline::read(self, id, partition, next);
    }
    fn gap(&mut self, id: TableId, partition: i32, from: i64, to: i64) {
        Timeline::gap(self, id, partition, from, to);
    }
    fn wants_ends(&self) -> bool {
        Timeline::wants_ends(self)
    }
    fn ends(&mut self, ends: &[(TableId, i32, i64)]) {
        Timeline::ends(self, ends);
    }
    fn quiet(&mut self) {
        Timeline::quiet(self);
    }
    fn release(&mut self) -> Vec<Output> {
        Timeline::release(self)
    }
    fn health(&self, id: TableId) -> Health {
        Timeline::health(self, id)
    }
    fn state(&mut self) -> Option<Vec<u8>> {
        Timeline::state(self).ok()
    }
    fn restore(&mut self, state: &[u8], tables: &BTreeMap<TableId, TableId>) {
        *self = Timeline::restore(state, tables).expect("the state of a timeline");
    }
    fn waiting(&self) -> Waiting {
        Timeline::waiting(self)
    }
    fn has_settled(&self, waiting: &Waiting) -> bool {
        Timeline::has_settled(self, waiting)
    }
}

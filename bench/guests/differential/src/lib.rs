//! The view in differential-dataflow, the core that Materialize is built on: one worker, one tick is one timestamp, and a
//! tick is over when the dataflow has nothing left to do for it.
//!
//! Only the columns that the view reads go in, as a planner with projection pushdown would have it; texts are copied by their
//! pointers on the way. Output is consolidated
//! and applied to a hash map, which stands for the view's index.

pub mod plan;
mod text;

use crate::plan::{Found, Inputs, Output};
use differential_dataflow::consolidation::consolidate;
use differential_dataflow::input::InputSession;
use rustc_hash::FxHashMap;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use tidewater_order_summary::engine::{Engine, Entry};
use tidewater_order_summary::event::{Event, Op, Order, SummaryRow};
use timely::WorkerConfig;
use timely::communication::Allocator;
use timely::communication::allocator::thread::Thread;
use timely::dataflow::operators::probe;
use timely::worker::Worker;

/// The engine as it is asked for.
pub const ENTRY: Entry = Entry { name: "differential", new: || Box::new(Differential::default()) };

/// The engine. Panics on a stream that is no history.
pub struct Differential {
    worker: Worker,
    inputs: Inputs,
    probe: probe::Handle<u64>,
    output: Output,
    time: u64,
    view: FxHashMap<i64, Found>,
    delta: Vec<(Found, isize)>,
}

impl Default for Differential {
    fn default() -> Self {
        let allocator = Allocator::Thread(Thread::default());
        let mut worker = Worker::new(WorkerConfig::default(), allocator, Some(std::time::Instant::now()));
        let mut inputs = Inputs::new();
        let output: Output = Rc::new(RefCell::new(Vec::new()));
        let probe = worker.dataflow(|scope| plan::build(scope, &mut inputs, Rc::clone(&output)));
        Self { worker, inputs, probe, output, time: 0, view: FxHashMap::default(), delta: Vec::new() }
    }
}

impl Engine for Differential {
    fn tick(&mut self, events: &[Event]) {
        for event in events {
            self.send(event);
        }
        self.time += 1;
        self.inputs.advance_to(self.time);
        let (probe, time) = (&self.probe, self.time);
        self.worker.step_while(|| probe.less_than(&time));
        self.delta.clear();
        self.delta.append(&mut self.output.borrow_mut());
        consolidate(&mut self.delta);
        self.apply();
    }

    fn state(&mut self) -> BTreeMap<i64, SummaryRow> {
        self.view.iter().map(|(&id, row)| (id, row.summary())).collect()
    }
}

impl Differential {
    fn send(&mut self, event: &Event) {
        let inputs = &mut self.inputs;
        match event {
            Event::User(op) => send(&mut inputs.users, op, |user| (user.id, user.phone.as_str().into())),
            Event::Address(op) => send(&mut inputs.addresses, op, |row| (row.id, row.full_address.as_str().into())),
            Event::Order(op) => {
                let row = |row: &Order| (row.id, (row.user_id, row.address_id, row.total, row.created_at));
                send(&mut inputs.orders, op, row);
            }
            Event::Item(op) => {
                send(&mut inputs.items, op, |row| {
                    (row.order_id, (row.id, row.name.as_str().into(), row.price, row.quantity))
                });
            }
            Event::Update(op) => {
                send(&mut inputs.updates, op, |row| (row.order_id, (row.updated_at, row.status.as_str().into())));
            }
        }
    }

    /// Rows that leave go first: a changed row leaves and comes under the same key.
    fn apply(&mut self) {
        for (row, _) in self.delta.iter().filter(|(_, weight)| *weight < 0) {
            self.view.remove(&row.order_id).expect("a row that leaves is in the view");
        }
        for (row, _) in self.delta.iter().filter(|(_, weight)| *weight > 0) {
            assert!(self.view.insert(row.order_id, row.clone()).is_none(), "a key is in the view once");
        }
    }
}

fn send<R, D>(input: &mut InputSession<u64, D, isize>, op: &Op<R>, row: impl Fn(&R) -> D)
where
    D: differential_dataflow::Data,
{
    let (old, new) = op.old_and_new();
    if let Some(old) = old {
        input.remove(row(old));
    }
    if let Some(new) = new {
        input.insert(row(new));
    }
}

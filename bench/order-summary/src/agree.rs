//! What every engine must keep, as tests of the crates that have one: it equals the recomputation after every tick,
//! whatever the ticks are, and holds nothing once everything is taken back. What fails is a panic with the seed.

use crate::engine::{Engine, Entry};
use crate::event::{Event, Op};
use crate::recompute::Tables;
use crate::workload::{Sizes, SplitMix64, Workload};

const SCALE: f64 = 0.0005;
const LIVE_TICKS: usize = 60;

/// Bulk and live phase in ticks of random lengths, from empty ones to a third of the bulk phase.
pub fn ticks(seed: u64) -> Vec<Vec<Event>> {
    let mut random = SplitMix64(!seed);
    let mut workload = Workload::new(Sizes::new(SCALE).expect("a scale within its limits"), seed);
    let mut ticks = Vec::new();
    loop {
        let tick = workload.bulk(1 + random.below(1500) as usize);
        if tick.is_empty() {
            break;
        }
        ticks.push(tick);
    }
    // One event and one choice of five among the lengths: an order may come without its items.
    ticks.extend((0..LIVE_TICKS).map(|n| workload.live([0, 1, 3, 5, 40, 200][n % 6])));
    ticks
}

/// The engine equals the recomputation after every tick.
///
/// # Panics
/// At the first tick where it does not.
pub fn equals_the_recomputation(entry: &Entry) {
    for seed in 1..=3 {
        check(entry, &mut *(entry.new)(), seed, &ticks(seed));
    }
}

/// The engine is empty again after the whole history is taken back, and right on the way.
///
/// # Panics
/// If it is not.
pub fn is_empty_after_all_is_taken_back(entry: &Entry) {
    let seed = 4;
    let mut ticks = ticks(seed);
    let back: Vec<Vec<Event>> = ticks.iter().rev().map(|tick| tick.iter().rev().map(undo).collect()).collect();
    ticks.extend(back);
    let mut engine = (entry.new)();
    check(entry, &mut *engine, seed, &ticks);
    assert_eq!(engine.state().len(), 0, "engine {}", entry.name);
}

fn check(entry: &Entry, engine: &mut dyn Engine, seed: u64, ticks: &[Vec<Event>]) {
    let mut tables = Tables::default();
    for (number, tick) in ticks.iter().enumerate() {
        tick.iter().for_each(|event| tables.apply(event));
        engine.tick(tick);
        assert!(
            engine.state() == tables.order_summary(),
            "engine {} differs after tick {number} of seed {seed}",
            entry.name
        );
    }
}

fn undo(event: &Event) -> Event {
    fn back<R: Clone>(op: &Op<R>) -> Op<R> {
        match op.clone() {
            Op::Insert(row) => Op::Delete(row),
            Op::Update { old, new } => Op::Update { old: new, new: old },
            Op::Delete(row) => Op::Insert(row),
        }
    }
    match event {
        Event::User(op) => Event::User(back(op)),
        Event::Address(op) => Event::Address(back(op)),
        Event::Order(op) => Event::Order(back(op)),
        Event::Item(op) => Event::Item(back(op)),
        Event::Update(op) => Event::Update(back(op)),
    }
}

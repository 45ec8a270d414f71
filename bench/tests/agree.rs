//! Every engine equals the recomputation after every tick, whatever the ticks are, and the delta is the difference.

use std::collections::BTreeMap;
use tidewater_bench::engine::{ENGINES, Engine};
use tidewater_bench::event::{Event, Op, SummaryRow};
use tidewater_bench::recompute::Tables;
use tidewater_bench::typed::Typed;
use tidewater_bench::workload::{Sizes, SplitMix64, Workload};

const SCALE: f64 = 0.0005;
const LIVE_TICKS: usize = 60;

/// Bulk and live phase in ticks of random lengths, from empty ones to a third of the bulk phase.
fn ticks(seed: u64) -> Vec<Vec<Event>> {
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

fn check(engine: &mut dyn Engine, seed: u64, ticks: &[Vec<Event>]) {
    let mut tables = Tables::default();
    for (number, tick) in ticks.iter().enumerate() {
        tick.iter().for_each(|event| tables.apply(event));
        engine.tick(tick);
        assert!(engine.state() == tables.order_summary(), "tick {number} of seed {seed} differs");
    }
}

#[test]
fn engines_equal_the_recomputation_after_every_tick() {
    for entry in ENGINES {
        for seed in 1..=3 {
            println!("engine {} seed {seed}", entry.name);
            check(&mut *(entry.new)(), seed, &ticks(seed));
        }
    }
}

#[test]
fn engines_are_empty_again_after_the_whole_history_is_taken_back() {
    for entry in ENGINES {
        let mut ticks = ticks(4);
        let back: Vec<Vec<Event>> = ticks.iter().rev().map(|tick| tick.iter().rev().map(undo).collect()).collect();
        ticks.extend(back);
        let mut engine = (entry.new)();
        check(&mut *engine, 4, &ticks);
        assert_eq!(engine.state().len(), 0, "engine {}", entry.name);
    }
}

#[test]
fn the_typed_delta_is_the_difference_of_states() {
    let mut engine = Typed::default();
    let mut view: BTreeMap<i64, SummaryRow> = BTreeMap::new();
    let mut changed = 0;
    for tick in ticks(5) {
        engine.tick(&tick);
        let delta: Vec<(SummaryRow, i64)> = engine.delta().collect();
        for (row, _) in delta.iter().filter(|(_, weight)| *weight == -1) {
            assert_eq!(view.remove(&row.order_id).as_ref(), Some(row));
        }
        for (row, _) in delta.iter().filter(|(_, weight)| *weight == 1) {
            assert_eq!(view.insert(row.order_id, row.clone()), None);
        }
        assert!(delta.iter().all(|(_, weight)| weight.abs() == 1));
        assert!(view == engine.state());
        changed += delta.len();
    }
    assert!(changed > 500, "the workload changes the view: {changed}");
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

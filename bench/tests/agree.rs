//! Every engine equals the recomputation after every tick, whatever the ticks are, and the delta is the difference.

use std::collections::BTreeMap;
use tidewater_bench::engines::ENGINES;
use tidewater_bench::typed::Typed;
use tidewater_order_summary::agree;
use tidewater_order_summary::engine::Engine;
use tidewater_order_summary::event::SummaryRow;

#[test]
fn engines_equal_the_recomputation_after_every_tick() {
    ENGINES.iter().for_each(agree::equals_the_recomputation);
}

#[test]
fn engines_are_empty_again_after_the_whole_history_is_taken_back() {
    ENGINES.iter().for_each(agree::is_empty_after_all_is_taken_back);
}

#[test]
fn the_typed_delta_is_the_difference_of_states() {
    let mut engine = Typed::default();
    let mut view: BTreeMap<i64, SummaryRow> = BTreeMap::new();
    let mut changed = 0;
    for tick in agree::ticks(5) {
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

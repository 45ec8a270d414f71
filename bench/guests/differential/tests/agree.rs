//! The guest equals the recomputation after every tick, and holds nothing once everything is taken back.

use tidewater_guest_differential::ENTRY;
use tidewater_order_summary::agree;

#[test]
fn it_equals_the_recomputation_after_every_tick() {
    agree::equals_the_recomputation(&ENTRY);
}

#[test]
fn it_is_empty_again_after_the_whole_history_is_taken_back() {
    agree::is_empty_after_all_is_taken_back(&ENTRY);
}

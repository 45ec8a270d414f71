//! A timeline in whose topics an END is there before the events that it counts, or none, TRUNCATEs in their turn, rows of a snapshot in a
//! partition that is new, and when a timeline has settled.

use smallvec::smallvec;
use tidewater_delta::{Op, RowBuilder, Width};

use super::*;
use crate::event::{Event, Operation, Ops, Origin, Snapshot, TransactionRef};
use crate::source::{OnError, State};

const TABLE: TableId = TableId(1);

/// A timeline of one compacted table without rows, which is shown, and which has read up to `ends`.
fn timeline(partitions: i32) -> Timeline {
    let mut timeline = Timeline::new("shop.transaction", true);
    timeline.begin_boundaries(0, 0);
    let partitions = (0..partitions).map(|partition| Bounds { partition, low: 0, end: 0 }).collect();
    timeline.add_table(TABLE, spec("shop.shop.t", partitions));
    told(&mut timeline, &[0, 0]);
    assert!(timeline.is_shown(TABLE));
    timeline
}

fn spec(topic: &str, partitions: Vec<Bounds>) -> TableSpec {
    let on_error = OnError::Stall;
    TableSpec { topic: topic.into(), keyed: true, on_error, collection: None, compacted: true, partitions }
}

/// Tells the ends of the partitions, which are read, as often as they are asked for. Returns the changes of each commit.
fn told(timeline: &mut Timeline, ends: &[i64]) -> Vec<usize> {
    let ends: Vec<_> = (0..).zip(ends).map(|(partition, end)| (TABLE, partition, *end)).collect();
    let mut outputs = timeline.release();
    for _ in 0..4 {
        if timeline.wants_ends() {
            timeline.ends(&ends);
        }
        outputs.extend(timeline.release());
    }
    let commits = outputs.into_iter().filter_map(|output| match output {
        Output::Commit(commit) => Some(commit.changes.len()).filter(|changes| *changes > 0),
        _ => None,
    });
    commits.collect()
}

/// The boundaries of the transaction of a number, of which END counts so many events.
fn transaction(timeline: &mut Timeline, number: i64, count: u64) {
    let id: Arc<str> = format!("u:{number}").into();
    timeline.boundary(2 * number, number, Boundary::Begin { id: id.clone(), ts_ms: number });
    let (event_count, data_collections) = (count, vec![("shop.t".into(), count)]);
    let end = Boundary::End { id, ts_ms: number, event_count, data_collections };
    timeline.boundary(2 * number + 1, number, end);
}

/// Of a change by the transaction of a number, which says no more of it.
fn origin(number: i64) -> Origin {
    Origin {
        snapshot: Snapshot::No,
        collection: "shop.t".into(),
        server_id: 1,
        file: "binlog.000001".into(),
        pos: 100 * number as u64,
        row: 0,
        gtid: Some(format!("u:{number}").into()),
        ts_ms: number,
        transaction: None,
    }
}

/// What sets the table's row.
fn upsert() -> Ops {
    smallvec![Op::Upsert(RowBuilder::new(vec![Width::Fixed]).take())]
}

/// An event of the transaction of a number.
fn event(timeline: &mut Timeline, number: i64, order: u64, (partition, offset): (i32, i64)) {
    let id = format!("u:{number}").into();
    let transaction = Some(TransactionRef { id, total_order: order, data_collection_order: order });
    let origin = Origin { row: order as u32, transaction, ..origin(number) };
    let place = Place { partition, offset, timestamp_ms: number };
    timeline.event(TABLE, place, Event { operation: Operation::Update, ops: upsert(), origin, key_change: None });
}

/// A TRUNCATE, which is the transaction of a number.
fn truncate(timeline: &mut Timeline, number: i64, (partition, offset): (i32, i64)) {
    let place = Place { partition, offset, timestamp_ms: number };
    let ops = smallvec![Op::Truncate];
    timeline.event(
        TABLE,
        place,
        Event { operation: Operation::Truncate, ops, origin: origin(number), key_change: None },
    );
}

/// A row of the snapshot at a place of the binlog.
fn snapshot_row(timeline: &mut Timeline, snapshot: Snapshot, pos: u64, (partition, offset): (i32, i64)) {
    let origin = Origin { snapshot, server_id: 0, pos, gtid: None, ..origin(0) };
    let place = Place { partition, offset, timestamp_ms: 0 };
    timeline.event(TABLE, place, Event { operation: Operation::Read, ops: upsert(), origin, key_change: None });
}

#[test]
fn an_end_that_is_there_before_its_events_waits_for_them() {
    let mut timeline = timeline(1);
    transaction(&mut timeline, 1, 2);
    assert_eq!(told(&mut timeline, &[0]), [0; 0], "nothing says that something is missing");
    event(&mut timeline, 1, 1, (0, 0));
    assert_eq!(told(&mut timeline, &[1]), [0; 0]);
    event(&mut timeline, 1, 2, (0, 1));
    assert_eq!(told(&mut timeline, &[2]), [2]);
}

#[test]
fn what_compaction_took_is_shown_with_what_replaced_it() {
    let mut timeline = timeline(1);
    transaction(&mut timeline, 1, 2);
    // The second event of the first transaction is gone, and both of the third, which the fifth replaced.
    event(&mut timeline, 1, 1, (0, 0));
    transaction(&mut timeline, 2, 1);
    transaction(&mut timeline, 3, 2);
    event(&mut timeline, 2, 1, (0, 2));
    assert_eq!(told(&mut timeline, &[3]), [2], "both together: what replaced it may be any that is there");
    transaction(&mut timeline, 4, 1);
    transaction(&mut timeline, 5, 2);
    event(&mut timeline, 4, 1, (0, 5));
    timeline.release();
    timeline.ends(&[(TABLE, 0, 8)]);
    assert_eq!(timeline.release().len(), 0, "what replaced it lies before offset 8, which is not read");
    event(&mut timeline, 5, 1, (0, 6));
    event(&mut timeline, 5, 2, (0, 7));
    assert_eq!(told(&mut timeline, &[8]), [3]);
}

#[test]
fn another_partition_that_rests_holds_nothing_up_where_the_hole_is_seen() {
    let mut timeline = timeline(2);
    transaction(&mut timeline, 1, 1);
    transaction(&mut timeline, 2, 1);
    event(&mut timeline, 2, 1, (0, 0));
    assert_eq!(told(&mut timeline, &[1, 0]), [0; 0], "the first may be on its way in the other partition");
    let mut timeline = self::timeline(2);
    transaction(&mut timeline, 1, 1);
    transaction(&mut timeline, 2, 1);
    event(&mut timeline, 2, 1, (0, 1));
    assert_eq!(told(&mut timeline, &[2, 0]), [1]);
}

#[test]
fn an_event_of_a_name_that_was_taken_for_nobodys_is_no_loss_without_a_word() {
    let mut timeline = Timeline::new("shop.transaction", true);
    timeline.begin_boundaries(0, 0);
    timeline.add_table(TABLE, spec("routed", vec![Bounds { partition: 0, low: 0, end: 0 }]));
    told(&mut timeline, &[0]);
    transaction(&mut timeline, 1, 1);
    told(&mut timeline, &[0]);
    event(&mut timeline, 1, 1, (0, 0));
    told(&mut timeline, &[1]);
    let health = timeline.health(TABLE);
    assert_eq!(health.state, State::Incomplete, "{}", health.reason);
    assert!(health.reason.contains("u:1") && health.reason.contains("shop.t"), "{}", health.reason);
}

#[test]
fn truncates_that_follow_each_other_take_one_reading_of_the_ends() {
    let mut timeline = timeline(1);
    (1..4).for_each(|number| truncate(&mut timeline, number, (0, number - 1)));
    timeline.quiet();
    assert_eq!(timeline.release().len(), 0);
    timeline.ends(&[(TABLE, 0, 3)]);
    assert_eq!(timeline.release().len(), 3);
}

#[test]
fn a_table_is_shown_with_the_truncate_that_its_topic_held_when_it_was_added() {
    let mut timeline = Timeline::new("shop.transaction", true);
    timeline.begin_boundaries(0, 0);
    let partitions = [(0, 1), (1, 0)].map(|(partition, end)| Bounds { partition, low: 0, end });
    timeline.add_table(TABLE, spec("shop.shop.t", partitions.to_vec()));
    truncate(&mut timeline, 1, (0, 0));
    told(&mut timeline, &[1, 0]);
    assert!(!timeline.is_shown(TABLE), "{}", timeline.health(TABLE).reason);
    timeline.quiet();
    told(&mut timeline, &[1, 0]);
    assert!(timeline.is_shown(TABLE), "{}", timeline.health(TABLE).reason);
}

#[test]
fn a_timeline_settles_no_sooner_than_the_end_of_a_table_that_comes_in_is_known() {
    let mut timeline = timeline(1);
    let other = TableId(2);
    let partitions = (0..2).map(|partition| Bounds { partition, low: 0, end: 0 }).collect();
    timeline.add_table(other, spec("shop.shop.u", partitions));
    timeline.quiet();
    timeline.release();
    let waiting = Waiting { transactions: ["u:9".into()].into(), steps: Vec::new() };
    timeline.transaction_of(&"u:9".into(), 9);
    assert!(!timeline.has_settled(&waiting), "what comes in may give others their turn");
    timeline.ends(&[(TABLE, 0, 0), (other, 0, 0), (other, 1, 0)]);
    timeline.release();
    assert!(timeline.is_shown(other) && timeline.has_settled(&waiting));
}

#[test]
fn a_timeline_whose_transaction_topic_does_not_name_what_a_table_holds_may_have_shown_it_before() {
    let mut timeline = timeline(1);
    event(&mut timeline, 1, 1, (0, 0));
    told(&mut timeline, &[1]);
    timeline.quiet();
    timeline.release();
    let waiting = timeline.waiting();
    assert!(!timeline.has_settled(&waiting));
    assert_eq!(timeline.health(TABLE).state, State::Stalled);
    transaction(&mut timeline, 1, 1);
    told(&mut timeline, &[1]);
    assert!(timeline.has_settled(&waiting));
}

#[test]
fn a_transaction_topic_of_which_records_are_gone_when_it_is_found_is_not_that_of_what_is_shown() {
    let mut timeline = Timeline::new("shop.transaction", true);
    timeline.add_table(TABLE, spec("shop.shop.t", vec![Bounds { partition: 0, low: 0, end: 0 }]));
    told(&mut timeline, &[0]);
    assert!(timeline.is_shown(TABLE));
    timeline.begin_boundaries(3, 3);
    timeline.quiet();
    told(&mut timeline, &[0]);
    let health = timeline.health(TABLE);
    assert_eq!(health.state, State::Stalled);
    assert!(health.reason.contains("offsets 0 to 2"), "{}", health.reason);
    assert!(!timeline.has_settled(&timeline.waiting()));
}

#[test]
fn a_lost_event_of_a_transaction_whose_end_is_lost_is_not_passed_over() {
    let mut timeline = timeline(2);
    transaction(&mut timeline, 0, 0);
    timeline.boundary(2, 1, Boundary::Begin { id: "u:1".into(), ts_ms: 1 });
    timeline.boundary_lost(3, "a byte is wrong".into());
    let loss = Loss { transaction: Some("u:1".into()), snapshot: false, reason: "a byte is wrong".into() };
    timeline.lost(TABLE, Place { partition: 0, offset: 0, timestamp_ms: 1 }, loss);
    transaction(&mut timeline, 2, 1);
    event(&mut timeline, 2, 1, (1, 0));
    assert_eq!(told(&mut timeline, &[1, 1]), [0; 0]);
    let health = timeline.health(TABLE);
    assert_eq!(health.state, State::Stalled);
    assert!(health.reason.contains("offset 0 could not be decoded"), "{}", health.reason);
}

#[test]
fn rows_of_a_snapshot_in_a_partition_that_the_topic_has_got_meanwhile_are_part_of_it() {
    let mut timeline = Timeline::new("shop.transaction", true);
    timeline.begin_boundaries(0, 0);
    timeline.add_table(TABLE, spec("shop.shop.t", vec![Bounds { partition: 0, low: 0, end: 1 }]));
    snapshot_row(&mut timeline, Snapshot::First, 50, (0, 0));
    // What follows the snapshot shows that all its rows were written.
    event(&mut timeline, 1, 1, (0, 1));
    transaction(&mut timeline, 1, 1);
    timeline.release();
    assert!(timeline.wants_ends() && timeline.tables[&TABLE].last_snapshot.is_none());
    timeline.add_partition(TABLE, Bounds { partition: 1, low: 0, end: 1 });
    told(&mut timeline, &[2, 1]);
    assert!(!timeline.is_shown(TABLE), "{}", timeline.health(TABLE).reason);
    snapshot_row(&mut timeline, Snapshot::LastOfAll, 50, (1, 0));
    told(&mut timeline, &[2, 1]);
    assert!(timeline.is_shown(TABLE), "{}", timeline.health(TABLE).reason);
}

#[test]
fn a_truncate_that_a_snapshot_holds_comes_before_it_though_it_is_written_behind_it() {
    let mut timeline = timeline(1);
    snapshot_row(&mut timeline, Snapshot::LastOfAll, 400, (0, 0));
    truncate(&mut timeline, 2, (0, 1));
    event(&mut timeline, 3, 1, (0, 2));
    transaction(&mut timeline, 3, 1);
    timeline.quiet();
    assert_eq!(
        told(&mut timeline, &[3]),
        [1, 1, 2],
        "the TRUNCATE, the transaction, and the snapshot in place of both"
    );
}

#[test]
fn the_first_row_of_a_table_may_not_be_that_of_a_topic_that_may_hold_others() {
    for (topic, whole) in [("shop.shop.t", true), ("routed", false)] {
        let mut timeline = Timeline::new("shop.transaction", true);
        timeline.begin_boundaries(0, 0);
        timeline.add_table(TABLE, spec(topic, vec![Bounds { partition: 0, low: 3, end: 5 }]));
        snapshot_row(&mut timeline, Snapshot::First, 400, (0, 3));
        snapshot_row(&mut timeline, Snapshot::LastOfAll, 400, (0, 4));
        told(&mut timeline, &[5]);
        assert_eq!(timeline.is_shown(TABLE), whole, "{topic}");
    }
}

#[test]
fn a_snapshot_replaces_the_rows_that_came_by_commits_before_the_table_was_hidden() {
    let mut timeline = timeline(1);
    transaction(&mut timeline, 1, 1);
    event(&mut timeline, 1, 1, (0, 0));
    assert_eq!(told(&mut timeline, &[1]), [1]);
    timeline.gap(TABLE, 0, 1, 2);
    snapshot_row(&mut timeline, Snapshot::First, 400, (0, 2));
    let outputs = timeline.release();
    let [Output::Base { ops, .. }] = &outputs[..] else { panic!("{outputs:?}") };
    assert_eq!((&ops[0], ops.len()), (&Op::Truncate, 2));
}

#[test]
fn what_cannot_be_decoded_may_be_of_a_collection_that_no_topic_is_known_of() {
    let mut timeline = Timeline::new("shop.transaction", true);
    timeline.begin_boundaries(0, 0);
    timeline.add_table(TABLE, spec("renamed", vec![Bounds { partition: 0, low: 0, end: 0 }]));
    told(&mut timeline, &[0]);
    assert!(timeline.is_shown(TABLE));
    let place = Place { partition: 0, offset: 0, timestamp_ms: 1 };
    timeline.lost(TABLE, place, Loss { transaction: None, snapshot: false, reason: "cut off".into() });
    transaction(&mut timeline, 1, 1);
    told(&mut timeline, &[1]);
    assert_eq!(timeline.health(TABLE).state, State::Stalled);
}

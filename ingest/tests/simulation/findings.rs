//! What was found wrong once, each as a story of plain data, read in many interleavings.

use tidewater_ingest::OnError;

use crate::debezium::Options;
use crate::model::{Action, Statement, Table};
use crate::shrink::{outcome_of, report};
use crate::story::{Chunk, Class, Reader, Step, Story};
use crate::timeline;

/// Interleavings of each story.
const READERS: u64 = 60;

/// A story of tables that are keyed or not, and of so many partitions each.
pub(crate) fn story(tables: &[(bool, usize)], steps: Vec<Step>) -> Story {
    let topics = tables.len();
    let table = |(topic, &(keyed, _)): (usize, &(bool, usize))| Table {
        collection: format!("shop.t{topic}"),
        topic,
        keyed,
        base: 0,
    };
    let mut all: Vec<Table> = tables.iter().enumerate().map(table).collect();
    all.push(Table { collection: "shop.signals".into(), topic: topics, keyed: false, base: 0 });
    Story {
        seed: 1,
        class: Class::Plain,
        tables: all,
        partitions: tables.iter().map(|(_, partitions)| *partitions).chain([1, 1]).collect(),
        keyed: tables.iter().map(|(keyed, _)| *keyed).chain([false]).collect(),
        subscribed: (0..=topics).map(|topic| topic < topics).collect(),
        declared: vec![false; topics + 1],
        on_error: vec![OnError::Stall; topics + 1],
        compacted: false,
        gtids: true,
        transactions: true,
        skew: 0,
        options: Options {
            order_goes_on: true,
            booleans: false,
            tombstones: true,
            names_collection: true,
            metadata: true,
            coarse: false,
            parallel: false,
            same_names: false,
        },
        steps,
        losses: Vec::new(),
        reader: Reader {
            seed: 0,
            from_end: false,
            early: false,
            restarts: 0,
            removes: 0,
            crashes: 0,
            late: vec![false; topics + 1],
        },
    }
}

pub(crate) const KEYED: (bool, usize) = (true, 1);
pub(crate) const KEYLESS: (bool, usize) = (false, 1);

pub(crate) fn statement(table: usize, action: Action, a: i64, b: i64) -> Statement {
    Statement { table, action, a, b }
}

pub(crate) fn insert(table: usize, a: i64, b: i64) -> Statement {
    statement(table, Action::Insert, a, b)
}

pub(crate) fn delete(table: usize, a: i64) -> Statement {
    statement(table, Action::Delete, a, 0)
}

pub(crate) fn commit<const N: usize>(statements: [Statement; N]) -> Step {
    Step::Commit(statements.to_vec())
}

pub(crate) const INITIAL: Step = Step::Initial { stop: None, last_is_empty: false };
pub(crate) const STREAM: Step = Step::Stream(usize::MAX);

/// Reads the story in many interleavings.
pub(crate) fn holds(story: &Story) {
    for seed in 0..READERS {
        for from_end in [false, true] {
            let restarts = usize::from(seed % 4 == 0);
            let crashes = if seed % 3 == 1 { 2 } else { 0 };
            let reader = Reader { seed, from_end, restarts, crashes, ..story.reader.clone() };
            let story = Story { reader, ..story.clone() };
            if outcome_of(&story, &timeline).is_err() {
                panic!("{}", report(&story, &timeline));
            }
        }
    }
}

/// The same with and without a transaction topic.
fn holds_both_ways(story: &Story) {
    holds(story);
    holds(&Story { transactions: false, ..story.clone() });
}

#[test]
fn the_create_of_a_primary_key_change_is_no_repetition_of_its_delete() {
    let change = commit([statement(0, Action::Rekey, 1, 9)]);
    holds_both_ways(&story(&[KEYED], vec![commit([insert(0, 1, 5)]), INITIAL, change, STREAM]));
}

#[test]
fn replace_and_an_exchange_of_keys_leave_the_rows_that_mysql_has() {
    let rows = commit([insert(0, 1, 5), insert(0, 2, 6)]);
    let replace = commit([statement(0, Action::Replace, 1, 7)]);
    let swap = commit([statement(0, Action::Swap, 1, 2)]);
    let shift = commit([statement(0, Action::Shift, 1, 0)]);
    holds_both_ways(&story(&[KEYED], vec![rows, INITIAL, replace, swap, shift, STREAM]));
}

#[test]
fn events_of_a_server_with_lower_binlog_names_are_new() {
    let over = Step::FailOver { into: 0, back: 2, same_names: true };
    let steps = vec![INITIAL, Step::Rotate, commit([insert(0, 1, 1)]), STREAM, over, commit([insert(0, 2, 2)]), STREAM];
    holds(&story(&[KEYED], steps));
}

#[test]
fn a_transaction_half_read_from_another_server_is_whole() {
    let over = Step::FailOver { into: 2, back: 1, same_names: false };
    let steps = vec![INITIAL, commit([insert(0, 1, 1), insert(1, 2, 2)]), over, STREAM];
    holds(&story(&[KEYED, KEYLESS], steps));
}

#[test]
fn two_events_of_one_order_number_are_two_events() {
    for (into, back) in [(2, 0), (3, 1), (3, 2), (4, 3)] {
        let rows = commit([insert(0, 1, 1), insert(0, 2, 2), insert(0, 3, 3)]);
        let mut story = story(&[KEYED], vec![INITIAL, rows, Step::Crash { into, back }, STREAM]);
        story.options.order_goes_on = false;
        holds(&story);
    }
}

#[test]
fn rows_of_a_table_without_key_are_not_doubled_by_redelivery() {
    let rows = commit([insert(0, 1, 1), insert(0, 1, 1), delete(0, 1)]);
    holds(&story(&[KEYLESS], vec![INITIAL, rows, STREAM, Step::Crash { into: 0, back: 4 }, STREAM]));
}

#[test]
fn a_topic_without_its_beginning_is_no_table() {
    let rows = commit([insert(0, 1, 1), insert(0, 2, 2), insert(1, 1, 1)]);
    let retain = Step::Retain { topic: 0, partition: 0, keep: 1 };
    holds(&story(&[KEYED, KEYED], vec![rows, INITIAL, retain, commit([insert(0, 3, 3), insert(1, 3, 3)]), STREAM]));
}

#[test]
fn an_emptied_topic_is_no_empty_table() {
    let retain = Step::Retain { topic: 0, partition: 0, keep: 0 };
    holds(&story(&[KEYED, KEYED], vec![commit([insert(0, 1, 1)]), INITIAL, retain, commit([insert(1, 3, 3)]), STREAM]));
}

#[test]
fn boundaries_without_their_beginning_are_no_history() {
    let retain = Step::Retain { topic: 3, partition: 0, keep: 1 };
    let (one, two) = (commit([insert(0, 1, 1), insert(1, 1, 1)]), commit([insert(0, 2, 2), insert(1, 2, 2)]));
    holds(&story(&[KEYED, KEYED], vec![INITIAL, one, STREAM, retain, two, STREAM]));
}

#[test]
fn a_router_may_name_topics_as_it_likes() {
    let steps = vec![INITIAL, commit([insert(0, 1, 1), insert(1, 1, 1)]), commit([insert(1, 2, 2)]), STREAM];
    let story = story(&[KEYED, KEYED], steps);
    holds(&story);
    let mut declared = Story { declared: vec![true; 3], ..story };
    declared.options.names_collection = false;
    holds(&declared);
}

#[test]
fn a_topic_may_hold_several_collections() {
    let steps = vec![
        INITIAL,
        commit([insert(0, 1, 1), insert(1, 1, 1)]),
        commit([insert(2, 4, 4), insert(0, 2, 2)]),
        commit([insert(1, 3, 3)]),
        STREAM,
    ];
    let mut story = story(&[KEYED, KEYED], steps);
    let second = Table { collection: "shop.t0_2".into(), topic: 0, keyed: true, base: 100 };
    story.tables.insert(2, second);
    holds(&story);
}

#[test]
fn a_lost_row_of_a_snapshot_is_no_credit_for_a_transaction() {
    let steps =
        vec![commit([insert(0, 1, 1), insert(0, 2, 2)]), INITIAL, commit([insert(0, 3, 3), insert(0, 4, 4)]), STREAM];
    for on_error in [OnError::Skip, OnError::DeadLetter, OnError::Stall] {
        holds(&Story { losses: vec![0], on_error: vec![on_error; 2], ..story(&[KEYED], steps.clone()) });
    }
}

#[test]
fn a_lost_redelivered_record_is_no_credit_for_the_next_transaction() {
    let again = Step::Crash { into: 0, back: 2 };
    let steps = vec![INITIAL, commit([insert(0, 1, 1)]), STREAM, again, commit([insert(0, 2, 2)]), STREAM];
    for on_error in [OnError::Skip, OnError::Stall] {
        holds(&Story { losses: vec![1], on_error: vec![on_error; 2], ..story(&[KEYED], steps.clone()) });
    }
}

#[test]
fn a_transaction_that_misses_a_lost_record_stalls_unless_told_otherwise() {
    let steps = vec![INITIAL, commit([insert(0, 1, 1), insert(0, 2, 2)]), commit([insert(0, 3, 3)]), STREAM];
    for on_error in [OnError::Skip, OnError::DeadLetter, OnError::Stall] {
        holds(&Story { losses: vec![0], on_error: vec![on_error; 2], ..story(&[KEYED], steps.clone()) });
    }
}

#[test]
fn a_lost_boundary_is_told() {
    let steps = vec![INITIAL, commit([insert(0, 1, 1)]), commit([insert(0, 2, 2)]), STREAM];
    for lost in 2..6 {
        holds(&Story { losses: vec![lost], ..story(&[KEYED], steps.clone()) });
    }
}

#[test]
fn a_second_snapshot_replaces_its_table_in_its_place() {
    let rows = commit([insert(0, 1, 1), insert(0, 2, 2), insert(1, 1, 1), insert(1, 1, 1)]);
    let later = commit([insert(0, 3, 3), insert(1, 4, 4)]);
    let unseen = commit([delete(0, 1), insert(0, 2, 5), insert(1, 2, 2)]);
    let die = Step::Die { into: 2 };
    let steps = vec![
        rows,
        INITIAL,
        later.clone(),
        STREAM,
        commit([insert(0, 9, 9), insert(1, 9, 9)]),
        die,
        unseen,
        INITIAL,
        later,
        STREAM,
    ];
    holds(&story(&[KEYED, KEYLESS], steps));
}

#[test]
fn a_blocking_snapshot_waits_for_the_transactions_that_it_includes() {
    let rows = commit([insert(0, 1, 1), insert(1, 1, 1)]);
    let included = commit([insert(0, 1, 7), insert(1, 2, 2), delete(0, 5)]);
    let steps = vec![rows, INITIAL, commit([insert(0, 5, 5)]), STREAM, included, Step::Blocking(vec![0, 1]), STREAM];
    holds(&story(&[KEYED, KEYLESS], steps));
}

#[test]
fn a_snapshot_of_a_single_row_is_whole() {
    holds(&story(&[KEYED, KEYED], vec![commit([insert(0, 1, 1)]), INITIAL]));
    holds(&story(&[KEYED, KEYED], vec![commit([insert(0, 1, 1), insert(1, 1, 1)]), INITIAL]));
}

#[test]
fn a_snapshot_marked_by_truth_values_is_whole() {
    let mut story =
        story(&[KEYED, KEYLESS], vec![commit([insert(0, 1, 1), insert(0, 2, 2), insert(1, 1, 1)]), INITIAL]);
    story.options.booleans = true;
    holds(&story);
}

#[test]
fn an_interrupted_snapshot_begins_again() {
    let rows = commit([insert(0, 1, 1), insert(0, 2, 2), insert(1, 1, 1), insert(1, 2, 2)]);
    for stop in 1..4 {
        let interrupted = Step::Initial { stop: Some(stop), last_is_empty: false };
        let steps = vec![
            rows.clone(),
            interrupted,
            commit([delete(0, 1), delete(1, 1)]),
            INITIAL,
            commit([insert(0, 3, 3)]),
            STREAM,
        ];
        holds(&story(&[(true, 2), KEYLESS], steps));
    }
}

#[test]
fn an_incremental_snapshot_changes_nothing_that_is_known() {
    let during = vec![vec![insert(0, 2, 8), delete(0, 3)], vec![insert(0, 4, 4)]];
    let chunk = Step::Chunk(Chunk { table: 0, keys: (1, 60), during, read_after: 1 });
    let steps = vec![
        commit([insert(0, 1, 1), insert(0, 2, 2), insert(0, 3, 3)]),
        INITIAL,
        chunk,
        commit([insert(0, 5, 5)]),
        STREAM,
    ];
    holds(&story(&[KEYED], steps));
}

#[test]
fn an_incremental_snapshot_alone_completes_a_table() {
    let chunk =
        |keys, read_after| Chunk { table: 0, keys, during: vec![vec![insert(0, 2, 8), delete(0, 5)]], read_after };
    let rows = Step::Commit((1..7).map(|a| insert(0, a, a)).collect());
    let steps =
        vec![rows, Step::NoSnapshot(vec![chunk((1, 3), 0), chunk((4, 60), 1)]), commit([insert(0, 1, 9)]), STREAM];
    holds(&story(&[KEYED], steps));
}

#[test]
fn a_table_may_have_several_partitions() {
    let rows = Step::Commit((1..9).map(|a| insert(0, a, a)).collect());
    let change = commit([statement(0, Action::Shift, 1, 0), statement(0, Action::Swap, 2, 7)]);
    holds(&story(
        &[(true, 3), (false, 3)],
        vec![rows, INITIAL, change, commit([insert(1, 1, 1), delete(1, 1), insert(1, 1, 1)]), STREAM],
    ));
}

#[test]
fn new_partitions_are_read() {
    let rows = |from: i64| Step::Commit((from..from + 5).map(|a| insert(0, a, a)).collect());
    holds(&story(&[KEYED], vec![INITIAL, rows(1), STREAM, Step::AddPartition(0), rows(3), rows(10), STREAM]));
}

#[test]
fn a_transaction_without_its_end_is_told() {
    let steps = vec![
        INITIAL,
        commit([insert(0, 1, 1)]),
        STREAM,
        commit([insert(0, 2, 2), insert(0, 3, 3)]),
        Step::Die { into: 2 },
    ];
    holds(&story(&[KEYED], steps));
}

#[test]
fn markers_of_kafka_transactions_are_no_records_to_wait_for() {
    let control = |topic| Step::Control { topic, partition: 0 };
    let steps =
        vec![commit([insert(0, 1, 1)]), INITIAL, control(0), commit([insert(0, 2, 2)]), STREAM, control(0), control(2)];
    holds(&story(&[KEYED], steps));
}

#[test]
fn compaction_below_a_count_does_not_stand_still() {
    let compact = Step::Compact { topic: 0, partition: 0, keep: 1 };
    let steps = vec![
        commit([insert(0, 1, 1), insert(0, 2, 2)]),
        INITIAL,
        commit([insert(0, 1, 3), insert(1, 1, 1)]),
        commit([insert(0, 1, 4), delete(0, 2)]),
        STREAM,
        compact,
        commit([insert(0, 5, 5)]),
        STREAM,
    ];
    holds(&Story { compacted: true, ..story(&[KEYED, KEYED], steps) });
}

#[test]
fn gtids_used_again_are_not_seen() {
    let steps = |again: Vec<Step>| {
        let before = vec![INITIAL, commit([insert(0, 1, 1)]), commit([insert(0, 2, 2)]), STREAM, Step::Reset];
        before.into_iter().chain(again).chain([commit([insert(0, 3, 3)]), commit([insert(0, 1, 9)]), STREAM]).collect()
    };
    holds(&story(&[KEYED], steps(vec![])));
    holds(&story(&[KEYED], steps(vec![INITIAL])));
}

#[test]
fn truncate_comes_in_its_place() {
    let rows = |table| commit([insert(table, 1, 1), insert(table, 2, 2)]);
    let steps = vec![
        rows(0),
        INITIAL,
        rows(1),
        Step::Truncate(0),
        commit([insert(0, 3, 3), insert(1, 3, 3)]),
        Step::Truncate(1),
        rows(0),
        STREAM,
    ];
    holds(&story(&[KEYED, KEYLESS], steps));
}

#[test]
fn redelivery_into_another_partition_is_not_counted_twice() {
    let rows = commit([insert(0, 1, 1), insert(0, 1, 1), delete(0, 1), insert(0, 2, 2)]);
    for (into, back) in [(2, 1), (3, 2), (0, 4)] {
        let crash = Step::Crash { into, back };
        let steps = vec![INITIAL, rows.clone(), STREAM, rows.clone(), crash, STREAM];
        holds(&story(&[(false, 3)], steps.clone()));
        let mut old = story(&[(false, 3)], steps);
        old.options.order_goes_on = false;
        holds(&old);
    }
}

#[test]
fn a_late_partition_does_not_undo_what_others_brought() {
    let rows = Step::Commit((1..6).map(|a| insert(0, a, a)).collect());
    let steps = vec![rows, INITIAL, commit([insert(0, 7, 7)]), commit([insert(0, 8, 8), delete(0, 2)]), STREAM];
    holds(&story(&[(true, 4)], steps.clone()));
    holds(&story(&[(false, 4)], steps));
}

#[test]
fn a_snapshot_whose_end_lies_in_a_topic_that_nobody_reads_is_whole() {
    let steps = vec![commit([insert(0, 1, 1), insert(1, 1, 1)]), INITIAL];
    let mut story = story(&[KEYED, KEYED], steps);
    story.subscribed[1] = false;
    holds(&story);
}

#[test]
fn a_snapshot_whose_last_row_is_lost_is_over_when_nothing_comes() {
    let steps = vec![commit([insert(0, 1, 1), insert(0, 2, 2)]), INITIAL];
    for on_error in [OnError::Skip, OnError::DeadLetter, OnError::Stall] {
        holds(&Story { losses: vec![1], on_error: vec![on_error; 2], ..story(&[KEYED], steps.clone()) });
    }
}

#[test]
fn rows_of_an_incremental_snapshot_take_their_turn_while_a_table_joins() {
    let chunk = Step::Chunk(Chunk { table: 0, keys: (1, 60), during: vec![], read_after: 0 });
    let steps = vec![
        commit([insert(0, 2, 1)]),
        INITIAL,
        commit([insert(0, 4, 2), insert(1, 1, 1)]),
        commit([delete(0, 4), insert(1, 2, 2)]),
        commit([insert(0, 3, 2), insert(1, 3, 3)]),
        chunk,
        commit([insert(0, 5, 5), insert(1, 4, 4)]),
        STREAM,
    ];
    let story = story(&[KEYED, KEYED], steps);
    holds(&story);
    let late = Reader { late: vec![true, false, false], ..story.reader.clone() };
    holds(&Story { reader: late, ..story });
}

#[test]
fn a_table_of_a_later_snapshot_waits_for_the_others() {
    let second = commit([insert(1, 3, 2), insert(0, 9, 9)]);
    let steps = vec![commit([insert(0, 4, 1)]), INITIAL, second, INITIAL, commit([insert(0, 2, 1)]), STREAM];
    holds(&story(&[KEYED, KEYED], steps));
}

#[test]
fn a_truncate_is_not_overtaken_by_other_tables() {
    let steps = vec![
        INITIAL,
        commit([insert(1, 4, 4), insert(2, 1, 2)]),
        Step::Idle,
        Step::Truncate(2),
        commit([insert(0, 5, 3), insert(1, 2, 5)]),
        STREAM,
    ];
    holds(&story(&[KEYLESS, KEYED, KEYED], steps));
}

#[test]
fn an_id_used_again_for_an_empty_transaction_keeps_its_order() {
    let steps = vec![
        commit([]),
        INITIAL,
        commit([]),
        Step::Reset,
        commit([insert(0, 4, 5)]),
        commit([statement(0, Action::Rekey, 4, 1)]),
        commit([insert(0, 7, 7)]),
        STREAM,
    ];
    holds(&story(&[KEYED], steps));
}

#[test]
fn rows_of_a_snapshot_come_before_an_empty_transaction_behind_it() {
    let steps = vec![commit([insert(0, 2, 4)]), INITIAL, commit([]), commit([]), STREAM];
    let story = story(&[KEYED], steps);
    holds(&Story { reader: Reader { early: true, ..story.reader.clone() }, ..story });
}

#[test]
fn events_whose_boundaries_are_gone_keep_their_order() {
    let retain = Step::Retain { topic: 2, partition: 0, keep: 3 };
    let steps = vec![
        INITIAL,
        commit([insert(0, 2, 2)]),
        commit([]),
        commit([statement(0, Action::Rekey, 2, 1)]),
        STREAM,
        retain,
    ];
    holds(&story(&[KEYED], steps));
}

#[test]
fn a_truncate_read_ahead_takes_nothing_from_what_is_shown_before_it() {
    let rows = commit([insert(0, 2, 2), insert(0, 3, 5), insert(0, 4, 5)]);
    let change = commit([statement(0, Action::Shift, 2, 3), insert(0, 3, 4)]);
    holds(&story(&[KEYED], vec![rows, INITIAL, change, Step::Truncate(0), commit([insert(0, 1, 1)]), STREAM]));
}

#[test]
fn events_that_the_last_end_does_not_count_are_of_the_transaction() {
    let rows = commit([insert(0, 3, 5), insert(1, 3, 4), insert(0, 2, 1), insert(2, 4, 5)]);
    for into in 2..6 {
        let steps = vec![INITIAL, rows.clone(), Step::Crash { into, back: 1 }, STREAM];
        let mut story = story(&[KEYED, KEYED, KEYED], steps);
        story.options.order_goes_on = false;
        holds(&story);
    }
}

#[test]
fn an_empty_transaction_behind_the_rows_of_a_blocking_snapshot_holds_nothing_up() {
    let steps = vec![
        INITIAL,
        commit([]),
        commit([insert(0, 1, 5), insert(1, 2, 1)]),
        Step::Blocking(vec![0, 1]),
        commit([insert(1, 3, 3)]),
        STREAM,
    ];
    holds(&story(&[KEYED, KEYED], steps));
}

#[test]
fn a_newer_boundary_does_not_end_a_snapshot_whose_rows_are_not_read() {
    let rows = commit([insert(0, 1, 3), insert(0, 4, 5), insert(0, 5, 5), insert(0, 6, 6)]);
    let steps =
        vec![INITIAL, rows.clone(), STREAM, rows, Step::Die { into: 3 }, INITIAL, commit([insert(0, 2, 5)]), STREAM];
    holds(&story(&[KEYED], steps));
}

#[test]
fn rows_of_a_chunk_are_due_together_in_all_partitions() {
    let chunk = Step::Chunk(Chunk { table: 0, keys: (1, 60), during: vec![], read_after: 0 });
    let rows = Step::Commit((1..7).map(|a| insert(0, a, a)).collect());
    let change = |b| Step::Commit((1..7).map(|a| insert(0, a, b)).collect());
    holds(&story(
        &[(true, 3)],
        vec![rows, INITIAL, Step::Idle, chunk, change(8), commit([delete(0, 3)]), change(9), STREAM],
    ));
}

#[test]
fn within_a_transaction_times_order_nothing() {
    let rows = commit([insert(0, 3, 2), delete(0, 3), insert(0, 3, 2), insert(0, 4, 4), delete(0, 3)]);
    let mut story = story(&[(false, 2)], vec![INITIAL, rows.clone(), rows, STREAM]);
    story.options.coarse = true;
    holds(&story);
}

#[test]
fn what_was_streamed_before_a_snapshot_is_part_of_it() {
    let rows = commit([insert(0, 2, 1), insert(1, 3, 4)]);
    holds(&story(
        &[(false, 3), KEYED],
        vec![commit([]), INITIAL, rows, Step::Reset, INITIAL, commit([insert(0, 5, 5)]), STREAM],
    ));
}

#[test]
fn a_snapshot_of_which_another_partition_was_cut_is_not_whole() {
    let rows = Step::Commit((1..7).map(|a| insert(0, a, a)).collect());
    let retain = |partition| Step::Retain { topic: 0, partition, keep: 0 };
    let steps = vec![rows, INITIAL, retain(0), commit([insert(0, 3, 3), insert(0, 9, 9)]), STREAM];
    holds(&story(&[(true, 3)], steps.clone()));
    holds(&story(&[(false, 3)], steps));
}

//! What long runs over fresh seeds found, each as a story of plain data, read in many interleavings.

use crate::findings::{INITIAL, KEYED, STREAM, commit, delete, holds, insert, statement, story};
use crate::model::Action;
use crate::shrink::{outcome_of, report};
use crate::story::{Class, Reader, Step, Story};
use crate::{judge, timeline};

/// Reads the story in many interleavings by readers that die often.
fn holds_over_crashes(story: &Story) {
    for seed in 0..400 {
        let reader = Reader { seed, crashes: 4, ..story.reader.clone() };
        let story = Story { reader, ..story.clone() };
        if outcome_of(&story, &timeline).is_err() {
            panic!("{}", report(&story, &timeline));
        }
    }
}

/// The same story where Kafka has put records without a key elsewhere.
fn elsewhere(story: &Story) -> impl Iterator<Item = Story> {
    (0..12).map(|seed| Story { seed, ..story.clone() })
}

#[test]
fn what_waits_for_a_newer_snapshot_has_not_had_its_turn_after_a_restart() {
    let steps = vec![
        commit([insert(0, 1, 1), insert(1, 1, 1)]),
        INITIAL,
        Step::Idle,
        commit([insert(0, 2, 2), insert(1, 2, 2)]),
        Step::Idle,
        commit([insert(0, 3, 3), insert(1, 3, 3)]),
        STREAM,
        INITIAL,
        INITIAL,
        INITIAL,
        commit([insert(0, 4, 4)]),
        STREAM,
    ];
    holds_over_crashes(&story(&[KEYED, KEYED], steps));
}

#[test]
fn events_without_boundaries_are_old_in_every_partition() {
    let rows = (1..8).map(|a| commit([insert(0, a, a), insert(0, a, 9), delete(0, a - 1)]));
    let steps: Vec<_> = [INITIAL].into_iter().chain(rows).chain([STREAM]).collect();
    for mut story in elsewhere(&story(&[(false, 2)], steps)) {
        let topics = &story.play().world.kafka.topics;
        let all: usize = topics.iter().flat_map(|topic| &topic.partitions).map(|found| found.records.len()).sum();
        for back in 1..4 {
            // BEGIN and END of one transaction, with others behind it.
            story.losses = [all - 2 * back - 2, all - 2 * back - 1].map(|pick| pick as u64).to_vec();
            holds(&story);
        }
    }
}

#[test]
fn a_row_of_a_snapshot_that_compaction_took_is_what_replaced_it() {
    let rows = commit([insert(0, 4, 3), insert(0, 5, 5), insert(0, 6, 6)]);
    let changes = [commit([insert(0, 5, 3)]), commit([insert(0, 6, 1), insert(0, 5, 4)])];
    let compact = Step::Compact { topic: 0, partition: 0, keep: 0 };
    for streamed in 1..4 {
        let steps = vec![rows.clone(), INITIAL, changes[0].clone(), changes[1].clone(), Step::Blocking(vec![0])];
        let more = [Step::Stream(streamed), compact.clone(), commit([insert(0, 7, 7)]), STREAM];
        let mut story = story(&[KEYED], steps.into_iter().chain(more).collect());
        story.compacted = true;
        holds(&story);
        let one = story.steps.len() - 2;
        story.steps.remove(one);
        holds(&story);
    }
}

#[test]
fn an_older_connector_that_goes_over_within_a_transaction_loses_no_event() {
    let swap = commit([statement(0, Action::Swap, 1, 2), insert(0, 3, 3)]);
    for (into, back) in [(2, 0), (2, 1), (3, 0), (3, 1), (3, 2), (4, 1), (4, 3)] {
        for (table, same_names) in [(KEYED, false), (KEYED, true), ((true, 3), false)] {
            let over = Step::FailOver { into, back, same_names };
            let steps = vec![commit([insert(0, 1, 1), insert(0, 2, 2)]), INITIAL, swap.clone(), over, STREAM];
            let mut story = story(&[table], steps);
            story.options.order_goes_on = false;
            holds(&story);
        }
    }
}

/// What takes more to happen than a few lines say: the seeds that were wrong.
fn holds_for(class: Class, seeds: &[u64]) {
    for &seed in seeds {
        if let Err(failure) = judge(seed, class) {
            panic!("seed {seed} of {class:?}: {failure}");
        }
    }
}

#[test]
fn changes_that_were_handed_on_lie_behind_those_of_a_partition_found_late() {
    holds_for(Class::NewPartitions, &[2_000_124]);
}

#[test]
fn what_is_written_behind_a_truncate_is_younger_whatever_its_statement_says() {
    holds_for(Class::Mixed, &[1_000_892, 1_003_660]);
}

#[test]
fn what_came_before_a_lost_boundary_lies_before_what_follows_it() {
    holds_for(Class::Losses, &[50_986]);
}

#[test]
fn a_row_of_a_snapshot_that_compaction_took_from_another_partition_is_what_replaced_it() {
    holds_for(Class::Mixed, &[50_872]);
}

#[test]
fn a_truncate_that_is_redelivered_to_another_partition_takes_nothing() {
    holds_for(Class::Mixed, &[7_002_027]);
}

#[test]
fn a_tombstone_keeps_its_place_among_the_records_of_its_partition() {
    holds_for(Class::Compaction, &[40_281]);
}

#[test]
fn holes_are_counted_where_a_tombstone_says_nothing_more() {
    holds_for(Class::Compaction, &[55_007, 7_005_031, 9_008_019]);
}

#[test]
fn an_older_connector_that_goes_over_on_a_server_of_whole_seconds_loses_no_event() {
    holds_for(Class::Mixed, &[51_459]);
}

#[test]
fn a_lost_row_that_may_be_of_a_snapshot_does_not_hold_a_table_for_ever() {
    holds_for(Class::Mixed, &[5_000_828]);
}

#[test]
fn rows_of_an_incremental_snapshot_whose_server_was_left_are_shown_with_their_table() {
    holds_for(Class::Mixed, &[3_000_922]);
}

#[test]
fn a_snapshot_of_one_of_two_tables_is_refused_in_whatever_order_its_partitions_are_read() {
    holds_for(Class::Mixed, &[3_001_054]);
}

#[test]
fn a_table_that_is_followed_is_not_shown_before_the_snapshot_that_others_show() {
    holds_for(Class::Mixed, &[3_002_191]);
}

#[test]
fn a_restart_amid_three_snapshots_takes_nobody_back() {
    holds_for(Class::SecondSnapshot, &[60_051, 6_002_001]);
}

#[test]
fn many_truncates_are_shown_while_the_connector_rests() {
    holds_for(Class::Truncates, &[26_464]);
}

#[test]
fn a_table_of_several_partitions_is_not_shown_before_a_truncate_that_lies_in_it() {
    holds_for(Class::Truncates, &[15_415]);
    holds_for(Class::Mixed, &[7_010_771]);
}

#[test]
fn what_another_server_wrote_again_to_a_new_partition_keeps_its_order() {
    holds_for(Class::Mixed, &[7_002_955]);
}

#[test]
fn a_restart_before_boundaries_that_retention_took_takes_nobody_back() {
    holds_for(Class::Retention, &[6_001_727]);
}

#[test]
fn a_table_that_waits_for_a_lost_boundary_says_so() {
    holds_for(Class::Mixed, &[7_012_580]);
}

#[test]
fn an_event_that_is_lost_with_its_end_is_not_passed_over() {
    holds_for(Class::Mixed, &[5_000_971]);
}

#[test]
fn rows_of_a_snapshot_in_a_new_partition_are_part_of_it() {
    holds_for(Class::Mixed, &[5_002_052, 9_009_873]);
    holds_for(Class::Retention, &[9_000_885]);
}

#[test]
fn what_another_server_did_before_a_truncate_comes_before_it() {
    holds_for(Class::Mixed, &[7_011_211]);
}

#[test]
fn a_truncate_that_a_snapshot_holds_does_not_wait_for_the_snapshot() {
    holds_for(Class::Mixed, &[9_000_848]);
}

#[test]
fn the_rows_of_another_table_may_be_gone_before_the_first_row_of_a_snapshot() {
    holds_for(Class::Mixed, &[9_016_261]);
}

#[test]
fn a_place_in_the_binlog_that_is_used_again_says_no_more_than_it_did() {
    holds_for(Class::Mixed, &[9_002_526]);
}

#[test]
fn an_event_that_comes_again_does_not_make_older_what_lies_before_it() {
    holds_for(Class::Restarts, &[5_002_097]);
}

#[test]
fn what_a_snapshot_holds_is_told_by_its_time_on_another_server() {
    holds_for(Class::Mixed, &[9_001_238, 9_011_257]);
}

#[test]
fn a_snapshot_replaces_what_came_by_commits_before_its_table_was_hidden() {
    holds_for(Class::Mixed, &[9_000_007]);
}

#[test]
fn where_all_records_of_a_table_were_lost_nobody_knows_whose_a_name_is() {
    holds_for(Class::Losses, &[9_104_184, 9_117_902]);
}

#[test]
fn what_has_the_place_of_another_and_is_younger_is_another() {
    holds_for(Class::Reset, &[9_001_209]);
    holds_for(Class::Mixed, &[9_118_538, 9_804_866]);
}

#[test]
fn after_a_restart_two_transactions_of_one_id_stall_nothing_that_was_shown() {
    holds_for(Class::Reset, &[9_113_453, 9_800_575, 9_800_967, 9_815_898]);
}

#[test]
fn events_that_come_before_their_begin_are_not_those_of_an_older_transaction() {
    holds_for(Class::Mixed, &[9_116_527]);
}

#[test]
fn a_snapshot_of_one_table_may_be_there_of_others_too() {
    holds_for(Class::SecondSnapshot, &[9_105_905, 9_811_900]);
}

#[test]
fn a_lost_row_in_another_partition_may_be_of_the_snapshot() {
    holds_for(Class::Mixed, &[9_102_369]);
}

#[test]
fn compaction_leaves_later_copies_of_what_a_connector_wrote_again() {
    holds_for(Class::Mixed, &[9_106_672, 9_122_763, 9_829_279]);
    // Before a hole is known, and before all copies have come, they do not count.
    holds_for(Class::Mixed, &[9_103_866, 9_803_537]);
}

#[test]
fn without_gtids_a_truncate_in_another_partition_is_waited_for() {
    holds_for(Class::Mixed, &[9_825_998]);
}

#[test]
fn what_lies_before_what_came_is_of_another_server() {
    holds_for(Class::Mixed, &[9_802_612, 9_829_248]);
}

#[test]
fn a_snapshot_may_hold_the_insertion_that_is_waited_for() {
    holds_for(Class::Mixed, &[9_100_677, 9_111_236]);
}

#[test]
fn others_do_not_wait_for_the_snapshot_of_a_table_that_is_hidden() {
    holds_for(Class::Mixed, &[9_401_482]);
}

#[test]
fn what_a_snapshot_holds_was_not_taken_by_compaction() {
    holds_for(Class::Mixed, &[9_419_336]);
}

#[test]
fn what_a_connector_streams_behind_a_snapshot_does_not_show_that_the_rows_are_there() {
    holds_for(Class::Mixed, &[9_858_317]);
}

#[test]
fn without_gtids_the_place_tells_what_a_truncate_of_the_same_second_follows() {
    holds_for(Class::Mixed, &[9_860_629]);
}

#[test]
fn a_lost_record_may_be_the_first_of_another_table_in_the_topic() {
    holds_for(Class::Mixed, &[9_864_278]);
}

#[test]
fn an_interrupted_transaction_waits_for_the_snapshot_that_is_coming_in() {
    holds_for(Class::Mixed, &[10_016_857]);
}

#[test]
fn places_of_changes_of_two_servers_do_not_compare() {
    holds_for(Class::Mixed, &[9_405_371, 9_410_810, 9_413_775, 11_008_789]);
}

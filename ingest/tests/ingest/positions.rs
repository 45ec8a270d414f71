//! Positions that a timeline tells: whoever waits for one must hear of it.

use std::sync::Arc;

use tidewater_delta::{Op, Position, Reached, RowBuilder, TableId, Width};
use tidewater_ingest::OnError;
use tidewater_ingest::event::Boundary;
use tidewater_ingest::timeline::{Bounds, Output, Place, TableSpec, Timeline};

const TABLE: TableId = TableId(1);

fn op() -> Op {
    let mut row = RowBuilder::new(vec![Width::Fixed]);
    row.set_slot(0, 1);
    Op::Insert(row.finish().into())
}

/// What all commits together reach.
fn reached(outputs: Vec<Output>) -> Reached {
    let mut reached = Reached::default();
    for output in outputs {
        if let Output::Commit(commit) = output {
            reached.advance(&commit.position);
        }
    }
    reached
}

#[test]
fn every_partition_of_a_topic_tells_its_own_offset() {
    let mut timeline = Timeline::of_log("updates");
    let partitions = [(0, 3), (1, 1), (2, 0)].map(|(partition, end)| Bounds { partition, low: 0, end });
    let spec = TableSpec {
        topic: "updates".into(),
        keyed: false,
        on_error: OnError::DeadLetter,
        collection: None,
        compacted: false,
        partitions: partitions.to_vec(),
    };
    timeline.add_table(TABLE, spec);
    let record = |timeline: &mut Timeline, partition, offset| {
        timeline.record(TABLE, Place { partition, offset, timestamp_ms: 1 }, op());
    };
    for (partition, offset) in [(0, 0), (1, 0), (0, 1), (0, 2)] {
        record(&mut timeline, partition, offset);
    }
    let outputs = timeline.release();
    assert!(outputs.iter().any(|output| matches!(output, Output::Hydrated(TABLE))), "{outputs:?}");
    assert_eq!(reached(outputs).to_string(), "updates/0@3,updates/1@1,updates/2@0", "what was there at the start");
    // Several partitions in one batch.
    for (partition, offset) in [(0, 3), (2, 0), (2, 1), (1, 1)] {
        record(&mut timeline, partition, offset);
    }
    let outputs = timeline.release();
    let changes = |output: &Output| if let Output::Commit(commit) = output { commit.changes.len() } else { 0 };
    assert_eq!(outputs.iter().map(changes).sum::<usize>(), 4);
    assert_eq!(reached(outputs).to_string(), "updates/0@4,updates/1@2,updates/2@2");
}

#[test]
fn empty_transactions_of_two_servers_are_both_told() {
    let mut timeline = Timeline::new("mysql.transaction", true);
    timeline.begin_boundaries(0, 0);
    let servers = ["3e11fa47-71ca-11e1-9e33-c80aa9429562", "aaaaaaaa-71ca-11e1-9e33-c80aa9429562"];
    let ids = [(servers[0], 1), (servers[0], 2), (servers[1], 1)];
    for (number, (server, transaction)) in ids.into_iter().enumerate() {
        let id: Arc<str> = format!("{server}:{transaction}").into();
        timeline.boundary(2 * number as i64, 1, Boundary::Begin { id: id.clone(), ts_ms: 1 });
        timeline.boundary(
            2 * number as i64 + 1,
            1,
            Boundary::End { id, event_count: 0, ts_ms: 1, data_collections: Vec::new() },
        );
    }
    let reached = reached(timeline.release());
    for (server, transaction) in ids {
        assert!(reached.includes(&Position::Gtid(format!("{server}:{transaction}"))), "{reached}");
    }
}

//! A transaction of a million rows, measured: what the timeline holds at its most, and what its state takes, beside the bytes of
//! the rows.

#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use tidewater_delta::{Commit, Op, Row, RowBuilder, TableId, Width};
use tidewater_ingest::OnError;
use tidewater_ingest::event::{Boundary, Event, Operation, Origin, Snapshot, TransactionRef};
use tidewater_ingest::timeline::{Bounds, Output, Place, TableSpec, Timeline};

/// A line of the process's status, in bytes: `VmRSS` is what it holds, `VmHWM` the most that it held.
fn memory(line: &str) -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("the status");
    let found = status.lines().find_map(|found| found.strip_prefix(line)?.strip_prefix(':'));
    let kilobytes = found.and_then(|found| found.trim().strip_suffix(" kB")).expect("a line of kB");
    kilobytes.parse::<usize>().expect("a number") * 1024
}

const ROWS: u64 = 1_000_000;

/// As a row of `order_items`: some numbers and a name.
fn row(builder: &mut RowBuilder, n: u64) -> Row {
    builder.reset();
    builder.set_slot(0, n);
    builder.set_slot(1, n / 3);
    builder.set_tail(2, b"a product of the shop");
    builder.set_slot(3, 1_999);
    builder.set_slot(4, 2);
    builder.take()
}

fn spec(topic: &str) -> TableSpec {
    TableSpec {
        topic: topic.into(),
        keyed: true,
        on_error: OnError::Stall,
        collection: None,
        compacted: false,
        partitions: vec![Bounds { partition: 0, low: 0, end: 0 }],
    }
}

const TABLE: TableId = TableId(0);
const ID: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562:1";

/// A timeline of one table, which is shown.
fn timeline() -> Timeline {
    let mut timeline = Timeline::new("shop.transaction", true);
    timeline.begin_boundaries(0, 0);
    timeline.add_table(TABLE, spec("shop.shop.items"));
    timeline.ends(&[(TABLE, 0, 0)]);
    assert!(matches!(timeline.release()[..], [Output::Hydrated(_)]));
    timeline
}

/// Feeds a transaction but for its END; the bytes of its rows.
fn feed(timeline: &mut Timeline) -> usize {
    let (fixed, variable) = (Width::Fixed, Width::Variable);
    let mut builder = RowBuilder::new(vec![fixed, fixed, variable, fixed, fixed]);
    let id: Arc<str> = ID.into();
    let (file, collection): (Arc<str>, Arc<str>) = ("binlog.000001".into(), "shop.items".into());
    timeline.boundary(0, 1, Boundary::Begin { id: id.clone(), ts_ms: 1 });
    let mut bytes = 0;
    for n in 0..ROWS {
        let row = row(&mut builder, n);
        bytes += row.bytes().len();
        let transaction = TransactionRef { id: id.clone(), total_order: n + 1, data_collection_order: n + 1 };
        let origin = Origin {
            snapshot: Snapshot::No,
            collection: collection.clone(),
            server_id: 1,
            file: file.clone(),
            pos: 4 + n * 60,
            row: 0,
            gtid: Some(id.clone()),
            ts_ms: 1,
            transaction: Some(transaction),
        };
        let place = Place { partition: 0, offset: n as i64, timestamp_ms: 1 };
        timeline.event(
            TABLE,
            place,
            Event { operation: Operation::Create, ops: [Op::Upsert(row)].into(), origin, key_change: None },
        );
        if n.is_multiple_of(10_000) {
            assert!(timeline.release().is_empty());
        }
    }
    bytes
}

/// Its END; what it then is.
fn end(timeline: &mut Timeline) -> Commit {
    let data_collections = vec![("shop.items".into(), ROWS)];
    timeline.boundary(1, 1, Boundary::End { id: ID.into(), event_count: ROWS, ts_ms: 1, data_collections });
    let mut outputs = timeline.release();
    while outputs.is_empty() && timeline.wants_ends() {
        timeline.ends(&[(TABLE, 0, ROWS as i64)]);
        outputs = timeline.release();
    }
    match outputs.pop() {
        Some(Output::Commit(commit)) if outputs.is_empty() => commit,
        other => panic!("{other:?} and {} outputs", outputs.len()),
    }
}

#[test]
fn a_transaction_of_a_million_rows_takes_less_than_twice_their_bytes() {
    let mut first = timeline();
    // The most begins anew here.
    std::fs::write("/proc/self/clear_refs", "5").expect("a reset");
    let before = memory("VmRSS");
    let bytes = feed(&mut first);
    let held = memory("VmHWM") - before;
    let commit = end(&mut first);
    assert_eq!(commit.changes.len(), ROWS as usize);
    let peak = memory("VmHWM") - before;
    let share = |part: usize| part as f64 / bytes as f64;
    println!(
        "{bytes} bytes of rows; {:.2} times that held until END, {:.2} times at the most",
        share(held),
        share(peak)
    );
    assert!(share(held) < 1.2 && share(peak) < 2.0, "{:.2} and {:.2} times", share(held), share(peak));
    let mut second = timeline();
    feed(&mut second);
    let begun = Instant::now();
    let state = second.state().expect("all was handed on");
    let written = begun.elapsed();
    let mut restored = Timeline::restore(&state, &BTreeMap::from([(TABLE, TABLE)])).expect("a state");
    let read = begun.elapsed() - written;
    println!("its state: {:.2} times, written in {written:?}, read in {read:?}", share(state.len()));
    assert!(share(state.len()) < 1.2, "{:.2} times", share(state.len()));
    assert!(end(&mut restored) == commit, "the same transaction");
}

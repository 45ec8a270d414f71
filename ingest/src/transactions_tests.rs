//! Random histories in random interleavings: the same commits come out, whole and in order.

use std::collections::{BTreeMap, HashMap};

use delta::{Kind, Row, RowBuilder};
use proptest::prelude::*;

use super::*;
use crate::event::{Operation, TransactionRef};

const ALL: i64 = i64::MAX;

fn row(value: i64) -> Row {
    let mut builder = RowBuilder::new(vec![Kind::Int]);
    builder.set_int(0, value);
    builder.take()
}

fn origin(snapshot: Snapshot, transaction: Option<(&str, u64)>, pos: u64) -> Origin {
    let transaction =
        transaction.map(|(id, order)| TransactionRef { id: id.into(), total_order: order, data_collection_order: 0 });
    Origin { snapshot, collection: "".into(), file: "b.1".into(), pos, row: 0, gtid: None, ts_ms: 7, transaction }
}

fn event(snapshot: Snapshot, transaction: Option<(&str, u64)>, pos: u64) -> Event {
    let ops = vec![Op::Upsert(row(pos as i64))];
    Event { operation: Operation::Create, ops, origin: origin(snapshot, transaction, pos) }
}

fn end(id: &str, counts: &[(&str, u64)]) -> Boundary {
    let data_collections: Vec<(Arc<str>, u64)> = counts.iter().map(|(name, count)| ((*name).into(), *count)).collect();
    Boundary::End { id: id.into(), event_count: counts.iter().map(|c| c.1).sum(), ts_ms: 5, data_collections }
}

fn two_tables() -> Assembler {
    let mut assembler = Assembler::new();
    assembler.add_table(TableId(0), "shop.a");
    assembler.add_table(TableId(1), "shop.b");
    assembler
}

#[test]
fn a_transaction_waits_for_its_end_and_for_every_table() {
    let mut assembler = two_tables();
    assembler.event(TableId(0), event(Snapshot::No, Some(("g:1", 1)), 1));
    assert!(assembler.release(ALL).is_empty());
    assembler.boundary(0, Boundary::Begin { id: "g:1".into() });
    assembler.boundary(1, end("g:1", &[("shop.a", 1), ("shop.b", 1), ("shop.unknown", 9)]));
    assert!(assembler.release(ALL).is_empty());
    let waiting = assembler.waiting().expect("it waits");
    assert_eq!((&*waiting.transaction, waiting.missing), ("g:1", vec![(TableId(1), 1)]));
    assembler.event(TableId(1), event(Snapshot::No, Some(("g:1", 2)), 2));
    assert!(assembler.release(0).is_empty(), "not past the limit");
    let commits = assembler.release(ALL);
    assert_eq!((commits.len(), commits[0].changes.len(), assembler.released()), (1, 2, 1));
    assert_eq!((&commits[0].position, commits[0].committed_ms), (&Position::Gtid("g:1".into()), 5));
}

#[test]
fn redelivered_parts_change_nothing() {
    let mut assembler = two_tables();
    for _ in 0..2 {
        assembler.boundary(0, Boundary::Begin { id: "g:1".into() });
        assembler.event(TableId(0), event(Snapshot::No, Some(("g:1", 1)), 1));
    }
    assembler.boundary(1, end("g:1", &[("shop.a", 1)]));
    assert_eq!(assembler.release(ALL)[0].changes.len(), 1);
    assembler.boundary(2, Boundary::Begin { id: "g:1".into() });
    assembler.event(TableId(0), event(Snapshot::No, Some(("g:1", 1)), 1));
    assembler.boundary(3, end("g:1", &[("shop.a", 1)]));
    assert!(assembler.release(ALL).is_empty() && assembler.waiting().is_none() && assembler.pending.is_empty());
}

#[test]
fn a_snapshot_is_one_commit_and_begins_again_when_interrupted() {
    let mut assembler = two_tables();
    for (snapshot, pos) in [(Snapshot::First, 1), (Snapshot::Row, 2), (Snapshot::First, 3), (Snapshot::Row, 4)] {
        assembler.event(TableId(0), event(snapshot, None, pos));
        assert!(assembler.release(ALL).is_empty() && !assembler.is_complete(TableId(0)));
    }
    assembler.event(TableId(0), event(Snapshot::Last, None, 5));
    assert!(assembler.is_complete(TableId(0)));
    assert_eq!(assembler.release(ALL)[0].changes.len(), 3);
    // A row of after the snapshot ends it, too: the last one's marker may have been compacted away.
    assembler.event(TableId(1), event(Snapshot::Row, None, 6));
    assembler.event(TableId(1), event(Snapshot::No, None, 7));
    let sizes: Vec<_> = assembler.release(ALL).iter().map(|commit| commit.changes.len()).collect();
    assert_eq!(sizes, [1, 1]);
}

#[test]
fn changes_outside_transactions_come_once_and_do_not_overtake() {
    let mut assembler = two_tables();
    assembler.event(TableId(0), event(Snapshot::No, None, 10));
    assembler.event(TableId(0), event(Snapshot::No, None, 10));
    assembler.event(TableId(0), event(Snapshot::No, None, 9));
    assert_eq!(assembler.release(ALL).len(), 1);
    assembler.event(TableId(0), event(Snapshot::No, Some(("g:1", 1)), 11));
    let mut truncate = event(Snapshot::No, None, 12);
    truncate.ops = vec![Op::Truncate];
    assembler.event(TableId(0), truncate);
    assert!(assembler.release(ALL).is_empty());
    assembler.boundary(0, end("g:1", &[("shop.a", 1)]));
    let commits = assembler.release(ALL);
    assert_eq!(commits[0].changes.last().map(|change| &change.op), Some(&Op::Truncate));
}

#[test]
fn an_undecodable_record_does_not_hold_its_transaction_for_ever() {
    let mut assembler = two_tables();
    assembler.boundary(0, end("g:1", &[("shop.a", 2)]));
    assembler.event(TableId(0), event(Snapshot::No, Some(("g:1", 1)), 1));
    assembler.lost(TableId(1));
    assert!(assembler.release(ALL).is_empty(), "another table's loss explains nothing");
    assembler.lost(TableId(0));
    assert_eq!(assembler.release(ALL)[0].changes.len(), 1);
    assembler.boundary(1, end("g:2", &[("shop.a", 1)]));
    assert!(assembler.release(ALL).is_empty(), "one loss explains one event");
}

/// A history: of each transaction the tables of its events, in order.
fn history() -> impl Strategy<Value = Vec<Vec<u32>>> {
    proptest::collection::vec(proptest::collection::vec(0..3_u32, 1..5), 1..12)
}

proptest! {
    #[test]
    fn any_interleaving_gives_the_same_commits(
        history in history(),
        picks in proptest::collection::vec(0..4_usize, 0..200),
        join_at in 0..200_usize,
    ) {
        // Topic 3 is the transaction topic; each topic keeps its order. Table 2 joins at a random step through its own assembler.
        let mut topics: [Vec<(i64, Result<Event, Boundary>)>; 4] = Default::default();
        let mut boundary = 0;
        let mut expected: Vec<(String, Vec<u64>)> = Vec::new();
        let mut pos = 0;
        for (number, tables) in history.iter().enumerate() {
            let id = format!("g:{}", number + 1);
            topics[3].push((boundary, Err(Boundary::Begin { id: id.as_str().into() })));
            let mut counts: BTreeMap<u32, u64> = BTreeMap::new();
            let mut values = Vec::new();
            for (order, &table) in tables.iter().enumerate() {
                pos += 1;
                values.push(pos);
                *counts.entry(table).or_default() += 1;
                topics[table as usize].push((0, Ok(event(Snapshot::No, Some((&id, order as u64 + 1)), pos))));
            }
            let names: Vec<_> = counts.iter().map(|(table, count)| (["shop.a", "shop.b", "shop.c"][*table as usize], *count)).collect();
            topics[3].push((boundary + 1, Err(end(&id, &names))));
            boundary += 2;
            expected.push((id, values));
        }
        let mut main = two_tables();
        let mut joiner = Assembler::new();
        joiner.add_table(TableId(2), "shop.c");
        let mut joiner = Some(joiner);
        let (mut main_at, mut joiner_at) = ([0_usize; 4], [0_usize; 4]);
        let mut commits = Vec::new();
        let mut caught_up = Vec::new();
        let mut late: HashMap<String, ()> = HashMap::new();
        let rest = [3, 2, 1, 0].into_iter().cycle().take(400);
        for (step, topic) in picks.into_iter().chain(rest).enumerate() {
            let feed = |assembler: &mut Assembler, at: &mut [usize; 4]| {
                let Some((offset, record)) = topics[topic].get(at[topic]).cloned() else { return };
                at[topic] += 1;
                match record {
                    Ok(event) => assembler.event(TableId(topic as u32), event),
                    Err(boundary) => assembler.boundary(offset, boundary),
                }
            };
            let joined = joiner.is_none();
            if topic != 2 || joined {
                let at = if topic == 2 { &mut joiner_at } else { &mut main_at };
                feed(&mut main, at);
            }
            if let Some(joiner) = &mut joiner && (topic == 2 || topic == 3) {
                feed(joiner, &mut joiner_at);
            }
            commits.extend(main.release(ALL));
            if let Some(mut one) = joiner.take() {
                caught_up.extend(one.release(main.released()));
                if step >= join_at && one.released() == main.released() {
                    caught_up.iter().for_each(|commit: &Commit| { late.insert(commit.position.to_string(), ()); });
                    main.absorb(one);
                } else {
                    joiner = Some(one);
                }
            }
        }
        prop_assert!(joiner.is_none());
        // Of each transaction, the main assembler's part and the late table's part make up the whole.
        let mut whole: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        let mut order = Vec::new();
        for commit in &commits {
            order.push(commit.position.to_string());
        }
        let mut sorted = order.clone();
        sorted.sort_by_key(|id| id[2..].parse::<u64>().expect("a number"));
        prop_assert_eq!(&order, &sorted, "released in the order of the transaction topic");
        for commit in commits.iter().chain(&caught_up) {
            for change in &commit.changes {
                let Op::Upsert(row) = &change.op else { panic!("only upserts here") };
                whole.entry(commit.position.to_string()).or_default().push(row.as_ref().slot(0));
            }
        }
        whole.values_mut().for_each(|values| values.sort_unstable());
        let expected: BTreeMap<_, _> = expected.into_iter().collect();
        prop_assert_eq!(whole, expected);
        prop_assert!(main.pending.is_empty() && main.queue.is_empty());
    }
}

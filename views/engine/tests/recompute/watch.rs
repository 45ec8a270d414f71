//! Watched rows: by index one finds what a scan of the same moment finds, whatever is ticked, held and swept meanwhile.

use proptest::prelude::*;
use tidewater_delta::{Op, Row, RowRef};
use tidewater_engine::{Circuit, IndexId, NodeId, Watched};

use crate::groups::add_reduces;
use crate::model::{Bag, Cells, TABLES, add_tables, any_steps, build, op, pack, rows, unpack};
use crate::plans::{add, any_plan};

/// Every key by itself, and all of them at once, lead to the rows of the watched moment.
fn check(circuit: &Circuit, watched: &Watched, index: IndexId) {
    let at = |key: Option<i64>| move |(cells, _): &(Cells, i64)| cells[0] == key;
    let keys: Vec<Option<i64>> = [None].into_iter().chain((-1..5).map(Some)).collect();
    for key in &keys {
        let expected: Bag = rows(watched.rows()).into_iter().filter(at(*key)).collect();
        assert_eq!(found(circuit, watched, index, &[*key]), expected);
    }
    let expected: Bag = rows(watched.rows()).into_iter().filter(|(cells, _)| keys.contains(&cells[0])).collect();
    assert_eq!(found(circuit, watched, index, &keys), expected);
}

fn found(circuit: &Circuit, watched: &Watched, index: IndexId, keys: &[Option<i64>]) -> Bag {
    let keys: Vec<Row> = keys.iter().map(|key| pack(&[*key])).collect();
    let keys: Vec<RowRef<'_>> = keys.iter().map(Row::as_ref).collect();
    let trail = circuit.trail(watched, index, &keys).expect("the node is there");
    let found = watched.found(&trail, &keys);
    let distinct: Bag = found.iter().map(|(row, weight)| (unpack(*row), *weight)).collect();
    assert_eq!(distinct.len(), found.len(), "no row is found twice");
    distinct
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn an_index_finds_the_rows_of_the_watched_moment(
        plan in any_plan(),
        before in any_steps(),
        during in any_steps(),
        held in any::<bool>(),
    ) {
        let mut circuit = Circuit::new();
        let tables = add_tables(&mut circuit);
        let view = add(&mut circuit, &tables, &plan);
        let reduces = add_reduces(&mut circuit, tables[0]);
        let nodes: Vec<NodeId> = tables.iter().copied().chain([view]).chain(reduces).collect();
        let indexes: Vec<IndexId> = nodes.iter().map(|&node| circuit.add_index(node, &[0])).collect();
        build(&mut circuit);
        let mut filled = vec![Bag::new(); TABLES];
        for step in &before {
            circuit.tick([(tables[step.table], op(step, &mut filled[step.table]))]);
        }
        if held {
            circuit.hold(nodes.iter().copied());
        }
        let mut watched: Vec<Vec<Watched>> = Vec::new();
        let watch = |circuit: &Circuit| nodes.iter().map(|&node| circuit.watch(node)).collect::<Vec<_>>();
        let all = |circuit: &Circuit, watched: &[Vec<Watched>]| {
            for (watched, index) in watched.iter().flat_map(|moment| moment.iter().zip(&indexes)) {
                check(circuit, watched, *index);
            }
        };
        watched.push(watch(&circuit));
        for (number, step) in during.iter().enumerate() {
            circuit.tick([(tables[step.table], op(step, &mut filled[step.table]))]);
            // Several moments are watched at a time, and some no longer.
            watched.push(watch(&circuit));
            if number % 3 == 2 {
                watched.remove(0);
            }
            all(&circuit, &watched);
        }
        if held {
            circuit.release();
            while circuit.sweep(2) {
                all(&circuit, &watched);
            }
        }
        circuit.tick(tables.iter().map(|&node| (node, Op::Truncate)));
        all(&circuit, &watched);
    }
}

/// What left in large numbers is not noted, and chunks whose numbers went to others lead nowhere: then the snapshot is read.
#[test]
fn too_much_has_left() {
    let mut circuit = Circuit::new();
    let node = add_tables(&mut circuit)[0];
    let index = circuit.add_index(node, &[0]);
    let row = |number: i64| pack(&[Some(number), Some(number % 7), Some(3)]);
    let rows = 200_000;
    circuit.tick((0..rows).map(|number| (node, Op::Upsert(row(number)))));
    let watched = circuit.watch(node);
    let left =
        |number: i64| (node, Op::Delete(if crate::model::keyed(0) { pack(&[Some(number)]) } else { row(number) }));
    circuit.tick((0..rows).filter(|number| number % 1000 != 0).map(left));
    circuit.tick((rows..rows + 100_000).map(|number| (node, Op::Upsert(row(number)))));
    for number in [0, 1, 999, 1000, rows - 1, rows, rows + 1] {
        let key = Some(number);
        let expected = i64::from(number < rows);
        assert_eq!(found(&circuit, &watched, index, &[key]).values().sum::<i64>(), expected, "{number}");
    }
}

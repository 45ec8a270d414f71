//! Data that is more than can be held or counted: the view that it is too much for has an error, others go on.

use tidewater_delta::Op;
use tidewater_engine::{Circuit, ColumnAt, Equality, Function, JoinInput, JoinSpec, NodeId, Output, Role};

use crate::groups::{aggregate, group_by_first};
use crate::model::{Bag, COLUMNS, add_tables, bag, build, pack, types};

/// The rows of a node twice, again and again.
fn doubled(circuit: &mut Circuit, node: NodeId, times: usize) -> NodeId {
    (0..times).fold(node, |node, _| circuit.add_union(vec![node, node]))
}

fn joined(circuit: &mut Circuit, node: NodeId) -> NodeId {
    let at = |input, column| ColumnAt { input, column };
    circuit.add_join(JoinSpec {
        inputs: [node; 2].map(|node| JoinInput { node, role: Role::Inner }).to_vec(),
        equalities: vec![Equality { left: at(0, 0), right: at(1, 0), nulls_equal: false }],
        filters: Vec::new(),
        output: (0..COLUMNS).map(|column| Output::Column(at(0, column))).collect(),
        types: types(COLUMNS),
        key: None,
    })
}

#[test]
fn rows_that_occur_very_often_are_counted_or_are_an_error() {
    let mut circuit = Circuit::new();
    let table = add_tables(&mut circuit)[0];
    let often = doubled(&mut circuit, table, 40);
    let count = group_by_first(&mut circuit, often, vec![aggregate(Function::Count, 2, false)]);
    // 2^80 and 2^64 times.
    let joined = joined(&mut circuit, often);
    let too_often = doubled(&mut circuit, often, 24);
    let above = group_by_first(&mut circuit, too_often, vec![aggregate(Function::Count, 2, false)]);
    build(&mut circuit);
    let row = |id: i64, value: i64| [Some(id), Some(1), Some(value)];
    for values in [[3, 4], [5, 4]] {
        circuit.tick([1, 2].map(|id| (table, Op::Upsert(pack(&row(id, values[id as usize - 1]))))));
        let rows: Bag = [1, 2].map(|id| (row(id, values[id as usize - 1]).to_vec(), 1 << 40)).into();
        assert_eq!(bag(&circuit, often), rows);
        let counts: Bag = [1, 2].map(|id| (vec![Some(id), Some(1 << 40)], 1)).into();
        assert_eq!(bag(&circuit, count), counts);
        for node in [joined, too_often, above] {
            assert_eq!(circuit.error(node).map(|error| error.sqlstate), Some(*b"54000"));
        }
        assert_eq!(circuit.error(count), None);
    }
    circuit.tick([(table, Op::Truncate)]);
    assert_eq!((bag(&circuit, often), bag(&circuit, count)), (Bag::new(), Bag::new()));
}

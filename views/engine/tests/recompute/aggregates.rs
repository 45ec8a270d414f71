//! Aggregates that no integer shows: exact sums of numerics, rows that occur as often as their columns say.

use std::collections::BTreeMap;

use proptest::prelude::*;
use tidewater_engine::{Aggregate, Circuit, Function, NodeId, ReduceSpec, Role};
use tidewater_types::{ColumnType, Datum, Expr, Numeric, NumericBuf, Packing, Type};

use crate::groups::aggregate;
use crate::model::{Bag, add_tables, any_steps, bag, cell, run, types};
use crate::plans::{Plan, add};

/// A numeric for an integer: of several scales, beyond 128 bits, and none.
fn numeric(value: Option<i64>) -> Option<NumericBuf> {
    let text = match value? {
        0 => "1.00",
        1 => "170141183460469231731687303715884105727",
        2 => "-0.125",
        3 => "NaN",
        _ => "Infinity",
    };
    Some(NumericBuf::parse(text).expect("a numeric"))
}

fn numeric_aggregate(function: Function, column: usize) -> Aggregate {
    let argument = Expr::new(move |tuple, scratch| {
        let value = numeric(cell(tuple[0], column));
        Ok(value.map_or(Datum::Null, |value| Datum::Numeric(value.into_scratch(scratch))))
    });
    let types = vec![Type::Numeric.into()];
    Aggregate {
        function,
        arguments: vec![argument],
        types,
        filter: None,
        reads: vec![column],
        distinct: false,
        order: Vec::new(),
    }
}

type Shown = BTreeMap<(Option<i64>, Option<String>, Option<String>), i64>;

fn shown(circuit: &Circuit, node: NodeId) -> Shown {
    let packing = Packing::of(&ColumnType::from(Type::Numeric));
    let text = |row: tidewater_delta::RowRef<'_>, column| match (!row.is_null(column)).then(|| packing.get(row, column))
    {
        None => None,
        Some(Datum::Numeric(value)) => Some(value.to_string()),
        Some(other) => panic!("{other:?} is no numeric"),
    };
    let snapshot = circuit.snapshot(node);
    snapshot.rows().map(|(row, weight)| ((cell(row, 0), text(row, 1), text(row, 2)), weight)).collect()
}

/// Sum and mean of column 2 by column 1, added up one by one.
fn sums(table: &Bag) -> Shown {
    let mut groups: BTreeMap<Option<i64>, (i64, NumericBuf)> = BTreeMap::new();
    for (cells, weight) in table {
        let group = groups.entry(cells[1]).or_insert((0, NumericBuf::Small(0, 0)));
        let Some(value) = numeric(cells[2]) else { continue };
        for _ in 0..*weight {
            group.0 += 1;
            group.1 = group.1.add(value.borrow(&mut Vec::new())).expect("a sum");
        }
    }
    let text = |value: &NumericBuf| value.borrow(&mut Vec::new()).to_string();
    let group = |(key, (count, sum)): (Option<i64>, (i64, NumericBuf))| {
        let mean = (count > 0).then(|| sum.borrow(&mut Vec::new()).div(Numeric::integer(count)).expect("a mean"));
        ((key, mean.is_some().then(|| text(&sum)), mean.as_ref().map(text)), 1)
    };
    groups.into_iter().map(group).collect()
}

fn below(column: usize, limit: i64) -> Expr {
    Expr::new(move |tuple, _| Ok(cell(tuple[0], column).map_or(Datum::Null, |value| Datum::Bool(value < limit))))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn numeric_sums_take_rows_back(steps in any_steps(), table in 0..3_usize) {
        let mut circuit = Circuit::new();
        let tables = add_tables(&mut circuit);
        let aggregates = vec![numeric_aggregate(Function::SumNumeric, 2), numeric_aggregate(Function::AvgNumeric, 2)];
        let columns = [Type::Int8, Type::Numeric, Type::Numeric].map(ColumnType::from);
        let spec = ReduceSpec { input: tables[table], key: vec![1], aggregates, types: columns.into(), times: None };
        let node = circuit.add_reduce(spec);
        run(&mut circuit, &tables, &steps, |circuit, tables| assert_eq!(shown(circuit, node), sums(&tables[table])));
        prop_assert!(circuit.is_empty());
    }

    #[test]
    fn a_group_occurs_as_often_as_its_columns_say(steps in any_steps(), table in 0..3_usize) {
        let mut circuit = Circuit::new();
        let tables = add_tables(&mut circuit);
        let count = |limit| Aggregate { filter: Some(below(2, limit)), reads: vec![0, 2], ..aggregate(Function::Count, 0, false) };
        // The rows with column 2 below 3 are there, those below 1 are taken away.
        let times = Expr::new(|tuple, _| {
            let count = |column| cell(tuple[0], column).unwrap_or(0);
            Ok(Datum::Int(count(1) - 2 * count(2)))
        });
        let spec = ReduceSpec {
            input: tables[table],
            key: vec![1],
            aggregates: vec![count(3), count(1)],
            types: types(3),
            times: Some(times),
        };
        let node = circuit.add_reduce(spec);
        let top = Plan {
            inputs: vec![(0, Role::Inner)],
            equalities: Vec::new(),
            predicates: Vec::new(),
            output: vec![tidewater_engine::ColumnAt { input: 0, column: 0 }],
            keyed: false,
        };
        let shown = add(&mut circuit, &[node], &top);
        prop_assert_eq!(circuit.key(node), None);
        run(&mut circuit, &tables, &steps, |circuit, tables| {
            let mut expected = Bag::new();
            for (cells, weight) in &tables[table] {
                let few = i64::from(cells[2].is_some_and(|value| value < 3));
                let less = i64::from(cells[2].is_some_and(|value| value < 1));
                *expected.entry(vec![cells[1]]).or_default() += weight * (few - 2 * less);
            }
            expected.retain(|_, weight| *weight > 0);
            assert_eq!(bag(circuit, shown), expected);
        });
        prop_assert!(circuit.is_empty());
    }

    #[test]
    fn values_stay(steps in any_steps(), count in 0..4_i64) {
        let mut circuit = Circuit::new();
        let rows: Vec<_> = (0..count).chain(0..count).map(|value| crate::model::pack(&[Some(value), None, None])).collect();
        let values = circuit.add_values(types(3), &rows);
        let tables = add_tables(&mut circuit);
        let plan = Plan {
            inputs: vec![(0, Role::Inner), (1, Role::Inner)],
            equalities: vec![crate::plans::equal((0, 0), (1, 1))],
            predicates: Vec::new(),
            output: vec![tidewater_engine::ColumnAt { input: 1, column: 0 }],
            keyed: false,
        };
        let node = add(&mut circuit, &[values, tables[0]], &plan);
        run(&mut circuit, &tables, &steps, |circuit, tables| {
            let found = tables[0].keys().filter(|cells| cells[1].is_some_and(|value| value < count));
            let expected: Bag = found.map(|cells| (vec![cells[0]], 2)).collect();
            assert_eq!(bag(circuit, node), expected);
        });
        prop_assert!(bag(&circuit, node).is_empty());
        prop_assert_eq!(bag(&circuit, values).len() as i64, count);
    }
}

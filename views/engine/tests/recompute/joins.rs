//! Joins, unions of them and groupings of them, as they change and while they are built.

use proptest::prelude::*;
use tidewater_delta::Op;
use tidewater_engine::{Circuit, ColumnAt, Role};
use tidewater_types::Type;

use crate::groups::{add_reduces, regroup};
use crate::model::{Bag, COLUMNS, TABLES, add_tables, any_steps, bag, build, keyed, op, rows, run, types, widened};
use crate::oracle::recompute;
use crate::plans::{Plan, add, any_keyed_plan, any_plan, equal};

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn a_join_equals_its_recomputation(
        plan in prop_oneof![any_plan(), any_keyed_plan()],
        late in prop_oneof![any_plan(), any_keyed_plan()],
        steps in any_steps(),
    ) {
        let mut circuit = Circuit::new();
        let tables = add_tables(&mut circuit);
        let node = add(&mut circuit, &tables, &plan);
        // Snapshots held across ticks keep their moment, although nobody but they reads the join.
        let mut held = Vec::new();
        run(&mut circuit, &tables, &steps, |circuit, tables| {
            let (expected, errors) = recompute(&plan, tables);
            held.push((circuit.snapshot(node), expected.clone()));
            assert_eq!(bag(circuit, node), expected);
            assert_eq!(circuit.error(node).is_some(), errors != 0);
        });
        for (snapshot, expected) in &held {
            prop_assert_eq!(&rows(snapshot), expected);
        }
        prop_assert!(circuit.is_empty());
        // A join made over tables that hold rows computes the same.
        let mut filled = vec![Bag::new(); TABLES];
        let changes: Vec<_> = steps.iter().map(|step| (tables[step.table], op(step, &mut filled[step.table]))).collect();
        circuit.tick(changes);
        let node = add(&mut circuit, &tables, &late);
        build(&mut circuit);
        prop_assert_eq!(bag(&circuit, node), recompute(&late, &filled).0);
    }

    #[test]
    fn views_built_in_slices_while_ticks_go_on_equal_their_recomputation(
        plan in prop_oneof![any_plan(), any_keyed_plan()],
        before in any_steps(),
        during in any_steps(),
        slices in prop::collection::vec(0..4_usize, 60),
    ) {
        let mut circuit = Circuit::new();
        let mut types = types(COLUMNS).to_vec();
        types.push(Type::Text.into());
        let inputs: Vec<_> = (0..TABLES).map(|t| circuit.add_input(types.clone().into(), keyed(t).then_some(&[0][..]))).collect();
        let mut filled = vec![Bag::new(); TABLES];
        let wide = |op: Op| match op {
            Op::Upsert(row) => Op::Upsert(widened(row.as_ref())),
            Op::Insert(row) => Op::Insert(widened(row.as_ref())),
            Op::Remove(row) => Op::Remove(widened(row.as_ref())),
            op => op,
        };
        for step in &before {
            circuit.tick([(inputs[step.table], wide(op(step, &mut filled[step.table])))]);
        }
        let mut plan = plan;
        plan.output = (0..COLUMNS).map(|column| ColumnAt { input: 0, column }).collect();
        let view = add(&mut circuit, &inputs, &plan);
        let reduces = add_reduces(&mut circuit, view);
        let both = circuit.add_union(vec![view, view]);
        for (step, slices) in during.iter().zip(slices) {
            (0..slices).for_each(|_| _ = circuit.build());
            circuit.tick([(inputs[step.table], wide(op(step, &mut filled[step.table])))]);
        }
        build(&mut circuit);
        let (expected_rows, errors) = recompute(&plan, &filled);
        prop_assert_eq!(circuit.error(view).is_some(), errors != 0);
        let expected = regroup(&expected_rows);
        for (node, expected) in reduces.iter().zip(&expected) {
            prop_assert_eq!(&bag(&circuit, *node), expected);
        }
        let union: Bag = expected_rows.iter().map(|(cells, weight)| (cells.clone(), 2 * weight)).collect();
        prop_assert_eq!(bag(&circuit, both), union);
        prop_assert_eq!(bag(&circuit, view), expected_rows);
        circuit.tick(inputs.iter().map(|&node| (node, Op::Truncate)));
        prop_assert!(circuit.is_empty());
    }

    #[test]
    fn a_view_on_a_view_equals_its_recomputation(plan in any_plan(), steps in any_steps()) {
        let mut circuit = Circuit::new();
        let tables = add_tables(&mut circuit);
        let mut plan = plan;
        plan.predicates.retain(|p| !p.divides);
        plan.output = vec![ColumnAt { input: 0, column: 1 }, ColumnAt { input: 0, column: 2 }, ColumnAt { input: 0, column: 0 }];
        let view = add(&mut circuit, &tables, &plan);
        let both = circuit.add_union(vec![view, tables[2]]);
        // The union joined with itself and with one of its own inputs.
        let top = Plan {
            inputs: vec![(0, Role::Inner), (0, Role::Inner), (1, Role::Outer)],
            equalities: vec![equal((0, 0), (1, 1)), equal((1, 2), (2, 0))],
            predicates: Vec::new(),
            output: vec![ColumnAt { input: 0, column: 1 }, ColumnAt { input: 2, column: 2 }],
            keyed: false,
        };
        let node = add(&mut circuit, &[both, tables[0]], &top);
        run(&mut circuit, &tables, &steps, |circuit, tables| {
            let mut union = recompute(&plan, tables).0;
            for (cells, weight) in &tables[2] {
                *union.entry(cells.clone()).or_default() += weight;
            }
            assert_eq!(bag(circuit, both), union.clone());
            assert_eq!(bag(circuit, node), recompute(&top, &[union, tables[0].clone()]).0);
        });
        prop_assert!(circuit.is_empty());
    }

    #[test]
    fn a_reduce_equals_its_recomputation(steps in any_steps(), table in 0..TABLES, column in 0..COLUMNS) {
        let mut circuit = Circuit::new();
        let tables = add_tables(&mut circuit);
        // The grouping column comes first.
        let output: Vec<_> = [column, 1, 2].into_iter().map(|column| ColumnAt { input: 0, column }).collect();
        let plan = Plan { inputs: vec![(table, Role::Inner)], equalities: vec![], predicates: vec![], output, keyed: false };
        let input = add(&mut circuit, &tables, &plan);
        let nodes = add_reduces(&mut circuit, input);
        run(&mut circuit, &tables, &steps, |circuit, tables| {
            let expected = regroup(&recompute(&plan, tables).0);
            for (node, expected) in nodes.iter().zip(expected) {
                assert_eq!(bag(circuit, *node), expected);
            }
        });
        prop_assert!(circuit.is_empty());
    }
}

//! A moment that is held: its readers see it, by scans and through indexes, whatever is ticked, and then all changes at once.

use proptest::prelude::*;
use tidewater_delta::Op;
use tidewater_engine::{Circuit, ColumnAt, IndexId, NodeId};

use crate::groups::{add_reduces, regroup};
use crate::model::{Bag, Cells, TABLES, add_tables, any_steps, bag, build, op, pack, unpack};
use crate::oracle::recompute;
use crate::plans::{Plan, add, any_keyed_plan, any_plan};

/// What readers look at: nodes, each with an index by its first column.
struct Readable(Vec<(NodeId, IndexId)>);

impl Readable {
    fn new(circuit: &mut Circuit, nodes: impl IntoIterator<Item = NodeId>) -> Readable {
        Readable(nodes.into_iter().map(|node| (node, circuit.add_index(node, &[0]))).collect())
    }

    /// Every node holds the rows of its bag, and its index finds them.
    fn check(&self, circuit: &Circuit, expected: &[Bag]) {
        for ((node, index), expected) in self.0.iter().zip(expected) {
            assert_eq!(&bag(circuit, *node), expected);
            let mut found = Bag::new();
            for key in [None].into_iter().chain((-1..5).map(Some)) {
                let rows = circuit.lookup(*index, pack(&[key]).as_ref());
                found.extend(rows.into_iter().map(|(row, weight)| (unpack(row), weight)));
            }
            let in_range = |cells: &Cells| cells[0].is_none_or(|key| (-1..5).contains(&key));
            let expected: Bag = expected.clone().into_iter().filter(|(cells, _)| in_range(cells)).collect();
            assert_eq!(found, expected);
        }
    }
}

/// What the nodes hold: the tables, the view and its reduces; and whether the view has an error.
fn expected(plan: &Plan, tables: &[Bag]) -> (Vec<Bag>, bool) {
    let (rows, errors) = recompute(plan, tables);
    let reduces = regroup(&rows);
    (tables.iter().cloned().chain([rows]).chain(reduces).collect(), errors != 0)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn readers_see_the_held_moment_and_then_all_at_once(
        plan in prop_oneof![any_plan(), any_keyed_plan()],
        before in any_steps(),
        during in any_steps(),
        swept in 1..5_usize,
    ) {
        let mut plan = plan;
        let at = |column| ColumnAt { input: 0, column };
        plan.output = vec![at(0), at(1), at(2)];
        let mut circuit = Circuit::new();
        let tables = add_tables(&mut circuit);
        let view = add(&mut circuit, &tables, &plan);
        let reduces = add_reduces(&mut circuit, view);
        let nodes: Vec<_> = tables.iter().copied().chain([view]).chain(reduces).collect();
        let readable = Readable::new(&mut circuit, nodes.iter().copied());
        build(&mut circuit);
        let mut filled = vec![Bag::new(); TABLES];
        let changes: Vec<_> = before.iter().map(|step| (tables[step.table], op(step, &mut filled[step.table]))).collect();
        circuit.tick(changes);
        let (rows, fails) = expected(&plan, &filled);
        circuit.hold(nodes.iter().copied());
        for step in &during {
            circuit.tick([(tables[step.table], op(step, &mut filled[step.table]))]);
            readable.check(&circuit, &rows);
            prop_assert_eq!(circuit.error(view).is_some(), fails);
        }
        circuit.release();
        let (rows, fails) = expected(&plan, &filled);
        readable.check(&circuit, &rows);
        while circuit.sweep(swept) {
            readable.check(&circuit, &rows);
        }
        readable.check(&circuit, &rows);
        prop_assert_eq!(circuit.error(view).is_some(), fails);
        circuit.hold(nodes.iter().copied());
        circuit.tick(tables.iter().map(|&node| (node, Op::Truncate)));
        readable.check(&circuit, &rows);
        circuit.release();
        while circuit.sweep(1) {}
        prop_assert!(circuit.is_empty());
    }
}

//! Every operator against recomputation from scratch: random changes, random joins, random tick boundaries.
//!
//! The oracle keeps tables as plain vectors and evaluates a join by nested loops. After every tick each node must hold
//! exactly what the oracle computes, errors included; when all rows are taken out, nothing may be left anywhere.

use std::collections::BTreeMap;
use std::sync::Arc;

use delta::{Datum, Kind, Op, Row, RowBuilder, RowRef};
use proptest::prelude::*;
use tidewater_engine::{
    Aggregate, Circuit, ColumnAt, EvalError, Expr, Filter, Function, JoinInput, JoinSpec, NodeId, OrderColumn, Output,
    ReduceSpec,
};

type Cells = Vec<Option<i64>>;
type Bag = BTreeMap<Cells, i64>;

const COLUMNS: usize = 3;
const TABLES: usize = 3;

fn kinds(columns: usize) -> Arc<[Kind]> {
    vec![Kind::Int; columns].into()
}

fn pack(cells: &[Option<i64>]) -> Row {
    let mut builder = RowBuilder::new(kinds(cells.len()));
    for (column, cell) in cells.iter().enumerate() {
        if let Some(value) = cell {
            builder.set_int(column, *value);
        }
    }
    builder.take()
}

/// The row with one more column, so long that a chunk of the arena holds two rows only.
fn widened(row: RowRef<'_>, kinds: &[Kind]) -> Row {
    let mut builder = RowBuilder::new(kinds.to_vec());
    for (column, kind) in kinds[..COLUMNS].iter().enumerate() {
        builder.set(column, row.get(column, kind));
    }
    builder.set_text(COLUMNS, &"x".repeat(30_000));
    builder.take()
}

fn unpack(row: RowRef<'_>) -> Cells {
    (0..row.columns()).map(|i| row.get(i, &Kind::Int).as_int()).collect()
}

fn bag(circuit: &Circuit, node: NodeId) -> Bag {
    circuit.snapshot(node).rows().map(|(row, weight)| (unpack(row), weight)).collect()
}

/// A predicate `column < limit`, or, failing on zero, `1 / column < limit`.
#[derive(Debug, Clone)]
struct Predicate {
    at: ColumnAt,
    limit: i64,
    divides: bool,
    on: Option<usize>,
}

impl Predicate {
    /// `Ok(None)` is SQL's unknown.
    fn eval(&self, cell: Option<i64>) -> Result<Option<bool>, EvalError> {
        match cell {
            Some(0) if self.divides => Err(EvalError::new(b"22012", "division by zero")),
            Some(value) if self.divides => Ok(Some(1 / value < self.limit)),
            other => Ok(other.map(|value| value < self.limit)),
        }
    }

    fn compile(&self) -> Filter {
        let this = self.clone();
        let expr = Expr::new(move |tuple, _| {
            let cell = tuple[this.at.input].get(this.at.column, &Kind::Int).as_int();
            Ok(this.eval(cell)?.map_or(Datum::Null, Datum::Bool))
        });
        Filter { expr, inputs: vec![self.at.input], on: self.on }
    }
}

#[derive(Debug, Clone)]
struct Plan {
    /// Table and whether it is left-joined.
    inputs: Vec<(usize, bool)>,
    equalities: Vec<(ColumnAt, ColumnAt)>,
    predicates: Vec<Predicate>,
    output: Vec<ColumnAt>,
    /// Whether the first column of the output identifies its rows.
    keyed: bool,
}

/// The join's rows and number of failed tuples, by nested loops.
fn recompute(plan: &Plan, tables: &[Bag]) -> (Bag, i64) {
    let (mut rows, mut errors) = (Bag::new(), 0);
    nest(plan, tables, &mut Vec::new(), (1, false), &mut |tuple, weight, failed| {
        if failed {
            errors += weight;
        } else {
            let cells = plan.output.iter().map(|at| tuple[at.input].as_ref().and_then(|row| row[at.column])).collect();
            *rows.entry(cells).or_default() += weight;
        }
    });
    (rows, errors)
}

type Tuple = Vec<Option<Cells>>;

fn cell(tuple: &Tuple, at: ColumnAt) -> Option<i64> {
    tuple[at.input].as_ref().and_then(|row| row[at.column])
}

fn nest(
    plan: &Plan,
    tables: &[Bag],
    tuple: &mut Tuple,
    (weight, failed): (i64, bool),
    emit: &mut dyn FnMut(&Tuple, i64, bool),
) {
    let input = tuple.len();
    if input == plan.inputs.len() {
        let outcomes: Vec<_> =
            plan.predicates.iter().filter(|p| p.on.is_none()).map(|p| p.eval(cell(tuple, p.at))).collect();
        if outcomes.iter().all(|outcome| matches!(outcome, Ok(Some(true)) | Err(_))) {
            emit(tuple, weight, failed || outcomes.iter().any(Result::is_err));
        }
        return;
    }
    let (table, outer) = plan.inputs[input];
    let mut matched = false;
    for (row, times) in &tables[table] {
        tuple.push(Some(row.clone()));
        let here = |(a, b): &&(ColumnAt, ColumnAt)| a.input.max(b.input) == input;
        let equal = |(a, b): &(ColumnAt, ColumnAt)| cell(tuple, *a).is_some() && cell(tuple, *a) == cell(tuple, *b);
        let on: Vec<_> =
            plan.predicates.iter().filter(|p| p.on == Some(input)).map(|p| p.eval(cell(tuple, p.at))).collect();
        if plan.equalities.iter().filter(here).all(equal)
            && on.iter().all(|outcome| matches!(outcome, Ok(Some(true)) | Err(_)))
        {
            matched = true;
            nest(plan, tables, tuple, (weight * times, failed || on.iter().any(Result::is_err)), emit);
        }
        tuple.pop();
    }
    if outer && !matched {
        tuple.push(None);
        nest(plan, tables, tuple, (weight, failed), emit);
        tuple.pop();
    }
}

fn add(circuit: &mut Circuit, tables: &[NodeId], plan: &Plan) -> NodeId {
    let inputs = plan.inputs.iter().map(|&(table, outer)| JoinInput { node: tables[table], outer }).collect();
    let spec = JoinSpec {
        inputs,
        equalities: plan.equalities.clone(),
        filters: plan.predicates.iter().map(Predicate::compile).collect(),
        output: plan.output.iter().copied().map(Output::Column).collect(),
        kinds: kinds(plan.output.len()),
        key: plan.keyed.then(|| vec![0]),
    };
    circuit.add_join(spec).expect("the plan is connected")
}

fn build(circuit: &mut Circuit) {
    while circuit.build() {}
}

fn any_plan() -> impl Strategy<Value = Plan> {
    let inputs =
        prop::collection::vec((0..TABLES, any::<bool>(), 0..COLUMNS, 0..COLUMNS, any::<prop::sample::Index>()), 1..5);
    let predicates =
        prop::collection::vec((any::<prop::sample::Index>(), 0..COLUMNS, 0..6_i64, any::<bool>(), any::<bool>()), 0..3);
    (inputs, predicates).prop_map(|(parts, predicates)| {
        let inputs: Vec<_> = parts.iter().enumerate().map(|(i, part)| (part.0, i > 0 && part.1)).collect();
        let mut equalities = Vec::new();
        for (input, part) in parts.iter().enumerate().skip(1) {
            // An inner input is equated with inner ones only, an outer one with any before it.
            let candidates: Vec<_> = (0..input).filter(|&i| inputs[input].1 || !inputs[i].1).collect();
            let other = *part.4.get(&candidates);
            equalities.push((ColumnAt { input: other, column: part.2 }, ColumnAt { input, column: part.3 }));
        }
        let predicates = predicates.into_iter().map(|(input, column, limit, divides, on)| {
            let input = input.index(inputs.len());
            let on = (on && inputs[input].1).then_some(input);
            Predicate { at: ColumnAt { input, column }, limit, divides, on }
        });
        let output = (0..inputs.len()).map(|input| ColumnAt { input, column: (input + 1) % COLUMNS }).collect();
        Plan { predicates: predicates.collect(), inputs, equalities, output, keyed: false }
    })
}

/// A join of keyed tables, each input after the first found by its key, so that the first one's key is the output's.
fn any_keyed_plan() -> impl Strategy<Value = Plan> {
    (any_plan(), prop::collection::vec(0..2_usize, 5)).prop_map(|(mut plan, tables)| {
        for (input, table) in plan.inputs.iter_mut().zip(tables) {
            input.0 = table;
        }
        plan.equalities.iter_mut().for_each(|(_, at)| at.column = 0);
        plan.output[0].column = 0;
        Plan { keyed: true, ..plan }
    })
}

#[derive(Debug, Clone)]
struct Step {
    table: usize,
    cells: Cells,
    delete: bool,
    ends_tick: bool,
}

fn any_steps() -> impl Strategy<Value = Vec<Step>> {
    let cell = || prop_oneof![1 => Just(None), 6 => (0..4_i64).prop_map(Some)];
    let step = (0..TABLES, 0..5_i64, cell(), cell(), any::<bool>(), prop::bool::weighted(0.3)).prop_map(
        |(table, id, a, b, delete, ends_tick)| Step { table, cells: vec![Some(id), a, b], delete, ends_tick },
    );
    prop::collection::vec(step, 1..60)
}

/// Tables 0 and 1 have column 0 as key; table 2 has none.
fn keyed(table: usize) -> bool {
    table < 2
}

fn op(step: &Step, model: &mut Bag) -> Op {
    if keyed(step.table) {
        model.retain(|cells, _| cells[0] != step.cells[0]);
        if step.delete {
            return Op::Delete(pack(&step.cells[..1]));
        }
        model.insert(step.cells.clone(), 1);
        return Op::Upsert(pack(&step.cells));
    }
    if step.delete {
        if let Some(weight) = model.get_mut(&step.cells) {
            *weight -= 1;
        }
        model.retain(|_, weight| *weight != 0);
        return Op::Remove(pack(&step.cells));
    }
    *model.entry(step.cells.clone()).or_default() += 1;
    Op::Insert(pack(&step.cells))
}

fn add_tables(circuit: &mut Circuit) -> Vec<NodeId> {
    (0..TABLES).map(|table| circuit.add_input(kinds(COLUMNS), keyed(table).then_some(&[0][..]))).collect()
}

/// Runs the steps, checking after each tick, then takes everything out again.
fn run(circuit: &mut Circuit, nodes: &[NodeId], steps: &[Step], mut check: impl FnMut(&Circuit, &[Bag])) {
    let mut tables = vec![Bag::new(); TABLES];
    let mut changes = Vec::new();
    build(circuit);
    for step in steps {
        changes.push((nodes[step.table], op(step, &mut tables[step.table])));
        if step.ends_tick {
            circuit.tick(changes.drain(..));
            check(circuit, &tables);
        }
    }
    circuit.tick(changes);
    check(circuit, &tables);
    circuit.tick(nodes.iter().map(|&node| (node, Op::Truncate)));
}

fn int_column(column: usize) -> Expr {
    Expr::new(move |tuple, _| Ok(tuple[0].get(column, &Kind::Int)))
}

fn aggregate(function: Function, column: usize, distinct: bool) -> Aggregate {
    let order = match function {
        Function::First => vec![
            OrderColumn { column: 1, descending: true, nulls_first: false },
            OrderColumn { column: 2, descending: false, nulls_first: true },
        ],
        _ => Vec::new(),
    };
    Aggregate { function, argument: Some(int_column(column)), kind: Kind::Int, filter: None, distinct, order }
}

/// The least or the greatest value as the first in an order.
fn extreme(column: usize, greatest: bool) -> Aggregate {
    let order = vec![OrderColumn { column, descending: greatest, nulls_first: false }];
    Aggregate { order, ..aggregate(Function::First, column, false) }
}

fn group_by_first(circuit: &mut Circuit, input: NodeId, aggregates: Vec<Aggregate>) -> NodeId {
    let kinds = kinds(1 + aggregates.len());
    circuit.add_reduce(ReduceSpec { input, key: vec![0], aggregates, kinds })
}

/// The reduces whose rows [`regroup`] recomputes.
fn add_reduces(circuit: &mut Circuit, input: NodeId) -> [NodeId; 4] {
    let of = |function, distinct| aggregate(function, 2, distinct);
    let totals = vec![of(Function::Count, false), of(Function::SumInt, false)];
    let read = vec![extreme(2, false), extreme(2, true), of(Function::Count, true)];
    let mixed = vec![extreme(2, false), of(Function::Count, false), extreme(2, true)];
    [totals, read, vec![of(Function::First, false)], mixed].map(|all| group_by_first(circuit, input, all))
}

/// Of each group of column 0: count, sum; min, max, count distinct; first; min, count, max.
fn regroup(input: &Bag) -> [Bag; 4] {
    let mut groups: BTreeMap<Option<i64>, Vec<&Cells>> = BTreeMap::new();
    for (cells, weight) in input {
        groups.entry(cells[0]).or_default().extend(std::iter::repeat_n(cells, *weight as usize));
    }
    let mut result = [const { Bag::new() }; 4];
    for (key, mut rows) in groups {
        let values = || rows.iter().filter_map(|row| row[2]);
        let count = values().count() as i64;
        result[0].insert(vec![key, Some(count), (count > 0).then(|| values().sum())], 1);
        let distinct = values().collect::<std::collections::BTreeSet<_>>().len() as i64;
        result[1].insert(vec![key, values().min(), values().max(), Some(distinct)], 1);
        result[3].insert(vec![key, values().min(), Some(count), values().max()], 1);
        rows.sort_by_key(|row| (row[1].is_none(), std::cmp::Reverse(row[1]), row[2].is_some(), row[2]));
        result[2].insert(vec![key, rows[0][2]], 1);
    }
    result
}

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
        run(&mut circuit, &tables, &steps, |circuit, tables| {
            let (rows, errors) = recompute(&plan, tables);
            assert_eq!(bag(circuit, node), rows);
            assert_eq!(circuit.error(node).is_some(), errors != 0);
        });
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
        let mut kinds = kinds(COLUMNS).to_vec();
        kinds.push(Kind::Text);
        let inputs: Vec<_> = (0..TABLES).map(|t| circuit.add_input(kinds.clone().into(), keyed(t).then_some(&[0][..]))).collect();
        let mut filled = vec![Bag::new(); TABLES];
        let wide = |op: Op| match op {
            Op::Upsert(row) => Op::Upsert(widened(row.as_ref(), &kinds)),
            Op::Insert(row) => Op::Insert(widened(row.as_ref(), &kinds)),
            Op::Remove(row) => Op::Remove(widened(row.as_ref(), &kinds)),
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
        let (rows, errors) = recompute(&plan, &filled);
        prop_assert_eq!(circuit.error(view).is_some(), errors != 0);
        let expected = regroup(&rows);
        for (node, expected) in reduces.iter().zip(&expected) {
            prop_assert_eq!(&bag(&circuit, *node), expected);
        }
        let union: Bag = rows.iter().map(|(cells, weight)| (cells.clone(), 2 * weight)).collect();
        prop_assert_eq!(bag(&circuit, both), union);
        prop_assert_eq!(bag(&circuit, view), rows);
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
        let on = |a, x, b, y| (ColumnAt { input: a, column: x }, ColumnAt { input: b, column: y });
        let top = Plan {
            inputs: vec![(0, false), (0, false), (1, true)],
            equalities: vec![on(0, 0, 1, 1), on(1, 2, 2, 0)],
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
        let plan = Plan { inputs: vec![(table, false)], equalities: vec![], predicates: vec![], output, keyed: false };
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

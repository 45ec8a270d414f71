//! Tables as plain bags of cells, and what changes them, here and in the circuit.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use tidewater_delta::{Op, Row, RowBuilder, RowRef, Width};
use tidewater_engine::{Circuit, NodeId, Snapshot};
use tidewater_types::{ColumnType, Type};

pub(crate) type Cells = Vec<Option<i64>>;
pub(crate) type Bag = BTreeMap<Cells, i64>;

pub(crate) const COLUMNS: usize = 3;
pub(crate) const TABLES: usize = 3;

pub(crate) fn types(columns: usize) -> Arc<[ColumnType]> {
    vec![ColumnType::from(Type::Int8); columns].into()
}

pub(crate) fn pack(cells: &[Option<i64>]) -> Row {
    let mut builder = RowBuilder::new(vec![Width::Fixed; cells.len()]);
    for (column, cell) in cells.iter().enumerate() {
        if let Some(value) = cell {
            builder.set_slot(column, *value as u64);
        }
    }
    builder.take()
}

/// The row with one more column, so long that a chunk of the arena holds two rows only.
pub(crate) fn widened(row: RowRef<'_>) -> Row {
    let mut widths = vec![Width::Fixed; COLUMNS];
    widths.push(Width::Variable);
    let mut builder = RowBuilder::new(widths);
    (0..COLUMNS).for_each(|column| builder.copy(column, row, column));
    builder.set_tail(COLUMNS, "x".repeat(30_000).as_bytes());
    builder.take()
}

pub(crate) fn cell(row: RowRef<'_>, column: usize) -> Option<i64> {
    (!row.is_null(column)).then(|| row.slot(column) as i64)
}

pub(crate) fn unpack(row: RowRef<'_>) -> Cells {
    (0..row.columns()).map(|column| cell(row, column)).collect()
}

pub(crate) fn bag(circuit: &Circuit, node: NodeId) -> Bag {
    rows(&circuit.snapshot(node))
}

pub(crate) fn rows(snapshot: &Snapshot) -> Bag {
    snapshot.rows().map(|(row, weight)| (unpack(row), weight)).collect()
}

pub(crate) fn build(circuit: &mut Circuit) {
    while circuit.build() {}
}

#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) table: usize,
    cells: Cells,
    delete: bool,
    ends_tick: bool,
}

pub(crate) fn any_steps() -> impl Strategy<Value = Vec<Step>> {
    let cell = || prop_oneof![1 => Just(None), 6 => (0..4_i64).prop_map(Some)];
    let step = (0..TABLES, 0..5_i64, cell(), cell(), any::<bool>(), prop::bool::weighted(0.3)).prop_map(
        |(table, id, a, b, delete, ends_tick)| Step { table, cells: vec![Some(id), a, b], delete, ends_tick },
    );
    prop::collection::vec(step, 1..60)
}

/// Tables 0 and 1 have column 0 as key; table 2 has none.
pub(crate) fn keyed(table: usize) -> bool {
    table < 2
}

pub(crate) fn op(step: &Step, model: &mut Bag) -> Op {
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

pub(crate) fn add_tables(circuit: &mut Circuit) -> Vec<NodeId> {
    (0..TABLES).map(|table| circuit.add_input(types(COLUMNS), keyed(table).then_some(&[0][..]))).collect()
}

/// Runs the steps, checking after each tick, then takes everything out again.
pub(crate) fn run(circuit: &mut Circuit, nodes: &[NodeId], steps: &[Step], mut check: impl FnMut(&Circuit, &[Bag])) {
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

//! Groupings of column 0, in the engine and by hand.

use std::collections::BTreeMap;
use std::sync::Arc;

use tidewater_engine::{Aggregate, Circuit, Fold, Folding, Function, NodeId, OrderColumn, ReduceSpec};
use tidewater_types::{Datum, Expr, Result, Scratch, Type};

use crate::model::{Bag, Cells, cell, types};

pub(crate) fn int_column(column: usize) -> Expr {
    Expr::new(move |tuple, _| Ok(cell(tuple[0], column).map_or(Datum::Null, Datum::Int)))
}

/// The values in their order, as digits of base 5.
#[derive(Debug)]
pub(crate) struct Digits;

struct Number(Option<i64>);

impl Fold for Digits {
    fn start(&self) -> Result<Box<dyn Folding>> {
        Ok(Box::new(Number(None)))
    }
}

impl Folding for Number {
    fn add(&mut self, arguments: &[Datum<'_>]) -> Result<()> {
        self.0 = Some(digit(self.0, arguments[0].as_int()));
        Ok(())
    }

    fn finish<'a>(&self, _: &'a Scratch) -> Result<Datum<'a>> {
        Ok(self.0.map_or(Datum::Null, Datum::Int))
    }
}

fn digit(number: Option<i64>, value: Option<i64>) -> i64 {
    number.unwrap_or(0).wrapping_mul(5).wrapping_add(value.unwrap_or(4))
}

pub(crate) fn order(column: usize, descending: bool, nulls_first: bool) -> OrderColumn {
    OrderColumn { column, descending, nulls_first, packed: false }
}

pub(crate) fn aggregate(function: Function, column: usize, distinct: bool) -> Aggregate {
    let order = match function {
        Function::First => vec![order(1, true, false), order(2, false, true)],
        Function::Fold(_) => vec![order(2, true, true)],
        _ => Vec::new(),
    };
    let types = vec![Type::Int8.into()];
    Aggregate {
        function,
        arguments: vec![int_column(column)],
        types,
        filter: None,
        reads: vec![column],
        distinct,
        order,
    }
}

/// The least or the greatest value as the first in an order.
fn extreme(column: usize, greatest: bool) -> Aggregate {
    Aggregate { order: vec![order(column, greatest, false)], ..aggregate(Function::First, column, false) }
}

pub(crate) fn group_by_first(circuit: &mut Circuit, input: NodeId, aggregates: Vec<Aggregate>) -> NodeId {
    let types = types(1 + aggregates.len());
    circuit.add_reduce(ReduceSpec { input, key: vec![0], aggregates, types, times: None })
}

/// The reduces whose rows [`regroup`] recomputes.
pub(crate) fn add_reduces(circuit: &mut Circuit, input: NodeId) -> [NodeId; 5] {
    let of = |function, distinct| aggregate(function, 2, distinct);
    let totals = vec![of(Function::Count, false), of(Function::SumInt, false)];
    let read = vec![extreme(2, false), extreme(2, true), of(Function::Count, true)];
    let mixed = vec![extreme(2, false), of(Function::Count, false), extreme(2, true)];
    let folded = vec![of(Function::Fold(Arc::new(Digits)), false), of(Function::Fold(Arc::new(Digits)), true)];
    let [a, b, c, d] =
        [totals, read, vec![of(Function::First, false)], mixed].map(|all| group_by_first(circuit, input, all));
    [a, b, c, d, group_by_first(circuit, input, folded)]
}

/// Of each group of column 0: count, sum; min, max, count distinct; first; min, count, max; all values, all distinct ones.
pub(crate) fn regroup(input: &Bag) -> [Bag; 5] {
    let mut groups: BTreeMap<Option<i64>, Vec<&Cells>> = BTreeMap::new();
    for (cells, weight) in input {
        groups.entry(cells[0]).or_default().extend(std::iter::repeat_n(cells, *weight as usize));
    }
    let mut result = [const { Bag::new() }; 5];
    for (key, mut rows) in groups {
        let values = || rows.iter().filter_map(|row| row[2]);
        let count = values().count() as i64;
        result[0].insert(vec![key, Some(count), (count > 0).then(|| values().sum())], 1);
        let distinct = values().collect::<std::collections::BTreeSet<_>>().len() as i64;
        result[1].insert(vec![key, values().min(), values().max(), Some(distinct)], 1);
        result[3].insert(vec![key, values().min(), Some(count), values().max()], 1);
        let mut all: Vec<Option<i64>> = rows.iter().map(|row| row[2]).collect();
        all.sort_by_key(|value| (value.is_some(), std::cmp::Reverse(*value)));
        let fold = |values: &[Option<i64>]| values.iter().fold(None, |number, value| Some(digit(number, *value)));
        let mut once = all.clone();
        once.dedup();
        result[4].insert(vec![key, fold(&all), fold(&once)], 1);
        rows.sort_by_key(|row| (row[1].is_none(), std::cmp::Reverse(row[1]), row[2].is_some(), row[2]));
        result[2].insert(vec![key, rows[0][2]], 1);
    }
    result
}

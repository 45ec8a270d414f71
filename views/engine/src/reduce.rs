//! GROUP BY, DISTINCT and DISTINCT ON.
//!
//! Two ways, chosen for each aggregate. One that can take a row back (count, sum, avg, bool_and, bool_or of non-distinct
//! values) keeps totals for each group, and a change costs the change. Any other reads its group's rows through an index of
//! the input that holds them in the aggregate's order: `first_value`, and so min and max, read one row of it; the rest, whose
//! result is about as long as the group (`string_agg`), read all.

use std::sync::Arc;

use delta::{Datum, KeyColumn, Kind, Row, RowBuilder, RowRef, Weight};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::arena::RowId;
use crate::arrangement::{Arrangement, Version};
use crate::circuit::NodeId;
use crate::expr::{EvalError, Expr, Scratch};
use crate::index::OrderColumn;

/// What an aggregate computes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Function {
    /// `count(*)`; with an argument, of its non-null values.
    Count,
    /// Sum of signed integers; an error where it leaves 64 bits.
    SumInt,
    /// Sum of unsigned integers; an error where it leaves 64 bits.
    SumUInt,
    /// Sum of decimals; an error where it leaves the digits given.
    SumDecimal {
        /// Digits of the result.
        precision: u8,
    },
    /// Sum of floats, added in the order of the group.
    SumFloat,
    /// Average of floats.
    AvgFloat,
    /// Average of decimals, cut to the result's scale.
    AvgDecimal {
        /// Scale of the result minus scale of the argument.
        scale_up: u32,
    },
    /// Least value.
    Min,
    /// Greatest value.
    Max,
    /// Whether all values are true.
    BoolAnd,
    /// Whether a value is true.
    BoolOr,
    /// Texts joined by a delimiter, in the group's order.
    StringAgg(String),
    /// List of the values, NULLs included, in the group's order.
    ArrayAgg,
    /// The value of the first row in the group's order, be it NULL.
    First,
}

/// One aggregate of a reduce.
#[derive(Debug, Clone)]
pub struct Aggregate {
    /// What it computes.
    pub function: Function,
    /// Its argument over a row of the input; `None` for `count(*)`.
    pub argument: Option<Expr>,
    /// Kind of the argument.
    pub kind: Kind,
    /// FILTER (WHERE …).
    pub filter: Option<Expr>,
    /// Whether equal values count once.
    pub distinct: bool,
    /// Order in which it takes the rows of a group.
    pub order: Vec<OrderColumn>,
}

/// A grouping of one node's rows.
#[derive(Debug, Clone)]
pub struct ReduceSpec {
    /// The node that is grouped.
    pub input: NodeId,
    /// Its columns that make a group; empty: all rows are one group, which exists without rows, too.
    pub key: Vec<usize>,
    /// The aggregates; the output is the key columns, then these.
    pub aggregates: Vec<Aggregate>,
    /// Kinds of the output's columns.
    pub kinds: Arc<[Kind]>,
}

impl Function {
    fn takes_back(&self) -> bool {
        use Function as F;
        matches!(
            self,
            F::Count | F::SumInt | F::SumUInt | F::SumDecimal { .. } | F::AvgDecimal { .. } | F::BoolAnd | F::BoolOr
        )
    }
}

/// Running totals of one aggregate in one group.
#[derive(Debug, Clone, Default)]
struct Totals {
    /// Values that are not NULL.
    count: Weight,
    /// Their sum; of truth values, the number of true ones.
    sum: i128,
}

/// How an aggregate gets its value.
#[derive(Debug, Clone, Copy)]
enum Way {
    /// From totals, by number.
    Totals(usize),
    /// From the group's rows in an index of the input, by number.
    Index(usize),
}

/// A group's rows and totals.
type State = (Weight, Box<[Totals]>);

/// A reduce with its state.
#[derive(Debug)]
pub(crate) struct Reduce {
    pub(crate) spec: ReduceSpec,
    key: Vec<KeyColumn>,
    /// The key's columns in a row that has no others.
    key_alone: Vec<KeyColumn>,
    ways: Vec<Way>,
    /// Aggregates with totals, in the order of the totals.
    totalled: Vec<usize>,
    /// Of each group; empty where no aggregate keeps totals and indexes tell which groups exist.
    groups: FxHashMap<Row, State>,
    /// Groups whose output row is not written yet, while the reduce is being built.
    waiting: FxHashSet<Row>,
    /// Groups whose output has no value.
    failed: FxHashMap<Row, EvalError>,
}

impl Reduce {
    /// `index_of` makes sure that the input has an index by the key, in an order.
    pub(crate) fn new(
        spec: ReduceSpec,
        input_kinds: &[Kind],
        mut index_of: impl FnMut(&[usize], &[OrderColumn]) -> usize,
    ) -> Self {
        let key: Vec<_> = spec.key.iter().map(|&column| KeyColumn::new(column, input_kinds)).collect();
        let alone = |(column, part): (usize, &KeyColumn)| KeyColumn { column, tail: part.tail };
        let key_alone = key.iter().enumerate().map(alone).collect();
        let mut totalled = Vec::new();
        let way = |(number, aggregate): (usize, &Aggregate)| {
            if aggregate.function.takes_back() && !aggregate.distinct {
                totalled.push(number);
                Way::Totals(totalled.len() - 1)
            } else {
                Way::Index(index_of(&spec.key, &aggregate.order))
            }
        };
        let ways = spec.aggregates.iter().enumerate().map(way).collect();
        // The group of a reduce without a key is there without any rows.
        let whole = spec.key.is_empty().then(|| RowBuilder::new(Vec::new()).take());
        let waiting = whole.into_iter().collect();
        let (groups, failed) = (FxHashMap::default(), FxHashMap::default());
        Reduce { spec, key, key_alone, ways, totalled, groups, waiting, failed }
    }

    /// Whether no aggregate reads a group's rows.
    pub(crate) fn accumulates(&self) -> bool {
        self.totalled.len() == self.ways.len()
    }

    /// Whether it keeps a state for each group.
    fn keeps_groups(&self) -> bool {
        self.ways.is_empty() || !self.totalled.is_empty()
    }

    /// Takes in changed rows of the input and brings the rows of their groups up to date.
    pub(crate) fn run(&mut self, changed: &[(RowId, Weight)], input: &Arrangement, output: &mut Arrangement) {
        let groups = self.take(changed, input, output);
        let mut builder = RowBuilder::new(self.spec.kinds.clone());
        let mut scratch = Scratch::new();
        for group in groups {
            self.waiting.remove(&group);
            scratch.reset();
            self.refresh(&group, input, output, &mut builder, &scratch);
        }
    }

    /// While it is being built: takes in rows, but leaves the output's for [`Reduce::emit`].
    pub(crate) fn feed(&mut self, rows: &[(RowId, Weight)], input: &Arrangement, output: &mut Arrangement) {
        let groups = self.take(rows, input, output);
        self.waiting.extend(groups);
    }

    /// Writes the rows of up to `limit` waiting groups; false once none waits.
    pub(crate) fn emit(&mut self, limit: usize, input: &Arrangement, output: &mut Arrangement) -> bool {
        let groups: Vec<_> = self.waiting.iter().take(limit).cloned().collect();
        let mut builder = RowBuilder::new(self.spec.kinds.clone());
        let mut scratch = Scratch::new();
        for group in groups {
            self.waiting.remove(&group);
            scratch.reset();
            self.refresh(&group, input, output, &mut builder, &scratch);
        }
        !self.waiting.is_empty()
    }

    /// Takes rows into the groups' totals; gives the groups.
    fn take(&mut self, rows: &[(RowId, Weight)], input: &Arrangement, output: &mut Arrangement) -> FxHashSet<Row> {
        let mut groups: FxHashSet<Row> = FxHashSet::default();
        let mut builder = RowBuilder::new(self.spec.kinds[..self.key.len()].to_vec());
        let mut scratch = Scratch::new();
        for &(id, weight) in rows {
            let row = input.arena.row(id);
            builder.reset();
            write_key(row, &self.key, &mut builder);
            let group = builder.finish();
            if !groups.contains(group.bytes()) {
                groups.insert(group.into());
            }
            if !self.keeps_groups() {
                continue;
            }
            scratch.reset();
            if !self.groups.contains_key(group.bytes()) {
                let totals = vec![Totals::default(); self.totalled.len()];
                self.groups.insert(group.into(), (0, totals.into()));
            }
            let Some((count, totals)) = self.groups.get_mut(group.bytes()) else { continue };
            *count += weight;
            for (&number, totals) in self.totalled.iter().zip(totals) {
                match value(&self.spec.aggregates[number], row, &scratch) {
                    Ok(Some(value)) => totals.add(value, weight),
                    Ok(None) => {}
                    Err(error) => output.add_error(error, weight),
                }
            }
        }
        groups
    }

    /// Brings one group's output row up to date.
    fn refresh(
        &mut self,
        group: &Row,
        input: &Arrangement,
        output: &mut Arrangement,
        builder: &mut RowBuilder,
        scratch: &Scratch,
    ) {
        builder.reset();
        let mut present = self.spec.key.is_empty();
        if self.keeps_groups() {
            present |= self.groups.get(group).is_some_and(|(rows, _)| *rows != 0);
            if !present {
                self.groups.remove(group);
            }
        } else if let Some(Way::Index(index)) = self.ways.first() {
            present |= self.rows(group, input, *index).next().is_some();
        }
        let result = if present { self.write(group, input, builder, scratch) } else { Ok(()) };
        for (column, part) in self.key.iter().enumerate() {
            let kind = &self.spec.kinds[column];
            debug_assert_eq!(part.tail, kind.is_tail(), "a key column keeps its kind");
            builder.set(column, group.as_ref().get(column, kind));
        }
        let current = output.current(builder.finish());
        if let Some(error) = self.failed.remove(group) {
            output.add_error(error, -1);
        }
        match result {
            Err(error) => {
                output.add_error(error.clone(), 1);
                self.failed.insert(group.clone(), error);
            }
            Ok(()) if present => {
                if current.is_some_and(|id| output.arena.row(id) == builder.finish()) {
                    return;
                }
                output.update(builder.finish(), 1);
            }
            Ok(()) => {}
        }
        if let Some(id) = current {
            output.add_weight(id, -1);
        }
    }

    /// The group's rows in an index's order, with weights.
    fn rows<'a>(
        &self,
        group: &Row,
        input: &'a Arrangement,
        index: usize,
    ) -> impl Iterator<Item = (RowRef<'a>, Weight)> + use<'a> {
        let rows = input.find(index, group.as_ref(), &self.key_alone).map(|id| (id, input.weight(id, Version::New)));
        rows.filter(|(_, weight)| *weight != 0).map(|(id, weight)| (input.arena.row(id), weight))
    }

    /// The values of all aggregates for a group.
    fn write(
        &self,
        group: &Row,
        input: &Arrangement,
        builder: &mut RowBuilder,
        scratch: &Scratch,
    ) -> Result<(), EvalError> {
        let state = self.groups.get(group);
        // The rows of the index read last: most often all aggregates read one.
        let mut read: Option<(usize, Vec<(RowRef<'_>, Weight)>)> = None;
        for (number, (aggregate, way)) in self.spec.aggregates.iter().zip(&self.ways).enumerate() {
            let column = self.key.len() + number;
            match *way {
                Way::Totals(number) => {
                    let none = Totals::default();
                    let totals = state.map_or(&none, |(_, totals)| &totals[number]);
                    totals.write(&aggregate.function, column, builder)?;
                }
                Way::Index(index) if aggregate.function == Function::First => {
                    for (row, _) in self.rows(group, input, index) {
                        if let Some(value) = value(aggregate, row, scratch)? {
                            builder.set(column, value);
                            break;
                        }
                    }
                }
                Way::Index(index) => {
                    if read.as_ref().is_none_or(|(number, _)| *number != index) {
                        read = Some((index, self.rows(group, input, index).collect()));
                    }
                    if let Some((_, rows)) = &read {
                        write_aggregate(aggregate, rows, column, builder, scratch)?;
                    }
                }
            }
        }
        Ok(())
    }
}

fn write_key(row: RowRef<'_>, key: &[KeyColumn], builder: &mut RowBuilder) {
    for (column, part) in key.iter().enumerate() {
        if row.is_null(part.column) {
            continue;
        }
        if part.tail {
            builder.set_tail(column, row.tail(part.column));
        } else {
            builder.set_slot(column, row.slot(part.column));
        }
    }
}

/// The aggregate's value for a row, or `None` where the filter drops it. `count(*)` counts a true.
fn value<'a>(aggregate: &Aggregate, row: RowRef<'a>, scratch: &'a Scratch) -> Result<Option<Datum<'a>>, EvalError> {
    let tuple: &'a [RowRef<'a>] = scratch.alloc_slice_copy(&[row]);
    if let Some(filter) = &aggregate.filter
        && !matches!(filter.eval(tuple, scratch)?, Datum::Bool(true))
    {
        return Ok(None);
    }
    let value = aggregate.argument.as_ref().map_or(Ok(Datum::Bool(true)), |argument| argument.eval(tuple, scratch))?;
    Ok(Some(value))
}

fn out_of_range() -> EvalError {
    EvalError::new(b"22003", "sum out of range")
}

impl Totals {
    fn add(&mut self, value: Datum<'_>, weight: Weight) {
        let value = match value {
            Datum::Null => return,
            Datum::Int(value) => i128::from(value),
            Datum::UInt(value) => i128::from(value),
            Datum::Decimal(value) => value,
            Datum::Bool(value) => i128::from(value),
            // Counted only.
            _ => 0,
        };
        self.count += weight;
        // Wrapping, so that taking rows back undoes it; the sum of the rows that remain is checked when written.
        self.sum = self.sum.wrapping_add(value.wrapping_mul(i128::from(weight)));
    }

    fn write(&self, function: &Function, column: usize, builder: &mut RowBuilder) -> Result<(), EvalError> {
        use Function as F;
        if matches!(function, F::Count) {
            builder.set_int(column, self.count);
            return Ok(());
        }
        if self.count == 0 {
            return Ok(());
        }
        match function {
            F::SumInt => builder.set_int(column, i64::try_from(self.sum).map_err(|_| out_of_range())?),
            F::SumUInt => {
                builder.set(column, Datum::UInt(u64::try_from(self.sum).map_err(|_| out_of_range())?));
            }
            F::SumDecimal { precision } => {
                let limit = 10_i128.checked_pow(u32::from(*precision)).unwrap_or(i128::MAX);
                if self.sum.checked_abs().is_none_or(|sum| sum >= limit) {
                    return Err(out_of_range());
                }
                builder.set_decimal(column, self.sum);
            }
            F::AvgDecimal { scale_up } => {
                let sum = 10_i128.checked_pow(*scale_up).and_then(|scale| self.sum.checked_mul(scale));
                builder.set_decimal(column, sum.ok_or_else(out_of_range)? / i128::from(self.count));
            }
            F::BoolAnd => builder.set(column, Datum::Bool(self.sum == i128::from(self.count))),
            F::BoolOr => builder.set(column, Datum::Bool(self.sum > 0)),
            _ => unreachable!("only functions that take rows back keep totals"),
        }
        Ok(())
    }
}

/// Computes one aggregate over a group's rows in order.
fn write_aggregate(
    aggregate: &Aggregate,
    rows: &[(RowRef<'_>, Weight)],
    column: usize,
    builder: &mut RowBuilder,
    scratch: &Scratch,
) -> Result<(), EvalError> {
    let mut values = Vec::with_capacity(rows.len());
    for (row, weight) in rows {
        if let Some(value) = value(aggregate, *row, scratch)? {
            values.push((value, *weight));
        }
    }
    if aggregate.distinct {
        keep_distinct(&mut values, &aggregate.kind);
    }
    let kind = &aggregate.kind;
    match &aggregate.function {
        Function::ArrayAgg => write_list(&values, kind, column, builder),
        Function::StringAgg(delimiter) => write_joined(&values, delimiter, column, builder),
        Function::Min | Function::Max => {
            let present = values.iter().map(|(value, _)| *value).filter(|value| !value.is_null());
            let found = match aggregate.function {
                Function::Min => present.min_by(|a, b| a.compare(b, kind)),
                _ => present.max_by(|a, b| a.compare(b, kind)),
            };
            builder.set(column, found.unwrap_or(Datum::Null));
        }
        Function::SumFloat | Function::AvgFloat => {
            let floats =
                || values.iter().filter_map(|(v, w)| if let Datum::Float(v) = v { Some((*v, *w)) } else { None });
            let count: Weight = floats().map(|(_, weight)| weight).sum();
            if count > 0 {
                let sum: f64 = floats().map(|(value, weight)| value * weight as f64).sum();
                let average = aggregate.function == Function::AvgFloat;
                builder.set_float(column, if average { sum / count as f64 } else { sum });
            }
        }
        function => {
            let mut totals = Totals::default();
            values.iter().for_each(|(value, weight)| totals.add(*value, *weight));
            totals.write(function, column, builder)?;
        }
    }
    Ok(())
}

/// Keeps the first of equal values, with weight one, in the order in which they first appear.
fn keep_distinct(values: &mut Vec<(Datum<'_>, Weight)>, kind: &Kind) {
    let mut numbers: Vec<usize> = (0..values.len()).collect();
    numbers.sort_by(|&a, &b| values[a].0.compare(&values[b].0, kind));
    let same = |a: usize, b: usize| values[a].0.compare(&values[b].0, kind).is_eq();
    let mut first: Vec<usize> = numbers.chunk_by(|&a, &b| same(a, b)).map(|equal| equal[0]).collect();
    first.sort_unstable();
    *values = first.into_iter().map(|number| (values[number].0, 1)).collect();
}

fn write_list(values: &[(Datum<'_>, Weight)], kind: &Kind, column: usize, builder: &mut RowBuilder) {
    let mut elements = Vec::with_capacity(values.len());
    for (value, weight) in values {
        elements.extend(std::iter::repeat_n(*value, *weight as usize));
    }
    if elements.is_empty() {
        return;
    }
    let mut list = RowBuilder::new(vec![kind.clone(); elements.len()]);
    for (number, element) in elements.into_iter().enumerate() {
        list.set(number, element);
    }
    builder.set_tail(column, list.finish().bytes());
}

fn write_joined(values: &[(Datum<'_>, Weight)], delimiter: &str, column: usize, builder: &mut RowBuilder) {
    let start = builder.begin_tail();
    let mut any = false;
    for (value, weight) in values {
        let Datum::Text(text) = value else { continue };
        for _ in 0..*weight {
            if std::mem::replace(&mut any, true) {
                builder.tail_buffer().extend_from_slice(delimiter.as_bytes());
            }
            builder.tail_buffer().extend_from_slice(text);
        }
    }
    if any {
        builder.end_tail(column, start);
    }
}

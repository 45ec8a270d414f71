//! GROUP BY, DISTINCT and DISTINCT ON.
//!
//! Two ways, chosen for each aggregate. One that can take a row back (count, exact sums and means, bool_and, bool_or of
//! non-distinct values) keeps totals for each group, and a change costs the change. Any other reads its group's rows through an
//! index of the input that holds them in the aggregate's order: `First`, and so min and max, read one row of it; the rest
//! read all.
//!
//! A group's row may occur any number of times, as its own columns say: INTERSECT ALL and EXCEPT ALL are counts a row.

use std::sync::Arc;

use delta::{KeyColumn, Row, RowBuilder, RowRef, Weight};
use rustc_hash::{FxHashMap, FxHashSet};
use tidewater_types::{ColumnType, Datum, Expr, Result, Scratch, SqlError};

use crate::aggregate::{Aggregate, Function, Totals, over_rows, set, values, write_joined};
use crate::arena::RowId;
use crate::arrangement::{Arrangement, Version};
use crate::index::OrderColumn;
use crate::nodes::NodeId;
use crate::shape::Shape;

/// A grouping of one node's rows.
#[derive(Debug, Clone)]
pub struct ReduceSpec {
    /// The node that is grouped.
    pub input: NodeId,
    /// Its columns that make a group; empty: all rows are one group, which exists without rows, too.
    pub key: Vec<usize>,
    /// The aggregates; the output is the key columns, then these.
    pub aggregates: Vec<Aggregate>,
    /// Types of the output's columns.
    pub types: Arc<[ColumnType]>,
    /// How often a group's row occurs, computed over that row; `None`: once.
    pub times: Option<Expr>,
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
    shape: Shape,
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
    failed: FxHashMap<Row, SqlError>,
}

impl Reduce {
    /// `index_of` makes sure that the input has an index by the key, in an order.
    pub(crate) fn new(
        spec: ReduceSpec,
        input: &Shape,
        mut index_of: impl FnMut(&[usize], &[OrderColumn]) -> usize,
    ) -> Self {
        let key: Vec<_> = spec.key.iter().map(|&column| KeyColumn::new(column, &input.widths)).collect();
        let alone = |(column, part): (usize, &KeyColumn)| KeyColumn { column, tail: part.tail };
        let key_alone = key.iter().enumerate().map(alone).collect();
        let mut totalled = Vec::new();
        let way = |(number, aggregate): (usize, &Aggregate)| {
            if aggregate.takes_back() {
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
        let shape = Shape::new(spec.types.clone());
        Reduce { spec, shape, key, key_alone, ways, totalled, groups, waiting, failed }
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
        self.refresh_all(groups, input, output);
    }

    /// While it is being built: takes in rows, but leaves the output's for [`Reduce::emit`].
    pub(crate) fn feed(&mut self, rows: &[(RowId, Weight)], input: &Arrangement, output: &mut Arrangement) {
        let groups = self.take(rows, input, output);
        self.waiting.extend(groups);
    }

    /// Writes the rows of up to `limit` waiting groups; false once none waits.
    pub(crate) fn emit(&mut self, limit: usize, input: &Arrangement, output: &mut Arrangement) -> bool {
        let groups: Vec<_> = self.waiting.iter().take(limit).cloned().collect();
        self.refresh_all(groups, input, output);
        !self.waiting.is_empty()
    }

    fn refresh_all(&mut self, groups: impl IntoIterator<Item = Row>, input: &Arrangement, output: &mut Arrangement) {
        let mut builder = self.shape.builder();
        let mut scratch = Scratch::new();
        for group in groups {
            self.waiting.remove(&group);
            scratch.reset();
            self.refresh(&group, input, output, &mut builder, &scratch);
        }
    }

    /// Takes rows into the groups' totals; gives the groups.
    fn take(&mut self, rows: &[(RowId, Weight)], input: &Arrangement, output: &mut Arrangement) -> FxHashSet<Row> {
        let mut groups: FxHashSet<Row> = FxHashSet::default();
        let mut builder = RowBuilder::new(self.shape.widths[..self.key.len()].to_vec());
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
                let new = |&number: &usize| Totals::new(&self.spec.aggregates[number].function);
                self.groups.insert(group.into(), (0, self.totalled.iter().map(new).collect()));
            }
            let Some((count, totals)) = self.groups.get_mut(group.bytes()) else { continue };
            *count += weight;
            for (&number, totals) in self.totalled.iter().zip(totals) {
                match values(&self.spec.aggregates[number], row, &scratch) {
                    Ok(Some(values)) => totals.add(&values, weight),
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
        for column in 0..self.key.len() {
            builder.copy(column, group.as_ref(), column);
        }
        let result = result.and_then(|()| if present { self.times(builder.finish(), scratch) } else { Ok(0) });
        let current = output.current(builder.finish()).map(|id| (id, output.weight(id, Version::New)));
        if let Some(error) = self.failed.remove(group) {
            output.add_error(error, -1);
        }
        let times = result.unwrap_or_else(|error| {
            output.add_error(error.clone(), 1);
            self.failed.insert(group.clone(), error);
            0
        });
        if let Some((id, before)) = current {
            if times != 0 && output.arena.row(id) == builder.finish() {
                output.add_weight(id, times - before);
                return;
            }
            // The row that comes may have the same key, so the one that leaves goes first.
            output.add_weight(id, -before);
        }
        if times != 0 {
            output.update(builder.finish(), times);
        }
    }

    /// How often a group's row occurs.
    fn times(&self, row: RowRef<'_>, scratch: &Scratch) -> Result<Weight> {
        let Some(times) = &self.spec.times else { return Ok(1) };
        let row = RowRef::new(scratch.alloc_slice_copy(row.bytes()));
        match times.eval(scratch.alloc_slice_copy(&[row]), scratch)? {
            Datum::Int(times) => Ok(times.max(0)),
            _ => Ok(0),
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
    fn write(&self, group: &Row, input: &Arrangement, builder: &mut RowBuilder, scratch: &Scratch) -> Result<()> {
        let state = self.groups.get(group);
        // The index read last and its rows, or its first row: most often all aggregates read one.
        let mut read: Option<(usize, Vec<(RowRef<'_>, Weight)>)> = None;
        let mut head: Option<(usize, Option<RowRef<'_>>)> = None;
        for (number, (aggregate, way)) in self.spec.aggregates.iter().zip(&self.ways).enumerate() {
            let column = self.key.len() + number;
            let value = match *way {
                Way::Totals(number) => match state {
                    Some((_, totals)) => totals[number].value(&aggregate.function, scratch)?,
                    None => Totals::new(&aggregate.function).value(&aggregate.function, scratch)?,
                },
                Way::Index(index) if matches!(aggregate.function, Function::First) && aggregate.filter.is_none() => {
                    if head.is_none_or(|(number, _)| number != index) {
                        head = Some((index, self.rows(group, input, index).next().map(|(row, _)| row)));
                    }
                    let row = head.and_then(|(_, row)| row);
                    row.map_or(Ok(Datum::Null), |row| first_of([row], aggregate, scratch))?
                }
                Way::Index(index) if matches!(aggregate.function, Function::First) => {
                    first_of(self.rows(group, input, index).map(|(row, _)| row), aggregate, scratch)?
                }
                Way::Index(index) => {
                    if read.as_ref().is_none_or(|(number, _)| *number != index) {
                        read = Some((index, self.rows(group, input, index).collect()));
                    }
                    let rows = read.as_ref().map_or(&[][..], |(_, rows)| rows);
                    if matches!(aggregate.function, Function::StringAgg) {
                        write_joined(aggregate, rows, column, builder, scratch)?;
                        continue;
                    }
                    over_rows(aggregate, rows, scratch)?
                }
            };
            set(builder, self.shape.packings[column], column, &value);
        }
        Ok(())
    }
}

/// The argument of the first row that the filter lets pass.
fn first_of<'a>(
    rows: impl IntoIterator<Item = RowRef<'a>>,
    aggregate: &Aggregate,
    scratch: &'a Scratch,
) -> Result<Datum<'a>> {
    for row in rows {
        if let Some(values) = values(aggregate, row, scratch)? {
            return Ok(values.first().copied().unwrap_or(Datum::Null));
        }
    }
    Ok(Datum::Null)
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

//! GROUP BY, DISTINCT and DISTINCT ON.
//!
//! Two ways, chosen for each aggregate. One that can take a row back (count, exact sums and means, bool_and, bool_or of
//! non-distinct values) keeps totals for each group, and a change costs the change. Any other reads its group's rows through an
//! index of the input that holds them in the aggregate's order: `First`, and so min and max, read one row of it; the rest
//! read all.
//!
//! A group's row may occur any number of times, as its own columns say: INTERSECT ALL and EXCEPT ALL are counts a row.

use std::ops::Range;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};
use tidewater_delta::{KeyColumn, Row, RowBuilder, RowRef, Weight, hash_bytes, hash_key, same_key};
use tidewater_types::{ColumnType, Datum, Expr, Result, Scratch, SqlError};

use crate::aggregate::{Aggregate, Function, Totals, over_rows, set, values, write_joined};
use crate::arena::{ROW_BYTES, RowId};
use crate::arrangement::{Arrangement, Version, row_too_big};
use crate::groups::Groups;
use crate::index::{Ids, OrderColumn, half, spread};
use crate::nodes::NodeId;
use crate::shape::Shape;
use crate::table::Table;
use crate::warm::{BATCH, is_worth_it};

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

/// What is kept of a group.
#[derive(Debug)]
struct Group {
    key: Row,
    rows: Weight,
    totals: Box<[Totals]>,
}

fn group_hash(key: &[u8]) -> u64 {
    spread(half(hash_bytes(key)))
}

/// A reduce with its state.
#[derive(Debug)]
pub(crate) struct Reduce {
    pub(crate) spec: ReduceSpec,
    shape: Shape,
    key: Vec<KeyColumn>,
    /// The key's columns in a row that has no others.
    key_alone: Vec<KeyColumn>,
    /// Where all aggregates keep totals, the columns that groups and totals are made from: a row that takes the place of another and is
    /// equal in these changes nothing. (What reads a group's rows in order may tell equal ones apart by their other columns.)
    reads: Option<Vec<KeyColumn>>,
    ways: Vec<Way>,
    /// Aggregates with totals, in the order of the totals.
    totalled: Vec<usize>,
    /// Of each group; empty where no aggregate keeps totals and indexes tell which groups exist.
    groups: Table<Group>,
    /// Room for the groups that a tick touches.
    touched: Groups,
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
        let ways: Vec<_> = spec.aggregates.iter().enumerate().map(way).collect();
        let read = spec.aggregates.iter().flat_map(|aggregate| &aggregate.reads).chain(&spec.key);
        let read = read.map(|&column| KeyColumn::new(column, &input.widths));
        let reads = (totalled.len() == ways.len()).then(|| read.collect());
        // The group of a reduce without a key is there without any rows.
        let whole = spec.key.is_empty().then(|| RowBuilder::new(Vec::new()).take());
        let waiting = whole.into_iter().collect();
        let (groups, touched, failed) = (Table::default(), Groups::default(), FxHashMap::default());
        let shape = Shape::new(spec.types.clone());
        Reduce { spec, shape, key, key_alone, reads, ways, totalled, groups, touched, waiting, failed }
    }

    /// Whether no aggregate reads a group's rows.
    pub(crate) fn accumulates(&self) -> bool {
        self.totalled.len() == self.ways.len()
    }

    fn group(&self, key: RowRef<'_>) -> Option<&Group> {
        self.groups.find(group_hash(key.bytes()), |known| known.key.bytes() == key.bytes())
    }

    /// Whether it keeps a state for each group.
    fn keeps_groups(&self) -> bool {
        self.ways.is_empty() || !self.totalled.is_empty()
    }

    /// Takes in changed rows of the input and brings the rows of their groups up to date.
    pub(crate) fn run(&mut self, changed: &[(RowId, Weight)], input: &Arrangement, output: &mut Arrangement) {
        let mut groups = std::mem::take(&mut self.touched);
        self.take(changed, input, output, &mut groups);
        let (mut builder, mut scratch) = (self.shape.builder(), Scratch::new());
        for number in 0..groups.len() {
            if number % BATCH == 0 {
                self.warm(&groups, number..groups.len().min(number + BATCH), input, output);
            }
            scratch.reset();
            self.refresh(groups.get(number), input, output, &mut builder, &scratch);
        }
        groups.clear();
        self.touched = groups;
    }

    /// See [`crate::warm`]: the rows that these groups' rows are made from, and those in their places.
    fn warm(&self, groups: &Groups, range: Range<usize>, input: &Arrangement, output: &Arrangement) {
        if !is_worth_it(range.len()) {
            return;
        }
        let hash = |number| Some(half(hash_key(groups.get(number), &self.key_alone).0));
        let hashes = || range.clone().map(hash);
        if let Some(Way::Index(index)) = self.ways.first() {
            input.warm(*index, hashes());
        }
        output.warm(0, hashes());
    }

    /// While it is being built: takes in rows, but leaves the output's for [`Reduce::emit`].
    pub(crate) fn feed(&mut self, rows: &[(RowId, Weight)], input: &Arrangement, output: &mut Arrangement) {
        let mut groups = Groups::default();
        self.take(rows, input, output, &mut groups);
        self.waiting.extend(groups.iter().map(Row::from));
    }

    /// Writes the rows of up to `limit` waiting groups; false once none waits.
    pub(crate) fn emit(&mut self, limit: usize, input: &Arrangement, output: &mut Arrangement) -> bool {
        let groups: Vec<_> = self.waiting.iter().take(limit).cloned().collect();
        let (mut builder, mut scratch) = (self.shape.builder(), Scratch::new());
        for group in groups {
            scratch.reset();
            self.refresh(group.as_ref(), input, output, &mut builder, &scratch);
        }
        !self.waiting.is_empty()
    }

    /// Its output's rows were put back: takes the rows that they are made from into the totals.
    pub(crate) fn restore(&mut self, input: &Arrangement, output: &mut Arrangement) {
        self.waiting.clear();
        if self.keeps_groups() {
            for chunk in 0..input.arena.chunks() {
                let rows: Vec<_> = input.arena.chunk_ids(chunk).collect();
                self.take(&rows, input, output, &mut Groups::default());
            }
        }
    }

    /// Takes rows into the groups' totals; adds the groups to `groups`.
    fn take(&mut self, rows: &[(RowId, Weight)], input: &Arrangement, output: &mut Arrangement, groups: &mut Groups) {
        let mut builder = RowBuilder::new(self.shape.widths[..self.key.len()].to_vec());
        let mut scratch = Scratch::new();
        let mut rows = rows.iter().peekable();
        while let Some(&(id, weight)) = rows.next() {
            let row = input.arena.row(id);
            let cancels = |(other, times): &&(RowId, Weight)| {
                let same = |reads: &Vec<KeyColumn>| same_key(row, reads, input.arena.row(*other), reads);
                *times == -weight && self.reads.as_ref().is_some_and(same)
            };
            if rows.next_if(cancels).is_some() {
                continue;
            }
            builder.reset();
            write_key(row, &self.key, &mut builder);
            let group = builder.finish();
            groups.insert(group);
            if !self.keeps_groups() {
                continue;
            }
            scratch.reset();
            let hash = group_hash(group.bytes());
            if self.groups.find(hash, |known| known.key.bytes() == group.bytes()).is_none() {
                let new = |&number: &usize| Totals::new(&self.spec.aggregates[number].function);
                let new = Group { key: group.into(), rows: 0, totals: self.totalled.iter().map(new).collect() };
                self.groups.insert(hash, new, |known| group_hash(known.key.bytes()));
            }
            let known = self.groups.find_mut(hash, |known| known.key.bytes() == group.bytes());
            let Some(Group { rows: count, totals, .. }) = known else { continue };
            // All other totals are of no more rows, and so fit their bits where this does.
            let Some(sum) = count.checked_add(weight) else {
                return output.fail_by_weight();
            };
            *count = sum;
            for (&number, totals) in self.totalled.iter().zip(totals) {
                match values(&self.spec.aggregates[number], row, &scratch) {
                    Ok(Some(values)) => totals.add(&values, weight),
                    Ok(None) => {}
                    Err(error) => output.add_error(error, weight),
                }
            }
        }
    }

    /// Brings one group's output row up to date.
    fn refresh(
        &mut self,
        group: RowRef<'_>,
        input: &Arrangement,
        output: &mut Arrangement,
        builder: &mut RowBuilder,
        scratch: &Scratch,
    ) {
        if !self.waiting.is_empty() {
            self.waiting.remove(group.bytes());
        }
        builder.reset();
        for column in 0..self.key.len() {
            builder.copy(column, group, column);
        }
        let mut read = None;
        let mut present = self.spec.key.is_empty();
        if self.keeps_groups() {
            present |= self.group(group).is_some_and(|group| group.rows != 0);
            if !present {
                self.groups.remove(group_hash(group.bytes()), |known| known.key.bytes() == group.bytes());
            }
        } else if let Some(Way::Index(index)) = self.ways.first() {
            present |= self.rows(group, input, *index, &mut read).iter().next().is_some();
        }
        let result = if present { self.write(group, input, builder, scratch, &mut read) } else { Ok(()) };
        let result = result.and_then(|()| match builder.finish() {
            row if row.bytes().len() >= ROW_BYTES => Err(row_too_big(row.bytes().len())),
            row if present => self.times(row, scratch),
            _ => Ok(0),
        });
        if !self.failed.is_empty()
            && let Some(error) = self.failed.remove(group.bytes())
        {
            output.add_error(error, -1);
        }
        let times = result.unwrap_or_else(|error| {
            output.add_error(error.clone(), 1);
            self.failed.insert(group.into(), error);
            0
        });
        // The row that comes may have the same key as the one that leaves, or none comes: then the key alone counts.
        output.replace(builder.finish(), times);
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

    /// The group's rows in an index's order: those read last, if they are of this index.
    fn rows<'r, 'a>(
        &self,
        group: RowRef<'_>,
        input: &'a Arrangement,
        index: usize,
        read: &'r mut Option<GroupRows<'a>>,
    ) -> &'r GroupRows<'a> {
        if read.as_ref().is_none_or(|read| read.index != index) {
            *read = None;
        }
        read.get_or_insert_with(|| {
            let ids = input.find(index, group, &self.key_alone);
            GroupRows { input, index, ids }
        })
    }

    /// The values of all aggregates for a group. Most often all of them read one index, and `read` keeps what was found there.
    fn write<'a>(
        &self,
        group: RowRef<'_>,
        input: &'a Arrangement,
        builder: &mut RowBuilder,
        scratch: &Scratch,
        read: &mut Option<GroupRows<'a>>,
    ) -> Result<()> {
        let state = if self.totalled.is_empty() { None } else { self.group(group) };
        for (number, (aggregate, way)) in self.spec.aggregates.iter().zip(&self.ways).enumerate() {
            let column = self.key.len() + number;
            let value = match *way {
                Way::Totals(number) => match state {
                    Some(group) => group.totals[number].value(&aggregate.function, scratch)?,
                    None => Totals::new(&aggregate.function).value(&aggregate.function, scratch)?,
                },
                Way::Index(index) => {
                    let rows = self.rows(group, input, index, read);
                    match aggregate.function {
                        Function::First => first(aggregate, rows, scratch)?,
                        Function::StringAgg => {
                            write_joined(aggregate, rows.iter(), column, builder, scratch)?;
                            continue;
                        }
                        _ => over_rows(aggregate, rows.iter(), scratch)?,
                    }
                }
            };
            set(builder, self.shape.packings[column], column, &value);
        }
        Ok(())
    }
}

/// The rows of one group as an index of the input holds them.
struct GroupRows<'a> {
    input: &'a Arrangement,
    index: usize,
    ids: Ids<'a>,
}

impl<'a> GroupRows<'a> {
    /// In the index's order, with weights.
    fn iter(&self) -> impl Iterator<Item = (RowRef<'a>, Weight)> + use<'a> {
        let input = self.input;
        let rows = self.ids.clone().map(|id| (id, input.weight(id, Version::New)));
        rows.filter(|(_, weight)| *weight != 0).map(|(id, weight)| (input.arena.row(id), weight))
    }
}

/// The argument of the first row that the filter lets pass.
fn first<'a>(aggregate: &Aggregate, rows: &GroupRows<'a>, scratch: &'a Scratch) -> Result<Datum<'a>> {
    for (row, _) in rows.iter() {
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

//! Sorting, and the first rows of an order or of each partition.

use bumpalo::Bump;
use tidewater_delta::{Row, RowRef};
use tidewater_types::{ColumnType, Datum, Expr, Result, Scratch, SqlError};

use super::cell;
use super::compile::Builder;
use super::layout::Layout;
use super::memory::Held;
use super::node::{BATCH_ROWS, Batch, Cx, Flow, Node, Out};
use super::store::Store;
use crate::plan::{Id, Order, TopK};

/// How a column is sorted.
pub(crate) struct Direction {
    ty: ColumnType,
    descending: bool,
    nulls_first: bool,
}

impl Direction {
    pub(crate) fn new(ty: ColumnType, descending: bool, nulls_first: bool) -> Direction {
        Direction { ty, descending, nulls_first }
    }

    /// Appends bytes that sort as the column does.
    pub(crate) fn put(&self, value: &Datum<'_>, out: &mut Vec<u8>) {
        out.push(u8::from(value.is_null() != self.nulls_first));
        let start = out.len();
        cell::key(value, &self.ty.ty, out);
        if self.descending {
            out[start..].iter_mut().for_each(|byte| *byte = !*byte);
        }
    }
}

/// The columns of an ORDER BY.
pub(crate) struct Keys(Vec<(Expr, Direction)>);

impl Keys {
    pub(crate) fn compile(order: &[Order], layout: &Layout) -> Result<Keys> {
        let key = |order: &Order| {
            let direction = Direction::new(layout.ty(order.id)?.clone(), order.descending, order.nulls_first);
            Ok((layout.read(order.id)?, direction))
        };
        Ok(Keys(order.iter().map(key).collect::<Result<_>>()?))
    }

    /// Partitions first, in whatever order.
    pub(crate) fn partition(ids: &[Id], layout: &Layout) -> Result<Keys> {
        let key = |id: &Id| Ok((layout.read(*id)?, Direction::new(layout.ty(*id)?.clone(), false, false)));
        Ok(Keys(ids.iter().map(key).collect::<Result<_>>()?))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn put<'a>(&self, tuple: &'a [RowRef<'a>], scratch: &'a Scratch, out: &mut Vec<u8>) -> Result<()> {
        for (expr, direction) in &self.0 {
            direction.put(&expr.eval(tuple, scratch)?, out);
        }
        Ok(())
    }
}

/// A compiled TopK.
pub(crate) struct Sort {
    input: Node,
    arity: usize,
    partition: Keys,
    order: Keys,
    limit: Option<Expr>,
    offset: Option<Expr>,
    ties: bool,
    /// The limits are columns: a subquery's, which the partition's first row has.
    by_row: bool,
}

pub(crate) fn compile(builder: Builder<'_>, top: &TopK) -> Result<(Node, Layout)> {
    let (input, layout) = builder.node(&top.input)?;
    let limit = |scalar: &Option<crate::plan::Scalar>| {
        scalar.as_ref().map(|scalar| builder.compiler.scalar(scalar, &layout)).transpose()
    };
    let node = Sort {
        arity: layout.inputs.len(),
        partition: Keys::partition(&top.partition, &layout)?,
        order: Keys::compile(&top.order, &layout)?,
        limit: limit(&top.limit)?,
        offset: limit(&top.offset)?,
        ties: top.ties,
        by_row: top.limit.iter().chain(&top.offset).any(|scalar| !scalar.free().is_empty()),
        input,
    };
    Ok((Node::Sort(Box::new(node)), layout))
}

/// How many rows to leave out, and up to which number rows are wanted.
#[derive(Clone, Copy)]
struct Span {
    from: u64,
    to: u64,
}

/// Above this many rows a limit is not kept as a heap: sorting all is as good.
const HEAP_MAX: u64 = 100_000;

/// A tuple that is kept, with what it is sorted by and when it came.
struct Kept {
    key: Vec<u8>,
    number: u64,
    rows: Vec<Row>,
}

impl Sort {
    pub(crate) fn run(&self, cx: &Cx<'_>, out: &mut Out<'_>) -> Result<Flow> {
        if !self.partition.is_empty() || self.by_row {
            return self.partitions(cx, out);
        }
        let span = self.span(&[])?;
        if span.to <= span.from {
            return Ok(Flow::Continue(()));
        }
        if self.order.is_empty() {
            return self.first(span, cx, out);
        }
        if span.to <= HEAP_MAX && !self.ties {
            return self.heap(span, cx, out);
        }
        self.all(span, cx, out)
    }

    fn span(&self, tuple: &[RowRef<'_>]) -> Result<Span> {
        let scratch = Scratch::new();
        let value = |expr: &Option<Expr>| -> Result<Option<i64>> {
            Ok(match expr {
                None => None,
                Some(expr) => expr.eval(tuple, &scratch)?.as_int(),
            })
        };
        let from = value(&self.offset)?.unwrap_or(0);
        let limit = value(&self.limit)?;
        if limit.is_some_and(|limit| limit < 0) {
            return Err(SqlError::new(b"2201W", "LIMIT must not be negative"));
        }
        let from = u64::try_from(from).map_err(|_| SqlError::new(b"2201X", "OFFSET must not be negative"))?;
        let to = limit.map_or(u64::MAX, |limit| from.saturating_add(limit as u64));
        Ok(Span { from, to })
    }

    /// Without an order: rows as they come.
    fn first(&self, span: Span, cx: &Cx<'_>, out: &mut Out<'_>) -> Result<Flow> {
        let mut seen = 0;
        let mut stopped = false;
        let flow = self.input.run(cx, &mut |batch| {
            let count = batch.len() as u64;
            let from = span.from.saturating_sub(seen).min(count) as usize;
            let to = (span.to - seen).min(count) as usize;
            seen += count;
            let rows = &batch.rows[from.min(to) * batch.arity..to * batch.arity];
            if !rows.is_empty() && out(&Batch { rows, arity: batch.arity })?.is_break() {
                stopped = true;
                return Ok(Flow::Break(()));
            }
            Ok(if seen >= span.to { Flow::Break(()) } else { Flow::Continue(()) })
        })?;
        // Having enough is no reason for those above to stop.
        Ok(if stopped { flow } else { Flow::Continue(()) })
    }

    /// A few rows of an order: more than twice as many are never kept.
    fn heap(&self, span: Span, cx: &Cx<'_>, out: &mut Out<'_>) -> Result<Flow> {
        let most = span.to as usize;
        let mut kept: Vec<Kept> = Vec::new();
        let mut scratch = Scratch::new();
        let mut key = Vec::new();
        let mut number = 0;
        let mut worst: Option<Vec<u8>> = None;
        let shrink = |kept: &mut Vec<Kept>| {
            kept.sort_by(|a, b| (&a.key, a.number).cmp(&(&b.key, b.number)));
            kept.truncate(most);
        };
        let _ = self.input.run(cx, &mut |batch| {
            cx.limits.check()?;
            scratch.reset();
            for tuple in batch.tuples() {
                key.clear();
                self.order.put(tuple, &scratch, &mut key)?;
                number += 1;
                if worst.as_ref().is_some_and(|worst| key >= *worst) {
                    continue;
                }
                kept.push(Kept { key: key.clone(), number, rows: tuple.iter().map(|row| Row::from(*row)).collect() });
                if kept.len() >= 2 * most + BATCH_ROWS {
                    shrink(&mut kept);
                    worst = kept.last().map(|last| last.key.clone());
                }
            }
            Ok(Flow::Continue(()))
        })?;
        shrink(&mut kept);
        let rows: Vec<RowRef<'_>> =
            kept.iter().skip(span.from as usize).flat_map(|kept| kept.rows.iter().map(Row::as_ref)).collect();
        super::node::hand_out(&rows, self.arity, cx, out)
    }

    /// All rows, sorted.
    fn all(&self, span: Span, cx: &Cx<'_>, out: &mut Out<'_>) -> Result<Flow> {
        let arena = Bump::new();
        let sorted = Sorted::read(&self.input, self.arity, &self.partition, &self.order, &arena, cx)?;
        let mut to = span.to.min(sorted.order.len() as u64) as usize;
        if self.ties && to > 0 {
            while to < sorted.order.len() && sorted.key(to) == sorted.key(to - 1) {
                to += 1;
            }
        }
        let from = (span.from.min(to as u64)) as usize;
        sorted.hand_out(from..to, cx, out)
    }

    /// The first rows of each partition.
    fn partitions(&self, cx: &Cx<'_>, out: &mut Out<'_>) -> Result<Flow> {
        let arena = Bump::new();
        let sorted = Sorted::read(&self.input, self.arity, &self.partition, &self.order, &arena, cx)?;
        let mut start = 0;
        while start < sorted.order.len() {
            let end = sorted.partition_end(start);
            let span = self.span(sorted.tuple(start))?;
            let mut to = (start as u64).saturating_add(span.to).min(end as u64) as usize;
            if self.ties && to > start {
                while to < end && sorted.key(to) == sorted.key(to - 1) {
                    to += 1;
                }
            }
            let from = (start as u64).saturating_add(span.from).min(to as u64) as usize;
            if sorted.hand_out(from..to, cx, out)?.is_break() {
                return Ok(Flow::Break(()));
            }
            start = end;
        }
        Ok(Flow::Continue(()))
    }
}

/// Tuples in the order of partition and sort key; equal ones as they came.
pub(crate) struct Sorted<'a> {
    store: Store<'a>,
    keys: Vec<(&'a [u8], u32)>,
    /// Tuple numbers, sorted.
    pub(crate) order: Vec<u32>,
}

impl<'a> Sorted<'a> {
    pub(crate) fn read(
        input: &Node,
        arity: usize,
        partition: &Keys,
        order: &Keys,
        arena: &'a Bump,
        cx: &Cx<'a>,
    ) -> Result<Sorted<'a>> {
        let mut store = Store::new(arena, cx.account, arity);
        let mut keys: Vec<(&'a [u8], u32)> = Vec::new();
        let mut scratch = Scratch::new();
        let mut key = Vec::new();
        let held = Held::new(cx.account);
        let _ = input.run(cx, &mut |batch| {
            cx.limits.check()?;
            scratch.reset();
            for tuple in batch.tuples() {
                key.clear();
                partition.put(tuple, &scratch, &mut key)?;
                let split = key.len() as u32;
                order.put(tuple, &scratch, &mut key)?;
                store.push(tuple)?;
                keys.push((store.keep(&key)?, split));
                held.reserve(size_of::<u32>())?;
            }
            Ok(Flow::Continue(()))
        })?;
        let mut numbers: Vec<u32> = (0..keys.len() as u32).collect();
        numbers.sort_by(|a, b| keys[*a as usize].0.cmp(keys[*b as usize].0));
        Ok(Sorted { store, keys, order: numbers })
    }

    pub(crate) fn tuple(&self, at: usize) -> &[RowRef<'a>] {
        self.store.tuple(self.order[at] as usize)
    }

    /// Partition and sort key.
    pub(crate) fn key(&self, at: usize) -> &'a [u8] {
        self.keys[self.order[at] as usize].0
    }

    fn partition(&self, at: usize) -> &'a [u8] {
        let (key, split) = self.keys[self.order[at] as usize];
        &key[..split as usize]
    }

    /// Where the partition that begins at `start` ends.
    pub(crate) fn partition_end(&self, start: usize) -> usize {
        let own = self.partition(start);
        (start..self.order.len()).find(|at| self.partition(*at) != own).unwrap_or(self.order.len())
    }

    fn hand_out(&self, range: std::ops::Range<usize>, cx: &Cx<'_>, out: &mut Out<'_>) -> Result<Flow> {
        let numbers = &self.order[range];
        for numbers in numbers.chunks(BATCH_ROWS) {
            cx.limits.check()?;
            let mut rows = Vec::with_capacity(numbers.len() * self.store.arity);
            for number in numbers {
                rows.extend_from_slice(self.store.tuple(*number as usize));
            }
            if out(&Batch { rows: &rows, arity: self.store.arity })?.is_break() {
                return Ok(Flow::Break(()));
            }
        }
        Ok(Flow::Continue(()))
    }
}

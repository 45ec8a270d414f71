//! Window functions: each tuple with what it sees of its partition.

use std::ops::Range;
use std::sync::Arc;

use bumpalo::Bump;
use tidewater_delta::RowRef;
use tidewater_functions::{Accumulator, Function, Kind, Session};
use tidewater_types::{ColumnType, Datum, Expr, Result, Scratch, SqlError};

use super::cell::{Packer, Types};
use super::compile::Builder;
use super::frame::{Bounds, Partition};
use super::layout::{Layout, types};
use super::node::{BATCH_ROWS, Batch, Cx, Flow, Node, Out, all_true};
use super::sort::{Keys, Sorted};
use crate::plan::{Id, Order, Rel, WindowCall};

/// Compiled calls of one window.
pub(crate) struct Window {
    input: Node,
    arity: usize,
    partition: Keys,
    order: Keys,
    calls: Vec<Call>,
    types: Types,
}

/// A compiled call.
pub(crate) struct Call {
    function: &'static Function,
    args: Vec<Expr>,
    arg_types: Vec<ColumnType>,
    result: ColumnType,
    filter: Vec<Expr>,
    bounds: Bounds,
    session: Arc<Session>,
}

pub(crate) fn compile(
    builder: Builder<'_>,
    input: &Rel,
    partition: &[Id],
    order: &[Order],
    calls: &[(Id, WindowCall)],
) -> Result<(Node, Layout)> {
    let (input, layout) = builder.node(input)?;
    let ids: Vec<Id> = calls.iter().map(|(id, _)| *id).collect();
    let mut compiled = Vec::with_capacity(calls.len());
    for (_, window) in calls {
        compiled.push(Call {
            function: window.call.function.0,
            args: builder.compiler.all(&window.call.args, &layout)?,
            arg_types: window.call.args.iter().map(crate::plan::Scalar::ty).collect(),
            result: window.call.ty.clone(),
            filter: builder.compiler.all(&window.filter, &layout)?,
            bounds: Bounds::compile(builder.compiler, &window.frame, order, &layout)?,
            session: builder.compiler.session.clone(),
        });
    }
    let node = Window {
        input,
        arity: layout.inputs.len(),
        partition: Keys::partition(partition, &layout)?,
        order: Keys::compile(order, &layout)?,
        calls: compiled,
        types: types(&ids, builder.columns),
    };
    Ok((Node::Window(Box::new(node)), layout.and(&ids, builder.columns)))
}

impl Window {
    pub(crate) fn run(&self, cx: &Cx<'_>, out: &mut Out<'_>) -> Result<Flow> {
        let arena = Bump::new();
        let sorted = Sorted::read(&self.input, self.arity, &self.partition, &self.order, &arena, cx)?;
        let mut start = 0;
        while start < sorted.order.len() {
            let end = sorted.partition_end(start);
            let partition = Partition::new(&sorted, start, end);
            if self.partition(&partition, cx, out)?.is_break() {
                return Ok(Flow::Break(()));
            }
            start = end;
        }
        Ok(Flow::Continue(()))
    }

    fn partition(&self, partition: &Partition<'_, '_>, cx: &Cx<'_>, out: &mut Out<'_>) -> Result<Flow> {
        let mut packer = Packer::new(&self.types);
        let mut running: Vec<Running> = Vec::with_capacity(self.calls.len());
        let constants = Scratch::new();
        for call in &self.calls {
            running.push(Running::new(call, partition, &constants)?);
        }
        let mut at = 0;
        while at < partition.len() {
            cx.limits.check()?;
            let batch = Bump::new();
            let scratch = Scratch::new();
            let mut rows = Vec::new();
            let end = partition.len().min(at + BATCH_ROWS);
            for row in at..end {
                let mut values = Vec::with_capacity(self.calls.len());
                for (call, running) in self.calls.iter().zip(&mut running) {
                    values.push(running.value(call, partition, row, cx, &scratch)?);
                }
                rows.extend_from_slice(partition.tuple(row));
                rows.push(packer.pack(&values, &batch));
            }
            if out(&Batch { rows: &rows, arity: self.arity + 1 })?.is_break() {
                return Ok(Flow::Break(()));
            }
            at = end;
        }
        Ok(Flow::Continue(()))
    }
}

impl Call {
    /// Gives rows of a partition to an accumulator.
    fn add(
        &self,
        accumulator: &mut dyn Accumulator,
        partition: &Partition<'_, '_>,
        rows: Range<usize>,
        cx: &Cx<'_>,
    ) -> Result<()> {
        for at in rows {
            if at.is_multiple_of(BATCH_ROWS) {
                cx.limits.check()?;
            }
            let own = Scratch::new();
            let tuple: &[RowRef<'_>] = partition.tuple(at);
            if !all_true(&self.filter, tuple, &own)? {
                continue;
            }
            let values = self.args.iter().map(|arg| arg.eval(tuple, &own)).collect::<Result<Vec<_>>>()?;
            accumulator.add(&values)?;
        }
        Ok(())
    }
}

/// A call within one partition.
struct Running {
    offsets: super::frame::Offsets,
    /// The rows that the accumulator has seen.
    seen: (usize, usize),
    accumulator: Option<Box<dyn Accumulator>>,
}

impl Running {
    fn new(call: &Call, partition: &Partition<'_, '_>, scratch: &Scratch) -> Result<Running> {
        let offsets = call.bounds.offsets(partition.tuple(0), scratch)?;
        Ok(Running { offsets, seen: (0, 0), accumulator: None })
    }

    fn value<'a>(
        &mut self,
        call: &Call,
        partition: &'a Partition<'a, 'a>,
        row: usize,
        cx: &Cx<'_>,
        scratch: &'a Scratch,
    ) -> Result<Datum<'a>> {
        if call.function.kind == Kind::Aggregate {
            return self.aggregate(call, partition, row, cx, scratch);
        }
        let count = partition.len();
        let peers = partition.peers(row);
        let int = |value: usize| Ok(Datum::Int(value as i64));
        match call.function.name {
            "row_number" => int(row + 1),
            "rank" => int(peers.start + 1),
            "dense_rank" => int(partition.group(row) + 1),
            "percent_rank" => {
                let share = if count > 1 { peers.start as f64 / (count - 1) as f64 } else { 0.0 };
                Ok(Datum::Float(share))
            }
            "cume_dist" => Ok(Datum::Float(peers.end as f64 / count as f64)),
            "ntile" => self.ntile(call, partition, row, scratch),
            "lag" => shifted(call, partition, row, -1, scratch),
            "lead" => shifted(call, partition, row, 1, scratch),
            "first_value" | "last_value" | "nth_value" => {
                let frame = call.bounds.frame(&self.offsets, partition, row)?;
                let parts = call.bounds.parts(frame, partition, row);
                let mut rows = parts.into_iter().flatten();
                let at = match call.function.name {
                    "first_value" => rows.next(),
                    "last_value" => rows.next_back(),
                    _ => nth(call, partition, row, scratch)?.and_then(|nth| rows.nth(nth)),
                };
                match at {
                    Some(at) => call.args[0].eval(partition.tuple(at), scratch),
                    None => Ok(Datum::Null),
                }
            }
            name => Err(crate::bind::unsupported(format!("the window function {name}"))),
        }
    }

    /// An aggregate over the frame: what is added to the last row's frame is added, else all is computed again.
    fn aggregate<'a>(
        &mut self,
        call: &Call,
        partition: &'a Partition<'a, 'a>,
        row: usize,
        cx: &Cx<'_>,
        scratch: &'a Scratch,
    ) -> Result<Datum<'a>> {
        let frame = call.bounds.frame(&self.offsets, partition, row)?;
        if call.bounds.excludes() {
            let mut accumulator = call.function.accumulator(&call.arg_types, &call.result, &call.session)?;
            for part in call.bounds.parts(frame, partition, row) {
                call.add(accumulator.as_mut(), partition, part, cx)?;
            }
            return accumulator.finish(scratch);
        }
        let (start, end) = self.seen;
        let grows = self.accumulator.is_some() && start == frame.start && end <= frame.end;
        if !grows {
            self.accumulator = Some(call.function.accumulator(&call.arg_types, &call.result, &call.session)?);
            self.seen = (frame.start, frame.start);
        }
        let Some(accumulator) = &mut self.accumulator else { return Ok(Datum::Null) };
        call.add(accumulator.as_mut(), partition, self.seen.1..frame.end, cx)?;
        self.seen = (frame.start, frame.end.max(frame.start));
        accumulator.finish(scratch)
    }

    fn ntile<'a>(
        &self,
        call: &Call,
        partition: &'a Partition<'a, 'a>,
        row: usize,
        scratch: &'a Scratch,
    ) -> Result<Datum<'a>> {
        let buckets = match call.args[0].eval(partition.tuple(0), scratch)? {
            Datum::Int(buckets) if buckets > 0 => buckets as usize,
            Datum::Null => return Ok(Datum::Null),
            _ => return Err(SqlError::new(b"22014", "argument of ntile must be greater than zero")),
        };
        // The first buckets have one row more.
        let (size, larger) = (partition.len() / buckets, partition.len() % buckets);
        let bucket =
            if row < larger * (size + 1) { row / (size + 1) } else { larger + (row - larger * (size + 1)) / size };
        Ok(Datum::Int(bucket as i64 + 1))
    }
}

/// lag and lead: the value some rows away, or else the default.
fn shifted<'a>(
    call: &Call,
    partition: &'a Partition<'a, 'a>,
    row: usize,
    sign: i64,
    scratch: &'a Scratch,
) -> Result<Datum<'a>> {
    let tuple = partition.tuple(row);
    let by = match call.args.get(1) {
        None => 1,
        Some(offset) => match offset.eval(tuple, scratch)? {
            Datum::Int(by) => by,
            _ => return Ok(Datum::Null),
        },
    };
    let at = (row as i64).checked_add(sign * by).and_then(|at| usize::try_from(at).ok());
    match at.filter(|at| *at < partition.len()) {
        Some(at) => call.args[0].eval(partition.tuple(at), scratch),
        None => call.args.get(2).map_or(Ok(Datum::Null), |default| default.eval(tuple, scratch)),
    }
}

/// The place in the frame of nth_value's row.
fn nth<'a>(call: &Call, partition: &'a Partition<'a, 'a>, row: usize, scratch: &'a Scratch) -> Result<Option<usize>> {
    match call.args[1].eval(partition.tuple(row), scratch)? {
        Datum::Int(nth) if nth > 0 => Ok(Some(nth as usize - 1)),
        Datum::Null => Ok(None),
        _ => Err(SqlError::new(b"22016", "argument of nth_value must be greater than zero")),
    }
}

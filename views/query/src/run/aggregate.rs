//! Feeding aggregates: FILTER, DISTINCT and ORDER BY stand between the rows and the accumulators.

use std::cmp::Ordering;
use std::sync::Arc;

use delta::{Row, RowRef};
use tidewater_functions::{Accumulator, Function, Session};
use tidewater_types::{ColumnType, Datum, Expr, Result, Scratch};

use super::cell::{self, Types};
use super::layout::Layout;
use super::memory::Held;
use super::scalar::Compiler;
use crate::plan::Aggregate;

/// A compiled call of an aggregate.
pub(crate) struct Feed {
    function: &'static Function,
    args: Vec<Expr>,
    arg_types: Vec<ColumnType>,
    result: ColumnType,
    filter: Option<Expr>,
    distinct: bool,
    order: Vec<Direction>,
    order_exprs: Vec<Expr>,
    /// Arguments, then what they are sorted by, as one row.
    kept: Types,
    session: Arc<Session>,
}

/// How a column is sorted.
#[derive(Clone)]
pub(crate) struct Direction {
    pub(crate) ty: ColumnType,
    pub(crate) descending: bool,
    pub(crate) nulls_first: bool,
}

impl Direction {
    /// The order of two values, NULLs where they belong.
    pub(crate) fn compare(&self, a: &Datum<'_>, b: &Datum<'_>) -> Ordering {
        match (a.is_null(), b.is_null()) {
            (true, true) => Ordering::Equal,
            (true, false) if self.nulls_first => Ordering::Less,
            (true, false) => Ordering::Greater,
            (false, true) if self.nulls_first => Ordering::Greater,
            (false, true) => Ordering::Less,
            (false, false) => {
                let order = cell::compare(a, b, &self.ty.ty);
                if self.descending { order.reverse() } else { order }
            }
        }
    }
}

/// An aggregate over one group.
pub(crate) enum State {
    Running(Box<dyn Accumulator>),
    /// Rows that are sorted before the accumulator sees them.
    Kept(Vec<Row>),
}

impl Feed {
    pub(crate) fn compile(compiler: Compiler<'_>, aggregate: &Aggregate, layout: &Layout) -> Result<Feed> {
        let call = &aggregate.call;
        let direction = |key: &crate::plan::SortKey| Direction {
            ty: key.scalar.ty(),
            descending: key.descending,
            nulls_first: key.nulls_first,
        };
        let arg_types: Vec<ColumnType> = call.args.iter().map(crate::plan::Scalar::ty).collect();
        let order: Vec<Direction> = aggregate.order.iter().map(direction).collect();
        let kept = arg_types.iter().cloned().chain(order.iter().map(|direction| direction.ty.clone())).collect();
        Ok(Feed {
            function: call.function.0,
            args: compiler.all(&call.args, layout)?,
            arg_types,
            result: call.ty.clone(),
            filter: aggregate.filter.as_ref().map(|filter| compiler.scalar(filter, layout)).transpose()?,
            distinct: aggregate.distinct,
            order,
            order_exprs: compiler.all(aggregate.order.iter().map(|key| &key.scalar), layout)?,
            kept,
            session: compiler.session.clone(),
        })
    }

    pub(crate) fn accumulator(&self) -> Result<Box<dyn Accumulator>> {
        self.function.accumulator(&self.arg_types, &self.result, &self.session)
    }

    pub(crate) fn state(&self) -> Result<State> {
        if self.distinct || !self.order.is_empty() {
            return Ok(State::Kept(Vec::new()));
        }
        Ok(State::Running(self.accumulator()?))
    }

    /// Takes one row.
    pub(crate) fn add<'a>(
        &self,
        state: &mut State,
        tuple: &'a [RowRef<'a>],
        scratch: &'a Scratch,
        held: &Held<'_>,
    ) -> Result<()> {
        if let Some(filter) = &self.filter
            && !matches!(filter.eval(tuple, scratch)?, Datum::Bool(true))
        {
            return Ok(());
        }
        let mut values = Vec::with_capacity(self.args.len() + self.order_exprs.len());
        for arg in &self.args {
            values.push(arg.eval(tuple, scratch)?);
        }
        match state {
            State::Running(accumulator) => {
                let before = accumulator.memory();
                accumulator.add(&values)?;
                held.reserve(accumulator.memory().saturating_sub(before))
            }
            State::Kept(rows) => {
                for expr in &self.order_exprs {
                    values.push(expr.eval(tuple, scratch)?);
                }
                let row = cell::pack_row(&mut cell::builder(&self.kept), &values);
                held.reserve(row.bytes().len() + size_of::<Row>())?;
                rows.push(row);
                Ok(())
            }
        }
    }

    /// The value over the group.
    pub(crate) fn finish<'a>(&self, state: &mut State, scratch: &'a Scratch) -> Result<Datum<'a>> {
        let rows = match state {
            State::Running(accumulator) => return accumulator.finish(scratch),
            State::Kept(rows) => rows,
        };
        self.sort(rows);
        let mut accumulator = self.accumulator()?;
        let arguments = self.args.len();
        let mut last: Option<Vec<u8>> = None;
        for row in rows.iter() {
            let values: Vec<Datum<'_>> =
                (0..arguments).map(|i| cell::unpack(row.as_ref(), i, &self.kept[i].ty)).collect();
            if self.distinct {
                let mut key = Vec::new();
                for (value, ty) in values.iter().zip(self.kept.iter()) {
                    match value {
                        Datum::Null => key.extend([0xff; 4]),
                        value => cell::key(value, &ty.ty, &mut key),
                    }
                }
                if last.as_ref() == Some(&key) {
                    continue;
                }
                last = Some(key);
            }
            accumulator.add(&values)?;
        }
        accumulator.finish(scratch)
    }

    /// By ORDER BY, then (equal values of DISTINCT must lie together) by the arguments, then by bytes: whatever order rows came in.
    fn sort(&self, rows: &mut [Row]) {
        let arguments = self.args.len();
        rows.sort_by(|a, b| {
            for (i, direction) in self.order.iter().enumerate() {
                let at = arguments + i;
                let (x, y) = (
                    cell::unpack(a.as_ref(), at, &direction.ty.ty),
                    cell::unpack(b.as_ref(), at, &direction.ty.ty),
                );
                let order = direction.compare(&x, &y);
                if order.is_ne() {
                    return order;
                }
            }
            if !self.distinct {
                return Ordering::Equal;
            }
            for i in 0..arguments {
                let ascending = Direction { ty: self.kept[i].clone(), descending: false, nulls_first: false };
                let (x, y) = (
                    cell::unpack(a.as_ref(), i, &self.kept[i].ty),
                    cell::unpack(b.as_ref(), i, &self.kept[i].ty),
                );
                let order = ascending.compare(&x, &y);
                if order.is_ne() {
                    return order;
                }
            }
            a.bytes().cmp(b.bytes())
        });
    }
}

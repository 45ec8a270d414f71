//! Feeding aggregates: FILTER, DISTINCT and ORDER BY stand between the rows and the accumulators.

use std::sync::Arc;

use smallvec::SmallVec;
use tidewater_delta::{Row, RowRef};
use tidewater_functions::{Accumulator, Function, Session};
use tidewater_types::{ColumnType, Datum, Expr, Result, Scratch};

use super::cell::{self, Packer, Types};
use super::layout::Layout;
use super::memory::Held;
use super::quick::{Number, Value};
use super::scalar::{Compiler, Condition};
use super::sort::Direction;
use crate::plan::{Aggregate, Scalar};

/// A compiled call of an aggregate.
pub(crate) struct Feed {
    function: &'static Function,
    args: Vec<Expr>,
    arg_types: Types,
    result: ColumnType,
    filter: Option<Condition>,
    /// The only argument of a sum or mean of numerics.
    number: Option<Number>,
    distinct: bool,
    order: Vec<(Expr, Direction)>,
    session: Arc<Session>,
}

/// An aggregate over one group.
pub(crate) enum State {
    Running(Box<dyn Accumulator>),
    /// Rows of arguments that are sorted before the accumulator sees them: by ORDER BY's key, then by the arguments'.
    Kept(Vec<(Vec<u8>, Vec<u8>, Row)>, Box<Packer>),
}

/// The arguments of one row: few, so that they need no memory of their own.
type Values<'a> = SmallVec<[Datum<'a>; 4]>;

impl Feed {
    pub(crate) fn compile(compiler: Compiler<'_>, aggregate: &Aggregate, layout: &Layout) -> Result<Feed> {
        let call = &aggregate.call;
        let mut order = Vec::with_capacity(aggregate.order.len());
        for key in &aggregate.order {
            let direction = Direction::new(key.scalar.ty(), key.descending, key.nulls_first);
            order.push((compiler.scalar(&key.scalar, layout)?, direction));
        }
        let number = match &call.args[..] {
            [arg] if matches!(call.function.0.name, "sum" | "avg") => Number::of(arg, layout, compiler),
            _ => None,
        };
        Ok(Feed {
            function: call.function.0,
            args: compiler.all(&call.args, layout)?,
            arg_types: call.args.iter().map(Scalar::ty).collect(),
            result: call.ty.clone(),
            filter: aggregate.filter.as_ref().map(|filter| compiler.condition(filter, layout)).transpose()?,
            number,
            distinct: aggregate.distinct,
            order,
            session: compiler.session.clone(),
        })
    }

    pub(crate) fn accumulator(&self) -> Result<Box<dyn Accumulator>> {
        self.function.accumulator(&self.arg_types, &self.result, &self.session)
    }

    pub(crate) fn state(&self) -> Result<State> {
        if self.distinct || !self.order.is_empty() {
            return Ok(State::Kept(Vec::new(), Box::new(Packer::new(&self.arg_types))));
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
            && !filter.is_true(tuple, scratch)?
        {
            return Ok(());
        }
        if let (Some(number), State::Running(accumulator)) = (&self.number, &mut *state) {
            match number.value(tuple, scratch)? {
                Value::Null => return Ok(()),
                Value::Small(digits, scale) => return accumulator.add_small(digits, scale),
                Value::Other => {}
            }
        }
        let mut values = Values::new();
        for arg in &self.args {
            values.push(arg.eval(tuple, scratch)?);
        }
        match state {
            State::Running(accumulator) => {
                let before = accumulator.memory();
                accumulator.add(&values)?;
                held.reserve(accumulator.memory().saturating_sub(before))
            }
            State::Kept(rows, packer) => {
                let (mut sort, mut key) = (Vec::new(), Vec::new());
                for (expr, direction) in &self.order {
                    direction.put(&expr.eval(tuple, scratch)?, &mut sort);
                }
                if self.distinct {
                    for (value, ty) in values.iter().zip(self.arg_types.iter()) {
                        cell::key(value, &ty.ty, &mut key);
                    }
                }
                let row = packer.row(&values);
                held.reserve(row.bytes().len() + sort.len() + key.len() + size_of::<(Vec<u8>, Vec<u8>, Row)>())?;
                rows.push((sort, key, row));
                Ok(())
            }
        }
    }

    /// The value over the group.
    pub(crate) fn finish<'a>(&self, state: &mut State, scratch: &'a Scratch) -> Result<Datum<'a>> {
        let rows = match state {
            State::Running(accumulator) => return accumulator.finish(scratch),
            State::Kept(rows, _) => rows,
        };
        if self.distinct {
            // Of equal values the one of least bytes is seen, whatever order they came in.
            rows.sort_by(|a, b| (&a.0, &a.1, a.2.bytes()).cmp(&(&b.0, &b.1, b.2.bytes())));
            rows.dedup_by(|later, first| later.1 == first.1);
        } else {
            rows.sort_by(|a, b| a.0.cmp(&b.0));
        }
        let mut accumulator = self.accumulator()?;
        for (_, _, row) in rows.iter() {
            let types = self.arg_types.iter().enumerate();
            let values: Values<'_> = types.map(|(i, ty)| cell::unpack(row.as_ref(), i, ty)).collect();
            accumulator.add(&values)?;
        }
        accumulator.finish(scratch)
    }
}

//! From a function and its arguments' expressions to one expression.

use std::sync::Arc;

use tidewater_types::{ArrayRef, ColumnType, Datum, Expr, Result, SqlError};

use crate::accumulator::Accumulator;
use crate::call::{Call, Env};
use crate::function::{Body, Function};
use crate::rows::Rows;
use crate::session::Session;
use crate::signature::Param;

/// One argument of a call, after it was cast to the parameter's type.
#[derive(Debug, Clone)]
pub struct Argument {
    /// Its value.
    pub expr: Expr,
    /// Its type.
    pub ty: ColumnType,
    /// Whether its value is the same for every row.
    pub constant: bool,
    /// Whether it is written VARIADIC: an array that stands for its elements. Only the last argument may be.
    pub variadic: bool,
}

impl Argument {
    /// An argument that is not VARIADIC.
    pub fn new(expr: Expr, ty: impl Into<ColumnType>) -> Self {
        Argument { expr, ty: ty.into(), constant: false, variadic: false }
    }
}

impl Function {
    /// The expression that computes this scalar function of `args`, which are of its parameters' types, with what resolution chose
    /// for families in place of them; `result` is the type that it chose for the result.
    ///
    /// # Errors
    /// Where it is not a scalar function; what a function finds wrong with its constant arguments.
    pub fn compile(&'static self, args: Vec<Argument>, result: &ColumnType, session: &Arc<Session>) -> Result<Expr> {
        let args = self.packed(args);
        let env = self.env(&args, result, session);
        match self.body {
            Body::Make(make) => make(args, env),
            Body::Eval(eval) => Ok(self.expression(args, env, eval)),
            Body::Aggregate(_) | Body::Window | Body::Rows(_) => Err(self.misplaced("a scalar function")),
        }
    }

    /// A fresh accumulator of this aggregate over arguments of these types (direct ones first).
    ///
    /// # Errors
    /// Where it is not an aggregate.
    pub fn accumulator(
        &'static self,
        args: &[ColumnType],
        result: &ColumnType,
        session: &Arc<Session>,
    ) -> Result<Box<dyn Accumulator>> {
        let Body::Aggregate(make) = self.body else {
            return Err(self.misplaced("an aggregate"));
        };
        make(&Env::new(self.name, args.to_vec(), result.clone(), session, false))
    }

    /// The rows that this set-returning function gives for `args`.
    ///
    /// # Errors
    /// Where it is not a set-returning function.
    pub fn rows(&'static self, args: Vec<Argument>, result: &ColumnType, session: &Arc<Session>) -> Result<Rows> {
        let Body::Rows(rows) = self.body else {
            return Err(self.misplaced("a set-returning function"));
        };
        let args = self.packed(args);
        let env = self.env(&args, result, session);
        Ok(Rows::new(args, env, rows, self.strict))
    }

    /// The arguments, with those for a variadic array in one.
    fn packed(&self, mut args: Vec<Argument>) -> Vec<Argument> {
        let last = self.params.len().saturating_sub(1);
        let is_array = !matches!(self.params.last(), None | Some(Param::Any));
        if !self.variadic || !is_array || args.last().is_some_and(|last| last.variadic) || args.len() <= last {
            return args;
        }
        let rest = args.split_off(last);
        let element = rest[0].ty.ty.clone();
        let values: Vec<Expr> = rest.into_iter().map(|arg| arg.expr).collect();
        let array = Expr::new(move |tuple, scratch| {
            let values = values.iter().map(|value| value.eval(tuple, scratch)).collect::<Result<Vec<_>>>()?;
            Ok(Datum::Array(ArrayRef::vector(scratch, &values)?))
        });
        args.push(Argument { variadic: true, ..Argument::new(array, element.array()) });
        args
    }

    fn env(&self, args: &[Argument], result: &ColumnType, session: &Arc<Session>) -> Env {
        let packed = args.last().is_some_and(|last| last.variadic);
        Env::new(self.name, args.iter().map(|arg| arg.ty.clone()).collect(), result.clone(), session, packed)
    }

    fn misplaced(&self, what: &str) -> SqlError {
        SqlError::new(b"42809", format!("{} is not {what}", self.name))
    }

    fn expression(&self, args: Vec<Argument>, env: Env, eval: crate::function::Eval) -> Expr {
        let strict = self.strict;
        let mut args = args.into_iter().map(|arg| arg.expr);
        // The usual numbers of arguments have their values on the stack.
        match (args.next(), args.next(), args.next(), args.next()) {
            (None, ..) => Expr::new(move |_, scratch| eval(&Call { args: &[], scratch, env: &env })),
            (Some(a), None, ..) => Expr::new(move |tuple, scratch| {
                let args = [a.eval(tuple, scratch)?];
                call(&args, strict, scratch, &env, eval)
            }),
            (Some(a), Some(b), None, _) => Expr::new(move |tuple, scratch| {
                let args = [a.eval(tuple, scratch)?, b.eval(tuple, scratch)?];
                call(&args, strict, scratch, &env, eval)
            }),
            (Some(a), Some(b), Some(c), None) => Expr::new(move |tuple, scratch| {
                let args = [a.eval(tuple, scratch)?, b.eval(tuple, scratch)?, c.eval(tuple, scratch)?];
                call(&args, strict, scratch, &env, eval)
            }),
            (Some(a), Some(b), Some(c), Some(d)) => {
                let all: Vec<Expr> = [a, b, c, d].into_iter().chain(args).collect();
                Expr::new(move |tuple, scratch| {
                    let args = all.iter().map(|arg| arg.eval(tuple, scratch)).collect::<Result<Vec<_>>>()?;
                    call(&args, strict, scratch, &env, eval)
                })
            }
        }
    }
}

#[inline]
fn call<'a>(
    args: &[Datum<'a>],
    strict: bool,
    scratch: &'a tidewater_types::Scratch,
    env: &Env,
    eval: crate::function::Eval,
) -> Result<Datum<'a>> {
    if strict && args.iter().any(Datum::is_null) {
        return Ok(Datum::Null);
    }
    eval(&Call { args, scratch, env })
}

/// The expressions of two arguments.
pub(crate) fn two(args: Vec<Argument>) -> Result<(Expr, Expr)> {
    match <[Argument; 2]>::try_from(args) {
        Ok([a, b]) => Ok((a.expr, b.expr)),
        Err(_) => Err(SqlError::new(b"XX000", "an operator that has not two arguments")),
    }
}

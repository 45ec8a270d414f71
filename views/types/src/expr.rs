//! Compiled expressions: opaque functions from a tuple of rows to a value.
//!
//! The engine and the batch executor never look inside one. An expression must be deterministic: the engine evaluates it again
//! when a tuple is retracted and relies on the same answer. What depends on a session (its time zone, the transaction's start) is
//! captured when the expression is compiled.

use std::sync::Arc;

use tidewater_delta::RowRef;

use crate::{Datum, Result, Scratch};

/// One row an input, by input number. An outer join's missing row is a row of NULLs.
pub type Tuple<'a> = &'a [RowRef<'a>];

type Function = dyn for<'a> Fn(Tuple<'a>, &'a Scratch) -> Result<Datum<'a>> + Send + Sync;

/// A compiled expression.
#[derive(Clone)]
pub struct Expr(Arc<Function>);

impl Expr {
    /// Wraps a deterministic function.
    pub fn new(function: impl for<'a> Fn(Tuple<'a>, &'a Scratch) -> Result<Datum<'a>> + Send + Sync + 'static) -> Self {
        Expr(Arc::new(function))
    }

    /// The value for `tuple`.
    ///
    /// # Errors
    /// What SQL calls an error of this row: division by zero, a failed cast, an overflow.
    #[inline]
    pub fn eval<'a>(&self, tuple: Tuple<'a>, scratch: &'a Scratch) -> Result<Datum<'a>> {
        (self.0)(tuple, scratch)
    }
}

impl std::fmt::Debug for Expr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Expr")
    }
}

//! Compiled expressions: opaque functions from a tuple of rows to a value.
//!
//! The engine never looks inside one; `views/sql` compiles them from planned SQL. An expression must be deterministic: the
//! engine evaluates it again when a tuple is retracted and relies on the same answer.

use std::sync::Arc;

use delta::{Datum, RowRef};

/// Memory for values that an expression makes (a concatenated text); freed after each row.
pub type Scratch = bumpalo::Bump;

/// One row an input of a join, by input number. A left join's missing row is a row of NULLs.
pub type Tuple<'a> = &'a [RowRef<'a>];

/// Why an expression has no value for a row, as the user reads it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, thiserror::Error)]
#[error("{message}")]
pub struct EvalError {
    /// SQLSTATE, e.g. `22012` for division by zero.
    pub sqlstate: [u8; 5],
    /// The message, lower case, no full stop.
    pub message: String,
}

impl EvalError {
    /// An error that has this SQLSTATE.
    pub fn new(sqlstate: &[u8; 5], message: impl Into<String>) -> Self {
        EvalError { sqlstate: *sqlstate, message: message.into() }
    }
}

type Function = dyn for<'a> Fn(Tuple<'a>, &'a Scratch) -> Result<Datum<'a>, EvalError> + Send + Sync;

/// A compiled expression.
#[derive(Clone)]
pub struct Expr(Arc<Function>);

impl Expr {
    /// Wraps a deterministic function.
    pub fn new(
        function: impl for<'a> Fn(Tuple<'a>, &'a Scratch) -> Result<Datum<'a>, EvalError> + Send + Sync + 'static,
    ) -> Self {
        Expr(Arc::new(function))
    }

    /// The value for `tuple`.
    ///
    /// # Errors
    /// What SQL calls an error of this row: division by zero, a failed cast, an overflow.
    #[inline]
    pub fn eval<'a>(&self, tuple: Tuple<'a>, scratch: &'a Scratch) -> Result<Datum<'a>, EvalError> {
        (self.0)(tuple, scratch)
    }
}

impl std::fmt::Debug for Expr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Expr")
    }
}

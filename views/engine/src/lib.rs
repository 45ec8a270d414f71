//! The incremental engine: pure, synchronous, one thread.

mod expr;

pub use expr::{EvalError, Expr, Scratch, Tuple};

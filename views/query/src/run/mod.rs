//! Execution in batch: rows are pushed from the sources through the operators to the client.
//!
//! A batch is tuples of packed rows, one an input of the joins below, so that a join copies no row. An operator that makes rows packs
//! them into an arena of the batch and calls the next one before it is gone; one that keeps rows copies them into memory of its own,
//! which the query's account pays for. Whoever takes a batch says whether more is wanted, which is how LIMIT ends a query early.

mod aggregate;
mod built;
mod cell;
mod compile;
mod concat;
mod count;
mod flat_map;
mod frame;
mod join;
mod layout;
mod like;
mod lookup;
mod memory;
mod node;
mod quick;
mod recurse;
mod reduce;
mod scalar;
mod sort;
mod store;
mod window;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use tidewater_functions::Session;
use tidewater_types::{ColumnType, Datum, Result, Scratch, SqlError};

use crate::catalog::Source;
use crate::plan::{Constant, Plan};

pub use cell::{pack_row, unpack};
use memory::Account;
use node::{Batch, Cx};

pub(crate) use crate::bind::is_volatile;
pub(crate) use cell::is_identity;

/// What a query may use, and what stops it.
#[derive(Clone)]
pub struct Limits {
    /// Set by whoever cancels the query.
    pub cancel: Arc<AtomicBool>,
    /// When `statement_timeout` is over.
    pub deadline: Option<Instant>,
    /// Bytes that the query may keep.
    pub memory: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { cancel: Arc::default(), deadline: None, memory: usize::MAX }
    }
}

impl Limits {
    /// Fails if the query is to stop.
    ///
    /// # Errors
    /// 57014.
    pub fn check(&self) -> Result<()> {
        if self.cancel.load(Ordering::Relaxed) {
            return Err(SqlError::new(b"57014", "canceling statement due to user request"));
        }
        if self.deadline.is_some_and(|deadline| Instant::now() > deadline) {
            return Err(SqlError::new(b"57014", "canceling statement due to statement timeout"));
        }
        Ok(())
    }
}

/// Takes the values of one row; says whether it wants more rows.
pub type Sink<'s> = dyn FnMut(&[Datum<'_>]) -> Result<ControlFlow<()>> + 's;

/// Runs a rewritten plan: hands the values of its output columns to `sink`, row by row.
///
/// # Errors
/// What a row's evaluation gives, what `sink` says, 57014 when it is stopped, 53200 when it needs too much memory.
pub fn run(
    plan: &Plan,
    source: &dyn Source,
    session: &Arc<Session>,
    parameters: &[Constant],
    limits: &Limits,
    sink: &mut Sink<'_>,
) -> Result<()> {
    crate::stack::enough(plan.rel.depth(), || on_stack(plan, source, session, parameters, limits, sink))
}

fn on_stack(
    plan: &Plan,
    source: &dyn Source,
    session: &Arc<Session>,
    parameters: &[Constant],
    limits: &Limits,
    sink: &mut Sink<'_>,
) -> Result<()> {
    let compiler = scalar::Compiler { session, parameters };
    let (node, layout) = compile::compile(&plan.rel, &plan.columns, compiler, source)?;
    let reads = plan.output.iter().map(|(_, id)| layout.read(*id)).collect::<Result<Vec<_>>>()?;
    let account = Account::new(limits.memory);
    let cx = Cx { source, limits, account: &account, outer: None };
    let mut scratch = Scratch::new();
    let _ = node.run(&cx, &mut |batch: &Batch<'_>| {
        scratch.reset();
        let mut values = Vec::with_capacity(reads.len());
        for tuple in batch.tuples() {
            values.clear();
            for read in &reads {
                values.push(read.eval(tuple, &scratch)?);
            }
            if sink(&values)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(())
}

/// The value of a scalar that reads no row, or the columns of one row.
///
/// # Errors
/// What its evaluation gives.
pub fn evaluate(scalar: &crate::plan::Scalar, session: &Arc<Session>, parameters: &[Constant]) -> Result<Constant> {
    let compiler = scalar::Compiler { session, parameters };
    let expr = compiler.scalar(scalar, &layout::Layout::default())?;
    let scratch = Scratch::new();
    Ok(Constant::new(&expr.eval(&[], &scratch)?, scalar.ty()))
}

/// The expression that computes a scalar over rows of one relation, as [`bind_scalar`](crate::bind_scalar) binds it: the tuple is
/// the relation's row.
///
/// # Errors
/// What compiling finds wrong.
pub fn compile_over(
    scalar: &crate::plan::Scalar,
    rel: &crate::plan::Rel,
    session: &Arc<Session>,
    parameters: &[Constant],
) -> Result<tidewater_types::Expr> {
    let compiler = scalar::Compiler { session, parameters };
    let layout = match rel {
        crate::plan::Rel::Get(get) => layout::Layout {
            inputs: vec![get.relation.columns.iter().map(|column| column.ty.clone()).collect()],
            places: get.columns.iter().map(|(at, id)| (*id, (0, *at))).collect(),
        },
        _ => layout::Layout::default(),
    };
    compiler.scalar(scalar, &layout)
}

/// The expression that computes a scalar over tuples: `inputs` are the types of each input's row, `place` says which column of which
/// input each column is.
///
/// # Errors
/// What compiling finds wrong.
pub fn compile_at(
    scalar: &crate::plan::Scalar,
    inputs: Vec<Arc<[ColumnType]>>,
    place: &dyn Fn(crate::plan::Id) -> (usize, usize),
    session: &Arc<Session>,
) -> Result<tidewater_types::Expr> {
    let places = scalar.free().into_iter().map(|id| (id, place(id))).collect();
    scalar::Compiler { session, parameters: &[] }.scalar(scalar, &layout::Layout { inputs, places })
}

/// The types of a plan's output.
pub fn output_types(plan: &Plan) -> Vec<ColumnType> {
    plan.output.iter().map(|(_, id)| plan.columns.ty(*id).clone()).collect()
}

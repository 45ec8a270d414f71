//! Aggregates: those that the engine keeps as totals, the first row of an order, and all others by their accumulators.

use std::sync::Arc;

use tidewater_engine::{Fold, Folding, Function};
use tidewater_functions::{Accumulator, Session};
use tidewater_query::plan::{FunctionRef, Scalar};
use tidewater_types::{ColumnType, Datum, Result, Scratch, Type};

use crate::Lowering;
use crate::shared::Call;

impl Lowering<'_> {
    /// What the engine computes for a call.
    pub(crate) fn function(&self, call: &Call) -> Result<Function> {
        let Some(function) = call.function else { return Ok(Function::First) };
        let types: Vec<ColumnType> = call.arguments.iter().map(Scalar::ty).collect();
        if let Some(totals) = totals(function.0.name, &types) {
            return Ok(totals);
        }
        if function.0.name == "string_agg" {
            return Ok(Function::StringAgg);
        }
        let folded = Folded { function, types, result: call.result.clone(), session: self.session.clone() };
        // What is wrong with the call is said now.
        folded.start()?;
        Ok(Function::Fold(Arc::new(folded)))
    }
}

/// The totals that are an aggregate's value.
pub(crate) fn totals(name: &str, types: &[ColumnType]) -> Option<Function> {
    Some(match (name, types.first().map(|ty| &ty.ty)) {
        ("count", _) if types.len() < 2 => Function::Count,
        ("sum", Some(Type::Int2 | Type::Int4)) => Function::SumInt,
        ("sum", Some(Type::UInt2 | Type::UInt4)) => Function::SumUInt,
        ("sum", Some(Type::Int8 | Type::UInt8)) => Function::SumWhole,
        ("sum", Some(Type::Numeric)) => Function::SumNumeric,
        ("avg", Some(Type::Numeric)) => Function::AvgNumeric,
        ("avg", Some(Type::Int2 | Type::Int4 | Type::Int8 | Type::UInt2 | Type::UInt4 | Type::UInt8)) => {
            Function::AvgWhole
        }
        ("bool_and" | "every", Some(Type::Bool)) => Function::BoolAnd,
        ("bool_or", Some(Type::Bool)) => Function::BoolOr,
        _ => return None,
    })
}

/// An aggregate that is computed from all rows of its group.
struct Folded {
    function: FunctionRef,
    types: Vec<ColumnType>,
    result: ColumnType,
    session: Arc<Session>,
}

impl std::fmt::Debug for Folded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.function.0.name)
    }
}

impl Fold for Folded {
    fn start(&self) -> Result<Box<dyn Folding>> {
        let accumulator = self.function.0.accumulator(&self.types, &self.result, &self.session)?;
        // Strict aggregates pass over NULLs themselves: their accumulators see every row.
        Ok(Box::new(Running(accumulator)))
    }
}

struct Running(Box<dyn Accumulator>);

impl Folding for Running {
    fn add(&mut self, arguments: &[Datum<'_>]) -> Result<()> {
        self.0.add(arguments)
    }

    fn finish<'a>(&self, scratch: &'a Scratch) -> Result<Datum<'a>> {
        self.0.finish(scratch)
    }
}

//! The algebra: relations and scalars, typed, printable, with ways to walk and change them.

mod column;
mod print;
mod properties;
mod rel;
mod scalar;
mod walk;

pub use column::{Column, Columns, Id};
pub use print::Printed;
pub(crate) use properties::rejects_null;
pub use rel::{Count, CountKind, Get, Join, JoinKind, Let, LetId, LetRec, Order, Recursion, Rel, TopK, TurnLimit};
pub use scalar::{
    Aggregate, Call, Case, Cast, Constant, Frame, FrameBound, FrameExclude, FrameUnits, FunctionRef, Quantified,
    Scalar, SortKey, Subquery, SubqueryKind, Subscript, SubscriptPart, Test, WindowCall, conjuncts,
};

use std::collections::BTreeSet;
use std::sync::Arc;

use tidewater_types::ColumnType;

use crate::catalog::Relation;

/// A bound query.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Its rows, in order where the query says one.
    pub rel: Rel,
    /// What the client sees of them: name and column.
    pub output: Vec<(String, Id)>,
    /// All columns of the plan.
    pub columns: Columns,
    /// Types of the parameters, `$1` first.
    pub parameters: Vec<ColumnType>,
    /// How many [`LetId`]s are taken.
    pub lets: u32,
}

impl Plan {
    /// The relations of the catalog that it reads, each with the positions of the columns that it reads of it.
    pub fn reads(&self) -> Vec<(Arc<Relation>, BTreeSet<usize>)> {
        let mut found: Vec<(Arc<Relation>, BTreeSet<usize>)> = Vec::new();
        self.rel.any(&mut |rel| {
            if let Rel::Get(get) = rel {
                let columns = get.columns.iter().map(|(at, _)| *at);
                match found.iter_mut().find(|(relation, _)| *relation == get.relation) {
                    Some((_, read)) => read.extend(columns),
                    None => found.push((get.relation.clone(), columns.collect())),
                }
            }
            false
        });
        found
    }

    /// Name and type of each output column.
    pub fn schema(&self) -> Vec<(String, ColumnType)> {
        self.output.iter().map(|(name, id)| (name.clone(), self.columns.ty(*id).clone())).collect()
    }
}

/// The sides of an equality of two values of one type, or of types that are compared as one.
pub fn equality(predicate: &Scalar) -> Option<(&Scalar, &Scalar)> {
    match predicate {
        Scalar::Call(call) if call.function.0.name == "=" => match &call.args[..] {
            [a, b] => Some((a, b)),
            _ => None,
        },
        _ => None,
    }
}

/// Whether a scalar is this whole number.
pub(crate) fn is_int(scalar: Option<&Scalar>, value: i64) -> bool {
    match scalar {
        Some(Scalar::Literal(constant)) => crate::constant::int(constant) == Some(value),
        Some(Scalar::Cast(cast)) => is_int(Some(&cast.input), value),
        _ => false,
    }
}

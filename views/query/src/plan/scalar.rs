//! Scalars: what a row, and the rows around it, compute to one value. Typed, with every conversion written out.

use std::sync::Arc;

use tidewater_functions::Function;
use tidewater_types::{ColumnType, Type};

use super::{Columns, Id, Rel};

/// A function of the table. Two are the same if they are the same entry.
#[derive(Clone, Copy)]
pub struct FunctionRef(pub &'static Function);

impl PartialEq for FunctionRef {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.0, other.0)
    }
}

impl Eq for FunctionRef {}

impl std::hash::Hash for FunctionRef {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        // Not its address: what a node computes must be told alike by every run of a program.
        (self.0.name, self.0.kind, &self.0.params, &self.0.result).hash(state);
    }
}

impl std::fmt::Debug for FunctionRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.name)
    }
}

/// A value that is known, packed as [`tidewater_types::encode`] does; compared by identity.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Constant {
    /// Its type.
    pub ty: ColumnType,
    /// None for NULL.
    pub value: Option<Arc<[u8]>>,
}

/// A typed expression.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Scalar {
    /// A column of the input, or of a query around this one.
    Column(Id, ColumnType),
    /// A known value.
    Literal(Constant),
    /// A string literal whose type its place decides, and where it stands in the statement (0 for nowhere); none is left after
    /// binding.
    Unknown(Arc<str>, u32),
    /// `$n`, from 1.
    Parameter(u32, ColumnType),
    /// A function or operator.
    Call(Call),
    /// A conversion to another type.
    Cast(Box<Cast>),
    /// Three-valued AND.
    And(Vec<Scalar>),
    /// Three-valued OR.
    Or(Vec<Scalar>),
    /// Three-valued NOT.
    Not(Box<Scalar>),
    /// IS NULL and its relatives.
    Is(Test, Box<Scalar>),
    /// IS DISTINCT FROM: whether two values of one type are not equal, NULL being equal to NULL.
    Distinct(Box<Scalar>, Box<Scalar>),
    /// The value of the first branch whose condition is true.
    Case(Box<Case>),
    /// The first that is not NULL.
    Coalesce(Vec<Scalar>),
    /// NULL if the comparison (the first) is true, else the second.
    NullIf(Box<Scalar>, Box<Scalar>),
    /// GREATEST (true) or LEAST (false): NULLs are skipped.
    Extreme(bool, Vec<Scalar>),
    /// ARRAY[…]; if `nested`, its elements are arrays that become the next dimension.
    Array(Vec<Scalar>, ColumnType, bool),
    /// ROW(…).
    Row(Vec<Scalar>, ColumnType),
    /// A field of a record, from 0.
    Field(Box<Scalar>, usize, ColumnType),
    /// `array[…]`.
    Subscript(Box<Subscript>),
    /// `x op ANY (array)` and `x op ALL (array)`.
    Quantified(Box<Quantified>),
    /// A subquery; none is left after unnesting.
    Subquery(Box<Subquery>),
}

/// A call.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Call {
    /// The entry of the table.
    pub function: FunctionRef,
    /// Converted to what the function takes; of a variadic one spread, unless `array` is set.
    pub args: Vec<Scalar>,
    /// What it gives.
    pub ty: ColumnType,
    /// VARIADIC was written: the last argument is the array of the rest.
    pub array: bool,
}

/// A conversion.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Cast {
    /// What is converted.
    pub input: Scalar,
    /// To which type, with its modifier.
    pub ty: ColumnType,
    /// Written by the user: varchar(n) cuts instead of failing.
    pub explicit: bool,
}

/// What IS asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Test {
    /// IS NULL. Of a row: whether all its fields are.
    Null,
    /// IS NOT NULL. Of a row: whether none of its fields is NULL, which is not the opposite of IS NULL.
    NotNull,
    /// IS TRUE.
    True,
    /// IS FALSE.
    False,
    /// IS NOT TRUE.
    NotTrue,
    /// IS NOT FALSE.
    NotFalse,
}

/// CASE.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Case {
    /// Conditions, each with its value.
    pub branches: Vec<(Scalar, Scalar)>,
    /// ELSE.
    pub otherwise: Scalar,
    /// What it gives.
    pub ty: ColumnType,
}

/// `array[…]`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Subscript {
    /// The array or jsonb.
    pub base: Scalar,
    /// One a dimension.
    pub parts: Vec<SubscriptPart>,
    /// What it gives.
    pub ty: ColumnType,
}

/// A subscript of one dimension.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SubscriptPart {
    /// `[i]`.
    Index(Scalar),
    /// `[a:b]`, either may be left out.
    Slice(Option<Scalar>, Option<Scalar>),
}

/// `x op ANY (array)`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Quantified {
    /// The left side.
    pub left: Scalar,
    /// The array.
    pub array: Scalar,
    /// The type of the elements that the operator takes.
    pub element: ColumnType,
    /// The operator, of two values.
    pub function: FunctionRef,
    /// ALL instead of ANY.
    pub all: bool,
}

/// A subquery in an expression.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Subquery {
    /// What is asked of its rows.
    pub kind: SubqueryKind,
    /// Its rows. Columns that it does not make itself come from the queries around it.
    pub rel: Rel,
    /// Its columns, in order.
    pub columns: Vec<Id>,
}

/// What is asked of a subquery's rows.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SubqueryKind {
    /// Whether there is one.
    Exists,
    /// Three-valued OR of a comparison over its rows (IN, ANY). ALL is the negation of the negated comparison.
    Any(Box<Scalar>),
    /// The value of its only column in its only row, NULL without a row.
    Value(ColumnType),
    /// All values of its only column, as an array of this type made by this aggregate.
    Array(ColumnType, FunctionRef),
}

/// A call of an aggregate.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Aggregate {
    /// The entry of the table, its arguments and its result. The direct arguments of an ordered-set aggregate come first.
    pub call: Call,
    /// DISTINCT.
    pub distinct: bool,
    /// FILTER (WHERE …).
    pub filter: Option<Scalar>,
    /// ORDER BY, or WITHIN GROUP (ORDER BY …).
    pub order: Vec<SortKey>,
    /// How many of the arguments are direct ones of WITHIN GROUP.
    pub direct: usize,
}

/// A part of ORDER BY over an expression.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SortKey {
    /// What to sort by.
    pub scalar: Scalar,
    /// Greatest first.
    pub descending: bool,
    /// Where NULLs go.
    pub nulls_first: bool,
}

/// A call of a window function, or of an aggregate over a window.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct WindowCall {
    /// The entry of the table.
    pub call: Call,
    /// FILTER (WHERE …), of aggregates.
    pub filter: Option<Scalar>,
    /// PARTITION BY.
    pub partition: Vec<Scalar>,
    /// ORDER BY.
    pub order: Vec<SortKey>,
    /// Which rows of the partition an aggregate or first_value sees.
    pub frame: Frame,
}

/// A window frame.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Frame {
    /// What offsets count.
    pub units: FrameUnits,
    /// Where it begins.
    pub start: FrameBound,
    /// Where it ends.
    pub end: FrameBound,
    /// What is left out of it.
    pub exclude: FrameExclude,
}

/// What a frame's offsets count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FrameUnits {
    /// Rows.
    Rows,
    /// Values of the ORDER BY column.
    Range,
    /// Groups of equal rows.
    Groups,
}

/// An end of a frame.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum FrameBound {
    /// The partition's first row (of a start) or last (of an end).
    Unbounded,
    /// The row itself, or its equals.
    Current,
    /// An offset before the row; of RANGE with the function that subtracts and the operator `<=`.
    Preceding(Box<Scalar>),
    /// An offset after the row.
    Following(Box<Scalar>),
}

/// EXCLUDE.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FrameExclude {
    /// Nothing.
    NoOthers,
    /// The row itself.
    CurrentRow,
    /// The row and its equals.
    Group,
    /// Its equals, not the row.
    Ties,
}

impl Scalar {
    /// The column `id`.
    pub fn column(id: Id, columns: &Columns) -> Scalar {
        Scalar::Column(id, columns.ty(id).clone())
    }

    /// A NULL of a type.
    pub fn null(ty: impl Into<ColumnType>) -> Scalar {
        Scalar::Literal(Constant { ty: ty.into(), value: None })
    }

    /// Its type.
    pub fn ty(&self) -> ColumnType {
        match self {
            Scalar::Column(_, ty) | Scalar::Parameter(_, ty) | Scalar::Array(_, ty, _) | Scalar::Row(_, ty) => {
                ty.clone()
            }
            Scalar::Field(_, _, ty) => ty.clone(),
            Scalar::Literal(constant) => constant.ty.clone(),
            Scalar::Unknown(..) => Type::Unknown.into(),
            Scalar::Call(call) => call.ty.clone(),
            Scalar::Cast(cast) => cast.ty.clone(),
            Scalar::And(_) | Scalar::Or(_) | Scalar::Not(_) | Scalar::Is(..) | Scalar::Distinct(..) => {
                Type::Bool.into()
            }
            Scalar::Quantified(_) => Type::Bool.into(),
            Scalar::Case(case) => case.ty.clone(),
            Scalar::Coalesce(parts) | Scalar::Extreme(_, parts) => common_type(parts),
            Scalar::NullIf(_, value) => value.ty(),
            Scalar::Subscript(subscript) => subscript.ty.clone(),
            Scalar::Subquery(subquery) => match &subquery.kind {
                SubqueryKind::Exists | SubqueryKind::Any(_) => Type::Bool.into(),
                SubqueryKind::Value(ty) | SubqueryKind::Array(ty, _) => ty.clone(),
            },
        }
    }

    /// The conjunction of `parts`, without ANDs in ANDs.
    pub fn and(parts: Vec<Scalar>) -> Scalar {
        let mut flat = conjuncts(parts);
        match flat.len() {
            1 => flat.remove(0),
            _ => Scalar::And(flat),
        }
    }

    /// Its negation.
    pub fn negate(self) -> Scalar {
        match self {
            Scalar::Not(inner) => *inner,
            other => Scalar::Not(Box::new(other)),
        }
    }
}

/// The parts of a conjunction, which may themselves be conjunctions.
pub fn conjuncts(parts: impl IntoIterator<Item = Scalar>) -> Vec<Scalar> {
    let mut flat = Vec::new();
    for part in parts {
        match part {
            Scalar::And(inner) => flat.extend(conjuncts(inner)),
            other => flat.push(other),
        }
    }
    flat
}

/// The type of alternatives: they are of one type, and keep its modifier only if all have the same.
fn common_type(parts: &[Scalar]) -> ColumnType {
    let mut types = parts.iter().map(Scalar::ty);
    let Some(first) = types.next() else { return Type::Unknown.into() };
    let same = types.all(|ty| ty.modifier == first.modifier);
    if same { first } else { first.ty.into() }
}

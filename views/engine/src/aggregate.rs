//! Aggregates of one group: totals that take rows back, and results computed from the group's rows.

use std::fmt;
use std::sync::Arc;

use rustc_hash::FxHashSet;
use smallvec::SmallVec;
use tidewater_delta::{RowBuilder, RowRef, Weight};
use tidewater_types::{
    ColumnType, Datum, Expr, MAX_VALUE, Numeric, NumericSum, Packing, Result, Scratch, SqlError, key,
};

use crate::index::OrderColumn;

/// What an aggregate computes. Of totals (all but the last three) its argument is one of the types named.
#[derive(Debug, Clone)]
pub enum Function {
    /// Rows in which no argument is NULL; without arguments, all rows.
    Count,
    /// Sum of signed integers as int8; an error where it leaves 64 bits.
    SumInt,
    /// Sum of unsigned integers as uint8; an error where it leaves 64 bits.
    SumUInt,
    /// Exact sum of integers as numeric.
    SumWhole,
    /// Mean of integers as numeric.
    AvgWhole,
    /// Sum of numerics.
    SumNumeric,
    /// Mean of numerics.
    AvgNumeric,
    /// Whether all truth values are true.
    BoolAnd,
    /// Whether a truth value is true.
    BoolOr,
    /// The argument of the first row in the group's order, be it NULL: ordered by itself, NULLs last, the least or greatest value.
    First,
    /// Texts (or bytes) joined in the group's order, with the second argument before each but the first.
    StringAgg,
    /// Anything else that is computed over all rows of the group, in order.
    Fold(Arc<dyn Fold>),
}

/// An aggregate that the engine does not know.
pub trait Fold: Send + Sync + fmt::Debug {
    /// Begins with a group.
    ///
    /// # Errors
    /// Where the aggregate cannot be computed at all.
    fn start(&self) -> Result<Box<dyn Folding>>;
}

/// A group that is being folded.
pub trait Folding {
    /// Takes the arguments of one more row.
    ///
    /// # Errors
    /// What SQL calls an error of this row.
    fn add(&mut self, arguments: &[Datum<'_>]) -> Result<()>;

    /// The value over the rows so far.
    ///
    /// # Errors
    /// Where the result does not fit its type.
    fn finish<'a>(&self, scratch: &'a Scratch) -> Result<Datum<'a>>;
}

/// One aggregate of a reduce.
#[derive(Debug, Clone)]
pub struct Aggregate {
    /// What it computes.
    pub function: Function,
    /// Its arguments over a row of the input.
    pub arguments: Vec<Expr>,
    /// Their types.
    pub types: Vec<ColumnType>,
    /// FILTER (WHERE …).
    pub filter: Option<Expr>,
    /// The columns that the arguments and the filter read.
    pub reads: Vec<usize>,
    /// Whether equal arguments count once: of each, the first in the group's order.
    pub distinct: bool,
    /// Order in which it takes the rows of a group; rows that are equal in it come by their bytes.
    pub order: Vec<OrderColumn>,
}

impl Aggregate {
    /// Whether it keeps totals, which take rows back.
    pub(crate) fn takes_back(&self) -> bool {
        !self.distinct && !matches!(self.function, Function::First | Function::StringAgg | Function::Fold(_))
    }
}

/// The values of an aggregate's arguments.
pub(crate) type Values<'a> = SmallVec<[Datum<'a>; 2]>;

/// The aggregate's arguments for a row, or `None` where the filter drops it.
pub(crate) fn values<'a>(aggregate: &Aggregate, row: RowRef<'a>, scratch: &'a Scratch) -> Result<Option<Values<'a>>> {
    let tuple: &'a [RowRef<'a>] = scratch.alloc_slice_copy(&[row]);
    if let Some(filter) = &aggregate.filter
        && !matches!(filter.eval(tuple, scratch)?, Datum::Bool(true))
    {
        return Ok(None);
    }
    let mut values = Values::new();
    for argument in &aggregate.arguments {
        values.push(argument.eval(tuple, scratch)?);
    }
    Ok(Some(values))
}

/// Running totals of one aggregate in one group.
#[derive(Debug, Clone)]
pub(crate) enum Totals {
    /// How many values that are not NULL, and their sum; of truth values, the number of true ones.
    Whole(Weight, i128),
    Numeric(Box<NumericSum>),
}

impl Totals {
    pub(crate) fn new(function: &Function) -> Totals {
        match function {
            Function::SumNumeric | Function::AvgNumeric => Totals::Numeric(Box::default()),
            _ => Totals::Whole(0, 0),
        }
    }

    pub(crate) fn add(&mut self, values: &[Datum<'_>], weight: Weight) {
        if values.iter().any(Datum::is_null) {
            return;
        }
        match (self, values.first()) {
            (Totals::Numeric(sum), Some(Datum::Numeric(value))) => sum.add(*value, weight),
            (Totals::Numeric(_), _) => {}
            (Totals::Whole(count, sum), value) => {
                let value = match value {
                    Some(Datum::Int(value)) => i128::from(*value),
                    Some(Datum::UInt(value)) => i128::from(*value),
                    Some(Datum::Bool(value)) => i128::from(*value),
                    // Counted only.
                    _ => 0,
                };
                *count += weight;
                // Wrapping, so that taking rows back undoes it; 128 bits hold the sum of the rows that remain.
                *sum = sum.wrapping_add(value.wrapping_mul(i128::from(weight)));
            }
        }
    }

    pub(crate) fn value<'a>(&self, function: &Function, scratch: &'a Scratch) -> Result<Datum<'a>> {
        use Function as F;
        let (count, sum) = match self {
            Totals::Whole(count, sum) => (*count, *sum),
            Totals::Numeric(sum) if sum.count() == 0 => return Ok(Datum::Null),
            Totals::Numeric(sum) => {
                let value = if matches!(function, F::AvgNumeric) { sum.mean()? } else { sum.sum()? };
                return Ok(Datum::Numeric(value.into_scratch(scratch)));
            }
        };
        if matches!(function, F::Count) {
            return Ok(Datum::Int(count));
        }
        if count == 0 {
            return Ok(Datum::Null);
        }
        let out_of_range = |name: &str| SqlError::new(b"22003", format!("{name} out of range"));
        Ok(match function {
            F::SumInt => Datum::Int(i64::try_from(sum).map_err(|_| out_of_range("bigint"))?),
            F::SumUInt => Datum::UInt(u64::try_from(sum).map_err(|_| out_of_range("uint8"))?),
            F::SumWhole => Datum::Numeric(Numeric::integer(sum)),
            F::AvgWhole => Datum::Numeric(Numeric::integer(sum).div(Numeric::integer(count))?.into_scratch(scratch)),
            F::BoolAnd => Datum::Bool(sum == i128::from(count)),
            F::BoolOr => Datum::Bool(sum > 0),
            _ => return Err(SqlError::new(b"XX000", "this aggregate keeps no totals")),
        })
    }
}

/// Hands the arguments of a group's rows to `take`, in order; of rows that count once the first.
fn each<'a>(
    aggregate: &Aggregate,
    rows: impl Iterator<Item = (RowRef<'a>, Weight)>,
    scratch: &'a Scratch,
    mut take: impl FnMut(&[Datum<'a>], Weight) -> Result<()>,
) -> Result<()> {
    let mut seen: FxHashSet<Vec<u8>> = FxHashSet::default();
    for (row, weight) in rows {
        let Some(values) = values(aggregate, row, scratch)? else { continue };
        if aggregate.distinct {
            let mut bytes = Vec::new();
            values.iter().zip(&aggregate.types).for_each(|(value, ty)| key(&ty.ty, value, &mut bytes));
            if seen.insert(bytes) {
                take(&values, 1)?;
            }
        } else {
            take(&values, weight)?;
        }
    }
    Ok(())
}

/// Computes one aggregate over a group's rows in order.
pub(crate) fn over_rows<'a>(
    aggregate: &Aggregate,
    rows: impl Iterator<Item = (RowRef<'a>, Weight)>,
    scratch: &'a Scratch,
) -> Result<Datum<'a>> {
    if let Function::Fold(fold) = &aggregate.function {
        let mut fold = fold.start()?;
        each(aggregate, rows, scratch, |values, weight| {
            if weight > REPEATED_MAX {
                return Err(SqlError::new(b"54000", "a row occurs too often to be aggregated one by one"));
            }
            (0..weight).try_for_each(|_| fold.add(values))
        })?;
        return fold.finish(scratch);
    }
    let mut totals = Totals::new(&aggregate.function);
    each(aggregate, rows, scratch, |values, weight| {
        totals.add(values, weight);
        Ok(())
    })?;
    totals.value(&aggregate.function, scratch)
}

/// As often an equal row is folded: it takes a second or so.
const REPEATED_MAX: Weight = 1 << 26;

/// Joins the texts of a group's rows right into the output row.
pub(crate) fn write_joined<'a>(
    aggregate: &Aggregate,
    rows: impl Iterator<Item = (RowRef<'a>, Weight)>,
    column: usize,
    builder: &mut RowBuilder,
    scratch: &'a Scratch,
) -> Result<()> {
    let start = builder.begin_tail();
    let mut any = false;
    let joined = each(aggregate, rows, scratch, |values, weight| {
        let [Datum::Text(part) | Datum::Bytes(part), delimiter] = values else { return Ok(()) };
        let delimiter: &[u8] = if let Datum::Text(bytes) | Datum::Bytes(bytes) = delimiter { bytes } else { &[] };
        // Nothing comes of nothing, however often.
        let weight = if part.is_empty() && delimiter.is_empty() { weight.min(1) } else { weight };
        for _ in 0..weight {
            let out = builder.tail_buffer();
            if out.len() - start + delimiter.len() + part.len() > MAX_VALUE {
                return Err(SqlError::new(b"54000", "requested length too large"));
            }
            if std::mem::replace(&mut any, true) {
                out.extend_from_slice(delimiter);
            }
            out.extend_from_slice(part);
        }
        Ok(())
    });
    if any {
        builder.end_tail(column, start);
    }
    joined
}

/// Sets a column of the output row.
pub(crate) fn set(builder: &mut RowBuilder, packing: Packing, column: usize, value: &Datum<'_>) {
    if !value.is_null() {
        packing.set(builder, column, value);
    }
}

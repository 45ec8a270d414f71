//! Aggregates of one group: totals that take rows back, and results computed from the group's rows.

use delta::{Datum, Kind, RowBuilder, RowRef, Weight};

use crate::expr::{EvalError, Expr, Scratch};
use crate::index::OrderColumn;

/// What an aggregate computes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Function {
    /// `count(*)`; with an argument, of its non-null values.
    Count,
    /// Sum of signed integers; an error where it leaves 64 bits.
    SumInt,
    /// Sum of unsigned integers; an error where it leaves 64 bits.
    SumUInt,
    /// Sum of decimals; an error where it leaves the digits given.
    SumDecimal {
        /// Digits of the result.
        precision: u8,
    },
    /// Sum of floats, added in the order of the group.
    SumFloat,
    /// Average of floats.
    AvgFloat,
    /// Average of decimals, cut to the result's scale.
    AvgDecimal {
        /// Scale of the result minus scale of the argument.
        scale_up: u32,
    },
    /// Whether all values are true.
    BoolAnd,
    /// Whether a value is true.
    BoolOr,
    /// Texts joined by a delimiter, in the group's order.
    StringAgg(String),
    /// List of the values, NULLs included, in the group's order.
    ArrayAgg,
    /// The value of the first row in the group's order, be it NULL: ordered by itself, NULLs last, the least or greatest value.
    First,
}

/// One aggregate of a reduce.
#[derive(Debug, Clone)]
pub struct Aggregate {
    /// What it computes.
    pub function: Function,
    /// Its argument over a row of the input; `None` for `count(*)`.
    pub argument: Option<Expr>,
    /// Kind of the argument.
    pub kind: Kind,
    /// FILTER (WHERE …).
    pub filter: Option<Expr>,
    /// Whether equal values count once.
    pub distinct: bool,
    /// Order in which it takes the rows of a group.
    pub order: Vec<OrderColumn>,
}

impl Function {
    /// Whether it can take a row back.
    pub(crate) fn takes_back(&self) -> bool {
        use Function as F;
        matches!(
            self,
            F::Count | F::SumInt | F::SumUInt | F::SumDecimal { .. } | F::AvgDecimal { .. } | F::BoolAnd | F::BoolOr
        )
    }
}

/// Running totals of one aggregate in one group.
#[derive(Debug, Clone, Default)]
pub(crate) struct Totals {
    /// Values that are not NULL.
    count: Weight,
    /// Their sum; of truth values, the number of true ones.
    sum: i128,
}

/// The aggregate's value for a row, or `None` where the filter drops it. `count(*)` counts a true.
pub(crate) fn value<'a>(
    aggregate: &Aggregate,
    row: RowRef<'a>,
    scratch: &'a Scratch,
) -> Result<Option<Datum<'a>>, EvalError> {
    let tuple: &'a [RowRef<'a>] = scratch.alloc_slice_copy(&[row]);
    if let Some(filter) = &aggregate.filter
        && !matches!(filter.eval(tuple, scratch)?, Datum::Bool(true))
    {
        return Ok(None);
    }
    let value = aggregate.argument.as_ref().map_or(Ok(Datum::Bool(true)), |argument| argument.eval(tuple, scratch))?;
    Ok(Some(value))
}

fn out_of_range() -> EvalError {
    EvalError::new(b"22003", "sum out of range")
}

impl Totals {
    pub(crate) fn add(&mut self, value: Datum<'_>, weight: Weight) {
        let value = match value {
            Datum::Null => return,
            Datum::Int(value) => i128::from(value),
            Datum::UInt(value) => i128::from(value),
            Datum::Decimal(value) => value,
            Datum::Bool(value) => i128::from(value),
            // Counted only.
            _ => 0,
        };
        self.count += weight;
        // Wrapping, so that taking rows back undoes it; the sum of the rows that remain is checked when written.
        self.sum = self.sum.wrapping_add(value.wrapping_mul(i128::from(weight)));
    }

    pub(crate) fn write(&self, function: &Function, column: usize, builder: &mut RowBuilder) -> Result<(), EvalError> {
        use Function as F;
        if matches!(function, F::Count) {
            builder.set_int(column, self.count);
            return Ok(());
        }
        if self.count == 0 {
            return Ok(());
        }
        match function {
            F::SumInt => builder.set_int(column, i64::try_from(self.sum).map_err(|_| out_of_range())?),
            F::SumUInt => {
                builder.set(column, Datum::UInt(u64::try_from(self.sum).map_err(|_| out_of_range())?));
            }
            F::SumDecimal { precision } => {
                let limit = 10_i128.checked_pow(u32::from(*precision)).unwrap_or(i128::MAX);
                if self.sum.checked_abs().is_none_or(|sum| sum >= limit) {
                    return Err(out_of_range());
                }
                builder.set_decimal(column, self.sum);
            }
            F::AvgDecimal { scale_up } => {
                let sum = 10_i128.checked_pow(*scale_up).and_then(|scale| self.sum.checked_mul(scale));
                builder.set_decimal(column, sum.ok_or_else(out_of_range)? / i128::from(self.count));
            }
            F::BoolAnd => builder.set(column, Datum::Bool(self.sum == i128::from(self.count))),
            F::BoolOr => builder.set(column, Datum::Bool(self.sum > 0)),
            _ => unreachable!("only functions that take rows back keep totals"),
        }
        Ok(())
    }
}

/// Computes one aggregate over a group's rows in order.
pub(crate) fn write_aggregate(
    aggregate: &Aggregate,
    rows: &[(RowRef<'_>, Weight)],
    column: usize,
    builder: &mut RowBuilder,
    scratch: &Scratch,
) -> Result<(), EvalError> {
    let mut values = Vec::with_capacity(rows.len());
    for (row, weight) in rows {
        if let Some(value) = value(aggregate, *row, scratch)? {
            values.push((value, *weight));
        }
    }
    if aggregate.distinct {
        keep_distinct(&mut values, &aggregate.kind);
    }
    let kind = &aggregate.kind;
    match &aggregate.function {
        Function::ArrayAgg => write_list(&values, kind, column, builder),
        Function::StringAgg(delimiter) => write_joined(&values, delimiter, column, builder),
        Function::SumFloat | Function::AvgFloat => {
            let floats =
                || values.iter().filter_map(|(v, w)| if let Datum::Float(v) = v { Some((*v, *w)) } else { None });
            let count: Weight = floats().map(|(_, weight)| weight).sum();
            if count > 0 {
                let sum: f64 = floats().map(|(value, weight)| value * weight as f64).sum();
                let average = aggregate.function == Function::AvgFloat;
                builder.set_float(column, if average { sum / count as f64 } else { sum });
            }
        }
        function => {
            let mut totals = Totals::default();
            values.iter().for_each(|(value, weight)| totals.add(*value, *weight));
            totals.write(function, column, builder)?;
        }
    }
    Ok(())
}

/// Keeps the first of equal values, with weight one, in the order in which they first appear.
fn keep_distinct(values: &mut Vec<(Datum<'_>, Weight)>, kind: &Kind) {
    let mut numbers: Vec<usize> = (0..values.len()).collect();
    numbers.sort_by(|&a, &b| values[a].0.compare(&values[b].0, kind));
    let same = |a: usize, b: usize| values[a].0.compare(&values[b].0, kind).is_eq();
    let mut first: Vec<usize> = numbers.chunk_by(|&a, &b| same(a, b)).map(|equal| equal[0]).collect();
    first.sort_unstable();
    *values = first.into_iter().map(|number| (values[number].0, 1)).collect();
}

fn write_list(values: &[(Datum<'_>, Weight)], kind: &Kind, column: usize, builder: &mut RowBuilder) {
    let mut elements = Vec::with_capacity(values.len());
    for (value, weight) in values {
        elements.extend(std::iter::repeat_n(*value, *weight as usize));
    }
    if elements.is_empty() {
        return;
    }
    let mut list = RowBuilder::new(vec![kind.clone(); elements.len()]);
    for (number, element) in elements.into_iter().enumerate() {
        list.set(number, element);
    }
    builder.set_tail(column, list.finish().bytes());
}

fn write_joined(values: &[(Datum<'_>, Weight)], delimiter: &str, column: usize, builder: &mut RowBuilder) {
    let start = builder.begin_tail();
    let mut any = false;
    for (value, weight) in values {
        let Datum::Text(text) = value else { continue };
        for _ in 0..*weight {
            if std::mem::replace(&mut any, true) {
                builder.tail_buffer().extend_from_slice(delimiter.as_bytes());
            }
            builder.tail_buffer().extend_from_slice(text);
        }
    }
    if any {
        builder.end_tail(column, start);
    }
}

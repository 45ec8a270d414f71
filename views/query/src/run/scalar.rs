//! From a bound scalar to a compiled expression. What a row does not need is not evaluated.

use std::sync::Arc;

use tidewater_functions::{Argument, Session, cast};
use tidewater_types::{ArrayRef, Datum, Expr, RecordRef, Result, Scratch, SqlError, Tuple, Type};

use super::cell::{self, Types};
use super::layout::Layout;
use super::quick::{Number, Quick};
use crate::constant;
use crate::plan::{Call, Case, Constant, FunctionRef, Quantified, Scalar, Subscript, SubscriptPart, Test};

/// What compiling needs.
#[derive(Clone, Copy)]
pub(crate) struct Compiler<'a> {
    pub(crate) session: &'a Arc<Session>,
    /// Values of `$1`, ….
    pub(crate) parameters: &'a [Constant],
}

impl Compiler<'_> {
    pub(crate) fn all<'s>(self, scalars: impl IntoIterator<Item = &'s Scalar>, layout: &Layout) -> Result<Vec<Expr>> {
        scalars.into_iter().map(|scalar| self.scalar(scalar, layout)).collect()
    }

    /// The value of a scalar that reads no row and is cheap to have; none where it fails, which a row that needs it will tell.
    pub(crate) fn constant(self, scalar: &Scalar) -> Option<Constant> {
        if let Scalar::Literal(constant) = scalar {
            return Some(constant.clone());
        }
        if !is_constant(scalar) || scalar.any(&mut |inner| !is_cheap(inner)) {
            return None;
        }
        let expr = self.general(scalar, &Layout::default()).ok()?;
        let scratch = Scratch::new();
        let value = expr.eval(&[], &scratch).ok()?;
        Some(Constant::new(&value, scalar.ty()))
    }

    /// The expression that computes `scalar` over tuples of `layout`.
    pub(crate) fn scalar(self, scalar: &Scalar, layout: &Layout) -> Result<Expr> {
        let computed = matches!(scalar, Scalar::Call(_) | Scalar::Cast(_));
        if computed && let Some(constant) = self.constant(scalar) {
            return Ok(constant::expr(&constant));
        }
        let general = self.general(scalar, layout)?;
        match scalar {
            Scalar::Call(_) => Ok(match Number::of(scalar, layout, self) {
                Some(number) => number.expr(general),
                None => general,
            }),
            _ => Ok(general),
        }
    }

    /// [`Compiler::scalar`], without a quicker way for some.
    pub(crate) fn general(self, scalar: &Scalar, layout: &Layout) -> Result<Expr> {
        let inner = |scalar: &Scalar| self.scalar(scalar, layout);
        Ok(match scalar {
            Scalar::Column(id, _) => layout.read(*id)?,
            Scalar::Literal(literal) => constant::expr(literal),
            Scalar::Parameter(number, ty) => {
                let missing = || SqlError::new(b"42P02", format!("there is no parameter ${number}"));
                let value = self.parameters.get(*number as usize - 1).ok_or_else(missing)?;
                constant::expr(&constant::convert(value, ty, false, self.session)?)
            }
            Scalar::Call(call) => self.call(call, layout)?,
            Scalar::Cast(written) => {
                let from = written.input.ty();
                let found = cast(&from.ty, &written.ty.ty).ok_or_else(|| {
                    SqlError::new(b"42846", format!("cannot cast type {} to {}", from.ty, written.ty.ty))
                })?;
                let argument = self.argument(&written.input, layout)?;
                found.compile(argument, &written.ty, written.explicit, self.session)?
            }
            Scalar::And(parts) => and(self.all(parts, layout)?),
            Scalar::Or(parts) => or(self.all(parts, layout)?),
            Scalar::Not(part) => {
                let part = inner(part)?;
                Expr::new(move |tuple, scratch| {
                    Ok(match part.eval(tuple, scratch)? {
                        Datum::Bool(value) => Datum::Bool(!value),
                        other => other,
                    })
                })
            }
            Scalar::Is(test, part) => is(*test, inner(part)?),
            Scalar::Distinct(a, b) => distinct(inner(a)?, inner(b)?, a.ty().ty),
            Scalar::Case(written) => self.case(written, layout)?,
            Scalar::Coalesce(parts) => {
                let parts = self.all(parts, layout)?;
                Expr::new(move |tuple, scratch| {
                    for part in &parts {
                        let value = part.eval(tuple, scratch)?;
                        if !value.is_null() {
                            return Ok(value);
                        }
                    }
                    Ok(Datum::Null)
                })
            }
            Scalar::NullIf(test, value) => {
                let (test, value) = (inner(test)?, inner(value)?);
                Expr::new(move |tuple, scratch| match test.eval(tuple, scratch)? {
                    Datum::Bool(true) => Ok(Datum::Null),
                    _ => value.eval(tuple, scratch),
                })
            }
            Scalar::Extreme(greatest, parts) => extreme(*greatest, self.all(parts, layout)?, scalar.ty().ty),
            Scalar::Array(parts, ty, nested) => array(self.all(parts, layout)?, ty.ty.clone(), *nested),
            Scalar::Row(parts, _) => {
                let parts = self.all(parts, layout)?;
                Expr::new(move |tuple, scratch| {
                    let values = values(&parts, tuple, scratch)?;
                    Ok(Datum::Record(RecordRef::build(scratch, &values)?))
                })
            }
            Scalar::Field(part, at, _) => {
                let (part, at) = (inner(part)?, *at);
                Expr::new(move |tuple, scratch| {
                    Ok(match part.eval(tuple, scratch)? {
                        Datum::Record(record) if at < record.len() => record.get(at),
                        _ => Datum::Null,
                    })
                })
            }
            Scalar::Subscript(written) => self.subscript(written, layout)?,
            Scalar::Quantified(written) => self.quantified(written, layout)?,
            Scalar::Unknown(text, _) => constant::expr(&Constant::new(&Datum::Text(text.as_bytes()), Type::Text)),
            Scalar::Subquery(_) => return Err(SqlError::new(b"XX000", "a subquery is left in an expression")),
        })
    }

    /// A condition of which only the truth counts.
    pub(crate) fn condition(self, scalar: &Scalar, layout: &Layout) -> Result<Condition> {
        if let Some(quick) = Quick::of(scalar, layout, self) {
            return Ok(Condition::Quick(quick));
        }
        Ok(Condition::General(self.scalar(scalar, layout)?))
    }

    /// Conditions that all have to be true, the quick ones first.
    pub(crate) fn conditions<'s>(
        self,
        scalars: impl IntoIterator<Item = &'s Scalar>,
        layout: &Layout,
    ) -> Result<Vec<Condition>> {
        let mut all =
            scalars.into_iter().map(|scalar| self.condition(scalar, layout)).collect::<Result<Vec<Condition>>>()?;
        all.sort_by_key(|condition| matches!(condition, Condition::General(_)));
        Ok(all)
    }

    pub(crate) fn argument(self, scalar: &Scalar, layout: &Layout) -> Result<Argument> {
        Ok(Argument {
            expr: self.scalar(scalar, layout)?,
            ty: scalar.ty(),
            constant: is_constant(scalar),
            variadic: false,
        })
    }

    pub(crate) fn arguments(self, call: &Call, layout: &Layout) -> Result<Vec<Argument>> {
        let mut arguments: Vec<Argument> =
            call.args.iter().map(|arg| self.argument(arg, layout)).collect::<Result<_>>()?;
        if call.array
            && let Some(last) = arguments.last_mut()
        {
            last.variadic = true;
        }
        Ok(arguments)
    }

    fn call(self, call: &Call, layout: &Layout) -> Result<Expr> {
        if let Some(concat) = super::concat::concat(self, call, layout)? {
            return Ok(concat);
        }
        call.function.0.compile(self.arguments(call, layout)?, &call.ty, self.session)
    }

    fn case(self, case: &Case, layout: &Layout) -> Result<Expr> {
        let mut branches = Vec::with_capacity(case.branches.len());
        for (condition, value) in &case.branches {
            branches.push((self.condition(condition, layout)?, self.scalar(value, layout)?));
        }
        let otherwise = self.scalar(&case.otherwise, layout)?;
        Ok(Expr::new(move |tuple, scratch| {
            for (condition, value) in &branches {
                if condition.is_true(tuple, scratch)? {
                    return value.eval(tuple, scratch);
                }
            }
            otherwise.eval(tuple, scratch)
        }))
    }

    fn subscript(self, subscript: &Subscript, layout: &Layout) -> Result<Expr> {
        let base = self.scalar(&subscript.base, layout)?;
        let mut bounds = Vec::with_capacity(subscript.parts.len());
        let mut sliced = false;
        for part in &subscript.parts {
            bounds.push(match part {
                SubscriptPart::Index(index) => (None, Some(self.scalar(index, layout)?)),
                SubscriptPart::Slice(from, to) => {
                    sliced = true;
                    let from = from.as_ref().map(|from| self.scalar(from, layout)).transpose()?;
                    (from, to.as_ref().map(|to| self.scalar(to, layout)).transpose()?)
                }
            });
        }
        if sliced { Ok(slice(base, bounds)) } else { Ok(element(base, bounds)) }
    }

    /// The operator over every element, as a function of two values that lie beside each other.
    fn quantified(self, quantified: &Quantified, layout: &Layout) -> Result<Expr> {
        let left = self.scalar(&quantified.left, layout)?;
        let array = self.scalar(&quantified.array, layout)?;
        let (left_type, element) = (quantified.left.ty(), quantified.element.clone());
        let types: Types = vec![left_type.clone(), element.clone()].into();
        let pair = pair_layout(types.clone());
        let sides = [Argument::new(pair.0, left_type), Argument::new(pair.1, element)];
        let FunctionRef(function) = quantified.function;
        let test = function.compile(sides.to_vec(), &Type::Bool.into(), self.session)?;
        let all = quantified.all;
        Ok(Expr::new(move |tuple, scratch| {
            let array = match array.eval(tuple, scratch)? {
                Datum::Array(array) => array,
                _ => return Ok(Datum::Null),
            };
            let value = left.eval(tuple, scratch)?;
            let mut packer = cell::Packer::new(&types);
            let mut seen_null = false;
            for element in array.iter() {
                let row: &[_] = scratch.alloc_slice_copy(&[packer.pack(&[value, element], scratch)]);
                match test.eval(row, scratch)? {
                    Datum::Bool(found) if found != all => return Ok(Datum::Bool(found)),
                    Datum::Bool(_) => {}
                    _ => seen_null = true,
                }
            }
            Ok(if seen_null { Datum::Null } else { Datum::Bool(all) })
        }))
    }
}

/// A compiled condition.
pub(crate) enum Condition {
    Quick(Quick),
    General(Expr),
}

impl Condition {
    /// Whether it is true: neither false nor NULL.
    #[inline]
    pub(crate) fn is_true<'a>(&self, tuple: Tuple<'a>, scratch: &'a Scratch) -> Result<bool> {
        match self {
            Condition::Quick(quick) => quick.is_true(tuple, scratch),
            Condition::General(expr) => Ok(matches!(expr.eval(tuple, scratch)?, Datum::Bool(true))),
        }
    }
}

/// Whether a scalar is computed at once and gives a value of few bytes, so that it may be computed though no row asks for it.
fn is_cheap(scalar: &Scalar) -> bool {
    match scalar {
        Scalar::Literal(_) | Scalar::Parameter(..) => true,
        Scalar::Call(call) if !STEPS.contains(&call.function.0.name) => false,
        Scalar::Call(call) => is_short(&call.ty.ty) && call.args.iter().all(|arg| is_short(&arg.ty().ty)),
        Scalar::Cast(cast) => is_short(&cast.ty.ty) && is_short(&cast.input.ty().ty),
        _ => false,
    }
}

/// Operators that take as long for any values.
const STEPS: [&str; 10] = ["+", "-", "*", "/", "=", "<>", "<", "<=", ">", ">="];

/// Types whose values take few bytes; a numeric's may be many, but arithmetic makes no more of them than it is given.
fn is_short(ty: &Type) -> bool {
    matches!(
        ty,
        Type::Bool
            | Type::Int2
            | Type::Int4
            | Type::Int8
            | Type::Float4
            | Type::Float8
            | Type::Numeric
            | Type::Date
            | Type::Time
            | Type::Timestamp
            | Type::TimestampTz
            | Type::Interval
            | Type::Uuid
    )
}

/// Expressions that read the two columns of a row.
fn pair_layout(types: Types) -> (Expr, Expr) {
    let read = |i: usize| {
        let ty = types[i].clone();
        Expr::new(move |tuple, _| Ok(cell::unpack(tuple[0], i, &ty)))
    };
    (read(0), read(1))
}

/// Whether a scalar has the same value for every row.
pub(crate) fn is_constant(scalar: &Scalar) -> bool {
    let varies = |scalar: &Scalar| match scalar {
        Scalar::Column(..) | Scalar::Subquery(_) => true,
        Scalar::Call(call) => call.function.0.volatility == tidewater_functions::Volatility::Volatile,
        _ => false,
    };
    !scalar.any(&mut |scalar| varies(scalar))
}

fn values<'a>(parts: &[Expr], tuple: Tuple<'a>, scratch: &'a Scratch) -> Result<Vec<Datum<'a>>> {
    parts.iter().map(|part| part.eval(tuple, scratch)).collect()
}

fn and(parts: Vec<Expr>) -> Expr {
    Expr::new(move |tuple, scratch| {
        let mut result = Datum::Bool(true);
        for part in &parts {
            match part.eval(tuple, scratch)? {
                Datum::Bool(true) => {}
                Datum::Bool(false) => return Ok(Datum::Bool(false)),
                _ => result = Datum::Null,
            }
        }
        Ok(result)
    })
}

fn or(parts: Vec<Expr>) -> Expr {
    Expr::new(move |tuple, scratch| {
        let mut result = Datum::Bool(false);
        for part in &parts {
            match part.eval(tuple, scratch)? {
                Datum::Bool(false) => {}
                Datum::Bool(true) => return Ok(Datum::Bool(true)),
                _ => result = Datum::Null,
            }
        }
        Ok(result)
    })
}

fn is(test: Test, part: Expr) -> Expr {
    Expr::new(move |tuple, scratch| {
        let value = part.eval(tuple, scratch)?;
        Ok(Datum::Bool(match (test, value) {
            (Test::Null, Datum::Record(record)) => record.iter().all(|field| field.is_null()),
            (Test::NotNull, Datum::Record(record)) => record.iter().all(|field| !field.is_null()),
            (Test::Null, value) => value.is_null(),
            (Test::NotNull, value) => !value.is_null(),
            (Test::True, value) => matches!(value, Datum::Bool(true)),
            (Test::False, value) => matches!(value, Datum::Bool(false)),
            (Test::NotTrue, value) => !matches!(value, Datum::Bool(true)),
            (Test::NotFalse, value) => !matches!(value, Datum::Bool(false)),
        }))
    })
}

fn distinct(a: Expr, b: Expr, ty: Type) -> Expr {
    Expr::new(move |tuple, scratch| {
        let (a, b) = (a.eval(tuple, scratch)?, b.eval(tuple, scratch)?);
        Ok(Datum::Bool(match (a.is_null(), b.is_null()) {
            (true, true) => false,
            (false, false) => tidewater_types::compare(&ty, &a, &b).is_ne(),
            _ => true,
        }))
    })
}

fn extreme(greatest: bool, parts: Vec<Expr>, ty: Type) -> Expr {
    Expr::new(move |tuple, scratch| {
        let mut best = Datum::Null;
        for part in &parts {
            let value = part.eval(tuple, scratch)?;
            if value.is_null() {
                continue;
            }
            let better = best.is_null() || {
                let order = tidewater_types::compare(&ty, &value, &best);
                if greatest { order.is_gt() } else { order.is_lt() }
            };
            if better {
                best = value;
            }
        }
        Ok(best)
    })
}

fn array(parts: Vec<Expr>, ty: Type, nested: bool) -> Expr {
    Expr::new(move |tuple, scratch| {
        let values = values(&parts, tuple, scratch)?;
        if let Type::List(_) = ty {
            return Ok(Datum::List(tidewater_types::ListRef::build(scratch, &values)?));
        }
        if !nested {
            return Ok(Datum::Array(ArrayRef::vector(scratch, &values)?));
        }
        stacked(&values, scratch)
    })
}

/// Arrays as the elements of an array with one dimension more.
fn stacked<'a>(values: &[Datum<'a>], scratch: &'a Scratch) -> Result<Datum<'a>> {
    let mismatch =
        || SqlError::new(b"2202E", "multidimensional arrays must have array expressions with matching dimensions");
    let mut inner: Option<Vec<tidewater_types::Dimension>> = None;
    let mut elements = Vec::new();
    for value in values {
        let dimensions: Vec<_> = match value {
            Datum::Array(array) => {
                elements.extend(array.iter());
                array.dimensions().collect()
            }
            _ => Vec::new(),
        };
        match &inner {
            Some(known) if *known != dimensions => return Err(mismatch()),
            _ => inner = Some(dimensions),
        }
    }
    let inner = inner.unwrap_or_default();
    if inner.is_empty() {
        return Ok(Datum::Array(ArrayRef::vector(scratch, &[])?));
    }
    let mut dimensions = vec![tidewater_types::Dimension { length: values.len() as i32, lower: 1 }];
    dimensions.extend(inner);
    Ok(Datum::Array(ArrayRef::build(scratch, &dimensions, &elements)?))
}

type Bounds = Vec<(Option<Expr>, Option<Expr>)>;

fn element(base: Expr, bounds: Bounds) -> Expr {
    Expr::new(move |tuple, scratch| {
        let base = base.eval(tuple, scratch)?;
        let mut at = Vec::with_capacity(bounds.len());
        for (_, index) in &bounds {
            let Some(index) = index else { return Ok(Datum::Null) };
            match index.eval(tuple, scratch)? {
                Datum::Int(index) => at.push(index),
                _ => return Ok(Datum::Null),
            }
        }
        Ok(match base {
            Datum::Array(array) => array.at(&at).unwrap_or(Datum::Null),
            Datum::List(list) => list_at(list, &at),
            _ => Datum::Null,
        })
    })
}

fn list_at<'a>(list: tidewater_types::ListRef<'a>, at: &[i64]) -> Datum<'a> {
    let mut value = Datum::List(list);
    for index in at {
        value = match (value, usize::try_from(index - 1)) {
            (Datum::List(list), Ok(index)) if index < list.len() => list.get(index),
            _ => return Datum::Null,
        };
    }
    value
}

/// An array's part: what is outside is not there; the result's lower bounds are 1.
fn slice(base: Expr, bounds: Bounds) -> Expr {
    Expr::new(move |tuple, scratch| {
        let array = match base.eval(tuple, scratch)? {
            Datum::Array(array) => array,
            Datum::Null => return Ok(Datum::Null),
            _ => return Err(crate::bind::unsupported("a slice of this type")),
        };
        let dimensions: Vec<_> = array.dimensions().collect();
        if bounds.len() > dimensions.len() {
            return Ok(Datum::Array(ArrayRef::vector(scratch, &[])?));
        }
        let mut ranges = Vec::with_capacity(dimensions.len());
        for (i, dimension) in dimensions.iter().enumerate() {
            let (first, last) =
                (i64::from(dimension.lower), i64::from(dimension.lower) + i64::from(dimension.length) - 1);
            let limit = |expr: Option<&Expr>, otherwise: i64| -> Result<Option<i64>> {
                match expr {
                    None => Ok(Some(otherwise)),
                    Some(expr) => Ok(expr.eval(tuple, scratch)?.as_int()),
                }
            };
            let (from, to) = bounds.get(i).map_or((None, None), |(from, to)| (from.as_ref(), to.as_ref()));
            let (Some(from), Some(to)) = (limit(from, first)?, limit(to, last)?) else { return Ok(Datum::Null) };
            ranges.push((from.max(first), to.min(last)));
        }
        if ranges.iter().any(|(from, to)| from > to) {
            return Ok(Datum::Array(ArrayRef::vector(scratch, &[])?));
        }
        let mut elements = Vec::new();
        let mut at: Vec<i64> = ranges.iter().map(|(from, _)| *from).collect();
        loop {
            elements.push(array.at(&at).unwrap_or(Datum::Null));
            // The next place, the last dimension fastest.
            let Some(moving) = (0..at.len()).rev().find(|&i| at[i] < ranges[i].1) else { break };
            at[moving] += 1;
            at[moving + 1..].iter_mut().zip(&ranges[moving + 1..]).for_each(|(at, (from, _))| *at = *from);
        }
        let shape: Vec<_> = ranges
            .iter()
            .map(|(from, to)| tidewater_types::Dimension { length: (to - from + 1) as i32, lower: 1 })
            .collect();
        Ok(Datum::Array(ArrayRef::build(scratch, &shape, &elements)?))
    })
}

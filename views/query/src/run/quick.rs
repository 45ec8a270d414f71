//! Conditions and numbers that are read from a row's slots, without a value being made of every step.
//!
//! What a filter asks is nearly always a column beside a constant, and what a sum adds is nearly always a product of short decimals.
//! Those have a way of their own here; it gives what the general one does, which stays the way of everything else.

use std::cmp::Ordering;

use tidewater_delta::RowRef;
use tidewater_types::time::{DAY, is_infinite};
use tidewater_types::{Datum, Expr, Numeric, Packing, Result, Scratch, Tuple, Type};

use super::layout::Layout;
use super::like::Like;
use super::scalar::Compiler;
use crate::plan::{Call, Constant, Scalar, Test};

type Condition = dyn for<'a> Fn(Tuple<'a>, &'a Scratch) -> Result<bool> + Send + Sync;

/// Whether a condition is true.
pub(crate) struct Quick(Box<Condition>);

/// A place in a tuple: input, column, and how the column is packed.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub(crate) input: usize,
    pub(crate) column: usize,
    pub(crate) packing: Packing,
}

impl Place {
    /// The column that a scalar is, seen through casts that leave it packed as it is.
    pub(crate) fn of(scalar: &Scalar, layout: &Layout) -> Option<Place> {
        match scalar {
            Scalar::Column(id, _) => {
                let (input, column) = layout.place(*id).ok()?;
                Some(Place { input, column, packing: Packing::of(&layout.inputs[input][column]) })
            }
            Scalar::Cast(cast) if cast.ty.modifier < 0 && stays(&cast.input.ty().ty, &cast.ty.ty) => {
                Place::of(&cast.input, layout)
            }
            _ => None,
        }
    }

    #[inline]
    fn row<'a>(self, tuple: Tuple<'a>) -> Option<RowRef<'a>> {
        let row = tuple[self.input];
        if row.is_null(self.column) { None } else { Some(row) }
    }

    #[inline]
    pub(crate) fn int(self, tuple: Tuple<'_>) -> Option<i64> {
        self.row(tuple).map(|row| row.slot(self.column) as i64)
    }

    #[inline]
    fn text<'a>(self, tuple: Tuple<'a>) -> Option<&'a [u8]> {
        self.row(tuple).map(|row| row.tail(self.column))
    }
}

/// Whether a cast leaves the packed value as it is.
pub(crate) fn stays(from: &Type, to: &Type) -> bool {
    matches!((from, to), (Type::Varchar, Type::Text) | (Type::Int2, Type::Int4 | Type::Int8) | (Type::Int4, Type::Int8))
}

fn is_whole(ty: &Type) -> bool {
    matches!(ty, Type::Int2 | Type::Int4 | Type::Int8)
}

/// Types of which values are compared as their slots are.
pub(crate) fn by_slot(a: &Type, b: &Type) -> bool {
    let plain = matches!(a, Type::Date | Type::Time | Type::Timestamp | Type::TimestampTz | Type::Oid);
    is_whole(a) && is_whole(b) || plain && a == b
}

fn holds(operator: &str) -> Option<fn(Ordering) -> bool> {
    Some(match operator {
        "=" => Ordering::is_eq,
        "<>" => Ordering::is_ne,
        "<" => Ordering::is_lt,
        "<=" => Ordering::is_le,
        ">" => Ordering::is_gt,
        ">=" => Ordering::is_ge,
        _ => return None,
    })
}

impl Quick {
    /// The condition, if it has such a way.
    pub(crate) fn of(scalar: &Scalar, layout: &Layout, compiler: Compiler<'_>) -> Option<Quick> {
        match scalar {
            Scalar::And(parts) => {
                let parts = parts.iter().map(|part| Quick::of(part, layout, compiler)).collect::<Option<Vec<_>>>()?;
                Some(Quick(Box::new(move |tuple, scratch| {
                    for part in &parts {
                        if !part.is_true(tuple, scratch)? {
                            return Ok(false);
                        }
                    }
                    Ok(true)
                })))
            }
            Scalar::Or(parts) => one_of(parts, layout, compiler).or_else(|| any(parts, layout, compiler)),
            Scalar::Is(Test::Null, inner) => {
                let place = column(inner, layout)?;
                Some(Quick(Box::new(move |tuple, _| Ok(place.row(tuple).is_none()))))
            }
            Scalar::Is(Test::NotNull, inner) => {
                let place = column(inner, layout)?;
                Some(Quick(Box::new(move |tuple, _| Ok(place.row(tuple).is_some()))))
            }
            Scalar::Call(call) => called(call, layout, compiler),
            _ => None,
        }
    }

    /// Whether it is true of a tuple: neither false nor NULL.
    #[inline]
    pub(crate) fn is_true<'a>(&self, tuple: Tuple<'a>, scratch: &'a Scratch) -> Result<bool> {
        (self.0)(tuple, scratch)
    }

    fn on<F: Fn(Tuple<'_>) -> bool + Send + Sync + 'static>(test: F) -> Option<Quick> {
        Some(Quick(Box::new(move |tuple, _| Ok(test(tuple)))))
    }
}

/// A column that is no row: whether a row is NULL depends on its fields.
fn column(scalar: &Scalar, layout: &Layout) -> Option<Place> {
    Place::of(scalar, layout).filter(|place| place.packing != Packing::Record)
}

fn any(parts: &[Scalar], layout: &Layout, compiler: Compiler<'_>) -> Option<Quick> {
    let parts = parts.iter().map(|part| Quick::of(part, layout, compiler)).collect::<Option<Vec<_>>>()?;
    Some(Quick(Box::new(move |tuple, scratch| {
        for part in &parts {
            if part.is_true(tuple, scratch)? {
                return Ok(true);
            }
        }
        Ok(false)
    })))
}

/// A text column that equals one of some constants.
fn one_of(parts: &[Scalar], layout: &Layout, compiler: Compiler<'_>) -> Option<Quick> {
    let mut place: Option<Place> = None;
    let mut texts = Vec::with_capacity(parts.len());
    for part in parts {
        let (a, b) = crate::plan::equality(part)?;
        let own = Place::of(a, layout)?;
        if a.ty().ty != Type::Text || own.packing != Packing::Text {
            return None;
        }
        if place.is_some_and(|place| (place.input, place.column) != (own.input, own.column)) {
            return None;
        }
        place = Some(own);
        texts.push(text_of(&compiler.constant(b)?)?);
    }
    let place = place?;
    Quick::on(move |tuple| place.text(tuple).is_some_and(|text| texts.iter().any(|one| **one == *text)))
}

fn text_of(constant: &Constant) -> Option<Box<[u8]>> {
    match constant.datum() {
        Datum::Text(text) => Some(text.into()),
        _ => None,
    }
}

fn called(call: &Call, layout: &Layout, compiler: Compiler<'_>) -> Option<Quick> {
    let [a, b] = &call.args[..] else { return None };
    let name = call.function.0.name;
    if name == "~~" || name == "!~~" {
        return like(a, b, name == "!~~", layout, compiler);
    }
    let holds = holds(name)?;
    let flipped = move |order: Ordering| holds(order.reverse());
    if let Some(constant) = compiler.constant(b) {
        return compared(a, &b.ty().ty, &constant, holds, layout).or_else(|| numbers(call, holds, layout, compiler));
    }
    if let Some(constant) = compiler.constant(a) {
        return compared(b, &a.ty().ty, &constant, flipped, layout).or_else(|| numbers(call, holds, layout, compiler));
    }
    let (left, right) = (a.ty().ty, b.ty().ty);
    if left == Type::Numeric && right == Type::Numeric {
        return numbers(call, holds, layout, compiler);
    }
    let (a, b) = (Place::of(a, layout)?, Place::of(b, layout)?);
    if by_slot(&left, &right) {
        return Quick::on(move |tuple| match (a.int(tuple), b.int(tuple)) {
            (Some(a), Some(b)) => holds(a.cmp(&b)),
            _ => false,
        });
    }
    None
}

/// A column beside a constant.
fn compared<F>(column: &Scalar, other: &Type, constant: &Constant, holds: F, layout: &Layout) -> Option<Quick>
where
    F: Fn(Ordering) -> bool + Send + Sync + 'static,
{
    let place = Place::of(column, layout)?;
    let ty = column.ty().ty;
    match (place.packing, constant.datum()) {
        (_, Datum::Null) => Quick::on(|_| false),
        (Packing::Int, Datum::Int(value)) if by_slot(&ty, other) => {
            Quick::on(move |tuple| place.int(tuple).is_some_and(|own| holds(own.cmp(&value))))
        }
        (Packing::Int, Datum::Int(value)) if ty == Type::Date && *other == Type::Timestamp && !is_infinite(value) => {
            let order = move |day: i64| match is_infinite(day) {
                true => day.cmp(&0),
                false => (i128::from(day) * i128::from(DAY)).cmp(&i128::from(value)),
            };
            Quick::on(move |tuple| place.int(tuple).is_some_and(|day| holds(order(day))))
        }
        (Packing::Text, Datum::Text(value)) if ty == Type::Text && *other == Type::Text => {
            let value: Box<[u8]> = value.into();
            Quick::on(move |tuple| place.text(tuple).is_some_and(|text| holds(text.cmp(&value))))
        }
        _ => None,
    }
}

fn like(text: &Scalar, pattern: &Scalar, not: bool, layout: &Layout, compiler: Compiler<'_>) -> Option<Quick> {
    let place = Place::of(text, layout).filter(|place| place.packing == Packing::Text)?;
    if text.ty().ty != Type::Text {
        return None;
    }
    let pattern = Like::new(&text_of(&compiler.constant(pattern)?)?)?;
    Quick::on(move |tuple| place.text(tuple).is_some_and(|text| pattern.matches(text) != not))
}

/// Two numerics.
fn numbers<F>(call: &Call, holds: F, layout: &Layout, compiler: Compiler<'_>) -> Option<Quick>
where
    F: Fn(Ordering) -> bool + Send + Sync + 'static,
{
    let [a, b] = &call.args[..] else { return None };
    let (left, right) = (Number::of(a, layout, compiler)?, Number::of(b, layout, compiler)?);
    let slow = (compiler.general(a, layout).ok()?, compiler.general(b, layout).ok()?);
    Some(Quick(Box::new(move |tuple, scratch| {
        let order = match (left.value(tuple, scratch)?, right.value(tuple, scratch)?) {
            (Value::Null, _) | (_, Value::Null) => return Ok(false),
            (Value::Small(a, x), Value::Small(b, y)) if x == y => a.cmp(&b),
            (Value::Small(a, x), Value::Small(b, y)) => Numeric::Small(a, x).cmp(&Numeric::Small(b, y)),
            _ => match (slow.0.eval(tuple, scratch)?, slow.1.eval(tuple, scratch)?) {
                (Datum::Numeric(a), Datum::Numeric(b)) => a.cmp(&b),
                _ => return Ok(false),
            },
        };
        Ok(holds(order))
    })))
}

/// What a number is.
#[derive(Clone, Copy)]
pub(crate) enum Value {
    /// NULL.
    Null,
    /// Digits, and how many of them stand after the point.
    Small(i128, u16),
    /// What only the general way computes: NaN, infinity, more than 128 bits.
    Other,
}

type Computed = dyn for<'a> Fn(Tuple<'a>, &'a Scratch) -> Result<Value> + Send + Sync;

/// An expression of type numeric.
pub(crate) struct Number(Box<Computed>);

impl Number {
    /// The expression, if it has such a way.
    pub(crate) fn of(scalar: &Scalar, layout: &Layout, compiler: Compiler<'_>) -> Option<Number> {
        if scalar.ty().ty != Type::Numeric {
            return None;
        }
        if let Some(constant) = compiler.constant(scalar) {
            let value = small(constant.datum());
            return matches!(value, Value::Small(..)).then(|| Number(Box::new(move |_, _| Ok(value))));
        }
        match scalar {
            Scalar::Column(..) => {
                let place = Place::of(scalar, layout)?;
                Some(match place.packing {
                    Packing::Decimal(_) | Packing::Numeric => Number(Box::new(move |tuple, _| {
                        Ok(place.row(tuple).map_or(Value::Null, |row| small(place.packing.get(row, place.column))))
                    })),
                    _ => return None,
                })
            }
            Scalar::Cast(cast) if cast.ty.modifier < 0 && is_whole(&cast.input.ty().ty) => {
                let place = Place::of(&cast.input, layout)?;
                Some(Number(Box::new(move |tuple, _| {
                    Ok(place.int(tuple).map_or(Value::Null, |value| Value::Small(value.into(), 0)))
                })))
            }
            Scalar::Call(call) => arithmetic(call, layout, compiler),
            _ => None,
        }
    }

    #[inline]
    pub(crate) fn value<'a>(&self, tuple: Tuple<'a>, scratch: &'a Scratch) -> Result<Value> {
        (self.0)(tuple, scratch)
    }

    /// As an expression; `slow` computes what this does not.
    pub(crate) fn expr(self, slow: Expr) -> Expr {
        Expr::new(move |tuple, scratch| match self.value(tuple, scratch)? {
            Value::Null => Ok(Datum::Null),
            Value::Small(digits, scale) => Ok(Datum::Numeric(Numeric::Small(digits, scale))),
            Value::Other => slow.eval(tuple, scratch),
        })
    }
}

#[inline]
fn small(datum: Datum<'_>) -> Value {
    match datum {
        Datum::Null => Value::Null,
        Datum::Numeric(Numeric::Small(digits, scale)) => Value::Small(digits, scale),
        _ => Value::Other,
    }
}

/// Digits and scale of two numbers to those of a third, if 128 bits hold them.
type Step = fn(i128, u16, i128, u16) -> Option<(i128, u16)>;

fn arithmetic(call: &Call, layout: &Layout, compiler: Compiler<'_>) -> Option<Number> {
    let [a, b] = &call.args[..] else { return None };
    let of: Step = match call.function.0.name {
        "+" => |a, x, b, y| aligned(a, x, b, y).and_then(|(a, b, scale)| Some((a.checked_add(b)?, scale))),
        "-" => |a, x, b, y| aligned(a, x, b, y).and_then(|(a, b, scale)| Some((a.checked_sub(b)?, scale))),
        "*" => |a, x, b, y| Some((product(a, b)?, x.checked_add(y).filter(|scale| *scale < SCALE_MAX)?)),
        _ => return None,
    };
    let (a, b) = (Number::of(a, layout, compiler)?, Number::of(b, layout, compiler)?);
    Some(Number(Box::new(move |tuple, scratch| {
        Ok(match (a.value(tuple, scratch)?, b.value(tuple, scratch)?) {
            (Value::Null, _) | (_, Value::Null) => Value::Null,
            (Value::Small(a, x), Value::Small(b, y)) => {
                of(a, x, b, y).map_or(Value::Other, |(digits, scale)| Value::Small(digits, scale))
            }
            _ => Value::Other,
        })
    })))
}

/// Scales from here on are left to the general way, which knows how they are rounded.
const SCALE_MAX: u16 = 1000;

#[inline]
fn product(a: i128, b: i128) -> Option<i128> {
    match (i64::try_from(a), i64::try_from(b)) {
        (Ok(a), Ok(b)) => Some(i128::from(a) * i128::from(b)),
        _ => a.checked_mul(b),
    }
}

/// Both at the greater scale.
#[inline]
fn aligned(a: i128, x: u16, b: i128, y: u16) -> Option<(i128, i128, u16)> {
    match x.cmp(&y) {
        Ordering::Equal => Some((a, b, x)),
        Ordering::Less => Some((a.checked_mul(ten(y - x)?)?, b, y)),
        Ordering::Greater => Some((a, b.checked_mul(ten(x - y)?)?, x)),
    }
}

#[inline]
fn ten(digits: u16) -> Option<i128> {
    10_i128.checked_pow(digits.into())
}

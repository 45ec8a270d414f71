//! Known values: made from literals when a query is bound, read where a rewrite or an executor needs one.

use std::sync::Arc;

use tidewater_functions::{Argument, Session, cast};
use tidewater_types::{
    ColumnType, Datum, Expr, Numeric, Result, Scratch, Settings, SqlError, Type, apply_modifier, decode, encode, input,
    output,
};

use crate::plan::Constant;

impl Constant {
    /// A value of a type.
    pub fn new(datum: &Datum<'_>, ty: impl Into<ColumnType>) -> Constant {
        if datum.is_null() {
            return Constant { ty: ty.into(), value: None };
        }
        let mut bytes = Vec::new();
        encode(datum, &mut bytes);
        Constant { ty: ty.into(), value: Some(bytes.into()) }
    }

    /// A truth value.
    pub fn bool(value: bool) -> Constant {
        Constant::new(&Datum::Bool(value), Type::Bool)
    }

    /// The value.
    pub fn datum(&self) -> Datum<'_> {
        self.value.as_deref().map_or(Datum::Null, decode)
    }
}

/// What `text` is as a value of `ty`, or why it is none. Written as a cast, it is cut where it is too long.
pub(crate) fn from_text(text: &str, ty: &ColumnType, explicit: bool, session: &Arc<Session>) -> Result<Constant> {
    let scratch = Scratch::new();
    // An interval's modifier says what a number without a unit is.
    let read = if explicit && ty.ty != Type::Interval { ty.ty.clone().into() } else { ty.clone() };
    let datum = input(text, &read, &session.settings, &scratch)?;
    let datum = apply_modifier(datum, ty, explicit, &scratch)?;
    Ok(Constant::new(&datum, ty.clone()))
}

/// A constant as one of another type.
pub(crate) fn convert(from: &Constant, ty: &ColumnType, explicit: bool, session: &Arc<Session>) -> Result<Constant> {
    if from.value.is_none() {
        return Ok(Constant { ty: ty.clone(), value: None });
    }
    let cast = cast(&from.ty.ty, &ty.ty)
        .ok_or_else(|| SqlError::new(b"42846", format!("cannot cast type {} to {}", from.ty.ty, ty.ty)))?;
    let mut argument = Argument::new(expr(from), from.ty.clone());
    argument.constant = true;
    let expr = cast.compile(argument, ty, explicit, session)?;
    let scratch = Scratch::new();
    Ok(Constant::new(&expr.eval(&[], &scratch)?, ty.clone()))
}

/// The expression that always gives it.
pub(crate) fn expr(constant: &Constant) -> Expr {
    match constant.value.clone() {
        None => Expr::new(|_, _| Ok(Datum::Null)),
        Some(bytes) => match decode(&bytes) {
            // What lives in the slot need not be decoded for every row.
            Datum::Int(value) => Expr::new(move |_, _| Ok(Datum::Int(value))),
            Datum::Bool(value) => Expr::new(move |_, _| Ok(Datum::Bool(value))),
            Datum::Float(value) => Expr::new(move |_, _| Ok(Datum::Float(value))),
            Datum::Interval(value) => Expr::new(move |_, _| Ok(Datum::Interval(value))),
            Datum::Numeric(Numeric::Small(digits, scale)) => {
                Expr::new(move |_, _| Ok(Datum::Numeric(Numeric::Small(digits, scale))))
            }
            _ => Expr::new(move |_, scratch| Ok(decode(scratch.alloc_slice_copy(&bytes)))),
        },
    }
}

/// The whole number that a constant is.
pub(crate) fn int(constant: &Constant) -> Option<i64> {
    match constant.datum() {
        Datum::Int(value) => Some(value),
        _ => None,
    }
}

/// The truth value that a constant is.
pub(crate) fn bool(constant: &Constant) -> Option<bool> {
    match constant.datum() {
        Datum::Bool(value) => Some(value),
        _ => None,
    }
}

/// Its text form; None for NULL.
pub(crate) fn text(constant: &Constant) -> Option<String> {
    constant.value.as_ref()?;
    let mut text = String::new();
    output(&constant.datum(), &constant.ty, &Settings::default(), &mut text);
    Some(text)
}

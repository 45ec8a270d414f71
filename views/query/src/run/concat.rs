//! A chain of `||` as one expression: each part is written once, into the memory of the result.

use std::sync::Arc;

use smallvec::SmallVec;
use tidewater_functions::{Param, Session};
use tidewater_types::{Datum, Expr, MAX_VALUE, Result, SqlError, Type, cast, output};

use super::layout::Layout;
use super::scalar::Compiler;
use crate::plan::{Call, Scalar};

/// Parts whose values need no memory of their own.
type Values<'a> = SmallVec<[Datum<'a>; 12]>;

/// Whether a call joins two texts, or a text and any value in its text form.
fn is_concat(call: &Call) -> bool {
    let function = call.function.0;
    let text = |param: &Param| matches!(param, Param::Of(Type::Text));
    function.name == "||"
        && call.args.len() == 2
        && call.ty.ty == Type::Text
        && function.params.iter().any(text)
        && function.params.iter().all(|param| text(param) || matches!(param, Param::AnyNonArray))
}

/// The parts of a chain, in order.
fn collect<'s>(scalar: &'s Scalar, parts: &mut Vec<&'s Scalar>) {
    match scalar {
        Scalar::Call(call) if is_concat(call) => call.args.iter().for_each(|arg| collect(arg, parts)),
        part => parts.push(part),
    }
}

/// The expression of a chain of three parts or more; `None` for any other call.
pub(crate) fn concat(compiler: Compiler<'_>, call: &Call, layout: &Layout) -> Result<Option<Expr>> {
    if !is_concat(call) {
        return Ok(None);
    }
    let mut scalars = Vec::new();
    call.args.iter().for_each(|arg| collect(arg, &mut scalars));
    if scalars.len() < 3 {
        return Ok(None);
    }
    let mut parts = Vec::with_capacity(scalars.len());
    for scalar in scalars {
        parts.push((compiler.scalar(scalar, layout)?, scalar.ty()));
    }
    let session: Arc<Session> = compiler.session.clone();
    Ok(Some(Expr::new(move |tuple, scratch| {
        let mut values = Values::new();
        for (part, _) in &parts {
            values.push(part.eval(tuple, scratch)?);
        }
        // All parts are evaluated before one that is NULL counts, as the arguments of a strict function are.
        if values.iter().any(Datum::is_null) {
            return Ok(Datum::Null);
        }
        let (mut out, mut shown) = (bumpalo::collections::Vec::with_capacity_in(64, scratch), String::new());
        for (value, (_, ty)) in values.iter().zip(&parts) {
            match (value, &ty.ty) {
                (Datum::Text(text), Type::Text | Type::Varchar) => out.extend_from_slice(text),
                (Datum::Int(_), Type::Int2 | Type::Int4 | Type::Int8) | (Datum::Numeric(_), _) => {
                    shown.clear();
                    output(value, ty, &session.settings, &mut shown);
                    out.extend_from_slice(shown.as_bytes());
                }
                _ => match cast(*value, &ty.ty, &Type::Text.into(), true, &session.settings, scratch)? {
                    Datum::Text(text) => out.extend_from_slice(text),
                    _ => return Ok(Datum::Null),
                },
            }
            if out.len() > MAX_VALUE {
                return Err(SqlError::new(b"54000", "requested length too large"));
            }
        }
        Ok(Datum::Text(out.into_bump_slice()))
    })))
}

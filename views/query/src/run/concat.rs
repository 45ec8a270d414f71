//! A chain of `||` as one expression: each part is written once, into the memory of the result.

use bumpalo::collections::Vec as Bytes;
use std::fmt::Write;
use std::sync::Arc;

use tidewater_functions::{Param, Session};
use tidewater_types::{ColumnType, Datum, Expr, MAX_VALUE, Result, Scratch, SqlError, Tuple, Type, cast};

use super::layout::Layout;
use super::scalar::Compiler;
use crate::plan::{Call, Scalar};

/// A part of a text.
enum Part {
    Constant(Box<[u8]>),
    /// A text, an integer or a numeric, which are written as they are.
    Plain(Expr),
    /// Any other, by its cast to text.
    Other(Expr, Type),
}

/// The expression of a call that puts texts together; `None` if it is none.
pub(super) fn concat(compiler: Compiler<'_>, call: &Call, layout: &Layout) -> Result<Option<Expr>> {
    let Some(sides) = sides(call) else { return Ok(None) };
    let mut leaves = Vec::new();
    sides.into_iter().for_each(|side| collect(side, &mut leaves));
    let mut parts: Vec<Part> = Vec::with_capacity(leaves.len());
    for leaf in leaves {
        let constant = match leaf {
            Scalar::Literal(constant) if is_plain(&constant.ty.ty) && constant.value.is_some() => {
                let mut text = String::new();
                tidewater_types::output(&constant.datum(), &constant.ty, &compiler.session.settings, &mut text);
                Some(text)
            }
            _ => None,
        };
        match (constant, parts.last_mut()) {
            (Some(text), Some(Part::Constant(before))) => *before = [&**before, text.as_bytes()].concat().into(),
            (Some(text), _) => parts.push(Part::Constant(text.into_bytes().into())),
            (None, _) => {
                let (expr, ty) = (compiler.scalar(leaf, layout)?, leaf.ty().ty);
                parts.push(if is_plain(&ty) { Part::Plain(expr) } else { Part::Other(expr, ty) });
            }
        }
    }
    Ok(Some(joined(parts, compiler.session.clone())))
}

/// Both sides of `||`, if it joins two texts, or a text and any value in its text form.
fn sides(call: &Call) -> Option<[&Scalar; 2]> {
    let function = call.function.0;
    let text = |param: &Param| matches!(param, Param::Of(Type::Text));
    let of_texts = function.name == "||"
        && call.ty.ty == Type::Text
        && function.params.iter().any(text)
        && function.params.iter().all(|param| text(param) || matches!(param, Param::AnyNonArray));
    match &call.args[..] {
        [a, b] if of_texts => Some([a, b]),
        _ => None,
    }
}

fn collect<'s>(scalar: &'s Scalar, leaves: &mut Vec<&'s Scalar>) {
    if let Scalar::Call(call) = scalar
        && let Some(sides) = sides(call)
    {
        return sides.into_iter().for_each(|side| collect(side, leaves));
    }
    match scalar {
        // What is cast to text is written as text.
        Scalar::Cast(cast) if cast.ty.ty == Type::Text && cast.ty.modifier < 0 && is_plain(&cast.input.ty().ty) => {
            collect(&cast.input, leaves);
        }
        leaf => leaves.push(leaf),
    }
}

fn is_plain(ty: &Type) -> bool {
    matches!(ty, Type::Text | Type::Varchar | Type::Int2 | Type::Int4 | Type::Int8 | Type::Numeric)
}

fn joined(parts: Vec<Part>, session: Arc<Session>) -> Expr {
    const PART: usize = 24;
    let constants = parts.iter().map(|part| if let Part::Constant(text) = part { text.len() } else { PART });
    let capacity = constants.sum();
    Expr::new(move |tuple, scratch| {
        let mut out = Bytes::with_capacity_in(capacity, scratch);
        let mut has_null = false;
        for part in &parts {
            // A NULL makes all NULL, but the other parts may fail and are computed.
            has_null |= !put(part, tuple, scratch, &session, &mut out)?;
        }
        Ok(if has_null { Datum::Null } else { Datum::Text(out.into_bump_slice()) })
    })
}

/// Appends a part; false if it is NULL.
fn put<'a>(
    part: &Part,
    tuple: Tuple<'a>,
    scratch: &'a Scratch,
    session: &Session,
    out: &mut Bytes<'a, u8>,
) -> Result<bool> {
    let value = match part {
        Part::Constant(text) => {
            out.extend_from_slice_copy(text);
            return Ok(true);
        }
        Part::Plain(expr) => expr.eval(tuple, scratch)?,
        Part::Other(expr, ty) => match expr.eval(tuple, scratch)? {
            Datum::Null => Datum::Null,
            value => cast(value, ty, &ColumnType::from(Type::Text), true, &session.settings, scratch)?,
        },
    };
    match value {
        Datum::Text(text) if out.len() + text.len() > MAX_VALUE => {
            return Err(SqlError::new(b"54000", "requested length too large"));
        }
        Datum::Text(text) => out.extend_from_slice_copy(text),
        Datum::Int(value) => out.extend_from_slice_copy(itoa::Buffer::new().format(value).as_bytes()),
        Datum::Numeric(value) => {
            write!(Text(out), "{value}").map_err(|_| SqlError::new(b"XX000", "a numeric without a text form"))?;
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// Bytes that text is appended to.
struct Text<'o, 'a>(&'o mut Bytes<'a, u8>);

impl Write for Text<'_, '_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0.extend_from_slice_copy(text.as_bytes());
        Ok(())
    }
}

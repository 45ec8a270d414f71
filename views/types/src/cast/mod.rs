//! What casts compute. Implicit, assignment and explicit casts compute the same but for the lengths of texts; which of them SQL
//! allows between two types is a matter of the table of casts, not of this.

mod datetime;
mod nested;
mod number;
mod text;

use crate::{ColumnType, Datum, Result, Scratch, Settings, SqlError, Type, apply_modifier, json};

/// Who casts and where.
#[derive(Clone, Copy)]
pub(crate) struct Context<'s, 'a> {
    pub(crate) explicit: bool,
    pub(crate) settings: &'s Settings,
    pub(crate) scratch: &'a Scratch,
}

/// A value of type `from` as one of type `to`, modifier included. An explicit cast cuts texts that are too long, others refuse.
///
/// # Errors
/// PostgreSQL's refusal, 22003 for what is out of range, 22P02 for a text that shows no such value; 42846 where there is no cast.
pub fn cast<'a>(
    datum: Datum<'a>,
    from: &Type,
    to: &ColumnType,
    explicit: bool,
    settings: &Settings,
    scratch: &'a Scratch,
) -> Result<Datum<'a>> {
    let context = Context { explicit, settings, scratch };
    if datum.is_null() {
        return Ok(datum);
    }
    if *from == Type::Unknown {
        return from_literal(datum, to, &context);
    }
    let converted = if *from == to.ty { datum } else { convert(datum, from, to, &context)? };
    apply_modifier(converted, to, explicit, scratch)
}

/// An untyped literal. An interval's fields say what its last number counts, so that they are needed to read it.
fn from_literal<'a>(datum: Datum<'a>, to: &ColumnType, context: &Context<'_, 'a>) -> Result<Datum<'a>> {
    let text = datum.as_str().unwrap_or_default();
    if to.ty == Type::Interval {
        return crate::input(text, to, context.settings, context.scratch);
    }
    let datum = crate::input(text, &to.ty.clone().into(), context.settings, context.scratch)?;
    apply_modifier(datum, to, context.explicit, context.scratch)
}

fn convert<'a>(datum: Datum<'a>, from: &Type, to: &ColumnType, context: &Context<'_, 'a>) -> Result<Datum<'a>> {
    if let Some(done) = number::convert(&datum, from, &to.ty, context) {
        return done;
    }
    if let Some(done) = datetime::convert(&datum, from, &to.ty, context) {
        return done;
    }
    if let Some(done) = nested::convert(&datum, from, to, context) {
        return done;
    }
    if let Some(done) = text::convert(&datum, from, &to.ty, context) {
        return done;
    }
    match (&datum, &to.ty) {
        (Datum::Jsonb(value), Type::Json) => {
            let mut out = String::new();
            json::write(*value, &mut out);
            Ok(Datum::Text(context.scratch.alloc_str(&out).as_bytes()))
        }
        (Datum::Text(_), Type::Jsonb) if *from == Type::Json => {
            json::parse(datum.as_str().unwrap_or_default(), context.scratch).map(Datum::Jsonb)
        }
        _ => Err(SqlError::new(b"42846", format!("cannot cast type {from} to {to}"))),
    }
}

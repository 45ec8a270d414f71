//! Casts within the text family, and from and to all types by their text forms.

use super::Context;
use crate::text::{name_prefix, read_char, trim_blanks, write_char};
use crate::{ColumnType, Datum, Result, Scratch, Type, input, output};

fn is_string(ty: &Type) -> bool {
    matches!(ty, Type::Text | Type::Varchar | Type::Bpchar | Type::Name | Type::Char | Type::Unknown)
}

/// The cast, if it is of this family.
pub(super) fn convert<'a>(
    datum: &Datum<'a>,
    from: &Type,
    to: &Type,
    context: &Context<'_, 'a>,
) -> Option<Result<Datum<'a>>> {
    match (datum, is_string(from), is_string(to)) {
        (Datum::Text(text), true, true) => Some(Ok(Datum::Text(within(text, from, to, context.scratch)))),
        (Datum::Text(_), true, false) => {
            let text = datum.as_str().unwrap_or_default();
            Some(input(text, &to.clone().into(), context.settings, context.scratch))
        }
        (_, false, true) => Some(Ok(to_text(datum, from, to, context))),
        _ => None,
    }
}

/// char(n) loses its blanks, a name its end, "char" all but the first byte.
fn within<'a>(text: &'a [u8], from: &Type, to: &Type, scratch: &'a Scratch) -> &'a [u8] {
    match (from, to) {
        (Type::Char, Type::Char) => text,
        (Type::Char, _) => {
            let mut out = String::new();
            write_char(text, &mut out);
            scratch.alloc_str(&out).as_bytes()
        }
        (_, Type::Char) => read_char(text, scratch),
        (Type::Bpchar, Type::Name) => name_prefix(trim_blanks(text)),
        (_, Type::Name) => name_prefix(text),
        (Type::Bpchar, to) if *to != Type::Bpchar => trim_blanks(text),
        _ => text,
    }
}

fn to_text<'a>(datum: &Datum<'a>, from: &Type, to: &Type, context: &Context<'_, 'a>) -> Datum<'a> {
    let mut out = String::new();
    match (datum, to) {
        // The cast spells it out where the output form has one letter; names and "char" take the output form.
        (Datum::Bool(value), Type::Text | Type::Varchar | Type::Bpchar) => {
            out.push_str(if *value { "true" } else { "false" });
        }
        _ => output(datum, &ColumnType::from(from.clone()), context.settings, &mut out),
    }
    Datum::Text(within(context.scratch.alloc_str(&out).as_bytes(), &Type::Text, to, context.scratch))
}

//! Casts among numbers and truth values, and from jsonb to them.

use super::Context;
use crate::{Datum, Json, JsonbRef, Numeric, NumericBuf, Result, SqlError, Type, float, integer, text};

/// The cast, if it is of this family.
pub(super) fn convert<'a>(
    datum: &Datum<'a>,
    from: &Type,
    to: &Type,
    context: &Context<'_, 'a>,
) -> Option<Result<Datum<'a>>> {
    let is_integer = |ty: &Type| integer::bounds(ty).is_some();
    match (datum, to) {
        (Datum::Bool(value), to) if is_integer(to) => Some(Ok(integer_datum(i128::from(*value), to))),
        (Datum::Int(value), Type::Bool) if is_integer(from) => Some(Ok(Datum::Bool(*value != 0))),
        (Datum::UInt(value), Type::Bool) => Some(Ok(Datum::Bool(*value != 0))),
        (Datum::Int(value), Type::Char) if *from == Type::Int4 => Some(to_char(*value, context)),
        (Datum::Text(value), Type::Int4) if *from == Type::Char => {
            Some(Ok(Datum::Int(i64::from(text::byte_of_char(value) as i8))))
        }
        (Datum::Int(value), to) if is_integer(from) => from_integer((*value).into(), from, to),
        (Datum::UInt(value), to) => from_integer((*value).into(), from, to),
        (Datum::Float(value), to) => from_float(*value, from, to, context),
        (Datum::Numeric(value), to) => from_numeric(*value, to),
        (Datum::Jsonb(value), Type::Bool) => Some(match value.get() {
            Json::Bool(value) => Ok(Datum::Bool(value)),
            _ => Err(no_json_cast(*value, to)),
        }),
        (Datum::Jsonb(value), Type::Numeric | Type::Float4 | Type::Float8) => Some(json_number(*value, to)),
        (Datum::Jsonb(value), to) if is_integer(to) => Some(json_number(*value, to)),
        _ => None,
    }
}

fn integer_datum<'a>(value: i128, to: &Type) -> Datum<'a> {
    if *to == Type::UInt8 { Datum::UInt(value as u64) } else { Datum::Int(value as i64) }
}

fn in_range<'a>(value: i128, to: &Type) -> Result<Datum<'a>> {
    let (least, greatest) = integer::bounds(to).unwrap_or((0, 0));
    if (least..=greatest).contains(&value) { Ok(integer_datum(value, to)) } else { Err(integer::out_of_range(to)) }
}

fn from_integer<'a>(value: i128, from: &Type, to: &Type) -> Option<Result<Datum<'a>>> {
    Some(match to {
        // int4 and the oids share their bits.
        to if to.is_oid() && matches!(from, Type::Int2 | Type::Int4) => Ok(Datum::Int(i64::from(value as i32 as u32))),
        Type::Int4 if from.is_oid() => Ok(Datum::Int(i64::from(value as u32 as i32))),
        Type::Float4 => Ok(Datum::Float(f64::from(value as f32))),
        Type::Float8 => Ok(Datum::Float(value as f64)),
        Type::Numeric => Ok(Datum::Numeric(Numeric::integer(value))),
        to if integer::bounds(to).is_some() => in_range(value, to),
        _ => return None,
    })
}

/// To the nearest, halves to even, as the machine rounds.
fn from_float<'a>(value: f64, from: &Type, to: &Type, context: &Context<'_, 'a>) -> Option<Result<Datum<'a>>> {
    Some(match to {
        Type::Float8 => Ok(Datum::Float(value)),
        Type::Float4 => float::to_f32(value).map(|narrow| Datum::Float(narrow.into())),
        Type::Numeric => {
            let number =
                if *from == Type::Float4 { NumericBuf::from_f32(value as f32) } else { NumericBuf::from_f64(value) };
            Ok(Datum::Numeric(number.into_scratch(context.scratch)))
        }
        to if integer::bounds(to).is_some() => {
            let whole = value.round_ties_even();
            // All that 128 bits hold; what is beyond is beyond every integer.
            if whole.abs() < 1e30 { in_range(whole as i128, to) } else { Err(integer::out_of_range(to)) }
        }
        _ => return None,
    })
}

fn from_numeric<'a>(value: Numeric<'a>, to: &Type) -> Option<Result<Datum<'a>>> {
    Some(match to {
        Type::Float4 | Type::Float8 => to_float(value, to),
        to if integer::bounds(to).is_some() => {
            let name = if to.is_oid() { "OID".to_owned() } else { to.to_string() };
            value.to_integer::<i128>(&name).and_then(|whole| in_range(whole, to))
        }
        _ => return None,
    })
}

fn to_float<'a>(value: Numeric<'_>, to: &Type) -> Result<Datum<'a>> {
    if value.scale().is_none() {
        return Ok(Datum::Float(value.to_f64()));
    }
    if *to == Type::Float4 {
        return float::parse_f32(&value.to_string()).map(|narrow| Datum::Float(narrow.into()));
    }
    let float = value.to_f64();
    if float.is_infinite() || float == 0.0 && value.signum() != 0 {
        return float::parse_f64(&value.to_string()).map(Datum::Float);
    }
    Ok(Datum::Float(float))
}

/// int4 to "char": one signed byte.
fn to_char<'a>(value: i64, context: &Context<'_, 'a>) -> Result<Datum<'a>> {
    match i8::try_from(value) {
        Ok(byte) => Ok(Datum::Text(text::char_of_byte(byte as u8, context.scratch))),
        Err(_) => Err(SqlError::new(b"22003", "\"char\" out of range")),
    }
}

fn json_number<'a>(value: JsonbRef<'a>, to: &Type) -> Result<Datum<'a>> {
    match value.get() {
        Json::Number(number) if *to == Type::Numeric => Ok(Datum::Numeric(number)),
        Json::Number(number) => from_numeric(number, to).unwrap_or_else(|| Err(no_json_cast(value, to))),
        _ => Err(no_json_cast(value, to)),
    }
}

fn no_json_cast(value: JsonbRef<'_>, to: &Type) -> SqlError {
    let what = match value.get() {
        Json::Null => "null",
        Json::Bool(_) => "boolean",
        Json::Number(_) => "numeric",
        Json::String(_) => "string",
        Json::Array(_) => "array",
        Json::Object(_) => "object",
    };
    SqlError::new(b"22023", format!("cannot cast jsonb {what} to type {to}"))
}

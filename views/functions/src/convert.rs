//! What casts compute.

use std::sync::Arc;

use tidewater_types::time::{self, DAY, is_infinite};
use tidewater_types::{
    ArrayRef, ColumnType, Datum, Dimension, Interval, Json, ListRef, MapRef, Numeric, NumericBuf, RecordRef, Result,
    Scratch, Settings, SqlError, TimeTz, Type, apply_modifier, float, integer, json, range, text,
};

use crate::cast::{Cast, CastMethod};
use crate::session::Session;

/// A conversion of values, none of them NULL.
pub(crate) type Convert = Box<dyn for<'a> Fn(Datum<'a>, &'a Scratch) -> Result<Datum<'a>> + Send + Sync>;

/// Keeps a closure general over the lifetime of its value.
fn boxed<F>(convert: F) -> Convert
where
    F: for<'a> Fn(Datum<'a>, &'a Scratch) -> Result<Datum<'a>> + Send + Sync + 'static,
{
    Box::new(convert)
}

/// The conversion of a cast to `to`, without its modifier but for one that matters on the way: an interval's.
pub(crate) fn conversion(cast: &Cast, to: &ColumnType, explicit: bool, session: &Arc<Session>) -> Result<Convert> {
    let session = session.clone();
    Ok(match &cast.method {
        CastMethod::Binary if is_wrapped(&cast.from, &cast.to) => boxed(|value, _| match value {
            Datum::Int(value) => Ok(Datum::Int((value as u32).into())),
            other => Ok(other),
        }),
        CastMethod::Binary if cast.from.is_oid() && cast.to == Type::Int4 => boxed(|value, _| match value {
            Datum::Int(value) => Ok(Datum::Int((value as i32).into())),
            other => Ok(other),
        }),
        CastMethod::Binary => boxed(|value, _| Ok(value)),
        CastMethod::Function => {
            let (from, to) = (cast.from.clone(), to.ty.clone());
            boxed(move |value, scratch| computed(value, &from, &to, &session.settings, scratch))
        }
        CastMethod::Text => through_text(cast, to, session),
        CastMethod::Elements(element) => {
            let to_element =
                to.element().ok_or_else(|| SqlError::new(b"XX000", "a cast of elements to what has none"))?;
            let inner = element.converter(&to_element, explicit, &session)?;
            elements(to.ty.clone(), inner)
        }
        CastMethod::Fields(casts) => {
            let Type::Record(record) = &to.ty else {
                return Err(SqlError::new(b"XX000", "a cast of fields to what is no row"));
            };
            let fields = record.fields.iter().zip(casts);
            let inner =
                fields.map(|((_, ty), cast)| cast.converter(ty, explicit, &session)).collect::<Result<Vec<_>>>()?;
            boxed(move |value, scratch| {
                let Datum::Record(row) = value else { return Ok(value) };
                let fields = row.iter().zip(&inner).map(|(field, convert)| null_or(field, convert, scratch));
                let fields = fields.collect::<Result<Vec<_>>>()?;
                Ok(Datum::Record(RecordRef::build(scratch, &fields)?))
            })
        }
    })
}

/// Whether a signed number becomes an oid of the same 32 bits.
fn is_wrapped(from: &Type, to: &Type) -> bool {
    *from == Type::Int4 && to.is_oid()
}

fn null_or<'a>(value: Datum<'a>, convert: &Convert, scratch: &'a Scratch) -> Result<Datum<'a>> {
    if value.is_null() { Ok(value) } else { convert(value, scratch) }
}

fn elements(to: Type, inner: Convert) -> Convert {
    boxed(move |value, scratch| {
        let convert = |value| null_or(value, &inner, scratch);
        match (value, &to) {
            (Datum::Array(array), Type::List(_)) => {
                if array.dimension_count() > 1 {
                    return Err(SqlError::new(b"0A000", "casting multi-dimensional array to list is not supported"));
                }
                let values = array.iter().map(convert).collect::<Result<Vec<_>>>()?;
                Ok(Datum::List(ListRef::build(scratch, &values)?))
            }
            (Datum::Array(array), _) => {
                let values = array.iter().map(convert).collect::<Result<Vec<_>>>()?;
                let dimensions: Vec<Dimension> = array.dimensions().collect();
                Ok(Datum::Array(ArrayRef::build(scratch, &dimensions, &values)?))
            }
            (Datum::List(list), Type::Array(_)) => {
                let values = list.iter().map(convert).collect::<Result<Vec<_>>>()?;
                Ok(Datum::Array(ArrayRef::vector(scratch, &values)?))
            }
            (Datum::List(list), _) => {
                let values = list.iter().map(convert).collect::<Result<Vec<_>>>()?;
                Ok(Datum::List(ListRef::build(scratch, &values)?))
            }
            (Datum::Map(map), _) => {
                let mut entries = Vec::with_capacity(map.len());
                for (key, value) in map.iter() {
                    let key =
                        std::str::from_utf8(key).map_err(|_| SqlError::new(b"XX000", "a map's key that is no text"))?;
                    entries.push((key, convert(value)?));
                }
                Ok(Datum::Map(MapRef::build(scratch, &entries)?))
            }
            (other, _) => Ok(other),
        }
    })
}

fn through_text(cast: &Cast, to: &ColumnType, session: Arc<Session>) -> Convert {
    let from: ColumnType = cast.from.clone().into();
    let to = if to.ty == Type::Interval { to.clone() } else { ColumnType::from(to.ty.clone()) };
    boxed(move |value, scratch| {
        let mut out = String::new();
        let shown = match value {
            Datum::Text(text) => std::str::from_utf8(text)
                .map_err(|_| SqlError::new(b"22021", "invalid byte sequence for encoding \"UTF8\""))?,
            _ => {
                tidewater_types::output(&value, &from, &session.settings, &mut out);
                out.as_str()
            }
        };
        tidewater_types::input(shown, &to, &session.settings, scratch)
    })
}

fn computed<'a>(
    value: Datum<'a>,
    from: &Type,
    to: &Type,
    settings: &Settings,
    scratch: &'a Scratch,
) -> Result<Datum<'a>> {
    match value {
        Datum::Bool(value) => Ok(match to {
            Type::Int4 => Datum::Int(value.into()),
            _ => Datum::from(if value { "true" } else { "false" }),
        }),
        Datum::Float(value) => from_float(value, from, to, scratch),
        Datum::Numeric(value) => from_numeric(value, to),
        Datum::UInt(value) => from_whole(value.into(), to, scratch),
        Datum::Text(bytes) => from_text(bytes, from, to, settings, scratch),
        Datum::Jsonb(value) if *to == Type::Json => {
            let mut out = String::new();
            json::write(value, &mut out);
            Ok(Datum::from(&*scratch.alloc_str(&out)))
        }
        Datum::Jsonb(value) => from_jsonb(value.get(), to, scratch),
        Datum::Range(value) => match to {
            Type::Multirange(of) => Ok(Datum::Multirange(range::multirange(*of, &[value], scratch)?)),
            _ => Err(missing(from, to)),
        },
        Datum::Interval(value) => Ok(Datum::Int(value.micros.rem_euclid(DAY))),
        Datum::TimeTz(value) => Ok(Datum::Int(value.micros)),
        Datum::Int(value) if matches!(from, Type::Date | Type::Time | Type::Timestamp | Type::TimestampTz) => {
            from_time(value, from, to, settings)
        }
        Datum::Int(value) if *from == Type::Int4 && *to == Type::Bool => Ok(Datum::Bool(value != 0)),
        Datum::Int(value) if *from == Type::Int4 && *to == Type::Char => one_byte(value, scratch),
        // A negative smallint becomes the oid of the same bits; a bigint does not.
        Datum::Int(value) if *from == Type::Int2 && to.is_oid() => Ok(Datum::Int((value as u32).into())),
        Datum::Int(value) => from_whole(value.into(), to, scratch),
        _ => Err(missing(from, to)),
    }
}

fn missing(from: &Type, to: &Type) -> SqlError {
    SqlError::new(b"0A000", format!("casting {from} to {to} is not supported"))
}

fn one_byte<'a>(value: i64, scratch: &'a Scratch) -> Result<Datum<'a>> {
    match i8::try_from(value) {
        Err(_) => Err(SqlError::new(b"22003", "\"char\" out of range")),
        Ok(0) => Ok(Datum::Text(&[])),
        Ok(byte @ 1..) => Ok(Datum::Text(scratch.alloc_slice_copy(&[byte as u8]))),
        Ok(_) => Err(SqlError::new(b"0A000", "a \"char\" beyond ASCII is not supported")),
    }
}

fn from_whole<'a>(value: i128, to: &Type, scratch: &'a Scratch) -> Result<Datum<'a>> {
    match to {
        Type::Float4 => Ok(Datum::Float((value as f32).into())),
        Type::Float8 => Ok(Datum::Float(value as f64)),
        Type::Numeric => Ok(Datum::Numeric(NumericBuf::Small(value, 0).into_scratch(scratch))),
        Type::UInt8 => u64::try_from(value).map(Datum::UInt).map_err(|_| integer::out_of_range(to)),
        to if to.is_oid() => u32::try_from(value)
            .map(|oid| Datum::Int(oid.into()))
            .map_err(|_| SqlError::new(b"22003", "OID out of range")),
        to => integer::in_range(value, to).map(Datum::Int),
    }
}

fn from_float<'a>(value: f64, from: &Type, to: &Type, scratch: &'a Scratch) -> Result<Datum<'a>> {
    match to {
        Type::Float8 => Ok(Datum::Float(value)),
        Type::Float4 => float::to_f32(value).map(|value| Datum::Float(value.into())),
        Type::Numeric => {
            let numeric =
                if *from == Type::Float4 { NumericBuf::from_f32(value as f32) } else { NumericBuf::from_f64(value) };
            Ok(Datum::Numeric(numeric.into_scratch(scratch)))
        }
        to => {
            let whole = value.round_ties_even();
            // Beyond 2^63 a float is beyond every integer type but uint8, and its 128 bits are exact.
            if whole.is_nan() || whole.abs() >= 1e30 {
                return Err(integer::out_of_range(to));
            }
            from_whole(whole as i128, to, scratch)
        }
    }
}

fn from_numeric<'a>(value: Numeric<'_>, to: &Type) -> Result<Datum<'a>> {
    let out_of_range = |name: &str| SqlError::new(b"22003", format!("\"{value}\" is out of range for type {name}"));
    match to {
        Type::Float8 => {
            let float = value.to_f64();
            let lost = value.scale().is_some() && (float.is_infinite() || float == 0.0 && value.signum() != 0);
            if lost { Err(out_of_range("double precision")) } else { Ok(Datum::Float(float)) }
        }
        // From its digits: a double in between would round twice.
        Type::Float4 => match value {
            Numeric::NaN => Ok(Datum::Float(f64::NAN)),
            Numeric::Infinity => Ok(Datum::Float(f64::INFINITY)),
            Numeric::NegativeInfinity => Ok(Datum::Float(f64::NEG_INFINITY)),
            _ => float::parse_f32(&value.to_string()).map(|value| Datum::Float(value.into())),
        },
        Type::UInt8 => value.to_integer::<u64>("uint8").map(Datum::UInt),
        Type::UInt2 => value.to_integer::<u16>("uint2").map(|value| Datum::Int(value.into())),
        Type::UInt4 => value.to_integer::<u32>("uint4").map(|value| Datum::Int(value.into())),
        Type::Int2 => value.to_integer::<i16>("smallint").map(|value| Datum::Int(value.into())),
        Type::Int4 => value.to_integer::<i32>("integer").map(|value| Datum::Int(value.into())),
        _ => value.to_integer::<i64>("bigint").map(Datum::Int),
    }
}

fn from_text<'a>(
    bytes: &'a [u8],
    from: &Type,
    to: &Type,
    settings: &Settings,
    scratch: &'a Scratch,
) -> Result<Datum<'a>> {
    // A bpchar's blanks at the end are no part of it.
    let bytes = if *from == Type::Bpchar && *to != Type::Bpchar { text::trim_blanks(bytes) } else { bytes };
    match to {
        Type::Name => Ok(Datum::Text(text::name_prefix(bytes))),
        Type::Char => match bytes.first() {
            Some(first) if !first.is_ascii() => {
                Err(SqlError::new(b"0A000", "a \"char\" beyond ASCII is not supported"))
            }
            first => Ok(Datum::Text(if first.is_some() { &bytes[..1] } else { bytes })),
        },
        Type::Int4 => Ok(Datum::Int(bytes.first().map_or(0, |byte| (*byte as i8).into()))),
        Type::Jsonb | Type::RegClass => {
            let shown = std::str::from_utf8(bytes)
                .map_err(|_| SqlError::new(b"22021", "invalid byte sequence for encoding \"UTF8\""))?;
            tidewater_types::input(shown, &to.clone().into(), settings, scratch)
        }
        _ => Ok(Datum::Text(bytes)),
    }
}

fn from_jsonb<'a>(value: Json<'a>, to: &Type, scratch: &'a Scratch) -> Result<Datum<'a>> {
    let kind = match value {
        Json::Number(number) if *to == Type::Numeric => return Ok(Datum::Numeric(number)),
        Json::Number(number) if *to != Type::Bool => return from_numeric(number, to),
        Json::Bool(value) if *to == Type::Bool => return Ok(Datum::Bool(value)),
        Json::Null => "null",
        Json::Bool(_) => "boolean",
        Json::Number(_) => "numeric",
        Json::String(_) => "string",
        Json::Array(_) => "array",
        Json::Object(_) => "object",
    };
    let _ = scratch;
    Err(SqlError::new(b"22023", format!("cannot cast jsonb {kind} to type {to}")))
}

fn from_time<'a>(value: i64, from: &Type, to: &Type, settings: &Settings) -> Result<Datum<'a>> {
    let zone = &settings.time_zone;
    // Timestamps and dates by way of a local timestamp.
    let local = match from {
        Type::Time => {
            return Ok(match to {
                Type::Interval => Datum::Interval(Interval { months: 0, days: 0, micros: value }),
                _ => {
                    let today = zone.to_local(settings.now)?.div_euclid(DAY) * DAY;
                    Datum::TimeTz(TimeTz {
                        micros: value,
                        offset: zone.offset_of_local(i128::from(today) + i128::from(value)),
                    })
                }
            });
        }
        Type::Date if is_infinite(value) => value,
        Type::Date => time::timestamp(i128::from(value) * i128::from(DAY))
            .map_err(|_| SqlError::new(b"22008", "date out of range for timestamp"))?,
        Type::TimestampTz => zone.to_local(value)?,
        _ => value,
    };
    Ok(match to {
        Type::Date if is_infinite(local) => Datum::Int(local),
        Type::Date => Datum::Int(local.div_euclid(DAY)),
        Type::Time | Type::TimeTz if is_infinite(local) => Datum::Null,
        Type::Time => Datum::Int(local.rem_euclid(DAY)),
        Type::TimeTz => Datum::TimeTz(TimeTz { micros: local.rem_euclid(DAY), offset: zone.offset_at(value) }),
        Type::TimestampTz => Datum::Int(zone.to_moment(local)?),
        _ => Datum::Int(local),
    })
}

impl Cast {
    /// The whole conversion: with the target's modifier.
    pub(crate) fn converter(&self, to: &ColumnType, explicit: bool, session: &Arc<Session>) -> Result<Convert> {
        let convert = conversion(self, to, explicit, session)?;
        if to.modifier < 0 {
            return Ok(convert);
        }
        let to = to.clone();
        Ok(boxed(move |value, scratch| {
            let value = convert(value, scratch)?;
            apply_modifier(value, &to, explicit, scratch)
        }))
    }
}

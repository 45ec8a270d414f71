//! Text forms: one function in, one out.

use std::fmt::Write;

use crate::{
    ArrayRef, ColumnType, Datum, Dimension, JsonbRef, NumericBuf, Result, Scratch, Settings, SqlError, Type, boolean,
    bytea, float, integer, json, nested, text, time, uuid,
};

/// The value of type `ty` that `text` shows, as a parameter or a literal gives it. A modifier acts as in an assignment: too long
/// a text is refused, a numeric is rounded.
///
/// # Errors
/// PostgreSQL's refusal: 22P02, 22003, 22007, 22008, 22001 …
pub fn input<'a>(text: &str, ty: &ColumnType, settings: &Settings, scratch: &'a Scratch) -> Result<Datum<'a>> {
    let datum = match &ty.ty {
        Type::Bool => Datum::Bool(boolean::parse(text)?),
        Type::Int2 | Type::Int4 | Type::Int8 | Type::UInt2 | Type::UInt4 => {
            Datum::Int(integer::parse(text, &ty.ty)? as i64)
        }
        Type::UInt8 => Datum::UInt(integer::parse(text, &ty.ty)? as u64),
        Type::Float4 => Datum::Float(float::parse_f32(text)?.into()),
        Type::Float8 => Datum::Float(float::parse_f64(text)?),
        Type::Numeric => Datum::Numeric(NumericBuf::parse(text)?.into_scratch(scratch)),
        Type::Text | Type::Varchar | Type::Bpchar | Type::Unknown | Type::Void => copy(text, scratch),
        Type::Name => copy_bytes(text::name_prefix(text.as_bytes()), scratch),
        Type::Char => Datum::Text(text::read_char(text.as_bytes(), scratch)),
        Type::Json => {
            json::check(text)?;
            copy(text, scratch)
        }
        Type::Jsonb => Datum::Jsonb(json::parse(text, scratch)?),
        Type::JsonPath => copy(&json::path::parse(text)?.to_string(), scratch),
        Type::Bytea => Datum::Bytes(scratch.alloc_slice_copy(&bytea::parse(text)?)),
        Type::Uuid => Datum::Uuid(uuid::parse(text)?),
        Type::Date => Datum::Int(time::parse_date(text, settings)?),
        Type::Time => Datum::Int(time::parse_time(text, settings)?),
        Type::TimeTz => Datum::TimeTz(time::parse_timetz(text, settings)?),
        Type::Timestamp => Datum::Int(time::parse_timestamp(text, settings)?),
        Type::TimestampTz => Datum::Int(time::parse_timestamptz(text, settings)?),
        Type::Interval => Datum::Interval(time::parse_interval(text, ty)?),
        Type::Range(of) => Datum::Range(nested::read_range(text, *of, settings, scratch)?),
        Type::Multirange(of) => Datum::Multirange(nested::read_multirange(text, *of, settings, scratch)?),
        Type::Int2Vector | Type::OidVector => vector(text, ty, scratch)?,
        Type::Record(record) => Datum::Record(nested::read_record(text, record, settings, scratch)?),
        Type::Array(element) => {
            let element = ColumnType { ty: element.as_ref().clone(), modifier: ty.modifier };
            return nested::read_array(text, &element, settings, scratch).map(Datum::Array);
        }
        Type::List(element) => {
            let element = ColumnType { ty: element.as_ref().clone(), modifier: ty.modifier };
            return nested::read_list(text, &element, settings, scratch).map(Datum::List);
        }
        Type::Map(value) => {
            let value = ColumnType { ty: value.as_ref().clone(), modifier: ty.modifier };
            return nested::read_map(text, &value, settings, scratch).map(Datum::Map);
        }
        oid => Datum::Int(read_oid(text, oid, settings)?),
    };
    apply_modifier(datum, ty, false, scratch)
}

/// What a column of type `ty` keeps of a value of its type: lengths, digits, scales. An explicit cast cuts a text.
///
/// # Errors
/// 22001 if characters would be lost, 22003 if a numeric has too many digits.
pub fn apply_modifier<'a>(
    datum: Datum<'a>,
    ty: &ColumnType,
    explicit: bool,
    scratch: &'a Scratch,
) -> Result<Datum<'a>> {
    if ty.modifier < 0 {
        return Ok(datum);
    }
    Ok(match datum {
        Datum::Text(text) => Datum::Text(text::apply_length(text, ty, explicit, scratch)?),
        Datum::Numeric(value) => match ty.numeric_modifier() {
            Some(modifier) => Datum::Numeric(value.apply(modifier)?.into_scratch(scratch)),
            None => datum,
        },
        Datum::Interval(value) => Datum::Interval(value.apply(ty)),
        Datum::TimeTz(value) => match ty.fraction_digits() {
            Some(digits) => {
                Datum::TimeTz(crate::TimeTz { micros: time::round_fraction(value.micros, digits), ..value })
            }
            None => datum,
        },
        Datum::Int(value) if matches!(ty.ty, Type::Time | Type::Timestamp | Type::TimestampTz) => {
            match ty.fraction_digits() {
                Some(digits) if ty.ty == Type::Time => Datum::Int(time::round_fraction(value, digits)),
                Some(digits) if !time::is_infinite(value) => Datum::Int(round_moment(value, digits)),
                _ => datum,
            }
        }
        Datum::Array(array) => {
            let Some(element) = ty.element() else { return Ok(datum) };
            let values = array
                .iter()
                .map(|value| apply_modifier(value, &element, explicit, scratch))
                .collect::<Result<Vec<_>>>()?;
            let dimensions: Vec<Dimension> = array.dimensions().collect();
            Datum::Array(ArrayRef::build(scratch, &dimensions, &values)?)
        }
        datum => datum,
    })
}

/// PostgreSQL counts from 2000: halves are rounded away from there.
fn round_moment(value: i64, digits: u32) -> i64 {
    let epoch = time::EPOCH_2000 * time::DAY;
    time::round_fraction(value.saturating_sub(epoch), digits) + epoch
}

fn copy<'a>(text: &str, scratch: &'a Scratch) -> Datum<'a> {
    Datum::Text(scratch.alloc_str(text).as_bytes())
}

fn copy_bytes<'a>(text: &[u8], scratch: &'a Scratch) -> Datum<'a> {
    Datum::Text(scratch.alloc_slice_copy(text))
}

/// Numbers with blanks between, from subscript 0.
fn vector<'a>(text: &str, ty: &ColumnType, scratch: &'a Scratch) -> Result<Datum<'a>> {
    let element = ty.ty.element().unwrap_or(&Type::Int2);
    let mut values = Vec::new();
    let mut rest = text.trim_ascii_start();
    while !rest.is_empty() {
        let sign = usize::from(rest.starts_with(['-', '+']));
        let end = sign + rest[sign..].bytes().take_while(u8::is_ascii_digit).count();
        // An oid ends where its digits do; a smallint at a blank.
        let end = if *element == Type::Oid || rest[end..].is_empty() || rest[end..].starts_with(' ') { end } else { 0 };
        let (number, tail) = rest.split_at(end);
        let value = integer::parse(number, element).map_err(|error| match error.sqlstate {
            [b'2', b'2', b'P', ..] => {
                SqlError::new(b"22P02", format!("invalid input syntax for type {element}: \"{rest}\""))
            }
            _ => error,
        });
        values.push(Datum::Int(value? as i64));
        rest = tail.trim_ascii_start();
    }
    let dimension = Dimension { length: values.len() as i32, lower: 0 };
    ArrayRef::build(scratch, &[dimension], &values).map(Datum::Array)
}

/// An oid by its number, or by the name of what has it.
fn read_oid(text: &str, ty: &Type, settings: &Settings) -> Result<i64> {
    let named = !matches!(ty, Type::Oid | Type::Xid);
    if named && text == "-" {
        return Ok(0);
    }
    if named && !text.bytes().all(|byte| byte.is_ascii_digit()) {
        let missing = || SqlError::new(b"0A000", format!("names for type {ty} are not supported here"));
        return settings.names.as_ref().ok_or_else(missing)?.oid(ty, text).map(i64::from);
    }
    integer::parse(text, ty).map(|oid| oid as i64)
}

/// Appends the text form of a value of type `ty`. NULL has none: nothing is appended.
pub fn output(datum: &Datum<'_>, ty: &ColumnType, settings: &Settings, out: &mut String) {
    match datum {
        Datum::Null => {}
        Datum::Bool(value) => out.push(if *value { 't' } else { 'f' }),
        Datum::Int(value) => write_int(*value, &ty.ty, settings, out),
        Datum::Float(value) if ty.ty == Type::Float4 => float::write_f32(*value as f32, out),
        Datum::Float(value) => float::write_f64(*value, out),
        Datum::UInt(value) => push(format_args!("{value}"), out),
        Datum::Numeric(value) => push(format_args!("{value}"), out),
        Datum::Interval(value) => time::write_interval(*value, out),
        Datum::TimeTz(value) => time::write_timetz(*value, out),
        Datum::Uuid(value) => uuid::write(value, out),
        Datum::Text(value) if ty.ty == Type::Char => text::write_char(value, out),
        Datum::Text(value) => out.push_str(&String::from_utf8_lossy(value)),
        Datum::Bytes(value) => bytea::write(value, out),
        Datum::Jsonb(value) => write_jsonb(*value, out),
        Datum::Range(value) => {
            if let Type::Range(of) = &ty.ty {
                nested::write_range(*value, *of, settings, out);
            }
        }
        Datum::Multirange(value) => {
            if let Type::Multirange(of) = &ty.ty {
                nested::write_multirange(*value, *of, settings, out);
            }
        }
        Datum::Record(value) => {
            if let Type::Record(record) = &ty.ty {
                nested::write_record(*value, record, settings, out);
            }
        }
        Datum::Array(value) if matches!(ty.ty, Type::Int2Vector | Type::OidVector) => {
            for (i, datum) in value.iter().enumerate() {
                out.push_str(if i == 0 { "" } else { " " });
                output(&datum, &Type::Int8.into(), settings, out);
            }
        }
        Datum::Array(value) => nested::write_array(*value, &element_of(ty), settings, out),
        Datum::List(value) => nested::write_list(*value, &element_of(ty), settings, out),
        Datum::Map(value) => nested::write_map(*value, &element_of(ty), settings, out),
    }
}

fn element_of(ty: &ColumnType) -> ColumnType {
    ty.element().unwrap_or_else(|| Type::Text.into())
}

fn write_jsonb(value: JsonbRef<'_>, out: &mut String) {
    json::write(value, out);
}

fn push(text: std::fmt::Arguments<'_>, out: &mut String) {
    // Writing to a String cannot fail.
    let _ = out.write_fmt(text);
}

fn write_int(value: i64, ty: &Type, settings: &Settings, out: &mut String) {
    match ty {
        Type::Date => time::write_date(value, out),
        Type::Time => time::write_time(value, out),
        Type::Timestamp => time::write_timestamp(value, out),
        Type::TimestampTz => time::write_timestamptz(value, &settings.time_zone, out),
        Type::Oid | Type::Xid => push(format_args!("{value}"), out),
        ty if ty.is_oid() => {
            let named = settings.names.as_ref().and_then(|names| names.name(ty, value as u32));
            match named {
                Some(name) => out.push_str(&name),
                None if value == 0 => out.push('-'),
                None => push(format_args!("{value}"), out),
            }
        }
        _ => push(format_args!("{value}"), out),
    }
}

//! Binary forms, as PostgreSQL's send and receive functions have them.

mod nested;
mod numeric;

use crate::time::{self, EPOCH_2000, INFINITY, NEGATIVE_INFINITY};
use crate::{
    ColumnType, Datum, Interval, Result, Scratch, Settings, SqlError, TimeTz, Type, apply_modifier, json, text,
};

/// The version byte of jsonb.
const JSONB_VERSION: u8 = 1;
/// Infinite dates on the wire.
const DATE_INFINITY: i32 = i32::MAX;
const DATE_NEGATIVE_INFINITY: i32 = i32::MIN;

/// Appends the binary form of a value that is not NULL.
///
/// # Errors
/// 0A000 for lists and maps, which have none.
pub fn output_binary(datum: &Datum<'_>, ty: &ColumnType, settings: &Settings, out: &mut Vec<u8>) -> Result<()> {
    match datum {
        Datum::Null => {}
        Datum::Bool(value) => out.push(u8::from(*value)),
        Datum::Int(value) => put_int(*value, &ty.ty, out),
        Datum::UInt(value) => out.extend(value.to_be_bytes()),
        Datum::Float(value) if ty.ty == Type::Float4 => out.extend((*value as f32).to_be_bytes()),
        Datum::Float(value) => out.extend(value.to_be_bytes()),
        Datum::Numeric(value) => numeric::put(*value, out),
        Datum::Interval(value) => {
            out.extend(value.micros.to_be_bytes());
            out.extend(value.days.to_be_bytes());
            out.extend(value.months.to_be_bytes());
        }
        Datum::TimeTz(value) => {
            out.extend(value.micros.to_be_bytes());
            // West is positive on the wire.
            out.extend((-value.offset).to_be_bytes());
        }
        Datum::Uuid(value) => out.extend(value),
        // "char" is always one byte.
        Datum::Text(value) if ty.ty == Type::Char => out.push(text::byte_of_char(value)),
        Datum::Text(text) if ty.ty == Type::JsonPath => {
            out.push(JSONB_VERSION);
            out.extend_from_slice(text);
        }
        Datum::Text(bytes) | Datum::Bytes(bytes) => out.extend_from_slice(bytes),
        Datum::Jsonb(value) => {
            let mut text = String::new();
            json::write(*value, &mut text);
            out.push(JSONB_VERSION);
            out.extend_from_slice(text.as_bytes());
        }
        Datum::Array(value) => nested::put_array(*value, ty, settings, out)?,
        Datum::Record(value) => nested::put_record(*value, ty, settings, out)?,
        Datum::Range(value) => nested::put_range(*value, ty, settings, out)?,
        Datum::Multirange(value) => nested::put_multirange(*value, ty, settings, out)?,
        Datum::List(_) | Datum::Map(_) => {
            return Err(SqlError::new(b"0A000", format!("the binary form of type {ty} is not supported")));
        }
    }
    Ok(())
}

fn put_int(value: i64, ty: &Type, out: &mut Vec<u8>) {
    match ty {
        Type::Int2 | Type::UInt2 => out.extend((value as i16).to_be_bytes()),
        Type::Int4 | Type::UInt4 => out.extend((value as i32).to_be_bytes()),
        Type::Date => {
            let days = match value {
                INFINITY => DATE_INFINITY,
                NEGATIVE_INFINITY => DATE_NEGATIVE_INFINITY,
                days => (days - EPOCH_2000) as i32,
            };
            out.extend(days.to_be_bytes());
        }
        Type::Timestamp | Type::TimestampTz if !time::is_infinite(value) => {
            out.extend((value - EPOCH_2000 * time::DAY).to_be_bytes());
        }
        ty if ty.is_oid() => out.extend((value as u32).to_be_bytes()),
        _ => out.extend(value.to_be_bytes()),
    }
}

/// Bytes that are read from the front.
pub(super) struct Reader<'b>(pub(super) &'b [u8]);

pub(super) fn malformed() -> SqlError {
    SqlError::new(b"22P03", "incorrect binary data format")
}

impl<'b> Reader<'b> {
    pub(super) fn take(&mut self, count: usize) -> Result<&'b [u8]> {
        let insufficient = || SqlError::new(b"08P01", "insufficient data left in message");
        let (head, tail) = self.0.split_at_checked(count).ok_or_else(insufficient)?;
        self.0 = tail;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        bytes.copy_from_slice(self.take(N)?);
        Ok(bytes)
    }

    pub(super) fn i16(&mut self) -> Result<i16> {
        self.array().map(i16::from_be_bytes)
    }

    pub(super) fn i32(&mut self) -> Result<i32> {
        self.array().map(i32::from_be_bytes)
    }

    pub(super) fn i64(&mut self) -> Result<i64> {
        self.array().map(i64::from_be_bytes)
    }

    /// A value with its length before it; -1 is NULL.
    pub(super) fn value(&mut self) -> Result<Option<&'b [u8]>> {
        match self.i32()? {
            -1 => Ok(None),
            length => self.take(usize::try_from(length).map_err(|_| malformed())?).map(Some),
        }
    }

    pub(super) fn end(&self) -> Result<()> {
        if self.0.is_empty() { Ok(()) } else { Err(malformed()) }
    }
}

/// The value of type `ty` that `bytes` hold. A modifier acts as in an assignment.
///
/// # Errors
/// 22P03 and 08P01 for bytes of another form, 22021 for text that is no UTF-8, 22003 and 22008 for values out of range.
pub fn input_binary<'a>(bytes: &[u8], ty: &ColumnType, settings: &Settings, scratch: &'a Scratch) -> Result<Datum<'a>> {
    let mut reader = Reader(bytes);
    let datum = match &ty.ty {
        Type::Bool => Datum::Bool(reader.array::<1>()?[0] != 0),
        Type::Int2 => Datum::Int(reader.i16()?.into()),
        Type::UInt2 => Datum::Int(i64::from(reader.i16()? as u16)),
        Type::Int4 => Datum::Int(reader.i32()?.into()),
        Type::UInt4 => Datum::Int(i64::from(reader.i32()? as u32)),
        Type::Int8 => Datum::Int(reader.i64()?),
        Type::UInt8 => Datum::UInt(reader.i64()? as u64),
        Type::Float4 => Datum::Float(f32::from_be_bytes(reader.array()?).into()),
        Type::Float8 => Datum::Float(f64::from_be_bytes(reader.array()?)),
        Type::Numeric => Datum::Numeric(numeric::read(&mut reader)?.into_scratch(scratch)),
        Type::Date => Datum::Int(match reader.i32()? {
            DATE_INFINITY => INFINITY,
            DATE_NEGATIVE_INFINITY => NEGATIVE_INFINITY,
            days => time::date(i128::from(days) + i128::from(EPOCH_2000))?,
        }),
        Type::Time => Datum::Int(time_of_day(reader.i64()?)?),
        Type::TimeTz => Datum::TimeTz(timetz(&mut reader)?),
        Type::Timestamp | Type::TimestampTz => Datum::Int(match reader.i64()? {
            micros if time::is_infinite(micros) => micros,
            micros => time::timestamp(i128::from(micros) + i128::from(EPOCH_2000) * i128::from(time::DAY))?,
        }),
        Type::Interval => {
            let (micros, days, months) = (reader.i64()?, reader.i32()?, reader.i32()?);
            Datum::Interval(Interval { months, days, micros })
        }
        Type::Uuid => Datum::Uuid(reader.array()?),
        Type::Bytea => Datum::Bytes(scratch.alloc_slice_copy(reader.take(bytes.len())?)),
        Type::Jsonb | Type::JsonPath => {
            if reader.array::<1>()?[0] != JSONB_VERSION {
                return Err(SqlError::new(b"XX000", format!("unsupported {} version number", ty.ty)));
            }
            return crate::input(utf8(reader.0)?, ty, settings, scratch);
        }
        Type::Char => Datum::Text(text::char_of_byte(reader.array::<1>()?[0], scratch)),
        Type::Range(of) => nested::read_range(&mut reader, *of, settings, scratch)?,
        Type::Multirange(of) => nested::read_multirange(&mut reader, *of, settings, scratch)?,
        Type::Record(record) => nested::read_record(&mut reader, record, settings, scratch)?,
        Type::Array(_) | Type::Int2Vector | Type::OidVector => nested::read_array(&mut reader, ty, settings, scratch)?,
        Type::List(_) | Type::Map(_) => {
            return Err(SqlError::new(b"0A000", format!("the binary form of type {ty} is not supported")));
        }
        oid if oid.is_oid() => Datum::Int(i64::from(reader.i32()? as u32)),
        // The text family and json.
        _ => return crate::input(utf8(bytes)?, ty, settings, scratch),
    };
    reader.end()?;
    apply_modifier(datum, ty, false, scratch)
}

fn utf8(bytes: &[u8]) -> Result<&str> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let byte = bytes.get(error.valid_up_to()).copied().unwrap_or(0);
        SqlError::new(b"22021", format!("invalid byte sequence for encoding \"UTF8\": 0x{byte:02x}"))
    })?;
    if text.contains('\0') {
        return Err(SqlError::new(b"22021", "invalid byte sequence for encoding \"UTF8\": 0x00"));
    }
    Ok(text)
}

fn time_of_day(micros: i64) -> Result<i64> {
    if (0..=time::DAY).contains(&micros) { Ok(micros) } else { Err(SqlError::new(b"22008", "time out of range")) }
}

fn timetz(reader: &mut Reader<'_>) -> Result<TimeTz> {
    let (micros, west) = (time_of_day(reader.i64()?)?, reader.i32()?);
    if west.unsigned_abs() >= 16 * 3600 {
        return Err(SqlError::new(b"22009", "time zone displacement out of range"));
    }
    Ok(TimeTz { micros, offset: -west })
}

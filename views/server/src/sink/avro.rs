//! Rows as Avro (<https://avro.apache.org/docs/1.12.0/specification/>): a schema made from the columns, and rows written by it.
//!
//! What Avro has no type for is text, as PostgreSQL prints it. Names that Avro does not allow get underscores for what it does not.

use serde_json::{Value, json};
use tidewater_delta::RowRef;
use tidewater_sql::{Error, Result};
use tidewater_types::{Column, Datum, Numeric, Packing, Settings, Type, output};

/// Digits whose unscaled number 128 bits hold.
const DECIMAL_DIGITS: u16 = 38;

/// How a column's values are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Boolean,
    Int,
    Long,
    Float,
    Double,
    /// A date: days, which may be infinite.
    Date,
    /// A timestamp: microseconds, which may be infinite.
    Timestamp,
    /// The unscaled number, big-endian.
    Decimal(u16),
    Bytes,
    Text,
}

struct Field {
    place: usize,
    shape: Shape,
    nullable: bool,
    packing: Packing,
    column: Column,
}

/// A record of some columns.
pub(crate) struct Record {
    fields: Vec<Field>,
    schema: Value,
}

impl Record {
    /// The record of these columns.
    ///
    /// # Errors
    /// 42701 if two names are the same for Avro.
    pub(crate) fn new(name: &str, columns: &[Column], places: &[usize]) -> Result<Self> {
        let (mut fields, mut shown, mut names) = (Vec::new(), Vec::new(), Vec::new());
        for &place in places {
            let column = &columns[place];
            let (shape, schema) = shape(column);
            let nullable = !column.not_null;
            let called = plain(&column.name);
            if names.contains(&called) {
                let message = format!("columns \"{}\" and another are both \"{called}\" in Avro", column.name);
                return Err(Error::new(b"42701", message).hint("give one of them another name in the view"));
            }
            shown.push(match nullable {
                true => json!({ "name": called, "type": ["null", schema], "default": null }),
                false => json!({ "name": called, "type": schema }),
            });
            names.push(called);
            let packing = Packing::of(&column.ty);
            fields.push(Field { place, shape, nullable, packing, column: column.clone() });
        }
        Ok(Record { fields, schema: json!({ "type": "record", "name": name, "fields": shown }) })
    }

    /// Its schema.
    pub(crate) fn schema(&self) -> &Value {
        &self.schema
    }

    /// The schema of Debezium's envelope around it.
    pub(crate) fn envelope(&self) -> Value {
        let name = &self.schema["name"];
        json!({ "type": "record", "name": "envelope", "fields": [
            { "name": "before", "type": ["null", self.schema], "default": null },
            { "name": "after", "type": ["null", name], "default": null },
        ]})
    }

    /// Appends a row.
    ///
    /// # Errors
    /// 22008 and 22003 for values that have no Avro form.
    pub(crate) fn write(&self, row: RowRef<'_>, out: &mut Vec<u8>) -> Result<()> {
        for field in &self.fields {
            let value = field.packing.get(row, field.place);
            match (value.is_null(), field.nullable) {
                (true, true) => {
                    out.push(0);
                    continue;
                }
                (true, false) => {
                    let message = format!("column \"{}\" is null, which its schema does not allow", field.column.name);
                    return Err(Error::new(b"23502", message));
                }
                // Of the union of null and the type the second.
                (false, true) => long(1, out),
                (false, false) => {}
            }
            field.write(&value, out)?;
        }
        Ok(())
    }

    /// The length of the row that `bytes` begin with; `None` if they are none.
    pub(crate) fn length(&self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        for field in &self.fields {
            if field.nullable && read_long(bytes, &mut at)? == 0 {
                continue;
            }
            let fixed = match field.shape {
                Shape::Boolean => 1,
                Shape::Float => 4,
                Shape::Double => 8,
                Shape::Int | Shape::Long | Shape::Date | Shape::Timestamp => {
                    read_long(bytes, &mut at)?;
                    0
                }
                Shape::Decimal(_) | Shape::Bytes | Shape::Text => usize::try_from(read_long(bytes, &mut at)?).ok()?,
            };
            at = at.checked_add(fixed).filter(|at| *at <= bytes.len())?;
        }
        Some(at)
    }
}

impl Field {
    fn write(&self, value: &Datum<'_>, out: &mut Vec<u8>) -> Result<()> {
        match (self.shape, value) {
            (Shape::Boolean, Datum::Bool(value)) => out.push(u8::from(*value)),
            (Shape::Int | Shape::Long, Datum::Int(value)) => long(*value, out),
            (Shape::Float, Datum::Float(value)) => out.extend_from_slice(&(*value as f32).to_le_bytes()),
            (Shape::Double, Datum::Float(value)) => out.extend_from_slice(&value.to_le_bytes()),
            (Shape::Date, Datum::Int(days)) => {
                // The extremes of 32 and of 64 bits are the infinities.
                if i32::try_from(*days).is_err() || [i64::from(i32::MIN), i64::from(i32::MAX)].contains(days) {
                    return Err(self.impossible("an infinite date"));
                }
                long(*days, out);
            }
            (Shape::Timestamp, Datum::Int(micros)) => {
                if [i64::MIN, i64::MAX].contains(micros) {
                    return Err(self.impossible("an infinite timestamp"));
                }
                long(*micros, out);
            }
            (Shape::Decimal(scale), Datum::Numeric(number)) => {
                let unscaled = unscaled(*number, scale).ok_or_else(|| self.impossible("a number beyond its digits"))?;
                bytes(shortest(&unscaled.to_be_bytes()), out);
            }
            (Shape::Bytes, Datum::Bytes(value)) => bytes(value, out),
            (Shape::Text, value) => {
                let mut text = String::new();
                output(value, &self.column.ty, &Settings::default(), &mut text);
                bytes(text.as_bytes(), out);
            }
            _ => return Err(self.impossible("a value of another type")),
        }
        Ok(())
    }

    fn impossible(&self, what: &str) -> Error {
        let message = format!("column \"{}\" holds {what}, which has no Avro form", self.column.name);
        Error::new(b"22003", message).hint("cast the column to text in the view, or use FORMAT JSON")
    }
}

/// How a column is written, and its schema.
fn shape(column: &Column) -> (Shape, Value) {
    let logical = |ty: &str, logical: &str| json!({ "type": ty, "logicalType": logical });
    match &column.ty.ty {
        Type::Bool => (Shape::Boolean, json!("boolean")),
        Type::Int2 | Type::Int4 => (Shape::Int, json!("int")),
        Type::Int8 | Type::UInt2 | Type::UInt4 | Type::Oid => (Shape::Long, json!("long")),
        Type::Float4 => (Shape::Float, json!("float")),
        Type::Float8 => (Shape::Double, json!("double")),
        Type::Date => (Shape::Date, logical("int", "date")),
        Type::Time => (Shape::Long, logical("long", "time-micros")),
        Type::Timestamp => (Shape::Timestamp, logical("long", "local-timestamp-micros")),
        Type::TimestampTz => (Shape::Timestamp, logical("long", "timestamp-micros")),
        Type::Bytea => (Shape::Bytes, json!("bytes")),
        Type::Uuid => (Shape::Text, logical("string", "uuid")),
        Type::Numeric => match column.ty.numeric_modifier() {
            Some(modifier) if modifier.precision <= DECIMAL_DIGITS && modifier.scale >= 0 => {
                let (precision, scale) = (modifier.precision, modifier.scale.unsigned_abs());
                let precision = precision.max(scale);
                let schema =
                    json!({ "type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale });
                (Shape::Decimal(scale), schema)
            }
            _ => (Shape::Text, json!("string")),
        },
        _ => (Shape::Text, json!("string")),
    }
}

/// A name as Avro allows it.
fn plain(name: &str) -> String {
    let mut plain: String = name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' }).collect();
    if plain.starts_with(|c: char| c.is_ascii_digit()) || plain.is_empty() {
        plain.insert(0, '_');
    }
    plain
}

fn unscaled(number: Numeric<'_>, scale: u16) -> Option<i128> {
    let Numeric::Small(mantissa, of) = number else { return None };
    if of <= scale {
        return mantissa.checked_mul(10_i128.checked_pow(u32::from(scale - of))?);
    }
    let divisor = 10_i128.checked_pow(u32::from(of - scale))?;
    (mantissa % divisor == 0).then_some(mantissa / divisor)
}

/// Two's complement without the leading bytes that say nothing.
fn shortest(bytes: &[u8]) -> &[u8] {
    let says_nothing = |pair: &[u8]| (pair[0] == 0 && pair[1] < 0x80) || (pair[0] == 0xff && pair[1] >= 0x80);
    let leading = bytes.windows(2).take_while(|pair| says_nothing(pair)).count();
    &bytes[leading..]
}

fn bytes(value: &[u8], out: &mut Vec<u8>) {
    long(value.len() as i64, out);
    out.extend_from_slice(value);
}

/// Zigzag, seven bits a byte.
pub(crate) fn long(value: i64, out: &mut Vec<u8>) {
    let mut left = ((value << 1) ^ (value >> 63)) as u64;
    while left >= 0x80 {
        out.push((left as u8 & 0x7f) | 0x80);
        left >>= 7;
    }
    out.push(left as u8);
}

pub(crate) fn read_long(bytes: &[u8], at: &mut usize) -> Option<i64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.get(*at)?;
        *at += 1;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some((value >> 1) as i64 ^ -((value & 1) as i64));
        }
    }
    None
}

//! Rows as clients read them: values in text or binary, each with its length before it, as PostgreSQL's messages hold them.
//!
//! The forms themselves are the types' own ([`tidewater_types::output`], [`tidewater_types::output_binary`]).

use std::sync::Arc;

use pgwire::messages::data::{FieldDescription, RowDescription};
use tidewater_functions::Session;
use tidewater_sql::{Error, Result};
use tidewater_types::{Column, ColumnType, Datum, Settings, Type, output, output_binary};

/// What writes one row behind what a buffer holds already.
pub(crate) type Encoder = Box<dyn FnMut(&[Datum<'_>], &mut Vec<u8>) -> Result<()> + Send>;

/// Bytes of a row: a message says its length in 31 bits.
const ROW: usize = i32::MAX as usize - 64;

/// Writes the fields of PostgreSQL's rows, column by column in text or in binary.
pub(crate) fn fields(columns: &[Column], binary: Vec<bool>, session: Arc<Session>) -> Encoder {
    let types: Vec<ColumnType> = columns.iter().map(|column| column.ty.clone()).collect();
    let mut text = String::new();
    Box::new(move |values, out| {
        let at = out.len();
        for ((value, ty), binary) in values.iter().zip(&types).zip(&binary) {
            put_field(value, ty, *binary, &session.settings, &mut text, out)?;
        }
        if out.len() - at > ROW { Err(Error::new(b"54000", "a row is too large to be sent")) } else { Ok(()) }
    })
}

/// Appends one value with its length before it; NULL is the length -1. `text` is memory to write in.
fn put_field(
    value: &Datum<'_>,
    ty: &ColumnType,
    binary: bool,
    settings: &Settings,
    text: &mut String,
    out: &mut Vec<u8>,
) -> Result<()> {
    if value.is_null() {
        out.extend((-1_i32).to_be_bytes());
        return Ok(());
    }
    let at = out.len();
    out.extend([0; 4]);
    match value {
        // Text is the same in both forms, and needs no look at its letters.
        Datum::Text(bytes) if ty.ty != Type::Char => out.extend_from_slice(bytes),
        _ if binary => output_binary(value, ty, settings, out)?,
        _ => {
            text.clear();
            output(value, ty, settings, text);
            out.extend_from_slice(text.as_bytes());
        }
    }
    let length = (out.len() - at - 4) as i32;
    out[at..at + 4].copy_from_slice(&length.to_be_bytes());
    Ok(())
}

/// The message that describes columns; `binary` of each, text where it says nothing.
pub(crate) fn description(columns: &[Column], binary: &[bool]) -> RowDescription {
    let describe = |(number, column): (usize, &Column)| {
        let ty = &column.ty;
        let format = i16::from(binary.get(number).copied().unwrap_or(false));
        FieldDescription::new(column.name.clone(), 0, 0, oid(ty), ty.ty.length(), ty.modifier, format)
    };
    RowDescription::new(columns.iter().enumerate().map(describe).collect())
}

/// The oid by which clients know a type. What is of no type yet is text to them.
pub(crate) fn oid(ty: &ColumnType) -> u32 {
    let ty = if ty.ty == Type::Unknown { &Type::Text } else { &ty.ty };
    ty.oid()
}

/// Whether values of a type are shown and read by names of the catalog.
pub(crate) fn needs_names(ty: &ColumnType) -> bool {
    match &ty.ty {
        Type::Oid | Type::Xid => false,
        Type::Record(record) => record.fields.iter().any(|(_, ty)| needs_names(ty)),
        ty => ty.is_oid() || ty.element().is_some_and(|element| needs_names(&element.clone().into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(value: &Datum<'_>, ty: Type, binary: bool) -> Vec<u8> {
        let mut encode = fields(&[Column::new("x", ty)], vec![binary], Arc::default());
        let mut out = vec![7];
        encode(&[*value], &mut out).expect("it has this form");
        out.split_off(1)
    }

    #[test]
    fn lengths_stand_before_values() {
        assert_eq!(field(&Datum::Null, Type::Int4, true), [255; 4]);
        assert_eq!(field(&Datum::Int(-7), Type::Int4, false), b"\0\0\0\x02-7");
        assert_eq!(field(&Datum::Int(-7), Type::Int2, true), b"\0\0\0\x02\xff\xf9");
        assert_eq!(field(&Datum::from("é"), Type::Text, true), "\0\0\0\x02é".as_bytes());
        assert_eq!(field(&Datum::from(""), Type::Varchar, false), [0; 4]);
        // A "char" that is no letter is shown by its digits.
        assert_eq!(field(&Datum::Text("\u{80}".as_bytes()), Type::Char, false)[..4], [0, 0, 0, 4]);
    }

    #[test]
    fn columns_are_described_with_their_modifiers() {
        let price = ColumnType::parse("numeric(10,2)").expect("a type");
        let columns = [Column::new("price", price), Column::new("id", Type::Int8), Column::new("n", Type::Unknown)];
        let described = description(&columns, &[true, false]);
        let shown = described.fields.iter().map(|f| (f.type_id, f.type_size, f.type_modifier, f.format_code));
        assert_eq!(shown.collect::<Vec<_>>(), [(1700, -1, 10 << 16 | 6, 1), (20, 8, -1, 0), (25, -2, -1, 0)]);
    }
}

//! Values that clients bind to parameters, in text or binary.

use tidewater_query::plan::Constant;
use tidewater_sql::{Error, Result};
use tidewater_types::{ColumnType, Datum, Scratch, Settings, Type, input, input_binary};

/// The types that a client declares; `Type::Unknown` where the statement decides.
///
/// # Errors
/// 0A000 for a type that is not known here: its binary form would be taken for another's.
pub(crate) fn declared(oids: &[u32]) -> Result<Vec<ColumnType>> {
    let declared = |(number, oid): (usize, &u32)| match oid {
        0 => Ok(Type::Unknown.into()),
        _ => Type::from_oid(*oid).map(ColumnType::from).ok_or_else(|| {
            let message = format!("parameter ${}: the type with oid {oid} is not supported", number + 1);
            Error::new(b"0A000", message).hint("declare no type, or text, and cast the parameter")
        }),
    };
    oids.iter().enumerate().map(declared).collect()
}

/// The value of parameter `number` (from 0), of type `ty`.
///
/// # Errors
/// 22P02 and its like if the bytes are not one, 22P03 and 08P01 if they have the wrong length, 22021 if they are not UTF-8.
pub(crate) fn decode(
    number: usize,
    bytes: Option<&[u8]>,
    binary: bool,
    ty: &ColumnType,
    settings: &Settings,
) -> Result<Constant> {
    let Some(bytes) = bytes else { return Ok(Constant::new(&Datum::Null, ty.clone())) };
    let scratch = Scratch::new();
    let value = if binary { input_binary(bytes, ty, settings, &scratch) } else { text(bytes, ty, settings, &scratch) };
    match value {
        Ok(value) => Ok(Constant::new(&value, ty.clone())),
        Err(error) if error.detail.is_none() => {
            Err(error.detail(format!("It was given for parameter ${}.", number + 1)))
        }
        Err(error) => Err(error),
    }
}

fn text<'a>(bytes: &[u8], ty: &ColumnType, settings: &Settings, scratch: &'a Scratch) -> Result<Datum<'a>> {
    let wrong = |byte: u8| Error::new(b"22021", format!("invalid byte sequence for encoding \"UTF8\": 0x{byte:02x}"));
    let text = std::str::from_utf8(bytes)
        .map_err(|error| wrong(bytes.get(error.valid_up_to()).copied().unwrap_or_default()))?;
    if text.contains('\0') {
        return Err(wrong(0));
    }
    input(text, ty, settings, scratch)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(bytes: &[u8], binary: bool, ty: Type) -> Result<Constant> {
        decode(1, Some(bytes), binary, &ty.into(), &Settings::default())
    }

    #[test]
    fn both_forms_give_the_same_value() {
        for (text, binary, ty) in [
            ("7", &[0, 0, 0, 0, 0, 0, 0, 7][..], Type::Int8),
            ("21.50", &[0, 2, 0, 0, 0, 0, 0, 2, 0, 21, 0x13, 0x88], Type::Numeric),
            ("t", &[1], Type::Bool),
            ("2000-01-02", &[0, 0, 0, 1], Type::Date),
            ("é", "é".as_bytes(), Type::Text),
            (
                "{7,NULL}",
                &[
                    0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 23, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 7, 255, 255, 255,
                    255,
                ],
                Type::Int4.array(),
            ),
        ] {
            let (text, binary) = (decoded(text.as_bytes(), false, ty.clone()), decoded(binary, true, ty));
            assert_eq!(text.expect("a value"), binary.expect("the same value"));
        }
    }

    #[test]
    fn bytes_that_are_no_value_are_refused() {
        let code = |bytes: &[u8], binary, ty| decoded(bytes, binary, ty).map_err(|error| error.sqlstate);
        assert_eq!(code(b"x", false, Type::Int8), Err(*b"22P02"));
        assert_eq!(code(b"\xff", false, Type::Text), Err(*b"22021"));
        assert_eq!(code(b"a\0", false, Type::Text), Err(*b"22021"));
        assert_eq!(code(&[0, 1], true, Type::Int8), Err(*b"08P01"));
        assert_eq!(code(&[0; 9], true, Type::Int8), Err(*b"22P03"));
        let told = decoded(b"x", false, Type::Int8).expect_err("no number");
        assert!(told.detail.is_some_and(|detail| detail.contains("$2")));
        assert_eq!(decode(0, None, false, &Type::Int8.into(), &Settings::default()).expect("NULL").value, None);
    }

    #[test]
    fn types_that_nobody_knows_are_refused_before_a_value_comes() {
        assert_eq!(declared(&[0, 20]).expect("types"), [Type::Unknown.into(), ColumnType::from(Type::Int8)]);
        assert_eq!(declared(&[869]).expect_err("inet").sqlstate, *b"0A000");
    }
}

//! Whole numbers: their ranges, text in, and the errors of both. Arithmetic is checked 64-bit arithmetic, then [`in_range`].

use crate::{Result, SqlError, Type};

/// The least and the greatest value of an integer type, oids among them; `None` for other types.
pub fn bounds(ty: &Type) -> Option<(i128, i128)> {
    Some(match ty {
        Type::Int2 => (i16::MIN.into(), i16::MAX.into()),
        Type::Int4 => (i32::MIN.into(), i32::MAX.into()),
        Type::Int8 => (i64::MIN.into(), i64::MAX.into()),
        Type::UInt2 => (0, u16::MAX.into()),
        Type::UInt4 => (0, u32::MAX.into()),
        Type::UInt8 => (0, u64::MAX.into()),
        ty if ty.is_oid() => (0, u32::MAX.into()),
        _ => return None,
    })
}

/// "integer out of range" and the like.
pub fn out_of_range(ty: &Type) -> SqlError {
    let name = if ty.is_oid() { "OID".to_owned() } else { ty.to_string() };
    SqlError::new(b"22003", format!("{name} out of range"))
}

/// `value`, if `ty` has it.
///
/// # Errors
/// 22003 if not.
pub fn in_range(value: i128, ty: &Type) -> Result<i64> {
    match bounds(ty) {
        Some((least, greatest)) if value >= least && value <= greatest => Ok(value as i64),
        _ => Err(out_of_range(ty)),
    }
}

/// The number that `text` shows; an oid may be written as the negative number that has its bits.
///
/// # Errors
/// 22P02 if it shows none, 22003 if `ty` does not have it.
pub fn parse(text: &str, ty: &Type) -> Result<i128> {
    let name = if ty.is_oid() { "oid".to_owned() } else { ty.to_string() };
    let trimmed = crate::text::trim_space(text);
    let (least, greatest) = bounds(ty).unwrap_or((0, 0));
    let out_of_range = || SqlError::new(b"22003", format!("value \"{text}\" is out of range for type {name}"));
    let sign = usize::from(trimmed.starts_with(['+', '-']));
    let end = sign + trimmed[sign..].bytes().take_while(u8::is_ascii_digit).count();
    // None for what not even 128 bits hold.
    let value = trimmed[..end].parse::<i128>().ok().filter(|_| end > sign);
    // Digits too large for the machine's word are told before what follows them.
    let most = if ty.is_oid() { u64::MAX.into() } else { greatest.max(-least) };
    if end > sign && value.is_none_or(|value| value.abs() > most) {
        return Err(out_of_range());
    }
    let value = value
        .filter(|_| end == trimmed.len())
        .ok_or_else(|| SqlError::new(b"22P02", format!("invalid input syntax for type {name}: \"{text}\"")))?;
    let value = if ty.is_oid() && (i32::MIN.into()..0).contains(&value) { value + (1 << 32) } else { value };
    if (least..=greatest).contains(&value) { Ok(value) } else { Err(out_of_range()) }
}

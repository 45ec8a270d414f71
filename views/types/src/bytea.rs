//! bytea: hex and escape form in, hex form out.

use crate::{Result, SqlError};

/// The bytes that `text` shows: `\xDEADBEEF`, or characters with `\\` and `\ooo`.
///
/// # Errors
/// 22023 for hex that is none, 22P02 for a bad escape.
pub fn parse(text: &str) -> Result<Vec<u8>> {
    if let Some(hex) = text.strip_prefix("\\x") {
        return parse_hex(hex);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = match (byte, tail) {
            (b'\\', [b'\\', tail @ ..]) => {
                out.push(b'\\');
                tail
            }
            (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', tail @ ..]) => {
                out.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                tail
            }
            (b'\\', _) => return Err(SqlError::new(b"22P02", "invalid input syntax for type bytea")),
            _ => {
                out.push(byte);
                tail
            }
        };
    }
    Ok(out)
}

/// The bytes that hex digits show; blanks may stand between pairs.
///
/// # Errors
/// 22023 for anything else.
pub fn parse_hex(hex: &str) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(hex.len() / 2);
    let mut digits = hex.chars();
    let digit = |c: char| {
        let value = c.to_digit(16);
        value.ok_or_else(|| SqlError::new(b"22023", format!("invalid hexadecimal digit: \"{c}\"")))
    };
    while let Some(first) = digits.next() {
        if matches!(first, ' ' | '\n' | '\t' | '\r') {
            continue;
        }
        let high = digit(first)?;
        let odd = || SqlError::new(b"22023", "invalid hexadecimal data: odd number of digits");
        let low = digit(digits.next().ok_or_else(odd)?)?;
        out.push((high << 4 | low) as u8);
    }
    Ok(out)
}

/// Appends `\x` and the hex digits.
pub fn write(bytes: &[u8], out: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.reserve(2 + bytes.len() * 2);
    out.push_str("\\x");
    for byte in bytes {
        out.push(char::from(DIGITS[usize::from(byte >> 4)]));
        out.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
}

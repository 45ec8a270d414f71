//! uuid: 32 hex digits; hyphens may stand after every four, braces around.

use std::fmt::Write;

use crate::{Result, SqlError};

/// The uuid that `text` shows.
///
/// # Errors
/// 22P02 if it shows none.
pub fn parse(text: &str) -> Result<[u8; 16]> {
    read(text).ok_or_else(|| SqlError::new(b"22P02", format!("invalid input syntax for type uuid: \"{text}\"")))
}

fn read(text: &str) -> Option<[u8; 16]> {
    let inside = match text.strip_prefix('{') {
        Some(rest) => rest.strip_suffix('}')?,
        None => text,
    };
    let mut rest = inside.as_bytes();
    let mut uuid = [0; 16];
    for (i, byte) in uuid.iter_mut().enumerate() {
        let digits = std::str::from_utf8(rest.get(..2)?).ok()?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        *byte = u8::from_str_radix(digits, 16).ok()?;
        rest = &rest[2..];
        if i % 2 == 1 && i < 15 {
            rest = rest.strip_prefix(b"-").unwrap_or(rest);
        }
    }
    rest.is_empty().then_some(uuid)
}

/// Appends the usual form, with hyphens.
pub fn write(uuid: &[u8; 16], out: &mut String) {
    for (i, byte) in uuid.iter().enumerate() {
        if matches!(i, 4 | 6 | 8 | 10) {
            out.push('-');
        }
        // Writing to a String cannot fail.
        let _ = write!(out, "{byte:02x}");
    }
}

//! The text family: what its lengths cut, and how char(n) compares.

use crate::{ColumnType, Result, SqlError, Type};

/// The greatest length of a name, in bytes.
pub const NAME_BYTES: usize = 63;

/// Without the space around it: what C calls space.
pub fn trim_space(text: &str) -> &str {
    text.trim_matches(|c| matches!(c, ' ' | '\t' | '\n' | '\r' | '\x0b' | '\x0c'))
}

/// Without blanks at the end: what of a char(n) counts.
pub fn trim_blanks(text: &[u8]) -> &[u8] {
    let end = text.iter().rposition(|byte| *byte != b' ').map_or(0, |last| last + 1);
    &text[..end]
}

/// The first characters of `text` that fit a name.
pub fn name_prefix(text: &[u8]) -> &[u8] {
    if text.len() <= NAME_BYTES {
        return text;
    }
    let mut end = NAME_BYTES;
    // Not inside of a character.
    while text[end] & 0xc0 == 0x80 {
        end -= 1;
    }
    &text[..end]
}

/// Where character number `n` begins; `None` if there are at most `n`.
fn character_start(text: &[u8], n: usize) -> Option<usize> {
    if text.len() <= n {
        return None;
    }
    text.iter().enumerate().filter(|(_, byte)| **byte & 0xc0 != 0x80).nth(n).map(|(at, _)| at)
}

/// What a column of type `ty`, varchar(n) or char(n), holds of `text`: an explicit cast cuts; otherwise only blanks may go.
/// char(n) is padded with blanks.
///
/// # Errors
/// 22001 if characters would be lost.
pub fn apply_length<'a>(
    text: &'a [u8],
    ty: &ColumnType,
    explicit: bool,
    scratch: &'a crate::Scratch,
) -> Result<&'a [u8]> {
    let Some(length) = ty.max_length() else { return Ok(text) };
    if let Some(cut) = character_start(text, length) {
        if !explicit && text[cut..].iter().any(|byte| *byte != b' ') {
            let name = if ty.ty == Type::Bpchar { "character" } else { "character varying" };
            return Err(SqlError::new(b"22001", format!("value too long for type {name}({length})")));
        }
        return Ok(&text[..cut]);
    }
    if ty.ty != Type::Bpchar {
        return Ok(text);
    }
    let characters = text.iter().filter(|byte| **byte & 0xc0 != 0x80).count();
    let mut padded = bumpalo::collections::Vec::with_capacity_in(text.len() + length - characters, scratch);
    padded.extend_from_slice_copy(text);
    padded.resize(text.len() + length - characters, b' ');
    Ok(padded.into_bump_slice())
}

/// A "char" of this byte. Beyond ASCII it is kept as the character of that number, so that it is text and sorts right.
pub fn char_of_byte(byte: u8, scratch: &crate::Scratch) -> &[u8] {
    if byte == 0 { &[] } else { scratch.alloc_str(char::from(byte).encode_utf8(&mut [0; 2])).as_bytes() }
}

/// The byte that a "char" is; 0 for an empty one.
pub fn byte_of_char(text: &[u8]) -> u8 {
    let character = std::str::from_utf8(text).ok().and_then(|text| text.chars().next());
    character.map_or(0, |c| c as u32 as u8)
}

/// The "char" that `text` shows: its first byte, or the byte of `\ooo`.
pub fn read_char<'a>(text: &[u8], scratch: &'a crate::Scratch) -> &'a [u8] {
    let byte = match text {
        [b'\\', a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7'] => (a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'),
        _ => text.first().copied().unwrap_or(0),
    };
    char_of_byte(byte, scratch)
}

/// Appends a "char": beyond ASCII as `\ooo`.
pub fn write_char(text: &[u8], out: &mut String) {
    match byte_of_char(text) {
        0 => {}
        byte if byte.is_ascii() => out.push(char::from(byte)),
        byte => out.push_str(&format!("\\{byte:03o}")),
    }
}

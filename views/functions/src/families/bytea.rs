//! Binary strings, encodings and hashes (<https://www.postgresql.org/docs/15/functions-binarystring.html>).

use base64::Engine;
use hmac::{KeyInit, Mac};
use sha2::Digest;
use tidewater_types::{Datum, Result, SqlError};

use crate::call::{Call, check_size, invalid};
use crate::table::Table;

pub(super) fn register(t: &mut Table) {
    t.family("Binary strings");
    t.operator("||(bytea, bytea) -> bytea -- The two joined.", |c| {
        let (a, b) = (c.bytes(0)?, c.bytes(1)?);
        check_size(a.len() + b.len())?;
        c.new_bytes(&[a, b].concat())
    });
    t.add("length(bytea) -> int4 -- Number of bytes.", |c| Ok(Datum::Int(c.bytes(0)?.len() as i64)));
    t.add("stable length(bytea, name) -> int4 -- Number of characters in an encoding.", |c| {
        Ok(Datum::Int(decoded(c.bytes(0)?, c.text(1)?, "invalid encoding name")?.chars().count() as i64))
    });
    parts(t);
    bits(t);
    t.add("encode(bytea, text) -> text -- As text: hex, base64 or escape.", |c| {
        c.new_text(&encode(c.bytes(0)?, c.text(1)?)?)
    });
    t.add("decode(text, text) -> bytea -- From text: hex, base64 or escape.", |c| {
        c.new_bytes(&decode(c.text(0)?, c.text(1)?)?)
    });
    t.add("stable convert_from(bytea, name) -> text -- Bytes of an encoding as text.", |c| {
        c.new_text(&decoded(c.bytes(0)?, c.text(1)?, "invalid source encoding name")?)
    });
    t.add("stable convert_to(text, name) -> bytea -- Text as bytes of an encoding.", |c| {
        c.new_bytes(&encoded(c.text(0)?, c.text(1)?, "invalid destination encoding name")?)
    });
    t.add("stable convert(bytea, name, name) -> bytea -- From one encoding to another.", |c| {
        let text = decoded(c.bytes(0)?, c.text(1)?, "invalid source encoding name")?;
        c.new_bytes(&encoded(&text, c.text(2)?, "invalid destination encoding name")?)
    });
    hashes(t);
}

fn parts(t: &mut Table) {
    t.add("substr(bytea, int4) -> bytea\nsubstr(bytea, int4, int4) -> bytea\nsubstring(bytea, int4) -> bytea\nsubstring(bytea, int4, int4) -> bytea", |c| {
        let length = if c.count() > 2 { Some(c.int(2)?) } else { None };
        Ok(Datum::Bytes(part(c.bytes(0)?, c.int(1)?, length)?))
    });
    t.add("position(bytea, bytea) -> int4 -- Where the second begins in the first, from 1; 0 if nowhere.", |c| {
        let (bytes, sought) = (c.bytes(0)?, c.bytes(1)?);
        let at = if sought.is_empty() { Some(0) } else { bytes.windows(sought.len()).position(|part| part == sought) };
        Ok(Datum::Int(at.map_or(0, |at| at as i64 + 1)))
    });
    t.add("overlay(bytea, bytea, int4) -> bytea -- A part replaced by the second.\noverlay(bytea, bytea, int4, int4) -> bytea", overlay);
    t.add("btrim(bytea, bytea) -> bytea -- Without the second's bytes at both ends.", |c| trim(c, true, true));
    t.add("ltrim(bytea, bytea) -> bytea -- Without the second's bytes at the front.", |c| trim(c, true, false));
    t.add("rtrim(bytea, bytea) -> bytea -- Without the second's bytes at the end.", |c| trim(c, false, true));
}

fn bits(t: &mut Table) {
    t.add("bit_count(bytea) -> int8 -- Number of bits that are set.", |c| {
        Ok(Datum::Int(c.bytes(0)?.iter().map(|byte| i64::from(byte.count_ones())).sum()))
    });
    t.add("get_byte(bytea, int4) -> int4 -- The n-th byte, from 0.", |c| {
        let bytes = c.bytes(0)?;
        Ok(Datum::Int(bytes[index(c.int(1)?, bytes.len())?].into()))
    });
    t.add("set_byte(bytea, int4, int4) -> bytea -- With the n-th byte replaced.", |c| {
        let bytes = c.bytes(0)?;
        let at = index(c.int(1)?, bytes.len())?;
        let mut bytes = bytes.to_vec();
        bytes[at] = c.int(2)? as u8;
        c.new_bytes(&bytes)
    });
    t.add("get_bit(bytea, int8) -> int4 -- The n-th bit, from 0, the lowest of the first byte.", |c| {
        let bytes = c.bytes(0)?;
        let at = index(c.int(1)?, bytes.len() * 8)?;
        Ok(Datum::Int((bytes[at / 8] >> (at % 8) & 1).into()))
    });
    t.add("set_bit(bytea, int8, int4) -> bytea -- With the n-th bit replaced.", |c| {
        let bytes = c.bytes(0)?;
        let at = index(c.int(1)?, bytes.len() * 8)?;
        let mut bytes = bytes.to_vec();
        match c.int(2)? {
            0 => bytes[at / 8] &= !(1 << (at % 8)),
            1 => bytes[at / 8] |= 1 << (at % 8),
            _ => return Err(invalid("new bit must be 0 or 1")),
        }
        c.new_bytes(&bytes)
    });
}

fn hashes(t: &mut Table) {
    t.add("md5(text) -> text -- MD5, in hexadecimal digits.\nmd5(bytea) -> text", |c| {
        c.new_text(&hex(&md5::Md5::digest(c.bytes(0)?)))
    });
    t.add("sha224(bytea) -> bytea -- SHA-224.", |c| c.new_bytes(&sha2::Sha224::digest(c.bytes(0)?)));
    t.add("sha256(bytea) -> bytea -- SHA-256.", |c| c.new_bytes(&sha2::Sha256::digest(c.bytes(0)?)));
    t.add("sha384(bytea) -> bytea -- SHA-384.", |c| c.new_bytes(&sha2::Sha384::digest(c.bytes(0)?)));
    t.add("sha512(bytea) -> bytea -- SHA-512.", |c| c.new_bytes(&sha2::Sha512::digest(c.bytes(0)?)));
    t.add("digest(text, text) -> bytea -- The first's hash: md5, sha1, sha224, sha256, sha384 or sha512.\ndigest(bytea, text) -> bytea", |c| {
        let bytes = c.bytes(0)?;
        match c.text(1)?.to_ascii_lowercase().as_str() {
            "md5" => c.new_bytes(&md5::Md5::digest(bytes)),
            "sha1" => c.new_bytes(&sha1::Sha1::digest(bytes)),
            "sha224" => c.new_bytes(&sha2::Sha224::digest(bytes)),
            "sha256" => c.new_bytes(&sha2::Sha256::digest(bytes)),
            "sha384" => c.new_bytes(&sha2::Sha384::digest(bytes)),
            "sha512" => c.new_bytes(&sha2::Sha512::digest(bytes)),
            other => Err(invalid(format!("Cannot use \"{other}\": No such hash algorithm"))),
        }
    });
    t.add("hmac(text, text, text) -> bytea -- The first's hash with a key: as digest's.\nhmac(bytea, bytea, text) -> bytea", |c| {
        let (bytes, key) = (c.bytes(0)?, c.bytes(1)?);
        match c.text(2)?.to_ascii_lowercase().as_str() {
            "md5" => keyed::<hmac::Hmac<md5::Md5>>(c, bytes, key),
            "sha1" => keyed::<hmac::Hmac<sha1::Sha1>>(c, bytes, key),
            "sha224" => keyed::<hmac::Hmac<sha2::Sha224>>(c, bytes, key),
            "sha256" => keyed::<hmac::Hmac<sha2::Sha256>>(c, bytes, key),
            "sha384" => keyed::<hmac::Hmac<sha2::Sha384>>(c, bytes, key),
            "sha512" => keyed::<hmac::Hmac<sha2::Sha512>>(c, bytes, key),
            other => Err(invalid(format!("Cannot use \"{other}\": No such hash algorithm"))),
        }
    });
}

fn keyed<'a, M: Mac + KeyInit>(c: &Call<'a, '_>, bytes: &[u8], key: &[u8]) -> Result<Datum<'a>> {
    let mac = <M as KeyInit>::new_from_slice(key).map_err(|_| invalid("invalid key length"))?;
    c.new_bytes(&mac.chain_update(bytes).finalize().into_bytes())
}

fn index(at: i64, length: usize) -> Result<usize> {
    usize::try_from(at)
        .ok()
        .filter(|at| *at < length)
        .ok_or_else(|| SqlError::new(b"2202E", format!("index {at} out of valid range, 0..{}", length as i64 - 1)))
}

/// SQL's substring of bytes, which counts as that of characters.
fn part(bytes: &[u8], start: i64, length: Option<i64>) -> Result<&[u8]> {
    let from = ((start.max(1) - 1) as usize).min(bytes.len());
    let Some(length) = length else {
        return Ok(&bytes[from..]);
    };
    if length < 0 {
        return Err(SqlError::new(b"22011", "negative substring length not allowed"));
    }
    let end = ((start + length - 1).max(0) as usize).clamp(from, bytes.len());
    Ok(&bytes[from..end])
}

fn overlay<'a>(c: &Call<'a, '_>) -> Result<Datum<'a>> {
    let (bytes, by, start) = (c.bytes(0)?, c.bytes(1)?, c.int(2)?);
    let length = if c.count() > 3 { c.int(3)? } else { by.len() as i64 };
    if start <= 0 {
        return Err(SqlError::new(b"22011", "negative substring length not allowed"));
    }
    if i32::try_from(start + length).is_err() {
        return Err(SqlError::new(b"22003", "integer out of range"));
    }
    let (front, back) = (part(bytes, 1, Some(start - 1))?, part(bytes, start + length, None)?);
    check_size(front.len() + by.len() + back.len())?;
    c.new_bytes(&[front, by, back].concat())
}

fn trim<'a>(c: &Call<'a, '_>, front: bool, back: bool) -> Result<Datum<'a>> {
    let (mut bytes, set) = (c.bytes(0)?, c.bytes(1)?);
    while front && bytes.first().is_some_and(|byte| set.contains(byte)) {
        bytes = &bytes[1..];
    }
    while back && bytes.last().is_some_and(|byte| set.contains(byte)) {
        bytes = &bytes[..bytes.len() - 1];
    }
    Ok(Datum::Bytes(bytes))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}

fn encode(bytes: &[u8], format: &str) -> Result<String> {
    check_size(bytes.len().saturating_mul(4))?;
    match format.to_ascii_lowercase().as_str() {
        "hex" => Ok(hex(bytes)),
        "base64" => {
            // Lines of 76 characters, as MIME has them: of 57 bytes each, which ends a line even where it is the last.
            let mut out = String::new();
            for line in bytes.chunks(57) {
                out.push_str(&base64::engine::general_purpose::STANDARD.encode(line));
                if line.len() == 57 {
                    out.push('\n');
                }
            }
            Ok(out)
        }
        "escape" => {
            let mut out = String::new();
            for byte in bytes {
                match byte {
                    b'\\' => out.push_str("\\\\"),
                    0 | 0x80.. => out.push_str(&format!("\\{byte:03o}")),
                    _ => out.push(char::from(*byte)),
                }
            }
            Ok(out)
        }
        _ => Err(invalid(format!("unrecognized encoding: \"{format}\""))),
    }
}

fn decode(text: &str, format: &str) -> Result<Vec<u8>> {
    match format.to_ascii_lowercase().as_str() {
        "hex" => decode_hex(text),
        "base64" => decode_base64(text),
        "escape" => decode_escape(text),
        _ => Err(invalid(format!("unrecognized encoding: \"{format}\""))),
    }
}

fn decode_hex(text: &str) -> Result<Vec<u8>> {
    let mut digits = Vec::with_capacity(text.len());
    let mut bytes = Vec::with_capacity(text.len() / 2);
    for char in text.chars() {
        // Blanks may stand between bytes, not within one.
        if digits.is_empty() && matches!(char, ' ' | '\n' | '\t' | '\r') {
            continue;
        }
        digits.push(char.to_digit(16).ok_or_else(|| invalid(format!("invalid hexadecimal digit: \"{char}\"")))? as u8);
        if let [high, low] = digits[..] {
            bytes.push(high << 4 | low);
            digits.clear();
        }
    }
    if digits.is_empty() { Ok(bytes) } else { Err(invalid("invalid hexadecimal data: odd number of digits")) }
}

fn decode_base64(text: &str) -> Result<Vec<u8>> {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut group, mut position, mut end) = (0_u32, 0, 0);
    for char in text.chars() {
        let digit = match char {
            ' ' | '\t' | '\n' | '\r' => continue,
            '=' => {
                if end == 0 {
                    end = match position {
                        2 => 1,
                        3 => 2,
                        _ => return Err(invalid("unexpected \"=\" while decoding base64 sequence")),
                    };
                }
                0
            }
            _ => match u8::try_from(char).ok().and_then(|byte| DIGITS.iter().position(|digit| *digit == byte)) {
                Some(digit) => digit,
                None => return Err(invalid(format!("invalid symbol \"{char}\" found while decoding base64 sequence"))),
            },
        };
        group = group << 6 | digit as u32;
        position += 1;
        if position == 4 {
            let [_, a, b, c] = group.to_be_bytes();
            bytes.extend_from_slice(&[a, b, c][..if end == 0 { 3 } else { end }]);
            (group, position) = (0, 0);
        }
    }
    if position == 0 {
        return Ok(bytes);
    }
    Err(invalid("invalid base64 end sequence")
        .hint("Input data is missing padding, is truncated, or is otherwise corrupted."))
}

fn decode_escape(text: &str) -> Result<Vec<u8>> {
    let refuse = || SqlError::new(b"22P02", "invalid input syntax for type bytea");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'\\' {
            bytes.push(*first);
        } else if let [b'\\', after @ ..] = rest {
            bytes.push(b'\\');
            rest = after;
        } else if let [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', after @ ..] = rest {
            bytes.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
            rest = after;
        } else {
            return Err(refuse());
        }
    }
    Ok(bytes)
}

enum Encoding {
    Utf8,
    Latin1,
    Ascii,
}

fn encoding(name: &str, otherwise: &str) -> Result<Encoding> {
    let plain: String = name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    match plain.as_str() {
        "utf8" | "unicode" => Ok(Encoding::Utf8),
        "latin1" | "iso88591" => Ok(Encoding::Latin1),
        "sqlascii" => Ok(Encoding::Ascii),
        _ if KNOWN.contains(&plain.as_str()) => {
            Err(SqlError::new(b"0A000", format!("encoding \"{name}\" is not supported")))
        }
        _ => Err(invalid(format!("{otherwise} \"{name}\""))),
    }
}

/// Encodings that PostgreSQL has and we do not.
const KNOWN: &[&str] = &[
    "big5",
    "euccn",
    "eucjis2004",
    "eucjp",
    "euckr",
    "euctw",
    "gb18030",
    "gbk",
    "iso88592",
    "iso88595",
    "iso88596",
    "iso88597",
    "iso88598",
    "johab",
    "koi8r",
    "koi8u",
    "latin2",
    "latin3",
    "latin4",
    "latin5",
    "latin6",
    "latin7",
    "latin8",
    "latin9",
    "latin10",
    "muleinternal",
    "shiftjis2004",
    "sjis",
    "uhc",
    "win866",
    "win874",
    "win1250",
    "win1251",
    "win1252",
    "win1253",
    "win1254",
    "win1255",
    "win1256",
    "win1257",
    "win1258",
    "abc",
    "alt",
    "koi8",
    "mskanji",
    "shiftjis",
    "tcvn",
    "tcvn5712",
    "vscii",
    "win",
    "win932",
    "win936",
    "win949",
    "win950",
    "windows932",
    "windows936",
    "windows949",
    "windows950",
    "windows866",
    "windows874",
    "windows1250",
    "windows1251",
    "windows1252",
    "windows1253",
    "windows1254",
    "windows1255",
    "windows1256",
    "windows1257",
    "windows1258",
];

fn decoded(bytes: &[u8], name: &str, otherwise: &str) -> Result<String> {
    let found = encoding(name, otherwise)?;
    if matches!(found, Encoding::Latin1) {
        if bytes.contains(&0) {
            return Err(SqlError::new(b"22021", "invalid byte sequence for encoding \"LATIN1\": 0x00"));
        }
        return Ok(bytes.iter().copied().map(char::from).collect());
    }
    let refuse = |at: usize| {
        // As many bytes as the first one announces.
        let length = match bytes[at] {
            0xf0.. => 4,
            0xe0.. => 3,
            0xc0.. => 2,
            _ => 1,
        };
        let shown: Vec<String> = bytes[at..].iter().take(length).map(|byte| format!("0x{byte:02x}")).collect();
        SqlError::new(b"22021", format!("invalid byte sequence for encoding \"UTF8\": {}", shown.join(" ")))
    };
    if let Some(at) = bytes.iter().position(|byte| *byte == 0) {
        return Err(refuse(at));
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.to_owned()),
        Err(error) => Err(refuse(error.valid_up_to())),
    }
}

fn encoded(text: &str, name: &str, otherwise: &str) -> Result<Vec<u8>> {
    if !matches!(encoding(name, otherwise)?, Encoding::Latin1) {
        return Ok(text.as_bytes().to_vec());
    }
    text.chars()
        .map(|char| {
            u8::try_from(char).map_err(|_| {
                let bytes: Vec<String> = char.to_string().bytes().map(|byte| format!("0x{byte:02x}")).collect();
                let message = format!(
                    "character with byte sequence {} in encoding \"UTF8\" has no equivalent in encoding \"LATIN1\"",
                    bytes.join(" ")
                );
                SqlError::new(b"22P05", message)
            })
        })
        .collect()
}

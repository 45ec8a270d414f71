//! Strings: identifiers and literals, numbers in other bases, Unicode (<https://www.postgresql.org/docs/15/functions-string.html>).

use tidewater_types::{Datum, Result, SqlError, Type};
use unicode_normalization::UnicodeNormalization;

use crate::call::invalid;
use crate::table::Table;

pub(super) fn register(t: &mut Table) {
    t.family("Strings");
    t.add("quote_ident(text) -> text -- As an identifier in SQL.", |c| c.new_text(&quote_ident(c.text(0)?)));
    t.add("quote_literal(text) -> text -- As a literal in SQL.", |c| c.new_text(&quote_literal(c.text(0)?)));
    t.add("stable quote_literal(anyelement) -> text", |c| c.new_text(&quote_literal(&c.cast_text(0)?)));
    t.add("null quote_nullable(text) -> text -- As a literal in SQL; NULL as the word.\nstable null quote_nullable(anyelement) -> text", |c| {
        if c.null(0) { c.new_text("NULL") } else { c.new_text(&quote_literal(&c.cast_text(0)?)) }
    });
    t.add("to_hex(int4) -> text -- In hexadecimal digits.\nto_hex(int8) -> text", |c| {
        let value = c.int(0)?;
        let bits = if *c.ty(0) == Type::Int4 { u64::from(value as u32) } else { value as u64 };
        c.new_text(&format!("{bits:x}"))
    });
    t.add("normalize(text, text = NFC) -> text -- In a Unicode normalization form.", |c| {
        let text = c.text(0)?;
        c.new_text(&normal_form(text, c.text(1)?)?)
    });
    t.add("is_normalized(text, text = NFC) -> bool -- Whether it is in a Unicode normalization form.", |c| {
        let text = c.text(0)?;
        Ok(Datum::Bool(normal_form(text, c.text(1)?)? == text))
    });
    t.add(
        "unistr(text) -> text -- Its escapes \\\\hhhh, \\\\+hhhhhh, \\\\uhhhh, \\\\Uhhhhhhhh replaced by characters.",
        |c| c.new_text(&unescape(c.text(0)?)?),
    );
}

/// Words that are no identifiers without quotes (`pg_get_keywords()`, all but the unreserved).
const KEYWORDS: &str = " \
    all analyse analyze and any array as asc asymmetric authorization between bigint binary bit boolean both case \
    cast char character check coalesce collate collation column concurrently constraint create cross \
    current_catalog current_date current_role current_schema current_time current_timestamp current_user dec \
    decimal default deferrable desc distinct do else end except exists extract false fetch float for foreign \
    freeze from full grant greatest group grouping having ilike in initially inner inout int integer intersect \
    interval into is isnull join lateral leading least left like limit localtime localtimestamp national natural \
    nchar none normalize not notnull null nullif numeric offset on only or order out outer overlaps overlay \
    placing position precision primary real references returning right row select session_user setof similar \
    smallint some substring symmetric table tablesample then time timestamp to trailing treat trim true union \
    unique user using values varchar variadic verbose when where window with xmlattributes xmlconcat xmlelement \
    xmlexists xmlforest xmlnamespaces xmlparse xmlpi xmlroot xmlserialize xmltable \
";

/// A name as it must be written in SQL.
pub fn quote_ident(name: &str) -> String {
    let plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        && !KEYWORDS.contains(&format!(" {name} "));
    if plain { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

pub(super) fn quote_literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    if quoted.contains('\\') { format!("E'{}'", quoted.replace('\\', "\\\\")) } else { format!("'{quoted}'") }
}

fn normal_form(text: &str, form: &str) -> Result<String> {
    Ok(match form.to_ascii_uppercase().as_str() {
        "NFC" => text.nfc().collect(),
        "NFD" => text.nfd().collect(),
        "NFKC" => text.nfkc().collect(),
        "NFKD" => text.nfkd().collect(),
        _ => return Err(invalid(format!("invalid normalization form: {form}"))),
    })
}

/// Replaces `unistr`'s escapes.
fn unescape(text: &str) -> Result<String> {
    let mut out = String::new();
    let mut high: Option<u32> = None;
    let mut rest = text;
    let pair = || SqlError::new(b"42601", "invalid Unicode surrogate pair");
    while let Some(char) = rest.chars().next() {
        if char != '\\' || rest[1..].starts_with('\\') {
            if high.is_some() {
                return Err(pair());
            }
            out.push(char);
            rest = &rest[if char == '\\' { 2 } else { char.len_utf8() }..];
            continue;
        }
        let (code, used) = escape(&rest[1..])?;
        rest = &rest[1 + used..];
        match (high.take(), code) {
            (None, 0xd800..=0xdbff) => high = Some(code),
            (None, 0xdc00..=0xdfff) => return Err(pair()),
            (Some(first), 0xdc00..=0xdfff) => {
                let code = 0x1_0000 + ((first - 0xd800) << 10) + (code - 0xdc00);
                out.push(char::from_u32(code).ok_or_else(pair)?);
            }
            (Some(_), _) => return Err(pair()),
            (None, _) => {
                let char = char::from_u32(code).filter(|char| *char != '\0');
                out.push(
                    char.ok_or_else(|| SqlError::new(b"22023", format!("invalid Unicode code point: {code:04X}")))?,
                );
            }
        }
    }
    if high.is_some() { Err(pair()) } else { Ok(out) }
}

/// The code of an escape without its backslash, and its length.
fn escape(text: &str) -> Result<(u32, usize)> {
    let digits = |skip: usize, count: usize| {
        let digits = text.get(skip..skip + count)?;
        let hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        hex.then(|| u32::from_str_radix(digits, 16).ok()).flatten().map(|code| (code, skip + count))
    };
    let found = match text.as_bytes().first() {
        Some(b'+') => digits(1, 6),
        Some(b'u') => digits(1, 4),
        Some(b'U') => digits(1, 8),
        _ => digits(0, 4),
    };
    found.ok_or_else(|| {
        SqlError::new(b"42601", "invalid Unicode escape")
            .hint("A Unicode escape is \\ or \\u and 4 hexadecimal digits, \\+ and 6, or \\U and 8.")
    })
}

//! LIKE and ILIKE (<https://www.postgresql.org/docs/15/functions-matching.html#FUNCTIONS-LIKE>).

use tidewater_types::{Datum, Result, SqlError};

use crate::call::{Call, check_size};
use crate::table::Table;

pub(super) fn register(t: &mut Table) {
    t.family("Pattern matching");
    t.operator("~~(text, text) -> bool -- LIKE: % is any text, _ any character.\n~~(bpchar, text) -> bool\n~~(name, text) -> bool", |c| like(c, false));
    t.operator("!~~(text, text) -> bool -- NOT LIKE.\n!~~(bpchar, text) -> bool\n!~~(name, text) -> bool", |c| {
        not(like(c, false))
    });
    t.operator("~~*(text, text) -> bool -- ILIKE: letters (ASCII) of either case are the same.\n~~*(bpchar, text) -> bool\n~~*(name, text) -> bool", |c| like(c, true));
    t.operator("!~~*(text, text) -> bool -- NOT ILIKE.\n!~~*(bpchar, text) -> bool\n!~~*(name, text) -> bool", |c| {
        not(like(c, true))
    });
    t.operator("~~(bytea, bytea) -> bool", bytes_like);
    t.operator("!~~(bytea, bytea) -> bool", |c| not(bytes_like(c)));
    t.add("like(text, text) -> bool -- Whether the first matches the second: % is any text, _ any character.\nlike(name, text) -> bool", |c| like(c, false));
    t.add("notlike(text, text) -> bool -- Whether it does not match.\nnotlike(name, text) -> bool", |c| {
        not(like(c, false))
    });
    t.add("like(bytea, bytea) -> bool", bytes_like);
    t.add("notlike(bytea, bytea) -> bool", |c| not(bytes_like(c)));
    t.add(
        "like_escape(text, text) -> text -- A pattern for LIKE ... ESCAPE, with backslashes in place of the escape.",
        |c| {
            let (pattern, escape) = (c.text(0)?, c.text(1)?);
            check_size(pattern.len() * 2)?;
            c.new_text(&with_backslashes(pattern, escape)?)
        },
    );
}

fn not<'a>(result: Result<Datum<'a>>) -> Result<Datum<'a>> {
    result.map(|value| match value {
        Datum::Bool(value) => Datum::Bool(!value),
        other => other,
    })
}

fn like<'a>(c: &Call<'a, '_>, fold: bool) -> Result<Datum<'a>> {
    let (text, pattern) = (c.text(0)?, c.text(1)?);
    if fold {
        let (text, pattern) = (text.to_ascii_lowercase(), pattern.to_ascii_lowercase());
        return matches(text.as_bytes(), pattern.as_bytes(), true).map(Datum::Bool);
    }
    matches(text.as_bytes(), pattern.as_bytes(), true).map(Datum::Bool)
}

fn bytes_like<'a>(c: &Call<'a, '_>) -> Result<Datum<'a>> {
    matches(c.bytes(0)?, c.bytes(1)?, false).map(Datum::Bool)
}

fn ends_with_escape() -> SqlError {
    SqlError::new(b"22025", "LIKE pattern must not end with escape character")
}

/// The length of the character that begins with this byte.
fn width(first: u8, characters: bool) -> usize {
    match first {
        0xf0.. if characters => 4,
        0xe0.. if characters => 3,
        0xc0.. if characters => 2,
        _ => 1,
    }
}

/// Whether all of `text` matches. `characters` says whether `_` is a character of UTF-8 or a byte.
///
/// One `%` at a time is remembered: where a later one matches, no earlier one needs to be tried again.
fn matches(text: &[u8], pattern: &[u8], characters: bool) -> Result<bool> {
    let (mut t, mut p) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    loop {
        let step = match pattern.get(p) {
            Some(b'%') => {
                let text_left = t < text.len();
                // Characters that must follow it in any case are taken at once.
                while let Some(next @ (b'%' | b'_')) = pattern.get(p) {
                    p += 1;
                    if *next == b'_' {
                        let Some(first) = text.get(t) else { return Ok(false) };
                        t += width(*first, characters);
                    }
                }
                match &pattern[p..] {
                    [] => return Ok(true),
                    // Looked at only where text was left when the % was reached.
                    [b'\\'] if text_left => return Err(ends_with_escape()),
                    _ => {}
                }
                retry = Some((t, p));
                continue;
            }
            None if t == text.len() => return Ok(true),
            None => None,
            Some(b'_') => text.get(t).map(|first| (width(*first, characters), 1)),
            Some(b'\\') => match pattern.get(p + 1) {
                None if t < text.len() => {
                    return Err(ends_with_escape());
                }
                None => None,
                Some(byte) => (text.get(t) == Some(byte)).then_some((1, 2)),
            },
            Some(byte) => (text.get(t) == Some(byte)).then_some((1, 1)),
        };
        if let Some((text, pattern)) = step {
            t += text;
            p += pattern;
            continue;
        }
        let Some((from, after)) = retry.filter(|(from, _)| *from < text.len()) else {
            return Ok(false);
        };
        t = from + width(text[from], characters);
        p = after;
        retry = Some((t, after));
    }
}

/// A pattern whose escape is `escape`, as one whose escape is the backslash.
fn with_backslashes(pattern: &str, escape: &str) -> Result<String> {
    let mut chars = escape.chars();
    let escape = match (chars.next(), chars.next()) {
        (None, _) => return Ok(pattern.replace('\\', "\\\\")),
        (Some('\\'), None) => return Ok(pattern.to_owned()),
        (Some(escape), None) => escape,
        _ => {
            return Err(
                SqlError::new(b"22025", "invalid escape string").hint("Escape string must be empty or one character.")
            );
        }
    };
    let mut out = String::new();
    let mut escaped = false;
    for char in pattern.chars() {
        if char == escape && !escaped {
            out.push('\\');
            escaped = true;
            continue;
        }
        if char == '\\' {
            out.push('\\');
            // What was escaped already needs no second backslash for itself.
            if escaped {
                escaped = false;
                continue;
            }
        }
        out.push(char);
        escaped = false;
    }
    Ok(out)
}

//! Strings (<https://www.postgresql.org/docs/15/functions-string.html>): length, case, parts, padding. Collation C: case means ASCII.

use tidewater_types::{Datum, Result, SqlError};

use crate::call::{Call, check_size, invalid};
use crate::table::Table;

pub(super) fn register(t: &mut Table) {
    t.family("Strings");
    t.operator("||(text, text) -> text -- The two joined.", |c| {
        let (a, b) = (c.text(0)?, c.text(1)?);
        check_size(a.len() + b.len())?;
        c.new_text(&[a, b].concat())
    });
    t.operator("^@(text, text) -> bool -- Whether the first begins with the second.", |c| {
        Ok(Datum::Bool(c.text(0)?.starts_with(c.text(1)?)))
    });
    t.add("starts_with(text, text) -> bool -- Whether the first begins with the second.", |c| {
        Ok(Datum::Bool(c.text(0)?.starts_with(c.text(1)?)))
    });
    t.add("lower(text) -> text -- In lower case (ASCII).", |c| c.new_text(&c.text(0)?.to_ascii_lowercase()));
    t.add("upper(text) -> text -- In upper case (ASCII).", |c| c.new_text(&c.text(0)?.to_ascii_uppercase()));
    t.add("initcap(text) -> text -- The first letter of each word in upper case, the others in lower case.", initcap);
    lengths(t);
    parts(t);
    trims(t);
    pads(t);
    t.add("reverse(text) -> text -- Its characters in reverse order.", |c| {
        let reversed: String = c.text(0)?.chars().rev().collect();
        c.new_text(&reversed)
    });
    t.add("repeat(text, int4) -> text -- As many times in a row.", repeat);
    t.add(
        "replace(text, text, text) -> text -- Every occurrence of the second in the first replaced by the third.",
        replace,
    );
    t.add("translate(text, text, text) -> text -- Each character of the second replaced by that of the third at its place.", translate);
    t.add("ascii(text) -> int4 -- Code point of the first character.", |c| {
        Ok(Datum::Int(c.text(0)?.chars().next().map_or(0, |first| i64::from(u32::from(first)))))
    });
    t.add("chr(int4) -> text -- The character of a code point.", chr);
}

fn lengths(t: &mut Table) {
    t.add(
        "
        length(text) -> int4 -- Number of characters.
        char_length(text) -> int4 -- Number of characters.
        character_length(text) -> int4 -- Number of characters.
        textlen(text) -> int4
        ",
        |c| Ok(Datum::Int(c.text(0)?.chars().count() as i64)),
    );
    // A bpchar's padding is no part of it.
    t.add("length(bpchar) -> int4\nchar_length(bpchar) -> int4\ncharacter_length(bpchar) -> int4", |c| {
        Ok(Datum::Int(c.text(0)?.trim_end_matches(' ').chars().count() as i64))
    });
    t.add(
        "octet_length(text) -> int4 -- Number of bytes.\noctet_length(bpchar) -> int4\noctet_length(bytea) -> int4",
        |c| Ok(Datum::Int(c.bytes(0)?.len() as i64)),
    );
    t.add("bit_length(text) -> int4 -- Number of bits.\nbit_length(bytea) -> int4", |c| {
        Ok(Datum::Int(c.bytes(0)?.len() as i64 * 8))
    });
}

fn parts(t: &mut Table) {
    t.add(
        "
        substr(text, int4) -> text -- The part from a place on, of so many characters.
        substr(text, int4, int4) -> text
        substring(text, int4) -> text -- The part from a place on, of so many characters.
        substring(text, int4, int4) -> text
        ",
        |c| {
            let length = if c.count() > 2 { Some(c.int(2)?) } else { None };
            Ok(Datum::Text(characters(c.text(0)?, c.int(1)?, length)?.as_bytes()))
        },
    );
    t.add("left(text, int4) -> text -- The first characters; all but the last, if negative.", |c| {
        let text = c.text(0)?;
        Ok(Datum::from(&text[..offset(text, count_of(text, c.int(1)?))]))
    });
    t.add("right(text, int4) -> text -- The last characters; all but the first, if negative.", |c| {
        let (text, n) = (c.text(0)?, c.int(1)?);
        let skip = match n {
            // As in PostgreSQL, whose 32 bits have no such number without its sign.
            n if n == i64::from(i32::MIN) => 0,
            n if n < 0 => -n,
            n => (text.chars().count() as i64 - n).max(0),
        };
        Ok(Datum::from(&text[offset(text, skip as usize)..]))
    });
    t.add("strpos(text, text) -> int4 -- Where the second begins in the first, from 1; 0 if nowhere.\nposition(text, text) -> int4", |c| {
        let text = c.text(0)?;
        Ok(Datum::Int(text.find(c.text(1)?).map_or(0, |at| text[..at].chars().count() as i64 + 1)))
    });
    t.add(
        "split_part(text, text, int4) -> text -- The n-th part between delimiters; counted from the end, if negative.",
        split_part,
    );
    t.add(
        "overlay(text, text, int4) -> text -- A part replaced by the second.\noverlay(text, text, int4, int4) -> text",
        overlay,
    );
}

fn trims(t: &mut Table) {
    t.add(
        "btrim(text) -> text -- Without blanks, or the second's characters, at both ends.\nbtrim(text, text) -> text",
        |c| trim(c, true, true),
    );
    t.add(
        "ltrim(text) -> text -- Without blanks, or the second's characters, at the front.\nltrim(text, text) -> text",
        |c| trim(c, true, false),
    );
    t.add(
        "rtrim(text) -> text -- Without blanks, or the second's characters, at the end.\nrtrim(text, text) -> text",
        |c| trim(c, false, true),
    );
}

fn pads(t: &mut Table) {
    t.add("lpad(text, int4) -> text -- Filled up on the left to so many characters, or cut.\nlpad(text, int4, text) -> text", |c| {
        pad(c, true)
    });
    t.add("rpad(text, int4) -> text -- Filled up on the right to so many characters, or cut.\nrpad(text, int4, text) -> text", |c| {
        pad(c, false)
    });
}

/// The byte at which character `n` (from 0) begins; the end where there is none.
pub(super) fn offset(text: &str, n: usize) -> usize {
    if text.is_ascii() {
        return n.min(text.len());
    }
    text.char_indices().nth(n).map_or(text.len(), |(at, _)| at)
}

/// How many characters `left(text, n)` takes.
fn count_of(text: &str, n: i64) -> usize {
    if n >= 0 { n as usize } else { (text.chars().count() as i64 + n).max(0) as usize }
}

/// SQL's substring: `start` counts from 1 and may lie before the text, where the length is counted from it all the same.
pub(super) fn characters(text: &str, start: i64, length: Option<i64>) -> Result<&str> {
    let from = (start.max(1) - 1) as usize;
    let Some(length) = length else {
        return Ok(&text[offset(text, from)..]);
    };
    if length < 0 {
        return Err(SqlError::new(b"22011", "negative substring length not allowed"));
    }
    let end = (start + length - 1).max(0) as usize;
    let rest = &text[offset(text, from)..];
    Ok(&rest[..offset(rest, end.saturating_sub(from))])
}

fn initcap<'a>(c: &Call<'a, '_>) -> Result<Datum<'a>> {
    let mut inside = false;
    let capitals: String = c
        .text(0)?
        .chars()
        .map(|char| {
            let cased = if inside { char.to_ascii_lowercase() } else { char.to_ascii_uppercase() };
            inside = char.is_ascii_alphanumeric();
            cased
        })
        .collect();
    c.new_text(&capitals)
}

fn repeat<'a>(c: &Call<'a, '_>) -> Result<Datum<'a>> {
    let (text, times) = (c.text(0)?, c.int(1)?.max(0) as usize);
    let size = text.len().saturating_mul(times);
    if size > i32::MAX as usize - 4 {
        return Err(SqlError::new(b"54000", "requested length too large"));
    }
    check_size(size)?;
    c.new_text(&text.repeat(times))
}

fn replace<'a>(c: &Call<'a, '_>) -> Result<Datum<'a>> {
    let (text, from, to) = (c.text(0)?, c.text(1)?, c.text(2)?);
    if from.is_empty() {
        return Ok(c.args[0]);
    }
    if to.len() > from.len() {
        check_size(text.len() + text.matches(from).count() * (to.len() - from.len()))?;
    }
    c.new_text(&text.replace(from, to))
}

fn translate<'a>(c: &Call<'a, '_>) -> Result<Datum<'a>> {
    let (text, from, to) = (c.text(0)?, c.text(1)?, c.text(2)?);
    let to: Vec<char> = to.chars().collect();
    let translated: String = text
        .chars()
        .filter_map(|char| match from.chars().position(|other| other == char) {
            Some(at) => to.get(at).copied(),
            None => Some(char),
        })
        .collect();
    c.new_text(&translated)
}

fn chr<'a>(c: &Call<'a, '_>) -> Result<Datum<'a>> {
    let code = c.int(0)?;
    let refuse = |message: String| Err(SqlError::new(b"54000", message));
    if code < 0 {
        return Err(invalid("character number must be positive"));
    }
    if code == 0 {
        return refuse("null character not permitted".to_owned());
    }
    if code > 0x10_ffff {
        return refuse(format!("requested character too large for encoding: {code}"));
    }
    match char::from_u32(code as u32) {
        Some(char) => c.new_text(char.encode_utf8(&mut [0; 4])),
        None => refuse(format!("requested character not valid for encoding: {code}")),
    }
}

fn split_part<'a>(c: &Call<'a, '_>) -> Result<Datum<'a>> {
    let (text, delimiter, n) = (c.text(0)?, c.text(1)?, c.int(2)?);
    if n == 0 {
        return Err(invalid("field position must not be zero"));
    }
    let part = if text.is_empty() {
        None
    } else if delimiter.is_empty() {
        (n == 1 || n == -1).then_some(text)
    } else if n > 0 {
        text.split(delimiter).nth(n as usize - 1)
    } else {
        // From the front all the same: where delimiters overlap, that says what they are.
        let parts: Vec<&str> = text.split(delimiter).collect();
        usize::try_from(parts.len() as i64 + n).ok().map(|at| parts[at])
    };
    Ok(Datum::Text(part.unwrap_or("").as_bytes()))
}

fn overlay<'a>(c: &Call<'a, '_>) -> Result<Datum<'a>> {
    let (text, by, start) = (c.text(0)?, c.text(1)?, c.int(2)?);
    let length = if c.count() > 3 { c.int(3)? } else { by.chars().count() as i64 };
    if start <= 0 {
        return Err(SqlError::new(b"22011", "negative substring length not allowed"));
    }
    if i32::try_from(start + length).is_err() {
        return Err(SqlError::new(b"22003", "integer out of range"));
    }
    let front = characters(text, 1, Some(start - 1))?;
    let back = characters(text, start + length, None)?;
    check_size(front.len() + by.len() + back.len())?;
    c.new_text(&[front, by, back].concat())
}

fn trim<'a>(c: &Call<'a, '_>, front: bool, back: bool) -> Result<Datum<'a>> {
    let mut text = c.text(0)?;
    let characters = if c.count() > 1 { c.text(1)? } else { " " };
    if front {
        text = text.trim_start_matches(|char| characters.contains(char));
    }
    if back {
        text = text.trim_end_matches(|char| characters.contains(char));
    }
    Ok(Datum::Text(text.as_bytes()))
}

fn pad<'a>(c: &Call<'a, '_>, left: bool) -> Result<Datum<'a>> {
    let (text, width) = (c.text(0)?, c.int(1)?.max(0) as usize);
    let fill = if c.count() > 2 { c.text(2)? } else { " " };
    let length = text.chars().count();
    if length >= width || fill.is_empty() {
        return Ok(Datum::from(&text[..offset(text, width)]));
    }
    let missing = width - length;
    let widest = fill.chars().map(char::len_utf8).max().unwrap_or(1);
    check_size(text.len() + missing.saturating_mul(widest))?;
    let filling: String = fill.chars().cycle().take(missing).collect();
    if left { c.new_text(&(filling + text)) } else { c.new_text(&(text.to_owned() + &filling)) }
}

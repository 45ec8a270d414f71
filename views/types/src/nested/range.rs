//! Range literals, `[1,5)`, `(,"a"]`, `empty`, and multirange literals, `{[1,3),[5,7)}`.

use super::is_space;
use crate::io::{input, output};
use crate::{Bounds, ColumnType, Datum, MultirangeRef, RangeOf, RangeRef, Result, Scratch, Settings, SqlError, range};

fn malformed(what: &str, literal: &str, detail: &str) -> SqlError {
    SqlError::new(b"22P02", format!("malformed {what} literal: \"{literal}\"")).detail(detail)
}

/// The range that `text` shows, in canonical form.
pub(crate) fn read_range<'a>(
    text: &str,
    of: RangeOf,
    settings: &Settings,
    scratch: &'a Scratch,
) -> Result<RangeRef<'a>> {
    let trimmed = text.trim_matches(is_space);
    if trimmed.eq_ignore_ascii_case("empty") {
        return Ok(RangeRef::empty());
    }
    let (range, rest) = read_prefix(trimmed, text, of, settings, scratch)?;
    if rest.is_empty() { Ok(range) } else { Err(malformed("range", text, "Junk after right parenthesis or bracket.")) }
}

/// The range that `rest` begins with, and what follows it.
fn read_prefix<'a, 't>(
    rest: &'t str,
    literal: &str,
    of: RangeOf,
    settings: &Settings,
    scratch: &'a Scratch,
) -> Result<(RangeRef<'a>, &'t str)> {
    let lower_inclusive = rest.starts_with('[');
    let rest = rest
        .strip_prefix(['[', '('])
        .ok_or_else(|| malformed("range", literal, "Missing left parenthesis or bracket."))?;
    let (lower, rest) = bound(literal, rest)?;
    let rest = rest.strip_prefix(',').ok_or_else(|| malformed("range", literal, "Missing comma after lower bound."))?;
    let (upper, rest) = bound(literal, rest)?;
    let upper_inclusive = rest.starts_with(']');
    let rest = rest.strip_prefix([']', ')']).ok_or_else(|| malformed("range", literal, "Too many commas."))?;
    let ty = ColumnType::from(of.bound());
    let read = |text: Option<String>| text.map(|text| input(&text, &ty, settings, scratch)).transpose();
    let bounds = Bounds { lower: read(lower)?, lower_inclusive, upper: read(upper)?, upper_inclusive };
    Ok((range::make(of, bounds, scratch)?, rest))
}

/// A bound up to a comma or bracket; nothing at all is no bound.
fn bound<'t>(literal: &str, rest: &'t str) -> Result<(Option<String>, &'t str)> {
    if rest.starts_with([',', ')', ']']) {
        return Ok((None, rest));
    }
    let end = || malformed("range", literal, "Unexpected end of input.");
    let mut text = String::new();
    let mut quoted = false;
    let mut chars = rest.char_indices().peekable();
    loop {
        let Some((at, c)) = chars.next() else { return Err(end()) };
        match c {
            ',' | ')' | ']' if !quoted => return Ok((Some(text), &rest[at..])),
            '(' | '[' if !quoted => text.push(c),
            '\\' => text.push(chars.next().ok_or_else(end)?.1),
            '"' if quoted && chars.peek().is_some_and(|(_, next)| *next == '"') => {
                chars.next();
                text.push('"');
            }
            '"' => quoted = !quoted,
            c => text.push(c),
        }
    }
}

/// The multirange that `text` shows, in canonical form.
pub(crate) fn read_multirange<'a>(
    text: &str,
    of: RangeOf,
    settings: &Settings,
    scratch: &'a Scratch,
) -> Result<MultirangeRef<'a>> {
    let end = || malformed("multirange", text, "Unexpected end of input.");
    let mut rest = text
        .trim_matches(is_space)
        .strip_prefix('{')
        .ok_or_else(|| malformed("multirange", text, "Missing left brace."))?
        .trim_start_matches(is_space);
    let mut ranges = Vec::new();
    let mut first = true;
    loop {
        if let Some(tail) = rest.strip_prefix('}')
            && first
        {
            rest = tail;
            break;
        }
        first = false;
        if rest.is_empty() {
            return Err(end());
        }
        if rest.get(..5).is_some_and(|word| word.eq_ignore_ascii_case("empty")) {
            rest = &rest[5..];
        } else if rest.starts_with(['[', '(']) {
            let (range, tail) = read_prefix(rest, text, of, settings, scratch)?;
            ranges.push(range);
            rest = tail;
        } else {
            return Err(malformed("multirange", text, "Expected range start."));
        }
        rest = rest.trim_start_matches(is_space);
        if let Some(tail) = rest.strip_prefix('}') {
            rest = tail;
            break;
        }
        if rest.is_empty() {
            return Err(end());
        }
        rest = rest
            .strip_prefix(',')
            .ok_or_else(|| malformed("multirange", text, "Expected comma or end of multirange."))?
            .trim_start_matches(is_space);
    }
    if !rest.is_empty() {
        return Err(malformed("multirange", text, "Junk after closing right brace."));
    }
    range::multirange(of, &ranges, scratch)
}

/// Appends a range literal.
pub(crate) fn write_range(range: RangeRef<'_>, of: RangeOf, settings: &Settings, out: &mut String) {
    let Some(bounds) = range.bounds() else { return out.push_str("empty") };
    out.push(if bounds.lower_inclusive { '[' } else { '(' });
    write_bound(bounds.lower, of, settings, out);
    out.push(',');
    write_bound(bounds.upper, of, settings, out);
    out.push(if bounds.upper_inclusive { ']' } else { ')' });
}

fn write_bound(bound: Option<Datum<'_>>, of: RangeOf, settings: &Settings, out: &mut String) {
    let Some(datum) = bound else { return };
    let mut text = String::new();
    output(&datum, &of.bound().into(), settings, &mut text);
    let special = |c: char| matches!(c, '"' | '\\' | '(' | ')' | '[' | ']' | ',') || is_space(c);
    if !text.is_empty() && !text.contains(special) {
        return out.push_str(&text);
    }
    out.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            out.push(c);
        }
        out.push(c);
    }
    out.push('"');
}

/// Appends a multirange literal.
pub(crate) fn write_multirange(value: MultirangeRef<'_>, of: RangeOf, settings: &Settings, out: &mut String) {
    out.push('{');
    for (i, range) in value.iter().enumerate() {
        out.push_str(if i == 0 { "" } else { "," });
        write_range(range, of, settings, out);
    }
    out.push('}');
}

//! Regular expressions: functions that count matches or take the n-th
//! (<https://www.postgresql.org/docs/15/functions-matching.html#FUNCTIONS-POSIX-REGEXP>).

use tidewater_types::{Datum, Result};

use super::regexp::{Matches, compiled, options, replace};
use super::strings::offset;
use crate::call::{Call, invalid};
use crate::regex::Captures;
use crate::table::Table;

pub(super) fn register(t: &mut Table) {
    t.family("Pattern matching");
    t.add(
        "
        regexp_count(text, text) -> int4 -- Number of a regular expression's matches, from a character on.
        regexp_count(text, text, int4) -> int4
        regexp_count(text, text, int4, text) -> int4
        ",
        |c| {
            let text = c.text(0)?;
            let start = start(c, 2)?;
            let options = options(c, 3, false)?;
            let mut found = Matches::new(compiled(c, c.text(1)?, options)?, text, offset(text, start));
            if start > text.chars().count() {
                return Ok(Datum::Int(0));
            }
            let mut count = 0;
            while found.next()?.is_some() {
                count += 1;
            }
            Ok(Datum::Int(count))
        },
    );
    t.add(
        "
        regexp_instr(text, text) -> int4 -- Where the n-th match, or what parentheses matched in it, begins or ends.
        regexp_instr(text, text, int4) -> int4
        regexp_instr(text, text, int4, int4) -> int4
        regexp_instr(text, text, int4, int4, int4) -> int4
        regexp_instr(text, text, int4, int4, int4, text) -> int4
        regexp_instr(text, text, int4, int4, int4, text, int4) -> int4
        ",
        position,
    );
    t.add(
        "
        regexp_substr(text, text) -> text -- The n-th match, or what parentheses matched in it.
        regexp_substr(text, text, int4) -> text
        regexp_substr(text, text, int4, int4) -> text
        regexp_substr(text, text, int4, int4, text) -> text
        regexp_substr(text, text, int4, int4, text, int4) -> text
        ",
        |c| {
            let text = c.text(0)?;
            let found = nth(c, 4, 5)?;
            Ok(found.map_or(Datum::Null, |(start, end)| Datum::from(&text[start..end])))
        },
    );
    t.add(
        "
        regexp_replace(text, text, text, int4) -> text
        regexp_replace(text, text, text, int4, int4) -> text
        regexp_replace(text, text, text, int4, int4, text) -> text
        ",
        |c| {
            let start = start(c, 3)?;
            let n = natural(c, 4, "n", 0)?.unwrap_or(1);
            let options = options(c, 5, true)?;
            let n = if c.count() <= 4 && options.global { 0 } else { n };
            let text = c.text(0)?;
            if start > text.chars().count() {
                // The expression is checked all the same.
                compiled(c, c.text(1)?, options)?;
                return Ok(c.args[0]);
            }
            replace(c, options, offset(text, start), n)
        },
    );
}

/// Argument `i`, if there is one; at least `least`.
fn natural(c: &Call<'_, '_>, i: usize, name: &str, least: i64) -> Result<Option<i64>> {
    if c.count() <= i {
        return Ok(None);
    }
    let value = c.int(i)?;
    if value < least {
        return Err(invalid(format!("invalid value for parameter \"{name}\": {value}")));
    }
    Ok(Some(value))
}

/// The character where the search begins, from 0.
fn start(c: &Call<'_, '_>, i: usize) -> Result<usize> {
    Ok(natural(c, i, "start", 1)?.unwrap_or(1) as usize - 1)
}

/// The bytes of the n-th match, or of a capture of it: start and n are arguments 2 and 3.
fn nth(c: &Call<'_, '_>, flags: usize, group: usize) -> Result<Option<(usize, usize)>> {
    let text = c.text(0)?;
    let start = start(c, 2)?;
    let n = natural(c, 3, "n", 1)?.unwrap_or(1);
    if flags == 5 && natural(c, 4, "endoption", 0)?.is_some_and(|end| end > 1) {
        return Err(invalid(format!("invalid value for parameter \"endoption\": {}", c.int(4)?)));
    }
    let group = natural(c, group, "subexpr", 0)?.unwrap_or(0) as usize;
    let options = options(c, flags, false)?;
    let regex = compiled(c, c.text(1)?, options)?;
    // An expression without parentheses is all of it one group.
    let group = if group == 1 && regex.captures() == 0 { 0 } else { group };
    if group > regex.captures() || start > text.chars().count() {
        return Ok(None);
    }
    let mut found = Matches::new(regex, text, offset(text, start));
    let mut captures: Option<Captures> = None;
    for _ in 0..n {
        captures = found.next()?;
        if captures.is_none() {
            return Ok(None);
        }
    }
    Ok(captures.and_then(|captures| captures[group]))
}

fn position<'a>(c: &Call<'a, '_>) -> Result<Datum<'a>> {
    let text = c.text(0)?;
    let Some((start, end)) = nth(c, 5, 6)? else {
        return Ok(Datum::Int(0));
    };
    let at = if c.count() > 4 && c.int(4)? == 1 { end } else { start };
    Ok(Datum::Int(text[..at].chars().count() as i64 + 1))
}

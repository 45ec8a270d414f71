//! Regular expressions: the operators, and functions of all matches
//! (<https://www.postgresql.org/docs/15/functions-matching.html#FUNCTIONS-POSIX-REGEXP>).

use std::sync::Arc;

use tidewater_types::{ArrayRef, Datum, Result, Scratch};

use crate::call::{Call, check_size, invalid};
use crate::regex::{Captures, Options, Regex};
use crate::rows::RowSource;
use crate::table::Table;

pub(super) fn register(t: &mut Table) {
    t.family("Pattern matching");
    t.operator("~(text, text) -> bool -- Whether a regular expression matches.\n~(bpchar, text) -> bool\n~(name, text) -> bool", |c| matches(c, false, true));
    t.operator("!~(text, text) -> bool -- Whether a regular expression does not match.\n!~(bpchar, text) -> bool\n!~(name, text) -> bool", |c| matches(c, false, false));
    t.operator("~*(text, text) -> bool -- As ~, with letters (ASCII) of either case the same.\n~*(bpchar, text) -> bool\n~*(name, text) -> bool", |c| matches(c, true, true));
    t.operator("!~*(text, text) -> bool -- As !~, with letters (ASCII) of either case the same.\n!~*(bpchar, text) -> bool\n!~*(name, text) -> bool", |c| {
        matches(c, true, false)
    });
    t.add("regexp_like(text, text) -> bool -- Whether a regular expression matches.\nregexp_like(text, text, text) -> bool", |c| {
        let options = options(c, 2, false)?;
        Ok(Datum::Bool(compiled(c, c.text(1)?, options)?.is_match(c.text(0)?)))
    });
    t.add("substring(text, text) -> text -- What a regular expression matches, or its first parentheses.", |c| {
        substring(c, c.text(1)?, Options::default())
    });
    t.add("regexp_match(text, text) -> text[] -- What the parentheses of the first match matched.\nregexp_match(text, text, text) -> text[]", |c| {
        let options = options(c, 2, false).map_err(|error| {
            if c.count() > 2 && error.message.contains("global") { error.hint("Use the regexp_matches function instead.") } else { error }
        })?;
        let text = c.text(0)?;
        match compiled(c, c.text(1)?, options)?.find_captures(text, 0)? {
            Some(captures) => groups(text, &captures, c.scratch),
            None => Ok(Datum::Null),
        }
    });
    t.rows(
        "
        regexp_matches(text, text) -> setof text[] -- What the parentheses matched: of the first match, with flag g of every match.
        regexp_matches(text, text, text) -> setof text[]
        ",
        |c| {
            let options = options(c, 2, true)?;
            let (text, scratch) = (c.text(0)?, c.scratch);
            let regex = compiled(c, c.text(1)?, options)?;
            let mut found = Matches::new(regex, text, 0);
            let mut done = false;
            Ok(RowSource::new(move |row| {
                let next = if done { None } else { found.next()? };
                done = !options.global;
                let Some(captures) = next else { return Ok(false) };
                row.push(groups(text, &captures, scratch)?);
                Ok(true)
            }))
        },
    );
    t.add(
        "
        regexp_split_to_array(text, text) -> text[] -- The parts between a regular expression's matches.
        regexp_split_to_array(text, text, text) -> text[]
        ",
        |c| {
            let parts: Vec<Datum<'_>> = split(c)?.into_iter().map(Datum::from).collect();
            Ok(Datum::Array(ArrayRef::vector(c.scratch, &parts)?))
        },
    );
    t.rows(
        "
        regexp_split_to_table(text, text) -> setof text -- The parts between a regular expression's matches.
        regexp_split_to_table(text, text, text) -> setof text
        ",
        |c| Ok(RowSource::of(split(c)?.into_iter().map(Datum::from))),
    );
    t.add("regexp_replace(text, text, text) -> text -- The first match, with flag g every match, replaced; \\1 is what the first parentheses matched.\nregexp_replace(text, text, text, text) -> text", |c| {
        if c.count() > 3 && c.text(3)?.starts_with(|flag: char| flag.is_ascii_digit()) {
            let flag = c.text(3)?.chars().next().unwrap_or('0');
            return Err(invalid(format!("invalid regular expression option: \"{flag}\""))
                .hint("If you meant to use regexp_replace() with a start parameter, cast the fourth argument to integer explicitly."));
        }
        let options = options(c, 3, true)?;
        replace(c, options, 0, if options.global { 0 } else { 1 })
    });
}

/// The compiled expression; compiled once as long as it is the same.
pub(super) fn compiled(c: &Call<'_, '_>, pattern: &str, options: Options) -> Result<Arc<Regex>> {
    let flags = [options.fold, options.dot_stops, options.lines, options.expanded, options.literal].map(u8::from);
    c.cached(&[pattern.as_bytes(), &flags], || Regex::new(pattern, options))
}

/// The options of the flags argument `i`, if there is one.
pub(super) fn options(c: &Call<'_, '_>, i: usize, global: bool) -> Result<Options> {
    if c.count() <= i {
        return Ok(Options::default());
    }
    let options = Options::parse(c.text(i)?)?;
    if options.global && !global {
        return Err(invalid(format!("{}() does not support the \"global\" option", c.env.name)));
    }
    Ok(options)
}

fn matches<'a>(c: &Call<'a, '_>, fold: bool, wanted: bool) -> Result<Datum<'a>> {
    let regex = compiled(c, c.text(1)?, Options { fold, ..Options::default() })?;
    Ok(Datum::Bool(regex.is_match(c.text(0)?) == wanted))
}

/// What an expression's first parentheses matched; all that it matched, where it has none.
pub(super) fn substring<'a>(c: &Call<'a, '_>, pattern: &str, options: Options) -> Result<Datum<'a>> {
    let text = c.text(0)?;
    let regex = compiled(c, pattern, options)?;
    let wanted = regex.captures().min(1);
    let found = regex.find_captures(text, 0)?.and_then(|captures| captures[wanted]);
    Ok(found.map_or(Datum::Null, |(start, end)| Datum::from(&text[start..end])))
}

/// What a match's parentheses matched, as an array; the whole, where there are none.
fn groups<'a>(text: &'a str, captures: &Captures, scratch: &'a Scratch) -> Result<Datum<'a>> {
    let from = if captures.len() > 1 { 1 } else { 0 };
    let groups: Vec<Datum<'_>> = captures[from..]
        .iter()
        .map(|group| group.map_or(Datum::Null, |(start, end)| Datum::from(&text[start..end])))
        .collect();
    Ok(Datum::Array(ArrayRef::vector(scratch, &groups)?))
}

/// All matches of an expression, from a byte of the text on.
pub(super) struct Matches<'t> {
    regex: Arc<Regex>,
    text: &'t str,
    at: Option<usize>,
}

impl<'t> Matches<'t> {
    pub(super) fn new(regex: Arc<Regex>, text: &'t str, from: usize) -> Self {
        Matches { regex, text, at: Some(from) }
    }

    pub(super) fn next(&mut self) -> Result<Option<Captures>> {
        let Some(at) = self.at.take() else {
            return Ok(None);
        };
        let found = self.regex.find_captures(self.text, at)?;
        if let Some((start, end)) = found.as_ref().and_then(|captures| captures[0]) {
            // After an empty match the next one begins a character later.
            let step = if start == end { self.text[end..].chars().next().map(char::len_utf8) } else { Some(0) };
            self.at = step.map(|step| end + step);
        }
        Ok(found)
    }
}

/// The parts between matches. Empty matches at the ends, or right after another match, do not separate.
fn split<'a>(c: &Call<'a, '_>) -> Result<Vec<&'a str>> {
    let options = options(c, 2, false)?;
    let text = c.text(0)?;
    let mut found = Matches::new(compiled(c, c.text(1)?, options)?, text, 0);
    let mut parts = Vec::new();
    let mut begin = 0;
    while let Some(captures) = found.next()? {
        let Some((start, end)) = captures[0] else { break };
        if start < text.len() && end > begin {
            parts.push(&text[begin..start]);
            check_size(parts.len() * size_of::<Datum<'_>>())?;
            begin = end;
        }
    }
    parts.push(&text[begin..]);
    Ok(parts)
}

/// Replaces match number `n` at byte `from` or later, or all matches if `n` is 0.
pub(super) fn replace<'a>(c: &Call<'a, '_>, options: Options, from: usize, n: i64) -> Result<Datum<'a>> {
    let (text, by) = (c.text(0)?, c.text(2)?);
    let mut found = Matches::new(compiled(c, c.text(1)?, options)?, text, from);
    let mut out = String::new();
    let (mut done, mut count) = (0, 0);
    while let Some(captures) = found.next()? {
        let Some((start, end)) = captures[0] else { break };
        count += 1;
        if n > 0 && count < n {
            continue;
        }
        out.push_str(&text[done..start]);
        substitute(&mut out, by, text, &captures);
        check_size(out.len())?;
        done = end;
        if n > 0 {
            break;
        }
    }
    out.push_str(&text[done..]);
    c.new_text(&out)
}

/// Appends a replacement: `\1` is a capture, `\&` the whole match, `\\` a backslash.
fn substitute(out: &mut String, by: &str, text: &str, captures: &Captures) {
    let mut rest = by;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let group = match rest.bytes().next() {
            Some(digit @ b'1'..=b'9') => usize::from(digit - b'0'),
            Some(b'&') => 0,
            Some(b'\\') => {
                out.push('\\');
                rest = &rest[1..];
                continue;
            }
            // Any other backslash is one.
            _ => {
                out.push('\\');
                continue;
            }
        };
        rest = &rest[1..];
        if let Some(Some((start, end))) = captures.get(group) {
            out.push_str(&text[*start..*end]);
        }
    }
    out.push_str(rest);
}

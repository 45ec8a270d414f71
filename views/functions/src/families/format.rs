//! Functions that join values of any type: concat, concat_ws, format
//! (<https://www.postgresql.org/docs/15/functions-string.html#FUNCTIONS-STRING-FORMAT>).

use tidewater_types::{ColumnType, Datum, Result, SqlError};

use super::strings_more::{quote_ident, quote_literal};
use crate::call::{Call, check_size, invalid};
use crate::table::Table;

pub(super) fn register(t: &mut Table) {
    t.family("Strings");
    t.add("stable null concat(variadic any) -> text -- All arguments joined, NULLs left out.", |c| join(c, 0, ""));
    t.add(
        "stable null concat_ws(text, variadic any) -> text -- All but the first joined, with the first between them.",
        |c| {
            if c.null(0) { Ok(Datum::Null) } else { join(c, 1, c.text(0)?) }
        },
    );
    t.add("stable null format(text, variadic any) -> text -- As sprintf: %s, %I (identifier), %L (literal).\nstable null format(text) -> text", |c| {
        if c.null(0) { Ok(Datum::Null) } else { format(c) }
    });
}

/// The values of a call's variadic part with their types; nothing where the array that stands for them is NULL.
pub(super) fn variadic<'a>(c: &Call<'a, '_>, from: usize) -> Result<Option<Vec<(Datum<'a>, ColumnType)>>> {
    if !c.env.packed {
        return Ok(Some((from..c.count()).map(|i| (c.args[i], c.env.types[i].clone())).collect()));
    }
    let of = c.env.types[from].element().ok_or_else(|| invalid("VARIADIC argument must be an array"))?;
    if c.null(from) {
        return Ok(None);
    }
    Ok(Some(c.array(from)?.iter().map(|value| (value, of.clone())).collect()))
}

fn join<'a>(c: &Call<'a, '_>, from: usize, separator: &str) -> Result<Datum<'a>> {
    let Some(values) = variadic(c, from)? else {
        return Ok(Datum::Null);
    };
    let mut out = String::new();
    let mut first = true;
    for (value, ty) in values {
        if value.is_null() {
            continue;
        }
        if !first {
            out.push_str(separator);
        }
        first = false;
        c.show_into(&value, &ty, &mut out)?;
        check_size(out.len())?;
    }
    c.new_text(&out)
}

/// A directive of a format: `%[n$][-][width]letter`.
#[derive(Default)]
struct Directive {
    argument: Option<usize>,
    left: bool,
    width: Width,
    letter: char,
}

#[derive(Default, PartialEq)]
enum Width {
    #[default]
    None,
    Fixed(i64),
    /// The next argument, or that of a number.
    Argument(Option<usize>),
}

fn format<'a>(c: &Call<'a, '_>) -> Result<Datum<'a>> {
    let values = if c.count() > 1 { variadic(c, 1)?.unwrap_or_default() } else { Vec::new() };
    let mut rest = c.text(0)?;
    let mut out = String::new();
    let mut next = 0;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('%') {
            out.push('%');
            rest = after;
            continue;
        }
        let directive = parse(&mut rest)?;
        let take = |number: Option<usize>, next: &mut usize| {
            let at = number.unwrap_or(*next + 1);
            *next = at;
            values.get(at - 1).ok_or_else(|| invalid("too few arguments for format()"))
        };
        let width = match directive.width {
            Width::None => 0,
            Width::Fixed(width) => width,
            Width::Argument(number) => match take(number, &mut next)? {
                (Datum::Null, _) => 0,
                (Datum::Int(width), _) => *width,
                (value, ty) => {
                    let text = c.show_of(value, ty)?;
                    let refuse =
                        || SqlError::new(b"22P02", format!("invalid input syntax for type integer: \"{text}\""));
                    text.trim().parse::<i32>().map_err(|_| refuse())?.into()
                }
            },
        };
        let (value, ty) = take(directive.argument, &mut next)?;
        let text = converted(c, directive.letter, value, ty)?;
        put(&mut out, &text, width, directive.left)?;
    }
    out.push_str(rest);
    c.new_text(&out)
}

fn converted(c: &Call<'_, '_>, letter: char, value: &Datum<'_>, ty: &ColumnType) -> Result<String> {
    if value.is_null() {
        return match letter {
            's' => Ok(String::new()),
            'L' => Ok("NULL".to_owned()),
            _ => Err(SqlError::new(b"22004", "null values cannot be formatted as an SQL identifier")),
        };
    }
    let text = c.show_of(value, ty)?;
    Ok(match letter {
        'I' => quote_ident(&text),
        'L' => quote_literal(&text),
        _ => text,
    })
}

/// Appends a text that is at least `width` characters wide; on the left of its field if asked to, or if the width is negative.
fn put(out: &mut String, text: &str, width: i64, left: bool) -> Result<()> {
    let fill = (width.unsigned_abs() as usize).saturating_sub(text.chars().count());
    check_size(out.len() + text.len() + fill)?;
    let left = left || width < 0;
    if !left {
        out.extend(std::iter::repeat_n(' ', fill));
    }
    out.push_str(text);
    if left {
        out.extend(std::iter::repeat_n(' ', fill));
    }
    Ok(())
}

/// Takes a directive off the front, after its percent sign.
fn parse(rest: &mut &str) -> Result<Directive> {
    let mut directive = Directive::default();
    let unterminated = || invalid("unterminated format() type specifier").hint("For a single \"%\" use \"%%\".");
    let zero = || invalid("format specifies argument 0, but arguments are numbered from 1");
    if let Some(number) = number(rest)? {
        if let Some(after) = rest.strip_prefix('$') {
            *rest = after;
            directive.argument = Some(usize::try_from(number).ok().filter(|n| *n > 0).ok_or_else(zero)?);
        } else {
            directive.width = Width::Fixed(number);
        }
    }
    if directive.width == Width::None {
        while let Some(after) = rest.strip_prefix('-') {
            *rest = after;
            directive.left = true;
        }
        if let Some(after) = rest.strip_prefix('*') {
            *rest = after;
            let position = number(rest)?;
            directive.width = Width::Argument(None);
            if let Some(position) = position {
                let position = usize::try_from(position).ok().filter(|n| *n > 0).ok_or_else(zero)?;
                *rest =
                    rest.strip_prefix('$').ok_or_else(|| invalid("width argument position must be ended by \"$\""))?;
                directive.width = Width::Argument(Some(position));
            }
        } else if let Some(width) = number(rest)? {
            directive.width = Width::Fixed(width);
        }
    }
    let letter = rest.chars().next().ok_or_else(unterminated)?;
    if !matches!(letter, 's' | 'I' | 'L') {
        return Err(invalid(format!("unrecognized format() type specifier \"{letter}\""))
            .hint("For a single \"%\" use \"%%\"."));
    }
    directive.letter = letter;
    *rest = &rest[1..];
    Ok(directive)
}

/// Takes digits off the front.
fn number(rest: &mut &str) -> Result<Option<i64>> {
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    if end == 0 {
        return Ok(None);
    }
    let digits = &rest[..end];
    *rest = &rest[end..];
    match digits.parse::<i32>() {
        Ok(value) => Ok(Some(value.into())),
        Err(_) => Err(SqlError::new(b"22003", "number is out of range")),
    }
}

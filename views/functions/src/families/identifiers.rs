//! parse_ident, and width_bucket over an array.

use std::cmp::Ordering;

use tidewater_types::{ArrayRef, Datum, Result, SqlError, Type, compare};

use crate::call::{Call, invalid};
use crate::table::Table;

pub(super) fn register(t: &mut Table) {
    t.family("Strings");
    t.add("parse_ident(str text, strict bool = true) -> text[] -- A qualified name's parts.", parse_ident);
    t.family("Mathematics");
    t.add("width_bucket(anycompatible, anycompatiblearray) -> int4 -- Number of the last of ascending bounds that is not greater.", width_bucket);
}

fn parse_ident<'a>(c: &Call<'a, '_>) -> Result<Datum<'a>> {
    let (text, strict) = (c.text(0)?, c.bool(1)?);
    let blank = |char: char| matches!(char, ' ' | '\t'..='\r');
    let refuse = |detail: Option<&str>| {
        let error = invalid(format!("string is not a valid identifier: \"{text}\""));
        Err(match detail {
            Some(detail) => error.detail(detail),
            None => error,
        })
    };
    let mut parts = Vec::new();
    let mut rest = text.trim_start_matches(blank);
    let mut after_dot = false;
    loop {
        if let Some(quoted) = rest.strip_prefix('"') {
            let mut name = String::new();
            let mut left = quoted;
            loop {
                let Some(end) = left.find('"') else {
                    return refuse(Some("String has unclosed double quotes."));
                };
                name.push_str(&left[..end]);
                left = &left[end + 1..];
                // Two quotes are one of the name.
                match left.strip_prefix('"') {
                    Some(after) => {
                        name.push('"');
                        left = after;
                    }
                    None => break,
                }
            }
            if name.is_empty() {
                return refuse(Some("Quoted identifier must not be empty."));
            }
            parts.push(c.new_text(&name)?);
            rest = left;
        } else {
            let begins = rest.starts_with(|char: char| char.is_ascii_alphabetic() || char == '_' || !char.is_ascii());
            if !begins {
                return match () {
                    () if rest.starts_with('.') => refuse(Some("No valid identifier before \".\".")),
                    () if after_dot => refuse(Some("No valid identifier after \".\".")),
                    () => refuse(None),
                };
            }
            let end =
                rest.find(|char: char| char.is_ascii() && !char.is_ascii_alphanumeric() && !matches!(char, '_' | '$'));
            let (name, left) = rest.split_at(end.unwrap_or(rest.len()));
            parts.push(c.new_text(&name.to_ascii_lowercase())?);
            rest = left;
        }
        rest = rest.trim_start_matches(blank);
        match rest.strip_prefix('.') {
            Some(after) => {
                rest = after.trim_start_matches(blank);
                after_dot = true;
            }
            None if rest.is_empty() || !strict => break,
            None => return refuse(None),
        }
    }
    Ok(Datum::Array(ArrayRef::vector(c.scratch, &parts)?))
}

fn width_bucket<'a>(c: &Call<'a, '_>) -> Result<Datum<'a>> {
    let bounds = c.array(1)?;
    if bounds.dimension_count() > 1 {
        return Err(SqlError::new(b"2202E", "thresholds must be one-dimensional array"));
    }
    let element = c.ty(1).element().cloned().unwrap_or(Type::Text);
    super::comparison::check_order(&element)?;
    if bounds.iter().any(|bound| bound.is_null()) {
        return Err(SqlError::new(b"22004", "thresholds array must not contain NULLs"));
    }
    let (mut low, mut high) = (0, bounds.len());
    while low < high {
        let middle = (low + high) / 2;
        if compare(&element, &c.args[0], &bounds.get(middle)) == Ordering::Less {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    Ok(Datum::Int(low as i64))
}

//! SIMILAR TO: SQL's regular expressions, as those of POSIX
//! (<https://www.postgresql.org/docs/15/functions-matching.html#FUNCTIONS-SIMILARTO-REGEXP>).

use tidewater_types::{Datum, Result, SqlError};

use super::regexp;
use crate::call::check_size;
use crate::regex::Options;
use crate::table::Table;

pub(super) fn register(t: &mut Table) {
    t.family("Pattern matching");
    t.add(
        "
        similar_to_escape(text) -> text -- A pattern of SIMILAR TO as a regular expression; the second is its escape.
        similar_to_escape(text, text) -> text
        ",
        |c| {
            let escape = if c.count() > 1 { c.text(1)? } else { "\\" };
            c.new_text(&translate(c.text(0)?, escape)?)
        },
    );
    t.add("null similar_escape(text, text) -> text -- A pattern of SIMILAR TO as a regular expression; the second is its escape.", |c| {
        if c.null(0) {
            return Ok(Datum::Null);
        }
        let escape = if c.null(1) { "\\" } else { c.text(1)? };
        c.new_text(&translate(c.text(0)?, escape)?)
    });
    t.add("substring(text, text, text) -> text -- The part that an SQL pattern marks; the third is its escape.", |c| {
        let pattern = translate(c.text(1)?, c.text(2)?)?;
        regexp::substring(c, &pattern, Options::default())
    });
}

fn translate(pattern: &str, escape: &str) -> Result<String> {
    check_size(pattern.len().saturating_mul(3) + 23)?;
    let mut chars = escape.chars();
    let (escape, more) = (chars.next(), chars.next());
    if more.is_some() {
        return Err(
            SqlError::new(b"22025", "invalid escape string").hint("Escape string must be empty or one character.")
        );
    }
    let mut out = String::from("^(?:");
    let (mut escaped, mut in_class, mut separators) = (false, false, 0);
    for char in pattern.chars() {
        if escaped {
            escaped = false;
            if char != '"' || in_class {
                out.extend(['\\', char]);
                continue;
            }
            // The part between two separators is what substring gives; the part before takes as little as it can.
            out.push_str(match separators {
                0 => "){1,1}?(",
                1 => "){1,1}(?:",
                _ => {
                    let message = "SQL regular expression may not contain more than two escape-double-quote separators";
                    return Err(SqlError::new(b"2200C", message));
                }
            });
            separators += 1;
        } else if Some(char) == escape {
            escaped = true;
        } else if in_class {
            if char == '\\' {
                out.push('\\');
            }
            out.push(char);
            in_class = char != ']';
        } else {
            in_class = char == '[';
            match char {
                '%' => out.push_str(".*"),
                '_' => out.push('.'),
                '(' => out.push_str("(?:"),
                '\\' | '.' | '^' | '$' => out.extend(['\\', char]),
                _ => out.push(char),
            }
        }
    }
    out.push_str(")$");
    Ok(out)
}

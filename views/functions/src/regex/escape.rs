//! Escapes: backslash and what follows it
//! (<https://www.postgresql.org/docs/15/functions-matching.html#POSIX-ESCAPE-SEQUENCES>).

use tidewater_types::{Result, SqlError};

use super::tree::Assertion;

/// What an escape stands for.
pub(super) enum Escape {
    Char(char),
    /// `\d`, `\s`, `\w`, and whether it is one of their opposites.
    Class(&'static [(char, char)], bool),
    Assertion(Assertion),
    /// The number after a backslash: a back reference, or else octal digits.
    Number(String),
}

pub(super) const DIGIT: &[(char, char)] = &[('0', '9')];
pub(super) const SPACE: &[(char, char)] = &[('\t', '\r'), (' ', ' ')];
pub(super) const WORD: &[(char, char)] = &[('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')];

fn refuse() -> SqlError {
    invalid("invalid escape \\ sequence")
}

/// An expression that is none.
pub(super) fn invalid(what: &str) -> SqlError {
    SqlError::new(b"2201B", format!("invalid regular expression: {what}"))
}

/// Takes an escape off the front, after its backslash.
pub(super) fn take(rest: &mut &[char]) -> Result<Escape> {
    let (&first, after) = rest.split_first().ok_or_else(refuse)?;
    *rest = after;
    if !first.is_ascii_alphanumeric() {
        return Ok(Escape::Char(first));
    }
    Ok(match first {
        'a' => Escape::Char('\x07'),
        'b' => Escape::Char('\x08'),
        'B' => Escape::Char('\\'),
        'e' => Escape::Char('\x1b'),
        'f' => Escape::Char('\x0c'),
        'n' => Escape::Char('\n'),
        'r' => Escape::Char('\r'),
        't' => Escape::Char('\t'),
        'v' => Escape::Char('\x0b'),
        'c' => {
            let (&control, after) = rest.split_first().ok_or_else(refuse)?;
            *rest = after;
            Escape::Char(char::from(control as u32 as u8 & 0x1f))
        }
        'u' => Escape::Char(hexadecimal(rest, 4, 4)?),
        'U' => Escape::Char(hexadecimal(rest, 8, 8)?),
        'x' => Escape::Char(hexadecimal(rest, 1, 255)?),
        'd' => Escape::Class(DIGIT, false),
        's' => Escape::Class(SPACE, false),
        'w' => Escape::Class(WORD, false),
        'D' => Escape::Class(DIGIT, true),
        'S' => Escape::Class(SPACE, true),
        'W' => Escape::Class(WORD, true),
        'A' => Escape::Assertion(Assertion::Start),
        'Z' => Escape::Assertion(Assertion::End),
        'm' => Escape::Assertion(Assertion::WordStart),
        'M' => Escape::Assertion(Assertion::WordEnd),
        'y' => Escape::Assertion(Assertion::WordEdge),
        'Y' => Escape::Assertion(Assertion::NoWordEdge),
        '0'..='9' => {
            let mut digits = String::from(first);
            while let Some((next @ '0'..='9', after)) = rest.split_first() {
                digits.push(*next);
                *rest = after;
            }
            Escape::Number(digits)
        }
        _ => return Err(refuse()),
    })
}

/// The character of an octal number, and how many of the digits it takes.
pub(super) fn octal(digits: &str) -> Result<(char, usize)> {
    let taken = digits.bytes().take(3).take_while(|digit| (b'0'..=b'7').contains(digit)).count();
    // Three digits beyond a byte are two and a digit.
    let code = |taken: usize| u32::from_str_radix(&digits[..taken], 8).ok();
    match code(taken) {
        Some(code) if code <= 0xff => char::from_u32(code).map(|char| (char, taken)).ok_or_else(refuse),
        Some(_) => code(2).and_then(char::from_u32).map(|char| (char, 2)).ok_or_else(refuse),
        None => Err(refuse()),
    }
}

fn hexadecimal(rest: &mut &[char], least: usize, most: usize) -> Result<char> {
    let count = rest.iter().take(most).take_while(|char| char.is_ascii_hexdigit()).count();
    if count < least {
        return Err(refuse());
    }
    let digits: String = rest[..count].iter().collect();
    *rest = &rest[count..];
    u32::from_str_radix(digits.trim_start_matches('0'), 16)
        .or_else(|_| if digits.bytes().all(|digit| digit == b'0') { Ok(0) } else { Err(refuse()) })
        .ok()
        .and_then(char::from_u32)
        .ok_or_else(refuse)
}

//! Bracket expressions: `[a-z]`, `[^[:alpha:]_]`
//! (<https://www.postgresql.org/docs/15/functions-matching.html#POSIX-BRACKET-EXPRESSIONS>).

use tidewater_types::Result;

use super::escape::{self, Escape, SPACE, WORD, invalid};
use super::tree::Options;

/// Ranges of characters.
pub(super) type Ranges = Vec<(char, char)>;

/// Takes a bracket expression off the front, after its `[`.
pub(super) fn take(rest: &mut &[char], options: Options) -> Result<Ranges> {
    let negated = rest.first() == Some(&'^');
    if negated {
        *rest = &rest[1..];
    }
    let mut ranges = Ranges::new();
    let mut first = true;
    loop {
        let (&char, after) = rest.split_first().ok_or_else(unbalanced)?;
        if char == ']' && !first {
            *rest = after;
            break;
        }
        first = false;
        let Some(start) = item(rest, options, &mut ranges)? else { continue };
        // A dash is a range unless it is the last.
        let is_range = rest.first() == Some(&'-') && rest.get(1).is_some_and(|next| *next != ']');
        let end = if is_range {
            *rest = &rest[1..];
            item(rest, options, &mut ranges)?.ok_or_else(|| invalid("invalid character range"))?
        } else {
            start
        };
        if end < start {
            return Err(invalid("invalid character range"));
        }
        ranges.push((start, end));
    }
    if options.fold {
        ranges = folded(ranges);
    }
    if !negated {
        return Ok(ranges);
    }
    if options.dot_stops {
        ranges.push(('\n', '\n'));
    }
    Ok(complement(ranges))
}

fn unbalanced() -> tidewater_types::SqlError {
    invalid("brackets [] not balanced")
}

/// Takes one item: a character that may begin or end a range, or a class that goes into `ranges`.
fn item(rest: &mut &[char], options: Options, ranges: &mut Ranges) -> Result<Option<char>> {
    let (&char, after) = rest.split_first().ok_or_else(unbalanced)?;
    *rest = after;
    if char == '\\' {
        return match escape::take(rest)? {
            Escape::Char(char) => Ok(Some(char)),
            Escape::Class(class, false) => {
                ranges.extend_from_slice(class);
                Ok(None)
            }
            Escape::Class(class, true) => {
                let mut class = class.to_vec();
                if options.dot_stops {
                    class.push(('\n', '\n'));
                }
                ranges.extend(complement(class));
                Ok(None)
            }
            Escape::Number(digits) => {
                let (char, taken) = escape::octal(&digits)?;
                // What is no octal digit stands for itself.
                ranges.extend(digits[taken..].chars().map(|digit| (digit, digit)));
                Ok(Some(char))
            }
            Escape::Assertion(_) => Err(invalid("invalid escape \\ sequence")),
        };
    }
    let kind = match after.first() {
        Some(kind @ (':' | '.' | '=')) if char == '[' => *kind,
        _ => return Ok(Some(char)),
    };
    let inside = &after[1..];
    let end = inside.windows(2).position(|pair| pair == [kind, ']']).ok_or_else(unbalanced)?;
    let name: String = inside[..end].iter().collect();
    *rest = &inside[end + 2..];
    if kind == ':' {
        ranges.extend_from_slice(class(&name, options)?);
        return Ok(None);
    }
    let mut chars = name.chars();
    match (chars.next(), chars.next()) {
        (Some(only), None) => Ok(Some(only)),
        _ => collating(&name).map(Some),
    }
}

/// Characters by their names of POSIX, those that anybody writes.
fn collating(name: &str) -> Result<char> {
    Ok(match name {
        "NUL" => '\0',
        "tab" => '\t',
        "newline" => '\n',
        "space" => ' ',
        "hyphen" | "hyphen-minus" => '-',
        "period" | "full-stop" => '.',
        "comma" => ',',
        "slash" | "solidus" => '/',
        "backslash" | "reverse-solidus" => '\\',
        "left-square-bracket" => '[',
        "right-square-bracket" => ']',
        "circumflex" | "circumflex-accent" => '^',
        "underscore" | "low-line" => '_',
        "tilde" => '~',
        _ => return Err(invalid("invalid collating element")),
    })
}

fn class(name: &str, options: Options) -> Result<&'static [(char, char)]> {
    Ok(match name {
        "alnum" => &[('0', '9'), ('A', 'Z'), ('a', 'z')],
        "alpha" => &[('A', 'Z'), ('a', 'z')],
        // Where case does not count, each of them is every letter.
        "lower" | "upper" if options.fold => &[('A', 'Z'), ('a', 'z')],
        "lower" => &[('a', 'z')],
        "upper" => &[('A', 'Z')],
        "ascii" => &[('\0', '\x7f')],
        "blank" => &[('\t', '\t'), (' ', ' ')],
        "cntrl" => &[('\0', '\x1f'), ('\x7f', '\x7f')],
        "digit" => &[('0', '9')],
        "graph" => &[('!', '~')],
        "print" => &[(' ', '~')],
        "punct" => &[('!', '/'), (':', '@'), ('[', '`'), ('{', '~')],
        "space" => SPACE,
        "word" => WORD,
        "xdigit" => &[('0', '9'), ('A', 'F'), ('a', 'f')],
        _ => return Err(invalid("invalid character class")),
    })
}

/// The ranges, with every ASCII letter in either case.
pub(super) fn folded(mut ranges: Ranges) -> Ranges {
    for i in 0..ranges.len() {
        let (start, end) = ranges[i];
        for (from, to, other) in [('a', 'z', 'A'), ('A', 'Z', 'a')] {
            let (low, high) = (start.max(from), end.min(to));
            if low <= high {
                let turned = |char: char| char::from((char as u8) - (from as u8) + (other as u8));
                ranges.push((turned(low), turned(high)));
            }
        }
    }
    ranges
}

/// All characters that are in none of the ranges.
pub(super) fn complement(mut ranges: Ranges) -> Ranges {
    ranges.sort_unstable();
    let mut out = Ranges::new();
    let mut next = Some('\0');
    for (start, end) in ranges {
        let Some(from) = next else { break };
        if start > from
            && let Some(before) = previous(start)
        {
            out.push((from, before));
        }
        if end >= from {
            next = following(end);
        }
    }
    if let Some(from) = next {
        out.push((from, char::MAX));
    }
    out
}

/// The characters next to one, over the gap of the surrogates.
fn following(char: char) -> Option<char> {
    if char == '\u{d7ff}' { Some('\u{e000}') } else { char::from_u32(char as u32 + 1) }
}

fn previous(char: char) -> Option<char> {
    if char == '\u{e000}' { Some('\u{d7ff}') } else { (char as u32).checked_sub(1).and_then(char::from_u32) }
}

//! The tokens of a jsonpath.

use crate::{Result, SqlError};

/// A token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// A bare name, which may be a word of the language.
    Word(String),
    /// A quoted string.
    String(String),
    /// A number as it is written.
    Number(String),
    /// `$name`; `$` alone is a sign.
    Variable(String),
    /// Anything else.
    Sign(&'static str),
}

/// Signs, longer ones first.
const SIGNS: [&str; 27] = [
    "**", "&&", "||", "==", "!=", "<>", "<=", ">=", "<", ">", "!", "$", "@", "?", "(", ")", "[", "]", "{", "}", ".",
    ",", "*", "+", "-", "/", "%",
];

pub(super) fn syntax_error(at: Option<&Token>) -> SqlError {
    let message = match at {
        None => "syntax error at end of jsonpath input".to_owned(),
        Some(token) => {
            let shown = match token {
                Token::Word(text) | Token::String(text) | Token::Number(text) => text.clone(),
                Token::Variable(name) => format!("${name}"),
                Token::Sign(sign) => (*sign).to_owned(),
            };
            format!("syntax error at or near \"{shown}\" of jsonpath input")
        }
    };
    SqlError::new(b"42601", message)
}

pub(super) fn tokens(text: &str) -> Result<Vec<Token>> {
    let mut out = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([' ', '\t', '\n', '\r', '\u{c}']);
        if let Some(comment) = rest.strip_prefix("/*") {
            let end = comment
                .find("*/")
                .ok_or_else(|| SqlError::new(b"42601", "unexpected end of comment at end of jsonpath input"))?;
            rest = &comment[end + 2..];
            continue;
        }
        let Some(first) = rest.chars().next() else { return Ok(out) };
        let after_dot = rest.strip_prefix('.').and_then(|after| after.chars().next());
        if first == '"' {
            let (string, after) = string(rest)?;
            out.push(Token::String(string));
            rest = after;
        } else if first == '$' && rest[1..].starts_with('"') {
            let (name, after) = string(&rest[1..])?;
            out.push(Token::Variable(name));
            rest = after;
        } else if first == '$' && rest[1..].starts_with(is_name) {
            let (name, after) = name(&rest[1..])?;
            out.push(Token::Variable(name));
            rest = after;
        } else if first.is_ascii_digit() || (first == '.' && after_dot.is_some_and(|next| next.is_ascii_digit())) {
            let (number, after) = number(rest)?;
            out.push(Token::Number(number));
            rest = after;
        } else if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            out.push(Token::Sign(sign));
            rest = &rest[sign.len()..];
        } else if is_name(first) || first == '\\' {
            let (word, after) = name(rest)?;
            out.push(Token::Word(word));
            rest = after;
        } else {
            return Err(SqlError::new(b"42601", format!("syntax error at or near \"{first}\" of jsonpath input")));
        }
    }
}

fn is_name(c: char) -> bool {
    !"?%$.[]{}()|&!=<>@#,*:-+/\\\" \t\n\r\u{c}".contains(c)
}

fn number(text: &str) -> Result<(String, &str)> {
    let digits = |from: usize| from + text[from..].bytes().take_while(u8::is_ascii_digit).count();
    let mut end = digits(0);
    if end > 1 && text.starts_with('0') && text.as_bytes()[1].is_ascii_digit() {
        return Err(SqlError::new(
            b"42601",
            format!("trailing junk after numeric literal at or near \"{text}\" of jsonpath input"),
        ));
    }
    if text[end..].starts_with('.') && !text[end..].starts_with(".*") {
        let after = digits(end + 1);
        // `1.type()` is a method only behind a blank or parentheses, as in PostgreSQL.
        end = after;
    }
    if let Some(exponent) = text[end..].strip_prefix(['e', 'E']) {
        let sign = usize::from(exponent.starts_with(['+', '-']));
        let last = digits(end + 1 + sign);
        if last > end + 1 + sign {
            end = last;
        }
    }
    if text[end..].starts_with(is_name) {
        let junk = &text[..end + text[end..].chars().next().map_or(0, char::len_utf8)];
        return Err(SqlError::new(
            b"42601",
            format!("trailing junk after numeric literal at or near \"{junk}\" of jsonpath input"),
        ));
    }
    Ok((text[..end].to_owned(), &text[end..]))
}

fn name(text: &str) -> Result<(String, &str)> {
    let mut out = String::new();
    let mut rest = text;
    loop {
        match rest.chars().next() {
            Some('\\') => rest = escape(&rest[1..], &mut out)?,
            Some(c) if is_name(c) => {
                out.push(c);
                rest = &rest[c.len_utf8()..];
            }
            _ => return Ok((out, rest)),
        }
    }
}

fn string(text: &str) -> Result<(String, &str)> {
    let mut out = String::new();
    let mut rest = &text[1..];
    loop {
        match rest.chars().next() {
            None => return Err(SqlError::new(b"42601", "unexpected end of quoted string at end of jsonpath input")),
            Some('"') => return Ok((out, &rest[1..])),
            Some('\\') => rest = escape(&rest[1..], &mut out)?,
            Some(c) => {
                out.push(c);
                rest = &rest[c.len_utf8()..];
            }
        }
    }
}

/// What follows a backslash.
fn escape<'t>(rest: &'t str, out: &mut String) -> Result<&'t str> {
    let Some(first) = rest.chars().next() else {
        return Err(SqlError::new(b"42601", "unexpected end after backslash at end of jsonpath input"));
    };
    let after = &rest[first.len_utf8()..];
    let plain = match first {
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\u{b}',
        'x' => {
            let (code, after) = hex(after, 2, "invalid hexadecimal character sequence")?;
            out.push(character(code)?);
            return Ok(after);
        }
        'u' => return unicode(after, out),
        other => other,
    };
    out.push(plain);
    Ok(after)
}

fn unicode<'t>(text: &'t str, out: &mut String) -> Result<&'t str> {
    const WRONG: &str = "invalid Unicode escape sequence";
    if let Some(inner) = text.strip_prefix('{') {
        let end = inner.find('}').filter(|end| (1..=6).contains(end));
        let end = end.ok_or_else(|| SqlError::new(b"42601", WRONG))?;
        let (code, _) = hex(inner, end, WRONG)?;
        out.push(character(code)?);
        return Ok(&inner[end + 1..]);
    }
    let (high, after) = hex(text, 4, WRONG)?;
    if (0xd800..0xdc00).contains(&high) {
        let low = after.strip_prefix("\\u").map(|low| hex(low, 4, WRONG)).transpose()?;
        let Some((low, after)) = low.filter(|(low, _)| (0xdc00..0xe000).contains(low)) else {
            let detail = "Unicode low surrogate must follow a high surrogate.";
            return Err(SqlError::new(b"22P02", "invalid input syntax for type jsonpath").detail(detail));
        };
        out.push(character(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00))?);
        return Ok(after);
    }
    out.push(character(high)?);
    Ok(after)
}

fn hex<'t>(text: &'t str, digits: usize, wrong: &str) -> Result<(u32, &'t str)> {
    let shown = text.get(..digits).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
    let code = shown.and_then(|digits| u32::from_str_radix(digits, 16).ok());
    let code = code.ok_or_else(|| SqlError::new(b"42601", format!("{wrong} of jsonpath input")))?;
    Ok((code, &text[digits..]))
}

fn character(code: u32) -> Result<char> {
    if code == 0 {
        let detail = "\\u0000 cannot be converted to text.";
        return Err(SqlError::new(b"22P05", "unsupported Unicode escape sequence").detail(detail));
    }
    char::from_u32(code).ok_or_else(|| SqlError::new(b"22P02", "invalid input syntax for type jsonpath"))
}

//! The lines that COPY reads: text with backslashes, or CSV, taken apart into values.
//!
//! Source: PostgreSQL's documentation of COPY, "File Formats".

use std::borrow::Cow;

use tidewater_sql::parse::ast::CopyFormat;
use tidewater_sql::{Change, Error, Evaluated, Result};
use tidewater_types::{Column, Datum, Scratch, Settings, input};

use tidewater_query::run::Limits;

/// The most of a value that an error shows.
const SHOWN: usize = 100;

/// A COPY whose lines come.
pub(crate) struct Copying {
    pub(crate) change: Box<Change>,
    pub(crate) format: CopyFormat,
    pub(crate) settings: Settings,
    /// What has come.
    pub(crate) bytes: Vec<u8>,
    /// How much of it may be kept; what is more is refused at its end.
    pub(crate) limit: usize,
    /// How many bytes came that were not kept.
    pub(crate) surplus: usize,
    pub(crate) ends: Ends,
}

/// What becomes of the rows.
#[derive(Debug)]
pub(crate) enum Ends {
    AtOnce,
    /// With the transaction.
    Held,
}

impl std::fmt::Debug for Copying {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Copying").field("bytes", &self.bytes.len()).finish_non_exhaustive()
    }
}

impl Copying {
    /// Takes what the client sends.
    pub(crate) fn take(&mut self, bytes: &[u8]) {
        if self.surplus > 0 || self.bytes.len() + bytes.len() > self.limit {
            self.surplus += bytes.len();
            self.bytes = Vec::new();
            return;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// The rows, as a change of the table.
    ///
    /// # Errors
    /// 22P04 for lines that do not fit the table, what is wrong with a value or a row, and where it stands; 53200.
    pub(crate) fn evaluate(&self, limits: &Limits) -> Result<Evaluated> {
        if self.surplus > 0 {
            return Err(Error::new(b"53200", "out of memory")
                .detail("What COPY reads does not fit.")
                .hint("copy it in parts"));
        }
        let whole = std::str::from_utf8(&self.bytes).map_err(|error| {
            let byte = self.bytes.get(error.valid_up_to()).copied().unwrap_or_default();
            let line = self.bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count() + 1;
            let error = Error::new(b"22021", format!("invalid byte sequence for encoding \"UTF8\": 0x{byte:02x}"));
            placed(error, &format!("COPY {}, line {line}", self.change.table_name()))
        })?;
        let columns = self.change.target_columns();
        let mut lines = Lines { rest: whole, line: 0, format: &self.format, fields: Vec::new() };
        self.change.copied(limits, |sink| {
            if self.format.header {
                lines.next()?;
            }
            loop {
                let read = lines.next().map_err(|error| self.at(error, lines.line, None))?;
                if !read {
                    return Ok(());
                }
                self.row(&lines, &columns, sink)?;
            }
        })
    }

    fn row(
        &self,
        lines: &Lines<'_>,
        columns: &[Column],
        sink: &mut dyn FnMut(&[Datum<'_>]) -> Result<()>,
    ) -> Result<()> {
        let line = lines.line;
        let fields = &lines.fields;
        if let Some(missing) = columns.get(fields.len()) {
            let error = Error::new(b"22P04", format!("missing data for column \"{}\"", missing.name));
            return Err(self.at(error, line, None));
        }
        if fields.len() > columns.len() {
            return Err(self.at(Error::new(b"22P04", "extra data after last expected column"), line, None));
        }
        let scratch = Scratch::new();
        let mut values = Vec::with_capacity(columns.len());
        for (field, column) in fields.iter().zip(columns) {
            let value = match field {
                None => Ok(Datum::Null),
                Some(text) if text.contains('\0') => {
                    Err(Error::new(b"22021", "invalid byte sequence for encoding \"UTF8\": 0x00"))
                }
                Some(text) => input(text, &column.ty, &self.settings, &scratch),
            };
            values.push(value.map_err(|error| self.at(error, line, Some((&column.name, field.as_deref()))))?);
        }
        sink(&values).map_err(|error| self.at(error, line, None))
    }

    /// The error with the place where it was found.
    fn at(&self, error: Error, line: usize, value: Option<(&str, Option<&str>)>) -> Error {
        let mut place = format!("COPY {}, line {line}", self.change.table_name());
        if let Some((column, value)) = value {
            let value: String = value.unwrap_or_default().chars().take(SHOWN).collect();
            place.push_str(&format!(", column {column}: \"{value}\""));
        }
        placed(error, &place)
    }
}

fn placed(error: Error, place: &str) -> Error {
    let detail = match &error.detail {
        Some(detail) => format!("{detail}\n{place}"),
        None => place.to_owned(),
    };
    error.detail(detail)
}

/// Takes lines apart, one after another.
struct Lines<'a> {
    rest: &'a str,
    /// The number of the line that was read last, from 1.
    line: usize,
    format: &'a CopyFormat,
    /// Its values; `None` is NULL.
    fields: Vec<Option<Cow<'a, str>>>,
}

impl<'a> Lines<'a> {
    /// Reads the next row; false where there is none.
    fn next(&mut self) -> Result<bool> {
        self.fields.clear();
        self.line += 1;
        if self.rest.is_empty() {
            return Ok(false);
        }
        if self.format.csv { self.csv() } else { self.text() }
    }

    /// The text up to the end of the line, which is passed.
    fn line_of_text(&mut self) -> &'a str {
        let bytes = self.rest.as_bytes();
        let mut at = 0;
        while at < bytes.len() && bytes[at] != b'\n' {
            // What a backslash stands before is data, an end of a line too.
            at += if bytes[at] == b'\\' { 2 } else { 1 };
        }
        let at = at.min(bytes.len());
        let line = &self.rest[..at];
        self.rest = self.rest.get(at + 1..).unwrap_or_default();
        line.strip_suffix('\r').unwrap_or(line)
    }

    fn text(&mut self) -> Result<bool> {
        let line = self.line_of_text();
        if line == "\\." {
            self.rest = "";
            return Ok(false);
        }
        let (mut start, mut escaped) = (0, false);
        for (at, letter) in line.char_indices().chain([(line.len(), self.format.delimiter)]) {
            match letter {
                _ if escaped && at < line.len() => escaped = false,
                '\\' => escaped = true,
                letter if letter == self.format.delimiter => {
                    let raw = &line[start..at];
                    let value = if raw == self.format.null { None } else { Some(unescaped(raw)) };
                    self.fields.push(value);
                    start = at + letter.len_utf8();
                }
                _ => {}
            }
        }
        Ok(true)
    }

    fn csv(&mut self) -> Result<bool> {
        let CopyFormat { delimiter, quote, escape, .. } = *self.format;
        if let Some(rest) = self.rest.strip_prefix("\\.")
            && (rest.is_empty() || rest.starts_with(['\n', '\r']))
        {
            self.rest = "";
            return Ok(false);
        }
        let (mut value, mut was_quoted, mut in_quotes) = (String::new(), false, false);
        let mut letters = self.rest.char_indices().peekable();
        let mut lines = 0;
        loop {
            let next = letters.next();
            match next {
                None if in_quotes => return Err(Error::new(b"22P04", "unterminated CSV quoted field")),
                Some((_, letter)) if in_quotes => {
                    let following = letters.peek().map(|(_, letter)| *letter);
                    if letter == escape && following.is_some_and(|letter| letter == quote || letter == escape) {
                        value.extend(letters.next().map(|(_, letter)| letter));
                    } else if letter == quote {
                        in_quotes = false;
                    } else {
                        lines += usize::from(letter == '\n');
                        value.push(letter);
                    }
                }
                Some((_, letter)) if letter == quote => {
                    was_quoted = true;
                    in_quotes = true;
                }
                Some((_, letter)) if letter == delimiter => {
                    self.push(std::mem::take(&mut value), std::mem::take(&mut was_quoted));
                }
                Some((_, '\r')) if letters.peek().is_some_and(|(_, letter)| *letter == '\n') => {}
                None | Some((_, '\n' | '\r')) => {
                    let end = next.map_or(self.rest.len(), |(at, _)| at + 1);
                    self.push(value, was_quoted);
                    self.rest = &self.rest[end..];
                    self.line += lines;
                    return Ok(true);
                }
                Some((_, letter)) => value.push(letter),
            }
        }
    }

    fn push(&mut self, value: String, was_quoted: bool) {
        let is_null = !was_quoted && value == self.format.null;
        self.fields.push(if is_null { None } else { Some(Cow::Owned(value)) });
    }
}

/// A value of text without its backslashes.
fn unescaped(raw: &str) -> Cow<'_, str> {
    if !raw.contains('\\') {
        return Cow::Borrowed(raw);
    }
    let (mut bytes, mut rest) = (Vec::with_capacity(raw.len()), raw.as_bytes());
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        let Some((next, after)) = rest.split_first().filter(|_| *first == b'\\') else {
            bytes.push(*first);
            continue;
        };
        rest = after;
        match next {
            b'b' => bytes.push(8),
            b'f' => bytes.push(12),
            b'n' => bytes.push(b'\n'),
            b'r' => bytes.push(b'\r'),
            b't' => bytes.push(b'\t'),
            b'v' => bytes.push(11),
            b'0'..=b'7' => {
                let (code, after) = digits(next - b'0', rest, 8, 2);
                bytes.push(code);
                rest = after;
            }
            b'x' if rest.first().is_some_and(u8::is_ascii_hexdigit) => {
                let (code, after) = digits(0, rest, 16, 2);
                bytes.push(code);
                rest = after;
            }
            other => bytes.push(*other),
        }
    }
    // Bytes that are no text are refused as such by whoever reads it.
    Cow::Owned(String::from_utf8(bytes).unwrap_or_else(|_| "\0".to_owned()))
}

/// A number of up to `most` more digits, and what follows it.
fn digits(first: u8, mut rest: &[u8], base: u32, most: usize) -> (u8, &[u8]) {
    let mut code = u32::from(first);
    for _ in 0..most {
        let digit = rest.first().and_then(|digit| char::from(*digit).to_digit(base));
        let Some(digit) = digit else { break };
        code = code * base + digit;
        rest = &rest[1..];
    }
    (code as u8, rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, csv: bool) -> Result<Vec<Vec<Option<String>>>> {
        let (delimiter, null) = if csv { (',', "") } else { ('\t', "\\N") };
        let format = CopyFormat { csv, header: false, delimiter, null: null.into(), quote: '"', escape: '"' };
        let mut lines = Lines { rest: text, line: 0, format: &format, fields: Vec::new() };
        let mut rows = Vec::new();
        while lines.next()? {
            rows.push(lines.fields.iter().map(|field| field.as_ref().map(|field| field.to_string())).collect());
        }
        Ok(rows)
    }

    fn some(values: &[&str]) -> Vec<Option<String>> {
        values.iter().map(|value| Some((*value).to_owned()).filter(|value| value != "NULL")).collect()
    }

    #[test]
    fn text_is_taken_apart_as_postgresql_does() {
        let text = "1\ta\\tb\\\\\n\\N\t\\x41\\102\\\nc\r\n\t\n\\.\nnot read";
        let rows = read(text, false).expect("rows");
        assert_eq!(rows, [some(&["1", "a\tb\\"]), some(&["NULL", "AB\nc"]), some(&["", ""])]);
        assert_eq!(read("x", false).expect("a row"), [some(&["x"])], "without an end of the line");
        assert_eq!(read("ü\\é", false).expect("a row"), [some(&["üé"])]);
    }

    #[test]
    fn csv_is_taken_apart_as_postgresql_does() {
        let text = "1,\"a \"\"b\"\",\n\"\r\n,\"\"\nx\"y\"z,2";
        let rows = read(text, true).expect("rows");
        assert_eq!(rows, [some(&["1", "a \"b\",\n"]), some(&["NULL", ""]), some(&["xyz", "2"])]);
        assert_eq!(read("\"open", true).expect_err("an error").sqlstate, *b"22P04");
    }
}

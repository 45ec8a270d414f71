//! Array literals: `{1,NULL,"a b"}`, `{{1,2},{3,4}}`, `[0:1]={1,2}`.

use std::fmt::Write;

use super::is_space;
use crate::io::{input, output};
use crate::{ArrayRef, ColumnType, Datum, Dimension, MAX_DIMENSIONS, Result, Scratch, Settings, SqlError};

/// One element as it is written; `None` is NULL.
type Item = Option<String>;

struct Reader<'t> {
    literal: &'t str,
    rest: &'t str,
    items: Vec<Item>,
    /// Lengths of the dimensions, once known.
    lengths: Vec<Option<usize>>,
}

fn malformed(literal: &str, detail: &str) -> SqlError {
    SqlError::new(b"22P02", format!("malformed array literal: \"{literal}\"")).detail(detail)
}

fn too_many(count: usize) -> SqlError {
    let message = format!("number of array dimensions ({count}) exceeds the maximum allowed ({MAX_DIMENSIONS})");
    SqlError::new(b"54000", message)
}

/// The array that `text` shows.
pub(crate) fn read_array<'a>(
    text: &str,
    element: &ColumnType,
    settings: &Settings,
    scratch: &'a Scratch,
) -> Result<ArrayRef<'a>> {
    let mut reader =
        Reader { literal: text, rest: text.trim_start_matches(is_space), items: Vec::new(), lengths: vec![] };
    let declared = reader.declared()?;
    if !declared.is_empty() {
        // As PostgreSQL: what is wrong with the contents is told without the dimensions.
        reader.space();
        reader.literal = reader.rest;
    }
    reader.whole(&declared)?;
    let items = reader.items.iter().map(|item| match item {
        None => Ok(Datum::Null),
        Some(text) => input(text, element, settings, scratch),
    });
    let values = items.collect::<Result<Vec<Datum<'_>>>>()?;
    if values.is_empty() {
        if !declared.is_empty() && declared.iter().all(|d| d.length > 0) {
            return Err(malformed(text, "Specified array dimensions do not match array contents."));
        }
        return ArrayRef::build(scratch, &[], &[]);
    }
    let found: Vec<usize> = reader.lengths.iter().map(|length| length.unwrap_or(0)).collect();
    let dimensions: Vec<Dimension> = if declared.is_empty() {
        found.iter().map(|length| Dimension { length: *length as i32, lower: 1 }).collect()
    } else {
        let same = declared.len() == found.len() && declared.iter().zip(&found).all(|(d, f)| d.length as usize == *f);
        if !same {
            return Err(malformed(text, "Specified array dimensions do not match array contents."));
        }
        declared
    };
    ArrayRef::build(scratch, &dimensions, &values)
}

impl Reader<'_> {
    fn space(&mut self) {
        self.rest = self.rest.trim_start_matches(is_space);
    }

    fn eat(&mut self, c: char) -> bool {
        self.space();
        let rest = self.rest.strip_prefix(c);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// As [`Reader::eat`], but nothing may stand before: bounds have no blanks.
    fn eat_at_once(&mut self, c: char) -> bool {
        let rest = self.rest.strip_prefix(c);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn integer(&mut self) -> Result<i32> {
        let end = self.rest.find(|c: char| !(c.is_ascii_digit() || c == '-' || c == '+')).unwrap_or(self.rest.len());
        let (number, rest) = self.rest.split_at(end);
        self.rest = rest;
        if number.is_empty() {
            return Err(malformed(self.literal, "\"[\" must introduce explicitly-specified array dimensions."));
        }
        number.parse().map_err(|_| SqlError::new(b"22003", "array bound is out of integer range"))
    }

    /// `[1:3][0:1]=`.
    fn declared(&mut self) -> Result<Vec<Dimension>> {
        let mut dimensions = Vec::new();
        while self.eat('[') {
            if dimensions.len() == MAX_DIMENSIONS {
                return Err(too_many(dimensions.len() + 1));
            }
            let first = self.integer()?;
            let (lower, upper) = if self.eat_at_once(':') { (first, self.integer()?) } else { (1, first) };
            if !self.eat_at_once(']') {
                return Err(malformed(self.literal, "Missing \"]\" after array dimensions."));
            }
            if upper < lower {
                return Err(SqlError::new(b"2202E", "upper bound cannot be less than lower bound"));
            }
            let length = i64::from(upper) - i64::from(lower) + 1;
            let length = i32::try_from(length).map_err(|_| too_large())?;
            dimensions.push(Dimension { length, lower });
        }
        if !dimensions.is_empty() && !self.eat('=') {
            return Err(malformed(self.literal, "Missing \"=\" after array dimensions."));
        }
        Ok(dimensions)
    }

    fn whole(&mut self, declared: &[Dimension]) -> Result<()> {
        self.space();
        if !self.rest.starts_with('{') {
            let detail = if declared.is_empty() {
                "Array value must start with \"{\" or dimension information."
            } else {
                "Array contents must start with \"{\"."
            };
            return Err(malformed(self.literal, detail));
        }
        self.braces(0)?;
        self.space();
        if self.rest.is_empty() { Ok(()) } else { Err(malformed(self.literal, "Junk after closing right brace.")) }
    }

    /// One level: elements or further levels, never both.
    fn braces(&mut self, depth: usize) -> Result<()> {
        if depth >= MAX_DIMENSIONS {
            return Err(too_many(depth + 1));
        }
        self.eat('{');
        if self.lengths.len() == depth {
            self.lengths.push(None);
        }
        let mut count = 0;
        let mut nested = None;
        if self.eat('}') {
            if depth > 0 {
                return Err(malformed(self.literal, "Unexpected \"}\" character."));
            }
            return self.close(depth, 0);
        }
        loop {
            self.space();
            let inner = self.rest.starts_with('{');
            if nested.is_some_and(|nested| nested != inner) {
                return Err(malformed(self.literal, "Unexpected array element."));
            }
            nested = Some(inner);
            if inner {
                self.braces(depth + 1)?;
            } else {
                let item = self.item()?;
                if self.lengths.len() > depth + 1 {
                    return Err(self.ragged());
                }
                self.items.push(item);
            }
            count += 1;
            if self.eat(',') {
                continue;
            }
            if !self.eat('}') {
                let detail =
                    if self.rest.is_empty() { "Unexpected end of input." } else { "Unexpected array element." };
                return Err(malformed(self.literal, detail));
            }
            return self.close(depth, count);
        }
    }

    fn ragged(&self) -> SqlError {
        malformed(self.literal, "Multidimensional arrays must have sub-arrays with matching dimensions.")
    }

    fn close(&mut self, depth: usize, count: usize) -> Result<()> {
        match self.lengths[depth] {
            None => self.lengths[depth] = Some(count),
            Some(length) if length != count => return Err(self.ragged()),
            Some(_) => {}
        }
        Ok(())
    }

    /// An element up to a comma or brace.
    fn item(&mut self) -> Result<Item> {
        let end_of_input = || malformed(self.literal, "Unexpected end of input.");
        let mut text = String::new();
        let mut chars = self.rest.char_indices();
        if self.rest.starts_with('"') {
            chars.next();
            loop {
                match chars.next().ok_or_else(end_of_input)?.1 {
                    '\\' => text.push(chars.next().ok_or_else(end_of_input)?.1),
                    '"' => break,
                    c => text.push(c),
                }
            }
            self.rest = chars.as_str();
            self.space();
            return match self.rest.chars().next() {
                Some(',' | '}') => Ok(Some(text)),
                None => Err(malformed(self.literal, "Unexpected end of input.")),
                Some(_) => Err(malformed(self.literal, "Unexpected array element.")),
            };
        }
        let mut escaped = false;
        // Blanks at the end do not count, escaped ones do.
        let mut kept = 0;
        let rest = loop {
            match chars.next().ok_or_else(end_of_input)? {
                (at, ',' | '}') => break &self.rest[at..],
                (_, '\\') => {
                    escaped = true;
                    text.push(chars.next().ok_or_else(end_of_input)?.1);
                    kept = text.len();
                }
                (_, '"') => return Err(malformed(self.literal, "Unexpected array element.")),
                (_, '{') => return Err(malformed(self.literal, "Unexpected \"{\" character.")),
                (_, c) => {
                    text.push(c);
                    kept = if is_space(c) { kept } else { text.len() };
                }
            }
        };
        self.rest = rest;
        text.truncate(kept);
        if text.is_empty() {
            let character = if rest.starts_with(',') { "," } else { "}" };
            return Err(malformed(self.literal, &format!("Unexpected \"{character}\" character.")));
        }
        Ok(if !escaped && text.eq_ignore_ascii_case("null") { None } else { Some(text) })
    }
}

fn too_large() -> SqlError {
    SqlError::new(b"54000", format!("array size exceeds the maximum allowed ({})", crate::MAX_VALUE / 8))
}

/// Appends an array literal.
pub(crate) fn write_array(array: ArrayRef<'_>, element: &ColumnType, settings: &Settings, out: &mut String) {
    if array.is_empty() {
        return out.push_str("{}");
    }
    let dimensions: Vec<Dimension> = array.dimensions().collect();
    if dimensions.iter().any(|dimension| dimension.lower != 1) {
        for Dimension { length, lower } in &dimensions {
            // Writing to a String cannot fail.
            let _ = write!(out, "[{lower}:{}]", i64::from(*lower) + i64::from(*length) - 1);
        }
        out.push('=');
    }
    let mut elements = array.iter();
    level(&mut elements, &dimensions, element, settings, out);
}

fn level<'a>(
    elements: &mut impl Iterator<Item = Datum<'a>>,
    dimensions: &[Dimension],
    element: &ColumnType,
    settings: &Settings,
    out: &mut String,
) {
    let Some((dimension, inner)) = dimensions.split_first() else { return };
    out.push('{');
    for i in 0..dimension.length {
        if i > 0 {
            out.push(',');
        }
        if !inner.is_empty() {
            level(elements, inner, element, settings, out);
            continue;
        }
        match elements.next() {
            None | Some(Datum::Null) => out.push_str("NULL"),
            Some(datum) => {
                let mut text = String::new();
                output(&datum, element, settings, &mut text);
                write_item(&text, false, out);
            }
        }
    }
    out.push('}');
}

/// Appends an element, quoted where it must be, or anyhow.
pub(super) fn write_item(text: &str, quoted: bool, out: &mut String) {
    let special = |c: char| matches!(c, '"' | '\\' | '{' | '}' | ',') || is_space(c);
    if !quoted && !text.is_empty() && !text.contains(special) && !text.eq_ignore_ascii_case("null") {
        return out.push_str(text);
    }
    out.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
}

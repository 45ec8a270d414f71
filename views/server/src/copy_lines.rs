//! The lines that COPY writes: text with backslashes, or CSV.
//!
//! Source: PostgreSQL's documentation of COPY, "File Formats".

use std::sync::Arc;

use tidewater_functions::Session;
use tidewater_sql::parse::ast::CopyFormat;
use tidewater_types::{Column, ColumnType, output};

use crate::encode::Encoder;

/// Writes a line for each row.
pub(crate) fn lines(columns: &[Column], format: CopyFormat, session: Arc<Session>) -> Encoder {
    let types: Vec<ColumnType> = columns.iter().map(|column| column.ty.clone()).collect();
    let (mut text, mut line) = (String::new(), String::new());
    Box::new(move |values, out| {
        line.clear();
        for (at, (value, ty)) in values.iter().zip(&types).enumerate() {
            if at > 0 {
                line.push(format.delimiter);
            }
            if value.is_null() {
                line.push_str(&format.null);
                continue;
            }
            text.clear();
            output(value, ty, &session.settings, &mut text);
            put(&text, &format, &mut line);
        }
        line.push('\n');
        out.extend_from_slice(line.as_bytes());
        Ok(())
    })
}

/// The line of the columns' names.
pub(crate) fn header(columns: &[Column], format: &CopyFormat) -> String {
    let mut line = String::new();
    for (at, column) in columns.iter().enumerate() {
        if at > 0 {
            line.push(format.delimiter);
        }
        put(&column.name, format, &mut line);
    }
    line.push('\n');
    line
}

/// Appends a value so that its reader finds where it ends.
fn put(value: &str, format: &CopyFormat, line: &mut String) {
    if format.csv {
        // What reads as NULL, or as the end of the data, is quoted so that it does not.
        let CopyFormat { quote, escape, delimiter, .. } = *format;
        let special = |letter| [quote, '\n', '\r', delimiter].contains(&letter);
        if value == format.null || value == "\\." || value.contains(special) {
            line.push(quote);
            for letter in value.chars() {
                line.extend([escape].into_iter().filter(|_| letter == quote || letter == escape));
                line.push(letter);
            }
            line.push(quote);
        } else {
            line.push_str(value);
        }
        return;
    }
    for letter in value.chars() {
        match letter {
            '\\' => line.push_str("\\\\"),
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            '\t' => line.push_str("\\t"),
            '\u{8}' => line.push_str("\\b"),
            '\u{b}' => line.push_str("\\v"),
            '\u{c}' => line.push_str("\\f"),
            letter if letter == format.delimiter => line.extend(['\\', letter]),
            letter => line.push(letter),
        }
    }
}

#[cfg(test)]
mod tests {
    use tidewater_types::{Datum, Type};

    use super::*;

    #[test]
    fn a_line_can_be_taken_apart_again() {
        let columns = [Column::new("a|b", Type::Text), Column::new("n", Type::Int4)];
        let line = |csv: bool, value: &str| {
            let null = if csv { String::new() } else { "\\N".into() };
            let format = CopyFormat { csv, header: true, delimiter: '|', null, quote: '"', escape: '"' };
            let mut out = header(&columns, &format).into_bytes();
            let mut encode = lines(&columns, format, Arc::default());
            encode(&[Datum::from(value), Datum::Null], &mut out).expect("a line");
            String::from_utf8(out).expect("UTF-8")
        };
        assert_eq!(line(false, "x|\\\n"), "a\\|b|n\nx\\|\\\\\\n|\\N\n");
        assert_eq!(line(true, "x|\"y\n"), "\"a|b\"|n\n\"x|\"\"y\n\"|\n");
        assert_eq!(line(true, ""), "\"a|b\"|n\n\"\"|\n", "an empty text is not NULL");
    }
}

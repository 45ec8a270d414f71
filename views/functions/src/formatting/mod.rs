//! Formats: to_char, to_timestamp, to_date, to_number (<https://www.postgresql.org/docs/15/functions-formatting.html>).
//!
//! A format is a text of patterns and other characters; it is parsed once and then applied to values.

mod number;
mod read_date;
mod read_field;
mod read_number;
mod template;
mod write_date;
mod write_number;

pub(crate) use number::NumberFormat;
pub(crate) use read_date::read;
pub(crate) use template::Template;
pub(crate) use write_date::{Moment, write};

/// The ending of an ordinal number: 1st, 2nd, 3rd, 11th.
fn ordinal(digits: &str, upper: bool) -> &'static str {
    let bytes = digits.as_bytes();
    let teens = bytes.len() > 1 && bytes[bytes.len() - 2] == b'1';
    match (bytes.last(), upper) {
        (Some(b'1'), true) if !teens => "ST",
        (Some(b'1'), false) if !teens => "st",
        (Some(b'2'), true) if !teens => "ND",
        (Some(b'2'), false) if !teens => "nd",
        (Some(b'3'), true) if !teens => "RD",
        (Some(b'3'), false) if !teens => "rd",
        (_, true) => "TH",
        (_, false) => "th",
    }
}

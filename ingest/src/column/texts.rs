//! Texts and bytes, of any meaning.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use tidewater_delta::RowBuilder;
use tidewater_types::{Packing, Scratch, Settings, input, text::apply_length};

use super::target::Target;
use super::{Cell, NANOS, Texts, UNAVAILABLE};
use crate::decimal::{Decimal, Misfit, decimal_text, unscaled};
use crate::error::{Error, Result};
use crate::{json_text, time_text};

impl Cell {
    /// Bytes that should be text, of any meaning.
    #[inline]
    pub(crate) fn set_utf8(&self, row: &mut RowBuilder, value: &[u8]) -> Result<()> {
        if self.target == Target::Text && self.digits.is_none() && is_plain(value) && value.len() != UNAVAILABLE.len() {
            row.set_tail(self.index, value);
            return Ok(());
        }
        match std::str::from_utf8(value) {
            Ok(text) => self.set_text(row, text),
            Err(_) => Err(self.wrong("text that is not UTF-8")),
        }
    }

    /// Text of any meaning.
    pub(crate) fn set_text(&self, row: &mut RowBuilder, value: &str) -> Result<()> {
        match self.target {
            _ if self.digits.is_some() => {
                let bytes = STANDARD.decode(value).map_err(|_| self.wrong("a decimal that is not base64"))?;
                return self.set_bytes(row, &bytes);
            }
            Target::Text | Target::Limited => {
                self.check_text(value)?;
                return self.put_text(row, value);
            }
            Target::Json | Target::Jsonb if value == UNAVAILABLE => return Err(self.unavailable()),
            Target::Jsonb | Target::Uuid => return self.put_text(row, value),
            Target::Json => {
                let start = row.begin_tail();
                json_text::canonical(value, row.tail_buffer()).map_err(|error| self.wrong(error))?;
                row.end_tail(self.index, start);
            }
            Target::Timestamp { zoned, .. } => {
                let nanos = if zoned { time_text::zoned_nanos(value) } else { time_text::local_nanos(value) };
                let nanos = nanos.ok_or_else(|| self.wrong(format_args!("\"{value}\" is not a time")))?;
                return self.set_time(row, nanos, NANOS);
            }
            Target::Date => {
                let days = time_text::days(value);
                let days = days.ok_or_else(|| self.wrong(format_args!("\"{value}\" is not a date")))?;
                return self.set_long(row, days.into());
            }
            Target::Clock { .. } | Target::Interval { .. } => {
                let nanos = time_text::clock_nanos(value);
                let nanos = nanos.ok_or_else(|| self.wrong(format_args!("\"{value}\" is not a time of day")))?;
                return self.set_time(row, nanos, NANOS);
            }
            Target::Decimal(_) | Target::Numeric => return self.set_decimal_string(row, value),
            Target::Bytes => return self.set_bytes_string(row, value),
            Target::Int { .. } | Target::Year => {
                let number =
                    value.parse().map_err(|_| self.wrong(format_args!("\"{value}\" is not a whole number")))?;
                return self.set_long(row, number);
            }
            Target::UInt8 => {
                let number: u64 =
                    value.parse().map_err(|_| self.wrong(format_args!("\"{value}\" is not a whole number")))?;
                row.set_slot(self.index, number);
            }
            Target::Float32 | Target::Float64 => {
                let number = value.parse().map_err(|_| self.wrong(format_args!("\"{value}\" is not a number")))?;
                return self.set_double(row, number);
            }
            Target::Bool | Target::Floats => return Err(self.wrong("text where another type belongs")),
        }
        Ok(())
    }

    /// Bytes: as they are, or the unscaled digits of a decimal, big endian, at the writer's scale.
    #[inline]
    pub(crate) fn set_bytes(&self, row: &mut RowBuilder, value: &[u8]) -> Result<()> {
        match self.target {
            Target::Bytes if value == UNAVAILABLE.as_bytes() => Err(self.unavailable()),
            Target::Bytes => {
                row.set_tail(self.index, value);
                Ok(())
            }
            Target::Decimal(_) | Target::Numeric => {
                let scale = self.from_scale.ok_or_else(|| self.unscaled())?;
                match unscaled(value) {
                    Some(digits) => self.set_decimal(row, digits, scale),
                    None => {
                        let decimal = Decimal::from_bytes(value, i32::from(scale));
                        self.set_wide(row, decimal.ok_or_else(|| self.misfit(Misfit::Digits))?)
                    }
                }
            }
            Target::Text | Target::Limited if let Some(scale) = self.digits => {
                let digits = unscaled(value).ok_or_else(|| self.wrong("a decimal of more than 38 digits"))?;
                self.put_text(row, &decimal_text(digits, scale))
            }
            Target::Text | Target::Limited => {
                let text = std::str::from_utf8(value).map_err(|_| self.wrong("bytes that are not UTF-8"))?;
                self.check_text(text)?;
                self.put_text(row, text)
            }
            _ => Err(self.wrong("bytes where another type belongs")),
        }
    }

    /// Text as the column keeps it: as it is, of its length, or read as what it shows.
    pub(super) fn put_text(&self, row: &mut RowBuilder, value: &str) -> Result<()> {
        match self.target {
            Target::Limited => {
                let scratch = Scratch::new();
                let kept = apply_length(value.as_bytes(), &self.ty, false, &scratch);
                row.set_tail(self.index, kept.map_err(|error| self.wrong(error))?);
            }
            Target::Jsonb | Target::Uuid => {
                let scratch = Scratch::new();
                let value = input(value, &self.ty, &Settings::default(), &scratch);
                let value = value.map_err(|error| self.wrong(error))?;
                Packing::of(&self.ty).set(row, self.index, &value);
            }
            _ => row.set_tail(self.index, value.as_bytes()),
        }
        Ok(())
    }

    /// Bytes as text. Where digits of hex can be base64 too they are: nothing tells them apart.
    fn set_bytes_string(&self, row: &mut RowBuilder, text: &str) -> Result<()> {
        let start = row.begin_tail();
        if STANDARD.decode_vec(text, row.tail_buffer()).is_err() {
            row.tail_buffer().truncate(start);
            let found = match self.texts {
                Texts::Base64 => None,
                Texts::Digits | Texts::Base64First => URL_SAFE.decode(text).ok().or_else(|| hex(text)),
                Texts::DigitsFirst => Some(text.as_bytes().to_vec()),
            };
            let found = found.ok_or_else(|| self.wrong("text that is neither base64 nor hex"))?;
            row.tail_buffer().extend_from_slice(&found);
        }
        if row.tail_buffer()[start..] == *UNAVAILABLE.as_bytes() {
            row.tail_buffer().truncate(start);
            return Err(self.unavailable());
        }
        row.end_tail(self.index, start);
        Ok(())
    }

    /// Text that clients can be given, and that is a value.
    #[inline]
    fn check_text(&self, text: &str) -> Result<()> {
        if text.len() == UNAVAILABLE.len() && text == UNAVAILABLE {
            return Err(self.unavailable());
        }
        if text.as_bytes().contains(&0) {
            let text = "text with the character NUL, which PostgreSQL's protocol cannot carry: take it out in MySQL";
            return Err(self.wrong(text));
        }
        Ok(())
    }

    #[cold]
    fn unavailable(&self) -> Error {
        self.wrong(format_args!(
            "{UNAVAILABLE} stands for a value that Debezium does not know: row images must be whole"
        ))
    }
}

/// Whether bytes are ASCII without NUL, which most texts are: that is told for eight at a time.
#[inline]
fn is_plain(bytes: &[u8]) -> bool {
    const HIGH: u64 = 0x8080_8080_8080_8080;
    const ONES: u64 = 0x0101_0101_0101_0101;
    let (words, rest) = bytes.as_chunks::<8>();
    let special = words.iter().fold(0, |special, word| {
        let word = u64::from_le_bytes(*word);
        special | word | word.wrapping_sub(ONES)
    });
    special & HIGH == 0 && rest.iter().all(|byte| matches!(byte, 1..=0x7f))
}

/// The bytes of hexadecimal digits.
fn hex(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let pair = |pair: &[u8; 2]| Some((digit(pair[0])? << 4 | digit(pair[1])?) as u8);
    if rest.is_empty() { pairs.iter().map(pair).collect() } else { None }
}

//! Decimals: in digits, in base64 or as unscaled bytes, at the writer's scale.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tidewater_delta::RowBuilder;
use tidewater_types::{Numeric, NumericBuf};

use super::target::{Digits, Target};
use super::{Cell, DECIMAL_BYTES, Texts};
use crate::decimal::{Decimal, Misfit, rescale};
use crate::error::{Error, Result};
use crate::logical::DIGITS_MAX;

impl Cell {
    /// A decimal as text: `12.50` (decimal.handling.mode=string) or, as is Debezium's default, its unscaled bytes in base64,
    /// which knows neither point nor minus. Debezium writes a point wherever the scale is not zero.
    pub(super) fn set_decimal_string(&self, row: &mut RowBuilder, text: &str) -> Result<()> {
        let digits_first = match self.texts {
            Texts::Base64 => false,
            Texts::Digits => return self.set_decimal_text(row, text),
            // Only digits with a point name their scale.
            Texts::Base64First if self.target == Target::Numeric && !text.contains('.') => return Err(self.unscaled()),
            Texts::Base64First => text.contains('.') || text.starts_with('-'),
            Texts::DigitsFirst => self.target == Target::Numeric || Decimal::parse(text).is_some(),
        };
        if digits_first {
            return self.set_decimal_text(row, text);
        }
        let mut bytes = [0; DECIMAL_BYTES];
        let set = match STANDARD.decode_slice(text, &mut bytes) {
            Ok(size @ 1..) => self.set_bytes(row, &bytes[..size]),
            _ => Err(self.wrong(format_args!("\"{text}\" is no decimal, neither in digits nor in base64"))),
        };
        match set {
            // What is too long as base64 may have been digits.
            Err(_) if self.texts == Texts::Base64First && Decimal::parse(text).is_some() => {
                self.set_decimal_text(row, text)
            }
            set => set,
        }
    }

    #[cold]
    pub(super) fn misfit(&self, why: Misfit) -> Error {
        let Target::Decimal(Digits { precision, scale, .. }) = self.target else {
            return self.wrong("a decimal where another type belongs");
        };
        match why {
            Misfit::Digits => self.wrong(format_args!("a decimal that does not fit {precision} digits")),
            Misfit::Fraction => self.wrong(format_args!("a decimal with more than {scale} fraction digits")),
        }
    }

    #[cold]
    pub(super) fn unscaled(&self) -> Error {
        self.wrong(
            "nothing tells the scale of the decimal: declare numeric(precision, scale) as MySQL has it, or have records carry their \
             schema",
        )
    }

    /// An unscaled decimal at the writer's scale.
    #[inline]
    pub(super) fn set_decimal(&self, row: &mut RowBuilder, digits: i128, from: i8) -> Result<()> {
        match self.target {
            Target::Decimal(Digits { precision: precision @ ..=38, scale, slot }) => {
                let digits = rescale(digits, from, precision, scale).map_err(|why| self.misfit(why))?;
                if slot {
                    row.set_slot(self.index, digits as i64 as u64);
                } else {
                    self.put_numeric(row, Numeric::Small(digits, scale.unsigned_abs().into()));
                }
                Ok(())
            }
            _ => self.set_wide(row, Decimal::from_digits(digits, i32::from(from))),
        }
    }

    fn put_numeric(&self, row: &mut RowBuilder, value: Numeric<'_>) {
        let start = row.begin_tail();
        value.pack(row.tail_buffer());
        row.end_tail(self.index, start);
    }

    /// A decimal of any number of digits.
    pub(super) fn set_wide(&self, row: &mut RowBuilder, decimal: Decimal) -> Result<()> {
        let (precision, scale) = match self.target {
            Target::Decimal(Digits { precision, scale, .. }) => (precision, i32::from(scale)),
            // numeric without digits takes the writer's scale; digits before the point that are not written are zeros.
            Target::Numeric => (DIGITS_MAX, decimal.scale().max(0)),
            _ => return Err(self.misfit(Misfit::Digits)),
        };
        let decimal = decimal.rescaled(scale).map_err(|why| self.misfit(why))?;
        let bytes = decimal.wide(precision).ok_or_else(|| self.misfit(Misfit::Digits))?;
        let scale = u16::try_from(scale).map_err(|_| self.misfit(Misfit::Fraction))?;
        if let Target::Decimal(Digits { slot: true, .. }) = self.target {
            // At most 18 digits, which the first eight bytes hold.
            let [slot, ..] = bytes.as_chunks::<8>().0 else { return Err(self.misfit(Misfit::Digits)) };
            row.set_slot(self.index, u64::from_le_bytes(*slot));
            return Ok(());
        }
        let start = row.begin_tail();
        Numeric::pack_whole(&bytes, scale, row.tail_buffer());
        row.end_tail(self.index, start);
        Ok(())
    }

    /// A decimal in digits.
    pub(crate) fn set_decimal_text(&self, row: &mut RowBuilder, text: &str) -> Result<()> {
        let unfit = || self.wrong(format_args!("\"{text}\" is not a decimal"));
        if self.target == Target::Numeric {
            let value = NumericBuf::parse(text).map_err(|_| unfit())?;
            self.put_numeric(row, value.borrow(&mut Vec::new()));
            return Ok(());
        }
        self.set_wide(row, Decimal::parse(text).ok_or_else(unfit)?)
    }
}

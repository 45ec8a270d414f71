//! Decimals: in digits, in base64 or as unscaled bytes, at the writer's scale.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use delta::RowBuilder;

use super::{Column, DECIMAL_BYTES, Target, Texts};
use crate::decimal::{Decimal, Misfit, rescale};
use crate::error::{Error, Result};

impl Column {
    /// A decimal as text: `12.50` (decimal.handling.mode=string) or, as is Debezium's default, its unscaled bytes in base64,
    /// which knows neither point nor minus. Debezium writes a point wherever the scale is not zero.
    pub(super) fn set_decimal_string(&self, row: &mut RowBuilder, text: &str) -> Result<()> {
        let digits_first = match self.texts {
            Texts::Base64 => false,
            Texts::Digits => return self.set_decimal_text(row, text),
            Texts::Base64First => text.contains('.') || text.starts_with('-'),
            Texts::DigitsFirst => Decimal::parse(text).is_some(),
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
        let Target::Decimal { precision, scale } = self.target else {
            return self.wrong("a decimal where another type belongs");
        };
        match why {
            Misfit::Digits => self.wrong(format_args!("a decimal that does not fit {precision} digits")),
            Misfit::Fraction => self.wrong(format_args!("a decimal with more than {scale} fraction digits")),
        }
    }

    /// An unscaled decimal at the writer's scale.
    #[inline]
    pub(super) fn set_decimal(&self, row: &mut RowBuilder, digits: i128, from: i8) -> Result<()> {
        match self.target {
            Target::Decimal { precision, scale } if precision <= 38 => {
                row.set_decimal(self.index, rescale(digits, from, precision, scale).map_err(|why| self.misfit(why))?);
                Ok(())
            }
            _ => self.set_wide(row, Decimal::from_digits(digits, i32::from(from))),
        }
    }

    pub(super) fn set_wide(&self, row: &mut RowBuilder, decimal: Decimal) -> Result<()> {
        let Target::Decimal { precision, scale } = self.target else { return Err(self.misfit(Misfit::Digits)) };
        let decimal = decimal.rescaled(i32::from(scale)).map_err(|why| self.misfit(why))?;
        if precision <= 38 {
            let digits = decimal.narrow(precision).ok_or_else(|| self.misfit(Misfit::Digits))?;
            row.set_decimal(self.index, digits);
        } else {
            let bytes = decimal.wide(precision).ok_or_else(|| self.misfit(Misfit::Digits))?;
            row.set_tail(self.index, &bytes);
        }
        Ok(())
    }

    /// A decimal in digits.
    pub(crate) fn set_decimal_text(&self, row: &mut RowBuilder, text: &str) -> Result<()> {
        let decimal = Decimal::parse(text);
        self.set_wide(row, decimal.ok_or_else(|| self.wrong(format_args!("\"{text}\" is not a decimal")))?)
    }
}

//! Rounding, and the digits that `numeric(p, s)` keeps.

use num_traits::Zero;

use super::whole::{Rounding, digits, rescale, small_digits, small_quotient, small_ten};
use super::{Numeric, NumericBuf};
use crate::{NumericModifier, Result, SqlError};

impl Numeric<'_> {
    /// Rounds halves away from zero, to `scale` digits after the point; before it if negative.
    ///
    /// # Errors
    /// 22003 beyond the format's limits.
    pub fn round(self, scale: i32) -> Result<NumericBuf> {
        self.at_scale(scale, Rounding::HalfAway)
    }

    /// Cuts to `scale` digits after the point; before it if negative.
    ///
    /// # Errors
    /// 22003 beyond the format's limits.
    pub fn trunc(self, scale: i32) -> Result<NumericBuf> {
        self.at_scale(scale, Rounding::Truncate)
    }

    /// Cut or filled up to exactly `scale` digits after the point.
    pub(crate) fn trunc_to(self, scale: u16) -> Result<NumericBuf> {
        let Some((mantissa, from)) = self.parts() else { return Ok(self.to_buf()) };
        NumericBuf::checked(rescale(&mantissa, i64::from(from), i64::from(scale), Rounding::Truncate), scale)
    }

    /// The least whole number that is not less.
    ///
    /// # Errors
    /// 22003 beyond the format's limits.
    pub fn ceil(self) -> Result<NumericBuf> {
        self.at_scale(0, Rounding::Ceiling)
    }

    /// The greatest whole number that is not greater.
    ///
    /// # Errors
    /// 22003 beyond the format's limits.
    pub fn floor(self) -> Result<NumericBuf> {
        self.at_scale(0, Rounding::Floor)
    }

    fn at_scale(self, scale: i32, rounding: Rounding) -> Result<NumericBuf> {
        // As PostgreSQL: no more digits than a numeric may have.
        let target = scale.clamp(-131_073, 16_383);
        let shown = target.max(0) as u16;
        if let Numeric::Small(mantissa, from) = self {
            let drop = i32::from(from) - target;
            if drop == 0 {
                return Ok(self.to_buf());
            }
            if let Some(unit) = small_ten(drop.unsigned_abs() as usize) {
                let whole =
                    if drop > 0 { Some(small_quotient(mantissa, unit, rounding)) } else { mantissa.checked_mul(unit) };
                let back = small_ten((-target).max(0) as usize);
                if let (Some(whole), Some(back)) = (whole, back)
                    && let Some(result) = whole.checked_mul(back)
                {
                    return Ok(NumericBuf::Small(result, shown));
                }
            }
        }
        let Some((mantissa, from)) = self.parts() else { return Ok(self.to_buf()) };
        let rounded = rescale(&mantissa, i64::from(from), i64::from(target), rounding);
        NumericBuf::checked(rescale(&rounded, i64::from(target), i64::from(shown), rounding), shown)
    }

    /// Digits after the point that are needed; `None` for NaN and the infinities.
    pub fn min_scale(self) -> Option<u16> {
        let (mut mantissa, mut scale) = self.parts()?;
        if mantissa.is_zero() {
            return Some(0);
        }
        while scale > 0 && (&mantissa % 10_u32).is_zero() {
            mantissa /= 10_u32;
            scale -= 1;
        }
        Some(scale)
    }

    /// Without zeros at the end of the fraction.
    ///
    /// # Errors
    /// None that a valid value can reach.
    pub fn trim_scale(self) -> Result<NumericBuf> {
        self.min_scale().map_or_else(|| Ok(self.to_buf()), |scale| self.trunc(i32::from(scale)))
    }

    /// The value that a column `numeric(p, s)` holds.
    ///
    /// # Errors
    /// 22003 if it has more digits before the point than that.
    pub fn apply(self, modifier: NumericModifier) -> Result<NumericBuf> {
        let NumericModifier { precision, scale } = modifier;
        let overflow = |detail: String| SqlError::new(b"22003", "numeric field overflow").detail(detail);
        let field = format_args!("A field with precision {precision}, scale {scale}").to_string();
        if matches!(self, Numeric::Infinity | Numeric::NegativeInfinity) {
            return Err(overflow(format!("{field} cannot hold an infinite value.")));
        }
        let rounded = self.round(i32::from(scale))?;
        let count = match &rounded {
            NumericBuf::Small(mantissa, _) => small_digits(*mantissa),
            NumericBuf::Long(mantissa, _) => digits(mantissa),
            _ => return Ok(rounded),
        };
        // A negative scale drops digits that stay zero.
        let most = i32::from(precision) + (-i32::from(scale)).max(0);
        if count as i32 > most {
            let whole = i32::from(precision) - i32::from(scale);
            let bound = if whole == 0 { "1".to_owned() } else { format!("10^{whole}") };
            return Err(overflow(format!("{field} must round to an absolute value less than {bound}.")));
        }
        Ok(rounded)
    }
}

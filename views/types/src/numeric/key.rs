//! The key form: equal values have equal bytes, and bytes sort as values do.
//!
//! A sign class, then for what is finite the decimal exponent and the digits in pairs; a negative's bytes are inverted.

use super::Numeric;
use crate::datum::Bytes;

const NEGATIVE_INFINITY: u8 = 0;
const NEGATIVE: u8 = 1;
const ZERO: u8 = 2;
const POSITIVE: u8 = 3;
const INFINITY: u8 = 4;
const NAN: u8 = 5;

impl Numeric<'_> {
    /// Appends the key form.
    pub fn key(self, out: &mut impl Bytes) {
        let class = match self {
            Numeric::NaN => NAN,
            Numeric::Infinity => INFINITY,
            Numeric::NegativeInfinity => NEGATIVE_INFINITY,
            Numeric::Small(0, _) => ZERO,
            Numeric::Small(mantissa, _) if mantissa < 0 => NEGATIVE,
            Numeric::Small(..) => POSITIVE,
            Numeric::Long(_) if self.signum() < 0 => NEGATIVE,
            Numeric::Long(_) => POSITIVE,
        };
        out.put(&[class]);
        let (digits, scale) = match self {
            Numeric::Small(mantissa, scale) if mantissa != 0 => (mantissa.unsigned_abs().to_string(), scale),
            Numeric::Long(long) => (long.mantissa().magnitude().to_string(), long.scale()),
            _ => return,
        };
        let invert = if class == NEGATIVE { 0xff } else { 0 };
        let exponent = digits.len() as i32 - i32::from(scale);
        let biased = (exponent as u32) ^ 0x8000_0000;
        out.put(&biased.to_be_bytes().map(|byte| byte ^ invert));
        for pair in digits.trim_end_matches('0').as_bytes().chunks(2) {
            let (tens, ones) = (pair[0] - b'0', pair.get(1).map_or(0, |digit| digit - b'0'));
            // Never zero, which ends the digits.
            out.put(&[(tens * 10 + ones + 1) ^ invert]);
        }
        out.put(&[invert]);
    }
}

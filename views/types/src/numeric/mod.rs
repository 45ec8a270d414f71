//! numeric: exact decimals with PostgreSQL's display scales
//! (<https://www.postgresql.org/docs/15/datatype-numeric.html>).
//!
//! A value is a whole number and a scale. Nearly all fit 128 bits; the others are `num-bigint`'s. [`Numeric`] is borrowed and
//! cheap to copy, [`NumericBuf`] owns what computations make.

mod arith;
mod convert;
mod functions;
mod key;
mod round;
mod sum;
mod text;
mod whole;

use num_bigint::BigInt;

pub use sum::NumericSum;

use crate::Scratch;
use crate::datum::Bytes;

/// A borrowed numeric.
#[derive(Debug, Clone, Copy)]
pub enum Numeric<'a> {
    /// `mantissa` × 10^-`scale`.
    Small(i128, u16),
    /// What 128 bits do not hold.
    Long(LongNumeric<'a>),
    /// Not a number: equal to itself and greater than all.
    NaN,
    /// Infinity.
    Infinity,
    /// -Infinity.
    NegativeInfinity,
}

/// Packed bytes of a long numeric: scale, then the whole number's two's complement, as short as can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LongNumeric<'a>(&'a [u8]);

/// An owned numeric.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NumericBuf {
    /// As [`Numeric::Small`].
    Small(i128, u16),
    /// Beyond 128 bits.
    Long(BigInt, u16),
    /// As [`Numeric::NaN`].
    NaN,
    /// As [`Numeric::Infinity`].
    Infinity,
    /// As [`Numeric::NegativeInfinity`].
    NegativeInfinity,
}

/// Digits after the point that a value can have.
pub(crate) const MAX_SCALE: u16 = 16383;
/// Scales from here on mark what is no number.
const SPECIAL: u16 = 0xfffd;

impl<'a> Numeric<'a> {
    /// A whole number.
    pub fn integer(value: impl Into<i128>) -> Numeric<'static> {
        Numeric::Small(value.into(), 0)
    }

    /// Appends the packed form: two bytes of scale, then the number.
    pub fn pack(self, out: &mut impl Bytes) {
        match self {
            Numeric::Small(mantissa, scale) => {
                Numeric::pack_whole(&mantissa.to_le_bytes(), scale, out);
            }
            Numeric::Long(long) => out.put(long.0),
            Numeric::NegativeInfinity => out.put(&SPECIAL.to_le_bytes()),
            Numeric::Infinity => out.put(&(SPECIAL + 1).to_le_bytes()),
            Numeric::NaN => out.put(&(SPECIAL + 2).to_le_bytes()),
        }
    }

    /// Appends the packed form of a whole number, in two's complement and little endian, that has `scale` digits after the point.
    #[inline]
    pub fn pack_whole(number: &[u8], scale: u16, out: &mut impl Bytes) {
        out.put(&scale.to_le_bytes());
        out.put(&number[..signed_length(number)]);
    }

    /// The value that [`Numeric::pack`] packed.
    pub fn unpack(bytes: &'a [u8]) -> Numeric<'a> {
        let scale = u16::from_le_bytes([bytes[0], bytes[1]]);
        let number = &bytes[2..];
        match scale {
            SPECIAL => Numeric::NegativeInfinity,
            0xfffe => Numeric::Infinity,
            0xffff => Numeric::NaN,
            _ if number.len() > 16 => Numeric::Long(LongNumeric(bytes)),
            _ => {
                let sign = number.last().map_or(0, |&last| if last & 0x80 != 0 { 0xff } else { 0 });
                let mut word = [sign; 16];
                word[..number.len()].copy_from_slice(number);
                Numeric::Small(i128::from_le_bytes(word), scale)
            }
        }
    }

    /// An owned copy.
    pub fn to_buf(self) -> NumericBuf {
        match self {
            Numeric::Small(mantissa, scale) => NumericBuf::Small(mantissa, scale),
            Numeric::Long(long) => NumericBuf::Long(long.mantissa(), long.scale()),
            Numeric::NaN => NumericBuf::NaN,
            Numeric::Infinity => NumericBuf::Infinity,
            Numeric::NegativeInfinity => NumericBuf::NegativeInfinity,
        }
    }

    /// Digits after the point, as displayed; `None` for NaN and the infinities.
    pub fn scale(self) -> Option<u16> {
        match self {
            Numeric::Small(_, scale) => Some(scale),
            Numeric::Long(long) => Some(long.scale()),
            _ => None,
        }
    }

    /// The whole number and the scale of a finite value.
    pub(crate) fn parts(self) -> Option<(BigInt, u16)> {
        match self {
            Numeric::Small(mantissa, scale) => Some((mantissa.into(), scale)),
            Numeric::Long(long) => Some((long.mantissa(), long.scale())),
            _ => None,
        }
    }

    /// Whether this is NaN.
    pub fn is_nan(self) -> bool {
        matches!(self, Numeric::NaN)
    }
}

impl LongNumeric<'_> {
    fn scale(self) -> u16 {
        u16::from_le_bytes([self.0[0], self.0[1]])
    }

    fn mantissa(self) -> BigInt {
        BigInt::from_signed_bytes_le(&self.0[2..])
    }
}

impl NumericBuf {
    /// A finite value; small if 128 bits hold it, which makes the packed form canonical.
    pub(crate) fn new(mantissa: BigInt, scale: u16) -> NumericBuf {
        match i128::try_from(&mantissa) {
            Ok(small) => NumericBuf::Small(small, scale),
            Err(_) => NumericBuf::Long(mantissa, scale),
        }
    }

    /// The value, borrowed from scratch memory.
    pub fn into_scratch<'a>(&self, scratch: &'a Scratch) -> Numeric<'a> {
        match self {
            NumericBuf::Small(mantissa, scale) => Numeric::Small(*mantissa, *scale),
            NumericBuf::NaN => Numeric::NaN,
            NumericBuf::Infinity => Numeric::Infinity,
            NumericBuf::NegativeInfinity => Numeric::NegativeInfinity,
            NumericBuf::Long(mantissa, scale) => {
                let number = mantissa.to_signed_bytes_le();
                let mut out = bumpalo::collections::Vec::with_capacity_in(number.len() + 2, scratch);
                out.put(&scale.to_le_bytes());
                out.put(&number);
                Numeric::Long(LongNumeric(out.into_bump_slice()))
            }
        }
    }
}

/// Bytes of a two's complement number without those that the sign repeats; none for zero.
fn signed_length(bytes: &[u8]) -> usize {
    let sign = if bytes.last().is_some_and(|last| last & 0x80 != 0) { 0xff } else { 0 };
    let mut length = bytes.len();
    while length > 0
        && bytes[length - 1] == sign
        && (length == 1 && sign == 0 || length > 1 && (bytes[length - 2] ^ sign) & 0x80 == 0)
    {
        length -= 1;
    }
    length
}

#[cfg(test)]
mod tests {
    use super::*;

    /// However many bytes a number comes in, it has one packed form, and that of 128 bits where they hold it.
    #[test]
    fn whole_numbers_are_packed_as_short_as_can_be() {
        let packed = |value: Numeric<'_>| {
            let mut bytes = Vec::new();
            value.pack(&mut bytes);
            bytes
        };
        for number in [0, 1, -1, 127, 128, -128, -129, i128::MAX, i128::MIN] {
            let mut wide = [if number < 0 { 0xff } else { 0 }; 32];
            wide[..16].copy_from_slice(&number.to_le_bytes());
            let mut bytes = Vec::new();
            Numeric::pack_whole(&wide, 2, &mut bytes);
            assert_eq!(bytes, packed(Numeric::Small(number, 2)), "{number}");
        }
        let text = "-99999999999999999999999999999999999.999999999999999999999999999999";
        let long = NumericBuf::parse(text).expect("65 digits");
        let NumericBuf::Long(whole, 30) = &long else { panic!("beyond 128 bits") };
        let mut wide = [0xff; 32];
        let short = whole.to_signed_bytes_le();
        wide[..short.len()].copy_from_slice(&short);
        let mut bytes = Vec::new();
        Numeric::pack_whole(&wide, 30, &mut bytes);
        assert_eq!(bytes, packed(long.borrow(&mut Vec::new())));
        assert_eq!(Numeric::unpack(&bytes).to_string(), text);
    }
}

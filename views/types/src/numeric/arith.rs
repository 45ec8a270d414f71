//! Addition to remainder, with the scales that PostgreSQL displays.

use std::cmp::Ordering;

use num_bigint::{BigInt, Sign};
use num_integer::Integer;
use num_traits::Zero;

use super::whole::{Rounding, digits, leading, quotient, rescale, small_digits, small_quotient, small_ten, ten};
use super::{MAX_SCALE, Numeric, NumericBuf};
use crate::{Result, SqlError};

/// Digits before the point that a value can have.
const MAX_WHOLE_DIGITS: usize = 131_072;
/// Significant digits that a quotient has at least.
pub(super) const MIN_SIGNIFICANT: i64 = 16;
/// Scale that a quotient, root or logarithm has at most.
pub(super) const MAX_RESULT_SCALE: i64 = 1000;

pub(crate) fn overflow() -> SqlError {
    SqlError::new(b"22003", "value overflows numeric format")
}

pub(crate) fn division_by_zero() -> SqlError {
    SqlError::new(b"22012", "division by zero")
}

impl NumericBuf {
    /// A finite value, checked against the format's limits.
    pub(super) fn checked(mantissa: BigInt, scale: u16) -> Result<NumericBuf> {
        let value = NumericBuf::new(mantissa, scale);
        if let NumericBuf::Long(mantissa, scale) = &value
            // Cheap bound first: 3.3 bits a digit.
            && mantissa.bits() > (MAX_WHOLE_DIGITS + usize::from(*scale)) as u64 * 3
            && digits(mantissa) > MAX_WHOLE_DIGITS + usize::from(*scale)
        {
            return Err(overflow());
        }
        Ok(value)
    }

    /// The value, borrowed where that costs nothing: long ones are copied to `bytes`.
    pub fn borrow<'a>(&self, bytes: &'a mut Vec<u8>) -> Numeric<'a> {
        match self {
            NumericBuf::Small(mantissa, scale) => Numeric::Small(*mantissa, *scale),
            NumericBuf::NaN => Numeric::NaN,
            NumericBuf::Infinity => Numeric::Infinity,
            NumericBuf::NegativeInfinity => Numeric::NegativeInfinity,
            NumericBuf::Long(mantissa, scale) => {
                bytes.clear();
                bytes.extend_from_slice(&scale.to_le_bytes());
                bytes.extend_from_slice(&mantissa.to_signed_bytes_le());
                Numeric::unpack(bytes)
            }
        }
    }

    /// `self + other`, for running sums.
    ///
    /// # Errors
    /// 22003 beyond the format's limits.
    pub fn add(&self, other: Numeric<'_>) -> Result<NumericBuf> {
        self.borrow(&mut Vec::new()).add(other)
    }
}

#[expect(clippy::should_implement_trait, reason = "an operator of the language cannot fail; these can")]
impl Numeric<'_> {
    /// -1, 0 or 1; NaN has no sign: 0.
    pub fn signum(self) -> i32 {
        match self {
            Numeric::Small(mantissa, _) => mantissa.signum() as i32,
            Numeric::Long(long) => match long.mantissa().sign() {
                Sign::Minus => -1,
                Sign::NoSign => 0,
                Sign::Plus => 1,
            },
            Numeric::NaN => 0,
            Numeric::Infinity => 1,
            Numeric::NegativeInfinity => -1,
        }
    }

    /// Both as whole numbers of one scale; `None` if one is not finite.
    fn aligned(self, other: Numeric<'_>) -> Option<(BigInt, BigInt, u16)> {
        let ((a, a_scale), (b, b_scale)) = (self.parts()?, other.parts()?);
        let scale = a_scale.max(b_scale);
        let to = |m: BigInt, from: u16| if from == scale { m } else { m * ten(usize::from(scale - from)) };
        Some((to(a, a_scale), to(b, b_scale), scale))
    }

    /// [`Numeric::aligned`] within 128 bits.
    fn aligned_small(self, other: Numeric<'_>) -> Option<(i128, i128, u16)> {
        let (Numeric::Small(a, a_scale), Numeric::Small(b, b_scale)) = (self, other) else { return None };
        match a_scale.cmp(&b_scale) {
            Ordering::Equal => Some((a, b, a_scale)),
            Ordering::Less => Some((a.checked_mul(small_ten(usize::from(b_scale - a_scale))?)?, b, b_scale)),
            Ordering::Greater => Some((a, b.checked_mul(small_ten(usize::from(a_scale - b_scale))?)?, a_scale)),
        }
    }

    fn to_infinity(sign: i32) -> NumericBuf {
        match sign {
            0 => NumericBuf::NaN,
            1 => NumericBuf::Infinity,
            _ => NumericBuf::NegativeInfinity,
        }
    }

    fn is_infinite(self) -> bool {
        matches!(self, Numeric::Infinity | Numeric::NegativeInfinity)
    }

    /// `self + other`.
    ///
    /// # Errors
    /// 22003 beyond the format's limits.
    pub fn add(self, other: Numeric<'_>) -> Result<NumericBuf> {
        if let Some((a, b, scale)) = self.aligned_small(other)
            && let Some(sum) = a.checked_add(b)
        {
            return Ok(NumericBuf::Small(sum, scale));
        }
        match self.aligned(other) {
            Some((a, b, scale)) => NumericBuf::checked(a + b, scale),
            None if self.is_nan() || other.is_nan() => Ok(NumericBuf::NaN),
            None if self.is_infinite() && other.is_infinite() => {
                Ok(Self::to_infinity((self.signum() + other.signum()).signum()))
            }
            None if self.is_infinite() => Ok(self.to_buf()),
            None => Ok(other.to_buf()),
        }
    }

    /// `self - other`.
    ///
    /// # Errors
    /// 22003 beyond the format's limits.
    pub fn sub(self, other: Numeric<'_>) -> Result<NumericBuf> {
        if let Some((a, b, scale)) = self.aligned_small(other)
            && let Some(difference) = a.checked_sub(b)
        {
            return Ok(NumericBuf::Small(difference, scale));
        }
        let mut bytes = Vec::new();
        self.add(other.neg().borrow(&mut bytes))
    }

    /// `self × other`.
    ///
    /// # Errors
    /// 22003 beyond the format's limits.
    pub fn mul(self, other: Numeric<'_>) -> Result<NumericBuf> {
        if let (Numeric::Small(a, a_scale), Numeric::Small(b, b_scale)) = (self, other)
            && let Some(product) = a.checked_mul(b)
            && a_scale + b_scale <= MAX_SCALE
        {
            return Ok(NumericBuf::Small(product, a_scale + b_scale));
        }
        let (Some((a, a_scale)), Some((b, b_scale))) = (self.parts(), other.parts()) else {
            let nan = self.is_nan() || other.is_nan();
            return Ok(if nan { NumericBuf::NaN } else { Self::to_infinity(self.signum() * other.signum()) });
        };
        let exact = i64::from(a_scale) + i64::from(b_scale);
        let scale = exact.min(i64::from(MAX_SCALE));
        NumericBuf::checked(rescale(&(a * b), exact, scale, Rounding::HalfAway), scale as u16)
    }

    /// `self / other`, to at least 16 significant digits.
    ///
    /// # Errors
    /// 22012 by zero, 22003 beyond the format's limits.
    pub fn div(self, other: Numeric<'_>) -> Result<NumericBuf> {
        if let (Numeric::Small(a, a_scale), Numeric::Small(b, b_scale)) = (self, other)
            && let Some(quotient) = divide_small((a, a_scale), (b, b_scale))
        {
            return Ok(quotient);
        }
        let (Some((a, a_scale)), Some((b, b_scale))) = (self.parts(), other.parts()) else {
            return self.divide_special(other, NumericBuf::Small(0, 0));
        };
        if b.is_zero() {
            return Err(division_by_zero());
        }
        let scale = division_scale((&a, a_scale), (&b, b_scale));
        divide((&a, a_scale), (&b, b_scale), scale, Rounding::HalfAway)
    }

    /// The whole part of `self / other`: `div(a, b)`.
    ///
    /// # Errors
    /// 22012 by zero, 22003 beyond the format's limits.
    pub fn div_whole(self, other: Numeric<'_>) -> Result<NumericBuf> {
        let (Some((a, a_scale)), Some((b, b_scale))) = (self.parts(), other.parts()) else {
            return self.divide_special(other, NumericBuf::Small(0, 0));
        };
        if b.is_zero() {
            return Err(division_by_zero());
        }
        divide((&a, a_scale), (&b, b_scale), 0, Rounding::Truncate)
    }

    /// Quotients of what is not finite; `by_infinity` is that of a finite number by an infinity.
    fn divide_special(self, other: Numeric<'_>, by_infinity: NumericBuf) -> Result<NumericBuf> {
        if self.is_nan() || other.is_nan() || self.is_infinite() && other.is_infinite() {
            return Ok(NumericBuf::NaN);
        }
        if other.is_infinite() {
            return Ok(by_infinity);
        }
        match other.signum() {
            0 => Err(division_by_zero()),
            sign => Ok(Self::to_infinity(self.signum() * sign)),
        }
    }

    /// The remainder of `self / other`, with the sign of `self`.
    ///
    /// # Errors
    /// 22012 by zero.
    pub fn rem(self, other: Numeric<'_>) -> Result<NumericBuf> {
        if let Some((a, b, scale)) = self.aligned_small(other) {
            return a.checked_rem(b).map(|rest| NumericBuf::Small(rest, scale)).ok_or_else(division_by_zero);
        }
        match self.aligned(other) {
            Some((_, b, _)) if b.is_zero() => Err(division_by_zero()),
            Some((a, b, scale)) => Ok(NumericBuf::new(a % b, scale)),
            None => {
                let by_infinity = self.to_buf();
                self.divide_special(other, by_infinity).map(|rest| match rest {
                    NumericBuf::Infinity | NumericBuf::NegativeInfinity => NumericBuf::NaN,
                    rest => rest,
                })
            }
        }
    }

    /// `-self`.
    pub fn neg(self) -> NumericBuf {
        match self {
            Numeric::Small(mantissa, scale) => match mantissa.checked_neg() {
                Some(negative) => NumericBuf::Small(negative, scale),
                None => NumericBuf::new(-BigInt::from(mantissa), scale),
            },
            Numeric::Long(long) => NumericBuf::new(-long.mantissa(), long.scale()),
            Numeric::NaN => NumericBuf::NaN,
            Numeric::Infinity => NumericBuf::NegativeInfinity,
            Numeric::NegativeInfinity => NumericBuf::Infinity,
        }
    }

    /// `|self|`.
    pub fn abs(self) -> NumericBuf {
        if self.signum() < 0 { self.neg() } else { self.to_buf() }
    }

    /// The greatest common divisor.
    ///
    /// # Errors
    /// None that these types can reach; kept for symmetry with `lcm`.
    pub fn gcd(self, other: Numeric<'_>) -> Result<NumericBuf> {
        Ok(self.aligned(other).map_or(NumericBuf::NaN, |(a, b, scale)| NumericBuf::new(a.gcd(&b), scale)))
    }

    /// The least common multiple.
    ///
    /// # Errors
    /// 22003 beyond the format's limits.
    pub fn lcm(self, other: Numeric<'_>) -> Result<NumericBuf> {
        match self.aligned(other) {
            Some((a, b, scale)) if a.is_zero() || b.is_zero() => Ok(NumericBuf::Small(0, scale)),
            Some((a, b, scale)) => NumericBuf::checked(a.lcm(&b), scale),
            None => Ok(NumericBuf::NaN),
        }
    }
}

impl PartialEq for Numeric<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Numeric<'_> {}

impl PartialOrd for Numeric<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// By value: scales do not matter; NaN equals itself and is greatest.
impl Ord for Numeric<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        if let Some((a, b, _)) = self.aligned_small(*other) {
            return a.cmp(&b);
        }
        let rank = |value: &Numeric<'_>| match value {
            Numeric::NegativeInfinity => 0,
            Numeric::Small(..) | Numeric::Long(_) => 1,
            Numeric::Infinity => 2,
            Numeric::NaN => 3,
        };
        match self.aligned(*other) {
            Some((a, b, _)) => a.cmp(&b),
            None => rank(self).cmp(&rank(other)),
        }
    }
}

pub(super) fn divide(a: (&BigInt, u16), b: (&BigInt, u16), scale: i64, rounding: Rounding) -> Result<NumericBuf> {
    // a·10^-as / (b·10^-bs), as a whole number of units 10^-scale.
    let shift = scale + i64::from(b.1) - i64::from(a.1);
    let whole = if shift >= 0 {
        quotient(&(a.0 * ten(shift as usize)), b.0, rounding)
    } else {
        quotient(a.0, &(b.0 * ten(-shift as usize)), rounding)
    };
    NumericBuf::checked(whole, scale as u16)
}

/// The quotient within 128 bits; `None` beyond them, and by zero.
fn divide_small(a: (i128, u16), b: (i128, u16)) -> Option<NumericBuf> {
    if b.0 == 0 {
        return None;
    }
    let scale = quotient_scale(small_weight(a.0, a.1), small_weight(b.0, b.1), a.1.max(b.1));
    let shift = scale + i64::from(b.1) - i64::from(a.1);
    let numerator = a.0.checked_mul(small_ten(usize::try_from(shift).ok()?)?)?;
    Some(NumericBuf::Small(small_quotient(numerator, b.0, Rounding::HalfAway), scale as u16))
}

/// The weight of a value in base 10,000, PostgreSQL's, and the first digit in that base.
pub(super) fn weight(mantissa: &BigInt, scale: u16) -> (i64, u64) {
    match i128::try_from(mantissa) {
        Ok(small) => small_weight(small, scale),
        Err(_) => weight_of(digits(mantissa), scale, |wanted| leading(mantissa, wanted)),
    }
}

fn small_weight(mantissa: i128, scale: u16) -> (i64, u64) {
    let count = small_digits(mantissa);
    let size = mantissa.unsigned_abs();
    weight_of(count, scale, |wanted| (size / 10_u128.pow(count.saturating_sub(wanted) as u32)) as u64)
}

/// [`weight`] of `count` digits, of which `leading` gives the first few.
fn weight_of(count: usize, scale: u16, leading: impl Fn(usize) -> u64) -> (i64, u64) {
    if count == 0 {
        return (0, 0);
    }
    let exponent = count as i64 - 1 - i64::from(scale);
    let weight = exponent.div_euclid(4);
    let wanted = (exponent - weight * 4 + 1) as usize;
    (weight, leading(wanted) * 10_u64.pow(wanted.saturating_sub(count) as u32))
}

fn division_scale(a: (&BigInt, u16), b: (&BigInt, u16)) -> i64 {
    quotient_scale(weight(a.0, a.1), weight(b.0, b.1), a.1.max(b.1))
}

/// Enough digits after the point for 16 significant ones, and no fewer than either side shows.
fn quotient_scale(a: (i64, u64), b: (i64, u64), shown: u16) -> i64 {
    let weight = a.0 - b.0 - i64::from(a.1 <= b.1);
    (MIN_SIGNIFICANT - weight * 4).max(i64::from(shown)).clamp(0, MAX_RESULT_SCALE)
}

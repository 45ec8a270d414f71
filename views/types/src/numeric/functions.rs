//! Roots, exponentials, logarithms and powers, to the digits that PostgreSQL shows of them.
//!
//! They are computed in binary fixed point with 64 bits more than what is shown, so that rounding sees the true value.

use num_bigint::BigInt;
use num_integer::Integer;
use num_traits::{One, Signed, ToPrimitive, Zero};

use super::arith::{MAX_RESULT_SCALE, MIN_SIGNIFICANT, divide, division_by_zero, overflow, weight};
use super::whole::{Rounding, digits, leading, power, quotient, rescale, square_root, ten};
use super::{Numeric, NumericBuf};
use crate::{Result, SqlError};

/// The greatest |x| of exp(x) that PostgreSQL computes.
const MAX_EXPONENT: f64 = 6000.0;
const GUARD_BITS: u64 = 64;
/// Bits that hold a decimal digit.
const BITS_A_DIGIT: f64 = 3.322;

fn clamp(scale: i64) -> i64 {
    scale.clamp(0, MAX_RESULT_SCALE)
}

impl Numeric<'_> {
    /// The square root.
    ///
    /// # Errors
    /// 2201F of a negative number.
    pub fn sqrt(self) -> Result<NumericBuf> {
        let negative = || Err(SqlError::new(b"2201F", "cannot take square root of a negative number"));
        let Some((mantissa, scale)) = self.parts() else {
            return if self.signum() < 0 { negative() } else { Ok(self.to_buf()) };
        };
        if mantissa.is_negative() {
            return negative();
        }
        let (weight, _) = weight(&mantissa, scale);
        let wanted = clamp((MIN_SIGNIFICANT - ((weight + 1) * 2 - 1)).max(i64::from(scale)));
        // One digit more than wanted: no square root lies on a half, so that cutting it does not change the rounding.
        let more = wanted + 1;
        let shift = 2 * more - i64::from(scale);
        let scaled = if shift >= 0 { mantissa * ten(shift as usize) } else { mantissa / ten(-shift as usize) };
        NumericBuf::checked(rescale(&square_root(&scaled), more, wanted, Rounding::HalfAway), wanted as u16)
    }

    /// e^self.
    ///
    /// # Errors
    /// 22003 beyond the format's limits.
    pub fn exp(self) -> Result<NumericBuf> {
        let Some((mantissa, scale)) = self.parts() else {
            return Ok(if self.signum() < 0 { NumericBuf::Small(0, 0) } else { self.to_buf() });
        };
        let value = self.to_f64();
        let weight = (value * std::f64::consts::LOG10_E).clamp(-2000.0, 2000.0);
        let wanted = clamp((MIN_SIGNIFICANT - weight as i64).max(i64::from(scale)));
        if value.abs() >= MAX_EXPONENT {
            return if value > 0.0 { Err(overflow()) } else { Ok(NumericBuf::Small(0, wanted as u16)) };
        }
        let bits = fixed_bits(wanted + (value * std::f64::consts::LOG10_E).max(0.0) as i64);
        let x = fixed(&mantissa, scale, bits);
        from_fixed(&exp_fixed(&x, bits), bits, wanted)
    }

    /// The natural logarithm.
    ///
    /// # Errors
    /// 2201E of zero and negative numbers.
    pub fn ln(self) -> Result<NumericBuf> {
        let Some((mantissa, scale)) = self.logarithm_argument()? else { return Ok(self.to_buf()) };
        let wanted = clamp((MIN_SIGNIFICANT - ln_weight(&mantissa, scale)).max(i64::from(scale)));
        let bits = fixed_bits(wanted + 8);
        from_fixed(&ln_fixed(&mantissa, scale, bits), bits, wanted)
    }

    /// The logarithm to base 10.
    ///
    /// # Errors
    /// As [`Numeric::ln`].
    pub fn log10(self) -> Result<NumericBuf> {
        self.log(Numeric::integer(10))
    }

    /// The logarithm of `self` to `base`.
    ///
    /// # Errors
    /// As [`Numeric::ln`]; 22012 to base 1.
    pub fn log(self, base: Numeric<'_>) -> Result<NumericBuf> {
        if self.is_nan() || base.is_nan() {
            return Ok(NumericBuf::NaN);
        }
        if [self, base].iter().any(|value| value.parts().is_none()) && self.signum().min(base.signum()) < 0 {
            return Err(SqlError::new(b"2201E", "cannot take logarithm of a negative number"));
        }
        let (argument, base) = match (base.logarithm_argument()?, self.logarithm_argument()?) {
            (Some(base), Some(argument)) => (argument, base),
            (None, None) => return Ok(NumericBuf::NaN),
            (None, Some(_)) => return Ok(NumericBuf::Small(0, 0)),
            (Some(_), None) => return Ok(NumericBuf::Infinity),
        };
        let result_weight = ln_weight(&argument.0, argument.1) - ln_weight(&base.0, base.1);
        let shown = i64::from(argument.1.max(base.1));
        let wanted = clamp((MIN_SIGNIFICANT - result_weight).max(shown));
        // A base near one has a small logarithm: its leading zeros cost digits.
        let lost = (-ln_weight(&base.0, base.1)).max(0) * 2 + ln_weight(&argument.0, argument.1).abs();
        let bits = fixed_bits(wanted + lost + 16);
        let divisor = ln_fixed(&base.0, base.1, bits);
        if divisor.is_zero() {
            return Err(division_by_zero());
        }
        let numerator = ln_fixed(&argument.0, argument.1, bits) << bits;
        from_fixed(&quotient(&numerator, &divisor, Rounding::HalfAway), bits, wanted)
    }

    /// `None` for NaN and infinity, which are their own logarithms.
    fn logarithm_argument(self) -> Result<Option<(BigInt, u16)>> {
        let refuse = |what| Err(SqlError::new(b"2201E", format!("cannot take logarithm of {what}")));
        match self.signum() {
            _ if self.is_nan() => Ok(None),
            0 => refuse("zero"),
            -1 => refuse("a negative number"),
            _ => Ok(self.parts()),
        }
    }

    /// self^exponent.
    ///
    /// # Errors
    /// 2201F where there is no real power, 22003 beyond the format's limits.
    pub fn power(self, exponent: Numeric<'_>) -> Result<NumericBuf> {
        let (Some((base, base_scale)), Some((mantissa, scale))) = (self.parts(), exponent.parts()) else {
            return self.power_special(exponent);
        };
        if base.is_zero() && mantissa.is_negative() {
            return Err(SqlError::new(b"2201F", "zero raised to a negative power is undefined"));
        }
        let whole = exponent.as_whole();
        if let Some(whole) = whole.as_ref().and_then(ToPrimitive::to_i32) {
            return power_whole(&base, base_scale, whole);
        }
        if base.is_zero() {
            return Ok(NumericBuf::Small(0, MIN_SIGNIFICANT as u16));
        }
        if base.is_negative() && whole.is_none() {
            let message = "a negative number raised to a non-integer power yields a complex result";
            return Err(SqlError::new(b"2201F", message));
        }
        let negative = base.is_negative() && whole.is_some_and(|whole| whole.is_odd());
        let result = power_real(&base.abs(), base_scale, &mantissa, scale)?;
        Ok(if negative { result.borrow(&mut Vec::new()).neg() } else { result })
    }

    /// Powers of and to what is not finite (POSIX's rules for pow).
    fn power_special(self, exponent: Numeric<'_>) -> Result<NumericBuf> {
        let one = Numeric::integer(1);
        // Anything to the power of zero is one, and one to the power of anything.
        if exponent.signum() == 0 && !exponent.is_nan() || self == one {
            return Ok(NumericBuf::Small(1, 0));
        }
        if self.is_nan() || exponent.is_nan() {
            return Ok(NumericBuf::NaN);
        }
        if self.signum() == 0 && exponent.signum() < 0 {
            return Err(SqlError::new(b"2201F", "zero raised to a negative power is undefined"));
        }
        if exponent.parts().is_none() {
            let size = self.abs().borrow(&mut Vec::new()).cmp(&one);
            return Ok(match (size.is_eq(), size.is_gt() == (exponent.signum() > 0)) {
                (true, _) => NumericBuf::Small(1, 0),
                (false, true) => NumericBuf::Infinity,
                (false, false) => NumericBuf::Small(0, 0),
            });
        }
        let whole = exponent.as_whole();
        if self.signum() < 0 && whole.is_none() {
            let message = "a negative number raised to a non-integer power yields a complex result";
            return Err(SqlError::new(b"2201F", message));
        }
        Ok(match (exponent.signum() < 0, self.signum() < 0 && whole.is_some_and(|whole| whole.is_odd())) {
            (true, _) => NumericBuf::Small(0, 0),
            (false, true) => NumericBuf::NegativeInfinity,
            (false, false) => NumericBuf::Infinity,
        })
    }
}

/// A whole power: to 16 digits after the point, or as many as the base shows.
fn power_whole(base: &BigInt, scale: u16, exponent: i32) -> Result<NumericBuf> {
    let wanted = clamp(MIN_SIGNIFICANT.max(i64::from(scale)));
    match exponent {
        0 => return NumericBuf::checked(ten(wanted as usize), wanted as u16),
        1 | 2 => {
            let exact = power(base, exponent as u32);
            let exact_scale = i64::from(scale) * i64::from(exponent);
            return NumericBuf::checked(rescale(&exact, exact_scale, wanted, Rounding::HalfAway), wanted as u16);
        }
        -1 => return divide((&BigInt::one(), 0), (base, scale), wanted, Rounding::HalfAway),
        _ if base.is_zero() => return Ok(NumericBuf::Small(0, wanted as u16)),
        _ => {}
    }
    let first = leading(base, 16);
    let cut = digits(base).saturating_sub(16) as f64 - f64::from(scale);
    let weight = f64::from(exponent) * ((first as f64).log10() + cut);
    if weight > 32768.0 * 4.0 {
        return Err(overflow());
    }
    if weight + 1.0 < -(wanted as f64) {
        return Ok(NumericBuf::Small(0, wanted as u16));
    }
    // Square and multiply, keeping enough digits for the roundings of all steps.
    let keep = (wanted as f64 + weight.abs()) as usize + 40;
    let mut result = (BigInt::one(), 0_i64);
    let mut square = (base.clone(), i64::from(scale));
    let mut rest = exponent.unsigned_abs();
    while rest > 0 {
        if rest & 1 == 1 {
            result = shorten((&result.0 * &square.0, result.1 + square.1), keep);
        }
        rest >>= 1;
        if rest > 0 {
            square = shorten((&square.0 * &square.0, square.1 * 2), keep);
        }
    }
    if exponent > 0 {
        return NumericBuf::checked(rescale(&result.0, result.1, wanted, Rounding::HalfAway), wanted as u16);
    }
    let shift = wanted + result.1;
    let whole = if shift >= 0 {
        quotient(&ten(shift as usize), &result.0, Rounding::HalfAway)
    } else {
        quotient(&BigInt::one(), &(result.0 * ten(-shift as usize)), Rounding::HalfAway)
    };
    NumericBuf::checked(whole, wanted as u16)
}

/// At most `keep` digits.
fn shorten((mantissa, scale): (BigInt, i64), keep: usize) -> (BigInt, i64) {
    let more = digits(&mantissa).saturating_sub(keep) as i64;
    (rescale(&mantissa, scale, scale - more, Rounding::HalfAway), scale - more)
}

/// A power by logarithm; `base` is positive.
fn power_real(base: &BigInt, base_scale: u16, exponent: &BigInt, scale: u16) -> Result<NumericBuf> {
    let shown = i64::from(base_scale.max(scale));
    let ln_digits = ln_weight(base, base_scale);
    // PostgreSQL estimates the result with eight digits of the logarithm, which decides the digits shown.
    let near = clamp(8 - ln_digits);
    let bits = fixed_bits(near + 8);
    let ln_base = from_fixed(&ln_fixed(base, base_scale, bits), bits, near)?;
    let power = NumericBuf::new(exponent.clone(), scale);
    let (mut a, mut b, mut c) = (Vec::new(), Vec::new(), Vec::new());
    let product = ln_base.borrow(&mut a).mul(power.borrow(&mut b))?;
    let value = product.borrow(&mut c).round(near as i32)?.borrow(&mut Vec::new()).to_f64();
    if value.abs() > 2000.0 * 3.01 {
        return if value > 0.0 { Err(overflow()) } else { Ok(NumericBuf::Small(0, MAX_RESULT_SCALE as u16)) };
    }
    let weight = value * std::f64::consts::LOG10_E;
    let wanted = clamp((MIN_SIGNIFICANT - weight as i64).max(shown));
    let size = digits(exponent) as i64 + i64::from(scale);
    let bits = fixed_bits(wanted + weight.max(0.0) as i64 + size + 8);
    let product = ln_fixed(base, base_scale, bits) * exponent;
    let x = quotient(&product, &ten(usize::from(scale)), Rounding::HalfAway);
    from_fixed(&exp_fixed(&x, bits), bits, wanted)
}

/// The decimal place of the first digit of ln(value), as PostgreSQL estimates it: it decides the digits shown.
fn ln_weight(mantissa: &BigInt, scale: u16) -> i64 {
    let unit = ten(usize::from(scale));
    let tenth = |n: u32| mantissa * 10_u32 >= &unit * n;
    if tenth(9) && mantissa * 10_u32 <= &unit * 11_u32 {
        let difference = mantissa - &unit;
        if difference.is_zero() {
            return 0;
        }
        let (weight, first) = weight(&difference, scale);
        return weight * 4 + (first as f64).log10() as i64;
    }
    let (weight, _) = weight(mantissa, scale);
    // The first two digits in base 10,000.
    let count = digits(mantissa) as i64;
    let exponent = count - 1 - i64::from(scale);
    let inside = exponent - weight * 4 + 1;
    let wanted = (inside + 4).min(count);
    let more_than_one = count > inside && !(mantissa % ten((count - inside) as usize)).is_zero();
    let (figure, place) = if more_than_one {
        (leading(mantissa, wanted as usize) as f64 * 10_f64.powi((inside + 4 - wanted) as i32), weight * 4 - 4)
    } else {
        let have = inside.min(count);
        (leading(mantissa, have as usize) as f64 * 10_f64.powi((inside - have) as i32), weight * 4)
    };
    let ln = figure.ln() + place as f64 * std::f64::consts::LN_10;
    ln.abs().log10() as i64
}

fn fixed_bits(decimal_digits: i64) -> u64 {
    (decimal_digits.max(0) as f64 * BITS_A_DIGIT) as u64 + GUARD_BITS
}

/// The value × 2^bits.
fn fixed(mantissa: &BigInt, scale: u16, bits: u64) -> BigInt {
    quotient(&(mantissa << bits), &ten(usize::from(scale)), Rounding::HalfAway)
}

fn from_fixed(value: &BigInt, bits: u64, scale: i64) -> Result<NumericBuf> {
    let scaled = value * ten(scale as usize);
    NumericBuf::checked(quotient(&scaled, &(BigInt::one() << bits), Rounding::HalfAway), scale as u16)
}

/// e^x: Taylor's series of x / 2^k, squared k times.
fn exp_fixed(x: &BigInt, bits: u64) -> BigInt {
    let halvings = 16 + x.bits().saturating_sub(bits);
    let work = bits + 2 * halvings + 32;
    let small = (x << (work - bits)) >> halvings;
    let one = BigInt::one() << work;
    let (mut sum, mut term) = (one.clone(), one);
    for n in 1_u32.. {
        term = ((term * &small) >> work) / n;
        // A negative term shifted right stays at -1.
        if term.is_zero() || term == BigInt::from(-1) {
            break;
        }
        sum += &term;
    }
    for _ in 0..halvings {
        sum = (&sum * &sum) >> work;
    }
    sum >> (work - bits)
}

/// ln(value) × 2^bits of a positive value.
fn ln_fixed(mantissa: &BigInt, scale: u16, bits: u64) -> BigInt {
    let unit = ten(usize::from(scale));
    // value = m · 2^e with m in [3/4, 3/2): ln is ln m + e·ln 2.
    let mut e = mantissa.bits() as i64 - unit.bits() as i64;
    let work = bits + 64;
    let ratio = |e: i64| {
        if e >= 0 { (mantissa << work) / (&unit << e as u64) } else { (mantissa << (work + (-e) as u64)) / &unit }
    };
    let mut m = ratio(e);
    let three_quarters: BigInt = BigInt::from(3) << (work - 2);
    while m >= &three_quarters * 2 {
        e += 1;
        m = ratio(e);
    }
    while m < three_quarters {
        e -= 1;
        m = ratio(e);
    }
    let one = BigInt::one() << work;
    let y = ((&m - &one) << work) / (&m + &one);
    let ln_m = atanh(&y, work) * 2;
    let ln_2 = if e == 0 { BigInt::zero() } else { atanh(&((BigInt::one() << work) / 3), work) * 2 * e };
    (ln_m + ln_2) >> 64
}

/// y + y³/3 + y⁵/5 + …
fn atanh(y: &BigInt, bits: u64) -> BigInt {
    let square = (y * y) >> bits;
    let (mut sum, mut power) = (y.clone(), y.clone());
    for n in (3_u32..).step_by(2) {
        power = (&power * &square) >> bits;
        if power.is_zero() || power == BigInt::from(-1) {
            break;
        }
        sum += &power / n;
    }
    sum
}

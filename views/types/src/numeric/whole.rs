//! Whole numbers beyond 128 bits: powers of ten, rounded quotients, counts of digits.

use num_bigint::{BigInt, BigUint, Sign};
use num_integer::Integer;
use num_traits::{One, Signed, Zero};

/// How a quotient becomes whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rounding {
    /// To the nearest, halves away from zero.
    HalfAway,
    /// Towards zero.
    Truncate,
    /// Up.
    Ceiling,
    /// Down.
    Floor,
}

/// 10^n.
pub(super) fn ten(n: usize) -> BigInt {
    match small_ten(n) {
        Some(small) => small.into(),
        None => BigInt::from(10).pow(n as u32),
    }
}

/// 10^n, if 128 bits hold it.
pub(super) fn small_ten(n: usize) -> Option<i128> {
    10_i128.checked_pow(u32::try_from(n).ok()?)
}

/// How many decimal digits `value` has; none for zero.
pub(super) fn digits(value: &BigInt) -> usize {
    if value.is_zero() {
        return 0;
    }
    // log10(2), from below: at most one digit short.
    let bits = value.bits();
    let estimate = ((bits - 1) as f64 * std::f64::consts::LOG10_2) as usize;
    if value.magnitude() >= ten(estimate).magnitude() {
        let more = value.magnitude() >= ten(estimate + 1).magnitude();
        estimate + 1 + usize::from(more)
    } else {
        estimate
    }
}

/// [`digits`] of a small number.
pub(super) fn small_digits(value: i128) -> usize {
    value.unsigned_abs().checked_ilog10().map_or(0, |log| log as usize + 1)
}

/// `a / b`, made whole.
pub(super) fn quotient(a: &BigInt, b: &BigInt, rounding: Rounding) -> BigInt {
    let (quotient, rest) = a.div_rem(b);
    if rest.is_zero() {
        return quotient;
    }
    let negative = (a.sign() == Sign::Minus) != (b.sign() == Sign::Minus);
    let away = match rounding {
        Rounding::Truncate => false,
        Rounding::HalfAway => rest.magnitude() * 2_u32 >= *b.magnitude(),
        Rounding::Ceiling => !negative,
        Rounding::Floor => negative,
    };
    match (away, negative) {
        (false, _) => quotient,
        (true, false) => quotient + 1,
        (true, true) => quotient - 1,
    }
}

/// `a / b` of small numbers, made whole.
pub(super) fn small_quotient(a: i128, b: i128, rounding: Rounding) -> i128 {
    let (quotient, rest) = (a / b, a % b);
    if rest == 0 {
        return quotient;
    }
    let negative = (a < 0) != (b < 0);
    let (rest, b) = (rest.unsigned_abs(), b.unsigned_abs());
    let away = match rounding {
        Rounding::Truncate => false,
        Rounding::HalfAway => rest >= b - rest,
        Rounding::Ceiling => !negative,
        Rounding::Floor => negative,
    };
    match (away, negative) {
        (false, _) => quotient,
        (true, false) => quotient + 1,
        (true, true) => quotient - 1,
    }
}

/// `mantissa`, brought from one scale to another.
pub(super) fn rescale(mantissa: &BigInt, from: i64, to: i64, rounding: Rounding) -> BigInt {
    if to == from || mantissa.is_zero() {
        return mantissa.clone();
    }
    if to > from {
        return mantissa * ten((to - from) as usize);
    }
    if (from - to) as u64 > mantissa.bits() + 1 {
        // Far less than a half: 10^n, which may be long, need not be made.
        return match rounding {
            Rounding::HalfAway | Rounding::Truncate => BigInt::zero(),
            Rounding::Ceiling => BigInt::from(u8::from(mantissa.is_positive())),
            Rounding::Floor => -BigInt::from(u8::from(mantissa.is_negative())),
        };
    }
    quotient(mantissa, &ten((from - to) as usize), rounding)
}

/// The first `count` decimal digits of |value| (fewer if it has fewer), as a number.
pub(super) fn leading(value: &BigInt, count: usize) -> u64 {
    let have = digits(value);
    let short = value.abs() / ten(have.saturating_sub(count));
    u64::try_from(short).unwrap_or(u64::MAX)
}

/// The greatest whole number whose square is at most `value`.
pub(super) fn square_root(value: &BigInt) -> BigInt {
    BigUint::sqrt(value.magnitude()).into()
}

/// `base`^`exponent`, exactly.
pub(super) fn power(base: &BigInt, exponent: u32) -> BigInt {
    if exponent == 0 { BigInt::one() } else { base.pow(exponent) }
}

//! Decimals of up to 76 digits, exactly: from Connect's big-endian bytes or from text, to a column's precision and scale.
//!
//! Nearly all decimals fit 128 bits and never come here but for reading; the wide form is for MySQL's DECIMAL(39…65) and for
//! changes of scale on the way.

/// Digits that 256 bits hold.
const DIGITS_MAX: u32 = 76;
/// Digits that 128 bits hold.
const NARROW_DIGITS: u8 = 38;

/// A decimal: sign, 256 bits of magnitude (least significant word first), fraction digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Decimal {
    negative: bool,
    words: [u64; 4],
    scale: i32,
}

/// Why a decimal is no value of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Misfit {
    /// More digits than the column's precision.
    Digits,
    /// More fraction digits than the column's scale.
    Fraction,
}

/// Two's complement, big endian, of up to 16 bytes.
#[inline]
pub(crate) fn unscaled(bytes: &[u8]) -> Option<i128> {
    let first = *bytes.first()?;
    if bytes.len() > 16 {
        return None;
    }
    let start = if first & 0x80 != 0 { -1_i128 } else { 0 };
    Some(bytes.iter().fold(start, |value, byte| value << 8 | i128::from(*byte)))
}

/// `digits` at scale `from` as digits at `scale` that number at most `precision` (up to 38).
#[inline]
pub(crate) fn rescale(digits: i128, from: i8, precision: u8, scale: i8) -> Result<i128, Misfit> {
    let limit = 10_u128.pow(u32::from(precision.min(NARROW_DIGITS)));
    if from == scale {
        return if digits.unsigned_abs() < limit { Ok(digits) } else { Err(Misfit::Digits) };
    }
    let wide = Decimal::from_digits(digits, i32::from(from)).rescaled(i32::from(scale))?;
    wide.narrow(precision).ok_or(Misfit::Digits)
}

/// A decimal as MySQL writes it: all of its fraction digits, a zero before the point.
pub(crate) fn decimal_text(digits: i128, scale: i8) -> String {
    let fraction = usize::try_from(scale).unwrap_or(0);
    let text = format!("{:0>1$}", digits.unsigned_abs(), fraction + 1);
    let (whole, fraction) = text.split_at(text.len() - fraction);
    let sign = if digits < 0 { "-" } else { "" };
    if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

impl Decimal {
    /// An unscaled value of 128 bits.
    pub(crate) fn from_digits(digits: i128, scale: i32) -> Self {
        let magnitude = digits.unsigned_abs();
        Decimal { negative: digits < 0, words: [magnitude as u64, (magnitude >> 64) as u64, 0, 0], scale }
    }

    /// Two's complement, big endian, of up to 32 bytes.
    pub(crate) fn from_bytes(bytes: &[u8], scale: i32) -> Option<Self> {
        let negative = bytes.first()? & 0x80 != 0;
        if bytes.len() > 32 {
            return None;
        }
        let mut wide = [if negative { 0xff } else { 0 }; 32];
        wide.iter_mut().zip(bytes.iter().rev()).for_each(|(to, from)| *to = *from);
        let mut words = [0; 4];
        for (word, bytes) in words.iter_mut().zip(wide.as_chunks::<8>().0) {
            *word = u64::from_le_bytes(*bytes);
        }
        if negative {
            negate(&mut words);
        }
        Some(Decimal { negative, words, scale })
    }

    /// `-12.50`, `1.5E+3`; digits may be missing on one side of the point.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
            None => (text, 0),
        };
        let negative = mantissa.starts_with('-');
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let whole = whole.strip_prefix(['-', '+']).unwrap_or(whole);
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let mut decimal = Decimal { negative, words: [0; 4], scale: 0 };
        // Zeros at the end of a fraction are no digits to keep: 1.50 fits a column of one fraction digit.
        let fraction = fraction.trim_end_matches('0');
        for digit in whole.bytes().chain(fraction.bytes()) {
            let digit = digit.checked_sub(b'0').filter(|digit| *digit < 10)?;
            decimal.times_ten_plus(u64::from(digit))?;
        }
        decimal.scale = i32::try_from(fraction.len()).ok()?.checked_sub(exponent)?;
        Some(decimal)
    }

    /// Its fraction digits.
    pub(crate) fn scale(&self) -> i32 {
        self.scale
    }

    fn is_zero(&self) -> bool {
        self.words == [0; 4]
    }

    /// `None` if it overflows 256 bits.
    fn times_ten_plus(&mut self, digit: u64) -> Option<()> {
        let mut carry = digit;
        for word in &mut self.words {
            let product = u128::from(*word) * 10 + u128::from(carry);
            *word = product as u64;
            carry = (product >> 64) as u64;
        }
        (carry == 0).then_some(())
    }

    /// Divides by ten and returns the remainder.
    fn divide_by_ten(&mut self) -> u64 {
        let mut rest = 0;
        for word in self.words.iter_mut().rev() {
            let dividend = rest << 64 | u128::from(*word);
            *word = (dividend / 10) as u64;
            rest = dividend % 10;
        }
        rest as u64
    }

    /// The same number with `scale` fraction digits.
    ///
    /// # Errors
    /// If it has more of them, or grows beyond 256 bits.
    pub(crate) fn rescaled(mut self, scale: i32) -> Result<Self, Misfit> {
        if self.is_zero() {
            self.scale = scale;
        }
        // Each turn changes a number that is not zero by a digit, so both loops end within 77 turns.
        while self.scale < scale {
            self.times_ten_plus(0).ok_or(Misfit::Digits)?;
            self.scale += 1;
        }
        while self.scale > scale {
            if self.divide_by_ten() != 0 {
                return Err(Misfit::Fraction);
            }
            self.scale -= 1;
        }
        Ok(self)
    }

    /// Its digits, if they number at most `precision`, which is at most 38.
    pub(crate) fn narrow(&self, precision: u8) -> Option<i128> {
        let magnitude = u128::from(self.words[1]) << 64 | u128::from(self.words[0]);
        if self.words[2..] != [0, 0] || magnitude >= 10_u128.pow(u32::from(precision.min(NARROW_DIGITS))) {
            return None;
        }
        let magnitude = magnitude as i128;
        Some(if self.negative { -magnitude } else { magnitude })
    }

    /// Its digits as two's complement, little endian, if they number at most `precision`.
    pub(crate) fn wide(&self, precision: u8) -> Option<[u8; 32]> {
        let mut limit = Decimal::from_digits(1, 0);
        for _ in 0..u32::from(precision).min(DIGITS_MAX) {
            limit.times_ten_plus(0)?;
        }
        if self.words.iter().rev().ge(limit.words.iter().rev()) {
            return None;
        }
        let mut words = self.words;
        if self.negative {
            negate(&mut words);
        }
        let mut bytes = [0; 32];
        for (to, word) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(words) {
            *to = word.to_le_bytes();
        }
        Some(bytes)
    }
}

/// Two's complement.
fn negate(words: &mut [u64; 4]) {
    let mut carry = true;
    for word in words {
        (*word, carry) = (!*word).overflowing_add(u64::from(carry));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn text_keeps_every_digit() {
        let of = |text: &str, scale| Decimal::parse(text).and_then(|found| found.rescaled(scale).ok()?.narrow(38));
        assert_eq!(of("-12.50", 2), Some(-1250));
        assert_eq!(of("-0.05", 2), Some(-5));
        assert_eq!(of("1.5E+3", 0), Some(1500));
        assert_eq!(of("1.50", 1), Some(15));
        assert_eq!(of(".5", 1), Some(5));
        assert_eq!(of("0E+5000000", 2), Some(0));
        for text in ["", "-", ".", "1.-5", "1e", "--1", "1e-2147483648", "0x1", "1 "] {
            assert_eq!(Decimal::parse(text), None, "{text}");
        }
        let long = "9".repeat(65);
        let wide = Decimal::parse(&format!("-{}.{}", &long[..35], &long[35..])).expect("65 digits");
        assert_eq!(wide.rescaled(30).map(|found| found.wide(65).is_some()), Ok(true));
        assert_eq!(wide.wide(64), None);
        assert_eq!(Decimal::parse(&"9".repeat(78)), None, "beyond 256 bits");
    }

    #[test]
    fn decimals_are_written_as_mysql_writes_them() {
        assert_eq!(decimal_text(-5, 2), "-0.05");
        assert_eq!(decimal_text(1250, 2), "12.50");
        assert_eq!(decimal_text(0, 2), "0.00");
        assert_eq!(decimal_text(7, 0), "7");
    }

    #[test]
    fn no_fraction_digit_is_dropped() {
        assert_eq!(rescale(12_505, 3, 10, 2), Err(Misfit::Fraction));
        assert_eq!(rescale(12_500, 3, 10, 2), Ok(1_250));
        assert_eq!(rescale(1, 0, 3, 3), Err(Misfit::Digits));
        assert_eq!(rescale(-999, 2, 3, 2), Ok(-999));
        assert_eq!(rescale(1000, 2, 3, 2), Err(Misfit::Digits));
        assert_eq!(rescale(1, -128, 38, 38), Err(Misfit::Digits));
    }

    proptest! {
        #[test]
        fn bytes_text_and_digits_agree(digits in any::<i128>(), scale in 0_i32..38) {
            let digits = digits % 10_i128.pow(37);
            let expected = Decimal::from_digits(digits, 0);
            prop_assert_eq!(Decimal::from_bytes(&digits.to_be_bytes(), 0), Some(expected));
            prop_assert_eq!(unscaled(&digits.to_be_bytes()), Some(digits));
            prop_assert_eq!(expected.narrow(38), Some(digits));
            let mut wide = [if digits < 0 { 0xff } else { 0 }; 32];
            wide[..16].copy_from_slice(&digits.to_le_bytes());
            prop_assert_eq!(expected.wide(76), Some(wide));
            wide.reverse();
            prop_assert_eq!(Decimal::from_bytes(&wide, 0), Some(expected));
            let text = format!("{digits}e-{scale}");
            let parsed = Decimal::parse(&text).and_then(|found| found.rescaled(scale).ok()?.narrow(38));
            prop_assert_eq!(parsed, Some(digits));
        }
    }
}

//! Sums of numerics that take values back exactly.
//!
//! A running sum alone is not enough: a sum shows as many digits as the value that has most of them, and NaN and the infinities
//! swallow what was added. So values are counted by their scales, those that are no numbers are counted apart, and the sum of the
//! others is exact, whatever its size; it is checked against the format's limits when it is read.

use num_bigint::BigInt;
use smallvec::SmallVec;

use super::whole::{small_ten, ten};
use super::{Numeric, NumericBuf};
use crate::Result;

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct NumericSum {
    sum: Whole,
    /// Digits after the point of `sum`: the greatest scale of any value so far.
    scale: u16,
    /// How many values there are of each scale.
    scales: SmallVec<[(u16, i64); 1]>,
    nan: i64,
    infinite: i64,
    negative_infinite: i64,
}

#[derive(Debug, Clone)]
enum Whole {
    Small(i128),
    Long(BigInt),
}

impl Default for Whole {
    fn default() -> Self {
        Whole::Small(0)
    }
}

impl Whole {
    /// `self × 10^digits + mantissa × weight × 10^more`.
    fn add(&mut self, digits: u16, value: Numeric<'_>, more: u16, weight: i64) {
        if let (Whole::Small(sum), Numeric::Small(mantissa, _)) = (&*self, value)
            && let Some(sum) = small_ten(usize::from(digits)).and_then(|ten| sum.checked_mul(ten))
            && let Some(value) = small_ten(usize::from(more)).and_then(|ten| mantissa.checked_mul(ten))
            && let Some(total) = value.checked_mul(weight.into()).and_then(|value| value.checked_add(sum))
        {
            *self = Whole::Small(total);
            return;
        }
        let Some((mantissa, _)) = value.parts() else { return };
        let sum = match std::mem::take(self) {
            Whole::Small(sum) => BigInt::from(sum),
            Whole::Long(sum) => sum,
        };
        *self = Whole::Long(sum * ten(usize::from(digits)) + mantissa * weight * ten(usize::from(more)));
    }
}

impl NumericSum {
    /// Adds a value `weight` times; a negative weight takes it back.
    pub fn add(&mut self, value: Numeric<'_>, weight: i64) {
        let scale = match value {
            Numeric::NaN => {
                self.nan += weight;
                return;
            }
            Numeric::Infinity => {
                self.infinite += weight;
                return;
            }
            Numeric::NegativeInfinity => {
                self.negative_infinite += weight;
                return;
            }
            Numeric::Small(_, scale) => scale,
            Numeric::Long(long) => long.scale(),
        };
        let greatest = self.scale.max(scale);
        self.sum.add(greatest - self.scale, value, greatest - scale, weight);
        self.scale = greatest;
        match self.scales.iter().position(|(known, _)| *known == scale) {
            None => self.scales.push((scale, weight)),
            Some(at) => {
                self.scales[at].1 += weight;
                if self.scales[at].1 == 0 {
                    self.scales.swap_remove(at);
                }
            }
        }
    }

    /// How many values there are.
    pub fn count(&self) -> i64 {
        let finite: i64 = self.scales.iter().map(|(_, count)| count).sum();
        finite + self.nan + self.infinite + self.negative_infinite
    }

    /// The sum of the values that are there now, with the scale of the one that has most digits after the point.
    ///
    /// # Errors
    /// 22003 beyond the format's limits.
    pub fn sum(&self) -> Result<NumericBuf> {
        if self.nan != 0 || self.infinite != 0 && self.negative_infinite != 0 {
            return Ok(NumericBuf::NaN);
        }
        if self.infinite != 0 {
            return Ok(NumericBuf::Infinity);
        }
        if self.negative_infinite != 0 {
            return Ok(NumericBuf::NegativeInfinity);
        }
        // The digits beyond the shown scale are those of values that were taken back: zeros.
        let shown = self.scales.iter().map(|(scale, _)| *scale).max().unwrap_or(0);
        let drop = usize::from(self.scale - shown);
        match &self.sum {
            Whole::Small(sum) => {
                let sum = small_ten(drop).map_or(0, |ten| sum / ten);
                Ok(NumericBuf::Small(sum, shown))
            }
            Whole::Long(sum) => NumericBuf::checked(sum / ten(drop), shown),
        }
    }

    /// Their mean, with the scale of PostgreSQL's division.
    ///
    /// # Errors
    /// 22003 beyond the format's limits, 22012 without values.
    pub fn mean(&self) -> Result<NumericBuf> {
        self.sum()?.borrow(&mut Vec::new()).div(Numeric::integer(self.count()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(sum: &NumericSum) -> String {
        sum.sum().expect("a sum").borrow(&mut Vec::new()).to_string()
    }

    fn value(text: &str) -> NumericBuf {
        NumericBuf::parse(text).expect("a numeric")
    }

    #[test]
    fn what_is_taken_back_leaves_no_trace() {
        let mut sum = NumericSum::default();
        let values = ["1.0", "2.125", "NaN", "Infinity", "1e40", "-99999999999999999999999999999999999999.5"];
        let add = |sum: &mut NumericSum, text: &str, weight| sum.add(value(text).borrow(&mut Vec::new()), weight);
        for text in values {
            add(&mut sum, text, 3);
        }
        assert_eq!(shown(&sum), "NaN");
        add(&mut sum, "NaN", -3);
        assert_eq!(shown(&sum), "Infinity");
        add(&mut sum, "-Infinity", 1);
        assert_eq!(shown(&sum), "NaN");
        add(&mut sum, "-Infinity", -1);
        add(&mut sum, "Infinity", -3);
        assert_eq!(shown(&sum), "29700000000000000000000000000000000000010.875");
        add(&mut sum, "1e40", -3);
        add(&mut sum, "-99999999999999999999999999999999999999.5", -3);
        assert_eq!(shown(&sum), "9.375");
        add(&mut sum, "2.125", -3);
        assert_eq!((shown(&sum), sum.count()), ("3.0".to_owned(), 3));
        add(&mut sum, "1.0", -3);
        assert_eq!((shown(&sum), sum.count()), ("0".to_owned(), 0));
    }
}

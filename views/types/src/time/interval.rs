//! Arithmetic of intervals, which keep months, days and microseconds apart.

use std::cmp::Ordering;

use super::parse_interval::Unit;
use super::{DAY, HOUR, MINUTE, SECOND, interval_out_of_range, round_fraction};
use crate::{ColumnType, Interval, Result, SqlError};

const DAYS_A_MONTH: f64 = 30.0;

/// An interval that is being summed up, before its parts are known to fit.
#[derive(Debug, Default)]
pub(super) struct Sum {
    pub(super) months: i128,
    pub(super) days: i128,
    pub(super) micros: i128,
}

impl Sum {
    /// Adds a whole number of units and a fraction of one, which goes to the smaller units.
    pub(super) fn add(&mut self, unit: Unit, value: i64, fraction: f64) {
        let whole = i128::from(value);
        match unit {
            Unit::Microsecond => self.time(whole, fraction, 1),
            Unit::Millisecond => self.time(whole, fraction, 1000),
            Unit::Second => self.time(whole, fraction, SECOND),
            Unit::Minute => self.time(whole, fraction, MINUTE),
            Unit::Hour => self.time(whole, fraction, HOUR),
            Unit::Day => self.days(whole, fraction, 1.0),
            Unit::Week => self.days(whole * 7, fraction, 7.0),
            Unit::Month => {
                self.months += whole;
                self.days(0, fraction, DAYS_A_MONTH);
            }
            Unit::Year => self.years(whole, fraction, 1),
            Unit::Decade => self.years(whole, fraction, 10),
            Unit::Century => self.years(whole, fraction, 100),
            Unit::Millennium => self.years(whole, fraction, 1000),
        }
    }

    fn time(&mut self, whole: i128, fraction: f64, unit: i64) {
        self.micros += whole * i128::from(unit) + half_away(fraction * unit as f64);
    }

    fn days(&mut self, whole: i128, fraction: f64, scale: f64) {
        let scaled = fraction * scale;
        self.days += whole + scaled.trunc() as i128;
        self.micros += half_away((scaled - scaled.trunc()) * DAY as f64);
    }

    fn years(&mut self, whole: i128, fraction: f64, years: i32) {
        self.months += whole * i128::from(years) * 12 + (fraction * f64::from(years) * 12.0).round_ties_even() as i128;
    }

    /// The interval; `None` if it does not fit.
    pub(super) fn finish(self, negative: bool) -> Option<Interval> {
        let sign = if negative { -1 } else { 1 };
        Some(Interval {
            months: i32::try_from(self.months * sign).ok()?,
            days: i32::try_from(self.days * sign).ok()?,
            micros: i64::try_from(self.micros * sign).ok()?,
        })
    }
}

/// The nearest whole number: more than a half rounds away from zero.
fn half_away(value: f64) -> i128 {
    let whole = value.trunc();
    let rest = value - whole;
    whole as i128 + i128::from(rest > 0.5) - i128::from(rest < -0.5)
}

#[expect(clippy::should_implement_trait, reason = "an operator of the language cannot fail; these can")]
impl Interval {
    /// Microseconds with months of 30 days and days of 24 hours: the order of intervals.
    pub fn order(self) -> i128 {
        (i128::from(self.months) * 30 + i128::from(self.days)) * i128::from(DAY) + i128::from(self.micros)
    }

    /// Compares as PostgreSQL: one month equals 30 days.
    pub fn compare(self, other: Interval) -> Ordering {
        self.order().cmp(&other.order())
    }

    fn checked(months: Option<i32>, days: Option<i32>, micros: Option<i64>) -> Result<Interval> {
        match (months, days, micros) {
            (Some(months), Some(days), Some(micros)) => Ok(Interval { months, days, micros }),
            _ => Err(interval_out_of_range()),
        }
    }

    /// `self + other`.
    ///
    /// # Errors
    /// 22008.
    pub fn add(self, other: Interval) -> Result<Interval> {
        Self::checked(
            self.months.checked_add(other.months),
            self.days.checked_add(other.days),
            self.micros.checked_add(other.micros),
        )
    }

    /// `self - other`.
    ///
    /// # Errors
    /// 22008.
    pub fn sub(self, other: Interval) -> Result<Interval> {
        Self::checked(
            self.months.checked_sub(other.months),
            self.days.checked_sub(other.days),
            self.micros.checked_sub(other.micros),
        )
    }

    /// `-self`.
    ///
    /// # Errors
    /// 22008.
    pub fn neg(self) -> Result<Interval> {
        Self::checked(self.months.checked_neg(), self.days.checked_neg(), self.micros.checked_neg())
    }

    /// `self × factor`; what is left of months goes to days, of days to microseconds.
    ///
    /// # Errors
    /// 22008.
    pub fn mul(self, factor: f64) -> Result<Interval> {
        self.scale(|part| part * factor)
    }

    /// `self / divisor`.
    ///
    /// # Errors
    /// 22012 by zero, 22008.
    pub fn div(self, divisor: f64) -> Result<Interval> {
        if divisor == 0.0 {
            return Err(SqlError::new(b"22012", "division by zero"));
        }
        self.scale(|part| part / divisor)
    }

    fn scale(self, by: impl Fn(f64) -> f64) -> Result<Interval> {
        let fits = |value: f64, limit: f64| (value.abs() <= limit && !value.is_nan()).then_some(value);
        let months = fits(by(f64::from(self.months)), f64::from(i32::MAX)).ok_or_else(interval_out_of_range)?;
        let days = fits(by(f64::from(self.days)), f64::from(i32::MAX)).ok_or_else(interval_out_of_range)?;
        // What is left of a month goes to days, of a day to seconds; rounding to the microsecond hides what binary
        // fractions lose.
        let rest_of_months = round6((months - months.trunc()) * DAYS_A_MONTH);
        let rest_of_days = days - days.trunc() + rest_of_months - rest_of_months.trunc();
        let mut whole_days = days.trunc() as i64 + rest_of_months.trunc() as i64;
        let mut seconds = round6(rest_of_days * 86_400.0);
        if seconds.abs() >= 86_400.0 {
            whole_days += (seconds / 86_400.0) as i64;
            seconds -= (seconds / 86_400.0).trunc() * 86_400.0;
        }
        let micros = (by(self.micros as f64) + seconds * 1e6).round_ties_even();
        let micros = fits(micros, 9.223_372_036_854_775e18).ok_or_else(interval_out_of_range)?;
        Self::checked(Some(months.trunc() as i32), i32::try_from(whole_days).ok(), Some(micros as i64))
    }

    /// Hours from days' worth of time: `justify_hours`.
    ///
    /// # Errors
    /// 22008.
    pub fn justify_hours(self) -> Result<Interval> {
        let days = self.micros / DAY;
        let result = self.checked_days(i64::from(self.days) + days, self.micros % DAY)?;
        Ok(result.same_signs())
    }

    fn checked_days(self, days: i64, micros: i64) -> Result<Interval> {
        Self::checked(Some(self.months), i32::try_from(days).ok(), Some(micros))
    }

    /// Lets days and time have one sign.
    fn same_signs(self) -> Interval {
        let Interval { months, mut days, mut micros } = self;
        if days > 0 && micros < 0 {
            micros += DAY;
            days -= 1;
        } else if days < 0 && micros > 0 {
            micros -= DAY;
            days += 1;
        }
        Interval { months, days, micros }
    }

    /// Months from 30 days each: `justify_days`.
    ///
    /// # Errors
    /// 22008.
    pub fn justify_days(self) -> Result<Interval> {
        let months = i64::from(self.months) + i64::from(self.days / 30);
        let months = i32::try_from(months).map_err(|_| interval_out_of_range())?;
        let (mut months, mut days) = (months, self.days % 30);
        if months > 0 && days < 0 {
            days += 30;
            months -= 1;
        } else if months < 0 && days > 0 {
            days -= 30;
            months += 1;
        }
        Ok(Interval { months, days, micros: self.micros })
    }

    /// Both, with one sign for all: `justify_interval`.
    ///
    /// # Errors
    /// 22008.
    pub fn justify(self) -> Result<Interval> {
        let (mut months, mut days) = (i64::from(self.months), i64::from(self.days));
        // First days to months where that prevents an overflow.
        if days > 0 && self.micros > 0 || days < 0 && self.micros < 0 {
            months += days / 30;
            days %= 30;
        }
        days += self.micros / DAY;
        let mut micros = self.micros % DAY;
        months += days / 30;
        days %= 30;
        if months > 0 && (days < 0 || days == 0 && micros < 0) {
            days += 30;
            months -= 1;
        } else if months < 0 && (days > 0 || days == 0 && micros > 0) {
            days -= 30;
            months += 1;
        }
        if days > 0 && micros < 0 {
            micros += DAY;
            days -= 1;
        } else if days < 0 && micros > 0 {
            micros -= DAY;
            days += 1;
        }
        Self::checked(i32::try_from(months).ok(), i32::try_from(days).ok(), Some(micros))
    }

    /// What a column of type `ty` keeps: the fields that it names, rounded to its digits.
    pub fn apply(self, ty: &ColumnType) -> Interval {
        let Interval { months, days, micros } = self;
        let cut = |unit: i64| micros / unit * unit;
        let kept = match ty.interval_fields() {
            None => self,
            Some("year") => Interval { months: months / 12 * 12, days: 0, micros: 0 },
            Some("month" | "year to month") => Interval { months, days: 0, micros: 0 },
            Some("day") => Interval { months, days, micros: 0 },
            Some("hour" | "day to hour") => Interval { months, days, micros: cut(HOUR) },
            Some("minute" | "day to minute" | "hour to minute") => Interval { months, days, micros: cut(MINUTE) },
            Some(_) => self,
        };
        match ty.fraction_digits() {
            Some(digits) => Interval { micros: round_fraction(kept.micros, digits), ..kept },
            None => kept,
        }
    }
}

/// Rounds to six digits.
fn round6(value: f64) -> f64 {
    (value * 1e6).round_ties_even() / 1e6
}

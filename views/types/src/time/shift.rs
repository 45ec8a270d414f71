//! Dates and timestamps plus intervals, and what lies between two of them.

use super::civil::Civil;
use super::{
    DAY, INFINITY, NEGATIVE_INFINITY, Zone, date, date_out_of_range, interval_out_of_range, is_infinite, split_day,
    timestamp, timestamp_out_of_range,
};
use crate::{Interval, Result, SqlError, TimeTz};

/// `timestamp + interval`: months first (to the month's last day at most), then days, then time.
///
/// # Errors
/// 22008.
pub fn add_to_timestamp(micros: i64, interval: Interval) -> Result<i64> {
    if is_infinite(micros) {
        return Ok(micros);
    }
    let (days, of_day) = split_day(micros);
    let days = add_months_and_days(days, interval)?;
    timestamp(i128::from(days) * i128::from(DAY) + i128::from(of_day) + i128::from(interval.micros))
}

fn add_months_and_days(days: i64, interval: Interval) -> Result<i64> {
    let shifted =
        if interval.months == 0 { days } else { Civil::of(days).add_months(i64::from(interval.months)).days() };
    let shifted = shifted + i64::from(interval.days);
    // Far outside whatever the time adds.
    date(i128::from(shifted)).map_err(|_| timestamp_out_of_range())
}

/// `timestamptz + interval`: months and days by the zone's calendar, then time.
///
/// # Errors
/// 22008.
pub fn add_to_timestamptz(micros: i64, interval: Interval, zone: &Zone) -> Result<i64> {
    if is_infinite(micros) {
        return Ok(micros);
    }
    let mut moment = micros;
    if interval.months != 0 {
        let months = Interval { months: interval.months, ..Interval::default() };
        moment = zone.to_moment(add_to_timestamp(zone.to_local(moment)?, months)?)?;
    }
    if interval.days != 0 {
        let days = Interval { days: interval.days, ..Interval::default() };
        moment = zone.to_moment(add_to_timestamp(zone.to_local(moment)?, days)?)?;
    }
    timestamp(i128::from(moment) + i128::from(interval.micros))
}

/// `date + integer`.
///
/// # Errors
/// 22008.
pub fn add_to_date(days: i64, more: i64) -> Result<i64> {
    if is_infinite(days) { Ok(days) } else { date(i128::from(days) + i128::from(more)) }
}

/// `time + interval`: around the clock.
pub fn add_to_time(micros: i64, interval: Interval) -> i64 {
    (i128::from(micros) + i128::from(interval.micros)).rem_euclid(i128::from(DAY)) as i64
}

/// `timetz + interval`.
pub fn add_to_timetz(time: TimeTz, interval: Interval) -> TimeTz {
    TimeTz { micros: add_to_time(time.micros, interval), offset: time.offset }
}

/// `date - date`, in days.
///
/// # Errors
/// 22008 with an infinite date.
pub fn date_difference(a: i64, b: i64) -> Result<i64> {
    if is_infinite(a) || is_infinite(b) {
        return Err(SqlError::new(b"22008", "cannot subtract infinite dates"));
    }
    i32::try_from(a - b).map(i64::from).map_err(|_| date_out_of_range())
}

/// `timestamp - timestamp`: days and time.
///
/// # Errors
/// 22008 with an infinite timestamp.
pub fn timestamp_difference(a: i64, b: i64) -> Result<Interval> {
    if is_infinite(a) || is_infinite(b) {
        return Err(SqlError::new(b"22008", "cannot subtract infinite timestamps"));
    }
    let micros = a.checked_sub(b).ok_or_else(interval_out_of_range)?;
    Interval { months: 0, days: 0, micros }.justify_hours()
}

/// `age(a, b)`: years, months, days and time by the calendar.
///
/// # Errors
/// 22008 with an infinite timestamp.
pub fn age(a: i64, b: i64) -> Result<Interval> {
    if [a, b].iter().any(|v| *v == INFINITY || *v == NEGATIVE_INFINITY) {
        return Err(timestamp_out_of_range());
    }
    let negative = a < b;
    let ((a_days, a_time), (b_days, b_time)) = (split_day(a), split_day(b));
    let (late, early, mut micros) = if negative {
        (Civil::of(b_days), Civil::of(a_days), b_time - a_time)
    } else {
        (Civil::of(a_days), Civil::of(b_days), a_time - b_time)
    };
    let mut months = (late.year - early.year) * 12 + i64::from(late.month) - i64::from(early.month);
    let mut days = i64::from(late.day) - i64::from(early.day);
    while micros < 0 {
        micros += DAY;
        days -= 1;
    }
    // Borrowed from the month that the earlier date is in.
    while days < 0 {
        days += i64::from(super::civil::days_in(early.year, early.month));
        months -= 1;
    }
    let interval =
        Interval { months: i32::try_from(months).map_err(|_| interval_out_of_range())?, days: days as i32, micros };
    if negative { interval.neg() } else { Ok(interval) }
}

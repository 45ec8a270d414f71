//! Text out: DateStyle ISO, IntervalStyle postgres.

use std::fmt::Write;

use super::civil::{Civil, Clock};
use super::{INFINITY, NEGATIVE_INFINITY, SECOND, Zone, split_day};
use crate::{Interval, TimeTz};

/// The text of an infinity.
fn infinite(value: i64, out: &mut String) -> bool {
    match value {
        INFINITY => out.push_str("infinity"),
        NEGATIVE_INFINITY => out.push_str("-infinity"),
        _ => return false,
    }
    true
}

// Writing to a String cannot fail: results of `write!` are dropped below.

fn day(civil: Civil, out: &mut String) {
    let year = if civil.year > 0 { civil.year } else { 1 - civil.year };
    let _ = write!(out, "{year:04}-{:02}-{:02}", civil.month, civil.day);
}

fn era(civil: Civil, out: &mut String) {
    if civil.year <= 0 {
        out.push_str(" BC");
    }
}

fn fraction(micros: i64, out: &mut String) {
    if micros != 0 {
        let digits = format!(".{micros:06}");
        out.push_str(digits.trim_end_matches('0'));
    }
}

fn clock(micros: i64, out: &mut String) {
    let clock = Clock::of(micros);
    let _ = write!(out, "{:02}:{:02}:{:02}", clock.hour, clock.minute, clock.second);
    fraction(clock.micros, out);
}

fn offset(seconds: i32, out: &mut String) {
    let size = seconds.unsigned_abs();
    let _ = write!(out, "{}{:02}", if seconds < 0 { '-' } else { '+' }, size / 3600);
    if !size.is_multiple_of(3600) {
        let _ = write!(out, ":{:02}", size / 60 % 60);
    }
    if !size.is_multiple_of(60) {
        let _ = write!(out, ":{:02}", size % 60);
    }
}

/// Appends a date.
pub fn write_date(days: i64, out: &mut String) {
    if !infinite(days, out) {
        let civil = Civil::of(days);
        day(civil, out);
        era(civil, out);
    }
}

/// Appends a time.
pub fn write_time(micros: i64, out: &mut String) {
    clock(micros, out);
}

/// Appends a time with its offset.
pub fn write_timetz(time: TimeTz, out: &mut String) {
    clock(time.micros, out);
    offset(time.offset, out);
}

/// Appends a timestamp.
pub fn write_timestamp(micros: i64, out: &mut String) {
    if !infinite(micros, out) {
        let (days, of_day) = split_day(micros);
        let civil = Civil::of(days);
        day(civil, out);
        out.push(' ');
        clock(of_day, out);
        era(civil, out);
    }
}

/// Appends a timestamptz as it is in `zone`.
pub fn write_timestamptz(micros: i64, zone: &Zone, out: &mut String) {
    if !infinite(micros, out) {
        let seconds = zone.offset_at(micros);
        // Local times may lie a day outside of the range of timestamps, and still be printed.
        let local = i128::from(micros) + i128::from(seconds) * i128::from(SECOND);
        let day_length = i128::from(super::DAY);
        let civil = Civil::of(local.div_euclid(day_length) as i64);
        day(civil, out);
        out.push(' ');
        clock(local.rem_euclid(day_length) as i64, out);
        offset(seconds, out);
        era(civil, out);
    }
}

/// Appends an interval: `1 year 2 mons -3 days +04:05:06`.
pub fn write_interval(interval: Interval, out: &mut String) {
    let start = out.len();
    let mut negative = false;
    let parts = [(interval.months / 12, "year"), (interval.months % 12, "mon"), (interval.days, "day")];
    for (value, unit) in parts {
        if value != 0 {
            let blank = if out.len() > start { " " } else { "" };
            let plus = if negative && value > 0 { "+" } else { "" };
            let plural = if value == 1 { "" } else { "s" };
            let _ = write!(out, "{blank}{plus}{value} {unit}{plural}");
            negative = value < 0;
        }
    }
    if interval.micros == 0 && out.len() > start {
        return;
    }
    let sign = if interval.micros < 0 {
        "-"
    } else if negative {
        "+"
    } else {
        ""
    };
    let blank = if out.len() > start { " " } else { "" };
    let _ = write!(out, "{blank}{sign}");
    let size = interval.micros.unsigned_abs();
    let second = SECOND.unsigned_abs();
    let _ = write!(out, "{:02}:{:02}:{:02}", size / second / 3600, size / second / 60 % 60, size / second % 60);
    fraction((size % second) as i64, out);
}

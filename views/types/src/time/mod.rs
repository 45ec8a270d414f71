//! Dates, times, timestamps, intervals: PostgreSQL's proleptic Gregorian calendar from 4714-11-24 BC on.
//!
//! Dates are days and timestamps microseconds since 1970-01-01 (UTC); [`INFINITY`] and [`NEGATIVE_INFINITY`] are the extremes of
//! 64 bits. Timestamps end with the year 294246, where 64 bits end; PostgreSQL's end 30 years later.

mod abbreviations;
mod civil;
mod decode;
mod field;
mod interval;
mod make;
mod parse;
mod parse_interval;
mod shift;
mod tokens;
mod truncate;
mod write;
mod zone;

pub use civil::{Civil, Clock};
pub use field::{
    Extracted, extract_date, extract_interval, extract_time, extract_timestamp, extract_timestamptz, extract_timetz,
};
pub use make::{make_date, make_interval, make_time, make_timestamp, make_timestamptz, to_timestamp};
pub use parse::{parse_date, parse_time, parse_timestamp, parse_timestamptz, parse_timetz};
pub use parse_interval::parse_interval;
pub use shift::{
    add_to_date, add_to_time, add_to_timestamp, add_to_timestamptz, add_to_timetz, age, date_difference,
    timestamp_difference,
};
pub use truncate::{bin, truncate_interval, truncate_timestamp, truncate_timestamptz, truncate_timestamptz_in};
pub use write::{write_date, write_interval, write_time, write_timestamp, write_timestamptz, write_timetz};
pub use zone::{Zone, time_at_zone, timestamp_at_zone, timestamptz_at_zone};

use crate::{Result, SqlError};

/// A date or timestamp after all others.
pub const INFINITY: i64 = i64::MAX;
/// A date or timestamp before all others.
pub const NEGATIVE_INFINITY: i64 = i64::MIN;

/// Microseconds.
pub const SECOND: i64 = 1_000_000;
/// Microseconds.
pub const MINUTE: i64 = 60 * SECOND;
/// Microseconds.
pub const HOUR: i64 = 60 * MINUTE;
/// Microseconds.
pub const DAY: i64 = 24 * HOUR;

/// 4714-11-24 BC, day 0 of Julian days.
pub const FIRST_DAY: i64 = -2_440_588;
/// 5874897-12-31.
pub const LAST_DAY: i64 = 2_145_042_905;
/// The first microsecond of [`FIRST_DAY`].
pub const FIRST_TIMESTAMP: i64 = FIRST_DAY * DAY;
/// 294246-12-31 23:59:59.999999; what remains of 64 bits holds its local times.
pub const LAST_TIMESTAMP: i64 = 9_223_371_244_799_999_999;
/// PostgreSQL's own epoch, 2000-01-01, where its binary forms begin, in days.
pub const EPOCH_2000: i64 = 10_957;

/// Whether a date or timestamp is one of the infinities.
pub fn is_infinite(value: i64) -> bool {
    value == INFINITY || value == NEGATIVE_INFINITY
}

/// "timestamp out of range".
pub fn timestamp_out_of_range() -> SqlError {
    SqlError::new(b"22008", "timestamp out of range")
}

/// "date out of range".
pub fn date_out_of_range() -> SqlError {
    SqlError::new(b"22008", "date out of range")
}

/// "interval out of range".
pub fn interval_out_of_range() -> SqlError {
    SqlError::new(b"22008", "interval out of range")
}

/// A finite timestamp, if there is one at `micros`.
///
/// # Errors
/// 22008.
pub fn timestamp(micros: i128) -> Result<i64> {
    match i64::try_from(micros) {
        Ok(micros) if (FIRST_TIMESTAMP..=LAST_TIMESTAMP).contains(&micros) => Ok(micros),
        _ => Err(timestamp_out_of_range()),
    }
}

/// A finite date, if there is one at `days`.
///
/// # Errors
/// 22008.
pub fn date(days: i128) -> Result<i64> {
    match i64::try_from(days) {
        Ok(days) if (FIRST_DAY..=LAST_DAY).contains(&days) => Ok(days),
        _ => Err(date_out_of_range()),
    }
}

/// Rounds to `digits` digits of the second, halves away from zero.
pub fn round_fraction(micros: i64, digits: u32) -> i64 {
    let unit = 10_i64.pow(6_u32.saturating_sub(digits));
    let half = if micros < 0 { -unit / 2 } else { unit / 2 };
    micros.checked_add(half).map_or(micros, |sum| sum / unit * unit)
}

/// The microseconds since midnight of a finite timestamp, and its day.
pub fn split_day(micros: i64) -> (i64, i64) {
    (micros.div_euclid(DAY), micros.rem_euclid(DAY))
}

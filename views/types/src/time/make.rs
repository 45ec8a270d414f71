//! `make_date` and its like, `to_timestamp(seconds)`.

use super::civil::{Civil, local};
use super::interval::Sum;
use super::parse_interval::Unit;
use super::{
    FIRST_DAY, HOUR, INFINITY, LAST_DAY, MINUTE, NEGATIVE_INFINITY, SECOND, Zone, interval_out_of_range, timestamp,
};
use crate::{Interval, Result, SqlError};

/// `make_date(year, month, day)`; a negative year is before Christ.
///
/// # Errors
/// 22008 if there is no such day.
pub fn make_date(year: i32, month: i32, day: i32) -> Result<i64> {
    let error = || SqlError::new(b"22008", format!("date field value out of range: {year}-{month:02}-{day:02}"));
    let number = if year < 0 { i64::from(year) + 1 } else { i64::from(year) };
    let civil = Civil {
        year: number,
        month: u32::try_from(month).map_err(|_| error())?,
        day: u32::try_from(day).map_err(|_| error())?,
    };
    if year == 0 || !civil.is_valid() {
        return Err(error());
    }
    let days = civil.days();
    let out_of_range = || SqlError::new(b"22008", format!("date out of range: {number}-{month:02}-{day:02}"));
    (FIRST_DAY..=LAST_DAY).contains(&days).then_some(days).ok_or_else(out_of_range)
}

/// `make_time(hour, minute, second)`.
///
/// # Errors
/// 22008 if there is no such time.
pub fn make_time(hour: i32, minute: i32, second: f64) -> Result<i64> {
    let micros = (second * 1e6).round_ties_even();
    let valid = (0..=24).contains(&hour) && (0..=59).contains(&minute) && (0.0..=60.0).contains(&second);
    let total =
        i128::from(hour) * i128::from(HOUR) + i128::from(minute) * i128::from(MINUTE) + micros as i128 % (1 << 62);
    if !valid || total > super::DAY.into() {
        let text = format!("time field value out of range: {hour}:{minute:02}:{}", seconds(second));
        return Err(SqlError::new(b"22008", text));
    }
    Ok(total as i64)
}

/// C's `%02g`.
fn seconds(second: f64) -> String {
    let mut text = String::new();
    crate::float::write_f64(second, &mut text);
    if text.len() < 2 { format!("0{text}") } else { text }
}

/// `make_timestamp(year, month, day, hour, minute, second)`.
///
/// # Errors
/// 22008 if there is no such moment.
pub fn make_timestamp(date: (i32, i32, i32), hour: i32, minute: i32, second: f64) -> Result<i64> {
    let (year, month, day) = date;
    let shown = format!("{year}-{month:02}-{day:02} {hour}:{minute:02}:{}", seconds(second));
    let error = |_| SqlError::new(b"22008", format!("timestamp out of range: {shown}"));
    let days = match make_date(year, month, day) {
        Err(refusal) if refusal.message.starts_with("date out of range") => return Err(error(refusal)),
        days => days?,
    };
    timestamp(local(days, make_time(hour, minute, second)?)).map_err(error)
}

/// `make_timestamptz(year, month, day, hour, minute, second)` in a zone.
///
/// # Errors
/// 22008 if there is no such moment.
pub fn make_timestamptz(date: (i32, i32, i32), hour: i32, minute: i32, second: f64, zone: &Zone) -> Result<i64> {
    zone.to_moment(make_timestamp(date, hour, minute, second)?)
}

/// `make_interval(years, months, weeks, days, hours, minutes, seconds)`.
///
/// # Errors
/// 22008 if it does not fit.
pub fn make_interval(parts: [i32; 6], seconds: f64) -> Result<Interval> {
    if !seconds.is_finite() {
        return Err(interval_out_of_range());
    }
    let mut sum = Sum::default();
    let units = [Unit::Year, Unit::Month, Unit::Week, Unit::Day, Unit::Hour, Unit::Minute];
    for (part, unit) in parts.into_iter().zip(units) {
        sum.add(unit, i64::from(part), 0.0);
    }
    let micros = (seconds * SECOND as f64).round_ties_even() as i128;
    sum.micros = sum.micros.checked_add(micros).ok_or_else(interval_out_of_range)?;
    sum.finish(false).ok_or_else(interval_out_of_range)
}

/// `to_timestamp(seconds since 1970)`.
///
/// # Errors
/// 22008 out of range.
pub fn to_timestamp(seconds: f64) -> Result<i64> {
    if seconds.is_nan() {
        return Err(SqlError::new(b"22008", "timestamp cannot be NaN"));
    }
    if seconds.is_infinite() {
        return Ok(if seconds > 0.0 { INFINITY } else { NEGATIVE_INFINITY });
    }
    let error = || {
        let mut text = String::new();
        crate::float::write_f64(seconds, &mut text);
        SqlError::new(b"22008", format!("timestamp out of range: \"{text}\""))
    };
    if seconds.abs() > 1e13 {
        return Err(error());
    }
    // Rounded as PostgreSQL rounds: from its epoch.
    let epoch = super::EPOCH_2000 * 86_400;
    let micros = ((seconds - epoch as f64) * 1e6).round_ties_even() as i128 + i128::from(epoch * SECOND);
    timestamp(micros).map_err(|_| error())
}

//! `date_trunc` and `date_bin`.

use super::civil::{Civil, weekday};
use super::field;
use super::{DAY, HOUR, MINUTE, SECOND, Zone, is_infinite, split_day, timestamp};
use crate::{Interval, Result, SqlError, Type};

/// Units that a moment can be cut to, and a few that PostgreSQL knows but does not cut to.
fn canonical(field: &str) -> Option<&'static str> {
    field::canonical(field).filter(|unit| !matches!(*unit, "dow" | "doy" | "isodow" | "isoyear" | "julian" | "epoch"))
}

fn refuse(field: &str, ty: &Type) -> SqlError {
    let field = field.to_ascii_lowercase();
    match canonical(&field) {
        None => SqlError::new(b"22023", format!("unit \"{field}\" not recognized for type {ty}")),
        Some(_) => SqlError::new(b"0A000", format!("unit \"{field}\" not supported for type {ty}")),
    }
}

/// `date_trunc(field, timestamp)`.
///
/// # Errors
/// 22023 for an unknown field, 0A000 for one that cannot be cut to, 22008 out of range.
pub fn truncate_timestamp(field: &str, micros: i64) -> Result<i64> {
    truncate(field, micros, &Type::Timestamp)
}

fn truncate(field: &str, micros: i64, ty: &Type) -> Result<i64> {
    // As PostgreSQL: of an infinity nobody asks what it is cut to.
    if is_infinite(micros) {
        return Ok(micros);
    }
    let unit = canonical(field).ok_or_else(|| refuse(field, ty))?;
    let cut = |length: i64| micros - micros.rem_euclid(length);
    let (days, _) = split_day(micros);
    let date = Civil::of(days);
    let first = |year: i64, month: u32| Ok(Civil { year, month, day: 1 }.days());
    let days = match unit {
        "microseconds" => return Ok(micros),
        "milliseconds" => return Ok(cut(1000)),
        "second" => return Ok(cut(SECOND)),
        "minute" => return Ok(cut(MINUTE)),
        "hour" => return Ok(cut(HOUR)),
        "day" => Ok(days),
        "week" => Ok(days - i64::from((weekday(days) + 6) % 7)),
        "month" => first(date.year, date.month),
        "quarter" => first(date.year, (date.month - 1) / 3 * 3 + 1),
        "year" => first(date.year, 1),
        "decade" => first(decade(date.year), 1),
        "century" => first(first_year(date.year, 100), 1),
        "millennium" => first(first_year(date.year, 1000), 1),
        _ => Err(refuse(field, ty)),
    }?;
    timestamp(i128::from(days) * i128::from(DAY))
}

/// The first year of a century or millennium, which begin with year 1.
fn first_year(year: i64, length: i64) -> i64 {
    if year > 0 { (year - 1) / length * length + 1 } else { -((length - 1 - (year - 1)) / length) * length + 1 }
}

/// The first year of a decade; before Christ they go by the year's number.
fn decade(year: i64) -> i64 {
    if year > 0 { year / 10 * 10 } else { -((8 - (year - 1)) / 10) * 10 }
}

/// `date_trunc(field, timestamptz)` in the session's zone.
///
/// # Errors
/// As [`truncate_timestamp`].
pub fn truncate_timestamptz(field: &str, micros: i64, zone: &Zone) -> Result<i64> {
    if is_infinite(micros) {
        return truncate(field, micros, &Type::TimestampTz);
    }
    let offset = zone.offset_at(micros);
    let local = truncate(field, zone.to_local(micros)?, &Type::TimestampTz)?;
    // Hours and less keep the offset: an hour that clocks show twice is not moved into the other.
    let keep = matches!(canonical(field), Some("hour" | "minute" | "second" | "milliseconds" | "microseconds"));
    if keep { timestamp(i128::from(local) - i128::from(offset) * i128::from(SECOND)) } else { zone.to_moment(local) }
}

/// `date_trunc(field, timestamptz, zone)`.
///
/// # Errors
/// As [`truncate_timestamp`].
pub fn truncate_timestamptz_in(field: &str, micros: i64, zone: &Zone) -> Result<i64> {
    truncate_timestamptz(field, micros, &zone.as_calendar())
}

/// `date_trunc(field, interval)`.
///
/// # Errors
/// As [`truncate_timestamp`].
pub fn truncate_interval(field: &str, interval: Interval) -> Result<Interval> {
    let unit = canonical(field).ok_or_else(|| refuse(field, &Type::Interval))?;
    let Interval { months, days, micros } = interval;
    let to_months = |length: i32| Interval { months: months / length * length, days: 0, micros: 0 };
    let to_time = |length: i64| Interval { months, days, micros: micros / length * length };
    Ok(match unit {
        "millennium" => to_months(12_000),
        "century" => to_months(1200),
        "decade" => to_months(120),
        "year" => to_months(12),
        "quarter" => to_months(3),
        "month" => to_months(1),
        "day" => Interval { months, days, micros: 0 },
        "hour" => to_time(HOUR),
        "minute" => to_time(MINUTE),
        "second" => to_time(SECOND),
        "milliseconds" => to_time(1000),
        "microseconds" => interval,
        "week" => {
            return Err(refuse(field, &Type::Interval).detail("Months usually have fractional weeks."));
        }
        _ => return Err(refuse(field, &Type::Interval)),
    })
}

/// `date_bin(stride, timestamp, origin)`.
///
/// # Errors
/// 0A000 for a stride of months, 22008 for one that is not positive or a result out of range.
pub fn bin(stride: Interval, micros: i64, origin: i64) -> Result<i64> {
    if is_infinite(micros) {
        return Ok(micros);
    }
    if is_infinite(origin) {
        return Err(SqlError::new(b"22008", "origin out of range"));
    }
    if stride.months != 0 {
        let message = "timestamps cannot be binned into intervals containing months or years";
        return Err(SqlError::new(b"0A000", message));
    }
    let length = i128::from(stride.days) * i128::from(DAY) + i128::from(stride.micros);
    if length <= 0 {
        return Err(SqlError::new(b"22008", "stride must be greater than zero"));
    }
    let since = i128::from(micros) - i128::from(origin);
    timestamp(i128::from(origin) + since.div_euclid(length) * length)
}

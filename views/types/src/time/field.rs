//! `extract` and `date_part`: one part of a date or time.

use super::civil::{Civil, Clock, weekday};
use super::{DAY, FIRST_DAY, HOUR, INFINITY, MINUTE, NEGATIVE_INFINITY, SECOND, Zone, is_infinite, split_day};
use crate::numeric::NumericBuf;
use crate::{Interval, Result, SqlError, TimeTz, Type};

/// What a part is: a number and, for `date_part`, the same as a float.
#[derive(Debug, Clone, PartialEq)]
pub enum Extracted {
    /// Of a whole number, or one with the digits that PostgreSQL shows.
    Number(NumericBuf),
    /// A part that an infinite date does not have.
    Null,
}

impl Extracted {
    fn scaled(value: i128, scale: u16) -> Result<Extracted> {
        Ok(Extracted::Number(NumericBuf::Small(value, scale)))
    }
}

fn unknown(field: &str, ty: &Type) -> SqlError {
    let field = field.to_ascii_lowercase();
    // Words of dates that are no parts of them.
    let words = ["now", "today", "tomorrow", "yesterday", "infinity", "-infinity", "allballs"];
    if words.contains(&field.as_str()) && !matches!(ty, Type::Interval | Type::Time | Type::TimeTz) {
        return unsupported(&field, ty);
    }
    SqlError::new(b"22023", format!("unit \"{field}\" not recognized for type {ty}"))
}

fn unsupported(field: &str, ty: &Type) -> SqlError {
    SqlError::new(b"0A000", format!("unit \"{}\" not supported for type {ty}", field.to_ascii_lowercase()))
}

/// Every spelling of a unit as one.
pub(super) fn canonical(field: &str) -> Option<&'static str> {
    let lower = field.to_ascii_lowercase();
    let exact = [
        "quarter",
        "week",
        "dow",
        "doy",
        "isodow",
        "isoyear",
        "julian",
        "epoch",
        "timezone",
        "timezone_hour",
        "timezone_minute",
        "decade",
        "century",
        "millennium",
    ];
    if let Some(known) = exact.into_iter().find(|known| *known == lower) {
        return Some(known);
    }
    Some(match lower.as_str() {
        "us" | "usec" | "usecs" | "usecond" | "useconds" | "microsecond" | "microseconds" => "microseconds",
        "ms" | "msec" | "msecs" | "msecond" | "mseconds" | "millisecond" | "milliseconds" => "milliseconds",
        "s" | "sec" | "secs" | "second" | "seconds" => "second",
        "m" | "min" | "mins" | "minute" | "minutes" => "minute",
        "h" | "hr" | "hrs" | "hour" | "hours" => "hour",
        "d" | "day" | "days" => "day",
        "w" | "weeks" => "week",
        "qtr" => "quarter",
        "mon" | "mons" | "month" | "months" => "month",
        "y" | "yr" | "yrs" | "year" | "years" => "year",
        "dec" | "decs" | "decades" => "decade",
        "c" | "cent" | "centuries" => "century",
        "mil" | "mils" | "millennia" => "millennium",
        "timezone_h" => "timezone_hour",
        "timezone_m" => "timezone_minute",
        "j" | "jd" => "julian",
        _ => return None,
    })
}

/// Parts of a day of the calendar.
fn of_date(field: &str, date: Civil) -> Option<i64> {
    let year = date.year;
    // Centuries and millennia begin with year 1, to either side.
    let counted =
        |length: i64| if year > 0 { (year + length - 1) / length } else { -((length - 1 - (year - 1)) / length) };
    Some(match field {
        "day" => i64::from(date.day),
        "month" => i64::from(date.month),
        "quarter" => i64::from((date.month - 1) / 3 + 1),
        "year" => display_year(year),
        "decade" => year.div_euclid(10),
        "century" => counted(100),
        "millennium" => counted(1000),
        "week" => date.iso_week().1,
        "isoyear" => display_year(date.iso_week().0),
        "dow" => i64::from(weekday(date.days())),
        "isodow" => i64::from((weekday(date.days()) + 6) % 7 + 1),
        "doy" => date.day_of_year(),
        _ => return None,
    })
}

/// There is no year 0: it is 1 BC, -1.
fn display_year(year: i64) -> i64 {
    if year > 0 { year } else { year - 1 }
}

/// Parts of a time of day; seconds keep their fraction.
fn of_clock(field: &str, micros: i64) -> Option<(i128, u16)> {
    let clock = Clock::of(micros);
    let seconds = i128::from(clock.second * SECOND + clock.micros);
    Some(match field {
        "microseconds" => (seconds, 0),
        "milliseconds" => (seconds, 3),
        "second" => (seconds, 6),
        "minute" => (clock.minute.into(), 0),
        "hour" => (clock.hour.into(), 0),
        _ => return None,
    })
}

/// What a part of an infinite date is: infinite where it grows with the date, else not known.
fn of_infinity(field: &str, infinity: i64) -> Option<Extracted> {
    match field {
        "year" | "decade" | "century" | "millennium" | "julian" | "isoyear" | "epoch" => {
            Some(Extracted::Number(if infinity == INFINITY {
                NumericBuf::Infinity
            } else {
                NumericBuf::NegativeInfinity
            }))
        }
        "microseconds" | "milliseconds" | "second" | "minute" | "hour" | "day" | "month" | "quarter" | "week"
        | "dow" | "isodow" | "doy" | "timezone" | "timezone_hour" | "timezone_minute" => Some(Extracted::Null),
        _ => None,
    }
}

/// `extract(field from date)`.
///
/// # Errors
/// 22023 for an unknown field, 0A000 for one that dates lack.
pub fn extract_date(field: &str, days: i64) -> Result<Extracted> {
    let unit = canonical(field).ok_or_else(|| unknown(field, &Type::Date))?;
    let clock =
        matches!(unit, "microseconds" | "milliseconds" | "second" | "minute" | "hour") || unit.starts_with("timezone");
    if clock {
        return Err(unsupported(field, &Type::Date));
    }
    if days == INFINITY || days == NEGATIVE_INFINITY {
        return of_infinity(unit, days).ok_or_else(|| unknown(field, &Type::Date));
    }
    match unit {
        "epoch" => Extracted::scaled(i128::from(days) * 86_400, 0),
        "julian" => Extracted::scaled((days - FIRST_DAY).into(), 0),
        _ => of_date(unit, Civil::of(days))
            .map(|value| Extracted::Number(NumericBuf::Small(value.into(), 0)))
            .ok_or_else(|| unknown(field, &Type::Date)),
    }
}

/// `extract(field from timestamp)`.
///
/// # Errors
/// 22023 for an unknown field, 0A000 for one that timestamps lack.
pub fn extract_timestamp(field: &str, micros: i64) -> Result<Extracted> {
    of_moment(field, micros, micros, None, &Type::Timestamp)
}

/// `extract(field from timestamptz)`, as its date and time are in `zone`.
///
/// # Errors
/// As [`extract_timestamp`].
pub fn extract_timestamptz(field: &str, micros: i64, zone: &Zone) -> Result<Extracted> {
    let offset = if is_infinite(micros) { 0 } else { zone.offset_at(micros) };
    let local = if is_infinite(micros) { micros } else { micros + i64::from(offset) * SECOND };
    of_moment(field, micros, local, Some(offset), &Type::TimestampTz)
}

fn of_moment(field: &str, micros: i64, local: i64, offset: Option<i32>, ty: &Type) -> Result<Extracted> {
    let unit = canonical(field).ok_or_else(|| unknown(field, ty))?;
    if unit.starts_with("timezone") && offset.is_none() && !is_infinite(micros) {
        return Err(unsupported(field, ty));
    }
    if is_infinite(micros) {
        return of_infinity(unit, micros).ok_or_else(|| unknown(field, ty));
    }
    let (days, of_day) = split_day(local);
    if let Some((value, scale)) = of_clock(unit, of_day) {
        return Extracted::scaled(value, scale);
    }
    if let Some(value) = of_date(unit, Civil::of(days)) {
        return Extracted::scaled(value.into(), 0);
    }
    match (unit, offset) {
        ("epoch", _) => Extracted::scaled(micros.into(), 6),
        ("julian", _) => julian(days, of_day),
        (_, Some(offset)) => Extracted::scaled(of_offset(unit, offset).into(), 0),
        _ => Err(unsupported(field, ty)),
    }
}

/// The Julian day, with the time of day as a fraction.
fn julian(days: i64, of_day: i64) -> Result<Extracted> {
    let (day, time, length) = (days - FIRST_DAY, of_day, DAY);
    let fraction = crate::Numeric::integer(time).div(crate::Numeric::integer(length))?;
    fraction.add(crate::Numeric::integer(day)).map(Extracted::Number)
}

fn of_offset(unit: &str, offset: i32) -> i32 {
    match unit {
        "timezone_hour" => offset / 3600,
        "timezone_minute" => offset / 60 % 60,
        _ => offset,
    }
}

/// `extract(field from time)`.
///
/// # Errors
/// As [`extract_timestamp`].
pub fn extract_time(field: &str, micros: i64) -> Result<Extracted> {
    let unit = canonical(field).ok_or_else(|| unknown(field, &Type::Time))?;
    match of_clock(unit, micros) {
        Some((value, scale)) => Extracted::scaled(value, scale),
        None if unit == "epoch" => Extracted::scaled(micros.into(), 6),
        None => Err(unsupported(field, &Type::Time)),
    }
}

/// `extract(field from timetz)`.
///
/// # Errors
/// As [`extract_timestamp`].
pub fn extract_timetz(field: &str, time: TimeTz) -> Result<Extracted> {
    let unit = canonical(field).ok_or_else(|| unknown(field, &Type::TimeTz))?;
    match of_clock(unit, time.micros) {
        Some((value, scale)) => Extracted::scaled(value, scale),
        None if unit == "epoch" => Extracted::scaled((time.micros - i64::from(time.offset) * SECOND).into(), 6),
        None if unit.starts_with("timezone") => Extracted::scaled(of_offset(unit, time.offset).into(), 0),
        None => Err(unsupported(field, &Type::TimeTz)),
    }
}

/// `extract(field from interval)`.
///
/// # Errors
/// As [`extract_timestamp`].
pub fn extract_interval(field: &str, interval: Interval) -> Result<Extracted> {
    let unit = canonical(field).ok_or_else(|| unknown(field, &Type::Interval))?;
    let Interval { months, days, micros } = interval;
    let whole = |value: i64| Extracted::scaled(value.into(), 0);
    let seconds = i128::from(micros % MINUTE);
    match unit {
        "microseconds" => Extracted::scaled(seconds, 0),
        "milliseconds" => Extracted::scaled(seconds, 3),
        "second" => Extracted::scaled(seconds, 6),
        "minute" => whole(micros / MINUTE % 60),
        "hour" => whole(micros / HOUR),
        "day" => whole(days.into()),
        "month" => whole((months % 12).into()),
        "quarter" => whole((months % 12 / 3 + 1).into()),
        "year" => whole((months / 12).into()),
        "decade" => whole((months / 120).into()),
        "century" => whole((months / 1200).into()),
        "millennium" => whole((months / 12_000).into()),
        "epoch" => {
            // A year has 365.25 days here, a month 30.
            let quarters = i128::from(months / 12) * 1461 + i128::from(months % 12) * 120 + i128::from(days) * 4;
            Extracted::scaled(quarters * i128::from(DAY / 4) + i128::from(micros), 6)
        }
        _ => Err(unsupported(field, &Type::Interval)),
    }
}

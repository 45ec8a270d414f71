//! Text in: intervals, in PostgreSQL's words (`1 year 2 days 03:04:05 ago`), SQL's (`1-2 3 4:05`) and ISO 8601's (`P1Y2DT3H`).

use super::decode::{Failure, clock_parts};
use super::interval::Sum;
use super::tokens::{Kind, fields};
use super::{HOUR, MINUTE, SECOND};
use crate::{ColumnType, Interval, Result, SqlError, Type};

/// What a number counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Microsecond,
    Millisecond,
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Year,
    Decade,
    Century,
    Millennium,
}

#[rustfmt::skip]
const UNITS: &[(Unit, &[&str])] = &[
    (Unit::Microsecond, &["us", "usec", "usecs", "usecond", "useconds", "microsecon", "microsecond", "microseconds"]),
    (Unit::Millisecond, &["ms", "msec", "msecs", "msecond", "mseconds", "millisecon", "millisecond", "milliseconds"]),
    (Unit::Second, &["s", "sec", "secs", "second", "seconds"]),
    (Unit::Minute, &["m", "min", "mins", "minute", "minutes"]),
    (Unit::Hour, &["h", "hr", "hrs", "hour", "hours"]),
    (Unit::Day, &["d", "day", "days"]),
    (Unit::Week, &["w", "week", "weeks"]),
    (Unit::Month, &["mon", "mons", "month", "months"]),
    (Unit::Year, &["y", "yr", "yrs", "year", "years"]),
    (Unit::Decade, &["dec", "decs", "decade", "decades"]),
    (Unit::Century, &["c", "cent", "century", "centuries"]),
    (Unit::Millennium, &["mil", "mils", "millennia", "millennium"]),
];

pub(super) fn unit(word: &str) -> Option<Unit> {
    UNITS.iter().find(|(_, names)| names.contains(&word)).map(|(unit, _)| *unit)
}

/// The interval that `text` shows, in a column of type `ty`, whose fields say what a bare number counts.
///
/// # Errors
/// 22007 if it shows none, 22015 and 22008 if it is out of range.
pub fn parse_interval(text: &str, ty: &ColumnType) -> Result<Interval> {
    debug_assert_eq!(ty.ty, Type::Interval);
    let failure = match words(text, ty) {
        Ok(interval) => return Ok(interval),
        Err(Failure::Format) => match iso(text) {
            Ok(interval) => return Ok(interval),
            Err(failure) => failure,
        },
        Err(failure) => failure,
    };
    Err(match failure {
        Failure::Field | Failure::MonthDay => {
            SqlError::new(b"22015", format!("interval field value out of range: \"{text}\""))
        }
        Failure::Displacement => SqlError::new(b"22008", "interval out of range"),
        Failure::Format | Failure::Zone(_) => {
            SqlError::new(b"22007", format!("invalid input syntax for type interval: \"{text}\""))
        }
    })
}

/// The unit of the last number if none is named.
fn last_unit(ty: &ColumnType) -> Unit {
    match ty.interval_fields() {
        Some("year") => Unit::Year,
        Some("month" | "year to month") => Unit::Month,
        Some("day") => Unit::Day,
        Some("hour" | "day to hour") => Unit::Hour,
        Some("minute" | "hour to minute" | "day to minute") => Unit::Minute,
        _ => Unit::Second,
    }
}

/// From the last field to the first, so that a unit is known before its number.
fn words(text: &str, ty: &ColumnType) -> Result<Interval, Failure> {
    let fields = fields(text).ok_or(Failure::Format)?;
    let mut sum = Sum::default();
    let mut unit_ahead: Option<Unit> = None;
    let mut seen = 0_u32;
    let mut ago = false;
    for field in fields.iter().rev() {
        let text = field.text.as_str();
        let new = match field.kind {
            Kind::Time => {
                let new = time_of_day(text, 1, ty, &mut sum)?;
                unit_ahead = Some(Unit::Day);
                new
            }
            Kind::Offset if text.contains(':') => {
                let sign = if text.starts_with('-') { -1 } else { 1 };
                let new = time_of_day(&text[1..], sign, ty, &mut sum)?;
                unit_ahead = Some(Unit::Day);
                new
            }
            Kind::Offset | Kind::Date | Kind::Number => {
                let unit = unit_ahead.unwrap_or_else(|| last_unit(ty));
                let (unit, new) = number(text, unit, &mut sum)?;
                unit_ahead = Some(unit);
                new
            }
            Kind::Word | Kind::Signed => {
                if text == "ago" {
                    ago = true;
                } else {
                    unit_ahead = Some(unit(text).ok_or(Failure::Format)?);
                }
                continue;
            }
        };
        if seen & new != 0 {
            return Err(Failure::Format);
        }
        seen |= new;
    }
    if seen == 0 {
        return Err(Failure::Format);
    }
    sum.finish(ago).ok_or(Failure::Displacement)
}

fn bit(unit: Unit) -> u32 {
    1 << unit as u32
}

/// `h:mm`, `h:mm:ss`, `mm:ss.fff`; with fields minute to second, two numbers are minutes and seconds.
fn time_of_day(text: &str, sign: i64, ty: &ColumnType, sum: &mut Sum) -> Result<u32, Failure> {
    let (mut hour, mut minute, mut second, micros) = clock_parts(text)?;
    if ty.interval_fields() == Some("minute to second") && text.matches(':').count() == 1 && !text.contains('.') {
        (hour, minute, second) = (0, hour, minute);
    }
    let total = i128::from(hour) * i128::from(HOUR) + i128::from(minute * MINUTE + second * SECOND + micros);
    sum.micros += total * i128::from(sign);
    Ok(bit(Unit::Hour) | bit(Unit::Minute) | bit(Unit::Second) | bit(Unit::Millisecond) | bit(Unit::Microsecond))
}

/// A number of `unit`, or SQL's years-months.
fn number(text: &str, unit: Unit, sum: &mut Sum) -> Result<(Unit, u32), Failure> {
    let negative = text.starts_with('-');
    let start = usize::from(text.starts_with(['-', '+']));
    let digits = text[start..].bytes().take_while(u8::is_ascii_digit).count();
    let (whole, rest) = text[start..].split_at(digits);
    let value = if whole.is_empty() { 0 } else { whole.parse::<i64>().map_err(|_| Failure::Field)? };
    let sign = if negative { -1 } else { 1 };
    if let Some(months) = rest.strip_prefix('-') {
        let months: i64 = months.parse().map_err(|_| Failure::Format)?;
        if whole.is_empty() {
            return Err(Failure::Format);
        }
        if !(0..12).contains(&months) {
            return Err(Failure::Field);
        }
        sum.months += i128::from(sign) * (i128::from(value) * 12 + i128::from(months));
        return Ok((Unit::Month, bit(Unit::Month)));
    }
    let fraction = match rest.strip_prefix('.') {
        Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => {
            format!("0.{digits}0").parse::<f64>().map_err(|_| Failure::Format)? * f64::from(sign as i32)
        }
        None if rest.is_empty() && !whole.is_empty() => 0.0,
        _ => return Err(Failure::Format),
    };
    if i32::try_from(value).is_err()
        && !matches!(unit, Unit::Microsecond | Unit::Millisecond | Unit::Second | Unit::Minute | Unit::Hour)
    {
        return Err(Failure::Field);
    }
    sum.add(unit, sign * value, fraction);
    let new = match unit {
        Unit::Second if fraction != 0.0 => bit(Unit::Second) | bit(Unit::Millisecond) | bit(Unit::Microsecond),
        unit => bit(unit),
    };
    Ok((unit, new))
}

/// ISO 8601: `P1Y2M3DT4H5M6S`, `P1W`, `P0001-02-03T04:05:06`.
fn iso(text: &str) -> Result<Interval, Failure> {
    let mut rest = text.strip_prefix('P').filter(|rest| !rest.is_empty()).ok_or(Failure::Format)?;
    let mut sum = Sum::default();
    let mut in_time = false;
    let mut any = false;
    while !rest.is_empty() {
        if let Some(tail) = rest.strip_prefix('T') {
            if in_time {
                return Err(Failure::Format);
            }
            in_time = true;
            rest = tail;
            continue;
        }
        let end = rest
            .char_indices()
            .find(|(i, c)| !(c.is_ascii_digit() || *c == '.' || *i == 0 && (*c == '-' || *c == '+')))
            .map_or(rest.len(), |(i, _)| i);
        let (number, tail) = rest.split_at(end);
        if !any && (tail.starts_with('-') || in_time && tail.starts_with(':'))
            || !any && tail.is_empty() && number.len() >= 8
        {
            return alternative(text);
        }
        let unit = match (tail.bytes().next(), in_time) {
            (Some(b'Y'), false) => Unit::Year,
            (Some(b'M'), false) => Unit::Month,
            (Some(b'W'), false) => Unit::Week,
            (Some(b'D'), false) => Unit::Day,
            (Some(b'H'), true) => Unit::Hour,
            (Some(b'M'), true) => Unit::Minute,
            (Some(b'S'), true) => Unit::Second,
            _ => return Err(Failure::Format),
        };
        let (value, fraction) = iso_number(number)?;
        sum.add(unit, value, fraction);
        any = true;
        rest = &tail[1..];
    }
    if any { sum.finish(false).ok_or(Failure::Displacement) } else { Err(Failure::Format) }
}

fn iso_number(text: &str) -> Result<(i64, f64), Failure> {
    let value: f64 = text.parse().map_err(|_| Failure::Format)?;
    let whole = value.trunc();
    if whole.abs() > f64::from(i32::MAX) {
        return Err(Failure::Field);
    }
    Ok((whole as i64, value - whole))
}

/// `P0001-02-03T04:05:06`, `P00010203T040506`.
fn alternative(text: &str) -> Result<Interval, Failure> {
    let body = &text[1..];
    let (date, time) = body.split_once('T').unwrap_or((body, ""));
    let mut sum = Sum::default();
    let number = |text: &str| text.parse::<i64>().map_err(|_| Failure::Format);
    let date: Vec<&str> = match date.split('-').collect::<Vec<_>>().as_slice() {
        [""] => Vec::new(),
        [run] if run.len() == 8 => vec![&run[..4], &run[4..6], &run[6..]],
        parts => parts.to_vec(),
    };
    for (part, unit) in date.into_iter().zip([Unit::Year, Unit::Month, Unit::Day]) {
        sum.add(unit, number(part)?, 0.0);
    }
    let run = time.len() >= 6 && !time.contains(':');
    let time: Vec<&str> = match time {
        "" => Vec::new(),
        time if run => vec![&time[..2], &time[2..4], &time[4..]],
        time => time.split(':').collect(),
    };
    for (part, unit) in time.into_iter().zip([Unit::Hour, Unit::Minute, Unit::Second]) {
        let (value, fraction) = iso_number(part)?;
        sum.add(unit, value, fraction);
    }
    sum.finish(false).ok_or(Failure::Displacement)
}

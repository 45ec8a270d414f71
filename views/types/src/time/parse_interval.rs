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
                // Before hours come days.
                unit_ahead = Some(if unit == Unit::Hour { Unit::Day } else { unit });
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
    if i64::try_from(sum.micros).is_err() || i32::try_from(sum.days).is_err() {
        return Err(Failure::Field);
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
    if i64::try_from(total).is_err() {
        return Err(Failure::Field);
    }
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

/// ISO 8601: `P1Y2M3DT4H5M6S`, `P1W`; or `P0001-02-03T04:05:06`, `P00010203T040506`, whose last parts may lack.
fn iso(text: &str) -> Result<Interval, Failure> {
    let body = text.strip_prefix('P').filter(|body| !body.is_empty()).ok_or(Failure::Format)?;
    let (date, time) = match body.split_once('T') {
        Some((date, time)) => (date, Some(time)),
        None => (body, None),
    };
    let mut sum = Sum::default();
    const DATE: [(char, Unit); 4] = [('Y', Unit::Year), ('M', Unit::Month), ('W', Unit::Week), ('D', Unit::Day)];
    const TIME: [(char, Unit); 3] = [('H', Unit::Hour), ('M', Unit::Minute), ('S', Unit::Second)];
    iso_part(date, &DATE, '-', 8, &[Unit::Year, Unit::Month, Unit::Day], &mut sum)?;
    iso_part(time.unwrap_or(""), &TIME, ':', 6, &[Unit::Hour, Unit::Minute, Unit::Second], &mut sum)?;
    sum.finish(false).ok_or(Failure::Displacement)
}

/// Numbers with letters; else numbers with `separator` between; else one number of `width` digits.
fn iso_part(
    text: &str,
    letters: &[(char, Unit)],
    separator: char,
    width: usize,
    places: &[Unit],
    sum: &mut Sum,
) -> Result<(), Failure> {
    if text.is_empty() {
        return Ok(());
    }
    if text.ends_with(|c: char| c.is_ascii_alphabetic()) {
        for part in text.split_inclusive(|c: char| c.is_ascii_alphabetic()) {
            let (number, letter) = part.split_at(part.len() - 1);
            let unit = letters.iter().find(|(known, _)| letter.starts_with(*known)).ok_or(Failure::Format)?.1;
            let (value, fraction) = iso_number(number)?;
            sum.add(unit, value, fraction);
        }
        return Ok(());
    }
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    if digits == width {
        let (day, tail) = (&text[width - 2..digits], &text[digits..]);
        sum.add(places[0], iso_number(&text[..width - 4])?.0, 0.0);
        sum.add(places[1], iso_number(&text[width - 4..width - 2])?.0, 0.0);
        let (value, fraction) = iso_number(&format!("{day}{tail}"))?;
        sum.add(places[2], value, fraction);
        return Ok(());
    }
    // A sign may stand before the first number.
    let start = usize::from(text.starts_with(separator));
    let mut parts: Vec<&str> = text[start..].split(separator).collect();
    parts[0] = &text[..start + parts[0].len()];
    if parts.len() > places.len() {
        return Err(Failure::Format);
    }
    for (part, unit) in parts.into_iter().zip(places) {
        let (value, fraction) = iso_number(part)?;
        sum.add(*unit, value, fraction);
    }
    Ok(())
}

fn iso_number(text: &str) -> Result<(i64, f64), Failure> {
    let value: f64 = text.parse().map_err(|_| Failure::Format)?;
    let whole = value.trunc();
    if whole.abs() > f64::from(i32::MAX) || !text.ends_with(|c: char| c.is_ascii_digit() || c == '.') {
        return Err(if value.is_finite() { Failure::Field } else { Failure::Format });
    }
    Ok((whole as i64, value - whole))
}

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
        Failure::Format | Failure::Zone(_) | Failure::Moment(_) => {
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
    // After "ago" a number needs a unit of its own.
    let mut unit_missing = false;
    for field in fields.iter().rev() {
        let text = field.text.as_str();
        let new = match field.kind {
            Kind::Time => {
                let new = time_of_day(text, 1, ty, &mut sum)?;
                unit_ahead = Some(Unit::Day);
                unit_missing = false;
                new
            }
            Kind::Offset if text.contains(':') => {
                let sign = if text.starts_with('-') { -1 } else { 1 };
                let new = time_of_day(&text[1..], sign, ty, &mut sum)?;
                unit_ahead = Some(Unit::Day);
                unit_missing = false;
                new
            }
            Kind::Offset | Kind::Date | Kind::Number => {
                let unit = if unit_missing { None } else { Some(unit_ahead.unwrap_or_else(|| last_unit(ty))) };
                unit_missing = false;
                let (unit, new) = number(text, unit, &mut sum)?;
                // Before hours come days.
                unit_ahead = Some(if unit == Unit::Hour { Unit::Day } else { unit });
                new
            }
            Kind::Word | Kind::Signed => {
                unit_missing = text == "ago";
                if unit_missing {
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
    let minutes_first = ty.interval_fields() == Some("minute to second");
    let (hour, minute, second, micros) = clock_parts(text, minutes_first)?;
    let total = i128::from(hour) * i128::from(HOUR) + i128::from(minute * MINUTE + second * SECOND + micros);
    if i64::try_from(total).is_err() {
        return Err(Failure::Field);
    }
    // What fractions of units after it came to is forgotten, as in PostgreSQL.
    sum.micros = total * i128::from(sign);
    Ok(bit(Unit::Hour) | bit(Unit::Minute) | bit(Unit::Second) | bit(Unit::Millisecond) | bit(Unit::Microsecond))
}

/// A number of `unit`, or SQL's years-months.
fn number(text: &str, unit: Option<Unit>, sum: &mut Sum) -> Result<(Unit, u32), Failure> {
    let negative = text.starts_with('-');
    let start = usize::from(text.starts_with(['-', '+']));
    let digits = text[start..].bytes().take_while(u8::is_ascii_digit).count();
    let (whole, rest) = text[start..].split_at(digits);
    let value = if whole.is_empty() { 0 } else { whole.parse::<i64>().map_err(|_| Failure::Field)? };
    let sign = if negative { -1 } else { 1 };
    if let Some(months) = rest.strip_prefix('-') {
        let months: i64 = if months.is_empty() { 0 } else { months.parse().map_err(|_| Failure::Format)? };
        if whole.is_empty() {
            return Err(Failure::Format);
        }
        if !(0..12).contains(&months) {
            return Err(Failure::Field);
        }
        sum.months += i128::from(sign) * (i128::from(value) * 12 + i128::from(months));
        return Ok((Unit::Month, bit(Unit::Month)));
    }
    let unit = unit.ok_or(Failure::Format)?;
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
    let mut rest = text.strip_prefix('P').filter(|rest| !rest.is_empty()).ok_or(Failure::Format)?;
    let mut sum = Sum::default();
    let mut in_time = false;
    // Whether this part has a number with a letter.
    let mut lettered = false;
    while !rest.is_empty() {
        if let Some(tail) = rest.strip_prefix('T') {
            (in_time, lettered, rest) = (true, false, tail);
            continue;
        }
        let (places, separator, width, letters) = if in_time {
            ([Unit::Hour, Unit::Minute, Unit::Second], ':', 6, "H M S")
        } else {
            ([Unit::Year, Unit::Month, Unit::Day], '-', 8, "Y M D W")
        };
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, tail) = iso_number(rest)?;
        let letter = tail.chars().next();
        let place = letter.and_then(|letter| letters.split(' ').position(|known| known.starts_with(letter)));
        if let Some(place) = place {
            sum.add(places.get(place).copied().unwrap_or(Unit::Week), number.0, number.1);
            (lettered, rest) = (true, &tail[1..]);
            continue;
        }
        let ends = tail.is_empty() || !in_time && tail.starts_with('T');
        if ends && digits == width && !lettered {
            iso_digits(number.0, number.1, places, &mut sum);
            rest = tail;
        } else if !lettered && (ends || tail.starts_with(separator)) {
            rest = iso_separated(rest, separator, places, &mut sum)?;
            if !rest.is_empty() && (in_time || !rest.starts_with('T')) {
                return Err(Failure::Format);
            }
        } else {
            return Err(Failure::Format);
        }
    }
    sum.finish(false).ok_or(Failure::Displacement)
}

/// `yyyymmdd` or `hhmmss` as one number.
fn iso_digits(number: i64, fraction: f64, places: [Unit; 3], sum: &mut Sum) {
    sum.add(places[0], number / 10_000, 0.0);
    sum.add(places[1], number / 100 % 100, 0.0);
    sum.add(places[2], number % 100, fraction);
}

/// Up to three numbers with `separator` between; gives what follows them.
fn iso_separated<'t>(text: &'t str, separator: char, places: [Unit; 3], sum: &mut Sum) -> Result<&'t str, Failure> {
    let mut rest = text;
    for (i, unit) in places.into_iter().enumerate() {
        let ((value, fraction), tail) = iso_number(rest)?;
        sum.add(unit, value, fraction);
        rest = tail;
        match rest.strip_prefix(separator) {
            Some(tail) if i < 2 => rest = tail,
            _ => break,
        }
    }
    Ok(rest)
}

/// A number as C reads it, whole and fraction, and what follows it.
fn iso_number(text: &str) -> Result<((i64, f64), &str), Failure> {
    let bytes = text.as_bytes();
    let run = |mut at: usize| {
        while bytes.get(at).is_some_and(u8::is_ascii_digit) {
            at += 1;
        }
        at
    };
    let start = usize::from(text.starts_with('-'));
    let mut end = run(start);
    let mut digits = end - start;
    if bytes.get(end) == Some(&b'.') {
        let fraction = run(end + 1);
        digits += fraction - end - 1;
        end = fraction;
    }
    if digits == 0 {
        return Err(Failure::Format);
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        let exponent = run(end + 1 + sign);
        end = if exponent > end + 1 + sign { exponent } else { end };
    }
    let value: f64 = text[..end].parse().map_err(|_| Failure::Format)?;
    let whole = value.trunc();
    if whole.abs() > f64::from(i32::MAX) {
        return Err(Failure::Field);
    }
    Ok(((whole as i64, value - whole), &text[end..]))
}

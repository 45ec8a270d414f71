//! to_char, to_timestamp, to_date, to_number (<https://www.postgresql.org/docs/15/functions-formatting.html>).

use std::sync::Arc;

use tidewater_types::time::{Civil, Clock, DAY, Zone, is_infinite, split_day};
use tidewater_types::{Datum, Numeric, NumericBuf, Result, SqlError};

use crate::call::{Call, check_size};
use crate::formatting::{self, Moment, NumberFormat, Template};
use crate::table::Table;

pub(super) fn register(t: &mut Table) {
    t.family("Formatting");
    t.add("stable to_char(timestamp, text) -> text -- By a format.", |c| timestamp(c, c.int(0)?, None));
    t.add("stable to_char(timestamptz, text) -> text", |c| {
        let zone = &c.env.session.settings.time_zone;
        timestamp(c, c.int(0)?, Some(zone))
    });
    t.add("stable to_char(interval, text) -> text", interval);
    t.add("stable to_char(int4, text) -> text\nstable to_char(int8, text) -> text", integer);
    t.add("stable to_char(numeric, text) -> text", |c| numeric(c, c.numeric(0)?));
    t.add("stable to_char(float8, text) -> text", |c| float(c, 15));
    t.add("stable to_char(float4, text) -> text", |c| float(c, 6));
    t.add("stable to_number(text, text) -> numeric -- From a text by a format.", to_number);
    t.add("stable to_timestamp(text, text) -> timestamptz -- From a text by a format.", |c| {
        let read = formatting::read(&*template(c)?, c.text(0)?)?;
        let local = i128::from(read.date.days()) * i128::from(DAY) + i128::from(read.clock.since_midnight());
        let micros = match read.offset {
            Some(offset) => tidewater_types::time::timestamp(local - i128::from(offset) * 1_000_000)?,
            None => c.env.session.settings.time_zone.to_moment(tidewater_types::time::timestamp(local)?)?,
        };
        Ok(Datum::Int(micros))
    });
    t.add("stable to_date(text, text) -> date -- From a text by a format.", |c| {
        let text = c.text(0)?;
        let read = formatting::read(&*template(c)?, text)?;
        tidewater_types::time::date(read.date.days().into())
            .map(Datum::Int)
            .map_err(|_| SqlError::new(b"22008", format!("date out of range: \"{text}\"")))
    });
}

fn template(c: &Call<'_, '_>) -> Result<Arc<Template>> {
    let format = c.text(1)?;
    c.cached(&[format.as_bytes()], || Ok(Template::parse(format)))
}

fn number_format(c: &Call<'_, '_>) -> Result<Arc<NumberFormat>> {
    let format = c.text(1)?;
    c.cached(&[format.as_bytes()], || NumberFormat::parse(format))
}

fn finish<'a>(c: &Call<'a, '_>, moment: &Moment) -> Result<Datum<'a>> {
    let format = c.text(1)?;
    check_size(format.len().saturating_mul(12))?;
    c.new_text(&formatting::write(&*template(c)?, moment)?)
}

fn timestamp<'a>(c: &Call<'a, '_>, micros: i64, zone: Option<&Zone>) -> Result<Datum<'a>> {
    if is_infinite(micros) || c.text(1)?.is_empty() {
        return Ok(Datum::Null);
    }
    let local = zone.map_or(Ok(micros), |zone| zone.to_local(micros))?;
    let (days, of_day) = split_day(local);
    let (date, clock) = (Civil::of(days), Clock::of(of_day));
    let moment = Moment {
        year: date.year,
        month: date.month.into(),
        day: date.day.into(),
        hour: clock.hour,
        minute: clock.minute,
        second: clock.second,
        micros: clock.micros,
        day_of_year: date.day_of_year(),
        offset: zone.map_or(0, |zone| zone.offset_at(micros).into()),
        zone: zone.map(|zone| zone.abbreviation_at(micros)),
        is_interval: false,
    };
    finish(c, &moment)
}

fn interval<'a>(c: &Call<'a, '_>) -> Result<Datum<'a>> {
    if c.text(1)?.is_empty() {
        return Ok(Datum::Null);
    }
    let interval = c.interval(0)?;
    let clock = Clock::of(interval.micros);
    let (year, month, day) =
        (i64::from(interval.months / 12), i64::from(interval.months % 12), i64::from(interval.days));
    let moment = Moment {
        year,
        month,
        day,
        hour: clock.hour,
        minute: clock.minute,
        second: clock.second,
        micros: clock.micros,
        day_of_year: (year * 12 + month) * 30 + day,
        is_interval: true,
        ..Moment::default()
    };
    finish(c, &moment)
}

fn out_of_range() -> SqlError {
    SqlError::new(b"22003", "integer out of range")
}

/// A whole number: its digits are exact.
fn integer<'a>(c: &Call<'a, '_>) -> Result<Datum<'a>> {
    let format = number_format(c)?;
    let value = c.int(0)?;
    if format.roman {
        return c.new_text(&format.write_roman(Some(value))?);
    }
    if format.exponent {
        if i32::try_from(value).is_err() || *c.ty(0) == tidewater_types::Type::Int8 {
            return numeric(c, Numeric::integer(value));
        }
        return c.new_text(&exponent(value as f64, format.after));
    }
    let mut shifted = format.as_ref().clone();
    let mut value = i128::from(value);
    if format.has_shift {
        let limit = if *c.ty(0) == tidewater_types::Type::Int8 { i128::from(i64::MAX) } else { i128::from(i32::MAX) };
        let scale =
            10_i128.checked_pow(format.shift as u32).filter(|scale| *scale <= limit).ok_or_else(out_of_range)?;
        value = value.checked_mul(scale).filter(|value| value.abs() <= limit).ok_or_else(out_of_range)?;
        shifted.before += format.shift;
    }
    let mut digits = value.unsigned_abs().to_string();
    if format.after > 0 {
        digits.push('.');
        digits.extend(std::iter::repeat_n('0', format.after));
    }
    c.new_text(&shifted.write(&digits, value < 0)?)
}

fn numeric<'a>(c: &Call<'a, '_>, value: Numeric<'_>) -> Result<Datum<'a>> {
    let format = number_format(c)?;
    if format.roman {
        return c.new_text(&format.write_roman(Some(value.to_integer::<i32>("integer")?.into()))?);
    }
    if format.exponent {
        if value.scale().is_none() {
            return c.new_text(&format.no_number());
        }
        let text = scientific(value, format.after)?;
        return c.new_text(&if text.starts_with('-') { text } else { format!(" {text}") });
    }
    let mut shifted = format.as_ref().clone();
    let mut value = value.to_buf();
    if format.has_shift {
        let ten = Numeric::integer(10).power(Numeric::integer(format.shift as i64))?;
        value = value.borrow(&mut Vec::new()).mul(ten.borrow(&mut Vec::new()))?;
        shifted.before += format.shift;
    }
    let rounded = value.borrow(&mut Vec::new()).round(format.after as i32)?.to_string();
    let (digits, negative) = rounded.strip_prefix('-').map_or((rounded.as_str(), false), |digits| (digits, true));
    c.new_text(&shifted.write(digits, negative)?)
}

/// A number with one digit before the point and an exponent of at least two.
fn scientific(value: Numeric<'_>, after: usize) -> Result<String> {
    let text = value.abs().to_string();
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let point = text.find('.').unwrap_or(text.len()) as i64;
    let first = digits.find(|digit| digit != '0');
    // Zero has the exponent that its digits after the point say: none.
    let power = first.map_or(0, |first| point - 1 - first as i64);
    let scale = i32::try_from(after as i64 - power).map_err(|_| out_of_range())?;
    let rounded = value.abs().borrow(&mut Vec::new()).round(scale)?.to_string();
    let mut shown: String =
        rounded.chars().filter(char::is_ascii_digit).collect::<String>().trim_start_matches('0').to_owned();
    // Where rounding carries to one more digit, the power stays that of the digits before.
    let carried = first.is_some() && power_of(&rounded) > power;
    let first = if carried { 2 } else { 1 };
    while shown.len() < after + first {
        shown.push('0');
    }
    shown.truncate(after + first);
    let sign = if value.signum() < 0 { "-" } else { "" };
    let fraction = if after > 0 { format!(".{}", &shown[first..]) } else { String::new() };
    let mark = if power < 0 { '-' } else { '+' };
    Ok(format!("{sign}{}{fraction}e{mark}{:02}", &shown[..first], power.abs()))
}

/// The power of ten of a number's first digit that is no zero.
fn power_of(text: &str) -> i64 {
    let point = text.find('.').unwrap_or(text.len()) as i64;
    let first = text.chars().filter(char::is_ascii_digit).position(|digit| digit != '0').unwrap_or(0);
    point - 1 - first as i64
}

/// A float as `%+.*e` writes it, with a blank for the plus.
fn exponent(value: f64, after: usize) -> String {
    let text = format!("{value:.after$e}");
    let (mantissa, power) = text.split_once('e').unwrap_or((&text, "0"));
    let power: i32 = power.parse().unwrap_or(0);
    let blank = if value.is_sign_negative() { "" } else { " " };
    let sign = if power < 0 { '-' } else { '+' };
    format!("{blank}{mantissa}e{sign}{:02}", power.abs())
}

fn float<'a>(c: &Call<'a, '_>, precision: usize) -> Result<Datum<'a>> {
    let format = number_format(c)?;
    let value = c.float(0)?;
    if format.roman {
        let rounded = value.round_ties_even();
        let fits = (f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(&rounded);
        return c.new_text(&format.write_roman(fits.then_some(rounded as i64))?);
    }
    if format.exponent {
        let text = if value.is_finite() { exponent(value, format.after) } else { format.no_number() };
        return c.new_text(&text);
    }
    let mut shifted = format.as_ref().clone();
    let mut value = value;
    if format.has_shift {
        value *= 10_f64.powi(format.shift as i32);
        if precision == 6 {
            value = f64::from(value as f32);
        }
        shifted.before += format.shift;
    }
    if !value.is_finite() {
        let text = if value.is_nan() { "NaN" } else { "Infinity" };
        return c.new_text(&shifted.write(text, value < 0.0)?);
    }
    // No more digits than the type holds.
    let whole = format!("{:.0}", value.abs()).len();
    if whole >= precision {
        shifted.after = 0;
    } else if whole + shifted.after > precision {
        shifted.after = precision - whole;
    }
    let digits = format!("{:.*}", shifted.after, value.abs());
    c.new_text(&shifted.write(&digits, value.is_sign_negative())?)
}

fn to_number<'a>(c: &Call<'a, '_>) -> Result<Datum<'a>> {
    let format = number_format(c)?;
    if c.text(1)?.is_empty() {
        return Ok(Datum::Null);
    }
    let (digits, after) = format.read(c.text(0)?)?;
    let value = NumericBuf::parse(&digits)?;
    let precision = format.before + format.shift + after;
    let modifier = tidewater_types::NumericModifier { precision: precision as u16, scale: after as i16 };
    let mut value = value.borrow(&mut Vec::new()).apply(modifier)?;
    if format.has_shift {
        let ten = Numeric::integer(10).power(Numeric::integer(-(format.shift as i64)))?;
        value = value.borrow(&mut Vec::new()).mul(ten.borrow(&mut Vec::new()))?;
    }
    Ok(Datum::Numeric(value.into_scratch(c.scratch)))
}

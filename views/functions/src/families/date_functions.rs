//! Dates, times and intervals: functions (<https://www.postgresql.org/docs/15/functions-datetime.html>).

use std::sync::Arc;

use tidewater_types::time::{self, DAY, Extracted, Zone, is_infinite};
use tidewater_types::{Datum, Interval, Result, SqlError};

use super::dates::timetz;
use crate::call::Call;
use crate::table::Table;

pub(super) fn register(t: &mut Table) {
    t.family("Date and time");
    fields(t);
    // An infinity has no units, not even wrong ones.
    t.add("date_trunc(text, timestamp) -> timestamp -- Cut to a unit.", |c| {
        if is_infinite(c.int(1)?) {
            return Ok(c.args[1]);
        }
        Ok(Datum::Int(time::truncate_timestamp(c.text(0)?, c.int(1)?)?))
    });
    t.add("stable date_trunc(text, timestamptz) -> timestamptz", |c| {
        if is_infinite(c.int(1)?) {
            return Ok(c.args[1]);
        }
        Ok(Datum::Int(time::truncate_timestamptz(c.text(0)?, c.int(1)?, &c.env.session.settings.time_zone)?))
    });
    t.add("stable date_trunc(text, timestamptz, text) -> timestamptz", |c| {
        if is_infinite(c.int(1)?) {
            return Ok(c.args[1]);
        }
        Ok(Datum::Int(time::truncate_timestamptz_in(c.text(0)?, c.int(1)?, &*zone(c, 2)?)?))
    });
    t.add("date_trunc(text, interval) -> interval", |c| {
        Ok(Datum::Interval(time::truncate_interval(c.text(0)?, c.interval(1)?)?))
    });
    t.add(
        "
        date_bin(interval, timestamp, timestamp) -> timestamp -- Cut to an interval that begins at the third.
        date_bin(interval, timestamptz, timestamptz) -> timestamptz
        ",
        |c| Ok(Datum::Int(time::bin(c.interval(0)?, c.int(1)?, c.int(2)?)?)),
    );
    t.add("age(timestamp, timestamp) -> interval -- The time between, in years, months and days.", |c| {
        Ok(Datum::Interval(time::age(c.int(0)?, c.int(1)?)?))
    });
    t.add("age(timestamptz, timestamptz) -> interval", |c| {
        let zone = &c.env.session.settings.time_zone;
        Ok(Datum::Interval(time::age(zone.to_local(c.int(0)?)?, zone.to_local(c.int(1)?)?)?))
    });
    t.add("stable age(timestamp) -> interval -- The time up to the beginning of today.", |c| {
        Ok(Datum::Interval(time::age(today(c)?, c.int(0)?)?))
    });
    t.add("stable age(timestamptz) -> interval", |c| {
        let zone = &c.env.session.settings.time_zone;
        Ok(Datum::Interval(time::age(today(c)?, zone.to_local(c.int(0)?)?)?))
    });
    t.add("isfinite(date) -> bool -- Whether it is none of the infinities.\nisfinite(timestamp) -> bool\nisfinite(timestamptz) -> bool", |c| {
        Ok(Datum::Bool(!is_infinite(c.int(0)?)))
    });
    t.add("isfinite(interval) -> bool", |_| Ok(Datum::Bool(true)));
    t.add("justify_days(interval) -> interval -- 30 days become a month.", |c| {
        Ok(Datum::Interval(c.interval(0)?.justify_days()?))
    });
    t.add("justify_hours(interval) -> interval -- 24 hours become a day.", |c| {
        Ok(Datum::Interval(c.interval(0)?.justify_hours()?))
    });
    t.add("justify_interval(interval) -> interval -- Both, with one sign.", |c| {
        Ok(Datum::Interval(c.interval(0)?.justify()?))
    });
    makers(t);
    zones(t);
    overlaps(t);
}

fn today(c: &Call<'_, '_>) -> Result<i64> {
    let settings = &c.env.session.settings;
    let local = settings.time_zone.to_local(settings.moment()?)?;
    Ok(local.div_euclid(DAY) * DAY)
}

fn fields(t: &mut Table) {
    t.add("extract(text, date) -> numeric -- A part: year, month, dow, epoch …", |c| {
        number(c, time::extract_date(c.text(0)?, c.int(1)?))
    });
    t.add("extract(text, timestamp) -> numeric", |c| number(c, time::extract_timestamp(c.text(0)?, c.int(1)?)));
    t.add("stable extract(text, timestamptz) -> numeric", |c| number(c, zoned(c)));
    t.add("extract(text, time) -> numeric", |c| number(c, time::extract_time(c.text(0)?, c.int(1)?)));
    t.add("extract(text, timetz) -> numeric", |c| number(c, time::extract_timetz(c.text(0)?, timetz(c, 1)?)));
    t.add("extract(text, interval) -> numeric", |c| number(c, time::extract_interval(c.text(0)?, c.interval(1)?)));
    // A date's part is that of its midnight.
    t.add("date_part(text, date) -> float8 -- A part: year, month, dow, epoch …", |c| {
        float(time::extract_timestamp(c.text(0)?, super::dates::date_start(c.int(1)?)?))
    });
    t.add("date_part(text, timestamp) -> float8", |c| float(time::extract_timestamp(c.text(0)?, c.int(1)?)));
    t.add("stable date_part(text, timestamptz) -> float8", |c| float(zoned(c)));
    t.add("date_part(text, time) -> float8", |c| float(time::extract_time(c.text(0)?, c.int(1)?)));
    t.add("date_part(text, timetz) -> float8", |c| float(time::extract_timetz(c.text(0)?, timetz(c, 1)?)));
    t.add("date_part(text, interval) -> float8", |c| float(time::extract_interval(c.text(0)?, c.interval(1)?)));
}

fn zoned(c: &Call<'_, '_>) -> Result<Extracted> {
    time::extract_timestamptz(c.text(0)?, c.int(1)?, &c.env.session.settings.time_zone)
}

fn number<'a>(c: &Call<'a, '_>, part: Result<Extracted>) -> Result<Datum<'a>> {
    match part? {
        Extracted::Number(value) => Ok(Datum::Numeric(value.into_scratch(c.scratch))),
        Extracted::Null => Ok(Datum::Null),
    }
}

fn float<'a>(part: Result<Extracted>) -> Result<Datum<'a>> {
    match part? {
        Extracted::Number(value) => Ok(Datum::Float(value.borrow(&mut Vec::new()).to_f64())),
        Extracted::Null => Ok(Datum::Null),
    }
}

fn makers(t: &mut Table) {
    t.add("make_date(year int4, month int4, day int4) -> date -- Of its parts.", |c| {
        Ok(Datum::Int(time::make_date(part(c, 0)?, part(c, 1)?, part(c, 2)?)?))
    });
    t.add("make_time(hour int4, min int4, sec float8) -> time -- Of its parts.", |c| {
        Ok(Datum::Int(time::make_time(part(c, 0)?, part(c, 1)?, c.float(2)?)?))
    });
    t.add("make_timestamp(year int4, month int4, mday int4, hour int4, min int4, sec float8) -> timestamp -- Of its parts.", |c| {
        let date = (part(c, 0)?, part(c, 1)?, part(c, 2)?);
        Ok(Datum::Int(time::make_timestamp(date, part(c, 3)?, part(c, 4)?, c.float(5)?)?))
    });
    t.add(
        "
        stable make_timestamptz(year int4, month int4, mday int4, hour int4, min int4, sec float8) -> timestamptz -- Of its parts.
        stable make_timestamptz(year int4, month int4, mday int4, hour int4, min int4, sec float8, timezone text) -> timestamptz
        ",
        |c| {
            let date = (part(c, 0)?, part(c, 1)?, part(c, 2)?);
            let local = time::make_timestamp(date, part(c, 3)?, part(c, 4)?, c.float(5)?)?;
            let moment = if c.count() > 6 {
                zone(c, 6)?.to_moment(local)?
            } else {
                c.env.session.settings.time_zone.to_moment(local)?
            };
            Ok(Datum::Int(moment))
        },
    );
    t.add("make_interval(years int4 = 0, months int4 = 0, weeks int4 = 0, days int4 = 0, hours int4 = 0, mins int4 = 0, secs float8 = 0.0) -> interval -- Of its parts.", |c| {
        let parts = [part(c, 0)?, part(c, 1)?, part(c, 2)?, part(c, 3)?, part(c, 4)?, part(c, 5)?];
        Ok(Datum::Interval(time::make_interval(parts, c.float(6)?)?))
    });
    t.add("to_timestamp(float8) -> timestamptz -- Of seconds since 1970.", |c| {
        Ok(Datum::Int(time::to_timestamp(c.float(0)?)?))
    });
}

fn part(c: &Call<'_, '_>, i: usize) -> Result<i32> {
    i32::try_from(c.int(i)?).map_err(|_| SqlError::new(b"22003", "integer out of range"))
}

fn zones(t: &mut Table) {
    t.add("timezone(text, timestamp) -> timestamptz -- AT TIME ZONE: the moment of a local time; the local time of a moment.", |c| {
        at_zone(c, time::timestamp_at_zone)
    });
    t.add("timezone(text, timestamptz) -> timestamp", |c| at_zone(c, time::timestamptz_at_zone));
    t.add("timezone(interval, timestamp) -> timestamptz", |c| at_zone(c, time::timestamp_at_zone));
    t.add("timezone(interval, timestamptz) -> timestamp", |c| at_zone(c, time::timestamptz_at_zone));
    t.add("stable timezone(text, timetz) -> timetz\ntimezone(interval, timetz) -> timetz", |c| {
        Ok(Datum::TimeTz(time::time_at_zone(timetz(c, 1)?, &*zone(c, 0)?, c.env.session.settings.moment()?)))
    });
}

/// The zone that argument `i` says; found once as long as it is the same.
fn zone(c: &Call<'_, '_>, i: usize) -> Result<Arc<Zone>> {
    if let Datum::Interval(offset) = c.args[i] {
        return Zone::of_interval(offset).map(Arc::new);
    }
    let name = c.text(i)?;
    c.cached(&[name.as_bytes()], || Zone::parse(name))
}

fn at_zone<'a>(c: &Call<'a, '_>, shift: fn(i64, &Zone) -> Result<i64>) -> Result<Datum<'a>> {
    // The infinities are the same in every zone, even in none.
    if is_infinite(c.int(1)?) { Ok(c.args[1]) } else { shift(c.int(1)?, &*zone(c, 0)?).map(Datum::Int) }
}

fn overlaps(t: &mut Table) {
    t.add(
        "
        null overlaps(timestamp, timestamp, timestamp, timestamp) -> bool -- Whether two spans have a moment in common.
        null overlaps(timestamptz, timestamptz, timestamptz, timestamptz) -> bool
        null overlaps(time, time, time, time) -> bool
        null overlaps(timetz, timetz, timetz, timetz) -> bool
        null overlaps(timestamp, interval, timestamp, interval) -> bool
        null overlaps(timestamp, interval, timestamp, timestamp) -> bool
        null overlaps(timestamp, timestamp, timestamp, interval) -> bool
        null overlaps(time, interval, time, interval) -> bool
        null overlaps(time, interval, time, time) -> bool
        null overlaps(time, time, time, interval) -> bool
        stable null overlaps(timestamptz, interval, timestamptz, interval) -> bool
        stable null overlaps(timestamptz, interval, timestamptz, timestamptz) -> bool
        stable null overlaps(timestamptz, timestamptz, timestamptz, interval) -> bool
        ",
        |c| {
            let (a, b) = (end(c, 0)?, end(c, 2)?);
            Ok(overlap(c, (c.args[0], a), (c.args[2], b)).map_or(Datum::Null, Datum::Bool))
        },
    );
}

/// A span's end: its second value, or so much after its first.
fn end<'a>(c: &Call<'a, '_>, i: usize) -> Result<Datum<'a>> {
    let Datum::Interval(length) = c.args[i + 1] else {
        return Ok(c.args[i + 1]);
    };
    let Datum::Int(start) = c.args[i] else {
        return Ok(Datum::Null);
    };
    Ok(Datum::Int(match c.ty(i) {
        tidewater_types::Type::Time => time::add_to_time(start, Interval { months: 0, days: 0, ..length }),
        tidewater_types::Type::TimestampTz => {
            time::add_to_timestamptz(start, length, &c.env.session.settings.time_zone)?
        }
        _ => time::add_to_timestamp(start, length)?,
    }))
}

/// SQL's rule, with NULLs: unknown only where the NULL could matter.
fn overlap<'a>(c: &Call<'a, '_>, a: (Datum<'a>, Datum<'a>), b: (Datum<'a>, Datum<'a>)) -> Option<bool> {
    let ty = c.ty(0);
    let order = |a: &Datum<'_>, b: &Datum<'_>| tidewater_types::compare(ty, a, b);
    // Each span's lesser value first; a NULL one second.
    let sorted = |span: (Datum<'a>, Datum<'a>)| match (span.0.is_null(), span.1.is_null()) {
        (true, true) => None,
        (true, false) => Some((span.1, Datum::Null)),
        (false, true) => Some((span.0, Datum::Null)),
        (false, false) if order(&span.0, &span.1).is_gt() => Some((span.1, span.0)),
        _ => Some(span),
    };
    let (a, b) = (sorted(a)?, sorted(b)?);
    let (first, second) = match order(&a.0, &b.0) {
        std::cmp::Ordering::Equal => return if a.1.is_null() || b.1.is_null() { None } else { Some(true) },
        std::cmp::Ordering::Less => (a, b),
        std::cmp::Ordering::Greater => (b, a),
    };
    if first.1.is_null() {
        return None;
    }
    if order(&second.0, &first.1).is_lt() {
        return Some(true);
    }
    if second.1.is_null() { None } else { Some(false) }
}

//! Dates, times and intervals: operators (<https://www.postgresql.org/docs/15/functions-datetime.html>).

use tidewater_types::time::{self, DAY, is_infinite};
use tidewater_types::{Datum, Interval, Result, TimeTz};

use crate::call::Call;
use crate::table::Table;

pub(super) fn register(t: &mut Table) {
    t.family("Date and time");
    t.operator("+(date, int4) -> date -- So many days later.", |c| {
        Ok(Datum::Int(time::add_to_date(c.int(0)?, c.int(1)?)?))
    });
    t.operator("+(int4, date) -> date", |c| Ok(Datum::Int(time::add_to_date(c.int(1)?, c.int(0)?)?)));
    t.operator("-(date, int4) -> date -- So many days earlier.", |c| {
        Ok(Datum::Int(time::add_to_date(c.int(0)?, -c.int(1)?)?))
    });
    t.operator("-(date, date) -> int4 -- Days between.", |c| {
        Ok(Datum::Int(time::date_difference(c.int(0)?, c.int(1)?)?))
    });
    t.operator("+(date, time) -> timestamp -- The day at the time.", |c| Ok(Datum::Int(at(c.int(0)?, c.int(1)?)?)));
    t.operator("+(time, date) -> timestamp", |c| Ok(Datum::Int(at(c.int(1)?, c.int(0)?)?)));
    t.operator("+(date, timetz) -> timestamptz", |c| at_zone(c.int(0)?, c.args[1]));
    t.operator("+(timetz, date) -> timestamptz", |c| at_zone(c.int(1)?, c.args[0]));
    t.add("timestamp(date, time) -> timestamp -- The day at the time.", |c| Ok(Datum::Int(at(c.int(0)?, c.int(1)?)?)));
    t.add("timestamptz(date, timetz) -> timestamptz -- The day at the time.", |c| at_zone(c.int(0)?, c.args[1]));
    t.add("stable timestamptz(date, time) -> timestamptz", |c| {
        Ok(Datum::Int(c.env.session.settings.time_zone.to_moment(at(c.int(0)?, c.int(1)?)?)?))
    });
    shifts(t);
    intervals(t);
}

fn shifts(t: &mut Table) {
    t.operator("+(date, interval) -> timestamp -- So much later.", |c| after(date_start(c.int(0)?)?, c.interval(1)?));
    t.operator("+(interval, date) -> timestamp", |c| after(date_start(c.int(1)?)?, c.interval(0)?));
    t.operator("-(date, interval) -> timestamp -- So much earlier.", |c| {
        before(date_start(c.int(0)?)?, c.interval(1)?)
    });
    t.operator("+(timestamp, interval) -> timestamp", |c| after(c.int(0)?, c.interval(1)?));
    t.operator("+(interval, timestamp) -> timestamp", |c| after(c.int(1)?, c.interval(0)?));
    t.operator("-(timestamp, interval) -> timestamp", |c| before(c.int(0)?, c.interval(1)?));
    t.operator("stable +(timestamptz, interval) -> timestamptz", |c| zoned(c, c.int(0)?, c.interval(1)?));
    t.operator("stable +(interval, timestamptz) -> timestamptz", |c| zoned(c, c.int(1)?, c.interval(0)?));
    t.operator("stable -(timestamptz, interval) -> timestamptz", |c| zoned(c, c.int(0)?, c.interval(1)?.neg()?));
    t.operator(
        "-(timestamp, timestamp) -> interval -- The time between.\n-(timestamptz, timestamptz) -> interval",
        |c| Ok(Datum::Interval(time::timestamp_difference(c.int(0)?, c.int(1)?)?)),
    );
    t.operator("+(time, interval) -> time -- So much later, around the clock.", |c| {
        Ok(Datum::Int(time::add_to_time(c.int(0)?, c.interval(1)?)))
    });
    t.operator("+(interval, time) -> time", |c| Ok(Datum::Int(time::add_to_time(c.int(1)?, c.interval(0)?))));
    t.operator("-(time, interval) -> time", |c| {
        Ok(Datum::Int(time::add_to_time(c.int(0)?, clock_only(c.interval(1)?))))
    });
    t.operator("-(time, time) -> interval", |c| {
        Ok(Datum::Interval(Interval { months: 0, days: 0, micros: c.int(0)? - c.int(1)? }))
    });
    t.operator("+(timetz, interval) -> timetz", |c| {
        Ok(Datum::TimeTz(time::add_to_timetz(timetz(c, 0)?, c.interval(1)?)))
    });
    t.operator("+(interval, timetz) -> timetz", |c| {
        Ok(Datum::TimeTz(time::add_to_timetz(timetz(c, 1)?, c.interval(0)?)))
    });
    t.operator("-(timetz, interval) -> timetz", |c| {
        Ok(Datum::TimeTz(time::add_to_timetz(timetz(c, 0)?, clock_only(c.interval(1)?))))
    });
}

fn intervals(t: &mut Table) {
    t.operator("+(interval, interval) -> interval -- Sum.", |c| {
        Ok(Datum::Interval(c.interval(0)?.add(c.interval(1)?)?))
    });
    t.operator("-(interval, interval) -> interval -- Difference.", |c| {
        Ok(Datum::Interval(c.interval(0)?.sub(c.interval(1)?)?))
    });
    t.operator("-(interval) -> interval -- With the other sign.", |c| Ok(Datum::Interval(c.interval(0)?.neg()?)));
    t.operator("*(interval, float8) -> interval -- So many times.", |c| {
        Ok(Datum::Interval(c.interval(0)?.mul(c.float(1)?)?))
    });
    t.operator("*(float8, interval) -> interval", |c| Ok(Datum::Interval(c.interval(1)?.mul(c.float(0)?)?)));
    t.operator("/(interval, float8) -> interval -- A part.", |c| Ok(Datum::Interval(c.interval(0)?.div(c.float(1)?)?)));
}

/// The time part, turned: of the others a time of day takes nothing.
fn clock_only(interval: Interval) -> Interval {
    Interval { months: 0, days: 0, micros: -(interval.micros % DAY) }
}

pub(super) fn timetz(c: &Call<'_, '_>, i: usize) -> Result<TimeTz> {
    match c.args[i] {
        Datum::TimeTz(value) => Ok(value),
        _ => c.int(i).map(|micros| TimeTz { micros, offset: 0 }),
    }
}

/// A date's first moment, as a timestamp.
pub(super) fn date_start(days: i64) -> Result<i64> {
    if is_infinite(days) {
        return Ok(days);
    }
    time::timestamp(i128::from(days) * i128::from(DAY))
        .map_err(|_| tidewater_types::SqlError::new(b"22008", "date out of range for timestamp"))
}

fn at(days: i64, micros: i64) -> Result<i64> {
    let start = date_start(days)?;
    if is_infinite(start) { Ok(start) } else { time::timestamp(i128::from(start) + i128::from(micros)) }
}

fn at_zone<'a>(days: i64, of_day: Datum<'_>) -> Result<Datum<'a>> {
    let start = date_start(days)?;
    match of_day {
        Datum::TimeTz(time) if !is_infinite(start) => {
            let utc = i128::from(start) + i128::from(time.micros) - i128::from(time.offset) * 1_000_000;
            time::timestamp(utc).map(Datum::Int)
        }
        _ => Ok(Datum::Int(start)),
    }
}

fn after<'a>(micros: i64, interval: Interval) -> Result<Datum<'a>> {
    time::add_to_timestamp(micros, interval).map(Datum::Int)
}

fn before<'a>(micros: i64, interval: Interval) -> Result<Datum<'a>> {
    after(micros, interval.neg()?)
}

fn zoned<'a>(c: &Call<'a, '_>, micros: i64, interval: Interval) -> Result<Datum<'a>> {
    time::add_to_timestamptz(micros, interval, &c.env.session.settings.time_zone).map(Datum::Int)
}

//! generate_series (<https://www.postgresql.org/docs/15/functions-srf.html>).

use tidewater_types::time::{self, Zone};
use tidewater_types::{Datum, Interval, Numeric, Result};

use crate::call::{Call, invalid};
use crate::rows::RowSource;
use crate::table::Table;

pub(super) fn register(t: &mut Table) {
    t.family("Set-returning functions");
    t.rows(
        "
        generate_series(int4, int4) -> setof int4 -- From the first to the second, in steps of one or of the third.
        generate_series(int4, int4, int4) -> setof int4
        generate_series(int8, int8) -> setof int8
        generate_series(int8, int8, int8) -> setof int8
        ",
        integers,
    );
    t.rows("generate_series(numeric, numeric) -> setof numeric\ngenerate_series(numeric, numeric, numeric) -> setof numeric", numerics);
    t.rows("generate_series(timestamp, timestamp, interval) -> setof timestamp", |c| moments(c, None));
    t.rows("stable generate_series(timestamptz, timestamptz, interval) -> setof timestamptz", |c| {
        moments(c, Some(c.env.session.settings.time_zone.clone()))
    });
}

fn integers<'a>(c: &Call<'a, '_>) -> Result<RowSource<'a>> {
    let (start, end) = (c.int(0)?, c.int(1)?);
    let step = if c.count() > 2 { c.int(2)? } else { 1 };
    if step == 0 {
        return Err(invalid("step size cannot equal zero"));
    }
    let mut next = Some(start);
    Ok(RowSource::new(move |row| {
        let Some(value) = next.filter(|value| if step > 0 { *value <= end } else { *value >= end }) else {
            return Ok(false);
        };
        row.push(Datum::Int(value));
        // A series that would go beyond the type's range ends there.
        next = value.checked_add(step);
        Ok(true)
    }))
}

fn numerics<'a>(c: &Call<'a, '_>) -> Result<RowSource<'a>> {
    let (start, end) = (c.numeric(0)?, c.numeric(1)?);
    let step = if c.count() > 2 { c.numeric(2)? } else { Numeric::integer(1) };
    for (value, name) in [(start, "start"), (end, "stop"), (step, "step size")] {
        if value.is_nan() {
            return Err(invalid(format!("{name}{} cannot be NaN", if name == "step size" { "" } else { " value" })));
        }
        if value.scale().is_none() {
            return Err(invalid(format!(
                "{name}{} cannot be infinity",
                if name == "step size" { "" } else { " value" }
            )));
        }
    }
    let up = step.signum() > 0;
    if step.signum() == 0 {
        return Err(invalid("step size cannot equal zero"));
    }
    let mut next = start.to_buf();
    let scratch = c.scratch;
    Ok(RowSource::new(move |row| {
        let value = next.into_scratch(scratch);
        if if up { value > end } else { value < end } {
            return Ok(false);
        }
        row.push(Datum::Numeric(value));
        next = value.add(step)?;
        Ok(true)
    }))
}

fn moments<'a>(c: &Call<'a, '_>, zone: Option<Zone>) -> Result<RowSource<'a>> {
    let (start, end, step) = (c.int(0)?, c.int(1)?, c.interval(2)?);
    let direction = step.compare(Interval::default());
    if direction.is_eq() {
        return Err(invalid("step size cannot equal zero"));
    }
    let mut next = start;
    Ok(RowSource::new(move |row| {
        if if direction.is_gt() { next > end } else { next < end } {
            return Ok(false);
        }
        row.push(Datum::Int(next));
        next = match &zone {
            Some(zone) => time::add_to_timestamptz(next, step, zone)?,
            None => time::add_to_timestamp(next, step)?,
        };
        Ok(true)
    }))
}

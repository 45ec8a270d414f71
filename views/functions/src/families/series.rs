//! generate_series (<https://www.postgresql.org/docs/15/functions-srf.html>).

use tidewater_types::{Datum, Result, SqlError};

use crate::call::Call;
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
}

fn integers<'a>(c: &Call<'a, '_>) -> Result<RowSource<'a>> {
    let (start, end) = (c.int(0)?, c.int(1)?);
    let step = if c.count() > 2 { c.int(2)? } else { 1 };
    if step == 0 {
        return Err(SqlError::new(b"22023", "step size cannot equal zero"));
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

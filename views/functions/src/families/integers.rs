//! Arithmetic of integers (<https://www.postgresql.org/docs/15/functions-math.html>).

use tidewater_types::{Datum, Result, SqlError, Type};

use crate::call::Call;
use crate::table::Table;

pub(super) fn register(t: &mut Table) {
    t.family("Mathematics");
    t.operator(
        "
        +(int2, int2) -> int2 -- Sum.
        +(int4, int4) -> int4
        +(int8, int8) -> int8
        +(int2, int4) -> int4
        +(int4, int2) -> int4
        +(int2, int8) -> int8
        +(int8, int2) -> int8
        +(int4, int8) -> int8
        +(int8, int4) -> int8
        ",
        |c| fit(c, c.int(0)?.checked_add(c.int(1)?)),
    );
}

/// The value, if the result's type has it.
fn fit<'a>(c: &Call<'a, '_>, value: Option<i64>) -> Result<Datum<'a>> {
    let (name, fits) = match c.env.result.ty {
        Type::Int2 => ("smallint", value.is_some_and(|value| i16::try_from(value).is_ok())),
        Type::Int4 => ("integer", value.is_some_and(|value| i32::try_from(value).is_ok())),
        _ => ("bigint", value.is_some()),
    };
    match value {
        Some(value) if fits => Ok(Datum::Int(value)),
        _ => Err(SqlError::new(b"22003", format!("{name} out of range"))),
    }
}

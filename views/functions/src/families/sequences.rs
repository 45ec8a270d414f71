//! Numbers of sequences (<https://www.postgresql.org/docs/15/functions-sequence.html>).

use tidewater_types::{Datum, Result, SqlError, Type};

use super::catalog::{info, oid_of};
use crate::actions::Actions;
use crate::call::Call;
use crate::table::Table;

pub(super) fn register(t: &mut Table) {
    t.family("Sequences");
    t.add("volatile nextval(regclass) -> int8 -- The next number of a sequence.", |c| {
        Ok(Datum::Int(actions(c)?.next_value(sequence(c)?)?))
    });
    t.add("volatile currval(regclass) -> int8 -- The number that the session took last.", |c| {
        Ok(Datum::Int(actions(c)?.own_value(sequence(c)?)?))
    });
    t.add("volatile lastval() -> int8 -- The number that the session took last, of any sequence.", |c| {
        Ok(Datum::Int(actions(c)?.last_value()?))
    });
    t.add(
        "
        volatile setval(regclass, int8) -> int8 -- Lets a sequence go on behind a number, or with it.
        volatile setval(regclass, int8, bool) -> int8
        ",
        |c| {
            let (value, called) = (c.int(1)?, c.count() < 3 || c.bool(2)?);
            actions(c)?.set_value(sequence(c)?, value, called)?;
            Ok(Datum::Int(value))
        },
    );
    t.add("volatile pg_sequence_last_value(regclass) -> int8 -- The number that anybody took last.", |c| {
        Ok(actions(c)?.value_of(sequence(c)?)?.map_or(Datum::Null, Datum::Int))
    });
    t.add("stable pg_get_serial_sequence(text, text) -> text -- The sequence of a serial or identity column.", |c| {
        let relation = oid_of(c, 0, &Type::RegClass)?;
        match info(c).and_then(|catalog| catalog.serial_sequence(relation, c.text(1).ok()?)) {
            Some(name) => c.new_text(&name),
            None => Ok(Datum::Null),
        }
    });
}

fn sequence(c: &Call<'_, '_>) -> Result<u32> {
    u32::try_from(c.int(0)?).map_err(|_| SqlError::new(b"22003", "OID out of range"))
}

fn actions<'c>(c: &'c Call<'_, '_>) -> Result<&'c dyn Actions> {
    let missing = || SqlError::new(b"0A000", "taking numbers of sequences is not supported here");
    c.env.session.actions.as_deref().ok_or_else(missing)
}

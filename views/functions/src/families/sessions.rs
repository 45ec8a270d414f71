//! What sessions do to others, and the numbers of transactions (<https://www.postgresql.org/docs/15/functions-admin.html>).

use tidewater_types::{Datum, Result, SqlError};

use crate::actions::{Actions, Signal};
use crate::call::Call;
use crate::table::Table;

pub(super) fn register(t: &mut Table) {
    t.family("Sessions");
    t.add(
        "volatile pg_cancel_backend(int4) -> bool -- Cancels the statement of a session; false if there is none.",
        |c| signal(c, Signal::Cancel),
    );
    t.add(
        "volatile pg_terminate_backend(pid int4, timeout int8 = 0) -> bool -- Ends a session; false if there is none.",
        |c| {
            if c.count() > 1 && c.int(1)? != 0 {
                let message = "pg_terminate_backend that waits is not supported";
                return Err(SqlError::new(b"0A000", message).hint("leave out the time"));
            }
            signal(c, Signal::Terminate)
        },
    );
    t.add("stable txid_current() -> int8 -- The transaction's number, which grows from one to the next.", |c| {
        Ok(actions(c)?.transaction_id(true).map_or(Datum::Null, Datum::Int))
    });
    t.add(
        "stable txid_current_if_assigned() -> int8 -- The transaction's number, NULL if nobody has asked for it.",
        |c| Ok(actions(c)?.transaction_id(false).map_or(Datum::Null, Datum::Int)),
    );
}

fn signal<'a>(c: &Call<'a, '_>, signal: Signal) -> Result<Datum<'a>> {
    let pid = i32::try_from(c.int(0)?).unwrap_or_default();
    Ok(Datum::Bool(actions(c)?.signal(pid, signal)))
}

fn actions<'c>(c: &'c Call<'_, '_>) -> Result<&'c dyn Actions> {
    let missing = || SqlError::new(b"0A000", "functions of sessions are not supported here");
    c.env.session.actions.as_deref().ok_or_else(missing)
}

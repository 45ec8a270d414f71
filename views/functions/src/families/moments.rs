//! The current moment and what the session says of itself
//! (<https://www.postgresql.org/docs/15/functions-datetime.html#FUNCTIONS-DATETIME-CURRENT>).

use tidewater_types::Datum;

use crate::table::Table;

pub(super) fn register(t: &mut Table) {
    t.family("Date and time");
    t.add(
        "
        stable now() -> timestamptz -- When the transaction began.
        stable transaction_timestamp() -> timestamptz -- When the transaction began.
        ",
        |c| Ok(Datum::Int(c.env.session.settings.moment()?)),
    );
    t.add("stable statement_timestamp() -> timestamptz -- When the statement began.", |c| {
        Ok(Datum::Int(c.env.session.statement_now))
    });
    t.add("volatile clock_timestamp() -> timestamptz -- The moment of the call.", |c| {
        Ok(Datum::Int((c.env.session.clock)()))
    });
}

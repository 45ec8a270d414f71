//! Comparison operators (<https://www.postgresql.org/docs/15/functions-comparison.html>): the six of every type that has an order.

use tidewater_types::{Datum, Expr, Result};

use crate::call::Env;
use crate::compile::Argument;
use crate::table::Table;

pub(super) fn register(t: &mut Table) {
    t.family("Comparison");
    t.make_operator("=(int4, int4) -> bool -- Equal.\n=(int8, int8) -> bool", equal);
}

fn equal(args: Vec<Argument>, _: Env) -> Result<Expr> {
    let [a, b] =
        <[Argument; 2]>::try_from(args).map_err(|_| tidewater_types::SqlError::new(b"XX000", "two arguments"))?;
    Ok(Expr::new(move |tuple, scratch| {
        Ok(match (a.expr.eval(tuple, scratch)?, b.expr.eval(tuple, scratch)?) {
            (Datum::Int(a), Datum::Int(b)) => Datum::Bool(a == b),
            _ => Datum::Null,
        })
    }))
}

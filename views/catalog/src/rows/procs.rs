//! Functions, aggregates and operators as the table has them: pg_proc, pg_aggregate, pg_operator.

use tidewater_functions::{Function, Kind, Param, Volatility};
use tidewater_types::{Datum, Result, Scratch};

use crate::catalog::{Catalog, OWNER, SYSTEM_SCHEMAS};
use crate::functions::{functions, operators, param_oid};
use crate::out::{Done, Out, array, int, oid, text, vector, yes};
use crate::types::io_functions;

/// PostgreSQL's number of the language `internal`.
pub(super) const INTERNAL: u32 = 12;

pub(super) fn pg_proc(_: &Catalog, out: &mut Out<'_, '_>) -> Done {
    let at = out.columns([
        "oid",
        "proname",
        "pronamespace",
        "proowner",
        "prolang",
        "procost",
        "prorows",
        "provariadic",
        "prokind",
        "proisstrict",
        "proretset",
        "provolatile",
        "proparallel",
        "pronargs",
        "pronargdefaults",
        "prorettype",
        "proargtypes",
        "proallargtypes",
        "proargmodes",
        "proargnames",
        "prosrc",
        "proisagg",
        "proiswindow",
    ])?;
    let scratch = Scratch::new();
    for numbered in functions() {
        let function = numbered.function;
        let (all, modes, names) = outputs(function, &scratch)?;
        let is_set = function.kind == Kind::Set;
        out.row(
            &at,
            [
                oid(numbered.oid),
                text(function.name),
                oid(SYSTEM_SCHEMAS[0].0),
                oid(OWNER),
                oid(INTERNAL),
                Datum::Float(1.0),
                Datum::Float(if is_set { 1000.0 } else { 0.0 }),
                oid(variadic(function)),
                text(kind(function)),
                yes(function.strict),
                yes(is_set),
                text(volatility(function.volatility)),
                text("s"),
                int(function.params.len()),
                int(function.defaults.len()),
                oid(param_oid(&function.result)),
                vector(&scratch, function.params.iter().map(|param| param_oid(param).into()))?,
                all,
                modes,
                names,
                text(function.name),
                yes(function.kind == Kind::Aggregate),
                yes(function.kind == Kind::Window),
            ],
        )?;
    }
    for io in io_functions() {
        out.row(
            &at,
            [
                oid(io.oid),
                text(io.name),
                oid(SYSTEM_SCHEMAS[0].0),
                oid(OWNER),
                oid(INTERNAL),
                Datum::Float(1.0),
                Datum::Float(0.0),
                oid(0),
                text("f"),
                yes(true),
                yes(false),
                text(io.volatility),
                text("s"),
                int(io.arguments.len()),
                int(0),
                oid(io.result),
                vector(&scratch, io.arguments.iter().map(|oid| i64::from(*oid)))?,
                Datum::Null,
                Datum::Null,
                Datum::Null,
                text(io.name),
                yes(false),
                yes(false),
            ],
        )?;
    }
    Ok(())
}

/// The type of what repeats.
fn variadic(function: &Function) -> u32 {
    match function.params.last() {
        Some(Param::Of(ty)) if function.variadic => ty.element().map_or(0, tidewater_types::Type::oid),
        Some(last) if function.variadic => param_oid(last),
        _ => 0,
    }
}

fn kind(function: &Function) -> &'static str {
    match function.kind {
        Kind::Aggregate => "a",
        Kind::Window => "w",
        Kind::Scalar | Kind::Set => "f",
    }
}

fn volatility(volatility: Volatility) -> &'static str {
    match volatility {
        Volatility::Immutable => "i",
        Volatility::Stable => "s",
        Volatility::Volatile => "v",
    }
}

/// Types, modes and names of all parameters, those among them that are columns of the result: NULL where PostgreSQL has none.
fn outputs<'a>(function: &Function, scratch: &'a Scratch) -> Result<(Datum<'a>, Datum<'a>, Datum<'a>)> {
    let columns = if function.columns.len() > 1 { &function.columns[..] } else { &[] };
    let named = !columns.is_empty() || function.names.iter().any(|name| !name.is_empty());
    let names: Vec<Datum<'_>> =
        function.names.iter().copied().chain(columns.iter().map(|(name, _)| *name)).map(Datum::from).collect();
    let names = if named { array(scratch, &names)? } else { Datum::Null };
    if columns.is_empty() && !function.variadic {
        return Ok((Datum::Null, Datum::Null, names));
    }
    let params = function.params.iter().chain(columns.iter().map(|(_, param)| param));
    let types: Vec<Datum<'_>> = params.map(|param| oid(param_oid(param))).collect();
    let last = function.params.len();
    let modes: Vec<Datum<'_>> = (1..=types.len())
        .map(|number| match number {
            _ if number > last => text("o"),
            _ if number == last && function.variadic => text("v"),
            _ => text("i"),
        })
        .collect();
    Ok((array(scratch, &types)?, array(scratch, &modes)?, names))
}

pub(super) fn pg_aggregate(_: &Catalog, out: &mut Out<'_, '_>) -> Done {
    let at = out.columns(["aggfnoid", "aggkind", "aggnumdirectargs", "aggfinalmodify", "aggmfinalmodify"])?;
    for numbered in functions().iter().filter(|numbered| numbered.function.kind == Kind::Aggregate) {
        let direct = numbered.function.direct;
        let kind = if direct.is_some() { "o" } else { "n" };
        out.row(&at, [oid(numbered.oid), text(kind), int(direct.unwrap_or(0)), text("r"), text("r")])?;
    }
    Ok(())
}

pub(super) fn pg_operator(_: &Catalog, out: &mut Out<'_, '_>) -> Done {
    let at =
        out.columns(["oid", "oprname", "oprnamespace", "oprowner", "oprkind", "oprleft", "oprright", "oprresult"])?;
    for numbered in operators() {
        let operator = numbered.function;
        let (kind, left, right) = match &operator.params[..] {
            [right] => ("l", 0, param_oid(right)),
            [left, right] => ("b", param_oid(left), param_oid(right)),
            _ => continue,
        };
        out.row(
            &at,
            [
                oid(numbered.oid),
                text(operator.name),
                oid(SYSTEM_SCHEMAS[0].0),
                oid(OWNER),
                text(kind),
                oid(left),
                oid(right),
                oid(param_oid(&operator.result)),
            ],
        )?;
    }
    Ok(())
}

//! Comparison operators (<https://www.postgresql.org/docs/15/functions-comparison.html>): the six of every type that has an order.

use std::cmp::Ordering;

use tidewater_types::time::{DAY, Zone, is_infinite};
use tidewater_types::{Datum, Expr, Result, SqlError, Type, compare, float};

use crate::call::Env;
use crate::compile::{Argument, two};
use crate::signature::type_name;
use crate::table::Table;

/// The signatures of one operator.
macro_rules! signatures {
    ($name:literal, $doc:literal) => {
        crate::table::signatures!(
            $name,
            $doc,
            "(bool, bool) -> bool",
            "(int2, int2) -> bool",
            "(int2, int4) -> bool",
            "(int2, int8) -> bool",
            "(int4, int2) -> bool",
            "(int4, int4) -> bool",
            "(int4, int8) -> bool",
            "(int8, int2) -> bool",
            "(int8, int4) -> bool",
            "(int8, int8) -> bool",
            "(uint2, uint2) -> bool",
            "(uint4, uint4) -> bool",
            "(uint8, uint8) -> bool",
            "(float4, float4) -> bool",
            "(float4, float8) -> bool",
            "(float8, float4) -> bool",
            "(float8, float8) -> bool",
            "(numeric, numeric) -> bool",
            "(oid, oid) -> bool",
            "(oidvector, oidvector) -> bool",
            "(text, text) -> bool",
            "(bpchar, bpchar) -> bool",
            "(char, char) -> bool",
            "(name, name) -> bool",
            "(name, text) -> bool",
            "(text, name) -> bool",
            "(bytea, bytea) -> bool",
            "(uuid, uuid) -> bool",
            "(jsonb, jsonb) -> bool",
            "(date, date) -> bool",
            "(date, timestamp) -> bool",
            "(timestamp, date) -> bool",
            stable "(date, timestamptz) -> bool",
            stable "(timestamptz, date) -> bool",
            "(timestamp, timestamp) -> bool",
            "(timestamptz, timestamptz) -> bool",
            stable "(timestamp, timestamptz) -> bool",
            stable "(timestamptz, timestamp) -> bool",
            "(time, time) -> bool",
            "(timetz, timetz) -> bool",
            "(interval, interval) -> bool",
            "(anyarray, anyarray) -> bool",
            "(record, record) -> bool",
            "(anylist, anylist) -> bool",
            "(anymap, anymap) -> bool",
            "(anyrange, anyrange) -> bool",
            "(anymultirange, anymultirange) -> bool"
        )
    };
}

pub(super) fn register(t: &mut Table) {
    t.family("Comparison");
    t.make_operator(signatures!("=", "Equal."), |args, env| make(args, env, |order| order.is_eq()));
    t.make_operator(signatures!("<>", "Not equal."), |args, env| make(args, env, |order| order.is_ne()));
    t.make_operator(signatures!("<", "Less."), |args, env| make(args, env, |order| order.is_lt()));
    t.make_operator(signatures!("<=", "Less or equal."), |args, env| make(args, env, |order| order.is_le()));
    t.make_operator(signatures!(">", "Greater."), |args, env| make(args, env, |order| order.is_gt()));
    t.make_operator(signatures!(">=", "Greater or equal."), |args, env| make(args, env, |order| order.is_ge()));
    t.make_operator("~<~(text, text) -> bool -- Less, byte by byte.\n~<~(bpchar, bpchar) -> bool", |args, env| {
        make(args, env, |o| o.is_lt())
    });
    t.make_operator(
        "~<=~(text, text) -> bool -- Less or equal, byte by byte.\n~<=~(bpchar, bpchar) -> bool",
        |args, env| make(args, env, |o| o.is_le()),
    );
    t.make_operator("~>~(text, text) -> bool -- Greater, byte by byte.\n~>~(bpchar, bpchar) -> bool", |args, env| {
        make(args, env, |o| o.is_gt())
    });
    t.make_operator(
        "~>=~(text, text) -> bool -- Greater or equal, byte by byte.\n~>=~(bpchar, bpchar) -> bool",
        |args, env| make(args, env, |o| o.is_ge()),
    );
    t.add("null num_nulls(variadic any) -> int4 -- How many arguments are NULL.", |c| count_nulls(c, true));
    t.add("null num_nonnulls(variadic any) -> int4 -- How many arguments are not NULL.", |c| count_nulls(c, false));
}

fn count_nulls<'a>(c: &crate::call::Call<'a, '_>, nulls: bool) -> Result<Datum<'a>> {
    let Some(values) = super::format::variadic(c, 0)? else {
        return Ok(Datum::Null);
    };
    Ok(Datum::Int(values.iter().filter(|(value, _)| value.is_null() == nulls).count() as i64))
}

/// Refuses types whose values have no order.
pub(super) fn check_order(ty: &Type) -> Result<()> {
    match ty {
        Type::Json | Type::JsonPath => {
            Err(SqlError::new(b"42883", format!("could not identify a comparison function for type {ty}")))
        }
        Type::Record(record) => record.fields.iter().try_for_each(|(_, field)| check_order(&field.ty)),
        ty => ty.element().map_or(Ok(()), check_order),
    }
}

/// An operator that is true for some orders. Integers, floats and texts do not go through the comparison of all types.
fn make<F>(args: Vec<Argument>, env: Env, holds: F) -> Result<Expr>
where
    F: Fn(Ordering) -> bool + Send + Sync + Copy + 'static,
{
    let (left, right) = (env.types[0].ty.clone(), env.types[1].ty.clone());
    let (a, b) = two(args)?;
    let zone = env.session.settings.time_zone.clone();
    match (&left, &right) {
        (Type::Date, Type::Timestamp | Type::TimestampTz)
        | (Type::Timestamp, Type::TimestampTz | Type::Date)
        | (Type::TimestampTz, Type::Timestamp | Type::Date) => {
            let moments = moments(left, right, zone);
            return Ok(strict(a, b, move |a, b| match (a, b) {
                (Datum::Int(a), Datum::Int(b)) => Ok(holds(moments(*a, *b))),
                _ => Ok(false),
            }));
        }
        (Type::Record(left), Type::Record(right)) if left != right => check_rows(left, right)?,
        _ => {}
    }
    check_order(&left)?;
    let by_bytes = left.is_text() && left != Type::Bpchar;
    Ok(Expr::new(move |tuple, scratch| {
        let (a, b) = (a.eval(tuple, scratch)?, b.eval(tuple, scratch)?);
        Ok(match (&a, &b) {
            (Datum::Null, _) | (_, Datum::Null) => Datum::Null,
            (Datum::Int(a), Datum::Int(b)) => Datum::Bool(holds(a.cmp(b))),
            (Datum::Float(a), Datum::Float(b)) => Datum::Bool(holds(float::compare(*a, *b))),
            (Datum::Text(a), Datum::Text(b)) if by_bytes => Datum::Bool(holds(a.cmp(b))),
            _ => Datum::Bool(holds(compare(&left, &a, &b))),
        })
    }))
}

fn strict<F>(a: Expr, b: Expr, of: F) -> Expr
where
    F: Fn(&Datum<'_>, &Datum<'_>) -> Result<bool> + Send + Sync + 'static,
{
    Expr::new(move |tuple, scratch| {
        let (a, b) = (a.eval(tuple, scratch)?, b.eval(tuple, scratch)?);
        if a.is_null() || b.is_null() { Ok(Datum::Null) } else { of(&a, &b).map(Datum::Bool) }
    })
}

/// Rows are compared only if their columns are alike.
fn check_rows(left: &tidewater_types::Record, right: &tidewater_types::Record) -> Result<()> {
    if left.fields.len() != right.fields.len() {
        return Err(SqlError::new(b"42804", "cannot compare record types with different numbers of columns"));
    }
    for (i, ((_, a), (_, b))) in left.fields.iter().zip(&right.fields).enumerate() {
        if a.ty != b.ty {
            let (a, b, column) = (type_name(&a.ty), type_name(&b.ty), i + 1);
            let message = format!("cannot compare dissimilar column types {a} and {b} at record column {column}");
            return Err(SqlError::new(b"42804", message));
        }
    }
    Ok(())
}

/// The order of a date and a timestamp, or of timestamps with and without zone: as moments, which the greatest dates exceed.
fn moments(left: Type, right: Type, zone: Zone) -> impl Fn(i64, i64) -> Ordering + Send + Sync {
    let zoned = left == Type::TimestampTz || right == Type::TimestampTz;
    let moment = move |ty: &Type, value: i64| -> i128 {
        if is_infinite(value) {
            return if value > 0 { i128::MAX } else { i128::MIN };
        }
        let local = if *ty == Type::Date { i128::from(value) * i128::from(DAY) } else { i128::from(value) };
        let offset = if zoned && *ty != Type::TimestampTz { zone.offset_of_local(local) } else { 0 };
        local - i128::from(offset) * 1_000_000
    };
    move |a, b| moment(&left, a).cmp(&moment(&right, b))
}

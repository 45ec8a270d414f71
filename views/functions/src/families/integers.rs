//! Integers: arithmetic and bits (<https://www.postgresql.org/docs/15/functions-math.html>).

use tidewater_types::{Datum, Expr, Result, SqlError, Type};

use crate::call::{Call, Env};
use crate::compile::{Argument, two};
use crate::table::Table;

/// The signatures of an operator over all pairs of integer types: the result is of the wider.
macro_rules! pairs {
    ($name:literal, $doc:literal) => {
        crate::table::signatures!(
            $name,
            $doc,
            "(int2, int2) -> int2",
            "(int2, int4) -> int4",
            "(int2, int8) -> int8",
            "(int4, int2) -> int4",
            "(int4, int4) -> int4",
            "(int4, int8) -> int8",
            "(int8, int2) -> int8",
            "(int8, int4) -> int8",
            "(int8, int8) -> int8",
            "(uint2, uint2) -> uint2",
            "(uint4, uint4) -> uint4",
            "(uint8, uint8) -> uint8"
        )
    };
}

/// The signatures of an operator or function of two integers of one type.
macro_rules! alike {
    ($name:literal, $doc:literal) => {
        crate::table::signatures!(
            $name,
            $doc,
            "(int2, int2) -> int2",
            "(int4, int4) -> int4",
            "(int8, int8) -> int8",
            "(uint2, uint2) -> uint2",
            "(uint4, uint4) -> uint4",
            "(uint8, uint8) -> uint8"
        )
    };
}

pub(super) fn register(t: &mut Table) {
    t.family("Mathematics");
    t.make_operator(pairs!("+", "Sum."), |args, env| binary(args, env, |a, b| Ok(a.checked_add(b))));
    t.make_operator(pairs!("-", "Difference."), |args, env| binary(args, env, |a, b| Ok(a.checked_sub(b))));
    t.make_operator(pairs!("*", "Product."), |args, env| binary(args, env, |a, b| Ok(a.checked_mul(b))));
    t.make_operator(pairs!("/", "Quotient, cut to an integer."), |args, env| {
        binary(args, env, |a, b| if b == 0 { Err(division_by_zero()) } else { Ok(a.checked_div(b)) })
    });
    t.make_operator(alike!("%", "Remainder, with the sign of the first."), remainder);
    t.make("mod(int2, int2) -> int2 -- Remainder, with the sign of the first.\nmod(int4, int4) -> int4\nmod(int8, int8) -> int8", remainder);
    t.operator("+(int2) -> int2 -- The value itself.\n+(int4) -> int4\n+(int8) -> int8", |c| Ok(c.args[0]));
    t.operator("-(int2) -> int2 -- The value with the other sign.\n-(int4) -> int4\n-(int8) -> int8", |c| {
        fit(&c.env.result.ty, -i128::from(c.int(0)?))
    });
    t.operator("@(int2) -> int2 -- The value without its sign.\n@(int4) -> int4\n@(int8) -> int8", absolute);
    t.add("abs(int2) -> int2 -- The value without its sign.\nabs(int4) -> int4\nabs(int8) -> int8", absolute);
    t.make_operator(alike!("&", "Bits that both have."), |args, env| bits(args, env, |a, b| a & b));
    t.make_operator(alike!("|", "Bits that one of them has."), |args, env| bits(args, env, |a, b| a | b));
    t.make_operator(alike!("#", "Bits that exactly one of them has."), |args, env| bits(args, env, |a, b| a ^ b));
    t.operator("~(int2) -> int2 -- Every bit turned.\n~(int4) -> int4\n~(int8) -> int8", |c| {
        Ok(Datum::Int(!c.int(0)?))
    });
    t.operator("~(uint2) -> uint2\n~(uint4) -> uint4\n~(uint8) -> uint8", |c| match c.args[0] {
        Datum::UInt(value) => Ok(Datum::UInt(!value)),
        _ if *c.ty(0) == Type::UInt2 => Ok(Datum::Int((!(c.int(0)? as u16)).into())),
        _ => Ok(Datum::Int((!(c.int(0)? as u32)).into())),
    });
    t.operator("<<(int2, int4) -> int2 -- Bits moved up.\n<<(int4, int4) -> int4\n<<(int8, int4) -> int8", |c| {
        let (value, by) = (c.int(0)?, c.int(1)? as u32);
        Ok(Datum::Int(match c.ty(0) {
            Type::Int2 => ((value as i32).wrapping_shl(by) as i16).into(),
            Type::Int4 => (value as i32).wrapping_shl(by).into(),
            _ => value.wrapping_shl(by),
        }))
    });
    t.operator(">>(int2, int4) -> int2 -- Bits moved down.\n>>(int4, int4) -> int4\n>>(int8, int4) -> int8", |c| {
        let (value, by) = (c.int(0)?, c.int(1)? as u32);
        Ok(Datum::Int(match c.ty(0) {
            Type::Int2 | Type::Int4 => (value as i32).wrapping_shr(by).into(),
            _ => value.wrapping_shr(by),
        }))
    });
    t.add("gcd(int4, int4) -> int4 -- Greatest common divisor.\ngcd(int8, int8) -> int8", |c| {
        fit(&c.env.result.ty, gcd(c.int(0)?.into(), c.int(1)?.into()))
    });
    t.add("lcm(int4, int4) -> int4 -- Least common multiple.\nlcm(int8, int8) -> int8", |c| {
        let (a, b) = (i128::from(c.int(0)?), i128::from(c.int(1)?));
        let divisor = gcd(a, b);
        fit(&c.env.result.ty, if divisor == 0 { 0 } else { (a / divisor * b).abs() })
    });
}

pub(super) fn division_by_zero() -> SqlError {
    SqlError::new(b"22012", "division by zero")
}

/// That a value is beyond an integer type.
pub(super) fn out_of_range(ty: &Type) -> SqlError {
    let name = match ty {
        Type::Int2 => "smallint",
        Type::Int4 => "integer",
        Type::UInt2 => "uint2",
        Type::UInt4 => "uint4",
        Type::UInt8 => "uint8",
        _ => "bigint",
    };
    SqlError::new(b"22003", format!("{name} out of range"))
}

/// The least and greatest value of an integer type.
fn limits(ty: &Type) -> (i128, i128) {
    match ty {
        Type::Int2 => (i16::MIN.into(), i16::MAX.into()),
        Type::Int4 => (i32::MIN.into(), i32::MAX.into()),
        Type::UInt2 => (0, u16::MAX.into()),
        Type::UInt4 => (0, u32::MAX.into()),
        Type::UInt8 => (0, u64::MAX.into()),
        _ => (i64::MIN.into(), i64::MAX.into()),
    }
}

/// The value as a value of an integer type.
pub(super) fn fit<'a>(ty: &Type, value: i128) -> Result<Datum<'a>> {
    let (least, most) = limits(ty);
    if value < least || value > most {
        return Err(out_of_range(ty));
    }
    Ok(if *ty == Type::UInt8 { Datum::UInt(value as u64) } else { Datum::Int(value as i64) })
}

/// An operator whose operation says `None` where 64 bits, or 128 for uint8, do not hold the result.
fn binary<F>(args: Vec<Argument>, env: Env, operation: F) -> Result<Expr>
where
    F: Fn(i128, i128) -> Result<Option<i128>> + Send + Sync + 'static,
{
    let ty = env.result.ty;
    let (least, most) = limits(&ty);
    let (a, b) = two(args)?;
    Ok(Expr::new(move |tuple, scratch| {
        let (a, b, unsigned) = match (a.eval(tuple, scratch)?, b.eval(tuple, scratch)?) {
            (Datum::Int(a), Datum::Int(b)) => (a.into(), b.into(), false),
            (Datum::UInt(a), Datum::UInt(b)) => (a.into(), b.into(), true),
            _ => return Ok(Datum::Null),
        };
        match operation(a, b)? {
            Some(value) if value >= least && value <= most => {
                Ok(if unsigned { Datum::UInt(value as u64) } else { Datum::Int(value as i64) })
            }
            _ => Err(out_of_range(&ty)),
        }
    }))
}

fn remainder(args: Vec<Argument>, env: Env) -> Result<Expr> {
    binary(args, env, |a, b| if b == 0 { Err(division_by_zero()) } else { Ok(Some(a % b)) })
}

/// Signed values keep their sign: they are extended to 128 bits before.
fn bits<F>(args: Vec<Argument>, env: Env, operation: F) -> Result<Expr>
where
    F: Fn(i128, i128) -> i128 + Send + Sync + 'static,
{
    binary(args, env, move |a, b| Ok(Some(operation(a, b))))
}

fn absolute<'a>(c: &Call<'a, '_>) -> Result<Datum<'a>> {
    fit(&c.env.result.ty, i128::from(c.int(0)?).abs())
}

fn gcd(a: i128, b: i128) -> i128 {
    let (mut a, mut b) = (a.abs(), b.abs());
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

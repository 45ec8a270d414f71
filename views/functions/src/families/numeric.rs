//! Mathematics of numeric (<https://www.postgresql.org/docs/15/functions-math.html>).

use num_bigint::BigInt;
use tidewater_types::{Datum, Numeric, NumericBuf, Result, SqlError};

use crate::call::Call;
use crate::table::Table;

pub(super) fn register(t: &mut Table) {
    t.family("Mathematics");
    t.operator("+(numeric, numeric) -> numeric", |c| give(c, c.numeric(0)?.add(c.numeric(1)?)));
    t.operator("-(numeric, numeric) -> numeric", |c| give(c, c.numeric(0)?.sub(c.numeric(1)?)));
    t.operator("*(numeric, numeric) -> numeric", |c| give(c, c.numeric(0)?.mul(c.numeric(1)?)));
    t.operator("/(numeric, numeric) -> numeric", |c| give(c, c.numeric(0)?.div(c.numeric(1)?)));
    t.operator("%(numeric, numeric) -> numeric", |c| give(c, c.numeric(0)?.rem(c.numeric(1)?)));
    t.operator("^(numeric, numeric) -> numeric", |c| give(c, c.numeric(0)?.power(c.numeric(1)?)));
    t.operator("+(numeric) -> numeric", |c| Ok(c.args[0]));
    t.operator("-(numeric) -> numeric", |c| give(c, Ok(c.numeric(0)?.neg())));
    t.operator("@(numeric) -> numeric", |c| give(c, Ok(c.numeric(0)?.abs())));
    t.add("abs(numeric) -> numeric", |c| give(c, Ok(c.numeric(0)?.abs())));
    t.add("mod(numeric, numeric) -> numeric", |c| give(c, c.numeric(0)?.rem(c.numeric(1)?)));
    t.add("div(numeric, numeric) -> numeric -- Quotient, cut to a whole number.\nnumeric_div_trunc(numeric, numeric) -> numeric", |c| {
        give(c, c.numeric(0)?.div_whole(c.numeric(1)?))
    });
    t.add("gcd(numeric, numeric) -> numeric", |c| give(c, c.numeric(0)?.gcd(c.numeric(1)?)));
    t.add("lcm(numeric, numeric) -> numeric", |c| give(c, c.numeric(0)?.lcm(c.numeric(1)?)));
    t.add("power(numeric, numeric) -> numeric\npow(numeric, numeric) -> numeric", |c| {
        give(c, c.numeric(0)?.power(c.numeric(1)?))
    });
    t.add("sqrt(numeric) -> numeric\nnumeric_sqrt(numeric) -> numeric", |c| give(c, c.numeric(0)?.sqrt()));
    t.add("exp(numeric) -> numeric\nnumeric_exp(numeric) -> numeric", |c| give(c, c.numeric(0)?.exp()));
    t.add("ln(numeric) -> numeric\nnumeric_ln(numeric) -> numeric", |c| give(c, c.numeric(0)?.ln()));
    t.add("log(numeric) -> numeric\nlog10(numeric) -> numeric", |c| give(c, c.numeric(0)?.log10()));
    t.add("log(numeric, numeric) -> numeric -- Logarithm of the second, of base the first.\nnumeric_log(numeric, numeric) -> numeric", |c| {
        give(c, c.numeric(1)?.log(c.numeric(0)?))
    });
    rounding(t);
    t.add("factorial(int8) -> numeric -- Product of the numbers from 1.", factorial);
    t.add("width_bucket(numeric, numeric, numeric, int4) -> int4", width_bucket);
}

fn rounding(t: &mut Table) {
    t.add("ceil(numeric) -> numeric\nceiling(numeric) -> numeric", |c| give(c, c.numeric(0)?.ceil()));
    t.add("floor(numeric) -> numeric", |c| give(c, c.numeric(0)?.floor()));
    t.add("round(numeric) -> numeric -- To the nearest; of two, away from zero; the second says to how many digits.\nround(numeric, int4) -> numeric", |c| {
        let digits = if c.count() > 1 { c.int(1)? as i32 } else { 0 };
        give(c, c.numeric(0)?.round(digits))
    });
    t.add(
        "trunc(numeric) -> numeric -- Cut; the second says to how many digits.\ntrunc(numeric, int4) -> numeric",
        |c| {
            let digits = if c.count() > 1 { c.int(1)? as i32 } else { 0 };
            give(c, c.numeric(0)?.trunc(digits))
        },
    );
    t.add("sign(numeric) -> numeric", |c| match c.numeric(0)? {
        Numeric::NaN => Ok(Datum::Numeric(Numeric::NaN)),
        value => Ok(Datum::Numeric(Numeric::integer(value.signum()))),
    });
    t.add("scale(numeric) -> int4 -- Digits after the point.", |c| {
        Ok(c.numeric(0)?.scale().map_or(Datum::Null, |scale| Datum::Int(scale.into())))
    });
    t.add("min_scale(numeric) -> int4 -- Digits after the point that are needed.", |c| {
        Ok(c.numeric(0)?.min_scale().map_or(Datum::Null, |scale| Datum::Int(scale.into())))
    });
    t.add("trim_scale(numeric) -> numeric -- Without zeros at the end.", |c| give(c, c.numeric(0)?.trim_scale()));
    t.add("numeric_inc(numeric) -> numeric", |c| give(c, c.numeric(0)?.add(Numeric::integer(1))));
}

/// A numeric as a result.
pub(super) fn give<'a>(c: &Call<'a, '_>, value: Result<NumericBuf>) -> Result<Datum<'a>> {
    Ok(Datum::Numeric(value?.into_scratch(c.scratch)))
}

fn factorial<'a>(c: &Call<'a, '_>) -> Result<Datum<'a>> {
    let n = c.int(0)?;
    if n < 0 {
        return Err(SqlError::new(b"22003", "factorial of a negative number is undefined"));
    }
    // The next one has more digits than numeric.
    if n > 32_177 {
        return Err(SqlError::new(b"22003", "value overflows numeric format"));
    }
    let product: BigInt = (2..=n).map(BigInt::from).product();
    give(c, NumericBuf::parse(&product.to_string()))
}

fn width_bucket<'a>(c: &Call<'a, '_>) -> Result<Datum<'a>> {
    let (value, low, high, count) = (c.numeric(0)?, c.numeric(1)?, c.numeric(2)?, c.int(3)?);
    let refuse = |message| SqlError::new(b"2201G", message);
    if count <= 0 {
        return Err(refuse("count must be greater than zero"));
    }
    if value.is_nan() || low.is_nan() || high.is_nan() {
        return Err(refuse("operand, lower bound, and upper bound cannot be NaN"));
    }
    if low.scale().is_none() || high.scale().is_none() {
        return Err(refuse("lower and upper bounds must be finite"));
    }
    let order = low.cmp(&high);
    if order.is_eq() {
        return Err(refuse("lower bound cannot equal upper bound"));
    }
    let (below, above) = if order.is_lt() { (value < low, value >= high) } else { (value > low, value <= high) };
    let bucket = if below {
        0
    } else if above {
        count + 1
    } else {
        let distance = value.sub(low)?.borrow(&mut Vec::new()).mul(Numeric::integer(count))?;
        // The quotient is a rounded one: just below the upper bound it is the number of buckets.
        let share = distance.borrow(&mut Vec::new()).div(high.sub(low)?.borrow(&mut Vec::new()))?;
        let whole = share.borrow(&mut Vec::new()).floor()?;
        whole.borrow(&mut Vec::new()).to_integer::<i64>("integer")? + 1
    };
    if bucket > i32::MAX.into() {
        return Err(SqlError::new(b"22003", "integer out of range"));
    }
    Ok(Datum::Int(bucket))
}

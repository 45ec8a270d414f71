//! numeric on the wire: digits in base 10,000.

use num_bigint::BigInt;
use num_traits::{Signed, ToPrimitive, Zero};

use super::{Reader, malformed};
use crate::{Numeric, NumericBuf, Result};

const NEGATIVE: u16 = 0x4000;
const NAN: u16 = 0xc000;
const INFINITY: u16 = 0xd000;
const NEGATIVE_INFINITY: u16 = 0xf000;
const BASE: u32 = 10_000;

pub(super) fn put(value: Numeric<'_>, out: &mut Vec<u8>) {
    let head = |out: &mut Vec<u8>, digits: usize, weight: i64, sign: u16, scale: u16| {
        out.extend((digits as u16).to_be_bytes());
        out.extend((weight as i16).to_be_bytes());
        out.extend(sign.to_be_bytes());
        out.extend(scale.to_be_bytes());
    };
    let Some((mantissa, scale)) = value.parts() else {
        let sign = match value {
            Numeric::Infinity => INFINITY,
            Numeric::NegativeInfinity => NEGATIVE_INFINITY,
            _ => NAN,
        };
        // PostgreSQL sends a scale with infinities, which means nothing.
        return head(out, 0, 0, sign, if sign == NAN { 0 } else { 32 });
    };
    // A fraction of whole groups of four digits.
    let groups = scale.div_ceil(4);
    let mut rest: BigInt = mantissa.abs() * BigInt::from(10).pow(u32::from(groups * 4 - scale));
    let mut digits = Vec::new();
    while !rest.is_zero() {
        digits.push((&rest % BASE).to_u16().unwrap_or(0));
        rest /= BASE;
    }
    let weight = digits.len() as i64 - 1 - i64::from(groups);
    let zeros = digits.iter().take_while(|digit| **digit == 0).count();
    let sign = if mantissa.is_negative() { NEGATIVE } else { 0 };
    let shown = &digits[zeros..];
    head(out, shown.len(), if shown.is_empty() { 0 } else { weight }, sign, scale);
    shown.iter().rev().for_each(|digit| out.extend(digit.to_be_bytes()));
}

pub(super) fn read(reader: &mut Reader<'_>) -> Result<NumericBuf> {
    let count = reader.i16()? as u16;
    let weight = i64::from(reader.i16()?);
    let sign = reader.i16()? as u16;
    let scale = reader.i16()? as u16;
    let special = match sign {
        NAN => Some(NumericBuf::NaN),
        INFINITY => Some(NumericBuf::Infinity),
        NEGATIVE_INFINITY => Some(NumericBuf::NegativeInfinity),
        0 | NEGATIVE => None,
        _ => return Err(malformed()),
    };
    let mut number = BigInt::zero();
    for _ in 0..count {
        let digit = reader.i16()?;
        if !(0..BASE as i16).contains(&digit) {
            return Err(malformed());
        }
        number = number * BASE + digit;
    }
    if let Some(special) = special {
        return Ok(special);
    }
    if scale > 16383 {
        return Err(malformed());
    }
    // The number counts units of 10,000^(weight - count + 1); digits beyond the scale are cut off.
    let exponent = (weight - i64::from(count) + 1) * 4;
    let text = format!("{}{number}e{exponent}", if sign == NEGATIVE { "-" } else { "" });
    let exact = NumericBuf::parse(&text)?;
    exact.borrow(&mut Vec::new()).trunc_to(scale)
}

//! Arithmetic of numerics.

use tidewater_types::{Datum, Numeric, NumericBuf, Result};

use crate::common::{Random, Said, agree, error, judge, settings, soak};

const EDGES: &[&str] = &[
    "0",
    "0.00",
    "1",
    "-1",
    "1.0",
    "2",
    "3",
    "7",
    "10",
    "-10",
    "0.1",
    "0.001",
    "-0.5",
    "1.5",
    "2.5",
    "99.99",
    "100",
    "1234.5678",
    "-1234.5678",
    "9999",
    "10000",
    "10001",
    "0.0001",
    "0.00012345",
    "123456789",
    "1e10",
    "1e20",
    "1e-20",
    "123456789012345678901234567890",
    "-98765432109876543210.123456789",
    "99999999999999999999999999999999999999",
    "170141183460469231731687303715884105727",
    "0.333333333333333333333333333333",
    "1e40",
    "1e-40",
    "NaN",
    "Infinity",
    "-Infinity",
    "1.0000001",
    "0.9999999",
    "3.14159265358979323846",
    "1e100",
];

fn said(result: Result<NumericBuf>) -> Said {
    result.map(|value| Some(value.to_string())).map_err(|e| error(&e))
}

fn values() -> Vec<NumericBuf> {
    let mut values: Vec<NumericBuf> = EDGES.iter().map(|text| NumericBuf::parse(text).expect("a number")).collect();
    let mut random = Random(soak().0);
    for _ in 0..25 {
        let digits = random.below(45) + 1;
        let text: String = (0..digits).map(|_| char::from(b'0' + random.below(10) as u8)).collect();
        let scale = random.below(digits + 6);
        let sign = if random.below(2) == 0 { "-" } else { "" };
        values.push(NumericBuf::parse(&format!("{sign}{text}e-{scale}")).expect("a number"));
    }
    values
}

#[test]
fn arithmetic() {
    type Operation = fn(Numeric<'_>, Numeric<'_>) -> Result<NumericBuf>;
    let operations: [(&str, Operation); 5] = [
        ("+", |a, b| a.add(b)),
        ("-", |a, b| a.sub(b)),
        ("*", |a, b| a.mul(b)),
        ("/", |a, b| a.div(b)),
        ("%", |a, b| a.rem(b)),
    ];
    let functions: [(&str, Operation); 3] =
        [("div", |a, b| a.div_whole(b)), ("gcd", |a, b| a.gcd(b)), ("lcm", |a, b| a.lcm(b))];
    let values = values();
    let mut cases = Vec::new();
    for a in &values {
        for b in &values {
            let (mut x, mut y) = (Vec::new(), Vec::new());
            let (p, q) = (a.borrow(&mut x), b.borrow(&mut y));
            for (sign, operation) in &operations {
                cases.push((format!("select '{a}'::numeric {sign} '{b}'::numeric"), said(operation(p, q))));
            }
            for (name, operation) in &functions {
                cases.push((format!("select {name}('{a}'::numeric, '{b}'::numeric)"), said(operation(p, q))));
            }
            let order = format!("{:?}", p.cmp(&q));
            let statement = format!(
                "select case when '{a}'::numeric < '{b}' then 'Less' when '{a}'::numeric = '{b}' then 'Equal' else 'Greater' end"
            );
            cases.push((statement, Ok(Some(order))));
        }
    }
    agree(&mut judge(&settings()), cases);
}

#[test]
fn rounding() {
    let mut cases = Vec::new();
    for value in &values() {
        let mut bytes = Vec::new();
        let v = value.borrow(&mut bytes);
        for scale in [-45, -20, -3, -1, 0, 1, 2, 5, 30] {
            cases.push((format!("select round('{value}'::numeric, {scale})"), said(v.round(scale))));
            cases.push((format!("select trunc('{value}'::numeric, {scale})"), said(v.trunc(scale))));
        }
        cases.push((format!("select ceil('{value}'::numeric)"), said(v.ceil())));
        cases.push((format!("select floor('{value}'::numeric)"), said(v.floor())));
        cases.push((format!("select abs('{value}'::numeric)"), said(Ok(v.abs()))));
        cases.push((format!("select -'{value}'::numeric"), said(Ok(v.neg()))));
        cases.push((format!("select trim_scale('{value}'::numeric)"), said(v.trim_scale())));
        cases.push((format!("select min_scale('{value}'::numeric)"), Ok(v.min_scale().map(|s| s.to_string()))));
        cases.push((format!("select scale('{value}'::numeric)"), Ok(v.scale().map(|s| s.to_string()))));
        let int = |r: Result<i64>| r.map(|i| Some(i.to_string())).map_err(|e| error(&e));
        cases.push((format!("select '{value}'::numeric::int8"), int(v.to_integer::<i64>("bigint"))));
        cases.push((format!("select '{value}'::numeric::int4"), int(v.to_integer::<i32>("integer").map(i64::from))));
        cases.push((format!("select '{value}'::numeric::int2"), int(v.to_integer::<i16>("smallint").map(i64::from))));
        let float = crate::common::shown(&Datum::Float(v.to_f64()), &crate::common::ty("float8"), &settings());
        cases.push((format!("select '{value}'::numeric::float8"), Ok(float)));
    }
    agree(&mut judge(&settings()), cases);
}

#[test]
fn transcendental() {
    let mut cases = Vec::new();
    let values = values();
    for value in &values {
        let mut bytes = Vec::new();
        let v = value.borrow(&mut bytes);
        cases.push((format!("select sqrt('{value}'::numeric)"), said(v.sqrt())));
        cases.push((format!("select exp('{value}'::numeric)"), said(v.exp())));
        cases.push((format!("select ln('{value}'::numeric)"), said(v.ln())));
        cases.push((format!("select log('{value}'::numeric)"), said(v.log10())));
        for other in values.iter().take(42) {
            let mut more = Vec::new();
            let o = other.borrow(&mut more);
            cases.push((format!("select log('{value}'::numeric, '{other}'::numeric)"), said(o.log(v))));
            // Enormous exact results cost PostgreSQL seconds.
            if o.to_f64().abs() < 200.0
                || o.to_f64().is_infinite()
                || v.to_f64().abs().log10().abs() * o.to_f64().abs() < 3000.0
            {
                cases.push((format!("select power('{value}'::numeric, '{other}'::numeric)"), said(v.power(o))));
            }
        }
    }
    agree(&mut judge(&settings()), cases);
}

#[test]
fn floats_become_numerics() {
    let mut random = Random(soak().0);
    let mut cases = Vec::new();
    for i in 0..1000 {
        let value = if i % 2 == 0 { f64::from_bits(random.next()) } else { random.below(1 << 50) as f64 / 1024.0 };
        if !value.is_finite() || value.abs() > 1e200 || value != 0.0 && value.abs() < 1e-200 {
            continue;
        }
        cases.push((format!("select '{value:e}'::float8::numeric"), Ok(Some(NumericBuf::from_f64(value).to_string()))));
        let real = value as f32;
        if real.is_finite() && real != 0.0 {
            cases.push((
                format!("select '{real:e}'::float4::numeric"),
                Ok(Some(NumericBuf::from_f32(real).to_string())),
            ));
        }
    }
    agree(&mut judge(&settings()), cases);
}
